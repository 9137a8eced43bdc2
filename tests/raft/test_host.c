/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_host.c - three hosts on loopback: what a cluster does when nothing breaks. */
#include "tests/test.h"

#include "tests/raft/host_cluster.h"

#include "base/mem.h"

#include <inttypes.h>

/* Entries proposed on the leaders of several groups are applied on all nodes, in every mode. */
static void three_hosts_commit_entries(void **state)
{
    static const struct {
        const char *name;
        enum raft_durability durability;
    } cases[] = {
        {"always", RAFT_DURABLE_ALWAYS},
        {"everysec", RAFT_DURABLE_EVERYSEC},
        {"no", RAFT_DURABLE_NO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tcluster *c = tcluster_new(3, 3);

        print_message("case: %s\n", cases[i].name);
        c->durability = cases[i].durability;
        tcluster_start_all(c);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        tcluster_load(c, 8, 100);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 2000));
        tcluster_check(c);
        tcluster_free(c);
    }
}

/* A cluster of one needs nobody, not even its raft thread for every entry. */
static void one_host_is_a_cluster(void **state)
{
    (void)state;
    for (int d = RAFT_DURABLE_ALWAYS; d <= RAFT_DURABLE_NO; d++) {
        struct tcluster *c = tcluster_new(1, 2);

        c->durability = (enum raft_durability)d;
        tcluster_start_all(c);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        tcluster_load(c, 4, 1000);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 1000));
        assert_true(tnode_counts(c, 0).turns_here > 0);
        tcluster_check(c);
        tcluster_free(c);
    }
}

/* From the moment a host has peers its raft thread is for them: it leaves the log to its thread. */
static void a_host_alone_gets_peers(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    struct raft_members m = {.n = 3};

    (void)state;
    c->durability = RAFT_DURABLE_NO;
    c->n_members = c->n_listed = 1;
    tnode_start(c, 0);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).serving));
    tcluster_load(c, 4, 200);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 500));
    assert_true(tnode_counts(c, 0).turns_here > 0);
    tnode_list_peers(c, 0, 3);
    c->n_listed = 3;
    tnode_start(c, 1);
    tnode_start(c, 2);
    assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 0).peer_up >= 2));
    for (uint32_t i = 0; i < 3; i++) {
        m.m[i].id = i + 1;
        m.m[i].flags = RAFT_MEMBER_VOTER;
    }
    tnode_change(c, 0, 0, &m);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).changes_done == 1));
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 1500));
    tcluster_check(c);
    tcluster_free(c);
}

/* Peers may have names instead of addresses. */
static void peers_may_have_names(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        memcpy(c->peers[i].addr.host, "localhost", sizeof "localhost");
    }
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 4, 100);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 100));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tnode_counts(c, i).peer_up >= 2, true);
    }
    tcluster_check(c);
    tcluster_free(c);
}

/* Leadership goes where it is asked to go, under load, and nothing acknowledged is lost; the old
 * leader's lease ends before the new one's begins. */
static void leadership_moves_on_request(void **state)
{
    struct tcluster *c = tcluster_running(3, 1);
    int leader = tcluster_leader(c, 0);

    (void)state;
    tcluster_load(c, 4, 100);
    for (int round = 0; round < 6; round++) {
        int to = (leader + 1) % 3;
        uint64_t term = tnode_view(c, (size_t)leader, 0).term;

        assert_true(
            WAIT_FOR(WAIT_MS, raft_host_lease_valid(tnode_host(c, (size_t)leader), 0, term)));
        tnode_transfer(c, (size_t)leader, 0, (uint64_t)to + 1);
        for (int left = WAIT_MS; tcluster_leader(c, 0) != to && left > 0; left--) {
            /* Both at once never: each call looks at a moment of its own, the new one's first. */
            uint64_t new_term = tnode_view(c, (size_t)to, 0).term;

            if (new_term > term && raft_host_lease_valid(tnode_host(c, (size_t)to), 0, new_term)) {
                assert_false(raft_host_lease_valid(tnode_host(c, (size_t)leader), 0, term));
            }
            tsleep_ms(1);
        }
        assert_int_equal(tcluster_leader(c, 0), to);
        leader = to;
        tcluster_load(c, 4, 100);
    }
    tcluster_check(c);
    tcluster_free(c);
}

/* To somebody who is no member, leadership does not move, and the owner hears of it. */
static void a_transfer_to_nobody_fails(void **state)
{
    struct tcluster *c = tcluster_running(3, 1);
    size_t leader = (size_t)tcluster_leader(c, 0);

    (void)state;
    tnode_transfer(c, leader, 0, 17);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, leader, 0).transfers_failed == 1));
    assert_int_equal(tcluster_leader(c, 0), leader);
    tcluster_free(c);
}

/* Read confirmations come to the leader, and never to a follower. */
static void reads_are_confirmed_on_the_leader_only(void **state)
{
    struct tcluster *c = tcluster_running(3, 1);
    size_t leader = (size_t)tcluster_leader(c, 0), follower = (leader + 1) % 3;

    (void)state;
    tnode_read(c, leader, 0);
    tnode_read(c, follower, 0);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, leader, 0).reads_ok == 1));
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, follower, 0).reads_lost == 1));
    assert_int_equal(tnode_view(c, leader, 0).reads_lost, 0);
    assert_int_equal(tnode_view(c, follower, 0).reads_ok, 0);
    assert_false(
        raft_host_lease_valid(tnode_host(c, follower), 0, tnode_view(c, follower, 0).term));
    tcluster_free(c);
}

/* The thread sanitizer looks at every byte a system call might touch, again and again. */
#ifdef __SANITIZE_THREAD__
#define BIG_BYTES (1u << 20)
#else
#define BIG_BYTES (5u << 20)
#endif

/* Entries far larger than a chunk pass in chunks: no group loses its leader meanwhile, and small
 * entries of another group go on being committed. */
static void big_entries_do_not_disturb_heartbeats(void **state)
{
    struct tcluster *c = tcluster_new(3, 2);
    uint64_t roles[3], small;
    struct tgroup_view v;

    (void)state;
    c->election_timeout_us = 1000000; /* the machine may be busy with other tests */
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tsleep_ms(300);
    for (size_t i = 0; i < 3; i++) {
        roles[i] = tnode_view(c, i, 0).roles + tnode_view(c, i, 1).roles;
    }
    for (size_t i = 0; i < 3; i++) {
        tnode_load(c, i, 0, 3, BIG_BYTES);
        tnode_load(c, i, 1, 1, 50);
    }
    assert_true(WAIT_FOR(3 * WAIT_MS, ({
                             uint64_t big = 0;
                             for (size_t i = 0; i < 3; i++) {
                                 big += tnode_view(c, i, 0).acked;
                             }
                             big >= 15;
                         })));
    small = 0;
    for (size_t i = 0; i < 3; i++) {
        v = tnode_view(c, i, 0);
        assert_int_equal(v.roles + tnode_view(c, i, 1).roles, roles[i]);
        small += tnode_view(c, i, 1).acked;
    }
    assert_true(small > 0);
    tcluster_check(c);
    tcluster_free(c);
}

/* An owner that does not apply is given a bounded amount, and all of it later. Its raft thread goes
 * on acknowledging. */
static void a_slow_owner_is_given_a_window(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    struct raft_group_status s;
    uint64_t applied;
    size_t slow;

    (void)state;
    c->election_timeout_us = 2000000; /* the slow one must not become the leader */
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    slow = ((size_t)tcluster_leader(c, 0) + 1) % 3;
    tnode_hold_applying(c, slow, true);
    tcluster_load(c, 32, 20000);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 1500)); /* 30 MB; the window has 8 */
    applied = tnode_view(c, slow, 0).applied;
    assert_true(
        WAIT_FOR(WAIT_MS, raft_host_group_status(tnode_host(c, slow), 0, &s) == RAFT_HOST_OK &&
                              s.raft.commit > applied + 1000));
    tnode_hold_applying(c, slow, false);
    tcluster_check(c);
    tcluster_free(c);
}

/* Bytes of the layers above arrive whole, whatever their size. */
static void user_data_arrives(void **state)
{
    static const size_t sizes[] = {1, 100, 256 * 1024, 256 * 1024 + 1, 5 << 20};
    struct tcluster *c = tcluster_running(3, 1);
    uint64_t bytes = 0;

    (void)state;
    assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 0).peer_up >= 2));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *p = mem_alloc(sizes[i]);

        memset(p, (int)i + 1, sizes[i]);
        tnode_send(c, 0, 1, p, sizes[i]);
        free(p);
        bytes += sizes[i];
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 1).data_bytes == bytes));
    }
    assert_int_equal(tnode_counts(c, 1).data, ARRAY_LEN(sizes));
    assert_int_equal(tnode_counts(c, 2).data, 0);
    tcluster_free(c);
}

/* A broadcast comes to every other node, small or cut into frames; one that is larger than any
 * message may be is dropped, and counted. */
static void broadcasts_arrive_everywhere(void **state)
{
    static const size_t sizes[] = {1, 256 * 1024, 256 * 1024 + 1, 40 << 20};
    struct tcluster *c = tcluster_new(3, 1);
    struct raft_host_status s;
    uint64_t bytes = 0;
    char *p = mem_zalloc(RAFT_HOST_MESSAGE_MAX + 1);

    (void)state;
    /* A sanitizer takes a second for the sums of the largest; that is no silence that ends
     * connections. */
    c->election_timeout_us = 1000000;
    tcluster_start_all(c);
    assert_true(
        WAIT_FOR(WAIT_MS, (raft_host_get_status(tnode_host(c, 0), &s),
                           s.n_peers == 2 && s.peers[0].connected && s.peers[1].connected)));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        tnode_send(c, 0, TNODE_ALL, p, sizes[i]);
        bytes += sizes[i];
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 1).data_bytes == bytes));
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 2).data_bytes == bytes));
    }
    assert_int_equal(tnode_counts(c, 0).data, 0);
    raft_host_get_status(tnode_host(c, 0), &s);
    assert_int_equal(s.peers[0].messages_dropped + s.peers[1].messages_dropped, 0);
    tnode_send(c, 0, TNODE_ALL, p, RAFT_HOST_MESSAGE_MAX + 1);
    assert_true(
        WAIT_FOR(WAIT_MS, (raft_host_get_status(tnode_host(c, 0), &s),
                           s.peers[0].messages_dropped == 1 && s.peers[1].messages_dropped == 1)));
    free(p);
    tcluster_free(c);
}

/* A fourth node is taken in as learner, then as voter; then the first voter leaves. */
static void membership_changes_under_load(void **state)
{
    struct tcluster *c = tcluster_new(4, 1);
    struct raft_members m = {.n = 4};
    size_t leader;

    (void)state;
    c->n_members = 3;
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 4, 200);
    for (size_t i = 0; i < 4; i++) {
        m.m[i].id = i + 1;
        m.m[i].flags = i == 3 ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER;
    }
    leader = (size_t)tcluster_leader(c, 0);
    tnode_change(c, leader, 0, &m);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, leader, 0).changes_done == 1));
    m.m[3].flags = RAFT_MEMBER_VOTER;
    tnode_change(c, leader, 0, &m);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, leader, 0).changes_done == 2));
    assert_true(
        WAIT_FOR(WAIT_MS, tnode_view(c, 3, 0).applied + 1000 > tnode_view(c, leader, 0).applied));
    assert_int_equal(tnode_view(c, leader, 0).changes_failed, 0);
    tcluster_check(c);
    /* A snapshot taken now carries four members: a restart from it must know them. */
    for (size_t i = 0; i < 4; i++) {
        tnode_snapshot(c, i, 0);
        assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, i, 0).published == 1));
        tnode_stop(c, i);
    }
    for (size_t i = 0; i < 4; i++) {
        struct raft_group_status s;

        tnode_start(c, i);
        assert_true(
            WAIT_FOR(WAIT_MS, raft_host_group_status(tnode_host(c, i), 0, &s) == RAFT_HOST_OK));
        assert_int_equal(s.raft.members.n, 4);
        assert_int_equal(s.raft.members.m[3].flags, RAFT_MEMBER_VOTER);
    }
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_check(c);
    tcluster_free(c);
}

/* Connections, log and roles show in the status. */
static void status_tells_what_is(void **state)
{
    struct tcluster *c = tcluster_running(3, 2);
    struct raft_host_status s;
    struct raft_group_status g;

    (void)state;
    tcluster_load(c, 4, 100);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 100));
    assert_true(WAIT_FOR(
        WAIT_MS, ({
            raft_host_get_status(tnode_host(c, 0), &s);
            s.n_peers == 2 &&
                s.peers[0].connected &&s.peers[1].connected &&s.peers[0].bytes_sent > 0 &&
                s.peers[1].bytes_received > 0 && s.wal.syncs > 0 && s.last_sync_wall_ms > 0;
        })));
    assert_false(s.disk_full);
    assert_true(WAIT_FOR(WAIT_MS, raft_host_group_status(tnode_host(c, 0), 1, &g) == RAFT_HOST_OK &&
                                      g.raft.leader != 0 && g.raft.commit > 1 &&
                                      g.log_span_bytes > 0));
    assert_int_equal(g.group, 1);
    assert_int_equal(raft_host_group_status(tnode_host(c, 0), 2, &g), RAFT_HOST_ERR_NO_GROUP);
    tcluster_free(c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(three_hosts_commit_entries),
    cmocka_unit_test(one_host_is_a_cluster),
    cmocka_unit_test(a_host_alone_gets_peers),
    cmocka_unit_test(peers_may_have_names),
    cmocka_unit_test(leadership_moves_on_request),
    cmocka_unit_test(a_transfer_to_nobody_fails),
    cmocka_unit_test(reads_are_confirmed_on_the_leader_only),
    cmocka_unit_test(big_entries_do_not_disturb_heartbeats),
    cmocka_unit_test(a_slow_owner_is_given_a_window),
    cmocka_unit_test(user_data_arrives),
    cmocka_unit_test(broadcasts_arrive_everywhere),
    cmocka_unit_test(membership_changes_under_load),
    cmocka_unit_test(status_tells_what_is),
};

/* With an argument: only the tests whose names match this pattern. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
