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
/* A sorted set that has lost a member goes when it was the last one. */
void zset_delete_if_empty(struct cmd *c, const struct key *k, struct item *it);

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
