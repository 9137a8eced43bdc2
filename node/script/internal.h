/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/internal.h - private to node/script: the scripts of a node, and one that runs. */
#ifndef NODE_SCRIPT_INTERNAL_H
#define NODE_SCRIPT_INTERNAL_H

#include "node/client.h"
#include "node/script/scripts.h"
#include "node/script/vm.h"

/* What the first line of a script, or the registration of a function, says. */
enum script_flag {
    SCRIPT_NO_WRITES = 1u << 0,
    SCRIPT_ALLOW_OOM = 1u << 1,
    SCRIPT_ALLOW_STALE = 1u << 2,
    SCRIPT_NO_CLUSTER = 1u << 3,
    SCRIPT_ALLOW_CROSS_SLOT = 1u << 4,
    SCRIPT_PLAIN = 1u << 5, /* a script without a first line: nothing is known */
};
/* The flag of that name; 0: none. */
uint32_t script_flag_by_name(const char *p, size_t n);
/* "no-writes"; @i counts from 0. NULL: behind the last. */
const char *script_flag_name(unsigned i);

/* What the first line of @p says. False: *@error is about it; free() it. */
MUST_CHECK bool script_parse_flags(const char *p, size_t n, uint32_t *flags, char **error);

/* A script in the cache: a Lua userdata, so that Lua frees it. */
struct script {
    char sha[41];
    uint32_t flags;
    int function, text; /* references in the registry */
    size_t bytes;       /* of the text */
    struct link lru;    /* of those that came by EVAL; not linked: SCRIPT LOAD keeps it */
};

/* One that runs now. */
struct script_run {
    struct cmd *cmd; /* EVAL or FCALL */
    struct vm *vm;
    const char *name; /* SHA-1, or the function's */
    uint32_t flags;
    bool is_function;
    bool wrote;
    bool slow;   /* past busy-reply-threshold */
    bool killed; /* by SCRIPT KILL, or since the node is to stop */
    bool told;   /* that the node is to stop */
    int resp;    /* redis.setresp() */
    int64_t started_us, served_us;
    size_t batch_bytes; /* of the open batch when it began */
};

struct scripts {
    struct node *node;
    struct vm eval, functions;
    struct script_run *run; /* NULL: none */
    struct buf reply;       /* of redis.call() */
    struct arg *argv;       /* likewise */
    size_t cap_argv;

    int by_sha; /* registry reference in eval: {sha = userdata} */
    size_t n_scripts, n_evals, script_bytes;
    struct link lru; /* struct script, that used last at the end */
    uint64_t evicted;

    struct library_table *libraries; /* node/script/library.c */
};

/* The function to run is on the stack of @vm, with nothing else but the message handler: call it
 * with
 * @n_args tables above it, and reply. @name: of the script or the function. */
void script_run(struct cmd *c, struct vm *vm, const char *name, uint32_t flags, int n_args);
/* Says in a reply why a script with these flags cannot run here; else true. */
MUST_CHECK bool script_may_run(struct cmd *c, uint32_t flags, bool read_only);
/* argv[2]: the number of keys, which follow. False: replied why it makes no sense. */
MUST_CHECK bool script_count_keys(struct cmd *c, const char *not_a_number, int *n_keys);
/* Push a table of argv[@from..@from + @n). */
void script_push_args(lua_State *L, const struct cmd *c, int from, int n);

/* A field of an error that redis.call() has made, under the name that scripts know: it is in the
 * statistics, and is not counted again when it becomes the script's reply. */
#define SCRIPT_ERROR_COUNTED "ignore_error_stats_update"

/* The library "redis" on the stack. */
void redis_lib_push(lua_State *L);
/* redis.call() and redis.pcall(): node/script/call.c. */
int redis_call(lua_State *L);
int redis_pcall(lua_State *L);
int redis_acl_check_cmd(lua_State *L);

/* An empty cache in the state of EVAL, which is new. */
void cache_init(struct scripts *s);
/* Flags of the script of an EVAL or EVALSHA; SCRIPT_PLAIN when it is not known. */
uint32_t cache_flags(struct scripts *s, const struct arg *script, bool by_sha);

#endif
