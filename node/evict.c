/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/evict.c - see node/evict.h.
 *
 * What the process holds is asked of the allocator ten times a second, since that takes its time;
 * in between the exec thread's own allocations are added, which the allocator counts for each
 * thread.
 *
 * Which key goes is decided by samples: of a few keys the best candidates are kept in a small pool,
 * across evictions, so that the choice gets better than the samples of one round alone. */
#include "node/evict.h"

#include "base/clock.h"
#include "base/mem.h"
#include "node/access.h"
#include "node/effects.h"
#include "node/latency.h"
#include "node/memory.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <stdlib.h>
#include <string.h>

#define POOL_SIZE 16u
#define REFRESH_US 100000
#define REFRESH_ABOVE_US 1000 /* close to the limit the truth is worth its price */
#define KEYS_PER_CLOCK 16u
#define CRON_BUDGET_US 2000
#define ITEM_SAMPLES 5 /* elements looked at to tell a value's size */

struct candidate {
    uint32_t group, db;
    uint64_t score; /* the higher, the sooner it goes */
    char *key;
    size_t n;
};

struct evict {
    int64_t refreshed_us;
    uint64_t allocated;               /* by the allocator, then */
    int64_t own;                      /* memory_of_thread(), then */
    uint64_t not_counted;             /* then */
    uint64_t freed_elsewhere;         /* handed to other threads since */
    int64_t above_since_us;           /* 0: not above the limit */
    int64_t above_total_us;           /* before this time */
    struct candidate pool[POOL_SIZE]; /* by score, rising */
    size_t n_pool;
    uint32_t turn; /* the database, of those of all groups, from which a random key went last */
};

struct evict *evict_new(void) { return mem_zalloc(sizeof(struct evict)); }

static void drop(struct evict *e, size_t i)
{
    free(e->pool[i].key);
    memmove(&e->pool[i], &e->pool[i + 1], (--e->n_pool - i) * sizeof e->pool[0]);
}

void evict_free(struct evict *e)
{
    if (e == NULL) {
        return;
    }
    while (e->n_pool > 0) {
        drop(e, e->n_pool - 1);
    }
    free(e);
}

/* ---- what counts --------------------------------------------------------------------------- */

/* Entries that Raft keeps for followers, and effects on their way into the log. */
static uint64_t replication_bytes(struct node *n)
{
    uint64_t sum = raft_host_cached_bytes(n->host);

    for (uint32_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            sum += n->groups[i]->batch.cap;
        }
    }
    return sum;
}

static void refresh(struct node *n)
{
    struct evict *e = n->evict;

    e->refreshed_us = n->now_us;
    e->allocated = memory_allocated();
    e->own = memory_of_thread();
    if (worker_pending(n->bg) == 0) {
        e->freed_elsewhere = 0;
    }
}

static uint64_t used(struct node *n, int64_t max_age_us)
{
    struct evict *e = n->evict;
    int64_t bytes;

    if (e->refreshed_us == 0 || n->now_us - e->refreshed_us > max_age_us) {
        refresh(n);
    }
    bytes = (int64_t)e->allocated + memory_of_thread() - e->own - (int64_t)replication_bytes(n) -
            (int64_t)e->freed_elsewhere;
    return bytes > 0 ? (uint64_t)bytes : 0;
}

uint64_t evict_used(struct node *n) { return used(n, REFRESH_US); }

uint64_t evict_not_counted(struct node *n) { return replication_bytes(n); }

void evict_freed_elsewhere(struct node *n, size_t bytes) { n->evict->freed_elsewhere += bytes; }

/* ---- who goes ------------------------------------------------------------------------------ */

/* The access clock is asked through a command, as handlers do. */
static uint64_t score_of(struct node *n, struct group *g, const struct item *it, unsigned policy)
{
    struct cmd c = {.node = n, .group = g, .ks = g->ks, .now_ms = n->now_wall_ms};

    if (policy & EVICT_TTL) {
        return UINT64_MAX - (uint64_t)keyspace_expire_at(g->ks, it);
    }
    if (policy & EVICT_LFU) {
        return 255 - (uint64_t)cmd_access_freq(&c, item_access(it));
    }
    return (uint64_t)cmd_access_idle(&c, item_access(it));
}

static bool is_in_pool(const struct evict *e, uint32_t group, uint32_t db, const struct arg *key)
{
    for (size_t i = 0; i < e->n_pool; i++) {
        const struct candidate *p = &e->pool[i];

        if (p->group == group && p->db == db && p->n == key->n &&
            memcmp(p->key, key->p, key->n) == 0) {
            return true;
        }
    }
    return false;
}

static void offer(struct evict *e, uint32_t group, uint32_t db, const struct item *it,
                  uint64_t score)
{
    struct arg key = item_key(it);
    size_t at = e->n_pool;

    if (is_in_pool(e, group, db, &key)) {
        return;
    }
    while (at > 0 && e->pool[at - 1].score > score) {
        at--;
    }
    if (e->n_pool == POOL_SIZE) {
        if (at == 0) {
            return; /* worse than all that are there */
        }
        drop(e, 0);
        at--;
    }
    memmove(&e->pool[at + 1], &e->pool[at], (e->n_pool - at) * sizeof e->pool[0]);
    e->pool[at] = (struct candidate){group, db, score, mem_dup(key.p, key.n), key.n};
    e->n_pool++;
}

static struct item *sample(struct node *n, struct group *g, uint32_t db, unsigned policy)
{
    uint64_t random = rng_next(&n->rng);

    return policy & EVICT_ALL_KEYS ? keyspace_random(g->ks, db, random)
                                   : keyspace_random_expiring(g->ks, db, random);
}

static bool may_evict(const struct group *g)
{
    return g != NULL && g->ks != NULL && group_serves(g) && !g->disk_full;
}

static void fill_pool(struct node *n, unsigned policy)
{
    for (uint32_t i = 0; i < n->n_groups; i++) {
        struct group *g = n->groups[i];

        for (uint32_t db = 0; may_evict(g) && db < keyspace_databases(g->ks); db++) {
            for (int64_t s = 0; s < n->config.maxmemory_samples; s++) {
                struct item *it = sample(n, g, db, policy);

                if (it == NULL) {
                    break;
                }
                offer(n->evict, i, db, it, score_of(n, g, it, policy));
            }
        }
    }
}

struct victim {
    struct group *g;
    uint32_t db;
    struct item *it;
};

/* The best of the pool that is still there. */
static bool take_from_pool(struct node *n, unsigned policy, struct victim *out)
{
    struct evict *e = n->evict;

    while (e->n_pool > 0) {
        struct candidate *p = &e->pool[e->n_pool - 1];
        struct group *g = n->groups[p->group];
        struct item *it = NULL;

        if (may_evict(g) && p->db < keyspace_databases(g->ks)) {
            struct key k = keyspace_key(g->ks, p->key, p->n);

            it = keyspace_find(g->ks, p->db, &k);
        }
        *out = (struct victim){g, p->db, it};
        drop(e, e->n_pool - 1);
        if (it != NULL && ((policy & EVICT_ALL_KEYS) != 0 ||
                           keyspace_expire_at(g->ks, it) != KEYSPACE_NO_EXPIRE)) {
            return true;
        }
    }
    return false;
}

/* Any key: of the database whose turn it is, or the next one that has some. Those of all groups
 * have one turn each, however many keys are in them. */
static bool take_random(struct node *n, unsigned policy, struct victim *out)
{
    uint32_t dbs = n->config.cluster_enabled ? 1 : (uint32_t)n->config.databases;
    uint32_t turns = n->n_groups * dbs;

    for (uint32_t i = 0; i < turns; i++) {
        uint32_t turn = ++n->evict->turn % turns;
        struct group *g = n->groups[turn / dbs];
        struct item *it = may_evict(g) ? sample(n, g, turn % dbs, policy) : NULL;

        if (it != NULL) {
            *out = (struct victim){g, turn % dbs, it};
            return true;
        }
    }
    return false;
}

static bool choose(struct node *n, unsigned policy, struct victim *out)
{
    if (policy & EVICT_RANDOM) {
        return take_random(n, policy, out);
    }
    fill_pool(n, policy);
    return take_from_pool(n, policy, out);
}

/* Delete it, with its effect. Returns the bytes it took. */
static size_t evict(struct node *n, const struct victim *v)
{
    struct resp_out discard = {.buf = &v->g->discard, .version = 2};
    struct cmd cmd = {
        .node = n,
        .group = v->g,
        .ks = v->g->ks,
        .db = v->db,
        .slot = -1,
        .now_ms = n->now_wall_ms,
        .reply = &discard,
    };
    size_t bytes = keyspace_item_bytes(v->g->ks, v->it, ITEM_SAMPLES);
    struct arg name = item_key(v->it);
    char *copy = mem_dup(name.p, name.n); /* the item goes before its effect is written */
    struct key k = keyspace_key(v->g->ks, copy, name.n);

    access_delete(&cmd, &k, v->it);
    effect_del(&cmd, &k);
    notify(&cmd, NOTIFY_EVICTED, "evicted", &k);
    free(copy);
    n->stats.evicted_keys++;
    return bytes;
}

/* ---- making room --------------------------------------------------------------------------- */

static bool is_congested(const struct node *n)
{
    for (uint32_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL && group_is_congested(n->groups[i])) {
            return true;
        }
    }
    return false;
}

/* Delete @v, on the latency monitor's clock when there is one. */
static size_t evict_watched(struct node *n, const struct victim *v)
{
    int64_t before;
    size_t bytes;

    if (LIKELY(n->config.latency_monitor_threshold == 0)) {
        return evict(n, v);
    }
    before = clock_boot_us();
    bytes = evict(n, v);
    latency_note(n, LATENCY_EVICTION_DEL, clock_boot_us() - before);
    return bytes;
}

static enum evict_result evict_until_room(struct node *n, int64_t budget_us)
{
    uint64_t limit = (uint64_t)n->config.maxmemory;
    unsigned policy = (unsigned)n->config.maxmemory_policy;
    uint64_t have = used(n, REFRESH_US);
    int64_t until;
    uint64_t freed = 0;
    unsigned done = 0;

    if (LIKELY(have <= limit)) {
        return EVICT_OK;
    }
    have = used(n, REFRESH_ABOVE_US);
    until = clock_boot_us() + budget_us;
    while (have > limit + freed) {
        struct victim v;

        if (policy & EVICT_NOTHING) {
            return EVICT_FAILED;
        }
        if (is_congested(n)) {
            return EVICT_RUNNING; /* commits make room for more effects */
        }
        if (!choose(n, policy, &v)) {
            return n->evict->freed_elsewhere > 0 ? EVICT_RUNNING : EVICT_FAILED;
        }
        freed += evict_watched(n, &v);
        if (++done % KEYS_PER_CLOCK == 0 && clock_boot_us() > until) {
            return EVICT_RUNNING;
        }
    }
    return EVICT_OK;
}

static enum evict_result make_room(struct node *n, int64_t budget_us)
{
    enum evict_result r;
    int64_t before;

    if (LIKELY(n->config.latency_monitor_threshold == 0)) {
        return evict_until_room(n, budget_us);
    }
    before = clock_boot_us();
    r = evict_until_room(n, budget_us);
    latency_note(n, LATENCY_EVICTION_CYCLE, clock_boot_us() - before);
    return r;
}

static enum evict_result note_result(struct node *n, enum evict_result r)
{
    struct evict *e = n->evict;

    if (r != EVICT_OK && e->above_since_us == 0) {
        e->above_since_us = n->now_us;
    } else if (r == EVICT_OK && e->above_since_us != 0) {
        e->above_total_us += n->now_us - e->above_since_us;
        e->above_since_us = 0;
    }
    return r;
}

uint64_t evict_exceeded_ms(const struct node *n, bool total)
{
    const struct evict *e = n->evict;
    int64_t us = e->above_since_us == 0 ? 0 : n->now_us - e->above_since_us;

    return (uint64_t)(us + (total ? e->above_total_us : 0)) / 1000;
}

/* As Redis's: up to 10 grows slowly in microseconds, then by 15 % for each step, 100: no limit. */
static int64_t tenacity_us(const struct node *n)
{
    int64_t tenacity = n->config.maxmemory_eviction_tenacity;
    double us = 500;

    if (tenacity <= 10) {
        return 50 * tenacity;
    }
    if (tenacity >= 100) {
        return INT64_MAX / 2;
    }
    for (int64_t i = 10; i < tenacity; i++) {
        us *= 1.15;
    }
    return (int64_t)us;
}

enum evict_result evict_make_room(struct node *n)
{
    if (LIKELY(n->config.maxmemory == 0) || clients_are_paused(n)) {
        return EVICT_OK;
    }
    return note_result(n, make_room(n, tenacity_us(n)));
}

void evict_cron(struct node *n)
{
    if (clients_are_paused(n)) {
        return;
    }
    /* What is left the next call goes on with. */
    (void)note_result(n, n->config.maxmemory > 0 ? make_room(n, CRON_BUDGET_US) : EVICT_OK);
}
