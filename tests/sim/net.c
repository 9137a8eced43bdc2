/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/net.c - the network: each message is lost, delayed, doubled and overtaken on its own,
 * or, in runs with fifo, keeps its place behind the earlier ones of its connection. What crosses
 * it is copied as by encoding and decoding: no entry is shared between two nodes. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool net_open(const struct world *w, uint32_t from, uint32_t to)
{
    return w->now >= w->blocked_until[from][to];
}

static struct msg *msg_new(const struct raft_message *m)
{
    struct msg *c = mem_alloc(sizeof *c + m->n_entries * sizeof c->entries[0]);

    c->m = *m;
    c->m.entries = NULL;
    for (uint32_t i = 0; i < m->n_entries; i++) {
        c->entries[i] = raft_entry_ref(m->entries[i]);
    }
    return c;
}

static int64_t delay(struct world *w)
{
    int64_t d = w->p.delay_min + draw_exp(w, w->p.delay_mean);

    if (!w->healing && chance(w, w->p.late)) {
        d += between(w, 0, 4 * w->p.timeout);
    }
    return d;
}

void net_send(struct world *w, struct node *n, const struct raft_message *m)
{
    struct node *to = world_node(w, m->to);
    uint32_t copies = 1;

    if (to == NULL || to == n || m->from != n->id) {
        sim_fail(w, "message", "n%" PRIu64 " sends from %" PRIu64 " to %" PRIu64, n->id, m->from,
                 m->to);
    }
    if (!net_open(w, n->i, to->i) || chance(w, w->healing ? 0 : w->p.loss) ||
        (w->now < w->lossy_until && chance(w, w->lossy))) {
        trace_message(w, n, "loses", m);
        return;
    }
    trace_message(w, n, "sends", m);
    if (!w->healing && chance(w, w->p.dup)) {
        copies = 2;
    }
    if (m->type == RAFT_MSG_PRE_VOTE || m->type == RAFT_MSG_VOTE) {
        fault_vote_asked(w, n, to);
    }
    for (uint32_t i = 0; i < copies; i++) {
        struct msg *c = msg_new(m);
        int64_t at = w->now + delay(w);

        if (w->p.fifo) {
            at = MAX_OF(at, w->link_last[n->i][to->i]);
            w->link_last[n->i][to->i] = at;
        }
        c->link_gen = w->link_gen[n->i][to->i];
        world_at(w, at, EV_DELIVER, to->i, n->i, c);
    }
}

void net_deliver(struct world *w, struct node *n, struct msg *m)
{
    struct node *from = world_node(w, m->m.from);
    struct raft_entry **copies = NULL;
    struct raft_input in = {.type = RAFT_IN_MESSAGE, .message = &m->m};

    if (m->link_gen != w->link_gen[from->i][n->i] || !net_open(w, from->i, n->i)) {
        trace_message(w, n, "misses", &m->m);
        return;
    }
    trace_message(w, n, "gets", &m->m);
    n->heard[from->i] = w->now;
    if (m->m.n_entries > 0) {
        for (uint32_t i = 0; i < m->m.n_entries; i++) {
            const struct raft_entry *e = m->entries[i];
            struct raft_entry *c = raft_entry_new(e->type, e->size);

            c->pos = e->pos;
            memcpy(c->data, e->data, e->size);
            raft_entry_unref(m->entries[i]);
            m->entries[i] = c; /* released with the event */
        }
        copies = m->entries;
    }
    m->m.entries = copies;
    /* Whatever the network brings is no error, unless it is malformed. */
    if (node_step(w, n, &in) != RAFT_OK) {
        sim_fail(w, "message", "n%" PRIu64 " calls an honest message of n%" PRIu64 " malformed",
                 n->id, m->m.from);
    }
}

void net_break(struct world *w, uint32_t a, uint32_t b)
{
    w->link_gen[a][b]++;
    w->link_gen[b][a]++;
    w->link_last[a][b] = w->link_last[b][a] = 0;
    /* Each end notices in its own time; a process that is down does not. */
    world_at(w, w->now + draw_exp(w, w->p.timeout / 16 + 1), EV_UNREACHABLE, a, w->nodes[b].id,
             NULL);
    world_at(w, w->now + draw_exp(w, w->p.timeout / 16 + 1), EV_UNREACHABLE, b, w->nodes[a].id,
             NULL);
}
