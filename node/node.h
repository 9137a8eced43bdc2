/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/node.h - the whole of one node as its exec thread sees it.
 *
 * Everything here belongs to the exec thread. The other threads are behind raft/host.h and
 * base/worker.h. There is one struct node per process, passed to whoever needs it. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/rand.h"
#include "cluster/state.h"
#include "node/client.h"
#include "node/config.h"
#include "node/group.h"
#include "node/groups.h"
#include "node/keyspace/access_clock.h"
#include "node/stats.h"
#include "raft/host.h"

#include <ev.h>

#define NODE_VERSION "0.1.0"
/* The Redis whose commands and replies are the yardstick: clients look at redis_version. */
#define NODE_REDIS_VERSION "7.0.15"

struct snapshotter;     /* node/snapshot.h */
struct system;          /* node/system.h: formation and the system group */
struct acl;             /* node/acl.h */
struct system_requests; /* node/system_request.h */
struct slowlog;         /* node/slowlog.h */
struct latency;         /* node/latency.h */
struct watch_table;     /* node/watch.h */
struct block_table;     /* node/block_table.h */
struct migration;       /* node/migrate.h */
struct evict;           /* node/evict.h */
struct defrag;          /* node/defrag.h */
struct pubsub;          /* node/pubsub.h */
struct tracking;        /* node/tracking.h */
struct scripts;         /* node/script/scripts.h */

struct node {
    struct config config;
    struct ev_loop *loop;
    struct worker *bg;
    struct chan *events;
    struct raft_host *host;
    struct rng rng;
    struct siphash_key hash_key;

    /* One value per loop turn, refreshed before each command. */
    int64_t now_us;      /* boot clock */
    int64_t now_wall_ms; /* wall clock */
    uint64_t executions; /* commands executed so far: orders reads and lease checks */

    struct group *groups[NODE_GROUPS_MAX]; /* by group number; NULL: not here (yet) */
    uint32_t n_groups;                     /* all that are here have lower numbers */
    struct span span; /* of the command being executed, where it is over several groups */
    struct system *system;
    struct system_requests *requests;
    struct acl *acl;
    struct snapshotter *snapshotter;
    struct clients clients;
    struct watch_table *watches;
    struct block_table *blocks;
    struct pubsub *pubsub;
    struct tracking *tracking;
    struct evict *evict;
    struct migration *migrations; /* that have begun */
    struct defrag *defrag;
    struct scripts *scripts;
    const char *busy_error; /* a slow script holds the loop: what commands are told; else NULL */
    bool out_of_memory;     /* above maxmemory when the current command began, and nothing can go */
    struct slowlog *slowlog;
    struct latency *latency;
    struct stats stats;

    char run_id[41];
    int64_t start_us;
    int64_t start_wall_ms;
    char *config_file; /* absolute; NULL: none */
    char *executable;
    bool shutdown_asked;
    int shutdown_signal; /* the last one that came; 0: none */
    bool signal_waits;   /* it is acted on at the end of the turn */
    int64_t shutdown_deadline_us;

    struct ev_prepare prepare; /* end of a loop turn: batches out, replies out */
    struct ev_check check;     /* start of a turn: clocks */
    struct ev_idle idle;       /* runs while sliced work is left, so that the loop does not sleep */
    struct ev_timer cron;      /* hz times a second */
    struct ev_timer retry;     /* soonest deadline of parked clients and unconfirmed reads */
    bool expire_more;          /* keys are due that the last slice did not get to */
    int signal_fd;             /* signalfd of SIGTERM and SIGINT, which are blocked; -1: none */
    struct ev_io signals;
};

/* Wall clock of the turn's command; boot clock; both refreshed. */
void node_refresh_clocks(struct node *n);

/* The peer address of this node: peer-announce-ip, else its entry in cluster-nodes, else bind. */
void node_self_addr(const struct config *c, struct net_addr *out);

/* Open the data directory, listen, start the threads. -1: log lines say why. */
MUST_CHECK int node_start(struct node *n);
/* Serve until a shutdown is complete. */
void node_run(struct node *n);
/* Stop the threads, close and free everything (also after a failed start). */
void node_stop(struct node *n);

/* Begin an orderly shutdown: leadership is handed over, open writes are decided, then node_run()
 * returns; at the latest after shutdown-timeout. */
void node_shutdown(struct node *n);
/* True when nothing holds the shutdown up any more. */
bool node_shutdown_advance(struct node *n);

/* Asked from within a command that takes long: is there to be a shutdown, or has a signal that asks
 * for one come since it began? Then *@deadline_us is when it should be over (boot clock). A second
 * signal ends the process here. */
MUST_CHECK bool node_is_to_stop(struct node *n, int64_t *deadline_us);

/* How access data is counted now: by maxmemory-policy and the wall clock of this turn. */
struct access_clock node_access_clock(const struct node *n);

/* Sliced work has come up (apply, load, free, upkeep): do not sleep. */
void node_has_work(struct node *n);

#endif
