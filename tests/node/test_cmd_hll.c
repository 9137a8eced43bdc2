/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the HyperLogLog commands. That bytes and estimates are Redis's is shown by the
 * differential test; here is what is logged, and what damaged strings do. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n"
#define NO_HLL "-WRONGTYPE Key is not a valid HyperLogLog string value.\\r\\n"
#define CORRUPT "-INVALIDOBJ Corrupted HLL object detected\\r\\n"
#define EMPTY "\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\""
#define SAYS_42 "\"HYLL\\x01\\x00\\x00\\x00*\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\""
#define SHORT "\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xfe\""

static void what_is_added_is_counted_and_logged(void **state)
{
    static const struct step steps[] = {
        {"PFADD h a b c", INT(1), "PFADD h a b c"},
        {"PFADD h a c", INT(0), NULL},
        {"PFADD h", INT(0), NULL},
        {"PFCOUNT h", INT(3), NULL},
        {"PFADD g c d", INT(1), "PFADD g c d"},
        {"PFCOUNT h none g", INT(4), NULL},
        {"PFCOUNT none", INT(0), NULL},
        {"PFADD none", INT(1), "PFADD none"},
        {"PFCOUNT none", INT(0), NULL},
        {"PFMERGE m h g nothing", OK, "PFMERGE m h g nothing"},
        {"PFCOUNT m", INT(4), NULL},
        {"EXPIRE m 100", INT(1), "PEXPIREAT m 1000000100000"},
        {"STRLEN m", NULL, NULL},
        {"PFADD m \"\"", INT(1), "PFADD m \"\""},
        {"TTL m", INT(100), NULL},
        {"OBJECT ENCODING m", BULK(3, "raw"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* A count that Redis stored is used until something is added. */
static void a_stored_count_is_used_while_it_is_true(void **state)
{
    static const struct step steps[] = {
        {"SET h " SAYS_42, OK, "SET h " SAYS_42},
        {"PFCOUNT h", INT(42), NULL},
        {"PFCOUNT h h", INT(0), NULL},
        {"PFADD h", INT(0), NULL},
        {"PFCOUNT h", INT(42), NULL},
        {"PFADD h a", INT(1), "PFADD h a"},
        {"PFCOUNT h", INT(1), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void what_is_none_or_damaged_is_left_alone(void **state)
{
    static const struct step steps[] = {
        {"SET s x", OK, "SET s x"},
        {"SET short " SHORT, OK, "SET short " SHORT},
        {"RPUSH l a", INT(1), "RPUSH l a"},
        {"PFADD s a", NO_HLL, NULL},
        {"PFADD l a", WRONG_TYPE, NULL},
        {"PFCOUNT s", NO_HLL, NULL},
        {"PFCOUNT l", WRONG_TYPE, NULL},
        {"PFCOUNT none l", WRONG_TYPE, NULL},
        {"PFCOUNT short", CORRUPT, NULL},
        {"PFCOUNT none short", CORRUPT, NULL},
        {"PFMERGE d short", CORRUPT, NULL},
        {"PFMERGE short none", CORRUPT, NULL},
        {"PFMERGE d s", NO_HLL, NULL},
        {"PFMERGE l none", WRONG_TYPE, NULL},
        {"PFDEBUG TODENSE short", CORRUPT, NULL},
        {"PFDEBUG GETREG short", CORRUPT, NULL},
        {"GET short",
         BULK(18, "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80"
                  "\\x7f\\xfe"),
         NULL},
        {"EXISTS d", INT(0), NULL},
        {"PFADD", ERR("wrong number of arguments for 'pfadd' command"), NULL},
        {"PFCOUNT", ERR("wrong number of arguments for 'pfcount' command"), NULL},
        {"PFMERGE", ERR("wrong number of arguments for 'pfmerge' command"), NULL},
        {"PFDEBUG ENCODING", ERR("wrong number of arguments for 'pfdebug' command"), NULL},
        {"PFDEBUG ENCODING none", ERR("The specified key does not exist"), NULL},
        {"PFDEBUG x s", NO_HLL, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* hll-sparse-max-bytes may differ between replicas, and what PFADD leaves may not: the log says
 * that the string has become dense. The harness compares the follower, which has another limit. */
static void becoming_dense_is_logged(void **state)
{
    static const struct step steps[] = {
        {"PFADD h a", INT(1), "PFADD h a"},
        {"PFADD h b c", INT(1), "PFADD h b c ; PFDEBUG TODENSE h"},
        {"PFDEBUG ENCODING h", "+dense\\r\\n", NULL},
        {"PFADD h d", INT(1), "PFADD h d"},
        {"PFADD h d", INT(0), NULL},
        {"PFCOUNT h", INT(4), NULL},
        {"STRLEN h", INT(12304), NULL},
        {"PFADD g e", INT(1), "PFADD g e"},
        {"PFADD f f", INT(1), "PFADD f f"},
        {"PFMERGE u f g", OK, "PFMERGE u f g ; PFDEBUG TODENSE u"},
        {"PFCOUNT u", INT(2), NULL},
        {"PFMERGE g h", OK, "PFMERGE g h ; PFDEBUG TODENSE g"},
        {"PFCOUNT g", INT(5), NULL},
        {"PFMERGE h g", OK, "PFMERGE h g"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_limits(h)->hll_sparse_max_bytes = 22;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void the_runs_of_a_sparse_one_are_shown(void **state)
{
    static const struct step steps[] = {
        {"SET h " EMPTY, OK, "SET h " EMPTY},
        {"PFDEBUG DECODE h", BULK(7, "Z:16384"), NULL},
        {"PFADD h a b", INT(1), "PFADD h a b"},
        {"PFDEBUG DECODE h", BULK(32, "Z:12711 v:2,1 Z:3068 v:1,1 Z:603"), NULL},
        {"PFDEBUG ENCODING h", "+sparse\\r\\n", NULL},
        {"PFDEBUG TODENSE h", INT(1), "PFDEBUG TODENSE h"},
        {"PFDEBUG TODENSE h", INT(0), NULL},
        {"PFDEBUG DECODE h", ERR("HLL encoding is not sparse"), NULL},
        {"PFDEBUG nothing h", ERR("Unknown PFDEBUG subcommand 'nothing'"), NULL},
        {"PFADD g a", INT(1), "PFADD g a"},
        {"PFDEBUG GETREG g", NULL, "PFDEBUG TODENSE g"},
        {"PFSELFTEST", OK, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void additions_have_events(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"PFADD h a", "pfadd h"},        {"PFADD h a", ""}, {"PFADD h b", "pfadd h"},
        {"PFMERGE m h none", "pfadd m"}, {"PFCOUNT m", ""}, {"PFDEBUG TODENSE m", ""},
        {"PFADD m z y", "pfadd m"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %s\n", cases[i].line);
        harness_run(h, cases[i].line);
        assert_string_equal(harness_events(h), cases[i].events);
    }
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_counted_and_logged),
        cmocka_unit_test(a_stored_count_is_used_while_it_is_true),
        cmocka_unit_test(what_is_none_or_damaged_is_left_alone),
        cmocka_unit_test(becoming_dense_is_logged),
        cmocka_unit_test(the_runs_of_a_sparse_one_are_shown),
        cmocka_unit_test(additions_have_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
