/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_core_units.c - the core's parts and limits, by table: member sets, the log in
 * memory, configurations refused, messages refused, bounds of memory. */
#include "tests/raft/core_net.h"
#include "tests/test.h"

#include "raft/core/log.h"
#include "raft/core/members.h"

/* ---- members ----------------------------------------------------------------------------- */

/* Encoding and back; and no bytes that are not an encoding pass for one. */
static void members_survive_encoding(void **state)
{
    struct raft_members m = net_voters(5), back;
    unsigned char buf[RAFT_MEMBERS_ENCODED_MAX];
    size_t n;

    (void)state;
    m.m[4].flags = RAFT_MEMBER_LEARNER | RAFT_MEMBER_VOTER_OLD;
    m.m[3].id = UINT64_MAX - 1;
    m.m[4].id = UINT64_MAX;
    n = raft_members_encode(&m, buf);
    assert_int_equal(n, 4 + 5 * 9);
    assert_int_equal(raft_members_decode(buf, n, &back), RAFT_OK);
    assert_true(raft_members_equal(&m, &back));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(raft_members_decode(buf, i, &back), RAFT_ERR_BAD_MESSAGE);
    }
}

static void impossible_member_sets_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t n;
        struct raft_member m[3];
        int want;
    } cases[] = {
        {"nobody", 0, {{0, 0}}, RAFT_ERR_BAD_MESSAGE},
        {"no voter", 1, {{1, RAFT_MEMBER_LEARNER}}, RAFT_ERR_BAD_MESSAGE},
        {"only an outgoing voter", 1, {{1, RAFT_MEMBER_VOTER_OLD}}, RAFT_ERR_BAD_MESSAGE},
        {"twice", 2, {{1, 1}, {1, 1}}, RAFT_ERR_BAD_MESSAGE},
        {"unsorted", 2, {{2, 1}, {1, 1}}, RAFT_ERR_BAD_MESSAGE},
        {"nobody's id", 1, {{0, 1}}, RAFT_ERR_BAD_MESSAGE},
        {"voter and learner", 1, {{1, 5}}, RAFT_ERR_BAD_MESSAGE},
        {"unknown flag", 1, {{1, 9}}, RAFT_ERR_BAD_MESSAGE},
        {"no flag", 2, {{1, 1}, {2, 0}}, RAFT_ERR_BAD_MESSAGE},
        {"one voter", 1, {{1, 1}}, RAFT_OK},
        {"joint", 3, {{1, 3}, {2, 2}, {3, 6}}, RAFT_OK},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raft_members m = {.n = cases[i].n}, back;
        unsigned char buf[RAFT_MEMBERS_ENCODED_MAX];

        print_message("case: %s\n", cases[i].name);
        memcpy(m.m, cases[i].m, sizeof cases[i].m);
        assert_int_equal(raft_members_decode(buf, raft_members_encode(&m, buf), &back),
                         cases[i].want);
    }
}

static void a_joint_configuration_holds_both_and_leaves_the_new(void **state)
{
    struct raft_members old = {0}, want = {0}, joint, left;

    (void)state;
    net_parse_members(&old, "1,2,3", RAFT_MEMBER_VOTER);
    net_parse_members(&old, "7,8", RAFT_MEMBER_LEARNER);
    net_parse_members(&want, "3,4,7", RAFT_MEMBER_VOTER);
    net_parse_members(&want, "2,9", RAFT_MEMBER_LEARNER);
    assert_int_equal(raft_members_enter_joint(&old, &want, &joint), RAFT_OK);
    assert_int_equal(joint.n, 6); /* 1 2 3 4 7 9; the learner 8 is gone */
    assert_int_equal(raft_members_find(&joint, 1)->flags, RAFT_MEMBER_VOTER_OLD);
    assert_int_equal(raft_members_find(&joint, 2)->flags,
                     RAFT_MEMBER_VOTER_OLD | RAFT_MEMBER_LEARNER);
    assert_int_equal(raft_members_find(&joint, 3)->flags,
                     RAFT_MEMBER_VOTER_OLD | RAFT_MEMBER_VOTER);
    assert_int_equal(raft_members_find(&joint, 7)->flags, RAFT_MEMBER_VOTER);
    assert_true(raft_members_is_joint(&joint));
    assert_true(raft_members_valid(&joint));
    raft_members_leave_joint(&joint, &left);
    assert_true(raft_members_equal(&left, &want));
    assert_false(raft_members_same_voters(&old, &want));
}

/* ---- the log in memory ------------------------------------------------------------------- */

static void add(struct raft_log *l, uint64_t term, uint32_t size, uint64_t origin)
{
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_DATA, size);

    e->pos = (struct raft_pos){term, l->last + 1};
    e->origin = origin;
    raft_log_append(l, e);
    raft_entry_unref(e);
    raft_log_check(l);
}

static void start_log(struct raft_log *l, uint64_t index)
{
    struct raft_restore re = {.snapshot = {index > 0, index}, .last = {index > 0, index}};

    re.snapshot_members = net_voters(3);
    assert_int_equal(raft_log_init(l, &re), RAFT_OK);
}

static void terms_are_known_for_the_whole_log(void **state)
{
    struct raft_log l;

    (void)state;
    start_log(&l, 10);
    for (uint64_t i = 0; i < 300; i++) {
        add(&l, 1 + i / 7, 0, 0);
    }
    assert_int_equal(raft_log_term_at(&l, 9), 0);
    assert_int_equal(raft_log_term_at(&l, 10), 1);
    assert_int_equal(raft_log_term_at(&l, 311), 0);
    for (uint64_t i = 0; i < 300; i++) {
        assert_int_equal(raft_log_term_at(&l, 11 + i), 1 + i / 7);
    }
    raft_log_truncate(&l, 200);
    raft_log_check(&l);
    assert_int_equal(raft_log_last(&l).index, 199);
    raft_log_compact(&l, (struct raft_pos){raft_log_term_at(&l, 100), 100});
    raft_log_check(&l);
    assert_int_equal(raft_log_term_at(&l, 101), 1 + 90 / 7);
    raft_log_compact(&l, raft_log_last(&l));
    raft_log_check(&l);
    assert_int_equal(l.n_runs, 0);
    assert_int_equal(l.cached_bytes, 0);
    raft_log_release(&l);
}

/* log terms 1 1 1 4 4 7 behind base 1/10. */
static void an_agreeable_position_is_found_by_terms(void **state)
{
    static const struct {
        uint64_t index, term, want;
    } cases[] = {
        {16, 9, 16}, {16, 7, 16}, {16, 6, 15}, {15, 4, 15}, {15, 3, 13}, {14, 4, 14},
        {99, 4, 15}, {12, 5, 12}, {13, 1, 13}, {16, 1, 13}, {10, 1, 10}, {12, 0, 9},
    };
    static const uint64_t terms[] = {1, 1, 1, 4, 4, 7};
    struct raft_log l;

    (void)state;
    start_log(&l, 10);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        add(&l, terms[i], 0, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(raft_log_find_agreeable(&l, cases[i].index, cases[i].term), cases[i].want);
    }
    raft_log_release(&l);
}

/* What may leave memory, and when; 10 entries of 100 bytes cost, 1..10. */
static void entries_leave_memory_only_when_nobody_here_waits(void **state)
{
    static const struct {
        const char *name;
        uint64_t keep, safe, forced, own; /* @own: this entry has an origin; 0: none */
        uint64_t want_first;
    } cases[] = {
        {"enough room", 1000, 10, 10, 0, 1},
        {"down to the bound", 500, 10, 10, 0, 6},
        {"not what is not applied", 500, 2, 2, 0, 3},
        {"applied or not, far above the bound", 150, 2, 8, 0, 5},
        {"but never a proposer's own", 100, 2, 10, 4, 4},
        {"nor what is not committed", 10, 0, 3, 0, 4},
        {"all of it", 0, 10, 10, 0, 11},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raft_log l;

        print_message("case: %s\n", cases[i].name);
        start_log(&l, 0);
        for (uint64_t j = 1; j <= 10; j++) {
            add(&l, 1, 100 - ENTRY_OVERHEAD, j == cases[i].own);
        }
        assert_int_equal(l.cached_bytes, 1000);
        raft_log_evict(&l, cases[i].keep, cases[i].safe, cases[i].forced);
        raft_log_check(&l);
        assert_int_equal(l.cache_first, cases[i].want_first);
        raft_log_release(&l);
    }
}

static void what_recovery_cannot_have_found_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct raft_pos snapshot, last;
        struct raft_term_run runs[3];
        size_t n_runs;
        int want;
    } cases[] = {
        {"nothing", {0, 0}, {0, 0}, {{0, 0}}, 0, RAFT_OK},
        {"a snapshot alone", {2, 5}, {2, 5}, {{0, 0}}, 0, RAFT_OK},
        {"a log", {2, 5}, {4, 9}, {{2, 6}, {4, 8}}, 2, RAFT_OK},
        {"a hole behind the snapshot", {2, 5}, {4, 9}, {{4, 7}}, 1, RAFT_ERR_CONFIG},
        {"terms that fall", {2, 5}, {2, 9}, {{3, 6}, {2, 8}}, 2, RAFT_ERR_CONFIG},
        {"a term before the snapshot's", {2, 5}, {1, 9}, {{1, 6}}, 1, RAFT_ERR_CONFIG},
        {"another last term", {2, 5}, {3, 9}, {{2, 6}}, 1, RAFT_ERR_CONFIG},
        {"an end before the beginning", {2, 5}, {2, 4}, {{0, 0}}, 0, RAFT_ERR_CONFIG},
        {"a run behind the end", {2, 5}, {3, 9}, {{2, 6}, {3, 10}}, 2, RAFT_ERR_CONFIG},
        {"half a position", {0, 5}, {0, 5}, {{0, 0}}, 0, RAFT_ERR_CONFIG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raft_members m = net_voters(3);
        struct raft_config cfg = net_config(1, &m);
        struct raft *r;

        print_message("case: %s\n", cases[i].name);
        cfg.restore.snapshot = cases[i].snapshot;
        cfg.restore.last = cases[i].last;
        cfg.restore.runs = cases[i].runs;
        cfg.restore.n_runs = cases[i].n_runs;
        assert_int_equal(raft_new(&cfg, &r), cases[i].want);
        assert_int_equal(r != NULL, cases[i].want == RAFT_OK);
        raft_free(r);
    }
}

/* An entry of term 4 became durable, the hard state of term 4 did not: the term is not lower than
 * its entries', and the old term's vote is none. */
static void the_term_is_never_behind_the_log(void **state)
{
    static const struct raft_term_run run = {4, 1};
    struct raft_members m = net_voters(3);
    struct raft_config cfg = net_config(1, &m);
    struct raft_output out;
    struct raft_status s;
    struct raft *r;

    (void)state;
    cfg.restore.hard = (struct raft_hard_state){.term = 3, .vote = 2, .commit = 9};
    cfg.restore.last = (struct raft_pos){4, 2};
    cfg.restore.runs = &run;
    cfg.restore.n_runs = 1;
    assert_int_equal(raft_new(&cfg, &r), RAFT_OK);
    raft_get_status(r, &s);
    assert_int_equal(s.term, 4);
    assert_int_equal(s.vote, RAFT_NONE);
    assert_int_equal(s.commit, 2);
    raft_drain(r, &out);
    assert_int_equal(out.hard_seq, 1);
    assert_int_equal(out.hard.term, 4);
    raft_free(r);
}

static void impossible_configurations_are_refused(void **state)
{
    struct raft_members m = net_voters(3);
    struct raft_config good = net_config(1, &m), c[8];
    struct raft *r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        c[i] = good;
    }
    c[0].id = 0;
    c[1].election_timeout_us = 2 * good.heartbeat_us;
    c[2].heartbeat_us = 0;
    c[3].message_bytes_max = 0;
    c[4].inflight_messages_max = 0;
    c[5].priority = 4;
    c[6].lease_drift_ppm = 1000000;
    c[7].now_us = -1;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        r = (struct raft *)&m;
        assert_int_equal(raft_new(&c[i], &r), RAFT_ERR_CONFIG);
        assert_null(r);
    }
    assert_int_equal(raft_new(&good, &r), RAFT_OK);
    raft_free(r);
    raft_free(NULL);
}

/* ---- messages that no honest replica sends ----------------------------------------------- */

static struct raft_entry *entry(uint64_t term, uint64_t index, enum raft_entry_type type,
                                uint32_t size)
{
    struct raft_entry *e = raft_entry_new(type, size);

    memset(e->data, 0xff, size);
    e->pos = (struct raft_pos){term, index};
    return e;
}

static void refused(struct net *net, const struct raft_message *m)
{
    struct raft_status before = net_status(net, m->to), after;

    assert_int_equal(net_message(net, m), RAFT_ERR_BAD_MESSAGE);
    after = net_status(net, m->to);
    assert_memory_equal(&before, &after, sizeof before);
}

static void malformed_messages_are_refused_and_change_nothing(void **state)
{
    struct net *net = net_new(NULL);
    struct raft_entry *e[8] = {
        entry(1, 2, RAFT_ENTRY_DATA, 1), entry(1, 4, RAFT_ENTRY_DATA, 1),
        entry(3, 3, RAFT_ENTRY_DATA, 1), entry(1, 2, RAFT_ENTRY_CONFIG, 13),
        entry(0, 2, RAFT_ENTRY_DATA, 1), entry(1, 2, (enum raft_entry_type)9, 1),
        entry(2, 1, RAFT_ENTRY_DATA, 1), NULL};
    struct raft_message good, m;

    (void)state;
    net_start_voters(net, 3);
    net_elect(net, 1);
    net_run(net, 60 * NET_MS);

    good = (struct raft_message){.type = RAFT_MSG_APPEND, .from = 1, .to = 2, .term = 1};
    good.pos = (struct raft_pos){1, 1};

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        m = good;                                                                                  \
        change;                                                                                    \
        print_message("%s\n", #change);                                                            \
        refused(net, &m);                                                                          \
    } while (0)

    REFUSED(m.from = 0);
    REFUSED(m.from = 2);
    REFUSED(m.from = 3); /* a second leader of this term */
    REFUSED(m.term = 0);
    REFUSED(m.pos.term = 0);
    REFUSED(m.pos.term = 2);
    REFUSED(m.pos.index = UINT64_MAX);
    REFUSED(m.sent_us = -1);
    REFUSED(m.type = RAFT_MSG_SNAPSHOT_STATUS);
    REFUSED(m.type = (enum raft_message_type)77);
    REFUSED(m.n_entries = 1);
    REFUSED((m.entries = &e[1], m.n_entries = 1));                  /* a hole */
    REFUSED((m.entries = &e[0], m.n_entries = 2));                  /* a hole in between */
    REFUSED((m.entries = &e[2], m.pos.index = 2, m.n_entries = 1)); /* from a later term */
    REFUSED((m.entries = &e[3], m.n_entries = 1));                  /* no members */
    REFUSED((m.entries = &e[4], m.n_entries = 1));
    REFUSED((m.entries = &e[5], m.n_entries = 1));
    REFUSED((m.entries = &e[7], m.n_entries = 1)); /* no entry at all */
    /* Contradicts what is committed. */
    REFUSED((m.entries = &e[6], m.n_entries = 1, m.term = 2, m.pos.index = 0, m.pos.term = 0));

    good = (struct raft_message){.type = RAFT_MSG_APPEND_REPLY, .from = 2, .to = 1, .term = 1};
    REFUSED(m.match = 9); /* more than there is */
    REFUSED(m.last = 9);
    REFUSED((m.match = 1, m.last = 0));
    REFUSED(m.sent_us = net->now_us + 1); /* from the future: a lease for ever */
    REFUSED(m.read_seq = 5);
    REFUSED((m.reject = true, m.match = 99));

    good = (struct raft_message){.type = RAFT_MSG_VOTE, .from = 2, .to = 1, .term = 3};
    REFUSED(m.pos = ((struct raft_pos){3, 9}));
#undef REFUSED
    for (size_t i = 0; i < ARRAY_LEN(e); i++) {
        raft_entry_unref(e[i]);
    }
    net_free(net);
}

/* ---- bounds ------------------------------------------------------------------------------ */

/* However long a follower is away, and however much is written, memory stays bounded. */
static void memory_stays_bounded_with_a_follower_away(void **state)
{
    struct net *net = net_new(NULL);
    struct raft_members m = net_voters(3);

    (void)state;
    for (uint64_t id = 1; id <= 3; id++) {
        struct raft_config cfg = net_config(id, &m);

        cfg.cache_bytes = 2000;
        cfg.message_bytes_max = 500;
        cfg.inflight_messages_max = 4;
        cfg.inflight_bytes_max = 1000;
        net_start(net, &cfg);
    }
    net_elect(net, 1);
    net_isolate(net, 3);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(net_propose(net, 1, "twenty bytes or so.."), RAFT_OK);
        net_deliver(net, 0, 0, 0, 0);
        assert_true(net_status(net, 1).cached_bytes <= 2000 + 100);
        assert_true(net_status(net, 2).cached_bytes <= 2000 + 100);
    }
    net_heal(net);
    net_run(net, 2000 * NET_MS);
    assert_int_equal(net_status(net, 3).commit, 1001);
    assert_true(net_status(net, 3).cached_bytes <= 2000 + 100);
    assert_true(net->node[1].n_read_backs > 10);
    assert_true(net->node[1].n_read_backs < 600); /* several messages out of each */
    net_free(net);
}

/* A node whose owner is stuck still bounds its memory: committed entries of others leave. */
static void memory_stays_bounded_when_nothing_is_applied(void **state)
{
    struct net *net = net_new(NULL);
    struct raft_members m = net_voters(3);

    (void)state;
    for (uint64_t id = 1; id <= 3; id++) {
        struct raft_config cfg = net_config(id, &m);

        cfg.cache_bytes = 2000;
        net_start(net, &cfg);
        net->node[id].manual_apply = id == 3;
    }
    net_elect(net, 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(net_propose(net, 1, "twenty bytes or so.."), RAFT_OK);
        net_deliver(net, 0, 0, 0, 0);
    }
    net_run(net, 60 * NET_MS);
    assert_int_equal(net_status(net, 3).commit, 1001);
    assert_int_equal(net_status(net, 3).applied, 0);
    assert_true(net_status(net, 3).cached_bytes <= 8000 + 100);
    net_free(net);
}

/* Reads are asked for in one round per drain, and refused beyond a bound. */
static void waiting_reads_are_bounded(void **state)
{
    struct net *net = net_new(NULL);
    struct raft_input in = {.type = RAFT_IN_READ};
    int rc = RAFT_OK;
    uint64_t n = 0;

    (void)state;
    net_start_voters(net, 3);
    net_elect(net, 1);
    net->node[1].manual_drain = true;
    while (n < 1000000 && (rc = net_step(net, 1, &in)) == RAFT_OK) {
        in.token = ++n;
    }
    assert_int_equal(rc, RAFT_ERR_BUSY);
    net_free(net);
}

static void words_exist_for_all_errors_and_roles(void **state)
{
    (void)state;
    assert_string_equal(raft_strerror(RAFT_OK), "ok");
    assert_string_equal(raft_strerror(RAFT_ERR_UNKNOWN_MEMBER), "no such member");
    assert_string_equal(raft_strerror(-999), "unknown error");
    assert_string_equal(raft_role_name(RAFT_ROLE_PRE_CANDIDATE), "pre-candidate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_survive_encoding),
        cmocka_unit_test(impossible_member_sets_are_refused),
        cmocka_unit_test(a_joint_configuration_holds_both_and_leaves_the_new),
        cmocka_unit_test(terms_are_known_for_the_whole_log),
        cmocka_unit_test(an_agreeable_position_is_found_by_terms),
        cmocka_unit_test(entries_leave_memory_only_when_nobody_here_waits),
        cmocka_unit_test(what_recovery_cannot_have_found_is_refused),
        cmocka_unit_test(the_term_is_never_behind_the_log),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(malformed_messages_are_refused_and_change_nothing),
        cmocka_unit_test(memory_stays_bounded_with_a_follower_away),
        cmocka_unit_test(memory_stays_bounded_when_nothing_is_applied),
        cmocka_unit_test(waiting_reads_are_bounded),
        cmocka_unit_test(words_exist_for_all_errors_and_roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
