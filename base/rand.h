/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/rand.h - random numbers: a seeded generator for decisions, the system's for identities. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/base.h"

/* xoshiro256**; equal seeds give equal sequences on every machine. One owner. */
struct rng {
    uint64_t s[4];
};
void rng_init(struct rng *r, uint64_t seed); /* spreads the seed by splitmix64 */
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n); n > 0 */

/* Fill from the system's cryptographic source; ends the process when there is none. Any thread. */
void rand_bytes(void *p, size_t n);
/* @len lower-case hex digits and a NUL at @out (len + 1 bytes). */
void rand_hex(char *out, size_t len);

#endif
