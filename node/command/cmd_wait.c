/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_wait.c - WAIT and WAITAOF: until other nodes have the client's writes as well.
 *
 * A write that was answered is on a majority already; these ask for more copies. How far a follower
 * has come is known by log index, what the client wrote by batch. Once the batch is committed it
 * stands at or below the index applied here: that index is what the followers must reach. */
#include "node/command/handlers.h"
#include "node/node.h"

#include <string.h>

/* block_arg of a waiting client. */
enum { ARG_REPLICAS, ARG_LOCAL, ARG_INDEX };
#define LOCAL_NONE 2u /* of ARG_LOCAL: it is a WAIT */

struct progress {
    int64_t local;    /* this node has it on disk */
    int64_t replicas; /* followers that have acknowledged it */
};

/* Where the followers must be; 0: not known yet. A client that wrote nothing asks for followers
 * that have anything at all. */
static uint64_t target_index(const struct group *g, const struct client *c)
{
    if (c->last_write_batch == 0) {
        return 1;
    }
    return c->last_write_batch <= g->committed ? g->applied : 0;
}

static struct progress count(struct node *n, const struct group *g, uint64_t index)
{
    struct progress p = {0};
    struct raft_group_status status;

    if (index == 0 || raft_host_group_status(n->host, g->number, &status) != RAFT_HOST_OK) {
        return p;
    }
    p.local = status.raft.persisted >= index;
    for (size_t i = 0; i < status.raft.n_peers; i++) {
        p.replicas += status.raft.peers[i].match >= index;
    }
    return p;
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

static bool wait_goes_on(struct client *c, bool timed_out, bool gone)
{
    struct node *n = c->node;
    struct group *g = n->groups[NODE_DATA_GROUP];
    uint64_t *arg = c->block_arg;
    bool is_wait = arg[ARG_LOCAL] == LOCAL_NONE;
    struct progress p;

    if (gone) {
        return false;
    }
    if (g == NULL || g->state != GROUP_SERVING) {
        resp_error(&c->reply, "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)");
        return true;
    }
    if (arg[ARG_INDEX] == 0) {
        arg[ARG_INDEX] = target_index(g, c);
    }
    p = count(n, g, arg[ARG_INDEX]);
    if (timed_out || (p.replicas >= (int64_t)arg[ARG_REPLICAS] &&
                      (is_wait || p.local >= (int64_t)arg[ARG_LOCAL]))) {
        reply_progress(&c->reply, is_wait, p);
        return true;
    }
    return false;
}

static bool timeout_arg(struct cmd *c, int i, int64_t *ms)
{
    if (!cmd_arg_i64(c, i, ms, "ERR timeout is not an integer or out of range")) {
        return false;
    }
    if (*ms < 0) {
        resp_error(c->reply, "ERR timeout is negative");
        return false;
    }
    if (*ms > INT64_MAX / 1000 - c->node->now_us / 1000 - 1) {
        resp_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    return true;
}

/* @local: LOCAL_NONE, or what WAITAOF asks of this node. */
static void wait_for(struct cmd *c, uint64_t local, int64_t replicas, int64_t timeout_ms)
{
    struct client *client = c->client;
    struct group *g = c->node->groups[NODE_DATA_GROUP];
    uint64_t index = target_index(g, client);
    struct progress p = count(c->node, g, index);
    bool is_wait = local == LOCAL_NONE;

    if (c->in_exec || (is_wait && replicas <= 0) ||
        (index != 0 && p.replicas >= replicas && (is_wait || p.local >= (int64_t)local))) {
        reply_progress(c->reply, is_wait, p);
        return;
    }
    client->block_arg[ARG_REPLICAS] = replicas < 0 ? 0 : (uint64_t)replicas;
    client->block_arg[ARG_LOCAL] = local;
    client->block_arg[ARG_INDEX] = index;
    client_block(client, wait_goes_on, timeout_ms == 0 ? 0 : c->node->now_us + timeout_ms * 1000);
}

static bool serves(const struct cmd *c)
{
    const struct group *g = c->node->groups[NODE_DATA_GROUP];

    return g != NULL && g->state == GROUP_SERVING;
}

void cmd_wait(struct cmd *c)
{
    int64_t replicas, timeout_ms;

    if (!serves(c)) {
        resp_error(c->reply,
                   "ERR WAIT cannot be used with replica instances. Please also note that since "
                   "Redis 4.0 if a replica is configured to be writable (which is not the default) "
                   "writes to replicas are just local and are not propagated.");
        return;
    }
    if (cmd_arg_i64(c, 1, &replicas, NULL) && timeout_arg(c, 2, &timeout_ms)) {
        wait_for(c, LOCAL_NONE, replicas, timeout_ms);
    }
}

void cmd_waitaof(struct cmd *c)
{
    int64_t local, replicas, timeout_ms;

    if (!cmd_arg_range(c, 1, 0, 1, &local,
                       "ERR value is out of range, value must between 0 and 1") ||
        !cmd_arg_range(c, 2, 0, INT64_MAX, &replicas,
                       "ERR value is out of range, must be positive") ||
        !timeout_arg(c, 3, &timeout_ms)) {
        return;
    }
    if (!serves(c)) {
        resp_error(c->reply, "ERR WAITAOF cannot be used with replica instances. Please also note "
                             "that writes to replicas are just local and are not propagated.");
        return;
    }
    if (c->node->config.appendfsync != APPENDFSYNC_ALWAYS) {
        /* Nobody is told when a certain write was synced. */
        resp_error(c->reply, "ERR WAITAOF cannot be used unless appendfsync is set to always.");
        return;
    }
    wait_for(c, (uint64_t)local, replicas, timeout_ms);
}
