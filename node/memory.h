/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/memory.h - what the process holds, as the allocator and the system count it, and moving
 * it. Any thread, but a mover. */
#ifndef NODE_MEMORY_H
#define NODE_MEMORY_H

#include "node/keyspace/mover.h"

struct memory_usage {
    uint64_t allocated;               /* handed out by the allocator; without jemalloc: resident */
    uint64_t active, mapped_resident; /* jemalloc: pages in use, pages held; else as allocated */
    uint64_t rss;                     /* of the process */
};
void memory_usage(struct memory_usage *out);
uint64_t memory_allocated(void); /* .allocated alone */
/* Bytes that the calling thread has allocated, less what it has freed, whoever did the other half;
 * only differences mean something. O(1). 0 without jemalloc. */
int64_t memory_of_thread(void);
uint64_t memory_of_system(void);
/* "jemalloc-5.3.0", or "libc". @out: 64 bytes. */
void memory_allocator(char *out);

/* A number of jemalloc's, by its name there; @set (may be NULL): what it becomes. False, and errno:
 * there is no such number, it cannot be set so, or another allocator is at work. */
MUST_CHECK bool memory_setting(const char *name, int64_t *old, const int64_t *set);

/* Have the allocator give back now what it can. May take long. False: not available. */
bool memory_purge(void);
/* The allocator's own report of itself: calls @write with pieces of text. False: it has none. */
MUST_CHECK bool memory_report(void (*write)(void *arg, const char *text), void *arg);

/* Have the allocator give pages back to the system in a thread of its own: done by whoever frees,
 * one value of 300 MB holds a thread up for hundreds of milliseconds. Once, after the last fork of
 * the start. False: not available (another allocator). */
bool memory_purge_aside(void);

/* ---- moving ------------------------------------------------------------------------------------
 *
 * A mover that packs: an allocation leaves its slab when that is emptier than others of its size
 * are, and goes to where the allocator fills up. So slabs become full, or empty and are given back.
 * Allocations that have pages of their own (above 14 KiB) stay. */

bool memory_can_move(void); /* jemalloc, with what it can tell of single allocations */
struct memory_mover;
struct memory_mover *memory_mover_new(void); /* NULL: not available */
void memory_mover_free(struct memory_mover *m);
/* To be called by the thread that moves, now and again: how full slabs are by and large. Takes some
 * 10 us. */
void memory_mover_look(struct memory_mover *m);
struct mover *memory_mover(struct memory_mover *m);

#endif
