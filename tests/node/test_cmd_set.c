/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of sets. The harness checks after every command that its effects make a
 * follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

static void members_come_and_go(void **state)
{
    static const struct step steps[] = {
        {"SADD s a b a", INT(2), "SADD s a b a"},
        {"SADD s a", INT(0), NULL},
        {"SCARD s", INT(2), NULL},
        {"SISMEMBER s a", INT(1), NULL},
        {"SMISMEMBER s a x b", "*3\\r\\n:1\\r\\n:0\\r\\n:1\\r\\n", NULL},
        {"SMISMEMBER none a", "*1\\r\\n:0\\r\\n", NULL},
        {"SREM s x", INT(0), NULL},
        {"SREM s a x", INT(1), "SREM s a x"},
        {"SMOVE s t b", INT(1), "SMOVE s t b"},
        {"EXISTS s", INT(0), NULL},
        {"SMOVE t t b", INT(1), NULL},
        {"SMOVE t s x", INT(0), NULL},
        {"SMEMBERS t", "*1\\r\\n$1\\r\\nb\\r\\n", NULL},
        {"SREM t b", INT(1), "SREM t b"},
        {"EXISTS t", INT(0), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void sets_are_combined_and_stored(void **state)
{
    static const struct step steps[] = {
        {"SADD a 1 2 3", INT(3), "SADD a 1 2 3"},
        {"SADD b 2 3 x", INT(3), "SADD b 2 3 x"},
        {"SINTERSTORE d a b", INT(2), "SINTERSTORE d a b"},
        {"OBJECT ENCODING d", BULK(6, "intset"), NULL},
        {"SUNIONSTORE d a b none", INT(4), "SUNIONSTORE d a b none"},
        {"SDIFFSTORE d a b", INT(1), "SDIFFSTORE d a b"},
        {"SMEMBERS d", "*1\\r\\n$1\\r\\n1\\r\\n", NULL},
        {"SDIFFSTORE a a b", INT(1), "SDIFFSTORE a a b"}, /* onto a source */
        {"SINTERSTORE d a none", INT(0), "DEL d"},
        {"SINTERSTORE d a none", INT(0), NULL},
        {"SET t x", OK, "SET t x"},
        {"SUNIONSTORE t b", INT(3), "SUNIONSTORE t b"}, /* over another type */
        {"SINTERCARD 2 b b", INT(3), NULL},
        {"SINTERCARD 2 b b LIMIT 2", INT(2), NULL},
        {"SINTERCARD 2 b none", INT(0), NULL},
        {"SINTERCARD 0 b", ERR("numkeys should be greater than 0"), NULL},
        {"SINTERCARD 3 b b", ERR("Number of keys can't be greater than number of args"), NULL},
        {"SINTERCARD 1 b LIMIT -1", ERR("LIMIT can't be negative"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* Chance is the leader's: the log names what went. */
static void pops_are_logged_as_what_went(void **state)
{
    struct harness *h = harness_new(false);
    char line[64];

    (void)state;
    harness_run(h, "SADD s a");
    assert_string_equal(harness_run(h, "SPOP s"), BULK(1, "a"));
    assert_string_equal(harness_effects(h), "SREM s a");
    assert_string_equal(harness_events(h), "spop s ; del s");
    assert_string_equal(harness_run(h, "SPOP s"), NIL);
    assert_string_equal(harness_run(h, "SPOP s 3"), "*0\\r\\n");
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "SADD s m%d", i);
        harness_run(h, line);
    }
    harness_run(h, "SPOP s 10"); /* few of many */
    assert_int_equal(strncmp(harness_effects(h), "SREM s m", 8), 0);
    assert_string_equal(harness_run(h, "SCARD s"), INT(990));
    harness_run(h, "SPOP s 900"); /* many */
    assert_string_equal(harness_run(h, "SCARD s"), INT(90));
    harness_run(h, "SPOP s 90");
    assert_string_equal(harness_effects(h), "DEL s");
    assert_string_equal(harness_run(h, "SPOP s -1"),
                        ERR("value is out of range, must be positive"));
    harness_free(h);
}

static void encodings_grow_and_never_shrink(void **state)
{
    static const struct step steps[] = {
        {"SADD s 1 2", INT(2), "SADD s 1 2"},
        {"OBJECT ENCODING s", BULK(6, "intset"), NULL},
        {"SADD s 3 4 5", INT(3), "SADD s 3 4 5"}, /* over set-max-intset-entries */
        {"OBJECT ENCODING s", BULK(9, "hashtable"), NULL},
        {"SREM s 3 4 5", INT(3), "SREM s 3 4 5"},
        {"OBJECT ENCODING s", BULK(9, "hashtable"), NULL},
        {"SADD t 1 x", INT(2), "SADD t 1 x"},
        {"OBJECT ENCODING t", BULK(8, "listpack"), NULL},
        {"SADD t y z", INT(2), "SADD t y z"},
        {"OBJECT ENCODING t", BULK(9, "hashtable"), NULL},
        {"SISMEMBER t 1", INT(1), NULL},
        {"SADD u 123456789", INT(1), "SADD u 123456789"},
        {"SADD u long567890", INT(1), "SADD u long567890"},
        {"OBJECT ENCODING u", BULK(9, "hashtable"), NULL},
        {"SADD u 01", INT(1), "SADD u 01"}, /* not the integer 1 */
        {"SADD u 1", INT(1), "SADD u 1"},
        {"COPY u v", INT(1), "COPY u v"},
        {"SCARD v", INT(4), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_limits(h)->set_max_intset_entries = 4;
    harness_limits(h)->set_max_listpack_entries = 3;
    harness_limits(h)->set_max_listpack_value = 8;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void replies_are_sets_in_resp3(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    harness_set_protocol(h, 3);
    harness_run(h, "SADD s a");
    assert_string_equal(harness_run(h, "SMEMBERS s"), "~1\\r\\n$1\\r\\na\\r\\n");
    assert_string_equal(harness_run(h, "SINTER s none"), "~0\\r\\n");
    assert_string_equal(harness_run(h, "SUNION s s"), "~1\\r\\n$1\\r\\na\\r\\n");
    assert_string_equal(harness_run(h, "SRANDMEMBER s 1"), "*1\\r\\n$1\\r\\na\\r\\n");
    assert_string_equal(harness_run(h, "SPOP s 1"), "~1\\r\\n$1\\r\\na\\r\\n");
    assert_string_equal(harness_run(h, "SPOP s"), "_\\r\\n");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_and_go),
        cmocka_unit_test(sets_are_combined_and_stored),
        cmocka_unit_test(pops_are_logged_as_what_went),
        cmocka_unit_test(encodings_grow_and_never_shrink),
        cmocka_unit_test(replies_are_sets_in_resp3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
