/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/feed.c - committed entries to the owner, in order, through a bounded window.
 *
 * Entries come from the core's memory, or from the log when they have left it; one read at a time.
 * What was given and is not applied yet is bounded in entries, and in bytes of entries that the
 * owner did not make itself (those are the same objects it proposed). */
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A membership the owner may reach: what raft_host_members() looks at. */
static void note_members(struct host_group *g, uint64_t index, const struct raft_members *m)
{
    pthread_mutex_lock(&g->lock);
    if (g->n_configs == 0 || g->configs[g->n_configs - 1].index < index) {
        g->configs = mem_realloc(g->configs, (g->n_configs + 1) * sizeof g->configs[0]);
        g->configs[g->n_configs].index = index;
        g->configs[g->n_configs].members = *m;
        g->n_configs++;
    }
    pthread_mutex_unlock(&g->lock);
}

static void set_blocked(struct host_group *g, bool blocked)
{
    if (g->feed.blocked != blocked) {
        g->feed.blocked = blocked;
        g->host->n_blocked += blocked ? 1 : (size_t)-1;
    }
}

void host_feed_stop(struct host_group *g)
{
    set_blocked(g, false);
    g->feed.on = false;
    g->feed.reading = false;
}

/* The log does not reach back to where the owner is: it has to load the newest snapshot. */
static void send_back_to_snapshot(struct host_group *g)
{
    struct raft_event *e;

    host_feed_stop(g);
    if (g->install_pending) {
        return; /* the event comes when that snapshot is durable */
    }
    e = host_event_new(RAFT_EV_INSTALL, g->number, 0);
    e->pos = g->snapshot;
    host_push_event(g->host, e);
}

void host_feed_start(struct host_group *g, uint64_t index, uint64_t epoch)
{
    struct host_feed *f = &g->feed;
    struct raft_members m;

    f->on = !g->install_pending; /* else RAFT_EV_INSTALL asks for another start */
    f->reading = false;
    f->epoch = epoch;
    f->next = index + 1;
    f->bytes = f->entries = 0;
    f->n = 0;
    pthread_mutex_lock(&g->lock);
    g->n_configs = 0;
    pthread_mutex_unlock(&g->lock);
    if (raft_members_at(g->core, index, &m) == RAFT_OK) {
        note_members(g, index, &m);
    } else if (index < g->snapshot.index) {
        send_back_to_snapshot(g);
        return;
    } else {
        log_fatal("Group %u: the owner wants entries from %" PRIu64 " on, which do not exist",
                  g->number, index + 1);
    }
    host_feed_run(g);
}

void host_feed_applied(struct host_group *g, uint64_t index)
{
    struct host_feed *f = &g->feed;

    while (f->n > 0 && f->spans[f->first].last <= index) {
        f->bytes -= f->spans[f->first].bytes;
        f->entries -= f->spans[f->first].entries;
        f->first = (f->first + 1) % FEED_EVENTS_MAX;
        f->n--;
    }
    host_feed_run(g);
}

/* Push @e, whose entries[0..n) are references of its own already. */
static void give(struct host_group *g, struct raft_event *e, size_t n)
{
    struct host_feed *f = &g->feed;
    struct feed_span *s = &f->spans[(f->first + f->n) % FEED_EVENTS_MAX];
    struct raft_members m;

    assert(n > 0);
    assert(f->n < FEED_EVENTS_MAX);
    assert(e->entries[0]->pos.index == f->next);
    e->n_entries = n;
    e->epoch = f->epoch;
    e->pos = e->entries[n - 1]->pos;
    s->last = e->pos.index;
    s->bytes = 0;
    s->entries = n;
    for (size_t i = 0; i < n; i++) {
        const struct raft_entry *r = e->entries[i];

        if (r->origin == 0) {
            s->bytes += r->size;
        }
        if (r->type == RAFT_ENTRY_CONFIG && raft_members_decode(r->data, r->size, &m) == RAFT_OK) {
            note_members(g, r->pos.index, &m);
        }
    }
    f->bytes += s->bytes;
    f->entries += n;
    f->n++;
    f->next = s->last + 1;
    if (g->role == RAFT_ROLE_LEADER) {
        host_push_event(g->host, e);
    } else {
        host_push_patient_event(g->host, e);
    }
}

static void read_from_log(struct host_group *g)
{
    struct log_job *j = host_job_new(g->host, LOG_JOB_READ);

    j->group = g->number;
    j->peer = 0;
    j->epoch = g->feed.epoch;
    j->first = g->feed.next;
    j->bytes_max = FEED_EVENT_BYTES;
    g->feed.reading = true;
    host_log(g->host, j);
}

static bool window_is_shut(const struct host_feed *f)
{
    return f->bytes >= FEED_BYTES_MAX || f->entries >= FEED_ENTRIES_MAX || f->n == FEED_EVENTS_MAX;
}

void host_feed_run(struct host_group *g)
{
    struct host_feed *f = &g->feed;

    set_blocked(g, false);
    while (f->on && !f->reading && f->next <= g->commit) {
        size_t max, n = 0;
        struct raft_event *e;
        int rc;

        if (window_is_shut(f)) {
            set_blocked(g, true);
            return;
        }
        max = MIN_OF(g->commit - f->next + 1, FEED_ENTRIES_MAX - f->entries);
        max = MIN_OF(max, (size_t)FEED_EVENT_ENTRIES);
        e = host_event_new(RAFT_EV_COMMITTED, g->number, max);
        rc = raft_get_entries(g->core, f->next, max, FEED_EVENT_BYTES, e->entries, &n);
        if (rc == RAFT_OK && n > 0) {
            for (size_t i = 0; i < n; i++) {
                raft_entry_ref(e->entries[i]);
            }
            give(g, e, n);
            continue;
        }
        raft_event_free(e);
        if (rc == RAFT_ERR_NOT_CACHED) {
            read_from_log(g);
        } else if (rc == RAFT_ERR_COMPACTED) {
            send_back_to_snapshot(g);
        } else {
            log_fatal("Group %u: committed entry %" PRIu64 " is not to be had: %s", g->number,
                      f->next, raft_strerror(rc));
        }
    }
}

void host_feed_read_done(struct host_group *g, struct log_job *j)
{
    struct host_feed *f = &g->feed;
    struct raft_event *e;
    size_t n = 0;

    if (!f->on || !f->reading || j->epoch != f->epoch || j->first != f->next) {
        return; /* the feed was restarted */
    }
    f->reading = false;
    if (j->error == WAL_ERR_COMPACTED) {
        send_back_to_snapshot(g);
        return;
    }
    if (j->error != WAL_OK || j->n_entries == 0) {
        log_fatal("Group %u: cannot read entry %" PRIu64 " of the log: %s", g->number, j->first,
                  wal_strerror(j->error));
    }
    e = host_event_new(RAFT_EV_COMMITTED, g->number, j->n_entries);
    while (n < j->n_entries && j->entries[n]->pos.index <= g->commit) {
        e->entries[n] = raft_entry_ref(j->entries[n]);
        n++;
    }
    assert(n > 0); /* it was asked for as committed */
    give(g, e, n);
    host_feed_run(g);
}
