/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library_change.c - FUNCTION LOAD, DELETE and FLUSH: changes of the system group's
 * map. */
#include "node/script/library_table.h"

#include <stdlib.h>
#include <string.h>

bool library_add_to_change(struct system_change *s, const struct library *lib,
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
    if (libraries_find(libraries_refresh(s->node->scripts), lib->name) != NULL) {
        resp_errorf(s->reply, "ERR Library '%s' already exists", lib->name);
        return false;
    }
    return true;
}

static bool is_free_of_clashes(struct system_change *s, const struct library *lib)
{
    const struct function *f = libraries_clash(libraries_refresh(s->node->scripts), lib);

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
    if (lib != NULL && (replace || is_new(s, lib)) && library_load(scripts, lib, true, &error)) {
        ok = is_free_of_clashes(s, lib) && library_add_to_change(s, lib, out);
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
    const struct arg *text = &s->argv[s->argc - 1];
    struct buf error;
    char *name;

    buf_init(&error);
    name = library_name_of(text->p, text->n, &error);
    if (name != NULL) {
        resp_bulk_str(s->reply, name);
    } else {
        resp_errorf(s->reply, "%.*s", (int)error.len, buf_head(&error)); /* it was read before */
    }
    free(name);
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
    if (cluster_texts_find(libraries_map(s->node), name->p, name->n) == NULL) {
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
