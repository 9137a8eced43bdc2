/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/balance.h - when a node asks for the leadership of a group that prefers it.
 *
 * After a node has died and come back, the others lead its groups. It gets them back when it has
 * been a healthy follower for a while: it asks the leader, which carries out a planned transfer.
 * The preferred node decides, since only it knows that it is not loading, busy or about to stop;
 * the leader refuses when it sees the node behind.
 *
 *   not fit --(fit)--> waiting --(@delay later)--> asks --> waiting again
 *      ^                  |
 *      +----(unfit)-------+          unfit: not preferred, no leader to be seen, loading, behind,
 *                                    stopping
 *
 * Pure: time and state come with the call. */
#ifndef CLUSTER_BALANCE_H
#define CLUSTER_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Of one group, all zero at first. */
struct balance {
    int64_t fit_since_us; /* or since the last time it asked; 0: not fit */
};

/* What the node knows of the group and of itself. */
struct balance_view {
    uint64_t self, preferred, leader; /* node numbers; 0: none */
    bool leader_reachable;            /* the connection to it stands */
    bool following;                   /* everything is loaded, and no batch of its own is open */
    uint64_t behind;                  /* entries known to be committed that are not applied here */
    bool stopping;                    /* a shutdown is under way */
};

#define BALANCE_BEHIND_MAX 1000u /* entries: applied within a moment */

/* True when the node should ask the leader now. @delay_us 0: never. */
bool balance_asks(struct balance *b, const struct balance_view *v, int64_t now_us,
                  int64_t delay_us);

#endif
