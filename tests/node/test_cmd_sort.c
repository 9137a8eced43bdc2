/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of SORT and SORT_RO. A differential test compares random calls with Redis. */
#include "base/buf.h"
#include "tests/node/cmd_steps.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n"
#define NO_NUMBER ERR("One or more scores can't be converted into double")

/* The texts of an array reply, in RESP2, with spaces between them; "-" for null. */
static const char *texts(const char *reply, char out[256])
{
    size_t n = 0;

    out[0] = '\0';
    if (reply[0] != '*') {
        return reply;
    }
    for (const char *p = strstr(reply, "\\r\\n"); p != NULL && p[4] != '\0';) {
        unsigned long len;

        p += 4;
        assert_int_equal(p[0], '$');
        n += (size_t)snprintf(out + n, 256 - n, "%s", n > 0 ? " " : "");
        if (p[1] == '-') {
            n += (size_t)snprintf(out + n, 256 - n, "-");
            p = strstr(p, "\\r\\n");
            continue;
        }
        len = strtoul(p + 1, NULL, 10);
        p = strstr(p, "\\r\\n") + 4;
        n += (size_t)snprintf(out + n, 256 - n, "%.*s", (int)len, p);
        p += len;
    }
    return out;
}

static const char *const setup[] = {
    "RPUSH l 3 10 2 1",   "RPUSH w b A a 10 9",  "SADD s 5 4 30",
    "SADD words x b ab",  "ZADD z 1 c 2 b 3 a",  "SET w_1 40",
    "SET w_2 30",         "SET w_3 20",          "HSET h_1 f one n 9",
    "HSET h_2 f two n 7", "HSET h_10 f ten n 8", "RPUSH strange \"\" \" 1\" 0x10 inf -1e2",
    "RPUSH bad 1 x",
};

static struct harness *prepared(bool cluster)
{
    struct harness *h = harness_new(cluster);

    for (size_t i = 0; i < ARRAY_LEN(setup); i++) {
        harness_run(h, setup[i]);
    }
    return h;
}

static void elements_come_in_the_order_asked_for(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"SORT l", "1 2 3 10"},
        {"SORT_RO l", "1 2 3 10"},
        {"SORT l DESC", "10 3 2 1"},
        {"SORT l desc asc", "1 2 3 10"},
        {"SORT l ALPHA", "1 10 2 3"},
        {"SORT w ALPHA", "10 9 A a b"},
        {"SORT w ALPHA DESC", "b a A 9 10"},
        {"SORT s", "4 5 30"},
        {"SORT words ALPHA", "ab b x"},
        {"SORT z ALPHA", "a b c"},
        {"SORT strange", "-1e2   1 0x10 inf"},
        {"SORT none", ""},
        /* limits */
        {"SORT l LIMIT 1 2", "2 3"},
        {"SORT l LIMIT 0 0", ""},
        {"SORT l LIMIT -5 2", "1 2"},
        {"SORT l LIMIT 2 -1", "3 10"},
        {"SORT l LIMIT 4 2", ""},
        {"SORT l LIMIT 1 9223372036854775807", "2 3 10"},
        {"SORT l LIMIT 9223372036854775807 9223372036854775807", ""},
        /* not sorted */
        {"SORT l BY nosort", "3 10 2 1"},
        {"SORT l BY nosort DESC", "1 2 10 3"},
        {"SORT l BY nosort LIMIT 1 2", "10 2"},
        {"SORT l BY nosort DESC LIMIT 0 1", "1"},
        {"SORT z BY nosort", "c b a"},
        {"SORT z BY nosort DESC LIMIT 1 5", "b c"},
        {"SORT bad BY nosort", "1 x"},
        /* by other keys; what has none counts 0, or comes first */
        {"SORT l BY w_*", "10 3 2 1"},
        {"SORT l BY w_* DESC", "1 2 3 10"},
        {"SORT l BY h_*->n", "3 2 10 1"},
        {"SORT l BY w_* ALPHA", "10 3 2 1"},
        {"SORT l BY h_*->f ALPHA DESC", "2 10 1 3"},
        {"SORT l BY none_*", "1 10 2 3"},
        {"SORT l BY none_* ALPHA", "3 10 2 1"},
        {"SORT l BY none_* ALPHA DESC", "3 10 2 1"},
        {"SORT s BY none_* ALPHA", "30 4 5"},
        {"SORT l BY h_*", "1 10 2 3"},    /* not strings */
        {"SORT l BY w_*->f", "1 10 2 3"}, /* not hashes */
        {"SORT l BY w_*->", "1 10 2 3"},
        /* GET */
        {"SORT l GET w_*", "40 30 20 -"},
        {"SORT l GET # GET h_*->f", "1 one 2 two 3 - 10 ten"},
        {"SORT l BY nosort GET h_*->n LIMIT 1 2", "8 7"},
        {"SORT l GET nostar LIMIT 0 1", "-"},
    };
    struct harness *h = prepared(false);
    char out[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %s\n", cases[i].line);
        assert_string_equal(texts(harness_run(h, cases[i].line), out), cases[i].want);
        assert_string_equal(harness_effects(h), "(nothing)");
    }
    harness_free(h);
}

static void what_cannot_be_sorted_is_refused(void **state)
{
    static const struct step steps[] = {
        {"SORT bad", NO_NUMBER, NULL},
        {"SORT bad STORE d", NO_NUMBER, NULL},
        {"SORT w", NO_NUMBER, NULL},
        {"SORT h_1", WRONG_TYPE, NULL},
        {"SORT w_1", WRONG_TYPE, NULL},
        {"SORT_RO w_1", WRONG_TYPE, NULL},
        {"SORT l LIMIT 0", SYNTAX, NULL},
        {"SORT l LIMIT x 1", NOT_INT, NULL},
        {"SORT l BY", SYNTAX, NULL},
        {"SORT l GET", SYNTAX, NULL},
        {"SORT l STORE", SYNTAX, NULL},
        {"SORT_RO l STORE d", SYNTAX, NULL},
        {"SORT l UP", SYNTAX, NULL},
        {"SORT", ERR("wrong number of arguments for 'sort' command"), NULL},
        {"EXISTS d", INT(0), NULL},
    };
    static const char *const numbers[] = {"nan", "1e400", "1e-320", "1x", "0x", "1 "};
    struct harness *h = prepared(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char line[64];

        print_message("case: %s\n", numbers[i]);
        (void)snprintf(line, sizeof line, "LSET bad 1 \"%s\"", numbers[i]);
        assert_string_equal(harness_run(h, line), OK);
        assert_string_equal(harness_run(h, "SORT bad"), NO_NUMBER);
    }
    harness_free(h);
}

/* The log carries what was stored, since it depends on keys that nobody names. */
static void a_result_is_stored_as_a_list(void **state)
{
    static const struct step steps[] = {
        {"SORT l STORE d", INT(4), "RPUSH d 1 2 3 10"},
        {"SORT l DESC LIMIT 0 2 STORE d", INT(2), "DEL d ; RPUSH d 10 3"},
        {"LRANGE d 0 -1", "*2\\r\\n$2\\r\\n10\\r\\n$1\\r\\n3\\r\\n", NULL},
        {"SORT l GET # GET w_* STORE d", INT(8), "DEL d ; RPUSH d 1 40 2 30 3 20 10 \"\""},
        {"EXPIRE d 100", INT(1), "PEXPIREAT d 1000000100000"},
        {"SORT l STORE e STORE d", INT(4), "DEL d ; RPUSH d 1 2 3 10"},
        {"TTL d", INT(-1), NULL},
        {"SORT none STORE d", INT(0), "DEL d"},
        {"SORT none STORE d", INT(0), NULL},
        {"SORT l LIMIT 9 1 STORE w_1", INT(0), "DEL w_1"},
        {"SORT l STORE l", INT(4), "DEL l ; RPUSH l 1 2 3 10"},
        {"SORT words BY nosort STORE d", INT(3), "RPUSH d ab b x"},
        {"SORT words BY nosort DESC STORE d", INT(3), "DEL d ; RPUSH d x b ab"},
        {"SORT z BY nosort STORE z", INT(3), "DEL z ; RPUSH z c b a"},
        {"TYPE z", "+list\\r\\n", NULL},
    };
    struct harness *h = prepared(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void a_result_that_is_too_large_for_the_log_is_refused(void **state)
{
    static const struct step steps[] = {
        {"SORT l STORE d", ERR("the result is too large: at most 94 bytes fit into one log entry"),
         NULL},
        {"SORT l LIMIT 0 3 STORE d", INT(3), "RPUSH d 1 2 3"},
    };
    struct harness *h = prepared(false);

    (void)state;
    harness_set_effect_max(h, 94);
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

/* In parts; the harness compares the follower. */
static void a_long_result_is_logged_in_parts(void **state)
{
    struct harness *h = harness_new(false);
    char line[32];

    (void)state;
    for (int i = 0; i < 700; i++) {
        (void)snprintf(line, sizeof line, "RPUSH l %d", i * 7919 % 700);
        harness_run(h, line);
    }
    assert_string_equal(harness_run(h, "SORT l STORE d"), INT(700));
    assert_non_null(strstr(harness_effects(h), " 255 ; RPUSH d 256 "));
    assert_string_equal(harness_run(h, "LINDEX d 699"), BULK(3, "699"));
    assert_string_equal(harness_run(h, "LINDEX d 256"), BULK(3, "256"));
    harness_free(h);
}

/* A key that a pattern names may be past its time: it counts as gone, and goes. */
static void expired_keys_are_not_found(void **state)
{
    static const struct step steps[] = {
        {"SORT l GET w_* LIMIT 0 2", "*2\\r\\n$-1\\r\\n$2\\r\\n30\\r\\n", "DEL w_1"},
        {"SORT l BY w_* STORE d", INT(4), "DEL w_2 ; RPUSH d 1 10 2 3"},
    };
    struct harness *h = prepared(false);

    (void)state;
    harness_run(h, "PEXPIRE w_1 10");
    harness_run(h, "PEXPIRE w_2 20");
    harness_set_now(h, harness_now(h) + 10);
    run_steps(h, steps, 1);
    harness_set_now(h, harness_now(h) + 10);
    run_steps(h, steps + 1, 1);
    harness_free(h);
}

/* With slots, keys that only the elements name may be anywhere. */
static void patterns_are_refused_in_cluster_mode(void **state)
{
    static const struct step steps[] = {
        {"SORT l BY w_*", ERR("BY option of SORT denied in Cluster mode."), NULL},
        {"SORT_RO l BY w_*", ERR("BY option of SORT denied in Cluster mode."), NULL},
        {"SORT l GET #", ERR("GET option of SORT denied in Cluster mode."), NULL},
        {"SORT l LIMIT 0 1 BY nosort", "*1\\r\\n$1\\r\\n3\\r\\n", NULL},
        {"SORT l STORE {l}d", INT(4), "RPUSH {l}d 1 2 3 10"},
    };
    struct harness *h = prepared(true);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

/* Who may not read all keys could read others by patterns. */
static void patterns_need_all_keys(void **state)
{
    static const struct step steps[] = {
        {"SORT l BY w_*", ERR("BY option of SORT denied due to insufficient ACL permissions."),
         NULL},
        {"SORT l GET #", ERR("GET option of SORT denied due to insufficient ACL permissions."),
         NULL},
        {"SORT l LIMIT 0 1 BY nosort", "*1\\r\\n$1\\r\\n3\\r\\n", NULL},
    };
    struct harness *h = prepared(false);

    (void)state;
    harness_set_reads_some_keys(h, true);
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void storing_has_events(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"SORT l", ""},
        {"SORT l STORE d", "sortstore d"},
        {"SORT none STORE d", "del d"},
        {"SORT none STORE d", ""},
    };
    struct harness *h = prepared(false);

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
        cmocka_unit_test(elements_come_in_the_order_asked_for),
        cmocka_unit_test(what_cannot_be_sorted_is_refused),
        cmocka_unit_test(a_result_is_stored_as_a_list),
        cmocka_unit_test(a_result_that_is_too_large_for_the_log_is_refused),
        cmocka_unit_test(a_long_result_is_logged_in_parts),
        cmocka_unit_test(expired_keys_are_not_found),
        cmocka_unit_test(patterns_are_refused_in_cluster_mode),
        cmocka_unit_test(patterns_need_all_keys),
        cmocka_unit_test(storing_has_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
