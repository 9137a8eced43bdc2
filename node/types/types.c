/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/types.c - the list of the types, for node/keyspace/value.h. */
#include "node/keyspace/value.h"

const struct value_type *const value_types[ITEM_TYPES] = {
    [ITEM_STRING] = NULL, /* node/keyspace knows strings itself */
};
