/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_config.c - CONFIG: settings looked at, changed, written back.
 *
 * CONFIG SET is all or nothing: first every pair is checked, then every value is stored, then each
 * comes into force; when one fails, all are put back. */
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/acl.h"
#include "node/command/handlers.h"
#include "node/config_table.h"
#include "node/node.h"
#include "node/slowlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- GET --------------------------------------------------------------------------------------
 */

/* Names already in the reply: one flag per option's name, one per alias. */
struct shown {
    bool *name, *alias;
    size_t n;
};

static void show(struct cmd *c, const struct config_option *o, const char *name, size_t n,
                 bool *once, struct shown *s)
{
    struct buf value;

    if (*once) {
        return;
    }
    *once = true;
    s->n++;
    buf_init(&value);
    config_option_print(&c->node->config, o, &value);
    resp_bulk(c->reply, name, n);
    resp_bulk(c->reply, value.len > 0 ? buf_head(&value) : "", value.len);
    buf_release(&value);
}

static bool is_pattern(const struct arg *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (strchr("*?[", a->p[i]) != NULL && a->p[i] != '\0') {
            return true;
        }
    }
    return false;
}

static bool fits(const struct arg *pattern, const char *name)
{
    return name != NULL && glob_match(pattern->p, pattern->n, name, strlen(name), true);
}

static void get_matching(struct cmd *c, const struct arg *a, struct shown *s)
{
    if (!is_pattern(a)) {
        const struct config_option *o = config_option_find(a->p, a->n);

        if (o != NULL) {
            size_t i = config_option_index(o);

            /* The name comes back as it was asked for. */
            show(c, o, a->p, a->n, arg_is(a, o->name) ? &s->name[i] : &s->alias[i], s);
        }
        return;
    }
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);

        if (fits(a, o->name)) {
            show(c, o, o->name, strlen(o->name), &s->name[i], s);
        }
        if (fits(a, o->alias)) {
            show(c, o, o->alias, strlen(o->alias), &s->alias[i], s);
        }
    }
}

void cmd_config_get(struct cmd *c)
{
    size_t n = config_option_count();
    bool *flags = mem_zalloc(2 * n * sizeof *flags);
    struct shown s = {.name = flags, .alias = flags + n};
    size_t at = resp_deferred_begin(c->reply);

    for (int i = 2; i < c->argc; i++) {
        get_matching(c, &c->argv[i], &s);
    }
    resp_deferred_map(c->reply, at, s.n);
    free(flags);
}

/* ---- values coming into force ------------------------------------------------------------ */

#define DESCRIPTORS_RESERVED 64 /* beside the clients' */

/* Each: false and *@error when the new value cannot come into force.
 * NOLINTBEGIN(readability-non-const-parameter): one type for all. */
static bool apply_maxclients(struct node *n, const char *old, char *error)
{
    rlim_t wanted = (rlim_t)n->config.maxclients + DESCRIPTORS_RESERVED;
    struct rlimit limit;

    (void)old;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return true;
    }
    limit.rlim_cur = MIN_OF(wanted, limit.rlim_max);
    if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        long long possible = (long long)limit.rlim_max - DESCRIPTORS_RESERVED;

        snprintf(error, CONFIG_ERROR_MAX,
                 "The operating system is not able to handle the specified number of clients, try "
                 "with %lld",
                 MAX_OF(possible, 1));
        return false;
    }
    return true;
}

static bool apply_loglevel(struct node *n, const char *old, char *error)
{
    (void)old;
    (void)error;
    log_set_level((enum log_level)n->config.loglevel);
    return true;
}

/* It describes the default user, unless ACL rules do. Whoever is connected while no password is set
 * stays welcome when there is one. */
static bool apply_requirepass(struct node *n, const char *old, char *error)
{
    (void)old;
    if (!acl_password_changed(n)) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "the user 'default' is described by ACL rules: set its password by ACL SETUSER");
        return false;
    }
    return true;
}

static bool apply_acllog_max_len(struct node *n, const char *old, char *error)
{
    (void)old;
    (void)error;
    acl_log_cron(n);
    return true;
}

static bool apply_slowlog_max_len(struct node *n, const char *old, char *error)
{
    (void)old;
    (void)error;
    slowlog_cron(n);
    return true;
}

/* NOLINTEND(readability-non-const-parameter) */

/* Options that need more than their new value to stand in the struct. */
static const struct {
    const char *name;
    bool (*fn)(struct node *n, const char *old, char *error);
} appliers[] = {
    {"acllog-max-len", apply_acllog_max_len},
    {"maxclients", apply_maxclients},
    {"loglevel", apply_loglevel},
    {"requirepass", apply_requirepass},
    {"slowlog-max-len", apply_slowlog_max_len},
};

static bool apply(struct node *n, const struct config_option *o, const char *old, char *error)
{
    for (size_t i = 0; i < ARRAY_LEN(appliers); i++) {
        if (strcmp(appliers[i].name, o->name) == 0) {
            return appliers[i].fn(n, old, error);
        }
    }
    return true;
}

/* ---- SET --------------------------------------------------------------------------------- */

struct change {
    const struct config_option *option;
    const char *name; /* the option's or its alias, as it was given */
    char *old, *value;
};

static void set_failed(struct cmd *c, const char *name, const char *why)
{
    resp_errorf(c->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name,
                why);
}

static char *copy_text(const struct arg *a)
{
    char *s = mem_alloc(a->n + 1);

    memcpy(s, a->p, a->n);
    s[a->n] = '\0';
    return s;
}

static char *current_text(const struct config *config, const struct config_option *o)
{
    struct buf b;
    char *s;

    buf_init(&b);
    config_option_print(config, o, &b);
    buf_append(&b, "", 1);
    s = mem_strdup(buf_head(&b));
    buf_release(&b);
    return s;
}

/* Why the option cannot be changed at all, or not here; NULL: it can. */
static const char *refusal(const struct change *changes, size_t n, const struct arg *value)
{
    const struct config_option *o = changes[n].option;

    if (o->flags & CONFIG_PROTECTED) {
        return "can't set protected config";
    }
    if (o->flags & CONFIG_IMMUTABLE) {
        return "can't set immutable config";
    }
    for (size_t i = 0; i < n; i++) {
        if (changes[i].option == o) {
            return "duplicate parameter";
        }
    }
    if (memchr(value->p, '\0', value->n) != NULL) {
        return "argument contains a NUL byte";
    }
    return NULL;
}

/* Read the pairs of the command into @changes; false: replied. */
static bool read_changes(struct cmd *c, struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct arg *name = &c->argv[2 + 2 * i];

        changes[i].option = config_option_find(name->p, name->n);
        if (changes[i].option == NULL && config_refusal(name->p, name->n) != NULL) {
            char text[64];

            snprintf(text, sizeof text, "%.*s", (int)name->n, name->p);
            set_failed(c, text, config_refusal(name->p, name->n));
            return false;
        }
        if (changes[i].option == NULL) {
            resp_errorf(c->reply,
                        "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                        (int)MIN_OF(name->n, 128), name->p);
            return false;
        }
        changes[i].name = arg_is(name, changes[i].option->name) ? changes[i].option->name
                                                                : changes[i].option->alias;
    }
    for (size_t i = 0; i < n; i++) {
        const struct arg *value = &c->argv[3 + 2 * i];
        const char *why = refusal(changes, i, value);

        if (why != NULL) {
            set_failed(c, changes[i].name, why);
            return false;
        }
        changes[i].old = current_text(&c->node->config, changes[i].option);
        changes[i].value = copy_text(value);
    }
    return true;
}

/* Put the first @n options back as they were; those of them up to @applied were in force. */
static void restore(struct node *node, const struct change *changes, size_t n, size_t applied)
{
    char error[CONFIG_ERROR_MAX];

    for (size_t i = 0; i < n; i++) {
        char *failed = current_text(&node->config, changes[i].option);

        /* What was printed from a value in force is readable and was applicable. */
        bool ok = config_option_set_text(&node->config, changes[i].option, changes[i].old, error);

        assert(ok);
        if (i < applied && !apply(node, changes[i].option, failed, error)) {
            log_warning("%s could not be put back: %s", changes[i].option->name, error);
        }
        free(failed);
    }
}

static bool carry_out(struct cmd *c, const struct change *changes, size_t n)
{
    struct node *node = c->node;
    char error[CONFIG_ERROR_MAX];

    for (size_t i = 0; i < n; i++) {
        if (!config_option_set_text(&node->config, changes[i].option, changes[i].value, error)) {
            restore(node, changes, i, 0);
            set_failed(c, changes[i].name, error);
            return false;
        }
    }
    if (config_check(&node->config, error) != 0) {
        restore(node, changes, n, 0);
        set_failed(c, changes[0].name, error);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!apply(node, changes[i].option, changes[i].old, error)) {
            restore(node, changes, n, i);
            set_failed(c, changes[i].name, error);
            return false;
        }
    }
    return true;
}

void cmd_config_set(struct cmd *c)
{
    size_t n = (size_t)(c->argc - 2) / 2;
    struct change *changes;

    if (c->argc % 2 != 0) {
        cmd_reply_syntax_error(c);
        return;
    }
    changes = mem_zalloc(n * sizeof *changes);
    if (read_changes(c, changes, n) && carry_out(c, changes, n)) {
        cmd_reply_ok(c);
    }
    for (size_t i = 0; i < n; i++) {
        free(changes[i].old);
        free(changes[i].value);
    }
    free(changes);
}

/* ---- the others -------------------------------------------------------------------------- */

void cmd_config_rewrite(struct cmd *c)
{
    struct node *n = c->node;
    char error[CONFIG_ERROR_MAX];

    if (n->config_file == NULL) {
        resp_error(c->reply, "ERR The server is running without a config file");
        return;
    }
    if (config_rewrite(&n->config, n->config_file, error) != 0) {
        log_warning("CONFIG REWRITE of %s failed: %s", n->config_file, error);
        resp_errorf(c->reply, "ERR Rewriting config file: %s", error);
        return;
    }
    log_notice("settings were written to %s", n->config_file);
    cmd_reply_ok(c);
}

void cmd_config_resetstat(struct cmd *c)
{
    stats_reset(&c->node->stats);
    cmd_reply_ok(c);
}

void cmd_config_help(struct cmd *c)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    Settings whose names fit one of the patterns, with their values.",
        "SET <name> <value> [<name> <value> ...]",
        "    Change settings, all of them or none.",
        "RESETSTAT",
        "    Let the counters that INFO shows begin at zero again.",
        "REWRITE",
        "    Write the settings back into the configuration file.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
