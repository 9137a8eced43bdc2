/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/clock.h - the two clocks of a node.
 *
 * Boot time (CLOCK_BOOTTIME) drives timers and leases: it never steps and it goes on while the
 * machine or the process is suspended. Wall time (CLOCK_REALTIME) is what expiry times mean.
 * Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since boot, suspension included. Never decreases. */
int64_t clock_boot_us(void);

/* Microseconds / milliseconds since 1970-01-01 UTC. May step. */
int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);

#endif
