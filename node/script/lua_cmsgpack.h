/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/lua_cmsgpack.h - the Lua library "cmsgpack": MessagePack for scripts.
 *
 *   cmsgpack.pack(v, ...)                    the values one after another, as a string
 *   cmsgpack.unpack(s)                       all values of a string
 *   cmsgpack.unpack_one(s [, offset])        where the next value starts (-1: nowhere), one value
 *   cmsgpack.unpack_limit(s, n [, offset])   the same with up to n values
 *
 * Offsets count from 0. Bytes and error texts are those of Redis 7.0, so the types bin and ext are
 * "Bad data format in input."; a result longer than 512 MB is an error. Works on whatever lua_State
 * it is called with, all its memory is Lua's: memory limits hold, and an error leaks nothing.
 * Source: github.com/msgpack/msgpack, spec.md. */
#ifndef NODE_SCRIPT_LUA_CMSGPACK_H
#define NODE_SCRIPT_LUA_CMSGPACK_H

#include <lua5.1/lua.h>

/* A lua_CFunction: sets the global "cmsgpack" and returns the table. */
int luaopen_cmsgpack(lua_State *L);

#endif
