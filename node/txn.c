/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/txn.c - see node/txn.h.
 *
 * EXEC executes the queue within one command of the dispatcher: one clock value, one unit of
 * effects, one gate for the whole reply. */
#include "node/txn.h"

#include "base/mem.h"
#include "node/access.h"
#include "node/acl.h"
#include "node/command/handlers.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/script/scripts.h"
#include "node/watch.h"

#include <stdlib.h>
#include <string.h>

#define TXN_QUEUE_MAX (1 << 20)

bool txn_queues(const struct command *command)
{
    return command->fn != cmd_exec && command->fn != cmd_discard && command->fn != cmd_multi &&
           command->fn != cmd_watch && command->fn != cmd_quit && command->fn != cmd_reset;
}

uint32_t txn_flags(const struct client *c)
{
    uint32_t flags = 0;

    for (int i = 0; i < c->n_queued; i++) {
        const struct queued *q = &c->queued[i];

        flags |= q->command->flags;
        /* A script that may write is to run where it can: a transaction half of which was refused
         * would be no good. */
        if (scripts_is_command(q->command) &&
            scripts_flags(c->node, q->command, q->argv, q->argc) != CMD_READONLY) {
            flags |= CMD_WRITE;
        }
    }
    return flags;
}

bool txn_may_write(const struct client *c)
{
    bool any = false;

    for (int i = 0; i < c->n_queued; i++) {
        const struct queued *q = &c->queued[i];

        any |= exec_may_write(c->node, q->command, q->argv, q->argc);
    }
    return any;
}

/* Some of what is queued is over the whole keyspace. */
static bool is_over_keyspace(const struct client *c)
{
    bool any = false;

    for (int i = 0; i < c->n_queued; i++) {
        any |= route_is_over_keyspace(c->queued[i].command);
    }
    return any;
}

static void free_queue(struct client *c)
{
    for (int i = 0; i < c->n_queued; i++) {
        free(c->queued[i].argv); /* arguments stand in the same allocation */
    }
    c->n_queued = 0;
    c->queued_bytes = 0;
}

void txn_discard(struct client *c)
{
    free_queue(c);
    c->flags &= ~(uint32_t)(CLIENT_MULTI | CLIENT_DIRTY_EXEC | CLIENT_DIRTY_CAS);
    c->multi_slot = ROUTE_NO_KEYS;
    watch_clear(c->node->watches, c);
}

void txn_release(struct client *c)
{
    txn_discard(c);
    free(c->queued);
    c->queued = NULL;
    c->cap_queued = 0;
}

/* False, with a redirection, where the leader is known to be elsewhere: EXEC would say no more. */
static bool may_run_here(struct client *c, struct cmd *cmd, struct group *g, uint16_t slot,
                         bool local_read)
{
    if (g != NULL && group_leader_is_elsewhere(g) &&
        ((cmd->command->flags & CMD_WRITE) || !local_read)) {
        route_reply_redirect(c, g, slot, cmd->reply);
        return false;
    }
    return true;
}

/* The client watches keys of another group: what it would learn of them could not be undone
 * together with what it does here. */
static bool watches_elsewhere(const struct client *c, const struct group *g)
{
    const struct group *watched = watch_group(c);

    return watched != NULL && watched != g;
}

/* A command is refused early where it cannot run; in cluster mode a transaction stays in one slot.
 */
static bool is_fine(struct client *c, struct cmd *cmd)
{
    struct group *g;
    int slot;

    if (!c->node->config.cluster_enabled) {
        bool wants_leader =
            (cmd->command->flags & CMD_READONLY) != 0 &&
            (c->flags & (CLIENT_CAN_REDIRECT | CLIENT_READONLY)) == CLIENT_CAN_REDIRECT;

        return may_run_here(c, cmd, groups_home(c->node), 0, !wants_leader);
    }
    if (cmd->command->n_key_specs == 0) {
        return true;
    }
    slot = route_slot(cmd->command, cmd->argv, cmd->argc);
    g = slot < 0 ? NULL : groups_of_slot(c->node, slot);
    if (slot == ROUTE_CROSS_SLOT || (slot >= 0 && c->multi_slot >= 0 && slot != c->multi_slot) ||
        (slot >= 0 && watches_elsewhere(c, g))) {
        resp_error(cmd->reply, "CROSSSLOT Keys in request don't hash to the same slot");
        return false;
    }
    if (slot < 0) {
        return true;
    }
    if (!may_run_here(c, cmd, g, (uint16_t)slot, (c->flags & CLIENT_READONLY) != 0)) {
        return false;
    }
    c->multi_slot = slot;
    return true;
}

bool txn_enqueue(struct client *c, struct cmd *cmd)
{
    size_t bytes = 0;
    struct arg *argv;

    if (!is_fine(c, cmd)) {
        return false;
    }
    argv = c->n_queued < TXN_QUEUE_MAX ? cmd_copy_args(cmd->argv, cmd->argc, &bytes) : NULL;
    if (argv != NULL && c->queued_bytes + bytes > exec_bytes_max(c->node)) {
        free(argv); /* its effects would not fit into one log entry */
        argv = NULL;
    }
    if (argv == NULL) {
        resp_error(cmd->reply, "OOM transaction is too large");
        return false;
    }
    if (c->n_queued == c->cap_queued) {
        c->cap_queued = c->cap_queued == 0 ? 8 : c->cap_queued * 2;
        c->queued = mem_realloc(c->queued, (size_t)c->cap_queued * sizeof *c->queued);
    }
    c->queued[c->n_queued++] = (struct queued){cmd->command, argv, cmd->argc};
    c->queued_bytes += bytes;
    resp_status(cmd->reply, "QUEUED");
    return true;
}

enum route txn_route(struct client *c, struct cmd *cmd, uint16_t *slot)
{
    *slot = c->multi_slot >= 0 ? (uint16_t)c->multi_slot : ROUTE_ANY_SLOT;
    cmd->group = watch_group(c); /* keys of other groups cannot be queued */
    if (cmd->group == NULL) {
        cmd->group = groups_of_slot(c->node, c->multi_slot);
    }
    cmd->ks = cmd->group == NULL ? NULL : cmd->group->ks;
    /* Nothing will be executed: EXEC answers by itself. */
    if ((c->flags & CLIENT_MULTI) == 0 || (c->flags & (CLIENT_DIRTY_EXEC | CLIENT_DIRTY_CAS))) {
        return ROUTE_HERE;
    }
    return route_exec(c, cmd, txn_flags(c), c->multi_slot, is_over_keyspace(c));
}

void cmd_multi(struct cmd *c)
{
    if (c->client->flags & CLIENT_MULTI) {
        resp_error(c->reply, "ERR MULTI calls can not be nested");
        return;
    }
    c->client->flags |= CLIENT_MULTI;
    c->client->multi_slot = ROUTE_NO_KEYS;
    cmd_reply_ok(c);
}

void cmd_discard(struct cmd *c)
{
    if ((c->client->flags & CLIENT_MULTI) == 0) {
        resp_error(c->reply, "ERR DISCARD without MULTI");
        return;
    }
    txn_discard(c->client);
    cmd_reply_ok(c);
}

void cmd_watch(struct cmd *c)
{
    struct node *n = c->node;

    if (c->client->flags & CLIENT_MULTI) {
        resp_error(c->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    if (watches_elsewhere(c->client, c->group)) {
        resp_error(c->reply, "CROSSSLOT Keys in request don't hash to the same slot");
        return;
    }
    for (int i = 1; i < c->argc; i++) {
        struct key k;

        /* The look-up raises the gate: what is watched is what committed state shows. */
        (void)access_peek(c, &c->argv[i], &k);
        watch_add(n->watches, c->client, c->group, c->db, &k);
    }
    cmd_reply_ok(c);
}

void cmd_unwatch(struct cmd *c)
{
    watch_clear(c->node->watches, c->client);
    c->client->flags &= ~(uint32_t)CLIENT_DIRTY_CAS;
    cmd_reply_ok(c);
}

/* All effects of a transaction are in one entry of the log, and some are longer than their command:
 * "INCRBYFLOAT k 1" is logged as the number it comes to. */
static bool effects_fit(const struct cmd *c, const struct queued *q, size_t batch_before)
{
    size_t so_far = c->group == NULL ? 0 : c->group->batch.len - batch_before;

    return exec_fits(c->node, q->command, q->argv, q->argc, so_far);
}

static void run_queue(struct cmd *c, struct client *client)
{
    size_t batch_before = c->group == NULL ? 0 : c->group->batch.len;

    resp_array(c->reply, (size_t)client->n_queued);
    for (int i = 0; i < client->n_queued; i++) {
        struct queued *q = &client->queued[i];
        struct cmd sub = *c;

        sub.command = q->command;
        sub.argv = q->argv;
        sub.argc = q->argc;
        sub.db = client->db; /* a queued SELECT changes it */
        sub.slot = client->multi_slot;
        sub.in_exec = true;
        if (!acl_is_unrestricted(client) &&
            !acl_still_permits(client, q->command, q->argv, q->argc, c->reply)) {
            continue;
        }
        if (!effects_fit(c, q, batch_before)) {
            resp_error(c->reply,
                       "ERR the transaction's writes are too large to fit into one log entry");
            continue;
        }
        exec_call_within(c, &sub);
    }
}

void cmd_exec(struct cmd *c)
{
    struct client *client = c->client;

    if ((client->flags & CLIENT_MULTI) == 0) {
        resp_error(c->reply, "ERR EXEC without MULTI");
        return;
    }
    if (client->flags & CLIENT_DIRTY_EXEC) {
        resp_error(c->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if ((client->flags & CLIENT_DIRTY_CAS) || watch_any_expired(client, c->now_ms)) {
        resp_null_array(c->reply);
        /* That a watched key changed is news of a write, which must be committed. */
        if (c->group != NULL && c->group->ks != NULL) {
            access_all(c);
        }
    } else {
        bool watching = link_is_in(&client->watched);

        run_queue(c, client);
        if (watching && c->group != NULL && c->group->ks != NULL) {
            access_all(c);
        }
    }
    txn_discard(client);
}
