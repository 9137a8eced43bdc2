/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_value_save.c - values of all types, in the encodings of version 10. */
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_write.h"
#include "node/types/hash.h"
#include "node/types/intset.h"
#include "node/types/list.h"
#include "node/types/listpack.h"
#include "node/types/set.h"
#include "node/types/stream_group.h"
#include "node/types/zset.h"

#include <endian.h>

unsigned rdb_value_type(const struct item *it)
{
    switch (item_type(it)) {
    case ITEM_STRING:
        return RDB_TYPE_STRING;
    case ITEM_LIST:
        return RDB_TYPE_LIST_QUICKLIST_2;
    case ITEM_HASH:
        if (hash_has_times(item_value(it))) {
            return RDB_TYPE_HASH_TIMES; /* version 10 has nothing for it */
        }
        return hash_listpack(item_value(it)) != NULL ? RDB_TYPE_HASH_LISTPACK : RDB_TYPE_HASH;
    case ITEM_SET:
        /* Version 10 has no listpack of a set. */
        return set_intset(item_value(it)) != NULL ? RDB_TYPE_SET_INTSET : RDB_TYPE_SET;
    case ITEM_ZSET:
        return zset_listpack(item_value(it)) != NULL ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2;
    case ITEM_STREAM:
        return RDB_TYPE_STREAM_2;
    default:
        assert(!"a type that is not written");
        return RDB_TYPE_STRING;
    }
}

static bool put_field(void *arg, struct arg field, struct arg value)
{
    rdb_put_string(arg, field.p, field.n);
    rdb_put_string(arg, value.p, value.n);
    return true;
}

struct timed_fields {
    struct rdb_writer *w;
    const void *hash;
    int64_t first;
};

static bool put_timed_field(void *arg, struct arg field, struct arg value)
{
    const struct timed_fields *t = arg;
    int64_t at = hash_time(t->hash, field.p, field.n);

    rdb_put_len(t->w, at == KEYSPACE_NO_EXPIRE ? 0 : (uint64_t)(at - t->first) + 1);
    return put_field(t->w, field, value);
}

static void put_timed_hash(struct rdb_writer *w, const struct item *it)
{
    struct timed_fields t = {w, item_value(it), hash_first_time(item_value(it))};
    uint64_t wire = htole64((uint64_t)t.first);

    rdb_put(w, &wire, sizeof wire);
    rdb_put_len(w, hash_len(it));
    hash_each(t.hash, put_timed_field, &t);
}

static void put_hash(struct rdb_writer *w, const struct item *it)
{
    const struct listpack *lp = hash_listpack(item_value(it));

    if (hash_has_times(item_value(it))) {
        put_timed_hash(w, it);
        return;
    }
    if (lp != NULL) {
        rdb_put_string(w, (const char *)lp->bytes, listpack_bytes(lp));
        return;
    }
    rdb_put_len(w, hash_len(it));
    hash_each(item_value(it), put_field, w);
}

static bool put_member(void *arg, struct arg member)
{
    rdb_put_string(arg, member.p, member.n);
    return true;
}

static void put_set(struct rdb_writer *w, const struct item *it)
{
    const struct intset *ints = set_intset(item_value(it));

    if (ints != NULL) {
        rdb_put_string(w, (const char *)&ints->width, intset_bytes(ints));
        return;
    }
    rdb_put_len(w, set_len(it));
    set_each(item_value(it), put_member, w);
}

static void put_element(struct rdb_writer *w, struct arg member, double score)
{
    uint64_t wire;

    memcpy(&wire, &score, sizeof wire);
    wire = htole64(wire);
    rdb_put_string(w, member.p, member.n);
    rdb_put(w, &wire, sizeof wire);
}

/* Highest first: Redis loads such a file faster. */
static void put_zset(struct rdb_writer *w, const struct item *it)
{
    const struct listpack *lp = zset_listpack(item_value(it));
    struct zset_iter i;
    struct arg member;
    double score;

    if (lp != NULL) {
        rdb_put_string(w, (const char *)lp->bytes, listpack_bytes(lp));
        return;
    }
    rdb_put_len(w, zset_len(it));
    zset_iter_at(&i, it, zset_len(it) - 1, true);
    while (zset_iter_next(&i, &member, &score)) {
        put_element(w, member, score);
    }
}

static void put_list(struct rdb_writer *w, const struct item *it)
{
    const void *value = item_value(it);

    rdb_put_len(w, list_chunks(value));
    for (size_t i = 0; i < list_chunks(value); i++) {
        const struct listpack *lp = list_chunk(value, i);

        rdb_put_len(w, RDB_LIST_PACKED);
        rdb_put_string(w, (const char *)lp->bytes, listpack_bytes(lp));
    }
}

static void put_id(struct rdb_writer *w, struct stream_id id)
{
    rdb_put_len(w, id.ms);
    rdb_put_len(w, id.seq);
}

static void put_wire_id(struct rdb_writer *w, struct stream_id id)
{
    unsigned char wire[STREAM_ID_WIRE];

    stream_id_to_wire(wire, id);
    rdb_put(w, wire, sizeof wire);
}

static void put_ms(struct rdb_writer *w, int64_t ms)
{
    uint64_t wire = htole64((uint64_t)ms);

    rdb_put(w, &wire, sizeof wire);
}

/* The records of @x; of a consumer only their ids, the group has the rest. */
static void put_pending(struct rdb_writer *w, const struct stream_index *x, bool whole)
{
    struct stream_index_pos pos = stream_index_begin(x);
    const struct stream_nack *nack;
    struct stream_id id;

    rdb_put_len(w, x->count);
    for (; (nack = stream_pending_at(x, pos, &id)) != NULL; pos = stream_index_next(x, pos)) {
        put_wire_id(w, id);
        if (whole) {
            put_ms(w, nack->delivered_ms);
            rdb_put_len(w, nack->deliveries);
        }
    }
}

static void put_group(struct rdb_writer *w, const struct stream_group *g)
{
    rdb_put_string(w, g->name.p, g->name.n);
    put_id(w, g->last_id);
    rdb_put_len(w, (uint64_t)g->entries_read);
    put_pending(w, &g->pending, true);
    rdb_put_len(w, g->n_consumers);
    for (uint32_t i = 0; i < g->n_consumers; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);

        rdb_put_string(w, c->name.p, c->name.n);
        put_ms(w, c->seen_ms);
        put_pending(w, &c->pending, false);
    }
}

static void put_stream(struct rdb_writer *w, const struct item *it)
{
    const struct stream *s = item_value(it);
    struct stream_index_pos pos = stream_index_begin(&s->nodes);
    const struct stream_slot *slot;

    rdb_put_len(w, s->nodes.count);
    for (; (slot = stream_index_slot(&s->nodes, pos)) != NULL;
         pos = stream_index_next(&s->nodes, pos)) {
        const struct listpack *lp = slot->p;
        unsigned char wire[STREAM_ID_WIRE];

        stream_id_to_wire(wire, slot->id);
        rdb_put_string(w, (const char *)wire, sizeof wire);
        rdb_put_string(w, (const char *)lp->bytes, listpack_bytes(lp));
    }
    rdb_put_len(w, stream_len(s));
    put_id(w, s->last_id);
    put_id(w, stream_first_id(s));
    put_id(w, s->max_deleted_id);
    rdb_put_len(w, s->entries_added);
    rdb_put_len(w, s->n_groups);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        put_group(w, stream_group_at(s, i));
    }
}

void rdb_put_value(struct rdb_writer *w, const struct item *it)
{
    char scratch[24];
    struct arg text;

    switch (item_type(it)) {
    case ITEM_LIST:
        put_list(w, it);
        break;
    case ITEM_HASH:
        put_hash(w, it);
        break;
    case ITEM_SET:
        put_set(w, it);
        break;
    case ITEM_ZSET:
        put_zset(w, it);
        break;
    case ITEM_STREAM:
        put_stream(w, it);
        break;
    default:
        text = item_string(it, scratch);
        rdb_put_string(w, text.p, text.n);
        break;
    }
}
