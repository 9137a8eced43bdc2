/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_hmap.c - embedded hash tables. */
#include "tests/test.h"

#include "base/hmap.h"
#include "base/mem.h"
#include "base/rand.h"

struct number {
    struct hmap_node node;
    uint64_t value;
    bool in;
};

static struct number *find(const struct hmap *m, uint64_t hash, uint64_t value)
{
    for (struct hmap_node *x = hmap_find(m, hash); x != NULL; x = hmap_next(x)) {
        struct number *f = CONTAINER_OF(x, struct number, node);

        assert_int_equal(x->hash, hash);
        if (f->value == value) {
            return f;
        }
    }
    return NULL;
}

/* Numbers come and go at random, with a poor hash, so that buckets are shared and equal hashes
 * occur, while the table grows. */
static void what_was_added_is_found(void **state)
{
    enum { N = 5000 };
    struct number *all = mem_zalloc(N * sizeof *all);
    struct hmap m = {0};
    struct rng r;
    size_t n = 0;

    (void)state;
    rng_init(&r, 7);
    assert_null(hmap_find(&m, 1));
    for (int step = 0; step < 60000; step++) {
        size_t i = (size_t)rng_below(&r, N);
        uint64_t hash = i / 3 * 5;

        if (!all[i].in) {
            assert_null(find(&m, hash, i));
            all[i].value = i;
            hmap_add(&m, &all[i].node, hash);
            n++;
        } else {
            assert_ptr_equal(find(&m, hash, i), &all[i]);
            if (rng_below(&r, 2) != 0) {
                continue;
            }
            hmap_remove(&m, &all[i].node);
            n--;
        }
        all[i].in = !all[i].in;
        assert_int_equal(m.n, n);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(find(&m, i / 3 * 5, i) != NULL, all[i].in);
    }
    hmap_release(&m);
    free(all);
}

/* By its cursor everything can be taken out, also while old and new table are in use. */
static void anything_comes_out_in_the_end(void **state)
{
    (void)state;
    for (size_t n = 0; n < 200; n++) {
        struct number *all = mem_zalloc((n + 1) * sizeof *all);
        struct hmap m = {0};
        struct hmap_node *x;
        size_t cursor = n * 7, taken = 0;

        for (size_t i = 0; i < n; i++) {
            hmap_add(&m, &all[i].node, i * 3);
        }
        while ((x = hmap_any(&m, &cursor)) != NULL) {
            hmap_remove(&m, x);
            taken++;
        }
        assert_int_equal(taken, n);
        hmap_release(&m);
        free(all);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_added_is_found),
    cmocka_unit_test(anything_comes_out_in_the_end),
};

TEST_MAIN(tests)
