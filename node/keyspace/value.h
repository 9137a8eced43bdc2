/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/value.h - what the keyspace asks of a type other than strings.
 *
 * A value of such a type hangs from its item by pointer (item_value()) and begins with a struct
 * value_head. The structures are in node/types/, one module for each type; types.c lists them.
 * Elements of big values are struct items as well, in a struct tables of their own (item.h,
 * table.h): so members and fields have the same compact form and the same tables as keys. */
#ifndef NODE_KEYSPACE_VALUE_H
#define NODE_KEYSPACE_VALUE_H

#include "node/keyspace/keyspace.h"
#include "node/keyspace/mover.h"

/* What every separately allocated value begins with. */
struct value_head {
    uint64_t type : 8;     /* enum item_type */
    uint64_t encoding : 8; /* the type's own matter */
    uint64_t len : 48;     /* of a string: its bytes; else the type's own matter */
};
_Static_assert(sizeof(struct value_head) == 8, "a head is one word");

/* From how many allocations on a value is freed on another thread. */
#define VALUE_LAZY_EFFORT 64

/* Collects what a value holds, in a form that does not depend on its encoding. */
struct value_digest;
/* In order; the length is part of it, so that "ab","c" differs from "a","bc". */
void value_digest_add(struct value_digest *d, const void *p, size_t n);
void value_digest_number(struct value_digest *d, uint64_t v);
/* What is added between these counts as one element of an unordered collection: the digest is the
 * same in whatever order elements come. They do not nest. */
void value_digest_element_begin(struct value_digest *d);
void value_digest_element_end(struct value_digest *d);

/* Something that is to happen in a value at a time of its own: fields of a hash expire. */
struct value_due {
    int64_t at;         /* wall ms; KEYSPACE_NO_EXPIRE: nothing. The type's */
    struct item *entry; /* the keyspace's: its place in a heap; freed with the value */
};

struct tables; /* node/keyspace/table.h */

struct value_type {
    const char *(*encoding_name)(const void *value); /* for OBJECT ENCODING */
    void (*free)(void *value);                       /* any thread */
    /* Bytes by allocation sizes; of at most @samples elements, the rest in proportion (0: all). */
    size_t (*bytes)(const void *value, size_t samples);
    size_t (*effort)(const void *value); /* allocations that free() gives back, about; O(1) */
    void *(*copy)(const void *value);    /* deep */
    void (*digest)(const void *value, struct value_digest *d);
    /* Where the elements are; NULL, or gives NULL: not in hash tables. */
    const struct tables *(*tables)(const void *value);
    struct value_due *(*due)(void *value); /* NULL, or gives NULL: there is never anything */
    /* Show the mover what is allocated for *@value (which may move), from the cursor on: about @n
     * allocations. True: that was all of it. Holds the loop for little more than they take. */
    bool (*relocate)(void **value, struct mover *m, struct value_cursor *c, size_t n);
};

/* By enum item_type; NULL for strings, which the keyspace knows itself. Defined in
 * node/types/types.c. */
extern const struct value_type *const value_types[ITEM_TYPES];

/* The value of an item of another type than string; lasts until the next change of the item. */
void *item_value(const struct item *it);
/* The value has moved (grown, or changed its encoding): the old pointer is no longer owned. */
void item_set_value(struct item *it, void *value);

/* An item in no keyspace that owns @value: to build a value before it has a key. item_free(), or
 * take the value out of it again. */
struct item *item_detached(void *value);
void *item_detached_take(struct item *it);
void item_free(struct item *it); /* an item that is in no table, with its value */

#endif
