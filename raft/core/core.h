/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/core.h - the state of one replica, and who of the core's files does what with it.
 *
 *   raft.c      life cycle, dispatch of inputs, outputs, status, invariants
 *   election.c  roles, timeouts, votes
 *   follower.c  APPEND and snapshots received, acknowledgements
 *   leader.c    proposals, commit, replies, check-quorum, leases, reads
 *   replicate.c what to send to each peer
 *   change.c    membership changes and leadership transfer
 *   log.c       the log in memory; members.c: sets of members
 *
 * Roles, and the functions that move between them (all in election.c):
 *
 *              election timeout        majority would vote           majority voted, own vote
 * durable FOLLOWER ------------------> PRE_CANDIDATE ----------> CANDIDATE ---------------> LEADER
 *      ^  campaign_pre()             |   raft_campaign()       |   become_leader()      |
 *      |                             |                         |                        |
 *      +-----------------------------+-------------------------+------------------------+
 *        raft_become_follower(): a leader of this term, any higher term, too few voters heard from
 */
#ifndef RAFT_CORE_CORE_H
#define RAFT_CORE_CORE_H

#include "raft/core/bug.h"
#include "raft/core/log.h"
#include "raft/raft.h"

/* Reads waiting for their round: beyond it RAFT_ERR_BUSY. */
#define READS_MAX 65536u

/* No deadline is farther away. */
#define DEADLINE_MAX_US (INT64_C(3600) * 1000000)

/* Terms and indexes beyond it are nobody's: adding one to any of ours never overflows. */
#define NUMBER_MAX (UINT64_MAX / 2)

enum peer_state {
    /* Where the logs agree is not known: one message at a time, then wait for an answer. */
    PEER_PROBE,
    /* They agree up to next - 1 as far as sent: messages follow each other without waiting. */
    PEER_REPLICATE,
    /* What it needs is behind the log's beginning: a stream is on its way or wanted. */
    PEER_SNAPSHOT,
};

enum peer_vote { VOTE_OPEN, VOTE_GRANTED, VOTE_GRANTED_SUSPECT, VOTE_REJECTED };

struct inflight { /* one APPEND with entries, not yet acknowledged as durable */
    uint64_t last, bytes;
};

/* One member of the configuration in force (also this replica itself). */
struct peer {
    uint64_t id;
    uint8_t flags;
    uint8_t vote; /* enum peer_vote, in the present election */

    /* All below: while leader. */
    uint8_t state; /* enum peer_state */
    bool probe_sent;
    bool heartbeat_due;
    uint64_t match; /* durable there and equal to our log */
    uint64_t next;  /* next entry to send */
    uint64_t commit_sent, read_sent, read_acked;
    int64_t heard_us;      /* last reply received */
    int64_t acked_sent_us; /* newest sending time it has acknowledged: what a lease stands on */
    uint64_t suspect_nonce;

    bool snapshot_wait; /* the last stream failed: wait for a sign of life */
    int64_t no_stream_until_us;

    bool read_back_asked;
    bool read_back_wait;
    struct raft_entry **read_back; /* entries from the log on disk, a reference each */
    size_t n_read_back, cap_read_back;

    struct inflight *inflight; /* ring of config.inflight_messages_max */
    uint32_t inflight_head, n_inflight;
    uint64_t inflight_bytes;
};

struct read_token {
    uint64_t token;
    uint64_t seq; /* the round that confirms it; 0: not started */
};

struct raft {
    struct raft_config config; /* .restore is cleared */
    uint64_t rng;
    int64_t now_us;

    struct raft_log log;
    uint64_t term, vote, leader;
    enum raft_role role;
    uint64_t commit, applied;
    uint64_t handed;    /* entries up to here have been given out to be made durable */
    uint64_t persisted; /* and up to here they are */
    /* An entry at .index or behind was cut off when .hard_seq was the newest hard state. An answer
     * about such an index that comes before that hard state is durable is about the old entry:
     * with the same term even, when the entry was sent again by a third leader. */
    struct {
        uint64_t index, hard_seq;
    } cut;
    uint64_t hard_seq, hard_durable, hard_out;

    struct peer *peers; /* of raft_log_members(), same order */
    size_t n_peers, cap_peers;
    /* To whom a stream is under way. It outlives leaderships, and a membership too. */
    uint64_t *streams;
    size_t n_streams, cap_streams;

    int64_t election_at_us; /* INT64_MAX: does not campaign */
    int64_t heard_us;       /* last APPEND of a leader whose term was current */
    int64_t refuse_until_us;
    bool forced;    /* this campaign was ordered by the leader (transfer) */
    bool would_win; /* elected, but for the durability of the own vote */
    struct {
        uint64_t to, hard_seq; /* to == RAFT_NONE: none */
    } vote_owed;

    /* As a follower of (leader, term). */
    uint64_t matched; /* our log is equal to the leader's up to here */
    bool ack_owed, ack_now;
    uint64_t acked; /* match of the last acknowledgement */
    int64_t echo_sent_us;
    uint64_t echo_read_seq;

    bool tail_suspect;
    uint64_t suspect_nonce;  /* names this run; the leader echoes it once it knows */
    uint64_t suspect_target; /* caught up when durable to here; 0: no leader told yet */

    /* As the leader. */
    uint64_t noop_index;
    int64_t heartbeat_at_us;
    int64_t quorum_check_at_us;
    int64_t commit_notify_at_us; /* INT64_MAX: all peers have been told */
    uint64_t uncommitted_bytes;
    int64_t lease_until_us;
    struct {
        uint64_t target; /* RAFT_NONE: none under way */
        int64_t until_us;
        bool sent;
    } transfer;
    /* A transfer was given up after TIMEOUT_NOW had left: until its target has acknowledged
     * something sent later, that message may still start a forced election; no lease. */
    struct {
        uint64_t peer;
        int64_t since_us;
    } no_lease;
    uint64_t read_seq;
    struct read_token *reads;
    size_t n_reads, cap_reads;

    /* Outputs being gathered. */
    bool drained; /* they have been seen: start anew at the next step */
    struct raft_message *messages;
    size_t *message_entries; /* offset in out_entries of each message's */
    size_t n_messages, cap_messages, cap_message_entries;
    struct raft_entry **out_entries;
    size_t n_out_entries, cap_out_entries;
    struct {
        uint64_t first;
        size_t n, offset;
    } shared; /* the last run of log entries put in out_entries: peers mostly need the same */
    struct raft_entry **append;
    size_t cap_append;
    struct raft_entry **held; /* references to give up once the outputs have been carried out */
    size_t n_held, cap_held;
    uint64_t *reads_done;
    size_t n_reads_done, cap_reads_done;
    uint64_t *reads_lost;
    size_t n_reads_lost, cap_reads_lost;
    struct raft_read_back *read_backs;
    size_t n_read_backs, cap_read_backs;
    uint64_t *need_snapshot;
    size_t n_need_snapshot, cap_need_snapshot;
    bool install, members_changed, transfer_ended;
    struct raft_pos install_pos;
    struct raft_members install_members;
    struct {
        enum raft_role role;
        uint64_t term, leader;
    } seen; /* as of the last drain */
};

/* ---- raft.c ---- */
struct raft_message *raft_push_message(struct raft *r, enum raft_message_type type, uint64_t to);
struct peer *raft_find_peer(struct raft *r, uint64_t id);
uint8_t raft_own_flags(const struct raft *r);
/* The largest value that a majority has reached (in a joint configuration, both majorities). */
uint64_t raft_quorum(const struct raft *r,
                     uint64_t (*value)(const struct raft *r, const struct peer *p));
/* Put the log's configuration in force. */
void raft_sync_members(struct raft *r);
void raft_hard_changed(struct raft *r);
void raft_evict(struct raft *r);
/* Commit index as it may be stored: a restart must find the entries that were committed, so what
 * is not durable here does not count. */
uint64_t raft_durable_commit(const struct raft *r);
uint64_t raft_random(struct raft *r, uint64_t n); /* [0, n) */

/* ---- election.c ---- */
bool raft_may_campaign(const struct raft *r);
void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader);
void raft_campaign(struct raft *r, bool forced);
void raft_reset_election_timer(struct raft *r);
void raft_election_tick(struct raft *r);
void raft_on_stalled(struct raft *r, int64_t stalled_us);
void raft_leader_stalled(struct raft *r, int64_t stalled_us);
void raft_on_vote(struct raft *r, const struct raft_message *m);
void raft_on_vote_reply(struct raft *r, const struct raft_message *m);
void raft_on_timeout_now(struct raft *r, const struct raft_message *m);
void raft_hard_persisted(struct raft *r);

/* ---- follower.c ---- */
MUST_CHECK int raft_check_append(const struct raft *r, const struct raft_message *m);
void raft_on_append(struct raft *r, const struct raft_message *m);
void raft_flush_ack(struct raft *r);
void raft_commit_to(struct raft *r, uint64_t index);
MUST_CHECK int raft_on_snapshot(struct raft *r, const struct raft_input *in);
void raft_suspect_progress(struct raft *r);

/* ---- leader.c ---- */
void raft_lead(struct raft *r); /* state of a new leader, and its first entry */
void raft_stop_leading(struct raft *r);
void raft_leader_append(struct raft *r, struct raft_entry *e); /* takes a reference */
void raft_append_internal(struct raft *r, enum raft_entry_type type, const unsigned char *p,
                          uint32_t n);
MUST_CHECK int raft_propose(struct raft *r, struct raft_entry **entries, size_t n);
MUST_CHECK int raft_check_append_reply(const struct raft *r, const struct raft_message *m);
void raft_on_append_reply(struct raft *r, const struct raft_message *m);
void raft_maybe_commit(struct raft *r);
void raft_leader_tick(struct raft *r);
void raft_update_lease(struct raft *r);
MUST_CHECK int raft_read(struct raft *r, uint64_t token);
void raft_confirm_reads(struct raft *r);
int64_t raft_leader_deadline(const struct raft *r);

/* ---- replicate.c ---- */
void raft_peer_reset(struct raft *r, struct peer *p);
void raft_peer_release(struct peer *p);
void raft_peer_probe(struct peer *p, uint64_t next);
void raft_peer_acked(struct raft *r, struct peer *p, uint64_t match);
void raft_replicate(struct raft *r); /* to all peers, at drain time */
MUST_CHECK int raft_on_entries(struct raft *r, const struct raft_input *in);
void raft_on_snapshot_sent(struct raft *r, const struct raft_input *in);
void raft_on_unreachable(struct raft *r, uint64_t id);

/* ---- change.c ---- */
MUST_CHECK int raft_change(struct raft *r, const struct raft_members *wanted);
bool raft_change_open(const struct raft *r);
void raft_change_progress(struct raft *r); /* after the commit index moved */
MUST_CHECK int raft_transfer(struct raft *r, uint64_t peer);
void raft_transfer_progress(struct raft *r, bool again);
void raft_transfer_tick(struct raft *r);
void raft_transfer_give_up(struct raft *r);

#endif
