/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/wal_format.h - the write-ahead log on disk: segment headers, records, and a reader.
 *
 * A log is a folder of segments "<16 hex digits>.wal", numbered without a gap. A segment is
 *
 *     0      header, 128 bytes       written once, before the file gets its name
 *     2048   the same header again   so that one bad sector does not cost a segment
 *     4096   baselines               state of every group at this point, as durable as the header
 *     ...    records                 appended
 *     ...    zeros                   preallocated; a record of length zero is the end
 *
 * All integers are little-endian. A record begins at a multiple of 8 and is never split:
 *
 *     0   u32 crc       CRC32C of salt and number of the segment, then of bytes 4..bytes-1
 *     4   u32 bytes     header and body; behind them 1 to 8 bytes WAL_PAD_BYTE, to a multiple of 8
 *     8   u32 group
 *     12  u8  type      enum wal_record_type
 *     13  u8  detail    ENTRY: enum raft_entry_type; BASELINE: WAL_BASELINE_*
 *     14  u16 head_crc  low half of the same CRC32C of bytes 4..13 and 16..31: the length is
 *                       worth believing
 *     16  u64 durable   all bytes of this segment below this offset were durable when this record
 *                       was written (earlier segments are durable as a whole)
 *     24  u64 offset    of this record in its file
 *     32  body
 *         ENTRY      u64 term, index, prev_term (of the entry before it); payload
 *         HARD       u64 term, vote, commit
 *         INSTALL    u64 term, index; members: a received snapshot replaces the group's log
 *         COMPACT    u64 term, index, keep_from; members: own snapshot, entries before may go
 *         BASELINE   u64 term, vote, commit; u64 term, index of the snapshot; u64 keep_from;
 *                    u64 term, index of the last entry; members
 *         REPAIRED   u64 term, index of the last entry: the group is whole again after damage
 *     members: u32 n, then n times u64 id, u8 flags
 *
 * The salt makes it impossible to plant a payload that looks like a record; the offset keeps a
 * record from being taken for another; prev_term chains a group's entries (same term and index
 * means the same log up to there: Raft thesis, section 3.5), so that a lost one is noticed.
 *
 * Torn tail or damage? A write that was cut short by a crash leaves, in sectors that never got
 * there, the zeros of the preallocation. An unreadable record is therefore a torn tail only when
 * it is in the last segment, when no record after it says that its place was durable, and when a
 * sector of it (or its end, with nothing behind it) reads as zeros, which the pad bytes make a
 * sure sign: no record ends in zeros. Valid records may follow it:
 * a disk may keep the later sectors of one unsynced write and lose earlier ones. Everything else
 * is damage.
 *
 * All functions are total: any bytes may be given to them. No allocation, no state, any thread. */
#ifndef PROTO_WAL_FORMAT_H
#define PROTO_WAL_FORMAT_H

#include "base/base.h"

#define WAL_FORMAT_VERSION 1u
#define WAL_FORMAT_SUFFIX ".wal"
#define WAL_HEADER_BYTES 128u
#define WAL_HEADER_COPY_AT 2048u
#define WAL_RECORDS_AT 4096u
#define WAL_RECORD_HEAD_BYTES 32u
/* Record header and the fixed part of the longest body. */
#define WAL_RECORD_FIXED_MAX (WAL_RECORD_HEAD_BYTES + 64u)
#define WAL_RECORD_BYTES_MAX ((1u << 30) + 4096u)
#define WAL_FORMAT_MEMBERS_MAX 64u
#define WAL_SECTOR_BYTES 512u

/* Bytes that a record of @bytes takes in the file, and what fills the last 1 to 8 of them. */
#define WAL_RECORD_PADDED(bytes) (((uint64_t)(bytes) + 8u) & ~(uint64_t)7u)
#define WAL_PAD_BYTE 0x5au

enum wal_record_type {
    WAL_RECORD_ENTRY = 1,
    WAL_RECORD_HARD = 2,
    WAL_RECORD_INSTALL = 3,
    WAL_RECORD_COMPACT = 4,
    WAL_RECORD_BASELINE = 5,
    WAL_RECORD_REPAIRED = 6,
};
const char *wal_record_type_name(unsigned type); /* "entry", ...; "unknown" */

/* wal_record.detail of an entry: the numbers of enum raft_entry_type. */
enum wal_entry_type {
    WAL_ENTRY_NOOP = 0,
    WAL_ENTRY_DATA = 1,   /* a data group's payload is in proto/effect.h */
    WAL_ENTRY_CONFIG = 2, /* the payload is a list of members: wal_format_member() */
};
const char *wal_entry_type_name(unsigned detail); /* "noop", ...; "unknown" */

/* wal_record.detail of a baseline: the group had lost records and was not repaired yet. */
#define WAL_BASELINE_DAMAGED 1u

/* wal_segment_header.flags: rewritten from what could be read of a damaged segment. */
#define WAL_SEGMENT_SALVAGED 1u

struct wal_segment_header {
    uint32_t version;
    uint32_t flags;      /* WAL_SEGMENT_* */
    char cluster_id[41]; /* 40 hex digits */
    uint64_t node;
    uint64_t number;
    uint64_t salt;
    uint64_t prev_end;    /* where the segment before ended, its records all durable; 0: unknown */
    uint64_t records_end; /* end of the baselines; all before was durable before the first write */
    uint64_t created_ms;  /* wall clock; for people */
    uint64_t file_bytes;  /* as preallocated: .records_end at least */
    uint32_t n_baselines;
};

enum wal_format_result {
    WAL_FORMAT_OK = 0,
    WAL_FORMAT_BAD = -1,   /* not a readable header */
    WAL_FORMAT_NEWER = -2, /* a good header of a version this code does not know */
};

/* Write both copies into the first WAL_RECORDS_AT bytes of a segment, at @out. */
void wal_format_put_header(unsigned char *out, const struct wal_segment_header *h);
/* Read whichever copy is good of the first @n bytes of a file. On NEWER only .version is set. */
MUST_CHECK int wal_format_get_header(const unsigned char *p, size_t n,
                                     struct wal_segment_header *out);
/* Start value of the checksums of a segment's records. */
uint32_t wal_format_seed(const struct wal_segment_header *h);

/* Number of a segment from its file name; false when it is none. */
MUST_CHECK bool wal_format_parse_name(const char *name, uint64_t *number);
#define WAL_FORMAT_NAME_BYTES 32
void wal_format_name(char out[WAL_FORMAT_NAME_BYTES], uint64_t number);

/* A record, decoded. Which fields count depends on the type; the others are zero. */
struct wal_record {
    uint32_t group;
    uint8_t type;   /* enum wal_record_type */
    uint8_t detail; /* ENTRY: enum raft_entry_type; BASELINE: WAL_BASELINE_* */
    uint64_t durable;
    uint64_t offset;
    uint64_t term, index; /* ENTRY: its position; INSTALL, COMPACT, BASELINE: the snapshot's */
    uint64_t prev_term;   /* ENTRY */
    uint64_t hard_term, vote, commit; /* HARD, BASELINE */
    uint64_t keep_from;               /* COMPACT, BASELINE */
    uint64_t last_term, last_index;   /* BASELINE, REPAIRED */
    /* ENTRY: the payload; INSTALL, COMPACT, BASELINE: the members, encoded. Borrowed. */
    const unsigned char *data;
    uint32_t data_bytes;
    uint32_t bytes; /* of the record, unpadded; set by wal_format_put() and wal_format_get() */
};

/* Encode all of @r but .data: the record header and the fixed part of the body go to @out, which
 * has WAL_RECORD_FIXED_MAX bytes; the caller writes .data and the padding behind them. Returns
 * the bytes put at @out and sets r->bytes. The checksum covers .data. */
size_t wal_format_put(unsigned char *out, uint32_t seed, struct wal_record *r);
/* Unpadded bytes of a record of @type with @data_bytes. */
uint32_t wal_format_record_bytes(enum wal_record_type type, uint32_t data_bytes);

enum wal_get {
    WAL_GET_RECORD,
    WAL_GET_END,     /* length zero: nothing is here */
    WAL_GET_SHORT,   /* the header is plausible, and r->bytes says how much the record needs */
    WAL_GET_INVALID, /* *why says what is wrong */
};
/* Decode the record at file offset @offset from the @n bytes at @p, of which all that the file has
 * need not be there. The checksum is verified. @why may be NULL. */
enum wal_get wal_format_get(const unsigned char *p, size_t n, uint64_t offset, uint32_t seed,
                            struct wal_record *r, const char **why);
/* The same without looking at more than the header, whose checksum is verified, and the fixed part
 * of the body: to step over records. .data is not set. */
enum wal_get wal_format_peek(const unsigned char *p, size_t n, uint64_t offset, uint32_t seed,
                             struct wal_record *r, const char **why);

/* Checksum of a record whose @fixed_bytes (header and fixed part of the body) and data lie apart.
 */
MUST_CHECK bool wal_format_check(const unsigned char *fixed, size_t fixed_bytes, const void *data,
                                 size_t data_bytes, uint32_t seed);

/* Members for display: the @i-th of an encoded list, false when there is none. */
MUST_CHECK bool wal_format_member(const unsigned char *p, size_t n, uint32_t i, uint64_t *id,
                                  uint8_t *flags);

/* ---- reading a whole segment ------------------------------------------------------------- */

/* Reads a segment that is in memory as a whole. Fields are for reading only. */
struct wal_reader {
    struct wal_segment_header header;
    uint32_t seed;
    const unsigned char *p;
    size_t n;         /* bytes of the file, or what counts of them */
    size_t at;        /* the next record, or the invalid one */
    uint64_t durable; /* known to have been durable, from the records so far */
    const char *why;  /* what is wrong at .at */
    bool ended;       /* the end was told: wal_reader_known_end() */
};

enum wal_read {
    WAL_READ_RECORD,
    WAL_READ_END,     /* only zeros follow, or the known end is reached */
    WAL_READ_INVALID, /* .at stays on it: wal_reader_judge(), wal_reader_resync() */
};

enum wal_damage {
    WAL_TORN,    /* a write that never finished: nothing that was durable */
    WAL_DAMAGED, /* something that was, or may have been, durable */
};

/* @p[0..n) is a segment and stays the caller's. Result: enum wal_format_result. */
MUST_CHECK int wal_reader_open(struct wal_reader *r, const unsigned char *p, size_t n);
/* The segment after this one says (header.prev_end) where this one ended. What the file has beyond
 * does not count; what is missing is damage. Not for a salvaged segment (WAL_SEGMENT_SALVAGED):
 * what it replaces ended there, and it says itself where it ends (header.records_end). */
void wal_reader_known_end(struct wal_reader *r, uint64_t end);
enum wal_read wal_reader_next(struct wal_reader *r, struct wal_record *rec);
/* What the invalid record at r->at means. @last: it is in the newest segment of its log. */
enum wal_damage wal_reader_judge(const struct wal_reader *r, bool last);
/* Go on behind an invalid record, at the next valid one; false when there is none. */
MUST_CHECK bool wal_reader_resync(struct wal_reader *r);
/* Offset behind the last byte that is not zero, .at at least. */
uint64_t wal_reader_content_end(const struct wal_reader *r);

#endif
