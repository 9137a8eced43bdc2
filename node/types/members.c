/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/members.c - see node/types/members.h. */
#include "node/types/members.h"

#include <stdlib.h>

#define BUCKETS_PER_ELEMENT 10 /* a scan step over empty buckets ends, too */

static struct key key_of(const struct members *m, const char *p, size_t n)
{
    return (struct key){.p = p, .n = n, .hash = siphash13(&m->tables.hash_key, p, n)};
}

static struct key item_key_of(const struct members *m, const struct item *it)
{
    struct arg name = item_key(it);

    return key_of(m, name.p, name.n);
}

static size_t bytes_of(const struct item *it)
{
    size_t n = item_good_size(item_bytes(it));

    return item_is_pointer(it) ? n + raw_bytes(item_raw(it)) : n;
}

void members_init(struct members *m, const struct siphash_key *hash_key)
{
    tables_init(&m->tables, 1, hash_key);
    m->bytes = 0;
}

static void free_one(void *arg, struct item *it)
{
    (void)arg;
    item_free(it);
}

void members_release(struct members *m) { tables_release(&m->tables, free_one, NULL); }

static bool copy_one(void *arg, struct item *it)
{
    char scratch[24];
    struct arg name = item_key(it);
    struct arg value = item_string(it, scratch);

    (void)members_add(arg, name.p, name.n, value.p, value.n);
    return true;
}

void members_copy(struct members *to, const struct members *m)
{
    members_init(to, &m->tables.hash_key);
    members_expect(to, members_count(m));
    members_each(m, copy_one, to);
}

uint64_t members_count(const struct members *m) { return m->tables.items; }

struct item *members_find(const struct members *m, const char *p, size_t n)
{
    struct key k = key_of(m, p, n);

    return tables_find(&m->tables, &k);
}

/* An item as it will stay: numbers are not looked for, the text is kept as it is. */
static struct item *new_item(const char *p, size_t n, const char *value, size_t value_len)
{
    if (value_len <= ITEM_EMBED_MAX) {
        return item_new_embedded(ITEM_EMBEDDED, p, n, value, value_len);
    }
    return item_new_pointer(ITEM_STRING, p, n, raw_must_new(value, value_len, value_len));
}

struct item *members_add(struct members *m, const char *p, size_t n, const char *value,
                         size_t value_len)
{
    struct item *it = new_item(p, n, value, value_len);

    tables_insert(&m->tables, 0, key_of(m, p, n).hash, it);
    m->bytes += bytes_of(it);
    return it;
}

/* True when the embedded value was rewritten in its place. */
static bool rewrite(struct item *it, const char *value, size_t value_len)
{
    size_t name_len, had;
    unsigned char *at;

    if (item_is_pointer(it) || value_len > ITEM_EMBED_MAX) {
        return false;
    }
    item_key_at(it, &name_len);
    at = item_value_at(it, &had);
    if (item_good_size(item_bytes_for(name_len, false, value_len)) !=
        item_good_size(item_bytes(it))) {
        return false;
    }
    memmove(at, value, value_len);
    at[-(ptrdiff_t)name_len - 1] = (unsigned char)value_len;
    return true;
}

struct item *members_set_value(struct members *m, struct item *it, const char *value,
                               size_t value_len)
{
    struct key k = item_key_of(m, it);
    struct item *fresh;

    if (rewrite(it, value, value_len)) {
        return it;
    }
    fresh = new_item(k.p, k.n, value, value_len);
    tables_replace(&m->tables, 0, k.hash, it, fresh);
    m->bytes += bytes_of(fresh) - bytes_of(it);
    item_free(it);
    return fresh;
}

void members_remove(struct members *m, struct item *it)
{
    tables_remove(&m->tables, 0, item_key_of(m, it).hash, it);
    m->bytes -= bytes_of(it);
    item_free(it);
}

struct item *members_random(const struct members *m, uint64_t random)
{
    return tables_random(&m->tables, random);
}

void members_each(const struct members *m, keyspace_each_fn *fn, void *arg)
{
    (void)tables_each(&m->tables, fn, arg);
}

struct scan {
    keyspace_scan_fn *fn;
    void *arg;
    size_t seen;
};

static void scan_one(void *arg, struct item *it)
{
    struct scan *s = arg;

    s->seen++;
    s->fn(s->arg, it);
}

uint64_t members_scan(const struct members *m, uint64_t cursor, size_t count, keyspace_scan_fn *fn,
                      void *arg)
{
    struct scan s = {fn, arg, 0};
    uint64_t buckets = MIN_OF(MAX_OF(count, (size_t)1), SIZE_MAX / BUCKETS_PER_ELEMENT) *
                       (uint64_t)BUCKETS_PER_ELEMENT;

    cursor &= TABLE_POSITION_END - 1;
    do {
        cursor = tables_scan(&m->tables, 0, cursor, scan_one, &s);
    } while (cursor < TABLE_POSITION_END && s.seen < count && --buckets > 0);
    return cursor < TABLE_POSITION_END ? cursor : 0;
}

void members_expect(struct members *m, uint64_t n) { tables_expect(&m->tables, 0, n); }

size_t members_bytes(const struct members *m)
{
    return m->bytes + m->tables.bytes + sizeof(table_ref);
}

void members_moved(struct members *m, const struct item *old, struct item *fresh)
{
    tables_replace(&m->tables, 0, item_key_of(m, fresh).hash, old, fresh);
}

struct item *members_relocate_one(void *mover, struct item *it)
{
    it = mover_move(mover, it);
    if (item_is_pointer(it)) {
        item_set_pointer(it, mover_move(mover, item_raw(it)));
    }
    return it;
}

bool members_relocate(struct members *m, struct mover *mover, uint64_t *at, size_t n,
                      tables_relocate_fn *fn, void *arg)
{
    uint64_t until = mover_seen(mover) + MIN_OF(n, (size_t)UINT32_MAX);
    size_t buckets = 0;

    if (*at == 0) {
        m->tables.refs = mover_move(mover, m->tables.refs);
    }
    do { /* at least one */
        *at = tables_relocate(&m->tables, 0, *at, mover, fn, arg);
    } while (*at < TABLE_POSITION_END && ++buckets < n && mover_seen(mover) < until);
    return *at >= TABLE_POSITION_END;
}
