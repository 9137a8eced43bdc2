/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_crc.c - base/crc.c against published check values and a bit-by-bit CRC. */
#include "tests/test.h"

#include "base/crc.h"
#include "base/crc_impl.h"
#include "base/rand.h"

/* The check values of the CRC catalogue, and those of RFC 3720, B.4 for CRC32C. */
static void published_values_are_met(void **state)
{
    unsigned char bytes[32];

    (void)state;
    assert_true(crc32c(0, "123456789", 9) == 0xe3069283u);
    assert_true(crc64_jones(0, "123456789", 9) == UINT64_C(0xe9c6d914c4b8d9ca));
    assert_true(crc16_xmodem("123456789", 9) == 0x31c3u);
    memset(bytes, 0, sizeof bytes);
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x62a8ab43u);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x46dd794eu);
    assert_true(crc32c(0, NULL, 0) == 0);
    assert_true(crc64_jones(0, NULL, 0) == 0);
    assert_true(crc16_xmodem(NULL, 0) == 0);
}

/* A reflected CRC, one bit at a time. */
static uint64_t slow_crc(uint64_t crc, uint64_t poly, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ poly : crc >> 1;
        }
    }
    return crc;
}

/* All lengths and alignments that the eight-byte steps distinguish, by instruction and by table;
 * and the sum of two parts is the sum of the whole. */
static void fast_ways_equal_the_slow_one(void **state)
{
    unsigned char bytes[128];
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)rng_next(&rng);
    }
    for (size_t at = 0; at < 9; at++) {
        for (size_t n = 0; n + at <= sizeof bytes; n++) {
            const unsigned char *p = bytes + at;
            uint32_t want32 = ~(uint32_t)slow_crc(0xffffffffu, 0x82f63b78u, p, n);
            uint64_t want64 = slow_crc(0, UINT64_C(0x95ac9329ac4bc9b5), p, n);
            size_t half = n / 3;

            assert_true(crc32c(0, p, n) == want32);
            assert_true(crc32c_by_table(0, p, n) == want32);
            assert_true(crc32c(crc32c(0, p, half), p + half, n - half) == want32);
            assert_true(crc64_jones(0, p, n) == want64);
            assert_true(crc64_jones(crc64_jones(0, p, half), p + half, n - half) == want64);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(published_values_are_met),
    cmocka_unit_test(fast_ways_equal_the_slow_one),
};

TEST_MAIN(tests)
