/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/set.h - sets: an intset while all members are integers and few, a listpack while they
 * are few and short, then struct members.
 *
 * The functions take the item that owns the value, since the value may move. A set grows from one
 * encoding into the next and never goes back. */
#ifndef NODE_TYPES_SET_H
#define NODE_TYPES_SET_H

#include "node/keyspace/value.h"
#include "node/types/limits.h"

extern const struct value_type set_type;

void *set_new(void); /* an empty value, small */

size_t set_len(const struct item *it);
bool set_has(const struct item *it, const char *p, size_t n);
/* True: the member is new. @hash_key: of the keyspace, for when it grows big. */
bool set_add(struct item *it, const char *p, size_t n, const struct types_limits *limits,
             const struct siphash_key *hash_key);
bool set_remove(struct item *it, const char *p, size_t n); /* true: it was there */
/* Make the set big at once for @n members to come. */
void set_expect(struct item *it, size_t n, const struct siphash_key *hash_key);

/* All members, in the order of the encoding; stops when @fn says false. @fn must not change it. */
typedef bool set_each_fn(void *arg, struct arg member);
void set_each(const void *value, set_each_fn *fn, void *arg);
/* One step of SSCAN; returns the next cursor, 0 at the end. A small set comes all at once. */
uint64_t set_scan(const struct item *it, uint64_t cursor, size_t count, set_each_fn *fn, void *arg);
/* A member, each equally likely; the set is not empty. @scratch: 24 bytes. */
struct arg set_random(const struct item *it, uint64_t random, char *scratch);
/* Looking at all members costs less than picking some by chance. */
bool set_is_small(const void *value);

/* ---- loading and saving ---------------------------------------------------------------------- */

struct intset;
const struct intset *set_intset(const void *value); /* NULL: it has another encoding */
struct listpack;
const struct listpack *set_listpack(const void *value); /* likewise */
/* Take over valid bytes; they must not be empty. */
void *set_take_intset(struct intset *s, const struct types_limits *limits,
                      const struct siphash_key *hash_key);
/* False: a member stands there twice, or none; @lp is still the caller's. */
MUST_CHECK bool set_take_listpack(struct listpack *lp, const struct types_limits *limits,
                                  const struct siphash_key *hash_key, void **out);

#endif
