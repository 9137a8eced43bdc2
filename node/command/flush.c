/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/flush.c - whole databases: FLUSHDB, FLUSHALL, SWAPDB.
 *
 * A flush detaches the data at once and has it freed elsewhere, so ASYNC and SYNC do not differ in
 * what a client sees: after the reply the keys are gone. The log of each group carries the bare
 * command. */
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/groups.h"
#include "node/node_limits.h"

#include <limits.h>

static bool flush_options_ok(struct cmd *c)
{
    if (c->argc == 1 ||
        (c->argc == 2 && (arg_is(&c->argv[1], "SYNC") || arg_is(&c->argv[1], "ASYNC")))) {
        return true;
    }
    cmd_reply_syntax_error(c);
    return false;
}

void cmd_flushdb(struct cmd *c)
{
    if (!flush_options_ok(c)) {
        return;
    }
    for (size_t i = 0; groups_use(c, i); i++) {
        access_flush_db(c, c->db);
        effect_words(c, "FLUSHDB", NULL);
    }
    cmd_reply_ok(c);
}

void cmd_flushall(struct cmd *c)
{
    if (!flush_options_ok(c)) {
        return;
    }
    for (size_t i = 0; groups_use(c, i); i++) {
        for (uint32_t db = 0; db < keyspace_databases(c->ks); db++) {
            access_flush_db(c, db);
        }
        effect_words(c, "FLUSHALL", NULL);
    }
    cmd_reply_ok(c);
}

void cmd_swapdb(struct cmd *c)
{
    int64_t a, b;

    if (cmd_cluster_enabled(c)) {
        resp_error(c->reply, "ERR SWAPDB is not allowed in cluster mode");
        return;
    }
    if (!cmd_arg_range(c, 1, INT_MIN, INT_MAX, &a, "ERR invalid first DB index") ||
        !cmd_arg_range(c, 2, INT_MIN, INT_MAX, &b, "ERR invalid second DB index")) {
        return;
    }
    if (MIN_OF(a, b) < 0 || MAX_OF(a, b) >= (int64_t)cmd_databases(c)) {
        resp_error(c->reply, "ERR DB index is out of range");
        return;
    }
    if (a != b) {
        access_swap_dbs(c, (uint32_t)a, (uint32_t)b);
        effect_verbatim(c);
    }
    cmd_reply_ok(c);
}
