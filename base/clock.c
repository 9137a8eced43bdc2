/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/clock.c - see base/clock.h. */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);

    assert(rc == 0); /* both clocks exist on every kernel we can run on */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_boot_us(void) { return read_us(CLOCK_BOOTTIME); }

int64_t clock_wall_us(void) { return read_us(CLOCK_REALTIME); }

int64_t clock_wall_ms(void) { return clock_wall_us() / 1000; }
