/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/limits.c - node/node_limits.h on a real node. */
#include "node/acl_user.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/node_limits.h"

#define ACCESS_MASK 0xffffffu

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

/* ---- least frequently used ------------------------------------------------------------------- */

#define LFU_NEW 5 /* so that a new key is not the first to go */
#define LFU_MAX 255

static uint32_t minutes_now(const struct cmd *c)
{
    return (uint32_t)(c->node->now_wall_ms / 60000) & 0xffff;
}

/* The counter less one for each lfu-decay-time that has passed since it was set. */
static uint32_t decayed(const struct cmd *c, uint32_t access)
{
    uint32_t counter = access & LFU_MAX;
    int64_t minutes = (minutes_now(c) - (access >> 8)) & 0xffff;
    int64_t decay = c->node->config.lfu_decay_time;
    int64_t periods = decay == 0 ? 0 : minutes / decay;

    return periods >= counter ? 0 : counter - (uint32_t)periods;
}

/* One more with a probability that falls as the counter rises. */
static uint32_t incremented(const struct cmd *c, uint32_t counter)
{
    uint32_t above = counter > LFU_NEW ? counter - LFU_NEW : 0;
    uint64_t odds = (uint64_t)above * (uint64_t)c->node->config.lfu_log_factor + 1;

    return counter < LFU_MAX && rng_below(&c->node->rng, odds) == 0 ? counter + 1 : counter;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static uint32_t clock_now(const struct cmd *c)
{
    return (uint32_t)(c->node->now_wall_ms / 1000) & ACCESS_MASK;
}

uint32_t cmd_access_clock_new(struct cmd *c)
{
    return cmd_access_is_lfu(c) ? minutes_now(c) << 8 | LFU_NEW : clock_now(c);
}

uint32_t cmd_access_clock(struct cmd *c, uint32_t access)
{
    return cmd_access_is_lfu(c) ? minutes_now(c) << 8 | incremented(c, decayed(c, access))
                                : clock_now(c);
}

int64_t cmd_access_idle(const struct cmd *c, uint32_t access)
{
    return (clock_now(c) - access) & ACCESS_MASK; /* the clock goes round in 194 days */
}

int64_t cmd_access_freq(const struct cmd *c, uint32_t access) { return decayed(c, access); }
