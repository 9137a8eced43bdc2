/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_read.c - see node/rdb/rdb_read.h. */
#include "node/rdb/rdb_read.h"

#include "base/crc.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/rdb/rdb_format.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <lzf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define TEXT_KEEP (1024 * 1024) /* a holder's memory beyond this is not kept */
/* A back reference of three bytes stands for at most 264: more than that is no LZF. */
#define LZF_GAIN_MAX 88

/* ---- bytes ----------------------------------------------------------------------------------- */

bool rdb_fail(struct rdb_reader *r, int rc, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (r->rc != RDB_OK) {
        return false;
    }
    r->rc = rc;
    va_start(ap, fmt);
    n = vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof r->error) {
        snprintf(r->error + n, sizeof r->error - (size_t)n, " at offset %llu",
                 (unsigned long long)rdb_reader_at(r));
    }
    return false;
}

int rdb_reader_open(struct rdb_reader *r, const char *path, bool verify)
{
    struct stat st;

    memset(r, 0, sizeof *r);
    r->verify = verify;
    r->text_max = UINT64_MAX;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        return RDB_ERR_IO;
    }
    if (fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(r->fd);
        r->fd = -1;
        return RDB_ERR_IO;
    }
    r->total = (uint64_t)st.st_size;
    r->buffer = mem_alloc(BUFFER_BYTES);
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only a hint */
    return RDB_OK;
}

void rdb_reader_of(struct rdb_reader *r, const void *p, size_t n, uint64_t text_max)
{
    *r = (struct rdb_reader){
        .fd = -1, .text_max = text_max, .total = n, .len = n, .buffer = (char *)p};
}

void rdb_reader_close(struct rdb_reader *r)
{
    if (r->fd >= 0) {
        close(r->fd);
    }
    free(r->buffer);
    r->fd = -1;
    r->buffer = NULL;
}

uint64_t rdb_reader_crc(struct rdb_reader *r)
{
    if (r->verify && r->crc_at < r->pos) {
        r->crc = crc64_jones(r->crc, r->buffer + r->crc_at, r->pos - r->crc_at);
    }
    r->crc_at = r->pos;
    return r->crc;
}

/* Up to @n bytes into @out; 0: failed. */
static size_t read_some(struct rdb_reader *r, void *out, size_t n)
{
    ssize_t got;

    do {
        got = read(r->fd, out, n);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        rdb_fail(r, RDB_ERR_IO, "%s", strerror(errno));
        return 0;
    }
    if (got == 0) {
        rdb_fail(r, RDB_ERR_FORMAT, "the file ends too early");
        return 0;
    }
    return (size_t)got;
}

static bool refill(struct rdb_reader *r)
{
    (void)rdb_reader_crc(r);
    r->offset += r->pos;
    r->len = r->pos = r->crc_at = 0;
    r->len = read_some(r, r->buffer, BUFFER_BYTES);
    return r->len > 0;
}

/* Past the buffer, straight into @out. */
static bool get_directly(struct rdb_reader *r, char *out, size_t n)
{
    assert(r->pos == r->len);
    (void)rdb_reader_crc(r);
    r->offset += r->pos;
    r->len = r->pos = r->crc_at = 0;
    while (n > 0) {
        size_t got = read_some(r, out, n);

        if (got == 0) {
            return false;
        }
        if (r->verify) {
            r->crc = crc64_jones(r->crc, out, got);
        }
        r->offset += got;
        out += got;
        n -= got;
    }
    return true;
}

bool rdb_get(struct rdb_reader *r, void *out, size_t n)
{
    char *to = out;

    if (r->rc != RDB_OK) {
        return false;
    }
    if (n > rdb_reader_left(r)) {
        return rdb_fail(r, RDB_ERR_FORMAT, "%zu bytes are wanted where the file has %llu left", n,
                        (unsigned long long)rdb_reader_left(r));
    }
    while (n > 0) {
        size_t part = MIN_OF(n, r->len - r->pos);

        memcpy(to, r->buffer + r->pos, part);
        r->pos += part;
        to += part;
        n -= part;
        if (n >= BUFFER_BYTES) {
            return get_directly(r, to, n);
        }
        if (n > 0 && !refill(r)) {
            return false;
        }
    }
    return true;
}

bool rdb_get_byte(struct rdb_reader *r, unsigned *out)
{
    unsigned char byte = 0;

    if (!rdb_get(r, &byte, 1)) {
        return false;
    }
    *out = byte;
    return true;
}

bool rdb_skip(struct rdb_reader *r, uint64_t n)
{
    if (n > rdb_reader_left(r)) {
        return rdb_fail(r, RDB_ERR_FORMAT, "%llu bytes are to be skipped where the file has less",
                        (unsigned long long)n);
    }
    while (n > 0) {
        size_t part;

        if (r->pos == r->len && !refill(r)) {
            return false;
        }
        part = (size_t)MIN_OF(n, (uint64_t)(r->len - r->pos));
        r->pos += part;
        n -= part;
    }
    return true;
}

/* ---- lengths and strings --------------------------------------------------------------------- */

/* A length, or (*special) the kind of a string in special form. */
static bool get_len_or_special(struct rdb_reader *r, uint64_t *out, bool *special)
{
    unsigned first, second;
    uint32_t wire32 = 0;
    uint64_t wire64 = 0;

    *special = false;
    if (!rdb_get_byte(r, &first)) {
        return false;
    }
    switch (first & 0xc0) {
    case RDB_LEN_6BIT:
        *out = first & 0x3f;
        return true;
    case RDB_LEN_14BIT:
        if (!rdb_get_byte(r, &second)) {
            return false;
        }
        *out = (uint64_t)(first & 0x3f) << 8 | second;
        return true;
    case RDB_LEN_SPECIAL:
        *special = true;
        *out = first & 0x3f;
        return true;
    default:
        break;
    }
    if (first == RDB_LEN_32BIT) {
        if (!rdb_get(r, &wire32, sizeof wire32)) {
            return false;
        }
        *out = be32toh(wire32);
        return true;
    }
    if (first == RDB_LEN_64BIT) {
        if (!rdb_get(r, &wire64, sizeof wire64)) {
            return false;
        }
        *out = be64toh(wire64);
        return true;
    }
    return rdb_fail(r, RDB_ERR_FORMAT, "unknown form of a length (%u)", first);
}

bool rdb_get_len(struct rdb_reader *r, uint64_t *out)
{
    bool special;

    if (!get_len_or_special(r, out, &special)) {
        return false;
    }
    return special ? rdb_fail(r, RDB_ERR_FORMAT, "a string stands where a length must") : true;
}

static bool text_reserve(struct rdb_reader *r, struct rdb_text *t, size_t n)
{
    if (n > r->text_max) {
        return rdb_fail(r, RDB_ERR_FORMAT, "a string of %zu bytes is too long,", n);
    }
    if (t->own == NULL || n > t->cap || t->cap > TEXT_KEEP) {
        size_t cap = MAX_OF(n, (size_t)256);

        free(t->own);
        t->cap = 0;
        t->own = mem_try_alloc(cap);
        if (t->own == NULL) {
            return rdb_fail(r, RDB_ERR_NOMEM, "out of memory for a string of %zu bytes", n);
        }
        t->cap = cap;
    }
    return true;
}

void rdb_text_release(struct rdb_text *t)
{
    free(t->own);
    memset(t, 0, sizeof *t);
}

static bool get_int(struct rdb_reader *r, unsigned bytes, struct rdb_text *out)
{
    unsigned char wire[4] = {0};
    int64_t v;

    if (!rdb_get(r, wire, bytes) || !text_reserve(r, out, NUM_I64_MAX_CHARS)) {
        return false;
    }
    if (bytes == 1) {
        v = wire[0] < 0x80 ? wire[0] : wire[0] - 0x100;
    } else if (bytes == 2) {
        v = (int16_t)(wire[0] | wire[1] << 8);
    } else {
        v = (int32_t)((uint32_t)wire[0] | (uint32_t)wire[1] << 8 | (uint32_t)wire[2] << 16 |
                      (uint32_t)wire[3] << 24);
    }
    out->n = num_print_i64(out->own, v);
    out->p = out->own;
    return true;
}

static bool get_lzf(struct rdb_reader *r, struct rdb_text *out)
{
    uint64_t packed_len = 0, len = 0;
    char *packed;
    bool ok;

    if (!rdb_get_len(r, &packed_len) || !rdb_get_len(r, &len)) {
        return false;
    }
    if (packed_len > rdb_reader_left(r) || packed_len > UINT32_MAX || len > UINT32_MAX ||
        len > packed_len * LZF_GAIN_MAX || len == 0) {
        return rdb_fail(r, RDB_ERR_FORMAT, "impossible lengths of a compressed string");
    }
    packed = mem_try_alloc(packed_len);
    if (packed == NULL) {
        return rdb_fail(r, RDB_ERR_NOMEM, "out of memory for a string of %llu bytes",
                        (unsigned long long)packed_len);
    }
    ok = text_reserve(r, out, len) && rdb_get(r, packed, packed_len);
    if (ok && lzf_decompress(packed, (unsigned)packed_len, out->own, (unsigned)len) != len) {
        ok = rdb_fail(r, RDB_ERR_FORMAT, "a compressed string is damaged");
    }
    free(packed);
    out->p = out->own;
    out->n = len;
    return ok;
}

bool rdb_get_string(struct rdb_reader *r, struct rdb_text *out)
{
    uint64_t n = 0;
    bool special;

    if (!get_len_or_special(r, &n, &special)) {
        return false;
    }
    if (special) {
        switch (n) {
        case RDB_SPECIAL_INT8:
            return get_int(r, 1, out);
        case RDB_SPECIAL_INT16:
            return get_int(r, 2, out);
        case RDB_SPECIAL_INT32:
            return get_int(r, 4, out);
        case RDB_SPECIAL_LZF:
            return get_lzf(r, out);
        default:
            return rdb_fail(r, RDB_ERR_FORMAT, "unknown form of a string (%llu)",
                            (unsigned long long)n);
        }
    }
    if (n > rdb_reader_left(r)) {
        return rdb_fail(r, RDB_ERR_FORMAT, "a string of %llu bytes where the file has %llu left",
                        (unsigned long long)n, (unsigned long long)rdb_reader_left(r));
    }
    if (!text_reserve(r, out, n) || !rdb_get(r, out->own, n)) {
        return false;
    }
    out->p = out->own;
    out->n = n;
    return true;
}
