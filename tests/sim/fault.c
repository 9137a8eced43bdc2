/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/fault.c - what goes wrong: the parameters of a run and its nemesis.
 *
 * A profile leans a run towards one kind of trouble, since what is rare in an even mixture (a
 * membership change cut off by a new leader, a stale TimeoutNow) is where mistakes hide.
 *
 * What must never happen, because no group survives it: a majority that lost acknowledged
 * entries. Only everysec (a machine that reboots) and damage lose any; loss_allowed() keeps the
 * machines that did, and have not caught up yet, a minority of every voter set in sight. */
#include "tests/sim/sim.h"

#include <string.h>

#define MS INT64_C(1000)

static const struct profile {
    const char *name;
    uint32_t share;
    uint32_t weights[ACT_N];
} profiles[] = {
    {"mixed",
     3,
     {[ACT_KILL] = 6,
      [ACT_POWER] = 6,
      [ACT_KILL_ALL] = 1,
      [ACT_POWER_ALL] = 1,
      [ACT_PAUSE] = 6,
      [ACT_PARTITION] = 4,
      [ACT_ISOLATE] = 5,
      [ACT_ONE_WAY] = 4,
      [ACT_LINK] = 4,
      [ACT_BREAK] = 6,
      [ACT_LOSSY] = 2,
      [ACT_SLOW_DISK] = 3,
      [ACT_FAIL_SYNC] = 2,
      [ACT_DAMAGE] = 1,
      [ACT_CHANGE] = 6,
      [ACT_TRANSFER] = 4,
      [ACT_REVOLT] = 2,
      [ACT_STRANDED] = 3,
      [ACT_SNAPSHOT] = 6}},
    {"elections",
     4,
     {[ACT_KILL] = 4,
      [ACT_POWER] = 12,
      [ACT_POWER_ALL] = 3,
      [ACT_PAUSE] = 4,
      [ACT_PARTITION] = 6,
      [ACT_ISOLATE] = 12,
      [ACT_ONE_WAY] = 5,
      [ACT_LINK] = 5,
      [ACT_LOSSY] = 3,
      [ACT_FAIL_SYNC] = 1}},
    {"snapshots",
     3,
     {[ACT_KILL] = 4,
      [ACT_POWER] = 8,
      [ACT_PAUSE] = 3,
      [ACT_PARTITION] = 3,
      [ACT_ISOLATE] = 10,
      [ACT_LINK] = 3,
      [ACT_BREAK] = 4,
      [ACT_CHANGE] = 6,
      [ACT_TRANSFER] = 1,
      [ACT_SNAPSHOT] = 20}},
    {"membership",
     4,
     {[ACT_KILL] = 2,
      [ACT_POWER] = 5,
      [ACT_PARTITION] = 8,
      [ACT_ISOLATE] = 6,
      [ACT_ONE_WAY] = 2,
      [ACT_LINK] = 3,
      [ACT_CHANGE] = 40,
      [ACT_TRANSFER] = 3,
      [ACT_SNAPSHOT] = 5}},
    {"everysec",
     3,
     {[ACT_KILL] = 8,
      [ACT_POWER] = 16,
      [ACT_PAUSE] = 3,
      [ACT_PARTITION] = 4,
      [ACT_ISOLATE] = 8,
      [ACT_LINK] = 2,
      [ACT_DAMAGE] = 5,
      [ACT_CHANGE] = 2,
      [ACT_SNAPSHOT] = 3}},
    {"leases",
     4,
     {[ACT_KILL] = 8,
      [ACT_PAUSE] = 16,
      [ACT_PARTITION] = 4,
      [ACT_ISOLATE] = 14,
      [ACT_ONE_WAY] = 8,
      [ACT_LINK] = 8,
      [ACT_REVOLT] = 16,
      [ACT_TRANSFER] = 2}},
    {"transfers",
     3,
     {[ACT_KILL] = 2,
      [ACT_PAUSE] = 10,
      [ACT_ISOLATE] = 4,
      [ACT_ONE_WAY] = 3,
      [ACT_LINK] = 6,
      [ACT_CHANGE] = 3,
      [ACT_TRANSFER] = 40,
      [ACT_SNAPSHOT] = 2}},
    {"disks",
     3,
     {[ACT_KILL] = 6,
      [ACT_POWER] = 14,
      [ACT_POWER_ALL] = 4,
      [ACT_KILL_ALL] = 2,
      [ACT_ISOLATE] = 6,
      [ACT_PARTITION] = 4,
      [ACT_SLOW_DISK] = 16,
      [ACT_FAIL_SYNC] = 8,
      [ACT_DAMAGE] = 4,
      [ACT_STRANDED] = 12,
      [ACT_SNAPSHOT] = 4}},
    {"flow",
     2,
     {[ACT_ISOLATE] = 6,
      [ACT_LINK] = 8,
      [ACT_BREAK] = 12,
      [ACT_LOSSY] = 8,
      [ACT_PAUSE] = 6,
      [ACT_KILL] = 3,
      [ACT_SLOW_DISK] = 4,
      [ACT_SNAPSHOT] = 3}},
};

static bool is(const struct params *p, const char *name) { return strcmp(p->profile, name) == 0; }

static const struct profile *draw_profile(struct world *w)
{
    uint64_t total = 0;
    uint64_t x;

    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        total += profiles[i].share;
    }
    x = rng_below(&w->rng, total);
    for (size_t i = 0;; i++) {
        if (x < profiles[i].share) {
            return &profiles[i];
        }
        x -= profiles[i].share;
    }
}

static void draw_network(struct world *w, struct params *p)
{
    static const uint32_t losses[] = {0, 0, 1000, 20000, 100000};
    static const uint32_t lates[] = {0, 0, 1000, 5000, 20000};

    p->fifo = chance(w, 400000);
    p->delay_min = between(w, 20, 500);
    p->delay_mean = chance(w, is(p, "leases") ? 400000 : 150000)
                        ? between(w, 0, p->timeout / (is(p, "leases") ? 6 : 10))
                        : between(w, 50, 3 * MS);
    p->loss = losses[rng_below(&w->rng, ARRAY_LEN(losses))];
    p->dup = chance(w, 500000) ? 0 : (uint32_t)between(w, 0, 50000);
    p->late = p->fifo ? 0 : lates[rng_below(&w->rng, ARRAY_LEN(lates))];
}

static void draw_limits(struct world *w, struct params *p)
{
    p->cache_bytes = (uint64_t)between(w, 0, 4) * 700 + 100;
    p->message_bytes = (uint64_t)between(w, 200, 3000);
    p->inflight_messages = (uint32_t)between(w, 1, 16);
    p->inflight_bytes = p->message_bytes * (uint64_t)between(w, 1, 8);
    p->uncommitted_bytes = (uint64_t)between(w, 2000, 40000);
    p->snapshot_every = is(p, "snapshots")  ? (size_t)between(w, 5, 40)
                        : chance(w, 500000) ? 0
                                            : (size_t)between(w, 30, 300);
    p->snapshot_fail = chance(w, 500000) ? 0 : 200000;
    p->stream_mean = chance(w, 300000) ? p->timeout : 5 * MS;
}

void fault_params(struct world *w)
{
    struct params *p = &w->p;
    const struct profile *pr = draw_profile(w);
    static const uint32_t drifts[] = {500, 20000, 100000, 200000, 200000};

    memset(p, 0, sizeof *p);
    p->profile = pr->name;
    memcpy(p->weights, pr->weights, sizeof p->weights);
    p->n_nodes = (uint32_t)between(w, 3, NODES_MAX);
    p->n_initial =
        (uint32_t)between(w, MIN_OF(3, (int64_t)p->n_nodes), MIN_OF(5, (int64_t)p->n_nodes));
    if (!is(p, "membership") && !is(p, "snapshots") && chance(w, 500000)) {
        p->n_nodes = p->n_initial = chance(w, 600000) ? 3 : 5;
    }
    p->id_step = chance(w, 500000) ? 1 : 10;
    p->everysec = is(p, "everysec") ? chance(w, 850000) : chance(w, 80000);
    p->bootstrap_zero = chance(w, 300000);
    p->heartbeat = between(w, 20 * MS, 80 * MS);
    p->timeout = p->heartbeat * between(w, 3, 7) + between(w, 0, p->heartbeat);
    p->drift_ppm = drifts[rng_below(&w->rng, is(p, "leases") ? 5 : 2)];
    draw_network(w, p);
    p->sync_min = between(w, 50, 1000);
    p->sync_mean = chance(w, 200000) ? between(w, 5 * MS, 40 * MS) : between(w, 100, 5 * MS);
    p->answer_mean = chance(w, 300000) ? between(w, 1 * MS, p->heartbeat) : p->sync_min / 2;
    p->answer_late = chance(w, 500000) ? 0 : (uint32_t)between(w, 0, 300000);
    p->drain_late = chance(w, 500000) ? 0 : (uint32_t)between(w, 0, 500000);
    p->drain_delay = between(w, 1, 4 * MS);
    p->restart_at_vote = chance(w, 500000) ? 0 : (uint32_t)between(w, 0, 30000);
    p->crash_after_drain = is(p, "elections") || is(p, "disks")    ? (uint32_t)between(w, 0, 10000)
                           : is(p, "transfers") || is(p, "leases") ? 0
                                                                   : (uint32_t)between(w, 0, 2000);
    p->apply_late = chance(w, 500000) ? 0 : (uint32_t)between(w, 0, 600000);
    draw_limits(w, p);
    p->client_mean = is(p, "flow")     ? between(w, 1 * MS, 5 * MS)
                     : is(p, "leases") ? between(w, p->heartbeat / 10, p->heartbeat / 2)
                                       : between(w, p->heartbeat / 10, p->heartbeat * 2);
    p->reader_mean = between(w, p->heartbeat / 4, p->heartbeat * 2);
    p->fault_mean = between(w, p->timeout / 5, p->timeout * 3);
    p->steps = (uint64_t)between(w, 1500, 5000);
}

/* ---- who ------------------------------------------------------------------------------------- */

static struct node *any_node(struct world *w)
{
    return &w->nodes[rng_below(&w->rng, w->p.n_nodes)];
}

static struct node *a_leader(struct world *w)
{
    struct node *best = NULL;

    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        struct node *n = &w->nodes[i];

        if (n->up && n->role == RAFT_ROLE_LEADER && (best == NULL || n->term > best->term)) {
            best = n;
        }
    }
    return best;
}

/* Faults find the leader more often than chance would. */
static struct node *victim(struct world *w)
{
    struct node *l = a_leader(w);

    return l != NULL && chance(w, 400000) ? l : any_node(w);
}

static int64_t a_while(struct world *w) { return 1 + draw_exp(w, between(w, 1, 2 * w->p.timeout)); }

static uint32_t count_up(const struct world *w)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        up += w->nodes[i].up && !w->nodes[i].paused;
    }
    return up;
}

/* ---- crashes --------------------------------------------------------------------------------- */

static uint32_t voters(const struct raft_members *m, uint8_t flag)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n; i++) {
        n += (m->m[i].flags & flag) != 0;
    }
    return n;
}

/* May one more machine lose entries it acknowledged? */
static bool loss_allowed(struct world *w, const struct node *victim_node)
{
    uint32_t smallest = NODES_MAX;
    uint32_t lossy = 0;

    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        const struct node *n = &w->nodes[i];
        const struct mlog *l = n->up ? &n->mem : &n->disk.log;

        if (n != victim_node && n->budgeted) {
            lossy++;
        }
        if (n->disk.members.n > 0) {
            smallest = MIN_OF(smallest, voters(&n->disk.members, RAFT_MEMBER_VOTER));
        }
        for (size_t k = 0; k < l->n; k++) {
            struct raft_members m;
            uint32_t old;

            if (l->v[k].e->type == RAFT_ENTRY_CONFIG &&
                raft_members_decode(l->v[k].e->data, l->v[k].e->size, &m) == RAFT_OK) {
                smallest = MIN_OF(smallest, voters(&m, RAFT_MEMBER_VOTER));
                old = voters(&m, RAFT_MEMBER_VOTER_OLD);
                smallest = old > 0 ? MIN_OF(smallest, old) : smallest;
            }
        }
    }
    return lossy + 1 <= (smallest - 1) / 2;
}

static void mark_lossy(struct world *w, struct node *n)
{
    n->lost_tail = w->host_bug != HOST_BUG_TAIL_TRUSTED;
    n->budgeted = true;
    w->n_suspects++;
}

void fault_crash(struct world *w, struct node *n, enum crash_kind kind, bool keep_nothing)
{
    assert(n->up);
    if (w->p.everysec && kind == CRASH_POWER && !loss_allowed(w, n)) {
        kind = CRASH_KILL;
    }
    TRACE(w, n, "%s", kind == CRASH_KILL ? "is killed" : "loses power");
    w->n_crashes++;
    node_stop(w, n);
    disk_crash(w, n, kind, keep_nothing);
    if (kind == CRASH_POWER) {
        /* The clock counts from the start of the machine. */
        n->clock_off = between(w, 1, 1000000) - w->now - w->now * n->clock_ppm / 1000000;
        n->clock_last = 0;
        if (w->p.everysec) {
            mark_lossy(w, n);
        }
    } else if (w->host_bug == HOST_BUG_SUSPECT_FORGOTTEN) {
        n->lost_tail = false;
    }
    world_at(w,
             w->now + (w->healing          ? 1
                       : chance(w, 400000) ? between(w, 1, w->p.heartbeat)
                                           : a_while(w)),
             EV_RESTART, n->i, 0, NULL);
}

static void crash_all(struct world *w, enum crash_kind kind)
{
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (w->nodes[i].up) {
            fault_crash(w, &w->nodes[i], kind, false);
        }
    }
}

/* ---- network --------------------------------------------------------------------------------- */

static void block(struct world *w, uint32_t from, uint32_t to, int64_t until)
{
    w->blocked_until[from][to] = MAX_OF(w->blocked_until[from][to], until);
}

static void partition(struct world *w)
{
    int64_t until = w->now + a_while(w) + w->p.timeout / 2;
    uint64_t side = 1 + rng_below(&w->rng, (UINT64_C(1) << w->p.n_nodes) - 2);

    TRACE(w, NULL, "partition %" PRIx64 " for %" PRId64 " ms", side, (until - w->now) / 1000);
    for (uint32_t a = 0; a < w->p.n_nodes; a++) {
        for (uint32_t b = 0; b < w->p.n_nodes; b++) {
            if ((side >> a & 1) != (side >> b & 1)) {
                block(w, a, b, until);
            }
        }
    }
}

static void isolate(struct world *w, bool hears, bool is_heard)
{
    struct node *n = victim(w);
    int64_t until = w->now + a_while(w) + w->p.timeout / 2;

    TRACE(w, n, "%s%s for %" PRId64 " ms", hears ? "" : "hears nobody ",
          is_heard ? "" : "is not heard", (until - w->now) / 1000);
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (!hears) {
            block(w, i, n->i, until);
        }
        if (!is_heard) {
            block(w, n->i, i, until);
        }
    }
}

static void link_down(struct world *w)
{
    uint32_t a = victim(w)->i;
    uint32_t b = any_node(w)->i;
    int64_t until = w->now + a_while(w) + w->p.timeout / 2;

    TRACE(w, &w->nodes[a], "cut from n%" PRIu64, w->nodes[b].id);
    block(w, a, b, until);
    if (chance(w, 600000)) {
        block(w, b, a, until);
    }
}

/* One voter does not hear the leader and campaigns; those who do hear it restart when they are
 * asked for their votes, and forget that they do. A candidate needs a log as good as its voters',
 * so for that time clients do not reach the leader. */
static void revolt(struct world *w)
{
    struct node *l = a_leader(w);

    if (l != NULL && w->now >= w->shunned_until) {
        w->shunned = l->i;
        w->shunned_until = w->now + 4 * w->p.timeout;
        w->revolter = NOBODY;
        world_at(w, w->now + w->p.heartbeat, EV_REVOLT, NOBODY, 0, NULL);
    }
}

void fault_revolt_begins(struct world *w)
{
    struct node *l = a_leader(w);
    uint32_t first = any_node(w)->i;

    for (uint32_t i = 0; l != NULL && l->i == w->shunned && i < w->p.n_nodes; i++) {
        struct node *b = &w->nodes[(first + i) % w->p.n_nodes];

        if (b != l && b->up && b->term == l->term &&
            mlog_last(&b->mem).index == mlog_last(&l->mem).index) {
            TRACE(w, l, "cut from n%" PRIu64 ", a revolt", b->id);
            w->revolter = b->i;
            block(w, l->i, b->i, w->shunned_until);
            block(w, b->i, l->i, w->shunned_until);
            return;
        }
    }
    w->shunned_until = 0;
}

void fault_vote_asked(struct world *w, struct node *candidate, struct node *voter)
{
    bool revolt_on = w->now < w->shunned_until && candidate->i == w->revolter;

    if (!w->healing && chance(w, revolt_on ? 300000 : w->p.restart_at_vote)) {
        world_at(w, w->now, EV_KILL, voter->i, 0, NULL);
    }
}

static void strand(struct world *w)
{
    struct node *n = victim(w);
    int64_t until = w->now + w->p.timeout + a_while(w);

    n->disk.slow_until = until;
    n->disk.slow_factor = (uint32_t)(1 + w->p.timeout * between(w, 1, 4) / (w->p.sync_min + 1));
    TRACE(w, n, "stranded with a slow disk, times %u", n->disk.slow_factor);
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        block(w, i, n->i, until);
        block(w, n->i, i, until);
    }
}

/* ---- requests of an operator ----------------------------------------------------------------- */

/* Mutate the membership: a few steps, so that some changes replace several at once. */
static void change(struct world *w)
{
    struct node *l = a_leader(w);
    uint8_t flags[NODES_MAX] = {0};
    uint32_t least = w->p.everysec || w->p.weights[ACT_DAMAGE] > 0 ? 3 : 1;
    uint32_t n_voters = 0;
    struct raft_members m = {0};
    struct raft_input in = {.type = RAFT_IN_CHANGE, .members = &m};
    const struct raft_members *now;

    if (l == NULL || l->paused) {
        return;
    }
    now = raft_get_members(l->r);
    for (uint32_t i = 0; i < now->n; i++) {
        flags[world_node(w, now->m[i].id)->i] =
            now->m[i].flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_LEARNER);
    }
    for (int64_t k = between(w, 1, 3); k > 0; k--) {
        uint8_t *f = &flags[rng_below(&w->rng, w->p.n_nodes)];

        *f = *f == 0 ? (chance(w, 500000) ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER)
             : *f == RAFT_MEMBER_LEARNER ? (chance(w, 700000) ? RAFT_MEMBER_VOTER : 0)
                                         : (chance(w, 300000) ? RAFT_MEMBER_LEARNER : 0);
    }
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        if (flags[i] != 0) {
            m.m[m.n++] = (struct raft_member){w->nodes[i].id, flags[i]};
            n_voters += (flags[i] & RAFT_MEMBER_VOTER) != 0;
        }
    }
    if (n_voters < least || (n_voters < 3 && !chance(w, 200000))) {
        return;
    }
    if (node_step(w, l, &in) == RAFT_OK) {
        char members[200];

        w->n_changes++;
        TRACE(w, l, "change to %s", trace_members(&m, members, sizeof members));
    }
}

static void transfer(struct world *w)
{
    struct node *l = chance(w, 950000) ? a_leader(w) : any_node(w);
    struct raft_input in = {.type = RAFT_IN_TRANSFER};

    if (l == NULL || !l->up || l->paused) {
        return;
    }
    in.peer = chance(w, 200000) ? RAFT_NONE : any_node(w)->id;
    raft_set_priority(l->r, (uint8_t)between(w, 0, 3));
    if (node_step(w, l, &in) == RAFT_OK && l->up) {
        struct node *to = world_node(w, in.peer);

        w->n_transfers++;
        TRACE(w, l, "transfer to %" PRIu64, in.peer);
        /* What the old leader does while the new one rises unseen, or rises late. */
        if (to != NULL && to != l && chance(w, 300000)) {
            block(w, to->i, l->i, w->now + a_while(w));
        } else if (to != NULL && to != l && to->up && !to->paused && chance(w, 200000)) {
            node_pause(w, to, a_while(w) + w->p.timeout / 2);
        }
    }
}

/* ---- the nemesis ----------------------------------------------------------------------------- */

static enum action draw_action(struct world *w)
{
    uint64_t total = 0;
    uint64_t x;

    for (int i = 0; i < ACT_N; i++) {
        total += w->p.weights[i];
    }
    x = rng_below(&w->rng, total);
    for (int i = 0;; i++) {
        if (x < w->p.weights[i]) {
            return (enum action)i;
        }
        x -= w->p.weights[i];
    }
}

static void on_node(struct world *w, enum action a, struct node *n)
{
    if (!n->up) {
        return;
    }
    switch (a) {
    case ACT_KILL:
        fault_crash(w, n, CRASH_KILL, false);
        break;
    case ACT_POWER:
        fault_crash(w, n, CRASH_POWER, chance(w, 300000));
        break;
    case ACT_PAUSE:
        if (!n->paused) {
            node_pause(w, n, a_while(w) + (chance(w, 500000) ? w->p.timeout : 0));
        }
        break;
    case ACT_SLOW_DISK:
        n->disk.slow_until = w->now + a_while(w) + w->p.timeout;
        n->disk.slow_factor = (uint32_t)between(w, 5, 200);
        TRACE(w, n, "slow disk, times %u", n->disk.slow_factor);
        break;
    case ACT_FAIL_SYNC:
        n->disk.fail_next = true;
        break;
    case ACT_DAMAGE:
        if (loss_allowed(w, n)) {
            fault_crash(w, n, CRASH_KILL, false);
            disk_damage(w, n);
            mark_lossy(w, n);
        }
        break;
    case ACT_SNAPSHOT:
        snap_consider(w, n, true);
        break;
    default:
        assert(!"no action on a node");
    }
}

void fault_next(struct world *w)
{
    enum action a = draw_action(w);

    sim_hash(w, a);
    if ((a == ACT_KILL || a == ACT_POWER || a == ACT_PAUSE) &&
        count_up(w) <= w->p.n_nodes / 2 + 1 && chance(w, 600000)) {
        return; /* mostly leave a majority, or nothing else would happen */
    }
    switch (a) {
    case ACT_KILL_ALL:
        crash_all(w, CRASH_KILL);
        break;
    case ACT_POWER_ALL:
        crash_all(w, CRASH_POWER);
        break;
    case ACT_PARTITION:
        partition(w);
        break;
    case ACT_ISOLATE:
        isolate(w, false, false);
        break;
    case ACT_ONE_WAY: {
        bool hears = chance(w, 500000);

        isolate(w, hears, !hears);
        break;
    }
    case ACT_LINK:
        link_down(w);
        break;
    case ACT_REVOLT:
        revolt(w);
        break;
    case ACT_STRANDED:
        strand(w);
        break;
    case ACT_BREAK: {
        struct node *x = any_node(w);
        struct node *y = any_node(w);

        if (x != y) {
            net_break(w, x->i, y->i);
        }
        break;
    }
    case ACT_LOSSY:
        w->lossy_until = w->now + a_while(w);
        w->lossy = (uint32_t)between(w, 100000, 900000);
        break;
    case ACT_CHANGE:
        change(w);
        break;
    case ACT_TRANSFER:
        transfer(w);
        break;
    default:
        on_node(w, a, victim(w));
    }
}

void fault_blackout(struct world *w)
{
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        struct node *n = &w->nodes[i];

        fault_crash(w, n, CRASH_KILL, false); /* nothing is left to lose */
        mark_lossy(w, n);
    }
}

void fault_heal(struct world *w)
{
    TRACE(w, NULL, "all is healed");
    memset(w->blocked_until, 0, sizeof w->blocked_until);
    w->lossy_until = 0;
    w->p.delay_mean = MIN_OF(w->p.delay_mean, w->p.heartbeat / 10);
    w->p.sync_mean = MIN_OF(w->p.sync_mean, w->p.heartbeat / 10);
    w->p.answer_mean = MIN_OF(w->p.answer_mean, w->p.heartbeat / 10);
    w->shunned_until = 0;
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        struct node *n = &w->nodes[i];

        n->disk.slow_until = 0;
        n->disk.fail_next = false;
        if (n->paused) {
            world_at(w, w->now + 1, EV_RESUME, i, 0, NULL);
            n->pause_end = w->now;
        }
        if (!n->up) {
            world_at(w, w->now + 1, EV_RESTART, i, 0, NULL);
        }
    }
}
