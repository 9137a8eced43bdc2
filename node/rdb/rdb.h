/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb.h - snapshots as RDB files.
 *
 * Written in version 10 (Redis 7.0), with AUX fields of our own for group and position; readable
 * by redis-check-rdb and a stock Redis. Read: any version up to 12 as far as the types here go.
 * Source: the RDB file format as Redis 7.0 writes it (lengths, opcodes, LZF strings, CRC64). */
#ifndef NODE_RDB_RDB_H
#define NODE_RDB_RDB_H

#include "base/buf.h"
#include "node/keyspace/access_clock.h"
#include "node/keyspace/keyspace.h"
#include "node/types/limits.h"

#define RDB_ERRORS(X)                                                                              \
    X(RDB_OK, 0, "ok")                                                                             \
    X(RDB_ERR_IO, -1, "input/output error")                                                        \
    X(RDB_ERR_FORMAT, -2, "malformed file")                                                        \
    X(RDB_ERR_CHECKSUM, -3, "checksum does not match")                                             \
    X(RDB_ERR_VERSION, -4, "version of the file is not supported")                                 \
    X(RDB_ERR_TYPE, -5, "holds a value of a type that is not supported")                           \
    X(RDB_ERR_DATABASE, -6, "holds a database that does not exist here")                           \
    X(RDB_ERR_NOMEM, -7, "out of memory")
enum rdb_error {
#define X(name, code, text) name = (code),
    RDB_ERRORS(X)
#undef X
};
const char *rdb_strerror(int error);

/* AUX fields beside Redis's own (redis-ver, redis-bits, ctime, used-mem, aof-base). */
struct rdb_meta {
    char cluster_id[41];
    uint32_t group;
    uint64_t term, index;
    unsigned char members[1024]; /* raft_members_encode() */
    size_t members_len;
    char *system; /* the system group's state, encoded (else NULL); freed by rdb_meta_release() */
    size_t system_len;
};
void rdb_meta_release(struct rdb_meta *m);

struct rdb_progress {
    uint64_t keys, bytes; /* so far */
};

/* Write @ks (NULL: no keys) to the file @path (created, fsynced before returning). Called in a
 * forked child, or for small states in place. Keys have their idle time or frequency with them as
 * @clock goes by the one or the other (NULL: neither). @progress may be NULL, else is shared
 * memory. */
MUST_CHECK int rdb_save(const char *path, const struct keyspace *ks, const struct rdb_meta *meta,
                        bool compress, const struct access_clock *clock,
                        volatile struct rdb_progress *progress);

/* Loading goes in slices, so that the exec loop stays free. */
struct rdb_loader;
/* Open @path and read its header; *@out is the caller's. @verify: check the CRC64 (a checksum of
 * 0 in the file means none). */
MUST_CHECK int rdb_loader_new(const char *path, bool verify, struct rdb_loader **out);
/* Up to which size values stay compact; else types_limits_default. @limits must outlive the loader.
 */
void rdb_loader_set_limits(struct rdb_loader *l, const struct types_limits *limits);
/* The access clock of the keys to come (copied): from the idle times or frequencies of the file, as
 * it asks for the one or the other; keys without start as new ones. */
void rdb_loader_set_clock(struct rdb_loader *l, const struct access_clock *clock);
/* Load for about @budget_us into @ks; keys that are past @drop_expired_before (ms; 0: none) are
 * skipped. 1: more to come; 0: done, checksum right; < 0: error, rdb_loader_error() tells. */
MUST_CHECK int rdb_loader_step(struct rdb_loader *l, struct keyspace *ks, int64_t budget_us,
                               int64_t drop_expired_before);
const struct rdb_meta *rdb_loader_meta(const struct rdb_loader *l); /* complete once done */
const char *rdb_loader_error(const struct rdb_loader *l);           /* with file offset */
uint64_t rdb_loader_bytes(const struct rdb_loader *l);
uint64_t rdb_loader_total(const struct rdb_loader *l);
uint64_t rdb_loader_keys(const struct rdb_loader *l);
void rdb_loader_free(struct rdb_loader *l);

/* ---- one value alone: DUMP and RESTORE ----------------------------------------------------------
 */

/* Append the value of @it as Redis 7.0 dumps and restores it. */
void rdb_dump(const struct item *it, bool compress, struct buf *out);

struct rdb_restored {
    void *value;  /* of another type than string; NULL: it is a string */
    char *string; /* of .n bytes */
    size_t n;
    unsigned version, type; /* as the payload has them */
};
/* Read a payload of DUMP, by whatever server, into *@out, to be released; @string_max: the longest
 * string or block in it. Errors: RDB_ERR_CHECKSUM, RDB_ERR_VERSION (of the footer), RDB_ERR_FORMAT,
 * RDB_ERR_TYPE, RDB_ERR_NOMEM. */
MUST_CHECK int rdb_restore(const void *p, size_t n, const struct types_limits *limits,
                           const struct siphash_key *hash_key, uint64_t string_max,
                           struct rdb_restored *out);
/* The value, the caller's now. */
void *rdb_restored_take(struct rdb_restored *r);
/* The payload @p that was read as @r, in the form that Redis 7.0 writes: *@out stays empty when it
 * is that already. It may be longer: what came compressed as one block is many strings then. */
void rdb_restored_dump(struct rdb_restored *r, const void *p, size_t n, bool compress,
                       struct buf *out);
void rdb_restored_release(struct rdb_restored *r);

/* ---- function libraries: FUNCTION DUMP and RESTORE
 * ------------------------------------------------ */

/* Append a library's source text; behind the last one rdb_dump_libraries_end(), with the length
 * that
 * @out had before the first. */
void rdb_dump_library(const char *text, size_t n, bool compress, struct buf *out);
void rdb_dump_libraries_end(struct buf *out, size_t from);
/* Call @take with each text of such a payload, until it says false. Errors: as rdb_restore(), and
 * RDB_ERR_TYPE for one of something else. */
MUST_CHECK int rdb_restore_libraries(const void *p, size_t n, uint64_t text_max,
                                     bool (*take)(void *ctx, const char *text, size_t n),
                                     void *ctx);

/* Only the AUX fields of a file (the header part), e.g. to show or to check it. */
MUST_CHECK int rdb_read_meta(const char *path, struct rdb_meta *out);

#endif
