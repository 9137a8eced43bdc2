/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal.c - the write-ahead log: open, close, append, sync, figures.
 *
 *     wal_write   lay out records -> (wal_roll) -> one pwritev -> note where the entries are
 *     wal_sync    one fdatasync of the current segment
 *     wal_roll    sync the current segment, create the next one with baselines
 *
 * A batch is never split over segments, so that one which fails for lack of room leaves nothing
 * behind: its bytes are zeroed again, and until that works nothing else is written. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/wal/wal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *wal_strerror(int error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case code:                                                                                     \
        return text;
        WAL_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

/* ---- the system's calls ------------------------------------------------------------------ */

static ssize_t sys_pwritev(void *ctx, int fd, const void *iov, int n, off_t at)
{
    (void)ctx;
    return pwritev(fd, iov, n, at);
}

static ssize_t sys_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
    (void)ctx;
    return pread(fd, p, n, at);
}

static int sys_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd);
}

static int sys_fallocate(void *ctx, int fd, int mode, off_t at, off_t n)
{
    (void)ctx;
    return fallocate(fd, mode, at, n);
}

static int sys_sync_dir(void *ctx, const char *dir)
{
    (void)ctx;
    return file_sync_dir(dir);
}

static const struct wal_io system_io = {
    .pwritev = sys_pwritev,
    .pread = sys_pread,
    .fdatasync = sys_fdatasync,
    .fallocate = sys_fallocate,
    .sync_dir = sys_sync_dir,
};

/* ---- groups ------------------------------------------------------------------------------ */

/* Where @group is in groups[], or would be. */
static size_t group_slot(const struct wal *w, uint32_t group)
{
    size_t lo = 0;
    size_t hi = w->n_groups;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (w->groups[mid]->group < group) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct wal_group_state *wal_find_group(const struct wal *w, uint32_t group)
{
    size_t at = group_slot(w, group);

    return at < w->n_groups && w->groups[at]->group == group ? w->groups[at] : NULL;
}

struct wal_group_state *wal_get_group(struct wal *w, uint32_t group)
{
    size_t at = group_slot(w, group);

    if (at < w->n_groups && w->groups[at]->group == group) {
        return w->groups[at];
    }
    if (w->n_groups == w->cap_groups) {
        w->cap_groups = w->cap_groups == 0 ? 16 : 2 * w->cap_groups;
        w->groups = mem_realloc(w->groups, w->cap_groups * sizeof(struct wal_group_state *));
    }
    memmove(w->groups + at + 1, w->groups + at,
            (w->n_groups - at) * sizeof(struct wal_group_state *));
    w->groups[at] = wal_group_new(group);
    w->n_groups++;
    return w->groups[at];
}

/* ---- open, close ------------------------------------------------------------------------- */

static struct wal *wal_new(const struct wal_config *config)
{
    struct wal *w = mem_zalloc(sizeof *w);

    w->dir = mem_strdup(config->dir);
    memcpy(w->cluster_id, config->cluster_id, sizeof w->cluster_id);
    w->cluster_id[40] = '\0';
    w->node = config->node;
    w->segment_bytes = config->segment_bytes;
    w->ballast_bytes = config->ballast_bytes;
    w->io = config->io != NULL ? *config->io : system_io;
    if (w->io.sync_dir == NULL) {
        w->io.sync_dir = sys_sync_dir;
    }
    w->zeros = mem_zalloc(WAL_ZERO_AHEAD_BYTES);
    w->read_buffer = mem_alloc(WAL_READ_BUFFER_BYTES);
    return w;
}

int wal_open(const struct wal_config *config, struct wal_recovery *rec, struct wal **out)
{
    struct wal *w;
    int rc;

    assert(config->segment_bytes > 0);
    *out = NULL;
    memset(rec, 0, sizeof *rec);
    w = wal_new(config);
    rc = wal_recover(w, rec);
    if (rc != WAL_OK) {
        wal_recovery_release(rec);
        wal_close(w);
        return rc;
    }
    if (w->ballast_bytes == 0) {
        wal_ballast_remove(w); /* an earlier configuration may have wanted one */
    } else if (!wal_ballast_create(w)) {
        log_warning("log: no room for the ballast of %llu bytes",
                    (unsigned long long)w->ballast_bytes);
    }
    *out = w;
    return WAL_OK;
}

void wal_close(struct wal *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n_segs; i++) {
        if (w->segs[i].fd >= 0) {
            close(w->segs[i].fd);
        }
    }
    for (size_t i = 0; i < w->n_groups; i++) {
        wal_group_free(w->groups[i]);
    }
    wal_batch_release(&w->batch);
    free(w->groups);
    free(w->segs);
    free(w->zeros);
    free(w->read_buffer);
    free(w->dir);
    free(w);
}

int wal_fail(struct wal *w, const char *what)
{
    log_warning("log: %s failed in %s: %s; nothing more is written", what, w->dir, strerror(errno));
    w->failed = true;
    return WAL_ERR_IO;
}

/* ---- appending --------------------------------------------------------------------------- */

int wal_clean_garbage(struct wal *w)
{
    struct wal_segment *s = wal_current(w);
    uint64_t at = s->used;

    while (at < w->garbage_end) {
        struct iovec iov = {.iov_base = w->zeros};
        uint64_t done;
        int rc;

        iov.iov_len = (size_t)MIN_OF(w->garbage_end - at, (uint64_t)WAL_ZERO_AHEAD_BYTES);
        rc = wal_file_write(w, s->fd, &iov, 1, at, &done);
        if (rc == WAL_ERR_IO) {
            return wal_fail(w, "write");
        }
        if (rc != WAL_OK) {
            return rc;
        }
        at += done;
    }
    w->garbage_end = 0;
    return WAL_OK;
}

/* No room: take back what a write left, give the ballast up for the sake of compaction. */
static int out_of_room(struct wal *w)
{
    if (!w->full) {
        log_warning("log: no space left in %s; writes wait until there is", w->dir);
    }
    w->full = true;
    wal_ballast_drop(w);
    if (w->garbage_end > 0 && wal_clean_garbage(w) == WAL_ERR_IO) {
        return WAL_ERR_IO;
    }
    return WAL_ERR_FULL;
}

/* Once full, new segments wait until the ballast has its room again: it is there for the markers
 * and snapshots that end the shortage, not for more of what caused it. */
static bool room_is_back(struct wal *w)
{
    const int64_t pause_us = 100 * 1000;
    int64_t now = clock_boot_us();

    if (w->ballast || w->ballast_bytes == 0) {
        return true;
    }
    if (now - w->ballast_tried_us < pause_us) {
        return false;
    }
    return wal_ballast_create(w);
}

static int next_segment(struct wal *w, uint64_t file_bytes, uint64_t need)
{
    const struct wal_segment *s = wal_current(w);

    return wal_segment_create(w, s->number + 1, s->used, file_bytes, need);
}

/* A segment for what is on its way, in a quarter of the ballast's room; once per shortage. */
static int roll_into_ballast(struct wal *w, uint64_t need)
{
    int rc;

    if (!w->full || w->lent || w->ballast || w->ballast_bytes / 4 < need) {
        return WAL_ERR_FULL;
    }
    if (w->dirty) {
        rc = wal_sync(w);
        if (rc != WAL_OK) {
            return rc;
        }
    }
    w->lent = true;
    rc = next_segment(w, MIN_OF(w->segment_bytes, w->ballast_bytes / 4), need);
    return rc == WAL_OK || rc == WAL_ERR_FULL || w->failed ? rc : wal_fail(w, "creating a segment");
}

bool wal_has_room(struct wal *w)
{
    if (w->full && !w->failed && room_is_back(w)) {
        w->full = false;
        w->lent = false;
    }
    return !w->full;
}

int wal_roll(struct wal *w, uint64_t need, bool reserve)
{
    int rc;

    if (w->dirty) {
        rc = wal_sync(w);
        if (rc != WAL_OK) {
            return rc;
        }
    }
    if (w->full && !reserve && !room_is_back(w)) {
        return WAL_ERR_FULL;
    }
    rc = next_segment(w, w->segment_bytes, need);
    if (rc == WAL_ERR_FULL && reserve) {
        rc = out_of_room(w);
        if (rc == WAL_ERR_FULL) {
            rc = next_segment(w, w->segment_bytes, need);
        }
        if (rc == WAL_ERR_FULL) {
            rc = next_segment(w, 0, need);
        }
    }
    if (rc == WAL_ERR_FULL) {
        return out_of_room(w);
    }
    if (rc == WAL_OK && !reserve) {
        w->full = false;
        w->lent = false;
    }
    return rc == WAL_OK || w->failed ? rc : wal_fail(w, "creating a segment");
}

int wal_append_batch(struct wal *w, uint64_t bytes)
{
    struct wal_segment *s = wal_current(w);
    uint64_t begin = s->used;
    uint64_t end = begin + bytes;
    uint64_t done;
    int rc;

    assert(w->batch.at == end);
    assert(end <= s->file_bytes);
    if (end > w->zeroed && end - w->durable < WAL_ZERO_AHEAD_BELOW) {
        uint64_t ahead = MIN_OF(s->file_bytes - end, (uint64_t)WAL_ZERO_AHEAD_BYTES);

        if (ahead > 0) {
            wal_batch_zeros(&w->batch, w->zeros, (size_t)ahead);
        }
    }
    rc = wal_file_write(w, s->fd, w->batch.iov, w->batch.n_iov, begin, &done);
    if (rc == WAL_ERR_IO) {
        return wal_fail(w, "write");
    }
    w->dirty = true;
    if (done < bytes) {
        w->garbage_end = MAX_OF(w->garbage_end, begin + done);
        return out_of_room(w);
    }
    /* Records whole, zeros perhaps not: those are only a kindness. */
    w->zeroed = MAX_OF(w->zeroed, begin + done);
    w->written_bytes += done;
    s->used = end;
    return WAL_OK;
}

/* Whether a payload is copied beside its header. */
static bool copied(const struct raft_entry *e) { return e->size <= WAL_COPY_BYTES; }

struct batch_size {
    uint64_t bytes; /* in the file */
    size_t heads;   /* for wal_batch_begin() */
    size_t records;
};

static void add_size(struct batch_size *size, enum wal_record_type type, uint32_t data, bool copy)
{
    size->bytes += WAL_RECORD_PADDED(wal_format_record_bytes(type, data));
    size->heads += WAL_BATCH_HEAD_BYTES(copy ? data : 0);
    size->records++;
}

static uint32_t members_bytes(const struct raft_members *m) { return 4 + 9 * m->n; }

static struct batch_size measure(const struct wal_write *writes, size_t n)
{
    struct batch_size size = {0};

    for (size_t i = 0; i < n; i++) {
        const struct wal_write *x = &writes[i];

        if (x->has_snapshot) {
            add_size(&size, WAL_RECORD_INSTALL, members_bytes(x->snapshot_members), true);
        }
        if (x->has_hard) {
            add_size(&size, WAL_RECORD_HARD, 0, true);
        }
        for (size_t k = 0; k < x->n_entries; k++) {
            add_size(&size, WAL_RECORD_ENTRY, x->entries[k]->size, copied(x->entries[k]));
        }
        if (x->repaired) {
            add_size(&size, WAL_RECORD_REPAIRED, 0, true);
        }
    }
    return size;
}

/* Term of the group's entry at @index once writes[0..k) and the snapshot of writes[k] are in. */
static uint64_t term_before(const struct wal *w, const struct wal_write *writes, size_t k,
                            uint64_t index)
{
    uint32_t group = writes[k].group;
    const struct wal_group_state *g;

    for (size_t i = k + 1; i-- > 0;) {
        const struct wal_write *x = &writes[i];

        if (x->group != group) {
            continue;
        }
        if (i < k && x->n_entries > 0 && index >= x->entries[0]->pos.index &&
            index - x->entries[0]->pos.index < x->n_entries) {
            return x->entries[index - x->entries[0]->pos.index]->pos.term;
        }
        if (x->has_snapshot) {
            return x->snapshot.index == index ? x->snapshot.term : 0;
        }
    }
    g = wal_find_group(w, group);
    return g != NULL ? wal_group_term_at(g, index) : 0;
}

/* Last position of the group of writes[k] once writes[0..k) and the snapshot of writes[k] are in;
 * with the entries of writes[k] too if @entries. */
static struct raft_pos last_of(const struct wal *w, const struct wal_write *writes, size_t k,
                               bool entries)
{
    const struct wal_group_state *g = wal_find_group(w, writes[k].group);

    for (size_t i = k + 1; i-- > 0;) {
        const struct wal_write *x = &writes[i];

        if (x->group != writes[k].group) {
            continue;
        }
        if (x->n_entries > 0 && (i < k || entries)) {
            return x->entries[x->n_entries - 1]->pos;
        }
        if (x->has_snapshot) {
            return x->snapshot;
        }
    }
    return g != NULL ? g->last : (struct raft_pos){0};
}

static void lay_out_one(struct wal *w, const struct wal_write *writes, size_t k)
{
    const struct wal_write *x = &writes[k];
    struct wal_batch *b = &w->batch;

    if (x->has_snapshot) {
        unsigned char members[RAFT_MEMBERS_ENCODED_MAX];
        struct wal_record r = {.group = x->group,
                               .type = WAL_RECORD_INSTALL,
                               .term = x->snapshot.term,
                               .index = x->snapshot.index,
                               .data = members};

        r.data_bytes = (uint32_t)raft_members_encode(x->snapshot_members, members);
        wal_batch_add(b, &r, true);
    }
    if (x->has_hard) {
        struct wal_record r = {.group = x->group,
                               .type = WAL_RECORD_HARD,
                               .hard_term = x->hard.term,
                               .vote = x->hard.vote,
                               .commit = x->hard.commit};

        wal_batch_add(b, &r, true);
    }
    for (size_t i = 0; i < x->n_entries; i++) {
        const struct raft_entry *e = x->entries[i];
        struct wal_record r = {.group = x->group,
                               .type = WAL_RECORD_ENTRY,
                               .detail = e->type,
                               .term = e->pos.term,
                               .index = e->pos.index,
                               .data = e->data,
                               .data_bytes = e->size};

        assert(e->pos.index > 0);
        assert(i == 0 || e->pos.index == x->entries[i - 1]->pos.index + 1);
        r.prev_term =
            i > 0 ? x->entries[i - 1]->pos.term : term_before(w, writes, k, e->pos.index - 1);
        wal_batch_add(b, &r, copied(e));
    }
    if (x->repaired) {
        struct raft_pos last = last_of(w, writes, k, true);
        struct wal_record r = {.group = x->group,
                               .type = WAL_RECORD_REPAIRED,
                               .last_term = last.term,
                               .last_index = last.index};

        wal_batch_add(b, &r, true);
    }
}

/* What is on its way to the disk is in memory too. @at: offset of the write's first record. */
static uint64_t note_one(struct wal *w, const struct wal_write *x, uint64_t segment, uint64_t at)
{
    struct wal_group_state *g = wal_get_group(w, x->group);

    if (x->has_snapshot) {
        wal_group_install(g, x->snapshot, x->snapshot_members);
        at += WAL_RECORD_PADDED(
            wal_format_record_bytes(WAL_RECORD_INSTALL, members_bytes(x->snapshot_members)));
    }
    if (x->has_hard) {
        g->hard = x->hard;
        at += WAL_RECORD_PADDED(wal_format_record_bytes(WAL_RECORD_HARD, 0));
    }
    for (size_t i = 0; i < x->n_entries; i++) {
        const struct raft_entry *e = x->entries[i];

        wal_group_append(g, e->pos, segment, at);
        at += WAL_RECORD_PADDED(wal_format_record_bytes(WAL_RECORD_ENTRY, e->size));
    }
    if (x->repaired) {
        g->damaged = false;
        at += WAL_RECORD_PADDED(wal_format_record_bytes(WAL_RECORD_REPAIRED, 0));
    }
    return at;
}

/* The writes leave no gap in any group's log: a gap is a bug of the caller, and on disk it would
 * look like damage. */
static void check_writes(const struct wal *w, const struct wal_write *writes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wal_write *x = &writes[i];
        if (x->n_entries > 0) {
            uint64_t first = x->entries[0]->pos.index;

            assert(first > 0);
            assert(first <= last_of(w, writes, i, false).index + 1);
        }
    }
}

static int write_all(struct wal *w, const struct wal_write *writes, size_t n, bool urgent)
{
    struct batch_size size;
    uint64_t segment;
    uint64_t at;
    int rc;

    if (w->failed) {
        return WAL_ERR_IO;
    }
    size = measure(writes, n);
    if (size.records == 0) {
        return WAL_OK;
    }
    check_writes(w, writes, n);
    if (w->garbage_end > 0) {
        rc = wal_clean_garbage(w);
        if (rc != WAL_OK) {
            return rc;
        }
    }
    if (size.bytes > wal_current(w)->file_bytes - wal_current(w)->used) {
        rc = wal_roll(w, size.bytes, false);
        if (rc == WAL_ERR_FULL && urgent) {
            /* A snapshot ends the shortage, as a compaction's marker does. */
            rc = n == 1 && writes[0].has_snapshot && writes[0].n_entries == 0
                     ? wal_roll(w, size.bytes, true)
                     : roll_into_ballast(w, size.bytes);
        }
        if (rc != WAL_OK) {
            return rc;
        }
    }
    wal_batch_begin(&w->batch, wal_current(w)->used, wal_current(w)->seed, w->durable, size.heads,
                    size.records);
    for (size_t i = 0; i < n; i++) {
        lay_out_one(w, writes, i);
    }
    wal_batch_end(&w->batch);
    segment = wal_current(w)->number;
    at = wal_current(w)->used;
    rc = wal_append_batch(w, size.bytes);
    if (rc != WAL_OK) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        at = note_one(w, &writes[i], segment, at);
    }
    assert(at == wal_current(w)->used);
    return WAL_OK;
}

bool wal_fits(const struct wal *w, const struct wal_write *writes, size_t n)
{
    const struct wal_segment *last = &w->segs[w->n_segs - 1];

    return !w->failed && w->garbage_end == 0 &&
           measure(writes, n).bytes <= last->file_bytes - last->used;
}

int wal_write(struct wal *w, const struct wal_write *writes, size_t n)
{
    return write_all(w, writes, n, false);
}

int wal_write_urgent(struct wal *w, const struct wal_write *writes, size_t n)
{
    return write_all(w, writes, n, true);
}

int wal_sync(struct wal *w)
{
    int rc;

    if (w->failed) {
        return WAL_ERR_IO;
    }
    if (!w->dirty) {
        return WAL_OK;
    }
    rc = wal_file_sync(w, wal_current(w)->fd);
    if (rc == WAL_OK) {
        w->dirty = false;
        w->durable = wal_current(w)->used;
    }
    return rc;
}

/* ---- figures ----------------------------------------------------------------------------- */

void wal_get_stats(const struct wal *w, struct wal_stats *out)
{
    const struct wal_segment *last = &w->segs[w->n_segs - 1];

    memset(out, 0, sizeof *out);
    out->bytes = last->base + last->used - w->segs[0].base;
    out->segments = w->n_segs;
    out->first_segment = w->segs[0].number;
    out->last_segment = last->number;
    out->syncs = w->syncs;
    out->sync_us_last = w->sync_us_last;
    out->sync_us_max = w->sync_us_max;
    out->sync_us_total = w->sync_us_total;
    out->written_bytes = w->written_bytes;
    out->full = w->full;
}
