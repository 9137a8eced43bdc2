/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_messages.c - pubsub.c, tracking.c and news.c: who is told what, and when. The
 * rest of the node is only what these three see of it. */
#include "tests/test.h"

#include "base/mem.h"
#include "node/news.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/system.h"
#include "node/tracking.h"
#include "proto/publish.h"

/* ---- what they ask of others ------------------------------------------------------------- */

static struct cluster_state cluster;
static struct buf sent; /* the last frame to other nodes */
static unsigned frames;
static bool slot_is_here;

const struct cluster_state *system_state(const struct node *n)
{
    (void)n;
    return &cluster;
}

bool system_is_formed(const struct node *n)
{
    (void)n;
    return true;
}

struct group *groups_of_slot(const struct node *n, int slot)
{
    (void)slot;
    return slot_is_here ? n->groups[1] : NULL;
}

void raft_host_broadcast(struct raft_host *h, const void *p, size_t n)
{
    (void)h;
    buf_clear(&sent);
    buf_append(&sent, p, n);
    frames++;
}

/* The last argument of any command is its key. */
int command_keys(const struct command *c, const struct arg *argv, int argc, int *positions,
                 uint16_t *flags, int max)
{
    (void)c;
    (void)argv;
    (void)flags;
    (void)max;
    positions[0] = argc - 1;
    return 1;
}

struct key keyspace_key(const struct keyspace *ks, const char *p, size_t n)
{
    (void)ks;
    return (struct key){.p = p, .n = n, .hash = n == 0 ? 0 : (uint64_t)p[0] * 31 + n};
}

void client_push(struct client *c, const void *p, size_t n) { buf_append(&c->out, p, n); }

#define CLIENTS 4

struct fixture {
    struct node node;
    struct group group;
    struct client clients[CLIENTS];
};

struct client *client_by_id(struct node *n, uint64_t id)
{
    struct fixture *f = CONTAINER_OF(n, struct fixture, node);

    return id >= 1 && id <= CLIENTS && (f->clients[id - 1].flags & CLIENT_CLOSE_ASAP) == 0
               ? &f->clients[id - 1]
               : NULL;
}

/* ---- a node with four clients; the last one speaks RESP2 ----------------------------------- */

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct node *n = &f->node;

    cluster.n_nodes = 3;
    slot_is_here = true;
    frames = 0;
    n->config.cluster_enabled = true;
    n->bg = worker_new(1, "bg");
    n->pubsub = pubsub_new(n);
    n->tracking = tracking_new();
    n->groups[1] = &f->group;
    f->group.node = n;
    f->group.proposed = 5; /* the open batch is 6 */
    f->group.committed = 3;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &f->clients[i];

        c->node = n;
        c->id = i + 1;
        c->reply = (struct resp_out){&c->out, i + 1 < CLIENTS ? 3 : 2};
        for (size_t k = 0; k < SUB_KINDS; k++) {
            link_init(&c->subs[k]);
        }
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < CLIENTS; i++) {
        pubsub_clear(&f->clients[i]);
        tracking_disable(&f->clients[i]);
        assert_int_equal(f->clients[i].flags & CLIENT_PUBSUB, 0);
        assert_int_equal(f->clients[i].subs_bytes, 0);
        buf_release(&f->clients[i].out);
    }
    worker_free(f->node.bg);
    pubsub_free(f->node.pubsub);
    tracking_free(f->node.tracking);
    buf_release(&sent);
    free(f);
    return 0;
}

/* What client @i was sent since the last call, each line end as a space. */
static const char *got(struct fixture *f, size_t i)
{
    static char text[4096];
    struct buf *b = &f->clients[i].out;
    size_t n = 0;

    for (size_t at = 0; at < b->len; at++) {
        char c = buf_head(b)[at];

        assert_true(n + 1 < sizeof text);
        if (c != '\r') {
            text[n++] = c == '\n' ? ' ' : c;
        }
    }
    text[n] = '\0';
    buf_clear(b);
    return text;
}

static struct arg word(const char *s) { return (struct arg){s, strlen(s)}; }

static void subscribe(struct fixture *f, size_t i, enum sub_kind kind, const char *name)
{
    struct arg a = word(name);

    assert_int_equal(pubsub_subscribe(&f->clients[i], kind, &a), 1);
}

static uint64_t deliver(struct fixture *f, enum sub_kind kind, const char *channel, const char *m)
{
    struct arg a = word(channel), b = word(m);

    return pubsub_deliver(&f->node, kind, &a, &b);
}

/* ---- subscriptions ------------------------------------------------------------------------- */

static void subscriptions_are_counted_and_end(void **state)
{
    struct fixture *f = *state;
    struct client *c = &f->clients[0];
    struct arg a = word("a"), b = word("b");

    subscribe(f, 0, SUB_CHANNEL, "a");
    subscribe(f, 0, SUB_CHANNEL, "b");
    subscribe(f, 0, SUB_PATTERN, "a");
    subscribe(f, 0, SUB_SHARD, "a");
    subscribe(f, 1, SUB_CHANNEL, "a");
    assert_int_equal(pubsub_subscribe(c, SUB_CHANNEL, &a), 0);
    assert_int_equal(pubsub_client_count(c, SUB_CHANNEL), 3);
    assert_int_equal(pubsub_client_count(c, SUB_PATTERN), 3);
    assert_int_equal(pubsub_client_count(c, SUB_SHARD), 1);
    assert_int_equal(pubsub_channels(f->node.pubsub, SUB_CHANNEL), 2);
    assert_int_equal(pubsub_subscribers(f->node.pubsub, SUB_CHANNEL, &a), 2);
    assert_int_equal(pubsub_oldest(c, SUB_CHANNEL).p[0], 'a');
    assert_true(pubsub_unsubscribe(c, SUB_CHANNEL, &a));
    assert_false(pubsub_unsubscribe(c, SUB_CHANNEL, &a));
    assert_false(pubsub_unsubscribe(c, SUB_SHARD, &b));
    assert_int_equal(pubsub_oldest(c, SUB_CHANNEL).p[0], 'b');
    assert_int_equal(pubsub_subscribers(f->node.pubsub, SUB_CHANNEL, &a), 1);
    assert_true(c->flags & CLIENT_PUBSUB);
    pubsub_clear(c);
    assert_false(c->flags & CLIENT_PUBSUB);
    assert_int_equal(pubsub_channels(f->node.pubsub, SUB_CHANNEL), 1);
    assert_int_equal(pubsub_channels(f->node.pubsub, SUB_PATTERN), 0);
}

static void messages_go_to_channels_then_patterns_in_each_protocol(void **state)
{
    struct fixture *f = *state;

    subscribe(f, 0, SUB_CHANNEL, "ab");
    subscribe(f, 3, SUB_PATTERN, "a?");
    subscribe(f, 0, SUB_PATTERN, "*b");
    subscribe(f, 1, SUB_SHARD, "ab");
    assert_int_equal(deliver(f, SUB_CHANNEL, "ab", "hi"), 3);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ab $2 hi >4 $8 pmessage $2 *b $2 ab $2 hi ");
    assert_string_equal(got(f, 3), "*4 $8 pmessage $2 a? $2 ab $2 hi ");
    assert_string_equal(got(f, 1), "");
    assert_int_equal(deliver(f, SUB_SHARD, "ab", ""), 1);
    assert_string_equal(got(f, 1), ">3 $8 smessage $2 ab $0  ");
    assert_int_equal(deliver(f, SUB_CHANNEL, "c", "hi"), 0);
}

/* Those of a turn go together; one that would not fit goes in a frame of its own, behind. */
static void messages_to_other_nodes_leave_once_a_turn(void **state)
{
    struct fixture *f = *state;
    struct raft_event e = {.type = RAFT_EV_PEER_DATA};
    struct arg ch = word("ch"), m = word("m"), big = {mem_zalloc(300000), 300000};
    struct arg huge = {big.p, RAFT_HOST_MESSAGE_MAX};

    subscribe(f, 0, SUB_CHANNEL, "ch");
    subscribe(f, 1, SUB_SHARD, "ch");
    pubsub_flush(&f->node);
    assert_int_equal(frames, 0);
    pubsub_broadcast(&f->node, SUB_CHANNEL, &ch, &m);
    pubsub_broadcast(&f->node, SUB_SHARD, &ch, &ch);
    assert_int_equal(frames, 0);
    pubsub_flush(&f->node);
    assert_int_equal(frames, 1);

    e.data = (unsigned char *)buf_head(&sent);
    e.size = sent.len;
    pubsub_on_frame(&f->node, &e);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $1 m ");
    assert_string_equal(got(f, 1), ">3 $8 smessage $2 ch $2 ch ");
    e.size--; /* cut: what is whole is delivered, the rest is not made up */
    pubsub_on_frame(&f->node, &e);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $1 m ");
    assert_string_equal(got(f, 1), "");
    strcpy(e.peer.identity.cluster_id, "another");
    pubsub_on_frame(&f->node, &e);
    assert_string_equal(got(f, 0), "");

    pubsub_broadcast(&f->node, SUB_CHANNEL, &ch, &m);
    pubsub_broadcast(&f->node, SUB_CHANNEL, &ch, &big);
    assert_int_equal(frames, 2);
    pubsub_flush(&f->node);
    assert_int_equal(frames, 3);
    assert_true(pubsub_fits(&f->node, &ch, &big));
    assert_false(pubsub_fits(&f->node, &ch, &huge));
    pubsub_broadcast(&f->node, SUB_CHANNEL, &ch, &huge);
    cluster.n_nodes = 1; /* nobody else */
    assert_true(pubsub_fits(&f->node, &ch, &huge));
    pubsub_broadcast(&f->node, SUB_CHANNEL, &ch, &huge);
    pubsub_flush(&f->node);
    assert_int_equal(frames, 3);
    free((char *)big.p);
}

static void shard_channels_end_with_their_slots(void **state)
{
    struct fixture *f = *state;

    subscribe(f, 0, SUB_SHARD, "a");
    subscribe(f, 0, SUB_SHARD, "b");
    subscribe(f, 3, SUB_SHARD, "a");
    subscribe(f, 0, SUB_CHANNEL, "c");
    pubsub_slots_changed(&f->node);
    assert_string_equal(got(f, 0), "");
    slot_is_here = false;
    f->node.config.cluster_enabled = false; /* there are no slots */
    pubsub_slots_changed(&f->node);
    assert_string_equal(got(f, 0), "");
    f->node.config.cluster_enabled = true;
    pubsub_slots_changed(&f->node);
    assert_string_equal(got(f, 0), ">3 $12 sunsubscribe $1 a :1 >3 $12 sunsubscribe $1 b :0 ");
    assert_string_equal(got(f, 3), "*3 $12 sunsubscribe $1 a :0 ");
    assert_true(f->clients[0].flags & CLIENT_PUBSUB);
    assert_false(f->clients[3].flags & CLIENT_PUBSUB);
}

/* ---- news ---------------------------------------------------------------------------------- */

static void event(struct fixture *f, uint64_t batch, const char *message)
{
    struct arg channel = word("ch"), m = word(message);

    news_event(&f->group, batch, &channel, &m);
}

static void news_wait_for_their_batch_and_keep_their_order(void **state)
{
    struct fixture *f = *state;

    subscribe(f, 0, SUB_CHANNEL, "ch");
    event(f, 3, "a");
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $1 a ");
    event(f, 5, "b");
    event(f, 3, "c"); /* nothing to wait for but what came before */
    event(f, 6, "d");
    f->group.committed = 4;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), "");
    f->group.committed = 5;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $1 b >3 $7 message $2 ch $1 c ");
    news_gone(&f->group);
    f->group.committed = 6;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), "");
}

static void say(struct fixture *f, const char *message)
{
    struct arg channel = word("ch"), m = word(message);

    news_message(&f->group, SUB_CHANNEL, &channel, &m);
}

/* What it waits for is known when its transaction ends: the open batch if that has written, else
 * what it has seen, or nothing. Events among its messages keep their place. */
static void messages_of_transactions_wait_for_what_these_did(void **state)
{
    struct fixture *f = *state;

    subscribe(f, 0, SUB_CHANNEL, "ch");
    event(f, 5, "earlier");
    say(f, "1");
    event(f, 6, "2");
    say(f, "3");
    assert_int_equal(f->group.news.message_bytes, 2 * 3);
    assert_int_equal(news_settle(&f->group, 6, 6), 6);
    say(f, "seen 4");
    assert_int_equal(news_settle(&f->group, 4, 4), 6); /* in order */
    say(f, "seen 3");
    assert_int_equal(news_settle(&f->group, 3, 3), 0); /* committed already */
    say(f, "nothing");
    say(f, "more");
    assert_int_equal(news_settle(&f->group, 0, 0), 0);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $6 seen 3 >3 $7 message $2 ch $7 nothing "
                                   ">3 $7 message $2 ch $4 more ");
    pubsub_flush(&f->node);
    assert_int_equal(frames, 1); /* those that have left went to the other nodes as well */
    f->group.committed = 5;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $7 earlier ");
    f->group.committed = 6;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $1 1 >3 $7 message $2 ch $1 2 "
                                   ">3 $7 message $2 ch $1 3 >3 $7 message $2 ch $6 seen 4 ");
    assert_int_equal(f->group.news.message_bytes, 0);
}

/* Those that only stand behind others of their client are told then as well. */
static void messages_are_lost_with_what_they_need_alone(void **state)
{
    struct fixture *f = *state;

    subscribe(f, 0, SUB_CHANNEL, "ch");
    say(f, "gone");
    assert_int_equal(news_settle(&f->group, 6, 6), 6);
    say(f, "behind");
    assert_int_equal(news_settle(&f->group, 6, 0), 6);
    say(f, "saw 4");
    assert_int_equal(news_settle(&f->group, 6, 4), 6);
    f->group.committed = 4;
    news_committed(&f->group);
    assert_string_equal(got(f, 0), "");
    news_gone(&f->group);
    assert_string_equal(got(f, 0), ">3 $7 message $2 ch $6 behind >3 $7 message $2 ch $5 saw 4 ");
    pubsub_flush(&f->node);
    assert_int_equal(frames, 1);
    say(f, "never");
    (void)news_settle(&f->group, 6, 0);
    news_release(&f->group);
    assert_string_equal(got(f, 0), "");
    assert_int_equal(f->group.news.message_bytes, 0);
}

/* ---- tracking ------------------------------------------------------------------------------ */

static void reads(struct fixture *f, size_t i, const char *key)
{
    static const struct command get = {.flags = CMD_READONLY, .full_name = "get"};
    struct arg argv[2] = {{"get", 3}, word(key)};
    struct cmd c = {
        .node = &f->node,
        .client = &f->clients[i],
        .command = &get,
        .argv = argv,
        .argc = 2,
        .ks = (struct keyspace *)(void *)f, /* never looked into here */
    };

    tracking_remember(&c);
}

static void changes(struct fixture *f, struct client *by, bool applying, const char *key)
{
    struct cmd c = {.node = &f->node, .client = by, .group = &f->group, .applying = applying};
    struct key k = keyspace_key(NULL, key, strlen(key));

    tracking_changed(&c, &k);
}

static void commit(struct fixture *f, uint64_t batch)
{
    f->group.proposed = batch;
    f->group.committed = batch;
    news_committed(&f->group);
    tracking_flush(&f->node);
}

#define INVALID(key) ">2 $10 invalidate *1 $1 " key " "
#define ALL_INVALID ">2 $10 invalidate _ "

static void readers_are_told_once_the_change_is_committed(void **state)
{
    struct fixture *f = *state;

    tracking_enable(&f->clients[0], 0, 0, NULL, 0);
    tracking_enable(&f->clients[1], 0, 0, NULL, 0);
    reads(f, 0, "k");
    reads(f, 0, "k");
    reads(f, 1, "k");
    assert_int_equal(tracking_figures(f->node.tracking).items, 2);
    changes(f, NULL, false, "k");
    changes(f, NULL, false, "k");
    assert_string_equal(got(f, 0), "");
    reads(f, 1, "k"); /* the new value, not committed yet: it is told of the next change too */
    commit(f, 6);
    assert_string_equal(got(f, 0), INVALID("k"));
    assert_string_equal(got(f, 1), INVALID("k"));
    changes(f, NULL, false, "k");
    commit(f, 7);
    assert_string_equal(got(f, 0), "");
    assert_string_equal(got(f, 1), INVALID("k"));
    assert_int_equal(tracking_figures(f->node.tracking).keys, 0);

    reads(f, 0, "k"); /* on a follower: what is applied is committed */
    changes(f, NULL, true, "k");
    assert_string_equal(got(f, 0), INVALID("k"));
}

/* The change is gone, and with it what was taken from the table: everything is dropped instead. */
static void what_is_replaced_invalidates_all(void **state)
{
    struct fixture *f = *state;

    tracking_enable(&f->clients[0], 0, 0, NULL, 0);
    tracking_enable(&f->clients[1], TRACKING_BCAST, 0, NULL, 0);
    reads(f, 0, "k");
    reads(f, 0, "l");
    changes(f, NULL, false, "k");
    news_gone(&f->group);
    tracking_reset(&f->node);
    tracking_flush(&f->node);
    assert_string_equal(got(f, 0), ALL_INVALID);
    assert_string_equal(got(f, 1), ALL_INVALID);
    assert_int_equal(tracking_figures(f->node.tracking).items, 0);
    commit(f, 6);
    assert_string_equal(got(f, 0), "");
}

static void a_flush_of_many_databases_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct cmd c = {.node = &f->node, .group = &f->group};

    tracking_enable(&f->clients[0], 0, 0, NULL, 0);
    reads(f, 0, "k");
    for (int db = 0; db < 16; db++) {
        tracking_all_changed(&c);
    }
    reads(f, 0, "l");
    commit(f, 6);
    assert_string_equal(got(f, 0), ALL_INVALID);
    assert_int_equal(tracking_figures(f->node.tracking).keys, 1);
}

static void prefixes_gather_the_changes_of_a_turn(void **state)
{
    struct fixture *f = *state;
    struct arg prefixes[2] = {word("y"), word("x")};

    tracking_enable(&f->clients[0], TRACKING_BCAST, 0, prefixes, 2);
    tracking_enable(&f->clients[1], TRACKING_BCAST | TRACKING_NOLOOP, 0, prefixes, 2);
    assert_int_equal(tracking_figures(f->node.tracking).prefixes, 2);
    assert_int_equal(tracking_prefix(f->clients[0].tracking, 0).p[0], 'x');
    changes(f, &f->clients[1], false, "y");
    changes(f, &f->clients[1], false, "y");
    changes(f, NULL, false, "z");
    changes(f, NULL, false, "x");
    commit(f, 6);
    assert_string_equal(got(f, 0), INVALID("x") INVALID("y"));
    assert_string_equal(got(f, 1), INVALID("x"));
    /* Somebody else has changed it as well. */
    changes(f, &f->clients[1], false, "y");
    changes(f, NULL, false, "y");
    commit(f, 7);
    assert_string_equal(got(f, 1), INVALID("y"));
    tracking_disable(&f->clients[0]);
    assert_int_equal(tracking_figures(f->node.tracking).prefixes, 2);
    tracking_disable(&f->clients[1]);
    assert_int_equal(tracking_figures(f->node.tracking).prefixes, 0);
}

static void resp2_is_told_by_a_message_to_a_subscriber(void **state)
{
    struct fixture *f = *state;
    struct client *to = &f->clients[3];

    tracking_enable(&f->clients[0], 0, to->id, NULL, 0);
    reads(f, 0, "k");
    changes(f, NULL, true, "k");
    assert_string_equal(got(f, 3), ""); /* it would not understand */
    subscribe(f, 3, SUB_CHANNEL, "__redis__:invalidate");
    reads(f, 0, "k");
    changes(f, NULL, true, "k");
    assert_string_equal(got(f, 3), "*3 $7 message $20 __redis__:invalidate *1 $1 k ");
    tracking_reset(&f->node);
    tracking_flush(&f->node);
    assert_string_equal(got(f, 3), "*3 $7 message $20 __redis__:invalidate $-1 ");
    to->flags |= CLIENT_CLOSE_ASAP;
    reads(f, 0, "k");
    changes(f, NULL, true, "k");
    assert_string_equal(got(f, 0), ">2 $21 tracking-redir-broken :4 ");
    assert_true(f->clients[0].tracking->flags & TRACKING_BROKEN);
    to->flags &= ~(uint32_t)CLIENT_CLOSE_ASAP;
}

static void the_table_has_a_limit(void **state)
{
    struct fixture *f = *state;

    f->node.config.tracking_table_max_keys = 2;
    tracking_enable(&f->clients[0], 0, 0, NULL, 0);
    reads(f, 0, "a");
    reads(f, 0, "b");
    assert_string_equal(got(f, 0), "");
    reads(f, 0, "c");
    assert_int_equal(tracking_figures(f->node.tracking).keys, 2);
    assert_int_equal(strlen(got(f, 0)), strlen(INVALID("a")));
    f->node.config.tracking_table_max_keys = 1;
    tracking_cron(&f->node);
    assert_int_equal(tracking_figures(f->node.tracking).keys, 1);
    assert_int_equal(tracking_figures(f->node.tracking).items, 1);
}

static const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    TEST(subscriptions_are_counted_and_end),
    TEST(messages_go_to_channels_then_patterns_in_each_protocol),
    TEST(messages_to_other_nodes_leave_once_a_turn),
    TEST(shard_channels_end_with_their_slots),
    TEST(news_wait_for_their_batch_and_keep_their_order),
    TEST(messages_of_transactions_wait_for_what_these_did),
    TEST(messages_are_lost_with_what_they_need_alone),
    TEST(readers_are_told_once_the_change_is_committed),
    TEST(what_is_replaced_invalidates_all),
    TEST(a_flush_of_many_databases_is_told_once),
    TEST(prefixes_gather_the_changes_of_a_turn),
    TEST(resp2_is_told_by_a_message_to_a_subscriber),
    TEST(the_table_has_a_limit),
};

TEST_MAIN(tests)
