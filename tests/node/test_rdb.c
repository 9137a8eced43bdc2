/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_rdb.c - snapshots written and read back; files of every form and every damage. */
#include "tests/test.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rand.h"
#include "node/rdb/rdb.h"

#include <endian.h>
#include <unistd.h>

#define FAR_FUTURE INT64_C(4102444800000) /* 2100-01-01 */

/* ---- helpers ----------------------------------------------------------------------------------
 */

static char *make_dir(void)
{
    char path[] = "/tmp/holdfast-rdb-XXXXXX";

    assert_non_null(mkdtemp(path));
    return mem_strdup(path);
}

static void remove_dir(char *dir, const char *file)
{
    (void)unlink(file);
    assert_int_equal(rmdir(dir), 0);
    free(dir);
}

static struct keyspace *new_keyspace(uint32_t databases, bool by_slot, uint64_t seed)
{
    struct keyspace_config config = {databases, by_slot, {{seed, seed * 3}}};

    return keyspace_new(&config);
}

static void set(struct keyspace *ks, uint32_t db, const char *key, const void *p, size_t n,
                int64_t expire_at)
{
    struct key k = keyspace_key(ks, key, strlen(key));

    (void)keyspace_set_string(ks, db, &k, p, n, expire_at);
}

static void set_text(struct keyspace *ks, uint32_t db, const char *key, const char *value)
{
    set(ks, db, key, value, strlen(value), KEYSPACE_NO_EXPIRE);
}

static void assert_value(struct keyspace *ks, uint32_t db, const char *key, const char *value)
{
    struct key k = keyspace_key(ks, key, strlen(key));
    struct item *it = keyspace_find(ks, db, &k);
    char scratch[24];
    struct arg s;

    assert_non_null(it);
    s = item_string(it, scratch);
    assert_int_equal(s.n, strlen(value));
    assert_memory_equal(s.p, value, s.n);
}

static void assert_same(const struct keyspace *a, const struct keyspace *b)
{
    unsigned char x[20], y[20];

    keyspace_digest(a, x);
    keyspace_digest(b, y);
    assert_memory_equal(x, y, sizeof x);
}

/* Load all of @path; RDB_OK or the error. @slices counts the calls. */
static int load(const char *path, struct keyspace *ks, int64_t budget_us, int64_t drop_before,
                struct rdb_loader **out, unsigned *slices)
{
    int rc = rdb_loader_new(path, true, out);

    *slices = 0;
    if (rc != RDB_OK) {
        return rc;
    }
    do {
        rc = rdb_loader_step(*out, ks, budget_us, drop_before);
        ++*slices;
    } while (rc == 1);
    return rc;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A file made by hand: the bytes between header and end, with the right checksum. */
static void write_rdb(const char *path, const char *version, const void *p, size_t n)
{
    struct buf b;
    uint64_t crc;

    buf_init(&b);
    buf_append(&b, "REDIS", 5);
    buf_append(&b, version, 4);
    buf_append(&b, p, n);
    buf_append(&b, "\xff", 1);
    crc = htole64(crc64_jones(0, buf_head(&b), b.len));
    buf_append(&b, &crc, sizeof crc);
    write_file(path, buf_head(&b), b.len);
    buf_release(&b);
}

/* Load what write_rdb() makes of @p; gives the keyspace (NULL on error) and the error text. */
static struct keyspace *load_bytes(const char *version, const void *p, size_t n, int want,
                                   char error[160])
{
    char *dir = make_dir();
    char path[64];
    struct keyspace *ks = new_keyspace(4, false, 1);
    struct rdb_loader *l = NULL;
    unsigned slices;

    snprintf(path, sizeof path, "%s/x.rdb", dir);
    write_rdb(path, version, p, n);
    assert_int_equal(load(path, ks, 1000000, 0, &l, &slices), want);
    snprintf(error, 160, "%s", l != NULL ? rdb_loader_error(l) : "");
    rdb_loader_free(l);
    remove_dir(dir, path);
    if (want != RDB_OK) {
        keyspace_free(ks);
        return NULL;
    }
    return ks;
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void fill(struct keyspace *ks, unsigned keys, uint64_t seed)
{
    struct rng rng;
    char key[64], *value = mem_alloc(100000);

    rng_init(&rng, seed);
    for (unsigned i = 0; i < keys; i++) {
        uint32_t db = (uint32_t)rng_below(&rng, keyspace_databases(ks));
        size_t n = rng_below(&rng, i % 200 == 0 ? 100000 : i % 10 == 0 ? 2000 : 80);
        bool pattern = rng_below(&rng, 2) == 0;
        int64_t expire_at = rng_below(&rng, 3) == 0 ? FAR_FUTURE + (int64_t)rng_below(&rng, 1000000)
                                                    : KEYSPACE_NO_EXPIRE;

        snprintf(key, sizeof key, i % 5 == 0 ? "%u" : "key:%u", i);
        for (size_t j = 0; j < n; j++) {
            value[j] = (char)(pattern ? 'a' + j % 7 : rng_next(&rng));
        }
        if (i % 4 == 0) {
            n = (size_t)snprintf(value, 32, "%lld",
                                 (long long)(int64_t)(rng_next(&rng) >> rng_below(&rng, 64)) *
                                     (i % 8 == 0 ? -1 : 1));
        }
        set(ks, db, key, value, n, expire_at);
    }
    free(value);
}

/* Whatever is written is read back the same, compressed or not, in slices however short. */
static void what_is_saved_is_loaded(void **state)
{
    static const struct {
        uint32_t databases;
        bool by_slot, compress;
        unsigned keys;
        int64_t budget_us;
    } cases[] = {
        {16, false, true, 0, 1000}, {16, false, true, 5000, 0},   {16, false, false, 5000, 100},
        {1, true, true, 5000, 0},   {1, true, false, 20000, 500}, {3, false, true, 20000, 500},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *dir = make_dir();
        char path[64];
        struct keyspace *ks = new_keyspace(cases[i].databases, cases[i].by_slot, 5);
        struct keyspace *back = new_keyspace(cases[i].databases, cases[i].by_slot, 6);
        struct rdb_progress progress = {0};
        struct rdb_loader *l;
        unsigned slices;

        snprintf(path, sizeof path, "%s/x.rdb", dir);
        fill(ks, cases[i].keys, i);
        assert_int_equal(rdb_save(path, ks, NULL, cases[i].compress, NULL, &progress), RDB_OK);
        assert_int_equal(progress.keys, cases[i].keys);
        assert_int_equal(load(path, back, cases[i].budget_us, 0, &l, &slices), RDB_OK);
        print_message("%u keys, %llu bytes, %u slices\n", cases[i].keys,
                      (unsigned long long)progress.bytes, slices);
        assert_int_equal(rdb_loader_keys(l), cases[i].keys);
        assert_int_equal(rdb_loader_bytes(l), rdb_loader_total(l));
        assert_int_equal(rdb_loader_total(l), progress.bytes);
        assert_true(cases[i].budget_us > 0 || cases[i].keys == 0 || slices > 10);
        for (uint32_t db = 0; db < cases[i].databases; db++) {
            assert_int_equal(keyspace_size(ks, db), keyspace_size(back, db));
            assert_int_equal(keyspace_expires(ks, db), keyspace_expires(back, db));
        }
        assert_same(ks, back);
        rdb_loader_free(l);
        keyspace_free(ks);
        keyspace_free(back);
        remove_dir(dir, path);
    }
}

/* The fields of group and position travel with the file, also where there are no keys at all. */
static void meta_is_kept(void **state)
{
    struct rdb_meta meta = {
        .cluster_id = "0123456789abcdef0123456789abcdef01234567",
        .group = 7,
        .term = UINT64_MAX,
        .index = 123456789012345,
        .members_len = 300,
    };
    char *dir = make_dir();
    char path[64];
    struct rdb_loader *l;
    struct rdb_meta back;
    unsigned slices;

    (void)state;
    for (size_t i = 0; i < meta.members_len; i++) {
        meta.members[i] = (unsigned char)(i * 7);
    }
    meta.system_len = 100000;
    meta.system = mem_zalloc(meta.system_len);
    meta.system[500] = 'x';
    snprintf(path, sizeof path, "%s/x.rdb", dir);
    assert_int_equal(rdb_save(path, NULL, &meta, true, NULL, NULL), RDB_OK);

    assert_int_equal(load(path, NULL, 1000, 0, &l, &slices), RDB_OK);
    assert_int_equal(rdb_loader_meta(l)->index, meta.index);
    rdb_loader_free(l);

    assert_int_equal(rdb_read_meta(path, &back), RDB_OK);
    assert_string_equal(back.cluster_id, meta.cluster_id);
    assert_int_equal(back.group, 7);
    assert_true(back.term == UINT64_MAX);
    assert_true(back.index == meta.index);
    assert_int_equal(back.members_len, meta.members_len);
    assert_memory_equal(back.members, meta.members, meta.members_len);
    assert_int_equal(back.system_len, meta.system_len);
    assert_memory_equal(back.system, meta.system, meta.system_len);
    rdb_meta_release(&back);
    rdb_meta_release(&meta);
    remove_dir(dir, path);

    assert_int_equal(rdb_read_meta("/nonexistent/x.rdb", &back), RDB_ERR_IO);
}

/* A directory that is not there, a full disk: an error, and no file that looks like a snapshot. */
static void a_failed_save_leaves_nothing(void **state)
{
    struct keyspace *ks = new_keyspace(1, false, 1);
    char *big = mem_zalloc(1 << 20);

    (void)state;
    assert_int_equal(rdb_save("/nonexistent/x.rdb", ks, NULL, false, NULL, NULL), RDB_ERR_IO);
    set(ks, 0, "big", big, 1 << 20, KEYSPACE_NO_EXPIRE);
    if (access("/dev/full", W_OK) == 0) {
        char *dir = make_dir();
        char path[64];

        snprintf(path, sizeof path, "%s/x.rdb", dir);
        assert_int_equal(symlink("/dev/full", path), 0);
        assert_int_equal(rdb_save(path, ks, NULL, false, NULL, NULL), RDB_ERR_IO);
        assert_int_not_equal(access(path, F_OK), 0);
        remove_dir(dir, path);
    }
    free(big);
    keyspace_free(ks);
}

/* Each form of length, number and opcode that any version of Redis up to 7.4 writes for strings. */
static void all_forms_are_read(void **state)
{
    static const char file[] =
        "\xfa\x09redis-ver\x05"
        "6.0.0"
        "\xfa\x07unknown\xc0\x05"
        "\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x09\x02\x01\x01\x05\x02\x06\x03"
        "abcd"
        "\x04"
        "abcdefgh"
        "\x05\x03str\x00" /* MODULE_AUX */
        "\xfe\x01\xfb\x03\x00"
        "\x00\x04six6\x02v1"
        "\x00\x40\x02"
        "14\x40\x02v2"
        "\x00\x80\x00\x00\x00\x02"
        "32\x80\x00\x00\x00\x02v3"
        "\x00\x81\x00\x00\x00\x00\x00\x00\x00\x02"
        "64\x81\x00\x00\x00\x00\x00\x00\x00\x02v4"
        "\x00\xc0\x85\xc1\x00\x80" /* key -123, value -32768 */
        "\x00\x03"
        "i32\xc2\x00\x00\x00\x80"      /* -2147483648 */
        "\xfe\x02\xf4\x05\x40\x80\x00" /* SLOT_INFO */
        "\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\xf8\x40\x64\x00\x02ms\x00"
        "\xf9\x07\xfd\x00\x2f\x0d\x7f\x00\x03sec\x01x"
        /* "ab", then nine bytes from one back: a reference of three bytes, length 7 + 0 + 2 */
        "\x00\x03lzf\xc3\x06\x0b\x01"
        "ab\xe0\x00\x00";
    char error[160];
    struct keyspace *ks;
    struct key k;

    (void)state;
    ks = load_bytes("0012", file, sizeof file - 1, RDB_OK, error);
    assert_value(ks, 1, "six6", "v1");
    assert_value(ks, 1, "14", "v2");
    assert_value(ks, 1, "32", "v3");
    assert_value(ks, 1, "64", "v4");
    assert_value(ks, 1, "-123", "-32768");
    assert_value(ks, 1, "i32", "-2147483648");
    assert_value(ks, 2, "ms", "");
    assert_value(ks, 2, "sec", "x");
    assert_value(ks, 2, "lzf", "abbbbbbbbbb");
    k = keyspace_key(ks, "ms", 2);
    assert_true(keyspace_expire_at(ks, keyspace_find(ks, 2, &k)) == 4102444800000);
    k = keyspace_key(ks, "sec", 3);
    assert_true(keyspace_expire_at(ks, keyspace_find(ks, 2, &k)) == INT64_C(0x7f0d2f00) * 1000);
    assert_int_equal(keyspace_size(ks, 1), 6);
    keyspace_free(ks);
}

static uint32_t access_in(struct keyspace *ks, const char *key)
{
    struct key k = keyspace_key(ks, key, strlen(key));
    struct item *it = keyspace_find(ks, 0, &k);

    assert_non_null(it);
    return item_access(it);
}

#define WALL_MS INT64_C(1795380276556)
#define MINUTE_MS 60000

/* Seconds since the last use or a counter stand before a key, as the policy goes by the one or the
 * other: behind its time to live, as Redis has them. */
static void access_data_is_written_as_the_policy_asks(void **state)
{
    static const char idle[] = "\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\xf8\x40\x64\x00\x01k\x01v";
    static const char freq[] = "\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\xf9\x07\x00\x01k\x01v";
    static const char neither[] = "\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\x00\x01k\x01v";
    static const struct {
        const char *bytes;
        size_t n;
        struct access_clock clock; /* 100 s and 2 min after the access */
    } cases[] = {
        {idle, sizeof idle - 1, {.lru = true, .wall_ms = WALL_MS + 100000}},
        {freq, sizeof freq - 1, {false, true, WALL_MS + 2 * MINUTE_MS, 1}},
        {neither, sizeof neither - 1, {.wall_ms = WALL_MS + 100000}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct access_clock then = cases[i].clock;
        struct keyspace *ks = new_keyspace(1, false, 1);
        struct key k = keyspace_key(ks, "k", 1);
        char *dir = make_dir(), *file;
        char path[64];
        size_t n;

        then.wall_ms = WALL_MS;
        snprintf(path, sizeof path, "%s/x.rdb", dir);
        set(ks, 0, "k", "v", 1, FAR_FUTURE);
        item_set_access(keyspace_find(ks, 0, &k),
                        then.lfu ? access_clock_of_freq(&then, 9) : access_clock_new(&then));
        assert_int_equal(rdb_save(path, ks, NULL, false, &cases[i].clock, NULL), RDB_OK);
        assert_int_equal(file_read_all(path, 1 << 20, &file, &n), 0);
        assert_true(n > cases[i].n + 9);
        assert_memory_equal(file + n - 9 - cases[i].n, cases[i].bytes, cases[i].n);
        free(file);
        keyspace_free(ks);
        remove_dir(dir, path);
    }
}

/* What stands before a key is taken when the policy goes by it, and of no other key; keys without
 * start as new ones. */
static void access_data_is_taken_as_the_policy_asks(void **state)
{
    static const char file[] = "\xf8\x40\x64\x00\x04idle\x01v" /* 100 s */
                               "\xf9\xc8\x00\x04"
                               "freq\x01v" /* 200 */
                               "\xf8\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x04long\x01\x01v"
                               "\x00\x04none\x01v";
    static const struct access_clock lfu = {
        .lfu = true, .wall_ms = WALL_MS, .lfu_decay_minutes = 1};
    static const struct access_clock lru = {.lru = true, .wall_ms = WALL_MS};
    static const struct access_clock other = {.wall_ms = WALL_MS};
    static const struct {
        const char *key;
        const struct access_clock *clock;
        uint32_t want;
    } cases[] = {
        {"idle", &lru, 100},   {"freq", &lru, 0},   {"long", &lru, ACCESS_MASK}, {"none", &lru, 0},
        {"idle", &lfu, 5},     {"freq", &lfu, 200}, {"long", &lfu, 5},           {"none", &lfu, 5},
        {"idle", &other, 100}, {"freq", &other, 0}, {"none", &other, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *dir = make_dir();
        char path[64];
        struct keyspace *ks = new_keyspace(1, false, 1);
        struct rdb_loader *l;
        uint32_t access;

        snprintf(path, sizeof path, "%s/x.rdb", dir);
        write_rdb(path, "0010", file, sizeof file - 1);
        assert_int_equal(rdb_loader_new(path, true, &l), RDB_OK);
        rdb_loader_set_clock(l, cases[i].clock);
        assert_int_equal(rdb_loader_step(l, ks, 1000000, 0), RDB_OK);
        access = access_in(ks, cases[i].key);
        print_message("case %zu: %s\n", i, cases[i].key);
        assert_int_equal(cases[i].clock->lfu ? access_clock_freq(cases[i].clock, access)
                                             : access_clock_idle(cases[i].clock, access),
                         cases[i].want);
        rdb_loader_free(l);
        keyspace_free(ks);
        remove_dir(dir, path);
    }
}

/* Keys that are past their time are left out when the caller says so. */
static void expired_keys_are_dropped_on_demand(void **state)
{
    char *dir = make_dir();
    char path[64];
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct keyspace *back = new_keyspace(1, false, 1);
    struct rdb_loader *l;
    unsigned slices;

    (void)state;
    snprintf(path, sizeof path, "%s/x.rdb", dir);
    set(ks, 0, "old", "v", 1, 1000);
    set(ks, 0, "new", "v", 1, 3000);
    set_text(ks, 0, "ever", "v");
    assert_int_equal(rdb_save(path, ks, NULL, true, NULL, NULL), RDB_OK);
    assert_int_equal(load(path, back, 1000, 2000, &l, &slices), RDB_OK);
    assert_int_equal(keyspace_size(back, 0), 2);
    assert_int_equal(rdb_loader_keys(l), 2);
    assert_value(back, 0, "new", "v");
    assert_int_equal(keyspace_expires(back, 0), 1);
    rdb_loader_free(l);
    keyspace_free(ks);
    keyspace_free(back);
    remove_dir(dir, path);
}

/* Parts of streams. */
#define ID "\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01"
#define EMPTY_STREAM "\0\0\0\0\0\0\0\0\0" /* to its number of groups */
#define GROUP "\x01g\0\0\0"               /* to its number of records */
#define RECORD ID "\0\0\0\0\0\0\0\0\x01"
#define CONSUMER                                                                                   \
    "\x01"                                                                                         \
    "c\0\0\0\0\0\0\0\0"

/* Impossible lengths, unknown forms, foreign types: an error that names what and where. */
static void malformed_files_are_refused(void **state)
{
#define BYTES(s) (s), sizeof(s) - 1
    static const struct {
        const char *name, *version, *bytes;
        size_t n;
        int want;
        const char *error;
    } cases[] = {
        {"string beyond the file", "0010", BYTES("\xfe\x00\x00\x01k\x80\x7f\xff\xff\xff"),
         RDB_ERR_FORMAT, "a string of 2147483647 bytes where the file has 9 left at offset 19"},
        {"64-bit length", "0010", BYTES("\xfe\x00\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
         RDB_ERR_FORMAT, "a string of 18446744073709551615 bytes"},
        {"compressed beyond the file", "0010",
         BYTES("\xfe\x00\x00\x01k\xc3\x80\x00\x01\x00\x00\x80\x7f\x00\x00\x00"), RDB_ERR_FORMAT,
         "impossible lengths of a compressed string"},
        {"compressed beyond reason", "0010",
         BYTES("\xfe\x00\x00\x01k\xc3\x04\x80\x7f\x00\x00\x00"
               "abcd"),
         RDB_ERR_FORMAT, "impossible lengths of a compressed string"},
        {"compressed to nothing", "0010",
         BYTES("\xfe\x00\x00\x01k\xc3\x04\x00"
               "abcd"),
         RDB_ERR_FORMAT, "impossible lengths"},
        {"compressed garbage", "0010", BYTES("\xfe\x00\x00\x01k\xc3\x04\x10\xff\xff\xff\xff"),
         RDB_ERR_FORMAT, "a compressed string is damaged"},
        {"unknown form of a length", "0010", BYTES("\xfe\x82\x00\x00"), RDB_ERR_FORMAT,
         "unknown form of a length (130)"},
        {"string for a length", "0010", BYTES("\xfe\xc0\x00\x00"), RDB_ERR_FORMAT,
         "a string stands where a length must"},
        {"unknown form of a string", "0010", BYTES("\xfe\x00\x00\xc4\x00\x00"), RDB_ERR_FORMAT,
         "unknown form of a string (4)"},
        {"a key twice", "0010", BYTES("\xfe\x00\x00\x01k\x01v\x00\x01k\x01v"), RDB_ERR_FORMAT,
         "twice"},
        {"database", "0010", BYTES("\xfe\x04\x00\x01k\x01v"), RDB_ERR_DATABASE,
         "database 4 does not exist here"},
        {"module", "0010", BYTES("\xfe\x00\x07\x01k\x01\x01v"), RDB_ERR_TYPE,
         "a value of type 7 (module 2) is not supported at offset 12"},
        {"list without an end", "0010", BYTES("\xfe\x00\x01\x01k\x3f\x01v"), RDB_ERR_FORMAT,
         "elements are announced where the file has less"},
        {"empty set", "0010", BYTES("\xfe\x00\x02\x01k\x00"), RDB_ERR_FORMAT, "or there is none"},
        {"member twice", "0010", BYTES("\xfe\x00\x02\x01k\x02\x01v\x01v"), RDB_ERR_FORMAT,
         "stands in its value twice"},
        {"damaged listpack", "0010", BYTES("\xfe\x00\x10\x01k\x07\x07\x00\x00\x00\x01\x00\xff"),
         RDB_ERR_FORMAT, "a listpack is malformed"},
        {"damaged ziplist", "0009", BYTES("\xfe\x00\x0d\x01k\x07\x07\x00\x00\x00\x01\x00\xff"),
         RDB_ERR_FORMAT, "a ziplist is malformed"},
        {"damaged zipmap", "0003", BYTES("\xfe\x00\x09\x01k\x02\x01\xff"), RDB_ERR_FORMAT,
         "a zipmap is malformed"},
        {"empty listpack", "0010", BYTES("\xfe\x00\x10\x01k\x07\x07\x00\x00\x00\x00\x00\xff"),
         RDB_ERR_FORMAT, "or there is none"},
        {"damaged intset", "0010", BYTES("\xfe\x00\x0b\x01k\x08\x03\x00\x00\x00\x00\x00\x00\x00"),
         RDB_ERR_FORMAT, "an intset is malformed"},
        {"NaN as a score", "0010",
         BYTES("\xfe\x00\x05\x01k\x01\x01m\x00\x00\x00\x00\x00\x00\xf8\x7f"), RDB_ERR_FORMAT,
         "a score is no number"},
        {"module", "0012", BYTES("\xfe\x00\x07\x01k"), RDB_ERR_TYPE, "type 7"},
        {"stream of nodes that are not there", "0010", BYTES("\xfe\x00\x13\x01k\x05\x00"),
         RDB_ERR_FORMAT, "more is announced than is there"},
        {"stream with a node that is none", "0010",
         BYTES("\xfe\x00\x13\x01k\x01\x10" ID "\x07\x07\x00\x00\x00\x00\x00\xff"), RDB_ERR_FORMAT,
         "a stream is damaged: a node"},
        {"stream with an id that is none", "0010",
         BYTES("\xfe\x00\x13\x01k\x01\x0f" ID "\x07\x00\x00\x00\x00\x00\xff"), RDB_ERR_FORMAT,
         "a stream is damaged: a node"},
        {"stream of another length", "0010", BYTES("\xfe\x00\x13\x01k\x00\x01\x00\x00"),
         RDB_ERR_FORMAT, "its length or last id"},
        {"stream with a group twice", "0010",
         BYTES("\xfe\x00\x13\x01k" EMPTY_STREAM "\x02" GROUP "\x00\x00" GROUP "\x00\x00"),
         RDB_ERR_FORMAT, "two groups have one name"},
        {"stream with a consumer twice", "0010",
         BYTES("\xfe\x00\x13\x01k" EMPTY_STREAM "\x01" GROUP "\x00\x02" CONSUMER "\x00" CONSUMER
               "\x00"),
         RDB_ERR_FORMAT, "two consumers have one name"},
        {"stream with a record twice", "0010",
         BYTES("\xfe\x00\x13\x01k" EMPTY_STREAM "\x01" GROUP "\x02" RECORD RECORD "\x00"),
         RDB_ERR_FORMAT, "an entry is pending twice"},
        {"stream with a record of nobody", "0010",
         BYTES("\xfe\x00\x13\x01k" EMPTY_STREAM "\x01" GROUP "\x01" RECORD "\x01" CONSUMER "\x00"),
         RDB_ERR_FORMAT, "with no consumer"},
        {"stream with a record of two", "0010",
         BYTES("\xfe\x00\x13\x01k" EMPTY_STREAM "\x01" GROUP "\x01" RECORD "\x01" CONSUMER
               "\x02" ID ID),
         RDB_ERR_FORMAT, "what is pending with a consumer"},
        {"function", "0010",
         BYTES("\xf5\x03"
               "abc"),
         RDB_ERR_TYPE, "function library"},
        {"unknown opcode", "0010", BYTES("\xfe\x00\x96"), RDB_ERR_FORMAT,
         "unknown opcode or type 150"},
        {"module's data", "0010", BYTES("\xf7\x09\x02\x01\x09\x00"), RDB_ERR_FORMAT,
         "unknown part of a module's data (9)"},
        {"trailing bytes", "0010", BYTES("\xff\0\0\0\0\0\0\0\0x"), RDB_ERR_FORMAT,
         "something stands behind the end"},
        {"version 0", "0000", BYTES(""), RDB_ERR_VERSION, ""},
        {"version 13", "0013", BYTES(""), RDB_ERR_VERSION, ""},
        {"version xx", "00xx", BYTES(""), RDB_ERR_FORMAT, ""},
        {"our field", "0010",
         BYTES("\xfa\x0eholdfast-group\x03"
               "abc"),
         RDB_ERR_FORMAT, "AUX field holdfast-group is malformed"},
        {"our members", "0010",
         BYTES("\xfa\x10holdfast-members\x03"
               "abc"),
         RDB_ERR_FORMAT, "AUX field holdfast-members is malformed"},
    };
    char error[160];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %s\n", cases[i].name);
        assert_null(load_bytes(cases[i].version, cases[i].bytes, cases[i].n, cases[i].want, error));
        if (strstr(error, cases[i].error) == NULL) {
            fail_msg("\"%s\" is not in \"%s\"", cases[i].error, error);
        }
    }
}

/* A small file of every kind of thing, cut at each byte and with each bit flipped: always an
 * error, never a crash; and when the checksum is not looked at, at least no crash. */
static void damage_is_always_noticed(void **state)
{
    struct rdb_meta meta = {.cluster_id = "c", .group = 1, .members = "abc", .members_len = 3};
    struct keyspace *ks = new_keyspace(2, false, 1);
    char *dir = make_dir();
    char path[64], damaged[64];
    char *file, *copy;
    size_t n;
    struct rdb_loader *l;
    unsigned slices;

    (void)state;
    snprintf(path, sizeof path, "%s/x.rdb", dir);
    snprintf(damaged, sizeof damaged, "%s/y.rdb", dir);
    set_text(ks, 0, "k", "v");
    set_text(ks, 0, "compressed",
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    set_text(ks, 1, "number", "123456");
    set(ks, 1, "expires", "v", 1, FAR_FUTURE);
    assert_int_equal(rdb_save(path, ks, &meta, true, NULL, NULL), RDB_OK);
    keyspace_free(ks);
    assert_int_equal(file_read_all(path, 1 << 20, &file, &n), 0);
    copy = mem_dup(file, n);

    for (size_t cut = 0; cut < n; cut++) {
        ks = new_keyspace(2, false, 1);
        l = NULL;
        write_file(damaged, file, cut);
        assert_true(load(damaged, ks, 1000, 0, &l, &slices) < 0);
        rdb_loader_free(l);
        keyspace_free(ks);
    }
    for (size_t bit = 0; bit < n * 8; bit++) {
        ks = new_keyspace(2, false, 1);
        l = NULL;
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        write_file(damaged, copy, n);
        assert_true(load(damaged, ks, 1000, 0, &l, &slices) < 0);
        rdb_loader_free(l);
        keyspace_free(ks);

        ks = new_keyspace(2, false, 1);
        if (rdb_loader_new(damaged, false, &l) == RDB_OK) {
            while (rdb_loader_step(l, ks, 1000, 0) == 1) {
            }
            rdb_loader_free(l);
        }
        keyspace_free(ks);
        copy[bit / 8] = file[bit / 8];
    }
    print_message("%zu bytes\n", n);
    free(file);
    free(copy);
    (void)unlink(damaged);
    remove_dir(dir, path);
}

/* A wrong checksum is an error of its own; one of 0 means that there is none. */
static void checksums_are_checked(void **state)
{
    char *dir = make_dir();
    char path[64];
    struct keyspace *ks = new_keyspace(1, false, 1);
    struct rdb_loader *l;
    unsigned slices;
    char *file;
    size_t n;

    (void)state;
    snprintf(path, sizeof path, "%s/x.rdb", dir);
    set_text(ks, 0, "key", "value");
    assert_int_equal(rdb_save(path, ks, NULL, true, NULL, NULL), RDB_OK);
    assert_int_equal(file_read_all(path, 1 << 20, &file, &n), 0);
    file[n - 10] ^= 1; /* the last letter of the value */
    write_file(path, file, n);
    keyspace_free(ks);
    ks = new_keyspace(1, false, 1);
    assert_int_equal(load(path, ks, 1000, 0, &l, &slices), RDB_ERR_CHECKSUM);
    assert_non_null(strstr(rdb_loader_error(l), "checksum does not match at offset"));
    rdb_loader_free(l);
    keyspace_free(ks);

    ks = new_keyspace(1, false, 1);
    memset(file + n - 8, 0, 8);
    write_file(path, file, n);
    assert_int_equal(load(path, ks, 1000, 0, &l, &slices), RDB_OK);
    assert_value(ks, 0, "key", "valud");
    rdb_loader_free(l);
    keyspace_free(ks);
    free(file);
    remove_dir(dir, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(meta_is_kept),
        cmocka_unit_test(a_failed_save_leaves_nothing),
        cmocka_unit_test(all_forms_are_read),
        cmocka_unit_test(access_data_is_written_as_the_policy_asks),
        cmocka_unit_test(access_data_is_taken_as_the_policy_asks),
        cmocka_unit_test(expired_keys_are_dropped_on_demand),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(checksums_are_checked),
        cmocka_unit_test(damage_is_always_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
