/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/bits.h - bits of a string, as the bitmap commands number them: bit 0 is the highest
 * one of the first byte. Pure. */
#ifndef NODE_COMMAND_BITS_H
#define NODE_COMMAND_BITS_H

#include "base/base.h"

/* Set bits among @n bytes. */
uint64_t bits_count(const unsigned char *p, size_t n);

/* Position of the first bit that is @bit among the @n bytes; -1: none. */
int64_t bits_find(const unsigned char *p, size_t n, bool bit);

/* @width bits (1..64) at bit @offset of @n bytes; what is behind the end reads as 0. */
uint64_t bits_get(const unsigned char *p, size_t n, uint64_t offset, unsigned width);
/* Write the low @width bits of @v there; all of them must be within the string. */
void bits_set(unsigned char *p, uint64_t offset, unsigned width, uint64_t v);

enum bits_op { BITS_AND, BITS_OR, BITS_XOR };
/* @to[i] = @to[i] @op @from[i] for @n bytes. */
void bits_combine(enum bits_op op, unsigned char *to, const unsigned char *from, size_t n);

#endif
