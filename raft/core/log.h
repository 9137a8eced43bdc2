/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/log.h - what the core knows of the log in memory: its ends, the term of every entry
 * (as runs), its configurations, and the newest entries themselves.
 *
 *   base            cache_first                last
 *    |  on disk only    |  in memory (a ring)   |
 *
 * The cached entries are always a suffix. Nothing here is about durability. */
#ifndef RAFT_CORE_LOG_H
#define RAFT_CORE_LOG_H

#include "raft/raft.h"

/* What an entry costs besides its payload: counted wherever bytes are bounded, so that a million
 * empty entries are not free. */
#define ENTRY_OVERHEAD 64u

struct raft_log_config {
    uint64_t index;
    struct raft_members members;
};

struct raft_log {
    struct raft_pos base; /* the log begins behind it */
    uint64_t last;        /* == base.index: empty */
    struct raft_term_run *runs;
    size_t n_runs, cap_runs;
    struct raft_entry **ring; /* entry i is at ring[i & (cap_ring - 1)] */
    size_t cap_ring;          /* power of two */
    uint64_t cache_first;     /* last + 1: none cached */
    uint64_t cached_bytes;
    struct raft_log_config *configs; /* [0] is that of the base */
    size_t n_configs, cap_configs;
};

static inline uint64_t entry_cost(const struct raft_entry *e) { return e->size + ENTRY_OVERHEAD; }

/* From what recovery found. RAFT_ERR_CONFIG: not possible as a log. */
MUST_CHECK int raft_log_init(struct raft_log *l, const struct raft_restore *restore);
void raft_log_release(struct raft_log *l);

struct raft_pos raft_log_last(const struct raft_log *l);
uint64_t raft_log_term_at(const struct raft_log *l, uint64_t index); /* 0: outside base..last */
/* The largest index <= @index whose term is <= @term; base.index - 1 when even the base is newer
 * (0 stays 0). */
uint64_t raft_log_find_agreeable(const struct raft_log *l, uint64_t index, uint64_t term);
const struct raft_members *raft_log_members(const struct raft_log *l);
uint64_t
raft_log_members_index(const struct raft_log *l); /* index of that entry; base.index at least */
const struct raft_members *raft_log_members_at(const struct raft_log *l, uint64_t index);

/* Takes a reference. @e->pos is last + 1; a CONFIG entry has been checked to decode. */
void raft_log_append(struct raft_log *l, struct raft_entry *e);
/* Cut @from..last. */
void raft_log_truncate(struct raft_log *l, uint64_t from);
/* The entry, borrowed, or NULL when it is not in memory. */
struct raft_entry *raft_log_get(const struct raft_log *l, uint64_t index);
void raft_log_compact(struct raft_log *l, struct raft_pos pos);
void raft_log_install(struct raft_log *l, struct raft_pos pos, const struct raft_members *members);
/* Drop cached entries, oldest first, while more than @keep_bytes are cached: those up to @safe;
 * while more than 4 * @keep_bytes also those up to @forced that no proposer here waits for. */
void raft_log_evict(struct raft_log *l, uint64_t keep_bytes, uint64_t safe, uint64_t forced);
void raft_log_check(const struct raft_log *l);

#endif
