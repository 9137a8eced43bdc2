/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/list.c - see node/types/list.h.
 *
 * Invariants: a big list has at least one chunk, and no chunk is empty. */
#include "node/types/list.h"

#include "base/mem.h"
#include "node/keyspace/item.h"

#include <stdlib.h>

enum { LIST_SMALL, LIST_BIG };

#define RING_MIN 8u
#define RING_KEEP 1024u /* a larger ring shrinks when an eighth would do */

struct big_list {
    struct value_head head;
    size_t len;
    size_t chunk_bytes; /* allocated for chunks */
    struct listpack **ring;
    uint32_t cap, first, n; /* cap is a power of two */
};

static bool is_small(const void *value)
{
    return ((const struct value_head *)value)->encoding == LIST_SMALL;
}
static struct listpack *small_of(const void *value) { return (struct listpack *)value; }
static struct big_list *big_of(const void *value) { return (struct big_list *)value; }

void *list_new(void)
{
    struct listpack *lp = listpack_new();

    lp->head = (struct value_head){.type = ITEM_LIST, .encoding = LIST_SMALL};
    return lp;
}

static size_t len_of(const void *value)
{
    return is_small(value) ? listpack_count(small_of(value)) : big_of(value)->len;
}

size_t list_len(const struct item *it) { return len_of(item_value(it)); }

/* ---- limits -------------------------------------------------------------------------------- */

#define CHUNK_BYTES_SAFE 8192u /* also when the limit is a number of elements */

static size_t bytes_max(const struct types_limits *limits)
{
    int64_t size = limits->list_max_listpack_size;

    return size >= 0 ? CHUNK_BYTES_SAFE : (size_t)4096 << (size <= -5 ? 4 : -size - 1);
}

static bool has_room(const struct listpack *lp, size_t n, const struct types_limits *limits)
{
    int64_t size = limits->list_max_listpack_size;

    if (size > 0 && (int64_t)listpack_count(lp) >= size) {
        return false;
    }
    return listpack_bytes(lp) + n + LISTPACK_ENTRY_OVERHEAD <= bytes_max(limits);
}

/* ---- the ring ------------------------------------------------------------------------------ */

static struct listpack **slot(const struct big_list *b, size_t i)
{
    return &b->ring[(b->first + i) & (b->cap - 1)];
}

static struct listpack *chunk_at(const struct big_list *b, size_t i) { return *slot(b, i); }

/* The chunk has changed, and may have moved. @before: its allocation then. */
static void put_back(struct big_list *b, size_t i, struct listpack *lp, size_t before)
{
    *slot(b, i) = lp;
    b->chunk_bytes += listpack_allocation(lp) - before;
}

/* A ring of @cap places for the same chunks. */
static void ring_resize(struct big_list *b, uint32_t cap)
{
    struct listpack **ring = mem_alloc(cap * sizeof(struct listpack *));

    for (uint32_t i = 0; i < b->n; i++) {
        ring[i] = chunk_at(b, i);
    }
    free(b->ring);
    b->ring = ring;
    b->cap = cap;
    b->first = 0;
}

/* A chunk before place @i; the shorter side moves. */
static void ring_insert(struct big_list *b, size_t i, struct listpack *lp)
{
    if (b->n == b->cap) {
        ring_resize(b, b->cap * 2);
    }
    if (i < b->n / 2) {
        b->first = (b->first - 1) & (b->cap - 1);
        b->n++;
        for (size_t k = 0; k < i; k++) {
            *slot(b, k) = chunk_at(b, k + 1);
        }
    } else {
        b->n++;
        for (size_t k = b->n - 1u; k > i; k--) {
            *slot(b, k) = chunk_at(b, k - 1);
        }
    }
    *slot(b, i) = lp;
    b->chunk_bytes += listpack_allocation(lp);
}

/* The chunk at @i is freed; its place is still there. */
static void drop_chunk(struct big_list *b, size_t i)
{
    b->chunk_bytes -= listpack_allocation(chunk_at(b, i));
    free(chunk_at(b, i));
}

/* @n places from @from on go, whose chunks are gone; the shorter side moves, once for all of them.
 */
static void ring_cut(struct big_list *b, size_t from, size_t n)
{
    size_t behind = b->n - from - n;

    if (n == 0) {
        return;
    }
    if (from < behind) {
        for (size_t k = from; k > 0; k--) {
            *slot(b, k - 1 + n) = chunk_at(b, k - 1);
        }
        b->first = (uint32_t)(b->first + n) & (b->cap - 1);
    } else {
        for (size_t k = 0; k < behind; k++) {
            *slot(b, from + k) = chunk_at(b, from + n + k);
        }
    }
    b->n -= (uint32_t)n;
    if (b->cap > RING_KEEP && b->n < b->cap / 8) {
        uint32_t cap = b->cap;

        while (cap / 2 >= MAX_OF(b->n * 2, RING_MIN)) {
            cap /= 2;
        }
        ring_resize(b, cap);
    }
}

static struct big_list *big_new(void)
{
    struct big_list *b = mem_zalloc(sizeof *b);

    b->head = (struct value_head){.type = ITEM_LIST, .encoding = LIST_BIG};
    b->cap = RING_MIN;
    b->ring = mem_alloc(b->cap * sizeof(struct listpack *));
    return b;
}

/* The small list becomes the first chunk of a big one. */
static struct big_list *become_big(struct item *it)
{
    struct listpack *lp = item_value(it);
    struct big_list *b = big_new();

    b->len = listpack_count(lp);
    if (b->len > 0) {
        ring_insert(b, 0, lp);
    } else {
        free(lp);
    }
    item_set_value(it, b);
    return b;
}

/* Chunk and place within it of element @index; walks from the nearer end. index == len: behind the
 * last of the last chunk. */
static size_t find_chunk(const struct big_list *b, size_t index, size_t *within)
{
    size_t i;

    if (index <= b->len / 2) {
        for (i = 0; i + 1 < b->n && index >= listpack_count(chunk_at(b, i)); i++) {
            index -= listpack_count(chunk_at(b, i));
        }
        *within = index;
        return i;
    }
    index = b->len - index; /* elements from it to the end */
    for (i = b->n - 1u; i > 0 && index > listpack_count(chunk_at(b, i)); i--) {
        index -= listpack_count(chunk_at(b, i));
    }
    *within = listpack_count(chunk_at(b, i)) - index;
    return i;
}

/* ---- pushing and inserting ----------------------------------------------------------------- */

static struct listpack *single(const char *p, size_t n)
{
    return listpack_append(listpack_new(), p, n);
}

static void push_big(struct big_list *b, bool front, const char *p, size_t n,
                     const struct types_limits *limits)
{
    size_t i = front || b->n == 0 ? 0 : b->n - 1u;

    b->len++;
    if (b->n > 0 && has_room(chunk_at(b, i), n, limits)) {
        struct listpack *lp = chunk_at(b, i);
        size_t before = listpack_allocation(lp);

        put_back(b, i, front ? listpack_prepend(lp, p, n) : listpack_append(lp, p, n), before);
        return;
    }
    ring_insert(b, front ? 0 : b->n, single(p, n));
}

void list_push(struct item *it, bool front, const char *p, size_t n,
               const struct types_limits *limits)
{
    void *value = item_value(it);

    if (is_small(value)) {
        if (has_room(value, n, limits)) {
            item_set_value(it,
                           front ? listpack_prepend(value, p, n) : listpack_append(value, p, n));
            return;
        }
        value = become_big(it);
    }
    push_big(value, front, p, n, limits);
}

/* Cut chunk @i in two, the second with the elements from @within on. */
static void split_chunk(struct big_list *b, size_t i, size_t within)
{
    struct listpack *lp = chunk_at(b, i);
    struct listpack *tail = listpack_new();
    size_t before = listpack_allocation(lp);
    listpack_pos at = listpack_seek(lp, (int64_t)within);
    size_t count = listpack_count(lp) - within;
    char scratch[24];

    for (listpack_pos p = at; p != NULL; p = listpack_next(lp, p)) {
        struct arg text = listpack_text(p, scratch);

        tail = listpack_append(tail, text.p, text.n);
    }
    put_back(b, i, listpack_delete(lp, at, count, NULL), before);
    ring_insert(b, i + 1, tail);
}

static void insert_big(struct big_list *b, size_t index, const char *p, size_t n,
                       const struct types_limits *limits)
{
    size_t within;
    size_t i = find_chunk(b, index, &within);
    struct listpack *lp = chunk_at(b, i);
    size_t before = listpack_allocation(lp);

    b->len++;
    if (has_room(lp, n, limits)) {
        put_back(b, i, listpack_insert(lp, listpack_seek(lp, (int64_t)within), p, n, NULL), before);
        return;
    }
    if (within > 0 && within < listpack_count(lp)) {
        split_chunk(b, i, within);
        i++;
    } else if (within > 0) {
        i++;
    }
    ring_insert(b, i, single(p, n));
}

void list_insert(struct item *it, size_t index, const char *p, size_t n,
                 const struct types_limits *limits)
{
    void *value = item_value(it);
    size_t len = len_of(value);

    assert(index <= len);
    if (index == 0 || index == len) {
        list_push(it, index == 0 && len > 0, p, n, limits);
        return;
    }
    if (is_small(value)) {
        if (has_room(value, n, limits)) {
            listpack_pos at = listpack_seek(value, (int64_t)index);

            item_set_value(it, listpack_insert(value, at, p, n, NULL));
            return;
        }
        value = become_big(it);
    }
    insert_big(value, index, p, n, limits);
}

/* ---- removing ------------------------------------------------------------------------------ */

/* Both half empty: one will do. */
static bool may_join(const struct listpack *lp, const struct listpack *next,
                     const struct types_limits *limits)
{
    int64_t size = limits->list_max_listpack_size;

    return listpack_bytes(lp) + listpack_bytes(next) <= bytes_max(limits) / 2 &&
           (size <= 0 || (int64_t)(listpack_count(lp) + listpack_count(next)) <= size);
}

/* Chunk @i takes the elements of chunk @next, which is freed; its place is still there. */
static void join_chunk(struct big_list *b, size_t i, size_t next)
{
    size_t before = listpack_allocation(chunk_at(b, i));

    put_back(b, i, listpack_concat(chunk_at(b, i), chunk_at(b, next)), before);
    drop_chunk(b, next);
}

/* Some, but not all, elements of chunk @i. */
static void remove_in_chunk(struct big_list *b, size_t i, size_t within, size_t count)
{
    struct listpack *lp = chunk_at(b, i);
    size_t before = listpack_allocation(lp);

    put_back(b, i, listpack_delete(lp, listpack_seek(lp, (int64_t)within), count, NULL), before);
}

static void remove_big(struct big_list *b, size_t first, size_t count,
                       const struct types_limits *limits)
{
    size_t within, whole = 0;
    size_t i = find_chunk(b, first, &within);

    b->len -= count;
    if (within > 0) {
        size_t n = MIN_OF(count, listpack_count(chunk_at(b, i)) - within);

        remove_in_chunk(b, i++, within, n);
        count -= n;
    }
    for (; count > 0 && listpack_count(chunk_at(b, i + whole)) <= count; whole++) {
        count -= listpack_count(chunk_at(b, i + whole));
        drop_chunk(b, i + whole);
    }
    ring_cut(b, i, whole);
    if (count > 0) {
        remove_in_chunk(b, i, 0, count);
    }
    i = i > 0 ? i - 1 : 0;
    if (i + 1 < b->n && may_join(chunk_at(b, i), chunk_at(b, i + 1), limits)) {
        join_chunk(b, i, i + 1);
        ring_cut(b, i + 1, 1);
    }
}

void list_remove(struct item *it, size_t first, size_t count, const struct types_limits *limits)
{
    void *value = item_value(it);

    assert(first + count <= len_of(value));
    if (count == 0) {
        return;
    }
    if (is_small(value)) {
        listpack_pos at = listpack_seek(value, (int64_t)first);

        item_set_value(it, listpack_delete(value, at, count, NULL));
    } else {
        remove_big(value, first, count, limits);
    }
}

/* Of one listpack; *@lp may move. */
static size_t remove_equal_in(struct listpack **lp, const char *p, size_t n, size_t most,
                              bool backwards)
{
    listpack_pos at = backwards ? listpack_last(*lp) : listpack_first(*lp);
    size_t done = 0;

    while (at != NULL && done < most) {
        if (!listpack_equals(at, p, n)) {
            at = backwards ? listpack_prev(*lp, at) : listpack_next(*lp, at);
            continue;
        }
        *lp = listpack_delete(*lp, at, 1, &at);
        done++;
        if (backwards) {
            at = at == NULL ? listpack_last(*lp) : listpack_prev(*lp, at);
        }
    }
    return done;
}

/* Chunks @from..@to without those that are empty, and with what belongs together joined. */
static void tidy_chunks(struct big_list *b, size_t from, size_t to,
                        const struct types_limits *limits)
{
    size_t kept = from;

    for (size_t i = from; i <= to; i++) {
        if (listpack_count(chunk_at(b, i)) == 0) {
            drop_chunk(b, i);
        } else if (kept > 0 && may_join(chunk_at(b, kept - 1), chunk_at(b, i), limits)) {
            join_chunk(b, kept - 1, i);
        } else {
            *slot(b, kept++) = chunk_at(b, i);
        }
    }
    ring_cut(b, kept, to + 1 - kept);
}

static size_t remove_equal_big(struct big_list *b, const char *p, size_t n, size_t most,
                               bool backwards, const struct types_limits *limits)
{
    size_t from = b->n, to = 0; /* chunks that have changed are from..to */
    size_t done = 0;

    for (size_t k = 0; k < b->n && done < most; k++) {
        size_t i = backwards ? b->n - 1 - k : k;
        struct listpack *lp = chunk_at(b, i);
        size_t before = listpack_allocation(lp);
        size_t gone = remove_equal_in(&lp, p, n, most - done, backwards);

        if (gone > 0) {
            put_back(b, i, lp, before);
            from = MIN_OF(from, i);
            to = MAX_OF(to, i);
            done += gone;
        }
    }
    b->len -= done;
    if (done > 0) {
        tidy_chunks(b, from, MIN_OF(to + 1, b->n - (size_t)1), limits);
    }
    return done;
}

size_t list_remove_equal(struct item *it, const char *p, size_t n, size_t most, bool backwards,
                         const struct types_limits *limits)
{
    void *value = item_value(it);

    if (is_small(value)) {
        struct listpack *lp = value;
        size_t done = remove_equal_in(&lp, p, n, most, backwards);

        item_set_value(it, lp);
        return done;
    }
    return remove_equal_big(value, p, n, most, backwards, limits);
}

/* ---- replacing ----------------------------------------------------------------------------- */

void list_set(struct item *it, size_t index, const char *p, size_t n,
              const struct types_limits *limits)
{
    void *value = item_value(it);
    size_t within = index;

    if (is_small(value) && has_room(value, n, limits)) {
        listpack_pos at = listpack_seek(value, (int64_t)index);

        item_set_value(it, listpack_replace(value, at, p, n, NULL));
        return;
    }
    if (!is_small(value)) {
        struct big_list *b = value;
        size_t i = find_chunk(b, index, &within);
        struct listpack *lp = chunk_at(b, i);
        size_t before = listpack_allocation(lp);

        if (has_room(lp, n, limits) || listpack_count(lp) == 1) {
            listpack_pos at = listpack_seek(lp, (int64_t)within);

            put_back(b, i, listpack_replace(lp, at, p, n, NULL), before);
            return;
        }
    }
    list_insert(it, index, p, n, limits);
    list_remove(it, index + 1, 1, limits);
}

/* ---- walking ------------------------------------------------------------------------------- */

const struct listpack *list_listpack(const void *value)
{
    return is_small(value) ? small_of(value) : NULL;
}

size_t list_chunks(const void *value) { return is_small(value) ? 1 : big_of(value)->n; }

const struct listpack *list_chunk(const void *value, size_t i)
{
    return is_small(value) ? small_of(value) : chunk_at(big_of(value), i);
}

void list_iter_at(struct list_iter *i, const struct item *it, size_t index, bool backwards)
{
    size_t within = index;

    *i = (struct list_iter){.value = item_value(it), .backwards = backwards};
    if (index >= len_of(i->value)) {
        return;
    }
    if (!is_small(i->value)) {
        i->chunk = find_chunk(big_of(i->value), index, &within);
    }
    i->at = listpack_seek(list_chunk(i->value, i->chunk), (int64_t)within);
}

listpack_pos list_iter_next(struct list_iter *i)
{
    const struct listpack *lp = list_chunk(i->value, i->chunk);
    listpack_pos at = i->at;

    if (at == NULL) {
        return NULL;
    }
    i->at = i->backwards ? listpack_prev(lp, at) : listpack_next(lp, at);
    if (i->at == NULL && i->backwards && i->chunk > 0) {
        i->at = listpack_last(list_chunk(i->value, --i->chunk));
    } else if (i->at == NULL && !i->backwards && i->chunk + 1 < list_chunks(i->value)) {
        i->at = listpack_first(list_chunk(i->value, ++i->chunk));
    }
    return at;
}

void list_append_chunk(struct item *it, struct listpack *lp, const struct types_limits *limits)
{
    struct big_list *b;

    if (is_small(item_value(it))) {
        struct listpack *have = item_value(it);

        if (listpack_count(have) == 0 && has_room(lp, 0, limits)) {
            lp->head = have->head;
            item_set_value(it, lp);
            free(have);
            return;
        }
        (void)become_big(it);
    }
    b = item_value(it);
    b->len += listpack_count(lp);
    ring_insert(b, b->n, lp);
}

/* ---- value_type ---------------------------------------------------------------------------- */

static const char *encoding_name(const void *value)
{
    return is_small(value) ? "listpack" : "quicklist"; /* as clients know it */
}

static void free_value(void *value)
{
    if (!is_small(value)) {
        for (size_t i = 0; i < big_of(value)->n; i++) {
            free(chunk_at(big_of(value), i));
        }
        free(big_of(value)->ring);
    }
    free(value);
}

static size_t bytes(const void *value, size_t samples)
{
    const struct big_list *b = big_of(value);

    (void)samples; /* the sum is known */
    if (is_small(value)) {
        return listpack_allocation(small_of(value));
    }
    return item_good_size(sizeof *b) + b->chunk_bytes + b->cap * sizeof(struct listpack *);
}

static size_t effort(const void *value) { return is_small(value) ? 1 : big_of(value)->n; }

static void *copy(const void *value)
{
    struct big_list *b;

    if (is_small(value)) {
        return listpack_dup(small_of(value));
    }
    b = big_new();
    b->len = big_of(value)->len;
    for (size_t i = 0; i < big_of(value)->n; i++) {
        ring_insert(b, i, listpack_dup(chunk_at(big_of(value), i)));
    }
    return b;
}

static void digest(const void *value, struct value_digest *d)
{
    char scratch[24];

    for (size_t i = 0; i < list_chunks(value); i++) {
        const struct listpack *lp = list_chunk(value, i);

        for (listpack_pos p = listpack_first(lp); p != NULL; p = listpack_next(lp, p)) {
            struct arg text = listpack_text(p, scratch);

            value_digest_add(d, text.p, text.n);
        }
    }
}

static bool relocate(void **value, struct mover *m, struct value_cursor *c, size_t n)
{
    struct big_list *b;

    if (c->part == 0) {
        *value = mover_move(m, *value);
        if (!is_small(*value)) {
            big_of(*value)->ring = mover_move(m, big_of(*value)->ring);
        }
        *c = (struct value_cursor){.part = 1};
    }
    if (is_small(*value)) {
        return true;
    }
    b = big_of(*value);
    for (; c->at < b->n && n > 0; n--) {
        *slot(b, c->at) = mover_move(m, chunk_at(b, c->at));
        c->at++;
    }
    return c->at >= b->n;
}

const struct value_type list_type = {
    .encoding_name = encoding_name,
    .free = free_value,
    .bytes = bytes,
    .effort = effort,
    .copy = copy,
    .digest = digest,
    .relocate = relocate,
};
