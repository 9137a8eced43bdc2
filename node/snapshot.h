/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/snapshot.h - snapshots of groups: asked for, forked, published.
 *
 *   IDLE --(asked)--> SETTLING --(all batches committed)--> WRITING --(child done)--> IDLE
 *
 * While settling, new commands of the group are parked (one round trip), so that the state at the
 * fork is exactly the applied, committed prefix. One snapshot at a time; a further wish waits. */
#ifndef NODE_SNAPSHOT_H
#define NODE_SNAPSHOT_H

#include "node/group.h"

struct snapshotter;

struct snapshotter *snapshotter_new(struct node *n);
void snapshotter_free(struct snapshotter *s); /* ends a running child */

/* Take a snapshot of @g soon; asking twice is asking once. None is taken when the newest holds all
 * there is: of data, and when @access, of access data as well, where snapshots carry it. */
void snapshot_ask(struct group *g, bool access);
/* Called each turn and by cron: go on where something has changed. */
void snapshot_advance(struct node *n);

/* A child is writing now. */
bool snapshot_is_running(const struct node *n);
/* For INFO: ms since the running one was started, keys written so far, keys in all. */
struct snapshot_progress {
    bool running, wanted;
    uint64_t keys_done, keys_total;
    int64_t started_wall_ms;
};
/* None is under way or asked for, and the log knows of all that were taken. */
bool snapshots_are_published(const struct node *n);
void snapshot_progress(const struct node *n, struct snapshot_progress *out);

#endif
