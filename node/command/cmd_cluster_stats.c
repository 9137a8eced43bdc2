/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_cluster_stats.c - CLUSTER SLOT-STATS: how many keys the slots of this node have.
 *
 * Of the slots that this node serves, as a master of Redis speaks of its own. Like INFO it answers
 * in any state and does not wait: the counts may include writes that are not committed yet. Source:
 * the Valkey command page; cpu-usec and network-bytes-* are statistics that Valkey, too, has only
 * when cluster-slot-stats-enabled says so, and are not kept here. */
#include "base/mem.h"
#include "node/command/handlers.h"
#include "node/node.h"

#include <stdlib.h>

#define BAD_SLOT "ERR Invalid or out of range slot"

struct slot_count {
    uint16_t slot;
    uint64_t keys;
};

/* The slots @first..@last that this node shows, in order; the caller's. */
static struct slot_count *count_slots(const struct node *n, unsigned first, unsigned last,
                                      size_t *n_out)
{
    struct slot_count *out = mem_alloc(CLUSTER_SLOTS * sizeof *out);

    *n_out = 0;
    for (unsigned slot = first; slot <= last; slot++) {
        const struct group *g = groups_of_slot(n, (int)slot);

        if (g != NULL && g->ks != NULL && groups_show(n, g)) {
            out[(*n_out)++] =
                (struct slot_count){(uint16_t)slot, keyspace_slot_size(g->ks, (uint16_t)slot)};
        }
    }
    return out;
}

static void reply_counts(struct cmd *c, const struct slot_count *counts, size_t n)
{
    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        resp_array(c->reply, 2);
        resp_int(c->reply, counts[i].slot);
        resp_map(c->reply, 1);
        resp_bulk_str(c->reply, "key-count");
        resp_int(c->reply, (int64_t)counts[i].keys);
    }
}

static void slots_range(struct cmd *c)
{
    struct slot_count *counts;
    int64_t first, last;
    size_t n;

    if (!cmd_arg_range(c, 3, 0, CLUSTER_SLOTS - 1, &first, BAD_SLOT) ||
        !cmd_arg_range(c, 4, 0, CLUSTER_SLOTS - 1, &last, BAD_SLOT)) {
        return;
    }
    if (first > last) {
        resp_errorf(c->reply, "ERR Start slot number %d is greater than end slot number %d",
                    (int)first, (int)last);
        return;
    }
    counts = count_slots(c->node, (unsigned)first, (unsigned)last, &n);
    reply_counts(c, counts, n);
    free(counts);
}

/* Slots with the same number of keys stand in their own order, whichever way the others go. */
static int by_fewest(const void *left, const void *right)
{
    const struct slot_count *a = left, *b = right;

    return a->keys != b->keys ? (a->keys > b->keys) - (a->keys < b->keys)
                              : (a->slot > b->slot) - (a->slot < b->slot);
}

static int by_most(const void *left, const void *right)
{
    const struct slot_count *a = left, *b = right;

    return a->keys != b->keys ? (a->keys < b->keys) - (a->keys > b->keys)
                              : (a->slot > b->slot) - (a->slot < b->slot);
}

/* [LIMIT n] [ASC | DESC], in any order; false: replied. */
static bool order_options(struct cmd *c, int64_t *limit, bool *ascending)
{
    bool has_limit = false, has_order = false;

    for (int i = 4; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "LIMIT") && i + 1 < c->argc && !has_limit) {
            if (!cmd_arg_range(c, ++i, 1, CLUSTER_SLOTS, limit,
                               "ERR Limit has to lie in between 1 and 16384 (maximum number of "
                               "slots).")) {
                return false;
            }
            has_limit = true;
        } else if ((arg_is(&c->argv[i], "ASC") || arg_is(&c->argv[i], "DESC")) && !has_order) {
            *ascending = arg_is(&c->argv[i], "ASC");
            has_order = true;
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

static void ordered(struct cmd *c)
{
    int64_t limit = CLUSTER_SLOTS;
    bool ascending = false;
    struct slot_count *counts;
    size_t n;

    if (!order_options(c, &limit, &ascending)) {
        return;
    }
    if (!arg_is(&c->argv[3], "key-count")) {
        resp_error(c->reply, "ERR Unrecognized sort metric for ORDERBY.");
        return;
    }
    counts = count_slots(c->node, 0, CLUSTER_SLOTS - 1, &n);
    qsort(counts, n, sizeof *counts, ascending ? by_fewest : by_most);
    reply_counts(c, counts, MIN_OF(n, (size_t)limit));
    free(counts);
}

void cmd_cluster_slot_stats(struct cmd *c)
{
    if (!c->node->config.cluster_enabled) {
        resp_error(c->reply, "ERR This instance has cluster support disabled");
    } else if (c->argc == 5 && arg_is(&c->argv[2], "SLOTSRANGE")) {
        slots_range(c);
    } else if (c->argc >= 4 && arg_is(&c->argv[2], "ORDERBY")) {
        ordered(c);
    } else {
        cmd_reply_syntax_error(c);
    }
}
