/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/news.h - what others are told of a group's changes, once these are committed.
 *
 * A command's keyspace events and invalidations are news of its batch, and so are the messages of
 * a transaction or script. They wait in the group's queue until the batch is committed, and are
 * dropped when it is gone: nobody hears of a change that was undone, nor gets a message of what its
 * sender is told was not done. Clients' own replies do not wait for them.
 *
 *   executed            news_event(), news_message(), news_invalidate(), news_flushed()
 *   transaction's end   news_settle(): now it is known what its messages wait for
 *   batch committed     news_committed(): subscribers and trackers get theirs, in order
 *   batches gone        news_gone()
 *
 * Memory: as much as the effects of the uncommitted batches take, which is bounded
 * (group_is_congested()), times the length of the events' names; that of messages is counted.
 * Exec thread only. */
#ifndef NODE_NEWS_H
#define NODE_NEWS_H

#include "node/client.h"

struct tracked; /* node/tracking.h */

struct news_queue {
    struct news *first, *last;
    struct news *settled; /* the last of which the batch is known; NULL: the first is not */
    bool unsettled;       /* there are some behind it */
    size_t message_bytes; /* of messages */
};

/* The bytes are copied. Of a command that has changed something @batch is the open one; of others
 * it is their gate. */
void news_event(struct group *g, uint64_t batch, const struct arg *channel,
                const struct arg *message);
/* A message to the subscribers of all nodes (@kind as for pubsub_broadcast()), of what ends with
 * news_settle(). The bytes are copied. */
void news_message(struct group *g, enum sub_kind kind, const struct arg *channel,
                  const struct arg *message);
/* News from the first such message on are told once @batch is decided, in their order; the messages
 * only if @needs, which is no later, turns out to be committed. Returns the batch they wait for, or
 * 0: they have been told. */
uint64_t news_settle(struct group *g, uint64_t batch, uint64_t needs);
/* Takes @t. @writer: id of the client that changed the key; 0: none. */
void news_invalidate(struct group *g, uint64_t batch, struct tracked *t, uint64_t writer);
/* All keys may have changed. */
void news_flushed(struct group *g, uint64_t batch);

/* g->committed has risen. */
void news_committed(struct group *g);
/* All batches above g->committed are gone. */
void news_gone(struct group *g);
/* Forget all, without a word. */
void news_release(struct group *g);

#endif
