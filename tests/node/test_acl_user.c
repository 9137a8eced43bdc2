/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_acl_user.c - ACL rules: read, written in canonical form, and what they allow. */
#include "tests/test.h"

#include "base/mem.h"
#include "base/rand.h"
#include "node/acl_user.h"

#define PW_HASH "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4" /* "pw" */

static const char *apply(struct acl_user *u, const char *text, unsigned flags)
{
    return acl_user_apply_text(u, text, strlen(text), flags, NULL);
}

static struct acl_user *user(const char *text)
{
    struct acl_user *u = acl_user_new("u", 1, false);
    const char *why = apply(u, text, 0);

    if (why != NULL) {
        fail_msg("%s: %s", text, why);
    }
    return u;
}

static const char *described(const struct acl_user *u)
{
    static char text[4096];
    struct buf out;

    buf_init(&out);
    acl_user_describe(u, &out);
    assert_true(out.len < sizeof text);
    memcpy(text, buf_head(&out), out.len);
    text[out.len] = '\0';
    buf_release(&out);
    return text;
}

/* Rules in, text out; and the text gives itself again. */
static void users_are_written_in_canonical_form(void **state)
{
    static const struct {
        const char *rules, *want;
    } cases[] = {
        {"", "off resetchannels -@all"},
        {"on nopass ~* &* +@all", "on nopass ~* &* +@all"},
        {"reset", "off sanitize-payload resetchannels -@all"},
        {"skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all"},
        {"ON oFF", "off resetchannels -@all"},
        /* passwords */
        {">pw >pw", "off #" PW_HASH " resetchannels -@all"},
        {">pw <pw", "off resetchannels -@all"},
        {"#" PW_HASH, "off #" PW_HASH " resetchannels -@all"},
        {">pw !" PW_HASH, "off resetchannels -@all"},
        {">pw nopass", "off nopass resetchannels -@all"},
        {"nopass >pw", "off #" PW_HASH " resetchannels -@all"},
        {"nopass resetpass", "off resetchannels -@all"},
        /* keys */
        {"~a ~a ~b", "off ~a ~b resetchannels -@all"},
        {"%R~a %W~a", "off ~a resetchannels -@all"},
        {"%R~a %w~b %rw~c %WR~d", "off %R~a %W~b ~c ~d resetchannels -@all"},
        {"~b allkeys", "off ~* resetchannels -@all"},
        {"allkeys resetkeys ~b", "off ~b resetchannels -@all"},
        {"%R~* ~b", "off %R~* ~b resetchannels -@all"},
        {"%R~* %W~*", "off ~* resetchannels -@all"},
        {"~", "off ~ resetchannels -@all"},
        /* channels */
        {"&b &b &c", "off resetchannels &b &c -@all"},
        {"&b allchannels", "off &* -@all"},
        {"&* resetchannels &c", "off resetchannels &c -@all"},
        /* commands: what has no effect goes */
        {"+get -get", "off resetchannels -@all"},
        {"+@read +get", "off resetchannels -@all +@read"},
        {"+get +@read", "off resetchannels -@all +@read"},
        {"+@read +get +set -set", "off resetchannels -@all +@read"},
        {"+@READ +Set +Config|GET", "off resetchannels -@all +@read +set +config|get"},
        {"+@read +@write -del", "off resetchannels -@all +@read +@write -del"},
        {"-del +@write +@read", "off resetchannels -@all +@write +@read"},
        {"+@read +get -@read", "off resetchannels -@all"},
        {"+@admin -@dangerous +@admin", "off resetchannels -@all +@admin"},
        {"+@all +@read +get", "off resetchannels +@all"},
        {"+@all -get +get", "off resetchannels +@all"},
        {"+@all -@admin +@admin", "off resetchannels +@all"},
        {"+@all -get -set -@geo", "off resetchannels +@all -get -set -@geo"},
        {"+@all -get +@all", "off resetchannels +@all"},
        {"+@read allcommands nocommands +get", "off resetchannels -@all +get"},
        /* subcommands */
        {"+config|get +config -config|set", "off resetchannels -@all +config -config|set"},
        {"+config -config|get -config|set +config|get",
         "off resetchannels -@all +config -config|set"},
        {"+acl|whoami +acl|cat -acl|cat", "off resetchannels -@all +acl|whoami"},
        {"+acl|whoami -acl", "off resetchannels -@all"},
        {"-acl +acl|whoami", "off resetchannels -@all +acl|whoami"},
        /* first arguments */
        {"+select|0 +Select|0 +select|B", "off resetchannels -@all +select|0 +select|B"},
        {"+select|0 +select", "off resetchannels -@all +select"},
        {"+select +select|0", "off resetchannels -@all +select"},
        {"+select|0 -select", "off resetchannels -@all"},
        {"+select|0 -@connection", "off resetchannels -@all"},
        {"+@connection -select +select|0",
         "off resetchannels -@all +@connection -select +select|0"},
        /* selectors */
        {"(+get ~a) ( +set   ~b )",
         "off resetchannels -@all (~a resetchannels -@all +get) (~b resetchannels -@all +set)"},
        {"() (allkeys allcommands allchannels)",
         "off resetchannels -@all (resetchannels -@all) (~* &* +@all)"},
        {"(+get) clearselectors", "off resetchannels -@all"},
        {"+get (+set) reset on", "on sanitize-payload resetchannels -@all"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = user(cases[i].rules), *again;

        print_message("case: %s\n", cases[i].rules);
        assert_string_equal(described(u), cases[i].want);
        again = user(cases[i].want);
        assert_string_equal(described(again), cases[i].want);
        acl_user_free(u);
        acl_user_free(again);
    }
}

static void bad_rules_are_refused(void **state)
{
    static const struct {
        const char *rules, *why;
    } cases[] = {
        {"nosuch", "Syntax error"},
        {"+nosuch", "Unknown command or category name in ACL"},
        {"-@nosuch", "Unknown command or category name in ACL"},
        {"+@", "Unknown command or category name in ACL"},
        {"+", "Unknown command or category name in ACL"},
        {"+config|nosuch", "Unknown command or category name in ACL"},
        {"-select|0", "Unknown command or category name in ACL"},
        {"+select|a|b", "Unknown command or category name in ACL"},
        {"+select|", "Syntax error"},
        {"+config|set|x", "Allowing first-arg of a subcommand is not supported"},
        {"%~a", "Syntax error"},
        {"%R", "Syntax error"},
        {"%RR~a", "Syntax error"},
        {"%Q~a", "Syntax error"},
        {"#zz", "The password hash must be exactly 64 characters and contain only lowercase "
                "hexadecimal characters"},
        {"#30C952FAB122C3F9759F02A6D95C3758B246B4FEE239957B2D4FEE46E26170C4",
         "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
         "characters"},
        {"<pw", "The password you are trying to remove from the user does not exist"},
        {"~* ~b", "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and "
                  "does not have any effect. Try 'resetkeys' to start with an empty list of "
                  "patterns"},
        {"&* &b", "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid "
                  "and does not have any effect. Try 'resetchannels' to start with an empty list "
                  "of channels"},
        {")", "Syntax error"},
        {"(+get", "Unmatched parenthesis in acl selector"},
        {"(", "Unmatched parenthesis in acl selector"},
        {"(on)", "Syntax error"},
        {"(>pw)", "Syntax error"},
        {"(reset)", "Syntax error"},
        {"(clearselectors)", "Syntax error"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = acl_user_new("u", 1, false);

        print_message("case: %s\n", cases[i].rules);
        assert_string_equal(apply(u, cases[i].rules, 0), cases[i].why);
        acl_user_free(u);
    }
}

/* Blanks that stand in one argument, which a text cannot have. */
/* Pieces are put together first: a parenthesis that is open is reported before any rule is. */
static void the_rule_that_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *bad;
    } cases[] = {
        {"on +nosuch ~a", "+nosuch"},
        {"+nosuch (+get", "(+get"},
        {"(+get (+set", "(+set"},
        {"on) (x", "(x"},
        {"(+get +nosuch) (x)", "(+get +nosuch)"},
        {"(+get (+set) nosuch", "(+get (+set)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = acl_user_new("u", 1, false);
        struct buf bad;

        print_message("case: %s\n", cases[i].text);
        buf_init(&bad);
        assert_non_null(acl_user_apply_text(u, cases[i].text, strlen(cases[i].text), 0, &bad));
        buf_append(&bad, "", 1);
        assert_string_equal(buf_head(&bad), cases[i].bad);
        buf_release(&bad);
        acl_user_free(u);
    }
}

static void arguments_with_blanks_are_refused(void **state)
{
    static const char *const rules[] = {"~a b", "%R~a b", "&a b", "a b", "+get|a b", "~a\tb"};
    struct arg nul = {"~a\0b", 4}, nested = {"(+get (+set))", 13}, one = {"(+get   ~a )", 12};
    struct acl_user *u;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct arg a = {rules[i], strlen(rules[i])};

        u = acl_user_new("u", 1, false);
        assert_non_null(acl_user_apply(u, &a, 1, 0, NULL));
        acl_user_free(u);
    }
    u = acl_user_new("u", 1, false);
    assert_non_null(acl_user_apply(u, &nul, 1, 0, NULL));
    assert_non_null(acl_user_apply(u, &nested, 1, 0, NULL));
    assert_null(acl_user_apply(u, &one, 1, 0, NULL));
    assert_string_equal(described(u), "off resetchannels -@all (~a resetchannels -@all +get)");
    acl_user_free(u);
}

/* What a newer version has written is kept for it, and allows nothing. */
static void unknown_commands_of_a_stored_text_are_kept(void **state)
{
    struct acl_user *u = acl_user_new("u", 1, false);

    (void)state;
    assert_null(apply(u, "on resetchannels -@all +get +newcmd -@newcat", ACL_LENIENT));
    assert_string_equal(described(u), "on resetchannels -@all +get +newcmd -@newcat");
    acl_user_free(u);
}

static void defaults_of_channels_hold_for_new_users_reset_and_selectors(void **state)
{
    struct acl_user *u = acl_user_new("u", 1, true);

    (void)state;
    assert_string_equal(described(u), "off &* -@all");
    assert_null(apply(u, "resetchannels reset (+get)", ACL_CHANNELS));
    assert_string_equal(described(u), "off sanitize-payload &* -@all (&* -@all +get)");
    acl_user_free(u);
}

/* ---- checks -------------------------------------------------------------------------------- */

static enum acl_result check(const struct acl_user *u, const char *call, int *at)
{
    struct arg argv[16];
    char words[256], *save = NULL, buf[512];
    const struct command *c;
    const char *error;
    int argc = 0;

    snprintf(words, sizeof words, "%s", call);
    for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        argv[argc++] = (struct arg){w, strlen(w)};
    }
    c = command_find(argv, argc, buf, &error);
    assert_non_null(c);
    return acl_user_check(u, c, argv, argc, at);
}

static void calls_are_checked(void **state)
{
    static const struct {
        const char *rules, *call;
        enum acl_result want;
        int at;
    } cases[] = {
        {"+@all ~* &*", "get k", ACL_OK, 0},
        {"", "get k", ACL_DENIED_COMMAND, 0},
        {"", "auth x", ACL_OK, 0}, /* whoever connects may */
        {"", "hello", ACL_OK, 0},
        {"+get", "get k", ACL_DENIED_KEY, 1},
        {"+get ~k", "get k", ACL_OK, 0},
        {"+mget ~k*", "mget k1 x k2", ACL_DENIED_KEY, 2},
        {"+@all %R~r* %W~w*", "get r", ACL_OK, 0},
        {"+@all %R~r* %W~w*", "get w", ACL_DENIED_KEY, 1},
        {"+@all %R~r* %W~w*", "set w x", ACL_OK, 0},
        {"+@all %R~r* %W~w*", "set r x", ACL_DENIED_KEY, 1},
        {"+@all %R~r* %W~w*", "set w x get", ACL_DENIED_KEY, 1},
        {"+@all %R~r* %W~w*", "copy r w", ACL_OK, 0},
        {"+@all %R~r* %W~w*", "copy w r", ACL_DENIED_KEY, 1},
        {"+@all %R~r* %W~w*", "exists w", ACL_OK, 0},
        {"+@all %R~r* %W~w*", "del r", ACL_DENIED_KEY, 1},
        {"+@all %R~a %W~*", "getset a x", ACL_DENIED_KEY, 1}, /* one pattern must give both */
        {"+@all ~w*", "zunion 1 w1", ACL_OK, 0},
        {"+@all ~w*", "zunion 1 r1", ACL_DENIED_KEY, 2},
        {"+@all ~w*", "zunion 9 r1", ACL_OK, 0}, /* the command says what is wrong */
        {"+config|get", "config get x", ACL_OK, 0},
        {"+config|get", "config set x y", ACL_DENIED_COMMAND, 0},
        {"+config", "config set x y", ACL_OK, 0},
        {"+select|0", "select 0", ACL_OK, 0},
        {"+select|0", "select 1", ACL_DENIED_COMMAND, 0},
        {"+config|HELP", "config help", ACL_OK, 0},
        /* selectors: one must allow all of it; the refusal that came furthest is told */
        {"+@all -del ~r* (+del ~d*)", "del d1", ACL_OK, 0},
        {"+@all -del ~r* (+del ~d*)", "del r1", ACL_DENIED_KEY, 1},
        {"+get ~a (+set ~b)", "get b", ACL_DENIED_KEY, 1},
        {"+get ~a (+set ~b)", "del b", ACL_DENIED_COMMAND, 0},
        {"+mget ~a (+mget ~a ~b)", "mget a b c", ACL_DENIED_KEY, 3},
        {"+get (+set ~b) (+@all ~*)", "del b", ACL_OK, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = user(cases[i].rules);
        int at;

        print_message("case: %s: %s\n", cases[i].rules, cases[i].call);
        assert_int_equal(check(u, cases[i].call, &at), cases[i].want);
        if (cases[i].want != ACL_OK) {
            assert_int_equal(at, cases[i].at);
        }
        acl_user_free(u);
    }
}

/* By the names of the commands: the table may not have them. */
static void channels_are_checked(void **state)
{
    static const struct {
        const char *rules, *name;
        struct arg argv[3];
        int argc;
        enum acl_result want;
        int at;
    } cases[] = {
        {"&n*", "publish", {{"", 0}, {"n1", 2}, {"x", 1}}, 3, ACL_OK, 0},
        {"&n*", "publish", {{"", 0}, {"m1", 2}, {"x", 1}}, 3, ACL_DENIED_CHANNEL, 1},
        {"&n*", "subscribe", {{"", 0}, {"n1", 2}, {"m1", 2}}, 3, ACL_DENIED_CHANNEL, 2},
        {"&n*", "ssubscribe", {{"", 0}, {"n1", 2}, {"n2", 2}}, 3, ACL_OK, 0},
        {"&n*", "psubscribe", {{"", 0}, {"n*", 2}, {"", 0}}, 2, ACL_OK, 0},
        {"&n*", "psubscribe", {{"", 0}, {"n1*", 3}, {"", 0}}, 2, ACL_DENIED_CHANNEL, 1},
        {"&n*", "unsubscribe", {{"", 0}, {"m1", 2}, {"", 0}}, 2, ACL_OK, 0},
        {"", "spublish", {{"", 0}, {"c", 1}, {"x", 1}}, 3, ACL_DENIED_CHANNEL, 1},
        {"(+@all &c)", "spublish", {{"", 0}, {"c", 1}, {"x", 1}}, 3, ACL_OK, 0},
        {"allchannels", "psubscribe", {{"", 0}, {"x*", 2}, {"", 0}}, 2, ACL_OK, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct command c = {.full_name = cases[i].name,
                            .acl_categories = acl_category("pubsub", 6)};
        struct acl_user *u = user(cases[i].rules);
        int at;

        print_message("case: %s: %s %s\n", cases[i].rules, cases[i].name, cases[i].argv[1].p);
        assert_null(apply(u, "+@all", 0));
        assert_int_equal(acl_user_check(u, &c, cases[i].argv, cases[i].argc, &at), cases[i].want);
        if (cases[i].want != ACL_OK) {
            assert_int_equal(at, cases[i].at);
        }
        acl_user_free(u);
    }
}

static void only_who_may_do_all_is_unrestricted(void **state)
{
    static const struct {
        const char *rules;
        bool want;
    } cases[] = {
        {"+@all ~* &*", true},
        {"allcommands allkeys allchannels", true},
        {"+@all ~*", false},
        {"+@all &*", false},
        {"~* &* +@read", false},
        {"+@all ~* &* -get", false},
        {"+@all ~* &* -get +get", true},
        {"(+@all ~* &*)", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = user(cases[i].rules);

        print_message("case: %s\n", cases[i].rules);
        assert_int_equal(u->unrestricted, cases[i].want);
        acl_user_free(u);
    }
}

static void passwords_are_compared_by_their_hash(void **state)
{
    struct acl_user *u = user("on >pw >other");
    struct arg right = {"pw", 2}, other = {"other", 5}, wrong = {"pw2", 3}, empty = {"", 0};
    struct arg hash = {PW_HASH, 64};

    (void)state;
    assert_true(acl_user_has_password(u, &right));
    assert_true(acl_user_has_password(u, &other));
    assert_false(acl_user_has_password(u, &wrong));
    assert_false(acl_user_has_password(u, &empty));
    assert_false(acl_user_has_password(u, &hash));
    acl_user_free(u);
}

static void sort_needs_all_keys(void **state)
{
    struct acl_user *all = user("+get %R~*"), *some = user("+get ~a*"), *none = user("~* -get");
    const struct command *get = command_by_name("get", 3);

    (void)state;
    assert_true(acl_user_reads_all_keys(all, get));
    assert_false(acl_user_reads_all_keys(some, get));
    assert_false(acl_user_reads_all_keys(none, get));
    acl_user_free(all);
    acl_user_free(some);
    acl_user_free(none);
}

/* Random rules: the canonical text means the same as the rules, for every command, and is stable.
 * What the rules mean is worked out here one rule after the other. */
static void canonical_rules_mean_the_same(void **state)
{
    static const char *const words[] = {
        "get",         "set",     "config",   "config|get", "config|set", "acl|whoami",
        "acl",         "select",  "select|0", "@read",      "@write",     "@admin",
        "@connection", "@string", "@all",     "@dangerous",
    };
    struct rng rng;

    (void)state;
    rng_init(&rng, 11);
    for (int round = 0; round < 3000; round++) {
        struct acl_user *u, *again;
        char rules[512] = "", text[4096];
        struct acl_bits want = {{0}};
        size_t n = 0;

        for (uint64_t k = 1 + rng_below(&rng, 8); k > 0; k--) {
            const char *w = words[rng_below(&rng, ARRAY_LEN(words))];
            bool allow = rng_below(&rng, 2) == 0 || strcmp(w, "select|0") == 0;
            const struct command *named = command_by_name(w, strlen(w));

            n += (size_t)snprintf(rules + n, sizeof rules - n, "%c%s ", allow ? '+' : '-', w);
            for (uint16_t id = 0; id < command_count(); id++) {
                const struct command *c = command_by_id(id);
                bool hit = w[0] == '@'
                               ? strcmp(w, "@all") == 0 ||
                                     (c->acl_categories & acl_category(w + 1, strlen(w + 1)))
                               : named != NULL &&
                                     (c == named || (strncmp(c->full_name, w, strlen(w)) == 0 &&
                                                     c->full_name[strlen(w)] == '|'));

                if (hit) {
                    want.w[id / 64] &= ~(UINT64_C(1) << (id % 64));
                    want.w[id / 64] |= (uint64_t)allow << (id % 64);
                }
            }
        }
        u = user(rules);
        snprintf(text, sizeof text, "%s", described(u));
        again = user(text);
        assert_string_equal(described(again), text);
        for (uint16_t id = 0; id < command_count(); id++) {
            if (acl_bit(&u->selectors[0].allowed, id) != acl_bit(&want, id) ||
                acl_bit(&again->selectors[0].allowed, id) != acl_bit(&want, id)) {
                fail_msg("%s -> %s: %s", rules, text, command_by_id(id)->full_name);
            }
        }
        acl_user_free(u);
        acl_user_free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_written_in_canonical_form),
        cmocka_unit_test(bad_rules_are_refused),
        cmocka_unit_test(the_rule_that_is_wrong_is_named),
        cmocka_unit_test(arguments_with_blanks_are_refused),
        cmocka_unit_test(unknown_commands_of_a_stored_text_are_kept),
        cmocka_unit_test(defaults_of_channels_hold_for_new_users_reset_and_selectors),
        cmocka_unit_test(calls_are_checked),
        cmocka_unit_test(channels_are_checked),
        cmocka_unit_test(only_who_may_do_all_is_unrestricted),
        cmocka_unit_test(passwords_are_compared_by_their_hash),
        cmocka_unit_test(sort_needs_all_keys),
        cmocka_unit_test(canonical_rules_mean_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
