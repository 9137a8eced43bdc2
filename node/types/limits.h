/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/limits.h - up to which size values stay compact: the options of the same names.
 *
 * They decide about encodings alone, never about content: replicas may have different ones. */
#ifndef NODE_TYPES_LIMITS_H
#define NODE_TYPES_LIMITS_H

#include "base/base.h"

struct types_limits {
    int64_t hash_max_listpack_entries, hash_max_listpack_value;
    int64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    int64_t zset_max_listpack_entries, zset_max_listpack_value;
    int64_t list_max_listpack_size; /* > 0: entries; -1..-5: 4 to 64 KiB */
    int64_t stream_node_max_bytes, stream_node_max_entries;
    /* The exception: a HyperLogLog's encoding is its content. Not asked for while applying. */
    int64_t hll_sparse_max_bytes;
};

/* What the options are by default. */
extern const struct types_limits types_limits_default;

#endif
