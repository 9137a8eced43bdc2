/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/lua_cmsgpack.c - see node/script/lua_cmsgpack.h.
 *
 * Lua raises errors with longjmp(), so nothing here owns memory: bytes on their way out are in a
 * userdata on the Lua stack, bytes on their way in are in the argument.
 *
 * What bounds the recursion: packing, DEPTH_MAX; unpacking, the Lua stack, on which every open
 * table has a slot or two and which ends at 8000 (LUAI_MAXCSTACK). */
#include "node/script/lua_cmsgpack.h"

#include "base/base.h"
#include "node/script/lua_tick.h"

#include <float.h>
#include <lua5.1/lauxlib.h>
#include <math.h>
#include <string.h>

/* First bytes. Of those called FIX the low bits are the value or the length. */
enum lead {
    FIX_MAP = 0x80,
    FIX_ARRAY = 0x90,
    FIX_STR = 0xa0,
    NIL = 0xc0,
    FALSE = 0xc2,
    TRUE = 0xc3,
    FLOAT32 = 0xca,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT16 = 0xd1,
    INT32 = 0xd2,
    INT64 = 0xd3,
    STR8 = 0xd9,
    STR16 = 0xda,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf,
    FIX_NEGATIVE = 0xe0,
};

#define FIX_STR_MAX 31
#define FIX_TABLE_MAX 15

/* ---- packing ------------------------------------------------------------------------------- */

#define DEPTH_MAX 16 /* a table inside so many others is packed as nil, so cycles end */
/* With cycles the output may grow by a power of DEPTH_MAX; nobody could store more than this. */
#define PACK_BYTES_MAX ((size_t)512 << 20)
/* A key and a value of each level, two for the innermost table's shape, the output's. */
#define PACK_SLOTS (2 * DEPTH_MAX + 8)

struct out {
    lua_State *L;
    int slot; /* of the userdata that data is */
    unsigned char *data;
    size_t len, cap;
    unsigned steps;
};

static void out_grow(struct out *o, size_t n)
{
    size_t cap;
    unsigned char *data;

    if (n > PACK_BYTES_MAX - o->len) {
        luaL_error(o->L, "MessagePack pack makes too long a string.");
    }
    cap = MIN_OF(MAX_OF(2 * o->cap, o->len + n), PACK_BYTES_MAX);
    data = lua_newuserdata(o->L, cap);
    if (o->len > 0) {
        memcpy(data, o->data, o->len);
    }
    lua_replace(o->L, o->slot);
    o->data = data;
    o->cap = cap;
}

static void put(struct out *o, const void *bytes, size_t n)
{
    if (n > o->cap - o->len) {
        out_grow(o, n);
    }
    memcpy(o->data + o->len, bytes, n);
    o->len += n;
}

static void put_byte(struct out *o, unsigned byte)
{
    put(o, &(unsigned char){(unsigned char)byte}, 1);
}

/* A first byte and the low @width bytes of @v. */
static void put_wide(struct out *o, enum lead lead, uint64_t v, unsigned width)
{
    unsigned char bytes[1 + sizeof v];

    bytes[0] = (unsigned char)lead;
    for (unsigned i = 0; i < width; i++) {
        bytes[1 + i] = (unsigned char)(v >> 8 * (width - 1 - i));
    }
    put(o, bytes, 1 + width);
}

static void put_unsigned(struct out *o, uint64_t v)
{
    if (v <= INT8_MAX) {
        put_byte(o, (unsigned)v);
    } else if (v <= UINT8_MAX) {
        put_wide(o, UINT8, v, 1);
    } else if (v <= UINT16_MAX) {
        put_wide(o, UINT16, v, 2);
    } else if (v <= UINT32_MAX) {
        put_wide(o, UINT32, v, 4);
    } else {
        put_wide(o, UINT64, v, 8);
    }
}

static void put_negative(struct out *o, int64_t v)
{
    if (v >= (int8_t)FIX_NEGATIVE) {
        put_byte(o, (unsigned char)v);
    } else if (v >= INT8_MIN) {
        put_wide(o, INT8, (uint64_t)v, 1);
    } else if (v >= INT16_MIN) {
        put_wide(o, INT16, (uint64_t)v, 2);
    } else if (v >= INT32_MIN) {
        put_wide(o, INT32, (uint64_t)v, 4);
    } else {
        put_wide(o, INT64, (uint64_t)v, 8);
    }
}

/* In four bytes when they hold the same number. */
static void put_float(struct out *o, double d)
{
    float f = fabs(d) <= FLT_MAX || isinf(d) ? (float)d : 0;
    uint32_t bits32;
    uint64_t bits64;

    if ((double)f == d) {
        memcpy(&bits32, &f, sizeof bits32);
        put_wide(o, FLOAT32, bits32, sizeof bits32);
    } else {
        memcpy(&bits64, &d, sizeof bits64);
        put_wide(o, FLOAT64, bits64, sizeof bits64);
    }
}

static void put_number(struct out *o, double d)
{
    if (!(d >= -0x1p63 && d < 0x1p63) || d != trunc(d)) {
        put_float(o, d);
    } else if (d >= 0) {
        put_unsigned(o, (uint64_t)d);
    } else {
        put_negative(o, (int64_t)d);
    }
}

static void put_string(struct out *o, const char *s, size_t n)
{
    if (n <= FIX_STR_MAX) {
        put_byte(o, FIX_STR | (unsigned)n);
    } else if (n <= UINT8_MAX) {
        put_wide(o, STR8, n, 1);
    } else if (n <= UINT16_MAX) {
        put_wide(o, STR16, n, 2);
    } else {
        put_wide(o, STR32, n, 4);
    }
    put(o, s, n);
}

static void put_table_head(struct out *o, size_t n, enum lead fix, enum lead wide16)
{
    if (n <= FIX_TABLE_MAX) {
        put_byte(o, fix | (unsigned)n);
    } else if (n <= UINT16_MAX) {
        put_wide(o, wide16, n, 2);
    } else {
        put_wide(o, wide16 + 1, n, 4);
    }
}

struct shape {
    size_t count;
    bool is_array; /* the keys are 1..count */
};

static struct shape shape_of(struct out *o, int table)
{
    lua_State *L = o->L;
    struct shape s = {0, true};
    double key_max = 0;

    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

        s.is_array = s.is_array && key >= 1 && key == trunc(key);
        key_max = MAX_OF(key_max, key);
        s.count++;
        lua_pop(L, 1);
        lua_tick(L, &o->steps);
    }
    s.is_array = s.is_array && key_max == (double)s.count;
    return s;
}

static void put_value(struct out *o, int index, unsigned depth);

static void put_array(struct out *o, int table, size_t count, unsigned depth)
{
    put_table_head(o, count, FIX_ARRAY, ARRAY16);
    for (size_t i = 1; i <= count; i++) {
        lua_pushnumber(o->L, (lua_Number)i);
        lua_rawget(o->L, table);
        put_value(o, lua_gettop(o->L), depth);
        lua_pop(o->L, 1);
    }
}

static void put_map(struct out *o, int table, size_t count, unsigned depth)
{
    put_table_head(o, count, FIX_MAP, MAP16);
    lua_pushnil(o->L);
    while (lua_next(o->L, table) != 0) {
        int value = lua_gettop(o->L);

        put_value(o, value - 1, depth);
        put_value(o, value, depth);
        lua_pop(o->L, 1);
    }
}

static void put_table(struct out *o, int table, unsigned depth)
{
    struct shape s;

    if (depth == DEPTH_MAX) {
        put_byte(o, NIL);
        return;
    }
    s = shape_of(o, table);
    (s.is_array ? put_array : put_map)(o, table, s.count, depth + 1);
}

/* The value at an absolute index; what MessagePack has no type for is nil. */
static void put_value(struct out *o, int index, unsigned depth)
{
    const char *s;
    size_t n;

    lua_tick(o->L, &o->steps);
    switch (lua_type(o->L, index)) {
    case LUA_TNUMBER:
        put_number(o, lua_tonumber(o->L, index));
        break;
    case LUA_TSTRING:
        s = lua_tolstring(o->L, index, &n);
        put_string(o, s, n);
        break;
    case LUA_TBOOLEAN:
        put_byte(o, lua_toboolean(o->L, index) ? TRUE : FALSE);
        break;
    case LUA_TTABLE:
        put_table(o, index, depth);
        break;
    default:
        put_byte(o, NIL);
    }
}

static int pack(lua_State *L)
{
    struct out o = {.L = L};
    int n = lua_gettop(L);

    if (n == 0) {
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    }
    /* Room for all of them once more is not needed, but Redis's limit for scripts is at 4000. */
    if (!lua_checkstack(L, n)) {
        return luaL_argerror(L, 0, "Too many arguments for MessagePack pack.");
    }
    luaL_checkstack(L, PACK_SLOTS, "Too many arguments for MessagePack pack.");
    lua_pushnil(L);
    o.slot = lua_gettop(L);
    out_grow(&o, 128);
    for (int i = 1; i <= n; i++) {
        put_value(&o, i, 0);
    }
    lua_pushlstring(L, (const char *)o.data, o.len);
    return 1;
}

/* ---- unpacking ----------------------------------------------------------------------------- */

/* Redis's words, for too many values and for too many tables in each other. */
#define TOO_MANY "too many return values at once; use unpack_one or unpack_limit instead."

struct in {
    lua_State *L;
    const unsigned char *p;
    size_t left;
    unsigned steps;
};

static const unsigned char *take(struct in *in, size_t n)
{
    const unsigned char *p = in->p;

    if (n > in->left) {
        luaL_error(in->L, "Missing bytes in input.");
    }
    in->p += n;
    in->left -= n;
    return p;
}

static uint64_t take_unsigned(struct in *in, unsigned width)
{
    const unsigned char *p = take(in, width);
    uint64_t v = 0;

    for (unsigned i = 0; i < width; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static int64_t take_signed(struct in *in, unsigned width)
{
    unsigned unused = 64 - 8 * width;

    return (int64_t)(take_unsigned(in, width) << unused) >> unused;
}

static double take_float(struct in *in)
{
    uint32_t bits = (uint32_t)take_unsigned(in, sizeof bits);
    float f;

    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double take_double(struct in *in)
{
    uint64_t bits = take_unsigned(in, sizeof bits);
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

static void push_string(struct in *in, size_t n)
{
    const char *s = (const char *)take(in, n);

    lua_pushlstring(in->L, s, n);
}

static void push_value(struct in *in);

/* Tables grow with what is there, not with what a length says. */
static void push_array(struct in *in, size_t n)
{
    lua_newtable(in->L);
    for (size_t i = 1; i <= n; i++) {
        luaL_checkstack(in->L, 1, TOO_MANY);
        lua_pushnumber(in->L, (lua_Number)i);
        push_value(in);
        lua_rawset(in->L, -3);
    }
}

static void push_map(struct in *in, size_t n)
{
    lua_newtable(in->L);
    for (size_t i = 0; i < n; i++) {
        push_value(in);
        push_value(in);
        lua_rawset(in->L, -3); /* raises an error for the keys nil and NaN */
    }
}

static void push_wide(struct in *in, enum lead lead)
{
    lua_State *L = in->L;

    switch (lead) {
    case NIL:
        lua_pushnil(L);
        break;
    case FALSE:
    case TRUE:
        lua_pushboolean(L, lead == TRUE);
        break;
    case FLOAT32:
        lua_pushnumber(L, take_float(in));
        break;
    case FLOAT64:
        lua_pushnumber(L, take_double(in));
        break;
    case UINT8:
    case UINT16:
    case UINT32:
        lua_pushnumber(L, (lua_Number)take_unsigned(in, 1U << (lead - UINT8)));
        break;
    case UINT64: /* from 2^63 on negative, as in Redis */
        lua_pushnumber(L, (lua_Number)take_signed(in, 8));
        break;
    case INT8:
    case INT16:
    case INT32:
    case INT64:
        lua_pushnumber(L, (lua_Number)take_signed(in, 1U << (lead - INT8)));
        break;
    case STR8:
    case STR16:
    case STR32:
        push_string(in, take_unsigned(in, 1U << (lead - STR8)));
        break;
    case ARRAY16:
    case ARRAY32:
        push_array(in, take_unsigned(in, 2U << (lead - ARRAY16)));
        break;
    case MAP16:
    case MAP32:
        push_map(in, take_unsigned(in, 2U << (lead - MAP16)));
        break;
    default:
        luaL_error(L, "Bad data format in input.");
    }
}

static void push_value(struct in *in)
{
    unsigned lead;

    lua_tick(in->L, &in->steps);
    luaL_checkstack(in->L, 1, TOO_MANY);
    lead = *take(in, 1);
    if (lead < FIX_MAP) {
        lua_pushnumber(in->L, (lua_Number)lead);
    } else if (lead < FIX_ARRAY) {
        push_map(in, lead - FIX_MAP);
    } else if (lead < FIX_STR) {
        push_array(in, lead - FIX_ARRAY);
    } else if (lead < NIL) {
        push_string(in, lead - FIX_STR);
    } else if (lead < FIX_NEGATIVE) {
        push_wide(in, lead);
    } else {
        lua_pushnumber(in->L, (lua_Number)(int8_t)lead);
    }
}

/* Push up to @limit values of argument 1; returns their number. */
static int push_values(struct in *in, lua_Integer limit)
{
    int n = 0;

    for (; n < limit && in->left > 0; n++) {
        push_value(in);
    }
    return n;
}

static struct in input(lua_State *L)
{
    struct in in = {.L = L};

    in.p = (const unsigned char *)luaL_checklstring(L, 1, &in.left);
    return in;
}

static int unpack(lua_State *L)
{
    struct in in = input(L);

    return push_values(&in, LUAI_MAXCSTACK + 1); /* more end with an error anyhow */
}

static int unpack_from(lua_State *L, lua_Integer limit, lua_Integer offset)
{
    struct in in = input(L);
    size_t len = in.left;
    int n;

    if (offset < 0 || limit < 0) { /* Redis names the length, not the limit */
        return luaL_error(L, "Invalid request to unpack with offset of %f and limit of %f.",
                          (lua_Number)offset, (lua_Number)len);
    }
    if ((size_t)offset > len) {
        return luaL_error(L, "Start offset %f greater than input length %f.", (lua_Number)offset,
                          (lua_Number)len);
    }
    if (limit == 0 && offset == 0) {
        return unpack(L);
    }
    lua_settop(L, 1);
    take(&in, (size_t)offset);
    n = push_values(&in, limit);
    luaL_checkstack(L, 1, TOO_MANY);
    lua_pushnumber(L, in.left == 0 ? -1 : (lua_Number)(len - in.left));
    lua_insert(L, 2);
    return n + 1;
}

static int unpack_one(lua_State *L) { return unpack_from(L, 1, luaL_optinteger(L, 2, 0)); }

static int unpack_limit(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 2);

    return unpack_from(L, limit, luaL_optinteger(L, 3, 0));
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

int luaopen_cmsgpack(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pack", pack},
        {"unpack", unpack},
        {"unpack_one", unpack_one},
        {"unpack_limit", unpack_limit},
        {NULL, NULL},
    };

    luaL_register(L, "cmsgpack", functions);
    set_text(L, "_NAME", "cmsgpack");
    set_text(L, "_VERSION", "lua-cmsgpack 0.4.0"); /* the one whose ways these are */
    set_text(L, "_DESCRIPTION", "MessagePack C implementation for Lua");
    return 1;
}
