/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/slowlog.h - the newest commands that took long: SLOWLOG. Exec thread only. */
#ifndef NODE_SLOWLOG_H
#define NODE_SLOWLOG_H

#include "node/command/command.h"
#include "node/node.h"

#define SLOWLOG_ARGS_MAX 32
#define SLOWLOG_ARG_BYTES_MAX 128

struct slowlog_entry {
    uint64_t id;
    int64_t wall_s;
    int64_t took_us;
    struct arg *argv; /* in the entry's allocation; long ones are cut and say so */
    int argc;
    char *client; /* ip:port */
    char *name;   /* "": none */
};

struct slowlog; /* opaque */

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *s); /* NULL is allowed */

/* Make room for new entries and drop old ones, as slowlog-max-len says. */
void slowlog_cron(struct node *n);
void slowlog_clear(struct slowlog *s);
size_t slowlog_len(const struct slowlog *s);
/* @i: 0 is the newest; i < slowlog_len(). Valid until the next note. */
const struct slowlog_entry *slowlog_at(const struct slowlog *s, size_t i);

/* Argument @i of @c holds a password, which is shown to nobody. */
bool slowlog_is_secret(const struct cmd *c, int i);

/* Enter @c, which has taken @us. slowlog_note() is called for every command of a client. */
void slowlog_enter(struct node *n, const struct cmd *c, int64_t us);

static inline void slowlog_note(struct node *n, const struct cmd *c, int64_t us)
{
    int64_t limit = n->config.slowlog_log_slower_than;

    if (UNLIKELY(limit >= 0 && us >= limit)) {
        slowlog_enter(n, c, us);
    }
}

#endif
