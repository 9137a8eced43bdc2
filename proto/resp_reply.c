/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_reply.c - replies (and, for clients, requests) written. See proto/resp.h.
 *
 * Each function makes room once and writes through a pointer. The sizes are those of values the
 * server already holds, so memory that is out ends the process (buf_reserve). */
#include "proto/resp.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>

/* A type byte, a 64-bit number and CRLF. */
#define HEADER_MAX (1 + NUM_I64_MAX_CHARS + 2)

static inline char *room(struct buf *b, size_t n)
{
    if (UNLIKELY(buf_room(b) < n)) {
        buf_reserve(b, n);
    }
    return buf_tail(b);
}

static inline void done(struct buf *b, const char *w) { b->len = (size_t)(w - buf_head(b)); }

/* Write @type, @v and CRLF at @w (HEADER_MAX bytes); returns the byte behind. */
static inline char *put_header(char *w, char type, int64_t v)
{
    *w++ = type;
    if (LIKELY((uint64_t)v < 10)) {
        *w++ = (char)('0' + v);
    } else if ((uint64_t)v < 100) {
        *w++ = (char)('0' + v / 10);
        *w++ = (char)('0' + v % 10);
    } else {
        w += num_print_i64(w, v);
    }
    *w++ = '\r';
    *w++ = '\n';
    return w;
}

static inline void header(struct resp_out *o, char type, int64_t v)
{
    done(o->buf, put_header(room(o->buf, HEADER_MAX), type, v));
}

static inline void literal(struct resp_out *o, const char *text, size_t n)
{
    buf_append(o->buf, text, n);
}

static inline bool resp3(const struct resp_out *o) { return o->version >= 3; }

/* @type, text, CRLF. */
static void line(struct resp_out *o, char type, const char *text, size_t n)
{
    char *w = room(o->buf, n + 3);

    *w++ = type;
    memcpy(w, text, n);
    w += n;
    *w++ = '\r';
    *w++ = '\n';
    done(o->buf, w);
}

static void blob(struct buf *b, const void *p, size_t n)
{
    char *w = put_header(room(b, HEADER_MAX + n + 2), '$', (int64_t)n);

    if (n > 0) {
        memcpy(w, p, n);
        w += n;
    }
    *w++ = '\r';
    *w++ = '\n';
    done(b, w);
}

void resp_status(struct resp_out *o, const char *text) { line(o, '+', text, strlen(text)); }

void resp_error(struct resp_out *o, const char *text)
{
    size_t n = strlen(text);
    char *p;

    line(o, '-', text, n);
    p = buf_tail(o->buf) - 2 - n;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\r' || p[i] == '\n') {
            p[i] = ' ';
        }
    }
}

void resp_errorf(struct resp_out *o, const char *fmt, ...)
{
    struct buf text;
    char small[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    if ((size_t)n < sizeof small) {
        resp_error(o, small);
        return;
    }
    buf_init(&text);
    buf_reserve(&text, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(buf_tail(&text), (size_t)n + 1, fmt, ap);
    va_end(ap);
    resp_error(o, buf_head(&text));
    buf_release(&text);
}

void resp_int(struct resp_out *o, int64_t v) { header(o, ':', v); }

void resp_bulk(struct resp_out *o, const void *p, size_t n) { blob(o->buf, p, n); }

void resp_bulk_str(struct resp_out *o, const char *s) { blob(o->buf, s, strlen(s)); }

void resp_bulk_i64(struct resp_out *o, int64_t v)
{
    char text[NUM_I64_MAX_CHARS];

    blob(o->buf, text, num_print_i64(text, v));
}

void resp_null(struct resp_out *o)
{
    if (resp3(o)) {
        literal(o, "_\r\n", 3);
    } else {
        literal(o, "$-1\r\n", 5);
    }
}

void resp_null_array(struct resp_out *o)
{
    if (resp3(o)) {
        literal(o, "_\r\n", 3);
    } else {
        literal(o, "*-1\r\n", 5);
    }
}

/* ---- aggregates ------------------------------------------------------------------------------ */

void resp_array(struct resp_out *o, size_t n) { header(o, '*', (int64_t)n); }

void resp_map(struct resp_out *o, size_t pairs)
{
    if (resp3(o)) {
        header(o, '%', (int64_t)pairs);
    } else {
        header(o, '*', (int64_t)pairs * 2);
    }
}

void resp_set(struct resp_out *o, size_t n) { header(o, resp3(o) ? '~' : '*', (int64_t)n); }

void resp_push(struct resp_out *o, size_t n) { header(o, resp3(o) ? '>' : '*', (int64_t)n); }

void resp_attribute(struct resp_out *o, size_t pairs)
{
    assert(resp3(o));
    header(o, '|', (int64_t)pairs);
}

/* A gap of HEADER_MAX bytes stands where the header will be. Offsets count from the buffer's head,
 * so that they stay true when the buffer moves, and when an inner aggregate closes. */
size_t resp_deferred_begin(struct resp_out *o)
{
    size_t at = o->buf->len;

    room(o->buf, HEADER_MAX);
    o->buf->len += HEADER_MAX;
    return at;
}

/* Put the header at the gap's end and close what is left of the gap from the side where fewer
 * bytes have to move: a reply of a million keys is not moved for one header. */
static void deferred_end(struct resp_out *o, size_t at, char type, size_t n)
{
    struct buf *b = o->buf;
    char text[HEADER_MAX];
    size_t header_len = (size_t)(put_header(text, type, (int64_t)n) - text);
    size_t rest = HEADER_MAX - header_len;
    size_t behind;
    char *gap = buf_head(b) + at;

    assert(at + HEADER_MAX <= b->len);
    behind = b->len - at - HEADER_MAX;
    memcpy(gap + rest, text, header_len);
    if (at < behind) {
        memmove(buf_head(b) + rest, buf_head(b), at);
        b->head += rest;
    } else {
        memmove(gap, gap + rest, header_len + behind);
    }
    b->len -= rest;
}

void resp_deferred_array(struct resp_out *o, size_t at, size_t n) { deferred_end(o, at, '*', n); }

void resp_deferred_map(struct resp_out *o, size_t at, size_t pairs)
{
    deferred_end(o, at, resp3(o) ? '%' : '*', resp3(o) ? pairs : pairs * 2);
}

void resp_deferred_set(struct resp_out *o, size_t at, size_t n)
{
    deferred_end(o, at, resp3(o) ? '~' : '*', n);
}

/* ---- types of RESP3 -----------------------------------------------------------------------------
 */

/* Text that RESP3 gives a type of its own and RESP2 sends as a bulk. */
static void typed_text(struct resp_out *o, char type, const char *text, size_t n)
{
    if (resp3(o)) {
        line(o, type, text, n);
    } else {
        blob(o->buf, text, n);
    }
}

void resp_double(struct resp_out *o, double v)
{
    char text[64];

    typed_text(o, ',', text, num_print_double(text, v));
}

void resp_long_double(struct resp_out *o, long double v)
{
    char text[NUM_LD_MAX_CHARS];

    typed_text(o, ',', text, num_print_ld(text, v));
}

void resp_bool(struct resp_out *o, bool v)
{
    if (resp3(o)) {
        literal(o, v ? "#t\r\n" : "#f\r\n", 4);
    } else {
        literal(o, v ? ":1\r\n" : ":0\r\n", 4);
    }
}

void resp_big_number(struct resp_out *o, const char *digits, size_t n)
{
    typed_text(o, '(', digits, n);
}

void resp_verbatim(struct resp_out *o, const char *format3, const void *p, size_t n)
{
    char *w;

    if (!resp3(o)) {
        blob(o->buf, p, n);
        return;
    }
    assert(strlen(format3) == 3);
    w = put_header(room(o->buf, HEADER_MAX + 4 + n + 2), '=', (int64_t)n + 4);
    memcpy(w, format3, 3);
    w[3] = ':';
    w += 4;
    if (n > 0) {
        memcpy(w, p, n);
        w += n;
    }
    *w++ = '\r';
    *w++ = '\n';
    done(o->buf, w);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

void resp_write_request(struct buf *out, const struct arg *argv, size_t argc)
{
    done(out, put_header(room(out, HEADER_MAX), '*', (int64_t)argc));
    for (size_t i = 0; i < argc; i++) {
        blob(out, argv[i].p, argv[i].n);
    }
}
