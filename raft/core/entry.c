/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/entry.c - see raft/entry.h. The count is the only thing in an entry that threads share
 * while it changes. */
#include "raft/entry.h"

#include <stdlib.h>

struct raft_entry *raft_entry_new(enum raft_entry_type type, uint32_t size)
{
    struct raft_entry *e = malloc(sizeof *e + size);

    if (e == NULL) {
        return NULL;
    }
    *e = (struct raft_entry){.refs = 1, .type = (uint8_t)type, .size = size};
    return e;
}

struct raft_entry *raft_entry_ref(struct raft_entry *e)
{
    uint32_t before = __atomic_fetch_add(&e->refs, 1, __ATOMIC_RELAXED);

    assert(before > 0);
    assert(before < UINT32_MAX);
    return e;
}

void raft_entry_unref(struct raft_entry *e)
{
    uint32_t before;

    if (e == NULL) {
        return;
    }
    /* Acquire and release: the last holder sees every other holder's last access. */
    before = __atomic_fetch_sub(&e->refs, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before == 1) {
        free(e);
    }
}
