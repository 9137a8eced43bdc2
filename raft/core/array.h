/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/array.h - growing arrays of the core. Their sizes are bounded by the core itself, so
 * running out of memory ends the process (a stopped replica is better than a diverging one). The
 * core links to nothing that could print, so it ends without a word. */
#ifndef RAFT_CORE_ARRAY_H
#define RAFT_CORE_ARRAY_H

#include "base/base.h"

#include <stdlib.h>

/* @p with room for at least @need elements of @size bytes; *@cap is updated. */
static inline void *array_grow(void *p, size_t *cap, size_t need, size_t size)
{
    size_t want = *cap;

    if (LIKELY(need <= *cap)) {
        return p;
    }
    want = want < 8 ? 8 : want * 2;
    if (want < need) {
        want = need;
    }
    p = realloc(p, want * size);
    if (p == NULL) {
        abort();
    }
    *cap = want;
    return p;
}

static inline void *array_zalloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL) {
        abort();
    }
    return p;
}

#endif
