/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/members.h - the elements of a big hash, set or sorted set, by name.
 *
 * Each is a struct item (its key is the field or member, its string value what belongs to it), in a
 * struct tables of one table: the same structures as those of keys, with the same cost. */
#ifndef NODE_TYPES_MEMBERS_H
#define NODE_TYPES_MEMBERS_H

#include "node/keyspace/item.h"
#include "node/keyspace/table.h"

struct members {
    struct tables tables;
    size_t bytes; /* allocated for the items and their values */
};

void members_init(struct members *m, const struct siphash_key *hash_key);
void members_release(struct members *m); /* frees the items */
/* The same elements, copied, in @to, which is not initialised. */
void members_copy(struct members *to, const struct members *m);

uint64_t members_count(const struct members *m);
struct item *members_find(const struct members *m, const char *p, size_t n);
/* A new element; there must be none of that name. The value is copied. */
struct item *members_add(struct members *m, const char *p, size_t n, const char *value,
                         size_t value_len);
/* Another value for an element of @m; returns where it is now. */
struct item *members_set_value(struct members *m, struct item *it, const char *value,
                               size_t value_len);
void members_remove(struct members *m, struct item *it);               /* and free */
struct item *members_random(const struct members *m, uint64_t random); /* NULL: empty */
void members_each(const struct members *m, keyspace_each_fn *fn, void *arg);
/* One step of SCAN over about @count elements; returns the next cursor, 0 at the end. */
uint64_t members_scan(const struct members *m, uint64_t cursor, size_t count, keyspace_scan_fn *fn,
                      void *arg);
/* Ready for @n elements to come. */
void members_expect(struct members *m, uint64_t n);
/* The same element is at @fresh now. */
void members_moved(struct members *m, const struct item *old, struct item *fresh);
/* Show @mover what is allocated for the tables from position *@at on, and by @fn the elements
 * (NULL: not these): about @n allocations. True: that was all. members_relocate_one() is the @fn
 * for elements to which nothing else points; @arg is the mover then. */
bool members_relocate(struct members *m, struct mover *mover, uint64_t *at, size_t n,
                      tables_relocate_fn *fn, void *arg);
struct item *members_relocate_one(void *mover, struct item *it);
size_t members_bytes(const struct members *m); /* all of it, without the struct itself */

#endif
