/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/rand.c - see base/rand.h. xoshiro256** and splitmix64: Blackman and Vigna, 2018 (public
 * domain algorithms). */
#include "base/rand.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void rng_init(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++) {
        r->s[i] = splitmix64(&seed);
    }
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Lemire 2019: the high half of a 128-bit product is uniform once the few low halves that would
 * favour some results are thrown away. */
uint64_t rng_below(struct rng *r, uint64_t n)
{
    unsigned __int128 m;

    assert(n > 0);
    m = (unsigned __int128)rng_next(r) * n;
    if ((uint64_t)m < n) {
        uint64_t reject_below = (0 - n) % n;

        while ((uint64_t)m < reject_below) {
            m = (unsigned __int128)rng_next(r) * n;
        }
    }
    return (uint64_t)(m >> 64);
}

void rand_bytes(void *p, size_t n)
{
    char *out = p;

    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            log_fatal("The system gives no random numbers: %s", strerror(errno));
        }
        out += got;
        n -= (size_t)got;
    }
}

void rand_hex(char *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    rand_bytes(out, len);
    for (size_t i = 0; i < len; i++) {
        out[i] = digits[(unsigned char)out[i] & 15];
    }
    out[len] = '\0';
}
