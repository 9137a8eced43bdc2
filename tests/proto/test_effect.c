/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_effect.c - proto/effect.c: what is written is read, and nothing else is. */
#include "tests/test.h"

#include "base/rand.h"
#include "proto/effect.h"

/* One byte per field where that is enough: the log holds millions of these. */
static void the_format_is_the_documented_one(void **state)
{
    static const struct arg set[] = {{"SET", 3}, {"k", 1}, {"", 0}};
    static const char want[] = "\1"
                               "\1\0\3\3SET\1k\0"
                               "\2\xac\2\1\3SET";
    struct buf b = {0};

    (void)state;
    effect_write(&b, EFFECT_UNIT_BEGIN, 0, set, 3);
    effect_write(&b, EFFECT_UNIT_END, 300, set, 1);
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(buf_head(&b), want, b.len);
    buf_release(&b);
}

static void flags_are_added_where_the_effect_began(void **state)
{
    static const struct arg del[] = {{"DEL", 3}, {"k", 1}};
    struct effect_reader r = {0};
    struct buf b = {0};
    size_t first;
    size_t second;

    (void)state;
    first = b.len;
    effect_write(&b, 0, 0, del, 2);
    second = b.len;
    effect_write(&b, 0, 1, del, 2);
    effect_add_flags(&b, first, EFFECT_UNIT_BEGIN);
    effect_add_flags(&b, second, EFFECT_UNIT_END);
    assert_int_equal(effect_reader_init(&r, buf_head(&b), b.len), 0);
    assert_int_equal(effect_next(&r), 1);
    assert_int_equal(r.flags, EFFECT_UNIT_BEGIN);
    assert_int_equal(r.db, 0);
    assert_int_equal(effect_next(&r), 1);
    assert_int_equal(r.flags, EFFECT_UNIT_END);
    assert_int_equal(r.db, 1);
    assert_int_equal(effect_next(&r), 0);
    effect_reader_release(&r);
    buf_release(&b);
}

/* Random batches, read back; and the reader's array serves batch after batch. */
static void batches_read_back(void **state)
{
    static char bytes[70000];
    struct effect_reader r = {0};
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)rng_next(&rng);
    }
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct buf b = {0};
        uint64_t n = 1 + seed % 7;

        rng_init(&rng, seed);
        for (uint64_t i = 0; i < n; i++) {
            struct arg argv[300];
            size_t argc = 1 + rng_below(&rng, seed % 50 == 0 ? 300 : 5);
            uint8_t flags;

            for (size_t k = 0; k < argc; k++) {
                argv[k].n = rng_below(&rng, seed % 100 == 0 ? 70000 : 200);
                argv[k].p = bytes + rng_below(&rng, sizeof bytes - argv[k].n + 1);
            }
            flags = (uint8_t)rng_below(&rng, 4);
            effect_write(&b, flags, (uint32_t)rng_next(&rng), argv, argc);
        }
        assert_int_equal(effect_reader_init(&r, buf_head(&b), b.len), 0);
        rng_init(&rng, seed);
        for (uint64_t i = 0; i < n; i++) {
            size_t argc = 1 + rng_below(&rng, seed % 50 == 0 ? 300 : 5);

            assert_int_equal(effect_next(&r), 1);
            assert_int_equal(r.argc, argc);
            for (size_t k = 0; k < argc; k++) {
                size_t len = rng_below(&rng, seed % 100 == 0 ? 70000 : 200);
                const char *p = bytes + rng_below(&rng, sizeof bytes - len + 1);

                assert_int_equal(r.argv[k].n, len);
                assert_int_equal(memcmp(r.argv[k].p, p, len), 0);
            }
            assert_int_equal(r.flags, rng_below(&rng, 4));
            assert_int_equal(r.db, (uint32_t)rng_next(&rng));
        }
        assert_int_equal(effect_next(&r), 0);
        buf_release(&b);
    }
    effect_reader_release(&r);
}

static void malformed_batches_are_refused(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        int init, good; /* effects before the bad one */
    } cases[] = {
#define CASE(name, bytes, init, good) {name, bytes, sizeof(bytes) - 1, init, good}
        CASE("empty", "", -1, 0),
        CASE("another version", "\2\0\0\1\1a", -1, 0),
        CASE("unknown flags", "\1\4\0\1\1a", 0, 0),
        CASE("no database", "\1\0", 0, 0),
        CASE("database of more than 32 bits", "\1\0\x80\x80\x80\x80\x10\1\1a", 0, 0),
        CASE("no arguments", "\1\0\0\0", 0, 0),
        CASE("more arguments than bytes", "\1\0\0\xff\xff\xff\xff\x0f\1a", 0, 0),
        CASE("cut in an argument", "\1\0\0\1\5abcd", 0, 0),
        CASE("a length beyond 64 bits", "\1\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2a", 0, 0),
        CASE("a length of eleven bytes", "\1\0\0\1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1a", 0,
             0),
        CASE("a padded length", "\1\0\0\1\x81\0a", 0, 0),
        CASE("the second is cut", "\1\0\0\1\1a\0\0\1", 0, 1),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct effect_reader r = {0};

        print_message("case: %s\n", cases[i].name);
        assert_int_equal(effect_reader_init(&r, cases[i].bytes, cases[i].n), cases[i].init);
        if (cases[i].init == 0) {
            for (int k = 0; k < cases[i].good; k++) {
                assert_int_equal(effect_next(&r), 1);
            }
            assert_int_equal(effect_next(&r), -1);
            assert_int_equal(r.argc, 0);
        } else {
            assert_int_equal(effect_next(&r), 0);
        }
        effect_reader_release(&r);
    }
}

/* Arbitrary bytes: the reader ends, stays inside them (address sanitizer), and what it accepts is
 * the one encoding of what it gave out. */
static void arbitrary_bytes_do_no_harm(void **state)
{
    struct rng rng;
    int accepted = 0;

    (void)state;
    rng_init(&rng, 3);
    for (int round = 0; round < 100000; round++) {
        size_t n = 1 + rng_below(&rng, 24);
        char *p = malloc(n);
        struct effect_reader r = {0};
        struct buf again = {0};
        int rc;

        assert_non_null(p);
        for (size_t i = 0; i < n; i++) {
            p[i] = (char)(rng_below(&rng, 10) == 0 ? rng_next(&rng) : rng_below(&rng, 4));
        }
        p[0] = 1;
        assert_int_equal(effect_reader_init(&r, p, n), 0);
        while ((rc = effect_next(&r)) == 1) {
            effect_write(&again, r.flags, r.db, r.argv, r.argc);
        }
        if (rc == 0 && n > 1) {
            assert_int_equal(again.len, n);
            assert_memory_equal(buf_head(&again), p, n);
            accepted++;
        }
        effect_reader_release(&r);
        buf_release(&again);
        free(p);
    }
    assert_true(accepted > 100);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_format_is_the_documented_one),
    cmocka_unit_test(flags_are_added_where_the_effect_began),
    cmocka_unit_test(batches_read_back),
    cmocka_unit_test(malformed_batches_are_refused),
    cmocka_unit_test(arbitrary_bytes_do_no_harm),
};

TEST_MAIN(tests)
