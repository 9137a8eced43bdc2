/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/host_cluster.h - hosts of one cluster in one process, on loopback, for tests.
 *
 * Each node has an owner thread with a loop, as a server has its exec thread. The owner's state of
 * a group is the sequence of the ids it applied; a proposal is an id and padding. Acknowledged ids
 * must be found in every node's sequence, once, and all sequences must be the same.
 * The test's thread asks for things through the functions below and waits for conditions. */
#ifndef TESTS_RAFT_HOST_CLUSTER_H
#define TESTS_RAFT_HOST_CLUSTER_H

#include "raft/host.h"

#include <limits.h>

#define CLUSTER_NODES_TEST_MAX 5
#define CLUSTER_GROUPS_TEST_MAX 3

struct tnode;

struct tcluster {
    size_t n, n_groups;
    char dir[64];
    struct tnode *nodes[CLUSTER_NODES_TEST_MAX];
    struct raft_host_peer peers[CLUSTER_NODES_TEST_MAX];
    size_t n_members; /* the first of the nodes are voters of every group; default: all */
    size_t n_listed;  /* peers that hosts are told of when they start; default: all */

    /* Settings of hosts started from now on. */
    enum raft_durability durability;
    uint64_t snapshot_log_bytes, snapshot_rate_bytes, segment_bytes;
    uint64_t snapshot_padding; /* bytes that make the owner's snapshots larger */
    int64_t election_timeout_us;
};

/* Temporary folder, free ports; nothing runs. */
struct tcluster *tcluster_new(size_t nodes, size_t groups);
void tcluster_free(struct tcluster *c); /* stops what runs, removes the folder */

void tnode_start(struct tcluster *c, size_t i); /* forms the cluster at its first start */
void tnode_stop(struct tcluster *c, size_t i);
void tcluster_start_all(struct tcluster *c);
const char *tnode_dir(struct tcluster *c, size_t i);

/* Keep @window proposals of @bytes each in flight in @group while this node leads it. 0: none. */
void tnode_load(struct tcluster *c, size_t i, uint32_t group, unsigned window, uint32_t bytes);
void tcluster_load(struct tcluster *c, unsigned window, uint32_t bytes); /* all nodes and groups */
void tnode_transfer(struct tcluster *c, size_t i, uint32_t group, uint64_t node);
void tnode_snapshot(struct tcluster *c, size_t i, uint32_t group);
void tnode_hold_applying(struct tcluster *c, size_t i, bool hold);
void tnode_change(struct tcluster *c, size_t i, uint32_t group, const struct raft_members *m);
void tnode_list_peers(struct tcluster *c, size_t i, size_t n); /* tell it of the first @n */
void tnode_read(struct tcluster *c, size_t i, uint32_t group);
void tnode_set_disk_full(struct tcluster *c, size_t i, bool full);
#define TNODE_ALL SIZE_MAX /* raft_host_broadcast() */
void tnode_send(struct tcluster *c, size_t i, size_t to, const void *p, size_t n);

/* What a node's owner has seen. */
struct tgroup_view {
    bool present, serving;
    enum raft_role role;
    uint64_t term, leader, applied, acked, rejected, installs, published, roles, transfers_failed,
        changes_done, changes_failed, reads_ok, reads_lost, wanted, values;
};
struct tgroup_view tnode_view(struct tcluster *c, size_t i, uint32_t group);
struct tnode_counts {
    uint64_t peer_up, peer_down, data, data_bytes, full, unfull;
    uint64_t turns_here; /* of the raft thread, done by the owner */
};
struct tnode_counts tnode_counts(struct tcluster *c, size_t i);
struct raft_host *tnode_host(struct tcluster *c, size_t i); /* for any-thread functions */

/* ---- conditions: true once it holds, false after the deadline ---- */
#define WAIT_MS 60000
#define WAIT_FOR(ms, condition)                                                                    \
    ({                                                                                             \
        bool ok_ = false;                                                                          \
        for (int left_ = (ms); !(ok_ = (condition)) && left_ > 0; left_ -= 5) {                    \
            tsleep_ms(5);                                                                          \
        }                                                                                          \
        ok_;                                                                                       \
    })
void tsleep_ms(int ms);

/* The running node that serves @group as leader; -1: none now. */
int tcluster_leader(struct tcluster *c, uint32_t group);
/* Every group has a leader. */
bool tcluster_has_leaders(struct tcluster *c);
/* A new cluster with all nodes started and all groups led. */
struct tcluster *tcluster_running(size_t nodes, size_t groups);
uint64_t tcluster_acked(struct tcluster *c); /* all nodes, all groups, all their lives */

/* Stop the load, wait until all running nodes agree, check that nothing acknowledged is missing
 * and nothing is there twice. Fails the test. */
void tcluster_check(struct tcluster *c);

#endif
