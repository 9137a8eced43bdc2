/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/access_clock.c - see node/keyspace/access_clock.h. */
#include "node/keyspace/access_clock.h"

#include "base/base.h"

static uint32_t seconds(const struct access_clock *c)
{
    return (uint32_t)(c->wall_ms / 1000) & ACCESS_MASK;
}

static uint32_t minutes(const struct access_clock *c)
{
    return (uint32_t)(c->wall_ms / 60000) & 0xffff;
}

uint32_t access_clock_new(const struct access_clock *c)
{
    return c->lfu ? access_clock_of_freq(c, ACCESS_FREQ_NEW) : seconds(c);
}

uint32_t access_clock_of_idle(const struct access_clock *c, uint64_t idle)
{
    return (seconds(c) - (uint32_t)MIN_OF(idle, (uint64_t)ACCESS_MASK)) & ACCESS_MASK;
}

uint32_t access_clock_of_freq(const struct access_clock *c, uint32_t freq)
{
    assert(freq <= ACCESS_FREQ_MAX);
    return minutes(c) << 8 | freq;
}

uint32_t access_clock_idle(const struct access_clock *c, uint32_t access)
{
    return (seconds(c) - access) & ACCESS_MASK; /* the clock goes round in 194 days */
}

/* One less for each lfu-decay-time that has passed since it was set. */
uint32_t access_clock_freq(const struct access_clock *c, uint32_t access)
{
    uint32_t counter = access & ACCESS_FREQ_MAX;
    int64_t passed = (minutes(c) - (access >> 8)) & 0xffff;
    int64_t periods = c->lfu_decay_minutes == 0 ? 0 : passed / c->lfu_decay_minutes;

    return periods >= counter ? 0 : counter - (uint32_t)periods;
}
