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
    n->feature_level = (uint32_t)number + 1;
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

/* A state of before there were users and functions is one without them; and what has none is
 * written so that it reads the same. */
static void maps_and_outcomes_survive(void **state)
{
    static struct cluster_state s, back;
    static struct cluster_node nodes[3];
    struct cluster_texts *users = &s.maps[CLUSTER_MAP_USERS - 1];
    struct cluster_texts *functions = &s.maps[CLUSTER_MAP_FUNCTIONS - 1];
    struct buf bytes;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill(&nodes[i], i + 1);
    }
    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 3, 1), CLUSTER_OK);
    assert_true(cluster_texts_put(users, "bob", 3, "", 0));
    assert_true(cluster_texts_put(users, "alice", 5, "on ~\0\xff", 6));
    assert_true(cluster_texts_put(functions, "lib", 3, "#!lua name=lib\n", 15));
    users->revision = 7;
    functions->revision = 1;
    s.outcomes[0] = (struct cluster_outcome){2, 1234567890123, CLUSTER_ERR_CONFLICT};
    s.outcomes[1] = (struct cluster_outcome){1, 5, CLUSTER_OK};
    s.n_outcomes = 2;
    buf_init(&bytes);
    system_codec_state(&s, &bytes);
    assert_int_equal(system_codec_read_state(buf_head(&bytes), bytes.len, &back), 0);
    for (size_t i = 0; i < CLUSTER_MAPS; i++) {
        const struct cluster_texts *a = &s.maps[i], *b = &back.maps[i];

        assert_int_equal(a->revision, b->revision);
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->bytes, b->bytes);
        for (size_t k = 0; k < a->n; k++) {
            assert_int_equal(a->list[k].name_n, b->list[k].name_n);
            assert_memory_equal(a->list[k].name, b->list[k].name, a->list[k].name_n);
            assert_int_equal(a->list[k].text_n, b->list[k].text_n);
            assert_memory_equal(a->list[k].text, b->list[k].text, a->list[k].text_n);
        }
        cluster_texts_check(b);
    }
    assert_int_equal(back.n_outcomes, 2);
    assert_memory_equal(back.outcomes, s.outcomes, sizeof s.outcomes);
    cluster_state_release(&s);
    cluster_state_release(&back);
    buf_release(&bytes);
}

static void changes_survive(void **state)
{
    static struct system_message m;
    struct cluster_change *c = calloc(1, sizeof *c);
    struct cluster_command command = {
        .type = CLUSTER_CMD_CHANGE, .number = 3, .request = 99, .change = c};
    struct cluster_command back;
    struct buf bytes;

    (void)state;
    assert_non_null(c);
    *c = (struct cluster_change){
        .map = CLUSTER_MAP_FUNCTIONS, .conditional = true, .revision = 12, .clear = true};
    assert_true(cluster_change_set(c, "a", 1, "text", 4));
    assert_true(cluster_change_set(c, "c", 1, "", 0));
    assert_true(cluster_change_delete(c, "b", 1));
    buf_init(&bytes);
    system_codec_command(&command, &bytes);
    assert_int_equal(system_codec_read_command(buf_head(&bytes), bytes.len, &back), 0);
    assert_int_equal(back.type, CLUSTER_CMD_CHANGE);
    assert_int_equal(back.number, 3);
    assert_int_equal(back.request, 99);
    assert_int_equal(back.change->map, CLUSTER_MAP_FUNCTIONS);
    assert_true(back.change->conditional);
    assert_true(back.change->clear);
    assert_int_equal(back.change->revision, 12);
    assert_int_equal(back.change->edits.n, 3);
    assert_string_equal(back.change->edits.list[0].text, "text");
    assert_null(back.change->edits.list[1].text);
    assert_string_equal(back.change->edits.list[2].text, "");
    cluster_command_release(&back);

    buf_clear(&bytes);
    system_codec_envelope_propose(&command, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.propose.change->edits.n, 3);
    cluster_command_release(&m.propose);

    /* Of a map that this version does not know. */
    buf_clear(&bytes);
    c->map = (enum cluster_map)7;
    system_codec_command(&command, &bytes);
    assert_int_equal(system_codec_read_command(buf_head(&bytes), bytes.len, &back), -1);
    cluster_command_release(&command);
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
    static const struct cluster_command raise = {.type = CLUSTER_CMD_RAISE_LEVEL, .level = 7};
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
    system_codec_envelope_propose(&raise, &bytes);
    assert_int_equal(system_codec_read_envelope(buf_head(&bytes), bytes.len, &m), 0);
    assert_int_equal(m.propose.type, CLUSTER_CMD_RAISE_LEVEL);
    assert_int_equal(m.propose.level, 7);

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
    struct cluster_change change = {.map = CLUSTER_MAP_USERS};
    struct cluster_command command = {.type = CLUSTER_CMD_CHANGE, .number = 1, .change = &change};
    struct buf bytes, texts;
    struct rng rng;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill(&plan.nodes[i], i + 1);
    }
    buf_init(&bytes);
    system_codec_envelope_plan(&plan, &bytes);
    assert_true(cluster_change_set(&change, "alice", 5, "on nopass", 9));
    assert_true(cluster_change_delete(&change, "bob", 3));
    buf_init(&texts);
    system_codec_envelope_propose(&command, &texts);
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        const struct buf *from = i % 2 == 0 ? &bytes : &texts;
        char *copy = malloc(from->len);
        size_t n = 1 + rng_below(&rng, from->len);
        int rc;

        assert_non_null(copy);
        memcpy(copy, buf_head(from), from->len);
        copy[rng_below(&rng, n)] ^= (char)(1u << rng_below(&rng, 8));
        rc = system_codec_read_envelope(copy, n, &m);
        assert_true(rc == 0 || rc == -1);
        if (rc == 0 && m.type == SYSTEM_MESSAGE_PROPOSE) {
            cluster_command_release(&m.propose);
        }
        rc = system_codec_read_state(copy, n, &s);
        assert_true(rc == 0 || rc == -1);
        cluster_state_release(&s);
        free(copy);
    }
    cluster_change_release(&change);
    buf_release(&texts);
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
        cmocka_unit_test(maps_and_outcomes_survive),
        cmocka_unit_test(changes_survive),
        cmocka_unit_test(messages_survive),
        cmocka_unit_test(damaged_bytes_are_read_or_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
