/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/command.h - what a command is, and one execution of it.
 *
 * The table is generated at build time from node/command/commands.tsv (facts: arity, flags, key
 * positions, categories ...), node/command/implemented.txt (which of them exist here) and
 * node/command/refused.txt (which have an error of their own instead). The handler of "GETEX" is
 * cmd_getex(), that of "CONFIG|GET" is cmd_config_get(). */
#ifndef NODE_COMMAND_COMMAND_H
#define NODE_COMMAND_COMMAND_H

#include "node/keyspace/keyspace.h"
#include "proto/resp.h"

struct node;   /* node/node.h */
struct client; /* node/client.h */
struct group;  /* node/group.h */
struct span;   /* node/groups.h */
struct command;

/* ---- one execution ------------------------------------------------------------------------- */

/* Of an error reply. */
enum cmd_error {
    CMD_ERROR_OWN,     /* its code is one of the server's */
    CMD_ERROR_MADE_UP, /* its code may be one that a user chose */
    CMD_ERROR_COUNTED, /* it is the error of a command that this one called: in the stats already */
};

/* A command being executed, for a client or (client == NULL) from the log. Lives on the stack of
 * the dispatcher; argv is borrowed from the client's input and dies with the call. */
struct cmd {
    struct node *node;
    struct client *client;         /* NULL while applying */
    const struct command *command; /* the subcommand's entry for a container */
    const struct arg *argv;        /* argv[0] is the command's name */
    int argc;
    struct group *group; /* data group of the keys (keyless: the node's home group, groups.h) */
    struct span *span;   /* over the whole keyspace, and that is several groups; else NULL */
    struct keyspace *ks; /* of that group */
    uint32_t db;
    int slot;               /* all keys are in this one; -1: not known (or no slots) */
    int64_t now_ms;         /* wall time, one value for a whole command or transaction */
    struct resp_out *reply; /* where the reply goes (a discarding one while applying) */
    bool applying;          /* from the log: no effects, no expiry, no clock */
    bool in_exec;           /* inside MULTI/EXEC, or a script */
    bool in_script;         /* called by a script: the reply goes to it */
    enum cmd_error error;   /* where its error, if it replies one, comes from */
    bool retry;             /* of a client that was held back: node/block.h */
    /* Set by node/block.h: the client is held back, nothing has been replied. */
    bool held;
    /* Something is done that no log takes back: when the reply is lost with the leadership, it must
     * not become a redirection, which says "surely not executed", but this. NULL: a redirection. */
    const char *lost_error;
    bool pushed; /* the reply is one that CLIENT REPLY does not hold back: (un)subscribing */
    /* Set by node/access.h and node/effects.h: */
    bool touched;     /* read or wrote keys: the reply waits for the lease at least */
    bool wrote;       /* changed data */
    uint32_t effects; /* logged so far */
    uint64_t gate;    /* batch that must be committed before the reply may leave; 0: none */
};

typedef void command_fn(struct cmd *c);

/* ---- the table ------------------------------------------------------------------------------ */

/* Command flags, as COMMAND INFO names them; bit per flag. */
enum {
    CMD_WRITE = 1u << 0,
    CMD_READONLY = 1u << 1,
    CMD_DENYOOM = 1u << 2,
    CMD_ADMIN = 1u << 3,
    CMD_PUBSUB = 1u << 4,
    CMD_NOSCRIPT = 1u << 5,
    CMD_BLOCKING = 1u << 6,
    CMD_LOADING = 1u << 7,
    CMD_STALE = 1u << 8,
    CMD_SKIP_MONITOR = 1u << 9,
    CMD_SKIP_SLOWLOG = 1u << 10,
    CMD_ASKING = 1u << 11,
    CMD_FAST = 1u << 12,
    CMD_NO_AUTH = 1u << 13,
    CMD_MAY_REPLICATE = 1u << 14,
    CMD_NO_ASYNC_LOADING = 1u << 15,
    CMD_NO_MULTI = 1u << 16,
    CMD_ALLOW_BUSY = 1u << 17,
    CMD_NO_MANDATORY_KEYS = 1u << 18,
    CMD_PROTECTED = 1u << 19,
    CMD_TOUCHES_ARBITRARY_KEYS = 1u << 20,
    CMD_MOVABLE_KEYS = 1u << 21,
    CMD_EXPERIMENTAL = 1u << 22,
};

enum { /* of a key spec */
       KEYSPEC_RO = 1u << 0,
       KEYSPEC_RW = 1u << 1,
       KEYSPEC_OW = 1u << 2,
       KEYSPEC_RM = 1u << 3,
       KEYSPEC_ACCESS = 1u << 4,
       KEYSPEC_UPDATE = 1u << 5,
       KEYSPEC_INSERT = 1u << 6,
       KEYSPEC_DELETE = 1u << 7,
       KEYSPEC_NOT_KEY = 1u << 8,
       KEYSPEC_INCOMPLETE = 1u << 9,
       KEYSPEC_VARIABLE_FLAGS = 1u << 10,
};

struct key_spec {
    uint16_t flags;
    uint8_t begin;       /* 'i': argument number @begin_index; 'k': after keyword; 'u': unknown */
    uint8_t find;        /* 'r': range; 'n': keynum; 'u': unknown */
    int16_t begin_index; /* 'i': position; 'k': where the search starts (< 0: from the end) */
    const char *begin_keyword;
    int16_t last_key, step, limit;            /* 'r' */
    int16_t keynum_index, first_key, kn_step; /* 'n', relative to begin */
};

struct command_arg;     /* argument tree for COMMAND DOCS; node/command/table.h */
struct command_history; /* what came with which version; the same */

struct command {
    const char *name;      /* lower case; a subcommand's own word ("get" of CONFIG|GET) */
    const char *full_name; /* "config|get" */
    command_fn *fn;        /* NULL for a pure container */
    int arity;             /* number of words incl. the name; negative: at least that many */
    uint32_t flags;
    uint32_t acl_categories; /* bit per category, order as in table.h */
    const struct key_spec *key_specs;
    uint8_t n_key_specs;
    int16_t first_key, last_key, key_step; /* legacy triple */
    const char *group, *since, *deprecated_since, *replaced_by, *summary, *complexity;
    const char *const *tips;
    uint8_t n_tips;
    const struct command_arg *args;
    uint16_t n_args;
    const struct command *subcommands;
    uint16_t n_subcommands;
    uint16_t id; /* dense, 0..command_count()-1, subcommands included: index of statistics */
    const struct command_history *history;
    uint8_t n_history;
    bool syscmd; /* internal, says COMMAND DOCS */
    /* Why this command does not exist here; NULL: it does. It is found, so that a client is told
     * the reason, but COMMAND does not list it. */
    const char *refused;
};

/* Case-insensitive look-up by argv: the entry of the subcommand for a container ("config get");
 * NULL: unknown, and *@error (a static or @buf text, without '-') says what Redis would reply.
 * @buf: 512 bytes. Does not check the arity. Fast: one hash of the name. */
const struct command *command_find(const struct arg *argv, int argc, char *buf, const char **error);
bool command_arity_ok(const struct command *c, int argc);
const struct command *command_by_name(const char *name, size_t n); /* top level only, or "a|b" */
size_t command_count(void);                                        /* with subcommands */
const struct command *command_by_id(uint16_t id);
/* Top-level commands, in order of name. */
const struct command *command_table(size_t *n);

/* Positions (argv indexes) of the keys of a call, by key specs and, where these are incomplete,
 * by the command itself. Returns the number found, at most @max (0: none), or -1 when the arguments
 * make no sense ("Invalid arguments specified for command"). @flags (may be NULL): KEYSPEC_* each.
 * @argc positions are always enough; with less, keys beyond @max are left out without a sign.
 * The arity must be right. */
int command_keys(const struct command *c, const struct arg *argv, int argc, int *positions,
                 uint16_t *flags, int max);
/* The same, but for arguments of which only some make no sense, those keys that are clear: a
 * handler may look at them before it sees what is wrong ("GEORADIUS key 0 0 1 m STORE"). Never -1.
 */
int command_clear_keys(const struct command *c, const struct arg *argv, int argc, int *positions,
                       uint16_t *flags, int max);
/* Can a call of it have keys at all? (The channels of SSUBSCRIBE have a key spec, but are none.) */
bool command_has_keys(const struct command *c);

/* ---- replies every family uses -----------------------------------------------------------------
 */

void cmd_reply_ok(struct cmd *c);
void cmd_reply_syntax_error(struct cmd *c);
void cmd_reply_wrong_type(struct cmd *c);
/* Of a subcommand that is called in a way it does not know: "ERR unknown subcommand or wrong number
 * of arguments for 'flush'. Try FUNCTION HELP.", with the subcommand as the client wrote it. */
void cmd_reply_subcommand_error(struct cmd *c);
void cmd_reply_not_integer(struct cmd *c); /* "ERR value is not an integer or out of range" */
/* Handler of commands that are refused: "ERR REPLICAOF is refused: ..." */
void cmd_refused(struct cmd *c);
void cmd_reply_arity_error(struct cmd *c); /* wrong number of arguments for '<full name>' command */
/* A container's HELP: the lines between the title and those on HELP itself; @lines ends with NULL.
 */
void cmd_reply_help(struct cmd *c, const char *const *lines);

/* Argument helpers. */
/* Vector and bytes in one allocation, to be freed, of *@bytes bytes (may be NULL); NULL: no memory.
 */
struct arg *cmd_copy_args(const struct arg *argv, int argc, size_t *bytes);
bool arg_is(const struct arg *a, const char *word); /* case-insensitive */
/* Parse or reply "ERR value is not an integer or out of range" (or @error, code included, when not
 * NULL). cmd_arg_range() checks lo..hi inclusive too, and has a text of its own for that. */
MUST_CHECK bool cmd_arg_i64(struct cmd *c, int i, int64_t *out, const char *error);
MUST_CHECK bool cmd_arg_range(struct cmd *c, int i, int64_t lo, int64_t hi, int64_t *out,
                              const char *error);
/* A timeout in seconds ("0.1"; 0: for ever) at argv[@i], in microseconds; or replies the error.
 * cmd_arg_timeout_ms(): of whole milliseconds. Either is cut to what can be added to any clock. */
MUST_CHECK bool cmd_arg_timeout(struct cmd *c, int i, int64_t *timeout_us);
MUST_CHECK bool cmd_arg_timeout_ms(struct cmd *c, int i, int64_t *timeout_us);

#endif
