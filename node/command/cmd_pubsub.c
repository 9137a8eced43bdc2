/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_pubsub.c - SUBSCRIBE and its like, PUBLISH, SPUBLISH, PUBSUB. Source: the Redis
 * command pages. */
#include "base/glob.h"
#include "node/command/handlers.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/pubsub.h"

/* ---- subscribing --------------------------------------------------------------------------- */

static const struct {
    const char *on, *off; /* what replies call it */
} words[SUB_KINDS] = {
    [SUB_CHANNEL] = {"subscribe", "unsubscribe"},
    [SUB_PATTERN] = {"psubscribe", "punsubscribe"},
    [SUB_SHARD] = {"ssubscribe", "sunsubscribe"},
};

/* One reply for each channel; @name NULL: there was none. @count: of subscriptions now. */
static void reply_one(struct cmd *c, const char *word, const struct arg *name, uint64_t count)
{
    c->pushed = true;
    resp_push(c->reply, 3);
    resp_bulk_str(c->reply, word);
    if (name == NULL) {
        resp_null(c->reply);
    } else {
        resp_bulk(c->reply, name->p, name->n);
    }
    resp_int(c->reply, (int64_t)count);
}

static uint64_t count(const struct cmd *c, enum sub_kind kind)
{
    return pubsub_client_count(c->client, kind);
}

static void subscribe(struct cmd *c, enum sub_kind kind)
{
    for (int i = 1; i < c->argc; i++) {
        if (pubsub_subscribe(c->client, kind, &c->argv[i]) < 0) {
            resp_error(c->reply, "OOM no memory for the subscription");
        } else {
            reply_one(c, words[kind].on, &c->argv[i], count(c, kind));
        }
    }
}

static void unsubscribe_all(struct cmd *c, enum sub_kind kind)
{
    if (c->client->n_subs[kind] == 0) {
        reply_one(c, words[kind].off, NULL, count(c, kind));
        return;
    }
    while (c->client->n_subs[kind] > 0) {
        struct arg name = pubsub_oldest(c->client, kind);

        /* Said before it is done: the name goes with the subscription. */
        reply_one(c, words[kind].off, &name, count(c, kind) - 1);
        (void)pubsub_unsubscribe(c->client, kind, &name);
    }
}

static void unsubscribe(struct cmd *c, enum sub_kind kind)
{
    if (c->argc == 1) {
        unsubscribe_all(c, kind);
    }
    for (int i = 1; i < c->argc; i++) {
        (void)pubsub_unsubscribe(c->client, kind, &c->argv[i]);
        reply_one(c, words[kind].off, &c->argv[i], count(c, kind));
    }
}

void cmd_subscribe(struct cmd *c) { subscribe(c, SUB_CHANNEL); }

void cmd_psubscribe(struct cmd *c) { subscribe(c, SUB_PATTERN); }

void cmd_ssubscribe(struct cmd *c) { subscribe(c, SUB_SHARD); }

void cmd_unsubscribe(struct cmd *c) { unsubscribe(c, SUB_CHANNEL); }

void cmd_punsubscribe(struct cmd *c) { unsubscribe(c, SUB_PATTERN); }

void cmd_sunsubscribe(struct cmd *c) { unsubscribe(c, SUB_SHARD); }

/* ---- publishing ---------------------------------------------------------------------------- */

/* Messages of the client wait for a commit. */
static bool waits_behind(const struct client *client)
{
    return client->told_group != NULL && client->told_group->committed < client->told_batch;
}

/* A message of a transaction or script waits until that is committed (exec.c settles it), and the
 * client's next ones wait behind it. */
static void publish(struct cmd *c, enum sub_kind kind)
{
    const struct arg *channel = &c->argv[1], *message = &c->argv[2];
    bool in_unit = c->in_exec && c->group != NULL && c->group->state == GROUP_SERVING;
    bool waits = in_unit || waits_behind(c->client);
    struct group *g = in_unit ? c->group : c->client->told_group;

    if (!pubsub_fits(c->node, channel, message)) {
        resp_errorf(c->reply, "ERR the message is too large for the other nodes: at most %zu bytes",
                    RAFT_HOST_MESSAGE_MAX);
        return;
    }
    if (waits && g->news.message_bytes + channel->n + message->n > exec_bytes_max(c->node)) {
        resp_error(c->reply, "ERR the messages of a transaction or script are too large to be kept "
                             "until it is committed");
        return;
    }
    if (!waits) {
        pubsub_broadcast(c->node, kind, channel, message);
        resp_int(c->reply, (int64_t)pubsub_deliver(c->node, kind, channel, message));
        return;
    }
    resp_int(c->reply, (int64_t)pubsub_receivers(c->node, kind, channel));
    news_message(g, kind, channel, message);
    if (!in_unit) {
        c->client->told_batch = news_settle(g, c->client->told_batch, 0);
    }
}

void cmd_publish(struct cmd *c) { publish(c, SUB_CHANNEL); }

void cmd_spublish(struct cmd *c) { publish(c, SUB_SHARD); }

/* ---- looking in ---------------------------------------------------------------------------- */

struct listing {
    struct cmd *c;
    const struct arg *pattern; /* NULL: all */
    size_t n;
};

static void list_one(void *arg, const struct arg *name)
{
    struct listing *l = arg;

    if (l->pattern == NULL || glob_match(l->pattern->p, l->pattern->n, name->p, name->n, false)) {
        resp_bulk(l->c->reply, name->p, name->n);
        l->n++;
    }
}

static void list_channels(struct cmd *c, enum sub_kind kind)
{
    struct listing l = {c, c->argc > 2 ? &c->argv[2] : NULL, 0};
    size_t at;

    if (c->argc > 3) {
        cmd_reply_subcommand_error(c);
        return;
    }
    at = resp_deferred_begin(c->reply);
    pubsub_each(c->node->pubsub, kind, list_one, &l);
    resp_deferred_array(c->reply, at, l.n);
}

static void count_subscribers(struct cmd *c, enum sub_kind kind)
{
    resp_array(c->reply, (size_t)(c->argc - 2) * 2);
    for (int i = 2; i < c->argc; i++) {
        resp_bulk(c->reply, c->argv[i].p, c->argv[i].n);
        resp_int(c->reply, (int64_t)pubsub_subscribers(c->node->pubsub, kind, &c->argv[i]));
    }
}

void cmd_pubsub_channels(struct cmd *c) { list_channels(c, SUB_CHANNEL); }

void cmd_pubsub_shardchannels(struct cmd *c) { list_channels(c, SUB_SHARD); }

void cmd_pubsub_numsub(struct cmd *c) { count_subscribers(c, SUB_CHANNEL); }

void cmd_pubsub_shardnumsub(struct cmd *c) { count_subscribers(c, SUB_SHARD); }

void cmd_pubsub_numpat(struct cmd *c)
{
    resp_int(c->reply, (int64_t)pubsub_channels(c->node->pubsub, SUB_PATTERN));
}

void cmd_pubsub_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    List the channels with subscribers on this node, or those that match.",
        "NUMPAT",
        "    Count the patterns that clients of this node are subscribed to.",
        "NUMSUB [<channel> [<channel> ...]]",
        "    Count this node's subscribers of each channel; those of patterns do not count.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels with subscribers on this node, or those that match.",
        "SHARDNUMSUB [<shardchannel> [<shardchannel> ...]]",
        "    Count this node's subscribers of each shard channel.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
