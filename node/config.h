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
#include "node/config_kept.h"
#include "node/types/limits.h"

/* Bytes of room behind a char *error of this module. */
#define CONFIG_ERROR_MAX 1024

enum appendfsync { APPENDFSYNC_ALWAYS, APPENDFSYNC_EVERYSEC, APPENDFSYNC_NO };
enum read_consistency { READ_LEASE, READ_QUORUM, READ_LOCAL };
enum debug_command { DEBUG_COMMAND_NO, DEBUG_COMMAND_YES, DEBUG_COMMAND_LOCAL };
enum evict_policy { /* bits */
                    EVICT_LRU = 1u << 0,
                    EVICT_LFU = 1u << 1,
                    EVICT_RANDOM = 1u << 2,
                    EVICT_TTL = 1u << 3,
                    EVICT_ALL_KEYS = 1u << 4, /* else only keys with a time to live */
                    EVICT_NOTHING = 1u << 5,
};

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
    int64_t proto_max_bulk_len;
    int64_t busy_reply_threshold; /* ms; 0: never */
    int64_t lua_memory_limit;     /* bytes of one script; 0: no limit */
    int64_t client_query_buffer_limit;
    struct output_limit output_limits[CLASS_COUNT];
    unsigned notify_events; /* enum notify_class bits */

    /* general */
    char *pidfile;
    char *logfile;
    char *dir;
    int64_t databases;
    int64_t hz;
    char *requirepass; /* of the default user; "": none */
    char *aclfile;     /* absolute; "": none */
    char **users;      /* "name rule ...", each a `user` line; NULL-terminated; NULL: none */
    int64_t acllog_max_len;
    int64_t shutdown_timeout; /* s */

    /* cluster */
    int64_t peer_port;      /* 0: port + 10000 */
    char *cluster_nodes;    /* "host:port host:port ..." of peer addresses; "": a cluster of one */
    char *peer_announce_ip; /* "": see node_self_addr() */
    char *cluster_announce_ip; /* "": the host of its entry in cluster-nodes */
    int64_t cluster_announce_port;
    char *availability_zone;
    int64_t cluster_data_groups;     /* that a cluster is formed with */
    int64_t leader_balance_delay;    /* ms until a group's preferred leader asks; 0: never */
    int64_t raft_heartbeat_interval; /* ms */
    int64_t raft_election_timeout;   /* ms */
    int64_t raft_lease_drift;        /* parts per million */
    int64_t election_wait_timeout;   /* ms a command waits for a leader */
    int64_t outcome_wait_timeout;    /* ms a reply waits for the fate of its write */
    int64_t max_uncommitted_bytes;

    /* durability */
    int64_t log_segment_size;
    int64_t log_ballast_size;
    int64_t snapshot_log_size; /* take a snapshot when the log behind the last one is this long */
    int64_t snapshot_transfer_rate; /* bytes per second and stream; 0: unlimited */

    /* memory */
    int64_t maxmemory;         /* bytes; 0: no limit */
    int maxmemory_policy;      /* enum evict_policy */
    int64_t maxmemory_samples; /* keys looked at for each eviction */
    int64_t maxmemory_eviction_tenacity;
    int64_t tracking_table_max_keys; /* 0: no limit */
    int64_t maxmemory_clients;       /* bytes; < 0: percent of maxmemory; 0: no limit */
    int64_t lfu_log_factor;
    int64_t lfu_decay_time; /* minutes */

    /* moving of allocations: node/defrag.h */
    int64_t active_defrag_ignore_bytes;
    int64_t active_defrag_threshold_lower, active_defrag_threshold_upper; /* percent of used */
    int64_t active_defrag_cycle_min, active_defrag_cycle_max;             /* percent of time */
    int64_t active_defrag_max_scan_fields;

    struct types_limits types;

    /* introspection */
    int64_t slowlog_log_slower_than; /* us; < 0: off */
    int64_t slowlog_max_len;
    bool latency_tracking;
    char *latency_tracking_info_percentiles; /* "50 99 99.9" */
    int64_t latency_monitor_threshold;       /* ms; 0: off */

    /* choices */
    int loglevel;             /* enum log_level */
    int enable_debug_command; /* enum debug_command */
    int read_consistency;     /* enum read_consistency */
    int appendfsync;          /* enum appendfsync */
    int acl_pubsub_default;   /* 1: new ACL users may use all channels */

    /* switches */
    bool protected_mode;
    bool daemonize;
    bool cluster_enabled;
    bool replica_serve_stale_data;
    bool rdbcompression, rdbchecksum;
    bool activerehashing;
    bool activedefrag;
    bool active_expire; /* DEBUG SET-ACTIVE-EXPIRE; no option */
    bool cron_paused;   /* DEBUG PAUSE-CRON; no option */

    struct config_kept kept; /* options of Redis that change nothing here */

    /* What cannot be chosen in this version: each has the one value that is true, for clients that
     * ask, and any other is refused. */
    struct config_fixed {
        char *save;
        bool appendonly, replica_read_only, dynamic_hz, stop_writes_on_bgsave_error;
        bool lazyfree_lazy_expire, lazyfree_lazy_server_del, lazyfree_lazy_user_del,
            lazyfree_lazy_user_flush;
    } fixed;
};

/* Defaults. */
void config_init(struct config *c);
void config_release(struct config *c);

/* What the command line asks for beside starting. */
enum config_action { CONFIG_START, CONFIG_HELP, CONFIG_VERSION };

/* Read file and options, as `holdfast-server [file | -] [--name value ...]`. -1: @error
 * (CONFIG_ERROR_MAX bytes) names the option (and file:line) and says what is wrong. *@file:
 * absolute path of the configuration file, the caller's; NULL: none. */
MUST_CHECK int config_load(struct config *c, int argc, char **argv, enum config_action *action,
                           char **file, char *error);
void config_print_help(void);

/* Read the lines of @text over @c; @name stands in errors for the file. 0 or -1 as above. */
MUST_CHECK int config_parse_text(struct config *c, const char *text, const char *name, char *error);
/* Rules between settings; 0 or -1 as above. config_load() has asked already. */
MUST_CHECK int config_check(const struct config *c, char *error);

/* Write the settings back to @path: comments, order and lines that still hold are kept, others are
 * replaced, what is not in the file and not the default is added at its end. The file is replaced
 * at once or not at all. -1: @error says why. */
MUST_CHECK int config_rewrite(const struct config *c, const char *path, char *error);
/* The text config_rewrite() would write over @old (a whole file). -1: @error. */
MUST_CHECK int config_rewrite_text(const struct config *c, const char *old, const char *name,
                                   struct buf *out, char *error);

/* As INFO, CLIENT and others print: current value of setting @name into @out; false: unknown. */
bool config_get_text(const struct config *c, const char *name, struct buf *out);

#endif
