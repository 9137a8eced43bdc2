/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_wal_faults.c - the log on a disk that is full, cuts writes short, or fails. */
#include "tests/raft/wal_fixture.h"

#include <unistd.h>

static void settle_disk(struct fixture *f)
{
    f->disk.enospc_stays = false;
    f->disk.write_enospc_in = f->disk.write_eio_in = f->disk.write_short_in = -1;
    f->disk.sync_eio_in = f->disk.fallocate_enospc_in = -1;
}

/* The system took only a part: the rest follows, and nobody notices. */
static void short_writes_are_completed(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    for (uint64_t i = 0; i < 40; i++) {
        f->disk.write_short_in = (int)(i % 3);
        put_entries(f, 1, 1, 5 * i + 1, 5 * i + 5, (uint32_t)(200 * (i % 5) + 1));
    }
    settle_disk(f);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.last.index, 200);
    expect_entries(f, 1, 1, 1, 200);
}

/* No space at the n-th system call, for every n that an append with a new segment makes: FULL,
 * nothing appended; later the same append works, and what is on disk is as if nothing had been. */
static void a_full_disk_leaves_nothing_half_appended(void **state)
{
    struct fixture *f = *state;
    int fulls = 0;

    f->config.segment_bytes = 16 << 10;
    for (int in_write = 0; in_write < 2; in_write++) {
        for (int n = 0; n < 6; n++) {
            for (int cut = 0; cut < 2; cut++) {
                uint64_t last = 0;

                fixture_open(f);
                for (uint64_t i = 0; i < 30; i++) {
                    int rc;

                    if (cut) {
                        f->disk.write_short_in = 0; /* a part gets there first */
                    }
                    *(in_write ? &f->disk.write_enospc_in : &f->disk.fallocate_enospc_in) = n;
                    rc = write_entries(f, 1, 1, last + 1, last + 2, 700);
                    if (rc != WAL_OK) {
                        struct wal_stats s;

                        assert_int_equal(rc, WAL_ERR_FULL);
                        wal_get_stats(f->w, &s);
                        assert_true(s.full);
                        settle_disk(f);
                        fulls++;
                        if (i % 2 == 0) {
                            fixture_reopen(f); /* it may as well crash now */
                            if (last > 0) {
                                assert_int_equal(recovered(f, 1)->restore.last.index, last);
                                assert_false(recovered(f, 1)->damaged);
                            }
                        }
                        assert_int_equal(write_entries(f, 1, 1, last + 1, last + 2, 700), WAL_OK);
                    }
                    last += 2;
                }
                settle_disk(f);
                assert_int_equal(wal_sync(f->w), WAL_OK);
                fixture_reopen(f);
                assert_false(recovered(f, 1)->damaged);
                assert_int_equal(recovered(f, 1)->restore.last.index, last);
                expect_entries(f, 1, 1, 1, last);
                fixture_close(f);
                {
                    struct image none = {.n = 0};

                    image_put(f, &none);
                }
            }
        }
    }
    assert_true(fulls > 50);
}

/* While the disk is full a shorter write at the same place must not be followed by what is left of
 * the longer one that failed there. */
static void a_shorter_write_follows_a_failed_longer_one(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 3, 100);
    f->disk.write_short_in = 0;
    f->disk.write_enospc_in = 1;
    f->disk.enospc_stays = true; /* zeroing fails as well */
    /* Half of it gets there: three whole records of entries that are not in the log. */
    assert_int_equal(write_entries(f, 1, 1, 4, 10, 500), WAL_ERR_FULL);
    assert_int_equal(write_entries(f, 1, 1, 4, 4, 10), WAL_ERR_FULL);
    settle_disk(f);
    put_entries(f, 1, 1, 4, 4, 10);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.last.index, 4);
    assert_false(f->rec.torn_tail);
    expect_entries(f, 1, 1, 1, 4);
}

/* The ballast goes when the disk is full; compaction then works, gives the segments back, and
 * takes the ballast again. */
static void the_ballast_makes_room_for_compaction(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct wal_stats s;
    uint64_t last = 0;
    char path[512];
    int rc;

    f->config.segment_bytes = 32 << 10;
    f->config.ballast_bytes = 64 << 10;
    f->disk.limited = true;
    f->disk.room = 10 * (32 << 10);
    snprintf(path, sizeof path, "%s/ballast", f->dir);
    fixture_open(f);
    assert_int_equal(access(path, F_OK), 0);
    while ((rc = write_entries(f, 1, 1, last + 1, last + 1, 900)) == WAL_OK) {
        last++;
    }
    assert_int_equal(rc, WAL_ERR_FULL);
    assert_int_equal(access(path, F_OK), -1);
    f->disk.room += f->config.ballast_bytes; /* the disk's side of giving up */
    wal_get_stats(f->w, &s);
    assert_true(s.full);
    assert_true(s.segments >= 8);
    /* The room is for compaction: writes still wait. */
    f->disk.room -= 1;
    usleep(110 * 1000);
    assert_int_equal(write_entries(f, 1, 1, last + 1, last + 1, 900), WAL_ERR_FULL);
    expect_entries(f, 1, 1, 1, last);

    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, last}, &m, last - 5), WAL_OK);
    wal_get_stats(f->w, &s);
    assert_true(s.segments <= 3);
    f->disk.room = 10 * (32 << 10);
    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, last}, &m, last - 4), WAL_OK);
    wal_get_stats(f->w, &s);
    assert_false(s.full);
    assert_int_equal(access(path, F_OK), 0);
    put_entries(f, 1, 1, last + 1, last + 50, 900);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.last.index, last + 50);
    assert_int_equal(recovered(f, 1)->restore.snapshot.index, last);
    expect_entries(f, 1, 1, last - 4, last + 50);
}

/* What is on its way when the disk becomes full gets a part of the ballast's room, once; after that
 * only a snapshot does, which ends the shortage. */
static void urgent_writes_use_the_ballast_s_room_once(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct raft_entry *e;
    struct wal_write w = {.group = 1, .entries = &e, .n_entries = 1};
    struct wal_write install = {.group = 1, .has_snapshot = true, .snapshot_members = &m};
    struct wal_stats s;
    uint64_t last = 0;
    int rc = WAL_OK;

    f->config.segment_bytes = 32 << 10;
    f->config.ballast_bytes = 64 << 10;
    f->disk.limited = true;
    f->disk.room = 10 * (32 << 10);
    fixture_open(f);
    while (write_entries(f, 1, 1, last + 1, last + 1, 900) == WAL_OK) {
        last++;
    }
    f->disk.room += f->config.ballast_bytes; /* the disk's side of giving it up */
    for (unsigned n = 0; rc == WAL_OK; n++) {
        e = make_entry(1, 1, last + 1, 900);
        rc = wal_write_urgent(f->w, &w, 1);
        raft_entry_unref(e);
        assert_true(n < 40);
        last += rc == WAL_OK;
        if (n == 0) {
            assert_int_equal(rc, WAL_OK);
            f->disk.room = 0;
        }
    }
    assert_int_equal(rc, WAL_ERR_FULL);
    wal_get_stats(f->w, &s);
    assert_true(s.full);
    assert_false(wal_has_room(f->w));
    assert_int_equal(wal_sync(f->w), WAL_OK);
    expect_entries(f, 1, 1, 1, last);

    f->disk.room = 8 << 10; /* less than any segment of entries needs */
    install.snapshot = (struct raft_pos){1, last + 100};
    assert_int_equal(wal_write_urgent(f->w, &install, 1), WAL_OK);
    assert_int_equal(wal_sync(f->w), WAL_OK);
    assert_int_equal(wal_compact(f->w, 1, install.snapshot, &m, last + 101), WAL_OK);
    f->disk.room = 10 * (32 << 10);
    usleep(110 * 1000);
    assert_true(wal_has_room(f->w));
    put_entries(f, 1, 1, last + 101, last + 150, 900);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.last.index, last + 150);
    assert_int_equal(recovered(f, 1)->restore.snapshot.index, last + 100);
}

/* A marker that needs a segment of its own while there is no room but the ballast's. */
static void compaction_rolls_into_the_ballast_s_room(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    uint64_t last = 0;

    f->config.segment_bytes = 16 << 10;
    f->config.ballast_bytes = 16 << 10;
    fixture_open(f);
    /* Fill the current segment to the last byte that matters. */
    for (;;) {
        struct wal_stats a;
        struct wal_stats b;

        wal_get_stats(f->w, &a);
        put_entries(f, 1, 1, last + 1, last + 1, 8);
        last++;
        wal_get_stats(f->w, &b);
        if (b.segments > 3 && b.bytes % (16 << 10) > (16 << 10) - 100) {
            break;
        }
        assert_true(last < 5000);
    }
    f->disk.fallocate_enospc_in = 0;
    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, last}, &m, last), WAL_OK);
    settle_disk(f);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.snapshot.index, last);
    put_entries(f, 1, 1, last + 1, last + 10, 100);
}

/* A sync that failed is not tried again: the log does nothing any more. */
static void a_failed_sync_is_the_end(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct raft_entry *e;
    uint64_t syncs;
    uint64_t writes;
    size_t n;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 5, 100);
    assert_int_equal(write_entries(f, 1, 1, 6, 6, 100), WAL_OK);
    f->disk.sync_eio_in = 0;
    assert_int_equal(wal_sync(f->w), WAL_ERR_IO);
    syncs = f->disk.syncs;
    writes = f->disk.writes;
    assert_int_equal(wal_sync(f->w), WAL_ERR_IO);
    assert_int_equal(write_entries(f, 1, 1, 7, 7, 100), WAL_ERR_IO);
    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, 5}, &m, 1), WAL_ERR_IO);
    assert_int_equal(wal_read(f->w, 1, 1, 1, 1, &e, &n), WAL_ERR_IO);
    assert_int_equal(f->disk.syncs, syncs);
    assert_int_equal(f->disk.writes, writes);
}

/* The same for a write that failed, and for the syncs inside a change of segment. */
static void a_failed_write_is_the_end(void **state)
{
    struct fixture *f = *state;

    f->config.segment_bytes = 16 << 10;
    fixture_open(f);
    put_entries(f, 1, 1, 1, 5, 100);
    f->disk.write_eio_in = 0;
    assert_int_equal(write_entries(f, 1, 1, 6, 6, 100), WAL_ERR_IO);
    assert_int_equal(wal_sync(f->w), WAL_ERR_IO);
    for (int n = 0; n < 2; n++) {
        settle_disk(f);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.last.index, 5);
        put_entries(f, 1, 1, 6, 6, 100);
        f->disk.sync_eio_in = n; /* of the old segment, or of the new one */
        assert_int_equal(write_entries(f, 1, 1, 7, 7, 5000), WAL_OK);
        assert_int_equal(write_entries(f, 1, 1, 8, 8, 14000), WAL_ERR_IO);
        assert_int_equal(write_entries(f, 1, 1, 8, 8, 10), WAL_ERR_IO);
        settle_disk(f);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.last.index, 7);
        assert_false(recovered(f, 1)->damaged);
        /* back to where it was */
        put_entries(f, 1, 2, 6, 6, 10);
        put_entries(f, 1, 3, 5, 5, 10);
    }
}

/* An entry that went bad under a running log is not handed out. */
static void a_bad_entry_is_not_read(void **state)
{
    struct fixture *f = *state;
    struct image image;
    struct image_file *file;
    struct raft_entry *e[10];
    char path[512];
    size_t n;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 9, 1000);
    image_take(f, &image);
    file = image_segment(&image, 1);
    file->p[WAL_RECORDS_AT + 5 * 1064 + 500] ^= 0x20;
    segment_path(f->dir, 1, path);
    write_file(path, file->p, file->n);
    assert_int_equal(wal_read(f->w, 1, 1, 10, UINT64_MAX, e, &n), WAL_OK);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_true(entry_is_right(1, e[i]));
        raft_entry_unref(e[i]);
    }
    assert_int_equal(wal_read(f->w, 1, 6, 10, UINT64_MAX, e, &n), WAL_ERR_DAMAGED);
    assert_int_equal(n, 0);
    image_release(&image);
}

/* No room for the very first segment: nothing is left behind. */
static void a_log_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    f->disk.fallocate_enospc_in = 0;
    assert_int_equal(wal_open(&f->config, &f->rec, &f->w), WAL_ERR_FULL);
    assert_null(f->w);
    assert_int_equal(count_files(f->dir, "wal") + count_files(f->dir, "tmp"), 0);
    fixture_open(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(short_writes_are_completed),
        T(a_full_disk_leaves_nothing_half_appended),
        T(a_shorter_write_follows_a_failed_longer_one),
        T(the_ballast_makes_room_for_compaction),
        T(urgent_writes_use_the_ballast_s_room_once),
        T(compaction_rolls_into_the_ballast_s_room),
        T(a_failed_sync_is_the_end),
        T(a_failed_write_is_the_end),
        T(a_bad_entry_is_not_read),
        T(a_log_that_cannot_be_made_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
