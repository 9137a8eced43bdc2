/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/stream.c - see stream.h. */
#include "raft/host/stream.h"

#include "base/clock.h"
#include "base/crc.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS 50 /* how soon a cancel is noticed */

void stream_init(struct stream *s, int fd, const atomic_bool *cancel)
{
    s->fd = fd;
    s->cancel = cancel;
    s->cancel_too = NULL;
    s->body = mem_alloc(PEER_BODY_MAX);
}

void stream_release(struct stream *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s->body);
}

static bool is_cancelled(const struct stream *s)
{
    return atomic_load(s->cancel) || (s->cancel_too != NULL && atomic_load(s->cancel_too));
}

static int wait_for(struct stream *s, short events)
{
    struct pollfd p = {.fd = s->fd, .events = events};

    for (int waited = 0; waited < STREAM_SILENT_MS; waited += SLICE_MS) {
        int n;

        if (is_cancelled(s)) {
            errno = ECANCELED;
            return -1;
        }
        n = poll(&p, 1, SLICE_MS);
        if (n > 0) {
            return 0; /* an error condition shows in the call that follows */
        }
        if (n < 0 && errno != EINTR) {
            return -1;
        }
    }
    errno = ETIMEDOUT;
    return -1;
}

int stream_sleep(struct stream *s, int64_t us)
{
    while (us > 0) {
        int64_t slice = MIN_OF(us, (int64_t)SLICE_MS * 1000);
        struct timespec ts = {.tv_nsec = (long)slice * 1000};

        if (is_cancelled(s)) {
            errno = ECANCELED;
            return -1;
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
        us -= slice;
    }
    return 0;
}

int stream_connected(struct stream *s)
{
    if (wait_for(s, POLLOUT) != 0) {
        return -1;
    }
    return net_connect_result(s->fd);
}

static bool would_block(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }

int stream_send(struct stream *s, uint8_t type, unsigned char *frame, size_t head_bytes,
                const void *body, size_t body_bytes)
{
    struct peer_header h = {
        .type = type, .head_bytes = (uint16_t)head_bytes, .body_bytes = (uint32_t)body_bytes};
    struct iovec iov[2], *at = iov;
    int n = 2;

    h.body_crc = crc32c(0, body, body_bytes);
    peer_header_encode(frame, &h);
    iov[0] = (struct iovec){frame, PEER_HEADER_BYTES + head_bytes};
    iov[1] = (struct iovec){(void *)body, body_bytes};
    while (n > 0) {
        ssize_t done = writev(s->fd, at, n);
        size_t left;

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0 && would_block()) {
            if (wait_for(s, POLLOUT) != 0) {
                return -1;
            }
            continue;
        }
        if (done < 0) {
            return -1;
        }
        for (left = (size_t)done; n > 0 && left >= at->iov_len; at++, n--) {
            left -= at->iov_len;
        }
        if (n > 0) {
            at->iov_base = (char *)at->iov_base + left;
            at->iov_len -= left;
        }
    }
    return 0;
}

static int read_whole(struct stream *s, unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t got = read(s->fd, p, n);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && would_block()) {
            if (wait_for(s, POLLIN) != 0) {
                return -1;
            }
            continue;
        }
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            return -1;
        }
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

int stream_receive(struct stream *s)
{
    if (read_whole(s, s->head, PEER_HEADER_BYTES) != 0) {
        return -1;
    }
    errno = EPROTO;
    if (peer_header_decode(s->head, &s->frame) != PEER_OK ||
        (s->frame.flags & PEER_FLAG_MORE) != 0) {
        return -1;
    }
    if (read_whole(s, s->head + PEER_HEADER_BYTES, s->frame.head_bytes) != 0 ||
        read_whole(s, s->body, s->frame.body_bytes) != 0) {
        return -1;
    }
    errno = EPROTO;
    if (peer_head_check(s->head, &s->frame) != PEER_OK ||
        crc32c(0, s->body, s->frame.body_bytes) != s->frame.body_crc) {
        return -1;
    }
    return 0;
}
