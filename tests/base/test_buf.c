/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_buf.c - base/buf.c against a plain model, and its corners. */
#include "tests/test.h"

#include "base/buf.h"
#include "base/rand.h"

/* Random appends, consumes, reserves and shrinks give the same bytes as a flat array. The buffer
 * moves and grows by its own rules; the content must never show it. */
static void content_equals_a_flat_model(void **state)
{
    static char model[1 << 20];
    size_t model_at = 0;
    size_t model_end = 0;
    struct rng rng;
    struct buf b;

    (void)state;
    rng_init(&rng, 1);
    buf_init(&b);
    for (int step = 0; step < 20000; step++) {
        char piece[100];
        size_t n = rng_below(&rng, sizeof piece);

        switch (rng_below(&rng, 6)) {
        case 0:
        case 1:
            for (size_t i = 0; i < n; i++) {
                piece[i] = (char)rng_next(&rng);
            }
            if (model_end + n > sizeof model) {
                break;
            }
            buf_append(&b, piece, n);
            memcpy(model + model_end, piece, n);
            model_end += n;
            break;
        case 2:
        case 3:
            n = MIN_OF(n, b.len);
            buf_consume(&b, n);
            model_at += n;
            break;
        case 4:
            buf_reserve(&b, n);
            assert_true(buf_room(&b) >= n);
            break;
        default:
            buf_shrink(&b, n);
            assert_true(b.cap <= MAX_OF(n, b.len));
            break;
        }
        assert_true(b.head + b.len <= b.cap);
        assert_int_equal(b.len, model_end - model_at);
        if (b.len > 0) {
            assert_memory_equal(buf_head(&b), model + model_at, b.len);
        }
    }
    buf_release(&b);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
}

/* A size no machine has is refused, and the content stays. */
static void impossible_reserve_fails_and_keeps_content(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_append(&b, "abc", 3);
    assert_false(buf_try_reserve(&b, SIZE_MAX));
    assert_false(buf_try_reserve(&b, SIZE_MAX - 2));
    assert_false(buf_try_reserve(&b, SIZE_MAX / 4));
    assert_int_equal(b.len, 3);
    assert_memory_equal(buf_head(&b), "abc", 3);
    buf_release(&b);
}

/* A text longer than the room is printed whole: the second attempt has the size of the first. */
static void printf_grows_to_fit(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_append(&b, "x", 1);
    buf_printf(&b, "%s", "");
    assert_int_equal(b.len, 1);
    for (int width = 1; width < 300; width += 7) {
        buf_clear(&b);
        buf_printf(&b, "%0*d|", width, 7);
        assert_int_equal(b.len, (size_t)width + 1);
        assert_int_equal(buf_head(&b)[width - 1], '7');
        assert_int_equal(buf_head(&b)[width], '|');
    }
    buf_release(&b);
}

/* A stream that is always consumed up to a small rest does not grow for ever. */
static void steady_stream_stays_small(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_append(&b, "rest", 4);
    for (int i = 0; i < 100000; i++) {
        buf_append(&b, "0123456789", 10);
        buf_consume(&b, 10);
    }
    assert_int_equal(b.len, 4);
    assert_true(b.cap <= 256);
    buf_release(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(content_equals_a_flat_model),
    cmocka_unit_test(impossible_reserve_fails_and_keeps_content),
    cmocka_unit_test(printf_grows_to_fit),
    cmocka_unit_test(steady_stream_stays_small),
};

TEST_MAIN(tests)
