/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_wal_recovery.c - what a log says after crashes and after damage.
 *
 * A crash may lose what was not synced, in any combination of sectors, and nothing else; that is
 * a torn tail. Everything else is damage: it is reported, groups it may have hit are named, and
 * what can be read stays. */
#include "tests/raft/wal_fixture.h"

#include <unistd.h>

#define SEGMENT_BYTES (16u << 10)

/* Rewrite the folder and open it; the log is expected to open. */
static void open_image(struct fixture *f, const struct image *image)
{
    fixture_close(f);
    image_put(f, image);
    fixture_open(f);
}

/* Entries first..last of group @g, all of them readable, content as it must be. */
static void expect_readable(struct fixture *f, uint32_t group, uint64_t first, uint64_t last)
{
    struct raft_entry *e[64];

    while (first <= last) {
        size_t n;

        assert_int_equal(wal_read(f->w, group, first, ARRAY_LEN(e), UINT64_MAX, e, &n), WAL_OK);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(e[i]->pos.index, first + i);
            assert_true(entry_is_right(group, e[i]));
            raft_entry_unref(e[i]);
        }
        first += n;
    }
}

/* Two groups, a few synced writes; then one write that is not, of @size bytes an entry. Returns
 * where that last write begins in segment 1; @before and @after are without and with it. */
static size_t make_unsynced_write(struct fixture *f, uint32_t size, struct image *before,
                                  struct image *after)
{
    struct raft_entry *a[2] = {make_entry(1, 3, 11, size), make_entry(1, 3, 12, size + 3)};
    struct raft_entry *b[1] = {make_entry(2, 4, 4, size)};
    struct wal_write x[2] = {{.group = 1,
                              .has_hard = true,
                              .hard = {.term = 3, .vote = 2, .commit = 10},
                              .entries = a,
                              .n_entries = 2},
                             {.group = 2,
                              .has_hard = true,
                              .hard = {.term = 4, .vote = 9, .commit = 3},
                              .entries = b,
                              .n_entries = 1}};
    struct wal_stats s;

    f->config.segment_bytes = SEGMENT_BYTES;
    fixture_open(f);
    put_hard(f, 1, 2, 1, 0);
    put_hard(f, 2, 3, 1, 0);
    put_entries(f, 1, 2, 1, 10, 60);
    put_entries(f, 2, 3, 1, 3, 60);
    image_take(f, before);
    wal_get_stats(f->w, &s);
    assert_int_equal(wal_write(f->w, x, 2), WAL_OK);
    image_take(f, after);
    fixture_close(f);
    raft_entry_unref(a[0]);
    raft_entry_unref(a[1]);
    raft_entry_unref(b[0]);
    return (size_t)s.bytes;
}

/* What was synced is whole, what was not is a prefix, nothing is called damaged; and the log goes
 * on from there. */
static void expect_clean_crash(struct fixture *f)
{
    const struct wal_group *g1 = recovered(f, 1);
    const struct wal_group *g2 = recovered(f, 2);
    uint64_t last1 = g1->restore.last.index;
    uint64_t last2 = g2->restore.last.index;

    assert_false(g1->damaged);
    assert_false(g2->damaged);
    assert_false(f->rec.lost_records);
    assert_string_equal(f->rec.damage, "");
    assert_true(last1 >= 10 && last1 <= 12);
    assert_true(last2 >= 3 && last2 <= 4);
    assert_true(last2 == 3 || last1 == 12); /* one write, in order */
    assert_int_equal(g1->restore.hard.term, last1 > 10 ? 3 : g1->restore.hard.term);
    assert_true(g1->restore.hard.term == 3 || g1->restore.hard.vote == 1);
    expect_readable(f, 1, 1, last1);
    expect_readable(f, 2, 1, last2);
    put_entries(f, 1, 5, last1 + 1, last1 + 2, 100);
    put_entries(f, 2, 6, last2, last2 + 1, 5);
    fixture_reopen(f);
    assert_false(recovered(f, 1)->damaged);
    assert_false(f->rec.torn_tail);
    assert_int_equal(recovered(f, 1)->restore.last.index, last1 + 2);
    assert_int_equal(recovered(f, 2)->restore.last.index, last2 + 1);
    expect_readable(f, 1, 1, last1 + 2);
    expect_readable(f, 2, 1, last2 + 1);
}

/* The last write was cut off behind any of its bytes. */
static void crash_at_every_byte_of_the_last_write(void **state)
{
    struct fixture *f = *state;
    struct image before;
    struct image after;
    size_t begin = make_unsynced_write(f, 90, &before, &after);
    struct image_file *b = image_segment(&before, 1);
    struct image_file *a = image_segment(&after, 1);
    size_t torn = 0;

    assert_int_equal(a->n, b->n);
    for (size_t cut = begin; cut < begin + 620; cut++) {
        memcpy(b->p + begin, a->p + begin, cut - begin);
        open_image(f, &before);
        torn += f->rec.torn_tail ? 1 : 0;
        expect_clean_crash(f);
    }
    assert_true(torn > 500);
    image_release(&before);
    image_release(&after);
}

/* Any combination of the last write's sectors got there. */
static void crash_with_any_sectors_of_the_last_write(void **state)
{
    struct fixture *f = *state;
    struct image before;
    struct image after;
    size_t begin = make_unsynced_write(f, 1100, &before, &after);
    struct image_file *b = image_segment(&before, 1);
    struct image_file *a = image_segment(&after, 1);
    size_t first = begin / 512;
    size_t sectors = 8;
    unsigned char *old = b->p;

    for (unsigned mask = 0; mask < 1u << sectors; mask++) {
        b->p = malloc(b->n);
        memcpy(b->p, old, b->n);
        for (size_t s = 0; s < sectors; s++) {
            if (mask >> s & 1) {
                memcpy(b->p + (first + s) * 512, a->p + (first + s) * 512, 512);
            }
        }
        open_image(f, &before);
        expect_clean_crash(f);
        free(b->p);
    }
    b->p = old;
    image_release(&before);
    image_release(&after);
}

/* A log of three groups over several segments; group 3 is only in the first. */
static void make_long_log(struct fixture *f, struct image *image)
{
    f->config.segment_bytes = SEGMENT_BYTES;
    fixture_open(f);
    put_hard(f, 3, 9, 2, 0);
    put_entries(f, 3, 9, 1, 3, 30);
    put_hard(f, 1, 2, 1, 0);
    put_hard(f, 2, 3, 1, 0);
    for (uint64_t i = 0; i < 60; i++) {
        put_entries(f, 1, 2, 3 * i + 1, 3 * i + 3, 150);
        put_entries(f, 2, 3, i + 1, i + 1, 110);
    }
    put_hard(f, 1, 12, 3, 0);
    put_hard(f, 2, 13, 3, 0);
    image_take(f, image);
    fixture_close(f);
}
enum { LONG_LAST_1 = 180, LONG_LAST_2 = 60, LONG_LAST_3 = 3 };

/* Whether a group is as whole as it was: nothing of it may be lost without a word. */
static void expect_whole_or_reported(struct fixture *f, uint32_t group, uint64_t last,
                                     uint64_t term, uint64_t vote)
{
    const struct wal_group *g = recovered(f, group);

    if (g == NULL) {
        assert_true(f->rec.lost_records);
        return;
    }
    assert_true(g->restore.hard.term <= term);
    assert_true(g->restore.last.index <= last);
    if (g->restore.last.index < last || g->restore.hard.term != term ||
        g->restore.hard.vote != vote) {
        assert_true(g->damaged);
    }
    if (g->damaged) {
        assert_true(g->restore.tail_suspect);
    }
    expect_readable(f, group, g->restore.snapshot.index + 1, g->restore.last.index);
}

/* Any single byte of any record of a synced log goes bad: it is always noticed, never a crash,
 * never a quiet loss; terms never go back where a newer one can be read. */
static void every_flipped_byte_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct image image;
    struct wal_stats s;
    uint64_t segments;

    make_long_log(f, &image);
    open_image(f, &image);
    wal_get_stats(f->w, &s);
    segments = s.segments;
    assert_true(segments >= 3);
    fixture_close(f);
    for (uint64_t number = 1; number <= segments; number++) {
        struct image_file *file = image_segment(&image, number);
        struct wal_reader r;
        struct wal_record rec;
        size_t step = number == 1 ? 7 : 13; /* odd: every kind of byte gets its turn */

        assert_int_equal(wal_reader_open(&r, file->p, file->n), WAL_FORMAT_OK);
        while (wal_reader_next(&r, &rec) == WAL_READ_RECORD) {
        }
        for (size_t at = WAL_RECORDS_AT; at < r.at; at += step) {
            file->p[at] ^= (unsigned char)(1u << at % 8);
            open_image(f, &image);
            if (!f->rec.lost_records) {
                fail_msg("segment %d, byte %zu", (int)number, at);
            }
            assert_true(f->rec.damage[0] != '\0');
            assert_int_equal(count_files(f->dir, ".damaged"), 1);
            expect_whole_or_reported(f, 1, LONG_LAST_1, 12, 3);
            expect_whole_or_reported(f, 2, LONG_LAST_2, 13, 3);
            expect_whole_or_reported(f, 3, LONG_LAST_3, 9, 2);
            if (number < segments) {
                /* The hard states at the end are newer than the damage. */
                assert_int_equal(recovered(f, 1)->restore.hard.term, 12);
                assert_int_equal(recovered(f, 1)->restore.hard.vote, 3);
            }
            file->p[at] ^= (unsigned char)(1u << at % 8);
        }
    }
    image_release(&image);
}

/* A sector of zeros looks like one that was never written. What later records say of it decides:
 * each tells how much was durable when it was written. */
static void zeros_below_a_durable_offset_are_damage(void **state)
{
    struct fixture *f = *state;
    struct image image;
    struct image_file *file;
    struct wal_stats s;

    f->config.segment_bytes = 64 << 10;
    fixture_open(f);
    put_hard(f, 1, 1, 1, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        put_entries(f, 1, 1, i, i, 1000);
    }
    wal_get_stats(f->w, &s);
    image_take(f, &image);
    file = image_segment(&image, 1);
    for (size_t sector = WAL_RECORDS_AT / 512; sector <= (s.bytes - 1) / 512; sector++) {
        bool last_write = (sector + 1) * 512 > s.bytes - 1056;
        unsigned char saved[512];

        memcpy(saved, file->p + sector * 512, 512);
        memset(file->p + sector * 512, 0, 512);
        open_image(f, &image);
        memcpy(file->p + sector * 512, saved, 512);
        /* The sector in which the last write begins has durable bytes too. */
        if (sector == (s.bytes - 1056) / 512) {
            assert_true(f->rec.lost_records || f->rec.torn_tail);
            continue;
        }
        assert_int_equal(f->rec.lost_records, !last_write);
        assert_int_equal(recovered(f, 1)->damaged, !last_write);
        assert_int_equal(f->rec.torn_tail, last_write);
        if (last_write) {
            expect_entries(f, 1, 1, 1, 19);
        }
    }
    image_release(&image);
}

/* The groups whose records were not hit are known not to be: the next baseline vouches for them. */
static void groups_beside_the_damage_stay_whole(void **state)
{
    struct fixture *f = *state;
    struct image image;
    struct wal_reader r;
    struct wal_record rec;
    struct image_file *file;

    make_long_log(f, &image);
    file = image_segment(&image, 2);
    assert_int_equal(wal_reader_open(&r, file->p, file->n), WAL_FORMAT_OK);
    while (wal_reader_next(&r, &rec) == WAL_READ_RECORD) {
        if (rec.type == WAL_RECORD_ENTRY && rec.group == 2) {
            break;
        }
    }
    file->p[rec.offset + 80] ^= 1;
    open_image(f, &image);
    assert_true(f->rec.lost_records);
    assert_true(recovered(f, 2)->damaged);
    assert_int_equal(recovered(f, 2)->restore.last.index, rec.index - 1);
    assert_int_equal(recovered(f, 2)->restore.hard.term, 13);
    assert_false(recovered(f, 1)->damaged);
    assert_false(recovered(f, 3)->damaged);
    assert_int_equal(recovered(f, 1)->restore.last.index, LONG_LAST_1);
    expect_entries(f, 1, 2, 1, LONG_LAST_1);
    expect_entries(f, 3, 9, 1, 3);
    expect_entries(f, 2, 3, 1, rec.index - 1);
    image_release(&image);
}

/* Damage is remembered over restarts until the group has been repaired, and then no longer. */
static void damage_lasts_until_repaired(void **state)
{
    struct fixture *f = *state;
    struct image image;
    struct image_file *file;
    uint64_t last;
    struct raft_entry *e;
    struct wal_write x = {.group = 1, .repaired = true, .entries = &e, .n_entries = 1};

    make_long_log(f, &image);
    file = image_segment(&image, 2);
    file->p[WAL_RECORDS_AT + 1000] ^= 0x10;
    open_image(f, &image);
    assert_true(recovered(f, 1)->damaged || recovered(f, 2)->damaged);
    image_release(&image);

    file = NULL;
    for (int i = 0; i < 3; i++) {
        bool one = recovered(f, 1)->damaged;

        fixture_reopen(f);
        assert_false(f->rec.lost_records);
        assert_int_equal(recovered(f, 1)->damaged, one);
        assert_int_equal(recovered(f, 1)->restore.tail_suspect, one);
    }
    /* Whichever it was: repair both. */
    for (uint32_t group = 1; group <= 2; group++) {
        last = recovered(f, group)->restore.last.index;
        put_entries(f, group, 20, last + 1, last + 5, 100);
        fixture_reopen(f);
    }
    assert_true(recovered(f, 1)->damaged || recovered(f, 2)->damaged);
    for (uint32_t group = 1; group <= 2; group++) {
        last = recovered(f, group)->restore.last.index;
        e = make_entry(group, 20, last + 1, 10);
        x.group = group;
        assert_int_equal(wal_write(f->w, &x, 1), WAL_OK);
        assert_int_equal(wal_sync(f->w), WAL_OK);
        raft_entry_unref(e);
        fixture_reopen(f);
        assert_int_equal(recovered(f, group)->restore.last.index, last + 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_false(recovered(f, 1)->damaged);
        assert_false(recovered(f, 2)->damaged);
        put_entries(f, 1, 21, recovered(f, 1)->restore.last.index + 1,
                    recovered(f, 1)->restore.last.index + 100, 150);
        fixture_reopen(f);
    }
}

/* Any byte of a header may go bad: there are two. Without both, a segment is lost, and said so. */
static void headers_are_kept_twice(void **state)
{
    struct fixture *f = *state;
    struct image image;

    make_long_log(f, &image);
    for (uint64_t number = 1; number <= 3; number++) {
        struct image_file *file = image_segment(&image, number);

        for (size_t at = 0; at < WAL_HEADER_BYTES; at += 3) {
            file->p[at] ^= 0x04;
            open_image(f, &image);
            assert_false(f->rec.lost_records);
            expect_entries(f, 1, 2, 1, LONG_LAST_1);
            if (at % 2 == 0) {
                fixture_close(f);
                file->p[at + WAL_HEADER_COPY_AT] ^= 0x04;
                open_image(f, &image);
                assert_true(f->rec.lost_records);
                assert_true(recovered(f, 1)->damaged);
                assert_int_equal(recovered(f, 1)->restore.hard.term, 12);
                file->p[at + WAL_HEADER_COPY_AT] ^= 0x04;
            }
            file->p[at] ^= 0x04;
        }
    }
    image_release(&image);
}

/* No header at all: nothing says whose log this is. It is refused, and not touched. */
static void a_log_without_any_header_is_refused(void **state)
{
    struct fixture *f = *state;
    struct image image;

    make_long_log(f, &image);
    for (size_t i = 0; i < image.n; i++) {
        memset(image.files[i].p, 0x55, WAL_RECORDS_AT);
    }
    image_put(f, &image);
    assert_int_equal(wal_open(&f->config, &f->rec, &f->w), WAL_ERR_DAMAGED);
    assert_null(f->w);
    assert_true(image_equal(f, &image));
    image_release(&image);
}

/* Whole pages lost or zeroed, files cut short or gone: in every segment, noticed in all of them. */
static void big_losses_are_noticed(void **state)
{
    struct fixture *f = *state;
    struct image image;
    enum { ZERO_PAGE, ZERO_TAIL, TRUNCATE, REMOVE, LOSSES };

    make_long_log(f, &image);
    for (uint64_t number = 1; number <= 3; number++) {
        for (int loss = 0; loss < LOSSES; loss++) {
            struct image_file *file = image_segment(&image, number);
            struct image_file saved = *file;
            struct wal_stats s;

            if (loss == REMOVE && number != 2) {
                continue; /* the first may be gone for good reason; the last leaves no trace */
            }
            file->p = malloc(file->n);
            memcpy(file->p, saved.p, saved.n);
            if (loss == ZERO_PAGE) {
                memset(file->p + 8192, 0, 512);
            } else if (loss == ZERO_TAIL) {
                memset(file->p + 8192, 0, file->n - 8192);
            } else if (loss == TRUNCATE) {
                file->n = 9000;
            } else {
                snprintf(file->name, sizeof file->name, "elsewhere");
            }
            open_image(f, &image);
            if (loss == ZERO_TAIL && number == 3 && !f->rec.lost_records) {
                fail_msg("a hint of the records before must show it");
            }
            assert_true(f->rec.lost_records);
            expect_whole_or_reported(f, 1, LONG_LAST_1, 12, 3);
            expect_whole_or_reported(f, 2, LONG_LAST_2, 13, 3);
            /* The log has been mended: it goes on, and nothing new is found. */
            put_entries(f, 1, 20, recovered(f, 1)->restore.last.index + 1,
                        recovered(f, 1)->restore.last.index + 2, 50);
            fixture_reopen(f);
            assert_false(f->rec.lost_records);
            assert_int_equal(recovered(f, 1)->restore.last.term, 20);
            wal_get_stats(f->w, &s);
            assert_int_equal(s.last_segment - s.first_segment + 1, s.segments);
            free(file->p);
            *file = saved;
        }
    }
    image_release(&image);
}

/* The start of the log is damaged, but what is needed of it is in a newer snapshot. */
static void damage_behind_a_snapshot_costs_nothing(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct image image;

    make_long_log(f, &image);
    image_put(f, &image);
    image_release(&image);
    fixture_open(f);
    /* Group 3 keeps the first segment alive. */
    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){2, 170}, &m, 160), WAL_OK);
    assert_int_equal(wal_compact(f->w, 2, (struct raft_pos){3, 60}, &m, 61), WAL_OK);
    put_entries(f, 1, 12, 181, 190, 100);
    image_take(f, &image);
    image_segment(&image, 2)->p[5000] ^= 1;
    open_image(f, &image);
    assert_true(f->rec.lost_records);
    assert_false(recovered(f, 1)->damaged);
    assert_false(recovered(f, 2)->damaged);
    assert_false(recovered(f, 3)->damaged);
    assert_int_equal(recovered(f, 1)->restore.snapshot.index, 170);
    assert_int_equal(recovered(f, 1)->restore.last.index, 190);
    for (int i = 0; i < 2; i++) {
        expect_entries(f, 1, 2, 171, 180);
        expect_entries(f, 1, 12, 181, 190);
        expect_entries(f, 3, 9, 1, 3);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.last.index, 190);
        assert_false(recovered(f, 1)->damaged);
    }
    image_release(&image);
}

/* A part of the disk that cannot be read is damage like any other; behind the end it is nothing. */
static void unreadable_sectors_are_damage(void **state)
{
    struct fixture *f = *state;
    struct wal_stats s;

    f->config.segment_bytes = 64 << 10;
    fixture_open(f);
    put_hard(f, 1, 1, 1, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        put_entries(f, 1, 1, i, i, 1000);
    }
    wal_get_stats(f->w, &s);
    f->disk.bad_from = s.bytes + 8192;
    f->disk.bad_to = f->disk.bad_from + 512;
    fixture_reopen(f);
    assert_false(f->rec.lost_records);
    assert_false(recovered(f, 1)->damaged);
    assert_int_equal(f->disk.bad_to, 0); /* written over */
    expect_entries(f, 1, 1, 1, 20);

    f->disk.bad_from = 10000;
    f->disk.bad_to = 10001;
    fixture_reopen(f);
    assert_true(f->rec.lost_records);
    assert_true(recovered(f, 1)->damaged);
    assert_int_equal(recovered(f, 1)->restore.last.index, 3); /* the page at 8192 is gone */
    f->disk.bad_to = 0;
    expect_entries(f, 1, 1, 1, 3);
}

/* A crash while a segment is made leaves a temporary file; it is removed and means nothing. */
static void a_half_made_segment_is_no_segment(void **state)
{
    struct fixture *f = *state;
    char path[512];

    fixture_open(f);
    put_entries(f, 1, 1, 1, 5, 10);
    fixture_close(f);
    snprintf(path, sizeof path, "%s/new.tmp", f->dir);
    write_file(path, (const unsigned char *)"half", 4);
    fixture_open(f);
    assert_int_equal(count_files(f->dir, ".tmp"), 0);
    expect_entries(f, 1, 1, 1, 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(crash_at_every_byte_of_the_last_write),
        T(crash_with_any_sectors_of_the_last_write),
        T(every_flipped_byte_is_noticed),
        T(zeros_below_a_durable_offset_are_damage),
        T(groups_beside_the_damage_stay_whole),
        T(damage_lasts_until_repaired),
        T(headers_are_kept_twice),
        T(a_log_without_any_header_is_refused),
        T(big_losses_are_noticed),
        T(damage_behind_a_snapshot_costs_nothing),
        T(unreadable_sectors_are_damage),
        T(a_half_made_segment_is_no_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
