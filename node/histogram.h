/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/histogram.h - how often which durations occurred: counts in buckets that widen with the
 * value, so that any percentile is known to about 3 %. Pure; one owner. About 8 KB. */
#ifndef NODE_HISTOGRAM_H
#define NODE_HISTOGRAM_H

#include "base/base.h"

/* Values below 64 have a bucket each; of each power of two above there are 32 buckets. */
#define HISTOGRAM_EXACT_BITS 6
#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_MAX_BITS 36 /* larger values count as 2^36 - 1; microseconds: 19 hours */
#define HISTOGRAM_BUCKETS                                                                          \
    ((1u << HISTOGRAM_EXACT_BITS) +                                                                \
     ((HISTOGRAM_MAX_BITS - HISTOGRAM_EXACT_BITS) << HISTOGRAM_SUB_BITS))

struct histogram {
    uint64_t n;   /* values added */
    uint64_t max; /* the largest of them */
    uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t v)
{
    unsigned bits;

    if (v < 1u << HISTOGRAM_EXACT_BITS) {
        return (unsigned)v;
    }
    v = MIN_OF(v, (UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1);
    bits = 63u - (unsigned)__builtin_clzll(v); /* 2^bits <= v */
    return (1u << HISTOGRAM_EXACT_BITS) + ((bits - HISTOGRAM_EXACT_BITS) << HISTOGRAM_SUB_BITS) +
           ((unsigned)(v >> (bits - HISTOGRAM_SUB_BITS)) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

static inline void histogram_add(struct histogram *h, uint64_t v)
{
    h->counts[histogram_bucket(v)]++;
    h->n++;
    h->max = MAX_OF(h->max, v);
}

/* The largest value that counts in bucket @i. */
uint64_t histogram_bucket_end(unsigned i);
/* The value that @percent of those added (0 to 100) do not exceed, as exactly as the buckets tell;
 * 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
/* How many of those added are <= @v or in the bucket of @v: exact below 64. */
uint64_t histogram_up_to(const struct histogram *h, uint64_t v);

#endif
