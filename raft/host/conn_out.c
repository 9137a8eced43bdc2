/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/conn_out.c - what leaves a connection: see conn.h.
 *
 * Payloads are written from the entries themselves; small ones are copied next to their heads,
 * where a copy is cheaper than one more iovec. A bulk message goes through two stages: queued in
 * its lane (with a cursor into the first one), then cut into frames, of which a few are prepared
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
    for (unsigned i = 0; i < PEER_LANES; i++) {
        c->lanes[i].tail = &c->lanes[i].first;
    }
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
    for (unsigned i = 0; i < PEER_LANES; i++) {
        while (c->lanes[i].first != NULL) {
            struct bulk *b = c->lanes[i].first;

            c->lanes[i].first = b->next;
            bulk_free(b);
        }
    }
    buf_release(&c->control);
}

uint64_t conn_queued(const struct conn *c) { return c->bulk_bytes + c->control.len; }

static unsigned lane_of(const struct bulk *b) { return b->group % PEER_LANES; }

uint64_t conn_group_queued(const struct conn *c, uint32_t group)
{
    const struct lane *l = &c->lanes[group % PEER_LANES];
    bool queued = false;

    for (unsigned i = 0; i < c->n_frames && !queued; i++) {
        queued = c->frames[(c->first_frame + i) % CONN_FRAMES].msg->group == group;
    }
    for (const struct bulk *b = l->first; b != NULL && !queued; b = b->next) {
        queued = b->group == group;
    }
    return queued ? l->bytes : 0;
}

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
    struct lane *l = &c->lanes[lane_of(b)];

    b->next = NULL;
    *l->tail = b;
    l->tail = &b->next;
    l->bytes += b->body_bytes;
    c->busy_lanes |= 1u << lane_of(b);
    c->bulk_bytes += b->body_bytes;
    c->user_bytes += b->type == PEER_FRAME_USER ? b->body_bytes : 0;
    c->flush_wanted = true;
}

/* @have of a kind are queued, @more would come. */
static bool has_room(uint64_t have, uint64_t more, uint64_t max)
{
    return have == 0 || have + more <= max;
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
    if (!has_room(c->bulk_bytes - c->user_bytes, bytes, CONN_BULK_MAX)) {
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

bool conn_send_bulk_user(struct conn *c, const void *p, size_t n)
{
    struct bulk *b;
    unsigned char *area;

    if (n > CONN_USER_BYTES_MAX || !has_room(c->user_bytes, n, RAFT_HOST_BACKLOG_BYTES)) {
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

/* The lane whose turn it is; there is one. */
static struct lane *take_turn(struct conn *c)
{
    assert(c->busy_lanes != 0);
    while ((c->busy_lanes & 1u << c->next_lane) == 0) {
        c->next_lane = (c->next_lane + 1) % PEER_LANES;
    }
    return &c->lanes[c->next_lane];
}

/* Choose what the next frame of @l carries: from its first message, up to a chunk. Returns its
 * checksum. */
static uint32_t cut_chunk(struct lane *l, struct out_frame *f)
{
    const struct bulk *b = l->first;
    uint32_t crc = 0;

    f->slice = l->slice;
    f->slice_off = l->off;
    f->body_bytes = 0;
    for (unsigned k = 0; k < FRAME_SLICES && l->slice < b->n_slices; k++) {
        const struct bulk_slice *s = &b->slices[l->slice];
        size_t n = MIN_OF(s->n - l->off, PEER_CHUNK_BYTES - f->body_bytes);

        crc = crc32c(crc, s->p + l->off, n);
        f->body_bytes += n;
        l->off += n;
        if (l->off < s->n) {
            break;
        }
        l->slice++;
        l->off = 0;
    }
    return crc;
}

static void prepare_frame(struct conn *c)
{
    struct out_frame *f = &c->frames[(c->first_frame + c->n_frames++) % CONN_FRAMES];
    struct lane *l = take_turn(c);
    struct bulk *b = l->first;
    bool first = l->done == 0;
    struct peer_header h = {.type = first ? b->type : PEER_FRAME_CONT};

    f->msg = b;
    f->sent = 0;
    h.body_crc = cut_chunk(l, f);
    h.body_bytes = (uint32_t)f->body_bytes;
    l->done += f->body_bytes;
    f->last = l->done == b->body_bytes;
    h.flags = peer_flags(!f->last, lane_of(b));
    if (first) {
        h.head_bytes = b->head_bytes;
        memcpy(f->header + PEER_HEADER_BYTES, b->head, b->head_bytes);
    }
    peer_header_encode(f->header, &h);
    f->header_bytes = PEER_HEADER_BYTES + h.head_bytes;
    if (f->last) {
        l->first = b->next;
        if (l->first == NULL) {
            l->tail = &l->first;
            c->busy_lanes &= ~(1u << c->next_lane);
        }
        l->slice = 0;
        l->off = 0;
        l->done = 0;
    }
    c->next_lane = (c->next_lane + 1) % PEER_LANES;
}

static void pop_frame(struct conn *c)
{
    struct out_frame *f = &c->frames[c->first_frame];

    c->bulk_bytes -= f->body_bytes;
    c->user_bytes -= f->msg->type == PEER_FRAME_USER ? f->body_bytes : 0;
    c->lanes[lane_of(f->msg)].bytes -= f->body_bytes;
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
            if (c->busy_lanes == 0 || c->n_frames == CONN_FRAMES) {
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
    while (rc == 1 && (c->control.len > 0 || c->n_frames > 0 || c->busy_lanes != 0)) {
        rc = c->bytes_out < until ? write_some(c) : 0;
    }
    if (rc < 0) {
        return false;
    }
    if (rc == 0) {
        host_watch(c->host, &c->writer);
    } else {
        ev_io_stop(c->host->loop, &c->writer);
        buf_shrink(&c->control, 64 * 1024);
    }
    return true;
}
