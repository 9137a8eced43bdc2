/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream.c - see node/types/stream.h.
 *
 * Invariants: every node has an entry that is not deleted; the ids of these rise, within nodes and
 * from node to node; head.len is their number. (An entry that is deleted may have a higher id than
 * those behind it: XSETID can lower the last id as far as the last entry that is there.) */
#include "node/types/stream.h"

#include "base/mem.h"
#include "node/keyspace/item.h"
#include "node/types/stream_group.h"

#include <stdlib.h>

struct stream *stream_new(void)
{
    struct stream *s = mem_zalloc(item_good_size(sizeof *s));

    s->head = (struct value_head){.type = ITEM_STREAM};
    return s;
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* The node at @pos has become @lp; @before: its allocation was. */
static void put_back(struct stream *s, struct stream_index_pos pos, struct listpack *lp,
                     size_t before)
{
    if (stream_index_slot(&s->nodes, pos)->p != lp) {
        stream_index_set(&s->nodes, pos, lp);
    }
    s->node_bytes += listpack_allocation(lp) - before;
}

static void add_node(struct stream *s, struct stream_id id, struct listpack *lp)
{
    stream_index_add(&s->nodes, id, lp);
    s->node_bytes += listpack_allocation(lp);
}

static void drop_node(struct stream *s, struct stream_id id)
{
    struct listpack *lp = stream_index_remove(&s->nodes, id);

    s->node_bytes -= listpack_allocation(lp);
    free(lp);
}

/* The first entry (@backwards: the last one) from @at on that is not deleted; false: none is. */
static bool find_live(const struct listpack *lp, const struct stream_master *m, listpack_pos at,
                      bool backwards, struct stream_entry *e)
{
    while (at != NULL) {
        stream_entry_read(e, lp, m, at);
        if (!e->deleted) {
            return true;
        }
        at = backwards ? stream_entry_prev(lp, m, at) : stream_entry_next(lp, e);
    }
    return false;
}

/* Where the last entry of a node stands. */
static listpack_pos last_entry(const struct listpack *lp, const struct stream_master *m)
{
    return m->first == NULL ? NULL : stream_entry_prev(lp, m, lp->bytes + listpack_bytes(lp) - 1);
}

static struct stream_id edge_id(const struct stream_slot *slot, bool top)
{
    struct stream_master m;
    struct stream_entry e;

    if (slot == NULL) {
        return STREAM_ID_MIN;
    }
    stream_master_read(&m, slot->p, slot->id);
    return find_live(slot->p, &m, top ? last_entry(slot->p, &m) : m.first, top, &e) ? e.id
                                                                                    : STREAM_ID_MIN;
}

struct stream_id stream_first_id(const struct stream *s)
{
    return edge_id(stream_index_slot(&s->nodes, stream_index_begin(&s->nodes)), false);
}

struct stream_id stream_top_id(const struct stream *s)
{
    return edge_id(stream_index_slot(&s->nodes, stream_index_last(&s->nodes)), true);
}

/* ---- appending ----------------------------------------------------------------------------- */

static bool has_room(const struct listpack *lp, const struct arg *argv, size_t n,
                     const struct types_limits *limits)
{
    size_t bytes = listpack_bytes(lp);
    struct stream_master m;

    for (size_t i = 0; i < 2 * n; i++) {
        bytes += argv[i].n;
    }
    if (bytes >= LISTPACK_BYTES_SAFE ||
        (limits->stream_node_max_bytes > 0 && bytes >= (uint64_t)limits->stream_node_max_bytes)) {
        return false;
    }
    if (limits->stream_node_max_entries == 0) {
        return true;
    }
    stream_master_read(&m, lp, STREAM_ID_MIN);
    return m.live + m.deleted < (uint64_t)limits->stream_node_max_entries;
}

void stream_append(struct stream *s, struct stream_id id, const struct arg *argv, size_t n,
                   const struct types_limits *limits)
{
    struct stream_index_pos pos = stream_index_last(&s->nodes);
    const struct stream_slot *slot = stream_index_slot(&s->nodes, pos);

    assert(stream_id_compare(id, s->last_id) > 0);
    if (slot != NULL && has_room(slot->p, argv, n, limits)) {
        size_t before = listpack_allocation(slot->p);

        put_back(s, pos, stream_node_append(slot->p, slot->id, id, argv, n), before);
    } else {
        add_node(s, id, stream_node_append(stream_node_new(argv, n), id, id, argv, n));
    }
    s->head.len++;
    s->last_id = id;
    s->entries_added++;
}

/* ---- removing ------------------------------------------------------------------------------ */

/* The node in which @id may stand, and the entry; false: it is not there. */
static bool find_entry(const struct stream *s, struct stream_id id, struct stream_index_pos *pos,
                       struct stream_entry *e)
{
    const struct stream_slot *slot;
    struct stream_master m;

    *pos = stream_index_at_or_before(&s->nodes, id);
    slot = stream_index_slot(&s->nodes, *pos);
    if (slot == NULL) {
        return false;
    }
    stream_master_read(&m, slot->p, slot->id);
    for (listpack_pos at = m.first; at != NULL; at = stream_entry_next(slot->p, e)) {
        int order;

        stream_entry_read(e, slot->p, &m, at);
        order = e->deleted ? -1 : stream_id_compare(e->id, id);
        if (order >= 0) {
            return order == 0;
        }
    }
    return false;
}

bool stream_has(const struct stream *s, struct stream_id id)
{
    struct stream_index_pos pos;
    struct stream_entry e;

    return find_entry(s, id, &pos, &e);
}

/* Mark an entry of the node at @pos, which has others; returns the node. */
static struct listpack *delete_in_node(struct stream *s, struct stream_index_pos pos,
                                       const struct stream_entry *e)
{
    struct listpack *lp = stream_index_slot(&s->nodes, pos)->p;
    size_t before = listpack_allocation(lp);

    lp = stream_node_delete(lp, e);
    put_back(s, pos, lp, before);
    s->head.len--;
    return lp;
}

bool stream_delete(struct stream *s, struct stream_id id)
{
    struct stream_index_pos pos;
    const struct stream_slot *slot;
    struct stream_master m;
    struct stream_entry e;

    if (!find_entry(s, id, &pos, &e)) {
        return false;
    }
    slot = stream_index_slot(&s->nodes, pos);
    stream_master_read(&m, slot->p, slot->id);
    if (m.live == 1) {
        drop_node(s, slot->id);
        s->head.len--;
    } else {
        (void)delete_in_node(s, pos, &e);
    }
    if (stream_id_compare(id, s->max_deleted_id) > 0) {
        s->max_deleted_id = id;
    }
    return true;
}

/* Remove entries from the front of the first node, which keeps some; returns how many. */
static uint64_t trim_node(struct stream *s, const struct stream_trim *t)
{
    struct stream_index_pos pos = stream_index_begin(&s->nodes);
    struct stream_id node_id = stream_index_slot(&s->nodes, pos)->id;
    struct listpack *lp = stream_index_slot(&s->nodes, pos)->p;
    struct stream_master m;
    struct stream_entry e;
    uint64_t done = 0;

    stream_master_read(&m, lp, node_id);
    while (find_live(lp, &m, m.first, false, &e) &&
           (t->by_id ? stream_id_compare(e.id, t->min_id) < 0 : s->head.len > t->len_max)) {
        /* What changes stands before the entry: from the end it keeps its place. */
        size_t from_end = listpack_bytes(lp) - (size_t)(e.at - lp->bytes);

        lp = delete_in_node(s, pos, &e);
        m.first = lp->bytes + listpack_bytes(lp) - from_end;
        done++;
    }
    return done;
}

/* Does no entry of the first node stay? With "~" a node stays as well when a deleted one would: so
 * does Redis. */
static bool node_goes(const struct stream *s, const struct stream_trim *t,
                      const struct stream_slot *slot, const struct stream_master *m)
{
    struct stream_entry e;

    if (!t->by_id) {
        return s->head.len - m->live >= t->len_max;
    }
    if (!t->whole_nodes_only) {
        return stream_id_compare(edge_id(slot, true), t->min_id) < 0;
    }
    stream_entry_read(&e, slot->p, m, last_entry(slot->p, m));
    return stream_id_compare(e.id, t->min_id) < 0;
}

uint64_t stream_trim(struct stream *s, const struct stream_trim *t)
{
    uint64_t before = s->head.len;
    const struct stream_slot *slot;
    struct stream_master m;

    while ((slot = stream_index_slot(&s->nodes, stream_index_begin(&s->nodes))) != NULL &&
           (t->by_id || s->head.len > t->len_max)) {
        stream_master_read(&m, slot->p, slot->id);
        if (t->whole_nodes_only && t->most > 0 && before - s->head.len + m.live > t->most) {
            break;
        }
        if (!node_goes(s, t, slot, &m)) {
            if (!t->whole_nodes_only) {
                (void)trim_node(s, t);
            }
            break;
        }
        s->head.len -= m.live;
        drop_node(s, slot->id);
    }
    return before - s->head.len;
}

/* ---- walking ------------------------------------------------------------------------------- */

/* Enter the node at i->pos, at its nearer end. */
static void enter_node(struct stream_iter *i)
{
    const struct stream_slot *slot = stream_index_slot(&i->s->nodes, i->pos);

    i->lp = slot == NULL ? NULL : slot->p;
    if (i->lp == NULL) {
        return;
    }
    stream_master_read(&i->master, i->lp, slot->id);
    i->next = i->backwards ? last_entry(i->lp, &i->master) : i->master.first;
}

void stream_iter_begin(struct stream_iter *i, const struct stream *s, struct stream_id first,
                       struct stream_id last, bool backwards)
{
    *i = (struct stream_iter){.s = s, .first = first, .last = last, .backwards = backwards};
    i->pos = stream_index_at_or_before(&s->nodes, backwards ? last : first);
    if (!backwards && stream_index_slot(&s->nodes, i->pos) == NULL) {
        i->pos = stream_index_begin(&s->nodes);
    }
    enter_node(i);
}

/* The entry at i->next, and a step on. */
static void step(struct stream_iter *i, struct stream_entry *e)
{
    stream_entry_read(e, i->lp, &i->master, i->next);
    i->next =
        i->backwards ? stream_entry_prev(i->lp, &i->master, i->next) : stream_entry_next(i->lp, e);
}

bool stream_iter_next(struct stream_iter *i, struct stream_entry *e)
{
    while (i->lp != NULL) {
        if (i->next == NULL) {
            i->pos = i->backwards ? stream_index_prev(&i->s->nodes, i->pos)
                                  : stream_index_next(&i->s->nodes, i->pos);
            enter_node(i);
            continue;
        }
        step(i, e);
        if (e->deleted) {
            continue;
        }
        if (i->backwards ? stream_id_compare(e->id, i->first) < 0
                         : stream_id_compare(e->id, i->last) > 0) {
            i->lp = NULL;
            return false;
        }
        if (stream_id_compare(e->id, i->first) >= 0 && stream_id_compare(e->id, i->last) <= 0) {
            return true;
        }
    }
    return false;
}

/* ---- counting ------------------------------------------------------------------------------ */

bool stream_has_gap_from(const struct stream *s, struct stream_id id)
{
    return s->head.len > 0 && !stream_id_is_zero(s->max_deleted_id) &&
           stream_id_compare(s->max_deleted_id, id) >= 0 &&
           stream_id_compare(s->max_deleted_id, stream_first_id(s)) >= 0;
}

int64_t stream_entries_up_to(const struct stream *s, struct stream_id id)
{
    int64_t added = (int64_t)s->entries_added;
    int64_t before_first = added - (int64_t)s->head.len;
    int order = stream_id_compare(id, s->last_id);
    struct stream_id first;

    if (added == 0 || order == 0 || (s->head.len == 0 && order < 0)) {
        return added;
    }
    if (order > 0) {
        return -1;
    }
    first = stream_first_id(s);
    if (!stream_id_is_zero(s->max_deleted_id) && stream_id_compare(s->max_deleted_id, first) >= 0) {
        return -1;
    }
    order = stream_id_compare(id, first);
    if (order > 0) {
        return -1;
    }
    return order < 0 ? before_first : before_first + 1;
}

/* ---- loading ------------------------------------------------------------------------------- */

bool stream_take_node(struct stream *s, struct stream_id id, struct listpack *lp)
{
    const struct stream_slot *slot = stream_index_slot(&s->nodes, stream_index_last(&s->nodes));
    struct stream_master m;

    if (!stream_node_validate(lp, id)) {
        return false;
    }
    if (slot != NULL && stream_id_compare(edge_id(slot, true), id) >= 0) {
        return false;
    }
    stream_master_read(&m, lp, id);
    if (m.live == 0) {
        free(lp);
        return true;
    }
    add_node(s, id, lp);
    s->head.len += m.live;
    return true;
}

/* ---- value_type ---------------------------------------------------------------------------- */

static const char *encoding_name(const void *value)
{
    (void)value;
    return "stream";
}

static void free_value(void *value)
{
    struct stream *s = value;
    struct stream_index_pos pos = stream_index_begin(&s->nodes);
    const struct stream_slot *slot;

    for (; (slot = stream_index_slot(&s->nodes, pos)) != NULL;
         pos = stream_index_next(&s->nodes, pos)) {
        free(slot->p);
    }
    stream_index_release(&s->nodes);
    stream_groups_free(s);
    free(s);
}

static size_t bytes(const void *value, size_t samples)
{
    const struct stream *s = value;

    (void)samples; /* the sums are known, or soon made */
    return item_good_size(sizeof *s) + stream_index_bytes(&s->nodes) + s->node_bytes +
           stream_groups_bytes(s);
}

static size_t effort(const void *value)
{
    const struct stream *s = value;

    return 1 + (size_t)s->nodes.count + stream_groups_effort(s);
}

static void *copy(const void *value)
{
    const struct stream *from = value;
    struct stream *s = stream_new();
    struct stream_index_pos pos = stream_index_begin(&from->nodes);
    const struct stream_slot *slot;

    for (; (slot = stream_index_slot(&from->nodes, pos)) != NULL;
         pos = stream_index_next(&from->nodes, pos)) {
        add_node(s, slot->id, listpack_dup(slot->p));
    }
    s->head = from->head;
    s->last_id = from->last_id;
    s->max_deleted_id = from->max_deleted_id;
    s->entries_added = from->entries_added;
    stream_groups_copy(s, from);
    return s;
}

static void digest_id(struct value_digest *d, struct stream_id id)
{
    value_digest_number(d, id.ms);
    value_digest_number(d, id.seq);
}

static void digest_entry(struct value_digest *d, const struct stream_iter *i,
                         const struct stream_entry *e)
{
    struct stream_fields f;
    listpack_pos field, value;
    char scratch[24];

    digest_id(d, e->id);
    value_digest_number(d, e->n_fields);
    stream_fields_begin(&f, &i->master, e);
    while (stream_fields_next(&f, i->lp, &field, &value)) {
        struct arg text = listpack_text(field, scratch);

        value_digest_add(d, text.p, text.n);
        text = listpack_text(value, scratch);
        value_digest_add(d, text.p, text.n);
    }
}

static void digest(const void *value, struct value_digest *d)
{
    const struct stream *s = value;
    struct stream_iter i;
    struct stream_entry e;

    digest_id(d, s->last_id);
    digest_id(d, s->max_deleted_id);
    value_digest_number(d, s->entries_added);
    value_digest_number(d, s->head.len);
    stream_iter_begin(&i, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&i, &e)) {
        digest_entry(d, &i, &e);
    }
    stream_groups_digest(s, d);
}

static void *relocate_node(void *arg, struct stream_id id, void *lp)
{
    (void)id;
    return mover_move(arg, lp);
}

static bool relocate(void **value, struct mover *m, struct value_cursor *c, size_t n)
{
    uint64_t until = mover_seen(m) + MIN_OF(n, (size_t)UINT32_MAX);
    struct stream *s;

    if (c->part == 0) {
        *value = mover_move(m, *value);
        *c = (struct value_cursor){.part = 1};
    }
    s = *value;
    while (c->part == 1) {
        if (mover_seen(m) >= until) {
            return false;
        }
        if (!stream_index_relocate(&s->nodes, c->leaf++, m, relocate_node, m)) {
            *c = (struct value_cursor){.part = 2};
        }
    }
    return stream_groups_relocate(s, m, c, n);
}

const struct value_type stream_type = {
    .encoding_name = encoding_name,
    .free = free_value,
    .bytes = bytes,
    .effort = effort,
    .copy = copy,
    .digest = digest,
    .relocate = relocate,
};
