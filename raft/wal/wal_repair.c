/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_repair.c - a log without damage out of a damaged one.
 *
 *     1  each damaged or missing segment is written anew, under a temporary name, from the
 *        records of it that can be read
 *     2  a fresh segment at the end says in its baselines which groups are damaged
 *     3  each damaged file gets a second name "*.damaged"; then the new one takes its place
 *
 * A crash in between leaves either the damaged log, whose damage is found again, or one whose
 * newest baselines know of it. Nothing that was unreadable is thrown away. */
#include "base/log.h"
#include "raft/wal/wal_recover.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void wal_remove_temps(const struct wal *w)
{
    DIR *dir = opendir(w->dir);
    const struct dirent *e;
    char path[WAL_PATH_BYTES];

    if (dir == NULL) {
        return; /* it could be listed before; what is left over does no harm */
    }
    while ((e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);

        if (n > 4 && strcmp(e->d_name + n - 4, ".tmp") == 0) {
            wal_path(w, e->d_name, path);
            if (unlink(path) != 0) {
                log_warning("log: cannot remove %s: %s", path, strerror(errno));
            }
        }
    }
    closedir(dir);
}

static void temp_name(char out[WAL_FORMAT_NAME_BYTES], uint64_t number)
{
    snprintf(out, WAL_FORMAT_NAME_BYTES, "%016llx.tmp", (unsigned long long)number);
}

/* Give the damaged file a second name, the first free one of "x.damaged", "x.damaged.2", ... */
static int keep_aside(const struct wal *w, uint64_t number)
{
    char name[WAL_FORMAT_NAME_BYTES];
    char aside[WAL_FORMAT_NAME_BYTES + 32];
    char from[WAL_PATH_BYTES];
    char to[WAL_PATH_BYTES];

    wal_format_name(name, number);
    wal_path(w, name, from);
    for (unsigned i = 1; i < 1000; i++) {
        snprintf(aside, sizeof aside, i == 1 ? "%s.damaged" : "%s.damaged.%u", name, i);
        wal_path(w, aside, to);
        if (link(from, to) == 0) {
            log_warning("log: the damaged segment is kept as %s", to);
            return WAL_OK;
        }
        if (errno != EEXIST) {
            log_warning("log: cannot link %s to %s: %s", from, to, strerror(errno));
            return wal_error_of(errno);
        }
    }
    return WAL_ERR_FULL;
}

static int swap_in(struct wal *w, uint64_t number, bool missing)
{
    char name[WAL_FORMAT_NAME_BYTES];
    char temp[WAL_FORMAT_NAME_BYTES];
    char from[WAL_PATH_BYTES];
    char to[WAL_PATH_BYTES];

    if (!missing) {
        int rc = keep_aside(w, number);

        if (rc != WAL_OK) {
            return rc;
        }
    }
    wal_format_name(name, number);
    temp_name(temp, number);
    wal_path(w, temp, from);
    wal_path(w, name, to);
    if (rename(from, to) != 0) {
        log_warning("log: cannot rename %s to %s: %s", from, to, strerror(errno));
        return wal_error_of(errno);
    }
    return WAL_OK;
}

/* Write the replacement of @fs (NULL: of the missing segment @number). */
static int rewrite(struct wal *w, uint64_t number, const struct found_segment *fs,
                   struct wal_buffer *buffer)
{
    struct wal_segment s;
    struct wal_reader r;
    char temp[WAL_FORMAT_NAME_BYTES];
    bool readable = false;

    temp_name(temp, number);
    if (fs != NULL && fs->good) {
        int rc = wal_load_segment(w, fs, buffer);

        if (rc != WAL_OK) {
            return rc;
        }
        readable = wal_reader_open(&r, buffer->p, buffer->n) == WAL_FORMAT_OK;
    }
    return wal_segment_salvage(w, number, readable ? &r : NULL, temp, &s);
}

/* Call @rewrite or @swap for every segment to replace. */
static int replace_all(struct wal *w, const struct found *f, struct wal_buffer *buffer, bool swap)
{
    int rc = WAL_OK;

    for (size_t i = 0; rc == WAL_OK && i < f->n; i++) {
        const struct found_segment *fs = &f->segs[i];
        uint64_t number = i > 0 ? f->segs[i - 1].number + 1 : fs->number;

        for (; rc == WAL_OK && number < fs->number; number++) {
            rc = swap ? swap_in(w, number, true) : rewrite(w, number, NULL, buffer);
        }
        if (rc == WAL_OK && fs->damaged) {
            rc = swap ? swap_in(w, number, false) : rewrite(w, number, fs, buffer);
        }
    }
    return rc;
}

/* A tail that is torn, or only in memory, in a last segment that is not damaged. */
static int settle_last(struct wal *w, const struct found_segment *fs)
{
    struct wal_segment s = {.number = fs->number, .used = fs->used, .fd = -1};
    int rc;

    wal_segment_push(w, &s);
    if (fs->damaged) {
        return WAL_OK;
    }
    rc = wal_segment_open(w, wal_current(w));
    if (rc == WAL_OK) {
        w->garbage_end = fs->content_end;
        rc = wal_clean_garbage(w);
    }
    return rc == WAL_OK ? wal_file_sync(w, wal_current(w)->fd) : rc;
}

int wal_repair(struct wal *w, const struct found *f, struct wal_buffer *buffer)
{
    const struct found_segment *last = &f->segs[f->n - 1];
    int rc;

    /* Room for the copies; it is made anew when the log is open. */
    wal_ballast_remove(w);
    rc = settle_last(w, last);
    if (rc == WAL_OK) {
        rc = replace_all(w, f, buffer, false);
    }
    if (rc == WAL_OK) {
        rc = wal_segment_create(w, last->number + 1, last->damaged ? 0 : last->used,
                                w->segment_bytes, 0);
    }
    if (rc == WAL_OK) {
        rc = replace_all(w, f, buffer, true);
    }
    if (rc == WAL_OK && w->io.sync_dir(w->io.ctx, w->dir) != 0) {
        rc = wal_fail(w, "syncing the folder");
    }
    if (rc != WAL_OK) {
        wal_remove_temps(w);
    }
    return rc;
}
