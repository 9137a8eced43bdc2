/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/disk.c - the disk of a node: one sequence of records, as the write-ahead log is.
 *
 * A record is queued (asked for by the core), then written (in the page cache), then synced
 * (applied to struct disk.log, .hard). kill -9 loses what is queued, but for a random prefix; a
 * power failure loses what is not synced, but for a random prefix, so that a write may be torn.
 * What a restart finds has been synced by the recovery.
 *
 *   queue --start_write()--> written --sync, takes a drawn time--> synced --EV_PERSISTED--> core
 */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static uint64_t rec_end(const struct disk *d) { return d->first + d->n; }

static void rec_release(struct rec *r)
{
    raft_entry_unref(r->entry);
    free(r->members);
}

void disk_release(struct disk *d)
{
    for (size_t i = 0; i < d->n; i++) {
        rec_release(&d->recs[i]);
    }
    free(d->recs);
    free(d->jobs);
    free(d->files);
    mlog_release(&d->log);
    memset(d, 0, sizeof *d);
}

void disk_format(struct world *w, struct node *n, bool member)
{
    struct disk *d = &n->disk;

    memset(d, 0, sizeof *d);
    if (!member && w->base.index > 0) {
        mlog_reset(&d->log, (struct raft_pos){0, 0}, 0);
        return;
    }
    /* A log from the very beginning begins with the members it began with. */
    mlog_reset(&d->log, w->base, 1);
    d->members = w->initial;
    if (w->base.index > 0) {
        struct file f = {w->base, 1, w->initial, true};

        d->hard = (struct raft_hard_state){.term = w->base.term, .commit = w->base.index};
        disk_add_file(d, &f);
    }
    n->hard_last = d->hard;
}

/* ---- files ----------------------------------------------------------------------------------- */

struct file *disk_file(struct disk *d, struct raft_pos pos)
{
    for (size_t i = 0; i < d->n_files; i++) {
        if (d->files[i].pos.index == pos.index && d->files[i].pos.term == pos.term) {
            return &d->files[i];
        }
    }
    return NULL;
}

void disk_add_file(struct disk *d, const struct file *f)
{
    struct file *old = disk_file(d, f->pos);

    if (old != NULL) {
        old->synced |= f->synced;
        return;
    }
    GROW(d->files, d->cap_files, d->n_files + 1);
    d->files[d->n_files++] = *f;
}

/* Files behind the synced marker are not needed again. */
static void drop_files(struct disk *d)
{
    size_t k = 0;

    for (size_t i = 0; i < d->n_files; i++) {
        if (d->files[i].pos.index >= d->log.base.index) {
            d->files[k++] = d->files[i];
        }
    }
    d->n_files = k;
}

/* ---- records --------------------------------------------------------------------------------- */

static void rec_apply(struct world *w, struct node *n, const struct rec *r)
{
    struct disk *d = &n->disk;

    switch (r->kind) {
    case REC_HARD:
        d->hard = r->hard;
        check_hard_synced(w, n, &r->hard);
        break;
    case REC_ENTRY:
        mlog_put(&d->log, r->entry);
        break;
    case REC_MARK:
        if (r->pos.index > d->log.base.index) {
            mlog_compact(&d->log, r->pos, r->chain);
            d->members = *r->members;
            drop_files(d);
        }
        break;
    case REC_INSTALL:
        mlog_reset(&d->log, r->pos, r->chain);
        d->members = *r->members;
        drop_files(d);
        break;
    }
}

/* Records below number @end become part of the synced state. */
static void apply_until(struct world *w, struct node *n, uint64_t end)
{
    struct disk *d = &n->disk;
    size_t k = 0;

    while (k < d->n && d->first + k < end && !d->recs[k].lost) {
        rec_apply(w, n, &d->recs[k]);
        rec_release(&d->recs[k]);
        k++;
    }
    if (k > 0) {
        memmove(d->recs, d->recs + k, (d->n - k) * sizeof *d->recs);
        d->n -= k;
        d->first += k;
    }
}

static struct rec *rec_add(struct disk *d, enum rec_kind kind)
{
    GROW(d->recs, d->cap, d->n + 1);
    d->recs[d->n] = (struct rec){.kind = kind};
    return &d->recs[d->n++];
}

static struct job *job_add(struct disk *d)
{
    GROW(d->jobs, d->cap_jobs, d->n_jobs + 1);
    d->jobs[d->n_jobs] = (struct job){.end = rec_end(d)};
    return &d->jobs[d->n_jobs++];
}

static void start_write(struct world *w, struct node *n);

void disk_enqueue(struct world *w, struct node *n, const struct raft_output *out)
{
    struct disk *d = &n->disk;
    struct raft_pos log = {0, 0};
    struct job *j;
    struct rec *r;

    if (!out->install && out->hard_seq == 0 && out->n_append == 0) {
        return;
    }
    if (out->install) {
        struct file *f = disk_file(d, out->install_pos);

        r = rec_add(d, REC_INSTALL);
        r->pos = log = out->install_pos;
        r->chain = f->chain;
        r->members = mem_dup(out->install_members, sizeof *out->install_members);
    }
    if (out->hard_seq > 0) {
        check_hard(w, n, &out->hard);
        r = rec_add(d, REC_HARD);
        r->hard = out->hard;
    }
    for (size_t i = 0; i < out->n_append; i++) {
        r = rec_add(d, REC_ENTRY);
        r->entry = raft_entry_ref(out->append[i]);
        r->pos = log = out->append[i]->pos;
    }
    j = job_add(d);
    j->log = log;
    j->hard_seq = out->hard_seq;
    if (out->hard_seq > 0 && d->syncing != 0 && chance(w, 200000)) {
        /* A moment that chance alone would seldom hit: the sync of what was written in the old
         * term ends just after the first words of the new one, which have to wait for the next. */
        world_at(w, w->now + draw_exp(w, w->p.delay_min), EV_SYNC_DONE, n->i, ++d->sync_gen, NULL);
    }
    start_write(w, n);
}

void disk_mark(struct world *w, struct node *n, const struct file *f)
{
    struct disk *d = &n->disk;
    struct rec *r = rec_add(d, REC_MARK);

    r->pos = f->pos;
    r->chain = f->chain;
    r->members = mem_dup(&f->members, sizeof f->members);
    job_add(d);
    start_write(w, n);
}

/* ---- writing and syncing --------------------------------------------------------------------- */

static void report(struct world *w, struct node *n, struct raft_pos log, uint64_t hard_seq)
{
    struct raft_input *in;
    int64_t at = w->now + draw_exp(w, w->p.answer_mean + 1);
    bool late = !w->healing && chance(w, w->p.answer_late);

    if (log.index == 0 && hard_seq == 0) {
        return;
    }
    in = mem_zalloc(sizeof *in);
    in->type = RAFT_IN_PERSISTED;
    in->persisted.log = log;
    in->persisted.hard_seq = hard_seq;
    at += late ? between(w, 0, w->p.heartbeat) : 0;
    /* The log thread's answers come in the order of its work. */
    at = MAX_OF(at, n->persisted_last_at);
    n->persisted_last_at = at;
    world_at(w, at, EV_PERSISTED, n->i, 0, in);
}

/* Answer the jobs below record @end, in order: whole ones only, so that an answer about entries
 * never comes before that about the hard state they were put out with. Unless all is @synced, a
 * job with a hard state must wait, and those behind it. */
static void report_until(struct world *w, struct node *n, uint64_t end, bool synced)
{
    struct disk *d = &n->disk;
    struct raft_pos log = {0, 0};
    uint64_t hard_seq = 0;
    size_t k = 0;

    for (; k < d->n_jobs && d->jobs[k].end <= end; k++) {
        const struct job *j = &d->jobs[k];

        if (!synced && j->hard_seq > 0) {
            break;
        }
        log = j->log.index > 0 ? j->log : log;
        hard_seq = j->hard_seq > 0 ? j->hard_seq : hard_seq;
    }
    if (k > 0) {
        memmove(d->jobs, d->jobs + k, (d->n_jobs - k) * sizeof *d->jobs);
        d->n_jobs -= k;
    }
    report(w, n, log, hard_seq);
}

static bool has_hard(const struct disk *d, uint64_t end)
{
    for (size_t i = 0; i < d->n && d->first + i < end; i++) {
        if (d->recs[i].kind == REC_HARD) {
            return true;
        }
    }
    return false;
}

static void start_sync(struct world *w, struct node *n)
{
    struct disk *d = &n->disk;
    int64_t t = w->p.sync_min + draw_exp(w, w->p.sync_mean);

    if (w->now < d->slow_until) {
        t = MIN_OF(t * d->slow_factor, 5 * w->p.timeout);
    }
    d->syncing = d->written;
    d->sync_again = false;
    world_at(w, w->now + t, EV_SYNC_DONE, n->i, ++d->sync_gen, NULL);
}

/* The log thread is free: it writes what is queued, and syncs unless the mode says otherwise. */
static void start_write(struct world *w, struct node *n)
{
    struct disk *d = &n->disk;

    if (d->syncing != 0) {
        return; /* one thread: it waits for its sync */
    }
    d->written = rec_end(d);
    if (d->written == d->first) {
        return;
    }
    if (w->p.everysec || w->host_bug == HOST_BUG_ACK_BEFORE_SYNC) {
        report_until(w, n, d->written, false);
    }
    if (w->host_bug == HOST_BUG_VOTE_BEFORE_SYNC) {
        report_until(w, n, d->written, true);
    }
    if (!w->p.everysec || d->sync_again || has_hard(d, d->written)) {
        start_sync(w, n);
    }
}

void disk_everysec(struct world *w, struct node *n)
{
    n->disk.sync_again = true;
    start_write(w, n);
    world_at(w, w->now + 4 * w->p.timeout, EV_EVERYSEC, n->i, 0, NULL);
}

void disk_sync_done(struct world *w, struct node *n)
{
    struct disk *d = &n->disk;
    uint64_t end = d->syncing;

    d->syncing = 0;
    if (d->fail_next) {
        d->fail_next = false;
        if (w->host_bug != HOST_BUG_RETRY_FAILED_SYNC) {
            /* The pages are dropped, whole or in part: only a restart finds out what is left. */
            TRACE(w, n, "sync failed, the process ends");
            fault_crash(w, n, CRASH_POWER, false);
            return;
        }
        for (size_t i = 0; i < d->n && d->first + i < end; i++) {
            d->recs[i].lost = true;
        }
        TRACE(w, n, "sync failed, tried again");
    }
    apply_until(w, n, end);
    report_until(w, n, end, true);
    start_write(w, n);
}

/* ---- what a reader finds --------------------------------------------------------------------- */

struct raft_entry *disk_read(const struct disk *d, uint64_t index)
{
    for (size_t i = d->n; i > 0; i--) {
        const struct rec *r = &d->recs[i - 1];

        if (r->kind == REC_ENTRY && r->pos.index == index) {
            return r->entry;
        }
        if (r->kind == REC_INSTALL || (r->kind == REC_ENTRY && r->pos.index < index)) {
            /* Cut here, and nothing behind it brought the index back; or a run that ends below
             * it, which also means that it was cut. */
            return NULL;
        }
    }
    return mlog_at(&d->log, index);
}

uint64_t disk_base(const struct disk *d)
{
    uint64_t base = d->log.base.index;

    for (size_t i = 0; i < d->n; i++) {
        const struct rec *r = &d->recs[i];

        if (r->kind == REC_INSTALL || (r->kind == REC_MARK && r->pos.index > base)) {
            base = r->pos.index;
        }
    }
    return base;
}

/* Is the core's log up to @index sure to be found after whatever crash the mode must survive?
 * (always: a power failure; everysec: a kill.) No write under way may cut it, since a crash may
 * come between the cut and what is to follow it. */
bool disk_holds(const struct world *w, const struct node *n, uint64_t index)
{
    const struct disk *d = &n->disk;
    uint64_t safe = w->p.everysec ? d->written : d->first;
    uint64_t last = mlog_last(&d->log).index;

    for (size_t i = 0; i < d->n; i++) {
        const struct rec *r = &d->recs[i];

        if (r->kind == REC_HARD) {
            continue;
        }
        if (d->first + i < safe) {
            last = r->kind == REC_MARK ? MAX_OF(last, r->pos.index) : r->pos.index;
        } else if ((r->kind == REC_ENTRY && r->pos.index <= index) ||
                   (r->kind == REC_INSTALL && r->pos.index < index)) {
            return false;
        }
    }
    return index <= last;
}

/* ---- crashes --------------------------------------------------------------------------------- */

void disk_crash(struct world *w, struct node *n, enum crash_kind kind, bool keep_nothing)
{
    struct disk *d = &n->disk;
    uint64_t lo = kind == CRASH_KILL ? MAX_OF(d->written, d->first) : d->first;
    uint64_t hi = kind == CRASH_KILL ? rec_end(d) : MAX_OF(d->written, d->first);
    uint64_t keep = keep_nothing || chance(w, 400000) ? lo
                    : chance(w, 300000)               ? hi
                                                      : lo + rng_below(&w->rng, hi - lo + 1);
    size_t k = 0;

    if (kind == CRASH_KILL) {
        for (size_t i = 0; i < d->n; i++) {
            d->recs[i].lost = false; /* still in the page cache */
        }
    }
    apply_until(w, n, keep);
    for (size_t i = 0; i < d->n; i++) {
        rec_release(&d->recs[i]);
    }
    d->first = rec_end(d);
    d->n = 0;
    d->written = d->first;
    d->syncing = 0;
    d->sync_gen++;
    d->n_jobs = 0;
    d->fail_next = false;
    if (w->host_bug == HOST_BUG_VOTE_NOT_RESTORED) {
        d->hard.vote = RAFT_NONE;
    }
    n->hard_last = d->hard;
    for (size_t i = 0; i < d->n_files; i++) {
        if (d->files[i].synced || kind == CRASH_KILL) {
            d->files[k++] = d->files[i];
        }
    }
    d->n_files = k;
    TRACE(w, n, "disk after the crash: term %" PRIu64 " vote %" PRIu64 " log %" PRIu64 "..%" PRIu64,
          d->hard.term, d->hard.vote, d->log.base.index, mlog_last(&d->log).index);
}

void disk_damage(struct world *w, struct node *n)
{
    struct mlog *l = &n->disk.log;
    uint64_t from;

    if (l->n > 0) {
        from = l->base.index + 1 + rng_below(&w->rng, l->n);
        TRACE(w, n, "damage: the log is gone from %" PRIu64 " on", from);
        mlog_cut(l, from);
    }
}
