/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_keyspace_size.c - what a key costs: bytes (bounded here), time (only printed).
 *
 * Bytes are counted as jemalloc's size classes whatever allocator is linked: its classes are a
 * formula, and the program that runs has it. */
#include "tests/test.h"

#include "base/mem.h"
#include "base/rand.h"
#include "node/keyspace/item.h"
#include "node/keyspace/keyspace.h"

#include <time.h>

/* A million keys where that is quick. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define KEYS 1000000
#else
#define KEYS 100000
#endif
/* By slot: as many slots as a million keys would fill as well. */
#define SLOTS ((uint64_t)16384 * KEYS / 1000000)

static struct keyspace *new_keyspace(bool by_slot)
{
    struct keyspace_config config = {1, by_slot, {{1, 2}}};

    return keyspace_new(&config);
}

static struct key make_key(const struct keyspace *ks, uint64_t i, char text[17])
{
    snprintf(text, 17, "key:%012llu", (unsigned long long)i);
    return keyspace_key(ks, text, 16);
}

static bool add_bytes(void *arg, struct item *it)
{
    *(size_t *)arg += item_good_size(item_bytes(it));
    return true;
}

static void add_one(void *arg, struct item *it)
{
    (void)it;
    ++*(size_t *)arg;
}

static double bytes_per_key(const struct keyspace *ks)
{
    size_t bytes = 0;

    keyspace_each(ks, 0, add_bytes, &bytes);
    bytes += keyspace_table_bytes(ks, 0);
    return (double)bytes / (double)keyspace_size(ks, 0);
}

/* A 16-byte key with a 64-byte string: at most 125 bytes in all (Redis 7.0 takes about 165), at
 * any number of keys, also in the middle of a resize; with a time to expire 25 more. */
static void a_small_string_costs_little(void **state)
{
    char value[64], text[17];

    (void)state;
    memset(value, 'v', sizeof value);
    for (int by_slot = 0; by_slot < 2; by_slot++) {
        struct keyspace *ks = new_keyspace(by_slot);
        double worst = 0, last;

        for (uint64_t i = 0; keyspace_size(ks, 0) < KEYS; i++) {
            struct key k = make_key(ks, i, text);
            uint64_t n = keyspace_size(ks, 0);

            if (k.slot < SLOTS) {
                (void)keyspace_set_string(ks, 0, &k, value, sizeof value, KEYSPACE_NO_EXPIRE);
                if (n >= KEYS / 4 && n % (KEYS / 20) == 0) {
                    worst = MAX_OF(worst, bytes_per_key(ks));
                }
            }
        }
        last = bytes_per_key(ks);
        print_message("by slot %d: %.1f bytes per key, %.1f at worst, %.1f of them tables\n",
                      by_slot, last, worst, (double)keyspace_table_bytes(ks, 0) / KEYS);
        assert_true(worst <= 125);
        for (uint64_t i = 0; keyspace_expires(ks, 0) < KEYS; i++) {
            struct key k = make_key(ks, i, text);
            struct item *it = keyspace_find(ks, 0, &k);

            if (it != NULL) {
                keyspace_set_expire(ks, 0, it, (int64_t)(i * 7919 % KEYS));
            }
        }
        print_message("  with expiry %.1f\n", bytes_per_key(ks));
        assert_true(bytes_per_key(ks) <= last + 25);
        keyspace_free(ks);
    }
}

/* An empty keyspace by slot: about 8 bytes for each slot. */
static void empty_slots_cost_a_word(void **state)
{
    struct keyspace *ks = new_keyspace(true);

    (void)state;
    assert_true(keyspace_table_bytes(ks, 0) <= 16384 * 9);
    keyspace_free(ks);
}

static uint64_t order[KEYS];

/* Of this thread, since the machine may be busy with other things. */
static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double since_ns(int64_t start) { return (double)(cpu_us() - start) * 1000 / KEYS; }

/* Times of a million keys; for eyes, not for a verdict. */
static void times_of_a_million_keys(void **state)
{
    struct rng rng;
    char value[64], text[17];

    (void)state;
    memset(value, 'v', sizeof value);
    rng_init(&rng, 1);
    for (size_t i = 0; i < KEYS; i++) {
        order[i] = rng_below(&rng, KEYS);
    }
    for (int by_slot = 0; by_slot < 2; by_slot++) {
        struct keyspace *ks = new_keyspace(by_slot);
        int64_t start = cpu_us(), slowest = 0, before;
        uint64_t cursor = 0;
        uint32_t db;
        size_t n = 0;
        struct item *it;
        unsigned char digest[20];
        struct key keys[16];
        char texts[16][17];
        double insert, hit, batch, overwrite, grow;

        for (uint64_t i = 0; i < KEYS; i++) {
            struct key k = make_key(ks, i, text);

            before = i % 64 == 0 ? cpu_us() : 0;
            (void)keyspace_set_string(ks, 0, &k, value, 64, (int64_t)order[i]);
            if (before != 0) {
                slowest = MAX_OF(slowest, cpu_us() - before);
            }
        }
        insert = since_ns(start);
        start = cpu_us();
        for (uint64_t i = 0; i < KEYS; i++) {
            struct key k = make_key(ks, order[i], text);

            n += item_string_len(keyspace_find(ks, 0, &k));
        }
        hit = since_ns(start);
        start = cpu_us();
        for (uint64_t i = 0; i + 16 <= KEYS; i += 16) {
            for (unsigned j = 0; j < 16; j++) {
                keys[j] = make_key(ks, order[i + j], texts[j]);
                keyspace_prefetch_bucket(ks, 0, &keys[j]);
            }
            for (unsigned j = 0; j < 16; j++) {
                keyspace_prefetch_item(ks, 0, &keys[j]);
            }
            for (unsigned j = 0; j < 16; j++) {
                n += item_string_len(keyspace_find(ks, 0, &keys[j]));
            }
        }
        batch = since_ns(start);
        start = cpu_us();
        for (uint64_t i = 0; i < KEYS; i++) {
            struct key k = make_key(ks, order[i], text);

            (void)keyspace_set_string(ks, 0, &k, value, 60, KEYSPACE_KEEP_EXPIRE);
        }
        overwrite = since_ns(start);
        start = cpu_us();
        for (uint64_t i = 0; i < KEYS; i++) {
            struct key k = make_key(ks, order[i], text);

            (void)keyspace_set_string(ks, 0, &k, text, (size_t)(i % 16), KEYSPACE_KEEP_EXPIRE);
        }
        grow = since_ns(start);
        print_message("by slot %d, ns: insert %.0f (slowest of samples %lld us), find %.0f, in "
                      "batches %.0f, overwrite %.0f, another size %.0f\n",
                      by_slot, insert, (long long)slowest, hit, batch, overwrite, grow);
        start = cpu_us();
        keyspace_digest(ks, digest);
        print_message("  digest %.0f", since_ns(start));
        start = cpu_us();
        do {
            cursor = keyspace_scan(ks, 0, -1, cursor, 100, add_one, &n);
        } while (cursor != 0);
        print_message(", scan %.0f", since_ns(start));
        start = cpu_us();
        while ((it = keyspace_due(ks, KEYS, &db)) != NULL) {
            keyspace_delete(ks, db, it);
        }
        print_message(", expire %.0f\n", since_ns(start));
        assert_int_equal(keyspace_size(ks, 0), 0);
        assert_true(n > 0);
        keyspace_free(ks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_string_costs_little),
        cmocka_unit_test(empty_slots_cost_a_word),
        cmocka_unit_test(times_of_a_million_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
