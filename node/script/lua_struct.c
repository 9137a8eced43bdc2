/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/lua_struct.c - see node/script/lua_struct.h.
 *
 * Sizes: a number in a format is at most INT_MAX, so sums of them stay far below SIZE_MAX. When
 * unpacking, pos <= len is checked before anything is added to pos, and size <= len - pos before
 * anything is read. */
#include "node/script/lua_struct.h"

#include "base/base.h"
#include "node/script/lua_tick.h"

#include <ctype.h>
#include <limits.h>
#include <lua5.1/lauxlib.h>
#include <math.h>
#include <string.h>

#define INTEGER_SIZE_MAX 32
#define ALIGN_DEFAULT 8

_Static_assert(sizeof(long) == 8 && sizeof(size_t) == 8, "the options l, L and T");

struct format {
    lua_State *L;
    const char *p; /* what is not read yet */
    size_t align;  /* at most */
    unsigned steps;
    bool big_endian;
};

struct option {
    char code;
    size_t size; /* bytes; 0 where it depends on the value, and for what is no value */
};

/* ---- formats ------------------------------------------------------------------------------- */

static size_t read_number(struct format *f, int otherwise)
{
    int n = 0;

    if (*f->p < '0' || *f->p > '9') {
        return (size_t)otherwise;
    }
    while (*f->p >= '0' && *f->p <= '9') {
        int digit = *f->p++ - '0';

        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n)) {
            luaL_error(f->L, "integral size overflow");
        }
    }
    return (size_t)n;
}

static size_t read_integer_size(struct format *f)
{
    size_t size = read_number(f, sizeof(int));

    if (size > INTEGER_SIZE_MAX) {
        luaL_error(f->L, "integral size %d is larger than limit of %d", (int)size,
                   INTEGER_SIZE_MAX);
    }
    return size;
}

static size_t read_size(struct format *f, char code)
{
    switch (code) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return read_number(f, 1);
    case 'i':
    case 'I':
        return read_integer_size(f);
    default:
        return 0;
    }
}

static bool next_option(struct format *f, struct option *o)
{
    lua_tick(f->L, &f->steps);
    if (*f->p == '\0') {
        return false;
    }
    o->code = *f->p++;
    o->size = read_size(f, o->code);
    return true;
}

/* Bytes to skip at @at before a value. That the sizes 3, 5 and so on are put somewhere between is
 * the same in Redis. */
static size_t padding(const struct format *f, const struct option *o, size_t at)
{
    size_t align = MIN_OF(o->size, f->align);

    if (align == 0 || o->code == 'c') {
        return 0;
    }
    return (align - (at & (align - 1))) & (align - 1);
}

static void set_align(struct format *f)
{
    size_t align = read_number(f, ALIGN_DEFAULT);

    if (align == 0 || (align & (align - 1)) != 0) {
        luaL_error(f->L, "alignment %d is not a power of 2", (int)align);
    }
    f->align = align;
}

/* An option that is no value. */
static void control(struct format *f, char code)
{
    switch (code) {
    case ' ':
        break;
    case '>':
    case '<':
        f->big_endian = code == '>';
        break;
    case '!':
        set_align(f);
        break;
    default:
        luaL_argerror(f->L, 1, lua_pushfstring(f->L, "invalid format option '%c'", code));
    }
}

static struct format format(lua_State *L)
{
    return (struct format){.L = L, .p = luaL_checkstring(L, 1), .align = 1};
}

/* ---- packing ------------------------------------------------------------------------------- */

/* Defined for all numbers; those out of range give what Redis gives on x86-64. */
static uint64_t wrap(double d)
{
    if (isnan(d) || d < -0x1p63) {
        return UINT64_C(1) << 63;
    }
    if (d < 0) {
        return (uint64_t)(int64_t)d;
    }
    return d < 0x1p64 ? (uint64_t)d : 0;
}

/* The string under way. Its pieces may lie on the Lua stack, above the arguments. */
struct packer {
    luaL_Buffer out;
    size_t len;
    int arg; /* the next one */
};

static void add(struct packer *p, const char *bytes, size_t n)
{
    luaL_addlstring(&p->out, bytes, n);
    p->len += n;
}

static void add_zeros(struct packer *p, size_t n)
{
    static const char zeros[INTEGER_SIZE_MAX];

    assert(n <= sizeof zeros);
    add(p, zeros, n);
}

/* @v in @size bytes; those beyond the eighth are zero. */
static void add_integer(struct packer *p, const struct format *f, uint64_t v, size_t size)
{
    char bytes[INTEGER_SIZE_MAX];

    for (size_t i = 0; i < size; i++) {
        bytes[f->big_endian ? size - 1 - i : i] = (char)(i < sizeof v ? v >> 8 * i : 0);
    }
    add(p, bytes, size);
}

static void add_float(struct packer *p, const struct format *f, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    add_integer(p, f, bits, sizeof bits);
}

static void add_double(struct packer *p, const struct format *f, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    add_integer(p, f, bits, sizeof bits);
}

static void add_chars(struct packer *p, const struct format *f, size_t size)
{
    size_t n;
    const char *s = luaL_checklstring(f->L, p->arg++, &n);

    luaL_argcheck(f->L, size <= n, p->arg, "string too short"); /* Redis names the next one, too */
    add(p, s, size == 0 ? n : size);
}

static void add_zero_terminated(struct packer *p, const struct format *f)
{
    size_t n;
    const char *s = luaL_checklstring(f->L, p->arg++, &n);

    add(p, s, n);
    add_zeros(p, 1);
}

static void pack_option(struct packer *p, struct format *f, const struct option *o)
{
    switch (o->code) {
    case 'b':
    case 'B':
    case 'h':
    case 'H':
    case 'l':
    case 'L':
    case 'T':
    case 'i':
    case 'I':
        add_integer(p, f, wrap(luaL_checknumber(f->L, p->arg++)), o->size);
        break;
    case 'f':
        add_float(p, f, (float)luaL_checknumber(f->L, p->arg++));
        break;
    case 'd':
        add_double(p, f, luaL_checknumber(f->L, p->arg++));
        break;
    case 'c':
        add_chars(p, f, o->size);
        break;
    case 's':
        add_zero_terminated(p, f);
        break;
    case 'x':
        add_zeros(p, 1);
        break;
    default:
        control(f, o->code);
    }
}

static int pack(lua_State *L)
{
    struct format f = format(L);
    struct packer p = {.len = 0, .arg = 2};
    struct option o;

    /* Every option fails on it, so none reads pieces of the buffer as its argument. */
    lua_pushnil(L);
    luaL_buffinit(L, &p.out);
    while (next_option(&f, &o)) {
        add_zeros(&p, padding(&f, &o, p.len));
        pack_option(&p, &f, &o);
    }
    luaL_pushresult(&p.out);
    return 1;
}

/* ---- unpacking ----------------------------------------------------------------------------- */

struct unpacker {
    const char *data;
    size_t len, pos;
    int values; /* on the Lua stack */
};

/* The low 8 of @size bytes. */
static uint64_t load(const char *bytes, size_t size, bool big_endian)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size && i < sizeof v; i++) {
        v |= (uint64_t)(unsigned char)bytes[big_endian ? size - 1 - i : i] << 8 * i;
    }
    return v;
}

static double signed_value(uint64_t v, size_t size)
{
    unsigned unused = size == 0 || size >= sizeof v ? 0 : 64 - 8 * (unsigned)size;

    return (double)((int64_t)(v << unused) >> unused);
}

static double float_value(uint64_t v)
{
    uint32_t bits = (uint32_t)v;
    float f;

    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double double_value(uint64_t v)
{
    double d;

    memcpy(&d, &v, sizeof d);
    return d;
}

static void need(lua_State *L, bool enough)
{
    luaL_argcheck(L, enough, 2, "data string too short");
}

/* c0: the number before it, taken from the stack. */
static size_t take_size(lua_State *L, struct unpacker *u)
{
    double size;

    if (u->values == 0 || !lua_isnumber(L, -1)) {
        luaL_error(L, "format 'c0' needs a previous size");
    }
    size = lua_tonumber(L, -1);
    need(L, size > -1 && size <= (double)(u->len - u->pos));
    lua_pop(L, 1);
    u->values--;
    return (size_t)size;
}

static void push_zero_terminated(lua_State *L, struct unpacker *u)
{
    const char *s = u->data + u->pos;
    const char *end = memchr(s, '\0', u->len - u->pos);

    if (end == NULL) {
        luaL_error(L, "unfinished string in data");
        return;
    }
    lua_pushlstring(L, s, (size_t)(end - s));
    u->pos += (size_t)(end - s) + 1;
}

/* Push a number of o->size bytes; false when the option is no number. */
static bool push_number(lua_State *L, const struct unpacker *u, const struct format *f,
                        const struct option *o)
{
    uint64_t v = load(u->data + u->pos, o->size, f->big_endian);

    switch (o->code) {
    case 'b':
    case 'h':
    case 'l':
    case 'i':
        lua_pushnumber(L, signed_value(v, o->size));
        return true;
    case 'B':
    case 'H':
    case 'L':
    case 'T':
    case 'I':
        lua_pushnumber(L, (lua_Number)v);
        return true;
    case 'f':
        lua_pushnumber(L, float_value(v));
        return true;
    case 'd':
        lua_pushnumber(L, double_value(v));
        return true;
    default:
        return false;
    }
}

static void unpack_option(struct unpacker *u, struct format *f, struct option *o)
{
    lua_State *L = f->L;

    if (push_number(L, u, f, o)) {
        u->values++;
    } else if (o->code == 'c') {
        o->size = o->size == 0 ? take_size(L, u) : o->size;
        lua_pushlstring(L, u->data + u->pos, o->size);
        u->values++;
    } else if (o->code == 's') {
        push_zero_terminated(L, u);
        u->values++;
    } else if (o->code != 'x') {
        control(f, o->code);
    }
    u->pos += o->size;
}

static int unpack(lua_State *L)
{
    struct format f = format(L);
    struct unpacker u = {.values = 0};
    struct option o;

    u.data = luaL_checklstring(L, 2, &u.len);
    u.pos = (size_t)luaL_optinteger(L, 3, 1); /* a negative one is beyond every string */
    luaL_argcheck(L, u.pos != 0, 3, "offset must be 1 or greater");
    u.pos--;
    while (next_option(&f, &o)) {
        need(L, u.pos <= u.len);
        u.pos += padding(&f, &o, u.pos);
        need(L, u.pos <= u.len && o.size <= u.len - u.pos);
        luaL_checkstack(L, 2, "too many results");
        unpack_option(&u, &f, &o);
    }
    lua_pushinteger(L, (lua_Integer)(u.pos + 1));
    return u.values + 1;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static int size(lua_State *L)
{
    struct format f = format(L);
    struct option o;
    size_t total = 0;

    while (next_option(&f, &o)) {
        luaL_argcheck(L, o.code != 's', 1, "option 's' has no fixed size");
        luaL_argcheck(L, o.code != 'c' || o.size > 0, 1, "option 'c0' has no fixed size");
        total += padding(&f, &o, total) + o.size;
        if (!isalnum((unsigned char)o.code)) { /* unknown letters are let pass, as Redis does */
            control(&f, o.code);
        }
    }
    lua_pushinteger(L, (lua_Integer)total);
    return 1;
}

int luaopen_struct(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pack", pack}, {"unpack", unpack}, {"size", size}, {NULL, NULL}};

    luaL_register(L, "struct", functions);
    return 1;
}
