/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_keyspace.c - what the keyspace promises beside plain storing (that is
 * test_keyspace_model.c): encodings, scans, slots, random picks, expiry, digests, lazy freeing. */
#include "tests/test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cluster/slots.h"
#include "node/keyspace/keyspace.h"

static struct keyspace *new_keyspace(uint32_t databases, bool by_slot, uint64_t seed)
{
    struct keyspace_config config = {databases, by_slot, {{seed, seed ^ 77}}};

    return keyspace_new(&config);
}

static struct key key_of(const struct keyspace *ks, const char *s)
{
    return keyspace_key(ks, s, strlen(s));
}

static struct item *set(struct keyspace *ks, const char *key, const char *value, size_t n)
{
    struct key k = key_of(ks, key);

    return keyspace_set_string(ks, 0, &k, value, n, KEYSPACE_NO_EXPIRE);
}

/* "n" or, in one slot of its own, "{tag}n". */
static struct key number_key(const struct keyspace *ks, const char *tag, unsigned i, char text[64])
{
    int n = snprintf(text, 64, "%s%s%s%u", tag[0] != '\0' ? "{" : "", tag,
                     tag[0] != '\0' ? "}" : "", i);

    return keyspace_key(ks, text, (size_t)n);
}

static void set_number(struct keyspace *ks, const char *tag, unsigned i)
{
    char text[64];
    struct key k = number_key(ks, tag, i, text);

    (void)keyspace_set_i64(ks, 0, &k, i, KEYSPACE_NO_EXPIRE);
}

static void delete_number(struct keyspace *ks, const char *tag, unsigned i)
{
    char text[64];
    struct key k = number_key(ks, tag, i, text);
    struct item *it = keyspace_find(ks, 0, &k);

    if (it != NULL) {
        keyspace_delete(ks, 0, it);
    }
}

static unsigned number_of(const struct item *it)
{
    int64_t v;

    assert_true(item_string_i64(it, &v));
    return (unsigned)v;
}

/* ---- encodings ------------------------------------------------------------------------------- */

/* OBJECT ENCODING as Redis users know it: int, embstr up to 44 bytes, else raw. */
static void encodings_have_their_names(void **state)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"0", "int"},
        {"-1", "int"},
        {"9223372036854775807", "int"},
        {"-9223372036854775808", "int"},
        {"9223372036854775808", "embstr"},
        {"01", "embstr"},
        {"+1", "embstr"},
        {"-0", "embstr"},
        {" 1", "embstr"},
        {"1 ", "embstr"},
        {"1.0", "embstr"},
        {"", "embstr"},
        {"12345678901234567890123456789012345678901234", "embstr"},
        {"123456789012345678901234567890123456789012345", "raw"},
    };
    struct keyspace *ks = new_keyspace(1, false, 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct item *it = set(ks, "k", cases[i].value, strlen(cases[i].value));
        char scratch[24];
        struct arg s = item_string(it, scratch);

        print_message("case: %s\n", cases[i].value);
        assert_string_equal(item_encoding_name(it), cases[i].want);
        assert_int_equal(s.n, strlen(cases[i].value));
        assert_memory_equal(s.p, cases[i].value, s.n);
    }
    keyspace_free(ks);
}

/* APPEND and SETRANGE make any string raw, SET makes it what it was; a copy stays raw. */
static void edited_strings_are_raw(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct item *it = set(ks, "k", "1", 1);
    struct key to = key_of(ks, "copy");
    char *p = keyspace_string_edit(ks, 0, &it, 2);
    int64_t v;

    (void)state;
    p[1] = '2';
    assert_string_equal(item_encoding_name(it), "raw");
    assert_true(item_string_i64(it, &v));
    assert_int_equal(v, 12);
    assert_string_equal(item_encoding_name(keyspace_copy(ks, it, 0, &to)), "raw");
    assert_string_equal(item_encoding_name(set(ks, "k", "abc", 3)), "embstr");
    assert_string_equal(item_encoding_name(set(ks, "copy", "12", 2)), "int");
    keyspace_free(ks);
}

/* Byte by byte to a megabyte and, in jumps, back: every byte stays, and reallocations are few. */
static void strings_grow_by_appending(void **state)
{
    enum { LEN = 1 << 20 };
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct item *it = set(ks, "k", "", 0);
    const char *last = NULL;
    unsigned moves = 0;
    char *p;

    (void)state;
    for (size_t n = 1; n <= LEN; n++) {
        p = keyspace_string_edit(ks, 0, &it, n);
        assert_non_null(p);
        assert_int_equal(p[n - 1], 0);
        p[n - 1] = (char)(n * 31);
        moves += p != last;
        last = p;
    }
    assert_int_equal(item_string_len(it), LEN);
    p = keyspace_string_edit(ks, 0, &it, LEN);
    for (size_t n = 1; n <= LEN; n++) {
        assert_int_equal(p[n - 1], (char)(n * 31));
    }
    print_message("%u moves\n", moves);
    assert_true(moves < 100);
    assert_true(keyspace_item_bytes(ks, it, 0) < 3 * LEN);
    p = keyspace_string_edit(ks, 0, &it, 1000);
    assert_int_equal(p[999], (char)(1000 * 31));
    assert_true(keyspace_item_bytes(ks, it, 0) < 2000);
    p = keyspace_string_edit(ks, 0, &it, 2000);
    assert_int_equal(p[999], (char)(1000 * 31));
    for (size_t n = 1000; n < 2000; n++) {
        assert_int_equal(p[n], 0);
    }
    keyspace_free(ks);
}

/* More than memory can hold: NULL, and everything as it was. */
static void an_impossible_edit_changes_nothing(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    char big[1000];
    const char *keys[] = {"int", "short", "long"};

    (void)state;
    memset(big, 'b', sizeof big);
    (void)set(ks, "int", "5", 1);
    (void)set(ks, "short", "abc", 3);
    (void)set(ks, "long", big, sizeof big);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct key k = key_of(ks, keys[i]);
        struct item *it = keyspace_find(ks, 0, &k);
        struct item *was = it;
        const char *name = item_encoding_name(it);
        size_t n = item_string_len(it);

        assert_null(keyspace_string_edit(ks, 0, &it, SIZE_MAX - 100));
        assert_ptr_equal(it, was);
        assert_ptr_equal(keyspace_find(ks, 0, &k), was);
        assert_string_equal(item_encoding_name(it), name);
        assert_int_equal(item_string_len(it), n);
    }
    keyspace_free(ks);
}

/* A value of the same class is rewritten where it stands: nothing is allocated, nothing moves. */
static void equal_sizes_are_rewritten_in_place(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    char big[3000];
    struct item *it;
    struct key k = key_of(ks, "key:000000000001");

    (void)state;
    memset(big, 'b', sizeof big);
    it = set(ks, "key:000000000001",
             "0123456789012345678901234567890123456789012345678901234567890123", 64);
    assert_ptr_equal(set(ks, "key:000000000001", big, 64), it);
    assert_ptr_equal(set(ks, "key:000000000001", big, 58), it);
    assert_ptr_equal(set(ks, "key:000000000001", big, 70), it);
    it = set(ks, "key:000000000001", "1", 1);
    assert_ptr_equal(keyspace_set_i64(ks, 0, &k, INT32_MAX, KEYSPACE_NO_EXPIRE), it);
    assert_ptr_equal(keyspace_set_i64(ks, 0, &k, INT32_MIN, KEYSPACE_NO_EXPIRE), it);
    it = set(ks, "key:000000000001", big, 3000);
    assert_ptr_equal(set(ks, "key:000000000001", big, 2800), it);
    keyspace_free(ks);
}

/* ---- scans -------------------------------------------------------------------------------------
 */

struct seen {
    unsigned char *count;
    unsigned n, calls;
};

static void note(void *arg, struct item *it)
{
    struct seen *s = arg;
    unsigned i = number_of(it);

    s->calls++;
    if (i < s->n && s->count[i] < 255) {
        s->count[i]++;
    }
}

/* What is there from start to end of a scan is seen, however the table grows and shrinks
 * between the calls; and without changes, exactly once. */
static void scans_miss_nothing(void **state)
{
    enum { STAY = 3000, MORE = 40000 };
    static const char *const tags[] = {"", "tag"};
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (unsigned round = 0; round < 24; round++) {
        struct keyspace *ks = new_keyspace(1, round % 4 >= 2, round);
        const char *tag = tags[round % 2];
        struct seen seen = {mem_zalloc(STAY), STAY, 0};
        unsigned stay = round % 3 == 0 ? 100 : STAY;
        unsigned top = stay, steps = 0;
        uint64_t cursor = 0;
        /* 0: nothing changes, 1: grows, 2: shrinks, 3: both in turn */
        unsigned mode = round / 4 % 4;

        for (unsigned i = 0; i < stay; i++) {
            set_number(ks, tag, i);
        }
        if (mode >= 2) {
            for (; top < MORE; top++) {
                set_number(ks, tag, top);
            }
        }
        do {
            cursor = keyspace_scan(ks, 0, -1, cursor, 10, note, &seen);
            assert_true(cursor < UINT64_C(1) << 53);
            steps++;
            for (unsigned i = 0; i < 200 && mode != 0; i++) {
                bool grow = mode == 1 || (mode == 3 && steps / 40 % 2 == 0);

                if (grow && top < MORE) {
                    set_number(ks, tag, top++);
                } else if (!grow && top > stay) {
                    delete_number(ks, tag, --top);
                }
            }
            if (rng_below(&rng, 4) == 0) {
                keyspace_upkeep(ks, rng_below(&rng, 100));
            }
        } while (cursor != 0);
        for (unsigned i = 0; i < stay; i++) {
            assert_true(seen.count[i] > 0);
            assert_true(mode != 0 || seen.count[i] == 1);
        }
        print_message("mode %u, by slot %d, tag '%s': %u steps, %u calls\n", mode, round % 4 >= 2,
                      tag, steps, seen.calls);
        free(seen.count);
        keyspace_free(ks);
    }
}

/* Cursors come from clients: any number must do. */
static void any_cursor_is_taken(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 9);
    for (unsigned by_slot = 0; by_slot < 2; by_slot++) {
        struct keyspace *ks = new_keyspace(1, by_slot, 1);
        struct seen seen = {NULL, 0, 0};

        assert_int_equal(keyspace_scan(ks, 0, -1, 12345, 10, note, &seen), 0);
        assert_int_equal(seen.calls, 0);
        for (unsigned i = 0; i < 2000; i++) {
            set_number(ks, i % 2 == 0 ? "" : "x", i);
        }
        for (unsigned i = 0; i < 10000; i++) {
            uint64_t cursor = rng_next(&rng) >> rng_below(&rng, 64);

            (void)keyspace_scan(ks, 0, by_slot ? (int)rng_below(&rng, 3) - 1 : -1, cursor,
                                rng_below(&rng, 20), note, &seen);
        }
        (void)keyspace_scan(ks, 0, -1, UINT64_MAX, SIZE_MAX, note, &seen);
        keyspace_free(ks);
    }
}

/* A step over a table with much empty space ends in bounded time. */
static void a_scan_step_is_bounded(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct seen seen = {NULL, 0, 0};
    uint64_t cursor = 0;
    unsigned steps = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        set_number(ks, "", i);
    }
    keyspace_set_forked(ks, true); /* so that it stays large */
    for (unsigned i = 10; i < 100000; i++) {
        delete_number(ks, "", i);
    }
    do {
        cursor = keyspace_scan(ks, 0, -1, cursor, 10, note, &seen);
        steps++;
    } while (cursor != 0);
    assert_int_equal(seen.calls, 10);
    assert_true(steps > 50);
    keyspace_free(ks);
}

/* ---- slots
 * --------------------------------------------------------------------------------------- */

/* Each key is counted and found in the slot that the cluster says. */
static void slots_count_and_list_their_keys(void **state)
{
    enum { KEYS = 30000 };
    struct keyspace *ks = new_keyspace(1, true, 1);
    unsigned *want = mem_zalloc(CLUSTER_SLOTS * sizeof *want);
    uint64_t total = 0;
    char text[64];

    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        const char *tag = i % 3 == 0 ? "big" : "";
        struct key k = number_key(ks, tag, i, text);

        set_number(ks, tag, i);
        assert_int_equal(k.slot, cluster_slot(text, strlen(text)));
        want[k.slot]++;
        if (i % 5 == 0) {
            delete_number(ks, tag, i);
            want[k.slot]--;
        }
    }
    for (unsigned s = 0; s < CLUSTER_SLOTS; s++) {
        struct seen seen = {NULL, 0, 0};
        uint64_t cursor = 0;

        assert_int_equal(keyspace_slot_size(ks, (uint16_t)s), want[s]);
        do {
            cursor = keyspace_scan(ks, 0, (int)s, cursor, 7, note, &seen);
        } while (cursor != 0);
        assert_int_equal(seen.calls, want[s]);
        total += want[s];
    }
    assert_int_equal(keyspace_size(ks, 0), total);
    free(want);
    keyspace_free(ks);
}

/* ---- random
 * -------------------------------------------------------------------------------------- */

/* Every item is picked, none much more often than others: in tables of all sizes, in the middle
 * of a resize, and when slots differ a lot. */
static void random_picks_are_fair(void **state)
{
    static const struct {
        bool by_slot;
        unsigned keys, heavy; /* of them in one slot */
    } cases[] = {{false, 1, 0},     {false, 20, 0},   {false, 400, 0}, {false, 700, 0},
                 {false, 5000, 0},  {true, 1, 0},     {true, 3000, 0}, {true, 3000, 2000},
                 {false, 13000, 0}, {false, 20000, 0}};
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        struct keyspace *ks = new_keyspace(1, cases[c].by_slot, c);
        unsigned n = cases[c].keys;
        unsigned *hits = mem_zalloc(n * sizeof *hits);
        double square = 0;
        enum { MEAN = 60 };

        assert_null(keyspace_random(ks, 0, 1));
        for (unsigned i = 0; i < n; i++) {
            set_number(ks, i < cases[c].heavy ? "heavy" : "", i);
        }
        for (unsigned i = 0; i < n * MEAN; i++) {
            hits[number_of(keyspace_random(ks, 0, rng_next(&rng)))]++;
        }
        for (unsigned i = 0; i < n; i++) {
            square += ((double)hits[i] - MEAN) * ((double)hits[i] - MEAN) / MEAN;
        }
        /* Chi-square: about n - 1, with a deviation of sqrt(2n). */
        print_message("%u keys: %.0f\n", n, square);
        assert_true(square < n + 6 * 1.42 * (1 + n / 40.0) + 20);
        free(hits);
        keyspace_free(ks);
    }
}

/* ---- expiry
 * -------------------------------------------------------------------------------------- */

/* Times set, changed and removed in any order come due in order, over all databases. */
static void keys_fall_due_in_order(void **state)
{
    enum { KEYS = 30000 };
    static const char *const orders[] = {"rising", "falling", "random", "equal"};
    struct rng rng;
    char text[64];

    (void)state;
    rng_init(&rng, 8);
    for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
        struct keyspace *ks = new_keyspace(3, false, 1);
        int64_t last = INT64_MIN;
        unsigned due = 0, want = 0;
        struct item *it;
        uint32_t db;

        print_message("order: %s\n", orders[o]);
        assert_true(keyspace_next_expire(ks) == KEYSPACE_NO_EXPIRE);
        for (unsigned i = 0; i < KEYS; i++) {
            struct key k = number_key(ks, "", i, text);
            int64_t at = o == 0   ? (int64_t)i
                         : o == 1 ? KEYS - (int64_t)i
                         : o == 2 ? (int64_t)rng_below(&rng, KEYS)
                                  : 5;

            (void)keyspace_set_i64(ks, i % 3, &k, i, at);
        }
        for (unsigned i = 0; i < KEYS; i += 7) {
            struct key k = number_key(ks, "", i, text);

            it = keyspace_find(ks, i % 3, &k);
            keyspace_set_expire(ks, i % 3, it,
                                i % 2 == 0 ? KEYSPACE_NO_EXPIRE
                                           : (int64_t)rng_below(&rng, KEYS * 2));
        }
        for (db = 0; db < 3; db++) {
            want += (unsigned)keyspace_expires(ks, db);
        }
        assert_null(keyspace_due(ks, -1, &db));
        while ((it = keyspace_due(ks, INT64_MAX, &db)) != NULL) {
            int64_t at = keyspace_expire_at(ks, it);

            assert_true(at == keyspace_next_expire(ks));
            assert_true(at >= last);
            assert_null(keyspace_due(ks, at - 1, &db));
            assert_ptr_equal(keyspace_due(ks, at, &db), it);
            assert_int_equal(number_of(it) % 3, db);
            last = at;
            keyspace_delete(ks, db, it);
            due++;
        }
        assert_int_equal(due, want);
        assert_int_equal(keyspace_expires(ks, 0), 0);
        keyspace_free(ks);
    }
}

/* The mean time to live is that of the keys, none negative. */
static void mean_ttl_is_about_right(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    char text[64];
    int64_t mean;

    (void)state;
    assert_int_equal(keyspace_avg_ttl(ks, 0, 0), 0);
    for (unsigned i = 0; i < 10000; i++) {
        struct key k = number_key(ks, "", i, text);

        (void)keyspace_set_i64(ks, 0, &k, i, 1000 + i);
    }
    mean = keyspace_avg_ttl(ks, 0, 1000);
    print_message("mean %lld\n", (long long)mean);
    assert_true(mean > 4000);
    assert_true(mean < 6000);
    assert_int_equal(keyspace_avg_ttl(ks, 0, 100000), 0);
    keyspace_free(ks);
}

/* ---- whole databases
 * ------------------------------------------------------------------------------- */

/* A detached database is a keyspace of its own with all it had, expiry included. */
static void a_detached_database_is_whole(void **state)
{
    struct keyspace *ks = new_keyspace(2, false, 1);
    struct keyspace *old;
    char text[64];
    uint32_t db;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct key k = number_key(ks, "", i, text);

        (void)keyspace_set_i64(ks, i % 2, &k, i, (int64_t)i);
    }
    old = keyspace_detach_db(ks, 1);
    assert_null(keyspace_detach_db(ks, 1));
    assert_int_equal(keyspace_size(ks, 1), 0);
    assert_int_equal(keyspace_expires(ks, 1), 0);
    assert_int_equal(keyspace_size(ks, 0), 10000);
    assert_int_equal(keyspace_size(old, 0), 10000);
    assert_int_equal(number_of(keyspace_due(ks, 100, &db)), 0);
    assert_int_equal(number_of(keyspace_due(old, 100, &db)), 1);
    for (unsigned i = 0; i < 20000; i++) {
        struct key k = number_key(ks, "", i, text);
        struct item *it = i % 2 == 0 ? keyspace_find(ks, 0, &k) : keyspace_find(old, 0, &k);

        assert_int_equal(number_of(it), i);
        assert_true(keyspace_expire_at(i % 2 == 0 ? ks : old, it) == i);
    }
    /* Both go on living. */
    for (unsigned i = 20000; i < 30000; i++) {
        struct key k = number_key(ks, "", i, text);

        (void)keyspace_set_i64(ks, 1, &k, i, (int64_t)i);
        (void)keyspace_set_i64(old, 0, &k, i, (int64_t)i);
    }
    keyspace_free(ks);
    assert_int_equal(keyspace_expires(old, 0), 20000);
    keyspace_free(old);
    keyspace_free(NULL);
}

/* Equal contents have equal digests whatever the history, the order, the hash key; unequal ones
 * have not. */
static void digests_are_of_content_alone(void **state)
{
    unsigned char a[20], b[20], zero[20] = {0};
    struct keyspace *x = new_keyspace(2, false, 1);
    struct keyspace *y = new_keyspace(2, false, 2);
    struct key k;
    struct item *it;
    char text[64];

    (void)state;
    keyspace_digest(x, a);
    assert_memory_equal(a, zero, 20);
    for (unsigned i = 0; i < 1000; i++) {
        k = number_key(x, "", i, text);
        (void)keyspace_set_string(x, 0, &k, text, strlen(text), i % 2 == 0 ? 5000 : -1);
        k = number_key(y, "", 999 - i, text);
        (void)keyspace_set_string(y, 0, &k, "other", 5, 77);
        it = keyspace_set_string(y, 0, &k, "", 0, i % 2 == 1 ? 5000 : -1);
        memcpy(keyspace_string_edit(y, 0, &it, strlen(text)), text, strlen(text));
    }
    for (unsigned i = 1000; i < 3000; i++) {
        set_number(y, "", i);
        delete_number(y, "", i);
    }
    keyspace_digest(x, a);
    keyspace_digest(y, b);
    assert_memory_equal(a, b, 20);

    k = key_of(y, "5");
    it = keyspace_find(y, 0, &k);
    keyspace_set_expire(y, 0, it, 5001); /* another time */
    keyspace_digest(y, b);
    assert_memory_not_equal(a, b, 20);
    keyspace_set_expire(y, 0, it, KEYSPACE_NO_EXPIRE);
    keyspace_digest(y, b);
    assert_memory_equal(a, b, 20);
    keyspace_string_edit(y, 0, &it, 1)[0] = '6'; /* another value */
    keyspace_digest(y, b);
    assert_memory_not_equal(a, b, 20);
    keyspace_string_edit(y, 0, &it, 1)[0] = '5';
    (void)keyspace_move(y, 0, it, 1, &k); /* another database */
    keyspace_digest(y, b);
    assert_memory_not_equal(a, b, 20);

    k = key_of(x, "5");
    keyspace_digest_value(x, keyspace_find(x, 0, &k), a);
    k = key_of(y, "5");
    keyspace_digest_value(y, keyspace_find(y, 1, &k), b);
    assert_memory_equal(a, b, 20); /* of a value: wherever it is */
    keyspace_free(x);
    keyspace_free(y);
}

/* ---- upkeep
 * ---------------------------------------------------------------------------------------- */

/* Growing and shrinking come to an end with upkeep alone, and tables follow the number of keys. */
static void tables_follow_the_number_of_keys(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    size_t full, now;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        set_number(ks, "", i);
    }
    while (keyspace_upkeep(ks, 100)) {
    }
    full = keyspace_table_bytes(ks, 0);
    print_message("%zu bytes for 100000 keys\n", full);
    assert_true(full < 100000 * 19);
    for (unsigned i = 100; i < 100000; i++) {
        delete_number(ks, "", i);
    }
    for (unsigned i = 0; i < 1000; i++) {
        keyspace_upkeep(ks, 100);
    }
    now = keyspace_table_bytes(ks, 0);
    print_message("%zu bytes for 100 keys\n", now);
    assert_true(now < 100 * 40);
    for (unsigned i = 0; i < 100; i++) {
        delete_number(ks, "", i);
    }
    assert_true(keyspace_table_bytes(ks, 0) <= 8);
    keyspace_free(ks);
}

/* While a child reads, tables stay as they are until they are badly overfull. */
static void tables_rest_while_forked(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    size_t before;
    struct buf text;

    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        set_number(ks, "", i);
    }
    while (keyspace_upkeep(ks, 1000)) {
    }
    keyspace_set_forked(ks, true);
    assert_false(keyspace_upkeep(ks, 1000));
    for (unsigned i = 50000; i < 400000; i++) {
        set_number(ks, "", i);
    }
    for (unsigned i = 0; i < 400000; i += 997) {
        char key[64];
        struct key k = number_key(ks, "", i, key);

        assert_int_equal(number_of(keyspace_find(ks, 0, &k)), i);
    }
    before = keyspace_table_bytes(ks, 0);
    for (unsigned i = 10; i < 400000; i++) {
        delete_number(ks, "", i);
    }
    assert_true(keyspace_table_bytes(ks, 0) > before / 20);
    keyspace_set_forked(ks, false);
    for (unsigned i = 0; i < 10000; i++) {
        keyspace_upkeep(ks, 100);
    }
    assert_true(keyspace_table_bytes(ks, 0) < 1000);
    assert_int_equal(keyspace_size(ks, 0), 10);
    buf_init(&text);
    keyspace_describe(ks, 0, &text);
    buf_append(&text, "", 1);
    print_message("%s", buf_head(&text));
    assert_non_null(strstr(buf_head(&text), "keys: 10\n"));
    buf_release(&text);
    keyspace_free(ks);
}

/* A table readied for many keys does not grow while they come, nor shrink before. */
static void an_expected_load_needs_no_growing(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);

    (void)state;
    keyspace_expect(ks, 0, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        set_number(ks, "", i);
        if (i % 100 == 0) {
            assert_false(keyspace_upkeep(ks, 1));
        }
    }
    assert_true(keyspace_table_bytes(ks, 0) < 100000 * 14);
    keyspace_free(ks);

    ks = new_keyspace(1, false, 1); /* also when nothing comes, or too little */
    keyspace_expect(ks, 0, UINT32_MAX);
    assert_null(keyspace_random(ks, 0, 5));
    set_number(ks, "", 1);
    set_number(ks, "", 2);
    assert_int_equal(keyspace_size(ks, 0), 2);
    assert_non_null(keyspace_random(ks, 0, 5));
    delete_number(ks, "", 1);
    while (keyspace_upkeep(ks, 1000000)) {
    }
    assert_true(keyspace_table_bytes(ks, 0) < 10000);
    keyspace_free(ks);
}

/* ---- lazy freeing
 * ------------------------------------------------------------------------------------ */

struct later {
    void *values[8];
    unsigned n;
};

static void take_later(void *arg, void *value)
{
    struct later *l = arg;

    assert_true(l->n < ARRAY_LEN(l->values));
    l->values[l->n++] = value;
}

/* Big values go to the callback, whether deleted or replaced; small ones do not. */
static void big_values_are_freed_elsewhere(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct later later = {.n = 0};
    char *big = mem_zalloc(1 << 20);

    (void)state;
    keyspace_set_lazy(ks, take_later, &later);
    keyspace_delete(ks, 0, set(ks, "a", big, 1000));
    assert_int_equal(later.n, 0);
    keyspace_delete(ks, 0, set(ks, "a", big, 1 << 20));
    assert_int_equal(later.n, 1);
    (void)set(ks, "a", big, 1 << 20);
    (void)set(ks, "a", big, 5);
    assert_int_equal(later.n, 2);
    (void)set(ks, "a", big, 1 << 20);
    (void)set(ks, "a", big, 1000);
    assert_int_equal(later.n, 3);
    for (unsigned i = 0; i < later.n; i++) {
        keyspace_free_value(later.values[i]);
    }
    free(big);
    keyspace_free(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_have_their_names),
        cmocka_unit_test(edited_strings_are_raw),
        cmocka_unit_test(strings_grow_by_appending),
        cmocka_unit_test(an_impossible_edit_changes_nothing),
        cmocka_unit_test(equal_sizes_are_rewritten_in_place),
        cmocka_unit_test(scans_miss_nothing),
        cmocka_unit_test(any_cursor_is_taken),
        cmocka_unit_test(a_scan_step_is_bounded),
        cmocka_unit_test(slots_count_and_list_their_keys),
        cmocka_unit_test(random_picks_are_fair),
        cmocka_unit_test(keys_fall_due_in_order),
        cmocka_unit_test(mean_ttl_is_about_right),
        cmocka_unit_test(a_detached_database_is_whole),
        cmocka_unit_test(digests_are_of_content_alone),
        cmocka_unit_test(tables_follow_the_number_of_keys),
        cmocka_unit_test(tables_rest_while_forked),
        cmocka_unit_test(an_expected_load_needs_no_growing),
        cmocka_unit_test(big_values_are_freed_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
