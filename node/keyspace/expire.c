/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/expire.c - see node/keyspace/expire.h.
 *
 * Places in a heap are counted from ROOT = 3, so that the four children of any place share a
 * cache line: those of i are 4i - 8 .. 4i - 5, the parent of i is i / 4 + 2. */
#include "node/keyspace/expire.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#define ROOT 3
#define FIRST_CAP 16 /* entries to begin with */

static uint64_t parent_of(uint64_t i) { return i / 4 + 2; }
static uint64_t first_child_of(uint64_t i) { return i * 4 - 8; }

/* ---- the pool -------------------------------------------------------------------------------- */

void expire_pool_init(struct expire_pool *p) { memset(p, 0, sizeof *p); }

void expire_pool_release(struct expire_pool *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        assert(p->slots[i].entries == NULL);
    }
    free(p->slots);
    memset(p, 0, sizeof *p);
}

static struct expire_entry *entries_alloc(uint32_t n)
{
    struct expire_entry *e = aligned_alloc(64, n * sizeof *e);

    if (e == NULL) {
        log_fatal("Out of memory allocating %zu bytes of expiry heap", n * sizeof *e);
    }
    return e;
}

static void pool_grow(struct expire_pool *p)
{
    uint32_t n = p->n == 0 ? 4 : p->n * 2;

    assert(n <= UINT32_MAX >> EXPIRE_CHUNK_BITS);
    p->slots = mem_realloc(p->slots, n * sizeof *p->slots);
    for (uint32_t i = n - 1; i >= MAX_OF(p->n, 1u); i--) {
        p->slots[i] = (struct expire_slot){NULL, p->free};
        p->free = i;
    }
    p->slots[0] = (struct expire_slot){NULL, 0};
    p->n = n;
}

static void heap_add_chunk(struct expire_pool *p, struct expire_heap *h)
{
    uint32_t entries = h->n_ids == 0 ? FIRST_CAP : EXPIRE_CHUNK;
    uint32_t id;

    if (p->free == 0) {
        pool_grow(p);
    }
    id = p->free;
    p->free = p->slots[id].ordinal;
    p->slots[id] = (struct expire_slot){entries_alloc(entries), h->n_ids};
    if (h->n_ids == 0) {
        h->cap = entries;
    }
    if ((h->n_ids & (h->n_ids - 1)) == 0) { /* a power of two: full */
        h->ids = mem_realloc(h->ids, MAX_OF(h->n_ids * 2, 1u) * sizeof *h->ids);
    }
    h->ids[h->n_ids++] = id;
}

static void heap_drop_chunk(struct expire_pool *p, struct expire_heap *h)
{
    uint32_t id = h->ids[--h->n_ids];

    free(p->slots[id].entries);
    p->slots[id] = (struct expire_slot){NULL, p->free};
    p->free = id;
}

static void heap_resize_first(struct expire_pool *p, struct expire_heap *h, uint32_t cap)
{
    struct expire_slot *s = &p->slots[h->ids[0]];
    struct expire_entry *e = entries_alloc(cap);

    memcpy(e, s->entries, MIN_OF(cap, h->cap) * sizeof *e);
    free(s->entries);
    s->entries = e;
    h->cap = cap;
}

/* ---- a heap ---------------------------------------------------------------------------------- */

void expire_heap_init(struct expire_heap *h) { memset(h, 0, sizeof *h); }

void expire_heap_release(struct expire_pool *p, struct expire_heap *h)
{
    while (h->n_ids > 0) {
        heap_drop_chunk(p, h);
    }
    free(h->ids);
    memset(h, 0, sizeof *h);
}

void expire_heap_transfer(struct expire_pool *from, struct expire_pool *to,
                          const struct expire_heap *h)
{
    assert(to->n == 0 || to->n == from->n);
    while (to->n < from->n) {
        pool_grow(to);
    }
    to->free = 0; /* rebuilt below */
    for (uint32_t i = 0; i < h->n_ids; i++) {
        uint32_t id = h->ids[i];

        to->slots[id] = from->slots[id];
        from->slots[id] = (struct expire_slot){NULL, from->free};
        from->free = id;
    }
    for (uint32_t i = to->n; i-- > 1;) {
        if (to->slots[i].entries == NULL) {
            to->slots[i].ordinal = to->free;
            to->free = i;
        }
    }
}

size_t expire_heap_bytes(const struct expire_heap *h)
{
    size_t entries = h->n_ids == 0 ? 0 : h->cap + (size_t)(h->n_ids - 1) * EXPIRE_CHUNK;

    return entries * sizeof(struct expire_entry);
}

static inline struct expire_entry *entry_at(const struct expire_pool *p,
                                            const struct expire_heap *h, uint64_t i)
{
    return &p->slots[h->ids[i >> EXPIRE_CHUNK_BITS]].entries[i & (EXPIRE_CHUNK - 1)];
}

static inline void put(struct expire_pool *p, struct expire_heap *h, uint64_t i,
                       struct expire_entry e)
{
    *entry_at(p, h, i) = e;
    e.it->heap_pos =
        h->ids[i >> EXPIRE_CHUNK_BITS] << EXPIRE_CHUNK_BITS | (uint32_t)(i & (EXPIRE_CHUNK - 1));
}

static uint64_t place_of(const struct expire_pool *p, const struct item *it)
{
    const struct expire_slot *s = &p->slots[it->heap_pos >> EXPIRE_CHUNK_BITS];

    return (uint64_t)s->ordinal << EXPIRE_CHUNK_BITS | (it->heap_pos & (EXPIRE_CHUNK - 1));
}

/* Put @e where it belongs on the way from place @i to the root. */
static void sift_up(struct expire_pool *p, struct expire_heap *h, uint64_t i, struct expire_entry e)
{
    while (i > ROOT) {
        struct expire_entry *parent = entry_at(p, h, parent_of(i));

        if (parent->at <= e.at) {
            break;
        }
        put(p, h, i, *parent);
        i = parent_of(i);
    }
    put(p, h, i, e);
}

static void sift_down(struct expire_pool *p, struct expire_heap *h, uint64_t i,
                      struct expire_entry e)
{
    uint64_t end = ROOT + h->n;

    for (;;) {
        uint64_t least = first_child_of(i);
        const struct expire_entry *children;

        if (least >= end) {
            break;
        }
        children = entry_at(p, h, least);
        unsigned best = 0;
        for (unsigned c = 1; c < 4 && least + c < end; c++) {
            if (children[c].at < children[best].at) {
                best = c;
            }
        }
        if (e.at <= children[best].at) {
            break;
        }
        put(p, h, i, children[best]);
        i = least + best;
    }
    put(p, h, i, e);
}

void expire_add(struct expire_pool *p, struct expire_heap *h, struct item *it, int64_t at)
{
    uint64_t i = ROOT + h->n;

    assert(it->heap_pos == 0);
    if (i >> EXPIRE_CHUNK_BITS == h->n_ids) {
        heap_add_chunk(p, h);
    } else if (i == h->cap && i < EXPIRE_CHUNK) {
        heap_resize_first(p, h, h->cap * 2);
    }
    h->n++;
    sift_up(p, h, i, (struct expire_entry){at, it});
}

void expire_change(struct expire_pool *p, struct expire_heap *h, struct item *it, int64_t at)
{
    uint64_t i = place_of(p, it);
    struct expire_entry e = {at, it};

    if (at < entry_at(p, h, i)->at) {
        sift_up(p, h, i, e);
    } else {
        sift_down(p, h, i, e);
    }
}

void expire_remove(struct expire_pool *p, struct expire_heap *h, struct item *it)
{
    uint64_t i = place_of(p, it);
    struct expire_entry last = *entry_at(p, h, ROOT + h->n - 1);

    assert(entry_at(p, h, i)->it == it);
    it->heap_pos = 0;
    h->n--;
    if (last.it != it) {
        if (i > ROOT && last.at < entry_at(p, h, parent_of(i))->at) {
            sift_up(p, h, i, last);
        } else {
            sift_down(p, h, i, last);
        }
    }
    /* Give back what is a chunk beyond need, so that no single change goes back and forth. */
    if (h->n == 0) {
        expire_heap_release(p, h);
    } else if (h->n_ids > 2 && ROOT + h->n < (uint64_t)(h->n_ids - 2) << EXPIRE_CHUNK_BITS) {
        heap_drop_chunk(p, h);
    } else if (h->n_ids == 2 && ROOT + h->n < EXPIRE_CHUNK / 2) {
        heap_drop_chunk(p, h);
    } else if (h->n_ids == 1 && h->cap > FIRST_CAP && ROOT + h->n < h->cap / 4) {
        heap_resize_first(p, h, h->cap / 2);
    }
}

const struct expire_entry *expire_first(const struct expire_pool *p, const struct expire_heap *h)
{
    return h->n > 0 ? entry_at(p, h, ROOT) : NULL;
}

const struct expire_entry *expire_nth(const struct expire_pool *p, const struct expire_heap *h,
                                      uint64_t i)
{
    assert(i < h->n);
    return entry_at(p, h, ROOT + i);
}

/* Those of the place @i and below it: no child is due before its parent. */
static uint64_t count_below(const struct expire_pool *p, const struct expire_heap *h, uint64_t i,
                            int64_t until)
{
    uint64_t n = 1, child = first_child_of(i);

    if (i >= ROOT + h->n || entry_at(p, h, i)->at > until) {
        return 0;
    }
    for (unsigned j = 0; j < 4; j++) {
        n += count_below(p, h, child + j, until);
    }
    return n;
}

uint64_t expire_count(const struct expire_pool *p, const struct expire_heap *h, int64_t until)
{
    return count_below(p, h, ROOT, until);
}

void expire_pool_relocate(struct expire_pool *p, struct mover *m)
{
    if (p->slots != NULL) {
        p->slots = mover_move(m, p->slots);
    }
}

void expire_heap_relocate(struct expire_pool *p, struct expire_heap *h, struct mover *m)
{
    if (h->n_ids > 0) {
        struct expire_slot *s = &p->slots[h->ids[0]];

        s->entries = mover_move(m, s->entries);
        h->ids = mover_move(m, h->ids);
    }
}
