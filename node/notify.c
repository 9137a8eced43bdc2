/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/notify.c - see node/notify.h. */
#include "node/notify.h"

#include "node/node.h"
#include "node/pubsub.h"

#include <string.h>

#define WHERE (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)

static const struct {
    char letter;
    unsigned bits;
} letters[] = {
    /* in the order in which they are printed */
    {'A', NOTIFY_ALL},      {'g', NOTIFY_GENERIC},  {'$', NOTIFY_STRING},   {'l', NOTIFY_LIST},
    {'s', NOTIFY_SET},      {'h', NOTIFY_HASH},     {'z', NOTIFY_ZSET},     {'x', NOTIFY_EXPIRED},
    {'e', NOTIFY_EVICTED},  {'t', NOTIFY_STREAM},   {'d', NOTIFY_MODULE},   {'n', NOTIFY_NEW},
    {'K', NOTIFY_KEYSPACE}, {'E', NOTIFY_KEYEVENT}, {'m', NOTIFY_KEY_MISS},
};

bool notify_parse(const char *text, unsigned *out)
{
    *out = 0;
    for (; *text != '\0'; text++) {
        size_t i = 0;

        while (i < ARRAY_LEN(letters) && letters[i].letter != *text) {
            i++;
        }
        if (i == ARRAY_LEN(letters)) {
            return false;
        }
        *out |= letters[i].bits;
    }
    return true;
}

void notify_print(unsigned events, struct buf *out)
{
    unsigned printed = 0;

    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        unsigned bits = letters[i].bits;

        if ((events & bits) == bits && (printed & bits) != bits) {
            buf_append(out, &letters[i].letter, 1);
            printed |= bits;
        }
    }
}

/* "__keyspace@<db>__:" or "__keyevent@<db>__:", then @of. */
static struct arg channel_name(struct buf *out, const char *where, uint32_t db, const char *of,
                               size_t n)
{
    buf_clear(out);
    buf_printf(out, "__key%s@%u__:", where, db);
    buf_append(out, of, n);
    return (struct arg){buf_head(out), out->len};
}

static void publish(struct cmd *c, uint64_t batch, const struct arg *channel, const char *message,
                    size_t n)
{
    struct arg m = {message, n};

    if (pubsub_may_deliver(c->node, channel)) {
        news_event(c->group, batch, channel, &m);
    }
}

static void notify_subscribers(struct cmd *c, enum notify_class class, const char *event,
                               uint32_t db, const struct key *k)
{
    /* What is told of a key that was not there is as committed as the reply. */
    uint64_t batch = class == NOTIFY_KEY_MISS ? c->gate : group_open_batch(c->group);
    unsigned where = c->node->config.notify_events & WHERE;
    struct buf name;
    struct arg channel;

    buf_init(&name);
    if (where & NOTIFY_KEYSPACE) {
        channel = channel_name(&name, "space", db, k->p, k->n);
        publish(c, batch, &channel, event, strlen(event));
    }
    if (where & NOTIFY_KEYEVENT) {
        channel = channel_name(&name, "event", db, event, strlen(event));
        publish(c, batch, &channel, k->p, k->n);
    }
    buf_release(&name);
}

void notify_db(struct cmd *c, enum notify_class class, const char *event, uint32_t db,
               const struct key *k)
{
    if (UNLIKELY((c->node->config.notify_events & class) != 0) && !c->applying) {
        notify_subscribers(c, class, event, db, k);
    }
}

void notify(struct cmd *c, enum notify_class class, const char *event, const struct key *k)
{
    notify_db(c, class, event, c->db, k);
}
