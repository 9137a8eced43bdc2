/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/redis_lib.c - the library "redis" of scripts, but for what calls commands (call.c).
 * Source: the Lua API page of Redis. */
#include "base/log.h"
#include "node/node.h"
#include "node/script/internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* ---- replies ----------------------------------------------------------------------------------
 */

static int single_field(lua_State *L, const char *field)
{
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
        static const char error[] = "ERR wrong number or type of arguments";

        vm_push_error(L, error, sizeof error - 1);
        return 1;
    }
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, field);
    return 1;
}

static int status_reply(lua_State *L) { return single_field(L, "ok"); }

/* "CODE text", "-CODE text", or a single word, whose code is ERR. */
static int error_reply(lua_State *L)
{
    size_t n;
    const char *p;

    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
        return single_field(L, "err");
    }
    p = lua_tolstring(L, 1, &n);
    if (n > 0 && p[0] == '-') {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r')) {
        n--;
    }
    if (memchr(p, ' ', n) == NULL) {
        lua_pushliteral(L, "ERR ");
        lua_pushlstring(L, p, n);
        lua_concat(L, 2);
    } else {
        lua_pushlstring(L, p, n);
    }
    p = lua_tolstring(L, -1, &n);
    vm_push_error(L, p, n);
    return 1;
}

/* ---- what does something
 * ------------------------------------------------------------------------- */

static int sha1hex(lua_State *L)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[41];
    unsigned len = 0;
    size_t n;
    const char *p;

    if (lua_gettop(L) != 1) {
        return vm_raise(L, "wrong number of arguments");
    }
    p = lua_tolstring(L, 1, &n);
    if (EVP_Digest(p != NULL ? p : "", p != NULL ? n : 0, digest, &len, EVP_sha1(), NULL) != 1) {
        return vm_raise(L, "SHA-1 is not available");
    }
    for (size_t i = 0; i < 20; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    lua_pushlstring(L, hex, 40);
    return 1;
}

static int write_log(lua_State *L)
{
    static const enum log_level levels[] = {LOG_LVL_DEBUG, LOG_LVL_VERBOSE, LOG_LVL_NOTICE,
                                            LOG_LVL_WARNING};
    int argc = lua_gettop(L);
    lua_Number level;

    if (argc < 2) {
        return vm_raise(L, "redis.log() requires two arguments or more.");
    }
    if (!lua_isnumber(L, 1)) {
        return vm_raise(L, "First argument must be a number (log level).");
    }
    level = lua_tonumber(L, 1);
    if (!(level >= 0 && level < (double)ARRAY_LEN(levels))) {
        return vm_raise(L, "Invalid debug level.");
    }
    lua_pushliteral(L, "");
    for (int i = 2; i <= argc; i++) {
        if (lua_isstring(L, i)) {
            lua_pushstring(L, i > 2 ? " " : "");
            lua_pushvalue(L, i);
            lua_concat(L, 3);
        }
    }
    log_write(levels[(int)level], "script: %s", lua_tostring(L, -1));
    return 0;
}

static int set_resp(lua_State *L)
{
    struct scripts *s = vm_of(L)->owner;
    int version;

    if (lua_gettop(L) != 1) {
        return vm_raise(L, "redis.setresp() requires one argument.");
    }
    version = (int)lua_tointeger(L, 1);
    if (version != 2 && version != 3) {
        return vm_raise(L, "RESP version must be 2 or 3.");
    }
    if (s->run != NULL) {
        s->run->resp = version;
    }
    return 0;
}

/* ---- what once did something: effects are what is replicated, all of them, always
 * ------------------ */

static int replicate_commands(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int set_repl(lua_State *L)
{
    lua_Number flags;

    if (lua_gettop(L) != 1) {
        return vm_raise(L, "redis.set_repl() requires two arguments.");
    }
    flags = lua_tonumber(L, 1);
    if (!(flags >= 0 && flags <= 3)) {
        return vm_raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                           "REPL_NONE.");
    }
    return 0;
}

/* Without a debugger there is nothing to stop at or to print to. */
static int breakpoint(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int debug(lua_State *L)
{
    (void)L;
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------------
 */

static int version_number(void)
{
    int major = 0, minor = 0, patch = 0;

    (void)sscanf(NODE_REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch);
    return major << 16 | minor << 8 | patch;
}

void redis_lib_push(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"call", redis_call},
        {"pcall", redis_pcall},
        {"acl_check_cmd", redis_acl_check_cmd},
        {"error_reply", error_reply},
        {"status_reply", status_reply},
        {"sha1hex", sha1hex},
        {"log", write_log},
        {"setresp", set_resp},
        {"replicate_commands", replicate_commands},
        {"set_repl", set_repl},
        {"breakpoint", breakpoint},
        {"debug", debug},
    };
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"LOG_DEBUG", 0},  {"LOG_VERBOSE", 1},
        {"LOG_NOTICE", 2}, {"LOG_WARNING", 3},
        {"REPL_NONE", 0},  {"REPL_AOF", 1},
        {"REPL_SLAVE", 2}, {"REPL_REPLICA", 2},
        {"REPL_ALL", 3},   {"REDIS_VERSION_NUM", version_number()},
    };

    lua_newtable(L);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        lua_pushcfunction(L, functions[i].func);
        lua_setfield(L, -2, functions[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        lua_pushinteger(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, NODE_REDIS_VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
}
