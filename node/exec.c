/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/exec.c - see node/exec.h.
 *
 * A client's request: found in the table, checked (arity, authentication, MULTI, pause), routed
 * (node/route.h), called, and its reply put behind its gate (node/gate.h). */
#include "node/exec.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/access.h"
#include "node/acl.h"
#include "node/block_table.h"
#include "node/command/handlers.h"
#include "node/command/hash.h"
#include "node/command/table.h"
#include "node/effects.h"
#include "node/evict.h"
#include "node/gate.h"
#include "node/latency.h"
#include "node/monitor.h"
#include "node/node.h"
#include "node/notify.h"
#include "node/route.h"
#include "node/script/scripts.h"
#include "node/slowlog.h"
#include "node/tracking.h"
#include "node/txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_KEYS_PER_CLOCK 16
#define OOM_ERROR "OOM command not allowed when used memory > 'maxmemory'."
#define VALUE_SAMPLES 5 /* elements looked at to tell a value's size */

bool exec_needs_auth(const struct client *c)
{
    return (c->flags & CLIENT_AUTHENTICATED) == 0 && !acl_default_is_open(c->node);
}

/* What an entry has beside the arguments: lengths, names, a time. */
#define EXEC_BYTES_RESERVED ((size_t)64 << 20)

size_t exec_bytes_max(const struct node *n)
{
    return RAFT_ENTRY_BYTES_MAX - EXEC_BYTES_RESERVED - (size_t)n->config.max_uncommitted_bytes;
}

#define ARG_OVERHEAD 16 /* of a name with an effect of its own, beside its bytes */
#define KEY_REPEATS 2   /* see exec_fits() */

static size_t bytes_of_keys(const struct command *command, const struct arg *argv, int argc)
{
    int *positions = mem_alloc((size_t)argc * sizeof *positions);
    int n = command_keys(command, argv, argc, positions, NULL, argc);
    size_t bytes = 0;

    if (n < 0) {
        n = command_clear_keys(command, argv, argc, positions, NULL, argc);
    }
    for (int i = 0; i < n; i++) {
        bytes += argv[positions[i]].n + ARG_OVERHEAD;
    }
    free(positions);
    return bytes;
}

static bool call_fits(const struct node *n, const struct command *command, const struct arg *argv,
                      int argc, size_t bytes)
{
    size_t most = exec_bytes_max(n);

    if (LIKELY(bytes <= most / (1 + KEY_REPEATS))) {
        return true; /* whatever is a key */
    }
    return bytes <= most && bytes + KEY_REPEATS * bytes_of_keys(command, argv, argc) <= most;
}

bool exec_fits(const struct node *n, const struct command *command, const struct arg *argv,
               int argc, size_t taken)
{
    size_t bytes = taken;

    for (int i = 0; i < argc; i++) {
        bytes += argv[i].n + ARG_OVERHEAD;
    }
    return call_fits(n, command, argv, argc, bytes);
}

/* Likewise of a request, whose arguments stand in one buffer: what frames them there is as long. */
static bool request_fits(const struct node *n, const struct command *command,
                         const struct arg *argv, int argc)
{
    size_t bytes = (size_t)(argv[argc - 1].p + argv[argc - 1].n - argv[0].p);

    return call_fits(n, command, argv, argc, bytes);
}

static void count_error(struct client *c, const struct command *command, size_t from, bool ran,
                        enum cmd_error error)
{
    struct stats *s = &c->node->stats;
    const char *reply = buf_head(&c->out) + from;
    size_t n = c->out.len - from;

    if (n == 0 || reply[0] != '-') {
        return;
    }
    if (error != CMD_ERROR_COUNTED) {
        stats_error(s, reply, n, error == CMD_ERROR_MADE_UP);
    }
    if (command != NULL) {
        if (ran) {
            s->by_command[command->id].failed++;
        } else {
            s->by_command[command->id].rejected++;
        }
    }
}

void exec_call(struct cmd *cmd)
{
    struct node *n = cmd->node;
    struct command_stats *cs = &n->stats.by_command[cmd->command->id];
    struct group *g = cmd->group;
    bool leads = g != NULL && g->state == GROUP_SERVING;
    size_t from = cmd->reply->buf->len;
    int64_t started = n->now_us;

    n->executions++;
    if (leads) {
        group_unit_begin(g);
    }
    if (UNLIKELY((cmd->command->flags & CMD_SKIP_MONITOR) != 0)) {
        monitor_show_script(cmd);
    }
    cmd->command->fn(cmd);
    monitor_show(cmd);
    if (leads) {
        group_unit_end(g);
        /* Data that changed without an effect would differ on the other replicas. */
        assert(!cmd->wrote || cmd->effects > 0);
    }
    n->now_us = clock_boot_us();

    int64_t took = n->now_us - started;

    if (cmd->held) {
        return; /* counted once it is served */
    }
    if (UNLIKELY(cmd->client != NULL && cmd->client->tracking != NULL)) {
        tracking_remember(cmd);
    }
    cs->calls++;
    cs->usec += (uint64_t)took;
    n->stats.commands++;
    if (n->config.latency_tracking) {
        stats_latency(cs, (uint64_t)took);
    }
    latency_note(n, (cmd->command->flags & CMD_FAST) ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                 took);
    if (cmd->in_script) {
        cs->failed += cmd->reply->buf->len > from && buf_head(cmd->reply->buf)[from] == '-';
    } else if (cmd->client != NULL) {
        count_error(cmd->client, cmd->command, from, true, cmd->error);
    }
    if (cmd->client != NULL) {
        slowlog_note(n, cmd, took);
    }
}

void exec_count_held(struct client *c, const struct command *command, size_t from)
{
    struct stats *s = &c->node->stats;

    s->by_command[command->id].calls++;
    s->commands++;
    if (c->node->config.latency_tracking) {
        stats_latency(&s->by_command[command->id], 0);
    }
    count_error(c, command, from, true, CMD_ERROR_OWN);
}

/* EXEC itself was refused: the transaction goes with it, and the error says so. */
static void abort_exec(struct client *c, const char *why)
{
    resp_errorf(&c->reply, "EXECABORT Transaction discarded because of: %s", why);
    txn_discard(c);
}

/* What browsers can be made to send to a Redis port: such a connection is not a client's, and what
 * follows must not be read as commands. */
static bool is_http(const struct arg *word)
{
    return arg_is(word, "post") || arg_is(word, "host:");
}

static enum exec_result drop_http(struct client *c)
{
    log_warning("client %llu %s:%u: sent an HTTP request (POST or Host:), closed. Somebody may be "
                "trying to reach this node through a browser.",
                (unsigned long long)c->id, c->ip, c->port);
    client_close(c);
    return EXEC_DONE;
}

/* An error before the command ran. */
static enum exec_result refused(struct client *c, const struct command *command, size_t from)
{
    count_error(c, command, from, false, CMD_ERROR_OWN);
    if (c->flags & CLIENT_MULTI) {
        c->flags |= CLIENT_DIRTY_EXEC;
    }
    if (!client_drop_reply(c, from, false)) {
        gate_plain(c);
    }
    return EXEC_DONE;
}

static bool is_for_subscribers(const struct command *command)
{
    static command_fn *const allowed[] = {
        cmd_subscribe,    cmd_unsubscribe, cmd_psubscribe, cmd_punsubscribe, cmd_ssubscribe,
        cmd_sunsubscribe, cmd_ping,        cmd_quit,       cmd_reset,
    };

    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        if (command->fn == allowed[i]) {
            return true;
        }
    }
    return false;
}

#define UNIT_LOST_ERROR                                                                            \
    "ERR this node does not lead any more: nothing was written, but other things that were done "  \
    "to the node or the connection, or messages, may stay"

/* Done to the node or the connection: it stays, whatever becomes of the data. */
static bool is_beside_data(const struct cmd *c)
{
    const struct command *command = c->command;

    if (command->fn == cmd_ping || command->fn == cmd_echo) {
        return false;
    }
    /* A script's connection is as before when it has ended. */
    return (command->flags & CMD_ADMIN) != 0 || is_for_subscribers(command) ||
           (!c->in_script && (command->acl_categories & COMMAND_CAT_CONNECTION) != 0);
}

void exec_call_within(struct cmd *outer, struct cmd *sub)
{
    sub->wrote = false;
    sub->effects = 0;
    exec_call(sub);
    groups_use_first(sub);
    if (sub->lost_error != NULL || is_beside_data(sub)) {
        outer->lost_error = UNIT_LOST_ERROR;
    }
    outer->touched |= sub->touched;
    outer->wrote |= sub->wrote;
    outer->effects += sub->effects;
    outer->gate = MAX_OF(outer->gate, sub->gate);
}

/* What a client may do depends on what else it does: a subscriber of RESP2 could not tell a reply
 * from a message, and who watches others leaves the data alone. False: refused, with the error. */
static bool mode_allows(struct client *c, const struct command *command)
{
    char text[256];

    if ((c->flags & CLIENT_PUBSUB) && c->reply.version < 3 && !is_for_subscribers(command)) {
        snprintf(text, sizeof text,
                 "Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                 "are allowed in this context",
                 command->full_name);
    } else if ((c->flags & CLIENT_MONITOR) &&
               (command->flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE)) != 0) {
        snprintf(text, sizeof text, "Replica can't interact with the keyspace");
    } else {
        return true;
    }
    if (command->fn == cmd_exec) {
        abort_exec(c, text);
    } else {
        resp_errorf(&c->reply, "ERR %s", text);
    }
    return false;
}

static enum exec_result park(struct client *c, struct group *g)
{
    struct node *n = c->node;

    c->flags |= CLIENT_PARKED;
    c->parked_on = g;
    if (c->park_deadline_us == 0) {
        c->park_deadline_us = n->now_us + n->config.election_wait_timeout * 1000;
    }
    link_append(g != NULL ? &g->parked : &n->clients.unrouted, &c->park_link);
    return EXEC_PARKED;
}

static void unpark_state(struct client *c)
{
    c->park_deadline_us = 0;
    c->park_expired = false;
}

bool exec_may_write(struct node *n, const struct command *command, const struct arg *argv, int argc)
{
    return scripts_is_command(command) ? scripts_may_write(n, command, argv, argc)
                                       : (command->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0;
}

/* CLIENT PAUSE holds this command back. */
static bool is_paused(struct client *c, const struct command *command, const struct arg *argv,
                      int argc)
{
    struct node *n = c->node;

    if (LIKELY(!clients_are_paused(n))) {
        return false;
    }
    if (!n->clients.pause_writes_only) {
        /* Unpausing must stay possible. */
        return strcmp(command->full_name, "client|unpause") != 0 &&
               strcmp(command->full_name, "client|pause") != 0;
    }
    return command->fn == cmd_exec ? txn_may_write(c) : exec_may_write(n, command, argv, argc);
}

static enum exec_result hold_back(struct client *c)
{
    c->flags |= CLIENT_PAUSED;
    link_append(&c->node->clients.paused, &c->park_link);
    return EXEC_PARKED;
}

/* Make room below maxmemory. False, with the error, when there is none for this command. */
static bool has_memory(struct client *c, const struct cmd *cmd)
{
    struct node *n = c->node;
    uint32_t flags = cmd->command->flags;

    n->out_of_memory = evict_make_room(n) == EVICT_FAILED;
    if (LIKELY(!n->out_of_memory)) {
        return true;
    }
    if (cmd->command->fn == cmd_exec) {
        flags |= txn_flags(c);
    }
    if (scripts_is_command(cmd->command) &&
        scripts_denies_oom(n, cmd->command, cmd->argv, cmd->argc)) {
        flags |= CMD_DENYOOM;
    }
    if ((flags & CMD_DENYOOM) == 0) {
        return true;
    }
    if (cmd->command->fn == cmd_exec) {
        abort_exec(c, OOM_ERROR);
    } else {
        resp_error(&c->reply, OOM_ERROR);
    }
    return false;
}

/* The names of what has been evicted for it have left the open batch no room for a command. */
static bool evicted_too_much(const struct cmd *cmd)
{
    const struct group *g = cmd->group;

    return g != NULL && g->state == GROUP_SERVING &&
           g->batch.len > (size_t)cmd->node->config.max_uncommitted_bytes;
}

static void note_writes(struct client *c, const struct cmd *cmd)
{
    if (cmd->span == NULL) {
        if (cmd->wrote) {
            client_note_write(c, cmd->group->number, cmd->gate);
        }
        return;
    }
    for (size_t i = 0; i < cmd->span->n; i++) {
        struct span_part p = span_part(cmd, i);

        if (p.wrote) {
            client_note_write(c, p.group->number, p.gate);
        }
    }
}

/* The command has run: its reply goes behind its gate. */
static void finish(struct client *c, const struct cmd *cmd, size_t from, uint16_t slot)
{
    c->commands++;
    note_writes(c, cmd);
    if ((c->flags & CLIENT_BLOCKED) && !cmd->retry) {
        assert(c->out.len == from); /* its reply comes when the wait ends: client_end_wait() */
        return;
    }
    if (!client_drop_reply(c, from, cmd->pushed) && c->out.len > from) {
        gate_reply(c, cmd, slot);
    }
}

/* CLIENT CACHING and what comes between it and the command it is for. */
static bool is_of_client(const struct command *command)
{
    return strncmp(command->full_name, "client|", 7) == 0;
}

/* The transaction or script @cmd has ended: now it is known when its messages may be heard. */
static void settle_messages(struct client *c, struct cmd *cmd)
{
    struct group *g = cmd->group;
    struct span_part p = {.gate = cmd->gate, .touched = cmd->touched, .wrote = cmd->wrote};
    uint64_t batch;

    for (size_t i = cmd->span == NULL ? 0 : cmd->span->n; i-- > 0;) {
        p = span_part(cmd, i); /* at last that of the group itself */
        if (i > 0 && p.touched) {
            cmd->lost_error = UNIT_LOST_ERROR; /* of a part that the messages do not wait for */
        }
    }
    if (!p.touched) {
        p.gate = 0;
    } else if (!p.wrote && !gate_read_is_confirmed(g, c->node->executions)) {
        cmd->lost_error = UNIT_LOST_ERROR; /* nor for that */
    }
    batch = c->told_group == g ? MAX_OF(p.gate, c->told_batch) : p.gate;
    c->told_group = g;
    c->told_batch = news_settle(g, batch, p.gate);
}

/* Run it; false: its client is held back. */
static bool run(struct client *c, struct cmd *cmd, size_t from, uint16_t slot)
{
    client_begin_command(c);
    exec_call(cmd);
    if (UNLIKELY(cmd->group != NULL && cmd->group->news.unsettled)) {
        settle_messages(c, cmd);
    }
    if (!cmd->held) {
        finish(c, cmd, from, slot);
        if (UNLIKELY(c->tracking != NULL) && !is_of_client(cmd->command)) {
            tracking_end_caching(c);
        }
    }
    client_end_command(c);
    return !cmd->held;
}

/* The client's user may make the call; else the error is in place. */
static bool is_permitted(struct client *c, const struct cmd *cmd)
{
    size_t from = c->out.len;
    bool ok = acl_permits(c, cmd->command, cmd->argv, cmd->argc, &c->reply);

    if (!ok && cmd->command->fn == cmd_exec) {
        c->out.len = from;
        abort_exec(c, "NOPERM this user has no permissions to run the 'exec' command");
    }
    return ok;
}

enum exec_result exec_request(struct client *c, const struct arg *argv, int argc)
{
    struct node *n = c->node;
    char text[512];
    const char *error = NULL;
    size_t from = c->out.len;
    const struct command *command = command_find(argv, argc, text, &error);
    struct cmd cmd = {
        .node = n,
        .client = c,
        .command = command,
        .argv = argv,
        .argc = argc,
        .db = c->db,
        .slot = -1,
        .reply = &c->reply,
    };
    uint16_t slot = 0;
    enum route route;

    c->last_command = command;
    if (command == NULL) {
        if (is_http(&argv[0])) {
            return drop_http(c);
        }
        resp_error(&c->reply, error);
        return refused(c, NULL, from);
    }
    if (!command_arity_ok(command, argc)) {
        if (command->fn == cmd_exec) {
            abort_exec(c, "wrong number of arguments for 'exec' command");
        } else {
            cmd_reply_arity_error(&cmd);
        }
        return refused(c, command, from);
    }
    if (exec_needs_auth(c) && (command->flags & CMD_NO_AUTH) == 0) {
        if (command->fn == cmd_exec) {
            abort_exec(c, "NOAUTH Authentication required.");
        } else {
            resp_error(&c->reply, "NOAUTH Authentication required.");
        }
        return refused(c, command, from);
    }
    if (UNLIKELY(command->refused != NULL)) {
        command->fn(&cmd);
        return refused(c, command, from);
    }
    if (UNLIKELY(!acl_is_unrestricted(c)) && !is_permitted(c, &cmd)) {
        return refused(c, command, from);
    }
    if (UNLIKELY(n->busy_error != NULL) && (command->flags & CMD_ALLOW_BUSY) == 0) {
        if (command->fn == cmd_exec) {
            abort_exec(c, n->busy_error);
        } else {
            resp_error(&c->reply, n->busy_error);
        }
        return refused(c, command, from);
    }
    /* MULTI and WATCH are not queued either, but have errors of their own, which spoil nothing. */
    if ((c->flags & CLIENT_MULTI) && (command->flags & CMD_NO_MULTI) && txn_queues(command)) {
        resp_error(&c->reply, "ERR Command not allowed inside a transaction");
        return refused(c, command, from);
    }
    /* A read has effects as well: DEL of keys that turn out to be past their time. */
    if ((command->flags & (CMD_WRITE | CMD_READONLY)) && !request_fits(n, command, argv, argc)) {
        resp_errorf(&c->reply,
                    "ERR request is too large: at most %zu bytes fit into one log entry, where "
                    "names of keys count %d times",
                    exec_bytes_max(n), 1 + KEY_REPEATS);
        return refused(c, command, from);
    }
    if (UNLIKELY((c->flags & (CLIENT_PUBSUB | CLIENT_MONITOR)) != 0) && !mode_allows(c, command)) {
        return refused(c, command, from);
    }
    if (is_paused(c, command, argv, argc)) {
        return hold_back(c);
    }
    /* The boot clock was read when the turn began, or behind the last command. */
    n->now_wall_ms = clock_wall_ms();
    cmd.now_ms = n->now_wall_ms;
    if ((c->flags & CLIENT_MULTI) && txn_queues(command)) {
        /* A queue takes memory, whatever is in it. */
        if (evict_make_room(n) == EVICT_FAILED) {
            resp_error(&c->reply, OOM_ERROR);
            return refused(c, command, from);
        }
        if (!txn_enqueue(c, &cmd)) {
            return refused(c, command, from);
        }
        if (!client_drop_reply(c, from, false)) {
            gate_plain(c);
        }
        unpark_state(c);
        return EXEC_DONE;
    }
    route = command->fn == cmd_exec ? txn_route(c, &cmd, &slot) : route_command(c, &cmd, &slot);
    if (route == ROUTE_PARK) {
        return park(c, cmd.group);
    }
    unpark_state(c);
    if (route == ROUTE_REPLIED) {
        if (command->fn == cmd_exec) {
            txn_discard(c);
        }
        return refused(c, command, from);
    }
    if (!has_memory(c, &cmd)) {
        return refused(c, command, from);
    }
    if (UNLIKELY(evicted_too_much(&cmd))) {
        return park(c, cmd.group);
    }
    (void)run(c, &cmd, from, slot);
    if (command->fn != cmd_asking) {
        c->flags &= ~(uint32_t)CLIENT_ASKING;
    }
    if (LIKELY(n->busy_error == NULL)) {
        block_serve(n);
    }
    return EXEC_DONE;
}

bool exec_again(struct client *c, const struct command *command, const struct arg *argv, int argc,
                uint32_t db, struct group *g, int slot)
{
    struct node *n = c->node;
    size_t from = c->out.len;
    struct cmd cmd = {
        .node = n,
        .client = c,
        .command = command,
        .argv = argv,
        .argc = argc,
        .group = g,
        .ks = g->ks,
        .db = db,
        .slot = slot,
        .reply = &c->reply,
        .retry = true,
    };

    assert(g->state == GROUP_SERVING || (command->flags & CMD_READONLY) != 0);
    n->now_wall_ms = clock_wall_ms();
    cmd.now_ms = n->now_wall_ms;
    return run(c, &cmd, from, slot < 0 ? 0 : (uint16_t)slot);
}

/* ---- from the log -------------------------------------------------------------------------- */

int exec_apply(struct group *g, const void *p, size_t size)
{
    struct resp_out discard = {.buf = &g->discard, .version = 2};
    struct cmd cmd = {
        .node = g->node,
        .group = g,
        .ks = g->ks,
        .applying = true,
        .slot = -1,
        .reply = &discard,
    };
    char text[512];
    const char *error;
    int rc = effect_reader_init(&g->reader, p, size);

    while (rc == 0 && (rc = effect_next(&g->reader)) == 1) {
        cmd.argv = g->reader.argv;
        cmd.argc = (int)g->reader.argc;
        cmd.db = g->reader.db;
        cmd.command = cmd.argc == 0 ? NULL : command_find(cmd.argv, cmd.argc, text, &error);
        if (cmd.command == NULL || (cmd.command->flags & CMD_WRITE) == 0 ||
            !command_arity_ok(cmd.command, cmd.argc) || cmd.db >= keyspace_databases(g->ks)) {
            return -1;
        }
        cmd.command->fn(&cmd);
        buf_clear(&g->discard);
        rc = 0;
    }
    return rc;
}

/* ---- the node's own work ------------------------------------------------------------------- */

#define EXPIRE_FIELDS 64 /* of one hash at once */

/* Fields of hashes; as keys below. */
static bool expire_fields_until(struct group *g, struct cmd *cmd, int64_t until)
{
    struct item *it;

    while ((it = keyspace_due_value(g->ks, cmd->now_ms, &cmd->db)) != NULL) {
        struct arg name = item_key(it);
        char *copy;
        struct key k;

        if (group_is_congested(g)) {
            return false;
        }
        if (clock_boot_us() > until) {
            g->node->stats.expired_time_cap_reached++;
            return true;
        }
        copy = mem_dup(name.p, name.n); /* the item may go */
        k = keyspace_key(g->ks, copy, name.n);
        hash_expire_due(cmd, &k, it, EXPIRE_FIELDS);
        free(copy);
    }
    return false;
}

static bool expire_until(struct group *g, int64_t until)
{
    struct node *n = g->node;
    struct resp_out discard = {.buf = &g->discard, .version = 2};
    struct cmd cmd = {.node = n, .group = g, .ks = g->ks, .slot = -1, .reply = &discard};
    struct item *it;
    unsigned done = 0;

    cmd.now_ms = n->now_wall_ms;
    while ((it = keyspace_due(g->ks, cmd.now_ms, &cmd.db)) != NULL) {
        if (group_is_congested(g)) {
            return false; /* commits will make room; the next cron goes on */
        }
        if (++done % EXPIRE_KEYS_PER_CLOCK == 0 && clock_boot_us() > until) {
            n->stats.expired_time_cap_reached++;
            return true;
        }

        struct arg name = item_key(it);
        char *copy = mem_dup(name.p, name.n); /* the item goes before its effect is written */
        struct key k = keyspace_key(g->ks, copy, name.n);

        access_delete(&cmd, &k, it);
        effect_del(&cmd, &k);
        notify(&cmd, NOTIFY_EXPIRED, "expired", &k);
        free(copy);
        n->stats.expired_keys++;
    }
    return expire_fields_until(g, &cmd, until);
}

bool exec_expire(struct group *g, int64_t budget_us)
{
    struct node *n = g->node;
    int64_t before;
    bool more;

    if (!group_serves(g) || g->ks == NULL || g->disk_full || clients_are_paused(n)) {
        return false;
    }
    node_refresh_clocks(n);
    before = n->now_us;
    more = expire_until(g, before + budget_us);
    n->now_us = clock_boot_us();
    n->stats.expire_us += (uint64_t)(n->now_us - before);
    latency_note(n, LATENCY_EXPIRE_CYCLE, n->now_us - before);
    return more;
}

static void free_keyspace(void *arg, const atomic_bool *cancel)
{
    (void)cancel;
    keyspace_free(arg);
}

static void free_value(void *arg, const atomic_bool *cancel)
{
    (void)cancel;
    keyspace_free_value(arg);
}

void exec_free_later(struct node *n, struct keyspace *ks)
{
    if (ks != NULL) {
        worker_submit(n->bg, free_keyspace, ks);
    }
}

void exec_free_value_later(void *node, void *value)
{
    struct node *n = node;

    if (n->config.maxmemory > 0) {
        evict_freed_elsewhere(n, keyspace_value_bytes(value, VALUE_SAMPLES));
    }
    worker_submit(n->bg, free_value, value);
}
