/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/status.c - looking at a replica, and its invariants. */
#include "raft/core/core.h"
#include "raft/core/members.h"

void raft_get_status(const struct raft *r, struct raft_status *out)
{
    *out = (struct raft_status){
        .id = r->config.id,
        .term = r->term,
        .vote = r->vote,
        .leader = r->leader,
        .role = r->role,
        .last = raft_log_last(&r->log),
        .snapshot = r->log.base,
        .commit = r->commit,
        .applied = r->applied,
        .persisted = r->persisted,
        .uncommitted_bytes = r->uncommitted_bytes,
        .cached_bytes = r->log.cached_bytes,
        .lease_until_us = r->lease_until_us,
        .tail_suspect = r->tail_suspect,
        .transferring = r->transfer.target != RAFT_NONE,
        .change_pending = raft_change_open(r),
        .members = *raft_log_members(&r->log),
    };
    if (r->role != RAFT_ROLE_LEADER) {
        return;
    }
    for (size_t i = 0; i < r->n_peers; i++) {
        const struct peer *p = &r->peers[i];

        if (p->id == r->config.id) {
            continue;
        }
        out->peers[out->n_peers++] = (struct raft_peer_status){
            .id = p->id,
            .flags = p->flags,
            .match = p->match,
            .next = p->next,
            .active = r->now_us - p->heard_us < r->config.election_timeout_us,
            .in_snapshot = p->state == PEER_SNAPSHOT,
            .last_heard_us = p->heard_us,
        };
    }
}

const struct raft_members *raft_get_members(const struct raft *r)
{
    return raft_log_members(&r->log);
}

int raft_members_at(const struct raft *r, uint64_t index, struct raft_members *out)
{
    if (index < r->log.base.index) {
        return RAFT_ERR_COMPACTED;
    }
    if (index > r->log.last) {
        return RAFT_ERR_CONFIG;
    }
    *out = *raft_log_members_at(&r->log, index);
    return RAFT_OK;
}

uint64_t raft_term_at(const struct raft *r, uint64_t index)
{
    return raft_log_term_at(&r->log, index);
}

int raft_get_entries(const struct raft *r, uint64_t first, size_t max, uint64_t bytes_max,
                     struct raft_entry **out, size_t *n)
{
    uint64_t bytes = 0;

    *n = 0;
    if (first <= r->log.base.index) {
        return RAFT_ERR_COMPACTED;
    }
    if (first > r->log.last) {
        return RAFT_OK;
    }
    if (first < r->log.cache_first) {
        return RAFT_ERR_NOT_CACHED;
    }
    while (*n < max && first + *n <= r->log.last) {
        struct raft_entry *e = raft_log_get(&r->log, first + *n);

        bytes += entry_cost(e);
        if (*n > 0 && bytes > bytes_max) {
            break;
        }
        out[(*n)++] = e;
    }
    return RAFT_OK;
}

static void check_peers(const struct raft *r)
{
    const struct raft_members *m = raft_log_members(&r->log);

    assert(r->n_peers == m->n);
    for (size_t i = 0; i < r->n_peers; i++) {
        const struct peer *p = &r->peers[i];
        uint64_t bytes = 0;

        assert(p->id == m->m[i].id);
        assert(p->flags == m->m[i].flags);
        if (r->role != RAFT_ROLE_LEADER || p->id == r->config.id) {
            continue;
        }
        assert(p->match < p->next);
        assert(p->match <= r->log.last);
        assert(p->next <= r->log.last + 1);
        assert(p->n_inflight <= r->config.inflight_messages_max);
        for (uint32_t j = 0; j < p->n_inflight; j++) {
            bytes += p->inflight[(p->inflight_head + j) % r->config.inflight_messages_max].bytes;
        }
        assert(bytes == p->inflight_bytes);
    }
}

void raft_check(const struct raft *r)
{
    raft_log_check(&r->log);
    check_peers(r);
    assert(r->commit >= r->log.base.index);
    assert(r->commit <= r->log.last);
    assert(r->applied <= r->commit);
    assert(r->handed <= r->log.last);
    assert(r->handed + 1 >= r->log.cache_first); /* the rest is still here to be handed out */
    assert(r->persisted <= r->handed || RAFT_HAS_BUG(RAFT_BUG_LATE_PERSISTED));
    assert(r->matched <= r->log.last);
    assert(r->hard_durable <= r->hard_out);
    assert(r->hard_out <= r->hard_seq);
    if (RAFT_BUG == 0) {
        assert(r->term >= raft_log_last(&r->log).term);
    }
    switch (r->role) {
    case RAFT_ROLE_LEADER:
        assert(r->leader == r->config.id);
        assert(r->noop_index > 0);
        assert(r->noop_index <= r->log.last);
        assert(raft_log_last(&r->log).term == r->term);
        assert(!r->tail_suspect);
        break;
    case RAFT_ROLE_CANDIDATE:
        assert(r->vote == r->config.id || RAFT_BUG != 0);
        assert(r->leader == RAFT_NONE);
        break;
    case RAFT_ROLE_PRE_CANDIDATE:
        assert(r->leader == RAFT_NONE);
        break;
    case RAFT_ROLE_FOLLOWER:
        assert(r->leader != r->config.id);
        break;
    }
    if (r->role != RAFT_ROLE_LEADER) {
        assert(r->n_reads == 0);
        assert(r->transfer.target == RAFT_NONE);
        assert(r->lease_until_us == 0);
        assert(r->noop_index == 0);
    }
}
