/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream_group.c - XGROUP, XACK and XPENDING. Source: the Redis command pages. */
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/stream.h"
#include "node/effects.h"
#include "node/notify.h"

#include <stdlib.h>

/* ---- XGROUP -------------------------------------------------------------------------------- */

/* The stream at argv[2]; false: there is none, or something else, replied. */
static bool stream_of_group(struct cmd *c, struct key *k, struct stream **s)
{
    if (!stream_write(c, 2, k, s)) {
        return false;
    }
    if (*s == NULL) {
        resp_error(c->reply, "ERR The XGROUP subcommand requires the key to exist. Note that for "
                             "CREATE you may want to use the MKSTREAM option to create an empty "
                             "stream automatically.");
        return false;
    }
    return true;
}

/* The group argv[3] as well. */
static bool open_group(struct cmd *c, struct key *k, struct stream **s, struct stream_group **g)
{
    if (!stream_of_group(c, k, s)) {
        return false;
    }
    *g = stream_group_find(*s, c->argv[3]);
    if (*g == NULL) {
        resp_errorf(c->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                    (int)c->argv[3].n, c->argv[3].p, (int)k->n, k->p);
        return false;
    }
    return true;
}

struct group_options {
    bool make_stream;
    int64_t entries_read;
};

static bool bad_group_options(struct cmd *c)
{
    cmd_reply_subcommand_error(c);
    return false;
}

/* What stands behind the id: MKSTREAM (of CREATE), ENTRIESREAD n. */
static bool group_options(struct cmd *c, bool creates, struct group_options *o)
{
    *o = (struct group_options){.entries_read = STREAM_ENTRIES_READ_UNKNOWN};
    for (int i = 5; i < c->argc; i++) {
        if (creates && arg_is(&c->argv[i], "mkstream")) {
            o->make_stream = true;
        } else if (arg_is(&c->argv[i], "entriesread") && i + 1 < c->argc) {
            if (!cmd_arg_i64(c, ++i, &o->entries_read, NULL)) {
                return false;
            }
            if (o->entries_read < 0 && o->entries_read != STREAM_ENTRIES_READ_UNKNOWN) {
                resp_error(c->reply, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            return bad_group_options(c);
        }
    }
    return true;
}

/* The id argv[4], "$" being the last one of @s (NULL: 0-0). Only here are options given twice
 * refused, as Redis does. */
static bool group_id(struct cmd *c, bool creates, const struct stream *s, struct stream_id *id)
{
    if (c->argc > (creates ? 8 : 7)) {
        return bad_group_options(c);
    }
    if (arg_is(&c->argv[4], "$")) {
        *id = s == NULL ? STREAM_ID_MIN : s->last_id;
        return true;
    }
    if (!creates && (arg_is(&c->argv[4], "-") || arg_is(&c->argv[4], "+"))) {
        *id = arg_is(&c->argv[4], "-") ? STREAM_ID_MIN : STREAM_ID_MAX; /* likewise */
        return true;
    }
    return stream_id_arg(c, 4, 0, id);
}

void cmd_xgroup_create(struct cmd *c)
{
    struct group_options o;
    struct stream_id id;
    struct stream *s;
    struct key k;

    if (!group_options(c, true, &o) ||
        !(o.make_stream ? stream_write(c, 2, &k, &s) : stream_of_group(c, &k, &s)) ||
        !group_id(c, true, s, &id)) {
        return;
    }
    if (s != NULL && stream_group_find(s, c->argv[3]) != NULL) {
        resp_error(c->reply, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    if (s == NULL) {
        s = stream_new();
        (void)access_set_value(c, &k, NULL, s, KEYSPACE_NO_EXPIRE);
    }
    (void)stream_group_add(s, c->argv[3], id, o.entries_read);
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_STREAM, "xgroup-create", &k);
    cmd_reply_ok(c);
}

void cmd_xgroup_setid(struct cmd *c)
{
    struct group_options o;
    struct stream_group *g;
    struct stream_id id;
    struct stream *s;
    struct key k;

    if (!group_options(c, false, &o) || !open_group(c, &k, &s, &g) || !group_id(c, false, s, &id)) {
        return;
    }
    g->last_id = id;
    g->entries_read = o.entries_read;
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_STREAM, "xgroup-setid", &k);
    cmd_reply_ok(c);
}

void cmd_xgroup_destroy(struct cmd *c)
{
    struct stream_group *g;
    struct stream *s;
    struct key k;

    if (!stream_of_group(c, &k, &s)) {
        return;
    }
    g = stream_group_find(s, c->argv[3]);
    if (g != NULL) {
        keyspace_drop_value(c->ks, stream_group_cut(s, g));
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_STREAM, "xgroup-destroy", &k);
    }
    resp_int(c->reply, g != NULL);
}

void cmd_xgroup_createconsumer(struct cmd *c)
{
    struct stream_group *g;
    struct stream *s;
    struct key k;
    bool is_there;

    if (!open_group(c, &k, &s, &g)) {
        return;
    }
    is_there = stream_consumer_find(g, c->argv[4]) != NULL;
    if (!is_there) {
        (void)stream_consumer_get(c, &k, g, c->argv[4]);
    }
    resp_int(c->reply, !is_there);
}

void cmd_xgroup_delconsumer(struct cmd *c)
{
    struct stream_consumer *consumer;
    struct stream_group *g;
    struct stream *s;
    struct key k;
    uint64_t pending = 0;

    if (!open_group(c, &k, &s, &g)) {
        return;
    }
    consumer = stream_consumer_find(g, c->argv[4]);
    if (consumer != NULL) {
        pending = consumer->pending.count;
        keyspace_drop_value(c->ks, stream_consumer_cut(g, consumer));
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_STREAM, "xgroup-delconsumer", &k);
    }
    resp_int(c->reply, (int64_t)pending);
}

void cmd_xgroup_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        NULL,
    };

    cmd_reply_help(c, lines);
}

/* ---- XACK ---------------------------------------------------------------------------------- */

void cmd_xack(struct cmd *c)
{
    struct stream_group *g;
    struct stream_id id;
    struct stream *s;
    struct key k;
    int64_t removed = 0;

    if (!stream_write(c, 1, &k, &s)) {
        return;
    }
    g = s == NULL ? NULL : stream_group_find(s, c->argv[2]);
    for (int i = 3; g != NULL && i < c->argc; i++) {
        if (!stream_id_arg(c, i, 0, &id)) {
            return;
        }
    }
    for (int i = 3; g != NULL && i < c->argc; i++) {
        removed += stream_id_parse(c->argv[i].p, c->argv[i].n, 0, &id, NULL) &&
                   stream_pending_remove(g, id);
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
    }
    resp_int(c->reply, removed);
}

/* ---- XPENDING ------------------------------------------------------------------------------ */

static void reply_summary(struct cmd *c, const struct stream_group *g)
{
    const struct stream_slot *first =
        stream_index_slot(&g->pending, stream_index_begin(&g->pending));
    size_t at, n = 0;

    resp_array(c->reply, 4);
    resp_int(c->reply, (int64_t)g->pending.count);
    if (first == NULL) {
        resp_null(c->reply);
        resp_null(c->reply);
        resp_null_array(c->reply);
        return;
    }
    stream_reply_id(c, first->id);
    stream_reply_id(c, stream_index_slot(&g->pending, stream_index_last(&g->pending))->id);
    at = resp_deferred_begin(c->reply);
    for (uint32_t i = 0; i < g->n_consumers; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(g, i);

        if (consumer->pending.count > 0) {
            resp_array(c->reply, 2);
            resp_bulk(c->reply, consumer->name.p, consumer->name.n);
            resp_bulk_i64(c->reply, (int64_t)consumer->pending.count);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

struct pending_args {
    struct stream_id first, last;
    int64_t idle_ms, count;
    const struct arg *consumer; /* NULL: of all */
};

static bool pending_arguments(struct cmd *c, struct pending_args *a)
{
    int at = 3;

    *a = (struct pending_args){0};
    if (c->argc == 3) {
        return true;
    }
    if (c->argc < 6 || c->argc > 9) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if (arg_is(&c->argv[3], "idle")) {
        if (!cmd_arg_i64(c, 4, &a->idle_ms, NULL)) {
            return false;
        }
        if (c->argc < 8) {
            cmd_reply_syntax_error(c);
            return false;
        }
        at = 5;
    }
    if (!cmd_arg_i64(c, at + 2, &a->count, NULL) || !stream_first_arg(c, at, &a->first) ||
        !stream_last_arg(c, at + 1, &a->last)) {
        return false;
    }
    a->consumer = at + 3 < c->argc ? &c->argv[at + 3] : NULL;
    return true;
}

static void reply_pending(struct cmd *c, const struct pending_args *a,
                          const struct stream_index *pending)
{
    size_t at = resp_deferred_begin(c->reply);
    struct stream_index_pos pos = stream_index_at_or_after(pending, a->first);
    const struct stream_nack *nack;
    struct stream_id id;
    int64_t n = 0;

    for (; n < a->count && (nack = stream_pending_at(pending, pos, &id)) != NULL &&
           stream_id_compare(id, a->last) <= 0;
         pos = stream_index_next(pending, pos)) {
        int64_t idle = c->now_ms - nack->delivered_ms;

        if (idle < a->idle_ms) {
            continue;
        }
        resp_array(c->reply, 4);
        stream_reply_id(c, id);
        resp_bulk(c->reply, nack->consumer->name.p, nack->consumer->name.n);
        resp_int(c->reply, MAX_OF(idle, 0));
        resp_int(c->reply, (int64_t)nack->deliveries);
        n++;
    }
    resp_deferred_array(c->reply, at, (size_t)n);
}

void cmd_xpending(struct cmd *c)
{
    static const struct stream_index nothing;
    const struct stream_consumer *consumer;
    struct pending_args a;
    struct stream_group *g;
    struct stream *s;

    if (!pending_arguments(c, &a) || !stream_read(c, 1, &s)) {
        return;
    }
    g = s == NULL ? NULL : stream_group_find(s, c->argv[2]);
    if (g == NULL) {
        stream_reply_no_group(c, &c->argv[1], &c->argv[2], "");
    } else if (c->argc == 3) {
        reply_summary(c, g);
    } else if (a.consumer == NULL) {
        reply_pending(c, &a, &g->pending);
    } else {
        consumer = stream_consumer_find(g, *a.consumer);
        reply_pending(c, &a, consumer == NULL ? &nothing : &consumer->pending);
    }
}
