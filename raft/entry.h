/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/entry.h - one log entry: a reference-counted, immutable buffer.
 *
 * The same object travels from the exec thread (which fills it) through the Raft core, the log
 * thread and the peer connections, without a copy; each holder has a reference of its own.
 * After the core has given it a position nothing in it changes any more. */
#ifndef RAFT_ENTRY_H
#define RAFT_ENTRY_H

#include "base/base.h"

/* A term and an index travel as one value. Index 0 / term 0: before the first entry. */
struct raft_pos {
    uint64_t term;
    uint64_t index;
};

enum raft_entry_type {
    RAFT_ENTRY_NOOP = 0,   /* a new leader's first entry; empty */
    RAFT_ENTRY_DATA = 1,   /* the owner's bytes; opaque here */
    RAFT_ENTRY_CONFIG = 2, /* struct raft_members, encoded by raft_members_encode() */
};

/* Largest payload of one entry. A batch of effects beyond it is refused by its maker. */
#define RAFT_ENTRY_BYTES_MAX (1u << 30)

struct raft_entry {
    uint32_t refs; /* atomic: raft_entry_ref() / raft_entry_unref() */
    uint8_t type;  /* enum raft_entry_type */
    struct raft_pos pos;
    /* Local token of the proposer, never sent or stored: 0 for an entry that came from a peer or
     * from the log; else the proposer recognises its own batch by it. */
    uint64_t origin;
    uint32_t size;
    unsigned char data[];
};

/* One reference, the caller's; position zero, origin 0, @size bytes for the caller to fill.
 * NULL when memory is out (a peer chose the size). */
struct raft_entry *raft_entry_new(enum raft_entry_type type, uint32_t size);
struct raft_entry *raft_entry_ref(struct raft_entry *e); /* any thread */
void raft_entry_unref(struct raft_entry *e);             /* any thread; NULL is allowed */

#endif
