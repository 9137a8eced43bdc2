/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream_deliver.c - how the log tells what became pending with whom.
 *
 * Times and numbers of deliveries are decided by the leader. XCLAIM ... TIME RETRYCOUNT FORCE
 * JUSTID says them absolutely, XGROUP SETID ... ENTRIESREAD how far a group has read; a stock Redis
 * understands both. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/stream.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <stdlib.h>

#define BATCH 512 /* ids in one effect */
/* What one delivery takes in the log at most, where each has an effect of its own, beside names. */
#define DELIVERY_BYTES 256

/* Words of an effect, and the bytes of those that are ids. */
struct words {
    struct arg argv[BATCH + 16];
    size_t n;
    char ids[BATCH * STREAM_ID_CHARS];
};

static void put(struct words *w, const char *p, size_t n) { w->argv[w->n++] = (struct arg){p, n}; }

static void put_word(struct words *w, const char *word) { put(w, word, strlen(word)); }

static struct words *begin(const struct stream_log *l, const char *verb)
{
    struct words *w = mem_alloc(sizeof *w);

    w->n = 0;
    put_word(w, verb);
    put(w, l->key->p, l->key->n);
    put(w, l->group->name.p, l->group->name.n);
    return w;
}

static void put_ids(struct words *w, const struct stream_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *at = w->ids + i * STREAM_ID_CHARS;

        put(w, at, stream_id_print(at, ids[i]));
    }
}

static void write_claimed(struct stream_log *l)
{
    char time[NUM_I64_MAX_CHARS], count[NUM_I64_MAX_CHARS];
    struct words *w;

    if (l->n_claimed == 0) {
        return;
    }
    w = begin(l, "XCLAIM");
    put(w, l->consumer.p, l->consumer.n);
    put_word(w, "0");
    put_ids(w, l->claimed, l->n_claimed);
    put_word(w, "TIME");
    put(w, time, num_print_i64(time, l->delivered_ms));
    put_word(w, "RETRYCOUNT");
    put(w, count, num_print_i64(count, (int64_t)l->deliveries));
    put_word(w, "FORCE");
    put_word(w, "JUSTID");
    effect_args(l->c, w->argv, w->n);
    free(w);
    l->n_claimed = 0;
}

static void write_dropped(struct stream_log *l)
{
    struct words *w;

    if (l->n_dropped == 0) {
        return;
    }
    w = begin(l, "XACK");
    put_ids(w, l->dropped, l->n_dropped);
    effect_args(l->c, w->argv, w->n);
    free(w);
    l->n_dropped = 0;
}

/* XGROUP CREATECONSUMER, XCLAIM, XACK and XGROUP SETID. */
#define EFFECTS_LEAST 4

size_t stream_log_least(const struct key *k, const struct arg *group, const struct arg *consumer)
{
    return EFFECTS_LEAST * (DELIVERY_BYTES + k->n + group->n + consumer->n);
}

bool stream_log_fits(struct cmd *c, size_t least)
{
    if (c->applying || least <= cmd_effect_max(c)) {
        return true;
    }
    resp_errorf(c->reply,
                "ERR the names of streams, group and consumer are too large: at most %zu bytes fit "
                "into one log entry, where they count %d times",
                cmd_effect_max(c), EFFECTS_LEAST);
    return false;
}

uint64_t stream_log_room(const struct stream_log *l)
{
    size_t names = l->key->n + l->group->name.n + l->consumer.n;
    size_t most = cmd_effect_max(l->c);
    uint64_t room = (most - MIN_OF(most, l->reserved)) / (DELIVERY_BYTES + names);

    return MAX_OF(room, 1);
}

void stream_log_claim(struct stream_log *l, struct stream_id id, const struct stream_nack *nack)
{
    if (l->c->applying) {
        return;
    }
    if (l->n_claimed == BATCH || (l->n_claimed > 0 && (l->delivered_ms != nack->delivered_ms ||
                                                       l->deliveries != nack->deliveries))) {
        write_claimed(l);
    }
    if (l->claimed == NULL) {
        l->claimed = mem_alloc(BATCH * sizeof *l->claimed);
    }
    l->delivered_ms = nack->delivered_ms;
    l->deliveries = nack->deliveries;
    l->claimed[l->n_claimed++] = id;
}

void stream_log_drop(struct stream_log *l, struct stream_id id)
{
    if (l->c->applying) {
        return;
    }
    if (l->n_dropped == BATCH) {
        write_claimed(l); /* what was claimed may be among them, a second time */
        write_dropped(l);
    }
    if (l->dropped == NULL) {
        l->dropped = mem_alloc(BATCH * sizeof *l->dropped);
    }
    l->dropped[l->n_dropped++] = id;
}

void stream_log_group_id(struct stream_log *l)
{
    char id[STREAM_ID_CHARS], read[NUM_I64_MAX_CHARS];
    struct arg argv[7] = {{"XGROUP", 6},
                          {"SETID", 5},
                          {l->key->p, l->key->n},
                          l->group->name,
                          {id, stream_id_print(id, l->group->last_id)},
                          {"ENTRIESREAD", 11},
                          {read, num_print_i64(read, l->group->entries_read)}};

    effect_args(l->c, argv, 7);
}

void stream_log_end(struct stream_log *l)
{
    write_claimed(l);
    write_dropped(l);
    free(l->claimed);
    free(l->dropped);
}

struct stream_consumer *stream_consumer_get(struct cmd *c, const struct key *k,
                                            struct stream_group *g, struct arg name)
{
    struct stream_consumer *consumer = stream_consumer_find(g, name);
    struct arg argv[5] = {{"XGROUP", 6}, {"CREATECONSUMER", 14}, {k->p, k->n}, g->name, name};

    if (consumer == NULL) {
        consumer = stream_consumer_add(g, name, 0);
        access_changed(c, c->db, k);
        effect_args(c, argv, 5);
        notify(c, NOTIFY_STREAM, "xgroup-createconsumer", k);
    }
    consumer->seen_ms = cmd_wall_ms(c);
    return consumer;
}
