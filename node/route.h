/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/route.h - where a command belongs: here, elsewhere, or not yet. */
#ifndef NODE_ROUTE_H
#define NODE_ROUTE_H

#include "node/group.h"

enum route {
    ROUTE_HERE,    /* execute */
    ROUTE_PARK,    /* hold the client until its group has decided something */
    ROUTE_REPLIED, /* an error or redirection was written */
};

/* Decide for a command with the given keys. Sets cmd->group, cmd->ks, cmd->slot and *@slot_out. */
enum route route_command(struct client *c, struct cmd *cmd, uint16_t *slot_out);
/* For EXEC: @flags is the union of the queued commands' flags, @slot their slot (-1: no keys),
 * @keyspace: some are over the whole keyspace. @cmd has a group, which matters without a slot. */
enum route route_exec(struct client *c, struct cmd *cmd, uint32_t flags, int slot, bool keyspace);
/* A command without keys that is about all of them: DBSIZE, KEYS, FLUSHALL. */
bool route_is_over_keyspace(const struct command *cmd);
/* Slot shared by the keys of a call: >= 0; ROUTE_NO_KEYS; ROUTE_CROSS_SLOT; ROUTE_BAD_ARGS. */
enum { ROUTE_NO_KEYS = -1, ROUTE_CROSS_SLOT = -2, ROUTE_BAD_ARGS = -3 };
int route_slot(const struct command *cmd, const struct arg *argv, int argc);

/* In place of a slot: any of the group's (the command has no key). */
#define ROUTE_ANY_SLOT UINT16_MAX

/* The error that sends @c to where @g is served now: MOVED, REDIRECT, READONLY, CLUSTERDOWN ... All
 * of them mean: surely not executed. */
void route_reply_redirect(const struct client *c, struct group *g, uint16_t slot,
                          struct resp_out *reply);

#endif
