/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_request.c - requests read from a client's buffer. See proto/resp.h.
 *
 * The hot path is a pipeline of small commands that stand whole in the buffer: one pass over the
 * headers, arguments written straight to argv, nothing allocated. Only when a request is cut off
 * by the end of the buffer are the arguments kept as offsets (spans), because the buffer may move
 * before the rest comes; argv is filled from them when the request is complete.
 *
 *   between requests --"*N"--> missing = N --"$L"--> bulk_len = L --L bytes--> ... -> READY
 *        |  ^                      (missing > 0: pos is the first byte not understood yet)
 *        |  '-- resp_consumed()
 *        '--anything else--> a line (inline command) -> READY or EMPTY
 *
 * Every decision depends on the bytes alone and never on how they were cut into pieces.
 * As in Redis, the byte behind a '\r' and the two bytes behind an argument are skipped, not
 * looked at. Invariants: n_spans arguments are complete, pos <= bytes given so far, and
 * line_scanned bytes behind pos hold no line end. */
#include "proto/resp.h"

#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

#define ARGV_CAP_MIN 8
/* What an idle connection may keep of the arrays of its largest request. */
#define ARGV_CAP_KEPT 1024
#define INLINE_CAP_KEPT 1024

#define UNAUTHENTICATED_ARGS_MAX 10
#define UNAUTHENTICATED_BULK_MAX 16384

void resp_parser_release(struct resp_parser *p)
{
    free(p->spans);
    free(p->argv);
    free(p->inline_copy);
    memset(p, 0, sizeof *p);
}

static enum resp_result fail(struct resp_parser *p, const char *what)
{
    snprintf(p->error, sizeof p->error, "Protocol error: %s", what);
    return RESP_ERROR;
}

/* Room for one more argument; the arguments sum up to what the client has sent, at least. */
static bool argv_grow(struct resp_parser *p)
{
    size_t cap = p->cap_argv == 0 ? ARGV_CAP_MIN : p->cap_argv * 2;
    struct arg *argv = mem_try_realloc(p->argv, cap * sizeof *argv);

    if (argv == NULL) {
        return false;
    }
    p->argv = argv;
    p->cap_argv = cap;
    return true;
}

/* The request goes on behind the buffer's end: keep arguments p->n_spans..@n as offsets. */
static enum resp_result suspend(struct resp_parser *p, const char *base, size_t n)
{
    if (n > p->cap_spans) {
        struct resp_span *spans = mem_try_realloc(p->spans, p->cap_argv * sizeof *spans);

        if (spans == NULL) {
            return fail(p, "out of memory");
        }
        p->spans = spans;
        p->cap_spans = p->cap_argv;
    }
    for (size_t i = p->n_spans; i < n; i++) {
        p->spans[i].off = (size_t)(p->argv[i].p - base);
        p->spans[i].len = p->argv[i].n;
    }
    p->n_spans = n;
    return RESP_MORE;
}

/* ---- headers ------------------------------------------------------------------------------- */

/* A number below 10^15 and the two bytes behind it at [s, end): the byte behind all that.
 * NULL: not so, or not all here; header_slow() tells which. */
static inline const char *header_fast(const char *s, const char *end, int64_t *out)
{
    const char *stop = end - s > 15 ? s + 15 : end;
    const char *first = s;
    int64_t v = 0;

    for (; s < stop; s++) {
        unsigned digit = (unsigned)(unsigned char)*s - '0';

        if (digit > 9) {
            break;
        }
        v = v * 10 + (int64_t)digit;
    }
    if (UNLIKELY(end - s < 2 || *s != '\r' || s == first || (*first == '0' && s != first + 1))) {
        return NULL;
    }
    *out = v;
    return s + 2;
}

/* The same for any header at base + p->pos, whose first byte is its type. READY: *@next. */
static enum resp_result header_slow(struct resp_parser *p, const char *base, size_t len,
                                    const struct resp_limits *limits, bool bulk, int64_t *out,
                                    const char **next)
{
    const char *line = base + p->pos;
    size_t avail = len - p->pos;
    const char *cr = memchr(line + p->line_scanned, '\r', avail - p->line_scanned);

    if ((cr == NULL ? avail : (size_t)(cr - line)) > limits->inline_max) {
        return fail(p, bulk ? "too big bulk count string" : "too big mbulk count string");
    }
    if (cr == NULL || cr + 1 == base + len) {
        p->line_scanned = cr == NULL ? avail : (size_t)(cr - line);
        return RESP_MORE;
    }
    if (!num_parse_i64(line + 1, (size_t)(cr - line) - 1, out)) {
        return fail(p, bulk ? "invalid bulk length" : "invalid multibulk length");
    }
    *next = cr + 2;
    return RESP_READY;
}

/* "*N" at the head of the buffer. READY: p->missing and p->pos are set. */
static enum resp_result read_count(struct resp_parser *p, const char *base, size_t len,
                                   const struct resp_limits *limits)
{
    int64_t n;
    const char *next = header_fast(base + 1, base + len, &n);

    if (next == NULL) {
        enum resp_result rc = header_slow(p, base, len, limits, false, &n, &next);

        if (rc != RESP_READY) {
            return rc;
        }
    }
    if (limits->unauthenticated && n > UNAUTHENTICATED_ARGS_MAX) {
        return fail(p, "unauthenticated multibulk length");
    }
    if (n > limits->args_max) {
        return fail(p, "invalid multibulk length");
    }
    p->pos = (size_t)(next - base);
    p->line_scanned = 0;
    if (n <= 0) {
        return RESP_EMPTY;
    }
    p->missing = n;
    p->bulk_len = -1;
    return RESP_READY;
}

/* "$L" at base + p->pos < base + len. READY: *@out and *@next. */
static enum resp_result read_bulk_header(struct resp_parser *p, const char *base, size_t len,
                                         const struct resp_limits *limits, int64_t *out,
                                         const char **next)
{
    const char *s = base + p->pos;
    int64_t n;

    if (UNLIKELY(*s != '$')) {
        char text[40];

        snprintf(text, sizeof text, "expected '$', got '%c'", *s);
        return fail(p, text);
    }
    *next = header_fast(s + 1, base + len, &n);
    if (UNLIKELY(*next == NULL)) {
        enum resp_result rc = header_slow(p, base, len, limits, true, &n, next);

        if (rc != RESP_READY) {
            return rc;
        }
    }
    if (UNLIKELY(n < 0 || n > limits->bulk_max)) {
        bool too_big_for_a_stranger = limits->unauthenticated && n > UNAUTHENTICATED_BULK_MAX;

        return fail(p,
                    too_big_for_a_stranger ? "unauthenticated bulk length" : "invalid bulk length");
    }
    if (UNLIKELY(limits->unauthenticated && n > UNAUTHENTICATED_BULK_MAX)) {
        return fail(p, "unauthenticated bulk length");
    }
    *out = n;
    return RESP_READY;
}

/* The p->missing arguments that are still to come. */
static enum resp_result read_args(struct resp_parser *p, const char *base, size_t len,
                                  const struct resp_limits *limits)
{
    size_t i = p->n_spans;
    int64_t bulk_len = p->bulk_len;

    while (p->missing > 0) {
        if (bulk_len < 0) {
            const char *next;
            enum resp_result rc;

            if (p->pos >= len) {
                return suspend(p, base, i);
            }
            rc = read_bulk_header(p, base, len, limits, &bulk_len, &next);
            if (UNLIKELY(rc != RESP_READY)) {
                return rc == RESP_MORE ? suspend(p, base, i) : rc;
            }
            p->pos = (size_t)(next - base);
            p->line_scanned = 0;
        }
        if (UNLIKELY(len - p->pos < 2 || len - p->pos - 2 < (size_t)bulk_len)) {
            p->bulk_len = bulk_len;
            return suspend(p, base, i);
        }
        if (UNLIKELY(i >= p->cap_argv) && !argv_grow(p)) {
            return fail(p, "out of memory");
        }
        p->argv[i].p = base + p->pos;
        p->argv[i].n = (size_t)bulk_len;
        i++;
        p->pos += (size_t)bulk_len + 2;
        p->bulk_len = bulk_len = -1;
        p->missing--;
    }
    for (size_t k = 0; k < p->n_spans; k++) {
        p->argv[k].p = base + p->spans[k].off;
        p->argv[k].n = p->spans[k].len;
    }
    p->n_spans = i;
    return RESP_READY;
}

/* ---- inline commands ------------------------------------------------------------------------ */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a "..." string at *@s, behind a backslash that has been read. */
static char unescape(const char **s, const char *end)
{
    char c = *(*s)++;

    if (c == 'x' && end - *s >= 2 && hex_digit((*s)[0]) >= 0 && hex_digit((*s)[1]) >= 0) {
        c = (char)(hex_digit((*s)[0]) * 16 + hex_digit((*s)[1]));
        *s += 2;
        return c;
    }
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* The quoted string at *@s, behind its opening @quote, appended at *@w. False: it has no end, or
 * no space behind the end. */
static bool split_quoted(const char **s, const char *end, char quote, char **w)
{
    while (*s < end) {
        char c = *(*s)++;

        if (c == quote) {
            return *s == end || is_space(**s);
        }
        if (c == '\\' && *s < end && (quote == '"' || **s == '\'')) {
            c = quote == '"' ? unescape(s, end) : *(*s)++;
        }
        *(*w)++ = c;
    }
    return false;
}

/* One word at *@s < @end, unescaped to *@w. A quote may open in the middle of it; the word ends
 * where the quote does. */
static bool split_word(const char **s, const char *end, char **w)
{
    while (*s < end) {
        char c = *(*s)++;

        if (c == ' ' || c == '\t' || c == '\r') {
            return true;
        }
        if (c == '"' || c == '\'') {
            return split_quoted(s, end, c, w);
        }
        *(*w)++ = c;
    }
    return true;
}

static enum resp_result split_line(struct resp_parser *p, const char *s, const char *end)
{
    size_t n = (size_t)(end - s);
    char *w;

    if (n > p->cap_inline) {
        free(p->inline_copy); /* n <= inline_max of the configuration */
        p->inline_copy = mem_alloc(n);
        p->cap_inline = n;
    }
    w = p->inline_copy;
    for (;;) {
        char *word = w;

        while (s < end && is_space(*s)) {
            s++;
        }
        if (s == end) {
            return p->n_spans > 0 ? RESP_READY : RESP_EMPTY;
        }
        if (!split_word(&s, end, &w)) {
            return fail(p, "unbalanced quotes in request");
        }
        if (p->n_spans == p->cap_argv && !argv_grow(p)) {
            return fail(p, "out of memory");
        }
        p->argv[p->n_spans].p = word;
        p->argv[p->n_spans].n = (size_t)(w - word);
        p->n_spans++;
    }
}

static enum resp_result read_inline(struct resp_parser *p, const char *base, size_t len,
                                    const struct resp_limits *limits)
{
    const char *nl = memchr(base + p->line_scanned, '\n', len - p->line_scanned);
    size_t n = nl == NULL ? len : (size_t)(nl - base);

    if (n > limits->inline_max) {
        return fail(p, "too big inline request");
    }
    if (nl == NULL) {
        p->line_scanned = len;
        return RESP_MORE;
    }
    p->pos = n + 1;
    if (n > 0 && base[n - 1] == '\r') {
        n--;
    }
    return split_line(p, base, base + n);
}

/* ---- public ---------------------------------------------------------------------------------- */

enum resp_result resp_parse(struct resp_parser *p, const struct buf *in,
                            const struct resp_limits *limits)
{
    size_t len = in->len;
    const char *base;

    if (UNLIKELY(p->error[0] != '\0')) {
        return RESP_ERROR;
    }
    if (len == 0) {
        return RESP_MORE;
    }
    base = buf_head(in);
    if (p->missing == 0) {
        enum resp_result rc;

        assert(p->pos == 0); /* resp_consumed() was called */
        if (UNLIKELY(*base != '*')) {
            return read_inline(p, base, len, limits);
        }
        rc = read_count(p, base, len, limits);
        if (UNLIKELY(rc != RESP_READY)) {
            return rc;
        }
    }
    assert(p->pos <= len);
    return read_args(p, base, len, limits);
}

size_t resp_consumed(struct resp_parser *p)
{
    size_t n = p->pos;

    assert(p->missing == 0);
    p->pos = 0;
    p->n_spans = 0;
    p->line_scanned = 0;
    if (UNLIKELY(p->cap_argv > ARGV_CAP_KEPT)) {
        free(p->argv);
        free(p->spans);
        p->argv = NULL;
        p->spans = NULL;
        p->cap_argv = 0;
        p->cap_spans = 0;
    }
    if (UNLIKELY(p->cap_inline > INLINE_CAP_KEPT)) {
        free(p->inline_copy);
        p->inline_copy = NULL;
        p->cap_inline = 0;
    }
    return n;
}

const char *resp_error_text(const struct resp_parser *p) { return p->error; }

size_t resp_wanted(const struct resp_parser *p, const struct buf *in)
{
    size_t have;

    if (p->missing == 0 || p->bulk_len < 0) {
        return 0;
    }
    assert(p->pos <= in->len);
    have = in->len - p->pos;
    return have >= (size_t)p->bulk_len + 2 ? 0 : (size_t)p->bulk_len + 2 - have;
}
