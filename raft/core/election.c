/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/election.c - roles, timeouts and votes (thesis 3.4, 3.6.1, 4.2.3, 9.6).
 *
 * What keeps leases safe: a voter that heard from a leader at x refuses all votes until
 * x + election timeout, whatever happens to terms meanwhile, and after a restart it refuses for
 * that long because it forgot x. A vote forced by a transfer is exempt: the leader gave up its
 * lease before it ordered that election. */
#include "raft/core/core.h"

/* A voter of the configuration in force. Also one that it removes, as long as it is not known to be
 * committed: the others may still need its longer log to win (thesis 4.2.2). */
bool raft_may_campaign(const struct raft *r)
{
    for (size_t i = r->log.n_configs; i > 0; i--) {
        const struct raft_log_config *c = &r->log.configs[i - 1];
        const struct raft_member *m = raft_members_find(&c->members, r->config.id);

        if (m != NULL && (m->flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD))) {
            return true;
        }
        if (c->index <= r->commit) {
            break;
        }
    }
    return false;
}

void raft_reset_election_timer(struct raft *r)
{
    int64_t t = r->config.election_timeout_us, wait;

    if (!raft_may_campaign(r)) {
        r->election_at_us = INT64_MAX;
        return;
    }
    wait = t + (int64_t)raft_random(r, (uint64_t)t);
    wait += r->config.priority * (t / 2);
    if (r->tail_suspect) {
        wait += 4 * t; /* anyone else first; its campaign needs every single vote */
    }
    r->election_at_us = r->now_us + wait;
}

void raft_set_priority(struct raft *r, uint8_t priority)
{
    assert(priority <= 3);
    r->config.priority = priority;
}

/* A term has one leader, whose log only grows, so what we learnt from it holds for the term. */
static void forget_leader(struct raft *r)
{
    r->matched = 0;
    r->acked = 0;
    r->ack_owed = r->ack_now = false;
    r->echo_sent_us = 0;
    r->echo_read_seq = 0;
    r->suspect_target = 0;
}

void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader)
{
    assert(term >= r->term);

    if (r->role == RAFT_ROLE_LEADER) {
        raft_stop_leading(r);
    }
    if (term > r->term) {
        r->term = term;
        r->vote = RAFT_NONE;
        r->vote_owed.to = RAFT_NONE;
        raft_hard_changed(r);
        forget_leader(r);
    }
    if (r->role != RAFT_ROLE_FOLLOWER) {
        /* From a deposed leader on: the old deadline is long past. */
        raft_reset_election_timer(r);
    }
    r->role = RAFT_ROLE_FOLLOWER;
    r->leader = leader;
    r->forced = false;
    r->would_win = false;
}

/* ---- campaigning ------------------------------------------------------------------------- */

/* Votes of all sorts; a majority of each half of a joint configuration is needed. */
static bool election_won(const struct raft *r)
{
    bool all_granted = true;
    int halves = 0, won = 0;

    for (unsigned mask = RAFT_MEMBER_VOTER; mask <= RAFT_MEMBER_VOTER_OLD; mask <<= 1) {
        size_t n = 0, granted = 0;

        for (size_t i = 0; i < r->n_peers; i++) {
            const struct peer *p = &r->peers[i];

            if (p->flags & mask) {
                n++;
                granted += p->vote == VOTE_GRANTED;
                all_granted &= p->vote == VOTE_GRANTED || p->vote == VOTE_GRANTED_SUSPECT;
            }
        }
        if (n > 0) {
            halves++;
            won += granted > n / 2;
        }
    }
    if (halves == 0) {
        return false;
    }
    /* A replica that may have lost its tail says nothing about what was committed; only when all
     * voters agree is the candidate's log surely as good as any that is left. */
    return all_granted || won == halves || (RAFT_HAS_BUG(RAFT_BUG_JOINT_ONE_MAJORITY) && won > 0);
}

static void request_votes(struct raft *r, enum raft_message_type type, uint64_t term)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        struct peer *p = &r->peers[i];
        struct raft_message *m;

        p->vote = VOTE_OPEN;
        if (!(p->flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD))) {
            continue;
        }
        if (p->id == r->config.id) {
            p->vote = r->tail_suspect && !RAFT_HAS_BUG(RAFT_BUG_SUSPECT_VOTES)
                          ? VOTE_GRANTED_SUSPECT
                          : VOTE_GRANTED;
            continue;
        }
        m = raft_push_message(r, type, p->id);
        m->term = term;
        m->pos = raft_log_last(&r->log);
        m->forced = r->forced;
    }
}

static void become_leader(struct raft *r)
{
    assert(r->role == RAFT_ROLE_CANDIDATE);
    assert(r->hard_durable == r->hard_seq || RAFT_HAS_BUG(RAFT_BUG_VOTE_BEFORE_DURABLE));

    r->role = RAFT_ROLE_LEADER;
    r->leader = r->config.id;
    r->forced = false;
    r->would_win = false;
    r->tail_suspect = false; /* all voters agreed that nothing better is left */
    raft_lead(r);
}

/* The own vote is a promise like any other: before it is durable it elects nobody, or a crash
 * could give this term a second leader. The requests may travel meanwhile. */
static void maybe_win(struct raft *r)
{
    if (r->role == RAFT_ROLE_PRE_CANDIDATE && election_won(r)) {
        raft_campaign(r, false);
    } else if (r->role == RAFT_ROLE_CANDIDATE && election_won(r)) {
        r->would_win = true;
        if (r->hard_durable == r->hard_seq || RAFT_HAS_BUG(RAFT_BUG_VOTE_BEFORE_DURABLE)) {
            become_leader(r);
        }
    }
}

static void campaign_pre(struct raft *r)
{
    raft_become_follower(r, r->term, RAFT_NONE);
    r->role = RAFT_ROLE_PRE_CANDIDATE;
    raft_reset_election_timer(r);
    request_votes(r, RAFT_MSG_PRE_VOTE, r->term + 1);
    maybe_win(r); /* the only voter */
}

void raft_campaign(struct raft *r, bool forced)
{
    raft_become_follower(r, r->term + 1, RAFT_NONE);
    r->role = RAFT_ROLE_CANDIDATE;
    r->vote = r->config.id;
    r->forced = forced;
    raft_reset_election_timer(r);
    request_votes(r, RAFT_MSG_VOTE, r->term);
    maybe_win(r);
}

void raft_election_tick(struct raft *r)
{
    if (r->role == RAFT_ROLE_LEADER || r->now_us < r->election_at_us) {
        return;
    }
    if (raft_may_campaign(r)) {
        campaign_pre(r);
    } else {
        raft_reset_election_timer(r); /* its removal was committed meanwhile */
    }
}

/* Time in which this replica looked at nothing: neither the leader's silence nor a follower's means
 * anything yet. Only patience grows; what others were promised (leases, refused votes) does not. */
void raft_on_stalled(struct raft *r, int64_t stalled_us)
{
    if (stalled_us <= 0) {
        return;
    }
    if (r->role == RAFT_ROLE_LEADER) {
        raft_leader_stalled(r, stalled_us);
    } else if (r->election_at_us != INT64_MAX) {
        r->election_at_us =
            MIN_OF(r->election_at_us + stalled_us, r->now_us + 2 * r->config.election_timeout_us);
    }
}

/* ---- voting ------------------------------------------------------------------------------ */

/* Thesis 4.2.3: who hears from a leader does not help to depose it, and does not even look at the
 * term of those who try. */
static bool is_sticky(const struct raft *r)
{
    int64_t t = r->config.election_timeout_us;

    if (!RAFT_HAS_BUG(RAFT_BUG_NO_RESTART_REFUSAL) && r->now_us < r->refuse_until_us) {
        return true;
    }
    if (RAFT_HAS_BUG(RAFT_BUG_NO_STICKINESS)) {
        return false;
    }
    return r->role == RAFT_ROLE_LEADER || r->now_us - r->heard_us < t;
}

/* Thesis 3.6.1: later last term, or the same and at least as long. */
static bool log_good_enough(const struct raft *r, struct raft_pos theirs)
{
    struct raft_pos ours = raft_log_last(&r->log);

    if (RAFT_HAS_BUG(RAFT_BUG_VOTE_BY_LENGTH)) {
        return theirs.index >= ours.index;
    }
    return theirs.term > ours.term || (theirs.term == ours.term && theirs.index >= ours.index);
}

static struct raft_message *reply_vote(struct raft *r, enum raft_message_type type, uint64_t to,
                                       uint64_t term, bool reject)
{
    struct raft_message *m = raft_push_message(r, type, to);

    m->term = term;
    m->reject = reject;
    m->tail_suspect = r->tail_suspect && !RAFT_HAS_BUG(RAFT_BUG_SUSPECT_VOTES);
    return m;
}

static void on_pre_vote(struct raft *r, const struct raft_message *m)
{
    /* A promise of nothing: not stored, and the own term stays. A candidate that is behind learns
     * the term from the refusal; otherwise one with the longer log but the lower term, and one the
     * other way round, would refuse each other for ever. */
    bool grant = m->term > r->term && !is_sticky(r) && log_good_enough(r, m->pos);

    reply_vote(r, RAFT_MSG_PRE_VOTE_REPLY, m->from, grant ? m->term : r->term, !grant);
}

static void flush_vote(struct raft *r)
{
    if (r->vote_owed.to == RAFT_NONE ||
        (r->hard_durable < r->vote_owed.hard_seq && !RAFT_HAS_BUG(RAFT_BUG_VOTE_BEFORE_DURABLE))) {
        return;
    }
    assert(r->vote == r->vote_owed.to || RAFT_HAS_BUG(RAFT_BUG_SNAPSHOT_RESETS_TERM));
    reply_vote(r, RAFT_MSG_VOTE_REPLY, r->vote_owed.to, r->term, false);
    r->vote_owed.to = RAFT_NONE;
}

void raft_on_vote(struct raft *r, const struct raft_message *m)
{
    if (m->type == RAFT_MSG_PRE_VOTE) {
        on_pre_vote(r, m);
        return;
    }
    if (m->term < r->term) {
        reply_vote(r, RAFT_MSG_VOTE_REPLY, m->from, r->term, true);
        return;
    }
    if (!m->forced && is_sticky(r)) {
        return;
    }
    if (m->term > r->term) {
        raft_become_follower(r, m->term, RAFT_NONE);
    }
    if ((r->vote != RAFT_NONE && r->vote != m->from) || !log_good_enough(r, m->pos) ||
        r->role == RAFT_ROLE_LEADER) {
        reply_vote(r, RAFT_MSG_VOTE_REPLY, m->from, r->term, true);
        return;
    }
    if (r->vote == RAFT_NONE) {
        r->vote = m->from;
        raft_hard_changed(r);
    }
    r->vote_owed.to = m->from;
    r->vote_owed.hard_seq = r->hard_seq;
    raft_reset_election_timer(r);
    flush_vote(r);
}

void raft_on_vote_reply(struct raft *r, const struct raft_message *m)
{
    bool pre = m->type == RAFT_MSG_PRE_VOTE_REPLY;
    struct peer *p;

    if (m->term > r->term && !(pre && !m->reject)) {
        raft_become_follower(r, m->term, RAFT_NONE);
        return;
    }
    if (pre ? r->role != RAFT_ROLE_PRE_CANDIDATE : r->role != RAFT_ROLE_CANDIDATE) {
        return;
    }
    /* A granted pre-vote names the term it was asked for. A refusal of an older term is still
     * one: the voter hears from a leader. */
    if (m->reject ? !pre && m->term != r->term : m->term != r->term + (pre ? 1 : 0)) {
        return;
    }
    p = raft_find_peer(r, m->from);
    if (p == NULL) {
        return;
    }
    if (m->reject) {
        p->vote = VOTE_REJECTED;
        if (pre) {
            /* Very likely that voter heard from the lost leader a moment later than we did: do not
             * wait a whole timeout before asking again. It costs no term. */
            int64_t t = r->config.election_timeout_us;
            int64_t again = r->now_us + t / 4 + (int64_t)raft_random(r, (uint64_t)t / 4 + 1);

            if (!r->tail_suspect) {
                r->election_at_us = MIN_OF(r->election_at_us, again);
            }
        }
        return;
    }
    p->vote = m->tail_suspect && !RAFT_HAS_BUG(RAFT_BUG_SUSPECT_VOTES) ? VOTE_GRANTED_SUSPECT
                                                                       : VOTE_GRANTED;
    maybe_win(r);
}

/* The leader of this term hands over (thesis 3.10): no pre-vote, no waiting. */
void raft_on_timeout_now(struct raft *r, const struct raft_message *m)
{
    if (m->term != r->term || r->role != RAFT_ROLE_FOLLOWER || !raft_may_campaign(r) ||
        r->tail_suspect) {
        return;
    }
    /* An old order. After it the leader may have kept its office and taken up its lease again;
     * it does so only once we have acknowledged something newer, and we remember that. A restart
     * forgets it, so for a while after one no order is taken. */
    if (m->sent_us < r->echo_sent_us || r->now_us < r->refuse_until_us) {
        return;
    }
    raft_campaign(r, true);
}

/* A hard state became durable: promises that waited for it may leave. */
void raft_hard_persisted(struct raft *r)
{
    flush_vote(r);
    if (r->role == RAFT_ROLE_CANDIDATE && r->would_win) {
        maybe_win(r);
    }
}
