/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library.c - see node/script/library.h: the table of libraries, and FCALL. */
#include "node/script/library_table.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/system.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- finding ------------------------------------------------------------------------------------
 */

const struct function *library_function(const struct library *lib, const char *name, size_t n)
{
    for (size_t i = 0; i < lib->n; i++) {
        if (strlen(lib->functions[i].name) == n && memcmp(lib->functions[i].name, name, n) == 0) {
            return &lib->functions[i];
        }
    }
    return NULL;
}

const struct library *libraries_find(const struct library_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->list[i]->name, name) == 0) {
            return t->list[i];
        }
    }
    return NULL;
}

/* Between libraries, names are the same in any case. */
static bool has_function(const struct library *lib, const char *name)
{
    for (size_t i = 0; i < lib->n; i++) {
        if (strcasecmp(lib->functions[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

const struct function *libraries_clash(const struct library_table *t, const struct library *lib)
{
    const struct function *f = NULL;

    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < lib->n && strcmp(t->list[i]->name, lib->name) != 0; k++) {
            f = &lib->functions[k];
            if (has_function(t->list[i], f->name)) {
                return f;
            }
        }
    }
    return NULL;
}

/* ---- following the map -------------------------------------------------------------------------
 */

const struct cluster_texts *libraries_map(const struct node *n)
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
    if (lib == NULL || !library_load(s, lib, false, &error)) {
        /* It was loaded once, where it was given: this node's version may be another. */
        log_warning("the cluster's library %.*s cannot be loaded here: %.*s", (int)text->name_n,
                    text->name, (int)error.len, buf_head(&error));
        library_free(s, lib);
        lib = NULL;
    }
    buf_release(&error);
    return lib;
}

/* A name in lower case. */
static void push_key(lua_State *L, const char *p, size_t n)
{
    char *key = mem_dup(p, n);

    for (size_t i = 0; i < n; i++) {
        key[i] = (char)(key[i] >= 'A' && key[i] <= 'Z' ? key[i] + ('a' - 'A') : key[i]);
    }
    lua_pushlstring(L, key, n);
    free(key);
}

static void index_functions(struct scripts *s)
{
    lua_State *L = s->functions.L;
    struct library_table *t = s->libraries;

    luaL_unref(L, LUA_REGISTRYINDEX, t->by_name);
    lua_newtable(L);
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < t->list[i]->n; k++) {
            struct function *f = &t->list[i]->functions[k];

            push_key(L, f->name, strlen(f->name));
            lua_pushvalue(L, -1);
            lua_rawget(L, -3);
            if (lua_isnil(L, -1)) { /* the first of those that differ in case alone */
                lua_pop(L, 1);
                lua_pushlightuserdata(L, f);
                lua_rawset(L, -3);
            } else {
                lua_pop(L, 2);
            }
        }
    }
    t->by_name = luaL_ref(L, LUA_REGISTRYINDEX);
}

struct library_table *libraries_refresh(struct scripts *s)
{
    const struct cluster_texts *map = libraries_map(s->node);
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
    const struct library_table *t = libraries_refresh(s);
    const struct function *f;

    lua_rawgeti(L, LUA_REGISTRYINDEX, t->by_name);
    push_key(L, name->p, name->n);
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

/* ---- birth and death --------------------------------------------------------------------------
 */

void libraries_init(struct scripts *s)
{
    s->libraries = mem_zalloc(sizeof *s->libraries);
    s->libraries->by_name = LUA_NOREF;
    library_push_redis(s->functions.L);
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
