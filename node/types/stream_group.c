/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_group.c - see node/types/stream_group.h.
 *
 * Invariant: a record is in the index of its group and in that of its consumer, and in no other. */
#include "node/types/stream_group.h"

#include "base/mem.h"
#include "node/keyspace/item.h"

#include <stdlib.h>

/* A consumer of more records than that stays where it is: they would all have to be told. */
#define RELOCATE_PENDING_MAX 4096

/* ---- things with names, in order of these -----------------------------------------------------
 */

/* What groups and consumers begin with. */
struct named {
    struct arg name;
};

static int compare_names(struct arg a, struct arg b)
{
    size_t n = MIN_OF(a.n, b.n);
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0) {
        return order;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

/* The place of @name in @list, or where it would go; false: it is not there. */
static bool find_name(void **list, uint32_t n, struct arg name, uint32_t *at)
{
    uint32_t lo = 0;

    while (n > 0) {
        uint32_t half = n / 2;
        int order = compare_names(((const struct named *)list[lo + half])->name, name);

        if (order == 0) {
            *at = lo + half;
            return true;
        }
        if (order < 0) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    *at = lo;
    return false;
}

/* The list @l with room for one more at @at, which is made free. */
static void **open_place(void **l, uint32_t *n, uint32_t *cap, uint32_t at)
{
    if (*n == *cap) {
        *cap = *cap == 0 ? 1 : *cap * 2;
        l = mem_realloc(l, *cap * sizeof *l);
    }
    memmove(&l[at + 1], &l[at], (*n - at) * sizeof *l);
    ++*n;
    return l;
}

static void close_place(void **l, uint32_t *n, uint32_t at)
{
    --*n;
    memmove(&l[at], &l[at + 1], (*n - at) * sizeof *l);
}

/* A struct of @size bytes that begins with its name, all else zero. */
static void *new_named(size_t size, struct arg name)
{
    char *p = mem_alloc(item_good_size(size + name.n));
    struct named *it = (struct named *)(void *)p;

    memset(p, 0, size);
    if (name.n > 0) {
        memcpy(p + size, name.p, name.n);
    }
    it->name = (struct arg){p + size, name.n};
    return it;
}

/* ---- groups -------------------------------------------------------------------------------- */

struct stream_group *stream_group_find(const struct stream *s, struct arg name)
{
    uint32_t at;

    return find_name(s->groups, s->n_groups, name, &at) ? s->groups[at] : NULL;
}

struct stream_group *stream_group_add(struct stream *s, struct arg name, struct stream_id last_id,
                                      int64_t entries_read)
{
    struct stream_group *g = new_named(sizeof *g, name);
    uint32_t at;
    bool there = find_name(s->groups, s->n_groups, name, &at);

    assert(!there);
    g->last_id = last_id;
    g->entries_read = entries_read;
    s->groups = open_place(s->groups, &s->n_groups, &s->cap_groups, at);
    s->groups[at] = g;
    return g;
}

/* The records are the group's, and freed with it. */
static void free_group(struct stream_group *g)
{
    struct stream_index_pos pos = stream_index_begin(&g->pending);
    struct stream_nack *nack;
    struct stream_id id;

    for (; (nack = stream_pending_at(&g->pending, pos, &id)) != NULL;
         pos = stream_index_next(&g->pending, pos)) {
        free(nack);
    }
    stream_index_release(&g->pending);
    for (uint32_t i = 0; i < g->n_consumers; i++) {
        stream_index_release(&stream_consumer_at(g, i)->pending);
        free(g->consumers[i]);
    }
    free(g->consumers);
    free(g);
}

struct stream *stream_group_cut(struct stream *s, struct stream_group *g)
{
    struct stream *gone = stream_new();
    uint32_t at;
    bool there = find_name(s->groups, s->n_groups, g->name, &at);

    assert(there);
    close_place(s->groups, &s->n_groups, at);
    gone->groups = open_place(gone->groups, &gone->n_groups, &gone->cap_groups, 0);
    gone->groups[0] = g;
    return gone;
}

void stream_groups_free(struct stream *s)
{
    for (uint32_t i = 0; i < s->n_groups; i++) {
        free_group(s->groups[i]);
    }
    free(s->groups);
}

void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id)
{
    if (g->entries_read != STREAM_ENTRIES_READ_UNKNOWN && !stream_has_gap_from(s, id)) {
        g->entries_read++;
    } else if (s->entries_added > 0) {
        g->entries_read = stream_entries_up_to(s, id);
    }
    g->last_id = id;
}

bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag)
{
    int64_t added = (int64_t)s->entries_added;
    int64_t read = g->entries_read;

    *lag = 0;
    if (added == 0) {
        return true;
    }
    if (read == STREAM_ENTRIES_READ_UNKNOWN || stream_has_gap_from(s, g->last_id)) {
        read = stream_entries_up_to(s, g->last_id);
    }
    *lag = added - read;
    return read != -1;
}

/* ---- consumers ----------------------------------------------------------------------------- */

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct arg name)
{
    uint32_t at;

    return find_name(g->consumers, g->n_consumers, name, &at) ? g->consumers[at] : NULL;
}

struct stream_consumer *stream_consumer_add(struct stream_group *g, struct arg name,
                                            int64_t seen_ms)
{
    struct stream_consumer *c = new_named(sizeof *c, name);
    uint32_t at;
    bool there = find_name(g->consumers, g->n_consumers, name, &at);

    assert(!there);
    c->seen_ms = seen_ms;
    g->consumers = open_place(g->consumers, &g->n_consumers, &g->cap_consumers, at);
    g->consumers[at] = c;
    return c;
}

/* From which share of the group's records on all of them are gone through. */
#define FORGET_SHARE 8

/* The records of @c are no longer in the index of @g. */
static void forget_pending(struct stream_group *g, const struct stream_consumer *c)
{
    bool all = c->pending.count == g->pending.count;
    bool many = c->pending.count > g->pending.count / FORGET_SHARE;
    const struct stream_index *x = many ? &g->pending : &c->pending;
    struct stream_index_pos pos = stream_index_begin(x);
    struct stream_index kept = {0};
    struct stream_nack *nack;
    struct stream_id id;

    for (; !all && (nack = stream_pending_at(x, pos, &id)) != NULL;
         pos = stream_index_next(x, pos)) {
        if (!many) {
            (void)stream_index_remove(&g->pending, id);
        } else if (nack->consumer != c) {
            stream_index_add(&kept, id, nack);
        }
    }
    if (many || all) {
        stream_index_release(&g->pending);
        g->pending = kept;
    }
}

struct stream *stream_consumer_cut(struct stream_group *g, struct stream_consumer *c)
{
    struct stream *gone = stream_new();
    struct stream_group *holder = stream_group_add(gone, c->name, (struct stream_id){0, 0}, 0);
    uint32_t at;
    bool there = find_name(g->consumers, g->n_consumers, c->name, &at);

    assert(there);
    close_place(g->consumers, &g->n_consumers, at);
    forget_pending(g, c);
    /* What frees a group frees the records of its index, so they are in no other. */
    holder->pending = c->pending;
    c->pending = (struct stream_index){0};
    holder->consumers =
        open_place(holder->consumers, &holder->n_consumers, &holder->cap_consumers, 0);
    holder->consumers[0] = c;
    return gone;
}

/* ---- what is pending ----------------------------------------------------------------------- */

struct stream_nack *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
    return stream_index_get(&g->pending, id);
}

struct stream_nack *stream_pending_assign(struct stream_group *g, struct stream_id id,
                                          struct stream_consumer *c)
{
    struct stream_nack *nack = stream_index_get(&g->pending, id);

    if (nack == NULL) {
        nack = mem_zalloc(sizeof *nack);
        nack->deliveries = 1;
        stream_index_add(&g->pending, id, nack);
    } else if (nack->consumer == c) {
        return nack;
    } else {
        (void)stream_index_remove(&nack->consumer->pending, id);
    }
    nack->consumer = c;
    stream_index_add(&c->pending, id, nack);
    return nack;
}

bool stream_pending_remove(struct stream_group *g, struct stream_id id)
{
    struct stream_nack *nack = stream_index_remove(&g->pending, id);

    if (nack == NULL) {
        return false;
    }
    (void)stream_index_remove(&nack->consumer->pending, id);
    free(nack);
    return true;
}

/* ---- moving -------------------------------------------------------------------------------- */

/* Something that begins with its name (see new_named()), @size bytes without it. */
static void *named_relocate(void *old, size_t size, struct mover *m)
{
    struct named *it = mover_move(m, old);

    it->name.p = (char *)it + size;
    return it;
}

static void *relocate_nack(void *arg, struct stream_id id, void *p)
{
    struct stream_nack *nack = mover_move(arg, p);

    if (nack != p) {
        struct stream_index *x = &nack->consumer->pending;

        stream_index_set(x, stream_index_at_or_after(x, id), nack);
    }
    return nack;
}

/* Every record of a consumer points to it. */
static void consumer_relocate(struct stream_group *g, uint32_t i, struct mover *m)
{
    struct stream_consumer *c = stream_consumer_at(g, i);
    struct stream_index_pos pos = stream_index_begin(&c->pending);
    struct stream_nack *nack;
    struct stream_id id;

    if (c->pending.count > RELOCATE_PENDING_MAX) {
        return;
    }
    c = named_relocate(c, sizeof *c, m);
    if (c == g->consumers[i]) {
        return;
    }
    g->consumers[i] = c;
    for (; (nack = stream_pending_at(&c->pending, pos, &id)) != NULL;
         pos = stream_index_next(&c->pending, pos)) {
        nack->consumer = c;
    }
}

static void relocate_group(struct stream *s, uint32_t i, struct mover *m)
{
    struct stream_group *g = named_relocate(s->groups[i], sizeof *g, m);

    s->groups[i] = g;
    if (g->consumers != NULL) {
        g->consumers = mover_move(m, g->consumers);
    }
}

/* Sub 0: the group itself; 1: its records, with their index; from 2 on: its consumers. */
bool stream_groups_relocate(struct stream *s, struct mover *m, struct value_cursor *c, size_t n)
{
    uint64_t until = mover_seen(m) + MIN_OF(n, (size_t)UINT32_MAX);

    if (c->at == 0 && c->sub == 0 && s->n_groups > 0) {
        s->groups = mover_move(m, s->groups);
    }
    while (c->at < s->n_groups) {
        struct stream_group *g = s->groups[c->at];

        if (c->sub == 0) {
            relocate_group(s, (uint32_t)c->at, m);
            c->sub = 1;
        } else if (c->sub == 1) {
            if (!stream_index_relocate(&g->pending, c->leaf++, m, relocate_nack, m)) {
                c->sub = 2;
                c->leaf = 0;
            }
        } else if (c->sub - 2 < g->n_consumers) {
            struct stream_consumer *consumer;

            if (c->leaf == 0) {
                consumer_relocate(g, (uint32_t)(c->sub - 2), m);
            }
            consumer = stream_consumer_at(g, (uint32_t)(c->sub - 2));
            if (!stream_index_relocate(&consumer->pending, c->leaf++, m, NULL, NULL)) {
                c->sub++;
                c->leaf = 0;
            }
        } else {
            c->at++;
            c->sub = c->leaf = 0;
        }
        if (mover_seen(m) >= until) {
            return c->at == s->n_groups;
        }
    }
    return true;
}

/* ---- as a part of the value -------------------------------------------------------------------
 */

static size_t named_bytes(size_t size, struct arg name) { return item_good_size(size + name.n); }

static size_t group_bytes(const struct stream_group *g)
{
    size_t bytes = named_bytes(sizeof *g, g->name) + stream_index_bytes(&g->pending) +
                   (size_t)g->pending.count * item_good_size(sizeof(struct stream_nack)) +
                   item_good_size(g->cap_consumers * sizeof(void *));

    for (uint32_t i = 0; i < g->n_consumers; i++) {
        const struct stream_consumer *c = g->consumers[i];

        bytes += named_bytes(sizeof *c, c->name) + stream_index_bytes(&c->pending);
    }
    return bytes;
}

size_t stream_groups_bytes(const struct stream *s)
{
    size_t bytes = item_good_size(s->cap_groups * sizeof(void *));

    for (uint32_t i = 0; i < s->n_groups; i++) {
        bytes += group_bytes(s->groups[i]);
    }
    return bytes;
}

size_t stream_groups_effort(const struct stream *s)
{
    size_t n = 0;

    for (uint32_t i = 0; i < s->n_groups; i++) {
        n += 1 + (size_t)stream_group_at(s, i)->pending.count + stream_group_at(s, i)->n_consumers;
    }
    return n;
}

static void copy_group(struct stream *s, const struct stream_group *from)
{
    struct stream_group *g = stream_group_add(s, from->name, from->last_id, from->entries_read);

    for (uint32_t i = 0; i < from->n_consumers; i++) {
        const struct stream_consumer *c = from->consumers[i];
        struct stream_consumer *to = stream_consumer_add(g, c->name, c->seen_ms);
        struct stream_index_pos pos = stream_index_begin(&c->pending);
        const struct stream_nack *nack;
        struct stream_id id;

        for (; (nack = stream_pending_at(&c->pending, pos, &id)) != NULL;
             pos = stream_index_next(&c->pending, pos)) {
            struct stream_nack *mine = stream_pending_assign(g, id, to);

            mine->delivered_ms = nack->delivered_ms;
            mine->deliveries = nack->deliveries;
        }
    }
}

void stream_groups_copy(struct stream *to, const struct stream *from)
{
    for (uint32_t i = 0; i < from->n_groups; i++) {
        copy_group(to, from->groups[i]);
    }
}

static void digest_name(struct value_digest *d, struct arg name)
{
    value_digest_add(d, name.p, name.n);
}

static void digest_pending(struct value_digest *d, const struct stream_group *g)
{
    struct stream_index_pos pos = stream_index_begin(&g->pending);
    const struct stream_nack *nack;
    struct stream_id id;

    for (; (nack = stream_pending_at(&g->pending, pos, &id)) != NULL;
         pos = stream_index_next(&g->pending, pos)) {
        value_digest_number(d, id.ms);
        value_digest_number(d, id.seq);
        value_digest_number(d, (uint64_t)nack->delivered_ms);
        value_digest_number(d, nack->deliveries);
        digest_name(d, nack->consumer->name);
    }
}

void stream_groups_digest(const struct stream *s, struct value_digest *d)
{
    value_digest_number(d, s->n_groups);
    for (uint32_t i = 0; i < s->n_groups; i++) {
        const struct stream_group *g = s->groups[i];

        digest_name(d, g->name);
        value_digest_number(d, g->last_id.ms);
        value_digest_number(d, g->last_id.seq);
        value_digest_number(d, (uint64_t)g->entries_read);
        value_digest_number(d, g->n_consumers);
        for (uint32_t c = 0; c < g->n_consumers; c++) {
            digest_name(d, stream_consumer_at(g, c)->name);
        }
        value_digest_number(d, g->pending.count);
        digest_pending(d, g);
    }
}
