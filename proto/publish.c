/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/publish.c - see proto/publish.h for the format.
 *
 * The reader trusts nothing: whatever the bytes are it ends with 0 or -1, and touches only the
 * bytes it was given. */
#include "proto/publish.h"

#define PUBLISH_VERSION 1u
#define FRAME_HEADER 2u
#define MESSAGE_HEADER 9u

_Static_assert(FRAME_HEADER + MESSAGE_HEADER <= PUBLISH_OVERHEAD, "what the header promises");

static char *put_u32(char *w, size_t v)
{
    assert(v <= UINT32_MAX);
    for (unsigned i = 0; i < 4; i++) {
        *w++ = (char)(v >> 8 * i);
    }
    return w;
}

static char *put_bytes(char *w, const struct arg *a)
{
    if (a->n > 0) {
        memcpy(w, a->p, a->n);
    }
    return w + a->n;
}

void publish_write(struct buf *frame, enum publish_kind kind, const struct arg *channel,
                   const struct arg *message)
{
    char *w;

    buf_reserve(frame, PUBLISH_OVERHEAD + channel->n + message->n);
    w = buf_tail(frame);
    if (frame->len == 0) {
        *w++ = (char)PUBLISH_MAGIC;
        *w++ = (char)PUBLISH_VERSION;
    }
    *w++ = (char)kind;
    w = put_u32(w, channel->n);
    w = put_u32(w, message->n);
    w = put_bytes(w, channel);
    w = put_bytes(w, message);
    buf_fill(frame, (size_t)(w - buf_tail(frame)));
}

bool publish_is_frame(const void *p, size_t n)
{
    return n > 0 && *(const unsigned char *)p == PUBLISH_MAGIC;
}

int publish_reader_init(struct publish_reader *r, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    if (n < FRAME_HEADER || bytes[0] != PUBLISH_MAGIC || bytes[1] != PUBLISH_VERSION) {
        return -1;
    }
    *r = (struct publish_reader){.p = bytes + FRAME_HEADER, .end = bytes + n};
    return 0;
}

static size_t get_u32(const unsigned char *p)
{
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

static struct arg take(struct publish_reader *r, size_t n)
{
    struct arg a = {(const char *)r->p, n};

    r->p += n;
    return a;
}

int publish_next(struct publish_reader *r)
{
    size_t left = (size_t)(r->end - r->p);
    size_t channel, message;

    if (left == 0) {
        return 0;
    }
    if (left < MESSAGE_HEADER || r->p[0] < PUBLISH_CHANNEL || r->p[0] > PUBLISH_SHARD) {
        return -1;
    }
    r->kind = (enum publish_kind)r->p[0];
    channel = get_u32(r->p + 1);
    message = get_u32(r->p + 5);
    left -= MESSAGE_HEADER;
    if (channel > left || message > left - channel) {
        return -1;
    }
    r->p += MESSAGE_HEADER;
    r->channel = take(r, channel);
    r->message = take(r, message);
    return 1;
}
