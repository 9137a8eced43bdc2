/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/evict.h - maxmemory: what counts against it, and making room.
 *
 * Only leaders evict, and what they evict goes through the log as DEL, so that replicas stay equal;
 * a node that leads nothing can be above its limit until its leaders evict. What counts is all that
 * the process has allocated, less what replication itself holds (INFO: mem_not_counted_for_evict),
 * or else the log of the evictions would cause more of them.
 *
 * Source: the Redis documentation on key eviction (policies, sampling). Exec thread only. */
#ifndef NODE_EVICT_H
#define NODE_EVICT_H

#include "node/node.h"

enum evict_result {
    EVICT_OK,      /* below the limit, or there is none */
    EVICT_RUNNING, /* above it, but the next turns will go on making room */
    EVICT_FAILED,  /* above it, and nothing can go */
};

struct evict *evict_new(void);
void evict_free(struct evict *e); /* NULL is allowed */

/* Before a command: make room for at most some hundred microseconds (maxmemory-eviction-tenacity).
 * Cheap below the limit. While CLIENT PAUSE is in force nothing goes, and all is EVICT_OK. */
enum evict_result evict_make_room(struct node *n);
/* Go on making room while no commands come. */
void evict_cron(struct node *n);

/* A value of so many bytes is being freed on another thread: it does not count any more. */
void evict_freed_elsewhere(struct node *n, size_t bytes);

/* Bytes that count, and those that do not though they are allocated. */
uint64_t evict_used(struct node *n);
uint64_t evict_not_counted(struct node *n);
/* How long this node has been above maxmemory, in milliseconds: @total, or this time (0: it is
 * not). */
uint64_t evict_exceeded_ms(const struct node *n, bool total);

#endif
