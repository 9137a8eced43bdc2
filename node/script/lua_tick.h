/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/lua_tick.h - being interrupted within C functions that scripts call.
 *
 * Lua calls its count hook between instructions of Lua code, never within a C function. One that
 * may work for long ticks as it goes, and the hook is called from there: it may raise an error, so
 * the caller owns nothing that is not on the Lua stack. */
#ifndef NODE_SCRIPT_LUA_TICK_H
#define NODE_SCRIPT_LUA_TICK_H

#include <lua5.1/lauxlib.h>
#include <lua5.1/lua.h>

/* Steps of some ten nanoseconds each. */
#define LUA_TICK_STEPS 16384u

static inline void lua_tick_hook(lua_State *L)
{
    lua_Hook hook = lua_gethook(L);
    lua_Debug ar = {.event = LUA_HOOKCOUNT};

    if (hook != NULL && (lua_gethookmask(L) & LUA_MASKCOUNT) != 0) {
        luaL_checkstack(L, LUA_MINSTACK, "no room for an interruption");
        hook(L, &ar);
    }
}

/* One step more; *@steps begins with 0. */
static inline void lua_tick(lua_State *L, unsigned *steps)
{
    if (++*steps >= LUA_TICK_STEPS) {
        *steps = 0;
        lua_tick_hook(L);
    }
}

#endif
