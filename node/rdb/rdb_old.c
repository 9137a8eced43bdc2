/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_old.c - see node/rdb/rdb_old.h.
 *
 * A ziplist: total bytes:u32le  offset of the last entry:u32le  count:u16le  entry ...  0xff.
 * An entry: the bytes of the one before it (one byte below 254, or 254 and u32le), then
 *   00xxxxxx        string of up to 63 bytes
 *   01xxxxxx +1     string of up to 16383 bytes, big-endian
 *   10______ +4     string, big-endian
 *   11000000        int16   11010000  int32   11100000  int64   11110000  int24   11111110  int8,
 *                   little-endian
 *   1111xxxx        0001 to 1101: the numbers 0 to 12
 *
 * A zipmap: count:u8, then for each field its length (one byte below 254, or 254 and u32le), its
 * bytes, the value's length likewise, the number of bytes that are free behind the value:u8, the
 * value, and these; 0xff at the end. */
#include "node/rdb/rdb_old.h"

#include <endian.h>
#include <stdlib.h>

#define END 0xff
#define LONG_LEN 254 /* 32 bits follow */

static uint32_t load32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

/* A length of one or five bytes at @p, of which @left are there; returns its size, 0: none. */
static size_t get_len(const unsigned char *p, size_t left, size_t *out)
{
    if (left >= 1 && p[0] < LONG_LEN) {
        *out = p[0];
        return 1;
    }
    if (left >= 5 && p[0] == LONG_LEN) {
        *out = load32(p + 1);
        return 5;
    }
    return 0;
}

/* ---- ziplists -------------------------------------------------------------------------------- */

#define ZIPLIST_HEADER 10
#define ZIPLIST_COUNT_UNKNOWN UINT16_MAX

struct entry {
    bool is_string;
    const unsigned char *p;
    size_t n;
    int64_t v;
};

/* Bytes of a string's header and its length; 0: there is none. */
static size_t string_header(const unsigned char *p, size_t left, size_t *n)
{
    uint32_t wire;

    switch (p[0] >> 6) {
    case 0:
        *n = p[0] & 0x3f;
        return 1;
    case 1:
        if (left < 2) {
            return 0;
        }
        *n = (size_t)(p[0] & 0x3f) << 8 | p[1];
        return 2;
    default:
        if (left < 5) {
            return 0;
        }
        memcpy(&wire, p + 1, sizeof wire);
        *n = be32toh(wire);
        return 5;
    }
}

/* Bytes of a number behind its first byte; > 8: it is none. */
static size_t number_bytes(unsigned first)
{
    switch (first) {
    case 0xc0:
        return 2;
    case 0xd0:
        return 4;
    case 0xe0:
        return 8;
    case 0xf0:
        return 3;
    case 0xfe:
        return 1;
    default:
        return first >= 0xf1 && first <= 0xfd ? 0 : SIZE_MAX;
    }
}

/* The content of an entry at @p; returns its bytes, 0: none. */
static size_t get_entry(const unsigned char *p, size_t left, struct entry *e)
{
    uint64_t wire = 0;
    size_t n;

    if (left == 0) {
        return 0;
    }
    e->is_string = p[0] < 0xc0;
    if (e->is_string) {
        size_t header = string_header(p, left, &e->n);

        e->p = p + header;
        return header == 0 || e->n > left - header ? 0 : header + e->n;
    }
    n = number_bytes(p[0]);
    if (n > left - 1) {
        return 0;
    }
    if (n == 0) {
        e->v = (p[0] & 0x0f) - 1;
        return 1;
    }
    memcpy(&wire, p + 1, n);
    e->v = (int64_t)(le64toh(wire) << (64 - 8 * n)) >> (64 - 8 * n);
    return 1 + n;
}

static struct listpack *append(struct listpack *lp, const struct entry *e)
{
    return e->is_string ? listpack_append(lp, (const char *)e->p, e->n)
                        : listpack_append_i64(lp, e->v);
}

/* All entries up to the end mark at @end; false: some are malformed. */
static bool ziplist_entries(const unsigned char *b, size_t end, struct listpack **lp)
{
    size_t at = ZIPLIST_HEADER, before = 0, count = 0, last = ZIPLIST_HEADER;
    unsigned stored = b[8] | (unsigned)b[9] << 8;

    while (at < end) {
        struct entry e;
        size_t prev = 0;
        size_t head = get_len(b + at, end - at, &prev);
        size_t n = head == 0 ? 0 : get_entry(b + at + head, end - at - head, &e);

        if (n == 0 || prev != before) {
            return false;
        }
        *lp = append(*lp, &e);
        last = at;
        before = head + n;
        at += before;
        count++;
    }
    return load32(b + 4) == last && (stored == ZIPLIST_COUNT_UNKNOWN || stored == count);
}

struct listpack *rdb_from_ziplist(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    struct listpack *lp;

    assert(n <= LISTPACK_BYTES_SAFE);
    if (n < ZIPLIST_HEADER + 1 || load32(b) != n || b[n - 1] != END) {
        return NULL;
    }
    lp = listpack_new();
    if (!ziplist_entries(b, n - 1, &lp)) {
        free(lp);
        return NULL;
    }
    return lp;
}

/* ---- zipmaps --------------------------------------------------------------------------------- */

/* A field (@value false) or a value at @p; returns its bytes with what is free behind it. */
static size_t get_part(const unsigned char *p, size_t left, bool value, struct entry *e)
{
    size_t spare = 0;
    size_t head = get_len(p, left, &e->n);

    if (head == 0) {
        return 0;
    }
    if (value) {
        if (left == head) {
            return 0;
        }
        spare = p[head++];
    }
    e->is_string = true;
    e->p = p + head;
    return e->n > left - head || spare > left - head - e->n ? 0 : head + e->n + spare;
}

static bool zipmap_entries(const unsigned char *b, size_t end, struct listpack **lp)
{
    size_t count = 0;

    for (size_t at = 1; at < end;) {
        struct entry e;
        size_t n = get_part(b + at, end - at, count % 2 == 1, &e);

        if (n == 0) {
            return false;
        }
        *lp = append(*lp, &e);
        at += n;
        count++;
    }
    return count % 2 == 0 && (b[0] >= LONG_LEN || b[0] == count / 2);
}

struct listpack *rdb_from_zipmap(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    struct listpack *lp;

    assert(n <= LISTPACK_BYTES_SAFE);
    if (n < 2 || b[n - 1] != END) {
        return NULL;
    }
    lp = listpack_new();
    if (!zipmap_entries(b, n - 1, &lp)) {
        free(lp);
        return NULL;
    }
    return lp;
}
