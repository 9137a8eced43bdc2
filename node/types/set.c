/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/set.c - see node/types/set.h. */
#include "node/types/set.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/types/intset.h"
#include "node/types/listpack.h"
#include "node/types/members.h"

#include <stdlib.h>

enum { SET_INTS, SET_SMALL, SET_BIG };

struct big_set {
    struct value_head head;
    struct members members;
};

static unsigned encoding_of(const void *value)
{
    return (unsigned)((const struct value_head *)value)->encoding;
}
static struct intset *ints_of(const void *value) { return (struct intset *)value; }
static struct listpack *small_of(const void *value) { return (struct listpack *)value; }
static struct members *members_of(const void *value) { return &((struct big_set *)value)->members; }

static struct value_head head_for(unsigned encoding)
{
    return (struct value_head){.type = ITEM_SET, .encoding = encoding & 0xff};
}

void *set_new(void)
{
    struct intset *s = intset_new();

    s->head = head_for(SET_INTS);
    return s;
}

static struct big_set *big_new(const struct siphash_key *hash_key, size_t n)
{
    struct big_set *b = mem_alloc(sizeof *b);

    b->head = head_for(SET_BIG);
    members_init(&b->members, hash_key);
    members_expect(&b->members, n);
    return b;
}

bool set_is_small(const void *value) { return encoding_of(value) != SET_BIG; }

static size_t len_of(const void *value)
{
    switch (encoding_of(value)) {
    case SET_INTS:
        return intset_count(ints_of(value));
    case SET_SMALL:
        return listpack_count(small_of(value));
    default:
        return (size_t)members_count(members_of(value));
    }
}

size_t set_len(const struct item *it) { return len_of(item_value(it)); }

static bool as_integer(const char *p, size_t n, int64_t *out)
{
    return n < NUM_I64_MAX_CHARS && num_parse_i64(p, n, out);
}

bool set_has(const struct item *it, const char *p, size_t n)
{
    const void *value = item_value(it);
    int64_t v;

    switch (encoding_of(value)) {
    case SET_INTS:
        return as_integer(p, n, &v) && intset_has(ints_of(value), v);
    case SET_SMALL:
        return listpack_find(small_of(value), listpack_first(small_of(value)), p, n, 0) != NULL;
    default:
        return members_find(members_of(value), p, n) != NULL;
    }
}

/* ---- walking ------------------------------------------------------------------------------- */

struct walk {
    set_each_fn *fn;
    void *arg;
};

static bool walk_element(void *arg, struct item *element)
{
    struct walk *w = arg;

    return w->fn(w->arg, item_key(element));
}

static void walk_ints(const struct intset *s, set_each_fn *fn, void *arg)
{
    char scratch[24];
    size_t n = intset_count(s);

    for (size_t i = 0; i < n; i++) {
        if (!fn(arg, (struct arg){scratch, num_print_i64(scratch, intset_nth(s, i))})) {
            return;
        }
    }
}

static void walk_small(const struct listpack *lp, set_each_fn *fn, void *arg)
{
    char scratch[24];

    for (listpack_pos p = listpack_first(lp); p != NULL; p = listpack_next(lp, p)) {
        if (!fn(arg, listpack_text(p, scratch))) {
            return;
        }
    }
}

void set_each(const void *value, set_each_fn *fn, void *arg)
{
    struct walk w = {fn, arg};

    switch (encoding_of(value)) {
    case SET_INTS:
        walk_ints(ints_of(value), fn, arg);
        break;
    case SET_SMALL:
        walk_small(small_of(value), fn, arg);
        break;
    default:
        members_each(members_of(value), walk_element, &w);
        break;
    }
}

static void scan_element(void *arg, struct item *element) { (void)walk_element(arg, element); }

uint64_t set_scan(const struct item *it, uint64_t cursor, size_t count, set_each_fn *fn, void *arg)
{
    const void *value = item_value(it);
    struct walk w = {fn, arg};

    if (set_is_small(value)) {
        set_each(value, fn, arg);
        return 0;
    }
    return members_scan(members_of(value), cursor, count, scan_element, &w);
}

struct arg set_random(const struct item *it, uint64_t random, char *scratch)
{
    const void *value = item_value(it);

    switch (encoding_of(value)) {
    case SET_INTS: {
        int64_t v = intset_nth(ints_of(value), random % len_of(value));

        return (struct arg){scratch, num_print_i64(scratch, v)};
    }
    case SET_SMALL:
        return listpack_text(listpack_seek(small_of(value), (int64_t)(random % len_of(value))),
                             scratch);
    default:
        return item_key(members_random(members_of(value), random));
    }
}

/* ---- growing ------------------------------------------------------------------------------- */

static bool append_member(void *arg, struct arg member)
{
    struct listpack **lp = arg;

    *lp = listpack_append(*lp, member.p, member.n);
    return true;
}

static bool add_member(void *arg, struct arg member)
{
    (void)members_add(arg, member.p, member.n, "", 0);
    return true;
}

static struct listpack *as_small(const void *value)
{
    struct listpack *lp = listpack_new();

    set_each(value, append_member, &lp);
    lp->head = head_for(SET_SMALL);
    return lp;
}

static struct big_set *as_big(const void *value, size_t n, const struct siphash_key *hash_key)
{
    struct big_set *b = big_new(hash_key, MAX_OF(n, len_of(value) + 1));

    set_each(value, add_member, &b->members);
    return b;
}

static void become(struct item *it, void *value)
{
    void *old = item_value(it);

    item_set_value(it, value);
    free(old); /* both small encodings are one block */
}

void set_expect(struct item *it, size_t n, const struct siphash_key *hash_key)
{
    if (set_is_small(item_value(it))) {
        become(it, as_big(item_value(it), n, hash_key));
    }
}

static bool fits_ints(size_t n, const struct types_limits *limits)
{
    return (int64_t)n <= limits->set_max_intset_entries;
}

/* @longest: bytes of the longest member there is or will be. */
static bool fits_small(size_t n, size_t longest, const struct types_limits *limits)
{
    return (int64_t)n <= limits->set_max_listpack_entries &&
           (int64_t)longest <= limits->set_max_listpack_value;
}

/* An integer more. True: added, false: it was there. */
static bool add_int(struct item *it, int64_t v, const struct types_limits *limits,
                    const struct siphash_key *hash_key)
{
    bool added;
    struct intset *s = intset_add(item_value(it), v, &added);

    item_set_value(it, s);
    if (added && !fits_ints(intset_count(s), limits)) {
        become(it, as_big(s, 0, hash_key));
    }
    return added;
}

bool set_add(struct item *it, const char *p, size_t n, const struct types_limits *limits,
             const struct siphash_key *hash_key)
{
    struct listpack *lp;
    int64_t v;

    if (encoding_of(item_value(it)) == SET_INTS) {
        size_t len = set_len(it);

        if (as_integer(p, n, &v)) {
            return add_int(it, v, limits, hash_key);
        }
        /* A text more: it is no member yet. */
        become(it,
               fits_small(len + 1, MAX_OF(n, (size_t)(len > 0)), limits) && n <= LISTPACK_BYTES_SAFE
                   ? (void *)as_small(item_value(it))
                   : (void *)as_big(item_value(it), 0, hash_key));
    } else if (set_has(it, p, n)) {
        return false;
    }
    if (encoding_of(item_value(it)) == SET_SMALL) {
        lp = item_value(it);
        if (fits_small(listpack_count(lp) + 1, n, limits) &&
            listpack_bytes(lp) + n <= LISTPACK_BYTES_SAFE) {
            item_set_value(it, listpack_append(lp, p, n));
            return true;
        }
        become(it, as_big(lp, 0, hash_key));
    }
    (void)members_add(members_of(item_value(it)), p, n, "", 0);
    return true;
}

/* ---- shrinking ----------------------------------------------------------------------------- */

static bool remove_int(struct item *it, const char *p, size_t n)
{
    int64_t v;
    bool removed = false;

    if (as_integer(p, n, &v)) {
        item_set_value(it, intset_remove(item_value(it), v, &removed));
    }
    return removed;
}

bool set_remove(struct item *it, const char *p, size_t n)
{
    void *value = item_value(it);
    struct item *element;

    if (encoding_of(value) == SET_INTS) {
        return remove_int(it, p, n);
    }
    if (encoding_of(value) == SET_SMALL) {
        listpack_pos at = listpack_find(value, listpack_first(value), p, n, 0);

        if (at != NULL) {
            item_set_value(it, listpack_delete(value, at, 1, NULL));
        }
        return at != NULL;
    }
    element = members_find(members_of(value), p, n);
    if (element != NULL) {
        members_remove(members_of(value), element);
    }
    return element != NULL;
}

/* ---- loading and saving -------------------------------------------------------------------- */

const struct intset *set_intset(const void *value)
{
    return encoding_of(value) == SET_INTS ? ints_of(value) : NULL;
}

const struct listpack *set_listpack(const void *value)
{
    return encoding_of(value) == SET_SMALL ? small_of(value) : NULL;
}

void *set_take_intset(struct intset *s, const struct types_limits *limits,
                      const struct siphash_key *hash_key)
{
    void *big;

    s->head = head_for(SET_INTS);
    if (fits_ints(intset_count(s), limits)) {
        return s;
    }
    big = as_big(s, 0, hash_key);
    free(s);
    return big;
}

#define EXPECTED_MAX 1024

bool set_take_listpack(struct listpack *lp, const struct types_limits *limits,
                       const struct siphash_key *hash_key, void **out)
{
    /* A count is no proof that there are so many different members. */
    struct big_set *b = big_new(hash_key, MIN_OF(listpack_count(lp), (size_t)EXPECTED_MAX));
    size_t longest = 0, n = 0;
    char scratch[24];

    for (listpack_pos p = listpack_first(lp); p != NULL; p = listpack_next(lp, p), n++) {
        struct arg member = listpack_text(p, scratch);

        if (members_find(&b->members, member.p, member.n) != NULL) {
            break;
        }
        (void)members_add(&b->members, member.p, member.n, "", 0);
        longest = MAX_OF(longest, member.n);
    }
    if (n == 0 || n != listpack_count(lp)) {
        set_type.free(b);
        return false;
    }
    if (fits_small(n, longest, limits)) {
        set_type.free(b);
        lp->head = head_for(SET_SMALL);
        *out = lp;
    } else {
        free(lp);
        *out = b;
    }
    return true;
}

/* ---- value_type ---------------------------------------------------------------------------- */

static const char *encoding_name(const void *value)
{
    static const char *const names[] = {
        [SET_INTS] = "intset", [SET_SMALL] = "listpack", [SET_BIG] = "hashtable"};

    return names[encoding_of(value)];
}

static void free_value(void *value)
{
    if (!set_is_small(value)) {
        members_release(members_of(value));
    }
    free(value);
}

static size_t bytes(const void *value, size_t samples)
{
    (void)samples; /* the sum is known */
    switch (encoding_of(value)) {
    case SET_INTS:
        return intset_allocation(ints_of(value));
    case SET_SMALL:
        return listpack_allocation(small_of(value));
    default:
        return sizeof(struct big_set) + members_bytes(members_of(value));
    }
}

static size_t effort(const void *value) { return set_is_small(value) ? 1 : len_of(value); }

static void *copy(const void *value)
{
    struct big_set *b;

    switch (encoding_of(value)) {
    case SET_INTS:
        return intset_dup(ints_of(value));
    case SET_SMALL:
        return listpack_dup(small_of(value));
    default:
        b = mem_alloc(sizeof *b);
        b->head = head_for(SET_BIG);
        members_copy(&b->members, members_of(value));
        return b;
    }
}

static bool digest_member(void *arg, struct arg member)
{
    value_digest_element_begin(arg);
    value_digest_add(arg, member.p, member.n);
    value_digest_element_end(arg);
    return true;
}

static void digest(const void *value, struct value_digest *d) { set_each(value, digest_member, d); }

static bool relocate(void **value, struct mover *m, struct value_cursor *c, size_t n)
{
    if (c->part == 0) {
        *value = mover_move(m, *value);
        *c = (struct value_cursor){.part = 1};
    }
    return set_is_small(*value) ||
           members_relocate(members_of(*value), m, &c->at, n, members_relocate_one, m);
}

static const struct tables *tables(const void *value)
{
    return set_is_small(value) ? NULL : &members_of(value)->tables;
}

const struct value_type set_type = {
    .encoding_name = encoding_name,
    .free = free_value,
    .bytes = bytes,
    .effort = effort,
    .copy = copy,
    .digest = digest,
    .relocate = relocate,
    .tables = tables,
};
