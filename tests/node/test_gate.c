/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_gate.c - when replies leave, and what becomes of those that never may: gates of
 * one group and of several. The groups are only what gate.c sees of them. */
#include "tests/test.h"

#include "base/mem.h"
#include "node/gate.h"
#include "node/node.h"
#include "node/route.h"
#include "node/system.h"

/* ---- what gate.c asks of others ---------------------------------------------------------- */

static struct cluster_state no_cluster;
static bool lease_valid;

const struct cluster_state *system_state(const struct node *n)
{
    (void)n;
    return &no_cluster;
}

bool raft_host_lease_valid(struct raft_host *h, uint32_t group, uint64_t term)
{
    (void)h;
    (void)group;
    (void)term;
    return lease_valid;
}

void raft_host_read(struct raft_host *h, uint32_t group, uint64_t token)
{
    (void)h;
    (void)group;
    (void)token;
}

void route_reply_redirect(const struct client *c, struct group *g, uint16_t slot,
                          struct resp_out *reply)
{
    (void)c;
    if (slot == ROUTE_ANY_SLOT) {
        resp_errorf(reply, "MOVED any of %u", g->number);
    } else {
        resp_errorf(reply, "MOVED %u of %u", slot, g->number);
    }
}

void client_close(struct client *c) { c->flags |= CLIENT_CLOSE_ASAP; }

/* ---- a node with three groups and a client ----------------------------------------------- */

struct fixture {
    struct node node;
    struct client client;
    struct cmd cmd; /* the one being executed */
    size_t from;
};

static struct group *group_make(struct node *n, uint32_t number)
{
    struct group *g = mem_zalloc(sizeof *g);

    g->node = n;
    g->number = number;
    g->state = GROUP_SERVING;
    link_init(&g->unconfirmed);
    for (size_t i = 0; i < GROUP_BATCHES_MAX; i++) {
        link_init(&g->waiting[i]);
    }
    g->proposed = 10; /* batches on their way */
    g->committed = 0;
    n->groups[number] = g;
    n->n_groups = number + 1;
    return g;
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct client *c = &f->client;

    link_init(&f->node.clients.all);
    link_init(&f->node.clients.dirty);
    for (uint32_t i = 1; i <= 3; i++) {
        (void)group_make(&f->node, i);
    }
    f->node.config.read_consistency = READ_LEASE;
    lease_valid = true;
    c->node = &f->node;
    buf_init(&c->out);
    c->reply = (struct resp_out){.buf = &c->out, .version = 2};
    link_init(&c->gate_link);
    link_init(&c->dirty_link);
    link_init(&c->all_link);
    link_append(&f->node.clients.all, &c->all_link);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    gate_forget(&f->client);
    buf_release(&f->client.out);
    for (uint32_t i = 1; i <= 3; i++) {
        free(f->node.groups[i]);
    }
    free(f);
    return 0;
}

/* What one group has to do with a command. */
struct part {
    uint32_t group; /* 0: the last one was the last */
    uint64_t gate;
    bool wrote;
};

/* A command over these groups is executed, and replies @text. */
static void execute(struct fixture *f, const char *text, const struct part *parts)
{
    struct client *c = &f->client;
    struct cmd cmd = {.node = &f->node, .client = c, .reply = &c->reply, .effects = 1};

    f->node.executions++;
    span_clear(&f->node.span);
    for (const struct part *p = parts; p->group != 0; p++) {
        span_add(&f->node.span, f->node.groups[p->group]);
    }
    span_begin(&f->node.span, &cmd);
    for (size_t i = 0; groups_use(&cmd, i) && parts[i].group != 0; i++) {
        cmd.touched = true;
        cmd.gate = parts[i].gate;
        cmd.wrote = parts[i].wrote;
    }
    resp_status(&c->reply, text);
    gate_reply(c, &cmd, 7);
    gate_advance(c);
}

#define PARTS(...) ((const struct part[]){__VA_ARGS__, {0, 0, false}})

static void commit(struct fixture *f, uint32_t group, uint64_t batch)
{
    struct group *g = f->node.groups[group];
    uint64_t before = g->committed;

    g->committed = batch;
    gate_committed(g, before);
}

static void lose(struct fixture *f, uint32_t group)
{
    struct group *g = f->node.groups[group];

    gate_reads_lost(g);
    g->state = GROUP_FOLLOWING;
    g->leader = 9;
    gate_redirect_reads(g, true);
}

/* What may be written to the socket so far. */
static void assert_released(struct fixture *f, const char *want)
{
    struct client *c = &f->client;
    size_t n = (size_t)(c->released - c->out_base);

    assert_int_equal(n, strlen(want));
    assert_true(n == 0 || memcmp(buf_head(&c->out), want, n) == 0);
}

/* ---- one group --------------------------------------------------------------------------- */

static void replies_of_one_group_leave_in_order_when_their_batch_is_committed(void **state)
{
    struct fixture *f = *state;

    execute(f, "a", PARTS({1, 1, true}));
    execute(f, "b", PARTS({2, 1, true}));
    assert_released(f, "");
    commit(f, 2, 1);
    assert_released(f, "");
    commit(f, 1, 1);
    assert_released(f, "+a\r\n+b\r\n");
}

static void a_lost_batch_replaces_its_own_reply_only(void **state)
{
    struct fixture *f = *state;

    execute(f, "a", PARTS({1, 1, true}));
    execute(f, "b", PARTS({2, 1, true}));
    execute(f, "c", PARTS({1, 2, true}));
    commit(f, 1, 2);
    gate_batches_gone(f->node.groups[2]);
    assert_released(f, "+a\r\n-MOVED 7 of 2\r\n+c\r\n");
}

/* ---- several groups ---------------------------------------------------------------------- */

static void a_reply_of_several_groups_waits_for_all_of_them(void **state)
{
    static const struct {
        uint32_t order[3];
        const char *before, *after;
    } cases[] = {
        {{1, 2, 3}, "", "+all\r\n"},
        {{3, 2, 1}, "+all\r\n", "+all\r\n+all\r\n"},
        {{2, 3, 1}, "+all\r\n+all\r\n", "+all\r\n+all\r\n+all\r\n"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const uint32_t *order = cases[i].order;
        uint64_t batch = i + 1;

        print_message("case: committed in order %u %u %u\n", order[0], order[1], order[2]);
        execute(f, "all", PARTS({1, batch, true}, {2, batch, true}, {3, batch, true}));
        commit(f, order[0], batch);
        commit(f, order[1], batch);
        assert_released(f, cases[i].before);
        commit(f, order[2], batch);
        assert_released(f, cases[i].after);
    }
}

static void a_read_of_several_groups_waits_for_every_lease(void **state)
{
    struct fixture *f = *state;

    lease_valid = false;
    execute(f, "all", PARTS({1, 0, false}, {2, 0, false}));
    assert_released(f, "");
    f->node.groups[1]->read_confirmed = f->node.executions;
    gate_recheck(f->node.groups[1]);
    assert_released(f, "");
    f->node.groups[2]->read_confirmed = f->node.executions;
    gate_recheck(f->node.groups[2]);
    assert_released(f, "+all\r\n");
}

/* Whichever part is lost, before or behind those that are fine: one error takes the place of the
 * reply, and what stands around it stays. */
static void a_read_of_several_groups_is_redirected_once_when_one_is_lost(void **state)
{
    static const struct {
        const char *name;
        uint32_t lost;
        const char *want;
    } cases[] = {
        {"the first", 1, "+a\r\n-MOVED 7 of 1\r\n+b\r\n"},
        {"one in between", 2, "+a\r\n-MOVED any of 2\r\n+b\r\n"},
        {"the last", 3, "+a\r\n-MOVED any of 3\r\n+b\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        print_message("case: %s\n", cases[i].name);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        f = *state;
        execute(f, "a", PARTS({1, 1, true}));
        execute(f, "all", PARTS({1, 2, false}, {2, 2, false}, {3, 2, false}));
        execute(f, "b", PARTS({1, 1, false}));
        commit(f, 1, cases[i].lost == 1 ? 1 : 2);
        gate_batches_gone(f->node.groups[cases[i].lost]);
        assert_released(f, cases[i].want);
        assert_int_equal(f->client.seg_n, 0);
        assert_int_equal(f->node.stats.redirected_replies, 1);
    }
}

static void a_lost_lease_of_one_group_redirects_the_reply_as_well(void **state)
{
    struct fixture *f = *state;

    lease_valid = false;
    execute(f, "all", PARTS({1, 0, false}, {2, 0, false}));
    lose(f, 2);
    assert_released(f, "-MOVED any of 2\r\n");
}

/* Two groups are lost, one after the other: there is still one reply. */
static void losing_another_group_later_changes_nothing_more(void **state)
{
    struct fixture *f = *state;

    execute(f, "all", PARTS({1, 1, false}, {2, 1, false}, {3, 1, false}));
    execute(f, "b", PARTS({3, 1, true}));
    gate_batches_gone(f->node.groups[2]);
    gate_batches_gone(f->node.groups[1]);
    assert_released(f, "-MOVED any of 2\r\n");
    commit(f, 3, 1);
    assert_released(f, "-MOVED any of 2\r\n+b\r\n");
}

#define PARTLY                                                                                     \
    "-ERR some slots went to another node while the command was executed: what it did in the "     \
    "others may stay\r\n"

/* A redirection says "surely not executed": not of a command that has changed other groups. */
static void a_write_that_others_may_keep_is_not_called_not_executed(void **state)
{
    static const struct {
        const char *name;
        bool wrote[2];
        uint32_t lost;
        const char *want;
    } cases[] = {
        {"both wrote", {true, true}, 1, PARTLY},
        {"the other wrote", {true, false}, 2, PARTLY},
        {"only the lost one wrote", {true, false}, 1, "-MOVED 7 of 1\r\n"},
        {"only the lost one wrote, behind", {false, true}, 2, "-MOVED any of 2\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        print_message("case: %s\n", cases[i].name);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        f = *state;
        execute(f, "all", PARTS({1, 1, cases[i].wrote[0]}, {2, 1, cases[i].wrote[1]}));
        gate_batches_gone(f->node.groups[cases[i].lost]);
        assert_released(f, cases[i].want);
    }
}

/* The first part is committed and out of the way when the second is lost. */
static void a_part_that_opened_before_does_not_save_the_reply(void **state)
{
    struct fixture *f = *state;

    execute(f, "all", PARTS({1, 1, true}, {2, 1, true}));
    commit(f, 1, 1);
    assert_released(f, "");
    assert_int_equal(f->client.seg_n, 1);
    gate_batches_gone(f->node.groups[2]);
    assert_released(f, PARTLY);
}

/* A group that this node does not lead any more when the reply is written is read as a follower's.
 */
static void groups_that_are_not_led_hold_nothing_up(void **state)
{
    struct fixture *f = *state;

    f->node.groups[1]->state = GROUP_FOLLOWING;
    execute(f, "all", PARTS({1, 0, false}, {2, 1, false}));
    assert_released(f, "");
    commit(f, 2, 1);
    assert_released(f, "+all\r\n");
    f->node.groups[2]->state = GROUP_FOLLOWING;
    execute(f, "all", PARTS({1, 0, false}, {2, 0, false}));
    assert_released(f, "+all\r\n+all\r\n");
}

static void an_unknown_fate_of_any_part_closes_the_client(void **state)
{
    struct fixture *f = *state;

    execute(f, "all", PARTS({1, 0, false}, {2, 1, true}));
    gate_batches_unknown(f->node.groups[1]);
    assert_int_equal(f->client.flags & CLIENT_CLOSE_ASAP, 0);
    gate_batches_unknown(f->node.groups[2]);
    assert_int_equal(f->client.flags & CLIENT_CLOSE_ASAP, CLIENT_CLOSE_ASAP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replies_of_one_group_leave_in_order_when_their_batch_is_committed),
        TEST(a_lost_batch_replaces_its_own_reply_only),
        TEST(a_reply_of_several_groups_waits_for_all_of_them),
        TEST(a_read_of_several_groups_waits_for_every_lease),
        TEST(a_read_of_several_groups_is_redirected_once_when_one_is_lost),
        TEST(a_lost_lease_of_one_group_redirects_the_reply_as_well),
        TEST(losing_another_group_later_changes_nothing_more),
        TEST(a_write_that_others_may_keep_is_not_called_not_executed),
        TEST(a_part_that_opened_before_does_not_save_the_reply),
        TEST(groups_that_are_not_led_hold_nothing_up),
        TEST(an_unknown_fate_of_any_part_closes_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
