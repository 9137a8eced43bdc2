/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/histogram.c - see node/histogram.h. */
#include "node/histogram.h"

#include <math.h>

uint64_t histogram_bucket_end(unsigned i)
{
    unsigned above, bits, sub;

    assert(i < HISTOGRAM_BUCKETS);
    if (i < 1u << HISTOGRAM_EXACT_BITS) {
        return i;
    }
    above = i - (1u << HISTOGRAM_EXACT_BITS);
    bits = HISTOGRAM_EXACT_BITS + (above >> HISTOGRAM_SUB_BITS);
    sub = above & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return (((UINT64_C(1) << HISTOGRAM_SUB_BITS) + sub + 1) << (bits - HISTOGRAM_SUB_BITS)) - 1;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)h->n);
    uint64_t seen = 0;

    if (h->n == 0) {
        return 0;
    }
    rank = MIN_OF(MAX_OF(rank, 1u), h->n);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= rank) {
            return i == HISTOGRAM_BUCKETS - 1 ? h->max : MIN_OF(histogram_bucket_end(i), h->max);
        }
    }
    return h->max;
}

uint64_t histogram_up_to(const struct histogram *h, uint64_t v)
{
    unsigned last = histogram_bucket(v);
    uint64_t seen = 0;

    for (unsigned i = 0; i <= last; i++) {
        seen += h->counts[i];
    }
    return seen;
}
