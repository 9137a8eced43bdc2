/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_change.h - commands of clients that change the cluster's users or functions.
 *
 * Such a command reads the state as it is applied here and makes a change of it, on condition that
 * nobody was faster; on a conflict it is made anew. The client is held meanwhile. It is answered
 * once the change is committed and applied here, so that its next command finds it, or with an
 * error that says that nothing was changed; when the outcome is not known in time the connection is
 * closed. */
#ifndef NODE_SYSTEM_CHANGE_H
#define NODE_SYSTEM_CHANGE_H

#include "cluster/state.h"
#include "node/command/command.h"

struct system_change {
    struct node *node;
    struct client *client;
    const struct arg *argv; /* the command's, copied: valid until it is answered */
    int argc;
    struct resp_out *reply;
    int64_t value; /* the command's own: from make to done */
};

/* Make the change from the state of now: .map and the edits; condition and revision are filled in.
 * False: it has replied (an error, or that there is nothing to change). */
typedef bool system_make_fn(struct system_change *s, struct cluster_change *out);
/* Reply once it is done. */
typedef void system_reply_fn(struct system_change *s);

/* Carry a command out; @done NULL: +OK. Within EXEC it is refused: a transaction cannot wait. */
void system_change(struct cmd *c, system_make_fn *make, system_reply_fn *done);

#endif
