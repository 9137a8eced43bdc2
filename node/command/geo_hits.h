/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/geo_hits.h - what a search has found: all of it, or the best so many. Private to
 * node/command. */
#ifndef NODE_COMMAND_GEO_HITS_H
#define NODE_COMMAND_GEO_HITS_H

#include "base/base.h"

struct geo_hit {
    double distance; /* from the centre, in metres */
    double rank_by;  /* lower is better */
    uint64_t found;  /* as the so many-th: equals come in this order */
    uint64_t rank;   /* in the sorted set */
};

/* With a limit a heap whose first is the worst. */
struct geo_hits {
    struct geo_hit *h;
    size_t n, cap;
    size_t max; /* SIZE_MAX: all */
    uint64_t found;
};

void geo_hits_init(struct geo_hits *hits, size_t max); /* @max > 0 */
void geo_hits_release(struct geo_hits *hits);
void geo_hits_add(struct geo_hits *hits, struct geo_hit hit); /* sets hit.found */
void geo_hits_sort(struct geo_hits *hits); /* best first; nothing is added then */

#endif
