/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/publish.h - messages of PUBLISH and SPUBLISH on their way between nodes.
 *
 * Frame: u8 PUBLISH_MAGIC, u8 version (1), then messages: u8 kind, u32 length of the channel, u32
 * length of the message (little endian), channel, message. No protobuf message begins with
 * PUBLISH_MAGIC (wire type 7), so the frames can share a way with those. */
#ifndef PROTO_PUBLISH_H
#define PROTO_PUBLISH_H

#include "proto/resp.h"

#define PUBLISH_MAGIC 0x07u

enum publish_kind {
    PUBLISH_CHANNEL = 1,
    PUBLISH_SHARD = 2,
};

/* Bytes of a message beside channel and text, and of the frame's begin. */
#define PUBLISH_OVERHEAD 16u

/* Append to @frame; a fresh buffer gets magic and version first. Lengths are below 4 GiB. */
void publish_write(struct buf *frame, enum publish_kind kind, const struct arg *channel,
                   const struct arg *message);

struct publish_reader {
    const unsigned char *p, *end;
    enum publish_kind kind;
    struct arg channel, message; /* borrowed from the frame */
};
bool publish_is_frame(const void *p, size_t n); /* by its first byte */
/* 0, or -1: not a frame of this version. Borrows @p. */
MUST_CHECK int publish_reader_init(struct publish_reader *r, const void *p, size_t n);
/* 1: a message stands in kind, channel, message. 0: end. -1: malformed. */
MUST_CHECK int publish_next(struct publish_reader *r);

#endif
