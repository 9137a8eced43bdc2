/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/event.h - how the raft thread learns that the owner is done with an event.
 *
 * An event may outlive the host in the owner's queue, hence an object of its own with two
 * references: the event's and the host's. */
#ifndef RAFT_HOST_EVENT_H
#define RAFT_HOST_EVENT_H

#include "raft/host.h"

struct raft_event_seen {
    atomic_bool by_owner; /* the event was freed */
    atomic_int refs;
};

/* Bytes of events that the owner has not freed yet. */
struct raft_event_tally {
    _Atomic uint64_t bytes;
    atomic_int refs; /* of the host, and one for each event */
};

struct raft_event_tally *raft_event_tally_new(void);     /* one reference */
void raft_event_tally_unref(struct raft_event_tally *t); /* any thread; NULL is allowed */

struct raft_event_seen *raft_event_seen_new(void);     /* two references */
void raft_event_seen_unref(struct raft_event_seen *s); /* any thread; NULL is allowed */

#endif
