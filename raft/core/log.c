/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/log.c - see raft/core/log.h. */
#include "raft/core/log.h"

#include "raft/core/array.h"
#include "raft/core/bug.h"
#include "raft/core/members.h"

#include <string.h>

/* ---- starting ---------------------------------------------------------------------------- */

static int init_runs(struct raft_log *l, const struct raft_restore *re)
{
    uint64_t want_first = re->snapshot.index + 1, term = re->snapshot.term;

    if (re->last.index < re->snapshot.index ||
        (re->last.index > re->snapshot.index) != (re->n_runs > 0)) {
        return RAFT_ERR_CONFIG;
    }
    for (size_t i = 0; i < re->n_runs; i++) {
        const struct raft_term_run *run = &re->runs[i];

        if (i == 0 ? run->first != want_first || run->term < term
                   : run->first <= re->runs[i - 1].first || run->term <= term) {
            return RAFT_ERR_CONFIG;
        }
        if (run->term == 0 || run->first > re->last.index) {
            return RAFT_ERR_CONFIG;
        }
        term = run->term;
        l->runs = array_grow(l->runs, &l->cap_runs, l->n_runs + 1, sizeof *l->runs);
        l->runs[l->n_runs++] = *run;
    }
    return term == re->last.term ? RAFT_OK : RAFT_ERR_CONFIG;
}

static void push_config(struct raft_log *l, uint64_t index, const struct raft_members *m)
{
    l->configs = array_grow(l->configs, &l->cap_configs, l->n_configs + 1, sizeof *l->configs);
    l->configs[l->n_configs++] = (struct raft_log_config){.index = index, .members = *m};
}

int raft_log_init(struct raft_log *l, const struct raft_restore *re)
{
    int rc;

    memset(l, 0, sizeof *l);
    if ((re->snapshot.index == 0) != (re->snapshot.term == 0)) {
        return RAFT_ERR_CONFIG;
    }
    /* No members at all is a replica that waits to be told by a leader. */
    if (re->snapshot_members.n > 0 && !raft_members_valid(&re->snapshot_members)) {
        return RAFT_ERR_CONFIG;
    }
    l->base = re->snapshot;
    l->last = re->last.index;
    l->cache_first = l->last + 1;
    rc = init_runs(l, re);
    if (rc != RAFT_OK) {
        raft_log_release(l);
        return rc;
    }
    push_config(l, l->base.index, &re->snapshot_members);
    for (size_t i = 0; i < re->n_configs; i++) {
        const struct raft_entry *e = re->configs[i];
        struct raft_members m;

        if (e->type != RAFT_ENTRY_CONFIG || e->pos.index <= l->configs[l->n_configs - 1].index ||
            e->pos.index > l->last || raft_members_decode(e->data, e->size, &m) != RAFT_OK) {
            raft_log_release(l);
            return RAFT_ERR_CONFIG;
        }
        push_config(l, e->pos.index, &m);
    }
    return RAFT_OK;
}

static void drop_cache(struct raft_log *l, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        struct raft_entry **at = &l->ring[i & (l->cap_ring - 1)];

        l->cached_bytes -= entry_cost(*at);
        raft_entry_unref(*at);
        *at = NULL;
    }
}

void raft_log_release(struct raft_log *l)
{
    drop_cache(l, l->cache_first, l->last);
    free(l->ring);
    free(l->runs);
    free(l->configs);
    memset(l, 0, sizeof *l);
}

/* ---- asking ------------------------------------------------------------------------------ */

/* The run that holds @index, base.index < index <= last. */
static size_t run_of(const struct raft_log *l, uint64_t index)
{
    size_t lo = 0, hi = l->n_runs;

    assert(l->n_runs > 0);
    /* Nearly every question is about the newest term. */
    if (LIKELY(index >= l->runs[hi - 1].first)) {
        return hi - 1;
    }
    while (hi - lo > 1) { /* runs[lo].first <= index < runs[hi].first */
        size_t mid = lo + (hi - lo) / 2;

        if (l->runs[mid].first <= index) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint64_t raft_log_term_at(const struct raft_log *l, uint64_t index)
{
    if (index < l->base.index || index > l->last) {
        return 0;
    }
    if (index == l->base.index) {
        return l->base.term;
    }
    return l->runs[run_of(l, index)].term;
}

struct raft_pos raft_log_last(const struct raft_log *l)
{
    return (struct raft_pos){.term = raft_log_term_at(l, l->last), .index = l->last};
}

uint64_t raft_log_find_agreeable(const struct raft_log *l, uint64_t index, uint64_t term)
{
    index = MIN_OF(index, l->last);
    while (index > l->base.index) {
        size_t run = run_of(l, index);

        if (l->runs[run].term <= term) {
            return index;
        }
        index = l->runs[run].first - 1;
    }
    if (index == l->base.index && l->base.term > term) {
        index--; /* not index 0: its term is 0 */
    }
    return index;
}

const struct raft_members *raft_log_members(const struct raft_log *l)
{
    return &l->configs[l->n_configs - 1].members;
}

uint64_t raft_log_members_index(const struct raft_log *l)
{
    return l->configs[l->n_configs - 1].index;
}

const struct raft_members *raft_log_members_at(const struct raft_log *l, uint64_t index)
{
    size_t i = l->n_configs;

    assert(index >= l->base.index);
    while (l->configs[i - 1].index > index) {
        i--;
    }
    return &l->configs[i - 1].members;
}

struct raft_entry *raft_log_get(const struct raft_log *l, uint64_t index)
{
    if (index < l->cache_first || index > l->last) {
        return NULL;
    }
    return l->ring[index & (l->cap_ring - 1)];
}

/* ---- changing ---------------------------------------------------------------------------- */

static void grow_ring(struct raft_log *l)
{
    size_t cap = l->cap_ring == 0 ? 64 : l->cap_ring * 2;
    struct raft_entry **ring = array_zalloc(cap, sizeof(struct raft_entry *));

    for (uint64_t i = l->cache_first; i <= l->last; i++) {
        ring[i & (cap - 1)] = l->ring[i & (l->cap_ring - 1)];
    }
    free(l->ring);
    l->ring = ring;
    l->cap_ring = cap;
}

void raft_log_append(struct raft_log *l, struct raft_entry *e)
{
    assert(e->pos.index == l->last + 1);
    assert(e->pos.term >= raft_log_term_at(l, l->last));

    if (l->last + 1 - l->cache_first == l->cap_ring) {
        grow_ring(l);
    }
    if (l->n_runs == 0 || l->runs[l->n_runs - 1].term != e->pos.term) {
        l->runs = array_grow(l->runs, &l->cap_runs, l->n_runs + 1, sizeof *l->runs);
        l->runs[l->n_runs++] = (struct raft_term_run){.term = e->pos.term, .first = e->pos.index};
    }
    if (UNLIKELY(e->type == RAFT_ENTRY_CONFIG)) {
        struct raft_members m;
        int rc = raft_members_decode(e->data, e->size, &m);

        assert(rc == RAFT_OK);
        push_config(l, e->pos.index, &m);
    }
    l->last++;
    l->ring[l->last & (l->cap_ring - 1)] = raft_entry_ref(e);
    l->cached_bytes += entry_cost(e);
}

void raft_log_truncate(struct raft_log *l, uint64_t from)
{
    assert(from > l->base.index);
    if (from > l->last) {
        return;
    }
    drop_cache(l, MAX_OF(from, l->cache_first), l->last);
    l->cache_first = MIN_OF(l->cache_first, from);
    while (l->n_runs > 0 && l->runs[l->n_runs - 1].first >= from) {
        l->n_runs--;
    }
    /* A configuration counts from the moment it is appended, so it ends when it is cut off. */
    while (!RAFT_HAS_BUG(RAFT_BUG_MEMBERS_NOT_REVERTED) &&
           l->configs[l->n_configs - 1].index >= from) {
        l->n_configs--;
    }
    l->last = from - 1;
}

void raft_log_compact(struct raft_log *l, struct raft_pos pos)
{
    size_t keep;

    assert(pos.index > l->base.index);
    assert(pos.index <= l->last);
    assert(raft_log_term_at(l, pos.index) == pos.term);

    if (l->cache_first <= pos.index) {
        drop_cache(l, l->cache_first, pos.index);
        l->cache_first = pos.index + 1;
    }
    if (pos.index == l->last) {
        l->n_runs = 0;
    } else {
        keep = run_of(l, pos.index + 1);
        l->n_runs -= keep;
        memmove(l->runs, l->runs + keep, l->n_runs * sizeof *l->runs);
        l->runs[0].first = pos.index + 1;
    }
    keep =
        (size_t)(CONTAINER_OF(raft_log_members_at(l, pos.index), struct raft_log_config, members) -
                 l->configs);
    l->n_configs -= keep;
    memmove(l->configs, l->configs + keep, l->n_configs * sizeof *l->configs);
    l->configs[0].index = pos.index;
    l->base = pos;
}

void raft_log_install(struct raft_log *l, struct raft_pos pos, const struct raft_members *members)
{
    drop_cache(l, l->cache_first, l->last);
    l->n_runs = 0;
    l->n_configs = 0;
    l->base = pos;
    l->last = pos.index;
    l->cache_first = pos.index + 1;
    push_config(l, pos.index, members);
}

void raft_log_evict(struct raft_log *l, uint64_t keep_bytes, uint64_t safe, uint64_t forced)
{
    uint64_t hard_bytes = keep_bytes > UINT64_MAX / 4 ? UINT64_MAX : keep_bytes * 4;

    while (l->cached_bytes > keep_bytes && l->cache_first <= l->last) {
        const struct raft_entry *e = l->ring[l->cache_first & (l->cap_ring - 1)];

        assert(e != NULL);
        if (l->cache_first > safe &&
            (l->cached_bytes <= hard_bytes || l->cache_first > forced || e->origin != 0)) {
            return;
        }
        drop_cache(l, l->cache_first, l->cache_first);
        l->cache_first++;
    }
}

void raft_log_check(const struct raft_log *l)
{
    uint64_t bytes = 0, term = l->base.term;

    assert(l->base.index <= l->last);
    assert(l->cache_first > l->base.index);
    assert(l->cache_first <= l->last + 1);
    assert((l->n_runs > 0) == (l->last > l->base.index));
    for (size_t i = 0; i < l->n_runs; i++) {
        assert(i > 0 ? l->runs[i].term > term : l->runs[i].term >= term);
        assert(i > 0 ? l->runs[i].first > l->runs[i - 1].first
                     : l->runs[i].first == l->base.index + 1);
        assert(l->runs[i].first <= l->last);
        term = l->runs[i].term;
    }
    for (uint64_t i = l->cache_first; i <= l->last; i++) {
        const struct raft_entry *e = raft_log_get(l, i);

        assert(e != NULL);
        assert(e->pos.index == i);
        assert(e->pos.term == raft_log_term_at(l, i));
        bytes += entry_cost(e);
    }
    assert(bytes == l->cached_bytes);
    assert(l->n_configs > 0);
    assert(l->configs[0].index == l->base.index);
    for (size_t i = 1; i < l->n_configs; i++) {
        assert(l->configs[i].index > l->configs[i - 1].index);
        assert(l->configs[i].index <= l->last || RAFT_HAS_BUG(RAFT_BUG_MEMBERS_NOT_REVERTED));
    }
}
