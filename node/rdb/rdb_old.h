/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_old.h - the blocks that Redis wrote before it had listpacks. Private to node/rdb.
 *
 * Each becomes a listpack of the same elements. NULL: the bytes are no such block. @n is at most
 * LISTPACK_BYTES_SAFE. Source: the descriptions of the RDB format; what Redis 2.6 to 6.2 write. */
#ifndef NODE_RDB_RDB_OLD_H
#define NODE_RDB_RDB_OLD_H

#include "node/types/listpack.h"

struct listpack *rdb_from_ziplist(const void *bytes, size_t n);
/* Fields and values in turn. */
struct listpack *rdb_from_zipmap(const void *bytes, size_t n);

#endif
