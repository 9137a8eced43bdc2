/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/list.c - the commands of one list, but for those that take from an end (list_pop.c).
 * Source: the Redis command pages. */
#include "node/types/list.h"

#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/list.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

bool list_read(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_LIST);
}

bool list_write(struct cmd *c, const struct arg *name, struct key *k, struct item **it)
{
    *it = access_write(c, name, k);
    return access_type_ok(c, *it, ITEM_LIST);
}

void list_delete_if_empty(struct cmd *c, const struct key *k, struct item *it)
{
    if (list_len(it) == 0) {
        access_delete(c, k, it);
        notify(c, NOTIFY_GENERIC, "del", k);
    }
}

/* Elements must fit into a chunk of their own; false: replied. */
static bool elements_fit(struct cmd *c, int first)
{
    for (int i = first; i < c->argc; i++) {
        if (c->argv[i].n > LISTPACK_STRING_MAX) {
            resp_error(c->reply, "ERR an element of a list has at most 1 GiB");
            return false;
        }
    }
    return true;
}

/* An index as Redis counts: from the end when negative; false: there is no such element. */
static bool resolve(int64_t index, size_t len, size_t *out)
{
    if (index < 0) {
        index += (int64_t)len;
    }
    *out = (size_t)index;
    return index >= 0 && (size_t)index < len;
}

/* ---- pushing ------------------------------------------------------------------------------- */

static void push(struct cmd *c, bool front, bool only_if_there)
{
    struct item *it;
    struct key k;

    if (!elements_fit(c, 2) || !list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    if (it == NULL && only_if_there) {
        resp_int(c->reply, 0);
        return;
    }
    if (it == NULL) {
        it = access_set_value(c, &k, NULL, list_new(), KEYSPACE_NO_EXPIRE);
    }
    for (int i = 2; i < c->argc; i++) {
        list_push(it, front, c->argv[i].p, c->argv[i].n, cmd_types_limits(c));
    }
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_LIST, front ? "lpush" : "rpush", &k);
    resp_int(c->reply, (int64_t)list_len(it));
}

void cmd_lpush(struct cmd *c) { push(c, true, false); }
void cmd_rpush(struct cmd *c) { push(c, false, false); }
void cmd_lpushx(struct cmd *c) { push(c, true, true); }
void cmd_rpushx(struct cmd *c) { push(c, false, true); }

/* ---- reading ------------------------------------------------------------------------------- */

void cmd_llen(struct cmd *c)
{
    struct item *it;

    if (list_read(c, &it)) {
        resp_int(c->reply, it == NULL ? 0 : (int64_t)list_len(it));
    }
}

void list_reply_element(struct cmd *c, listpack_pos p)
{
    char scratch[24];
    struct arg text = listpack_text(p, scratch);

    resp_bulk(c->reply, text.p, text.n);
}

void cmd_lindex(struct cmd *c)
{
    struct list_iter i;
    struct item *it;
    int64_t index;
    size_t at;

    if (!list_read(c, &it)) {
        return;
    }
    if (it == NULL) {
        resp_null(c->reply);
        return;
    }
    if (!cmd_arg_i64(c, 2, &index, NULL)) {
        return;
    }
    if (!resolve(index, list_len(it), &at)) {
        resp_null(c->reply);
        return;
    }
    list_iter_at(&i, it, at, false);
    list_reply_element(c, list_iter_next(&i));
}

/* First and number of the elements from @start to @stop. */
static size_t span(int64_t start, int64_t stop, int64_t len, size_t *first)
{
    if (start < 0) {
        start = MAX_OF(start + len, (int64_t)0);
    }
    stop = stop < 0 ? stop + len : MIN_OF(stop, len - 1);
    *first = (size_t)start;
    return start > stop || start >= len ? 0 : (size_t)(stop - start + 1);
}

void cmd_lrange(struct cmd *c)
{
    struct list_iter i;
    int64_t start, stop;
    struct item *it;
    size_t first, n;

    if (!cmd_arg_i64(c, 2, &start, NULL) || !cmd_arg_i64(c, 3, &stop, NULL) || !list_read(c, &it)) {
        return;
    }
    n = it == NULL ? 0 : span(start, stop, (int64_t)list_len(it), &first);
    resp_array(c->reply, n);
    if (n == 0) {
        return;
    }
    list_iter_at(&i, it, first, false);
    while (n-- > 0) {
        list_reply_element(c, list_iter_next(&i));
    }
}

/* ---- changing in place --------------------------------------------------------------------- */

void cmd_lset(struct cmd *c)
{
    struct item *it;
    int64_t index;
    struct key k;
    size_t at;

    if (!elements_fit(c, 3) || !list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    if (it == NULL) {
        resp_error(c->reply, "ERR no such key");
        return;
    }
    if (!cmd_arg_i64(c, 2, &index, NULL)) {
        return;
    }
    if (!resolve(index, list_len(it), &at)) {
        resp_error(c->reply, "ERR index out of range");
        return;
    }
    list_set(it, at, c->argv[3].p, c->argv[3].n, cmd_types_limits(c));
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_LIST, "lset", &k);
    cmd_reply_ok(c);
}

/* Index of the first element equal to @a; the length: there is none. */
static size_t index_of(const struct item *it, const struct arg *a)
{
    struct list_iter i;
    size_t at = 0;

    list_iter_at(&i, it, 0, false);
    for (listpack_pos p; (p = list_iter_next(&i)) != NULL; at++) {
        if (listpack_equals(p, a->p, a->n)) {
            break;
        }
    }
    return at;
}

void cmd_linsert(struct cmd *c)
{
    bool after = arg_is(&c->argv[2], "after");
    struct item *it;
    struct key k;
    size_t at;

    if (!after && !arg_is(&c->argv[2], "before")) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (!elements_fit(c, 4) || !list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    if (it == NULL) {
        resp_int(c->reply, 0);
        return;
    }
    at = index_of(it, &c->argv[3]);
    if (at == list_len(it)) {
        resp_int(c->reply, -1);
        return;
    }
    list_insert(it, at + after, c->argv[4].p, c->argv[4].n, cmd_types_limits(c));
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_LIST, "linsert", &k);
    resp_int(c->reply, (int64_t)list_len(it));
}

void cmd_lrem(struct cmd *c)
{
    const struct arg *element = &c->argv[3];
    struct item *it;
    int64_t count;
    struct key k;
    size_t most, removed;

    if (!cmd_arg_i64(c, 2, &count, NULL) || !list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    if (it == NULL) {
        resp_int(c->reply, 0);
        return;
    }
    most = count == 0 ? SIZE_MAX : (size_t)(count < 0 ? -(uint64_t)count : (uint64_t)count);
    removed = list_remove_equal(it, element->p, element->n, most, count < 0, cmd_types_limits(c));
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_LIST, "lrem", &k);
        list_delete_if_empty(c, &k, it);
    }
    resp_int(c->reply, (int64_t)removed);
}

void cmd_ltrim(struct cmd *c)
{
    int64_t start, stop;
    struct item *it;
    struct key k;
    size_t len, first = 0, n;

    if (!cmd_arg_i64(c, 2, &start, NULL) || !cmd_arg_i64(c, 3, &stop, NULL) ||
        !list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    cmd_reply_ok(c);
    if (it == NULL) {
        return;
    }
    len = list_len(it);
    n = span(start, stop, (int64_t)len, &first);
    if (n == len) {
        return;
    }
    if (n == 0) {
        first = len;
    }
    if (first + n < len) {
        list_remove(it, first + n, len - first - n, cmd_types_limits(c));
    }
    list_remove(it, 0, first, cmd_types_limits(c));
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_LIST, "ltrim", &k);
    list_delete_if_empty(c, &k, it);
}

/* ---- LPOS ---------------------------------------------------------------------------------- */

struct position {
    int64_t rank, count, maxlen; /* count < 0: one position, not a list */
};

static bool position_options(struct cmd *c, struct position *o)
{
    *o = (struct position){.rank = 1, .count = -1};
    for (int i = 3; i < c->argc; i += 2) {
        const struct arg *word = &c->argv[i];
        bool more = i + 1 < c->argc;

        if (more && arg_is(word, "rank")) {
            if (!cmd_arg_i64(c, i + 1, &o->rank, NULL)) {
                return false;
            }
            if (o->rank == INT64_MIN) { /* it has no positive counterpart */
                resp_errorf(c->reply, "ERR value is out of range, value must between %lld and %lld",
                            (long long)-INT64_MAX, (long long)INT64_MAX);
                return false;
            }
            if (o->rank == 0) {
                resp_error(c->reply,
                           "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                           "the second ... or use negative to start from the end of the list");
                return false;
            }
        } else if (more && arg_is(word, "count")) {
            if (!cmd_arg_range(c, i + 1, 0, INT64_MAX, &o->count, "ERR COUNT can't be negative")) {
                return false;
            }
        } else if (more && arg_is(word, "maxlen")) {
            if (!cmd_arg_range(c, i + 1, 0, INT64_MAX, &o->maxlen,
                               "ERR MAXLEN can't be negative")) {
                return false;
            }
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Reply the matches; returns how many. */
static size_t reply_positions(struct cmd *c, const struct item *it, const struct position *o)
{
    bool backwards = o->rank < 0;
    uint64_t skip = (uint64_t)(backwards ? -o->rank : o->rank) - 1;
    uint64_t most = o->count < 0 ? 1 : o->count == 0 ? UINT64_MAX : (uint64_t)o->count;
    size_t len = list_len(it);
    struct list_iter i;
    size_t found = 0;

    list_iter_at(&i, it, backwards ? len - 1 : 0, backwards);
    for (size_t seen = 0; found < most && (o->maxlen == 0 || (int64_t)seen < o->maxlen); seen++) {
        listpack_pos p = list_iter_next(&i);

        if (p == NULL) {
            break;
        }
        if (listpack_equals(p, c->argv[2].p, c->argv[2].n) && (skip == 0 || skip-- == 0)) {
            resp_int(c->reply, (int64_t)(backwards ? len - 1 - seen : seen));
            found++;
        }
    }
    return found;
}

void cmd_lpos(struct cmd *c)
{
    struct position o;
    struct item *it;
    size_t at, n;

    if (!position_options(c, &o) || !list_read(c, &it)) {
        return;
    }
    if (o.count < 0) {
        if (it == NULL || reply_positions(c, it, &o) == 0) {
            resp_null(c->reply);
        }
        return;
    }
    at = resp_deferred_begin(c->reply);
    n = it == NULL ? 0 : reply_positions(c, it, &o);
    resp_deferred_array(c->reply, at, n);
}
