/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/peer.c - see proto/peer.h. What protobuf-c unpacks is copied into plain structs at once,
 * so a small arena on the stack is all the memory decoding needs; a head too large for it is
 * malformed by definition. */
#include "proto/peer.h"

#include "base/crc.h"
#include "proto/peer.pb-c.h"

#include <string.h>

const char *peer_strerror(int error)
{
    switch (error) {
    case PEER_OK:
        return "ok";
    case PEER_ERR_FRAME:
        return "impossible frame";
    case PEER_ERR_CRC:
        return "checksum mismatch";
    case PEER_ERR_HEAD:
        return "malformed message";
    default:
        return "unknown error";
    }
}

/* ---- little-endian numbers --------------------------------------------------------------- */

static void put_u16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static void put_u32(unsigned char *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16(p + 2, (uint16_t)(v >> 16));
}

static void put_u64(unsigned char *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t get_u16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }

static uint32_t get_u32(const unsigned char *p)
{
    return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

static uint64_t get_u64(const unsigned char *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

/* ---- the frame --------------------------------------------------------------------------- */

void peer_header_encode(unsigned char *frame, const struct peer_header *h)
{
    uint32_t crc;

    assert(h->body_bytes <= PEER_BODY_MAX);
    assert(h->head_bytes <= PEER_HEAD_MAX);
    put_u32(frame, h->body_bytes);
    put_u16(frame + 4, h->head_bytes);
    frame[6] = h->type;
    frame[7] = h->flags;
    crc = crc32c(0, frame, 8);
    put_u32(frame + 8, crc32c(crc, frame + PEER_HEADER_BYTES, h->head_bytes));
    put_u32(frame + 12, h->body_crc);
}

int peer_header_decode(const unsigned char *p, struct peer_header *out)
{
    out->body_bytes = get_u32(p);
    out->head_bytes = get_u16(p + 4);
    out->type = p[6];
    out->flags = p[7];
    out->body_crc = get_u32(p + 12);
    if (out->body_bytes > PEER_BODY_MAX || out->head_bytes > PEER_HEAD_MAX || out->type == 0 ||
        out->type >= PEER_FRAME_TYPES || peer_lane(out->flags) >= PEER_LANES) {
        return PEER_ERR_FRAME;
    }
    return PEER_OK;
}

int peer_head_check(const unsigned char *frame, const struct peer_header *h)
{
    uint32_t crc = crc32c(0, frame, 8);

    crc = crc32c(crc, frame + PEER_HEADER_BYTES, h->head_bytes);
    return crc == get_u32(frame + 8) ? PEER_OK : PEER_ERR_CRC;
}

void peer_entry_head_encode(unsigned char *out, const struct peer_entry_head *e)
{
    put_u64(out, e->term);
    put_u32(out + 8, e->size);
    put_u32(out + 12, e->type);
}

void peer_entry_head_decode(const unsigned char *p, struct peer_entry_head *e)
{
    e->term = get_u64(p);
    e->size = get_u32(p + 8);
    e->type = p[12];
}

/* ---- unpacking without malloc -------------------------------------------------------------- */

struct arena {
    size_t used;
    _Alignas(16) unsigned char bytes[2 * PEER_HEAD_MAX + 1024];
};

static void *arena_alloc(void *ctx, size_t n)
{
    struct arena *a = ctx;
    void *p = a->bytes + a->used;

    n = (n + 15) & ~(size_t)15;
    if (n > sizeof a->bytes - a->used) {
        return NULL;
    }
    a->used += n;
    return p;
}

static void arena_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

static ProtobufCAllocator arena_init(struct arena *a)
{
    a->used = 0;
    return (ProtobufCAllocator){.alloc = arena_alloc, .free = arena_free, .allocator_data = a};
}

static bool copy_text(char *out, size_t cap, const char *s)
{
    size_t n = strlen(s);

    if (n >= cap) {
        return false;
    }
    memcpy(out, s, n + 1);
    return true;
}

/* An identity is 40 lower-case hex digits: it goes into file headers and log lines. */
static bool is_id(const char *s)
{
    return strlen(s) == PEER_ID_CHARS && strspn(s, "0123456789abcdef") == PEER_ID_CHARS;
}

static bool is_host(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~') {
            return false;
        }
    }
    return n > 0 && n < NET_HOST_MAX;
}

/* ---- heads ------------------------------------------------------------------------------- */

size_t peer_hello_encode(const struct peer_hello *h, unsigned char *out)
{
    Peer__Hello m = PEER__HELLO__INIT;

    m.protocol = h->protocol;
    m.kind = h->kind;
    m.cluster_id = (char *)h->cluster_id;
    m.node_id = (char *)h->node_id;
    m.node = h->node;
    m.host = (char *)h->addr.host;
    m.port = h->addr.port;
    m.feature_level = h->feature_level;
    return peer__hello__pack(&m, out);
}

int peer_hello_decode(const unsigned char *p, size_t n, struct peer_hello *out)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__Hello *m = peer__hello__unpack(&alloc, n, p);

    memset(out, 0, sizeof *out);
    if (m == NULL || m->port == 0 || m->port > UINT16_MAX || !is_host(m->host) ||
        !is_id(m->node_id) || (m->cluster_id[0] != '\0' && !is_id(m->cluster_id)) ||
        (m->cluster_id[0] == '\0') != (m->node == 0)) {
        return PEER_ERR_HEAD;
    }
    out->protocol = m->protocol;
    out->kind = m->kind;
    out->feature_level = m->feature_level;
    out->node = m->node;
    out->addr.port = (uint16_t)m->port;
    if (!copy_text(out->cluster_id, sizeof out->cluster_id, m->cluster_id) ||
        !copy_text(out->node_id, sizeof out->node_id, m->node_id) ||
        !copy_text(out->addr.host, sizeof out->addr.host, m->host)) {
        return PEER_ERR_HEAD;
    }
    return PEER_OK;
}

size_t peer_raft_encode(const struct peer_raft *r, unsigned char *out)
{
    Peer__Raft m = PEER__RAFT__INIT;

    m.group = r->group;
    m.type = r->type;
    m.from = r->from;
    m.to = r->to;
    m.term = r->term;
    m.pos_term = r->pos_term;
    m.pos_index = r->pos_index;
    m.commit = r->commit;
    m.match = r->match;
    m.last = r->last;
    m.sent_us = r->sent_us;
    m.read_seq = r->read_seq;
    m.reject = r->reject;
    m.forced = r->forced;
    m.tail_suspect = r->tail_suspect;
    m.entries = r->n_entries;
    m.body_bytes = r->body_bytes;
    return peer__raft__pack(&m, out);
}

int peer_raft_decode(const unsigned char *p, size_t n, struct peer_raft *out)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__Raft *m = peer__raft__unpack(&alloc, n, p);

    if (m == NULL || m->from == 0 || m->to == 0 || m->type == 0) {
        return PEER_ERR_HEAD;
    }
    *out = (struct peer_raft){
        .group = m->group,
        .type = m->type,
        .n_entries = m->entries,
        .from = m->from,
        .to = m->to,
        .term = m->term,
        .pos_term = m->pos_term,
        .pos_index = m->pos_index,
        .commit = m->commit,
        .match = m->match,
        .last = m->last,
        .sent_us = m->sent_us,
        .read_seq = m->read_seq,
        .reject = m->reject,
        .forced = m->forced,
        .tail_suspect = m->tail_suspect,
        .body_bytes = m->body_bytes,
    };
    return PEER_OK;
}

size_t peer_user_encode(uint64_t body_bytes, unsigned char *out)
{
    Peer__User m = PEER__USER__INIT;

    m.body_bytes = body_bytes;
    return peer__user__pack(&m, out);
}

int peer_user_decode(const unsigned char *p, size_t n, uint64_t *body_bytes)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__User *m = peer__user__unpack(&alloc, n, p);

    if (m == NULL) {
        return PEER_ERR_HEAD;
    }
    *body_bytes = m->body_bytes;
    return PEER_OK;
}

size_t peer_snap_offer_encode(const struct peer_snap_offer *o, unsigned char *out)
{
    Peer__SnapOffer m = PEER__SNAP_OFFER__INIT;

    assert(o->file_id_bytes <= PEER_FILE_ID_MAX);
    assert(o->members_bytes <= PEER_MEMBERS_MAX);
    m.group = o->group;
    m.from = o->from;
    m.term = o->term;
    m.pos_term = o->pos_term;
    m.pos_index = o->pos_index;
    m.size = o->size;
    m.file_id.data = (unsigned char *)o->file_id;
    m.file_id.len = o->file_id_bytes;
    m.members.data = (unsigned char *)o->members;
    m.members.len = o->members_bytes;
    return peer__snap_offer__pack(&m, out);
}

int peer_snap_offer_decode(const unsigned char *p, size_t n, struct peer_snap_offer *out)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__SnapOffer *m = peer__snap_offer__unpack(&alloc, n, p);

    memset(out, 0, sizeof *out);
    if (m == NULL || m->from == 0 || m->pos_index == 0 || m->file_id.len > PEER_FILE_ID_MAX ||
        m->file_id.len == 0 || m->members.len > PEER_MEMBERS_MAX || m->members.len == 0) {
        return PEER_ERR_HEAD;
    }
    out->group = m->group;
    out->from = m->from;
    out->term = m->term;
    out->pos_term = m->pos_term;
    out->pos_index = m->pos_index;
    out->size = m->size;
    out->file_id_bytes = m->file_id.len;
    memcpy(out->file_id, m->file_id.data, m->file_id.len);
    out->members_bytes = m->members.len;
    memcpy(out->members, m->members.data, m->members.len);
    return PEER_OK;
}

size_t peer_snap_reply_encode(const struct peer_snap_reply *r, unsigned char *out)
{
    Peer__SnapReply m = PEER__SNAP_REPLY__INIT;

    m.status = r->status;
    m.offset = r->offset;
    return peer__snap_reply__pack(&m, out);
}

int peer_snap_reply_decode(const unsigned char *p, size_t n, struct peer_snap_reply *out)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__SnapReply *m = peer__snap_reply__unpack(&alloc, n, p);

    if (m == NULL || m->status < PEER_SNAP_SEND || m->status > PEER_SNAP_BROKEN) {
        return PEER_ERR_HEAD;
    }
    out->status = m->status;
    out->offset = m->offset;
    return PEER_OK;
}

size_t peer_snap_end_encode(uint32_t crc, unsigned char *out)
{
    Peer__SnapEnd m = PEER__SNAP_END__INIT;

    m.crc = crc;
    return peer__snap_end__pack(&m, out);
}

int peer_snap_end_decode(const unsigned char *p, size_t n, uint32_t *crc)
{
    struct arena a;
    ProtobufCAllocator alloc = arena_init(&a);
    Peer__SnapEnd *m = peer__snap_end__unpack(&alloc, n, p);

    if (m == NULL) {
        return PEER_ERR_HEAD;
    }
    *crc = m->crc;
    return PEER_OK;
}
