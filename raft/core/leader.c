/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/leader.c - a leader's proposals, commit index, liveness check, lease and reads
 * (thesis 3.5, 3.6.2, 6.2, 6.4).
 *
 * A lease begins when the newest message left that a majority has answered, on the leader's own
 * clock: each of those voters received it later than that and refuses votes for a whole election
 * timeout from then on, on its clock. The two clocks may run at different rates, hence the margin.
 */
#include "raft/core/array.h"
#include "raft/core/core.h"

/* ---- taking and leaving office ----------------------------------------------------------- */

void raft_lead(struct raft *r)
{
    r->uncommitted_bytes = 0;
    r->commit_notify_at_us = INT64_MAX;
    r->transfer.target = RAFT_NONE;
    r->no_lease.peer = RAFT_NONE;
    r->lease_until_us = 0;
    r->read_seq = 0;
    assert(r->n_reads == 0);
    for (size_t i = 0; i < r->n_peers; i++) {
        raft_peer_reset(r, &r->peers[i]);
    }
    r->heartbeat_at_us = r->now_us + r->config.heartbeat_us;
    r->quorum_check_at_us = r->now_us + r->config.election_timeout_us;
    /* Entries of older terms are committed only through one of this term (thesis 3.6.2). */
    r->noop_index = r->log.last + 1;
    raft_append_internal(r, RAFT_ENTRY_NOOP, NULL, 0);
}

void raft_stop_leading(struct raft *r)
{
    for (size_t i = 0; i < r->n_reads; i++) {
        r->reads_lost = array_grow(r->reads_lost, &r->cap_reads_lost, r->n_reads_lost + 1,
                                   sizeof *r->reads_lost);
        r->reads_lost[r->n_reads_lost++] = r->reads[i].token;
    }
    r->n_reads = 0;
    r->noop_index = 0;
    r->uncommitted_bytes = 0;
    r->lease_until_us = 0;
    r->transfer.target = RAFT_NONE;
}

void raft_leader_append(struct raft *r, struct raft_entry *e)
{
    e->pos = (struct raft_pos){.term = r->term, .index = r->log.last + 1};
    raft_log_append(&r->log, e);
    r->uncommitted_bytes += entry_cost(e);
    if (e->type == RAFT_ENTRY_CONFIG) {
        raft_sync_members(r);
    }
}

void raft_append_internal(struct raft *r, enum raft_entry_type type, const unsigned char *p,
                          uint32_t n)
{
    struct raft_entry *e = raft_entry_new(type, n);

    if (e == NULL) {
        abort(); /* at most half a kilobyte: as array_grow() */
    }
    for (uint32_t i = 0; i < n; i++) {
        e->data[i] = p[i];
    }
    raft_leader_append(r, e);
    raft_entry_unref(e);
}

int raft_propose(struct raft *r, struct raft_entry **entries, size_t n)
{
    uint64_t bytes = 0;

    if (r->role != RAFT_ROLE_LEADER) {
        return RAFT_ERR_NOT_LEADER;
    }
    if (r->transfer.target != RAFT_NONE && !RAFT_HAS_BUG(RAFT_BUG_TRANSFER_KEEPS_LEASE)) {
        return RAFT_ERR_TRANSFERRING;
    }
    for (size_t i = 0; i < n; i++) {
        assert(entries[i]->type == RAFT_ENTRY_DATA); /* others are the core's own */
        bytes += entry_cost(entries[i]);
    }
    /* A single proposal may be larger than the bound, but then it is alone. */
    if (r->uncommitted_bytes > 0 &&
        r->uncommitted_bytes + bytes > r->config.uncommitted_bytes_max) {
        return RAFT_ERR_BUSY;
    }
    for (size_t i = 0; i < n; i++) {
        raft_leader_append(r, entries[i]);
    }
    return RAFT_OK;
}

/* ---- commit ------------------------------------------------------------------------------ */

static uint64_t value_match(const struct raft *r, const struct peer *p)
{
    if (p->id == r->config.id) {
        return RAFT_HAS_BUG(RAFT_BUG_ACK_BEFORE_DURABLE) ? r->log.last : r->persisted;
    }
    return p->match;
}

/* Our own disk is one voter among the others: two followers may commit before it has answered. */
void raft_maybe_commit(struct raft *r)
{
    uint64_t index = raft_quorum(r, value_match), from = r->commit;

    if (index <= r->commit) {
        return;
    }
    /* Only an entry of this term is committed by counting; it takes all before it along. */
    if (raft_log_term_at(&r->log, index) != r->term && !RAFT_HAS_BUG(RAFT_BUG_COMMIT_OLD_TERM)) {
        return;
    }
    for (uint64_t i = MAX_OF(from + 1, r->noop_index); i <= index; i++) {
        uint64_t cost = entry_cost(raft_log_get(&r->log, i));

        assert(cost <= r->uncommitted_bytes);
        r->uncommitted_bytes -= cost;
    }
    raft_commit_to(r, index);
    raft_change_progress(r);
}

/* ---- replies ----------------------------------------------------------------------------- */

int raft_check_append_reply(const struct raft *r, const struct raft_message *m)
{
    if (m->term != r->term || r->role != RAFT_ROLE_LEADER) {
        return RAFT_OK; /* nothing in it will be looked at */
    }
    if (m->sent_us < 0 || m->sent_us > r->now_us || m->read_seq > r->read_seq ||
        m->last > r->log.last || (!m->reject && m->match > m->last) ||
        (m->reject && m->match > r->log.last) || m->from == r->config.id) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    return RAFT_OK;
}

/* A refusal: find the place where the logs agree, from both sides (thesis 3.5 end). */
static void on_refusal(struct raft *r, struct peer *p, const struct raft_message *m)
{
    uint64_t agree;

    if (p->state == PEER_SNAPSHOT || m->match <= p->match ||
        (p->state == PEER_PROBE && m->match != p->next - 1)) {
        return; /* about something long settled */
    }
    agree = raft_log_find_agreeable(&r->log, MIN_OF(m->pos.index, m->match - 1), m->pos.term);
    raft_peer_probe(p, agree + 1);
}

static void on_agreement(struct raft *r, struct peer *p, const struct raft_message *m)
{
    if (m->match > p->match) {
        raft_peer_acked(r, p, m->match);
    }
    switch (p->state) {
    case PEER_PROBE:
        p->probe_sent = false;
        if (m->last + 1 >= p->next) {
            p->state = PEER_REPLICATE;
            p->next = m->last + 1;
        }
        break;
    case PEER_SNAPSHOT:
        if (p->match >= r->log.base.index) {
            p->state = PEER_REPLICATE; /* the stream arrived, or was not needed */
            /* This may be an old reply, which knows less than a newer one has told. */
            p->next = MAX_OF(p->match, m->last) + 1;
        }
        break;
    default:
        p->next = MAX_OF(p->next, m->last + 1);
        break;
    }
}

/* The peer restarted and may have lost entries it once acknowledged: all we know of it is void.
 * (That it had them may have committed them; its vote is no vote until it has them again.) */
static void on_suspect(struct peer *p, const struct raft_message *m)
{
    if (!m->tail_suspect) {
        p->suspect_nonce = 0;
        return;
    }
    if (p->suspect_nonce != m->commit) {
        p->suspect_nonce = m->commit;
        p->match = 0;
        raft_peer_probe(p, m->last + 1);
        p->heartbeat_due = true; /* tell it so */
    }
}

static uint64_t value_acked_sent(const struct raft *r, const struct peer *p)
{
    return (uint64_t)(p->id == r->config.id ? r->now_us : p->acked_sent_us);
}

void raft_on_append_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *p;

    if (m->term > r->term) {
        raft_become_follower(r, m->term, RAFT_NONE);
        return;
    }
    if (m->term < r->term || r->role != RAFT_ROLE_LEADER) {
        return;
    }
    p = raft_find_peer(r, m->from);
    if (p == NULL) {
        return; /* removed meanwhile */
    }
    p->heard_us = r->now_us;
    p->acked_sent_us = MAX_OF(p->acked_sent_us,
                              RAFT_HAS_BUG(RAFT_BUG_LEASE_FROM_RECEIPT) ? r->now_us : m->sent_us);
    p->snapshot_wait = false;
    if (p->id == r->no_lease.peer && m->sent_us >= r->no_lease.since_us) {
        r->no_lease.peer = RAFT_NONE;
    }
    on_suspect(p, m);
    if (m->read_seq > p->read_acked) {
        p->read_acked = m->read_seq;
        raft_confirm_reads(r);
    }
    if (m->reject) {
        on_refusal(r, p, m);
        return;
    }
    on_agreement(r, p, m);
    if (p->match > r->commit) {
        raft_maybe_commit(r);
    }
    if (r->role == RAFT_ROLE_LEADER) {
        raft_transfer_progress(r, false);
    }
}

/* ---- liveness and lease ------------------------------------------------------------------ */

static uint64_t value_heard(const struct raft *r, const struct peer *p)
{
    return (uint64_t)(p->id == r->config.id ? r->now_us : p->heard_us);
}

void raft_leader_tick(struct raft *r)
{
    if (r->now_us >= r->heartbeat_at_us) {
        r->heartbeat_at_us = r->now_us + r->config.heartbeat_us;
        for (size_t i = 0; i < r->n_peers; i++) {
            r->peers[i].heartbeat_due = true;
            r->peers[i].read_back_wait = false;
        }
        raft_transfer_progress(r, true);
    }
    /* Check-quorum (thesis 6.2): a leader that hears from no majority is none; a client should
     * look elsewhere, and voters that are sticky to it must be let go. */
    if (r->now_us >= r->quorum_check_at_us) {
        r->quorum_check_at_us =
            (int64_t)raft_quorum(r, value_heard) + r->config.election_timeout_us;
        if (r->now_us >= r->quorum_check_at_us) {
            raft_become_follower(r, r->term, RAFT_NONE);
            return;
        }
    }
    raft_transfer_tick(r);
}

/* Replies of that time may be waiting to be read. */
void raft_leader_stalled(struct raft *r, int64_t stalled_us)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        struct peer *p = &r->peers[i];

        p->heard_us = MIN_OF(p->heard_us + stalled_us, r->now_us);
    }
    r->quorum_check_at_us += stalled_us;
}

void raft_update_lease(struct raft *r)
{
    int64_t t = r->config.election_timeout_us, start;

    r->lease_until_us = 0;
    if (r->role != RAFT_ROLE_LEADER) {
        return;
    }
    /* Before that, what older leaders committed may not be known here. */
    if (r->commit < r->noop_index && !RAFT_HAS_BUG(RAFT_BUG_SERVE_BEFORE_NOOP)) {
        return;
    }
    if ((r->transfer.target != RAFT_NONE || r->no_lease.peer != RAFT_NONE) &&
        !RAFT_HAS_BUG(RAFT_BUG_TRANSFER_KEEPS_LEASE)) {
        return;
    }
    start = (int64_t)raft_quorum(r, value_acked_sent);
    if (start == 0) {
        return;
    }
    if (RAFT_HAS_BUG(RAFT_BUG_LEASE_NO_MARGIN)) {
        r->lease_until_us = start + 2 * t;
        return;
    }
    /* Rounded up: the margin is never smaller than the drift. */
    r->lease_until_us = start + t - (t * (int64_t)r->config.lease_drift_ppm + 999999) / 1000000;
    if (r->lease_until_us < 0) {
        r->lease_until_us = 0;
    }
}

int64_t raft_leader_deadline(const struct raft *r)
{
    int64_t at = MIN_OF(r->heartbeat_at_us, r->quorum_check_at_us);

    at = MIN_OF(at, r->commit_notify_at_us);
    if (r->transfer.target != RAFT_NONE) {
        at = MIN_OF(at, r->transfer.until_us);
    }
    return at;
}

/* ---- reads ------------------------------------------------------------------------------- */

int raft_read(struct raft *r, uint64_t token)
{
    if (r->role != RAFT_ROLE_LEADER) {
        return RAFT_ERR_NOT_LEADER;
    }
    if (r->commit < r->noop_index && !RAFT_HAS_BUG(RAFT_BUG_SERVE_BEFORE_NOOP)) {
        return RAFT_ERR_NOT_READY;
    }
    if (r->n_reads >= READS_MAX) {
        return RAFT_ERR_BUSY;
    }
    r->reads = array_grow(r->reads, &r->cap_reads, r->n_reads + 1, sizeof *r->reads);
    r->reads[r->n_reads++] = (struct read_token){.token = token};
    return RAFT_OK;
}

static uint64_t value_read_acked(const struct raft *r, const struct peer *p)
{
    return p->id == r->config.id ? r->read_seq : p->read_acked;
}

void raft_confirm_reads(struct raft *r)
{
    uint64_t seq;
    size_t n = 0;

    if (r->n_reads == 0) {
        return;
    }
    seq = raft_quorum(r, value_read_acked);
    while (n < r->n_reads && r->reads[n].seq != 0 && r->reads[n].seq <= seq) {
        r->reads_done = array_grow(r->reads_done, &r->cap_reads_done, r->n_reads_done + 1,
                                   sizeof *r->reads_done);
        r->reads_done[r->n_reads_done++] = r->reads[n++].token;
    }
    for (size_t i = n; i < r->n_reads; i++) {
        r->reads[i - n] = r->reads[i];
    }
    r->n_reads -= n;
}
