/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/defrag.c - see node/defrag.h. */
#include "node/defrag.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/latency.h"
#include "node/memory.h"
#include "node/snapshot.h"

#include <stdlib.h>

#define CHECK_US 1000000     /* how often it is looked at whether there is something to do */
#define SLICE_US 500         /* as a rule */
#define SLICE_MAX_US 1000    /* when the loop was busy with other things for long */
#define SLICE_MIN_US 50      /* less is not worth the wake-up */
#define STEP 64              /* allocations between two looks at the clock */
#define LOOK_US 10000        /* how old what is known of slabs may be */
#define SNAPSHOT_PAUSE_S 0.1 /* looking again whether the child has ended */
/* A walk that closes less than an eighth of the gaps meets what it cannot move. */
#define WORTHWHILE 8
#define REST_US 60000000

struct defrag {
    struct node *node;
    struct memory_mover *mover; /* NULL: never needed so far */
    struct ev_timer timer;      /* of slices; active while it runs */
    int effort;                 /* percent; 0: resting */
    int64_t began_us;           /* to run, one walk or several */
    int64_t sliced_us;          /* end of the last slice */
    int64_t looked_us;
    int64_t checked_us;
    int64_t rest_until_us;
    uint64_t gaps_before; /* bytes, when the walk began */
    uint32_t group;
    struct keyspace_walk walk;
};

/* ---- whether ------------------------------------------------------------------------------- */

struct gaps {
    uint64_t bytes;
    double percent;
};

static struct gaps gaps_now(void)
{
    struct memory_usage m;
    struct gaps g = {0};

    memory_usage(&m);
    if (m.active > m.allocated && m.allocated > 0) {
        g.bytes = m.active - m.allocated;
        g.percent = 100.0 * (double)g.bytes / (double)m.allocated;
    }
    return g;
}

static bool is_above(const struct config *c, struct gaps g)
{
    return g.percent >= (double)c->active_defrag_threshold_lower &&
           g.bytes >= (uint64_t)c->active_defrag_ignore_bytes;
}

/* In proportion between the thresholds. */
static int effort_for(const struct config *c, struct gaps g)
{
    double lower = (double)c->active_defrag_threshold_lower;
    double upper = (double)c->active_defrag_threshold_upper;
    int64_t min = c->active_defrag_cycle_min;
    int64_t max = MAX_OF(c->active_defrag_cycle_max, min);
    double share = upper > lower ? (g.percent - lower) / (upper - lower) : 1;

    share = MIN_OF(MAX_OF(share, 0.0), 1.0);
    return (int)(min + (int64_t)(share * (double)(max - min)));
}

/* ---- beginning and ending ------------------------------------------------------------------ */

static void begin_walk(struct defrag *d, struct gaps g)
{
    keyspace_walk_release(&d->walk);
    d->group = NODE_FIRST_DATA_GROUP;
    d->gaps_before = g.bytes;
    d->effort = effort_for(&d->node->config, g);
}

static void start(struct defrag *d, struct gaps g)
{
    struct node *n = d->node;

    if (d->mover == NULL) {
        d->mover = memory_mover_new();
        if (d->mover == NULL) {
            log_warning("activedefrag: the allocator tells nothing of single allocations");
            d->rest_until_us = INT64_MAX;
            return;
        }
    }
    begin_walk(d, g);
    d->began_us = d->sliced_us = n->now_us;
    d->looked_us = 0;
    log_verbose("defragmentation begins: %llu bytes of gaps, effort %d%%",
                (unsigned long long)g.bytes, d->effort);
    d->timer.repeat = SLICE_US / 1e6;
    ev_timer_again(n->loop, &d->timer);
}

static void stop(struct defrag *d)
{
    struct node *n = d->node;

    n->stats.defrag_us += defrag_running_us(n);
    d->effort = 0;
    d->began_us = 0;
    keyspace_walk_release(&d->walk);
    ev_timer_stop(n->loop, &d->timer);
}

static void end_walk(struct defrag *d)
{
    struct gaps g = gaps_now();
    bool helped = g.bytes <= d->gaps_before - d->gaps_before / WORTHWHILE;

    log_verbose("defragmentation: %llu bytes of gaps were, %llu are left",
                (unsigned long long)d->gaps_before, (unsigned long long)g.bytes);
    if (helped && is_above(&d->node->config, g)) {
        begin_walk(d, g);
        return;
    }
    if (!helped) {
        d->rest_until_us = d->node->now_us + REST_US;
    }
    stop(d);
}

void defrag_cron(struct node *n)
{
    struct defrag *d = n->defrag;
    struct gaps g;
    int effort;

    if (!n->config.activedefrag) {
        if (d->effort > 0) {
            stop(d);
        }
        d->checked_us = d->rest_until_us = 0; /* turned on again, it looks at once */
        return;
    }
    if (n->now_us - d->checked_us < CHECK_US) {
        return;
    }
    d->checked_us = n->now_us;
    if (d->effort == 0 && (n->now_us < d->rest_until_us || snapshot_is_running(n))) {
        return;
    }
    g = gaps_now();
    if (d->effort == 0) {
        if (is_above(&n->config, g)) {
            start(d, g);
        }
        return;
    }
    /* The gaps become less by what it does: it need not become slower. */
    effort = MAX_OF(d->effort, effort_for(&n->config, g));
    effort = MIN_OF(effort, (int)n->config.active_defrag_cycle_max);
    d->effort = MAX_OF(effort, (int)n->config.active_defrag_cycle_min);
}

/* ---- slices -------------------------------------------------------------------------------- */

/* False: the walk is over. */
static bool step(struct defrag *d)
{
    struct node *n = d->node;
    const struct group *g = d->group < n->n_groups ? n->groups[d->group] : NULL;

    if (g != NULL && g->ks != NULL && g->state != GROUP_LOADING &&
        keyspace_relocate(g->ks, &d->walk, memory_mover(d->mover), STEP,
                          (size_t)n->config.active_defrag_max_scan_fields)) {
        return true;
    }
    n->stats.defrag_key_hits += d->walk.key_hits;
    n->stats.defrag_key_misses += d->walk.key_misses;
    keyspace_walk_release(&d->walk);
    d->group++;
    return d->group < n->n_groups;
}

static void count(struct defrag *d)
{
    struct stats *s = &d->node->stats;
    struct mover *m = memory_mover(d->mover);

    s->defrag_hits += m->moved;
    s->defrag_misses += m->kept;
    s->defrag_key_hits += d->walk.key_hits;
    s->defrag_key_misses += d->walk.key_misses;
    m->moved = m->kept = 0;
    d->walk.key_hits = d->walk.key_misses = 0;
}

/* Its share of the time since the last one. */
static int64_t slice_us(const struct defrag *d, int64_t now_us)
{
    int64_t due = (now_us - d->sliced_us) * d->effort / (100 - d->effort);

    return MIN_OF(MAX_OF(due, (int64_t)SLICE_MIN_US), (int64_t)SLICE_MAX_US);
}

static void on_slice(struct ev_loop *loop, struct ev_timer *w, int events)
{
    struct defrag *d = w->data;
    struct node *n = d->node;
    int64_t now_us = clock_boot_us();
    int64_t until_us = now_us + slice_us(d, now_us);
    int64_t began_us = now_us;
    bool more;

    (void)events;
    node_refresh_clocks(n);
    if (snapshot_is_running(n)) {
        w->repeat = SNAPSHOT_PAUSE_S;
        ev_timer_again(loop, w);
        return;
    }
    if (now_us - d->looked_us >= LOOK_US) {
        memory_mover_look(d->mover);
        d->looked_us = now_us;
    }
    do {
        more = step(d);
        now_us = clock_boot_us();
    } while (more && now_us < until_us);
    count(d);
    d->sliced_us = now_us;
    latency_note(n, LATENCY_DEFRAG_CYCLE, now_us - began_us);
    if (!more) {
        end_walk(d);
    }
    if (d->effort > 0) {
        w->repeat = SLICE_US * (100 - d->effort) / (double)d->effort / 1e6;
        ev_timer_again(loop, w);
    }
}

/* ---- life, and figures --------------------------------------------------------------------- */

struct defrag *defrag_new(struct node *n)
{
    struct defrag *d = mem_zalloc(sizeof *d);

    d->node = n;
    buf_init(&d->walk.later);
    ev_init(&d->timer, on_slice);
    d->timer.data = d;
    return d;
}

void defrag_free(struct defrag *d)
{
    if (d == NULL) {
        return;
    }
    keyspace_walk_release(&d->walk);
    memory_mover_free(d->mover);
    free(d);
}

int defrag_effort(const struct node *n) { return n->defrag->effort; }

uint64_t defrag_running_us(const struct node *n)
{
    const struct defrag *d = n->defrag;

    return d->began_us == 0 ? 0 : (uint64_t)(n->now_us - d->began_us);
}
