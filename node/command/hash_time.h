/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash_time.h - giving fields of a hash a time to live: HEXPIRE and its kin, HGETEX,
 * HSETEX. Private to node/command. */
#ifndef NODE_COMMAND_HASH_TIME_H
#define NODE_COMMAND_HASH_TIME_H

#include "node/command/command.h"

/* Argument @i as a time, 0 or more, in wall ms. False: replied. */
MUST_CHECK bool hash_time_arg(struct cmd *c, int i, bool seconds, bool relative, int64_t *at);

/* Some fields get one time, or none; or, when it is past, are deleted. */
struct hash_timing {
    struct cmd *c;
    const struct key *k;
    struct item *it;
    int64_t at; /* KEYSPACE_NO_EXPIRE: no time any longer */
    bool past;
    struct arg *fields; /* that got it */
    size_t n;
};
/* For up to @n fields. */
void hash_times_begin(struct hash_timing *t, struct cmd *c, const struct key *k, struct item *it,
                      int64_t at, size_t n);
void hash_times_put(struct hash_timing *t, const struct arg *field); /* one that is there */
/* Log it. Returns the item; NULL: nothing is left of it. */
struct item *hash_times_end(struct hash_timing *t);

#endif
