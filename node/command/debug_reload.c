/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/debug_reload.c - DEBUG RELOAD [NOSAVE]: the data of this node's groups is thrown
 * away and read back from their snapshots and logs, as after a restart.
 *
 * Without NOSAVE fresh snapshots are taken first. A group is reloaded at a moment when it has no
 * open batches; meanwhile its clients wait or are told LOADING, as at the start of a node. */
#include "node/command/debug.h"
#include "node/node.h"
#include "node/snapshot.h"

/* block_arg of the client: failures before, groups that were reloaded (bit per data group). */
enum { ARG_FAILURES, ARG_RELOADED };

static uint64_t bit(uint32_t number) { return UINT64_C(1) << (number - NODE_FIRST_DATA_GROUP); }

/* All groups are reloaded and as they were: those that this node leads serve. */
static bool reload_all(struct node *n, uint64_t *reloaded)
{
    bool done = true;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        struct group *g = n->groups[i];

        if (g == NULL) {
            continue;
        }
        if ((*reloaded & bit(i)) == 0) {
            if (group_reload(g)) {
                *reloaded |= bit(i);
            }
            done = false;
        } else {
            done &= g->state == GROUP_SERVING ||
                    (g->state == GROUP_FOLLOWING && g->role != RAFT_ROLE_LEADER);
        }
    }
    return done;
}

static bool reload_goes_on(struct client *c, bool timed_out, bool gone)
{
    struct node *n = c->node;

    (void)timed_out;
    if (gone) {
        return false;
    }
    if (n->stats.snapshots_failed != c->block_arg[ARG_FAILURES]) {
        resp_error(&c->reply, "ERR the snapshot failed, see the log of the server");
        return true;
    }
    if (c->block_arg[ARG_RELOADED] == 0 && !snapshots_are_published(n)) {
        return false;
    }
    if (!reload_all(n, &c->block_arg[ARG_RELOADED])) {
        node_has_work(n);
        return false;
    }
    resp_status(&c->reply, "OK");
    return true;
}

void debug_reload(struct cmd *c)
{
    struct node *n = c->node;

    if (c->argc > 3 || (c->argc == 3 && !arg_is(&c->argv[2], "NOSAVE"))) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (c->in_exec) {
        resp_error(c->reply, "ERR DEBUG RELOAD is not possible in a transaction");
        return;
    }
    for (uint32_t i = NODE_FIRST_DATA_GROUP; c->argc == 2 && i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            snapshot_ask(n->groups[i], true);
        }
    }
    c->client->block_arg[ARG_FAILURES] = n->stats.snapshots_failed;
    c->client->block_arg[ARG_RELOADED] = 0;
    client_block(c->client, reload_goes_on, 0);
}
