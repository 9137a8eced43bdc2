/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/group.c - see node/group.h for the states.
 *
 * transition                      function
 *   (nothing) -> LOADING          on_group()
 *   * -> LOADING                  start_loading(): RAFT_EV_INSTALL, or batches gone
 *   LOADING -> FOLLOWING          loaded()
 *   FOLLOWING -> CATCHING_UP      settle_role(): this node leads
 *   CATCHING_UP -> SERVING        settle_role(): serve_from is applied
 *   SERVING -> FOLLOWING          lose_leadership()
 *   SERVING -> UNDECIDED          lose_leadership(), with batches open
 *   UNDECIDED -> FOLLOWING        settle_role(): all batches turned out committed */
#include "node/group.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/block_table.h"
#include "node/exec.h"
#include "node/gate.h"
#include "node/node.h"
#include "node/rdb/rdb.h"
#include "node/snapshot.h"
#include "node/system.h"
#include "node/system_request.h"
#include "node/tracking.h"
#include "node/watch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_SLICE_US 5000
#define ENTRIES_PER_CLOCK 16 /* applied between two looks at the clock */

const char *group_state_name(enum group_state s)
{
    static const char *const names[] = {
        [GROUP_LOADING] = "loading",         [GROUP_FOLLOWING] = "following",
        [GROUP_CATCHING_UP] = "catching-up", [GROUP_SERVING] = "serving",
        [GROUP_UNDECIDED] = "undecided",
    };

    return names[s];
}

struct group *group_new(struct node *n, uint32_t number)
{
    struct group *g = mem_zalloc(sizeof *g);

    g->node = n;
    g->number = number;
    g->state = GROUP_LOADING;
    link_init(&g->unconfirmed);
    link_init(&g->parked);
    for (size_t i = 0; i < GROUP_BATCHES_MAX; i++) {
        link_init(&g->waiting[i]);
    }
    buf_init(&g->batch);
    buf_init(&g->discard);
    g->leaderless_since_us = n->now_us;
    return g;
}

static void clear_queue(struct group *g)
{
    while (g->q_n > 0) {
        raft_event_free(g->queue[g->q_head]);
        g->q_head = (g->q_head + 1) & (g->q_cap - 1);
        g->q_n--;
    }
    g->q_head = 0;
    g->q_entry = 0;
}

void group_free(struct group *g)
{
    if (g == NULL) {
        return;
    }
    clear_queue(g);
    free(g->queue);
    news_release(g);
    rdb_loader_free(g->loader);
    keyspace_free(g->ks);
    buf_release(&g->batch);
    buf_release(&g->discard);
    effect_reader_release(&g->reader);
    free(g);
}

static uint64_t self_number(const struct group *g)
{
    return raft_host_identity(g->node->host)->node;
}

bool group_leader_is_elsewhere(const struct group *g)
{
    return g->leader != 0 && g->leader != self_number(g) && !g->leader_cut;
}

static bool is_leader(const struct group *g) { return g->role == RAFT_ROLE_LEADER; }

/* ---- batches ------------------------------------------------------------------------------- */

void group_log_effect(struct group *g, uint32_t db, const struct arg *argv, size_t argc)
{
    assert(g->state == GROUP_SERVING);
    g->last_effect = g->batch.len == 0 ? 1 : g->batch.len; /* behind the version byte */
    effect_write(&g->batch, 0, db, argv, argc);
    g->batch_effects++;
    if (g->unit_effects++ == 0) {
        g->unit_start = g->last_effect;
    }
    g->all_dirty = group_open_batch(g);
}

void group_unit_begin(struct group *g)
{
    if (g->unit_depth++ == 0) {
        g->unit_effects = 0;
    }
}

void group_unit_end(struct group *g)
{
    assert(g->unit_depth > 0);
    if (--g->unit_depth == 0 && g->unit_effects > 1) {
        effect_add_flags(&g->batch, g->unit_start, EFFECT_UNIT_BEGIN);
        effect_add_flags(&g->batch, g->last_effect, EFFECT_UNIT_END);
    }
}

bool group_is_congested(const struct group *g)
{
    return g->proposed_bytes + g->batch.len + g->news.message_bytes >
           (uint64_t)g->node->config.max_uncommitted_bytes;
}

/* Batches on their way at once. Above it effects gather in the open batch: it costs them no time,
 * since the disk is busy with the batches before, and makes the next sync carry more. */
static bool window_is_full(const struct group *g)
{
    return g->proposed - g->committed >= GROUP_BATCHES_IN_FLIGHT;
}

void group_propose(struct group *g)
{
    struct raft_entry *e;

    if (g->batch.len == 0 || g->state != GROUP_SERVING || window_is_full(g)) {
        return;
    }
    assert(g->batch.len <= RAFT_ENTRY_BYTES_MAX); /* exec_bytes_max() sees to it */
    e = raft_entry_new(RAFT_ENTRY_DATA, (uint32_t)g->batch.len);
    if (e == NULL) {
        log_fatal("group %u: out of memory for a batch of %zu bytes", g->number, g->batch.len);
    }
    memcpy(e->data, buf_head(&g->batch), g->batch.len);
    g->proposed++;
    e->origin = g->proposed;
    e->pos.term = g->term;
    g->sizes[g->proposed % GROUP_BATCHES_MAX] = e->size;
    g->proposed_bytes += e->size;
    g->batch_term = g->term;
    g->node->stats.batches++;
    g->node->stats.batch_bytes += e->size;
    g->node->stats.batch_bytes_max = MAX_OF(g->node->stats.batch_bytes_max, e->size);
    raft_host_propose(g->node->host, g->number, e);
    buf_clear(&g->batch);
    buf_shrink(&g->batch, 1u << 20);
    g->batch_effects = 0;
}

/* Batches up to @number are committed. */
static void commit_batches(struct group *g, uint64_t number)
{
    uint64_t before = g->committed;

    assert(number <= g->proposed);
    for (uint64_t b = before + 1; b <= number; b++) {
        g->proposed_bytes -= g->sizes[b % GROUP_BATCHES_MAX];
    }
    g->committed = number;
    gate_committed(g, before);
    news_committed(g);
    if (g->parking > 0) {
        node_has_work(g->node); /* a transfer or a snapshot waits for this */
    } else if (link_is_in(&g->parked) && !group_is_congested(g)) {
        group_wake_parked(g);
    }
}

/* ---- parking ------------------------------------------------------------------------------- */

void group_park(struct group *g) { g->parking++; }

void group_unpark(struct group *g)
{
    assert(g->parking > 0);
    if (--g->parking == 0) {
        group_wake_parked(g);
    }
}

void group_wake_parked(struct group *g)
{
    struct link now;

    if (!link_is_in(&g->parked)) {
        return;
    }
    now = g->parked;
    now.next->prev = &now;
    now.prev->next = &now;
    link_init(&g->parked);
    while (link_is_in(&now)) {
        struct client *c = CONTAINER_OF(now.next, struct client, park_link);

        link_remove(&c->park_link);
        c->flags &= ~(uint32_t)CLIENT_PARKED;
        client_resume(c);
    }
}

/* ---- loading ------------------------------------------------------------------------------- */

/* Throw the state away and load the snapshot at @pos, then what the log has behind it. */
static void start_loading(struct group *g, struct raft_pos pos)
{
    struct node *n = g->node;
    char path[PATH_MAX];
    int rc;

    clear_queue(g);
    g->feed_epoch = 0;
    g->state = GROUP_LOADING;
    g->load_pos = pos;
    g->snapshot = pos;
    g->load_started_us = n->now_us;
    rdb_loader_free(g->loader);
    g->loader = NULL;
    watch_touch_group(n->watches, g);
    tracking_reset(n);
    raft_host_snapshot_path(n->host, g->number, pos, path);
    rc = rdb_loader_new(path, n->config.rdbchecksum, &g->loader);
    if (rc != RDB_OK) {
        log_fatal("group %u: cannot open snapshot %s: %s", g->number, path, rdb_strerror(rc));
    }
    rdb_loader_set_limits(g->loader, &n->config.types);
    if (g->number != NODE_SYSTEM_GROUP) {
        struct keyspace_config kc = {
            .databases = n->config.cluster_enabled ? 1 : (uint32_t)n->config.databases,
            .by_slot = n->config.cluster_enabled,
            .hash_key = n->hash_key,
        };

        exec_free_later(n, g->ks);
        g->ks = keyspace_new(&kc);
        keyspace_set_lazy(g->ks, exec_free_value_later, n);
    }
    node_has_work(n);
}

/* All batches are settled; what is in memory is what is applied. */
static void forget_batches(struct group *g)
{
    commit_batches(g, g->proposed);
    g->proposed_bytes = 0;
    g->gone_from = 0;
    buf_clear(&g->batch);
    g->batch_effects = 0;
}

static void settle_role(struct group *g);

static void loaded(struct group *g)
{
    const struct rdb_meta *meta = rdb_loader_meta(g->loader);

    if (meta->group != g->number || meta->index != g->load_pos.index) {
        log_fatal("group %u: the snapshot says group %u index %llu, expected index %llu", g->number,
                  meta->group, (unsigned long long)meta->index,
                  (unsigned long long)g->load_pos.index);
    }
    if (g->number == NODE_SYSTEM_GROUP && system_load(g->node, meta->system, meta->system_len)) {
        log_fatal("group %u: the snapshot holds no valid system state", g->number);
    }
    log_notice("group %u: snapshot at %llu loaded, %llu keys in %lld ms", g->number,
               (unsigned long long)g->load_pos.index,
               (unsigned long long)rdb_loader_keys(g->loader),
               (long long)((clock_boot_us() - g->load_started_us) / 1000));
    if (g->number != NODE_SYSTEM_GROUP) {
        g->node->stats.keys_loaded = rdb_loader_keys(g->loader);
    }
    rdb_loader_free(g->loader);
    g->loader = NULL;
    g->applied = g->load_pos.index;
    g->applied_term = g->load_pos.term;
    g->state = GROUP_FOLLOWING;
    raft_host_applied(g->node->host, g->number, g->applied);
    g->feed_epoch = raft_host_feed(g->node->host, g->number, g->applied);
    settle_role(g);
    block_group_changed(g->node->blocks, g);
    group_wake_parked(g);
}

static bool load_some(struct group *g, int64_t budget_us)
{
    struct access_clock clock = node_access_clock(g->node);
    int rc;

    rdb_loader_set_clock(g->loader, &clock);
    rc = rdb_loader_step(g->loader, g->ks, budget_us, 0);
    if (rc < 0) {
        char path[PATH_MAX];

        raft_host_snapshot_path(g->node->host, g->number, g->load_pos, path);
        log_fatal("group %u: the snapshot cannot be loaded: %s: %s. If it was damaged on the disk, "
                  "replace the node as a new member",
                  g->number, path, rdb_loader_error(g->loader));
    }
    if (rc == 0) {
        loaded(g);
    }
    return rc != 0;
}

/* ---- leadership ---------------------------------------------------------------------------- */

/* Some batches are known to be gone: the state in memory is ahead of the log. */
static void rebuild(struct group *g)
{
    log_warning(
        "group %u: %llu batches did not survive the change of leader; state is rebuilt from "
        "the snapshot at %llu and the log",
        g->number, (unsigned long long)(g->proposed - g->committed),
        (unsigned long long)g->snapshot.index);
    gate_batches_gone(g);
    news_gone(g);
    forget_batches(g);
    g->rebuilds++;
    g->node->stats.rebuilds++;
    g->serve_from = MAX_OF(g->serve_from, g->applied);
    start_loading(g, g->snapshot);
}

bool group_reload(struct group *g)
{
    bool idle = g->committed == g->proposed && g->batch.len == 0 && g->parking == 0;

    if ((g->state != GROUP_SERVING && g->state != GROUP_FOLLOWING) || !idle || g->transfer_wanted) {
        return false;
    }
    log_notice("group %u: state is thrown away and loaded again, as asked", g->number);
    g->serve_from = MAX_OF(g->serve_from, g->applied);
    start_loading(g, g->snapshot);
    return true;
}

static void transfer_ended(struct group *g)
{
    if (g->transfer_wanted) {
        g->transfer_wanted = false;
        g->transfer_sent = false;
        group_unpark(g);
    }
}

static void lose_leadership(struct group *g)
{
    assert(g->state == GROUP_SERVING || g->state == GROUP_CATCHING_UP);
    watch_touch_group(g->node->watches, g);
    if (g->state == GROUP_SERVING) {
        gate_reads_lost(g);
    }
    if (g->batch.len > 0) {
        /* Executed but never proposed: gone as soon as those before it are decided. */
        g->proposed++;
        g->sizes[g->proposed % GROUP_BATCHES_MAX] = 0;
        g->gone_from = g->gone_from == 0 ? g->proposed : MIN_OF(g->gone_from, g->proposed);
        buf_clear(&g->batch);
        g->batch_effects = 0;
    }
    g->state = g->committed < g->proposed ? GROUP_UNDECIDED : GROUP_FOLLOWING;
}

/* Bring the state in line with role, batches and what is applied. */
static void settle_role(struct group *g)
{
    if (g->gone_from != 0 && g->committed + 1 >= g->gone_from) {
        rebuild(g);
        return;
    }
    if (g->state == GROUP_UNDECIDED && g->committed == g->proposed) {
        g->state = GROUP_FOLLOWING;
    }
    if (g->state == GROUP_FOLLOWING && is_leader(g)) {
        g->state = GROUP_CATCHING_UP;
    }
    if (g->state == GROUP_CATCHING_UP && g->applied >= g->serve_from) {
        g->state = GROUP_SERVING;
        g->batch_term = g->term;
        log_notice("group %u: leader of term %llu, serving", g->number,
                   (unsigned long long)g->term);
        block_group_serves(g->node->blocks, g);
        group_wake_parked(g);
    }
}

static void on_role(struct group *g, const struct raft_event *e)
{
    bool was_leader = g->state == GROUP_SERVING || g->state == GROUP_CATCHING_UP;
    uint64_t old_leader = g->leader;

    if (was_leader && (e->role != RAFT_ROLE_LEADER || e->term != g->term)) {
        log_notice("group %u: no longer leader of term %llu", g->number,
                   (unsigned long long)g->term);
        g->leader = e->leader; /* redirections already name the new one, if known */
        lose_leadership(g);
    }
    g->role = e->role;
    g->term = e->term;
    g->leader = e->leader;
    if (e->role == RAFT_ROLE_LEADER) {
        g->serve_from = MAX_OF(g->serve_from, e->noop_index);
    }
    if (g->leader != 0) {
        g->last_leader = g->leader;
        g->leaderless_since_us = 0;
    } else if (g->leaderless_since_us == 0) {
        g->leaderless_since_us = g->node->now_us;
    }
    if (g->transfer_wanted && !is_leader(g)) {
        transfer_ended(g);
    }
    settle_role(g);
    if (g->leader != old_leader) {
        g->leader_cut = false;
        gate_redirect_reads(g, false);
        block_leader_changed(g);
        group_wake_parked(g);
        clients_check_blocked(g->node);
        if (g->number == NODE_SYSTEM_GROUP) {
            system_requests_new_leader(g->node);
        }
    }
}

void group_on_peer(struct group *g, uint64_t number, bool up)
{
    if (number == 0 || number != g->leader) {
        return;
    }
    g->leader_cut = !up;
    if (up) {
        group_wake_parked(g);
    }
}

static void on_rejected(struct group *g, uint64_t batch)
{
    if (batch <= g->committed || batch > g->proposed) {
        return; /* settled by a rebuild meanwhile, or of the system group, which numbers apart */
    }
    if (g->state == GROUP_SERVING) {
        /* Raft knows already that it does not lead, or has no room; the effects are in memory and
         * nowhere else. */
        lose_leadership(g);
    }
    g->gone_from = g->gone_from == 0 ? batch : MIN_OF(g->gone_from, batch);
    settle_role(g);
}

bool group_transfer(struct group *g, uint64_t to)
{
    if (g->state != GROUP_SERVING || g->transfer_wanted || to == self_number(g)) {
        return false;
    }
    g->transfer_wanted = true;
    g->transfer_sent = false;
    g->transfer_to = to;
    g->transfer_deadline_us = g->node->now_us + 4 * g->node->config.raft_election_timeout * 1000;
    group_park(g);
    node_has_work(g->node);
    return true;
}

static void advance_transfer(struct group *g)
{
    if (!g->transfer_wanted) {
        return;
    }
    /* Reads that wait for the lease must leave first: a transfer gives it up. */
    if (!g->transfer_sent && g->state == GROUP_SERVING && group_is_settled(g) &&
        !link_is_in(&g->unconfirmed)) {
        g->transfer_sent = true;
        raft_host_transfer(g->node->host, g->number, g->transfer_to);
    }
    if (!g->transfer_sent && g->node->now_us > g->transfer_deadline_us) {
        log_warning("group %u: transfer of leadership given up: batches are not committed in time",
                    g->number);
        transfer_ended(g);
    }
}

/* ---- applying ---------------------------------------------------------------------------------
 */

static void apply_data(struct group *g, const struct raft_entry *e)
{
    struct node *n = g->node;

    if (g->number == NODE_SYSTEM_GROUP) {
        if (system_apply(n, e->data, e->size) != 0) {
            log_fatal("group %u: entry %llu is not a valid command of the system group", g->number,
                      (unsigned long long)e->pos.index);
        }
        return;
    }
    if (exec_apply(g, e->data, e->size) != 0) {
        log_fatal("group %u: entry %llu cannot be applied: the log was written by another version, "
                  "or is damaged in a way its checksum did not show",
                  g->number, (unsigned long long)e->pos.index);
    }
}

/* One committed entry. False: the state is being rebuilt, the rest of the queue is void. */
static bool apply_entry(struct group *g, const struct raft_entry *e)
{
    bool ours = e->origin > g->committed && e->origin <= g->proposed;

    assert(e->pos.index == g->applied + 1);
    if (ours) {
        assert(e->origin == g->committed + 1);
        g->applied = e->pos.index;
        g->applied_term = e->pos.term;
        commit_batches(g, e->origin);
        return true;
    }
    if (g->committed < g->proposed && e->pos.term > g->batch_term) {
        /* The log has gone on in a higher term: nothing of the old one can follow. */
        rebuild(g);
        return false;
    }
    if (e->type == RAFT_ENTRY_DATA) {
        apply_data(g, e);
    }
    g->applied = e->pos.index;
    g->applied_term = e->pos.term;
    return true;
}

/* Apply for about @budget_us; true while the queue is not empty. */
static bool apply_some(struct group *g, int64_t budget_us)
{
    int64_t until = clock_boot_us() + budget_us;
    unsigned n = 0;

    while (g->q_n > 0) {
        struct raft_event *ev = g->queue[g->q_head];

        if (g->q_entry == ev->n_entries) {
            raft_event_free(ev);
            g->q_head = (g->q_head + 1) & (g->q_cap - 1);
            g->q_n--;
            g->q_entry = 0;
            continue;
        }
        if (++n % ENTRIES_PER_CLOCK == 0 && clock_boot_us() >= until) {
            break;
        }
        if (!apply_entry(g, ev->entries[g->q_entry++])) {
            return true;
        }
    }
    raft_host_applied(g->node->host, g->number, g->applied);
    settle_role(g);
    return g->q_n > 0;
}

static void enqueue(struct group *g, struct raft_event *e)
{
    if (g->q_n == g->q_cap) {
        size_t cap = g->q_cap == 0 ? 16 : g->q_cap * 2;
        struct raft_event **q = mem_alloc(cap * sizeof q[0]);

        for (size_t i = 0; i < g->q_n; i++) {
            q[i] = g->queue[(g->q_head + i) & (g->q_cap - 1)];
        }
        free(g->queue);
        g->queue = q;
        g->q_cap = cap;
        g->q_head = 0;
    }
    g->queue[(g->q_head + g->q_n++) & (g->q_cap - 1)] = e;
}

bool group_work(struct group *g, int64_t budget_us)
{
    bool more = false;

    if (g->state == GROUP_LOADING) {
        more = g->loader != NULL && load_some(g, MIN_OF(budget_us, LOAD_SLICE_US));
    } else if (g->q_n > 0) {
        more = apply_some(g, budget_us);
    }
    advance_transfer(g);
    return more || (g->state == GROUP_LOADING && g->loader != NULL);
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void on_group(struct node *n, const struct raft_event *e)
{
    struct group *g;

    if (e->group >= NODE_GROUPS_MAX) {
        log_fatal("the log holds a group %u, which this version does not know", e->group);
    }
    assert(n->groups[e->group] == NULL);
    g = group_new(n, e->group);
    n->groups[e->group] = g;
    n->n_groups = MAX_OF(n->n_groups, e->group + 1);
    start_loading(g, e->pos);
}

void group_on_event(struct node *n, struct raft_event *e)
{
    struct group *g = e->group < NODE_GROUPS_MAX ? n->groups[e->group] : NULL;

    if (e->type == RAFT_EV_GROUP) {
        on_group(n, e);
        raft_event_free(e);
        return;
    }
    if (e->type == RAFT_EV_DISK_FULL) { /* one log for all groups */
        for (size_t i = 0; i < n->n_groups; i++) {
            if (n->groups[i] != NULL) {
                n->groups[i]->disk_full = e->full;
            }
        }
        raft_event_free(e);
        return;
    }
    if (g == NULL) {
        raft_event_free(e);
        return;
    }
    switch (e->type) {
    case RAFT_EV_COMMITTED:
        if (g->feed_epoch != 0 && e->epoch == g->feed_epoch) {
            enqueue(g, e);
            if (apply_some(g, GROUP_APPLY_SLICE_US)) {
                node_has_work(n);
            }
            return; /* the queue has it */
        }
        break;
    case RAFT_EV_REJECTED:
        on_rejected(g, e->token);
        break;
    case RAFT_EV_ROLE:
        on_role(g, e);
        break;
    case RAFT_EV_INSTALL:
        log_notice("group %u: a snapshot at %llu came from the leader", g->number,
                   (unsigned long long)e->pos.index);
        if (g->committed < g->proposed) {
            /* They may be in the snapshot or not: nobody here can tell any more. */
            gate_batches_unknown(g);
            news_gone(g);
            forget_batches(g);
        }
        start_loading(g, e->pos);
        break;
    case RAFT_EV_READ_OK:
        g->read_confirmed = MAX_OF(g->read_confirmed, e->token);
        gate_recheck(g);
        break;
    case RAFT_EV_READ_LOST:
        break; /* RAFT_EV_ROLE redirects them */
    case RAFT_EV_TRANSFER_FAILED:
        log_warning("group %u: leadership could not be transferred", g->number);
        transfer_ended(g);
        clients_check_blocked(n);
        break;
    case RAFT_EV_SNAPSHOT_PUBLISHED:
        g->snapshot = e->pos;
        break;
    case RAFT_EV_SNAPSHOT_WANTED:
        snapshot_ask(g, false);
        break;
    default:
        break;
    }
    raft_event_free(e);
}
