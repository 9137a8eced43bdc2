/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_status.c - sentinel/status*.c, fed with what nodes say. */
#include "tests/test.h"

#include "base/mem.h"
#include "sentinel/status.h"

#define ID_1 "1111111111111111111111111111111111111111"
#define ID_2 "2222222222222222222222222222222222222222"
#define ID_3 "3333333333333333333333333333333333333333"
#define NODES                                                                                      \
    ID_1 " 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-16383\n" ID_2                    \
         " 127.0.0.1:7002@17002 slave " ID_1 " 0 5 1 connected\n" ID_3                             \
         " [::1]:7003@17003 slave,fail? " ID_1 " 0 5 1 disconnected\n"
#define SELF(n, id)                                                                                \
    "holdfast_version:0.1.0\r\nraft_node:" n "\r\nraft_node_id:" id                                \
    "\r\nraft_cluster_id:cccc\r\nraft_formed:1\r\nredis_mode:cluster\r\n"
#define LEADER                                                                                     \
    SELF("1", ID_1)                                                                                \
    "group1:role=leader,state=serving,term=3,leader=1,commit=9,applied=9,lease_ms=200,voters="     \
    "3\r\n"                                                                                        \
    "group1_follower0:node=2,ip=127.0.0.1,port=7002,state=online,lag=0,heard_ms=5\r\n"             \
    "group1_follower1:node=3,ip=::1,port=7003,state=down,lag=7,heard_ms=9000\r\n"                  \
    "db0:keys=5,expires=0,avg_ttl=0\r\ndb3:keys=2,expires=0,avg_ttl=0\r\n"
#define FOLLOWER(n, id, more)                                                                      \
    SELF(n, id)                                                                                    \
    "group1:role=follower,state=following,term=3,leader=1,commit=9,applied=9,voters=3" more "\r\n" \
    "master_host:127.0.0.1\r\nmaster_port:7001\r\n"

static void learn(struct status *s, const char *addr, const char *info, const char *nodes)
{
    struct net_addr a;
    struct status_node *n;

    assert_int_equal(net_addr_parse(addr, strlen(addr), &a), 0);
    n = status_add(s, &a);
    assert_non_null(n);
    n->asked = true;
    if (info != NULL) {
        status_learn(s, n, mem_strdup(info), nodes);
    } else {
        strcpy(n->why, "Connection refused");
    }
}

/* What status_check() says; the caller's. */
static char *problems(const struct status *s, size_t *n)
{
    struct buf b = {0};

    *n = status_check(s, &b);
    buf_append(&b, "", 1);
    return b.data;
}

static void a_leader_names_all_other_nodes(void **state)
{
    struct status s = {0};

    (void)state;
    learn(&s, "127.0.0.1:7001", LEADER, NULL);
    status_settle(&s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.nodes[1].number, 2);
    assert_int_equal(s.nodes[1].addr.port, 7002);
    assert_false(s.nodes[1].asked);
    assert_string_equal(s.nodes[2].addr.host, "::1");
    status_release(&s);
}

/* In plain mode a follower names its leader only, who names the rest. */
static void a_follower_names_its_leader(void **state)
{
    struct status s = {0};

    (void)state;
    learn(&s, "127.0.0.1:7002", FOLLOWER("2", ID_2, ""), NULL);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.nodes[1].addr.port, 7001);
    assert_false(s.nodes[1].asked);
    status_release(&s);
}

static void cluster_nodes_names_all(void **state)
{
    struct status s = {0};

    (void)state;
    learn(&s, "127.0.0.1:7002",
          FOLLOWER("2", ID_2, "") "peer0:node=1,ip=127.0.0.1,port=17001,connected=1\r\n"
                                  "peer1:node=3,ip=::1,port=17003,connected=0\r\n",
          NODES "garbage\n :7001@0 myself\n\n");
    status_settle(&s);
    assert_int_equal(s.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(s.nodes[i].number, i + 1);
    }
    assert_string_equal(s.nodes[2].id, ID_3);
    status_release(&s);
}

/* "localhost" and "127.0.0.1" are one node. */
static void a_node_under_two_addresses_is_shown_once(void **state)
{
    struct status s = {0};

    (void)state;
    learn(&s, "localhost:7001", LEADER, NODES);
    learn(&s, "127.0.0.1:7001", LEADER, NODES);
    status_settle(&s);
    assert_int_equal(s.n, 3);
    status_release(&s);
}

static void the_highest_term_leads(void **state)
{
    struct status s = {0};
    size_t n;
    char *text;

    (void)state;
    learn(&s, "127.0.0.1:7001", LEADER, NODES);
    learn(&s, "127.0.0.1:7002",
          SELF("2", ID_2) "group1:role=leader,state=serving,term=4,leader=2,voters=3\r\n", NULL);
    learn(&s, "[::1]:7003", FOLLOWER("3", ID_3, ""), NULL);
    status_settle(&s);
    assert_int_equal(status_leader(&s, 1)->number, 2);
    assert_null(status_leader(&s, 0));
    text = problems(&s, &n);
    assert_non_null(strstr(text, "node 1 (127.0.0.1:7001) still takes itself for the leader"));
    free(text);
    status_release(&s);
}

static void what_is_wrong_has_a_line(void **state)
{
    static const struct {
        const char *name;
        const char *second; /* INFO of node 2; NULL: down */
        const char *want;   /* NULL: nothing is wrong */
    } cases[] = {
        {"nothing", FOLLOWER("2", ID_2, ""), NULL},
        {"down", NULL, "node 2 (127.0.0.1:7002) does not answer: Connection refused"},
        {"last majority", NULL, "group 1 (data) works with 2 of 3 replicas"},
        {"disk full", FOLLOWER("2", ID_2, "") "log_full:1\r\n", "the disk of its log is full"},
        {"slow disk", FOLLOWER("2", ID_2, "") "log_sync_usec_last:900000\r\n", "took 900 ms"},
        {"fast disk", FOLLOWER("2", ID_2, "") "log_sync_usec_last:90000\r\n", NULL},
        {"snapshot failed", FOLLOWER("2", ID_2, "") "rdb_last_bgsave_status:err\r\n",
         "its last snapshot failed"},
        {"suspect", FOLLOWER("2", ID_2, ",tail_suspect=1"), "lost the end of its log"},
        {"not suspect", FOLLOWER("2", ID_2, ",tail_suspect=0"), NULL},
        {"loading",
         SELF("2", ID_2) "group1:role=follower,state=loading,term=3,leader=1,voters=3\r\n",
         "is loading its data"},
        {"no leader known",
         SELF("2", ID_2) "group1:role=follower,state=following,term=3,leader=0,voters=3\r\n",
         "knows no leader, although node 1 leads"},
        {"not formed",
         "raft_node:0\r\nraft_node_id:" ID_2
         "\r\nraft_formed:0\r\nraft_waiting_for:10.0.0.3:17001\r\n",
         "node 2 (127.0.0.1:7002) came with an empty data directory: it is outside the cluster"},
        {"other cluster",
         "raft_node:2\r\nraft_node_id:" ID_2 "\r\nraft_formed:1\r\nraft_cluster_id:dddd\r\n",
         "of different clusters, cccc and dddd"},
    };
    static const char leader[] =
        SELF("1", ID_1) "group1:role=leader,state=serving,term=3,leader=1,voters=3\r\n"
                        "group1_follower0:node=2,ip=127.0.0.1,port=7002,state=online,lag=0\r\n"
                        "group1_follower1:node=3,ip=::1,port=7003,state=online,lag=0\r\n";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct status s = {0};
        size_t n;
        char *text;

        print_message("case: %s\n", cases[i].name);
        learn(&s, "127.0.0.1:7001", leader, NULL);
        learn(&s, "127.0.0.1:7002", cases[i].second, NULL);
        learn(&s, "[::1]:7003", FOLLOWER("3", ID_3, ""), NULL);
        status_settle(&s);
        text = problems(&s, &n);
        if (cases[i].want == NULL) {
            assert_string_equal(text, "");
            assert_int_equal(n, 0);
        } else {
            assert_true(n > 0);
            assert_non_null(strstr(text, cases[i].want));
        }
        free(text);
        status_release(&s);
    }
}

static void nodes_that_wait_for_each_other_say_for_whom(void **state)
{
    struct status s = {0};
    size_t n;
    char *text;

    (void)state;
    learn(&s, "127.0.0.1:7001",
          "raft_node:0\r\nraft_node_id:" ID_1 "\r\nraft_formed:0\r\n"
          "raft_waiting_for:10.0.0.3:17001\r\n",
          NULL);
    text = problems(&s, &n);
    assert_string_equal(text,
                        "node 127.0.0.1:7001 belongs to no cluster; it waits for 10.0.0.3:17001\n");
    assert_int_equal(n, 1);
    free(text);
    status_release(&s);
}

static void followers_that_lag_have_a_line(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"state=online,lag=0,heard_ms=10", NULL},
        {"state=online,lag=5000,heard_ms=10", NULL},
        {"state=online,lag=500000,heard_ms=10", "node 2 is 500000 entries behind"},
        {"state=snapshot,lag=500000,heard_ms=10", "node 2 is being sent a snapshot"},
        {"state=down,lag=0,heard_ms=900", "does not hear of it"},
        {"state=online,lag=0,heard_ms=60000", "does not hear of it"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct status s = {0};
        char info[1024];
        size_t n;
        char *text;

        snprintf(info, sizeof info,
                 SELF("1", ID_1) "group1:role=leader,state=serving,term=3,leader=1,voters=2\r\n"
                                 "group1_follower0:node=2,ip=127.0.0.1,port=7002,%s\r\n",
                 cases[i].line);
        print_message("case: %s\n", cases[i].line);
        learn(&s, "127.0.0.1:7001", info, NULL);
        learn(&s, "127.0.0.1:7002", FOLLOWER("2", ID_2, ""), NULL);
        learn(&s, "[::1]:7003", FOLLOWER("3", ID_3, ""), NULL);
        text = problems(&s, &n);
        if (cases[i].want == NULL) {
            assert_string_equal(text, "");
        } else {
            assert_non_null(strstr(text, cases[i].want));
        }
        free(text);
        status_release(&s);
    }
}

static void a_lost_majority_is_told_from_an_election(void **state)
{
    static const char info[] =
        SELF("1", ID_1) "group1:role=follower,state=following,term=3,leader=0,voters=3\r\n";
    struct status s = {0};
    size_t n;
    char *text;

    (void)state;
    learn(&s, "127.0.0.1:7001", info, NULL);
    learn(&s, "127.0.0.1:7002", NULL, NULL);
    text = problems(&s, &n);
    assert_non_null(strstr(text, "group 1 (data) has no majority: 1 of its 3 replicas answer"));
    free(text);
    learn(&s, "127.0.0.1:7002",
          SELF("2", ID_2) "group1:role=candidate,state=following,term=3,leader=0,voters=3\r\n",
          NULL);
    text = problems(&s, &n);
    assert_non_null(strstr(text, "group 1 (data) has no leader: an election"));
    free(text);
    status_release(&s);
}

static bool shows(const struct buf *out, const char *text)
{
    return memmem(buf_head(out), out->len, text, strlen(text)) != NULL;
}

static void tables_and_json_show_what_is_there(void **state)
{
    struct status s = {0};
    struct buf out = {0};

    (void)state;
    learn(&s, "127.0.0.1:7001", LEADER, NODES);
    learn(&s, "127.0.0.1:7002", FOLLOWER("2", ID_2, ""), NULL);
    learn(&s, "[::1]:7003", NULL, NULL);
    status_settle(&s);
    status_print(&s, &out);
    assert_true(shows(&out, "Cluster cccc, 3 nodes, cluster mode"));
    assert_true(shows(&out, "Group 1 (data): leader node 1, term 3, commit 9, lease 200 ms left"));
    assert_true(shows(&out, "1     11111111  127.0.0.1:7001  up     -     leader    0.1.0    -"));
    assert_true(shows(&out, "[::1]:7003      DOWN"));
    assert_true(shows(&out, " 7 ")); /* keys of both databases */
    buf_clear(&out);
    status_print_json(&s, &out);
    assert_true(shows(&out, "{\"problems\":[\"node 3 ([::1]:7003) does not answer"));
    assert_true(shows(&out, "\"group1\":{\"role\":\"leader\",\"state\":\"serving\",\"term\":3,"));
    assert_true(shows(&out, "\"raft_node_id\":\"" ID_1 "\""));
    assert_true(shows(&out, "\"why\":\"Connection refused\"}]}\n"));
    buf_release(&out);
    status_release(&s);
}

/* With several data groups a node's role says which it leads, and a group's title when that is not
 * the node it prefers. */
static void several_groups_show_who_leads_what(void **state)
{
    struct status s = {0};
    struct buf out = {0};

    (void)state;
    learn(
        &s, "127.0.0.1:7001",
        SELF("1", ID_1) "group1:role=leader,state=serving,term=3,leader=1,voters=3,preferred=1\r\n"
                        "group2:role=follower,state=following,term=3,leader=2,voters=3\r\n"
                        "group3:role=leader,state=serving,term=5,leader=1,voters=3,preferred=3\r\n",
        NULL);
    learn(
        &s, "127.0.0.1:7002",
        SELF("2", ID_2) "group1:role=follower,state=following,term=3,leader=1,voters=3\r\n"
                        "group2:role=leader,state=serving,term=3,leader=2,voters=3,preferred=0\r\n"
                        "group3:role=follower,state=following,term=5,leader=1,voters=3\r\n",
        NULL);
    learn(&s, "127.0.0.1:7003",
          SELF("3", ID_3) "group1:role=follower,state=following,term=3,leader=1,voters=3\r\n"
                          "group64:role=follower,state=following,term=3,leader=1,voters=3\r\n",
          NULL);
    status_settle(&s);
    status_print(&s, &out);
    assert_true(shows(&out, " leads 1,3 "));
    assert_true(shows(&out, " leads 2 "));
    assert_true(shows(&out, "127.0.0.1:7003  up     -     follower "));
    assert_true(shows(&out, "Group 1 (data): leader node 1, term 3, commit 0, lease 0 ms left\n"));
    assert_true(shows(&out, "lease 0 ms left; node 3 is preferred\n"));
    assert_false(shows(&out, "node 0 is preferred"));
    assert_true(shows(&out, "Group 64 (data): no leader"));
    buf_release(&out);
    status_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_names_all_other_nodes),
        cmocka_unit_test(a_follower_names_its_leader),
        cmocka_unit_test(cluster_nodes_names_all),
        cmocka_unit_test(a_node_under_two_addresses_is_shown_once),
        cmocka_unit_test(the_highest_term_leads),
        cmocka_unit_test(what_is_wrong_has_a_line),
        cmocka_unit_test(nodes_that_wait_for_each_other_say_for_whom),
        cmocka_unit_test(followers_that_lag_have_a_line),
        cmocka_unit_test(a_lost_majority_is_told_from_an_election),
        cmocka_unit_test(tables_and_json_show_what_is_there),
        cmocka_unit_test(several_groups_show_who_leads_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
