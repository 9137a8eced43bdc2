/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_save.c - writing a snapshot; see node/rdb/rdb.h.
 *
 * Runs in a forked child as a rule: it reads the keyspace and writes one file. The first error
 * stays in the writer and turns all further writing into nothing, so that only the end need
 * check. Dirty pages are pushed out all along, or the fsync at the end would hold up the syncs
 * of the log, which go to the same disk. */
#include "base/clock.h"
#include "base/crc.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/rdb/rdb.h"
#include "node/rdb/rdb_format.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <lzf.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define SMOOTH_BYTES (4 * 1024 * 1024) /* push out after so many; also the longest single write */
#define INT_MAX_CHARS 11               /* of a 32-bit number */
#define LZF_MIN_BYTES 20               /* shorter strings are not worth a try */
#define LZF_MIN_GAIN 4
#define PROGRESS_KEYS 1024

struct writer {
    int fd;
    int rc; /* the first error */
    bool compress;
    uint64_t crc;
    uint64_t bytes;  /* written to the file */
    uint64_t pushed; /* up to here the kernel was told to write */
    uint64_t keys;
    const struct keyspace *ks;
    volatile struct rdb_progress *progress;
    char *lzf;
    size_t lzf_cap;
    size_t len; /* in buffer */
    char *buffer;
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void note_progress(const struct writer *w)
{
    if (w->progress != NULL) {
        w->progress->keys = w->keys;
        w->progress->bytes = w->bytes + w->len;
    }
}

/* Start writing out what has come since the last time, and wait for what was started then. */
static void push_out(struct writer *w)
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

static void write_out(struct writer *w, const char *p, size_t n)
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

static void flush(struct writer *w)
{
    size_t n = w->len;

    w->len = 0;
    write_out(w, w->buffer, n);
    note_progress(w);
}

static void put(struct writer *w, const void *p, size_t n)
{
    if (w->rc != RDB_OK) {
        return;
    }
    if (n > BUFFER_BYTES - w->len) {
        flush(w);
        if (n > BUFFER_BYTES / 2) {
            write_out(w, p, n);
            return;
        }
    }
    if (n > 0) {
        memcpy(w->buffer + w->len, p, n);
        w->len += n;
    }
}

static void put_byte(struct writer *w, unsigned v)
{
    unsigned char byte = (unsigned char)v;

    put(w, &byte, 1);
}

static void put_len(struct writer *w, uint64_t n)
{
    if (n < 1u << 6) {
        put_byte(w, RDB_LEN_6BIT | (unsigned)n);
    } else if (n < 1u << 14) {
        put_byte(w, RDB_LEN_14BIT | (unsigned)(n >> 8));
        put_byte(w, (unsigned)(n & 0xff));
    } else if (n <= UINT32_MAX) {
        uint32_t wire = htobe32((uint32_t)n);

        put_byte(w, RDB_LEN_32BIT);
        put(w, &wire, sizeof wire);
    } else {
        uint64_t wire = htobe64(n);

        put_byte(w, RDB_LEN_64BIT);
        put(w, &wire, sizeof wire);
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

/* As a number of 1, 2 or 4 bytes, if it reads as one that prints the same. */
static bool put_as_int(struct writer *w, const char *p, size_t n)
{
    int64_t v;

    if (n > INT_MAX_CHARS || !num_parse_i64(p, n, &v)) {
        return false;
    }
    if (v >= INT8_MIN && v <= INT8_MAX) {
        put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT8);
        put_byte(w, (unsigned)v & 0xff);
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        uint16_t wire = htole16((uint16_t)v);

        put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT16);
        put(w, &wire, sizeof wire);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        uint32_t wire = htole32((uint32_t)v);

        put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_INT32);
        put(w, &wire, sizeof wire);
    } else {
        return false;
    }
    return true;
}

static bool put_as_lzf(struct writer *w, const char *p, size_t n)
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
    put_byte(w, RDB_LEN_SPECIAL | RDB_SPECIAL_LZF);
    put_len(w, got);
    put_len(w, n);
    put(w, w->lzf, got);
    return true;
}

static void put_string(struct writer *w, const char *p, size_t n)
{
    if (!put_as_int(w, p, n) && !put_as_lzf(w, p, n)) {
        put_len(w, n);
        put(w, p, n);
    }
}

/* ---- AUX fields ------------------------------------------------------------------------------ */

static void put_aux(struct writer *w, const char *name, const char *p, size_t n)
{
    put_byte(w, RDB_OP_AUX);
    put_string(w, name, strlen(name));
    put_string(w, p, n);
}

static void put_aux_number(struct writer *w, const char *name, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);

    put_aux(w, name, text, (size_t)n);
}

static void put_aux_hex(struct writer *w, const char *name, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;
    char *hex = mem_alloc(n * 2);

    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[in[i] >> 4];
        hex[2 * i + 1] = digits[in[i] & 15];
    }
    put_aux(w, name, hex, n * 2);
    free(hex);
}

/* Of jemalloc, where it is linked. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

static uint64_t used_memory(void)
{
    uint64_t epoch = 1;
    size_t allocated = 0;
    size_t n = sizeof allocated;

    if (mallctl != NULL && mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) == 0 &&
        mallctl("stats.allocated", &allocated, &n, NULL, 0) == 0) {
        return allocated;
    }
    return mallinfo2().uordblks;
}

static void put_all_aux(struct writer *w, const struct rdb_meta *meta)
{
    put_aux(w, "redis-ver", "7.0.15", 6);
    put_aux_number(w, "redis-bits", sizeof(void *) * 8);
    put_aux_number(w, "ctime", (uint64_t)(clock_wall_ms() / 1000));
    put_aux_number(w, "used-mem", used_memory());
    put_aux_number(w, "aof-base", 0);
    if (meta == NULL) {
        return;
    }
    put_aux(w, RDB_AUX_CLUSTER, meta->cluster_id, strlen(meta->cluster_id));
    put_aux_number(w, RDB_AUX_GROUP, meta->group);
    put_aux_number(w, RDB_AUX_TERM, meta->term);
    put_aux_number(w, RDB_AUX_INDEX, meta->index);
    put_aux_hex(w, RDB_AUX_MEMBERS, meta->members, meta->members_len);
    if (meta->system != NULL) {
        put_aux_hex(w, RDB_AUX_SYSTEM, meta->system, meta->system_len);
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool put_item(void *arg, struct item *it)
{
    struct writer *w = arg;
    int64_t expire_at = keyspace_expire_at(w->ks, it);
    struct arg key = item_key(it);
    char scratch[24];
    struct arg value = item_string(it, scratch);

    if (expire_at != KEYSPACE_NO_EXPIRE) {
        uint64_t wire = htole64((uint64_t)expire_at);

        put_byte(w, RDB_OP_EXPIRETIME_MS);
        put(w, &wire, sizeof wire);
    }
    put_byte(w, RDB_TYPE_STRING);
    put_string(w, key.p, key.n);
    put_string(w, value.p, value.n);
    w->keys++;
    if (w->keys % PROGRESS_KEYS == 0) {
        note_progress(w);
    }
    return w->rc == RDB_OK;
}

static void put_databases(struct writer *w)
{
    for (uint32_t db = 0; db < keyspace_databases(w->ks); db++) {
        if (keyspace_size(w->ks, db) == 0) {
            continue;
        }
        put_byte(w, RDB_OP_SELECTDB);
        put_len(w, db);
        put_byte(w, RDB_OP_RESIZEDB);
        put_len(w, keyspace_size(w->ks, db));
        put_len(w, keyspace_expires(w->ks, db));
        keyspace_each(w->ks, db, put_item, w);
    }
}

static void put_file(struct writer *w, const struct rdb_meta *meta)
{
    char header[RDB_HEADER_BYTES + 1];
    uint64_t wire;

    snprintf(header, sizeof header, "%s%04d", RDB_MAGIC, RDB_VERSION_WRITTEN);
    put(w, header, RDB_HEADER_BYTES);
    put_all_aux(w, meta);
    if (w->ks != NULL) {
        put_databases(w);
    }
    put_byte(w, RDB_OP_EOF);
    flush(w);
    wire = htole64(w->crc);
    put(w, &wire, sizeof wire);
    flush(w);
}

int rdb_save(const char *path, const struct keyspace *ks, const struct rdb_meta *meta,
             bool compress, volatile struct rdb_progress *progress)
{
    struct writer w = {
        .fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
        .compress = compress,
        .ks = ks,
        .progress = progress,
    };

    if (w.fd < 0) {
        return RDB_ERR_IO;
    }
    w.buffer = mem_alloc(BUFFER_BYTES);
    put_file(&w, meta);
    if (w.rc == RDB_OK && fsync(w.fd) != 0) {
        w.rc = RDB_ERR_IO;
    }
    if (close(w.fd) != 0) {
        w.rc = RDB_ERR_IO;
    }
    if (w.rc != RDB_OK) {
        unlink(path);
    }
    free(w.buffer);
    free(w.lzf);
    return w.rc;
}
