/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/buf.h - a growable byte buffer, consumed from the front and filled at the end.
 *
 * Embedded in its owner; the owner's thread only. data[head..head+len) is the content.
 * Memory: an allocation that a client's request sizes goes through buf_try_reserve(), which may
 * fail; buf_reserve() is for sizes the program bounds and ends the process when memory is out. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

#include <string.h>

struct buf {
    char *data;
    size_t head; /* offset of the first byte */
    size_t len;  /* bytes of content */
    size_t cap;  /* bytes allocated at data */
};

void buf_init(struct buf *b);
void buf_release(struct buf *b); /* frees; the buffer is then as after buf_init() */
void buf_clear(struct buf *b);   /* empties, keeps the allocation */

/* Make room for @n more bytes behind the content. */
void buf_reserve(struct buf *b, size_t n);
MUST_CHECK bool buf_try_reserve(struct buf *b, size_t n);

static inline char *buf_head(const struct buf *b) { return b->data + b->head; }
static inline char *buf_tail(const struct buf *b) { return b->data + b->head + b->len; }
/* Bytes that fit behind the content without growing. */
static inline size_t buf_room(const struct buf *b) { return b->cap - b->head - b->len; }

/* The caller has written @n bytes at buf_tail(); @n <= buf_room(). */
static inline void buf_fill(struct buf *b, size_t n)
{
    assert(n <= buf_room(b));
    b->len += n;
}

static inline void buf_append(struct buf *b, const void *p, size_t n)
{
    if (UNLIKELY(buf_room(b) < n)) {
        buf_reserve(b, n);
    }
    if (n > 0) {
        memcpy(buf_tail(b), p, n);
        b->len += n;
    }
}

/* Drop @n <= len bytes from the front. */
static inline void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->head += n;
    b->len -= n;
    if (b->len == 0) {
        b->head = 0;
    }
}

void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Give back memory beyond max(len, @keep) bytes. */
void buf_shrink(struct buf *b, size_t keep);

#endif
