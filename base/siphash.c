/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/siphash.c - see base/siphash.h. One round per 8-byte word, three to finish. */
#include "base/siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

uint64_t siphash13(const struct siphash_key *key, const void *p, size_t n)
{
    const unsigned char *in = p;
    uint64_t k0 = key->k[0];
    uint64_t k1 = key->k[1];
    uint64_t last = (uint64_t)n << 56; /* the length's low byte closes the last word */
    size_t rest = n & 7;
    /* "somepseudorandomlygeneratedbytes", as the paper has it. */
    struct sip s = {
        k0 ^ UINT64_C(0x736f6d6570736575),
        k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261),
        k1 ^ UINT64_C(0x7465646279746573),
    };

    for (const unsigned char *end = in + (n - rest); in != end; in += 8) {
        uint64_t m;

        memcpy(&m, in, sizeof m);
        sip_word(&s, le64toh(m));
    }
    for (size_t i = 0; i < rest; i++) {
        last |= (uint64_t)in[i] << (8 * i);
    }
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
