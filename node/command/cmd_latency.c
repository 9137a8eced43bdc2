/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_latency.c - LATENCY: histograms of commands, samples of slow events. Source: the
 * Redis command pages. */
#include "node/command/handlers.h"
#include "node/histogram.h"
#include "node/latency.h"

/* ---- HISTOGRAM ------------------------------------------------------------------------------ */

/* Bounds are powers of two in microseconds; those at which the count has not grown are left out. */
static void reply_histogram(struct resp_out *o, const struct command *c, const struct histogram *h)
{
    size_t at;
    size_t n = 0;
    uint64_t before = 0;

    resp_bulk_str(o, c->full_name);
    resp_map(o, 2);
    resp_bulk_str(o, "calls");
    resp_int(o, (int64_t)h->n);
    resp_bulk_str(o, "histogram_usec");
    at = resp_deferred_begin(o);
    for (unsigned bits = 0; bits <= HISTOGRAM_MAX_BITS && before < h->n; bits++) {
        uint64_t bound = UINT64_C(1) << bits;
        uint64_t count = histogram_up_to(h, bound);

        if (count != before) {
            resp_int(o, (int64_t)bound);
            resp_int(o, (int64_t)count);
            n++;
        }
        before = count;
    }
    resp_deferred_map(o, at, n);
}

/* The number of commands replied: @c if it was called, and of a container all subcommands. */
static size_t reply_histograms(struct cmd *cmd, const struct command *c)
{
    const struct histogram *h = cmd->node->stats.by_command[c->id].latency;
    size_t n = 0;

    if (h != NULL) {
        reply_histogram(cmd->reply, c, h);
        n++;
    }
    for (size_t i = 0; i < c->n_subcommands; i++) {
        n += reply_histograms(cmd, &c->subcommands[i]);
    }
    return n;
}

void cmd_latency_histogram(struct cmd *c)
{
    size_t at = resp_deferred_begin(c->reply);
    size_t n = 0;
    size_t n_all;
    const struct command *all = command_table(&n_all);

    for (size_t i = 0; c->argc == 2 && i < n_all; i++) {
        n += reply_histograms(c, &all[i]);
    }
    for (int i = 2; i < c->argc; i++) {
        const struct command *named = command_by_name(c->argv[i].p, c->argv[i].n);

        n += named == NULL ? 0 : reply_histograms(c, named);
    }
    resp_deferred_map(c->reply, at, n);
}

/* ---- samples -------------------------------------------------------------------------------- */

/* LATENCY_EVENTS: there is none of that name. */
static enum latency_event find_event(const struct arg *name)
{
    unsigned e = 0;

    while (e < LATENCY_EVENTS && !arg_is(name, latency_event_name((enum latency_event)e))) {
        e++;
    }
    return (enum latency_event)e;
}

void cmd_latency_latest(struct cmd *c)
{
    const struct latency *l = c->node->latency;
    size_t at = resp_deferred_begin(c->reply);
    size_t n = 0;

    for (unsigned e = 0; e < LATENCY_EVENTS; e++) {
        struct latency_sample samples[LATENCY_SAMPLES];
        size_t n_samples = latency_samples(l, (enum latency_event)e, samples);

        if (n_samples > 0) {
            resp_array(c->reply, 4);
            resp_bulk_str(c->reply, latency_event_name((enum latency_event)e));
            resp_int(c->reply, samples[n_samples - 1].wall_s);
            resp_int(c->reply, (int64_t)samples[n_samples - 1].ms);
            resp_int(c->reply, (int64_t)latency_longest(l, (enum latency_event)e));
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

void cmd_latency_history(struct cmd *c)
{
    enum latency_event e = find_event(&c->argv[2]);
    struct latency_sample samples[LATENCY_SAMPLES];
    size_t n = e == LATENCY_EVENTS ? 0 : latency_samples(c->node->latency, e, samples);

    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        resp_array(c->reply, 2);
        resp_int(c->reply, samples[i].wall_s);
        resp_int(c->reply, (int64_t)samples[i].ms);
    }
}

void cmd_latency_reset(struct cmd *c)
{
    int64_t n = 0;

    for (unsigned e = 0; c->argc == 2 && e < LATENCY_EVENTS; e++) {
        n += latency_reset(c->node->latency, (enum latency_event)e);
    }
    for (int i = 2; i < c->argc; i++) {
        enum latency_event e = find_event(&c->argv[i]);

        n += e != LATENCY_EVENTS && latency_reset(c->node->latency, e);
    }
    resp_int(c->reply, n);
}

/* ---- GRAPH ---------------------------------------------------------------------------------- */

#define GRAPH_ROWS 8
#define GRAPH_COLUMNS 64 /* the newest samples */

static void draw_row(struct buf *out, const struct latency_sample *s, size_t n, uint64_t high,
                     unsigned row)
{
    uint64_t floor = high * row / GRAPH_ROWS;

    buf_printf(out, "%10llu |", (unsigned long long)(high * (row + 1) / GRAPH_ROWS));
    for (size_t i = 0; i < n; i++) {
        buf_append(out, s[i].ms > floor || row == 0 ? "#" : " ", 1);
    }
    buf_append(out, "\n", 1);
}

/* Columns are samples from left to right, their height is in ms. */
static void draw_graph(struct cmd *c, enum latency_event e, const struct latency_sample *s,
                       size_t n)
{
    uint64_t high = 0, low = UINT64_MAX;
    int64_t now_s = c->now_ms / 1000;
    struct buf out;

    for (size_t i = 0; i < n; i++) {
        high = MAX_OF(high, s[i].ms);
        low = MIN_OF(low, s[i].ms);
    }
    buf_init(&out);
    buf_printf(&out, "%s - high %llu ms, low %llu ms (all time high %llu ms)\n",
               latency_event_name(e), (unsigned long long)high, (unsigned long long)low,
               (unsigned long long)latency_longest(c->node->latency, e));
    for (unsigned row = GRAPH_ROWS; row-- > 0;) {
        draw_row(&out, s, n, high, row);
    }
    buf_printf(&out, "           from %lld s ago to %lld s ago, %zu samples\n",
               (long long)MAX_OF(now_s - s[0].wall_s, 0),
               (long long)MAX_OF(now_s - s[n - 1].wall_s, 0), n);
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
}

void cmd_latency_graph(struct cmd *c)
{
    enum latency_event e = find_event(&c->argv[2]);
    struct latency_sample samples[LATENCY_SAMPLES];
    size_t n = e == LATENCY_EVENTS ? 0 : latency_samples(c->node->latency, e, samples);
    size_t skip = n > GRAPH_COLUMNS ? n - GRAPH_COLUMNS : 0;

    if (n == 0) {
        resp_errorf(c->reply, "ERR No samples available for event '%.*s'",
                    (int)MIN_OF(c->argv[2].n, 128), c->argv[2].p);
        return;
    }
    draw_graph(c, e, samples + skip, n - skip);
}

/* ---- DOCTOR --------------------------------------------------------------------------------- */

/* What helps against each. */
static const char *const advice[LATENCY_EVENTS] = {
    [LATENCY_COMMAND] =
        "Some commands take long by what they do, or by how much data they are about. SLOWLOG GET "
        "names them; slowlog-log-slower-than should not be above the threshold of this monitor. "
        "Large values can be split up, KEYS and SMEMBERS be replaced by SCAN and SSCAN.",
    [LATENCY_FAST_COMMAND] =
        "Commands that are fast by nature were slow: something else held the thread up. Look for "
        "a machine that is short of CPU time (steal, throttling) or that swaps.",
    [LATENCY_FORK] = "A snapshot begins with a fork, which takes the longer the more memory is in "
                     "use. Huge pages (/sys/kernel/mm/transparent_hugepage) make it worse, and so "
                     "do some virtual machines. A larger snapshot-log-size makes snapshots rarer.",
    [LATENCY_EXPIRE_CYCLE] = "Many keys, or large ones, reach the end of their time together: "
                             "spread their times to live.",
    [LATENCY_EVICTION_CYCLE] = "Memory is at maxmemory and room is made all the time: raise it, "
                               "lower maxmemory-eviction-tenacity, or store less.",
    [LATENCY_EVICTION_DEL] = "Large values are evicted.",
    [LATENCY_DEFRAG_CYCLE] =
        "Memory is moved together in slices that take longer than they should: "
        "lower active-defrag-max-scan-fields.",
    [LATENCY_LOG_SYNC] =
        "The disk takes long to sync the log, and every write waits for a majority of disks. See "
        "log_sync_usec_max in INFO raft; other programs may be writing to the same disk.",
};

static void describe_event(struct buf *out, const struct latency *l, enum latency_event e,
                           unsigned number)
{
    struct latency_sample s[LATENCY_SAMPLES];
    size_t n = latency_samples(l, e, s);
    uint64_t sum = 0, deviation = 0, average;

    for (size_t i = 0; i < n; i++) {
        sum += s[i].ms;
    }
    average = sum / n;
    for (size_t i = 0; i < n; i++) {
        deviation += s[i].ms > average ? s[i].ms - average : average - s[i].ms;
    }
    buf_printf(out,
               "%u. %s: %zu slow seconds (average %llu ms, mean deviation %llu ms, one in %.2f s). "
               "Longest ever: %llu ms.\n   %s\n",
               number, latency_event_name(e), n, (unsigned long long)average,
               (unsigned long long)(deviation / n),
               (double)(s[n - 1].wall_s - s[0].wall_s + 1) / (double)n,
               (unsigned long long)latency_longest(l, e), advice[e]);
}

void cmd_latency_doctor(struct cmd *c)
{
    const struct node *n = c->node;
    unsigned found = 0;
    struct buf out;

    buf_init(&out);
    for (unsigned e = 0; e < LATENCY_EVENTS; e++) {
        struct latency_sample samples[LATENCY_SAMPLES];

        if (latency_samples(n->latency, (enum latency_event)e, samples) > 0) {
            describe_event(&out, n->latency, (enum latency_event)e, ++found);
        }
    }
    if (n->config.latency_monitor_threshold == 0) {
        buf_printf(&out, "Latency monitoring is off: CONFIG SET latency-monitor-threshold "
                         "<milliseconds> turns it on.\n");
    } else if (found == 0) {
        buf_printf(&out, "Nothing took %lld ms or longer since the last reset.\n",
                   (long long)n->config.latency_monitor_threshold);
    }
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
}

void cmd_latency_help(struct cmd *c)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Explain what has held the server up, and what helps.",
        "GRAPH <event>",
        "    Draw the samples of an event.",
        "HISTOGRAM [<command> ...]",
        "    How often these commands (default: all) took up to how many microseconds.",
        "HISTORY <event>",
        "    The samples of an event: times and milliseconds.",
        "LATEST",
        "    The last sample of each event, and the longest ever.",
        "RESET [<event> ...]",
        "    Forget the samples of these events (default: all).",
        NULL,
    };

    cmd_reply_help(c, lines);
}
