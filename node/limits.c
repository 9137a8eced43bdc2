/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/limits.c - node/node_limits.h on a real node. */
#include "node/acl_user.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/node_limits.h"

int64_t cmd_string_max(const struct cmd *c) { return c->node->config.proto_max_bulk_len; }

size_t cmd_effect_max(const struct cmd *c)
{
    /* What the commands of a transaction ask for has been promised. */
    size_t taken = c->group->batch.len + (c->client != NULL ? c->client->queued_bytes : 0);
    size_t most = exec_bytes_max(c->node);

    return most > taken ? most - taken : 0;
}

const struct types_limits *cmd_types_limits(const struct cmd *c) { return &c->node->config.types; }

bool cmd_compresses(const struct cmd *c) { return c->node->config.rdbcompression; }
int64_t cmd_wall_ms(const struct cmd *c) { return c->node->now_wall_ms; }

uint64_t cmd_random(struct cmd *c) { return rng_next(&c->node->rng); }

/* In cluster mode as well: an index is checked before a command says that there it has no use. */
uint32_t cmd_databases(const struct cmd *c) { return (uint32_t)c->node->config.databases; }

bool cmd_cluster_enabled(const struct cmd *c) { return c->node->config.cluster_enabled; }

bool cmd_reads_all_keys(const struct cmd *c)
{
    return c->client == NULL || acl_user_reads_all_keys(c->client->user, c->command);
}

bool cmd_access_is_lfu(const struct cmd *c)
{
    return (c->node->config.maxmemory_policy & EVICT_LFU) != 0;
}

/* ---- access data ----------------------------------------------------------------------------- */

struct access_clock node_access_clock(const struct node *n)
{
    return (struct access_clock){
        .lru = (n->config.maxmemory_policy & EVICT_LRU) != 0,
        .lfu = (n->config.maxmemory_policy & EVICT_LFU) != 0,
        .wall_ms = n->now_wall_ms,
        .lfu_decay_minutes = n->config.lfu_decay_time,
    };
}

/* One more with a probability that falls as the counter rises. */
static uint32_t incremented(const struct cmd *c, uint32_t counter)
{
    uint32_t above = counter > ACCESS_FREQ_NEW ? counter - ACCESS_FREQ_NEW : 0;
    uint64_t odds = (uint64_t)above * (uint64_t)c->node->config.lfu_log_factor + 1;

    return counter < ACCESS_FREQ_MAX && rng_below(&c->node->rng, odds) == 0 ? counter + 1 : counter;
}

uint32_t cmd_access_clock_new(struct cmd *c)
{
    struct access_clock clock = node_access_clock(c->node);

    return access_clock_new(&clock);
}

uint32_t cmd_access_clock(struct cmd *c, uint32_t access)
{
    struct access_clock clock = node_access_clock(c->node);

    return clock.lfu
               ? access_clock_of_freq(&clock, incremented(c, access_clock_freq(&clock, access)))
               : access_clock_new(&clock);
}

int64_t cmd_access_idle(const struct cmd *c, uint32_t access)
{
    struct access_clock clock = node_access_clock(c->node);

    return access_clock_idle(&clock, access);
}

int64_t cmd_access_freq(const struct cmd *c, uint32_t access)
{
    struct access_clock clock = node_access_clock(c->node);

    return access_clock_freq(&clock, access);
}
