/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/memory.c - see node/memory.h. The programs are linked with jemalloc, sanitized builds are
 * not: its interface is looked for at run time. */
#include "node/memory.h"

#include "base/mem.h"

#include <endian.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));
void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg, const char *options)
    __attribute__((weak));
int mallctlnametomib(const char *name, size_t *mib, size_t *mib_len) __attribute__((weak));
int mallctlbymib(const size_t *mib, size_t mib_len, void *old, size_t *old_len, void *new,
                 size_t new_len) __attribute__((weak));
void *mallocx(size_t n, int flags) __attribute__((weak));
void dallocx(void *p, int flags) __attribute__((weak));

/* Flags of the last two: from and to the slabs themselves, past the thread's cache; and an
 * alignment as a power of two. */
#define TCACHE_NONE 0x100
#define LINE_BITS 6 /* a cache line */

static uint64_t statistic(const char *name)
{
    size_t v = 0;
    size_t n = sizeof v;

    return mallctl(name, &v, &n, NULL, 0) == 0 ? v : 0;
}

static uint64_t resident(void)
{
    unsigned long long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL) {
        return 0;
    }
    if (fscanf(f, "%llu %llu", &size, &pages) != 2) {
        pages = 0;
    }
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void memory_usage(struct memory_usage *out)
{
    uint64_t epoch = 1;
    size_t n = sizeof epoch;

    *out = (struct memory_usage){.rss = resident()};
    if (mallctl == NULL || mallctl("epoch", &epoch, &n, &epoch, n) != 0) {
        out->allocated = out->active = out->mapped_resident = out->rss;
        return;
    }
    out->allocated = statistic("stats.allocated");
    out->active = statistic("stats.active");
    out->mapped_resident = statistic("stats.resident");
}

uint64_t memory_allocated(void)
{
    uint64_t epoch = 1;
    size_t n = sizeof epoch;

    if (mallctl == NULL || mallctl("epoch", &epoch, &n, &epoch, n) != 0) {
        return resident();
    }
    return statistic("stats.allocated");
}

/* The allocator's counter @name of this thread: where it stands does not change. */
static const uint64_t *thread_counter(const char *name)
{
    static const uint64_t none = 0;
    const uint64_t *at = NULL;
    size_t n = sizeof at;

    return mallctl != NULL && mallctl(name, &at, &n, NULL, 0) == 0 ? at : &none;
}

int64_t memory_of_thread(void)
{
    static _Thread_local const uint64_t *allocated, *freed;

    if (allocated == NULL) {
        allocated = thread_counter("thread.allocatedp");
        freed = thread_counter("thread.deallocatedp");
    }
    return (int64_t)(*allocated - *freed);
}

uint64_t memory_of_system(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void memory_allocator(char *out)
{
    const char *version = NULL;
    size_t n = sizeof version;

    if (mallctl == NULL || mallctl("version", &version, &n, NULL, 0) != 0) {
        snprintf(out, 64, "libc");
        return;
    }
    /* "5.3.0-0-g54eaed1d...": the hash is of no use. */
    snprintf(out, 64, "jemalloc-%.*s", (int)strcspn(version, "-"), version);
}

bool memory_purge_aside(void)
{
    bool on = true;

    return mallctl != NULL && mallctl("background_thread", NULL, NULL, &on, sizeof on) == 0;
}

/* Its numbers have 1, 4 or 8 bytes: a wrong size is refused, and tells nothing. */
bool memory_setting(const char *name, int64_t *old, const int64_t *set)
{
    static const size_t sizes[] = {sizeof(uint64_t), sizeof(uint32_t), sizeof(bool)};
    int rc = ENOSYS;

    for (size_t i = 0; mallctl != NULL && i < ARRAY_LEN(sizes); i++) {
        uint64_t was = 0, now = set == NULL ? 0 : htole64((uint64_t)*set);
        size_t n = sizes[i];

        rc = mallctl(name, &was, &n, NULL, 0);
        if (rc == 0 && set != NULL) {
            rc = mallctl(name, NULL, NULL, &now, n);
        }
        *old = (int64_t)le64toh(was);
        if (rc != EINVAL) {
            break;
        }
    }
    errno = rc;
    return rc == 0;
}

bool memory_purge(void)
{
    /* "all arenas" has a number of its own, MALLCTL_ARENAS_ALL. */
    return mallctl != NULL && mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0;
}

bool memory_report(void (*write)(void *arg, const char *text), void *arg)
{
    if (malloc_stats_print == NULL) {
        return false;
    }
    malloc_stats_print(write, arg, NULL);
    return true;
}

/* ---- moving ---------------------------------------------------------------------------------- */

#define MIB_MAX 8
#define BINS_MAX 64
#define CLASS_STEP 8u /* all sizes of small classes are multiples of it */
#define CLASSES_MAX 2048

/* What "experimental.utilization.query" tells of an allocation. */
struct utilization {
    void *current; /* the slab from which its bin allocates now */
    size_t free, regions, bytes;
    size_t bin_free, bin_regions; /* in all slabs of its bin */
};

struct mib {
    size_t at[MIB_MAX];
    size_t n;
};

struct memory_mover {
    struct mover mover;
    struct mib query;
    struct mib partial; /* of a bin: slabs that are neither full nor current */
    size_t n_bins;
    size_t partial_now[BINS_MAX];
    unsigned char bin_of[CLASSES_MAX]; /* by (size - 1) / CLASS_STEP */
};

static bool mib_find(const char *name, struct mib *out)
{
    out->n = MIB_MAX;
    return mallctlnametomib != NULL && mallctlnametomib(name, out->at, &out->n) == 0;
}

static bool ask(const struct memory_mover *m, const void *p, struct utilization *u)
{
    size_t n = sizeof *u;

    return mallctlbymib(m->query.at, m->query.n, u, &n, &p, sizeof p) == 0 && n == sizeof *u;
}

/* An allocation of a slab should go when what is used of that is no more than what is used of the
 * others on average, by and large. Slabs that all are alike begin somewhere: the allocator fills up
 * the oldest, which stay from then on, and the average falls with those that empty. */
static bool wants(struct mover *mover, const void *p)
{
    struct memory_mover *m = (struct memory_mover *)mover;
    struct utilization u;
    size_t class, partial, used, used_of_partial;

    if (!ask(m, p, &u) || u.free == 0 || u.regions <= 1) {
        return false; /* full, or no slab */
    }
    if ((uintptr_t)p - (uintptr_t)u.current < u.bytes) {
        return false;
    }
    class = (u.bytes / u.regions - 1) / CLASS_STEP;
    partial = class < CLASSES_MAX ? m->partial_now[m->bin_of[class]] : 0;
    if (partial < 2 || u.bin_free < u.regions || u.bin_free > partial * u.regions) {
        return false; /* nothing to gain, or the figures are too old */
    }
    used = u.regions - u.free;
    used_of_partial = partial * u.regions - u.bin_free;
    return used * partial * 8 <= used_of_partial * 9;
}

static void *move(struct mover *mover, void *p)
{
    size_t n = malloc_usable_size(p);
    /* What has to begin a cache line has a size that consists of such. */
    void *to = mallocx(n, n % (1u << LINE_BITS) == 0 ? TCACHE_NONE | LINE_BITS : TCACHE_NONE);

    (void)mover;
    if (to == NULL) {
        return p;
    }
    memcpy(to, p, n);
    dallocx(p, TCACHE_NONE);
    return to;
}

bool memory_can_move(void)
{
    struct mib mib;

    return mallocx != NULL && dallocx != NULL && mallctlbymib != NULL &&
           mib_find("experimental.utilization.query", &mib);
}

struct memory_mover *memory_mover_new(void)
{
    struct memory_mover *m;
    unsigned bins = 0;
    size_t n = sizeof bins;

    if (!memory_can_move() || mallctl("arenas.nbins", &bins, &n, NULL, 0) != 0 || bins > BINS_MAX) {
        return NULL;
    }
    m = mem_zalloc(sizeof *m);
    m->mover = (struct mover){.wants = wants, .move = move};
    m->n_bins = bins;
    if (!mib_find("experimental.utilization.query", &m->query) ||
        !mib_find("stats.arenas.0.bins.0.nonfull_slabs", &m->partial)) {
        memory_mover_free(m);
        return NULL;
    }
    for (unsigned i = 0; i < bins; i++) {
        char name[64];
        size_t size;

        snprintf(name, sizeof name, "arenas.bin.%u.size", i);
        size = (size_t)statistic(name);
        if (size > 0 && (size - 1) / CLASS_STEP < CLASSES_MAX) {
            m->bin_of[(size - 1) / CLASS_STEP] = (unsigned char)i;
        }
    }
    return m;
}

void memory_mover_free(struct memory_mover *m) { free(m); }

struct mover *memory_mover(struct memory_mover *m) { return &m->mover; }

void memory_mover_look(struct memory_mover *m)
{
    uint64_t epoch = 1;
    unsigned arena = 0;
    size_t n = sizeof epoch;

    (void)mallctl("epoch", &epoch, &n, &epoch, n);
    n = sizeof arena;
    (void)mallctl("thread.arena", &arena, &n, NULL, 0);
    m->partial.at[2] = arena;
    for (size_t i = 0; i < m->n_bins; i++) {
        n = sizeof m->partial_now[i];
        m->partial.at[4] = i;
        if (mallctlbymib(m->partial.at, m->partial.n, &m->partial_now[i], &n, NULL, 0) != 0) {
            m->partial_now[i] = 0;
        }
    }
}
