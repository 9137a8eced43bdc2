/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/command/test_table.c - the generated command table against the facts it comes from,
 * read here a second time and in another way, and against recorded replies. */
#include "tests/node/command/call.h"

#include "node/command/table.h"

#include <ctype.h>
#include <strings.h>

/* "a,b,c" of the bits of @set; hidden ones are left out. */
static void names_of(uint32_t set, const char *const *names, size_t n, const char *prefix,
                     char *out)
{
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((set >> i & 1) != 0 && names[i] != NULL) {
            sprintf(out + strlen(out), "%s%s%s", out[0] != '\0' ? "," : "", prefix, names[i]);
        }
    }
}

/* The key specs in the notation of the facts. */
static void specs_of(const struct command *c, char *out)
{
    char flags[200];

    out[0] = '\0';
    for (size_t i = 0; i < c->n_key_specs; i++) {
        const struct key_spec *s = &c->key_specs[i];

        names_of(s->flags, command_spec_flag_names, COMMAND_SPEC_FLAGS, "", flags);
        out += sprintf(out, "%s%s;", i > 0 ? " " : "", flags);
        if (s->begin == 'i') {
            out += sprintf(out, "index:%d;", s->begin_index);
        } else if (s->begin == 'k') {
            out += sprintf(out, "keyword:%s@%d;", s->begin_keyword, s->begin_index);
        } else {
            out += sprintf(out, "unknown;");
        }
        if (s->find == 'r') {
            out += sprintf(out, "range:%d/%d/%d", s->last_key, s->step, s->limit);
        } else if (s->find == 'n') {
            out += sprintf(out, "keynum:%d/%d/%d", s->keynum_index, s->first_key, s->kn_step);
        } else {
            out += sprintf(out, "unknown");
        }
    }
}

static void assert_same(const char *name, const char *what, const char *have, const char *want)
{
    if (strcmp(have != NULL ? have : "", want) != 0) {
        print_message("%s: %s is \"%s\", the facts say \"%s\"\n", name, what, have, want);
        fail();
    }
}

static void assert_number(const char *name, const char *what, int have, const char *want)
{
    char text[16];

    snprintf(text, sizeof text, "%d", have);
    assert_same(name, what, text, want[0] != '\0' ? want : "0");
}

/* 1 for a row whose command exists here. */
static int check_row(const struct table *t)
{
    const char *name = table_get(t, "name");
    const struct command *c = command_by_name(name, strlen(name));
    char text[1000];

    if (c == NULL) {
        return 0;
    }
    assert_int_equal(strcasecmp(c->full_name, name), 0);
    for (const char *p = c->full_name; *p != '\0'; p++) {
        assert_false(isupper((unsigned char)*p));
    }
    assert_number(name, "arity", c->arity, table_get(t, "arity"));
    names_of(c->flags, command_flag_names, COMMAND_FLAGS, "", text);
    assert_same(name, "flags", text, table_get(t, "command_flags"));
    assert_int_equal((c->flags & CMD_MAY_REPLICATE) != 0, table_get(t, "may_replicate")[0] == '1');
    assert_int_equal((c->flags & CMD_PROTECTED) != 0, table_get(t, "protected")[0] == '1');
    assert_int_equal((c->flags & CMD_TOUCHES_ARBITRARY_KEYS) != 0,
                     table_get(t, "touches_arbitrary_keys")[0] == '1');
    assert_int_equal((c->flags & CMD_WRITE) != 0, table_get(t, "write")[0] == '1');
    names_of(c->acl_categories, command_category_names, COMMAND_CATEGORIES, "@", text);
    assert_same(name, "categories", text, table_get(t, "acl_categories"));
    specs_of(c, text);
    assert_same(name, "key specs", text, table_get(t, "key_specs"));
    assert_number(name, "first key", c->first_key, table_get(t, "first_key"));
    assert_number(name, "last key", c->last_key, table_get(t, "last_key"));
    assert_number(name, "step", c->key_step, table_get(t, "step"));
    assert_same(name, "group", c->group, table_get(t, "group"));
    assert_same(name, "since", c->since, table_get(t, "since"));
    assert_same(name, "deprecated since", c->deprecated_since, table_get(t, "deprecated_since"));
    assert_same(name, "replaced by", c->replaced_by, table_get(t, "replaced_by"));
    assert_non_null(c->summary);
    assert_true(c->complexity != NULL || c->refused != NULL);
    return 1;
}

static void every_command_is_as_the_facts_say(void **state)
{
    struct table t;
    int checked = 0;

    (void)state;
    table_open(&t, TABLES_DIR, "commands.tsv");
    while (table_next(&t)) {
        checked += check_row(&t);
    }
    table_close(&t);
    assert_int_equal(checked, command_count());
}

/* Ids are dense, subcommands stand behind their container, and all names are found. */
static void ids_and_names_lead_to_the_same_entries(void **state)
{
    size_t top;
    const struct command *all = command_table(&top);
    size_t subs = 0;

    (void)state;
    for (size_t id = 0; id < command_count(); id++) {
        const struct command *c = command_by_id((uint16_t)id);

        assert_int_equal(c->id, id);
        assert_ptr_equal(command_by_name(c->full_name, strlen(c->full_name)), c);
    }
    for (size_t i = 0; i < top; i++) {
        if (i > 0) {
            assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
        }
        assert_true(all[i].fn != NULL || all[i].n_subcommands > 0);
        for (size_t k = 0; k < all[i].n_subcommands; k++) {
            const struct command *sub = &all[i].subcommands[k];
            char full[80];

            snprintf(full, sizeof full, "%s|%s", all[i].name, sub->name);
            assert_string_equal(sub->full_name, full);
            assert_non_null(sub->fn);
            subs++;
        }
    }
    assert_int_equal(top + subs, command_count());
}

static void names_are_found_in_any_case(void **state)
{
    static const struct {
        const char *line, *found; /* NULL: not */
    } cases[] = {
        {"get", "get"},
        {"GET", "get"},
        {"gEt k", "get"},
        {"ge", NULL},
        {"gett", NULL},
        {"GE\x14", NULL},
        {"\"\"", NULL},
        {"Config Get", "config|get"},
        {"config", "config"},
        {"config|get", NULL},
        {"encoding", NULL},
        {"object encoding k", "object|encoding"},
        {"config encoding", NULL},
        {"command", "command"},
        {"command get", NULL},
        {"client no-evict on", "client|no-evict"},
        {"client no_evict on", NULL},
        {"cluster COUNT-FAILURE-REPORTS x", "cluster|count-failure-reports"},
        {"cluster COUNT-FAILURE-REPORTSX x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call c = {0};
        char text[512];
        const char *error = NULL;
        const struct command *found;

        print_message("case: %s\n", cases[i].line);
        call_split(&c, cases[i].line);
        found = command_find(c.argv, c.argc, text, &error);
        if (cases[i].found == NULL) {
            assert_null(found);
            assert_non_null(error);
        } else {
            assert_non_null(found);
            assert_string_equal(found->full_name, cases[i].found);
        }
    }
    assert_null(command_by_name("config|", 7));
    assert_null(command_by_name("|get", 4));
    assert_null(command_by_name("get|get", 7));
    assert_null(command_by_name("", 0));
}

/* Arbitrary bytes as names: nothing is found but what is there. */
static void damaged_names_are_not_found(void **state)
{
    (void)state;
    for (size_t id = 0; id < command_count(); id++) {
        const char *name = command_by_id((uint16_t)id)->full_name;
        size_t n = strlen(name);
        char copy[64];

        memcpy(copy, name, n);
        for (size_t i = 0; i < n; i++) {
            for (int b = 1; b < 256; b <<= 1) {
                const struct command *c;

                copy[i] = (char)(name[i] ^ b);
                c = command_by_name(copy, n);
                if (c != NULL) { /* a case bit, or a neighbour such as pttl and httl */
                    assert_int_equal(strncasecmp(c->full_name, copy, n), 0);
                }
            }
            copy[i] = name[i];
        }
    }
}

/* Texts as recorded from Redis 7.0.15. */
static void unknown_commands_are_named(void **state)
{
    char long_name[300];
    char line[400];
    char want[600];
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"foo", "-ERR unknown command 'foo', with args beginning with: \r\n"},
        {"foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"},
        {"foo \"\" b", "-ERR unknown command 'foo', with args beginning with: '' 'b' \r\n"},
        {"config|get x", "-ERR unknown command 'config|get', with args beginning with: 'x' \r\n"},
        {"CONFIG Bogus", "-ERR unknown subcommand 'Bogus'. Try CONFIG HELP.\r\n"},
        {"config", "-ERR wrong number of arguments for 'config' command\r\n"},
        {"CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n"},
        {"get", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"get a b", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"set a", "-ERR wrong number of arguments for 'set' command\r\n"},
    };
    struct call c = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        call(&c, cases[i].line, 2);
        assert_reply(&c, cases[i].want, strlen(cases[i].want));
    }
    /* Names are cut at 128 bytes, and the arguments' text at about that. */
    memset(long_name, 'x', 200);
    long_name[200] = '\0';
    snprintf(line, sizeof line, "%s %s", long_name, "a");
    call(&c, line, 2);
    snprintf(want, sizeof want, "-ERR unknown command '%.128s', with args beginning with: 'a' \r\n",
             long_name);
    assert_reply(&c, want, strlen(want));
    snprintf(line, sizeof line, "foo a %s b", long_name);
    call(&c, line, 2);
    snprintf(want, sizeof want,
             "-ERR unknown command 'foo', with args beginning with: 'a' '%.124s' \r\n", long_name);
    assert_reply(&c, want, strlen(want));
    call_release(&c);
}

static void arity_counts_the_name(void **state)
{
    struct command exact = {.arity = 2};
    struct command at_least = {.arity = -2};

    (void)state;
    assert_false(command_arity_ok(&exact, 1));
    assert_true(command_arity_ok(&exact, 2));
    assert_false(command_arity_ok(&exact, 3));
    assert_false(command_arity_ok(&at_least, 1));
    assert_true(command_arity_ok(&at_least, 2));
    assert_true(command_arity_ok(&at_least, 30));
}

/* ---- replies and arguments
 * ------------------------------------------------------------------------ */

static void integer_arguments_are_checked(void **state)
{
    static const struct {
        const char *arg, *error, *want; /* want NULL: fine */
    } cases[] = {
        {"5", NULL, NULL},
        {"-1", NULL, "-ERR value is out of range\r\n"},
        {"11", NULL, "-ERR value is out of range\r\n"},
        {"x", NULL, "-ERR value is not an integer or out of range\r\n"},
        {"05", NULL, "-ERR value is not an integer or out of range\r\n"},
        {"x", "ERR bad", "-ERR bad\r\n"},
        {"11", "ERR bad", "-ERR bad\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = {0};
        struct resp_out out = {&b, 2};
        struct arg argv[] = {{cases[i].arg, strlen(cases[i].arg)}};
        struct cmd c = {.argv = argv, .argc = 1, .reply = &out};
        int64_t v = 77;
        bool ok = cmd_arg_range(&c, 0, 0, 10, &v, cases[i].error);

        assert_int_equal(ok, cases[i].want == NULL);
        assert_int_equal(v, ok ? 5 : 77);
        if (cases[i].want != NULL) {
            assert_int_equal(b.len, strlen(cases[i].want));
            assert_memory_equal(buf_head(&b), cases[i].want, b.len);
        } else {
            assert_int_equal(b.len, 0);
        }
        buf_release(&b);
    }
}

static void words_are_compared_without_case(void **state)
{
    (void)state;
    assert_true(arg_is(&(struct arg){"PxAt", 4}, "PXAT"));
    assert_false(arg_is(&(struct arg){"PX", 2}, "PXAT"));
    assert_false(arg_is(&(struct arg){"PXAT", 4}, "PX"));
    assert_false(arg_is(&(struct arg){"PX\0T", 4}, "PX"));
    assert_true(arg_is(&(struct arg){NULL, 0}, ""));
}

/* ---- COMMAND
 * ------------------------------------------------------------------------------------------ */

static struct resp_value *value_get(const struct resp_value *map, const char *key)
{
    for (size_t i = 0; i + 1 < map->n; i += 2) {
        if (strcmp(map->items[i].text, key) == 0) {
            return &map->items[i + 1];
        }
    }
    return NULL;
}

static void assert_same_value(const struct resp_value *a, const struct resp_value *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->integer, b->integer);
    if (a->text != NULL) {
        assert_string_equal(a->text, b->text);
    }
    for (size_t i = 0; a->items != NULL && i < a->n; i++) {
        assert_same_value(&a->items[i], &b->items[i]);
    }
}

/* Redis adds notes in prose to some key specs; here is none. */
static void drop_notes(struct resp_value *v)
{
    if (v->type == RESP_T_MAP && v->n >= 2 && v->items[0].text != NULL &&
        strcmp(v->items[0].text, "notes") == 0) {
        resp_value_release(&v->items[0]);
        resp_value_release(&v->items[1]);
        memmove(v->items, v->items + 2, (v->n - 2) * sizeof *v->items);
        v->n -= 2;
    }
    for (size_t i = 0; v->items != NULL && i < v->n; i++) {
        drop_notes(&v->items[i]);
    }
}

static void recorded_infos_are_reproduced(void **state)
{
    static const struct {
        const char *line, *file;
        bool notes;
    } cases[] = {
        {"COMMAND INFO get", "command-info-get", false},
        {"COMMAND INFO SET", "command-info-set", true},
        {"COMMAND INFO config|get", "command-info-config-get", false},
        {"COMMAND INFO nosuch", "command-info-nosuch", false},
    };
    struct call c = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* With notes only the RESP3 form is compared: in RESP2 a map does not show as one. */
        for (uint8_t version = cases[i].notes ? 3 : 2; version <= 3; version++) {
            char name[100];
            struct buf recorded = {0};
            struct resp_value want;
            struct resp_value have;

            snprintf(name, sizeof name, "%s.resp%d", cases[i].file, version);
            print_message("case: %s\n", name);
            recorded.data = load(RECORDED_DIR, name, &recorded.len);
            recorded.cap = recorded.len + 1;
            call(&c, cases[i].line, version);
            if (!cases[i].notes) {
                assert_reply(&c, buf_head(&recorded), recorded.len);
            }
            assert_int_equal(resp_read_value(&recorded, &want), 1);
            assert_int_equal(resp_read_value(&c.reply, &have), 1);
            drop_notes(&want);
            assert_same_value(&have, &want);
            resp_value_release(&want);
            resp_value_release(&have);
            buf_release(&recorded);
        }
    }
    call_release(&c);
}

/* Summaries are our own; the arguments, derived from the grammar, are those of the recording. */
static void recorded_arguments_are_reproduced(void **state)
{
    static const char *const fields[] = {"arguments", "since", "group", "complexity"};
    struct buf recorded = {0};
    struct call c = {0};
    struct resp_value want;
    struct resp_value have;

    (void)state;
    recorded.data = load(RECORDED_DIR, "command-docs-get-set.resp3", &recorded.len);
    recorded.cap = recorded.len + 1;
    assert_int_equal(resp_read_value(&recorded, &want), 1);
    call(&c, "COMMAND DOCS get set nosuch", 3);
    assert_int_equal(resp_read_value(&c.reply, &have), 1);
    assert_int_equal(c.reply.len, 0);
    assert_int_equal(have.type, RESP_T_MAP);
    assert_int_equal(have.n, 4);
    for (size_t i = 0; i < 4; i += 2) {
        assert_string_equal(have.items[i].text, want.items[i].text);
        for (size_t k = 0; k < ARRAY_LEN(fields); k++) {
            struct resp_value *w = value_get(&want.items[i + 1], fields[k]);
            struct resp_value *h = value_get(&have.items[i + 1], fields[k]);

            print_message("%s of %s\n", fields[k], have.items[i].text);
            assert_non_null(w);
            assert_non_null(h);
            assert_same_value(h, w);
        }
    }
    resp_value_release(&want);
    resp_value_release(&have);
    buf_release(&recorded);
    call_release(&c);
}

static void check_args(const struct command *c, const struct command_arg *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct command_arg *a = &args[i];
        bool nested = a->type == COMMAND_ARG_ONEOF || a->type == COMMAND_ARG_BLOCK;

        assert_true(a->name != NULL && a->name[0] != '\0');
        assert_int_equal(nested, a->n_args > 0);
        assert_true(a->type != COMMAND_ARG_ONEOF || a->n_args > 1);
        assert_true(a->type != COMMAND_ARG_PURE_TOKEN || a->token != NULL);
        if (a->type == COMMAND_ARG_KEY) {
            assert_in_range(a->key_spec, 0, c->n_key_specs - 1);
        } else if (a->type == COMMAND_ARG_PATTERN) { /* of SORT: names keys */
            assert_true(a->key_spec < (int)c->n_key_specs);
        } else {
            assert_int_equal(a->key_spec, -1);
        }
        check_args(c, a->args, a->n_args);
    }
}

static bool spec_has_argument(const struct command_arg *args, size_t n, int spec)
{
    for (size_t i = 0; i < n; i++) {
        if (args[i].key_spec == spec || spec_has_argument(args[i].args, args[i].n_args, spec)) {
            return true;
        }
    }
    return false;
}

/* What DOCS says fits together: each key spec has an argument and each key argument a spec. */
static void arguments_and_key_specs_fit_together(void **state)
{
    (void)state;
    for (size_t id = 0; id < command_count(); id++) {
        const struct command *c = command_by_id((uint16_t)id);

        print_message("%s\n", c->full_name);
        check_args(c, c->args, c->n_args);
        for (int i = 0; i < c->n_key_specs; i++) {
            bool is_key = (c->key_specs[i].flags & KEYSPEC_NOT_KEY) == 0;

            assert_true(spec_has_argument(c->args, c->n_args, i) || !is_key);
        }
    }
}

/* A client that asks for what is refused is told why, whatever the arguments. COMMAND knows no such
 * command. */
static void what_is_refused_says_why_and_is_not_listed(void **state)
{
    static const struct {
        const char *line, *want; /* how the reply begins */
    } cases[] = {
        {"REPLICAOF NO ONE", "-ERR REPLICAOF is refused: "},
        {"slaveof 127.0.0.1 6379", "-ERR SLAVEOF is refused: "},
        {"CLUSTER MEET 127.0.0.1 7000", "-ERR CLUSTER MEET is refused: "},
        {"cluster set-config-epoch 1", "-ERR CLUSTER SET-CONFIG-EPOCH is refused: "},
        {"module load x", "-ERR MODULE LOAD is refused: "},
        {"REPLICAOF", "-ERR wrong number of arguments for 'replicaof' command\r\n"},
        {"COMMAND INFO replicaof", "*1\r\n$-1\r\n"},
        {"COMMAND INFO cluster|meet", "*1\r\n$-1\r\n"},
        {"COMMAND DOCS replicaof", "*0\r\n"},
        {"COMMAND LIST FILTERBY PATTERN replicaof", "*0\r\n"},
        {"COMMAND LIST FILTERBY PATTERN cluster|m*", "*2\r\n$12\r\ncluster|myid\r\n"},
        {"COMMAND GETKEYS sync", "-ERR Invalid command specified\r\n"},
    };
    struct call c = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].want);

        print_message("case: %s\n", cases[i].line);
        call(&c, cases[i].line, 2);
        assert_true(c.reply.len >= n);
        assert_memory_equal(buf_head(&c.reply), cases[i].want, n);
    }
    call_release(&c);
}

/* Entries of the table that COMMAND lists: all, or those of the top level. */
static size_t count_listed(size_t n)
{
    size_t listed = 0;

    for (size_t id = 0; id < n; id++) {
        listed += command_by_id((uint16_t)id)->refused == NULL;
    }
    return listed;
}

/* Every shape of COMMAND is well-formed and about all commands that exist. */
static void the_whole_table_can_be_asked_for(void **state)
{
    static const char *const lines[] = {"COMMAND",      "COMMAND INFO",  "COMMAND DOCS",
                                        "COMMAND LIST", "COMMAND COUNT", "COMMAND HELP"};
    size_t top;
    struct call c = {0};

    (void)state;
    command_table(&top);
    top = count_listed(top);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        for (uint8_t version = 2; version <= 3; version++) {
            struct resp_value v;

            call(&c, lines[i], version);
            assert_int_equal(resp_read_value(&c.reply, &v), 1);
            assert_int_equal(c.reply.len, 0);
            if (i < 2) {
                assert_int_equal(v.n, top);
            } else if (i == 2) {
                assert_int_equal(v.type, version == 3 ? RESP_T_MAP : RESP_T_ARRAY);
                assert_int_equal(v.n, 2 * top);
            } else if (i == 3) {
                assert_int_equal(v.n, count_listed(command_count()));
            } else if (i == 4) {
                assert_int_equal(v.integer, top);
            } else {
                assert_string_equal(
                    v.items[0].text,
                    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
                assert_string_equal(v.items[v.n - 2].text, "HELP");
                assert_string_equal(v.items[v.n - 1].text, "    Prints this help.");
            }
            resp_value_release(&v);
        }
    }
    call_release(&c);
}

static void lists_can_be_filtered(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"COMMAND LIST FILTERBY PATTERN GETE*", "*1\r\n$5\r\ngetex\r\n"},
        {"COMMAND LIST filterby pattern config|s*", "*1\r\n$10\r\nconfig|set\r\n"},
        {"COMMAND LIST FILTERBY PATTERN", "-ERR syntax error\r\n"},
        {"COMMAND LIST FILTERBY COLOUR red", "-ERR syntax error\r\n"},
        {"COMMAND LIST BY PATTERN x", "-ERR syntax error\r\n"},
        {"COMMAND LIST FILTERBY MODULE none", "*0\r\n"},
        {"COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n"},
        {"COMMAND LIST FILTERBY ACLCAT Transaction",
         "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n"},
    };
    struct call c = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint8_t version = 2; version <= 3; version++) {
            call(&c, cases[i].line, version);
            assert_reply(&c, cases[i].want, strlen(cases[i].want));
        }
    }
    call_release(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_command_is_as_the_facts_say),
    cmocka_unit_test(ids_and_names_lead_to_the_same_entries),
    cmocka_unit_test(names_are_found_in_any_case),
    cmocka_unit_test(damaged_names_are_not_found),
    cmocka_unit_test(unknown_commands_are_named),
    cmocka_unit_test(arity_counts_the_name),
    cmocka_unit_test(integer_arguments_are_checked),
    cmocka_unit_test(words_are_compared_without_case),
    cmocka_unit_test(recorded_infos_are_reproduced),
    cmocka_unit_test(recorded_arguments_are_reproduced),
    cmocka_unit_test(arguments_and_key_specs_fit_together),
    cmocka_unit_test(what_is_refused_says_why_and_is_not_listed),
    cmocka_unit_test(the_whole_table_can_be_asked_for),
    cmocka_unit_test(lists_can_be_filtered),
};

TEST_MAIN(tests)
