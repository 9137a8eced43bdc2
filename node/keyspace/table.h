/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/table.h - an array of hash tables of items: one, or one per slot.
 * For node/keyspace and node/types only.
 *
 * The tables keep items in the order of their hashes: bucket b of n covers the hash positions
 * [b * 2^38 / n, (b + 1) * 2^38 / n), a position being the hash's top 38 bits. From this follow
 *  - any number of buckets, not only powers of two: a table grows by a fraction, and is dense;
 *  - resizing in order: all positions below a frontier live in the new part, all others in the
 *    old one, so that a look-up is always one look-up;
 *  - a scan whose cursor is a position: it means the same in every size of the table.
 *
 * A bucket is a cache line of eight words, each an item's address with 16 bits of tag above it.
 * A full bucket turns its last word into a link to another one. Buckets are filled up again from
 * the chain's end on removal, so there are no tombstones; every linked bucket holds two or more.
 *
 * A table of up to 63 buckets is "small": one allocation with its header, rebuilt at once, and
 * its tags are the top bits of the hash, so that rebuilding does not look at the items. A larger
 * one has its buckets in chunks that come and go as the frontier moves.
 *
 * Nothing is written by look-ups, scans and walks (a forked child's pages stay shared). */
#ifndef NODE_KEYSPACE_TABLE_H
#define NODE_KEYSPACE_TABLE_H

#include "node/keyspace/keyspace.h"
#include "node/keyspace/mover.h"

#define TABLE_POSITION_BITS 38
#define TABLE_POSITION_END (UINT64_C(1) << TABLE_POSITION_BITS)

struct table;
/* Address of a table (48 bits) and, when it is small, its number of buckets above; 0: empty. */
typedef uint64_t table_ref;

struct tables {
    table_ref *refs;
    uint32_t n_refs; /* 1 or a multiple of TABLES_PER_SUM */
    uint64_t *sums;  /* items in each run of TABLES_PER_SUM tables; NULL when n_refs is 1 */
    uint64_t items;
    size_t bytes;           /* allocated for tables, without refs and sums */
    struct table *resizing; /* list of the tables that are moving */
    struct siphash_key hash_key;
    bool forked; /* moving is put off */
};
#define TABLES_PER_SUM 64

void tables_init(struct tables *ts, uint32_t n_refs, const struct siphash_key *hash_key);
/* Frees the tables and hands each item to @fn. */
typedef void tables_item_fn(void *arg, struct item *it);
void tables_release(struct tables *ts, tables_item_fn *fn, void *arg);

struct item *tables_find(const struct tables *ts, const struct key *k);
/* Fetch what tables_find() will read into the cache: first the bucket, later the item. */
void tables_prefetch_bucket(const struct tables *ts, const struct key *k);
void tables_prefetch_item(const struct tables *ts, const struct key *k);

/* @hash and @slot are those of the item's key. The item must not be / must be there. */
void tables_insert(struct tables *ts, uint32_t slot, uint64_t hash, struct item *it);
void tables_remove(struct tables *ts, uint32_t slot, uint64_t hash, const struct item *it);
void tables_replace(struct tables *ts, uint32_t slot, uint64_t hash, const struct item *old,
                    struct item *it);

uint64_t tables_count(const struct tables *ts, uint32_t slot);
/* First slot >= @from that is not empty; n_refs: none. */
uint32_t tables_next_slot(const struct tables *ts, uint32_t from);
/* Hand the items of the bucket (or of the empty run) at @pos to @fn; returns where it ends. */
uint64_t tables_scan(const struct tables *ts, uint32_t slot, uint64_t pos, tables_item_fn *fn,
                     void *arg);
bool tables_each(const struct tables *ts, keyspace_each_fn *fn, void *arg);
/* Show @m what is allocated for the bucket (or the empty run) at @pos, and for the table itself
 * where it begins there; @fn (NULL: they stay) does so for the items, and says where each is now.
 * Returns where the bucket ends, as tables_scan() does. */
typedef struct item *tables_relocate_fn(void *arg, struct item *it);
uint64_t tables_relocate(struct tables *ts, uint32_t slot, uint64_t pos, struct mover *m,
                         tables_relocate_fn *fn, void *arg);
/* An item, each equally likely; NULL when there are none. */
struct item *tables_random(const struct tables *ts, uint64_t random);

/* Move up to @steps buckets; true while some are left to move. */
bool tables_upkeep(struct tables *ts, size_t steps);
/* Begin to grow or shrink the table of @slot if its load asks for it. */
void tables_check(struct tables *ts, uint32_t slot);
/* Ready the table of @slot for @n items. */
void tables_expect(struct tables *ts, uint32_t slot, uint64_t n);

/* Buckets by the number of their items, and tables by state. */
struct tables_stats {
    uint64_t small, large, resizing;
    uint64_t buckets, linked;
    uint64_t fill[16]; /* buckets (chains) with so many items; the last: or more */
};
void tables_stats(const struct tables *ts, struct tables_stats *out);

#endif
