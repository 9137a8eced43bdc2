/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_acl.c - ACL: users of the cluster. Source: the Redis command pages.
 *
 * SETUSER, DELUSER and LOAD change the users on every node: they are answered once the change is
 * committed and in force on this one (node/system_change.h). */
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rand.h"
#include "node/acl.h"
#include "node/command/handlers.h"
#include "node/command/table.h"
#include "node/node.h"
#include "node/system_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENPASS_BITS_MAX 4096

/* ---- changing ------------------------------------------------------------------------------ */

static bool too_large(struct system_change *s)
{
    resp_error(s->reply, "ERR Too many users, or too many rules");
    return false;
}

/* Users that so far only the configuration has become the cluster's with the first change. */
static bool begin_change(struct system_change *s, struct cluster_change *out)
{
    const struct cluster_texts *t = acl_texts(s->node);

    out->map = CLUSTER_MAP_USERS;
    for (size_t i = 0; t->revision == 0 && i < t->n; i++) {
        const struct cluster_text *e = &t->list[i];

        if (!cluster_change_set(out, e->name, e->name_n, e->text, e->text_n)) {
            return too_large(s);
        }
    }
    return true;
}

/* As it is now, or a new one. */
static struct acl_user *user_of_now(const struct node *n, const struct arg *name)
{
    const struct acl_user *old = acl_find(n, name->p, name->n);
    struct acl_user *u =
        acl_user_new(name->p, name->n, old == NULL && n->config.acl_pubsub_default);
    struct buf text;

    if (old == NULL) {
        return u;
    }
    buf_init(&text);
    acl_user_describe(old, &text);
    if (acl_user_apply_text(u, buf_head(&text), text.len, ACL_LENIENT, NULL) != NULL) {
        log_fatal("ACL user '%s' cannot be read back from its own text", old->name);
    }
    buf_release(&text);
    return u;
}

static void reply_bad_rule(struct system_change *s, const char *why, const struct buf *bad)
{
    int n = (int)MIN_OF(bad->len, 256u);

    if (why == acl_unmatched) {
        resp_errorf(s->reply, "ERR Unmatched parenthesis in acl selector starting at '%.*s'.", n,
                    buf_head(bad));
    } else {
        resp_errorf(s->reply, "ERR Error in ACL SETUSER modifier '%.*s': %s", n, buf_head(bad),
                    why);
    }
}

static bool make_setuser(struct system_change *s, struct cluster_change *out)
{
    const struct arg *name = &s->argv[2];
    struct acl_user *u = user_of_now(s->node, name);
    unsigned flags = s->node->config.acl_pubsub_default ? ACL_CHANNELS : 0;
    struct buf text, bad;
    const char *why;
    bool ok = false;

    buf_init(&text);
    buf_init(&bad);
    why = acl_user_apply(u, s->argv + 3, (size_t)s->argc - 3, flags, &bad);
    if (why != NULL) {
        reply_bad_rule(s, why, &bad);
    } else if (begin_change(s, out)) {
        acl_user_describe(u, &text);
        ok = cluster_change_set(out, name->p, name->n, buf_head(&text), text.len) || too_large(s);
    }
    buf_release(&text);
    buf_release(&bad);
    acl_user_free(u);
    return ok;
}

static size_t bytes_of(const struct cmd *c)
{
    size_t n = 0;

    for (int i = 2; i < c->argc; i++) {
        n += c->argv[i].n;
    }
    return n;
}

void cmd_acl_setuser(struct cmd *c)
{
    const struct arg *name = &c->argv[2];

    if (!acl_name_ok(name->p, name->n)) {
        resp_error(c->reply, name->n == 0 || name->n > CLUSTER_TEXT_NAME_MAX
                                 ? "ERR Usernames can't be empty or longer than 1024 bytes"
                                 : "ERR Usernames can't contain spaces or null characters");
        return;
    }
    if (bytes_of(c) > CLUSTER_TEXTS_BYTES_MAX) {
        resp_error(c->reply, "ERR Too many users, or too many rules");
        return;
    }
    system_change(c, make_setuser, NULL);
}

static bool is_default(const struct arg *name)
{
    return name->n == 7 && memcmp(name->p, "default", 7) == 0;
}

static bool make_deluser(struct system_change *s, struct cluster_change *out)
{
    s->value = 0;
    if (!begin_change(s, out)) {
        return false;
    }
    for (int i = 2; i < s->argc; i++) {
        const struct arg *name = &s->argv[i];
        const struct cluster_text *edit;

        if (acl_find(s->node, name->p, name->n) == NULL) {
            continue;
        }
        edit = cluster_texts_find(&out->edits, name->p, name->n);
        s->value += edit == NULL || edit->text != NULL; /* named twice, it goes once */
        if (!cluster_change_delete(out, name->p, name->n)) {
            return too_large(s);
        }
    }
    if (s->value == 0) {
        resp_int(s->reply, 0);
    }
    return s->value > 0;
}

static void reply_value(struct system_change *s) { resp_int(s->reply, s->value); }

void cmd_acl_deluser(struct cmd *c)
{
    for (int i = 2; i < c->argc; i++) {
        if (is_default(&c->argv[i])) {
            resp_error(c->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    system_change(c, make_deluser, reply_value);
}

/* ---- the file ------------------------------------------------------------------------------ */

static bool has_file(struct cmd *c)
{
    if (c->node->config.aclfile[0] == '\0') {
        resp_error(c->reply,
                   "ERR This Redis instance is not configured to use an ACL file. You may want to "
                   "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                   "(assuming you have a Redis configuration file set) in order to store users in "
                   "the Redis configuration.");
        return false;
    }
    return true;
}

/* The cluster's users become those of this node's file. */
static bool make_load(struct system_change *s, struct cluster_change *out)
{
    char *error = acl_file_load(s->node, &out->edits);

    if (error != NULL) {
        resp_errorf(s->reply,
                    "ERR %s. WARNING: ACL errors detected, no change to the previously active ACL "
                    "rules was performed",
                    error);
        free(error);
        return false;
    }
    out->map = CLUSTER_MAP_USERS;
    out->clear = true;
    return true;
}

void cmd_acl_load(struct cmd *c)
{
    if (has_file(c)) {
        system_change(c, make_load, NULL);
    }
}

void cmd_acl_save(struct cmd *c)
{
    int rc;

    if (!has_file(c)) {
        return;
    }
    rc = acl_file_save(c->node);
    if (rc != 0) {
        log_warning("ACL SAVE: %s: %s", c->node->config.aclfile, strerror(rc));
        resp_error(c->reply, "ERR There was an error trying to save the ACLs. Please check the "
                             "server logs for more information");
        return;
    }
    cmd_reply_ok(c);
}

/* ---- looking ------------------------------------------------------------------------------- */

void cmd_acl_whoami(struct cmd *c)
{
    resp_bulk(c->reply, c->client->user->name, c->client->user->name_n);
}

void cmd_acl_users(struct cmd *c)
{
    resp_array(c->reply, acl_count(c->node));
    for (size_t i = 0; i < acl_count(c->node); i++) {
        resp_bulk(c->reply, acl_at(c->node, i)->name, acl_at(c->node, i)->name_n);
    }
}

void cmd_acl_list(struct cmd *c)
{
    struct buf line;

    buf_init(&line);
    resp_array(c->reply, acl_count(c->node));
    for (size_t i = 0; i < acl_count(c->node); i++) {
        const struct acl_user *u = acl_at(c->node, i);

        buf_clear(&line);
        buf_append(&line, "user ", 5);
        buf_append(&line, u->name, u->name_n);
        buf_append(&line, " ", 1);
        acl_user_describe(u, &line);
        resp_bulk(c->reply, buf_head(&line), line.len);
    }
    buf_release(&line);
}

static void reply_flags(struct resp_out *o, const struct acl_user *u)
{
    resp_set(o, 1u + u->nopass + u->sanitize + u->skip_sanitize);
    resp_bulk_str(o, u->on ? "on" : "off");
    if (u->nopass) {
        resp_bulk_str(o, "nopass");
    }
    if (u->sanitize) {
        resp_bulk_str(o, "sanitize-payload");
    }
    if (u->skip_sanitize) {
        resp_bulk_str(o, "skip-sanitize-payload");
    }
}

static void reply_selector(struct resp_out *o, const struct acl_selector *s)
{
    static const struct {
        const char *name;
        void (*describe)(const struct acl_selector *, struct buf *);
    } parts[] = {
        {"commands", acl_selector_describe_commands},
        {"keys", acl_selector_describe_keys},
        {"channels", acl_selector_describe_channels},
    };
    struct buf text;

    buf_init(&text);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_clear(&text);
        parts[i].describe(s, &text);
        resp_bulk_str(o, parts[i].name);
        resp_bulk(o, text.len == 0 ? "" : buf_head(&text), text.len);
    }
    buf_release(&text);
}

void cmd_acl_getuser(struct cmd *c)
{
    const struct acl_user *u = acl_find(c->node, c->argv[2].p, c->argv[2].n);
    struct resp_out *o = c->reply;

    if (u == NULL) {
        resp_null(o);
        return;
    }
    resp_map(o, 6);
    resp_bulk_str(o, "flags");
    reply_flags(o, u);
    resp_bulk_str(o, "passwords");
    resp_array(o, u->n_passwords);
    for (size_t i = 0; i < u->n_passwords; i++) {
        resp_bulk_str(o, u->passwords[i]);
    }
    reply_selector(o, &u->selectors[0]);
    resp_bulk_str(o, "selectors");
    resp_array(o, u->n_selectors - 1);
    for (size_t i = 1; i < u->n_selectors; i++) {
        resp_map(o, 3);
        reply_selector(o, &u->selectors[i]);
    }
}

/* Redis words it so for these subcommands, whose table entry allows any number of arguments. */
static bool at_most_one(struct cmd *c)
{
    if (c->argc <= 3) {
        return true;
    }
    cmd_reply_subcommand_error(c);
    return false;
}

static void reply_category(struct cmd *c, uint32_t category)
{
    size_t at = resp_deferred_begin(c->reply), n = 0;

    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_by_id((uint16_t)i);

        if (command->acl_categories & category) {
            resp_bulk_str(c->reply, command->full_name);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

void cmd_acl_cat(struct cmd *c)
{
    uint32_t category;

    if (!at_most_one(c)) {
        return;
    }
    if (c->argc == 2) {
        resp_array(c->reply, COMMAND_CATEGORIES);
        for (size_t i = 0; i < COMMAND_CATEGORIES; i++) {
            resp_bulk_str(c->reply, command_category_names[i]);
        }
        return;
    }
    category = acl_category(c->argv[2].p, c->argv[2].n);
    if (category == 0) {
        resp_errorf(c->reply, "ERR Unknown category '%.*s'", (int)MIN_OF(c->argv[2].n, 128u),
                    c->argv[2].p);
        return;
    }
    reply_category(c, category);
}

void cmd_acl_genpass(struct cmd *c)
{
    static const char range[] =
        "ERR ACL GENPASS argument must be the number of bits for the output "
        "password, a positive number up to 4096";
    char hex[GENPASS_BITS_MAX / 4 + 1];
    int64_t bits = 256;

    if (!at_most_one(c) || (c->argc == 3 && !cmd_arg_i64(c, 2, &bits, NULL))) {
        return;
    }
    if (bits <= 0 || bits > GENPASS_BITS_MAX) {
        resp_error(c->reply, range);
        return;
    }
    rand_hex(hex, (size_t)(bits + 3) / 4);
    resp_bulk_str(c->reply, hex);
}

void cmd_acl_dryrun(struct cmd *c)
{
    const struct acl_user *u = acl_find(c->node, c->argv[2].p, c->argv[2].n);
    const struct arg *argv = c->argv + 3;
    int argc = c->argc - 3, at;
    const struct command *command;
    const char *error;
    char text[512];

    if (u == NULL) {
        resp_errorf(c->reply, "ERR User '%.*s' not found", (int)MIN_OF(c->argv[2].n, 128u),
                    c->argv[2].p);
        return;
    }
    command = command_find(argv, argc, text, &error);
    if (command == NULL) {
        resp_errorf(c->reply, "ERR Command '%.*s' not found", (int)MIN_OF(argv[0].n, 128u),
                    argv[0].p);
        return;
    }
    if (!command_arity_ok(command, argc)) {
        resp_errorf(c->reply, "ERR wrong number of arguments for '%s' command", command->full_name);
        return;
    }
    switch (acl_user_check(u, command, argv, argc, &at)) {
    case ACL_OK:
        cmd_reply_ok(c);
        return;
    case ACL_DENIED_COMMAND:
        snprintf(text, sizeof text, "This user has no permissions to run the '%s' command",
                 command->full_name);
        break;
    case ACL_DENIED_KEY:
        snprintf(text, sizeof text, "This user has no permissions to access the '%.*s' key",
                 (int)MIN_OF(argv[at].n, 400u), argv[at].p);
        break;
    case ACL_DENIED_CHANNEL:
        snprintf(text, sizeof text, "This user has no permissions to access the '%.*s' channel",
                 (int)MIN_OF(argv[at].n, 400u), argv[at].p);
        break;
    }
    resp_bulk_str(c->reply, text);
}

/* ---- LOG ----------------------------------------------------------------------------------- */

static void reply_entry(struct cmd *c, const struct acl_log_entry *e)
{
    struct resp_out *o = c->reply;

    resp_map(o, 7);
    resp_bulk_str(o, "count");
    resp_int(o, (int64_t)e->count);
    resp_bulk_str(o, "reason");
    resp_bulk_str(o, acl_reason_name(e->reason));
    resp_bulk_str(o, "context");
    resp_bulk_str(o, acl_context_name(e->context));
    resp_bulk_str(o, "object");
    resp_bulk(o, e->object, e->object_n);
    resp_bulk_str(o, "username");
    resp_bulk(o, e->user, e->user_n);
    resp_bulk_str(o, "age-seconds");
    resp_double(o, (double)(c->now_ms - e->wall_ms) / 1000);
    resp_bulk_str(o, "client-info");
    resp_bulk(o, e->client, e->client_n);
}

void cmd_acl_log(struct cmd *c)
{
    struct acl_log *log = acl_log_of(c->node);
    int64_t count = 10;
    size_t n;

    if (!at_most_one(c)) {
        return;
    }
    if (c->argc == 3 && arg_is(&c->argv[2], "reset")) {
        acl_log_clear(log);
        cmd_reply_ok(c);
        return;
    }
    if (c->argc == 3 && !cmd_arg_i64(c, 2, &count, NULL)) {
        return;
    }
    n = MIN_OF((size_t)MAX_OF(count, INT64_C(0)), acl_log_len(log));
    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        reply_entry(c, acl_log_at(log, i));
    }
}

void cmd_acl_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    The categories of commands, or the commands of one.",
        "DELUSER <username> [<username> ...]",
        "    Delete users, and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether the user may make this call; it is not made.",
        "GETUSER <username>",
        "    Flags, passwords (hashed), commands, keys, channels and selectors of a user.",
        "GENPASS [<bits>]",
        "    A random password of 256 or so many bits, in hex.",
        "LIST",
        "    The users as lines of an ACL file.",
        "LOAD",
        "    Replace the users of the cluster by those of this node's ACL file.",
        "LOG [<count> | RESET]",
        "    What was denied on this node, newest first; or forget it.",
        "SAVE",
        "    Write the users into this node's ACL file.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Create a user or change it, on all nodes.",
        "USERS",
        "    Names of the users.",
        "WHOAMI",
        "    Name of the user of this connection.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
