/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/chan.h - a bounded queue of messages from any threads to one libev loop.
 *
 * The consumer drains whole batches: the wake-up (ev_async) is coalesced, so N pushes while the
 * consumer is busy cost one wake-up at most. A message is a pointer; pushing hands it over. */
#ifndef BASE_CHAN_H
#define BASE_CHAN_H

#include "base/base.h"

struct ev_loop;
struct chan; /* opaque */

/* Called in the consumer's loop with up to @n messages in order of arrival; they are the
 * callee's now. Called until the queue is empty, but for at most a full queue per loop turn. */
typedef void chan_fn(void *arg, void **messages, size_t n);

/* @capacity: messages, at most 2^20. Never NULL. */
struct chan *chan_new(size_t capacity);

/* Consumer thread, before its loop runs: @fn is called in @loop. */
void chan_attach(struct chan *c, struct ev_loop *loop, chan_fn *fn, void *arg);
void chan_detach(struct chan *c); /* consumer thread; messages stay queued */

/* Any thread. False when full: the message is still the caller's. */
MUST_CHECK bool chan_push(struct chan *c, void *message);
/* Any thread: all of @messages or none (false). One wake-up. */
MUST_CHECK bool chan_push_all(struct chan *c, void **messages, size_t n);

/* Consumer thread, attached, not from within @fn: call @fn now with what is queued, as the loop
 * would in its next turn. */
void chan_run(struct chan *c);

/* Consumer thread (or any thread once detached): take up to @max messages now. */
size_t chan_take(struct chan *c, void **out, size_t max);

size_t chan_len(const struct chan *c); /* a moment's value */

/* Detached and empty, or the messages left are lost to their owner. NULL is allowed. */
void chan_free(struct chan *c);

#endif
