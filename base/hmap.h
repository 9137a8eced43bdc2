/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/hmap.h - a hash table of nodes that their owners embed.
 *
 * The caller brings the hash (keyed, where clients choose the keys) and compares the keys itself:
 *
 *     for (struct hmap_node *x = hmap_find(&m, hash); x != NULL; x = hmap_next(x)) ...
 *
 * It grows in steps: each addition moves a few nodes to the table twice as large, so that no call
 * takes long. It does not shrink. Its owner's thread only. */
#ifndef BASE_HMAP_H
#define BASE_HMAP_H

#include "base/base.h"

struct hmap_node {
    struct hmap_node *next; /* in its bucket */
    uint64_t hash;
};

struct hmap {
    struct hmap_node **buckets; /* NULL: nothing was ever added */
    size_t cap;                 /* a power of two */
    struct hmap_node **old;     /* the table before, while it is being emptied */
    size_t old_cap, moved;      /* old[0, moved) are empty */
    size_t n;
};

/* All zero is an empty one. */
void hmap_release(struct hmap *m); /* the nodes are their owners' */

void hmap_add(struct hmap *m, struct hmap_node *x, uint64_t hash); /* duplicates are allowed */
void hmap_remove(struct hmap *m, struct hmap_node *x);             /* it is in @m */

/* The first node with this hash, and the next one with the same; NULL: none. */
struct hmap_node *hmap_find(const struct hmap *m, uint64_t hash);
struct hmap_node *hmap_next(const struct hmap_node *x);

/* Any node: the first at or behind *@cursor, going round, which then stands at its place. NULL: it
 * is empty. The table may change between calls. */
struct hmap_node *hmap_any(const struct hmap *m, size_t *cursor);

/* Bytes of the tables. */
size_t hmap_bytes(const struct hmap *m);

#endif
