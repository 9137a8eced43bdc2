/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/intset.c - see node/types/intset.h. */
#include "node/types/intset.h"

#include "base/mem.h"
#include "node/keyspace/item.h"

#include <endian.h>
#include <stdlib.h>

#define HEADER (2 * sizeof(uint32_t))

static unsigned width_of(int64_t v)
{
    if (v >= INT16_MIN && v <= INT16_MAX) {
        return 2;
    }
    return v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
}

static int64_t load(const unsigned char *values, unsigned width, size_t i)
{
    uint64_t v = 0;

    memcpy(&v, values + i * width, width);
    v = le64toh(v) << (64 - 8 * width);
    return (int64_t)v >> (64 - 8 * width);
}

static void store(unsigned char *values, unsigned width, size_t i, int64_t v)
{
    uint64_t wire = htole64((uint64_t)v);

    memcpy(values + i * width, &wire, width);
}

static size_t block(unsigned width, size_t count)
{
    return item_good_size(sizeof(struct intset) + width * count);
}

static unsigned width(const struct intset *s) { return le32toh(s->width); }

size_t intset_count(const struct intset *s) { return le32toh(s->count); }

size_t intset_bytes(const struct intset *s) { return HEADER + width(s) * intset_count(s); }

size_t intset_allocation(const struct intset *s) { return block(width(s), intset_count(s)); }

struct intset *intset_new(void)
{
    struct intset *s = mem_alloc(block(2, 0));

    s->head = (struct value_head){0};
    s->width = htole32(2);
    s->count = 0;
    return s;
}

struct intset *intset_from(const void *bytes, size_t n)
{
    struct intset *s = mem_alloc(item_good_size(sizeof s->head + n));

    s->head = (struct value_head){0};
    memcpy(&s->width, bytes, n);
    return s;
}

struct intset *intset_dup(const struct intset *s)
{
    struct intset *copy = intset_from(&s->width, intset_bytes(s));

    copy->head = s->head;
    return copy;
}

int64_t intset_nth(const struct intset *s, size_t i)
{
    assert(i < intset_count(s));
    return load(s->values, width(s), i);
}

/* Where @v stands or would stand. */
static size_t lower_bound(const struct intset *s, int64_t v)
{
    unsigned w = width(s);
    size_t lo = 0, hi = intset_count(s);

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (load(s->values, w, mid) < v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool intset_has(const struct intset *s, int64_t v)
{
    size_t i = lower_bound(s, v);

    return i < intset_count(s) && load(s->values, width(s), i) == v;
}

/* Room for @count values of @w bytes each, those that are there widened. */
static struct intset *reshape(struct intset *s, unsigned w, size_t count)
{
    unsigned old = width(s);
    size_t n = intset_count(s);

    if (block(w, count) != block(old, n)) {
        s = mem_realloc(s, block(w, count));
    }
    for (size_t i = n; w > old && i-- > 0;) {
        store(s->values, w, i, load(s->values, old, i));
    }
    s->width = htole32(w);
    return s;
}

struct intset *intset_add(struct intset *s, int64_t v, bool *added)
{
    size_t i = lower_bound(s, v);
    size_t n = intset_count(s);
    unsigned w = MAX_OF(width(s), width_of(v));

    *added = i == n || load(s->values, width(s), i) != v;
    if (!*added) {
        return s;
    }
    s = reshape(s, w, n + 1);
    memmove(s->values + (i + 1) * w, s->values + i * w, (n - i) * w);
    store(s->values, w, i, v);
    s->count = htole32((uint32_t)(n + 1));
    return s;
}

struct intset *intset_remove(struct intset *s, int64_t v, bool *removed)
{
    size_t i = lower_bound(s, v);
    size_t n = intset_count(s);
    unsigned w = width(s);

    *removed = i < n && load(s->values, w, i) == v;
    if (!*removed) {
        return s;
    }
    memmove(s->values + i * w, s->values + (i + 1) * w, (n - i - 1) * w);
    s->count = htole32((uint32_t)(n - 1));
    if (block(w, n - 1) != block(w, n)) {
        s = mem_realloc(s, block(w, n - 1));
    }
    return s;
}

bool intset_validate(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    uint32_t w, count;

    if (n < HEADER) {
        return false;
    }
    memcpy(&w, b, sizeof w);
    memcpy(&count, b + sizeof w, sizeof count);
    w = le32toh(w);
    count = le32toh(count);
    if ((w != 2 && w != 4 && w != 8) || (n - HEADER) % w != 0 || (n - HEADER) / w != count) {
        return false;
    }
    for (size_t i = 1; i < count; i++) {
        if (load(b + HEADER, w, i - 1) >= load(b + HEADER, w, i)) {
            return false;
        }
    }
    return true;
}
