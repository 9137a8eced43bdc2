/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/conn_out.c - what leaves a connection: see conn.h.
 *
 * Payloads are written from the entries themselves; small ones are copied next to their heads,
 * where a copy is cheaper than one more iovec. A message of the bulk lane goes through two stages:
 * queued (with a cursor into the first one), then cut into frames, of which a few are prepared
 * ahead so that one writev carries many. Only the first prepared frame may have left in part. */
#include "raft/host/conn.h"

#include "base/crc.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define COPY_BYTES 512u   /* payloads up to here are copied */
#define FRAME_SLICES 256u /* of one frame */
#define FLUSH_IOVS 1024
#define FLUSH_BYTES ((size_t)1 << 20)
#define TURN_BYTES ((uint64_t)4 << 20) /* then the loop's other work comes first */

void conn_out_init(struct conn *c)
{
    buf_init(&c->control);
    c->bulk = NULL;
    c->bulk_tail = &c->bulk;
}

static void bulk_free(struct bulk *b)
{
    for (size_t i = 0; i < b->n_entries; i++) {
        raft_entry_unref(b->entries[i]);
    }
    free(b);
}

void conn_out_release(struct conn *c)
{
    /* A message whose chunks are all prepared is held by its last frame only. */
    for (unsigned i = 0; i < c->n_frames; i++) {
        struct out_frame *f = &c->frames[(c->first_frame + i) % CONN_FRAMES];

        if (f->last) {
            bulk_free(f->msg);
        }
    }
    c->n_frames = 0;
    while (c->bulk != NULL) {
        struct bulk *b = c->bulk;

        c->bulk = b->next;
        bulk_free(b);
    }
    c->bulk_tail = &c->bulk;
    buf_release(&c->control);
}

uint64_t conn_queued(const struct conn *c) { return c->bulk_bytes + c->control.len; }

/* ---- queueing ---------------------------------------------------------------------------- */

void conn_send_control(struct conn *c, uint8_t type, unsigned char *frame, size_t head_bytes,
                       const void *body, size_t body_bytes)
{
    struct peer_header h = {.type = type, .head_bytes = (uint16_t)head_bytes};

    h.body_bytes = (uint32_t)body_bytes;
    h.body_crc = body_bytes > 0 ? crc32c(0, body, body_bytes) : 0;
    peer_header_encode(frame, &h);
    buf_append(&c->control, frame, PEER_HEADER_BYTES + head_bytes);
    buf_append(&c->control, body, body_bytes);
    c->flush_wanted = true;
}

void conn_send_hello(struct conn *c)
{
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_hello hello;

    host_fill_hello(c->host, PEER_HELLO_MESSAGES, &hello);
    conn_send_control(c, PEER_FRAME_HELLO, frame,
                      peer_hello_encode(&hello, frame + PEER_HEADER_BYTES), NULL, 0);
}

static void bulk_queue(struct conn *c, struct bulk *b)
{
    b->next = NULL;
    *c->bulk_tail = b;
    c->bulk_tail = &b->next;
    c->bulk_bytes += b->body_bytes;
    c->flush_wanted = true;
}

static bool has_room(const struct conn *c, uint64_t bytes)
{
    return c->bulk_bytes == 0 || c->bulk_bytes + bytes <= CONN_BULK_MAX;
}

/* Append to the body; runs that touch become one slice. */
static void add_slice(struct bulk *b, const unsigned char *p, size_t n)
{
    struct bulk_slice *last = b->n_slices > 0 ? &b->slices[b->n_slices - 1] : NULL;

    if (n == 0) {
        return;
    }
    if (last != NULL && last->p + last->n == p) {
        last->n += n;
    } else {
        b->slices[b->n_slices++] = (struct bulk_slice){p, n};
    }
}

bool conn_send_entries(struct conn *c, const struct peer_raft *head,
                       struct raft_entry *const *entries, size_t n)
{
    uint64_t bytes = (uint64_t)n * PEER_ENTRY_HEAD_BYTES;
    size_t n_big = 0, copied = n * PEER_ENTRY_HEAD_BYTES;
    struct peer_raft m = *head;
    unsigned char *area;
    struct bulk *b;

    for (size_t i = 0; i < n; i++) {
        bytes += entries[i]->size;
        if (entries[i]->size > COPY_BYTES) {
            n_big++;
        } else {
            copied += entries[i]->size;
        }
    }
    if (!has_room(c, bytes)) {
        return false;
    }
    /* Worst case: copied and big payloads alternate. */
    b = mem_alloc(sizeof *b + (2 * n_big + 2) * sizeof b->slices[0] +
                  n * sizeof(struct raft_entry *) + copied);
    b->entries = (struct raft_entry **)(void *)(b->slices + 2 * n_big + 2);
    area = (unsigned char *)(b->entries + n);
    b->type = PEER_FRAME_RAFT;
    b->group = head->group;
    b->n_entries = n;
    b->n_slices = 0;
    b->body_bytes = bytes;
    m.n_entries = (uint32_t)n;
    m.body_bytes = bytes;
    b->head_bytes = (uint16_t)peer_raft_encode(&m, b->head);
    assert(b->head_bytes <= sizeof b->head);
    add_slice(b, area, n * PEER_ENTRY_HEAD_BYTES);
    for (size_t i = 0; i < n; i++, area += PEER_ENTRY_HEAD_BYTES) {
        struct peer_entry_head e = {entries[i]->pos.term, entries[i]->size, entries[i]->type};

        peer_entry_head_encode(area, &e);
        b->entries[i] = raft_entry_ref(entries[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const struct raft_entry *e = entries[i];

        if (e->size > COPY_BYTES) {
            add_slice(b, e->data, e->size);
        } else {
            memcpy(area, e->data, e->size);
            add_slice(b, area, e->size);
            area += e->size;
        }
    }
    bulk_queue(c, b);
    return true;
}

bool conn_send_big_user(struct conn *c, const void *p, size_t n)
{
    struct bulk *b;
    unsigned char *area;

    if (!has_room(c, n)) {
        return false;
    }
    b = mem_alloc(sizeof *b + sizeof b->slices[0] + n);
    area = (unsigned char *)(b->slices + 1);
    memcpy(area, p, n);
    b->type = PEER_FRAME_USER;
    b->group = UINT32_MAX;
    b->head_bytes = (uint16_t)peer_user_encode(n, b->head);
    b->body_bytes = n;
    b->n_entries = 0;
    b->entries = NULL;
    b->n_slices = 0;
    add_slice(b, area, n);
    bulk_queue(c, b);
    return true;
}

/* ---- cutting into frames ----------------------------------------------------------------- */

/* Cut the next frame off the first queued message. */
static void prepare_frame(struct conn *c)
{
    struct out_frame *f = &c->frames[(c->first_frame + c->n_frames) % CONN_FRAMES];
    struct bulk *b = c->bulk;
    bool first = c->bulk_done == 0;
    struct peer_header h = {0};

    f->msg = b;
    f->sent = 0;
    f->slice = c->bulk_slice;
    f->slice_off = c->bulk_off;
    f->body_bytes = 0;
    for (unsigned k = 0; k < FRAME_SLICES && c->bulk_slice < b->n_slices; k++) {
        const struct bulk_slice *s = &b->slices[c->bulk_slice];
        size_t n = MIN_OF(s->n - c->bulk_off, PEER_CHUNK_BYTES - f->body_bytes);

        h.body_crc = crc32c(h.body_crc, s->p + c->bulk_off, n);
        f->body_bytes += n;
        c->bulk_off += n;
        if (c->bulk_off < s->n) {
            break;
        }
        c->bulk_slice++;
        c->bulk_off = 0;
    }
    c->bulk_done += f->body_bytes;
    f->last = c->bulk_done == b->body_bytes;
    h.body_bytes = (uint32_t)f->body_bytes;
    h.type = first ? b->type : PEER_FRAME_CONT;
    h.flags = f->last ? 0 : PEER_FLAG_MORE;
    h.head_bytes = first ? b->head_bytes : 0;
    if (first) {
        memcpy(f->header + PEER_HEADER_BYTES, b->head, b->head_bytes);
    }
    peer_header_encode(f->header, &h);
    f->header_bytes = PEER_HEADER_BYTES + h.head_bytes;
    c->n_frames++;
    if (f->last) {
        c->bulk = b->next;
        if (c->bulk == NULL) {
            c->bulk_tail = &c->bulk;
        }
        c->bulk_slice = 0;
        c->bulk_off = 0;
        c->bulk_done = 0;
    }
}

static void pop_frame(struct conn *c)
{
    struct out_frame *f = &c->frames[c->first_frame];

    c->bulk_bytes -= f->body_bytes;
    if (f->last) {
        bulk_free(f->msg);
    }
    c->first_frame = (c->first_frame + 1) % CONN_FRAMES;
    c->n_frames--;
}

/* ---- writing ----------------------------------------------------------------------------- */

struct gather {
    struct iovec iov[FLUSH_IOVS];
    int n;
    size_t bytes;
};

static void gather_add(struct gather *g, const void *p, size_t n)
{
    if (n > 0) {
        g->iov[g->n].iov_base = (void *)p;
        g->iov[g->n++].iov_len = n;
        g->bytes += n;
    }
}

/* What is left of @f. */
static void gather_frame(struct gather *g, const struct out_frame *f)
{
    size_t skip = f->sent;
    size_t left = f->body_bytes;
    size_t off = f->slice_off;

    if (skip < f->header_bytes) {
        gather_add(g, f->header + skip, f->header_bytes - skip);
        skip = 0;
    } else {
        skip -= f->header_bytes;
    }
    for (size_t s = f->slice; left > 0; s++, off = 0) {
        size_t n = MIN_OF(f->msg->slices[s].n - off, left);
        size_t drop = MIN_OF(n, skip);

        gather_add(g, f->msg->slices[s].p + off + drop, n - drop);
        skip -= drop;
        left -= n;
    }
}

static size_t frame_left(const struct out_frame *f)
{
    return f->header_bytes + f->body_bytes - f->sent;
}

/* Account for @n bytes of @f that have left; returns how many of them were its own. */
static size_t frame_sent(struct conn *c, struct out_frame *f, size_t n)
{
    size_t mine = MIN_OF(n, frame_left(f));

    f->sent += mine;
    if (frame_left(f) == 0) {
        pop_frame(c); /* it is the first */
    }
    return mine;
}

/* One writev. 1: all that was gathered left, 0: the socket is full, -1: broken. */
static int write_some(struct conn *c)
{
    struct gather g; /* not zeroed: it is large */
    bool partial = c->n_frames > 0 && c->frames[c->first_frame].sent > 0;
    size_t control;
    unsigned k = partial ? 1 : 0;
    ssize_t done;
    size_t n;

    g.n = 0;
    g.bytes = 0;
    if (partial) {
        gather_frame(&g, &c->frames[c->first_frame]);
    }
    control = c->control.len;
    gather_add(&g, buf_head(&c->control), control);
    for (; g.bytes < FLUSH_BYTES && g.n + (int)FRAME_SLICES + 1 < FLUSH_IOVS; k++) {
        if (k == c->n_frames) {
            if (c->bulk == NULL || c->n_frames == CONN_FRAMES) {
                break;
            }
            prepare_frame(c);
        }
        gather_frame(&g, &c->frames[(c->first_frame + k) % CONN_FRAMES]);
    }
    if (g.n == 0) {
        return 1;
    }
    do {
        done = writev(c->fd, g.iov, g.n);
    } while (done < 0 && errno == EINTR);
    if (done < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    }
    c->bytes_out += (uint64_t)done;
    c->tx_us = c->host->now_us;
    n = (size_t)done;
    if (partial) {
        n -= frame_sent(c, &c->frames[c->first_frame], n);
    }
    control = MIN_OF(control, n);
    buf_consume(&c->control, control);
    n -= control;
    while (n > 0) {
        n -= frame_sent(c, &c->frames[c->first_frame], n);
    }
    return (size_t)done == g.bytes ? 1 : 0;
}

bool conn_flush(struct conn *c)
{
    uint64_t until = c->bytes_out + TURN_BYTES;
    int rc = 1;

    c->flush_wanted = false;
    while (rc == 1 && (c->control.len > 0 || c->n_frames > 0 || c->bulk != NULL)) {
        rc = c->bytes_out < until ? write_some(c) : 0;
    }
    if (rc < 0) {
        return false;
    }
    if (rc == 0) {
        ev_io_start(c->host->loop, &c->writer);
    } else {
        ev_io_stop(c->host->loop, &c->writer);
        buf_shrink(&c->control, 64 * 1024);
    }
    return true;
}
