/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/buf.c - see base/buf.h.
 *
 * Room is made by moving the content to the front when that is cheap (the consumed part is at
 * least as large as what has to move, so each byte moves once on average), else by growing to at
 * least double. Invariant: head + len <= cap, and data is NULL exactly when cap is 0. */
#include "base/buf.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_CAP_MIN 64

void buf_init(struct buf *b) { memset(b, 0, sizeof *b); }

void buf_release(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

void buf_clear(struct buf *b)
{
    b->head = 0;
    b->len = 0;
}

static void move_to_front(struct buf *b)
{
    if (b->head > 0) {
        memmove(b->data, b->data + b->head, b->len);
        b->head = 0;
    }
}

/* The capacity to grow to, so that @need bytes fit; doubling up to 64 MiB steps. */
static size_t grown_cap(size_t cap, size_t need)
{
    const size_t step_max = (size_t)64 << 20;
    size_t want = cap < step_max ? cap * 2 : cap + step_max;

    return MAX_OF(MAX_OF(want, need), (size_t)BUF_CAP_MIN);
}

bool buf_try_reserve(struct buf *b, size_t n)
{
    size_t cap;
    char *p;

    if (buf_room(b) >= n) {
        return true;
    }
    if (n > SIZE_MAX / 4 - b->len) {
        return false;
    }
    if (b->cap - b->len >= n && b->head >= b->len) {
        move_to_front(b);
        return true;
    }
    cap = grown_cap(b->cap, b->len + n);
    if (b->head == 0) {
        p = mem_try_realloc(b->data, cap); /* may extend in place */
        if (p == NULL) {
            return false;
        }
    } else {
        p = mem_try_alloc(cap);
        if (p == NULL) {
            return false;
        }
        memcpy(p, b->data + b->head, b->len);
        free(b->data);
        b->head = 0;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

void buf_reserve(struct buf *b, size_t n)
{
    if (!buf_try_reserve(b, n)) {
        log_fatal("Out of memory growing a buffer of %zu by %zu bytes", b->len, n);
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    buf_reserve(b, 1); /* vsnprintf's NUL; also gives an empty buffer its memory */
    va_start(ap, fmt);
    n = vsnprintf(buf_tail(b), buf_room(b), fmt, ap);
    va_end(ap);
    assert(n >= 0);
    if ((size_t)n >= buf_room(b)) {
        buf_reserve(b, (size_t)n + 1);
        va_start(ap, fmt);
        n = vsnprintf(buf_tail(b), buf_room(b), fmt, ap);
        va_end(ap);
        assert(n >= 0);
    }
    buf_fill(b, (size_t)n);
}

void buf_shrink(struct buf *b, size_t keep)
{
    size_t cap = MAX_OF(b->len, keep);
    char *p;

    if (b->cap <= cap) {
        return;
    }
    if (cap == 0) {
        buf_release(b);
        return;
    }
    move_to_front(b);
    p = mem_try_realloc(b->data, cap);
    if (p != NULL) { /* a refusal to shrink costs nothing but memory */
        b->data = p;
        b->cap = cap;
    }
}
