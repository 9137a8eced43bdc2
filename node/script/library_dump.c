/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library_dump.c - FUNCTION DUMP and RESTORE: all libraries as one value, in the format
 * of Redis. */
#include "base/mem.h"
#include "node/rdb/rdb.h"
#include "node/script/library_table.h"

#include <stdlib.h>
#include <string.h>

void libraries_dump(struct cmd *c)
{
    const struct cluster_texts *map = libraries_map(c->node);
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

    if (lib == NULL || !library_load(scripts, lib, true, &r->error)) {
        library_free(scripts, lib);
        return false;
    }
    f = libraries_clash(found, lib);
    if (libraries_find(found, lib->name) != NULL) {
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
    const struct library_table *t = libraries_refresh(r->s->node->scripts);

    for (size_t i = 0; i < t->n && policy != RESTORE_FLUSH; i++) {
        bool is_same = libraries_find(&r->found, t->list[i]->name) != NULL;
        const struct function *f = libraries_clash(&r->found, t->list[i]);

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
        ok = library_add_to_change(s, r.found.list[i], out);
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
