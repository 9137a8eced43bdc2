/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/stats.c - see node/stats.h. */
#include "node/stats.h"

#include "base/mem.h"
#include "node/command/command.h"
#include "node/histogram.h"
#include "node/memory.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE_US 100000
#define MEMORY_SAMPLE_US 1000000 /* asking the allocator is not free */

void stats_init(struct stats *s)
{
    struct memory_usage m;

    memory_usage(&m);
    *s = (struct stats){.startup_memory = m.allocated, .peak_memory = m.allocated};
    s->by_command = mem_zalloc(command_count() * sizeof *s->by_command);
}

static void forget_latencies(struct stats *s)
{
    for (size_t i = 0; s->by_command != NULL && i < command_count(); i++) {
        free(s->by_command[i].latency);
    }
}

void stats_release(struct stats *s)
{
    forget_latencies(s);
    free(s->by_command);
    s->by_command = NULL;
}

/* What describes the present (the last snapshot, the rates' baselines) stays. */
void stats_reset(struct stats *s)
{
    struct stats fresh = {.by_command = s->by_command};

    forget_latencies(s);
    memset(s->by_command, 0, command_count() * sizeof *s->by_command);
    fresh.last_snapshot_wall_ms = s->last_snapshot_wall_ms;
    fresh.last_snapshot_duration_ms = s->last_snapshot_duration_ms;
    fresh.last_snapshot_failed = s->last_snapshot_failed;
    fresh.snapshots_ok = s->snapshots_ok;
    fresh.snapshots_failed = s->snapshots_failed;
    fresh.last_fork_us = s->last_fork_us;
    fresh.keys_loaded = s->keys_loaded;
    fresh.startup_memory = s->startup_memory;
    fresh.memory_sampled_us = 0; /* the peak begins anew */
    fresh.rate_commands.last_us = s->rate_commands.last_us;
    fresh.rate_in.last_us = s->rate_in.last_us;
    fresh.rate_out.last_us = s->rate_out.last_us;
    *s = fresh;
}

void stats_latency(struct command_stats *s, uint64_t us)
{
    if (UNLIKELY(s->latency == NULL)) {
        s->latency = mem_zalloc(sizeof *s->latency);
    }
    histogram_add(s->latency, us);
}

/* The word behind the '-': letters and digits in capitals, else the error has no prefix. */
static size_t prefix_len(const char *p, size_t n)
{
    size_t len = 0;

    while (len < n && p[len] != ' ' && p[len] != '\r' && p[len] != '\n') {
        len++;
    }
    return MIN_OF(len, sizeof((struct error_stats *)0)->prefix - 1);
}

void stats_error(struct stats *s, const char *reply, size_t n)
{
    size_t len = prefix_len(reply + 1, n - 1);
    struct error_stats *e = s->errors;

    s->total_errors++;
    while (e < s->errors + s->n_errors &&
           (strlen(e->prefix) != len || memcmp(e->prefix, reply + 1, len) != 0)) {
        e++;
    }
    if (e == s->errors + s->n_errors) {
        if (s->n_errors == STATS_ERRORS_MAX) {
            return; /* prefixes come from our own code, except DEBUG ERROR's: bounded */
        }
        s->n_errors++;
        memcpy(e->prefix, reply + 1, len);
        e->prefix[len] = '\0';
        e->count = 0;
    }
    e->count++;
}

static void sample(struct stats_rate *r, uint64_t value, int64_t now_us)
{
    int64_t span = now_us - r->last_us;

    if (r->last_us != 0 && span > 0) {
        r->samples[r->next] = (value - r->last) * 1000000 / (uint64_t)span;
        r->next = (r->next + 1) % (unsigned)ARRAY_LEN(r->samples);
    }
    r->last = value;
    r->last_us = now_us;
}

void stats_sample(struct stats *s, int64_t now_us)
{
    if (now_us - s->rate_commands.last_us < SAMPLE_US) {
        return;
    }
    sample(&s->rate_commands, s->commands, now_us);
    sample(&s->rate_in, s->net_in, now_us);
    sample(&s->rate_out, s->net_out, now_us);
    if (now_us - s->memory_sampled_us >= MEMORY_SAMPLE_US) {
        struct memory_usage m;

        memory_usage(&m);
        s->peak_memory = MAX_OF(s->peak_memory, m.allocated);
        s->memory_sampled_us = now_us;
    }
}

uint64_t stats_rate(const struct stats_rate *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(r->samples); i++) {
        sum += r->samples[i];
    }
    return sum / ARRAY_LEN(r->samples);
}
