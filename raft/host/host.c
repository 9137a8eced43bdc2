/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/host.c - life cycle of the host, and the owner's functions.
 *
 *   raft_host_new()     directory, recovery, listeners; no thread
 *   raft_host_start()   log thread, raft thread
 *   raft_host_free()    raft thread ends first (nobody hands out work any more), then the streams,
 *                       then the log thread, which finishes what it was given */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/event.h"
#include "raft/host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_THREADS 2 /* snapshots at a time, in each direction */

/* ---- the log ----------------------------------------------------------------------------- */

static void publish_spans(void *arg, struct wal *wal)
{
    struct raft_host *h = arg;

    for (unsigned i = 0; i < HOST_TABLE_SLOTS; i++) {
        struct host_group *g = atomic_load_explicit(&h->table[i], memory_order_acquire);

        if (g != NULL) {
            atomic_store_explicit(&g->span_bytes, wal_group_span(wal, g->number),
                                  memory_order_relaxed);
        }
    }
}

static int error_of_wal(int rc)
{
    switch (rc) {
    case WAL_OK:
        return RAFT_HOST_OK;
    case WAL_ERR_FOREIGN:
        return RAFT_HOST_ERR_FOREIGN;
    case WAL_ERR_VERSION:
        return RAFT_HOST_ERR_VERSION;
    case WAL_ERR_DAMAGED:
        return RAFT_HOST_ERR_DAMAGED;
    default:
        return RAFT_HOST_ERR_IO;
    }
}

static int open_wal(struct raft_host *h, struct wal_recovery *rec, struct wal **out)
{
    struct wal_config config = {
        .dir = h->dir.wal,
        .node = h->dir.identity.node,
        .segment_bytes = h->config.segment_bytes,
        .ballast_bytes = h->config.ballast_bytes,
        .io = h->config.wal_io,
    };

    memcpy(config.cluster_id, h->dir.identity.cluster_id, sizeof config.cluster_id);
    return error_of_wal(wal_open(&config, rec, out));
}

/* A tail that was written but not synced may be lost if the machine went down. And if it did not,
 * what is in the page cache still has to get to the disk before it counts as durable. */
static int settle_unsynced(struct raft_host *h, bool *rebooted)
{
    char boot_id[DATA_DIR_BOOT_ID_MAX];
    int fd;

    *rebooted = false;
    data_dir_read_boot_id(boot_id);
    if (h->dir.unsynced && !h->dir.clean_stop) {
        *rebooted = boot_id[0] == '\0' || strcmp(boot_id, h->dir.boot_id) != 0;
        fd = open(h->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || syncfs(fd) != 0) {
            log_warning("Cannot sync %s: %s", h->dir.path, strerror(errno));
            if (fd >= 0) {
                close(fd);
            }
            return RAFT_HOST_ERR_IO;
        }
        close(fd);
    }
    memcpy(h->dir.boot_id, boot_id, sizeof boot_id);
    h->dir.unsynced = h->config.durability != RAFT_DURABLE_ALWAYS;
    h->dir.clean_stop = false;
    return RAFT_HOST_OK;
}

static int check_groups(struct raft_host *h, const struct wal_recovery *rec)
{
    for (size_t i = 0; i < h->dir.n_groups; i++) {
        size_t k = 0;

        while (k < rec->n_groups && rec->groups[k].group != h->dir.groups[i]) {
            k++;
        }
        if (k == rec->n_groups) {
            log_warning("The log in %s has nothing of group %u, which was here: replace the node "
                        "as a new member",
                        h->dir.wal, h->dir.groups[i]);
            return RAFT_HOST_ERR_DAMAGED;
        }
    }
    if (rec->n_groups > HOST_GROUPS_MAX) {
        log_warning("%s has more groups than this program can host", h->dir.wal);
        return RAFT_HOST_ERR_DAMAGED;
    }
    return RAFT_HOST_OK;
}

static void open_groups(struct raft_host *h, const struct wal_recovery *rec, bool rebooted)
{
    for (size_t i = 0; i < rec->n_groups; i++) {
        struct raft_restore restore = rec->groups[i].restore;
        uint32_t number = rec->groups[i].group;
        struct host_group *g = host_group_new(h, number);

        if (rec->groups[i].damaged) {
            log_warning("Group %u: the log is damaged; what is missing comes from its peers",
                        number);
        }
        restore.tail_suspect |=
            rebooted || rec->groups[i].damaged || data_dir_is_suspect(&h->dir, number);
        data_dir_set_suspect(&h->dir, number, restore.tail_suspect);
        data_dir_add_group(&h->dir, number);
        host_group_open(g, &restore, false);
    }
}

/* Open the log of a node that is member of a cluster, and its groups. */
static int recover(struct raft_host *h, struct wal **wal)
{
    struct wal_recovery rec;
    bool rebooted;
    int rc;

    if (h->dir.log_ready && !data_dir_has_files(h->dir.wal, ".wal")) {
        log_warning("The log in %s is gone; refusing to start. An empty log must not vote for a "
                    "full one: replace the node as a new member",
                    h->dir.wal);
        return RAFT_HOST_ERR_DAMAGED;
    }
    rc = open_wal(h, &rec, wal);
    if (rc != RAFT_HOST_OK) {
        return rc;
    }
    log_notice("Log: %" PRIu64 " records, %" PRIu64 " bytes in %" PRIu64 " segments, %zu groups%s",
               rec.records, rec.bytes, rec.segments, rec.n_groups,
               rec.torn_tail ? "; the last write was incomplete and has been cut off" : "");
    if (rec.damage[0] != '\0') {
        log_warning("Log damaged: %s", rec.damage);
    }
    rc = check_groups(h, &rec);
    if (rc == RAFT_HOST_OK) {
        rc = snapshot_clean(h, &rec);
    }
    if (rc == RAFT_HOST_OK) {
        rc = settle_unsynced(h, &rebooted);
    }
    if (rc == RAFT_HOST_OK) {
        open_groups(h, &rec, rebooted);
        h->dir.log_ready = true;
        rc = data_dir_save(&h->dir); /* before anything is written that is not synced */
    }
    wal_recovery_release(&rec);
    if (rc != RAFT_HOST_OK) {
        wal_close(*wal);
        *wal = NULL;
    }
    return rc;
}

/* ---- life cycle -------------------------------------------------------------------------- */

static char **copy_bind(const struct raft_host_config *c)
{
    char **bind = mem_zalloc((c->n_bind + 2) * sizeof bind[0]);

    for (size_t i = 0; i < c->n_bind; i++) {
        bind[i] = mem_strdup(c->bind[i]);
    }
    if (c->n_bind == 0) {
        bind[0] = mem_strdup("*");
    }
    return bind;
}

static void start_log_thread(struct raft_host *h, struct wal *wal)
{
    struct log_thread_config config = {
        .wal = wal,
        .durability = h->config.durability,
        .dir = &h->dir,
        .answer = &h->mail,
        .publish = publish_spans,
        .publish_arg = h,
    };

    h->log = log_thread_new(&config);
}

int raft_host_new(const struct raft_host_config *config, struct raft_host **out)
{
    struct raft_host *h = mem_zalloc(sizeof *h);
    struct wal_recovery none = {0};
    struct wal *wal = NULL;
    int rc;

    *out = NULL;
    assert(config->election_timeout_us > 2 * config->heartbeat_us);
    h->config = *config;
    h->bind = copy_bind(config);
    host_addr_name(&config->self, h->self_name, sizeof h->self_name);
    h->now_us = clock_boot_us();
    mailbox_init(&h->mail);
    h->user_data = raft_event_tally_new();
    pthread_mutex_init(&h->status_lock, NULL);
    pthread_mutex_init(&h->turn_lock, NULL);
    pthread_mutex_init(&h->receiving_lock, NULL);
    h->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
    if (h->loop == NULL) {
        log_fatal("Cannot create an event loop");
    }
    h->dir.lock_fd = -1;
    rc = data_dir_open(&h->dir, config->dir);
    if (rc != RAFT_HOST_OK) {
        goto err;
    }
    h->config.dir = h->dir.path;
    h->identity = h->me = h->dir.identity;
    rc = host_peers_listen(h);
    if (rc != RAFT_HOST_OK) {
        goto err;
    }
    rc = h->identity.node != 0 ? recover(h, &wal) : snapshot_clean(h, &none);
    if (rc != RAFT_HOST_OK) {
        goto err;
    }
    start_log_thread(h, wal);
    *out = h;
    return RAFT_HOST_OK;
err:
    raft_host_free(h);
    return rc;
}

int raft_host_start(struct raft_host *h)
{
    sigset_t all, before;
    int rc;

    assert(!h->started);
    h->senders = worker_new(STREAM_THREADS, "snap-out");
    h->receivers = worker_new(STREAM_THREADS, "snap-in");
    log_thread_start(h->log);
    /* A new thread inherits the mask: signals are for the owner's loop. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&h->thread, NULL, host_main, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_fatal("Cannot start the raft thread: %s", strerror(rc));
    }
    pthread_setname_np(h->thread, "raft");
    h->started = true;
    return RAFT_HOST_OK;
}

/* Record that everything that was written is durable, so that a reboot lost nothing. */
static void note_clean_stop(struct raft_host *h, bool clean)
{
    if (clean && h->dir.unsynced) {
        h->dir.clean_stop = true;
        if (data_dir_save(&h->dir) != RAFT_HOST_OK) {
            log_warning("The clean stop is not recorded: the next start is a careful one");
        }
    }
}

void raft_host_free(struct raft_host *h)
{
    struct mail stop = {.type = MAIL_STOP}, *m;
    size_t n;

    if (h == NULL) {
        return;
    }
    if (h->started) {
        mailbox_put(&h->mail, &stop, true);
        pthread_join(h->thread, NULL);
        worker_free(h->senders);
        worker_free(h->receivers);
        worker_free(h->resolver);
        note_clean_stop(h, log_thread_stop(h->log));
    } else {
        host_peers_stop(h);
    }
    /* Those who could put something in have ended. Dropping mail may put nothing back. */
    n = mailbox_take(&h->mail, &m);
    for (size_t i = 0; i < n; i++) {
        host_mail_free(&m[i]);
    }
    snap_out_free_all(h);
    host_release_loop(h);
    log_thread_free(h->log);
    mailbox_release(&h->mail);
    ev_loop_destroy(h->loop);
    data_dir_close(&h->dir);
    pthread_mutex_destroy(&h->status_lock);
    pthread_mutex_destroy(&h->turn_lock);
    pthread_mutex_destroy(&h->receiving_lock);
    for (size_t i = 0; h->bind[i] != NULL; i++) {
        free(h->bind[i]);
    }
    free(h->bind);
    raft_event_tally_unref(h->user_data);
    free(h);
}

/* ---- identity and peers -------------------------------------------------------------------- */

const struct raft_identity *raft_host_identity(const struct raft_host *h) { return &h->identity; }

int raft_host_set_identity(struct raft_host *h, const char *cluster_id, uint64_t node)
{
    struct wal_recovery rec;
    struct wal *wal;
    struct mail m = {.type = MAIL_IDENTITY};
    int rc;

    assert(h->identity.node == 0);
    assert(strlen(cluster_id) == RAFT_HOST_ID_CHARS);
    assert(node != 0);
    memcpy(h->dir.identity.cluster_id, cluster_id, RAFT_HOST_ID_CHARS + 1);
    h->dir.identity.node = node;
    /* log_ready stays false until the log is there: see recover(). */
    rc = data_dir_save(&h->dir);
    if (rc != RAFT_HOST_OK) {
        goto err;
    }
    rc = open_wal(h, &rec, &wal);
    if (rc != RAFT_HOST_OK) {
        goto err;
    }
    wal_recovery_release(&rec);
    h->dir.log_ready = true;
    h->dir.unsynced = h->config.durability != RAFT_DURABLE_ALWAYS;
    data_dir_read_boot_id(h->dir.boot_id);
    rc = data_dir_save(&h->dir);
    if (rc != RAFT_HOST_OK) {
        wal_close(wal);
        goto err;
    }
    h->identity = h->dir.identity;
    log_thread_set_wal(h->log, wal);
    m.identity = mem_dup(&h->identity, sizeof h->identity);
    mailbox_put(&h->mail, &m, true);
    return RAFT_HOST_OK;
err:
    memset(h->dir.identity.cluster_id, 0, sizeof h->dir.identity.cluster_id);
    h->dir.identity.node = 0;
    h->dir.log_ready = false;
    return rc;
}

void raft_host_set_peers(struct raft_host *h, const struct raft_host_peer *peers, size_t n)
{
    struct host_peer_list *l = mem_alloc(sizeof *l + n * sizeof l->peers[0]);
    struct mail m = {.type = MAIL_PEERS, .peers = l};

    l->n = n;
    if (n > 0) {
        memcpy(l->peers, peers, n * sizeof peers[0]);
    }
    mailbox_put(&h->mail, &m, true);
}

void raft_host_send(struct raft_host *h, const struct net_addr *addr, const void *p, size_t n)
{
    struct host_send *s = mem_alloc(sizeof *s + n);
    struct mail m = {.type = MAIL_SEND, .send = s};

    s->to_all = false;
    s->addr = *addr;
    s->n = n;
    memcpy(s->data, p, n);
    mailbox_put(&h->mail, &m, true);
}

void raft_host_broadcast(struct raft_host *h, const void *p, size_t n)
{
    struct host_send *s = mem_alloc(sizeof *s + n);
    struct mail m = {.type = MAIL_SEND, .send = s};

    s->to_all = true;
    s->n = n;
    memcpy(s->data, p, n);
    mailbox_put(&h->mail, &m, true);
}

/* ---- groups ------------------------------------------------------------------------------ */

void raft_host_create_group(struct raft_host *h, uint32_t group, struct raft_pos pos,
                            const struct raft_members *members, uint8_t priority)
{
    struct host_create *c = mem_alloc(sizeof *c);
    struct mail m = {.type = MAIL_CREATE, .group = group, .create = c};

    assert(h->identity.node != 0);
    assert(pos.index > 0);
    assert(priority <= 3);
    c->pos = pos;
    c->members = *members;
    c->priority = priority;
    mailbox_put(&h->mail, &m, true);
}

void raft_host_set_priority(struct raft_host *h, uint32_t group, uint8_t priority)
{
    struct mail m = {.type = MAIL_PRIORITY, .group = group, .priority = priority};

    assert(priority <= 3);
    mailbox_put(&h->mail, &m, true);
}

bool raft_host_has_group(struct raft_host *h, uint32_t group)
{
    return host_find_group(h, group) != NULL;
}

void raft_host_propose(struct raft_host *h, uint32_t group, struct raft_entry *entry)
{
    struct mail m = {.type = MAIL_PROPOSE, .group = group, .entry = entry};

    assert(entry->origin > 0);
    h->unflushed_bytes += entry->size;
    mailbox_put(&h->mail, &m, false);
    h->unflushed = true;
}

void raft_host_read(struct raft_host *h, uint32_t group, uint64_t token)
{
    struct mail m = {.type = MAIL_READ, .group = group, .token = token};

    mailbox_put(&h->mail, &m, false);
    h->unflushed = true;
}

bool raft_host_flush(struct raft_host *h)
{
    uint64_t bytes = h->unflushed_bytes;

    if (!h->unflushed) {
        return false;
    }
    h->unflushed = false;
    h->unflushed_bytes = 0;
    if (bytes <= TURN_HERE_BYTES && host_turn_here(h)) {
        return true;
    }
    mailbox_wake(&h->mail);
    return false;
}

void raft_host_transfer(struct raft_host *h, uint32_t group, uint64_t node)
{
    struct mail m = {.type = MAIL_TRANSFER, .group = group, .node = node};

    mailbox_put(&h->mail, &m, true);
}

void raft_host_change(struct raft_host *h, uint32_t group, const struct raft_members *wanted)
{
    struct mail m = {.type = MAIL_CHANGE, .group = group};

    m.members = mem_dup(wanted, sizeof *wanted);
    mailbox_put(&h->mail, &m, true);
}

uint64_t raft_host_feed(struct raft_host *h, uint32_t group, uint64_t index)
{
    struct host_group *g = host_find_group(h, group);
    struct mail m = {.type = MAIL_FEED, .group = group};

    assert(g != NULL);
    g->owner_applied = index;
    m.feed.index = index;
    m.feed.epoch = ++g->owner_epoch;
    mailbox_put(&h->mail, &m, true);
    return m.feed.epoch;
}

void raft_host_applied(struct raft_host *h, uint32_t group, uint64_t index)
{
    struct host_group *g = host_find_group(h, group);

    assert(g != NULL);
    g->owner_applied = index;
    mailbox_put_applied(&h->mail, group, index);
    h->unflushed = true;
}

void raft_host_snapshot_done(struct raft_host *h, uint32_t group, struct raft_pos pos)
{
    struct mail m = {.type = MAIL_SNAPSHOT_DONE, .group = group, .pos = pos};

    mailbox_put(&h->mail, &m, true);
}

void raft_host_snapshot_path(const struct raft_host *h, uint32_t group, struct raft_pos pos,
                             char *out)
{
    char name[SNAPSHOT_NAME_MAX];

    snapshot_name(group, pos, name);
    if ((size_t)snprintf(out, PATH_MAX, "%s/%s", h->dir.snapshots, name) >= PATH_MAX) {
        log_fatal("The path of the data directory is too long: %s", h->dir.path);
    }
}

void raft_host_members(struct raft_host *h, uint32_t group, struct raft_members *out)
{
    struct host_group *g = host_find_group(h, group);
    size_t i = 0;

    memset(out, 0, sizeof *out);
    if (g == NULL) {
        return;
    }
    pthread_mutex_lock(&g->lock);
    while (i + 1 < g->n_configs && g->configs[i + 1].index <= g->owner_applied) {
        i++;
    }
    if (g->n_configs > 0) {
        *out = g->configs[i].members;
        /* The owner never goes back without a new feed, which fills the list anew. */
        g->n_configs -= i;
        memmove(g->configs, g->configs + i, g->n_configs * sizeof g->configs[0]);
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- leases ------------------------------------------------------------------------------ */

/* The lease is read first and the clock last: the clock is then later than the moment at which the
 * lease was found in force, so a lease given up in between (it is zeroed before the message leaves
 * that gives it up) was still good at a moment of this call. The term on both sides of it makes
 * sure that it is this term's lease. */
bool raft_host_lease_valid(struct raft_host *h, uint32_t group, uint64_t term)
{
    const struct host_group *g = host_find_group(h, group);
    int64_t until;

    if (g == NULL || atomic_load(&g->lease_term) != term) {
        return false;
    }
    until = atomic_load(&g->lease_until_us);
    if (until == 0 || atomic_load(&g->lease_term) != term) {
        return false;
    }
    return clock_boot_us() < until;
}

/* ---- status ------------------------------------------------------------------------------ */

uint64_t raft_host_cached_bytes(struct raft_host *h)
{
    return atomic_load_explicit(&h->cached_bytes, memory_order_relaxed);
}

int raft_host_group_status(struct raft_host *h, uint32_t group, struct raft_group_status *out)
{
    struct host_group *g = host_find_group(h, group);

    if (g == NULL || !atomic_load(&g->ready)) {
        return RAFT_HOST_ERR_NO_GROUP;
    }
    pthread_mutex_lock(&g->lock);
    *out = g->status;
    pthread_mutex_unlock(&g->lock);
    return RAFT_HOST_OK;
}

void raft_host_get_status(struct raft_host *h, struct raft_host_status *out)
{
    pthread_mutex_lock(&h->status_lock);
    *out = h->status;
    pthread_mutex_unlock(&h->status_lock);
    log_thread_stats(h->log, &out->wal, &out->last_sync_wall_ms);
}
