/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_index.h - an ordered map from ids to pointers: the nodes of a stream, and what
 * is pending in a group or with a consumer.
 *
 * Two levels of sorted arrays: leaves of up to 127 entries, and a row of the leaves with the id
 * from which each begins. Ids come in order and go in order as a rule, so both ends of the row are
 * open: appending and removing at the front cost O(1), all else two binary searches and a move of a
 * few kilobytes. Zero is an empty index, without any allocation. */
#ifndef NODE_TYPES_STREAM_INDEX_H
#define NODE_TYPES_STREAM_INDEX_H

#include "node/keyspace/mover.h"
#include "node/types/stream_id.h"

struct stream_slot {
    struct stream_id id;
    void *p; /* never NULL */
};

struct stream_index {
    struct stream_slot *row; /* of leaves: row[first .. first + n); ids are lower bounds */
    uint32_t first, n, cap;
    uint64_t count; /* entries */
};

/* A place; void after a change. */
struct stream_index_pos {
    uint32_t leaf, at;
};

void stream_index_release(struct stream_index *x);       /* without what the pointers point to */
size_t stream_index_bytes(const struct stream_index *x); /* allocations; O(leaves) */

void *stream_index_get(const struct stream_index *x, struct stream_id id); /* NULL: not there */
/* @id must not be there yet. */
void stream_index_add(struct stream_index *x, struct stream_id id, void *p);
/* The entry is there: it points to @p now. */
void stream_index_set(struct stream_index *x, struct stream_index_pos pos, void *p);
/* Show @m leaf @leaf and, with the first, the row; @fn says where what its entries point to is now.
 * False: there is no such leaf. */
typedef void *stream_index_relocate_fn(void *arg, struct stream_id id, void *p);
bool stream_index_relocate(struct stream_index *x, uint64_t leaf, struct mover *m,
                           stream_index_relocate_fn *fn, void *arg);
/* Returns what it pointed to; NULL: not there. */
void *stream_index_remove(struct stream_index *x, struct stream_id id);

/* The first entry of an id >= @id, and the last one of an id <= @id. */
struct stream_index_pos stream_index_at_or_after(const struct stream_index *x, struct stream_id id);
struct stream_index_pos stream_index_at_or_before(const struct stream_index *x,
                                                  struct stream_id id);
struct stream_index_pos stream_index_begin(const struct stream_index *x);
struct stream_index_pos stream_index_last(const struct stream_index *x);
/* NULL: none is there (past either end). */
const struct stream_slot *stream_index_slot(const struct stream_index *x,
                                            struct stream_index_pos pos);
/* A step; beyond an end there is no slot. */
struct stream_index_pos stream_index_next(const struct stream_index *x,
                                          struct stream_index_pos pos);
struct stream_index_pos stream_index_prev(const struct stream_index *x,
                                          struct stream_index_pos pos);

#endif
