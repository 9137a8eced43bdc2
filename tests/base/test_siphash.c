/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_siphash.c - base/siphash.c against CPython 3.11, whose hash() of bytes is
 * SipHash-1-3 with a key drawn from PYTHONHASHSEED. */
#include "tests/test.h"

#include "base/siphash.h"

/* Lengths around the word size, with the keys of PYTHONHASHSEED=0 and 42, over 00 01 02 ... */
static void values_equal_an_independent_implementation(void **state)
{
    static const struct siphash_key zero = {{0, 0}};
    static const struct siphash_key other = {
        {UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1)}};
    static const struct {
        size_t n;
        uint64_t by_zero, by_other;
    } cases[] = {
        {1, UINT64_C(7541581120933061747), UINT64_C(14882158396522312841)},
        {7, UINT64_C(3389392686435873370), UINT64_C(14855140601276922842)},
        {8, UINT64_C(16921169381604339434), UINT64_C(6955365679751785211)},
        {9, UINT64_C(8471974163824919394), UINT64_C(7530370446307794435)},
        {15, UINT64_C(17514137373579004394), UINT64_C(10713186435705441528)},
        {16, UINT64_C(9904005486622393783), UINT64_C(3715881956498066949)},
        {63, UINT64_C(4061470857350050649), UINT64_C(496044048319073335)},
    };
    unsigned char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(siphash13(&zero, text, cases[i].n) == cases[i].by_zero);
        assert_true(siphash13(&other, text, cases[i].n) == cases[i].by_other);
    }
}

/* The address of the text is no part of its hash. */
static void alignment_does_not_matter(void **state)
{
    static const struct siphash_key key = {{1, 2}};
    unsigned char text[40];
    uint64_t want = siphash13(&key, "twenty bytes of text", 20);

    (void)state;
    for (size_t at = 0; at < 16; at++) {
        memcpy(text + at, "twenty bytes of text", 20);
        assert_true(siphash13(&key, text + at, 20) == want);
    }
    assert_true(siphash13(&key, NULL, 0) == siphash13(&key, "", 0));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_equal_an_independent_implementation),
    cmocka_unit_test(alignment_does_not_matter),
};

TEST_MAIN(tests)
