/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/command/test_keys.c - node/command/keys.c: which arguments are keys. */
#include "tests/node/command/call.h"

/* Wire bytes as the recordings escape them. */
static size_t unescape(const char *s, char *out)
{
    char *w = out;

    while (*s != '\0') {
        if (s[0] == '\\' && s[1] == 'r') {
            *w++ = '\r';
            s += 2;
        } else if (s[0] == '\\' && s[1] == 'n') {
            *w++ = '\n';
            s += 2;
        } else {
            assert_true(*s != '\\');
            *w++ = *s++;
        }
    }
    return (size_t)(w - out);
}

static bool exists_here(const char *line)
{
    struct call c = {0};
    char text[512];
    const char *error;

    call_split(&c, line);
    return command_find(c.argv, c.argc, text, &error) != NULL;
}

/* Redis 7.0 says that SINTERSTORE reads what it overwrites (unlike its sisters); newer ones and we
 * say OW. */
static bool flags_differ(const char *line) { return strncmp(line, "SINTERSTORE ", 12) == 0; }

/* Recorded from Redis 7.0.15, for all commands that exist here. */
static void recorded_keys_and_flags_are_found(void **state)
{
    static const struct {
        const char *column, *command;
        uint8_t version;
    } ways[] = {
        {"getkeys_resp2", "COMMAND GETKEYS", 2},
        {"getkeysandflags_resp2", "COMMAND GETKEYSANDFLAGS", 2},
        {"getkeys_resp3", "COMMAND GETKEYS", 3},
        {"getkeysandflags_resp3", "COMMAND GETKEYSANDFLAGS", 3},
    };
    struct table t;
    struct call c = {0};
    int checked = 0;

    (void)state;
    table_open(&t, RECORDED_DIR, "command-getkeys.tsv");
    while (table_next(&t)) {
        const char *line = table_get(&t, "argv");

        if (!exists_here(line)) {
            continue;
        }
        print_message("case: %s\n", line);
        for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
            char full[600];
            char want[4096];
            size_t n = unescape(table_get(&t, ways[i].column), want);

            if (flags_differ(line) && strstr(ways[i].command, "FLAGS") != NULL) {
                continue;
            }
            snprintf(full, sizeof full, "%s %s", ways[i].command, line);
            call(&c, full, ways[i].version);
            assert_reply(&c, want, n);
        }
        checked++;
    }
    table_close(&t);
    call_release(&c);
    assert_true(checked >= 12);
}

static void calls_without_keys_are_refused(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"COMMAND GETKEYS nosuch", "-ERR Invalid command specified\r\n"},
        {"COMMAND GETKEYS config nosuch", "-ERR Invalid command specified\r\n"},
        {"COMMAND GETKEYS PING", "-ERR The command has no key arguments\r\n"},
        {"COMMAND GETKEYS config get x", "-ERR The command has no key arguments\r\n"},
        {"COMMAND GETKEYS SET", "-ERR Invalid number of arguments specified for command\r\n"},
        {"COMMAND GETKEYS mset a", "-ERR Invalid number of arguments specified for command\r\n"},
        /* GET here is the value of EX, or the key, or the value set: not the option. */
        {"COMMAND GETKEYSANDFLAGS SET k v EX GET",
         "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n"},
        {"COMMAND GETKEYSANDFLAGS SET GET GET",
         "*1\r\n*2\r\n$3\r\nGET\r\n*2\r\n+OW\r\n+update\r\n"},
        {"COMMAND GETKEYSANDFLAGS SET k v EX 5 get",
         "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"},
    };
    struct call c = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        call(&c, cases[i].line, 2);
        assert_reply(&c, cases[i].want, strlen(cases[i].want));
    }
    call_release(&c);
}

/* Shapes that no command of the table may have yet: specs made here. */
static void each_kind_of_spec_is_understood(void **state)
{
    static const struct key_spec second_of_two[] = {{.flags = KEYSPEC_OW,
                                                     .begin = 'i',
                                                     .begin_index = 1,
                                                     .find = 'r',
                                                     .last_key = -1,
                                                     .step = 2}};
    static const struct key_spec behind_streams[] = {{.flags = KEYSPEC_RO,
                                                      .begin = 'k',
                                                      .begin_keyword = "STREAMS",
                                                      .begin_index = 1,
                                                      .find = 'r',
                                                      .last_key = -1,
                                                      .step = 1,
                                                      .limit = 2}};
    static const struct key_spec counted[] = {{.flags = KEYSPEC_RO,
                                               .begin = 'i',
                                               .begin_index = 2,
                                               .find = 'n',
                                               .keynum_index = 0,
                                               .first_key = 1,
                                               .kn_step = 1}};
    static const struct key_spec fixed_and_optional[] = {
        {.flags = KEYSPEC_RW, .begin = 'i', .begin_index = 3, .find = 'r', .step = 1},
        {.flags = KEYSPEC_RW | KEYSPEC_INCOMPLETE,
         .begin = 'k',
         .begin_keyword = "KEYS",
         .begin_index = -2,
         .find = 'r',
         .last_key = -1,
         .step = 1}};
    static const struct key_spec channels[] = {{.flags = KEYSPEC_NOT_KEY,
                                                .begin = 'i',
                                                .begin_index = 1,
                                                .find = 'r',
                                                .last_key = -1,
                                                .step = 1}};
    static const struct key_spec key_and_store[] = {
        {.flags = KEYSPEC_RO, .begin = 'i', .begin_index = 1, .find = 'r', .step = 1},
        {.flags = KEYSPEC_OW,
         .begin = 'k',
         .begin_keyword = "STORE",
         .begin_index = 2,
         .find = 'r',
         .step = 1}};
    static const struct key_spec one_and_others[] = {
        {.flags = KEYSPEC_RW, .begin = 'i', .begin_index = 1, .find = 'r', .step = 1},
        {.flags = KEYSPEC_RO,
         .begin = 'i',
         .begin_index = 2,
         .find = 'r',
         .last_key = -1,
         .step = 1}};
    static const struct {
        const char *line;
        const struct key_spec *specs;
        uint8_t n;
        uint32_t flags;
        int found; /* -1: nonsense, but for what stands in .at */
        int at[4];
    } cases[] = {
        {"MSET a 1 b 2", second_of_two, 1, 0, 2, {1, 3}},
        {"XREAD COUNT 1 streams a b 0 0", behind_streams, 1, 0, 2, {4, 5}},
        {"XREAD COUNT 1", behind_streams, 1, 0, 0, {0}},
        {"XREAD STREAMS", behind_streams, 1, 0, -1, {0}},
        {"EVAL s 2 a b x", counted, 1, CMD_NO_MANDATORY_KEYS, 2, {3, 4}},
        {"EVAL s 0 a", counted, 1, CMD_NO_MANDATORY_KEYS, 0, {0}},
        {"ZUNION s 0 a", counted, 1, 0, -1, {0}},
        {"ZUNION s 3 a b", counted, 1, 0, -1, {0}},
        {"ZUNION s -1 a b", counted, 1, 0, -1, {0}},
        {"ZUNION s 99999999999 a b", counted, 1, 0, -1, {0}},
        {"ZUNION s x a b", counted, 1, 0, -1, {0}},
        {"ZUNION s", counted, 1, 0, -1, {0}},
        {"GEORADIUS k x k 0 m STORE", key_and_store, 2, 0, -1, {1}},
        {"GEORADIUS k x k 0 m STORE d", key_and_store, 2, 0, 2, {1, 7}},
        {"MIGRATE h p k 0 10 KEYS a b", fixed_and_optional, 2, 0, 3, {3, 7, 8}},
        {"MIGRATE h p k 0 10", fixed_and_optional, 2, 0, 1, {3}},
        {"PFMERGE a b c", one_and_others, 2, 0, 3, {1, 2, 3}},
        {"PFMERGE a", one_and_others, 2, 0, 1, {1}},
        {"SSUBSCRIBE a b", channels, 1, 0, 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct command command = {.name = "x",
                                  .full_name = "x",
                                  .flags = cases[i].flags,
                                  .key_specs = cases[i].specs,
                                  .n_key_specs = cases[i].n};
        struct call c = {0};
        int at[8];

        print_message("case: %s\n", cases[i].line);
        call_split(&c, cases[i].line);
        assert_int_equal(command_keys(&command, c.argv, c.argc, at, NULL, 8), cases[i].found);
        for (int k = 0; k < cases[i].found; k++) {
            assert_int_equal(at[k], cases[i].at[k]);
        }
        if (cases[i].found < 0) {
            int clear = cases[i].at[0] > 0 ? 1 : 0;

            assert_int_equal(command_clear_keys(&command, c.argv, c.argc, at, NULL, 8), clear);
            assert_true(clear == 0 || at[0] == cases[i].at[0]);
        }
        if (cases[i].found > 1) { /* no more than there is room for */
            assert_int_equal(command_keys(&command, c.argv, c.argc, at, NULL, 1), 1);
        }
        assert_int_equal(command_has_keys(&command), cases[i].specs != channels);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(recorded_keys_and_flags_are_found),
    cmocka_unit_test(calls_without_keys_are_refused),
    cmocka_unit_test(each_kind_of_spec_is_understood),
};

TEST_MAIN(tests)
