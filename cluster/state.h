/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/state.h - the state machine of the system group: what the cluster is.
 *
 * Nodes, groups, the slot map, ACL users and functions, the same on every node, changed only by
 * applying the system group's log in order. Plain values in, plain values out; node/system.c
 * encodes them. */
#ifndef CLUSTER_STATE_H
#define CLUSTER_STATE_H

#include "base/net.h"
#include "cluster/slots.h"
#include "cluster/texts.h"

#define CLUSTER_ID_CHARS 40
#define CLUSTER_ZONE_MAX 64
#define CLUSTER_NODES_MAX 64
#define CLUSTER_GROUPS_MAX 256
#define CLUSTER_DATA_GROUPS_MAX 64 /* that a cluster can begin with */
#define CLUSTER_NO_GROUP 0u        /* group 0 owns no slots */
#define CLUSTER_SYSTEM_VOTERS_MAX 5
#define CLUSTER_FEATURE_LEVEL 1 /* of this version; see "feature levels" below */

#define CLUSTER_ERRORS(X)                                                                          \
    X(CLUSTER_OK, 0, "ok")                                                                         \
    X(CLUSTER_ERR_UNKNOWN_NODE, -1, "no such node")                                                \
    X(CLUSTER_ERR_UNKNOWN_GROUP, -2, "no such group")                                              \
    X(CLUSTER_ERR_FULL, -3, "limit reached")                                                       \
    X(CLUSTER_ERR_INVALID, -4, "invalid value")                                                    \
    X(CLUSTER_ERR_CONFLICT, -5, "it has changed meanwhile")                                        \
    X(CLUSTER_ERR_REPEATED, -6, "carried out before")
enum cluster_error {
#define X(name, code, text) name = (code),
    CLUSTER_ERRORS(X)
#undef X
};
const char *cluster_strerror(int error);

struct cluster_node {
    uint64_t number; /* Raft's node id; never reused */
    char id[CLUSTER_ID_CHARS + 1];
    struct net_addr client, peer;
    char zone[CLUSTER_ZONE_MAX];
    uint32_t feature_level; /* of the version it runs */
};

struct cluster_group {
    uint32_t number;
    uint64_t preferred_leader; /* node number; 0: any */
};

/* What has become of the newest request of a node, so that one that stands in the log twice is
 * carried out once. */
struct cluster_outcome {
    uint64_t node, request;
    int result; /* enum cluster_error */
};

/* Begins zeroed; texts are its own: cluster_state_release(). */
struct cluster_state {
    char cluster_id[CLUSTER_ID_CHARS + 1];
    bool slots_enabled;     /* cluster-enabled yes: slots over groups; no: one database */
    uint32_t feature_level; /* that all nodes have had: only grows */
    uint64_t epoch;         /* of the slot map: +1 at each change of ownership */
    uint64_t next_node;
    size_t n_nodes;
    struct cluster_node nodes[CLUSTER_NODES_MAX]; /* by number, ascending */
    size_t n_groups;
    struct cluster_group groups[CLUSTER_GROUPS_MAX]; /* by number, ascending */
    uint16_t slot_group[CLUSTER_SLOTS];              /* CLUSTER_NO_GROUP: unassigned */
    struct cluster_texts maps[CLUSTER_MAPS];         /* see cluster_state_map() */
    size_t n_outcomes;
    struct cluster_outcome outcomes[CLUSTER_NODES_MAX]; /* one for each node that asked */
};

void cluster_state_release(struct cluster_state *s);
/* The users, the functions. Never NULL. */
const struct cluster_texts *cluster_state_map(const struct cluster_state *s, enum cluster_map map);
/* Of the newest request of @node that the log has brought; NULL: there was none. */
const struct cluster_outcome *cluster_state_outcome(const struct cluster_state *s, uint64_t node);

/* The state a cluster begins with (overwrites *@s): @nodes (already numbered 1..n in list order)
 * and the data groups 1..@n_groups, each with as many of the slots as the others, in one run.
 * Several groups prefer the nodes in turn for their leaders; one group alone prefers none. */
MUST_CHECK int cluster_state_genesis(struct cluster_state *s, const char *cluster_id,
                                     bool slots_enabled, const struct cluster_node *nodes,
                                     size_t n_nodes, uint32_t n_groups);

const struct cluster_node *cluster_state_node(const struct cluster_state *s, uint64_t number);
const struct cluster_node *cluster_state_node_by_id(const struct cluster_state *s, const char *id);
const struct cluster_group *cluster_state_group(const struct cluster_state *s, uint32_t number);
/* The lowest slot of a group; CLUSTER_SLOTS: it has none. */
unsigned cluster_state_first_slot(const struct cluster_state *s, uint32_t group);

/* ---- commands of the log ------------------------------------------------------------------- */

enum cluster_command_type {
    CLUSTER_CMD_UPDATE_NODE = 1,   /* .node: addresses, zone and level of an existing node */
    CLUSTER_CMD_PREFER_LEADER = 2, /* .group, .number */
    CLUSTER_CMD_CHANGE = 3,        /* .change, as request .request of node .number */
    CLUSTER_CMD_RAISE_LEVEL = 4,   /* .level: what all nodes have */
};
struct cluster_command {
    enum cluster_command_type type;
    struct cluster_node node;
    uint32_t group;
    uint64_t number;
    struct cluster_change *change; /* the command's own: cluster_command_release() */
    uint64_t request;              /* rising per node: one that is not the newest has no effect */
    uint32_t level;
};
void cluster_command_release(struct cluster_command *c);
/* Apply one command; deterministic. On an error nothing has changed (on any node alike), but for
 * the outcome of a CHANGE, which is kept. */
int cluster_state_apply(struct cluster_state *s, const struct cluster_command *c);

/* ---- feature levels -------------------------------------------------------------------------
 *
 * A version that writes into a log what older ones cannot read has a higher CLUSTER_FEATURE_LEVEL
 * than they. Each node tells its own (UPDATE_NODE); once all have a higher one the system group's
 * leader raises the cluster's (RAISE_LEVEL), and there is no way back: a node of an older version
 * ends, with a message, before it reads what it does not know. Until then what needs the higher
 * level is refused, so that nodes can be replaced by newer ones one at a time, and back again. */

/* The level that a command needs; it came with that version. */
uint32_t cluster_command_level(const struct cluster_command *c);
/* What the cluster's level can be raised to; 0: it cannot. */
uint32_t cluster_level_to_raise(const struct cluster_state *s);
/* True when the cluster has not reached @level; @text then says to a client why, code included. */
#define CLUSTER_LEVEL_TEXT_MAX 512
bool cluster_lacks_level(const struct cluster_state *s, uint32_t level,
                         char text[CLUSTER_LEVEL_TEXT_MAX]);

/* Assert what always holds: order, uniqueness, slots only of existing groups. */
void cluster_state_check(const struct cluster_state *s);

/* Voters of a new group over @nodes: at most @max, spread over zones: zones in turn, within a
 * zone by number, beginning with nodes[@first] and going round, so that groups that begin with
 * different nodes spread over all of them. nodes[@first] is always chosen. Fills @out with node
 * numbers in ascending order; returns how many. */
size_t cluster_choose_voters(const struct cluster_node *nodes, size_t n, size_t max, size_t first,
                             uint64_t *out);
/* The index of the node that data group @group begins with: of its voters, and as its leader. */
size_t cluster_first_node(uint32_t group, size_t n_nodes);

#endif
