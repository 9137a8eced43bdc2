/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/formation.h - how nodes that were started with the same list become one cluster, once.
 *
 * Every unformed node tells every other node of its list who it is (node id, a digest of the
 * list, addresses). The node whose peer address sorts first is the founder: when all of the list
 * are present, unformed and name the same list, mode and number of data groups, it draws the
 * cluster id, numbers the nodes in sorted order and makes that plan durable before it tells anyone.
 * From then on the plan is handed to every unformed node whose id is in it. Ids are drawn once per
 * data directory, so an emptied disk comes back with another id, is not in the plan, and stays
 * outside.
 *
 *     GATHERING --(all present: founder)--> PLANNED --(durable)--> FORMED
 *         |                                                          ^
 *         +---------------(a plan that names this node)--------------+
 *
 * Pure: the caller sends messages and makes plans durable. */
#ifndef CLUSTER_FORMATION_H
#define CLUSTER_FORMATION_H

#include "cluster/state.h"

/* What an unformed node says of itself. */
struct formation_hello {
    struct cluster_node node; /* number 0 */
    uint64_t list_digest;
    bool slots_enabled;
    uint32_t data_groups; /* cluster-data-groups */
};

struct formation_plan {
    char cluster_id[CLUSTER_ID_CHARS + 1];
    uint64_t list_digest;
    bool slots_enabled;
    uint32_t data_groups;
    size_t n_nodes;
    struct cluster_node nodes[CLUSTER_NODES_MAX];
};

struct formation {
    size_t n;
    struct net_addr list[CLUSTER_NODES_MAX]; /* sorted by "host:port" text */
    bool heard[CLUSTER_NODES_MAX];
    struct formation_hello hellos[CLUSTER_NODES_MAX];
    size_t self;
    uint64_t digest;
    char waiting_for[256]; /* for the log line: who is missing or disagrees, and how */
};

/* @list in any order; @self (its peer address) must be in it. -1: not in it, empty, a duplicate,
 * or too long; @error (256 bytes) says which. */
MUST_CHECK int formation_init(struct formation *f, const struct net_addr *list, size_t n,
                              const struct formation_hello *self, char *error);
bool formation_is_founder(const struct formation *f);
/* A hello came from an unformed node. False: it is not of the list (ignored). */
bool formation_on_hello(struct formation *f, const struct formation_hello *h);
void formation_on_lost(struct formation *f, const struct net_addr *peer);
/* Founder: true and the plan when all are there and agree. @cluster_id: drawn by the caller. */
MUST_CHECK bool formation_try_plan(struct formation *f, const char *cluster_id,
                                   struct formation_plan *out);
/* Number of the node @id in @plan; 0: not in it. */
uint64_t formation_plan_number(const struct formation_plan *plan, const char *id);
/* True when an unformed node with this list, mode, number of groups and id may adopt @plan. */
bool formation_accepts(const struct formation *f, const struct formation_plan *plan);

/* "host:port" order, in which lists are sorted and pairs decide who dials. */
int formation_compare_addr(const struct net_addr *a, const struct net_addr *b);

#endif
