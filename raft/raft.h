/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/raft.h - the consensus state machine of one replica of one group.
 *
 * Pure: no clock, socket, disk, thread or global. The caller feeds inputs to raft_step(), any
 * number of them, then calls raft_drain() and carries the outputs out. Time comes in the inputs
 * (microseconds of one never-decreasing clock of this machine), randomness from a seed.
 *
 * Durability: the core itself withholds every message that promises something durable (a vote,
 * an acknowledgement of entries) until RAFT_IN_PERSISTED has said so; all messages of an output
 * may therefore be sent at once, in parallel with the writing. Entries are handed to the log in
 * order; an append at index i replaces whatever the log holds from i on. Terms and votes are
 * synced in every durability mode: a replica that forgets them may elect two leaders.
 *
 * Order of carrying out: publish role and lease_until_us where readers look, then send. (A leader
 * that steps down may grant its vote in the same output; no reader may find the old lease after
 * that vote has left.)
 *
 * Thread safety: one owner at a time.
 * Source: Ongaro's Raft thesis, ch. 3 (basics), 4 (membership, 4.3 joint consensus, 4.2.1
 * learners), 3.10 (transfer), 5 (snapshots), 6.4 (ReadIndex and leases), 9.6 (pre-vote). */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "raft/entry.h"

#define RAFT_NONE 0u /* no node: node ids are > 0 */
#define RAFT_MEMBERS_MAX 64

#define RAFT_ERRORS(X)                                                                             \
    X(RAFT_OK, 0, "ok")                                                                            \
    X(RAFT_ERR_NOT_LEADER, -1, "not the leader")                                                   \
    X(RAFT_ERR_TRANSFERRING, -2, "leadership is being transferred")                                \
    X(RAFT_ERR_BUSY, -3, "too much is uncommitted, or a change is already under way")              \
    X(RAFT_ERR_CONFIG, -4, "bad configuration")                                                    \
    X(RAFT_ERR_NOMEM, -5, "out of memory")                                                         \
    X(RAFT_ERR_BAD_MESSAGE, -6, "malformed or impossible message")                                 \
    X(RAFT_ERR_NOT_CACHED, -7, "entry is not in memory")                                           \
    X(RAFT_ERR_COMPACTED, -8, "entry is behind the snapshot")                                      \
    X(RAFT_ERR_NOT_READY, -9, "no entry of this term is committed yet")                            \
    X(RAFT_ERR_UNKNOWN_MEMBER, -10, "no such member")
enum raft_error {
#define X(name, code, text) name = (code),
    RAFT_ERRORS(X)
#undef X
};
const char *raft_strerror(int error);

enum raft_role {
    RAFT_ROLE_FOLLOWER,
    RAFT_ROLE_PRE_CANDIDATE,
    RAFT_ROLE_CANDIDATE,
    RAFT_ROLE_LEADER,
};
const char *raft_role_name(enum raft_role role); /* "follower", "pre-candidate", ... */

/* ---- membership -------------------------------------------------------------------------- */

/* What a member is; VOTER_OLD is set only while a joint configuration is in force: decisions
 * then need a majority of the members with VOTER and one of those with VOTER_OLD. */
enum {
    RAFT_MEMBER_VOTER = 1,
    RAFT_MEMBER_VOTER_OLD = 2,
    RAFT_MEMBER_LEARNER = 4,
};
struct raft_member {
    uint64_t id;
    uint8_t flags;
};
struct raft_members {
    uint32_t n; /* sorted by id, no id twice */
    struct raft_member m[RAFT_MEMBERS_MAX];
};
#define RAFT_MEMBERS_ENCODED_MAX (4 + RAFT_MEMBERS_MAX * 9)
/* Little-endian: u32 n, then per member u64 id, u8 flags. Returns the bytes written. */
size_t raft_members_encode(const struct raft_members *m, unsigned char *out);
MUST_CHECK int raft_members_decode(const unsigned char *p, size_t n, struct raft_members *out);
bool raft_members_is_joint(const struct raft_members *m);
const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id);

/* ---- durable state ----------------------------------------------------------------------- */

struct raft_hard_state {
    uint64_t term;
    uint64_t vote;   /* RAFT_NONE: none in this term */
    uint64_t commit; /* a lower bound, saved along with other writes; never worth a sync */
};

/* Entries first..(first of the next run - 1) carry @term. */
struct raft_term_run {
    uint64_t term;
    uint64_t first;
};

/* What recovery found; arrays are copied by raft_new(). */
struct raft_restore {
    struct raft_hard_state hard;
    struct raft_pos snapshot; /* the log begins behind it; {0,0}: none */
    /* In force at snapshot. The first replicas of a group start with their members at a position
     * behind 0, say {1, 1}, as if from a snapshot: one that joins later with nothing then gets them
     * by stream. At {0, 0} it would be sent the entries from 1 on and never learn them. */
    struct raft_members snapshot_members;
    struct raft_pos last;             /* last entry, or equal to snapshot */
    const struct raft_term_run *runs; /* cover snapshot.index+1 .. last.index */
    size_t n_runs;
    struct raft_entry *const *configs; /* the log's RAFT_ENTRY_CONFIG entries, in order */
    size_t n_configs;
    /* The log may have lost a tail that was acknowledged (damage, or everysec and a machine that
     * rebooted). Until this replica holds durably all that a leader's log held when that leader
     * learnt of it, its vote (also for itself) counts only in an election in which all voters
     * agree, and it campaigns only long after all others had the chance: when a power cut made
     * every replica suspect, one of them must. */
    bool tail_suspect;
};

struct raft_config {
    uint64_t id; /* this replica's node; > 0 */
    uint64_t seed;
    int64_t now_us;                 /* start; votes are refused for one election timeout from here
                                     * on, since a lease may have been granted before a restart */
    bool fresh;                     /* never ran before: that wait is not needed */
    int64_t heartbeat_us;           /* raft-heartbeat-interval */
    int64_t election_timeout_us;    /* randomised to [t, 2t); > 2 heartbeats */
    uint32_t lease_drift_ppm;       /* clock rates of two machines differ by at most this */
    uint64_t uncommitted_bytes_max; /* proposals beyond it: RAFT_ERR_BUSY */
    uint64_t cache_bytes;           /* entries kept in memory once they are durable and applied */
    uint64_t message_bytes_max;     /* entries of one APPEND (one entry may exceed it) */
    uint32_t inflight_messages_max; /* APPENDs on their way to one peer */
    uint64_t inflight_bytes_max;
    uint8_t priority; /* 0 = first to campaign .. 3; each step waits half a timeout longer */
    struct raft_restore restore;
};

/* ---- messages ---------------------------------------------------------------------------- */

enum raft_message_type {
    RAFT_MSG_PRE_VOTE = 1,
    RAFT_MSG_PRE_VOTE_REPLY,
    RAFT_MSG_VOTE,
    RAFT_MSG_VOTE_REPLY,
    RAFT_MSG_APPEND, /* also the heartbeat, with no entries */
    RAFT_MSG_APPEND_REPLY,
    RAFT_MSG_TIMEOUT_NOW,
    RAFT_MSG_SNAPSHOT_STATUS, /* sender's host of a stream: not on the wire */
};

/* One message. Fields not named for a type are 0. */
struct raft_message {
    enum raft_message_type type;
    uint64_t from, to, term;
    /* VOTE, PRE_VOTE: the candidate's last position. APPEND: the position before the entries.
     * APPEND_REPLY: when rejected, a position of the follower's log at which it may agree. */
    struct raft_pos pos;
    uint64_t commit;   /* APPEND: the leader's commit index; the receiver believes it as far as it
                        * knows its log to be the leader's. APPEND_REPLY with tail_suspect: a number
                        * that names the sender's run */
    uint64_t match;    /* APPEND_REPLY: durable and equal to the leader's log up to here.
                        * Rejected: the index that was refused.
                        * APPEND: echo of such a number, once the leader knows it (else 0) */
    uint64_t last;     /* APPEND_REPLY: equal to the leader's log up to here, maybe only in memory.
                        * APPEND with match: the leader's last index */
    int64_t sent_us;   /* APPEND, TIMEOUT_NOW: leader's clock; APPEND_REPLY: newest one received */
    uint64_t read_seq; /* APPEND: newest read round; APPEND_REPLY: echoed */
    bool reject;
    bool forced;       /* VOTE: caused by a transfer; stickiness does not apply (thesis 4.2.3) */
    bool tail_suspect; /* all replies: see struct raft_restore */
    struct raft_entry **entries; /* APPEND: consecutive, from pos.index + 1 on */
    uint32_t n_entries;
};

/* ---- inputs ------------------------------------------------------------------------------ */

enum raft_input_type {
    RAFT_IN_TICK = 1,      /* time has passed; call at the latest at output.deadline_us */
    RAFT_IN_MESSAGE,       /* .message; its entries are borrowed (the core takes references) */
    RAFT_IN_PROPOSE,       /* .propose: append entries as the leader; all or none */
    RAFT_IN_PERSISTED,     /* .persisted */
    RAFT_IN_APPLIED,       /* .index: applied by the owner; those entries may leave memory */
    RAFT_IN_COMPACT,       /* .pos: the log begins behind it from now on; a snapshot at this
                            * position or a later one is published. So it was applied, hence
                            * within the commit index of an output; RAFT_ERR_CONFIG beyond that */
    RAFT_IN_SNAPSHOT,      /* .snapshot: one was received whole and is durable as a file */
    RAFT_IN_SNAPSHOT_SENT, /* .peer, .pos, .failed: a stream to a peer ended; every need_snapshot
                            * is answered so, also when leadership was lost meanwhile */
    RAFT_IN_READ,          /* .token: confirm leadership for reads executed so far */
    RAFT_IN_TRANSFER,      /* .peer: hand leadership over (RAFT_NONE: to the best follower) */
    RAFT_IN_CHANGE,        /* .members: wanted configuration (VOTER and LEARNER flags only) */
    RAFT_IN_ENTRIES,       /* .entries: read back from the log for .peer */
    RAFT_IN_UNREACHABLE,   /* .peer: its connection broke; what was in flight is lost */
    RAFT_IN_STALLED,       /* .stalled_us: the caller did not run for so long (a busy or suspended
                            * machine). What others sent meanwhile was not looked at, so silence
                            * for that time says nothing: timeouts are that much longer. Leases and
                            * the refusal of votes are untouched. Comes before the next TICK. */
};

struct raft_input {
    enum raft_input_type type;
    int64_t now_us;
    union {
        const struct raft_message *message;
        struct {
            struct raft_entry **entries; /* borrowed; the core refers to what it accepts and sets
                                          * their pos */
            size_t n;
        } propose;
        /* Entries up to @log are durable, with the term of the last one, so that a late answer
         * for an entry that was overwritten meanwhile counts for nothing; hard states up to
         * output.hard_seq == @hard_seq are durable. Either may be zero: no news. Answers come in
         * the order of the writes, and one output is answered by one input. */
        struct {
            struct raft_pos log;
            uint64_t hard_seq;
        } persisted;
        uint64_t index;
        struct raft_pos pos;
        struct {
            uint64_t from, term; /* the leader that sent it */
            struct raft_pos pos;
            const struct raft_members *members;
        } snapshot;
        struct {
            uint64_t peer;
            struct raft_pos pos;
            bool failed;
        } sent;
        uint64_t token;
        uint64_t peer;
        int64_t stalled_us;
        const struct raft_members *members;
        struct {
            uint64_t peer;
            struct raft_entry **entries; /* borrowed; consecutive */
            size_t n;
            bool compacted; /* no longer in the log: the peer needs a snapshot */
        } entries;
    };
};

/* ---- outputs ----------------------------------------------------------------------------- */

struct raft_output {
    /* To make durable: first the hard state if changed (hard_seq > 0), then the entries (an
     * append at i cuts whatever the log had from i on). Answer with RAFT_IN_PERSISTED. */
    uint64_t hard_seq;
    struct raft_hard_state hard; /* always current */
    struct raft_entry **append;
    size_t n_append;

    /* A received snapshot replaces log and state: make the marker durable (then PERSISTED with
     * log = its position), have the owner load it. Comes before .append. */
    bool install;
    struct raft_pos install_pos;
    const struct raft_members *install_members;

    struct raft_message *messages; /* send all; to RAFT_NONE never */
    size_t n_messages;

    uint64_t commit; /* current; entries up to here may be applied */

    bool role_changed; /* role, term or leader differ from the last drain */
    enum raft_role role;
    uint64_t term;
    uint64_t leader;     /* RAFT_NONE: unknown */
    uint64_t noop_index; /* leader: its own first entry; serving starts when that is applied */
    bool transfer_ended; /* a transfer was given up (still leader) */
    /* Leader: reads executed before this moment are good. 0: no lease (no own entry committed yet,
     * a transfer under way or one that was given up too late): use RAFT_IN_READ. */
    int64_t lease_until_us;

    const uint64_t *reads; /* tokens of RAFT_IN_READ now confirmed, in order */
    size_t n_reads;
    const uint64_t *reads_lost; /* tokens that never will be (leadership was lost) */
    size_t n_reads_lost;

    struct raft_read_back { /* entries not in memory that a peer needs: answer RAFT_IN_ENTRIES */
        uint64_t peer, first;
        uint64_t bytes_max;
    } * read_backs;
    size_t n_read_backs;

    const uint64_t *need_snapshot; /* peers to which a stream must start */
    size_t n_need_snapshot;

    bool members_changed;  /* another configuration is in force (at append) */
    bool tail_suspect;     /* still; see struct raft_restore */
    uint64_t cached_bytes; /* of entries kept in memory */
    int64_t deadline_us;   /* RAFT_IN_TICK at the latest then; within an hour */
};

struct raft; /* opaque */

/* Create a replica from @config (copied). On success *@out is the caller's: raft_free().
 * Errors: RAFT_ERR_CONFIG, RAFT_ERR_NOMEM; *@out is then NULL. */
MUST_CHECK int raft_new(const struct raft_config *config, struct raft **out);
void raft_free(struct raft *r); /* NULL is allowed */

/* Advance by one input. Errors leave @r unchanged (a message that is merely stale is no error).
 * PROPOSE, READ, TRANSFER, CHANGE: NOT_LEADER, TRANSFERRING, BUSY, NOT_READY, UNKNOWN_MEMBER. */
MUST_CHECK int raft_step(struct raft *r, const struct raft_input *in);

/* All outputs since the last call. @out borrows from @r until the next raft_step(), raft_drain()
 * or raft_free(); who keeps an entry longer takes a reference. */
void raft_drain(struct raft *r, struct raft_output *out);

/* Another config.priority, from the next election timeout on. */
void raft_set_priority(struct raft *r, uint8_t priority);

/* ---- looking at it ----------------------------------------------------------------------- */

struct raft_peer_status {
    uint64_t id;
    uint8_t flags; /* RAFT_MEMBER_* */
    uint64_t match, next;
    bool active;           /* heard from within an election timeout */
    bool in_snapshot;      /* being caught up by stream */
    int64_t last_heard_us; /* 0: never */
};
struct raft_status {
    uint64_t id, term, vote, leader;
    enum raft_role role;
    struct raft_pos last, snapshot;
    uint64_t commit, applied, persisted;
    uint64_t uncommitted_bytes, cached_bytes;
    int64_t lease_until_us;
    bool tail_suspect, transferring, change_pending;
    struct raft_members members;
    size_t n_peers; /* leader: one each, without itself */
    struct raft_peer_status peers[RAFT_MEMBERS_MAX];
};
void raft_get_status(const struct raft *r, struct raft_status *out);
const struct raft_members *raft_get_members(const struct raft *r);
/* The members in force at @index (first of the log .. last): what a snapshot there must carry. */
MUST_CHECK int raft_members_at(const struct raft *r, uint64_t index, struct raft_members *out);
/* Term of an entry, snapshot.index..last.index; 0 when outside. */
uint64_t raft_term_at(const struct raft *r, uint64_t index);

/* Entries @first.. from memory, borrowed, at most @max and about @bytes_max (at least one).
 * NOT_CACHED: read them from the log. COMPACTED: behind the snapshot, maybe one that was just
 * stepped and the next drain says to install. *@n is 0 past the end. */
MUST_CHECK int raft_get_entries(const struct raft *r, uint64_t first, size_t max,
                                uint64_t bytes_max, struct raft_entry **out, size_t *n);

/* Assert every invariant that holds between steps; for tests. */
void raft_check(const struct raft *r);

#endif
