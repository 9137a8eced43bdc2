/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library.c - see node/script/library.h.
 *
 *   library_table  --list-->  library (name, text)  --functions-->  function (name, flags, Lua ref)
 *
 * A library is loaded into a struct of its own and becomes part of the table only when all of it is
 * right, so a bad one leaves nothing behind. */
#include "node/script/library.h"

#include "base/clock.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "node/rdb/rdb.h"
#include "node/script/internal.h"
#include "node/system.h"
#include "node/system_change.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK "@user_function"
#define LOAD_US_MAX 500000

struct function {
    char *name, *description; /* description NULL: none */
    uint32_t flags;
    int ref;
};

struct library {
    char *name, *text;
    size_t text_n;
    struct function *functions;
    size_t n, cap;
};

struct library_table {
    struct library **list; /* by name, as the map has them */
    size_t n;
    int by_name;             /* registry reference: {function's name = struct function} */
    uint64_t revision;       /* of the map these were made of */
    struct library *loading; /* register_function() adds to it */
    int64_t load_until_us;
};

/* ---- libraries as structs -----------------------------------------------------------------------
 */

static void library_free(struct scripts *s, struct library *lib)
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

static const struct function *function_of(const struct library *lib, const char *name, size_t n)
{
    for (size_t i = 0; i < lib->n; i++) {
        if (strlen(lib->functions[i].name) == n && memcmp(lib->functions[i].name, name, n) == 0) {
            return &lib->functions[i];
        }
    }
    return NULL;
}

static const struct library *find_library(const struct library_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->list[i]->name, name) == 0) {
            return t->list[i];
        }
    }
    return NULL;
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
    if (function_of(lib, name, n) != NULL) {
        return "Function already exists in the library";
    }
    if (lib->n == lib->cap) {
        lib->cap = lib->cap == 0 ? 4 : lib->cap * 2;
        lib->functions = mem_realloc(lib->functions, lib->cap * sizeof *lib->functions);
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

    if (n < sizeof option - 1 || memcmp(p, option, sizeof option - 1) != 0) {
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
    if (n != 3 || (memcmp(p, "lua", 3) != 0 && memcmp(p, "LUA", 3) != 0)) {
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
    lua_State *L = s->functions.L;
    struct library_table *t = s->libraries;
    bool ok;

    if (!vm_compile(L, lib->text, lib->text_n, CHUNK)) {
        buf_printf(error, "ERR Error compiling function: %s", lua_tostring(L, -1));
        lua_settop(L, 1);
        return false;
    }
    t->loading = lib;
    t->load_until_us = clock_boot_us() + LOAD_US_MAX;
    s->functions.end_error = "ERR FUNCTION LOAD timeout";
    push_loading_lib(L);
    vm_set_index(L, "redis");
    ok = vm_call(&s->functions, 0);
    t->loading = NULL;
    if (!ok) {
        lua_getfield(L, -1, "err");
        buf_printf(error, "ERR Error registering functions: %s", lua_tostring(L, -1));
    }
    redis_lib_push(L);
    vm_set_index(L, "redis");
    lua_settop(L, 1);
    return ok;
}

bool libraries_may_go_on(const struct scripts *s)
{
    return s->libraries->loading == NULL || clock_boot_us() < s->libraries->load_until_us;
}

/* A library of that text, whose name is known and which has no functions yet. NULL: *@error, with
 * its code, says why. */
static struct library *library_new(struct scripts *s, const char *text, size_t n, struct buf *error)
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

/* Give it its functions. */
static bool load(struct scripts *s, struct library *lib, struct buf *error)
{
    if (!run_text(s, lib, error)) {
        return false;
    }
    if (lib->n == 0) {
        buf_printf(error, "ERR No functions registered");
        return false;
    }
    return true;
}

/* ---- following the map -------------------------------------------------------------------------
 */

static const struct cluster_texts *map_of(const struct node *n)
{
    return cluster_state_map(system_state(n), CLUSTER_MAP_FUNCTIONS);
}

/* The library of that text among those of before; it leaves them. */
static struct library *reuse(struct library_table *t, const struct cluster_text *text)
{
    for (size_t i = 0; i < t->n; i++) {
        struct library *lib = t->list[i];

        if (lib != NULL && lib->text_n == text->text_n &&
            memcmp(lib->text, text->text, text->text_n) == 0) {
            t->list[i] = NULL;
            return lib;
        }
    }
    return NULL;
}

static struct library *load_from_map(struct scripts *s, const struct cluster_text *text)
{
    struct buf error;
    struct library *lib;

    buf_init(&error);
    lib = library_new(s, text->text, text->text_n, &error);
    if (lib == NULL || !load(s, lib, &error)) {
        /* It was loaded once, where it was given: this node's version may be another. */
        log_warning("the cluster's library %.*s cannot be loaded here: %.*s", (int)text->name_n,
                    text->name, (int)error.len, buf_head(&error));
        library_free(s, lib);
        lib = NULL;
    }
    buf_release(&error);
    return lib;
}

static void index_functions(struct scripts *s)
{
    lua_State *L = s->functions.L;
    struct library_table *t = s->libraries;

    luaL_unref(L, LUA_REGISTRYINDEX, t->by_name);
    lua_newtable(L);
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < t->list[i]->n; k++) {
            lua_pushlightuserdata(L, &t->list[i]->functions[k]);
            lua_setfield(L, -2, t->list[i]->functions[k].name);
        }
    }
    t->by_name = luaL_ref(L, LUA_REGISTRYINDEX);
}

static struct library_table *refresh(struct scripts *s)
{
    const struct cluster_texts *map = map_of(s->node);
    struct library_table *t = s->libraries;
    struct library **list;
    size_t n = 0;

    if (t->revision == map->revision || s->run != NULL) {
        return t;
    }
    list = mem_zalloc((map->n + 1) * sizeof *list);
    for (size_t i = 0; i < map->n; i++) {
        struct library *lib = reuse(t, &map->list[i]);

        if (lib == NULL) {
            lib = load_from_map(s, &map->list[i]);
        }
        if (lib != NULL) {
            list[n++] = lib;
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        library_free(s, t->list[i]);
    }
    free(t->list);
    t->list = list;
    t->n = n;
    t->revision = map->revision;
    index_functions(s);
    (void)lua_gc(s->functions.L, LUA_GCCOLLECT, 0);
    return t;
}

static const struct function *find_function(struct scripts *s, const struct arg *name)
{
    lua_State *L = s->functions.L;
    const struct library_table *t = refresh(s);
    const struct function *f;

    lua_rawgeti(L, LUA_REGISTRYINDEX, t->by_name);
    lua_pushlstring(L, name->p, name->n);
    lua_rawget(L, -2);
    f = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return f;
}

/* ---- calling ----------------------------------------------------------------------------------
 */

uint32_t library_function_flags(struct scripts *s, const struct arg *name)
{
    const struct function *f = find_function(s, name);

    return f != NULL ? f->flags : SCRIPT_PLAIN;
}

void libraries_call(struct cmd *c, bool read_only)
{
    struct scripts *s = c->node->scripts;
    lua_State *L = s->functions.L;
    const struct function *f = find_function(s, &c->argv[1]);
    int n_keys;

    if (f == NULL) {
        resp_error(c->reply, "ERR Function not found");
        return;
    }
    if (!script_count_keys(c, "ERR Bad number of keys provided", &n_keys) ||
        !script_may_run(c, f->flags, read_only)) {
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, f->ref);
    script_push_args(L, c, 3, n_keys);
    script_push_args(L, c, 3 + n_keys, c->argc - 3 - n_keys);
    script_run(c, &s->functions, f->name, f->flags, 2);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

static void list_function(struct resp_out *out, const struct function *f)
{
    size_t n = 0;

    resp_map(out, 3);
    resp_bulk_str(out, "name");
    resp_bulk_str(out, f->name);
    resp_bulk_str(out, "description");
    if (f->description != NULL) {
        resp_bulk_str(out, f->description);
    } else {
        resp_null(out);
    }
    resp_bulk_str(out, "flags");
    for (unsigned i = 0; script_flag_name(i) != NULL; i++) {
        n += (f->flags >> i) & 1;
    }
    resp_set(out, n);
    for (unsigned i = 0; script_flag_name(i) != NULL; i++) {
        if ((f->flags >> i) & 1) {
            resp_status(out, script_flag_name(i));
        }
    }
}

static void list_library(struct resp_out *out, const struct library *lib, bool with_code)
{
    resp_map(out, with_code ? 4 : 3);
    resp_bulk_str(out, "library_name");
    resp_bulk_str(out, lib->name);
    resp_bulk_str(out, "engine");
    resp_bulk_str(out, "LUA");
    resp_bulk_str(out, "functions");
    resp_array(out, lib->n);
    for (size_t i = 0; i < lib->n; i++) {
        list_function(out, &lib->functions[i]);
    }
    if (with_code) {
        resp_bulk_str(out, "library_code");
        resp_bulk(out, lib->text, lib->text_n);
    }
}

static bool list_options(struct cmd *c, const struct arg **pattern, bool *with_code)
{
    for (int i = 2; i < c->argc; i++) {
        if (!*with_code && arg_is(&c->argv[i], "withcode")) {
            *with_code = true;
        } else if (*pattern == NULL && arg_is(&c->argv[i], "libraryname")) {
            if (++i == c->argc) {
                resp_error(c->reply, "ERR library name argument was not given");
                return false;
            }
            *pattern = &c->argv[i];
        } else {
            resp_errorf(c->reply, "ERR Unknown argument %.*s",
                        (int)MIN_OF(c->argv[i].n, (size_t)128), c->argv[i].p);
            return false;
        }
    }
    return true;
}

static bool matches(const struct library *lib, const struct arg *pattern)
{
    return pattern == NULL ||
           glob_match(pattern->p, pattern->n, lib->name, strlen(lib->name), true);
}

void libraries_list(struct cmd *c)
{
    const struct library_table *t = refresh(c->node->scripts);
    const struct arg *pattern = NULL;
    bool with_code = false;
    size_t n = 0;

    if (!list_options(c, &pattern, &with_code)) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        n += matches(t->list[i], pattern);
    }
    resp_array(c->reply, n);
    for (size_t i = 0; i < t->n; i++) {
        if (matches(t->list[i], pattern)) {
            list_library(c->reply, t->list[i], with_code);
        }
    }
}

static void running(struct resp_out *out, const struct script_run *r)
{
    if (r == NULL || !r->is_function) {
        resp_null(out);
        return;
    }
    resp_map(out, 3);
    resp_bulk_str(out, "name");
    resp_bulk_str(out, r->name);
    resp_bulk_str(out, "command");
    resp_array(out, (size_t)r->cmd->argc);
    for (int i = 0; i < r->cmd->argc; i++) {
        resp_bulk(out, r->cmd->argv[i].p, r->cmd->argv[i].n);
    }
    resp_bulk_str(out, "duration_ms");
    resp_int(out, (clock_boot_us() - r->started_us) / 1000);
}

static size_t count_functions(const struct library_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        n += t->list[i]->n;
    }
    return n;
}

void libraries_stats(struct cmd *c)
{
    struct scripts *s = c->node->scripts;
    const struct library_table *t = refresh(s);

    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "running_script");
    running(c->reply, s->run);
    resp_bulk_str(c->reply, "engines");
    resp_map(c->reply, 1);
    resp_bulk_str(c->reply, "LUA");
    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "libraries_count");
    resp_int(c->reply, (int64_t)t->n);
    resp_bulk_str(c->reply, "functions_count");
    resp_int(c->reply, (int64_t)count_functions(t));
}

void libraries_usage(const struct scripts *s, struct scripts_usage *out)
{
    const struct library_table *t = s->libraries;

    out->n_libraries = t->n;
    out->n_functions = count_functions(t);
    for (size_t i = 0; i < t->n; i++) {
        out->functions_bytes += t->list[i]->text_n;
    }
}

/* ---- changing ---------------------------------------------------------------------------------
 */

/* A function's name is one in all libraries. */
static const struct function *clash(const struct library_table *t, const struct library *lib)
{
    const struct function *f = NULL;

    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < lib->n && strcmp(t->list[i]->name, lib->name) != 0; k++) {
            f = function_of(t->list[i], lib->functions[k].name, strlen(lib->functions[k].name));
            if (f != NULL) {
                return f;
            }
        }
    }
    return NULL;
}

static bool add_to_change(struct system_change *s, const struct library *lib,
                          struct cluster_change *out)
{
    if (!cluster_change_set(out, lib->name, strlen(lib->name), lib->text, lib->text_n)) {
        resp_errorf(s->reply, "ERR the cluster's libraries would be too large: at most %zu bytes",
                    CLUSTER_TEXTS_BYTES_MAX);
        return false;
    }
    return true;
}

static bool is_new(struct system_change *s, const struct library *lib)
{
    if (find_library(refresh(s->node->scripts), lib->name) != NULL) {
        resp_errorf(s->reply, "ERR Library '%s' already exists", lib->name);
        return false;
    }
    return true;
}

static bool is_free_of_clashes(struct system_change *s, const struct library *lib)
{
    const struct function *f = clash(s->node->scripts->libraries, lib);

    if (f != NULL) {
        resp_errorf(s->reply, "ERR Function %s already exists", f->name);
        return false;
    }
    return true;
}

static bool make_load(struct system_change *s, struct cluster_change *out)
{
    struct scripts *scripts = s->node->scripts;
    const struct arg *text = &s->argv[s->argc - 1];
    bool replace = s->argc > 3, ok = false;
    struct buf error;
    struct library *lib;

    buf_init(&error);
    out->map = CLUSTER_MAP_FUNCTIONS;
    lib = library_new(scripts, text->p, text->n, &error);
    if (lib != NULL && (replace || is_new(s, lib)) && load(scripts, lib, &error)) {
        ok = is_free_of_clashes(s, lib) && add_to_change(s, lib, out);
    }
    if (error.len > 0) {
        resp_errorf(s->reply, "%.*s", (int)error.len, buf_head(&error));
    }
    library_free(scripts, lib);
    buf_release(&error);
    return ok;
}

/* Its name, which stands in its text. */
static void loaded(struct system_change *s)
{
    struct library lib = {.text = (char *)(uintptr_t)s->argv[s->argc - 1].p,
                          .text_n = s->argv[s->argc - 1].n};
    struct buf error;

    buf_init(&error);
    if (read_metadata(&lib, &error)) {
        resp_bulk_str(s->reply, lib.name);
    } else {
        resp_errorf(s->reply, "%.*s", (int)error.len, buf_head(&error)); /* it was read before */
    }
    free(lib.name);
    buf_release(&error);
}

void libraries_load(struct cmd *c)
{
    /* The text stands last; what stands before it are options, again and again if need be. */
    for (int i = 2; i < c->argc - 1; i++) {
        const struct arg *a = &c->argv[i];

        if (!arg_is(a, "replace")) {
            resp_errorf(c->reply, "ERR Unknown option given: %.*s", (int)MIN_OF(a->n, (size_t)128),
                        a->p);
            return;
        }
    }
    system_change(c, make_load, loaded);
}

static bool make_delete(struct system_change *s, struct cluster_change *out)
{
    const struct arg *name = &s->argv[2];

    out->map = CLUSTER_MAP_FUNCTIONS;
    if (cluster_texts_find(map_of(s->node), name->p, name->n) == NULL) {
        resp_error(s->reply, "ERR Library not found");
        return false;
    }
    return cluster_change_delete(out, name->p, name->n) ||
           (resp_error(s->reply, "OOM no memory for the change"), false);
}

void libraries_delete(struct cmd *c) { system_change(c, make_delete, NULL); }

static bool make_flush(struct system_change *s, struct cluster_change *out)
{
    (void)s;
    out->map = CLUSTER_MAP_FUNCTIONS;
    out->clear = true;
    return true;
}

void libraries_flush(struct cmd *c)
{
    if (c->argc > 3) {
        cmd_reply_subcommand_error(c);
        return;
    }
    if (c->argc == 3 && !arg_is(&c->argv[2], "sync") && !arg_is(&c->argv[2], "async")) {
        resp_error(c->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    system_change(c, make_flush, NULL);
}

/* ---- FUNCTION DUMP and RESTORE ------------------------------------------------------------------
 */

void libraries_dump(struct cmd *c)
{
    const struct cluster_texts *map = map_of(c->node);
    struct buf out;

    buf_init(&out);
    for (size_t i = 0; i < map->n; i++) {
        rdb_dump_library(map->list[i].text, map->list[i].text_n, c->node->config.rdbcompression,
                         &out);
    }
    rdb_dump_libraries_end(&out, 0);
    resp_bulk(c->reply, buf_head(&out), out.len);
    buf_release(&out);
}

enum restore_policy { RESTORE_APPEND, RESTORE_FLUSH, RESTORE_REPLACE };

/* argv[3], if there is one. False: it is no policy. */
static bool read_policy(const struct arg *argv, int argc, enum restore_policy *out)
{
    static const char *const names[] = {"append", "flush", "replace"}; /* as the enum */

    *out = RESTORE_APPEND;
    for (size_t i = 0; i < ARRAY_LEN(names) && argc > 3; i++) {
        if (arg_is(&argv[3], names[i])) {
            *out = (enum restore_policy)i;
            return true;
        }
    }
    return argc == 3;
}

/* A payload on its way into a change. */
struct restore {
    struct system_change *s;
    struct library_table found; /* what it holds, in its order */
    struct buf error;
};

static bool take_library(void *ctx, const char *text, size_t n)
{
    struct restore *r = ctx;
    struct scripts *scripts = r->s->node->scripts;
    struct library_table *found = &r->found;
    struct library *lib = library_new(scripts, text, n, &r->error);
    const struct function *f;

    if (lib == NULL || !load(scripts, lib, &r->error)) {
        library_free(scripts, lib);
        return false;
    }
    f = clash(found, lib);
    if (find_library(found, lib->name) != NULL) {
        buf_printf(&r->error, "ERR Library '%s' already exists", lib->name);
    } else if (f != NULL) {
        buf_printf(&r->error, "ERR Function %s already exists", f->name);
    }
    found->list = mem_realloc(found->list, (found->n + 1) * sizeof(struct library *));
    found->list[found->n++] = lib;
    return r->error.len == 0;
}

/* Libraries that stay must not clash with those that come. */
static bool goes_with_what_is_there(struct restore *r, enum restore_policy policy)
{
    const struct library_table *t = refresh(r->s->node->scripts);

    for (size_t i = 0; i < t->n && policy != RESTORE_FLUSH; i++) {
        bool is_same = find_library(&r->found, t->list[i]->name) != NULL;
        const struct function *f = clash(&r->found, t->list[i]);

        if (is_same && policy == RESTORE_APPEND) {
            buf_printf(&r->error, "ERR Library %s already exists", t->list[i]->name);
            return false;
        }
        if (!is_same && f != NULL) {
            buf_printf(&r->error, "ERR Function %s already exists", f->name);
            return false;
        }
    }
    return true;
}

static void read_payload(struct restore *r)
{
    const struct arg *payload = &r->s->argv[2];
    int rc =
        rdb_restore_libraries(payload->p, payload->n, CLUSTER_TEXTS_BYTES_MAX, take_library, r);

    if (rc == RDB_ERR_TYPE) {
        buf_printf(&r->error, "ERR given type is not a function");
    } else if (rc == RDB_ERR_CHECKSUM || rc == RDB_ERR_VERSION) {
        buf_printf(&r->error, "ERR DUMP payload version or checksum are wrong");
    } else if (rc != RDB_OK) {
        buf_printf(&r->error, "ERR failed loading functions payload");
    }
}

static void restore_release(struct restore *r)
{
    for (size_t i = 0; i < r->found.n; i++) {
        library_free(r->s->node->scripts, r->found.list[i]);
    }
    free(r->found.list);
    buf_release(&r->error);
}

static bool make_restore(struct system_change *s, struct cluster_change *out)
{
    struct restore r = {.s = s};
    enum restore_policy policy;
    bool ok = read_policy(s->argv, s->argc, &policy); /* it was before */

    buf_init(&r.error);
    out->map = CLUSTER_MAP_FUNCTIONS;
    out->clear = policy == RESTORE_FLUSH;
    read_payload(&r);
    if (r.error.len > 0 || !goes_with_what_is_there(&r, policy)) {
        resp_errorf(s->reply, "%.*s", (int)r.error.len, buf_head(&r.error));
        ok = false;
    }
    for (size_t i = 0; ok && i < r.found.n; i++) {
        ok = add_to_change(s, r.found.list[i], out);
    }
    restore_release(&r);
    return ok;
}

void libraries_restore(struct cmd *c)
{
    enum restore_policy policy;

    if (c->argc > 4) {
        cmd_reply_subcommand_error(c);
    } else if (!read_policy(c->argv, c->argc, &policy)) {
        resp_error(c->reply,
                   "ERR Wrong restore policy given, value should be either FLUSH, APPEND or "
                   "REPLACE.");
    } else {
        system_change(c, make_restore, NULL);
    }
}

/* ---- birth and death --------------------------------------------------------------------------
 */

void libraries_init(struct scripts *s)
{
    s->libraries = mem_zalloc(sizeof *s->libraries);
    s->libraries->by_name = LUA_NOREF;
    redis_lib_push(s->functions.L);
    vm_set_library(s->functions.L, "redis");
    index_functions(s);
}

void libraries_release(struct scripts *s)
{
    struct library_table *t = s->libraries;

    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        library_free(s, t->list[i]);
    }
    free(t->list);
    free(t);
}
