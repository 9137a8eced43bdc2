/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of sorted sets. The harness checks after every command that its effects
 * make a follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

/* In both encodings. */
static void run_both(const struct step *steps, size_t n)
{
    for (int big = 0; big < 2; big++) {
        struct harness *h = harness_new(false);

        if (big) {
            harness_limits(h)->zset_max_listpack_entries = 0;
        }
        run_steps(h, steps, n);
        harness_free(h);
    }
}

#define RUN_BOTH(steps) run_both(steps, ARRAY_LEN(steps))

static void elements_are_added_and_changed(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1 a 2 b", INT(2), "ZADD z 1 a 2 b"},
        {"ZADD z 1 a 2 b", INT(0), NULL},
        {"ZADD z CH 1 a 3 b 4 c", INT(2), "ZADD z CH 1 a 3 b 4 c"},
        {"ZADD z NX 9 a", INT(0), NULL},
        {"ZADD z XX 9 d", INT(0), NULL},
        {"ZADD z GT CH 0 a 5 b", INT(1), "ZADD z GT CH 0 a 5 b"},
        {"ZADD z LT CH 9 a 2 b", INT(1), "ZADD z LT CH 9 a 2 b"},
        {"ZADD z INCR 1.5 a", BULK(3, "2.5"), "ZADD z 2.5 a"},
        {"ZADD z NX INCR 1 a", NIL, NULL},
        {"ZADD z GT INCR -1 a", NIL, NULL},
        {"ZINCRBY z 0.1 n", BULK(3, "0.1"), "ZADD z 0.1 n"},
        {"ZINCRBY z 0.2 n", BULK(19, "0.30000000000000004"), "ZADD z 0.30000000000000004 n"},
        {"ZADD z -0 zero", INT(1), "ZADD z -0 zero"},
        {"ZSCORE z zero", BULK(1, "0"), NULL},
        {"ZADD z inf i -inf j", INT(2), "ZADD z inf i -inf j"},
        {"ZINCRBY z -inf i", ERR("resulting score is not a number (NaN)"), NULL},
        {"ZADD z nan a", ERR("value is not a valid float"), NULL},
        {"ZADD z 1 a x b", ERR("value is not a valid float"), NULL}, /* nothing of it is done */
        {"ZADD z 1 a 2", SYNTAX, NULL},
        {"ZADD z NX XX 1 a", ERR("XX and NX options at the same time are not compatible"), NULL},
        {"ZADD z GT LT 1 a", ERR("GT, LT, and/or NX options at the same time are not compatible"),
         NULL},
        {"ZADD z INCR 1 a 2 b", ERR("INCR option supports a single increment-element pair"), NULL},
        {"ZADD new XX 1 a", INT(0), NULL},
        {"EXISTS new", INT(0), NULL},
    };

    (void)state;
    RUN_BOTH(steps);
}

static void ranges_are_by_rank_score_or_member(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1 a 2 b 2 c 3 d", INT(4), "ZADD z 1 a 2 b 2 c 3 d"},
        {"ZRANGE z 1 -2", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z 0 0 REV WITHSCORES", "*2\\r\\n$1\\r\\nd\\r\\n$1\\r\\n3\\r\\n", NULL},
        {"ZRANGE z (1 2 BYSCORE", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z +inf (2 BYSCORE REV", "*1\\r\\n$1\\r\\nd\\r\\n", NULL},
        {"ZRANGE z -inf inf BYSCORE LIMIT 1 2", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZREVRANGEBYSCORE z inf -inf LIMIT 1 1", "*1\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z 0 1 LIMIT 0 1",
         ERR("syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"),
         NULL},
        {"ZRANGE z x 2 BYSCORE", ERR("min or max is not a float"), NULL},
        {"ZCOUNT z (1 +inf", INT(3), NULL},
        {"ZRANK z c", INT(2), NULL},
        {"ZREVRANK z c WITHSCORE", "*2\\r\\n:1\\r\\n$1\\r\\n2\\r\\n", NULL},
        {"ZRANK z x", NIL, NULL},
        {"ZRANK z x WITHSCORE", "*-1\\r\\n", NULL},
        {"ZRANGESTORE y z 1 2", INT(2), "ZRANGESTORE y z 1 2"},
        {"ZCARD y", INT(2), NULL},
        {"ZRANGESTORE y z 9 9", INT(0), "DEL y"},
        {"ZREMRANGEBYSCORE z 2 2", INT(2), "ZREMRANGEBYSCORE z 2 2"},
        {"ZREMRANGEBYRANK z 0 -1", INT(2), "ZREMRANGEBYRANK z 0 -1"},
        {"EXISTS z", INT(0), NULL},
        {"ZADD l 0 a 0 b 0 bb 0 c", INT(4), "ZADD l 0 a 0 b 0 bb 0 c"},
        {"ZRANGEBYLEX l [b (c", "*2\\r\\n$1\\r\\nb\\r\\n$2\\r\\nbb\\r\\n", NULL},
        {"ZREVRANGEBYLEX l + (b LIMIT 0 1", "*1\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZLEXCOUNT l - +", INT(4), NULL},
        {"ZLEXCOUNT l + -", INT(0), NULL},
        {"ZRANGEBYLEX l b c", ERR("min or max not valid string range item"), NULL},
        {"ZREMRANGEBYLEX l (a [bb", INT(2), "ZREMRANGEBYLEX l (a [bb"},
    };

    (void)state;
    RUN_BOTH(steps);
}

static void sets_are_combined_with_weights(void **state)
{
    static const struct step steps[] = {
        {"ZADD a 1 x 2 y", INT(2), "ZADD a 1 x 2 y"},
        {"ZADD b 10 y 20 z", INT(2), "ZADD b 10 y 20 z"},
        {"SADD s y q", INT(2), "SADD s y q"},
        {"ZUNIONSTORE d 2 a b WEIGHTS 2 1", INT(3), "ZUNIONSTORE d 2 a b WEIGHTS 2 1"},
        {"ZSCORE d y", BULK(2, "14"), NULL},
        {"ZINTERSTORE d 3 a b s AGGREGATE MAX", INT(1), "ZINTERSTORE d 3 a b s AGGREGATE MAX"},
        {"ZSCORE d y", BULK(2, "10"), NULL},
        {"ZDIFF 2 a s WITHSCORES", "*2\\r\\n$1\\r\\nx\\r\\n$1\\r\\n1\\r\\n", NULL},
        {"ZINTERCARD 2 a b", INT(1), NULL},
        {"ZDIFFSTORE d 2 a a", INT(0), "DEL d"},
        {"ZADD i inf m", INT(1), "ZADD i inf m"},
        {"ZADD j -inf m", INT(1), "ZADD j -inf m"},
        {"ZUNION 2 i j WITHSCORES", "*2\\r\\n$1\\r\\nm\\r\\n$1\\r\\n0\\r\\n", NULL},
        {"ZUNION 1 i WEIGHTS 0 WITHSCORES", "*2\\r\\n$1\\r\\nm\\r\\n$1\\r\\n0\\r\\n", NULL},
        {"ZUNION 0 a", ERR("at least 1 input key is needed for 'zunion' command"), NULL},
        {"ZUNION 1 a WEIGHTS x", ERR("weight value is not a float"), NULL},
        {"ZUNIONSTORE d 1 a WITHSCORES", SYNTAX, NULL},
    };

    (void)state;
    RUN_BOTH(steps);
}

static void pops_are_logged_by_number(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1 a 2 b 3 c 4 d 5 e", INT(5), "ZADD z 1 a 2 b 3 c 4 d 5 e"},
        {"ZPOPMIN z", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n", "ZPOPMIN z 1"},
        {"ZPOPMAX z 2", "*4\\r\\n$1\\r\\ne\\r\\n$1\\r\\n5\\r\\n$1\\r\\nd\\r\\n$1\\r\\n4\\r\\n",
         "ZPOPMAX z 2"},
        {"ZMPOP 2 none z MIN COUNT 9",
         "*2\\r\\n$1\\r\\nz\\r\\n*2\\r\\n*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n*2\\r\\n$1\\r\\nc"
         "\\r\\n$1\\r\\n3\\r\\n",
         "ZPOPMIN z 2"},
        {"EXISTS z", INT(0), NULL},
        {"ZPOPMIN z", "*0\\r\\n", NULL},
        {"ZMPOP 1 z MIN", "*-1\\r\\n", NULL},
        {"ZADD z 1 a", INT(1), "ZADD z 1 a"},
        {"BZPOPMIN none z 0", "*3\\r\\n$1\\r\\nz\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n",
         "ZPOPMIN z 1"},
        {"BZPOPMIN none z 1.5", "", NULL}, /* it waits */
        {"BZMPOP 0 1 z MAX", "", NULL},
        {"BZPOPMIN z -1", ERR("timeout is negative"), NULL},
        {"BZPOPMIN z x", ERR("timeout is not a float or out of range"), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_run(h, "BZPOPMAX z 1.5");
    assert_int_equal(harness_timeout_us(h), 1500000);
    harness_run(h, "BZPOPMAX z 0.0001"); /* rounded up to a millisecond */
    assert_int_equal(harness_timeout_us(h), 1000);
    harness_free(h);
}

static void resp3_has_doubles_and_pairs(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1.5 a", INT(1), "ZADD z 1.5 a"},
        {"ZSCORE z a", ",1.5\\r\\n", NULL},
        {"ZRANGE z 0 -1 WITHSCORES", "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n,1.5\\r\\n", NULL},
        {"ZMSCORE z a b", "*2\\r\\n,1.5\\r\\n_\\r\\n", NULL},
        {"ZRANDMEMBER z 1 WITHSCORES", "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n,1.5\\r\\n", NULL},
        {"ZSCAN z 0", "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$1\\r\\na\\r\\n$3\\r\\n1.5\\r\\n", NULL},
        {"ZPOPMIN z 1", "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n,1.5\\r\\n", "ZPOPMIN z 1"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_set_protocol(h, 3);
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void encodings_change_at_the_limits(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1 a 2 b", INT(2), "ZADD z 1 a 2 b"},
        {"OBJECT ENCODING z", BULK(8, "listpack"), NULL},
        {"ZADD z 3 c", INT(1), "ZADD z 3 c"},
        {"OBJECT ENCODING z", BULK(8, "skiplist"), NULL},
        {"ZRANGE z 0 -1", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZADD y 1 longer", INT(1), "ZADD y 1 longer"},
        {"OBJECT ENCODING y", BULK(8, "skiplist"), NULL},
        {"COPY z w", INT(1), "COPY z w"},
        {"ZCARD w", INT(3), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_limits(h)->zset_max_listpack_entries = 2;
    harness_limits(h)->zset_max_listpack_value = 4;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n"
#define ARITY(name) ERR("wrong number of arguments for '" name "' command")

static void what_makes_no_sense_is_refused(void **state)
{
    static const struct step steps[] = {
        {"SET s x", OK, "SET s x"},
        {"ZADD z 1 a", INT(1), "ZADD z 1 a"},
        {"ZADD s 1 a", WRONG_TYPE, NULL},
        {"ZINCRBY s 1 a", WRONG_TYPE, NULL},
        {"ZRANGE s 0 1", WRONG_TYPE, NULL},
        {"ZRANGESTORE d s 0 1", WRONG_TYPE, NULL},
        {"ZPOPMIN s", WRONG_TYPE, NULL},
        {"ZMPOP 2 none s MIN", WRONG_TYPE, NULL},
        {"BZPOPMAX s 0", WRONG_TYPE, NULL},
        {"ZUNION 2 z s", WRONG_TYPE, NULL},
        {"ZREMRANGEBYLEX s - +", WRONG_TYPE, NULL},
        {"ZSCAN s 0", WRONG_TYPE, NULL},
        {"ZADD z 1", ARITY("zadd"), NULL},
        {"ZADD z NX CH INCR", SYNTAX, NULL},
        {"ZADD z 1e400 a", ERR("value is not a valid float"), NULL},
        {"ZADD z \"\" a", ERR("value is not a valid float"), NULL},
        {"ZINCRBY z nan a", ERR("value is not a valid float"), NULL},
        {"ZRANGE z 0 1 WITHSCORES BYLEX",
         ERR("syntax error, WITHSCORES not supported in "
             "combination with BYLEX"),
         NULL},
        {"ZRANGE z 0 x", NOT_INT, NULL},
        {"ZRANGE z 0 1 BYSCORE LIMIT 1", SYNTAX, NULL},
        {"ZRANGE z 0 1 BYSCORE LIMIT x 1", NOT_INT, NULL},
        {"ZREVRANGE z 0 1 REV", SYNTAX, NULL},
        {"ZRANGEBYSCORE z 0 1 BYSCORE", SYNTAX, NULL},
        {"ZRANGESTORE d z 0 1 WITHSCORES", SYNTAX, NULL},
        {"ZCOUNT z 1 nan", ERR("min or max is not a float"), NULL},
        {"ZCOUNT z ((1 2", ERR("min or max is not a float"), NULL},
        {"ZLEXCOUNT z a [b", ERR("min or max not valid string range item"), NULL},
        {"ZRANK z a WITHSCORES", SYNTAX, NULL},
        {"ZPOPMIN z -1", ERR("value is out of range, must be positive"), NULL},
        {"ZPOPMIN z 1 1", SYNTAX, NULL},
        {"ZMPOP 0 z MIN", ERR("numkeys should be greater than 0"), NULL},
        {"ZMPOP 2 z MIN", SYNTAX, NULL},
        {"ZMPOP 1 z MID", SYNTAX, NULL},
        {"ZMPOP 1 z MIN COUNT 0", ERR("count should be greater than 0"), NULL},
        {"ZMPOP 1 z MIN COUNT 1 COUNT 1", SYNTAX, NULL},
        {"BZMPOP 0 0 z MIN", ERR("numkeys should be greater than 0"), NULL},
        {"BZMPOP x 1 z MIN", ERR("timeout is not a float or out of range"), NULL},
        {"ZRANDMEMBER z x", NOT_INT, NULL},
        {"ZRANDMEMBER z 1 x", SYNTAX, NULL},
        {"ZRANDMEMBER z -9223372036854775807 WITHSCORES", ERR("value is out of range"), NULL},
        {"ZRANDMEMBER z -9223372036854775808 x",
         ERR("value is out of range, value must between -9223372036854775807 and "
             "9223372036854775807"),
         NULL},
        {"ZUNION x z", NOT_INT, NULL},
        {"ZUNION 2 z", SYNTAX, NULL},
        {"ZUNION 1 z AGGREGATE AVG", SYNTAX, NULL},
        {"ZDIFF 1 z WEIGHTS 1", SYNTAX, NULL},
        {"ZINTERCARD 1 z LIMIT -1", ERR("LIMIT can't be negative"), NULL},
        {"ZSCAN z x", ERR("invalid cursor"), NULL},
        {"ZSCAN z 0 COUNT 0", SYNTAX, NULL},
        {"ZRANGE z 0 -1 WITHSCORES", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n", NULL},
    };

    (void)state;
    RUN_BOTH(steps);
}

/* Ranks, offsets and counts at the ends of their ranges. */
static void ends_of_ranges_are_clipped(void **state)
{
    static const struct step steps[] = {
        {"ZADD z 1 a 2 b 3 c", INT(3), "ZADD z 1 a 2 b 3 c"},
        {"ZRANGE z -9223372036854775808 9223372036854775807",
         "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z 3 9", "*0\\r\\n", NULL},
        {"ZRANGE z 2 1", "*0\\r\\n", NULL},
        {"ZREVRANGE z 0 0", "*1\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z -inf +inf BYSCORE LIMIT 1 9223372036854775807",
         "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z -inf +inf BYSCORE LIMIT 2 -5", "*1\\r\\n$1\\r\\nc\\r\\n", NULL},
        {"ZRANGE z -inf +inf BYSCORE LIMIT -1 5", "*0\\r\\n", NULL},
        {"ZRANGE z -inf +inf BYSCORE LIMIT 9223372036854775807 1", "*0\\r\\n", NULL},
        {"ZRANGE z 3 1 BYSCORE", "*0\\r\\n", NULL},
        {"ZCOUNT z (3 3", INT(0), NULL},
        {"ZREMRANGEBYSCORE z (3 +inf", INT(0), NULL},
        {"ZREMRANGEBYRANK z 1 1", INT(1), "ZREMRANGEBYRANK z 1 1"},
        {"ZPOPMAX z 9223372036854775807",
         "*4\\r\\n$1\\r\\nc\\r\\n$1\\r\\n3\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n", "ZPOPMAX z 2"},
        {"EXISTS z", INT(0), NULL},
    };

    (void)state;
    RUN_BOTH(steps);
}

/* Members are bytes: empty ones, with NUL, above 127; they are ordered as such. */
static void members_are_ordered_by_their_bytes(void **state)
{
    static const char add[] = "ZADD z 0 b 0 \"\" 0 \"\\xff\" 0 \"b\\x00\" 0 B 0 10 0 9";

    (void)state;
    for (int big = 0; big < 2; big++) {
        struct harness *h = harness_new(false);

        harness_limits(h)->zset_max_listpack_entries = big ? 0 : 128;
        assert_string_equal(harness_run(h, add), INT(7));
        assert_string_equal(
            harness_run(h, "ZRANGE z 0 -1"),
            "*7\\r\\n$0\\r\\n\\r\\n$2\\r\\n10\\r\\n$1\\r\\n9\\r\\n$1\\r\\nB\\r\\n$1\\r\\n"
            "b\\r\\n$2\\r\\nb\\x00\\r\\n$1\\r\\n\\xff\\r\\n");
        assert_string_equal(harness_run(h, "ZRANGEBYLEX z (b +"),
                            "*2\\r\\n$2\\r\\nb\\x00\\r\\n$1\\r\\n\\xff\\r\\n");
        assert_string_equal(harness_run(h, "ZLEXCOUNT z [ ["), INT(1));
        assert_string_equal(harness_run(h, "ZRANK z \"\""), INT(0));
        harness_free(h);
    }
}

static void changes_are_announced(void **state)
{
    static const struct {
        const char *line, *events;
    } steps[] = {
        {"ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", "zadd z"},
        {"ZADD z 1 a", ""},
        {"ZADD z INCR 1 a", "zincr z"},
        {"ZINCRBY z 1 a", "zincr z"},
        {"ZREM z a x", "zrem z"},
        {"ZPOPMIN z", "zpopmin z"},
        {"ZREMRANGEBYRANK z 0 0", "zremrangebyrank z"},
        {"ZREMRANGEBYSCORE z 4 4", "zremrangebyscore z"},
        {"ZRANGESTORE y z 0 -1", "zrangestore y"},
        {"ZUNIONSTORE y 1 z", "zunionstore y"},
        {"ZINTERSTORE y 1 z", "zinterstore y"},
        {"ZDIFFSTORE y 1 z", "zdiffstore y"},
        {"ZDIFFSTORE y 2 z z", "del y"},
        {"ZMPOP 1 z MAX COUNT 10", "zpopmax z ; del z"},
        {"ZADD z 1 a", "zadd z"},
        {"ZREMRANGEBYLEX z - +", "zremrangebylex z ; del z"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        harness_run(h, steps[i].line);
        assert_string_equal(harness_events(h), steps[i].events);
    }
    harness_free(h);
}

/* Thousands of elements: what is removed, counted and found agrees in every order. */
static void large_sorted_sets_hold_what_was_put_in(void **state)
{
    enum { N = 3000 };
    struct harness *h = harness_new(false);
    char line[96], want[64];

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(line, sizeof line, "ZADD z %d.5 m%d", i * 7919 % N, i);
        harness_run(h, line);
    }
    for (int i = 0; i < N; i += 37) {
        snprintf(line, sizeof line, "ZRANK z m%d", i);
        snprintf(want, sizeof want, ":%d\\r\\n", i * 7919 % N);
        assert_string_equal(harness_run(h, line), want);
        snprintf(line, sizeof line, "ZINCRBY z 0.25 m%d", i); /* stays where it is */
        harness_run(h, line);
        snprintf(line, sizeof line, "ZRANK z m%d", i);
        assert_string_equal(harness_run(h, line), want);
    }
    assert_string_equal(harness_run(h, "ZCOUNT z (100.5 200.5"), INT(100));
    assert_string_equal(harness_run(h, "ZREMRANGEBYRANK z 100 2099"), INT(2000));
    assert_string_equal(harness_run(h, "ZCARD z"), INT(1000));
    assert_string_equal(harness_run(h, "ZCOUNT z -inf 99.75"), INT(100));
    assert_string_equal(harness_run(h, "ZCOUNT z 100 2100"), INT(0));
    assert_string_equal(harness_run(h, "ZUNIONSTORE y 2 z z AGGREGATE MAX"), INT(1000));
    harness_run(h, "ZPOPMIN y 990");
    assert_string_equal(harness_run(h, "ZDIFFSTORE x 2 z y"), INT(990));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_added_and_changed),
        cmocka_unit_test(ranges_are_by_rank_score_or_member),
        cmocka_unit_test(sets_are_combined_with_weights),
        cmocka_unit_test(pops_are_logged_by_number),
        cmocka_unit_test(resp3_has_doubles_and_pairs),
        cmocka_unit_test(encodings_change_at_the_limits),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(ends_of_ranges_are_clipped),
        cmocka_unit_test(members_are_ordered_by_their_bytes),
        cmocka_unit_test(changes_are_announced),
        cmocka_unit_test(large_sorted_sets_hold_what_was_put_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
