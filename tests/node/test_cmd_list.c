/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of lists. The harness checks after every command that its effects make a
 * follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

static void elements_are_pushed_read_and_changed(void **state)
{
    static const struct step steps[] = {
        {"RPUSH l a b c", INT(3), "RPUSH l a b c"},
        {"LPUSH l x y", INT(5), "LPUSH l x y"},
        {"LRANGE l 0 1", "*2\\r\\n$1\\r\\ny\\r\\n$1\\r\\nx\\r\\n", NULL},
        {"LRANGE l 9 10", "*0\\r\\n", NULL},
        {"LINDEX l -1", BULK(1, "c"), NULL},
        {"LINDEX l 5", NIL, NULL},
        {"LSET l 0 z", OK, "LSET l 0 z"},
        {"LSET l 9 z", ERR("index out of range"), NULL},
        {"LSET none 0 z", ERR("no such key"), NULL},
        {"LINSERT l BEFORE a new", INT(6), "LINSERT l BEFORE a new"},
        {"LINSERT l AFTER nope new", INT(-1), NULL},
        {"LINSERT none AFTER a new", INT(0), NULL},
        {"LPOS l new", INT(2), NULL},
        {"LPOS l nope", NIL, NULL},
        {"LPOS l a COUNT 0", "*1\\r\\n:3\\r\\n", NULL},
        {"LREM l 0 new", INT(1), "LREM l 0 new"},
        {"LREM l 0 nope", INT(0), NULL},
        {"LTRIM l 1 2", OK, "LTRIM l 1 2"},
        {"LTRIM l 0 -1", OK, NULL},
        {"LLEN l", INT(2), NULL},
        {"LTRIM l 5 9", OK, "LTRIM l 5 9"},
        {"EXISTS l", INT(0), NULL},
        {"RPUSHX l a", INT(0), NULL},
        {"LPOS l a RANK 0",
         ERR("RANK can't be zero: use 1 to start from the first match, 2 from the second ... or "
             "use negative to start from the end of the list"),
         NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void pops_and_moves_are_logged_plainly(void **state)
{
    static const struct step steps[] = {
        {"RPUSH l a b c d e f", INT(6), "RPUSH l a b c d e f"},
        {"LPOP l", BULK(1, "a"), "LPOP l"},
        {"RPOP l 2", "*2\\r\\n$1\\r\\nf\\r\\n$1\\r\\ne\\r\\n", "RPOP l 2"},
        {"LPOP l 0", "*0\\r\\n", NULL},
        {"LPOP none", NIL, NULL},
        {"LPOP none 1", "*-1\\r\\n", NULL},
        {"LMOVE l m LEFT RIGHT", BULK(1, "b"), "LMOVE l m LEFT RIGHT"},
        {"RPOPLPUSH l m", BULK(1, "d"), "LMOVE l m RIGHT LEFT"},
        {"BRPOPLPUSH m m 0", BULK(1, "b"), "LMOVE m m RIGHT LEFT"}, /* a ring */
        {"LRANGE m 0 -1", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nd\\r\\n", NULL},
        {"BLPOP none l 0", "*2\\r\\n$1\\r\\nl\\r\\n$1\\r\\nc\\r\\n", "LPOP l"},
        {"EXISTS l", INT(0), NULL},
        {"LMPOP 2 l m LEFT COUNT 9",
         "*2\\r\\n$1\\r\\nm\\r\\n*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nd\\r\\n", "LPOP m 2"},
        {"LMPOP 1 m LEFT", "*-1\\r\\n", NULL},
        {"BLPOP l m 1", "", NULL}, /* these wait */
        {"BLMPOP 1 1 l RIGHT", "", NULL},
        {"BLMOVE l m LEFT LEFT 1", "", NULL},
        {"LPOP l -1", ERR("value is out of range, must be positive"), NULL},
        {"BLMOVE l m UP LEFT 1", SYNTAX, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void events_say_what_happened(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"RPUSH l a b", "rpush l"},
        {"LPUSH l a", "lpush l"},
        {"LSET l 0 z", "lset l"},
        {"LINSERT l AFTER z y", "linsert l"},
        {"LREM l 1 y", "lrem l"},
        {"LTRIM l 0 1", "ltrim l"},
        {"LMOVE l m LEFT RIGHT", "rpush m ; lpop l"},
        {"RPOP l", "rpop l ; del l"},
        {"BLPOP m 0", "lpop m ; del m"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        harness_run(h, cases[i].line);
        assert_string_equal(harness_events(h), cases[i].events);
    }
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_pushed_read_and_changed),
        cmocka_unit_test(pops_and_moves_are_logged_plainly),
        cmocka_unit_test(events_say_what_happened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
