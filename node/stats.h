/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/stats.h - what INFO counts. Exec thread only. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include "base/base.h"

struct histogram; /* node/histogram.h */

struct command_stats {
    uint64_t calls, usec, rejected, failed;
    struct histogram *latency; /* us of each call; NULL: none was tracked */
};

struct error_stats { /* by the code of an error */
    char prefix[32];
    uint64_t count;
};
/* So many codes have an entry before those that users make up share one; the server's own, of which
 * there are fewer than STATS_ERRORS_OWN, always have theirs. */
#define STATS_ERRORS_MAX 128
#define STATS_ERRORS_OWN 64
#define STATS_ERRORS_OVERFLOW "ERRORSTATS_OVERFLOW" /* theirs, as in Valkey 8 */

struct stats {
    uint64_t connections, rejected_connections;
    uint64_t commands;
    uint64_t net_in, net_out;
    uint64_t expired_keys, expired_fields, expired_time_cap_reached;
    uint64_t evicted_keys, evicted_clients;
    uint64_t acl_denied[4]; /* by enum acl_reason */
    uint64_t keyspace_hits, keyspace_misses;
    uint64_t total_errors, unexpected_errors;
    uint64_t reads_processed, writes_processed;
    uint64_t query_limit_disconnections, output_limit_disconnections;
    uint64_t expire_us;   /* spent on deleting keys that are due */
    uint64_t keys_loaded; /* of the last snapshot that was loaded */
    uint64_t batches, batch_bytes, batch_bytes_max;
    uint64_t gated_replies, lease_waits, redirected_replies;
    uint64_t forks, last_fork_us, snapshots_ok, snapshots_failed;
    int64_t last_snapshot_wall_ms, last_snapshot_duration_ms;
    bool last_snapshot_failed;
    uint64_t rebuilds;
    uint64_t defrag_hits, defrag_misses; /* allocations that were moved, and that stayed */
    uint64_t defrag_key_hits, defrag_key_misses;
    uint64_t defrag_us; /* of the time when it ran, at whatever effort, but for the present run */
    struct command_stats *by_command; /* command_count() of them */
    struct error_stats errors[STATS_ERRORS_MAX + STATS_ERRORS_OWN];
    size_t n_errors;
    /* Instantaneous rates: 16 samples, 100 ms apart. */
    struct stats_rate {
        uint64_t last, samples[16];
        int64_t last_us;
        unsigned next;
    } rate_commands, rate_in, rate_out;
    uint64_t peak_memory, startup_memory; /* bytes allocated */
    int64_t memory_sampled_us;
    uint64_t clients_output_max, clients_input_max;
};

void stats_init(struct stats *s);
void stats_release(struct stats *s);
void stats_reset(struct stats *s); /* CONFIG RESETSTAT */
/* A call took @us: into its histogram. */
void stats_latency(struct command_stats *s, uint64_t us);
/* Count the error "-CODE ..."; without a space there is no code: that is ERR.
 * @made_up: a user chose the code (a script, DEBUG ERROR). */
void stats_error(struct stats *s, const char *reply, size_t n, bool made_up);
void stats_sample(struct stats *s, int64_t now_us);
uint64_t stats_rate(const struct stats_rate *r); /* per second */

#endif
