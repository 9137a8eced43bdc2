/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/snap_in.c - receiving a snapshot (snap_out.c has the conversation).
 *
 * The file grows as g<group>-<index>-<term>-<id>.part, where the id stands for the sender's very
 * file: when a stream breaks, the next one of the same file goes on where it ended. Once whole,
 * checked and synced, the raft thread decides; the log thread gives it its final name just before
 * the log says that it is there. The sender hears DONE after that.
 *
 * Each object has two owners in turn: the stream's thread, and the raft thread while it decides. */
#include "base/crc.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"
#include "raft/host/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define DECIDE_POLL_MS 50

struct snap_in {
    struct raft_host *host;
    int fd;                  /* socket */
    uint64_t from;           /* as greeted */
    struct peer_hello hello; /* our answer */
    struct snap_in_info info;
    uint64_t size;
    char part_name[128];

    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t answered_cond;
    bool answered;
    enum snap_in_outcome outcome;
    unsigned refs;
};

const struct snap_in_info *snap_in_info(const struct snap_in *s) { return &s->info; }

static void unref(struct snap_in *s)
{
    bool last;

    pthread_mutex_lock(&s->lock);
    last = --s->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (last) {
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->answered_cond);
        free(s->info.part_path);
        free(s);
    }
}

void snap_in_answer(struct snap_in *s, enum snap_in_outcome outcome)
{
    pthread_mutex_lock(&s->lock);
    s->answered = true;
    s->outcome = outcome;
    pthread_cond_signal(&s->answered_cond);
    pthread_mutex_unlock(&s->lock);
    unref(s);
}

/* Hand the file to the raft thread and wait for what becomes of it. A host that is being freed
 * answers everything, so this ends. */
static enum snap_in_outcome decide(struct snap_in *s, const atomic_bool *cancel)
{
    struct mail m = {.type = MAIL_SNAP_IN, .snap_in = s};
    enum snap_in_outcome outcome = SNAP_IN_REFUSED;
    struct timespec ts;

    pthread_mutex_lock(&s->lock);
    s->refs++;
    pthread_mutex_unlock(&s->lock);
    mailbox_put(&s->host->mail, &m, true);
    pthread_mutex_lock(&s->lock);
    while (!s->answered && !atomic_load(cancel)) {
        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_nsec += DECIDE_POLL_MS * 1000000L;
        if (ts.tv_nsec >= 1000000000L) {
            ts.tv_sec++;
            ts.tv_nsec -= 1000000000L;
        }
        pthread_cond_timedwait(&s->answered_cond, &s->lock, &ts);
    }
    if (s->answered) {
        outcome = s->outcome;
    } else {
        outcome = SNAP_IN_INSTALLED; /* not known: leave the file alone, the next start cleans up */
    }
    pthread_mutex_unlock(&s->lock);
    return outcome;
}

/* ---- one stream per group ------------------------------------------------------------------- */

static bool reserve(struct raft_host *h, uint32_t group)
{
    struct receiving *slot = NULL;

    pthread_mutex_lock(&h->receiving_lock);
    for (size_t i = 0; i < ARRAY_LEN(h->receiving); i++) {
        if (!h->receiving[i].used) {
            slot = &h->receiving[i];
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(h->receiving); i++) {
        if (h->receiving[i].used && h->receiving[i].group == group) {
            slot = NULL;
        }
    }
    if (slot != NULL) {
        slot->used = true;
        slot->group = group;
    }
    pthread_mutex_unlock(&h->receiving_lock);
    return slot != NULL;
}

static void release(struct raft_host *h, uint32_t group)
{
    pthread_mutex_lock(&h->receiving_lock);
    for (size_t i = 0; i < ARRAY_LEN(h->receiving); i++) {
        if (h->receiving[i].used && h->receiving[i].group == group) {
            h->receiving[i].used = false;
        }
    }
    pthread_mutex_unlock(&h->receiving_lock);
}

/* ---- the file ---------------------------------------------------------------------------- */

/* Unfinished files of this group other than the one that goes on. */
static void remove_other_parts(struct snap_in *s)
{
    const char *folder = s->host->dir.snapshots;
    char prefix[32];
    const struct dirent *e;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        log_warning("Cannot read %s: %s", folder, strerror(errno));
        return;
    }
    snprintf(prefix, sizeof prefix, "g%" PRIu32 "-", s->info.group);
    while ((e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);

        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && n > 5 &&
            strcmp(e->d_name + n - 5, ".part") == 0 && strcmp(e->d_name, s->part_name) != 0 &&
            unlinkat(dirfd(dir), e->d_name, 0) != 0) {
            log_warning("Cannot remove %s/%s: %s", folder, e->d_name, strerror(errno));
        }
    }
    closedir(dir);
}

/* Open the part; *@have bytes of it are there, with checksum *@crc. */
static int open_part(struct snap_in *s, uint64_t *have, uint32_t *crc)
{
    unsigned char *p;
    int fd;

    remove_other_parts(s);
    fd = open(s->info.part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    *have = 0;
    *crc = 0;
    p = mem_alloc(PEER_CHUNK_BYTES);
    for (;;) {
        ssize_t n = pread(fd, p, PEER_CHUNK_BYTES, (off_t)*have);

        if (n <= 0) {
            break; /* an unreadable rest is received again */
        }
        *crc = crc32c(*crc, p, (size_t)n);
        *have += (uint64_t)n;
    }
    free(p);
    if (*have > s->size) {
        *have = 0;
        *crc = 0;
        if (ftruncate(fd, 0) != 0) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* ---- the conversation ---------------------------------------------------------------------- */

static int reply(struct stream *st, enum peer_snap_status status, uint64_t offset)
{
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_snap_reply r = {status, offset};

    return stream_send(st, PEER_FRAME_SNAP_REPLY, frame,
                       peer_snap_reply_encode(&r, frame + PEER_HEADER_BYTES), NULL, 0);
}

/* PEER_SNAP_SEND when the offer is taken up. */
static enum peer_snap_status judge_offer(struct snap_in *s, const struct peer_snap_offer *o)
{
    struct host_group *g = host_find_group(s->host, o->group);
    struct snap_in_info *i = &s->info;

    if (g == NULL || !atomic_load(&g->ready) || o->from != s->from ||
        raft_members_decode(o->members, o->members_bytes, &i->members) != RAFT_OK) {
        return PEER_SNAP_REFUSED;
    }
    if (atomic_load_explicit(&g->commit_shared, memory_order_relaxed) >= o->pos_index) {
        return PEER_SNAP_NOT_NEEDED;
    }
    i->group = o->group;
    i->from = o->from;
    i->term = o->term;
    i->pos.term = o->pos_term;
    i->pos.index = o->pos_index;
    s->size = o->size;
    snprintf(s->part_name, sizeof s->part_name,
             "g%" PRIu32 "-%" PRIu64 "-%" PRIu64 "-%08" PRIx32 ".part", o->group, o->pos_index,
             o->pos_term,
             crc32c(crc32c(0, &o->from, sizeof o->from), o->file_id, o->file_id_bytes));
    if (asprintf(&i->part_path, "%s/%s", s->host->dir.snapshots, s->part_name) < 0) {
        log_fatal("Out of memory");
    }
    return PEER_SNAP_SEND;
}

/* Receive the rest of the file. 0 when it is whole and right; *@broken: it is not. */
static int receive_data(struct snap_in *s, struct stream *st, int fd, uint64_t have, uint32_t crc,
                        bool *broken)
{
    uint32_t want;

    for (;;) {
        if (stream_receive(st) != 0) {
            return -1;
        }
        if (st->frame.type == PEER_FRAME_SNAP_END) {
            break;
        }
        if (st->frame.type != PEER_FRAME_SNAP_DATA || have + st->frame.body_bytes > s->size) {
            errno = EPROTO;
            return -1;
        }
        if (file_pwrite_all(fd, st->body, st->frame.body_bytes, (off_t)have) != 0) {
            return -1;
        }
        crc = crc32c(crc, st->body, st->frame.body_bytes);
        have += st->frame.body_bytes;
    }
    if (peer_snap_end_decode(stream_head(st), st->frame.head_bytes, &want) != PEER_OK) {
        errno = EPROTO;
        return -1;
    }
    if (have != s->size || crc != want) {
        *broken = true;
        errno = EPROTO;
        return -1;
    }
    return fsync(fd);
}

static void drop_part(const struct snap_in *s)
{
    if (unlink(s->info.part_path) != 0 && errno != ENOENT) {
        log_warning("Cannot remove %s: %s", s->info.part_path, strerror(errno));
    }
}

/* The offer was taken up. */
static enum peer_snap_status receive_file(struct snap_in *s, struct stream *st,
                                          const atomic_bool *cancel)
{
    uint64_t have;
    uint32_t crc;
    bool broken = false;
    int fd = open_part(s, &have, &crc), rc;

    if (fd < 0) {
        log_warning("Cannot create %s: %s", s->info.part_path, strerror(errno));
        return PEER_SNAP_REFUSED;
    }
    log_notice("Group %u: receiving the snapshot at index %" PRIu64 " from node %" PRIu64
               ", %" PRIu64 " of %" PRIu64 " bytes are here already",
               s->info.group, s->info.pos.index, s->from, have, s->size);
    rc = reply(st, PEER_SNAP_SEND, have);
    if (rc == 0) {
        rc = receive_data(s, st, fd, have, crc, &broken);
    }
    if (rc != 0) {
        log_notice("Group %u: the snapshot from node %" PRIu64 " did not arrive: %s", s->info.group,
                   s->from, broken ? "damaged on its way" : strerror(errno));
        if (broken || errno == ENOSPC) {
            drop_part(s);
        }
        close(fd);
        return broken ? PEER_SNAP_BROKEN : PEER_SNAP_REFUSED;
    }
    close(fd);
    switch (decide(s, cancel)) {
    case SNAP_IN_INSTALLED:
        return PEER_SNAP_DONE;
    case SNAP_IN_NOT_NEEDED:
        drop_part(s);
        return PEER_SNAP_NOT_NEEDED;
    default:
        drop_part(s);
        return PEER_SNAP_REFUSED;
    }
}

static void receive_snapshot(void *arg, const atomic_bool *cancel)
{
    struct snap_in *s = arg;
    struct mail m = {.type = MAIL_CLOSE, .fd = s->fd};
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_snap_offer offer;
    enum peer_snap_status status = PEER_SNAP_REFUSED;
    struct stream st;

    stream_init(&st, s->fd, cancel);
    if (stream_send(&st, PEER_FRAME_HELLO, frame,
                    peer_hello_encode(&s->hello, frame + PEER_HEADER_BYTES), NULL, 0) != 0 ||
        stream_receive(&st) != 0) {
        goto out;
    }
    if (st.frame.type == PEER_FRAME_SNAP_OFFER &&
        peer_snap_offer_decode(stream_head(&st), st.frame.head_bytes, &offer) == PEER_OK) {
        status = judge_offer(s, &offer);
    }
    if (status == PEER_SNAP_SEND) {
        status = PEER_SNAP_REFUSED;
        if (reserve(s->host, s->info.group)) {
            status = receive_file(s, &st, cancel);
            release(s->host, s->info.group);
        }
    }
    if (reply(&st, status, 0) != 0) {
        log_verbose("Snapshot stream from node %" PRIu64 ": %s", s->from, strerror(errno));
    }
out:
    /* The raft thread's loop forgets a descriptor late; were it closed here, its number could be
     * somebody else's by then. */
    shutdown(s->fd, SHUT_RDWR);
    mailbox_put(&s->host->mail, &m, true);
    st.fd = -1;
    stream_release(&st);
    unref(s);
}

void snap_in_start(struct raft_host *h, int fd, uint64_t from)
{
    struct snap_in *s = mem_zalloc(sizeof *s);

    s->host = h;
    s->fd = fd;
    s->from = from;
    s->refs = 1;
    host_fill_hello(h, PEER_HELLO_SNAPSHOT, &s->hello);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->answered_cond, NULL);
    worker_submit(h->receivers, receive_snapshot, s);
}
