/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/expire.h - when items expire: a 4-ary heap for each database.
 * For node/keyspace and node/types only.
 *
 * An entry holds the time beside the item, so that sifting compares without touching items; an
 * item knows its entry by heap_pos, so that a time is changed in O(log n). Times that come in
 * rising order cost O(1). Only items that expire take memory (16 bytes).
 *
 * The entries of all heaps live in chunks of one pool, and heap_pos is a place in the pool: so
 * the time of an item is found without knowing its database, and databases are swapped or
 * detached without touching items. */
#ifndef NODE_KEYSPACE_EXPIRE_H
#define NODE_KEYSPACE_EXPIRE_H

#include "node/keyspace/item.h"
#include "node/keyspace/mover.h"

#define EXPIRE_CHUNK_BITS 12
#define EXPIRE_CHUNK (1u << EXPIRE_CHUNK_BITS) /* entries: 64 KiB */

struct expire_entry {
    int64_t at; /* ms */
    struct item *it;
};

struct expire_pool {
    struct expire_slot {
        struct expire_entry *entries; /* NULL: free */
        uint32_t ordinal; /* which chunk of its heap it is; if free, the next free one */
    } * slots;            /* slots[0] is never used: heap_pos 0 means none */
    uint32_t n, free;     /* free: first of the free ones, 0: none */
};

struct expire_heap {
    uint32_t *ids; /* of its chunks in the pool */
    uint32_t n_ids;
    uint32_t cap; /* entries allocated in the first chunk; the others are whole */
    uint64_t n;
};

void expire_pool_init(struct expire_pool *p);
/* Its heaps must have been released. */
void expire_pool_release(struct expire_pool *p);

void expire_heap_init(struct expire_heap *h);
/* Without touching the items, which may be gone. */
void expire_heap_release(struct expire_pool *p, struct expire_heap *h);
/* Move the heap's chunks to the pool @to, which is new or has only those of other heaps moved from
 * @from, at the same places. */
void expire_heap_transfer(struct expire_pool *from, struct expire_pool *to,
                          const struct expire_heap *h);
size_t expire_heap_bytes(const struct expire_heap *h);

static inline struct expire_entry *expire_entry_of(const struct expire_pool *p,
                                                   const struct item *it)
{
    return &p->slots[it->heap_pos >> EXPIRE_CHUNK_BITS].entries[it->heap_pos & (EXPIRE_CHUNK - 1)];
}

/* The item has moved to @it, with all it says: so does its entry, if there is one. */
static inline void expire_moved(const struct expire_pool *p, struct item *it)
{
    if (it->heap_pos != 0) {
        expire_entry_of(p, it)->it = it;
    }
}
/* Show @m what is allocated for the pool itself, and what is not a whole chunk of a heap. */
void expire_pool_relocate(struct expire_pool *p, struct mover *m);
void expire_heap_relocate(struct expire_pool *p, struct expire_heap *h, struct mover *m);

/* The item has no time yet / has one. */
void expire_add(struct expire_pool *p, struct expire_heap *h, struct item *it, int64_t at);
void expire_change(struct expire_pool *p, struct expire_heap *h, struct item *it, int64_t at);
void expire_remove(struct expire_pool *p, struct expire_heap *h, struct item *it);

/* The entry due first; NULL: none. */
const struct expire_entry *expire_first(const struct expire_pool *p, const struct expire_heap *h);
/* Entries whose time is not after @until; O(their number). */
uint64_t expire_count(const struct expire_pool *p, const struct expire_heap *h, int64_t until);
/* The @i-th in no order. */
const struct expire_entry *expire_nth(const struct expire_pool *p, const struct expire_heap *h,
                                      uint64_t i);

#endif
