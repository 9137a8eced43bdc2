/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/monitor.h - MONITOR: clients that are shown the commands of others. Exec thread only. */
#ifndef NODE_MONITOR_H
#define NODE_MONITOR_H

#include "node/client.h"

/* @c has run: show it to those who watch, if it may be shown (not administrative commands;
 * passwords are left out). Cheap when nobody watches. */
void monitor_show(const struct cmd *c);
/* @c is a script that is about to run (CMD_SKIP_MONITOR): it is shown before what it calls. */
void monitor_show_script(const struct cmd *c);
/* @c watches from now on / no longer. Twice is once. */
void monitor_begin(struct client *c);
void monitor_end(struct client *c);

#endif
