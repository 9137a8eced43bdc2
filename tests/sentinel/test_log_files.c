/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_log_files.c - sentinel/log_files.c on folders made here. */
#include "tests/test.h"

#include "base/crc.h"
#include "sentinel/log_files.h"
#include "sentinel/snapshot_file.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 16384, RECORDS = 5, RECORD_BYTES = 64 };

static char dir[PATH_MAX];

static void path_of(char out[PATH_MAX], const char *name)
{
    assert_true(snprintf(out, PATH_MAX, "%.4000s/%s", dir, name) < PATH_MAX);
}

static void write_file(const char *name, const void *p, size_t n)
{
    char path[PATH_MAX];
    FILE *f;

    path_of(path, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A segment with RECORDS hard states of RECORD_BYTES each, whose terms count up from 10 * number.
 */
static void write_segment(uint64_t number, uint64_t prev_end)
{
    static unsigned char p[FILE_BYTES];
    struct wal_segment_header h = {.version = WAL_FORMAT_VERSION,
                                   .cluster_id = "0123456789abcdef0123456789abcdef01234567",
                                   .node = 1,
                                   .number = number,
                                   .salt = 7,
                                   .prev_end = prev_end,
                                   .records_end = WAL_RECORDS_AT,
                                   .file_bytes = FILE_BYTES};
    char segment[LOG_NAME_BYTES];
    char name[LOG_NAME_BYTES + 8];

    memset(p, 0, sizeof p);
    wal_format_put_header(p, &h);
    for (size_t i = 0; i < RECORDS; i++) {
        struct wal_record r = {.group = 1, .type = WAL_RECORD_HARD, .durable = WAL_RECORDS_AT};
        size_t at = WAL_RECORDS_AT + i * RECORD_BYTES;

        r.offset = at;
        r.hard_term = 10 * number + i;
        wal_format_put(p + at, wal_format_seed(&h), &r);
        memset(p + at + r.bytes, WAL_PAD_BYTE, WAL_RECORD_PADDED(r.bytes) - r.bytes);
        assert_int_equal(WAL_RECORD_PADDED(r.bytes), RECORD_BYTES);
    }
    wal_format_name(segment, number);
    snprintf(name, sizeof name, "wal/%s", segment);
    write_file(name, p, sizeof p);
}

static void patch(uint64_t number, off_t at, const void *p, size_t n)
{
    char segment[LOG_NAME_BYTES];
    char name[LOG_NAME_BYTES + 8];
    char path[PATH_MAX];
    int fd;

    wal_format_name(segment, number);
    snprintf(name, sizeof name, "wal/%s", segment);
    path_of(path, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, at), (ssize_t)n);
    close(fd);
}

#define END (WAL_RECORDS_AT + RECORDS * RECORD_BYTES)

static int setup(void **state)
{
    char path[PATH_MAX];

    (void)state;
    strcpy(dir, "/tmp/holdfast-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    path_of(path, "wal");
    return mkdir(path, 0700);
}

static int teardown(void **state)
{
    char command[PATH_MAX + 16];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

struct seen {
    uint64_t terms[32];
    size_t n, torn, damaged, segments;
    uint64_t segment, offset; /* of the last damage */
};

static void on_segment(void *arg, const struct log_segment *s, const struct wal_segment_header *h,
                       uint64_t file_bytes)
{
    struct seen *seen = arg;

    assert_int_equal(h->number, s->number);
    assert_int_equal(file_bytes, FILE_BYTES);
    seen->segments++;
}

static bool on_record(void *arg, const struct log_segment *s, const struct wal_record *r)
{
    struct seen *seen = arg;

    (void)s;
    seen->terms[seen->n++] = r->hard_term;
    return r->hard_term != 999;
}

static void on_damage(void *arg, const struct log_segment *s, uint64_t offset, const char *why,
                      enum wal_damage kind)
{
    struct seen *seen = arg;

    assert_non_null(why);
    seen->torn += kind == WAL_TORN;
    seen->damaged += kind == WAL_DAMAGED;
    seen->segment = s->number;
    seen->offset = offset;
}

static int walk(struct seen *seen)
{
    struct log_visitor v = {.arg = seen,
                            .what = "test",
                            .segment = on_segment,
                            .record = on_record,
                            .damage = on_damage};
    struct log_files f;
    int rc;

    memset(seen, 0, sizeof *seen);
    assert_int_equal(log_files_list(dir, &f), LOG_OK);
    rc = log_walk(&f, &v);
    log_files_release(&f);
    return rc;
}

static void all_records_come_in_order(void **state)
{
    static const uint64_t want[] = {30, 31, 32, 33, 34, 40, 41, 42, 43, 44};
    struct seen seen;

    (void)state;
    write_segment(4, END);
    write_segment(3, 0);
    write_file("wal/0000000000000005.tmp", "x", 1); /* being made */
    write_file("wal/ballast", "x", 1);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.segments, 2);
    assert_int_equal(seen.n, ARRAY_LEN(want));
    assert_memory_equal(seen.terms, want, sizeof want);
    assert_int_equal(seen.torn + seen.damaged, 0);
}

/* The end of the last record never reached the disk: what is before it counts, and it is no
 * damage. In a segment that is not the last one the same bytes are. */
static void an_unfinished_write_is_a_torn_tail_only_at_the_end(void **state)
{
    static const unsigned char zeros[RECORD_BYTES - 16];
    const off_t torn = END - (off_t)sizeof zeros;
    struct seen seen;

    (void)state;
    write_segment(3, 0);
    patch(3, torn, zeros, sizeof zeros);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.n, RECORDS - 1);
    assert_int_equal(seen.torn, 1);
    assert_int_equal(seen.damaged, 0);
    assert_int_equal(seen.offset, END - RECORD_BYTES);
    write_segment(4, END);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.n, 2 * RECORDS - 1);
    assert_int_equal(seen.torn, 0);
    assert_int_equal(seen.damaged, 1);
    assert_int_equal(seen.segment, 3);
}

static void a_flipped_bit_costs_one_record(void **state)
{
    struct seen seen;

    (void)state;
    write_segment(3, 0);
    patch(3, WAL_RECORDS_AT + 2 * RECORD_BYTES + 40, "\xee", 1);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.n, RECORDS - 1);
    assert_int_equal(seen.damaged, 1);
    assert_int_equal(seen.torn, 0);
    assert_int_equal(seen.offset, WAL_RECORDS_AT + 2 * RECORD_BYTES);
}

static void missing_and_unreadable_segments_are_damage(void **state)
{
    static const unsigned char zeros[WAL_RECORDS_AT];
    struct seen seen;

    (void)state;
    write_segment(3, 0);
    write_segment(5, END);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.n, 2 * RECORDS);
    assert_int_equal(seen.damaged, 1);
    assert_int_equal(seen.segment, 4);
    write_segment(4, END);
    patch(4, 0, zeros, sizeof zeros);
    assert_int_equal(walk(&seen), LOG_OK);
    assert_int_equal(seen.n, 2 * RECORDS);
    assert_int_equal(seen.damaged, 1);
    assert_int_equal(seen.segment, 4);
}

static void a_newer_format_is_refused(void **state)
{
    static unsigned char p[WAL_RECORDS_AT];
    struct wal_segment_header h = {.version = WAL_FORMAT_VERSION + 1,
                                   .number = 3,
                                   .records_end = WAL_RECORDS_AT,
                                   .file_bytes = FILE_BYTES};
    struct seen seen;

    (void)state;
    write_segment(3, 0);
    wal_format_put_header(p, &h);
    patch(3, 0, p, sizeof p);
    assert_int_equal(walk(&seen), LOG_FAILED);
    assert_int_equal(seen.n, 0);
}

static void a_folder_without_a_log_is_refused(void **state)
{
    struct log_files f;

    (void)state;
    assert_int_equal(log_files_list(dir, &f), LOG_FAILED);
    log_files_release(&f);
    assert_int_equal(log_files_list("/nonexistent", &f), LOG_FAILED);
    log_files_release(&f);
}

/* ---- snapshots ----------------------------------------------------------------------------- */

static void snapshots_are_checked_by_magic_and_checksum(void **state)
{
    const struct log_group g = {.group = 1, .snap_index = 20, .snap_term = 3};
    char rdb[64] = "REDIS0010 some content \xff";
    size_t n = strlen(rdb);
    uint64_t crc = htole64(crc64_jones(0, rdb, n));
    char path[PATH_MAX];
    char *copy = NULL;
    size_t copied = 0;
    FILE *f;

    (void)state;
    assert_true(snapshot_file_path(dir, &g, path));
    assert_non_null(strstr(path, "/g1-20-3.rdb"));
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_MISSING);
    memcpy(rdb + n, &crc, 8);
    write_file("g1-20-3.rdb", rdb, n + 8);
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_OK);
    f = open_memstream(&copy, &copied);
    assert_int_equal(snapshot_file_check(path, f), SNAPSHOT_OK);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(copied, n + 8);
    assert_memory_equal(copy, rdb, n + 8);
    free(copy);
    rdb[12] ^= 1;
    write_file("g1-20-3.rdb", rdb, n + 8);
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_DAMAGED);
    memset(rdb + n, 0, 8); /* none was computed */
    write_file("g1-20-3.rdb", rdb, n + 8);
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_OK);
    rdb[0] = 'r';
    write_file("g1-20-3.rdb", rdb, n + 8);
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_DAMAGED);
    write_file("g1-20-3.rdb", rdb, 5);
    assert_int_equal(snapshot_file_check(path, NULL), SNAPSHOT_DAMAGED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_records_come_in_order),
        TEST(an_unfinished_write_is_a_torn_tail_only_at_the_end),
        TEST(a_flipped_bit_costs_one_record),
        TEST(missing_and_unreadable_segments_are_damage),
        TEST(a_newer_format_is_refused),
        TEST(a_folder_without_a_log_is_refused),
        TEST(snapshots_are_checked_by_magic_and_checksum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
