/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp.h - the Redis serialization protocol: requests read, replies written.
 *
 * The request parser works in place on the client's buffer and may be called again with more
 * bytes: it keeps its position, so that a large argument arriving in pieces is scanned once.
 * Source: Redis protocol specification (RESP2 and RESP3); inline commands as Redis splits them. */
#ifndef PROTO_RESP_H
#define PROTO_RESP_H

#include "base/buf.h"

/* A run of bytes that belongs to somebody else. */
struct arg {
    const char *p;
    size_t n;
};

/* ---- requests ---------------------------------------------------------------------------- */

struct resp_limits {
    size_t inline_max; /* 64 KiB: a longer line (inline command, header) is an error */
    int64_t args_max;  /* Redis 7: INT_MAX. Arrays grow with what arrives, never with the count */
    int64_t bulk_max;  /* proto-max-bulk-len */
    bool unauthenticated; /* then 10 arguments and 16 KiB at most, whatever stands above */
};

enum resp_result {
    RESP_MORE,  /* the request is not complete yet */
    RESP_READY, /* a request stands in argv; drop resp_consumed() bytes after executing it */
    RESP_EMPTY, /* an empty line or "*0": drop resp_consumed() bytes, nothing to do */
    RESP_ERROR, /* protocol error, for good: resp_error_text(); reply it, then close */
};

/* State of one connection; zero is a good start. */
struct resp_parser {
    size_t pos;          /* understood so far, from the buffer's head */
    size_t line_scanned; /* bytes of an unfinished line behind pos that hold no line end */
    int64_t missing;     /* arguments still to come; 0 between requests */
    int64_t bulk_len;    /* of the argument being read; -1: its header comes next */
    struct resp_span {   /* arguments of an unfinished request, as offsets: the buffer may move */
        size_t off, len;
    } * spans;
    size_t n_spans, cap_spans;
    struct arg *argv; /* set by READY, valid until the buffer changes */
    size_t cap_argv;
    char *inline_copy; /* inline arguments are unescaped into here */
    size_t cap_inline;
    char error[128];
};
void resp_parser_release(struct resp_parser *p);

/* Look for one request at the head of @in. On READY p->argv[0..n_spans) are the arguments. The
 * head of @in must not be consumed before resp_consumed() says how much; the buffer may move. */
enum resp_result resp_parse(struct resp_parser *p, const struct buf *in,
                            const struct resp_limits *limits);
/* Bytes of the request just returned; resets the parser for the next one. */
size_t resp_consumed(struct resp_parser *p);
/* "Protocol error: ..." without "-ERR ", as Redis words it. */
const char *resp_error_text(const struct resp_parser *p);
/* Bytes the argument being read still needs (0: unknown): how much buffer is worth having. */
size_t resp_wanted(const struct resp_parser *p, const struct buf *in);

/* ---- replies ----------------------------------------------------------------------------- */

/* Where replies are written and for which protocol. RESP2 clients get RESP3-only shapes in
 * their RESP2 form: map -> flat array, set/push -> array, double/bignum/verbatim -> bulk,
 * boolean -> :1/:0, null -> $-1. */
struct resp_out {
    struct buf *buf;
    uint8_t version; /* 2 or 3 */
};
void resp_status(struct resp_out *o, const char *text); /* +text */
void resp_error(struct resp_out *o, const char *text);  /* -text, newlines blanked */
void resp_errorf(struct resp_out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
void resp_int(struct resp_out *o, int64_t v);
void resp_bulk(struct resp_out *o, const void *p, size_t n);
void resp_bulk_str(struct resp_out *o, const char *s);
void resp_bulk_i64(struct resp_out *o, int64_t v); /* decimal, as a bulk */
void resp_null(struct resp_out *o);                /* $-1 or _ */
void resp_null_array(struct resp_out *o);          /* *-1 or _ */
void resp_array(struct resp_out *o, size_t n);
void resp_map(struct resp_out *o, size_t pairs);
void resp_set(struct resp_out *o, size_t n);
void resp_push(struct resp_out *o, size_t n);
void resp_attribute(struct resp_out *o, size_t pairs); /* RESP3 only: caller checks */
void resp_double(struct resp_out *o, double v);
void resp_long_double(struct resp_out *o, long double v);
void resp_bool(struct resp_out *o, bool v);
void resp_big_number(struct resp_out *o, const char *digits, size_t n);
void resp_verbatim(struct resp_out *o, const char *format3, const void *p, size_t n);

/* An aggregate whose length is known only later: begin, write the elements, end. Nests. To give
 * it up, set buf->len back to what begin returned. Until the outermost one has ended nothing may
 * be consumed from the buffer; offsets into its content behind @at shrink when it ends. */
size_t resp_deferred_begin(struct resp_out *o);
void resp_deferred_array(struct resp_out *o, size_t at, size_t n);
void resp_deferred_map(struct resp_out *o, size_t at, size_t pairs);
void resp_deferred_set(struct resp_out *o, size_t at, size_t n);

/* ---- reading replies: holdfastctl, sentinel, tests ------------------------------------------ */

enum resp_type {
    RESP_T_STATUS,
    RESP_T_ERROR,
    RESP_T_INT,
    RESP_T_BULK,
    RESP_T_NULL,
    RESP_T_ARRAY,
    RESP_T_MAP,
    RESP_T_SET,
    RESP_T_PUSH,
    RESP_T_DOUBLE,
    RESP_T_BOOL,
    RESP_T_BIG_NUMBER,
    RESP_T_VERBATIM,
};
struct resp_value {
    enum resp_type type;
    int64_t integer; /* INT, BOOL */
    double number;   /* DOUBLE */
    char *text;      /* STATUS, ERROR, BULK, BIG_NUMBER, VERBATIM (less "txt:"); NUL behind it */
    size_t n;        /* bytes of text; elements of an aggregate (a map counts keys and values) */
    struct resp_value *items;
};
/* 1: a value at the head of @in was read into @out (resp_value_release()) and consumed; 0: not
 * complete yet; -1: malformed. Depth and size are bounded. Both forms of null give RESP_T_NULL;
 * attributes are dropped. On 0 and -1 @out is empty. */
MUST_CHECK int resp_read_value(struct buf *in, struct resp_value *out);
void resp_value_release(struct resp_value *v);
/* A request as a client writes it. */
void resp_write_request(struct buf *out, const struct arg *argv, size_t argc);

#endif
