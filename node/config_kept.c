/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_kept.c - see node/config_kept.h. */
#include "node/config_kept.h"

#include "node/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define I32_MAX 2147483647

static const struct config_name sanitize_dump_payload_names[] = {
    {"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const struct config_name repl_diskless_load_names[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {"flush-before-load", 3}, {NULL, 0}};
static const struct config_name syslog_facility_names[] = {
    {"user", 0},   {"local0", 1}, {"local1", 2}, {"local2", 3}, {"local3", 4},
    {"local4", 5}, {"local5", 6}, {"local6", 7}, {"local7", 8}, {NULL, 0}};
static const struct config_name propagation_error_behavior_names[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct config_name cluster_preferred_endpoint_type_names[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};
static const struct config_name oom_score_adj_names[] = {
    {"no", 0}, {"yes", 1}, {"relative", 2}, {"absolute", 3}, {NULL, 0}};
static const struct config_name supervised_names[] = {
    {"upstart", 0}, {"systemd", 1}, {"auto", 2}, {"no", 3}, {NULL, 0}};
static const struct config_name shutdown_on_sigint_names[] = {
    {"default", 0}, {"save", 1}, {"nosave", 2}, {"now", 3}, {"force", 4}, {NULL, 0}};
static const struct config_name enable_protected_configs_names[] = {
    {"no", 0}, {"yes", 1}, {"local", 2}, {NULL, 0}};
static const struct config_name log_format_names[] = {{"legacy", 0}, {"logfmt", 1}, {NULL, 0}};
static const struct config_name log_timestamp_format_names[] = {
    {"legacy", 0}, {"iso8601", 1}, {"milliseconds", 2}, {NULL, 0}};

#define WHY_SYSTEM "left to the system"
#define WHY_APPEND_ONLY "the log is the append-only file, and a snapshot its rewrite"
#define WHY_PROCESSORS "processors are chosen from outside: taskset, or CPUAffinity of systemd"
#define WHY_LOG_FILES "the log is the append-only file: it stands in dir"
#define WHY_FROM_ADDRESS "nodes connect from the address that the system chooses"
#define WHY_GROUP_MEMBERS "groups have the members that the cluster gives them"
#define WHY_PEER_PORT "see peer-port"
#define WHY_ANNOUNCED "clients are sent to cluster-announce-ip, which may be a name"
#define WHY_NOT_ENCRYPTED "connections are not encrypted"
#define WHY_BY_RAFT "members are heard of by Raft: see raft-election-timeout"
#define WHY_CRASHES "crashes are reported by the system (core dumps)"
#define WHY_FED_BY_RAFT                                                                            \
    "replicas are fed by Raft: see snapshot-transfer-rate and max-uncommitted-bytes"
#define WHY_ONE_THREAD "one thread executes commands; others replicate, write and free"
#define WHY_LAZY "big values are always freed in the background"
#define WHY_LOG_FORM "log lines have one form"
#define WHY_NO_LOGIN "nodes do not log in to each other"
#define WHY_ACCEPTS "all that wait are accepted"
#define WHY_CHILD "of snapshots the child process takes care"
#define WHY_MEMBERS "replicas are members of the cluster, and who leads is decided by Raft"
#define WHY_SIGNALS "a signal always begins an orderly shutdown: see shutdown-timeout"
#define WHY_LOG_LINES "log lines go to logfile"
#define WHY_TCP "clients connect by TCP"

static bool check_score(const char *text, char *error)
{
    char *end;
    long score = strtol(text, &end, 10);

    if (text[0] == '\0' || *end != '\0' || score < -2000 || score > 2000) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
        return false;
    }
    return true;
}

/* The length of a variable of a title, at "{", with the braces; 0: it is none. */
static size_t variable_len(const char *p, bool *shows)
{
    static const char *const names[] = {
        "title",       "unixsocket", /* show nothing by themselves */
        "listen-addr", "server-mode", "port", "tls-port", "config-file"};
    size_t n = strcspn(p + 1, "}");

    for (size_t i = 0; p[1 + n] != '\0' && i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == n && memcmp(names[i], p + 1, n) == 0) {
            *shows |= i > 1;
            return n + 2;
        }
    }
    return 0;
}

static bool check_title(const char *text, char *error)
{
    bool shows = false;
    size_t n = 1;

    for (const char *p = text; *p != '\0' && n > 0; p += n) {
        if (*p != '{' || p[1] == '{') {
            shows |= *p != ' ';
            n = *p == '{' ? 2 : 1;
        } else {
            n = variable_len(p, &shows);
        }
    }
    if (n == 0 || !shows) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "template format is invalid or contains unknown variables");
        return false;
    }
    return true;
}

static bool check_base_name(const char *text, const char *name, const char *what, char *error)
{
    if (strpbrk(text, "/\\") != NULL) {
        snprintf(error, CONFIG_ERROR_MAX, "%s can't be a path, just a %s", name, what);
        return false;
    }
    return true;
}

static bool check_not_empty(const char *text, const char *name, char *error)
{
    if (text[0] == '\0') {
        snprintf(error, CONFIG_ERROR_MAX, "%s can't be empty", name);
        return false;
    }
    return true;
}

static bool check_dbfilename(const char *text, char *error)
{
    return check_base_name(text, "dbfilename", "filename", error);
}

static bool check_appendfilename(const char *text, char *error)
{
    return check_not_empty(text, "appendfilename", error) &&
           check_base_name(text, "appendfilename", "filename", error);
}

static bool check_appenddirname(const char *text, char *error)
{
    return check_not_empty(text, "appenddirname", error) &&
           check_base_name(text, "appenddirname", "dirname", error);
}

/* Entries: name, alias, type, flags, field, initial value, reason, and what the type needs.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define KEPT(n, other, t, flag, f, def, reason, ...)                                               \
    {                                                                                              \
        .name = n, .alias = other, .type = CONFIG_##t, .flags = flag,                              \
        .offset = offsetof(struct config, kept.f), .initial = def, .why = reason, __VA_ARGS__      \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct config_option kept[] = {
    KEPT("active-expire-effort", NULL, INT, CONFIG_KEPT, active_expire_effort, "1",
         "keys whose time is up are known and deleted at once", .min = 1, .max = 10),
    KEPT("always-show-logo", NULL, BOOL, CONFIG_KEPT | CONFIG_IMMUTABLE, always_show_logo, "no",
         WHY_SYSTEM, .min = 0),
    KEPT("aof-disable-auto-gc", NULL, BOOL, CONFIG_KEPT, aof_disable_auto_gc, "no", WHY_APPEND_ONLY,
         .min = 0),
    KEPT("aof-load-truncated", NULL, BOOL, CONFIG_KEPT, aof_load_truncated, "yes", WHY_APPEND_ONLY,
         .min = 0),
    KEPT("aof-rewrite-cpulist", "aof_rewrite_cpulist", STRING, CONFIG_FIXED, aof_rewrite_cpulist,
         "", WHY_PROCESSORS, .min = 0),
    KEPT("aof-rewrite-incremental-fsync", NULL, BOOL, CONFIG_KEPT, aof_rewrite_incremental_fsync,
         "yes", WHY_APPEND_ONLY, .min = 0),
    KEPT("aof-timestamp-enabled", NULL, BOOL, CONFIG_KEPT, aof_timestamp_enabled, "no",
         WHY_APPEND_ONLY, .min = 0),
    KEPT("aof-use-rdb-preamble", NULL, BOOL, CONFIG_KEPT, aof_use_rdb_preamble, "yes",
         WHY_APPEND_ONLY, .min = 0),
    KEPT("appenddirname", NULL, STRING, CONFIG_KEPT | CONFIG_IMMUTABLE, appenddirname,
         "appendonlydir", WHY_LOG_FILES, .check = check_appenddirname),
    KEPT("appendfilename", NULL, STRING, CONFIG_KEPT | CONFIG_IMMUTABLE, appendfilename,
         "appendonly.aof", WHY_LOG_FILES, .check = check_appendfilename),
    KEPT("auto-aof-rewrite-min-size", NULL, INT, CONFIG_KEPT | CONFIG_MEMORY,
         auto_aof_rewrite_min_size, "67108864", WHY_APPEND_ONLY, .min = 0, .max = INT64_MAX),
    KEPT("auto-aof-rewrite-percentage", NULL, INT, CONFIG_KEPT, auto_aof_rewrite_percentage, "100",
         WHY_APPEND_ONLY, .min = 0, .max = I32_MAX),
    KEPT("bgsave-cpulist", "bgsave_cpulist", STRING, CONFIG_FIXED, bgsave_cpulist, "",
         WHY_PROCESSORS, .min = 0),
    KEPT("bind-source-addr", NULL, STRING, CONFIG_FIXED, bind_source_addr, "", WHY_FROM_ADDRESS,
         .min = 0),
    KEPT("bio-cpulist", "bio_cpulist", STRING, CONFIG_FIXED, bio_cpulist, "", WHY_PROCESSORS,
         .min = 0),
    KEPT("cluster-allow-pubsubshard-when-down", NULL, BOOL, CONFIG_KEPT,
         cluster_allow_pubsubshard_when_down, "yes", "whether a channel is served follows its slot",
         .min = 0),
    KEPT("cluster-allow-reads-when-down", NULL, BOOL, CONFIG_FIXED, cluster_allow_reads_when_down,
         "no",
         "reads without a majority are a matter of replica-serve-stale-data and read-consistency",
         .min = 0),
    KEPT("cluster-allow-replica-migration", NULL, BOOL, CONFIG_KEPT,
         cluster_allow_replica_migration, "yes", WHY_GROUP_MEMBERS, .min = 0),
    KEPT("cluster-announce-bus-port", NULL, INT, CONFIG_FIXED, cluster_announce_bus_port, "0",
         WHY_PEER_PORT, .min = 0, .max = 65535),
    KEPT("cluster-announce-client-ipv4", NULL, STRING, CONFIG_FIXED, cluster_announce_client_ipv4,
         "", WHY_ANNOUNCED, .min = 0),
    KEPT("cluster-announce-client-ipv6", NULL, STRING, CONFIG_FIXED, cluster_announce_client_ipv6,
         "", WHY_ANNOUNCED, .min = 0),
    KEPT("cluster-announce-hostname", NULL, STRING, CONFIG_FIXED, cluster_announce_hostname, "",
         WHY_ANNOUNCED, .min = 0),
    KEPT("cluster-announce-human-nodename", NULL, STRING, CONFIG_FIXED,
         cluster_announce_human_nodename, "", WHY_ANNOUNCED, .min = 0),
    KEPT("cluster-announce-tls-port", NULL, INT, CONFIG_FIXED, cluster_announce_tls_port, "0",
         WHY_NOT_ENCRYPTED, .min = 0, .max = 65535),
    KEPT("cluster-blacklist-ttl", NULL, INT, CONFIG_KEPT, cluster_blacklist_ttl, "60",
         WHY_GROUP_MEMBERS, .min = 0, .max = INT64_MAX),
    KEPT("cluster-config-file", NULL, STRING, CONFIG_KEPT | CONFIG_IMMUTABLE, cluster_config_file,
         "nodes.conf", "what a node knows of its cluster stands in dir", .min = 0),
    KEPT("cluster-link-sendbuf-limit", NULL, INT, CONFIG_KEPT | CONFIG_MEMORY,
         cluster_link_sendbuf_limit, "0", WHY_GROUP_MEMBERS, .min = 0, .max = INT64_MAX),
    KEPT("cluster-migration-barrier", NULL, INT, CONFIG_KEPT, cluster_migration_barrier, "1",
         WHY_GROUP_MEMBERS, .min = 0, .max = I32_MAX),
    KEPT("cluster-node-timeout", NULL, INT, CONFIG_KEPT, cluster_node_timeout, "15000", WHY_BY_RAFT,
         .min = 0, .max = INT64_MAX),
    KEPT("cluster-ping-interval", NULL, INT, CONFIG_KEPT, cluster_ping_interval, "0", WHY_BY_RAFT,
         .min = 0, .max = INT64_MAX),
    KEPT("cluster-port", NULL, INT, CONFIG_FIXED, cluster_port, "0", WHY_PEER_PORT, .min = 0,
         .max = 65535),
    KEPT("cluster-preferred-endpoint-type", NULL, ENUM, CONFIG_FIXED,
         cluster_preferred_endpoint_type, "ip", WHY_ANNOUNCED,
         .names = cluster_preferred_endpoint_type_names),
    KEPT("cluster-replica-no-failover", "cluster-slave-no-failover", BOOL, CONFIG_FIXED,
         cluster_replica_no_failover, "no", "any voter may have to lead", .min = 0),
    KEPT("cluster-replica-validity-factor", "cluster-slave-validity-factor", INT, CONFIG_KEPT,
         cluster_replica_validity_factor, "10", WHY_GROUP_MEMBERS, .min = 0, .max = I32_MAX),
    KEPT("cluster-require-full-coverage", NULL, BOOL, CONFIG_FIXED, cluster_require_full_coverage,
         "no", "a group serves its slots whatever becomes of the others", .min = 0),
    KEPT("cluster-slot-stats-enabled", NULL, BOOL, CONFIG_FIXED, cluster_slot_stats_enabled, "no",
         "slots are counted by keys alone", .min = 0),
    KEPT("crash-log-enabled", NULL, BOOL, CONFIG_KEPT, crash_log_enabled, "yes", WHY_CRASHES,
         .min = 0),
    KEPT("crash-memcheck-enabled", NULL, BOOL, CONFIG_KEPT, crash_memcheck_enabled, "yes",
         WHY_CRASHES, .min = 0),
    KEPT("dbfilename", NULL, STRING, CONFIG_KEPT | CONFIG_PROTECTED, dbfilename, "dump.rdb",
         "snapshots are named after their position in the log", .check = check_dbfilename),
    KEPT("disable-thp", NULL, BOOL, CONFIG_KEPT | CONFIG_IMMUTABLE, disable_thp, "yes", WHY_SYSTEM,
         .min = 0),
    KEPT("dual-channel-replication-enabled", NULL, BOOL, CONFIG_KEPT,
         dual_channel_replication_enabled, "no", WHY_FED_BY_RAFT, .min = 0),
    KEPT("enable-module-command", NULL, ENUM, CONFIG_FIXED, enable_module_command, "no",
         "there are no modules", .names = enable_protected_configs_names),
    KEPT("enable-protected-configs", NULL, ENUM, CONFIG_FIXED, enable_protected_configs, "no",
         "what is protected in Redis can be set only at the start",
         .names = enable_protected_configs_names),
    KEPT("events-per-io-thread", NULL, INT, CONFIG_KEPT, events_per_io_thread, "2", WHY_ONE_THREAD,
         .min = 0, .max = I32_MAX),
    KEPT("extended-redis-compatibility", NULL, BOOL, CONFIG_FIXED, extended_redis_compatibility,
         "yes", "the version that clients are told is Redis's", .min = 0),
    KEPT("hide-user-data-from-log", NULL, BOOL, CONFIG_KEPT, hide_user_data_from_log, "yes",
         "log lines name no keys or values", .min = 0),
    KEPT("ignore-warnings", NULL, STRING, CONFIG_KEPT, ignore_warnings, "", WHY_SYSTEM, .min = 0),
    KEPT("io-threads", NULL, INT, CONFIG_KEPT | CONFIG_IMMUTABLE, io_threads, "1", WHY_ONE_THREAD,
         .min = 1, .max = 128),
    KEPT("io-threads-do-reads", NULL, BOOL, CONFIG_KEPT | CONFIG_IMMUTABLE, io_threads_do_reads,
         "no", WHY_ONE_THREAD, .min = 0),
    KEPT("jemalloc-bg-thread", NULL, BOOL, CONFIG_FIXED, jemalloc_bg_thread, "yes",
         "pages are given back in a thread of their own", .min = 0),
    KEPT("lazyfree-lazy-eviction", NULL, BOOL, CONFIG_FIXED, lazyfree_lazy_eviction, "yes",
         WHY_LAZY, .min = 0),
    KEPT("list-compress-depth", NULL, INT, CONFIG_KEPT, list_compress_depth, "0",
         "chunks of a list are not compressed in memory", .min = 0, .max = I32_MAX),
    KEPT("loading-process-events-interval-bytes", NULL, INT, CONFIG_KEPT,
         loading_process_events_interval_bytes, "2097152", "loading goes on in slices", .min = 1024,
         .max = I32_MAX),
    KEPT("locale-collate", NULL, STRING, CONFIG_FIXED, locale_collate, "",
         "texts are ordered by their bytes", .min = 0),
    KEPT("log-format", NULL, ENUM, CONFIG_FIXED, log_format, "legacy", WHY_LOG_FORM,
         .names = log_format_names),
    KEPT("log-timestamp-format", NULL, ENUM, CONFIG_FIXED, log_timestamp_format, "legacy",
         WHY_LOG_FORM, .names = log_timestamp_format_names),
    KEPT("masterauth", "primaryauth", STRING, CONFIG_KEPT | CONFIG_SENSITIVE, masterauth, "",
         WHY_NO_LOGIN, .min = 0),
    KEPT("masteruser", "primaryuser", STRING, CONFIG_KEPT | CONFIG_SENSITIVE, masteruser, "",
         WHY_NO_LOGIN, .min = 0),
    KEPT("max-new-connections-per-cycle", NULL, INT, CONFIG_KEPT, max_new_connections_per_cycle,
         "10", WHY_ACCEPTS, .min = 1, .max = 1000),
    KEPT("max-new-tls-connections-per-cycle", NULL, INT, CONFIG_KEPT,
         max_new_tls_connections_per_cycle, "1", WHY_ACCEPTS, .min = 1, .max = 1000),
    KEPT("min-replicas-max-lag", "min-slaves-max-lag", INT, CONFIG_KEPT, min_replicas_max_lag, "10",
         "a write waits for a majority in any case, see min-replicas-to-write", .min = 0,
         .max = I32_MAX),
    KEPT("min-replicas-to-write", "min-slaves-to-write", INT, CONFIG_FIXED, min_replicas_to_write,
         "0", "a majority of the replicas has every write before it is acknowledged", .min = 0,
         .max = I32_MAX),
    KEPT("no-appendfsync-on-rewrite", NULL, BOOL, CONFIG_KEPT, no_appendfsync_on_rewrite, "no",
         WHY_APPEND_ONLY, .min = 0),
    KEPT("oom-score-adj", NULL, ENUM, CONFIG_FIXED, oom_score_adj, "no",
         "left to the system: OOMScoreAdjust of systemd", .names = oom_score_adj_names),
    KEPT("oom-score-adj-values", NULL, WORDS, CONFIG_KEPT | CONFIG_NUMBERS, oom_score_adj_values,
         "0 200 800", WHY_SYSTEM, .n_words = 3, .check = check_score),
    KEPT("prefetch-batch-max-size", NULL, INT, CONFIG_KEPT, prefetch_batch_max_size, "16",
         WHY_ONE_THREAD, .min = 0, .max = 128),
    KEPT("proc-title-template", NULL, STRING, CONFIG_KEPT, proc_title_template,
         "{title} {listen-addr} {server-mode}", WHY_SYSTEM, .check = check_title),
    KEPT("propagation-error-behavior", NULL, ENUM, CONFIG_KEPT, propagation_error_behavior,
         "ignore", "what a replica applies was valid on the leader",
         .names = propagation_error_behavior_names),
    KEPT("rdb-del-sync-files", NULL, BOOL, CONFIG_KEPT, rdb_del_sync_files, "no", WHY_CHILD,
         .min = 0),
    KEPT("rdb-save-incremental-fsync", NULL, BOOL, CONFIG_KEPT, rdb_save_incremental_fsync, "yes",
         WHY_CHILD, .min = 0),
    KEPT("repl-backlog-size", NULL, INT, CONFIG_KEPT | CONFIG_MEMORY, repl_backlog_size, "1048576",
         WHY_FED_BY_RAFT, .min = 1, .max = INT64_MAX),
    KEPT("repl-backlog-ttl", NULL, INT, CONFIG_KEPT, repl_backlog_ttl, "3600", WHY_FED_BY_RAFT,
         .min = 0, .max = INT64_MAX),
    KEPT("repl-disable-tcp-nodelay", NULL, BOOL, CONFIG_KEPT, repl_disable_tcp_nodelay, "no",
         WHY_FED_BY_RAFT, .min = 0),
    KEPT("repl-diskless-load", NULL, ENUM, CONFIG_KEPT, repl_diskless_load, "disabled",
         WHY_FED_BY_RAFT, .names = repl_diskless_load_names),
    KEPT("repl-diskless-sync", NULL, BOOL, CONFIG_KEPT, repl_diskless_sync, "yes", WHY_FED_BY_RAFT,
         .min = 0),
    KEPT("repl-diskless-sync-delay", NULL, INT, CONFIG_KEPT, repl_diskless_sync_delay, "5",
         WHY_FED_BY_RAFT, .min = 0, .max = I32_MAX),
    KEPT("repl-diskless-sync-max-replicas", NULL, INT, CONFIG_KEPT, repl_diskless_sync_max_replicas,
         "0", WHY_FED_BY_RAFT, .min = 0, .max = I32_MAX),
    KEPT("repl-ping-replica-period", "repl-ping-slave-period", INT, CONFIG_KEPT,
         repl_ping_replica_period, "10", WHY_FED_BY_RAFT, .min = 1, .max = I32_MAX),
    KEPT("repl-timeout", NULL, INT, CONFIG_KEPT, repl_timeout, "60", WHY_FED_BY_RAFT, .min = 1,
         .max = I32_MAX),
    KEPT("replica-announce-ip", "slave-announce-ip", STRING, CONFIG_KEPT, replica_announce_ip, "",
         WHY_MEMBERS, .min = 0),
    KEPT("replica-announce-port", "slave-announce-port", INT, CONFIG_KEPT, replica_announce_port,
         "0", WHY_MEMBERS, .min = 0, .max = 65535),
    KEPT("replica-announced", NULL, BOOL, CONFIG_KEPT, replica_announced, "yes", WHY_MEMBERS,
         .min = 0),
    KEPT("replica-ignore-disk-write-errors", NULL, BOOL, CONFIG_KEPT,
         replica_ignore_disk_write_errors, "no", WHY_MEMBERS, .min = 0),
    KEPT("replica-ignore-maxmemory", "slave-ignore-maxmemory", BOOL, CONFIG_FIXED,
         replica_ignore_maxmemory, "yes", "only leaders evict, and followers apply that", .min = 0),
    KEPT("replica-lazy-flush", "slave-lazy-flush", BOOL, CONFIG_FIXED, replica_lazy_flush, "yes",
         WHY_LAZY, .min = 0),
    KEPT("replica-priority", "slave-priority", INT, CONFIG_KEPT, replica_priority, "100",
         WHY_MEMBERS, .min = 0, .max = I32_MAX),
    KEPT("sanitize-dump-payload", NULL, ENUM, CONFIG_KEPT, sanitize_dump_payload, "no",
         "payloads of RESTORE are always checked", .names = sanitize_dump_payload_names),
    KEPT("server-cpulist", "server_cpulist", STRING, CONFIG_FIXED, server_cpulist, "",
         WHY_PROCESSORS, .min = 0),
    KEPT("set-proc-title", NULL, BOOL, CONFIG_KEPT | CONFIG_IMMUTABLE, set_proc_title, "yes",
         WHY_SYSTEM, .min = 0),
    KEPT("shutdown-on-sigint", NULL, ENUM, CONFIG_FIXED, shutdown_on_sigint, "default", WHY_SIGNALS,
         .names = shutdown_on_sigint_names),
    KEPT("shutdown-on-sigterm", NULL, ENUM, CONFIG_FIXED, shutdown_on_sigterm, "default",
         WHY_SIGNALS, .names = shutdown_on_sigint_names),
    KEPT("socket-mark-id", NULL, INT, CONFIG_FIXED, socket_mark_id, "0", WHY_FROM_ADDRESS, .min = 0,
         .max = UINT32_MAX),
    KEPT("supervised", NULL, ENUM, CONFIG_FIXED, supervised, "no",
         "the node stays a simple process, for any supervisor: see daemonize",
         .names = supervised_names),
    KEPT("syslog-enabled", NULL, BOOL, CONFIG_FIXED, syslog_enabled, "no",
         "log lines go to logfile or standard output", .min = 0),
    KEPT("syslog-facility", NULL, ENUM, CONFIG_KEPT | CONFIG_IMMUTABLE, syslog_facility, "local0",
         WHY_LOG_LINES, .names = syslog_facility_names),
    KEPT("syslog-ident", NULL, STRING, CONFIG_KEPT | CONFIG_IMMUTABLE, syslog_ident, "holdfast",
         WHY_LOG_LINES, .min = 0),
    KEPT("tls-cluster", NULL, BOOL, CONFIG_FIXED, tls_cluster, "no", WHY_NOT_ENCRYPTED, .min = 0),
    KEPT("tls-port", NULL, INT, CONFIG_FIXED, tls_port, "0", WHY_NOT_ENCRYPTED, .min = 0,
         .max = 65535),
    KEPT("tls-replication", NULL, BOOL, CONFIG_FIXED, tls_replication, "no", WHY_NOT_ENCRYPTED,
         .min = 0),
    KEPT("unixsocket", NULL, STRING, CONFIG_FIXED, unixsocket, "", WHY_TCP, .min = 0),
    KEPT("unixsocketgroup", NULL, STRING, CONFIG_FIXED, unixsocketgroup, "", WHY_TCP, .min = 0),
    KEPT("unixsocketperm", NULL, INT, CONFIG_FIXED, unixsocketperm, "0", WHY_TCP, .min = 0,
         .max = 511),
    KEPT("watchdog-period", NULL, INT, CONFIG_KEPT, watchdog_period, "0", WHY_SYSTEM, .min = 0,
         .max = I32_MAX),
};

size_t config_kept_count(void) { return ARRAY_LEN(kept); }

const struct config_option *config_kept_at(size_t i)
{
    assert(i < ARRAY_LEN(kept));
    return &kept[i];
}

/* ---- what does not exist -------------------------------------------------------------------- */

static const struct {
    const char *name, *why;
} refused[] = {
    {"client-default-resp", "an aid for the tests of Redis itself"},
    {"debug-context", "an aid for the tests of Redis itself"},
    {"enable-debug-assert", "an aid for the tests of Redis itself"},
    {"key-load-delay", "an aid for the tests of Redis itself"},
    {"loadmodule", "there are no modules"},
    {"rdb-key-save-delay", "an aid for the tests of Redis itself"},
    {"rename-command",
     "commands keep their names; what a user may call is a matter of access rights"},
    {"replicaof", "whom a node follows is decided by Raft: see cluster-nodes"},
    {"req-res-logfile", "an aid for the tests of Redis itself"},
    {"sentinel", "a sentinel is a program of its own"},
    {"slaveof", "whom a node follows is decided by Raft: see cluster-nodes"},
    {"tls-auth-clients", WHY_NOT_ENCRYPTED},
    {"tls-ca-cert-dir", WHY_NOT_ENCRYPTED},
    {"tls-ca-cert-file", WHY_NOT_ENCRYPTED},
    {"tls-cert-file", WHY_NOT_ENCRYPTED},
    {"tls-ciphers", WHY_NOT_ENCRYPTED},
    {"tls-ciphersuites", WHY_NOT_ENCRYPTED},
    {"tls-client-cert-file", WHY_NOT_ENCRYPTED},
    {"tls-client-key-file", WHY_NOT_ENCRYPTED},
    {"tls-client-key-file-pass", WHY_NOT_ENCRYPTED},
    {"tls-dh-params-file", WHY_NOT_ENCRYPTED},
    {"tls-key-file", WHY_NOT_ENCRYPTED},
    {"tls-key-file-pass", WHY_NOT_ENCRYPTED},
    {"tls-prefer-server-ciphers", WHY_NOT_ENCRYPTED},
    {"tls-protocols", WHY_NOT_ENCRYPTED},
    {"tls-session-cache-size", WHY_NOT_ENCRYPTED},
    {"tls-session-cache-timeout", WHY_NOT_ENCRYPTED},
    {"tls-session-caching", WHY_NOT_ENCRYPTED},
    {"use-exit-on-panic", "an aid for the tests of Redis itself"},
};

const char *config_refusal(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (strlen(refused[i].name) == n && strncasecmp(refused[i].name, name, n) == 0) {
            return refused[i].why;
        }
    }
    return NULL;
}

const char *config_refused_at(size_t i, const char **why)
{
    if (i >= ARRAY_LEN(refused)) {
        return NULL;
    }
    *why = refused[i].why;
    return refused[i].name;
}
