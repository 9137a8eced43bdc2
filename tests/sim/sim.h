/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/sim.h - a simulated world of Raft replicas: clocks, disks, network, faults, checks.
 *
 * One seed is one run, bit for bit: all that happens is drawn from one generator and ordered by
 * one event queue (time, then order of insertion). Nothing here may look at an address, the real
 * clock or the environment. True time is struct world.now, in microseconds; a node sees only its
 * own clock (node_now()).
 *
 *   world.c   event queue, phases of a run         host.c   carries out a core's outputs
 *   disk.c    writes, syncs, crashes               snap.c   snapshots: own, streamed, read-back
 *   net.c     messages, links                      load.c   clients: proposals, reads
 *   fault.c   profiles, what goes wrong and when   check.c  the properties
 *   trace.c   hash and text of a run, failure      main.c   options */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "base/rand.h"
#include "raft/raft.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>

#define NODES_MAX 7
#define NOBODY UINT32_MAX
#define NEVER INT64_MAX

/* ---- host bugs: what a host could do wrong around a right core ------------------------------ */

#define HOST_BUGS(X)                                                                               \
    X(ACK_BEFORE_SYNC, "ack-before-sync", "entries are reported durable when written")             \
    X(VOTE_BEFORE_SYNC, "vote-before-sync", "hard states are reported durable when written")       \
    X(RETRY_FAILED_SYNC, "retry-failed-sync", "a failed sync is tried again, and 'succeeds'")      \
    X(VOTE_NOT_RESTORED, "vote-not-restored", "a restart knows its term, but not its vote")        \
    X(CLOCK_STOPS, "clock-stops", "the clock stands still while the process is paused")            \
    X(SNAPSHOT_UNSYNCED, "snapshot-unsynced", "a received snapshot is used before its sync")       \
    X(READ_BEFORE_NOOP, "read-before-noop", "a new leader serves before its no-op is applied")     \
    X(TAIL_TRUSTED, "tail-trusted", "everysec: a rebooted machine's log is not suspected")         \
    X(SUSPECT_FORGOTTEN, "suspect-forgotten", "a restart forgets that the tail was suspect")
enum host_bug {
    HOST_BUG_NONE,
#define X(id, name, text) HOST_BUG_##id,
    HOST_BUGS(X)
#undef X
};

/* ---- the log as seen from outside ----------------------------------------------------------- */

/* An entry and the hash of the whole log up to it: two logs agree up to an index exactly when
 * these hashes agree there. */
struct link {
    struct raft_entry *e;
    uint64_t chain;
};
/* Entries base.index + 1 .. base.index + n. */
struct mlog {
    struct raft_pos base;
    uint64_t base_chain;
    struct link *v;
    size_t n, cap;
};
void mlog_release(struct mlog *l);
void mlog_reset(struct mlog *l, struct raft_pos base, uint64_t chain); /* empty behind @base */
void mlog_put(struct mlog *l, struct raft_entry *e); /* cuts from e->pos.index on; refs @e */
void mlog_compact(struct mlog *l, struct raft_pos pos, uint64_t chain);
void mlog_cut(struct mlog *l, uint64_t from);
void mlog_copy(struct mlog *to, const struct mlog *from);
struct raft_pos mlog_last(const struct mlog *l);
/* Term / chain at @index; 0 when outside base.index .. last. */
uint64_t mlog_term(const struct mlog *l, uint64_t index);
uint64_t mlog_chain(const struct mlog *l, uint64_t index);
struct raft_entry *mlog_at(const struct mlog *l, uint64_t index); /* borrowed; NULL: not here */
uint64_t entry_hash(const struct raft_entry *e);
uint64_t chain_next(uint64_t chain, const struct raft_entry *e);

/* ---- disk ----------------------------------------------------------------------------------- */

enum rec_kind { REC_HARD, REC_ENTRY, REC_MARK, REC_INSTALL };
struct rec {
    enum rec_kind kind;
    bool lost; /* dropped by a failed sync (HOST_BUG_RETRY_FAILED_SYNC) */
    struct raft_hard_state hard;
    struct raft_entry *entry;
    struct raft_pos pos; /* MARK, INSTALL; ENTRY: its own */
    uint64_t chain;
    struct raft_members *members;
};
/* What one drained output asked to be made durable. */
struct job {
    uint64_t end; /* number of the record behind its last one */
    struct raft_pos log;
    uint64_t hard_seq;
};
/* A complete snapshot file. */
struct file {
    struct raft_pos pos;
    uint64_t chain; /* its content */
    struct raft_members members;
    bool synced;
};
struct disk {
    /* What a power failure leaves at least. */
    struct mlog log;
    struct raft_hard_state hard;
    struct raft_members members; /* of the snapshot marker, log.base */
    /* Records behind it, numbers first .. first + n - 1, in the order of writing. */
    struct rec *recs;
    size_t n, cap;
    uint64_t first;
    uint64_t written;  /* records below this number are in the page cache */
    uint64_t syncing;  /* records below it are covered by the sync under way; 0: none */
    uint64_t sync_gen; /* of the EV_SYNC_DONE that counts */
    bool sync_again;   /* everysec: a hard state must be synced now */
    struct job *jobs;
    size_t n_jobs, cap_jobs;
    int64_t slow_until;
    uint32_t slow_factor;
    bool fail_next; /* the next sync fails */
    struct file *files;
    size_t n_files, cap_files;
};

/* ---- node ------------------------------------------------------------------------------------ */

struct proposal {
    uint64_t origin, index, term, value;
};
struct open_read {
    uint64_t token, floor, value;
    bool counts; /* executed by a leader that was serving */
};
struct votes { /* per term */
    uint64_t *v;
    size_t n;
};
struct node {
    uint32_t i;  /* 0.. */
    uint64_t id; /* of the group's member */
    bool up, paused;
    uint64_t epoch; /* of the process; events of an older one are void */
    struct raft *r;

    /* clock: off + t * (1 + ppm/10^6) */
    int64_t clock_off, clock_ppm, clock_last;
    int64_t paused_at, resumed_at, started_at, pause_end;

    struct disk disk;
    struct mlog mem; /* the core's log, put together from its outputs */
    /* The members in force at mem.base, and the configurations behind it. */
    struct raft_members base_members;
    uint64_t configs[64];
    size_t n_configs;

    /* What the host knows, from the last drain. */
    enum raft_role role;
    uint64_t term, leader, noop_index, commit, applied;
    int64_t lease_until;
    bool drain_pending, apply_pending, load_pending;
    int64_t tick_at; /* true time of the tick that counts */
    uint64_t tick_gen;

    bool lost_tail; /* restarted with tail_suspect and not cleared by the core yet */
    bool budgeted;  /* takes part in the count of machines that lost something */
    bool snapshotting;
    uint64_t streaming; /* bit per peer */

    struct proposal *props;
    size_t n_props, cap_props;
    uint64_t next_origin;
    struct open_read *reads;
    size_t n_reads, cap_reads;
    uint64_t next_token;

    /* What checks remember. Those of the disk survive restarts. */
    struct votes durable_votes;   /* synced hard states: whom in which term */
    struct votes granted;         /* grants that left this node */
    struct votes granted_suspect; /* 1: with the suspect mark */
    uint64_t seen_term, seen_commit;
    int64_t members_since;
    uint64_t leader_term; /* last term seen as leader, and since when */
    int64_t leader_since;
    int64_t heard[NODES_MAX];         /* delivered from that node */
    struct raft_hard_state hard_last; /* last one written */
    int64_t persisted_last_at;        /* deliveries of durability answers keep their order */

    struct event *inbox; /* while paused */
    size_t n_inbox, cap_inbox;
};

/* ---- events ---------------------------------------------------------------------------------- */

enum event_kind {
    EV_DELIVER = 1, /* p: struct msg */
    EV_TICK,        /* a: tick_gen */
    EV_DRAIN,
    EV_SYNC_DONE, /* a: sync_gen */
    EV_EVERYSEC,
    EV_PERSISTED, /* p: struct raft_input's persisted part */
    EV_APPLY,
    EV_READ_BACK, /* the log thread gets to it; p: struct read_back */
    EV_ENTRIES,   /* p: struct read_back, filled */
    EV_SNAP_TAKEN,
    EV_STREAM_END, /* p: struct stream */
    EV_SNAP_IN,    /* p: struct stream */
    EV_SNAP_SENT,  /* p: struct stream */
    EV_UNREACHABLE,
    EV_RESTART,
    EV_RESUME,
    EV_CLIENT,
    EV_READER,
    EV_FAULT,
    EV_PROBE,
    EV_REVOLT,
    EV_KILL, /* and back at once */
};
struct event {
    int64_t at;
    uint64_t seq;
    enum event_kind kind;
    uint32_t node; /* NOBODY: of the world */
    uint64_t epoch, a;
    void *p; /* one allocation, see event_release() */
};
struct msg {
    struct raft_message m;
    uint64_t link_gen;
    struct raft_entry *entries[];
};
struct read_back {
    uint64_t peer, first, bytes_max;
    bool compacted;
    struct raft_entry **entries;
    size_t n;
};
struct stream {
    uint32_t from, to;
    uint64_t from_epoch, to_epoch, term;
    struct file file;
    bool failed;
};

/* ---- the world ------------------------------------------------------------------------------- */

enum action {
    ACT_KILL,  /* kill -9: the page cache survives */
    ACT_POWER, /* the machine loses what was not synced */
    ACT_KILL_ALL,
    ACT_POWER_ALL,
    ACT_PAUSE,
    ACT_PARTITION, /* two sides */
    ACT_ISOLATE,   /* one node from all */
    ACT_ONE_WAY,   /* one node hears nobody, or is heard by nobody */
    ACT_LINK,      /* one direction between two */
    ACT_BREAK,     /* a connection breaks */
    ACT_LOSSY,     /* much loss for a while */
    ACT_SLOW_DISK,
    ACT_FAIL_SYNC,
    ACT_DAMAGE, /* the log loses a synced tail, and the host knows it may have */
    ACT_CHANGE,
    ACT_TRANSFER,
    ACT_SNAPSHOT,
    ACT_REVOLT,   /* cut between the leader and one other; the voters between them restart */
    ACT_STRANDED, /* a node alone with a disk so slow that its writes end after its return */
    ACT_N,
};

/* Drawn from the seed, fixed during a run. Times in us, chances in parts per million. */
struct params {
    const char *profile;
    uint32_t n_nodes, n_initial;
    uint64_t id_step;
    bool everysec, bootstrap_zero, fifo;
    int64_t heartbeat, timeout;
    uint32_t drift_ppm;
    int64_t delay_min, delay_mean;
    uint32_t loss, dup, late; /* late: a message takes up to some timeouts */
    int64_t sync_min, sync_mean;
    int64_t answer_mean;  /* from the log thread to the raft thread */
    uint32_t answer_late; /* chance of up to a heartbeat */
    uint32_t drain_late;  /* inputs are gathered before a drain */
    int64_t drain_delay;
    uint32_t restart_at_vote;   /* a voter restarts while a request for its vote is on the way */
    uint32_t crash_after_drain; /* power failure right after an output asked for durability */
    uint32_t apply_late;
    uint64_t cache_bytes, message_bytes, inflight_bytes, uncommitted_bytes;
    uint32_t inflight_messages;
    size_t snapshot_every; /* entries in the log that start one; 0: never */
    uint32_t snapshot_fail;
    int64_t stream_mean;
    int64_t client_mean, reader_mean, fault_mean;
    uint32_t weights[ACT_N];
    uint64_t steps;
};

/* A committed entry, by the first node that knew. */
struct canon {
    uint64_t term, chain, value;
    uint64_t commit_term; /* of the leader that committed it */
};
enum value_fate { FATE_OPEN, FATE_ACKED, FATE_GONE };

struct world {
    uint64_t seed;
    enum host_bug host_bug;
    bool trace;
    struct rng rng;
    struct params p;
    int64_t now;
    bool healing, blacked_out;
    int64_t heal_at;
    uint64_t steps, n_events;

    struct event *heap;
    size_t n_heap, cap_heap;
    uint64_t next_seq;
    struct event current; /* under way; its payload is released behind it */

    struct node nodes[NODES_MAX];
    int64_t blocked_until[NODES_MAX][NODES_MAX]; /* [from][to] */
    uint64_t link_gen[NODES_MAX][NODES_MAX];     /* of the connection, symmetric */
    int64_t link_last[NODES_MAX][NODES_MAX];     /* fifo: last delivery */
    int64_t lossy_until;
    uint32_t lossy;
    uint32_t shunned; /* clients do not reach that node until then */
    int64_t shunned_until;
    uint32_t revolter; /* until then, too: voters it asks restart before they read it */
    struct raft_members initial;
    struct raft_pos base;

    /* checks */
    struct canon *canon; /* [index]; 1.. n_canon - 1 */
    size_t n_canon, cap_canon;
    struct votes leaders; /* per term: node id */
    struct match_table {
        struct match_cell {
            uint64_t term, index, chain;
        } * cells;
        size_t n, cap; /* cap: a power of two */
    } matches;
    uint64_t acked; /* every write up to it may have been acknowledged */
    uint8_t *fates; /* per value, enum value_fate */
    uint64_t *value_index;
    size_t n_values, cap_values;
    uint64_t probe_value, probe_index; /* liveness */
    uint64_t n_elections, n_commits, n_lease_reads, n_quorum_reads, n_changes, n_installs,
        n_transfers, n_crashes, n_suspects, n_read_backs;

    uint64_t hash; /* of all that happened */
    jmp_buf failed;
    char property[64];
    char detail[512];
};

/* What a process-wide handler needs when a core's assert ends the run. */
extern struct world *sim_current;

static inline bool chance(struct world *w, uint32_t ppm)
{
    return ppm > 0 && rng_below(&w->rng, 1000000) < ppm;
}
/* lo..hi inclusive */
static inline int64_t between(struct world *w, int64_t lo, int64_t hi)
{
    return lo + (int64_t)rng_below(&w->rng, (uint64_t)(hi - lo) + 1);
}
int64_t draw_exp(struct world *w, int64_t mean); /* about exponential, at most 16 means */

/* world.c */
void world_init(struct world *w, uint64_t seed);
void world_run(struct world *w, uint64_t steps); /* returns, or longjmp()s to w->failed */
void world_release(struct world *w);
void world_at(struct world *w, int64_t at, enum event_kind kind, uint32_t node, uint64_t a,
              void *p);
void event_release(struct event *e);
struct node *world_node(struct world *w, uint64_t id); /* NULL: no such node */

/* host.c */
int64_t node_now(struct world *w, struct node *n);
int64_t node_true_time(struct world *w, struct node *n, int64_t local);
void node_boot(struct world *w, struct node *n, bool fresh);
void node_stop(struct world *w, struct node *n); /* frees the core; the disk is the caller's */
int node_step(struct world *w, struct node *n, struct raft_input *in);
void node_drain(struct world *w, struct node *n);
void node_event(struct world *w, struct node *n, struct event *e);
void node_pause(struct world *w, struct node *n, int64_t how_long);
void node_resume(struct world *w, struct node *n);
void node_add_read(struct node *n, struct open_read rd);
bool node_serves(struct world *w, const struct node *n); /* as far as its host knows */

/* disk.c */
void disk_format(struct world *w, struct node *n, bool member);
void disk_enqueue(struct world *w, struct node *n, const struct raft_output *out);
void disk_mark(struct world *w, struct node *n, const struct file *f);
void disk_sync_done(struct world *w, struct node *n);
void disk_everysec(struct world *w, struct node *n);
enum crash_kind { CRASH_KILL, CRASH_POWER };
void disk_crash(struct world *w, struct node *n, enum crash_kind kind, bool keep_nothing);
void disk_damage(struct world *w, struct node *n); /* after a crash: a synced tail is gone */
bool disk_holds(const struct world *w, const struct node *n, uint64_t index);
struct raft_entry *disk_read(const struct disk *d, uint64_t index); /* borrowed; NULL: none */
uint64_t disk_base(const struct disk *d);                           /* with what is written */
struct file *disk_file(struct disk *d, struct raft_pos pos);
void disk_add_file(struct disk *d, const struct file *f);
void disk_release(struct disk *d);

/* net.c */
void net_send(struct world *w, struct node *n, const struct raft_message *m);
void net_deliver(struct world *w, struct node *n, struct msg *m);
void net_break(struct world *w, uint32_t a, uint32_t b);
bool net_open(const struct world *w, uint32_t from, uint32_t to);

/* snap.c */
void snap_consider(struct world *w, struct node *n, bool now);
void snap_taken(struct world *w, struct node *n, struct file *f);
void snap_stream(struct world *w, struct node *n, uint64_t peer);
void snap_stream_end(struct world *w, struct stream *s);
void snap_in(struct world *w, struct node *n, const struct stream *s);
void snap_read_back(struct world *w, struct node *n, struct read_back *rb); /* takes @rb */
void snap_entries(struct world *w, struct node *n, struct read_back *rb);

/* load.c */
void load_client(struct world *w);
void load_reader(struct world *w);
uint64_t load_propose(struct world *w, struct node *n, size_t count); /* first value; 0: refused */
/* An own proposal has got its place in the log. */
void load_placed(struct world *w, struct node *n, const struct raft_entry *e);
void load_fate(struct world *w, struct node *n); /* commit has moved: which proposals are decided */

/* fault.c */
void fault_params(struct world *w);
void fault_next(struct world *w);
void fault_crash(struct world *w, struct node *n, enum crash_kind kind, bool keep_nothing);
void fault_vote_asked(struct world *w, struct node *candidate, struct node *voter);
void fault_revolt_begins(struct world *w);
void fault_heal(struct world *w);
void fault_blackout(struct world *w); /* every machine loses power */

/* check.c */
void check_step(struct world *w, struct node *n);
/* The mirrored log has changed: what its configurations are. */
void check_note_config(struct world *w, struct node *n, const struct raft_entry *e);
void check_note_base(struct world *w, struct node *n, const struct raft_members *at_base);
void check_append(struct world *w, struct node *n, const struct raft_entry *e);
void check_message(struct world *w, struct node *n, const struct raft_message *m);
void check_hard(struct world *w, struct node *n, const struct raft_hard_state *h);
void check_hard_synced(struct world *w, struct node *n, const struct raft_hard_state *h);
void check_drained(struct world *w, struct node *n);
void check_lease(struct world *w, struct node *n); /* could it answer a stale read now? */
void check_leases(struct world *w);                /* after w->acked rose */
void check_quorum_contact(struct world *w, struct node *n);
uint64_t canon_chain(const struct world *w, uint64_t index);
uint64_t votes_get(const struct votes *v, uint64_t term);
void votes_set(struct votes *v, uint64_t term, uint64_t id);

/* trace.c */
NORETURN void sim_fail(struct world *w, const char *property, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void sim_trace(struct world *w, const struct node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define TRACE(w, n, ...)                                                                           \
    do {                                                                                           \
        if ((w)->trace) {                                                                          \
            sim_trace((w), (n), __VA_ARGS__);                                                      \
        }                                                                                          \
    } while (0)
static inline void sim_hash(struct world *w, uint64_t x)
{
    uint64_t h = (w->hash ^ x) * 0x9e3779b97f4a7c15u;

    w->hash = h ^ (h >> 29);
}
void trace_message(struct world *w, const struct node *n, const char *verb,
                   const struct raft_message *m);
void trace_params(struct world *w);
const char *trace_members(const struct raft_members *m, char *buf, size_t n);

/* Grow @*v (elements of @size) so that @need fit. */
void grow(void **v, size_t *cap, size_t need, size_t size);
#define GROW(v, cap, need) grow((void **)&(v), &(cap), (need), sizeof *(v))

#endif
