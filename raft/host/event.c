/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/event.c - words and events: what needs no thread. */
#include "raft/host/event.h"

#include "base/mem.h"

#include <stdlib.h>

const char *raft_host_strerror(int error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case name:                                                                                     \
        return text;
        RAFT_HOST_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

void raft_event_free(struct raft_event *e)
{
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->n_entries; i++) {
        raft_entry_unref(e->entries[i]);
    }
    if (e->seen != NULL) {
        atomic_store(&e->seen->by_owner, true);
        raft_event_seen_unref(e->seen);
    }
    if (e->tally != NULL) {
        atomic_fetch_sub(&e->tally->bytes, e->size);
        raft_event_tally_unref(e->tally);
    }
    free(e->data);
    free(e);
}

struct raft_event_tally *raft_event_tally_new(void)
{
    struct raft_event_tally *t = mem_alloc(sizeof *t);

    atomic_init(&t->bytes, 0);
    atomic_init(&t->refs, 1);
    return t;
}

void raft_event_tally_unref(struct raft_event_tally *t)
{
    if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1) {
        free(t);
    }
}

struct raft_event_seen *raft_event_seen_new(void)
{
    struct raft_event_seen *s = mem_alloc(sizeof *s);

    atomic_init(&s->by_owner, false);
    atomic_init(&s->refs, 2);
    return s;
}

void raft_event_seen_unref(struct raft_event_seen *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        free(s);
    }
}
