/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/types.c - the list of the types, for node/keyspace/value.h. */
#include "node/keyspace/value.h"
#include "node/types/hash.h"
#include "node/types/limits.h"
#include "node/types/list.h"
#include "node/types/set.h"
#include "node/types/stream.h"
#include "node/types/zset.h"

const struct types_limits types_limits_default = {
    .hash_max_listpack_entries = 512,
    .hash_max_listpack_value = 64,
    .set_max_intset_entries = 512,
    .set_max_listpack_entries = 128,
    .set_max_listpack_value = 64,
    .zset_max_listpack_entries = 128,
    .zset_max_listpack_value = 64,
    .list_max_listpack_size = -2,
    .stream_node_max_bytes = 4096,
    .stream_node_max_entries = 100,
    .hll_sparse_max_bytes = 3000,
};

const struct value_type *const value_types[ITEM_TYPES] = {
    [ITEM_STRING] = NULL, /* node/keyspace knows strings itself */
    [ITEM_LIST] = &list_type, [ITEM_SET] = &set_type,       [ITEM_ZSET] = &zset_type,
    [ITEM_HASH] = &hash_type, [ITEM_STREAM] = &stream_type,
};
