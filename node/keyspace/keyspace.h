/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/keyspace.h - the data of one group: keys, values, expiry times.
 *
 * Knows nothing of clients, logs or gates: node/access.h is how commands reach it. Owned by the
 * exec thread (and by the forked child that writes a snapshot, which only reads).
 *
 * One item is one allocation: header, key, and a small string value behind it; so a pointer to
 * an item lasts until the next change of that key. Values of other types hang from their item:
 * node/keyspace/value.h. In cluster mode a keyspace has one hash table
 * per slot (by_slot), so that counting, listing, deleting and moving a slot cost only its own
 * keys, and no table is ever large; else one table per database. Tables grow and shrink in
 * steps. Expiry times stand in a heap, so that what is due is found without sampling. */
#ifndef NODE_KEYSPACE_KEYSPACE_H
#define NODE_KEYSPACE_KEYSPACE_H

#include "base/buf.h"
#include "base/siphash.h"
#include "node/keyspace/mover.h"
#include "proto/resp.h" /* struct arg */

#define KEYSPACE_NO_EXPIRE (-1)
#define KEYSPACE_KEEP_EXPIRE (-2)

enum item_type {
    ITEM_STRING = 0,
    ITEM_LIST,
    ITEM_SET,
    ITEM_ZSET,
    ITEM_HASH,
    ITEM_STREAM,
    ITEM_TYPES,
};
const char *item_type_name(enum item_type t); /* "string", ... as TYPE replies */

/* A key with what is computed from it once per command. Borrows the bytes. */
struct key {
    const char *p;
    size_t n;
    uint64_t hash; /* keyed SipHash: tables and gates */
    uint16_t slot; /* 0 when the keyspace is not by slot */
};

struct keyspace;
struct item;

struct keyspace_config {
    uint32_t databases;
    bool by_slot; /* then databases is 1 */
    struct siphash_key hash_key;
};
struct keyspace *keyspace_new(const struct keyspace_config *config); /* never NULL */
/* Frees everything at once, however long that takes: on the bg thread, or at exit. */
void keyspace_free(struct keyspace *ks);

/* The key of its hashes: tables of elements use it as well. */
const struct siphash_key *keyspace_hash_key(const struct keyspace *ks);

struct key keyspace_key(const struct keyspace *ks, const char *p, size_t n);
/* The same when the slot is known already. */
struct key keyspace_key_in_slot(const struct keyspace *ks, const char *p, size_t n, uint16_t slot);

/* ---- items ----------------------------------------------------------------------------------- */

struct item *keyspace_find(struct keyspace *ks, uint32_t db, const struct key *k);

/* Fetch what keyspace_find() will read into the CPU's cache, so that the waits of several
 * commands overlap: for all keys the bucket, then for all the item, then look up. Changes nothing.
 */
void keyspace_prefetch_bucket(const struct keyspace *ks, uint32_t db, const struct key *k);
void keyspace_prefetch_item(const struct keyspace *ks, uint32_t db, const struct key *k);

enum item_type item_type(const struct item *it);
struct arg item_key(const struct item *it);
/* Absolute wall time in ms, or KEYSPACE_NO_EXPIRE. */
int64_t keyspace_expire_at(const struct keyspace *ks, const struct item *it);
/* Name as OBJECT ENCODING gives it: "int", "embstr", "raw", ... */
const char *item_encoding_name(const struct item *it);

/* Of strings only, as are those that follow: the bytes of the value. @scratch: 24 bytes, used when
 * it is kept as an integer. */
struct arg item_string(const struct item *it, char *scratch);
size_t item_string_len(const struct item *it);
/* True and the value when the string is kept as an integer or reads as one (strictly). */
bool item_string_i64(const struct item *it, int64_t *out);

/* Set @k to a string (copied), creating or replacing whatever is there; @expire_at: absolute ms,
 * NO_EXPIRE or KEEP_EXPIRE. Returns the item. Integers are recognised and kept compactly. */
struct item *keyspace_set_string(struct keyspace *ks, uint32_t db, const struct key *k,
                                 const char *p, size_t n, int64_t expire_at);
struct item *keyspace_set_i64(struct keyspace *ks, uint32_t db, const struct key *k, int64_t v,
                              int64_t expire_at);
/* The same when the caller has looked @k up already: @it is what keyspace_find() returned (NULL:
 * not there). Saves the second look-up; an item of equal size is rewritten in place. */
struct item *keyspace_put_string(struct keyspace *ks, uint32_t db, const struct key *k,
                                 struct item *it, const char *p, size_t n, int64_t expire_at);
struct item *keyspace_put_i64(struct keyspace *ks, uint32_t db, const struct key *k,
                              struct item *it, int64_t v, int64_t expire_at);
/* Set @k to a value of another type than string (node/keyspace/value.h), which the keyspace takes
 * over; @it and @expire_at as above. Returns the item. */
struct item *keyspace_put_value(struct keyspace *ks, uint32_t db, const struct key *k,
                                struct item *it, void *value, int64_t expire_at);
/* Make the string at *@it writable with @len bytes (new ones zero; may shrink or grow, amortised),
 * updating *@it; returns its bytes. NULL when memory is out: then nothing has changed. */
char *keyspace_string_edit(struct keyspace *ks, uint32_t db, struct item **it, size_t len);

/* Remove; the value is freed here, or handed to @later when big (see keyspace_set_lazy()). */
void keyspace_delete(struct keyspace *ks, uint32_t db, struct item *it);
/* Move an item to another key and/or database, keeping value and expiry; the target must not
 * exist. Returns the item at its new place. */
struct item *keyspace_move(struct keyspace *ks, uint32_t db, struct item *it, uint32_t to_db,
                           const struct key *to);
/* Copy likewise (deep). */
struct item *keyspace_copy(struct keyspace *ks, const struct item *it, uint32_t to_db,
                           const struct key *to);

void keyspace_set_expire(struct keyspace *ks, uint32_t db, struct item *it, int64_t expire_at);

/* Bytes an item takes, by allocation sizes: MEMORY USAGE. @samples: nested elements looked at. */
size_t keyspace_item_bytes(const struct keyspace *ks, const struct item *it, size_t samples);

/* Access clock for OBJECT IDLETIME / FREQ and eviction: 24 bits (access_clock.h). New items have 0
 * until it is set; it is no data, and part of no digest. */
uint32_t item_access(const struct item *it);
void item_set_access(struct item *it, uint32_t access24);

/* ---- lazy freeing -----------------------------------------------------------------------------
 */

/* Big values go to @fn (in the exec thread), which frees them elsewhere with keyspace_free_value().
 */
typedef void keyspace_lazy_fn(void *arg, void *value);
void keyspace_set_lazy(struct keyspace *ks, keyspace_lazy_fn *fn, void *arg);
void keyspace_free_value(void *value); /* any thread */
/* Free a value that is in no item: here, or by @fn when it is big. */
void keyspace_drop_value(struct keyspace *ks, void *value);
/* Bytes it takes, as keyspace_item_bytes() counts. */
size_t keyspace_value_bytes(const void *value, size_t samples);

/* ---- whole databases ---------------------------------------------------------------------------
 */

uint64_t keyspace_size(const struct keyspace *ks, uint32_t db);
uint64_t keyspace_expires(const struct keyspace *ks, uint32_t db);
/* Keys whose values have something due within them (fields of hashes). A value that has nothing
 * any more may be counted until its time has come: see keyspace_set_due(). */
uint64_t keyspace_due_values(const struct keyspace *ks, uint32_t db);
/* Mean of the remaining times to live in ms, by sample; 0 without any. */
int64_t keyspace_avg_ttl(const struct keyspace *ks, uint32_t db, int64_t now_ms);
uint32_t keyspace_databases(const struct keyspace *ks);
/* Detach everything in @db: an empty database stays; what was there is returned for
 * keyspace_free() elsewhere (its own keyspace; NULL when it was empty). O(1) or O(slots). */
struct keyspace *keyspace_detach_db(struct keyspace *ks, uint32_t db);
void keyspace_swap_dbs(struct keyspace *ks, uint32_t a, uint32_t b);
struct item *keyspace_random(struct keyspace *ks, uint32_t db, uint64_t random); /* NULL: empty */
/* One of those that have a time to live, each equally likely; NULL: none. */
struct item *keyspace_random_expiring(struct keyspace *ks, uint32_t db, uint64_t random);

/* One step of SCAN: calls @fn for a bounded number of items (about @count), returns the next
 * cursor, 0 at the end. Guarantees as Redis's: what is there from start to end is seen at least
 * once, through growth, shrinking and deletion of anything by @fn's caller afterwards. @slot >= 0
 * limits it to one slot. @fn must not change the keyspace. */
typedef void keyspace_scan_fn(void *arg, struct item *it);
uint64_t keyspace_scan(struct keyspace *ks, uint32_t db, int slot, uint64_t cursor, size_t count,
                       keyspace_scan_fn *fn, void *arg);
/* By slot: a cursor at the start of a slot (0 for slot 0), and the slot that one stands in. */
uint64_t keyspace_cursor(unsigned slot);
unsigned keyspace_cursor_slot(uint64_t cursor);
/* Every item of a database in table order, for snapshots and digests; stops when @fn says false. */
typedef bool keyspace_each_fn(void *arg, struct item *it);
void keyspace_each(const struct keyspace *ks, uint32_t db, keyspace_each_fn *fn, void *arg);

/* ---- slots (by_slot only) -----------------------------------------------------------------------
 */

uint64_t keyspace_slot_size(const struct keyspace *ks, uint16_t slot);

/* ---- expiry
 * -------------------------------------------------------------------------------------- */

/* The item due first, when its time is <= @now_ms; NULL: nothing is due. Sets *@db. */
struct item *keyspace_due(struct keyspace *ks, int64_t now_ms, uint32_t *db);
/* The same of what is due within values (fields of hashes): the item that has the value. */
struct item *keyspace_due_value(struct keyspace *ks, int64_t now_ms, uint32_t *db);
/* The time within a value has changed. That it is later now, or gone, need not be told at once:
 * then keyspace_due_value() gives the item too early, and is to be told so. */
void keyspace_set_due(struct keyspace *ks, uint32_t db, struct item *it);
int64_t keyspace_next_expire(const struct keyspace *ks); /* NO_EXPIRE: none */

/* ---- upkeep
 * ---------------------------------------------------------------------------------------- */

/* Move at most @steps buckets of tables that are being resized; true while work is left. */
bool keyspace_upkeep(struct keyspace *ks, size_t steps);
/* While a forked child reads, tables are not resized (copy-on-write), unless badly overfull. */
void keyspace_set_forked(struct keyspace *ks, bool forked);
/* Ready the table for @n keys to come (snapshot load). */
void keyspace_expect(struct keyspace *ks, uint32_t db, uint64_t n);

/* ---- moving (node/keyspace/mover.h) -------------------------------------------------------------
 */

/* How far a walk over all that is allocated for a keyspace has come. Zero begins; to be released.
 * It holds positions and names, so that between two steps anything may happen to the keyspace, and
 * it may even be another. */
struct keyspace_walk {
    uint32_t db;
    uint64_t cursor;  /* as keyspace_scan()'s */
    struct buf later; /* names of keys before the cursor whose values are big */
    bool in_value;    /* the first of them is under way */
    struct value_cursor value;
    bool value_moved;
    uint64_t key_hits, key_misses; /* keys of which something was moved, and others: so far */
};
void keyspace_walk_release(struct keyspace_walk *w); /* and ready to begin */
/* Show @m about @n more allocations. Values of up to @fields elements are walked at once, others in
 * steps. True while there is more. What is freed or waits elsewhere is not part of it, nor are
 * large arrays (of which the allocator makes no slabs, so that they have nothing to fill up). */
bool keyspace_relocate(struct keyspace *ks, struct keyspace_walk *w, struct mover *m, size_t n,
                       size_t fields);

/* Order-independent digest of a database / of one item (db, key, type, value, expiry): equal
 * states have equal digests on every node. 20 bytes (SHA-1), as DEBUG DIGEST shows. */
void keyspace_digest(const struct keyspace *ks, unsigned char out[20]);
void keyspace_digest_value(const struct keyspace *ks, const struct item *it, unsigned char out[20]);
/* They hold the same, whatever their keys, encodings and times to live. */
bool keyspace_same_value(const struct item *a, const struct item *b);

/* For DEBUG HTSTATS and MEMORY: table sizes of a database as text. */
void keyspace_describe(const struct keyspace *ks, uint32_t db, struct buf *out);
/* Likewise of the hash table in a value. False: it has none. */
bool keyspace_describe_value(const struct item *it, struct buf *out);
/* Of a string that is not kept as an integer; false: it is another value. */
struct item_string_sizes {
    size_t item_bytes; /* allocated for the item, with its key and a short value */
    size_t len, spare; /* of the value, and room behind it */
    size_t bytes;      /* allocated for a long value; 0: it is in the item */
};
bool item_string_sizes(const struct item *it, struct item_string_sizes *out);
size_t keyspace_table_bytes(const struct keyspace *ks, uint32_t db); /* tables, heap: overhead */

#endif
