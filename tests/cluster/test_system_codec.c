/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_system_codec.c - the system group's state and messages survive their encoding,
 * and bytes that are none are refused. */
#include "tests/test.h"

#include "base/rand.h"
#include "node/system_codec.h"

#define CLUSTER_ID "0123456789abcdef0123456789abcdef01234567"

/* In place: structs are compared as bytes, and a copy's padding is anything. */
static void fill(struct cluster_node *n, uint64_t number)
{
    memset(n, 0, sizeof *n);
    n->number = number;
    snprintf(n->id, sizeof n->id, "%040llx", (unsigned long long)number);
    snprintf(n->client.host, sizeof n->client.host, "host-%u.example", (unsigned)number);
    n->client.port = 7001;
    snprintf(n->peer.host, sizeof n->peer.host, "%s", n->client.host);
    n->peer.port = 17001;
    snprintf(n->zone, sizeof n->zone, "zone-%u", (unsigned)number % 3);
}

static void a_state_survives(void **state)
{
    static struct cluster_state s, back;
    struct cluster_node nodes[5];
    struct buf bytes;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        fill(&nodes[i], i + 1);
    }
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 5, 3), CLUSTER_OK);
    s.groups[0].preferred_leader = 2;
    s.slot_group[0] = CLUSTER_NO_GROUP; /* runs that do not begin at 0, and a hole */
    s.slot_group[100] = CLUSTER_NO_GROUP;
    s.epoch = 77;
    buf_init(&bytes);
    system_codec_state(&s, &bytes);
    assert_int_equal(system_codec_read_state(buf_head(&bytes), bytes.len, &back), 0);
    assert_memory_equal(&s, &back, sizeof s);
    buf_release(&bytes);
}

static void messages_survive(void **state)
{
    static struct system_message m;
    static struct formation_hello hello = {
        .list_digest = 0xfeedbeefcafe, .slots_enabled = true, .data_groups = 7};
    static struct formation_plan plan = {.cluster_id = CLUSTER_ID,
                                         .list_digest = 9,
                                         .slots_enabled = true,
                                         .data_groups = 64,
                                         .n_nodes = 2};
    static struct cluster_command command = {.type = CLUSTER_CMD_UPDATE_NODE};
    static const struct system_transfer transfer = {.group = 1, .to = 3, .if_caught_up = true};
    struct buf bytes;

    (void)state;
    fill(&hello.node, 3);
    fill(&command.node, 2);
    hello.node.number = 0; /* an unformed node has none */
    fill(&plan.nodes[0], 1);
    fill(&plan.nodes[1], 2);
    buf_init(&bytes);
    system_codec_envelope_hello(&hello, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.type, SYSTEM_MESSAGE_HELLO);
    assert_memory_equal(&m.hello, &hello, sizeof hello);

    buf_clear(&bytes);
    system_codec_envelope_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.type, SYSTEM_MESSAGE_PLAN);
    assert_memory_equal(&m.plan, &plan, sizeof plan);

    buf_clear(&bytes);
    system_codec_envelope_propose(&command, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.type, SYSTEM_MESSAGE_PROPOSE);
    assert_memory_equal(&m.propose, &command, sizeof command);

    buf_clear(&bytes);
    system_codec_envelope_transfer(&transfer, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.type, SYSTEM_MESSAGE_TRANSFER);
    assert_int_equal(m.transfer.group, 1);
    assert_int_equal(m.transfer.to, 3);
    assert_true(m.transfer.if_caught_up);
    buf_release(&bytes);
}

/* Whatever comes over the wire is read or refused; seeded, so a failure comes again. */
static void damaged_bytes_are_read_or_refused(void **state)
{
    static struct formation_plan plan = {
        .cluster_id = CLUSTER_ID, .list_digest = 9, .slots_enabled = true, .n_nodes = 3};
    static struct system_message m;
    static struct cluster_state s;
    struct buf bytes;
    struct rng rng;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill(&plan.nodes[i], i + 1);
    }
    buf_init(&bytes);
    system_codec_envelope_plan(&plan, &bytes);
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        char *copy = malloc(bytes.len);
        size_t n = 1 + rng_below(&rng, bytes.len);
        int rc;

        assert_non_null(copy);
        memcpy(copy, buf_head(&bytes), bytes.len);
        copy[rng_below(&rng, n)] ^= (char)(1u << rng_below(&rng, 8));
        rc = system_codec_read_envelope(copy, n, &m);
        assert_true(rc == 0 || rc == -1);
        rc = system_codec_read_state(copy, n, &s);
        assert_true(rc == 0 || rc == -1);
        free(copy);
    }
    buf_release(&bytes);
}

static void values_out_of_range_are_refused(void **state)
{
    static struct formation_plan plan = {
        .cluster_id = CLUSTER_ID, .list_digest = 9, .slots_enabled = true, .n_nodes = 2};
    static struct formation_plan back;
    struct buf bytes;

    (void)state;
    buf_init(&bytes);
    fill(&plan.nodes[0], 2);
    fill(&plan.nodes[1], 1); /* not ascending */
    system_codec_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_plan(buf_head(&bytes), bytes.len, &back), -1);

    buf_clear(&bytes);
    fill(&plan.nodes[0], 1);
    fill(&plan.nodes[1], 2);
    plan.nodes[1].peer.port = 0;
    system_codec_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_plan(buf_head(&bytes), bytes.len, &back), -1);

    buf_clear(&bytes);
    fill(&plan.nodes[1], 2);
    plan.data_groups = 65;
    system_codec_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_plan(buf_head(&bytes), bytes.len, &back), -1);

    buf_clear(&bytes);
    plan.data_groups = 0; /* as written before there could be several */
    system_codec_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_plan(buf_head(&bytes), bytes.len, &back), 0);
    assert_int_equal(back.data_groups, 1);

    buf_clear(&bytes);
    plan.cluster_id[3] = 'X';
    system_codec_plan(&plan, &bytes);
    assert_int_equal(system_codec_read_plan(buf_head(&bytes), bytes.len, &back), -1);
    buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_survives),
        cmocka_unit_test(messages_survive),
        cmocka_unit_test(damaged_bytes_are_read_or_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
