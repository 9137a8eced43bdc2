/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/exec.h - executing commands: for clients, from the log, and for the node itself. */
#ifndef NODE_EXEC_H
#define NODE_EXEC_H

#include "node/client.h"
#include "node/group.h"

enum exec_result {
    EXEC_DONE,   /* replied, queued, blocked or closing: the request can be dropped */
    EXEC_PARKED, /* the client is parked: the request stays in its input */
};

/* One request of a client, standing in argv. */
enum exec_result exec_request(struct client *c, const struct arg *argv, int argc);

/* Call the handler of a client that was held back once more (node/block.h): false when it still
 * waits, else its reply is behind its gate. @g serves, or it is a read that may be a follower's. */
MUST_CHECK bool exec_again(struct client *c, const struct command *command, const struct arg *argv,
                           int argc, uint32_t db, struct group *g, int slot);

/* Run the handler of @cmd (filled but for the results): clocks, statistics, slow log, the unit of
 * its effects. Used for single commands and, by EXEC, for each queued one. */
void exec_call(struct cmd *cmd);

/* A command of @c that was held back (cmd->held) ends without having been run again: its time is
 * up, or this node leads no longer. Counts the call, and as an error what was replied from @from of
 * the output on, if it is one. */
void exec_count_held(struct client *c, const struct command *command, size_t from);

/* Run @sub, a copy of @outer with a command of its own, within @outer: what it has seen and done is
 * @outer's as well. For EXEC and scripts. */
void exec_call_within(struct cmd *outer, struct cmd *sub);

/* Apply a batch of effects from the log to @g. -1: it is not valid. */
MUST_CHECK int exec_apply(struct group *g, const void *p, size_t n);

/* Delete keys that are due, for about @budget_us; true while more are due. Nothing goes while
 * CLIENT PAUSE is in force. */
bool exec_expire(struct group *g, int64_t budget_us);

/* Free on the bg thread. NULL is allowed. */
void exec_free_later(struct node *n, struct keyspace *ks);
void exec_free_value_later(void *node, void *value);

/* Most bytes of arguments that one command or transaction may have: its effects are in one log
 * entry, together with what the open batch holds already. */
size_t exec_bytes_max(const struct node *n);
/* The effects of the call fit into a log entry that has @taken bytes of its transaction or script
 * already: its arguments and, twice more, the names of its keys: keys that turn out to be past
 * their time go with a DEL each, and some commands log two effects. What is longer than that a
 * command checks itself (cmd_effect_max()). */
MUST_CHECK bool exec_fits(const struct node *n, const struct command *command,
                          const struct arg *argv, int argc, size_t taken);

/* The command writes, or may: what CLIENT PAUSE WRITE holds back. As in Redis that is also what may
 * replicate there: messages, and PFCOUNT, which keeps what it has counted. */
bool exec_may_write(struct node *n, const struct command *command, const struct arg *argv,
                    int argc);

/* True when @c must authenticate first. */
bool exec_needs_auth(const struct client *c);

#endif
