/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/item.h - the bytes of an item. For node/keyspace and node/types only.
 *
 * One allocation, its size a function of what it holds (so that no capacity need be stored):
 *
 *     heap_pos:32  access:24 meta:8 | [pointer:64]  key_len:8 or 64  [value_len:8]  key  [value]
 *
 * The pointer is there for ITEM_POINTER, value_len and value for the other encodings. An item of
 * ITEM_POINTER owns what it points to: a struct raw for strings; the values of other types begin
 * with a struct value_head as well, so that keyspace_free_value() can tell them apart.
 *
 * Invariant: the allocation is item_good_size(item_bytes(it)) bytes. A value may therefore be
 * rewritten in place exactly when the new item would fall into the same allocation class. */
#ifndef NODE_KEYSPACE_ITEM_H
#define NODE_KEYSPACE_ITEM_H

#include "node/keyspace/value.h"

#include <string.h>

enum item_encoding {
    ITEM_EMBEDDED, /* the value's bytes stand behind the key */
    ITEM_INTEGER,  /* likewise, as a native int32_t or int64_t (value_len 4 or 8) */
    ITEM_POINTER,
};

#define ITEM_EMBED_MAX 255 /* longest embedded value: one byte of length */
#define ITEM_EMBSTR_MAX 44 /* longest string that OBJECT ENCODING calls "embstr" */

/* bits */
#define ITEM_TYPE_SHIFT 0 /* 3 bits */
#define ITEM_TYPE_MASK 0x07u
#define ITEM_ENC_SHIFT 3 /* 2 bits */
#define ITEM_ENC_MASK 0x18u
#define ITEM_EDITED 0x20u   /* a string changed in place: OBJECT ENCODING says "raw" */
#define ITEM_LONG_KEY 0x40u /* key_len takes 64 bits */
#define ITEM_ACCESS_SHIFT 8

struct item {
    uint32_t heap_pos; /* place of its expiry time, see expire.h; 0: does not expire */
    uint32_t bits;
    unsigned char rest[];
};
_Static_assert(sizeof(struct item) == 8, "the header of an item is one word");

/* A string in an allocation of its own. */
struct raw {
    struct value_head head;
    size_t cap; /* of bytes */
    char bytes[];
};

static inline enum item_encoding item_encoding(const struct item *it)
{
    return (enum item_encoding)((it->bits & ITEM_ENC_MASK) >> ITEM_ENC_SHIFT);
}

static inline bool item_is_pointer(const struct item *it)
{
    return item_encoding(it) == ITEM_POINTER;
}

static inline void *item_pointer(const struct item *it)
{
    void *p;

    memcpy(&p, it->rest, sizeof p);
    return p;
}

static inline void item_set_pointer(struct item *it, void *p) { memcpy(it->rest, &p, sizeof p); }

static inline struct raw *item_raw(const struct item *it) { return item_pointer(it); }

/* The key, and behind it the embedded value. */
static inline const unsigned char *item_key_at(const struct item *it, size_t *n)
{
    const unsigned char *p = it->rest;
    size_t behind = 1;

    if (item_is_pointer(it)) {
        p += sizeof(void *);
        behind = 0;
    }
    if (LIKELY((it->bits & ITEM_LONG_KEY) == 0)) {
        *n = p[0];
        return p + 1 + behind;
    }

    memcpy(n, p, sizeof *n);
    return p + sizeof *n + behind;
}

static inline bool item_has_key(const struct item *it, const char *key, size_t n)
{
    size_t have;
    const unsigned char *p = item_key_at(it, &have);

    return have == n && memcmp(p, key, n) == 0;
}

/* The embedded value; not for ITEM_POINTER. */
static inline unsigned char *item_value_at(const struct item *it, size_t *n)
{
    size_t key_len;
    const unsigned char *key = item_key_at(it, &key_len);

    *n = key[-1];
    return (unsigned char *)key + key_len;
}

/* Bytes of an item with such a key; @value_len counts unless @pointer. */
static inline size_t item_bytes_for(size_t key_len, bool pointer, size_t value_len)
{
    size_t len_bytes = key_len > UINT8_MAX ? sizeof key_len : 1;

    return sizeof(struct item) + len_bytes + key_len + (pointer ? sizeof(void *) : 1 + value_len);
}

size_t item_bytes(const struct item *it);
/* The size jemalloc would round @n up to; we ask for all of it. */
size_t item_good_size(size_t n);

/* A new item, not yet in any table or heap. */
struct item *item_new_embedded(enum item_encoding enc, const char *key, size_t key_len,
                               const void *value, size_t value_len);
struct item *item_new_pointer(enum item_type type, const char *key, size_t key_len, void *value);

/* A raw string of @len bytes (copied from @p, or zero when @p is NULL) with room for @cap; NULL
 * when memory is out. */
struct raw *raw_new(const void *p, size_t len, size_t cap);
/* Likewise, but the process ends: for bytes that are in memory already. */
struct raw *raw_must_new(const void *p, size_t len, size_t cap);
/* Room for @cap bytes (what is beyond is lost; len stays); NULL: no memory, @r is unchanged. */
struct raw *raw_resize(struct raw *r, size_t cap);
size_t raw_bytes(const struct raw *r);

/* An int64_t in its 4 or 8 bytes; returns how many. */
size_t item_pack_i64(unsigned char out[8], int64_t v);
int64_t item_integer(const struct item *it);

#endif
