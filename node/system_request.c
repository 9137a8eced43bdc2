/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_request.c - see node/system_request.h.
 *
 *   QUEUED --head of the queue, leader known--> SENT --outcome in the state--> done
 *     |                                          |
 *     +--election-wait-timeout,                  +--outcome-wait-timeout--> UNKNOWN
 *        or the cluster's feature level
 *        does not allow it--> REFUSED
 *
 * A request gets its number when it is first sent: numbers in the log rise as long as no two are
 * under way. A number is above all that this node's state knows, and above those of an earlier run
 * that may still be on their way, since it begins at the clock. */
#include "node/system_request.h"

#include "base/mem.h"
#include "node/node.h"
#include "node/system.h"

#include <stdlib.h>

#define RESEND_FIRST_US 500000
#define RESEND_MAX_US 4000000

struct system_request {
    struct link link;
    struct cluster_command command; /* .request: 0 until it was sent */
    system_request_fn *done;        /* NULL: forgotten */
    void *ctx;
    int64_t created_us;
    int64_t send_at_us, resend_after_us;
};

struct system_requests {
    struct link queue;
    uint64_t last; /* number given */
    bool advancing;
    char error[CLUSTER_LEVEL_TEXT_MAX]; /* of the request that is just refused */
};

struct system_requests *system_requests_new(void)
{
    struct system_requests *s = mem_zalloc(sizeof *s);

    link_init(&s->queue);
    return s;
}

static void request_free(struct system_request *r)
{
    link_remove(&r->link);
    cluster_command_release(&r->command);
    free(r);
}

static struct system_request *head_of(struct system_requests *s)
{
    return link_is_in(&s->queue) ? CONTAINER_OF(s->queue.next, struct system_request, link) : NULL;
}

void system_requests_free(struct system_requests *s)
{
    struct system_request *r;

    if (s == NULL) {
        return;
    }
    while ((r = head_of(s)) != NULL) {
        request_free(r);
    }
    free(s);
}

void system_request_forget(struct system_request *r)
{
    r->done = NULL;
    r->ctx = NULL;
}

static uint64_t next_number(const struct node *n, uint64_t self)
{
    const struct cluster_outcome *o = cluster_state_outcome(system_state(n), self);
    uint64_t least = n->requests->last;

    if (o != NULL) {
        least = MAX_OF(least, o->request);
    }
    return MAX_OF(least + 1, (uint64_t)n->now_wall_ms * 1000);
}

/* Some nodes could not read it in the log. @error then says so. */
static bool is_too_new(const struct node *n, const struct system_request *r)
{
    return system_is_formed(n) &&
           cluster_lacks_level(system_state(n), cluster_command_level(&r->command),
                               n->requests->error);
}

/* Once it has a number it may be in the log, unless it went nowhere. */
static void send_request(struct node *n, struct system_request *r)
{
    uint64_t self = raft_host_identity(n->host)->node;
    bool is_new = r->command.request == 0;

    if (n->now_us < r->send_at_us || !system_is_formed(n) || self == 0 ||
        (is_new && is_too_new(n, r))) {
        return;
    }
    if (is_new) {
        r->command.number = self;
        r->command.request = next_number(n, self);
    }
    if (system_propose(n, &r->command)) {
        n->requests->last = r->command.request;
        r->resend_after_us = r->resend_after_us == 0
                                 ? RESEND_FIRST_US
                                 : MIN_OF(r->resend_after_us * 2, (int64_t)RESEND_MAX_US);
        r->send_at_us = n->now_us + r->resend_after_us;
    } else if (is_new) {
        r->command.request = 0;
    }
}

struct system_request *system_request(struct node *n, struct cluster_change *change,
                                      system_request_fn *done, void *ctx)
{
    struct system_request *r = mem_zalloc(sizeof *r);

    link_init(&r->link);
    r->command = (struct cluster_command){.type = CLUSTER_CMD_CHANGE, .change = change};
    r->done = done;
    r->ctx = ctx;
    r->created_us = n->now_us;
    link_append(&n->requests->queue, &r->link);
    if (head_of(n->requests) == r) {
        send_request(n, r);
    }
    return r;
}

/* True when the fate of @r is known, or nobody waits for it any longer. */
static bool is_decided(const struct node *n, const struct system_request *r,
                       enum system_outcome *outcome, const char **error)
{
    const struct cluster_outcome *o = cluster_state_outcome(system_state(n), r->command.number);
    int64_t waited_us = n->now_us - r->created_us;
    bool sent = r->command.request != 0;

    *error = "";
    if (sent && o != NULL && o->request > r->command.request) {
        *outcome = SYSTEM_UNKNOWN; /* overtaken by a request of an earlier run */
    } else if (sent && o != NULL && o->request == r->command.request) {
        *outcome = o->result == CLUSTER_OK             ? SYSTEM_DONE
                   : o->result == CLUSTER_ERR_CONFLICT ? SYSTEM_CONFLICT
                                                       : SYSTEM_REFUSED;
        if (*outcome == SYSTEM_REFUSED) {
            *error = o->result == CLUSTER_ERR_FULL ? "ERR the cluster has no room for it: limit of "
                                                     "entries or bytes reached"
                                                   : "ERR the change is not valid";
        }
    } else if (!sent && is_too_new(n, r)) {
        *outcome = SYSTEM_REFUSED;
        *error = n->requests->error;
    } else if (!sent && waited_us >= n->config.election_wait_timeout * 1000) {
        *outcome = SYSTEM_REFUSED;
        *error = "CLUSTERDOWN The system group has no leader: nothing was changed";
    } else if (sent && waited_us >= n->config.outcome_wait_timeout * 1000) {
        *outcome = SYSTEM_UNKNOWN;
    } else {
        return false;
    }
    return true;
}

static void finish(struct node *n, struct system_request *r, enum system_outcome outcome,
                   const char *error)
{
    system_request_fn *done = r->done;
    void *ctx = r->ctx;

    request_free(r);
    if (done != NULL) {
        done(n, ctx, outcome, error);
    }
}

void system_requests_advance(struct node *n)
{
    struct system_requests *s = n->requests;
    struct system_request *r;
    bool goes_on = true;

    if (s->advancing || !link_is_in(&s->queue)) {
        return;
    }
    s->advancing = true;
    while (goes_on && (r = head_of(s)) != NULL) {
        enum system_outcome outcome;
        const char *error;

        send_request(n, r);
        goes_on = is_decided(n, r, &outcome, &error);
        if (goes_on) {
            finish(n, r, outcome, error);
        }
    }
    s->advancing = false;
}

void system_requests_new_leader(struct node *n)
{
    struct system_request *r = head_of(n->requests);

    if (r != NULL) {
        r->send_at_us = 0;
        r->resend_after_us = 0;
        system_requests_advance(n);
    }
}
