/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/hll.c - see node/hll.h. */
#include "node/hll.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define REGISTER_BITS 14 /* of the hash: which register */
#define RANK_BITS 50     /* the rest of the hash */
#define RANK_MAX (RANK_BITS + 1)
#define DENSE_BITS 6
#define DENSE_MASK 0x3fu
#define ENCODING_AT 4
#define COUNT_AT 8
#define COUNT_STALE_AT 15 /* the byte whose highest bit says so */
#define COUNT_STALE 0x80u

#define RUN_RANK 0x80u /* bits of a run's first byte */
#define RUN_LONG 0x40u
#define ZERO_RUN_MAX 64u
#define RANK_RUN_MAX 4u
#define RANK_RUN_RANK_MAX 32u
#define MERGE_STEPS 5 /* runs looked at after a change: none farther away can have changed */

#define HASH_SEED UINT64_C(0xadc83b19)
#define HASH_M UINT64_C(0xc6a4a7935bd1e995)
#define HASH_R 47

/* 1 / (2 ln 2): the constant of the estimate for many registers. */
#define ALPHA_INF 0.721347520444481703680

static const unsigned char magic[4] = {'H', 'Y', 'L', 'L'};

/* ---- elements ------------------------------------------------------------------------------ */

static uint64_t load_u64le(const unsigned char *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

/* MurmurHash64A: the seed of all HyperLogLogs is the same, or they could not be merged. */
static uint64_t hash_of(const unsigned char *p, size_t n)
{
    uint64_t h = HASH_SEED ^ (n * HASH_M);
    size_t rest = n % 8;

    for (const unsigned char *end = p + (n - rest); p < end; p += 8) {
        uint64_t k = load_u64le(p) * HASH_M;

        h = (h ^ ((k ^ k >> HASH_R) * HASH_M)) * HASH_M;
    }
    if (rest > 0) {
        for (size_t i = 0; i < rest; i++) {
            h ^= (uint64_t)p[i] << (8 * i);
        }
        h *= HASH_M;
    }
    h = (h ^ h >> HASH_R) * HASH_M;
    return h ^ h >> HASH_R;
}

struct hll_place hll_place_of(const void *element, size_t n)
{
    uint64_t h = hash_of(element, n);
    uint64_t rest = h >> REGISTER_BITS | UINT64_C(1) << RANK_BITS; /* ends there at the latest */

    return (struct hll_place){
        .reg = (unsigned)(h & (HLL_REGISTERS - 1)),
        .rank = (unsigned)__builtin_ctzll(rest) + 1,
    };
}

/* ---- the header ---------------------------------------------------------------------------- */

bool hll_is(const void *p, size_t n)
{
    const unsigned char *bytes = p;

    if (n < HLL_HEADER_BYTES || memcmp(bytes, magic, sizeof magic) != 0) {
        return false;
    }
    return bytes[ENCODING_AT] == HLL_SPARSE ||
           (bytes[ENCODING_AT] == HLL_DENSE && n == HLL_DENSE_BYTES);
}

enum hll_encoding hll_encoding_of(const void *p)
{
    return (enum hll_encoding)((const unsigned char *)p)[ENCODING_AT];
}

bool hll_stored_count(const void *p, uint64_t *count)
{
    const unsigned char *bytes = p;

    *count = load_u64le(bytes + COUNT_AT);
    return (bytes[COUNT_STALE_AT] & COUNT_STALE) == 0;
}

void hll_forget_count(unsigned char *p) { p[COUNT_STALE_AT] |= COUNT_STALE; }

/* ---- dense registers ----------------------------------------------------------------------- */

unsigned hll_dense_get(const unsigned char *p, unsigned reg)
{
    unsigned bit = reg * DENSE_BITS;
    const unsigned char *at = p + HLL_HEADER_BYTES + bit / 8;
    unsigned shift = bit % 8;
    unsigned v = at[0] >> shift;

    if (shift > 8 - DENSE_BITS) {
        v |= (unsigned)at[1] << (8 - shift);
    }
    return v & DENSE_MASK;
}

void hll_dense_set(unsigned char *p, unsigned reg, unsigned rank)
{
    unsigned bit = reg * DENSE_BITS;
    unsigned char *at = p + HLL_HEADER_BYTES + bit / 8;
    unsigned shift = bit % 8;
    unsigned mask = DENSE_MASK << shift;
    unsigned v = rank << shift;

    at[0] = (unsigned char)((at[0] & ~mask) | v);
    if (shift > 8 - DENSE_BITS) {
        at[1] = (unsigned char)((at[1] & ~(mask >> 8)) | v >> 8);
    }
}

/* ---- sparse registers ---------------------------------------------------------------------- */

bool hll_run_at(const unsigned char *p, const unsigned char *end, struct hll_run *out)
{
    if (p >= end) {
        return false;
    }
    if (p[0] & RUN_RANK) {
        *out = (struct hll_run){1, (p[0] & 3u) + 1, (p[0] >> 2 & 31u) + 1};
    } else if (p[0] & RUN_LONG) {
        if (p + 1 == end) {
            return false;
        }
        *out = (struct hll_run){2, ((p[0] & 63u) << 8 | p[1]) + 1, 0};
    } else {
        *out = (struct hll_run){1, (p[0] & 63u) + 1, 0};
    }
    return true;
}

static unsigned char *write_zeros(unsigned char *p, unsigned n)
{
    if (n > ZERO_RUN_MAX) {
        *p++ = (unsigned char)(RUN_LONG | (n - 1) >> 8);
    }
    if (n > 0) {
        *p++ = (unsigned char)(n - 1);
    }
    return p;
}

static unsigned char *write_ranks(unsigned char *p, unsigned n, unsigned rank)
{
    if (n > 0) {
        *p++ = (unsigned char)(RUN_RANK | (rank - 1) << 2 | (n - 1));
    }
    return p;
}

static unsigned char *write_run(unsigned char *p, unsigned n, unsigned rank)
{
    return rank == 0 ? write_zeros(p, n) : write_ranks(p, n, rank);
}

/* Calls for each run, which begins at register @from. False: they are not HLL_REGISTERS in all. */
typedef void run_fn(void *arg, unsigned from, const struct hll_run *r);

static bool each_run(const unsigned char *p, size_t n, run_fn *fn, void *arg)
{
    const unsigned char *at = p + HLL_HEADER_BYTES, *end = p + n;
    struct hll_run r;
    unsigned reg = 0;

    while (at < end) {
        if (!hll_run_at(at, end, &r) || r.n > HLL_REGISTERS - reg) {
            return false;
        }
        fn(arg, reg, &r);
        reg += r.n;
        at += r.bytes;
    }
    return reg == HLL_REGISTERS;
}

static void put_dense(void *arg, unsigned from, const struct hll_run *r)
{
    for (unsigned i = 0; r->rank > 0 && i < r->n; i++) {
        hll_dense_set(arg, from + i, r->rank);
    }
}

bool hll_make_dense(struct hll *h)
{
    unsigned char dense[HLL_DENSE_BYTES] = {0};

    if (hll_encoding_of(h->bytes) == HLL_DENSE) {
        return true;
    }
    memcpy(dense, h->bytes, HLL_HEADER_BYTES);
    dense[ENCODING_AT] = HLL_DENSE;
    if (!each_run(h->bytes, h->n, put_dense, dense)) {
        return false;
    }
    memcpy(h->bytes, dense, sizeof dense);
    h->n = sizeof dense;
    return true;
}

/* ---- raising ------------------------------------------------------------------------------- */

void hll_init(struct hll *h)
{
    memset(h->bytes, 0, HLL_HEADER_BYTES);
    memcpy(h->bytes, magic, sizeof magic);
    h->bytes[ENCODING_AT] = HLL_SPARSE;
    h->n = (size_t)(write_zeros(h->bytes + HLL_HEADER_BYTES, HLL_REGISTERS) - h->bytes);
}

bool hll_load(struct hll *h, const void *p, size_t n)
{
    if (n > HLL_SPARSE_BYTES_MAX) {
        return false;
    }
    memcpy(h->bytes, p, n);
    h->n = n;
    return true;
}

static int raise_dense(struct hll *h, struct hll_place at)
{
    if (hll_dense_get(h->bytes, at.reg) >= at.rank) {
        return 0;
    }
    hll_dense_set(h->bytes, at.reg, at.rank);
    return 1;
}

static int make_dense_and_raise(struct hll *h, struct hll_place at)
{
    return hll_make_dense(h) ? raise_dense(h, at) : -1;
}

/* Where a register is: its run, the run before it, the first register of the run. */
struct spot {
    unsigned char *at, *before; /* before: NULL for the first run */
    struct hll_run run;
    unsigned from;
};

static bool find_run(struct hll *h, unsigned reg, struct spot *s)
{
    unsigned char *end = h->bytes + h->n;

    *s = (struct spot){.at = h->bytes + HLL_HEADER_BYTES};
    while (hll_run_at(s->at, end, &s->run)) {
        if (reg - s->from < s->run.n) {
            return true;
        }
        s->before = s->at;
        s->at += s->run.bytes;
        s->from += s->run.n;
    }
    return false;
}

/* Runs of one rank that stand side by side from @p on become one, where it holds that many. */
static void merge_runs(struct hll *h, unsigned char *p)
{
    unsigned char *end = h->bytes + h->n;
    struct hll_run a, b;

    for (int steps = 0; steps < MERGE_STEPS && hll_run_at(p, end, &a); steps++) {
        if (a.rank > 0 && hll_run_at(p + 1, end, &b) && b.rank == a.rank &&
            a.n + b.n <= RANK_RUN_MAX) {
            memmove(p, p + 1, (size_t)(end - p) - 1);
            (void)write_ranks(p, a.n + b.n, a.rank);
            end--;
            h->n--;
        } else {
            p += a.bytes;
        }
    }
}

/* A run in three parts: what is before the register, the register, what is behind it. */
static size_t split_run(const struct spot *s, struct hll_place at, unsigned char parts[5])
{
    unsigned char *p = write_run(parts, at.reg - s->from, s->run.rank);

    p = write_ranks(p, 1, at.rank);
    p = write_run(p, s->from + s->run.n - 1 - at.reg, s->run.rank);
    return (size_t)(p - parts);
}

int hll_raise(struct hll *h, struct hll_place at, int64_t sparse_bytes_max)
{
    unsigned char parts[5], *behind;
    struct spot s;
    size_t n;

    assert(at.reg < HLL_REGISTERS);
    if (hll_encoding_of(h->bytes) == HLL_DENSE) {
        return raise_dense(h, at);
    }
    if (at.rank > RANK_RUN_RANK_MAX) {
        return make_dense_and_raise(h, at);
    }
    if (!find_run(h, at.reg, &s)) {
        return -1;
    }
    if (s.run.rank >= at.rank) {
        return 0;
    }
    n = split_run(&s, at, parts);
    if (n > s.run.bytes && (int64_t)(h->n + n - s.run.bytes) > sparse_bytes_max) {
        return make_dense_and_raise(h, at);
    }
    if (h->n + n - s.run.bytes > sizeof h->bytes) {
        return -1; /* longer than a sound one could become */
    }
    behind = s.at + s.run.bytes;
    memmove(s.at + n, behind, (size_t)(h->bytes + h->n - behind));
    memcpy(s.at, parts, n);
    h->n += n - s.run.bytes;
    merge_runs(h, s.before != NULL ? s.before : h->bytes + HLL_HEADER_BYTES);
    return 1;
}

/* ---- counting ------------------------------------------------------------------------------ */

/* Registers by rank: all that the estimate needs. */
struct histogram {
    unsigned n[DENSE_MASK + 1];
};

static void count_run(void *arg, unsigned from, const struct hll_run *r)
{
    struct histogram *hist = arg;

    (void)from;
    hist->n[r->rank] += r->n;
}

/* Ertl's sigma: what the registers that are still 0 add. */
static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x == 1) {
        return INFINITY;
    }
    do {
        before = z;
        x *= x;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

/* Ertl's tau: what those that can rise no further add. */
static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x == 0 || x == 1) {
        return 0;
    }
    do {
        before = z;
        x = sqrt(x);
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static uint64_t estimate(const struct histogram *hist)
{
    double m = HLL_REGISTERS;
    double z = m * tau((m - hist->n[RANK_MAX]) / m);

    for (unsigned rank = RANK_BITS; rank >= 1; rank--) {
        z = (z + hist->n[rank]) * 0.5;
    }
    z += m * sigma(hist->n[0] / m);
    return (uint64_t)llround(ALPHA_INF * m * m / z);
}

bool hll_count(const void *p, size_t n, uint64_t *count)
{
    struct histogram hist = {{0}};

    if (hll_encoding_of(p) == HLL_SPARSE) {
        if (!each_run(p, n, count_run, &hist)) {
            return false;
        }
    } else {
        for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
            hist.n[hll_dense_get(p, reg)]++;
        }
    }
    *count = estimate(&hist);
    return true;
}

uint64_t hll_count_ranks(const uint8_t ranks[HLL_REGISTERS])
{
    struct histogram hist = {{0}};

    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        assert(ranks[reg] <= DENSE_MASK);
        hist.n[ranks[reg]]++;
    }
    return estimate(&hist);
}

static void raise_ranks(void *arg, unsigned from, const struct hll_run *r)
{
    uint8_t *ranks = arg;

    for (unsigned i = 0; i < r->n; i++) {
        ranks[from + i] = (uint8_t)MAX_OF((unsigned)ranks[from + i], r->rank);
    }
}

bool hll_merge(uint8_t ranks[HLL_REGISTERS], const void *p, size_t n)
{
    if (hll_encoding_of(p) == HLL_SPARSE) {
        return each_run(p, n, raise_ranks, ranks);
    }
    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        unsigned rank = hll_dense_get(p, reg);

        ranks[reg] = (uint8_t)MAX_OF((unsigned)ranks[reg], rank);
    }
    return true;
}

/* ---- self test ----------------------------------------------------------------------------- */

#define TEST_ELEMENTS 100000u
#define TEST_ERRORS 4 /* so many standard errors away is a fault */

static bool packing_works(struct hll *h)
{
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
            hll_dense_set(h->bytes, reg, (reg * 37 + round) & DENSE_MASK);
        }
        for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
            if (hll_dense_get(h->bytes, reg) != ((reg * 37 + round) & DENSE_MASK)) {
                return false;
            }
        }
    }
    return true;
}

/* Both encodings give the same estimate, and it is close enough. */
static bool estimate_is_close(const struct hll *dense, const struct hll *sparse, double n)
{
    double allowed = MAX_OF(1.04 / sqrt(HLL_REGISTERS) * TEST_ERRORS * n, 1.0);
    uint64_t a, b;

    return hll_count(dense->bytes, dense->n, &a) && hll_count(sparse->bytes, sparse->n, &b) &&
           a == b && fabs((double)a - n) <= allowed;
}

const char *hll_self_test(void)
{
    struct hll dense, sparse;
    unsigned next = 1;

    hll_init(&dense);
    if (!hll_make_dense(&dense) || !packing_works(&dense)) {
        return "registers do not keep their values";
    }
    hll_init(&dense);
    if (!hll_make_dense(&dense)) {
        return "an empty one cannot be made dense";
    }
    hll_init(&sparse);
    for (unsigned i = 1; i <= TEST_ELEMENTS; i++) {
        unsigned char element[8] = {(unsigned char)i, (unsigned char)(i >> 8),
                                    (unsigned char)(i >> 16)};
        struct hll_place at = hll_place_of(element, sizeof element);

        if (hll_raise(&dense, at, 0) < 0 || hll_raise(&sparse, at, (int64_t)HLL_DENSE_BYTES) < 0) {
            return "an element cannot be added";
        }
        if (i == next) {
            next *= 10;
            if (!estimate_is_close(&dense, &sparse, i)) {
                return "an estimate is too far away";
            }
        }
    }
    return NULL;
}
