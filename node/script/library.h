/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library.h - function libraries: FUNCTION, FCALL.
 *
 * Their source texts are the system group's (cluster_state_map(CLUSTER_MAP_FUNCTIONS)), the same on
 * every node; what is here are the Lua functions made of them. They follow the texts when somebody
 * asks for them: a map with another revision is compared, and what is new in it is loaded. */
#ifndef NODE_SCRIPT_LIBRARY_H
#define NODE_SCRIPT_LIBRARY_H

#include "node/script/scripts.h"

void libraries_init(struct scripts *s);
void libraries_release(struct scripts *s);
void libraries_usage(struct scripts *s, struct scripts_usage *out);

/* False: a library that is being loaded has taken too long. */
bool libraries_may_go_on(const struct scripts *s);

/* A function's SCRIPT_* flags; SCRIPT_PLAIN when there is none of that name. */
uint32_t library_function_flags(struct scripts *s, const struct arg *name);

/* FCALL, FCALL_RO. Replies. */
void libraries_call(struct cmd *c, bool read_only);
/* FUNCTION LIST, STATS; they reply. */
void libraries_list(struct cmd *c);
void libraries_stats(struct cmd *c);
/* FUNCTION DUMP; replies. */
void libraries_dump(struct cmd *c);
/* FUNCTION LOAD, DELETE, FLUSH, RESTORE: the system group is asked, and the client waits. */
void libraries_load(struct cmd *c);
void libraries_delete(struct cmd *c);
void libraries_flush(struct cmd *c);
void libraries_restore(struct cmd *c);

#endif
