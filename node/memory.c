/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/memory.c - see node/memory.h. The programs are linked with jemalloc, sanitized builds are
 * not: its interface is looked for at run time. */
#include "node/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));
void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg, const char *options)
    __attribute__((weak));

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
