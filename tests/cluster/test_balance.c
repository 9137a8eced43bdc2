/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_balance.c - leadership returns to the node a group prefers: late, and only
 * when it is fit. */
#include "tests/test.h"

#include "cluster/balance.h"

#define DELAY 5000000

static struct balance_view fit(void)
{
    return (struct balance_view){
        .self = 2,
        .preferred = 2,
        .leader = 3,
        .leader_reachable = true,
        .following = true,
    };
}

static void a_node_asks_when_it_has_been_fit_for_the_delay(void **state)
{
    struct balance_view v = fit();
    struct balance b = {0};

    (void)state;
    assert_false(balance_asks(&b, &v, 1000, DELAY));
    assert_false(balance_asks(&b, &v, 1000 + DELAY - 1, DELAY));
    assert_true(balance_asks(&b, &v, 1000 + DELAY, DELAY));
}

/* A request may get lost, or the leader may refuse: it is repeated, but not at once. */
static void it_asks_again_only_after_another_delay(void **state)
{
    struct balance_view v = fit();
    struct balance b = {0};

    (void)state;
    assert_false(balance_asks(&b, &v, 1000, DELAY));
    assert_true(balance_asks(&b, &v, 1000 + DELAY, DELAY));
    assert_false(balance_asks(&b, &v, 1001 + DELAY, DELAY));
    assert_false(balance_asks(&b, &v, 999 + 2 * DELAY, DELAY));
    assert_true(balance_asks(&b, &v, 1000 + 2 * DELAY, DELAY));
}

static void whatever_makes_it_unfit_starts_the_delay_anew(void **state)
{
    static const struct {
        const char *name;
        struct balance_view v;
    } cases[] = {
        {"another is preferred", {2, 3, 3, true, true, 0, false}},
        {"none is preferred", {2, 0, 3, true, true, 0, false}},
        {"no leader is known", {2, 2, 0, true, true, 0, false}},
        {"it leads already", {2, 2, 2, true, true, 0, false}},
        {"the connection to the leader is cut", {2, 2, 3, false, true, 0, false}},
        {"it is loading", {2, 2, 3, true, false, 0, false}},
        {"it is behind", {2, 2, 3, true, true, BALANCE_BEHIND_MAX + 1, false}},
        {"it is shutting down", {2, 2, 3, true, true, 0, true}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct balance_view v = fit();
        struct balance b = {0};

        print_message("case: %s\n", cases[i].name);
        assert_false(balance_asks(&b, &v, 1000, DELAY));
        assert_false(balance_asks(&b, &cases[i].v, 1000 + DELAY, DELAY));
        assert_false(balance_asks(&b, &v, 1000 + DELAY, DELAY));
        assert_false(balance_asks(&b, &v, 999 + 2 * DELAY, DELAY));
        assert_true(balance_asks(&b, &v, 1000 + 2 * DELAY, DELAY));
    }
}

static void a_few_entries_behind_is_normal_under_load(void **state)
{
    struct balance_view v = fit();
    struct balance b = {0};

    (void)state;
    v.behind = BALANCE_BEHIND_MAX;
    assert_false(balance_asks(&b, &v, 1000, DELAY));
    assert_true(balance_asks(&b, &v, 1000 + DELAY, DELAY));
}

static void a_delay_of_zero_is_never(void **state)
{
    struct balance_view v = fit();
    struct balance b = {0};

    (void)state;
    assert_false(balance_asks(&b, &v, 1000, 0));
    assert_false(balance_asks(&b, &v, INT64_MAX, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_asks_when_it_has_been_fit_for_the_delay),
        cmocka_unit_test(it_asks_again_only_after_another_delay),
        cmocka_unit_test(whatever_makes_it_unfit_starts_the_delay_anew),
        cmocka_unit_test(a_few_entries_behind_is_normal_under_load),
        cmocka_unit_test(a_delay_of_zero_is_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
