/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/block_table.h - who waits at which key: what exec.c, access.c and group.c tell node/block.c.
 * Exec thread only. */
#ifndef NODE_BLOCK_TABLE_H
#define NODE_BLOCK_TABLE_H

#include "node/group.h"

struct block_table;
struct blocked; /* a client that waits, and for what */

struct block_table *block_table_new(void);
void block_table_free(struct block_table *t); /* nobody waits any more; NULL is allowed */

/* Keys at which somebody waits. */
size_t block_table_keys(const struct block_table *t);

/* The key / anything in the database has changed: who waits there is tried by the next
 * block_serve(). Cheap when nobody waits. */
void block_key_changed(struct block_table *t, struct group *g, uint32_t db, const struct key *k);
void block_db_changed(struct block_table *t, struct group *g, uint32_t db);
/* The group's data has been replaced as a whole: likewise for all its keys. */
void block_group_changed(struct block_table *t, struct group *g);
/* This node serves the group (again): likewise, and who waits there waits at the leader now. */
void block_group_serves(struct block_table *t, struct group *g);

/* Call the handlers of those who wait at ready keys. Between two commands only. */
void block_serve(struct node *n);
bool block_is_ready(const struct block_table *t); /* there is something to serve */

/* The leader of @g is known and not here: send those there who wait at a leader. */
void block_leader_changed(struct group *g);
/* The node goes down: tell those who wait. */
void block_end_all(struct node *n);

#endif
