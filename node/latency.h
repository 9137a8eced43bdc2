/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/latency.h - what has held the server up: LATENCY, INFO latencystats. Exec thread only.
 *
 * Two things are kept. Of every command a histogram of the times it took (latency-tracking), in
 * struct command_stats. And of events that took at least latency-monitor-threshold milliseconds the
 * newest samples, one a second. */
#ifndef NODE_LATENCY_H
#define NODE_LATENCY_H

#include "node/command/command.h"
#include "node/node.h"

/* What is watched. */
enum latency_event {
    LATENCY_COMMAND,      /* a command of a client */
    LATENCY_FAST_COMMAND, /* one that should be fast: O(1) or O(log N) */
    LATENCY_FORK,         /* of the child that writes a snapshot */
    LATENCY_EXPIRE_CYCLE, /* keys whose time is up are deleted */
    LATENCY_EVICTION_CYCLE,
    LATENCY_EVICTION_DEL, /* of one key */
    LATENCY_DEFRAG_CYCLE, /* allocations are moved together: one slice */
    LATENCY_LOG_SYNC,     /* of the write-ahead log, in its own thread: replies wait for it */
    LATENCY_EVENTS,
};

#define LATENCY_SAMPLES 160

struct latency_sample {
    int64_t wall_s;
    uint64_t ms; /* the longest of that second */
};

struct latency; /* opaque */

struct latency *latency_new(void);
void latency_free(struct latency *l); /* NULL is allowed */

const char *latency_event_name(enum latency_event e);
/* Samples of an event, the oldest first; returns their number. */
size_t latency_samples(const struct latency *l, enum latency_event e,
                       struct latency_sample out[LATENCY_SAMPLES]);
/* The longest ever, since the last reset; ms. */
uint64_t latency_longest(const struct latency *l, enum latency_event e);
/* True when it had samples. */
bool latency_reset(struct latency *l, enum latency_event e);

/* Look at what other threads have measured. */
void latency_cron(struct node *n);

/* Enter a sample. latency_note() is for all that is measured, slow or not. */
void latency_enter(struct node *n, enum latency_event e, uint64_t us);

static inline void latency_note(struct node *n, enum latency_event e, int64_t us)
{
    int64_t limit = n->config.latency_monitor_threshold;

    if (UNLIKELY(limit > 0 && us / 1000 >= limit)) {
        latency_enter(n, e, (uint64_t)us);
    }
}

/* The percentiles of latency-tracking-info-percentiles, each once asked for: calls @fn. */
typedef void latency_percentile_fn(void *arg, double percent);
void latency_percentiles(const struct config *c, latency_percentile_fn *fn, void *arg);

#endif
