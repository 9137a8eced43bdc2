/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/client.h - a client connection: its input, its state, its output behind gates.
 *
 * Output is one byte stream, out; bytes up to released may be written to the socket. What stands
 * behind it is cut into segments, one per reply, each with the gate it waits for:
 *
 *     out:  [ written | released | segment: gate | segment: gate | ... ]
 *
 * A segment opens in order only. When its group's leadership is lost and its batch is gone, its
 * bytes are replaced by an error that says where to go (node/gate.c). A reply that depends on
 * several groups has a segment for each, all but the last without bytes.
 *
 * What a client did not ask for (messages, invalidations, MONITOR) is pushed: it goes behind the
 * replies before it, whole, never into the middle of one (client_push()). */
#ifndef NODE_CLIENT_H
#define NODE_CLIENT_H

#include "base/buf.h"
#include "base/hmap.h"
#include "base/net.h"
#include "node/command/command.h"
#include "node/config.h"

#include <ev.h>

struct node;
struct group;
struct acl_user; /* node/acl_user.h */

/* Doubly linked list node; a list head is one whose ends meet. */
struct link {
    struct link *next, *prev;
};
static inline void link_init(struct link *l) { l->next = l->prev = l; }
static inline bool link_is_in(const struct link *l) { return l->next != l; }
static inline void link_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    link_init(l);
}
static inline void link_append(struct link *head, struct link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* One reply that may not leave yet. */
struct segment {
    uint64_t end;        /* stream offset behind it */
    uint64_t gate;       /* batch of .group that must be committed; 0: none */
    uint64_t executed;   /* node->executions then: the lease must have been valid after it */
    struct group *group; /* NULL: no gate, only in order */
    uint16_t slot;       /* where its client is sent; ROUTE_ANY_SLOT: one of the group's */
    bool needs_lease;
    bool joined;            /* of one reply with the next segment, which has its bytes */
    bool others_wrote;      /* the command has changed data in another group of that reply */
    const char *lost_error; /* in place of a redirection (struct cmd) */
};

enum client_flag {
    CLIENT_MULTI = 1u << 0,       /* between MULTI and EXEC */
    CLIENT_DIRTY_EXEC = 1u << 1,  /* a command was refused while queueing */
    CLIENT_DIRTY_CAS = 1u << 2,   /* a watched key changed */
    CLIENT_READONLY = 1u << 3,    /* READONLY: reads on followers */
    CLIENT_ASKING = 1u << 4,      /* for the next command */
    CLIENT_CLOSE_ASAP = 1u << 5,  /* freed at the end of the turn */
    CLIENT_CLOSE_AFTER = 1u << 6, /* closed once the output is out */
    CLIENT_REPLY_OFF = 1u << 7,
    CLIENT_REPLY_SKIP = 1u << 8, /* the reply of this command is dropped */
    CLIENT_REPLY_SKIP_NEXT = 1u << 9,
    CLIENT_PARKED = 1u << 10,  /* its next command waits for its group */
    CLIENT_BLOCKED = 1u << 11, /* WAIT, WAITAOF, CLUSTER FAILOVER ...: see block_fn */
    CLIENT_PAUSED = 1u << 12,  /* held by CLIENT PAUSE */
    CLIENT_NO_EVICT = 1u << 13,
    CLIENT_NO_TOUCH = 1u << 14,
    CLIENT_AUTHENTICATED = 1u << 15,
    CLIENT_CAN_REDIRECT = 1u << 16,    /* CLIENT CAPA REDIRECT */
    CLIENT_READING_STOPPED = 1u << 17, /* back-pressure */
    CLIENT_AWAITS_CHANGE = 1u << 18,   /* BLOCKED until a change is decided: not to be unblocked */
    CLIENT_PUBSUB = 1u << 20,          /* it has subscriptions */
    CLIENT_MONITOR = 1u << 21,
    CLIENT_EXECUTING = 1u << 22, /* its command runs now */
};

enum sub_kind { SUB_CHANNEL, SUB_PATTERN, SUB_SHARD, SUB_KINDS }; /* node/pubsub.h */

/* A queued command of MULTI, with its own copies. */
struct queued {
    const struct command *command;
    struct arg *argv;
    int argc;
};

struct client {
    struct node *node;
    uint64_t id;
    int fd;
    uint32_t flags;
    uint32_t db;
    const struct acl_user *user; /* node/acl.h: valid as long as the client is */
    struct ev_io reader, writer;

    struct buf in;
    struct resp_parser parser;

    struct resp_out reply; /* into out */
    struct buf out;
    uint64_t out_base;        /* stream offset of out's head: bytes written so far */
    uint64_t released;        /* stream offset up to which bytes may be written */
    struct segment *segments; /* ring */
    uint32_t seg_head, seg_n, seg_cap;
    struct link gate_link;  /* in the wait list of its first segment's gate */
    struct link dirty_link; /* in node->clients.dirty: look at it at the end of the turn */
    int64_t gate_since_us;  /* first segment waits since; 0: not waiting */

    struct queued *queued; /* MULTI */
    int n_queued, cap_queued;
    size_t queued_bytes;
    int multi_slot;      /* slot of the queued keys; -1: none yet */
    struct link watched; /* struct watch, node/watch.c */

    struct link subs[SUB_KINDS]; /* node/pubsub.c */
    uint32_t n_subs[SUB_KINDS];
    size_t subs_bytes;
    struct buf pushes;                /* EXECUTING: they follow its reply */
    struct group *told_group;         /* messages of its own wait for this batch: later ones go */
    uint64_t told_batch;              /* behind them. NULL: none yet */
    struct client_tracking *tracking; /* node/tracking.c; NULL: off */
    struct link monitor_link;         /* in node->clients.monitors */

    struct group *parked_on; /* PARKED */
    bool park_expired;       /* it waited long enough: answer with an error now */
    struct link park_link;   /* in parked_on->parked, or node->clients.paused */
    int64_t park_deadline_us;

    /* BLOCKED: called at the deadline and, in clients.blocked, when something may have changed;
     * replies and returns true when the client may go on. @gone: the client is being freed: only
     * clean up. */
    bool (*block_fn)(struct client *c, bool timed_out, bool gone);
    int64_t block_deadline_us; /* 0: none */
    uint64_t block_arg[3];
    struct link block_link;      /* in node->clients.blocked or held */
    struct ev_timer block_timer; /* of a held one's deadline */
    struct blocked *blocked;     /* it waits at keys: node/block.c */

    struct link all_link, close_link, resume_link;
    struct hmap_node id_node; /* in node->clients.by_id */
    char *name;               /* CLIENT SETNAME; NULL: none */
    char *lib_name, *lib_ver;
    char ip[NET_HOST_MAX], local_ip[NET_HOST_MAX];
    uint16_t port, local_port;
    int64_t created_wall_ms;
    int64_t last_active_us;
    const struct command *last_command;
    struct write_mark *writes; /* WAIT: what this client wrote last, one for each group */
    uint32_t n_writes;
    bool processing; /* inside client_process_input(): no recursion */
    uint64_t net_in, net_out, commands;
    size_t memory;               /* client_memory() as it was last added to node->clients.memory */
    int64_t soft_limit_since_us; /* output above the soft limit since; 0: no */
};

/* The last write of a client to a group. */
struct write_mark {
    uint32_t group;
    uint64_t batch;
    uint64_t index; /* of the log, that followers must reach; 0: not known yet */
};
/* The client wrote @batch of @group. */
void client_note_write(struct client *c, uint32_t group, uint64_t batch);

struct clients {
    struct link all;     /* in order of arrival */
    struct link dirty;   /* output to look at, this turn */
    struct link closing; /* to be freed at the end of the turn */
    struct link blocked; /* asked again and again: WAIT, CLUSTER FAILOVER ... */
    struct link held;    /* until somebody ends it, or the deadline */
    struct link resumed; /* their input is looked at again at the end of the turn */
    struct link paused;
    struct link unrouted; /* parked before the cluster is formed */
    struct link monitors; /* MONITOR */
    struct hmap by_id;
    struct ev_io listeners[16];
    size_t n_listeners;
    uint64_t n, next_id;
    uint64_t memory; /* bytes of all clients' buffers and queues */
    uint64_t n_blocked;
    int64_t pause_until_ms; /* CLIENT PAUSE: wall ms; 0: none */
    bool pause_writes_only;
};

/* Open the client listeners of the configuration. -1: a log line says why. */
MUST_CHECK int clients_listen(struct node *n);
void clients_close_all(struct node *n);

/* Free at the end of this turn; no more output. Safe anywhere. */
void client_close(struct client *c);
/* Close when what has been replied is out. */
void client_close_after_reply(struct client *c);

/* Something was appended to @c->out outside command execution (a push, a late reply). */
void client_output_changed(struct client *c);
/* Send @c @n bytes that it did not ask for, a whole message of its protocol: behind its replies so
 * far and, while its own command runs, behind that one's reply. A client that is slow beyond its
 * hard limit is closed. */
void client_push(struct client *c, const void *p, size_t n);
/* The command of @c runs from here on / has run, and its reply is in its place. */
void client_begin_command(struct client *c);
void client_end_command(struct client *c);
/* Commands may go on: unparked, unblocked, unpaused, or back-pressure is over. */
void client_resume(struct client *c);
/* Execute what stands in the input until nothing is complete or something holds it up. */
void client_process_input(struct client *c);

/* While a script runs: accept, read and answer clients, from within the turn. Nothing else of the
 * node goes on, so only commands are executed that touch nothing of it (exec.c: BUSY). */
void clients_serve_busy(struct node *n);

/* Let clients go on that may since the last call (client_resume()). */
void clients_run_resumed(struct node *n);
/* End of turn: decide gates, write, free what was closed. */
void clients_flush(struct node *n);
/* CLIENT PAUSE is in force, in either mode: the dataset stays as it is. The node itself neither
 * expires nor evicts, and a read hides what is past its time. */
bool clients_are_paused(const struct node *n);
/* Parked, paused and blocked clients whose time is up; reads that wait for a lease. */
void clients_check_deadlines(struct node *n);
/* Close idle clients, enforce output limits: some at each call. */
void clients_cron(struct node *n);

/* Hold the client back with @fn (see block_fn) until it says true. */
void client_block(struct client *c, bool (*fn)(struct client *, bool, bool), int64_t deadline_us);
/* Likewise, but nobody asks @fn again and again: it is called at the deadline (0: none), by CLIENT
 * UNBLOCK and when the client goes away. Costs nothing while it lasts. */
void client_wait(struct client *c, bool (*fn)(struct client *, bool, bool), int64_t deadline_us);
/* End such a wait: with a reply that begins at @from of the output and has no gate yet / after all
 * that belongs to a reply was done. block_fn is not called. */
void client_end_wait(struct client *c, size_t from);
void client_served(struct client *c);
/* A command's reply, which begins at @from of the output, is whole. It is taken back when the
 * client asked for none (CLIENT REPLY), unless it @stays. True: it is gone. To be called once for
 * each command. */
bool client_drop_reply(struct client *c, size_t from, bool stays);
/* Ask every blocked client again; cheap when there are none. */
void clients_check_blocked(struct node *n);

/* CLIENT UNBLOCK: end a blocking command as by its timeout, or with an error. False: not blocked.
 */
bool client_unblock(struct client *c, bool with_error);

/* Bytes it takes: CLIENT LIST's tot-mem. */
size_t client_memory(const struct client *c);

/* The client is open; else NULL. */
struct client *client_by_id(struct node *n, uint64_t id);
enum client_class client_class_of(const struct client *c); /* node/config.h */
/* One line of CLIENT LIST / INFO. */
void client_describe(const struct client *c, struct buf *out);

#endif
