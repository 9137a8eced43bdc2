/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_resp_reply.c - proto/resp_reply.c and proto/resp_value.c: what is written for
 * each protocol, and that it reads back. */
#include "tests/test.h"

#include "base/rand.h"
#include "proto/resp.h"

#include <dirent.h>
#include <math.h>

/* ---- writing ----------------------------------------------------------------------------------
 */

static void w_status(struct resp_out *o) { resp_status(o, "OK"); }
static void w_error(struct resp_out *o) { resp_error(o, "ERR a\r\nb"); }
static void w_errorf(struct resp_out *o) { resp_errorf(o, "ERR %s %d", "x\n", 7); }
static void w_int(struct resp_out *o)
{
    static const int64_t v[] = {0, 9, 10, 99, 100, 12345, -1, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        resp_int(o, v[i]);
    }
}
static void w_bulk(struct resp_out *o)
{
    resp_bulk(o, NULL, 0);
    resp_bulk(o, "a\0b", 3);
    resp_bulk_str(o, "0123456789");
    resp_bulk_i64(o, -42);
}
static void w_null(struct resp_out *o)
{
    resp_null(o);
    resp_null_array(o);
}
static void w_aggregates(struct resp_out *o)
{
    resp_array(o, 0);
    resp_array(o, 123);
    resp_map(o, 2);
    resp_set(o, 3);
    resp_push(o, 4);
}
static void w_double(struct resp_out *o)
{
    resp_double(o, 3);
    resp_double(o, -0.5);
    resp_double(o, HUGE_VAL);
    resp_double(o, -HUGE_VAL);
    resp_double(o, 1e20);
    resp_long_double(o, 3.25L);
}
static void w_bool(struct resp_out *o)
{
    resp_bool(o, true);
    resp_bool(o, false);
}
static void w_big(struct resp_out *o) { resp_big_number(o, "-12345678901234567890", 21); }
static void w_verbatim(struct resp_out *o) { resp_verbatim(o, "txt", "hi\n", 3); }

static void each_type_is_written_as_each_protocol_has_it(void **state)
{
    static const struct {
        const char *name;
        void (*write)(struct resp_out *o);
        const char *resp2, *resp3; /* resp3 NULL: the same */
    } cases[] = {
        {"status", w_status, "+OK\r\n", NULL},
        {"error", w_error, "-ERR a  b\r\n", NULL},
        {"formatted error", w_errorf, "-ERR x  7\r\n", NULL},
        {"int", w_int,
         ":0\r\n:9\r\n:10\r\n:99\r\n:100\r\n:12345\r\n:-1\r\n:9223372036854775807\r\n"
         ":-9223372036854775808\r\n",
         NULL},
        {"null", w_null, "$-1\r\n*-1\r\n", "_\r\n_\r\n"},
        {"aggregates", w_aggregates, "*0\r\n*123\r\n*4\r\n*3\r\n*4\r\n",
         "*0\r\n*123\r\n%2\r\n~3\r\n>4\r\n"},
        {"double", w_double,
         "$1\r\n3\r\n$4\r\n-0.5\r\n$3\r\ninf\r\n$4\r\n-inf\r\n$5\r\n1e+20\r\n$4\r\n3.25\r\n",
         ",3\r\n,-0.5\r\n,inf\r\n,-inf\r\n,1e+20\r\n,3.25\r\n"},
        {"bool", w_bool, ":1\r\n:0\r\n", "#t\r\n#f\r\n"},
        {"big number", w_big, "$21\r\n-12345678901234567890\r\n", "(-12345678901234567890\r\n"},
        {"verbatim", w_verbatim, "$3\r\nhi\n\r\n", "=7\r\ntxt:hi\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint8_t version = 2; version <= 3; version++) {
            struct buf b = {0};
            struct resp_out o = {&b, version};
            const char *want =
                version == 3 && cases[i].resp3 != NULL ? cases[i].resp3 : cases[i].resp2;

            print_message("case: %s, RESP%d\n", cases[i].name, version);
            cases[i].write(&o);
            assert_int_equal(b.len, strlen(want));
            assert_memory_equal(buf_head(&b), want, b.len);
            buf_release(&b);
        }
    }
}

static void bulks_carry_any_bytes(void **state)
{
    static const char want[] = "$0\r\n\r\n$3\r\na\0b\r\n$10\r\n0123456789\r\n$3\r\n-42\r\n";
    struct buf b = {0};
    struct resp_out o = {&b, 2};

    (void)state;
    w_bulk(&o);
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(buf_head(&b), want, b.len);
    buf_release(&b);
}

/* A long message does not fit the writer's small buffer. */
static void a_long_error_is_written_whole(void **state)
{
    char name[1000];
    struct buf b = {0};
    struct resp_out o = {&b, 2};

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    resp_errorf(&o, "ERR %s", name);
    assert_int_equal(b.len, 1 + 4 + 999 + 2);
    assert_memory_equal(buf_tail(&b) - 3, "x\r\n", 3);
    buf_release(&b);
}

/* A random tree written twice: once with lengths known beforehand, once with deferred ones. */
static void write_tree(struct resp_out *o, struct rng *r, int depth, bool deferred)
{
    size_t kind = rng_below(r, 5);
    size_t n = depth < 4 ? rng_below(r, 4) : 0;
    size_t at = 0;

    if (rng_below(r, 20) == 0) {
        n = depth < 4 ? 12 : 0; /* a length of two digits */
    }
    if (depth > 0 && kind >= 3) {
        resp_int(o, (int64_t)rng_below(r, 100000));
        return;
    }
    kind %= 3;
    if (deferred) {
        at = resp_deferred_begin(o);
    } else {
        kind == 0 ? resp_array(o, n) : kind == 1 ? resp_map(o, n) : resp_set(o, n);
    }
    for (size_t i = 0; i < (kind == 1 ? 2 * n : n); i++) {
        write_tree(o, r, depth + 1, deferred);
    }
    if (deferred) {
        kind == 0   ? resp_deferred_array(o, at, n)
        : kind == 1 ? resp_deferred_map(o, at, n)
                    : resp_deferred_set(o, at, n);
    }
}

static void deferred_lengths_make_no_difference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct buf plain = {0};
        struct buf late = {0};
        struct resp_out a = {&plain, (uint8_t)(2 + seed % 2)};
        struct resp_out b = {&late, (uint8_t)(2 + seed % 2)};
        struct rng r;

        /* Something stands in front, more or less of it than the tree is long. */
        for (uint64_t i = 0; i < seed % 300; i++) {
            resp_int(&a, (int64_t)i);
            resp_int(&b, (int64_t)i);
        }
        rng_init(&r, seed);
        write_tree(&a, &r, 0, false);
        rng_init(&r, seed);
        write_tree(&b, &r, 0, true);
        resp_status(&a, "end");
        resp_status(&b, "end");
        assert_int_equal(plain.len, late.len);
        assert_memory_equal(buf_head(&plain), buf_head(&late), plain.len);
        buf_release(&plain);
        buf_release(&late);
    }
}

static void a_request_is_an_array_of_bulks(void **state)
{
    static const struct arg argv[] = {{"SET", 3}, {"", 0}, {"a\r\n", 3}};
    static const char want[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n";
    struct buf b = {0};

    (void)state;
    resp_write_request(&b, argv, ARRAY_LEN(argv));
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(buf_head(&b), want, b.len);
    buf_release(&b);
}

/* ---- reading ------------------------------------------------------------------------------------
 */

/* Read one value from an allocation of exactly @n bytes. */
static int read_exact(const char *s, size_t n, struct resp_value *v, size_t *left)
{
    struct buf b = {0};
    int rc;

    b.data = malloc(n > 0 ? n : 1);
    assert_non_null(b.data);
    memcpy(b.data, s, n);
    b.len = n;
    b.cap = n > 0 ? n : 1;
    rc = resp_read_value(&b, v);
    *left = b.len;
    buf_release(&b);
    return rc;
}

static void each_type_reads_back(void **state)
{
    static const char s[] = "*13\r\n+OK\r\n-ERR x\r\n:-5\r\n$3\r\na\0b\r\n$-1\r\n*-1\r\n_\r\n"
                            "%1\r\n+k\r\n~1\r\n:1\r\n,2.5\r\n#t\r\n(123\r\n=7\r\ntxt:abc\r\n"
                            "|1\r\n+ttl\r\n:3\r\n!5\r\nERR y\r\n";
    static const enum resp_type want[] = {
        RESP_T_STATUS,     RESP_T_ERROR,    RESP_T_INT,  RESP_T_BULK,   RESP_T_NULL,
        RESP_T_NULL,       RESP_T_NULL,     RESP_T_MAP,  RESP_T_DOUBLE, RESP_T_BOOL,
        RESP_T_BIG_NUMBER, RESP_T_VERBATIM, RESP_T_ERROR};
    struct resp_value v;
    size_t left;

    (void)state;
    assert_int_equal(read_exact(s, sizeof s - 1, &v, &left), 1);
    assert_int_equal(left, 0);
    assert_int_equal(v.type, RESP_T_ARRAY);
    assert_int_equal(v.n, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(v.items[i].type, want[i]);
    }
    assert_int_equal(v.items[2].integer, -5);
    assert_int_equal(v.items[3].n, 3);
    assert_memory_equal(v.items[3].text, "a\0b", 4);
    assert_int_equal(v.items[7].n, 2);
    assert_int_equal(v.items[7].items[1].type, RESP_T_SET);
    assert_true(v.items[8].number == 2.5);
    assert_int_equal(v.items[9].integer, 1);
    assert_string_equal(v.items[11].text, "abc");
    assert_string_equal(v.items[12].text, "ERR y");
    resp_value_release(&v);
    /* Every beginning of it is incomplete, not wrong. */
    for (size_t n = 0; n < sizeof s - 1; n++) {
        assert_int_equal(read_exact(s, n, &v, &left), 0);
        assert_int_equal(left, n);
    }
}

static void wrong_bytes_are_malformed(void **state)
{
    static const char *const cases[] = {
        "x\r\n",
        "\r\n",
        ":\r\n",
        ":a\r\n",
        "+OK\n",
        "$a\r\n",
        "$-2\r\n",
        "$1\r\naXX",
        "*-2\r\n",
        "%-1\r\n",
        "*99999999999\r\n",
        "_x\r\n",
        "#x\r\n",
        ",x\r\n",
        "(12a\r\n",
        "(\r\n",
        "=3\r\nabc\r\n",
        "!-1\r\n",
        "$01\r\na\r\n",
        "HTTP/1.1 400\r\n",
    };
    struct resp_value v;
    size_t left;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %zu\n", i);
        assert_int_equal(read_exact(cases[i], strlen(cases[i]), &v, &left), -1);
    }
}

/* A nest as deep as the sender likes would end our stack. */
static void depth_is_bounded(void **state)
{
    struct buf s = {0};
    struct resp_value v;
    size_t left;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        buf_append(&s, "*1\r\n", 4);
    }
    assert_int_equal(read_exact(buf_head(&s), s.len, &v, &left), -1);
    assert_int_equal(read_exact(buf_head(&s), 40, &v, &left), 0);
    buf_release(&s);
}

static void write_value(struct resp_out *o, const struct resp_value *v);

static void write_items(struct resp_out *o, const struct resp_value *v)
{
    for (size_t i = 0; i < v->n; i++) {
        write_value(o, &v->items[i]);
    }
}

static void write_value(struct resp_out *o, const struct resp_value *v)
{
    switch (v->type) {
    case RESP_T_STATUS:
        resp_status(o, v->text);
        break;
    case RESP_T_ERROR:
        resp_error(o, v->text);
        break;
    case RESP_T_INT:
        resp_int(o, v->integer);
        break;
    case RESP_T_BULK:
        resp_bulk(o, v->text, v->n);
        break;
    case RESP_T_NULL:
        resp_null(o);
        break;
    case RESP_T_DOUBLE:
        resp_double(o, v->number);
        break;
    case RESP_T_BOOL:
        resp_bool(o, v->integer != 0);
        break;
    case RESP_T_BIG_NUMBER:
        resp_big_number(o, v->text, v->n);
        break;
    case RESP_T_VERBATIM:
        resp_verbatim(o, "txt", v->text, v->n);
        break;
    case RESP_T_ARRAY:
        resp_array(o, v->n);
        write_items(o, v);
        break;
    case RESP_T_MAP:
        resp_map(o, v->n / 2);
        write_items(o, v);
        break;
    case RESP_T_SET:
        resp_set(o, v->n);
        write_items(o, v);
        break;
    case RESP_T_PUSH:
        resp_push(o, v->n);
        write_items(o, v);
        break;
    }
}

static void load(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rb");
    size_t got;

    assert_non_null(f);
    do {
        buf_reserve(b, 65536);
        got = fread(buf_tail(b), 1, 65536, f);
        buf_fill(b, got);
    } while (got > 0);
    fclose(f);
}

/* Replies recorded from Redis 7.0.15 are read, and written again byte for byte. */
static void recorded_replies_survive_the_round_trip(void **state)
{
    DIR *dir = opendir(REPLIES_DIR);
    struct dirent *e;
    int files = 0;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        char path[4096];
        struct buf in = {0};
        struct buf original = {0};
        struct buf again = {0};
        struct resp_out o = {&again, 2};

        if (strstr(e->d_name, ".resp") == NULL) {
            continue;
        }
        print_message("file: %s\n", e->d_name);
        o.version = e->d_name[strlen(e->d_name) - 1] == '3' ? 3 : 2;
        snprintf(path, sizeof path, "%s/%s", REPLIES_DIR, e->d_name);
        load(path, &in);
        buf_append(&original, buf_head(&in), in.len);
        while (in.len > 0) {
            struct resp_value v;

            assert_int_equal(resp_read_value(&in, &v), 1);
            write_value(&o, &v);
            resp_value_release(&v);
        }
        assert_int_equal(again.len, original.len);
        assert_memory_equal(buf_head(&again), buf_head(&original), again.len);
        buf_release(&in);
        buf_release(&original);
        buf_release(&again);
        files++;
    }
    closedir(dir);
    assert_true(files >= 10);
}

/* Random changes of a good reply: any answer is right but a crash or bytes used beyond the end. */
static void damaged_replies_do_no_harm(void **state)
{
    static const char s[] = "*3\r\n$5\r\nhello\r\n%1\r\n+k\r\n,1.5\r\n=6\r\ntxt:hi\r\n";
    struct rng r;

    (void)state;
    rng_init(&r, 7);
    for (int round = 0; round < 50000; round++) {
        char copy[sizeof s];
        struct resp_value v;
        size_t left;

        memcpy(copy, s, sizeof s);
        for (uint64_t k = 0; k < 1 + rng_below(&r, 3); k++) {
            copy[rng_below(&r, sizeof s - 1)] = "*$%+-:123~|_\r\n0x"[rng_below(&r, 16)];
        }
        if (read_exact(copy, sizeof s - 1, &v, &left) == 1) {
            assert_true(left < sizeof s - 1);
            resp_value_release(&v);
        } else {
            assert_int_equal(left, sizeof s - 1);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_type_is_written_as_each_protocol_has_it),
    cmocka_unit_test(bulks_carry_any_bytes),
    cmocka_unit_test(a_long_error_is_written_whole),
    cmocka_unit_test(deferred_lengths_make_no_difference),
    cmocka_unit_test(a_request_is_an_array_of_bulks),
    cmocka_unit_test(each_type_reads_back),
    cmocka_unit_test(wrong_bytes_are_malformed),
    cmocka_unit_test(depth_is_bounded),
    cmocka_unit_test(recorded_replies_survive_the_round_trip),
    cmocka_unit_test(damaged_replies_do_no_harm),
};

TEST_MAIN(tests)
