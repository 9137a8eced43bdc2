/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/load.c - clients. Each proposes values nobody else proposes, so that a value tells
 * where it came from, and reads.
 *
 * All that matters of a read is how much of the one committed sequence it has seen: an index. A
 * write is acknowledged when its proposer learns that it is committed; a read must have seen all
 * that was acknowledged, anywhere, before it began. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct node *pick_leader(struct world *w)
{
    uint32_t candidates[NODES_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (w->nodes[i].up && !w->nodes[i].paused && w->nodes[i].role == RAFT_ROLE_LEADER &&
            (i != w->shunned || w->now >= w->shunned_until)) {
            candidates[n++] = i;
        }
    }
    if (n > 0 && !chance(w, 50000)) {
        return &w->nodes[candidates[rng_below(&w->rng, n)]];
    }
    n = (uint32_t)rng_below(&w->rng, w->p.n_nodes);
    if (n == w->shunned && w->now < w->shunned_until) {
        return NULL;
    }
    return w->nodes[n].up && !w->nodes[n].paused ? &w->nodes[n] : NULL;
}

static uint64_t new_value(struct world *w)
{
    size_t cap = w->cap_values;
    uint64_t v;

    if (w->n_values == 0) {
        w->n_values = 1; /* 0: no value */
    }
    v = w->n_values++;
    GROW(w->fates, w->cap_values, w->n_values);
    if (w->cap_values != cap) {
        w->value_index = mem_realloc(w->value_index, w->cap_values * sizeof *w->value_index);
    }
    w->fates[v] = FATE_OPEN;
    w->value_index[v] = 0;
    return v;
}

static struct raft_entry *new_entry(struct world *w, uint64_t value)
{
    uint32_t size = 8 + (uint32_t)rng_below(&w->rng, 40);
    struct raft_entry *e;

    if (chance(w, 10000)) {
        size += (uint32_t)rng_below(&w->rng, 2 * w->p.message_bytes);
    }
    e = raft_entry_new(RAFT_ENTRY_DATA, size);
    memset(e->data, (int)(value & 0xff), size);
    memcpy(e->data, &value, 8);
    return e;
}

uint64_t load_propose(struct world *w, struct node *n, size_t count)
{
    struct raft_entry *entries[8];
    uint64_t values[8];
    struct raft_input in = {.type = RAFT_IN_PROPOSE};
    uint64_t term = n->term, epoch = n->epoch;
    uint64_t first = 0;
    int rc;

    assert(count <= ARRAY_LEN(entries));
    for (size_t i = 0; i < count; i++) {
        values[i] = new_value(w);
        entries[i] = new_entry(w, values[i]);
        entries[i]->origin = ++n->next_origin;
        /* Ahead of the step, since the drain in it may already decide. */
        GROW(n->props, n->cap_props, n->n_props + 1);
        n->props[n->n_props++] =
            (struct proposal){.origin = entries[i]->origin, .value = values[i], .term = term};
    }
    in.propose.entries = entries;
    in.propose.n = count;
    rc = node_step(w, n, &in);
    for (size_t i = 0; i < count; i++) {
        if (rc != RAFT_OK) {
            w->fates[values[i]] = FATE_GONE;
        }
        raft_entry_unref(entries[i]);
    }
    if (rc != RAFT_OK) {
        if (n->up && n->epoch == epoch) {
            n->n_props -= count;
        }
    } else {
        first = values[0];
        TRACE(w, n, "proposal of %zu: value %" PRIu64, count, first);
    }
    return first;
}

void load_client(struct world *w)
{
    struct node *n = pick_leader(w);

    if (n != NULL) {
        (void)load_propose(w, n, 1 + (size_t)rng_below(&w->rng, 4));
    }
}

void load_placed(struct world *w, struct node *n, const struct raft_entry *e)
{
    for (size_t i = n->n_props; i > 0; i--) {
        struct proposal *p = &n->props[i - 1];

        if (p->origin == e->origin) {
            p->index = e->pos.index;
            return;
        }
    }
    sim_fail(w, "proposal", "n%" PRIu64 " appends proposal %" PRIu64 " it had refused or decided",
             n->id, e->origin);
}

/* What a commit says about the open proposals of this node. The position of each became known
 * with the drain that put it out. */
void load_fate(struct world *w, struct node *n)
{
    size_t k = 0;
    bool acked = false;

    for (size_t i = 0; i < n->n_props; i++) {
        struct proposal *p = &n->props[i];

        if (p->index == 0 || p->index > n->commit) {
            n->props[k++] = *p;
            continue;
        }
        /* Decided: is it this one that was committed there, or a foreign one? */
        if (w->canon[p->index].value == p->value) {
            w->fates[p->value] = FATE_ACKED;
            if (p->index > w->acked) {
                w->acked = p->index;
                acked = true;
            }
        } else {
            if (w->value_index[p->value] != 0) {
                sim_fail(w, "acknowledgement",
                         "n%" PRIu64 " says that value %" PRIu64 " is gone, but it is committed",
                         n->id, p->value);
            }
            w->fates[p->value] = FATE_GONE;
        }
    }
    n->n_props = k;
    if (acked) {
        check_leases(w);
    }
}

void load_reader(struct world *w)
{
    struct node *n = pick_leader(w);
    struct raft_input in = {.type = RAFT_IN_READ};
    struct open_read rd;
    uint64_t epoch;

    if (n == NULL) {
        return;
    }
    rd = (struct open_read){.token = ++n->next_token,
                            .floor = w->acked,
                            .value = n->applied >= n->noop_index ? n->commit : n->applied,
                            .counts = node_serves(w, n)};
    in.token = rd.token;
    epoch = n->epoch;
    node_add_read(n, rd);
    if (node_step(w, n, &in) != RAFT_OK && n->up && n->epoch == epoch) {
        for (size_t i = 0; i < n->n_reads; i++) {
            if (n->reads[i].token == rd.token) {
                n->reads[i] = n->reads[--n->n_reads];
                break;
            }
        }
    }
}
