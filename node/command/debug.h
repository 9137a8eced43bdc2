/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/debug.h - subcommands of DEBUG with files of their own. Private to cmd_debug.c. */
#ifndef NODE_COMMAND_DEBUG_H
#define NODE_COMMAND_DEBUG_H

#include "node/command/command.h"

/* The value at @name in the selected database, whatever state it is in, of whichever group has it;
 * NULL: there is none, or the data are not all loaded: replied. Changes nothing. */
const struct item *debug_peek(struct cmd *c, const struct arg *name);

void debug_reload(struct cmd *c); /* debug_reload.c */

/* debug_value.c */
void debug_listpack(struct cmd *c);
void debug_quicklist(struct cmd *c);
void debug_htstats_key(struct cmd *c);
void debug_sdslen(struct cmd *c);

#endif
