/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_command.c - COMMAND: the command table, told to clients. All of it comes from
 * the generated table, so it is true about what this server can do, and about nothing else. */
#include "node/command/handlers.h"
#include "node/command/table.h"

#include "base/glob.h"
#include "base/mem.h"

#include <stdlib.h>

/* ---- what is listed -----------------------------------------------------------------------------
 */

static size_t count_offered(const struct command *all, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        count += all[i].refused == NULL;
    }
    return count;
}

/* By name, as command_by_name(); NULL also for what is refused. */
static const struct command *offered_by_name(const struct arg *name)
{
    const struct command *c = command_by_name(name->p, name->n);

    return c == NULL || c->refused != NULL ? NULL : c;
}

/* ---- COMMAND, COMMAND INFO ----------------------------------------------------------------------
 */

/* The names of the bits of @set that have one, with @prefix before each. */
static void reply_bits(struct resp_out *o, uint32_t set, const char *const *names, size_t n,
                       const char *prefix)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        count += (set >> i & 1) != 0 && names[i] != NULL;
    }
    resp_set(o, count);
    for (size_t i = 0; i < n; i++) {
        if ((set >> i & 1) != 0 && names[i] != NULL) {
            char text[40];
            size_t prefix_len = strlen(prefix);
            size_t len = strlen(names[i]);

            assert(prefix_len + len < sizeof text);
            memcpy(text, prefix, prefix_len);
            memcpy(text + prefix_len, names[i], len + 1);
            resp_status(o, text);
        }
    }
}

static void reply_named_int(struct resp_out *o, const char *name, int64_t v)
{
    resp_bulk_str(o, name);
    resp_int(o, v);
}

/* type: @type, spec: (what follows) */
static void reply_spec_type(struct resp_out *o, const char *type, size_t fields)
{
    resp_map(o, 2);
    resp_bulk_str(o, "type");
    resp_bulk_str(o, type);
    resp_bulk_str(o, "spec");
    resp_map(o, fields);
}

static void reply_spec_begin(struct resp_out *o, const struct key_spec *s)
{
    switch (s->begin) {
    case 'i':
        reply_spec_type(o, "index", 1);
        reply_named_int(o, "index", s->begin_index);
        break;
    case 'k':
        reply_spec_type(o, "keyword", 2);
        resp_bulk_str(o, "keyword");
        resp_bulk_str(o, s->begin_keyword);
        reply_named_int(o, "startfrom", s->begin_index);
        break;
    default:
        reply_spec_type(o, "unknown", 0);
    }
}

static void reply_spec_find(struct resp_out *o, const struct key_spec *s)
{
    switch (s->find) {
    case 'r':
        reply_spec_type(o, "range", 3);
        reply_named_int(o, "lastkey", s->last_key);
        reply_named_int(o, "keystep", s->step);
        reply_named_int(o, "limit", s->limit);
        break;
    case 'n':
        reply_spec_type(o, "keynum", 3);
        reply_named_int(o, "keynumidx", s->keynum_index);
        reply_named_int(o, "firstkey", s->first_key);
        reply_named_int(o, "keystep", s->kn_step);
        break;
    default:
        reply_spec_type(o, "unknown", 0);
    }
}

static void reply_key_specs(struct resp_out *o, const struct command *c)
{
    resp_set(o, c->n_key_specs);
    for (size_t i = 0; i < c->n_key_specs; i++) {
        const struct key_spec *s = &c->key_specs[i];

        resp_map(o, 3);
        resp_bulk_str(o, "flags");
        reply_bits(o, s->flags, command_spec_flag_names, COMMAND_SPEC_FLAGS, "");
        resp_bulk_str(o, "begin_search");
        reply_spec_begin(o, s);
        resp_bulk_str(o, "find_keys");
        reply_spec_find(o, s);
    }
}

static void reply_info(struct resp_out *o, const struct command *c)
{
    resp_array(o, 10);
    resp_bulk_str(o, c->full_name);
    resp_int(o, c->arity);
    reply_bits(o, c->flags, command_flag_names, COMMAND_FLAGS, "");
    resp_int(o, c->first_key);
    resp_int(o, c->last_key);
    resp_int(o, c->key_step);
    reply_bits(o, c->acl_categories, command_category_names, COMMAND_CATEGORIES, "@");
    resp_set(o, c->n_tips);
    for (size_t i = 0; i < c->n_tips; i++) {
        resp_bulk_str(o, c->tips[i]);
    }
    reply_key_specs(o, c);
    if (c->n_subcommands == 0) {
        resp_set(o, 0);
        return;
    }
    resp_array(o, count_offered(c->subcommands, c->n_subcommands));
    for (size_t i = 0; i < c->n_subcommands; i++) {
        if (c->subcommands[i].refused == NULL) {
            reply_info(o, &c->subcommands[i]);
        }
    }
}

static void reply_info_of_all(struct resp_out *o)
{
    size_t n;
    const struct command *all = command_table(&n);

    resp_array(o, count_offered(all, n));
    for (size_t i = 0; i < n; i++) {
        if (all[i].refused == NULL) {
            reply_info(o, &all[i]);
        }
    }
}

void cmd_command(struct cmd *c) { reply_info_of_all(c->reply); }

void cmd_command_info(struct cmd *c)
{
    if (c->argc == 2) {
        reply_info_of_all(c->reply);
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        const struct command *named = offered_by_name(&c->argv[i]);

        if (named == NULL) {
            resp_null(c->reply);
        } else {
            reply_info(c->reply, named);
        }
    }
}

void cmd_command_count(struct cmd *c)
{
    size_t n;
    const struct command *all = command_table(&n);

    resp_int(c->reply, (int64_t)count_offered(all, n));
}

/* ---- COMMAND DOCS -------------------------------------------------------------------------- */

/* A map entry, unless there is nothing to say: returns the number of entries written. */
static size_t reply_text(struct resp_out *o, const char *name, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    resp_bulk_str(o, name);
    resp_bulk_str(o, text);
    return 1;
}

static void reply_args(struct resp_out *o, const struct command_arg *args, size_t n);

static void reply_arg(struct resp_out *o, const struct command_arg *a)
{
    static const char *const types[] = {
        [COMMAND_ARG_STRING] = "string",         [COMMAND_ARG_INTEGER] = "integer",
        [COMMAND_ARG_DOUBLE] = "double",         [COMMAND_ARG_KEY] = "key",
        [COMMAND_ARG_PATTERN] = "pattern",       [COMMAND_ARG_UNIX_TIME] = "unix-time",
        [COMMAND_ARG_PURE_TOKEN] = "pure-token", [COMMAND_ARG_ONEOF] = "oneof",
        [COMMAND_ARG_BLOCK] = "block",
    };
    static const char *const flags[] = {"optional", "multiple", "multiple_token"};
    size_t at = resp_deferred_begin(o);
    size_t n = 0;

    n += reply_text(o, "name", a->name);
    n += reply_text(o, "type", types[a->type]);
    if (a->key_spec >= 0) {
        reply_named_int(o, "key_spec_index", a->key_spec);
        n++;
    }
    n += reply_text(o, "token", a->token);
    n += reply_text(o, "since", a->since);
    if (a->flags != 0) {
        resp_bulk_str(o, "flags");
        reply_bits(o, a->flags, flags, ARRAY_LEN(flags), "");
        n++;
    }
    if (a->n_args > 0) {
        resp_bulk_str(o, "arguments");
        reply_args(o, a->args, a->n_args);
        n++;
    }
    resp_deferred_map(o, at, n);
}

static void reply_args(struct resp_out *o, const struct command_arg *args, size_t n)
{
    resp_array(o, n);
    for (size_t i = 0; i < n; i++) {
        reply_arg(o, &args[i]);
    }
}

static size_t reply_doc_flags(struct resp_out *o, const struct command *c)
{
    static const char *const names[] = {"deprecated", "syscmd"};
    uint32_t set = (uint32_t)(c->deprecated_since != NULL) | (uint32_t)c->syscmd << 1;

    if (set == 0) {
        return 0;
    }
    resp_bulk_str(o, "doc_flags");
    reply_bits(o, set, names, ARRAY_LEN(names), "");
    return 1;
}

static size_t reply_history(struct resp_out *o, const struct command *c)
{
    if (c->n_history == 0) {
        return 0;
    }
    resp_bulk_str(o, "history");
    resp_set(o, c->n_history);
    for (size_t i = 0; i < c->n_history; i++) {
        resp_array(o, 2);
        resp_bulk_str(o, c->history[i].since);
        resp_bulk_str(o, c->history[i].text);
    }
    return 1;
}

/* The name and the documentation: one entry of a map. */
static void reply_doc(struct resp_out *o, const struct command *c)
{
    size_t at;
    size_t n = 0;

    resp_bulk_str(o, c->full_name);
    at = resp_deferred_begin(o);
    n += reply_text(o, "summary", c->summary);
    n += reply_text(o, "since", c->since);
    n += reply_text(o, "group", c->group);
    n += reply_text(o, "complexity", c->complexity);
    n += reply_doc_flags(o, c);
    n += reply_text(o, "deprecated_since", c->deprecated_since);
    n += reply_text(o, "replaced_by", c->replaced_by);
    n += reply_history(o, c);
    if (c->n_args > 0) {
        resp_bulk_str(o, "arguments");
        reply_args(o, c->args, c->n_args);
        n++;
    }
    if (c->n_subcommands > 0) {
        resp_bulk_str(o, "subcommands");
        resp_map(o, count_offered(c->subcommands, c->n_subcommands));
        for (size_t i = 0; i < c->n_subcommands; i++) {
            if (c->subcommands[i].refused == NULL) {
                reply_doc(o, &c->subcommands[i]);
            }
        }
        n++;
    }
    resp_deferred_map(o, at, n);
}

void cmd_command_docs(struct cmd *c)
{
    size_t at;
    size_t n;
    const struct command *all = command_table(&n);

    if (c->argc == 2) {
        resp_map(c->reply, count_offered(all, n));
        for (size_t i = 0; i < n; i++) {
            if (all[i].refused == NULL) {
                reply_doc(c->reply, &all[i]);
            }
        }
        return;
    }
    at = resp_deferred_begin(c->reply);
    n = 0;
    for (int i = 2; i < c->argc; i++) {
        const struct command *named = offered_by_name(&c->argv[i]);

        if (named != NULL) {
            reply_doc(c->reply, named);
            n++;
        }
    }
    resp_deferred_map(c->reply, at, n);
}

/* ---- COMMAND LIST -------------------------------------------------------------------------- */

struct filter {
    enum { FILTER_NONE, FILTER_MODULE, FILTER_CATEGORY, FILTER_PATTERN } by;
    const struct arg *value;
    uint32_t category; /* 0: there is none of that name */
};

static bool filter_matches(const struct filter *f, const struct command *c)
{
    switch (f->by) {
    case FILTER_MODULE:
        return false; /* no command comes from a module */
    case FILTER_CATEGORY:
        return (c->acl_categories & f->category) != 0;
    case FILTER_PATTERN:
        return glob_match(f->value->p, f->value->n, c->full_name, strlen(c->full_name), true);
    default:
        return true;
    }
}

static bool filter_parse(struct filter *f, const struct arg *how, const struct arg *value)
{
    f->value = value;
    f->category = 0;
    if (arg_is(how, "MODULE")) {
        f->by = FILTER_MODULE;
    } else if (arg_is(how, "ACLCAT")) {
        f->by = FILTER_CATEGORY;
        for (size_t i = 0; i < COMMAND_CATEGORIES; i++) {
            if (arg_is(value, command_category_names[i])) {
                f->category = 1u << i;
            }
        }
    } else if (arg_is(how, "PATTERN")) {
        f->by = FILTER_PATTERN;
    } else {
        return false;
    }
    return true;
}

void cmd_command_list(struct cmd *c)
{
    struct filter f = {FILTER_NONE, NULL, 0};
    size_t n = 0;
    size_t at;

    if (c->argc != 2 && (c->argc != 5 || !arg_is(&c->argv[2], "FILTERBY") ||
                         !filter_parse(&f, &c->argv[3], &c->argv[4]))) {
        cmd_reply_syntax_error(c);
        return;
    }
    at = resp_deferred_begin(c->reply);
    for (size_t id = 0; id < command_count(); id++) {
        const struct command *entry = command_by_id((uint16_t)id);

        if (entry->refused == NULL && filter_matches(&f, entry)) {
            resp_bulk_str(c->reply, entry->full_name);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

/* ---- COMMAND GETKEYS, GETKEYSANDFLAGS ------------------------------------------------------ */

/* The call that stands behind the two words, or NULL: the reply is written. */
static const struct command *called_or_reply(struct cmd *c, const struct arg *argv, int argc)
{
    char text[512];
    const char *error;
    const struct command *called = command_find(argv, argc, text, &error);

    if (called == NULL || called->refused != NULL) {
        resp_error(c->reply, "ERR Invalid command specified");
        return NULL;
    }
    if (!command_has_keys(called)) {
        resp_error(c->reply, "ERR The command has no key arguments");
        return NULL;
    }
    if (!command_arity_ok(called, argc)) {
        resp_error(c->reply, "ERR Invalid number of arguments specified for command");
        return NULL;
    }
    return called;
}

static void reply_keys(struct cmd *c, bool with_flags)
{
    const struct arg *argv = c->argv + 2;
    int argc = c->argc - 2;
    const struct command *called = called_or_reply(c, argv, argc);
    int *positions;
    uint16_t *flags;
    int n;

    if (called == NULL) {
        return;
    }
    positions = mem_alloc((size_t)argc * sizeof *positions);
    flags = mem_alloc((size_t)argc * sizeof *flags);
    n = command_keys(called, argv, argc, positions, flags, argc);
    if (n < 0 && (called->flags & CMD_NO_MANDATORY_KEYS) == 0) {
        resp_error(c->reply, "ERR Invalid arguments specified for command");
    } else {
        resp_array(c->reply, (size_t)MAX_OF(n, 0)); /* EVAL with a wrong number of keys: none */
    }
    for (int i = 0; i < n; i++) {
        const struct arg *key = &argv[positions[i]];

        if (with_flags) {
            resp_array(c->reply, 2);
        }
        resp_bulk(c->reply, key->p, key->n);
        if (with_flags) {
            reply_bits(c->reply, flags[i], command_spec_flag_names, COMMAND_SPEC_FLAGS, "");
        }
    }
    free(positions);
    free(flags);
}

void cmd_command_getkeys(struct cmd *c) { reply_keys(c, false); }

void cmd_command_getkeysandflags(struct cmd *c) { reply_keys(c, true); }

/* ---- COMMAND HELP -------------------------------------------------------------------------- */

void cmd_command_help(struct cmd *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Describe all commands.",
        "COUNT",
        "    Give the number of commands.",
        "DOCS [<command-name> ...]",
        "    Document the named commands, or all.",
        "GETKEYS <full-command>",
        "    Give the keys of a full command line.",
        "GETKEYSANDFLAGS <full-command>",
        "    Give the keys of a full command line, with what happens to each.",
        "INFO [<command-name> ...]",
        "    Describe the named commands, or all.",
        "LIST [FILTERBY MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>]",
        "    List the names of commands, all or those that match.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
