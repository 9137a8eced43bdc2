/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal.h - the write-ahead log of a node: one sequence of segments for all its groups.
 *
 * Owned by the log thread. Writes are appended by wal_write() and made durable, all at once, by
 * wal_sync(). Formats are in proto/wal_format.h, so that tools can read a log without this code.
 * A write or sync that failed with WAL_ERR_IO leaves the log unusable: the process ends; an
 * fsync is never tried again (Rebello et al., "Can Applications Recover from fsync Failures?").
 *
 * Damage (an unreadable record that is no torn tail) never ends a log: what is readable stays,
 * groups that may have lost something are reported, the damaged file is kept as "*.damaged". */
#ifndef RAFT_WAL_H
#define RAFT_WAL_H

#include "raft/entry.h"
#include "raft/raft.h"

#include <sys/types.h>

#define WAL_ERRORS(X)                                                                              \
    X(WAL_OK, 0, "ok")                                                                             \
    X(WAL_ERR_IO, -1, "input/output error")                                                        \
    X(WAL_ERR_FULL, -2, "no space left on device")                                                 \
    X(WAL_ERR_FOREIGN, -3, "belongs to another cluster or node")                                   \
    X(WAL_ERR_VERSION, -4, "written by a newer version")                                           \
    X(WAL_ERR_DAMAGED, -5, "damaged beyond what peers can repair")                                 \
    X(WAL_ERR_COMPACTED, -6, "entry is no longer in the log")                                      \
    X(WAL_ERR_NOMEM, -7, "out of memory")                                                          \
    X(WAL_ERR_RANGE, -8, "no such entry")
enum wal_error {
#define X(name, code, text) name = (code),
    WAL_ERRORS(X)
#undef X
};
const char *wal_strerror(int error);

/* System calls of the log, replaceable for fault tests. Each returns as the system call does. */
struct wal_io {
    ssize_t (*pwritev)(void *ctx, int fd, const void *iov, int n, off_t at);
    ssize_t (*pread)(void *ctx, int fd, void *p, size_t n, off_t at);
    int (*fdatasync)(void *ctx, int fd);
    int (*fallocate)(void *ctx, int fd, int mode, off_t at, off_t n);
    int (*sync_dir)(void *ctx, const char *dir); /* NULL: file_sync_dir() */
    void *ctx;
};

struct wal_config {
    const char *dir;         /* exists; holds only the log */
    char cluster_id[41];     /* 40 hex digits */
    uint64_t node;           /* this node's number */
    uint64_t segment_bytes;  /* preallocated size of a segment, e.g. 64 MiB */
    uint64_t ballast_bytes;  /* a file deleted when the disk is full, so that compaction can
                              * work; recreated when there is room again. 0: none */
    const struct wal_io *io; /* NULL: the system's */
};

/* What one group's records say after recovery. */
struct wal_group {
    uint32_t group;
    struct raft_restore restore; /* arrays belong to the recovery */
    bool damaged;                /* a record that had once been durable is unreadable; entries from
                                  * the damage on are not in .restore and will be overwritten. Stays
                                  * so over restarts until wal_write.repaired. Then also
                                  * .restore.tail_suspect. */
};
struct wal_recovery {
    struct wal_group *groups;
    size_t n_groups;
    uint64_t records, bytes, segments;
    bool torn_tail; /* the last write was incomplete and has been cut off: normal after a crash */
    bool lost_records; /* damage was found at this start: a group that is not in .groups may have
                        * had records too; one that should be there must be taken for damaged */
    char damage[256];  /* where, for the log line; "" when none */
};

struct wal; /* opaque */

/* Open or create the log. On success *@out is the caller's (wal_close()) and @rec is filled
 * (wal_recovery_release()). Errors: all of the above except COMPACTED, RANGE; a log line says
 * which file and why; nothing on disk is changed then. */
MUST_CHECK int wal_open(const struct wal_config *config, struct wal_recovery *rec,
                        struct wal **out);
void wal_recovery_release(struct wal_recovery *rec);
void wal_close(struct wal *w); /* no sync; NULL is allowed */

/* One group's part of a write, in the order: snapshot marker, hard state, entries. */
struct wal_write {
    uint32_t group;
    bool has_snapshot; /* a snapshot received from the leader replaces the log */
    struct raft_pos snapshot;
    const struct raft_members *snapshot_members;
    bool has_hard;
    struct raft_hard_state hard;
    bool repaired; /* the group has all it once acknowledged again (it caught up with a leader's
                    * log): wal_group.damaged is not to be reported any more */
    struct raft_entry *const *entries; /* consecutive; the first may overwrite (cut) the tail */
    size_t n_entries;
};

/* Append @n writes (one pwritev where it fits a segment). Not durable before wal_sync().
 * FULL: nothing was appended (the log stays usable), the ballast may have been given up. */
MUST_CHECK int wal_write(struct wal *w, const struct wal_write *writes, size_t n);
/* Whether wal_write() would do no more than append to the current segment: a new one takes syncs.
 */
MUST_CHECK bool wal_fits(const struct wal *w, const struct wal_write *writes, size_t n);
/* As wal_write(), but when the disk is full, once per shortage, a quarter of the room that was the
 * ballast's is used. For writes that were on their way: only when they are durable can a snapshot
 * be taken that lets the log be cut. A single write of a snapshot and no entries may use all that
 * is left, as wal_compact() does. stats.full stays. */
MUST_CHECK int wal_write_urgent(struct wal *w, const struct wal_write *writes, size_t n);
/* False while the disk is full; tries whether the ballast has its room again. */
bool wal_has_room(struct wal *w);
MUST_CHECK int wal_sync(struct wal *w);

/* Entries of @group from @first on: at most @max and about @bytes_max (at least one), each one
 * reference for the caller. COMPACTED, RANGE, IO, NOMEM, DAMAGED. */
MUST_CHECK int wal_read(struct wal *w, uint32_t group, uint64_t first, size_t max,
                        uint64_t bytes_max, struct raft_entry **out, size_t *n);

/* A snapshot at @pos is published: entries up to @keep_from - 1 (<= pos.index) may go. Writes the
 * marker, removes whole segments nobody needs; the marker need not be synced at once. */
MUST_CHECK int wal_compact(struct wal *w, uint32_t group, struct raft_pos pos,
                           const struct raft_members *members, uint64_t keep_from);

struct wal_stats {
    uint64_t bytes; /* on disk, without preallocation */
    uint64_t segments;
    uint64_t first_segment, last_segment;
    uint64_t syncs, sync_us_last, sync_us_max, sync_us_total;
    uint64_t written_bytes;
    bool full;
};
void wal_get_stats(const struct wal *w, struct wal_stats *out);
/* Bytes of log from the oldest record that @group still needs to the end: when large, the group
 * should take a snapshot, however little it wrote itself. */
uint64_t wal_group_span(const struct wal *w, uint32_t group);

#endif
