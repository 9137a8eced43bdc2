/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream_read.c - XREAD and XREADGROUP, which may wait. Source: the Redis command
 * pages.
 *
 * What a group hands out is logged as what became of it: XCLAIM with the time and number of each
 * delivery, XGROUP SETID for how far the group has read. */
#include "base/mem.h"
#include "node/access.h"
#include "node/block.h"
#include "node/command/handlers.h"
#include "node/command/stream.h"
#include "node/node_limits.h"

#include <stdlib.h>

struct read_args {
    bool by_group, blocks, no_ack;
    int64_t timeout_us;
    uint64_t count; /* 0: any number */
    struct arg group, consumer;
    int first_key, n; /* keys, and as many ids behind them */
    size_t log_least; /* XREADGROUP: bytes in the log for each of them */
};

/* One stream of the command. */
struct source {
    struct stream *s; /* NULL: there is none */
    struct key key;
    struct stream_group *group;
    struct stream_id after; /* entries behind this one */
    bool fresh;             /* ">": what the group has not handed out yet */
    bool top;               /* "$": what comes from now on */
};

/* ---- arguments ----------------------------------------------------------------------------- */

static bool block_option(struct cmd *c, int i, struct read_args *a)
{
    a->blocks = true;
    return cmd_arg_timeout_ms(c, i, &a->timeout_us);
}

static bool count_option(struct cmd *c, int i, struct read_args *a)
{
    int64_t n;

    if (!cmd_arg_i64(c, i, &n, NULL)) {
        return false;
    }
    a->count = n < 0 ? 0 : (uint64_t)n;
    return true;
}

static int only_of_groups(struct cmd *c, const char *option)
{
    resp_errorf(c->reply,
                "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                option);
    return -1;
}

/* The keys and ids behind STREAMS. */
static bool streams_option(struct cmd *c, int i, struct read_args *a)
{
    int words = c->argc - i - 1;

    if (words % 2 != 0) {
        resp_error(c->reply, "ERR Unbalanced XREAD list of streams: for each stream key an ID or "
                             "'$' must be specified.");
        return false;
    }
    a->first_key = i + 1;
    a->n = words / 2;
    return true;
}

/* The option at argv[@i]; returns how many words it takes, 0: it is the last one, -1: replied. */
static int read_option(struct cmd *c, int i, bool is_group_command, struct read_args *a)
{
    const struct arg *word = &c->argv[i];
    int more = c->argc - i - 1;

    if (arg_is(word, "block") && more > 0) {
        return block_option(c, i + 1, a) ? 2 : -1;
    }
    if (arg_is(word, "count") && more > 0) {
        return count_option(c, i + 1, a) ? 2 : -1;
    }
    if (arg_is(word, "streams") && more > 0) {
        return streams_option(c, i, a) ? 0 : -1;
    }
    if (arg_is(word, "group") && more >= 2) {
        if (!is_group_command) {
            return only_of_groups(c, "GROUP");
        }
        a->by_group = true;
        a->group = word[1];
        a->consumer = word[2];
        return 3;
    }
    if (arg_is(word, "noack")) {
        if (!is_group_command) {
            return only_of_groups(c, "NOACK");
        }
        a->no_ack = true;
        return 1;
    }
    cmd_reply_syntax_error(c);
    return -1;
}

static bool read_arguments(struct cmd *c, bool is_group_command, struct read_args *a)
{
    int words = 1;

    *a = (struct read_args){0};
    for (int i = 1; i < c->argc && words > 0; i += words) {
        words = read_option(c, i, is_group_command, a);
    }
    if (words < 0) {
        return false;
    }
    if (a->first_key == 0) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if (is_group_command && !a->by_group) {
        resp_error(c->reply, "ERR Missing GROUP option for XREADGROUP");
        return false;
    }
    return true;
}

/* ---- where to read ------------------------------------------------------------------------- */

void stream_reply_no_group(struct cmd *c, const struct arg *key, const struct arg *group,
                           const char *tail)
{
    resp_errorf(c->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'%s", (int)key->n,
                key->p, (int)group->n, group->p, tail);
}

/* What a client that has waited for a group is told when it, or its stream, is gone. */
static void reply_lost(struct cmd *c, const struct source *src)
{
    resp_error(c->reply, src->s == NULL ? "UNBLOCKED the stream key no longer exists"
                                        : "NOGROUP the consumer group this client was blocked on "
                                          "no longer exists");
}

/* The stream and the group; false: replied. */
static bool open_source(struct cmd *c, int key, const struct read_args *a, struct source *src)
{
    struct item *it = a->by_group ? access_write(c, &c->argv[key], &src->key)
                                  : access_read(c, &c->argv[key], &src->key);

    if (it != NULL && item_type(it) == ITEM_STREAM) {
        src->s = item_value(it);
    } else if (it != NULL && !(c->retry && a->by_group)) {
        cmd_reply_wrong_type(c);
        return false;
    }
    if (!a->by_group) {
        return true;
    }
    src->group = src->s == NULL ? NULL : stream_group_find(src->s, a->group);
    if (src->group == NULL && c->retry) {
        reply_lost(c, src);
        return false;
    }
    if (src->group == NULL) {
        stream_reply_no_group(c, &c->argv[key], &a->group, " in XREADGROUP with GROUP option");
        return false;
    }
    return true;
}

/* From which id on to read; false: replied. */
static bool position(struct cmd *c, int i, const struct read_args *a, struct source *src)
{
    if (arg_is(&c->argv[i], "$")) {
        if (a->by_group) {
            resp_error(c->reply,
                       "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read "
                       "the history of this consumer by specifying a proper ID, or use the > ID to "
                       "get new messages. The $ ID would just return an empty result set.");
            return false;
        }
        src->top = true;
        src->after = src->s == NULL ? STREAM_ID_MIN : src->s->last_id;
        return true;
    }
    if (arg_is(&c->argv[i], ">")) {
        if (!a->by_group) {
            resp_error(c->reply, "ERR The > ID can be specified only when calling XREADGROUP using "
                                 "the GROUP <group> <consumer> option.");
            return false;
        }
        src->fresh = true;
        src->after = src->group->last_id;
        return true;
    }
    return stream_id_arg(c, i, 0, &src->after);
}

/* All of them; NULL: replied. */
static struct source *find_sources(struct cmd *c, const struct read_args *a)
{
    struct source *src = mem_try_alloc((size_t)a->n * sizeof *src);

    if (src == NULL) {
        resp_error(c->reply, "OOM no memory for so many streams");
        return NULL;
    }
    memset(src, 0, (size_t)a->n * sizeof *src);
    for (int i = 0; i < a->n; i++) {
        if (!open_source(c, a->first_key + i, a, &src[i]) ||
            !position(c, a->first_key + a->n + i, a, &src[i])) {
            free(src);
            return NULL;
        }
    }
    return src;
}

/* Is there something to reply? What a consumer has pending always is, even if it is nothing. */
static bool is_ready(const struct read_args *a, const struct source *src)
{
    struct stream_id after = src->fresh ? src->group->last_id : src->after;

    if (src->s == NULL) {
        return false;
    }
    if (a->by_group && !src->fresh) {
        return true;
    }
    return stream_len(src->s) > 0 && stream_id_compare(stream_top_id(src->s), after) > 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* How many entries a consumer is given at once: without COUNT all, as far as the log has room. The
 * rest comes with the next call. */
static uint64_t entries_max(const struct stream_log *log, const struct read_args *a)
{
    uint64_t room = stream_log_room(log);

    return a->count == 0 ? room : MIN_OF(a->count, room);
}

/* Hand out what the group has not yet, to the consumer. */
static void read_fresh(struct cmd *c, const struct read_args *a, struct source *src,
                       struct stream_consumer *consumer, struct stream_log *log)
{
    size_t at = resp_deferred_begin(c->reply);
    struct stream_id first = src->group->last_id;
    uint64_t most = entries_max(log, a);
    struct stream_iter i;
    struct stream_entry e;
    size_t n = 0;

    (void)stream_id_increment(&first); /* there is something behind it */
    stream_iter_begin(&i, src->s, first, STREAM_ID_MAX, false);
    while (n < most && stream_iter_next(&i, &e)) {
        stream_reply_entry(c, &i, &e);
        stream_group_advance(src->s, src->group, e.id);
        if (!a->no_ack) {
            struct stream_nack *nack = stream_pending_assign(src->group, e.id, consumer);

            nack->delivered_ms = c->now_ms;
            nack->deliveries = 1;
            stream_log_claim(log, e.id, nack);
        }
        n++;
    }
    resp_deferred_array(c->reply, at, n);
    access_changed(c, c->db, &src->key);
    stream_log_end(log);
    stream_log_group_id(log);
}

/* What is pending with the consumer, delivered once more. */
static void read_history(struct cmd *c, const struct read_args *a, struct source *src,
                         struct stream_consumer *consumer, struct stream_log *log)
{
    size_t at = resp_deferred_begin(c->reply);
    uint64_t most = entries_max(log, a);
    struct stream_id id = src->after;
    struct stream_index_pos pos;
    struct stream_nack *nack;
    size_t n = 0;
    bool changed = false;

    pos = stream_id_increment(&id)
              ? stream_index_at_or_after(&consumer->pending, id)
              : stream_index_next(&consumer->pending, stream_index_last(&consumer->pending));
    for (; n < most && (nack = stream_pending_at(&consumer->pending, pos, &id)) != NULL;
         pos = stream_index_next(&consumer->pending, pos)) {
        n++;
        if (!stream_reply_one(c, src->s, id)) {
            resp_array(c->reply, 2);
            stream_reply_id(c, id);
            resp_null_array(c->reply);
            continue;
        }
        nack->delivered_ms = c->now_ms;
        nack->deliveries++;
        changed = true;
        stream_log_claim(log, id, nack);
    }
    resp_deferred_array(c->reply, at, n);
    if (changed) {
        access_changed(c, c->db, &src->key);
    }
    stream_log_end(log);
}

static void read_for_group(struct cmd *c, const struct read_args *a, struct source *src)
{
    struct stream_consumer *consumer = stream_consumer_get(c, &src->key, src->group, a->consumer);
    struct stream_log log = {
        .c = c,
        .key = &src->key,
        .group = src->group,
        .consumer = consumer->name,
        .reserved = a->log_least,
    };

    if (src->fresh) {
        read_fresh(c, a, src, consumer, &log);
    } else {
        read_history(c, a, src, consumer, &log);
    }
}

static void read_source(struct cmd *c, const struct read_args *a, struct source *src)
{
    struct stream_id first = src->after;

    if (c->reply->version < 3) {
        resp_array(c->reply, 2);
    }
    resp_bulk(c->reply, src->key.p, src->key.n);
    if (a->by_group) {
        read_for_group(c, a, src);
        return;
    }
    (void)stream_id_increment(&first); /* there is something behind it */
    stream_reply_range(c, src->s, first, STREAM_ID_MAX, false, a->count);
}

/* What all streams log at least; false: it is too much, replied. */
static bool reserve(struct cmd *c, struct read_args *a, const struct source *src)
{
    for (int i = 0; a->by_group && i < a->n; i++) {
        a->log_least += stream_log_least(&src[i].key, &a->group, &a->consumer);
    }
    return stream_log_fits(c, a->log_least);
}

/* True: something was there, and is replied. */
static bool read_sources(struct cmd *c, const struct read_args *a, struct source *src)
{
    size_t n = 0, at = 0;

    for (int i = 0; i < a->n; i++) {
        if (!is_ready(a, &src[i])) {
            continue;
        }
        if (n++ == 0) {
            at = resp_deferred_begin(c->reply);
        }
        read_source(c, a, &src[i]);
    }
    if (n == 0) {
        return false;
    }
    if (c->reply->version >= 3) {
        resp_deferred_map(c->reply, at, n);
    } else {
        resp_deferred_array(c->reply, at, n);
    }
    return true;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* The command with "$" said as ids; @text: STREAM_ID_CHARS bytes for each stream. */
static void replace_tops(struct cmd *c, const struct read_args *a, const struct source *src,
                         struct arg *argv, char *text)
{
    memcpy(argv, c->argv, (size_t)c->argc * sizeof *argv);
    for (int i = 0; i < a->n; i++) {
        char *at = text + (size_t)i * STREAM_ID_CHARS;

        if (src[i].top) {
            argv[a->first_key + a->n + i] = (struct arg){at, stream_id_print(at, src[i].after)};
        }
    }
}

/* Wait; or reply that nothing is there. */
static void wait_for_more(struct cmd *c, const struct read_args *a, const struct source *src)
{
    size_t words = (size_t)c->argc, n = (size_t)a->n;
    size_t bytes = words * sizeof(struct arg) + n * (sizeof(int) + STREAM_ID_CHARS);
    struct arg *argv = mem_try_alloc(bytes);
    struct block_request r = {.type = ITEM_STREAM,
                              .wake_on_loss = a->by_group,
                              .n_keys = n,
                              .timeout_us = a->timeout_us,
                              .argv = argv,
                              .argc = c->argc};
    int *keys;

    if (argv == NULL) {
        resp_error(c->reply, "OOM no memory to wait for so many streams");
        return;
    }
    keys = (int *)(void *)(argv + words);
    r.keys = keys;
    for (int i = 0; i < a->n; i++) {
        keys[i] = a->first_key + i;
    }
    replace_tops(c, a, src, argv, (char *)(keys + n));
    if (!block_on_keys(c, &r)) {
        resp_null_array(c->reply);
    }
    free(argv);
}

static void read_command(struct cmd *c, bool is_group_command)
{
    struct read_args a;
    struct source *src;

    if (!read_arguments(c, is_group_command, &a)) {
        return;
    }
    src = find_sources(c, &a);
    if (src == NULL) {
        return;
    }
    if (reserve(c, &a, src) && !read_sources(c, &a, src)) {
        if (a.blocks) {
            wait_for_more(c, &a, src);
        } else {
            resp_null_array(c->reply);
        }
    }
    free(src);
}

void cmd_xread(struct cmd *c) { read_command(c, false); }

void cmd_xreadgroup(struct cmd *c) { read_command(c, true); }
