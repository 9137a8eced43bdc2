/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/loop.c - the raft thread: mail in, one turn, what has to leave at its end. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_US 50000
#define STALL_MIN_US (2 * TICK_US)
#define WANTED_CHECK_US 1000000
#define EVENT_RETRY_US 1000
#define PATIENT_US 2000
#define PATIENT_EVENTS 32
#define SPARE_JOBS 8

/* ---- the loop's watchers ------------------------------------------------------------------- */

void host_watch(struct raft_host *h, struct ev_io *w)
{
    if (!ev_is_active(w)) {
        ev_io_start(h->loop, w);
        h->loop_changed = true;
    }
}

void host_arm(struct raft_host *h, struct ev_timer *w, int64_t in_us)
{
    ev_timer_stop(h->loop, w);
    ev_timer_set(w, (double)MAX_OF(in_us, (int64_t)0) / 1e6, 0.);
    ev_timer_start(h->loop, w);
    h->loop_changed = true;
}

/* ---- events to the owner ------------------------------------------------------------------- */

struct raft_event *host_event_new(enum raft_event_type type, uint32_t group, size_t n_entries)
{
    struct raft_event *e = mem_alloc(sizeof *e + n_entries * sizeof(struct raft_entry *));

    memset(e, 0, sizeof *e);
    e->type = type;
    e->group = group;
    return e;
}

void host_push_event(struct raft_host *h, struct raft_event *e)
{
    if (h->n_events == h->cap_events) {
        h->cap_events = MAX_OF(h->cap_events * 2, (size_t)64);
        h->events = mem_realloc(h->events, h->cap_events * sizeof(struct raft_event *));
    }
    h->events[h->n_events++] = e;
}

/* No client waits for a follower to apply. Waking the owner for every single entry would cost more
 * than applying it, so those gather for a moment. */
void host_push_patient_event(struct raft_host *h, struct raft_event *e)
{
    if (h->n_patient++ == 0) {
        h->patient_since_us = h->now_us;
    }
    host_push_event(h, e);
}

static void retry_events(struct raft_host *h, int64_t in_us)
{
    if (!ev_is_active(&h->event_retry)) {
        host_arm(h, &h->event_retry, in_us);
    }
}

/* All at once; when the owner's queue has no room, as many as fit, the rest later. */
static void push_events(struct raft_host *h, bool now)
{
    size_t n = 0;

    if (h->n_events == 0) {
        return;
    }
    if (!now && h->n_patient == h->n_events && h->n_patient < PATIENT_EVENTS &&
        h->now_us - h->patient_since_us < PATIENT_US) {
        retry_events(h, PATIENT_US);
        return;
    }
    h->n_patient = 0;
    if (chan_push_all(h->config.events, (void **)h->events, h->n_events)) {
        h->n_events = 0;
        return;
    }
    while (n < h->n_events && chan_push(h->config.events, h->events[n])) {
        n++;
    }
    memmove(h->events, h->events + n, (h->n_events - n) * sizeof(struct raft_event *));
    h->n_events -= n;
    if (h->n_events > 0) {
        retry_events(h, EVENT_RETRY_US);
    }
}

/* Nothing to do: the end of the turn, which this wakes, tries again. */
static void on_event_retry(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
}

/* ---- jobs for the log thread ---------------------------------------------------------------- */

struct log_job *host_job_new(struct raft_host *h, enum log_job_type type)
{
    struct log_job *j = h->spare;

    if (j != NULL) {
        h->spare = j->next;
        h->n_spare--;
    } else {
        j = mem_zalloc(sizeof *j);
    }
    j->type = type;
    return j;
}

void host_job_done(struct raft_host *h, struct log_job *j)
{
    if (h->n_spare >= SPARE_JOBS) {
        log_job_free(j);
        return;
    }
    log_job_clear(j);
    j->next = h->spare;
    h->spare = j;
    h->n_spare++;
}

void host_log(struct raft_host *h, struct log_job *j)
{
    /* What is read or compacted must not overtake what this turn writes. */
    if (j->type != LOG_JOB_WRITE && h->write != NULL) {
        struct log_job *w = h->write;

        h->write = NULL;
        log_thread_put(h->log, w);
    }
    log_thread_put(h->log, j);
}

/* ---- mail -------------------------------------------------------------------------------- */

static void on_log_done(struct raft_host *h, struct log_job *j)
{
    struct host_group *g;

    switch (j->type) {
    case LOG_JOB_WRITE:
        for (size_t i = 0; i < j->n_parts; i++) {
            g = host_find_group(h, j->parts[i].group);
            assert(g != NULL);
            host_group_written(g, &j->parts[i]);
        }
        break;
    case LOG_JOB_READ:
        g = host_find_group(h, j->group);
        assert(g != NULL);
        host_group_read_done(g, j);
        break;
    case LOG_JOB_COMPACT:
        g = host_find_group(h, j->group);
        assert(g != NULL);
        host_group_compacted(g, j);
        break;
    }
    host_job_done(h, j);
}

/* Cut the log wherever that is possible, or ask for what makes it possible. */
static void make_room(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct host_group *g = h->groups[i];

        if (g->core == NULL) {
            continue;
        }
        host_group_trim(g);
        host_group_compact(g);
        if (g->commit > g->snapshot.index) {
            host_group_want_snapshot(g, "the disk is full");
        }
    }
}

static void on_log_full(struct raft_host *h, bool full)
{
    struct raft_event *e = host_event_new(RAFT_EV_DISK_FULL, 0, 0);

    h->disk_full = full;
    h->full_bytes = 0;
    e->full = full;
    host_push_event(h, e);
    for (size_t i = 0; full && i < h->n_groups; i++) {
        h->groups[i]->wanted_us = 0;
    }
    if (full) {
        make_room(h);
    }
}

static void on_snap_in(struct raft_host *h, struct snap_in *s)
{
    struct host_group *g = host_find_group(h, snap_in_info(s)->group);

    if (g == NULL) {
        snap_in_answer(s, SNAP_IN_REFUSED);
    } else {
        host_group_received(g, s);
    }
}

/* Mail about a group whose replica is open. */
static void on_group_mail(struct host_group *g, struct mail *m)
{
    switch ((enum mail_type)m->type) {
    case MAIL_APPLIED:
        host_group_applied(g, m->index);
        break;
    case MAIL_FEED:
        host_group_drop_waiting(g); /* made on a state that is given up */
        g->rejecting = false;
        host_feed_start(g, m->feed.index, m->feed.epoch);
        break;
    case MAIL_READ:
        host_group_read(g, m->token);
        break;
    case MAIL_TRANSFER:
        host_group_transfer(g, m->node);
        break;
    case MAIL_CHANGE:
        host_group_change(g, m->members);
        break;
    case MAIL_SNAPSHOT_DONE:
        host_group_snapshot_done(g, m->pos);
        break;
    case MAIL_PRIORITY:
        host_group_set_priority(g, m->priority);
        break;
    default:
        assert(!"no mail about a group");
    }
}

static void on_mail(struct raft_host *h, struct mail *m)
{
    struct host_group *g;

    switch ((enum mail_type)m->type) {
    case MAIL_PROPOSE:
        g = host_find_group(h, m->group);
        if (g != NULL) {
            host_group_propose(g, m->entry);
            return;
        }
        break;
    case MAIL_CREATE:
        host_group_create(h, m->group, m->create);
        break;
    case MAIL_PEERS:
        host_peers_set(h, m->peers);
        break;
    case MAIL_IDENTITY:
        h->me = *m->identity;
        host_peers_identity_changed(h);
        break;
    case MAIL_SEND:
        host_peers_send_user(h, m->send);
        break;
    case MAIL_STOP:
        h->stopping = true;
        ev_break(h->loop, EVBREAK_ALL);
        break;
    case MAIL_LOG_DONE:
        on_log_done(h, m->job);
        return;
    case MAIL_LOG_FULL:
        on_log_full(h, m->full);
        break;
    case MAIL_SNAP_IN:
        on_snap_in(h, m->snap_in);
        return;
    case MAIL_SNAP_OUT:
        snap_out_ended(h, m->snap_out);
        return;
    case MAIL_RESOLVED:
        host_peers_resolved(h, m->resolved);
        break;
    case MAIL_CLOSE:
        break; /* by host_mail_free() */
    default:
        g = host_find_group(h, m->group);
        if (g != NULL && g->core != NULL) {
            on_group_mail(g, m);
        } else if (g != NULL && m->type == MAIL_PRIORITY) {
            g->priority = m->priority; /* it is being created */
        }
        break;
    }
    host_mail_free(m);
}

void host_mail_free(struct mail *m)
{
    switch ((enum mail_type)m->type) {
    case MAIL_PROPOSE:
        raft_entry_unref(m->entry);
        break;
    case MAIL_CHANGE:
        free(m->members);
        break;
    case MAIL_CREATE:
        free(m->create);
        break;
    case MAIL_PEERS:
        free(m->peers);
        break;
    case MAIL_IDENTITY:
        free(m->identity);
        break;
    case MAIL_SEND:
        free(m->send);
        break;
    case MAIL_LOG_DONE:
        log_job_free(m->job);
        break;
    case MAIL_SNAP_IN:
        snap_in_answer(m->snap_in, SNAP_IN_REFUSED);
        break;
    case MAIL_RESOLVED:
        free(m->resolved);
        break;
    case MAIL_CLOSE:
        close(m->fd);
        break;
    default: /* an outgoing stream is the host's list's */
        break;
    }
}

static void take_mail(struct raft_host *h)
{
    struct mail *m;
    size_t n = mailbox_take(&h->mail, &m);

    for (size_t i = 0; i < n; i++) {
        on_mail(h, &m[i]);
    }
}

static void on_async(EV_P_ ev_async *w, int revents)
{
    (void)w;
    (void)revents;
    take_mail(ev_userdata(loop));
}

/* ---- turns ------------------------------------------------------------------------------- */

static void on_turn_begins(EV_P_ ev_check *w, int revents)
{
    struct raft_host *h = ev_userdata(loop);

    (void)w;
    (void)revents;
    h->now_us = clock_boot_us();
    /* The tick alone wakes the loop more often: the thread was kept from running. Before timers are
     * looked at, the groups learn that they were not listening either. */
    if (h->now_us - h->turn_us > STALL_MIN_US) {
        for (size_t i = 0; i < h->n_groups; i++) {
            host_group_stalled(h->groups[i], h->now_us - h->turn_us - TICK_US);
        }
    }
    h->turn_us = h->now_us;
}

/* Hand the turn's write to the log thread; or, when no peers are listed who would miss heartbeats
 * if the disk stood still, do it here and now. */
static void write_log(struct raft_host *h)
{
    struct mail answers[LOG_ANSWERS_HERE];
    struct log_job *w = h->write;
    size_t n = 0;

    h->write = NULL;
    if (h->alone) {
        n = log_thread_write_here(h->log, w, answers);
    }
    if (n == 0) {
        log_thread_put(h->log, w);
    }
    for (size_t i = 0; i < n; i++) {
        on_mail(h, &answers[i]);
    }
}

static void turn_end(struct raft_host *h)
{
    /* A write done here is something for its groups to act on in the same turn. */
    do {
        while (h->dirty != NULL) {
            struct host_group *g = h->dirty;

            h->dirty = g->next_dirty;
            g->dirty = false;
            host_group_drain(g);
        }
        if (h->write != NULL) {
            write_log(h);
        }
    } while (h->dirty != NULL);
    host_peers_flush(h);
    push_events(h, h->stopping);
}

static void on_turn_ends(EV_P_ ev_prepare *w, int revents)
{
    struct raft_host *h = ev_userdata(loop);

    (void)w;
    (void)revents;
    turn_end(h);
    mailbox_set_hungry(&h->mail, h->n_blocked > 0);
    h->loop_changed = false; /* the loop looks at its watchers next */
}

/* ---- turns in the owner's thread -------------------------------------------------------------
 *
 * To wake the raft thread for a batch costs more than the turn itself. So the owner does it when
 * that thread sleeps; a turn never blocks. Times of timers count from the loop's last turn, so they
 * may be early by as much as that was ago, and never late. */

static void on_sleeps(struct ev_loop *loop) EV_NOEXCEPT
{
    struct raft_host *h = ev_userdata(loop);

    pthread_mutex_unlock(&h->turn_lock);
}

static void on_wakes(struct ev_loop *loop) EV_NOEXCEPT
{
    struct raft_host *h = ev_userdata(loop);

    pthread_mutex_lock(&h->turn_lock);
}

bool host_turn_here(struct raft_host *h)
{
    bool here;

    if (pthread_mutex_trylock(&h->turn_lock) != 0) {
        return false;
    }
    here = h->running && !h->stopping;
    if (here) {
        h->now_us = clock_boot_us();
        take_mail(h);
        turn_end(h);
        mailbox_set_hungry(&h->mail, h->n_blocked > 0);
        if (h->loop_changed) {
            h->loop_changed = false;
            ev_async_send(h->loop, &h->mail.async);
        }
    }
    pthread_mutex_unlock(&h->turn_lock);
    return here;
}

/* ---- housekeeping ------------------------------------------------------------------------ */

void host_publish_group_status(struct host_group *g)
{
    pthread_mutex_lock(&g->lock);
    g->status.group = g->number;
    raft_get_status(g->core, &g->status.raft);
    g->status.snapshot_bytes = g->snapshot_bytes;
    g->status.log_span_bytes = atomic_load_explicit(&g->span_bytes, memory_order_relaxed);
    pthread_mutex_unlock(&g->lock);
    g->status_dirty = false;
    atomic_store(&g->ready, true);
}

static void publish_status(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        host_group_tidy(h->groups[i]);
        if (h->groups[i]->status_dirty && h->groups[i]->core != NULL) {
            host_publish_group_status(h->groups[i]);
        }
    }
    pthread_mutex_lock(&h->status_lock);
    host_peers_status(h, &h->status);
    h->status.disk_full = h->disk_full;
    pthread_mutex_unlock(&h->status_lock);
}

static void check_spans(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct host_group *g = h->groups[i];
        uint64_t span = atomic_load_explicit(&g->span_bytes, memory_order_relaxed);

        if (g->core == NULL || span <= host_snapshot_limit(g) || g->published.index != 0 ||
            g->compacting || g->install_pending) {
            continue;
        }
        if (g->commit > g->snapshot.index) {
            host_group_want_snapshot(g, "the log has grown");
        } else {
            host_group_trim(g);
        }
    }
}

static void on_tick(EV_P_ ev_timer *w, int revents)
{
    struct raft_host *h = ev_userdata(loop);

    (void)w;
    (void)revents;
    if (h->now_us - h->last_tick_us > h->config.election_timeout_us / 2) {
        log_warning(
            "The raft thread was held up for %lld ms: leadership may be lost when that takes "
            "longer than the election timeout",
            (long long)((h->now_us - h->last_tick_us) / 1000));
    }
    host_peers_tick(h);
    snap_out_tick(h);
    if (h->now_us - h->last_wanted_us > WANTED_CHECK_US) {
        h->last_wanted_us = h->now_us;
        check_spans(h);
        if (h->disk_full) {
            make_room(h); /* the snapshot may have failed, or not been enough */
        }
    }
    publish_status(h);
    h->last_tick_us = h->now_us;
}

/* ---- the thread -------------------------------------------------------------------------- */

void *host_main(void *arg)
{
    struct raft_host *h = arg;

    pthread_mutex_lock(&h->turn_lock);
    h->now_us = h->last_tick_us = h->turn_us = clock_boot_us();
    ev_set_userdata(h->loop, h);
    ev_set_loop_release_cb(h->loop, on_sleeps, on_wakes);
    ev_check_init(&h->check, on_turn_begins);
    ev_set_priority(&h->check, EV_MAXPRI);
    ev_check_start(h->loop, &h->check);
    ev_prepare_init(&h->prepare, on_turn_ends);
    ev_prepare_start(h->loop, &h->prepare);
    ev_timer_init(&h->tick, on_tick, TICK_US / 1e6, TICK_US / 1e6);
    ev_timer_start(h->loop, &h->tick);
    ev_timer_init(&h->event_retry, on_event_retry, 0., 0.);
    mailbox_attach(&h->mail, h->loop, on_async);
    host_peers_start(h);
    h->running = true;
    ev_run(h->loop, 0);
    h->running = false;

    /* What was taken in is still written and told of; nothing new is looked at. */
    turn_end(h);
    mailbox_detach(&h->mail);
    host_peers_stop(h);
    push_events(h, true);
    ev_timer_stop(h->loop, &h->event_retry);
    ev_timer_stop(h->loop, &h->tick);
    ev_prepare_stop(h->loop, &h->prepare);
    ev_check_stop(h->loop, &h->check);
    for (size_t i = 0; i < h->n_groups; i++) {
        ev_timer_stop(h->loop, &h->groups[i]->timer);
    }
    pthread_mutex_unlock(&h->turn_lock);
    return NULL;
}

void host_release_loop(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_events; i++) {
        raft_event_free(h->events[i]);
    }
    free(h->events);
    while (h->spare != NULL) {
        struct log_job *j = h->spare;

        h->spare = j->next;
        log_job_free(j);
    }
    if (h->write != NULL) {
        log_job_free(h->write);
    }
    for (size_t i = 0; i < h->n_groups; i++) {
        host_group_free(h->groups[i]);
    }
    h->n_groups = 0;
}
