/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/latency.c - see node/latency.h. */
#include "node/latency.h"

#include "base/mem.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

struct latency {
    struct series {
        struct latency_sample ring[LATENCY_SAMPLES];
        size_t next, n;
        uint64_t longest_ms;
    } series[LATENCY_EVENTS];
    /* Of the log, as last looked at. */
    uint64_t syncs, sync_us_max;
};

static const char *const names[LATENCY_EVENTS] = {
    [LATENCY_COMMAND] = "command",
    [LATENCY_FAST_COMMAND] = "fast-command",
    [LATENCY_FORK] = "fork",
    [LATENCY_EXPIRE_CYCLE] = "expire-cycle",
    [LATENCY_EVICTION_CYCLE] = "eviction-cycle",
    [LATENCY_EVICTION_DEL] = "eviction-del",
    [LATENCY_DEFRAG_CYCLE] = "active-defrag-cycle",
    [LATENCY_LOG_SYNC] = "log-sync",
};

struct latency *latency_new(void) { return mem_zalloc(sizeof(struct latency)); }

void latency_free(struct latency *l) { free(l); }

const char *latency_event_name(enum latency_event e)
{
    assert(e < LATENCY_EVENTS);
    return names[e];
}

size_t latency_samples(const struct latency *l, enum latency_event e,
                       struct latency_sample out[LATENCY_SAMPLES])
{
    const struct series *s = &l->series[e];
    size_t first = (s->next + LATENCY_SAMPLES - s->n) % LATENCY_SAMPLES;

    for (size_t i = 0; i < s->n; i++) {
        out[i] = s->ring[(first + i) % LATENCY_SAMPLES];
    }
    return s->n;
}

uint64_t latency_longest(const struct latency *l, enum latency_event e)
{
    return l->series[e].longest_ms;
}

bool latency_reset(struct latency *l, enum latency_event e)
{
    bool had = l->series[e].n > 0;

    l->series[e] = (struct series){0};
    return had;
}

void latency_enter(struct node *n, enum latency_event e, uint64_t us)
{
    struct series *s = &n->latency->series[e];
    struct latency_sample sample = {.wall_s = n->now_wall_ms / 1000, .ms = us / 1000};
    struct latency_sample *last = &s->ring[(s->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];

    s->longest_ms = MAX_OF(s->longest_ms, sample.ms);
    if (s->n > 0 && last->wall_s == sample.wall_s) {
        last->ms = MAX_OF(last->ms, sample.ms);
        return;
    }
    s->ring[s->next] = sample;
    s->next = (s->next + 1) % LATENCY_SAMPLES;
    s->n = MIN_OF(s->n + 1, (size_t)LATENCY_SAMPLES);
}

/* The log thread publishes its last sync and its longest: of those since the last look, these. */
void latency_cron(struct node *n)
{
    struct latency *l = n->latency;
    struct raft_host_status host;

    if (n->config.latency_monitor_threshold == 0) {
        return;
    }
    raft_host_get_status(n->host, &host);
    if (host.wal.syncs != l->syncs && l->syncs != 0) {
        bool longer = host.wal.sync_us_max > l->sync_us_max;

        latency_note(n, LATENCY_LOG_SYNC,
                     (int64_t)(longer ? host.wal.sync_us_max : host.wal.sync_us_last));
    }
    l->syncs = host.wal.syncs;
    l->sync_us_max = host.wal.sync_us_max;
}

void latency_percentiles(const struct config *c, latency_percentile_fn *fn, void *arg)
{
    const char *p = c->latency_tracking_info_percentiles;

    while (*p != '\0') {
        size_t n = strcspn(p, " ");
        double percent;

        if (n > 0 && num_parse_double(p, n, &percent)) {
            fn(arg, percent);
        }
        p += n;
        p += strspn(p, " ");
    }
}
