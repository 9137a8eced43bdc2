/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/pubsub.h - who has subscribed to what, and how messages get there.
 *
 *   PUBLISH       -> the subscribers of the channel and of patterns that match it, on all nodes
 *   SPUBLISH      -> the subscribers of the shard channel, on all nodes; the leader of its slot's
 *                    group takes it, so that all see one order
 *   key events    -> the subscribers here (node/notify.h)
 *
 * A message is encoded once for each protocol and appended to the output of each receiver
 * (client_push()). To other nodes the messages of a turn go together, in order, through the
 * connections that Raft uses (raft_host_broadcast()): at most once, and lost for a node that is not
 * connected or too slow, as with Redis. Nothing of this is replicated, and only messages of
 * transactions and scripts wait for a commit (node/news.h).
 *
 * Exec thread only. Source: the Redis documentation on Pub/Sub and on sharded Pub/Sub. */
#ifndef NODE_PUBSUB_H
#define NODE_PUBSUB_H

#include "node/client.h"

struct pubsub;
struct raft_event;

struct pubsub *pubsub_new(const struct node *n); /* uses @n->hash_key */
void pubsub_free(struct pubsub *p);              /* nobody subscribes any more; NULL is allowed */

/* ---- clients ------------------------------------------------------------------------------- */

/* 1; 0: it was subscribed to it already; -1: no memory. CLIENT_PUBSUB is kept up to date. */
MUST_CHECK int pubsub_subscribe(struct client *c, enum sub_kind kind, const struct arg *name);
/* False: it was not subscribed to it. */
bool pubsub_unsubscribe(struct client *c, enum sub_kind kind, const struct arg *name);
/* The oldest subscription of the kind; valid until it ends. There must be one. */
struct arg pubsub_oldest(const struct client *c, enum sub_kind kind);
/* What the reply to (un)subscribing says: those to channels and patterns together, or shard
 * channels. */
uint64_t pubsub_client_count(const struct client *c, enum sub_kind kind);
/* @fn says yes to all subscriptions of the client. */
bool pubsub_client_all(const struct client *c,
                       bool (*fn)(const struct client *c, enum sub_kind kind,
                                  const struct arg *name));
/* End all subscriptions, without a word. */
void pubsub_clear(struct client *c);

/* ---- messages ------------------------------------------------------------------------------ */

/* To the subscribers here; returns how often it was delivered. @kind: not SUB_PATTERN. */
uint64_t pubsub_deliver(struct node *n, enum sub_kind kind, const struct arg *channel,
                        const struct arg *message);
/* How often it would be. */
uint64_t pubsub_receivers(const struct node *n, enum sub_kind kind, const struct arg *channel);
/* Somebody here may get a message to this channel. */
bool pubsub_may_deliver(const struct node *n, const struct arg *channel);
/* There are no other nodes, or the message is no longer than any may be between nodes. */
MUST_CHECK bool pubsub_fits(const struct node *n, const struct arg *channel,
                            const struct arg *message);
/* To the other nodes at the end of the turn; what does not fit is lost for them. */
void pubsub_broadcast(struct node *n, enum sub_kind kind, const struct arg *channel,
                      const struct arg *message);
/* End of a turn: what was broadcast leaves. */
void pubsub_flush(struct node *n);
/* Messages from another node (PEER_DATA with a frame of proto/publish.h). */
void pubsub_on_frame(struct node *n, const struct raft_event *e);
/* The slot map has changed: shard channels of which this node has no replica any more end, and
 * their subscribers are told. */
void pubsub_slots_changed(struct node *n);

/* ---- looking in ---------------------------------------------------------------------------- */

/* Channels (or patterns) that somebody here is subscribed to / subscribers of one. */
size_t pubsub_channels(const struct pubsub *p, enum sub_kind kind);
uint64_t pubsub_subscribers(const struct pubsub *p, enum sub_kind kind, const struct arg *name);
/* Call @fn for the name of each, the oldest first. */
void pubsub_each(const struct pubsub *p, enum sub_kind kind,
                 void (*fn)(void *arg, const struct arg *name), void *arg);

#endif
