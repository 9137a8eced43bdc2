/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/news.c - see node/news.h. Invariants: the batches of a queue do not fall; those behind
 * .settled are UNSETTLED, and only while a command runs. */
#include "node/news.h"

#include "base/mem.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/tracking.h"

#include <stdlib.h>
#include <string.h>

#define UNSETTLED UINT64_MAX

enum news_kind { NEWS_EVENT, NEWS_MESSAGE, NEWS_INVALIDATE, NEWS_FLUSHED };

struct news {
    struct news *next;
    uint64_t batch; /* when it is told, if it is */
    uint64_t needs; /* this one must be committed; no later than .batch */
    enum news_kind kind;
    enum sub_kind sub;       /* MESSAGE */
    struct tracked *tracked; /* INVALIDATE */
    uint64_t writer;
    size_t channel, message; /* EVENT, MESSAGE: lengths */
    char bytes[];
};

static void append(struct group *g, struct news *x)
{
    struct news_queue *q = &g->news;

    x->needs = x->batch;
    if (q->last == NULL) {
        q->first = x;
    } else {
        x->batch = MAX_OF(x->batch, q->last->batch); /* news keep their order */
        q->last->next = x;
    }
    q->last = x;
}

static struct news *news_new(uint64_t batch, enum news_kind kind, size_t bytes)
{
    struct news *x = mem_alloc(sizeof *x + bytes);

    *x = (struct news){.batch = batch, .kind = kind};
    return x;
}

static struct news *new_text(uint64_t batch, enum news_kind kind, const struct arg *channel,
                             const struct arg *message)
{
    struct news *x = news_new(batch, kind, channel->n + message->n);

    x->channel = channel->n;
    x->message = message->n;
    if (channel->n > 0) {
        memcpy(x->bytes, channel->p, channel->n);
    }
    if (message->n > 0) {
        memcpy(x->bytes + channel->n, message->p, message->n);
    }
    return x;
}

void news_event(struct group *g, uint64_t batch, const struct arg *channel,
                const struct arg *message)
{
    if (batch <= g->committed && g->news.first == NULL) {
        (void)pubsub_deliver(g->node, SUB_CHANNEL, channel, message);
        return;
    }
    append(g, new_text(batch, NEWS_EVENT, channel, message));
}

void news_message(struct group *g, enum sub_kind kind, const struct arg *channel,
                  const struct arg *message)
{
    struct news_queue *q = &g->news;
    struct news *x = new_text(UNSETTLED, NEWS_MESSAGE, channel, message);

    x->sub = kind;
    if (!q->unsettled) {
        q->unsettled = true;
        q->settled = q->last;
    }
    q->message_bytes += channel->n + message->n;
    append(g, x);
}

void news_invalidate(struct group *g, uint64_t batch, struct tracked *t, uint64_t writer)
{
    struct news *x = news_new(batch, NEWS_INVALIDATE, 0);

    x->tracked = t;
    x->writer = writer;
    append(g, x);
}

void news_flushed(struct group *g, uint64_t batch) { append(g, news_new(batch, NEWS_FLUSHED, 0)); }

/* Tell it, or forget it; it is in no queue any more. */
static void end(struct group *g, struct news *x, bool told)
{
    struct node *n = g->node;
    struct arg channel = {x->bytes, x->channel};
    struct arg message = {x->bytes + x->channel, x->message};

    switch (x->kind) {
    case NEWS_EVENT:
        if (told) {
            (void)pubsub_deliver(n, SUB_CHANNEL, &channel, &message);
        }
        break;
    case NEWS_MESSAGE:
        g->news.message_bytes -= x->channel + x->message;
        if (told) {
            pubsub_broadcast(n, x->sub, &channel, &message);
            (void)pubsub_deliver(n, x->sub, &channel, &message);
        }
        break;
    case NEWS_INVALIDATE:
        if (told) {
            tracking_tell(n, x->tracked, x->writer);
        } else {
            tracked_free(x->tracked);
        }
        break;
    case NEWS_FLUSHED:
        if (told) {
            tracking_tell_all(n);
        }
        break;
    }
    free(x);
}

static struct news *take_first(struct news_queue *q)
{
    struct news *x = q->first;

    q->first = x->next;
    if (q->first == NULL) {
        q->last = NULL;
    }
    return x;
}

static struct news *first_unsettled(const struct news_queue *q)
{
    return q->settled == NULL ? q->first : q->settled->next;
}

/* What waits for nothing does not wait for what is before it. */
static void tell_unsettled(struct group *g)
{
    struct news_queue *q = &g->news;
    struct news *x = first_unsettled(q);

    q->last = q->settled;
    if (q->settled == NULL) {
        q->first = NULL;
    } else {
        q->settled->next = NULL;
    }
    while (x != NULL) {
        struct news *next = x->next;

        end(g, x, true);
        x = next;
    }
}

uint64_t news_settle(struct group *g, uint64_t batch, uint64_t needs)
{
    struct news_queue *q = &g->news;

    assert(q->unsettled);
    assert(needs <= batch);
    q->unsettled = false;
    if (batch <= g->committed) {
        tell_unsettled(g);
        return 0;
    }
    if (q->settled != NULL) {
        batch = MAX_OF(batch, q->settled->batch);
    }
    for (struct news *x = first_unsettled(q); x != NULL; x = x->next) {
        x->batch = batch;
        x->needs = MIN_OF(x->needs, needs);
    }
    return batch;
}

void news_committed(struct group *g)
{
    while (g->news.first != NULL && g->news.first->batch <= g->committed) {
        end(g, take_first(&g->news), true);
    }
}

void news_gone(struct group *g)
{
    while (g->news.first != NULL) {
        struct news *x = take_first(&g->news);

        end(g, x, x->needs <= g->committed);
    }
}

void news_release(struct group *g)
{
    while (g->news.first != NULL) {
        end(g, take_first(&g->news), false);
    }
}
