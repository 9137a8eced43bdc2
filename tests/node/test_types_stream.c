/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/types/stream*.c: ids, the index and streams against arrays, by random operations
 * from seeds; nodes of every damage. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/keyspace/item.h"
#include "node/types/stream_group.h"

#include <stdlib.h>

/* ---- ids ----------------------------------------------------------------------------------- */

static void ids_are_read_and_printed(void **state)
{
    static const struct {
        const char *text;
        bool ok, any;
        uint64_t ms, seq;
    } cases[] = {
        {"0-0", true, false, 0, 0},
        {"5", true, false, 5, 77},
        {"18446744073709551615-18446744073709551615", true, false, UINT64_MAX, UINT64_MAX},
        {"007-01", true, false, 7, 1},
        {"3-*", true, true, 3, 0},
        {"18446744073709551616", false, false, 0, 0},
        {"1-18446744073709551616", false, false, 0, 0},
        {"", false, false, 0, 0},
        {"-", false, false, 0, 0},
        {"-1", false, false, 0, 0},
        {"1-", false, false, 0, 0},
        {"1-2-3", false, false, 0, 0},
        {"+1", false, false, 0, 0},
        {" 1", false, false, 0, 0},
        {"1-**", false, false, 0, 0},
        {"*-1", false, false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stream_id id;
        unsigned char wire[STREAM_ID_WIRE];
        bool any;
        bool ok = stream_id_parse(cases[i].text, strlen(cases[i].text), 77, &id, &any);

        print_message("case: %s\n", cases[i].text);
        assert_int_equal(ok, cases[i].ok);
        if (!ok) {
            continue;
        }
        assert_int_equal(any, cases[i].any);
        assert_true(id.ms == cases[i].ms && id.seq == cases[i].seq);
        stream_id_to_wire(wire, id);
        assert_int_equal(stream_id_compare(stream_id_from_wire(wire), id), 0);
        if (cases[i].any) {
            assert_false(stream_id_parse(cases[i].text, strlen(cases[i].text), 0, &id, NULL));
        }
    }
}

static void ids_have_neighbours(void **state)
{
    struct stream_id id = {3, UINT64_MAX};

    (void)state;
    assert_true(stream_id_increment(&id));
    assert_true(id.ms == 4 && id.seq == 0);
    assert_true(stream_id_decrement(&id));
    assert_true(id.ms == 3 && id.seq == UINT64_MAX);
    id = STREAM_ID_MAX;
    assert_false(stream_id_increment(&id));
    id = STREAM_ID_MIN;
    assert_false(stream_id_decrement(&id));
}

/* ---- the index ----------------------------------------------------------------------------- */

#define MODEL_MAX 3000

struct model {
    size_t n;
    uint64_t ms[MODEL_MAX]; /* in order; the pointer of ms is &values[ms] */
};

static char values[100000];

static size_t model_before(const struct model *m, uint64_t ms)
{
    size_t i = 0;

    while (i < m->n && m->ms[i] < ms) {
        i++;
    }
    return i;
}

static void assert_slot(const struct stream_index *x, struct stream_index_pos pos,
                        const struct model *m, size_t i)
{
    const struct stream_slot *s = stream_index_slot(x, pos);

    if (i >= m->n) { /* (size_t)-1 as well */
        assert_null(s);
        return;
    }
    assert_non_null(s);
    assert_true(s->id.ms == m->ms[i]);
    assert_ptr_equal(s->p, &values[m->ms[i]]);
}

static void assert_same_index(const struct stream_index *x, const struct model *m, struct rng *rng)
{
    struct stream_index_pos pos = stream_index_begin(x);

    assert_int_equal(x->count, m->n);
    for (size_t i = 0; i <= m->n; i++) {
        assert_slot(x, pos, m, i);
        pos = stream_index_next(x, pos);
    }
    pos = stream_index_last(x);
    for (size_t i = m->n; i-- > 0;) {
        assert_slot(x, pos, m, i);
        pos = stream_index_prev(x, pos);
    }
    assert_null(stream_index_slot(x, pos));
    for (unsigned k = 0; k < 50; k++) {
        uint64_t ms = rng_below(rng, 2000);
        size_t i = model_before(m, ms);
        bool there = i < m->n && m->ms[i] == ms;
        struct stream_id id = {ms, 0};

        assert_slot(x, stream_index_at_or_after(x, id), m, i);
        assert_slot(x, stream_index_at_or_before(x, id), m, there ? i : i - 1);
        assert_ptr_equal(stream_index_get(x, id), there ? &values[ms] : NULL);
    }
}

static void model_toggle(struct stream_index *x, struct model *m, uint64_t ms)
{
    size_t i = model_before(m, ms);
    struct stream_id id = {ms, 0};

    if (i < m->n && m->ms[i] == ms) {
        assert_ptr_equal(stream_index_remove(x, id), &values[ms]);
        memmove(&m->ms[i], &m->ms[i + 1], (--m->n - i) * sizeof m->ms[0]);
        return;
    }
    assert_null(stream_index_remove(x, id));
    stream_index_add(x, id, &values[ms]);
    memmove(&m->ms[i + 1], &m->ms[i], (m->n++ - i) * sizeof m->ms[0]);
    m->ms[i] = ms;
}

static void an_index_is_an_ordered_map(void **state)
{
    static struct model m;

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct stream_index x = {0};
        struct rng rng;
        uint64_t range = seed % 3 == 0 ? 60 : 2000;

        rng_init(&rng, seed);
        m.n = 0;
        for (int round = 0; round < 20; round++) {
            for (int i = 0; i < 300; i++) {
                model_toggle(&x, &m, rng_below(&rng, range));
            }
            assert_same_index(&x, &m, &rng);
        }
        while (m.n > 0) { /* from the front, as a queue */
            model_toggle(&x, &m, m.ms[0]);
        }
        assert_null(x.row);
        stream_index_release(&x);
    }
}

/* In order, as ids come: leaves stay full, and what goes at the front leaves no room behind. */
static void a_queue_is_dense(void **state)
{
    struct stream_index x = {0};

    (void)state;
    for (uint64_t i = 0; i < 50000; i++) {
        stream_index_add(&x, (struct stream_id){1, i}, &values[i]);
    }
    assert_true(stream_index_bytes(&x) < 50000 * 27);
    for (uint64_t i = 0; i < 49990; i++) {
        assert_non_null(stream_index_remove(&x, (struct stream_id){1, i}));
    }
    assert_true(stream_index_bytes(&x) < 50000 / 128 * 24 * 2 + 4096);
    stream_index_release(&x);
}

/* ---- streams ------------------------------------------------------------------------------- */

struct entry {
    struct stream_id id;
    unsigned shape; /* of its fields */
    uint64_t value;
};

static struct entry entries[20000];
static size_t first_entry, n_entries; /* entries[first_entry .. n_entries), some deleted */

static size_t words_of(const struct entry *e, struct arg argv[8], char text[4][24])
{
    static const char *const fields[] = {"f", "long field", "7", ""};
    size_t n = 1 + e->shape % 3;

    for (size_t i = 0; i < n; i++) {
        argv[2 * i] = (struct arg){fields[(e->shape + i) % 4], strlen(fields[(e->shape + i) % 4])};
        argv[2 * i + 1].n = (size_t)snprintf(text[i], 24, i == 1 ? "v%llu" : "%llu",
                                             (unsigned long long)(e->value * (i + 1)));
        argv[2 * i + 1].p = text[i];
    }
    return n;
}

static void assert_entry(const struct stream_iter *i, const struct stream_entry *have,
                         const struct entry *want)
{
    struct arg argv[8];
    char text[4][24];
    size_t n = words_of(want, argv, text);
    struct stream_fields f;
    listpack_pos field, value;

    assert_int_equal(stream_id_compare(have->id, want->id), 0);
    assert_int_equal(have->n_fields, n);
    stream_fields_begin(&f, &i->master, have);
    for (size_t k = 0; k < n; k++) {
        assert_true(stream_fields_next(&f, i->lp, &field, &value));
        assert_true(listpack_equals(field, argv[2 * k].p, argv[2 * k].n));
        assert_true(listpack_equals(value, argv[2 * k + 1].p, argv[2 * k + 1].n));
    }
    assert_false(stream_fields_next(&f, i->lp, &field, &value));
}

static bool is_there(const struct entry *e) { return e->id.ms != 0; }

static uint64_t count_entries(void)
{
    uint64_t n = 0;

    for (size_t i = first_entry; i < n_entries; i++) {
        n += is_there(&entries[i]);
    }
    return n;
}

/* All entries from the @from-th on to the @to-th, both ways. */
static void assert_range(const struct stream *s, size_t from, size_t to, bool backwards)
{
    struct stream_iter i;
    struct stream_entry e;
    struct stream_id lo = {from + 1, 0}, hi = {to + 1, UINT64_MAX};

    stream_iter_begin(&i, s, lo, hi, backwards);
    for (size_t k = 0; k <= to - from; k++) {
        const struct entry *want = &entries[backwards ? to - k : from + k];

        if (is_there(want)) {
            assert_true(stream_iter_next(&i, &e));
            assert_entry(&i, &e, want);
        }
    }
    assert_false(stream_iter_next(&i, &e));
}

static void assert_same_stream(const struct stream *s, struct rng *rng)
{
    uint64_t n = count_entries();
    size_t from, to;

    assert_int_equal(stream_len(s), n);
    assert_true(stream_type.bytes(s, 0) >= n * 4);
    if (first_entry == n_entries) {
        return;
    }
    assert_range(s, first_entry, n_entries - 1, false);
    assert_range(s, first_entry, n_entries - 1, true);
    from = first_entry + rng_below(rng, n_entries - first_entry);
    to = from + rng_below(rng, n_entries - from);
    assert_range(s, from, to, rng_below(rng, 2) == 1);
}

/* The id of the i-th entry has i + 1 as its milliseconds. */
static void append(struct stream *s, struct rng *rng, const struct types_limits *limits)
{
    struct entry *e = &entries[n_entries];
    struct arg argv[8];
    char text[4][24];

    *e = (struct entry){{n_entries + 1, rng_below(rng, 3)},
                        rng_below(rng, 4) == 0 ? (unsigned)rng_below(rng, 7) : 0,
                        rng_below(rng, 100000)};
    n_entries++;
    stream_append(s, e->id, argv, words_of(e, argv, text), limits);
}

static void delete_some(struct stream *s, struct rng *rng)
{
    size_t at = first_entry + rng_below(rng, n_entries - first_entry + 1);

    for (int k = 0; k < 3 && at < n_entries; k++, at++) {
        struct stream_id id = entries[at].id;

        if (is_there(&entries[at])) {
            assert_true(stream_has(s, id));
            assert_true(stream_delete(s, id));
            assert_false(stream_has(s, id));
            entries[at].id.ms = 0;
        } else {
            assert_false(stream_delete(s, (struct stream_id){at + 1, id.seq}));
        }
    }
}

static void trim(struct stream *s, struct rng *rng)
{
    struct stream_trim t = {.by_id = rng_below(rng, 2) == 1};
    uint64_t before = count_entries();
    uint64_t removed;

    if (t.by_id) {
        size_t to = first_entry + rng_below(rng, (n_entries - first_entry) / 4 + 1);

        t.min_id.ms = to + 1;
        first_entry = to;
    } else {
        t.len_max = before - rng_below(rng, before / 4 + 1);
        while (count_entries() > t.len_max) {
            first_entry++;
        }
    }
    removed = stream_trim(s, &t);
    assert_int_equal(removed, before - count_entries());
}

static void random_changes_give_what_an_array_gives(void **state)
{
    static const int64_t sizes[][2] = {{4096, 100}, {0, 0}, {1, 100}, {300, 0}, {4096, 3}};

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct types_limits limits = {.stream_node_max_bytes = sizes[seed % 5][0],
                                      .stream_node_max_entries = sizes[seed % 5][1]};
        struct stream *s = stream_new();
        struct stream *copy;
        struct rng rng;

        rng_init(&rng, seed);
        first_entry = n_entries = 0;
        for (int i = 0; i < 3000; i++) {
            uint64_t what = rng_below(&rng, 100);

            if (what < 80) {
                append(s, &rng, &limits);
            } else if (what < 99) {
                delete_some(s, &rng);
            } else {
                trim(s, &rng);
            }
            if (i % 200 == 0) {
                assert_same_stream(s, &rng);
            }
        }
        copy = stream_type.copy(s);
        stream_type.free(s);
        assert_same_stream(copy, &rng);
        stream_type.free(copy);
    }
}

/* "~" removes whole nodes, never too much, and no more than it may. */
static void loose_trimming_leaves_nodes_whole(void **state)
{
    struct types_limits limits = {.stream_node_max_entries = 10};
    struct stream_trim t = {.whole_nodes_only = true, .len_max = 45};
    struct stream *s = stream_new();
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    first_entry = n_entries = 0;
    for (int i = 0; i < 100; i++) {
        append(s, &rng, &limits);
    }
    assert_int_equal(stream_trim(s, &t), 50);
    t.len_max = 0;
    t.most = 25;
    assert_int_equal(stream_trim(s, &t), 20);
    t = (struct stream_trim){.whole_nodes_only = true, .by_id = true, .min_id = {95, 0}};
    assert_int_equal(stream_trim(s, &t), 20);
    assert_int_equal(stream_len(s), 10);
    stream_type.free(s);
}

/* XSETID may go back behind an entry that was deleted: what comes then has lower ids than that. */
static void ids_may_go_back_behind_a_deleted_one(void **state)
{
    struct types_limits limits = {.stream_node_max_entries = 10};
    struct arg argv[2] = {{"f", 1}, {"v", 1}};
    struct stream *s = stream_new();

    (void)state;
    stream_append(s, (struct stream_id){1, 0}, argv, 1, &limits);
    stream_append(s, (struct stream_id){9, 0}, argv, 1, &limits);
    assert_true(stream_delete(s, (struct stream_id){9, 0}));
    s->last_id = (struct stream_id){1, 0};
    stream_append(s, (struct stream_id){2, 0}, argv, 1, &limits);
    stream_append(s, (struct stream_id){9, 0}, argv, 1, &limits);
    assert_true(stream_has(s, (struct stream_id){2, 0}));
    assert_true(stream_has(s, (struct stream_id){9, 0}));
    assert_true(stream_delete(s, (struct stream_id){2, 0}));
    assert_int_equal(stream_len(s), 2);
    assert_true(stream_node_validate(stream_index_slot(&s->nodes, (struct stream_index_pos){0})->p,
                                     (struct stream_id){1, 0}));
    stream_type.free(s);
}

/* ---- groups -------------------------------------------------------------------------------- */

/* A record is with one consumer at a time, and goes with it. */
static void records_are_shared_by_group_and_consumer(void **state)
{
    struct stream *s = stream_new();
    struct arg name = {"g", 1}, a = {"a", 1}, b = {"b", 1};
    struct stream_group *g = stream_group_add(s, name, STREAM_ID_MIN, 0);
    struct stream_consumer *ca = stream_consumer_add(g, a, 0);
    struct stream_consumer *cb = stream_consumer_add(g, b, 0);
    struct stream *copy;

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        stream_pending_assign(g, (struct stream_id){i, 0}, i % 2 == 0 ? ca : cb);
    }
    for (uint64_t i = 1; i <= 1000; i += 3) {
        stream_pending_assign(g, (struct stream_id){i, 0}, ca);
    }
    assert_int_equal(g->pending.count, 1000);
    assert_int_equal(ca->pending.count + cb->pending.count, 1000);
    assert_ptr_equal(stream_pending_find(g, (struct stream_id){4, 0})->consumer, ca);
    assert_true(stream_pending_remove(g, (struct stream_id){4, 0}));
    assert_false(stream_pending_remove(g, (struct stream_id){4, 0}));
    copy = stream_type.copy(s);
    stream_type.free(stream_consumer_cut(g, ca));
    assert_int_equal(g->pending.count, cb->pending.count);
    assert_null(stream_consumer_find(g, a));
    stream_type.free(s);
    g = stream_group_find(copy, name);
    assert_int_equal(g->pending.count, 999);
    assert_true(stream_type.effort(copy) > 999);
    stream_type.free(stream_group_cut(copy, g));
    assert_null(stream_group_find(copy, name));
    stream_type.free(copy);
}

/* Few, many and all of what is pending: the others keep theirs. */
static void a_consumer_goes_with_its_records(void **state)
{
    static const unsigned shares[] = {0, 10, 500, 990, 1000};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(shares); k++) {
        struct stream *s = stream_new(), *gone;
        struct stream_group *g = stream_group_add(s, (struct arg){"g", 1}, STREAM_ID_MIN, 0);
        struct stream_consumer *ca = stream_consumer_add(g, (struct arg){"a", 1}, 0);
        struct stream_consumer *cb = stream_consumer_add(g, (struct arg){"b", 1}, 0);

        for (uint64_t i = 1; i <= 1000; i++) {
            stream_pending_assign(g, (struct stream_id){i, 0},
                                  i * 7919 % 1000 < shares[k] ? ca : cb);
        }
        gone = stream_consumer_cut(g, ca);
        assert_true(stream_type.effort(gone) > shares[k]);
        stream_type.free(gone);
        assert_int_equal(g->pending.count, 1000 - shares[k]);
        assert_int_equal(g->n_consumers, 1);
        for (uint64_t i = 1; i <= 1000; i++) {
            struct stream_nack *nack = stream_pending_find(g, (struct stream_id){i, 0});

            assert_ptr_equal(nack == NULL ? NULL : nack->consumer,
                             i * 7919 % 1000 < shares[k] ? NULL : cb);
        }
        assert_true(stream_pending_assign(g, (struct stream_id){5000, 0}, cb)->consumer == cb);
        stream_type.free(stream_consumer_cut(g, cb));
        assert_int_equal(g->pending.count, 0);
        stream_type.free(s);
    }
}

/* ---- damage -------------------------------------------------------------------------------- */

/* Whatever passes the checks can be walked both ways and changed. */
static void use_node(struct stream_id id, struct listpack *lp)
{
    struct stream *s = stream_new();
    struct stream_trim t = {.len_max = 0};
    struct stream_iter i;
    struct stream_entry e;
    struct stream_fields f;
    listpack_pos field, value;
    uint64_t n = 0;

    if (!stream_take_node(s, id, lp)) {
        free(lp);
        stream_type.free(s);
        return;
    }
    for (int backwards = 0; backwards < 2; backwards++) {
        stream_iter_begin(&i, s, STREAM_ID_MIN, STREAM_ID_MAX, backwards);
        while (stream_iter_next(&i, &e)) {
            stream_fields_begin(&f, &i.master, &e);
            while (stream_fields_next(&f, i.lp, &field, &value)) {
                assert_true(field != NULL && value != NULL);
            }
            n++;
        }
    }
    assert_int_equal(n, 2 * stream_len(s));
    (void)stream_trim(s, &t);
    assert_int_equal(stream_len(s), 0);
    stream_type.free(s);
}

static void damaged_nodes_are_refused_or_harmless(void **state)
{
    struct types_limits limits = {.stream_node_max_entries = 0};
    struct stream *s = stream_new();
    const struct stream_slot *slot;
    const struct listpack *lp;
    struct rng rng;
    size_t n;
    unsigned taken = 0;

    (void)state;
    rng_init(&rng, 5);
    first_entry = n_entries = 0;
    for (int i = 0; i < 12; i++) {
        append(s, &rng, &limits);
    }
    assert_true(stream_delete(s, entries[3].id));
    slot = stream_index_slot(&s->nodes, stream_index_begin(&s->nodes));
    lp = slot->p;
    n = listpack_bytes(lp);
    for (unsigned round = 0; round < 60000; round++) {
        unsigned char copy[1024];

        assert_true(n <= sizeof copy);
        memcpy(copy, lp->bytes, n);
        for (uint64_t k = 1 + rng_below(&rng, 3); k > 0; k--) {
            copy[6 + rng_below(&rng, n - 6)] = (unsigned char)rng_next(&rng);
        }
        if (listpack_validate(copy, n)) {
            taken++;
            use_node(slot->id, listpack_from(copy, n));
        }
    }
    assert_true(taken > 1000);
    stream_type.free(s);
}

/* ---- size ---------------------------------------------------------------------------------- */

/* Redis 7.0 sets a whole node aside for such a stream (MEMORY USAGE: 4728 bytes with the key). */
static void a_small_stream_is_small(void **state)
{
    struct stream *s = stream_new();
    struct arg argv[2] = {{"field", 5}, {"value", 5}};

    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        stream_append(s, (struct stream_id){1700000000000 + i, 0}, argv, 1, &types_limits_default);
    }
    print_message("%zu bytes\n", stream_type.bytes(s, 0));
    assert_true(stream_type.bytes(s, 0) <= 384);
    stream_type.free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_read_and_printed),
        cmocka_unit_test(ids_have_neighbours),
        cmocka_unit_test(an_index_is_an_ordered_map),
        cmocka_unit_test(a_queue_is_dense),
        cmocka_unit_test(random_changes_give_what_an_array_gives),
        cmocka_unit_test(loose_trimming_leaves_nodes_whole),
        cmocka_unit_test(ids_may_go_back_behind_a_deleted_one),
        cmocka_unit_test(records_are_shared_by_group_and_consumer),
        cmocka_unit_test(a_consumer_goes_with_its_records),
        cmocka_unit_test(damaged_nodes_are_refused_or_harmless),
        cmocka_unit_test(a_small_stream_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
