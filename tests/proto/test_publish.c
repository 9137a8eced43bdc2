/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_publish.c - proto/publish.c: what is written is read, and nothing else is. */
#include "tests/test.h"

#include "proto/publish.h"

static void the_format_is_the_documented_one(void **state)
{
    static const struct arg ch = {"ch", 2}, text = {"m\0g", 3}, empty = {NULL, 0};
    static const char want[] = "\7\1"
                               "\1\2\0\0\0\3\0\0\0chm\0g"
                               "\2\0\0\0\0\2\0\0\0ch";
    struct publish_reader r;
    struct buf b = {0};

    (void)state;
    publish_write(&b, PUBLISH_CHANNEL, &ch, &text);
    publish_write(&b, PUBLISH_SHARD, &empty, &ch);
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(buf_head(&b), want, b.len);
    assert_true(publish_is_frame(buf_head(&b), b.len));

    assert_int_equal(publish_reader_init(&r, buf_head(&b), b.len), 0);
    assert_int_equal(publish_next(&r), 1);
    assert_int_equal(r.kind, PUBLISH_CHANNEL);
    assert_int_equal(r.channel.n, 2);
    assert_memory_equal(r.channel.p, "ch", 2);
    assert_int_equal(r.message.n, 3);
    assert_memory_equal(r.message.p, "m\0g", 3);
    assert_int_equal(publish_next(&r), 1);
    assert_int_equal(r.kind, PUBLISH_SHARD);
    assert_int_equal(r.channel.n, 0);
    assert_int_equal(r.message.n, 2);
    assert_int_equal(publish_next(&r), 0);
    buf_release(&b);
}

/* Whatever a peer sends: each cut and each changed byte is read to an end within the bytes. */
static void damage_is_found_or_harmless(void **state)
{
    static const struct arg ch = {"channel", 7}, text = {"text", 4};
    struct buf b = {0};

    (void)state;
    publish_write(&b, PUBLISH_CHANNEL, &ch, &text);
    publish_write(&b, PUBLISH_SHARD, &ch, &text);
    for (size_t cut = 0; cut <= b.len; cut++) {
        char *copy = malloc(cut + 1); /* its end is where a sanitizer looks */
        struct publish_reader r;
        int rc = 0;

        assert_non_null(copy);
        memcpy(copy, buf_head(&b), cut);
        assert_int_equal(publish_is_frame(copy, cut), cut > 0);
        rc = publish_reader_init(&r, copy, cut);
        assert_int_equal(rc, cut < 2 ? -1 : 0);
        while (rc == 0 && (rc = publish_next(&r)) == 1) {
            rc = 0;
        }
        assert_int_equal(rc, cut == b.len || cut == 2 || cut == 2 + 9 + 11 ? 0 : -1);
        free(copy);
    }
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned v = 0; v < 256; v += 17) {
            struct publish_reader r;
            char was = buf_head(&b)[at];
            unsigned n = 0;

            buf_head(&b)[at] = (char)v;
            if (publish_reader_init(&r, buf_head(&b), b.len) == 0) {
                while (publish_next(&r) == 1) {
                    assert_true(r.p <= r.end);
                    n++;
                }
                assert_true(n <= 4);
            }
            buf_head(&b)[at] = was;
        }
    }
    buf_release(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_format_is_the_documented_one),
    cmocka_unit_test(damage_is_found_or_harmless),
};

TEST_MAIN(tests)
