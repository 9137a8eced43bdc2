/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/effects.h - what a command leaves in the log.
 *
 * Effects are deterministic and absolute: no relative times, random picks, or "if" options whose
 * outcome could differ. They are commands of this server and of a stock Redis 7.0. While applying
 * from the log all of these do nothing. The forms follow facts/propagation.tsv. */
#ifndef NODE_EFFECTS_H
#define NODE_EFFECTS_H

#include "node/command/command.h"

/* The command as the client gave it: only where that is deterministic. */
void effect_verbatim(struct cmd *c);
void effect_args(struct cmd *c, const struct arg *argv, size_t argc);
/* Of NUL-terminated words; ends with NULL. */
void effect_words(struct cmd *c, const char *word, ...) __attribute__((sentinel));

/* SET key value [PXAT ms | KEEPTTL]; @expire_at as in node/access.h. */
void effect_set(struct cmd *c, const struct key *k, const char *p, size_t n, int64_t expire_at);
void effect_del(struct cmd *c, const struct key *k);
void effect_pexpireat(struct cmd *c, const struct key *k, int64_t expire_at); /* or PERSIST */
/* The same in another database than c->db (lazy expiry within COPY, MOVE). */
void effect_del_db(struct cmd *c, uint32_t db, const struct key *k);

#endif
