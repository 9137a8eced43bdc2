/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system.h - this node's place in the cluster: forming it, and the system group's state.
 *
 * Carries out what cluster/formation.h and cluster/state.h decide: encodes, sends, makes durable.
 */
#ifndef NODE_SYSTEM_H
#define NODE_SYSTEM_H

#include "cluster/formation.h"
#include "node/group.h"

/* Read DIR/genesis if there is one, else get ready to form. -1: a log line says why. */
MUST_CHECK int system_new(struct node *n);
void system_free(struct node *n);
/* The raft host runs: connect to the peers, announce ourselves. */
void system_start(struct node *n);

/* Member of a cluster, and its system group's state has been loaded. */
bool system_is_formed(const struct node *n);
/* The state as applied here; before forming: no nodes, no slots. Never NULL. */
const struct cluster_state *system_state(const struct node *n);
/* What the formation waits for, for logs and CLUSTER INFO; "" when formed. */
const char *system_waiting_for(const struct node *n);
/* This node's entry in the state; NULL before forming. */
const struct cluster_node *system_self(const struct node *n);

/* Ask the leader of @g to hand leadership to this node, and have the group prefer this node if it
 * prefers any. False: no leader is known, or it is this node. */
MUST_CHECK bool system_ask_leadership(struct node *n, struct group *g);

/* Hand @command to the leader of the system group, here or elsewhere. It may get lost: whoever
 * wants it asks again. False: no leader is known, the command has gone nowhere. Changes of the maps
 * go through node/system_request.h. */
bool system_propose(struct node *n, const struct cluster_command *command);

/* Call @fn whenever the map has changed, or has been loaded. One listener for each map. */
typedef void system_map_fn(struct node *n);
void system_on_map_change(struct node *n, enum cluster_map map, system_map_fn *fn);

/* Events PEER_UP, PEER_DOWN, PEER_DATA. */
void system_on_peer_event(struct node *n, const struct raft_event *e);

/* The system group's replica: its snapshot (rdb_meta.system), its entries, its role. */
MUST_CHECK int system_load(struct node *n, const char *p, size_t len);
MUST_CHECK int system_apply(struct node *n, const void *p, size_t len);
/* Encode the state for a snapshot; the buffer is the caller's. */
void system_encode(const struct node *n, struct buf *out);
void system_cron(struct node *n);

#endif
