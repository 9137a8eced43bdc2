/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/handlers.h - the prototypes of all command handlers, generated from implemented.txt:
 * that of "CONFIG|GET" is void cmd_config_get(struct cmd *c). CMake target: node_handlers. */
#ifndef NODE_COMMAND_HANDLERS_H
#define NODE_COMMAND_HANDLERS_H

#include "node/command/command.h"

#include "handlers.gen.h"

#endif
