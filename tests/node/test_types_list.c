/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/types/list.c: against an array, by random operations from seeds, with chunks of all
 * kinds. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/types/list.h"

#include <time.h>

#define MODEL_MAX 2000

struct model {
    size_t n;
    char *e[MODEL_MAX];
};

static void model_insert(struct model *m, size_t at, const char *s)
{
    memmove(&m->e[at + 1], &m->e[at], (m->n++ - at) * sizeof(char *));
    m->e[at] = strdup(s);
    assert_non_null(m->e[at]);
}

static void model_remove(struct model *m, size_t at)
{
    free(m->e[at]);
    memmove(&m->e[at], &m->e[at + 1], (--m->n - at) * sizeof(char *));
}

static void assert_element(listpack_pos p, const char *want)
{
    assert_non_null(p);
    assert_true(listpack_equals(p, want, strlen(want)));
}

static void assert_same(const struct item *it, const struct model *m)
{
    struct list_iter i;
    size_t sum = 0;

    assert_int_equal(list_len(it), m->n);
    list_iter_at(&i, it, 0, false);
    for (size_t k = 0; k < m->n; k++) {
        assert_element(list_iter_next(&i), m->e[k]);
    }
    assert_null(list_iter_next(&i));
    if (m->n > 0) {
        list_iter_at(&i, it, m->n - 1, true);
        for (size_t k = m->n; k-- > 0;) {
            assert_element(list_iter_next(&i), m->e[k]);
        }
        assert_null(list_iter_next(&i));
        for (size_t k = 0; k < m->n; k += 1 + m->n / 20) {
            list_iter_at(&i, it, k, false);
            assert_element(list_iter_next(&i), m->e[k]);
        }
    }
    for (size_t k = 0; k < list_chunks(item_value(it)); k++) {
        size_t count = listpack_count(list_chunk(item_value(it), k));

        assert_true(count > 0 || m->n == 0);
        sum += count;
    }
    assert_int_equal(sum, m->n);
    assert_true(list_type.bytes(item_value(it), 0) >= sum);
}

static void random_element(struct rng *rng, char *out)
{
    size_t n;

    if (rng_below(rng, 3) == 0) {
        sprintf(out, "%d", (int)rng_below(rng, 20) * 1000);
        return;
    }
    n = rng_below(rng, 30) == 0 ? 5000 : rng_below(rng, 40);
    memset(out, 'a' + (int)rng_below(rng, 3), n);
    out[n] = '\0';
}

static void remove_equal(struct item *it, struct model *m, const char *s, size_t most,
                         bool backwards, const struct types_limits *l)
{
    size_t removed = 0;

    for (size_t k = 0; k < m->n && removed < most;) {
        size_t at = backwards ? m->n - 1 - k : k;

        if (strcmp(m->e[at], s) == 0) {
            model_remove(m, at);
            removed++;
        } else {
            k++;
        }
    }
    assert_int_equal(list_remove_equal(it, s, strlen(s), most, backwards, l), removed);
}

static void step(struct rng *rng, struct item *it, struct model *m, const struct types_limits *l)
{
    char s[6000];
    size_t at = rng_below(rng, m->n + 1);
    uint64_t what = rng_below(rng, 12);

    random_element(rng, s);
    if (what < 4 && m->n < MODEL_MAX) {
        list_push(it, what < 2, s, strlen(s), l);
        model_insert(m, what < 2 ? 0 : m->n, s);
    } else if (what < 7 && m->n < MODEL_MAX) {
        list_insert(it, at, s, strlen(s), l);
        model_insert(m, at, s);
    } else if (what < 9 && at < m->n) {
        list_set(it, at, s, strlen(s), l);
        model_remove(m, at);
        model_insert(m, at, s);
    } else if (what == 9) {
        size_t most = rng_below(rng, 4) == 0 ? MODEL_MAX : 1 + rng_below(rng, 3);

        remove_equal(it, m, s, most, rng_below(rng, 2) == 1, l);
    } else if (at < m->n) {
        uint64_t chance = rng_below(rng, 60);
        size_t most = chance == 0 ? MODEL_MAX : chance < 3 ? 200 : 3;
        size_t count = rng_below(rng, MIN_OF(m->n - at, most) + 1);

        list_remove(it, at, count, l);
        while (count-- > 0) {
            model_remove(m, at);
        }
    }
}

static void random_changes_give_what_an_array_gives(void **state)
{
    static const int64_t sizes[] = {-2, -1, -5, 1, 4, 128};

    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct types_limits limits = {.list_max_listpack_size = sizes[seed % ARRAY_LEN(sizes)]};
        struct item *it = item_detached(list_new());
        static struct model m;
        struct rng rng;

        rng_init(&rng, seed);
        for (int i = 0; i < 900; i++) {
            step(&rng, it, &m, &limits);
            if (i % 60 == 0) {
                assert_same(it, &m);
            }
        }
        assert_same(it, &m);
        while (m.n > 0) {
            model_remove(&m, 0);
        }
        item_free(it);
    }
}

/* Both ends at O(1), and chunks that are full. */
static void queues_stay_dense(void **state)
{
    struct types_limits limits = {.list_max_listpack_size = -2};
    struct item *it = item_detached(list_new());
    char s[24];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        list_push(it, false, s, (size_t)sprintf(s, "element:%08d", i), &limits);
    }
    assert_true(list_type.bytes(item_value(it), 0) < 200000 * 20);
    for (int i = 0; i < 199990; i++) {
        struct list_iter iter;

        list_iter_at(&iter, it, 0, false);
        sprintf(s, "element:%08d", i);
        assert_element(list_iter_next(&iter), s);
        list_remove(it, 0, 1, &limits);
    }
    assert_int_equal(list_chunks(item_value(it)), 1);
    item_free(it);
}

static struct item *row_of_chunks(int n, const struct types_limits *limits)
{
    struct item *it = item_detached(list_new());
    char s[24];

    for (int i = 0; i < n; i++) {
        list_push(it, false, s, (size_t)sprintf(s, "%d", i % 3), limits);
    }
    assert_int_equal(list_chunks(item_value(it)), n);
    return it;
}

/* Many chunks that go from the middle cost one move of the others, not one for each: with the
 * square of their number this test would take minutes. A ring that has become too large goes. */
static void many_chunks_go_at_the_cost_of_one(void **state)
{
    enum { CHUNKS = 450000 };
    struct types_limits limits = {.list_max_listpack_size = 1};
    struct item *it = row_of_chunks(CHUNKS, &limits);
    time_t begin = time(NULL);

    (void)state;
    list_remove(it, CHUNKS / 3, CHUNKS / 3, &limits);
    assert_int_equal(list_chunks(item_value(it)), CHUNKS - CHUNKS / 3);
    assert_int_equal(list_remove_equal(it, "1", 1, CHUNKS, false, &limits), CHUNKS / 9 * 2);
    assert_int_equal(list_remove_equal(it, "2", 1, CHUNKS, true, &limits), CHUNKS / 9 * 2);
    assert_int_equal(list_chunks(item_value(it)), list_len(it));
    list_remove(it, 5, list_len(it) - 10, &limits);
    assert_int_equal(list_chunks(item_value(it)), 10);
    assert_true(list_type.bytes(item_value(it), 0) < 64 * 1024);
    assert_true(time(NULL) - begin < 20);
    item_free(it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_give_what_an_array_gives),
        cmocka_unit_test(queues_stay_dense),
        cmocka_unit_test(many_chunks_go_at_the_cost_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
