/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/command/string.c and string_lcs.c. That each effect reproduces its change on a
 * follower is checked by the harness after every command. The wire texts were compared with
 * Redis 7.0.15 by the differential tester as well; here stand the effects and the corner cases. */
#include "tests/node/cmd_steps.h"

#define NOW "1000000000000"

/* Whatever options SET had, the log says what is there now and until when. */
static void set_logs_its_outcome(void **state)
{
    static const struct step steps[] = {
        {"SET k v1", OK, "SET k v1"},
        {"set k v2 get", BULK(2, "v1"), "SET k v2"},
        {"SET k v3 NX", NIL, NULL},
        {"SET k v3 NX GET", BULK(2, "v2"), NULL},
        {"SET k v3 XX PX 1", OK, "SET k v3 PXAT 1000000000001"},
        {"SET k v4 XX KEEPTTL", OK, "SET k v4 KEEPTTL"},
        {"PEXPIRETIME k", INT(1000000000001), NULL},
        {"SET k v5 EX 10 EX 20", OK, "SET k v5 PXAT 1000000020000"},
        {"SET none v XX", NIL, NULL},
        {"SET none v XX GET", NIL, NULL},
        {"SET none v NX GET", NIL, "SET none v"},
        {"SET \"\" \"\\x00\"", OK, "SET \"\" \"\\x00\""},
        {"SETNX k v", INT(0), NULL},
        {"SETNX k2 v", INT(1), "SET k2 v"},
        {"GETSET k v6", BULK(2, "v5"), "SET k v6"},
        {"TTL k", INT(-1), NULL},
        {"PSETEX k 5 v", OK, "SET k v PXAT 1000000000005"},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* Options exclude each other pairwise; the time is looked at after the syntax, before the key. */
static void set_options_are_checked_in_order(void **state)
{
    static const struct step steps[] = {
        {"SET k v NX XX", SYNTAX, NULL},
        {"SET k v XX NX", SYNTAX, NULL},
        {"SET k v EX", SYNTAX, NULL},
        {"SET k v EX 10 PX 10", SYNTAX, NULL},
        {"SET k v PXAT 10 EXAT 10", SYNTAX, NULL},
        {"SET k v KEEPTTL EX 10", SYNTAX, NULL},
        {"SET k v EX 10 KEEPTTL", SYNTAX, NULL},
        {"SET k v PERSIST", SYNTAX, NULL},
        {"SET k v EX abc BOGUS", SYNTAX, NULL},
        {"SET k v EX abc", NOT_INT, NULL},
        {"SET k v EX 0", ERR("invalid expire time in 'set' command"), NULL},
        {"SET k v PXAT -1", ERR("invalid expire time in 'set' command"), NULL},
        {"SET k v PX 9223372036854775807", ERR("invalid expire time in 'set' command"), NULL},
        {"SET k v EXAT 9223372036854775808", NOT_INT, NULL},
        {"SET k v EXAT 9223372036854776", ERR("invalid expire time in 'set' command"), NULL},
        {"GETEX k NX", SYNTAX, NULL},
        {"GETEX k KEEPTTL", SYNTAX, NULL},
        {"GETEX k PERSIST EX 10", SYNTAX, NULL},
        {"GETEX k EX 0", NIL, NULL}, /* here the key comes first */
        {"SET k v", OK, "SET k v"},
        {"GETEX k EX 0", ERR("invalid expire time in 'getex' command"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void getex_and_getdel_log_what_they_change(void **state)
{
    static const struct step steps[] = {
        {"SET k v", OK, "SET k v"},
        {"GETEX k", BULK(1, "v"), NULL},
        {"GETEX k PERSIST", BULK(1, "v"), NULL},
        {"GETEX k PX 7", BULK(1, "v"), "PEXPIREAT k 1000000000007"},
        {"GETEX k PERSIST", BULK(1, "v"), "PERSIST k"},
        {"GETEX k PXAT " NOW, BULK(1, "v"), "DEL k"},
        {"GETEX k PXAT " NOW, NIL, NULL},
        {"SET k v", OK, "SET k v"},
        {"GETDEL k", BULK(1, "v"), "DEL k"},
        {"GETDEL k", NIL, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* A time in the past is set by SET, and over at the next look. */
static void set_in_the_past_is_logged_as_such(void **state)
{
    static const struct step steps[] = {
        {"SET k v PXAT " NOW, OK, "SET k v PXAT " NOW},
        {"GET k", NIL, "DEL k"},
        {"GET k", NIL, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void a_key_past_its_time_is_absent_for_every_command(void **state)
{
    static const struct step steps[] = {
        {"SET k 1 PX 5", OK, "SET k 1 PXAT 1000000000005"},
        {"SET k2 1 PX 5", OK, "SET k2 1 PXAT 1000000000005"},
    };
    static const struct step after[] = {
        {"SET k v XX", NIL, "DEL k"},
        {"SET k v NX GET", NIL, "SET k v"},
        {"MSETNX k2 x k3 y", INT(1), "DEL k2 ; MSET k2 x k3 y"},
        {"MSETNX k2 x k9 y", INT(0), NULL},
    };
    static const struct step more[] = {
        {"SET k 1 PX 5", NULL, "SET k 1 PXAT 1000000000105"},
        {"SET k2 1 PX 5", NULL, "SET k2 1 PXAT 1000000000105"},
        {"SET k3 1 PX 5", NULL, "SET k3 1 PXAT 1000000000105"},
        {"SET k4 1 PX 5", NULL, "SET k4 1 PXAT 1000000000105"},
    };
    static const struct step last[] = {
        {"INCR k", INT(1), "DEL k ; INCR k"},
        {"APPEND k2 ab", INT(2), "DEL k2 ; APPEND k2 ab"},
        {"MGET k3 k", "*2\\r\\n" NIL BULK(1, "1"), "DEL k3"},
        {"SETRANGE k4 0 \"\"", INT(0), "DEL k4"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_set_now(h, harness_now(h) + 100);
    run_steps(h, after, ARRAY_LEN(after));
    run_steps(h, more, ARRAY_LEN(more));
    harness_set_now(h, harness_now(h) + 100);
    run_steps(h, last, ARRAY_LEN(last));
    harness_free(h);
}

static void counters_stop_at_their_ends(void **state)
{
    static const struct step steps[] = {
        {"INCR n", INT(1), "INCR n"},
        {"EXPIREAT n 33177117420", INT(1), "PEXPIREAT n 33177117420000"},
        {"INCRBY n 9223372036854775806", INT(9223372036854775807), "INCRBY n 9223372036854775806"},
        {"INCR n", ERR("increment or decrement would overflow"), NULL},
        {"EXPIRETIME n", INT(33177117420), NULL},
        {"SET n -9223372036854775808", OK, "SET n -9223372036854775808"},
        {"DECR n", ERR("increment or decrement would overflow"), NULL},
        {"DECRBY n -9223372036854775808", ERR("decrement would overflow"), NULL},
        {"INCRBY n 9223372036854775808", NOT_INT, NULL},
        {"SET n \" 1\"", OK, "SET n \" 1\""},
        {"INCR n", NOT_INT, NULL},
        {"SET n 01", OK, "SET n 01"},
        {"DECRBY n 1", NOT_INT, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* Long double arithmetic is the leader's alone. */
static void float_increments_log_the_result(void **state)
{
    static const struct step steps[] = {
        {"SET f 10.5 PX 1000", OK, "SET f 10.5 PXAT 1000000001000"},
        {"INCRBYFLOAT f 0.1", BULK(4, "10.6"), "SET f 10.6 KEEPTTL"},
        {"INCRBYFLOAT f -5.6", BULK(1, "5"), "SET f 5 KEEPTTL"},
        {"PTTL f", INT(1000), NULL},
        {"INCRBYFLOAT f 2.0e2", BULK(3, "205"), "SET f 205 KEEPTTL"},
        {"INCRBYFLOAT f inf", ERR("increment would produce NaN or Infinity"), NULL},
        {"INCRBYFLOAT f nan", ERR("value is not a valid float"), NULL},
        {"INCRBYFLOAT f \"1 \"", ERR("value is not a valid float"), NULL},
        {"INCRBYFLOAT new 3.0", BULK(1, "3"), "SET new 3 KEEPTTL"},
        {"SET t x", OK, "SET t x"},
        {"INCRBYFLOAT t 1", ERR("value is not a valid float"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void ranges_count_from_both_ends(void **state)
{
    static const struct step steps[] = {
        {"SET k 0123456789", OK, "SET k 0123456789"},
        {"GETRANGE k 0 -1", BULK(10, "0123456789"), NULL},
        {"GETRANGE k -3 100", BULK(3, "789"), NULL},
        {"GETRANGE k -100 2", BULK(3, "012"), NULL},
        {"GETRANGE k -1 -3", BULK(0, ""), NULL},
        {"GETRANGE k 5 3", BULK(0, ""), NULL},
        {"GETRANGE k -100 -50", BULK(1, "0"), NULL}, /* as Redis: both ends come to 0 */
        {"GETRANGE k 9223372036854775807 -1", BULK(0, ""), NULL},
        {"GETRANGE k -9223372036854775808 9223372036854775807", BULK(10, "0123456789"), NULL},
        {"GETRANGE none 0 x", NOT_INT, NULL},
        {"SETRANGE k 8 abc", INT(11), "SETRANGE k 8 abc"},
        {"GET k", BULK(11, "01234567abc"), NULL},
        {"SETRANGE z 2 x", INT(3), "SETRANGE z 2 x"},
        {"GET z", BULK(3, "\\x00\\x00x"), NULL},
        {"SETRANGE z 9223372036854775807 \"\"", INT(3), NULL},
        {"SETRANGE none 5 \"\"", INT(0), NULL},
        {"EXISTS none", INT(0), NULL},
        {"SETRANGE z -1 \"\"", ERR("offset is out of range"), NULL},
        {"APPEND e \"\"", INT(0), "APPEND e \"\""},
        {"APPEND e \"\"", INT(0), "APPEND e \"\""},
        {"EXISTS e", INT(1), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* proto-max-bulk-len bounds clients; what the log says happened, happens. */
static void the_string_limit_binds_the_leader_only(void **state)
{
#define TOO_LONG ERR("string exceeds maximum allowed size (proto-max-bulk-len)")
    static const struct step steps[] = {
        {"SET k 1234567890", OK, "SET k 1234567890"},
        {"APPEND k 123456", INT(16), "APPEND k 123456"},
        {"APPEND k 1", TOO_LONG, NULL},
        {"SETRANGE k 15 ab", TOO_LONG, NULL},
        {"SETRANGE k 14 ab", INT(16), "SETRANGE k 14 ab"},
        {"SETRANGE none 9223372036854775807 a", TOO_LONG, NULL},
        {"EXISTS none", INT(0), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_set_string_max(h, 16);
    run_steps(h, steps, ARRAY_LEN(steps));
    assert_string_equal(harness_apply(h, "APPEND k 1"), INT(17));
    harness_free(h);
}

static void msetnx_sets_all_or_nothing(void **state)
{
    static const struct step steps[] = {
        {"MSETNX a 1 b 2 a 3", INT(1), "MSET a 1 b 2 a 3"},
        {"GET a", BULK(1, "3"), NULL},
        {"MSETNX c 1 a 2", INT(0), NULL},
        {"EXISTS c", INT(0), NULL},
        {"MSETNX c", ERR("wrong number of arguments for 'msetnx' command"), NULL},
        {"MSET c 1 d", ERR("wrong number of arguments for 'mset' command"), NULL},
        {"MSET c 1 c 2", OK, "MSET c 1 c 2"},
        {"GET c", BULK(1, "2"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* ---- LCS -------------------------------------------------------------------------------- */

static void lcs_replies_text_length_or_ranges(void **state)
{
    static const struct step steps[] = {
        {"MSET a ohmytext b mynewtext n 12345", OK, "MSET a ohmytext b mynewtext n 12345"},
        {"LCS a b", BULK(6, "mytext"), NULL},
        {"LCS a b LEN MINMATCHLEN 3", INT(6), NULL},
        {"LCS a none", BULK(0, ""), NULL},
        {"LCS none none LEN", INT(0), NULL},
        {"LCS a none IDX", "*4\\r\\n$7\\r\\nmatches\\r\\n*0\\r\\n$3\\r\\nlen\\r\\n:0\\r\\n", NULL},
        {"LCS n n", BULK(5, "12345"), NULL},
        {"LCS a b IDX MINMATCHLEN -5 WITHMATCHLEN",
         "*4\\r\\n$7\\r\\nmatches\\r\\n*2\\r\\n"
         "*3\\r\\n*2\\r\\n:4\\r\\n:7\\r\\n*2\\r\\n:5\\r\\n:8\\r\\n:4\\r\\n"
         "*3\\r\\n*2\\r\\n:2\\r\\n:3\\r\\n*2\\r\\n:0\\r\\n:1\\r\\n:2\\r\\n"
         "$3\\r\\nlen\\r\\n:6\\r\\n",
         NULL},
        {"LCS a b IDX LEN", ERR("If you want both the length and indexes, please just use IDX."),
         NULL},
        {"LCS a b MINMATCHLEN", SYNTAX, NULL},
        {"LCS a b MINMATCHLEN x", NOT_INT, NULL},
        {"LCS a b BOGUS", SYNTAX, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* (8 + 1) * (8 + 1) cells of four bytes, as Redis counts. */
static void lcs_refuses_what_redis_refuses(void **state)
{
    static const struct step steps[] = {
        {"MSET a ohmytext b mynewtex", OK, "MSET a ohmytext b mynewtex"},
        {"LCS a b LEN", INT(5), NULL},
        {"APPEND b t", INT(9), "APPEND b t"},
        {"LCS a b LEN",
         ERR("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_set_string_max(h, 9 * 9 * 4);
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

/* Against the definition, by recursion over all short strings of two letters. */
static size_t lcs_length(const char *a, size_t an, const char *b, size_t bn)
{
    size_t x, y;

    if (an == 0 || bn == 0) {
        return 0;
    }
    if (a[an - 1] == b[bn - 1]) {
        return lcs_length(a, an - 1, b, bn - 1) + 1;
    }
    x = lcs_length(a, an - 1, b, bn);
    y = lcs_length(a, an, b, bn - 1);
    return MAX_OF(x, y);
}

static bool is_subsequence(const char *s, size_t n, const char *of, size_t of_n)
{
    size_t at = 0;

    for (size_t i = 0; i < of_n && at < n; i++) {
        at += s[at] == of[i];
    }
    return at == n;
}

static void lcs_is_a_longest_common_subsequence(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    for (unsigned bits = 0; bits < 1u << 12; bits += 7) {
        char a[6], b[6], header[32];
        size_t want;
        const struct buf *reply;
        const char *text;

        for (int i = 0; i < 6; i++) {
            a[i] = (bits >> i & 1) != 0 ? 'x' : 'y';
            b[i] = (bits >> (i + 6) & 1) != 0 ? 'x' : 'y';
        }
        harness_run_args(h, (struct arg[]){{"SET", 3}, {"a", 1}, {a, 6}}, 3);
        harness_run_args(h, (struct arg[]){{"SET", 3}, {"b", 1}, {b, 6}}, 3);
        harness_run_args(h, (struct arg[]){{"LCS", 3}, {"a", 1}, {"b", 1}}, 3);
        reply = harness_reply(h);
        want = lcs_length(a, 6, b, 6);
        snprintf(header, sizeof header, "$%zu\r\n", want);
        assert_memory_equal(buf_head(reply), header, strlen(header));
        text = buf_head(reply) + strlen(header);
        assert_true(is_subsequence(text, want, a, 6));
        assert_true(is_subsequence(text, want, b, 6));
    }
    harness_free(h);
}

/* ---- from the log ----------------------------------------------------------------------- */

/* Nothing expires and nothing is refused while applying: the leader's DEL is still to come. */
static void applying_does_not_look_at_the_clock(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    assert_string_equal(harness_apply(h, "SET k v PXAT 1"), OK);
    assert_string_equal(harness_apply(h, "APPEND k w"), INT(2));
    assert_string_equal(harness_apply(h, "PEXPIREAT k 2"), INT(1));
    assert_string_equal(harness_apply(h, "RENAME k k2"), OK);
    assert_string_equal(harness_apply(h, "GET k2"), BULK(2, "vw"));
    assert_string_equal(harness_apply(h, "PEXPIRETIME k2"), INT(2));
    assert_string_equal(harness_run_follower(h, "GET k2"), NIL);
    assert_string_equal(harness_apply(h, "SET k v EX 10"),
                        ERR("a relative time to live stands in the log"));
    assert_string_equal(harness_apply(h, "EXPIRE k2 10"),
                        ERR("a relative time to live stands in the log"));
    harness_free(h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(set_logs_its_outcome),
    cmocka_unit_test(set_options_are_checked_in_order),
    cmocka_unit_test(getex_and_getdel_log_what_they_change),
    cmocka_unit_test(set_in_the_past_is_logged_as_such),
    cmocka_unit_test(a_key_past_its_time_is_absent_for_every_command),
    cmocka_unit_test(counters_stop_at_their_ends),
    cmocka_unit_test(float_increments_log_the_result),
    cmocka_unit_test(ranges_count_from_both_ends),
    cmocka_unit_test(the_string_limit_binds_the_leader_only),
    cmocka_unit_test(msetnx_sets_all_or_nothing),
    cmocka_unit_test(lcs_replies_text_length_or_ranges),
    cmocka_unit_test(lcs_refuses_what_redis_refuses),
    cmocka_unit_test(lcs_is_a_longest_common_subsequence),
    cmocka_unit_test(applying_does_not_look_at_the_clock),
};

TEST_MAIN(tests)
