/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/crc.c - see base/crc.h. The tables come from base/crc_tables_gen.c at build time. */
#include "base/crc.h"

#include "base/crc_impl.h"

#include <endian.h>
#include <string.h>

#include "crc_tables.gen.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *s = p;
    const uint32_t(*t)[256] = crc32c_table;

    crc = ~crc;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t v = load_le64(s) ^ crc;

        crc = t[7][v & 0xff] ^ t[6][(v >> 8) & 0xff] ^ t[5][(v >> 16) & 0xff] ^
              t[4][(v >> 24) & 0xff] ^ t[3][(v >> 32) & 0xff] ^ t[2][(v >> 40) & 0xff] ^
              t[1][(v >> 48) & 0xff] ^ t[0][v >> 56];
    }
    for (; n > 0; n--, s++) {
        crc = (crc >> 8) ^ t[0][(crc ^ *s) & 0xff];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_sse42(uint32_t crc, const void *p,
                                                                  size_t n)
{
    const uint8_t *s = p;
    uint64_t c = ~crc;

    for (; n >= 8; n -= 8, s += 8) {
        c = _mm_crc32_u64(c, load_le64(s));
    }
    for (; n > 0; n--, s++) {
        c = _mm_crc32_u8((uint32_t)c, *s);
    }
    return ~(uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    if (LIKELY(__builtin_cpu_supports("sse4.2"))) {
        return crc32c_by_sse42(crc, p, n);
    }
#endif
    return crc32c_by_table(crc, p, n);
}

uint64_t crc64_jones(uint64_t crc, const void *p, size_t n)
{
    const uint8_t *s = p;
    const uint64_t(*t)[256] = crc64_table;

    for (; n >= 8; n -= 8, s += 8) {
        uint64_t v = load_le64(s) ^ crc;

        crc = t[7][v & 0xff] ^ t[6][(v >> 8) & 0xff] ^ t[5][(v >> 16) & 0xff] ^
              t[4][(v >> 24) & 0xff] ^ t[3][(v >> 32) & 0xff] ^ t[2][(v >> 40) & 0xff] ^
              t[1][(v >> 48) & 0xff] ^ t[0][v >> 56];
    }
    for (; n > 0; n--, s++) {
        crc = (crc >> 8) ^ t[0][(crc ^ *s) & 0xff];
    }
    return crc;
}

uint16_t crc16_xmodem(const void *p, size_t n)
{
    const uint8_t *s = p;
    unsigned crc = 0;

    for (; n > 0; n--, s++) {
        crc = ((crc << 8) & 0xffffu) ^ crc16_table[(crc >> 8) ^ *s];
    }
    return (uint16_t)crc;
}
