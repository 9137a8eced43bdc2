/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config.h - the settings of a node: one typed struct, one table that names its fields.
 *
 * From `holdfast-server [file] [--name value ...]`, changed by CONFIG SET where the table says so,
 * written back by CONFIG REWRITE. Names and forms are Redis's where Redis has the setting.
 * Exec thread only (others get what they need at the start). */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include "base/base.h"
#include "base/buf.h"

struct node;
struct cmd;

enum appendfsync { APPENDFSYNC_ALWAYS, APPENDFSYNC_EVERYSEC, APPENDFSYNC_NO };
enum read_consistency { READ_LEASE, READ_QUORUM, READ_LOCAL };
enum client_class { CLASS_NORMAL, CLASS_REPLICA, CLASS_PUBSUB, CLASS_COUNT };

struct output_limit {
    uint64_t hard, soft; /* bytes; 0: none */
    int64_t soft_seconds;
};

struct config {
    /* network */
    int64_t port;
    char **bind; /* NULL-terminated; default "*" "-::*" */
    int64_t tcp_backlog;
    int64_t timeout; /* s; 0: never */
    int64_t tcp_keepalive;
    int64_t maxclients;
    bool protected_mode;
    int64_t proto_max_bulk_len;
    int64_t client_query_buffer_limit;
    struct output_limit output_limits[CLASS_COUNT];

    /* general */
    bool daemonize;
    char *pidfile;
    char *logfile;
    int loglevel; /* enum log_level */
    char *dir;
    int64_t databases;
    int64_t hz;
    bool dynamic_hz;
    char *requirepass; /* "": none */
    char *proc_title_template;
    bool set_proc_title;
    int64_t shutdown_timeout;
    char *enable_debug_command; /* no | yes | local */

    /* cluster */
    bool cluster_enabled;
    int64_t peer_port;   /* 0: port + 10000 */
    char *cluster_nodes; /* "host:port host:port ..." of peer addresses; "": a cluster of one */
    char *cluster_announce_ip; /* "": the host of its entry in cluster-nodes */
    int64_t cluster_announce_port;
    char *peer_announce_ip; /* host under which peers know this node; "": see node.c */
    char *availability_zone;
    int64_t raft_heartbeat_interval; /* ms */
    int64_t raft_election_timeout;   /* ms */
    int64_t raft_lease_drift;        /* parts per million */
    int read_consistency;            /* enum read_consistency */
    int64_t election_wait_timeout;   /* ms a command waits for a leader */
    int64_t outcome_wait_timeout;    /* ms a reply waits for the fate of its write */
    int64_t max_uncommitted_bytes;
    bool replica_serve_stale_data;

    /* durability */
    int appendfsync; /* enum appendfsync */
    int64_t log_segment_size;
    int64_t log_ballast_size;
    int64_t snapshot_log_size; /* take a snapshot when the log behind the last one is this long */
    int64_t snapshot_transfer_rate; /* bytes per second and stream; 0: unlimited */
    bool rdbcompression, rdbchecksum;

    /* introspection */
    int64_t slowlog_log_slower_than; /* us; < 0: off */
    int64_t slowlog_max_len;

    /* memory, lazy freeing */
    bool lazyfree_lazy_user_del, lazyfree_lazy_user_flush, lazyfree_lazy_expire,
        lazyfree_lazy_server_del;
    bool activerehashing;
    int64_t active_expire_effort;
    bool active_expire; /* DEBUG SET-ACTIVE-EXPIRE; not a setting of the file */
    int64_t maxmemory;  /* see table: accepted as 0 only until eviction is there */
    int64_t lfu_decay_time, lfu_log_factor;
};

/* Defaults. */
void config_init(struct config *c);
void config_release(struct config *c);

/* What the command line asks for beside starting. */
enum config_action { CONFIG_START, CONFIG_HELP, CONFIG_VERSION };

/* Read file and options. -1: @error (1024 bytes) names the option (and file:line) and says what
 * is wrong. *@file: absolute path of the configuration file, the caller's; NULL: none. */
MUST_CHECK int config_load(struct config *c, int argc, char **argv, enum config_action *action,
                           char **file, char *error);
void config_print_help(void);

/* A changed setting comes into force (called by CONFIG SET after the value was stored). Part of
 * the lead's node: listeners, log file, host parameters ... -1: refused, @error (256 bytes). */
typedef int config_apply_fn(struct node *n, char *error);

/* As INFO, CLIENT and others print: current value of setting @name into @out; false: unknown. */
bool config_get_text(const struct config *c, const char *name, struct buf *out);

#endif
