/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_write.h - bytes, lengths and strings of the RDB format. Private to node/rdb.
 *
 * The first error stays in the writer and turns all further writing into nothing, so that only the
 * end need check. */
#ifndef NODE_RDB_RDB_WRITE_H
#define NODE_RDB_RDB_WRITE_H

#include "base/buf.h"
#include "node/rdb/rdb.h"

#define RDB_WRITE_BUFFER_BYTES (256 * 1024)

struct rdb_writer {
    int fd;          /* -1: into memory, without .buffer */
    struct buf *out; /* then */
    int rc;          /* the first error */
    bool compress;
    uint64_t crc;
    uint64_t bytes;  /* written to the file */
    uint64_t pushed; /* up to here the kernel was told to write */
    uint64_t keys;
    const struct keyspace *ks;
    const struct access_clock *clock; /* NULL: access data is not written */
    volatile struct rdb_progress *progress;
    char *lzf;
    size_t lzf_cap;
    size_t len; /* in buffer */
    char *buffer;
};

void rdb_put(struct rdb_writer *w, const void *p, size_t n);
void rdb_put_byte(struct rdb_writer *w, unsigned v);
void rdb_put_len(struct rdb_writer *w, uint64_t n);
/* As a number, compressed, or as it is, whichever is the shortest. */
void rdb_put_string(struct rdb_writer *w, const char *p, size_t n);
void rdb_flush(struct rdb_writer *w);
void rdb_note_progress(const struct rdb_writer *w);

/* The type byte of an item's value, and the value. */
unsigned rdb_value_type(const struct item *it);
void rdb_put_value(struct rdb_writer *w, const struct item *it);

#endif
