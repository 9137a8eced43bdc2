/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream_info.c - XINFO. Source: the Redis command pages. */
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/stream.h"

#define FULL_COUNT 10 /* entries, and records of each kind, unless COUNT says something else */

/* The stream at argv[2]; false: replied. */
static bool open_stream(struct cmd *c, struct stream **s)
{
    if (!stream_read(c, 2, s)) {
        return false;
    }
    if (*s == NULL) {
        resp_error(c->reply, "ERR no such key");
        return false;
    }
    return true;
}

static void field_int(struct cmd *c, const char *name, int64_t v)
{
    resp_bulk_str(c->reply, name);
    resp_int(c->reply, v);
}

/* How far the group has read; null where that is not known. */
static void field_progress(struct cmd *c, const struct stream *s, const struct stream_group *g)
{
    int64_t lag;

    resp_bulk_str(c->reply, "entries-read");
    if (g->entries_read == STREAM_ENTRIES_READ_UNKNOWN) {
        resp_null(c->reply);
    } else {
        resp_int(c->reply, g->entries_read);
    }
    resp_bulk_str(c->reply, "lag");
    if (stream_group_lag(s, g, &lag)) {
        resp_int(c->reply, lag);
    } else {
        resp_null(c->reply);
    }
}

static void field_id(struct cmd *c, const char *name, struct stream_id id)
{
    resp_bulk_str(c->reply, name);
    stream_reply_id(c, id);
}

static void field_text(struct cmd *c, const char *name, struct arg text)
{
    resp_bulk_str(c->reply, name);
    resp_bulk(c->reply, text.p, text.n);
}

/* ---- XINFO STREAM -------------------------------------------------------------------------- */

/* Seven fields. The index is no radix tree: its leaves and their row stand in for the nodes. */
static void reply_stream(struct cmd *c, const struct stream *s)
{
    field_int(c, "length", (int64_t)stream_len(s));
    field_int(c, "radix-tree-keys", (int64_t)s->nodes.count);
    field_int(c, "radix-tree-nodes", (int64_t)s->nodes.n + 1);
    field_id(c, "last-generated-id", s->last_id);
    field_id(c, "max-deleted-entry-id", s->max_deleted_id);
    field_int(c, "entries-added", (int64_t)s->entries_added);
    field_id(c, "recorded-first-entry-id", stream_first_id(s));
}

static void field_entry(struct cmd *c, const struct stream *s, const char *name, bool top)
{
    resp_bulk_str(c->reply, name);
    if (stream_len(s) == 0 ||
        !stream_reply_one(c, s, top ? stream_top_id(s) : stream_first_id(s))) {
        resp_null(c->reply);
    }
}

static void reply_pending_of_consumer(struct cmd *c, const struct stream_consumer *consumer,
                                      uint64_t count)
{
    struct stream_index_pos pos = stream_index_begin(&consumer->pending);
    uint64_t n = count == 0 ? consumer->pending.count : MIN_OF(count, consumer->pending.count);
    const struct stream_nack *nack;
    struct stream_id id;

    resp_bulk_str(c->reply, "pending");
    resp_array(c->reply, (size_t)n);
    for (; n > 0 && (nack = stream_pending_at(&consumer->pending, pos, &id)) != NULL; n--) {
        resp_array(c->reply, 3);
        stream_reply_id(c, id);
        resp_int(c->reply, nack->delivered_ms);
        resp_int(c->reply, (int64_t)nack->deliveries);
        pos = stream_index_next(&consumer->pending, pos);
    }
}

static void reply_pending_of_group(struct cmd *c, const struct stream_group *g, uint64_t count)
{
    struct stream_index_pos pos = stream_index_begin(&g->pending);
    uint64_t n = count == 0 ? g->pending.count : MIN_OF(count, g->pending.count);
    const struct stream_nack *nack;
    struct stream_id id;

    resp_bulk_str(c->reply, "pending");
    resp_array(c->reply, (size_t)n);
    for (; n > 0 && (nack = stream_pending_at(&g->pending, pos, &id)) != NULL; n--) {
        resp_array(c->reply, 4);
        stream_reply_id(c, id);
        resp_bulk(c->reply, nack->consumer->name.p, nack->consumer->name.n);
        resp_int(c->reply, nack->delivered_ms);
        resp_int(c->reply, (int64_t)nack->deliveries);
        pos = stream_index_next(&g->pending, pos);
    }
}

static void reply_full_group(struct cmd *c, const struct stream *s, const struct stream_group *g,
                             uint64_t count)
{
    resp_map(c->reply, 7);
    field_text(c, "name", g->name);
    field_id(c, "last-delivered-id", g->last_id);
    field_progress(c, s, g);
    field_int(c, "pel-count", (int64_t)g->pending.count);
    reply_pending_of_group(c, g, count);
    resp_bulk_str(c->reply, "consumers");
    resp_array(c->reply, g->n_consumers);
    for (uint32_t i = 0; i < g->n_consumers; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(g, i);

        resp_map(c->reply, 4);
        field_text(c, "name", consumer->name);
        field_int(c, "seen-time", consumer->seen_ms);
        field_int(c, "pel-count", (int64_t)consumer->pending.count);
        reply_pending_of_consumer(c, consumer, count);
    }
}

static void reply_full(struct cmd *c, const struct stream *s, uint64_t count)
{
    resp_map(c->reply, 9);
    reply_stream(c, s);
    resp_bulk_str(c->reply, "entries");
    stream_reply_range(c, s, STREAM_ID_MIN, STREAM_ID_MAX, false, count);
    resp_bulk_str(c->reply, "groups");
    resp_array(c->reply, s->n_groups);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        reply_full_group(c, s, stream_group_at(s, i), count);
    }
}

/* FULL [COUNT n]; false: replied. */
static bool full_options(struct cmd *c, int64_t *count)
{
    *count = FULL_COUNT;
    if ((c->argc != 4 && c->argc != 6) || !arg_is(&c->argv[3], "full") ||
        (c->argc == 6 && !arg_is(&c->argv[4], "count"))) {
        cmd_reply_subcommand_error(c);
        return false;
    }
    if (c->argc == 6 && !cmd_arg_i64(c, 5, count, NULL)) {
        return false;
    }
    *count = *count < 0 ? FULL_COUNT : *count;
    return true;
}

void cmd_xinfo_stream(struct cmd *c)
{
    struct stream *s;
    int64_t count;

    if (!open_stream(c, &s)) {
        return;
    }
    if (c->argc > 3) {
        if (full_options(c, &count)) {
            reply_full(c, s, (uint64_t)count);
        }
        return;
    }
    resp_map(c->reply, 10);
    reply_stream(c, s);
    field_int(c, "groups", s->n_groups);
    field_entry(c, s, "first-entry", false);
    field_entry(c, s, "last-entry", true);
}

/* ---- XINFO GROUPS, CONSUMERS --------------------------------------------------------------- */

void cmd_xinfo_groups(struct cmd *c)
{
    struct stream *s;

    if (!open_stream(c, &s)) {
        return;
    }
    resp_array(c->reply, s->n_groups);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        const struct stream_group *g = stream_group_at(s, i);

        resp_map(c->reply, 6);
        field_text(c, "name", g->name);
        field_int(c, "consumers", g->n_consumers);
        field_int(c, "pending", (int64_t)g->pending.count);
        field_id(c, "last-delivered-id", g->last_id);
        field_progress(c, s, g);
    }
}

void cmd_xinfo_consumers(struct cmd *c)
{
    const struct stream_group *g;
    struct stream *s;

    if (!open_stream(c, &s)) {
        return;
    }
    g = stream_group_find(s, c->argv[3]);
    if (g == NULL) {
        resp_errorf(c->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                    (int)c->argv[3].n, c->argv[3].p, (int)c->argv[2].n, c->argv[2].p);
        return;
    }
    resp_array(c->reply, g->n_consumers);
    for (uint32_t i = 0; i < g->n_consumers; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(g, i);

        resp_map(c->reply, 3);
        field_text(c, "name", consumer->name);
        field_int(c, "pending", (int64_t)consumer->pending.count);
        field_int(c, "idle", MAX_OF(c->now_ms - consumer->seen_ms, 0));
    }
}

void cmd_xinfo_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
