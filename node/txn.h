/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/txn.h - MULTI, EXEC, DISCARD, WATCH. Source: Redis "Transactions" page. */
#ifndef NODE_TXN_H
#define NODE_TXN_H

#include "node/route.h"

/* True for commands that MULTI queues (all but EXEC, DISCARD, MULTI, WATCH, QUIT, RESET). */
bool txn_queues(const struct command *command);
/* Queue a copy and reply QUEUED; false: an error was replied (EXEC will fail). */
MUST_CHECK bool txn_enqueue(struct client *c, struct cmd *cmd);
/* Where EXEC belongs. */
enum route txn_route(struct client *c, struct cmd *cmd, uint16_t *slot);
/* Union of the flags of what is queued. */
uint32_t txn_flags(const struct client *c);
/* exec_may_write() is true of some of what is queued. */
bool txn_may_write(const struct client *c);
/* Forget the queue and the watches. */
void txn_discard(struct client *c);
void txn_release(struct client *c);

#endif
