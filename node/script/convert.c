/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/convert.c - see node/script/convert.h. */
#include "node/script/convert.h"

#include "base/num.h"

#include <assert.h>
#include <lua5.1/lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 1000 /* tables in tables, of a result */

/* ---- from replies -----------------------------------------------------------------------------
 */

/* The line behind the type byte: *@n bytes; returns what follows it. */
static const char *line(const char *p, size_t *n)
{
    const char *end = p;

    while (*end != '\r') {
        end++;
    }
    *n = (size_t)(end - p);
    return end + 2;
}

/* The same line, which is a whole number: @out. */
static const char *number(const char *p, int64_t *out)
{
    size_t n;
    const char *next = line(p, &n);
    bool is_number = num_parse_i64(p, n, out);

    assert(is_number);
    (void)is_number;
    return next;
}

static void set_line(lua_State *L, const char *p, size_t n, const char *field)
{
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, p, n);
    lua_setfield(L, -2, field);
}

static const char *bulk(lua_State *L, const char *p)
{
    int64_t n;

    p = number(p, &n);
    if (n < 0) {
        lua_pushboolean(L, 0);
        return p;
    }
    lua_pushlstring(L, p, (size_t)n);
    return p + n + 2;
}

static const char *verbatim(lua_State *L, const char *p)
{
    int64_t n;

    p = number(p, &n);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, p + 4, (size_t)n - 4);
    lua_setfield(L, -2, "string");
    lua_pushlstring(L, p, 3);
    lua_setfield(L, -2, "format");
    lua_setfield(L, -2, "verbatim_string");
    return p + n + 2;
}

static const char *array(lua_State *L, const char *p)
{
    int64_t n;

    p = number(p, &n);
    if (n < 0) {
        lua_pushboolean(L, 0);
        return p;
    }
    lua_createtable(L, (int)(n < INT32_MAX ? n : 0), 0);
    for (int64_t i = 1; i <= n; i++) {
        p = convert_reply(L, p);
        lua_rawseti(L, -2, (int)i);
    }
    return p;
}

/* {@field = {key = value}}; of a set, every value is true. */
static const char *keyed(lua_State *L, const char *p, const char *field, bool is_set)
{
    int64_t n;

    p = number(p, &n);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, (int)(n < INT32_MAX ? n : 0));
    for (int64_t i = 0; i < n; i++) {
        p = convert_reply(L, p);
        if (is_set) {
            lua_pushboolean(L, 1);
        } else {
            p = convert_reply(L, p);
        }
        if (lua_isnil(L, -2)) {
            lua_pop(L, 2); /* no key in Lua */
        } else {
            lua_rawset(L, -3);
        }
    }
    lua_setfield(L, -2, field);
    return p;
}

/* An attribute says something about the reply behind it, which is what counts. */
static const char *attribute(lua_State *L, const char *p)
{
    p = keyed(L, p, "attribute", false);
    lua_pop(L, 1);
    return convert_reply(L, p);
}

const char *convert_reply(lua_State *L, const char *p)
{
    char type = *p++;
    const char *text = p;
    int64_t whole;
    double real;
    size_t n;

    luaL_checkstack(L, 6, "reply is nested too deeply");
    switch (type) {
    case '$':
        return bulk(L, p);
    case '*':
    case '>':
        return array(L, p);
    case '%':
        return keyed(L, p, "map", false);
    case '~':
        return keyed(L, p, "set", true);
    case '=':
        return verbatim(L, p);
    case '|':
        return attribute(L, p);
    default:
        break;
    }
    p = line(p, &n);
    switch (type) {
    case ':':
        (void)number(text, &whole);
        lua_pushnumber(L, (lua_Number)whole);
        break;
    case '+':
        set_line(L, text, n, "ok");
        break;
    case '-':
        set_line(L, text, n, "err");
        break;
    case '#':
        lua_pushboolean(L, *text == 't');
        break;
    case ',':
        lua_createtable(L, 0, 1);
        lua_pushnumber(L, num_parse_double(text, n, &real) ? real : NAN);
        lua_setfield(L, -2, "double");
        break;
    case '(':
        set_line(L, text, n, "big_number");
        break;
    default:
        lua_pushnil(L); /* _ */
        break;
    }
    return p;
}

/* ---- to replies -------------------------------------------------------------------------------
 */

struct writer {
    struct resp_out *out;
    int script_resp;
    size_t len_max; /* of the buffer */
};

static bool is_full(const struct writer *w) { return w->out->buf->len > w->len_max; }

static void write_value(lua_State *L, struct writer *w, unsigned depth);

static void write_number(lua_State *L, struct resp_out *out)
{
    lua_Number v = lua_tonumber(L, -1);

    /* What does not fit is what a conversion on x86 makes of it, as with Redis. */
    resp_int(out,
             v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN);
}

/* Push a field, raw: metatables of a result are not asked. */
static int push_field(lua_State *L, int table, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, table);
    return lua_type(L, -1);
}

static const char *text_of(lua_State *L, int i, size_t *n)
{
    return lua_type(L, i) == LUA_TSTRING ? lua_tolstring(L, i, n) : NULL;
}

/* The last @n + @behind bytes, but for those behind, get spaces for line ends. */
static void blank_line_ends(struct resp_out *out, size_t n, size_t behind)
{
    char *text = buf_head(out->buf) + out->buf->len - n - behind;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' || text[i] == '\n') {
            text[i] = ' ';
        }
    }
}

/* A line of its own: line ends within would break the protocol. */
static void write_line(struct resp_out *out, char type, const char *p, size_t n)
{
    buf_append(out->buf, &type, 1);
    buf_append(out->buf, p, n);
    blank_line_ends(out, n, 0);
    buf_append(out->buf, "\r\n", 2);
}

static void write_map(lua_State *L, struct writer *w, unsigned depth)
{
    struct resp_out *out = w->out;
    size_t at = resp_deferred_begin(out);
    size_t pairs = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; pairs++) {
        lua_pushvalue(L, -2);
        write_value(L, w, depth);
        write_value(L, w, depth);
    }
    resp_deferred_map(out, at, pairs);
}

static void write_set(lua_State *L, struct writer *w, unsigned depth)
{
    struct resp_out *out = w->out;
    size_t at = resp_deferred_begin(out);
    size_t n = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; n++) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        write_value(L, w, depth);
    }
    resp_deferred_set(out, at, n);
}

static bool has_element(lua_State *L, int i)
{
    bool has;

    lua_rawgeti(L, -1, i);
    has = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return has;
}

/* Elements 1, 2 ... up to the first that is missing. */
static void write_array(lua_State *L, struct writer *w, unsigned depth)
{
    int n = 0;

    while (has_element(L, n + 1)) {
        n++;
    }
    resp_array(w->out, (size_t)n);
    for (int i = 1; i <= n && !is_full(w); i++) {
        lua_rawgeti(L, -1, i);
        write_value(L, w, depth);
    }
}

static bool write_verbatim(lua_State *L, struct resp_out *out)
{
    int table = lua_gettop(L);
    size_t n, format_n = 0;
    const char *p, *format;

    (void)push_field(L, table, "string");
    (void)push_field(L, table, "format");
    p = text_of(L, -2, &n);
    format = text_of(L, -1, &format_n);
    if (p != NULL && format != NULL) {
        char three[4] = "   ";

        memcpy(three, format, format_n < 3 ? format_n : 3);
        resp_verbatim(out, three, p, n);
    }
    lua_pop(L, 2);
    return p != NULL && format != NULL;
}

/* A table with one of the fields that name a type. False: it is none of them. */
static bool write_tagged(lua_State *L, struct writer *w, unsigned depth)
{
    struct resp_out *out = w->out;
    int table = lua_gettop(L);
    bool done = true;
    size_t n;

    if (push_field(L, table, "err") == LUA_TSTRING) {
        const char *p = lua_tolstring(L, -1, &n);

        write_line(out, '-', p, n);
    } else if (push_field(L, table, "ok") == LUA_TSTRING) {
        const char *p = lua_tolstring(L, -1, &n);

        write_line(out, '+', p, n);
    } else if (push_field(L, table, "double") == LUA_TNUMBER) {
        resp_double(out, lua_tonumber(L, -1));
    } else if (push_field(L, table, "map") == LUA_TTABLE) {
        write_map(L, w, depth);
    } else if (push_field(L, table, "set") == LUA_TTABLE) {
        write_set(L, w, depth);
    } else if (push_field(L, table, "big_number") == LUA_TSTRING) {
        const char *p = lua_tolstring(L, -1, &n);

        if (out->version == 2) {
            resp_bulk(out, p, n);
            blank_line_ends(out, n, 2);
        } else {
            write_line(out, '(', p, n);
        }
    } else if (push_field(L, table, "verbatim_string") != LUA_TTABLE || !write_verbatim(L, out)) {
        done = false;
    }
    lua_settop(L, table);
    return done;
}

static void write_value(lua_State *L, struct writer *w, unsigned depth)
{
    struct resp_out *out = w->out;
    size_t n;
    const char *p;

    if (is_full(w)) {
        lua_pop(L, 1);
        return;
    }
    if (depth > DEPTH_MAX || lua_checkstack(L, 12) == 0) {
        resp_error(out, "ERR reached lua stack limit");
        lua_pop(L, 1);
        return;
    }
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        p = lua_tolstring(L, -1, &n);
        resp_bulk(out, p, n);
        break;
    case LUA_TBOOLEAN:
        if (w->script_resp == 3) {
            resp_bool(out, lua_toboolean(L, -1) != 0);
        } else if (lua_toboolean(L, -1)) {
            resp_int(out, 1);
        } else {
            resp_null(out);
        }
        break;
    case LUA_TNUMBER:
        write_number(L, out);
        break;
    case LUA_TTABLE:
        if (!write_tagged(L, w, depth + 1)) {
            write_array(L, w, depth + 1);
        }
        break;
    default:
        resp_null(out);
        break;
    }
    lua_pop(L, 1);
}

bool convert_value(lua_State *L, struct resp_out *out, int script_resp, size_t bytes_max)
{
    size_t len = out->buf->len;
    struct writer w = {
        .out = out,
        .script_resp = script_resp,
        .len_max = bytes_max < SIZE_MAX - len ? len + bytes_max : SIZE_MAX,
    };

    write_value(L, &w, 0);
    return !is_full(&w);
}
