/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/host.c - the host of one core: feeds it inputs, carries out its outputs, restarts it.
 *
 * Outputs are carried out in the order that raft.h prescribes, as late as a host may: the drain
 * may come some inputs later, durability answers and applying take their time. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- clock ----------------------------------------------------------------------------------- */

static int64_t local_time(const struct node *n, int64_t t)
{
    return n->clock_off + t + t * n->clock_ppm / 1000000;
}

int64_t node_now(struct world *w, struct node *n)
{
    int64_t t = local_time(n, w->now);

    n->clock_last = MAX_OF(t, n->clock_last);
    return n->clock_last;
}

int64_t node_true_time(struct world *w, struct node *n, int64_t local)
{
    int64_t rest = local - n->clock_off;
    int64_t t;

    assert(rest < INT64_MAX / 2000000);
    t = rest * 1000000 / (1000000 + n->clock_ppm);
    while (local_time(n, t) < local) {
        t++;
    }
    return MAX_OF(t, w->now);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static struct raft_entry *from_disk(const struct raft_entry *e)
{
    struct raft_entry *c = raft_entry_new(e->type, e->size);

    c->pos = e->pos;
    memcpy(c->data, e->data, e->size);
    return c;
}

static void restore_log(struct node *n, struct raft_restore *rs)
{
    const struct mlog *l = &n->disk.log;
    struct raft_term_run *runs = mem_alloc((l->n + 1) * sizeof *runs);
    struct raft_entry **configs = mem_alloc((l->n + 1) * sizeof *configs);

    for (size_t i = 0; i < l->n; i++) {
        struct raft_entry *e = l->v[i].e;

        if (rs->n_runs == 0 || runs[rs->n_runs - 1].term != e->pos.term) {
            runs[rs->n_runs++] = (struct raft_term_run){e->pos.term, e->pos.index};
        }
        if (e->type == RAFT_ENTRY_CONFIG) {
            configs[rs->n_configs++] = from_disk(e);
        }
    }
    rs->runs = runs;
    rs->configs = configs;
}

void node_boot(struct world *w, struct node *n, bool fresh)
{
    const struct params *p = &w->p;
    struct disk *d = &n->disk;
    struct raft_config c = {
        .id = n->id,
        .seed = rng_next(&w->rng),
        .now_us = node_now(w, n),
        .fresh = fresh,
        .heartbeat_us = p->heartbeat,
        .election_timeout_us = p->timeout,
        .lease_drift_ppm = p->drift_ppm,
        .uncommitted_bytes_max = p->uncommitted_bytes,
        .cache_bytes = p->cache_bytes,
        .message_bytes_max = p->message_bytes,
        .inflight_messages_max = p->inflight_messages,
        .inflight_bytes_max = p->inflight_bytes,
        .priority = (uint8_t)(n->i % 3 == 2 ? 1 : 0),
        .restore = {.hard = d->hard,
                    .snapshot = d->log.base,
                    .snapshot_members = d->members,
                    .last = mlog_last(&d->log),
                    .tail_suspect = n->lost_tail},
    };
    int rc;

    assert(n->r == NULL);
    restore_log(n, &c.restore);
    rc = raft_new(&c, &n->r);
    for (size_t i = 0; i < c.restore.n_configs; i++) {
        raft_entry_unref(c.restore.configs[i]);
    }
    free((void *)(uintptr_t)c.restore.runs);
    free((void *)(uintptr_t)c.restore.configs);
    if (rc != RAFT_OK) {
        sim_fail(w, "restart", "n%" PRIu64 " refuses what its disk holds: %s", n->id,
                 raft_strerror(rc));
    }
    if (d->log.base.index > 0 && disk_file(d, d->log.base) == NULL) {
        sim_fail(w, "snapshot", "n%" PRIu64 " restarts behind snapshot %" PRIu64 " and has no file",
                 n->id, d->log.base.index);
    }
    n->epoch++;
    n->up = true;
    n->paused = false;
    n->started_at = n->resumed_at = n->members_since = w->now;
    mlog_copy(&n->mem, &d->log);
    check_note_base(w, n, &d->members);
    n->role = RAFT_ROLE_FOLLOWER;
    n->seen_term = n->term = d->hard.term;
    n->leader = RAFT_NONE;
    n->noop_index = 0;
    n->commit = n->applied = n->seen_commit = d->log.base.index;
    n->lease_until = 0;
    n->drain_pending = n->apply_pending = n->load_pending = n->snapshotting = false;
    n->streaming = 0;
    n->n_props = n->n_reads = 0;
    n->tick_gen++;
    n->persisted_last_at = w->now;
    memset(n->heard, 0, sizeof n->heard);
    sim_hash(w, n->id);
    TRACE(w, n, "starts%s: term %" PRIu64 " vote %" PRIu64 " log %" PRIu64 "..%" PRIu64 "%s",
          fresh ? " for the first time" : "", d->hard.term, d->hard.vote, d->log.base.index,
          mlog_last(&d->log).index, n->lost_tail ? ", tail suspect" : "");
    if (p->everysec) {
        world_at(w, w->now + between(w, 1, 4 * p->timeout), EV_EVERYSEC, n->i, 0, NULL);
    }
    check_step(w, n);
    node_drain(w, n);
}

void node_stop(struct world *w, struct node *n)
{
    (void)w;
    raft_free(n->r);
    n->r = NULL;
    n->up = false;
    n->paused = false;
    n->epoch++;
    mlog_release(&n->mem);
    for (size_t i = 0; i < n->n_inbox; i++) {
        event_release(&n->inbox[i]);
    }
    n->n_inbox = 0;
}

/* ---- stepping -------------------------------------------------------------------------------- */

int node_step(struct world *w, struct node *n, struct raft_input *in)
{
    int rc;

    in->now_us = node_now(w, n);
    rc = raft_step(n->r, in);
    w->steps++;
    sim_hash(w, (uint64_t)in->type << 32 ^ (uint32_t)rc);
    check_step(w, n);
    if (!n->drain_pending) {
        if (chance(w, w->p.drain_late)) {
            n->drain_pending = true;
            world_at(w, w->now + draw_exp(w, w->p.drain_delay), EV_DRAIN, n->i, 0, NULL);
        } else {
            node_drain(w, n);
        }
    }
    return rc;
}

bool node_serves(struct world *w, const struct node *n)
{
    return n->up && !n->paused && n->role == RAFT_ROLE_LEADER &&
           (n->applied >= n->noop_index || w->host_bug == HOST_BUG_READ_BEFORE_NOOP);
}

static void schedule_tick(struct world *w, struct node *n, int64_t deadline)
{
    int64_t at;

    if (deadline == NEVER) {
        n->tick_gen++; /* one that is under way is void */
        n->tick_at = 0;
        return;
    }
    at = node_true_time(w, n, deadline);
    if (at == n->tick_at) {
        return;
    }
    n->tick_at = at;
    n->tick_gen++;
    world_at(w, at + (chance(w, 100000) ? draw_exp(w, w->p.heartbeat / 4) : 0), EV_TICK, n->i,
             n->tick_gen, NULL);
}

static void schedule_apply(struct world *w, struct node *n)
{
    if (!n->apply_pending && (n->applied < n->commit || n->load_pending)) {
        n->apply_pending = true;
        world_at(w, w->now + (chance(w, w->p.apply_late) ? draw_exp(w, w->p.heartbeat) : 0),
                 EV_APPLY, n->i, 0, NULL);
    }
}

static void on_role(struct world *w, struct node *n, const struct raft_output *out)
{
    TRACE(w, n, "%s, term %" PRIu64 ", leader %" PRIu64, raft_role_name(out->role), out->term,
          out->leader);
    if (n->role != out->role || n->term != out->term) {
        sim_hash(w, (uint64_t)out->role);
    }
    n->role = out->role;
    n->term = out->term;
    n->leader = out->leader;
}

static void on_log(struct world *w, struct node *n, const struct raft_output *out)
{
    if (out->install) {
        TRACE(w, n, "installs snapshot %" PRIu64 "/%" PRIu64, out->install_pos.term,
              out->install_pos.index);
        w->n_installs++;
        if (disk_file(&n->disk, out->install_pos) == NULL) {
            sim_fail(w, "snapshot", "n%" PRIu64 " installs %" PRIu64 "/%" PRIu64 " it never got",
                     n->id, out->install_pos.term, out->install_pos.index);
        }
        if (out->install_pos.index < n->commit) {
            sim_fail(w, "snapshot", "n%" PRIu64 " committed %" PRIu64 " and installs %" PRIu64,
                     n->id, n->commit, out->install_pos.index);
        }
        mlog_reset(&n->mem, out->install_pos, canon_chain(w, out->install_pos.index));
        check_note_base(w, n, &disk_file(&n->disk, out->install_pos)->members);
        n->applied = out->install_pos.index;
        n->load_pending = true;
    }
    for (size_t i = 0; i < out->n_append; i++) {
        struct raft_entry *e = out->append[i];

        check_append(w, n, e);
        check_note_config(w, n, e);
        mlog_put(&n->mem, e);
        if (e->origin != 0) {
            load_placed(w, n, e);
        }
    }
    if (out->n_append > 0) {
        TRACE(w, n, "appends %" PRIu64 "..%" PRIu64, out->append[0]->pos.index,
              out->append[out->n_append - 1]->pos.index);
    }
    disk_enqueue(w, n, out);
}

void node_add_read(struct node *n, struct open_read rd)
{
    GROW(n->reads, n->cap_reads, n->n_reads + 1);
    n->reads[n->n_reads++] = rd;
}

static struct open_read take_read(struct world *w, struct node *n, uint64_t token)
{
    for (size_t i = 0; i < n->n_reads; i++) {
        if (n->reads[i].token == token) {
            struct open_read rd = n->reads[i];

            memmove(&n->reads[i], &n->reads[i + 1], (n->n_reads - i - 1) * sizeof *n->reads);
            n->n_reads--;
            return rd;
        }
    }
    sim_fail(w, "read", "n%" PRIu64 " decides read %" PRIu64 " which is not open", n->id, token);
}

static void on_reads(struct world *w, struct node *n, const struct raft_output *out)
{
    for (size_t i = 0; i < out->n_reads; i++) {
        struct open_read rd = take_read(w, n, out->reads[i]);

        TRACE(w, n, "read %" PRIu64 " is confirmed: value %" PRIu64 ", at least %" PRIu64, rd.token,
              rd.value, rd.floor);
        if (rd.counts) {
            w->n_quorum_reads++;
            if (rd.value < rd.floor) {
                sim_fail(w, "stale read",
                         "n%" PRIu64 " confirmed a read of %" PRIu64 ", but %" PRIu64
                         " was acknowledged before it",
                         n->id, rd.value, rd.floor);
            }
        }
    }
    for (size_t i = 0; i < out->n_reads_lost; i++) {
        (void)take_read(w, n, out->reads_lost[i]);
    }
}

/* Reading takes its place among the log thread's syncs: much may change until it has its turn. */
static int64_t read_delay(struct world *w)
{
    return draw_exp(w, !w->healing && chance(w, 100000) ? w->p.timeout : w->p.sync_min + 1);
}

static void on_wishes(struct world *w, struct node *n, const struct raft_output *out)
{
    for (size_t i = 0; i < out->n_read_backs; i++) {
        struct read_back *rb = mem_zalloc(sizeof *rb);

        rb->peer = out->read_backs[i].peer;
        rb->first = out->read_backs[i].first;
        rb->bytes_max = out->read_backs[i].bytes_max;
        w->n_read_backs++;
        TRACE(w, n, "reads back from %" PRIu64 " for n%" PRIu64, rb->first, rb->peer);
        world_at(w, w->now + read_delay(w), EV_READ_BACK, n->i, 0, rb);
    }
    for (size_t i = 0; i < out->n_need_snapshot; i++) {
        snap_stream(w, n, out->need_snapshot[i]);
    }
}

void node_drain(struct world *w, struct node *n)
{
    struct raft_output out;

    n->drain_pending = false;
    raft_drain(n->r, &out);
    if (out.role_changed) {
        on_role(w, n, &out);
    }
    n->noop_index = out.noop_index;
    n->lease_until = out.role == RAFT_ROLE_LEADER ? out.lease_until_us : 0;
    sim_hash(w, (uint64_t)n->lease_until);
    if (out.members_changed) {
        char members[200];

        n->members_since = w->now;
        TRACE(w, n, "members %s", trace_members(raft_get_members(n->r), members, sizeof members));
    }
    on_log(w, n, &out);
    for (size_t i = 0; i < out.n_messages; i++) {
        check_message(w, n, &out.messages[i]);
        net_send(w, n, &out.messages[i]);
    }
    if (out.commit != n->commit) {
        if (out.commit < n->commit) {
            sim_fail(w, "commit", "n%" PRIu64 " goes back from %" PRIu64 " to %" PRIu64, n->id,
                     n->commit, out.commit);
        }
        n->commit = out.commit;
        sim_hash(w, out.commit);
        TRACE(w, n, "commit %" PRIu64, out.commit);
    }
    check_drained(w, n);
    load_fate(w, n);
    check_lease(w, n);
    schedule_apply(w, n);
    on_reads(w, n, &out);
    on_wishes(w, n, &out);
    schedule_tick(w, n, out.deadline_us);
    snap_consider(w, n, false);
    /* Last: the crash throws the core away. */
    if ((out.n_append > 0 || out.hard_seq > 0) && !w->healing &&
        chance(w, w->p.crash_after_drain)) {
        fault_crash(w, n, CRASH_POWER, chance(w, 700000));
    }
}

/* ---- applying -------------------------------------------------------------------------------- */

/* The state machine's next entry, as the host gets it: from the core, or else from the log. */
static const struct raft_entry *next_to_apply(struct world *w, struct node *n, uint64_t index)
{
    struct raft_entry *e = NULL;
    size_t got = 0;
    int rc = raft_get_entries(n->r, index, 1, 1, &e, &got);

    if (rc == RAFT_ERR_NOT_CACHED) {
        return disk_read(&n->disk, index);
    }
    if (rc != RAFT_OK || got != 1) {
        sim_fail(w, "apply", "n%" PRIu64 " cannot be asked for committed entry %" PRIu64 ": %s",
                 n->id, index, raft_strerror(rc));
    }
    return e;
}

static void apply_some(struct world *w, struct node *n)
{
    uint64_t to = n->commit;
    struct raft_input in = {.type = RAFT_IN_APPLIED};

    n->apply_pending = false;
    if (n->drain_pending) {
        return; /* the drain may bring a snapshot, and asks for us again */
    }
    if (n->applied >= to && !n->load_pending) {
        return;
    }
    n->load_pending = false;
    if (n->applied < to && chance(w, 200000)) {
        to = n->applied + 1 + rng_below(&w->rng, to - n->applied);
    }
    while (n->applied < to) {
        const struct raft_entry *e = next_to_apply(w, n, n->applied + 1);
        uint64_t at = n->applied + 1;

        if (e == NULL || e->pos.index != at ||
            chain_next(canon_chain(w, at - 1), e) != canon_chain(w, at)) {
            sim_fail(w, "state machine safety",
                     "n%" PRIu64 " applies another entry at %" PRIu64 " than was committed", n->id,
                     at);
        }
        n->applied = at;
    }
    in.index = n->applied;
    if (node_step(w, n, &in) != RAFT_OK) {
        sim_fail(w, "apply", "n%" PRIu64 " refuses RAFT_IN_APPLIED %" PRIu64, n->id, in.index);
    }
    if (n->up) {
        schedule_apply(w, n);
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

/* An input that cannot be refused. */
static void must_step(struct world *w, struct node *n, struct raft_input *in, const char *what)
{
    int rc = node_step(w, n, in);

    if (rc != RAFT_OK) {
        sim_fail(w, "input", "n%" PRIu64 " refuses %s: %s", n->id, what, raft_strerror(rc));
    }
}

void node_event(struct world *w, struct node *n, struct event *e)
{
    struct raft_input in = {.type = RAFT_IN_TICK};

    if (n->paused) {
        /* Sockets and queues hold what comes, but not without end. */
        if (e->kind == EV_DELIVER && n->n_inbox > 400) {
            return;
        }
        GROW(n->inbox, n->cap_inbox, n->n_inbox + 1);
        n->inbox[n->n_inbox++] = *e;
        e->p = NULL;
        return;
    }
    switch (e->kind) {
    case EV_DELIVER:
        net_deliver(w, n, e->p);
        break;
    case EV_TICK:
        if (e->a == n->tick_gen) {
            n->tick_at = 0;
            check_quorum_contact(w, n);
            must_step(w, n, &in, "a tick");
        }
        break;
    case EV_DRAIN:
        if (n->drain_pending) {
            node_drain(w, n);
        }
        break;
    case EV_SYNC_DONE:
        if (e->a == n->disk.sync_gen) {
            disk_sync_done(w, n);
        }
        break;
    case EV_EVERYSEC:
        disk_everysec(w, n);
        break;
    case EV_PERSISTED:
        in = *(struct raft_input *)e->p;
        TRACE(w, n, "durable: %" PRIu64 "/%" PRIu64 " hard %" PRIu64, in.persisted.log.term,
              in.persisted.log.index, in.persisted.hard_seq);
        must_step(w, n, &in, "PERSISTED");
        break;
    case EV_APPLY:
        apply_some(w, n);
        break;
    case EV_READ_BACK:
        snap_read_back(w, n, e->p);
        e->p = NULL;
        break;
    case EV_ENTRIES:
        snap_entries(w, n, e->p);
        break;
    case EV_SNAP_TAKEN:
        snap_taken(w, n, e->p);
        break;
    case EV_SNAP_IN:
        snap_in(w, n, e->p);
        break;
    case EV_SNAP_SENT: {
        const struct stream *s = e->p;

        n->streaming &= ~(UINT64_C(1) << s->to);
        in.type = RAFT_IN_SNAPSHOT_SENT;
        in.sent.peer = w->nodes[s->to].id;
        in.sent.pos = s->file.pos;
        in.sent.failed = s->failed;
        (void)node_step(w, n, &in); /* no leader any more, or another peer set: both are fine */
        break;
    }
    case EV_UNREACHABLE:
        in.type = RAFT_IN_UNREACHABLE;
        in.peer = e->a;
        (void)node_step(w, n, &in);
        break;
    default:
        assert(!"an event of no node");
    }
}

void node_pause(struct world *w, struct node *n, int64_t how_long)
{
    TRACE(w, n, "is stopped for %" PRId64 " ms", how_long / 1000);
    n->paused = true;
    n->paused_at = w->now;
    n->pause_end = w->now + how_long;
    world_at(w, n->pause_end, EV_RESUME, n->i, 0, NULL);
}

void node_resume(struct world *w, struct node *n)
{
    uint64_t epoch = n->epoch;
    struct raft_input in = {.type = RAFT_IN_TICK};
    size_t count = n->n_inbox;
    struct event *inbox = n->inbox;

    TRACE(w, n, "goes on");
    n->paused = false;
    n->resumed_at = w->now;
    if (w->host_bug == HOST_BUG_CLOCK_STOPS) {
        n->clock_off -= (w->now - n->paused_at) * (1000000 + n->clock_ppm) / 1000000;
    }
    /* The exec thread does not ask the raft thread: it looks at the lease and answers. */
    check_lease(w, n);
    /* Timers and sockets are ready at once; which of them the loop looks at first is open. */
    n->inbox = NULL;
    n->n_inbox = n->cap_inbox = 0;
    if (chance(w, 500000)) {
        struct raft_input stalled = {.type = RAFT_IN_STALLED, .stalled_us = w->now - n->paused_at};

        must_step(w, n, &stalled, "a stall");
    }
    if (chance(w, 500000)) {
        must_step(w, n, &in, "a tick");
    }
    for (size_t i = 0; i < count; i++) {
        struct event *e = &inbox[i];

        /* A new event each: the order stays, and the process may yet die between them. */
        if (n->epoch == epoch) {
            world_at(w, w->now, e->kind, e->node, e->a, e->p);
            e->p = NULL;
        }
        event_release(e);
    }
    free(inbox);
}
