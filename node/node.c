/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/node.c - the exec thread's loop.
 *
 * One turn: sockets are read and commands executed; then, before the loop sleeps (on_prepare):
 *   1. clients that may go on again do;
 *   2. what is open in the groups becomes batches, proposed to Raft;
 *   3. what others are told is sent, gates are decided and output is written;
 *   4. sliced work goes on for a bounded time, and what it brings leaves as well.
 * Batches leave before replies are written, so that disk and network start early. */
#include "node/node.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/acl.h"
#include "node/block_table.h"
#include "node/defrag.h"
#include "node/evict.h"
#include "node/exec.h"
#include "node/gate.h"
#include "node/latency.h"
#include "node/memory.h"
#include "node/pubsub.h"
#include "node/script/scripts.h"
#include "node/slowlog.h"
#include "node/snapshot.h"
#include "node/system.h"
#include "node/system_request.h"
#include "node/tracking.h"
#include "node/watch.h"
#include "proto/publish.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS_CAPACITY (1u << 16)
#define BG_THREADS 3 /* two may be busy with snapshot streams while one frees memory */
#define WORK_SLICE_US 5000
#define EXPIRE_SLICE_US 2000
#define UPKEEP_STEPS 200
#define DEADLINE_CHECK_S 0.01
#define DESCRIPTORS_RESERVED 64 /* beside the clients' */

void node_refresh_clocks(struct node *n)
{
    n->now_us = clock_boot_us();
    n->now_wall_ms = clock_wall_ms();
}

void node_has_work(struct node *n)
{
    if (!ev_is_active(&n->idle)) {
        ev_idle_start(n->loop, &n->idle);
    }
}

/* ---- a turn -------------------------------------------------------------------------------------
 */

static void on_check(struct ev_loop *loop, struct ev_check *w, int events)
{
    (void)loop;
    (void)events;
    node_refresh_clocks(w->data);
}

static void propose_all(struct node *n)
{
    for (size_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            group_propose(n->groups[i]);
        }
    }
    if (raft_host_flush(n->host)) {
        chan_run(n->events);
    }
}

/* Messages and invalidations that were gathered. */
static void tell_all(struct node *n)
{
    tracking_flush(n);
    pubsub_flush(n);
}

static bool work_some(struct node *n)
{
    bool more = false;

    for (size_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            more |= group_work(n->groups[i], WORK_SLICE_US);
        }
    }
    snapshot_advance(n);
    return more;
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *w, int events)
{
    struct node *n = w->data;

    (void)events;
    block_serve(n);
    clients_run_resumed(n);
    propose_all(n);
    tell_all(n);
    clients_flush(n);
    if (ev_is_active(&n->idle) && !work_some(n)) {
        ev_idle_stop(loop, &n->idle);
    }
    block_serve(n); /* what the work has brought */
    propose_all(n);
    tell_all(n);
    clients_flush(n);
    if (link_is_in(&n->clients.resumed)) {
        node_has_work(n);
    }
    if (n->signal_waits) {
        n->signal_waits = false;
        node_shutdown(n);
    }
    if (n->shutdown_asked && node_shutdown_advance(n)) {
        block_end_all(n);
        clients_flush(n);
        ev_break(loop, EVBREAK_ALL);
    }
}

/* Keeps the loop from sleeping; the work itself is done in on_prepare(). */
static void on_idle(struct ev_loop *loop, struct ev_idle *w, int events)
{
    (void)loop;
    (void)w;
    (void)events;
}

static void tell_groups(struct node *n, const struct raft_event *e)
{
    for (size_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            group_on_peer(n->groups[i], e->peer.identity.node, e->type == RAFT_EV_PEER_UP);
        }
    }
}

static void on_events(void *arg, void **messages, size_t count)
{
    struct node *n = arg;

    node_refresh_clocks(n);
    for (size_t i = 0; i < count; i++) {
        struct raft_event *e = messages[i];

        switch (e->type) {
        case RAFT_EV_PEER_UP:
        case RAFT_EV_PEER_DOWN:
            tell_groups(n, e);
            system_on_peer_event(n, e);
            raft_event_free(e);
            break;
        case RAFT_EV_PEER_DATA:
            if (publish_is_frame(e->data, e->size)) {
                pubsub_on_frame(n, e);
            } else {
                system_on_peer_event(n, e);
            }
            raft_event_free(e);
            break;
        default:
            group_on_event(n, e);
            break;
        }
    }
}

/* ---- cron ---------------------------------------------------------------------------------- */

/* Many keys may be due at once: a slice every DEADLINE_CHECK_S, about a fifth of the time, until
 * they are gone. */
static void expire_some(struct node *n)
{
    n->expire_more = false;
    for (size_t i = 0; i < n->n_groups && n->config.active_expire; i++) {
        struct group *g = n->groups[i];

        n->expire_more |= g != NULL && g->ks != NULL && exec_expire(g, EXPIRE_SLICE_US);
    }
}

static void work_of_cron(struct node *n)
{
    node_refresh_clocks(n);
    clients_cron(n);
    gate_expire(n);
    system_cron(n);
    acl_cron(n);
    stats_sample(&n->stats, n->now_us);
    slowlog_cron(n);
    latency_cron(n);
    expire_some(n);
    evict_cron(n);
    defrag_cron(n);
    tracking_cron(n);
    for (size_t i = 0; i < n->n_groups; i++) {
        struct group *g = n->groups[i];

        if (g != NULL && g->ks != NULL) {
            if (n->config.activerehashing) {
                (void)keyspace_upkeep(g->ks, UPKEEP_STEPS);
            }
        }
    }
    snapshot_advance(n);
}

static void on_cron(struct ev_loop *loop, struct ev_timer *w, int events)
{
    struct node *n = w->data;

    (void)events;
    if (!n->config.cron_paused) {
        work_of_cron(n);
    }
    w->repeat = 1.0 / (double)n->config.hz;
    ev_timer_again(loop, w);
}

static void on_retry(struct ev_loop *loop, struct ev_timer *w, int events)
{
    struct node *n = w->data;

    (void)loop;
    (void)events;
    node_refresh_clocks(n);
    clients_check_deadlines(n);
    if (n->expire_more && !n->config.cron_paused) {
        expire_some(n);
    }
}

/* ---- signals ---------------------------------------------------------------------------------
 *
 * They are read from a descriptor instead of being delivered, so that a long script can look for
 * them, too. */

static void on_signal(struct node *n, int signal)
{
    if (n->shutdown_asked || n->signal_waits) {
        log_warning("second signal %d: exiting now", signal);
        _exit(1); /* the log is safe at any moment */
    }
    log_notice("signal %d: shutting down", signal);
    n->shutdown_signal = signal;
    n->shutdown_deadline_us = clock_boot_us() + n->config.shutdown_timeout * 1000000;
    n->signal_waits = true;
}

static void read_signals(struct node *n)
{
    struct signalfd_siginfo info;

    while (read(n->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        on_signal(n, (int)info.ssi_signo);
    }
}

static void on_signals(struct ev_loop *loop, struct ev_io *w, int events)
{
    (void)loop;
    (void)events;
    read_signals(w->data);
}

bool node_is_to_stop(struct node *n, int64_t *deadline_us)
{
    read_signals(n);
    *deadline_us = n->shutdown_deadline_us;
    return n->signal_waits || n->shutdown_asked;
}

/* Before any thread is started, so that none of them gets these signals. */
static int take_signals(struct node *n)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    n->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return n->signal_fd < 0 ? -1 : 0;
}

/* ---- shutting down ------------------------------------------------------------------------- */

static bool has_other_voters(const struct node *n, struct group *g)
{
    struct raft_members m;

    if (g == NULL || g->state != GROUP_SERVING) {
        return false;
    }
    raft_host_members(n->host, g->number, &m);
    for (uint32_t i = 0; i < m.n; i++) {
        if ((m.m[i].flags & RAFT_MEMBER_VOTER) && m.m[i].id != raft_host_identity(n->host)->node) {
            return true;
        }
    }
    return false;
}

void node_shutdown(struct node *n)
{
    if (n->shutdown_asked) {
        return;
    }
    n->shutdown_asked = true;
    n->shutdown_deadline_us = n->now_us + n->config.shutdown_timeout * 1000000;
    for (size_t i = 0; i < n->n_groups; i++) {
        if (has_other_voters(n, n->groups[i])) {
            log_notice("group %zu: handing leadership over before the shutdown", i);
            if (!group_transfer(n->groups[i], 0)) {
                log_notice("group %zu: a transfer is under way already", i);
            }
        }
    }
    node_has_work(n);
}

bool node_shutdown_advance(struct node *n)
{
    bool busy = false;

    node_has_work(n);
    for (size_t i = 0; i < n->n_groups; i++) {
        struct group *g = n->groups[i];

        busy |= g != NULL && (g->transfer_wanted || g->committed < g->proposed);
    }
    if (busy && n->now_us < n->shutdown_deadline_us) {
        return false;
    }
    if (busy) {
        log_warning(
            "shutting down although not all writes are decided: their clients get no reply");
    }
    return true;
}

/* ---- birth and death ----------------------------------------------------------------------- */

void node_self_addr(const struct config *c, struct net_addr *out)
{
    const char *p = c->cluster_nodes;
    uint16_t port = (uint16_t)(c->peer_port != 0 ? c->peer_port : c->port + 10000);

    *out = (struct net_addr){.port = port};
    if (c->peer_announce_ip[0] != '\0') {
        snprintf(out->host, sizeof out->host, "%s", c->peer_announce_ip);
        return;
    }
    /* The list's only entry with our port, if the choice is clear; else the first bind address. */
    size_t found = 0;
    struct net_addr a;

    while (*p != '\0') {
        size_t len = strcspn(p, " ,");

        if (len > 0 && net_addr_parse(p, len, &a) == 0 && a.port == port) {
            *out = a;
            found++;
        }
        p += len;
        p += strspn(p, " ,");
    }
    if (found == 1) {
        return;
    }
    snprintf(out->host, sizeof out->host, "%s",
             c->bind[0] != NULL && c->bind[0][0] != '*' && c->bind[0][0] != '-' ? c->bind[0]
                                                                                : "127.0.0.1");
    out->port = port;
}

static int open_host(struct node *n)
{
    static const enum raft_durability durability[] = {
        [APPENDFSYNC_ALWAYS] = RAFT_DURABLE_ALWAYS,
        [APPENDFSYNC_EVERYSEC] = RAFT_DURABLE_EVERYSEC,
        [APPENDFSYNC_NO] = RAFT_DURABLE_NO,
    };
    const struct config *c = &n->config;
    size_t n_bind = 0;
    int rc;

    while (c->bind[n_bind] != NULL) {
        n_bind++;
    }

    struct raft_host_config hc = {
        .dir = c->dir,
        .bind = (const char *const *)c->bind,
        .n_bind = n_bind,
        .durability = durability[c->appendfsync],
        .heartbeat_us = c->raft_heartbeat_interval * 1000,
        .election_timeout_us = c->raft_election_timeout * 1000,
        .lease_drift_ppm = (uint32_t)c->raft_lease_drift,
        .segment_bytes = (uint64_t)c->log_segment_size,
        .ballast_bytes = (uint64_t)c->log_ballast_size,
        .uncommitted_bytes_max = 2 * (uint64_t)c->max_uncommitted_bytes,
        .snapshot_rate_bytes = (uint64_t)c->snapshot_transfer_rate,
        .snapshot_log_bytes = (uint64_t)c->snapshot_log_size,
        .feature_level = CLUSTER_FEATURE_LEVEL,
        .bg = n->bg,
        .events = n->events,
    };

    node_self_addr(c, &hc.self);
    rc = raft_host_new(&hc, &n->host);
    if (rc != RAFT_HOST_OK) {
        log_warning("data directory %s: %s", c->dir, raft_host_strerror(rc));
        return -1;
    }
    return 0;
}

/* Descriptors for maxclients, or fewer clients. */
static void raise_descriptor_limit(struct config *c)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)c->maxclients + DESCRIPTORS_RESERVED;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = MIN_OF(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        c->maxclients = (int64_t)limit.rlim_cur - DESCRIPTORS_RESERVED;
        log_warning("maxclients is %lld: no more descriptors are allowed (ulimit -n)",
                    (long long)c->maxclients);
    }
}

static void start_watchers(struct node *n)
{
    struct ev_loop *loop = n->loop;

    ev_prepare_init(&n->prepare, on_prepare);
    ev_check_init(&n->check, on_check);
    ev_idle_init(&n->idle, on_idle);
    ev_timer_init(&n->cron, on_cron, 0.001, 1.0 / (double)n->config.hz);
    ev_timer_init(&n->retry, on_retry, DEADLINE_CHECK_S, DEADLINE_CHECK_S);
    ev_io_init(&n->signals, on_signals, n->signal_fd, EV_READ);
    n->prepare.data = n->check.data = n->idle.data = n->cron.data = n->retry.data = n;
    n->signals.data = n;
    ev_prepare_start(loop, &n->prepare);
    ev_check_start(loop, &n->check);
    ev_timer_start(loop, &n->cron);
    ev_timer_start(loop, &n->retry);
    ev_io_start(loop, &n->signals);
}

static void init_clients(struct clients *c)
{
    link_init(&c->all);
    link_init(&c->dirty);
    link_init(&c->closing);
    link_init(&c->blocked);
    link_init(&c->held);
    link_init(&c->paused);
    link_init(&c->unrouted);
    link_init(&c->monitors);
    link_init(&c->resumed);
}

int node_start(struct node *n)
{
    uint64_t seed;

    if (take_signals(n) != 0) {
        log_warning("cannot read signals from a descriptor");
        return -1;
    }
    if (!memory_purge_aside()) {
        log_verbose("the allocator has no thread of its own to give memory back");
    }
    node_refresh_clocks(n);
    n->start_us = n->now_us;
    n->start_wall_ms = n->now_wall_ms;
    rand_bytes(&seed, sizeof seed);
    rng_init(&n->rng, seed);
    rand_bytes(&n->hash_key, sizeof n->hash_key);
    rand_hex(n->run_id, 40);
    raise_descriptor_limit(&n->config);
    stats_init(&n->stats);
    init_clients(&n->clients);
    n->watches = watch_table_new();
    n->blocks = block_table_new();
    n->pubsub = pubsub_new(n);
    n->tracking = tracking_new();
    n->evict = evict_new();
    n->defrag = defrag_new(n);
    n->scripts = scripts_new(n);
    if (n->scripts == NULL) {
        log_warning("no memory for scripts");
        return -1;
    }
    n->slowlog = slowlog_new();
    n->latency = latency_new();
    n->requests = system_requests_new();
    n->snapshotter = snapshotter_new(n);
    n->loop = ev_default_loop(EVFLAG_NOENV);
    if (n->loop == NULL) {
        log_warning("libev finds no usable event backend");
        return -1;
    }
    n->bg = worker_new(BG_THREADS, "bg");
    n->events = chan_new(EVENTS_CAPACITY);
    if (open_host(n) != 0 || system_new(n) != 0 || acl_new(n) != 0 || clients_listen(n) != 0) {
        return -1;
    }
    chan_attach(n->events, n->loop, on_events, n);
    start_watchers(n);
    if (raft_host_start(n->host) != RAFT_HOST_OK) {
        return -1;
    }
    system_start(n);
    return 0;
}

void node_run(struct node *n)
{
    log_notice("ready for clients on port %lld", (long long)n->config.port);
    ev_run(n->loop, 0);
}

void node_stop(struct node *n)
{
    if (n->loop != NULL) {
        clients_close_all(n);
    }
    snapshotter_free(n->snapshotter);
    raft_host_free(n->host);
    for (size_t i = 0; i < n->n_groups; i++) {
        group_free(n->groups[i]);
    }
    worker_free(n->bg);
    if (n->events != NULL) {
        void *left;

        chan_detach(n->events);
        while (chan_take(n->events, &left, 1) == 1) {
            raft_event_free(left);
        }
        chan_free(n->events);
    }
    system_requests_free(n->requests);
    acl_free(n->acl);
    system_free(n);
    slowlog_free(n->slowlog);
    latency_free(n->latency);
    watch_table_free(n->watches);
    block_table_free(n->blocks);
    pubsub_free(n->pubsub);
    tracking_free(n->tracking);
    hmap_release(&n->clients.by_id);
    evict_free(n->evict);
    defrag_free(n->defrag);
    scripts_free(n->scripts);
    stats_release(&n->stats);
    config_release(&n->config);
    free(n->config_file);
    free(n->executable);
    if (n->signal_fd >= 0) {
        close(n->signal_fd);
    }
}
