/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/listpack.c - see node/types/listpack.h.
 *
 * First byte of an entry, and what it means:
 *   0xxxxxxx            7-bit unsigned integer
 *   10xxxxxx            string of up to 63 bytes
 *   110xxxxx +1         13-bit signed integer
 *   1110xxxx +1         string of up to 4095 bytes
 *   11110000 +4         string of up to 2^32 - 1 bytes
 *   11110001 .. 100     16, 24, 32, 64-bit signed integer, little-endian
 *   11111111            the end */
#include "node/types/listpack.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/keyspace/item.h"

#include <endian.h>
#include <stdlib.h>

#define HEADER 6
#define COUNT_UNKNOWN UINT16_MAX
#define END 0xff
#define BYTES_MAX UINT32_MAX

enum {
    ENC_STRING32 = 0xf0,
    ENC_INT16 = 0xf1,
    ENC_INT24 = 0xf2,
    ENC_INT32 = 0xf3,
    ENC_INT64 = 0xf4,
};

/* ---- header -------------------------------------------------------------------------------- */

static uint32_t load32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static void store32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static unsigned stored_count(const unsigned char *b) { return b[4] | (unsigned)b[5] << 8; }

static void store_count(unsigned char *b, size_t n)
{
    unsigned v = n >= COUNT_UNKNOWN ? COUNT_UNKNOWN : (unsigned)n;

    b[4] = (unsigned char)(v & 0xff);
    b[5] = (unsigned char)(v >> 8);
}

size_t listpack_bytes(const struct listpack *lp) { return load32(lp->bytes); }

size_t listpack_allocation(const struct listpack *lp)
{
    return item_good_size(sizeof *lp + listpack_bytes(lp));
}

/* ---- entries ------------------------------------------------------------------------------- */

/* Bytes of encoding and data of the entry at @p. */
static size_t entry_len(const unsigned char *p)
{
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] < 0xc0) {
        return 1 + (size_t)(p[0] & 0x3f);
    }
    if (p[0] < 0xe0) {
        return 2;
    }
    if (p[0] < 0xf0) {
        return 2 + ((size_t)(p[0] & 0x0f) << 8 | p[1]);
    }
    switch (p[0]) {
    case ENC_STRING32:
        return 5 + (size_t)load32(p + 1);
    case ENC_INT16:
        return 3;
    case ENC_INT24:
        return 4;
    case ENC_INT32:
        return 5;
    case ENC_INT64:
        return 9;
    default:
        return 1; /* the end */
    }
}

/* Bytes that a back-length of @n takes. The highest value of each size but the first takes a byte
 * more than it must: so the format has it. */
static size_t back_len(size_t n)
{
    if (n <= 127) {
        return 1;
    }
    if (n < 16383) {
        return 2;
    }
    if (n < 2097151) {
        return 3;
    }
    return n < 268435455 ? 4 : 5;
}

/* Highest seven bits first; all bytes but the first have the top bit set. */
static size_t put_back_len(unsigned char *p, size_t n)
{
    size_t bytes = back_len(n);

    for (size_t i = bytes; i-- > 0; n >>= 7) {
        p[i] = (unsigned char)((n & 127) | (i > 0 ? 128 : 0));
    }
    return bytes;
}

/* The back-length that ends before @p. */
static size_t get_back_len(const unsigned char *p)
{
    size_t n = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        p--;
        n |= (size_t)(*p & 127) << shift;
        if ((*p & 128) == 0) {
            break;
        }
    }
    return n;
}

static size_t whole_entry(const unsigned char *p)
{
    size_t n = entry_len(p);

    return n + back_len(n);
}

/* A value on its way in: what stands before the string's bytes, if it is one. */
struct encoded {
    unsigned char head[9];
    size_t head_len;
    const char *s;
    size_t n;
};

static void encode_i64(struct encoded *e, int64_t v)
{
    uint64_t u = htole64((uint64_t)v);

    e->s = "";
    e->n = 0;
    if (v >= 0 && v <= 127) {
        e->head[0] = (unsigned char)v;
        e->head_len = 1;
    } else if (v >= -4096 && v <= 4095) {
        unsigned bits = (unsigned)v & 0x1fff;

        e->head[0] = (unsigned char)(0xc0 | bits >> 8);
        e->head[1] = (unsigned char)(bits & 0xff);
        e->head_len = 2;
    } else {
        unsigned bytes = 8;

        e->head[0] = ENC_INT64;
        if (v >= INT16_MIN && v <= INT16_MAX) {
            e->head[0] = ENC_INT16;
            bytes = 2;
        } else if (v >= -(1 << 23) && v < 1 << 23) {
            e->head[0] = ENC_INT24;
            bytes = 3;
        } else if (v >= INT32_MIN && v <= INT32_MAX) {
            e->head[0] = ENC_INT32;
            bytes = 4;
        }
        memcpy(e->head + 1, &u, bytes);
        e->head_len = 1 + bytes;
    }
}

static void encode(struct encoded *e, const char *s, size_t n)
{
    int64_t v;

    assert(n <= LISTPACK_STRING_MAX);
    if (n < NUM_I64_MAX_CHARS && num_parse_i64(s, n, &v)) {
        encode_i64(e, v);
        return;
    }
    e->s = s;
    e->n = n;
    if (n < 64) {
        e->head[0] = (unsigned char)(0x80 | n);
        e->head_len = 1;
    } else if (n < 4096) {
        e->head[0] = (unsigned char)(0xe0 | n >> 8);
        e->head[1] = (unsigned char)(n & 0xff);
        e->head_len = 2;
    } else {
        e->head[0] = ENC_STRING32;
        store32(e->head + 1, (uint32_t)n);
        e->head_len = 5;
    }
}

static size_t encoded_len(const struct encoded *e)
{
    size_t n = e->head_len + e->n;

    return n + back_len(n);
}

static void put(unsigned char *p, const struct encoded *e)
{
    memcpy(p, e->head, e->head_len);
    if (e->n > 0) {
        memcpy(p + e->head_len, e->s, e->n);
    }
    put_back_len(p + e->head_len + e->n, e->head_len + e->n);
}

/* ---- blocks -------------------------------------------------------------------------------- */

struct listpack *listpack_new(void)
{
    struct listpack *lp = mem_alloc(item_good_size(sizeof *lp + HEADER + 1));

    lp->head = (struct value_head){0};
    store32(lp->bytes, HEADER + 1);
    store_count(lp->bytes, 0);
    lp->bytes[HEADER] = END;
    return lp;
}

struct listpack *listpack_from(const void *bytes, size_t n)
{
    struct listpack *lp = mem_alloc(item_good_size(sizeof *lp + n));

    lp->head = (struct value_head){0};
    memcpy(lp->bytes, bytes, n);
    return lp;
}

struct listpack *listpack_dup(const struct listpack *lp)
{
    struct listpack *copy = listpack_from(lp->bytes, listpack_bytes(lp));

    copy->head = lp->head;
    return copy;
}

/* Replace @old bytes at offset @at by room for @fresh; the header's size follows. */
static struct listpack *resize(struct listpack *lp, size_t at, size_t old, size_t fresh)
{
    size_t had = listpack_bytes(lp);
    size_t want = had - old + fresh;
    size_t had_block = item_good_size(sizeof *lp + had);
    size_t want_block = item_good_size(sizeof *lp + want);

    assert(want <= BYTES_MAX);
    if (want_block > had_block) {
        lp = mem_realloc(lp, want_block);
    }
    memmove(lp->bytes + at + fresh, lp->bytes + at + old, had - at - old);
    if (want_block < had_block) {
        lp = mem_realloc(lp, want_block);
    }
    store32(lp->bytes, (uint32_t)want);
    return lp;
}

static void add_to_count(struct listpack *lp, int64_t more)
{
    unsigned n = stored_count(lp->bytes);

    if (n != COUNT_UNKNOWN) {
        store_count(lp->bytes, (size_t)((int64_t)n + more));
    }
}

/* ---- looking ------------------------------------------------------------------------------- */

static listpack_pos unless_end(listpack_pos p) { return *p == END ? NULL : p; }

listpack_pos listpack_first(const struct listpack *lp) { return unless_end(lp->bytes + HEADER); }

listpack_pos listpack_next(const struct listpack *lp, listpack_pos p)
{
    (void)lp;
    return unless_end(p + whole_entry(p));
}

listpack_pos listpack_prev(const struct listpack *lp, listpack_pos p)
{
    size_t n;

    if (p == lp->bytes + HEADER) {
        return NULL;
    }
    n = get_back_len(p);
    return p - n - back_len(n);
}

listpack_pos listpack_last(const struct listpack *lp)
{
    return listpack_prev(lp, lp->bytes + listpack_bytes(lp) - 1);
}

size_t listpack_count(const struct listpack *lp)
{
    size_t n = stored_count(lp->bytes);

    if (n == COUNT_UNKNOWN) {
        n = 0;
        for (listpack_pos p = listpack_first(lp); p != NULL; p = listpack_next(lp, p)) {
            n++;
        }
    }
    return n;
}

listpack_pos listpack_seek(const struct listpack *lp, int64_t i)
{
    int64_t n = (int64_t)stored_count(lp->bytes);
    bool known = n != COUNT_UNKNOWN;
    listpack_pos p;

    if (known && (i >= n || i < -n)) {
        return NULL;
    }
    if (known && i >= 0 && i > n / 2) {
        i -= n;
    } else if (known && i < 0 && i < -(n / 2)) {
        i += n;
    }
    if (i >= 0) {
        for (p = listpack_first(lp); p != NULL && i > 0; i--) {
            p = listpack_next(lp, p);
        }
    } else {
        for (p = listpack_last(lp); p != NULL && i < -1; i++) {
            p = listpack_prev(lp, p);
        }
    }
    return p;
}

/* A little-endian signed integer of @bytes bytes. */
static int64_t load_signed(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, p, bytes);
    v = le64toh(v) << (64 - 8 * bytes);
    return (int64_t)v >> (64 - 8 * bytes);
}

bool listpack_i64(listpack_pos p, int64_t *out)
{
    if (p[0] < 0x80) {
        *out = p[0];
    } else if (p[0] >= 0xc0 && p[0] < 0xe0) {
        *out = (int64_t)((uint64_t)(p[0] & 0x1f) << 59 | (uint64_t)p[1] << 51) >> 51;
    } else if (p[0] == ENC_INT16) {
        *out = load_signed(p + 1, 2);
    } else if (p[0] == ENC_INT24) {
        *out = load_signed(p + 1, 3);
    } else if (p[0] == ENC_INT32) {
        *out = load_signed(p + 1, 4);
    } else if (p[0] == ENC_INT64) {
        *out = load_signed(p + 1, 8);
    } else {
        return false;
    }
    return true;
}

struct arg listpack_text(listpack_pos p, char *scratch)
{
    int64_t v;

    if (p[0] >= 0x80 && p[0] < 0xc0) {
        return (struct arg){(const char *)p + 1, p[0] & 0x3f};
    }
    if (listpack_i64(p, &v)) {
        return (struct arg){scratch, num_print_i64(scratch, v)};
    }
    if (p[0] == ENC_STRING32) {
        return (struct arg){(const char *)p + 5, load32(p + 1)};
    }
    return (struct arg){(const char *)p + 2, (size_t)(p[0] & 0x0f) << 8 | p[1]};
}

bool listpack_equals(listpack_pos p, const char *s, size_t n)
{
    char scratch[24];
    struct arg have = listpack_text(p, scratch);

    return have.n == n && (n == 0 || memcmp(have.p, s, n) == 0);
}

listpack_pos listpack_find(const struct listpack *lp, listpack_pos from, const char *s, size_t n,
                           unsigned skip)
{
    struct encoded e;
    size_t len;

    /* Equal values have equal encodings: compare these, and print no number. */
    encode(&e, s, n);
    len = e.head_len + e.n;
    for (listpack_pos p = from; p != NULL;) {
        if (p[0] == e.head[0] && entry_len(p) == len && memcmp(p, e.head, e.head_len) == 0 &&
            (e.n == 0 || memcmp(p + e.head_len, e.s, e.n) == 0)) {
            return p;
        }
        for (unsigned i = 0; p != NULL && i <= skip; i++) {
            p = listpack_next(lp, p);
        }
    }
    return NULL;
}

/* ---- changing ------------------------------------------------------------------------------ */

/* Put @e in the place of the @old bytes at offset @at. */
static struct listpack *place(struct listpack *lp, size_t at, size_t old, const struct encoded *e,
                              listpack_pos *pos)
{
    lp = resize(lp, at, old, encoded_len(e));
    put(lp->bytes + at, e);
    if (pos != NULL) {
        *pos = lp->bytes + at;
    }
    return lp;
}

struct listpack *listpack_insert(struct listpack *lp, listpack_pos at, const char *s, size_t n,
                                 listpack_pos *pos)
{
    size_t offset = at == NULL ? listpack_bytes(lp) - 1 : (size_t)(at - lp->bytes);
    struct encoded e;

    encode(&e, s, n);
    lp = place(lp, offset, 0, &e, pos);
    add_to_count(lp, 1);
    return lp;
}

struct listpack *listpack_append(struct listpack *lp, const char *s, size_t n)
{
    return listpack_insert(lp, NULL, s, n, NULL);
}

struct listpack *listpack_append_i64(struct listpack *lp, int64_t v)
{
    struct encoded e;

    encode_i64(&e, v);
    lp = place(lp, listpack_bytes(lp) - 1, 0, &e, NULL);
    add_to_count(lp, 1);
    return lp;
}

struct listpack *listpack_prepend(struct listpack *lp, const char *s, size_t n)
{
    return listpack_insert(lp, listpack_first(lp), s, n, NULL);
}

struct listpack *listpack_replace(struct listpack *lp, listpack_pos at, const char *s, size_t n,
                                  listpack_pos *pos)
{
    struct encoded e;

    encode(&e, s, n);
    return place(lp, (size_t)(at - lp->bytes), whole_entry(at), &e, pos);
}

struct listpack *listpack_replace_i64(struct listpack *lp, listpack_pos at, int64_t v,
                                      listpack_pos *pos)
{
    struct encoded e;

    encode_i64(&e, v);
    return place(lp, (size_t)(at - lp->bytes), whole_entry(at), &e, pos);
}

struct listpack *listpack_delete(struct listpack *lp, listpack_pos at, size_t count,
                                 listpack_pos *next)
{
    size_t offset = (size_t)(at - lp->bytes);
    listpack_pos p = at;
    int64_t done = 0;

    for (; *p != END && (size_t)done < count; done++) {
        p += whole_entry(p);
    }
    lp = resize(lp, offset, (size_t)(p - at), 0);
    if (stored_count(lp->bytes) == COUNT_UNKNOWN) {
        size_t n = listpack_count(lp);

        store_count(lp->bytes, n); /* it may be known again */
    } else {
        add_to_count(lp, -done);
    }
    if (next != NULL) {
        *next = unless_end(lp->bytes + offset);
    }
    return lp;
}

struct listpack *listpack_concat(struct listpack *lp, const struct listpack *more)
{
    size_t at = listpack_bytes(lp) - 1;
    size_t n = listpack_bytes(more) - HEADER - 1;
    size_t total = listpack_count(lp) + listpack_count(more);

    lp = resize(lp, at, 0, n);
    memcpy(lp->bytes + at, more->bytes + HEADER, n);
    store_count(lp->bytes, total);
    return lp;
}

/* ---- bytes from elsewhere ------------------------------------------------------------------ */

/* Bytes of encoding and length before an entry's data that must be there to tell its size. */
static size_t prefix_len(unsigned char first)
{
    if (first < 0xc0) {
        return 1;
    }
    if (first < 0xf0) {
        return 2;
    }
    return first == ENC_STRING32 ? 5 : 1;
}

/* Whole bytes of the entry at @p, of which @left are there; 0: it is none. */
static size_t validate_entry(const unsigned char *p, size_t left)
{
    size_t n, back;

    if (p[0] > ENC_INT64 || prefix_len(p[0]) > left) {
        return 0;
    }
    n = entry_len(p);
    back = back_len(n);
    if (n > LISTPACK_STRING_MAX || n + back > left || get_back_len(p + n + back) != n) {
        return 0;
    }
    /* The back-length is read from behind: its first byte must be the last one read. */
    for (size_t i = 0; i < back; i++) {
        if (((p[n + i] & 128) != 0) != (i > 0)) {
            return 0;
        }
    }
    return n + back;
}

bool listpack_validate(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    size_t at = HEADER;
    size_t count = 0;

    if (n < HEADER + 1 || load32(b) != n || b[n - 1] != END) {
        return false;
    }
    while (at < n - 1) {
        size_t entry = b[at] == END ? 0 : validate_entry(b + at, n - 1 - at);

        if (entry == 0) {
            return false;
        }
        at += entry;
        count++;
    }
    return stored_count(b) == COUNT_UNKNOWN || stored_count(b) == count;
}

/* The entry is as listpack_append() would write it. */
static bool is_canonical(listpack_pos p)
{
    char scratch[24];
    struct arg text = listpack_text(p, scratch);
    struct encoded e;

    encode(&e, text.p, text.n);
    return entry_len(p) == e.head_len + e.n && memcmp(p, e.head, e.head_len) == 0;
}

struct listpack *listpack_canonical(struct listpack *lp)
{
    listpack_pos p = listpack_first(lp);
    struct listpack *out;
    char scratch[24];

    while (p != NULL && is_canonical(p)) {
        p = listpack_next(lp, p);
    }
    if (p == NULL) {
        return lp;
    }
    out = listpack_new();
    out->head = lp->head;
    for (p = listpack_first(lp); p != NULL; p = listpack_next(lp, p)) {
        struct arg text = listpack_text(p, scratch);

        out = listpack_append(out, text.p, text.n);
    }
    free(lp);
    return out;
}
