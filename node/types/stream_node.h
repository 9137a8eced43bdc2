/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_node.h - one node of a stream: a listpack with the entries of some ids in
 * order. For node/types/stream.c, and for whoever reads what it hands out.
 *
 *     node:   count, deleted, n, field 1 .. field n, 0, entry ...
 *     entry:  flags, ms, seq, [n, field 1, value 1 .. | value 1 .. value n], elements before this
 *
 * The fields of the node are those of its first entry; an entry that has the same ones has only its
 * values (flag 2). Ids are differences to the node's own id, that of its first entry; a deleted
 * entry is marked (flag 1). This is the form in which RDB files and DUMP payloads carry streams. */
#ifndef NODE_TYPES_STREAM_NODE_H
#define NODE_TYPES_STREAM_NODE_H

#include "node/types/listpack.h"
#include "node/types/stream_id.h"

/* What stands before the entries; void after a change. */
struct stream_master {
    struct stream_id id;
    uint64_t live, deleted; /* entries */
    size_t n_fields;
    listpack_pos fields; /* the first one, when there are any */
    listpack_pos first;  /* the first entry */
};

struct stream_entry {
    struct stream_id id;
    listpack_pos at;   /* its flags */
    listpack_pos data; /* its first field, or value */
    size_t n_fields;
    bool same_fields, deleted;
};

/* Walks the fields of an entry. */
struct stream_fields {
    size_t left;
    listpack_pos field, value; /* of the node when these are the same ones */
    bool same_fields;
};

void stream_master_read(struct stream_master *m, const struct listpack *lp, struct stream_id id);
/* The entry at @at. */
void stream_entry_read(struct stream_entry *e, const struct listpack *lp,
                       const struct stream_master *m, listpack_pos at);
/* Where the next entry stands, and the one before; NULL: none. */
listpack_pos stream_entry_next(const struct listpack *lp, const struct stream_entry *e);
listpack_pos stream_entry_prev(const struct listpack *lp, const struct stream_master *m,
                               listpack_pos at);

void stream_fields_begin(struct stream_fields *f, const struct stream_master *m,
                         const struct stream_entry *e);
/* False: there is none left. */
bool stream_fields_next(struct stream_fields *f, const struct listpack *lp, listpack_pos *field,
                        listpack_pos *value);

/* A node without entries for such ones: fields argv[0], argv[2] ... of @n. */
struct listpack *stream_node_new(const struct arg *argv, size_t n);
/* Append an entry of @n fields and values, whose id is higher than all; the listpack may move. */
struct listpack *stream_node_append(struct listpack *lp, struct stream_id node_id,
                                    struct stream_id id, const struct arg *argv, size_t n);
/* Mark as deleted an entry that is not yet. */
struct listpack *stream_node_delete(struct listpack *lp, const struct stream_entry *e);

/* A valid listpack from elsewhere is a node: everything above is safe on it, and the ids
 * of its live entries rise from @node_id on. */
bool stream_node_validate(const struct listpack *lp, struct stream_id node_id);

#endif
