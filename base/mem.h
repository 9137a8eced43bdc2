/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/mem.h - allocation. jemalloc stands behind malloc() in the programs.
 *
 * mem_alloc() and friends never return NULL: for sizes the program bounds, running out of memory
 * ends the process with a log line (a stopped replica is better than a diverging one).
 * mem_try_alloc() is for sizes that a client or a peer chose: NULL is answered as an error.
 * Any thread. Memory is freed with free(). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/base.h"

void *mem_alloc(size_t n);
void *mem_zalloc(size_t n); /* zeroed */
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);
void *mem_dup(const void *p, size_t n);
void *mem_try_alloc(size_t n);
void *mem_try_realloc(void *p, size_t n); /* on NULL, @p is unchanged */

#endif
