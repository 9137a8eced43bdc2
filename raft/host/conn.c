/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/conn.c - see conn.h: the life of a connection, and reading frames from it.
 *
 * Input: bytes gather in c->in until a frame's header and head are whole. Its body is then consumed
 * as it comes: payloads go straight into the entries they will be, a large one without passing
 * through c->in at all. Nothing is delivered before its checksum was right. What a peer sends is
 * checked and refused by closing the connection, never asserted. */
#include "raft/host/conn.h"

#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES (128u * 1024)
#define READ_TURN_BYTES ((size_t)2 << 20) /* then other connections get their turn */
#define DIRECT_BYTES (16u * 1024)         /* a payload with more than this left is read in place */
#define KEEPALIVE_S 15
/* Not sent yet, in the kernel: what a heartbeat has to wait for at most. */
#define UNSENT_BYTES (512 * 1024)

static void inbound_clear(struct inbound *m)
{
    for (uint32_t i = 0; i < m->n_made; i++) {
        raft_entry_unref(m->entries[i]);
    }
    free(m->entries);
    free(m->heads);
    free(m->user);
    memset(m, 0, sizeof *m);
}

/* ---- bodies ------------------------------------------------------------------------------ */

static const char *inbound_begin_raft(struct inbound *m, const unsigned char *head, size_t n)
{
    uint64_t heads;

    if (peer_raft_decode(head, n, &m->raft) != PEER_OK) {
        return "malformed message";
    }
    heads = (uint64_t)m->raft.n_entries * PEER_ENTRY_HEAD_BYTES;
    m->body_bytes = m->raft.body_bytes;
    if (m->raft.n_entries > CONN_ENTRIES_MAX || m->body_bytes < heads ||
        m->body_bytes - heads > (uint64_t)RAFT_ENTRY_BYTES_MAX + CORE_INFLIGHT_BYTES ||
        (m->raft.n_entries == 0 && m->body_bytes > 0)) {
        return "impossible message size";
    }
    if (m->raft.n_entries > 0) {
        m->heads = mem_try_alloc(heads);
        m->entries = mem_try_alloc(m->raft.n_entries * sizeof(struct raft_entry *));
        if (m->heads == NULL || m->entries == NULL) {
            return "out of memory";
        }
    }
    return NULL;
}

static const char *inbound_begin_user(struct inbound *m, const unsigned char *head, size_t n)
{
    if (peer_user_decode(head, n, &m->body_bytes) != PEER_OK) {
        return "malformed message";
    }
    if (m->body_bytes > CONN_USER_BYTES_MAX) {
        return "impossible message size";
    }
    m->user = mem_try_alloc(m->body_bytes);
    return m->user != NULL ? NULL : "out of memory";
}

/* Make the entry that comes next. */
static const char *inbound_next_entry(struct inbound *m)
{
    struct peer_entry_head h;
    struct raft_entry *e;

    peer_entry_head_decode(m->heads + (size_t)m->n_made * PEER_ENTRY_HEAD_BYTES, &h);
    if (h.type > RAFT_ENTRY_CONFIG || h.size > RAFT_ENTRY_BYTES_MAX) {
        return "impossible entry";
    }
    if (m->body_bytes - m->got < h.size) {
        return "impossible message size";
    }
    e = raft_entry_new(h.type, h.size);
    if (e == NULL) {
        return "out of memory";
    }
    e->pos.term = h.term;
    e->pos.index = m->raft.pos_index + 1 + m->n_made;
    m->entries[m->n_made++] = e;
    m->filled = 0;
    return NULL;
}

/* Where the next bytes of the body belong, and how many of them; *@room 0: nowhere, the message is
 * whole. Empty entries are made on the way. */
static const char *inbound_place(struct inbound *m, unsigned char **p, size_t *room)
{
    uint64_t heads = (uint64_t)m->raft.n_entries * PEER_ENTRY_HEAD_BYTES;
    const char *why;

    *room = 0;
    if (m->type == PEER_FRAME_USER) {
        *p = m->user + m->got;
        *room = m->body_bytes - m->got;
        return NULL;
    }
    if (m->got < heads) {
        *p = m->heads + m->got;
        *room = heads - m->got;
        return NULL;
    }
    for (;;) {
        struct raft_entry *e = m->n_made > 0 ? m->entries[m->n_made - 1] : NULL;

        if (e != NULL && m->filled < e->size) {
            *p = e->data + m->filled;
            *room = e->size - m->filled;
            return NULL;
        }
        if (m->n_made == m->raft.n_entries) {
            return m->got == m->body_bytes ? NULL : "impossible message size";
        }
        why = inbound_next_entry(m);
        if (why != NULL) {
            return why;
        }
    }
}

static void inbound_took(struct inbound *m, size_t n)
{
    if (m->type == PEER_FRAME_RAFT &&
        m->got >= (uint64_t)m->raft.n_entries * PEER_ENTRY_HEAD_BYTES) {
        m->filled += (uint32_t)n;
    }
    m->got += n;
}

/* Consume @n bytes of the frame's body from @p. */
static const char *inbound_put(struct inbound *m, const unsigned char *p, size_t n)
{
    while (n > 0) {
        unsigned char *to;
        size_t room;
        const char *why = inbound_place(m, &to, &room);

        if (why != NULL) {
            return why;
        }
        if (room == 0) {
            return "impossible message size";
        }
        room = MIN_OF(room, n);
        memcpy(to, p, room);
        inbound_took(m, room);
        p += room;
        n -= room;
    }
    return NULL;
}

static const char *inbound_end(struct conn *c, struct inbound *m)
{
    unsigned char *p;
    size_t room;
    const char *why = inbound_place(m, &p, &room);

    if (why != NULL || room > 0) {
        return why != NULL ? why : "impossible message size";
    }
    if (m->type == PEER_FRAME_USER) {
        p = m->user;
        m->user = NULL;
        host_peer_on_user(c, p, m->body_bytes);
    } else {
        host_peer_on_raft(c, &m->raft, m->entries);
    }
    inbound_clear(m);
    return NULL;
}

/* ---- frames ------------------------------------------------------------------------------ */

/* A frame's head is whole: what is it, and where does its body go? */
static const char *frame_begin(struct conn *c, const unsigned char *head)
{
    const struct peer_header *f = &c->frame;
    bool more = (f->flags & PEER_FLAG_MORE) != 0;

    if (c->state != CONN_UP && f->type != PEER_FRAME_HELLO) {
        return "a message before the greeting";
    }
    switch (f->type) {
    case PEER_FRAME_HELLO: {
        struct peer_hello hello;

        if (more || f->body_bytes > 0 ||
            peer_hello_decode(head, f->head_bytes, &hello) != PEER_OK) {
            return "malformed greeting";
        }
        c->target = NULL;
        host_peer_on_hello(c, &hello);
        return NULL;
    }
    case PEER_FRAME_PING:
        c->target = NULL;
        return more || f->body_bytes > 0 || f->head_bytes > 0 ? "malformed ping" : NULL;
    case PEER_FRAME_CONT:
        c->target = &c->cut[peer_lane(f->flags)];
        return c->target->active && f->head_bytes == 0 ? NULL : "a rest without a beginning";
    case PEER_FRAME_RAFT:
    case PEER_FRAME_USER:
        c->target = more ? &c->cut[peer_lane(f->flags)] : &c->whole;
        if (c->target->active) {
            return "two cut messages in one lane";
        }
        c->target->active = true;
        c->target->type = f->type;
        return f->type == PEER_FRAME_RAFT ? inbound_begin_raft(c->target, head, f->head_bytes)
                                          : inbound_begin_user(c->target, head, f->head_bytes);
    default:
        return "a message that does not belong here";
    }
}

static const char *frame_end(struct conn *c)
{
    c->in_body = false;
    if (c->frame_crc != c->frame.body_crc) {
        return peer_strerror(PEER_ERR_CRC);
    }
    if (c->target == NULL || (c->frame.flags & PEER_FLAG_MORE) != 0) {
        return NULL;
    }
    return inbound_end(c, c->target);
}

/* One step through c->in. *@more: there may be another one. */
static const char *parse_step(struct conn *c, bool *more)
{
    const unsigned char *p = (const unsigned char *)buf_head(&c->in);
    const char *why;
    size_t n;
    int rc;

    *more = false;
    if (!c->in_body) {
        if (c->in.len < PEER_HEADER_BYTES) {
            return NULL;
        }
        rc = peer_header_decode(p, &c->frame);
        n = PEER_HEADER_BYTES + c->frame.head_bytes;
        if (rc == PEER_OK && c->in.len < n) {
            return NULL;
        }
        if (rc == PEER_OK) {
            rc = peer_head_check(p, &c->frame);
        }
        if (rc != PEER_OK) {
            return peer_strerror(rc);
        }
        c->in_body = true;
        c->frame_got = 0;
        c->frame_crc = 0;
        why = frame_begin(c, p + PEER_HEADER_BYTES);
        if (why != NULL || c->closed) {
            return why;
        }
        buf_consume(&c->in, n);
        *more = true;
    } else if (c->frame_got < c->frame.body_bytes && c->in.len > 0) {
        n = MIN_OF((size_t)(c->frame.body_bytes - c->frame_got), c->in.len);
        c->frame_crc = crc32c(c->frame_crc, p, n);
        why = inbound_put(c->target, p, n);
        if (why != NULL) {
            return why;
        }
        c->frame_got += (uint32_t)n;
        buf_consume(&c->in, n);
        *more = true;
    }
    if (c->in_body && c->frame_got == c->frame.body_bytes) {
        *more = true;
        return frame_end(c);
    }
    return NULL;
}

static const char *parse(struct conn *c)
{
    const char *why = NULL;
    bool more = true;

    while (more && why == NULL && !c->closed) {
        why = parse_step(c, &more);
    }
    return why;
}

/* Read; a large payload goes into its entry, what follows it behind c->in. Returns read()'s. */
static ssize_t read_some(struct conn *c)
{
    struct iovec iov[2];
    int n_iov = 0;
    size_t direct = 0;
    ssize_t got;

    if (c->in_body && c->in.len == 0 && c->target != NULL &&
        c->frame.body_bytes - c->frame_got > DIRECT_BYTES) {
        unsigned char *to;
        size_t room;

        /* An error here comes again when the bytes are parsed. */
        if (inbound_place(c->target, &to, &room) == NULL && room > DIRECT_BYTES) {
            direct = MIN_OF(room, (size_t)(c->frame.body_bytes - c->frame_got));
            iov[n_iov].iov_base = to;
            iov[n_iov++].iov_len = direct;
        }
    }
    buf_reserve(&c->in, READ_BYTES);
    iov[n_iov].iov_base = buf_tail(&c->in);
    iov[n_iov++].iov_len = READ_BYTES;
    do {
        got = readv(c->fd, iov, n_iov);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        direct = MIN_OF(direct, (size_t)got);
        if (direct > 0) {
            c->frame_crc = crc32c(c->frame_crc, iov[0].iov_base, direct);
            inbound_took(c->target, direct);
            c->frame_got += (uint32_t)direct;
        }
        buf_fill(&c->in, (size_t)got - direct);
    }
    return got;
}

static void on_readable(EV_P_ ev_io *w, int revents)
{
    struct conn *c = CONTAINER_OF(w, struct conn, reader);
    size_t budget = READ_TURN_BYTES;

    (void)loop;
    (void)revents;
    while (!c->closed) {
        ssize_t got = read_some(c);
        const char *why;

        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (got <= 0) {
            conn_close(c, got == 0 ? "closed by the peer" : strerror(errno));
            return;
        }
        c->bytes_in += (uint64_t)got;
        c->rx_us = c->host->now_us;
        why = parse(c);
        if (why != NULL && !c->closed) {
            conn_close(c, why);
        }
        /* A short read has emptied the socket: no need to ask again. */
        if ((size_t)got < READ_BYTES || budget <= (size_t)got) {
            break;
        }
        budget -= (size_t)got;
    }
}

static void on_writable(EV_P_ ev_io *w, int revents)
{
    struct conn *c = CONTAINER_OF(w, struct conn, writer);

    (void)loop;
    (void)revents;
    if (c->state == CONN_CONNECTING) {
        if (net_connect_result(c->fd) != 0) {
            conn_close(c, strerror(errno));
            return;
        }
        c->state = CONN_GREETING;
        c->rx_us = c->host->now_us;
        host_watch(c->host, &c->reader);
        conn_send_hello(c);
    }
    if (!conn_flush(c)) {
        conn_close(c, strerror(errno));
    }
}

/* ---- life -------------------------------------------------------------------------------- */

struct conn *conn_new(struct raft_host *h, int fd, bool dialled)
{
    struct conn *c = mem_zalloc(sizeof *c);
    int unsent = UNSENT_BYTES;

    c->host = h;
    c->fd = fd;
    c->dialled = dialled;
    c->state = dialled ? CONN_CONNECTING : CONN_GREETING;
    c->born_us = c->rx_us = c->tx_us = h->now_us;
    buf_init(&c->in);
    conn_out_init(c);
    /* All of these only make things better; a socket without them works. */
    if (net_set_nodelay(fd) != 0 || net_set_keepalive(fd, KEEPALIVE_S) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) != 0) {
        log_verbose("Peer connection: cannot set a socket option: %s", strerror(errno));
    }
    ev_io_init(&c->reader, on_readable, fd, EV_READ);
    ev_io_init(&c->writer, on_writable, fd, EV_WRITE);
    host_watch(h, dialled ? &c->writer : &c->reader);
    return c;
}

/* Out of the lists and the loop; the memory goes at the end of the turn. */
static void leave(struct conn *c)
{
    struct raft_host *h = c->host;

    assert(!c->closed);
    c->closed = true;
    ev_io_stop(h->loop, &c->reader);
    ev_io_stop(h->loop, &c->writer);
    for (struct conn **p = &h->greeting; *p != NULL; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            h->n_greeting--;
            break;
        }
    }
    c->next = h->graves;
    h->graves = c;
}

void conn_close(struct conn *c, const char *why)
{
    if (c->closed) {
        return;
    }
    if (why != NULL) {
        const char *who = c->peer != NULL ? c->peer->name : c->ip;

        if (c->state == CONN_UP) {
            log_notice("Connection to node %s ended: %s", who, why);
        } else {
            log_verbose("Connection to node %s failed: %s", who, why);
        }
    }
    leave(c);
    close(c->fd);
    c->fd = -1;
    if (c->peer != NULL) {
        host_peer_on_closed(c);
    }
}

int conn_detach(struct conn *c)
{
    int fd = c->fd;

    assert(c->peer == NULL);
    leave(c);
    c->fd = -1;
    return fd;
}

void conn_bury(struct raft_host *h)
{
    while (h->graves != NULL) {
        struct conn *c = h->graves;

        h->graves = c->next;
        for (unsigned i = 0; i < PEER_LANES; i++) {
            inbound_clear(&c->cut[i]);
        }
        inbound_clear(&c->whole);
        conn_out_release(c);
        buf_release(&c->in);
        free(c);
    }
}
