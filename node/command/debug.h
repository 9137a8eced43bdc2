/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/debug.h - subcommands of DEBUG with files of their own. Private to cmd_debug.c. */
#ifndef NODE_COMMAND_DEBUG_H
#define NODE_COMMAND_DEBUG_H

#include "node/command/command.h"

void debug_reload(struct cmd *c); /* debug_reload.c */

#endif
