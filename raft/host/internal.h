/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/internal.h - private to raft/host: the host, its groups, and which file does what.
 *
 *   host.c        life cycle and the owner's functions
 *   loop.c        the raft thread: mail, turns, housekeeping
 *   group.c       one group: inputs to its core, carrying out its outputs
 *   feed.c        committed entries to the owner
 *   peer.c        address book, dialling, greeting, liveness
 *   conn.c        one connection: its life, reading frames
 *   conn_out.c    its output queue
 *   snap_in.c, snap_out.c   snapshot streams; snapshots.c: the files
 *   log_thread.c  the log; data_dir.c: the directory; mailbox.c: mail
 *
 * A turn of the raft thread: callbacks of the loop take in mail, bytes and timeouts and step the
 * cores at once; a core that was stepped is dirty. Before the loop sleeps (turn_end()) every dirty
 * core is drained once, all writes go to the log thread as one job (write_log()), all messages to
 * each peer leave with one writev, all events go to the owner with one push. Idle groups cost
 * nothing.
 *
 * Everything is the raft thread's unless it says otherwise. */
#ifndef RAFT_HOST_INTERNAL_H
#define RAFT_HOST_INTERNAL_H

#include "base/buf.h"
#include "proto/peer.h"
#include "raft/host.h"
#include "raft/host/data_dir.h"
#include "raft/host/event.h"
#include "raft/host/log_thread.h"
#include "raft/host/mailbox.h"

#include <ev.h>
#include <pthread.h>

#define HOST_GROUPS_MAX 1024u /* replicas on one node */
#define HOST_TABLE_SLOTS 4096u
#define HOST_PEERS_MAX RAFT_MEMBERS_MAX
_Static_assert(HOST_GROUPS_MAX <= DATA_DIR_GROUPS_MAX, "node.meta names all groups");

#define FEED_BYTES_MAX (8u << 20) /* given to the owner and not applied yet */
#define FEED_ENTRIES_MAX 8192u
#define FEED_EVENTS_MAX 512u
#define FEED_EVENT_ENTRIES 1024u
#define FEED_EVENT_BYTES (2u << 20)

#define CORE_CACHE_BYTES (32u << 20)
#define CORE_MESSAGE_BYTES (1u << 20)
#define CORE_INFLIGHT_MESSAGES 256u
#define CORE_INFLIGHT_BYTES (32u << 20)
#define KEEP_TAIL_BYTES (16u << 20) /* of log behind a snapshot, for slow followers; at most */
#define KEEP_MARK_BYTES (1u << 20)
#define KEEP_MARKS 32u
#define SNAPSHOT_LOG_MIN ((uint64_t)64 << 20) /* snapshot_log_bytes 0: at least this much log */
#define FULL_GRACE_BYTES (16u << 20)          /* proposals that still enter on a full disk */

struct host_peer;
struct conn;

/* ---- groups ------------------------------------------------------------------------------ */

struct host_members {
    uint64_t index; /* of the entry that brought it; or of the snapshot */
    struct raft_members members;
};

struct host_feed {
    bool on, reading;
    bool blocked;            /* the window is shut */
    uint64_t epoch, next;    /* next: index of the next entry to give */
    uint64_t bytes, entries; /* given and not applied */
    struct feed_span {
        uint64_t last, bytes, entries;
    } spans[FEED_EVENTS_MAX]; /* ring: one per event */
    unsigned first, n;
};

struct host_group {
    struct raft_host *host;
    uint32_t number;

    /* Any thread. The lease is zeroed before the term changes (publish_lease()). */
    atomic_bool ready; /* .status is filled */
    _Atomic int64_t lease_until_us;
    _Atomic uint64_t lease_term;
    _Atomic uint64_t commit_shared; /* snapshot receivers */
    _Atomic uint64_t span_bytes;    /* written by the log thread */
    uint64_t cached_bytes;          /* its part of the host's */
    pthread_mutex_t lock;           /* of the next three */
    struct raft_group_status status;
    struct host_members *configs; /* memberships the owner may be at, ascending by index */
    size_t n_configs;

    /* Owner only. */
    uint64_t owner_epoch, owner_applied;

    /* Raft thread. */
    struct raft *core; /* NULL: being created */
    struct host_group *next_dirty;
    struct ev_timer timer;
    int64_t timer_at_us; /* INT64_MAX: not armed */
    enum raft_role role;
    uint8_t priority;
    bool dirty, status_dirty;
    bool rejecting;       /* proposals, until the feed restarts: see raft_host_propose() */
    bool suspect;         /* tail_suspect, as far as we have recorded it */
    bool change_pending;  /* the owner waits for RAFT_EV_CHANGE_DONE */
    bool install_pending; /* a snapshot is being installed: no feed */
    bool compacting;
    unsigned n_marks;
    uint64_t term, leader, commit;
    uint64_t persisted_index;
    int64_t commit_saved_us;
    uint64_t commit_saved;
    uint64_t applied; /* newest RAFT_IN_APPLIED */

    struct raft_entry **waiting; /* proposals whose turn has not come; ring */
    size_t waiting_first, n_waiting, cap_waiting;

    struct host_feed feed;

    struct raft_pos install_pos;
    struct snap_in *installing;            /* its stream's job, to be told; or NULL */
    struct raft_pos snapshot;              /* durable marker and its file */
    struct raft_pos published;             /* by the owner, not compacted yet; index 0: none */
    struct raft_event_seen *snapshot_seen; /* when set, older files can go; NULL: they have */
    uint64_t snapshot_bytes;
    int64_t wanted_us; /* last RAFT_EV_SNAPSHOT_WANTED; 0: never */

    /* About one mark per KEEP_MARK_BYTES of log, to know where the last 16 MiB begin. Bytes are
     * those of all groups: they share the log, and a group that writes little must not hold the
     * others' part of it. */
    struct keep_mark {
        uint64_t index, bytes;
    } marks[KEEP_MARKS];
};

/* Payloads of mail. */
struct host_create {
    struct raft_pos pos;
    struct raft_members members;
    uint8_t priority;
};
struct host_peer_list {
    size_t n;
    struct raft_host_peer peers[];
};
struct host_send {
    bool to_all; /* raft_host_broadcast(); .addr means nothing */
    struct net_addr addr;
    size_t n;
    unsigned char data[];
};

/* ---- the host ---------------------------------------------------------------------------- */

struct raft_host {
    struct raft_host_config config;
    char **bind;
    char self_name[NET_HOST_MAX + 8];
    struct data_dir dir;
    struct raft_identity identity; /* owner's */
    bool started;
    bool unflushed;           /* owner's: mail was put without a wake-up */
    uint64_t unflushed_bytes; /* owner's: of entries in it */

    _Atomic uint64_t cached_bytes;      /* of all groups' entries; written by the raft thread */
    struct raft_event_tally *user_data; /* on its way to the owner */

    struct mailbox mail;
    struct log_thread *log;
    struct worker *senders, *receivers; /* snapshot streams */
    struct worker *resolver;            /* made by the raft thread when a peer has a name */
    pthread_t thread;

    /* Published by the raft thread (or before it runs), never changed after. */
    _Atomic(struct host_group *) table[HOST_TABLE_SLOTS];

    pthread_mutex_t status_lock;
    struct raft_host_status status; /* copy for any thread */

    /* ---- raft thread: what follows, and the groups' ----
     * Held by the raft thread but while it sleeps in its loop. Whoever else holds it is the raft
     * thread for as long: see host_turn_here(). */
    pthread_mutex_t turn_lock;
    bool running;      /* in its loop, and not about to leave it */
    bool loop_changed; /* watchers that the loop, if it sleeps, does not know of */
    struct ev_loop *loop;
    struct ev_prepare prepare;
    struct ev_check check;
    struct ev_timer tick;        /* housekeeping, every TICK_US */
    struct ev_timer event_retry; /* the owner's queue was full, or some events can wait */
    int64_t now_us;              /* of this turn */
    int64_t last_tick_us, last_wanted_us;
    int64_t turn_us; /* begin of the last turn */
    bool stopping;
    struct raft_identity me; /* the raft thread's copy of identity */

    struct host_group *groups[HOST_GROUPS_MAX];
    size_t n_groups;
    struct host_group *dirty;

    struct log_job *write; /* the turn's; NULL: nothing yet */
    uint64_t log_bytes;    /* of entries written in this run, all groups */
    struct log_job *spare; /* list of jobs to use again */
    size_t n_spare;
    bool disk_full;
    uint64_t full_bytes; /* proposals accepted since the disk is full */

    struct raft_event **events; /* not pushed yet, in order */
    size_t n_events, cap_events;
    size_t n_patient;         /* of them: committed entries of groups led elsewhere */
    int64_t patient_since_us; /* the oldest of those */
    size_t n_blocked;         /* feeds that wait for raft_host_applied() */

    struct ev_io listeners[16];
    size_t n_listeners;
    int64_t accept_again_us; /* 0: they listen */
    struct host_peer *peers[HOST_PEERS_MAX];
    size_t n_peers;
    bool alone;            /* the owner has listed no peers */
    struct conn *greeting; /* accepted connections that have not said who they are */
    size_t n_greeting;
    struct conn *graves; /* closed connections, freed at the end of the turn */
    struct unreachable { /* appends were dropped: told to the cores at the next tick */
        uint32_t group;
        uint64_t node;
    } * unreachables;
    size_t n_unreachables, cap_unreachables;
    int64_t refused_log_us; /* rate limit of log lines about refused connections */
    uint64_t refused;

    struct snap_out *streams; /* outgoing, running or waiting to be started again */
    pthread_mutex_t receiving_lock;
    struct receiving { /* groups a stream is being received for; any thread, locked */
        uint32_t group;
        bool used;
    } receiving[8];
};

struct host_group *host_find_group(struct raft_host *h, uint32_t group); /* any thread */

/* ---- loop.c ---- */
void *host_main(void *arg);
/* Owner's thread: when the raft thread sleeps, do a turn of it here, up to the events in the
 * owner's queue. False: nothing was done. */
MUST_CHECK bool host_turn_here(struct raft_host *h);
/* All of the loop's watchers are started through these: in a turn done elsewhere it has to be told.
 * A timer that runs is set anew. */
void host_watch(struct raft_host *h, struct ev_io *w);
void host_arm(struct raft_host *h, struct ev_timer *w, int64_t in_us);
#define TURN_HERE_BYTES (256u << 10) /* of entries; more are not written in the owner's time */
void host_release_loop(struct raft_host *h); /* what the raft thread left; after it ended */
void host_mail_free(struct mail *m);         /* mail nobody will look at */
void host_push_event(struct raft_host *h, struct raft_event *e); /* takes it */
/* As above, for what nobody waits for: may leave a moment later, along with more. */
void host_push_patient_event(struct raft_host *h, struct raft_event *e);
struct raft_event *host_event_new(enum raft_event_type type, uint32_t group, size_t n_entries);
void host_log(struct raft_host *h, struct log_job *j);
struct log_job *host_job_new(struct raft_host *h, enum log_job_type type);
void host_job_done(struct raft_host *h, struct log_job *j); /* give back */
void host_publish_group_status(struct host_group *g);

/* ---- group.c ---- */
struct host_group *host_group_new(struct raft_host *h, uint32_t number);
void host_group_free(struct host_group *g);
/* Make the core and announce the group. @fresh: it never ran before. */
void host_group_open(struct host_group *g, const struct raft_restore *restore, bool fresh);
void host_group_create(struct raft_host *h, uint32_t number, struct host_create *c);
/* Step the core; the group is dirty then. RAFT_* error of the core. */
MUST_CHECK int host_group_step(struct host_group *g, struct raft_input *in);
/* As above; inputs that cannot fail but for a lack of memory, which ends the process. */
void host_group_feed_core(struct host_group *g, struct raft_input *in);
void host_group_drain(struct host_group *g);
void host_group_propose(struct host_group *g, struct raft_entry *e); /* takes it */
void host_group_drop_waiting(struct host_group *g);                  /* reject what waits */
void host_group_set_priority(struct host_group *g, uint8_t priority);
void host_group_read(struct host_group *g, uint64_t token);
void host_group_transfer(struct host_group *g, uint64_t node);
void host_group_change(struct host_group *g, const struct raft_members *wanted);
void host_group_applied(struct host_group *g, uint64_t index);
void host_group_written(struct host_group *g, const struct log_part *p);
void host_group_read_done(struct host_group *g, struct log_job *j);
void host_group_snapshot_done(struct host_group *g, struct raft_pos pos);
void host_group_compacted(struct host_group *g, struct log_job *j);
void host_group_received(struct host_group *g, struct snap_in *s); /* a snapshot came whole */
void host_group_tidy(struct host_group *g); /* remove old snapshots the owner has done with */
void host_group_want_snapshot(struct host_group *g, const char *why);
void host_group_compact(struct host_group *g); /* behind the published snapshot, when possible */
/* The snapshot has all the log has, yet the log is too long: give up the tail kept behind it. */
void host_group_trim(struct host_group *g);
uint64_t host_snapshot_limit(const struct host_group *g); /* a longer log asks for a snapshot */
void host_group_unreachable(struct host_group *g, uint64_t node);
void host_group_stalled(struct host_group *g, int64_t stalled_us);

/* ---- feed.c ---- */
void host_feed_start(struct host_group *g, uint64_t index, uint64_t epoch);
void host_feed_stop(struct host_group *g);
void host_feed_applied(struct host_group *g, uint64_t index);
void host_feed_run(struct host_group *g); /* give what may be given */
void host_feed_read_done(struct host_group *g, struct log_job *j);

/* ---- snapshots.c ---- */
#define SNAPSHOT_NAME_MAX 96
void snapshot_name(uint32_t group, struct raft_pos pos, char out[SNAPSHOT_NAME_MAX]);
MUST_CHECK bool snapshot_parse_name(const char *name, uint32_t *group, struct raft_pos *pos);
/* Remove files of @group older than @pos, in the background. */
void snapshot_remove_older(struct raft_host *h, uint32_t group, struct raft_pos pos);
/* At the start: remove all but the files of these groups' snapshots. Errors: log lines. */
MUST_CHECK int snapshot_clean(struct raft_host *h, const struct wal_recovery *rec);
/* Give the received file @part its name, durably. Log thread. -1 with errno. */
MUST_CHECK int snapshot_take_part(const char *folder, const char *part, uint32_t group,
                                  struct raft_pos pos);
uint64_t snapshot_size(struct raft_host *h, uint32_t group, struct raft_pos pos); /* 0: none */

/* ---- snap_out.c, snap_in.c ---- */
/* @peer of @g needs a snapshot: start a stream unless one runs. */
void snap_out_start(struct host_group *g, uint64_t peer);
void snap_out_ended(struct raft_host *h, struct snap_out *s); /* mail */
void snap_out_tick(struct raft_host *h);
void snap_out_free_all(struct raft_host *h);
/* An accepted connection said that it brings a snapshot: takes @fd. */
void snap_in_start(struct raft_host *h, int fd, uint64_t from);
enum snap_in_outcome {
    SNAP_IN_REFUSED,
    SNAP_IN_NOT_NEEDED,
    SNAP_IN_INSTALLED, /* durable, under its final name */
};
/* The raft thread is done with it (drops its reference). */
void snap_in_answer(struct snap_in *s, enum snap_in_outcome outcome);
/* What was received: whole and durable in the file .part_path. */
struct snap_in_info {
    uint32_t group;
    uint64_t from, term;
    struct raft_pos pos;
    struct raft_members members;
    char *part_path;
};
const struct snap_in_info *snap_in_info(const struct snap_in *s);

/* ---- resolve.c ---- */
struct resolved {
    struct raft_host *host;
    char name[NET_HOST_MAX + 8]; /* of the peer */
    struct net_addr addr;        /* numeric when .found */
    unsigned attempt;
    bool found;
    char why[80];
};
bool resolve_is_numeric(const char *host);
/* Answered by MAIL_RESOLVED. */
void resolve_start(struct raft_host *h, const char *name, const struct net_addr *addr,
                   unsigned attempt);

/* ---- peer.c ---- */
struct host_peer {
    struct raft_host *host;
    struct net_addr addr;
    char name[NET_HOST_MAX + 8]; /* "host:port": the order that decides who dials */
    uint64_t node;               /* of the address book; 0: not known */
    bool we_dial;
    bool up;      /* greeted */
    bool raft_ok; /* Raft frames may pass */
    bool greeted; /* identity is that of the last greeting */
    struct raft_identity identity;
    struct conn *conn;
    struct ev_timer redial;
    int64_t backoff_us;
    unsigned attempts;
    bool resolving;
    uint64_t bytes_sent, bytes_received; /* of connections that are gone */
    uint64_t messages_dropped;
    int64_t drop_logged_us;
    int64_t since_wall_ms;
};

MUST_CHECK int host_peers_listen(struct raft_host *h);
void host_peers_start(struct raft_host *h); /* in the raft thread */
void host_peers_stop(struct raft_host *h);
void host_peers_set(struct raft_host *h, const struct host_peer_list *list);
void host_peers_identity_changed(struct raft_host *h);
void host_peers_resolved(struct raft_host *h, const struct resolved *r);
void host_peers_send_raft(struct host_group *g, const struct raft_message *m);
void host_peers_send_user(struct raft_host *h, const struct host_send *s);
void host_peers_flush(struct raft_host *h); /* end of turn */
void host_peers_tick(struct raft_host *h);
void host_peers_status(struct raft_host *h, struct raft_host_status *out);
struct host_peer *host_peer_by_node(struct raft_host *h, uint64_t node);
void host_addr_name(const struct net_addr *a, char *out, size_t n);
/* Events of connections. A refused greeting closes @c. */
void host_peer_on_hello(struct conn *c, const struct peer_hello *hello);
void host_peer_on_closed(struct conn *c);
void host_peer_on_raft(struct conn *c, const struct peer_raft *m, struct raft_entry **entries);
void host_peer_on_user(struct conn *c, unsigned char *p, size_t n); /* takes @p */
void host_fill_hello(struct raft_host *h, uint32_t kind, struct peer_hello *out);

#endif
