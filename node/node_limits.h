/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/node_limits.h - the few settings and sources of chance that data commands ask for.
 *
 * Handlers of data types see these functions and nothing of the node's configuration, so they run
 * unchanged in a test with a keyspace and nothing else. Exec thread only. What changes data must
 * not depend on any of them while applying from the log: settings, chance and clocks differ
 * between replicas. (The access clock is no data.) */
#ifndef NODE_NODE_LIMITS_H
#define NODE_NODE_LIMITS_H

#include "node/command/command.h"
#include "node/types/limits.h"

/* proto-max-bulk-len: no command may make a string longer than this; also the transient memory
 * LCS may take. Bytes. */
int64_t cmd_string_max(const struct cmd *c);

/* Up to which size values stay compact. Encodings may depend on it, content may not: the one
 * setting that may be asked for while applying. */
const struct types_limits *cmd_types_limits(const struct cmd *c);

/* rdbcompression: a matter of bytes alone, never of content. */
bool cmd_compresses(const struct cmd *c);
/* The most bytes that the effects of this command may have, where they are longer than the request:
 * those of a command or transaction are in one log entry. */
size_t cmd_effect_max(const struct cmd *c);
/* Wall time in ms, while applying as well: for what is no data, as when a consumer was last seen.
 */
int64_t cmd_wall_ms(const struct cmd *c);

/* 64 random bits from the node's generator: RANDOMKEY. */
uint64_t cmd_random(struct cmd *c);

/* The number of databases that indexes are checked against (option "databases"); a keyspace by
 * slot has only one of them. */
uint32_t cmd_databases(const struct cmd *c);
bool cmd_cluster_enabled(const struct cmd *c);
/* The client may read any key by this command, also those that no argument names: SORT ... BY. */
bool cmd_reads_all_keys(const struct cmd *c);

/* ---- the access clock of items (node/keyspace/access_clock.h), also while applying ------------
 */

bool cmd_access_is_lfu(const struct cmd *c);
/* The clock of an item made now; and what @access becomes by an access now. */
uint32_t cmd_access_clock_new(struct cmd *c);
uint32_t cmd_access_clock(struct cmd *c, uint32_t access);
/* Seconds since the access (not LFU: OBJECT IDLETIME). */
int64_t cmd_access_idle(const struct cmd *c, uint32_t access);
/* The counter as it has sunk since, by lfu-decay-time (LFU: OBJECT FREQ). */
int64_t cmd_access_freq(const struct cmd *c, uint32_t access);

#endif
