/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_rand.c - base/rand.c: repeatable where it must be, random where it must be. */
#include "tests/test.h"

#include "base/rand.h"

/* A seed is a promise: a simulation replays only if these numbers never change. Expected: an
 * independent computation of splitmix64 (its published first output for seed 0) and xoshiro256**.
 */
static void seed_fixes_the_sequence(void **state)
{
    struct rng a, b;

    (void)state;
    rng_init(&a, 0);
    assert_true(a.s[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(rng_next(&a) == UINT64_C(0x99ec5f36cb75f2b4));
    assert_true(rng_next(&a) == UINT64_C(0xbf6e1f784956452a));
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_next(&a) == rng_next(&b));
    }
    rng_init(&b, 43);
    assert_true(rng_next(&a) != rng_next(&b));
}

/* Every value of a small range comes, about as often as the others, and none beyond it. */
static void below_is_uniform(void **state)
{
    size_t counts[10] = {0};
    struct rng r;

    (void)state;
    rng_init(&r, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t v = rng_below(&r, ARRAY_LEN(counts));

        assert_true(v < ARRAY_LEN(counts));
        counts[v]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        assert_in_range(counts[i], 9500, 10500);
    }
    assert_int_equal(rng_below(&r, 1), 0);
    /* Just above 2^63 half of all draws are rejected: the loop must come to an end. */
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&r, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
}

static void identities_differ(void **state)
{
    char a[41], b[41];

    (void)state;
    rand_hex(a, 40);
    rand_hex(b, 40);
    assert_int_equal(strlen(a), 40);
    assert_int_equal(strspn(a, "0123456789abcdef"), 40);
    assert_string_not_equal(a, b);
    rand_hex(a, 0);
    assert_string_equal(a, "");
}

/* More than one getrandom() call gives at once for sure (256 bytes), and no part left untouched. */
static void long_requests_are_filled(void **state)
{
    static unsigned char bytes[100000];
    size_t zeros = 0;

    (void)state;
    rand_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        zeros += bytes[i] == 0;
    }
    assert_in_range(zeros, 200, 600); /* expected 390, standard deviation 20 */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(seed_fixes_the_sequence),
    cmocka_unit_test(below_is_uniform),
    cmocka_unit_test(identities_differ),
    cmocka_unit_test(long_requests_are_filled),
};

TEST_MAIN(tests)
