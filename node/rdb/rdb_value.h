/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_value.h - reading one value, some elements at a time. Private to node/rdb.
 *
 * A value of ten million elements takes seconds: it is built in an item of its own, in steps, and
 * handed over when it is whole. */
#ifndef NODE_RDB_RDB_VALUE_H
#define NODE_RDB_RDB_VALUE_H

#include "node/rdb/rdb_read.h"
#include "node/types/limits.h"

/* How far a stream has been read. */
struct rdb_stream {
    enum {
        RDB_STREAM_NODES,
        RDB_STREAM_PENDING, /* of the group */
        RDB_STREAM_CONSUMERS,
        RDB_STREAM_CONSUMER_PENDING,
        RDB_STREAM_GROUPS,
    } part;
    uint64_t nodes, groups, pending, consumers; /* still to be read */
    uint64_t unclaimed; /* records of the group that no consumer has named yet */
    struct stream_group *group;
    struct stream_consumer *consumer;
};

struct rdb_value {
    struct rdb_reader *in;
    const struct types_limits *limits;
    const struct siphash_key *hash_key;
    unsigned type;       /* enum rdb_type */
    uint64_t left;       /* elements still to be read */
    uint64_t first_time; /* of a hash with times: what its times are counted from */
    struct item *it;     /* what has been read so far; NULL: none, or it is a string */
    struct rdb_text a, b;
    struct rdb_stream stream;
};

bool rdb_value_is_known(unsigned type); /* this version reads values of this type */
/* Begin to read a value of a known @type (not a string); false: failed. */
MUST_CHECK bool rdb_value_begin(struct rdb_value *v, unsigned type);
/* Read up to @n elements; false: failed. v->left is 0 when it is whole. */
MUST_CHECK bool rdb_value_step(struct rdb_value *v, uint64_t n);
/* The same for streams: rdb_stream_load.c. One step is a node, a group, a consumer or a record. */
MUST_CHECK bool rdb_stream_begin(struct rdb_value *v);
MUST_CHECK bool rdb_stream_step(struct rdb_value *v);
/* The whole value, the caller's now. */
void *rdb_value_take(struct rdb_value *v);
void rdb_value_release(struct rdb_value *v); /* also one that is half read */

#endif
