/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_request.h - changes of the cluster's users and functions, asked for by this node.
 *
 * Any node may ask. The change goes to the system group's leader, here or elsewhere, and again to
 * the next one when leadership changes; requests have numbers, so that what stands in the log twice
 * is carried out once (cluster/state.h). It is done when it is committed and applied *here*:
 * whoever is told so finds it in system_state().
 *
 * One request of a node is under way at a time, the others queue up in order. */
#ifndef NODE_SYSTEM_REQUEST_H
#define NODE_SYSTEM_REQUEST_H

#include "cluster/texts.h"

struct node;

enum system_outcome {
    SYSTEM_DONE,     /* committed, and applied here */
    SYSTEM_CONFLICT, /* the map's revision was another one: surely not carried out */
    SYSTEM_REFUSED,  /* surely not carried out; the error says why */
    SYSTEM_UNKNOWN,  /* not decided in time: it may still happen, or may have happened */
};

/* @error: what a client is told, code included; "" unless REFUSED. */
typedef void system_request_fn(struct node *n, void *ctx, enum system_outcome outcome,
                               const char *error);

struct system_request;

/* Ask for @change, which is taken (one allocation of its own, as by mem_zalloc(), and its edits).
 * @done is called exactly once, and never before this returns, unless the request is forgotten. At
 * the latest, after election-wait-timeout when no leader was known, else after
 * outcome-wait-timeout.
 */
struct system_request *system_request(struct node *n, struct cluster_change *change,
                                      system_request_fn *done, void *ctx);
/* Nobody waits for it any more: its @done is not called. It may still be carried out. */
void system_request_forget(struct system_request *r);

/* Look what has become of the requests, send again what may be lost. Cheap when there are none. */
void system_requests_advance(struct node *n);
void system_requests_new_leader(struct node *n);

struct system_requests *system_requests_new(void);
void system_requests_free(struct system_requests *s); /* no @done is called; NULL is allowed */

#endif
