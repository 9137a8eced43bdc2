/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_node.c - see node/types/stream_node.h. */
#include "node/types/stream_node.h"

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 };

#define ENTRY_HEAD 3 /* elements: flags, ms, seq */

static int64_t number(listpack_pos p)
{
    int64_t v = 0;

    (void)listpack_i64(p, &v); /* a node has been checked, or is our own */
    return v;
}

/* The number at *@p, and a step on. */
static int64_t take(const struct listpack *lp, listpack_pos *p)
{
    int64_t v = number(*p);

    *p = listpack_next(lp, *p);
    return v;
}

static listpack_pos skip(const struct listpack *lp, listpack_pos p, size_t n)
{
    while (n-- > 0) {
        p = listpack_next(lp, p);
    }
    return p;
}

/* ---- reading ------------------------------------------------------------------------------- */

void stream_master_read(struct stream_master *m, const struct listpack *lp, struct stream_id id)
{
    listpack_pos p = listpack_first(lp);

    m->id = id;
    m->live = (uint64_t)take(lp, &p);
    m->deleted = (uint64_t)take(lp, &p);
    m->n_fields = (size_t)take(lp, &p);
    m->fields = p;
    p = skip(lp, p, m->n_fields);
    m->first = listpack_next(lp, p);
}

void stream_entry_read(struct stream_entry *e, const struct listpack *lp,
                       const struct stream_master *m, listpack_pos at)
{
    int64_t flags;

    e->at = at;
    flags = take(lp, &at);
    e->deleted = (flags & ENTRY_DELETED) != 0;
    e->same_fields = (flags & ENTRY_SAME_FIELDS) != 0;
    e->id.ms = m->id.ms + (uint64_t)take(lp, &at);
    e->id.seq = m->id.seq + (uint64_t)take(lp, &at);
    e->n_fields = e->same_fields ? m->n_fields : (size_t)take(lp, &at);
    e->data = at;
}

listpack_pos stream_entry_next(const struct listpack *lp, const struct stream_entry *e)
{
    listpack_pos count = skip(lp, e->data, e->same_fields ? e->n_fields : 2 * e->n_fields);

    return listpack_next(lp, count);
}

listpack_pos stream_entry_prev(const struct listpack *lp, const struct stream_master *m,
                               listpack_pos at)
{
    listpack_pos p;

    if (at == m->first) {
        return NULL;
    }
    p = listpack_prev(lp, at);
    for (int64_t n = number(p); n > 0; n--) {
        p = listpack_prev(lp, p);
    }
    return p;
}

void stream_fields_begin(struct stream_fields *f, const struct stream_master *m,
                         const struct stream_entry *e)
{
    *f = (struct stream_fields){
        .left = e->n_fields,
        .field = e->same_fields ? m->fields : e->data,
        .value = e->data,
        .same_fields = e->same_fields,
    };
}

bool stream_fields_next(struct stream_fields *f, const struct listpack *lp, listpack_pos *field,
                        listpack_pos *value)
{
    if (f->left == 0) {
        return false;
    }
    f->left--;
    *field = f->field;
    if (f->same_fields) {
        *value = f->value;
        f->field = listpack_next(lp, f->field);
        f->value = listpack_next(lp, f->value);
    } else {
        *value = listpack_next(lp, f->field);
        f->field = listpack_next(lp, *value);
    }
    return true;
}

/* ---- changing ------------------------------------------------------------------------------ */

struct listpack *stream_node_new(const struct arg *argv, size_t n)
{
    struct listpack *lp = listpack_new();

    lp = listpack_append_i64(lp, 0); /* live */
    lp = listpack_append_i64(lp, 0); /* deleted */
    lp = listpack_append_i64(lp, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        lp = listpack_append(lp, argv[2 * i].p, argv[2 * i].n);
    }
    return listpack_append_i64(lp, 0);
}

static bool has_fields(const struct listpack *lp, const struct stream_master *m,
                       const struct arg *argv, size_t n)
{
    listpack_pos p = m->fields;

    if (m->n_fields != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!listpack_equals(p, argv[2 * i].p, argv[2 * i].n)) {
            return false;
        }
        p = listpack_next(lp, p);
    }
    return true;
}

struct listpack *stream_node_append(struct listpack *lp, struct stream_id node_id,
                                    struct stream_id id, const struct arg *argv, size_t n)
{
    struct stream_master m;
    bool same;
    int64_t elements = ENTRY_HEAD + (int64_t)n;

    stream_master_read(&m, lp, node_id);
    same = has_fields(lp, &m, argv, n);
    lp = listpack_replace_i64(lp, listpack_first(lp), (int64_t)m.live + 1, NULL);
    lp = listpack_append_i64(lp, same ? ENTRY_SAME_FIELDS : 0);
    lp = listpack_append_i64(lp, (int64_t)(id.ms - node_id.ms));
    lp = listpack_append_i64(lp, (int64_t)(id.seq - node_id.seq));
    if (!same) {
        lp = listpack_append_i64(lp, (int64_t)n);
        elements += 1 + (int64_t)n;
    }
    for (size_t i = 0; i < n; i++) {
        if (!same) {
            lp = listpack_append(lp, argv[2 * i].p, argv[2 * i].n);
        }
        lp = listpack_append(lp, argv[2 * i + 1].p, argv[2 * i + 1].n);
    }
    return listpack_append_i64(lp, elements);
}

struct listpack *stream_node_delete(struct listpack *lp, const struct stream_entry *e)
{
    int64_t flags = number(e->at) | ENTRY_DELETED;
    listpack_pos p;
    int64_t live;

    assert(!e->deleted);
    lp = listpack_replace_i64(lp, e->at, flags, NULL);
    live = number(listpack_first(lp));
    lp = listpack_replace_i64(lp, listpack_first(lp), live - 1, NULL);
    p = listpack_next(lp, listpack_first(lp));
    return listpack_replace_i64(lp, p, number(p) + 1, NULL);
}

/* ---- bytes from elsewhere ------------------------------------------------------------------ */

/* Walks a listpack, and never beyond its end. */
struct reader {
    const struct listpack *lp;
    listpack_pos p;    /* NULL: at the end */
    uint64_t elements; /* read so far */
};

static bool read_any(struct reader *r)
{
    if (r->p == NULL) {
        return false;
    }
    r->p = listpack_next(r->lp, r->p);
    r->elements++;
    return true;
}

static bool read_number(struct reader *r, int64_t *out)
{
    return r->p != NULL && listpack_i64(r->p, out) && read_any(r);
}

/* A number of things of which each is an element at least. */
static bool read_count(struct reader *r, int64_t *out)
{
    return read_number(r, out) && *out >= 0 && *out <= UINT32_MAX;
}

static bool read_many(struct reader *r, int64_t n)
{
    while (n > 0 && read_any(r)) {
        n--;
    }
    return n == 0;
}

static bool validate_entry(struct reader *r, struct stream_id node_id, int64_t n_fields,
                           struct stream_id *id, bool *deleted)
{
    uint64_t before = r->elements;
    int64_t flags, ms, seq, elements;

    if (!read_number(r, &flags) || (flags & ~(int64_t)(ENTRY_DELETED | ENTRY_SAME_FIELDS)) != 0 ||
        !read_number(r, &ms) || !read_number(r, &seq)) {
        return false;
    }
    *deleted = (flags & ENTRY_DELETED) != 0;
    *id = (struct stream_id){node_id.ms + (uint64_t)ms, node_id.seq + (uint64_t)seq};
    if (flags & ENTRY_SAME_FIELDS) {
        if (!read_many(r, n_fields)) {
            return false;
        }
    } else if (!read_count(r, &n_fields) || !read_many(r, 2 * n_fields)) {
        return false;
    }
    elements = (int64_t)(r->elements - before);
    return read_number(r, &ms) && ms == elements;
}

bool stream_node_validate(const struct listpack *lp, struct stream_id node_id)
{
    struct stream_id last = node_id;
    struct reader r = {.lp = lp, .p = listpack_first(lp)};
    int64_t live, deleted, n_fields, end;
    bool first = true;

    if (!read_count(&r, &live) || !read_count(&r, &deleted) || !read_count(&r, &n_fields) ||
        !read_many(&r, n_fields) || !read_number(&r, &end) || end != 0) {
        return false;
    }
    while (r.p != NULL) {
        struct stream_id id;
        bool gone;

        if (!validate_entry(&r, node_id, n_fields, &id, &gone)) {
            return false;
        }
        *(gone ? &deleted : &live) -= 1;
        if (gone) {
            continue;
        }
        if (stream_id_compare(id, last) < (first ? 0 : 1)) {
            return false;
        }
        last = id;
        first = false;
    }
    return live == 0 && deleted == 0;
}
