/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/list.h - what the commands of lists share. Private to node/command. */
#ifndef NODE_COMMAND_LIST_H
#define NODE_COMMAND_LIST_H

#include "node/command/command.h"
#include "node/types/list.h"

/* The list at argv[1] / at @name (NULL: there is none); false: it is no list, replied. */
MUST_CHECK bool list_read(struct cmd *c, struct item **it);
MUST_CHECK bool list_write(struct cmd *c, const struct arg *name, struct key *k, struct item **it);
void list_delete_if_empty(struct cmd *c, const struct key *k, struct item *it);
void list_reply_element(struct cmd *c, listpack_pos p);

#endif
