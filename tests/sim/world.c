/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/world.c - the event queue and the phases of a run.
 *
 *   faults: clients, readers and the nemesis act until enough steps were made
 *   heal:   everything is repaired; within a bounded simulated time there must be a leader, a
 *           new entry committed, and every member must have applied it; in everysec runs a power
 *           failure of all machines follows, and the same once more */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Simulated time of the two phases, in election timeouts. */
#define FAULT_TIMEOUTS_MAX 400
#define HEAL_TIMEOUTS_MAX 60
/* Far beyond what a run needs: something feeds itself. */
#define EVENTS_MAX 5000000

void grow(void **v, size_t *cap, size_t need, size_t size)
{
    size_t c = *cap == 0 ? 16 : *cap;

    if (need <= *cap) {
        return;
    }
    while (c < need) {
        c *= 2;
    }
    *v = mem_realloc(*v, c * size);
    *cap = c;
}

int64_t draw_exp(struct world *w, int64_t mean)
{
    /* -ln(u) of u = 2^-k * (1 - f/2), linear between powers of two: close enough to exponential,
     * and the same on every machine, which log() need not be. */
    uint64_t x = rng_next(&w->rng);
    int k = x == 0 ? 20 : __builtin_clzll(x);
    uint64_t f = rng_below(&w->rng, 1024);

    k = k > 20 ? 20 : k;
    return mean * (int64_t)((uint64_t)k * 1024 + f) * 7 / (10 * 1024);
}

/* ---- queue ----------------------------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void heap_push(struct world *w, const struct event *e)
{
    size_t i = w->n_heap;

    GROW(w->heap, w->cap_heap, w->n_heap + 1);
    w->n_heap++;
    while (i > 0 && earlier(e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = *e;
}

static struct event heap_pop(struct world *w)
{
    struct event top = w->heap[0];
    struct event e = w->heap[--w->n_heap];
    size_t i = 0;

    for (;;) {
        size_t c = 2 * i + 1;

        if (c >= w->n_heap) {
            break;
        }
        if (c + 1 < w->n_heap && earlier(&w->heap[c + 1], &w->heap[c])) {
            c++;
        }
        if (!earlier(&w->heap[c], &e)) {
            break;
        }
        w->heap[i] = w->heap[c];
        i = c;
    }
    if (w->n_heap > 0) {
        w->heap[i] = e;
    }
    return top;
}

void world_at(struct world *w, int64_t at, enum event_kind kind, uint32_t node, uint64_t a, void *p)
{
    struct event e = {
        .at = at < w->now ? w->now : at,
        .seq = w->next_seq++,
        .kind = kind,
        .node = node,
        .epoch = node == NOBODY ? 0 : w->nodes[node].epoch,
        .a = a,
        .p = p,
    };

    heap_push(w, &e);
}

void event_release(struct event *e)
{
    if (e->p == NULL) {
        return;
    }
    if (e->kind == EV_DELIVER) {
        struct msg *m = e->p;

        for (uint32_t i = 0; i < m->m.n_entries; i++) {
            raft_entry_unref(m->entries[i]);
        }
    } else if (e->kind == EV_READ_BACK || e->kind == EV_ENTRIES) {
        struct read_back *rb = e->p;

        for (size_t i = 0; i < rb->n; i++) {
            raft_entry_unref(rb->entries[i]);
        }
        free(rb->entries);
    }
    free(e->p);
    e->p = NULL;
}

struct node *world_node(struct world *w, uint64_t id)
{
    uint64_t i = id / w->p.id_step;

    if (id == 0 || id % w->p.id_step != 0 || i == 0 || i > w->p.n_nodes) {
        return NULL;
    }
    return &w->nodes[i - 1];
}

/* ---- life ------------------------------------------------------------------------------------ */

void world_init(struct world *w, uint64_t seed)
{
    enum host_bug bug = w->host_bug;
    bool trace = w->trace;

    memset(w, 0, sizeof *w);
    w->host_bug = bug;
    w->trace = trace;
    w->seed = seed;
    rng_init(&w->rng, seed);
    w->hash = seed;
}

void world_release(struct world *w)
{
    event_release(&w->current);
    for (size_t i = 0; i < w->n_heap; i++) {
        event_release(&w->heap[i]);
    }
    free(w->heap);
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];

        node_stop(w, n);
        disk_release(&n->disk);
        free(n->props);
        free(n->reads);
        for (size_t j = 0; j < n->n_inbox; j++) {
            event_release(&n->inbox[j]);
        }
        free(n->inbox);
        free(n->durable_votes.v);
        free(n->granted.v);
        free(n->granted_suspect.v);
    }
    free(w->canon);
    free(w->leaders.v);
    free(w->matches.cells);
    free(w->fates);
    free(w->value_index);
    w->heap = NULL;
    w->n_heap = 0;
    memset(w->nodes, 0, sizeof w->nodes);
}

static void build(struct world *w)
{
    struct params *p = &w->p;

    w->now = 1;
    w->base = p->bootstrap_zero ? (struct raft_pos){0, 0} : (struct raft_pos){1, 1};
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        w->nodes[i].i = i;
        w->nodes[i].id = (i + 1) * p->id_step;
    }
    for (uint32_t i = 0; i < p->n_initial; i++) {
        w->initial.m[w->initial.n++] = (struct raft_member){w->nodes[i].id, RAFT_MEMBER_VOTER};
    }
    GROW(w->canon, w->cap_canon, w->base.index + 1);
    memset(w->canon, 0, (w->base.index + 1) * sizeof *w->canon);
    w->n_canon = w->base.index + 1;
    w->canon[w->base.index] = (struct canon){w->base.term, 1, 0, w->base.term};
    w->acked = w->base.index;
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        struct node *n = &w->nodes[i];

        n->clock_off = between(w, 1, 1000000000);
        /* Two rates differ by a factor of at most 1 + drift; half of the clocks are extreme. */
        n->clock_ppm = chance(w, 250000)   ? 0
                       : chance(w, 333333) ? (int64_t)p->drift_ppm
                                           : between(w, 0, p->drift_ppm);
        disk_format(w, n, i < p->n_initial);
        node_boot(w, n, true);
    }
    world_at(w, w->now + p->client_mean, EV_CLIENT, NOBODY, 0, NULL);
    world_at(w, w->now + p->reader_mean, EV_READER, NOBODY, 0, NULL);
    world_at(w, w->now + 3 * p->timeout, EV_FAULT, NOBODY, 0, NULL);
}

/* ---- healing --------------------------------------------------------------------------------- */

/* The member that leads in the highest term, as the cores see it. */
static struct node *true_leader(struct world *w)
{
    struct node *best = NULL;

    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        struct node *n = &w->nodes[i];

        if (n->up && !n->paused && n->role == RAFT_ROLE_LEADER &&
            (best == NULL || n->term > best->term)) {
            best = n;
        }
    }
    return best;
}

/* What is still missing for the group to be well; NULL: nothing. */
static const char *ill(struct world *w)
{
    struct node *l = true_leader(w);
    struct raft_status st;

    if (l == NULL) {
        return "no leader";
    }
    raft_get_status(l->r, &st);
    if (st.change_pending || raft_members_is_joint(&st.members)) {
        return "a membership change is open";
    }
    if (w->probe_value == 0) {
        w->probe_value = load_propose(w, l, 1);
        return "no proposal was accepted";
    }
    w->probe_index = w->value_index[w->probe_value];
    if (w->probe_index == 0) {
        if (w->fates[w->probe_value] == FATE_GONE || l->n_props == 0) {
            w->probe_value = 0; /* it fell with an earlier leader: the next one gets another */
        }
        return "the new entry is not committed";
    }
    for (uint32_t i = 0; i < st.members.n; i++) {
        struct node *m = world_node(w, st.members.m[i].id);

        if (m->applied < w->probe_index) {
            return "a member has not caught up";
        }
        if (m->lost_tail) {
            return "a member has caught up, but is still suspect";
        }
    }
    if (l->lease_until <= node_now(w, l)) {
        return "the leader has no lease";
    }
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (w->nodes[i].n_reads > 0) {
            return "a read is neither confirmed nor lost";
        }
    }
    return NULL;
}

static void describe(struct world *w, char *buf, size_t size)
{
    size_t at = 0;

    for (uint32_t i = 0; i < w->p.n_nodes && at < size; i++) {
        struct node *n = &w->nodes[i];
        struct raft_status st;
        char members[160];

        if (n->r == NULL) {
            continue;
        }
        raft_get_status(n->r, &st);
        at += (size_t)snprintf(buf + at, size - at,
                               "\n  n%" PRIu64 " %s term %" PRIu64 " commit %" PRIu64
                               " last %" PRIu64 "/%" PRIu64 " applied %" PRIu64 "%s%s members %s",
                               n->id, raft_role_name(st.role), st.term, st.commit, st.last.term,
                               st.last.index, n->applied, st.tail_suspect ? " suspect" : "",
                               st.transferring ? " transferring" : "",
                               trace_members(&st.members, members, sizeof members));
    }
}

/* everysec: once all is on all disks a power failure of every machine loses nothing, but each
 * replica must suspect its tail, and no one is left to tell them better. True when it came. */
static bool blackout(struct world *w)
{
    if (!w->p.everysec || w->blacked_out) {
        return false;
    }
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (w->nodes[i].disk.n > 0) {
            return true; /* not yet */
        }
    }
    w->blacked_out = true;
    w->heal_at = w->now;
    w->probe_value = 0;
    fault_blackout(w);
    return true;
}

static bool probe(struct world *w)
{
    const char *why = ill(w);
    char state[sizeof w->detail - 100];

    if (why == NULL) {
        if (!blackout(w)) {
            return true;
        }
        why = "the disks do not come to rest";
    }
    if (w->now - w->heal_at > HEAL_TIMEOUTS_MAX * w->p.timeout) {
        describe(w, state, sizeof state);
        sim_fail(w, "liveness", "%d election timeouts after healing: %s%s", HEAL_TIMEOUTS_MAX, why,
                 state);
    }
    world_at(w, w->now + w->p.timeout / 4, EV_PROBE, NOBODY, 0, NULL);
    return false;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* True when the run is over. */
static bool dispatch(struct world *w, struct event *e)
{
    struct node *n;

    if (e->node != NOBODY) {
        n = &w->nodes[e->node];
        if (e->kind == EV_RESTART) {
            if (!n->up) {
                node_boot(w, n, false);
            }
        } else if (e->epoch != n->epoch && e->kind != EV_DELIVER) {
            /* Meant for a process that is gone. */
        } else if (!n->up) {
            /* A message to a node that is down is lost. */
        } else if (e->kind == EV_KILL) {
            fault_crash(w, n, CRASH_KILL, false);
            world_at(w, w->now + 1, EV_RESTART, n->i, 0, NULL);
        } else if (e->kind == EV_RESUME) {
            if (n->paused && w->now >= n->pause_end) {
                node_resume(w, n);
            }
        } else {
            node_event(w, n, e);
        }
        event_release(e);
        return false;
    }
    switch (e->kind) {
    case EV_STREAM_END:
        snap_stream_end(w, e->p);
        break;
    case EV_CLIENT:
        if (!w->healing) {
            load_client(w);
            world_at(w, w->now + 1 + draw_exp(w, w->p.client_mean), EV_CLIENT, NOBODY, 0, NULL);
        }
        break;
    case EV_READER:
        if (!w->healing) {
            load_reader(w);
            world_at(w, w->now + 1 + draw_exp(w, w->p.reader_mean), EV_READER, NOBODY, 0, NULL);
        }
        break;
    case EV_FAULT:
        if (!w->healing) {
            fault_next(w);
            world_at(w, w->now + 1 + draw_exp(w, w->p.fault_mean), EV_FAULT, NOBODY, 0, NULL);
        }
        break;
    case EV_REVOLT:
        if (!w->healing) {
            fault_revolt_begins(w);
        }
        break;
    case EV_PROBE:
        if (probe(w)) {
            event_release(e);
            return true;
        }
        break;
    default:
        assert(!"an event without a node");
    }
    event_release(e);
    return false;
}

void world_run(struct world *w, uint64_t steps)
{
    fault_params(w);
    if (steps > 0) {
        w->p.steps = steps;
    }
    trace_params(w);
    build(w);
    for (;;) {
        struct event *e = &w->current;

        assert(w->n_heap > 0);
        *e = heap_pop(w);
        assert(e->at >= w->now);
        w->now = e->at;
        if (++w->n_events > EVENTS_MAX) {
            sim_fail(w, "liveness", "no end after %d events", EVENTS_MAX);
        }
        sim_hash(w, (uint64_t)e->at);
        sim_hash(w, (uint64_t)e->kind << 32 | e->node);
        if (!w->healing && (w->steps >= w->p.steps || w->now > FAULT_TIMEOUTS_MAX * w->p.timeout)) {
            w->healing = true;
            w->heal_at = w->now;
            fault_heal(w);
            world_at(w, w->now + w->p.timeout, EV_PROBE, NOBODY, 0, NULL);
        }
        if (dispatch(w, e)) {
            break;
        }
    }
}
