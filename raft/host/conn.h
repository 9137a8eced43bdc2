/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/conn.h - one connection to another node (proto/peer.h has the frames).
 *
 *   CONNECTING --writable--> GREETING --HELLO--> UP       (dialled)
 *   GREETING --HELLO--> UP, or handed to a snapshot stream (accepted)
 *
 * Control frames (heartbeats, answers, votes) leave before whatever is left of the bulk (messages
 * with entries, big user data), which is cut into chunks. A chunk that has begun is finished first.
 * The bulk waits in several lanes, which take turns chunk by chunk; a group is always in the same
 * one, so its messages keep their order. */
#ifndef RAFT_HOST_CONN_H
#define RAFT_HOST_CONN_H

#include "raft/host/internal.h"

#define CONN_BULK_MAX ((uint64_t)64 << 20)  /* queued bytes of Raft; one message may exceed it */
#define CONN_CONTROL_MAX ((size_t)16 << 20) /* queued control bytes: then the peer is stuck */
#define CONN_GREET_US 3000000               /* to say who you are */
#define CONN_USER_BYTES_MAX RAFT_HOST_MESSAGE_MAX
#define CONN_ENTRIES_MAX (1u << 20) /* of one message */
#define CONN_FRAMES 16              /* prepared at a time */

enum conn_state { CONN_CONNECTING, CONN_GREETING, CONN_UP };

/* A message of the bulk. One allocation, with what it refers to. */
struct bulk {
    struct bulk *next;
    uint8_t type;
    uint32_t group; /* RAFT; USER: UINT32_MAX */
    uint16_t head_bytes;
    unsigned char head[192]; /* encoded; fits every Raft and user head */
    uint64_t body_bytes;
    size_t n_entries;
    struct raft_entry **entries; /* references */
    size_t n_slices;
    struct bulk_slice {
        const unsigned char *p;
        size_t n;
    } slices[];
};

/* A chunk of a message, ready to be written. */
struct out_frame {
    struct bulk *msg;
    bool last; /* chunk of the message */
    unsigned char header[PEER_HEADER_BYTES + 192];
    size_t header_bytes, body_bytes, sent;
    size_t slice, slice_off; /* where its body begins */
};

/* A message being received. */
struct inbound {
    bool active;
    uint8_t type;
    struct peer_raft raft;
    uint64_t body_bytes, got;
    unsigned char *heads; /* of entries */
    struct raft_entry **entries;
    uint32_t n_made;  /* entries allocated */
    uint32_t current; /* entry being filled */
    uint32_t filled;  /* bytes of it */
    unsigned char *user;
};

struct conn {
    struct raft_host *host;
    struct host_peer *peer; /* NULL: accepted, has not said who it is */
    enum conn_state state;
    bool dialled, closed;
    int fd;
    char ip[NET_HOST_MAX];
    struct ev_io reader, writer;
    int64_t born_us, rx_us, tx_us;
    uint64_t bytes_in, bytes_out;
    struct conn *next; /* greeting, or closed */

    /* input */
    struct buf in;
    bool in_body; /* of frame .frame, .frame_got of it consumed */
    struct peer_header frame;
    uint32_t frame_got, frame_crc;
    struct inbound *target; /* one of cut, or &whole; NULL: a frame without a body */
    struct inbound cut[PEER_LANES], whole;

    /* output */
    struct buf control;
    struct lane {
        struct bulk *first, **tail; /* messages that are not wholly prepared */
        size_t slice, off;          /* how far the first of them is */
        uint64_t done;
        uint64_t bytes; /* queued: prepared or not */
    } lanes[PEER_LANES];
    unsigned next_lane;                   /* whose turn it is */
    unsigned busy_lanes;                  /* bit set of those with .first */
    uint64_t bulk_bytes;                  /* of all lanes */
    uint64_t user_bytes;                  /* those of them that are not Raft's */
    struct out_frame frames[CONN_FRAMES]; /* ring */
    unsigned first_frame, n_frames;
    bool flush_wanted;
};

struct conn *conn_new(struct raft_host *h, int fd, bool dialled);
/* Close: the peer is told (host_peer_on_closed()). @why may be NULL: no log line. c->closed is true
 * then, the memory stays until conn_bury() at the end of the turn. */
void conn_close(struct conn *c, const char *why);
void conn_bury(struct raft_host *h);
/* As conn_close(), but the socket is the caller's now. */
int conn_detach(struct conn *c);

/* ---- conn_out.c ---- */
void conn_out_init(struct conn *c);
void conn_out_release(struct conn *c);
/* Queue a control frame: @head_bytes of head at @frame + PEER_HEADER_BYTES, then the body. */
void conn_send_control(struct conn *c, uint8_t type, unsigned char *frame, size_t head_bytes,
                       const void *body, size_t body_bytes);
void conn_send_hello(struct conn *c);
/* Queue entries. False: the queue is full, nothing was taken. References are added. */
MUST_CHECK bool conn_send_entries(struct conn *c, const struct peer_raft *head,
                                  struct raft_entry *const *entries, size_t n);
/* Queue bytes of the layers above behind those before. False: too much is queued. */
MUST_CHECK bool conn_send_bulk_user(struct conn *c, const void *p, size_t n);
uint64_t conn_queued(const struct conn *c);
/* Bulk bytes that entries of @group would wait behind; 0 when none of @group is queued. */
uint64_t conn_group_queued(const struct conn *c, uint32_t group);
/* Write what can be written. False: the connection broke (errno); close it. */
MUST_CHECK bool conn_flush(struct conn *c);

#endif
