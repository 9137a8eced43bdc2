/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_recover.h - private to raft/wal: what recovery and repair share. */
#ifndef RAFT_WAL_RECOVER_H
#define RAFT_WAL_RECOVER_H

#include "raft/wal/wal_int.h"

/* A segment as it was found on disk. */
struct found_segment {
    uint64_t number; /* from its name */
    bool good;       /* .header is readable and has the same number */
    bool damaged;
    struct wal_segment_header header;
    uint32_t seed;
    uint64_t file_bytes;
    uint64_t used;        /* end of its records */
    uint64_t content_end; /* a torn tail reaches up to here; 0: none */
};

struct found {
    struct found_segment *segs; /* ascending */
    size_t n;
};

/* A whole segment in memory; reused. */
struct wal_buffer {
    unsigned char *p;
    size_t n, cap;
};

struct replay {
    struct wal *w;
    bool oldest; /* in the first segment */
    bool torn;
    uint64_t losses;
    uint64_t records, bytes;
    char damage[256]; /* the first loss */
    struct wal_buffer buffer;
};

MUST_CHECK int wal_load_segment(struct wal *w, const struct found_segment *fs,
                                struct wal_buffer *b);
void wal_segment_drop_fd(struct wal_segment *s); /* close it if open; wal_file.c */

/* Make a log without damage of a damaged one (wal_repair.c). */
MUST_CHECK int wal_repair(struct wal *w, const struct found *f, struct wal_buffer *buffer);
void wal_remove_temps(const struct wal *w);

#endif
