/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/migrate.h - a MIGRATE under way: values on their way to another server.
 *
 *   COMMIT      what was read may still be undone, or another may lead by now: it must not leave
 *   LOOK_UP     the target's name is being resolved, on a bg thread
 *   CONNECT
 *   HELLO       AUTH and SELECT are out; without both there is no such phase
 *   KEYS        RESTORE of every key, sent at once; replies come in order
 *   END         the outcome is known; the handler is called again (exec_again()), which deletes
 *               here what arrived there, and replies. Waits while the group holds commands back.
 *
 * The exec loop is never held: the client is (client_wait()), and others read and write the keys
 * meanwhile. So each key is compared with what was sent before it is deleted: one that has changed
 * stays. When the client goes away the connection is closed and nothing is deleted. Exec thread
 * only. */
#ifndef NODE_MIGRATE_H
#define NODE_MIGRATE_H

#include "base/buf.h"
#include "base/net.h"
#include "node/command/command.h"

#include <ev.h>

struct migrate_lookup;

enum migrate_phase {
    MIGRATE_COMMIT,
    MIGRATE_LOOK_UP,
    MIGRATE_CONNECT,
    MIGRATE_HELLO,
    MIGRATE_KEYS,
    MIGRATE_END,
};

enum migrate_outcome {
    MIGRATE_DONE,
    MIGRATE_CANNOT_CONNECT,
    MIGRATE_CANNOT_WRITE,
    MIGRATE_CANNOT_READ,
    MIGRATE_NOT_COMMITTED, /* nothing was sent */
};

struct migrated_key {
    struct arg name;             /* in .argv */
    size_t payload, payload_len; /* in .out */
    int64_t expire_at;
    bool restored; /* the target has it */
    bool replaced; /* by a RESTORE here, maybe of what was sent: the target is this node */
};

#define MIGRATE_ERROR_MAX 256
/* What became of the keys is not known: MOVED would say that nothing did. */
#define MIGRATE_LOST_ERROR                                                                         \
    "ERR this node does not lead any more: the keys were not deleted here, and may be on the "     \
    "target as well"

struct migration {
    struct migration *next; /* of the node's */
    struct client *client;
    const struct command *command;
    struct arg *argv; /* a copy, one allocation */
    int argc;
    struct group *group;
    uint32_t db;
    int slot;
    bool copy, replace;

    uint64_t term, batch; /* of the group when the keys were read: leadership, the open batch */
    uint64_t gate;        /* batch that must be committed before anything is sent */
    uint64_t executed;    /* reads up to this one must be confirmed likewise */
    struct migrated_key *keys;
    size_t n_keys;

    struct net_addr target;
    int64_t timeout_us; /* the longest time without progress */
    struct buf hello;   /* AUTH and SELECT, and how many of them */
    size_t n_hello;
    struct buf out; /* RESTORE ... */

    enum migrate_phase phase;
    enum migrate_phase phase_reached; /* KEYS: the target may have some */
    enum migrate_outcome outcome;
    char error[MIGRATE_ERROR_MAX]; /* the target's first, without '-'; "": none */
    struct migrate_lookup *lookup;
    int fd;
    struct ev_io io;
    struct ev_timer timer;
    int64_t since_us; /* of the last progress */
    size_t sent;      /* bytes of this phase's buffer */
    size_t replies;   /* in this phase */
    size_t came_back; /* .keys that RESTORE has brought here, in their order */
    struct buf in;
};

/* Of @c, else empty: to be filled down to .out. */
struct migration *migrate_new(struct client *c);
/* Take it over: hold its client back and go on from there. */
void migrate_begin(struct migration *m);
/* That of a client whose command is called again; not the caller's. */
struct migration *migrate_of(const struct client *c);
void migrate_free(struct migration *m); /* one that was not begun */
/* The command has set the key @name by RESTORE. */
void migrate_note_restored(const struct cmd *c, const struct arg *name);

#endif
