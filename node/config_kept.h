/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_kept.h - private to config*.c: options of Redis that change nothing here.
 *
 * Those of the first kind (CONFIG_KEPT) are set by files and clients that know Redis and do not ask
 * whether it matters: their values are checked, kept and given back. Those of the second
 * (CONFIG_FIXED) would be missed if they had another value than the one that is true here. */
#ifndef NODE_CONFIG_KEPT_H
#define NODE_CONFIG_KEPT_H

#include "base/base.h"

struct config_kept {
    bool always_show_logo, aof_disable_auto_gc, aof_load_truncated, aof_rewrite_incremental_fsync,
        aof_timestamp_enabled, aof_use_rdb_preamble, cluster_allow_pubsubshard_when_down,
        cluster_allow_reads_when_down, cluster_allow_replica_migration, cluster_replica_no_failover,
        cluster_require_full_coverage, cluster_slot_stats_enabled, crash_log_enabled,
        crash_memcheck_enabled, disable_thp, dual_channel_replication_enabled,
        extended_redis_compatibility, hide_user_data_from_log, io_threads_do_reads,
        jemalloc_bg_thread, lazyfree_lazy_eviction, no_appendfsync_on_rewrite, rdb_del_sync_files,
        rdb_save_incremental_fsync, repl_disable_tcp_nodelay, repl_diskless_sync, replica_announced,
        replica_ignore_disk_write_errors, replica_ignore_maxmemory, replica_lazy_flush,
        set_proc_title, syslog_enabled, tls_cluster, tls_replication;
    int64_t active_expire_effort, auto_aof_rewrite_min_size, auto_aof_rewrite_percentage,
        cluster_announce_bus_port, cluster_announce_tls_port, cluster_blacklist_ttl,
        cluster_link_sendbuf_limit, cluster_migration_barrier, cluster_node_timeout,
        cluster_ping_interval, cluster_port, cluster_replica_validity_factor, events_per_io_thread,
        io_threads, list_compress_depth, loading_process_events_interval_bytes,
        max_new_connections_per_cycle, max_new_tls_connections_per_cycle, min_replicas_max_lag,
        min_replicas_to_write, prefetch_batch_max_size, repl_backlog_size, repl_backlog_ttl,
        repl_diskless_sync_delay, repl_diskless_sync_max_replicas, repl_ping_replica_period,
        repl_timeout, replica_announce_port, replica_priority, socket_mark_id, tls_port,
        unixsocketperm, watchdog_period;
    int sanitize_dump_payload, cluster_preferred_endpoint_type, enable_module_command,
        enable_protected_configs, log_format, log_timestamp_format, oom_score_adj,
        propagation_error_behavior, repl_diskless_load, shutdown_on_sigint, shutdown_on_sigterm,
        supervised, syslog_facility;
    char *aof_rewrite_cpulist, *appenddirname, *appendfilename, *bgsave_cpulist, *bind_source_addr,
        *bio_cpulist, *cluster_announce_client_ipv4, *cluster_announce_client_ipv6,
        *cluster_announce_hostname, *cluster_announce_human_nodename, *cluster_config_file,
        *dbfilename, *ignore_warnings, *locale_collate, *masterauth, *masteruser,
        *oom_score_adj_values, *proc_title_template, *replica_announce_ip, *server_cpulist,
        *syslog_ident, *unixsocket, *unixsocketgroup;
};

struct config_option; /* node/config_table.h */

size_t config_kept_count(void);
const struct config_option *config_kept_at(size_t i);

/* Why there is no such option; NULL: it is not one that is refused. Case-insensitive. */
const char *config_refusal(const char *name, size_t n);
/* Name and reason of the @i-th that is refused; NULL behind the last. */
const char *config_refused_at(size_t i, const char **why);

#endif
