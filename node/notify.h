/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/notify.h - keyspace notifications: handlers say what has happened to a key.
 *
 * Each change is named by a class and an event, as Redis names them ("set", "expire", "lpush"). The
 * clients of this node that have subscribed hear of it once it is committed (node/news.h), behind
 * the reply of who has changed it. It is told where the change was executed, so by the leader only.
 * Source: the Redis documentation on keyspace notifications. */
#ifndef NODE_NOTIFY_H
#define NODE_NOTIFY_H

#include "node/command/command.h"

enum notify_class { /* bits; the letters are those of notify-keyspace-events */
                    NOTIFY_KEYSPACE = 1u << 0,  /* K */
                    NOTIFY_KEYEVENT = 1u << 1,  /* E */
                    NOTIFY_GENERIC = 1u << 2,   /* g */
                    NOTIFY_STRING = 1u << 3,    /* $ */
                    NOTIFY_LIST = 1u << 4,      /* l */
                    NOTIFY_SET = 1u << 5,       /* s */
                    NOTIFY_HASH = 1u << 6,      /* h */
                    NOTIFY_ZSET = 1u << 7,      /* z */
                    NOTIFY_EXPIRED = 1u << 8,   /* x */
                    NOTIFY_EVICTED = 1u << 9,   /* e */
                    NOTIFY_STREAM = 1u << 10,   /* t */
                    NOTIFY_KEY_MISS = 1u << 11, /* m */
                    NOTIFY_MODULE = 1u << 12,   /* d */
                    NOTIFY_NEW = 1u << 13,      /* n */
};

/* What 'A' stands for: all but key misses and new keys. */
#define NOTIFY_ALL                                                                                 \
    (NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_ZSET |       \
     NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE)
#define NOTIFY_LETTERS "Ag$lshzxeKEtmdn"

/* The bits of letters in any order; false: one is none of NOTIFY_LETTERS. */
MUST_CHECK bool notify_parse(const char *text, unsigned *out);
/* The letters in the order in which CONFIG GET has them; NOTIFY_ALL together is "A". */
void notify_print(unsigned events, struct buf *out);

/* @event has happened to the key @k of the command's database, or of @db. The command changes
 * something (but for key misses). Nothing while applying from the log, and cheap when nobody has
 * asked for such events. */
void notify(struct cmd *c, enum notify_class class, const char *event, const struct key *k);
void notify_db(struct cmd *c, enum notify_class class, const char *event, uint32_t db,
               const struct key *k);

#endif
