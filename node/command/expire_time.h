/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/expire_time.h - times to live as arguments of commands, shared by families. */
#ifndef NODE_COMMAND_EXPIRE_TIME_H
#define NODE_COMMAND_EXPIRE_TIME_H

#include "node/command/command.h"

/* Argument @i as the time of SET, SETEX, GETEX ...: must be positive. @seconds: its unit, else ms;
 * @relative: counted from now. *@expire_at: wall ms, above 0. False: an error is replied (not an
 * integer; "invalid expire time in '...' command"). */
MUST_CHECK bool expire_time_positive(struct cmd *c, int i, bool seconds, bool relative,
                                     int64_t *expire_at);

/* Give the item @it of @k the time @expire_at and log that; or, when it lies in the past, delete
 * the key and log that. While applying from the log nothing is deleted: the leader's DEL follows.
 */
void expire_set_or_delete(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at);

#endif
