/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/defrag.h - active defragmentation: moving what the keyspaces hold together, where deletions
 * have left slabs of the allocator half empty. Exec thread only.
 *
 *              gaps above both thresholds                  the walk is over
 *   RESTING -------------------------------> WALKING -----------------------------+
 *      ^                                        ^   still above, and it had helped |
 *      |                                        +---------------------------------+
 *      +--------------------------------------------------------------------------+
 *
 * A walk shows everything that the data groups hold to the allocator (keyspace_relocate()), in
 * slices of a millisecond at most, for as much of the time as active-defrag-cycle-min and -max say.
 * Leaders and followers do so, each for itself: nothing of content changes. While a child writes a
 * snapshot nothing is moved, for it shares the pages; neither in a group that is being loaded.
 * Moved are items, small values and all parts of big ones. Not: what has pages of its own (above 14
 * KiB), the record of a stream's consumer with thousands of entries pending, and what is no data
 * (buffers, scripts, replication).
 *
 * Invariant: between two slices nothing here points into a keyspace. */
#ifndef NODE_DEFRAG_H
#define NODE_DEFRAG_H

#include "node/node.h"

struct defrag; /* opaque */

struct defrag *defrag_new(struct node *n); /* needs n->loop */
void defrag_free(struct defrag *d);        /* NULL is allowed */

/* Begin and end walks, as the settings and the gaps are. */
void defrag_cron(struct node *n);

/* Percent of the time it may take now; 0: it does not run. */
int defrag_effort(const struct node *n);
uint64_t defrag_running_us(const struct node *n); /* since it began to run; 0: it does not */

#endif
