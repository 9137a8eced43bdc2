/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_clock.c - base/clock.c: units and direction. */
#include "tests/test.h"

#include "base/clock.h"

#include <time.h>

/* The unit is right (a factor of 1000 would show) and time does not run backwards. */
static void boot_time_grows_in_microseconds(void **state)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    int64_t before = clock_boot_us();
    int64_t slept;
    int64_t last;

    (void)state;
    assert_int_equal(nanosleep(&nap, NULL), 0);
    slept = clock_boot_us() - before;
    assert_in_range(slept, 20 * 1000, 10 * 1000 * 1000);
    last = clock_boot_us();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_boot_us();

        assert_true(now >= last);
        last = now;
    }
}

/* Wall time is the time of day of time(2), in both units. */
static void wall_time_is_unix_time(void **state)
{
    int64_t s = (int64_t)time(NULL);

    (void)state;
    assert_in_range(clock_wall_ms() / 1000, s, s + 2);
    assert_in_range(clock_wall_us() / 1000000, s, s + 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(boot_time_grows_in_microseconds),
    cmocka_unit_test(wall_time_is_unix_time),
};

TEST_MAIN(tests)
