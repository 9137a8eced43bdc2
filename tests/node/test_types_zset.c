/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/types/zset.c and ztree.c: both encodings against a sorted array, by random
 * operations from seeds; the tree is checked after each. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/types/members.h"
#include "node/types/zset.h"

static const struct siphash_key hash_key = {{1, 2}};

/* ---- the tree alone ------------------------------------------------------------------------ */

static struct item *number_item(unsigned v)
{
    char name[16];
    int n = snprintf(name, sizeof name, "m%06u", v);

    return item_new_embedded(ITEM_EMBEDDED, name, (size_t)n, "", 0);
}

/* What comes in rising or falling order, or at random, leaves a tree that is in order, counts right
 * and empties to nothing. */
static void trees_stay_in_order(void **state)
{
    enum { N = 6000 };
    static struct item *items[N];

    (void)state;
    for (int order = 0; order < 3; order++) {
        struct ztree t;
        struct rng rng;

        ztree_init(&t);
        rng_init(&rng, 5);
        for (unsigned i = 0; i < N; i++) {
            unsigned v = order == 0 ? i : order == 1 ? N - 1 - i : (i * 7919u) % N;

            items[v] = number_item(v);
            ztree_insert(&t, v / 10, items[v]);
            if (i % 500 == 0) {
                ztree_check(&t);
            }
        }
        ztree_check(&t);
        for (unsigned v = 0; v < N; v += 97) {
            struct ztree_bound b = {
                .score = v / 10, .where = ZTREE_BEFORE_MEMBER, .member = item_key(items[v])};
            struct ztree_pos pos;

            assert_int_equal(ztree_rank(&t, &b, &pos), v);
            assert_ptr_equal(ztree_entry(pos).it, items[v]);
            assert_ptr_equal(ztree_entry(ztree_at(&t, v)).it, items[v]);
        }
        for (unsigned i = 0; i < N; i++) {
            unsigned v = order == 0 ? i : order == 1 ? N - 1 - i : (i * 6007u) % N;

            ztree_remove(&t, v / 10, items[v]);
            free(items[v]);
            items[v] = NULL;
            if (i % 250 == 0) {
                ztree_check(&t);
            }
        }
        assert_int_equal(t.n, 0);
        assert_int_equal(t.bytes, 0);
        ztree_release(&t);
    }
}

static int by_score(const void *pa, const void *pb)
{
    const struct ztree_entry *a = pa, *b = pb;

    return (a->score > b->score) - (a->score < b->score);
}

static void assert_tree_holds(const struct ztree *t, const struct ztree_entry *e, size_t n)
{
    struct ztree_pos pos = ztree_at(t, 0);

    assert_int_equal(t->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(ztree_entry(pos).it, e[i].it);
        assert_true(ztree_entry(pos).score == e[i].score);
        pos = ztree_next(pos);
    }
    assert_null(pos.leaf);
}

/* Scores that move a little or far, and runs of entries cut out, against a sorted array. */
static void updates_and_cuts_keep_the_order(void **state)
{
    enum { N = 3000 };
    static struct ztree_entry e[N];
    struct item *gone[ZTREE_CUT_MAX];
    struct ztree t;
    struct rng rng;
    size_t n = N;

    (void)state;
    rng_init(&rng, 9);
    ztree_init(&t);
    for (unsigned i = 0; i < N; i++) {
        e[i] = (struct ztree_entry){(double)i * 1000, number_item(i)};
        ztree_insert(&t, e[i].score, e[i].it);
    }
    while (n > 0) {
        for (int k = 0; k < 50; k++) {
            size_t i = rng_below(&rng, n);
            uint64_t far = rng_below(&rng, 2) == 0 ? 300 : N * 1000;
            double to = e[i].score + (double)rng_below(&rng, far) +
                        0x1p-20 * (double)rng_below(&rng, 1 << 20);

            ztree_update(&t, e[i].score, e[i].it, to);
            e[i].score = to;
        }
        qsort(e, n, sizeof e[0], by_score);
        ztree_check(&t);
        assert_tree_holds(&t, e, n);
        uint64_t most = rng_below(&rng, 200) + 1;
        uint64_t left = MIN_OF(most, n), at = rng_below(&rng, n - left + 1);

        while (left > 0) {
            unsigned cut = ztree_cut(&t, at, left, gone);

            assert_true(cut > 0 && cut <= left);
            ztree_check(&t);
            for (unsigned i = 0; i < cut; i++) {
                assert_ptr_equal(gone[i], e[at + i].it);
                free(gone[i]);
            }
            memmove(&e[at], &e[at + cut], (n - at - cut) * sizeof e[0]);
            n -= cut;
            left -= cut;
        }
    }
    assert_int_equal(t.bytes, 0);
}

/* In order, nodes are full: 16 bytes an entry and little more. */
static void rising_scores_leave_full_nodes(void **state)
{
    struct ztree t;
    static struct item *items[10000];

    (void)state;
    ztree_init(&t);
    for (unsigned i = 0; i < 10000; i++) {
        items[i] = number_item(i);
        ztree_insert(&t, i, items[i]);
    }
    assert_true(t.bytes < 10000 * 18);
    ztree_release(&t);
    for (unsigned i = 0; i < 10000; i++) {
        free(items[i]);
    }
}

/* ---- sorted sets --------------------------------------------------------------------------- */

#define MODEL_MAX 400

struct model {
    size_t n;
    struct {
        double score;
        char name[16];
    } e[MODEL_MAX];
};

static int before(double score, const char *name, double score2, const char *name2)
{
    if (score != score2) {
        return score < score2;
    }
    return strcmp(name, name2) < 0;
}

static size_t model_find(const struct model *m, const char *name)
{
    size_t i = 0;

    while (i < m->n && strcmp(m->e[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void model_remove(struct model *m, size_t i)
{
    memmove(&m->e[i], &m->e[i + 1], (--m->n - i) * sizeof m->e[0]);
}

static void model_set(struct model *m, const char *name, double score)
{
    size_t i = model_find(m, name);

    if (i < m->n) {
        model_remove(m, i);
    }
    i = 0;
    while (i < m->n && before(m->e[i].score, m->e[i].name, score, name)) {
        i++;
    }
    memmove(&m->e[i + 1], &m->e[i], (m->n++ - i) * sizeof m->e[0]);
    m->e[i].score = score;
    snprintf(m->e[i].name, sizeof m->e[i].name, "%s", name);
}

static void assert_same(const struct item *it, const struct model *m)
{
    struct zset_iter i;
    struct arg member;
    double score;

    assert_int_equal(zset_len(it), m->n);
    zset_iter_at(&i, it, 0, false);
    for (size_t k = 0; k < m->n; k++) {
        assert_true(zset_iter_next(&i, &member, &score));
        assert_int_equal(member.n, strlen(m->e[k].name));
        assert_memory_equal(member.p, m->e[k].name, member.n);
        assert_true(score == m->e[k].score);
    }
    assert_false(zset_iter_next(&i, &member, &score));
    if (m->n == 0) {
        return;
    }
    zset_iter_at(&i, it, m->n - 1, true);
    for (size_t k = m->n; k-- > 0;) {
        assert_true(zset_iter_next(&i, &member, &score));
        assert_memory_equal(member.p, m->e[k].name, member.n);
    }
    assert_false(zset_iter_next(&i, &member, &score));
}

static void assert_ranks(const struct item *it, const struct model *m, struct rng *rng)
{
    struct ztree_bound b = {.score = (double)rng_below(rng, 40) / 2 - 5,
                            .where = rng_below(rng, 2) ? ZTREE_BEFORE_ALL : ZTREE_BEHIND_ALL};
    uint64_t want = 0, rank;
    double score;

    for (size_t k = 0; k < m->n; k++) {
        want +=
            m->e[k].score < b.score || (b.where == ZTREE_BEHIND_ALL && m->e[k].score == b.score);
        assert_true(zset_rank(it, m->e[k].name, strlen(m->e[k].name), &rank, &score));
        assert_int_equal(rank, k);
        assert_true(score == m->e[k].score);
    }
    assert_int_equal(zset_before(it, &b), want);
}

static void step(struct rng *rng, struct item *it, struct model *m, const struct types_limits *l)
{
    char name[16];
    double score = (double)rng_below(rng, 40) / 2 - 5;
    size_t i;

    snprintf(name, sizeof name, "%s%u", rng_below(rng, 2) ? "" : "m",
             (unsigned)rng_below(rng, 300));
    i = model_find(m, name);
    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
        assert_int_equal(zset_remove(it, name, strlen(name)), i < m->n);
        if (i < m->n) {
            model_remove(m, i);
        }
        break;
    case 2:
        if (m->n > 0) {
            size_t first = rng_below(rng, m->n);
            size_t most = rng_below(rng, 8) == 0 ? 150 : 4;
            size_t count = rng_below(rng, MIN_OF(m->n - first, most) + 1);

            zset_remove_range(it, first, count);
            while (count-- > 0) {
                model_remove(m, first);
            }
        }
        break;
    default: {
        enum zset_change want = i == m->n                ? ZSET_ADDED
                                : m->e[i].score == score ? ZSET_SAME
                                                         : ZSET_CHANGED;

        if (m->n < MODEL_MAX) {
            assert_int_equal(zset_set(it, name, strlen(name), score, l, &hash_key), want);
            model_set(m, name, score);
        }
    }
    }
}

static void random_changes_give_what_an_array_gives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        /* Always small, growing in between, always big. */
        struct types_limits limits = {.zset_max_listpack_entries =
                                          (int64_t[]){1000, 40, 0}[seed % 3],
                                      .zset_max_listpack_value = 64};
        struct item *it = item_detached(zset_new());
        static struct model m;
        struct rng rng;

        m.n = 0;
        rng_init(&rng, seed);
        for (int i = 0; i < 600; i++) {
            step(&rng, it, &m, &limits);
            if (i % 40 == 0) {
                assert_same(it, &m);
                assert_ranks(it, &m, &rng);
            }
        }
        assert_same(it, &m);
        item_free(it);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_stay_in_order),
        cmocka_unit_test(updates_and_cuts_keep_the_order),
        cmocka_unit_test(rising_scores_leave_full_nodes),
        cmocka_unit_test(random_changes_give_what_an_array_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
