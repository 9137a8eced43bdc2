/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream.h - streams: an append-only row of entries, and the groups that read it.
 *
 * Entries stand in nodes (stream_node.h), which an index keeps in order of their ids. A stream may
 * be empty and stay. Where nodes are cut depends on settings; what a stream holds does not, and its
 * digest neither: entries, ids and counters, groups, and what is pending. When a consumer was last
 * seen is no content: it differs between replicas.
 *
 * The value never moves: functions take it. Source: the Redis documentation on streams. */
#ifndef NODE_TYPES_STREAM_H
#define NODE_TYPES_STREAM_H

#include "node/types/limits.h"
#include "node/types/stream_index.h"
#include "node/types/stream_node.h"

extern const struct value_type stream_type;

struct stream {
    struct value_head head;    /* len: entries that are there */
    struct stream_index nodes; /* of struct listpack, by the id of the first entry each ever had */
    struct stream_id last_id;  /* the highest one ever, or set */
    struct stream_id max_deleted_id; /* the highest one ever deleted by itself, not by trimming */
    uint64_t entries_added;          /* ever */
    size_t node_bytes;               /* allocated for nodes */
    void **groups; /* of struct stream_group (stream_group.h), in order of their names */
    uint32_t n_groups, cap_groups;
};

#define STREAM_ENTRY_BYTES_MAX ((size_t)1 << 30)

struct stream *stream_new(void);

static inline uint64_t stream_len(const struct stream *s) { return s->head.len; }
/* Ids of the first and last entry that are there; 0-0: none is. */
struct stream_id stream_first_id(const struct stream *s);
struct stream_id stream_top_id(const struct stream *s);
bool stream_has(const struct stream *s, struct stream_id id);

/* Append @n fields and values. @id is higher than last_id, all bytes are at most
 * STREAM_ENTRY_BYTES_MAX. */
void stream_append(struct stream *s, struct stream_id id, const struct arg *argv, size_t n,
                   const struct types_limits *limits);
bool stream_delete(struct stream *s, struct stream_id id); /* true: it was there */

struct stream_trim {
    bool by_id;            /* entries below min_id; else all but len_max go */
    bool whole_nodes_only; /* "~": what goes at little cost */
    uint64_t len_max;
    struct stream_id min_id;
    uint64_t most; /* entries to remove, with whole_nodes_only; 0: any number */
};
/* Returns how many went. */
uint64_t stream_trim(struct stream *s, const struct stream_trim *t);

/* Walks the entries with ids first..last, or back from last to first. Void after a change. */
struct stream_iter {
    const struct stream *s;
    struct stream_id first, last;
    bool backwards;
    struct stream_index_pos pos;
    const struct listpack *lp; /* of the entry, for its fields; NULL: at the end */
    struct stream_master master;
    listpack_pos next;
};
void stream_iter_begin(struct stream_iter *i, const struct stream *s, struct stream_id first,
                       struct stream_id last, bool backwards);
/* The next entry; false: there is none. */
bool stream_iter_next(struct stream_iter *i, struct stream_entry *e);

/* How many entries were ever added up to @id, that one included; -1: that cannot be known, for
 * there are gaps. */
int64_t stream_entries_up_to(const struct stream *s, struct stream_id id);
/* Has an entry of an id >= @id been deleted by itself, and not been trimmed away since? */
bool stream_has_gap_from(const struct stream *s, struct stream_id id);

/* ---- loading and saving: nodes by stream_index_begin(&s->nodes) ... -------------------------- */

/* Append a node, a valid listpack that is taken over. False: it is no node, or not behind the
 * others; @lp is still the caller's. One without entries is dropped. */
MUST_CHECK bool stream_take_node(struct stream *s, struct stream_id id, struct listpack *lp);

#endif
