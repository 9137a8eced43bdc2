/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_slowlog.c - SLOWLOG. */
#include "node/command/handlers.h"
#include "node/slowlog.h"

#include <string.h>

#define GET_DEFAULT 10

static void reply_entry(struct resp_out *o, const struct slowlog_entry *e)
{
    resp_array(o, 6);
    resp_int(o, (int64_t)e->id);
    resp_int(o, e->wall_s);
    resp_int(o, e->took_us);
    resp_array(o, (size_t)e->argc);
    for (int i = 0; i < e->argc; i++) {
        resp_bulk(o, e->argv[i].p, e->argv[i].n);
    }
    resp_bulk_str(o, e->client);
    resp_bulk_str(o, e->name);
}

void cmd_slowlog_get(struct cmd *c)
{
    const struct slowlog *s = c->node->slowlog;
    int64_t count = GET_DEFAULT;

    if (c->argc > 3) {
        cmd_reply_subcommand_error(c);
        return;
    }
    if (c->argc == 3 && !cmd_arg_range(c, 2, -1, INT64_MAX, &count,
                                       "ERR count should be greater than or equal to -1")) {
        return;
    }
    if (count == -1 || count > (int64_t)slowlog_len(s)) {
        count = (int64_t)slowlog_len(s);
    }
    resp_array(c->reply, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        reply_entry(c->reply, slowlog_at(s, (size_t)i));
    }
}

void cmd_slowlog_len(struct cmd *c) { resp_int(c->reply, (int64_t)slowlog_len(c->node->slowlog)); }

void cmd_slowlog_reset(struct cmd *c)
{
    slowlog_clear(c->node->slowlog);
    cmd_reply_ok(c);
}

void cmd_slowlog_help(struct cmd *c)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    The newest <count> entries (10 when not given, all with -1): each an array of",
        "    id, unix time, microseconds taken, arguments, client address, client name.",
        "LEN",
        "    Number of entries.",
        "RESET",
        "    Remove all entries.",
        NULL,
    };

    cmd_reply_help(c, lines);
}
