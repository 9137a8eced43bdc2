/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/list.h - lists: one listpack while small, then a row of them.
 *
 * The row is a ring of pointers, so that both ends grow and shrink at O(1); an element in the
 * middle is found by adding up the counts of the chunks from the nearer end, a few microseconds for
 * ten million elements. A chunk has about list-max-listpack-size bytes (or elements); an element
 * longer than that has a chunk of its own.
 *
 * The functions take the item that owns the value, since the value may move. */
#ifndef NODE_TYPES_LIST_H
#define NODE_TYPES_LIST_H

#include "node/types/limits.h"
#include "node/types/listpack.h"

extern const struct value_type list_type;

void *list_new(void); /* an empty value, small */

size_t list_len(const struct item *it);
/* Elements are at most LISTPACK_STRING_MAX bytes. */
void list_push(struct item *it, bool front, const char *p, size_t n,
               const struct types_limits *limits);
/* Before the element at @index; index == len: at the end. */
void list_insert(struct item *it, size_t index, const char *p, size_t n,
                 const struct types_limits *limits);
void list_set(struct item *it, size_t index, const char *p, size_t n,
              const struct types_limits *limits);
/* Remove @count elements from @first on; there are so many. */
void list_remove(struct item *it, size_t first, size_t count, const struct types_limits *limits);
/* Remove the first @most elements equal to @p (@backwards: the last ones); returns how many. */
size_t list_remove_equal(struct item *it, const char *p, size_t n, size_t most, bool backwards,
                         const struct types_limits *limits);

/* Walks from an element to an end. Void after a change. */
struct list_iter {
    const void *value;
    bool backwards;
    size_t chunk;
    listpack_pos at; /* NULL: at the end */
};
void list_iter_at(struct list_iter *i, const struct item *it, size_t index, bool backwards);
/* The element, and a step on; NULL: none is left. Read it by listpack_text(), listpack_equals(). */
listpack_pos list_iter_next(struct list_iter *i);

/* ---- loading and saving ---------------------------------------------------------------------- */

const struct listpack *list_listpack(const void *value); /* NULL: it is big */
size_t list_chunks(const void *value);
const struct listpack *list_chunk(const void *value, size_t i);
/* Append the elements of a valid listpack that is not empty; it is taken over. */
void list_append_chunk(struct item *it, struct listpack *lp, const struct types_limits *limits);

#endif
