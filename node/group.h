/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/group.h - one group's replica as the exec thread runs it: its data, its batches, its role.
 *
 *               RAFT_EV_GROUP                loaded, feed running
 *   (nothing) ----------------> LOADING ---------------------------> FOLLOWING
 *                                  ^                                   |    ^
 *                                  | batches gone / INSTALL            |    | leadership lost,
 *                                  |                                   v    | all batches known
 *                                  +------------------ SERVING <---- CATCHING_UP (leader; applies
 *                                  |                     |             up to its no-op)
 *                                  +------ UNDECIDED <---+ leadership lost with batches open
 *
 * Batches: effects of one loop turn, numbered from 1 on per process. A batch is open, proposed,
 * committed, or gone. committed only grows while SERVING; on LOADING all numbers up to the last one
 * used are settled.
 * Invariant: committed <= proposed; the open batch has the number proposed + 1. */
#ifndef NODE_GROUP_H
#define NODE_GROUP_H

#include "node/client.h"
#include "node/keyspace/keyspace.h"
#include "node/news.h"
#include "proto/effect.h"
#include "raft/host.h"

enum group_state {
    GROUP_LOADING,
    GROUP_FOLLOWING,
    GROUP_CATCHING_UP, /* leader, but not everything before its own no-op is applied */
    GROUP_SERVING,
    GROUP_UNDECIDED, /* was leader; the fate of some batches is open */
};
const char *group_state_name(enum group_state s);

#define GROUP_DIRTY_SLOTS 65536u   /* gates: last batch that touched a key of this hash */
#define GROUP_BATCHES_MAX 64u      /* of the rings below: more than are ever in flight */
#define GROUP_BATCHES_IN_FLIGHT 8u /* proposed and undecided at once */
#define GROUP_APPLY_SLICE_US 4000  /* of applying between two looks at the clients */

struct rdb_loader;

struct group {
    struct node *node;
    uint32_t number;
    enum group_state state;
    struct keyspace *ks; /* data groups; NULL for the system group */

    /* Raft's view, from events. */
    enum raft_role role;
    uint64_t term;
    uint64_t leader;      /* node number; 0: none known */
    bool leader_cut;      /* the connection to it has broken: sending clients there helps nobody */
    uint64_t last_leader; /* the last one known: what views show during an election */
    uint64_t serve_from;  /* leader: index that must be applied before the first command */
    uint64_t applied;     /* index */
    uint64_t applied_term;
    uint64_t feed_epoch;

    /* Batches. */
    struct buf batch; /* the open one: encoded effects; empty: nothing to propose */
    uint64_t batch_effects;
    size_t unit_start;     /* offset of the first effect of the current unit */
    size_t last_effect;    /* offset of the newest effect */
    uint32_t unit_effects; /* effects of the current unit */
    uint32_t unit_depth;
    uint64_t proposed, committed; /* numbers; the open batch is proposed + 1 */
    uint64_t gone_from;           /* batches from here on never entered the log; 0: none known */
    uint64_t batch_term;          /* term under which the undecided batches were proposed */
    uint64_t proposed_bytes;      /* not yet committed */
    uint32_t sizes[GROUP_BATCHES_MAX];      /* of proposed batches, by number */
    struct link waiting[GROUP_BATCHES_MAX]; /* clients by batch number modulo the size */
    struct link unconfirmed;                /* clients whose read waits for a lease or read round */
    uint64_t read_asked;                    /* quorum: newest execution a round was asked for */
    uint64_t read_confirmed;     /* executions up to here are confirmed by lease or read round */
    uint64_t lost_from, lost_to; /* reads executed in (from, to] lost their leadership; they are
                                  * redirected once it is known where to. Equal: none */
    uint64_t dirty[GROUP_DIRTY_SLOTS];
    uint64_t all_dirty;     /* last batch that touched anything */
    struct news_queue news; /* of batches that are not committed yet */

    /* Clients whose next command waits for this group to serve (or to say who does). */
    struct link parked;
    uint32_t parking; /* > 0: a transfer or a snapshot holds new commands back for a moment */
    int64_t leaderless_since_us; /* 0: a leader is known */

    /* Applying. */
    struct raft_event **queue; /* COMMITTED events not applied yet */
    size_t q_head, q_n, q_cap;
    size_t q_entry; /* next entry of the first event */
    struct effect_reader reader;
    struct buf discard; /* replies of applied effects */

    /* Loading. */
    struct rdb_loader *loader;
    struct raft_pos load_pos;
    struct raft_pos snapshot; /* newest published one here */
    uint64_t snapshot_taken;  /* index of the newest one this node wrote */
    int64_t load_started_us;

    /* Transfer. */
    bool transfer_wanted; /* parked; waiting for batches to settle, or for Raft */
    bool transfer_sent;
    uint64_t transfer_to;
    int64_t transfer_deadline_us;

    bool disk_full;
    uint64_t rebuilds; /* times the state was rebuilt after batches were gone */
};

struct group *group_new(struct node *n, uint32_t number);
void group_free(struct group *g);

/* Events of the raft thread. */
void group_on_event(struct node *n, struct raft_event *e); /* takes @e */

/* End of a turn: close the open batch into an entry and propose it. */
void group_propose(struct group *g);
/* Sliced work: apply, load. Returns true while there is more. */
bool group_work(struct group *g, int64_t budget_us);

/* True when commands on this group's keys may be executed here now as leader. */
static inline bool group_serves(const struct group *g)
{
    return g->state == GROUP_SERVING && g->parking == 0;
}
/* Another node is known to lead, and can be reached as far as this node sees. */
bool group_leader_is_elsewhere(const struct group *g);
/* All batches are committed and none is open. */
static inline bool group_is_settled(const struct group *g)
{
    return g->committed == g->proposed && g->batch.len == 0;
}
/* More is proposed than the bound allows: clients are not read meanwhile. */
bool group_is_congested(const struct group *g);

/* Number that effects of now get. */
static inline uint64_t group_open_batch(const struct group *g) { return g->proposed + 1; }

/* Append one effect to the open batch. */
void group_log_effect(struct group *g, uint32_t db, const struct arg *argv, size_t argc);
/* Effects between these belong together. */
void group_unit_begin(struct group *g);
void group_unit_end(struct group *g);

/* Hold new commands back (snapshot, transfer) / let them go on. */
void group_park(struct group *g);
void group_unpark(struct group *g);
/* The connection to node @number is up or has broken. */
void group_on_peer(struct group *g, uint64_t number, bool up);
/* Let parked clients try again. */
void group_wake_parked(struct group *g);

/* Throw the state away and load it again from snapshot and log, as after a restart; a leader goes
 * on leading. What was read before stays true. False: it has open batches, or is not at rest. */
MUST_CHECK bool group_reload(struct group *g);

/* Begin to hand leadership to @to (0: best). False: not the leader, or one is under way. */
MUST_CHECK bool group_transfer(struct group *g, uint64_t to);

#endif
