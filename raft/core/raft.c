/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/raft.c - life cycle of a replica, dispatch of inputs, gathering of outputs. */
#include "raft/raft.h"

#include "raft/core/array.h"
#include "raft/core/core.h"
#include "raft/core/members.h"

#include <string.h>

/* ---- words ------------------------------------------------------------------------------- */

const char *raft_strerror(int error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case name:                                                                                     \
        return text;
        RAFT_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *raft_role_name(enum raft_role role)
{
    static const char *const names[] = {
        [RAFT_ROLE_FOLLOWER] = "follower",
        [RAFT_ROLE_PRE_CANDIDATE] = "pre-candidate",
        [RAFT_ROLE_CANDIDATE] = "candidate",
        [RAFT_ROLE_LEADER] = "leader",
    };

    return (size_t)role < ARRAY_LEN(names) ? names[role] : "?";
}

/* ---- small things shared by the core's files --------------------------------------------- */

/* splitmix64: the core needs a few unpredictable timeouts, equal for equal seeds. */
static uint64_t next_random(struct raft *r)
{
    uint64_t z = r->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The bias of the remainder is nothing against 2^64 / a timeout. */
uint64_t raft_random(struct raft *r, uint64_t n) { return next_random(r) % n; }

struct raft_message *raft_push_message(struct raft *r, enum raft_message_type type, uint64_t to)
{
    struct raft_message *m;

    assert(to != RAFT_NONE);
    assert(to != r->config.id);
    r->messages = array_grow(r->messages, &r->cap_messages, r->n_messages + 1, sizeof *r->messages);
    r->message_entries = array_grow(r->message_entries, &r->cap_message_entries, r->n_messages + 1,
                                    sizeof *r->message_entries);
    r->message_entries[r->n_messages] = 0;
    m = &r->messages[r->n_messages++];
    *m = (struct raft_message){.type = type, .from = r->config.id, .to = to, .term = r->term};
    return m;
}

struct peer *raft_find_peer(struct raft *r, uint64_t id)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].id == id) {
            return &r->peers[i];
        }
    }
    return NULL;
}

uint8_t raft_own_flags(const struct raft *r)
{
    const struct raft_member *m = raft_members_find(raft_log_members(&r->log), r->config.id);

    return m != NULL ? m->flags : 0;
}

/* Values of one half, in descending order, at most 64: insertion is quickest. */
static size_t quorum_values(const struct raft *r, uint8_t mask,
                            uint64_t (*value)(const struct raft *r, const struct peer *p),
                            uint64_t *v)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].flags & mask) {
            uint64_t x = value(r, &r->peers[i]);
            size_t at = n++;

            while (at > 0 && v[at - 1] < x) {
                v[at] = v[at - 1];
                at--;
            }
            v[at] = x;
        }
    }
    return n;
}

uint64_t raft_quorum(const struct raft *r,
                     uint64_t (*value)(const struct raft *r, const struct peer *p))
{
    uint64_t v[RAFT_MEMBERS_MAX], a, b;
    size_t n = quorum_values(r, RAFT_MEMBER_VOTER, value, v);

    if (n == 0) {
        return 0;
    }
    a = v[n / 2];
    n = quorum_values(r, RAFT_MEMBER_VOTER_OLD, value, v);
    if (n == 0) {
        return a;
    }
    b = v[n / 2];
    if (RAFT_HAS_BUG(RAFT_BUG_JOINT_ONE_MAJORITY)) {
        return MAX_OF(a, b);
    }
    return MIN_OF(a, b);
}

void raft_hard_changed(struct raft *r) { r->hard_seq++; }

uint64_t raft_durable_commit(const struct raft *r) { return MIN_OF(r->commit, r->persisted); }

void raft_evict(struct raft *r)
{
    if (LIKELY(r->log.cached_bytes <= r->config.cache_bytes)) {
        return;
    }
    if (RAFT_HAS_BUG(RAFT_BUG_LATE_PERSISTED)) {
        return;
    }
    raft_log_evict(&r->log, r->config.cache_bytes, MIN_OF(r->persisted, r->applied),
                   MIN_OF(r->persisted, r->commit));
}

/* Make r->peers the members of the log's configuration, keeping what is known of those that
 * stay. Both lists are sorted by id. */
void raft_sync_members(struct raft *r)
{
    const struct raft_members *m = raft_log_members(&r->log);
    struct peer old[RAFT_MEMBERS_MAX];
    size_t n_old = r->n_peers, j = 0;
    bool was_voter = r->election_at_us != INT64_MAX;

    if (n_old > 0) {
        memcpy(old, r->peers, n_old * sizeof *old);
    }
    r->peers = array_grow(r->peers, &r->cap_peers, m->n, sizeof *r->peers);
    r->n_peers = m->n;
    for (size_t i = 0; i < m->n; i++) {
        struct peer *p = &r->peers[i];

        while (j < n_old && old[j].id < m->m[i].id) {
            raft_peer_release(&old[j++]);
        }
        if (j < n_old && old[j].id == m->m[i].id) {
            *p = old[j++];
        } else {
            *p = (struct peer){.id = m->m[i].id};
            raft_peer_reset(r, p);
        }
        p->flags = m->m[i].flags;
    }
    while (j < n_old) {
        raft_peer_release(&old[j++]);
    }
    r->members_changed = true;
    if (was_voter != raft_may_campaign(r)) {
        raft_reset_election_timer(r);
    }
}

/* ---- life cycle -------------------------------------------------------------------------- */

static bool config_valid(const struct raft_config *c)
{
    return c->id != RAFT_NONE && c->now_us >= 0 && c->heartbeat_us > 0 &&
           c->election_timeout_us > 2 * c->heartbeat_us &&
           c->election_timeout_us < INT64_C(1000000) * 3600 && c->lease_drift_ppm < 1000000 &&
           c->message_bytes_max > 0 && c->inflight_messages_max > 0 &&
           c->inflight_messages_max <= 65536 && c->inflight_bytes_max > 0 && c->priority <= 3;
}

int raft_new(const struct raft_config *config, struct raft **out)
{
    struct raft *r;
    int rc;

    *out = NULL;
    if (!config_valid(config)) {
        return RAFT_ERR_CONFIG;
    }
    r = calloc(1, sizeof *r);
    if (r == NULL) {
        return RAFT_ERR_NOMEM;
    }
    rc = raft_log_init(&r->log, &config->restore);
    if (rc != RAFT_OK) {
        free(r);
        return rc;
    }
    r->config = *config;
    memset(&r->config.restore, 0, sizeof r->config.restore);
    r->rng = config->seed;
    r->now_us = config->now_us;
    r->term = config->restore.hard.term;
    r->vote = config->restore.hard.vote;
    if (r->term < raft_log_last(&r->log).term) {
        /* Some entry of a later term became durable before the hard state that came with it. */
        r->term = raft_log_last(&r->log).term;
        r->vote = RAFT_NONE;
        r->hard_seq = 1;
    }
    r->commit = MAX_OF(r->log.base.index, MIN_OF(config->restore.hard.commit, r->log.last));
    r->applied = r->log.base.index;
    r->handed = r->persisted = r->log.last;
    r->tail_suspect = config->restore.tail_suspect;
    r->suspect_nonce = next_random(r) | 1;
    r->heard_us = config->now_us - config->election_timeout_us; /* nobody */
    r->refuse_until_us =
        config->fresh ? config->now_us : config->now_us + config->election_timeout_us;
    r->commit_notify_at_us = INT64_MAX;
    raft_sync_members(r);
    r->members_changed = false;
    raft_reset_election_timer(r);
    r->seen.role = r->role;
    r->seen.term = r->term;
    *out = r;
    return RAFT_OK;
}

static void clear_outputs(struct raft *r)
{
    for (size_t i = 0; i < r->n_held; i++) {
        raft_entry_unref(r->held[i]);
    }
    r->n_held = 0;
    r->n_messages = 0;
    r->n_out_entries = 0;
    r->n_reads_done = r->n_reads_lost = 0;
    r->n_read_backs = r->n_need_snapshot = 0;
    r->install = r->members_changed = r->transfer_ended = false;
    r->drained = false;
}

void raft_free(struct raft *r)
{
    if (r == NULL) {
        return;
    }
    clear_outputs(r);
    for (size_t i = 0; i < r->n_peers; i++) {
        raft_peer_release(&r->peers[i]);
    }
    raft_log_release(&r->log);
    free(r->peers);
    free(r->streams);
    free(r->reads);
    free(r->messages);
    free(r->message_entries);
    free(r->out_entries);
    free(r->append);
    free(r->held);
    free(r->reads_done);
    free(r->reads_lost);
    free(r->read_backs);
    free(r->need_snapshot);
    free(r);
}

/* ---- inputs ------------------------------------------------------------------------------ */

static int on_message(struct raft *r, const struct raft_message *m)
{
    int rc;

    if (m->from == RAFT_NONE || m->from == r->config.id || m->to != r->config.id ||
        (m->term == 0 && m->type != RAFT_MSG_PRE_VOTE_REPLY) || m->term > NUMBER_MAX) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    switch (m->type) {
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_VOTE:
        if (m->pos.term >= m->term) {
            return RAFT_ERR_BAD_MESSAGE; /* a candidate's term is beyond all in its log */
        }
        raft_on_vote(r, m);
        return RAFT_OK;
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_VOTE_REPLY:
        raft_on_vote_reply(r, m);
        return RAFT_OK;
    case RAFT_MSG_APPEND:
        rc = raft_check_append(r, m);
        if (rc == RAFT_OK) {
            raft_on_append(r, m);
        }
        return rc;
    case RAFT_MSG_APPEND_REPLY:
        rc = raft_check_append_reply(r, m);
        if (rc == RAFT_OK) {
            raft_on_append_reply(r, m);
        }
        return rc;
    case RAFT_MSG_TIMEOUT_NOW:
        raft_on_timeout_now(r, m);
        return RAFT_OK;
    default:
        return RAFT_ERR_BAD_MESSAGE;
    }
}

static void on_persisted(struct raft *r, const struct raft_input *in)
{
    struct raft_pos pos = in->persisted.log;

    assert(in->persisted.hard_seq <= r->hard_out);
    if (in->persisted.hard_seq > r->hard_durable) {
        r->hard_durable = in->persisted.hard_seq;
        raft_hard_persisted(r);
    }
    /* Late answers count for nothing: the entry may have been overwritten since it was written. */
    if (pos.index > r->persisted && pos.index <= r->handed &&
        ((raft_log_term_at(&r->log, pos.index) == pos.term &&
          (pos.index < r->cut.index || r->cut.index == 0 || r->hard_durable >= r->cut.hard_seq)) ||
         RAFT_HAS_BUG(RAFT_BUG_LATE_PERSISTED))) {
        r->persisted = pos.index;
        raft_evict(r);
    }
    if (r->role == RAFT_ROLE_LEADER && r->persisted > r->commit) {
        raft_maybe_commit(r);
    }
    raft_suspect_progress(r);
}

static int on_compact(struct raft *r, struct raft_pos pos)
{
    if (pos.index <= r->log.base.index) {
        return RAFT_OK;
    }
    /* What was not handed out yet is nowhere but in memory. */
    if (pos.index > MIN_OF(r->commit, r->handed) ||
        raft_log_term_at(&r->log, pos.index) != pos.term) {
        return RAFT_ERR_CONFIG;
    }
    raft_log_compact(&r->log, pos);
    return RAFT_OK;
}

int raft_step(struct raft *r, const struct raft_input *in)
{
    if (r->drained) {
        clear_outputs(r);
    }
    r->now_us = MAX_OF(r->now_us, in->now_us);
    switch (in->type) {
    case RAFT_IN_TICK:
        if (r->role == RAFT_ROLE_LEADER) {
            raft_leader_tick(r);
        } else {
            raft_election_tick(r);
        }
        return RAFT_OK;
    case RAFT_IN_MESSAGE:
        return on_message(r, in->message);
    case RAFT_IN_PROPOSE:
        return raft_propose(r, in->propose.entries, in->propose.n);
    case RAFT_IN_PERSISTED:
        on_persisted(r, in);
        return RAFT_OK;
    case RAFT_IN_APPLIED:
        r->applied = MAX_OF(r->applied, MIN_OF(in->index, r->commit));
        raft_evict(r);
        return RAFT_OK;
    case RAFT_IN_COMPACT:
        return on_compact(r, in->pos);
    case RAFT_IN_SNAPSHOT:
        return raft_on_snapshot(r, in);
    case RAFT_IN_SNAPSHOT_SENT:
        raft_on_snapshot_sent(r, in);
        return RAFT_OK;
    case RAFT_IN_READ:
        return raft_read(r, in->token);
    case RAFT_IN_TRANSFER:
        return raft_transfer(r, in->peer);
    case RAFT_IN_CHANGE:
        return raft_change(r, in->members);
    case RAFT_IN_ENTRIES:
        return raft_on_entries(r, in);
    case RAFT_IN_UNREACHABLE:
        raft_on_unreachable(r, in->peer);
        return RAFT_OK;
    case RAFT_IN_STALLED:
        raft_on_stalled(r, in->stalled_us);
        return RAFT_OK;
    }
    return RAFT_ERR_CONFIG;
}

/* ---- outputs ----------------------------------------------------------------------------- */

static void drain_leader(struct raft *r)
{
    bool round = false;

    for (size_t i = r->n_reads; i > 0 && r->reads[i - 1].seq == 0; i--) {
        if (!round) {
            round = true;
            r->read_seq++; /* one round for all reads since the last drain */
        }
        r->reads[i - 1].seq = r->read_seq;
    }
    raft_replicate(r);
    raft_confirm_reads(r); /* a single voter needs no answer */
}

static void drain_append(struct raft *r, struct raft_output *out)
{
    size_t n = (size_t)(r->log.last - r->handed);

    r->append = array_grow(r->append, &r->cap_append, n, sizeof(struct raft_entry *));
    for (size_t i = 0; i < n; i++) {
        r->append[i] = raft_log_get(&r->log, r->handed + 1 + i);
        assert(r->append[i] != NULL);
    }
    r->handed = r->log.last;
    out->append = r->append;
    out->n_append = n;
}

/* A replica that never campaigns has no deadline; the caller still gets one it can calculate with.
 */
static int64_t deadline(const struct raft *r)
{
    int64_t at = r->role == RAFT_ROLE_LEADER ? raft_leader_deadline(r) : r->election_at_us;

    return MIN_OF(at, r->now_us + DEADLINE_MAX_US);
}

void raft_drain(struct raft *r, struct raft_output *out)
{
    if (r->drained) {
        clear_outputs(r);
    }
    if (r->role == RAFT_ROLE_LEADER) {
        drain_leader(r);
    } else {
        raft_flush_ack(r);
    }
    raft_update_lease(r);
    for (size_t i = 0; i < r->n_messages; i++) {
        if (r->messages[i].n_entries > 0) {
            r->messages[i].entries = r->out_entries + r->message_entries[i];
        }
    }
    *out = (struct raft_output){
        .hard_seq = r->hard_seq != r->hard_out ? r->hard_seq : 0,
        .hard = {.term = r->term, .vote = r->vote, .commit = raft_durable_commit(r)},
        .install = r->install,
        .install_pos = r->install_pos,
        .install_members = r->install ? &r->install_members : NULL,
        .messages = r->messages,
        .n_messages = r->n_messages,
        .commit = r->commit,
        .role_changed =
            r->role != r->seen.role || r->term != r->seen.term || r->leader != r->seen.leader,
        .role = r->role,
        .term = r->term,
        .leader = r->leader,
        .noop_index = RAFT_HAS_BUG(RAFT_BUG_SERVE_BEFORE_NOOP) ? 0 : r->noop_index,
        .transfer_ended = r->transfer_ended,
        .lease_until_us = r->lease_until_us,
        .cached_bytes = r->log.cached_bytes,
        .reads = r->reads_done,
        .n_reads = r->n_reads_done,
        .reads_lost = r->reads_lost,
        .n_reads_lost = r->n_reads_lost,
        .read_backs = r->read_backs,
        .n_read_backs = r->n_read_backs,
        .need_snapshot = r->need_snapshot,
        .n_need_snapshot = r->n_need_snapshot,
        .members_changed = r->members_changed,
        .tail_suspect = r->tail_suspect,
        .deadline_us = deadline(r),
    };
    drain_append(r, out);
    r->hard_out = r->hard_seq;
    r->seen.role = r->role;
    r->seen.term = r->term;
    r->seen.leader = r->leader;
    r->drained = true;
}
