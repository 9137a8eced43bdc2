/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_write.c - see node/rdb/rdb_write.h.
 *
 * Dirty pages are pushed out all along, or the fsync at the end of a snapshot would hold up the
 * syncs of the log, which go to the same disk. */
#include "node/rdb/rdb_write.h"

#include "base/crc.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/rdb/rdb_format.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <lzf.h>
#include <stdlib.h>

#define SMOOTH_BYTES (4 * 1024 * 1024) /* push out after so many; also the longest single write */
#define INT_MAX_CHARS 11               /* of a 32-bit number */
#define LZF_MIN_BYTES 20               /* shorter strings are not worth a try */
#define LZF_MIN_GAIN 4

/* ---- bytes ----------------------------------------------------------------------------------- */

void rdb_note_progress(const struct rdb_writer *w)
{
    if (w->progress != NULL) {
        w->progress->keys = w->keys;
        w->progress->bytes = w->bytes + w->len;
    }
}

/* Start writing out what has come since the last time, and wait for what was started then. */
static void push_out(struct rdb_writer *w)
{
    uint64_t n = w->bytes - w->pushed;
    uint64_t before = MIN_OF(w->pushed, (uint64_t)SMOOTH_BYTES * 2);
    int rc;

    if (n < SMOOTH_BYTES || w->rc != RDB_OK) {
        return;
    }
    rc = sync_file_range(w->fd, (off_t)w->pushed, (off_t)n, SYNC_FILE_RANGE_WRITE);
    if (rc == 0 && before > 0) {
        rc = sync_file_range(w->fd, (off_t)(w->pushed - before), (off_t)before,
                             SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                 SYNC_FILE_RANGE_WAIT_AFTER);
    }
    /* Some file systems cannot; the fsync at the end does it all the same. */
    if (rc != 0 && errno != ENOSYS && errno != EINVAL && errno != ESPIPE && errno != EOPNOTSUPP) {
        w->rc = RDB_ERR_IO;
    }
    w->pushed = w->bytes;
}

static void write_out(struct rdb_writer *w, const char *p, size_t n)
{
    while (n > 0 && w->rc == RDB_OK) {
        size_t part = MIN_OF(n, (size_t)SMOOTH_BYTES);

        w->crc = crc64_jones(w->crc, p, part);
        if (file_write_all(w->fd, p, part) != 0) {
            w->rc = RDB_ERR_IO;
        }
        w->bytes += part;
        p += part;
        n -= part;
        push_out(w);
    }
}

void rdb_flush(struct rdb_writer *w)
{
    size_t n = w->len;

    w->len = 0;
    write_out(w, w->buffer, n);
    rdb_note_progress(w);
}

void rdb_put(struct rdb_writer *w, const void *p, size_t n)
{
    if (w->rc != RDB_OK) {
        return;
    }
    if (w->fd < 0) {
        buf_append(w->out, p, n);
        return;
    }
    if (n > RDB_WRITE_BUFFER_BYTES - w->len) {
        rdb_flush(w);
        if (n > RDB_WRITE_BUFFER_BYTES / 2) {
            write_out(w, p, n);
            return;
        }
    }
    if (n > 0) {
        memcpy(w->buffer + w->len, p, n);
        w->len += n;
    }
}

void rdb_put_byte(struct rdb_writer *w, unsigned v)
{
    unsigned char byte = (unsigned char)v;

    rdb_put(w, &byte, 1);
}

void rdb_put_len(struct rdb_writer *w, uint64_t n)
{
    if (n < 1u << 6) {
        rdb_put_byte(w, RDB_LEN_6BIT | (unsigned)n);
    } else if (n < 1u << 14) {
        rdb_put_byte(w, RDB_LEN_14BIT | (unsigned)(n >> 8));
        rdb_put_byte(w, (unsigned)(n & 0xff));
    } else if (n <= UINT32_MAX) {
        uint32_t wire = htobe32((uint32_t)n);

        rdb_put_byte(w, RDB_LEN_32BIT);
        rdb_put(w, &wire, sizeof wire);
    } else {
        uint64_t wire = htobe64(n);

        rdb_put_byte(w, RDB_LEN_64BIT);
        rdb_put(w, &wire, sizeof wire);
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

/* As a number of 1, 2 or 4 bytes, if it reads as one that prints the same. */
static bool put_as_int(struct rdb_writer *w, const char *p, size_t n)
{
    int64_t v;

    if (n > INT_MAX_CHARS || !num_parse_i64(p, n, &v)) {
        return false;
    }
    if (v >= INT8_MIN && v <= INT8_MAX) {
        rdb_put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT8);
        rdb_put_byte(w, (unsigned)v & 0xff);
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        uint16_t wire = htole16((uint16_t)v);

        rdb_put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT16);
        rdb_put(w, &wire, sizeof wire);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        uint32_t wire = htole32((uint32_t)v);

        rdb_put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT32);
        rdb_put(w, &wire, sizeof wire);
    } else {
        return false;
    }
    return true;
}

static bool put_as_lzf(struct rdb_writer *w, const char *p, size_t n)
{
    unsigned int got;

    if (!w->compress || n <= LZF_MIN_BYTES || n > UINT32_MAX) {
        return false;
    }
    if (n > w->lzf_cap) {
        char *more = mem_try_realloc(w->lzf, n);

        if (more == NULL) {
            return false; /* as it is, then */
        }
        w->lzf = more;
        w->lzf_cap = n;
    }
    got = lzf_compress(p, (unsigned)n, w->lzf, (unsigned)(n - LZF_MIN_GAIN));
    if (got == 0) {
        return false;
    }
    rdb_put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_LZF);
    rdb_put_len(w, got);
    rdb_put_len(w, n);
    rdb_put(w, w->lzf, got);
    return true;
}

void rdb_put_string(struct rdb_writer *w, const char *p, size_t n)
{
    if (!put_as_int(w, p, n) && !put_as_lzf(w, p, n)) {
        rdb_put_len(w, n);
        rdb_put(w, p, n);
    }
}
