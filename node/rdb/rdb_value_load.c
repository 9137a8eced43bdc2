/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_value_load.c - see node/rdb/rdb_value.h. */
#include "base/mem.h"
#include "base/num.h"
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_old.h"
#include "node/rdb/rdb_value.h"
#include "node/types/hash.h"
#include "node/types/intset.h"
#include "node/types/list.h"
#include "node/types/listpack.h"
#include "node/types/set.h"
#include "node/types/zset.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

static bool twice(struct rdb_value *v)
{
    return rdb_fail(v->in, RDB_ERR_FORMAT,
                    "an element stands in its value twice, or there is none,");
}

/* ---- values that are one block --------------------------------------------------------------- */

static struct listpack *from_listpack(const void *bytes, size_t n)
{
    return listpack_validate(bytes, n) ? listpack_canonical(listpack_from(bytes, n)) : NULL;
}

static bool is_ziplist(unsigned type)
{
    return type == RDB_TYPE_LIST_ZIPLIST || type == RDB_TYPE_LIST_QUICKLIST ||
           type == RDB_TYPE_ZSET_ZIPLIST || type == RDB_TYPE_HASH_ZIPLIST;
}

static const char *block_name(unsigned type)
{
    if (type == RDB_TYPE_HASH_ZIPMAP) {
        return "zipmap";
    }
    return is_ziplist(type) ? "ziplist" : "listpack";
}

/* What stands in the file for a listpack of today. */
static struct listpack *from_block(unsigned type, const void *bytes, size_t n)
{
    if (type == RDB_TYPE_HASH_ZIPMAP) {
        return rdb_from_zipmap(bytes, n);
    }
    return is_ziplist(type) ? rdb_from_ziplist(bytes, n) : from_listpack(bytes, n);
}

/* A block, checked and copied; NULL: failed. */
static struct listpack *get_listpack(struct rdb_value *v)
{
    struct listpack *lp;

    if (!rdb_get_string(v->in, &v->a)) {
        return NULL;
    }
    lp = v->a.n <= LISTPACK_BYTES_SAFE ? from_block(v->type, v->a.p, v->a.n) : NULL;
    if (lp == NULL) {
        (void)rdb_fail(v->in, RDB_ERR_FORMAT, "a %s is malformed,", block_name(v->type));
    }
    return lp;
}

typedef bool take_listpack_fn(struct listpack *lp, const struct types_limits *limits,
                              const struct siphash_key *hash_key, void **out);

static bool load_listpack(struct rdb_value *v, take_listpack_fn *take)
{
    struct listpack *lp = get_listpack(v);
    void *value;

    if (lp == NULL) {
        return false;
    }
    if (!take(lp, v->limits, v->hash_key, &value)) {
        free(lp);
        return twice(v);
    }
    v->it = item_detached(value);
    return true;
}

static bool load_intset(struct rdb_value *v)
{
    if (!rdb_get_string(v->in, &v->a)) {
        return false;
    }
    if (!intset_validate(v->a.p, v->a.n)) {
        return rdb_fail(v->in, RDB_ERR_FORMAT, "an intset is malformed,");
    }

    struct intset *s = intset_from(v->a.p, v->a.n);

    if (intset_count(s) == 0) {
        free(s);
        return twice(v);
    }
    v->it = item_detached(set_take_intset(s, v->limits, v->hash_key));
    return true;
}

/* ---- element by element ---------------------------------------------------------------------- */

/* The number of elements, of which each takes @least bytes or more. */
static bool get_count(struct rdb_value *v, unsigned least)
{
    if (!rdb_get_len(v->in, &v->left)) {
        return false;
    }
    if (v->left == 0) {
        return twice(v);
    }
    if (v->left > rdb_reader_left(v->in) / least) {
        return rdb_fail(v->in, RDB_ERR_FORMAT,
                        "%llu elements are announced where the file has less",
                        (unsigned long long)v->left);
    }
    return true;
}

static bool begin_set(struct rdb_value *v)
{
    if (!get_count(v, 1)) {
        return false;
    }
    v->it = item_detached(set_new());
    if ((int64_t)v->left >
        MAX_OF(v->limits->set_max_listpack_entries, v->limits->set_max_intset_entries)) {
        /* As far as it can be true: so many different members are longer than a byte or two. */
        set_expect(v->it, MIN_OF(v->left, rdb_reader_left(v->in) / 4 + 1), v->hash_key);
    }
    return true;
}

static bool step_set(struct rdb_value *v)
{
    if (!rdb_get_string(v->in, &v->a)) {
        return false;
    }
    return set_add(v->it, v->a.p, v->a.n, v->limits, v->hash_key) ? true : twice(v);
}

static bool begin_hash(struct rdb_value *v)
{
    if (!get_count(v, 2)) {
        return false;
    }
    v->it = item_detached(hash_new());
    return true;
}

static bool step_hash(struct rdb_value *v)
{
    struct arg field, value;

    if (!rdb_get_string(v->in, &v->a) || !rdb_get_string(v->in, &v->b)) {
        return false;
    }
    field = (struct arg){v->a.p, v->a.n};
    value = (struct arg){v->b.p, v->b.n};
    return hash_set(v->it, &field, &value, v->limits, v->hash_key) ? true : twice(v);
}

/* ---- hashes with times ----------------------------------------------------------------------- */

/* No time that Redis writes is farther away. */
#define FIELD_TIME_MAX ((UINT64_C(1) << 48) - 2)

static bool bad_time(struct rdb_value *v)
{
    return rdb_fail(v->in, RDB_ERR_FORMAT, "a field's time is out of range,");
}

/* The earliest time, which the early forms do not have. */
static bool get_first_time(struct rdb_value *v)
{
    uint64_t wire;

    v->first_time = 0;
    if (v->type == RDB_TYPE_HASH_TIMES_EARLY || v->type == RDB_TYPE_HASH_LISTPACK_TIMES_EARLY) {
        return true;
    }
    if (!rdb_get(v->in, &wire, sizeof wire)) {
        return false;
    }
    v->first_time = le64toh(wire);
    return true;
}

/* A field that is new; @time 0: it has none. */
static bool add_timed_field(struct rdb_value *v, const struct arg *field, const struct arg *value,
                            uint64_t time)
{
    if (time > FIELD_TIME_MAX) {
        return bad_time(v);
    }
    if (!hash_set(v->it, field, value, v->limits, v->hash_key)) {
        return twice(v);
    }
    if (time > 0) {
        hash_set_time(v->it, field->p, field->n, (int64_t)time, v->hash_key);
    }
    return true;
}

static bool begin_timed_hash(struct rdb_value *v)
{
    if (!get_first_time(v) || !get_count(v, 3)) {
        return false;
    }
    v->it = item_detached(hash_new());
    return true;
}

static bool step_timed_hash(struct rdb_value *v)
{
    struct arg field, value;
    uint64_t time;

    if (!rdb_get_len(v->in, &time) || !rdb_get_string(v->in, &v->a) ||
        !rdb_get_string(v->in, &v->b)) {
        return false;
    }
    if (v->type == RDB_TYPE_HASH_TIMES && time > 0) {
        if (v->first_time > FIELD_TIME_MAX || time > FIELD_TIME_MAX) {
            return bad_time(v);
        }
        time += v->first_time - 1;
    }
    field = (struct arg){v->a.p, v->a.n};
    value = (struct arg){v->b.p, v->b.n};
    return add_timed_field(v, &field, &value, time);
}

/* Field, value, time ... of a listpack. */
static bool add_timed_fields(struct rdb_value *v, const struct listpack *lp)
{
    char scratch[2][24];

    for (listpack_pos p = listpack_first(lp); p != NULL;) {
        struct arg field = listpack_text(p, scratch[0]), value;
        int64_t time;

        p = listpack_next(lp, p);
        value = listpack_text(p, scratch[1]);
        p = listpack_next(lp, p);
        if (!listpack_i64(p, &time) || time < 0) {
            return bad_time(v);
        }
        if (!add_timed_field(v, &field, &value, (uint64_t)time)) {
            return false;
        }
        p = listpack_next(lp, p);
    }
    return true;
}

static bool load_timed_listpack(struct rdb_value *v)
{
    struct listpack *lp = get_first_time(v) ? get_listpack(v) : NULL;
    bool ok;

    if (lp == NULL) {
        return false;
    }
    v->it = item_detached(hash_new());
    ok = listpack_count(lp) > 0 && listpack_count(lp) % 3 == 0 ? add_timed_fields(v, lp) : twice(v);
    free(lp);
    return ok;
}

static bool begin_zset(struct rdb_value *v)
{
    if (!get_count(v, 2)) {
        return false;
    }
    v->it = item_detached(zset_new());
    return true;
}

/* A score as text: a length, or a code for what has no digits. */
static bool get_text_score(struct rdb_value *v, double *out)
{
    char text[256];
    unsigned n;

    if (!rdb_get_byte(v->in, &n)) {
        return false;
    }
    switch (n) {
    case 253:
        *out = NAN;
        return true;
    case 254:
        *out = INFINITY;
        return true;
    case 255:
        *out = -INFINITY;
        return true;
    default:
        break;
    }
    if (!rdb_get(v->in, text, n)) {
        return false;
    }
    return num_parse_double(text, n, out)
               ? true
               : rdb_fail(v->in, RDB_ERR_FORMAT, "a score is no number,");
}

static bool get_score(struct rdb_value *v, double *out)
{
    uint64_t wire = 0;

    if (v->type == RDB_TYPE_ZSET) {
        return get_text_score(v, out);
    }
    if (!rdb_get(v->in, &wire, sizeof wire)) {
        return false;
    }
    wire = le64toh(wire);
    memcpy(out, &wire, sizeof *out);
    return true;
}

static bool step_zset(struct rdb_value *v)
{
    double score;

    if (!rdb_get_string(v->in, &v->a) || !get_score(v, &score)) {
        return false;
    }
    if (isnan(score)) {
        return rdb_fail(v->in, RDB_ERR_FORMAT, "a score is no number,");
    }
    return zset_set(v->it, v->a.p, v->a.n, score + 0.0, v->limits, v->hash_key) == ZSET_ADDED
               ? true
               : twice(v);
}

static bool begin_list(struct rdb_value *v)
{
    if (!get_count(v, 1)) {
        return false;
    }
    v->it = item_detached(list_new());
    return true;
}

static bool get_element(struct rdb_value *v)
{
    if (!rdb_get_string(v->in, &v->a)) {
        return false;
    }
    if (v->a.n > LISTPACK_STRING_MAX) {
        return rdb_fail(v->in, RDB_ERR_FORMAT, "an element of a list is too long,");
    }
    list_push(v->it, false, v->a.p, v->a.n, v->limits);
    return true;
}

/* Redis has written empty nodes in its time: they are passed over, as long as the list has others.
 */
static bool get_node(struct rdb_value *v)
{
    struct listpack *lp = get_listpack(v);

    if (lp == NULL) {
        return false;
    }
    if (listpack_count(lp) > 0) {
        list_append_chunk(v->it, lp, v->limits);
        return true;
    }
    free(lp);
    return v->left > 1 || list_len(v->it) > 0 ? true : twice(v);
}

/* One element, or one node. */
static bool step_list(struct rdb_value *v)
{
    uint64_t kind;

    if (v->type == RDB_TYPE_LIST) {
        return get_element(v);
    }
    if (v->type == RDB_TYPE_LIST_QUICKLIST) {
        return get_node(v);
    }
    if (!rdb_get_len(v->in, &kind)) {
        return false;
    }
    if (kind == RDB_LIST_PLAIN) {
        if (!get_element(v)) {
            return false;
        }
        return v->a.n > 0 ? true : rdb_fail(v->in, RDB_ERR_FORMAT, "a list's node is empty");
    }
    if (kind != RDB_LIST_PACKED) {
        return rdb_fail(v->in, RDB_ERR_FORMAT, "unknown kind of a list's node (%llu)",
                        (unsigned long long)kind);
    }
    return get_node(v);
}

/* A list that is one block. */
static bool load_list_block(struct rdb_value *v)
{
    v->it = item_detached(list_new());
    return get_node(v);
}

bool rdb_value_is_known(unsigned type)
{
    switch (type) {
    case RDB_TYPE_STRING:
    case RDB_TYPE_SET:
    case RDB_TYPE_HASH:
    case RDB_TYPE_LIST:
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_LIST_QUICKLIST_2:
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_ZSET_LISTPACK:
    case RDB_TYPE_SET_INTSET:
    case RDB_TYPE_SET_LISTPACK:
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
    case RDB_TYPE_HASH_TIMES_EARLY:
    case RDB_TYPE_HASH_LISTPACK_TIMES_EARLY:
    case RDB_TYPE_HASH_TIMES:
    case RDB_TYPE_HASH_LISTPACK_TIMES:
    case RDB_TYPE_STREAM:
    case RDB_TYPE_STREAM_2:
    case RDB_TYPE_STREAM_3:
        return true;
    default:
        return false;
    }
}

/* ---- any type -------------------------------------------------------------------------------- */

bool rdb_value_begin(struct rdb_value *v, unsigned type)
{
    assert(v->it == NULL);
    v->type = type;
    v->left = 0;
    switch (type) {
    case RDB_TYPE_SET:
        return begin_set(v);
    case RDB_TYPE_HASH:
        return begin_hash(v);
    case RDB_TYPE_LIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_LIST_QUICKLIST_2:
        return begin_list(v);
    case RDB_TYPE_LIST_ZIPLIST:
        return load_list_block(v);
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
        return begin_zset(v);
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_ZSET_LISTPACK:
        return load_listpack(v, zset_take_listpack);
    case RDB_TYPE_SET_INTSET:
        return load_intset(v);
    case RDB_TYPE_SET_LISTPACK:
        return load_listpack(v, set_take_listpack);
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
        return load_listpack(v, hash_take_listpack);
    case RDB_TYPE_HASH_TIMES_EARLY:
    case RDB_TYPE_HASH_TIMES:
        return begin_timed_hash(v);
    case RDB_TYPE_HASH_LISTPACK_TIMES_EARLY:
    case RDB_TYPE_HASH_LISTPACK_TIMES:
        return load_timed_listpack(v);
    case RDB_TYPE_STREAM:
    case RDB_TYPE_STREAM_2:
    case RDB_TYPE_STREAM_3:
        return rdb_stream_begin(v);
    default:
        assert(!"a type that is not known");
        return false;
    }
}

static bool step_one(struct rdb_value *v)
{
    switch (v->type) {
    case RDB_TYPE_LIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_LIST_QUICKLIST_2:
        return step_list(v);
    case RDB_TYPE_SET:
        return step_set(v);
    case RDB_TYPE_HASH:
        return step_hash(v);
    case RDB_TYPE_HASH_TIMES_EARLY:
    case RDB_TYPE_HASH_TIMES:
        return step_timed_hash(v);
    case RDB_TYPE_STREAM:
    case RDB_TYPE_STREAM_2:
    case RDB_TYPE_STREAM_3:
        return rdb_stream_step(v);
    default:
        return step_zset(v);
    }
}

bool rdb_value_step(struct rdb_value *v, uint64_t n)
{
    bool ok = true;

    for (; ok && v->left > 0 && n > 0; n--) {
        ok = step_one(v);
        v->left--;
    }
    return ok;
}

void *rdb_value_take(struct rdb_value *v)
{
    struct item *it = v->it;

    assert(v->left == 0);
    v->it = NULL;
    return item_detached_take(it);
}

void rdb_value_release(struct rdb_value *v)
{
    if (v->it != NULL) {
        item_free(v->it);
        v->it = NULL;
    }
    rdb_text_release(&v->a);
    rdb_text_release(&v->b);
}
