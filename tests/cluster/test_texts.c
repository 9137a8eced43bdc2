/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_texts.c - maps of texts, their changes, and requests that come twice. */
#include "tests/test.h"

#include "base/rand.h"
#include "cluster/state.h"

#define CLUSTER_ID "0123456789abcdef0123456789abcdef01234567"

static void put(struct cluster_texts *t, const char *name, const char *text)
{
    assert_true(cluster_texts_put(t, name, strlen(name), text, text == NULL ? 0 : strlen(text)));
}

/* "a=1 b=2", in order. */
static const char *show(const struct cluster_texts *t)
{
    static char out[512];
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < t->n; i++) {
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%s=%s", i > 0 ? " " : "", t->list[i].name,
                              t->list[i].text);
    }
    return out;
}

static void a_map_is_in_order_and_has_each_name_once(void **state)
{
    struct cluster_texts t = {0};

    (void)state;
    put(&t, "b", "1");
    put(&t, "ab", "2");
    put(&t, "a", "3");
    put(&t, "c", "");
    put(&t, "b", "four");
    assert_string_equal(show(&t), "a=3 ab=2 b=four c=");
    assert_int_equal(t.bytes, 5 + 6);
    assert_non_null(cluster_texts_find(&t, "ab", 2));
    assert_null(cluster_texts_find(&t, "abc", 3));
    assert_null(cluster_texts_find(&t, "", 0));
    assert_false(cluster_texts_put(&t, "", 0, "x", 1)); /* a name there must be */
    cluster_texts_check(&t);
    cluster_texts_release(&t);
}

static void changes_are_carried_out_as_a_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *name;
        bool clear, conditional;
        uint64_t revision;
        const char *edits; /* "a=1 b" : set a, delete b */
        int rc;
        const char *want;
    } cases[] = {
        {"set and delete", false, false, 0, "a=9 c z=1", CLUSTER_OK, "a=9 b=2 z=1"},
        {"deleting what is not there is fine", false, false, 0, "x", CLUSTER_OK, "a=1 b=2 c=3"},
        {"all are replaced", true, false, 0, "n=1", CLUSTER_OK, "n=1"},
        {"a flush", true, false, 0, "", CLUSTER_OK, ""},
        {"the condition holds", false, true, 3, "a", CLUSTER_OK, "b=2 c=3"},
        {"it does not", true, true, 2, "a=9", CLUSTER_ERR_CONFLICT, "a=1 b=2 c=3"},
        {"nor for a revision to come", true, true, 4, "a=9", CLUSTER_ERR_CONFLICT, "a=1 b=2 c=3"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cluster_texts t = {.revision = 3};
        struct cluster_change c = {.clear = cases[i].clear,
                                   .conditional = cases[i].conditional,
                                   .revision = cases[i].revision};
        char edits[64], *save = NULL;

        print_message("case: %s\n", cases[i].name);
        put(&t, "a", "1");
        put(&t, "b", "2");
        put(&t, "c", "3");
        snprintf(edits, sizeof edits, "%s", cases[i].edits);
        for (char *w = strtok_r(edits, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
            if (w[1] == '=') {
                assert_true(cluster_change_set(&c, w, 1, w + 2, strlen(w + 2)));
            } else {
                assert_true(cluster_change_delete(&c, w, 1));
            }
        }
        assert_int_equal(cluster_texts_apply(&t, &c), cases[i].rc);
        assert_string_equal(show(&t), cases[i].want);
        assert_int_equal(t.revision, cases[i].rc == CLUSTER_OK ? 4 : 3);
        cluster_change_release(&c);
        cluster_texts_release(&t);
    }
}

/* The limit is that of what would be: replacing a big text by another is fine. */
static void a_map_has_a_limit(void **state)
{
    size_t big = CLUSTER_TEXTS_BYTES_MAX - 10;
    char *text = malloc(big + 100);
    struct cluster_texts t = {0};
    struct cluster_change replace = {0}, more = {0};

    (void)state;
    assert_non_null(text);
    memset(text, 'x', big + 100);
    assert_true(cluster_texts_put(&t, "a", 1, text, big));
    assert_false(cluster_texts_put(&t, "b", 1, text, 10));
    assert_true(cluster_texts_put(&t, "b", 1, text, 8)); /* full to the byte */
    assert_true(cluster_change_set(&replace, "a", 1, text, big));
    assert_int_equal(cluster_texts_apply(&t, &replace), CLUSTER_OK);
    assert_true(cluster_change_set(&more, "c", 1, "", 0));
    assert_int_equal(cluster_texts_apply(&t, &more), CLUSTER_ERR_FULL);
    assert_int_equal(t.n, 2);
    assert_int_equal(t.revision, 1);
    assert_true(cluster_change_delete(&more, "b", 1));
    assert_int_equal(cluster_texts_apply(&t, &more), CLUSTER_OK);
    assert_int_equal(t.n, 2);
    cluster_change_release(&replace);
    cluster_change_release(&more);
    cluster_texts_release(&t);
    free(text);
}

/* Random changes against a plain array as the model. */
static void random_changes_do_as_a_plain_array_does(void **state)
{
    struct cluster_texts t = {0};
    char model[26] = {0};
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        struct cluster_change c = {.clear = rng_below(&rng, 50) == 0};

        if (c.clear) {
            memset(model, 0, sizeof model);
        }
        for (uint64_t k = rng_below(&rng, 5); k > 0; k--) {
            char name = (char)('a' + rng_below(&rng, 26)), text = (char)('0' + rng_below(&rng, 10));

            if (rng_below(&rng, 3) == 0) {
                assert_true(cluster_change_delete(&c, &name, 1));
                model[name - 'a'] = 0;
            } else {
                assert_true(cluster_change_set(&c, &name, 1, &text, 1));
                model[name - 'a'] = text;
            }
        }
        assert_int_equal(cluster_texts_apply(&t, &c), CLUSTER_OK);
        for (char i = 0; i < 26; i++) {
            char name = (char)('a' + i);
            const struct cluster_text *e = cluster_texts_find(&t, &name, 1);

            assert_int_equal(e == NULL ? 0 : e->text[0], model[(int)i]);
        }
        cluster_change_release(&c);
    }
    cluster_texts_release(&t);
}

/* ---- requests ------------------------------------------------------------------------------ */

static struct cluster_state *two_nodes(void)
{
    static struct cluster_state s;
    struct cluster_node nodes[2] = {{.number = 1}, {.number = 2}};

    assert_int_equal(cluster_state_genesis(&s, CLUSTER_ID, true, nodes, 2, 1), CLUSTER_OK);
    return &s;
}

static int ask(struct cluster_state *s, uint64_t node, uint64_t request, uint64_t revision,
               const char *text)
{
    struct cluster_change c = {
        .map = CLUSTER_MAP_USERS, .conditional = revision != UINT64_MAX, .revision = revision};
    struct cluster_command command = {
        .type = CLUSTER_CMD_CHANGE, .number = node, .request = request, .change = &c};
    int rc;

    assert_true(cluster_change_set(&c, "u", 1, text, 1));
    rc = cluster_state_apply(s, &command);
    cluster_change_release(&c);
    return rc;
}

static void a_request_that_comes_twice_is_carried_out_once(void **state)
{
    struct cluster_state *s = two_nodes();
    const struct cluster_texts *users = cluster_state_map(s, CLUSTER_MAP_USERS);

    (void)state;
    assert_null(cluster_state_outcome(s, 1));
    assert_int_equal(ask(s, 1, 10, UINT64_MAX, "a"), CLUSTER_OK);
    assert_int_equal(ask(s, 2, 4, UINT64_MAX, "b"), CLUSTER_OK); /* numbers are per node */
    assert_int_equal(ask(s, 1, 10, UINT64_MAX, "a"), CLUSTER_ERR_REPEATED);
    assert_int_equal(ask(s, 1, 9, UINT64_MAX, "a"), CLUSTER_ERR_REPEATED);
    assert_string_equal(show(users), "u=b");
    assert_int_equal(users->revision, 2);
    assert_int_equal(cluster_state_outcome(s, 1)->request, 10);
    assert_int_equal(cluster_state_outcome(s, 1)->result, CLUSTER_OK);
    cluster_state_release(s);
}

/* A refused request that comes again later, when its condition would hold, must not be carried out:
 * its client was told that it was not. */
static void a_refusal_is_final(void **state)
{
    struct cluster_state *s = two_nodes();
    const struct cluster_texts *users = cluster_state_map(s, CLUSTER_MAP_USERS);

    (void)state;
    assert_int_equal(ask(s, 1, 10, 1, "a"), CLUSTER_ERR_CONFLICT);
    assert_int_equal(cluster_state_outcome(s, 1)->result, CLUSTER_ERR_CONFLICT);
    assert_int_equal(ask(s, 2, 1, 0, "b"), CLUSTER_OK);
    assert_int_equal(users->revision, 1);
    assert_int_equal(ask(s, 1, 10, 1, "a"), CLUSTER_ERR_REPEATED);
    assert_string_equal(show(users), "u=b");
    cluster_state_release(s);
}

static void strangers_and_unknown_maps_are_refused(void **state)
{
    struct cluster_state *s = two_nodes();
    struct cluster_change c = {.map = (enum cluster_map)9};
    struct cluster_command command = {
        .type = CLUSTER_CMD_CHANGE, .number = 1, .request = 1, .change = &c};

    (void)state;
    assert_int_equal(ask(s, 3, 1, UINT64_MAX, "a"), CLUSTER_ERR_UNKNOWN_NODE);
    assert_null(cluster_state_outcome(s, 3));
    assert_int_equal(cluster_state_apply(s, &command), CLUSTER_ERR_INVALID);
    assert_int_equal(cluster_state_outcome(s, 1)->result, CLUSTER_ERR_INVALID);
    cluster_state_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_is_in_order_and_has_each_name_once),
        cmocka_unit_test(changes_are_carried_out_as_a_whole_or_not_at_all),
        cmocka_unit_test(a_map_has_a_limit),
        cmocka_unit_test(random_changes_do_as_a_plain_array_does),
        cmocka_unit_test(a_request_that_comes_twice_is_carried_out_once),
        cmocka_unit_test(a_refusal_is_final),
        cmocka_unit_test(strangers_and_unknown_maps_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
