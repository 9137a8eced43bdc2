/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/scan.c - KEYS and SCAN: listing the keyspace.
 *
 * In cluster mode the keyspace is that of this node's group. A pattern all of whose matches fall
 * into one slot ("{user7}*", or a plain name) looks into that slot only. Keys past their time are
 * not listed, whether or not their deletion is through. */
#include "base/glob.h"
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/node_limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The only slot with keys that @pattern may match, or -1. That is certain when every match begins
 * with the same complete hash tag, or when the pattern is a plain name. */
static int pattern_slot(const struct cmd *c, const struct arg *pattern)
{
    const char *special = NULL, *open, *close = NULL;
    size_t plain; /* bytes before the first special one */

    if (!cmd_cluster_enabled(c)) {
        return -1;
    }
    for (plain = 0; plain < pattern->n && special == NULL; plain++) {
        if (memchr("*?[\\", pattern->p[plain], 4) != NULL) {
            special = pattern->p + plain;
            break;
        }
    }
    if (special == NULL) {
        return keyspace_key(c->ks, pattern->p, pattern->n).slot;
    }
    open = memchr(pattern->p, '{', plain);
    if (open != NULL) {
        close = memchr(open, '}', (size_t)(special - open));
    }
    /* "{}" is no tag: then the whole key counts. */
    if (close == NULL || close == open + 1) {
        return -1;
    }
    return keyspace_key(c->ks, open, (size_t)(close - open) + 1).slot;
}

struct filter {
    struct cmd *c;
    const struct arg *pattern; /* NULL: any */
    const struct arg *type;    /* NULL: any */
};

static void filter_set_pattern(struct filter *f, const struct arg *pattern)
{
    f->pattern = pattern->n == 1 && pattern->p[0] == '*' ? NULL : pattern;
}

static bool filter_passes(const struct filter *f, const struct item *it)
{
    struct arg name;

    if (access_is_expired(f->c, it)) {
        return false;
    }
    if (f->type != NULL && !arg_is(f->type, item_type_name(item_type(it)))) {
        return false;
    }
    if (f->pattern == NULL) {
        return true;
    }
    name = item_key(it);
    if (name.n == 0) { /* no star of Redis's matches the empty name, except the lone one */
        return f->pattern->n == 0;
    }
    return glob_match(f->pattern->p, f->pattern->n, name.p, name.n, false);
}

/* ---- KEYS ------------------------------------------------------------------------------- */

struct keys {
    struct filter filter;
    size_t n;
};

static void list_key(void *arg, struct item *it)
{
    struct keys *k = arg;
    struct arg name;

    if (filter_passes(&k->filter, it)) {
        name = item_key(it);
        resp_bulk(k->filter.c->reply, name.p, name.n);
        k->n++;
    }
}

static bool list_each(void *arg, struct item *it)
{
    list_key(arg, it);
    return true;
}

void cmd_keys(struct cmd *c)
{
    struct keys k = {.filter = {.c = c}};
    int slot = pattern_slot(c, &c->argv[1]);
    uint64_t cursor = 0;
    size_t at;

    filter_set_pattern(&k.filter, &c->argv[1]);
    access_all(c);
    at = resp_deferred_begin(c->reply);
    if (slot < 0) {
        keyspace_each(c->ks, c->db, list_each, &k);
    } else {
        do {
            cursor = keyspace_scan(c->ks, c->db, slot, cursor, 1024, list_key, &k);
        } while (cursor != 0);
    }
    resp_deferred_array(c->reply, at, k.n);
}

/* ---- SCAN ------------------------------------------------------------------------------- */

#define SCAN_COUNT_DEFAULT 10

/* The items of one step. They stay where they are until the command ends. */
struct found {
    struct filter filter;
    struct item **items;
    size_t n, cap;
};

static void collect(void *arg, struct item *it)
{
    struct found *f = arg;

    if (!filter_passes(&f->filter, it)) {
        return;
    }
    if (f->n == f->cap) {
        f->cap = f->cap > 0 ? f->cap * 2 : 32;
        f->items = mem_realloc(f->items, f->cap * sizeof(struct item *));
    }
    f->items[f->n++] = it;
}

/* A cursor as strtoul() reads it: Redis's clients have always been able to send "" or "+5". */
static bool parse_cursor(struct cmd *c, int i, uint64_t *cursor)
{
    char text[64];
    char *end = text;
    size_t n = c->argv[i].n;
    bool ok = n < sizeof text;

    if (ok) {
        if (n > 0) {
            memcpy(text, c->argv[i].p, n);
        }
        text[n] = '\0';
        errno = 0;
        *cursor = strtoul(text, &end, 10);
        ok = !isspace((unsigned char)text[0]) && *end == '\0' && errno != ERANGE;
    }
    if (!ok) {
        resp_error(c->reply, "ERR invalid cursor");
    }
    return ok;
}

static bool parse_scan(struct cmd *c, struct filter *f, int64_t *count, int *slot)
{
    *count = SCAN_COUNT_DEFAULT;
    *slot = -1;
    for (int i = 2; i < c->argc; i += 2) {
        const struct arg *word = &c->argv[i];
        bool more = i + 1 < c->argc;

        if (more && arg_is(word, "COUNT")) {
            if (!cmd_arg_i64(c, i + 1, count, NULL)) {
                return false;
            }
            if (*count < 1) {
                cmd_reply_syntax_error(c);
                return false;
            }
        } else if (more && arg_is(word, "MATCH")) {
            filter_set_pattern(f, &c->argv[i + 1]);
            *slot = pattern_slot(c, &c->argv[i + 1]);
        } else if (more && arg_is(word, "TYPE")) {
            f->type = &c->argv[i + 1];
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

void cmd_scan(struct cmd *c)
{
    struct found f = {.filter = {.c = c}};
    char text[24];
    uint64_t cursor;
    int64_t count;
    int slot;

    if (!parse_cursor(c, 1, &cursor) || !parse_scan(c, &f.filter, &count, &slot)) {
        return;
    }
    access_all(c);
    cursor = keyspace_scan(c->ks, c->db, slot, cursor, (size_t)count, collect, &f);
    resp_array(c->reply, 2);
    resp_bulk(c->reply, text,
              (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)cursor));
    resp_array(c->reply, f.n);
    for (size_t i = 0; i < f.n; i++) {
        struct arg name = item_key(f.items[i]);

        resp_bulk(c->reply, name.p, name.n);
    }
    free(f.items);
}
