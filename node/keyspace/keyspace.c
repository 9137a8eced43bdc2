/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/keyspace.c - see node/keyspace/keyspace.h: the databases, and every change of
 * items.
 *
 * An item is in exactly one table of one database, and in that database's expiry heap when its
 * heap_pos is not 0. Whoever replaces an item by another allocation tells both. */
#include "node/keyspace/keyspace.h"

#include "base/mem.h"
#include "base/num.h"
#include "cluster/slots.h"
#include "node/keyspace/expire.h"
#include "node/keyspace/item.h"
#include "node/keyspace/table.h"

#include <stdlib.h>

#define LAZY_BYTES (64 * 1024)       /* values from here on are freed elsewhere */
#define SCAN_BUCKETS_PER_ITEM 10     /* a scan step over empty buckets ends, too */
#define EDIT_SLACK_MAX (1024 * 1024) /* room for growth: as much again, but no more than this */
#define EDIT_SLACK_SHARE 8           /* or an eighth, if that is more */
#define TTL_SAMPLES 64
#define UPKEEP_CHECKS 16 /* tables looked at in each call, whether their size still fits */

struct db {
    struct tables tables;
    struct expire_heap expires;
    struct expire_heap dues; /* of values; entries are items with the key and nothing else */
};

struct keyspace {
    struct keyspace_config config;
    struct db *dbs;
    struct expire_pool pool;
    keyspace_lazy_fn *lazy;
    void *lazy_arg;
    bool forked;
    uint32_t check_db, check_slot; /* where keyspace_upkeep() looks next */
};

/* ---- life ------------------------------------------------------------------------------------ */

static uint32_t slots_of(const struct keyspace *ks)
{
    return ks->config.by_slot ? CLUSTER_SLOTS : 1;
}

static void db_init(const struct keyspace *ks, struct db *d)
{
    tables_init(&d->tables, slots_of(ks), &ks->config.hash_key);
    d->tables.forked = ks->forked;
    expire_heap_init(&d->expires);
    expire_heap_init(&d->dues);
}

struct keyspace *keyspace_new(const struct keyspace_config *config)
{
    struct keyspace *ks = mem_zalloc(sizeof *ks);

    assert(config->databases > 0);
    assert(!config->by_slot || config->databases == 1);
    ks->config = *config;
    ks->dbs = mem_zalloc(config->databases * sizeof *ks->dbs);
    for (uint32_t i = 0; i < config->databases; i++) {
        db_init(ks, &ks->dbs[i]);
    }
    expire_pool_init(&ks->pool);
    return ks;
}

void keyspace_free_value(void *value)
{
    struct value_head *head = value;

    if (head->type == ITEM_STRING) {
        free(head);
    } else {
        value_types[head->type]->free(head);
    }
}

static void free_item_at_once(void *arg, struct item *it)
{
    (void)arg;
    item_free(it);
}

void keyspace_free(struct keyspace *ks)
{
    if (ks == NULL) {
        return;
    }
    for (uint32_t i = 0; i < ks->config.databases; i++) {
        tables_release(&ks->dbs[i].tables, free_item_at_once, NULL);
        expire_heap_release(&ks->pool, &ks->dbs[i].expires);
        expire_heap_release(&ks->pool, &ks->dbs[i].dues);
    }
    expire_pool_release(&ks->pool);
    free(ks->dbs);
    free(ks);
}

const struct siphash_key *keyspace_hash_key(const struct keyspace *ks)
{
    return &ks->config.hash_key;
}

struct key keyspace_key(const struct keyspace *ks, const char *p, size_t n)
{
    return keyspace_key_in_slot(ks, p, n, ks->config.by_slot ? cluster_slot(p, n) : 0);
}

struct key keyspace_key_in_slot(const struct keyspace *ks, const char *p, size_t n, uint16_t slot)
{
    return (struct key){
        .p = p,
        .n = n,
        .hash = siphash13(&ks->config.hash_key, p, n),
        .slot = slot,
    };
}

static struct key key_of(const struct keyspace *ks, const struct item *it)
{
    struct arg key = item_key(it);

    return keyspace_key(ks, key.p, key.n);
}

static struct db *db_at(const struct keyspace *ks, uint32_t db)
{
    assert(db < ks->config.databases);
    return &ks->dbs[db];
}

void keyspace_set_lazy(struct keyspace *ks, keyspace_lazy_fn *fn, void *arg)
{
    ks->lazy = fn;
    ks->lazy_arg = arg;
}

/* ---- look-ups -------------------------------------------------------------------------------- */

struct item *keyspace_find(struct keyspace *ks, uint32_t db, const struct key *k)
{
    return tables_find(&db_at(ks, db)->tables, k);
}

void keyspace_prefetch_bucket(const struct keyspace *ks, uint32_t db, const struct key *k)
{
    tables_prefetch_bucket(&db_at(ks, db)->tables, k);
}

void keyspace_prefetch_item(const struct keyspace *ks, uint32_t db, const struct key *k)
{
    tables_prefetch_item(&db_at(ks, db)->tables, k);
}

int64_t keyspace_expire_at(const struct keyspace *ks, const struct item *it)
{
    return it->heap_pos == 0 ? KEYSPACE_NO_EXPIRE : expire_entry_of(&ks->pool, it)->at;
}

/* ---- changes: pieces ------------------------------------------------------------------------- */

size_t keyspace_value_bytes(const void *value, size_t samples)
{
    const struct value_head *head = value;

    return head->type == ITEM_STRING ? raw_bytes(value)
                                     : value_types[head->type]->bytes(value, samples);
}

/* Freeing it here would hold up the loop. */
static bool is_big(const void *value)
{
    const struct value_head *head = value;

    return head->type == ITEM_STRING ? raw_bytes(value) >= LAZY_BYTES
                                     : value_types[head->type]->effort(value) >= VALUE_LAZY_EFFORT;
}

void keyspace_drop_value(struct keyspace *ks, void *value)
{
    if (ks->lazy != NULL && is_big(value)) {
        ks->lazy(ks->lazy_arg, value);
    } else {
        keyspace_free_value(value);
    }
}

static struct value_due *due_of(const struct item *it)
{
    const struct value_type *t = value_types[item_type(it)];

    return t == NULL || t->due == NULL ? NULL : t->due(item_pointer(it));
}

/* The value of @it leaves its place: what is due in it is looked for no longer. */
static void forget_due(struct keyspace *ks, uint32_t db, const struct item *it)
{
    struct value_due *due = due_of(it);

    if (due != NULL && due->entry != NULL) {
        expire_remove(&ks->pool, &db_at(ks, db)->dues, due->entry);
        item_free(due->entry);
        due->entry = NULL;
    }
}

void keyspace_set_due(struct keyspace *ks, uint32_t db, struct item *it)
{
    struct expire_heap *h = &db_at(ks, db)->dues;
    struct value_due *due = due_of(it);
    struct arg key;

    if (due == NULL) {
        return;
    }
    if (due->at == KEYSPACE_NO_EXPIRE) {
        forget_due(ks, db, it);
    } else if (due->entry == NULL) {
        key = item_key(it);
        due->entry = item_new_embedded(ITEM_EMBEDDED, key.p, key.n, "", 0);
        expire_add(&ks->pool, h, due->entry, due->at);
    } else {
        expire_change(&ks->pool, h, due->entry, due->at);
    }
}

static void insert(struct keyspace *ks, uint32_t db, const struct key *k, struct item *it)
{
    tables_insert(&db_at(ks, db)->tables, k->slot, k->hash, it);
    keyspace_set_due(ks, db, it);
}

/* @it takes the place of @old everywhere; @old's allocation is freed, its pointer (if any) is not.
 */
static void take_place(struct keyspace *ks, uint32_t db, const struct key *k, struct item *old,
                       struct item *it)
{
    forget_due(ks, db, old);
    it->heap_pos = old->heap_pos;
    item_set_access(it, item_access(old));
    if (it->heap_pos != 0) {
        expire_entry_of(&ks->pool, it)->it = it;
    }
    tables_replace(&db_at(ks, db)->tables, k->slot, k->hash, old, it);
    free(old);
    keyspace_set_due(ks, db, it);
}

static void apply_expire(struct keyspace *ks, uint32_t db, struct item *it, int64_t expire_at)
{
    if (expire_at != KEYSPACE_KEEP_EXPIRE) {
        keyspace_set_expire(ks, db, it, expire_at);
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Rewrite the embedded value where it is, if the allocation stays the right one. */
static bool rewrite_in_place(struct item *it, enum item_encoding enc, const void *p, size_t n)
{
    size_t key_len, old_len;
    unsigned char *value;

    if (item_is_pointer(it)) {
        return false;
    }
    item_key_at(it, &key_len);
    value = item_value_at(it, &old_len);
    if (item_good_size(item_bytes_for(key_len, false, n)) !=
        item_good_size(item_bytes_for(key_len, false, old_len))) {
        return false;
    }
    if (n > 0) {
        memmove(value, p, n); /* @p may be part of the old value */
    }
    value[-(ptrdiff_t)key_len - 1] = (unsigned char)n;
    it->bits = (it->bits & ~(ITEM_ENC_MASK | ITEM_EDITED)) | (uint32_t)enc << ITEM_ENC_SHIFT;
    return true;
}

/* @it stands for @k from now on, instead of @old (NULL: nothing) and its value. */
static struct item *put_item(struct keyspace *ks, uint32_t db, const struct key *k,
                             struct item *old, struct item *it)
{
    void *value;

    if (old == NULL) {
        insert(ks, db, k, it);
        return it;
    }
    value = item_is_pointer(old) ? item_pointer(old) : NULL;
    take_place(ks, db, k, old, it);
    if (value != NULL) {
        keyspace_drop_value(ks, value);
    }
    return it;
}

static struct item *put_embedded(struct keyspace *ks, uint32_t db, const struct key *k,
                                 struct item *old, enum item_encoding enc, const void *p, size_t n)
{
    struct item *it;

    if (old != NULL && rewrite_in_place(old, enc, p, n)) {
        return old;
    }
    it = item_new_embedded(enc, k->p, k->n, p, n);
    return put_item(ks, db, k, old, it);
}

/* A raw string where @old has one already. */
static void overwrite_raw(struct keyspace *ks, struct item *it, const char *p, size_t n)
{
    struct raw *r = item_raw(it);

    if (n <= r->cap && n >= r->cap / 2) {
        memmove(r->bytes, p, n);
        r->head.len = n;
    } else {
        struct raw *fresh = raw_must_new(p, n, n);

        item_set_pointer(it, fresh);
        keyspace_drop_value(ks, r);
    }
    it->bits &= ~ITEM_EDITED;
}

static struct item *put_raw(struct keyspace *ks, uint32_t db, const struct key *k, struct item *old,
                            const char *p, size_t n)
{
    struct item *it;

    if (old != NULL && item_type(old) == ITEM_STRING && item_is_pointer(old)) {
        overwrite_raw(ks, old, p, n);
        return old;
    }
    it = item_new_pointer(ITEM_STRING, k->p, k->n, raw_must_new(p, n, n));
    return put_item(ks, db, k, old, it);
}

struct item *keyspace_put_i64(struct keyspace *ks, uint32_t db, const struct key *k,
                              struct item *it, int64_t v, int64_t expire_at)
{
    unsigned char packed[8];
    size_t n = item_pack_i64(packed, v);

    it = put_embedded(ks, db, k, it, ITEM_INTEGER, packed, n);
    apply_expire(ks, db, it, expire_at);
    return it;
}

struct item *keyspace_put_string(struct keyspace *ks, uint32_t db, const struct key *k,
                                 struct item *it, const char *p, size_t n, int64_t expire_at)
{
    int64_t v;

    if (n <= NUM_I64_MAX_CHARS && num_parse_i64(p, n, &v)) {
        return keyspace_put_i64(ks, db, k, it, v, expire_at);
    }
    if (n <= ITEM_EMBED_MAX) {
        it = put_embedded(ks, db, k, it, ITEM_EMBEDDED, p, n);
    } else {
        it = put_raw(ks, db, k, it, p, n);
    }
    apply_expire(ks, db, it, expire_at);
    return it;
}

struct item *keyspace_set_string(struct keyspace *ks, uint32_t db, const struct key *k,
                                 const char *p, size_t n, int64_t expire_at)
{
    return keyspace_put_string(ks, db, k, keyspace_find(ks, db, k), p, n, expire_at);
}

struct item *keyspace_set_i64(struct keyspace *ks, uint32_t db, const struct key *k, int64_t v,
                              int64_t expire_at)
{
    return keyspace_put_i64(ks, db, k, keyspace_find(ks, db, k), v, expire_at);
}

/* Room for a string that has just grown to @len: it will probably grow again. */
static size_t edit_cap(size_t len)
{
    size_t slack = MIN_OF(len, MAX_OF((size_t)EDIT_SLACK_MAX, len / EDIT_SLACK_SHARE));

    return len > SIZE_MAX / 4 ? len : len + slack;
}

struct item *keyspace_put_value(struct keyspace *ks, uint32_t db, const struct key *k,
                                struct item *it, void *value, int64_t expire_at)
{
    const struct value_head *head = value;

    it = put_item(ks, db, k, it, item_new_pointer((enum item_type)head->type, k->p, k->n, value));
    apply_expire(ks, db, it, expire_at);
    return it;
}

static char *edit_raw(struct item *it, size_t len)
{
    struct raw *r = item_raw(it);
    size_t had = r->head.len;

    if (len > r->cap || len < r->cap / 4) {
        r = raw_resize(r, len > had ? edit_cap(len) : len);
        if (r == NULL) {
            return NULL;
        }
        item_set_pointer(it, r);
    }
    if (len > had) {
        memset(r->bytes + had, 0, len - had);
    }
    r->head.len = len;
    it->bits |= ITEM_EDITED;
    return r->bytes;
}

char *keyspace_string_edit(struct keyspace *ks, uint32_t db, struct item **it, size_t len)
{
    struct item *old = *it;
    char scratch[24];
    char grown[ITEM_EMBED_MAX];
    struct arg have;
    struct key k;
    size_t n;

    assert(item_type(old) == ITEM_STRING);
    if (item_is_pointer(old)) {
        return edit_raw(old, len);
    }
    have = item_string(old, scratch);
    k = key_of(ks, old);
    if (len > ITEM_EMBED_MAX) {
        struct raw *r = raw_new(have.p, have.n, have.n < len ? edit_cap(len) : len);
        struct item *moved;

        if (r == NULL) {
            return NULL;
        }
        memset(r->bytes + have.n, 0, len - have.n);
        r->head.len = len;
        moved = item_new_pointer(ITEM_STRING, k.p, k.n, r);
        take_place(ks, db, &k, old, moved);
        moved->bits |= ITEM_EDITED;
        *it = moved;
        return r->bytes;
    }
    if (len != have.n || item_encoding(old) == ITEM_INTEGER) {
        memset(grown, 0, len);
        memcpy(grown, have.p, MIN_OF(len, have.n));
        *it = put_embedded(ks, db, &k, old, ITEM_EMBEDDED, grown, len);
    }
    (*it)->bits |= ITEM_EDITED;
    return (char *)item_value_at(*it, &n);
}

/* ---- keys ------------------------------------------------------------------------------------ */

void keyspace_delete(struct keyspace *ks, uint32_t db, struct item *it)
{
    struct key k = key_of(ks, it);
    struct db *d = db_at(ks, db);

    forget_due(ks, db, it);
    tables_remove(&d->tables, k.slot, k.hash, it);
    if (it->heap_pos != 0) {
        expire_remove(&ks->pool, &d->expires, it);
    }
    if (item_is_pointer(it)) {
        keyspace_drop_value(ks, item_pointer(it));
    }
    free(it);
}

void keyspace_set_expire(struct keyspace *ks, uint32_t db, struct item *it, int64_t expire_at)
{
    struct db *d = db_at(ks, db);

    assert(expire_at != KEYSPACE_KEEP_EXPIRE);
    if (expire_at == KEYSPACE_NO_EXPIRE) {
        if (it->heap_pos != 0) {
            expire_remove(&ks->pool, &d->expires, it);
        }
    } else if (it->heap_pos == 0) {
        expire_add(&ks->pool, &d->expires, it, expire_at);
    } else {
        expire_change(&ks->pool, &d->expires, it, expire_at);
    }
}

static void *copy_value(const struct item *it)
{
    struct raw *r = item_raw(it);

    return item_type(it) == ITEM_STRING ? raw_must_new(r->bytes, r->head.len, r->head.len)
                                        : value_types[item_type(it)]->copy(r);
}

/* The same value (copied unless @take) under another key; not yet in a table. */
static struct item *with_key(struct item *it, const struct key *to, bool take)
{
    struct item *fresh;
    size_t n;

    if (item_is_pointer(it)) {
        fresh =
            item_new_pointer(item_type(it), to->p, to->n, take ? item_pointer(it) : copy_value(it));
    } else {
        const unsigned char *value = item_value_at(it, &n);

        fresh = item_new_embedded(item_encoding(it), to->p, to->n, value, n);
    }
    fresh->bits |= it->bits & ITEM_EDITED;
    item_set_access(fresh, item_access(it));
    return fresh;
}

struct item *keyspace_move(struct keyspace *ks, uint32_t db, struct item *it, uint32_t to_db,
                           const struct key *to)
{
    int64_t expire_at = keyspace_expire_at(ks, it);
    struct key from = key_of(ks, it);
    struct item *fresh = with_key(it, to, true);

    assert(keyspace_find(ks, to_db, to) == NULL);
    forget_due(ks, db, it);
    keyspace_set_expire(ks, db, it, KEYSPACE_NO_EXPIRE);
    tables_remove(&db_at(ks, db)->tables, from.slot, from.hash, it);
    free(it);
    insert(ks, to_db, to, fresh);
    keyspace_set_expire(ks, to_db, fresh, expire_at);
    return fresh;
}

struct item *keyspace_copy(struct keyspace *ks, const struct item *it, uint32_t to_db,
                           const struct key *to)
{
    struct item *fresh = with_key((struct item *)it, to, false);

    assert(keyspace_find(ks, to_db, to) == NULL);
    insert(ks, to_db, to, fresh);
    keyspace_set_expire(ks, to_db, fresh, keyspace_expire_at(ks, it));
    return fresh;
}

size_t keyspace_item_bytes(const struct keyspace *ks, const struct item *it, size_t samples)
{
    size_t bytes = item_good_size(item_bytes(it)) + sizeof(uint64_t); /* its word in the table */

    (void)ks;
    if (it->heap_pos != 0) {
        bytes += sizeof(struct expire_entry);
    }
    if (item_is_pointer(it)) {
        bytes += keyspace_value_bytes(item_pointer(it), samples);
    }
    return bytes;
}

/* ---- whole databases ------------------------------------------------------------------------- */

uint64_t keyspace_size(const struct keyspace *ks, uint32_t db)
{
    return db_at(ks, db)->tables.items;
}

uint64_t keyspace_expires(const struct keyspace *ks, uint32_t db)
{
    return db_at(ks, db)->expires.n;
}

uint64_t keyspace_due_values(const struct keyspace *ks, uint32_t db)
{
    return db_at(ks, db)->dues.n;
}

uint32_t keyspace_databases(const struct keyspace *ks) { return ks->config.databases; }

int64_t keyspace_avg_ttl(const struct keyspace *ks, uint32_t db, int64_t now_ms)
{
    const struct db *d = db_at(ks, db);
    uint64_t n = MIN_OF(d->expires.n, (uint64_t)TTL_SAMPLES);
    int64_t sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        /* Evenly spread over the heap: neither its early top nor its late bottom alone. */
        int64_t left = expire_nth(&ks->pool, &d->expires, d->expires.n * i / n)->at - now_ms;

        sum += MAX_OF(left, (int64_t)0) / (int64_t)n;
    }
    return sum;
}

struct keyspace *keyspace_detach_db(struct keyspace *ks, uint32_t db)
{
    struct db *d = db_at(ks, db);
    struct keyspace_config config = ks->config;
    struct keyspace *out;

    if (d->tables.items == 0) {
        return NULL;
    }
    config.databases = 1;
    out = keyspace_new(&config);
    tables_release(&out->dbs[0].tables, free_item_at_once, NULL);
    out->dbs[0] = *d;
    out->dbs[0].tables.forked = false;
    expire_heap_transfer(&ks->pool, &out->pool, &d->expires);
    expire_heap_transfer(&ks->pool, &out->pool, &d->dues);
    db_init(ks, d);
    return out;
}

void keyspace_swap_dbs(struct keyspace *ks, uint32_t a, uint32_t b)
{
    struct db *x = db_at(ks, a);
    struct db *y = db_at(ks, b);
    struct db tmp = *x;

    *x = *y;
    *y = tmp;
}

struct item *keyspace_random(struct keyspace *ks, uint32_t db, uint64_t random)
{
    return tables_random(&db_at(ks, db)->tables, random);
}

struct item *keyspace_random_expiring(struct keyspace *ks, uint32_t db, uint64_t random)
{
    const struct expire_heap *h = &db_at(ks, db)->expires;

    return h->n == 0 ? NULL : expire_nth(&ks->pool, h, random % h->n)->it;
}

struct scan {
    keyspace_scan_fn *fn;
    void *arg;
    size_t seen;
};

static void scan_item(void *arg, struct item *it)
{
    struct scan *s = arg;

    s->seen++;
    s->fn(s->arg, it);
}

/* A cursor is the slot above a position within its table; positions of a table keep their
 * meaning whatever its size. 52 bits in all, so that clients may read it as a double. */
uint64_t keyspace_scan(struct keyspace *ks, uint32_t db, int slot, uint64_t cursor, size_t count,
                       keyspace_scan_fn *fn, void *arg)
{
    const struct tables *ts = &db_at(ks, db)->tables;
    struct scan scan = {fn, arg, 0};
    uint64_t pos = cursor & (TABLE_POSITION_END - 1);
    uint32_t s = (uint32_t)slot;
    uint64_t buckets = MIN_OF(MAX_OF(count, (size_t)1), SIZE_MAX / SCAN_BUCKETS_PER_ITEM) *
                       (uint64_t)SCAN_BUCKETS_PER_ITEM;

    if (slot >= 0) {
        assert(s < ts->n_refs);
    } else {
        uint32_t from = (uint32_t)(cursor >> TABLE_POSITION_BITS) % ts->n_refs;

        s = tables_next_slot(ts, from);
        if (s != from) {
            pos = 0;
        }
    }
    while (s < ts->n_refs) {
        pos = tables_scan(ts, s, pos, scan_item, &scan);
        if (pos >= TABLE_POSITION_END) {
            if (slot >= 0) {
                return 0;
            }
            pos = 0;
            s = tables_next_slot(ts, s + 1);
        }
        if (scan.seen >= count || --buckets == 0) {
            break;
        }
    }
    return s < ts->n_refs ? (uint64_t)s << TABLE_POSITION_BITS | pos : 0;
}

uint64_t keyspace_cursor(unsigned slot) { return (uint64_t)slot << TABLE_POSITION_BITS; }

unsigned keyspace_cursor_slot(uint64_t cursor)
{
    return (unsigned)(cursor >> TABLE_POSITION_BITS) % CLUSTER_SLOTS;
}

void keyspace_each(const struct keyspace *ks, uint32_t db, keyspace_each_fn *fn, void *arg)
{
    tables_each(&db_at(ks, db)->tables, fn, arg);
}

uint64_t keyspace_slot_size(const struct keyspace *ks, uint16_t slot)
{
    assert(ks->config.by_slot);
    assert(slot < CLUSTER_SLOTS);
    return tables_count(&ks->dbs[0].tables, slot);
}

/* ---- expiry ---------------------------------------------------------------------------------- */

static const struct expire_entry *due_first(const struct keyspace *ks, bool in_values, uint32_t *db)
{
    const struct expire_entry *best = NULL;

    for (uint32_t i = 0; i < ks->config.databases; i++) {
        const struct db *d = &ks->dbs[i];
        const struct expire_entry *e = expire_first(&ks->pool, in_values ? &d->dues : &d->expires);

        if (e != NULL && (best == NULL || e->at < best->at)) {
            best = e;
            *db = i;
        }
    }
    return best;
}

struct item *keyspace_due(struct keyspace *ks, int64_t now_ms, uint32_t *db)
{
    const struct expire_entry *e = due_first(ks, false, db);

    return e != NULL && e->at <= now_ms ? e->it : NULL;
}

struct item *keyspace_due_value(struct keyspace *ks, int64_t now_ms, uint32_t *db)
{
    const struct expire_entry *e = due_first(ks, true, db);
    struct item *it;
    struct key k;

    if (e == NULL || e->at > now_ms) {
        return NULL;
    }
    k = key_of(ks, e->it);
    it = keyspace_find(ks, *db, &k);
    assert(it != NULL); /* or forget_due() was not called */
    return it;
}

int64_t keyspace_next_expire(const struct keyspace *ks)
{
    uint32_t db;
    const struct expire_entry *e = due_first(ks, false, &db);

    return e != NULL ? e->at : KEYSPACE_NO_EXPIRE;
}

/* ---- upkeep ---------------------------------------------------------------------------------- */

/* Tables whose time to grow or shrink came while that was put off. */
static void check_some(struct keyspace *ks)
{
    for (unsigned i = 0; i < UPKEEP_CHECKS; i++) {
        tables_check(&ks->dbs[ks->check_db].tables, ks->check_slot);
        ks->check_slot++;
        if (ks->check_slot >= slots_of(ks)) {
            ks->check_slot = 0;
            ks->check_db = (ks->check_db + 1) % ks->config.databases;
        }
    }
}

bool keyspace_upkeep(struct keyspace *ks, size_t steps)
{
    bool more = false;

    check_some(ks);
    for (uint32_t i = 0; i < ks->config.databases; i++) {
        more |= tables_upkeep(&ks->dbs[i].tables, steps);
    }
    return more;
}

/* ---- moving ---------------------------------------------------------------------------------- */

struct relocation {
    struct keyspace *ks;
    struct keyspace_walk *w;
    struct mover *m;
    size_t fields;
};

void keyspace_walk_release(struct keyspace_walk *w)
{
    buf_release(&w->later);
    memset(w, 0, sizeof *w);
}

static void count_key(struct keyspace_walk *w, bool moved)
{
    w->key_hits += moved;
    w->key_misses += !moved;
}

/* What is due in the value has an item of its own. */
static void relocate_due(struct relocation *r, struct item *it)
{
    struct value_due *due = due_of(it);

    if (due != NULL && due->entry != NULL) {
        due->entry = mover_move(r->m, due->entry);
        expire_moved(&r->ks->pool, due->entry);
    }
}

/* False: it is big, and left for later. */
static bool relocate_value(struct relocation *r, struct item *it)
{
    void *value = item_pointer(it);
    const struct value_type *type = value_types[item_type(it)];
    struct value_cursor all = {0};
    struct arg key = item_key(it);

    if (type == NULL) {
        item_set_pointer(it, mover_move(r->m, value));
        return true;
    }
    relocate_due(r, it);
    if (type->effort(value) > r->fields) {
        buf_append(&r->w->later, &key.n, sizeof key.n);
        buf_append(&r->w->later, key.p, key.n);
        return false;
    }
    while (!type->relocate(&value, r->m, &all, SIZE_MAX)) {
    }
    item_set_pointer(it, value);
    return true;
}

static struct item *relocate_item(void *arg, struct item *it)
{
    struct relocation *r = arg;
    uint64_t before = r->m->moved;
    bool all = true;

    it = mover_move(r->m, it);
    expire_moved(&r->ks->pool, it);
    if (item_is_pointer(it)) {
        all = relocate_value(r, it);
    }
    if (all) {
        count_key(r->w, r->m->moved != before);
    }
    return it;
}

/* Go on with the first of the big values that are left for later. */
static void relocate_later(struct keyspace *ks, struct keyspace_walk *w, struct mover *m, size_t n)
{
    const struct value_type *type = NULL;
    uint64_t before = m->moved;
    struct item *it;
    struct key k;
    size_t len;
    void *value;

    memcpy(&len, buf_head(&w->later), sizeof len);
    k = keyspace_key(ks, buf_head(&w->later) + sizeof len, len);
    it = keyspace_find(ks, w->db, &k);
    if (it != NULL) {
        type = value_types[item_type(it)];
    }
    if (!w->in_value) {
        w->in_value = true;
        w->value = (struct value_cursor){0};
        w->value_moved = false;
    }
    if (type != NULL) {
        bool done;

        value = item_pointer(it);
        done = type->relocate(&value, m, &w->value, n);
        item_set_pointer(it, value);
        w->value_moved |= m->moved != before;
        if (!done) {
            return;
        }
        count_key(w, w->value_moved);
    }
    w->in_value = false;
    buf_consume(&w->later, sizeof len + len);
}

/* The next bucket; false: there is none. */
static bool relocate_bucket(struct relocation *r)
{
    struct keyspace_walk *w = r->w;
    struct db *d = db_at(r->ks, w->db);
    uint32_t from = (uint32_t)(w->cursor >> TABLE_POSITION_BITS);
    uint64_t pos = w->cursor & (TABLE_POSITION_END - 1);
    uint32_t slot = tables_next_slot(&d->tables, from);

    if (slot >= d->tables.n_refs) {
        return false;
    }
    pos = tables_relocate(&d->tables, slot, slot == from ? pos : 0, r->m, relocate_item, r);
    if (pos >= TABLE_POSITION_END) {
        pos = 0;
        slot++;
    }
    w->cursor = (uint64_t)slot << TABLE_POSITION_BITS | pos;
    return true;
}

bool keyspace_relocate(struct keyspace *ks, struct keyspace_walk *w, struct mover *m, size_t n,
                       size_t fields)
{
    struct relocation r = {ks, w, m, fields};
    uint64_t until = mover_seen(m) + MIN_OF(n, (size_t)UINT32_MAX);

    for (size_t steps = 0; steps < n && mover_seen(m) < until; steps++) {
        if (w->db >= ks->config.databases) {
            return false;
        }
        if (w->later.len > 0) {
            relocate_later(ks, w, m, n);
        } else if (!relocate_bucket(&r)) {
            struct db *d = &ks->dbs[w->db];

            expire_heap_relocate(&ks->pool, &d->expires, m);
            expire_heap_relocate(&ks->pool, &d->dues, m);
            w->cursor = 0;
            w->db++;
        }
    }
    return w->db < ks->config.databases;
}

void keyspace_set_forked(struct keyspace *ks, bool forked)
{
    ks->forked = forked;
    for (uint32_t i = 0; i < ks->config.databases; i++) {
        ks->dbs[i].tables.forked = forked;
    }
}

void keyspace_expect(struct keyspace *ks, uint32_t db, uint64_t n)
{
    if (!ks->config.by_slot) {
        tables_expect(&db_at(ks, db)->tables, 0, n);
    }
}

static void describe_tables(const struct tables *ts, const char *what, struct buf *out)
{
    struct tables_stats s;

    tables_stats(ts, &s);
    buf_printf(out,
               "%s: %llu\ntables: %llu small, %llu large, %llu of them moving\n"
               "buckets: %llu, linked to full ones: %llu\ntable bytes: %zu\n",
               what, (unsigned long long)ts->items, (unsigned long long)s.small,
               (unsigned long long)s.large, (unsigned long long)s.resizing,
               (unsigned long long)s.buckets, (unsigned long long)s.linked,
               (size_t)ts->n_refs * sizeof(table_ref) + ts->bytes);
    buf_printf(out, "buckets by number of %s:\n", what);
    for (size_t i = 0; i < ARRAY_LEN(s.fill); i++) {
        buf_printf(out, " %zu%s: %llu\n", i, i + 1 == ARRAY_LEN(s.fill) ? " or more" : "",
                   (unsigned long long)s.fill[i]);
    }
}

void keyspace_describe(const struct keyspace *ks, uint32_t db, struct buf *out)
{
    const struct db *d = db_at(ks, db);

    buf_printf(out, "expiring: %llu, heap bytes: %zu\n", (unsigned long long)d->expires.n,
               expire_heap_bytes(&d->expires));
    describe_tables(&d->tables, "keys", out);
}

bool keyspace_describe_value(const struct item *it, struct buf *out)
{
    const struct value_type *t = value_types[item_type(it)];
    const struct tables *ts = t == NULL || t->tables == NULL ? NULL : t->tables(item_pointer(it));

    if (ts != NULL) {
        describe_tables(ts, "elements", out);
    }
    return ts != NULL;
}

size_t keyspace_table_bytes(const struct keyspace *ks, uint32_t db)
{
    const struct db *d = db_at(ks, db);
    size_t refs = (size_t)d->tables.n_refs * sizeof(table_ref);

    return refs + d->tables.bytes + expire_heap_bytes(&d->expires) + expire_heap_bytes(&d->dues);
}
