/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/client_name.h - names that clients give themselves. */
#ifndef NODE_COMMAND_CLIENT_NAME_H
#define NODE_COMMAND_CLIENT_NAME_H

#include "node/client.h"

/* Printable, no spaces; else replies an error. */
MUST_CHECK bool client_name_ok(struct cmd *c, const struct arg *name);
/* An empty name takes the name away. */
void client_set_name(struct client *c, const struct arg *name);

#endif
