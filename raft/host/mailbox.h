/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/mailbox.h - what the raft thread is told by the other threads.
 *
 * Messages are plain values in one array that the raft thread swaps for its own: no allocation per
 * message, one short lock per put, one wake-up however many were put. In order of arrival.
 * Bounded by its users: proposals by the owner's back-pressure, answers by the questions asked. */
#ifndef RAFT_HOST_MAILBOX_H
#define RAFT_HOST_MAILBOX_H

#include "base/base.h"
#include "raft/raft.h"

#include <ev.h>
#include <pthread.h>

struct log_job;
struct snap_in;
struct snap_out;
struct host_peer_list;
struct host_create;
struct host_send;
struct resolved;
struct raft_identity;

enum mail_type {
    /* from the owner */
    MAIL_PROPOSE,       /* .entry */
    MAIL_APPLIED,       /* .index */
    MAIL_FEED,          /* .feed */
    MAIL_READ,          /* .token */
    MAIL_TRANSFER,      /* .node */
    MAIL_CHANGE,        /* .members, an allocation */
    MAIL_SNAPSHOT_DONE, /* .pos */
    MAIL_PRIORITY,      /* .priority */
    MAIL_CREATE,        /* .create, an allocation */
    MAIL_PEERS,         /* .peers, an allocation */
    MAIL_IDENTITY,      /* .identity, an allocation */
    MAIL_SEND,          /* .send, an allocation */
    MAIL_STOP,
    /* from the log thread */
    MAIL_LOG_DONE, /* .job */
    MAIL_LOG_FULL, /* .full */
    /* from the snapshot streams */
    MAIL_SNAP_IN,  /* .snap_in: a file was received */
    MAIL_SNAP_OUT, /* .snap_out: a stream ended */
    MAIL_RESOLVED, /* .resolved, an allocation */
    MAIL_CLOSE,    /* .fd: a socket that was accepted in the raft thread's loop */
};

struct mail {
    uint8_t type; /* enum mail_type */
    uint8_t priority;
    bool full;
    uint32_t group;
    union {
        struct raft_entry *entry;
        uint64_t index;
        struct {
            uint64_t index, epoch;
        } feed;
        uint64_t token;
        uint64_t node;
        struct raft_members *members;
        struct raft_pos pos;
        struct host_create *create;
        struct host_peer_list *peers;
        struct host_send *send;
        struct raft_identity *identity;
        struct resolved *resolved;
        int fd;
        struct log_job *job;
        struct snap_in *snap_in;
        struct snap_out *snap_out;
    };
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *items;
    size_t n, cap;
    bool woken;  /* the consumer will look again, no need to wake it */
    bool hungry; /* even mail that can wait should wake the consumer */
    bool attached;
    struct ev_loop *loop;
    struct ev_async async;
    struct mail *taken; /* consumer's: the array it swapped in */
    size_t taken_cap;
};

void mailbox_init(struct mailbox *m);
void mailbox_release(struct mailbox *m); /* empty it first: mailbox_take() */
void mailbox_attach(struct mailbox *m, struct ev_loop *loop, void (*cb)(EV_P_ ev_async *, int));
void mailbox_detach(struct mailbox *m);

/* Any thread. @wake: the consumer should look soon; else it will see it when it looks next. */
void mailbox_put(struct mailbox *m, const struct mail *item, bool wake);
void mailbox_put_all(struct mailbox *m, const struct mail *items, size_t n);
/* As mailbox_put(), for MAIL_APPLIED: replaces the last item when that is one of the same group.
 * Wakes a hungry consumer only. */
void mailbox_put_applied(struct mailbox *m, uint32_t group, uint64_t index);
void mailbox_wake(struct mailbox *m);

/* Consumer: everything that is there; valid until the next call. */
size_t mailbox_take(struct mailbox *m, struct mail **out);
/* Consumer, before it sleeps: does MAIL_APPLIED wake it too? */
void mailbox_set_hungry(struct mailbox *m, bool hungry);

#endif
