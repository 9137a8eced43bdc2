/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_table.c - the options; see config_table.h. How values are read and written is in
 * config_value.c. docs/configuration.md says more of each: tests/node/test_config.c compares. */
#include "node/config_table.h"

#include "base/log.h"
#include "base/net.h"
#include "base/num.h"
#include "cluster/state.h"
#include "node/memory.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define I32_MAX 2147483647

static const struct config_name loglevels[] = {
    {"debug", LOG_LVL_DEBUG},     {"verbose", LOG_LVL_VERBOSE}, {"notice", LOG_LVL_NOTICE},
    {"warning", LOG_LVL_WARNING}, {"nothing", LOG_LVL_NOTHING}, {NULL, 0},
};
static const struct config_name appendfsyncs[] = {
    {"everysec", APPENDFSYNC_EVERYSEC},
    {"always", APPENDFSYNC_ALWAYS},
    {"no", APPENDFSYNC_NO},
    {NULL, 0},
};
static const struct config_name consistencies[] = {
    {"lease", READ_LEASE},
    {"quorum", READ_QUORUM},
    {"local", READ_LOCAL},
    {NULL, 0},
};
static const struct config_name pubsub_defaults[] = {
    {"allchannels", 1},
    {"resetchannels", 0},
    {NULL, 0},
};
static const struct config_name debug_commands[] = {
    {"no", DEBUG_COMMAND_NO},
    {"yes", DEBUG_COMMAND_YES},
    {"local", DEBUG_COMMAND_LOCAL},
    {NULL, 0},
};
static const struct config_name maxmemory_policies[] = {
    {"volatile-lru", EVICT_LRU},
    {"volatile-lfu", EVICT_LFU},
    {"volatile-random", EVICT_RANDOM},
    {"volatile-ttl", EVICT_TTL},
    {"allkeys-lru", EVICT_LRU | EVICT_ALL_KEYS},
    {"allkeys-lfu", EVICT_LFU | EVICT_ALL_KEYS},
    {"allkeys-random", EVICT_RANDOM | EVICT_ALL_KEYS},
    {"noeviction", EVICT_NOTHING},
    {NULL, 0},
};

static bool check_zone(const char *text, char *error)
{
    if (strlen(text) >= CLUSTER_ZONE_MAX) {
        snprintf(error, CONFIG_ERROR_MAX, "a zone's name has at most %d bytes",
                 CLUSTER_ZONE_MAX - 1);
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == ',') {
            snprintf(error, CONFIG_ERROR_MAX,
                     "a zone's name has no spaces, commas or control characters");
            return false;
        }
    }
    return true;
}

static bool check_host(const char *text, char *error)
{
    if (strlen(text) >= NET_HOST_MAX || strpbrk(text, " ,\t") != NULL) {
        snprintf(error, CONFIG_ERROR_MAX, "'%.100s' is no address", text);
        return false;
    }
    return true;
}

static bool check_bind(const char *text, char *error)
{
    return check_host(text[0] == '-' ? text + 1 : text, error);
}

/* One word of cluster-nodes: "host:port", or several with commas between them. */
static bool check_nodes(const char *text, char *error)
{
    const char *p = text;

    while (*p != '\0') {
        size_t n = strcspn(p, ",");
        struct net_addr a;

        if (n > 0 && net_addr_parse(p, n, &a) != 0) {
            snprintf(error, CONFIG_ERROR_MAX, "'%.*s' is not host:port", (int)MIN_OF(n, 300), p);
            return false;
        }
        p += n;
        p += strspn(p, ",");
    }
    return true;
}

/* One word of latency-tracking-info-percentiles. */
static bool check_percentile(const char *text, char *error)
{
    double percent;

    if (!num_parse_double(text, strlen(text), &percent)) {
        snprintf(error, CONFIG_ERROR_MAX, "Invalid latency-tracking-info-percentiles parameters");
        return false;
    }
    if (!(percent >= 0 && percent <= 100)) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
        return false;
    }
    return true;
}

static bool check_defrag(const char *text, char *error)
{
    if (strcasecmp(text, "yes") == 0 && !memory_can_move()) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "Active defragmentation cannot be enabled: it requires a Redis server compiled "
                 "with a modified Jemalloc like the one shipped by default with the Redis source "
                 "distribution");
        return false;
    }
    return true;
}

/* Entries of the table; a macro's argument here is a whole initializer.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define AT(field) offsetof(struct config, field)
#define BOOL(n, f, flag, def, text)                                                                \
    {                                                                                              \
        .name = n, .type = CONFIG_BOOL, .flags = flag, .offset = AT(f), .initial = def,            \
        .help = text                                                                               \
    }
#define INT(n, f, flag, lo, hi, def, text)                                                         \
    {                                                                                              \
        .name = n, .type = CONFIG_INT, .flags = flag, .offset = AT(f), .initial = def, .min = lo,  \
        .max = hi, .help = text                                                                    \
    }
#define ENUM(n, f, flag, list, def, text)                                                          \
    {                                                                                              \
        .name = n, .type = CONFIG_ENUM, .flags = flag, .offset = AT(f), .initial = def,            \
        .names = list, .help = text                                                                \
    }
#define TEXT(n, t, f, flag, test, def, text)                                                       \
    {                                                                                              \
        .name = n, .type = t, .flags = flag, .offset = AT(f), .initial = def, .check = test,       \
        .help = text                                                                               \
    }
#define TYPE_LIMIT(n, old, f, flag, def, text)                                                     \
    {                                                                                              \
        .name = n, .alias = old, .type = CONFIG_INT, .flags = flag, .offset = AT(types.f),         \
        .initial = def, .min = 0, .max = I32_MAX, .help = text                                     \
    }
#define FIXED_BOOL(n, f, def, reason)                                                              \
    {                                                                                              \
        .name = n, .type = CONFIG_BOOL, .flags = CONFIG_FIXED, .offset = AT(fixed.f),              \
        .initial = def, .why = reason                                                              \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

#define LAZY "big values are always freed in the background"

static const struct config_option options[] = {
    /* network */
    INT("port", port, CONFIG_IMMUTABLE, 1, 65535, "6379", "port for clients"),
    TEXT("bind", CONFIG_LIST, bind, CONFIG_IMMUTABLE, check_bind, "* -::*",
         "addresses to listen on; '-' before one: may be missing"),
    INT("tcp-backlog", tcp_backlog, CONFIG_IMMUTABLE, 1, I32_MAX, "511", "of the listening socket"),
    INT("timeout", timeout, 0, 0, I32_MAX, "0", "seconds until an idle client is closed; 0: never"),
    INT("tcp-keepalive", tcp_keepalive, 0, 0, I32_MAX, "300", "seconds between probes; 0: off"),
    INT("maxclients", maxclients, 0, 1, 4294967295, "10000", "connections at once"),
    BOOL("protected-mode", protected_mode, 0, "yes",
         "without a password only loopback clients are accepted"),
    INT("proto-max-bulk-len", proto_max_bulk_len, CONFIG_MEMORY, 1 << 20, INT64_MAX, "536870912",
        "longest argument and string value"),
    INT("client-query-buffer-limit", client_query_buffer_limit, CONFIG_MEMORY, 1 << 20, INT64_MAX,
        "1073741824", "unread input of one client"),
    TEXT("client-output-buffer-limit", CONFIG_LIMITS, output_limits, 0, NULL,
         "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
         "class hard-limit soft-limit soft-seconds ..."),

    TEXT("notify-keyspace-events", CONFIG_EVENTS, notify_events, 0, NULL, "",
         "events of keys that are published; letters of KEg$lshzxetdmnA, empty: none"),

    /* general */
    BOOL("daemonize", daemonize, CONFIG_IMMUTABLE, "no", "run in the background"),
    TEXT("pidfile", CONFIG_STRING, pidfile, CONFIG_IMMUTABLE, NULL, "",
         "written when clients can connect"),
    TEXT("logfile", CONFIG_STRING, logfile, CONFIG_IMMUTABLE, NULL, "", "empty: standard output"),
    ENUM("loglevel", loglevel, 0, loglevels, "notice", "least important line written"),
    TEXT("dir", CONFIG_STRING, dir, CONFIG_PROTECTED, NULL, ".", "data directory"),
    INT("databases", databases, CONFIG_IMMUTABLE, 1, 16384, "16",
        "with cluster-enabled no; else there is one"),
    INT("hz", hz, 0, 1, 500, "10", "runs of the upkeep per second"),
    TEXT("requirepass", CONFIG_STRING, requirepass, CONFIG_SENSITIVE, NULL, "",
         "password of clients; empty: none"),
    TEXT("aclfile", CONFIG_STRING, aclfile, CONFIG_IMMUTABLE, NULL, "",
         "ACL users of a new cluster; what ACL LOAD reads and ACL SAVE writes"),
    ENUM("acl-pubsub-default", acl_pubsub_default, 0, pubsub_defaults, "resetchannels",
         "channels of new ACL users"),
    INT("acllog-max-len", acllog_max_len, 0, 0, INT64_MAX, "128", "entries of ACL LOG"),
    INT("shutdown-timeout", shutdown_timeout, 0, 0, I32_MAX, "10",
        "seconds to hand over leadership and settle open writes"),
    ENUM("enable-debug-command", enable_debug_command, CONFIG_IMMUTABLE, debug_commands, "no",
         "who may use DEBUG"),

    /* cluster */
    BOOL("cluster-enabled", cluster_enabled, CONFIG_IMMUTABLE, "no",
         "yes: slots and redirections; no: one database for any client"),
    INT("peer-port", peer_port, CONFIG_IMMUTABLE, 0, 65535, "0",
        "port for other nodes; 0: port + 10000"),
    TEXT("peer-announce-ip", CONFIG_STRING, peer_announce_ip, CONFIG_IMMUTABLE, check_host, "",
         "address other nodes reach this one at; empty: from cluster-nodes"),
    TEXT("cluster-nodes", CONFIG_WORDS, cluster_nodes, CONFIG_IMMUTABLE, check_nodes, "",
         "host:peer-port of all nodes that form the cluster, this one included"),
    TEXT("cluster-announce-ip", CONFIG_STRING, cluster_announce_ip, CONFIG_IMMUTABLE, check_host,
         "", "address clients are sent to; empty: the host in cluster-nodes"),
    INT("cluster-announce-port", cluster_announce_port, CONFIG_IMMUTABLE, 0, 65535, "0",
        "port clients are sent to; 0: port"),
    TEXT("availability-zone", CONFIG_STRING, availability_zone, CONFIG_IMMUTABLE, check_zone, "",
         "failure domain of this node"),
    INT("cluster-data-groups", cluster_data_groups, CONFIG_IMMUTABLE, 1, CLUSTER_DATA_GROUPS_MAX,
        "1", "groups that share the slots of a cluster when it forms; all nodes name the same"),
    INT("leader-balance-delay", leader_balance_delay, 0, 0, I32_MAX, "5000",
        "ms until a node asks for the groups that prefer it as their leader; 0: never"),
    INT("raft-heartbeat-interval", raft_heartbeat_interval, CONFIG_IMMUTABLE, 1, 60000, "50", "ms"),
    INT("raft-election-timeout", raft_election_timeout, CONFIG_IMMUTABLE, 10, 600000, "300",
        "ms; randomised to at most twice that"),
    INT("raft-lease-drift", raft_lease_drift, CONFIG_IMMUTABLE, 0, 500000, "500",
        "parts per million two nodes' clocks may differ in rate"),
    ENUM("read-consistency", read_consistency, 0, consistencies, "lease",
         "what a read waits for before its reply leaves"),
    INT("election-wait-timeout", election_wait_timeout, 0, 0, I32_MAX, "2000",
        "ms a command waits for a leader"),
    INT("outcome-wait-timeout", outcome_wait_timeout, 0, 1, I32_MAX, "15000",
        "ms a reply waits to be known as committed"),
    INT("max-uncommitted-bytes", max_uncommitted_bytes, CONFIG_IMMUTABLE | CONFIG_MEMORY, 1 << 20,
        INT64_C(1) << 40, "268435456", "of writes on their way; above it clients wait"),
    {.name = "replica-serve-stale-data",
     .alias = "slave-serve-stale-data",
     .type = CONFIG_BOOL,
     .offset = AT(replica_serve_stale_data),
     .initial = "yes",
     .help = "reads of a follower that knows no leader"},

    /* durability */
    ENUM("appendfsync", appendfsync, CONFIG_IMMUTABLE, appendfsyncs, "always",
         "when a write counts as stored by a node"),
    INT("log-segment-size", log_segment_size, CONFIG_IMMUTABLE | CONFIG_MEMORY, 1 << 20,
        INT64_C(1) << 32, "67108864", "file size of the write-ahead log"),
    INT("log-ballast-size", log_ballast_size, CONFIG_IMMUTABLE | CONFIG_MEMORY, 0, INT64_C(1) << 40,
        "67108864", "kept free to recover from a full disk"),
    INT("snapshot-log-size", snapshot_log_size, CONFIG_IMMUTABLE | CONFIG_MEMORY, 0, INT64_MAX, "0",
        "log that causes a snapshot; 0: twice the last one, at least 64mb"),
    INT("snapshot-transfer-rate", snapshot_transfer_rate, CONFIG_IMMUTABLE | CONFIG_MEMORY, 0,
        INT64_MAX, "67108864", "bytes per second and receiver; 0: unlimited"),
    BOOL("rdbcompression", rdbcompression, 0, "yes", "compress strings of snapshots"),
    BOOL("rdbchecksum", rdbchecksum, CONFIG_IMMUTABLE, "yes", "verify snapshots when loading"),

    /* memory */
    INT("maxmemory", maxmemory, CONFIG_MEMORY, 0, INT64_MAX, "0",
        "bytes from which on keys are evicted, or writes refused; 0: no limit"),
    ENUM("maxmemory-policy", maxmemory_policy, 0, maxmemory_policies, "noeviction",
         "which keys are evicted"),
    INT("maxmemory-samples", maxmemory_samples, 0, 1, 64, "5",
        "keys looked at for each eviction: more choose better and take longer"),
    INT("maxmemory-eviction-tenacity", maxmemory_eviction_tenacity, 0, 0, 100, "10",
        "how long one command may evict: 10 is 0.5 ms, 100 without end"),
    INT("maxmemory-clients", maxmemory_clients, CONFIG_MEMORY | CONFIG_PERCENT, 0, INT64_MAX, "0",
        "bytes (or percent of maxmemory) of all clients from which on the largest are closed"),
    INT("tracking-table-max-keys", tracking_table_max_keys, 0, 0, INT64_MAX, "1000000",
        "keys remembered for CLIENT TRACKING, beyond which some are invalidated; 0: no limit"),
    INT("lfu-log-factor", lfu_log_factor, 0, 0, I32_MAX, "10",
        "the higher, the more accesses it takes to count as often used"),
    INT("lfu-decay-time", lfu_decay_time, 0, 0, I32_MAX, "1",
        "minutes after which the count of accesses sinks by one; 0: never"),

    /* encodings */
    TYPE_LIMIT("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_max_listpack_entries,
               0, "512", "fields up to which a hash is kept compact"),
    TYPE_LIMIT("hash-max-listpack-value", "hash-max-ziplist-value", hash_max_listpack_value,
               CONFIG_MEMORY, "64", "bytes of its longest field or value, likewise"),
    TYPE_LIMIT("set-max-intset-entries", NULL, set_max_intset_entries, 0, "512",
               "members up to which a set of integers is kept compact"),
    TYPE_LIMIT("set-max-listpack-entries", NULL, set_max_listpack_entries, 0, "128",
               "members up to which another set is"),
    TYPE_LIMIT("set-max-listpack-value", NULL, set_max_listpack_value, CONFIG_MEMORY, "64",
               "bytes of its longest member, likewise"),
    {.name = "list-max-listpack-size",
     .alias = "list-max-ziplist-size",
     .type = CONFIG_INT,
     .offset = AT(types.list_max_listpack_size),
     .initial = "-2",
     .min = -5,
     .max = I32_MAX,
     .help = "elements in a chunk of a list; -1 to -5: 4 to 64 KiB"},
    TYPE_LIMIT("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_max_listpack_entries,
               0, "128", "elements up to which a sorted set is kept compact"),
    TYPE_LIMIT("zset-max-listpack-value", "zset-max-ziplist-value", zset_max_listpack_value,
               CONFIG_MEMORY, "64", "bytes of its longest member, likewise"),
    TYPE_LIMIT("hll-sparse-max-bytes", NULL, hll_sparse_max_bytes, CONFIG_MEMORY, "3000",
               "bytes up to which a HyperLogLog is kept sparse"),
    INT("stream-node-max-bytes", types.stream_node_max_bytes, CONFIG_MEMORY, 0, INT64_MAX, "4096",
        "bytes of a node of a stream; 0: no limit"),
    INT("stream-node-max-entries", types.stream_node_max_entries, 0, 0, INT64_MAX, "100",
        "entries of a node of a stream; 0: no limit"),

    /* introspection and upkeep */
    {.name = "busy-reply-threshold",
     .alias = "lua-time-limit",
     .type = CONFIG_INT,
     .offset = AT(busy_reply_threshold),
     .initial = "5000",
     .min = 0,
     .max = INT64_MAX / 1000,
     .help = "ms after which a script counts as slow and other clients are told BUSY"},
    INT("lua-memory-limit", lua_memory_limit, CONFIG_MEMORY, 0, INT64_MAX, "1073741824",
        "bytes that one script may take; 0: no limit"),
    INT("slowlog-log-slower-than", slowlog_log_slower_than, 0, -1, INT64_MAX, "10000",
        "microseconds; -1: off"),
    INT("slowlog-max-len", slowlog_max_len, 0, 0, 1 << 20, "128", "entries kept"),
    BOOL("latency-tracking", latency_tracking, 0, "yes",
         "keep a histogram of how long each command takes"),
    TEXT("latency-tracking-info-percentiles", CONFIG_WORDS, latency_tracking_info_percentiles,
         CONFIG_NUMBERS, check_percentile, "50 99 99.9", "of these INFO latencystats shows"),
    INT("latency-monitor-threshold", latency_monitor_threshold, 0, 0, INT64_MAX, "0",
        "ms from which on an event is entered for LATENCY; 0: none is"),
    BOOL("activerehashing", activerehashing, 0, "yes", "resize tables also while nobody asks"),
    {.name = "activedefrag",
     .type = CONFIG_BOOL,
     .offset = AT(activedefrag),
     .initial = "no",
     .check = check_defrag,
     .help = "move what is kept in memory together when much of it is gaps"},
    INT("active-defrag-ignore-bytes", active_defrag_ignore_bytes, CONFIG_MEMORY, 1, INT64_MAX,
        "104857600", "gaps up to which nothing is moved"),
    INT("active-defrag-threshold-lower", active_defrag_threshold_lower, 0, 0, 1000, "10",
        "the same in percent of the memory in use"),
    INT("active-defrag-threshold-upper", active_defrag_threshold_upper, 0, 0, 1000, "100",
        "percent of gaps from which on the effort is the greatest"),
    INT("active-defrag-cycle-min", active_defrag_cycle_min, 0, 1, 99, "1",
        "percent of the time spent on it at the lower threshold"),
    INT("active-defrag-cycle-max", active_defrag_cycle_max, 0, 1, 99, "25", "and at the upper one"),
    INT("active-defrag-max-scan-fields", active_defrag_max_scan_fields, 0, 1, INT64_MAX, "1000",
        "elements of a value that are looked at in one go"),

    /* what is so, for clients that ask */
    FIXED_BOOL("appendonly", appendonly, "yes",
               "every write goes to the replicated log, which cannot be turned off"),
    {.name = "save",
     .type = CONFIG_WORDS,
     .flags = CONFIG_FIXED,
     .offset = AT(fixed.save),
     .initial = "",
     .why = "snapshots are taken by the length of the log: see snapshot-log-size"},
    {.name = "replica-read-only",
     .alias = "slave-read-only",
     .type = CONFIG_BOOL,
     .flags = CONFIG_FIXED,
     .offset = AT(fixed.replica_read_only),
     .initial = "yes",
     .why = "only the leader of a group can write"},
    FIXED_BOOL("stop-writes-on-bgsave-error", stop_writes_on_bgsave_error, "no",
               "a failed snapshot endangers no write: the log has it"),
    FIXED_BOOL("dynamic-hz", dynamic_hz, "no", "the upkeep runs hz times a second"),
    FIXED_BOOL("lazyfree-lazy-expire", lazyfree_lazy_expire, "yes", LAZY),
    FIXED_BOOL("lazyfree-lazy-server-del", lazyfree_lazy_server_del, "yes", LAZY),
    FIXED_BOOL("lazyfree-lazy-user-del", lazyfree_lazy_user_del, "yes", LAZY),
    FIXED_BOOL("lazyfree-lazy-user-flush", lazyfree_lazy_user_flush, "yes", LAZY),
};

/* Those of config_kept.c stand behind the others. */
size_t config_option_count(void) { return ARRAY_LEN(options) + config_kept_count(); }

const struct config_option *config_option_at(size_t i)
{
    return i < ARRAY_LEN(options) ? &options[i] : config_kept_at(i - ARRAY_LEN(options));
}

size_t config_option_index(const struct config_option *o)
{
    size_t i = 0;

    while (config_option_at(i) != o) {
        i++;
    }
    return i;
}

static bool has_name(const char *have, const char *name, size_t n)
{
    return have != NULL && strlen(have) == n && strncasecmp(have, name, n) == 0;
}

const struct config_option *config_option_find(const char *name, size_t n)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);

        if (has_name(o->name, name, n) || has_name(o->alias, name, n)) {
            return o;
        }
    }
    return NULL;
}
