/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/bounded_json.c - what cjson may take.
 *
 * cjson builds its texts in memory of its own, of which Lua's allocator knows nothing: a table that
 * has one long string in it a thousand times would end the process. And when Lua's memory ends
 * within cjson.decode(), its buffer is lost. So both are measured before they begin: an upper bound
 * of what they will need must fit into what the script may still take. The measuring ticks, and
 * what fits is done in a bounded time. */
#include "node/script/lua_tick.h"
#include "node/script/vm.h"

#include <math.h>
#include <string.h>

#define KEEP_BUFFER_KEY "holdfast.cjson.encode_keep_buffer"
#define BIG_BYTES ((size_t)1 << 20)      /* a buffer that is not kept */
#define TEXT_BYTES_MAX ((size_t)1 << 30) /* cjson counts in an int, and doubles it */
#define NUMBER_BYTES 32                  /* the longest text of one, with what separates it */
#define ESCAPED_MAX 6 /* bytes that one may become; cjson makes room for all of them */

/* ---- encoding ------------------------------------------------------------------------------- */

struct measure {
    lua_State *L;
    size_t bytes, max; /* of the text */
    double sparse_ratio, sparse_safe;
    int depth_max;
    unsigned steps;
};

static void add(struct measure *m, size_t n)
{
    if (n > m->max - m->bytes) {
        lua_pushliteral(m->L, "not enough memory");
        lua_error(m->L);
    }
    m->bytes += n;
}

static size_t escaped(unsigned char ch)
{
    switch (ch) {
    case '"':
    case '\\':
    case '/':
    case '\b':
    case '\t':
    case '\n':
    case '\f':
    case '\r':
        return 2;
    default:
        return ch < ' ' || ch == 0x7f ? ESCAPED_MAX : 1;
    }
}

static void add_string(struct measure *m, int index)
{
    size_t n, len;
    const char *p = lua_tolstring(m->L, index, &len);

    if (len > (m->max - m->bytes) / ESCAPED_MAX) {
        add(m, m->max - m->bytes + 1); /* cjson asks for the room first */
    }
    n = 4;
    for (size_t i = 0; i < len; i++) {
        n += escaped((unsigned char)p[i]);
    }
    add(m, n);
}

static void add_value(struct measure *m, int depth);

/* Keys 1..n with holes are an array, unless there are too many holes. */
static void add_holes(struct measure *m, double key_max, double count)
{
    bool is_sparse =
        m->sparse_ratio > 0 && key_max > count * m->sparse_ratio && key_max > m->sparse_safe;

    if (!is_sparse && key_max > count) {
        add(m, key_max - count < (double)(m->max / 8) ? (size_t)(key_max - count) * 5 : m->max);
    }
}

/* The table on top of the stack. */
static void add_table(struct measure *m, int depth)
{
    lua_State *L = m->L;
    int table = lua_gettop(L);
    double key_max = 0, count = 0;
    bool is_array = true;

    /* Deeper ones are an error there. */
    if (depth > m->depth_max || lua_checkstack(L, 8) == 0) {
        return;
    }
    add(m, 4);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        lua_tick(L, &m->steps);
        count++;
        if (lua_type(L, -2) == LUA_TNUMBER) {
            double key = lua_tonumber(L, -2);

            is_array = is_array && key >= 1 && key == floor(key);
            key_max = key > key_max ? key : key_max;
            add(m, NUMBER_BYTES);
        } else {
            is_array = false;
            if (lua_type(L, -2) == LUA_TSTRING) {
                add_string(m, -2);
            }
        }
        add_value(m, depth + 1);
    }
    if (is_array) {
        add_holes(m, key_max, count);
    }
}

/* The value on top of the stack. */
static void add_value(struct measure *m, int depth)
{
    switch (lua_type(m->L, -1)) {
    case LUA_TSTRING:
        add_string(m, -1);
        break;
    case LUA_TTABLE:
        add_table(m, depth);
        break;
    default:
        add(m, NUMBER_BYTES);
    }
}

/* A setting of this cjson, asked of the function at upvalue @i. Pushes what it returns. */
static void ask(lua_State *L, int i, int results)
{
    lua_pushvalue(L, lua_upvalueindex(i));
    lua_call(L, 0, results);
}

/* Upvalues: cjson's own; its function; encode_max_depth; encode_sparse_array. */
static int bounded_encode(lua_State *L)
{
    lua_CFunction encode = lua_tocfunction(L, lua_upvalueindex(2));
    struct measure m = {.L = L};

    if (lua_gettop(L) != 1 || (lua_type(L, 1) != LUA_TTABLE && lua_type(L, 1) != LUA_TSTRING)) {
        return encode(L);
    }
    luaL_checkstack(L, 8, "no room to encode");
    ask(L, 3, 1);
    m.depth_max = (int)lua_tonumber(L, -1);
    ask(L, 4, 3);
    m.sparse_ratio = lua_tonumber(L, -2);
    m.sparse_safe = lua_tonumber(L, -1);
    lua_settop(L, 1);
    /* The text is there twice, at last: in its buffer and as a string. */
    m.max = MIN_OF(vm_room(L, BIG_BYTES) / 2, TEXT_BYTES_MAX - 1);
    add_value(&m, 1);
    vm_need_room(L, 2 * m.bytes);
    if (m.bytes > BIG_BYTES) {
        vm_of(L)->json_grew = true;
    }
    return encode(L);
}

void json_free_buffer(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, KEEP_BUFFER_KEY);
    lua_pushvalue(L, -1);
    lua_call(L, 0, 1); /* whether it keeps the buffer */
    if (lua_toboolean(L, -1)) {
        lua_pushvalue(L, -2);
        lua_pushboolean(L, 0);
        lua_call(L, 1, 0);
        lua_pushvalue(L, -2);
        lua_pushboolean(L, 1);
        lua_call(L, 1, 0);
    }
    lua_pop(L, 2);
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Bytes in Lua, at most: tables grow by doubling, and are there twice meanwhile. */
#define TABLE_BYTES 192
#define ELEMENT_BYTES 48
#define FIELD_BYTES 128
#define STRING_BYTES 64
#define DECODE_DEPTH_MAX 1024

struct scan {
    const char *p, *end;
    size_t bytes;
    unsigned depth, steps;
    uint64_t is_object[DECODE_DEPTH_MAX / 64];
};

static void scan_open(struct scan *s, bool is_object)
{
    s->bytes += TABLE_BYTES;
    s->depth++;
    if (s->depth < DECODE_DEPTH_MAX) {
        uint64_t bit = UINT64_C(1) << s->depth % 64;

        s->is_object[s->depth / 64] &= ~bit;
        s->is_object[s->depth / 64] |= is_object ? bit : 0;
    }
}

static size_t element_bytes(const struct scan *s)
{
    bool is_array =
        s->depth < DECODE_DEPTH_MAX && (s->is_object[s->depth / 64] >> s->depth % 64 & 1) == 0;

    return is_array ? ELEMENT_BYTES : FIELD_BYTES;
}

/* Behind the string that begins at s->p. */
static void scan_string(struct scan *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
        if (*s->p == '\\') {
            s->p++;
        }
    }
    s->bytes += STRING_BYTES;
}

static size_t decoded_bytes(lua_State *L, const char *p, size_t n)
{
    struct scan s = {.p = p, .end = p + n, .bytes = n};

    for (; s.p < s.end; s.p++) {
        lua_tick(L, &s.steps);
        switch (*s.p) {
        case '"':
            scan_string(&s);
            break;
        case '{':
        case '[':
            scan_open(&s, *s.p == '{');
            break;
        case '}':
        case ']':
            s.depth -= s.depth > 0;
            break;
        case ',':
            s.bytes += element_bytes(&s);
            break;
        default:
            break;
        }
    }
    return s.bytes;
}

/* Upvalues: cjson's own; its function. */
static int bounded_decode(lua_State *L)
{
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING) {
        size_t n;
        const char *p = lua_tolstring(L, 1, &n);

        if (n >= TEXT_BYTES_MAX) {
            lua_pushliteral(L, "not enough memory");
            return lua_error(L);
        }
        vm_need_room(L, decoded_bytes(L, p, n));
    }
    return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

/* ---- putting it together ----------------------------------------------------------------------
 */

static int bounded_new(lua_State *L)
{
    int n = lua_tocfunction(L, lua_upvalueindex(2))(L);

    if (n == 1 && lua_istable(L, -1)) {
        bound_json(L);
    }
    return n;
}

/* Field @name of the table on the stack becomes @wrapper, which has the upvalue that cjson's
 * functions share, so that these may run in its place; then the function, then the fields named
 * @more. */
static void wrap(lua_State *L, const char *name, lua_CFunction wrapper, const char *const *more)
{
    int table = lua_gettop(L), n = 2;
    int function;

    lua_getfield(L, table, name);
    function = lua_gettop(L);
    if (lua_getupvalue(L, function, 1) == NULL) {
        lua_pushnil(L);
    }
    lua_pushvalue(L, function);
    for (; *more != NULL; more++, n++) {
        lua_getfield(L, table, *more);
    }
    lua_pushcclosure(L, wrapper, n);
    lua_setfield(L, table, name);
    lua_settop(L, table);
}

void bound_json(lua_State *L)
{
    static const char *const settings[] = {"encode_max_depth", "encode_sparse_array", NULL};
    static const char *const none[] = {NULL};

    wrap(L, "encode", bounded_encode, settings);
    wrap(L, "decode", bounded_decode, none);
    wrap(L, "new", bounded_new, none);
}

void json_keep_buffer_of(lua_State *L)
{
    lua_getfield(L, -1, "encode_keep_buffer");
    lua_setfield(L, LUA_REGISTRYINDEX, KEEP_BUFFER_KEY);
}
