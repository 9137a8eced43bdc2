/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/news.c - see node/news.h. Invariant: the batches of a queue do not fall. */
#include "node/news.h"

#include "base/mem.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/tracking.h"

#include <stdlib.h>
#include <string.h>

enum news_kind { NEWS_EVENT, NEWS_INVALIDATE, NEWS_FLUSHED };

struct news {
    struct news *next;
    uint64_t batch;
    enum news_kind kind;
    struct tracked *tracked; /* INVALIDATE */
    uint64_t writer;
    size_t channel, message; /* EVENT: lengths */
    char bytes[];
};

static void append(struct group *g, struct news *x)
{
    struct news_queue *q = &g->news;

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

void news_event(struct group *g, uint64_t batch, const struct arg *channel,
                const struct arg *message)
{
    struct news *x;

    if (batch <= g->committed && g->news.first == NULL) {
        (void)pubsub_deliver(g->node, SUB_CHANNEL, channel, message);
        return;
    }
    x = news_new(batch, NEWS_EVENT, channel->n + message->n);
    x->channel = channel->n;
    x->message = message->n;
    memcpy(x->bytes, channel->p, channel->n);
    if (message->n > 0) {
        memcpy(x->bytes + channel->n, message->p, message->n);
    }
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

static void tell(struct node *n, struct news *x)
{
    struct arg channel = {x->bytes, x->channel};
    struct arg message = {x->bytes + x->channel, x->message};

    switch (x->kind) {
    case NEWS_EVENT:
        (void)pubsub_deliver(n, SUB_CHANNEL, &channel, &message);
        break;
    case NEWS_INVALIDATE:
        tracking_tell(n, x->tracked, x->writer);
        break;
    case NEWS_FLUSHED:
        tracking_tell_all(n);
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

void news_committed(struct group *g)
{
    while (g->news.first != NULL && g->news.first->batch <= g->committed) {
        tell(g->node, take_first(&g->news));
    }
}

void news_gone(struct group *g)
{
    news_committed(g);
    while (g->news.first != NULL) {
        struct news *x = take_first(&g->news);

        tracked_free(x->tracked);
        free(x);
    }
}
