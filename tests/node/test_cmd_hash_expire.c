/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of times to live of fields. Redis 7.0 has none: replies are those of the command pages of
 * Redis 7.4 and 8.0. The harness compares leader and follower after each command, and the digest
 * covers the times. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n"
#define NO_FIELDS ERR("Mandatory argument FIELDS is missing or not at the right position")
#define NO_NUMBER ERR("Parameter `numFields` should be greater than 0")
#define NO_MATCH ERR("The `numfields` parameter must match the number of arguments")
#define ONE(n) "*1\\r\\n:" #n "\\r\\n"
#define TWO(a, b) "*2\\r\\n:" #a "\\r\\n:" #b "\\r\\n"
#define NOW "1000000000000" /* the harness's clock */

static void fields_get_times_and_lose_them(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1 b 2 c 3", INT(3), "HSET h a 1 b 2 c 3"},
        {"OBJECT ENCODING h", BULK(8, "listpack"), NULL},
        {"HEXPIRE h 10 FIELDS 2 a z", TWO(1, -2), "HPEXPIREAT h 1000000010000 FIELDS 1 a"},
        {"OBJECT ENCODING h", BULK(10, "listpackex"), NULL},
        {"HPEXPIRE h 20 fields 1 b", ONE(1), "HPEXPIREAT h 1000000000020 FIELDS 1 b"},
        {"HTTL h FIELDS 3 a b c", "*3\\r\\n:10\\r\\n:1\\r\\n:-1\\r\\n", NULL},
        {"HPTTL h FIELDS 2 a z", TWO(10000, -2), NULL},
        {"HEXPIRETIME h FIELDS 2 a b", TWO(1000000010, 1000000001), NULL},
        {"HPEXPIRETIME h FIELDS 2 a b", TWO(1000000010000, 1000000000020), NULL},
        {"HEXPIREAT h 1000000005 FIELDS 1 a", ONE(1), "HPEXPIREAT h 1000000005000 FIELDS 1 a"},
        {"HPEXPIREAT h 1000000000007 FIELDS 1 a", ONE(1), "HPEXPIREAT h 1000000000007 FIELDS 1 a"},
        {"HPERSIST h FIELDS 3 a c z", "*3\\r\\n:1\\r\\n:-1\\r\\n:-2\\r\\n",
         "HPERSIST h FIELDS 1 a"},
        {"HTTL h FIELDS 1 a", ONE(-1), NULL},
        /* a new value has no time, a counted one keeps it */
        {"HSET h b 5", INT(0), "HSET h b 5"},
        {"HTTL h FIELDS 1 b", ONE(-1), NULL},
        {"HEXPIRE h 10 FIELDS 1 b", ONE(1), "HPEXPIREAT h 1000000010000 FIELDS 1 b"},
        {"HINCRBY h b 2", INT(7), "HINCRBY h b 2"},
        {"HINCRBYFLOAT h b 0.5", BULK(3, "7.5"), "HSETEX h PXAT 1000000010000 FIELDS 1 b 7.5"},
        {"HTTL h FIELDS 1 b", ONE(10), NULL},
        {"HDEL h b", INT(1), "HDEL h b"},
        {"HSET h b 1", INT(1), "HSET h b 1"},
        {"HTTL h FIELDS 1 b", ONE(-1), NULL},
        /* a hash that is not there */
        {"HEXPIRE none 10 FIELDS 2 a b", TWO(-2, -2), NULL},
        {"HPERSIST none FIELDS 1 a", ONE(-2), NULL},
        {"HTTL none FIELDS 1 a", ONE(-2), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void conditions_are_decided_before_the_log(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1 b 2", INT(2), "HSET h a 1 b 2"},
        {"HEXPIRE h 100 FIELDS 1 a", ONE(1), "HPEXPIREAT h 1000000100000 FIELDS 1 a"},
        {"HEXPIRE h 50 NX FIELDS 2 a b", TWO(0, 1), "HPEXPIREAT h 1000000050000 FIELDS 1 b"},
        {"HPERSIST h FIELDS 1 b", ONE(1), "HPERSIST h FIELDS 1 b"},
        {"HEXPIRE h 60 XX FIELDS 2 a b", TWO(1, 0), "HPEXPIREAT h 1000000060000 FIELDS 1 a"},
        {"HEXPIRE h 60 GT FIELDS 2 a b", TWO(0, 0), NULL},
        {"HEXPIRE h 61 gt FIELDS 2 a b", TWO(1, 0), "HPEXPIREAT h 1000000061000 FIELDS 1 a"},
        {"HEXPIRE h 61 LT FIELDS 2 a b", TWO(0, 1), "HPEXPIREAT h 1000000061000 FIELDS 1 b"},
        {"HEXPIRE h 9 LT FIELDS 2 a b", TWO(1, 1), "HPEXPIREAT h 1000000009000 FIELDS 2 a b"},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void bad_arguments_are_refused(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1", INT(1), "HSET h a 1"},
        {"SET s x", OK, "SET s x"},
        {"HEXPIRE s 1 FIELDS 1 a", WRONG_TYPE, NULL},
        {"HTTL s FIELDS 1 a", WRONG_TYPE, NULL},
        {"HPERSIST s FIELDS 1 a", WRONG_TYPE, NULL},
        {"HGETDEL s FIELDS 1 a", WRONG_TYPE, NULL},
        {"HGETEX s FIELDS 1 a", WRONG_TYPE, NULL},
        {"HSETEX s FIELDS 1 a 1", WRONG_TYPE, NULL},
        {"HEXPIRE h x FIELDS 1 a", NOT_INT, NULL},
        {"HEXPIRE h -1 FIELDS 1 a", ERR("invalid expire time, must be >= 0"), NULL},
        {"HEXPIRE h 9223372036854775807 FIELDS 1 a",
         ERR("invalid expire time in 'hexpire' command"), NULL},
        {"HPEXPIREAT h 70368744177664 FIELDS 1 a",
         ERR("invalid expire time in 'hpexpireat' command"), NULL},
        {"HPEXPIREAT h 70368744177663 FIELDS 1 a", ONE(1),
         "HPEXPIREAT h 70368744177663 FIELDS 1 a"},
        {"HEXPIRE h 1 FIELD 1 a", NO_FIELDS, NULL},
        {"HEXPIRE h 1 NX XX FIELDS 1 a", NO_FIELDS, NULL},
        {"HEXPIRE h 1 FIELDS 0 a", NO_NUMBER, NULL},
        {"HEXPIRE h 1 FIELDS x a", NO_NUMBER, NULL},
        {"HEXPIRE h 1 FIELDS 2 a", NO_MATCH, NULL},
        {"HEXPIRE h 1 FIELDS 1 a b", NO_MATCH, NULL},
        {"HTTL h FIELDS 9223372036854775807 a", NO_MATCH, NULL},
        {"HTTL h FIELDS 4294967297 a", NO_MATCH, NULL},
        {"HTTL h 1 a b", NO_FIELDS, NULL},
        {"HGETEX h EX 10 PERSIST FIELDS 1 a", SYNTAX, NULL},
        {"HGETEX h EX 10 PX 10 FIELDS 1 a", SYNTAX, NULL},
        {"HGETEX h KEEPTTL FIELDS 1 a", SYNTAX, NULL},
        {"HGETEX h PX x FIELDS 1 a", NOT_INT, NULL},
        {"HGETEX h EX 1 1 a", SYNTAX, NULL},
        {"HSETEX h FNX FXX FIELDS 1 a 1", SYNTAX, NULL},
        {"HSETEX h PERSIST FIELDS 1 a 1", SYNTAX, NULL},
        {"HSETEX h FIELDS 2 a 1", NO_MATCH, NULL},
        {"HSETEX h FIELDS 1 a 1 b", NO_MATCH, NULL},
        {"HGETDEL h FIELDS 2 a", NO_MATCH, NULL},
        {"HTTL h FIELDS 1", ERR("wrong number of arguments for 'httl' command"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* A time in the past deletes; the last field takes the key with it. */
static void times_in_the_past_delete(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1 b 2 c 3", INT(3), "HSET h a 1 b 2 c 3"},
        {"HPEXPIREAT h 5 FIELDS 2 a z", TWO(2, -2), "HDEL h a"},
        {"HEXPIRE h 0 FIELDS 3 b b z", "*3\\r\\n:2\\r\\n:-2\\r\\n:-2\\r\\n", "HDEL h b"},
        {"HGETEX h PXAT 1 FIELDS 1 c", "*1\\r\\n$1\\r\\n3\\r\\n", "HDEL h c"},
        {"EXISTS h", INT(0), NULL},
        {"HSETEX h PXAT 1 FIELDS 2 a 1 a 2", INT(1), NULL},
        {"EXISTS h", INT(0), NULL},
        {"HSET h a 1", INT(1), "HSET h a 1"},
        {"HSETEX h PXAT 1 FIELDS 3 a 1 b 1 a 2", INT(1), "HDEL h a"},
        {"EXISTS h", INT(0), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void values_are_fetched_and_removed_or_timed(void **state)
{
    static const struct step steps[] = {
        {"HSET h a 1 b 2 c 3", INT(3), "HSET h a 1 b 2 c 3"},
        {"HGETDEL h FIELDS 2 a z", "*2\\r\\n$1\\r\\n1\\r\\n$-1\\r\\n", "HDEL h a"},
        {"HGETDEL none FIELDS 1 a", "*1\\r\\n$-1\\r\\n", NULL},
        {"HGETEX h FIELDS 1 b", "*1\\r\\n$1\\r\\n2\\r\\n", NULL},
        {"HGETEX h EX 10 FIELDS 2 b z", "*2\\r\\n$1\\r\\n2\\r\\n$-1\\r\\n",
         "HPEXPIREAT h 1000000010000 FIELDS 1 b"},
        {"HGETEX h PERSIST FIELDS 2 b c", "*2\\r\\n$1\\r\\n2\\r\\n$1\\r\\n3\\r\\n",
         "HPERSIST h FIELDS 1 b"},
        {"HGETEX none EX 10 FIELDS 1 b", "*1\\r\\n$-1\\r\\n", NULL},
        {"HGETDEL h FIELDS 3 b c b", "*3\\r\\n$1\\r\\n2\\r\\n$1\\r\\n3\\r\\n$1\\r\\n2\\r\\n",
         "HDEL h b c"},
        {"EXISTS h", INT(0), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void fields_are_set_with_their_times(void **state)
{
    static const struct step steps[] = {
        {"HSETEX h FXX FIELDS 1 a 1", INT(0), NULL},
        {"HSETEX h FNX EX 10 FIELDS 2 a 1 b 2", INT(1),
         "HSETEX h PXAT 1000000010000 FIELDS 2 a 1 b 2"},
        {"HSETEX h FNX FIELDS 2 c 1 b 2", INT(0), NULL},
        {"HSETEX h FXX FIELDS 2 c 1 b 2", INT(0), NULL},
        {"HSETEX h KEEPTTL FXX FIELDS 1 a 5", INT(1), "HSETEX h KEEPTTL FIELDS 1 a 5"},
        {"HTTL h FIELDS 2 a b", TWO(10, 10), NULL},
        {"HSETEX h KEEPTTL FIELDS 2 c 5 c 6", INT(1), "HSET h c 5 c 6"},
        {"HSETEX h FIELDS 2 a 6 d 7", INT(1), "HSET h a 6 d 7"},
        {"HTTL h FIELDS 2 a b", TWO(-1, 10), NULL},
        {"HSETEX h PXAT 1000000000500 FIELDS 1 fields 1", INT(1),
         "HSETEX h PXAT 1000000000500 FIELDS 1 fields 1"},
        {"HMGET h a b fields", "*3\\r\\n$1\\r\\n6\\r\\n$1\\r\\n2\\r\\n$1\\r\\n1\\r\\n", NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* Fields in both encodings, one past its time. */
static struct harness *with_past_field(bool big)
{
    struct harness *h = harness_new(false);

    if (big) {
        harness_limits(h)->hash_max_listpack_entries = 1;
    }
    harness_run(h, "HSET h a 1 b 2 c 3");
    harness_run(h, "HSET only a 1");
    harness_run(h, "PEXPIRE only 100000");
    harness_run(h, "HPEXPIRE h 10 FIELDS 1 a");
    harness_run(h, "HPEXPIRE only 10 FIELDS 1 a");
    harness_set_now(h, harness_now(h) + 10);
    return h;
}

/* Reading shows nothing of it and deletes nothing, here or on a follower. */
static void past_fields_are_hidden(void **state)
{
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"HGET h a", NIL},
        {"HGET h b", BULK(1, "2")},
        {"HMGET h a c", "*2\\r\\n$-1\\r\\n$1\\r\\n3\\r\\n"},
        {"HLEN h", INT(2)},
        {"HLEN only", INT(0)},
        {"HEXISTS h a", INT(0)},
        {"HSTRLEN h a", INT(0)},
        {"HGETALL only", "*0\\r\\n"},
        {"HVALS only", "*0\\r\\n"},
        {"HRANDFIELD only", NIL},
        {"HRANDFIELD only 5", "*0\\r\\n"},
        {"HRANDFIELD only -5", "*0\\r\\n"},
        {"HSCAN only 0", "*2\\r\\n$1\\r\\n0\\r\\n*0\\r\\n"},
        {"HTTL h FIELDS 2 a b", TWO(-2, -1)},
        {"HPEXPIRETIME h FIELDS 1 a", ONE(-2)},
        {"EXISTS only", INT(1)},
    };
    static const char *const whole[] = {"HGETALL h", "HKEYS h", "HRANDFIELD h 9", "HSCAN h 0",
                                        "HRANDFIELD h -20"};

    (void)state;
    for (int big = 0; big < 2; big++) {
        struct harness *h = with_past_field(big);

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            print_message("case: %s\n", cases[i].line);
            assert_string_equal(harness_run(h, cases[i].line), cases[i].reply);
            assert_string_equal(harness_effects(h), "(nothing)");
            assert_string_equal(harness_run_follower(h, cases[i].line), cases[i].reply);
        }
        for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
            print_message("case: %s\n", whole[i]);
            assert_null(strstr(harness_run(h, whole[i]), "\\r\\na\\r\\n"));
            assert_non_null(strstr(harness_run(h, whole[i]), "\\r\\nb\\r\\n"));
            assert_string_equal(harness_effects(h), "(nothing)");
        }
        harness_run(h, "RPUSH l a");
        assert_string_equal(harness_run(h, "SORT l BY nosort GET h->*"), "*1\\r\\n$-1\\r\\n");
        assert_string_equal(harness_run(h, "SORT l BY nosort GET *->a"), "*1\\r\\n$-1\\r\\n");
        harness_free(h);
    }
}

/* Writing to it deletes it first, since a follower has it still. */
static void writing_to_a_past_field_deletes_it(void **state)
{
    static const struct {
        const char *line, *reply, *effects, *events;
    } cases[] = {
        {"HSET h a 5", INT(1), "HSET h a 5", "hset h"},
        {"HSETNX h a 5", INT(1), "HDEL h a ; HSETNX h a 5", "hexpired h ; hset h"},
        {"HINCRBY h a 5", INT(5), "HDEL h a ; HINCRBY h a 5", "hexpired h ; hincrby h"},
        {"HINCRBYFLOAT h a 5", BULK(1, "5"), "HDEL h a ; HSET h a 5",
         "hexpired h ; hincrbyfloat h"},
        {"HDEL h a b", INT(1), "HDEL h a ; HDEL h a b", "hexpired h ; hdel h"},
        {"HDEL only a", INT(0), "HDEL only a", "hexpired only ; del only"},
        {"HINCRBY only a 5", INT(5), "HDEL only a ; HINCRBY only a 5",
         "hexpired only ; del only ; hincrby only"},
        {"HEXPIRE h 10 FIELDS 1 a", ONE(-2), "HDEL h a", "hexpired h"},
        {"HPERSIST h FIELDS 2 a b", TWO(-2, -1), "HDEL h a", "hexpired h"},
        {"HPERSIST only FIELDS 1 a", ONE(-2), "HDEL only a", "hexpired only ; del only"},
        {"HGETDEL h FIELDS 2 a b", "*2\\r\\n$-1\\r\\n$1\\r\\n2\\r\\n", "HDEL h a ; HDEL h b",
         "hexpired h ; hdel h"},
        {"HGETEX h EX 10 FIELDS 1 a", "*1\\r\\n$-1\\r\\n", "HDEL h a", "hexpired h"},
        {"HSETEX h FNX FIELDS 1 a 4", INT(1), "HDEL h a ; HSET h a 4", "hexpired h ; hset h"},
        {"HSETEX h FXX FIELDS 1 a 4", INT(0), "HDEL h a", "hexpired h"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        struct harness *h = with_past_field(i % 2 == 1);

        print_message("case: %s\n", cases[i / 2].line);
        assert_string_equal(harness_run(h, cases[i / 2].line), cases[i / 2].reply);
        assert_string_equal(harness_effects(h), cases[i / 2].effects);
        assert_string_equal(harness_events(h), cases[i / 2].events);
        harness_free(h);
    }
}

static void times_and_persisting_have_events(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"HSETEX h EX 10 FIELDS 1 a 1", "hset h ; hexpire h"},
        {"HEXPIRE h 10 FIELDS 1 a", "hexpire h"},
        {"HEXPIRE h 10 FIELDS 1 z", ""},
        {"HPERSIST h FIELDS 1 a", "hpersist h"},
        {"HPERSIST h FIELDS 1 a", ""},
        {"HGETEX h EX 10 FIELDS 1 a", "hexpire h"},
        {"HEXPIRE h 0 FIELDS 1 a", "hdel h ; del h"},
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

static bool leader_has(struct harness *h, const char *key)
{
    struct key k = keyspace_key(harness_keyspace(h), key, strlen(key));

    return keyspace_find(harness_keyspace(h), 0, &k) != NULL;
}

/* The leader's clock deletes what is due, in parts, and the key with the last field. Hashes that
 * were renamed, copied, overwritten or deleted meanwhile are found, or left alone. */
static void due_fields_are_deleted_by_the_clock(void **state)
{
    static const char *const setup[] = {
        "HSET all a 1 b 2 c 3 d 4",
        "HPEXPIRE all 10 FIELDS 4 a b c d",
        "HSET some a 1 b 2",
        "HPEXPIRE some 10 FIELDS 1 a",
        "HSET old a 1",
        "HPEXPIRE old 10 FIELDS 1 a",
        "RENAME old new",
        "HSET gone a 1",
        "HPEXPIRE gone 10 FIELDS 1 a",
        "DEL gone",
        "HSET over a 1",
        "HPEXPIRE over 10 FIELDS 1 a",
        "SET over x",
        "HSET later a 1 b 2",
        "HPEXPIRE later 10 FIELDS 1 a",
        "HPEXPIRE later 99 FIELDS 1 a",
        "HSET cleared a 1",
        "HPEXPIRE cleared 10 FIELDS 1 a",
        "HSET cleared a 2",
        "HSET copied a 1 b 2",
        "HPEXPIRE copied 10 FIELDS 1 a",
        "COPY copied copy",
        "COPY copied copy DB 2",
        "MOVE copied 3",
    };
    static const struct step after[] = {
        {"EXISTS all new gone", INT(0), NULL},
        {"HGETALL some", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n", NULL},
        {"GET over", BULK(1, "x"), NULL},
        {"HPTTL later FIELDS 2 a b", TWO(89, -1), NULL},
        {"HTTL cleared FIELDS 1 a", ONE(-1), NULL},
        {"HGETALL copy", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n", NULL},
        {"SELECT 2", OK, NULL},
        {"HGETALL copy", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n", NULL},
        {"SELECT 3", OK, NULL},
        {"HGETALL copied", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n", NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(setup); i++) {
        harness_run(h, setup[i]);
    }
    harness_set_now(h, harness_now(h) + 9);
    harness_expire(h);
    assert_true(leader_has(h, "all"));
    harness_set_now(h, harness_now(h) + 1);
    harness_expire(h);
    assert_false(leader_has(h, "all"));
    for (size_t i = 0; i < ARRAY_LEN(after); i++) {
        print_message("case: %s\n", after[i].line);
        assert_string_equal(harness_run(h, after[i].line), after[i].reply);
        if (after[i].line[0] != 'S') {
            assert_string_equal(harness_effects(h), "(nothing)");
        }
    }
    harness_free(h);
}

/* Whole databases go with what is due in them. */
static void databases_are_flushed_and_swapped_with_times(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "HSET h a 1 b 2");
    harness_run(h, "HPEXPIRE h 10 FIELDS 1 a");
    harness_run(h, "SELECT 1");
    harness_run(h, "HSET gone a 1");
    harness_run(h, "HPEXPIRE gone 10 FIELDS 1 a");
    assert_string_equal(harness_run(h, "FLUSHDB"), OK);
    assert_string_equal(harness_run(h, "SWAPDB 0 1"), OK);
    harness_set_now(h, harness_now(h) + 10);
    harness_expire(h);
    assert_string_equal(harness_run(h, "HKEYS h"), "*1\\r\\n$1\\r\\nb\\r\\n");
    harness_free(h);
}

/* DUMP has the times, and RESTORE brings them back, in both encodings. */
static void times_are_dumped_and_restored(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        struct harness *h = harness_new(false);
        struct arg restore[4] = {{"RESTORE", 7}, {"r", 1}, {"0", 1}, {NULL, 0}};
        struct buf payload;
        const char *p;

        if (big) {
            harness_limits(h)->hash_max_listpack_entries = 2;
        }
        harness_run(h, "HSET h a 1 b 2 c 3");
        harness_run(h, "HPEXPIRE h 100 FIELDS 1 a");
        harness_run(h, "HPEXPIRE h 70 FIELDS 1 b");
        harness_run_args(h, (struct arg[]){{"DUMP", 4}, {"h", 1}}, 2);
        buf_init(&payload);
        p = memchr(buf_head(harness_reply(h)), '\n', harness_reply(h)->len);
        buf_append(&payload, p + 1,
                   harness_reply(h)->len - (size_t)(p + 1 - buf_head(harness_reply(h))) - 2);
        restore[3] = (struct arg){buf_head(&payload), payload.len};
        harness_run_args(h, restore, 4);
        assert_int_equal(harness_reply(h)->len, 5);
        assert_string_equal(harness_run(h, "HPTTL r FIELDS 3 a b c"),
                            "*3\\r\\n:100\\r\\n:70\\r\\n:-1\\r\\n");
        assert_string_equal(harness_run(h, "HMGET r a b c"),
                            "*3\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2\\r\\n$1\\r\\n3\\r\\n");
        harness_set_now(h, harness_now(h) + 70);
        harness_expire(h);
        assert_string_equal(harness_run(h, "HLEN r"), INT(2));
        buf_release(&payload);
        harness_free(h);
    }
}

/* A hash without times is no larger than before, and thousands of times are kept in order. */
static void many_fields_expire_in_order(void **state)
{
    struct harness *h = harness_new(false);
    char line[96];

    (void)state;
    for (int i = 0; i < 600; i++) {
        (void)snprintf(line, sizeof line, "HSETEX h PX %d FIELDS 1 f%d v", 1 + i * 7919 % 600, i);
        assert_string_equal(harness_run(h, line), INT(1));
    }
    assert_string_equal(harness_run(h, "OBJECT ENCODING h"), BULK(9, "hashtable"));
    for (int left = 600; left > 0; left -= 60) {
        (void)snprintf(line, sizeof line, ":%d\\r\\n", left);
        assert_string_equal(harness_run(h, "HLEN h"), line);
        harness_set_now(h, harness_now(h) + 60);
        (void)snprintf(line, sizeof line, ":%d\\r\\n", left - 60);
        assert_string_equal(harness_run(h, "HLEN h"), line); /* hidden before they are deleted */
        harness_expire(h);
    }
    assert_string_equal(harness_run(h, "EXISTS h"), INT(0));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_get_times_and_lose_them),
        cmocka_unit_test(conditions_are_decided_before_the_log),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(times_in_the_past_delete),
        cmocka_unit_test(values_are_fetched_and_removed_or_timed),
        cmocka_unit_test(fields_are_set_with_their_times),
        cmocka_unit_test(past_fields_are_hidden),
        cmocka_unit_test(writing_to_a_past_field_deletes_it),
        cmocka_unit_test(times_and_persisting_have_events),
        cmocka_unit_test(due_fields_are_deleted_by_the_clock),
        cmocka_unit_test(databases_are_flushed_and_swapped_with_times),
        cmocka_unit_test(times_are_dumped_and_restored),
        cmocka_unit_test(many_fields_expire_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
