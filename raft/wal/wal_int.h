/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_int.h - private to raft/wal: the log object and what its files share.
 *
 * Invariants:
 * - segs[] is ascending by number; the last one is the current one, all others are durable whole.
 * - In the current segment [0, durable) is durable, [0, used) is written, [used, zeroed) was
 *   zeroed in advance, and everything from used on reads as zeros, but for [used, garbage_end)
 *   after a write that failed half-way.
 * - Every segment begins with a baseline of every group, so older ones are needed only for the
 *   entries in them. */
#ifndef RAFT_WAL_INT_H
#define RAFT_WAL_INT_H

#include "proto/wal_format.h"
#include "raft/wal.h"
#include "raft/wal/wal_group.h"

#include <sys/uio.h>

/* Zeroed in advance of small writes that are synced one by one. A first write into a preallocated
 * (unwritten) extent makes the fdatasync behind it commit the file system's journal; over zeroed
 * blocks it is one write and one flush. Measured on ext4 with 4 KiB records: 285 us per sync
 * without, 176 us with. The zeros cost as much again as the records, hence not when much is synced
 * at once, which gains nothing. */
#define WAL_ZERO_AHEAD_BYTES (256u << 10)
#define WAL_ZERO_AHEAD_BELOW (128u << 10)
/* Payloads up to this size are copied beside their header: cheaper than one more iovec. */
#define WAL_COPY_BYTES 512u
#define WAL_READ_BUFFER_BYTES (128u << 10)
#define WAL_OPEN_FILES_MAX 32u

struct wal_segment {
    uint64_t number;
    uint64_t base;       /* position of its byte 0 in the log as a whole, for spans */
    uint64_t used;       /* end of its records */
    uint64_t file_bytes; /* as preallocated */
    uint64_t records_at; /* end of the baselines */
    uint32_t seed;
    uint32_t flags; /* WAL_SEGMENT_* */
    int fd;         /* -1: not open */
};

/* Records laid out for one pwritev. Reused; grows to the largest batch seen. */
struct wal_batch {
    unsigned char *heads; /* what is not written from its place: headers, padding, small payloads */
    size_t heads_len, heads_cap;
    struct iovec *iov;
    size_t n_iov, cap_iov;
    uint64_t at; /* file offset of the next record */
    uint64_t durable;
    uint32_t seed;
    uint32_t pad; /* zero bytes owed to the record before */
};

struct wal {
    char *dir;
    char cluster_id[41];
    uint64_t node;
    uint64_t segment_bytes, ballast_bytes;
    struct wal_io io;

    struct wal_segment *segs;
    size_t n_segs, cap_segs, n_open;
    struct wal_group_state **groups; /* ascending by group */
    size_t n_groups, cap_groups;

    uint64_t durable, zeroed, garbage_end;
    bool dirty;   /* something was written since the last sync */
    bool failed;  /* a write or sync failed: nothing works any more */
    bool full;    /* the last new segment or write found no room */
    bool lent;    /* a part of the ballast's room went to wal_write_urgent() in this shortage */
    bool ballast; /* the file is there */
    int64_t ballast_tried_us;

    struct wal_batch batch;
    unsigned char *zeros;       /* WAL_ZERO_AHEAD_BYTES of them */
    unsigned char *read_buffer; /* WAL_READ_BUFFER_BYTES */

    uint64_t syncs, sync_us_last, sync_us_max, sync_us_total, written_bytes;
};

static inline struct wal_segment *wal_current(struct wal *w) { return &w->segs[w->n_segs - 1]; }

/* ---- groups (wal.c) ---- */
struct wal_group_state *wal_find_group(const struct wal *w, uint32_t group); /* or NULL */
struct wal_group_state *wal_get_group(struct wal *w, uint32_t group);        /* or makes it */

/* ---- batches (wal_batch.c) ---- */
/* Begin a batch at file offset @at that needs at most @heads bytes beside the payloads that are
 * written from their place (at most @n_records of them). */
void wal_batch_begin(struct wal_batch *b, uint64_t at, uint32_t seed, uint64_t durable,
                     size_t heads, size_t n_records);
/* Add @r: .offset, .durable and .bytes are set. Its data is borrowed until the write, or copied
 * if @copy. */
void wal_batch_add(struct wal_batch *b, struct wal_record *r, bool copy);
void wal_batch_end(struct wal_batch *b);
/* Zeros behind a batch that has ended. */
void wal_batch_zeros(struct wal_batch *b, const unsigned char *zeros, size_t n);
void wal_batch_release(struct wal_batch *b);
/* Room of one record in heads, with @data_bytes copied. */
#define WAL_BATCH_HEAD_BYTES(data_bytes) (WAL_RECORD_FIXED_MAX + 8u + (size_t)(data_bytes))

/* ---- files (wal_file.c) ---- */
/* Write @iov (which is used up) at @at. *@done is what got there. WAL_OK, FULL, IO. */
MUST_CHECK int wal_file_write(struct wal *w, int fd, struct iovec *iov, size_t n, uint64_t at,
                              uint64_t *done);
/* Read @n bytes at @at; what the file does not have is not read: *@got. WAL_OK, IO. */
MUST_CHECK int wal_file_read(struct wal *w, int fd, void *p, size_t n, uint64_t at, size_t *got);
MUST_CHECK int wal_file_sync(struct wal *w, int fd);
int wal_error_of(int err); /* from errno: FULL or IO */
/* "@dir/@name", in @out. */
#define WAL_PATH_BYTES 4352
void wal_path(const struct wal *w, const char *name, char out[WAL_PATH_BYTES]);

/* Create segment @number with baselines of all groups and room for @need bytes behind them, as
 * durable as can be before it gets its name, and append it to segs[]. FULL, IO: nothing changed. */
MUST_CHECK int wal_segment_create(struct wal *w, uint64_t number, uint64_t prev_end,
                                  uint64_t file_bytes, uint64_t need);
/* Write @number anew under the name @temp, from the records of @from that are readable (NULL:
 * none), without preallocation, durable. */
MUST_CHECK int wal_segment_salvage(struct wal *w, uint64_t number, struct wal_reader *from,
                                   const char *temp, struct wal_segment *out);
/* Open for reading and writing; closes others when there are many. */
MUST_CHECK int wal_segment_open(struct wal *w, struct wal_segment *s);
void wal_segment_push(struct wal *w, const struct wal_segment *s);
struct wal_segment *wal_segment_find(struct wal *w, uint64_t number); /* or NULL */

/* ---- writing (wal.c) ---- */
/* Make the next segment the current one. @need: bytes of records it must have room for.
 * @reserve: the room that the ballast kept may be used. */
MUST_CHECK int wal_roll(struct wal *w, uint64_t need, bool reserve);
/* Append the records that are laid out in w->batch, @bytes in all, to the current segment. */
MUST_CHECK int wal_append_batch(struct wal *w, uint64_t bytes);
/* Zero what a failed write left behind the end. */
MUST_CHECK int wal_clean_garbage(struct wal *w);
/* The log is unusable from here on; returns WAL_ERR_IO. */
int wal_fail(struct wal *w, const char *what);

/* ---- room (wal_compact.c) ---- */
void wal_ballast_remove(struct wal *w); /* whether it is there or not */
void wal_ballast_drop(struct wal *w);   /* if it is there */
bool wal_ballast_create(struct wal *w); /* true when it is there, or none is wanted */
#define WAL_BALLAST_NAME "ballast"

/* ---- recovery (wal_recover.c) ---- */
/* Read what is in w->dir into @w and @rec, and make the log writable again. */
MUST_CHECK int wal_recover(struct wal *w, struct wal_recovery *rec);

#endif
