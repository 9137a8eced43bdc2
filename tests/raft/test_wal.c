/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_wal.c - what a log is for, on a disk without faults. */
#include "tests/raft/wal_fixture.h"

#include <unistd.h>

/* Hard state and entries of a group are there again after a restart. */
static void what_was_written_comes_back(void **state)
{
    struct fixture *f = *state;
    const struct wal_group *g;

    fixture_open(f);
    assert_int_equal(f->rec.n_groups, 0);
    put_hard(f, 1, 3, 2, 0);
    put_entries(f, 1, 3, 1, 100, 50);
    expect_entries(f, 1, 3, 1, 100);
    fixture_reopen(f);
    assert_int_equal(f->rec.n_groups, 1);
    g = recovered(f, 1);
    assert_non_null(g);
    assert_false(g->damaged);
    assert_false(g->restore.tail_suspect);
    assert_int_equal(g->restore.hard.term, 3);
    assert_int_equal(g->restore.hard.vote, 2);
    assert_int_equal(g->restore.last.index, 100);
    assert_int_equal(g->restore.last.term, 3);
    assert_int_equal(g->restore.n_runs, 1);
    assert_int_equal(g->restore.runs[0].first, 1);
    assert_int_equal(g->restore.runs[0].term, 3);
    assert_false(f->rec.torn_tail);
    assert_string_equal(f->rec.damage, "");
    expect_entries(f, 1, 3, 1, 100);
    put_entries(f, 1, 3, 101, 110, 50);
    fixture_reopen(f);
    expect_entries(f, 1, 3, 1, 110);
}

/* One batch carries parts of many groups, and one sync makes them all durable. */
static void groups_share_batches_and_syncs(void **state)
{
    struct fixture *f = *state;
    enum { GROUPS = 50, ROUNDS = 20 };
    struct wal_write x[GROUPS];
    struct raft_entry *e[GROUPS];
    uint64_t syncs;

    fixture_open(f);
    syncs = f->disk.syncs;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t writes = f->disk.writes;

        memset(x, 0, sizeof x);
        for (uint32_t g = 0; g < GROUPS; g++) {
            e[g] = make_entry(g, 1 + g, round, 20 + g);
            x[g] = (struct wal_write){.group = g, .entries = &e[g], .n_entries = 1};
            x[g].has_hard = round == 1;
            x[g].hard = (struct raft_hard_state){.term = 1 + g, .vote = g};
        }
        assert_int_equal(wal_write(f->w, x, GROUPS), WAL_OK);
        assert_int_equal(wal_sync(f->w), WAL_OK);
        assert_int_equal(f->disk.writes - writes, 1);
        for (uint32_t g = 0; g < GROUPS; g++) {
            raft_entry_unref(e[g]);
        }
    }
    assert_int_equal(f->disk.syncs - syncs, ROUNDS);
    fixture_reopen(f);
    assert_int_equal(f->rec.n_groups, GROUPS);
    for (uint32_t g = 0; g < GROUPS; g++) {
        assert_int_equal(recovered(f, g)->restore.hard.vote, g);
        assert_int_equal(recovered(f, g)->restore.last.index, ROUNDS);
        expect_entries(f, g, 1 + g, 1, ROUNDS);
    }
}

/* An entry at an index that is taken cuts the log there: only the newest version is read, before
 * and after a restart, however often it happens. */
static void overwriting_cuts_the_suffix(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 100, 40);
    put_entries(f, 1, 2, 50, 60, 40);
    put_entries(f, 1, 3, 55, 70, 3000);
    put_entries(f, 1, 4, 70, 70, 0);
    for (int i = 0; i < 2; i++) {
        struct raft_entry *e;
        size_t n;

        expect_entries(f, 1, 1, 1, 49);
        expect_entries(f, 1, 2, 50, 54);
        expect_entries(f, 1, 3, 55, 69);
        expect_entries(f, 1, 4, 70, 70);
        assert_int_equal(wal_read(f->w, 1, 71, 1, 1000, &e, &n), WAL_ERR_RANGE);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.n_runs, 4);
        assert_int_equal(recovered(f, 1)->restore.runs[2].first, 55);
        assert_int_equal(recovered(f, 1)->restore.last.index, 70);
        assert_int_equal(recovered(f, 1)->restore.last.term, 4);
    }
    /* Down to the very first. */
    put_entries(f, 1, 9, 1, 1, 40);
    fixture_reopen(f);
    assert_int_equal(recovered(f, 1)->restore.last.index, 1);
    expect_entries(f, 1, 9, 1, 1);
}

/* The same group twice in one call, the second time over the first. */
static void one_call_may_overwrite_itself(void **state)
{
    struct fixture *f = *state;
    struct raft_entry *a[3];
    struct raft_entry *b[2];
    struct wal_write x[2] = {{.group = 1, .entries = a, .n_entries = 3},
                             {.group = 1, .entries = b, .n_entries = 2}};

    fixture_open(f);
    for (uint64_t i = 0; i < 3; i++) {
        a[i] = make_entry(1, 1, 1 + i, 10);
    }
    for (uint64_t i = 0; i < 2; i++) {
        b[i] = make_entry(1, 2, 2 + i, 10);
    }
    assert_int_equal(wal_write(f->w, x, 2), WAL_OK);
    assert_int_equal(wal_sync(f->w), WAL_OK);
    fixture_reopen(f);
    expect_entries(f, 1, 1, 1, 1);
    expect_entries(f, 1, 2, 2, 3);
    assert_false(recovered(f, 1)->damaged);
    for (int i = 0; i < 3; i++) {
        raft_entry_unref(a[i]);
    }
    for (int i = 0; i < 2; i++) {
        raft_entry_unref(b[i]);
    }
}

/* A full segment is followed by the next; reads go over the seams. */
static void segments_roll(void **state)
{
    struct fixture *f = *state;
    struct wal_stats s;

    f->config.segment_bytes = 64 << 10;
    fixture_open(f);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(
            write_entries(f, (uint32_t)(i % 3), 1, 1 + (i - 1) / 3, 1 + (i - 1) / 3, 700), WAL_OK);
    }
    assert_int_equal(wal_sync(f->w), WAL_OK);
    wal_get_stats(f->w, &s);
    assert_true(s.segments >= 11);
    assert_int_equal(f->unfit, s.segments - 1);
    assert_int_equal(s.last_segment - s.first_segment + 1, s.segments);
    assert_true(s.bytes > 1000 * 700);
    for (int i = 0; i < 2; i++) {
        expect_entries(f, 0, 1, 1, 333);
        expect_entries(f, 1, 1, 1, 334);
        expect_entries(f, 2, 1, 1, 333);
        fixture_reopen(f);
        assert_int_equal(f->rec.segments, s.segments);
    }
}

/* A record bigger than a segment gets one of its own size, and the next goes on normally. */
static void huge_records_fit(void **state)
{
    struct fixture *f = *state;

    f->config.segment_bytes = 64 << 10;
    fixture_open(f);
    put_entries(f, 1, 1, 1, 3, 100);
    put_entries(f, 1, 1, 4, 4, 5 << 20);
    put_entries(f, 1, 1, 5, 6, 100);
    put_entries(f, 1, 1, 7, 9, 1 << 20);
    expect_entries(f, 1, 1, 1, 9);
    fixture_reopen(f);
    expect_entries(f, 1, 1, 1, 9);
}

/* bytes_max bounds an answer but for its first entry; max bounds the count. */
static void reads_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct raft_entry *e[10];
    size_t n;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 10, 1000);
    assert_int_equal(wal_read(f->w, 1, 1, 10, 3500, e, &n), WAL_OK);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        raft_entry_unref(e[i]);
    }
    assert_int_equal(wal_read(f->w, 1, 4, 10, 1, e, &n), WAL_OK);
    assert_int_equal(n, 1);
    assert_int_equal(e[0]->pos.index, 4);
    raft_entry_unref(e[0]);
    assert_int_equal(wal_read(f->w, 1, 9, 1, UINT64_MAX, e, &n), WAL_OK);
    assert_int_equal(n, 1);
    raft_entry_unref(e[0]);
    assert_int_equal(wal_read(f->w, 2, 1, 1, 1, e, &n), WAL_ERR_RANGE);
    assert_int_equal(wal_read(f->w, 1, 0, 1, 1, e, &n), WAL_ERR_RANGE);
}

/* A received snapshot replaces the log: what was before is not readable, what follows is. */
static void an_installed_snapshot_replaces_the_log(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct raft_entry *e = make_entry(1, 5, 1001, 30);
    struct raft_entry *out;
    struct wal_write x = {.group = 1,
                          .has_snapshot = true,
                          .snapshot = {.term = 5, .index = 1000},
                          .snapshot_members = &m,
                          .has_hard = true,
                          .hard = {.term = 6, .vote = 0, .commit = 1000},
                          .entries = &e,
                          .n_entries = 1};
    size_t n;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 20, 40);
    assert_int_equal(wal_write(f->w, &x, 1), WAL_OK);
    assert_int_equal(wal_sync(f->w), WAL_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wal_read(f->w, 1, 10, 1, 1, &out, &n), WAL_ERR_COMPACTED);
        assert_int_equal(wal_read(f->w, 1, 1000, 1, 1, &out, &n), WAL_ERR_COMPACTED);
        expect_entries(f, 1, 5, 1001, 1001);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.snapshot.index, 1000);
        assert_int_equal(recovered(f, 1)->restore.snapshot.term, 5);
        assert_int_equal(recovered(f, 1)->restore.snapshot_members.n, 3);
        assert_int_equal(recovered(f, 1)->restore.last.index, 1001);
        assert_int_equal(recovered(f, 1)->restore.n_runs, 1);
        assert_int_equal(recovered(f, 1)->restore.runs[0].first, 1001);
        assert_int_equal(recovered(f, 1)->restore.hard.term, 6);
        assert_false(recovered(f, 1)->damaged);
    }
    raft_entry_unref(e);
}

/* Compaction removes whole segments, but none that another group still needs; entries before the
 * snapshot stay readable as long as they are kept. Hard states and markers survive in baselines. */
static void compaction_removes_what_nobody_needs(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    struct raft_entry *e;
    struct wal_stats s;
    size_t n;

    f->config.segment_bytes = 64 << 10;
    fixture_open(f);
    put_hard(f, 2, 77, 3, 0);
    put_entries(f, 2, 1, 1, 5, 100);
    put_hard(f, 1, 8, 1, 0);
    for (uint64_t i = 1; i <= 500; i += 10) {
        put_entries(f, 1, 1, i, i + 9, 1000);
    }
    wal_get_stats(f->w, &s);
    assert_true(s.segments > 5);
    assert_true(wal_group_span(f->w, 2) > 500 * 1000);

    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, 450}, &m, 401), WAL_OK);
    wal_get_stats(f->w, &s);
    assert_int_equal(s.first_segment, 1); /* group 2 needs it */
    assert_int_equal(wal_read(f->w, 1, 400, 1, 1, &e, &n), WAL_ERR_COMPACTED);
    expect_entries(f, 1, 1, 401, 500);

    assert_int_equal(wal_compact(f->w, 2, (struct raft_pos){1, 5}, &m, 6), WAL_OK);
    wal_get_stats(f->w, &s);
    assert_true(s.first_segment > 3);
    assert_int_equal(count_files(f->dir, ".wal"), s.segments);
    assert_int_equal(wal_group_span(f->w, 2), 0);
    for (int i = 0; i < 2; i++) {
        expect_entries(f, 1, 1, 401, 500);
        fixture_reopen(f);
        assert_int_equal(recovered(f, 1)->restore.snapshot.index, 450);
        assert_int_equal(recovered(f, 1)->restore.last.index, 500);
        assert_int_equal(recovered(f, 1)->restore.n_runs, 1);
        assert_int_equal(recovered(f, 1)->restore.runs[0].first, 451);
        assert_int_equal(recovered(f, 1)->restore.hard.term, 8);
        assert_int_equal(recovered(f, 2)->restore.hard.term, 77);
        assert_int_equal(recovered(f, 2)->restore.hard.vote, 3);
        assert_int_equal(recovered(f, 2)->restore.snapshot.index, 5);
        assert_int_equal(recovered(f, 2)->restore.last.index, 5);
        assert_int_equal(recovered(f, 2)->restore.n_runs, 0);
        assert_int_equal(recovered(f, 2)->restore.snapshot_members.n, 3);
        assert_false(recovered(f, 1)->damaged);
        assert_false(recovered(f, 2)->damaged);
    }
    put_entries(f, 2, 78, 6, 7, 10);
    fixture_reopen(f);
    expect_entries(f, 2, 78, 6, 7);
    assert_int_equal(wal_compact(f->w, 2, (struct raft_pos){78, 8}, &m, 9), WAL_ERR_RANGE);
    assert_int_equal(wal_compact(f->w, 3, (struct raft_pos){1, 1}, &m, 1), WAL_ERR_RANGE);
}

/* Membership entries behind the snapshot are handed out, in order, those overwritten are not. */
static void configuration_entries_are_handed_out(void **state)
{
    struct fixture *f = *state;
    struct raft_members m = three_members();
    const struct raft_restore *r;

    fixture_open(f);
    for (uint64_t i = 1; i <= 6; i++) {
        struct raft_entry *e = raft_entry_new(RAFT_ENTRY_CONFIG, RAFT_MEMBERS_ENCODED_MAX);
        struct wal_write x = {.group = 1, .entries = &e, .n_entries = 1};

        m.m[2].id = 10 + i;
        e->size = (uint32_t)raft_members_encode(&m, e->data);
        e->pos = (struct raft_pos){.term = 1, .index = i};
        assert_int_equal(wal_write(f->w, &x, 1), WAL_OK);
        raft_entry_unref(e);
    }
    put_entries(f, 1, 2, 6, 6, 5);
    assert_int_equal(wal_compact(f->w, 1, (struct raft_pos){1, 2}, &m, 1), WAL_OK);
    fixture_reopen(f);
    r = &recovered(f, 1)->restore;
    assert_int_equal(r->n_configs, 3);
    for (size_t i = 0; i < 3; i++) {
        struct raft_members got;

        assert_int_equal(r->configs[i]->pos.index, 3 + i);
        assert_int_equal(r->configs[i]->type, RAFT_ENTRY_CONFIG);
        assert_int_equal(raft_members_decode(r->configs[i]->data, r->configs[i]->size, &got), 0);
        assert_int_equal(got.m[2].id, 13 + i);
    }
}

/* Another cluster's log, another node's, and one of a newer version are refused, and stay as they
 * are to the last byte. */
static void foreign_and_newer_logs_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wal_config config;
    struct wal_segment_header h;
    char path[512];
    unsigned char *before;
    unsigned char *after;
    size_t n;
    size_t n_after;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 10, 100);
    fixture_close(f);
    segment_path(f->dir, 1, path);
    before = read_file(path, &n);

    config = f->config;
    config.node = 8;
    assert_int_equal(wal_open(&config, &f->rec, &f->w), WAL_ERR_FOREIGN);
    assert_null(f->w);
    config = f->config;
    config.cluster_id[0] = 'f';
    assert_int_equal(wal_open(&config, &f->rec, &f->w), WAL_ERR_FOREIGN);
    after = read_file(path, &n_after);
    assert_int_equal(n, n_after);
    assert_memory_equal(before, after, n);
    free(after);

    assert_int_equal(wal_format_get_header(before, n, &h), WAL_FORMAT_OK);
    h.version++;
    wal_format_put_header(before, &h);
    write_file(path, before, n);
    assert_int_equal(wal_open(&f->config, &f->rec, &f->w), WAL_ERR_VERSION);
    after = read_file(path, &n_after);
    assert_int_equal(n, n_after);
    assert_memory_equal(before, after, n);
    assert_int_equal(count_files(f->dir, ".wal"), 1);
    free(after);
    free(before);
}

/* A small write zeroes what comes after it, once; later ones lie within. */
static void room_is_zeroed_ahead(void **state)
{
    struct fixture *f = *state;
    struct wal_stats a;
    struct wal_stats b;

    fixture_open(f);
    put_entries(f, 1, 1, 1, 1, 100);
    wal_get_stats(f->w, &a);
    put_entries(f, 1, 1, 2, 2, 100);
    wal_get_stats(f->w, &b);
    assert_int_equal(b.written_bytes - a.written_bytes, b.bytes - a.bytes);
    assert_true(a.written_bytes > a.bytes);
    assert_int_equal(b.syncs - a.syncs, 1);
    assert_true(b.sync_us_total >= b.sync_us_last);
    /* Nothing new: no system call. */
    assert_int_equal(wal_sync(f->w), WAL_OK);
    wal_get_stats(f->w, &a);
    assert_int_equal(a.syncs, b.syncs);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_written_comes_back),
        T(groups_share_batches_and_syncs),
        T(overwriting_cuts_the_suffix),
        T(one_call_may_overwrite_itself),
        T(segments_roll),
        T(huge_records_fit),
        T(reads_are_bounded),
        T(an_installed_snapshot_replaces_the_log),
        T(compaction_removes_what_nobody_needs),
        T(configuration_entries_are_handed_out),
        T(foreign_and_newer_logs_are_refused),
        T(room_is_zeroed_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
