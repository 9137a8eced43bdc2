/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/scripts.h - scripts and functions: EVAL, FCALL and what belongs to them.
 *
 * A script runs within one command of the dispatcher, as EXEC does: its calls run the ordinary
 * handlers on the group of its keys, their effects are one unit of one batch, and the reply stands
 * behind one gate. What the log gets are effects, so nothing that a script does (chance, time, the
 * order of keys) can make replicas differ, and no replica needs the script.
 *
 * A script that runs for longer than busy-reply-threshold lets the other clients be answered
 * between its instructions: with BUSY, but for the commands that help (SCRIPT KILL ...). Nothing
 * else of the node happens meanwhile on the exec thread: the open batch holds half of the script's
 * effects.
 *
 * A signal that asks the node to stop waits for the script, too, but not for ever. One that has
 * written nothing is ended once it has run for busy-reply-threshold, and the shutdown goes its
 * ordinary way. One that has written goes on for up to shutdown-timeout; then the process exits
 * where it stands: the open batch was never proposed, so the script leaves nothing behind, and
 * another node leads after an election.
 *
 * Scripts are cached per node by their SHA-1. Functions are state of the system group.
 * Exec thread only. Source: https://redis.io/docs/latest/develop/interact/programmability/ */
#ifndef NODE_SCRIPT_SCRIPTS_H
#define NODE_SCRIPT_SCRIPTS_H

#include "node/command/command.h"

struct scripts; /* opaque: of a node */

struct scripts *scripts_new(struct node *n);
void scripts_free(struct scripts *s); /* NULL is allowed */

/* ---- routing ----------------------------------------------------------------------------------
 */

bool scripts_runs(const struct command *command);
/* EVAL and its like: what it does is known only from its script. Asked of every command; few have
 * these flags. */
static inline bool scripts_is_command(const struct command *command)
{
    const uint32_t mask = CMD_NOSCRIPT | CMD_MOVABLE_KEYS;

    return UNLIKELY((command->flags & mask) == mask) && scripts_runs(command);
}
/* FUNCTION LOAD and its like change the system group, of which any node may ask that, and no data.
 */
bool scripts_is_of_system(const struct command *command);
/* CMD_WRITE: it is to run where writes are possible. CMD_READONLY: it cannot write. 0: an old
 * script without flags, of which nobody knows. */
uint32_t scripts_flags(struct node *n, const struct command *command, const struct arg *argv,
                       int argc);

/* CLIENT PAUSE WRITE holds it back: its script does not say that it writes nothing. The read-only
 * kinds of these commands run old scripts. */
bool scripts_may_write(struct node *n, const struct command *command, const struct arg *argv,
                       int argc);

/* Its script says that it writes, and not that it may when memory is out. */
bool scripts_denies_oom(struct node *n, const struct command *command, const struct arg *argv,
                        int argc);

/* ---- one that runs for long
 * ---------------------------------------------------------------------- */

/* SCRIPT KILL, FUNCTION KILL: end the running script; replies. */
void scripts_kill(struct cmd *c, bool function);

/* ---- EVAL, SCRIPT (node/script/cache.c)
 * ------------------------------------------------------------ */

/* EVAL: argv[1] is a script; EVALSHA: its SHA-1. Replies. */
void scripts_eval(struct cmd *c, bool by_sha, bool read_only);
/* SCRIPT LOAD, EXISTS, SHOW; they reply. */
void scripts_load(struct cmd *c);
void scripts_exists(struct cmd *c);
void scripts_show(struct cmd *c);
/* SCRIPT FLUSH: all scripts go, and the Lua state that they were in; not while one runs. */
void scripts_flush(struct scripts *s);

/* ---- INFO
 * ------------------------------------------------------------------------------------------ */

struct scripts_usage {
    size_t eval_vm_bytes; /* of the Lua state, with scripts */
    size_t functions_vm_bytes;
    size_t script_bytes;    /* texts of cached scripts */
    size_t functions_bytes; /* texts of libraries */
    size_t n_scripts, n_libraries, n_functions;
    uint64_t evicted;
};
void scripts_usage(struct scripts *s, struct scripts_usage *out);

#endif
