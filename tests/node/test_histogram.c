/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_histogram.c - counts of durations in buckets. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/histogram.h"

#include <stdlib.h>

/* Every value lies in its bucket: above the end of the one before, up to its own end, which is at
 * most a thirty-second part larger. */
static void buckets_follow_each_other_without_gaps(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t first = histogram_bucket_end(i - 1) + 1, end = histogram_bucket_end(i);

        assert_true(first <= end);
        assert_int_equal(histogram_bucket(first), i);
        assert_int_equal(histogram_bucket(end), i);
        assert_true(end - first <= first / 32);
    }
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket_end(HISTOGRAM_BUCKETS - 1),
                     (UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t v = rng_next(&rng) >> (64 - HISTOGRAM_MAX_BITS + rng_below(&rng, 30));
        unsigned b = histogram_bucket(v);

        assert_true(v <= histogram_bucket_end(b));
        assert_true(b == 0 || v > histogram_bucket_end(b - 1));
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Against the sorted values themselves. */
static void percentiles_are_those_of_the_values(void **state)
{
    enum { N = 5000 };
    static const double percents[] = {0, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
    static uint64_t values[N];
    struct histogram *h = calloc(1, sizeof *h);
    struct rng rng;

    (void)state;
    assert_non_null(h);
    rng_init(&rng, 7);
    for (size_t i = 0; i < N; i++) {
        values[i] = rng_next(&rng) >> (30 + rng_below(&rng, 34));
        histogram_add(h, values[i]);
    }
    qsort(values, N, sizeof values[0], by_value);
    assert_int_equal(h->n, N);
    assert_int_equal(h->max, values[N - 1]);
    for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
        size_t rank = (size_t)(percents[i] / 100 * N + 0.999999);
        uint64_t want = values[rank == 0 ? 0 : rank - 1];
        uint64_t got = histogram_percentile(h, percents[i]);

        print_message("p%g: %llu, %llu\n", percents[i], (unsigned long long)got,
                      (unsigned long long)want);
        assert_true(got >= want);
        assert_true(got - want <= want / 32);
    }
    assert_int_equal(histogram_percentile(h, 100), values[N - 1]);
    free(h);
}

static void few_values_and_large_ones(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_int_equal(histogram_up_to(h, UINT64_MAX), 0);
    histogram_add(h, 3);
    assert_int_equal(histogram_percentile(h, 0), 3);
    assert_int_equal(histogram_percentile(h, 100), 3);
    assert_int_equal(histogram_up_to(h, 2), 0);
    assert_int_equal(histogram_up_to(h, 3), 1);
    histogram_add(h, UINT64_MAX); /* beyond the last bucket, and still the largest */
    assert_int_equal(histogram_percentile(h, 50), 3);
    assert_int_equal(histogram_percentile(h, 51), UINT64_MAX);
    assert_int_equal(histogram_up_to(h, UINT64_C(1) << 30), 1);
    assert_int_equal(histogram_up_to(h, UINT64_MAX), 2);
    free(h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(buckets_follow_each_other_without_gaps),
    cmocka_unit_test(percentiles_are_those_of_the_values),
    cmocka_unit_test(few_values_and_large_ones),
};

TEST_MAIN(tests)
