/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/mem.c - see base/mem.h. A request for 0 bytes gives a pointer that free() takes, so that
 * NULL always and only means "out of memory". */
#include "base/mem.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static NORETURN void out_of_memory(size_t n) { log_fatal("Out of memory allocating %zu bytes", n); }

void *mem_try_alloc(size_t n) { return malloc(n > 0 ? n : 1); }

void *mem_try_realloc(void *p, size_t n) { return realloc(p, n > 0 ? n : 1); }

void *mem_alloc(size_t n)
{
    void *p = mem_try_alloc(n);

    if (UNLIKELY(p == NULL)) {
        out_of_memory(n);
    }
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);

    if (UNLIKELY(p == NULL)) {
        out_of_memory(n);
    }
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = mem_try_realloc(p, n);

    if (UNLIKELY(q == NULL)) {
        out_of_memory(n);
    }
    return q;
}

void *mem_dup(const void *p, size_t n)
{
    void *q = mem_alloc(n);

    if (n > 0) {
        memcpy(q, p, n);
    }
    return q;
}

char *mem_strdup(const char *s) { return mem_dup(s, strlen(s) + 1); }
