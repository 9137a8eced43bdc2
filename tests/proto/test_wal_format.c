/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_wal_format.c - records and headers of the log, and reading them from anything.
 */
#include "tests/test.h"

#include "base/rand.h"
#include "proto/wal_format.h"

enum { FILE_BYTES = 8192 };

static struct wal_segment_header a_header(void)
{
    struct wal_segment_header h = {.version = WAL_FORMAT_VERSION,
                                   .cluster_id = "0123456789abcdef0123456789abcdef01234567",
                                   .node = 3,
                                   .number = 17,
                                   .salt = 0x1122334455667788,
                                   .prev_end = 5000,
                                   .records_end = WAL_RECORDS_AT,
                                   .created_ms = 1700000000000,
                                   .flags = WAL_SEGMENT_SALVAGED,
                                   .n_baselines = 2,
                                   .file_bytes = FILE_BYTES};

    return h;
}

static const unsigned char one_member[] = {1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5};

/* One record of each type, with different values in all fields. */
static struct wal_record sample(enum wal_record_type type)
{
    struct wal_record r = {.group = 0x01020304, .type = (uint8_t)type, .durable = 4096};

    switch (type) {
    case WAL_RECORD_ENTRY:
        r.detail = 1;
        r.term = 11;
        r.index = 12;
        r.prev_term = 10;
        r.data = (const unsigned char *)"payload";
        r.data_bytes = 7;
        break;
    case WAL_RECORD_HARD:
        r.hard_term = 21;
        r.vote = 22;
        r.commit = 23;
        break;
    case WAL_RECORD_COMPACT:
        r.keep_from = 33;
        /* fall through */
    case WAL_RECORD_INSTALL:
        r.term = 31;
        r.index = 32;
        r.data = one_member;
        r.data_bytes = sizeof one_member;
        break;
    case WAL_RECORD_BASELINE:
        r.detail = WAL_BASELINE_DAMAGED;
        r.hard_term = 41;
        r.vote = 42;
        r.commit = 43;
        r.term = 44;
        r.index = 45;
        r.keep_from = 46;
        r.data = one_member;
        r.data_bytes = sizeof one_member;
        /* fall through */
    case WAL_RECORD_REPAIRED:
        r.last_term = 47;
        r.last_index = 48;
        break;
    }
    return r;
}

/* A segment with one record of each type; returns where they end. */
static size_t make_segment(unsigned char *p)
{
    struct wal_segment_header h = a_header();
    size_t at = WAL_RECORDS_AT;

    memset(p, 0, FILE_BYTES);
    wal_format_put_header(p, &h);
    for (int type = WAL_RECORD_ENTRY; type <= WAL_RECORD_REPAIRED; type++) {
        struct wal_record r = sample(type);
        size_t fixed;

        r.offset = at;
        fixed = wal_format_put(p + at, wal_format_seed(&h), &r);
        if (r.data_bytes > 0) {
            memcpy(p + at + fixed, r.data, r.data_bytes);
        }
        assert_int_equal(r.bytes, wal_format_record_bytes(type, r.data_bytes));
        memset(p + at + r.bytes, WAL_PAD_BYTE, WAL_RECORD_PADDED(r.bytes) - r.bytes);
        at += WAL_RECORD_PADDED(r.bytes);
    }
    return at;
}

static void headers_come_back(void **state)
{
    static unsigned char p[FILE_BYTES];
    struct wal_segment_header h = a_header();
    struct wal_segment_header got;

    (void)state;
    wal_format_put_header(p, &h);
    for (int broken = 0; broken < 3; broken++) {
        p[64] = (unsigned char)(broken == 1 ? p[64] ^ 1 : p[64]);
        if (broken == 2) {
            p[64] ^= 1;
            p[WAL_HEADER_COPY_AT + 3] ^= 1;
        }
        assert_int_equal(wal_format_get_header(p, sizeof p, &got), WAL_FORMAT_OK);
        assert_string_equal(got.cluster_id, h.cluster_id);
        assert_int_equal(got.node, h.node);
        assert_int_equal(got.number, h.number);
        assert_int_equal(got.salt, h.salt);
        assert_int_equal(got.prev_end, h.prev_end);
        assert_int_equal(got.records_end, h.records_end);
        assert_int_equal(got.created_ms, h.created_ms);
        assert_int_equal(got.flags, h.flags);
        assert_int_equal(got.n_baselines, h.n_baselines);
        assert_int_equal(got.file_bytes, h.file_bytes);
    }
    for (size_t n = 0; n < WAL_HEADER_BYTES; n++) {
        assert_int_equal(wal_format_get_header(p, n, &got), WAL_FORMAT_BAD);
    }
    h.file_bytes = h.records_end - 1; /* it could not be told from a file that was cut */
    wal_format_put_header(p, &h);
    assert_int_equal(wal_format_get_header(p, sizeof p, &got), WAL_FORMAT_BAD);
    h.version = WAL_FORMAT_VERSION + 1;
    wal_format_put_header(p, &h);
    assert_int_equal(wal_format_get_header(p, sizeof p, &got), WAL_FORMAT_NEWER);
}

static void names_come_back(void **state)
{
    static const char *const bad[] = {"",
                                      "0000000000000001",
                                      "0000000000000001.wa",
                                      "0000000000000001.wal.damaged",
                                      "0000000000000000.wal",
                                      "000000000000000G.wal",
                                      "000000000000000A.wal",
                                      "00000000000000001.wal"};
    char name[WAL_FORMAT_NAME_BYTES];
    uint64_t n;

    (void)state;
    wal_format_name(name, 0xfedcba9876543210);
    assert_string_equal(name, "fedcba9876543210.wal");
    assert_true(wal_format_parse_name(name, &n));
    assert_int_equal(n, 0xfedcba9876543210);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(wal_format_parse_name(bad[i], &n));
    }
}

static void every_record_type_comes_back(void **state)
{
    static unsigned char p[FILE_BYTES];
    size_t end = make_segment(p);
    struct wal_reader r;
    struct wal_record rec;

    (void)state;
    assert_int_equal(wal_reader_open(&r, p, sizeof p), WAL_FORMAT_OK);
    for (int type = WAL_RECORD_ENTRY; type <= WAL_RECORD_REPAIRED; type++) {
        struct wal_record want = sample(type);
        uint64_t id;
        uint8_t flags;

        assert_int_equal(wal_reader_next(&r, &rec), WAL_READ_RECORD);
        assert_int_equal(rec.type, type);
        assert_string_not_equal(wal_record_type_name(rec.type), "unknown");
        assert_int_equal(rec.group, want.group);
        assert_int_equal(rec.detail, want.detail);
        assert_int_equal(rec.durable, want.durable);
        assert_int_equal(rec.term, want.term);
        assert_int_equal(rec.index, want.index);
        assert_int_equal(rec.prev_term, want.prev_term);
        assert_int_equal(rec.hard_term, want.hard_term);
        assert_int_equal(rec.vote, want.vote);
        assert_int_equal(rec.commit, want.commit);
        assert_int_equal(rec.keep_from, want.keep_from);
        assert_int_equal(rec.last_term, want.last_term);
        assert_int_equal(rec.last_index, want.last_index);
        assert_int_equal(rec.data_bytes, want.data_bytes);
        if (want.data_bytes > 0) {
            assert_memory_equal(rec.data, want.data, want.data_bytes);
        }
        if (want.data == one_member) {
            assert_true(wal_format_member(rec.data, rec.data_bytes, 0, &id, &flags));
            assert_int_equal(id, 9);
            assert_int_equal(flags, 5);
            assert_false(wal_format_member(rec.data, rec.data_bytes, 1, &id, &flags));
        }
    }
    assert_int_equal(wal_reader_next(&r, &rec), WAL_READ_END);
    assert_int_equal(r.at, end);
    assert_int_equal(wal_reader_content_end(&r), end);
    assert_string_equal(wal_record_type_name(0), "unknown");
    assert_string_equal(wal_record_type_name(99), "unknown");
}

/* A single wrong bit anywhere in the records is seen, at the record it is in, and the next record
 * is found again. */
static void every_wrong_bit_is_seen(void **state)
{
    static unsigned char p[FILE_BYTES];
    size_t end = make_segment(p);

    (void)state;
    for (size_t bit = WAL_RECORDS_AT * 8; bit < end * 8; bit++) {
        struct wal_reader r;
        struct wal_record rec;
        size_t records = 0;
        size_t invalid = 0;

        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(wal_reader_open(&r, p, sizeof p), WAL_FORMAT_OK);
        for (;;) {
            enum wal_read got = wal_reader_next(&r, &rec);

            if (got == WAL_READ_END) {
                break;
            }
            if (got == WAL_READ_RECORD) {
                records++;
                assert_false(bit / 8 >= rec.offset &&
                             bit / 8 < rec.offset + WAL_RECORD_PADDED(rec.bytes));
                continue;
            }
            invalid++;
            assert_non_null(r.why);
            assert_true(bit / 8 >= r.at);
            assert_int_equal(wal_reader_judge(&r, false), WAL_DAMAGED);
            assert_int_equal(wal_reader_judge(&r, true), WAL_DAMAGED);
            if (!wal_reader_resync(&r)) {
                break;
            }
        }
        assert_int_equal(records, WAL_RECORD_REPAIRED - 1);
        assert_int_equal(invalid, 1);
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

/* A record that was copied elsewhere, or comes from a segment with another salt, is none. */
static void a_record_is_valid_in_its_place_only(void **state)
{
    static unsigned char p[FILE_BYTES];
    static unsigned char other[FILE_BYTES];
    size_t end = make_segment(p);
    struct wal_segment_header h = a_header();
    struct wal_reader r;
    struct wal_record rec;
    size_t first;

    (void)state;
    assert_int_equal(wal_reader_open(&r, p, sizeof p), WAL_FORMAT_OK);
    assert_int_equal(wal_reader_next(&r, &rec), WAL_READ_RECORD);
    first = r.at - WAL_RECORDS_AT;
    memcpy(p + end, p + WAL_RECORDS_AT, first);
    while (wal_reader_next(&r, &rec) == WAL_READ_RECORD) {
    }
    assert_int_equal(r.at, end);
    assert_string_equal(r.why, "belongs to another offset");

    memcpy(other, p, sizeof p);
    h.salt++;
    wal_format_put_header(other, &h);
    assert_int_equal(wal_reader_open(&r, other, sizeof other), WAL_FORMAT_OK);
    assert_int_equal(wal_reader_next(&r, &rec), WAL_READ_INVALID);
    assert_false(wal_reader_resync(&r));
}

/* Whatever the bytes, the reader comes to an end inside them. */
static void any_bytes_can_be_read(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        size_t n = rng_below(&rng, FILE_BYTES + 1);
        static unsigned char whole[FILE_BYTES];
        unsigned char *p;
        struct wal_reader r;
        struct wal_record rec;

        make_segment(whole);
        p = malloc(n + 1);
        assert_non_null(p);
        memcpy(p, whole, n);
        for (uint64_t k = rng_below(&rng, 20); k > 0 && n > 0; k--) {
            size_t at = i % 2 == 0 && n > WAL_RECORDS_AT
                            ? WAL_RECORDS_AT + rng_below(&rng, MIN_OF(n - WAL_RECORDS_AT, 600))
                            : rng_below(&rng, n);

            p[at] = (unsigned char)rng_next(&rng);
        }
        if (wal_reader_open(&r, p, n) == WAL_FORMAT_OK) {
            if (i % 3 == 0) {
                wal_reader_known_end(&r, rng_below(&rng, 2 * FILE_BYTES));
            }
            for (size_t steps = 0;; steps++) {
                enum wal_read got = wal_reader_next(&r, &rec);

                assert_true(steps < FILE_BYTES);
                assert_true(r.at <= FILE_BYTES + 8);
                if (got == WAL_READ_END || (got == WAL_READ_INVALID && !wal_reader_resync(&r))) {
                    break;
                }
                assert_true(wal_reader_content_end(&r) >= r.at);
                (void)wal_reader_judge(&r, i % 2 == 0);
            }
        }
        free(p);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(headers_come_back),
    cmocka_unit_test(names_come_back),
    cmocka_unit_test(every_record_type_comes_back),
    cmocka_unit_test(every_wrong_bit_is_seen),
    cmocka_unit_test(a_record_is_valid_in_its_place_only),
    cmocka_unit_test(any_bytes_can_be_read),
};
TEST_MAIN(tests)
