/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/table.c - see node/keyspace/table.h.
 *
 *   small  --(over 7 items per bucket, at 63 buckets)-->  large
 *   small  <--(few enough left, not moving)--             large  <-->  large, moving
 *
 *   transition                      function
 *   none -> small, small -> small   small_rebuild()
 *   small -> large                  to_large()
 *   large -> moving                 move_begin(); each step: move_bucket()
 *   moving -> large                 move_end()
 *   large -> small                  to_small()
 *   any -> none                     drop_table(), with the last item
 *
 * Invariants: refs[s] == 0 exactly when slot s holds nothing, but for a table readied by
 * tables_expect(); frontier == 0 unless the table moves; a chain's buckets are full but for the
 * last one. */
#include "node/keyspace/table.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/keyspace/item.h"

#include <stdlib.h>

#define WORDS 8
#define LINK 1u /* in a bucket's last word: the rest is the address of another bucket */
#define ADDRESS_BITS 48
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

#define SMALL_MAX 63 /* buckets; with the header 4 KiB */
#define SMALL_BITS 15
#define CHUNK 1024 /* buckets: 64 KiB */

/* Items per bucket: grow above FILL_MAX. FORKED_FILL_MAX: even while a child reads. */
#define FILL_MAX 7
#define FORKED_FILL_MAX 28
#define FILL_MIN 2

struct bucket {
    uint64_t w[WORDS];
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

/* Header of a table. A small one has its buckets behind it and uses @items alone. */
struct table {
    uint64_t items;
    uint32_t n[2];          /* buckets of part 0; while moving, of part 1, which becomes part 0 */
    struct bucket **dir[2]; /* their chunks; NULL: nothing in it yet */
    uint64_t frontier;      /* positions below it live in part 1 */
    struct table *prev, *next;
    uint32_t moved; /* buckets of part 0 that have moved */
    uint32_t slot : 31;
    uint32_t expecting : 1; /* sized for items to come: does not shrink before one is removed */
};
_Static_assert(sizeof(struct table) == 64, "a header is a cache line, so that buckets are, too");

/* ---- references, positions, tags ------------------------------------------------------------- */

static inline struct table *ref_table(table_ref r) { return (struct table *)(r & ADDRESS_MASK); }
static inline uint32_t ref_small(table_ref r) { return (uint32_t)(r >> ADDRESS_BITS); }
static inline struct bucket *small_buckets(const struct table *t)
{
    return (struct bucket *)(t + 1);
}

static table_ref ref_make(const struct table *t, uint32_t small_n)
{
    uint64_t address = (uint64_t)(uintptr_t)t;

    assert((address & ~ADDRESS_MASK) == 0);
    return address | (uint64_t)small_n << ADDRESS_BITS;
}

static inline uint64_t position(uint64_t hash) { return hash >> (64 - TABLE_POSITION_BITS); }
static inline uint64_t small_position(uint64_t hash) { return hash >> (64 - SMALL_BITS); }

static inline uint32_t small_index(uint64_t pos15, uint32_t n)
{
    return (uint32_t)(pos15 * n >> SMALL_BITS);
}

static inline uint32_t large_index(uint64_t pos, uint32_t n)
{
    return (uint32_t)((unsigned __int128)pos * n >> TABLE_POSITION_BITS);
}

/* First position of bucket @b of @n. */
static uint64_t bucket_start(uint64_t b, uint32_t n, unsigned bits)
{
    if (b >> (64 - bits) == 0) {
        return ((b << bits) + n - 1) / n;
    }
    return (uint64_t)((((unsigned __int128)b << bits) + n - 1) / n);
}

/* Tags are odd, so that no empty word and no link has an item's. */
static inline uint64_t small_tag(uint64_t hash) { return small_position(hash) << 1 | 1; }
static inline uint64_t large_tag(uint64_t hash) { return (hash << 1 | 1) & 0xffff; }

static inline uint64_t word_make(const struct item *it, uint64_t tag)
{
    uint64_t address = (uint64_t)(uintptr_t)it;

    assert((address & ~ADDRESS_MASK) == 0);
    assert((address & LINK) == 0);
    return address | tag << ADDRESS_BITS;
}

static inline struct item *word_item(uint64_t w) { return (struct item *)(w & ADDRESS_MASK); }
static inline bool word_is_item(uint64_t w) { return w >> ADDRESS_BITS != 0; }

static inline struct bucket *bucket_link(const struct bucket *b)
{
    uint64_t last = b->w[WORDS - 1];

    return (last & LINK) != 0 ? (struct bucket *)(last & ~(uint64_t)LINK) : NULL;
}

static uint64_t item_hash(const struct tables *ts, const struct item *it)
{
    size_t n;
    const unsigned char *key = item_key_at(it, &n);

    return siphash13(&ts->hash_key, key, n);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* @n cache lines, zeroed. */
static void *lines_alloc(struct tables *ts, size_t n)
{
    void *p = aligned_alloc(sizeof(struct bucket), n * sizeof(struct bucket));

    if (p == NULL) {
        log_fatal("Out of memory allocating %zu bytes of hash table", n * sizeof(struct bucket));
    }
    memset(p, 0, n * sizeof(struct bucket));
    ts->bytes += n * sizeof(struct bucket);
    return p;
}

static void lines_free(struct tables *ts, void *p, size_t n)
{
    free(p);
    ts->bytes -= n * sizeof(struct bucket);
}

static size_t dir_len(uint32_t n) { return ((size_t)n + CHUNK - 1) / CHUNK; }

static struct bucket **dir_new(struct tables *ts, uint32_t n)
{
    ts->bytes += dir_len(n) * sizeof(struct bucket *);
    return mem_zalloc(dir_len(n) * sizeof(struct bucket *));
}

/* Buckets of chunk @c of a part with @n. */
static size_t chunk_len(uint32_t n, size_t c) { return MIN_OF((size_t)CHUNK, n - c * CHUNK); }

static void chunk_free(struct tables *ts, struct table *t, unsigned part, size_t c)
{
    if (t->dir[part][c] != NULL) {
        lines_free(ts, t->dir[part][c], chunk_len(t->n[part], c));
        t->dir[part][c] = NULL;
    }
}

static void part_free(struct tables *ts, struct table *t, unsigned part)
{
    if (t->dir[part] == NULL) {
        return;
    }
    for (size_t c = 0; c < dir_len(t->n[part]); c++) {
        chunk_free(ts, t, part, c);
    }
    ts->bytes -= dir_len(t->n[part]) * sizeof(struct bucket *);
    free(t->dir[part]);
    t->dir[part] = NULL;
    t->n[part] = 0;
}

/* ---- chains ---------------------------------------------------------------------------------- */

static struct item *chain_find(const struct bucket *b, uint64_t tag, const struct key *k)
{
    do {
        for (unsigned i = 0; i < WORDS; i++) {
            uint64_t w = b->w[i];

            if (UNLIKELY(w >> ADDRESS_BITS == tag) &&
                LIKELY(item_has_key(word_item(w), k->p, k->n))) {
                return word_item(w);
            }
        }
        b = bucket_link(b);
    } while (UNLIKELY(b != NULL));
    return NULL;
}

static void chain_insert(struct tables *ts, struct bucket *b, uint64_t word)
{
    struct bucket *more;

    for (;;) {
        for (unsigned i = 0; i < WORDS; i++) {
            if (b->w[i] == 0) {
                b->w[i] = word;
                return;
            }
        }
        more = bucket_link(b);
        if (more == NULL) {
            break;
        }
        b = more;
    }
    more = lines_alloc(ts, 1);
    more->w[0] = b->w[WORDS - 1];
    more->w[1] = word;
    b->w[WORDS - 1] = (uint64_t)(uintptr_t)more | LINK;
}

/* The word of @it in the chain at @b; it must be there. */
static uint64_t *chain_word(struct bucket *b, const struct item *it)
{
    for (; b != NULL; b = bucket_link(b)) {
        for (unsigned i = 0; i < WORDS; i++) {
            if (word_is_item(b->w[i]) && word_item(b->w[i]) == it) {
                return &b->w[i];
            }
        }
    }
    return NULL;
}

/* Clear @hole, a word of the chain at @b, and fill it up from the chain's end. */
static void chain_remove(struct tables *ts, struct bucket *b, uint64_t *hole)
{
    struct bucket *parent = NULL;
    unsigned left = 0;
    uint64_t *last = NULL;

    *hole = 0;
    if (bucket_link(b) == NULL) {
        return;
    }
    while (bucket_link(b) != NULL) {
        parent = b;
        b = bucket_link(b);
    }
    for (unsigned i = 0; i < WORDS; i++) {
        if (b->w[i] != 0) {
            last = &b->w[i];
            left++;
        }
    }
    assert(last != NULL);
    if (hole < b->w || hole >= b->w + WORDS) {
        *hole = *last;
        *last = 0;
        left--;
    }
    if (left > 1) {
        return;
    }
    for (unsigned i = 0; i < WORDS; i++) {
        if (b->w[i] != 0) {
            parent->w[WORDS - 1] = b->w[i];
        }
    }
    lines_free(ts, b, 1);
}

/* Free what is linked to the bucket and empty it. */
static void chain_clear(struct tables *ts, struct bucket *b)
{
    struct bucket *next;

    assert(b != NULL);
    for (struct bucket *more = bucket_link(b); more != NULL; more = next) {
        next = bucket_link(more);
        lines_free(ts, more, 1);
    }
    memset(b, 0, sizeof *b);
}

/* Inlined by force: gcc takes a function of nothing but prefetches for one without effects, and
 * drops calls to it. */
__attribute__((always_inline)) static inline void prefetch_items(const struct bucket *b)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (word_is_item(b->w[i])) {
            __builtin_prefetch(word_item(b->w[i]));
        }
    }
}

static void chain_each(const struct bucket *b, tables_item_fn *fn, void *arg)
{
    for (; b != NULL; b = bucket_link(b)) {
        prefetch_items(b);
        for (unsigned i = 0; i < WORDS; i++) {
            if (word_is_item(b->w[i])) {
                fn(arg, word_item(b->w[i]));
            }
        }
    }
}

/* ---- where a hash lives ---------------------------------------------------------------------- */

static inline struct bucket *large_bucket(const struct table *t, uint64_t pos)
{
    unsigned part = pos < t->frontier;
    uint32_t b = large_index(pos, t->n[part]);
    struct bucket *chunk = t->dir[part][b / CHUNK];

    return LIKELY(chunk != NULL) ? &chunk[b % CHUNK] : NULL;
}

/* NULL: an empty run. */
static inline struct bucket *find_bucket(table_ref r, uint64_t hash, uint64_t *tag)
{
    uint32_t n = ref_small(r);

    if (n != 0) {
        *tag = small_tag(hash);
        return &small_buckets(ref_table(r))[small_index(small_position(hash), n)];
    }
    *tag = large_tag(hash);
    return r == 0 ? NULL : large_bucket(ref_table(r), position(hash));
}

/* The bucket of @pos in @part, with its chunk allocated. */
static struct bucket *large_bucket_make(struct tables *ts, struct table *t, unsigned part,
                                        uint64_t pos)
{
    uint32_t b = large_index(pos, t->n[part]);
    struct bucket **chunk = &t->dir[part][b / CHUNK];

    if (*chunk == NULL) {
        *chunk = lines_alloc(ts, chunk_len(t->n[part], b / CHUNK));
    }
    return &(*chunk)[b % CHUNK];
}

/* ---- small tables ---------------------------------------------------------------------------- */

/* Buckets that fill up the allocation which @n of them would need. */
static uint32_t small_size(uint64_t n)
{
    return (uint32_t)(item_good_size((n + 1) * sizeof(struct bucket)) / sizeof(struct bucket) - 1);
}

/* Give the slot a small table of @n buckets; the tags say all that is needed to refill it. */
static void small_rebuild(struct tables *ts, uint32_t slot, uint32_t n)
{
    table_ref old = ts->refs[slot];
    struct table *t = lines_alloc(ts, n + 1);
    struct bucket *to = small_buckets(t);

    assert(n > 0);
    assert(n <= SMALL_MAX);
    if (old != 0) {
        struct bucket *from = small_buckets(ref_table(old));

        t->items = ref_table(old)->items;
        for (uint32_t i = 0; i < ref_small(old); i++) {
            for (const struct bucket *b = &from[i]; b != NULL; b = bucket_link(b)) {
                for (unsigned j = 0; j < WORDS; j++) {
                    if (word_is_item(b->w[j])) {
                        chain_insert(ts, &to[small_index(b->w[j] >> (ADDRESS_BITS + 1), n)],
                                     b->w[j]);
                    }
                }
            }
            chain_clear(ts, &from[i]);
        }
        lines_free(ts, ref_table(old), ref_small(old) + 1);
    }
    ts->refs[slot] = ref_make(t, n);
}

/* ---- large tables ---------------------------------------------------------------------------- */

static uint32_t large_size(uint64_t n)
{
    if (n < CHUNK) {
        n = item_good_size(n * sizeof(struct bucket)) / sizeof(struct bucket);
    }
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static bool is_moving(const struct table *t) { return t->dir[1] != NULL; }

static struct table *large_new(struct tables *ts, uint32_t slot, uint64_t n)
{
    struct table *t = lines_alloc(ts, 1);

    t->slot = slot;
    t->n[0] = large_size(n);
    t->dir[0] = dir_new(ts, t->n[0]);
    return t;
}

static void move_begin(struct tables *ts, struct table *t, uint64_t n)
{
    assert(!is_moving(t));
    t->n[1] = large_size(n);
    t->dir[1] = dir_new(ts, t->n[1]);
    t->moved = 0;
    t->frontier = 0;
    t->prev = NULL;
    t->next = ts->resizing;
    if (t->next != NULL) {
        t->next->prev = t;
    }
    ts->resizing = t;
}

static void resizing_unlink(struct tables *ts, struct table *t)
{
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        assert(ts->resizing == t);
        ts->resizing = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    t->prev = t->next = NULL;
}

static void move_end(struct tables *ts, struct table *t)
{
    resizing_unlink(ts, t);
    part_free(ts, t, 0);
    t->n[0] = t->n[1];
    t->dir[0] = t->dir[1];
    t->n[1] = 0;
    t->dir[1] = NULL;
    t->frontier = 0;
    t->moved = 0;
    tables_check(ts, t->slot);
}

/* Move one bucket, or pass over a run of empty ones. May free @t's last part: see move_end(). */
static void move_bucket(struct tables *ts, struct table *t)
{
    size_t c = t->moved / CHUNK;
    size_t end = c * CHUNK + chunk_len(t->n[0], c);
    struct bucket *chunk = t->dir[0][c];

    if (chunk == NULL) {
        t->moved = (uint32_t)end;
    } else {
        struct bucket *from = &chunk[t->moved % CHUNK];

        prefetch_items(from);
        for (const struct bucket *b = from; b != NULL; b = bucket_link(b)) {
            for (unsigned i = 0; i < WORDS; i++) {
                if (word_is_item(b->w[i])) {
                    struct item *it = word_item(b->w[i]);

                    chain_insert(ts, large_bucket_make(ts, t, 1, position(item_hash(ts, it))),
                                 b->w[i]);
                }
            }
        }
        chain_clear(ts, from);
        t->moved++;
        if (t->moved == end) {
            chunk_free(ts, t, 0, c);
        } else {
            prefetch_items(from + 1);                            /* for the step to come */
            __builtin_prefetch(from + 1 + (t->moved + 1 < end)); /* and for the one after */
        }
    }
    t->frontier = bucket_start(t->moved, t->n[0], TABLE_POSITION_BITS);
    if (t->moved == t->n[0]) {
        move_end(ts, t);
    }
}

static void to_large(struct tables *ts, uint32_t slot, uint64_t n)
{
    table_ref old = ts->refs[slot];
    struct table *t = large_new(ts, slot, n);
    struct bucket *from = small_buckets(ref_table(old));

    t->items = ref_table(old)->items;
    for (uint32_t i = 0; i < ref_small(old); i++) {
        prefetch_items(&from[i]);
    }
    for (uint32_t i = 0; i < ref_small(old); i++) {
        for (const struct bucket *b = &from[i]; b != NULL; b = bucket_link(b)) {
            for (unsigned j = 0; j < WORDS; j++) {
                if (word_is_item(b->w[j])) {
                    struct item *it = word_item(b->w[j]);
                    uint64_t hash = item_hash(ts, it);

                    chain_insert(ts, large_bucket_make(ts, t, 0, position(hash)),
                                 word_make(it, large_tag(hash)));
                }
            }
        }
        chain_clear(ts, &from[i]);
    }
    lines_free(ts, ref_table(old), ref_small(old) + 1);
    ts->refs[slot] = ref_make(t, 0);
}

static void large_free(struct tables *ts, struct table *t)
{
    if (is_moving(t)) {
        resizing_unlink(ts, t);
    }
    part_free(ts, t, 0);
    part_free(ts, t, 1);
    lines_free(ts, t, 1);
}

/* For a table of one chunk. */
static void to_small(struct tables *ts, struct table *t, uint32_t n)
{
    uint32_t slot = t->slot;
    struct table *small = lines_alloc(ts, n + 1);
    struct bucket *to = small_buckets(small);

    assert(!is_moving(t));
    assert(n <= SMALL_MAX);
    assert(t->n[0] <= CHUNK);
    small->items = t->items;
    for (uint32_t i = 0; t->dir[0][0] != NULL && i < t->n[0]; i++) {
        for (const struct bucket *b = &t->dir[0][0][i]; b != NULL; b = bucket_link(b)) {
            for (unsigned j = 0; j < WORDS; j++) {
                if (word_is_item(b->w[j])) {
                    struct item *it = word_item(b->w[j]);
                    uint64_t hash = item_hash(ts, it);

                    chain_insert(ts, &to[small_index(small_position(hash), n)],
                                 word_make(it, small_tag(hash)));
                }
            }
        }
        chain_clear(ts, &t->dir[0][0][i]);
    }
    large_free(ts, t);
    ts->refs[slot] = ref_make(small, n);
}

static void drop_table(struct tables *ts, uint32_t slot)
{
    table_ref r = ts->refs[slot];

    ts->refs[slot] = 0;
    if (ref_small(r) != 0) {
        lines_free(ts, ref_table(r), ref_small(r) + 1);
    } else {
        large_free(ts, ref_table(r));
    }
}

/* ---- growing and shrinking ------------------------------------------------------------------- */

static bool may_move(const struct tables *ts, const struct table *t)
{
    return !ts->forked || t->items > (uint64_t)t->n[0] * FORKED_FILL_MAX;
}

static void check_small(struct tables *ts, uint32_t slot)
{
    uint32_t n = ref_small(ts->refs[slot]);
    uint64_t items = ref_table(ts->refs[slot])->items;
    uint32_t want;

    if (items > (uint64_t)n * FILL_MAX) {
        want = small_size(items / 6 + 1);
        if (want <= SMALL_MAX) {
            small_rebuild(ts, slot, want);
        } else {
            to_large(ts, slot, items / 5);
        }
    } else if (n > 1 && items * 2 < (uint64_t)n * 5) {
        want = small_size(items / 5 + 1);
        if (want < n) {
            small_rebuild(ts, slot, want);
        }
    }
}

static void check_large(struct tables *ts, struct table *t)
{
    uint64_t n = t->n[0];

    if (is_moving(t) || !may_move(ts, t)) {
        return;
    }
    if (t->items > n * FILL_MAX && n < UINT32_MAX) {
        move_begin(ts, t, MAX_OF(n + n / 2, t->items / 6));
    } else if (t->items < n * FILL_MIN && !t->expecting) {
        if (n <= CHUNK && t->items <= SMALL_MAX * 4) {
            to_small(ts, t, small_size(t->items / 5 + 1));
        } else {
            move_begin(ts, t, MAX_OF(t->items / 5, (uint64_t)SMALL_MAX));
        }
    }
}

void tables_check(struct tables *ts, uint32_t slot)
{
    table_ref r = ts->refs[slot];

    if (r == 0) {
        return;
    }
    if (ref_small(r) != 0) {
        check_small(ts, slot);
    } else {
        check_large(ts, ref_table(r));
    }
}

static void stop_expecting(table_ref r)
{
    if (ref_small(r) == 0) {
        ref_table(r)->expecting = false;
    }
}

/* After a change: what is moving moves on, else see whether it should. */
static void advance(struct tables *ts, uint32_t slot, unsigned steps)
{
    table_ref r = ts->refs[slot];
    struct table *t = ref_table(r);

    if (ref_small(r) != 0) {
        check_small(ts, slot);
    } else if (is_moving(t)) {
        while (steps-- > 0 && ts->refs[slot] == r && is_moving(t) && may_move(ts, t)) {
            move_bucket(ts, t);
        }
    } else {
        check_large(ts, t);
    }
}

bool tables_upkeep(struct tables *ts, size_t steps)
{
    while (steps-- > 0 && ts->resizing != NULL && may_move(ts, ts->resizing)) {
        move_bucket(ts, ts->resizing);
    }
    return ts->resizing != NULL && may_move(ts, ts->resizing);
}

void tables_expect(struct tables *ts, uint32_t slot, uint64_t n)
{
    table_ref r = ts->refs[slot];
    uint64_t want = n / 6;

    if (want <= SMALL_MAX) {
        return; /* small ones grow at next to no cost */
    }
    if (r == 0) {
        ts->refs[slot] = ref_make(large_new(ts, slot, want), 0);
    } else if (ref_small(r) != 0) {
        to_large(ts, slot, want);
    } else if (!is_moving(ref_table(r)) && ref_table(r)->n[0] < want) {
        move_begin(ts, ref_table(r), want);
    }
    ref_table(ts->refs[slot])->expecting = true;
}

/* ---- the tables ------------------------------------------------------------------------------ */

void tables_init(struct tables *ts, uint32_t n_refs, const struct siphash_key *hash_key)
{
    assert(n_refs == 1 || n_refs % TABLES_PER_SUM == 0);
    *ts = (struct tables){
        .refs = mem_zalloc(n_refs * sizeof *ts->refs),
        .n_refs = n_refs,
        .hash_key = *hash_key,
    };
    if (n_refs > 1) {
        ts->sums = mem_zalloc(n_refs / TABLES_PER_SUM * sizeof *ts->sums);
    }
}

static void each_bucket(table_ref r, void (*fn)(void *arg, struct bucket *b), void *arg)
{
    struct table *t = ref_table(r);

    if (r == 0) {
        return;
    }
    for (uint32_t i = 0; i < ref_small(r); i++) {
        fn(arg, &small_buckets(t)[i]);
    }
    for (unsigned part = 0; ref_small(r) == 0 && part < 2; part++) {
        for (size_t c = 0; t->dir[part] != NULL && c < dir_len(t->n[part]); c++) {
            for (size_t i = 0; t->dir[part][c] != NULL && i < chunk_len(t->n[part], c); i++) {
                fn(arg, &t->dir[part][c][i]);
            }
        }
    }
}

struct release {
    struct tables *ts;
    tables_item_fn *fn;
    void *arg;
};

static void release_bucket(void *arg, struct bucket *b)
{
    struct release *r = arg;

    chain_each(b, r->fn, r->arg);
    chain_clear(r->ts, b);
}

void tables_release(struct tables *ts, tables_item_fn *fn, void *arg)
{
    struct release r = {ts, fn, arg};

    for (uint32_t s = 0; s < ts->n_refs; s++) {
        if (ts->refs[s] != 0) {
            each_bucket(ts->refs[s], release_bucket, &r);
            drop_table(ts, s);
        }
    }
    assert(ts->bytes == 0);
    free(ts->refs);
    free(ts->sums);
    memset(ts, 0, sizeof *ts);
}

struct item *tables_find(const struct tables *ts, const struct key *k)
{
    uint64_t tag;
    const struct bucket *b = find_bucket(ts->refs[k->slot], k->hash, &tag);

    return b != NULL ? chain_find(b, tag, k) : NULL;
}

void tables_prefetch_bucket(const struct tables *ts, const struct key *k)
{
    uint64_t tag;
    const struct bucket *b = find_bucket(ts->refs[k->slot], k->hash, &tag);

    if (b != NULL) {
        __builtin_prefetch(b);
    }
}

void tables_prefetch_item(const struct tables *ts, const struct key *k)
{
    uint64_t tag;
    const struct bucket *b = find_bucket(ts->refs[k->slot], k->hash, &tag);

    for (unsigned i = 0; b != NULL && i < WORDS; i++) {
        if (b->w[i] >> ADDRESS_BITS == tag) {
            __builtin_prefetch(word_item(b->w[i]));
        }
    }
}

static void count(struct tables *ts, uint32_t slot, int64_t change)
{
    ts->items += (uint64_t)change;
    ref_table(ts->refs[slot])->items += (uint64_t)change;
    if (ts->sums != NULL) {
        ts->sums[slot / TABLES_PER_SUM] += (uint64_t)change;
    }
}

void tables_insert(struct tables *ts, uint32_t slot, uint64_t hash, struct item *it)
{
    table_ref r;

    if (ts->refs[slot] == 0) {
        small_rebuild(ts, slot, 1);
    }
    count(ts, slot, 1);
    advance(ts, slot, 1);

    r = ts->refs[slot];
    if (ref_small(r) != 0) {
        chain_insert(ts,
                     &small_buckets(ref_table(r))[small_index(small_position(hash), ref_small(r))],
                     word_make(it, small_tag(hash)));
    } else {
        struct table *t = ref_table(r);

        chain_insert(ts, large_bucket_make(ts, t, position(hash) < t->frontier, position(hash)),
                     word_make(it, large_tag(hash)));
    }
}

void tables_remove(struct tables *ts, uint32_t slot, uint64_t hash, const struct item *it)
{
    uint64_t tag;
    struct bucket *b = find_bucket(ts->refs[slot], hash, &tag);
    uint64_t *word = chain_word(b, it);

    assert(word != NULL);
    chain_remove(ts, b, word);
    count(ts, slot, -1);
    if (ref_table(ts->refs[slot])->items == 0) {
        drop_table(ts, slot);
    } else {
        stop_expecting(ts->refs[slot]);
        advance(ts, slot, 2);
    }
}

void tables_replace(struct tables *ts, uint32_t slot, uint64_t hash, const struct item *old,
                    struct item *it)
{
    uint64_t tag;
    uint64_t *word = chain_word(find_bucket(ts->refs[slot], hash, &tag), old);

    assert(word != NULL);
    *word = word_make(it, tag);
}

uint64_t tables_count(const struct tables *ts, uint32_t slot)
{
    table_ref r = ts->refs[slot];

    return r != 0 ? ref_table(r)->items : 0;
}

uint32_t tables_next_slot(const struct tables *ts, uint32_t from)
{
    while (from < ts->n_refs && tables_count(ts, from) == 0) {
        if (ts->sums != NULL && from % TABLES_PER_SUM == 0 &&
            ts->sums[from / TABLES_PER_SUM] == 0) {
            from += TABLES_PER_SUM;
        } else {
            from++;
        }
    }
    return from;
}

/* Where bucket @b of @part ends, or the chunk that would have it. */
static uint64_t large_end(const struct table *t, unsigned part, uint32_t b, bool no_chunk)
{
    uint64_t next =
        no_chunk ? b / CHUNK * CHUNK + chunk_len(t->n[part], b / CHUNK) : (uint64_t)b + 1;
    uint64_t end = bucket_start(next, t->n[part], TABLE_POSITION_BITS);

    /* A bucket of the new part may reach over the frontier; what is behind it is in the old one. */
    return part == 1 ? MIN_OF(end, t->frontier) : end;
}

uint64_t tables_scan(const struct tables *ts, uint32_t slot, uint64_t pos, tables_item_fn *fn,
                     void *arg)
{
    table_ref r = ts->refs[slot];
    const struct table *t = ref_table(r);
    unsigned part;
    uint32_t b;
    const struct bucket *chunk;

    if (r == 0 || pos >= TABLE_POSITION_END) {
        return TABLE_POSITION_END;
    }
    if (ref_small(r) != 0) {
        b = small_index(pos >> (TABLE_POSITION_BITS - SMALL_BITS), ref_small(r));
        chain_each(&small_buckets(t)[b], fn, arg);
        return bucket_start(b + 1, ref_small(r), SMALL_BITS) << (TABLE_POSITION_BITS - SMALL_BITS);
    }
    part = pos < t->frontier;
    b = large_index(pos, t->n[part]);
    chunk = t->dir[part][b / CHUNK];
    if (chunk != NULL) {
        chain_each(&chunk[b % CHUNK], fn, arg);
    }
    return large_end(t, part, b, chunk == NULL);
}

/* ---- moving ---------------------------------------------------------------------------------- */

static void chain_relocate(struct bucket *b, struct mover *m, tables_relocate_fn *fn, void *arg)
{
    while (b != NULL) {
        struct bucket *more = bucket_link(b);

        if (fn != NULL) {
            prefetch_items(b);
        }
        for (unsigned i = 0; fn != NULL && i < WORDS; i++) {
            if (word_is_item(b->w[i])) {
                b->w[i] = word_make(fn(arg, word_item(b->w[i])), b->w[i] >> ADDRESS_BITS);
            }
        }
        if (more != NULL) {
            more = mover_move(m, more);
            b->w[WORDS - 1] = (uint64_t)(uintptr_t)more | LINK;
        }
        b = more;
    }
}

/* The header of a large table, and its lists of chunks. */
static struct table *header_relocate(struct tables *ts, struct table *old, struct mover *m)
{
    struct table *t = mover_move(m, old);

    if (t != old) {
        ts->refs[t->slot] = ref_make(t, 0);
        if (is_moving(t)) {
            *(t->prev != NULL ? &t->prev->next : &ts->resizing) = t;
            if (t->next != NULL) {
                t->next->prev = t;
            }
        }
    }
    for (unsigned part = 0; part < 2; part++) {
        if (t->dir[part] != NULL) {
            t->dir[part] = mover_move(m, t->dir[part]);
        }
    }
    return t;
}

static uint64_t small_relocate(struct tables *ts, uint32_t slot, uint64_t pos, struct mover *m,
                               tables_relocate_fn *fn, void *arg)
{
    uint32_t n = ref_small(ts->refs[slot]);
    uint32_t b = small_index(pos >> (TABLE_POSITION_BITS - SMALL_BITS), n);

    if (b == 0) {
        ts->refs[slot] = ref_make(mover_move(m, ref_table(ts->refs[slot])), n);
    }
    chain_relocate(&small_buckets(ref_table(ts->refs[slot]))[b], m, fn, arg);
    return bucket_start(b + 1, n, SMALL_BITS) << (TABLE_POSITION_BITS - SMALL_BITS);
}

uint64_t tables_relocate(struct tables *ts, uint32_t slot, uint64_t pos, struct mover *m,
                         tables_relocate_fn *fn, void *arg)
{
    struct table *t = ref_table(ts->refs[slot]);
    struct bucket **chunk;
    unsigned part;
    uint32_t b;

    if (t == NULL || pos >= TABLE_POSITION_END) {
        return TABLE_POSITION_END;
    }
    if (ref_small(ts->refs[slot]) != 0) {
        return small_relocate(ts, slot, pos, m, fn, arg);
    }
    if (pos == 0) {
        t = header_relocate(ts, t, m);
    }
    part = pos < t->frontier;
    b = large_index(pos, t->n[part]);
    chunk = &t->dir[part][b / CHUNK];
    if (*chunk != NULL) {
        if (b % CHUNK == 0) {
            *chunk = mover_move(m, *chunk);
        }
        chain_relocate(&(*chunk)[b % CHUNK], m, fn, arg);
    }
    return large_end(t, part, b, *chunk == NULL);
}

/* ---- each ------------------------------------------------------------------------------------ */

struct each {
    keyspace_each_fn *fn;
    void *arg;
    bool stopped;
};

static void each_item(void *arg, struct item *it)
{
    struct each *e = arg;

    if (!e->stopped) {
        e->stopped = !e->fn(e->arg, it);
    }
}

bool tables_each(const struct tables *ts, keyspace_each_fn *fn, void *arg)
{
    struct each e = {fn, arg, false};

    for (uint32_t s = tables_next_slot(ts, 0); s < ts->n_refs; s = tables_next_slot(ts, s + 1)) {
        for (uint64_t pos = 0; pos < TABLE_POSITION_END && !e.stopped;) {
            pos = tables_scan(ts, s, pos, each_item, &e);
        }
    }
    return !e.stopped;
}

/* ---- a random item --------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)((unsigned __int128)next_random(state) * n >> 64);
}

/* A slot, by the number of its items. */
static uint32_t random_slot(const struct tables *ts, uint64_t *state)
{
    uint64_t nth = random_below(state, ts->items);
    uint32_t s = 0;

    while (ts->sums != NULL && nth >= ts->sums[s / TABLES_PER_SUM]) {
        nth -= ts->sums[s / TABLES_PER_SUM];
        s += TABLES_PER_SUM;
    }
    while (nth >= tables_count(ts, s)) {
        nth -= tables_count(ts, s);
        s++;
    }
    return s;
}

struct pick {
    uint64_t skip;
    struct item *it;
};

static void pick_nth(void *arg, struct item *it)
{
    struct pick *p = arg;

    if (p->skip > 0) {
        p->skip--;
    } else if (p->it == NULL) {
        p->it = it;
    }
}

/* A position at random, then a place in its bucket; if nobody is there, again. Buckets of a part
 * with fewer (so wider) ones are hit more often in proportion, hence have more places to miss. */
static struct item *try_random(const struct tables *ts, uint32_t slot, uint64_t *state)
{
    const struct table *t = ref_table(ts->refs[slot]);
    uint64_t pos = next_random(state) >> (64 - TABLE_POSITION_BITS);
    uint64_t n = ref_small(ts->refs[slot]);
    uint64_t n_most = n, n_least = n;
    struct pick p;

    if (n == 0) {
        n = t->n[pos < t->frontier];
        n_most = MAX_OF(t->n[0], t->n[1]);
        n_least = is_moving(t) ? MIN_OF(t->n[0], t->n[1]) : n;
    }
    p.skip = random_below(state, (16 + 2 * (t->items / n_least)) * n_most / n);
    p.it = NULL;
    tables_scan(ts, slot, pos, pick_nth, &p);
    return p.it;
}

struct item *tables_random(const struct tables *ts, uint64_t random)
{
    uint64_t state = random;
    uint32_t slot;
    struct pick p = {0, NULL};

    if (ts->items == 0) {
        return NULL;
    }
    slot = random_slot(ts, &state);
    for (unsigned tries = 0; tries < 256; tries++) {
        p.it = try_random(ts, slot, &state);
        if (p.it != NULL) {
            return p.it;
        }
    }
    /* Nearly empty: whatever comes next after some position. */
    for (uint64_t pos = next_random(&state) >> (64 - TABLE_POSITION_BITS); p.it == NULL;) {
        p.skip = 0;
        pos = tables_scan(ts, slot, pos, pick_nth, &p);
        pos = pos == TABLE_POSITION_END ? 0 : pos;
    }
    return p.it;
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void stats_bucket(void *arg, struct bucket *b)
{
    struct tables_stats *out = arg;
    unsigned items = 0;

    out->buckets++;
    for (const struct bucket *node = b; node != NULL; node = bucket_link(node)) {
        out->linked += node != b;
        for (unsigned i = 0; i < WORDS; i++) {
            items += word_is_item(node->w[i]);
        }
    }
    out->fill[MIN_OF(items, (unsigned)ARRAY_LEN(out->fill) - 1)]++;
}

void tables_stats(const struct tables *ts, struct tables_stats *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t s = 0; s < ts->n_refs; s++) {
        table_ref r = ts->refs[s];

        out->small += ref_small(r) != 0;
        out->large += r != 0 && ref_small(r) == 0;
        out->resizing += r != 0 && ref_small(r) == 0 && is_moving(ref_table(r));
        each_bucket(r, stats_bucket, out);
    }
}
