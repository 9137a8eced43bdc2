/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/news.h - what others are told of a group's changes, once these are committed.
 *
 * A command's keyspace events and invalidations are news of its batch. They wait in the group's
 * queue until the batch is committed, and are dropped when it is gone: nobody hears of a change
 * that was undone. Clients' own replies do not wait for them.
 *
 *   executed            news_event(), news_invalidate(), news_flushed()
 *   batch committed     news_committed(): subscribers and trackers get theirs, in order
 *   batches gone        news_gone()
 *
 * Memory: as much as the effects of the uncommitted batches take, which is bounded
 * (group_is_congested()), times the length of the events' names. Exec thread only. */
#ifndef NODE_NEWS_H
#define NODE_NEWS_H

#include "node/command/command.h"

struct tracked; /* node/tracking.h */

struct news_queue {
    struct news *first, *last;
};

/* The bytes are copied. Of a command that has changed something @batch is the open one; of others
 * it is their gate. */
void news_event(struct group *g, uint64_t batch, const struct arg *channel,
                const struct arg *message);
/* Takes @t. @writer: id of the client that changed the key; 0: none. */
void news_invalidate(struct group *g, uint64_t batch, struct tracked *t, uint64_t writer);
/* All keys may have changed. */
void news_flushed(struct group *g, uint64_t batch);

/* g->committed has risen. */
void news_committed(struct group *g);
/* All batches above g->committed are gone. */
void news_gone(struct group *g);

#endif
