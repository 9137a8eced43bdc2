/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_view.h - which entries of each group a log holds in the end.
 *
 * Records are taken in the order of the log. An entry cuts off what stood at its index and behind
 * (Raft overwrites a tail that was not committed), an installed snapshot replaces everything. What
 * is left is kept as runs: entries first..end-1 of one term, in order, from a place in the log on.
 *
 * An entry at a place belongs to the log exactly when the last run that begins at or before the
 * place covers its index: whatever was cut has an index at or behind the end of the run before,
 * which therefore never grows again. */
#ifndef SENTINEL_LOG_VIEW_H
#define SENTINEL_LOG_VIEW_H

#include "proto/wal_format.h"

struct log_run {
    uint64_t first, end; /* indexes [first, end); never empty */
    uint64_t term;
    uint64_t segment, offset; /* of the first entry */
    bool loose;               /* does not continue the entry before: that one was lost */
};

struct log_group {
    uint32_t group;
    uint64_t hard_term, vote;
    uint64_t commit;                /* highest index known to be committed: a lower bound */
    uint64_t snap_term, snap_index; /* newest marker */
    uint64_t last_term, last_index;
    bool damaged;         /* the newest baseline says that records were lost */
    bool new_run;         /* something was cut: the next entry begins a run */
    bool next_loose;      /* what comes next does not continue the entries read */
    struct log_run *runs; /* ascending by index and by place */
    size_t n, cap;
};

struct log_view {
    struct log_group *groups;
    size_t n;
    uint64_t first_segment; /* 0: none seen */
    uint64_t node;          /* of the newest header */
    char cluster_id[41];
    bool foreign; /* a segment is of another node or cluster than those before */
};

void log_view_segment(struct log_view *v, const struct wal_segment_header *h);
void log_view_record(struct log_view *v, uint64_t segment, const struct wal_record *r);
void log_view_release(struct log_view *v);

const struct log_group *log_view_group(const struct log_view *v, uint32_t group);
/* Whether the entry @index at this place was not overwritten. */
bool log_view_has(const struct log_group *g, uint64_t segment, uint64_t offset, uint64_t index);
/* Last index up to which no entry is missing behind the snapshot (which counts itself). */
uint64_t log_view_whole(const struct log_group *g);
/* Term of an entry, or of the snapshot; 0 when it is not known. */
uint64_t log_view_term(const struct log_group *g, uint64_t index);

#endif
