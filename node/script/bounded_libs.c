/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/bounded_libs.c - functions of Lua's libraries that could work for very long without
 * being interrupted, or end the process.
 *
 * What remains are the patterns of the library string: their time may grow as a power of the
 * length of what they search, and nothing looks at the clock meanwhile. */
#include "node/script/lua_tick.h"
#include "node/script/vm.h"

#include <string.h>

#define SMALL_BYTES 1024
#define SORT_SMALL 10000
#define REPEATS_MAX 5000 /* that a pattern may have */
#define HEX_DIGITS 8

/* string.rep(): as Lua's, which appends once for each repetition, be it of nothing. */
static int bounded_rep(lua_State *L)
{
    size_t n, total;
    const char *p = luaL_checklstring(L, 1, &n);
    int times = luaL_checkint(L, 2);
    char small[SMALL_BYTES];
    char *out = small;

    if (times <= 0 || n == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (__builtin_mul_overflow(n, (size_t)times, &total) || total > SIZE_MAX / 4) {
        total = SIZE_MAX / 4; /* there is never room for it */
    }
    if (total > sizeof small) {
        vm_need_room(L, 2 * total);
        out = lua_newuserdata(L, total);
    }
    memcpy(out, p, n);
    for (size_t done = n; done < total;) {
        size_t more = MIN_OF(done, total - done);

        memcpy(out + done, out, more);
        done += more;
    }
    lua_pushlstring(L, out, total);
    return 1;
}

/* Lua's matcher calls itself behind each ? * + - of the pattern, however long the subject is, and
 * for up to 32 captures: 200 bytes of the C stack a call. What ends the pattern is its first zero
 * byte. */
static void check_pattern(lua_State *L)
{
    size_t n, repeats = 0;
    const char *p;

    if (lua_type(L, 2) != LUA_TSTRING) {
        return;
    }
    p = lua_tolstring(L, 2, &n);
    if (n <= REPEATS_MAX) {
        return;
    }
    while (repeats <= REPEATS_MAX && (p = strpbrk(p, "?*+-")) != NULL) {
        p++;
        repeats++;
    }
    if (repeats > REPEATS_MAX) {
        luaL_error(L, "pattern too complex");
    }
}

static int bounded_match(lua_State *L)
{
    check_pattern(L);
    return vm_call_wrapped(L);
}

static int bounded_find(lua_State *L)
{
    if (!lua_toboolean(L, 4)) {
        check_pattern(L);
    }
    return vm_call_wrapped(L);
}

/* unpack(): as Lua's, whose count of the results overflows. */
static int bounded_unpack(lua_State *L)
{
    int64_t from, to;

    luaL_checktype(L, 1, LUA_TTABLE);
    from = luaL_optint(L, 2, 1);
    to = lua_isnoneornil(L, 3) ? (int)lua_objlen(L, 1) : luaL_checkint(L, 3);
    if (from > to) {
        return 0;
    }
    if (to - from >= INT32_MAX || lua_checkstack(L, (int)(to - from + 1)) == 0) {
        return luaL_error(L, "too many results to unpack");
    }
    for (int64_t i = from; i <= to; i++) {
        lua_rawgeti(L, 1, (int)i);
    }
    return (int)(to - from + 1);
}

/* table.insert(): as Lua's, which moves all from the end down to any position, be it far below 1.
 */
static int bounded_insert(lua_State *L)
{
    int64_t at, end;
    unsigned steps = 0;

    luaL_checktype(L, 1, LUA_TTABLE);
    end = (int64_t)lua_objlen(L, 1) + 1;
    if (lua_gettop(L) == 2) {
        at = end;
    } else if (lua_gettop(L) == 3) {
        at = luaL_checkint(L, 2);
    } else {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    for (int64_t i = MAX_OF(at, end); i > at; i--) {
        lua_rawgeti(L, 1, (int)(i - 1));
        lua_rawseti(L, 1, (int)i);
        lua_tick(L, &steps);
    }
    lua_rawseti(L, 1, (int)at);
    return 0;
}

/* bit.tohex(): the original negates a negative number of digits, which overflows for the least one.
 * Upvalue 2: bit.tobit, which says what number the original would read. */
static int bounded_tohex(lua_State *L)
{
    lua_Number digits;

    luaL_checknumber(L, 1);
    if (lua_gettop(L) >= 2) {
        luaL_checknumber(L, 2);
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_pushvalue(L, 2);
        lua_call(L, 1, 1);
        digits = lua_tonumber(L, -1);
        lua_settop(L, 2);
        if (digits < -HEX_DIGITS) {
            lua_pushinteger(L, -HEX_DIGITS);
            lua_replace(L, 2);
        }
    }
    return vm_call_wrapped(L);
}

/* Upvalue: the number of comparisons. */
static int less(lua_State *L)
{
    unsigned steps = (unsigned)lua_tointeger(L, lua_upvalueindex(1));

    lua_tick(L, &steps);
    lua_pushinteger(L, (lua_Integer)steps);
    lua_replace(L, lua_upvalueindex(1));
    lua_pushboolean(L, lua_lessthan(L, 1, 2));
    return 1;
}

bool bound_is_less(lua_State *L, int i) { return lua_tocfunction(L, i) == less; }

void bound_sort(lua_State *L)
{
    if (lua_istable(L, 1) && lua_isnoneornil(L, 2) && lua_objlen(L, 1) > SORT_SMALL) {
        lua_settop(L, 1);
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, less, 1);
    }
}

void bound_base(lua_State *L)
{
    lua_pushcfunction(L, bounded_unpack);
    lua_setfield(L, -2, "unpack");
}

void bound_string(lua_State *L)
{
    lua_pushcfunction(L, bounded_rep);
    lua_setfield(L, -2, "rep");
    vm_wrap(L, "find", bounded_find);
    vm_wrap(L, "match", bounded_match);
    vm_wrap(L, "gsub", bounded_match);
    vm_wrap(L, "gmatch", bounded_match);
    lua_getfield(L, -1, "gmatch"); /* gfind is its older name */
    lua_setfield(L, -2, "gfind");
}

void bound_table(lua_State *L)
{
    lua_pushcfunction(L, bounded_insert);
    lua_setfield(L, -2, "insert");
}

void bound_bit(lua_State *L)
{
    lua_getfield(L, -1, "tohex");
    lua_getfield(L, -2, "tobit");
    lua_pushcclosure(L, bounded_tohex, 2);
    lua_setfield(L, -2, "tohex");
}
