/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/snapshot.c - see node/snapshot.h.
 *
 * The data group's file is written by a forked child, which shares the memory as it was at the
 * fork. The system group's state is small and is written in place. A file is named after its
 * position, written under a temporary name and renamed when complete. */
#include "node/snapshot.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/latency.h"
#include "node/node.h"
#include "node/rdb/rdb.h"
#include "node/system.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A snapshot is given up when batches do not settle in this time (no majority); asked for again by
 * whoever wants it. */
#define SETTLE_US 2000000

enum snapshot_state { SNAP_IDLE, SNAP_SETTLING, SNAP_WRITING };

struct snapshotter {
    struct node *node;
    enum snapshot_state state;
    struct group *group;
    bool wanted[NODE_GROUPS_MAX];
    bool access[NODE_GROUPS_MAX]; /* wanted for access data as well */
    bool ended, failed; /* of those that are asked for together: one has ended, one has failed */
    bool parked;
    int64_t started_us, started_wall_ms;
    pid_t child;
    struct ev_child watcher;
    struct raft_pos pos;
    uint64_t keys;
    char path[PATH_MAX], temporary[PATH_MAX + 16];
    volatile struct rdb_progress *progress; /* shared with the child */
};

static void on_child(struct ev_loop *loop, struct ev_child *w, int events);

struct snapshotter *snapshotter_new(struct node *n)
{
    struct snapshotter *s = mem_zalloc(sizeof *s);

    s->node = n;
    s->progress =
        mmap(NULL, sizeof *s->progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->progress == MAP_FAILED) {
        log_fatal("no memory for the progress of snapshots: %s", strerror(errno));
    }
    return s;
}

void snapshotter_free(struct snapshotter *s)
{
    if (s == NULL) {
        return;
    }
    if (s->state == SNAP_WRITING) {
        kill(s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
        unlink(s->temporary);
        ev_child_stop(s->node->loop, &s->watcher);
    }
    munmap((void *)s->progress, sizeof *s->progress);
    free(s);
}

static bool any_is_wanted(const struct snapshotter *s)
{
    bool any = false;

    for (uint32_t i = 0; i < s->node->n_groups; i++) {
        any |= s->wanted[i];
    }
    return any;
}

bool snapshot_is_running(const struct node *n) { return n->snapshotter->state == SNAP_WRITING; }

void snapshot_progress(const struct node *n, struct snapshot_progress *out)
{
    const struct snapshotter *s = n->snapshotter;

    *out = (struct snapshot_progress){.running = s->state == SNAP_WRITING};
    if (out->running) {
        out->keys_done = s->progress->keys;
        out->keys_total = s->keys;
        out->started_wall_ms = s->started_wall_ms;
    }
    out->wanted = any_is_wanted(s);
}

void snapshot_ask(struct group *g, bool access)
{
    g->node->snapshotter->wanted[g->number] = true;
    g->node->snapshotter->access[g->number] |= access;
    node_has_work(g->node);
}

bool snapshots_are_published(const struct node *n)
{
    bool all = n->snapshotter->state == SNAP_IDLE && !any_is_wanted(n->snapshotter);

    for (uint32_t i = 0; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];

        all &= g == NULL || g->snapshot.index >= g->snapshot_taken;
    }
    return all;
}

static void unpark(struct snapshotter *s)
{
    if (s->parked) {
        s->parked = false;
        group_unpark(s->group);
    }
}

static void end(struct snapshotter *s, bool ok)
{
    s->failed |= !ok;
    s->ended = true;
    s->node->stats.last_snapshot_failed = s->failed;
    unpark(s);
    s->state = SNAP_IDLE;
    s->group = NULL;
    node_has_work(s->node); /* another may be wanted */
}

/* Several groups are saved one after the other: for clients that is one, which ends when the last
 * is published, and has failed if one of them has. */
static void note_end(struct snapshotter *s)
{
    if (!s->ended || (!s->failed && !snapshots_are_published(s->node))) {
        return;
    }
    if (!s->failed) {
        s->node->stats.last_snapshot_wall_ms = s->node->now_wall_ms;
    }
    s->ended = s->failed = false;
}

static void failed(struct snapshotter *s, const char *why)
{
    log_warning("group %u: snapshot failed: %s", s->group->number, why);
    s->node->stats.snapshots_failed++;
    unlink(s->temporary);
    end(s, false);
}

static void published(struct snapshotter *s)
{
    struct node *n = s->node;
    char dir[PATH_MAX];
    char *slash;

    snprintf(dir, sizeof dir, "%s", s->path);
    slash = strrchr(dir, '/');
    *slash = '\0';
    if (rename(s->temporary, s->path) != 0 || file_sync_dir(dir) != 0) {
        failed(s, strerror(errno));
        return;
    }
    n->stats.snapshots_ok++;
    n->stats.last_snapshot_duration_ms = (clock_boot_us() - s->started_us) / 1000;
    log_notice("group %u: snapshot at %llu written, %llu keys in %lld ms", s->group->number,
               (unsigned long long)s->pos.index, (unsigned long long)s->keys,
               (long long)n->stats.last_snapshot_duration_ms);
    s->group->snapshot_taken = s->pos.index;
    raft_host_snapshot_done(n->host, s->group->number, s->pos);
    end(s, true);
}

static void fill_meta(struct group *g, struct rdb_meta *meta)
{
    struct node *n = g->node;
    struct raft_members members;

    *meta = (struct rdb_meta){.group = g->number, .term = g->applied_term, .index = g->applied};
    snprintf(meta->cluster_id, sizeof meta->cluster_id, "%s",
             raft_host_identity(n->host)->cluster_id);
    raft_host_members(n->host, g->number, &members);
    _Static_assert(sizeof meta->members >= RAFT_MEMBERS_ENCODED_MAX, "members fit");
    meta->members_len = raft_members_encode(&members, meta->members);
    if (g->number == NODE_SYSTEM_GROUP) {
        struct buf state;

        buf_init(&state);
        system_encode(n, &state);
        meta->system = mem_dup(buf_head(&state), state.len);
        meta->system_len = state.len;
        buf_release(&state);
    }
}

/* In the child: nothing but memory as it was, and the file. */
NORETURN static void write_in_child(struct snapshotter *s, const struct rdb_meta *meta)
{
    struct access_clock clock = node_access_clock(s->node);
    int rc = rdb_save(s->temporary, s->group->ks, meta, s->node->config.rdbcompression, &clock,
                      s->progress);

    _exit(rc == RDB_OK ? 0 : 1);
}

static void fork_child(struct snapshotter *s, struct rdb_meta *meta)
{
    struct node *n = s->node;
    int64_t before = clock_boot_us();

    s->child = fork();
    if (s->child == 0) {
        write_in_child(s, meta);
    }
    if (s->child < 0) {
        failed(s, strerror(errno));
        return;
    }
    n->stats.forks++;
    n->stats.last_fork_us = (uint64_t)(clock_boot_us() - before);
    latency_note(n, LATENCY_FORK, (int64_t)n->stats.last_fork_us);
    s->state = SNAP_WRITING;
    keyspace_set_forked(s->group->ks, true);
    ev_child_init(&s->watcher, on_child, s->child, 0);
    s->watcher.data = s;
    ev_child_start(n->loop, &s->watcher);
    unpark(s);
}

static void on_child(struct ev_loop *loop, struct ev_child *w, int events)
{
    struct snapshotter *s = w->data;

    (void)events;
    ev_child_stop(loop, w);
    s->state = SNAP_IDLE;
    if (s->group->ks != NULL) {
        keyspace_set_forked(s->group->ks, false);
    }
    if (WIFEXITED(w->rstatus) && WEXITSTATUS(w->rstatus) == 0) {
        published(s);
    } else {
        failed(s, "the writing process ended early (disk full, or killed)");
    }
}

static void write_now(struct snapshotter *s)
{
    struct group *g = s->group;
    struct rdb_meta meta;

    s->pos = (struct raft_pos){g->applied_term, g->applied};
    raft_host_snapshot_path(s->node->host, g->number, s->pos, s->path);
    snprintf(s->temporary, sizeof s->temporary, "%s.tmp", s->path);
    *s->progress = (struct rdb_progress){0};
    fill_meta(g, &meta);
    s->keys = 0;
    if (g->ks != NULL) {
        for (uint32_t db = 0; db < keyspace_databases(g->ks); db++) {
            s->keys += keyspace_size(g->ks, db);
        }
        fork_child(s, &meta);
    } else if (rdb_save(s->temporary, NULL, &meta, false, NULL, s->progress) == RDB_OK) {
        published(s);
    } else {
        failed(s, strerror(errno));
    }
    rdb_meta_release(&meta);
}

/* There may be something newer than what the newest snapshot has. One at the same position takes
 * its place. */
static bool is_needed(const struct group *g, bool access)
{
    struct access_clock clock = node_access_clock(g->node);

    return g->applied != g->snapshot.index || (access && g->ks != NULL && (clock.lru || clock.lfu));
}

static void begin(struct snapshotter *s, struct group *g)
{
    bool access = s->access[g->number];

    s->wanted[g->number] = s->access[g->number] = false;
    if (g->state == GROUP_LOADING || !is_needed(g, access)) {
        return;
    }
    s->group = g;
    s->state = SNAP_SETTLING;
    s->started_us = s->node->now_us;
    s->started_wall_ms = s->node->now_wall_ms;
    s->parked = true;
    group_park(g);
}

/* Membership in force at applied must be final: a snapshot in the middle of a change would have to
 * carry the joint one, which raft_host_members() gives as well, so nothing to wait for. */
static void settle(struct snapshotter *s)
{
    struct group *g = s->group;

    if (g->state == GROUP_LOADING) {
        end(s, true); /* what it loads from is the newest there is */
    } else if (g->state != GROUP_UNDECIDED && group_is_settled(g)) {
        write_now(s);
    } else if (s->node->now_us - s->started_us > SETTLE_US) {
        s->temporary[0] = '\0';
        failed(s, "writes on their way were not committed in time");
    }
}

void snapshot_advance(struct node *n)
{
    struct snapshotter *s = n->snapshotter;

    if (s->state == SNAP_IDLE) {
        for (size_t i = 0; i < n->n_groups && s->state == SNAP_IDLE; i++) {
            if (s->wanted[i] && n->groups[i] != NULL) {
                begin(s, n->groups[i]);
            }
        }
        if (s->state == SNAP_IDLE) {
            note_end(s);
        }
    }
    if (s->state == SNAP_SETTLING) {
        settle(s);
    }
}
