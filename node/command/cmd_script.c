/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_script.c - EVAL, SCRIPT; FCALL, FUNCTION. What they do is in node/script. */
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/script/library.h"

void cmd_eval(struct cmd *c) { scripts_eval(c, false, false); }
void cmd_evalsha(struct cmd *c) { scripts_eval(c, true, false); }
void cmd_eval_ro(struct cmd *c) { scripts_eval(c, false, true); }
void cmd_evalsha_ro(struct cmd *c) { scripts_eval(c, true, true); }
void cmd_fcall(struct cmd *c) { libraries_call(c, false); }
void cmd_fcall_ro(struct cmd *c) { libraries_call(c, true); }

void cmd_script_load(struct cmd *c) { scripts_load(c); }
void cmd_script_exists(struct cmd *c) { scripts_exists(c); }
void cmd_script_show(struct cmd *c) { scripts_show(c); }
void cmd_script_kill(struct cmd *c) { scripts_kill(c, false); }

void cmd_script_flush(struct cmd *c)
{
    if (c->argc > 3 ||
        (c->argc == 3 && !arg_is(&c->argv[2], "sync") && !arg_is(&c->argv[2], "async"))) {
        resp_error(c->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    scripts_flush(c->node->scripts);
    cmd_reply_ok(c);
}

/* There is no debugger: it would stop the node, or run scripts on a copy of it. */
void cmd_script_debug(struct cmd *c)
{
    if (arg_is(&c->argv[2], "no")) {
        cmd_reply_ok(c);
    } else if (arg_is(&c->argv[2], "yes") || arg_is(&c->argv[2], "sync")) {
        resp_error(c->reply, "ERR SCRIPT DEBUG is refused: this server has no debugger of scripts");
    } else {
        resp_error(c->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
    }
}

void cmd_script_help(struct cmd *c)
{
    static const char *const lines[] = {
        "DEBUG NO",
        "    There is no debugger: YES and SYNC are refused.",
        "EXISTS <sha1> [<sha1> ...]",
        "    For each digest, whether a script with it is in this node's cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Empty the cache.",
        "KILL",
        "    End the script that is running now, if it has written nothing.",
        "LOAD <script>",
        "    Put a script into the cache, without running it; its digest is the reply.",
        "SHOW <sha1>",
        "    The text of a script in the cache.",
        NULL,
    };

    cmd_reply_help(c, lines);
}

void cmd_function_load(struct cmd *c) { libraries_load(c); }
void cmd_function_delete(struct cmd *c) { libraries_delete(c); }
void cmd_function_flush(struct cmd *c) { libraries_flush(c); }
void cmd_function_dump(struct cmd *c) { libraries_dump(c); }
void cmd_function_restore(struct cmd *c) { libraries_restore(c); }
void cmd_function_list(struct cmd *c) { libraries_list(c); }
void cmd_function_stats(struct cmd *c) { libraries_stats(c); }
void cmd_function_kill(struct cmd *c) { scripts_kill(c, true); }

void cmd_function_help(struct cmd *c)
{
    static const char *const lines[] = {
        "DELETE <library-name>",
        "    Delete a library, with its functions.",
        "DUMP",
        "    All libraries as one value, for RESTORE.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all libraries.",
        "KILL",
        "    End the function that is running now, if it has written nothing.",
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    The libraries and their functions.",
        "LOAD [REPLACE] <library-code>",
        "    Make a library known to all nodes of the cluster; its name is the reply.",
        "RESTORE <dump> [FLUSH|APPEND|REPLACE]",
        "    Load the libraries of a dump: instead of all that are there; besides them (as when",
        "    nothing is said: a name that is there already is an error); or in place of those with",
        "    the same names.",
        "STATS",
        "    The function that is running now, and how many there are.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
