/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/pubsub.c - see node/pubsub.h.
 *
 *   channel (name)  --subs-->  subscription  <--subs[kind]--  client
 *
 * Both ways are lists, and a table finds the subscription of a client to a channel, so that each
 * step costs the same however many there are. Invariant: a channel has at least one subscription.
 */
#include "node/pubsub.h"

#include "base/glob.h"
#include "base/hmap.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/slots.h"
#include "node/node.h"
#include "node/system.h"
#include "proto/publish.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_FLUSH_BYTES (256u * 1024) /* a frame leaves before the turn ends */
#define FRAME_KEEP_BYTES (64u * 1024)   /* of an idle node's frame buffer */

/* A channel, pattern or shard channel with subscribers. */
struct channel {
    struct hmap_node node;
    struct link all_link; /* by age */
    struct link subs;     /* by age */
    uint64_t n_subs;
    size_t n;
    char name[];
};

struct subscription {
    struct hmap_node node;
    struct link channel_link, client_link;
    struct channel *channel;
    struct client *client;
};

struct kind_of {
    struct hmap channels;
    struct link all;
};

struct pubsub {
    struct siphash_key hash_key;
    struct kind_of kinds[SUB_KINDS];
    struct hmap subscriptions;
    struct buf frame; /* for the other nodes, this turn */
};

struct pubsub *pubsub_new(const struct node *n)
{
    struct pubsub *p = mem_zalloc(sizeof *p);

    p->hash_key = n->hash_key;
    buf_init(&p->frame);
    for (size_t i = 0; i < SUB_KINDS; i++) {
        link_init(&p->kinds[i].all);
    }
    return p;
}

void pubsub_free(struct pubsub *p)
{
    if (p == NULL) {
        return;
    }
    assert(p->subscriptions.n == 0);
    for (size_t i = 0; i < SUB_KINDS; i++) {
        hmap_release(&p->kinds[i].channels);
    }
    hmap_release(&p->subscriptions);
    buf_release(&p->frame);
    free(p);
}

/* ---- channels and subscriptions ------------------------------------------------------------ */

static uint64_t hash_name(const struct pubsub *p, const struct arg *name)
{
    return siphash13(&p->hash_key, name->p, name->n);
}

static struct channel *find_hashed(const struct pubsub *p, enum sub_kind kind, uint64_t hash,
                                   const struct arg *name)
{
    struct hmap_node *x = hmap_find(&p->kinds[kind].channels, hash);

    for (; x != NULL; x = hmap_next(x)) {
        struct channel *ch = CONTAINER_OF(x, struct channel, node);

        if (ch->n == name->n && (name->n == 0 || memcmp(ch->name, name->p, name->n) == 0)) {
            return ch;
        }
    }
    return NULL;
}

static struct channel *find_channel(const struct pubsub *p, enum sub_kind kind,
                                    const struct arg *name)
{
    /* Most nodes have no subscriber of the kind at all. */
    return p->kinds[kind].channels.n == 0 ? NULL : find_hashed(p, kind, hash_name(p, name), name);
}

/* NULL: no memory. */
static struct channel *find_or_add(struct pubsub *p, enum sub_kind kind, const struct arg *name)
{
    uint64_t hash = hash_name(p, name);
    struct channel *ch = find_hashed(p, kind, hash, name);

    if (ch != NULL) {
        return ch;
    }
    ch = mem_try_alloc(sizeof *ch + name->n);
    if (ch == NULL) {
        return NULL;
    }
    ch->n_subs = 0;
    link_init(&ch->all_link);
    link_init(&ch->subs);
    ch->n = name->n;
    if (name->n > 0) {
        memcpy(ch->name, name->p, name->n);
    }
    hmap_add(&p->kinds[kind].channels, &ch->node, hash);
    link_append(&p->kinds[kind].all, &ch->all_link);
    return ch;
}

/* Of a client and a channel. Neither is chosen by a client, so a mix of them needs no key. */
static uint64_t hash_pair(const struct channel *ch, const struct client *c)
{
    uint64_t h = ((uint64_t)(uintptr_t)ch >> 4) ^ c->id * UINT64_C(0x9e3779b97f4a7c15);

    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static struct subscription *find_subscription(const struct pubsub *p, const struct channel *ch,
                                              const struct client *c)
{
    struct hmap_node *x = hmap_find(&p->subscriptions, hash_pair(ch, c));

    for (; x != NULL; x = hmap_next(x)) {
        struct subscription *s = CONTAINER_OF(x, struct subscription, node);

        if (s->channel == ch && s->client == c) {
            return s;
        }
    }
    return NULL;
}

static size_t bytes_of(const struct channel *ch)
{
    return sizeof(struct subscription) + sizeof *ch + ch->n;
}

static void note_mode(struct client *c)
{
    if (c->n_subs[SUB_CHANNEL] + c->n_subs[SUB_PATTERN] + c->n_subs[SUB_SHARD] > 0) {
        c->flags |= CLIENT_PUBSUB;
    } else {
        c->flags &= ~(uint32_t)CLIENT_PUBSUB;
    }
}

int pubsub_subscribe(struct client *c, enum sub_kind kind, const struct arg *name)
{
    struct pubsub *p = c->node->pubsub;
    struct channel *ch = find_or_add(p, kind, name);
    struct subscription *s;

    if (ch == NULL) {
        return -1;
    }
    if (find_subscription(p, ch, c) != NULL) {
        return 0;
    }
    s = mem_alloc(sizeof *s);
    s->channel = ch;
    s->client = c;
    link_init(&s->channel_link);
    link_init(&s->client_link);
    link_append(&ch->subs, &s->channel_link);
    link_append(&c->subs[kind], &s->client_link);
    hmap_add(&p->subscriptions, &s->node, hash_pair(ch, c));
    ch->n_subs++;
    c->n_subs[kind]++;
    c->subs_bytes += bytes_of(ch);
    note_mode(c);
    return 1;
}

static void end_subscription(struct pubsub *p, enum sub_kind kind, struct subscription *s)
{
    struct channel *ch = s->channel;
    struct client *c = s->client;

    hmap_remove(&p->subscriptions, &s->node);
    link_remove(&s->channel_link);
    link_remove(&s->client_link);
    free(s);
    c->n_subs[kind]--;
    c->subs_bytes -= bytes_of(ch);
    note_mode(c);
    if (--ch->n_subs == 0) {
        hmap_remove(&p->kinds[kind].channels, &ch->node);
        link_remove(&ch->all_link);
        free(ch);
    }
}

bool pubsub_unsubscribe(struct client *c, enum sub_kind kind, const struct arg *name)
{
    struct pubsub *p = c->node->pubsub;
    struct channel *ch = find_channel(p, kind, name);
    struct subscription *s = ch == NULL ? NULL : find_subscription(p, ch, c);

    if (s == NULL) {
        return false;
    }
    end_subscription(p, kind, s);
    return true;
}

static struct subscription *oldest(const struct client *c, enum sub_kind kind)
{
    assert(c->n_subs[kind] > 0);
    return CONTAINER_OF(c->subs[kind].next, struct subscription, client_link);
}

struct arg pubsub_oldest(const struct client *c, enum sub_kind kind)
{
    const struct channel *ch = oldest(c, kind)->channel;

    return (struct arg){ch->name, ch->n};
}

bool pubsub_client_all(const struct client *c,
                       bool (*fn)(const struct client *c, enum sub_kind kind,
                                  const struct arg *name))
{
    for (int kind = 0; kind < SUB_KINDS; kind++) {
        for (const struct link *l = c->subs[kind].next; l != &c->subs[kind]; l = l->next) {
            const struct channel *ch = CONTAINER_OF(l, struct subscription, client_link)->channel;
            struct arg name = {ch->name, ch->n};

            if (!fn(c, (enum sub_kind)kind, &name)) {
                return false;
            }
        }
    }
    return true;
}

uint64_t pubsub_client_count(const struct client *c, enum sub_kind kind)
{
    return kind == SUB_SHARD ? c->n_subs[SUB_SHARD]
                             : (uint64_t)c->n_subs[SUB_CHANNEL] + c->n_subs[SUB_PATTERN];
}

void pubsub_clear(struct client *c)
{
    for (enum sub_kind kind = 0; kind < SUB_KINDS; kind++) {
        while (c->n_subs[kind] > 0) {
            end_subscription(c->node->pubsub, kind, oldest(c, kind));
        }
    }
}

/* ---- delivering ---------------------------------------------------------------------------- */

/* A message as receivers get it, made for each protocol when the first such one comes. */
struct letter {
    const char *type;
    const struct arg *pattern; /* NULL: none */
    const struct arg *channel, *message;
    struct buf made[2]; /* RESP2, RESP3 */
};

static const struct buf *letter_for(struct letter *l, const struct client *c)
{
    bool resp3 = c->reply.version >= 3;
    struct buf *b = &l->made[resp3];
    struct resp_out out = {b, resp3 ? 3 : 2};

    if (b->len == 0) {
        resp_push(&out, l->pattern == NULL ? 3 : 4);
        resp_bulk_str(&out, l->type);
        if (l->pattern != NULL) {
            resp_bulk(&out, l->pattern->p, l->pattern->n);
        }
        resp_bulk(&out, l->channel->p, l->channel->n);
        resp_bulk(&out, l->message->p, l->message->n);
    }
    return b;
}

static uint64_t send_letter(struct letter *l, const struct channel *ch)
{
    for (const struct link *x = ch->subs.next; x != &ch->subs; x = x->next) {
        struct client *c = CONTAINER_OF(x, struct subscription, channel_link)->client;
        const struct buf *b = letter_for(l, c);

        client_push(c, buf_head(b), b->len);
    }
    buf_release(&l->made[0]);
    buf_release(&l->made[1]);
    return ch->n_subs;
}

static uint64_t deliver_to_patterns(struct pubsub *p, const struct arg *channel,
                                    const struct arg *message)
{
    struct link *all = &p->kinds[SUB_PATTERN].all;
    uint64_t n = 0;

    for (struct link *x = all->next; x != all; x = x->next) {
        struct channel *ch = CONTAINER_OF(x, struct channel, all_link);
        struct arg pattern = {ch->name, ch->n};

        if (glob_match(ch->name, ch->n, channel->p, channel->n, false)) {
            struct letter l = {"pmessage", &pattern, channel, message, {{0}, {0}}};

            n += send_letter(&l, ch);
        }
    }
    return n;
}

uint64_t pubsub_deliver(struct node *n, enum sub_kind kind, const struct arg *channel,
                        const struct arg *message)
{
    struct channel *ch = find_channel(n->pubsub, kind, channel);
    struct letter l = {
        kind == SUB_SHARD ? "smessage" : "message", NULL, channel, message, {{0}, {0}}};
    uint64_t sent = ch == NULL ? 0 : send_letter(&l, ch);

    assert(kind != SUB_PATTERN);
    return kind == SUB_SHARD ? sent : sent + deliver_to_patterns(n->pubsub, channel, message);
}

uint64_t pubsub_receivers(const struct node *n, enum sub_kind kind, const struct arg *channel)
{
    const struct channel *ch = find_channel(n->pubsub, kind, channel);
    const struct link *all = &n->pubsub->kinds[SUB_PATTERN].all;
    uint64_t receivers = ch == NULL ? 0 : ch->n_subs;

    for (const struct link *x = all->next; kind != SUB_SHARD && x != all; x = x->next) {
        const struct channel *p = CONTAINER_OF(x, struct channel, all_link);

        if (glob_match(p->name, p->n, channel->p, channel->n, false)) {
            receivers += p->n_subs;
        }
    }
    return receivers;
}

bool pubsub_may_deliver(const struct node *n, const struct arg *channel)
{
    return n->pubsub->kinds[SUB_PATTERN].channels.n > 0 ||
           find_channel(n->pubsub, SUB_CHANNEL, channel) != NULL;
}

/* ---- other nodes --------------------------------------------------------------------------- */

static void send_frame(struct node *n)
{
    struct buf *frame = &n->pubsub->frame;

    raft_host_broadcast(n->host, buf_head(frame), frame->len);
    buf_clear(frame);
    buf_shrink(frame, FRAME_KEEP_BYTES);
}

static bool is_alone(const struct node *n)
{
    return !system_is_formed(n) || system_state(n)->n_nodes < 2;
}

bool pubsub_fits(const struct node *n, const struct arg *channel, const struct arg *message)
{
    return is_alone(n) || channel->n + message->n <= RAFT_HOST_MESSAGE_MAX - PUBLISH_OVERHEAD;
}

void pubsub_broadcast(struct node *n, enum sub_kind kind, const struct arg *channel,
                      const struct arg *message)
{
    struct buf *frame = &n->pubsub->frame;

    if (is_alone(n) || !pubsub_fits(n, channel, message)) {
        return;
    }
    if (frame->len > 0 && frame->len + channel->n + message->n > FRAME_FLUSH_BYTES) {
        send_frame(n);
    }
    publish_write(frame, kind == SUB_SHARD ? PUBLISH_SHARD : PUBLISH_CHANNEL, channel, message);
}

void pubsub_flush(struct node *n)
{
    if (n->pubsub->frame.len > 0) {
        send_frame(n);
    }
}

void pubsub_on_frame(struct node *n, const struct raft_event *e)
{
    struct publish_reader r;
    int rc;

    /* A node that is not of this cluster (any more) has nothing to say here. */
    if (!system_is_formed(n) ||
        strcmp(e->peer.identity.cluster_id, system_state(n)->cluster_id) != 0) {
        return;
    }
    rc = publish_reader_init(&r, e->data, e->size);
    while (rc == 0 && (rc = publish_next(&r)) == 1) {
        rc = 0;
        (void)pubsub_deliver(n, r.kind == PUBLISH_SHARD ? SUB_SHARD : SUB_CHANNEL, &r.channel,
                             &r.message);
    }
    if (rc != 0) {
        log_warning("published messages of %s:%u could not be read; ignored", e->peer.addr.host,
                    e->peer.addr.port);
    }
}

/* ---- slots --------------------------------------------------------------------------------- */

/* The channel has left this node: its subscribers are told, as if they had ended it. */
static void end_channel(struct pubsub *p, struct channel *ch)
{
    bool last;

    do {
        struct subscription *s = CONTAINER_OF(ch->subs.next, struct subscription, channel_link);
        struct client *c = s->client;
        struct buf b = {0};
        struct resp_out out = {&b, c->reply.version};

        resp_push(&out, 3);
        resp_bulk_str(&out, "sunsubscribe");
        resp_bulk(&out, ch->name, ch->n);
        resp_int(&out, (int64_t)c->n_subs[SUB_SHARD] - 1);
        client_push(c, buf_head(&b), b.len);
        buf_release(&b);
        last = ch->n_subs == 1;
        end_subscription(p, SUB_SHARD, s);
    } while (!last);
}

void pubsub_slots_changed(struct node *n)
{
    struct link *all = &n->pubsub->kinds[SUB_SHARD].all;

    if (!n->config.cluster_enabled) {
        return;
    }
    for (struct link *x = all->next, *next; x != all; x = next) {
        struct channel *ch = CONTAINER_OF(x, struct channel, all_link);

        next = x->next;
        if (groups_of_slot(n, (int)cluster_slot(ch->name, ch->n)) == NULL) {
            end_channel(n->pubsub, ch);
        }
    }
}

/* ---- looking in ---------------------------------------------------------------------------- */

size_t pubsub_channels(const struct pubsub *p, enum sub_kind kind)
{
    return p->kinds[kind].channels.n;
}

uint64_t pubsub_subscribers(const struct pubsub *p, enum sub_kind kind, const struct arg *name)
{
    const struct channel *ch = find_channel(p, kind, name);

    return ch == NULL ? 0 : ch->n_subs;
}

void pubsub_each(const struct pubsub *p, enum sub_kind kind,
                 void (*fn)(void *arg, const struct arg *name), void *arg)
{
    const struct link *all = &p->kinds[kind].all;

    for (const struct link *x = all->next; x != all; x = x->next) {
        const struct channel *ch = CONTAINER_OF(x, struct channel, all_link);
        struct arg name = {ch->name, ch->n};

        fn(arg, &name);
    }
}
