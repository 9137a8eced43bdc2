/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of keyspace_relocate() and the relocate() of each type: what is moved stays what it was,
 * and nothing points to where it had been. The mover here moves everything it is shown, always or
 * at random, so that a build with AddressSanitizer finds whatever still points to an old place. */
#include "tests/test.h"

#include "base/mem.h"
#include "base/rand.h"
#include "node/keyspace/keyspace.h"
#include "node/keyspace/value.h"
#include "node/types/hash.h"
#include "node/types/list.h"
#include "node/types/set.h"
#include "node/types/stream_group.h"
#include "node/types/zset.h"

#include <malloc.h>

static const struct siphash_key hash_key = {{3, 4}};
static const struct types_limits *const limits = &types_limits_default;

/* ---- movers -------------------------------------------------------------------------------- */

struct test_mover {
    struct mover mover;
    struct rng rng;
    unsigned one_in; /* so many stay for one that goes; 0: all go */
};

static bool wants(struct mover *mover, const void *p)
{
    struct test_mover *m = (struct test_mover *)mover;

    assert_non_null(p);
    return m->one_in == 0 || rng_below(&m->rng, m->one_in) == 0;
}

static void *move(struct mover *mover, void *p)
{
    size_t n = malloc_usable_size(p);
    void *to = NULL;

    (void)mover;
    assert_int_equal(posix_memalign(&to, 64, n), 0);
    memcpy(to, p, n);
    free(p);
    return to;
}

static struct test_mover mover_for(unsigned one_in)
{
    struct test_mover m = {.mover = {.wants = wants, .move = move}, .one_in = one_in};

    rng_init(&m.rng, 9);
    return m;
}

/* ---- keyspaces ----------------------------------------------------------------------------- */

static struct keyspace *new_keyspace(uint32_t databases, bool by_slot)
{
    struct keyspace_config config = {databases, by_slot, hash_key};

    return keyspace_new(&config);
}

static void walk_all(struct keyspace *ks, struct test_mover *m, size_t n, size_t fields)
{
    struct keyspace_walk w = {0};

    m->mover.moved = m->mover.kept = 0;
    while (keyspace_relocate(ks, &w, &m->mover, n, fields)) {
    }
    for (uint32_t db = 0, keys = 0; db < keyspace_databases(ks); db++) {
        keys += (uint32_t)keyspace_size(ks, db);
        if (db + 1 == keyspace_databases(ks)) {
            assert_int_equal(w.key_hits + w.key_misses, keys);
        }
    }
    keyspace_walk_release(&w);
}

static void assert_equal_digests(const struct keyspace *a, const struct keyspace *b)
{
    unsigned char x[20], y[20];

    keyspace_digest(a, x);
    keyspace_digest(b, y);
    assert_memory_equal(x, y, sizeof x);
}

static struct arg text(const char *s) { return (struct arg){s, strlen(s)}; }

static struct item *item_of(struct keyspace *ks, uint32_t db, const char *name)
{
    struct key k = keyspace_key(ks, name, strlen(name));

    return keyspace_find(ks, db, &k);
}

/* The key @name with a value of the type, which is made when it is not there. */
static struct item *item_with(struct keyspace *ks, uint32_t db, const char *name,
                              enum item_type type)
{
    struct key k = keyspace_key(ks, name, strlen(name));
    struct item *it = keyspace_find(ks, db, &k);
    void *value;

    if (it != NULL) {
        return it;
    }
    switch (type) {
    case ITEM_LIST:
        value = list_new();
        break;
    case ITEM_SET:
        value = set_new();
        break;
    case ITEM_ZSET:
        value = zset_new();
        break;
    case ITEM_HASH:
        value = hash_new();
        break;
    default:
        value = stream_new();
        break;
    }
    return keyspace_put_value(ks, db, &k, NULL, value, KEYSPACE_NO_EXPIRE);
}

/* ---- random changes, to two keyspaces alike -------------------------------------------------- */

struct change {
    unsigned what;
    uint64_t a, b, c;
};

static void change_string(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    static const size_t lengths[] = {0, 3, 20, 60, 200, 256, 700, 3000, 20000};
    static char bytes[20000];
    char name[400];
    struct key k = {0};
    struct item *it;

    memset(bytes, 'a' + (int)(ch->c % 20), sizeof bytes);
    snprintf(name, sizeof name, "s%0*llu", ch->a % 7 == 0 ? 300 : 1,
             (unsigned long long)ch->a % 900);
    k = keyspace_key(ks, name, strlen(name));
    it = keyspace_find(ks, db, &k);
    switch (ch->b % 6) {
    case 0:
        if (it != NULL) {
            keyspace_delete(ks, db, it);
        }
        break;
    case 1:
        (void)keyspace_set_i64(ks, db, &k, (int64_t)ch->c, KEYSPACE_KEEP_EXPIRE);
        break;
    case 2:
        if (it != NULL) {
            keyspace_set_expire(ks, db, it, 1 + (int64_t)(ch->c % 5000));
        }
        break;
    case 3:
        if (it != NULL) {
            char *p = keyspace_string_edit(ks, db, &it, ch->c % 1000);

            memset(p, 'z', ch->c % 1000);
        }
        break;
    default:
        (void)keyspace_set_string(ks, db, &k, bytes, lengths[ch->c % ARRAY_LEN(lengths)],
                                  KEYSPACE_KEEP_EXPIRE);
        break;
    }
}

static void change_hash(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    static char bytes[400];
    char name[16], field[16];
    struct item *it;
    struct arg f, v = {bytes, ch->c % 5 == 0 ? 400 : ch->c % 30};

    memset(bytes, 'a' + (int)(ch->c % 20), sizeof bytes);
    snprintf(name, sizeof name, "h%llu", (unsigned long long)ch->a % 4);
    snprintf(field, sizeof field, "f%llu",
             (unsigned long long)(ch->b % (ch->a % 4 == 0 ? 20 : 3000)));
    f = text(field);
    it = item_with(ks, db, name, ITEM_HASH);
    (void)hash_set(it, &f, &v, limits, &hash_key);
    if (ch->c % 3 == 0 && ch->a % 2 == 0) {
        hash_set_time(it, field, f.n, 1 + (int64_t)(ch->c % 9000), &hash_key);
    } else if (ch->c % 3 == 1 && hash_len(it) > 1) {
        (void)hash_remove(it, field, f.n);
    }
    keyspace_set_due(ks, db, it);
}

static void change_set(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    char name[16], member[40];
    struct item *it;
    int n;

    snprintf(name, sizeof name, "t%llu", (unsigned long long)ch->a % 4);
    n = snprintf(member, sizeof member, ch->a % 4 == 0 ? "%llu" : "member %llu",
                 (unsigned long long)ch->b % (ch->a % 4 == 1 ? 60 : 3000));
    it = item_with(ks, db, name, ITEM_SET);
    if (ch->c % 3 > 0) {
        (void)set_add(it, member, (size_t)n, limits, &hash_key);
    } else {
        (void)set_remove(it, member, (size_t)n);
        if (set_len(it) == 0) {
            keyspace_delete(ks, db, it);
        }
    }
}

static void change_zset(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    char name[16], member[40];
    struct item *it;
    int n;

    snprintf(name, sizeof name, "z%llu", (unsigned long long)ch->a % 3);
    n = snprintf(member, sizeof member, "m%llu",
                 (unsigned long long)ch->b % (ch->a % 3 == 0 ? 60 : 5000));
    it = item_with(ks, db, name, ITEM_ZSET);
    if (ch->c % 4 > 0) {
        /* Few scores, so that members decide about the order as well. */
        (void)zset_set(it, member, (size_t)n, (double)(ch->c % 9), limits, &hash_key);
    } else {
        (void)zset_remove(it, member, (size_t)n);
    }
    if (ch->c % 301 == 0 && zset_len(it) > 0) {
        zset_remove_range(it, ch->b % zset_len(it), 1 + (zset_len(it) - ch->b % zset_len(it)) / 2);
    }
    if (zset_len(it) == 0) {
        keyspace_delete(ks, db, it);
    }
}

static void change_list(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    static char bytes[3000];
    char name[16];
    struct item *it;
    size_t n = ch->c % 11 == 0 ? 3000 : ch->c % 50;

    memset(bytes, 'a' + (int)(ch->c % 20), sizeof bytes);
    snprintf(name, sizeof name, "l%llu", (unsigned long long)ch->a % 3);
    it = item_with(ks, db, name, ITEM_LIST);
    if (ch->b % 4 > 0 || list_len(it) == 0) {
        if (ch->a % 2 == 0) {
            list_push(it, ch->b % 2 == 0, bytes, n, limits);
        } else {
            list_insert(it, ch->c % (list_len(it) + 1), bytes, n, limits);
        }
    } else {
        size_t first = ch->c % list_len(it);

        list_remove(it, first, MIN_OF(1 + ch->c % 3, list_len(it) - first), limits);
        if (list_len(it) == 0) {
            keyspace_delete(ks, db, it);
        }
    }
}

static void change_stream(struct keyspace *ks, uint32_t db, const struct change *ch)
{
    char name[16], group[16], consumer[16];
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    struct arg argv[2] = {{"field", 5}, {"0123456789012345678901234567890123456789", ch->c % 40}};
    struct stream_id id;

    snprintf(name, sizeof name, "x%llu", (unsigned long long)ch->a % 3);
    snprintf(group, sizeof group, "g%llu", (unsigned long long)ch->b % 3);
    snprintf(consumer, sizeof consumer, "c%llu", (unsigned long long)ch->c % 5);
    s = item_value(item_with(ks, db, name, ITEM_STREAM));
    if (ch->b % 5 < 2) {
        id = s->last_id;
        id.ms += 1 + ch->c % 3;
        stream_append(s, id, argv, 1, limits);
        return;
    }
    id = (struct stream_id){1 + ch->c % (s->last_id.ms + 1), 0};
    if (ch->b % 5 == 2 && ch->c % 3 == 0) {
        (void)stream_delete(s, id);
        return;
    }
    g = stream_group_find(s, text(group));
    if (g == NULL) {
        g = stream_group_add(s, text(group), STREAM_ID_MIN, 0);
    }
    if (ch->b % 997 == 0) {
        stream_type.free(stream_group_cut(s, g));
        return;
    }
    c = stream_consumer_find(g, text(consumer));
    if (c == NULL) {
        c = stream_consumer_add(g, text(consumer), 5);
    }
    if (ch->b % 499 == 0) {
        stream_type.free(stream_consumer_cut(g, c));
    } else if (ch->b % 5 == 3) {
        (void)stream_pending_remove(g, id);
    } else {
        stream_pending_assign(g, id, c)->delivered_ms = (int64_t)ch->c;
    }
}

static void make_change(struct keyspace *ks, const struct change *ch)
{
    uint32_t db = (uint32_t)(ch->what / 8 % keyspace_databases(ks));
    static void (*const fns[])(struct keyspace *, uint32_t, const struct change *) = {
        change_string, change_string, change_string, change_hash,
        change_set,    change_zset,   change_list,   change_stream,
    };

    fns[ch->what % 8](ks, db, ch);
}

/* All that is due goes, in order, with what is due in hashes. */
static void expire_all(struct keyspace *ks)
{
    int64_t last = 0;
    struct item *it;
    uint32_t db;

    while ((it = keyspace_due(ks, INT64_MAX, &db)) != NULL) {
        assert_true(keyspace_expire_at(ks, it) >= last);
        last = keyspace_expire_at(ks, it);
        keyspace_delete(ks, db, it);
    }
    while ((it = keyspace_due_value(ks, INT64_MAX, &db)) != NULL) {
        struct arg field;

        if (hash_first_past(item_value(it), INT64_MAX, &field)) {
            char name[32];

            memcpy(name, field.p, field.n);
            assert_true(hash_remove(it, name, field.n));
        }
        keyspace_set_due(ks, db, it);
    }
}

/* Changes between the steps of walks, at any point of each: a keyspace that is moved all the time
 * holds what one that is never moved does, to the end. */
static void random_changes_between_steps_do_no_harm(void **state)
{
    static const struct {
        uint64_t seed;
        unsigned one_in, steps_in; /* a step for so many changes */
        bool by_slot;
        uint32_t databases;
        size_t n, fields;
    } cases[] = {
        {1, 0, 1, false, 3, 1, 10},     {2, 0, 1, true, 1, 5, 1000},
        {3, 2, 1, false, 1, 30, 100},   {4, 0, 7, false, 2, 64, 50},
        {5, 3, 20, true, 1, 2000, 100}, {6, 0, 100, false, 1, 100000, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct keyspace *moved = new_keyspace(cases[i].databases, cases[i].by_slot);
        struct keyspace *still = new_keyspace(cases[i].databases, cases[i].by_slot);
        struct test_mover m = mover_for(cases[i].one_in);
        struct keyspace_walk w = {0};
        struct rng rng;

        print_message("case: seed %llu\n", (unsigned long long)cases[i].seed);
        rng_init(&rng, cases[i].seed);
        for (unsigned k = 0; k < 40000; k++) {
            struct change ch = {(unsigned)rng_below(&rng, 64), rng_below(&rng, 1 << 20),
                                rng_below(&rng, 1 << 20), rng_below(&rng, 1 << 20)};

            make_change(moved, &ch);
            make_change(still, &ch);
            if (k % cases[i].steps_in == 0 &&
                !keyspace_relocate(moved, &w, &m.mover, cases[i].n, cases[i].fields)) {
                keyspace_walk_release(&w);
            }
            if (k % 64 == 0) {
                (void)keyspace_upkeep(moved, 1);
            }
            if (k % 8000 == 0) {
                assert_equal_digests(moved, still);
            }
        }
        keyspace_walk_release(&w);
        assert_true(m.mover.moved > 10000);
        assert_equal_digests(moved, still);
        walk_all(moved, &m, cases[i].n, cases[i].fields);
        assert_equal_digests(moved, still);
        expire_all(moved);
        expire_all(still);
        assert_equal_digests(moved, still);
        keyspace_free(moved);
        keyspace_free(still);
    }
}

/* ---- all of it is moved ------------------------------------------------------------------------
 */

/* A value of so many elements, each with allocations of its own where it has any. */
static void fill(struct keyspace *ks, enum item_type type, unsigned elements)
{
    struct item *it = item_with(ks, 0, "k", type);
    char name[32];

    for (unsigned i = 0; i < elements; i++) {
        struct arg a = {name, (size_t)snprintf(name, sizeof name, "element %u", i)};
        static char longer[300];

        switch (type) {
        case ITEM_LIST:
            list_push(it, false, longer, sizeof longer, limits);
            break;
        case ITEM_SET:
            (void)set_add(it, a.p, a.n, limits, &hash_key);
            break;
        case ITEM_ZSET:
            (void)zset_set(it, a.p, a.n, i, limits, &hash_key);
            break;
        case ITEM_HASH: {
            struct arg v = {longer, sizeof longer};

            (void)hash_set(it, &a, &v, limits, &hash_key);
            hash_set_time(it, a.p, a.n, 1 + i, &hash_key);
            keyspace_set_due(ks, 0, it);
            break;
        }
        default: {
            struct stream *s = item_value(it);
            struct stream_id id = {i + 1, 0};
            struct arg argv[2] = {a, {longer, sizeof longer}};
            struct stream_group *g = i == 0 ? stream_group_add(s, text("g"), STREAM_ID_MIN, 0)
                                            : stream_group_find(s, text("g"));
            struct stream_consumer *c =
                i == 0 ? stream_consumer_add(g, text("c"), 0) : stream_consumer_find(g, text("c"));

            stream_append(s, id, argv, 1, limits);
            (void)stream_pending_assign(g, id, c);
            break;
        }
        }
    }
}

/* A walk meets every allocation of a value once, in however small steps. */
static void a_walk_meets_every_allocation(void **state)
{
    static const struct {
        const char *name;
        enum item_type type;
        unsigned elements;
        uint64_t least; /* allocations, but for parts of tables and trees */
    } cases[] = {
        {"a small list", ITEM_LIST, 1, 2},
        {"a list: its head, ring and chunks", ITEM_LIST, 2600, 3 + 100},
        {"a small set", ITEM_SET, 1, 2},
        {"a set: its head, and each member", ITEM_SET, 1000, 3 + 1000},
        {"a small sorted set", ITEM_ZSET, 1, 2},
        {"a sorted set: its head, each member, and leaves", ITEM_ZSET, 6200, 3 + 6200 + 100},
        {"a small hash with a time", ITEM_HASH, 1, 2},
        {"a hash with times: each field, its value, its time, and the key's due", ITEM_HASH, 1000,
         5 + 3 * 1000},
        {"a stream: its nodes, each record", ITEM_STREAM, 1300, 8 + 100 + 1300},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct keyspace *ks = new_keyspace(1, false);
        struct keyspace *still = new_keyspace(1, false);
        struct test_mover m = mover_for(0);
        uint64_t at_once;

        print_message("case: %s\n", cases[i].name);
        fill(ks, cases[i].type, cases[i].elements);
        fill(still, cases[i].type, cases[i].elements);
        walk_all(ks, &m, SIZE_MAX, SIZE_MAX);
        at_once = m.mover.moved;
        assert_true(at_once >= cases[i].least);
        assert_equal_digests(ks, still);
        walk_all(ks, &m, 1, 0);
        assert_int_equal(m.mover.moved, at_once);
        assert_int_equal(m.mover.kept, 0);
        assert_equal_digests(ks, still);
        assert_int_equal(keyspace_item_bytes(ks, item_of(ks, 0, "k"), 0),
                         keyspace_item_bytes(still, item_of(still, 0, "k"), 0));
        keyspace_free(ks);
        keyspace_free(still);
    }
}

/* Tables of keys in every state: small, large, and while they grow and shrink. */
static void tables_that_grow_and_shrink_are_walked(void **state)
{
    enum { N = 60000 };

    (void)state;
    for (int by_slot = 0; by_slot < 2; by_slot++) {
        struct keyspace *ks = new_keyspace(1, by_slot == 1);
        struct test_mover m = mover_for(0);
        struct keyspace_walk w = {0};
        char name[32];

        for (int i = 0; i < 2 * N; i++) {
            struct key k = keyspace_key(
                ks, name, (size_t)snprintf(name, sizeof name, "{%d}%d", i % N % 3, i % N));

            if (i < N) {
                (void)keyspace_set_i64(ks, 0, &k, i, i % 3 == 0 ? i + 1 : KEYSPACE_NO_EXPIRE);
            } else {
                struct item *it = keyspace_find(ks, 0, &k);

                assert_non_null(it);
                keyspace_delete(ks, 0, it);
            }
            if (i % 50 == 0 && !keyspace_relocate(ks, &w, &m.mover, 64, 10)) {
                keyspace_walk_release(&w);
            }
            if (i % 20000 == 0) {
                walk_all(ks, &m, 100, 10);
            }
        }
        assert_int_equal(keyspace_size(ks, 0), 0);
        keyspace_walk_release(&w);
        keyspace_free(ks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_between_steps_do_no_harm),
        cmocka_unit_test(a_walk_meets_every_allocation),
        cmocka_unit_test(tables_that_grow_and_shrink_are_walked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
