/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/log_thread.h - the one thread that touches the write-ahead log, but for writes of a
 * node alone: log_thread_write_here().
 *
 * Jobs come in, each goes back to the raft thread's mailbox as MAIL_LOG_DONE when it is done.
 * Writes keep their order and are done together: whatever arrived while a sync ran goes out with
 * the next one. Reads and compactions are done one at a time between writes, in pieces that are
 * small enough not to hold a write up.
 *
 * When a write or sync fails the process ends. On a full disk the writes wait, in order, and are
 * tried again every second and after each compaction; MAIL_LOG_FULL tells of it. */
#ifndef RAFT_HOST_LOG_THREAD_H
#define RAFT_HOST_LOG_THREAD_H

#include "raft/host.h"
#include "raft/host/data_dir.h"
#include "raft/host/mailbox.h"

#define LOG_READ_BYTES (1u << 20) /* of one piece */
#define LOG_READ_ENTRIES 1024u

enum log_job_type {
    LOG_JOB_WRITE,
    LOG_JOB_READ,
    LOG_JOB_COMPACT,
};

/* One group's part of a write. */
struct log_part {
    uint32_t group;
    bool has_snapshot, has_hard;
    bool created;          /* a new group: node.meta names it before this is answered */
    bool repaired;         /* it has caught up: no longer suspect */
    bool must_sync;        /* before it is answered, whatever the durability */
    bool snapshot_written; /* the log thread's: ahead of the rest, on a full disk */
    struct raft_pos snapshot;
    struct raft_members *members; /* of the snapshot; owned by the job */
    char *received; /* its file, to be given its name first; NULL: has it. Owned by the job */
    struct raft_hard_state hard;
    uint64_t hard_seq;
    size_t first, n;      /* in the job's entries */
    struct raft_pos last; /* what PERSISTED says: last entry, or the snapshot's; zero: nothing */
};

struct log_job {
    struct log_job *next;
    enum log_job_type type;

    /* WRITE: grow from turn to turn, the job is used again. Each entry is one reference. */
    struct log_part *parts;
    size_t n_parts, cap_parts;
    struct raft_entry **entries;
    size_t n_entries, cap_entries;
    uint64_t bytes;

    /* READ: entries from @first on, into entries[] */
    uint32_t group;
    uint64_t first, bytes_max;
    uint64_t peer;  /* for whom; 0: the feed */
    uint64_t epoch; /* of the feed */
    int error;      /* enum wal_error */

    /* COMPACT */
    struct raft_pos pos;
    struct raft_members members;
    uint64_t keep_from;
    bool trim;    /* @pos is the newest already: only keep less behind it */
    bool replace; /* the disk is full and the log on it has not got to @pos: the snapshot stands for
                   * the log, and for what waits to be written up to @pos */
    bool skipped; /* the log begins behind @pos already */
};

struct log_thread; /* opaque */

/* Spans of groups are published there. Set by the raft thread, read by the log thread. */
typedef void log_span_fn(void *arg, struct wal *wal);

struct log_thread_config {
    struct wal *wal; /* NULL: log_thread_set_wal() later. Taken: closed at the end */
    enum raft_durability durability;
    struct data_dir *dir;   /* saved when a part says created or repaired */
    struct mailbox *answer; /* where the answers go */
    log_span_fn *publish;   /* called about once a second and after compactions */
    void *publish_arg;
};

struct log_thread *log_thread_new(const struct log_thread_config *config);
void log_thread_start(struct log_thread *t);
/* Before the first job; any thread. */
void log_thread_set_wal(struct log_thread *t, struct wal *wal);
/* Raft thread: hand @job over. */
void log_thread_put(struct log_thread *t, struct log_job *job);
/* Raft thread: do the WRITE @job in this thread, if the log thread has nothing to do and no sync is
 * asked for, neither by the durability nor by the job, nor needed for a new segment. That saves two
 * wake-ups of threads, which cost more than such a write, but the caller stands still if the disk
 * does. Returns how many @answers there are (what the mailbox would have got), or 0: nothing was
 * done, put it. */
#define LOG_ANSWERS_HERE 4u /* of a full disk, of room again, of the job */
MUST_CHECK size_t log_thread_write_here(struct log_thread *t, struct log_job *job,
                                        struct mail answers[LOG_ANSWERS_HERE]);
/* Finish what was put (a full disk excepted), sync, end the thread, close the log. Jobs that were
 * not answered are freed. Returns true when everything written is durable. */
bool log_thread_stop(struct log_thread *t);
void log_thread_free(struct log_thread *t);
/* Any thread. */
void log_thread_stats(struct log_thread *t, struct wal_stats *out, int64_t *last_sync_wall_ms);

void log_job_free(struct log_job *j);
/* Drops entries and members, keeps the arrays. */
void log_job_clear(struct log_job *j);

#endif
