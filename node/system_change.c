/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_change.c - see node/system_change.h. */
#include "node/system_change.h"

#include "base/mem.h"
#include "node/client.h"
#include "node/node.h"
#include "node/system.h"
#include "node/system_request.h"

#include <stdlib.h>
#include <string.h>

/* A command under way; block_arg[0] of its client points to it. */
struct call {
    struct system_change s;
    system_make_fn *make;
    system_reply_fn *done;
    struct system_request *request;
    int64_t deadline_us;
};

static void on_outcome(struct node *n, void *ctx, enum system_outcome outcome, const char *error);

static void call_free(struct call *call)
{
    free((void *)(uintptr_t)call->s.argv);
    free(call);
}

/* Make the change and ask for it. False: the command has replied instead. */
static bool ask(struct call *call)
{
    struct node *n = call->s.node;
    struct cluster_change *change = mem_zalloc(sizeof *change);

    if (!call->make(&call->s, change)) {
        cluster_change_release(change);
        free(change);
        return false;
    }
    change->conditional = true;
    change->revision = cluster_state_map(system_state(n), change->map)->revision;
    call->request = system_request(n, change, on_outcome, call);
    return true;
}

/* Answered out of its turn: what EXEC's dispatcher does with a reply is done here. */
static void end_call(struct call *call, size_t from)
{
    struct client *c = call->s.client;
    const char *reply = buf_head(&c->out) + from;

    if (c->out.len > from && reply[0] == '-') {
        stats_error(&c->node->stats, reply, c->out.len - from, false);
    }
    c->flags &= ~(uint32_t)CLIENT_AWAITS_CHANGE;
    call_free(call);
    client_end_wait(c, from);
}

static void on_outcome(struct node *n, void *ctx, enum system_outcome outcome, const char *error)
{
    struct call *call = ctx;
    struct client *c = call->s.client;
    size_t from = c->out.len;

    call->request = NULL;
    switch (outcome) {
    case SYSTEM_DONE:
        if (call->done != NULL) {
            call->done(&call->s);
        } else {
            resp_status(call->s.reply, "OK");
        }
        break;
    case SYSTEM_CONFLICT:
        if (n->now_us < call->deadline_us && ask(call)) {
            return;
        }
        if (c->out.len == from) {
            resp_error(call->s.reply,
                       "TRYAGAIN Others go on changing the same: nothing was changed");
        }
        break;
    case SYSTEM_REFUSED:
        resp_error(call->s.reply, error);
        break;
    case SYSTEM_UNKNOWN:
        client_close(c); /* which frees the call */
        return;
    }
    end_call(call, from);
}

/* It ends by its outcome alone, or with its client. */
static bool goes_on(struct client *c, bool timed_out, bool gone)
{
    struct call *call = (struct call *)(uintptr_t)c->block_arg[0];

    (void)timed_out;
    if (gone) {
        if (call->request != NULL) {
            system_request_forget(call->request);
        }
        call_free(call);
    }
    return false;
}

void system_change(struct cmd *c, system_make_fn *make, system_reply_fn *done)
{
    struct client *client = c->client;
    struct call *call;
    struct arg *argv;

    if (c->in_exec) {
        resp_errorf(c->reply,
                    "ERR %s changes the whole cluster, and cannot be part of a transaction",
                    c->command->full_name);
        return;
    }
    argv = cmd_copy_args(c->argv, c->argc, NULL);
    if (argv == NULL) {
        resp_error(c->reply, "OOM the command is too large");
        return;
    }
    call = mem_zalloc(sizeof *call);
    call->s = (struct system_change){c->node, client, argv, c->argc, &client->reply, 0};
    call->make = make;
    call->done = done;
    call->deadline_us = c->node->now_us + c->node->config.outcome_wait_timeout * 1000;
    if (!ask(call)) {
        call_free(call);
        return;
    }
    client->flags |= CLIENT_AWAITS_CHANGE;
    client->block_arg[0] = (uint64_t)(uintptr_t)call;
    client_wait(client, goes_on, 0);
}
