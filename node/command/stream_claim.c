/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream_claim.c - XCLAIM and XAUTOCLAIM. Source: the Redis command pages.
 *
 * XCLAIM is also the form in which the log tells deliveries (stream_deliver.c): then TIME is taken
 * as it is, and no idle time is asked for. */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/stream.h"

#include <stdlib.h>

#define ATTEMPTS_FACTOR 10 /* entries looked at for each one to be claimed */

struct claim_args {
    struct stream_id after_last; /* LASTID; 0-0: none */
    int64_t idle_min_ms;
    int64_t delivered_ms;
    int64_t deliveries; /* -1: one more */
    int ids_end;        /* ids: argv[5 .. ids_end) */
    bool force, just_id;
};

/* A claim at work. */
struct claim {
    struct cmd *c;
    const struct claim_args *a;
    struct key key;
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *consumer; /* NULL: not needed yet */
    struct stream_log log;
    bool changed;
};

/* ---- what both do -------------------------------------------------------------------------- */

/* Stream argv[1], group argv[2]; false: replied. */
static bool open_claim(struct cmd *c, struct claim *cl)
{
    *cl = (struct claim){.c = c};
    if (!stream_write(c, 1, &cl->key, &cl->s)) {
        return false;
    }
    cl->g = cl->s == NULL ? NULL : stream_group_find(cl->s, c->argv[2]);
    if (cl->g == NULL) {
        stream_reply_no_group(c, &c->argv[1], &c->argv[2], "");
        return false;
    }
    cl->log = (struct stream_log){
        .c = c,
        .key = &cl->key,
        .group = cl->g,
        .consumer = c->argv[3],
        .reserved = stream_log_least(&cl->key, &c->argv[2], &c->argv[3]),
    };
    return stream_log_fits(c, cl->log.reserved);
}

/* The entry is deleted: it is pending no longer. */
static void drop(struct claim *cl, struct stream_id id)
{
    if (stream_pending_remove(cl->g, id)) {
        stream_log_drop(&cl->log, id);
        cl->changed = true;
    }
}

static bool is_idle(const struct claim *cl, const struct stream_nack *nack)
{
    return cl->a->idle_min_ms <= 0 || cl->c->now_ms - nack->delivered_ms >= cl->a->idle_min_ms;
}

/* Give the entry to the consumer, and reply it. */
static void claim_one(struct claim *cl, struct stream_id id)
{
    struct stream_nack *nack;

    if (cl->consumer == NULL) {
        cl->consumer = stream_consumer_get(cl->c, &cl->key, cl->g, cl->c->argv[3]);
    }
    nack = stream_pending_assign(cl->g, id, cl->consumer);
    nack->delivered_ms = cl->a->delivered_ms;
    if (cl->a->deliveries >= 0) {
        nack->deliveries = (uint64_t)cl->a->deliveries;
    } else if (!cl->a->just_id) {
        nack->deliveries++;
    }
    stream_log_claim(&cl->log, id, nack);
    cl->changed = true;
    if (cl->a->just_id) {
        stream_reply_id(cl->c, id);
    } else {
        (void)stream_reply_one(cl->c, cl->s, id); /* it is there */
    }
}

static void end_claim(struct claim *cl)
{
    if (cl->changed) {
        access_changed(cl->c, cl->c->db, &cl->key);
    }
    stream_log_end(&cl->log);
}

/* ---- XCLAIM -------------------------------------------------------------------------------- */

/* The option at argv[@i]; returns how many words it takes, -1: replied. */
static int claim_option(struct cmd *c, int i, struct claim_args *a)
{
    const struct arg *word = &c->argv[i];
    bool more = i + 1 < c->argc;
    int64_t n;

    if (arg_is(word, "force")) {
        a->force = true;
        return 1;
    }
    if (arg_is(word, "justid")) {
        a->just_id = true;
        return 1;
    }
    if (more && arg_is(word, "idle")) {
        if (!cmd_arg_i64(c, i + 1, &n, "ERR Invalid IDLE option argument for XCLAIM")) {
            return -1;
        }
        a->delivered_ms = (int64_t)((uint64_t)c->now_ms - (uint64_t)n);
        return 2;
    }
    if (more && arg_is(word, "time")) {
        return cmd_arg_i64(c, i + 1, &a->delivered_ms,
                           "ERR Invalid TIME option argument for XCLAIM")
                   ? 2
                   : -1;
    }
    if (more && arg_is(word, "retrycount")) {
        return cmd_arg_i64(c, i + 1, &a->deliveries,
                           "ERR Invalid RETRYCOUNT option argument for XCLAIM")
                   ? 2
                   : -1;
    }
    if (more && arg_is(word, "lastid")) {
        return stream_id_arg(c, i + 1, 0, &a->after_last) ? 2 : -1;
    }
    resp_errorf(c->reply, "ERR Unrecognized XCLAIM option '%.*s'", (int)MIN_OF(word->n, 1024),
                word->p);
    return -1;
}

static bool claim_arguments(struct cmd *c, struct claim_args *a)
{
    struct stream_id id;
    int i = 5, words;

    *a = (struct claim_args){.delivered_ms = c->now_ms, .deliveries = -1};
    if (!cmd_arg_i64(c, 4, &a->idle_min_ms, "ERR Invalid min-idle-time argument for XCLAIM")) {
        return false;
    }
    while (i < c->argc && stream_id_parse(c->argv[i].p, c->argv[i].n, 0, &id, NULL)) {
        i++;
    }
    a->ids_end = i;
    for (; i < c->argc; i += words) {
        words = claim_option(c, i, a);
        if (words < 0) {
            return false;
        }
    }
    /* Nothing has been delivered in the future. */
    if (!c->applying && (a->delivered_ms < 0 || a->delivered_ms > c->now_ms)) {
        a->delivered_ms = c->now_ms;
    }
    return true;
}

void cmd_xclaim(struct cmd *c)
{
    struct claim_args a;
    struct claim cl;
    struct stream_id id;
    size_t at, n = 0;

    if (!open_claim(c, &cl) || !claim_arguments(c, &a)) {
        return;
    }
    if (!c->applying && (uint64_t)(a.ids_end - 5) > stream_log_room(&cl.log)) {
        resp_errorf(c->reply, "ERR too many ids: at most %llu fit into one log entry",
                    (unsigned long long)stream_log_room(&cl.log));
        return;
    }
    cl.a = &a;
    at = resp_deferred_begin(c->reply);
    for (int i = 5; i < a.ids_end; i++) {
        const struct stream_nack *nack;

        if (!stream_id_parse(c->argv[i].p, c->argv[i].n, 0, &id, NULL)) {
            continue; /* they have all been read before */
        }
        if (!stream_has(cl.s, id)) {
            drop(&cl, id);
            continue;
        }
        nack = stream_pending_find(cl.g, id);
        if (nack != NULL ? is_idle(&cl, nack) : a.force) {
            claim_one(&cl, id);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
    if (stream_id_compare(a.after_last, cl.g->last_id) > 0) {
        cl.g->last_id = a.after_last;
        cl.changed = true;
        stream_log_group_id(&cl.log);
    }
    end_claim(&cl);
}

/* ---- XAUTOCLAIM ---------------------------------------------------------------------------- */

static bool autoclaim_arguments(struct cmd *c, struct claim_args *a, struct stream_id *first,
                                int64_t *count)
{
    *a = (struct claim_args){.delivered_ms = c->now_ms, .deliveries = -1};
    *count = 100;
    if (!cmd_arg_i64(c, 4, &a->idle_min_ms, "ERR Invalid min-idle-time argument for XAUTOCLAIM") ||
        !stream_first_arg(c, 5, first)) {
        return false;
    }
    for (int i = 6; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "count") && i + 1 < c->argc) {
            if (!cmd_arg_range(c, ++i, 1, INT64_MAX / 16, count, "ERR COUNT must be > 0")) {
                return false;
            }
        } else if (arg_is(&c->argv[i], "justid")) {
            a->just_id = true;
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Ids whose entries turned out to be deleted: they come last in the reply. */
struct gone {
    struct stream_id *ids;
    size_t n, cap;
};

static void note_gone(struct gone *gone, struct stream_id id)
{
    if (gone->n == gone->cap) {
        gone->cap = gone->cap == 0 ? 16 : gone->cap * 2;
        gone->ids = mem_realloc(gone->ids, gone->cap * sizeof *gone->ids);
    }
    gone->ids[gone->n++] = id;
}

/* Claim up to @count from *@from on; replies them, and sets *@from to where to go on, 0-0 when all
 * have been looked at. */
static void claim_idle(struct claim *cl, struct stream_id *from, int64_t count, struct gone *gone)
{
    int64_t attempts = count > INT64_MAX / ATTEMPTS_FACTOR ? count : count * ATTEMPTS_FACTOR;
    struct stream_index_pos pos = stream_index_at_or_after(&cl->g->pending, *from);
    size_t at = resp_deferred_begin(cl->c->reply);
    const struct stream_nack *nack;
    struct stream_id id;
    size_t n = 0;

    for (;
         attempts > 0 && count > 0 && (nack = stream_pending_at(&cl->g->pending, pos, &id)) != NULL;
         attempts--) {
        if (!stream_has(cl->s, id)) {
            drop(cl, id);
            note_gone(gone, id);
            pos = stream_index_at_or_after(&cl->g->pending, id);
            count--;
            continue;
        }
        if (is_idle(cl, nack)) {
            claim_one(cl, id);
            n++;
            count--;
        }
        pos = stream_index_next(&cl->g->pending, pos);
    }
    *from = stream_pending_at(&cl->g->pending, pos, &id) != NULL ? id : STREAM_ID_MIN;
    resp_deferred_array(cl->c->reply, at, n);
}

void cmd_xautoclaim(struct cmd *c)
{
    struct claim_args a;
    struct claim cl;
    struct stream_id from;
    struct gone gone = {0};
    struct resp_out entries;
    struct resp_out *reply = c->reply;
    struct buf buf;
    int64_t count;

    if (!autoclaim_arguments(c, &a, &from, &count) || !open_claim(c, &cl)) {
        return;
    }
    if ((uint64_t)count > stream_log_room(&cl.log)) {
        count = (int64_t)stream_log_room(&cl.log); /* the caller goes on from where this ends */
    }
    cl.a = &a;
    /* Where to go on stands first, and is known last. */
    buf_init(&buf);
    entries = (struct resp_out){&buf, reply->version};
    c->reply = &entries;
    claim_idle(&cl, &from, count, &gone);
    c->reply = reply;
    resp_array(reply, 3);
    stream_reply_id(c, from);
    buf_append(reply->buf, buf_head(&buf), buf.len);
    resp_array(reply, gone.n);
    for (size_t i = 0; i < gone.n; i++) {
        stream_reply_id(c, gone.ids[i]);
    }
    end_claim(&cl);
    free(gone.ids);
    buf_release(&buf);
}
