/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/slowlog.c - see node/slowlog.h.
 *
 * A ring of pointers, newest at head - 1. Passwords are never kept. */
#include "node/slowlog.h"

#include "base/mem.h"
#include "node/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slowlog {
    struct slowlog_entry **ring;
    size_t cap, head, n; /* head: where the next one goes */
    uint64_t next_id;
};

struct slowlog *slowlog_new(void) { return mem_zalloc(sizeof(struct slowlog)); }

static size_t index_of(const struct slowlog *s, size_t i)
{
    return (s->head + s->cap - 1 - i) % s->cap;
}

/* Keep the newest @max entries, with room for as many. */
static void resize(struct slowlog *s, size_t max)
{
    struct slowlog_entry **ring;
    size_t keep = MIN_OF(s->n, max);

    if (s->cap == max) {
        return;
    }
    ring = max == 0 ? NULL : mem_zalloc(max * sizeof(struct slowlog_entry *));
    for (size_t i = 0; i < s->n; i++) {
        struct slowlog_entry *e = s->ring[index_of(s, i)];

        if (i < keep) {
            ring[keep - 1 - i] = e;
        } else {
            free(e);
        }
    }
    free(s->ring);
    s->ring = ring;
    s->cap = max;
    s->n = keep;
    s->head = max == 0 ? 0 : keep % max;
}

void slowlog_free(struct slowlog *s)
{
    if (s != NULL) {
        resize(s, 0);
        free(s);
    }
}

void slowlog_cron(struct node *n) { resize(n->slowlog, (size_t)n->config.slowlog_max_len); }

void slowlog_clear(struct slowlog *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->ring[index_of(s, i)]);
    }
    s->n = 0;
}

size_t slowlog_len(const struct slowlog *s) { return s->n; }

const struct slowlog_entry *slowlog_at(const struct slowlog *s, size_t i)
{
    assert(i < s->n);
    return s->ring[index_of(s, i)];
}

/* ---- entries ------------------------------------------------------------------------------------
 */

bool slowlog_is_secret(const struct cmd *c, int i)
{
    const char *name = c->command->full_name;

    if (strcmp(name, "auth") == 0) {
        return i > 0;
    }
    if (strcmp(name, "acl|setuser") == 0) {
        return i > 1; /* any rule may be one; and the name is nobody's business */
    }
    if (strcmp(name, "hello") == 0) {
        for (int a = 2; a + 2 < c->argc; a++) {
            if (arg_is(&c->argv[a], "AUTH") && (i == a + 1 || i == a + 2)) {
                return true;
            }
        }
        return false;
    }
    if (strcmp(name, "migrate") == 0) {
        return i > 6 && (arg_is(&c->argv[i - 1], "AUTH") || arg_is(&c->argv[i - 1], "AUTH2") ||
                         (i > 7 && arg_is(&c->argv[i - 2], "AUTH2")));
    }
    if (strcmp(name, "config|set") == 0 && i >= 3 && i % 2 == 1) {
        const struct config_option *o = config_option_find(c->argv[i - 1].p, c->argv[i - 1].n);

        return o != NULL && (o->flags & CONFIG_SENSITIVE) != 0;
    }
    return false;
}

/* Argument @i of the entry of @c as it is kept, into @text, which borrows @scratch. */
static struct arg shown(const struct cmd *c, int i, struct buf *scratch)
{
    const struct arg *a = &c->argv[i];

    buf_clear(scratch);
    if (i == SLOWLOG_ARGS_MAX - 1 && c->argc > SLOWLOG_ARGS_MAX) {
        buf_printf(scratch, "... (%d more arguments)", c->argc - SLOWLOG_ARGS_MAX + 1);
    } else if (slowlog_is_secret(c, i)) {
        buf_printf(scratch, "(redacted)");
    } else if (a->n > SLOWLOG_ARG_BYTES_MAX) {
        buf_append(scratch, a->p, SLOWLOG_ARG_BYTES_MAX);
        buf_printf(scratch, "... (%zu more bytes)", a->n - SLOWLOG_ARG_BYTES_MAX);
    } else {
        return *a;
    }
    return (struct arg){buf_head(scratch), scratch->len};
}

/* One allocation: entry, arguments, their bytes, the client's name. */
static struct slowlog_entry *entry_new(const struct cmd *c)
{
    int argc = MIN_OF(c->argc, SLOWLOG_ARGS_MAX);
    char client[NET_HOST_MAX + 8];
    const char *name = c->client->name == NULL ? "" : c->client->name;
    bool v6 = strchr(c->client->ip, ':') != NULL;
    struct buf text, scratch;
    size_t lens[SLOWLOG_ARGS_MAX];
    struct slowlog_entry *e;
    char *p;

    snprintf(client, sizeof client, v6 ? "[%s]:%u" : "%s:%u", c->client->ip, c->client->port);
    buf_init(&text);
    buf_init(&scratch);
    for (int i = 0; i < argc; i++) {
        struct arg a = shown(c, i, &scratch);

        buf_append(&text, a.p, a.n);
        lens[i] = a.n;
    }
    buf_append(&text, client, strlen(client) + 1);
    buf_append(&text, name, strlen(name) + 1);
    e = mem_alloc(sizeof *e + (size_t)argc * sizeof *e->argv + text.len);
    e->argv = (struct arg *)(e + 1);
    e->argc = argc;
    p = (char *)(e->argv + argc);
    memcpy(p, buf_head(&text), text.len);
    for (int i = 0; i < argc; i++) {
        e->argv[i] = (struct arg){p, lens[i]};
        p += lens[i];
    }
    e->client = p;
    e->name = p + strlen(client) + 1;
    buf_release(&text);
    buf_release(&scratch);
    return e;
}

void slowlog_enter(struct node *n, const struct cmd *c, int64_t us)
{
    struct slowlog *s = n->slowlog;
    struct slowlog_entry *e;

    if (c->command->flags & CMD_SKIP_SLOWLOG) {
        return;
    }
    resize(s, (size_t)n->config.slowlog_max_len);
    if (s->cap == 0) {
        return;
    }
    e = entry_new(c);
    e->id = s->next_id++;
    e->wall_s = n->now_wall_ms / 1000;
    e->took_us = us;
    if (s->n == s->cap) {
        free(s->ring[s->head]);
    } else {
        s->n++;
    }
    s->ring[s->head] = e;
    s->head = (s->head + 1) % s->cap;
}
