/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_compact.c - snapshot markers, removal of segments nobody needs, and the ballast.
 *
 * A segment is needed while a group's oldest wanted entry is in it or in an earlier one; all
 * other state is in the baselines of the later ones. Segments go from the front only, oldest
 * first and each name durably before the next, so that the rest stays without a gap. */
#include "base/clock.h"
#include "base/log.h"
#include "raft/wal/wal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the ballast ------------------------------------------------------------------------- */

void wal_ballast_remove(struct wal *w)
{
    char path[WAL_PATH_BYTES];

    wal_path(w, WAL_BALLAST_NAME, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        log_warning("log: cannot remove the ballast %s: %s", path, strerror(errno));
        return;
    }
    w->ballast = false;
}

void wal_ballast_drop(struct wal *w)
{
    if (!w->ballast) {
        return;
    }
    wal_ballast_remove(w);
    w->ballast_tried_us = clock_boot_us();
    log_notice("log: gave up the ballast of %llu bytes", (unsigned long long)w->ballast_bytes);
}

bool wal_ballast_create(struct wal *w)
{
    char path[WAL_PATH_BYTES];
    struct stat st;
    int fd;

    if (w->ballast || w->ballast_bytes == 0) {
        return true;
    }
    w->ballast_tried_us = clock_boot_us();
    wal_path(w, WAL_BALLAST_NAME, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    w->ballast = (fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= w->ballast_bytes) ||
                 w->io.fallocate(w->io.ctx, fd, 0, 0, (off_t)w->ballast_bytes) == 0;
    close(fd);
    if (!w->ballast) {
        unlink(path);
    }
    return w->ballast;
}

/* ---- removal ----------------------------------------------------------------------------- */

/* Number of the oldest segment that @g needs. */
static uint64_t first_needed(const struct wal *w, const struct wal_group_state *g)
{
    return g->n_points > 0 ? g->points[0].segment : w->segs[w->n_segs - 1].number;
}

static int remove_first(struct wal *w)
{
    struct wal_segment *s = &w->segs[0];
    char name[WAL_FORMAT_NAME_BYTES];
    char path[WAL_PATH_BYTES];

    wal_format_name(name, s->number);
    wal_path(w, name, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        return wal_fail(w, "removing a segment");
    }
    if (w->io.sync_dir(w->io.ctx, w->dir) != 0) {
        return wal_fail(w, "syncing the folder");
    }
    if (s->fd >= 0) {
        close(s->fd);
        w->n_open--;
    }
    w->n_segs--;
    memmove(w->segs, w->segs + 1, w->n_segs * sizeof *w->segs);
    return WAL_OK;
}

static int remove_unneeded(struct wal *w)
{
    uint64_t keep = wal_current(w)->number;
    int rc = WAL_OK;

    for (size_t i = 0; i < w->n_groups; i++) {
        keep = MIN_OF(keep, first_needed(w, w->groups[i]));
    }
    if (w->segs[0].number >= keep) {
        return WAL_OK;
    }
    /* The marker that makes them unneeded must be durable first. */
    rc = wal_sync(w);
    while (rc == WAL_OK && w->segs[0].number < keep) {
        rc = remove_first(w);
    }
    return rc;
}

/* ---- the marker -------------------------------------------------------------------------- */

static int write_marker(struct wal *w, uint32_t group, struct raft_pos pos,
                        const struct raft_members *members, uint64_t keep_from)
{
    unsigned char encoded[RAFT_MEMBERS_ENCODED_MAX];
    struct wal_record r = {.group = group,
                           .type = WAL_RECORD_COMPACT,
                           .term = pos.term,
                           .index = pos.index,
                           .keep_from = keep_from,
                           .data = encoded};
    uint64_t bytes;
    int rc;

    r.data_bytes = (uint32_t)raft_members_encode(members, encoded);
    bytes = WAL_RECORD_PADDED(wal_format_record_bytes(WAL_RECORD_COMPACT, r.data_bytes));
    if (w->garbage_end > 0) {
        rc = wal_clean_garbage(w);
        if (rc != WAL_OK) {
            return rc;
        }
    }
    if (bytes > wal_current(w)->file_bytes - wal_current(w)->used) {
        rc = wal_roll(w, bytes, true);
        if (rc != WAL_OK) {
            return rc;
        }
    }
    wal_batch_begin(&w->batch, wal_current(w)->used, wal_current(w)->seed, w->durable,
                    WAL_BATCH_HEAD_BYTES(r.data_bytes), 1);
    wal_batch_add(&w->batch, &r, true);
    wal_batch_end(&w->batch);
    return wal_append_batch(w, bytes);
}

int wal_compact(struct wal *w, uint32_t group, struct raft_pos pos,
                const struct raft_members *members, uint64_t keep_from)
{
    struct wal_group_state *g = wal_find_group(w, group);
    int rc;

    if (w->failed) {
        return WAL_ERR_IO;
    }
    if (g == NULL || pos.index > g->last.index || keep_from > pos.index + 1) {
        return WAL_ERR_RANGE;
    }
    /* An older snapshot than the log already knows says nothing new, except perhaps that less
     * needs to be kept. */
    if (pos.index > g->snapshot.index || (pos.index == g->snapshot.index && keep_from > g->first)) {
        rc = write_marker(w, group, pos, members, keep_from);
        if (rc != WAL_OK) {
            return rc;
        }
        g->snapshot = pos;
        g->members = *members;
        wal_group_trim(g, keep_from);
    }
    rc = remove_unneeded(w);
    if (rc != WAL_OK) {
        return rc;
    }
    if (!w->ballast && wal_ballast_create(w)) {
        w->full = false;
        w->lent = false;
    }
    return WAL_OK;
}

uint64_t wal_group_span(const struct wal *w, uint32_t group)
{
    const struct wal_group_state *g = wal_find_group(w, group);
    const struct wal_segment *last = &w->segs[w->n_segs - 1];
    const struct wal_segment *s;

    if (g == NULL || g->n_points == 0) {
        return 0;
    }
    s = wal_segment_find((struct wal *)(uintptr_t)w, g->points[0].segment);
    assert(s != NULL);
    return last->base + last->used - s->base - g->points[0].offset;
}
