/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset.h - what the commands of sorted sets share. Private to node/command. */
#ifndef NODE_COMMAND_ZSET_H
#define NODE_COMMAND_ZSET_H

#include "node/command/command.h"
#include "node/types/zset.h"

/* Set a member of the sorted set at *@it, which is made if there is none. */
enum zset_change zset_put(struct cmd *c, const struct key *k, struct item **it,
                          const struct arg *member, double score);
/* Remove @n > 0 elements from rank @first on; @event says how. One that loses all is deleted as a
 * whole, since a big value is freed aside. The effect is the caller's. */
void zset_remove_span(struct cmd *c, const struct key *k, struct item *it, uint64_t first,
                      uint64_t n, const char *event);

/* How members come: alone, with their scores in one list, or (RESP3) as pairs. */
void zset_reply_begin(struct cmd *c, size_t n, bool with_scores);
void zset_reply_element(struct cmd *c, struct arg member, double score, bool with_scores);

/* A score at argv[@i]; or replies "ERR value is not a valid float" (or @error). Never -0. */
MUST_CHECK bool zset_score_arg(struct cmd *c, int i, double *out, const char *error);

/* Elements of ranks [first, end) of a sorted set. */
struct zset_span {
    uint64_t first, end;
};

#endif
