/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/aof.h - effects as the commands of an append-only file.
 *
 * SELECT stands where the database changes, MULTI and EXEC around a unit. Source: the RESP arrays
 * that Redis 7.0 writes and loads; a loading Redis expires nothing by itself, so that the DELs in
 * the log happen where they did here. */
#ifndef SENTINEL_AOF_H
#define SENTINEL_AOF_H

#include "proto/effect.h"

#include <stdio.h>

struct aof {
    FILE *f;
    struct buf buffer;
    struct effect_reader reader;
    bool has_db;
    uint32_t db;
    uint64_t effects;
};

/* Appends to @f, which stays the caller's. */
void aof_init(struct aof *a, FILE *f);
/* One entry's batch: 0, or -1 when it is no batch of effects (some of it may be written), or when
 * a unit is not closed in it. */
MUST_CHECK int aof_batch(struct aof *a, const void *p, size_t n);
/* All that is buffered to the file: 0 or -1 with errno. */
MUST_CHECK int aof_flush(struct aof *a);
void aof_release(struct aof *a);

#endif
