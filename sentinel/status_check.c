/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/status_check.c - what is wrong with a cluster, one line each, most urgent first.
 *
 * A line says which node or group, what, and what it means for clients; docs/operations.md says
 * what to do. Nothing is a problem that a healthy cluster under load shows now and then. */
#include "sentinel/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LAG_FAR 100000      /* entries: catching up takes longer than a moment */
#define SYNC_SLOW_US 500000 /* a sync that takes longer than an election is far too slow */
#define HEARD_LATE_MS 3000

struct check {
    const struct status *s;
    struct buf *out;
    size_t n;
};

static void problem(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void problem(struct check *c, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_printf(c->out, "%s\n", text);
    c->n++;
}

static bool is(struct arg line, const char *key, const char *value)
{
    struct arg v;

    return pair_find(line, key, &v) && arg_equals(v, value);
}

static const char *group_kind(unsigned group) { return group == 0 ? "system" : "data"; }

/* It answers, but is in no cluster. */
static bool is_outside(const struct status_node *n)
{
    return n->up && info_number(n->info, "raft_formed", 1) == 0;
}

static bool anybody_is_inside(const struct status *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->nodes[i].up && !is_outside(&s->nodes[i])) {
            return true;
        }
    }
    return false;
}

/* ---- groups -------------------------------------------------------------------------------- */

/* Replicas of @group that answer, and how many members it has at all (as the most knowing says). */
static size_t count_replicas(const struct status *s, unsigned group, int64_t *members)
{
    size_t n = 0;

    *members = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct arg line;

        if (status_group(&s->nodes[i], group, &line)) {
            n++;
            *members = MAX_OF(*members, pair_number(line, "voters", 0));
        }
    }
    return n;
}

static void check_leaderless(struct check *c, unsigned group, size_t replicas, int64_t members)
{
    if (members > 0 && replicas <= (size_t)members / 2) {
        problem(c,
                "group %u (%s) has no majority: %zu of its %" PRId64 " replicas answer. Nothing is "
                "written, and reads fail, until %" PRId64 " do",
                group, group_kind(group), replicas, members, members / 2 + 1);
    } else {
        problem(c,
                "group %u (%s) has no leader: an election is under way, or the nodes do not "
                "reach each other's peer ports",
                group, group_kind(group));
    }
}

static void check_followers(struct check *c, unsigned group, const struct status_node *leader)
{
    struct arg line;

    for (unsigned i = 0; status_follower(leader, group, i, &line); i++) {
        const struct status_node *n =
            status_by_number(c->s, (uint64_t)pair_number(line, "node", 0));
        long long number = (long long)pair_number(line, "node", 0);
        int64_t lag = pair_number(line, "lag", 0);

        if (n == NULL) {
            problem(c, "group %u: no address is known of its member node %lld", group, number);
        } else if (!n->up || is_outside(n) || info_number(n->info, "log_full", 0) != 0) {
            continue; /* has a line of its own, which says why it does not answer the leader */
        } else if (is(line, "state", "down") || pair_number(line, "heard_ms", 0) > HEARD_LATE_MS) {
            problem(c,
                    "group %u: node %lld answers clients, but its leader, node %llu, does not hear "
                    "of it: look at the network between their peer ports",
                    group, number, (unsigned long long)leader->number);
        } else if (is(line, "state", "snapshot")) {
            problem(c,
                    "group %u: node %lld is being sent a snapshot; it counts again when it has "
                    "caught up",
                    group, number);
        } else if (lag > LAG_FAR) {
            problem(c, "group %u: node %lld is %lld entries behind", group, number, (long long)lag);
        }
    }
}

static void check_replica(struct check *c, unsigned group, const struct status_node *n,
                          const struct status_node *leader)
{
    char name[STATUS_NAME_MAX];
    struct arg line;

    if (!status_group(n, group, &line)) {
        return;
    }
    status_name(n, name);
    if (leader != NULL && n != leader && is(line, "role", "leader")) {
        problem(c, "group %u: node %s still takes itself for the leader, of an older term", group,
                name);
    } else if (leader != NULL && is(line, "leader", "0")) {
        problem(c, "group %u: node %s knows no leader, although node %llu leads", group, name,
                (unsigned long long)leader->number);
    }
    if (is(line, "state", "loading")) {
        problem(c, "group %u: node %s is loading its data", group, name);
    } else if (is(line, "state", "undecided")) {
        problem(c,
                "group %u: node %s lost leadership and does not know yet what became of its "
                "last writes",
                group, name);
    }
    if (is(line, "tail_suspect", "1")) {
        problem(c,
                "group %u: node %s may have lost the end of its log (damage, or a lost machine "
                "without synced writes); it leads only when no other can, until it has caught up",
                group, name);
    }
}

static void check_group(struct check *c, unsigned group)
{
    const struct status_node *leader = status_leader(c->s, group);
    int64_t members;
    size_t replicas = count_replicas(c->s, group, &members);
    struct arg line;

    if (replicas == 0) {
        return; /* there is no such group */
    }
    if (leader == NULL) {
        check_leaderless(c, group, replicas, members);
    } else {
        check_followers(c, group, leader);
        if (members >= 3 && replicas == (size_t)members / 2 + 1) {
            problem(c,
                    "group %u (%s) works with %zu of %lld replicas: one more lost, and nothing "
                    "is written any more",
                    group, group_kind(group), replicas, (long long)members);
        }
        if (status_group(leader, group, &line) && is(line, "state", "catching-up")) {
            problem(c, "group %u: its leader, node %llu, is not ready yet", group,
                    (unsigned long long)leader->number);
        }
    }
    for (size_t i = 0; i < c->s->n; i++) {
        check_replica(c, group, &c->s->nodes[i], leader);
    }
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void check_node(struct check *c, const struct status_node *n)
{
    char name[STATUS_NAME_MAX];
    char text[256];
    int64_t sync_us;

    status_name(n, name);
    if (!n->up) {
        problem(c, "node %s does not answer: %s", name, n->why);
        return;
    }
    if (is_outside(n) && anybody_is_inside(c->s)) {
        problem(c,
                "node %s came with an empty data directory: it is outside the cluster, which is "
                "formed, and serves nothing",
                name);
    } else if (is_outside(n)) {
        info_text(n->info, "raft_waiting_for", text, sizeof text);
        problem(c, "node %s belongs to no cluster%s%s", name,
                text[0] == '\0' ? "" : "; it waits for ", text);
    }
    if (info_number(n->info, "log_full", 0) != 0) {
        problem(c, "node %s: the disk of its log is full: it acknowledges no write", name);
    }
    sync_us = info_number(n->info, "log_sync_usec_last", 0);
    if (sync_us > SYNC_SLOW_US) {
        problem(c, "node %s: its disk is slow: the last sync of the log took %lld ms", name,
                (long long)(sync_us / 1000));
    }
    if (strcmp(info_text(n->info, "rdb_last_bgsave_status", text, sizeof text), "err") == 0) {
        problem(c, "node %s: its last snapshot failed: the log grows until one succeeds", name);
    }
}

/* All that are in a cluster must be in the same. */
static void check_one_cluster(struct check *c)
{
    const struct status_node *first = NULL;
    char a[64], b[64], name[STATUS_NAME_MAX], other[STATUS_NAME_MAX];

    for (size_t i = 0; i < c->s->n; i++) {
        const struct status_node *n = &c->s->nodes[i];

        if (!n->up || info_text(n->info, "raft_cluster_id", b, sizeof b)[0] == '\0') {
            continue;
        }
        if (first == NULL) {
            first = n;
            memcpy(a, b, sizeof a);
        } else if (strcmp(a, b) != 0) {
            problem(c, "nodes %s and %s are of different clusters, %.8s and %.8s",
                    status_name(first, name), status_name(n, other), a, b);
        }
    }
}

size_t status_check(const struct status *s, struct buf *out)
{
    struct check c = {.s = s, .out = out};

    for (size_t i = 0; i < s->n; i++) {
        check_node(&c, &s->nodes[i]);
    }
    check_one_cluster(&c);
    /* The data first: it is what clients feel. */
    for (unsigned group = 1; group < STATUS_GROUPS_MAX; group++) {
        check_group(&c, group);
    }
    check_group(&c, 0);
    return c.n;
}
