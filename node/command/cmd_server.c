/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_server.c - the server as a whole: TIME, LASTSAVE, SAVE, BGSAVE, BGREWRITEAOF,
 * SHUTDOWN, ROLE, INFO, MODULE. Waiting for replicas is in cmd_wait.c. */
#include "base/clock.h"
#include "base/log.h"
#include "node/command/handlers.h"
#include "node/info.h"
#include "node/monitor.h"
#include "node/node.h"
#include "node/snapshot.h"
#include "node/system.h"

#include <string.h>
#include <unistd.h>

void cmd_time(struct cmd *c)
{
    int64_t now_us = clock_wall_us();

    resp_array(c->reply, 2);
    resp_bulk_i64(c->reply, now_us / 1000000);
    resp_bulk_i64(c->reply, now_us % 1000000);
}

void cmd_info(struct cmd *c)
{
    struct buf text;

    buf_init(&text);
    info_write(c->node, info_sections(c->argv + 1, (size_t)c->argc - 1), &text);
    resp_verbatim(c->reply, "txt", text.len > 0 ? buf_head(&text) : "", text.len);
    buf_release(&text);
}

/* ---- snapshots --------------------------------------------------------------------------- */

void cmd_lastsave(struct cmd *c)
{
    const struct node *n = c->node;
    int64_t ms = n->stats.last_snapshot_wall_ms;

    resp_int(c->reply, (ms != 0 ? ms : n->start_wall_ms) / 1000);
}

/* All data groups are here and loaded. */
static bool is_loaded(const struct node *n)
{
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->groups[i] != NULL && n->groups[i]->state == GROUP_LOADING) {
            return false;
        }
    }
    return groups_home(n) != NULL;
}

/* A snapshot of every group whose newest one is older than its state. That of another is as new as
 * one taken now (but for access data), and LASTSAVE says so. False: nothing is loaded, replied. */
static bool ask_for_snapshots(struct cmd *c)
{
    struct node *n = c->node;
    bool newest = true;

    if (!is_loaded(n)) {
        resp_error(c->reply, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    for (size_t i = 0; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];

        if (g != NULL) {
            snapshot_ask(n->groups[i], true);
            newest &= g->ks == NULL || (g->applied == g->snapshot.index && g->batch.len == 0);
        }
    }
    if (newest) {
        n->stats.last_snapshot_wall_ms = n->now_wall_ms;
    }
    return true;
}

void cmd_bgsave(struct cmd *c)
{
    bool schedule = c->argc == 2 && arg_is(&c->argv[1], "SCHEDULE");
    bool running = snapshot_is_running(c->node);

    if (c->argc > 1 && !schedule) {
        cmd_reply_syntax_error(c);
    } else if (running && !schedule) {
        resp_error(c->reply, "ERR Background save already in progress");
    } else if (ask_for_snapshots(c)) {
        resp_status(c->reply,
                    running ? "Background saving scheduled" : "Background saving started");
    }
}

/* The client of a SAVE, answered when the snapshots that it asked for are there. Unlike Redis,
 * which does nothing else meanwhile, others are served. */
static bool save_goes_on(struct client *c, bool timed_out, bool gone)
{
    struct node *n = c->node;

    (void)timed_out;
    if (gone) {
        return false;
    }
    if (n->stats.snapshots_failed != c->block_arg[0]) {
        resp_error(&c->reply, "ERR the snapshot failed, see the log of the server");
        return true;
    }
    if (!snapshots_are_published(n)) {
        return false;
    }
    resp_status(&c->reply, "OK");
    return true;
}

void cmd_save(struct cmd *c)
{
    if (snapshot_is_running(c->node)) {
        resp_error(c->reply, "ERR Background save already in progress");
        return;
    }
    c->client->block_arg[0] = c->node->stats.snapshots_failed;
    if (ask_for_snapshots(c)) {
        client_block(c->client, save_goes_on, 0);
    }
}

/* The log is the append-only file; what shortens it is a snapshot. */
void cmd_bgrewriteaof(struct cmd *c)
{
    bool running = snapshot_is_running(c->node);

    if (ask_for_snapshots(c)) {
        resp_status(c->reply, running ? "Background append only file rewriting scheduled"
                                      : "Background append only file rewriting started");
    }
}

/* ---- SHUTDOWN ----------------------------------------------------------------------------------
 */

enum {
    SHUTDOWN_SAVE = 1u << 0,
    SHUTDOWN_NOSAVE = 1u << 1,
    SHUTDOWN_NOW = 1u << 2,
    SHUTDOWN_FORCE = 1u << 3,
    SHUTDOWN_ABORT = 1u << 4,
};

static const char shutdown_failed[] = "ERR Errors trying to SHUTDOWN. Check logs.";

/* block_arg of a client whose SHUTDOWN waits. */
enum { ARG_FLAGS, ARG_FAILURES };

static bool shutdown_flags(struct cmd *c, unsigned *flags)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {
        {"SAVE", SHUTDOWN_SAVE},   {"NOSAVE", SHUTDOWN_NOSAVE}, {"NOW", SHUTDOWN_NOW},
        {"FORCE", SHUTDOWN_FORCE}, {"ABORT", SHUTDOWN_ABORT},
    };

    *flags = 0;
    for (int i = 1; i < c->argc; i++) {
        unsigned flag = 0;

        for (size_t w = 0; w < ARRAY_LEN(words); w++) {
            flag |= arg_is(&c->argv[i], words[w].word) ? words[w].flag : 0;
        }
        if (flag == 0) {
            return false;
        }
        *flags |= flag;
    }
    if ((*flags & SHUTDOWN_ABORT) && *flags != SHUTDOWN_ABORT) {
        return false;
    }
    return (*flags & (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE)) != (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE);
}

static void begin_shutdown(struct node *n, unsigned flags)
{
    log_notice("a client asked for a shutdown");
    if (flags & SHUTDOWN_NOW) {
        /* Nobody is waited for: the other nodes elect a leader once this one is gone. */
        n->shutdown_asked = true;
        n->shutdown_deadline_us = n->now_us;
        node_has_work(n);
    } else {
        node_shutdown(n);
    }
}

/* The client of a SHUTDOWN: answered only when nothing comes of it. */
static bool shutdown_goes_on(struct client *c, bool timed_out, bool gone)
{
    struct node *n = c->node;
    uint64_t *arg = c->block_arg;

    (void)timed_out;
    if (gone) {
        return false;
    }
    if (n->shutdown_asked || (arg[ARG_FLAGS] & SHUTDOWN_SAVE) == 0) {
        if (!n->shutdown_asked) {
            resp_error(&c->reply, shutdown_failed); /* SHUTDOWN ABORT */
        }
        return !n->shutdown_asked;
    }
    if (n->stats.snapshots_failed == arg[ARG_FAILURES]) {
        if (snapshots_are_published(n)) {
            begin_shutdown(n, (unsigned)arg[ARG_FLAGS]);
            arg[ARG_FLAGS] = 0;
        }
        return false;
    }
    if (arg[ARG_FLAGS] & SHUTDOWN_FORCE) {
        log_warning("shutting down although the snapshot failed");
        begin_shutdown(n, (unsigned)arg[ARG_FLAGS]);
        arg[ARG_FLAGS] = 0;
        return false;
    }
    resp_error(&c->reply, shutdown_failed);
    return true;
}

static void abort_shutdown(struct cmd *c)
{
    struct node *n = c->node;

    if (!n->shutdown_asked) {
        resp_error(c->reply, "ERR No shutdown in progress.");
        return;
    }
    log_notice("the shutdown was aborted by a client");
    n->shutdown_asked = false;
    clients_check_blocked(n);
    cmd_reply_ok(c);
}

/* Of a group that is being loaded the file it loads from is the newest there is. */
static void ask_for_data(struct node *n)
{
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            snapshot_ask(n->groups[i], true);
        }
    }
}

/* A script holds the loop: there is nothing to hand over or to wait for. What it did so far is not
 * in the log, and what stands there is safe at any moment. */
static void shut_down_busy(struct cmd *c, unsigned flags)
{
    if ((flags & SHUTDOWN_NOSAVE) == 0) {
        resp_error(c->reply, c->node->busy_error);
        return;
    }
    log_warning("SHUTDOWN NOSAVE while a script runs: exiting now");
    _exit(0);
}

void cmd_shutdown(struct cmd *c)
{
    struct node *n = c->node;
    uint64_t *arg = c->client->block_arg;
    unsigned flags;

    if (!shutdown_flags(c, &flags)) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (flags & SHUTDOWN_ABORT) {
        abort_shutdown(c);
        return;
    }
    if (n->busy_error != NULL) {
        shut_down_busy(c, flags);
        return;
    }
    if (n->shutdown_asked && (flags & SHUTDOWN_NOW)) {
        n->shutdown_deadline_us = n->now_us;
    }
    arg[ARG_FLAGS] = flags;
    if ((flags & SHUTDOWN_SAVE) && !n->shutdown_asked) {
        arg[ARG_FAILURES] = n->stats.snapshots_failed;
        ask_for_data(n);
    } else {
        arg[ARG_FLAGS] = 0;
        begin_shutdown(n, flags);
    }
    client_block(c->client, shutdown_goes_on, 0);
}

/* ---- ROLE -------------------------------------------------------------------------------- */

static void role_leader(struct cmd *c, const struct group *g)
{
    struct resp_out *o = c->reply;
    struct raft_group_status status;
    size_t n = 0;
    size_t at;

    resp_array(o, 3);
    resp_bulk_str(o, "master");
    resp_int(o, (int64_t)g->applied);
    at = resp_deferred_begin(o);
    if (raft_host_group_status(c->node->host, g->number, &status) == RAFT_HOST_OK) {
        for (size_t i = 0; i < status.raft.n_peers; i++) {
            const struct raft_peer_status *p = &status.raft.peers[i];
            const struct cluster_node *node = cluster_state_node(system_state(c->node), p->id);

            if (p->active && node != NULL) {
                resp_array(o, 3);
                resp_bulk_str(o, node->client.host);
                resp_bulk_i64(o, node->client.port);
                resp_bulk_i64(o, (int64_t)p->match);
                n++;
            }
        }
    }
    resp_deferred_array(o, at, n);
}

void cmd_role(struct cmd *c)
{
    const struct group *g = groups_home(c->node);
    const struct cluster_node *leader = NULL;
    const char *link = "connect";

    if (g != NULL && g->role == RAFT_ROLE_LEADER) {
        role_leader(c, g);
        return;
    }
    if (g != NULL && g->leader != 0) {
        leader = cluster_state_node(system_state(c->node), g->leader);
        link = g->state == GROUP_LOADING ? "sync" : "connected";
    }
    resp_array(c->reply, 5);
    resp_bulk_str(c->reply, "slave");
    resp_bulk_str(c->reply, leader != NULL ? leader->client.host : "");
    resp_int(c->reply, leader != NULL ? leader->client.port : 0);
    resp_bulk_str(c->reply, link);
    resp_int(c->reply, g != NULL ? (int64_t)g->applied : 0);
}

/* ---- MODULE: there are none ------------------------------------------------------------------ */

void cmd_module_list(struct cmd *c) { resp_array(c->reply, 0); }

void cmd_module_help(struct cmd *c)
{
    static const char *const lines[] = {
        "LIST",
        "    The modules that are loaded: always none.",
        NULL,
    };

    cmd_reply_help(c, lines);
}

/* ---- MONITOR ------------------------------------------------------------------------------- */

void cmd_monitor(struct cmd *c)
{
    if (c->in_exec) {
        resp_error(c->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    monitor_begin(c->client);
    cmd_reply_ok(c);
}
