/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/access_clock.h - what the 24 bits of item_access() mean.
 *
 * Without an LFU maxmemory-policy: wall seconds modulo 2^24. With one: wall minutes modulo 2^16
 * in the upper 16 bits, a logarithmic counter of accesses in the lower 8. */
#ifndef NODE_KEYSPACE_ACCESS_CLOCK_H
#define NODE_KEYSPACE_ACCESS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define ACCESS_MASK 0xffffffu
#define ACCESS_FREQ_NEW 5u /* so that a new key is not the first to go */
#define ACCESS_FREQ_MAX 255u

struct access_clock {
    bool lru, lfu; /* what maxmemory-policy goes by; at most one */
    int64_t wall_ms;
    int64_t lfu_decay_minutes; /* 0: the counter does not sink */
};

/* Of an item made now. */
uint32_t access_clock_new(const struct access_clock *c);
/* Of one that was used last @idle seconds ago (not LFU; at least 0). */
uint32_t access_clock_of_idle(const struct access_clock *c, uint64_t idle);
/* Of one with this counter now (LFU; at most ACCESS_FREQ_MAX). */
uint32_t access_clock_of_freq(const struct access_clock *c, uint32_t freq);

/* Seconds since the access (not LFU). */
uint32_t access_clock_idle(const struct access_clock *c, uint32_t access);
/* The counter as it has sunk since (LFU). */
uint32_t access_clock_freq(const struct access_clock *c, uint32_t access);

#endif
