/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/intset.h - a sorted set of integers in one block of memory.
 *
 * The bytes are those of Redis's structure of the same name, so that RDB files and DUMP payloads
 * carry them as they are: width (2, 4 or 8):u32le, count:u32le, values, little-endian and rising.
 * All values have the width of the widest. A block begins with a struct value_head. Functions that
 * change a set return it, since it may have moved. */
#ifndef NODE_TYPES_INTSET_H
#define NODE_TYPES_INTSET_H

#include "node/keyspace/value.h"

struct intset {
    struct value_head head; /* the owner's */
    uint32_t width, count;  /* little-endian, as are the values behind them */
    unsigned char values[];
};

struct intset *intset_new(void);                         /* empty, head zero; free() */
struct intset *intset_from(const void *bytes, size_t n); /* validated bytes, copied */
struct intset *intset_dup(const struct intset *s);       /* with its head */
size_t intset_bytes(const struct intset *s);             /* of the format, from width on */
size_t intset_allocation(const struct intset *s);        /* of the block */
size_t intset_count(const struct intset *s);
int64_t intset_nth(const struct intset *s, size_t i); /* @i < count */
bool intset_has(const struct intset *s, int64_t v);
struct intset *intset_add(struct intset *s, int64_t v, bool *added);
struct intset *intset_remove(struct intset *s, int64_t v, bool *removed);

/* @n bytes are a whole set: known width, right size, values rising. */
bool intset_validate(const void *bytes, size_t n);

#endif
