/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/tracking.h - CLIENT TRACKING: clients that keep copies of values are told when to drop them.
 *
 *   a tracking client reads       tracking_remember(): key -> ids of clients
 *   the key changes, leader       tracking_changed(): the entry is taken out and becomes news of
 * the batch (node/news.h), so that who reads the new value before it is committed is remembered
 * anew the key changes, follower     what is applied is committed: told at once the batch is
 * committed        tracking_tell(), in the turn that knows it everything is replaced
 * tracking_reset(): all drop all. Flushes; and a group whose state is rebuilt or comes as a
 * snapshot, for which changes nobody has seen
 *
 * A node goes on seeing the changes of a group when it no longer leads it, since followers apply
 * them: who tracks here need not be told of a change of leaders. Databases are not told apart.
 *
 * With BCAST a client names prefixes instead; keys that change are gathered for a turn.
 * Invalidations may be more than needed, never fewer. Exec thread only. Source: the Redis
 * documentation on client-side caching. */
#ifndef NODE_TRACKING_H
#define NODE_TRACKING_H

#include "node/client.h"

struct tracking;
struct tracked; /* a key and who has read it */

struct tracking *tracking_new(void);
void tracking_free(struct tracking *t); /* nobody tracks any more; NULL is allowed */

/* ---- clients ------------------------------------------------------------------------------- */

enum {
    TRACKING_BCAST = 1u << 0,
    TRACKING_OPTIN = 1u << 1,
    TRACKING_OPTOUT = 1u << 2,
    TRACKING_NOLOOP = 1u << 3,
    TRACKING_CACHING = 1u << 4, /* CLIENT CACHING, for the next command */
    TRACKING_BROKEN = 1u << 5,  /* the client it redirects to is gone */
};

struct client_tracking {
    uint32_t flags;
    uint64_t redirect; /* client id; 0: to itself */
    struct client *client;
    struct link all_link;            /* of all that track */
    struct prefix_client **prefixes; /* BCAST; in order of their bytes */
    size_t n_prefixes;
};

/* Switch it on, or change its options: flags and redirection become these, prefixes are added
 * (BCAST without any: the empty one). They must not overlap with each other or those there are. */
void tracking_enable(struct client *c, uint32_t flags, uint64_t redirect,
                     const struct arg *prefixes, size_t n);
void tracking_disable(struct client *c); /* also when it is off */
struct arg tracking_prefix(const struct client_tracking *t, size_t i);
/* A command of @c other than CLIENT has run: CLIENT CACHING ends. */
static inline void tracking_end_caching(struct client *c)
{
    if (UNLIKELY(c->tracking != NULL) && (c->flags & CLIENT_MULTI) == 0) {
        c->tracking->flags &= ~(uint32_t)TRACKING_CACHING;
    }
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* @c has run: remember the keys it has read, when its client tracks. */
void tracking_remember(struct cmd *c);
/* @k has been changed by @c. Cheap when nobody tracks. */
void tracking_changed(struct cmd *c, const struct key *k);
/* Any key of the group may have been changed by @c. */
void tracking_all_changed(struct cmd *c);
/* The state of a group is being replaced: all trackers drop all they have, now. */
void tracking_reset(struct node *n);

/* From node/news.c: tell those who have read it, and free it / tell all, at the end of the turn,
 * since a flush is one of each database / nobody needs it. */
void tracking_tell(struct node *n, struct tracked *t, uint64_t writer);
void tracking_tell_all(struct node *n);
void tracked_free(struct tracked *t); /* NULL is allowed */

/* End of a turn: what was gathered leaves. */
void tracking_flush(struct node *n);
/* Keys beyond tracking-table-max-keys go, some at each call; their readers are told. */
void tracking_cron(struct node *n);

/* ---- figures ------------------------------------------------------------------------------- */

struct tracking_figures {
    uint64_t clients, keys, items, prefixes;
};
struct tracking_figures tracking_figures(const struct tracking *t);

#endif
