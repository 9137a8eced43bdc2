/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/bug.h - classic mistakes, one at a time, to prove that the simulator can fail.
 *
 * Built with -DRAFT_BUG=<n>, the core makes mistake n at the one place where it belongs; without
 * (RAFT_BUG 0) the conditions are constant and nothing of them is compiled. Where an assertion of
 * the core itself would stop the run before a checker sees the damage, the mistake skips it too. */
#ifndef RAFT_CORE_BUG_H
#define RAFT_CORE_BUG_H

#ifndef RAFT_BUG
#define RAFT_BUG 0
#endif

enum {
    /* Counting replicas of an entry of an older term commits it (thesis 3.6.2, figure 3.7). */
    RAFT_BUG_COMMIT_OLD_TERM = 1,
    /* A follower acknowledges entries, and a leader counts its own, before they are durable. */
    RAFT_BUG_ACK_BEFORE_DURABLE = 2,
    /* A vote leaves before it is durable; a crash then lets the voter vote twice in a term. */
    RAFT_BUG_VOTE_BEFORE_DURABLE = 3,
    /* Receiving a snapshot takes over its term and forgets the vote. */
    RAFT_BUG_SNAPSHOT_RESETS_TERM = 4,
    /* A snapshot older than the log's configuration puts its own membership in force. */
    RAFT_BUG_SNAPSHOT_DROPS_MEMBERS = 5,
    /* A lease lasts twice as long as the voters promised, as if there were time to spare. */
    RAFT_BUG_LEASE_NO_MARGIN = 6,
    /* Durability counts by the index alone, though the entry there was overwritten. */
    RAFT_BUG_LATE_PERSISTED = 7,
    /* A restarted voter votes at once, although it may have promised a lease before. */
    RAFT_BUG_NO_RESTART_REFUSAL = 8,
    /* Every APPEND cuts the log behind its last entry, as if it could not be an old, short one. */
    RAFT_BUG_TRUNCATE_ALWAYS = 9,
    /* In a joint configuration the majority of either half decides. */
    RAFT_BUG_JOINT_ONE_MAJORITY = 10,
    /* A new leader serves reads before an entry of its term is committed. */
    RAFT_BUG_SERVE_BEFORE_NOOP = 11,
    /* Membership changes start while another is open and before an own entry is committed. */
    RAFT_BUG_CHANGE_TOO_EARLY = 12,
    /* Votes compare the logs by length only. */
    RAFT_BUG_VOTE_BY_LENGTH = 13,
    /* The leader keeps its lease, and takes proposals, while it hands leadership over. */
    RAFT_BUG_TRANSFER_KEEPS_LEASE = 14,
    /* Voters grant votes although they hear from a leader. */
    RAFT_BUG_NO_STICKINESS = 15,
    /* A lease counts from the receipt of the acknowledgement, not from the sending. */
    RAFT_BUG_LEASE_FROM_RECEIPT = 16,
    /* A configuration that is cut off the log stays in force. */
    RAFT_BUG_MEMBERS_NOT_REVERTED = 17,
    /* A follower commits what the leader committed, up to the end of its own log, checked or not.
     */
    RAFT_BUG_COMMIT_UNMATCHED_TAIL = 18,
    /* A replica that may have lost its tail votes like any other. */
    RAFT_BUG_SUSPECT_VOTES = 19,
    RAFT_BUG_COUNT = 19,
};

#define RAFT_HAS_BUG(n) (RAFT_BUG == (n))

#endif
