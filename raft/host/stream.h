/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/stream.h - frames over a socket for a thread that may wait: snapshot streams.
 *
 * Every wait ends after STREAM_SILENT_MS without progress, or soon after a cancel flag rises.
 * All return 0, or -1 with errno (ECANCELED, ETIMEDOUT, EPROTO: the peer sent nonsense). */
#ifndef RAFT_HOST_STREAM_H
#define RAFT_HOST_STREAM_H

#include "base/worker.h"
#include "proto/peer.h"

#define STREAM_SILENT_MS 30000

struct stream {
    int fd;
    const atomic_bool *cancel, *cancel_too; /* either; the second may be NULL */
    struct peer_header frame;               /* the last one received */
    unsigned char head[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    unsigned char *body; /* PEER_BODY_MAX bytes */
};

void stream_init(struct stream *s, int fd, const atomic_bool *cancel);
void stream_release(struct stream *s);             /* closes the socket */
MUST_CHECK int stream_connected(struct stream *s); /* wait for the end of a connect */

/* @head: the encoded head at frame + PEER_HEADER_BYTES. */
MUST_CHECK int stream_send(struct stream *s, uint8_t type, unsigned char *frame, size_t head_bytes,
                           const void *body, size_t body_bytes);
/* The next frame: .frame, its head at stream_head(), its body in .body. */
MUST_CHECK int stream_receive(struct stream *s);
static inline const unsigned char *stream_head(const struct stream *s)
{
    return s->head + PEER_HEADER_BYTES;
}
/* Wait, unless cancelled. */
MUST_CHECK int stream_sleep(struct stream *s, int64_t us);

#endif
