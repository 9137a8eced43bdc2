/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_wal_model.c - the log against a model of it, over random writes, overwrites,
 * snapshots, compactions, syncs, full disks, restarts and crashes.
 *
 * The model is a plain array of terms per group. Records that were not synced are kept in a list:
 * after a crash the log must be what the model is after some prefix of that list, in every group
 * at once, and never less than what was synced. At the end of each seed what was synced is damaged
 * here and there: a group is then as it was, or is reported.
 *
 * WAL_MODEL_SEEDS=n runs more seeds, WAL_MODEL_SEED=n only that one. */
#include "tests/raft/wal_fixture.h"

#include "base/mem.h"

enum { GROUPS = 4, INDEX_MAX = 6000, OPS = 300 };

struct model_group {
    bool exists;
    struct raft_hard_state hard;
    struct raft_pos snapshot, last;
    uint64_t first;
    uint32_t term[INDEX_MAX + 1]; /* of first..last.index */
};

enum change_type { CHANGE_HARD, CHANGE_ENTRY, CHANGE_INSTALL, CHANGE_COMPACT };
struct change {
    enum change_type type;
    uint32_t group;
    struct raft_pos pos;
    struct raft_hard_state hard;
    uint64_t keep_from;
};

struct model {
    struct fixture *f;
    struct rng rng;
    struct model_group now[GROUPS];  /* all that was written */
    struct model_group safe[GROUPS]; /* all that was synced */
    struct change *changes;          /* from safe to now */
    size_t n_changes, cap_changes;
    uint64_t keep_sectors; /* of 1000, in the next crash */
    uint64_t crash_seed;
};

static uint64_t pick(struct model *m, uint64_t n) { return rng_below(&m->rng, n); }
static bool chance(struct model *m, uint64_t percent) { return pick(m, 100) < percent; }

static void apply(struct model_group *groups, const struct change *c)
{
    struct model_group *g = &groups[c->group];

    g->exists = true;
    switch (c->type) {
    case CHANGE_HARD:
        g->hard = c->hard;
        break;
    case CHANGE_ENTRY:
        g->term[c->pos.index] = (uint32_t)c->pos.term;
        g->last = c->pos;
        g->first = MIN_OF(g->first, c->pos.index);
        break;
    case CHANGE_INSTALL:
        g->snapshot = g->last = c->pos;
        g->first = c->pos.index + 1;
        break;
    case CHANGE_COMPACT:
        g->snapshot = c->pos;
        g->first = MAX_OF(g->first, c->keep_from);
        break;
    }
}

static void change(struct model *m, struct change c)
{
    if (m->n_changes == m->cap_changes) {
        m->cap_changes = m->cap_changes == 0 ? 64 : 2 * m->cap_changes;
        m->changes = mem_realloc(m->changes, m->cap_changes * sizeof *m->changes);
    }
    m->changes[m->n_changes++] = c;
    apply(m->now, &c);
}

static void all_is_safe(struct model *m)
{
    memcpy(m->safe, m->now, sizeof m->safe);
    m->n_changes = 0;
}

/* ---- comparing --------------------------------------------------------------------------- */

static bool same_pos(struct raft_pos a, struct raft_pos b)
{
    return a.term == b.term && a.index == b.index;
}

/* Whether recovery reports the groups as the model has them. */
static bool reported_like(const struct fixture *f, const struct model_group *groups)
{
    for (uint32_t i = 0; i < GROUPS; i++) {
        const struct model_group *g = &groups[i];
        const struct wal_group *r = recovered(f, i);

        if (!g->exists) {
            if (r != NULL) {
                return false;
            }
            continue;
        }
        if (r == NULL || r->restore.hard.term != g->hard.term ||
            r->restore.hard.vote != g->hard.vote || !same_pos(r->restore.snapshot, g->snapshot) ||
            !same_pos(r->restore.last, g->last)) {
            return false;
        }
        for (size_t k = 0; k < r->restore.n_runs; k++) {
            const struct raft_term_run *run = &r->restore.runs[k];
            uint64_t end = k + 1 < r->restore.n_runs ? run[1].first : g->last.index + 1;

            for (uint64_t index = run->first; index < end; index++) {
                if (g->term[index] != run->term) {
                    return false;
                }
            }
        }
        if (g->last.index > g->snapshot.index &&
            (r->restore.n_runs == 0 || r->restore.runs[0].first != g->snapshot.index + 1)) {
            return false;
        }
    }
    return true;
}

/* Every entry of the group, and none before. */
static void check_entries(struct model *m, uint32_t group)
{
    const struct model_group *g = &m->now[group];
    struct raft_entry *e[32];
    uint64_t index = g->first;
    size_t n;

    if (!g->exists) {
        return;
    }
    if (g->first > 1 && g->first - 1 <= g->last.index) {
        assert_int_equal(wal_read(m->f->w, group, g->first - 1, 1, 1, e, &n), WAL_ERR_COMPACTED);
    }
    assert_int_equal(wal_read(m->f->w, group, g->last.index + 1, 1, 1, e, &n), WAL_ERR_RANGE);
    while (index <= g->last.index) {
        assert_int_equal(
            wal_read(m->f->w, group, index, 1 + pick(m, ARRAY_LEN(e)), 1 + pick(m, 9000), e, &n),
            WAL_OK);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++, index++) {
            assert_int_equal(e[i]->pos.index, index);
            assert_int_equal(e[i]->pos.term, g->term[index]);
            assert_true(entry_is_right(group, e[i]));
            raft_entry_unref(e[i]);
        }
    }
}

/* After a restart: find the prefix of the changes that the log shows. */
static void check_recovery(struct model *m)
{
    size_t i = 0;

    assert_false(m->f->rec.lost_records);
    for (uint32_t g = 0; g < GROUPS; g++) {
        const struct wal_group *r = recovered(m->f, g);

        assert_true(r == NULL || !r->damaged);
    }
    memcpy(m->now, m->safe, sizeof m->now);
    while (!reported_like(m->f, m->now)) {
        if (i == m->n_changes) {
            fail_msg("the log is like no state between the last sync and the crash");
        }
        apply(m->now, &m->changes[i++]);
    }
    all_is_safe(m);
    for (uint32_t g = 0; g < GROUPS; g++) {
        check_entries(m, g);
    }
}

/* ---- doing ------------------------------------------------------------------------------- */

static uint32_t pick_size(struct model *m)
{
    switch (pick(m, 20)) {
    case 0:
        return (uint32_t)pick(m, 40000);
    case 1:
    case 2:
        return (uint32_t)pick(m, 5000);
    default:
        return (uint32_t)pick(m, 300);
    }
}

static void do_write(struct model *m)
{
    enum { PARTS = 3, ENTRIES = 12 };
    struct model_group *saved = mem_dup(m->now, sizeof m->now);
    size_t saved_changes = m->n_changes;
    struct raft_members members = three_members();
    struct raft_entry *e[PARTS][ENTRIES];
    struct wal_write x[PARTS];
    size_t parts = 1 + pick(m, PARTS);
    int rc;

    memset(x, 0, sizeof x);
    for (size_t p = 0; p < parts; p++) {
        uint32_t group = (uint32_t)pick(m, GROUPS);
        struct model_group *g = &m->now[group];
        struct raft_hard_state hard = g->hard;
        uint64_t index;

        x[p].group = group;
        if (hard.term == 0 || chance(m, 15)) {
            hard.term += 1 + pick(m, 3);
            hard.vote = pick(m, 4);
            x[p].has_hard = true;
            x[p].hard = hard;
        }
        if (chance(m, 3) && g->last.index + 200 < INDEX_MAX) {
            x[p].has_snapshot = true;
            x[p].snapshot =
                (struct raft_pos){.term = hard.term, .index = g->last.index + 1 + pick(m, 100)};
            x[p].snapshot_members = &members;
            change(m,
                   (struct change){.type = CHANGE_INSTALL, .group = group, .pos = x[p].snapshot});
        }
        if (x[p].has_hard) {
            change(m, (struct change){.type = CHANGE_HARD, .group = group, .hard = hard});
        }
        index = g->last.index + 1;
        if (chance(m, 20) && g->last.index > g->snapshot.index && g->last.term < hard.term) {
            index -= pick(m, MIN_OF(g->last.index - g->snapshot.index, 40) + 1);
        }
        x[p].n_entries = pick(m, ENTRIES);
        x[p].n_entries = MIN_OF(x[p].n_entries, (size_t)(INDEX_MAX - index));
        x[p].entries = e[p];
        for (size_t i = 0; i < x[p].n_entries; i++) {
            e[p][i] = make_entry(group, hard.term, index + i, pick_size(m));
            change(m, (struct change){.type = CHANGE_ENTRY, .group = group, .pos = e[p][i]->pos});
        }
    }
    if (chance(m, 3)) {
        m->f->disk.write_short_in = 0;
        m->f->disk.write_enospc_in = chance(m, 50) ? 1 : -1;
    } else if (chance(m, 3)) {
        m->f->disk.fallocate_enospc_in = 0;
    }
    rc = wal_write(m->f->w, x, parts);
    m->f->disk.write_short_in = m->f->disk.write_enospc_in = m->f->disk.fallocate_enospc_in = -1;
    if (rc == WAL_ERR_FULL) {
        memcpy(m->now, saved, sizeof m->now);
        m->n_changes = saved_changes;
    } else {
        assert_int_equal(rc, WAL_OK);
    }
    for (size_t p = 0; p < parts; p++) {
        for (size_t i = 0; i < x[p].n_entries; i++) {
            raft_entry_unref(e[p][i]);
        }
    }
    free(saved);
}

static void do_compact(struct model *m)
{
    uint32_t group = (uint32_t)pick(m, GROUPS);
    struct model_group *g = &m->now[group];
    struct raft_members members = three_members();
    struct raft_pos pos;
    uint64_t keep_from;

    if (g->last.index <= g->snapshot.index) {
        return;
    }
    pos.index = g->snapshot.index + 1 + pick(m, g->last.index - g->snapshot.index);
    pos.term = g->term[pos.index];
    keep_from = g->first + pick(m, pos.index + 2 - g->first);
    change(m, (struct change){
                  .type = CHANGE_COMPACT, .group = group, .pos = pos, .keep_from = keep_from});
    assert_int_equal(wal_compact(m->f->w, group, pos, &members, keep_from), WAL_OK);
}

static bool keep_sector(void *ctx, uint64_t file, uint64_t sector)
{
    const struct model *m = ctx;
    struct rng r;

    /* The same answer for a sector whenever it is asked. */
    rng_init(&r, m->crash_seed ^ file * 0x9e3779b97f4a7c15u ^ sector * 0xd1b54a32d192ed03u);
    return rng_below(&r, 1000) < m->keep_sectors;
}

static void do_crash(struct model *m)
{
    static const uint64_t kept[] = {0, 100, 500, 900, 990, 1000};

    m->keep_sectors = kept[pick(m, ARRAY_LEN(kept))];
    m->crash_seed = rng_next(&m->rng);
    fixture_crash(m->f, keep_sector, m);
    fixture_open(m->f);
    check_recovery(m);
}

/* ---- damage ------------------------------------------------------------------------------ */

/* What a group may be after a loss: as it was, or reported. */
static void check_after_damage(struct model *m, uint32_t group, bool tail_was_zeroed)
{
    const struct model_group *g = &m->now[group];
    const struct wal_group *r = recovered(m->f, group);
    uint64_t index;

    if (!g->exists || r == NULL) {
        assert_true(!g->exists || m->f->rec.lost_records || m->f->rec.torn_tail);
        return;
    }
    assert_true(r->restore.hard.term <= g->hard.term);
    assert_int_equal(r->damaged, r->restore.tail_suspect);
    if (!r->damaged && !tail_was_zeroed) {
        assert_int_equal(r->restore.hard.term, g->hard.term);
        assert_int_equal(r->restore.hard.vote, g->hard.vote);
        assert_true(same_pos(r->restore.snapshot, g->snapshot));
        assert_true(same_pos(r->restore.last, g->last));
    }
    for (index = r->restore.snapshot.index + 1; index <= r->restore.last.index; index++) {
        struct raft_entry *e;
        size_t n;

        assert_int_equal(wal_read(m->f->w, group, index, 1, 1, &e, &n), WAL_OK);
        assert_int_equal(e->pos.index, index);
        assert_true(entry_is_right(group, e));
        if (!r->damaged && !tail_was_zeroed) {
            assert_int_equal(e->pos.term, g->term[index]);
        }
        raft_entry_unref(e);
    }
}

/* Damage somewhere in what was synced; then a restart, a repair, another restart. */
static void damage_once(struct model *m, struct image *image)
{
    struct fixture *f = m->f;
    struct image_file *file = &image->files[pick(m, image->n)];
    unsigned char *saved = mem_dup(file->p, file->n);
    uint64_t last_number = 0;
    uint64_t number;
    struct wal_reader r;
    struct wal_record rec;
    bool zeroed = chance(m, 30);
    bool changed;
    size_t from;

    for (size_t i = 0; i < image->n; i++) {
        assert_true(wal_format_parse_name(image->files[i].name, &number));
        last_number = MAX_OF(last_number, number);
    }
    assert_int_equal(wal_reader_open(&r, file->p, file->n), WAL_FORMAT_OK);
    number = r.header.number;
    while (wal_reader_next(&r, &rec) == WAL_READ_RECORD) {
    }
    if (r.at == WAL_RECORDS_AT) {
        free(saved);
        return;
    }
    from = WAL_RECORDS_AT + pick(m, r.at - WAL_RECORDS_AT);
    if (zeroed) {
        size_t n = 512 * (1 + pick(m, 20));

        from -= from % 512;
        memset(file->p + from, 0, MIN_OF(n, r.at - from));
    } else {
        file->p[from] ^= (unsigned char)(1 + pick(m, 255));
    }
    changed = memcmp(saved, file->p, file->n) != 0;
    fixture_close(f);
    image_put(f, image);
    memcpy(file->p, saved, file->n);
    free(saved);
    fixture_open(f);
    zeroed = zeroed && number == last_number;
    assert_true(!changed || f->rec.lost_records || (zeroed && f->rec.torn_tail));
    for (uint32_t g = 0; g < GROUPS; g++) {
        check_after_damage(m, g, zeroed && f->rec.torn_tail);
    }
    for (int again = 0; again < 2; again++) {
        struct wal_recovery before = f->rec;

        memset(&f->rec, 0, sizeof f->rec);
        fixture_reopen(f);
        assert_false(f->rec.lost_records);
        assert_int_equal(f->rec.n_groups, before.n_groups);
        for (size_t i = 0; i < before.n_groups; i++) {
            const struct wal_group *a = &before.groups[i];
            const struct wal_group *b = &f->rec.groups[i];
            struct raft_hard_state hard = b->restore.hard;
            uint64_t next = b->restore.last.index + 1;
            struct raft_entry *e = make_entry(b->group, hard.term + 1, next, 10);
            struct wal_write x = {.group = b->group,
                                  .has_hard = true,
                                  .hard = {.term = hard.term + 1},
                                  .repaired = true,
                                  .entries = &e,
                                  .n_entries = 1};

            assert_int_equal(b->damaged, again == 0 && a->damaged);
            assert_true(again == 1 || same_pos(a->restore.last, b->restore.last));
            assert_true(again == 0 || b->restore.last.index == a->restore.last.index + 1);
            assert_true(same_pos(a->restore.snapshot, b->restore.snapshot));
            assert_int_equal(wal_write(f->w, &x, 1), WAL_OK);
            raft_entry_unref(e);
        }
        wal_recovery_release(&before);
    }
}

static void damage_some(struct model *m)
{
    struct image image;

    assert_int_equal(wal_sync(m->f->w), WAL_OK);
    all_is_safe(m);
    fixture_close(m->f);
    image_take(m->f, &image);
    for (int i = 0; i < 12; i++) {
        damage_once(m, &image);
    }
    image_release(&image);
}

static void run_seed(struct fixture *f, uint64_t seed)
{
    struct model *m = mem_zalloc(sizeof *m);
    struct image none = {.n = 0};

    m->f = f;
    rng_init(&m->rng, seed);
    for (uint32_t g = 0; g < GROUPS; g++) {
        m->now[g].first = m->safe[g].first = 1;
    }
    f->disk.track = true;
    f->config.segment_bytes = (16u << 10) << pick(m, 4);
    fixture_open(f);
    for (int i = 0; i < OPS; i++) {
        uint64_t what = pick(m, 100);

        if (what < 50) {
            do_write(m);
        } else if (what < 75) {
            assert_int_equal(wal_sync(f->w), WAL_OK);
            all_is_safe(m);
        } else if (what < 83) {
            do_compact(m);
        } else if (what < 92) {
            check_entries(m, (uint32_t)pick(m, GROUPS));
        } else if (what < 97) {
            do_crash(m);
        } else {
            /* A restart without a crash loses nothing, synced or not. */
            all_is_safe(m);
            fixture_reopen(f);
            check_recovery(m);
        }
    }
    damage_some(m);
    fixture_close(f);
    image_put(f, &none);
    free(m->changes);
    free(m);
}

static void the_log_is_like_its_model(void **state)
{
    const char *one = getenv("WAL_MODEL_SEED");
    const char *many = getenv("WAL_MODEL_SEEDS");
    uint64_t n = many != NULL ? strtoull(many, NULL, 10) : 20;

    if (one != NULL) {
        run_seed(*state, strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        /* cmocka prints it only when the test fails afterwards. */
        print_message("WAL_MODEL_SEED=%llu\n", (unsigned long long)seed);
        run_seed(*state, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_is_like_its_model, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
