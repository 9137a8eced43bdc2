/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_connection.c - AUTH, HELLO, PING, ECHO, QUIT, RESET, SELECT, READONLY,
 * READWRITE, ASKING. Source: the Redis command pages. */
#include "base/mem.h"
#include "base/num.h"
#include "node/acl.h"
#include "node/command/client_name.h"
#include "node/command/handlers.h"
#include "node/exec.h"
#include "node/monitor.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/tracking.h"
#include "node/txn.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A subscriber of RESP2 expects messages only, so that is what its PONG looks like. */
static void pong_message(struct cmd *c)
{
    resp_array(c->reply, 2);
    resp_bulk_str(c->reply, "pong");
    resp_bulk(c->reply, c->argc == 2 ? c->argv[1].p : "", c->argc == 2 ? c->argv[1].n : 0);
}

void cmd_ping(struct cmd *c)
{
    if (c->argc > 2) {
        cmd_reply_arity_error(c);
    } else if ((c->client->flags & CLIENT_PUBSUB) && c->reply->version < 3) {
        pong_message(c);
    } else if (c->argc == 2) {
        resp_bulk(c->reply, c->argv[1].p, c->argv[1].n);
    } else {
        resp_status(c->reply, "PONG");
    }
}

void cmd_echo(struct cmd *c) { resp_bulk(c->reply, c->argv[1].p, c->argv[1].n); }

void cmd_quit(struct cmd *c)
{
    cmd_reply_ok(c);
    client_close_after_reply(c->client);
}

void cmd_select(struct cmd *c)
{
    int64_t db;

    if (!cmd_arg_i64(c, 1, &db, NULL)) {
        return;
    }
    if (db < INT_MIN || db > INT_MAX) {
        resp_errorf(c->reply, "ERR value is out of range, value must between %d and %d", INT_MIN,
                    INT_MAX);
        return;
    }
    if (c->node->config.cluster_enabled && db != 0) {
        resp_error(c->reply, "ERR SELECT is not allowed in cluster mode");
        return;
    }
    if (db < 0 || db >= c->node->config.databases) {
        resp_error(c->reply, "ERR DB index is out of range");
        return;
    }
    c->client->db = (uint32_t)db;
    cmd_reply_ok(c);
}

/* ---- authentication ------------------------------------------------------------------------ */

/* True when @user and @password are right; else replies. */
static bool authenticate(struct cmd *c, const struct arg *user, const struct arg *password)
{
    static const struct arg default_name = {"default", 7};

    if (acl_authenticate(c->client, user, password)) {
        return true;
    }
    acl_log_denied(c->client, ACL_LOG_AUTH, c->in_exec ? ACL_LOG_MULTI : ACL_LOG_TOPLEVEL,
                   &c->argv[0], user == NULL ? &default_name : user);
    resp_error(c->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void cmd_auth(struct cmd *c)
{
    if (c->argc > 3) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (c->argc == 2 && acl_default(c->node)->nopass) {
        resp_error(c->reply, "ERR AUTH <password> called without any password configured for the "
                             "default user. Are you sure your configuration is correct?");
        return;
    }
    if (authenticate(c, c->argc == 3 ? &c->argv[1] : NULL, &c->argv[c->argc - 1])) {
        cmd_reply_ok(c);
    }
}

/* ---- HELLO --------------------------------------------------------------------------------- */

static void reply_hello(struct cmd *c)
{
    struct node *n = c->node;
    bool leads = groups_lead(n);

    resp_map(c->reply, 7);
    resp_bulk_str(c->reply, "server");
    resp_bulk_str(c->reply, "redis");
    resp_bulk_str(c->reply, "version");
    resp_bulk_str(c->reply, NODE_REDIS_VERSION);
    resp_bulk_str(c->reply, "proto");
    resp_int(c->reply, c->reply->version);
    resp_bulk_str(c->reply, "id");
    resp_int(c->reply, (int64_t)c->client->id);
    resp_bulk_str(c->reply, "mode");
    resp_bulk_str(c->reply, n->config.cluster_enabled ? "cluster" : "standalone");
    resp_bulk_str(c->reply, "role");
    resp_bulk_str(c->reply, leads ? "master" : "replica");
    resp_bulk_str(c->reply, "modules");
    resp_array(c->reply, 0);
}

struct hello {
    const struct arg *user, *password, *name;
};

/* Options behind the version; false: replied. */
static bool parse_hello(struct cmd *c, struct hello *h)
{
    for (int i = 2; i < c->argc; i++) {
        int left = c->argc - 1 - i;

        if (arg_is(&c->argv[i], "AUTH") && left >= 2) {
            h->user = &c->argv[i + 1];
            h->password = &c->argv[i + 2];
            i += 2;
        } else if (arg_is(&c->argv[i], "SETNAME") && left >= 1) {
            h->name = &c->argv[++i];
            if (!client_name_ok(c, h->name)) {
                return false;
            }
        } else {
            resp_errorf(c->reply, "ERR Syntax error in HELLO option '%.*s'",
                        (int)MIN_OF(c->argv[i].n, 128u), c->argv[i].p);
            return false;
        }
    }
    return true;
}

void cmd_hello(struct cmd *c)
{
    struct client *client = c->client;
    struct hello h = {0};
    int64_t version = client->reply.version;

    if (c->argc >= 2) {
        if (!cmd_arg_i64(c, 1, &version,
                         "ERR Protocol version is not an integer or out of range")) {
            return;
        }
        if (version != 2 && version != 3) {
            resp_error(c->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!parse_hello(c, &h)) {
        return;
    }
    if (h.password != NULL && !authenticate(c, h.user, h.password)) {
        return;
    }
    if (exec_needs_auth(client)) {
        resp_error(c->reply, "NOAUTH HELLO must be called with the client already authenticated, "
                             "otherwise the HELLO AUTH <user> <pass> option can be used to "
                             "authenticate the client and select the RESP protocol version at the "
                             "same time");
        return;
    }
    if (h.name != NULL) {
        client_set_name(client, h.name);
    }
    c->reply->version = (uint8_t)version;
    client->reply.version = (uint8_t)version;
    reply_hello(c);
}

void cmd_reset(struct cmd *c)
{
    struct client *client = c->client;

    txn_discard(client);
    pubsub_clear(client);
    tracking_disable(client);
    monitor_end(client);
    client->flags &= ~(uint32_t)(CLIENT_READONLY | CLIENT_ASKING | CLIENT_REPLY_OFF |
                                 CLIENT_REPLY_SKIP_NEXT | CLIENT_CAN_REDIRECT | CLIENT_NO_TOUCH |
                                 CLIENT_NO_EVICT); /* a SKIP is for this reply itself */
    acl_greet(client);
    client->db = 0;
    free(client->name);
    client->name = NULL;
    client->reply.version = 2;
    c->reply->version = 2;
    resp_status(c->reply, "RESET");
}

/* ---- cluster-aware clients ----------------------------------------------------------------- */

static bool cluster_only(struct cmd *c)
{
    if (!c->node->config.cluster_enabled) {
        resp_error(c->reply, "ERR This instance has cluster support disabled");
        return false;
    }
    return true;
}

/* There are replicas to read from without slots as well, for those who ask to be redirected. */
static bool can_be_sent_away(struct cmd *c)
{
    return (c->client->flags & CLIENT_CAN_REDIRECT) != 0 || cluster_only(c);
}

void cmd_readonly(struct cmd *c)
{
    if (can_be_sent_away(c)) {
        c->client->flags |= CLIENT_READONLY;
        cmd_reply_ok(c);
    }
}

void cmd_readwrite(struct cmd *c)
{
    if (can_be_sent_away(c)) {
        c->client->flags &= ~(uint32_t)CLIENT_READONLY;
        cmd_reply_ok(c);
    }
}

/* The next command may address a slot that is being imported. */
void cmd_asking(struct cmd *c)
{
    if (cluster_only(c)) {
        c->client->flags |= CLIENT_ASKING;
        cmd_reply_ok(c);
    }
}
