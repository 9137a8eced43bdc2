/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl.c - see node/acl.h. */
#include "node/acl.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/system.h"
#include "node/system_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME "default"
#define DEFAULT_NAME_N (sizeof DEFAULT_NAME - 1)

struct acl {
    struct entry {
        struct acl_user *user;
        char *text; /* what it was read from */
        size_t text_n;
    } * list; /* by name; "default" is always there */
    size_t n;
    struct acl_user *default_user;
    struct cluster_texts seed; /* of the configuration */
    bool seeding;
    struct acl_log *log;
};

/* ---- looking up ---------------------------------------------------------------------------- */

static int compare_names(const char *a, size_t a_n, const char *b, size_t b_n)
{
    int r = memcmp(a, b, MIN_OF(a_n, b_n));

    return r != 0 ? r : (a_n > b_n) - (a_n < b_n);
}

static struct entry *find(const struct acl *a, const char *name, size_t len)
{
    size_t lo = 0, hi = a->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct acl_user *u = a->list[mid].user;
        int r = compare_names(u->name, u->name_n, name, len);

        if (r == 0) {
            return &a->list[mid];
        }
        if (r < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

const struct acl_user *acl_find(const struct node *n, const char *name, size_t len)
{
    const struct entry *e = find(n->acl, name, len);

    return e == NULL ? NULL : e->user;
}

const struct acl_user *acl_default(const struct node *n) { return n->acl->default_user; }
size_t acl_count(const struct node *n) { return n->acl->n; }
const struct acl_user *acl_at(const struct node *n, size_t i) { return n->acl->list[i].user; }
struct acl_log *acl_log_of(const struct node *n) { return n->acl->log; }

const struct cluster_texts *acl_texts(const struct node *n)
{
    const struct cluster_texts *users = cluster_state_map(system_state(n), CLUSTER_MAP_USERS);

    return users->revision > 0 ? users : &n->acl->seed;
}

/* ---- users of the state -------------------------------------------------------------------- */

static struct acl_user *read_user(const char *name, size_t name_n, const char *text, size_t text_n)
{
    struct acl_user *u = acl_user_new(name, name_n, false);
    const char *why;
    struct buf bad;

    buf_init(&bad);
    why = acl_user_apply_text(u, text, text_n, ACL_LENIENT, &bad);
    if (why != NULL) {
        /* Written by a version that knows more kinds of rules. Allowing less is the safe side. */
        log_warning("ACL user '%s': rule '%.*s': %s; the user may do nothing on this node", name,
                    (int)MIN_OF(bad.len, 128u), buf_head(&bad), why);
        acl_user_free(u);
        u = acl_user_new(name, name_n, false);
    }
    buf_release(&bad);
    return u;
}

/* What requirepass makes of the default user. */
static void default_text(const struct node *n, struct buf *out)
{
    const char *password = n->config.requirepass;
    struct acl_user *u = acl_user_new(DEFAULT_NAME, DEFAULT_NAME_N, true);
    struct arg rules[] = {{"on", 2}, {"~*", 2}, {"+@all", 5}, {"nopass", 6}};
    char *rule = mem_alloc(strlen(password) + 2);

    sprintf(rule, ">%s", password);
    if (password[0] != '\0') {
        rules[3] = (struct arg){rule, strlen(rule)};
    }
    if (acl_user_apply(u, rules, ARRAY_LEN(rules), 0, NULL) != NULL) {
        log_fatal("the default user cannot be made");
    }
    acl_user_describe(u, out);
    acl_user_free(u);
    free(rule);
}

static bool has_default(const struct cluster_texts *t)
{
    return cluster_texts_find(t, DEFAULT_NAME, DEFAULT_NAME_N) != NULL;
}

/* A client whose user is gone. The one that is waiting for the answer to just that gets it. */
static void leave(struct client *c)
{
    c->user = c->node->acl->default_user;
    c->flags &= ~(uint32_t)CLIENT_AUTHENTICATED;
    if (c->flags & CLIENT_AWAITS_CHANGE) {
        client_close_after_reply(c);
    } else {
        client_close(c);
    }
}

static void leave_all(struct node *n, const struct acl_user *u)
{
    struct link *all = &n->clients.all;

    for (struct link *l = all->next; l != all; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        if (c->user == u) {
            leave(c);
        }
    }
}

static bool may_listen(const struct client *c, enum sub_kind kind, const struct arg *name)
{
    return acl_user_check_channel(c->user, name, kind == SUB_PATTERN);
}

/* Who listens to what the user may not use any more has to connect anew. */
static void end_listening(struct node *n, const struct acl_user *u)
{
    struct link *all = &n->clients.all;

    for (struct link *l = all->next; l != all && !u->unrestricted; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        if (c->user == u && (c->flags & CLIENT_PUBSUB) && !pubsub_client_all(c, may_listen)) {
            leave(c);
        }
    }
}

static struct entry new_entry(const char *name, size_t name_n, const char *text, size_t text_n)
{
    return (struct entry){read_user(name, name_n, text, text_n), mem_dup(text, text_n + 1), text_n};
}

/* A user that stays keeps its place in memory: clients point to it. */
static void update(struct node *n, struct entry *e, const char *text, size_t text_n)
{
    if (e->text_n == text_n && memcmp(e->text, text, text_n) == 0) {
        return;
    }
    acl_user_become(e->user, read_user(e->user->name, e->user->name_n, text, text_n));
    free(e->text);
    e->text = mem_dup(text, text_n + 1);
    e->text_n = text_n;
    end_listening(n, e->user);
}

/* The next of the two lists in order of name; both, when they are of one name. */
static int order(const struct acl *a, size_t i, const struct cluster_texts *t, size_t k)
{
    if (i == a->n) {
        return 1;
    }
    if (k == t->n) {
        return -1;
    }
    return compare_names(a->list[i].user->name, a->list[i].user->name_n, t->list[k].name,
                         t->list[k].name_n);
}

static void drop_entry(struct node *n, struct entry *e)
{
    leave_all(n, e->user);
    acl_user_free(e->user);
    free(e->text);
}

/* Bring the users in line with @t, which has a default. */
static void rebuild_from(struct node *n, const struct cluster_texts *t)
{
    struct acl *a = n->acl;
    struct entry *list = mem_alloc(t->n * sizeof list[0]);
    size_t i = 0, k = 0, count = 0;

    while (i < a->n || k < t->n) {
        const struct cluster_text *e = k < t->n ? &t->list[k] : NULL;
        int r = order(a, i, t, k);

        if (r < 0) {
            drop_entry(n, &a->list[i++]);
        } else if (r > 0) {
            list[count++] = new_entry(e->name, e->name_n, e->text, e->text_n);
            k++;
        } else {
            list[count] = a->list[i++];
            update(n, &list[count++], e->text, e->text_n);
            k++;
        }
    }
    free(a->list);
    a->list = list;
    a->n = count;
    a->default_user = find(a, DEFAULT_NAME, DEFAULT_NAME_N)->user;
}

static void copy_texts(struct cluster_texts *to, const struct cluster_texts *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct cluster_text *e = &from->list[i];

        if (!cluster_texts_put(to, e->name, e->name_n, e->text, e->text_n)) {
            log_fatal("out of memory for the ACL users");
        }
    }
}

/* The default user is made from requirepass where nothing else says what it is. */
static void rebuild(struct node *n)
{
    const struct cluster_texts *t = acl_texts(n);
    struct cluster_texts with_default = {0};
    struct buf text;

    if (has_default(t)) {
        rebuild_from(n, t);
        return;
    }
    buf_init(&text);
    default_text(n, &text);
    copy_texts(&with_default, t);
    if (!cluster_texts_put(&with_default, DEFAULT_NAME, DEFAULT_NAME_N, buf_head(&text),
                           text.len)) {
        log_fatal("out of memory for the ACL users");
    }
    rebuild_from(n, &with_default);
    cluster_texts_release(&with_default);
    buf_release(&text);
}

bool acl_password_changed(struct node *n)
{
    if (has_default(acl_texts(n))) {
        return false;
    }
    rebuild(n);
    return true;
}

/* ---- users of the configuration ------------------------------------------------------------ */

static char *read_lines(const struct node *n, struct cluster_texts *out)
{
    struct buf text;
    char *error;

    buf_init(&text);
    for (char **line = n->config.users; line != NULL && *line != NULL; line++) {
        buf_printf(&text, "user %s\n", *line);
    }
    error = text.len == 0 ? NULL
                          : acl_file_parse(buf_head(&text), text.len, "user lines",
                                           n->config.acl_pubsub_default, out);
    buf_release(&text);
    return error;
}

static char *read_seed(const struct node *n, struct cluster_texts *out)
{
    bool lines = n->config.users != NULL && n->config.users[0] != NULL;

    if (n->config.aclfile[0] == '\0') {
        return read_lines(n, out);
    }
    if (lines) {
        return mem_strdup("users stand in the configuration, and aclfile is set: use one of them");
    }
    return acl_file_load(n, out);
}

int acl_new(struct node *n)
{
    char *error;

    n->acl = mem_zalloc(sizeof *n->acl);
    n->acl->log = acl_log_new();
    error = read_seed(n, &n->acl->seed);
    if (error != NULL) {
        log_warning("ACL users: %s", error);
        free(error);
        return -1;
    }
    if (has_default(&n->acl->seed) && n->config.requirepass[0] != '\0') {
        log_notice("requirepass has no effect: the ACL rules describe the user 'default'");
    }
    rebuild(n);
    system_on_map_change(n, CLUSTER_MAP_USERS, rebuild);
    return 0;
}

void acl_free(struct acl *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        acl_user_free(a->list[i].user);
        free(a->list[i].text);
    }
    free(a->list);
    cluster_texts_release(&a->seed);
    acl_log_free(a->log);
    free(a);
}

static void on_seeded(struct node *n, void *ctx, enum system_outcome outcome, const char *error)
{
    (void)ctx;
    n->acl->seeding = false;
    switch (outcome) {
    case SYSTEM_DONE:
        log_notice("the %zu ACL users of this node's configuration are the cluster's now",
                   n->acl->seed.n);
        break;
    case SYSTEM_CONFLICT:
        log_notice("the cluster has ACL users already: those of this node's configuration have no "
                   "effect");
        break;
    case SYSTEM_REFUSED:
    case SYSTEM_UNKNOWN:
        log_verbose("the ACL users of the configuration are not the cluster's yet: %s", error);
        break;
    }
}

void acl_cron(struct node *n)
{
    struct acl *a = n->acl;
    struct cluster_change *change;

    acl_log_cron(n);
    if (a->seed.n == 0 || a->seeding || !system_is_formed(n) ||
        cluster_state_map(system_state(n), CLUSTER_MAP_USERS)->revision > 0) {
        return;
    }
    change = mem_zalloc(sizeof *change);
    change->map = CLUSTER_MAP_USERS;
    change->conditional = true;
    copy_texts(&change->edits, &a->seed);
    a->seeding = true;
    (void)system_request(n, change, on_seeded, NULL);
}

/* ---- clients ------------------------------------------------------------------------------- */

bool acl_default_is_open(const struct node *n)
{
    return n->acl->default_user->on && n->acl->default_user->nopass;
}

void acl_greet(struct client *c)
{
    c->user = c->node->acl->default_user;
    c->flags &= ~(uint32_t)CLIENT_AUTHENTICATED;
    if (acl_default_is_open(c->node)) {
        c->flags |= CLIENT_AUTHENTICATED;
    }
}

bool acl_authenticate(struct client *c, const struct arg *user, const struct arg *password)
{
    static const struct arg default_name = {DEFAULT_NAME, DEFAULT_NAME_N};
    const struct arg *name = user == NULL ? &default_name : user;
    const struct entry *e = find(c->node->acl, name->p, name->n);
    bool right = e != NULL && (e->user->nopass || acl_user_has_password(e->user, password));

    if (e == NULL || !e->user->on || !right) {
        return false;
    }
    c->user = e->user;
    c->flags |= CLIENT_AUTHENTICATED;
    return true;
}

static const char *reason_text(enum acl_result r)
{
    return r == ACL_DENIED_KEY
               ? "this user has no permissions to access one of the keys used as arguments"
               : "this user has no permissions to access one of the channels used as arguments";
}

/* NULL: permitted. Else why not, in @buf (of @size bytes) or a static text. */
static const char *refusal(struct client *c, const struct command *command, const struct arg *argv,
                           int argc, enum acl_context context, char *buf, size_t size)
{
    int at;
    enum acl_result r = acl_user_check(c->user, command, argv, argc, &at);

    if (r == ACL_OK) {
        return NULL;
    }
    acl_log_refused(c, r, context, command, &argv[at]);
    if (r != ACL_DENIED_COMMAND) {
        return reason_text(r);
    }
    snprintf(buf, size, "this user has no permissions to run the '%s' command", command->full_name);
    return buf;
}

bool acl_permits(struct client *c, const struct command *command, const struct arg *argv, int argc,
                 struct resp_out *reply)
{
    enum acl_context context = c->flags & CLIENT_MULTI ? ACL_LOG_MULTI : ACL_LOG_TOPLEVEL;
    char buf[256];
    const char *why = refusal(c, command, argv, argc, context, buf, sizeof buf);

    if (why != NULL) {
        resp_errorf(reply, "NOPERM %s", why);
    }
    return why == NULL;
}

bool acl_still_permits(struct client *c, const struct command *command, const struct arg *argv,
                       int argc, struct resp_out *reply)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_DENIED_KEY] = "no permission to touch the specified keys",
        [ACL_DENIED_CHANNEL] = "no permission to access one of the channels used as arguments",
    };
    int at;
    enum acl_result r = acl_user_check(c->user, command, argv, argc, &at);

    if (r == ACL_OK) {
        return true;
    }
    acl_log_refused(c, r, ACL_LOG_MULTI, command, &argv[at]);
    resp_errorf(reply,
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
                "the EXEC call. This command is no longer allowed for the following reason: %s",
                reasons[r]);
    return false;
}

bool acl_may_use_channel(const struct client *c, const struct arg *channel, bool is_pattern)
{
    return acl_user_check_channel(c->user, channel, is_pattern);
}
