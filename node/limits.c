/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/limits.c - node/node_limits.h on a real node. */
#include "node/node.h"
#include "node/node_limits.h"

#define ACCESS_MASK 0xffffffu

int64_t cmd_string_max(const struct cmd *c) { return c->node->config.proto_max_bulk_len; }

uint64_t cmd_random(struct cmd *c) { return rng_next(&c->node->rng); }

/* In cluster mode as well: an index is checked before a command says that there it has no use. */
uint32_t cmd_databases(const struct cmd *c) { return (uint32_t)c->node->config.databases; }

bool cmd_cluster_enabled(const struct cmd *c) { return c->node->config.cluster_enabled; }

/* The LFU policies come with maxmemory: see the option's entry in config_table.c. */
bool cmd_access_is_lfu(const struct cmd *c)
{
    (void)c;
    return false;
}

static uint32_t clock_now(const struct cmd *c)
{
    return (uint32_t)(c->node->now_wall_ms / 1000) & ACCESS_MASK;
}

uint32_t cmd_access_clock_new(struct cmd *c) { return clock_now(c); }

uint32_t cmd_access_clock(struct cmd *c, uint32_t access)
{
    (void)access;
    return clock_now(c);
}

int64_t cmd_access_idle(const struct cmd *c, uint32_t access)
{
    return (clock_now(c) - access) & ACCESS_MASK; /* the clock goes round in 194 days */
}

int64_t cmd_access_freq(const struct cmd *c, uint32_t access)
{
    (void)c;
    (void)access;
    assert(!"no LFU policy, so nobody asks for a frequency");
    return 0;
}
