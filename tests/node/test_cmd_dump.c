/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of DUMP and RESTORE: options and errors, values of all types and encodings there and back,
 * what older and newer servers write, and payloads that are damaged although their checksum is
 * right. The harness applies each effect to a follower and compares. */
#include "base/crc.h"
#include "base/mem.h"
#include "base/rand.h"
#include "node/keyspace/item.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#include <endian.h>

/* "v" as Redis 7.0 dumps it. */
#define V "\\x00\\x01v\\x0a\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce"
#define RESTORED(ms)                                                                               \
    "RESTORE n " #ms " \"\\x00\\x01v\\n\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce\" "

/* ---- words and payloads --------------------------------------------------------------------- */

static struct arg word(const char *s) { return (struct arg){s, strlen(s)}; }

static struct arg bytes_of(const struct buf *b) { return (struct arg){buf_head(b), b->len}; }

/* Append version and checksum. */
static void put_footer(struct buf *b, unsigned version)
{
    unsigned char wire[2] = {(unsigned char)(version & 0xff), (unsigned char)(version >> 8)};
    uint64_t crc;

    buf_append(b, wire, sizeof wire);
    crc = htole64(crc64_jones(0, buf_head(b), b->len));
    buf_append(b, &crc, sizeof crc);
}

/* The reply to RESTORE @key 0 @payload REPLACE. */
static const char *restore(struct harness *h, const char *key, const struct buf *payload)
{
    struct arg argv[5] = {word("RESTORE"), word(key), word("0"), bytes_of(payload),
                          word("REPLACE")};
    static char text[128];
    const struct buf *reply;

    harness_run_args(h, argv, 5);
    reply = harness_reply(h);
    snprintf(text, sizeof text, "%.*s", (int)reply->len, buf_head(reply));
    return text;
}

/* The payload of DUMP @key, replacing what is in @out. */
static void dump(struct harness *h, const char *key, struct buf *out)
{
    struct arg argv[2] = {word("DUMP"), word(key)};
    const char *p, *end;

    harness_run_args(h, argv, 2);
    p = buf_head(harness_reply(h));
    assert_int_equal(*p, '$');
    end = memchr(p, '\n', 32);
    assert_non_null(end);
    buf_clear(out);
    buf_append(out, end + 1, (size_t)atoll(p + 1));
}

static struct item *item_of(struct harness *h, const char *key)
{
    struct key k = keyspace_key(harness_keyspace(h), key, strlen(key));
    struct item *it = keyspace_find(harness_keyspace(h), 0, &k);

    assert_non_null(it);
    return it;
}

static void assert_same_value(struct harness *h, const char *a, const char *b)
{
    unsigned char x[20], y[20];

    keyspace_digest_value(harness_keyspace(h), item_of(h, a), x);
    keyspace_digest_value(harness_keyspace(h), item_of(h, b), y);
    assert_memory_equal(x, y, sizeof x);
}

/* ---- options and errors --------------------------------------------------------------------- */

static void a_value_goes_out_and_comes_back(void **state)
{
    static const struct step steps[] = {
        {"DUMP none", NIL, NULL},
        {"SET k v", OK, "SET k v"},
        {"DUMP k", "$13\\r\\n\\x00\\x01v\\n\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce\\r\\n", NULL},
        {"RESTORE n 0 \"" V "\"", OK, RESTORED(0) "ABSTTL REPLACE"},
        {"GET n", BULK(1, "v"), NULL},
        {"PTTL n", INT(-1), NULL},
        {"RESTORE n 0 \"" V "\"", "-BUSYKEY Target key name already exists.\\r\\n", NULL},
        /* a time to live is absolute in the log */
        {"RESTORE n 500 \"" V "\" REPLACE", OK, RESTORED(1000000000500) "ABSTTL REPLACE"},
        {"PTTL n", INT(500), NULL},
        {"RESTORE n 1000000000700 \"" V "\" replace absttl", OK,
         RESTORED(1000000000700) "ABSTTL REPLACE"},
        {"PTTL n", INT(700), NULL},
        {"RESTORE n 9223372036854775807 \"" V "\" replace absttl", OK,
         RESTORED(9223372036854775807) "ABSTTL REPLACE"},
        /* one that is over already */
        {"RESTORE n 1 \"" V "\" ABSTTL REPLACE", OK, "DEL n"},
        {"RESTORE n 1000000000000 \"" V "\" ABSTTL REPLACE", OK, NULL},
        {"EXISTS n", INT(0), NULL},
        /* over another type */
        {"RPUSH n a", INT(1), "RPUSH n a"},
        {"RESTORE n 0 \"" V "\" REPLACE", OK, RESTORED(0) "ABSTTL REPLACE"},
        {"TYPE n", "+string\\r\\n", NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void bad_arguments_change_nothing(void **state)
{
    static const struct step steps[] = {
        {"DUMP", ERR("wrong number of arguments for 'dump' command"), NULL},
        {"RESTORE n 0", ERR("wrong number of arguments for 'restore' command"), NULL},
        {"SET k x", OK, "SET k x"},
        /* in Redis's order: options, the key, the time, the payload */
        {"RESTORE k -1 x FREQ 256", ERR("Invalid FREQ value, must be >= 0 and <= 255"), NULL},
        {"RESTORE k -1 x", "-BUSYKEY Target key name already exists.\\r\\n", NULL},
        {"RESTORE n x x", NOT_INT, NULL},
        {"RESTORE n -1 x", ERR("Invalid TTL value, must be >= 0"), NULL},
        {"RESTORE n 9223372036854775807 \"" V "\"", ERR("invalid expire time in 'restore' command"),
         NULL},
        {"RESTORE n 0 x", ERR("DUMP payload version or checksum are wrong"), NULL},
        {"RESTORE n 0 \"\"", ERR("DUMP payload version or checksum are wrong"), NULL},
        {"RESTORE n 0 \"\\x00\\x01w\\x0a\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce\"",
         ERR("DUMP payload version or checksum are wrong"), NULL},
        {"RESTORE n 0 \"" V "\" FOO", SYNTAX, NULL},
        {"RESTORE n 0 \"" V "\" IDLETIME", SYNTAX, NULL},
        {"RESTORE n 0 \"" V "\" IDLETIME x", NOT_INT, NULL},
        {"RESTORE n 0 \"" V "\" IDLETIME -1", ERR("Invalid IDLETIME value, must be >= 0"), NULL},
        {"RESTORE n 0 \"" V "\" FREQ -1", ERR("Invalid FREQ value, must be >= 0 and <= 255"), NULL},
        {"RESTORE n 0 \"" V "\" FREQ 1 IDLETIME 1", SYNTAX, NULL},
        {"RESTORE n 0 \"" V "\" IDLETIME 1 FREQ 1", SYNTAX, NULL},
        {"EXISTS n", INT(0), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void idle_time_and_frequency_are_replicated(void **state)
{
    static const struct step lru[] = {
        {"RESTORE n 0 \"" V "\" IDLETIME 77", OK, RESTORED(0) "ABSTTL REPLACE IDLETIME 77"},
        {"OBJECT IDLETIME n", INT(77), NULL},
        {"RESTORE n 0 \"" V "\" REPLACE FREQ 9", OK, RESTORED(0) "ABSTTL REPLACE FREQ 9"},
        {"OBJECT IDLETIME n", INT(0), NULL},
        {"RESTORE n 0 \"" V "\" REPLACE IDLETIME 9223372036854775807", OK,
         RESTORED(0) "ABSTTL REPLACE IDLETIME 9223372036854775807"},
    };
    static const struct step lfu[] = {
        {"RESTORE n 0 \"" V "\" REPLACE FREQ 200", OK, RESTORED(0) "ABSTTL REPLACE FREQ 200"},
        {"OBJECT FREQ n", INT(200), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, lru, ARRAY_LEN(lru));
    harness_set_lfu(h, true);
    run_steps(h, lfu, ARRAY_LEN(lfu));
    harness_free(h);
}

static void events_say_restore_and_del(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "RESTORE n 0 \"" V "\"");
    assert_string_equal(harness_events(h), "restore n");
    harness_run(h, "RESTORE n 1 \"" V "\" ABSTTL REPLACE");
    assert_string_equal(harness_events(h), "del n");
    harness_run(h, "RESTORE n 1 \"" V "\" ABSTTL REPLACE");
    assert_string_equal(harness_events(h), "");
    harness_free(h);
}

static void a_relative_time_in_the_log_is_refused(void **state)
{
    struct harness *h = harness_new(false);

    (void)state;
    assert_string_equal(harness_apply(h, "RESTORE n 5 \"" V "\" REPLACE"),
                        ERR("a relative time to live stands in the log"));
    harness_free(h);
}

/* ---- other servers' payloads ---------------------------------------------------------------- */

#define BLOCK(s)                                                                                   \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

#define FAR "\0\0\0\0\0\x02\0\0"

/* What Redis up to 6.2 and Valkey 8 write, by the descriptions of the formats. */
static const struct payload {
    const char *name;
    unsigned version;
    struct arg bytes; /* type and value; NULL reply: malformed */
    const char *read, *reply;
} payloads[] = {
    {"a string of version 12", 12, BLOCK("\x00\x01v"), "GET n", BULK(1, "v")},
    {"an empty string", 10, BLOCK("\x00\x00"), "GET n", BULK(0, "")},
    {"a list, element by element", 1, BLOCK("\x01\x02\x01x\xc0\x05"), "LRANGE n 0 -1",
     "*2\\r\\n$1\\r\\nx\\r\\n$1\\r\\n5\\r\\n"},
    {"a sorted set with scores as text", 6,
     BLOCK("\x03\x02\x01m\x03"
           "1.5\x01n\xff"),
     "ZRANGE n 0 -1 WITHSCORES",
     "*4\\r\\n$1\\r\\nn\\r\\n$4\\r\\n-inf\\r\\n$1\\r\\nm\\r\\n$3\\r\\n1.5\\r\\n"},
    {"a sorted set with NaN", 6, BLOCK("\x03\x01\x01m\xfd"), NULL, NULL},
    {"a hash as zipmap", 3,
     BLOCK("\x09\x0d\x02\x01"
           "a\x01\x02"
           "1..\x01"
           "b\x00\x00\xff"),
     "HGETALL n", "*4\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n$1\\r\\nb\\r\\n$0\\r\\n\\r\\n"},
    {"a zipmap with a wrong count", 3,
     BLOCK("\x09\x07\x02\x01"
           "a\x01\x00"
           "1\xff"),
     NULL, NULL},
    {"a zipmap whose value ends too early", 3,
     BLOCK("\x09\x07\x01\x01"
           "a\x09\x00"
           "1\xff"),
     NULL, NULL},
    /* 12, -1 as int8, 300 as int16, 70000 as int24, "hi" */
    {"a list as ziplist", 6,
     BLOCK("\x0a\x1d\x1d\0\0\0\x18\0\0\0\x05\0"
           "\x00\xfd\x02\xfe\xff\x03\xc0\x2c\x01\x04\xf0\x70\x11\x01\x05\x02hi\xff"),
     "LRANGE n 0 -1",
     "*5\\r\\n$2\\r\\n12\\r\\n$2\\r\\n-1\\r\\n$3\\r\\n300\\r\\n$5\\r\\n70000\\r\\n$"
     "2\\r\\nhi\\r\\n"},
    {"a ziplist with a wrong previous length", 6,
     BLOCK("\x0a\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf2\x03\xf3\xff"), NULL, NULL},
    {"a ziplist with a wrong tail", 6,
     BLOCK("\x0a\x0f\x0f\0\0\0\x0a\0\0\0\x02\0\x00\xf2\x02\xf3\xff"), NULL, NULL},
    {"a ziplist whose string ends too early", 6,
     BLOCK("\x0a\x0e\x0e\0\0\0\x0a\0\0\0\x01\0\x00\x09"
           "a\xff"),
     NULL, NULL},
    {"an empty ziplist", 6, BLOCK("\x0a\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"), NULL, NULL},
    {"a sorted set as ziplist", 9,
     BLOCK("\x0c\x13\x13\0\0\0\x0d\0\0\0\x02\0\x00\x01m\x03\x03"
           "2.5\xff"),
     "ZSCORE n m", BULK(3, "2.5")},
    {"a hash as ziplist", 9,
     BLOCK("\x0d\x10\x10\0\0\0\x0d\0\0\0\x02\0\x00\x01"
           "f\x03\xf6\xff"),
     "HGET n f", BULK(1, "5")},
    {"a list of ziplists, one of them empty", 9,
     BLOCK("\x0e\x02\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff\x0d\x0d\0\0\0\x0a\0\0\0\x01\0\x00\xf2\xff"),
     "LRANGE n 0 -1", "*1\\r\\n$1\\r\\n1\\r\\n"},
    {"a list of empty ziplists", 9, BLOCK("\x0e\x01\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"), NULL, NULL},
    {"a set as listpack", 11,
     BLOCK("\x14\x0c\x0c\0\0\0\x02\0\x81"
           "a\x02\x05\x01\xff"),
     "SISMEMBER n 5", INT(1)},
    /* "5" as a string: our own would be a number, and so would be looked for */
    {"a set whose listpack is not as short as can be", 11,
     BLOCK("\x14\x0a\x0a\0\0\0\x01\0\x81"
           "5\x02\xff"),
     "SISMEMBER n 5", INT(1)},
    {"a set with a member twice", 11, BLOCK("\x14\x0b\x0b\0\0\0\x02\0\x05\x01\x05\x01\xff"), NULL,
     NULL},
    /* times to live of fields, by Redis 7.4: 2^41 ms is in 2039 */
    {"a hash with a timed field and another", 12,
     BLOCK("\x18" FAR "\x02\x01\x01"
           "a\x01"
           "1\x00\x01"
           "b\x01"
           "2"),
     "HPEXPIRETIME n FIELDS 2 a b", "*2\\r\\n:2199023255552\\r\\n:-1\\r\\n"},
    {"a hash with a later time", 12,
     BLOCK("\x18" FAR "\x01\x06\x01"
           "a\x01"
           "1"),
     "HPEXPIRETIME n FIELDS 1 a", "*1\\r\\n:2199023255557\\r\\n"},
    {"a hash with times of a release candidate", 12,
     BLOCK("\x16\x01\x81\0\0\x02\0\0\0\0\0\x01"
           "a\x01"
           "1"),
     "HPEXPIRETIME n FIELDS 1 a", "*1\\r\\n:2199023255552\\r\\n"},
    {"a listpack with times", 12,
     BLOCK("\x19" FAR "\x16\x16\0\0\0\x03\0\x81"
           "a\x02\x01\x01\xf4" FAR "\x09\xff"),
     "HPEXPIRETIME n FIELDS 1 a", "*1\\r\\n:2199023255552\\r\\n"},
    {"a listpack with times of a release candidate", 12,
     BLOCK("\x17\x0e\x0e\0\0\0\x03\0\x81"
           "a\x02\x01\x01\x00\x01\xff"),
     "HGETALL n", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n"},
    {"a hash with times and no fields", 12, BLOCK("\x18" FAR "\x00"), NULL, NULL},
    {"a hash with a timed field twice", 12,
     BLOCK("\x18" FAR "\x02\x01\x01"
           "a\x01"
           "1\x00\x01"
           "a\x01"
           "2"),
     NULL, NULL},
    {"a hash with a time that is none", 12,
     BLOCK("\x18\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x01"
           "a\x01"
           "1"),
     NULL, NULL},
    {"a listpack with pairs instead of times", 12,
     BLOCK("\x19" FAR "\x0c\x0c\0\0\0\x02\0\x81"
           "a\x02\x01\x01\xff"),
     NULL, NULL},
    {"a listpack with a text for a time", 12,
     BLOCK("\x19" FAR "\x0f\x0f\0\0\0\x03\0\x81"
           "a\x02\x01\x01\x81"
           "x\x02\xff"),
     NULL, NULL},
    {"a value and something behind it", 10, BLOCK("\x00\x01v\x00"), NULL, NULL},
    {"a type that does not exist", 10, BLOCK("\x77\x01v"), NULL, NULL},
    {"a module's value", 10, BLOCK("\x07\x01v"), NULL, NULL},
    {"nothing", 10, BLOCK(""), NULL, NULL},
    {"a billion members that are not there", 10, BLOCK("\x02\x80\x40\x00\x00\x00\x01v"), NULL,
     NULL},
    {"a compressed string of an impossible length", 10,
     BLOCK("\x00\xc3\x04\x80\x7f\xff\xff\xff\x01v\x00\x00"), NULL, NULL},
};

static void payloads_of_other_servers_are_read_or_refused(void **state)
{
    struct harness *h = harness_new(false);
    struct buf b, again;

    (void)state;
    buf_init(&b);
    buf_init(&again);
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        const struct payload *p = &payloads[i];

        print_message("case: %s\n", p->name);
        buf_clear(&b);
        buf_append(&b, p->bytes.p, p->bytes.n);
        put_footer(&b, p->version);
        harness_run(h, "DEL n");
        if (p->reply == NULL) {
            assert_string_equal(restore(h, "n", &b), "-ERR Bad data format\r\n");
            assert_string_equal(harness_run(h, "EXISTS n"), INT(0));
            continue;
        }
        assert_string_equal(restore(h, "n", &b), "+OK\r\n");
        assert_string_equal(harness_run(h, p->read), p->reply);
        dump(h, "n", &again);
        assert_string_equal(restore(h, "m", &again), "+OK\r\n");
        assert_same_value(h, "n", "m");
    }
    buf_release(&b);
    buf_release(&again);
    harness_free(h);
}

static void versions_of_the_future_are_refused(void **state)
{
    struct harness *h = harness_new(false);
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_append(&b, "\x00\x01v", 3);
    put_footer(&b, 13);
    assert_string_equal(restore(h, "n", &b), "-ERR DUMP payload version or checksum are wrong\r\n");
    buf_release(&b);
    harness_free(h);
}

/* The log must load in Redis 7.0, which knows no listpack of a set. */
static void what_redis_7_0_cannot_read_is_logged_anew(void **state)
{
    struct harness *h = harness_new(false);
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_append(&b,
               "\x14\x0c\x0c\0\0\0\x02\0\x81"
               "a\x02\x05\x01\xff",
               14);
    put_footer(&b, 11);
    assert_string_equal(restore(h, "n", &b), "+OK\r\n");
    /* RESTORE n 0 <type 2: a set, element by element; version 10> */
    assert_non_null(strstr(harness_effects(h), "RESTORE n 0 \"\\x02\\x02\\x01a\\xc0\\x05\\n\\x00"));
    /* That may be longer than what came: there is a bound. */
    harness_set_effect_max(h, 10);
    assert_string_equal(restore(h, "m", &b), "-ERR the value is too large for one log entry\r\n");
    assert_string_equal(harness_run(h, "EXISTS m"), INT(0));
    buf_release(&b);
    harness_free(h);
}

static void strings_above_the_limit_are_refused(void **state)
{
    struct harness *h = harness_new(false);
    struct buf b;

    (void)state;
    buf_init(&b);
    harness_run(h, "SETRANGE k 2000000 x");
    dump(h, "k", &b);
    assert_true(b.len < 40000); /* a few bytes may stand for many */
    harness_set_string_max(h, 1000000);
    assert_string_equal(restore(h, "n", &b), "-ERR Bad data format\r\n");
    harness_set_string_max(h, 2000001);
    assert_string_equal(restore(h, "n", &b), "+OK\r\n");
    assert_same_value(h, "k", "n");
    buf_release(&b);
    harness_free(h);
}

/* ---- random values -------------------------------------------------------------------------- */

#define WORDS_MAX 1400

/* A member, field or element: numbers at the borders of their encodings, short and long text. */
static size_t random_word(struct rng *r, char *out, size_t i)
{
    static const int64_t borders[] = {
        0,     -1,    12,       13,      127,     128,       -4096,     4095,      4096,     -32768,
        32767, 32768, -8388608, 8388607, 8388608, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    size_t n;

    switch (rng_below(r, 4)) {
    case 0:
        return (size_t)sprintf(out, "%lld", (long long)borders[rng_below(r, ARRAY_LEN(borders))]);
    case 1:
        return (size_t)sprintf(out, "%zu", i);
    case 2:
        n = rng_below(r, 90);
        memset(out, 'a' + (int)rng_below(r, 3), n);
        return n + (size_t)sprintf(out + n, "%zu", i % 50);
    default:
        n = rng_below(r, 200);
        for (size_t k = 0; k < n; k++) {
            out[k] = (char)rng_next(r);
        }
        return n;
    }
}

/* Streams take several commands. */
static void make_stream(struct harness *h, struct rng *r)
{
    char line[160];
    unsigned n = (unsigned)rng_below(r, 250);

    harness_run(h, "DEL k");
    harness_run(h, "XGROUP CREATE k g 0 MKSTREAM");
    for (unsigned i = 1; i <= n; i++) {
        snprintf(line, sizeof line,
                 rng_below(r, 5) == 0 ? "XADD k %u-* other %u" : "XADD k %u-* f %u", i / 2, i * i);
        harness_run(h, line);
        if (rng_below(r, 6) == 0) {
            snprintf(line, sizeof line, "XDEL k %u-%u", (unsigned)rng_below(r, i + 1), i % 2);
            harness_run(h, line);
        }
        if (rng_below(r, 6) == 0) {
            snprintf(line, sizeof line, "XREADGROUP GROUP g c%u COUNT 3 STREAMS k >", i % 3);
            harness_run(h, line);
        }
    }
}

/* One command that makes a value of a random type at "k". */
static void make_value(struct harness *h, struct rng *r)
{
    static const char *const commands[] = {"SET", "RPUSH", "SADD", "HSET", "ZADD"};
    static const unsigned words[] = {1, 1, 1, 2, 2};
    static char text[WORDS_MAX][300];
    static struct arg argv[WORDS_MAX + 2];
    unsigned type = (unsigned)rng_below(r, ARRAY_LEN(commands) + 1);
    bool numbers = type == 2 && rng_below(r, 2) == 0; /* an intset */
    size_t n;

    if (type == ARRAY_LEN(commands)) {
        make_stream(h, r);
        return;
    }
    n = type == 0 ? 1 : 1 + rng_below(r, rng_below(r, 2) == 0 ? 10 : WORDS_MAX / 2 - 1);

    argv[0] = word(commands[type]);
    argv[1] = word("k");
    n *= words[type];
    for (size_t i = 0; i < n; i++) {
        size_t len =
            numbers ? (size_t)sprintf(text[i], "%zu", i * i * i * i) : random_word(r, text[i], i);

        if (type == 4 && i % 2 == 0) {
            len = (size_t)sprintf(text[i], "%g", (double)(int64_t)rng_below(r, 1000) / 8 - 20);
        }
        argv[2 + i] = (struct arg){text[i], len};
    }
    harness_run(h, "DEL k");
    harness_run_args(h, argv, (int)n + 2);
    assert_int_not_equal(*buf_head(harness_reply(h)), '-');
}

static void random_values_come_back_the_same(void **state)
{
    struct harness *h = harness_new(false);
    struct rng r;
    struct buf b;

    (void)state;
    rng_init(&r, 11);
    buf_init(&b);
    for (int i = 0; i < 300; i++) {
        make_value(h, &r);
        dump(h, "k", &b);
        assert_string_equal(restore(h, "n", &b), "+OK\r\n");
        assert_same_value(h, "k", "n");
        assert_string_equal(item_encoding_name(item_of(h, "k")),
                            item_encoding_name(item_of(h, "n")));
    }
    buf_release(&b);
    harness_free(h);
}

/* Change some bytes, insert some, cut some off; then make the checksum right again. */
static void mutate(struct rng *r, struct buf *b)
{
    size_t n = b->len - 10;
    size_t changes = 1 + rng_below(r, 3);

    b->len = n;
    for (size_t i = 0; i < changes && n > 0; i++) {
        unsigned char *at = (unsigned char *)buf_head(b) + rng_below(r, n);
        static const unsigned char special[] = {0, 1, 0x7f, 0x80, 0xc0, 0xc3, 0xf0, 0xfe, 0xff};

        switch (rng_below(r, 5)) {
        case 0:
            *at = (unsigned char)rng_next(r);
            break;
        case 1:
            *at = special[rng_below(r, ARRAY_LEN(special))];
            break;
        case 2:
            *at = (unsigned char)(*at + (rng_below(r, 2) == 0 ? 1 : -1));
            break;
        case 3:
            *(unsigned char *)buf_head(b) = (unsigned char)rng_below(r, 22); /* another type */
            break;
        default:
            b->len = n = 1 + rng_below(r, n);
            break;
        }
    }
    put_footer(b, 10);
}

/* Look at the value in all ways that its type has: an entry that should not be there shows. */
static void look_at(struct harness *h)
{
    static const char *const lines[] = {
        "LRANGE n 0 -1",
        "LINDEX n -2",
        "LREM n 0 5",
        "SMEMBERS n",
        "SADD n 5 x",
        "SREM n 5",
        "HGETALL n",
        "HSET n 5 x",
        "HDEL n 5",
        "ZRANGE n 0 -1",
        "ZADD n 3 5",
        "ZREVRANGE n 0 5 WITHSCORES",
        "ZREM n 5",
        "RPUSH n 5",
        "OBJECT ENCODING n",
        "APPEND n x",
        "XINFO STREAM n FULL COUNT 0",
        "XREVRANGE n + -",
        "XDEL n 5-1 60-1",
        "XADD n MAXLEN 40 99999-1 f v",
        "XREADGROUP GROUP g c1 STREAMS n >",
        "XAUTOCLAIM n g c2 0 0",
        "XGROUP DELCONSUMER n g c2",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        harness_run(h, lines[i]);
    }
}

static void damaged_payloads_are_refused_or_harmless(void **state)
{
    struct harness *h = harness_new(false);
    size_t taken = 0, refused = 0;
    struct buf b, again, m;
    struct rng r;

    (void)state;
    rng_init(&r, 12);
    buf_init(&b);
    buf_init(&m);
    buf_init(&again);
    for (int i = 0; i < 80; i++) {
        if (rng_below(&r, 3) == 0) {
            const struct payload *p = &payloads[rng_below(&r, ARRAY_LEN(payloads))];

            buf_clear(&b);
            buf_append(&b, p->bytes.p, p->bytes.n);
            put_footer(&b, 10);
        } else {
            make_value(h, &r);
            dump(h, "k", &b);
        }
        for (int j = 0; j < 25; j++) {
            const char *reply;

            buf_clear(&m);
            buf_append(&m, buf_head(&b), b.len);
            mutate(&r, &m);
            reply = restore(h, "n", &m);
            if (strcmp(reply, "+OK\r\n") != 0) {
                assert_string_equal(reply, "-ERR Bad data format\r\n");
                refused++;
                continue;
            }
            taken++;
            dump(h, "n", &again);
            assert_string_equal(restore(h, "n2", &again), "+OK\r\n");
            assert_same_value(h, "n", "n2");
            look_at(h);
            harness_run(h, "DEL n");
        }
    }
    print_message("%zu taken, %zu refused\n", taken, refused);
    assert_true(taken > 200 && refused > 200); /* else this showed nothing */
    buf_release(&b);
    buf_release(&m);
    buf_release(&again);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_goes_out_and_comes_back),
        cmocka_unit_test(bad_arguments_change_nothing),
        cmocka_unit_test(idle_time_and_frequency_are_replicated),
        cmocka_unit_test(events_say_restore_and_del),
        cmocka_unit_test(a_relative_time_in_the_log_is_refused),
        cmocka_unit_test(payloads_of_other_servers_are_read_or_refused),
        cmocka_unit_test(versions_of_the_future_are_refused),
        cmocka_unit_test(what_redis_7_0_cannot_read_is_logged_anew),
        cmocka_unit_test(strings_above_the_limit_are_refused),
        cmocka_unit_test(random_values_come_back_the_same),
        cmocka_unit_test(damaged_payloads_are_refused_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
