/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_formation.c - a cluster forms once, from nodes that agree, or not at all. */
#include "tests/test.h"

#include "cluster/formation.h"

#define CLUSTER_ID "0123456789abcdef0123456789abcdef01234567"

static struct net_addr addr(unsigned port)
{
    struct net_addr a = {.port = (uint16_t)port};

    snprintf(a.host, sizeof a.host, "127.0.0.1");
    return a;
}

static struct formation_hello hello_of(unsigned port, uint64_t digest)
{
    struct formation_hello h = {.list_digest = digest, .slots_enabled = true, .data_groups = 3};

    snprintf(h.node.id, sizeof h.node.id, "%040x", port);
    h.node.peer = addr(port);
    h.node.client = addr(port - 10000);
    return h;
}

static const struct net_addr *list3(void)
{
    static struct net_addr list[3];

    list[0] = addr(17003);
    list[1] = addr(17001);
    list[2] = addr(17002);
    return list;
}

static void init(struct formation *f, unsigned self)
{
    struct formation_hello h = hello_of(self, 0);
    char error[256];

    assert_int_equal(formation_init(f, list3(), 3, &h, error), 0);
}

static void the_first_of_the_sorted_list_founds(void **state)
{
    static struct formation f;

    (void)state;
    init(&f, 17001);
    assert_true(formation_is_founder(&f));
    init(&f, 17002);
    assert_false(formation_is_founder(&f));
    init(&f, 17003);
    assert_false(formation_is_founder(&f));
}

/* All present, unformed, of one list and mode: not a moment earlier. */
static void the_founder_waits_for_everyone_to_agree(void **state)
{
    static struct formation f;
    static struct formation_plan plan;
    struct formation_hello second, third;

    (void)state;
    init(&f, 17001);
    second = hello_of(17002, f.digest);
    third = hello_of(17003, f.digest);
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_true(formation_on_hello(&f, &second));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));

    third.list_digest ^= 1;
    assert_true(formation_on_hello(&f, &third));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_non_null(strstr(f.waiting_for, "127.0.0.1:17003 (names another cluster-nodes list)"));

    third.list_digest ^= 1;
    third.slots_enabled = false;
    assert_true(formation_on_hello(&f, &third));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_non_null(strstr(f.waiting_for, "has another cluster-enabled"));

    third.slots_enabled = true;
    third.data_groups = 1;
    assert_true(formation_on_hello(&f, &third));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_non_null(strstr(f.waiting_for, "127.0.0.1:17003 (has another cluster-data-groups)"));

    third.data_groups = 3;
    assert_true(formation_on_hello(&f, &third));
    assert_string_equal(f.waiting_for, "");

    formation_on_lost(&f, &second.node.peer);
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_true(formation_on_hello(&f, &second));

    assert_true(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_int_equal(plan.n_nodes, 3);
    assert_int_equal(plan.data_groups, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(plan.nodes[i].number, i + 1);
        assert_int_equal(plan.nodes[i].peer.port, 17001 + i);
    }
}

static void only_the_founder_plans(void **state)
{
    static struct formation f;
    static struct formation_plan plan;
    struct formation_hello first, third;

    (void)state;
    init(&f, 17002);
    first = hello_of(17001, f.digest);
    third = hello_of(17003, f.digest);
    assert_true(formation_on_hello(&f, &first));
    assert_true(formation_on_hello(&f, &third));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
}

/* A data directory that was copied gives two nodes one id: that is no cluster. */
static void two_nodes_of_one_id_never_form(void **state)
{
    static struct formation f;
    static struct formation_plan plan;
    struct formation_hello second, third;

    (void)state;
    init(&f, 17001);
    second = hello_of(17002, f.digest);
    third = hello_of(17003, f.digest);
    memcpy(third.node.id, second.node.id, sizeof third.node.id);
    assert_true(formation_on_hello(&f, &second));
    assert_true(formation_on_hello(&f, &third));
    assert_false(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_non_null(strstr(f.waiting_for, "same node id"));
}

/* An empty disk comes back with another id: the plan is not for it. */
static void a_plan_is_adopted_only_by_the_nodes_it_names(void **state)
{
    static struct formation founder, other;
    static struct formation_plan plan;
    struct formation_hello h;
    char error[256];

    (void)state;
    init(&founder, 17001);
    init(&other, 17003);
    h = hello_of(17002, founder.digest);
    assert_true(formation_on_hello(&founder, &h));
    h = hello_of(17003, founder.digest);
    assert_true(formation_on_hello(&founder, &h));
    assert_true(formation_try_plan(&founder, CLUSTER_ID, &plan));
    assert_true(formation_accepts(&other, &plan));
    assert_int_equal(formation_plan_number(&plan, h.node.id), 3);

    h.node.id[0] = 'f';
    assert_int_equal(formation_init(&other, list3(), 3, &h, error), 0);
    assert_false(formation_accepts(&other, &plan));
    assert_int_equal(formation_plan_number(&plan, h.node.id), 0);

    h = hello_of(17003, 0);
    h.slots_enabled = false;
    assert_int_equal(formation_init(&other, list3(), 3, &h, error), 0);
    assert_false(formation_accepts(&other, &plan));
    h.slots_enabled = true;
    h.data_groups = 4;
    assert_int_equal(formation_init(&other, list3(), 3, &h, error), 0);
    assert_false(formation_accepts(&other, &plan));
}

static void strangers_are_ignored(void **state)
{
    static struct formation f;
    struct formation_hello h;

    (void)state;
    init(&f, 17001);
    h = hello_of(17009, f.digest);
    assert_false(formation_on_hello(&f, &h));
}

static void a_list_that_cannot_work_is_refused_by_name(void **state)
{
    static struct formation f;
    struct formation_hello self = hello_of(17009, 0);
    struct net_addr twice[2] = {addr(17009), addr(17009)};
    char error[256];

    (void)state;
    assert_int_equal(formation_init(&f, list3(), 3, &self, error), -1);
    assert_non_null(strstr(error, "127.0.0.1:17009 is not in the list"));
    assert_int_equal(formation_init(&f, twice, 2, &self, error), -1);
    assert_non_null(strstr(error, "named twice"));
    assert_int_equal(formation_init(&f, twice, 0, &self, error), -1);
}

static void a_list_of_one_is_a_cluster_at_once(void **state)
{
    static struct formation f;
    static struct formation_plan plan;
    struct formation_hello self = hello_of(17001, 0);
    struct net_addr list = addr(17001);
    char error[256];

    (void)state;
    assert_int_equal(formation_init(&f, &list, 1, &self, error), 0);
    assert_true(formation_try_plan(&f, CLUSTER_ID, &plan));
    assert_int_equal(plan.n_nodes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_sorted_list_founds),
        cmocka_unit_test(the_founder_waits_for_everyone_to_agree),
        cmocka_unit_test(only_the_founder_plans),
        cmocka_unit_test(two_nodes_of_one_id_never_form),
        cmocka_unit_test(a_plan_is_adopted_only_by_the_nodes_it_names),
        cmocka_unit_test(strangers_are_ignored),
        cmocka_unit_test(a_list_that_cannot_work_is_refused_by_name),
        cmocka_unit_test(a_list_of_one_is_a_cluster_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
