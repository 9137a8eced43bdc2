/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/hll.h - HyperLogLog: how many different elements there were, about, in a string.
 *
 * The string is that of Redis, byte for byte: a header of 16 bytes
 *
 *     "HYLL"  encoding:8  unused:24  count:u64le
 *
 * and 16384 registers. The count is what the estimate was when somebody stored it; its highest bit
 * says that it is out of date. A hash of an element names a register and a rank; a register keeps
 * the highest rank it has seen. Dense registers take 6 bits each, the first in the lowest bits.
 * Sparse ones are runs:
 *
 *     00nnnnnn           n + 1 registers (1..64) of 0
 *     01nnnnnn nnnnnnnn  n + 1 registers (1..16384) of 0
 *     1rrrrrnn           n + 1 registers (1..4) of rank r + 1 (1..32)
 *
 * Bytes may come from anywhere: whatever they are, nothing here reads or writes beyond them.
 * Pure. Sources: the format as documented for the Redis commands PFADD and PFDEBUG; O. Ertl, New
 * cardinality estimation algorithms for HyperLogLog sketches (2017), algorithms 5 and 6; A.
 * Appleby's MurmurHash64A. */
#ifndef NODE_HLL_H
#define NODE_HLL_H

#include "base/base.h"

#include <stdint.h>

#define HLL_REGISTERS 16384u
#define HLL_HEADER_BYTES 16u
#define HLL_DENSE_BYTES (HLL_HEADER_BYTES + HLL_REGISTERS * 6 / 8)
/* A longer sparse one is none: each register could have a run of two bytes at most. */
#define HLL_SPARSE_BYTES_MAX (HLL_HEADER_BYTES + HLL_REGISTERS * 2)
#define HLL_INSERT_BYTES 3 /* that one element may add to a sparse one */

enum hll_encoding { HLL_DENSE = 0, HLL_SPARSE = 1 };

/* The register of an element and its rank (1..51). */
struct hll_place {
    unsigned reg;
    unsigned rank;
};
struct hll_place hll_place_of(const void *element, size_t n);

/* ---- strings ------------------------------------------------------------------------------- */

/* The string has the header of one, and the length of a dense one if it is dense. The functions
 * below ask for this. */
bool hll_is(const void *p, size_t n);
enum hll_encoding hll_encoding_of(const void *p);
/* The stored count; false: there is none, or it is out of date. */
bool hll_stored_count(const void *p, uint64_t *count);
/* The estimate. False: its runs are corrupt. */
MUST_CHECK bool hll_count(const void *p, size_t n, uint64_t *count);
/* Raise the registers at @ranks to those of the string. False: its runs are corrupt. */
MUST_CHECK bool hll_merge(uint8_t ranks[HLL_REGISTERS], const void *p, size_t n);
uint64_t hll_count_ranks(const uint8_t ranks[HLL_REGISTERS]);

/* Registers of a dense string. */
unsigned hll_dense_get(const unsigned char *p, unsigned reg);
void hll_dense_set(unsigned char *p, unsigned reg, unsigned rank);
/* The stored count of a string is out of date from now on. */
void hll_forget_count(unsigned char *p);

/* A run of a sparse string. */
struct hll_run {
    unsigned bytes; /* of its form: 1 or 2 */
    unsigned n;     /* registers */
    unsigned rank;  /* 0: the registers are empty */
};
/* The run at @p, before @end; false: it is cut off. */
MUST_CHECK bool hll_run_at(const unsigned char *p, const unsigned char *end, struct hll_run *out);

/* ---- changing ------------------------------------------------------------------------------ */

/* A string being changed: sparse, or made dense when that no longer does. */
struct hll {
    size_t n;
    unsigned char bytes[HLL_SPARSE_BYTES_MAX + HLL_INSERT_BYTES];
};

void hll_init(struct hll *h); /* sparse, all registers 0 */
/* A copy of the @n bytes at @p. False: too long to be one. */
MUST_CHECK bool hll_load(struct hll *h, const void *p, size_t n);
/* Raise a register: 1: done, 0: it is not lower, -1: the runs are corrupt. A sparse one becomes
 * dense for a rank above 32, or rather than be longer than @sparse_bytes_max. */
int hll_raise(struct hll *h, struct hll_place at, int64_t sparse_bytes_max);
MUST_CHECK bool hll_make_dense(struct hll *h); /* false: the runs are corrupt */

/* Try the packing of registers and the estimates; NULL: all is well, else what is not. */
const char *hll_self_test(void);

#endif
