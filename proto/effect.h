/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/effect.h - the payload of a data group's log entry: a batch of effects.
 *
 * An effect is a deterministic command (SET k v PXAT ms) that reproduces a change; `holdfastctl
 * log export` prints the same effects as an AOF. A batch is what one loop iteration of the leader
 * changed in one group. A unit is a run of effects that belongs together (a transaction, a
 * script): readers see all of it or nothing.
 *
 * Format, version 1: u8 version, then effects: u8 flags (EFFECT_*), varint db, varint argc,
 * argc x (varint length, bytes). Varints are LEB128, at most 10 bytes. */
#ifndef PROTO_EFFECT_H
#define PROTO_EFFECT_H

#include "proto/resp.h"

enum {
    EFFECT_UNIT_BEGIN = 1, /* first effect of a unit of several */
    EFFECT_UNIT_END = 2,   /* last effect of it */
};

/* Append to @batch (a fresh buffer gets the version byte first); @argc >= 1. */
void effect_write(struct buf *batch, uint8_t flags, uint32_t db, const struct arg *argv,
                  size_t argc);
/* Add flags to the effect for which effect_write() was called when @batch held @at bytes. */
void effect_add_flags(struct buf *batch, size_t at, uint8_t flags);

struct effect_reader {
    const unsigned char *p, *end;
    uint8_t flags;
    uint32_t db;
    size_t argc;
    struct arg *argv; /* grows; effect_reader_release() */
    size_t cap_argv;
};
/* 0, or -1 when the batch does not begin well. Borrows @p. Zero @r before the first use; the
 * argv array is reused from batch to batch. */
MUST_CHECK int effect_reader_init(struct effect_reader *r, const void *p, size_t n);
/* 1: an effect stands in flags, db, argc, argv (borrowed from the batch). 0: end. -1: malformed. */
MUST_CHECK int effect_next(struct effect_reader *r);
void effect_reader_release(struct effect_reader *r);

#endif
