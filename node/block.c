/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/block.c - see node/block.h and node/block_table.h.
 *
 *   table:  (group, db, key) -> place -> waits of clients, in order of arrival
 *   ready:  places whose key has changed, in that order
 *
 * Invariants: a place has at least one wait, but for the moment in which it is being served; a
 * client that waits is CLIENT_BLOCKED with client->blocked set, and has one wait for each key. */
#include "node/block.h"

#include "base/mem.h"
#include "node/block_table.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/route.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64u

/* A key at which somebody waits. */
struct place {
    struct place *next;     /* in its bucket */
    struct link waits;      /* struct wait, in order of arrival */
    struct link ready_link; /* in table->ready */
    bool serving;           /* the loop that serves it frees it */
    struct group *group;
    uint32_t db;
    uint64_t hash;
    size_t n;
    char key[];
};

/* One client at one place. */
struct wait {
    struct link link; /* in place->waits */
    struct place *place;
    struct blocked *blocked;
};

struct blocked {
    struct client *client;
    const struct command *command;
    struct arg *argv; /* with the arguments' bytes behind it */
    int argc;
    struct group *group;
    uint32_t db;
    int slot;
    enum item_type type;
    bool wake_on_loss;
    bool at_follower; /* it began to wait at a follower, which has not become leader since */
    size_t n_waits;
    struct wait waits[];
};

struct block_table {
    struct place **buckets;
    size_t n_buckets, n;
    struct link ready;
};

struct block_table *block_table_new(void)
{
    struct block_table *t = mem_zalloc(sizeof *t);

    t->n_buckets = BUCKETS_MIN;
    t->buckets = mem_zalloc(t->n_buckets * sizeof(struct place *));
    link_init(&t->ready);
    return t;
}

void block_table_free(struct block_table *t)
{
    if (t != NULL) {
        assert(t->n == 0);
        free(t->buckets);
        free(t);
    }
}

size_t block_table_keys(const struct block_table *t) { return t->n; }

bool block_is_ready(const struct block_table *t) { return link_is_in(&t->ready); }

/* ---- places -------------------------------------------------------------------------------- */

static struct place **bucket_of(const struct block_table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static struct place *find(const struct block_table *t, const struct group *g, uint32_t db,
                          const struct key *k)
{
    struct place *p = *bucket_of(t, k->hash);

    while (p != NULL && !(p->hash == k->hash && p->group == g && p->db == db && p->n == k->n &&
                          memcmp(p->key, k->p, k->n) == 0)) {
        p = p->next;
    }
    return p;
}

static void grow(struct block_table *t)
{
    struct place **old = t->buckets;
    size_t n = t->n_buckets;

    t->n_buckets *= 2;
    t->buckets = mem_zalloc(t->n_buckets * sizeof(struct place *));
    for (size_t i = 0; i < n; i++) {
        for (struct place *p = old[i], *next; p != NULL; p = next) {
            struct place **to = bucket_of(t, p->hash);

            next = p->next;
            p->next = *to;
            *to = p;
        }
    }
    free(old);
}

static struct place *find_or_add(struct block_table *t, struct group *g, uint32_t db,
                                 const struct key *k)
{
    struct place *p = find(t, g, db, k);
    struct place **to;

    if (p != NULL) {
        return p;
    }
    if (t->n == t->n_buckets) {
        grow(t);
    }
    p = mem_zalloc(sizeof *p + k->n);
    link_init(&p->waits);
    link_init(&p->ready_link);
    p->group = g;
    p->db = db;
    p->hash = k->hash;
    p->n = k->n;
    memcpy(p->key, k->p, k->n);
    to = bucket_of(t, k->hash);
    p->next = *to;
    *to = p;
    t->n++;
    return p;
}

/* Remove it when nobody waits there any more. */
static void drop_if_empty(struct block_table *t, struct place *p)
{
    struct place **at = bucket_of(t, p->hash);

    if (link_is_in(&p->waits) || p->serving) {
        return;
    }
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    link_remove(&p->ready_link);
    t->n--;
    free(p);
}

static void mark_ready(struct block_table *t, struct place *p)
{
    if (!link_is_in(&p->ready_link)) {
        link_append(&t->ready, &p->ready_link);
    }
}

void block_key_changed(struct block_table *t, struct group *g, uint32_t db, const struct key *k)
{
    struct place *p;

    if (LIKELY(t->n == 0)) {
        return;
    }
    p = find(t, g, db, k);
    if (p != NULL) {
        mark_ready(t, p);
    }
}

static void mark_where(struct block_table *t, const struct group *g, bool any_db, uint32_t db)
{
    for (size_t i = 0; t->n > 0 && i < t->n_buckets; i++) {
        for (struct place *p = t->buckets[i]; p != NULL; p = p->next) {
            if (p->group == g && (any_db || p->db == db)) {
                mark_ready(t, p);
            }
        }
    }
}

void block_db_changed(struct block_table *t, struct group *g, uint32_t db)
{
    mark_where(t, g, false, db);
}

void block_group_changed(struct block_table *t, struct group *g)
{
    mark_where(t, g, true, 0);
    if (block_is_ready(t)) {
        node_has_work(g->node); /* the end of the turn serves them */
    }
}

void block_group_serves(struct block_table *t, struct group *g)
{
    struct link *held = &g->node->clients.held;

    for (struct link *l = held->next; l != held; l = l->next) {
        struct blocked *b = CONTAINER_OF(l, struct client, block_link)->blocked;

        if (b != NULL && b->group == g) {
            b->at_follower = false;
        }
    }
    block_group_changed(t, g);
}

/* ---- clients ------------------------------------------------------------------------------- */

static void forget(struct blocked *b)
{
    struct block_table *t = b->client->node->blocks;

    for (size_t i = 0; i < b->n_waits; i++) {
        link_remove(&b->waits[i].link);
        drop_if_empty(t, b->waits[i].place);
    }
    b->client->blocked = NULL;
    free(b->argv);
    free(b);
}

/* The error for a client whose wait ends since this node does not lead any more. */
static void reply_not_leader(const struct blocked *b)
{
    struct client *c = b->client;

    if (c->node->config.cluster_enabled) {
        route_reply_redirect(c, b->group, b->slot < 0 ? 0 : (uint16_t)b->slot, &c->reply);
    } else {
        resp_error(&c->reply, "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)");
    }
}

/* block_fn of these clients: called at the deadline, by CLIENT UNBLOCK, and at the end. */
static bool wait_ends(struct client *c, bool timed_out, bool gone)
{
    struct blocked *b = c->blocked;
    size_t from = c->out.len;

    if (gone) {
        forget(b);
        return false;
    }
    if (!timed_out) {
        return false;
    }
    if (b->group->state != GROUP_SERVING && !b->at_follower) {
        /* Whether anything has come nobody here can say. */
        reply_not_leader(b);
    } else {
        resp_null_array(&c->reply);
    }
    exec_count_held(c, b->command, from);
    forget(b);
    return true;
}

/* NULL: no memory. */
static struct blocked *blocked_new(const struct cmd *c, const struct block_request *r)
{
    int argc = r->argv != NULL ? r->argc : c->argc;
    struct arg *argv = cmd_copy_args(r->argv != NULL ? r->argv : c->argv, argc, NULL);
    struct blocked *b;

    if (argv == NULL) {
        return NULL;
    }
    b = mem_zalloc(sizeof *b + r->n_keys * sizeof b->waits[0]);
    b->client = c->client;
    b->command = c->command;
    b->argc = argc;
    b->argv = argv;
    b->group = c->group;
    b->db = c->db;
    b->slot = c->slot;
    b->type = r->type;
    b->wake_on_loss = r->wake_on_loss;
    b->at_follower = c->group->state == GROUP_FOLLOWING;
    return b;
}

static void wait_at(struct blocked *b, struct place *p)
{
    struct wait *w;

    for (size_t i = 0; i < b->n_waits; i++) {
        if (b->waits[i].place == p) {
            return; /* a key named twice */
        }
    }
    w = &b->waits[b->n_waits++];
    w->place = p;
    w->blocked = b;
    link_init(&w->link);
    link_append(&p->waits, &w->link);
}

/* A command is at a follower only if it may be served there (node/route.c): it only reads. */
static bool may_wait(const struct cmd *c)
{
    return c->client != NULL && !c->in_exec &&
           (c->group->state == GROUP_SERVING || c->group->state == GROUP_FOLLOWING);
}

bool block_on_keys(struct cmd *c, const struct block_request *r)
{
    struct node *n = c->node;
    struct blocked *b;

    assert(r->n_keys > 0);
    if (c->retry) {
        c->held = true;
        return true;
    }
    if (!may_wait(c)) {
        return false;
    }
    b = blocked_new(c, r);
    if (b == NULL) {
        resp_error(c->reply, "OOM no memory for a copy of the arguments");
        return true;
    }
    for (size_t i = 0; i < r->n_keys; i++) {
        const struct arg *name = &b->argv[r->keys[i]];
        struct key k = keyspace_key(c->ks, name->p, name->n);

        wait_at(b, find_or_add(n->blocks, c->group, c->db, &k));
    }
    c->client->blocked = b;
    c->held = true;
    client_wait(c->client, wait_ends, r->timeout_us == 0 ? 0 : n->now_us + r->timeout_us);
    return true;
}

/* ---- serving ------------------------------------------------------------------------------- */

/* Is there, by the type of what the key holds now, anything to try? */
static bool may_be_ready(const struct blocked *b, const struct place *p)
{
    struct key k = keyspace_key(p->group->ks, p->key, p->n);
    struct item *it = keyspace_find(p->group->ks, p->db, &k);

    return it == NULL || item_type(it) != b->type ? b->wake_on_loss : true;
}

static void try_client(struct blocked *b)
{
    struct client *c = b->client;

    if ((c->flags & CLIENT_CLOSE_ASAP) == 0 &&
        (b->group->state == GROUP_SERVING || b->at_follower) &&
        exec_again(c, b->command, b->argv, b->argc, b->db, b->group, b->slot)) {
        forget(b);
        client_served(c);
    }
}

/* Each of those who wait there, once, or as many as the open batch has room for: false, the others
 * are to be tried again. A handler that is called may make other keys ready, or this one again;
 * only its own client's wait can go away. */
static bool serve_place(struct block_table *t, struct place *p)
{
    struct link *l = p->waits.next;
    bool all;

    p->serving = true;
    while (l != &p->waits && !group_is_congested(p->group)) {
        struct wait *w = CONTAINER_OF(l, struct wait, link);

        l = l->next;
        if (may_be_ready(w->blocked, p)) {
            try_client(w->blocked);
        }
    }
    all = l == &p->waits;
    p->serving = false;
    drop_if_empty(t, p); /* not if some wait still */
    return all;
}

/* What is applied can be read, by who has asked a follower; another waits for the leader. */
static bool is_readable(const struct group *g)
{
    return g->state == GROUP_SERVING || g->state == GROUP_FOLLOWING ||
           g->state == GROUP_CATCHING_UP;
}

static bool is_parked(const struct group *g) { return g->state == GROUP_SERVING && g->parking > 0; }

void block_serve(struct node *n)
{
    struct block_table *t = n->blocks;
    struct link parked; /* held back: by a snapshot or a transfer, or until batches are committed */

    link_init(&parked);
    while (block_is_ready(t)) {
        struct place *p = CONTAINER_OF(t->ready.next, struct place, ready_link);

        link_remove(&p->ready_link);
        if (is_readable(p->group) && (is_parked(p->group) || !serve_place(t, p))) {
            link_remove(&p->ready_link); /* it may be ready again by itself */
            link_append(&parked, &p->ready_link);
        } /* else all are tried when it is, or serves */
    }
    while (link_is_in(&parked)) {
        struct link *l = parked.next;

        link_remove(l);
        link_append(&t->ready, l);
    }
}

/* End the waits at keys of @g, but for those that began at a follower, or all (NULL): nothing was
 * taken. */
static void send_away(struct node *n, const struct group *g)
{
    struct link *held = &n->clients.held;

    for (struct link *l = held->next, *next; l != held; l = next) {
        struct client *c = CONTAINER_OF(l, struct client, block_link);
        struct blocked *b = c->blocked;
        size_t from = c->out.len;

        next = l->next;
        if (b != NULL && (g == NULL || (b->group == g && !b->at_follower)) &&
            (c->flags & CLIENT_CLOSE_ASAP) == 0) {
            reply_not_leader(b);
            exec_count_held(c, b->command, from);
            forget(b);
            client_end_wait(c, from);
        }
    }
}

void block_leader_changed(struct group *g)
{
    if (group_leader_is_elsewhere(g)) {
        send_away(g->node, g);
    }
}

void block_end_all(struct node *n) { send_away(n, NULL); }
