/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/hash.h - hashes: a listpack of field, value, field, value ... while small, then
 * struct members.
 *
 * The functions take the item that owns the value, since the value may move. A listpack becomes
 * members when it passes a limit, and never goes back. */
#ifndef NODE_TYPES_HASH_H
#define NODE_TYPES_HASH_H

#include "node/keyspace/value.h"
#include "node/types/limits.h"

extern const struct value_type hash_type;

void *hash_new(void); /* an empty value, small */

size_t hash_len(const struct item *it);
/* The value of a field; false: there is none. @scratch (24 bytes) is used for integers; *@out lasts
 * until the hash changes. */
bool hash_get(const struct item *it, const char *field, size_t n, char *scratch, struct arg *out);
bool hash_has(const struct item *it, const char *field, size_t n);
/* True: the field is new. @hash_key: of the keyspace, for when it grows big. */
bool hash_set(struct item *it, const struct arg *field, const struct arg *value,
              const struct types_limits *limits, const struct siphash_key *hash_key);
bool hash_remove(struct item *it, const char *field, size_t n); /* true: it was there */

/* All fields, in the order of the encoding; stops when @fn says false. @fn must not change it. */
typedef bool hash_each_fn(void *arg, struct arg field, struct arg value);
void hash_each(const void *value, hash_each_fn *fn, void *arg);
/* One step of HSCAN; returns the next cursor, 0 at the end. A small hash comes all at once. */
uint64_t hash_scan(const struct item *it, uint64_t cursor, size_t count, hash_each_fn *fn,
                   void *arg);
/* A field, each equally likely; the hash is not empty. The scratches are used for integers. */
void hash_random(const struct item *it, uint64_t random, char scratch[2][24], struct arg *field,
                 struct arg *value);

/* ---- loading and saving ---------------------------------------------------------------------- */

/* The listpack of a small hash, NULL of a big one. */
struct listpack;
const struct listpack *hash_listpack(const void *value);
/* Take over a listpack whose bytes are valid. False: its entries are no fields and values (odd, or
 * a field twice); it is still the caller's. */
MUST_CHECK bool hash_take_listpack(struct listpack *lp, const struct types_limits *limits,
                                   const struct siphash_key *hash_key, void **out);

#endif
