/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_log_view.c - sentinel/log_view.c: what of a log's entries stands in the end.
 *
 * A case is a log in a small language, one word per record, all of group 1:
 *     e<index>.<term>.<prev term>   entry         s<number>             a new segment begins
 *     h<term>.<commit>              hard state    c<index>.<term>       own snapshot
 *     i<index>.<term>               snapshot received
 *     b<last index>.<last term>.<snapshot index>.<snapshot term>        baseline
 * The n-th record of a segment has the offset n. */
#include "tests/test.h"

#include "raft/entry.h"
#include "sentinel/log_view.h"

_Static_assert((int)WAL_ENTRY_NOOP == (int)RAFT_ENTRY_NOOP, "the log's numbers are Raft's");
_Static_assert((int)WAL_ENTRY_DATA == (int)RAFT_ENTRY_DATA, "the log's numbers are Raft's");
_Static_assert((int)WAL_ENTRY_CONFIG == (int)RAFT_ENTRY_CONFIG, "the log's numbers are Raft's");

struct place {
    uint64_t segment, offset, index;
};

/* The records of @text into @v; the places of the entries to @places. Returns their number. */
static size_t play(const char *text, struct log_view *v, struct place *places)
{
    struct wal_segment_header h = {.node = 1, .cluster_id = "c"};
    uint64_t segment = 0, offset = 0;
    size_t n = 0;

    while (*text != '\0') {
        struct wal_record r = {.group = 1, .offset = ++offset};
        unsigned long long a = 0, b = 0, c = 0, d = 0;
        char kind = *text;

        (void)sscanf(text + 1, "%llu.%llu.%llu.%llu", &a, &b, &c, &d);
        switch (kind) {
        case 's':
            h.number = segment = a;
            offset = 0;
            log_view_segment(v, &h);
            break;
        case 'e':
            r.type = WAL_RECORD_ENTRY;
            r.index = a;
            r.term = b;
            r.prev_term = c;
            places[n++] = (struct place){segment, offset, a};
            break;
        case 'h':
            r.type = WAL_RECORD_HARD;
            r.hard_term = a;
            r.commit = b;
            break;
        case 'c':
        case 'i':
            r.type = kind == 'c' ? WAL_RECORD_COMPACT : WAL_RECORD_INSTALL;
            r.index = a;
            r.term = b;
            break;
        case 'b':
            r.type = WAL_RECORD_BASELINE;
            r.last_index = a;
            r.last_term = b;
            r.index = c;
            r.term = d;
            break;
        default:
            fail_msg("no such record: %s", text);
        }
        if (kind != 's') {
            log_view_record(v, segment, &r);
        }
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return n;
}

static void the_last_version_of_each_entry_stands(void **state)
{
    static const struct {
        const char *name, *log;
        const char *stands; /* per entry in the order of the log: + it stands, - it does not */
        uint64_t last, whole, commit;
    } cases[] = {
        {"entries in order", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 h1.2", "+++", 3, 3, 2},
        {"a tail is overwritten", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 e2.2.1", "+--+", 2, 2, 0},
        {"and again, further back", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 e3.2.1 e2.3.1 e3.3.3",
         "+---++", 3, 3, 0},
        {"overwritten in a later segment",
         "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 s2 b3.1.0.0 e3.2.1 e4.2.2", "++-++", 4, 4, 0},
        {"at the same offset of another segment", "s1 b0.0.0.0 e1.1.0 e2.1.1 s2 b2.1.0.0 e2.2.1",
         "+-+", 2, 2, 0},
        {"the term grows in the middle", "s1 b0.0.0.0 e1.1.0 e2.4.1 e3.4.4 h4.3", "+++", 3, 3, 3},
        {"an own snapshot says what is committed", "s1 b0.0.0.0 e1.1.0 e2.1.1 c1.1", "++", 2, 2, 1},
        {"a received snapshot replaces the log", "s1 b0.0.0.0 e1.1.0 e2.1.1 i9.2 e10.2.2", "--+",
         10, 10, 9},
        {"a received snapshot may be older than the tail", "s1 b0.0.0.0 e1.1.0 e2.1.1 i1.1 e2.3.1",
         "--+", 2, 2, 1},
        {"the log begins behind removed segments", "s7 b5.2.3.2 e6.2.2 h2.6", "+", 6, 3, 6},
        {"and a later snapshot covers what is gone", "s7 b5.2.3.2 e6.2.2 e7.2.2 c6.2", "++", 7, 7,
         6},
        {"the commit index never goes back", "s1 b0.0.0.0 e1.1.0 e2.1.1 h1.2 h2.1", "++", 2, 2, 2},
        {"entry 2 was lost", "s1 b0.0.0.0 e1.1.0 e3.1.1", "++", 3, 1, 0},
        {"an overwrite was lost: the terms do not fit", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.2.2", "+++",
         3, 2, 0},
        {"the end of a segment was lost", "s1 b0.0.0.0 e1.1.0 s2 b3.1.0.0 e4.1.1", "++", 4, 1, 0},
        {"what a lost end overwrote", "s1 b0.0.0.0 e1.1.0 e2.1.1 s2 b2.2.0.0 e3.2.2", "+++", 3, 2,
         0},
        {"a snapshot covers the loss", "s1 b0.0.0.0 e1.1.0 s2 b3.1.0.0 e4.1.1 c3.1", "++", 4, 4, 3},
        {"a snapshot far ahead covers everything", "s1 b0.0.0.0 e1.1.0 c5.2 e6.2.2", "-+", 6, 6, 5},
        {"a repair gave up what is behind the gap", "s1 b0.0.0.0 e1.1.0 e3.1.1 s2 b1.1.0.0 e2.1.1",
         "+-+", 2, 2, 0},
        {"what it gave up does not come back with what its peers send",
         "s1 b0.0.0.0 e1.1.0 e3.1.1 e4.1.1 s2 b1.1.0.0 e2.1.1 e3.1.1 e4.1.1", "+--+++", 4, 4, 0},
        {"entries kept for slow followers do not count", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 c2.1",
         "+++", 3, 3, 2},
        {"a snapshot of another history", "s1 b0.0.0.0 e1.1.0 e2.1.1 e3.1.1 c2.5", "+++", 3, 2, 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct log_view v = {0};
        struct place places[16];
        const struct log_group *g;
        size_t n = play(cases[i].log, &v, places);

        print_message("case: %s\n", cases[i].name);
        g = log_view_group(&v, 1);
        assert_non_null(g);
        assert_int_equal(n, strlen(cases[i].stands));
        for (size_t k = 0; k < n; k++) {
            const struct place *p = &places[k];

            assert_int_equal(log_view_has(g, p->segment, p->offset, p->index),
                             cases[i].stands[k] == '+');
        }
        assert_int_equal(g->last_index, cases[i].last);
        assert_int_equal(log_view_whole(g), cases[i].whole);
        assert_int_equal(g->commit, cases[i].commit);
        log_view_release(&v);
    }
}

static void groups_do_not_mix(void **state)
{
    struct log_view v = {0};
    struct wal_segment_header h = {.number = 1, .node = 1, .cluster_id = "c"};
    struct wal_record r = {.group = 0, .type = WAL_RECORD_ENTRY, .index = 1, .term = 1};

    (void)state;
    log_view_segment(&v, &h);
    r.offset = 8;
    log_view_record(&v, 1, &r);
    r.group = 5;
    r.offset = 16;
    log_view_record(&v, 1, &r);
    assert_int_equal(v.n, 2);
    assert_true(log_view_has(log_view_group(&v, 0), 1, 8, 1));
    assert_true(log_view_has(log_view_group(&v, 5), 1, 16, 1));
    assert_false(log_view_has(log_view_group(&v, 5), 1, 8, 1));
    assert_null(log_view_group(&v, 1));
    log_view_release(&v);
}

static void a_segment_of_another_node_is_noticed(void **state)
{
    struct wal_segment_header h = {.number = 1, .node = 1, .cluster_id = "c"};
    struct log_view v = {0};

    (void)state;
    log_view_segment(&v, &h);
    h.number = 2;
    log_view_segment(&v, &h);
    assert_false(v.foreign);
    h.number = 3;
    h.node = 2;
    log_view_segment(&v, &h);
    assert_true(v.foreign);
    log_view_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_version_of_each_entry_stands),
        cmocka_unit_test(groups_do_not_mix),
        cmocka_unit_test(a_segment_of_another_node_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
