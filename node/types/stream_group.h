/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_group.h - the groups that read a stream, their consumers, and what is pending.
 *
 * An entry that was delivered and not acknowledged has one record, which the index of its group
 * and that of its consumer share. */
#ifndef NODE_TYPES_STREAM_GROUP_H
#define NODE_TYPES_STREAM_GROUP_H

#include "node/types/stream.h"

#define STREAM_ENTRIES_READ_UNKNOWN INT64_C(-1)

struct stream_consumer {
    struct arg name;             /* of this allocation */
    int64_t seen_ms;             /* wall time; no content */
    struct stream_index pending; /* of struct stream_nack */
};

struct stream_group {
    struct arg name;             /* of this allocation */
    struct stream_id last_id;    /* the last one that was delivered */
    int64_t entries_read;        /* up to it, of all ever added; STREAM_ENTRIES_READ_UNKNOWN */
    struct stream_index pending; /* of struct stream_nack */
    void **consumers;            /* of struct stream_consumer, in order of their names */
    uint32_t n_consumers, cap_consumers;
};

static inline struct stream_group *stream_group_at(const struct stream *s, uint32_t i)
{
    return s->groups[i];
}

static inline struct stream_consumer *stream_consumer_at(const struct stream_group *g, uint32_t i)
{
    return g->consumers[i];
}

/* An entry that awaits its acknowledgement. */
struct stream_nack {
    int64_t delivered_ms;
    uint64_t deliveries;
    struct stream_consumer *consumer;
};

struct stream_group *stream_group_find(const struct stream *s, struct arg name); /* NULL: none */
/* No such one is there yet. */
struct stream_group *stream_group_add(struct stream *s, struct arg name, struct stream_id last_id,
                                      int64_t entries_read);
/* The group leaves the stream: returns one that holds nothing else, for the caller to free (with
 * millions of records better on another thread). */
struct stream *stream_group_cut(struct stream *s, struct stream_group *g);
/* The last of its entries has been read: move last_id on to @id, and count. */
void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id);
/* Entries it has yet to read (below zero when its counter was set too high); false: that cannot be
 * known. */
bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag);

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct arg name);
struct stream_consumer *stream_consumer_add(struct stream_group *g, struct arg name,
                                            int64_t seen_ms);
/* Likewise a consumer, with all that is pending with it. */
struct stream *stream_consumer_cut(struct stream_group *g, struct stream_consumer *c);

/* The record of @id, NULL: it is not pending. */
struct stream_nack *stream_pending_find(const struct stream_group *g, struct stream_id id);
/* It is pending with @c from now on, whoever had it; the caller sets time and number. */
struct stream_nack *stream_pending_assign(struct stream_group *g, struct stream_id id,
                                          struct stream_consumer *c);
bool stream_pending_remove(struct stream_group *g, struct stream_id id); /* true: it was there */
/* Records of an index of these; NULL: past its end. */
static inline struct stream_nack *
stream_pending_at(const struct stream_index *x, struct stream_index_pos pos, struct stream_id *id)
{
    const struct stream_slot *slot = stream_index_slot(x, pos);

    if (slot == NULL) {
        return NULL;
    }
    *id = slot->id;
    return slot->p;
}

/* ---- for node/types/stream.c ------------------------------------------------------------------
 */

/* As the relocate of struct value_type: group @c->at and those behind it. */
bool stream_groups_relocate(struct stream *s, struct mover *m, struct value_cursor *c, size_t n);
void stream_groups_free(struct stream *s);
size_t stream_groups_bytes(const struct stream *s);
size_t stream_groups_effort(const struct stream *s);
void stream_groups_copy(struct stream *to, const struct stream *from);
void stream_groups_digest(const struct stream *s, struct value_digest *d);

#endif
