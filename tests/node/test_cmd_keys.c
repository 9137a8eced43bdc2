/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/command/generic.c, scan.c, expire.c, object.c and flush.c. The harness checks after
 * every command that its effects make a follower equal. */
#include "base/buf.h"
#include "tests/node/cmd_steps.h"

#define NO_KEY ERR("no such key")
#define SAME ERR("source and destination objects are the same")
#define BAD_DB ERR("DB index is out of range")

/* ---- generic ---------------------------------------------------------------------------- */

static void deletions_log_the_keys_that_were_there(void **state)
{
    static const struct step steps[] = {
        {"MSET a 1 b 2 c 3", OK, "MSET a 1 b 2 c 3"},
        {"DEL a x b a", INT(2), "DEL a b"},
        {"DEL a", INT(0), NULL},
        {"unlink x c", INT(1), "UNLINK c"},
        {"MSET a 1 b 2", OK, "MSET a 1 b 2"},
        {"EXISTS a a x b", INT(3), NULL},
        {"TOUCH a x", INT(1), NULL},
        {"TYPE a", "+string\\r\\n", NULL},
        {"TYPE x", "+none\\r\\n", NULL},
        {"DBSIZE", INT(2), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* More keys than fit beside the stack's array. */
static void many_keys_are_deleted_at_once(void **state)
{
    struct harness *h = harness_new(false);
    struct arg argv[101] = {{"DEL", 3}};
    char names[100][16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        char line[32];

        snprintf(names[i], sizeof names[i], "k%d", i);
        argv[1 + i] = (struct arg){names[i], strlen(names[i])};
        snprintf(line, sizeof line, "SET %s v", names[i]);
        harness_run(h, i % 2 == 0 ? line : "DBSIZE");
    }
    harness_run_args(h, argv, 101);
    assert_memory_equal(buf_head(harness_reply(h)), ":50\r\n", 5);
    assert_non_null(strstr(harness_effects(h), "DEL k0 k2 k4"));
    assert_null(strstr(harness_effects(h), "k1 "));
    harness_free(h);
}

static void renames_take_value_and_time_along(void **state)
{
    static const struct step steps[] = {
        {"RENAME a b", NO_KEY, NULL},
        {"RENAME a a", NO_KEY, NULL},
        {"RENAMENX a a", NO_KEY, NULL},
        {"SET a 1 PX 100", OK, "SET a 1 PXAT 1000000000100"},
        {"RENAME a a", OK, NULL},
        {"RENAMENX a a", INT(0), NULL},
        {"SET b old EX 1000", OK, "SET b old PXAT 1000001000000"},
        {"rename a b", OK, "RENAME a b"},
        {"PTTL b", INT(100), NULL},
        {"GET b", BULK(1, "1"), NULL},
        {"SET c x", OK, "SET c x"},
        {"RENAMENX b c", INT(0), NULL},
        {"RENAMENX b d", INT(1), "RENAME b d"},
        {"RENAME c d", OK, "RENAME c d"},
        {"TTL d", INT(-1), NULL},
        {"DBSIZE", INT(1), NULL},
    };
    static const struct step over[] = {
        {"RENAMENX live over", INT(1), "DEL over ; RENAME live over"},
        {"RENAME over2 x", NO_KEY, "DEL over2"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_run(h, "SET live 1");
    harness_run(h, "SET over 1 PX 5");
    harness_run(h, "SET over2 1 PX 5");
    harness_set_now(h, harness_now(h) + 10);
    run_steps(h, over, ARRAY_LEN(over));
    harness_free(h);
}

static void copies_reach_other_databases(void **state)
{
    static const struct step steps[] = {
        {"COPY a b", INT(0), NULL},
        {"SET a 1 PX 100", OK, "SET a 1 PXAT 1000000000100"},
        {"COPY a a", SAME, NULL},
        {"COPY a a DB 0", SAME, NULL},
        {"COPY a a DB 3", INT(1), "COPY a a DB 3"},
        {"COPY a a DB 3", INT(0), NULL},
        {"SET a 2", OK, "SET a 2"},
        {"copy a a replace db 3", INT(1), "copy a a replace db 3"},
        {"COPY a b DB 16", BAD_DB, NULL},
        {"COPY a b DB -1", BAD_DB, NULL},
        {"COPY a b DB x", NOT_INT, NULL},
        {"COPY a b DB 2147483648",
         ERR("value is out of range, value must between -2147483648 and 2147483647"), NULL},
        {"COPY a b DB", SYNTAX, NULL},
        {"COPY a b BOGUS", SYNTAX, NULL},
        {"SELECT 3", OK, NULL},
        {"GET a", BULK(1, "2"), NULL},
        {"TTL a", INT(-1), NULL},
        {"SET over x PX 5", OK, "SET over x PXAT 1000000000005"},
        {"SET over2 x PX 5", OK, "SET over2 x PXAT 1000000000005"},
        {"SELECT 0", OK, NULL},
    };
    static const struct step over[] = {
        {"COPY a over DB 3", INT(1), "3: DEL over ; COPY a over DB 3"},
        {"RENAME a over2", OK, "RENAME a over2"},
        {"MOVE over2 3", INT(1), "3: DEL over2 ; MOVE over2 3"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_set_now(h, harness_now(h) + 10);
    run_steps(h, over, ARRAY_LEN(over));
    harness_free(h);
}

static void moves_need_a_free_place(void **state)
{
    static const struct step steps[] = {
        {"MOVE a 1", INT(0), NULL},  {"SET a 1 PX 100", OK, "SET a 1 PXAT 1000000000100"},
        {"MOVE a 0", SAME, NULL},    {"MOVE a 16", BAD_DB, NULL},
        {"MOVE a x", NOT_INT, NULL}, {"MOVE a 1", INT(1), "MOVE a 1"},
        {"EXISTS a", INT(0), NULL},  {"SET a 2", OK, "SET a 2"},
        {"MOVE a 1", INT(0), NULL},  {"SELECT 1", OK, NULL},
        {"PTTL a", INT(100), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* Also when nearly everything is over, and nothing at all when everything is. */
static void randomkey_finds_a_live_key(void **state)
{
    struct harness *h = harness_new(false);
    bool seen[8] = {false};
    int kinds = 0;

    (void)state;
    assert_string_equal(harness_run(h, "RANDOMKEY"), NIL);
    for (int i = 0; i < 8; i++) {
        char line[32];

        snprintf(line, sizeof line, "SET %d v", i);
        harness_run(h, line);
    }
    for (int i = 0; i < 500; i++) {
        const char *reply = harness_run(h, "RANDOMKEY");

        assert_memory_equal(reply, "$1\\r\\n", 6);
        kinds += !seen[reply[6] - '0'];
        seen[reply[6] - '0'] = true;
    }
    assert_int_equal(kinds, 8);
    for (int i = 0; i < 1000; i++) {
        char line[32];

        snprintf(line, sizeof line, "SET over%d v PX 1", i);
        harness_run(h, line);
    }
    harness_set_now(h, harness_now(h) + 1);
    for (int i = 0; i < 50; i++) {
        assert_memory_equal(harness_run(h, "RANDOMKEY"), "$1\\r\\n", 6);
    }
    harness_run(h, "DEL 0 1 2 3 4 5 6 7");
    assert_string_equal(harness_run(h, "RANDOMKEY"), NIL);
    harness_free(h);
}

/* ---- KEYS, SCAN ------------------------------------------------------------------------- */

/* Count of elements in the last array of a KEYS or SCAN reply; the cursor through @cursor. */
static int listed(const char *reply, char cursor[32])
{
    int n;

    if (cursor != NULL) {
        assert_int_equal(sscanf(reply, "*2\\r\\n$%*d\\r\\n%30[0-9]\\r\\n*%d\\r\\n", cursor, &n), 2);
    } else {
        assert_int_equal(sscanf(reply, "*%d\\r\\n", &n), 1);
    }
    return n;
}

static int scan_all(struct harness *h, const char *options)
{
    char cursor[32] = "0", line[256];
    int n = 0;

    do {
        snprintf(line, sizeof line, "SCAN %s %s", cursor, options);
        n += listed(harness_run(h, line), cursor);
    } while (strcmp(cursor, "0") != 0);
    return n;
}

static void fill(struct harness *h, const char *pattern, int n)
{
    for (int i = 0; i < n; i++) {
        char key[64], line[96];

        snprintf(key, sizeof key, pattern, i);
        snprintf(line, sizeof line, "SET %s v", key);
        harness_run(h, line);
    }
}

static void listings_filter_by_pattern_type_and_time(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    fill(h, "key%d", 300);
    fill(h, "other%d", 20);
    harness_run(h, "SET \"\" v");
    assert_int_equal(listed(harness_run(h, "KEYS *"), NULL), 321);
    assert_int_equal(listed(harness_run(h, "KEYS key*"), NULL), 300);
    assert_int_equal(listed(harness_run(h, "KEYS key?"), NULL), 10);
    assert_int_equal(listed(harness_run(h, "KEYS **"), NULL), 320); /* not the empty name */
    assert_int_equal(scan_all(h, ""), 321);
    assert_int_equal(scan_all(h, "COUNT 1"), 321);
    assert_int_equal(scan_all(h, "COUNT 100000 MATCH other*"), 20);
    assert_int_equal(scan_all(h, "TYPE STRING MATCH key?"), 10);
    assert_int_equal(scan_all(h, "TYPE list"), 0);
    assert_int_equal(scan_all(h, "TYPE bogus"), 0);
    harness_run(h, "PEXPIRE key1 5");
    harness_set_now(h, harness_now(h) + 5);
    assert_int_equal(listed(harness_run(h, "KEYS key?"), NULL), 9);
    assert_int_equal(scan_all(h, "MATCH key?"), 9);
    assert_string_equal(harness_effects(h), "(nothing)");
    assert_string_equal(harness_run(h, "DBSIZE"), INT(321)); /* still there */
    harness_free(h);
}

static void scan_arguments_are_read_as_redis_reads_them(void **state)
{
    static const struct step steps[] = {
        {"SET k v", OK, "SET k v"},
        {"SCAN \"\"", "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\nk\\r\\n", NULL},
        {"SCAN +0", "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\nk\\r\\n", NULL},
        {"SCAN \" 0\"", ERR("invalid cursor"), NULL},
        {"SCAN 0x", ERR("invalid cursor"), NULL},
        {"SCAN 18446744073709551616", ERR("invalid cursor"), NULL},
        {"SCAN 0 COUNT", SYNTAX, NULL},
        {"SCAN 0 COUNT 0", SYNTAX, NULL},
        {"SCAN 0 COUNT x", NOT_INT, NULL},
        {"SCAN 0 BOGUS x", SYNTAX, NULL},
        {"SCAN x BOGUS", ERR("invalid cursor"), NULL},
        {"SCAN 0 MATCH nothing MATCH k", "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\nk\\r\\n", NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* ---- times to live ---------------------------------------------------------------------- */

static void expiry_conditions_follow_the_table(void **state)
{
    static const struct step steps[] = {
        {"SET k v", OK, "SET k v"},
        {"PEXPIRE k 100 XX", INT(0), NULL},
        {"PEXPIRE k 100 GT", INT(0), NULL},
        {"PEXPIRE k 100 LT", INT(1), "PEXPIREAT k 1000000000100"},
        {"PEXPIRE k 100 LT", INT(0), NULL},
        {"PEXPIRE k 100 GT", INT(0), NULL},
        {"PEXPIRE k 200 NX", INT(0), NULL},
        {"PEXPIRE k 200 GT XX gt", INT(1), "PEXPIREAT k 1000000000200"},
        {"PERSIST k", INT(1), "PERSIST k"},
        {"PEXPIRE k 50 NX", INT(1), "PEXPIREAT k 1000000000050"},
        {"PEXPIRE k 50 NX XX",
         ERR("NX and XX, GT or LT options at the same time are not compatible"), NULL},
        {"PEXPIRE k 50 GT LT", ERR("GT and LT options at the same time are not compatible"), NULL},
        {"PEXPIRE k x BOGUS", ERR("Unsupported option BOGUS"), NULL},
        {"PEXPIRE none x", NOT_INT, NULL},
        {"PEXPIRE none 1", INT(0), NULL},
        {"PEXPIRE k -1 GT", INT(0), NULL},
        {"PEXPIRE k 0 LT", INT(1), "DEL k"},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void times_are_checked_for_overflow(void **state)
{
    static const struct step steps[] = {
        {"EXPIRE k 9223372036854775807", ERR("invalid expire time in 'expire' command"), NULL},
        {"EXPIRE k -9223372036854775808", ERR("invalid expire time in 'expire' command"), NULL},
        {"PEXPIRE k 9223372036854775807", ERR("invalid expire time in 'pexpire' command"), NULL},
        {"EXPIREAT k 9223372036854776", ERR("invalid expire time in 'expireat' command"), NULL},
        {"SET k v", OK, "SET k v"},
        {"PEXPIREAT k 9223372036854775807", INT(1), "PEXPIREAT k 9223372036854775807"},
        {"PEXPIRETIME k", INT(9223372036854775807), NULL},
        {"EXPIRETIME k", INT(9223372036854776), NULL},
        {"PEXPIREAT k -9223372036854775808", INT(1), "DEL k"},
        {"PTTL k", INT(-2), NULL},
        {"SET k v", OK, "SET k v"},
        {"PTTL k", INT(-1), NULL},
        {"PEXPIRE k 1499", INT(1), "PEXPIREAT k 1000000001499"},
        {"TTL k", INT(1), NULL},
        {"PEXPIRE k 1500", INT(1), "PEXPIREAT k 1000000001500"},
        {"TTL k", INT(2), NULL},
        {"EXPIRETIME k", INT(1000000002), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* A follower shows no key past its time, but the deletion is the leader's. */
static void a_follower_hides_what_is_over(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "SET k v PX 5");
    assert_string_equal(harness_run_follower(h, "GET k"), BULK(1, "v"));
    harness_set_now(h, harness_now(h) + 5);
    assert_string_equal(harness_run_follower(h, "GET k"), NIL);
    assert_string_equal(harness_run_follower(h, "TTL k"), INT(-2));
    assert_string_equal(harness_run_follower(h, "KEYS *"), "*0\\r\\n");
    assert_string_equal(harness_run_follower(h, "DBSIZE"), INT(1));
    assert_string_equal(harness_run(h, "EXISTS k"), INT(0));
    assert_string_equal(harness_effects(h), "DEL k");
    assert_string_equal(harness_run_follower(h, "DBSIZE"), INT(0));
    harness_free(h);
}

/* ---- OBJECT, MEMORY --------------------------------------------------------------------- */

static void object_tells_of_encoding_and_access(void **state)
{
    struct harness *h = harness_new(false);
    char line[128];

    (void)state;
    harness_run(h, "MSET i 12345 e short");
    snprintf(line, sizeof line, "SET r %060d", 0);
    harness_run(h, line);
    assert_string_equal(harness_run(h, "OBJECT ENCODING i"), BULK(3, "int"));
    assert_string_equal(harness_run(h, "OBJECT ENCODING e"), BULK(6, "embstr"));
    assert_string_equal(harness_run(h, "OBJECT ENCODING r"), BULK(3, "raw"));
    assert_string_equal(harness_run(h, "OBJECT ENCODING none"), NIL);
    assert_string_equal(harness_run(h, "OBJECT REFCOUNT i"), INT(1));
    harness_set_now(h, harness_now(h) + 7500);
    assert_string_equal(harness_run(h, "OBJECT IDLETIME i"), INT(7));
    harness_run(h, "TTL i");
    harness_run(h, "EXISTS i");
    harness_run(h, "TYPE i");
    assert_string_equal(harness_run(h, "OBJECT IDLETIME i"), INT(7)); /* only looks */
    harness_run(h, "TOUCH i");
    assert_string_equal(harness_run(h, "OBJECT IDLETIME i"), INT(0));
    assert_non_null(strstr(harness_run(h, "OBJECT FREQ i"), "An LFU maxmemory policy is not"));
    assert_string_equal(harness_run(h, "OBJECT FREQ none"), NIL);
    harness_set_lfu(h, true);
    harness_run(h, "SET f v");
    assert_string_equal(harness_run(h, "OBJECT FREQ f"), INT(5));
    assert_non_null(strstr(harness_run(h, "OBJECT IDLETIME f"), "An LFU maxmemory policy is sel"));
    harness_free(h);
}

static void memory_usage_grows_with_the_value(void **state)
{
    struct harness *h = harness_new(false);
    int small, big;

    (void)state;
    harness_run(h, "SET k v");
    assert_int_equal(sscanf(harness_run(h, "MEMORY USAGE k"), ":%d", &small), 1);
    harness_run(h, "SETRANGE k 9999 x");
    assert_int_equal(sscanf(harness_run(h, "MEMORY USAGE k SAMPLES 0"), ":%d", &big), 1);
    assert_true(small > 0 && big >= small + 9999 - 64);
    assert_string_equal(harness_run(h, "MEMORY USAGE none"), NIL);
    assert_string_equal(harness_run(h, "MEMORY USAGE none SAMPLES"), SYNTAX);
    assert_string_equal(harness_run(h, "MEMORY USAGE none SAMPLES -1"), SYNTAX);
    assert_string_equal(harness_run(h, "MEMORY USAGE none SAMPLES x"), NOT_INT);
    harness_free(h);
}

/* ---- whole databases -------------------------------------------------------------------- */

static void flushes_and_swaps_are_logged_bare(void **state)
{
    static const struct step steps[] = {
        {"SET a 0", OK, "SET a 0"},
        {"SELECT 5", OK, NULL},
        {"SET a 5", OK, "SET a 5"},
        {"SWAPDB 0 5", OK, "SWAPDB 0 5"},
        {"SWAPDB 5 5", OK, NULL},
        {"GET a", BULK(1, "0"), NULL},
        {"SWAPDB x 5", ERR("invalid first DB index"), NULL},
        {"SWAPDB 5 x", ERR("invalid second DB index"), NULL},
        {"SWAPDB 5 16", BAD_DB, NULL},
        {"SWAPDB -1 5", BAD_DB, NULL},
        {"FLUSHDB BOGUS", SYNTAX, NULL},
        {"FLUSHDB SYNC ASYNC", SYNTAX, NULL},
        {"FLUSHDB async", OK, "FLUSHDB"},
        {"DBSIZE", INT(0), NULL},
        {"SELECT 0", OK, NULL},
        {"DBSIZE", INT(1), NULL},
        {"SELECT 7", OK, NULL},
        {"FLUSHALL SYNC", OK, "FLUSHALL"},
        {"SELECT 0", OK, NULL},
        {"DBSIZE", INT(0), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* ---- cluster mode ----------------------------------------------------------------------- */

static void cluster_mode_has_one_database(void **state)
{
    static const struct step steps[] = {
        {"SET {t}a 1", OK, "SET {t}a 1"},
        {"MOVE {t}a 1", ERR("MOVE is not allowed in cluster mode"), NULL},
        {"SWAPDB 0 1", ERR("SWAPDB is not allowed in cluster mode"), NULL},
        {"COPY {t}a {t}b DB 5", ERR("Copying to another database is not allowed in cluster mode"),
         NULL},
        {"COPY {t}a {t}b DB 16", BAD_DB, NULL},
        {"COPY {t}a {t}b DB 0", INT(1), "COPY {t}a {t}b DB 0"},
        {"RENAME {t}a {t}b", OK, "RENAME {t}a {t}b"},
        {"FLUSHALL", OK, "FLUSHALL"},
        {"DBSIZE", INT(0), NULL},
    };
    struct harness *h = harness_new(true);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

/* A pattern that pins the slot lists the same keys as one that does not. */
static void cluster_listings_may_look_into_one_slot(void **state)
{
    struct harness *h = harness_new(true);

    (void)state;
    fill(h, "{user7}:%d", 100);
    fill(h, "a{user7}:%d", 10);
    fill(h, "plain%d", 200);
    fill(h, "{}%d", 30);
    fill(h, "\"[{user7}]%d\"", 3);
    assert_int_equal(listed(harness_run(h, "KEYS *"), NULL), 343);
    assert_int_equal(listed(harness_run(h, "KEYS {user7}*"), NULL), 100);
    assert_int_equal(listed(harness_run(h, "KEYS a{user7}*"), NULL), 10);
    assert_int_equal(listed(harness_run(h, "KEYS {user7}:1"), NULL), 1);
    assert_int_equal(listed(harness_run(h, "KEYS {}*"), NULL), 30);
    assert_int_equal(listed(harness_run(h, "KEYS {}1"), NULL), 1);
    assert_int_equal(listed(harness_run(h, "KEYS [a{]*user7}*"), NULL), 110);
    assert_int_equal(listed(harness_run(h, "KEYS \"\\\\[{user7}*\""), NULL), 3);
    assert_int_equal(scan_all(h, ""), 343);
    assert_int_equal(scan_all(h, "COUNT 1"), 343);
    assert_int_equal(scan_all(h, "MATCH {user7}*"), 100);
    assert_int_equal(scan_all(h, "MATCH {user7}* COUNT 1"), 100);
    assert_int_equal(scan_all(h, "MATCH plain7 COUNT 2"), 1);
    assert_int_equal(scan_all(h, "MATCH nothing"), 0);
    harness_free(h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(deletions_log_the_keys_that_were_there),
    cmocka_unit_test(many_keys_are_deleted_at_once),
    cmocka_unit_test(renames_take_value_and_time_along),
    cmocka_unit_test(copies_reach_other_databases),
    cmocka_unit_test(moves_need_a_free_place),
    cmocka_unit_test(randomkey_finds_a_live_key),
    cmocka_unit_test(listings_filter_by_pattern_type_and_time),
    cmocka_unit_test(scan_arguments_are_read_as_redis_reads_them),
    cmocka_unit_test(expiry_conditions_follow_the_table),
    cmocka_unit_test(times_are_checked_for_overflow),
    cmocka_unit_test(a_follower_hides_what_is_over),
    cmocka_unit_test(object_tells_of_encoding_and_access),
    cmocka_unit_test(memory_usage_grows_with_the_value),
    cmocka_unit_test(flushes_and_swaps_are_logged_bare),
    cmocka_unit_test(cluster_mode_has_one_database),
    cmocka_unit_test(cluster_listings_may_look_into_one_slot),
};

TEST_MAIN(tests)
