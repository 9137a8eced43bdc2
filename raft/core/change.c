/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/change.c - membership changes (thesis ch. 4) and leadership transfer (3.10).
 *
 * A change of voters goes through a joint configuration, always: wanted -> joint entry -> (joint
 * committed) -> the leader itself appends the entry that leaves it -> committed. A change of
 * learners only is one entry. A configuration is in force where it is appended. */
#include "raft/core/core.h"
#include "raft/core/members.h"

bool raft_change_open(const struct raft *r)
{
    return raft_log_members_index(&r->log) > r->commit ||
           raft_members_is_joint(raft_log_members(&r->log));
}

static void append_members(struct raft *r, const struct raft_members *m)
{
    unsigned char buf[RAFT_MEMBERS_ENCODED_MAX];

    raft_append_internal(r, RAFT_ENTRY_CONFIG, buf, (uint32_t)raft_members_encode(m, buf));
}

int raft_change(struct raft *r, const struct raft_members *wanted)
{
    const struct raft_members *now = raft_log_members(&r->log);
    struct raft_members next;
    int rc;

    if (r->role != RAFT_ROLE_LEADER) {
        return RAFT_ERR_NOT_LEADER;
    }
    if (!raft_members_valid(wanted) || raft_members_is_joint(wanted)) {
        return RAFT_ERR_CONFIG;
    }
    if (r->transfer.target != RAFT_NONE) {
        return RAFT_ERR_TRANSFERRING;
    }
    if (!RAFT_HAS_BUG(RAFT_BUG_CHANGE_TOO_EARLY)) {
        /* A fresh leader may hold half of another's change (Ongaro's correction of 2015). */
        if (r->commit < r->noop_index) {
            return RAFT_ERR_NOT_READY;
        }
        if (raft_change_open(r)) {
            return RAFT_ERR_BUSY;
        }
    }
    if (raft_members_equal(now, wanted)) {
        return RAFT_OK;
    }
    if (raft_members_same_voters(now, wanted)) {
        next = *wanted;
    } else {
        rc = raft_members_enter_joint(now, wanted, &next);
        if (rc != RAFT_OK) {
            return rc;
        }
    }
    append_members(r, &next);
    return RAFT_OK;
}

/* ---- transfer ---------------------------------------------------------------------------- */

static void send_timeout_now(struct raft *r, uint64_t to)
{
    struct raft_message *m = raft_push_message(r, RAFT_MSG_TIMEOUT_NOW, to);

    m->term = r->term;
    m->sent_us = r->now_us;
}

/* The voter that has most of the log, of those that answer. */
static struct peer *best_successor(struct raft *r)
{
    struct peer *best = NULL;

    for (size_t i = 0; i < r->n_peers; i++) {
        struct peer *p = &r->peers[i];

        if (p->id == r->config.id || !(p->flags & RAFT_MEMBER_VOTER) || p->suspect_nonce != 0 ||
            r->now_us - p->heard_us >= r->config.election_timeout_us) {
            continue;
        }
        if (best == NULL || p->match > best->match) {
            best = p;
        }
    }
    return best;
}

int raft_transfer(struct raft *r, uint64_t peer)
{
    struct peer *p;

    if (r->role != RAFT_ROLE_LEADER) {
        return RAFT_ERR_NOT_LEADER;
    }
    if (r->transfer.target != RAFT_NONE) {
        return peer == r->transfer.target ? RAFT_OK : RAFT_ERR_TRANSFERRING;
    }
    p = peer == RAFT_NONE ? best_successor(r) : raft_find_peer(r, peer);
    if (p == NULL || p->id == r->config.id || !(p->flags & RAFT_MEMBER_VOTER)) {
        return RAFT_ERR_UNKNOWN_MEMBER;
    }
    /* From here on no lease and no proposals: the target must be able to catch up, and the
     * election we are about to order ignores the promises a lease stands on. */
    r->transfer.target = p->id;
    r->transfer.until_us = r->now_us + r->config.election_timeout_us;
    r->transfer.sent = false;
    raft_transfer_progress(r, false);
    return RAFT_OK;
}

void raft_transfer_progress(struct raft *r, bool again)
{
    const struct peer *p;

    if (r->transfer.target == RAFT_NONE || (r->transfer.sent && !again)) {
        return;
    }
    p = raft_find_peer(r, r->transfer.target);
    if (p == NULL || !(p->flags & RAFT_MEMBER_VOTER)) {
        raft_transfer_give_up(r);
        return;
    }
    if (p->match == r->log.last || RAFT_HAS_BUG(RAFT_BUG_TRANSFER_KEEPS_LEASE)) {
        r->transfer.sent = true;
        send_timeout_now(r, p->id);
    }
}

void raft_transfer_give_up(struct raft *r)
{
    if (r->transfer.sent) {
        r->no_lease.peer = r->transfer.target;
        r->no_lease.since_us = r->now_us;
    }
    r->transfer.target = RAFT_NONE;
    r->transfer_ended = true;
    raft_change_progress(r);
}

void raft_transfer_tick(struct raft *r)
{
    if (r->transfer.target != RAFT_NONE && r->now_us >= r->transfer.until_us) {
        raft_transfer_give_up(r);
    }
}

/* ---- after the commit index moved -------------------------------------------------------- */

void raft_change_progress(struct raft *r)
{
    const struct raft_members *now = raft_log_members(&r->log);
    struct raft_members next;

    if (r->commit < r->noop_index || raft_log_members_index(&r->log) > r->commit) {
        return;
    }
    if (raft_members_is_joint(now)) {
        if (r->transfer.target == RAFT_NONE) {
            raft_members_leave_joint(now, &next);
            append_members(r, &next);
        }
        return;
    }
    if (!(raft_own_flags(r) & RAFT_MEMBER_VOTER)) {
        /* We managed a configuration we are no voter of until it was committed (thesis 4.2.2).
         * That is done; the best placed voter need not wait for a timeout. */
        struct peer *p = best_successor(r);
        uint64_t to = p != NULL ? p->id : RAFT_NONE;

        if (to != RAFT_NONE) {
            send_timeout_now(r, to);
        }
        raft_become_follower(r, r->term, RAFT_NONE);
    }
}
