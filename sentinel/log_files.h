/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_files.h - the files of a data directory, read from outside.
 *
 *     DIR/wal/<number>.wal                  the log; *.damaged: kept aside by a repair
 *     DIR/snapshots/g<group>-<index>-<term>.rdb
 *
 * Nothing is written and nothing is locked, so a node may be at work on them: segments and
 * snapshots may vanish (LOG_GONE: begin anew), and the end of the log may be half written. */
#ifndef SENTINEL_LOG_FILES_H
#define SENTINEL_LOG_FILES_H

#include "proto/wal_format.h"

#include <limits.h>

#define LOG_NAME_BYTES WAL_FORMAT_NAME_BYTES

struct log_segment {
    uint64_t number;
    char name[LOG_NAME_BYTES];
};

struct log_files {
    char wal[PATH_MAX];       /* the folder of the segments */
    char snapshots[PATH_MAX]; /* and that of the snapshots */
    struct log_segment *segs; /* by number, ascending */
    size_t n, cap;
    size_t n_damaged; /* files kept aside */
    uint64_t bytes;   /* of all segments, preallocation included */
};

enum log_result {
    LOG_OK = 0,
    LOG_STOPPED = -1, /* a visitor said so, or an interrupt came */
    LOG_GONE = -2,    /* a file vanished under the reader */
    LOG_FAILED = -3,  /* a complaint says why */
};

/* What is in data directory @dir (or in the folder of segments itself). LOG_OK or LOG_FAILED. */
MUST_CHECK int log_files_list(const char *dir, struct log_files *out);
void log_files_release(struct log_files *f);

/* Who looks at the log as log_walk() goes through it. Each function may be NULL. */
struct log_visitor {
    void *arg;
    const char *what; /* of the lines of progress */
    /* A segment whose header could be read. */
    void (*segment)(void *arg, const struct log_segment *s, const struct wal_segment_header *h,
                    uint64_t file_bytes);
    /* A valid record; false stops the walk. */
    bool (*record)(void *arg, const struct log_segment *s, const struct wal_record *r);
    /* Something unreadable at @offset (0: the file as a whole). The walk goes on behind it, or,
     * when @kind is WAL_TORN, ends there. */
    void (*damage)(void *arg, const struct log_segment *s, uint64_t offset, const char *why,
                   enum wal_damage kind);
};
MUST_CHECK int log_walk(const struct log_files *f, const struct log_visitor *v);

#endif
