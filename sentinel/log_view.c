/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_view.c - see log_view.h. */
#include "sentinel/log_view.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct log_group *get_group(struct log_view *v, uint32_t group)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->groups[i].group == group) {
            return &v->groups[i];
        }
    }
    v->groups = mem_realloc(v->groups, (v->n + 1) * sizeof *v->groups);
    v->groups[v->n] = (struct log_group){.group = group};
    return &v->groups[v->n++];
}

const struct log_group *log_view_group(const struct log_view *v, uint32_t group)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->groups[i].group == group) {
            return &v->groups[i];
        }
    }
    return NULL;
}

void log_view_segment(struct log_view *v, const struct wal_segment_header *h)
{
    if (v->first_segment == 0) {
        v->first_segment = h->number;
    } else if (v->node != h->node || strcmp(v->cluster_id, h->cluster_id) != 0) {
        v->foreign = true;
    }
    v->node = h->node;
    memcpy(v->cluster_id, h->cluster_id, sizeof v->cluster_id);
}

void log_view_release(struct log_view *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->groups[i].runs);
    }
    free(v->groups);
    memset(v, 0, sizeof *v);
}

/* ---- runs ---------------------------------------------------------------------------------- */

uint64_t log_view_term(const struct log_group *g, uint64_t index)
{
    for (size_t i = g->n; i-- > 0;) {
        if (g->runs[i].first <= index) {
            return index < g->runs[i].end   ? g->runs[i].term
                   : index == g->snap_index ? g->snap_term
                                            : 0;
        }
    }
    return index == g->snap_index ? g->snap_term : 0;
}

/* Entries from @index on are gone. */
static void cut(struct log_group *g, uint64_t index)
{
    while (g->n > 0 && g->runs[g->n - 1].first >= index) {
        g->n--;
    }
    if (g->n > 0) {
        g->runs[g->n - 1].end = MIN_OF(g->runs[g->n - 1].end, index);
    }
    if (g->last_index >= index) {
        g->new_run = true;
        g->last_index = index - 1;
        g->last_term = log_view_term(g, index - 1);
    }
}

static void drop_all(struct log_group *g, uint64_t index, uint64_t term)
{
    g->n = 0;
    g->next_loose = false;
    g->last_index = index;
    g->last_term = term;
}

static void begin_run(struct log_group *g, struct log_run run)
{
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 16 : 2 * g->cap;
        g->runs = mem_realloc(g->runs, g->cap * sizeof *g->runs);
    }
    g->runs[g->n++] = run;
}

/* Whether an entry continues the last run. */
static bool continues(const struct log_group *g, const struct wal_record *r)
{
    return g->n > 0 && !g->new_run && g->runs[g->n - 1].end == r->index &&
           g->runs[g->n - 1].term == r->term;
}

static void take_entry(struct log_group *g, uint64_t segment, const struct wal_record *r)
{
    bool loose;

    if (r->index == 0) {
        return; /* no writer makes such a thing */
    }
    cut(g, r->index);
    /* A term that is not known says nothing: the entries before may be gone for good reason. */
    loose = r->index != g->last_index + 1 || (g->last_term != 0 && g->last_term != r->prev_term) ||
            g->next_loose;
    g->next_loose = false;
    if (!loose && continues(g, r)) {
        g->runs[g->n - 1].end++;
    } else {
        begin_run(g, (struct log_run){.first = r->index,
                                      .end = r->index + 1,
                                      .term = r->term,
                                      .segment = segment,
                                      .offset = r->offset,
                                      .loose = loose});
    }
    g->new_run = false;
    g->last_index = r->index;
    g->last_term = r->term;
}

/* What a snapshot says is committed. */
static void take_marker(struct log_group *g, const struct wal_record *r)
{
    if (r->index >= g->snap_index) {
        g->snap_index = r->index;
        g->snap_term = r->term;
    }
    g->commit = MAX_OF(g->commit, r->index);
    if (r->index > g->last_index) {
        drop_all(g, r->index, r->term); /* entries were lost, but the snapshot has what they did */
    }
}

static void take_hard(struct log_group *g, const struct wal_record *r)
{
    if (r->hard_term >= g->hard_term) {
        g->hard_term = r->hard_term;
        g->vote = r->vote;
    }
    g->commit = MAX_OF(g->commit, r->commit);
}

/* The state of the group as the writer of the segment knew it. Where the entries read before end
 * elsewhere, records were lost, or a repair has given up what is behind a gap. */
static void take_baseline(struct log_group *g, const struct wal_record *r, bool oldest)
{
    take_hard(g, r);
    g->damaged = (r->detail & WAL_BASELINE_DAMAGED) != 0;
    if (oldest) {
        drop_all(g, r->last_index, r->last_term); /* in segments that nobody needs any more */
    } else if (r->last_index < g->last_index) {
        cut(g, r->last_index + 1);
    }
    if (r->last_index > g->last_index || r->last_term != g->last_term) {
        g->last_index = r->last_index;
        g->last_term = r->last_term;
        g->next_loose = true;
    }
    take_marker(g, r);
}

void log_view_record(struct log_view *v, uint64_t segment, const struct wal_record *r)
{
    struct log_group *g = get_group(v, r->group);

    switch ((enum wal_record_type)r->type) {
    case WAL_RECORD_ENTRY:
        take_entry(g, segment, r);
        break;
    case WAL_RECORD_HARD:
        take_hard(g, r);
        break;
    case WAL_RECORD_INSTALL:
        g->snap_index = r->index;
        g->snap_term = r->term;
        g->commit = MAX_OF(g->commit, r->index);
        drop_all(g, r->index, r->term);
        break;
    case WAL_RECORD_COMPACT:
        take_marker(g, r);
        break;
    case WAL_RECORD_BASELINE:
        take_baseline(g, r, segment == v->first_segment);
        break;
    case WAL_RECORD_REPAIRED:
        g->damaged = false;
        break;
    }
}

/* ---- questions ----------------------------------------------------------------------------- */

bool log_view_has(const struct log_group *g, uint64_t segment, uint64_t offset, uint64_t index)
{
    size_t lo = 0;
    size_t hi = g->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct log_run *run = &g->runs[mid];

        if (run->segment < segment || (run->segment == segment && run->offset <= offset)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo > 0 && index >= g->runs[lo - 1].first && index < g->runs[lo - 1].end;
}

uint64_t log_view_whole(const struct log_group *g)
{
    uint64_t whole = g->snap_index;
    uint64_t term = g->snap_term;

    for (size_t i = 0; i < g->n; i++) {
        const struct log_run *run = &g->runs[i];

        if (run->end <= g->snap_index + 1) {
            continue; /* kept for slow followers */
        }
        if (run->first > whole + 1 || run->term < term ||
            (run->loose && run->first > g->snap_index + 1)) {
            break;
        }
        if (run->first <= g->snap_index && run->term != g->snap_term) {
            break; /* not the log that led to the snapshot */
        }
        whole = run->end - 1;
        term = run->term;
    }
    return whole;
}
