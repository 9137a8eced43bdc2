/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host.h - the raft thread, the log thread and the peer connections of a node.
 *
 * The host runs the Raft core of every group that has a replica here, writes them all to one
 * write-ahead log, and talks to the other nodes over one connection per pair. Its owner (the
 * exec thread) proposes entries and gets events back through a queue; it applies what is
 * committed. The owner's functions below may be called from the owner's thread only, unless they
 * say otherwise; none of them blocks.
 *
 *   owner --propose--> raft thread --entries--> log thread (write, fdatasync)
 *     ^                 |     ^                     |
 *     +----events-------+     +------persisted------+         raft thread <--> peers
 */
#ifndef RAFT_HOST_H
#define RAFT_HOST_H

#include "base/chan.h"
#include "base/net.h"
#include "base/worker.h"
#include "raft/raft.h"
#include "raft/wal.h"

#include <stdatomic.h>

#define RAFT_HOST_ID_CHARS 40

#define RAFT_HOST_ERRORS(X)                                                                        \
    X(RAFT_HOST_OK, 0, "ok")                                                                       \
    X(RAFT_HOST_ERR_IO, -1, "input/output error")                                                  \
    X(RAFT_HOST_ERR_LOCKED, -2, "data directory is in use by another process")                     \
    X(RAFT_HOST_ERR_FOREIGN, -3, "data directory belongs to another cluster or node")              \
    X(RAFT_HOST_ERR_VERSION, -4, "data directory was written by a newer version")                  \
    X(RAFT_HOST_ERR_DAMAGED, -5, "data directory is damaged")                                      \
    X(RAFT_HOST_ERR_LISTEN, -6, "cannot listen on the peer port")                                  \
    X(RAFT_HOST_ERR_NO_GROUP, -7, "no such group here")                                            \
    X(RAFT_HOST_ERR_NOT_FORMED, -8, "not a member of a cluster yet")
enum raft_host_error {
#define X(name, code, text) name = (code),
    RAFT_HOST_ERRORS(X)
#undef X
};
const char *raft_host_strerror(int error);

enum raft_durability {
    RAFT_DURABLE_ALWAYS,   /* a majority has it on disk */
    RAFT_DURABLE_EVERYSEC, /* a majority has it in memory; synced once a second */
    RAFT_DURABLE_NO,       /* a majority has it in memory; the system writes it back */
};

/* ---- identity: who this data directory is -------------------------------------------------- */

/* Kept in DIR/node.meta (proto/meta.proto), written durably before it is used. */
struct raft_identity {
    char node_id[RAFT_HOST_ID_CHARS + 1];    /* drawn at the first start */
    char cluster_id[RAFT_HOST_ID_CHARS + 1]; /* "" until formed */
    uint64_t node; /* number in the cluster, never reused; 0 until formed */
};

/* ---- the host ------------------------------------------------------------------------------ */

struct raft_host_config {
    const char *dir; /* data directory; created when absent */
    const char *const *bind;
    size_t n_bind;
    struct net_addr self; /* the peer address under which other nodes know this one */
    enum raft_durability durability;
    int64_t heartbeat_us, election_timeout_us;
    uint32_t lease_drift_ppm;
    uint64_t segment_bytes, ballast_bytes;
    uint64_t uncommitted_bytes_max; /* per group */
    uint64_t snapshot_rate_bytes;   /* per second and stream; 0: unlimited */
    uint64_t snapshot_log_bytes;    /* a log longer than this asks for a snapshot; 0: the larger
                                     * of 64 MiB and twice the size of the last snapshot */
    uint32_t feature_level;         /* told to peers when greeting */
    const struct wal_io *wal_io;    /* NULL: the system's; for fault tests */
    struct worker *bg;              /* snapshot streams run here; outlives the host */
    struct chan *events;            /* struct raft_event *, the owner's; outlives the host */
};

struct raft_host; /* opaque */

/* Lock @config->dir, read the identity, recover the log; threads do not run yet. The groups
 * found are announced by RAFT_EV_GROUP once raft_host_start() was called.
 * Errors: all of the above; log lines say what is wrong; nothing on disk was changed. */
MUST_CHECK int raft_host_new(const struct raft_host_config *config, struct raft_host **out);
MUST_CHECK int raft_host_start(struct raft_host *h);
/* Stop the threads (after a last sync), close all; NULL is allowed. Proposals in flight stay
 * undecided. */
void raft_host_free(struct raft_host *h);

const struct raft_identity *raft_host_identity(const struct raft_host *h);

/* Become member @node of @cluster_id, durably; once, before any group is created. */
MUST_CHECK int raft_host_set_identity(struct raft_host *h, const char *cluster_id, uint64_t node);

/* The other nodes' peer addresses. node 0: number not known yet (before forming). Replaces the
 * earlier list; connections to addresses that stay are kept. Of each pair the node with the
 * lesser "host:port" text dials. */
struct raft_host_peer {
    uint64_t node;
    struct net_addr addr;
};
void raft_host_set_peers(struct raft_host *h, const struct raft_host_peer *peers, size_t n);

/* Create the replica of @group here, with a first snapshot that exists already as
 * raft_host_snapshot_path(pos). Durable when RAFT_EV_GROUP arrives. */
void raft_host_create_group(struct raft_host *h, uint32_t group, struct raft_pos pos,
                            const struct raft_members *members, uint8_t priority);
void raft_host_set_priority(struct raft_host *h, uint32_t group, uint8_t priority);
/* True when a replica of @group was found at the start, or has been created since. Any thread. */
bool raft_host_has_group(struct raft_host *h, uint32_t group);

/* ---- proposals, reads, leadership ---------------------------------------------------------- */

/* Propose one entry; takes the reference. entry->origin must be > 0 and rising per group. Its fate
 * comes as RAFT_EV_COMMITTED (recognised by origin) or RAFT_EV_REJECTED (never entered the log),
 * or shows itself when a foreign entry of a higher term is committed (then it is gone).
 *
 * entry->pos.term is the term (of RAFT_EV_ROLE) in which the owner executed it: in any other term
 * it is rejected, since the owner may have lost and regained leadership without knowing, and its
 * state may rest on batches that are gone. After such a rejection every further proposal of the
 * group is rejected too, until raft_host_feed() is called (the owner's state was ahead of the log
 * and has been rebuilt): a later batch must never enter the log without the one before it. With
 * pos.term == 0 (nothing was executed in advance) each proposal stands for itself.
 *
 * Above uncommitted_bytes_max and during a transfer proposals wait, in order, for their turn; on a
 * full disk a few (16 MiB) still enter, so that the owner can stop without losing any.
 * Proposals of one loop turn are best followed by one raft_host_flush(). */
void raft_host_propose(struct raft_host *h, uint32_t group, struct raft_entry *entry);
/* Confirm leadership: RAFT_EV_READ_OK / RAFT_EV_READ_LOST with @token. */
void raft_host_read(struct raft_host *h, uint32_t group, uint64_t token);
/* See to what was queued since the last call: wake the raft thread; or, if it sleeps and there is
 * not much, do its turn in this thread. Returns true in the latter case: events may be in the
 * queue. */
bool raft_host_flush(struct raft_host *h);

/* Move leadership to @node (0: whoever is best); the owner has parked new commands and seen
 * its proposals committed. Ends in RAFT_EV_ROLE or RAFT_EV_TRANSFER_FAILED. */
void raft_host_transfer(struct raft_host *h, uint32_t group, uint64_t node);
/* Change the group's membership. RAFT_EV_CHANGE_DONE or RAFT_EV_CHANGE_FAILED. */
void raft_host_change(struct raft_host *h, uint32_t group, const struct raft_members *wanted);

/* ---- applying ------------------------------------------------------------------------------ */

/* (Re)start the feed of committed entries behind @index; what was queued as events before and
 * carries an older epoch is to be ignored. Returns the new feed epoch (carried by COMMITTED).
 * Own entries that come again after a restart still carry their origin when they are in memory.
 * When the log no longer reaches back to @index, RAFT_EV_INSTALL comes instead. */
uint64_t raft_host_feed(struct raft_host *h, uint32_t group, uint64_t index);
/* Entries up to @index are applied: opens the feed's window, lets memory go. Cheap. */
void raft_host_applied(struct raft_host *h, uint32_t group, uint64_t index);

/* ---- snapshots ----------------------------------------------------------------------------- */

/* DIR/snapshots/g<group>-<index>-<term>.rdb, the file of a snapshot. @out: PATH_MAX bytes. */
void raft_host_snapshot_path(const struct raft_host *h, uint32_t group, struct raft_pos pos,
                             char *out);
/* The owner has such a file, complete and synced, at a position it has applied. The log may be
 * cut; RAFT_EV_SNAPSHOT_PUBLISHED follows. Older files are removed once that event is freed (and
 * those that RAFT_EV_INSTALL replaces, once that is): until then the owner may load them. */
void raft_host_snapshot_done(struct raft_host *h, uint32_t group, struct raft_pos pos);
/* Membership a snapshot at the applied index must carry: the index last given to
 * raft_host_applied() or raft_host_feed(). Cheap copy. */
void raft_host_members(struct raft_host *h, uint32_t group, struct raft_members *out);

/* ---- leases -------------------------------------------------------------------------------- */

/* True when the leader of @term still held its lease at a moment during this call. Any thread;
 * no lock, no system call but the clock. */
bool raft_host_lease_valid(struct raft_host *h, uint32_t group, uint64_t term);

/* ---- messages of the layers above ---------------------------------------------------------- */

/* Send @n bytes to the node at @addr as RAFT_EV_PEER_DATA; lost when it is not connected. */
void raft_host_send(struct raft_host *h, const struct net_addr *addr, const void *p, size_t n);

/* Send @n bytes to all nodes that are connected, in the order of the calls, behind what else waits
 * for them. Where RAFT_HOST_BACKLOG_BYTES of such messages wait already, for the connection or for
 * the owner over there, the message is dropped for that node: counted in its status, and a log line
 * says so now and then. So nobody who is slow makes another one's memory grow. */
#define RAFT_HOST_MESSAGE_MAX ((size_t)64 << 20)
#define RAFT_HOST_BACKLOG_BYTES ((uint64_t)32 << 20) /* one message may exceed it */
void raft_host_broadcast(struct raft_host *h, const void *p, size_t n);

/* ---- events -------------------------------------------------------------------------------- */

enum raft_event_type {
    RAFT_EV_GROUP = 1,       /* a replica is here: .pos = its snapshot, load it, then feed */
    RAFT_EV_COMMITTED,       /* .entries in order */
    RAFT_EV_REJECTED,        /* .token = origin: this proposal never entered the log */
    RAFT_EV_ROLE,            /* .role .term .leader .noop_index */
    RAFT_EV_TRANSFER_FAILED, /* leadership stays here */
    RAFT_EV_CHANGE_DONE,
    RAFT_EV_CHANGE_FAILED,      /* .error: enum raft_error */
    RAFT_EV_READ_OK,            /* .token */
    RAFT_EV_READ_LOST,          /* .token */
    RAFT_EV_INSTALL,            /* a received snapshot replaces the state: load .pos, then feed */
    RAFT_EV_SNAPSHOT_PUBLISHED, /* .pos */
    RAFT_EV_SNAPSHOT_WANTED, /* the log has grown too long, or a peer needs one: take a snapshot */
    RAFT_EV_PEER_UP,         /* .peer: connected and greeted; again when its identity changed */
    RAFT_EV_PEER_DOWN,       /* .peer */
    RAFT_EV_PEER_DATA,       /* .peer, .data .size */
    RAFT_EV_DISK_FULL,       /* .full: proposals are refused / accepted again */
};

struct raft_peer_id {
    struct net_addr addr;
    struct raft_identity identity; /* as it greeted */
};

/* One allocation; the receiver calls raft_event_free(), which drops the entries' references. */
struct raft_event {
    enum raft_event_type type;
    uint32_t group;
    uint64_t epoch; /* COMMITTED: of the feed */
    struct raft_pos pos;
    enum raft_role role;
    uint64_t term, leader, noop_index, token;
    int error;
    bool full;
    struct raft_peer_id peer;
    unsigned char *data; /* PEER_DATA; owned by the event */
    size_t size;
    struct raft_event_seen *seen;   /* the host's: raft_event_free() tells it */
    struct raft_event_tally *tally; /* likewise, of PEER_DATA */
    size_t n_entries;
    struct raft_entry *entries[];
};
void raft_event_free(struct raft_event *e);

/* ---- looking at it ------------------------------------------------------------------------- */

struct raft_group_status {
    uint32_t group;
    struct raft_status raft;
    uint64_t snapshot_bytes; /* size of its snapshot file */
    uint64_t log_span_bytes; /* log since the oldest record it needs */
};
/* Bytes of entries that all groups keep in memory for followers, as of now. Any thread. */
uint64_t raft_host_cached_bytes(struct raft_host *h);
/* The newest published copy (at most 100 ms old). Any thread. */
MUST_CHECK int raft_host_group_status(struct raft_host *h, uint32_t group,
                                      struct raft_group_status *out);

struct raft_host_status {
    struct wal_stats wal;
    int64_t last_sync_wall_ms;
    size_t n_peers;
    struct {
        struct raft_host_peer peer;
        bool connected;
        uint64_t bytes_sent, bytes_received, queued_bytes;
        uint64_t messages_dropped; /* of raft_host_broadcast(): to it, and what came from it */
        int64_t since_wall_ms;     /* connected / disconnected since */
    } peers[RAFT_MEMBERS_MAX];
    bool disk_full;
};
void raft_host_get_status(struct raft_host *h, struct raft_host_status *out); /* any thread */

#endif
