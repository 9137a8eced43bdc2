/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/convert.h - replies as Lua values, and Lua values as replies.
 *
 *   reply                     Lua                            (RESP3 only below the line)
 *   integer                   number
 *   bulk string               string
 *   status                    {ok = text}
 *   error                     {err = text}
 *   null, null array          false
 *   array                     table 1..n
 *   ------------------------------------------------------------------------------------
 *   null                      nil
 *   boolean                   boolean
 *   double                    {double = number}
 *   map, set                  {map = {k = v}}, {set = {member = true}}
 *   big number                {big_number = text}
 *   verbatim string           {verbatim_string = {format = text, string = text}}
 *
 * Back, true is 1 and false null unless the script has asked for RESP3; numbers lose their
 * fraction. Source: the Lua API page of Redis, "Data type conversion". */
#ifndef NODE_SCRIPT_CONVERT_H
#define NODE_SCRIPT_CONVERT_H

#include "proto/resp.h"

#include <lua5.1/lua.h>

/* Push the reply that stands at @p; it is one of this server's, whole and well formed. Returns what
 * is behind it. May raise an error when memory is out. */
const char *convert_reply(lua_State *L, const char *p);

/* Write the value on top of the stack as a reply of at most @bytes_max bytes, or a little more;
 * pops it.
 * @script_resp: what the script has asked for by redis.setresp(). False: it would be longer, and
 * what was written is to be taken back. */
MUST_CHECK bool convert_value(lua_State *L, struct resp_out *out, int script_resp,
                              size_t bytes_max);

#endif
