/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/peer.h - frames between two nodes: a fixed header, a protobuf head, a raw body.
 *
 *   0  u32 body bytes        <= PEER_BODY_MAX
 *   4  u16 head bytes        <= PEER_HEAD_MAX
 *   6  u8  type              enum peer_frame_type
 *   7  u8  flags             PEER_FLAG_*
 *   8  u32 CRC32C of bytes 0..7 and the head
 *  12  u32 CRC32C of the body
 * All little-endian. A body larger than PEER_CHUNK_BYTES is cut: the first frame has the head and
 * PEER_FLAG_MORE, PEER_FRAME_CONT frames carry the rest, the last of them without MORE. Each lane
 * carries one cut body at a time; frames of other lanes, and frames that are whole, may come in
 * between, so that a heartbeat waits for one chunk and no group for another one's big entries.
 *
 * The body of a PEER_FRAME_RAFT is one struct peer_entry_head per entry, PEER_ENTRY_HEAD_BYTES
 * each, then the payloads one after another. Any thread. */
#ifndef PROTO_PEER_H
#define PROTO_PEER_H

#include "base/net.h"

#define PEER_PROTOCOL 1u
#define PEER_ID_CHARS 40

#define PEER_HEADER_BYTES 16u
#define PEER_HEAD_MAX 2048u
#define PEER_CHUNK_BYTES (256u * 1024)
#define PEER_BODY_MAX PEER_CHUNK_BYTES
#define PEER_ENTRY_HEAD_BYTES 16u

enum peer_frame_type {
    PEER_FRAME_HELLO = 1,
    PEER_FRAME_PING, /* no head, no body: the sender lives */
    PEER_FRAME_RAFT,
    PEER_FRAME_USER,
    PEER_FRAME_CONT,
    PEER_FRAME_SNAP_OFFER,
    PEER_FRAME_SNAP_REPLY,
    PEER_FRAME_SNAP_DATA, /* no head */
    PEER_FRAME_SNAP_END,
    PEER_FRAME_TYPES /* one more than the last */
};
enum {
    PEER_FLAG_MORE = 1,
    PEER_FLAG_LANE_SHIFT = 1, /* bits 1..3: the lane */
};
#define PEER_LANES 8u

enum peer_error {
    PEER_OK = 0,
    PEER_ERR_FRAME = -1, /* impossible length, type or flag */
    PEER_ERR_CRC = -2,
    PEER_ERR_HEAD = -3, /* the protobuf head is malformed or lacks something */
};
const char *peer_strerror(int error);

struct peer_header {
    uint32_t body_bytes;
    uint16_t head_bytes;
    uint8_t type, flags;
    uint32_t body_crc;
};
static inline unsigned peer_lane(uint8_t flags) { return (unsigned)flags >> PEER_FLAG_LANE_SHIFT; }
static inline uint8_t peer_flags(bool more, unsigned lane)
{
    return (uint8_t)((more ? PEER_FLAG_MORE : 0) | lane << PEER_FLAG_LANE_SHIFT);
}

/* Write header and CRC in front of a head that stands at @frame + PEER_HEADER_BYTES already. */
void peer_header_encode(unsigned char *frame, const struct peer_header *h);
/* Read PEER_HEADER_BYTES at @p. The head's CRC is checked by peer_head_check(). */
MUST_CHECK int peer_header_decode(const unsigned char *p, struct peer_header *out);
/* @frame: header and whole head. */
MUST_CHECK int peer_head_check(const unsigned char *frame, const struct peer_header *h);

/* ---- heads ------------------------------------------------------------------------------------
 * peer_x_encode() writes at most PEER_HEAD_MAX bytes at @out and returns their number. */

enum peer_hello_kind {
    PEER_HELLO_MESSAGES = 0, /* the one connection of a pair for all groups */
    PEER_HELLO_SNAPSHOT = 1, /* one snapshot stream */
};
struct peer_hello {
    uint32_t protocol, kind, feature_level;
    char cluster_id[PEER_ID_CHARS + 1]; /* "" until formed */
    char node_id[PEER_ID_CHARS + 1];
    uint64_t node;
    struct net_addr addr;
};
size_t peer_hello_encode(const struct peer_hello *h, unsigned char *out);
MUST_CHECK int peer_hello_decode(const unsigned char *p, size_t n, struct peer_hello *out);

struct peer_raft {
    uint32_t group, type, n_entries;
    uint64_t from, to, term, pos_term, pos_index, commit, match, last;
    int64_t sent_us;
    uint64_t read_seq;
    bool reject, forced, tail_suspect;
    uint64_t body_bytes;
};
size_t peer_raft_encode(const struct peer_raft *r, unsigned char *out);
MUST_CHECK int peer_raft_decode(const unsigned char *p, size_t n, struct peer_raft *out);

struct peer_entry_head {
    uint64_t term;
    uint32_t size;
    uint8_t type;
};
void peer_entry_head_encode(unsigned char *out, const struct peer_entry_head *e);
void peer_entry_head_decode(const unsigned char *p, struct peer_entry_head *e);

size_t peer_user_encode(uint64_t body_bytes, unsigned char *out);
MUST_CHECK int peer_user_decode(const unsigned char *p, size_t n, uint64_t *body_bytes);

#define PEER_FILE_ID_MAX 64
#define PEER_MEMBERS_MAX 1024
struct peer_snap_offer {
    uint32_t group;
    uint64_t from, term, pos_term, pos_index, size;
    size_t file_id_bytes, members_bytes;
    unsigned char file_id[PEER_FILE_ID_MAX];
    unsigned char members[PEER_MEMBERS_MAX];
};
size_t peer_snap_offer_encode(const struct peer_snap_offer *o, unsigned char *out);
MUST_CHECK int peer_snap_offer_decode(const unsigned char *p, size_t n,
                                      struct peer_snap_offer *out);

enum peer_snap_status {
    PEER_SNAP_SEND = 1,   /* go on from .offset */
    PEER_SNAP_DONE,       /* received whole, durable */
    PEER_SNAP_NOT_NEEDED, /* the receiver is past it */
    PEER_SNAP_REFUSED,    /* not now: no such group, another stream, no room */
    PEER_SNAP_BROKEN,     /* length or CRC wrong: what was received is thrown away */
};
struct peer_snap_reply {
    uint32_t status;
    uint64_t offset;
};
size_t peer_snap_reply_encode(const struct peer_snap_reply *r, unsigned char *out);
MUST_CHECK int peer_snap_reply_decode(const unsigned char *p, size_t n,
                                      struct peer_snap_reply *out);
size_t peer_snap_end_encode(uint32_t crc, unsigned char *out);
MUST_CHECK int peer_snap_end_decode(const unsigned char *p, size_t n, uint32_t *crc);

#endif
