/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_core_paper.c - one test per claim of Ongaro's thesis ("Consensus: Bridging Theory
 * and Practice", 2014), section cited. How a claim looks in messages is in transcripts/. */
#include "tests/raft/core_net.h"
#include "tests/test.h"

static struct net *three(void)
{
    struct net *net = net_new(NULL);

    net_start_voters(net, 3);
    return net;
}

/* A group of three led by 1, nothing on its way. */
static struct net *led_by_1(void)
{
    struct net *net = three();

    net_elect(net, 1);
    net_run(net, 60 * NET_MS);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_LEADER);
    return net;
}

/* Three stopped logs of these terms (0 ends a list), started as no fresh ones, stickiness over. */
static struct net *with_logs(const uint64_t *a, const uint64_t *b, const uint64_t *c)
{
    const uint64_t *logs[] = {a, b, c};
    struct net *net = net_new(NULL);
    struct raft_members m = net_voters(3);

    for (uint64_t id = 1; id <= 3; id++) {
        struct raft_config cfg = net_config(id, &m);

        for (const uint64_t *t = logs[id - 1]; *t != 0; t++) {
            net_disk_append(net, id, *t, "x");
        }
        cfg.fresh = false;
        net_start(net, &cfg);
    }
    net_sleep(net, 301 * NET_MS);
    return net;
}

static struct raft_message message(enum raft_message_type type, uint64_t from, uint64_t to,
                                   uint64_t term)
{
    return (struct raft_message){.type = type, .from = from, .to = to, .term = term};
}

/* ---- 3.3 terms --------------------------------------------------------------------------- */

/* "If a candidate or leader discovers that its term is out of date, it immediately reverts to
 * follower state." */
static void a_leader_that_learns_of_a_later_term_steps_down(void **state)
{
    struct net *net = led_by_1();
    struct raft_message m = message(RAFT_MSG_APPEND_REPLY, 2, 1, 9);

    (void)state;
    m.reject = true;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_FOLLOWER);
    assert_int_equal(net_status(net, 1).term, 9);
    net_free(net);
}

/* "If a server receives a request with a stale term number, it rejects the request." */
static void an_append_of_an_old_term_changes_nothing(void **state)
{
    struct net *net = led_by_1();
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_NOOP, 0);
    struct raft_message m = message(RAFT_MSG_APPEND, 3, 2, 1);

    (void)state;
    net_isolate(net, 1);
    net_sleep(net, 400 * NET_MS);
    net_elect(net, 3); /* term 2 */
    net_run(net, 60 * NET_MS);
    m.from = 1;
    m.pos = (struct raft_pos){1, 1};
    e->pos = (struct raft_pos){1, 2};
    m.entries = &e;
    m.n_entries = 1;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(raft_term_at(net->node[2].r, 2), 2);
    assert_int_equal(net_status(net, 2).leader, 3);
    raft_entry_unref(e);
    net_free(net);
}

/* ---- 3.4 election ------------------------------------------------------------------------ */

/* "Each server will vote for at most one candidate in a given term, on a first-come-first-served
 * basis" - also after a restart. */
static void a_server_votes_once_in_a_term_even_across_a_restart(void **state)
{
    struct net *net = three();
    struct raft_message m = message(RAFT_MSG_VOTE, 1, 3, 5);
    const struct raft_message *reply;

    (void)state;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_false(net_peek(net, 3, 1, RAFT_MSG_VOTE_REPLY)->reject);
    net_crash(net, 3);
    net_restart(net, 3, false);
    net_sleep(net, 301 * NET_MS);
    m.from = 2;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    reply = net_peek(net, 3, 2, RAFT_MSG_VOTE_REPLY);
    assert_non_null(reply);
    assert_true(reply->reject);
    m.from = 1; /* the same candidate may ask again */
    assert_int_equal(net_message(net, &m), RAFT_OK);
    reply = net_peek(net, 3, 1, RAFT_MSG_VOTE_REPLY);
    assert_false(reply->reject);
    net_free(net);
}

/* "election timeouts are chosen randomly from a fixed interval": [t, 2t) here. */
static void election_timeouts_spread_over_t_to_2t(void **state)
{
    int64_t lo = INT64_MAX, hi = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct net *net = net_new(NULL);
        struct raft_members m = net_voters(3);
        struct raft_config cfg = net_config(1, &m);
        int64_t wait;

        cfg.seed = seed;
        net_start(net, &cfg);
        wait = net->node[1].deadline_us - net->now_us;
        lo = MIN_OF(lo, wait);
        hi = MAX_OF(hi, wait);
        net_free(net);
    }
    assert_true(lo >= 300 * NET_MS);
    assert_true(lo < 320 * NET_MS);
    assert_true(hi < 600 * NET_MS);
    assert_true(hi > 580 * NET_MS);
}

/* A candidate gives way to the leader of its own term. */
static void a_candidate_follows_a_leader_of_its_term(void **state)
{
    struct net *net = three();
    struct raft_message m;

    (void)state;
    net_isolate(net, 1);
    net_heal(net);
    net_fire(net, 1);
    net_deliver(net, 0, 0, RAFT_MSG_PRE_VOTE, 0);
    net_deliver(net, 0, 0, RAFT_MSG_PRE_VOTE_REPLY, 0);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_CANDIDATE);
    m = message(RAFT_MSG_APPEND, 3, 1, 1);
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_FOLLOWER);
    assert_int_equal(net_status(net, 1).leader, 3);
    assert_int_equal(net_status(net, 1).vote, 1);
    net_free(net);
}

/* ---- 3.5 replication --------------------------------------------------------------------- */

/* "A log entry is committed once the leader that created the entry has replicated it on a majority
 * of the servers." */
static void an_entry_is_committed_by_a_majority_and_not_before(void **state)
{
    struct net *net = led_by_1();

    (void)state;
    net_isolate(net, 3);
    assert_int_equal(net_propose(net, 1, "a"), RAFT_OK);
    assert_int_equal(net_status(net, 1).commit, 1);
    net_deliver(net, 1, 2, 0, 0);
    assert_int_equal(net_status(net, 1).commit, 1);
    net_deliver(net, 2, 1, 0, 0);
    assert_int_equal(net_status(net, 1).commit, 2);
    net_free(net);
}

/* Figure 3.1, AppendEntries 5: commit = min(leader's, index of the last new entry), never back. */
static void a_followers_commit_index_is_bounded_by_what_it_checked(void **state)
{
    static const uint64_t ones[] = {1, 1, 1, 1, 1, 0};
    static const struct {
        const char *name;
        uint64_t prev, leader_commit, want;
    } cases[] = {
        {"a heartbeat does not commit a stale tail", 3, 9, 3},
        {"the leader bounds the commit", 5, 4, 4},
        {"never moves back", 5, 2, 4},
        {"an older heartbeat knows of newer commits", 2, 5, 5},
    };
    struct net *net = with_logs(ones, ones, ones);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raft_message m = message(RAFT_MSG_APPEND, 2, 1, 2);

        print_message("case: %s\n", cases[i].name);
        m.pos = (struct raft_pos){1, cases[i].prev};
        m.commit = cases[i].leader_commit;
        assert_int_equal(net_message(net, &m), RAFT_OK);
        assert_int_equal(net_status(net, 1).commit, cases[i].want);
    }
    net_free(net);
}

/* "If an existing entry conflicts with a new one, delete the existing entry and all that follow it"
 * - and only then: an old, shorter message cuts nothing. */
static void only_a_conflict_cuts_the_log(void **state)
{
    static const uint64_t terms[] = {1, 1, 2, 2, 0};
    static const struct {
        const char *name;
        struct raft_pos prev;
        uint64_t entry_term; /* of one entry behind it; 0: none */
        uint64_t want_last;
    } cases[] = {
        {"an entry that is there already", {1, 1}, 1, 4},
        {"nothing at all", {1, 2}, 0, 4},
        {"a conflict", {1, 2}, 3, 3},
        {"a log that does not match at prev is left alone", {3, 5}, 3, 3},
    };
    struct net *net = with_logs(terms, terms, terms);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct raft_entry *e = raft_entry_new(RAFT_ENTRY_NOOP, 0);
        struct raft_message m = message(RAFT_MSG_APPEND, 2, 1, 3);

        print_message("case: %s\n", cases[i].name);
        m.pos = cases[i].prev;
        e->pos = (struct raft_pos){cases[i].entry_term, m.pos.index + 1};
        m.entries = &e;
        m.n_entries = cases[i].entry_term != 0;
        assert_int_equal(net_message(net, &m), RAFT_OK);
        assert_int_equal(net_status(net, 1).last.index, cases[i].want_last);
        raft_entry_unref(e);
    }
    net_free(net);
}

/* Figure 3.6: whatever a follower's log looks like, the leader makes it its own. */
static void a_leader_brings_any_log_into_line(void **state)
{
    static const uint64_t leader[] = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 0};
    static const uint64_t follower[][12] = {
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 0},       {1, 1, 1, 4, 0},
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6, 0}, {1, 1, 1, 4, 4, 4, 4, 0},
        {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 0}, {0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(follower); i++) {
        struct net *net = with_logs(leader, leader, follower[i]);

        net_isolate(net, 3);
        net_elect(net, 1);
        net_heal(net);
        net_run(net, 120 * NET_MS);
        assert_int_equal(net_status(net, 1).commit, 11);
        assert_int_equal(net_status(net, 3).commit, 11);
        for (uint64_t at = 1; at <= 11; at++) {
            assert_int_equal(raft_term_at(net->node[3].r, at), raft_term_at(net->node[1].r, at));
        }
        net_free(net);
    }
}

/* ---- 3.6 safety -------------------------------------------------------------------------- */

/* 3.6.1: "the voter denies its vote if its own log is more up-to-date". */
static void a_vote_needs_a_log_that_is_as_good(void **state)
{
    static const uint64_t terms[] = {1, 2, 2, 0};
    static const struct {
        struct raft_pos last;
        bool reject;
    } cases[] = {
        {{2, 3}, false}, {{2, 4}, false}, {{3, 1}, false},
        {{2, 2}, true},  {{1, 9}, true},  {{0, 0}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int pre = 0; pre < 2; pre++) {
            struct net *net = with_logs(terms, terms, terms);
            struct raft_message m = message(pre ? RAFT_MSG_PRE_VOTE : RAFT_MSG_VOTE, 2, 1, 4);

            m.pos = cases[i].last;
            assert_int_equal(net_message(net, &m), RAFT_OK);
            assert_int_equal(net_peek(net, 1, 2, m.type + 1)->reject, cases[i].reject);
            assert_int_equal(net_status(net, 1).term, pre ? 2 : 4);
            net_free(net);
        }
    }
}

/* 3.6.2: only an entry of the leader's term is committed by counting. */
static void entries_of_older_terms_are_committed_indirectly(void **state)
{
    static const uint64_t with[] = {1, 2, 0}, without[] = {1, 0};
    struct net *net = with_logs(with, with, without);
    struct raft_message m;

    (void)state;
    net_isolate(net, 3);
    net_fire(net, 1);
    net_deliver(net, 0, 0, RAFT_MSG_PRE_VOTE, 0);
    net_deliver(net, 0, 0, RAFT_MSG_PRE_VOTE_REPLY, 0);
    net_deliver(net, 0, 0, RAFT_MSG_VOTE, 0);
    net_deliver(net, 0, 0, RAFT_MSG_VOTE_REPLY, 0);
    net_drop(net, 0, 0, 0);
    m = message(RAFT_MSG_APPEND_REPLY, 2, 1, 3);
    m.match = m.last = 2;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_status(net, 1).commit, 0);
    m.match = m.last = 3;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_status(net, 1).commit, 3);
    net_free(net);
}

/* ---- 3.8 persisted state ----------------------------------------------------------------- */

/* "Each server persists its current term and vote ... before responding", and "new log entries
 * before they are counted towards commitment". */
static void nothing_is_promised_before_it_is_durable(void **state)
{
    struct net *net = three();

    (void)state;
    net->node[2].manual_disk = true;
    net->node[3].manual_disk = true;
    net_elect(net, 1);
    assert_int_equal(net_queued(net, 2, 1, RAFT_MSG_VOTE_REPLY), 0);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_CANDIDATE);
    assert_true(net_persist(net, 2));
    assert_int_equal(net_queued(net, 2, 1, RAFT_MSG_VOTE_REPLY), 1);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_LEADER);
    assert_int_equal(net_status(net, 1).commit, 0);
    assert_true(net_persist(net, 2));
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_status(net, 1).commit, 1);
    net_free(net);
}

/* A stored commit index is a lower bound that the stored log reaches. */
static void the_stored_commit_index_is_covered_by_the_stored_log(void **state)
{
    struct net *net = led_by_1();
    struct raft_output out;

    (void)state;
    net->node[1].manual_disk = true;
    assert_int_equal(net_propose(net, 1, "a"), RAFT_OK);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_status(net, 1).commit, 2);
    assert_int_equal(net_status(net, 1).persisted, 1);
    raft_drain(net->node[1].r, &out);
    assert_int_equal(out.hard.commit, 1);
    assert_int_equal(out.hard_seq, 0); /* a commit index alone is not worth a write */
    net_persist(net, 1);
    raft_drain(net->node[1].r, &out);
    assert_int_equal(out.hard.commit, 2);
    net_free(net);
}

/* ---- 3.10 transfer ----------------------------------------------------------------------- */

static void a_transfer_needs_no_timeout_and_loses_nothing(void **state)
{
    struct net *net = led_by_1();
    int64_t before = net->now_us;

    (void)state;
    assert_int_equal(net_propose(net, 1, "a"), RAFT_OK);
    assert_int_equal(net_transfer(net, 1, 3), RAFT_OK);
    assert_int_equal(net_propose(net, 1, "b"), RAFT_ERR_TRANSFERRING);
    assert_int_equal(net->node[1].lease_until_us, 0);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_role(net, 3), RAFT_ROLE_LEADER);
    assert_int_equal(net_status(net, 3).commit, 3);
    assert_true(net->now_us == before);
    net_free(net);
}

/* Without a wish the follower that has most is chosen; strangers, learners and oneself never. */
static void a_transfer_goes_to_a_voter_that_is_there(void **state)
{
    struct net *net = led_by_1();

    (void)state;
    assert_int_equal(net_transfer(net, 1, 1), RAFT_ERR_UNKNOWN_MEMBER);
    assert_int_equal(net_transfer(net, 1, 7), RAFT_ERR_UNKNOWN_MEMBER);
    assert_int_equal(net_transfer(net, 2, 3), RAFT_ERR_NOT_LEADER);
    net_isolate(net, 2);
    assert_int_equal(net_propose(net, 1, "a"), RAFT_OK);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_transfer(net, 1, RAFT_NONE), RAFT_OK);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_role(net, 3), RAFT_ROLE_LEADER);
    net_free(net);
}

/* ---- 4 membership ------------------------------------------------------------------------ */

/* 4.1: "a server always uses the latest configuration in its log, regardless of whether the entry
 * is committed" - and falls back when that entry is removed. */
static void a_configuration_counts_at_append_and_ends_when_cut(void **state)
{
    struct net *net = led_by_1();
    struct raft_members want = net_voters(4);

    (void)state;
    net_isolate(net, 1);
    assert_int_equal(net_change(net, 1, &want), RAFT_OK);
    assert_int_equal(raft_get_members(net->node[1].r)->n, 4);
    assert_true(raft_members_is_joint(raft_get_members(net->node[1].r)));
    net_sleep(net, 310 * NET_MS);
    net_elect(net, 2);
    net_heal(net);
    net_run(net, 120 * NET_MS);
    assert_int_equal(net_status(net, 1).leader, 2);
    assert_int_equal(raft_get_members(net->node[1].r)->n, 3);
    assert_false(raft_members_is_joint(raft_get_members(net->node[1].r)));
    net_free(net);
}

/* 4.2.3: who hears from a leader ignores votes, but for one that a transfer ordered. */
static void voters_stick_to_a_leader_they_hear(void **state)
{
    static const struct {
        const char *name;
        int64_t silence_ms;
        bool forced, granted;
    } cases[] = {
        {"just heard", 0, false, false},
        {"heard less than a timeout ago", 299, false, false},
        {"heard a timeout ago", 300, false, true},
        {"just heard, but a transfer", 0, true, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net *net = led_by_1();
        struct raft_message m = message(RAFT_MSG_VOTE, 3, 2, 5);

        print_message("case: %s\n", cases[i].name);
        net_fire(net, 1);
        net_deliver(net, 0, 0, 0, 0);
        net_sleep(net, cases[i].silence_ms * NET_MS);
        m.pos = (struct raft_pos){1, 1};
        m.forced = cases[i].forced;
        assert_int_equal(net_message(net, &m), RAFT_OK);
        assert_int_equal(net_queued(net, 2, 3, RAFT_MSG_VOTE_REPLY), cases[i].granted);
        assert_int_equal(net_status(net, 2).term, cases[i].granted ? 5 : 1);
        net_free(net);
    }
}

/* 4.3: in the joint configuration both majorities decide about everything. */
static void joint_decisions_need_both_majorities(void **state)
{
    struct net *net = net_new(NULL);
    struct raft_members old = net_voters(3), want = {0}, none = {0};

    (void)state;
    net_start_voters(net, 3);
    for (uint64_t id = 4; id <= 5; id++) {
        struct raft_config cfg = net_config(id, &none);

        net_start(net, &cfg);
    }
    net_elect(net, 1);
    net_parse_members(&old, "4,5", RAFT_MEMBER_LEARNER);
    assert_int_equal(net_change(net, 1, &old), RAFT_OK);
    net_run(net, 120 * NET_MS);
    net_parse_members(&want, "3,4,5", RAFT_MEMBER_VOTER);
    net_isolate(net, 4);
    net_isolate(net, 5);
    assert_int_equal(net_change(net, 1, &want), RAFT_OK);
    net_run(net, 100 * NET_MS);
    assert_true(net_status(net, 1).change_pending);
    assert_int_equal(net_read(net, 1, 1), RAFT_OK); /* the old half alone confirms no read */
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net->node[1].n_reads, 0);
    net_heal(net);
    net_run(net, 200 * NET_MS);
    assert_int_equal(net->node[1].n_reads + net->node[1].n_reads_lost, 1);
    net_run(net, 1500 * NET_MS);
    assert_int_equal(net_status(net, 4).members.n, 3);
    assert_int_not_equal(net_role(net, 1), RAFT_ROLE_LEADER); /* it removed itself */
    net_free(net);
}

/* ---- 5 snapshots ------------------------------------------------------------------------- */

/* 5.1: a server answers from what it keeps about the end of what it discarded. */
static void a_compacted_log_remembers_its_beginning(void **state)
{
    struct net *net = led_by_1();
    struct raft_members m;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(net_propose(net, 1, "x"), RAFT_OK);
    }
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net_compact(net, 1, 4), RAFT_OK);
    assert_int_equal(raft_term_at(net->node[1].r, 4), 1);
    assert_int_equal(raft_term_at(net->node[1].r, 3), 0);
    assert_int_equal(raft_members_at(net->node[1].r, 3, &m), RAFT_ERR_COMPACTED);
    assert_int_equal(raft_members_at(net->node[1].r, 4, &m), RAFT_OK);
    assert_int_equal(m.n, 3);
    assert_int_equal(net_compact(net, 1, 9), RAFT_ERR_CONFIG); /* not committed */
    net_free(net);
}

/* A follower learns of entries and of their commitment by one message, and they are nowhere but in
 * its memory until the next drain hands them out: a log that began behind them would lose them. */
static void what_was_not_handed_out_is_not_compacted(void **state)
{
    struct net *net = led_by_1();
    struct raft_entry *e[3];
    struct raft_message m = {.type = RAFT_MSG_APPEND, .from = 1, .to = 2, .term = 1, .commit = 4};

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(e); i++) {
        e[i] = raft_entry_new(RAFT_ENTRY_DATA, 0);
        e[i]->pos = (struct raft_pos){1, 2 + i};
    }
    m.pos = (struct raft_pos){1, 1};
    m.entries = e;
    m.n_entries = ARRAY_LEN(e);
    net->node[2].manual_drain = true;
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_status(net, 2).commit, 4);
    assert_int_equal(net_compact(net, 2, 3), RAFT_ERR_CONFIG);
    assert_int_equal(net_status(net, 2).snapshot.index, 0);
    raft_check(net->node[2].r);
    net->node[2].manual_drain = false;
    net_drain(net, 2);
    while (net_persist(net, 2)) {
    }
    assert_int_equal(net_status(net, 2).persisted, 4);
    assert_int_equal(net_compact(net, 2, 3), RAFT_OK);
    assert_int_equal(net_status(net, 2).snapshot.index, 3);
    for (uint32_t i = 0; i < ARRAY_LEN(e); i++) {
        raft_entry_unref(e[i]);
    }
    net_free(net);
}

/* Raft paper, figure 13, 6: a log that holds the snapshot's last entry is kept. */
static void a_snapshot_within_the_log_only_commits(void **state)
{
    static const uint64_t terms[] = {1, 1, 1, 1, 0};
    struct net *net = with_logs(terms, terms, terms);
    struct raft_members m = net_voters(3);
    struct raft_input in = {.type = RAFT_IN_SNAPSHOT};

    (void)state;
    in.snapshot.from = 2;
    in.snapshot.term = 4;
    in.snapshot.pos = (struct raft_pos){1, 3};
    in.snapshot.members = &m;
    assert_int_equal(net_step(net, 1, &in), RAFT_OK);
    assert_int_equal(net_status(net, 1).last.index, 4);
    assert_int_equal(net_status(net, 1).commit, 3);
    assert_int_equal(net_status(net, 1).term, 4);

    in.snapshot.pos = (struct raft_pos){2, 3}; /* behind the commit index: nothing */
    in.snapshot.term = 3;
    assert_int_equal(net_step(net, 1, &in), RAFT_OK);
    assert_int_equal(net_status(net, 1).term, 4);
    assert_int_equal(net_status(net, 1).last.index, 4);

    in.snapshot.pos = (struct raft_pos){3, 4}; /* another entry than ours there */
    assert_int_equal(net_step(net, 1, &in), RAFT_OK);
    assert_int_equal(net_status(net, 1).snapshot.index, 4);
    assert_int_equal(net_status(net, 1).last.term, 3);
    assert_int_equal(net_status(net, 1).term, 4);
    net_free(net);
}

/* ---- 6.2, 6.4 leadership checks, reads, leases ------------------------------------------- */

static void a_leader_without_a_majority_steps_down_within_two_timeouts(void **state)
{
    struct net *net = led_by_1();

    (void)state;
    net_isolate(net, 1);
    net_run(net, 600 * NET_MS);
    assert_int_not_equal(net_role(net, 1), RAFT_ROLE_LEADER);
    assert_int_equal(net_status(net, 1).term, 1); /* pre-votes cost no term */
    net_free(net);
}

/* 6.4: a read counts only what was sent after it. */
static void an_answer_to_an_older_message_confirms_no_read(void **state)
{
    struct net *net = led_by_1();

    (void)state;
    net_fire(net, 1); /* heartbeats, answered before the read */
    net_deliver(net, 1, 0, 0, 0);
    assert_int_equal(net_read(net, 1, 7), RAFT_OK);
    net_deliver(net, 2, 1, 0, 1);
    net_deliver(net, 3, 1, 0, 1);
    assert_int_equal(net->node[1].n_reads, 0);
    net_deliver(net, 0, 0, 0, 0);
    assert_int_equal(net->node[1].n_reads, 1);
    assert_int_equal(net->node[1].reads[0], 7);
    net_free(net);
}

/* 6.4.1: a lease starts when the message left that a majority answered, not at the answer. */
static void a_lease_counts_from_the_sending(void **state)
{
    struct net *net = led_by_1();
    int64_t sent;

    (void)state;
    net_fire(net, 1);
    sent = net->now_us;
    net_sleep(net, 100 * NET_MS); /* a slow network */
    net_deliver(net, 0, 0, 0, 0);
    /* 300 ms, less 1 % of drift. */
    assert_true(net->node[1].lease_until_us == sent + 297 * NET_MS);
    net_free(net);
}

/* No voter helps to elect another leader while the lease may hold, not even one that restarts. */
static void a_lease_outlives_a_voters_restart(void **state)
{
    struct net *net = led_by_1();
    struct raft_message m = message(RAFT_MSG_VOTE, 3, 2, 2);
    int64_t until;

    (void)state;
    net_fire(net, 1);
    net_deliver(net, 0, 0, 0, 0);
    until = net->node[1].lease_until_us;
    net_crash(net, 2);
    net_restart(net, 2, false);
    m.pos = (struct raft_pos){1, 1};
    while (net->now_us < until) {
        assert_int_equal(net_message(net, &m), RAFT_OK);
        assert_int_equal(net_queued(net, 2, 3, RAFT_MSG_VOTE_REPLY), 0);
        net_sleep(net, 10 * NET_MS);
    }
    net_sleep(net, 10 * NET_MS);
    assert_int_equal(net_message(net, &m), RAFT_OK);
    assert_int_equal(net_queued(net, 2, 3, RAFT_MSG_VOTE_REPLY), 1);
    net_free(net);
}

/* A given up transfer may still cause a forced election: no lease until its target has answered
 * something newer, and then an old order is worth nothing. */
static void an_old_order_to_campaign_is_void(void **state)
{
    struct net *net = led_by_1();
    struct raft_message order;

    (void)state;
    assert_int_equal(net_transfer(net, 1, 2), RAFT_OK);
    order = *net_peek(net, 1, 2, RAFT_MSG_TIMEOUT_NOW);
    net_drop(net, 1, 2, 0);
    net->cut[1][2] = true;
    net_run(net, 310 * NET_MS);
    net->cut[1][2] = false;
    assert_int_equal(net->node[1].n_transfers_ended, 1);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_LEADER);
    assert_int_equal(net->node[1].lease_until_us, 0);
    net_fire(net, 1);
    net_deliver(net, 0, 0, 0, 0);
    assert_true(net->node[1].lease_until_us > net->now_us);
    assert_int_equal(net_message(net, &order), RAFT_OK);
    assert_int_equal(net_role(net, 2), RAFT_ROLE_FOLLOWER);
    assert_int_equal(net_status(net, 2).term, 1);
    net_free(net);
}

/* ---- 9.6 pre-vote ------------------------------------------------------------------------ */

static void a_partitioned_server_keeps_its_term(void **state)
{
    struct net *net = led_by_1();

    (void)state;
    net_isolate(net, 3);
    net_run(net, 10000 * NET_MS);
    assert_int_equal(net_status(net, 3).term, 1);
    net_heal(net);
    net_run(net, 100 * NET_MS);
    assert_int_equal(net_status(net, 3).leader, 1);
    assert_int_equal(net_role(net, 1), RAFT_ROLE_LEADER);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_learns_of_a_later_term_steps_down),
        cmocka_unit_test(an_append_of_an_old_term_changes_nothing),
        cmocka_unit_test(a_server_votes_once_in_a_term_even_across_a_restart),
        cmocka_unit_test(election_timeouts_spread_over_t_to_2t),
        cmocka_unit_test(a_candidate_follows_a_leader_of_its_term),
        cmocka_unit_test(an_entry_is_committed_by_a_majority_and_not_before),
        cmocka_unit_test(a_followers_commit_index_is_bounded_by_what_it_checked),
        cmocka_unit_test(only_a_conflict_cuts_the_log),
        cmocka_unit_test(a_leader_brings_any_log_into_line),
        cmocka_unit_test(a_vote_needs_a_log_that_is_as_good),
        cmocka_unit_test(entries_of_older_terms_are_committed_indirectly),
        cmocka_unit_test(nothing_is_promised_before_it_is_durable),
        cmocka_unit_test(the_stored_commit_index_is_covered_by_the_stored_log),
        cmocka_unit_test(a_transfer_needs_no_timeout_and_loses_nothing),
        cmocka_unit_test(a_transfer_goes_to_a_voter_that_is_there),
        cmocka_unit_test(a_configuration_counts_at_append_and_ends_when_cut),
        cmocka_unit_test(voters_stick_to_a_leader_they_hear),
        cmocka_unit_test(joint_decisions_need_both_majorities),
        cmocka_unit_test(a_compacted_log_remembers_its_beginning),
        cmocka_unit_test(what_was_not_handed_out_is_not_compacted),
        cmocka_unit_test(a_snapshot_within_the_log_only_commits),
        cmocka_unit_test(a_leader_without_a_majority_steps_down_within_two_timeouts),
        cmocka_unit_test(an_answer_to_an_older_message_confirms_no_read),
        cmocka_unit_test(a_lease_counts_from_the_sending),
        cmocka_unit_test(a_lease_outlives_a_voters_restart),
        cmocka_unit_test(an_old_order_to_campaign_is_void),
        cmocka_unit_test(a_partitioned_server_keeps_its_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
