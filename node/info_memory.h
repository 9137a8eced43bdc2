/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/info_memory.h - what the memory of a node is used for: INFO memory, MEMORY STATS and DOCTOR.
 * Exec thread only. */
#ifndef NODE_INFO_MEMORY_H
#define NODE_INFO_MEMORY_H

#include "node/memory.h"
#include "node/node.h"

/* Bytes. What makes up .overhead is what is not data. */
struct memory_parts {
    struct memory_usage process;
    uint64_t peak, startup, overhead, dataset;
    uint64_t clients, batches;
    uint64_t entries;            /* of the log, kept for followers */
    uint64_t tables;             /* of all databases */
    uint64_t scripts, functions; /* texts that are kept */
    uint64_t keys;
};
/* Also brings the peak up to date. */
void memory_parts(struct node *n, struct memory_parts *out);
/* @part of @whole in percent; 0 of nothing. */
double memory_percent(uint64_t part, uint64_t whole);
/* @more / @less; 1 when there is nothing. */
double memory_ratio(uint64_t more, uint64_t less);

#endif
