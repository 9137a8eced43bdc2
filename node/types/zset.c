/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/zset.c - see node/types/zset.h. */
#include "node/types/zset.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/types/members.h"

#include <math.h>
#include <stdlib.h>

enum { ZSET_SMALL, ZSET_BIG };

struct big_zset {
    struct value_head head;
    struct members members; /* their values are the scores, as 8 bytes */
    struct ztree tree;
};

static bool is_small(const void *value)
{
    return ((const struct value_head *)value)->encoding == ZSET_SMALL;
}
static struct listpack *small_of(const void *value) { return (struct listpack *)value; }
static struct big_zset *big_of(const void *value) { return (struct big_zset *)value; }

void *zset_new(void)
{
    struct listpack *lp = listpack_new();

    lp->head = (struct value_head){.type = ITEM_ZSET, .encoding = ZSET_SMALL};
    return lp;
}

static struct big_zset *big_new(const struct siphash_key *hash_key)
{
    struct big_zset *b = mem_alloc(sizeof *b);

    b->head = (struct value_head){.type = ITEM_ZSET, .encoding = ZSET_BIG};
    members_init(&b->members, hash_key);
    ztree_init(&b->tree);
    return b;
}

static size_t len_of(const void *value)
{
    return is_small(value) ? listpack_count(small_of(value)) / 2 : (size_t)big_of(value)->tree.n;
}

size_t zset_len(const struct item *it) { return len_of(item_value(it)); }

/* ---- scores -------------------------------------------------------------------------------- */

static double score_at(listpack_pos p)
{
    char scratch[24];
    struct arg text;
    int64_t v;
    double d = 0;

    if (listpack_i64(p, &v)) {
        return (double)v;
    }
    text = listpack_text(p, scratch);
    if (!num_parse_double(text.p, text.n, &d)) {
        assert(!"a listpack of a sorted set was checked when it came in");
    }
    return d + 0.0; /* Redis writes -0 as well */
}

static double score_of(const struct item *element)
{
    double d;
    size_t n;

    memcpy(&d, item_value_at(element, &n), sizeof d);
    return d;
}

static void big_add(struct big_zset *b, const char *p, size_t n, double score)
{
    char value[sizeof score];

    memcpy(value, &score, sizeof score);
    ztree_insert(&b->tree, score, members_add(&b->members, p, n, value, sizeof value));
}

/* The item stays where it is: a score takes the place of one. */
static void big_set_score(struct big_zset *b, struct item *element, double score)
{
    size_t n;

    ztree_update(&b->tree, score_of(element), element, score);
    memcpy(item_value_at(element, &n), &score, sizeof score);
}

static void big_remove(struct big_zset *b, struct item *element)
{
    ztree_remove(&b->tree, score_of(element), element);
    members_remove(&b->members, element);
}

/* ---- small ones ---------------------------------------------------------------------------- */

static listpack_pos find_small(const struct listpack *lp, const char *p, size_t n)
{
    return listpack_find(lp, listpack_first(lp), p, n, 1);
}

/* The member that is the first not before the bound (NULL: none), and how many are. */
static listpack_pos lower_small(const struct listpack *lp, const struct ztree_bound *b,
                                uint64_t *before)
{
    listpack_pos p = listpack_first(lp);
    char scratch[24];

    *before = 0;
    while (p != NULL) {
        listpack_pos s = listpack_next(lp, p);

        if (!ztree_is_before(score_at(s), listpack_text(p, scratch), b)) {
            break;
        }
        (*before)++;
        p = listpack_next(lp, s);
    }
    return p;
}

static struct listpack *small_add(struct listpack *lp, const char *p, size_t n, double score)
{
    struct ztree_bound b = {.score = score, .where = ZTREE_BEFORE_MEMBER, .member = {p, n}};
    char text[64];
    size_t len = num_print_double(text, score);
    listpack_pos at;
    uint64_t before;

    at = lower_small(lp, &b, &before);
    lp = listpack_insert(lp, at, p, n, &at);
    at = listpack_next(lp, at);
    return listpack_insert(lp, at, text, len, NULL);
}

static struct big_zset *grown(const struct listpack *lp, const struct siphash_key *hash_key)
{
    struct big_zset *b = big_new(hash_key);
    char scratch[24];

    members_expect(&b->members, listpack_count(lp) / 2 + 1);
    for (listpack_pos p = listpack_first(lp); p != NULL;) {
        listpack_pos s = listpack_next(lp, p);
        struct arg member = listpack_text(p, scratch);

        big_add(b, member.p, member.n, score_at(s));
        p = listpack_next(lp, s);
    }
    return b;
}

static bool fits_small(size_t n, size_t longest, const struct types_limits *limits)
{
    return (int64_t)n <= limits->zset_max_listpack_entries &&
           (int64_t)longest <= limits->zset_max_listpack_value;
}

/* ---- both ---------------------------------------------------------------------------------- */

bool zset_score(const struct item *it, const char *p, size_t n, double *out)
{
    const void *value = item_value(it);
    const struct item *element;

    if (is_small(value)) {
        listpack_pos at = find_small(small_of(value), p, n);

        if (at != NULL) {
            *out = score_at(listpack_next(small_of(value), at));
        }
        return at != NULL;
    }
    element = members_find(&big_of(value)->members, p, n);
    if (element != NULL) {
        *out = score_of(element);
    }
    return element != NULL;
}

static enum zset_change set_small(struct item *it, const char *p, size_t n, double score,
                                  const struct types_limits *limits,
                                  const struct siphash_key *hash_key)
{
    struct listpack *lp = item_value(it);
    listpack_pos at = find_small(lp, p, n);

    if (at != NULL) {
        if (score_at(listpack_next(lp, at)) == score) {
            return ZSET_SAME;
        }
        lp = listpack_delete(lp, at, 2, NULL);
        item_set_value(it, small_add(lp, p, n, score));
        return ZSET_CHANGED;
    }
    if (fits_small(listpack_count(lp) / 2 + 1, n, limits) &&
        listpack_bytes(lp) + n <= LISTPACK_BYTES_SAFE) {
        item_set_value(it, small_add(lp, p, n, score));
    } else {
        struct big_zset *b = grown(lp, hash_key);

        big_add(b, p, n, score);
        item_set_value(it, b);
        free(lp);
    }
    return ZSET_ADDED;
}

enum zset_change zset_set(struct item *it, const char *p, size_t n, double score,
                          const struct types_limits *limits, const struct siphash_key *hash_key)
{
    struct big_zset *b = item_value(it);
    struct item *element;

    assert(!isnan(score));
    if (is_small(b)) {
        return set_small(it, p, n, score, limits, hash_key);
    }
    element = members_find(&b->members, p, n);
    if (element == NULL) {
        big_add(b, p, n, score);
        return ZSET_ADDED;
    }
    if (score_of(element) == score) {
        return ZSET_SAME;
    }
    big_set_score(b, element, score);
    return ZSET_CHANGED;
}

bool zset_remove(struct item *it, const char *p, size_t n)
{
    void *value = item_value(it);
    struct item *element;

    if (is_small(value)) {
        listpack_pos at = find_small(value, p, n);

        if (at != NULL) {
            item_set_value(it, listpack_delete(value, at, 2, NULL));
        }
        return at != NULL;
    }
    element = members_find(&big_of(value)->members, p, n);
    if (element != NULL) {
        big_remove(value, element);
    }
    return element != NULL;
}

void zset_remove_range(struct item *it, uint64_t first, uint64_t count)
{
    void *value = item_value(it);

    if (count == 0) {
        return;
    }
    if (is_small(value)) {
        listpack_pos at = listpack_seek(value, (int64_t)first * 2);

        item_set_value(it, listpack_delete(value, at, (size_t)count * 2, NULL));
        return;
    }
    for (unsigned n; count > 0; count -= n) {
        struct item *gone[ZTREE_CUT_MAX];

        n = ztree_cut(&big_of(value)->tree, first, count, gone);
        for (unsigned i = 0; i < n; i++) {
            members_remove(&big_of(value)->members, gone[i]);
        }
    }
}

uint64_t zset_before(const struct item *it, const struct ztree_bound *b)
{
    const void *value = item_value(it);
    uint64_t before;

    if (!is_small(value)) {
        return ztree_rank(&big_of(value)->tree, b, NULL);
    }
    (void)lower_small(small_of(value), b, &before);
    return before;
}

bool zset_rank(const struct item *it, const char *p, size_t n, uint64_t *rank, double *score)
{
    struct ztree_bound b = {.where = ZTREE_BEFORE_MEMBER, .member = {p, n}};

    if (!zset_score(it, p, n, score)) {
        return false;
    }
    b.score = *score;
    *rank = zset_before(it, &b);
    return true;
}

void zset_random(const struct item *it, uint64_t random, char *scratch, struct arg *member,
                 double *score)
{
    const void *value = item_value(it);

    if (is_small(value)) {
        listpack_pos p = listpack_seek(small_of(value), (int64_t)(random % len_of(value)) * 2);

        *member = listpack_text(p, scratch);
        *score = score_at(listpack_next(small_of(value), p));
    } else {
        struct ztree_entry e = ztree_entry(ztree_at(&big_of(value)->tree, random % len_of(value)));

        *member = item_key(e.it);
        *score = e.score;
    }
}

/* ---- walking ------------------------------------------------------------------------------- */

static void iter_begin(struct zset_iter *i, const void *value, uint64_t rank, bool reverse)
{
    *i = (struct zset_iter){.value = value, .reverse = reverse};
    if (is_small(value)) {
        i->small = listpack_seek(small_of(value), (int64_t)rank * 2);
    } else {
        i->big = ztree_at(&big_of(value)->tree, rank);
    }
}

void zset_iter_at(struct zset_iter *i, const struct item *it, uint64_t rank, bool reverse)
{
    iter_begin(i, item_value(it), rank, reverse);
}

static bool next_small(struct zset_iter *i, struct arg *member, double *score)
{
    const struct listpack *lp = small_of(i->value);
    listpack_pos s;

    if (i->small == NULL) {
        return false;
    }
    s = listpack_next(lp, i->small);
    *member = listpack_text(i->small, i->scratch);
    *score = score_at(s);
    if (!i->reverse) {
        i->small = listpack_next(lp, s);
    } else {
        i->small = listpack_prev(lp, i->small);
        i->small = i->small == NULL ? NULL : listpack_prev(lp, i->small);
    }
    return true;
}

bool zset_iter_next(struct zset_iter *i, struct arg *member, double *score)
{
    struct ztree_entry e;

    if (is_small(i->value)) {
        return next_small(i, member, score);
    }
    if (i->big.leaf == NULL) {
        return false;
    }
    e = ztree_entry(i->big);
    *member = item_key(e.it);
    *score = e.score;
    i->big = i->reverse ? ztree_prev(i->big) : ztree_next(i->big);
    return true;
}

void zset_each(const void *value, zset_each_fn *fn, void *arg)
{
    struct zset_iter i;
    struct arg member;
    double score;

    iter_begin(&i, value, 0, false);
    while (zset_iter_next(&i, &member, &score) && fn(arg, member, score)) {
    }
}

struct walk {
    zset_each_fn *fn;
    void *arg;
};

static void scan_element(void *arg, struct item *element)
{
    struct walk *w = arg;

    (void)w->fn(w->arg, item_key(element), score_of(element));
}

uint64_t zset_scan(const struct item *it, uint64_t cursor, size_t count, zset_each_fn *fn,
                   void *arg)
{
    const void *value = item_value(it);
    struct walk w = {fn, arg};

    if (is_small(value)) {
        zset_each(value, fn, arg);
        return 0;
    }
    return members_scan(&big_of(value)->members, cursor, count, scan_element, &w);
}

/* ---- loading and saving -------------------------------------------------------------------- */

const struct listpack *zset_listpack(const void *value)
{
    return is_small(value) ? small_of(value) : NULL;
}

/* Every second entry is a number, members differ, and all is in order. */
static bool is_zset(const struct listpack *lp, const struct siphash_key *hash_key)
{
    struct members seen;
    struct arg last = {NULL, 0};
    char a[24], b[24];
    double last_score = 0;
    bool ok = listpack_count(lp) > 0 && listpack_count(lp) % 2 == 0;

    members_init(&seen, hash_key);
    for (listpack_pos p = listpack_first(lp); ok && p != NULL;) {
        listpack_pos s = listpack_next(lp, p);
        struct arg member = listpack_text(p, a);
        struct arg text = listpack_text(s, b);
        struct ztree_bound bound = {.where = ZTREE_BEFORE_MEMBER, .member = member};

        ok = num_parse_double(text.p, text.n, &bound.score) &&
             members_find(&seen, member.p, member.n) == NULL &&
             (last.p == NULL || ztree_is_before(last_score, last, &bound));
        if (ok) {
            last = item_key(members_add(&seen, member.p, member.n, "", 0));
            last_score = bound.score;
        }
        p = listpack_next(lp, s);
    }
    members_release(&seen);
    return ok;
}

static size_t longest_of(const struct listpack *lp)
{
    size_t longest = 0;
    char scratch[24];

    for (listpack_pos p = listpack_first(lp); p != NULL;
         p = listpack_next(lp, listpack_next(lp, p))) {
        longest = MAX_OF(longest, listpack_text(p, scratch).n);
    }
    return longest;
}

bool zset_take_listpack(struct listpack *lp, const struct types_limits *limits,
                        const struct siphash_key *hash_key, void **out)
{
    if (!is_zset(lp, hash_key)) {
        return false;
    }
    lp->head = (struct value_head){.type = ITEM_ZSET, .encoding = ZSET_SMALL};
    *out = lp;
    if (!fits_small(listpack_count(lp) / 2, longest_of(lp), limits)) {
        *out = grown(lp, hash_key);
        free(lp);
    }
    return true;
}

/* ---- value_type ---------------------------------------------------------------------------- */

static const char *encoding_name(const void *value)
{
    return is_small(value) ? "listpack" : "skiplist"; /* as clients know it */
}

static void free_value(void *value)
{
    if (!is_small(value)) {
        ztree_release(&big_of(value)->tree);
        members_release(&big_of(value)->members);
    }
    free(value);
}

static size_t bytes(const void *value, size_t samples)
{
    const struct big_zset *b = big_of(value);

    (void)samples; /* the sum is known */
    return is_small(value) ? listpack_allocation(small_of(value))
                           : sizeof *b + members_bytes(&b->members) + b->tree.bytes;
}

static size_t effort(const void *value) { return is_small(value) ? 1 : len_of(value); }

static bool copy_element(void *arg, struct arg member, double score)
{
    big_add(arg, member.p, member.n, score);
    return true;
}

static void *copy(const void *value)
{
    struct big_zset *b;

    if (is_small(value)) {
        return listpack_dup(small_of(value));
    }
    b = big_new(&big_of(value)->members.tables.hash_key);
    members_expect(&b->members, len_of(value));
    zset_each(value, copy_element, b);
    return b;
}

static bool digest_element(void *arg, struct arg member, double score)
{
    uint64_t bits;

    memcpy(&bits, &score, sizeof bits);
    value_digest_element_begin(arg);
    value_digest_number(arg, bits);
    value_digest_add(arg, member.p, member.n);
    value_digest_element_end(arg);
    return true;
}

static void digest(const void *value, struct value_digest *d)
{
    zset_each(value, digest_element, d);
}

struct relocation {
    struct members *members;
    struct mover *m;
};

static struct item *relocate_element(void *arg, struct item *it)
{
    struct relocation *r = arg;
    struct item *fresh;

    if (!mover_wants(r->m, it)) {
        return it;
    }
    fresh = mover_take(r->m, it);
    if (fresh != it) {
        members_moved(r->members, it, fresh);
    }
    return fresh;
}

/* The elements in their order, by the tree; then what is left of the tables. */
static bool relocate(void **value, struct mover *m, struct value_cursor *c, size_t n)
{
    uint64_t until = mover_seen(m) + MIN_OF(n, (size_t)UINT32_MAX);
    struct relocation r = {NULL, m};
    struct big_zset *b;

    if (c->part == 0) {
        *value = mover_move(m, *value);
        *c = (struct value_cursor){.part = 1};
    }
    if (is_small(*value)) {
        return true;
    }
    b = big_of(*value);
    r.members = &b->members;
    while (c->part == 1 && c->at < b->tree.n) {
        if (mover_seen(m) >= until) {
            return false;
        }
        c->at = ztree_relocate(&b->tree, c->at, m, relocate_element, &r);
    }
    if (c->part == 1) {
        *c = (struct value_cursor){.part = 2};
    }
    return members_relocate(&b->members, m, &c->at, n, NULL, NULL);
}

static const struct tables *tables(const void *value)
{
    return is_small(value) ? NULL : &big_of(value)->members.tables;
}

const struct value_type zset_type = {
    .encoding_name = encoding_name,
    .free = free_value,
    .bytes = bytes,
    .effort = effort,
    .copy = copy,
    .digest = digest,
    .relocate = relocate,
    .tables = tables,
};
