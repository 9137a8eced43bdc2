/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/bits.c - see node/command/bits.h. */
#include "node/command/bits.h"

#include <string.h>

static inline uint64_t load64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

uint64_t bits_count(const unsigned char *p, size_t n)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;

    /* Four sums: the processor counts several words at a time. */
    for (; n >= 32; p += 32, n -= 32) {
        a += (uint64_t)__builtin_popcountll(load64(p));
        b += (uint64_t)__builtin_popcountll(load64(p + 8));
        c += (uint64_t)__builtin_popcountll(load64(p + 16));
        d += (uint64_t)__builtin_popcountll(load64(p + 24));
    }
    for (; n > 0; p++, n--) {
        a += (uint64_t)__builtin_popcount(*p);
    }
    return a + b + c + d;
}

int64_t bits_find(const unsigned char *p, size_t n, bool bit)
{
    const unsigned char *start = p;
    const unsigned char *end = p + n;
    unsigned char skip = bit ? 0x00 : 0xff;
    uint64_t skip64 = bit ? 0 : UINT64_MAX;

    while (end - p >= 8 && load64(p) == skip64) {
        p += 8;
    }
    while (p < end && *p == skip) {
        p++;
    }
    if (p == end) {
        return -1;
    }
    /* The first bit that differs from the skipped ones, counted from the top of the byte. */
    return (p - start) * 8 + __builtin_clz((unsigned)(*p ^ skip)) - 24;
}

uint64_t bits_get(const unsigned char *p, size_t n, uint64_t offset, unsigned width)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < width; i++, offset++) {
        uint64_t byte = offset >> 3;
        unsigned bit = byte < n ? p[byte] >> (7 - (offset & 7)) & 1u : 0;

        v = v << 1 | bit;
    }
    return v;
}

void bits_set(unsigned char *p, uint64_t offset, unsigned width, uint64_t v)
{
    while (width-- > 0) {
        unsigned char *byte = &p[offset >> 3];
        unsigned shift = 7 - (unsigned)(offset & 7);

        *byte = (unsigned char)((*byte & ~(1u << shift)) | (unsigned)(v >> width & 1) << shift);
        offset++;
    }
}

void bits_combine(enum bits_op op, unsigned char *to, const unsigned char *from, size_t n)
{
    /* Plain loops: compilers turn them into vector code. */
    switch (op) {
    case BITS_AND:
        for (size_t i = 0; i < n; i++) {
            to[i] &= from[i];
        }
        break;
    case BITS_OR:
        for (size_t i = 0; i < n; i++) {
            to[i] |= from[i];
        }
        break;
    case BITS_XOR:
        for (size_t i = 0; i < n; i++) {
            to[i] ^= from[i];
        }
        break;
    }
}
