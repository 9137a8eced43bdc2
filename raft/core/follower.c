/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/follower.c - what a replica does with a leader's APPENDs and snapshots (thesis 3.5, 5).
 *
 * 'matched' is how far our log is known to equal the leader's; an acknowledgement says
 * min(matched, durable) and is built when the outputs are drained, so that many APPENDs cost one
 * answer. An empty APPEND is answered at once: the leader's lease, its reads and its liveness
 * check must not wait for a disk. */
#include "raft/core/core.h"
#include "raft/core/members.h"

/* ---- checking --------------------------------------------------------------------------- */

static int check_entries(const struct raft_message *m)
{
    struct raft_pos prev = m->pos;

    if (m->n_entries > 0 && m->entries == NULL) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct raft_entry *e = m->entries[i];

        if (e == NULL || e->pos.index != prev.index + 1 || e->pos.term < prev.term ||
            e->pos.term == 0 || e->pos.term > m->term || e->type > RAFT_ENTRY_CONFIG ||
            e->size > RAFT_ENTRY_BYTES_MAX) {
            return RAFT_ERR_BAD_MESSAGE;
        }
        if (e->type == RAFT_ENTRY_CONFIG) {
            struct raft_members members;

            if (raft_members_decode(e->data, e->size, &members) != RAFT_OK) {
                return RAFT_ERR_BAD_MESSAGE;
            }
        }
        prev = e->pos;
    }
    return RAFT_OK;
}

/* Whatever a peer sends must not get past this into an assertion. */
int raft_check_append(const struct raft *r, const struct raft_message *m)
{
    if ((m->pos.index == 0) != (m->pos.term == 0) || m->pos.term > m->term ||
        m->pos.index > NUMBER_MAX || m->sent_us < 0) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    if (m->term == r->term &&
        (r->role == RAFT_ROLE_LEADER || (r->leader != RAFT_NONE && r->leader != m->from))) {
        return RAFT_ERR_BAD_MESSAGE; /* two leaders in one term */
    }
    if (check_entries(m) != RAFT_OK) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    if (m->term < r->term || RAFT_HAS_BUG(RAFT_BUG_TRUNCATE_ALWAYS)) {
        return RAFT_OK;
    }
    /* A leader holds everything committed; one that contradicts it is none of ours. */
    for (uint32_t i = 0; i < m->n_entries && m->entries[i]->pos.index <= r->commit; i++) {
        struct raft_pos p = m->entries[i]->pos;

        if (p.index >= r->log.base.index && raft_log_term_at(&r->log, p.index) != p.term) {
            return RAFT_BUG == 0 ? RAFT_ERR_BAD_MESSAGE : RAFT_OK;
        }
    }
    return RAFT_OK;
}

/* ---- entries ----------------------------------------------------------------------------- */

static void cut(struct raft *r, uint64_t from)
{
    uint64_t members_index = raft_log_members_index(&r->log);

    assert(from > r->commit || RAFT_BUG != 0);
    raft_log_truncate(&r->log, from);
    if (from <= r->handed) {
        r->cut.index = r->cut.hard_seq == r->hard_seq ? MIN_OF(r->cut.index, from) : from;
        r->cut.hard_seq = r->hard_seq;
        r->handed = from - 1;
    }
    if (!RAFT_HAS_BUG(RAFT_BUG_LATE_PERSISTED)) {
        r->persisted = MIN_OF(r->persisted, from - 1);
    }
    r->matched = MIN_OF(r->matched, from - 1);
    r->commit = MIN_OF(r->commit, from - 1); /* only with an injected bug */
    if (members_index != raft_log_members_index(&r->log)) {
        raft_sync_members(r);
    }
}

/* Thesis figure 3.1, AppendEntries receiver 3 and 4: delete from the first conflict on, append what
 * is new. An entry we hold already is skipped: this may be an old message, shorter than our log. */
static void take_entries(struct raft *r, const struct raft_message *m)
{
    bool members = false;

    for (uint32_t i = 0; i < m->n_entries; i++) {
        struct raft_entry *e = m->entries[i];

        if (e->pos.index <= r->log.base.index) {
            continue; /* behind our snapshot: committed, so surely the same */
        }
        if (e->pos.index <= r->log.last) {
            if (raft_log_term_at(&r->log, e->pos.index) == e->pos.term) {
                continue;
            }
            cut(r, e->pos.index);
        }
        raft_log_append(&r->log, e);
        members |= e->type == RAFT_ENTRY_CONFIG;
    }
    if (RAFT_HAS_BUG(RAFT_BUG_TRUNCATE_ALWAYS) &&
        m->pos.index + m->n_entries >= r->log.base.index &&
        m->pos.index + m->n_entries < r->log.last) {
        cut(r, m->pos.index + m->n_entries + 1);
    }
    if (members) {
        raft_sync_members(r);
    }
}

void raft_commit_to(struct raft *r, uint64_t index)
{
    if (index <= r->commit) {
        return;
    }
    assert(index <= r->log.last);
    r->commit = index;
    raft_evict(r);
}

/* Where to try next: the newest entry of ours that is not of a later term than the one refused.
 * The leader looks at it the same way, so each round trip skips a whole term on both sides. */
static void reject(struct raft *r, const struct raft_message *m)
{
    uint64_t at = raft_log_find_agreeable(&r->log, m->pos.index, m->pos.term);
    struct raft_message *out;

    at = MAX_OF(at, r->log.base.index);
    out = raft_push_message(r, RAFT_MSG_APPEND_REPLY, m->from);
    out->term = r->term;
    out->reject = true;
    out->match = m->pos.index;
    out->pos = (struct raft_pos){.term = raft_log_term_at(&r->log, at), .index = at};
    out->last = r->matched;
    out->sent_us = r->echo_sent_us;
    out->read_seq = r->echo_read_seq;
    out->tail_suspect = r->tail_suspect;
    out->commit = r->tail_suspect ? r->suspect_nonce : 0;
}

/* The leader knows that our tail may be lost (it echoes this run's number): once we hold durably
 * all that it held when it said so, we hold every entry we may ever have acknowledged and that was
 * committed, because any leader does. */
static void suspect_contact(struct raft *r, const struct raft_message *m)
{
    if (r->tail_suspect && r->suspect_target == 0 && m->match == r->suspect_nonce) {
        r->suspect_target = MAX_OF(m->last, 1);
    }
}

void raft_suspect_progress(struct raft *r)
{
    if (r->tail_suspect && r->suspect_target != 0 && r->hard_durable == r->hard_seq &&
        MIN_OF(r->persisted, r->matched) >= r->suspect_target) {
        r->tail_suspect = false;
        r->ack_owed = r->ack_now = true; /* the leader may stop telling us */
        raft_reset_election_timer(r);
    }
}

void raft_on_append(struct raft *r, const struct raft_message *m)
{
    uint64_t end = m->pos.index + m->n_entries;
    bool new_round;

    if (m->term < r->term) {
        /* An old leader, or we were the candidate of a term nobody joined: the term tells it. */
        struct raft_message *out = raft_push_message(r, RAFT_MSG_APPEND_REPLY, m->from);

        out->term = r->term;
        out->reject = true;
        return;
    }
    if (m->term > r->term || r->role != RAFT_ROLE_FOLLOWER) {
        raft_become_follower(r, m->term, m->from);
    }
    r->leader = m->from;
    r->heard_us = r->now_us;
    raft_reset_election_timer(r);

    new_round = m->read_seq > r->echo_read_seq;
    r->echo_read_seq = MAX_OF(r->echo_read_seq, m->read_seq);
    r->echo_sent_us = MAX_OF(r->echo_sent_us, m->sent_us);
    suspect_contact(r, m);
    r->matched = MAX_OF(r->matched, r->commit);

    if (m->pos.index > r->log.last || (m->pos.index >= r->log.base.index &&
                                       raft_log_term_at(&r->log, m->pos.index) != m->pos.term)) {
        reject(r, m);
        return;
    }
    take_entries(r, m);
    r->matched = MAX_OF(r->matched, MIN_OF(end, r->log.last));
    /* Not beyond what is known to be the leader's: the rest of our log may be a stale tail. */
    raft_commit_to(r, MIN_OF(m->commit, RAFT_HAS_BUG(RAFT_BUG_COMMIT_UNMATCHED_TAIL) ? r->log.last
                                                                                     : r->matched));
    r->matched = MAX_OF(r->matched, r->commit);
    r->ack_owed = true;
    r->ack_now |= m->n_entries == 0 || new_round;
    raft_suspect_progress(r);
}

/* ---- answering --------------------------------------------------------------------------- */

void raft_flush_ack(struct raft *r)
{
    uint64_t match =
        RAFT_HAS_BUG(RAFT_BUG_ACK_BEFORE_DURABLE) ? r->matched : MIN_OF(r->matched, r->persisted);
    struct raft_message *m;

    if (!r->ack_owed || r->role != RAFT_ROLE_FOLLOWER || r->leader == RAFT_NONE) {
        return;
    }
    /* Also the term is a promise: it must survive before anyone counts on it. */
    if (r->hard_durable < r->hard_seq && !RAFT_HAS_BUG(RAFT_BUG_ACK_BEFORE_DURABLE)) {
        return;
    }
    if (!r->ack_now && match < r->matched && match <= r->acked) {
        return; /* news comes with the disk's answer */
    }
    m = raft_push_message(r, RAFT_MSG_APPEND_REPLY, r->leader);
    m->term = r->term;
    m->match = match;
    m->last = r->matched;
    m->sent_us = r->echo_sent_us;
    m->read_seq = r->echo_read_seq;
    m->tail_suspect = r->tail_suspect;
    m->commit = r->tail_suspect ? r->suspect_nonce : 0;
    r->acked = match;
    r->ack_now = false;
    r->ack_owed = match < r->matched;
}

/* ---- snapshots --------------------------------------------------------------------------- */

static void install(struct raft *r, struct raft_pos pos, const struct raft_members *members)
{
    uint64_t from = r->commit + 1;

    raft_log_install(&r->log, pos, members);
    if (from <= r->handed) {
        r->cut.index = r->cut.hard_seq == r->hard_seq ? MIN_OF(r->cut.index, from) : from;
        r->cut.hard_seq = r->hard_seq;
    }
    r->persisted = MIN_OF(r->persisted, r->commit);
    r->commit = pos.index;
    r->handed = pos.index;
    r->matched = pos.index; /* what stood behind it is gone, if only because a peer lies */
    r->install = true;
    r->install_pos = pos;
    r->install_members = *members;
    raft_sync_members(r);
}

int raft_on_snapshot(struct raft *r, const struct raft_input *in)
{
    struct raft_pos pos = in->snapshot.pos;
    uint64_t term = in->snapshot.term;

    if (pos.index == 0 || pos.index > NUMBER_MAX || pos.term == 0 || pos.term > term ||
        term > NUMBER_MAX || in->snapshot.from == RAFT_NONE || in->snapshot.from == r->config.id ||
        in->snapshot.members == NULL || !raft_members_valid(in->snapshot.members) ||
        (term == r->term && r->role == RAFT_ROLE_LEADER)) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    if (RAFT_HAS_BUG(RAFT_BUG_SNAPSHOT_RESETS_TERM)) {
        r->term = pos.term;
        r->vote = RAFT_NONE;
        raft_hard_changed(r);
    }
    if (term > r->term || (term == r->term && r->role != RAFT_ROLE_FOLLOWER)) {
        raft_become_follower(r, term, in->snapshot.from);
    }
    if (r->role == RAFT_ROLE_LEADER) {
        return RAFT_OK; /* from the leader of an older term; we hold all that is in it */
    }
    /* What a snapshot holds is committed, so it is good whoever's term has ended since. It never
     * takes anything away: not the term, not the vote, nothing committed, and no entry of a log
     * that holds its position (Raft paper, figure 13, 6), hence no newer membership either. */
    if (pos.index > r->commit) {
        if (raft_log_term_at(&r->log, pos.index) == pos.term) {
            raft_commit_to(r, pos.index);
        } else {
            install(r, pos, in->snapshot.members);
        }
    }
    if (RAFT_HAS_BUG(RAFT_BUG_SNAPSHOT_DROPS_MEMBERS)) {
        r->log.configs[r->log.n_configs - 1].members = *in->snapshot.members;
        raft_sync_members(r);
    }
    r->matched = MAX_OF(r->matched, r->commit);
    r->ack_owed = r->ack_now = true;
    return RAFT_OK;
}
