/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_text.c - sentinel/text.c: fields found, bytes quoted, figures for people. */
#include "tests/test.h"

#include "sentinel/text.h"

static const char info[] = "# Raft\r\n"
                           "raft_node:3\r\n"
                           "raft_node_id:abc\r\n"
                           "empty:\r\n"
                           "group1:role=leader,term=7,ip=::1,note=\r\n"
                           "group1_follower0:node=2,lag=12\r\n"
                           "last:5";

/* A name that is the beginning of another one must not be taken for it. */
static void fields_of_info_are_found_by_their_whole_name(void **state)
{
    char text[8];
    struct arg v;

    (void)state;
    assert_int_equal(info_number(info, "raft_node", -1), 3);
    assert_int_equal(info_number(info, "last", -1), 5);
    assert_int_equal(info_number(info, "raft", -1), -1);
    assert_int_equal(info_number(info, "raft_node_id", -1), -1);
    assert_string_equal(info_text(info, "raft_node_id", text, sizeof text), "abc");
    assert_string_equal(info_text(info, "empty", text, sizeof text), "");
    assert_string_equal(info_text(info, "missing", text, sizeof text), "");
    assert_string_equal(info_text(info, "group1", text, sizeof text), "role=le");
    assert_true(info_find(info, "group1", &v));
    assert_int_equal(v.n, strlen("role=leader,term=7,ip=::1,note="));
}

static void pairs_are_found_by_their_whole_key(void **state)
{
    struct arg line, v;
    char text[32];

    (void)state;
    assert_true(info_find(info, "group1", &line));
    assert_int_equal(pair_number(line, "term", -1), 7);
    assert_int_equal(pair_number(line, "role", -1), -1);
    assert_int_equal(pair_number(line, "erm", -1), -1);
    assert_string_equal(pair_text(line, "ip", text, sizeof text), "::1");
    assert_string_equal(pair_text(line, "note", text, sizeof text), "");
    assert_true(pair_find(line, "role", &v));
    assert_true(arg_equals(v, "leader"));
    assert_false(arg_equals(v, "leade"));
    assert_false(pair_find((struct arg){"", 0}, "role", &v));
}

static void lines_come_one_by_one_without_their_ends(void **state)
{
    const char *at = "a\r\n\nb";
    struct arg line;

    (void)state;
    assert_true(text_line(&at, &line));
    assert_true(arg_equals(line, "a"));
    assert_true(text_line(&at, &line));
    assert_int_equal(line.n, 0);
    assert_true(text_line(&at, &line));
    assert_true(arg_equals(line, "b"));
    assert_false(text_line(&at, &line));
}

static void check(struct buf *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(buf_head(b), want, b->len);
    buf_clear(b);
}

static void bytes_are_quoted_as_redis_cli_does(void **state)
{
    struct buf b = {0};

    (void)state;
    text_quote(&b, "plain 'text'", 12);
    check(&b, "\"plain 'text'\"");
    text_quote(&b, "\"\\\n\r\t\a\b", 7);
    check(&b, "\"\\\"\\\\\\n\\r\\t\\a\\b\"");
    text_quote(&b, "\0\x1b\x7f\xff", 4);
    check(&b, "\"\\x00\\x1b\\x7f\\xff\"");
    buf_release(&b);
}

/* Whatever the bytes, what comes out is JSON. */
static void json_strings_are_valid_for_any_bytes(void **state)
{
    struct buf b = {0};

    (void)state;
    text_json(&b, "a\"\\\n\0", 5);
    check(&b, "\"a\\\"\\\\\\u000a\\u0000\"");
    text_json(&b, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a", 9);
    check(&b, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a\"");
    text_json(&b, "\xff\xc3", 2); /* no character; one cut short */
    check(&b, "\"\\u00ff\\u00c3\"");
    buf_release(&b);
}

static void figures_are_short(void **state)
{
    static const struct {
        int64_t seconds;
        const char *want;
    } cases[] = {{-1, "-"},         {0, "0s"},        {59, "59s"},
                 {60, "1m00s"},     {3599, "59m59s"}, {3600, "1h00m"},
                 {86399, "23h59m"}, {86400, "1d0h"},  {400000, "4d15h"}};
    char out[TEXT_FIGURE_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(text_duration(out, cases[i].seconds), cases[i].want);
    }
    assert_string_equal(text_bytes(out, -1), "-");
    assert_string_equal(text_bytes(out, 1536), "1.50K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_info_are_found_by_their_whole_name),
        cmocka_unit_test(pairs_are_found_by_their_whole_key),
        cmocka_unit_test(lines_come_one_by_one_without_their_ends),
        cmocka_unit_test(bytes_are_quoted_as_redis_cli_does),
        cmocka_unit_test(json_strings_are_valid_for_any_bytes),
        cmocka_unit_test(figures_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
