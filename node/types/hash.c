/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/hash.c - see node/types/hash.h. */
#include "node/types/hash.h"

#include "base/mem.h"
#include "node/types/hash_times.h"
#include "node/types/listpack.h"
#include "node/types/members.h"

#include <stdlib.h>

enum { HASH_SMALL, HASH_BIG, HASH_TIMED };

struct big_hash {
    struct value_head head;
    struct members members;
};

/* Of any of the two, with times. */
struct timed_hash {
    struct value_head head;
    void *plain; /* small or big */
    struct hash_times times;
};

static struct timed_hash *timed_of(const void *value)
{
    struct timed_hash *t = (struct timed_hash *)value;

    return t->head.encoding == HASH_TIMED ? t : NULL;
}

/* The small or big value. */
static void *plain_of(const void *value)
{
    const struct timed_hash *t = timed_of(value);

    return t != NULL ? t->plain : (void *)value;
}
static void *plain_in(const struct item *it) { return plain_of(item_value(it)); }

/* @plain is the small or big value from now on; @t: timed_of() the item's value, asked for before
 * the old one moved. */
static void set_plain(struct item *it, struct timed_hash *t, void *plain)
{
    if (t != NULL) {
        t->plain = plain;
    } else {
        item_set_value(it, plain);
    }
}

static bool is_small(const void *value)
{
    return ((const struct value_head *)value)->encoding == HASH_SMALL;
}
static struct listpack *small_of(const void *value) { return (struct listpack *)value; }
static struct members *members_of(const void *value)
{
    return &((struct big_hash *)value)->members;
}

void *hash_new(void)
{
    struct listpack *lp = listpack_new();

    lp->head = (struct value_head){.type = ITEM_HASH, .encoding = HASH_SMALL};
    return lp;
}

static struct big_hash *big_new(const struct siphash_key *hash_key)
{
    struct big_hash *b = mem_alloc(sizeof *b);

    b->head = (struct value_head){.type = ITEM_HASH, .encoding = HASH_BIG};
    members_init(&b->members, hash_key);
    return b;
}

/* ---- both encodings ------------------------------------------------------------------------ */

static size_t len_of(const void *value)
{
    return is_small(value) ? listpack_count(small_of(value)) / 2
                           : (size_t)members_count(members_of(value));
}

size_t hash_len(const struct item *it) { return len_of(plain_in(it)); }

static listpack_pos find_small(const struct listpack *lp, const char *field, size_t n)
{
    return listpack_find(lp, listpack_first(lp), field, n, 1);
}

bool hash_get(const struct item *it, const char *field, size_t n, char *scratch, struct arg *out)
{
    const void *value = plain_in(it);

    if (is_small(value)) {
        listpack_pos p = find_small(small_of(value), field, n);

        if (p == NULL) {
            return false;
        }
        *out = listpack_text(listpack_next(small_of(value), p), scratch);
        return true;
    }

    const struct item *element = members_find(members_of(value), field, n);

    if (element == NULL) {
        return false;
    }
    *out = item_string(element, scratch);
    return true;
}

bool hash_has(const struct item *it, const char *field, size_t n)
{
    const void *value = plain_in(it);

    return is_small(value) ? find_small(small_of(value), field, n) != NULL
                           : members_find(members_of(value), field, n) != NULL;
}

/* The same fields as members. */
static void *grown(const struct listpack *lp, const struct siphash_key *hash_key)
{
    struct big_hash *b = big_new(hash_key);
    char a[24], c[24];

    members_expect(&b->members, listpack_count(lp) / 2 + 1);
    for (listpack_pos p = listpack_first(lp); p != NULL;) {
        listpack_pos v = listpack_next(lp, p);
        struct arg field = listpack_text(p, a);
        struct arg value = listpack_text(v, c);

        (void)members_add(&b->members, field.p, field.n, value.p, value.n);
        p = listpack_next(lp, v);
    }
    return b;
}

static bool set_small(struct item *it, const struct arg *field, const struct arg *value)
{
    struct timed_hash *t = timed_of(item_value(it));
    struct listpack *lp = plain_in(it);
    listpack_pos p = find_small(lp, field->p, field->n);

    if (p != NULL) {
        lp = listpack_replace(lp, listpack_next(lp, p), value->p, value->n, NULL);
    } else {
        lp = listpack_append(lp, field->p, field->n);
        lp = listpack_append(lp, value->p, value->n);
    }
    set_plain(it, t, lp);
    return p == NULL;
}

static bool set_big(struct members *m, const struct arg *field, const struct arg *value)
{
    struct item *element = members_find(m, field->p, field->n);

    if (element != NULL) {
        (void)members_set_value(m, element, value->p, value->n);
        return false;
    }
    (void)members_add(m, field->p, field->n, value->p, value->n);
    return true;
}

/* Does the hash stay small with these? */
static bool fits_small(const struct listpack *lp, const struct arg *field, const struct arg *value,
                       const struct types_limits *limits)
{
    size_t longest = MAX_OF(field->n, value->n);

    if ((int64_t)longest > limits->hash_max_listpack_value ||
        listpack_bytes(lp) + field->n + value->n > LISTPACK_BYTES_SAFE) {
        return false;
    }
    return (int64_t)(listpack_count(lp) / 2) < limits->hash_max_listpack_entries ||
           find_small(lp, field->p, field->n) != NULL;
}

/* The field has no time any longer. */
static void clear_time(struct item *it, const char *field, size_t n)
{
    struct timed_hash *t = timed_of(item_value(it));

    if (t != NULL) {
        hash_times_set(&t->times, field, n, KEYSPACE_NO_EXPIRE);
    }
}

bool hash_set(struct item *it, const struct arg *field, const struct arg *value,
              const struct types_limits *limits, const struct siphash_key *hash_key)
{
    clear_time(it, field->p, field->n);
    if (is_small(plain_in(it))) {
        struct listpack *lp = plain_in(it);

        if (fits_small(lp, field, value, limits)) {
            return set_small(it, field, value);
        }
        set_plain(it, timed_of(item_value(it)), grown(lp, hash_key));
        free(lp);
    }
    return set_big(members_of(plain_in(it)), field, value);
}

bool hash_remove(struct item *it, const char *field, size_t n)
{
    struct timed_hash *t = timed_of(item_value(it));
    const void *value = plain_in(it);
    struct item *element;

    clear_time(it, field, n);
    if (is_small(value)) {
        listpack_pos p = find_small(small_of(value), field, n);

        if (p != NULL) {
            set_plain(it, t, listpack_delete(small_of(value), p, 2, NULL));
        }
        return p != NULL;
    }
    element = members_find(members_of(value), field, n);
    if (element != NULL) {
        members_remove(members_of(value), element);
    }
    return element != NULL;
}

/* ---- walking ------------------------------------------------------------------------------- */

struct walk {
    hash_each_fn *fn;
    void *arg;
};

static bool walk_element(void *arg, struct item *element)
{
    struct walk *w = arg;
    char scratch[24];

    return w->fn(w->arg, item_key(element), item_string(element, scratch));
}

static void walk_small(const struct listpack *lp, hash_each_fn *fn, void *arg)
{
    char a[24], b[24];

    for (listpack_pos p = listpack_first(lp); p != NULL;) {
        listpack_pos v = listpack_next(lp, p);

        if (!fn(arg, listpack_text(p, a), listpack_text(v, b))) {
            return;
        }
        p = listpack_next(lp, v);
    }
}

void hash_each(const void *value, hash_each_fn *fn, void *arg)
{
    struct walk w = {fn, arg};

    value = plain_of(value);
    if (is_small(value)) {
        walk_small(small_of(value), fn, arg);
    } else {
        members_each(members_of(value), walk_element, &w);
    }
}

static void scan_element(void *arg, struct item *element) { (void)walk_element(arg, element); }

uint64_t hash_scan(const struct item *it, uint64_t cursor, size_t count, hash_each_fn *fn,
                   void *arg)
{
    const void *value = plain_in(it);
    struct walk w = {fn, arg};

    if (is_small(value)) {
        walk_small(small_of(value), fn, arg);
        return 0;
    }
    return members_scan(members_of(value), cursor, count, scan_element, &w);
}

void hash_random(const struct item *it, uint64_t random, char scratch[2][24], struct arg *field,
                 struct arg *value)
{
    const void *v = plain_in(it);

    if (is_small(v)) {
        const struct listpack *lp = small_of(v);
        listpack_pos p = listpack_seek(lp, (int64_t)(random % len_of(v)) * 2);

        *field = listpack_text(p, scratch[0]);
        *value = listpack_text(listpack_next(lp, p), scratch[1]);
    } else {
        const struct item *element = members_random(members_of(v), random);

        *field = item_key(element);
        *value = item_string(element, scratch[1]);
    }
}

/* ---- times ---------------------------------------------------------------------------------- */

bool hash_has_times(const void *value)
{
    const struct timed_hash *t = timed_of(value);

    return t != NULL && t->times.heap.n > 0;
}

int64_t hash_time(const void *value, const char *field, size_t n)
{
    const struct timed_hash *t = timed_of(value);

    return t == NULL ? KEYSPACE_NO_EXPIRE : hash_times_get(&t->times, field, n);
}

void hash_set_time(struct item *it, const char *field, size_t n, int64_t at,
                   const struct siphash_key *hash_key)
{
    void *value = item_value(it);
    struct timed_hash *t = timed_of(value);

    assert(hash_has(it, field, n));
    if (t == NULL) {
        if (at == KEYSPACE_NO_EXPIRE) {
            return;
        }
        t = mem_alloc(sizeof *t);
        t->head = (struct value_head){.type = ITEM_HASH, .encoding = HASH_TIMED};
        t->plain = value;
        hash_times_init(&t->times, hash_key);
        item_set_value(it, t);
    }
    hash_times_set(&t->times, field, n, at);
}

bool hash_is_past(const void *value, const char *field, size_t n, int64_t now_ms)
{
    int64_t at = hash_time(value, field, n);

    return at != KEYSPACE_NO_EXPIRE && at <= now_ms;
}

size_t hash_past(const void *value, int64_t now_ms)
{
    const struct timed_hash *t = timed_of(value);

    return t == NULL ? 0 : hash_times_past(&t->times, now_ms);
}

int64_t hash_first_time(const void *value)
{
    const struct timed_hash *t = timed_of(value);

    return t == NULL ? KEYSPACE_NO_EXPIRE : t->times.due.at;
}

bool hash_first_past(const void *value, int64_t now_ms, struct arg *field)
{
    int64_t at = hash_first_time(value);

    if (at == KEYSPACE_NO_EXPIRE || at > now_ms) {
        return false;
    }
    *field = item_key(hash_times_first(&timed_of(value)->times));
    return true;
}

/* ---- loading and saving -------------------------------------------------------------------- */

const struct listpack *hash_listpack(const void *value)
{
    value = plain_of(value);
    return is_small(value) ? small_of(value) : NULL;
}

static bool has_field_twice(const struct listpack *lp, const struct siphash_key *hash_key)
{
    struct members seen;
    bool twice = false;
    char scratch[24];

    members_init(&seen, hash_key);
    for (listpack_pos p = listpack_first(lp); p != NULL && !twice;) {
        struct arg field = listpack_text(p, scratch);

        twice = members_find(&seen, field.p, field.n) != NULL;
        if (!twice) {
            (void)members_add(&seen, field.p, field.n, "", 0);
        }
        p = listpack_next(lp, listpack_next(lp, p));
    }
    members_release(&seen);
    return twice;
}

static bool longest_within(const struct listpack *lp, size_t max)
{
    char scratch[24];

    for (listpack_pos p = listpack_first(lp); p != NULL; p = listpack_next(lp, p)) {
        if (listpack_text(p, scratch).n > max) {
            return false;
        }
    }
    return true;
}

bool hash_take_listpack(struct listpack *lp, const struct types_limits *limits,
                        const struct siphash_key *hash_key, void **out)
{
    size_t n = listpack_count(lp);

    if (n == 0 || n % 2 != 0 || has_field_twice(lp, hash_key)) {
        return false;
    }
    lp->head = (struct value_head){.type = ITEM_HASH, .encoding = HASH_SMALL};
    *out = lp;
    if ((int64_t)(n / 2) > limits->hash_max_listpack_entries ||
        !longest_within(lp, (size_t)limits->hash_max_listpack_value)) {
        *out = grown(lp, hash_key);
        free(lp);
    }
    return true;
}

/* ---- value_type ---------------------------------------------------------------------------- */

static const char *encoding_name(const void *value)
{
    if (!is_small(plain_of(value))) {
        return "hashtable";
    }
    return timed_of(value) != NULL ? "listpackex" : "listpack";
}

static void free_value(void *value)
{
    struct timed_hash *t = timed_of(value);

    if (t != NULL) {
        hash_times_release(&t->times);
        free_value(t->plain);
        free(t);
        return;
    }
    if (!is_small(value)) {
        members_release(members_of(value));
    }
    free(value);
}

static size_t bytes(const void *value, size_t samples)
{
    const struct timed_hash *t = timed_of(value);

    if (t != NULL) {
        return sizeof *t + hash_times_bytes(&t->times) + bytes(t->plain, samples);
    }
    return is_small(value) ? listpack_allocation(small_of(value))
                           : sizeof(struct big_hash) + members_bytes(members_of(value));
}

static size_t effort(const void *value)
{
    const struct timed_hash *t = timed_of(value);

    if (t != NULL) {
        return (size_t)members_count(&t->times.fields) + effort(t->plain);
    }
    return is_small(value) ? 1 : len_of(value);
}

static void *copy(const void *value);

static void *copy_timed(const struct timed_hash *from)
{
    struct timed_hash *t = mem_alloc(sizeof *t);

    t->head = from->head;
    t->plain = copy(from->plain);
    hash_times_copy(&t->times, &from->times);
    return t;
}

static void *copy(const void *value)
{
    struct big_hash *b;

    if (timed_of(value) != NULL) {
        return copy_timed(timed_of(value));
    }
    if (is_small(value)) {
        return listpack_dup(small_of(value));
    }
    b = mem_alloc(sizeof *b);
    b->head = *(const struct value_head *)value;
    members_copy(&b->members, members_of(value));
    return b;
}

struct digesting {
    struct value_digest *d;
    const void *value;
};

static bool digest_field(void *arg, struct arg field, struct arg value)
{
    const struct digesting *w = arg;
    int64_t at = hash_time(w->value, field.p, field.n);

    value_digest_element_begin(w->d);
    value_digest_add(w->d, field.p, field.n);
    value_digest_add(w->d, value.p, value.n);
    if (at != KEYSPACE_NO_EXPIRE) {
        value_digest_number(w->d, (uint64_t)at);
    }
    value_digest_element_end(w->d);
    return true;
}

static void digest(const void *value, struct value_digest *d)
{
    struct digesting w = {d, value};

    hash_each(value, digest_field, &w);
}

static struct value_due *due(void *value)
{
    struct timed_hash *t = timed_of(value);

    return t == NULL ? NULL : &t->times.due;
}

static bool relocate(void **value, struct mover *m, struct value_cursor *c, size_t n)
{
    struct timed_hash *t;
    void *plain;

    if (c->part == 0) {
        *value = mover_move(m, *value);
        t = timed_of(*value);
        if (t != NULL) {
            t->plain = mover_move(m, t->plain);
        }
        *c = (struct value_cursor){.part = 1};
    }
    t = timed_of(*value);
    plain = plain_of(*value);
    if (c->part == 1) {
        if (!is_small(plain) &&
            !members_relocate(members_of(plain), m, &c->at, n, members_relocate_one, m)) {
            return false;
        }
        *c = (struct value_cursor){.part = 2};
    }
    return t == NULL || hash_times_relocate(&t->times, m, &c->at, n);
}

static const struct tables *tables(const void *value)
{
    return is_small(plain_of(value)) ? NULL : &members_of(plain_of(value))->tables;
}

const struct value_type hash_type = {
    .encoding_name = encoding_name,
    .free = free_value,
    .bytes = bytes,
    .effort = effort,
    .copy = copy,
    .digest = digest,
    .relocate = relocate,
    .tables = tables,
    .due = due,
};
