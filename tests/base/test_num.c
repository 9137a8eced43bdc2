/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_num.c - base/num.c: strictness at the edges, and the exact text printed. */
#include "tests/test.h"

#include "base/num.h"
#include "base/rand.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void integers_are_parsed_strictly(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-1", true, -1},
        {"1234567890", true, 1234567890},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"100000000000000000000", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"01", false, 0},
        {"00", false, 0},
        {"-0", false, 0},
        {"-01", false, 0},
        {"1a", false, 0},
        {"a", false, 0},
        {"0x10", false, 0},
        {"1.0", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 77;

        print_message("case: '%s'\n", cases[i].text);
        assert_int_equal(num_parse_i64(cases[i].text, strlen(cases[i].text), &v), cases[i].ok);
        assert_true(v == (cases[i].ok ? cases[i].want : 77)); /* untouched when refused */
    }
}

static void unsigned_integers_reach_their_end(void **state)
{
    uint64_t v;

    (void)state;
    assert_true(num_parse_u64("18446744073709551615", 20, &v));
    assert_true(v == UINT64_MAX);
    assert_true(num_parse_u64("0", 1, &v));
    assert_true(v == 0);
    assert_false(num_parse_u64("18446744073709551616", 20, &v));
    assert_false(num_parse_u64("-1", 2, &v));
    assert_false(num_parse_u64("", 0, &v));
    assert_true(num_parse_u64("12x", 2, &v)); /* exactly @n bytes */
    assert_true(v == 12);
}

static void printed_integers_read_back(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        int64_t v = (int64_t)(rng_next(&rng) >> rng_below(&rng, 64));
        char text[NUM_I64_MAX_CHARS], want[32];
        int64_t back;
        size_t n;

        v = i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : i % 2 == 0 ? v : (int64_t)(0 - (uint64_t)v);
        n = num_print_i64(text, v);
        assert_int_equal(n, snprintf(want, sizeof want, "%" PRId64, v));
        assert_memory_equal(text, want, n);
        assert_true(num_parse_i64(text, n, &back));
        assert_true(back == v);
    }
}

static void doubles_are_parsed_whole(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        double want;
    } cases[] = {
        {"0", true, 0},          {"1.5", true, 1.5},        {"-1.5e3", true, -1500},
        {"+3", true, 3},         {".5", true, .5},          {"5.", true, 5},
        {"inf", true, INFINITY}, {"-inf", true, -INFINITY}, {"+Infinity", true, INFINITY},
        {"0x10", true, 16},      {"5e-324", true, 5e-324},  {"1e-320", true, 1e-320},
        {"nan", false, 0},       {"-nan", false, 0},        {"1e400", false, 0},
        {"-1e400", false, 0},    {"1e-400", false, 0},      {"", false, 0},
        {" 1", false, 0},        {"1 ", false, 0},          {"1x", false, 0},
        {"e5", false, 0},        {"-", false, 0},           {"1,5", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);
        double v = 77;
        long double ld;

        print_message("case: '%s'\n", cases[i].text);
        assert_int_equal(num_parse_double(cases[i].text, n, &v), cases[i].ok);
        assert_true(v == (cases[i].ok ? cases[i].want : 77));
        /* A long double reaches further, else the rules are the same. */
        if (strstr(cases[i].text, "e400") == NULL && strstr(cases[i].text, "e-400") == NULL) {
            assert_int_equal(num_parse_ld(cases[i].text, n, &ld), cases[i].ok);
        }
    }
}

/* A NUL in the middle is not an end, and no text is too long to be looked at. */
static void float_text_is_bounded_by_length(void **state)
{
    static char big[NUM_LD_MAX_CHARS + 1];
    double v;
    long double ld;

    (void)state;
    assert_false(num_parse_double("1\0002", 3, &v));
    assert_false(num_parse_double("1\0", 2, &v));
    assert_true(num_parse_double("12", 1, &v));
    assert_true(v == 1);
    memset(big, '0', sizeof big);
    assert_true(num_parse_ld(big, NUM_LD_MAX_CHARS - 1, &ld));
    assert_false(num_parse_ld(big, NUM_LD_MAX_CHARS, &ld));
    assert_false(num_parse_double(big, NUM_LD_MAX_CHARS, &v));
    assert_true(num_parse_ld("1e400", 5, &ld));
    assert_false(num_parse_ld("1e5000", 6, &ld));
}

static void doubles_print_as_redis_does(void **state)
{
    static const struct {
        double v;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {3, "3"},
        {-3, "-3"},
        {0.1, "0.1"},
        {1.5, "1.5"},
        {3.14159265358979, "3.14159265358979"},
        {-0.5, "-0.5"},
        {12.05, "12.05"},
        {-100.001, "-100.001"},
        {0.0001, "0.0001"},
        {0.000123456789012345, "0.000123456789012345"},
        {0.00009, "9e-05"},
        {999999999999999.5, "999999999999999.5"},
        {99999999999999.9, "99999999999999.9"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000"},
        {1e16, "10000000000000000"},
        {9007199254740992, "9007199254740992"},
        {1e17, "1e+17"},
        {1e20, "1e+20"},
        {1e-5, "1e-05"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {-NAN, "nan"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        size_t n = num_print_double(text, cases[i].v);

        assert_string_equal(text, cases[i].want);
        assert_int_equal(n, strlen(text));
    }
}

static void printed_doubles_read_back(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double v, back;
        char text[64];
        size_t n;

        memcpy(&v, &bits, sizeof v);
        if (isnan(v)) {
            continue;
        }
        n = num_print_double(text, v);
        assert_true(n < 64);
        assert_true(num_parse_double(text, n, &back));
        assert_true(back == v);
    }
}

static void assert_prints_shortest(double v)
{
    char text[64], want[64];

    if (v == trunc(v)) {
        return; /* integers are shown in full */
    }
    for (int digits = 15; digits < 18; digits++) {
        snprintf(want, sizeof want, "%.*g", digits, v);
        if (strtod(want, NULL) == v) {
            break;
        }
    }
    num_print_double(text, v);
    assert_string_equal(text, want);
}

/* Fractions have a way of their own: it gives the shortest that printf() gives and reads back. */
static void fractions_print_as_printf_prints_them(void **state)
{
    struct rng rng;
    double power = 1;

    (void)state;
    rng_init(&rng, 6);
    for (int decimals = 0; decimals < 20; decimals++, power *= 10) {
        for (int i = 0; i < 3000; i++) {
            uint64_t r = rng_next(&rng) >> (11 + rng_below(&rng, 53));
            double v = (double)r / power;

            assert_prints_shortest(i % 2 == 0 ? v : -v);
        }
        assert_prints_shortest(nextafter(1 / power, 0));
        assert_prints_shortest(nextafter(1 / power, 1));
        assert_prints_shortest(nextafter(power, 0));
        for (int i = -40; i < 60; i++) { /* powers of two, and what is beside them */
            assert_prints_shortest(ldexp(1, i));
            assert_prints_shortest(nextafter(ldexp(1, i), 0));
        }
    }
}

static void assert_prints_fixed(double v)
{
    for (unsigned decimals = 1; decimals <= 4; decimals++) {
        char text[NUM_FIXED_MAX_CHARS], want[NUM_FIXED_MAX_CHARS];
        size_t n = num_print_fixed(text, v, decimals);

        snprintf(want, sizeof want, "%.*f", (int)decimals, v);
        assert_string_equal(text, want);
        assert_int_equal(n, strlen(want));
    }
}

static void fixed_decimals_are_rounded_as_printf_rounds_them(void **state)
{
    static const double edges[] = {
        0,       0.00005,  0.00015, 0.125,  0.5,        0.9999,      0.99995,
        9.99995, 1e-4,     1e-5,    2.5e-5, -1.25,      1e11,        1e15,
        1e300,   INFINITY, -0.0,    5e-324, 1234.56785, 99999.99995, 1.7976931348623157e308};
    struct rng rng;

    (void)state;
    rng_init(&rng, 8);
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        assert_prints_fixed(edges[i]);
    }
    for (int i = 0; i < 20000; i++) {
        assert_prints_fixed((double)(rng_next(&rng) >> (11 + rng_below(&rng, 50))) / 65536);
    }
}

/* INCRBYFLOAT never shows an exponent, nor zeros behind the last digit. */
static void long_doubles_print_in_full(void **state)
{
    static const struct {
        long double v;
        const char *want;
    } cases[] = {
        {0, "0"},          {-0.0L, "0"},
        {3.0L, "3"},       {100, "100"},
        {10.50L, "10.5"},  {-2.25L, "-2.25"},
        {5000, "5000"},    {1e-17L, "0.00000000000000001"},
        {-1e-18L, "0"},    {1e20L, "100000000000000000000"},
        {INFINITY, "inf"}, {-INFINITY, "-inf"},
    };
    static char text[NUM_LD_MAX_CHARS];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = num_print_ld(text, cases[i].v);

        assert_string_equal(text, cases[i].want);
        assert_int_equal(n, strlen(text));
    }
    assert_true(num_print_ld(text, -__LDBL_MAX__) > 4000);
}

static void memory_sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } cases[] = {
        {"0", true, 0},
        {"100", true, 100},
        {"00100", true, 100},
        {"1b", true, 1},
        {"1k", true, 1000},
        {"1kb", true, 1024},
        {"64mb", true, 64 << 20},
        {"64MB", true, 64 << 20},
        {"5M", true, 5000000},
        {"1g", true, 1000000000},
        {"2gb", true, UINT64_C(2) << 30},
        {"17179869183gb", true, UINT64_C(17179869183) << 30},
        {"17179869184gb", false, 0},
        {"99999999999999999999", false, 0},
        {"", true, 0},
        {"mb", true, 0},
        {"-1", false, 0},
        {"1 mb", false, 0},
        {"1tb", false, 0},
        {"1mbx", false, 0},
        {"1.5gb", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 77;

        print_message("case: '%s'\n", cases[i].text);
        assert_int_equal(num_parse_memory(cases[i].text, &v), cases[i].ok);
        assert_true(v == (cases[i].ok ? cases[i].want : 77));
    }
}

static void human_sizes_have_two_digits(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {
        {0, "0B"},
        {1023, "1023B"},
        {1024, "1.00K"},
        {1536, "1.50K"},
        {1572864, "1.50M"},
        {UINT64_C(1) << 30, "1.00G"},
        {UINT64_MAX, "16.00E"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];

        num_print_human(text, cases[i].bytes);
        assert_string_equal(text, cases[i].want);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(integers_are_parsed_strictly),
    cmocka_unit_test(unsigned_integers_reach_their_end),
    cmocka_unit_test(printed_integers_read_back),
    cmocka_unit_test(doubles_are_parsed_whole),
    cmocka_unit_test(float_text_is_bounded_by_length),
    cmocka_unit_test(doubles_print_as_redis_does),
    cmocka_unit_test(printed_doubles_read_back),
    cmocka_unit_test(fractions_print_as_printf_prints_them),
    cmocka_unit_test(fixed_decimals_are_rounded_as_printf_rounds_them),
    cmocka_unit_test(long_doubles_print_in_full),
    cmocka_unit_test(memory_sizes_have_units),
    cmocka_unit_test(human_sizes_have_two_digits),
};

TEST_MAIN(tests)
