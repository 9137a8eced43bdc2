/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_file.c - segment files: create, open, read, write, sync.
 *
 * A segment gets its name only after its header and baselines are durable, so a file with the
 * name of a segment and without a good header was damaged, not cut short by a crash. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "raft/wal/wal_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wal_error_of(int err)
{
    return err == ENOSPC || err == EDQUOT || err == EFBIG ? WAL_ERR_FULL : WAL_ERR_IO;
}

void wal_path(const struct wal *w, const char *name, char out[WAL_PATH_BYTES])
{
    snprintf(out, WAL_PATH_BYTES, "%s/%s", w->dir, name);
}

/* Drop @n written bytes from the front of *@iov. */
static void iov_advance(struct iovec **iov, size_t *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (done > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

int wal_file_write(struct wal *w, int fd, struct iovec *iov, size_t n, uint64_t at, uint64_t *done)
{
    *done = 0;
    while (n > 0) {
        ssize_t put =
            w->io.pwritev(w->io.ctx, fd, iov, (int)MIN_OF(n, (size_t)IOV_MAX), (off_t)(at + *done));

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return wal_error_of(errno);
        }
        if (put == 0) {
            return WAL_ERR_IO; /* a file system that takes nothing and has no error */
        }
        *done += (uint64_t)put;
        iov_advance(&iov, &n, (size_t)put);
    }
    return WAL_OK;
}

int wal_file_read(struct wal *w, int fd, void *p, size_t n, uint64_t at, size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = w->io.pread(w->io.ctx, fd, (char *)p + *got, n - *got, (off_t)(at + *got));

        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return WAL_ERR_IO;
        }
        if (r == 0) {
            break;
        }
        *got += (size_t)r;
    }
    return WAL_OK;
}

int wal_file_sync(struct wal *w, int fd)
{
    int64_t begin = clock_boot_us();
    uint64_t us;

    if (w->io.fdatasync(w->io.ctx, fd) != 0) {
        return wal_fail(w, "fdatasync");
    }
    us = (uint64_t)(clock_boot_us() - begin);
    w->syncs++;
    w->sync_us_last = us;
    w->sync_us_max = MAX_OF(w->sync_us_max, us);
    w->sync_us_total += us;
    return WAL_OK;
}

/* ---- the table of segments --------------------------------------------------------------- */

void wal_segment_push(struct wal *w, const struct wal_segment *s)
{
    struct wal_segment *prev = w->n_segs > 0 ? wal_current(w) : NULL;

    assert(prev == NULL || prev->number < s->number);
    if (w->n_segs == w->cap_segs) {
        w->cap_segs = w->cap_segs == 0 ? 16 : 2 * w->cap_segs;
        w->segs = mem_realloc(w->segs, w->cap_segs * sizeof *w->segs);
        prev = w->n_segs > 0 ? wal_current(w) : NULL;
    }
    w->segs[w->n_segs] = *s;
    w->segs[w->n_segs].base = prev != NULL ? prev->base + prev->used : 0;
    w->n_segs++;
    if (s->fd >= 0) {
        w->n_open++;
    }
}

struct wal_segment *wal_segment_find(struct wal *w, uint64_t number)
{
    size_t lo = 0;
    size_t hi = w->n_segs;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (w->segs[mid].number < number) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < w->n_segs && w->segs[lo].number == number ? &w->segs[lo] : NULL;
}

int wal_segment_open(struct wal *w, struct wal_segment *s)
{
    char name[WAL_FORMAT_NAME_BYTES];
    char path[WAL_PATH_BYTES];

    if (s->fd >= 0) {
        return WAL_OK;
    }
    for (size_t i = 0; i + 1 < w->n_segs && w->n_open >= WAL_OPEN_FILES_MAX; i++) {
        if (w->segs[i].fd >= 0) {
            close(w->segs[i].fd);
            w->segs[i].fd = -1;
            w->n_open--;
        }
    }
    wal_format_name(name, s->number);
    wal_path(w, name, path);
    s->fd = open(path, O_RDWR | O_CLOEXEC);
    if (s->fd < 0) {
        log_warning("log: cannot open %s: %s", path, strerror(errno));
        return WAL_ERR_IO;
    }
    w->n_open++;
    return WAL_OK;
}

void wal_segment_drop_fd(struct wal_segment *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

/* ---- making one -------------------------------------------------------------------------- */

static void fill_header(const struct wal *w, struct wal_segment_header *h, uint64_t number)
{
    memset(h, 0, sizeof *h);
    h->version = WAL_FORMAT_VERSION;
    memcpy(h->cluster_id, w->cluster_id, sizeof h->cluster_id);
    h->node = w->node;
    h->number = number;
    h->created_ms = (uint64_t)clock_wall_ms();
    rand_bytes(&h->salt, sizeof h->salt);
}

/* One baseline per group into the batch, whose first record goes to WAL_RECORDS_AT. */
static void add_baselines(struct wal *w, uint32_t seed)
{
    unsigned char members[RAFT_MEMBERS_ENCODED_MAX];
    size_t heads = w->n_groups * WAL_BATCH_HEAD_BYTES(RAFT_MEMBERS_ENCODED_MAX);

    wal_batch_begin(&w->batch, WAL_RECORDS_AT, seed, WAL_RECORDS_AT, heads, w->n_groups);
    for (size_t i = 0; i < w->n_groups; i++) {
        const struct wal_group_state *g = w->groups[i];
        struct wal_record r = {
            .group = g->group,
            .type = WAL_RECORD_BASELINE,
            .detail = g->damaged ? WAL_BASELINE_DAMAGED : 0,
            .hard_term = g->hard.term,
            .vote = g->hard.vote,
            .commit = g->hard.commit,
            .term = g->snapshot.term,
            .index = g->snapshot.index,
            .keep_from = g->first,
            .last_term = g->last.term,
            .last_index = g->last.index,
            .data = members,
        };

        r.data_bytes = (uint32_t)raft_members_encode(&g->members, members);
        wal_batch_add(&w->batch, &r, true);
    }
    wal_batch_end(&w->batch);
}

/* Size the file @fd now, so that later syncs have no metadata to write. */
static int preallocate(struct wal *w, int fd, uint64_t bytes)
{
    if (w->io.fallocate(w->io.ctx, fd, 0, 0, (off_t)bytes) == 0) {
        return WAL_OK;
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
        return ftruncate(fd, (off_t)bytes) == 0 ? WAL_OK : wal_error_of(errno);
    }
    return wal_error_of(errno);
}

/* Write header @h and the batch behind it into the new file @path, durable but for its name. */
static int write_new(struct wal *w, const char *path, const struct wal_segment_header *h,
                     int *fd_out)
{
    unsigned char head[WAL_RECORDS_AT];
    struct iovec iov = {.iov_base = head, .iov_len = sizeof head};
    uint64_t done;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0) {
        log_warning("log: cannot create %s: %s", path, strerror(errno));
        return wal_error_of(errno);
    }
    wal_format_put_header(head, h);
    rc = preallocate(w, fd, h->file_bytes);
    if (rc == WAL_OK) {
        rc = wal_file_write(w, fd, &iov, 1, 0, &done);
    }
    if (rc == WAL_OK) {
        rc = wal_file_write(w, fd, w->batch.iov, w->batch.n_iov, WAL_RECORDS_AT, &done);
    }
    if (rc == WAL_OK) {
        rc = wal_file_sync(w, fd);
    }
    if (rc != WAL_OK) {
        log_warning("log: cannot write %s: %s", path, wal_strerror(rc));
        close(fd);
        unlink(path);
        return rc;
    }
    *fd_out = fd;
    return WAL_OK;
}

int wal_segment_create(struct wal *w, uint64_t number, uint64_t prev_end, uint64_t file_bytes,
                       uint64_t need)
{
    struct wal_segment_header h;
    struct wal_segment s = {.number = number, .fd = -1};
    char name[WAL_FORMAT_NAME_BYTES];
    char path[WAL_PATH_BYTES];
    char temp[WAL_PATH_BYTES];
    int rc;

    fill_header(w, &h, number);
    s.seed = wal_format_seed(&h);
    add_baselines(w, s.seed);
    h.prev_end = prev_end;
    h.n_baselines = (uint32_t)w->n_groups;
    h.records_end = w->batch.at;
    h.file_bytes = MAX_OF(file_bytes, h.records_end + need);
    s.records_at = s.used = h.records_end;
    s.file_bytes = h.file_bytes;

    wal_format_name(name, number);
    wal_path(w, name, path);
    wal_path(w, "new.tmp", temp);
    rc = write_new(w, temp, &h, &s.fd);
    if (rc != WAL_OK) {
        return rc;
    }
    if (rename(temp, path) != 0) {
        rc = wal_error_of(errno);
        log_warning("log: cannot rename %s: %s", temp, strerror(errno));
        close(s.fd);
        unlink(temp);
        return rc;
    }
    if (w->io.sync_dir(w->io.ctx, w->dir) != 0) {
        close(s.fd);
        return wal_fail(w, "syncing the folder");
    }
    wal_segment_push(w, &s);
    w->written_bytes += h.records_end;
    w->durable = h.records_end;
    w->zeroed = h.records_end;
    w->garbage_end = 0;
    w->dirty = false;
    return WAL_OK;
}

/* Count what the readable records of @from need, or lay them out. */
static void salvage_records(struct wal *w, struct wal_reader *from, bool add, size_t *heads,
                            size_t *n)
{
    struct wal_record r;
    enum wal_read got;

    from->at = WAL_RECORDS_AT;
    *heads = *n = 0;
    while ((got = wal_reader_next(from, &r)) != WAL_READ_END) {
        if (got == WAL_READ_INVALID) {
            if (!wal_reader_resync(from)) {
                break;
            }
            continue;
        }
        *heads += WAL_BATCH_HEAD_BYTES(0);
        (*n)++;
        if (add) {
            wal_batch_add(&w->batch, &r, false);
        }
    }
}

int wal_segment_salvage(struct wal *w, uint64_t number, struct wal_reader *from, const char *temp,
                        struct wal_segment *out)
{
    struct wal_segment_header h;
    char path[WAL_PATH_BYTES];
    size_t heads = 0;
    size_t n = 0;
    int rc;

    fill_header(w, &h, number);
    h.flags = WAL_SEGMENT_SALVAGED;
    if (from != NULL) {
        h.prev_end = from->header.prev_end;
        h.n_baselines = from->header.n_baselines;
        salvage_records(w, from, false, &heads, &n);
    }
    memset(out, 0, sizeof *out);
    out->number = number;
    out->seed = wal_format_seed(&h);
    out->flags = h.flags;
    wal_batch_begin(&w->batch, WAL_RECORDS_AT, out->seed, WAL_RECORDS_AT, heads, n);
    if (from != NULL) {
        salvage_records(w, from, true, &heads, &n);
    }
    wal_batch_end(&w->batch);
    h.records_end = w->batch.at;
    h.file_bytes = w->batch.at;
    out->used = out->file_bytes = out->records_at = w->batch.at;
    wal_path(w, temp, path);
    rc = write_new(w, path, &h, &out->fd);
    if (rc == WAL_OK) {
        close(out->fd);
    }
    out->fd = -1;
    return rc;
}
