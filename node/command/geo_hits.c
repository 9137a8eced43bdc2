/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/geo_hits.c - see node/command/geo_hits.h. */
#include "node/command/geo_hits.h"

#include "base/mem.h"

#include <stdlib.h>

void geo_hits_init(struct geo_hits *hits, size_t max) { *hits = (struct geo_hits){.max = max}; }

void geo_hits_release(struct geo_hits *hits) { free(hits->h); }

static int compare_hits(const void *pa, const void *pb)
{
    const struct geo_hit *a = pa, *b = pb;

    if (a->rank_by != b->rank_by) {
        return a->rank_by < b->rank_by ? -1 : 1;
    }
    return (a->found > b->found) - (a->found < b->found);
}

/* Put @hit in the place of the worst, and let it sink to where it belongs. */
static void replace_worst(struct geo_hits *hits, struct geo_hit hit)
{
    size_t i = 0, child;

    while ((child = 2 * i + 1) < hits->n) {
        if (child + 1 < hits->n && compare_hits(&hits->h[child + 1], &hits->h[child]) > 0) {
            child++;
        }
        if (compare_hits(&hits->h[child], &hit) <= 0) {
            break;
        }
        hits->h[i] = hits->h[child];
        i = child;
    }
    hits->h[i] = hit;
}

/* A new last one rises among those that are better. */
static void append_to_heap(struct geo_hits *hits, struct geo_hit hit)
{
    size_t i = hits->n++;

    while (i > 0 && compare_hits(&hits->h[(i - 1) / 2], &hit) < 0) {
        hits->h[i] = hits->h[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    hits->h[i] = hit;
}

void geo_hits_add(struct geo_hits *hits, struct geo_hit hit)
{
    hit.found = hits->found++;
    if (hits->n == hits->max) {
        if (compare_hits(&hit, &hits->h[0]) < 0) {
            replace_worst(hits, hit);
        }
        return;
    }
    if (hits->n == hits->cap) {
        hits->cap = hits->cap == 0 ? 16 : hits->cap * 2;
        hits->h = mem_realloc(hits->h, hits->cap * sizeof *hits->h);
    }
    if (hits->max == SIZE_MAX) {
        hits->h[hits->n++] = hit;
    } else {
        append_to_heap(hits, hit);
    }
}

void geo_hits_sort(struct geo_hits *hits)
{
    if (hits->n > 1) {
        qsort(hits->h, hits->n, sizeof *hits->h, compare_hits);
    }
}
