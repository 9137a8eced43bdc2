/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_system_request.c - requests over lost messages, leader changes, restarts: each is
 * carried out once, and who asked learns the truth.
 *
 * node/system_request.c alone: the test is the system group. What is proposed waits in `sent` until
 * the test applies it, once, twice or never. */
#include "tests/test.h"

#include "base/mem.h"
#include "node/node.h"
#include "node/system.h"
#include "node/system_request.h"

#include <stdlib.h>

#define CLUSTER_ID "0123456789abcdef0123456789abcdef01234567"
#define SENT_MAX 32

static struct node node;
static struct cluster_state cluster;
static bool formed, has_leader;
static struct raft_identity identity = {.node = 1};
static struct cluster_command sent[SENT_MAX]; /* with changes of their own */
static size_t n_sent;

const struct cluster_state *system_state(const struct node *n)
{
    assert_ptr_equal(n, &node);
    return &cluster;
}

bool system_is_formed(const struct node *n)
{
    assert_ptr_equal(n, &node);
    return formed;
}

const struct raft_identity *raft_host_identity(const struct raft_host *h)
{
    (void)h;
    return &identity;
}

static struct cluster_change *copy_change(const struct cluster_change *c)
{
    struct cluster_change *copy = mem_dup(c, sizeof *c);

    copy->edits = (struct cluster_texts){0};
    for (size_t i = 0; i < c->edits.n; i++) {
        const struct cluster_text *e = &c->edits.list[i];

        assert_true(cluster_texts_put(&copy->edits, e->name, e->name_n, e->text, e->text_n));
    }
    return copy;
}

bool system_propose(struct node *n, const struct cluster_command *command)
{
    assert_ptr_equal(n, &node);
    if (!has_leader) {
        return false;
    }
    assert_true(n_sent < SENT_MAX);
    sent[n_sent] = *command;
    sent[n_sent++].change = copy_change(command->change);
    return true;
}

/* The log brings what was sent as number @i. */
static int apply(size_t i)
{
    int rc;

    assert_true(i < n_sent);
    rc = cluster_state_apply(&cluster, &sent[i]);
    system_requests_advance(&node);
    return rc;
}

static void pass_ms(int64_t ms)
{
    node.now_us += ms * 1000;
    node.now_wall_ms += ms;
    system_requests_advance(&node);
}

static int set_up(void **state)
{
    struct cluster_node nodes[2] = {{.number = 1}, {.number = 2}};

    (void)state;
    node = (struct node){.now_us = 1000000, .now_wall_ms = 1000};
    node.config.election_wait_timeout = 2000;
    node.config.outcome_wait_timeout = 15000;
    node.requests = system_requests_new();
    formed = has_leader = true;
    return cluster_state_genesis(&cluster, CLUSTER_ID, true, nodes, 2, 1);
}

static int tear_down(void **state)
{
    (void)state;
    while (n_sent > 0) {
        cluster_command_release(&sent[--n_sent]);
    }
    system_requests_free(node.requests);
    cluster_state_release(&cluster);
    return 0;
}

/* ---- who asks ------------------------------------------------------------------------------ */

struct asker {
    int answers;
    enum system_outcome outcome;
    char error[128];
    const char *text;
    int retries; /* on a conflict it asks again so often */
};

static struct system_request *ask(struct asker *a, const char *text, bool conditional);

static void on_done(struct node *n, void *ctx, enum system_outcome outcome, const char *error)
{
    struct asker *a = ctx;

    assert_ptr_equal(n, &node);
    a->answers++;
    a->outcome = outcome;
    snprintf(a->error, sizeof a->error, "%s", error);
    if (outcome == SYSTEM_CONFLICT && a->retries > 0) {
        a->retries--;
        ask(a, a->text, true);
    }
}

static struct system_request *ask(struct asker *a, const char *text, bool conditional)
{
    struct cluster_change *c = mem_zalloc(sizeof *c);

    a->text = text;
    c->map = CLUSTER_MAP_FUNCTIONS;
    c->conditional = conditional;
    c->revision = cluster_state_map(&cluster, c->map)->revision;
    assert_true(cluster_change_set(c, text, strlen(text), text, strlen(text)));
    return system_request(&node, c, on_done, a);
}

static size_t entries(void) { return cluster_state_map(&cluster, CLUSTER_MAP_FUNCTIONS)->n; }
static uint64_t revision(void)
{
    return cluster_state_map(&cluster, CLUSTER_MAP_FUNCTIONS)->revision;
}

static void a_request_is_done_once_it_is_applied_here(void **state)
{
    struct asker a = {0};

    (void)state;
    ask(&a, "x", false);
    assert_int_equal(n_sent, 1);
    pass_ms(100);
    assert_int_equal(a.answers, 0);
    assert_int_equal(apply(0), CLUSTER_OK);
    assert_int_equal(a.answers, 1);
    assert_int_equal(a.outcome, SYSTEM_DONE);
    assert_int_equal(entries(), 1);
}

/* Lost on the way, or with its leader: it is sent again, and both copies may come into the log. */
static void a_lost_request_is_sent_again_and_carried_out_once(void **state)
{
    struct asker a = {0};

    (void)state;
    ask(&a, "x", false);
    has_leader = false;
    pass_ms(300);
    assert_int_equal(n_sent, 1);
    has_leader = true;
    system_requests_new_leader(&node);
    assert_int_equal(n_sent, 2);
    pass_ms(600); /* nothing was heard: again */
    assert_int_equal(n_sent, 3);
    assert_int_equal(sent[0].request, sent[2].request);
    assert_int_equal(apply(1), CLUSTER_OK);
    assert_int_equal(a.outcome, SYSTEM_DONE);
    assert_int_equal(apply(0), CLUSTER_ERR_REPEATED);
    assert_int_equal(apply(2), CLUSTER_ERR_REPEATED);
    assert_int_equal(a.answers, 1);
    assert_int_equal(revision(), 1);
}

static void without_a_leader_it_is_refused_in_time(void **state)
{
    struct asker a = {0};

    (void)state;
    has_leader = false;
    ask(&a, "x", false);
    pass_ms(1900);
    assert_int_equal(a.answers, 0);
    pass_ms(200);
    assert_int_equal(a.answers, 1);
    assert_int_equal(a.outcome, SYSTEM_REFUSED);
    assert_true(strncmp(a.error, "CLUSTERDOWN ", 12) == 0);
    has_leader = true;
    pass_ms(1000);
    assert_int_equal(n_sent, 0); /* and never sent */
}

/* Of a level that the cluster has not: it never gets into the log. */
static void what_some_node_could_not_read_is_refused(void **state)
{
    struct asker a = {0}, b = {0};

    (void)state;
    cluster.feature_level = 0; /* as if one were of before the first */
    ask(&a, "x", false);
    assert_int_equal(a.answers, 0); /* never before it returns */
    pass_ms(10);
    assert_int_equal(a.answers, 1);
    assert_int_equal(a.outcome, SYSTEM_REFUSED);
    assert_non_null(strstr(a.error, "feature level 1"));
    assert_int_equal(n_sent, 0);
    cluster.feature_level = 1;
    ask(&b, "x", false);
    assert_int_equal(n_sent, 1);
}

static void before_the_cluster_is_formed_it_waits(void **state)
{
    struct asker a = {0};

    (void)state;
    formed = false;
    ask(&a, "x", false);
    pass_ms(500);
    assert_int_equal(n_sent, 0);
    formed = true;
    pass_ms(100);
    assert_int_equal(n_sent, 1);
}

/* What was sent may be anywhere: only "unknown" is true. A late copy that the next request has
 * overtaken is void. */
static void a_sent_request_that_is_not_decided_is_unknown(void **state)
{
    struct asker a = {0}, b = {0};

    (void)state;
    ask(&a, "x", false);
    for (int i = 0; i < 15; i++) {
        pass_ms(1000);
    }
    assert_int_equal(a.answers, 1);
    assert_int_equal(a.outcome, SYSTEM_UNKNOWN);
    ask(&b, "y", false);
    assert_true(sent[n_sent - 1].request > sent[0].request);
    assert_int_equal(apply(n_sent - 1), CLUSTER_OK);
    assert_int_equal(b.outcome, SYSTEM_DONE);
    assert_int_equal(apply(0), CLUSTER_ERR_REPEATED);
    assert_int_equal(entries(), 1);
}

static void requests_go_one_after_the_other(void **state)
{
    struct asker a = {0}, b = {0}, c = {0};

    (void)state;
    ask(&a, "x", false);
    system_request_forget(ask(&b, "y", false));
    ask(&c, "z", false);
    assert_int_equal(n_sent, 1);
    apply(0);
    assert_int_equal(n_sent, 2);
    apply(1);
    assert_int_equal(n_sent, 3);
    apply(2);
    assert_int_equal(a.answers + c.answers, 2);
    assert_int_equal(b.answers, 0); /* nobody asked any more, but it is done */
    assert_int_equal(entries(), 3);
}

static void a_conflict_can_be_tried_again(void **state)
{
    struct asker a = {.retries = 1};
    struct cluster_change other = {.map = CLUSTER_MAP_FUNCTIONS};
    struct cluster_command command = {
        .type = CLUSTER_CMD_CHANGE, .number = 2, .request = 1, .change = &other};

    (void)state;
    ask(&a, "x", true);
    assert_int_equal(cluster_state_apply(&cluster, &command), CLUSTER_OK); /* who is faster */
    apply(0);
    assert_int_equal(a.outcome, SYSTEM_CONFLICT);
    assert_int_equal(n_sent, 2); /* of the new revision */
    assert_int_equal(apply(1), CLUSTER_OK);
    assert_int_equal(a.outcome, SYSTEM_DONE);
    assert_int_equal(a.answers, 2);
}

/* A snapshot that stands for the entry says as much as the entry. */
static void an_outcome_in_a_snapshot_counts(void **state)
{
    struct asker a = {0}, b = {0};

    (void)state;
    ask(&a, "x", false);
    assert_int_equal(cluster_state_apply(&cluster, &sent[0]), CLUSTER_OK);
    pass_ms(10);
    assert_int_equal(a.outcome, SYSTEM_DONE);
    ask(&b, "y", false);
    cluster.outcomes[0].request =
        sent[1].request + 5; /* of an earlier run, whose clock was ahead */
    pass_ms(10);
    assert_int_equal(b.outcome, SYSTEM_UNKNOWN);
}

/* After a restart numbers go on above those of before, also when the clock went back. */
static void numbers_rise_over_a_restart(void **state)
{
    struct asker a = {0}, b = {0};

    (void)state;
    ask(&a, "x", false);
    apply(0);
    system_requests_free(node.requests);
    node.requests = system_requests_new();
    node.now_wall_ms = 5;
    ask(&b, "y", false);
    assert_int_equal(sent[1].request, sent[0].request + 1);
    assert_int_equal(apply(1), CLUSTER_OK);
    assert_int_equal(b.outcome, SYSTEM_DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_done_once_it_is_applied_here),
        TEST(a_lost_request_is_sent_again_and_carried_out_once),
        TEST(without_a_leader_it_is_refused_in_time),
        TEST(what_some_node_could_not_read_is_refused),
        TEST(before_the_cluster_is_formed_it_waits),
        TEST(a_sent_request_that_is_not_decided_is_unknown),
        TEST(requests_go_one_after_the_other),
        TEST(a_conflict_can_be_tried_again),
        TEST(an_outcome_in_a_snapshot_counts),
        TEST(numbers_rise_over_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
