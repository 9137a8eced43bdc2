/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/log_thread.c - see log_thread.h.
 *
 * One lock guards the lists of jobs; it is never held during I/O. The log itself, and everything
 * under "the log thread's own" below, is touched by this thread alone, but while it is lent: the
 * raft thread takes it when this one sleeps, and this one does not go on before it is given back.
 */
#include "raft/host/log_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SYNC_EVERY_US 1000000
#define FULL_RETRY_US 1000000
#define PUBLISH_EVERY_US 1000000

struct job_list {
    struct log_job *first, **tail;
};

struct log_thread {
    struct log_thread_config config;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job_list writes, others;
    bool sleeping, stop;
    bool lent, wanted_back; /* wanted_back: this thread waits for the log */
    struct wal_stats stats;
    int64_t last_sync_wall_ms;

    /* The log thread's own. */
    struct job_list pending; /* writes the disk had no room for */
    struct job_list stuck;   /* compactions it had no room for */
    struct wal_write *writes_arg;
    size_t cap_writes_arg;
    struct mail *answers;
    size_t n_answers, cap_answers;
    bool full, dirty, clean;
    int64_t synced_us, retry_us, published_us;
    struct log_marker {
        uint32_t group;
        uint64_t index;
    } * markers; /* where each group's log begins, as far as it was moved in this run */
    size_t n_markers;
};

/* ---- lists of jobs ----------------------------------------------------------------------- */

static void list_init(struct job_list *l)
{
    l->first = NULL;
    l->tail = &l->first;
}

static void list_add(struct job_list *l, struct log_job *j)
{
    j->next = NULL;
    *l->tail = j;
    l->tail = &j->next;
}

static struct log_job *list_pop(struct job_list *l)
{
    struct log_job *j = l->first;

    if (j != NULL) {
        l->first = j->next;
        if (l->first == NULL) {
            l->tail = &l->first;
        }
    }
    return j;
}

/* Move all of @from behind @to. */
static void list_move(struct job_list *to, struct job_list *from)
{
    if (from->first != NULL) {
        *to->tail = from->first;
        to->tail = from->tail;
        list_init(from);
    }
}

static void list_free(struct job_list *l)
{
    struct log_job *j;

    while ((j = list_pop(l)) != NULL) {
        log_job_free(j);
    }
}

void log_job_clear(struct log_job *j)
{
    for (size_t i = 0; i < j->n_entries; i++) {
        raft_entry_unref(j->entries[i]);
    }
    for (size_t i = 0; i < j->n_parts; i++) {
        free(j->parts[i].members);
        free(j->parts[i].received);
    }
    j->n_entries = 0;
    j->n_parts = 0;
    j->bytes = 0;
}

void log_job_free(struct log_job *j)
{
    log_job_clear(j);
    free(j->parts);
    free(j->entries);
    free(j);
}

/* ---- answers ----------------------------------------------------------------------------- */

static void answer(struct log_thread *t, const struct mail *m)
{
    if (t->n_answers == t->cap_answers) {
        t->cap_answers = MAX_OF(t->cap_answers * 2, (size_t)32);
        t->answers = mem_realloc(t->answers, t->cap_answers * sizeof t->answers[0]);
    }
    t->answers[t->n_answers++] = *m;
}

static void answer_job(struct log_thread *t, struct log_job *j)
{
    struct mail m = {.type = MAIL_LOG_DONE, .job = j};

    answer(t, &m);
}

static void send_answers(struct log_thread *t)
{
    mailbox_put_all(t->config.answer, t->answers, t->n_answers);
    t->n_answers = 0;
}

static void publish(struct log_thread *t, int64_t now_us)
{
    if (t->config.wal == NULL) {
        return;
    }
    t->published_us = now_us;
    pthread_mutex_lock(&t->lock);
    wal_get_stats(t->config.wal, &t->stats);
    pthread_mutex_unlock(&t->lock);
    t->config.publish(t->config.publish_arg, t->config.wal);
}

/* ---- syncs and writes -------------------------------------------------------------------- */

static void sync_log(struct log_thread *t)
{
    int rc = wal_sync(t->config.wal);

    if (rc != WAL_OK) {
        log_fatal("Cannot sync the log in %s: %s; the process ends so that nothing is "
                  "acknowledged that may be lost",
                  t->config.dir->wal, wal_strerror(rc));
    }
    t->dirty = false;
    t->synced_us = clock_boot_us();
    pthread_mutex_lock(&t->lock);
    t->last_sync_wall_ms = clock_wall_ms();
    pthread_mutex_unlock(&t->lock);
}

static void set_full(struct log_thread *t, bool full)
{
    struct mail m = {.type = MAIL_LOG_FULL, .full = full};

    t->full = full;
    if (full) {
        log_warning("No space left for the log in %s: nothing is acknowledged until there is",
                    t->config.dir->wal);
    } else {
        log_notice("There is space for the log again");
    }
    answer(t, &m);
}

static struct log_marker *find_marker(struct log_thread *t, uint32_t group)
{
    for (size_t i = 0; i < t->n_markers; i++) {
        if (t->markers[i].group == group) {
            return &t->markers[i];
        }
    }
    t->markers = mem_realloc(t->markers, (t->n_markers + 1) * sizeof t->markers[0]);
    t->markers[t->n_markers] = (struct log_marker){.group = group};
    return &t->markers[t->n_markers++];
}

static size_t fill_writes(struct log_thread *t, bool *must_sync)
{
    size_t n = 0;

    for (const struct log_job *j = t->pending.first; j != NULL; j = j->next) {
        if (n + j->n_parts > t->cap_writes_arg) {
            t->cap_writes_arg = MAX_OF(t->cap_writes_arg * 2, n + j->n_parts);
            t->writes_arg = mem_realloc(t->writes_arg, t->cap_writes_arg * sizeof t->writes_arg[0]);
        }
        for (size_t i = 0; i < j->n_parts; i++) {
            const struct log_part *p = &j->parts[i];

            t->writes_arg[n++] = (struct wal_write){
                .group = p->group,
                .has_snapshot = p->has_snapshot && !p->snapshot_written,
                .snapshot = p->snapshot,
                .snapshot_members = p->members,
                .has_hard = p->has_hard,
                .hard = p->hard,
                .repaired = p->repaired,
                .entries = j->entries + p->first,
                .n_entries = p->n,
            };
            *must_sync |= p->must_sync;
        }
    }
    return n;
}

/* What a write that is durable now changes beside the log. */
static void note_parts(struct log_thread *t, const struct log_job *j)
{
    bool save = false, must = false;

    for (size_t i = 0; i < j->n_parts; i++) {
        const struct log_part *p = &j->parts[i];

        if (p->has_snapshot) {
            find_marker(t, p->group)->index = p->snapshot.index;
        }
        if (p->created) {
            data_dir_add_group(t->config.dir, p->group);
            save = must = true;
        }
        if (p->repaired) {
            data_dir_set_suspect(t->config.dir, p->group, false);
            save = true;
        }
    }
    /* A group that stays marked as suspect is careful once more at the next start, no worse. */
    if (save && data_dir_save(t->config.dir) != RAFT_HOST_OK && must) {
        log_fatal("Cannot go on without %s", DATA_DIR_META);
    }
}

/* Received snapshots get their names before the log says that they are there. */
static void name_received(struct log_thread *t)
{
    for (struct log_job *j = t->pending.first; j != NULL; j = j->next) {
        for (size_t i = 0; i < j->n_parts; i++) {
            struct log_part *p = &j->parts[i];

            if (p->received == NULL) {
                continue;
            }
            if (snapshot_take_part(t->config.dir->snapshots, p->received, p->group, p->snapshot) !=
                0) {
                log_fatal("Cannot name the snapshot received as %s: %s", p->received,
                          strerror(errno));
            }
            free(p->received);
            p->received = NULL;
        }
    }
}

/* ---- a full disk ------------------------------------------------------------------------- */

/* Every part of @group that waits, in order. */
#define FOR_PARTS(t, of_group, j, p)                                                               \
    for (struct log_job *j = (t)->pending.first; j != NULL; j = j->next)                           \
        for (struct log_part *p = j->parts; p < j->parts + j->n_parts; p++)                        \
            if (p->group == (of_group))

/* Put the snapshot at @pos into the log ahead of what waits, together with the newest hard state
 * (which must never be followed by an older one), and drop the segments it makes needless. */
static int write_snapshot_first(struct log_thread *t, uint32_t group, struct raft_pos pos,
                                const struct raft_members *members)
{
    struct wal_write w = {
        .group = group, .has_snapshot = true, .snapshot = pos, .snapshot_members = members};
    int rc;

    FOR_PARTS(t, group, j, p)
    {
        if (p->has_hard) {
            w.has_hard = true;
            w.hard = p->hard;
        }
    }
    rc = wal_write_urgent(t->config.wal, &w, 1);
    if (rc != WAL_OK) {
        return rc;
    }
    sync_log(t);
    FOR_PARTS(t, group, j, p) { p->has_hard = false; }
    find_marker(t, group)->index = pos.index;
    return wal_compact(t->config.wal, group, pos, members, pos.index + 1);
}

/* A snapshot at @index stands for these entries. The last part that reaches back to it decides
 * what comes behind; what was before that was overwritten or is in the snapshot. */
static void drop_superseded(struct log_thread *t, uint32_t group, uint64_t index)
{
    struct log_part *cover = NULL;
    bool before = true;

    FOR_PARTS(t, group, j, p)
    {
        if (p->n > 0 && j->entries[p->first]->pos.index <= index + 1) {
            cover = p;
        }
    }
    if (cover == NULL) {
        return;
    }
    FOR_PARTS(t, group, j, p)
    {
        if (p == cover) {
            while (p->n > 0 && j->entries[p->first]->pos.index <= index) {
                p->first++;
                p->n--;
            }
            before = false;
        } else if (before) {
            p->n = 0;
        }
    }
}

/* Received snapshots do not wait behind entries that they replace. */
static void write_received_first(struct log_thread *t)
{
    for (struct log_job *i = t->pending.first; i != NULL; i = i->next) {
        for (size_t k = 0; k < i->n_parts; k++) {
            struct log_part *install = &i->parts[k];

            if (!install->has_snapshot || install->created || install->snapshot_written ||
                write_snapshot_first(t, install->group, install->snapshot, install->members) !=
                    WAL_OK) {
                continue;
            }
            bool before = true;

            FOR_PARTS(t, install->group, j, p)
            {
                before &= p != install;
                if (before) {
                    p->n = 0;
                    p->snapshot_written = true;
                }
            }
            install->snapshot_written = true;
        }
    }
}

/* The owner's snapshot at j->pos is newer than the log on disk. */
static int replace_log(struct log_thread *t, struct log_job *j)
{
    bool reached = false;
    int rc;

    FOR_PARTS(t, j->group, i, p)
    {
        if (p->has_snapshot) {
            j->skipped = true; /* a newer one has come */
            return WAL_OK;
        }
        reached |= p->n > 0 && i->entries[p->first + p->n - 1]->pos.index >= j->pos.index;
    }
    if (!reached) {
        j->skipped = true; /* it has been written meanwhile: an ordinary compaction will do */
        return WAL_OK;
    }
    rc = write_snapshot_first(t, j->group, j->pos, &j->members);
    if (rc == WAL_OK) {
        log_notice("Group %u: the snapshot at %" PRIu64 " takes the place of a log that had no "
                   "room",
                   j->group, j->pos.index);
        drop_superseded(t, j->group, j->pos.index);
    }
    return rc;
}

/* Write all that is pending, sync as the durability demands, answer. */
static void do_writes(struct log_thread *t)
{
    bool must_sync = t->config.durability == RAFT_DURABLE_ALWAYS;
    struct log_job *j;
    size_t n = fill_writes(t, &must_sync);
    int rc;

    name_received(t);
    rc = wal_write(t->config.wal, t->writes_arg, n);

    if (rc == WAL_ERR_FULL) {
        if (!t->full) {
            set_full(t, true);
        }
        write_received_first(t);
        n = fill_writes(t, &must_sync);
        rc = wal_write_urgent(t->config.wal, t->writes_arg, n);
    }
    if (rc == WAL_ERR_FULL) {
        t->retry_us = clock_boot_us() + FULL_RETRY_US;
        return;
    }
    if (rc != WAL_OK) {
        log_fatal("Cannot write the log in %s: %s", t->config.dir->wal, wal_strerror(rc));
    }
    t->dirty = true;
    if (t->full && wal_has_room(t->config.wal)) {
        set_full(t, false);
    }
    if (must_sync) {
        sync_log(t);
    }
    while ((j = list_pop(&t->pending)) != NULL) {
        note_parts(t, j);
        answer_job(t, j);
    }
}

/* ---- reads, compactions ------------------------------------------------------------------ */

static void do_read(struct log_thread *t, struct log_job *j)
{
    if (j->cap_entries < LOG_READ_ENTRIES) {
        j->cap_entries = LOG_READ_ENTRIES;
        j->entries = mem_realloc(j->entries, j->cap_entries * sizeof(struct raft_entry *));
    }
    assert(j->n_entries == 0);
    j->error = wal_read(t->config.wal, j->group, j->first, LOG_READ_ENTRIES,
                        MIN_OF(j->bytes_max, (uint64_t)LOG_READ_BYTES), j->entries, &j->n_entries);
    if (j->error != WAL_OK) {
        j->n_entries = 0;
    }
    answer_job(t, j);
}

/* False: no room for the marker; try again later. */
static bool do_compact(struct log_thread *t, struct log_job *j)
{
    struct log_marker *m = find_marker(t, j->group);
    int rc;

    j->skipped = j->trim ? m->index > j->pos.index : m->index >= j->pos.index;
    if (!j->skipped) {
        rc = j->replace ? replace_log(t, j)
                        : wal_compact(t->config.wal, j->group, j->pos, &j->members, j->keep_from);
        if (rc == WAL_ERR_FULL) {
            return false;
        }
        if (rc != WAL_OK) {
            log_fatal("Cannot compact the log in %s: %s", t->config.dir->wal, wal_strerror(rc));
        }
        m->index = j->skipped ? m->index : j->pos.index;
        /* Older snapshot files are removed once this is answered. */
        sync_log(t);
        t->retry_us = 0; /* there may be room now */
        publish(t, clock_boot_us());
    }
    answer_job(t, j);
    return true;
}

static void do_other(struct log_thread *t, struct log_job *j)
{
    switch (j->type) {
    case LOG_JOB_READ:
        do_read(t, j);
        break;
    case LOG_JOB_COMPACT:
        if (!do_compact(t, j)) {
            list_add(&t->stuck, j);
        }
        break;
    case LOG_JOB_WRITE:
        assert(!"a write among the others");
        break;
    }
}

/* ---- the thread -------------------------------------------------------------------------- */

static int64_t next_wake_us(const struct log_thread *t)
{
    int64_t at = t->published_us + PUBLISH_EVERY_US;

    if (t->dirty && t->config.durability == RAFT_DURABLE_EVERYSEC) {
        at = MIN_OF(at, t->synced_us + SYNC_EVERY_US);
    }
    if (t->full || t->stuck.first != NULL) {
        at = MIN_OF(at, t->retry_us);
    }
    return at;
}

/* Lock held. Sleep until there is a job or something is due. */
static void sleep_locked(struct log_thread *t)
{
    struct timespec ts;
    int64_t in_us;

    if (t->config.wal == NULL) {
        t->sleeping = true;
        pthread_cond_wait(&t->wake, &t->lock);
        t->sleeping = false;
        return;
    }
    in_us = next_wake_us(t) - clock_boot_us();
    if (in_us <= 0) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += in_us / 1000000;
    ts.tv_nsec += in_us % 1000000 * 1000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    t->sleeping = true;
    pthread_cond_timedwait(&t->wake, &t->lock, &ts);
    t->sleeping = false;
}

/* Lock held. The raft thread may be writing. */
static void take_back_locked(struct log_thread *t)
{
    while (t->lent) {
        t->wanted_back = true;
        pthread_cond_wait(&t->wake, &t->lock);
    }
    t->wanted_back = false;
}

/* What is due by time. */
static void do_due(struct log_thread *t)
{
    int64_t now_us = clock_boot_us();
    struct log_job *j;

    if (t->dirty && t->config.durability == RAFT_DURABLE_EVERYSEC &&
        now_us >= t->synced_us + SYNC_EVERY_US) {
        sync_log(t);
    }
    if (t->stuck.first != NULL && now_us >= t->retry_us) {
        j = list_pop(&t->stuck);
        if (!do_compact(t, j)) {
            list_add(&t->stuck, j);
            t->retry_us = now_us + FULL_RETRY_US;
        }
    }
    if (t->full && t->pending.first == NULL && now_us >= t->retry_us) {
        t->retry_us = now_us + FULL_RETRY_US;
        if (wal_has_room(t->config.wal)) {
            set_full(t, false);
        }
    }
    if (now_us >= t->published_us + PUBLISH_EVERY_US) {
        publish(t, now_us);
    }
}

static bool has_work(const struct log_thread *t)
{
    return t->config.wal != NULL && (t->writes.first != NULL || t->others.first != NULL);
}

static void *log_main(void *arg)
{
    struct log_thread *t = arg;
    struct log_job *other;
    bool fresh;

    pthread_mutex_lock(&t->lock);
    for (;;) {
        if (!has_work(t)) {
            if (t->stop) {
                break;
            }
            sleep_locked(t);
            take_back_locked(t);
        }
        if (t->config.wal == NULL) {
            continue;
        }
        fresh = t->writes.first != NULL;
        list_move(&t->pending, &t->writes);
        other = list_pop(&t->others);
        pthread_mutex_unlock(&t->lock);

        if (t->pending.first != NULL && (t->full ? clock_boot_us() >= t->retry_us : fresh)) {
            do_writes(t);
            send_answers(t);
        }
        if (other != NULL) {
            do_other(t, other);
        }
        do_due(t);
        send_answers(t);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);

    if (t->config.wal != NULL) {
        if (t->pending.first != NULL) {
            log_warning("The disk is full: writes that nobody was told of are given up");
            t->clean = false;
        }
        sync_log(t);
    }
    return NULL;
}

struct log_thread *log_thread_new(const struct log_thread_config *config)
{
    struct log_thread *t = mem_zalloc(sizeof *t);
    pthread_condattr_t attr;

    t->config = *config;
    t->clean = true;
    list_init(&t->writes);
    list_init(&t->others);
    list_init(&t->pending);
    list_init(&t->stuck);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (t->config.wal != NULL) {
        publish(t, clock_boot_us());
    }
    return t;
}

void log_thread_start(struct log_thread *t)
{
    sigset_t all, before;
    int rc;

    /* A new thread inherits the mask: signals are for the owner's loop. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&t->thread, NULL, log_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_fatal("Cannot start the log thread: %s", strerror(rc));
    }
    pthread_setname_np(t->thread, "log");
    t->started = true;
}

void log_thread_set_wal(struct log_thread *t, struct wal *wal)
{
    pthread_mutex_lock(&t->lock);
    assert(t->config.wal == NULL);
    t->config.wal = wal;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void log_thread_put(struct log_thread *t, struct log_job *job)
{
    bool wake;

    pthread_mutex_lock(&t->lock);
    list_add(job->type == LOG_JOB_WRITE ? &t->writes : &t->others, job);
    wake = t->sleeping;
    t->sleeping = false; /* one signal is enough */
    pthread_mutex_unlock(&t->lock);
    if (wake) { /* without the lock, or the log thread would run into it */
        pthread_cond_signal(&t->wake);
    }
}

/* The log thread sleeps and nothing waits for it: the log is the caller's until give_back(). */
static bool borrow(struct log_thread *t)
{
    bool mine;

    pthread_mutex_lock(&t->lock);
    mine = t->sleeping && t->config.wal != NULL && !t->full && !t->stop;
    t->lent = mine;
    pthread_mutex_unlock(&t->lock);
    return mine;
}

static void give_back(struct log_thread *t)
{
    bool wake;

    pthread_mutex_lock(&t->lock);
    t->lent = false;
    wake = t->wanted_back || t->full; /* full: it has to try again sooner than it meant to */
    pthread_mutex_unlock(&t->lock);
    if (wake) {
        pthread_cond_signal(&t->wake);
    }
}

size_t log_thread_write_here(struct log_thread *t, struct log_job *job,
                             struct mail answers[LOG_ANSWERS_HERE])
{
    bool must_sync = false;
    size_t n;

    assert(job->type == LOG_JOB_WRITE);
    if (t->config.durability == RAFT_DURABLE_ALWAYS) {
        return 0;
    }
    for (size_t i = 0; i < job->n_parts; i++) {
        if (job->parts[i].must_sync) {
            return 0;
        }
    }
    if (!borrow(t)) {
        return 0;
    }
    list_add(&t->pending, job);
    n = fill_writes(t, &must_sync);
    if (!wal_fits(t->config.wal, t->writes_arg, n)) {
        (void)list_pop(&t->pending);
        give_back(t);
        return 0;
    }
    do_writes(t);
    n = t->n_answers;
    assert(n > 0 && n <= LOG_ANSWERS_HERE);
    memcpy(answers, t->answers, n * sizeof answers[0]);
    t->n_answers = 0;
    give_back(t);
    return n;
}

bool log_thread_stop(struct log_thread *t)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    if (t->started) {
        pthread_join(t->thread, NULL);
        t->started = false;
    }
    return t->clean;
}

void log_thread_free(struct log_thread *t)
{
    if (t == NULL) {
        return;
    }
    assert(!t->started);
    list_free(&t->writes);
    list_free(&t->others);
    list_free(&t->pending);
    list_free(&t->stuck);
    wal_close(t->config.wal);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->writes_arg);
    free(t->answers);
    free(t->markers);
    free(t);
}

void log_thread_stats(struct log_thread *t, struct wal_stats *out, int64_t *last_sync_wall_ms)
{
    pthread_mutex_lock(&t->lock);
    *out = t->stats;
    *last_sync_wall_ms = t->last_sync_wall_ms;
    pthread_mutex_unlock(&t->lock);
}
