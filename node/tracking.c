/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/tracking.c - see node/tracking.h.
 *
 *   keys:      key -> ids of clients; ids of clients that are gone or track no more stay until the
 *              key changes, and are passed over then
 *   prefixes:  prefix -> clients, and the keys with it that have changed in this turn
 *
 * Invariant: without tracking clients both are empty. */
#include "node/tracking.h"

#include "base/mem.h"
#include "node/news.h"
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_ON_STACK 64
#define EVICTED_AT_ONCE 1000 /* by the cron */
#define EVICTED_PER_KEY                                                                            \
    2 /* for each new one, so that the table shrinks when its limit has sunk                       \
       */
#define INVALIDATE_CHANNEL "__redis__:invalidate"

struct tracked {
    struct hmap_node node;
    uint64_t *ids;
    uint32_t n_ids, cap;
    size_t n;
    char key[];
};

/* A client of a prefix. */
struct prefix_client {
    struct link link; /* in prefix->clients */
    struct prefix *prefix;
    struct client *client;
};

struct prefix {
    struct link clients;
    struct hmap changed;
    struct link changed_order;
    size_t n;
    char bytes[];
};

/* A key of a prefix that has changed in this turn. */
struct change {
    struct hmap_node node;
    struct link link;
    uint64_t writer; /* client id; 0: none, or several */
    size_t n;
    char key[];
};

struct tracking {
    struct hmap keys;
    uint64_t items;
    size_t cursor; /* the next key to go */
    struct link all;
    uint64_t n_clients;
    struct prefix **prefixes; /* in order of their bytes */
    size_t n_prefixes;
    bool gathered; /* some prefix has changes */
    bool all_wait; /* all are to drop all, at the end of the turn */
};

struct tracking *tracking_new(void)
{
    struct tracking *t = mem_zalloc(sizeof *t);

    link_init(&t->all);
    return t;
}

void tracking_free(struct tracking *t)
{
    if (t != NULL) {
        assert(t->n_clients == 0);
        assert(t->keys.n == 0);
        free(t->prefixes);
        hmap_release(&t->keys);
        free(t);
    }
}

/* ---- keys ---------------------------------------------------------------------------------- */

void tracked_free(struct tracked *x)
{
    if (x != NULL) {
        free(x->ids);
        free(x);
    }
}

static struct tracked *tracked_new(const struct key *k)
{
    struct tracked *x = mem_alloc(sizeof *x + k->n);

    *x = (struct tracked){.n = k->n};
    if (k->n > 0) {
        memcpy(x->key, k->p, k->n);
    }
    return x;
}

static struct tracked *find(const struct tracking *t, const struct key *k)
{
    for (struct hmap_node *x = hmap_find(&t->keys, k->hash); x != NULL; x = hmap_next(x)) {
        struct tracked *f = CONTAINER_OF(x, struct tracked, node);

        if (f->n == k->n && (k->n == 0 || memcmp(f->key, k->p, k->n) == 0)) {
            return f;
        }
    }
    return NULL;
}

/* Take it out of the table: the caller's. */
static struct tracked *take(struct tracking *t, struct tracked *x)
{
    hmap_remove(&t->keys, &x->node);
    t->items -= x->n_ids;
    return x;
}

static void free_keys(void *arg, const atomic_bool *cancel)
{
    struct hmap *keys = arg;
    struct hmap_node *x;
    size_t cursor = 0;

    (void)cancel; /* there is nobody else to free them */
    while ((x = hmap_any(keys, &cursor)) != NULL) {
        hmap_remove(keys, x);
        tracked_free(CONTAINER_OF(x, struct tracked, node));
    }
    hmap_release(keys);
    free(keys);
}

static void forget_keys(struct node *n)
{
    struct tracking *t = n->tracking;

    if (t->keys.n > 0) {
        worker_submit(n->bg, free_keys, mem_dup(&t->keys, sizeof t->keys));
        t->keys = (struct hmap){0};
        t->items = 0;
    }
}

/* ---- prefixes ------------------------------------------------------------------------------ */

static int compare_bytes(const char *a, size_t n, const char *b, size_t m)
{
    size_t both = MIN_OF(n, m);
    int c = both == 0 ? 0 : memcmp(a, b, both);

    return c != 0 ? c : (n > m) - (n < m);
}

/* Where @name is, or belongs. */
static size_t place_of(struct prefix *const *list, size_t n, const struct arg *name, bool *is_there)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare_bytes(list[mid]->bytes, list[mid]->n, name->p, name->n) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    *is_there = lo < n && compare_bytes(list[lo]->bytes, list[lo]->n, name->p, name->n) == 0;
    return lo;
}

static struct prefix *find_or_add_prefix(struct tracking *t, const struct arg *name)
{
    bool is_there;
    size_t at = place_of(t->prefixes, t->n_prefixes, name, &is_there);
    struct prefix *p;

    if (is_there) {
        return t->prefixes[at];
    }
    p = mem_zalloc(sizeof *p + name->n);
    link_init(&p->clients);
    link_init(&p->changed_order);
    p->n = name->n;
    if (name->n > 0) {
        memcpy(p->bytes, name->p, name->n);
    }
    t->prefixes = mem_realloc(t->prefixes, (t->n_prefixes + 1) * sizeof(struct prefix *));
    memmove(t->prefixes + at + 1, t->prefixes + at, (t->n_prefixes - at) * sizeof(struct prefix *));
    t->prefixes[at] = p;
    t->n_prefixes++;
    return p;
}

static void forget_changes(struct prefix *p)
{
    while (link_is_in(&p->changed_order)) {
        struct change *ch = CONTAINER_OF(p->changed_order.next, struct change, link);

        link_remove(&ch->link);
        free(ch);
    }
    hmap_release(&p->changed);
}

static void drop_prefix(struct tracking *t, struct prefix *p)
{
    struct arg name = {p->bytes, p->n};
    bool is_there;
    size_t at = place_of(t->prefixes, t->n_prefixes, &name, &is_there);

    assert(is_there);
    t->n_prefixes--;
    memmove(t->prefixes + at, t->prefixes + at + 1, (t->n_prefixes - at) * sizeof(struct prefix *));
    forget_changes(p);
    free(p);
}

static void add_prefix(struct client *c, const struct arg *name)
{
    struct client_tracking *ct = c->tracking;
    struct prefix *p = find_or_add_prefix(c->node->tracking, name);
    struct prefix_client *pc;
    size_t at = 0;

    while (at < ct->n_prefixes &&
           compare_bytes(ct->prefixes[at]->prefix->bytes, ct->prefixes[at]->prefix->n, name->p,
                         name->n) < 0) {
        at++;
    }
    if (at < ct->n_prefixes && ct->prefixes[at]->prefix == p) {
        return;
    }
    pc = mem_alloc(sizeof *pc);
    pc->prefix = p;
    pc->client = c;
    link_init(&pc->link);
    link_append(&p->clients, &pc->link);
    ct->prefixes = mem_realloc(ct->prefixes, (ct->n_prefixes + 1) * sizeof(struct prefix_client *));
    memmove(ct->prefixes + at + 1, ct->prefixes + at,
            (ct->n_prefixes - at) * sizeof(struct prefix_client *));
    ct->prefixes[at] = pc;
    ct->n_prefixes++;
}

struct arg tracking_prefix(const struct client_tracking *t, size_t i)
{
    assert(i < t->n_prefixes);
    return (struct arg){t->prefixes[i]->prefix->bytes, t->prefixes[i]->prefix->n};
}

/* ---- clients ------------------------------------------------------------------------------- */

void tracking_enable(struct client *c, uint32_t flags, uint64_t redirect,
                     const struct arg *prefixes, size_t n)
{
    static const struct arg every = {"", 0};
    struct tracking *t = c->node->tracking;

    if (c->tracking == NULL) {
        c->tracking = mem_zalloc(sizeof *c->tracking);
        link_init(&c->tracking->all_link);
        link_append(&t->all, &c->tracking->all_link);
        c->tracking->client = c;
        t->n_clients++;
    }
    c->tracking->flags = flags | (c->tracking->flags & TRACKING_CACHING);
    c->tracking->redirect = redirect;
    if (flags & TRACKING_BCAST) {
        for (size_t i = 0; i < MAX_OF(n, 1u); i++) {
            add_prefix(c, n == 0 ? &every : &prefixes[i]);
        }
    }
}

void tracking_disable(struct client *c)
{
    struct tracking *t = c->node->tracking;
    struct client_tracking *ct = c->tracking;

    if (ct == NULL) {
        return;
    }
    for (size_t i = 0; i < ct->n_prefixes; i++) {
        struct prefix_client *pc = ct->prefixes[i];

        link_remove(&pc->link);
        if (!link_is_in(&pc->prefix->clients)) {
            drop_prefix(t, pc->prefix);
        }
        free(pc);
    }
    link_remove(&ct->all_link);
    free(ct->prefixes);
    free(ct);
    c->tracking = NULL;
    if (--t->n_clients == 0) {
        forget_keys(c->node);
    }
}

/* ---- telling ------------------------------------------------------------------------------- */

/* An invalidation as receivers get it, made for each protocol when the first such one comes. */
struct notice {
    bool all;        /* every key: null instead of a list */
    struct buf keys; /* the list, in RESP */
    struct buf made[2];
};

static void notice_release(struct notice *m)
{
    buf_release(&m->keys);
    buf_release(&m->made[0]);
    buf_release(&m->made[1]);
}

static void notice_of_key(struct notice *m, const char *key, size_t n)
{
    struct resp_out out = {&m->keys, 2};

    resp_array(&out, 1);
    resp_bulk(&out, key, n);
}

static const struct buf *notice_for(struct notice *m, bool resp3)
{
    struct buf *b = &m->made[resp3];
    struct resp_out out = {b, resp3 ? 3 : 2};

    if (b->len > 0) {
        return b;
    }
    resp_push(&out, resp3 ? 2 : 3);
    if (resp3) {
        resp_bulk_str(&out, "invalidate");
    } else {
        resp_bulk_str(&out, "message");
        resp_bulk_str(&out, INVALIDATE_CHANNEL);
    }
    if (m->all) {
        resp_null(&out);
    } else {
        buf_append(b, buf_head(&m->keys), m->keys.len);
    }
    return b;
}

/* The client that @c redirects to is gone. */
static void tell_broken(struct client *c)
{
    struct buf b = {0};
    struct resp_out out = {&b, c->reply.version};

    c->tracking->flags |= TRACKING_BROKEN;
    if (c->reply.version < 3) {
        return; /* RESP2 has no way to say so but CLIENT TRACKINGINFO */
    }
    resp_push(&out, 2);
    resp_bulk_str(&out, "tracking-redir-broken");
    resp_int(&out, (int64_t)c->tracking->redirect);
    client_push(c, buf_head(&b), b.len);
    buf_release(&b);
}

static void send_notice(struct client *c, struct notice *m)
{
    uint64_t redirect = c->tracking->redirect;
    struct client *to = redirect == 0 ? c : client_by_id(c->node, redirect);
    const struct buf *b;

    if (to == NULL) {
        tell_broken(c);
        return;
    }
    /* In RESP2 it comes as a message, which only a subscriber understands. */
    if (to->reply.version < 3 && (redirect == 0 || (to->flags & CLIENT_PUBSUB) == 0)) {
        return;
    }
    b = notice_for(m, to->reply.version >= 3);
    client_push(to, buf_head(b), b->len);
}

static void gather(struct tracking *t, const char *key, size_t n, uint64_t hash, uint64_t writer);

static void tell_readers(struct node *n, const struct tracked *x, uint64_t writer)
{
    struct notice m = {0};

    if (x->n_ids == 0) {
        return;
    }
    notice_of_key(&m, x->key, x->n);
    for (uint32_t i = 0; i < x->n_ids; i++) {
        struct client *c = client_by_id(n, x->ids[i]);

        if (c == NULL || c->tracking == NULL || (c->tracking->flags & TRACKING_BCAST) != 0 ||
            (c->id == writer && (c->tracking->flags & TRACKING_NOLOOP) != 0)) {
            continue;
        }
        send_notice(c, &m);
    }
    notice_release(&m);
}

void tracking_tell(struct node *n, struct tracked *x, uint64_t writer)
{
    tell_readers(n, x, writer);
    gather(n->tracking, x->key, x->n, x->node.hash, writer);
    tracked_free(x);
}

void tracking_tell_all(struct node *n) { n->tracking->all_wait = true; }

static void tell_all(struct node *n)
{
    struct notice m = {.all = true};
    struct link *all = &n->tracking->all;

    n->tracking->all_wait = false;
    for (struct link *l = all->next; l != all; l = l->next) {
        send_notice(CONTAINER_OF(l, struct client_tracking, all_link)->client, &m);
    }
    notice_release(&m);
}

void tracking_reset(struct node *n)
{
    if (n->tracking->n_clients > 0) {
        forget_keys(n);
        tracking_tell_all(n);
    }
}

/* ---- broadcast ----------------------------------------------------------------------------- */

static struct change *find_change(const struct prefix *p, const char *key, size_t n, uint64_t hash)
{
    for (struct hmap_node *x = hmap_find(&p->changed, hash); x != NULL; x = hmap_next(x)) {
        struct change *ch = CONTAINER_OF(x, struct change, node);

        if (ch->n == n && (n == 0 || memcmp(ch->key, key, n) == 0)) {
            return ch;
        }
    }
    return NULL;
}

static void add_change(struct prefix *p, const char *key, size_t n, uint64_t hash, uint64_t writer)
{
    struct change *ch = find_change(p, key, n, hash);

    if (ch != NULL) {
        if (ch->writer != writer) {
            ch->writer = 0;
        }
        return;
    }
    ch = mem_alloc(sizeof *ch + n);
    ch->writer = writer;
    ch->n = n;
    if (n > 0) {
        memcpy(ch->key, key, n);
    }
    link_init(&ch->link);
    link_append(&p->changed_order, &ch->link);
    hmap_add(&p->changed, &ch->node, hash);
}

static bool has_prefix(const struct prefix *p, const char *key, size_t n)
{
    return p->n <= n && (p->n == 0 || memcmp(p->bytes, key, p->n) == 0);
}

static void gather(struct tracking *t, const char *key, size_t n, uint64_t hash, uint64_t writer)
{
    for (size_t i = 0; i < t->n_prefixes; i++) {
        if (has_prefix(t->prefixes[i], key, n)) {
            add_change(t->prefixes[i], key, n, hash, writer);
            t->gathered = true;
        }
    }
}

static bool any_prefix(const struct tracking *t, const struct key *k)
{
    for (size_t i = 0; i < t->n_prefixes; i++) {
        if (has_prefix(t->prefixes[i], k->p, k->n)) {
            return true;
        }
    }
    return false;
}

/* The changes of the prefix but those by @but (0: all); false: none. */
static bool notice_of_changes(struct notice *m, const struct prefix *p, uint64_t but)
{
    struct resp_out out = {&m->keys, 2};
    size_t at = resp_deferred_begin(&out);
    size_t n = 0;

    for (struct link *l = p->changed_order.next; l != &p->changed_order; l = l->next) {
        const struct change *ch = CONTAINER_OF(l, struct change, link);

        if (but == 0 || ch->writer != but) {
            resp_bulk(&out, ch->key, ch->n);
            n++;
        }
    }
    resp_deferred_array(&out, at, n);
    return n > 0;
}

static void send_without_own(struct client *c, const struct prefix *p)
{
    struct notice m = {0};

    if (notice_of_changes(&m, p, c->id)) {
        send_notice(c, &m);
    }
    notice_release(&m);
}

static void broadcast(struct prefix *p)
{
    struct notice m = {0};

    (void)notice_of_changes(&m, p, 0); /* there are some */
    for (struct link *l = p->clients.next; l != &p->clients; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct prefix_client, link)->client;

        if (c->tracking->flags & TRACKING_NOLOOP) {
            send_without_own(c, p);
        } else {
            send_notice(c, &m);
        }
    }
    notice_release(&m);
    forget_changes(p);
}

void tracking_flush(struct node *n)
{
    struct tracking *t = n->tracking;

    if (UNLIKELY(t->all_wait)) {
        tell_all(n);
    }
    if (LIKELY(!t->gathered)) {
        return;
    }
    t->gathered = false;
    for (size_t i = 0; i < t->n_prefixes; i++) {
        if (t->prefixes[i]->changed.n > 0) {
            broadcast(t->prefixes[i]);
        }
    }
}

/* ---- reading and changing ------------------------------------------------------------------ */

static void evict(struct node *n, unsigned at_most)
{
    struct tracking *t = n->tracking;
    uint64_t max = (uint64_t)n->config.tracking_table_max_keys;

    for (; max > 0 && t->keys.n > max && at_most > 0; at_most--) {
        struct hmap_node *x = hmap_any(&t->keys, &t->cursor);
        struct tracked *victim = take(t, CONTAINER_OF(x, struct tracked, node));

        tell_readers(n, victim, 0);
        tracked_free(victim);
    }
}

void tracking_cron(struct node *n) { evict(n, EVICTED_AT_ONCE); }

static void add_reader(struct tracking *t, struct tracked *x, uint64_t id)
{
    for (uint32_t i = x->n_ids; i-- > 0;) {
        if (x->ids[i] == id) {
            return;
        }
    }
    if (x->n_ids == x->cap) {
        x->cap = x->cap == 0 ? 1 : x->cap * 2;
        x->ids = mem_realloc(x->ids, x->cap * sizeof x->ids[0]);
    }
    x->ids[x->n_ids++] = id;
    t->items++;
}

static void remember(struct cmd *c, const struct arg *name)
{
    struct tracking *t = c->node->tracking;
    struct key k = keyspace_key(c->ks, name->p, name->n);
    struct tracked *x = find(t, &k);

    if (x == NULL) {
        x = tracked_new(&k);
        hmap_add(&t->keys, &x->node, k.hash);
        add_reader(t, x, c->client->id);
        evict(c->node, EVICTED_PER_KEY);
        return;
    }
    add_reader(t, x, c->client->id);
}

static bool wants(const struct client_tracking *t)
{
    bool caching = (t->flags & TRACKING_CACHING) != 0;

    return (t->flags & TRACKING_BCAST) == 0 && ((t->flags & TRACKING_OPTIN) == 0 || caching) &&
           ((t->flags & TRACKING_OPTOUT) == 0 || !caching);
}

void tracking_remember(struct cmd *c)
{
    int few[KEYS_ON_STACK];
    int *positions = few;
    int n;

    if (c->ks == NULL || (c->command->flags & CMD_READONLY) == 0 || !wants(c->client->tracking)) {
        return;
    }
    if (c->argc > KEYS_ON_STACK) {
        positions = mem_alloc((size_t)c->argc * sizeof *positions);
    }
    n = command_keys(c->command, c->argv, c->argc, positions, NULL, c->argc);
    for (int i = 0; i < n; i++) {
        remember(c, &c->argv[positions[i]]);
    }
    if (positions != few) {
        free(positions);
    }
}

void tracking_changed(struct cmd *c, const struct key *k)
{
    struct tracking *t = c->node->tracking;
    uint64_t writer = c->client == NULL ? 0 : c->client->id;
    struct tracked *x;

    if (LIKELY(t->n_clients == 0)) {
        return;
    }
    x = find(t, k);
    if (x != NULL) {
        (void)take(t, x);
    } else if (any_prefix(t, k)) {
        x = tracked_new(k);
        x->node.hash = k->hash;
    } else {
        return;
    }
    if (c->applying) {
        tracking_tell(c->node, x, writer);
    } else {
        news_invalidate(c->group, group_open_batch(c->group), x, writer);
    }
}

void tracking_all_changed(struct cmd *c)
{
    if (c->node->tracking->n_clients == 0) {
        return;
    }
    forget_keys(c->node);
    if (c->applying) {
        tracking_tell_all(c->node);
    } else {
        news_flushed(c->group, group_open_batch(c->group));
    }
}

struct tracking_figures tracking_figures(const struct tracking *t)
{
    return (struct tracking_figures){
        .clients = t->n_clients,
        .keys = t->keys.n,
        .items = t->items,
        .prefixes = t->n_prefixes,
    };
}
