/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/hash_times.h - when fields of a hash expire. Private to node/types.
 *
 * The fields that have a time, by name (struct members), and in order of their times (a heap, as
 * the keyspace has one of its keys). Only hashes with such fields have one of these. */
#ifndef NODE_TYPES_HASH_TIMES_H
#define NODE_TYPES_HASH_TIMES_H

#include "node/keyspace/expire.h"
#include "node/types/members.h"

struct hash_times {
    struct members fields;
    struct expire_pool pool;
    struct expire_heap heap;
    struct value_due due; /* at: the earliest time */
};

void hash_times_init(struct hash_times *t, const struct siphash_key *hash_key);
void hash_times_release(struct hash_times *t);
void hash_times_copy(struct hash_times *to, const struct hash_times *t); /* @to: not initialised */

/* The time of a field, or KEYSPACE_NO_EXPIRE; the same to set. */
int64_t hash_times_get(const struct hash_times *t, const char *field, size_t n);
void hash_times_set(struct hash_times *t, const char *field, size_t n, int64_t at);
/* The field due first; NULL: none has a time. */
const struct item *hash_times_first(const struct hash_times *t);
size_t hash_times_past(const struct hash_times *t, int64_t now_ms); /* fields due */
/* As the relocate of struct value_type. */
bool hash_times_relocate(struct hash_times *t, struct mover *m, uint64_t *at, size_t n);
size_t hash_times_bytes(const struct hash_times *t);

#endif
