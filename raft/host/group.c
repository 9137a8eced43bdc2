/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/group.c - one group on the raft thread: inputs to its core, its outputs carried out.
 *
 *   creating --durable--> open
 *
 * Order within a drain: role and lease are published first, so that no reader finds a lease that a
 * message of the same drain gives away; then what must be durable is added to the turn's write,
 * then messages are queued, then the owner is told. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "raft/host/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WANTED_EVERY_US 10000000
#define SAVE_COMMIT_US 200000 /* the commit index is saved along with entries this often */

/* ---- stepping ---------------------------------------------------------------------------- */

static void mark_dirty(struct host_group *g)
{
    if (!g->dirty) {
        g->dirty = true;
        g->next_dirty = g->host->dirty;
        g->host->dirty = g;
    }
}

int host_group_step(struct host_group *g, struct raft_input *in)
{
    int rc;

    in->now_us = g->host->now_us;
    rc = raft_step(g->core, in);
    if (rc == RAFT_OK) { /* else nothing has changed, and a drain would try the same again */
        mark_dirty(g);
    }
    return rc;
}

void host_group_feed_core(struct host_group *g, struct raft_input *in)
{
    int rc = host_group_step(g, in);

    if (rc != RAFT_OK) {
        log_fatal("Raft, group %u, input %d: %s", g->number, (int)in->type, raft_strerror(rc));
    }
}

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct host_group *g = CONTAINER_OF(w, struct host_group, timer);
    struct raft_input in = {.type = RAFT_IN_TICK};

    (void)loop;
    (void)revents;
    g->timer_at_us = INT64_MAX;
    host_group_feed_core(g, &in);
}

/* A timer that is due earlier stays: it will look again. So a deadline that only moves away, as
 * those of followers do, costs nothing. */
static void arm_timer(struct host_group *g, int64_t at_us)
{
    struct raft_host *h = g->host;

    if (at_us >= g->timer_at_us) {
        return;
    }
    host_arm(h, &g->timer, at_us - h->now_us);
    g->timer_at_us = at_us;
}

/* ---- life -------------------------------------------------------------------------------- */

struct host_group *host_group_new(struct raft_host *h, uint32_t number)
{
    struct host_group *g = mem_zalloc(sizeof *g);
    unsigned slot = number % HOST_TABLE_SLOTS;

    assert(h->n_groups < HOST_GROUPS_MAX);
    g->host = h;
    g->number = number;
    g->timer_at_us = INT64_MAX;
    pthread_mutex_init(&g->lock, NULL);
    ev_timer_init(&g->timer, on_timer, 0., 0.);
    h->groups[h->n_groups++] = g;
    while (atomic_load_explicit(&h->table[slot], memory_order_relaxed) != NULL) {
        slot = (slot + 1) % HOST_TABLE_SLOTS;
    }
    atomic_store_explicit(&h->table[slot], g, memory_order_release);
    return g;
}

void host_group_free(struct host_group *g)
{
    for (size_t i = 0; i < g->n_waiting; i++) {
        raft_entry_unref(g->waiting[(g->waiting_first + i) % g->cap_waiting]);
    }
    if (g->installing != NULL) {
        snap_in_answer(g->installing, SNAP_IN_REFUSED);
    }
    raft_event_seen_unref(g->snapshot_seen);
    raft_free(g->core);
    pthread_mutex_destroy(&g->lock);
    free(g->waiting);
    free(g->configs);
    free(g);
}

struct host_group *host_find_group(struct raft_host *h, uint32_t group)
{
    unsigned slot = group % HOST_TABLE_SLOTS;

    for (;;) {
        struct host_group *g = atomic_load_explicit(&h->table[slot], memory_order_acquire);

        if (g == NULL || g->number == group) {
            return g;
        }
        slot = (slot + 1) % HOST_TABLE_SLOTS;
    }
}

void host_group_open(struct host_group *g, const struct raft_restore *restore, bool fresh)
{
    struct raft_host *h = g->host;
    struct raft_config config = {
        .id = h->me.node,
        .now_us = h->now_us,
        .fresh = fresh,
        .heartbeat_us = h->config.heartbeat_us,
        .election_timeout_us = h->config.election_timeout_us,
        .lease_drift_ppm = h->config.lease_drift_ppm,
        .uncommitted_bytes_max = h->config.uncommitted_bytes_max,
        .cache_bytes = CORE_CACHE_BYTES,
        .message_bytes_max = CORE_MESSAGE_BYTES,
        .inflight_messages_max = CORE_INFLIGHT_MESSAGES,
        .inflight_bytes_max = CORE_INFLIGHT_BYTES,
        .priority = g->priority,
        .restore = *restore,
    };
    struct raft_event *e;
    int rc;

    rand_bytes(&config.seed, sizeof config.seed);
    rc = raft_new(&config, &g->core);
    if (rc != RAFT_OK) {
        log_fatal("Raft, group %u: cannot start: %s", g->number, raft_strerror(rc));
    }
    g->snapshot = restore->snapshot;
    g->snapshot_bytes = snapshot_size(h, g->number, g->snapshot);
    g->persisted_index = restore->last.index;
    g->suspect = restore->tail_suspect;
    g->term = restore->hard.term;
    g->commit = g->snapshot.index;
    g->applied = g->snapshot.index;
    pthread_mutex_lock(&g->lock);
    g->configs = mem_realloc(g->configs, sizeof g->configs[0]);
    g->configs[0].index = g->snapshot.index;
    g->configs[0].members = restore->snapshot_members;
    g->n_configs = 1;
    pthread_mutex_unlock(&g->lock);
    if (g->suspect) {
        log_warning("Group %u: a tail of the log may be lost; this replica leads only when no "
                    "other can, until it has caught up",
                    g->number);
    }
    e = host_event_new(RAFT_EV_GROUP, g->number, 0);
    e->pos = g->snapshot;
    e->term = g->term;
    host_push_event(h, e);
    mark_dirty(g);
    host_publish_group_status(g);
}

/* ---- what must become durable ------------------------------------------------------------ */

static struct log_part *new_part(struct host_group *g)
{
    struct raft_host *h = g->host;
    struct log_job *j = h->write;

    if (j == NULL) {
        j = h->write = host_job_new(h, LOG_JOB_WRITE);
    }
    if (j->n_parts == j->cap_parts) {
        j->cap_parts = MAX_OF(j->cap_parts * 2, (size_t)8);
        j->parts = mem_realloc(j->parts, j->cap_parts * sizeof j->parts[0]);
    }
    memset(&j->parts[j->n_parts], 0, sizeof j->parts[0]);
    j->parts[j->n_parts].group = g->number;
    j->parts[j->n_parts].first = j->n_entries;
    return &j->parts[j->n_parts++];
}

void host_group_create(struct raft_host *h, uint32_t number, struct host_create *c)
{
    struct host_group *g = host_find_group(h, number);
    struct log_part *p;

    if (g != NULL) {
        log_warning("Group %u exists here already", number);
        return;
    }
    if (h->n_groups == HOST_GROUPS_MAX) {
        log_warning("Group %u is not created: there are %u here already", number, HOST_GROUPS_MAX);
        return;
    }
    g = host_group_new(h, number);
    g->priority = c->priority;
    p = new_part(g);
    p->created = true;
    p->must_sync = true;
    p->has_snapshot = true;
    p->snapshot = c->pos;
    p->members = mem_dup(&c->members, sizeof c->members);
    p->has_hard = true;
    p->hard = (struct raft_hard_state){.term = c->pos.term, .commit = c->pos.index};
}

static void open_created(struct host_group *g, const struct log_part *p)
{
    struct raft_restore restore = {
        .hard = p->hard,
        .snapshot = p->snapshot,
        .snapshot_members = *p->members,
        .last = p->snapshot,
    };

    log_notice("Group %u: replica created at index %" PRIu64, g->number, p->snapshot.index);
    host_group_open(g, &restore, true);
}

/* Remember about where the last KEEP_TAIL_BYTES of the log begin. */
static void mark_log(struct host_group *g, struct raft_entry *const *entries, size_t n)
{
    struct raft_host *h = g->host;

    while (g->n_marks > 0 && g->marks[g->n_marks - 1].index >= entries[0]->pos.index) {
        g->n_marks--; /* that tail was cut off */
    }
    for (size_t i = 0; i < n; i++) {
        h->log_bytes += entries[i]->size + sizeof *entries[i];
        if (g->n_marks > 0 && h->log_bytes - g->marks[g->n_marks - 1].bytes < KEEP_MARK_BYTES) {
            continue;
        }
        if (g->n_marks == KEEP_MARKS) {
            memmove(g->marks, g->marks + 1, (KEEP_MARKS - 1) * sizeof g->marks[0]);
            g->n_marks--;
        }
        g->marks[g->n_marks++] =
            (struct keep_mark){.index = entries[i]->pos.index, .bytes = h->log_bytes};
    }
}

static void add_entries(struct host_group *g, struct log_part *p, const struct raft_output *o)
{
    struct log_job *j = g->host->write;

    if (j->n_entries + o->n_append > j->cap_entries) {
        j->cap_entries = MAX_OF(j->cap_entries * 2, j->n_entries + o->n_append);
        j->entries = mem_realloc(j->entries, j->cap_entries * sizeof(struct raft_entry *));
    }
    for (size_t i = 0; i < o->n_append; i++) {
        j->entries[j->n_entries++] = raft_entry_ref(o->append[i]);
        j->bytes += o->append[i]->size;
    }
    p->n = o->n_append;
    p->last = o->append[o->n_append - 1]->pos;
    mark_log(g, o->append, o->n_append);
}

static void persist(struct host_group *g, const struct raft_output *o)
{
    bool repaired = g->suspect && !o->tail_suspect;
    int64_t now_us = g->host->now_us;
    struct log_part *p;

    if (o->hard_seq == 0 && !o->install && o->n_append == 0 && !repaired) {
        return;
    }
    p = new_part(g);
    p->hard_seq = o->hard_seq;
    p->must_sync = o->hard_seq != 0 || o->install || repaired;
    p->has_hard = o->hard_seq != 0;
    if (o->hard.commit > g->commit_saved && now_us - g->commit_saved_us > SAVE_COMMIT_US) {
        p->has_hard = true;
    }
    if (p->has_hard) {
        p->hard = o->hard;
        g->commit_saved = o->hard.commit;
        g->commit_saved_us = now_us;
    }
    if (o->install) {
        p->has_snapshot = true;
        p->snapshot = o->install_pos;
        p->members = mem_dup(o->install_members, sizeof *o->install_members);
        p->last = o->install_pos;
        assert(g->installing != NULL);
        p->received = mem_strdup(snap_in_info(g->installing)->part_path);
        g->install_pending = true;
        g->install_pos = o->install_pos;
        g->n_marks = 0;
        host_feed_stop(g);
    }
    if (repaired) {
        log_notice("Group %u: this replica has caught up with its leader", g->number);
        p->repaired = true;
        g->suspect = false;
    }
    if (o->n_append > 0) {
        add_entries(g, p, o);
    }
}

/* Files older than g->snapshot go once the owner has done with @e, which tells it of that one:
 * before, it may be about to load an older one. */
static void tidy_when_seen(struct host_group *g, struct raft_event *e)
{
    raft_event_seen_unref(g->snapshot_seen);
    g->snapshot_seen = e->seen = raft_event_seen_new();
}

void host_group_tidy(struct host_group *g)
{
    if (g->snapshot_seen != NULL && atomic_load(&g->snapshot_seen->by_owner)) {
        raft_event_seen_unref(g->snapshot_seen);
        g->snapshot_seen = NULL;
        snapshot_remove_older(g->host, g->number, g->snapshot);
    }
}

static void install_done(struct host_group *g, const struct log_part *p)
{
    struct raft_host *h = g->host;
    struct raft_event *e;

    if (!g->install_pending || p->snapshot.index != g->install_pos.index) {
        return;
    }
    g->install_pending = false;
    g->snapshot = g->install_pos;
    g->snapshot_bytes = snapshot_size(h, g->number, g->snapshot);
    g->wanted_us = 0;
    log_notice("Group %u: snapshot at index %" PRIu64 " received and installed", g->number,
               g->snapshot.index);
    if (g->installing != NULL) {
        snap_in_answer(g->installing, SNAP_IN_INSTALLED);
        g->installing = NULL;
    }
    e = host_event_new(RAFT_EV_INSTALL, g->number, 0);
    e->pos = g->snapshot;
    tidy_when_seen(g, e);
    host_push_event(h, e);
}

void host_group_written(struct host_group *g, const struct log_part *p)
{
    struct raft_input in = {.type = RAFT_IN_PERSISTED};

    if (p->created) {
        open_created(g, p);
        return;
    }
    if (p->last.index > 0) {
        g->persisted_index = p->last.index;
    }
    in.persisted.log = p->last;
    in.persisted.hard_seq = p->hard_seq;
    host_group_feed_core(g, &in);
    if (p->has_snapshot) {
        install_done(g, p);
    }
    host_group_compact(g);
}

/* ---- proposals --------------------------------------------------------------------------- */

static void reject(struct host_group *g, struct raft_entry *e)
{
    struct raft_event *ev = host_event_new(RAFT_EV_REJECTED, g->number, 0);

    ev->token = e->origin;
    ev->term = g->term;
    host_push_event(g->host, ev);
    if (e->pos.term != 0) {
        g->rejecting = true;
    }
    raft_entry_unref(e);
}

/* Takes @e when it returns true; false: its turn has not come. */
static bool try_propose(struct host_group *g, struct raft_entry *e)
{
    struct raft_host *h = g->host;
    struct raft_input in = {.type = RAFT_IN_PROPOSE, .propose = {&e, 1}};
    uint64_t term = e->pos.term;
    int rc;

    if (g->core == NULL || (term != 0 && (g->rejecting || term != g->term)) ||
        (h->disk_full && h->full_bytes > FULL_GRACE_BYTES)) {
        reject(g, e);
        return true;
    }
    e->pos.term = 0;
    rc = host_group_step(g, &in);
    if (rc == RAFT_OK) {
        if (h->disk_full) {
            h->full_bytes += e->size;
        }
        raft_entry_unref(e);
        return true;
    }
    e->pos.term = term;
    if (rc == RAFT_ERR_BUSY || rc == RAFT_ERR_TRANSFERRING) {
        return false;
    }
    reject(g, e);
    return true;
}

void host_group_propose(struct host_group *g, struct raft_entry *e)
{
    if (g->n_waiting == 0 && try_propose(g, e)) {
        return;
    }
    if (g->n_waiting == g->cap_waiting) {
        size_t cap = MAX_OF(g->cap_waiting * 2, (size_t)16);
        struct raft_entry **a = mem_alloc(cap * sizeof(struct raft_entry *));

        for (size_t i = 0; i < g->n_waiting; i++) {
            a[i] = g->waiting[(g->waiting_first + i) % g->cap_waiting];
        }
        free(g->waiting);
        g->waiting = a;
        g->cap_waiting = cap;
        g->waiting_first = 0;
    }
    g->waiting[(g->waiting_first + g->n_waiting++) % g->cap_waiting] = e;
}

static struct raft_entry *pop_waiting(struct host_group *g)
{
    struct raft_entry *e = g->waiting[g->waiting_first];

    g->waiting_first = (g->waiting_first + 1) % g->cap_waiting;
    g->n_waiting--;
    return e;
}

void host_group_drop_waiting(struct host_group *g)
{
    while (g->n_waiting > 0) {
        reject(g, pop_waiting(g));
    }
}

static void retry_waiting(struct host_group *g)
{
    while (g->n_waiting > 0 && try_propose(g, g->waiting[g->waiting_first])) {
        pop_waiting(g);
    }
}

/* ---- the other requests of the owner ------------------------------------------------------- */

void host_group_read(struct host_group *g, uint64_t token)
{
    struct raft_input in = {.type = RAFT_IN_READ, .token = token};
    struct raft_event *e;

    if (host_group_step(g, &in) != RAFT_OK) {
        e = host_event_new(RAFT_EV_READ_LOST, g->number, 0);
        e->token = token;
        host_push_event(g->host, e);
    }
}

void host_group_transfer(struct host_group *g, uint64_t node)
{
    struct raft_input in = {.type = RAFT_IN_TRANSFER, .peer = node};
    int rc = host_group_step(g, &in);
    struct raft_event *e;

    if (rc != RAFT_OK) {
        e = host_event_new(RAFT_EV_TRANSFER_FAILED, g->number, 0);
        e->error = rc;
        host_push_event(g->host, e);
    }
}

static void change_ended(struct host_group *g, int error)
{
    struct raft_event *e = host_event_new(
        error == RAFT_OK ? RAFT_EV_CHANGE_DONE : RAFT_EV_CHANGE_FAILED, g->number, 0);

    g->change_pending = false;
    e->error = error;
    host_push_event(g->host, e);
}

void host_group_change(struct host_group *g, const struct raft_members *wanted)
{
    struct raft_input in = {.type = RAFT_IN_CHANGE, .members = wanted};
    int rc = host_group_step(g, &in);

    if (rc != RAFT_OK) {
        bool pending = g->change_pending;

        change_ended(g, rc);
        g->change_pending = pending; /* an earlier one, which this does not end */
    } else {
        g->change_pending = true; /* see look_at_change() */
    }
}

static void look_at_change(struct host_group *g)
{
    struct raft_status s;

    if (g->role != RAFT_ROLE_LEADER) {
        change_ended(g, RAFT_ERR_NOT_LEADER);
        return;
    }
    raft_get_status(g->core, &s);
    if (!s.change_pending) {
        change_ended(g, RAFT_OK);
    }
}

void host_group_applied(struct host_group *g, uint64_t index)
{
    struct raft_input in = {.type = RAFT_IN_APPLIED, .index = index};

    if (index > g->applied) {
        g->applied = index;
        host_group_feed_core(g, &in);
    }
    host_feed_applied(g, index);
}

void host_group_set_priority(struct host_group *g, uint8_t priority)
{
    g->priority = priority;
    raft_set_priority(g->core, priority);
}

void host_group_unreachable(struct host_group *g, uint64_t node)
{
    struct raft_input in = {.type = RAFT_IN_UNREACHABLE, .peer = node};

    if (g->core != NULL) {
        host_group_feed_core(g, &in);
    }
}

void host_group_stalled(struct host_group *g, int64_t stalled_us)
{
    struct raft_input in = {.type = RAFT_IN_STALLED, .stalled_us = stalled_us};

    if (g->core != NULL) {
        host_group_feed_core(g, &in);
    }
}

/* ---- the log behind a peer ----------------------------------------------------------------- */

static void read_back(struct host_group *g, const struct raft_read_back *r)
{
    struct log_job *j = host_job_new(g->host, LOG_JOB_READ);

    j->group = g->number;
    j->peer = r->peer;
    j->first = r->first;
    j->bytes_max = r->bytes_max;
    host_log(g->host, j);
}

void host_group_read_done(struct host_group *g, struct log_job *j)
{
    struct raft_input in = {.type = RAFT_IN_ENTRIES};

    if (j->peer == 0) {
        host_feed_read_done(g, j);
        return;
    }
    if (j->error == WAL_ERR_DAMAGED) {
        log_warning("Group %u: entry %" PRIu64 " is unreadable; node %" PRIu64
                    " gets a snapshot instead",
                    g->number, j->first, j->peer);
    } else if (j->error == WAL_ERR_IO) {
        log_fatal("Group %u: cannot read entry %" PRIu64 " of the log", g->number, j->first);
    }
    in.entries.peer = j->peer;
    in.entries.entries = j->entries;
    in.entries.n = j->n_entries;
    in.entries.compacted = j->error == WAL_ERR_COMPACTED || j->error == WAL_ERR_DAMAGED;
    host_group_feed_core(g, &in);
}

/* ---- snapshots --------------------------------------------------------------------------- */

void host_group_want_snapshot(struct host_group *g, const char *why)
{
    struct raft_host *h = g->host;

    if (g->wanted_us != 0 && h->now_us - g->wanted_us < WANTED_EVERY_US) {
        return;
    }
    g->wanted_us = h->now_us;
    log_verbose("Group %u: a snapshot is wanted: %s", g->number, why);
    host_push_event(h, host_event_new(RAFT_EV_SNAPSHOT_WANTED, g->number, 0));
}

static void published(struct host_group *g)
{
    struct raft_event *e = host_event_new(RAFT_EV_SNAPSHOT_PUBLISHED, g->number, 0);

    e->pos = g->snapshot;
    tidy_when_seen(g, e);
    host_push_event(g->host, e);
}

uint64_t host_snapshot_limit(const struct host_group *g)
{
    uint64_t limit = g->host->config.snapshot_log_bytes;

    return limit != 0 ? limit : MAX_OF(SNAPSHOT_LOG_MIN, 2 * g->snapshot_bytes);
}

/* First entry to keep behind a snapshot at @index: a follower that lags a little should not need
 * the whole file. What is kept must leave room below the limit, or the next snapshot would be due
 * at once. */
static uint64_t keep_from(const struct host_group *g, uint64_t index)
{
    uint64_t keep = MIN_OF((uint64_t)KEEP_TAIL_BYTES, host_snapshot_limit(g) / 2);

    if (g->host->disk_full) {
        return index + 1; /* room for new writes is worth more */
    }
    for (unsigned i = 0; i < g->n_marks; i++) {
        if (g->host->log_bytes - g->marks[i].bytes <= keep) {
            return MIN_OF(g->marks[i].index, index + 1);
        }
    }
    return index + 1;
}

/* Cut the log behind the published snapshot, once the log on disk has got that far itself (others
 * may have committed its entries without us). */
void host_group_compact(struct host_group *g)
{
    struct raft_pos pos = g->published;
    struct log_job *j;

    if (pos.index == 0 || g->compacting || g->install_pending ||
        (g->persisted_index < pos.index && !g->host->disk_full)) {
        return;
    }
    j = host_job_new(g->host, LOG_JOB_COMPACT);
    if (pos.index <= g->snapshot.index || raft_term_at(g->core, pos.index) != pos.term ||
        raft_members_at(g->core, pos.index, &j->members) != RAFT_OK) {
        log_verbose("Group %u: a snapshot at %" PRIu64 " is of no use", g->number, pos.index);
        g->published.index = 0;
        host_job_done(g->host, j);
        published(g);
        return;
    }
    j->group = g->number;
    j->pos = pos;
    j->keep_from = keep_from(g, pos.index);
    j->trim = false;
    j->replace = g->persisted_index < pos.index;
    g->compacting = true;
    host_log(g->host, j);
}

void host_group_trim(struct host_group *g)
{
    struct log_job *j;

    if (g->published.index != 0 || g->compacting || g->install_pending ||
        g->persisted_index < g->snapshot.index) {
        return;
    }
    j = host_job_new(g->host, LOG_JOB_COMPACT);
    if (raft_members_at(g->core, g->snapshot.index, &j->members) != RAFT_OK) {
        host_job_done(g->host, j);
        return;
    }
    j->group = g->number;
    j->pos = g->snapshot;
    j->keep_from = g->snapshot.index + 1;
    j->trim = true;
    j->replace = false;
    g->compacting = true;
    host_log(g->host, j);
}

void host_group_snapshot_done(struct host_group *g, struct raft_pos pos)
{
    if (pos.index >= g->published.index) {
        g->published = pos;
    }
    host_group_compact(g);
}

void host_group_compacted(struct host_group *g, struct log_job *j)
{
    struct raft_input durable = {.type = RAFT_IN_PERSISTED, .persisted.log = j->pos};
    struct raft_input in = {.type = RAFT_IN_COMPACT};

    g->compacting = false;
    if (!j->skipped) {
        if (j->replace) {
            host_group_feed_core(g, &durable);
        }
        in.pos.index = j->keep_from - 1;
        in.pos.term = raft_term_at(g->core, in.pos.index);
        if (in.pos.term != 0) {
            host_group_feed_core(g, &in);
        }
        g->snapshot = j->pos;
        g->snapshot_bytes = snapshot_size(g->host, g->number, g->snapshot);
        g->wanted_us = 0;
    }
    published(g);
    if (g->published.index <= j->pos.index) {
        g->published.index = 0;
    }
    host_group_compact(g);
}

void host_group_received(struct host_group *g, struct snap_in *s)
{
    const struct snap_in_info *info = snap_in_info(s);
    struct raft_input in = {.type = RAFT_IN_SNAPSHOT};

    in.snapshot.from = info->from;
    in.snapshot.term = info->term;
    in.snapshot.pos = info->pos;
    in.snapshot.members = &info->members;
    if (g->core == NULL || g->installing != NULL || host_group_step(g, &in) != RAFT_OK) {
        snap_in_answer(s, SNAP_IN_REFUSED);
        return;
    }
    g->installing = s; /* unless the drain says that it is not needed */
}

/* ---- outputs ----------------------------------------------------------------------------- */

/* The lease falls before the term changes, and both before any message of this drain leaves. */
static void publish_lease(struct host_group *g, const struct raft_output *o)
{
    if (o->role != RAFT_ROLE_LEADER ||
        o->term != atomic_load_explicit(&g->lease_term, memory_order_relaxed)) {
        atomic_store(&g->lease_until_us, 0);
        atomic_store(&g->lease_term, o->term);
    }
    if (o->role == RAFT_ROLE_LEADER) {
        atomic_store(&g->lease_until_us, o->lease_until_us);
    }
}

static void count_cached(struct host_group *g, uint64_t bytes)
{
    if (bytes != g->cached_bytes) {
        atomic_fetch_add_explicit(&g->host->cached_bytes, bytes - g->cached_bytes,
                                  memory_order_relaxed);
        g->cached_bytes = bytes;
    }
}

static void on_role(struct host_group *g, const struct raft_output *o)
{
    struct raft_event *e = host_event_new(RAFT_EV_ROLE, g->number, 0);

    if (g->role != o->role || g->term != o->term) {
        log_verbose("Group %u: %s in term %" PRIu64 ", leader %" PRIu64, g->number,
                    raft_role_name(o->role), o->term, o->leader);
    }
    g->role = o->role;
    g->term = o->term;
    g->leader = o->leader;
    e->role = o->role;
    e->term = o->term;
    e->leader = o->leader;
    e->noop_index = o->noop_index;
    host_push_event(g->host, e);
}

static void push_tokens(struct host_group *g, enum raft_event_type type, const uint64_t *tokens,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct raft_event *e = host_event_new(type, g->number, 0);

        e->token = tokens[i];
        host_push_event(g->host, e);
    }
}

void host_group_drain(struct host_group *g)
{
    struct raft_output o;

    raft_drain(g->core, &o);
    g->status_dirty = true;
    publish_lease(g, &o);
    if (o.role_changed) {
        on_role(g, &o);
    }
    g->term = o.term;
    count_cached(g, o.cached_bytes);
    persist(g, &o);
    for (size_t i = 0; i < o.n_messages; i++) {
        host_peers_send_raft(g, &o.messages[i]);
    }
    if (o.commit > g->commit) {
        g->commit = o.commit;
        atomic_store_explicit(&g->commit_shared, o.commit, memory_order_relaxed);
    }
    push_tokens(g, RAFT_EV_READ_OK, o.reads, o.n_reads);
    push_tokens(g, RAFT_EV_READ_LOST, o.reads_lost, o.n_reads_lost);
    if (o.transfer_ended) {
        host_push_event(g->host, host_event_new(RAFT_EV_TRANSFER_FAILED, g->number, 0));
    }
    for (size_t i = 0; i < o.n_read_backs; i++) {
        read_back(g, &o.read_backs[i]);
    }
    for (size_t i = 0; i < o.n_need_snapshot; i++) {
        snap_out_start(g, o.need_snapshot[i]);
    }
    arm_timer(g, o.deadline_us);
    if (g->installing != NULL && !g->install_pending) {
        /* The core has no use for it: it got there by itself. */
        snap_in_answer(g->installing, SNAP_IN_NOT_NEEDED);
        g->installing = NULL;
    }
    if (g->change_pending) {
        look_at_change(g);
    }
    /* From here on @o is void: these may step the core. */
    host_feed_run(g);
    retry_waiting(g);
}
