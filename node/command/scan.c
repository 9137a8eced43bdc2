/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/scan.c - KEYS and SCAN: listing the keyspace.
 *
 * In cluster mode the keyspace is that of the groups this node leads (node/groups.h). SCAN goes
 * through one after the other: its cursor begins with a slot, which tells the group. A pattern all
 * of whose matches fall into one slot ("{user7}*", or a plain name) looks into that slot only. Keys
 * past their time are not listed, whether or not their deletion is through. */
#include "base/glob.h"
#include "base/mem.h"
#include "node/access.h"
#include "node/command/element_scan.h"
#include "node/command/handlers.h"
#include "node/groups.h"
#include "node/node_limits.h"

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

static void list_slot(struct cmd *c, int slot, struct keys *k)
{
    uint64_t cursor = 0;

    access_all(c);
    do {
        cursor = keyspace_scan(c->ks, c->db, slot, cursor, 1024, list_key, k);
    } while (cursor != 0);
}

void cmd_keys(struct cmd *c)
{
    struct keys k = {.filter = {.c = c}};
    int slot = pattern_slot(c, &c->argv[1]);
    size_t at;

    filter_set_pattern(&k.filter, &c->argv[1]);
    at = resp_deferred_begin(c->reply);
    if (slot >= 0) {
        if (groups_use_slot(c, (uint16_t)slot)) {
            list_slot(c, slot, &k);
        }
    } else {
        for (size_t i = 0; groups_use(c, i); i++) {
            access_all(c);
            keyspace_each(c->ks, c->db, list_each, &k);
        }
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

/* One step within one group, or several while nothing is found. They come in the order of their
 * first slots; a cursor in a group that this node does not lead any more goes on behind it. */
static uint64_t scan_groups(struct cmd *c, uint64_t cursor, size_t count, struct found *f)
{
    unsigned rank = groups_first_slot(c, (int)keyspace_cursor_slot(cursor));
    bool begun = false, done = false;
    uint64_t next = 0;

    for (size_t i = 0; groups_use(c, i); i++) {
        unsigned first = groups_first_slot(c, -1);

        if (done || (!begun && first < rank)) {
            continue;
        }
        next = begun || first > rank ? keyspace_cursor(first) : cursor;
        begun = true;
        done = f->n > 0; /* the next step begins here */
        if (!done) {
            access_all(c);
            next = keyspace_scan(c->ks, c->db, -1, next, count, collect, f);
            done = next != 0;
        }
    }
    return next;
}

/* One step. Returns the next cursor; 0: the end. */
static uint64_t scan(struct cmd *c, int slot, uint64_t cursor, size_t count, struct found *f)
{
    if (slot >= 0 && !groups_use_slot(c, (uint16_t)slot)) {
        return 0;
    }
    if (slot >= 0 || c->span == NULL) {
        access_all(c);
        return keyspace_scan(c->ks, c->db, slot, cursor, count, collect, f);
    }
    return scan_groups(c, cursor, count, f);
}

void cmd_scan(struct cmd *c)
{
    struct found f = {.filter = {.c = c}};
    char text[24];
    uint64_t cursor;
    int64_t count;
    int slot;

    if (!scan_cursor_arg(c, 1, &cursor) || !parse_scan(c, &f.filter, &count, &slot)) {
        return;
    }
    cursor = scan(c, slot, cursor, (size_t)count, &f);
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
