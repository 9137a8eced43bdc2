/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/watch.c - see node/watch.h. A small chained table from (group, db, key) to clients. Empty
 * almost always, so watch_touch() first looks at the count. */
#include "node/watch.h"

#include "base/mem.h"
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#define WATCH_BUCKETS 4096u

struct watch {
    struct watch *next;      /* in its bucket */
    struct link client_link; /* in client->watched */
    struct client *client;
    struct group *group;
    uint32_t db;
    uint64_t hash;
    bool had_value; /* it existed, unexpired, when WATCH was called */
    size_t n;
    char key[];
};

struct watch_table {
    size_t n;
    struct watch *buckets[WATCH_BUCKETS];
};

struct watch_table *watch_table_new(void) { return mem_zalloc(sizeof(struct watch_table)); }

void watch_table_free(struct watch_table *t)
{
    assert(t == NULL || t->n == 0);
    free(t);
}

size_t watch_table_keys(const struct watch_table *t) { return t->n; }

static bool is_key(const struct watch *w, const struct group *g, uint32_t db, const struct key *k)
{
    return w->hash == k->hash && w->group == g && w->db == db && w->n == k->n &&
           memcmp(w->key, k->p, k->n) == 0;
}

static bool key_is_alive(struct group *g, uint32_t db, const struct key *k, int64_t now_ms)
{
    struct item *it = keyspace_find(g->ks, db, k);
    int64_t at;

    if (it == NULL) {
        return false;
    }
    at = keyspace_expire_at(g->ks, it);
    return at == KEYSPACE_NO_EXPIRE || at > now_ms;
}

void watch_add(struct watch_table *t, struct client *c, struct group *g, uint32_t db,
               const struct key *k)
{
    struct watch **bucket = &t->buckets[k->hash % WATCH_BUCKETS];
    struct watch *w;

    for (w = *bucket; w != NULL; w = w->next) {
        if (w->client == c && is_key(w, g, db, k)) {
            return;
        }
    }
    w = mem_alloc(sizeof *w + k->n);
    w->client = c;
    w->group = g;
    w->db = db;
    w->hash = k->hash;
    w->had_value = key_is_alive(g, db, k, c->node->now_wall_ms);
    w->n = k->n;
    memcpy(w->key, k->p, k->n);
    w->next = *bucket;
    *bucket = w;
    link_init(&w->client_link);
    link_append(&c->watched, &w->client_link);
    t->n++;
}

struct group *watch_group(const struct client *c)
{
    return link_is_in(&c->watched) ? CONTAINER_OF(c->watched.next, struct watch, client_link)->group
                                   : NULL;
}

void watch_clear(struct watch_table *t, struct client *c)
{
    for (struct link *l = c->watched.next, *next; l != &c->watched; l = next) {
        struct watch *w = CONTAINER_OF(l, struct watch, client_link);
        struct watch **at = &t->buckets[w->hash % WATCH_BUCKETS];

        while (*at != w) {
            at = &(*at)->next;
        }
        next = l->next;
        *at = w->next;
        free(w);
        t->n--;
    }
    link_init(&c->watched);
}

bool watch_any_expired(struct client *c, int64_t now_ms)
{
    for (struct link *l = c->watched.next; l != &c->watched; l = l->next) {
        struct watch *w = CONTAINER_OF(l, struct watch, client_link);
        struct key k = {w->key, w->n, w->hash, 0};

        k.slot = keyspace_key(w->group->ks, w->key, w->n).slot;
        if (w->had_value && !key_is_alive(w->group, w->db, &k, now_ms)) {
            return true;
        }
    }
    return false;
}

void watch_touch(struct watch_table *t, struct group *g, uint32_t db, const struct key *k)
{
    if (LIKELY(t->n == 0)) {
        return;
    }
    for (struct watch *w = t->buckets[k->hash % WATCH_BUCKETS]; w != NULL; w = w->next) {
        if (is_key(w, g, db, k)) {
            w->client->flags |= CLIENT_DIRTY_CAS;
        }
    }
}

static void touch_where(struct watch_table *t, struct group *g, uint32_t db, bool any_db)
{
    for (size_t b = 0; t->n > 0 && b < WATCH_BUCKETS; b++) {
        for (struct watch *w = t->buckets[b]; w != NULL; w = w->next) {
            if (w->group == g && (any_db || (w->db == db && w->had_value))) {
                w->client->flags |= CLIENT_DIRTY_CAS;
            }
        }
    }
}

void watch_touch_db(struct watch_table *t, struct group *g, uint32_t db)
{
    touch_where(t, g, db, false);
}

void watch_touch_group(struct watch_table *t, struct group *g) { touch_where(t, g, 0, true); }
