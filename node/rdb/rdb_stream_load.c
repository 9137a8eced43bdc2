/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_stream_load.c - reading a stream, a node, a group, a consumer or a record at a time.
 *
 *     nodes:     number, then id (16 bytes, as a string) and listpack of each
 *     numbers:   length, last id; from version 10 on: first id, highest deleted id, entries added
 *     groups:    number, then of each: name, last id, [entries read],
 *                records:   number, then id, time, deliveries of each
 *                consumers: number, then of each: name, time it was seen, [time it was active],
 *                           number of its records and their ids
 *
 * A record of a group waits for the consumer that names it, and each must find one. Source: files
 * written by Redis 7.0 and 7.2. */
#include "base/mem.h"
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_value.h"
#include "node/types/stream_group.h"

#include <endian.h>
#include <stdlib.h>

enum { MORE = 2, LAST = 1 }; /* v->left, which the caller counts down after a step */

static struct stream *stream_of(const struct rdb_value *v) { return item_value(v->it); }

static bool damaged(struct rdb_value *v, const char *what)
{
    return rdb_fail(v->in, RDB_ERR_FORMAT, "a stream is damaged: %s", what);
}

/* A number of things of which each takes @least bytes or more. */
static bool get_count(struct rdb_value *v, unsigned least, uint64_t *n)
{
    if (!rdb_get_len(v->in, n)) {
        return false;
    }
    return *n <= rdb_reader_left(v->in) / least ? true
                                                : damaged(v, "more is announced than is there");
}

static bool get_id(struct rdb_value *v, struct stream_id *id)
{
    return rdb_get_len(v->in, &id->ms) && rdb_get_len(v->in, &id->seq);
}

static bool get_wire_id(struct rdb_value *v, struct stream_id *id)
{
    unsigned char wire[STREAM_ID_WIRE];

    if (!rdb_get(v->in, wire, sizeof wire)) {
        return false;
    }
    *id = stream_id_from_wire(wire);
    return true;
}

static bool get_ms(struct rdb_value *v, int64_t *ms)
{
    uint64_t wire = 0;

    if (!rdb_get(v->in, &wire, sizeof wire)) {
        return false;
    }
    *ms = (int64_t)le64toh(wire);
    return true;
}

static bool get_name(struct rdb_value *v, struct arg *name)
{
    if (!rdb_get_string(v->in, &v->a)) {
        return false;
    }
    *name = (struct arg){v->a.p, v->a.n};
    return true;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static bool step_node(struct rdb_value *v)
{
    struct stream_id id;
    struct listpack *lp;

    if (!rdb_get_string(v->in, &v->a) || !rdb_get_string(v->in, &v->b)) {
        return false;
    }
    if (v->a.n != STREAM_ID_WIRE || !listpack_validate(v->b.p, v->b.n)) {
        return damaged(v, "a node");
    }
    id = stream_id_from_wire((const unsigned char *)v->a.p);
    lp = listpack_from(v->b.p, v->b.n);
    if (!stream_take_node(stream_of(v), id, lp)) {
        free(lp);
        return damaged(v, "a node");
    }
    v->stream.nodes--;
    return true;
}

/* What stands between nodes and groups. */
static bool get_numbers(struct rdb_value *v)
{
    struct stream *s = stream_of(v);
    struct stream_id first;
    uint64_t len;

    if (!rdb_get_len(v->in, &len) || !get_id(v, &s->last_id)) {
        return false;
    }
    if (len != stream_len(s) || stream_id_compare(stream_top_id(s), s->last_id) > 0) {
        return damaged(v, "its length or last id");
    }
    s->entries_added = len;
    if (v->type != RDB_TYPE_STREAM && (!get_id(v, &first) || !get_id(v, &s->max_deleted_id) ||
                                       !rdb_get_len(v->in, &s->entries_added))) {
        return false;
    }
    v->stream.part = RDB_STREAM_GROUPS;
    return get_count(v, 4, &v->stream.groups);
}

/* ---- groups -------------------------------------------------------------------------------- */

static bool step_group(struct rdb_value *v)
{
    struct stream *s = stream_of(v);
    struct stream_id last_id;
    uint64_t read = 0;
    struct arg name;

    if (!get_name(v, &name) || !get_id(v, &last_id) ||
        (v->type != RDB_TYPE_STREAM && !rdb_get_len(v->in, &read)) ||
        !get_count(v, STREAM_ID_WIRE + 9, &v->stream.pending)) {
        return false;
    }
    if (stream_group_find(s, name) != NULL) {
        return damaged(v, "two groups have one name");
    }
    if (v->type == RDB_TYPE_STREAM) {
        read = (uint64_t)stream_entries_up_to(s, last_id);
    }
    v->stream.group = stream_group_add(s, name, last_id, MAX_OF((int64_t)read, -1));
    v->stream.unclaimed = 0;
    v->stream.groups--;
    v->stream.part = RDB_STREAM_PENDING;
    return true;
}

static bool step_pending(struct rdb_value *v)
{
    struct stream_nack *nack;
    struct stream_id id;
    int64_t ms;
    uint64_t deliveries;

    if (!get_wire_id(v, &id) || !get_ms(v, &ms) || !rdb_get_len(v->in, &deliveries)) {
        return false;
    }
    if (stream_pending_find(v->stream.group, id) != NULL) {
        return damaged(v, "an entry is pending twice");
    }
    nack = mem_alloc(sizeof *nack);
    *nack = (struct stream_nack){.delivered_ms = ms, .deliveries = deliveries};
    stream_index_add(&v->stream.group->pending, id, nack);
    v->stream.unclaimed++;
    v->stream.pending--;
    return true;
}

static bool step_consumer(struct rdb_value *v)
{
    int64_t seen_ms, active_ms;
    struct arg name;

    if (!get_name(v, &name) || !get_ms(v, &seen_ms) ||
        (v->type == RDB_TYPE_STREAM_3 && !get_ms(v, &active_ms)) ||
        !get_count(v, STREAM_ID_WIRE, &v->stream.pending)) {
        return false;
    }
    if (stream_consumer_find(v->stream.group, name) != NULL) {
        return damaged(v, "two consumers have one name");
    }
    v->stream.consumer = stream_consumer_add(v->stream.group, name, seen_ms);
    v->stream.consumers--;
    v->stream.part = RDB_STREAM_CONSUMER_PENDING;
    return true;
}

static bool step_consumer_pending(struct rdb_value *v)
{
    struct stream_nack *nack;
    struct stream_id id;

    if (!get_wire_id(v, &id)) {
        return false;
    }
    nack = stream_pending_find(v->stream.group, id);
    if (nack == NULL || nack->consumer != NULL) {
        return damaged(v, "what is pending with a consumer");
    }
    nack->consumer = v->stream.consumer;
    stream_index_add(&v->stream.consumer->pending, id, nack);
    v->stream.unclaimed--;
    v->stream.pending--;
    return true;
}

/* ---- one after the other ------------------------------------------------------------------- */

bool rdb_stream_begin(struct rdb_value *v)
{
    v->stream = (struct rdb_stream){.part = RDB_STREAM_NODES};
    if (!get_count(v, STREAM_ID_WIRE + 1, &v->stream.nodes)) {
        return false;
    }
    v->it = item_detached(stream_new());
    v->left = MORE;
    return true;
}

/* Has all of the part been read? (Groups: then the value is whole, and nobody asks.) */
static bool part_ends(const struct rdb_stream *p)
{
    switch (p->part) {
    case RDB_STREAM_NODES:
        return p->nodes == 0;
    case RDB_STREAM_PENDING:
    case RDB_STREAM_CONSUMER_PENDING:
        return p->pending == 0;
    case RDB_STREAM_CONSUMERS:
        return p->consumers == 0;
    default:
        return false;
    }
}

static bool next_part(struct rdb_value *v)
{
    struct rdb_stream *p = &v->stream;

    switch (p->part) {
    case RDB_STREAM_NODES:
        return get_numbers(v);
    case RDB_STREAM_PENDING:
        p->part = RDB_STREAM_CONSUMERS;
        return get_count(v, 10, &p->consumers);
    case RDB_STREAM_CONSUMER_PENDING:
        p->part = RDB_STREAM_CONSUMERS;
        return true;
    default:
        p->part = RDB_STREAM_GROUPS;
        return p->unclaimed == 0 ? true : damaged(v, "what is pending with no consumer");
    }
}

static bool step_part(struct rdb_value *v)
{
    switch (v->stream.part) {
    case RDB_STREAM_NODES:
        return step_node(v);
    case RDB_STREAM_PENDING:
        return step_pending(v);
    case RDB_STREAM_CONSUMERS:
        return step_consumer(v);
    case RDB_STREAM_CONSUMER_PENDING:
        return step_consumer_pending(v);
    default:
        return step_group(v);
    }
}

bool rdb_stream_step(struct rdb_value *v)
{
    if (!(part_ends(&v->stream) ? next_part(v) : step_part(v))) {
        return false;
    }
    v->left = v->stream.part == RDB_STREAM_GROUPS && v->stream.groups == 0 ? LAST : MORE;
    return true;
}
