/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_group.h - what the log knows of one group: hard state, snapshot marker, and where
 * its entries lie.
 *
 * first..last.index are the entries that can be read (first == last.index + 1: none). Runs give
 * their terms, points some of their places: a point says where one entry is, and the entries up
 * to the next point follow it in the same segment, in order and each once, because every
 * overwrite begins a point of its own. */
#ifndef RAFT_WAL_GROUP_H
#define RAFT_WAL_GROUP_H

#include "raft/raft.h"

struct wal_point {
    uint64_t first;   /* index of the entry at .. */
    uint64_t segment; /* .. this segment, .. */
    uint64_t offset;  /* .. this offset of the file */
};

/* A point is set at least every so many bytes of log; what a read scans in vain is below it. */
#define WAL_POINT_BYTES (64u << 10)

struct wal_group_state {
    uint32_t group;
    struct raft_hard_state hard;
    struct raft_pos snapshot;
    struct raft_members members; /* at the snapshot */
    uint64_t first;
    struct raft_pos last;
    bool damaged;   /* lost records, not repaired yet: stored in baselines */
    bool new_point; /* the next entry gets a point */

    struct raft_term_run *runs; /* ascending; cover first..last.index */
    size_t n_runs, cap_runs;
    struct wal_point *points; /* ascending; points[0].first <= first */
    size_t n_points, cap_points;

    /* Recovery only. */
    bool in_question;   /* records were lost that may have been this group's */
    uint64_t term_seen; /* highest term in any readable record: the hard state's at least */
    struct raft_entry **configs;
    size_t n_configs, cap_configs;
    struct wal_group_state *kept; /* its log is this one's up to the first gap; NULL: no gap */
};

struct wal_group_state *wal_group_new(uint32_t group);
void wal_group_free(struct wal_group_state *g);

/* Term of the entry at @index, or at the snapshot; 0 when that is not known. */
uint64_t wal_group_term_at(const struct wal_group_state *g, uint64_t index);
/* Entries from @index on are gone. */
void wal_group_cut(struct wal_group_state *g, uint64_t index);
/* The entry @pos is at @offset of @segment; it replaces what was at its index and behind.
 * pos.index <= last.index + 1. */
void wal_group_append(struct wal_group_state *g, struct raft_pos pos, uint64_t segment,
                      uint64_t offset);
/* Entries before @keep_from are gone. */
void wal_group_trim(struct wal_group_state *g, uint64_t keep_from);
/* The log is empty, behind a snapshot at @pos. */
void wal_group_install(struct wal_group_state *g, struct raft_pos pos,
                       const struct raft_members *members);
/* Entries were lost: the log goes on behind @last, and what was before the gap is kept aside. */
void wal_group_detach(struct wal_group_state *g, struct raft_pos last);
/* Give up what is behind the gap. There is one. */
void wal_group_reattach(struct wal_group_state *g);
/* The point at or before the entry @index, in first..last.index; NULL when there is none. */
const struct wal_point *wal_group_find(const struct wal_group_state *g, uint64_t index);

#endif
