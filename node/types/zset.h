/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/zset.h - sorted sets: a listpack of member, score, member, score ... in order while
 * small, then struct members with the scores as their values and a struct ztree for the order.
 *
 * The functions take the item that owns the value, since the value may move. A listpack becomes big
 * when it passes a limit, and never goes back. Scores are never NaN, and never -0. */
#ifndef NODE_TYPES_ZSET_H
#define NODE_TYPES_ZSET_H

#include "node/types/limits.h"
#include "node/types/listpack.h"
#include "node/types/ztree.h"

extern const struct value_type zset_type;

void *zset_new(void); /* an empty value, small */

size_t zset_len(const struct item *it);
bool zset_score(const struct item *it, const char *p, size_t n, double *out);

enum zset_change { ZSET_SAME, ZSET_CHANGED, ZSET_ADDED };
/* @hash_key: of the keyspace, for when it grows big. */
enum zset_change zset_set(struct item *it, const char *p, size_t n, double score,
                          const struct types_limits *limits, const struct siphash_key *hash_key);
bool zset_remove(struct item *it, const char *p, size_t n); /* true: it was there */
/* Remove @count elements from rank @first on; there are so many. */
void zset_remove_range(struct item *it, uint64_t first, uint64_t count);

/* Elements before the bound: the rank of the first one that is not. */
uint64_t zset_before(const struct item *it, const struct ztree_bound *b);
/* Rank of a member, lowest score first; false: there is none. */
bool zset_rank(const struct item *it, const char *p, size_t n, uint64_t *rank, double *score);
/* An element, each equally likely; not empty. @scratch: 24 bytes. */
void zset_random(const struct item *it, uint64_t random, char *scratch, struct arg *member,
                 double *score);

/* Walks in order, or backwards. Void after a change. */
struct zset_iter {
    const void *value;
    bool reverse;
    listpack_pos small;
    struct ztree_pos big;
    char scratch[24];
};
/* Begin at the element of rank @rank (lowest first). */
void zset_iter_at(struct zset_iter *i, const struct item *it, uint64_t rank, bool reverse);
/* The element, and a step on; false: there is none left. @member lasts until the next call. */
bool zset_iter_next(struct zset_iter *i, struct arg *member, double *score);

typedef bool zset_each_fn(void *arg, struct arg member, double score);
/* All, in order; stops when @fn says false. */
void zset_each(const void *value, zset_each_fn *fn, void *arg);
/* One step of ZSCAN; returns the next cursor, 0 at the end. A small set comes all at once. */
uint64_t zset_scan(const struct item *it, uint64_t cursor, size_t count, zset_each_fn *fn,
                   void *arg);

/* ---- loading and saving ---------------------------------------------------------------------- */

const struct listpack *zset_listpack(const void *value); /* NULL: it is big */
/* False: it is not in order, has something else than numbers as scores, or is empty; @lp is still
 * the caller's. */
MUST_CHECK bool zset_take_listpack(struct listpack *lp, const struct types_limits *limits,
                                   const struct siphash_key *hash_key, void **out);

#endif
