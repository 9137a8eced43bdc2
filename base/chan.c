/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/chan.c - see base/chan.h.
 *
 * A ring under one mutex, held for a few instructions: producers push small batches and the
 * consumer takes many messages at once, so the lock is rarely contended.
 *
 * No wake-up is lost: `woken` is true from the ev_async_send() until the consumer has seen, under
 * the lock, that the ring is empty. A push that finds it true may stay silent, because the
 * consumer will look again; a push that finds it false sends. The send happens under the lock, so
 * that it can never reach a loop the consumer has detached from. */
#include "base/chan.h"

#include "base/mem.h"

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHAN_CAPACITY_MAX ((size_t)1 << 20)
#define CHAN_BATCH 256 /* messages per call of the consumer's function */

struct chan {
    pthread_mutex_t lock;
    void **ring;
    size_t capacity;
    size_t first;          /* position of the oldest message */
    atomic_size_t len;     /* changed under the lock, read anywhere */
    struct ev_loop *loop;  /* NULL: detached. Written by the consumer under the lock */
    bool woken;            /* see above */
    struct ev_async async; /* consumer's, but for ev_async_send() */
    chan_fn *fn;
    void *arg;
};

struct chan *chan_new(size_t capacity)
{
    struct chan *c = mem_zalloc(sizeof *c);

    assert(capacity > 0);
    assert(capacity <= CHAN_CAPACITY_MAX);
    pthread_mutex_init(&c->lock, NULL);
    c->ring = mem_alloc(capacity * sizeof c->ring[0]);
    c->capacity = capacity;
    atomic_init(&c->len, 0);
    return c;
}

void chan_free(struct chan *c)
{
    if (c == NULL) {
        return;
    }
    assert(c->loop == NULL);
    pthread_mutex_destroy(&c->lock);
    free(c->ring);
    free(c);
}

/* Lock held. */
static void wake(struct chan *c)
{
    if (c->loop != NULL && !c->woken) {
        c->woken = true;
        ev_async_send(c->loop, &c->async);
    }
}

bool chan_push_all(struct chan *c, void **messages, size_t n)
{
    size_t len, at, run;

    if (n == 0) {
        return true;
    }
    pthread_mutex_lock(&c->lock);
    len = atomic_load_explicit(&c->len, memory_order_relaxed);
    if (n > c->capacity - len) {
        pthread_mutex_unlock(&c->lock);
        return false;
    }
    at = (c->first + len) % c->capacity;
    run = MIN_OF(n, c->capacity - at);
    memcpy(c->ring + at, messages, run * sizeof messages[0]);
    memcpy(c->ring, messages + run, (n - run) * sizeof messages[0]);
    atomic_store_explicit(&c->len, len + n, memory_order_relaxed);
    wake(c);
    pthread_mutex_unlock(&c->lock);
    return true;
}

bool chan_push(struct chan *c, void *message) { return chan_push_all(c, &message, 1); }

/* Lock held. */
static size_t take(struct chan *c, void **out, size_t max)
{
    size_t len = atomic_load_explicit(&c->len, memory_order_relaxed);
    size_t n = MIN_OF(len, max);
    size_t run = MIN_OF(n, c->capacity - c->first);

    memcpy(out, c->ring + c->first, run * sizeof out[0]);
    memcpy(out + run, c->ring, (n - run) * sizeof out[0]);
    c->first = (c->first + n) % c->capacity;
    atomic_store_explicit(&c->len, len - n, memory_order_relaxed);
    return n;
}

size_t chan_take(struct chan *c, void **out, size_t max)
{
    size_t n;

    pthread_mutex_lock(&c->lock);
    n = take(c, out, max);
    pthread_mutex_unlock(&c->lock);
    return n;
}

size_t chan_len(const struct chan *c)
{
    return atomic_load_explicit(&c->len, memory_order_relaxed);
}

void chan_run(struct chan *c)
{
    void *batch[CHAN_BATCH];
    size_t budget = c->capacity; /* then other watchers of the loop get their turn */

    while (c->loop != NULL) { /* @fn may detach */
        size_t n;

        pthread_mutex_lock(&c->lock);
        n = take(c, batch, MIN_OF(budget, (size_t)CHAN_BATCH));
        if (n == 0) {
            c->woken = false;
            if (chan_len(c) > 0) { /* out of budget: come back in the loop's next turn */
                wake(c);
            }
            pthread_mutex_unlock(&c->lock);
            return;
        }
        pthread_mutex_unlock(&c->lock);
        budget -= n;
        c->fn(c->arg, batch, n);
    }
}

static void on_async(struct ev_loop *loop, struct ev_async *w, int revents)
{
    (void)loop;
    (void)revents;
    chan_run(CONTAINER_OF(w, struct chan, async));
}

void chan_attach(struct chan *c, struct ev_loop *loop, chan_fn *fn, void *arg)
{
    assert(c->loop == NULL);
    assert(fn != NULL);
    ev_async_init(&c->async, on_async);
    ev_async_start(loop, &c->async);
    c->fn = fn;
    c->arg = arg;
    pthread_mutex_lock(&c->lock);
    c->loop = loop;
    c->woken = false;
    if (chan_len(c) > 0) {
        wake(c);
    }
    pthread_mutex_unlock(&c->lock);
}

void chan_detach(struct chan *c)
{
    struct ev_loop *loop = c->loop;

    if (loop == NULL) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->loop = NULL;
    pthread_mutex_unlock(&c->lock);
    ev_async_stop(loop, &c->async);
}
