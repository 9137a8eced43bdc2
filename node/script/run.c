/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/run.c - running one script: before, during and after. See node/script/scripts.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/script/convert.h"
#include "node/script/internal.h"
#include "node/script/library.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_BYTES_KEPT ((size_t)1 << 20) /* of redis.call(), between scripts */
#define SERVE_INTERVAL_US 10000 /* a slow script lets other clients be answered so often */

/* ---- flags ------------------------------------------------------------------------------------
 */

static const char *const flag_names[] = {
    "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys",
};

uint32_t script_flag_by_name(const char *p, size_t n)
{
    for (unsigned i = 0; i < ARRAY_LEN(flag_names); i++) {
        if (strlen(flag_names[i]) == n && memcmp(flag_names[i], p, n) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

const char *script_flag_name(unsigned i)
{
    return i < ARRAY_LEN(flag_names) ? flag_names[i] : NULL;
}

static char *complaint(const char *what, const char *p, size_t n)
{
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "ERR %s: %.*s", what, (int)MIN_OF(n, (size_t)200), p);
    buf_append(&b, "", 1);
    return b.data; /* nothing was consumed from its front */
}

/* "a,b" behind "flags="; or nothing. */
static bool parse_flag_list(const char *p, const char *end, uint32_t *flags, char **error)
{
    bool more = p < end;

    while (more) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t n = (size_t)((comma != NULL ? comma : end) - p);
        uint32_t flag = script_flag_by_name(p, n);

        if (flag == 0) {
            *error = complaint("Unexpected flag in script shebang", p, n);
            return false;
        }
        *flags |= flag;
        more = comma != NULL;
        p += n + more;
    }
    return true;
}

static const char *skip_spaces(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

static const char *word_end(const char *p, const char *end)
{
    while (p < end && *p != ' ' && *p != '\t' && *p != '\r') {
        p++;
    }
    return p;
}

bool script_parse_flags(const char *p, size_t n, uint32_t *flags, char **error)
{
    static const char engine[] = "#!lua", option[] = "flags=";
    const char *end, *word;

    *flags = SCRIPT_PLAIN;
    *error = NULL;
    if (n < 2 || p[0] != '#' || p[1] != '!') {
        return true;
    }
    *flags = 0;
    end = memchr(p, '\n', n);
    if (end == NULL) {
        *error = mem_strdup("ERR Invalid script shebang");
        return false;
    }
    word = word_end(p, end);
    if ((size_t)(word - p) != sizeof engine - 1 || memcmp(p, engine, sizeof engine - 1) != 0) {
        *error = complaint("Unexpected engine in script shebang", p, (size_t)(word - p));
        return false;
    }
    for (p = skip_spaces(word, end); p < end; p = skip_spaces(word, end)) {
        word = word_end(p, end);
        if ((size_t)(word - p) < sizeof option - 1 || memcmp(p, option, sizeof option - 1) != 0) {
            *error = complaint("Unknown lua shebang option", p, (size_t)(word - p));
            return false;
        }
        if (!parse_flag_list(p + sizeof option - 1, word, flags, error)) {
            return false;
        }
    }
    return true;
}

/* ---- before -----------------------------------------------------------------------------------
 */

bool script_may_run(struct cmd *c, uint32_t flags, bool read_only)
{
    if (flags & SCRIPT_PLAIN) {
        return true; /* its calls tell */
    }
    if ((flags & SCRIPT_NO_CLUSTER) && c->node->config.cluster_enabled) {
        resp_error(c->reply, "ERR Can not run script on cluster, 'no-cluster' flag is set.");
        return false;
    }
    if (flags & SCRIPT_NO_WRITES) {
        return true;
    }
    if (read_only) {
        resp_error(c->reply, "ERR Can not execute a script with write flag using *_ro command.");
        return false;
    }
    if (c->node->out_of_memory && (flags & SCRIPT_ALLOW_OOM) == 0) {
        resp_error(c->reply,
                   "OOM allow-oom flag is not set on the script, can not run it when used "
                   "memory > 'maxmemory'");
        return false;
    }
    return true;
}

bool script_count_keys(struct cmd *c, const char *not_a_number, int *n_keys)
{
    int64_t n;

    if (!cmd_arg_i64(c, 2, &n, not_a_number)) {
        return false;
    }
    if (n > c->argc - 3) {
        resp_error(c->reply, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (n < 0) {
        resp_error(c->reply, "ERR Number of keys can't be negative");
        return false;
    }
    *n_keys = (int)n;
    return true;
}

void script_push_args(lua_State *L, const struct cmd *c, int from, int n)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, c->argv[from + i].p, c->argv[from + i].n);
        lua_rawseti(L, -2, i + 1);
    }
}

/* ---- during -----------------------------------------------------------------------------------
 */

static const char *busy_error(const struct script_run *r)
{
    return r->is_function
               ? "BUSY Redis is busy running a script. You can only call FUNCTION KILL or "
                 "SHUTDOWN NOSAVE."
               : "BUSY Redis is busy running a script. You can only call SCRIPT KILL or "
                 "SHUTDOWN NOSAVE.";
}

static void note_slow(struct script_run *r, int64_t ran_us)
{
    r->slow = true;
    r->cmd->node->busy_error = busy_error(r);
    log_warning(
        "%s %s runs for %lld ms by now: other clients are told BUSY. %s KILL ends it as long "
        "as it has written nothing.",
        r->is_function ? "function" : "script", r->name, (long long)(ran_us / 1000),
        r->is_function ? "FUNCTION" : "SCRIPT");
}

static void note_stop(struct script_run *r)
{
    const char *what = r->is_function ? "function" : "script";

    r->told = true;
    if (r->wrote) {
        log_notice("%s %s has written: the shutdown waits for its end, for up to "
                   "shutdown-timeout",
                   what, r->name);
    } else {
        log_notice("%s %s holds the shutdown up: it is ended when it has run for "
                   "busy-reply-threshold",
                   what, r->name);
    }
}

/* The node is to stop. What a script has written is in the open batch, which is proposed
 * when the script has ended: a process that ends before that takes the script back as a whole. */
static void obey_shutdown(struct script_run *r, int64_t now)
{
    struct node *n = r->cmd->node;
    int64_t deadline;
    bool late;

    if (!node_is_to_stop(n, &deadline)) {
        return;
    }
    if (!r->told) {
        note_stop(r);
    }
    late = now >= deadline;
    if (r->wrote && late) {
        log_warning("exiting now, without what %s %s has written: nothing of it is in the log",
                    r->is_function ? "function" : "script", r->name);
        _exit(0);
    }
    if (!r->wrote && !r->killed && (r->slow || late)) {
        log_notice("%s %s is ended", r->is_function ? "function" : "script", r->name);
        r->vm->end_error = "ERR Script ended: this server is shutting down";
        r->killed = true;
    }
}

/* Between the instructions of a script. */
static bool interrupt(struct vm *vm)
{
    struct scripts *s = vm->owner;
    struct script_run *r = s->run;
    struct node *n = s->node;
    int64_t limit_us = n->config.busy_reply_threshold * 1000;
    int64_t now;

    if (r == NULL) {
        return libraries_may_go_on(s);
    }
    now = clock_boot_us();
    if (!r->slow && limit_us > 0 && now - r->started_us > limit_us) {
        note_slow(r, now - r->started_us);
    }
    if (r->slow && now - r->served_us > SERVE_INTERVAL_US) {
        clients_serve_busy(n);
        r->served_us = clock_boot_us();
    }
    obey_shutdown(r, now);
    return !r->killed;
}

void scripts_kill(struct cmd *c, bool function)
{
    struct script_run *r = c->node->scripts->run;

    if (r == NULL) {
        resp_error(c->reply, "NOTBUSY No scripts in execution right now.");
    } else if (r->is_function != function) {
        resp_error(c->reply, busy_error(r));
    } else if (r->wrote) {
        resp_error(c->reply,
                   "UNKILLABLE Sorry the script already executed write commands against the "
                   "dataset. You can either wait the script termination or kill the server "
                   "in a hard way using the SHUTDOWN NOSAVE command.");
    } else {
        r->killed = true;
        cmd_reply_ok(c);
    }
}

/* ---- after ------------------------------------------------------------------------------------
 */

/* Raw, for nothing catches an error here that a metatable of the script's might raise. */
static const char *field(lua_State *L, int table, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, table);
    return lua_tostring(L, -1); /* the value stays on the stack */
}

/* The value on the stack is an error that was counted when a command of the script made it. */
static bool is_counted_error(lua_State *L)
{
    bool is;

    if (!lua_istable(L, -1)) {
        return false;
    }
    lua_pushliteral(L, SCRIPT_ERROR_COUNTED);
    lua_rawget(L, -2);
    is = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return is;
}

/* The error table on the stack: what it says, who says it, and where. */
static void reply_error(struct cmd *c, lua_State *L, const char *name)
{
    int table = lua_gettop(L);
    const char *text = field(L, table, "err");
    const char *source = field(L, table, "source");
    const char *at = field(L, table, "line");

    if (text == NULL) {
        text = "ERR unknown error";
    }
    if (*text == '-') {
        text++;
    }
    if (source == NULL) {
        resp_errorf(c->reply, "%s", text);
    } else {
        resp_errorf(c->reply, "%s script: %s, on %s:%s.", text, name, source,
                    at != NULL ? at : "-1");
    }
    lua_settop(L, table);
}

/* A result may name one long string a thousand times. */
static size_t reply_bytes_max(const struct node *n)
{
    return n->config.lua_memory_limit > 0 ? (size_t)n->config.lua_memory_limit : SIZE_MAX;
}

void script_run(struct cmd *c, struct vm *vm, const char *name, uint32_t flags, int n_args)
{
    struct scripts *s = c->node->scripts;
    uint32_t db = c->client->db;
    size_t reply_from = c->reply->buf->len;
    bool ok;
    struct script_run run = {
        .cmd = c,
        .vm = vm,
        .name = name,
        .flags = flags,
        .is_function = vm == &s->functions,
        .resp = 2,
        .started_us = clock_boot_us(),
        .batch_bytes = c->group != NULL ? c->group->batch.len : 0,
    };

    assert(s->run == NULL);
    vm->end_error = "ERR Script killed by user with SCRIPT KILL...";
    s->run = &run;
    if (vm->seeded) {
        rng_init(&vm->rng, rng_next(&c->node->rng));
        vm->seeded = false;
    }
    ok = vm_call(vm, n_args);
    c->error = is_counted_error(vm->L) ? CMD_ERROR_COUNTED : CMD_ERROR_MADE_UP;
    if (!ok) {
        reply_error(c, vm->L, name);
    } else if (!convert_value(vm->L, c->reply, run.resp, reply_bytes_max(c->node))) {
        c->reply->buf->len = reply_from;
        resp_error(c->reply, "ERR not enough memory for the result of the script");
    }
    s->run = NULL;
    c->node->busy_error = NULL;
    lua_settop(vm->L, 1);
    vm_tidy(vm);
    buf_clear(&s->reply);
    buf_shrink(&s->reply, REPLY_BYTES_KEPT);
    c->client->db = db;
    if (run.slow) {
        log_notice("%s %s has ended after %lld ms", run.is_function ? "function" : "script", name,
                   (long long)((clock_boot_us() - run.started_us) / 1000));
    }
}

/* ---- the scripts of a node
 * ----------------------------------------------------------------------- */

/* The state of EVAL, with an empty cache. */
static bool eval_init(struct scripts *s)
{
    struct node *n = s->node;

    if (!vm_init(&s->eval, rng_next(&n->rng), s, interrupt)) {
        return false;
    }
    s->eval.memory_limit = &n->config.lua_memory_limit;
    redis_lib_push(s->eval.L);
    vm_set_library(s->eval.L, "redis");
    cache_init(s);
    return true;
}

struct scripts *scripts_new(struct node *n)
{
    struct scripts *s = mem_zalloc(sizeof *s);

    s->node = n;
    buf_init(&s->reply);
    if (!eval_init(s) || !vm_init(&s->functions, rng_next(&n->rng), s, interrupt)) {
        scripts_free(s);
        return NULL;
    }
    s->functions.memory_limit = &n->config.lua_memory_limit;
    libraries_init(s);
    return s;
}

/* What scripts have changed of the state (the settings of cjson) goes as well. */
void scripts_flush(struct scripts *s)
{
    assert(s->run == NULL);
    vm_release(&s->eval);
    if (!eval_init(s)) {
        log_fatal("no memory for the state of scripts");
    }
}

void scripts_free(struct scripts *s)
{
    if (s == NULL) {
        return;
    }
    libraries_release(s);
    vm_release(&s->eval);
    vm_release(&s->functions);
    buf_release(&s->reply);
    free(s->argv);
    free(s);
}

bool scripts_runs(const struct command *command)
{
    return command->fn == cmd_eval || command->fn == cmd_evalsha || command->fn == cmd_eval_ro ||
           command->fn == cmd_evalsha_ro || command->fn == cmd_fcall || command->fn == cmd_fcall_ro;
}

bool scripts_is_of_system(const struct command *command)
{
    return strncmp(command->full_name, "function|", strlen("function|")) == 0;
}

static uint32_t flags_of(struct node *n, const struct command *command, const struct arg *argv,
                         int argc)
{
    if (argc < 2) {
        return SCRIPT_PLAIN;
    }
    if (command->fn == cmd_fcall || command->fn == cmd_fcall_ro) {
        return library_function_flags(n->scripts, &argv[1]);
    }
    return cache_flags(n->scripts, &argv[1],
                       command->fn == cmd_evalsha || command->fn == cmd_evalsha_ro);
}

uint32_t scripts_flags(struct node *n, const struct command *command, const struct arg *argv,
                       int argc)
{
    uint32_t flags;

    if (command->flags & CMD_READONLY) {
        return CMD_READONLY;
    }
    flags = flags_of(n, command, argv, argc);
    if (flags & SCRIPT_PLAIN) {
        return 0;
    }
    return flags & SCRIPT_NO_WRITES ? CMD_READONLY : CMD_WRITE;
}

bool scripts_may_write(struct node *n, const struct command *command, const struct arg *argv,
                       int argc)
{
    uint32_t flags = flags_of(n, command, argv, argc);

    return flags & SCRIPT_PLAIN ? (command->flags & CMD_READONLY) == 0
                                : (flags & SCRIPT_NO_WRITES) == 0;
}

bool scripts_denies_oom(struct node *n, const struct command *command, const struct arg *argv,
                        int argc)
{
    return (flags_of(n, command, argv, argc) &
            (SCRIPT_PLAIN | SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM)) == 0;
}

void scripts_usage(struct scripts *s, struct scripts_usage *out)
{
    *out = (struct scripts_usage){
        .eval_vm_bytes = s->eval.bytes,
        .functions_vm_bytes = s->functions.bytes,
        .script_bytes = s->script_bytes,
        .n_scripts = s->n_scripts,
        .evicted = s->evicted,
    };
    libraries_usage(s, out);
}
