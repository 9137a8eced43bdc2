/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/check.c - what must hold, looked at after every step of every core.
 *
 * The checker knows everything: the one sequence of committed entries (struct canon), who led
 * which term, and of every (index, term) ever appended anywhere the hash of the log up to it. A
 * property is checked where it would first be broken, not where the damage would show. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory of the checker ------------------------------------------------------------------- */

uint64_t votes_get(const struct votes *v, uint64_t term) { return term < v->n ? v->v[term] : 0; }

void votes_set(struct votes *v, uint64_t term, uint64_t id)
{
    if (term >= v->n) {
        size_t n = term * 2 + 16;

        v->v = mem_realloc(v->v, n * sizeof *v->v);
        memset(v->v + v->n, 0, (n - v->n) * sizeof *v->v);
        v->n = n;
    }
    v->v[term] = id;
}

uint64_t canon_chain(const struct world *w, uint64_t index)
{
    if (index >= w->n_canon) {
        sim_fail((struct world *)(uintptr_t)w, "commit", "%" PRIu64 " is not committed anywhere",
                 index);
    }
    return w->canon[index].chain;
}

static void canon_add(struct world *w, struct canon c)
{
    GROW(w->canon, w->cap_canon, w->n_canon + 1);
    w->canon[w->n_canon++] = c;
}

static size_t match_slot(const struct match_table *t, uint64_t term, uint64_t index)
{
    uint64_t h = (term * 0x9e3779b97f4a7c15u ^ index) * 0xff51afd7ed558ccdu;
    size_t i = (size_t)(h >> 20) & (t->cap - 1);

    while (t->cells[i].term != 0 && (t->cells[i].term != term || t->cells[i].index != index)) {
        i = (i + 1) & (t->cap - 1);
    }
    return i;
}

/* The chain known for (term, index); learns @chain when it is the first. */
static uint64_t match_chain(struct match_table *t, uint64_t term, uint64_t index, uint64_t chain)
{
    size_t i;

    if (t->n * 2 >= t->cap) {
        struct match_table bigger = {.cap = t->cap == 0 ? 4096 : t->cap * 2, .n = t->n};

        bigger.cells = mem_zalloc(bigger.cap * sizeof *bigger.cells);
        for (size_t k = 0; k < t->cap; k++) {
            if (t->cells[k].term != 0) {
                bigger.cells[match_slot(&bigger, t->cells[k].term, t->cells[k].index)] =
                    t->cells[k];
            }
        }
        free(t->cells);
        *t = bigger;
    }
    i = match_slot(t, term, index);
    if (t->cells[i].term == 0) {
        t->cells[i] = (struct match_cell){term, index, chain};
        t->n++;
    }
    return t->cells[i].chain;
}

/* ---- majorities ------------------------------------------------------------------------------ */

/* Does a majority of the members with @flag, if there are any, fulfil @has? */
static bool majority(struct world *w, const struct raft_members *m, uint8_t flag,
                     bool (*has)(struct world *w, const struct node *x, uint64_t arg), uint64_t arg)
{
    uint32_t all = 0;
    uint32_t yes = 0;

    for (uint32_t i = 0; i < m->n; i++) {
        if (m->m[i].flags & flag) {
            all++;
            yes += has(w, world_node(w, m->m[i].id), arg);
        }
    }
    return all == 0 || yes > all / 2;
}

static bool both_majorities(struct world *w, const struct raft_members *m,
                            bool (*has)(struct world *w, const struct node *x, uint64_t arg),
                            uint64_t arg)
{
    return majority(w, m, RAFT_MEMBER_VOTER, has, arg) &&
           majority(w, m, RAFT_MEMBER_VOTER_OLD, has, arg);
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* Has @x the committed entry at @index, whatever crash comes now? A machine that may lose its
 * tail and did counts: the mode does not promise more. */
static bool has_durably(struct world *w, const struct node *x, uint64_t index)
{
    const struct mlog *l = x->up ? &x->mem : &x->disk.log;

    if (x->lost_tail || x->budgeted) {
        return true;
    }
    return disk_holds(w, x, index) &&
           (l->base.index > index || mlog_chain(l, index) == w->canon[index].chain);
}

static void commit_rises(struct world *w, struct node *n, const struct raft_status *st)
{
    if (votes_get(&w->leaders, st->term) != n->id) {
        sim_fail(w, "commit", "n%" PRIu64 " commits %" PRIu64 " before any leader did", n->id,
                 st->commit);
    }
    for (uint64_t i = w->n_canon; i <= st->commit; i++) {
        const struct raft_entry *e = mlog_at(&n->mem, i);
        struct canon c = {.commit_term = st->term};

        if (e == NULL) {
            sim_fail(w, "commit", "n%" PRIu64 " commits %" PRIu64 " which it never put out", n->id,
                     i);
        }
        c.term = e->pos.term;
        c.chain = mlog_chain(&n->mem, i);
        if (e->type == RAFT_ENTRY_DATA) {
            memcpy(&c.value, e->data, 8);
            if (w->value_index[c.value] != 0 || w->fates[c.value] == FATE_GONE) {
                sim_fail(w, "proposal", "value %" PRIu64 " is committed at %" PRIu64 ", but it %s",
                         c.value, i,
                         w->fates[c.value] == FATE_GONE ? "was said to be gone"
                                                        : "had been committed before");
            }
            w->value_index[c.value] = i;
        }
        canon_add(w, c);
        w->n_commits++;
    }
    if (w->canon[st->commit].term != st->term) {
        sim_fail(w, "commit",
                 "n%" PRIu64 " commits %" PRIu64 " of term %" PRIu64
                 " by counting replicas in term %" PRIu64,
                 n->id, st->commit, w->canon[st->commit].term, st->term);
    }
    if (!both_majorities(w, &st->members, has_durably, st->commit)) {
        sim_fail(w, "durability", "n%" PRIu64 " commits %" PRIu64 ", which no majority has durably",
                 n->id, st->commit);
    }
}

/* ---- election -------------------------------------------------------------------------------- */

static bool voted(struct world *w, const struct node *x, uint64_t term)
{
    return votes_get(&x->durable_votes, term) == votes_get(&w->leaders, term);
}

static bool voted_sure(struct world *w, const struct node *x, uint64_t term)
{
    return voted(w, x, term) && votes_get(&x->granted_suspect, term) == 0;
}

static bool all_voted(struct world *w, const struct raft_members *m, uint64_t term)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if ((m->m[i].flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD)) != 0 &&
            !voted(w, world_node(w, m->m[i].id), term)) {
            return false;
        }
    }
    return true;
}

static void new_leader(struct world *w, struct node *n, const struct raft_status *st)
{
    uint64_t before = votes_get(&w->leaders, st->term);
    uint64_t i = w->n_canon - 1;

    if (before != 0) {
        sim_fail(w, "election safety", "n%" PRIu64 " and n%" PRIu64 " lead term %" PRIu64, before,
                 n->id, st->term);
    }
    votes_set(&w->leaders, st->term, n->id);
    if (n->lost_tail) {
        votes_set(&n->granted_suspect, st->term, 1);
    }
    w->n_elections++;
    if (!both_majorities(w, &st->members, voted, st->term)) {
        sim_fail(w, "election", "n%" PRIu64 " leads term %" PRIu64 " without a durable majority",
                 n->id, st->term);
    }
    if (!both_majorities(w, &st->members, voted_sure, st->term) &&
        !all_voted(w, &st->members, st->term)) {
        sim_fail(w, "election",
                 "n%" PRIu64 " leads term %" PRIu64 " by the votes of replicas that may have lost"
                 " their tail",
                 n->id, st->term);
    }
    /* Leader completeness: all that was committed in earlier terms. Log matching, which is
     * checked at every append, makes the last of them stand for all. */
    while (i > w->base.index && w->canon[i].commit_term >= st->term) {
        i--;
    }
    if (i > st->snapshot.index && raft_term_at(n->r, i) != w->canon[i].term) {
        sim_fail(w, "leader completeness",
                 "n%" PRIu64 " leads term %" PRIu64 " without entry %" PRIu64 "/%" PRIu64
                 ", committed in term %" PRIu64,
                 n->id, st->term, w->canon[i].term, i, w->canon[i].commit_term);
    }
}

/* ---- after every step ------------------------------------------------------------------------ */

void check_step(struct world *w, struct node *n)
{
    struct raft_status st;

    raft_check(n->r);
    raft_get_status(n->r, &st);
    sim_hash(w, st.term << 8 | (uint64_t)st.role);
    sim_hash(w, st.commit);
    sim_hash(w, st.last.index << 20 ^ st.last.term);
    if (st.term < n->seen_term) {
        sim_fail(w, "term", "n%" PRIu64 " goes back from term %" PRIu64 " to %" PRIu64, n->id,
                 n->seen_term, st.term);
    }
    n->seen_term = st.term;
    if (votes_get(&n->durable_votes, st.term) != 0 &&
        votes_get(&n->durable_votes, st.term) != st.vote) {
        sim_fail(w, "vote",
                 "n%" PRIu64 " voted in term %" PRIu64 " for n%" PRIu64
                 ", and now knows of a vote for n%" PRIu64,
                 n->id, st.term, votes_get(&n->durable_votes, st.term), st.vote);
    }
    if (st.commit < n->seen_commit || st.commit > st.last.index) {
        sim_fail(w, "commit",
                 "n%" PRIu64 " has commit %" PRIu64 ", had %" PRIu64 ", and last %" PRIu64, n->id,
                 st.commit, n->seen_commit, st.last.index);
    }
    if (!st.tail_suspect && n->lost_tail) {
        TRACE(w, n, "tail is trusted again");
        n->lost_tail = false;
    }
    if (!n->lost_tail) {
        n->budgeted = false;
    }
    if (st.role == RAFT_ROLE_LEADER) {
        if (votes_get(&w->leaders, st.term) != n->id) {
            new_leader(w, n, &st);
        }
        if (n->leader_term != st.term) {
            n->leader_term = st.term;
            n->leader_since = w->now;
        }
    }
    n->seen_commit = st.commit;
    if (st.commit >= w->n_canon) {
        commit_rises(w, n, &st);
    }
}

/* ---- membership in force --------------------------------------------------------------------- */

/* @e, or a cut at its index, is about to change the mirrored log. */
void check_note_config(struct world *w, struct node *n, const struct raft_entry *e)
{
    while (n->n_configs > 0 && n->configs[n->n_configs - 1] >= e->pos.index) {
        n->n_configs--;
    }
    if (e->type == RAFT_ENTRY_CONFIG) {
        if (n->n_configs == ARRAY_LEN(n->configs)) {
            sim_fail(w, "membership", "n%" PRIu64 " has too many changes in its log", n->id);
        }
        n->configs[n->n_configs++] = e->pos.index;
    }
}

/* The mirrored log begins anew; @at_base was in force there. */
void check_note_base(struct world *w, struct node *n, const struct raft_members *at_base)
{
    (void)w;
    n->base_members = *at_base;
    n->n_configs = 0;
    for (size_t i = 0; i < n->mem.n; i++) {
        check_note_config(w, n, n->mem.v[i].e);
    }
}

/* What is in force is what the log says last, whatever was received, cut or restarted. */
static void check_members(struct world *w, struct node *n)
{
    const struct raft_members *in_force = raft_get_members(n->r);
    struct raft_members want = n->base_members;

    if (n->n_configs > 0) {
        const struct raft_entry *e = mlog_at(&n->mem, n->configs[n->n_configs - 1]);

        if (raft_members_decode(e->data, e->size, &want) != RAFT_OK) {
            sim_fail(w, "membership", "n%" PRIu64 " holds a malformed configuration", n->id);
        }
    }
    if (in_force->n != want.n || memcmp(in_force->m, want.m, want.n * sizeof want.m[0]) != 0) {
        char a[200], b[200];

        sim_fail(w, "membership", "n%" PRIu64 " has %s in force, but its log says %s", n->id,
                 trace_members(in_force, a, sizeof a), trace_members(&want, b, sizeof b));
    }
}

/* The drained outputs and the core agree, and so do this log and the committed sequence. */
void check_drained(struct world *w, struct node *n)
{
    struct raft_pos last = mlog_last(&n->mem);
    struct raft_status st;

    raft_get_status(n->r, &st);
    if (last.index != st.last.index || last.term != st.last.term) {
        sim_fail(w, "output",
                 "n%" PRIu64 " ends at %" PRIu64 "/%" PRIu64 ", but what it put out at %" PRIu64
                 "/%" PRIu64,
                 n->id, st.last.term, st.last.index, last.term, last.index);
    }
    check_members(w, n);
    if (n->commit > n->mem.base.index &&
        mlog_chain(&n->mem, n->commit) != canon_chain(w, n->commit)) {
        sim_fail(w, "state machine safety",
                 "n%" PRIu64 " commits up to %" PRIu64 " another log than was committed", n->id,
                 n->commit);
    }
}

/* ---- the log --------------------------------------------------------------------------------- */

static bool same_flags(const struct raft_members *a, uint8_t fa, const struct raft_members *b,
                       uint8_t fb)
{
    for (uint32_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < a->n; i++) {
            const struct raft_member *x = raft_members_find(b, a->m[i].id);

            if ((a->m[i].flags & fa) != 0 && (x == NULL || (x->flags & fb) == 0)) {
                return false;
            }
        }
        const struct raft_members *t = a;
        uint8_t ft = fa;

        a = b;
        fa = fb;
        b = t;
        fb = ft;
    }
    return true;
}

/* How many voters only one of the two has. */
static uint32_t voters_apart(const struct raft_members *a, const struct raft_members *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < a->n; i++) {
        const struct raft_member *x = raft_members_find(b, a->m[i].id);

        n += (a->m[i].flags & RAFT_MEMBER_VOTER) != 0 &&
             (x == NULL || (x->flags & RAFT_MEMBER_VOTER) == 0);
    }
    return n;
}

static void check_config(struct world *w, struct node *n, const struct raft_entry *e)
{
    struct raft_members now, before;
    uint64_t i = e->pos.index - 1;

    if (raft_members_decode(e->data, e->size, &now) != RAFT_OK) {
        sim_fail(w, "membership", "n%" PRIu64 " appends a malformed configuration", n->id);
    }
    if (raft_members_at(n->r, i, &before) == RAFT_OK) {
        bool ok = raft_members_is_joint(&before)
                      ? !raft_members_is_joint(&now) &&
                            same_flags(&before, RAFT_MEMBER_VOTER, &now, RAFT_MEMBER_VOTER)
                  : raft_members_is_joint(&now)
                      ? same_flags(&before, RAFT_MEMBER_VOTER, &now, RAFT_MEMBER_VOTER_OLD)
                      : voters_apart(&before, &now) + voters_apart(&now, &before) <= 1;

        if (!ok) {
            sim_fail(w, "membership",
                     "n%" PRIu64 " goes at %" PRIu64 " to voters that need not overlap", n->id,
                     e->pos.index);
        }
    }
    if (n->role != RAFT_ROLE_LEADER || n->term != e->pos.term) {
        return; /* a follower takes what its leader has */
    }
    while (mlog_at(&n->mem, i) != NULL && mlog_at(&n->mem, i)->type != RAFT_ENTRY_CONFIG) {
        i--;
    }
    if (i > n->seen_commit) {
        sim_fail(w, "membership",
                 "n%" PRIu64 " opens a change at %" PRIu64 " though that of %" PRIu64
                 " is not committed (%" PRIu64 " is)",
                 n->id, e->pos.index, i, n->seen_commit);
    }
    if (n->seen_commit < w->n_canon && w->canon[n->seen_commit].term != e->pos.term) {
        sim_fail(w, "membership",
                 "n%" PRIu64 " opens a change at %" PRIu64 " before an entry of term %" PRIu64
                 " is committed",
                 n->id, e->pos.index, e->pos.term);
    }
}

/* @e is about to be put into n->mem. */
void check_append(struct world *w, struct node *n, const struct raft_entry *e)
{
    struct raft_pos last = mlog_last(&n->mem);
    uint64_t index = e->pos.index;
    uint64_t chain;

    sim_hash(w, entry_hash(e) ^ e->pos.term);
    if (index <= n->mem.base.index || index > last.index + 1 ||
        e->pos.term < mlog_term(&n->mem, index - 1) || e->pos.term == 0) {
        sim_fail(w, "log",
                 "n%" PRIu64 " appends %" PRIu64 "/%" PRIu64 " to a log that ends at %" PRIu64
                 "/%" PRIu64,
                 n->id, e->pos.term, index, last.term, last.index);
    }
    if (index <= last.index) {
        TRACE(w, n, "cuts from %" PRIu64, index);
        if (index <= n->commit ||
            (index < w->n_canon && mlog_chain(&n->mem, index) == w->canon[index].chain)) {
            sim_fail(w, "committed entry cut",
                     "n%" PRIu64 " cuts from %" PRIu64 " on, committed (%" PRIu64 " is)", n->id,
                     index, w->n_canon - 1);
        }
        if (n->role == RAFT_ROLE_LEADER && n->term == e->pos.term &&
            n->leader_term == e->pos.term && mlog_term(&n->mem, index) == e->pos.term) {
            sim_fail(w, "leader append-only",
                     "n%" PRIu64 " leads term %" PRIu64 " and cuts its log from %" PRIu64 " on",
                     n->id, e->pos.term, index);
        }
    }
    chain = chain_next(mlog_chain(&n->mem, index - 1), e);
    if (match_chain(&w->matches, e->pos.term, index, chain) != chain) {
        sim_fail(w, "log matching",
                 "n%" PRIu64 " appends %" PRIu64 "/%" PRIu64
                 ", which is another entry, or behind another log, than elsewhere",
                 n->id, e->pos.term, index);
    }
    if (e->type == RAFT_ENTRY_CONFIG) {
        check_config(w, n, e);
    }
}

/* ---- promises -------------------------------------------------------------------------------- */

/* A hard state is about to be written. */
void check_hard(struct world *w, struct node *n, const struct raft_hard_state *h)
{
    const struct raft_hard_state *b = &n->hard_last;

    if (h->term < b->term || (h->term == b->term && b->vote != RAFT_NONE && h->vote != b->vote)) {
        sim_fail(w, "hard state",
                 "n%" PRIu64 " writes term %" PRIu64 " vote %" PRIu64 " over term %" PRIu64
                 " vote %" PRIu64,
                 n->id, h->term, h->vote, b->term, b->vote);
    }
    n->hard_last = *h;
}

void check_hard_synced(struct world *w, struct node *n, const struct raft_hard_state *h)
{
    uint64_t before = votes_get(&n->durable_votes, h->term);

    if (h->vote == RAFT_NONE) {
        return;
    }
    if (before != 0 && before != h->vote) {
        sim_fail(w, "vote", "n%" PRIu64 " votes in term %" PRIu64 " for n%" PRIu64 " and n%" PRIu64,
                 n->id, h->term, before, h->vote);
    }
    votes_set(&n->durable_votes, h->term, h->vote);
}

static void check_grant(struct world *w, struct node *n, const struct raft_message *m)
{
    uint64_t before = votes_get(&n->granted, m->term);

    if (before != 0 && before != m->to) {
        sim_fail(w, "vote", "n%" PRIu64 " grants term %" PRIu64 " to n%" PRIu64 " and to n%" PRIu64,
                 n->id, m->term, before, m->to);
    }
    votes_set(&n->granted, m->term, m->to);
    if (n->lost_tail || m->tail_suspect) {
        votes_set(&n->granted_suspect, m->term, 1);
    }
    if (n->lost_tail && !m->tail_suspect) {
        sim_fail(w, "vote", "n%" PRIu64 " may have lost its tail, but its vote does not say so",
                 n->id);
    }
    if (votes_get(&n->durable_votes, m->term) != m->to) {
        sim_fail(w, "durability",
                 "n%" PRIu64 " grants a vote in term %" PRIu64 " that a crash would forget", n->id,
                 m->term);
    }
}

static void check_ack(struct world *w, struct node *n, const struct raft_message *m)
{
    const struct node *l = world_node(w, m->to);

    if (m->term < n->term || m->match == 0) {
        return; /* of a past term: what it says was true then, and nobody counts it now */
    }
    if (!disk_holds(w, n, m->match)) {
        sim_fail(w, "durability",
                 "n%" PRIu64 " acknowledges %" PRIu64 ", which a crash could take from it", n->id,
                 m->match);
    }
    if (l != NULL && l->up && l->role == RAFT_ROLE_LEADER && l->term == m->term &&
        m->match > l->mem.base.index && m->match > n->mem.base.index &&
        mlog_chain(&l->mem, m->match) != mlog_chain(&n->mem, m->match)) {
        sim_fail(w, "log matching",
                 "n%" PRIu64 " acknowledges %" PRIu64 ", where its leader n%" PRIu64
                 " has another log",
                 n->id, m->match, l->id);
    }
    if (m->last > mlog_last(&n->mem).index) {
        sim_fail(w, "flow control", "n%" PRIu64 " claims to have received %" PRIu64, n->id,
                 m->last);
    }
}

void check_message(struct world *w, struct node *n, const struct raft_message *m)
{
    if (m->reject) {
        return;
    }
    if (m->type == RAFT_MSG_VOTE_REPLY) {
        check_grant(w, n, m);
    } else if (m->type == RAFT_MSG_APPEND_REPLY) {
        check_ack(w, n, m);
    }
}

/* ---- reads and leadership in time ------------------------------------------------------------ */

/* Clients read all the time: whoever could answer a read by lease now must have seen all that is
 * acknowledged. */
void check_lease(struct world *w, struct node *n)
{
    uint64_t seen;

    if (!node_serves(w, n) || node_now(w, n) >= n->lease_until) {
        return;
    }
    w->n_lease_reads++;
    seen = n->applied >= n->noop_index ? n->commit : n->applied;
    if (seen < w->acked) {
        sim_fail(w, "stale read",
                 "n%" PRIu64 ", leader of term %" PRIu64 ", holds a lease for another %" PRId64
                 " us and has seen %" PRIu64 "; %" PRIu64 " is acknowledged",
                 n->id, n->term, n->lease_until - node_now(w, n), seen, w->acked);
    }
}

void check_leases(struct world *w)
{
    for (uint32_t i = 0; i < w->p.n_nodes; i++) {
        check_lease(w, &w->nodes[i]);
    }
}

static bool heard_lately(struct world *w, const struct node *x, uint64_t leader)
{
    const struct node *l = world_node(w, leader);

    return x == l || l->heard[x->i] >= w->now - 4 * w->p.timeout;
}

/* Check-quorum: a leader that a majority has been silent to for long is none any more. Called
 * before a tick. */
void check_quorum_contact(struct world *w, struct node *n)
{
    struct raft_status st;
    int64_t since = MAX_OF(MAX_OF(n->leader_since, n->resumed_at), n->members_since);

    if (n->role != RAFT_ROLE_LEADER || n->drain_pending || w->now - since <= 4 * w->p.timeout) {
        return;
    }
    raft_get_status(n->r, &st);
    if (st.role == RAFT_ROLE_LEADER && !both_majorities(w, &st.members, heard_lately, n->id)) {
        sim_fail(w, "check-quorum",
                 "n%" PRIu64 " leads term %" PRIu64
                 " though it has not heard from a majority for four election timeouts",
                 n->id, st.term);
    }
}
