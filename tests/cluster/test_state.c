/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_state.c - the system group's state machine. */
#include "tests/test.h"

#include "cluster/state.h"

#define CLUSTER_ID "0123456789abcdef0123456789abcdef01234567"

static struct cluster_node node(uint64_t number, const char *zone)
{
    struct cluster_node n = {.number = number};

    snprintf(n.id, sizeof n.id, "%040llx", (unsigned long long)number);
    snprintf(n.client.host, sizeof n.client.host, "10.0.0.%u", (unsigned)number);
    n.client.port = 7001;
    n.peer = n.client;
    n.peer.port = 17001;
    snprintf(n.zone, sizeof n.zone, "%s", zone);
    return n;
}

static struct cluster_state *genesis_with(size_t n_nodes, uint32_t n_groups)
{
    static struct cluster_state s;
    struct cluster_node nodes[CLUSTER_NODES_MAX];

    for (size_t i = 0; i < n_nodes; i++) {
        nodes[i] = node(i + 1, "");
    }
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, n_nodes, n_groups),
                     CLUSTER_OK);
    return &s;
}

static struct cluster_state *genesis(size_t n_nodes) { return genesis_with(n_nodes, 1); }

static void a_cluster_begins_with_every_slot_in_one_group(void **state)
{
    struct cluster_state *s = genesis(3);

    (void)state;
    assert_int_equal(s->n_nodes, 3);
    assert_int_equal(s->n_groups, 1);
    assert_int_equal(s->next_node, 4);
    for (size_t slot = 0; slot < CLUSTER_SLOTS; slot++) {
        assert_int_equal(s->slot_group[slot], 1);
    }
    assert_non_null(cluster_state_node(s, 2));
    assert_null(cluster_state_node(s, 4));
    assert_ptr_equal(cluster_state_node_by_id(s, s->nodes[1].id), &s->nodes[1]);
    assert_null(cluster_state_group(s, 2));
    /* One group alone prefers nobody: whoever is elected goes on leading. */
    assert_int_equal(cluster_state_group(s, 1)->preferred_leader, 0);
}

/* Runs without holes that differ by at most one slot; the nodes in turn, so that all of them lead.
 */
static void several_groups_share_the_slots_and_the_nodes(void **state)
{
    static const struct {
        uint32_t nodes, groups;
    } cases[] = {{3, 2}, {3, 3}, {3, 7}, {5, 3}, {1, 64}, {64, 64}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cluster_state *s = genesis_with(cases[i].nodes, cases[i].groups);
        unsigned low = CLUSTER_SLOTS / cases[i].groups;
        unsigned slots[CLUSTER_DATA_GROUPS_MAX + 1] = {0};

        print_message("case: %u nodes, %u groups\n", cases[i].nodes, cases[i].groups);
        assert_int_equal(s->n_groups, cases[i].groups);
        assert_int_equal(s->slot_group[0], 1);
        slots[1] = 1;
        for (size_t slot = 1; slot < CLUSTER_SLOTS; slot++) {
            assert_in_range(s->slot_group[slot], s->slot_group[slot - 1],
                            s->slot_group[slot - 1] + 1);
            slots[s->slot_group[slot]]++;
        }
        for (uint32_t g = 1; g <= cases[i].groups; g++) {
            assert_in_range(slots[g], low, low + 1);
            assert_int_equal(cluster_state_group(s, g)->preferred_leader,
                             (g - 1) % cases[i].nodes + 1);
            assert_int_equal(s->slot_group[cluster_state_first_slot(s, g)], g);
        }
        assert_int_equal(cluster_state_first_slot(s, cases[i].groups + 1), CLUSTER_SLOTS);
    }
}

static void a_beginning_that_makes_no_sense_is_refused(void **state)
{
    struct cluster_node nodes[2] = {node(2, ""), node(2, "")};
    static struct cluster_state s;

    (void)state;
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 0, 1), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 2, 1), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_genesis(&s, "short", true, nodes, 1, 1), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 1, 0), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 1, 65),
                     CLUSTER_ERR_INVALID);
}

/* A command that is refused is refused on every node alike, and changes nothing anywhere. */
static void a_refused_command_changes_nothing(void **state)
{
    struct cluster_state *s = genesis(3);
    struct cluster_state before = *s;
    struct cluster_command stranger = {.type = CLUSTER_CMD_UPDATE_NODE, .node = node(9, "")};
    struct cluster_command other_id = {.type = CLUSTER_CMD_UPDATE_NODE, .node = node(2, "x")};
    struct cluster_command no_group = {.type = CLUSTER_CMD_PREFER_LEADER, .group = 7, .number = 1};
    struct cluster_command no_node = {.type = CLUSTER_CMD_PREFER_LEADER, .group = 1, .number = 7};

    (void)state;
    other_id.node.id[0] = 'f';
    assert_int_equal(cluster_state_apply(s, &stranger), CLUSTER_ERR_UNKNOWN_NODE);
    assert_int_equal(cluster_state_apply(s, &other_id), CLUSTER_ERR_UNKNOWN_NODE);
    assert_int_equal(cluster_state_apply(s, &no_group), CLUSTER_ERR_UNKNOWN_GROUP);
    assert_int_equal(cluster_state_apply(s, &no_node), CLUSTER_ERR_UNKNOWN_NODE);
    assert_memory_equal(s, &before, sizeof before);
}

static void a_node_can_move_and_a_group_can_prefer_a_leader(void **state)
{
    struct cluster_state *s = genesis(3);
    struct cluster_command move = {.type = CLUSTER_CMD_UPDATE_NODE, .node = node(2, "zone-b")};
    struct cluster_command prefer = {.type = CLUSTER_CMD_PREFER_LEADER, .group = 1, .number = 3};

    (void)state;
    move.node.client.port = 9999;
    assert_int_equal(cluster_state_apply(s, &move), CLUSTER_OK);
    assert_int_equal(cluster_state_node(s, 2)->client.port, 9999);
    assert_string_equal(cluster_state_node(s, 2)->zone, "zone-b");
    assert_int_equal(cluster_state_apply(s, &prefer), CLUSTER_OK);
    assert_int_equal(cluster_state_group(s, 1)->preferred_leader, 3);
}

/* Zones take turns, so that losing one of three zones never takes a majority along. */
static int set_level(struct cluster_state *s, uint64_t number, uint32_t level)
{
    struct cluster_command c = {.type = CLUSTER_CMD_UPDATE_NODE, .node = node(number, "")};

    c.node.feature_level = level;
    return cluster_state_apply(s, &c);
}

static int raise_to(struct cluster_state *s, uint32_t level)
{
    struct cluster_command c = {.type = CLUSTER_CMD_RAISE_LEVEL, .level = level};

    return cluster_state_apply(s, &c);
}

/* Nodes are replaced by newer ones one at a time; what the old ones could not read in the log is
 * refused until the last is new, and not taken back. */
static void what_old_nodes_cannot_read_waits_until_all_are_new(void **state)
{
    struct cluster_state *s = genesis(3); /* of nodes that do not say their level: 1 */
    char text[CLUSTER_LEVEL_TEXT_MAX];

    (void)state;
    assert_int_equal(s->feature_level, 1);
    assert_false(cluster_lacks_level(s, 1, text));
    assert_true(cluster_lacks_level(s, 2, text));
    assert_non_null(
        strstr(text, "ERR this needs all nodes of the cluster at feature level 2; node"));
    assert_non_null(strstr(text, s->nodes[0].id));
    assert_non_null(strstr(text, "is at 1"));

    assert_int_equal(set_level(s, 1, 2), CLUSTER_OK);
    assert_int_equal(set_level(s, 3, 3), CLUSTER_OK);
    assert_int_equal(cluster_level_to_raise(s), 0);
    assert_int_equal(raise_to(s, 2), CLUSTER_ERR_INVALID);
    assert_true(cluster_lacks_level(s, 2, text));
    assert_non_null(strstr(text, s->nodes[1].id));
    /* Nothing was written yet that keeps a node from going back. */
    assert_int_equal(set_level(s, 1, 1), CLUSTER_OK);
    assert_int_equal(set_level(s, 1, 2), CLUSTER_OK);

    assert_int_equal(set_level(s, 2, 2), CLUSTER_OK);
    assert_int_equal(cluster_level_to_raise(s), 2);
    assert_true(cluster_lacks_level(s, 2, text));
    assert_int_equal(strncmp(text, "TRYAGAIN ", 9), 0);
    assert_int_equal(raise_to(s, 3), CLUSTER_ERR_INVALID);
    assert_int_equal(raise_to(s, 2), CLUSTER_OK);
    assert_int_equal(s->feature_level, 2);
    assert_false(cluster_lacks_level(s, 2, text));
    assert_true(cluster_lacks_level(s, 3, text));
    assert_int_equal(raise_to(s, 2), CLUSTER_ERR_REPEATED);
    assert_int_equal(cluster_level_to_raise(s), 0);
    /* No way back. */
    assert_int_equal(set_level(s, 1, 1), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_node(s, 1)->feature_level, 2);
}

/* A cluster that is formed of nodes of several versions is as old as the oldest. */
static void a_cluster_begins_at_the_level_of_its_oldest_node(void **state)
{
    struct cluster_node nodes[3] = {node(1, ""), node(2, ""), node(3, "")};
    struct cluster_state s;

    (void)state;
    nodes[0].feature_level = 3;
    nodes[1].feature_level = 2;
    nodes[2].feature_level = 4;
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 3, 1), CLUSTER_OK);
    assert_int_equal(s.feature_level, 2);
    assert_int_equal(cluster_level_to_raise(&s), 0);
}

static void voters_are_spread_over_zones(void **state)
{
    static const struct {
        const char *zones; /* one letter per node */
        size_t max, first;
        const char *want; /* numbers of the voters */
    } cases[] = {
        {"aaa", 5, 0, "123"},
        {"aabbc", 3, 0, "135"},
        {"aaabbb", 5, 0, "12345"},
        {"aaaab", 3, 0, "125"},
        {"abcabc", 5, 0, "12345"},
        {"aaaaaab", 5, 0, "12347"},
        /* A group that begins elsewhere has that node, and still all zones. */
        {"aabbc", 3, 1, "235"},
        {"aaaaaa", 3, 4, "156"},
        {"abcabc", 3, 5, "126"},
        {"aaab", 5, 3, "1234"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cluster_node nodes[8];
        uint64_t voters[8];
        size_t n_nodes = strlen(cases[i].zones), n;

        print_message("case: %s, at most %zu\n", cases[i].zones, cases[i].max);
        for (size_t j = 0; j < n_nodes; j++) {
            char zone[2] = {cases[i].zones[j], '\0'};

            nodes[j] = node(j + 1, zone);
        }
        n = cluster_choose_voters(nodes, n_nodes, cases[i].max, cases[i].first, voters);
        assert_int_equal(n, strlen(cases[i].want));
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(voters[j], cases[i].want[j] - '0');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_begins_with_every_slot_in_one_group),
        cmocka_unit_test(several_groups_share_the_slots_and_the_nodes),
        cmocka_unit_test(a_beginning_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_refused_command_changes_nothing),
        cmocka_unit_test(a_node_can_move_and_a_group_can_prefer_a_leader),
        cmocka_unit_test(what_old_nodes_cannot_read_waits_until_all_are_new),
        cmocka_unit_test(a_cluster_begins_at_the_level_of_its_oldest_node),
        cmocka_unit_test(voters_are_spread_over_zones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
