/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/bounded_libs.c - functions of Lua's libraries that could work for very long without
 * being interrupted.
 *
 * What remains are the patterns of the library string: their time may grow as a power of the
 * length of what they search, and nothing looks at the clock meanwhile. */
#include "node/script/lua_tick.h"
#include "node/script/vm.h"

#include <string.h>

#define SMALL_BYTES 1024
#define SORT_SMALL 10000

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

void bound_string(lua_State *L)
{
    lua_pushcfunction(L, bounded_rep);
    lua_setfield(L, -2, "rep");
}
