/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/types/listpack.c and intset.c: against arrays, by random operations from seeds. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/types/intset.h"
#include "node/types/listpack.h"

#define MODEL_MAX 300

struct model {
    size_t n;
    char *text[MODEL_MAX];
    size_t len[MODEL_MAX];
};

static void model_insert(struct model *m, size_t at, const char *s, size_t n)
{
    memmove(&m->text[at + 1], &m->text[at], (m->n - at) * sizeof m->text[0]);
    memmove(&m->len[at + 1], &m->len[at], (m->n - at) * sizeof m->len[0]);
    m->text[at] = malloc(n + 1);
    assert_non_null(m->text[at]);
    memcpy(m->text[at], s, n);
    m->len[at] = n;
    m->n++;
}

static void model_remove(struct model *m, size_t at)
{
    free(m->text[at]);
    m->n--;
    memmove(&m->text[at], &m->text[at + 1], (m->n - at) * sizeof m->text[0]);
    memmove(&m->len[at], &m->len[at + 1], (m->n - at) * sizeof m->len[0]);
}

static void assert_entry(listpack_pos p, const struct model *m, size_t i)
{
    char scratch[24];
    struct arg have;

    assert_non_null(p);
    have = listpack_text(p, scratch);
    assert_int_equal(have.n, m->len[i]);
    assert_memory_equal(have.p, m->text[i], have.n);
    assert_true(listpack_equals(p, m->text[i], m->len[i]));
}

static void assert_same(const struct listpack *lp, const struct model *m)
{
    listpack_pos p = listpack_first(lp);

    assert_true(listpack_validate(lp->bytes, listpack_bytes(lp)));
    assert_int_equal(listpack_count(lp), m->n);
    for (size_t i = 0; i < m->n; i++) {
        assert_entry(p, m, i);
        assert_ptr_equal(listpack_seek(lp, (int64_t)i), p);
        assert_ptr_equal(listpack_seek(lp, (int64_t)i - (int64_t)m->n), p);
        p = listpack_next(lp, p);
    }
    assert_null(p);
    p = listpack_last(lp);
    for (size_t i = m->n; i-- > 0;) {
        assert_entry(p, m, i);
        p = listpack_prev(lp, p);
    }
    assert_null(p);
    assert_null(listpack_seek(lp, (int64_t)m->n));
    assert_null(listpack_seek(lp, -(int64_t)m->n - 1));
}

/* A value around the thresholds of the encodings. */
static size_t random_value(struct rng *rng, char *out)
{
    static const int64_t edges[] = {0,          127,       128,      4095,       4096,
                                    -4096,      -4097,     32767,    -32768,     32768,
                                    8388607,    -8388608,  8388608,  2147483647, -2147483648,
                                    2147483648, INT64_MAX, INT64_MIN};
    static const size_t sizes[] = {0,    1,    62,   63,    64,    65,    126,   127,  128,
                                   4094, 4095, 4096, 16380, 16381, 16382, 16383, 16384};

    if (rng_below(rng, 2) == 0) {
        int64_t v = edges[rng_below(rng, ARRAY_LEN(edges))];

        return (size_t)sprintf(out, rng_below(rng, 8) == 0 ? "0%lld" : "%lld", (long long)v);
    }

    size_t n =
        rng_below(rng, 4) == 0 ? sizes[rng_below(rng, ARRAY_LEN(sizes))] : rng_below(rng, 30);

    memset(out, 'a' + (int)rng_below(rng, 26), n);
    return n;
}

static void step(struct rng *rng, struct listpack **lp, struct model *m)
{
    static char value[20000];
    size_t at = rng_below(rng, m->n + 1);
    size_t n = random_value(rng, value);
    listpack_pos pos = NULL;
    uint64_t what = rng_below(rng, 10);

    if (m->n == MODEL_MAX || (what < 4 && at < m->n)) {
        size_t count = 1 + rng_below(rng, 3);

        at = MIN_OF(at, m->n - 1);
        *lp = listpack_delete(*lp, listpack_seek(*lp, (int64_t)at), count, &pos);
        for (; count > 0 && at < m->n; count--) {
            model_remove(m, at);
        }
        assert_ptr_equal(pos, listpack_seek(*lp, (int64_t)at));
    } else if (what < 6 && at < m->n) {
        *lp = listpack_replace(*lp, listpack_seek(*lp, (int64_t)at), value, n, &pos);
        model_remove(m, at);
        model_insert(m, at, value, n);
        assert_entry(pos, m, at);
    } else {
        *lp = listpack_insert(*lp, listpack_seek(*lp, (int64_t)at), value, n, &pos);
        model_insert(m, at, value, n);
        assert_entry(pos, m, at);
    }
}

static void random_changes_give_what_an_array_gives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct listpack *lp = listpack_new();
        struct model m = {0};
        struct rng rng;

        rng_init(&rng, seed);
        for (int i = 0; i < 200; i++) {
            step(&rng, &lp, &m);
            if (i % 10 == 0) {
                assert_same(lp, &m);
            }
        }
        assert_same(lp, &m);
        while (m.n > 0) {
            model_remove(&m, 0);
        }
        free(lp);
    }
}

static void values_are_found_among_every_other_entry(void **state)
{
    struct listpack *lp = listpack_new();
    listpack_pos p;

    (void)state;
    for (int i = 0; i < 20; i++) {
        char text[24];

        lp = listpack_append(lp, text, (size_t)sprintf(text, "f%d", i));
        lp = listpack_append_i64(lp, i);
    }
    p = listpack_find(lp, listpack_first(lp), "f7", 2, 1);
    assert_ptr_equal(p, listpack_seek(lp, 14));
    assert_null(listpack_find(lp, listpack_first(lp), "7", 1, 1)); /* a value, not a field */
    assert_ptr_equal(listpack_find(lp, listpack_first(lp), "7", 1, 0), listpack_seek(lp, 15));
    assert_null(listpack_find(lp, listpack_first(lp), "07", 2, 0)); /* another text */
    free(lp);
}

static void two_become_one(void **state)
{
    struct listpack *a = listpack_new(), *b = listpack_new();

    (void)state;
    a = listpack_append(a, "x", 1);
    b = listpack_append_i64(b, -5000);
    b = listpack_prepend(b, "first", 5);
    a = listpack_concat(a, b);
    assert_true(listpack_validate(a->bytes, listpack_bytes(a)));
    assert_int_equal(listpack_count(a), 3);
    assert_true(listpack_equals(listpack_seek(a, 1), "first", 5));
    assert_true(listpack_equals(listpack_last(a), "-5000", 5));
    free(a);
    free(b);
}

/* More than the header can count: the count is found by walking. */
static void many_entries_are_counted(void **state)
{
    struct listpack *lp = listpack_new();

    (void)state;
    for (int i = 0; i < 70000; i++) {
        lp = listpack_append_i64(lp, i % 100);
    }
    assert_int_equal(listpack_count(lp), 70000);
    assert_true(listpack_equals(listpack_seek(lp, -1), "99", 2));
    lp = listpack_delete(lp, listpack_first(lp), 10000, NULL);
    assert_int_equal(listpack_count(lp), 60000);
    assert_true(listpack_validate(lp->bytes, listpack_bytes(lp)));
    free(lp);
}

/* Bytes that one bit or a cut has damaged are refused, or are another whole listpack that can be
 * walked (ASan looks on). */
static void damaged_bytes_are_refused_or_whole(void **state)
{
    struct listpack *lp = listpack_new();
    struct rng rng;
    size_t n, kept = 0;

    (void)state;
    rng_init(&rng, 3);
    for (int i = 0; i < 12; i++) {
        char value[20000];
        size_t len = random_value(&rng, value);

        lp = listpack_append(lp, value, MIN_OF(len, (size_t)200));
    }
    n = listpack_bytes(lp);
    for (size_t i = 0; i < n * 8 + n; i++) {
        size_t cut = i < n * 8 ? n : i - n * 8;
        unsigned char *copy = malloc(n);

        assert_non_null(copy);
        memcpy(copy, lp->bytes, n);
        if (i < n * 8) {
            copy[i / 8] ^= (unsigned char)(1u << i % 8);
        }
        if (listpack_validate(copy, cut)) {
            struct listpack *back = listpack_from(copy, cut);
            char scratch[24];
            size_t count = 0, sum = 0;

            for (listpack_pos p = listpack_first(back); p != NULL; p = listpack_next(back, p)) {
                sum += listpack_text(p, scratch).n;
                count++;
            }
            assert_true(sum <= n * 24);
            assert_int_equal(listpack_count(back), count);
            /* Whatever form an entry had, it is found now. */
            back = listpack_canonical(back);
            assert_int_equal(listpack_count(back), count);
            assert_true(listpack_validate(back->bytes, listpack_bytes(back)));
            for (listpack_pos p = listpack_first(back); p != NULL; p = listpack_next(back, p)) {
                struct arg text = listpack_text(p, scratch);

                assert_non_null(listpack_find(back, listpack_first(back), text.p, text.n, 0));
            }
            kept++;
            free(back);
        }
        free(copy);
    }
    assert_true(kept < n * 8); /* some were refused */
    free(lp);
}

/* ---- intset -------------------------------------------------------------------------------- */

static void a_set_of_integers_is_sorted_and_widens(void **state)
{
    static const int64_t pool[] = {0,          1,           -1,        5,          32767,
                                   -32768,     32768,       -32769,    2147483647, -2147483648,
                                   2147483648, -2147483649, INT64_MAX, INT64_MIN};

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct intset *s = intset_new();
        bool have[ARRAY_LEN(pool)] = {false};
        struct rng rng;
        size_t n = 0;

        rng_init(&rng, seed);
        for (int i = 0; i < 60; i++) {
            size_t which = rng_below(&rng, ARRAY_LEN(pool));
            bool changed;

            if (rng_below(&rng, 2) == 0) {
                s = intset_add(s, pool[which], &changed);
                assert_int_equal(changed, !have[which]);
                have[which] = true;
            } else {
                s = intset_remove(s, pool[which], &changed);
                assert_int_equal(changed, have[which]);
                have[which] = false;
            }
            assert_true(intset_validate(&s->width, intset_bytes(s)));
            assert_true(intset_allocation(s) >= sizeof s->head + intset_bytes(s));
        }
        for (size_t i = 0; i < ARRAY_LEN(pool); i++) {
            assert_int_equal(intset_has(s, pool[i]), have[i]);
            n += have[i];
        }
        assert_int_equal(intset_count(s), n);
        free(s);
    }
}

static void sets_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *name;
        unsigned char bytes[24];
        size_t n;
        bool ok;
    } cases[] = {
        {"empty", {2, 0, 0, 0, 0, 0, 0, 0}, 8, true},
        {"two values", {2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0}, 12, true},
        {"negative first", {2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 2, 0}, 12, true},
        {"no header", {2, 0, 0, 0}, 4, false},
        {"width 3", {3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3}, 11, false},
        {"short", {2, 0, 0, 0, 2, 0, 0, 0, 1, 0}, 10, false},
        {"long", {2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 0}, 12, false},
        {"odd", {2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2}, 11, false},
        {"twice", {2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0}, 12, false},
        {"falling", {2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0}, 12, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %s\n", cases[i].name);
        assert_int_equal(intset_validate(cases[i].bytes, cases[i].n), cases[i].ok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_give_what_an_array_gives),
        cmocka_unit_test(values_are_found_among_every_other_entry),
        cmocka_unit_test(two_become_one),
        cmocka_unit_test(many_entries_are_counted),
        cmocka_unit_test(damaged_bytes_are_refused_or_whole),
        cmocka_unit_test(a_set_of_integers_is_sorted_and_widens),
        cmocka_unit_test(sets_that_are_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
