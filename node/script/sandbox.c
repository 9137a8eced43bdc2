/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/sandbox.c - what scripts see of Lua, and that they cannot change it.
 *
 *   a script's global table --metatable--> real globals --metatable--> "nonexistent global
 * variable" "string", "redis" ...   --metatable--> real library
 *
 * A table that scripts see in front of a real one is its guard; its metatable has the real one
 * under &guard_key and hides itself from getmetatable(). */
#include "node/script/lua_cmsgpack.h"
#include "node/script/lua_struct.h"
#include "node/script/vm.h"

#include <lua5.1/lua-bitop.h>
#include <lua5.1/lua-cjson.h>
#include <lua5.1/lualib.h>
#include <math.h>
#include <string.h>

static const char guard_key; /* its address is the key */

#define READ_ONLY "Attempt to modify a readonly table"

static void *key(void) { return (void *)(uintptr_t)&guard_key; }

/* ---- guards -----------------------------------------------------------------------------------
 */

/* True: the value at @i is a guard, and what it stands before is on the stack. */
static bool push_guarded(lua_State *L, int i)
{
    if (!lua_istable(L, i) || lua_getmetatable(L, i) == 0) {
        return false;
    }
    lua_pushlightuserdata(L, key());
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1)) {
        return true;
    }
    lua_pop(L, 1);
    return false;
}

static bool is_guard(lua_State *L, int i)
{
    bool is = push_guarded(L, i);

    if (is) {
        lua_pop(L, 1);
    }
    return is;
}

static int refuse_write(lua_State *L) { return luaL_error(L, READ_ONLY); }

static void check_writable(lua_State *L, int i)
{
    if (is_guard(L, i)) {
        lua_pushliteral(L, READ_ONLY);
        lua_error(L);
    }
}

static int unknown_global(lua_State *L)
{
    const char *name = lua_tostring(L, 2);

    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                      name != NULL ? name : luaL_typename(L, 2));
}

/* The table on the stack is replaced by a guard in front of it. */
static void guard(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushlightuserdata(L, key());
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---- functions that look or write past metatables
 * ------------------------------------------------ */

static int write_checked(lua_State *L)
{
    check_writable(L, 1);
    return vm_call_wrapped(L);
}

static int read_through(lua_State *L)
{
    if (push_guarded(L, 1)) {
        lua_replace(L, 1);
    }
    return vm_call_wrapped(L);
}

/* pairs(): the guard stays what is iterated, next() looks through it. */
static int guarded_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int guarded_setmetatable(lua_State *L)
{
    check_writable(L, 1);
    return vm_call_wrapped(L);
}

static int guarded_sort(lua_State *L)
{
    check_writable(L, 1);
    bound_sort(L);
    return vm_call_wrapped(L);
}

/* xpcall(): Lua would call the handler where the error comes up, and when that is the interruption
 * of a slow script, interrupts are off there: a handler that does not end could not be ended. Here
 * it is called once the stack is unwound; without the debug library there is nothing to miss. */
static int guarded_xpcall(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_insert(L, 1); /* the handler */
    if (lua_pcall(L, 0, LUA_MULTRET, 0) == 0) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    if (vm_of(L)->ending) {
        return lua_error(L);
    }
    if (lua_pcall(L, 1, 1, 0) != 0 && vm_of(L)->ending) {
        return lua_error(L);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* pcall(): errors of redis.call() are tables within, texts for those who catch them. That a script
 * is being ended is not caught. */
static int caught_as_text(lua_State *L)
{
    int n = vm_call_wrapped(L);

    vm_check_ending(L);
    if (n == 2 && !lua_toboolean(L, -2) && lua_istable(L, -1)) {
        lua_getfield(L, -1, "err");
        if (lua_type(L, -1) == LUA_TSTRING) {
            lua_replace(L, -2);
        } else {
            lua_pop(L, 1);
        }
    }
    return n;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

/* nil, and the message that is on the stack. */
static int load_failed(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* Likewise; errors that come up within load() are tables, with Redis as well. */
static int reader_failed(lua_State *L)
{
    if (lua_isstring(L, -1)) {
        lua_pushliteral(L, "ERR ");
        lua_insert(L, -2);
        lua_concat(L, 2);
        vm_push_error(L, lua_tostring(L, -1), lua_objlen(L, -1));
    }
    return load_failed(L);
}

static int load_text(lua_State *L, const char *p, size_t n, const char *name)
{
    return vm_compile(L, p, n, name) ? 1 : load_failed(L);
}

static int guarded_loadstring(lua_State *L)
{
    size_t n;
    const char *p = luaL_checklstring(L, 1, &n);

    return load_text(L, p, n, luaL_optstring(L, 2, p));
}

/* load(): all pieces first, for the beginning tells byte code. */
static int guarded_load(lua_State *L)
{
    const char *name = luaL_optstring(L, 2, "=(load)");

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushliteral(L, "");
    for (;;) {
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 0, 1, 0) != 0) {
            vm_check_ending(L);
            return reader_failed(L);
        }
        if (lua_isnil(L, -1) || (lua_isstring(L, -1) && lua_objlen(L, -1) == 0)) {
            break;
        }
        if (!lua_isstring(L, -1)) {
            luaL_where(L, 1);
            lua_pushliteral(L, "reader function must return a string");
            lua_concat(L, 2);
            return reader_failed(L);
        }
        lua_concat(L, 2);
    }
    lua_pop(L, 1);

    size_t n;
    const char *p = lua_tolstring(L, -1, &n);

    return load_text(L, p, n, name);
}

/* ---- chance and memory ------------------------------------------------------------------------
 */

static double random_unit(struct vm *vm)
{
    return (double)(rng_next(&vm->rng) >> 11) / 9007199254740992.0; /* 2^53 */
}

/* As Lua's: [0, 1), 1..m, or l..m. */
static int guarded_random(lua_State *L)
{
    double r = random_unit(vm_of(L));
    double low = 1, high;

    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, r);
        return 1;
    case 1:
        high = luaL_checkint(L, 1);
        luaL_argcheck(L, low <= high, 1, "interval is empty");
        break;
    case 2:
        low = luaL_checkint(L, 1);
        high = luaL_checkint(L, 2);
        luaL_argcheck(L, low <= high, 2, "interval is empty");
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    lua_pushnumber(L, floor(r * (high - low + 1)) + low);
    return 1;
}

static int guarded_randomseed(lua_State *L)
{
    struct vm *vm = vm_of(L);

    rng_init(&vm->rng, (uint64_t)(int64_t)luaL_checkint(L, 1));
    vm->seeded = true;
    return 0;
}

/* As Lua's, but for the address of a table, say, in a text that has to be alike on all nodes. */
static int guarded_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_callmeta(L, 1, "__tostring")) {
        return 1;
    }
    switch (lua_type(L, 1)) {
    case LUA_TNUMBER:
        lua_pushstring(L, lua_tostring(L, 1));
        break;
    case LUA_TSTRING:
        lua_pushvalue(L, 1);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
        break;
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    default:
        lua_pushfstring(L, "%s: %p", luaL_typename(L, 1),
                        vm_of(L)->alike ? NULL : lua_topointer(L, 1));
    }
    return 1;
}

/* A script cannot switch the collection off for those that follow. */
static int guarded_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");

    if (strcmp(what, "count") == 0 && vm_of(L)->alike) {
        lua_pushinteger(L, 0);
        return 1;
    }

    if (strcmp(what, "collect") != 0 && strcmp(what, "count") != 0 && strcmp(what, "step") != 0) {
        return luaL_error(L, "collectgarbage('%s') is not allowed in scripts", what);
    }
    return vm_call_wrapped(L);
}

static int guarded_gcinfo(lua_State *L)
{
    if (vm_of(L)->alike) {
        lua_pushinteger(L, 0);
        return 1;
    }
    return vm_call_wrapped(L);
}

/* ---- putting it together ------------------------------------------------------------------------
 */

static void open_library(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* Libraries that return their table instead of setting a global. */
static void open_returning(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    lua_setglobal(L, name);
}

static void set_function(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
}

static void guard_base(lua_State *L)
{
    static const char *const hidden[] = {"dofile",  "loadfile", "print",   "newproxy",
                                         "getfenv", "setfenv",  "require", "module"};

    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, hidden[i]);
    }
    vm_wrap(L, "rawset", write_checked);
    vm_wrap(L, "rawget", read_through);
    vm_wrap(L, "setmetatable", guarded_setmetatable);
    vm_wrap(L, "next", read_through);
    lua_getfield(L, -1, "next");
    lua_pushcclosure(L, guarded_pairs, 1);
    lua_setfield(L, -2, "pairs");
    vm_wrap(L, "pcall", caught_as_text);
    vm_wrap(L, "collectgarbage", guarded_collectgarbage);
    vm_wrap(L, "gcinfo", guarded_gcinfo);
    set_function(L, "tostring", guarded_tostring);
    set_function(L, "xpcall", guarded_xpcall);
    set_function(L, "load", guarded_load);
    set_function(L, "loadstring", guarded_loadstring);
    bound_base(L);
}

static void guard_libraries(lua_State *L)
{
    static const char *const writers[] = {"insert", "remove", "setn"};
    static const char *const libraries[] = {"string",   "table", "math",   "coroutine",
                                            "cmsgpack", "bit",   "struct", "cjson"};

    lua_getfield(L, -1, "cjson");
    bound_json(L);
    json_keep_buffer_of(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "bit");
    bound_bit(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "string");
    bound_string(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "table");
    bound_table(L);
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        vm_wrap(L, writers[i], write_checked);
    }
    vm_wrap(L, "sort", guarded_sort);
    lua_pop(L, 1);
    lua_getfield(L, -1, "math");
    set_function(L, "random", guarded_random);
    set_function(L, "randomseed", guarded_randomseed);
    lua_pop(L, 1);
    for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
        lua_getfield(L, -1, libraries[i]);
        guard(L);
        lua_setfield(L, -2, libraries[i]);
    }
}

/* ("x"):rep() finds string through a metatable of all strings, which is not for scripts to see. */
static void hide_string_metatable(lua_State *L)
{
    lua_pushliteral(L, "");
    (void)lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void vm_make_strict(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, unknown_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void sandbox_build(lua_State *L)
{
    open_library(L, luaopen_base, "");
    open_library(L, luaopen_table, LUA_TABLIBNAME);
    open_library(L, luaopen_string, LUA_STRLIBNAME);
    open_library(L, luaopen_math, LUA_MATHLIBNAME);
    open_returning(L, luaopen_cjson, "cjson");
    open_returning(L, luaopen_bit, "bit");
    open_returning(L, luaopen_cmsgpack, "cmsgpack");
    open_returning(L, luaopen_struct, "struct");

    lua_pushvalue(L, LUA_GLOBALSINDEX); /* the real globals */
    guard_base(L);
    guard_libraries(L);
    hide_string_metatable(L);
    vm_make_strict(L);
    lua_pushvalue(L, -1);
    guard(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "_G");
    /* From here on chunks are loaded with the guard for their global table. */
    lua_replace(L, LUA_GLOBALSINDEX);
    lua_pop(L, 1);
}

static void set_real(lua_State *L, const char *name)
{
    (void)push_guarded(L, LUA_GLOBALSINDEX);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void vm_set_global(lua_State *L, const char *name) { set_real(L, name); }

void vm_set_library(lua_State *L, const char *name)
{
    guard(L);
    set_real(L, name);
}

void vm_set_index(lua_State *L, const char *name)
{
    int table = lua_gettop(L);

    (void)push_guarded(L, LUA_GLOBALSINDEX);
    lua_getfield(L, -1, name);
    (void)lua_getmetatable(L, -1);
    lua_pushvalue(L, table);
    lua_setfield(L, -2, "__index");
    lua_settop(L, table - 1);
}
