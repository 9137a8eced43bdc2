/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/hll.h against registers that are simply kept in an array; that its bytes and
 * estimates are Redis's is shown by the differential test. */
#include "node/hll.h"
#include "tests/test.h"

#define HEADER(encoding) "HYLL" encoding "\0\0\0\0\0\0\0\0\0\0\x80"
#define NO_LIMIT ((int64_t)HLL_SPARSE_BYTES_MAX)

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static unsigned rank_of(const struct hll *h, unsigned reg)
{
    uint8_t ranks[HLL_REGISTERS] = {0};

    assert_true(hll_merge(ranks, h->bytes, h->n));
    return ranks[reg];
}

/* Whatever is raised in whatever order, a sparse one and a dense one hold what an array would. */
static void registers_hold_the_highest_rank(void **state)
{
    uint8_t want[HLL_REGISTERS] = {0}, sparse_ranks[HLL_REGISTERS], dense_ranks[HLL_REGISTERS];
    uint64_t seed = 1;
    struct hll sparse, dense;

    (void)state;
    hll_init(&sparse);
    hll_init(&dense);
    assert_true(hll_make_dense(&dense));
    for (unsigned i = 0; i < 20000; i++) {
        /* crowded at both ends, so that runs are split, joined and overwritten */
        unsigned span = i % 3 == 0 ? HLL_REGISTERS : 64;
        unsigned reg = (unsigned)(next_random(&seed) % span);
        unsigned rank = (unsigned)(next_random(&seed) % (i % 5 == 0 ? 32 : 3)) + 1;
        int raised = rank > want[reg];

        reg = i % 2 == 0 ? reg : HLL_REGISTERS - 1 - reg;
        raised = rank > want[reg];
        want[reg] = (uint8_t)MAX_OF(rank, (unsigned)want[reg]);
        assert_int_equal(hll_raise(&sparse, (struct hll_place){reg, rank}, NO_LIMIT), raised);
        assert_int_equal(hll_raise(&dense, (struct hll_place){reg, rank}, NO_LIMIT), raised);
    }
    assert_int_equal(hll_encoding_of(sparse.bytes), HLL_SPARSE);
    memset(sparse_ranks, 0, sizeof sparse_ranks);
    memset(dense_ranks, 0, sizeof dense_ranks);
    assert_true(hll_merge(sparse_ranks, sparse.bytes, sparse.n));
    assert_true(hll_merge(dense_ranks, dense.bytes, dense.n));
    assert_memory_equal(sparse_ranks, want, sizeof want);
    assert_memory_equal(dense_ranks, want, sizeof want);
}

/* Estimates are within what the method promises, and the same for all forms. */
static void estimates_are_close_in_every_form(void **state)
{
    struct hll sparse, dense;
    unsigned n = 0;

    (void)state;
    hll_init(&sparse);
    hll_init(&dense);
    assert_true(hll_make_dense(&dense));
    for (unsigned until = 1; until <= 100000; until *= 10) {
        uint8_t ranks[HLL_REGISTERS] = {0};
        uint64_t a, b;

        for (; n < until; n++) {
            struct hll_place at = hll_place_of(&n, sizeof n);

            assert_true(hll_raise(&sparse, at, 3000) >= 0);
            assert_true(hll_raise(&dense, at, 3000) >= 0);
        }
        assert_true(hll_count(sparse.bytes, sparse.n, &a));
        assert_true(hll_count(dense.bytes, dense.n, &b));
        assert_int_equal(a, b);
        assert_true(hll_merge(ranks, dense.bytes, dense.n));
        assert_int_equal(hll_count_ranks(ranks), a);
        assert_in_range(a, until - until / 30, until + until / 30);
    }
    assert_int_equal(hll_encoding_of(sparse.bytes), HLL_DENSE);
    assert_null(hll_self_test());
}

static void an_empty_one_counts_nothing_and_a_full_one_is_finite(void **state)
{
    struct hll h;
    uint64_t count;

    (void)state;
    hll_init(&h);
    assert_int_equal(h.n, HLL_HEADER_BYTES + 2);
    assert_true(hll_stored_count(h.bytes, &count));
    assert_int_equal(count, 0);
    assert_true(hll_count(h.bytes, h.n, &count));
    assert_int_equal(count, 0);
    assert_true(hll_make_dense(&h));
    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        hll_dense_set(h.bytes, reg, 51);
    }
    assert_true(hll_count(h.bytes, h.n, &count));
    assert_true(count > UINT64_C(1) << 60);
}

/* At the limit it is sparse, beyond it dense; a rank that no run can say makes it dense as well. */
static void it_becomes_dense_at_the_limit(void **state)
{
    struct hll h;

    (void)state;
    hll_init(&h);
    assert_int_equal(hll_raise(&h, (struct hll_place){1000, 32}, HLL_HEADER_BYTES + 5), 1);
    assert_int_equal(hll_encoding_of(h.bytes), HLL_SPARSE);
    assert_int_equal(h.n, HLL_HEADER_BYTES + 5);
    assert_int_equal(hll_raise(&h, (struct hll_place){5000, 1}, HLL_HEADER_BYTES + 5), 1);
    assert_int_equal(hll_encoding_of(h.bytes), HLL_DENSE);
    assert_int_equal(h.n, HLL_DENSE_BYTES);
    assert_int_equal(rank_of(&h, 1000), 32);
    assert_int_equal(rank_of(&h, 5000), 1);

    hll_init(&h);
    assert_int_equal(hll_raise(&h, (struct hll_place){0, 33}, NO_LIMIT), 1);
    assert_int_equal(hll_encoding_of(h.bytes), HLL_DENSE);
    assert_int_equal(rank_of(&h, 0), 33);
}

static void damaged_bytes_are_found_out(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        bool is, counts;
    } cases[] = {
        {"sound", HEADER("\1") "\x7f\xff", 18, true, true},
        {"a register short", HEADER("\1") "\x7f\xfe", 18, true, false},
        {"one too many", HEADER("\1") "\x7f\xff\x00", 19, true, false},
        {"cut off within a run", HEADER("\1") "\x3f\x7f", 18, true, false},
        {"no runs", HEADER("\1"), 16, true, false},
        {"short header", HEADER("\1"), 15, false, false},
        {"unknown encoding", HEADER("\2") "\x7f\xff", 18, false, false},
        {"dense of the wrong length", HEADER("\0") "\x7f\xff", 18, false, false},
        {"other letters", "hyll\1\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff", 18, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* of its exact size, so that a sanitizer sees a step too far */
        unsigned char *p = malloc(cases[i].n);
        uint8_t ranks[HLL_REGISTERS] = {0};
        struct hll h;
        uint64_t count;

        print_message("case: %s\n", cases[i].name);
        memcpy(p, cases[i].bytes, cases[i].n);
        assert_int_equal(hll_is(p, cases[i].n), cases[i].is);
        if (cases[i].is) {
            assert_int_equal(hll_count(p, cases[i].n, &count), cases[i].counts);
            assert_int_equal(hll_merge(ranks, p, cases[i].n), cases[i].counts);
            assert_true(hll_load(&h, p, cases[i].n));
            assert_int_equal(hll_raise(&h, (struct hll_place){16383, 1}, NO_LIMIT),
                             i < 1 || i == 2 ? 1 : -1);
            assert_true(hll_load(&h, p, cases[i].n));
            assert_int_equal(hll_make_dense(&h), cases[i].counts);
        }
        free(p);
    }
}

/* Of random bytes nothing is read or written beyond the end; what becomes of them is all the same.
 */
static void random_bytes_do_no_harm(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct hll h = {0};
        uint64_t count;

        hll_init(&h);
        h.n = HLL_HEADER_BYTES + (size_t)(next_random(&seed) % (i % 10 == 0 ? 32768 : 60));
        for (size_t at = HLL_HEADER_BYTES; at < h.n; at++) {
            h.bytes[at] = (unsigned char)next_random(&seed);
        }
        for (unsigned j = 0; j < 20 && hll_encoding_of(h.bytes) == HLL_SPARSE; j++) {
            unsigned reg = (unsigned)next_random(&seed) % HLL_REGISTERS;

            (void)hll_raise(&h, (struct hll_place){reg, j + 1}, NO_LIMIT);
        }
        (void)!hll_count(h.bytes, h.n, &count);
        (void)!hll_make_dense(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_hold_the_highest_rank),
        cmocka_unit_test(estimates_are_close_in_every_form),
        cmocka_unit_test(an_empty_one_counts_nothing_and_a_full_one_is_finite),
        cmocka_unit_test(it_becomes_dense_at_the_limit),
        cmocka_unit_test(damaged_bytes_are_found_out),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
