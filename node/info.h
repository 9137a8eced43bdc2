/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/info.h - the text of INFO. Exec thread only.
 *
 * Names and order are those of Redis 7.0 where a field means something here; the section "raft" is
 * ours. Figures of the keyspace may count writes that are not committed yet: INFO must answer also
 * when nothing can be committed, since that is when people look at it. */
#ifndef NODE_INFO_H
#define NODE_INFO_H

#include "node/node.h"

/* Sections, in the order in which they are written. */
enum info_section {
    INFO_SERVER,
    INFO_CLIENTS,
    INFO_MEMORY,
    INFO_PERSISTENCE,
    INFO_STATS,
    INFO_REPLICATION,
    INFO_RAFT,
    INFO_CPU,
    INFO_MODULES,
    INFO_COMMANDSTATS,
    INFO_ERRORSTATS,
    INFO_LATENCYSTATS,
    INFO_CLUSTER,
    INFO_KEYSPACE,
    INFO_SECTIONS,
};

/* Bit per section that the words of an INFO call name; none: the default ones. Words that name
 * nothing are ignored, as Redis does. */
uint32_t info_sections(const struct arg *words, size_t n);
void info_write(struct node *n, uint32_t bits, struct buf *out);

/* "name:value\r\n" */
void info_field(struct buf *out, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Sections of info_raft.c. */
void info_replication(struct node *n, struct buf *out);
void info_raft(struct node *n, struct buf *out);

#endif
