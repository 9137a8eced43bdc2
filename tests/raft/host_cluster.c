/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/host_cluster.c - see host_cluster.h. */
#include "tests/test.h"

#include "tests/raft/host_cluster.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CLUSTER_ID "c0ffee0000000000000000000000000000000001"

struct ids {
    uint64_t *v;
    size_t n, cap;
};

struct tgroup {
    uint32_t number;
    struct tgroup_view view;
    struct ids values; /* applied, in order */
    struct ids acked;  /* for ever */
    uint64_t epoch, applied_term, noop, next_id, in_flight;
    struct raft_pos snapshot;
    /* asked for by the test */
    unsigned window;
    uint32_t bytes;
    bool want_snapshot, want_transfer, want_change, want_read;
    uint64_t transfer_to;
    struct raft_members change;
};

struct tnode {
    struct tcluster *cluster;
    size_t index;
    char dir[128];
    bool running;
    pthread_t thread;
    struct ev_loop *loop;
    struct ev_timer tick;
    struct ev_prepare prepare;
    struct chan *events;
    struct worker *bg;
    struct raft_host *host;
    atomic_bool stop, disk_full;
    struct wal_io io;

    pthread_mutex_t lock; /* of all below; the owner holds it while it works */
    struct tgroup groups[CLUSTER_GROUPS_TEST_MAX];
    struct tnode_counts counts;
    bool hold;
    struct raft_event **held; /* COMMITTED events while applying is held */
    size_t n_held, cap_held;
    struct {
        bool want;
        size_t to, n;
        void *p;
    } send;
};

void tsleep_ms(int ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&ts, NULL);
}

static void ids_add(struct ids *a, uint64_t id)
{
    if (a->n == a->cap) {
        a->cap = MAX_OF(a->cap * 2, (size_t)256);
        a->v = mem_realloc(a->v, a->cap * sizeof a->v[0]);
    }
    a->v[a->n++] = id;
}

/* ---- a disk that can be full --------------------------------------------------------------- */

static ssize_t io_pwritev(void *ctx, int fd, const void *iov, int n, off_t at)
{
    struct tnode *t = ctx;

    if (atomic_load(&t->disk_full)) {
        errno = ENOSPC;
        return -1;
    }
    return pwritev(fd, iov, n, at);
}

static ssize_t io_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
    (void)ctx;
    return pread(fd, p, n, at);
}

static int io_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd);
}

static int io_fallocate(void *ctx, int fd, int mode, off_t at, off_t n)
{
    struct tnode *t = ctx;

    if (atomic_load(&t->disk_full)) {
        errno = ENOSPC;
        return -1;
    }
    return fallocate(fd, mode, at, n);
}

/* ---- snapshots of the owner: position, count, ids, padding ----------------------------------- */

static void write_snapshot(struct tnode *t, struct tgroup *g, struct raft_pos pos)
{
    char path[PATH_MAX], tmp[PATH_MAX + 8];
    uint64_t head[4] = {pos.index, pos.term, g->values.n, t->cluster->snapshot_padding};
    char *pad = mem_zalloc(1 << 16);
    int fd;

    raft_host_snapshot_path(t->host, g->number, pos, path);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, head, sizeof head), 0);
    assert_int_equal(file_write_all(fd, g->values.v, g->values.n * sizeof g->values.v[0]), 0);
    memset(pad, (int)pos.index, 1 << 16);
    for (uint64_t left = head[3]; left > 0;) {
        size_t n = MIN_OF(left, (uint64_t)1 << 16);

        assert_int_equal(file_write_all(fd, pad, n), 0);
        left -= n;
    }
    assert_int_equal(fsync(fd), 0);
    close(fd);
    assert_int_equal(rename(tmp, path), 0);
    free(pad);
}

static void load_snapshot(struct tnode *t, struct tgroup *g, struct raft_pos pos)
{
    char path[PATH_MAX];
    uint64_t *p;
    size_t n;

    raft_host_snapshot_path(t->host, g->number, pos, path);
    if (file_read_all(path, (size_t)1 << 30, (char **)&p, &n) != 0) {
        fail_msg("node %zu, group %u: %s: %s", t->index, g->number, path, strerror(errno));
    }
    assert_true(n >= 32);
    assert_true(p[0] == pos.index && p[1] == pos.term);
    assert_true(n == 32 + p[2] * 8 + p[3]);
    g->values.n = 0;
    for (uint64_t i = 0; i < p[2]; i++) {
        ids_add(&g->values, p[4 + i]);
    }
    free(p);
    g->view.applied = pos.index;
    g->applied_term = pos.term;
    g->snapshot = pos;
    g->epoch = raft_host_feed(t->host, g->number, pos.index);
}

/* ---- the owner: events ----------------------------------------------------------------------- */

static void apply(struct tnode *t, struct tgroup *g, struct raft_event *e)
{
    if (e->epoch != g->epoch) {
        return;
    }
    for (size_t i = 0; i < e->n_entries; i++) {
        const struct raft_entry *r = e->entries[i];

        if (r->pos.index != g->view.applied + 1) {
            fail_msg("node %zu, group %u: entry %" PRIu64 " after %" PRIu64, t->index, g->number,
                     r->pos.index, g->view.applied);
        }
        g->view.applied = r->pos.index;
        g->applied_term = r->pos.term;
        if (r->type == RAFT_ENTRY_DATA) {
            uint64_t id;

            assert_true(r->size >= sizeof id);
            memcpy(&id, r->data, sizeof id);
            ids_add(&g->values, id);
            if (r->origin != 0) {
                assert_true(r->origin == (id & 0xffffffffffff));
                ids_add(&g->acked, id);
                g->view.acked++;
                if (g->in_flight > 0) {
                    g->in_flight--;
                }
            }
        }
    }
    g->view.values = g->values.n;
    if (g->view.role == RAFT_ROLE_LEADER && g->noop > 0 && g->view.applied >= g->noop) {
        g->view.serving = true;
    }
    raft_host_applied(t->host, g->number, g->view.applied);
}

static struct tgroup *group_of(struct tnode *t, uint32_t number)
{
    assert_true(number < t->cluster->n_groups);
    return &t->groups[number];
}

static void on_role(struct tgroup *g, const struct raft_event *e)
{
    g->view.roles++;
    g->view.role = e->role;
    g->view.term = e->term;
    g->view.leader = e->leader;
    g->noop = e->noop_index;
    g->view.serving = false;
    g->in_flight = 0;
    if (e->role == RAFT_ROLE_LEADER && g->view.applied >= g->noop) {
        g->view.serving = true;
    }
}

static void on_event(struct tnode *t, struct raft_event *e)
{
    struct tgroup *g = group_of(t, e->group);

    switch (e->type) {
    case RAFT_EV_GROUP:
        g->view.present = true;
        load_snapshot(t, g, e->pos);
        break;
    case RAFT_EV_COMMITTED:
        if (t->hold) {
            if (t->n_held == t->cap_held) {
                t->cap_held = MAX_OF(t->cap_held * 2, (size_t)64);
                t->held = mem_realloc(t->held, t->cap_held * sizeof t->held[0]);
            }
            t->held[t->n_held++] = e;
            return;
        }
        apply(t, g, e);
        break;
    case RAFT_EV_REJECTED:
        /* What we would have executed is not in the log: back to what surely is. */
        g->view.rejected++;
        if (g->view.serving || g->in_flight > 0) {
            g->in_flight = 0;
            load_snapshot(t, g, g->snapshot);
        }
        break;
    case RAFT_EV_ROLE:
        on_role(g, e);
        break;
    case RAFT_EV_TRANSFER_FAILED:
        g->view.transfers_failed++;
        break;
    case RAFT_EV_CHANGE_DONE:
        g->view.changes_done++;
        break;
    case RAFT_EV_CHANGE_FAILED:
        g->view.changes_failed++;
        break;
    case RAFT_EV_READ_OK:
        g->view.reads_ok++;
        break;
    case RAFT_EV_READ_LOST:
        g->view.reads_lost++;
        break;
    case RAFT_EV_INSTALL:
        g->view.installs++;
        g->in_flight = 0;
        load_snapshot(t, g, e->pos);
        break;
    case RAFT_EV_SNAPSHOT_PUBLISHED:
        g->view.published++;
        g->snapshot = e->pos;
        break;
    case RAFT_EV_SNAPSHOT_WANTED:
        g->view.wanted++;
        g->want_snapshot = true;
        break;
    case RAFT_EV_PEER_UP:
        t->counts.peer_up++;
        break;
    case RAFT_EV_PEER_DOWN:
        t->counts.peer_down++;
        break;
    case RAFT_EV_PEER_DATA:
        for (size_t i = 1; i < e->size; i++) {
            assert_int_equal(e->data[i], e->data[0]);
        }
        t->counts.data++;
        t->counts.data_bytes += e->size;
        break;
    case RAFT_EV_DISK_FULL:
        if (e->full) {
            t->counts.full++;
        } else {
            t->counts.unfull++;
        }
        break;
    }
    raft_event_free(e);
}

static void on_events(void *arg, void **messages, size_t n)
{
    struct tnode *t = arg;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        on_event(t, messages[i]);
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- the owner: what it does by itself ------------------------------------------------------- */

static void propose(struct tnode *t, struct tgroup *g)
{
    while (g->view.serving && g->in_flight < g->window) {
        uint32_t size = MAX_OF(g->bytes, (uint32_t)16);
        struct raft_entry *e = raft_entry_new(RAFT_ENTRY_DATA, size);
        uint64_t id = (uint64_t)(t->index + 1) << 56 | (uint64_t)g->number << 48 | ++g->next_id;

        memset(e->data, (int)id, size);
        memcpy(e->data, &id, sizeof id);
        e->origin = id & 0xffffffffffff;
        e->pos.term = g->view.term;
        g->in_flight++;
        raft_host_propose(t->host, g->number, e);
    }
}

static void work(struct tnode *t)
{
    for (size_t i = 0; i < t->cluster->n_groups; i++) {
        struct tgroup *g = &t->groups[i];

        if (!g->view.present) {
            continue;
        }
        propose(t, g);
        if (g->want_snapshot) {
            struct raft_pos pos = {.index = g->view.applied, .term = g->applied_term};
            struct raft_members m;

            g->want_snapshot = false;
            raft_host_members(t->host, g->number, &m);
            assert_true(m.n > 0);
            write_snapshot(t, g, pos);
            raft_host_snapshot_done(t->host, g->number, pos);
        }
        if (g->want_transfer) {
            g->want_transfer = false;
            raft_host_transfer(t->host, g->number, g->transfer_to);
        }
        if (g->want_change) {
            g->want_change = false;
            raft_host_change(t->host, g->number, &g->change);
        }
        if (g->want_read) {
            g->want_read = false;
            raft_host_read(t->host, g->number, 1);
        }
    }
    if (t->send.want) {
        t->send.want = false;
        if (t->send.to == TNODE_ALL) {
            raft_host_broadcast(t->host, t->send.p, t->send.n);
        } else {
            raft_host_send(t->host, &t->cluster->peers[t->send.to].addr, t->send.p, t->send.n);
        }
        free(t->send.p);
    }
    if (!t->hold && t->n_held > 0) {
        for (size_t i = 0; i < t->n_held; i++) {
            apply(t, group_of(t, t->held[i]->group), t->held[i]);
            raft_event_free(t->held[i]);
        }
        t->n_held = 0;
    }
}

static void on_tick(EV_P_ ev_timer *w, int revents)
{
    struct tnode *t = w->data;

    (void)revents;
    if (atomic_load(&t->stop)) {
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_prepare(EV_P_ ev_prepare *w, int revents)
{
    struct tnode *t = w->data;

    (void)loop;
    (void)revents;
    pthread_mutex_lock(&t->lock);
    work(t);
    pthread_mutex_unlock(&t->lock);
    if (raft_host_flush(t->host)) {
        pthread_mutex_lock(&t->lock);
        t->counts.turns_here++;
        pthread_mutex_unlock(&t->lock);
        chan_run(t->events);
    }
}

/* ---- the owner: life ---------------------------------------------------------------------------
 */

/* The first start of all: every node creates the same groups from the same snapshot. */
static void form(struct tnode *t)
{
    struct tcluster *c = t->cluster;
    struct raft_pos pos = {.term = 1, .index = 1};
    struct raft_members m = {.n = (uint32_t)c->n_members};

    for (size_t i = 0; i < c->n_members; i++) {
        m.m[i].id = i + 1;
        m.m[i].flags = RAFT_MEMBER_VOTER;
    }
    assert_int_equal(raft_host_set_identity(t->host, CLUSTER_ID, t->index + 1), RAFT_HOST_OK);
    for (size_t i = 0; i < c->n_groups; i++) {
        t->groups[i].values.n = 0;
        write_snapshot(t, &t->groups[i], pos);
        raft_host_create_group(t->host, (uint32_t)i, pos, &m, 0);
    }
}

static void *owner_main(void *arg)
{
    struct tnode *t = arg;
    struct raft_event *e;

    ev_timer_init(&t->tick, on_tick, 0.005, 0.005);
    t->tick.data = t;
    ev_timer_start(t->loop, &t->tick);
    ev_prepare_init(&t->prepare, on_prepare);
    t->prepare.data = t;
    ev_prepare_start(t->loop, &t->prepare);
    chan_attach(t->events, t->loop, on_events, t);
    pthread_mutex_lock(&t->lock);
    raft_host_set_peers(t->host, t->cluster->peers, t->cluster->n_listed);
    if (raft_host_identity(t->host)->node == 0) {
        form(t);
    }
    pthread_mutex_unlock(&t->lock);
    ev_run(t->loop, 0);
    chan_detach(t->events);
    raft_host_free(t->host);
    pthread_mutex_lock(&t->lock);
    t->host = NULL;
    while (chan_take(t->events, (void **)&e, 1) == 1) {
        raft_event_free(e);
    }
    for (size_t i = 0; i < t->n_held; i++) {
        raft_event_free(t->held[i]);
    }
    t->n_held = 0;
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

void tnode_start(struct tcluster *c, size_t i)
{
    struct tnode *t = c->nodes[i];
    static const char *const bind[] = {"127.0.0.1"};
    struct raft_host_config config = {
        .dir = t->dir,
        .bind = bind,
        .n_bind = 1,
        .self = c->peers[i].addr,
        .durability = c->durability,
        .heartbeat_us = c->election_timeout_us / 6,
        .election_timeout_us = c->election_timeout_us,
        .lease_drift_ppm = 500,
        .segment_bytes = c->segment_bytes,
        .uncommitted_bytes_max = 64 << 20,
        .snapshot_log_bytes = c->snapshot_log_bytes,
        .snapshot_rate_bytes = c->snapshot_rate_bytes,
        .feature_level = 1,
        .wal_io = &t->io,
        .bg = NULL,
    };

    assert_false(t->running);
    t->io = (struct wal_io){
        .pwritev = io_pwritev,
        .pread = io_pread,
        .fdatasync = io_fdatasync,
        .fallocate = io_fallocate,
        .ctx = t,
    };
    atomic_store(&t->stop, false);
    t->loop = ev_loop_new(EVFLAG_AUTO);
    t->events = chan_new(65536);
    t->bg = worker_new(1, "bg");
    config.bg = t->bg;
    config.events = t->events;
    for (size_t g = 0; g < c->n_groups; g++) {
        uint64_t acked = t->groups[g].view.acked;

        t->groups[g].number = (uint32_t)g;
        memset(&t->groups[g].view, 0, sizeof t->groups[g].view);
        t->groups[g].view.acked = acked;
        t->groups[g].in_flight = 0;
        t->groups[g].window = 0;
        t->groups[g].noop = 0;
        t->groups[g].want_snapshot = t->groups[g].want_transfer = false;
    }
    memset(&t->counts, 0, sizeof t->counts);
    t->hold = false;
    assert_int_equal(raft_host_new(&config, &t->host), RAFT_HOST_OK);
    assert_int_equal(raft_host_start(t->host), RAFT_HOST_OK);
    assert_int_equal(pthread_create(&t->thread, NULL, owner_main, t), 0);
    t->running = true;
}

void tnode_stop(struct tcluster *c, size_t i)
{
    struct tnode *t = c->nodes[i];

    if (!t->running) {
        return;
    }
    atomic_store(&t->stop, true);
    pthread_join(t->thread, NULL);
    worker_free(t->bg);
    chan_free(t->events);
    ev_loop_destroy(t->loop);
    t->running = false;
}

void tcluster_start_all(struct tcluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        tnode_start(c, i);
    }
}

const char *tnode_dir(struct tcluster *c, size_t i) { return c->nodes[i]->dir; }

static uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    close(fd);
    return ntohs(sa.sin_port);
}

struct tcluster *tcluster_new(size_t nodes, size_t groups)
{
    struct tcluster *c = mem_zalloc(sizeof *c);

    if (getenv("HOLDFAST_TEST_VERBOSE") != NULL) {
        log_set_level(LOG_LVL_DEBUG);
    }
    assert_true(nodes <= CLUSTER_NODES_TEST_MAX);
    assert_true(groups <= CLUSTER_GROUPS_TEST_MAX);
    c->n = c->n_members = c->n_listed = nodes;
    c->n_groups = groups;
    c->durability = RAFT_DURABLE_ALWAYS;
    c->segment_bytes = 4 << 20;
    c->snapshot_log_bytes = (uint64_t)1 << 40;
    c->election_timeout_us = 300000;
    strcpy(c->dir, "/tmp/holdfast-host-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    for (size_t i = 0; i < nodes; i++) {
        struct tnode *t = mem_zalloc(sizeof *t);

        t->cluster = c;
        t->index = i;
        snprintf(t->dir, sizeof t->dir, "%s/node-%zu", c->dir, i + 1);
        pthread_mutex_init(&t->lock, NULL);
        c->nodes[i] = t;
        c->peers[i].node = i + 1;
        strcpy(c->peers[i].addr.host, "127.0.0.1");
        c->peers[i].addr.port = free_port();
    }
    return c;
}

void tcluster_free(struct tcluster *c)
{
    char command[128];

    for (size_t i = 0; i < c->n; i++) {
        tnode_stop(c, i);
    }
    for (size_t i = 0; i < c->n; i++) {
        struct tnode *t = c->nodes[i];

        for (size_t g = 0; g < c->n_groups; g++) {
            free(t->groups[g].values.v);
            free(t->groups[g].acked.v);
        }
        free(t->held);
        pthread_mutex_destroy(&t->lock);
        free(t);
    }
    snprintf(command, sizeof command, "rm -rf %s", c->dir);
    assert_int_equal(system(command), 0);
    free(c);
}

/* ---- requests of the test -----------------------------------------------------------------------
 */

#define LOCKED(t, statement)                                                                       \
    do {                                                                                           \
        pthread_mutex_lock(&(t)->lock);                                                            \
        statement;                                                                                 \
        pthread_mutex_unlock(&(t)->lock);                                                          \
    } while (0)

void tnode_load(struct tcluster *c, size_t i, uint32_t group, unsigned window, uint32_t bytes)
{
    struct tnode *t = c->nodes[i];

    LOCKED(t, (t->groups[group].window = window, t->groups[group].bytes = bytes));
}

void tcluster_load(struct tcluster *c, unsigned window, uint32_t bytes)
{
    for (size_t i = 0; i < c->n; i++) {
        for (uint32_t g = 0; g < c->n_groups; g++) {
            tnode_load(c, i, g, window, bytes);
        }
    }
}

void tnode_transfer(struct tcluster *c, size_t i, uint32_t group, uint64_t node)
{
    struct tnode *t = c->nodes[i];

    LOCKED(t, (t->groups[group].want_transfer = true, t->groups[group].transfer_to = node));
}

void tnode_snapshot(struct tcluster *c, size_t i, uint32_t group)
{
    LOCKED(c->nodes[i], c->nodes[i]->groups[group].want_snapshot = true);
}

void tnode_hold_applying(struct tcluster *c, size_t i, bool hold)
{
    LOCKED(c->nodes[i], c->nodes[i]->hold = hold);
}

void tnode_change(struct tcluster *c, size_t i, uint32_t group, const struct raft_members *m)
{
    struct tnode *t = c->nodes[i];

    LOCKED(t, (t->groups[group].change = *m, t->groups[group].want_change = true));
}

void tnode_read(struct tcluster *c, size_t i, uint32_t group)
{
    LOCKED(c->nodes[i], c->nodes[i]->groups[group].want_read = true);
}

void tnode_set_disk_full(struct tcluster *c, size_t i, bool full)
{
    atomic_store(&c->nodes[i]->disk_full, full);
}

void tnode_send(struct tcluster *c, size_t i, size_t to, const void *p, size_t n)
{
    struct tnode *t = c->nodes[i];

    assert_true(WAIT_FOR(WAIT_MS, ({
                             bool busy;
                             LOCKED(t, busy = t->send.want);
                             !busy;
                         })));
    LOCKED(t, {
        t->send.to = to;
        t->send.p = mem_dup(p, n);
        t->send.n = n;
        t->send.want = true;
    });
}

struct tgroup_view tnode_view(struct tcluster *c, size_t i, uint32_t group)
{
    struct tgroup_view v;

    LOCKED(c->nodes[i], v = c->nodes[i]->groups[group].view);
    return v;
}

void tnode_list_peers(struct tcluster *c, size_t i, size_t n)
{
    LOCKED(c->nodes[i], raft_host_set_peers(c->nodes[i]->host, c->peers, n));
}

struct tnode_counts tnode_counts(struct tcluster *c, size_t i)
{
    struct tnode_counts v;

    LOCKED(c->nodes[i], v = c->nodes[i]->counts);
    return v;
}

struct raft_host *tnode_host(struct tcluster *c, size_t i) { return c->nodes[i]->host; }

int tcluster_leader(struct tcluster *c, uint32_t group)
{
    int leader = -1;
    uint64_t term = 0;

    for (size_t i = 0; i < c->n; i++) {
        struct tgroup_view v = tnode_view(c, i, group);

        if (c->nodes[i]->running && v.serving && v.term > term) {
            leader = (int)i;
            term = v.term;
        }
    }
    return leader;
}

uint64_t tcluster_acked(struct tcluster *c)
{
    uint64_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        for (uint32_t g = 0; g < c->n_groups; g++) {
            n += tnode_view(c, i, g).acked;
        }
    }
    return n;
}

/* ---- the check ------------------------------------------------------------------------------ */

static bool all_agree(struct tcluster *c, uint32_t group)
{
    int leader = tcluster_leader(c, group);
    uint64_t applied;

    if (leader < 0) {
        return false;
    }
    applied = tnode_view(c, (size_t)leader, group).applied;
    for (size_t i = 0; i < c->n; i++) {
        struct tgroup_view v = tnode_view(c, i, group);

        if (c->nodes[i]->running && v.present && v.applied != applied) {
            return false;
        }
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void check_group(struct tcluster *c, uint32_t group)
{
    int leader = tcluster_leader(c, group);
    struct ids *values = &c->nodes[leader]->groups[group].values;
    uint64_t *sorted;

    for (size_t i = 0; i < c->n; i++) {
        struct ids *other = &c->nodes[i]->groups[group].values;

        if (!c->nodes[i]->running || !c->nodes[i]->groups[group].view.present) {
            continue;
        }
        assert_int_equal(other->n, values->n);
        assert_memory_equal(other->v, values->v, values->n * sizeof values->v[0]);
    }
    sorted = mem_dup(values->v, values->n * sizeof values->v[0]);
    qsort(sorted, values->n, sizeof sorted[0], compare_ids);
    for (size_t i = 1; i < values->n; i++) {
        if (sorted[i] == sorted[i - 1]) {
            fail_msg("group %u: %" PRIx64 " was applied twice", group, sorted[i]);
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        struct ids *acked = &c->nodes[i]->groups[group].acked;

        for (size_t k = 0; k < acked->n; k++) {
            if (bsearch(&acked->v[k], sorted, values->n, sizeof sorted[0], compare_ids) == NULL) {
                fail_msg("group %u: %" PRIx64 " was acknowledged and is lost", group, acked->v[k]);
            }
        }
    }
    free(sorted);
}

/* Leaders wait for nothing; what a former leader has proposed shows within a moment, or never. */
static bool nothing_in_flight(struct tcluster *c)
{
    uint64_t before = tcluster_acked(c);
    uint64_t open = 0;

    tsleep_ms(50);
    for (size_t i = 0; i < c->n; i++) {
        LOCKED(c->nodes[i], {
            for (size_t g = 0; c->nodes[i]->running && g < c->n_groups; g++) {
                const struct tgroup *t = &c->nodes[i]->groups[g];

                open += t->view.serving ? t->in_flight : 0;
            }
        });
    }
    return open == 0 && before == tcluster_acked(c);
}

void tcluster_check(struct tcluster *c)
{
    tcluster_load(c, 0, 0);
    assert_true(WAIT_FOR(WAIT_MS, nothing_in_flight(c)));
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (!WAIT_FOR(WAIT_MS, all_agree(c, g))) {
            for (size_t i = 0; i < c->n; i++) {
                struct tgroup_view v = tnode_view(c, i, g);

                print_message("node %zu group %u: running %d present %d role %s term %" PRIu64
                              " leader %" PRIu64 " applied %" PRIu64 " serving %d\n",
                              i + 1, g, c->nodes[i]->running, v.present, raft_role_name(v.role),
                              v.term, v.leader, v.applied, v.serving);
            }
            fail_msg("group %u: the nodes do not agree", g);
        }
        check_group(c, g);
    }
}

bool tcluster_has_leaders(struct tcluster *c)
{
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (tcluster_leader(c, g) < 0) {
            return false;
        }
    }
    return true;
}

struct tcluster *tcluster_running(size_t nodes, size_t groups)
{
    struct tcluster *c = tcluster_new(nodes, groups);

    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    return c;
}
