/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/info.c - see node/info.h. Replication and Raft are in info_raft.c. */
#include "node/info.h"
#include "node/block_table.h"
#include "node/defrag.h"
#include "node/evict.h"

#include "base/clock.h"
#include "base/num.h"
#include "node/acl.h"
#include "node/histogram.h"
#include "node/info_memory.h"
#include "node/latency.h"
#include "node/pubsub.h"
#include "node/rdb/rdb.h"
#include "node/script/scripts.h"
#include "node/snapshot.h"
#include "node/system.h"
#include "node/tracking.h"
#include "node/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

void info_field(struct buf *out, const char *name, const char *fmt, ...)
{
    char value[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    buf_printf(out, "%s:%s\r\n", name, value);
}

static void number(struct buf *out, const char *name, uint64_t v)
{
    info_field(out, name, "%llu", (unsigned long long)v);
}

static void with_human(struct buf *out, const char *name, uint64_t bytes)
{
    char text[32];

    number(out, name, bytes);
    num_print_human(text, bytes);
    buf_printf(out, "%s_human:%s\r\n", name, text);
}

/* ---- server, clients, cpu -----------------------------------------------------------------------
 */

static const char *backend_name(const struct node *n)
{
    switch (ev_backend(n->loop)) {
    case EVBACKEND_EPOLL:
        return "epoll";
    case EVBACKEND_POLL:
        return "poll";
    case EVBACKEND_SELECT:
        return "select";
    default:
        return "other";
    }
}

/* "listener0:name=tcp,bind=127.0.0.1,bind=-::1,port=6379" */
static void info_listener(const struct node *n, struct buf *out)
{
    buf_printf(out, "listener0:name=tcp");
    for (char *const *at = n->config.bind; *at != NULL; at++) {
        buf_printf(out, ",bind=%s", *at);
    }
    buf_printf(out, ",port=%lld\r\n", (long long)n->config.port);
}

static void info_server(struct node *n, struct buf *out)
{
    int64_t up_s = (n->now_us - n->start_us) / 1000000;
    struct utsname u;

    if (uname(&u) != 0) {
        memset(&u, 0, sizeof u);
    }
    info_field(out, "redis_version", "%s", NODE_REDIS_VERSION);
    info_field(out, "redis_git_sha1", "00000000"); /* as in a Redis that was built from a tarball */
    info_field(out, "redis_git_dirty", "0");
    info_field(out, "server_name", "holdfast");
    info_field(out, "holdfast_version", "%s", NODE_VERSION);
    info_field(out, "redis_mode", "%s", n->config.cluster_enabled ? "cluster" : "standalone");
    info_field(out, "os", "%s %s %s", u.sysname, u.release, u.machine);
    info_field(out, "arch_bits", "%zu", sizeof(void *) * 8);
    info_field(out, "monotonic_clock", "POSIX clock_gettime");
    info_field(out, "multiplexing_api", "%s", backend_name(n));
    info_field(out, "atomicvar_api", "c11-builtin");
    info_field(out, "gcc_version", "%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    info_field(out, "process_id", "%ld", (long)getpid());
    info_field(out, "process_supervised", "no");
    info_field(out, "run_id", "%s", n->run_id);
    info_listener(n, out);
    info_field(out, "tcp_port", "%lld", (long long)n->config.port);
    info_field(out, "server_time_usec", "%lld", (long long)clock_wall_us());
    info_field(out, "uptime_in_seconds", "%lld", (long long)up_s);
    info_field(out, "uptime_in_days", "%lld", (long long)up_s / 86400);
    info_field(out, "hz", "%lld", (long long)n->config.hz);
    info_field(out, "configured_hz", "%lld", (long long)n->config.hz);
    info_field(out, "lru_clock", "%lld", (long long)(n->now_wall_ms / 1000) & 0xffffff);
    info_field(out, "executable", "%s", n->executable != NULL ? n->executable : "");
    info_field(out, "config_file", "%s", n->config_file != NULL ? n->config_file : "");
    info_field(out, "io_threads_active", "0");
    info_field(out, "availability_zone", "%s", n->config.availability_zone);
    if (n->shutdown_asked) {
        int64_t left = (n->shutdown_deadline_us - n->now_us) / 1000;

        info_field(out, "shutdown_in_milliseconds", "%lld", (long long)MAX_OF(left, 0));
    }
}

/* Clients that wait, but not for ever: client_block() keeps a time, client_wait() a timer. */
static uint64_t count_deadlines(const struct clients *all)
{
    uint64_t n = 0;

    for (const struct link *l = all->blocked.next; l != &all->blocked; l = l->next) {
        n += CONTAINER_OF(l, struct client, block_link)->block_deadline_us != 0;
    }
    for (const struct link *l = all->held.next; l != &all->held; l = l->next) {
        n += ev_is_active(&CONTAINER_OF(l, struct client, block_link)->block_timer) != 0;
    }
    return n;
}

static uint64_t count_watching(const struct node *n)
{
    uint64_t watching = 0;

    for (const struct link *l = n->clients.all.next; l != &n->clients.all; l = l->next) {
        watching += link_is_in(&CONTAINER_OF(l, struct client, all_link)->watched);
    }
    return watching;
}

/* Held by CLIENT PAUSE. */
static uint64_t count_paused(const struct clients *all)
{
    uint64_t paused = 0;

    for (const struct link *l = all->paused.next; l != &all->paused; l = l->next) {
        paused++;
    }
    return paused;
}

static void info_clients(struct node *n, struct buf *out)
{
    struct raft_host_status host;
    uint64_t peers = 0;

    raft_host_get_status(n->host, &host);
    for (size_t i = 0; i < host.n_peers; i++) {
        peers += host.peers[i].connected;
    }
    number(out, "connected_clients", n->clients.n);
    number(out, "cluster_connections", peers);
    number(out, "maxclients", (uint64_t)n->config.maxclients);
    number(out, "client_recent_max_input_buffer", n->stats.clients_input_max);
    number(out, "client_recent_max_output_buffer", n->stats.clients_output_max);
    number(out, "blocked_clients", n->clients.n_blocked + count_paused(&n->clients));
    number(out, "tracking_clients", tracking_figures(n->tracking).clients);
    number(out, "watching_clients", count_watching(n));
    number(out, "clients_in_timeout_table", count_deadlines(&n->clients));
    number(out, "total_watched_keys", watch_table_keys(n->watches));
    number(out, "total_blocking_keys", block_table_keys(n->blocks));
}

static void cpu_field(struct buf *out, const char *name, struct timeval t)
{
    info_field(out, name, "%lld.%06lld", (long long)t.tv_sec, (long long)t.tv_usec);
}

static void info_cpu(struct buf *out)
{
    struct rusage self = {0}, children = {0}, thread = {0};

    /* These fail for a wrong first argument only. The part is asked first, so that it is not larger
     * than the whole. */
    (void)getrusage(RUSAGE_THREAD, &thread);
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    cpu_field(out, "used_cpu_sys", self.ru_stime);
    cpu_field(out, "used_cpu_user", self.ru_utime);
    cpu_field(out, "used_cpu_sys_children", children.ru_stime);
    cpu_field(out, "used_cpu_user_children", children.ru_utime);
    cpu_field(out, "used_cpu_sys_main_thread", thread.ru_stime);
    cpu_field(out, "used_cpu_user_main_thread", thread.ru_utime);
}

/* ---- memory ------------------------------------------------------------------------------ */

static void ratio(struct buf *out, const char *name, uint64_t more, uint64_t less)
{
    char full[64];

    snprintf(full, sizeof full, "%s_ratio", name);
    info_field(out, full, "%.2f", memory_ratio(more, less));
    snprintf(full, sizeof full, "%s_bytes", name);
    info_field(out, full, "%lld", (long long)(more - less));
}

static void script_memory(struct node *n, struct buf *out)
{
    struct scripts_usage u;

    scripts_usage(n->scripts, &u);
    number(out, "used_memory_vm_eval", u.eval_vm_bytes);
    with_human(out, "used_memory_lua", u.eval_vm_bytes);
    number(out, "used_memory_scripts_eval", u.script_bytes);
    number(out, "number_of_cached_scripts", u.n_scripts);
    number(out, "number_of_functions", u.n_functions);
    number(out, "number_of_libraries", u.n_libraries);
    number(out, "used_memory_vm_functions", u.functions_vm_bytes);
    with_human(out, "used_memory_vm_total", u.eval_vm_bytes + u.functions_vm_bytes);
    number(out, "used_memory_functions", u.functions_bytes);
    with_human(out, "used_memory_scripts", u.script_bytes + u.functions_bytes);
}

static void info_memory(struct node *n, struct buf *out)
{
    struct memory_parts parts;
    struct memory_usage m;
    uint64_t used;
    char allocator[64];

    memory_parts(n, &parts);
    memory_allocator(allocator);
    m = parts.process;
    used = m.allocated;
    with_human(out, "used_memory", used);
    with_human(out, "used_memory_rss", m.rss);
    with_human(out, "used_memory_peak", parts.peak);
    info_field(out, "used_memory_peak_perc", "%.2f%%", memory_percent(used, parts.peak));
    number(out, "used_memory_overhead", parts.overhead);
    number(out, "used_memory_startup", parts.startup);
    number(out, "used_memory_dataset", parts.dataset);
    info_field(out, "used_memory_dataset_perc", "%.2f%%",
               memory_percent(parts.dataset, used - MIN_OF(parts.startup, used)));
    number(out, "allocator_allocated", m.allocated);
    number(out, "allocator_active", m.active);
    number(out, "allocator_resident", m.mapped_resident);
    with_human(out, "total_system_memory", memory_of_system());
    script_memory(n, out);
    with_human(out, "maxmemory", (uint64_t)n->config.maxmemory);
    buf_printf(out, "maxmemory_policy:");
    (void)config_get_text(&n->config, "maxmemory-policy", out);
    buf_printf(out, "\r\n");
    ratio(out, "allocator_frag", m.active, m.allocated);
    ratio(out, "allocator_rss", m.mapped_resident, m.active);
    ratio(out, "rss_overhead", m.rss, m.mapped_resident);
    ratio(out, "mem_fragmentation", m.rss, used);
    number(out, "mem_not_counted_for_evict", evict_not_counted(n));
    number(out, "mem_replication_backlog", parts.entries);
    number(out, "mem_total_replication_buffers", parts.entries);
    number(out, "mem_clients_slaves", 0);
    number(out, "mem_clients_normal", parts.clients);
    number(out, "mem_aof_buffer", parts.batches);
    info_field(out, "mem_allocator", "%s", allocator);
    number(out, "active_defrag_running", (uint64_t)defrag_effort(n));
    number(out, "lazyfree_pending_objects", worker_pending(n->bg));
}

/* ---- persistence ------------------------------------------------------------------------- */

static void info_loading(const struct group *g, struct buf *out)
{
    const struct node *n = g->node;
    uint64_t done = rdb_loader_bytes(g->loader);
    uint64_t total = rdb_loader_total(g->loader);
    int64_t took_us = n->now_us - g->load_started_us;
    double eta = done == 0 ? 0.0 : (double)took_us / (double)done * (double)(total - done) / 1e6;

    info_field(out, "loading_start_time", "%lld",
               (long long)((n->now_wall_ms - took_us / 1000) / 1000));
    number(out, "loading_total_bytes", total);
    number(out, "loading_loaded_bytes", done);
    info_field(out, "loading_loaded_perc", "%.2f", memory_percent(done, total));
    info_field(out, "loading_eta_seconds", "%lld", (long long)eta);
}

static uint64_t open_batches(const struct node *n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n->n_groups; i++) {
        bytes += n->groups[i] == NULL ? 0 : n->groups[i]->batch.len;
    }
    return bytes;
}

/* Of all data groups together. */
struct saved {
    const struct group *loading; /* the first that is being loaded */
    uint64_t changes;            /* entries since the last snapshot */
    uint64_t bytes;              /* of snapshots */
};

static struct saved data_saved(struct node *n)
{
    struct saved s = {0};

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];
        struct raft_group_status status;

        if (g == NULL) {
            continue;
        }
        if (g->state != GROUP_LOADING) {
            s.changes += g->applied - g->snapshot.index;
        } else if (s.loading == NULL) {
            s.loading = g;
        }
        if (raft_host_group_status(n->host, i, &status) == RAFT_HOST_OK) {
            s.bytes += status.snapshot_bytes;
        }
    }
    return s;
}

static void info_persistence(struct node *n, struct buf *out)
{
    const struct stats *s = &n->stats;
    struct saved data = data_saved(n);
    int64_t saved_ms = s->last_snapshot_wall_ms != 0 ? s->last_snapshot_wall_ms : n->start_wall_ms;
    struct snapshot_progress p;
    struct raft_host_status host;
    const char *status = s->last_snapshot_failed ? "err" : "ok";
    long long running_s, took_s;

    snapshot_progress(n, &p);
    raft_host_get_status(n->host, &host);
    running_s = p.running ? (long long)(n->now_wall_ms - p.started_wall_ms) / 1000 : -1;
    took_s = s->snapshots_ok > 0 ? (long long)s->last_snapshot_duration_ms / 1000 : -1;
    number(out, "loading", data.loading != NULL || groups_home(n) == NULL);
    number(out, "async_loading", 0);
    info_field(out, "current_fork_perc", "%.2f", memory_percent(p.keys_done, p.keys_total));
    number(out, "current_save_keys_processed", p.keys_done);
    number(out, "current_save_keys_total", p.keys_total);
    number(out, "rdb_changes_since_last_save", data.changes);
    number(out, "rdb_bgsave_in_progress", p.running);
    info_field(out, "rdb_last_save_time", "%lld", (long long)saved_ms / 1000);
    info_field(out, "rdb_last_bgsave_status", "%s", status);
    info_field(out, "rdb_last_bgsave_time_sec", "%lld", took_s);
    info_field(out, "rdb_current_bgsave_time_sec", "%lld", running_s);
    number(out, "rdb_saves", s->snapshots_ok);
    number(out, "rdb_last_load_keys_loaded", s->keys_loaded);
    /* The log is the append-only file, and a snapshot its rewrite. */
    number(out, "aof_enabled", 1);
    number(out, "aof_rewrite_in_progress", p.running);
    number(out, "aof_rewrite_scheduled", p.wanted);
    info_field(out, "aof_last_rewrite_time_sec", "%lld", took_s);
    info_field(out, "aof_current_rewrite_time_sec", "%lld", running_s);
    info_field(out, "aof_last_bgrewrite_status", "%s", status);
    number(out, "aof_rewrites", s->snapshots_ok);
    info_field(out, "aof_last_write_status", "%s", host.wal.full ? "err" : "ok");
    number(out, "module_fork_in_progress", 0);
    number(out, "module_fork_last_cow_size", 0);
    number(out, "aof_current_size", host.wal.bytes);
    number(out, "aof_base_size", data.bytes);
    number(out, "aof_pending_rewrite", p.wanted);
    number(out, "aof_buffer_length", open_batches(n));
    if (data.loading != NULL && data.loading->loader != NULL) {
        info_loading(data.loading, out);
    }
}

/* ---- statistics -------------------------------------------------------------------------- */

/* Zero stands for what does not exist here (cached sockets, threads of I/O ...); what exists
 * and is not counted is left out. */
static void info_stats(struct node *n, struct buf *out)
{
    const struct stats *s = &n->stats;
    struct tracking_figures tracking = tracking_figures(n->tracking);
    struct scripts_usage scripts;
    struct raft_host_status host;
    uint64_t peers_in = 0, peers_out = 0;

    scripts_usage(n->scripts, &scripts);
    raft_host_get_status(n->host, &host);
    for (size_t i = 0; i < host.n_peers; i++) {
        peers_in += host.peers[i].bytes_received;
        peers_out += host.peers[i].bytes_sent;
    }
    number(out, "total_connections_received", s->connections);
    number(out, "total_commands_processed", s->commands);
    number(out, "instantaneous_ops_per_sec", stats_rate(&s->rate_commands));
    number(out, "total_net_input_bytes", s->net_in);
    number(out, "total_net_output_bytes", s->net_out);
    number(out, "total_net_repl_input_bytes", peers_in);
    number(out, "total_net_repl_output_bytes", peers_out);
    info_field(out, "instantaneous_input_kbps", "%.2f", (double)stats_rate(&s->rate_in) / 1024);
    info_field(out, "instantaneous_output_kbps", "%.2f", (double)stats_rate(&s->rate_out) / 1024);
    number(out, "rejected_connections", s->rejected_connections);
    number(out, "expired_keys", s->expired_keys);
    number(out, "expired_subkeys", s->expired_fields);
    info_field(out, "expired_stale_perc", "0.00"); /* what is due is known, not estimated */
    number(out, "expired_time_cap_reached_count", s->expired_time_cap_reached);
    number(out, "expire_cycle_cpu_milliseconds", s->expire_us / 1000);
    number(out, "evicted_keys", s->evicted_keys);
    number(out, "evicted_clients", s->evicted_clients);
    number(out, "evicted_scripts", scripts.evicted);
    number(out, "total_eviction_exceeded_time", evict_exceeded_ms(n, true));
    number(out, "current_eviction_exceeded_time", evict_exceeded_ms(n, false));
    number(out, "keyspace_hits", s->keyspace_hits);
    number(out, "keyspace_misses", s->keyspace_misses);
    number(out, "pubsub_channels", pubsub_channels(n->pubsub, SUB_CHANNEL));
    number(out, "pubsub_patterns", pubsub_channels(n->pubsub, SUB_PATTERN));
    number(out, "pubsubshard_channels", pubsub_channels(n->pubsub, SUB_SHARD));
    number(out, "latest_fork_usec", s->last_fork_us);
    number(out, "total_forks", s->forks);
    number(out, "migrate_cached_sockets", 0);
    number(out, "slave_expires_tracked_keys", 0);
    number(out, "active_defrag_hits", s->defrag_hits);
    number(out, "active_defrag_misses", s->defrag_misses);
    number(out, "active_defrag_key_hits", s->defrag_key_hits);
    number(out, "active_defrag_key_misses", s->defrag_key_misses);
    number(out, "total_active_defrag_time", (s->defrag_us + defrag_running_us(n)) / 1000);
    number(out, "current_active_defrag_time", defrag_running_us(n) / 1000);
    number(out, "tracking_total_keys", tracking.keys);
    number(out, "tracking_total_items", tracking.items);
    number(out, "tracking_total_prefixes", tracking.prefixes);
    number(out, "unexpected_error_replies", s->unexpected_errors);
    number(out, "total_error_replies", s->total_errors);
    number(out, "dump_payload_sanitizations", 0);
    number(out, "total_reads_processed", s->reads_processed);
    number(out, "total_writes_processed", s->writes_processed);
    number(out, "io_threaded_reads_processed", 0);
    number(out, "io_threaded_writes_processed", 0);
    number(out, "acl_access_denied_auth", s->acl_denied[ACL_LOG_AUTH]);
    number(out, "acl_access_denied_cmd", s->acl_denied[ACL_LOG_COMMAND]);
    number(out, "acl_access_denied_key", s->acl_denied[ACL_LOG_KEY]);
    number(out, "acl_access_denied_channel", s->acl_denied[ACL_LOG_CHANNEL]);
    number(out, "client_query_buffer_limit_disconnections", s->query_limit_disconnections);
    number(out, "client_output_buffer_limit_disconnections", s->output_limit_disconnections);
}

static void info_commandstats(struct node *n, struct buf *out)
{
    for (size_t i = 0; i < command_count(); i++) {
        const struct command_stats *s = &n->stats.by_command[i];
        const struct command *c = command_by_id((uint16_t)i);

        if (s->calls == 0 && s->rejected == 0 && s->failed == 0) {
            continue;
        }
        buf_printf(out,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   c->full_name, (unsigned long long)s->calls, (unsigned long long)s->usec,
                   s->calls == 0 ? 0.0 : (double)s->usec / (double)s->calls,
                   (unsigned long long)s->rejected, (unsigned long long)s->failed);
    }
}

static void info_errorstats(struct node *n, struct buf *out)
{
    for (size_t i = 0; i < n->stats.n_errors; i++) {
        struct error_stats e = n->stats.errors[i];

        for (char *p = e.prefix; (p = strpbrk(p, "#:\r\n")) != NULL; p++) {
            *p = '_'; /* it would be read as something else than a name */
        }
        buf_printf(out, "errorstat_%s:count=%llu\r\n", e.prefix, (unsigned long long)e.count);
    }
}

struct percentiles {
    struct buf *out;
    const struct histogram *h;
    bool first;
};

static void info_percentile(void *arg, double percent)
{
    struct percentiles *p = arg;
    char text[40];
    size_t n = num_print_double(text, percent);

    buf_printf(p->out, "%sp%.*s=%llu.000", p->first ? "" : ",", (int)n, text,
               (unsigned long long)histogram_percentile(p->h, percent));
    p->first = false;
}

static void info_latencystats(struct node *n, struct buf *out)
{
    for (size_t i = 0; n->config.latency_tracking && i < command_count(); i++) {
        struct percentiles p = {.out = out, .h = n->stats.by_command[i].latency, .first = true};

        if (p.h != NULL) {
            buf_printf(out, "latency_percentiles_usec_%s:", command_by_id((uint16_t)i)->full_name);
            latency_percentiles(&n->config, info_percentile, &p);
            buf_append(out, "\r\n", 2);
        }
    }
}

static uint32_t databases(const struct node *n)
{
    const struct group *home = groups_home(n);

    return home == NULL || home->ks == NULL ? 0 : keyspace_databases(home->ks);
}

/* The keys that clients see here. */
static void info_keyspace(struct node *n, struct buf *out)
{
    for (uint32_t db = 0; db < databases(n); db++) {
        uint64_t keys = 0, expires = 0, due_within = 0;
        int64_t ttl = 0;

        for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
            const struct group *g = n->groups[i];

            if (g != NULL && g->ks != NULL && groups_show(n, g)) {
                uint64_t e = keyspace_expires(g->ks, db);

                keys += keyspace_size(g->ks, db);
                expires += e;
                due_within += keyspace_due_values(g->ks, db);
                /* The mean of the means, by how many keys they are of. */
                ttl += e == 0 ? 0
                              : (keyspace_avg_ttl(g->ks, db, n->now_wall_ms) - ttl) * (int64_t)e /
                                    (int64_t)expires;
            }
        }
        if (keys > 0) {
            buf_printf(out, "db%u:keys=%llu,expires=%llu,avg_ttl=%lld,subexpiry=%llu\r\n", db,
                       (unsigned long long)keys, (unsigned long long)expires, (long long)ttl,
                       (unsigned long long)due_within);
        }
    }
}

/* ---- all of it --------------------------------------------------------------------------- */

static const struct {
    const char *word;  /* of the call */
    const char *title; /* in the reply */
    bool by_default;
} sections[INFO_SECTIONS] = {
    [INFO_SERVER] = {"server", "Server", true},
    [INFO_CLIENTS] = {"clients", "Clients", true},
    [INFO_MEMORY] = {"memory", "Memory", true},
    [INFO_PERSISTENCE] = {"persistence", "Persistence", true},
    [INFO_STATS] = {"stats", "Stats", true},
    [INFO_REPLICATION] = {"replication", "Replication", true},
    [INFO_RAFT] = {"raft", "Raft", true},
    [INFO_CPU] = {"cpu", "CPU", true},
    [INFO_MODULES] = {"modules", "Modules", true},
    [INFO_COMMANDSTATS] = {"commandstats", "Commandstats", false},
    [INFO_ERRORSTATS] = {"errorstats", "Errorstats", true},
    [INFO_LATENCYSTATS] = {"latencystats", "Latencystats", false},
    [INFO_CLUSTER] = {"cluster", "Cluster", true},
    [INFO_KEYSPACE] = {"keyspace", "Keyspace", true},
};

static uint32_t default_sections(void)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < INFO_SECTIONS; i++) {
        bits |= sections[i].by_default ? 1u << i : 0;
    }
    return bits;
}

uint32_t info_sections(const struct arg *words, size_t n)
{
    uint32_t all = (1u << INFO_SECTIONS) - 1;
    uint32_t bits = n == 0 ? default_sections() : 0;

    for (size_t w = 0; w < n; w++) {
        if (arg_is(&words[w], "everything")) {
            bits |= all;
        } else if (arg_is(&words[w], "all")) {
            bits |= all & ~(1u << INFO_MODULES);
        } else if (arg_is(&words[w], "default")) {
            bits |= default_sections();
        }
        for (uint32_t i = 0; i < INFO_SECTIONS; i++) {
            bits |= arg_is(&words[w], sections[i].word) ? 1u << i : 0;
        }
    }
    return bits;
}

static void write_section(struct node *n, enum info_section section, struct buf *out)
{
    switch (section) {
    case INFO_SERVER:
        info_server(n, out);
        break;
    case INFO_CLIENTS:
        info_clients(n, out);
        break;
    case INFO_MEMORY:
        info_memory(n, out);
        break;
    case INFO_PERSISTENCE:
        info_persistence(n, out);
        break;
    case INFO_STATS:
        info_stats(n, out);
        break;
    case INFO_REPLICATION:
        info_replication(n, out);
        break;
    case INFO_RAFT:
        info_raft(n, out);
        break;
    case INFO_CPU:
        info_cpu(out);
        break;
    case INFO_COMMANDSTATS:
        info_commandstats(n, out);
        break;
    case INFO_ERRORSTATS:
        info_errorstats(n, out);
        break;
    case INFO_LATENCYSTATS:
        info_latencystats(n, out);
        break;
    case INFO_CLUSTER:
        number(out, "cluster_enabled", n->config.cluster_enabled);
        break;
    case INFO_KEYSPACE:
        info_keyspace(n, out);
        break;
    case INFO_MODULES: /* there are none */
    case INFO_SECTIONS:
        break;
    }
}

void info_write(struct node *n, uint32_t bits, struct buf *out)
{
    for (uint32_t i = 0; i < INFO_SECTIONS; i++) {
        if (bits & (1u << i)) {
            buf_printf(out, "%s# %s\r\n", out->len > 0 ? "\r\n" : "", sections[i].title);
            write_section(n, (enum info_section)i, out);
        }
    }
}
