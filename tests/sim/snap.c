/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/snap.c - snapshots (taken here, streamed to peers) and entries read back for peers.
 *
 * A snapshot file is complete and synced before anybody hears of it. A stream may fail at any
 * time, also after the receiver got everything, and what it brings may be old when it arrives. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Start a snapshot when the log has grown (or when told to). */
void snap_consider(struct world *w, struct node *n, bool now)
{
    struct file *f;
    uint64_t from = n->mem.base.index;

    if (!n->up || n->paused || n->snapshotting || n->applied <= from) {
        return;
    }
    if (!now && (w->p.snapshot_every == 0 || n->applied - from < w->p.snapshot_every)) {
        return;
    }
    f = mem_zalloc(sizeof *f);
    f->pos = (struct raft_pos){raft_term_at(n->r, n->applied), n->applied};
    f->chain = canon_chain(w, n->applied);
    f->synced = true;
    if (f->pos.term != w->canon[n->applied].term ||
        raft_members_at(n->r, n->applied, &f->members) != RAFT_OK) {
        sim_fail(w, "snapshot", "n%" PRIu64 " does not know term and members of %" PRIu64, n->id,
                 n->applied);
    }
    n->snapshotting = true;
    world_at(w, w->now + draw_exp(w, w->p.heartbeat), EV_SNAP_TAKEN, n->i, 0, f);
}

void snap_taken(struct world *w, struct node *n, struct file *f)
{
    struct raft_input in = {.type = RAFT_IN_COMPACT};

    n->snapshotting = false;
    if (f->pos.index <= n->mem.base.index) {
        return; /* one from the leader was installed meanwhile */
    }
    TRACE(w, n, "publishes snapshot %" PRIu64 "/%" PRIu64, f->pos.term, f->pos.index);
    disk_add_file(&n->disk, f);
    disk_mark(w, n, f);
    mlog_compact(&n->mem, f->pos, f->chain);
    check_note_base(w, n, &f->members);
    in.pos = f->pos;
    if (node_step(w, n, &in) != RAFT_OK) {
        sim_fail(w, "snapshot", "n%" PRIu64 " refuses its own snapshot %" PRIu64, n->id,
                 f->pos.index);
    }
}

/* ---- streams --------------------------------------------------------------------------------- */

static struct file *newest_file(struct disk *d)
{
    struct file *best = NULL;

    for (size_t i = 0; i < d->n_files; i++) {
        if (best == NULL || d->files[i].pos.index > best->pos.index) {
            best = &d->files[i];
        }
    }
    return best;
}

void snap_stream(struct world *w, struct node *n, uint64_t peer)
{
    struct node *to = world_node(w, peer);
    struct file *f = newest_file(&n->disk);
    struct stream *s;

    if (to == NULL || to == n) {
        sim_fail(w, "snapshot", "n%" PRIu64 " wants a stream to %" PRIu64, n->id, peer);
    }
    if (n->streaming >> to->i & 1) {
        sim_fail(w, "snapshot", "n%" PRIu64 " wants a second stream to n%" PRIu64, n->id, peer);
    }
    s = mem_zalloc(sizeof *s);
    s->from = n->i;
    s->to = to->i;
    s->from_epoch = n->epoch;
    s->to_epoch = to->epoch;
    s->term = n->term;
    if (f == NULL || f->pos.index < n->mem.base.index) {
        free(s);
        sim_fail(w, "snapshot", "n%" PRIu64 " has no snapshot that reaches its log", n->id);
    }
    s->file = *f;
    s->file.synced = false;
    n->streaming |= UINT64_C(1) << to->i;
    TRACE(w, n, "streams snapshot %" PRIu64 "/%" PRIu64 " to n%" PRIu64, f->pos.term, f->pos.index,
          peer);
    world_at(w,
             w->now + w->p.delay_min + draw_exp(w, w->healing ? w->p.delay_mean : w->p.stream_mean),
             EV_STREAM_END, NOBODY, 0, s);
}

static struct stream *stream_dup(const struct stream *s) { return mem_dup(s, sizeof *s); }

void snap_stream_end(struct world *w, struct stream *s)
{
    struct node *from = &w->nodes[s->from];
    struct node *to = &w->nodes[s->to];
    bool got = from->up && from->epoch == s->from_epoch && to->up && to->epoch == s->to_epoch &&
               net_open(w, s->from, s->to) && net_open(w, s->to, s->from) &&
               (w->healing || !chance(w, w->p.snapshot_fail));

    s->failed = !got;
    if (got) {
        int64_t at =
            w->now + (w->healing || !chance(w, 150000) ? 1 : between(w, 1, 4 * w->p.timeout));

        world_at(w, at, EV_SNAP_IN, s->to, 0, stream_dup(s));
        if (!w->healing && chance(w, 50000)) { /* the last answer is lost: sent again */
            s->failed = true;
            world_at(w, at + draw_exp(w, w->p.timeout), EV_SNAP_IN, s->to, 0, stream_dup(s));
        }
    }
    if (from->up && from->epoch == s->from_epoch) {
        world_at(w, w->now + w->p.delay_min + draw_exp(w, w->p.delay_mean), EV_SNAP_SENT, s->from,
                 0, stream_dup(s));
    }
}

void snap_in(struct world *w, struct node *n, const struct stream *s)
{
    struct raft_input in = {.type = RAFT_IN_SNAPSHOT};
    struct file f = s->file;

    f.synced = w->host_bug != HOST_BUG_SNAPSHOT_UNSYNCED;
    disk_add_file(&n->disk, &f);
    TRACE(w, n, "received snapshot %" PRIu64 "/%" PRIu64 " from n%" PRIu64, f.pos.term, f.pos.index,
          w->nodes[s->from].id);
    in.snapshot.from = w->nodes[s->from].id;
    in.snapshot.term = s->term;
    in.snapshot.pos = f.pos;
    in.snapshot.members = &f.members;
    if (node_step(w, n, &in) != RAFT_OK) {
        sim_fail(w, "snapshot", "n%" PRIu64 " refuses snapshot %" PRIu64 " of a leader", n->id,
                 f.pos.index);
    }
}

/* ---- reading back ---------------------------------------------------------------------------- */

void snap_read_back(struct world *w, struct node *n, struct read_back *rb)
{
    uint64_t bytes = 0;
    size_t cap = 0;

    if (rb->first <= disk_base(&n->disk)) {
        rb->compacted = true;
    } else {
        for (uint64_t i = rb->first;; i++) {
            struct raft_entry *e = disk_read(&n->disk, i);
            struct raft_entry *c;

            if (e == NULL || (rb->n > 0 && bytes + e->size > rb->bytes_max)) {
                break;
            }
            c = raft_entry_new(e->type, e->size);
            c->pos = e->pos;
            memcpy(c->data, e->data, e->size);
            bytes += e->size;
            GROW(rb->entries, cap, rb->n + 1);
            rb->entries[rb->n++] = c;
        }
    }
    world_at(w, w->now + draw_exp(w, w->p.sync_min / 2 + 1), EV_ENTRIES, n->i, 0, rb);
}

void snap_entries(struct world *w, struct node *n, struct read_back *rb)
{
    struct raft_input in = {.type = RAFT_IN_ENTRIES};
    int rc;

    in.entries.peer = rb->peer;
    in.entries.entries = rb->entries;
    in.entries.n = rb->n;
    in.entries.compacted = rb->compacted;
    rc = node_step(w, n, &in);
    /* The peer may have left, the leadership too. */
    if (rc == RAFT_ERR_BAD_MESSAGE || rc == RAFT_ERR_CONFIG) {
        sim_fail(w, "read back", "n%" PRIu64 " refuses what it asked for: %s", n->id,
                 raft_strerror(rc));
    }
}
