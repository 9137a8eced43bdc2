/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_client.c - CLIENT. Source: the Redis command pages. */
#include "base/mem.h"
#include "base/num.h"
#include "node/acl.h"
#include "node/command/client_name.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/tracking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names --------------------------------------------------------------------------------- */

static bool is_printable(const struct arg *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->p[i] < '!' || a->p[i] > '~') {
            return false;
        }
    }
    return true;
}

static void set_text(char **field, const struct arg *a)
{
    free(*field);
    *field = NULL;
    if (a->n > 0) {
        *field = mem_alloc(a->n + 1);
        memcpy(*field, a->p, a->n);
        (*field)[a->n] = '\0';
    }
}

bool client_name_ok(struct cmd *c, const struct arg *name)
{
    if (is_printable(name)) {
        return true;
    }
    resp_error(c->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

void client_set_name(struct client *c, const struct arg *name) { set_text(&c->name, name); }

void cmd_client_setname(struct cmd *c)
{
    if (client_name_ok(c, &c->argv[2])) {
        client_set_name(c->client, &c->argv[2]);
        cmd_reply_ok(c);
    }
}

void cmd_client_getname(struct cmd *c)
{
    if (c->client->name == NULL) {
        resp_null(c->reply);
    } else {
        resp_bulk_str(c->reply, c->client->name);
    }
}

void cmd_client_setinfo(struct cmd *c)
{
    char **field;
    const char *what;

    if (arg_is(&c->argv[2], "lib-name")) {
        field = &c->client->lib_name;
        what = "lib-name";
    } else if (arg_is(&c->argv[2], "lib-ver")) {
        field = &c->client->lib_ver;
        what = "lib-ver";
    } else {
        resp_errorf(c->reply, "ERR Unrecognized option '%.*s'", (int)MIN_OF(c->argv[2].n, 128u),
                    c->argv[2].p);
        return;
    }
    if (!is_printable(&c->argv[3])) {
        resp_errorf(c->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                    what);
        return;
    }
    set_text(field, &c->argv[3]);
    cmd_reply_ok(c);
}

void cmd_client_id(struct cmd *c) { resp_int(c->reply, (int64_t)c->client->id); }

/* ---- describing ---------------------------------------------------------------------------- */

static void flag_letters(const struct client *c, char *out)
{
    uint32_t tracking = c->tracking == NULL ? 0 : c->tracking->flags;
    const struct {
        bool is;
        char letter;
    } letters[] = {
        {(c->flags & CLIENT_MONITOR) != 0, 'O'},
        {(c->flags & CLIENT_PUBSUB) != 0, 'P'},
        {(c->flags & CLIENT_MULTI) != 0, 'x'},
        {(c->flags & (CLIENT_BLOCKED | CLIENT_PARKED | CLIENT_PAUSED)) != 0, 'b'},
        {c->tracking != NULL, 't'},
        {(tracking & TRACKING_BROKEN) != 0, 'R'},
        {(tracking & TRACKING_BCAST) != 0, 'B'},
        {(c->flags & CLIENT_DIRTY_CAS) != 0, 'd'},
        {(c->flags & CLIENT_CLOSE_AFTER) != 0, 'c'},
        {(c->flags & CLIENT_CLOSE_ASAP) != 0, 'A'},
        {(c->flags & CLIENT_READONLY) != 0, 'r'},
        {(c->flags & CLIENT_NO_EVICT) != 0, 'e'},
        {(c->flags & CLIENT_NO_TOUCH) != 0, 'T'},
    };
    char *p = out;

    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        if (letters[i].is) {
            *p++ = letters[i].letter;
        }
    }
    if (p == out) {
        *p++ = 'N';
    }
    *p = '\0';
}

static void print_addr(struct buf *out, const char *field, const char *ip, uint16_t port)
{
    bool v6 = strchr(ip, ':') != NULL;

    buf_printf(out, " %s=%s%s%s:%u", field, v6 ? "[" : "", ip, v6 ? "]" : "", port);
}

void client_describe(const struct client *c, struct buf *out)
{
    int64_t now_us = c->node->now_us;
    int64_t now_ms = c->node->now_wall_ms;
    size_t argv_mem = c->parser.cap_argv * sizeof(struct arg);
    char flags[16];

    flag_letters(c, flags);
    buf_printf(out, "id=%llu", (unsigned long long)c->id);
    print_addr(out, "addr", c->ip, c->port);
    print_addr(out, "laddr", c->local_ip, c->local_port);
    buf_printf(out,
               " fd=%d name=%s age=%lld idle=%lld flags=%s db=%u sub=%u psub=%u ssub=%u multi=%d "
               "watch=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu rbp=%zu obl=0 "
               "oll=%u omem=%zu tot-mem=%zu events=%s cmd=%s user=%s redir=%lld resp=%u "
               "lib-name=%s lib-ver=%s",
               c->fd, c->name == NULL ? "" : c->name,
               (long long)((now_ms - c->created_wall_ms) / 1000),
               (long long)((now_us - c->last_active_us) / 1000000), flags, c->db,
               c->n_subs[SUB_CHANNEL], c->n_subs[SUB_PATTERN], c->n_subs[SUB_SHARD],
               (c->flags & CLIENT_MULTI) ? c->n_queued : -1, link_is_in(&c->watched) ? 1 : 0,
               c->in.len, c->in.cap - c->in.len, argv_mem, c->queued_bytes, c->out.cap, c->out.len,
               c->seg_n, c->out.len, client_memory(c), ev_is_active(&c->writer) ? "rw" : "r",
               c->last_command == NULL ? "NULL" : c->last_command->full_name, c->user->name,
               c->tracking == NULL ? -1LL : (long long)c->tracking->redirect, c->reply.version,
               c->lib_name == NULL ? "" : c->lib_name, c->lib_ver == NULL ? "" : c->lib_ver);
}

void cmd_client_info(struct cmd *c)
{
    struct buf out;

    buf_init(&out);
    client_describe(c->client, &out);
    buf_append(&out, "\n", 1);
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
}

/* Client types as CLIENT LIST and KILL name them. Replicas are peers here, and not clients. Returns
 * an enum client_class, or -1: unknown, replied. */
static int parse_type(struct cmd *c, const struct arg *a)
{
    static const struct {
        const char *name;
        enum client_class class;
    } types[] = {
        {"normal", CLASS_NORMAL},   {"pubsub", CLASS_PUBSUB},   {"master", CLASS_REPLICA},
        {"primary", CLASS_REPLICA}, {"replica", CLASS_REPLICA}, {"slave", CLASS_REPLICA},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (arg_is(a, types[i].name)) {
            return (int)types[i].class;
        }
    }
    resp_errorf(c->reply, "ERR Unknown client type '%.*s'", (int)MIN_OF(a->n, 128u), a->p);
    return -1;
}

static void describe_line(struct client *c, struct buf *out)
{
    client_describe(c, out);
    buf_append(out, "\n", 1);
}

/* @type: an enum client_class, or -1: all. */
static void list_type(struct node *n, int type, struct buf *out)
{
    for (struct link *l = n->clients.all.next; l != &n->clients.all; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        if ((c->flags & CLIENT_CLOSE_ASAP) == 0 && (type < 0 || (int)client_class_of(c) == type)) {
            describe_line(c, out);
        }
    }
}

/* LIST ID id ...; false: replied. */
static bool list_ids(struct cmd *c, struct buf *out)
{
    for (int i = 3; i < c->argc; i++) {
        int64_t id;
        struct client *found;

        if (!cmd_arg_i64(c, i, &id, "ERR Invalid client ID")) {
            return false;
        }
        found = id > 0 ? client_by_id(c->node, (uint64_t)id) : NULL;
        if (found != NULL) {
            describe_line(found, out);
        }
    }
    return true;
}

void cmd_client_list(struct cmd *c)
{
    struct buf out;
    bool ok = true;

    buf_init(&out);
    if (c->argc == 2) {
        list_type(c->node, -1, &out);
    } else if (c->argc == 4 && arg_is(&c->argv[2], "type")) {
        int type = parse_type(c, &c->argv[3]);

        ok = type >= 0;
        if (ok) {
            list_type(c->node, type, &out);
        }
    } else if (c->argc > 3 && arg_is(&c->argv[2], "id")) {
        ok = list_ids(c, &out);
    } else {
        cmd_reply_syntax_error(c);
        ok = false;
    }
    if (ok) {
        resp_verbatim(c->reply, "txt", out.len == 0 ? "" : buf_head(&out), out.len);
    }
    buf_release(&out);
}

/* ---- killing ------------------------------------------------------------------------------- */

struct kill_filter {
    const struct arg *addr, *laddr;
    int64_t id, max_age;
    int type;                    /* -1: any */
    const struct acl_user *user; /* NULL: any */
    bool skip_me;
};

static bool addr_is(const struct arg *a, const char *ip, uint16_t port)
{
    char text[NET_HOST_MAX + 16];
    bool v6 = strchr(ip, ':') != NULL;
    int n = snprintf(text, sizeof text, "%s%s%s:%u", v6 ? "[" : "", ip, v6 ? "]" : "", port);

    return (size_t)n == a->n && memcmp(text, a->p, a->n) == 0;
}

static bool matches(const struct client *c, const struct kill_filter *f)
{
    int64_t age = (c->node->now_wall_ms - c->created_wall_ms) / 1000;

    return (f->addr == NULL || addr_is(f->addr, c->ip, c->port)) &&
           (f->laddr == NULL || addr_is(f->laddr, c->local_ip, c->local_port)) &&
           (f->id == 0 || (uint64_t)f->id == c->id) && (f->max_age == 0 || age >= f->max_age) &&
           (f->type < 0 || (int)client_class_of(c) == f->type) &&
           (f->user == NULL || f->user == c->user);
}

static int64_t kill_matching(struct cmd *c, const struct kill_filter *f)
{
    struct clients *all = &c->node->clients;
    int64_t killed = 0;

    for (struct link *l = all->all.next; l != &all->all; l = l->next) {
        struct client *other = CONTAINER_OF(l, struct client, all_link);

        if ((other->flags & CLIENT_CLOSE_ASAP) || !matches(other, f) ||
            (other == c->client && f->skip_me)) {
            continue;
        }
        if (other == c->client) {
            client_close_after_reply(other);
        } else {
            client_close(other);
        }
        killed++;
    }
    return killed;
}

/* Option @name with value @v; false: replied. */
static bool parse_kill_option(struct cmd *c, int i, struct kill_filter *f)
{
    const struct arg *name = &c->argv[i];
    const struct arg *v = &c->argv[i + 1];

    if (arg_is(name, "id")) {
        return cmd_arg_range(c, i + 1, 1, INT64_MAX, &f->id,
                             "ERR client-id should be greater than 0");
    }
    if (arg_is(name, "maxage")) {
        return cmd_arg_range(c, i + 1, 1, INT64_MAX, &f->max_age,
                             "ERR maxage should be greater than 0");
    }
    if (arg_is(name, "type")) {
        f->type = parse_type(c, v);
        return f->type >= 0;
    }
    if (arg_is(name, "addr")) {
        f->addr = v;
        return true;
    }
    if (arg_is(name, "laddr")) {
        f->laddr = v;
        return true;
    }
    if (arg_is(name, "user")) {
        f->user = acl_find(c->node, v->p, v->n);
        if (f->user == NULL) {
            resp_errorf(c->reply, "ERR No such user '%.*s'", (int)MIN_OF(v->n, 128u), v->p);
        }
        return f->user != NULL;
    }
    if (arg_is(name, "skipme") && (arg_is(v, "yes") || arg_is(v, "no"))) {
        f->skip_me = arg_is(v, "yes");
        return true;
    }
    cmd_reply_syntax_error(c);
    return false;
}

void cmd_client_kill(struct cmd *c)
{
    struct kill_filter f = {.type = -1, .skip_me = true};

    if (c->argc == 3) { /* the old form: CLIENT KILL addr */
        f.addr = &c->argv[2];
        f.skip_me = false;
        if (kill_matching(c, &f) > 0) {
            cmd_reply_ok(c);
        } else {
            resp_error(c->reply, "ERR No such client");
        }
        return;
    }
    for (int i = 2; i < c->argc; i += 2) {
        if (i + 1 == c->argc) {
            cmd_reply_syntax_error(c); /* the last filter has no value */
            return;
        }
        if (!parse_kill_option(c, i, &f)) {
            return;
        }
    }
    resp_int(c->reply, kill_matching(c, &f));
}

/* ---- pausing, unblocking ------------------------------------------------------------------- */

void cmd_client_pause(struct cmd *c)
{
    struct clients *all = &c->node->clients;
    int64_t ms;
    bool writes_only = false;

    if (c->argc == 4) {
        writes_only = arg_is(&c->argv[3], "WRITE");
        if (!writes_only && !arg_is(&c->argv[3], "ALL")) {
            resp_error(c->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    } else if (c->argc > 4) {
        cmd_reply_subcommand_error(c);
        return;
    }
    if (!cmd_arg_i64(c, 2, &ms, "ERR timeout is not an integer or out of range")) {
        return;
    }
    if (ms < 0) {
        resp_error(c->reply, "ERR timeout is negative");
        return;
    }
    ms = MIN_OF(ms, INT64_MAX - c->now_ms);
    /* A pause in force gets no shorter and no weaker. */
    if (all->pause_until_ms > c->now_ms) {
        writes_only = writes_only && all->pause_writes_only;
    }
    all->pause_until_ms = MAX_OF(all->pause_until_ms, c->now_ms + ms);
    all->pause_writes_only = writes_only;
    cmd_reply_ok(c);
}

void cmd_client_unpause(struct cmd *c)
{
    c->node->clients.pause_until_ms = 0;
    clients_check_deadlines(c->node);
    cmd_reply_ok(c);
}

void cmd_client_unblock(struct cmd *c)
{
    struct client *other;
    bool with_error = false;
    int64_t id;

    if (c->argc == 4) {
        with_error = arg_is(&c->argv[3], "error");
        if (!with_error && !arg_is(&c->argv[3], "timeout")) {
            resp_error(c->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
            return;
        }
    } else if (c->argc > 4) {
        cmd_reply_subcommand_error(c);
        return;
    }
    if (!cmd_arg_i64(c, 2, &id, NULL)) {
        return;
    }
    other = id > 0 ? client_by_id(c->node, (uint64_t)id) : NULL;
    resp_int(c->reply, other != NULL && client_unblock(other, with_error) ? 1 : 0);
}

/* ---- switches ------------------------------------------------------------------------------ */

void cmd_client_reply(struct cmd *c)
{
    struct client *client = c->client;

    if (arg_is(&c->argv[2], "on")) {
        client->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT);
        cmd_reply_ok(c);
    } else if (arg_is(&c->argv[2], "off")) {
        client->flags |= CLIENT_REPLY_OFF;
    } else if (arg_is(&c->argv[2], "skip")) {
        if ((client->flags & CLIENT_REPLY_OFF) == 0) {
            client->flags |= CLIENT_REPLY_SKIP_NEXT;
        }
    } else {
        cmd_reply_syntax_error(c);
    }
}

/* What the client can do; what is not known here it may say as well. */
void cmd_client_capa(struct cmd *c)
{
    for (int i = 2; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "redirect")) {
            c->client->flags |= CLIENT_CAN_REDIRECT;
        }
    }
    cmd_reply_ok(c);
}

static void set_flag(struct cmd *c, uint32_t flag)
{
    if (arg_is(&c->argv[2], "on")) {
        c->client->flags |= flag;
        cmd_reply_ok(c);
    } else if (arg_is(&c->argv[2], "off")) {
        c->client->flags &= ~flag;
        cmd_reply_ok(c);
    } else {
        cmd_reply_syntax_error(c);
    }
}

void cmd_client_no_evict(struct cmd *c) { set_flag(c, CLIENT_NO_EVICT); }

void cmd_client_no_touch(struct cmd *c) { set_flag(c, CLIENT_NO_TOUCH); }

void cmd_client_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Say whether the keys of the next command are tracked (OPTIN, OPTOUT).",
        "CAPA <capability> [<capability> ...]",
        "    Say what this connection's client can do: REDIRECT, to be sent to the leader where "
        "there",
        "    are no slots.",
        "GETNAME",
        "    Return the name of this connection.",
        "GETREDIR",
        "    Return the client id to which tracking is redirected, or -1.",
        "ID",
        "    Return the id of this connection.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections. Options are:",
        "    * ADDR <ip:port>",
        "      Made from that address.",
        "    * LADDR <ip:port>",
        "      Made to that address.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Of that kind.",
        "    * USER <username>",
        "      Authenticated as that user.",
        "    * SKIPME (YES|NO)",
        "      Leave out this connection (default: yes).",
        "    * ID <client-id>",
        "      With that id.",
        "    * MAXAGE <seconds>",
        "      Older than that.",
        "LIST [options ...]",
        "    Describe connections, one line each. Options are:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Of that kind.",
        "    * ID <client-id> [<client-id> [...]]",
        "      With these ids.",
        "UNPAUSE",
        "    End a pause.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold commands of all clients, or only writes, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Switch replies to this connection on or off, or leave out the next one.",
        "SETNAME <name>",
        "    Name this connection.",
        "SETINFO <option> <value>",
        "    Say which library this connection uses. Options are:",
        "    * LIB-NAME",
        "    * LIB-VER",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] "
        "[NOLOOP]",
        "    Switch messages about keys that have changed on or off.",
        "TRACKINGINFO",
        "    Say how this connection tracks keys.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Unblock a client that waits in a blocking command.",
        "NO-EVICT (ON|OFF)",
        "    Protect this connection from client eviction.",
        "NO-TOUCH (ON|OFF)",
        "    Let this connection's commands leave the keys' access time alone.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
