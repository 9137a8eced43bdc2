/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/core_net.h - a few replicas of one group in one thread, with a network and disks that
 * do exactly what a test tells them: the stage of the core's unit tests and transcripts.
 *
 * Nothing happens by itself, but: after every step the outputs are drained, messages are queued,
 * writes go to the replica's disk (done at once, unless it is manual), committed entries count as
 * applied, and read-backs are answered from the disk. raft_check() runs after every step. */
#ifndef TESTS_RAFT_CORE_NET_H
#define TESTS_RAFT_CORE_NET_H

#include "raft/raft.h"

#include <stdio.h>

#define NET_NODES_MAX 9
#define NET_MS INT64_C(1000)

struct net_write { /* one output's part for the disk */
    uint64_t hard_seq;
    struct raft_hard_state hard;
    bool install;
    struct raft_pos install_pos;
    struct raft_members install_members;
    struct raft_entry **entries;
    size_t n_entries;
};

struct net_node {
    uint64_t id;    /* index in net.node; 0: not there */
    struct raft *r; /* NULL: down */
    struct raft_config config;
    bool manual_disk, manual_apply, manual_drain;
    struct net_write writes[256]; /* on their way to the disk */
    size_t n_writes;

    /* What is on the disk. */
    struct raft_hard_state hard;
    struct raft_pos snapshot;
    struct raft_members snapshot_members;
    struct raft_entry *log[4096]; /* index - 1; empty up to snapshot.index */
    uint64_t last;

    /* Of the outputs so far. */
    uint64_t commit;
    int64_t lease_until_us, deadline_us;
    uint64_t noop_index;
    uint64_t reads[64], reads_lost[64];
    size_t n_reads, n_reads_lost;
    uint64_t need_snapshot[64];
    size_t n_need_snapshot, n_transfers_ended, n_read_backs, n_appends_sent;
    uint64_t seen_term, seen_leader;
    enum raft_role seen_role;
};

struct net {
    int64_t now_us;
    struct net_node node[NET_NODES_MAX + 1];
    struct raft_message *queue[8192];
    size_t n_queue;
    bool cut[NET_NODES_MAX + 1][NET_NODES_MAX + 1]; /* [from][to] */
    FILE *trace;                                    /* NULL: silent */
};

/* A new network, to be freed. Messages sent are traced to @trace. */
struct net *net_new(FILE *trace);
void net_free(struct net *net);

/* The configuration that all replicas start from unless a test changes it: heartbeat 50 ms,
 * election timeout 300 ms, generous limits, never ran before. */
struct raft_config net_config(uint64_t id, const struct raft_members *members);
/* "1,2,3" to members with @flags, added to @m. */
void net_parse_members(struct raft_members *m, const char *list, uint8_t flags);
/* Members 1..@n, all voters. */
struct raft_members net_voters(uint64_t n);

void net_start(struct net *net, const struct raft_config *config); /* with an empty disk */
void net_start_voters(struct net *net, uint64_t n);                /* 1..@n */
void net_crash(struct net *net, uint64_t id); /* loses what is not on the disk */
void net_restart(struct net *net, uint64_t id, bool suspect);
/* Put an entry of @term on a stopped (or not yet started) replica's disk. */
void net_disk_append(struct net *net, uint64_t id, uint64_t term, const char *data);
/* A stopped replica's disk loses entries @from.. */
void net_disk_cut(struct net *net, uint64_t id, uint64_t from);

int net_step(struct net *net, uint64_t id, struct raft_input *in); /* fills in.now_us */
void net_drain(struct net *net, uint64_t id);
void net_tick(struct net *net, uint64_t id);
int net_propose(struct net *net, uint64_t id, const char *data);
int net_change(struct net *net, uint64_t id, const struct raft_members *m);
int net_transfer(struct net *net, uint64_t id, uint64_t to);
int net_read(struct net *net, uint64_t id, uint64_t token);
int net_compact(struct net *net, uint64_t id, uint64_t index);
int net_message(struct net *net, const struct raft_message *m); /* straight to its receiver */
/* A snapshot of @from's state at @index (0: its log's beginning) arrives at @to. */
int net_snapshot(struct net *net, uint64_t from, uint64_t to, uint64_t index);
int net_snapshot_sent(struct net *net, uint64_t id, uint64_t peer, uint64_t index, bool failed);

bool net_persist(struct net *net, uint64_t id); /* one write reaches the disk; false: none */
/* Deliver queued messages in order; @from, @to, @type 0: any; @max 0: until none is left,
 * including those caused meanwhile. Returns how many. */
size_t net_deliver(struct net *net, uint64_t from, uint64_t to, int type, size_t max);
size_t net_drop(struct net *net, uint64_t from, uint64_t to, int type); /* queued ones */
size_t net_queued(const struct net *net, uint64_t from, uint64_t to, int type);
/* The newest queued message of that kind; NULL: none. */
const struct raft_message *net_peek(const struct net *net, uint64_t from, uint64_t to, int type);
void net_isolate(struct net *net, uint64_t id);
void net_heal(struct net *net);

/* Time goes on by @us, every deadline ticked, every message delivered at once. */
void net_run(struct net *net, int64_t us);
void net_sleep(struct net *net, int64_t us); /* time goes on, nobody ticks */
/* @id's election timer fires and everything that follows is delivered. */
void net_elect(struct net *net, uint64_t id);
void net_fire(struct net *net, uint64_t id); /* the clock moves to its deadline; one tick */

struct raft_status net_status(const struct net *net, uint64_t id);
enum raft_role net_role(const struct net *net, uint64_t id);
void net_print_members(FILE *f, const struct raft_members *m);
void net_print_entry(FILE *f, const struct raft_entry *e);
const char *net_message_name(enum raft_message_type type);

#endif
