/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_resp_request.c - proto/resp_request.c: what is read from a client's bytes, and
 * that it does not depend on how the bytes were cut.
 *
 * A stream is run through the parser and written down as a transcript: one line per request, each
 * argument in <>, "-" for an empty request, "! text" for an error (the end). Bytes are handed over
 * in an allocation of exactly their size, so that the address sanitizer sees any read beyond. */
#include "tests/test.h"

#include "base/rand.h"
#include "proto/resp.h"

static const struct resp_limits default_limits = {
    .inline_max = 65536, .args_max = INT32_MAX, .bulk_max = 512 << 20, .unauthenticated = false};

struct run {
    struct resp_parser parser;
    struct buf in, transcript;
    const struct resp_limits *limits;
    bool failed;
};

static void run_init(struct run *r, const struct resp_limits *limits)
{
    memset(r, 0, sizeof *r);
    r->limits = limits;
}

static void run_release(struct run *r)
{
    resp_parser_release(&r->parser);
    buf_release(&r->in);
    buf_release(&r->transcript);
}

/* Replace the input by a copy without room, of what is there and @n bytes more. */
static void add_input(struct run *r, const char *p, size_t n)
{
    size_t len = r->in.len + n;
    char *data = malloc(len);

    assert_non_null(data);
    if (r->in.len > 0) {
        memcpy(data, buf_head(&r->in), r->in.len);
    }
    memcpy(data + r->in.len, p, n);
    buf_release(&r->in);
    r->in.data = data;
    r->in.len = len;
    r->in.cap = len;
}

static void write_request(struct run *r)
{
    for (size_t i = 0; i < r->parser.n_spans; i++) {
        buf_append(&r->transcript, "<", 1);
        buf_append(&r->transcript, r->parser.argv[i].p, r->parser.argv[i].n);
        buf_append(&r->transcript, ">", 1);
    }
    buf_append(&r->transcript, "\n", 1);
}

static void feed(struct run *r, const char *p, size_t n)
{
    if (n == 0 || r->failed) {
        return;
    }
    add_input(r, p, n);
    for (;;) {
        switch (resp_parse(&r->parser, &r->in, r->limits)) {
        case RESP_MORE:
            return;
        case RESP_READY:
            write_request(r);
            buf_consume(&r->in, resp_consumed(&r->parser));
            break;
        case RESP_EMPTY:
            buf_append(&r->transcript, "-\n", 2);
            buf_consume(&r->in, resp_consumed(&r->parser));
            break;
        case RESP_ERROR:
            buf_printf(&r->transcript, "! %s\n", resp_error_text(&r->parser));
            r->failed = true;
            return;
        }
    }
}

static void assert_transcript(const struct run *r, const char *want, size_t n)
{
    assert_int_equal(r->transcript.len, n);
    if (n > 0) {
        assert_memory_equal(buf_head(&r->transcript), want, n);
    }
}

/* The transcript of @s as a whole. */
static void run_whole(struct run *r, const struct resp_limits *limits, const char *s, size_t n)
{
    run_init(r, limits);
    feed(r, s, n);
}

static const struct stream {
    const char *name;
    const char *bytes;
    size_t n;
    const char *want;
} streams[] = {
#define STREAM(name, bytes, want)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, want                                                       \
    }
    STREAM("one command", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "<GET><k>\n"),
    STREAM(
        "a pipeline",
        "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\n0123456789\r\n*1\r\n$1\r\nx\r\n",
        "<PING>\n<SET><a><0123456789>\n<x>\n"),
    STREAM("binary and empty arguments", "*3\r\n$0\r\n\r\n$4\r\n\r\n$1\r\n$1\r\n\0\r\n",
           "<><\r\n$1><"),
    STREAM("zero and negative counts", "*0\r\n*-5\r\nPING\r\n*-1\r\n", "-\n-\n<PING>\n-\n"),
    STREAM("ten arguments and more",
           "*11\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$"
           "1\r\n7\r\n"
           "$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n",
           "<0><1><2><3><4><5><6><7><8><9><10>\n"),
    STREAM("inline, both line ends", "SET a b\r\nGET a\n\r\n\n  \r\nx",
           "<SET><a><b>\n<GET><a>\n-\n-\n-\n"),
    STREAM("inline and arrays mixed", "PING\r\n*1\r\n$4\r\nPING\r\nECHO 'a'\n",
           "<PING>\n<PING>\n<ECHO><a>\n"),
    STREAM("blanks between words", "  SET\t a \v b  \r\n", "<SET><a><b>\n"),
    STREAM("single quotes", "a 'b c' '' 'd\\'e' 'f\\n'\n", "<a><b c><><d'e><f\\n>\n"),
    STREAM("double quotes", "a \"b c\" \"\" \"\\x41\\xfg\\x4\" \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n",
           "<a><b c><><Axfgx4><\n\r\t\b\a\\\"q>\n"),
    STREAM("upper and lower hex", "\"\\x4a\\x4A\\xfF\"\n", "<JJ\xff>\n"),
    STREAM("a quote in the middle of a word", "foo\"bar\" x'y z'\n", "<foobar><xy z>\n"),
    STREAM("no end of a double quote", "SET a \"b\r\nPING\r\n",
           "! Protocol error: unbalanced quotes in request\n"),
    STREAM("no end of a single quote", "SET a 'b\n",
           "! Protocol error: unbalanced quotes in request\n"),
    STREAM("text behind a quote", "SET a \"b\"c\r\n",
           "! Protocol error: unbalanced quotes in request\n"),
    STREAM("a backslash at the end", "SET a \"b\\\r\n",
           "! Protocol error: unbalanced quotes in request\n"),
    STREAM("count is not a number", "*abc\r\n", "! Protocol error: invalid multibulk length\n"),
    STREAM("count is empty", "*\r\n", "! Protocol error: invalid multibulk length\n"),
    STREAM("count with a leading zero", "*01\r\n", "! Protocol error: invalid multibulk length\n"),
    STREAM("count with a sign", "*+1\r\n", "! Protocol error: invalid multibulk length\n"),
    STREAM("count above the limit", "*2147483648\r\n",
           "! Protocol error: invalid multibulk length\n"),
    STREAM("count of 64 bits", "*9223372036854775807\r\n",
           "! Protocol error: invalid multibulk length\n"),
    STREAM("count of more than 64 bits", "*92233720368547758070\r\n",
           "! Protocol error: invalid multibulk length\n"),
    STREAM("no $", "*1\r\n:1\r\n", "! Protocol error: expected '$', got ':'\n"),
    STREAM("no $ for the second", "*2\r\n$1\r\na\r\n*1\r\n",
           "! Protocol error: expected '$', got '*'\n"),
    STREAM("negative length", "*1\r\n$-5\r\n", "! Protocol error: invalid bulk length\n"),
    STREAM("length is not a number", "*1\r\n$abc\r\n", "! Protocol error: invalid bulk length\n"),
    STREAM("length with a leading zero", "*1\r\n$01\r\na\r\n",
           "! Protocol error: invalid bulk length\n"),
    STREAM("length above the limit", "*1\r\n$536870913\r\n",
           "! Protocol error: invalid bulk length\n"),
    STREAM("an error behind good requests", "PING\r\n*1\r\n$1\r\na\r\n*x\r\nPING\r\n",
           "<PING>\n<a>\n! Protocol error: invalid multibulk length\n"),
#undef STREAM
};

static size_t want_len(const struct stream *s)
{
    /* One case has a NUL in the middle. */
    return strcmp(s->name, "binary and empty arguments") == 0 ? strlen(s->want) + 3
                                                              : strlen(s->want);
}

static const char *want_text(const struct stream *s)
{
    return strcmp(s->name, "binary and empty arguments") == 0 ? "<><\r\n$1><\0>\n" : s->want;
}

/* What each stream means, as recorded from Redis 7.0.15 or as its protocol page says. */
static void streams_are_read_as_redis_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct run r;

        print_message("case: %s\n", streams[i].name);
        run_whole(&r, &default_limits, streams[i].bytes, streams[i].n);
        assert_transcript(&r, want_text(&streams[i]), want_len(&streams[i]));
        run_release(&r);
    }
}

/* Every pair of cuts, and byte by byte: the transcript stays the same. */
static void pieces_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct stream *s = &streams[i];
        struct run r;

        for (size_t a = 0; a <= s->n; a++) {
            for (size_t b = a; b <= s->n; b++) {
                run_init(&r, &default_limits);
                feed(&r, s->bytes, a);
                feed(&r, s->bytes + a, b - a);
                feed(&r, s->bytes + b, s->n - b);
                assert_transcript(&r, want_text(s), want_len(s));
                run_release(&r);
            }
        }
        run_init(&r, &default_limits);
        for (size_t a = 0; a < s->n; a++) {
            feed(&r, s->bytes + a, 1);
        }
        assert_transcript(&r, want_text(s), want_len(s));
        run_release(&r);
    }
}

/* Streams put together from fragments of the protocol: most are broken somewhere, all are read
 * alike whether whole, byte by byte or in random pieces. */
static void random_streams_are_read_alike_in_all_pieces(void **state)
{
    static const char *const fragments[] = {"*",
                                            "$",
                                            "1",
                                            "2",
                                            "0",
                                            "-",
                                            "12",
                                            "\r\n",
                                            "\r",
                                            "\n",
                                            " ",
                                            "\"",
                                            "'",
                                            "\\",
                                            "\\x4",
                                            "a",
                                            "GET k",
                                            "*1\r\n",
                                            "*2\r\n",
                                            "$1\r\na\r\n",
                                            "*1\r\n$4\r\nPING\r\n",
                                            "$3\r\nGET\r\n",
                                            "$0\r\n\r\n",
                                            "PING\r\n",
                                            "$12\r\n123456789012\r\n"};
    struct rng rng;

    (void)state;
    rng_init(&rng, 20261123);
    for (int round = 0; round < 20000; round++) {
        struct buf s = {0};
        struct run whole;
        struct run bytes;
        struct run pieces;
        size_t n = 1 + rng_below(&rng, 12);

        for (size_t i = 0; i < n; i++) {
            const char *f = fragments[rng_below(&rng, ARRAY_LEN(fragments))];

            buf_append(&s, f, strlen(f));
        }
        run_whole(&whole, &default_limits, buf_head(&s), s.len);
        run_init(&bytes, &default_limits);
        run_init(&pieces, &default_limits);
        for (size_t i = 0; i < s.len; i++) {
            feed(&bytes, buf_head(&s) + i, 1);
        }
        for (size_t i = 0; i < s.len;) {
            size_t k = 1 + (size_t)rng_below(&rng, 9);

            k = MIN_OF(k, s.len - i);
            feed(&pieces, buf_head(&s) + i, k);
            i += k;
        }
        assert_transcript(&bytes, whole.transcript.data, whole.transcript.len);
        assert_transcript(&pieces, whole.transcript.data, whole.transcript.len);
        run_release(&whole);
        run_release(&bytes);
        run_release(&pieces);
        buf_release(&s);
    }
}

/* @n times @c between @before and @after, as a whole and in pieces of @step bytes. */
static void check_long(const char *before, char c, size_t n, const char *after, const char *want,
                       bool want_prefix_only)
{
    struct buf s = {0};
    static const size_t steps[] = {SIZE_MAX, 1000, 4096};

    buf_append(&s, before, strlen(before));
    for (size_t i = 0; i < n; i++) {
        buf_append(&s, &c, 1);
    }
    buf_append(&s, after, strlen(after));
    for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
        struct run r;

        run_init(&r, &default_limits);
        for (size_t i = 0; i < s.len;) {
            size_t m = MIN_OF(s.len - i, steps[k]);

            feed(&r, buf_head(&s) + i, m);
            i += m;
        }
        if (!want_prefix_only) {
            assert_transcript(&r, want, strlen(want));
        } else {
            assert_true(r.transcript.len > strlen(want));
            assert_memory_equal(buf_head(&r.transcript), want, strlen(want));
        }
        run_release(&r);
    }
    buf_release(&s);
}

/* A line has 64 KiB at most, whether its end is in sight or not. */
static void long_lines_are_refused(void **state)
{
    (void)state;
    check_long("", 'A', 65536, "\n", "<AAAAAAAA", true);
    check_long("", 'A', 65537, "", "! Protocol error: too big inline request\n", false);
    check_long("", 'A', 70000, "\r\n", "! Protocol error: too big inline request\n", false);
    check_long("*", '1', 70000, "\r\n", "! Protocol error: too big mbulk count string\n", false);
    check_long("*", '1', 70000, "", "! Protocol error: too big mbulk count string\n", false);
    check_long("*", '1', 1000, "\r\n", "! Protocol error: invalid multibulk length\n", false);
    check_long("*1\r\n$", '1', 70000, "", "! Protocol error: too big bulk count string\n", false);
    check_long("*1\r\n$", '0', 1000, "\r\n", "! Protocol error: invalid bulk length\n", false);
}

/* Before AUTH a client gets 10 arguments of 16 KiB: enough for HELLO and AUTH, no way to fill
 * memory. */
static void strangers_get_little_room(void **state)
{
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        {"*10\r\n", ""},
        {"*11\r\n", "! Protocol error: unauthenticated multibulk length\n"},
        {"*1\r\n$16384\r\n", ""},
        {"*1\r\n$16385\r\n", "! Protocol error: unauthenticated bulk length\n"},
        {"*1\r\n$-1\r\n", "! Protocol error: invalid bulk length\n"},
        {"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", "<AUTH><x>\n"},
    };
    struct resp_limits limits = default_limits;

    (void)state;
    limits.unauthenticated = true;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r;

        run_whole(&r, &limits, cases[i].bytes, strlen(cases[i].bytes));
        assert_transcript(&r, cases[i].want, strlen(cases[i].want));
        run_release(&r);
    }
    limits.bulk_max = 1024; /* the general limit set low: the error is still the stranger's */
    {
        struct run r;
        const char *want = "! Protocol error: unauthenticated bulk length\n";

        run_whole(&r, &limits, "*1\r\n$16385\r\n", 12);
        assert_transcript(&r, want, strlen(want));
        run_release(&r);
    }
}

/* resp_wanted() lets the reader make room once; the bytes it names are exactly those missing. */
static void the_reader_learns_how_much_is_missing(void **state)
{
    static const char head[] = "*2\r\n$3\r\nSET\r\n$1000000\r\n";
    struct run r;

    (void)state;
    run_init(&r, &default_limits);
    assert_int_equal(resp_wanted(&r.parser, &r.in), 0);
    feed(&r, head, sizeof head - 1 - 2);
    assert_int_equal(resp_wanted(&r.parser, &r.in), 0);
    feed(&r, "\r\n", 2);
    assert_int_equal(resp_wanted(&r.parser, &r.in), 1000002);
    feed(&r, "abc", 3);
    assert_int_equal(resp_wanted(&r.parser, &r.in), 999999);
    run_release(&r);
}

/* A count is only a claim: a million of announced arguments costs nothing until they come. */
static void a_claimed_count_allocates_nothing(void **state)
{
    static const char s[] = "*1048577000\r\n$1\r\na\r\n";
    struct run r;

    (void)state;
    run_whole(&r, &default_limits, s, sizeof s - 1);
    assert_int_equal(r.transcript.len, 0);
    assert_int_equal(r.parser.missing, 1048576999);
    assert_true(r.parser.cap_argv <= 64);
    run_release(&r);
}

/* After one huge request the connection gives its arrays back. */
static void arrays_of_a_huge_request_are_given_back(void **state)
{
    struct buf s = {0};
    struct run r;

    (void)state;
    buf_printf(&s, "*5000\r\n");
    for (int i = 0; i < 5000; i++) {
        buf_printf(&s, "$1\r\na\r\n");
    }
    run_init(&r, &default_limits);
    feed(&r, buf_head(&s), s.len - 1); /* cut, so that spans are used */
    assert_int_equal(r.parser.n_spans, 4999);
    feed(&r, buf_tail(&s) - 1, 1);
    assert_int_equal(r.transcript.len, 5000 * 3 + 1);
    assert_int_equal(r.parser.cap_argv, 0);
    assert_int_equal(r.parser.cap_spans, 0);
    run_release(&r);
    buf_release(&s);
}

/* Once broken, a stream stays broken. */
static void an_error_is_final(void **state)
{
    struct run r;

    (void)state;
    run_whole(&r, &default_limits, "*x\r\n", 4);
    assert_true(r.failed);
    assert_int_equal(resp_parse(&r.parser, &r.in, &default_limits), RESP_ERROR);
    run_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(streams_are_read_as_redis_reads_them),
    cmocka_unit_test(pieces_do_not_matter),
    cmocka_unit_test(random_streams_are_read_alike_in_all_pieces),
    cmocka_unit_test(long_lines_are_refused),
    cmocka_unit_test(strangers_get_little_room),
    cmocka_unit_test(the_reader_learns_how_much_is_missing),
    cmocka_unit_test(a_claimed_count_allocates_nothing),
    cmocka_unit_test(arrays_of_a_huge_request_are_given_back),
    cmocka_unit_test(an_error_is_final),
};

TEST_MAIN(tests)
