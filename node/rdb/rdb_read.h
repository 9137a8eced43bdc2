/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_read.h - bytes, lengths and strings of an RDB file, or of a payload in memory, with
 * checks. Private.
 *
 * No length is believed before it is compared with what is left of the file. The first error
 * stays, with its offset, and every later call fails. */
#ifndef NODE_RDB_RDB_READ_H
#define NODE_RDB_RDB_READ_H

#include "node/rdb/rdb.h"

struct rdb_reader {
    int fd;            /* -1: the buffer is all there is */
    uint64_t text_max; /* longest string that is read */
    uint64_t total;    /* bytes of the file */
    uint64_t offset;   /* of buffer[0] */
    bool verify;
    uint64_t crc;    /* of the file up to crc_at */
    size_t crc_at;   /* in buffer */
    size_t pos, len; /* buffer[pos..len) is still to be read */
    char *buffer;
    int rc; /* the first error */
    char error[160];
};

/* A string just read; valid until the next call for the same holder. */
struct rdb_text {
    const char *p;
    size_t n;
    char *own; /* memory of the holder */
    size_t cap;
};
void rdb_text_release(struct rdb_text *t);

MUST_CHECK int rdb_reader_open(struct rdb_reader *r, const char *path, bool verify);
/* Over @n bytes, borrowed; not to be closed. */
void rdb_reader_of(struct rdb_reader *r, const void *p, size_t n, uint64_t text_max);
void rdb_reader_close(struct rdb_reader *r);

static inline uint64_t rdb_reader_at(const struct rdb_reader *r) { return r->offset + r->pos; }
static inline uint64_t rdb_reader_left(const struct rdb_reader *r)
{
    return r->total - rdb_reader_at(r);
}

/* Note the error (if it is the first) with the offset; always false. */
bool rdb_fail(struct rdb_reader *r, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* False: failed. */
MUST_CHECK bool rdb_get(struct rdb_reader *r, void *out, size_t n);
MUST_CHECK bool rdb_get_byte(struct rdb_reader *r, unsigned *out);
MUST_CHECK bool rdb_get_len(struct rdb_reader *r, uint64_t *out);
MUST_CHECK bool rdb_get_string(struct rdb_reader *r, struct rdb_text *out);
MUST_CHECK bool rdb_skip(struct rdb_reader *r, uint64_t n);
/* CRC64 of all that was read so far. */
uint64_t rdb_reader_crc(struct rdb_reader *r);

#endif
