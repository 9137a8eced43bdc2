/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/call.c - redis.call(): a command, called by a script.
 *
 * It is checked as one of a client, with the texts that scripts know, and then runs its ordinary
 * handler within the script's own command. */
#include "base/mem.h"
#include "base/num.h"
#include "node/acl.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/route.h"
#include "node/script/convert.h"
#include "node/script/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_CHARS 32

/* ---- arguments --------------------------------------------------------------------------------
 */

/* As "%.17g" has it; integers quickly. */
static size_t print_number(char *out, lua_Number v)
{
    if (v >= -1e16 && v <= 1e16 && v == floor(v) && !(v == 0 && signbit(v))) {
        return num_print_i64(out, (int64_t)v);
    }
    return (size_t)snprintf(out, NUMBER_CHARS, "%.17g", v);
}

/* The arguments on the stack become s->argv, which borrows from it. NULL, or what is wrong. */
static const char *take_args(lua_State *L, struct scripts *s, int argc)
{
    if (argc == 0) {
        return "Please specify at least one argument for this redis lib call";
    }
    if ((size_t)argc > s->cap_argv) {
        s->cap_argv = (size_t)argc * 2;
        s->argv = mem_realloc(s->argv, s->cap_argv * sizeof *s->argv);
    }
    for (int i = 0; i < argc; i++) {
        int type = lua_type(L, i + 1);

        if (type == LUA_TNUMBER) {
            char text[NUMBER_CHARS];

            lua_pushlstring(L, text, print_number(text, lua_tonumber(L, i + 1)));
            lua_replace(L, i + 1);
        } else if (type != LUA_TSTRING) {
            return "Lua redis lib command arguments must be strings or integers";
        }
        s->argv[i].p = lua_tolstring(L, i + 1, &s->argv[i].n);
    }
    return NULL;
}

/* ---- what may be called -----------------------------------------------------------------------
 */

static bool needs_data(const struct command *command)
{
    return command->n_key_specs > 0 || (command->flags & (CMD_WRITE | CMD_READONLY)) != 0;
}

/* The script's group as this command would use it. */
static const char *check_group(const struct script_run *r, const struct cmd *sub)
{
    const struct group *g = sub->group;
    bool write = (sub->command->flags & CMD_WRITE) != 0;

    if (g == NULL || g->ks == NULL) {
        return "CLUSTERDOWN The cluster is down";
    }
    if (g->state == GROUP_SERVING) {
        if (write && g->disk_full) {
            return "MISCONF The disk of the leader is full: writes are refused until there is "
                   "room. "
                   "Reads are served.";
        }
        return NULL;
    }
    if (write) {
        return "READONLY You can't write against a read only replica.";
    }
    if (g->state != GROUP_FOLLOWING) {
        return "LOADING Redis is loading the dataset in memory";
    }
    if (sub->node->config.cluster_enabled && sub->slot >= 0 &&
        (r->cmd->client->flags & CLIENT_READONLY) == 0) {
        return "ERR Script attempted to access a non local key in a cluster node";
    }
    return NULL;
}

/* Slots: all keys of a script are of its group, which the gate of its reply is of. */
static const char *check_slot(const struct script_run *r, struct cmd *sub)
{
    int slot;

    if (!sub->node->config.cluster_enabled || sub->command->n_key_specs == 0) {
        return NULL;
    }
    slot = route_slot(sub->command, sub->argv, sub->argc);
    if (slot == ROUTE_CROSS_SLOT) {
        return "ERR Script attempted to access keys that do not hash to the same slot";
    }
    if (slot < 0) {
        return NULL; /* no keys, or the command says what is wrong */
    }
    sub->slot = slot;
    if (groups_of_slot(sub->node, slot) != sub->group) {
        return "ERR Script attempted to access a non local key in a cluster node";
    }
    if (r->cmd->slot >= 0 && slot != r->cmd->slot &&
        (r->flags & (SCRIPT_PLAIN | SCRIPT_ALLOW_CROSS_SLOT)) == 0) {
        return "ERR Script attempted to access keys that do not hash to the same slot";
    }
    return NULL;
}

/* Commands over the whole keyspace are over all groups that clients see here. */
static const char *check_keyspace(struct script_run *r, struct cmd *sub)
{
    struct node *n = sub->node;
    struct cmd *outer = r->cmd;

    if (!route_is_over_keyspace(sub->command) || outer->span != NULL ||
        n->n_groups <= NODE_FIRST_DATA_GROUP + 1) {
        return NULL;
    }
    span_clear(&n->span);
    span_add(&n->span, outer->group);
    span_add_shown(&n->span, n);
    for (size_t i = 0; i < n->span.n; i++) {
        const struct group *g = n->span.parts[i].group;

        if (g->ks == NULL || g->state != outer->group->state || g->parking > 0) {
            return "TRYAGAIN A group of this node is not ready for commands over all keys";
        }
    }
    span_begin(&n->span, outer);
    sub->span = outer->span;
    return NULL;
}

/* All effects of a script are in one entry of the log. */
static bool effects_fit(const struct script_run *r, const struct cmd *sub)
{
    size_t so_far = sub->group->batch.len - MIN_OF(r->batch_bytes, sub->group->batch.len);

    return exec_fits(sub->node, sub->command, sub->argv, sub->argc, so_far);
}

static const char *check_write(const struct script_run *r, const struct cmd *sub)
{
    /* What others may get to see (PUBLISH) counts as a write: read-only scripts run also while
     * CLIENT PAUSE holds writes back. */
    if ((r->flags & SCRIPT_NO_WRITES) &&
        (sub->command->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0) {
        return "ERR Write commands are not allowed from read-only scripts.";
    }
    if ((sub->command->flags & CMD_WRITE) == 0) {
        return NULL;
    }
    return sub->group != NULL && !effects_fit(r, sub)
               ? "ERR the script's writes are too large to fit into one log entry"
               : NULL;
}

/* The client's user may make this call. */
static const char *check_acl(const struct cmd *sub)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] =
            "ERR The user executing the script can't run this command or subcommand",
        [ACL_DENIED_KEY] =
            "ERR The user executing the script can't access at least one of the keys "
            "mentioned in the command arguments",
        [ACL_DENIED_CHANNEL] = "ERR The user executing the script can't publish to the channel "
                               "mentioned in the command",
    };
    struct client *client = sub->client;
    enum acl_result r;
    int at;

    if (LIKELY(acl_is_unrestricted(client))) {
        return NULL;
    }
    r = acl_user_check(client->user, sub->command, sub->argv, sub->argc, &at);
    if (r == ACL_OK) {
        return NULL;
    }
    acl_log_refused(client, r, ACL_LOG_LUA, sub->command, &sub->argv[at]);
    return reasons[r];
}

/* NULL: it may run; else why not, with the code in front. Fills in what it finds out. */
static const char *check(struct script_run *r, struct cmd *sub)
{
    char text[512];
    const char *error = NULL;

    sub->command = command_find(sub->argv, sub->argc, text, &error);
    if (sub->command == NULL) {
        return "ERR Unknown Redis command called from script";
    }
    if (!command_arity_ok(sub->command, sub->argc)) {
        return "ERR Wrong number of args calling Redis command from script";
    }
    if (sub->command->flags & CMD_NOSCRIPT) {
        return "ERR This Redis command is not allowed from script";
    }
    error = check_acl(sub);
    if (error == NULL) {
        error = check_write(r, sub);
    }
    if (error == NULL && needs_data(sub->command)) {
        error = check_slot(r, sub);
        if (error == NULL) {
            error = check_group(r, sub);
        }
        if (error == NULL) {
            error = check_keyspace(r, sub);
        }
    }
    if (error == NULL && (sub->command->flags & CMD_DENYOOM) && sub->node->out_of_memory &&
        !r->wrote && (r->flags & SCRIPT_ALLOW_OOM) == 0) {
        error = "OOM command not allowed when used memory > 'maxmemory'.";
    }
    return error;
}

/* ---- calling ----------------------------------------------------------------------------------
 */

static void count_rejected(struct node *n, const struct command *command)
{
    if (command != NULL) {
        n->stats.by_command[command->id].rejected++;
    }
}

/* The reply is on the stack. False: it is an error. */
static bool run(lua_State *L, struct scripts *s, struct script_run *r, int argc)
{
    struct cmd *outer = r->cmd;
    struct resp_out out = {.buf = &s->reply, .version = (uint8_t)r->resp};
    struct cmd sub = *outer;
    const char *error;

    sub.argv = s->argv;
    sub.argc = argc;
    sub.db = outer->client->db; /* SELECT within the script changes it */
    sub.slot = -1;
    sub.reply = &out;
    sub.in_exec = true;
    sub.in_script = true;
    buf_clear(&s->reply);
    error = check(r, &sub);
    if (error != NULL) {
        resp_error(&out, error);
        count_rejected(s->node, sub.command);
    } else {
        exec_call_within(outer, &sub);
        r->wrote |= sub.effects > 0;
    }
    if (s->reply.len == 0) {
        lua_pushboolean(L, 0);
        return true;
    }
    (void)vm_room(L, s->reply.len * 4); /* garbage is not to be what there is no room for */
    if (*buf_head(&s->reply) == '-') {
        stats_error(&s->node->stats, buf_head(&s->reply), s->reply.len, false);
        vm_push_error(L, buf_head(&s->reply) + 1, s->reply.len - 3);
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, SCRIPT_ERROR_COUNTED);
        return false;
    }
    (void)convert_reply(L, buf_head(&s->reply));
    return true;
}

static int call(lua_State *L, bool raise)
{
    struct scripts *s = vm_of(L)->owner;
    int argc = lua_gettop(L);
    const char *error;
    bool ok = false;

    if (s->run == NULL) {
        return vm_raise(L, "redis.call/pcall can only be called inside a script invocation");
    }
    vm_check_ending(L); /* whoever has caught that: nothing is written any more */
    error = take_args(L, s, argc);
    if (error != NULL) {
        lua_pushfstring(L, "ERR %s", error);
        vm_push_error(L, lua_tostring(L, -1), lua_objlen(L, -1));
    } else {
        ok = run(L, s, s->run, argc);
    }
    return ok || !raise ? 1 : lua_error(L);
}

int redis_call(lua_State *L) { return call(L, true); }

int redis_pcall(lua_State *L) { return call(L, false); }

int redis_acl_check_cmd(lua_State *L)
{
    struct scripts *s = vm_of(L)->owner;
    int argc = lua_gettop(L);
    const char *error = take_args(L, s, argc);
    char text[512];
    const struct command *command;
    const struct acl_user *user;
    int at;

    if (error != NULL) {
        return vm_raise(L, error);
    }
    command = command_find(s->argv, argc, text, &error);
    if (command == NULL) {
        return vm_raise(L, "Invalid command passed to redis.acl_check_cmd()");
    }
    if (s->run == NULL) {
        return vm_raise(L, "redis.acl_check_cmd can only be called inside a script invocation");
    }
    user = s->run->cmd->client->user;
    lua_pushboolean(L, user->unrestricted ||
                           (command_arity_ok(command, argc) &&
                            acl_user_check(user, command, s->argv, argc, &at) == ACL_OK));
    return 1;
}
