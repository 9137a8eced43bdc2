/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_index.c - see node/types/stream_index.h.
 *
 * Invariants: no leaf is empty; the ids of leaf i are >= row[first + i].id and < that of the next
 * leaf; a leaf is at least a quarter full by its allocation. */
#include "node/types/stream_index.h"

#include "base/mem.h"
#include "node/keyspace/item.h"

#include <stdlib.h>
#include <string.h>

#define LEAF_MAX 127u  /* three kilobytes with the head */
#define LEAF_LATER 31u /* a further leaf begins with so much room */

struct leaf {
    uint32_t n, cap;
    struct stream_slot slots[];
};

static struct stream_slot *row_at(const struct stream_index *x, size_t i)
{
    return &x->row[x->first + i];
}

static struct leaf *leaf_at(const struct stream_index *x, size_t i) { return row_at(x, i)->p; }

static size_t leaf_bytes(uint32_t cap)
{
    return sizeof(struct leaf) + cap * sizeof(struct stream_slot);
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Slots with an id < @id (@or_equal: <=). */
static uint32_t slots_before(const struct stream_slot *s, uint32_t n, struct stream_id id,
                             bool or_equal)
{
    uint32_t lo = 0;

    while (n > 0) {
        uint32_t half = n / 2;
        int order = stream_id_compare(s[lo + half].id, id);

        if (order < 0 || (or_equal && order == 0)) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

/* The leaf in which @id stands, if it is there at all; the index is not empty. */
static uint32_t find_leaf(const struct stream_index *x, struct stream_id id)
{
    uint32_t last = x->n - 1;
    uint32_t before;

    if (stream_id_compare(row_at(x, last)->id, id) <= 0) {
        return last; /* what is new comes at the end */
    }
    before = slots_before(row_at(x, 0), x->n, id, true);
    return before == 0 ? 0 : before - 1;
}

/* Past the last leaf: no slot. */
static struct stream_index_pos past_end(const struct stream_index *x)
{
    return (struct stream_index_pos){x->n, 0};
}

struct stream_index_pos stream_index_at_or_after(const struct stream_index *x, struct stream_id id)
{
    struct stream_index_pos pos;

    if (x->n == 0) {
        return past_end(x);
    }
    pos.leaf = find_leaf(x, id);
    pos.at = slots_before(leaf_at(x, pos.leaf)->slots, leaf_at(x, pos.leaf)->n, id, false);
    if (pos.at == leaf_at(x, pos.leaf)->n) {
        pos = (struct stream_index_pos){pos.leaf + 1, 0};
    }
    return pos;
}

struct stream_index_pos stream_index_at_or_before(const struct stream_index *x, struct stream_id id)
{
    struct stream_index_pos pos;
    uint32_t before;

    if (x->n == 0) {
        return past_end(x);
    }
    pos.leaf = find_leaf(x, id);
    before = slots_before(leaf_at(x, pos.leaf)->slots, leaf_at(x, pos.leaf)->n, id, true);
    if (before > 0) {
        pos.at = before - 1;
        return pos;
    }
    pos.at = 0;
    return stream_index_prev(x, pos);
}

struct stream_index_pos stream_index_begin(const struct stream_index *x)
{
    (void)x;
    return (struct stream_index_pos){0, 0};
}

struct stream_index_pos stream_index_last(const struct stream_index *x)
{
    return x->n == 0 ? past_end(x)
                     : (struct stream_index_pos){x->n - 1, leaf_at(x, x->n - 1)->n - 1};
}

const struct stream_slot *stream_index_slot(const struct stream_index *x,
                                            struct stream_index_pos pos)
{
    return pos.leaf >= x->n ? NULL : &leaf_at(x, pos.leaf)->slots[pos.at];
}

struct stream_index_pos stream_index_next(const struct stream_index *x, struct stream_index_pos pos)
{
    if (pos.leaf < x->n && ++pos.at == leaf_at(x, pos.leaf)->n) {
        pos = (struct stream_index_pos){pos.leaf + 1, 0};
    }
    return pos;
}

struct stream_index_pos stream_index_prev(const struct stream_index *x, struct stream_index_pos pos)
{
    if (pos.at > 0) {
        pos.at--;
        return pos;
    }
    if (pos.leaf == 0) {
        return past_end(x);
    }
    pos.leaf--;
    pos.at = leaf_at(x, pos.leaf)->n - 1;
    return pos;
}

/* False: @id is not there. */
static bool find(const struct stream_index *x, struct stream_id id, struct stream_index_pos *pos)
{
    const struct stream_slot *s;

    *pos = stream_index_at_or_after(x, id);
    s = stream_index_slot(x, *pos);
    return s != NULL && stream_id_compare(s->id, id) == 0;
}

void *stream_index_get(const struct stream_index *x, struct stream_id id)
{
    struct stream_index_pos pos;

    return find(x, id, &pos) ? stream_index_slot(x, pos)->p : NULL;
}

void stream_index_set(struct stream_index *x, struct stream_index_pos pos, void *p)
{
    leaf_at(x, pos.leaf)->slots[pos.at].p = p;
}

/* ---- the row ------------------------------------------------------------------------------- */

/* Room for one more at the end: moved to the front when half of the row is unused there. */
static void row_reserve(struct stream_index *x)
{
    if (x->first + x->n < x->cap) {
        return;
    }
    if (x->first > x->cap / 2) {
        memmove(x->row, row_at(x, 0), x->n * sizeof *x->row);
        x->first = 0;
        return;
    }
    x->cap = x->cap == 0 ? 1 : x->cap * 2;
    x->row = mem_realloc(x->row, x->cap * sizeof *x->row);
}

static void row_insert(struct stream_index *x, uint32_t i, struct stream_id id, struct leaf *l)
{
    row_reserve(x);
    memmove(row_at(x, i) + 1, row_at(x, i), (x->n - i) * sizeof *x->row);
    *row_at(x, i) = (struct stream_slot){id, l};
    x->n++;
}

static void row_remove(struct stream_index *x, uint32_t i)
{
    free(leaf_at(x, i));
    if (i == 0) {
        x->first++;
    } else {
        memmove(row_at(x, i), row_at(x, i) + 1, (x->n - i - 1) * sizeof *x->row);
    }
    if (--x->n == 0) {
        free(x->row);
        x->row = NULL;
        x->first = x->cap = 0;
    }
}

/* ---- leaves -------------------------------------------------------------------------------- */

static struct leaf *leaf_new(uint32_t cap)
{
    struct leaf *l = mem_alloc(leaf_bytes(cap));

    l->n = 0;
    l->cap = cap;
    return l;
}

static struct leaf *leaf_resize(struct stream_index *x, uint32_t i, uint32_t cap)
{
    struct leaf *l = mem_realloc(leaf_at(x, i), leaf_bytes(cap));

    l->cap = cap;
    row_at(x, i)->p = l;
    return l;
}

/* Cut the full leaf @i before its slot @at. */
static void leaf_split(struct stream_index *x, uint32_t i, uint32_t at)
{
    struct leaf *l = leaf_at(x, i);
    struct leaf *right = leaf_new(LEAF_MAX);

    right->n = l->n - at;
    memcpy(right->slots, &l->slots[at], right->n * sizeof right->slots[0]);
    l->n = at;
    row_insert(x, i + 1, right->slots[0].id, right);
}

/* Where @id goes, with room there. */
static struct stream_index_pos make_room(struct stream_index *x, struct stream_id id)
{
    struct stream_index_pos pos = {find_leaf(x, id), 0};
    struct leaf *l = leaf_at(x, pos.leaf);

    pos.at = slots_before(l->slots, l->n, id, false);
    if (l->n < l->cap) {
        return pos;
    }
    if (l->cap < LEAF_MAX) {
        (void)leaf_resize(x, pos.leaf, MIN_OF(l->cap * 2, LEAF_MAX));
        return pos;
    }
    if (pos.leaf == x->n - 1 && pos.at == l->n) {
        row_insert(x, x->n, id, leaf_new(LEAF_LATER)); /* at the end: the full one stays full */
        return (struct stream_index_pos){pos.leaf + 1, 0};
    }
    leaf_split(x, pos.leaf, LEAF_MAX / 2);
    if (pos.at > LEAF_MAX / 2) {
        pos = (struct stream_index_pos){pos.leaf + 1, pos.at - LEAF_MAX / 2};
    }
    return pos;
}

void stream_index_add(struct stream_index *x, struct stream_id id, void *p)
{
    struct stream_index_pos pos;
    struct leaf *l;

    assert(p != NULL);
    if (x->n == 0) {
        row_insert(x, 0, id, leaf_new(1));
    }
    pos = make_room(x, id);
    l = leaf_at(x, pos.leaf);
    memmove(&l->slots[pos.at + 1], &l->slots[pos.at], (l->n - pos.at) * sizeof l->slots[0]);
    l->slots[pos.at] = (struct stream_slot){id, p};
    l->n++;
    x->count++;
    if (pos.leaf == 0 && pos.at == 0) {
        row_at(x, 0)->id = id; /* may be lower than what the first leaf began with */
    }
}

void *stream_index_remove(struct stream_index *x, struct stream_id id)
{
    struct stream_index_pos pos;
    struct leaf *l;
    void *p;

    if (!find(x, id, &pos)) {
        return NULL;
    }
    l = leaf_at(x, pos.leaf);
    p = l->slots[pos.at].p;
    l->n--;
    memmove(&l->slots[pos.at], &l->slots[pos.at + 1], (l->n - pos.at) * sizeof l->slots[0]);
    x->count--;
    if (l->n == 0) {
        row_remove(x, pos.leaf);
    } else if (l->n < l->cap / 4) {
        (void)leaf_resize(x, pos.leaf, l->cap / 2);
    }
    return p;
}

bool stream_index_relocate(struct stream_index *x, uint64_t leaf, struct mover *m,
                           stream_index_relocate_fn *fn, void *arg)
{
    struct leaf *l;

    if (leaf >= x->n) {
        return false;
    }
    if (leaf == 0) {
        x->row = mover_move(m, x->row);
    }
    l = mover_move(m, leaf_at(x, leaf));
    row_at(x, leaf)->p = l;
    for (uint32_t i = 0; fn != NULL && i < l->n; i++) {
        l->slots[i].p = fn(arg, l->slots[i].id, l->slots[i].p);
    }
    return true;
}

void stream_index_release(struct stream_index *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        free(leaf_at(x, i));
    }
    free(x->row);
    *x = (struct stream_index){0};
}

size_t stream_index_bytes(const struct stream_index *x)
{
    size_t bytes = x->cap == 0 ? 0 : item_good_size(x->cap * sizeof *x->row);

    for (uint32_t i = 0; i < x->n; i++) {
        bytes += item_good_size(leaf_bytes(leaf_at(x, i)->cap));
    }
    return bytes;
}
