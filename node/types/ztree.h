/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/ztree.h - the order of a big sorted set: a B+tree of (score, member) that counts.
 *
 * Entries are ordered by score, then by the bytes of the member. An inner node knows how many
 * entries are below each child, so that ranks are found in O(log n); leaves are linked, so that
 * ranges are walked without it. The members are items of somebody else (struct members). */
#ifndef NODE_TYPES_ZTREE_H
#define NODE_TYPES_ZTREE_H

#include "node/keyspace/item.h"

struct ztree_node;

struct ztree {
    struct ztree_node *root; /* NULL: empty */
    unsigned height;         /* levels of inner nodes */
    uint64_t n;
    size_t bytes; /* allocated for nodes */
};

struct ztree_entry {
    double score; /* not NaN */
    struct item *it;
};

/* A place in the tree; void after a change. leaf NULL: before the first or behind the last. */
struct ztree_pos {
    struct ztree_node *leaf;
    unsigned i;
};

/* A border among the entries: those before it are less. */
struct ztree_bound {
    bool by_member; /* compare members only: all scores are equal (BYLEX) */
    double score;
    /* Among equal scores: before all members, behind all, or at a member. */
    enum { ZTREE_BEFORE_ALL, ZTREE_BEHIND_ALL, ZTREE_BEFORE_MEMBER, ZTREE_BEHIND_MEMBER } where;
    struct arg member;
};

void ztree_init(struct ztree *t);
void ztree_release(struct ztree *t); /* the items stay */

/* The entry must not be there / must be there. */
void ztree_insert(struct ztree *t, double score, struct item *it);
void ztree_remove(struct ztree *t, double score, const struct item *it);
/* The same item has another score. */
void ztree_update(struct ztree *t, double old_score, struct item *it, double score);
/* Remove entries from rank @rank on (there are so many): up to @n, as far as they stand in one
 * leaf. Their items go to @out; returns how many. Many at once cost what one costs. */
#define ZTREE_CUT_MAX 62
unsigned ztree_cut(struct ztree *t, uint64_t rank, uint64_t n, struct item *out[ZTREE_CUT_MAX]);

/* Is an element before the bound? */
bool ztree_is_before(double score, struct arg member, const struct ztree_bound *b);
/* Number of entries before the bound, and (if @pos is not NULL) the first entry behind it. */
uint64_t ztree_rank(const struct ztree *t, const struct ztree_bound *b, struct ztree_pos *pos);
/* The @rank-th entry, from 0; leaf NULL: there is none. */
struct ztree_pos ztree_at(const struct ztree *t, uint64_t rank);
struct ztree_entry ztree_entry(struct ztree_pos pos);
struct ztree_pos ztree_next(struct ztree_pos pos);
struct ztree_pos ztree_prev(struct ztree_pos pos);

/* Show @m the leaf that has the @rank-th entry (which is there), and the inner nodes that begin
 * with it; @fn does so for its items, and says where each is now. Returns the rank behind the leaf.
 */
typedef struct item *ztree_relocate_fn(void *arg, struct item *it);
uint64_t ztree_relocate(struct ztree *t, uint64_t rank, struct mover *m, ztree_relocate_fn *fn,
                        void *arg);

/* Assert what always holds; for tests. */
void ztree_check(const struct ztree *t);

#endif
