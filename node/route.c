/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/route.c - see node/route.h.
 *
 *   group state      leader known elsewhere         no leader known
 *   SERVING          execute
 *   CATCHING_UP      park
 *   FOLLOWING        redirect; allowed reads: here  park, then CLUSTERDOWN; allowed reads: here
 *   UNDECIDED        redirect                       park, then CLUSTERDOWN
 *   LOADING          redirect; allowed reads: LOADING
 *
 * Reads on a follower are allowed to READONLY clients in cluster mode, to all in plain mode. For
 * messages see route_pubsub(). */
#include "node/route.h"

#include "base/mem.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/script/scripts.h"
#include "node/system.h"

#include <stdlib.h>

static bool triple_is_exact(const struct command *cmd)
{
    return (cmd->flags & CMD_MOVABLE_KEYS) == 0 && cmd->n_key_specs == 1;
}

int route_slot(const struct command *cmd, const struct arg *argv, int argc)
{
    int slot = ROUTE_NO_KEYS;

    if (triple_is_exact(cmd)) {
        int last = cmd->last_key < 0 ? argc + cmd->last_key : cmd->last_key;

        if (cmd->first_key <= 0) {
            return ROUTE_NO_KEYS;
        }
        for (int i = cmd->first_key; i <= last && i < argc; i += cmd->key_step) {
            int s = cluster_slot(argv[i].p, argv[i].n);

            if (slot >= 0 && s != slot) {
                return ROUTE_CROSS_SLOT;
            }
            slot = s;
        }
        return slot;
    }
    if (cmd->n_key_specs == 0) {
        return ROUTE_NO_KEYS;
    }

    int *positions = mem_alloc((size_t)argc * sizeof *positions);
    int n = command_keys(cmd, argv, argc, positions, NULL, argc);

    if (n < 0) {
        slot = ROUTE_BAD_ARGS; /* unless a key is clear: the command may look at it all the same */
        n = command_clear_keys(cmd, argv, argc, positions, NULL, argc);
    }
    for (int i = 0; i < n; i++) {
        int s = cluster_slot(argv[positions[i]].p, argv[positions[i]].n);

        if (slot >= 0 && s != slot) {
            slot = ROUTE_CROSS_SLOT;
            break;
        }
        slot = s;
    }
    free(positions);
    return slot;
}

/* MOVED must name a slot that is served there, or clients would learn something wrong. */
static unsigned slot_for(const struct node *n, const struct group *g, uint16_t slot)
{
    unsigned first;

    if (slot != ROUTE_ANY_SLOT) {
        return slot;
    }
    first = cluster_state_first_slot(system_state(n), g->number);
    return first == CLUSTER_SLOTS ? 0 : first;
}

void route_reply_redirect(const struct client *c, struct group *g, uint16_t slot,
                          struct resp_out *reply)
{
    struct node *n = c->node;
    const struct cluster_node *leader = NULL;

    if (g->leader != 0) {
        leader = cluster_state_node(system_state(n), g->leader);
    }
    if (n->config.cluster_enabled) {
        if (leader != NULL) {
            resp_errorf(reply, "MOVED %u %s:%u", slot_for(n, g, slot), leader->client.host,
                        leader->client.port);
        } else {
            resp_error(reply, "CLUSTERDOWN The cluster is down");
        }
        return;
    }
    if (leader != NULL && leader->number == raft_host_identity(n->host)->node) {
        resp_error(reply, "LOADING Redis is loading the dataset in memory");
    } else if (leader != NULL && (c->flags & CLIENT_CAN_REDIRECT)) {
        resp_errorf(reply, "REDIRECT %s:%u", leader->client.host, leader->client.port);
    } else if (leader != NULL) {
        resp_error(reply, "READONLY You can't write against a read only replica.");
    } else {
        resp_error(reply, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set "
                          "to 'no'.");
    }
}

static enum route refuse(struct client *c, struct cmd *cmd, struct group *g, uint16_t slot)
{
    route_reply_redirect(c, g, slot, cmd->reply);
    return ROUTE_REPLIED;
}

static enum route park_or_refuse(struct client *c, struct cmd *cmd, struct group *g, uint16_t slot)
{
    return c->park_expired ? refuse(c, cmd, g, slot) : ROUTE_PARK;
}

/* @local_read: may be answered from a follower's state. */
static enum route decide(struct client *c, struct cmd *cmd, struct group *g, uint16_t slot,
                         bool local_read)
{
    bool elsewhere = group_leader_is_elsewhere(g);

    switch (g->state) {
    case GROUP_SERVING:
        if (g->parking > 0) {
            return park_or_refuse(c, cmd, g, slot);
        }
        if (g->disk_full && (cmd->command->flags & CMD_WRITE)) {
            resp_error(cmd->reply, "MISCONF The disk of the leader is full: writes are refused "
                                   "until there is room. Reads are served.");
            return ROUTE_REPLIED;
        }
        if (group_is_congested(g)) {
            return ROUTE_PARK;
        }
        return ROUTE_HERE;
    case GROUP_CATCHING_UP:
        return park_or_refuse(c, cmd, g, slot);
    case GROUP_FOLLOWING:
        if (local_read && (elsewhere || cmd->node->config.replica_serve_stale_data)) {
            return ROUTE_HERE;
        }
        break;
    case GROUP_LOADING:
        if (local_read) {
            resp_error(cmd->reply, "LOADING Redis is loading the dataset in memory");
            return ROUTE_REPLIED;
        }
        break;
    case GROUP_UNDECIDED:
        break;
    }
    return elsewhere ? refuse(c, cmd, g, slot) : park_or_refuse(c, cmd, g, slot);
}

/* The cluster is not formed, or this node has no replica of the group. */
static enum route no_group(struct client *c, struct cmd *cmd)
{
    if (!c->park_expired && !system_is_formed(cmd->node)) {
        return ROUTE_PARK;
    }
    if (cmd->node->config.cluster_enabled) {
        resp_error(cmd->reply, "CLUSTERDOWN Hash slot not served");
    } else {
        resp_error(cmd->reply, "LOADING Redis is loading the dataset in memory");
    }
    return ROUTE_REPLIED;
}

static void use_group(struct cmd *cmd, struct group *g)
{
    cmd->group = g;
    cmd->ks = g->ks;
}

static bool may_read_locally(const struct client *c, uint32_t flags)
{
    if (flags & CMD_WRITE) {
        return false;
    }
    if ((c->flags & CLIENT_READONLY) != 0) {
        return true;
    }
    /* Without slots, who cannot follow a redirection reads where he is. */
    return !c->node->config.cluster_enabled && (c->flags & CLIENT_CAN_REDIRECT) == 0;
}

bool route_is_over_keyspace(const struct command *cmd)
{
    return cmd->n_key_specs == 0 && (cmd->flags & (CMD_WRITE | CMD_READONLY)) != 0 &&
           !scripts_is_of_system(cmd);
}

/* All groups of the span must be ready for @cmd, which is then over them. */
static enum route decide_span(struct client *c, struct cmd *cmd, struct span *s, uint16_t slot,
                              bool local_read)
{
    for (size_t i = 0; i < s->n; i++) {
        struct group *g = s->parts[i].group;
        enum route r = g->ks == NULL
                           ? no_group(c, cmd)
                           : decide(c, cmd, g, i == 0 ? slot : ROUTE_ANY_SLOT, local_read);

        if (r != ROUTE_HERE) {
            cmd->group = g;
            return r;
        }
    }
    span_begin(s, cmd);
    return ROUTE_HERE;
}

/* Over the whole keyspace: the groups this node leads, or else its replicas; a write must be sent
 * to the leader by the client's own choice, as with a Redis replica. */
static enum route route_keyspace(struct client *c, struct cmd *cmd)
{
    bool is_write = (cmd->command->flags & CMD_WRITE) != 0;
    struct span *s = &c->node->span;

    if (is_write && !groups_lead(c->node) && group_leader_is_elsewhere(cmd->group)) {
        if (!c->node->config.cluster_enabled) {
            return refuse(c, cmd, cmd->group, ROUTE_ANY_SLOT);
        }
        resp_error(cmd->reply, "READONLY You can't write against a read only replica.");
        return ROUTE_REPLIED;
    }
    if (c->node->n_groups <= NODE_FIRST_DATA_GROUP + 1) {
        bool local =
            c->node->config.cluster_enabled ? !is_write : may_read_locally(c, cmd->command->flags);

        return decide(c, cmd, cmd->group, ROUTE_ANY_SLOT, local);
    }
    span_clear(s);
    span_add_shown(s, c->node);
    return s->n == 0 ? no_group(c, cmd) : decide_span(c, cmd, s, ROUTE_ANY_SLOT, !is_write);
}

/* Any node takes subscribers and messages. Of a shard channel (@slot >= 0) any replica of its group
 * takes subscribers, and the leader messages, so that all subscribers see one order. */
static enum route route_pubsub(struct client *c, struct cmd *cmd, struct group *g, int slot)
{
    if (!c->node->config.cluster_enabled || slot < 0 || cmd->command->fn == cmd_sunsubscribe) {
        return ROUTE_HERE;
    }
    if (g == NULL) {
        return no_group(c, cmd);
    }
    return cmd->command->fn == cmd_spublish ? decide(c, cmd, g, (uint16_t)slot, false) : ROUTE_HERE;
}

/* A script that writes runs where it can, one that says that it does not where its client may read.
 * An old one, of which nobody knows, is taken for a writer where it names its keys; else its calls
 * tell. */
static enum route route_script(struct client *c, struct cmd *cmd, struct group *g, int slot,
                               uint16_t *slot_out)
{
    uint32_t flags = scripts_flags(c->node, cmd->command, cmd->argv, cmd->argc);

    if (slot < 0) {
        *slot_out = ROUTE_ANY_SLOT;
        return decide(c, cmd, g, ROUTE_ANY_SLOT, (flags & CMD_WRITE) == 0);
    }
    return decide(c, cmd, g, *slot_out, (flags & CMD_READONLY) != 0 && may_read_locally(c, flags));
}

enum route route_command(struct client *c, struct cmd *cmd, uint16_t *slot_out)
{
    struct node *n = c->node;
    uint32_t flags = cmd->command->flags;
    bool has_keys = cmd->command->n_key_specs > 0;
    bool is_script = scripts_is_command(cmd->command);
    int slot = ROUTE_NO_KEYS;

    *slot_out = 0;
    if (n->config.cluster_enabled && has_keys) {
        slot = route_slot(cmd->command, cmd->argv, cmd->argc);
        if (slot == ROUTE_CROSS_SLOT) {
            resp_error(cmd->reply, "CROSSSLOT Keys in request don't hash to the same slot");
            return ROUTE_REPLIED;
        }
        if (slot == ROUTE_BAD_ARGS) {
            has_keys = false; /* the command itself says what is wrong */
        } else if (slot >= 0) {
            *slot_out = (uint16_t)slot;
            cmd->slot = slot;
        }
    }

    struct group *g = groups_of_slot(n, slot);
    bool on_data = has_keys || route_is_over_keyspace(cmd->command);

    if (g != NULL) {
        use_group(cmd, g);
    }
    if (flags & CMD_PUBSUB) {
        return route_pubsub(c, cmd, g, slot);
    }
    if (!on_data) {
        return ROUTE_HERE;
    }
    if (g == NULL || g->ks == NULL) {
        return no_group(c, cmd);
    }
    if (is_script) {
        return route_script(c, cmd, g, slot, slot_out);
    }
    if (!has_keys || slot == ROUTE_NO_KEYS) {
        if (has_keys && n->config.cluster_enabled) {
            return ROUTE_HERE; /* keys were expected but none given: an arity matter */
        }
        *slot_out = ROUTE_ANY_SLOT;
        return route_keyspace(c, cmd);
    }
    return decide(c, cmd, g, *slot_out, may_read_locally(c, flags));
}

enum route route_exec(struct client *c, struct cmd *cmd, uint32_t flags, int slot, bool keyspace)
{
    struct group *g = slot < 0 ? cmd->group : groups_of_slot(c->node, slot);
    struct span *s = &c->node->span;

    if (g != NULL) {
        use_group(cmd, g);
    }
    if ((flags & (CMD_WRITE | CMD_READONLY)) == 0 && slot < 0) {
        return ROUTE_HERE;
    }
    if (g == NULL || g->ks == NULL) {
        return no_group(c, cmd);
    }
    span_clear(s);
    span_add(s, g);
    if (keyspace) {
        span_add_shown(s, c->node);
    }
    return decide_span(c, cmd, s, slot < 0 ? ROUTE_ANY_SLOT : (uint16_t)slot,
                       (flags & CMD_WRITE) == 0 && ((slot < 0 && c->node->config.cluster_enabled) ||
                                                    may_read_locally(c, flags)));
}
