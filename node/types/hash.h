/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/hash.h - hashes: a listpack of field, value, field, value ... while small, then
 * struct members.
 *
 * A hash whose fields have got times to live is one of these, and the times beside it (struct
 * hash_times); it stays so.
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
/* True: the field is new. It has no time to live afterwards. @hash_key: of the keyspace, for when
 * it grows big. */
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

/* ---- times to live of fields -----------------------------------------------------------------
 *
 * A field past its time is there as any other: what is done about it is the caller's matter. */

/* Some field may have a time: of others all of the following is said at once. */
bool hash_has_times(const void *value);
/* Wall ms of a field, or KEYSPACE_NO_EXPIRE. */
int64_t hash_time(const void *value, const char *field, size_t n);
/* Of a field that is there; the same. The keyspace is to be told (keyspace_set_due()). @field must
 * not be part of the hash. */
void hash_set_time(struct item *it, const char *field, size_t n, int64_t at,
                   const struct siphash_key *hash_key);
bool hash_is_past(const void *value, const char *field, size_t n, int64_t now_ms);
size_t hash_past(const void *value, int64_t now_ms); /* fields past their time; O(their number) */
/* The field due first, if its time is not after @now_ms; *@field lasts until the hash changes. */
bool hash_first_past(const void *value, int64_t now_ms, struct arg *field);
int64_t hash_first_time(const void *value); /* the earliest; or KEYSPACE_NO_EXPIRE */

/* ---- loading and saving ---------------------------------------------------------------------- */

/* The listpack of a small hash, NULL of a big one. */
struct listpack;
const struct listpack *hash_listpack(const void *value);
/* Take over a listpack whose bytes are valid. False: its entries are no fields and values (odd, or
 * a field twice); it is still the caller's. */
MUST_CHECK bool hash_take_listpack(struct listpack *lp, const struct types_limits *limits,
                                   const struct siphash_key *hash_key, void **out);

#endif
