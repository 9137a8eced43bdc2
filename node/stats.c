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

/* The entry of the code; a new one while there are fewer than @max, else NULL. */
static struct error_stats *entry_of(struct stats *s, const char *code, size_t len, size_t max)
{
    struct error_stats *e = s->errors;

    while (e < s->errors + s->n_errors &&
           (strlen(e->prefix) != len || memcmp(e->prefix, code, len) != 0)) {
        e++;
    }
    if (e < s->errors + s->n_errors) {
        return e;
    }
    if (s->n_errors >= max) {
        return NULL;
    }
    s->n_errors++;
    memcpy(e->prefix, code, len);
    e->prefix[len] = '\0';
    e->count = 0;
    return e;
}

void stats_error(struct stats *s, const char *reply, size_t n, bool made_up)
{
    static const char plain[] = "ERR";
    const char *code = reply + 1;
    const char *space = memchr(code, ' ', MIN_OF(n - 1, sizeof s->errors[0].prefix - 1));
    size_t len = space == NULL ? 0 : (size_t)(space - code);
    struct error_stats *e;

    if (len == 0) {
        code = plain;
        len = strlen(plain);
    }
    made_up &= len != strlen(plain) || memcmp(code, plain, len) != 0;
    s->total_errors++;
    e = entry_of(s, code, len, made_up ? STATS_ERRORS_MAX : ARRAY_LEN(s->errors) - 1);
    if (e == NULL) {
        e = entry_of(s, STATS_ERRORS_OVERFLOW, strlen(STATS_ERRORS_OVERFLOW), ARRAY_LEN(s->errors));
        assert(e != NULL);
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
