/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/hmap.c - see base/hmap.h.
 *
 * Invariant: a node is in old[hash mod old_cap] if that bucket has not been moved yet, else in
 * buckets[hash mod cap]. The old table is empty long before the new one is full. */
#include "base/hmap.h"

#include "base/mem.h"

#include <stdlib.h>

#define CAP_MIN 16u
#define MOVED_AT_ONCE 4u /* buckets for each addition */

void hmap_release(struct hmap *m)
{
    free(m->buckets);
    free(m->old);
    *m = (struct hmap){0};
}

static struct hmap_node **bucket_of(const struct hmap *m, uint64_t hash)
{
    if (m->old != NULL && (hash & (m->old_cap - 1)) >= m->moved) {
        return &m->old[hash & (m->old_cap - 1)];
    }
    return &m->buckets[hash & (m->cap - 1)];
}

static void move_some(struct hmap *m)
{
    for (unsigned i = 0; m->old != NULL && i < MOVED_AT_ONCE; i++) {
        struct hmap_node *x = m->old[m->moved];

        m->old[m->moved++] = NULL;
        while (x != NULL) {
            struct hmap_node *next = x->next;
            struct hmap_node **to = &m->buckets[x->hash & (m->cap - 1)];

            x->next = *to;
            *to = x;
            x = next;
        }
        if (m->moved == m->old_cap) {
            free(m->old);
            m->old = NULL;
        }
    }
}

static void grow(struct hmap *m)
{
    assert(m->old == NULL);
    m->old = m->buckets;
    m->old_cap = m->cap;
    m->moved = 0;
    m->cap = m->cap == 0 ? CAP_MIN : m->cap * 2;
    m->buckets = mem_zalloc(m->cap * sizeof(struct hmap_node *));
}

void hmap_add(struct hmap *m, struct hmap_node *x, uint64_t hash)
{
    struct hmap_node **to;

    move_some(m);
    if (m->n == m->cap) {
        grow(m);
    }
    x->hash = hash;
    to = bucket_of(m, hash);
    x->next = *to;
    *to = x;
    m->n++;
}

void hmap_remove(struct hmap *m, struct hmap_node *x)
{
    struct hmap_node **at = bucket_of(m, x->hash);

    while (*at != x) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = x->next;
    m->n--;
}

static struct hmap_node *with_hash(struct hmap_node *x, uint64_t hash)
{
    while (x != NULL && x->hash != hash) {
        x = x->next;
    }
    return x;
}

struct hmap_node *hmap_find(const struct hmap *m, uint64_t hash)
{
    return m->n == 0 ? NULL : with_hash(*bucket_of(m, hash), hash);
}

struct hmap_node *hmap_next(const struct hmap_node *x) { return with_hash(x->next, x->hash); }

struct hmap_node *hmap_any(const struct hmap *m, size_t *cursor)
{
    size_t all = m->cap + (m->old != NULL ? m->old_cap : 0);

    if (m->n == 0) {
        return NULL;
    }
    for (;;) {
        size_t i = *cursor % all;
        struct hmap_node *x = i < m->cap ? m->buckets[i] : m->old[i - m->cap];

        if (x != NULL) {
            return x;
        }
        *cursor = i + 1;
    }
}

size_t hmap_bytes(const struct hmap *m)
{
    return (m->cap + (m->old != NULL ? m->old_cap : 0)) * sizeof(struct hmap_node *);
}
