/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/lua_struct.h - the Lua library "struct": C structures as strings, for scripts.
 *
 *   struct.pack(format, ...)               the values as a string
 *   struct.unpack(format, s [, position])  the values, and the position behind them
 *   struct.size(format)                    bytes of a format without s and c0
 *
 * A format is read from left to right; positions count from 1.
 *
 *   > <        big, little endian from here on; little at first, on every machine
 *   !n         align from here on numbers to their size, to n at most (a power of two, or nothing:
 * 8) b h l T    signed integers of 1, 2, 8 bytes; B H L and T (8 bytes, too) are unsigned in In
 * integers of n bytes (0 to 32; nothing: 4), of which 8 count f d        float, double s          a
 * string up to its zero byte cn         n bytes of a string (nothing: 1); c0: when packing the
 * whole string, when unpacking so many as the number before it says, whose place it takes x, space
 * a byte that is skipped; nothing
 *
 * Results and error texts are those of Redis 7.0, but in the corners where it leaves them to the
 * machine: integers of more than 8 bytes have the sign of the low 8, and a number before c0 that no
 * length can be is an error. */
#ifndef NODE_SCRIPT_LUA_STRUCT_H
#define NODE_SCRIPT_LUA_STRUCT_H

#include <lua5.1/lua.h>

/* A lua_CFunction: sets the global "struct" and returns the table. */
int luaopen_struct(lua_State *L);

#endif
