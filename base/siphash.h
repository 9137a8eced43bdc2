/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/siphash.h - SipHash-1-3 (Aumasson, Bernstein 2012): the keyed hash of tables whose keys a
 * client chooses, so that nobody can aim at one bucket. Any thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k[2];
};

uint64_t siphash13(const struct siphash_key *key, const void *p, size_t n);

#endif
