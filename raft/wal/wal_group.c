/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_group.c - see raft/wal/wal_group.h. */
#include "raft/wal/wal_group.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct wal_group_state *wal_group_new(uint32_t group)
{
    struct wal_group_state *g = mem_zalloc(sizeof *g);

    g->group = group;
    g->first = 1;
    g->new_point = true;
    return g;
}

static void drop_configs_from(struct wal_group_state *g, uint64_t index)
{
    while (g->n_configs > 0 && g->configs[g->n_configs - 1]->pos.index >= index) {
        raft_entry_unref(g->configs[--g->n_configs]);
    }
}

void wal_group_free(struct wal_group_state *g)
{
    if (g == NULL) {
        return;
    }
    wal_group_free(g->kept);
    drop_configs_from(g, 0);
    free(g->configs);
    free(g->runs);
    free(g->points);
    free(g);
}

uint64_t wal_group_term_at(const struct wal_group_state *g, uint64_t index)
{
    size_t lo = 0;
    size_t hi = g->n_runs;

    if (index == g->last.index) {
        return g->last.term;
    }
    if (index == g->snapshot.index) {
        return g->snapshot.term;
    }
    if (index < g->first || index > g->last.index) {
        return 0;
    }
    /* The last run that begins at or before the index. */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (g->runs[mid].first <= index) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    assert(hi > lo);
    assert(g->runs[lo].first <= index);
    return g->runs[lo].term;
}

void wal_group_cut(struct wal_group_state *g, uint64_t index)
{
    struct raft_pos last;

    assert(index > 0);
    if (index > g->last.index) {
        return;
    }
    last.index = index - 1;
    last.term = wal_group_term_at(g, index - 1);
    while (g->n_runs > 0 && g->runs[g->n_runs - 1].first >= index) {
        g->n_runs--;
    }
    while (g->n_points > 0 && g->points[g->n_points - 1].first >= index) {
        g->n_points--;
    }
    drop_configs_from(g, index);
    g->first = MIN_OF(g->first, index);
    g->last = last;
    g->new_point = true;
}

static void *grow(void *array, size_t *cap, size_t element)
{
    *cap = *cap == 0 ? 16 : *cap * 2;
    return mem_realloc(array, *cap * element);
}

void wal_group_append(struct wal_group_state *g, struct raft_pos pos, uint64_t segment,
                      uint64_t offset)
{
    const struct wal_point *p = g->n_points > 0 ? &g->points[g->n_points - 1] : NULL;

    wal_group_cut(g, pos.index);
    assert(pos.index == g->last.index + 1);
    if (g->n_runs == 0 || g->runs[g->n_runs - 1].term != pos.term) {
        if (g->n_runs == g->cap_runs) {
            g->runs = grow(g->runs, &g->cap_runs, sizeof *g->runs);
        }
        g->runs[g->n_runs++] = (struct raft_term_run){.term = pos.term, .first = pos.index};
    }
    if (g->new_point || p == NULL || p->segment != segment ||
        offset - p->offset >= WAL_POINT_BYTES) {
        if (g->n_points == g->cap_points) {
            g->points = grow(g->points, &g->cap_points, sizeof *g->points);
        }
        g->points[g->n_points++] =
            (struct wal_point){.first = pos.index, .segment = segment, .offset = offset};
        g->new_point = false;
    }
    g->last = pos;
}

void wal_group_trim(struct wal_group_state *g, uint64_t keep_from)
{
    size_t runs = 0;
    size_t points = 0;

    if (keep_from <= g->first) {
        return;
    }
    g->first = MIN_OF(keep_from, g->last.index + 1);
    if (g->first > g->last.index) {
        g->n_runs = 0;
        g->n_points = 0;
        g->new_point = true;
        return;
    }
    while (runs + 1 < g->n_runs && g->runs[runs + 1].first <= g->first) {
        runs++;
    }
    while (points + 1 < g->n_points && g->points[points + 1].first <= g->first) {
        points++;
    }
    g->n_runs -= runs;
    g->n_points -= points;
    memmove(g->runs, g->runs + runs, g->n_runs * sizeof *g->runs);
    memmove(g->points, g->points + points, g->n_points * sizeof *g->points);
    g->runs[0].first = MAX_OF(g->runs[0].first, g->first);
}

void wal_group_install(struct wal_group_state *g, struct raft_pos pos,
                       const struct raft_members *members)
{
    g->n_runs = 0;
    g->n_points = 0;
    g->new_point = true;
    drop_configs_from(g, 0);
    wal_group_free(g->kept);
    g->kept = NULL;
    g->snapshot = pos;
    g->members = *members;
    g->last = pos;
    g->first = pos.index + 1;
}

/* Exchange the logs of two states; all else stays. */
static void swap_logs(struct wal_group_state *a, struct wal_group_state *b)
{
    struct wal_group_state t = *a;

    a->first = b->first;
    a->last = b->last;
    a->runs = b->runs;
    a->n_runs = b->n_runs;
    a->cap_runs = b->cap_runs;
    a->points = b->points;
    a->n_points = b->n_points;
    a->cap_points = b->cap_points;
    a->configs = b->configs;
    a->n_configs = b->n_configs;
    a->cap_configs = b->cap_configs;
    b->first = t.first;
    b->last = t.last;
    b->runs = t.runs;
    b->n_runs = t.n_runs;
    b->cap_runs = t.cap_runs;
    b->points = t.points;
    b->n_points = t.n_points;
    b->cap_points = t.cap_points;
    b->configs = t.configs;
    b->n_configs = t.n_configs;
    b->cap_configs = t.cap_configs;
    a->new_point = b->new_point = true;
}

void wal_group_detach(struct wal_group_state *g, struct raft_pos last)
{
    if (g->kept == NULL) {
        g->kept = wal_group_new(g->group);
        swap_logs(g, g->kept);
    }
    g->n_runs = 0;
    g->n_points = 0;
    drop_configs_from(g, 0);
    g->last = last;
    g->first = last.index + 1;
    g->new_point = true;
}

void wal_group_reattach(struct wal_group_state *g)
{
    assert(g->kept != NULL);
    swap_logs(g, g->kept);
    wal_group_free(g->kept);
    g->kept = NULL;
}

const struct wal_point *wal_group_find(const struct wal_group_state *g, uint64_t index)
{
    size_t lo = 0;
    size_t hi = g->n_points;

    if (hi == 0 || g->points[0].first > index) {
        return NULL;
    }
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (g->points[mid].first <= index) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return &g->points[lo];
}
