/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library_load.c - a library made of its text: the first line, and the functions that
 * the rest registers. See node/script/library_table.h. */
#include "base/clock.h"
#include "base/crc.h"
#include "base/mem.h"
#include "node/script/library_table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHUNK "@user_function"
#define LOAD_US_MAX 500000

void library_free(struct scripts *s, struct library *lib)
{
    if (lib == NULL) {
        return;
    }
    for (size_t i = 0; i < lib->n; i++) {
        luaL_unref(s->functions.L, LUA_REGISTRYINDEX, lib->functions[i].ref);
        free(lib->functions[i].name);
        free(lib->functions[i].description);
    }
    free(lib->functions);
    free(lib->name);
    free(lib->text);
    free(lib);
}

static bool name_is_valid(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z');

        if (!letter && (p[i] < '0' || p[i] > '9') && p[i] != '_') {
            return false;
        }
    }
    return n > 0;
}

#define NAME_ERROR                                                                                 \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

/* ---- redis.register_function()
 * -------------------------------------------------------------------- */

#define REGISTER "redis.register_function"

/* {"no-writes", ...} at @i. NULL, or what is wrong. */
static const char *take_flags(lua_State *L, int i, uint32_t *flags)
{
    if (!lua_istable(L, i)) {
        return "flags argument to " REGISTER " must be a table representing function flags";
    }
    for (int k = 1;; k++) {
        size_t n;
        const char *p;
        uint32_t flag;

        lua_rawgeti(L, i, k);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            return NULL;
        }
        p = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
        flag = p != NULL ? script_flag_by_name(p, n) : 0;
        lua_pop(L, 1);
        if (flag == 0) {
            return "unknown flag given";
        }
        *flags |= flag;
    }
}

/* What stands at these stack indexes; 0: not given. */
struct registration {
    int name, callback, description;
    uint32_t flags;
};

/* One named argument: its name at -2, its value at -1, which is moved to a place of its own. */
static const char *take_named(lua_State *L, struct registration *r)
{
    const char *what = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;

    if (lua_type(L, -2) == LUA_TNUMBER) {
        return "unknown argument given to " REGISTER; /* no name is a number */
    }
    if (what == NULL) {
        return "named argument key given to " REGISTER " is not a string";
    }
    if (strcmp(what, "function_name") == 0) {
        lua_pushvalue(L, -1);
        lua_replace(L, r->name = 2);
        return lua_isstring(L, 2) ? NULL
                                  : "function_name argument given to " REGISTER " must be a string";
    }
    if (strcmp(what, "description") == 0) {
        lua_pushvalue(L, -1);
        lua_replace(L, r->description = 3);
        return lua_isstring(L, 3) ? NULL
                                  : "description argument given to " REGISTER " must be a string";
    }
    if (strcmp(what, "callback") == 0) {
        lua_pushvalue(L, -1);
        lua_replace(L, r->callback = 4);
        return lua_isfunction(L, 4) ? NULL
                                    : "callback argument given to " REGISTER " must be a function";
    }
    if (strcmp(what, "flags") == 0) {
        return take_flags(L, lua_gettop(L), &r->flags);
    }
    return "unknown argument given to " REGISTER;
}

static const char *take_table(lua_State *L, struct registration *r)
{
    if (!lua_istable(L, 1)) {
        return "calling " REGISTER " with a single argument is only applicable to Lua table "
               "(representing named arguments).";
    }
    lua_settop(L, 4);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        const char *error = take_named(L, r);

        if (error != NULL) {
            return error;
        }
    }
    if (r->name == 0) {
        return REGISTER " must get a function name argument";
    }
    return r->callback == 0 ? REGISTER " must get a callback argument" : NULL;
}

static const char *take_registration(lua_State *L, struct registration *r)
{
    if (lua_gettop(L) == 1) {
        return take_table(L, r);
    }
    if (lua_gettop(L) != 2) {
        return "wrong number of arguments to " REGISTER;
    }
    *r = (struct registration){.name = 1, .callback = 2};
    if (!lua_isstring(L, 1)) {
        return "first argument to " REGISTER " must be a string";
    }
    return lua_isfunction(L, 2) ? NULL : "second argument to " REGISTER " must be a function";
}

static const char *add(lua_State *L, struct library *lib, const struct registration *r)
{
    size_t n;
    const char *name = lua_tolstring(L, r->name, &n);
    struct function *f;

    if (!name_is_valid(name, n)) {
        return NAME_ERROR;
    }
    if (library_function(lib, name, n) != NULL) {
        return "Function already exists in the library";
    }
    if (lib->n == lib->cap) {
        lib->cap = lib->cap == 0 ? 4 : lib->cap * 2;
        lib->functions = mem_realloc(lib->functions, lib->cap * sizeof *lib->functions);
    }
    if (r->description != 0) {
        (void)lua_tostring(L, r->description); /* a number may need memory, which may be out */
    }
    lua_pushvalue(L, r->callback);
    f = &lib->functions[lib->n];
    *f = (struct function){.flags = r->flags, .ref = luaL_ref(L, LUA_REGISTRYINDEX)};
    f->name = mem_strdup(name);
    if (r->description != 0) {
        f->description = mem_strdup(lua_tostring(L, r->description));
    }
    lib->n++;
    return NULL;
}

static int register_function(lua_State *L)
{
    struct scripts *s = vm_of(L)->owner;
    struct registration r = {0};
    const char *error;

    if (s->libraries->loading == NULL) {
        return vm_raise(L, REGISTER " can only be called on FUNCTION LOAD command");
    }
    error = take_registration(L, &r);
    if (error == NULL) {
        error = add(L, s->libraries->loading, &r);
    }
    return error != NULL ? vm_raise(L, error) : 0;
}

/* What once was for scripts alone is not there for functions. */
void library_push_redis(lua_State *L)
{
    static const char *const left_out[] = {"breakpoint", "debug", "replicate_commands"};

    redis_lib_push(L);
    for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, left_out[i]);
    }
}

/* What "redis" is while a library is loaded: nothing that needs a command around it. */
static void push_loading_lib(lua_State *L)
{
    static const char *const taken[] = {
        "log",         "LOG_DEBUG",     "LOG_VERBOSE",       "LOG_NOTICE",
        "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM", "setresp",
        "sha1hex",     "error_reply",   "status_reply"};

    lua_newtable(L);
    redis_lib_push(L);
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        lua_getfield(L, -1, taken[i]);
        lua_setfield(L, -3, taken[i]);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, register_function);
    lua_setfield(L, -2, "register_function");
    vm_make_strict(L);
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static bool one_option(struct library *lib, const char *p, size_t n, struct buf *error)
{
    static const char option[] = "name=";

    if (n < sizeof option - 1 || strncasecmp(p, option, sizeof option - 1) != 0) {
        buf_printf(error, "ERR Invalid metadata value given: %.*s", (int)MIN_OF(n, (size_t)200), p);
        return false;
    }
    if (lib->name != NULL) {
        buf_printf(error, "ERR Invalid metadata value, name argument was given multiple times");
        return false;
    }
    p += sizeof option - 1;
    n -= sizeof option - 1;
    if (!name_is_valid(p, n) || n > CLUSTER_TEXT_NAME_MAX) {
        buf_printf(error, "ERR " NAME_ERROR);
        return false;
    }
    lib->name = mem_alloc(n + 1);
    memcpy(lib->name, p, n);
    lib->name[n] = '\0';
    return true;
}

static size_t word_length(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && p[n] != ' ' && p[n] != '\t' && p[n] != '\r') {
        n++;
    }
    return n;
}

/* "#!lua name=x": the first line of @lib->text. */
static bool read_metadata(struct library *lib, struct buf *error)
{
    const char *p = lib->text;
    const char *end = memchr(p, '\n', lib->text_n);
    size_t n;

    if (lib->text_n < 2 || p[0] != '#' || p[1] != '!') {
        buf_printf(error, "ERR Missing library metadata");
        return false;
    }
    if (end == NULL) {
        buf_printf(error, "ERR Invalid library metadata");
        return false;
    }
    p += 2;
    n = word_length(p, end);
    if (n != 3 || strncasecmp(p, "lua", 3) != 0) {
        buf_printf(error, "ERR Engine '%.*s' not found", (int)MIN_OF(n, (size_t)200), p);
        return false;
    }
    while ((p += n) < end) {
        if (*p == ' ' || *p == '\t' || *p == '\r') {
            n = 1;
            continue;
        }
        n = word_length(p, end);
        if (!one_option(lib, p, n, error)) {
            return false;
        }
    }
    if (lib->name == NULL) {
        buf_printf(error, "ERR Library name was not given");
        return false;
    }
    return true;
}

/* Run the text, which registers its functions. */
static bool run_text(struct scripts *s, struct library *lib, struct buf *error)
{
    struct vm *vm = &s->functions;
    lua_State *L = vm->L;
    bool ok;

    if (!vm_compile(L, lib->text, lib->text_n, CHUNK)) {
        buf_printf(error, "ERR Error compiling function: %s", lua_tostring(L, -1));
        lua_settop(L, 1);
        return false;
    }
    s->libraries->loading = lib;
    vm->end_error = "ERR FUNCTION LOAD timeout";
    vm->alike = vm->seeded = true;
    rng_init(&vm->rng, crc64_jones(0, lib->text, lib->text_n));
    push_loading_lib(L);
    vm_set_index(L, "redis");
    ok = vm_call(vm, 0);
    vm->alike = false;
    s->libraries->loading = NULL;
    if (!ok) {
        lua_getfield(L, -1, "err");
        buf_printf(error, "ERR Error registering functions: %s", lua_tostring(L, -1));
    }
    library_push_redis(L);
    vm_set_index(L, "redis");
    lua_settop(L, 1);
    return ok;
}

bool libraries_may_go_on(const struct scripts *s)
{
    const struct library_table *t = s->libraries;

    return t->loading == NULL || t->load_until_us == 0 || clock_boot_us() < t->load_until_us;
}

struct library *library_new(struct scripts *s, const char *text, size_t n, struct buf *error)
{
    struct library *lib = mem_zalloc(sizeof *lib);

    lib->text = mem_dup(text, n);
    lib->text_n = n;
    if (read_metadata(lib, error)) {
        return lib;
    }
    library_free(s, lib);
    return NULL;
}

bool library_load(struct scripts *s, struct library *lib, bool is_new, struct buf *error)
{
    const int64_t *memory_limit = s->functions.memory_limit;
    bool ok;

    if (!is_new) {
        s->functions.memory_limit = NULL;
    }
    s->libraries->load_until_us = is_new ? clock_boot_us() + LOAD_US_MAX : 0;
    ok = run_text(s, lib, error);
    s->functions.memory_limit = memory_limit;
    if (!ok) {
        return false;
    }
    if (lib->n == 0) {
        buf_printf(error, "ERR No functions registered");
        return false;
    }
    return true;
}

char *library_name_of(const char *text, size_t n, struct buf *error)
{
    struct library lib = {.text = (char *)(uintptr_t)text, .text_n = n};

    if (!read_metadata(&lib, error)) {
        free(lib.name);
        return NULL;
    }
    return lib.name;
}
