/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_keyspace_model.c - the keyspace against a map too simple to be wrong. */
#include "tests/test.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/rand.h"
#include "node/keyspace/keyspace.h"

/* ---- the model: one array cell for each possible key ----------------------------------------- */

#define DATABASES 3
#define VALUE_MAX 3000

struct cell {
    bool there;
    char *value;
    size_t n;
    int64_t expire_at;
    uint32_t access;
};

struct world {
    struct keyspace *ks;
    struct rng rng;
    uint32_t databases;
    uint32_t keys; /* in each database */
    struct cell *cells;
    uint64_t size[DATABASES];
};

static struct cell *cell_at(struct world *w, uint32_t db, uint32_t key)
{
    return &w->cells[db * w->keys + key];
}

/* Keys of many lengths, some longer than a byte counts; the number stands first. */
static size_t key_text(uint32_t key, char out[700])
{
    size_t pad = key % 97 == 0 ? 600 : key % 40;
    int n = snprintf(out, 32, "k%u:", key);

    memset(out + n, 'a' + (char)(key % 26), pad);
    return (size_t)n + pad;
}

static struct key make_key(struct world *w, uint32_t key, char text[700])
{
    return keyspace_key(w->ks, text, key_text(key, text));
}

static void cell_clear(struct world *w, uint32_t db, uint32_t key)
{
    struct cell *c = cell_at(w, db, key);

    if (c->there) {
        free(c->value);
        memset(c, 0, sizeof *c);
        w->size[db]--;
    }
}

static void cell_set(struct world *w, uint32_t db, uint32_t key, const char *p, size_t n,
                     int64_t expire_at)
{
    struct cell *c = cell_at(w, db, key);
    int64_t had = c->there ? c->expire_at : KEYSPACE_NO_EXPIRE;
    char *copy = mem_dup(p, n);

    free(c->value);
    w->size[db] += !c->there;
    c->there = true;
    c->value = copy;
    c->n = n;
    c->expire_at = expire_at == KEYSPACE_KEEP_EXPIRE ? had : expire_at;
}

static void check_item(struct world *w, const struct item *it, const struct cell *c)
{
    char scratch[24];
    struct arg s;
    int64_t a, b;
    bool is_number;

    assert_non_null(it);
    s = item_string(it, scratch);
    assert_int_equal(item_type(it), ITEM_STRING);
    assert_int_equal(s.n, c->n);
    assert_int_equal(item_string_len(it), c->n);
    assert_memory_equal(s.p, c->value, c->n);
    assert_true(keyspace_expire_at(w->ks, it) == c->expire_at);
    assert_int_equal(item_access(it), c->access);
    is_number = num_parse_i64(c->value, c->n, &a);
    assert_int_equal(item_string_i64(it, &b), is_number);
    if (is_number) {
        assert_true(a == b);
    }
}

static void check_all(struct world *w)
{
    char text[700];
    int64_t next = INT64_MAX;

    for (uint32_t db = 0; db < w->databases; db++) {
        uint64_t expires = 0;

        assert_int_equal(keyspace_size(w->ks, db), w->size[db]);
        for (uint32_t i = 0; i < w->keys; i++) {
            struct cell *c = cell_at(w, db, i);
            struct key k = make_key(w, i, text);
            struct item *it = keyspace_find(w->ks, db, &k);

            if (!c->there) {
                assert_null(it);
                continue;
            }
            check_item(w, it, c);
            assert_int_equal(item_key(it).n, k.n);
            assert_memory_equal(item_key(it).p, k.p, k.n);
            if (c->expire_at != KEYSPACE_NO_EXPIRE) {
                expires++;
                next = MIN_OF(next, c->expire_at);
            }
        }
        assert_int_equal(keyspace_expires(w->ks, db), expires);
    }
    assert_true(keyspace_next_expire(w->ks) == (next == INT64_MAX ? KEYSPACE_NO_EXPIRE : next));
}

/* ---- random operations ----------------------------------------------------------------------- */

static size_t random_value(struct world *w, char *out)
{
    size_t n;

    switch (rng_below(&w->rng, 6)) {
    case 0:
        return num_print_i64(out, (int64_t)rng_below(&w->rng, 1000) - 500);
    case 1:
        return num_print_i64(out, (int64_t)rng_next(&w->rng));
    case 2:
        n = rng_below(&w->rng, 4);
        break;
    case 3:
        n = rng_below(&w->rng, 70);
        break;
    case 4:
        n = rng_below(&w->rng, 300);
        break;
    default:
        n = rng_below(&w->rng, VALUE_MAX);
        break;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)rng_next(&w->rng);
    }
    return n;
}

static int64_t random_expire(struct world *w)
{
    switch (rng_below(&w->rng, 4)) {
    case 0:
        return KEYSPACE_KEEP_EXPIRE;
    case 1:
        return (int64_t)rng_below(&w->rng, 1000);
    default:
        return KEYSPACE_NO_EXPIRE;
    }
}

static void op_set(struct world *w, uint32_t db, uint32_t key)
{
    char text[700], value[VALUE_MAX];
    struct key k = make_key(w, key, text);
    size_t n = random_value(w, value);
    int64_t expire_at = random_expire(w);
    int64_t v = 0;
    struct item *it;

    if (num_parse_i64(value, n, &v) && rng_below(&w->rng, 2) == 0) {
        it = keyspace_set_i64(w->ks, db, &k, v, expire_at);
    } else {
        it = keyspace_set_string(w->ks, db, &k, value, n, expire_at);
    }
    cell_set(w, db, key, value, n, expire_at);
    cell_at(w, db, key)->access = (uint32_t)rng_below(&w->rng, 1 << 24);
    item_set_access(it, cell_at(w, db, key)->access);
    check_item(w, it, cell_at(w, db, key));
    assert_ptr_equal(keyspace_find(w->ks, db, &k), it);
}

/* A part of an item's own value as its new value: SET k (GETRANGE k ...) without a copy between. */
static void op_set_from_itself(struct world *w, uint32_t db, uint32_t key)
{
    char text[700], scratch[24];
    struct key k = make_key(w, key, text);
    struct item *it = keyspace_find(w->ks, db, &k);
    struct cell *c = cell_at(w, db, key);

    if (it != NULL && c->n > 0) {
        struct arg s = item_string(it, scratch);
        size_t from = rng_below(&w->rng, s.n);
        size_t n = rng_below(&w->rng, s.n - from + 1);

        it = keyspace_put_string(w->ks, db, &k, it, s.p + from, n, KEYSPACE_KEEP_EXPIRE);
        cell_set(w, db, key, c->value + from, n, KEYSPACE_KEEP_EXPIRE);
        check_item(w, it, c);
    }
}

static void op_edit(struct world *w, uint32_t db, uint32_t key)
{
    char text[700];
    struct key k = make_key(w, key, text);
    struct item *it = keyspace_find(w->ks, db, &k);
    struct cell *c = cell_at(w, db, key);
    size_t n, had;
    char *p;

    if (it == NULL) {
        return;
    }
    had = c->n;
    n = rng_below(&w->rng, 3) == 0 ? rng_below(&w->rng, VALUE_MAX)
                                   : MIN_OF(had + rng_below(&w->rng, 20), (size_t)VALUE_MAX);
    p = keyspace_string_edit(w->ks, db, &it, n);
    assert_non_null(p);
    c->value = mem_realloc(c->value, n + 1);
    if (n > had) {
        memset(c->value + had, 0, n - had);
    }
    c->n = n;
    check_item(w, it, c);
    assert_ptr_equal(keyspace_find(w->ks, db, &k), it);
    assert_string_equal(item_encoding_name(it), "raw");
    for (size_t i = 0; i < n; i += 1 + rng_below(&w->rng, 50)) {
        p[i] = c->value[i] = (char)rng_next(&w->rng);
    }
    check_item(w, it, c);
}

static void op_delete(struct world *w, uint32_t db, uint32_t key)
{
    char text[700];
    struct key k = make_key(w, key, text);
    struct item *it = keyspace_find(w->ks, db, &k);

    if (it != NULL) {
        keyspace_delete(w->ks, db, it);
    }
    cell_clear(w, db, key);
    assert_null(keyspace_find(w->ks, db, &k));
}

static void op_move_or_copy(struct world *w, uint32_t db, uint32_t key)
{
    char text[700], to_text[700];
    struct key k = make_key(w, key, text);
    struct item *it = keyspace_find(w->ks, db, &k);
    uint32_t to_db = (uint32_t)rng_below(&w->rng, w->databases);
    uint32_t to_key = (uint32_t)rng_below(&w->rng, w->keys);
    struct key to = make_key(w, to_key, to_text);
    struct cell *c = cell_at(w, db, key);

    if (it == NULL || cell_at(w, to_db, to_key)->there) {
        return;
    }
    cell_set(w, to_db, to_key, c->value, c->n, c->expire_at);
    cell_at(w, to_db, to_key)->access = c->access;
    if (rng_below(&w->rng, 2) == 0) {
        it = keyspace_copy(w->ks, it, to_db, &to);
    } else {
        it = keyspace_move(w->ks, db, it, to_db, &to);
        cell_clear(w, db, key);
    }
    check_item(w, it, cell_at(w, to_db, to_key));
}

static void op_expire(struct world *w, uint32_t db, uint32_t key)
{
    char text[700];
    struct key k = make_key(w, key, text);
    struct item *it = keyspace_find(w->ks, db, &k);

    if (it != NULL) {
        int64_t at =
            rng_below(&w->rng, 3) == 0 ? KEYSPACE_NO_EXPIRE : (int64_t)rng_below(&w->rng, 1000);

        keyspace_set_expire(w->ks, db, it, at);
        cell_at(w, db, key)->expire_at = at;
        assert_true(keyspace_expire_at(w->ks, it) == at);
    }
}

/* What is due comes in the order of its time, and nothing is left out. */
static void op_due(struct world *w)
{
    int64_t now = (int64_t)rng_below(&w->rng, 100);
    int64_t last = INT64_MIN;
    struct item *it;
    uint32_t db;

    while ((it = keyspace_due(w->ks, now, &db)) != NULL) {
        int64_t at = keyspace_expire_at(w->ks, it);
        uint32_t key = (uint32_t)strtoul(item_key(it).p + 1, NULL, 10);

        assert_true(at >= last);
        assert_true(at <= now);
        assert_true(cell_at(w, db, key)->expire_at == at);
        last = at;
        keyspace_delete(w->ks, db, it);
        cell_clear(w, db, key);
    }
    for (uint32_t i = 0; i < w->databases * w->keys; i++) {
        if (w->cells[i].there && w->cells[i].expire_at != KEYSPACE_NO_EXPIRE) {
            assert_true(w->cells[i].expire_at > now);
        }
    }
}

static void op_whole_db(struct world *w, uint32_t db)
{
    uint32_t other = (uint32_t)rng_below(&w->rng, w->databases);

    if (rng_below(&w->rng, 2) == 0) {
        struct keyspace *old = keyspace_detach_db(w->ks, db);

        assert_int_equal(old == NULL, w->size[db] == 0);
        if (old != NULL) {
            assert_int_equal(keyspace_size(old, 0), w->size[db]);
            keyspace_free(old);
        }
        for (uint32_t i = 0; i < w->keys; i++) {
            cell_clear(w, db, i);
        }
    } else {
        keyspace_swap_dbs(w->ks, db, other);
        for (uint32_t i = 0; i < w->keys; i++) {
            struct cell tmp = *cell_at(w, db, i);

            *cell_at(w, db, i) = *cell_at(w, other, i);
            *cell_at(w, other, i) = tmp;
        }
        uint64_t size = w->size[db];
        w->size[db] = w->size[other];
        w->size[other] = size;
    }
}

static void run(uint64_t seed, bool by_slot, uint32_t keys, unsigned steps)
{
    struct world w = {.databases = by_slot ? 1 : DATABASES, .keys = keys};
    struct keyspace_config config = {w.databases, by_slot, {{seed, ~seed}}};

    print_message("seed %llu, by slot: %d, %u keys\n", (unsigned long long)seed, by_slot, keys);
    w.ks = keyspace_new(&config);
    w.cells = mem_zalloc(w.databases * keys * sizeof *w.cells);
    rng_init(&w.rng, seed);
    for (unsigned i = 0; i < steps; i++) {
        uint32_t db = (uint32_t)rng_below(&w.rng, w.databases);
        uint32_t key = (uint32_t)rng_below(&w.rng, keys);
        /* Long stretches of growing and of shrinking, so that tables do both. */
        bool shrink = i / (steps / 6 + 1) % 2 == 1;
        uint64_t op = rng_below(&w.rng, 1000);

        if (op < 2) {
            keyspace_set_forked(w.ks, rng_below(&w.rng, 2) == 0);
        } else if (op < 30) {
            keyspace_upkeep(w.ks, rng_below(&w.rng, 20));
        } else if (op < 32) {
            op_due(&w);
        } else if (op < 33 && rng_below(&w.rng, 10) == 0) {
            op_whole_db(&w, db);
        } else if (op < 100) {
            op_expire(&w, db, key);
        } else if (op < 200) {
            op_edit(&w, db, key);
        } else if (op < 250) {
            op_move_or_copy(&w, db, key);
        } else if (op < 300) {
            op_set_from_itself(&w, db, key);
        } else if (op < (shrink ? 800 : 400)) {
            op_delete(&w, db, key);
        } else {
            op_set(&w, db, key);
        }
        if (i % (steps / 8 + 1) == 0) {
            check_all(&w);
        }
    }
    check_all(&w);
    for (uint32_t db = 0; db < w.databases; db++) {
        for (uint32_t i = 0; i < keys; i++) {
            op_delete(&w, db, i);
        }
        assert_int_equal(keyspace_size(w.ks, db), 0);
    }
    keyspace_free(w.ks);
    free(w.cells);
}

/* Every operation in random order gives what the model says, in tables of all sizes. */
static void operations_do_what_a_plain_map_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run(seed, false, 40, 8000);
        run(seed, true, 60, 8000);
    }
    for (uint64_t seed = 10; seed <= 12; seed++) {
        run(seed, false, 4000, 60000);
        run(seed, true, 4000, 40000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_do_what_a_plain_map_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
