/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/snap_out.c - sending a snapshot to a peer, on a connection and a thread of its own.
 *
 *     HELLO (kind: snapshot)  -->        <-- HELLO
 *     OFFER: file, position   -->        <-- REPLY: SEND from offset | NOT_NEEDED | REFUSED
 *     DATA ... DATA, END: CRC -->        <-- REPLY: DONE | NOT_NEEDED | REFUSED | BROKEN
 *
 *   WAITING --file there, due--> RUNNING --ended well--> (gone)
 *      ^                            |
 *      '------- (gone) <--RETRY-----'   a failed one is reported after a pause
 *
 * The core asks for one stream per peer and waits for its end; the pause after a failure keeps it
 * from asking again at once. */
#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"
#include "raft/host/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_US 1000000

enum snap_out_state { SNAP_OUT_WAITING, SNAP_OUT_RUNNING, SNAP_OUT_RETRY };

struct snap_out {
    struct snap_out *next;
    struct raft_host *host;
    enum snap_out_state state;
    uint32_t group;
    uint64_t peer;
    int64_t not_before_us;

    /* Set before the thread runs. */
    struct peer_hello hello;
    struct peer_snap_offer offer;
    struct net_addr addr;
    char peer_name[NET_HOST_MAX + 8];
    char path[PATH_MAX];
    uint64_t rate;
    atomic_bool cancel;
    /* Set by it before it ends. */
    bool failed;
    char why[160];
    uint64_t sent_bytes;
    int64_t took_us;
};

/* ---- the stream's thread ------------------------------------------------------------------- */

static int fail(struct snap_out *s, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    return -1;
}

static int expect(struct snap_out *s, struct stream *st, uint8_t type)
{
    if (stream_receive(st) != 0) {
        return fail(s, strerror(errno));
    }
    return st->frame.type == type ? 0 : fail(s, "an answer that does not belong here");
}

static int expect_reply(struct snap_out *s, struct stream *st, struct peer_snap_reply *r)
{
    if (expect(s, st, PEER_FRAME_SNAP_REPLY) != 0) {
        return -1;
    }
    if (peer_snap_reply_decode(stream_head(st), st->frame.head_bytes, r) != PEER_OK) {
        return fail(s, "malformed answer");
    }
    return 0;
}

/* Equal for the very same file only, so that a rest can be sent. */
static void identify(struct snap_out *s, const struct stat *st)
{
    uint64_t id[5] = {s->offer.from, (uint64_t)st->st_ino, (uint64_t)st->st_size,
                      (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
                      (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec};

    _Static_assert(sizeof id <= PEER_FILE_ID_MAX, "the id fits");
    memcpy(s->offer.file_id, id, sizeof id);
    s->offer.file_id_bytes = sizeof id;
    s->offer.size = (uint64_t)st->st_size;
}

static int greet(struct snap_out *s, struct stream *st)
{
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_hello theirs;

    if (stream_connected(st) != 0 ||
        stream_send(st, PEER_FRAME_HELLO, frame,
                    peer_hello_encode(&s->hello, frame + PEER_HEADER_BYTES), NULL, 0) != 0) {
        return fail(s, strerror(errno));
    }
    if (expect(s, st, PEER_FRAME_HELLO) != 0) {
        return -1;
    }
    if (peer_hello_decode(stream_head(st), st->frame.head_bytes, &theirs) != PEER_OK ||
        strcmp(theirs.cluster_id, s->hello.cluster_id) != 0 || theirs.node != s->peer) {
        return fail(s, "it is another node");
    }
    return 0;
}

/* Send [@from, size) of @fd. @crc covers what is before and goes on to the end. */
static int send_data(struct snap_out *s, struct stream *st, int fd, uint64_t from, uint32_t *crc)
{
    unsigned char frame[PEER_HEADER_BYTES];
    unsigned char *p = mem_alloc(PEER_CHUNK_BYTES);
    int64_t start_us = clock_boot_us();
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < s->offer.size;) {
        ssize_t n = pread(fd, p, MIN_OF(s->offer.size - at, (uint64_t)PEER_CHUNK_BYTES), (off_t)at);

        if (n <= 0) {
            rc = fail(s, n < 0 ? strerror(errno) : "the file became shorter");
            break;
        }
        if (at < from) { /* what is there already counts for the checksum only */
            n = (ssize_t)MIN_OF((uint64_t)n, from - at);
        } else if (stream_send(st, PEER_FRAME_SNAP_DATA, frame, 0, p, (size_t)n) != 0) {
            rc = fail(s, strerror(errno));
            break;
        } else {
            s->sent_bytes += (uint64_t)n;
        }
        *crc = crc32c(*crc, p, (size_t)n);
        at += (uint64_t)n;
        if (s->rate > 0) {
            int64_t due_us = start_us + (int64_t)((double)s->sent_bytes * 1e6 / (double)s->rate);

            if (stream_sleep(st, due_us - clock_boot_us()) != 0) {
                rc = fail(s, strerror(errno));
            }
        }
    }
    free(p);
    return rc;
}

static int converse(struct snap_out *s, struct stream *st, int fd)
{
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_snap_reply r;
    uint32_t crc = 0;

    if (greet(s, st) != 0) {
        return -1;
    }
    if (stream_send(st, PEER_FRAME_SNAP_OFFER, frame,
                    peer_snap_offer_encode(&s->offer, frame + PEER_HEADER_BYTES), NULL, 0) != 0) {
        return fail(s, strerror(errno));
    }
    if (expect_reply(s, st, &r) != 0) {
        return -1;
    }
    if (r.status == PEER_SNAP_NOT_NEEDED) {
        return 0;
    }
    if (r.status != PEER_SNAP_SEND || r.offset > s->offer.size) {
        return fail(s, "it does not want it now");
    }
    if (send_data(s, st, fd, r.offset, &crc) != 0) {
        return -1;
    }
    if (stream_send(st, PEER_FRAME_SNAP_END, frame,
                    peer_snap_end_encode(crc, frame + PEER_HEADER_BYTES), NULL, 0) != 0) {
        return fail(s, strerror(errno));
    }
    if (expect_reply(s, st, &r) != 0) {
        return -1;
    }
    if (r.status == PEER_SNAP_DONE || r.status == PEER_SNAP_NOT_NEEDED) {
        return 0;
    }
    return fail(s, r.status == PEER_SNAP_BROKEN ? "it arrived damaged" : "it could not take it");
}

static void send_snapshot(void *arg, const atomic_bool *cancel)
{
    struct snap_out *s = arg;
    struct mail m = {.type = MAIL_SNAP_OUT, .snap_out = s};
    int64_t start_us = clock_boot_us();
    struct stream st;
    struct stat stat_buf;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);

    s->failed = true;
    if (fd < 0 || fstat(fd, &stat_buf) != 0) {
        fail(s, strerror(errno));
        goto out;
    }
    identify(s, &stat_buf);
    stream_init(&st, -1, cancel);
    st.cancel_too = &s->cancel;
    if (net_connect_start(&s->addr, &st.fd) != 0) {
        fail(s, strerror(errno));
    } else {
        s->failed = converse(s, &st, fd) != 0;
    }
    stream_release(&st);
out:
    if (fd >= 0) {
        close(fd);
    }
    s->took_us = clock_boot_us() - start_us;
    mailbox_put(&s->host->mail, &m, true);
}

/* ---- the raft thread's side ----------------------------------------------------------------- */

static void try_start(struct snap_out *s)
{
    struct raft_host *h = s->host;
    struct host_group *g = host_find_group(h, s->group);
    const struct host_peer *p = host_peer_by_node(h, s->peer);
    struct raft_members members;

    s->not_before_us = h->now_us + RETRY_US;
    if (g->snapshot_bytes == 0 ||
        raft_members_at(g->core, g->snapshot.index, &members) != RAFT_OK) {
        host_group_want_snapshot(g, "a peer needs it");
        return;
    }
    if (p == NULL) {
        return; /* no address (yet) */
    }
    memset(&s->offer, 0, sizeof s->offer);
    s->offer.group = s->group;
    s->offer.from = h->me.node;
    s->offer.term = g->term;
    s->offer.pos_term = g->snapshot.term;
    s->offer.pos_index = g->snapshot.index;
    s->offer.members_bytes = raft_members_encode(&members, s->offer.members);
    host_fill_hello(h, PEER_HELLO_SNAPSHOT, &s->hello);
    s->addr = p->addr;
    memcpy(s->peer_name, p->name, sizeof s->peer_name);
    raft_host_snapshot_path(h, s->group, g->snapshot, s->path);
    s->rate = h->config.snapshot_rate_bytes;
    s->sent_bytes = 0;
    s->why[0] = '\0';
    s->state = SNAP_OUT_RUNNING;
    log_notice("Group %u: node %s needs the snapshot at index %" PRIu64 ", sending it", s->group,
               s->peer_name, g->snapshot.index);
    worker_submit(h->senders, send_snapshot, s);
}

void snap_out_start(struct host_group *g, uint64_t peer)
{
    struct snap_out *s = mem_zalloc(sizeof *s);

    _Static_assert(RAFT_MEMBERS_ENCODED_MAX <= PEER_MEMBERS_MAX, "members fit an offer");
    s->host = g->host;
    s->group = g->number;
    s->peer = peer;
    s->state = SNAP_OUT_WAITING;
    s->next = g->host->streams;
    g->host->streams = s;
    try_start(s);
}

static void tell_core(struct snap_out *s)
{
    struct host_group *g = host_find_group(s->host, s->group);
    struct raft_input in = {.type = RAFT_IN_SNAPSHOT_SENT};

    in.sent.peer = s->peer;
    in.sent.pos.index = s->offer.pos_index;
    in.sent.pos.term = s->offer.pos_term;
    in.sent.failed = s->failed;
    host_group_feed_core(g, &in);
}

static void remove_stream(struct snap_out *s)
{
    struct snap_out **p = &s->host->streams;

    while (*p != s) {
        p = &(*p)->next;
    }
    *p = s->next;
    free(s);
}

void snap_out_ended(struct raft_host *h, struct snap_out *s)
{
    if (s->failed) {
        log_notice("Group %u: the snapshot for node %s was not sent: %s", s->group, s->peer_name,
                   s->why);
        s->state = SNAP_OUT_RETRY;
        s->not_before_us = h->now_us + RETRY_US;
        return;
    }
    log_notice("Group %u: node %s has the snapshot (%" PRIu64 " bytes sent in %" PRId64 " ms)",
               s->group, s->peer_name, s->sent_bytes, s->took_us / 1000);
    tell_core(s);
    remove_stream(s);
}

void snap_out_tick(struct raft_host *h)
{
    struct snap_out *s, *next;

    for (s = h->streams; s != NULL; s = next) {
        bool leads = host_find_group(h, s->group)->role == RAFT_ROLE_LEADER;

        next = s->next;
        if (s->state == SNAP_OUT_RUNNING) {
            if (!leads) {
                atomic_store(&s->cancel, true);
            }
        } else if (h->now_us >= s->not_before_us || !leads) {
            if (s->state == SNAP_OUT_WAITING && leads) {
                try_start(s);
            } else {
                s->failed = true;
                tell_core(s);
                remove_stream(s);
            }
        }
    }
}

void snap_out_free_all(struct raft_host *h)
{
    struct snap_out *s, *next;

    for (s = h->streams; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    h->streams = NULL;
}
