/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/event.c - words and events: what needs no thread. */
#include "raft/host.h"

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
    free(e->data);
    free(e);
}
