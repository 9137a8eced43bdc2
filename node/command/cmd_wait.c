/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_wait.c - WAIT and WAITAOF: until other nodes have the client's writes as well.
 *
 * A write that was answered is on a majority already; these ask for more copies. How far a follower
 * has come is known by log index, what the client wrote by batch. Once the batch is committed it
 * stands at or below the index applied here: that index is what the followers must reach. With
 * writes to several groups the count is that of the group that has got the least far. */
#include "node/command/handlers.h"
#include "node/node.h"

#include <string.h>

/* block_arg of a waiting client. */
enum { ARG_REPLICAS, ARG_LOCAL };
#define LOCAL_NONE 2u /* of ARG_LOCAL: it is a WAIT */

struct progress {
    bool known;       /* the writes are committed, so that there is something to compare with */
    int64_t local;    /* this node has it on disk */
    int64_t replicas; /* followers that have acknowledged it */
};

static bool is_led(const struct group *g) { return g != NULL && g->state == GROUP_SERVING; }

/* Forget writes to groups that are led elsewhere now: they are committed, or their client was told
 * that they are gone, and more nobody here can say. */
static void forget_lost(struct client *c)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < c->n_writes; i++) {
        if (is_led(c->node->groups[c->writes[i].group])) {
            c->writes[kept++] = c->writes[i];
        }
    }
    c->n_writes = kept;
}

static struct progress count_group(struct node *n, uint32_t group, uint64_t index)
{
    struct progress p = {0};
    struct raft_group_status status;

    if (index == 0 || raft_host_group_status(n->host, group, &status) != RAFT_HOST_OK) {
        return p;
    }
    p.known = true;
    p.local = status.raft.persisted >= index;
    for (size_t i = 0; i < status.raft.n_peers; i++) {
        p.replicas += status.raft.peers[i].match >= index;
    }
    return p;
}

/* A client that wrote nothing asks for followers that have anything at all. */
static struct progress count(struct client *c)
{
    struct node *n = c->node;
    struct progress least = {.known = true, .local = 1, .replicas = INT64_MAX};

    if (c->n_writes == 0) {
        return count_group(n, groups_home(n)->number, 1);
    }
    for (uint32_t i = 0; i < c->n_writes; i++) {
        struct write_mark *w = &c->writes[i];
        const struct group *g = n->groups[w->group];
        struct progress p;

        if (w->index == 0 && w->batch <= g->committed) {
            w->index = g->applied;
        }
        p = count_group(n, w->group, w->index);
        least.known &= p.known;
        least.local = MIN_OF(least.local, p.local);
        least.replicas = MIN_OF(least.replicas, p.replicas);
    }
    return least;
}

static bool is_enough(const struct progress *p, uint64_t local, int64_t replicas)
{
    return p->known && p->replicas >= replicas &&
           (local == LOCAL_NONE || p->local >= (int64_t)local);
}

static void reply_progress(struct resp_out *o, bool is_wait, struct progress p)
{
    if (is_wait) {
        resp_int(o, p.replicas);
        return;
    }
    resp_array(o, 2);
    resp_int(o, p.local);
    resp_int(o, p.replicas);
}

static bool serves(const struct node *n)
{
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (is_led(n->groups[i])) {
            return true;
        }
    }
    return false;
}

static bool still_leads(const struct client *c)
{
    for (uint32_t i = 0; i < c->n_writes; i++) {
        if (!is_led(c->node->groups[c->writes[i].group])) {
            return false;
        }
    }
    return serves(c->node);
}

static bool wait_goes_on(struct client *c, bool timed_out, bool gone)
{
    uint64_t *arg = c->block_arg;
    struct progress p;

    if (gone) {
        return false;
    }
    if (!still_leads(c)) {
        resp_error(&c->reply, "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)");
        return true;
    }
    p = count(c);
    if (timed_out || is_enough(&p, arg[ARG_LOCAL], (int64_t)arg[ARG_REPLICAS])) {
        reply_progress(&c->reply, arg[ARG_LOCAL] == LOCAL_NONE, p);
        return true;
    }
    return false;
}

/* @local: LOCAL_NONE, or what WAITAOF asks of this node. */
static void wait_for(struct cmd *c, uint64_t local, int64_t replicas, int64_t timeout_us)
{
    struct client *client = c->client;
    bool is_wait = local == LOCAL_NONE;
    struct progress p;

    forget_lost(client);
    p = count(client);
    if (c->in_exec || (is_wait && replicas <= 0) || is_enough(&p, local, replicas)) {
        reply_progress(c->reply, is_wait, p);
        return;
    }
    client->block_arg[ARG_REPLICAS] = replicas < 0 ? 0 : (uint64_t)replicas;
    client->block_arg[ARG_LOCAL] = local;
    client_block(client, wait_goes_on, timeout_us == 0 ? 0 : c->node->now_us + timeout_us);
}

void cmd_wait(struct cmd *c)
{
    int64_t replicas, timeout_us;

    if (!serves(c->node)) {
        resp_error(c->reply,
                   "ERR WAIT cannot be used with replica instances. Please also note that since "
                   "Redis 4.0 if a replica is configured to be writable (which is not the default) "
                   "writes to replicas are just local and are not propagated.");
        return;
    }
    if (cmd_arg_i64(c, 1, &replicas, NULL) && cmd_arg_timeout_ms(c, 2, &timeout_us)) {
        wait_for(c, LOCAL_NONE, replicas, timeout_us);
    }
}

void cmd_waitaof(struct cmd *c)
{
    int64_t local, replicas, timeout_us;

    if (!cmd_arg_range(c, 1, 0, 1, &local,
                       "ERR value is out of range, value must between 0 and 1") ||
        !cmd_arg_range(c, 2, 0, INT64_MAX, &replicas,
                       "ERR value is out of range, must be positive") ||
        !cmd_arg_timeout_ms(c, 3, &timeout_us)) {
        return;
    }
    if (!serves(c->node)) {
        resp_error(c->reply, "ERR WAITAOF cannot be used with replica instances. Please also note "
                             "that writes to replicas are just local and are not propagated.");
        return;
    }
    if (c->node->config.appendfsync != APPENDFSYNC_ALWAYS) {
        /* Nobody is told when a certain write was synced. */
        resp_error(c->reply, "ERR WAITAOF cannot be used unless appendfsync is set to always.");
        return;
    }
    wait_for(c, (uint64_t)local, replicas, timeout_us);
}
