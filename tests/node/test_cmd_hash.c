/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of hashes. The harness checks after every command that its effects make a
 * follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n"

static void fields_are_set_read_and_removed(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1 b 2", INT(2), "HSET h a 1 b 2"},
        {"HSET h b 3 c x", INT(1), "HSET h b 3 c x"},
        {"HMSET h d \"\"", OK, "HMSET h d \"\""},
        {"HSETNX h a 9", INT(0), NULL},
        {"HSETNX h e 9", INT(1), "HSETNX h e 9"},
        {"HGET h b", BULK(1, "3"), NULL},
        {"HGET h z", NIL, NULL},
        {"HGET none a", NIL, NULL},
        {"HMGET h a z d", "*3\\r\\n$1\\r\\n1\\r\\n$-1\\r\\n$0\\r\\n\\r\\n", NULL},
        {"HLEN h", INT(5), NULL},
        {"HEXISTS h e", INT(1), NULL},
        {"HSTRLEN h c", INT(1), NULL},
        {"HSTRLEN h z", INT(0), NULL},
        {"HDEL h a z", INT(1), "HDEL h a z"},
        {"HDEL h z", INT(0), NULL},
        {"TYPE h", "+hash\\r\\n", NULL},
        {"HDEL h b c d e", INT(4), "HDEL h b c d e"},
        {"EXISTS h", INT(0), NULL},
        {"HSET h a", ERR("wrong number of arguments for 'hset' command"), NULL},
        {"HMSET h a 1 b", ERR("wrong number of arguments for 'hmset' command"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void numbers_in_fields_are_counted(void **state)
{
    static const struct step steps[] = {
        {"HINCRBY h n 5", INT(5), "HINCRBY h n 5"},
        {"HINCRBY h n -7", INT(-2), "HINCRBY h n -7"},
        {"HSET h big 9223372036854775807 text x", INT(2), "HSET h big 9223372036854775807 text x"},
        {"HINCRBY h big 1", ERR("increment or decrement would overflow"), NULL},
        {"HINCRBY h text 1", ERR("hash value is not an integer"), NULL},
        {"HINCRBY h n 1.5", NOT_INT, NULL},
        {"HINCRBYFLOAT h n 0.5", BULK(4, "-1.5"), "HSET h n -1.5"},
        {"HINCRBYFLOAT h f 5.0e3", BULK(4, "5000"), "HSET h f 5000"},
        {"HINCRBYFLOAT h text 1", ERR("hash value is not a float"), NULL},
        {"HINCRBYFLOAT h f x", ERR("value is not a valid float"), NULL},
        {"HINCRBYFLOAT h f inf", ERR("value is NaN or Infinity"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void other_types_are_left_alone(void **state)
{
    static const char *const lines[] = {
        "HSET s a 1",  "HSETNX s a 1", "HGET s a",       "HMGET s a",  "HGETALL s",
        "HDEL s a",    "HLEN s",       "HINCRBY s a 1",  "HKEYS s",    "HRANDFIELD s",
        "HEXISTS s a", "HSCAN s 0",    "HRANDFIELD s 2", "HSTRLEN s a"};
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "SET s x");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        print_message("case: %s\n", lines[i]);
        assert_string_equal(harness_run(h, lines[i]), WRONG_TYPE);
        assert_string_equal(harness_effects(h), "(nothing)");
    }
    harness_free(h);
}

static void maps_are_maps_in_resp3(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "HSET h a 1");
    assert_string_equal(harness_run(h, "HGETALL h"), "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n");
    assert_string_equal(harness_run(h, "HRANDFIELD h 1 WITHVALUES"),
                        "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n");
    harness_set_protocol(h, 3);
    assert_string_equal(harness_run(h, "HGETALL h"), "%1\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n");
    assert_string_equal(harness_run(h, "HRANDFIELD h 1 WITHVALUES"),
                        "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n");
    assert_string_equal(harness_run(h, "HGETALL none"), "%0\\r\\n");
    assert_string_equal(harness_run(h, "HSCAN h 0 NOVALUES"),
                        "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\na\\r\\n");
    harness_free(h);
}

/* On both sides of each limit, the encoding and what is read. */
static void encodings_change_at_the_limits(void **state)
{
    static const struct {
        int fields;
        size_t value;
        const char *encoding;
    } cases[] = {
        {4, 8, "listpack"}, {5, 8, "hashtable"}, {1, 9, "hashtable"}, {1, 300, "hashtable"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct harness *h = harness_new(false);
        char line[400], value[301], want[340];

        harness_limits(h)->hash_max_listpack_entries = 4;
        harness_limits(h)->hash_max_listpack_value = 8;
        memset(value, 'v', cases[i].value);
        value[cases[i].value] = '\0';
        for (int f = 0; f < cases[i].fields; f++) {
            snprintf(line, sizeof line, "HSET h f%d %s", f, value);
            assert_string_equal(harness_run(h, line), INT(1));
        }
        snprintf(want, sizeof want, "$%zu\\r\\n%s\\r\\n", strlen(cases[i].encoding),
                 cases[i].encoding);
        assert_string_equal(harness_run(h, "OBJECT ENCODING h"), want);
        snprintf(want, sizeof want, "$%zu\\r\\n%s\\r\\n", cases[i].value, value);
        assert_string_equal(harness_run(h, "HGET h f0"), want);
        assert_string_equal(harness_run(h, "HSET h f0 short"), INT(0));
        assert_string_equal(harness_run(h, "HGET h f0"), BULK(5, "short"));
        assert_string_equal(harness_run(h, "COPY h h2"), INT(1));
        assert_string_equal(harness_run(h, "HGET h2 f0"), BULK(5, "short"));
        harness_free(h);
    }
}

static int replies_in(const char *reply, const char *what)
{
    int n = 0;

    for (const char *p = strstr(reply, what); p != NULL; p = strstr(p + 1, what)) {
        n++;
    }
    return n;
}

/* A scan sees all of a big hash, whatever the step; random picks are different fields. */
static void scans_and_picks_cover_a_big_hash(void **state)
{
    struct harness *h = harness_new(false);
    char line[64];
    unsigned long long cursor = 0;
    int seen = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "HSET h field%d v", i);
        harness_run(h, line);
    }
    do {
        const char *reply;

        snprintf(line, sizeof line, "HSCAN h %llu COUNT 37", cursor);
        reply = harness_run(h, line);
        assert_int_equal(sscanf(reply, "*2\\r\\n$%*d\\r\\n%llu", &cursor), 1);
        seen += replies_in(reply, "field");
    } while (cursor != 0);
    assert_int_equal(seen, 2000);
    assert_int_equal(replies_in(harness_run(h, "HRANDFIELD h 5"), "field"), 5);
    assert_int_equal(replies_in(harness_run(h, "HRANDFIELD h 1500"), "field"), 1500);
    assert_int_equal(replies_in(harness_run(h, "HRANDFIELD h 5000"), "field"), 2000);
    assert_int_equal(replies_in(harness_run(h, "HRANDFIELD h -5000"), "field"), 5000);
    assert_string_equal(harness_run(h, "HRANDFIELD h -99999999999"), ERR("value is out of range"));
    assert_string_equal(harness_run(h, "HSCAN h 0 COUNT 0"), SYNTAX);
    assert_string_equal(harness_run(h, "HSCAN h x"), ERR("invalid cursor"));
    harness_free(h);
}

static void events_say_what_happened(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"HSET h a 1 b 2", "hset h"},     {"HSETNX h a 1", ""},
        {"HINCRBY h n 1", "hincrby h"},   {"HINCRBYFLOAT h n 1", "hincrbyfloat h"},
        {"HDEL h a", "hdel h"},           {"HDEL h a", ""},
        {"HDEL h b n", "hdel h ; del h"},
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
        cmocka_unit_test(fields_are_set_read_and_removed),
        cmocka_unit_test(numbers_in_fields_are_counted),
        cmocka_unit_test(other_types_are_left_alone),
        cmocka_unit_test(maps_are_maps_in_resp3),
        cmocka_unit_test(encodings_change_at_the_limits),
        cmocka_unit_test(scans_and_picks_cover_a_big_hash),
        cmocka_unit_test(events_say_what_happened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
