/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/watch.h - WATCH: which clients want to know that a key has changed. */
#ifndef NODE_WATCH_H
#define NODE_WATCH_H

#include "node/group.h"

struct watch_table;

struct watch_table *watch_table_new(void);
void watch_table_free(struct watch_table *t);
/* Keys watched, once for each client that does. */
size_t watch_table_keys(const struct watch_table *t);

/* @c watches the key of @g; @expired: it is logically missing already. Twice is once. */
void watch_add(struct watch_table *t, struct client *c, struct group *g, uint32_t db,
               const struct key *k);
/* The group of the keys that @c watches: all are of one. NULL: it watches none. */
struct group *watch_group(const struct client *c);
/* Forget all keys of @c. */
void watch_clear(struct watch_table *t, struct client *c);
/* A watched key of @c has passed its expiry time since (then EXEC fails too). */
bool watch_any_expired(struct client *c, int64_t now_ms);

/* The key / everything in the database / everything of the group has changed. */
void watch_touch(struct watch_table *t, struct group *g, uint32_t db, const struct key *k);
void watch_touch_db(struct watch_table *t, struct group *g, uint32_t db);
void watch_touch_group(struct watch_table *t, struct group *g);

#endif
