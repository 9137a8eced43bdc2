/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash.h - what the hash commands share. Private to node/command, but for
 * hash_expire_due().
 *
 * A field past its time is hidden wherever a command looks. It is deleted by commands that write to
 * it, and by the leader's clock (hash_expire_due()); both log an HDEL. While applying from the log
 * no field is past its time. */
#ifndef NODE_COMMAND_HASH_H
#define NODE_COMMAND_HASH_H

#include "node/command/command.h"

/* The hash at argv[1]; false: replied. *@it NULL: there is none. */
MUST_CHECK bool hash_read(struct cmd *c, struct item **it);
MUST_CHECK bool hash_write(struct cmd *c, struct key *k, struct item **it);

/* What the command sees of a hash (NULL: none): a value, and how many fields. */
MUST_CHECK bool hash_see(const struct cmd *c, const struct item *it, const struct arg *field,
                         char *scratch, struct arg *out);
bool hash_hides(const struct cmd *c, const struct item *it, const struct arg *field);
size_t hash_hidden(const struct cmd *c, const struct item *it);

/* Delete what is past its time of the @n fields at argv[@first], argv[@first + @step] ... *@it may
 * be NULL, and becomes it when nothing is left. False: replied, for with the HDEL the command's
 * effects would not fit into one log entry; nothing has changed. */
MUST_CHECK bool hash_drop_past(struct cmd *c, const struct key *k, struct item **it, int first,
                               int step, size_t n);
/* Fields have been removed and that is logged: delete the key if none is left; then NULL. */
struct item *hash_drop_empty(struct cmd *c, const struct key *k, struct item *it);
/* Log HDEL key field ...; HPEXPIREAT key ms FIELDS n field ..., or HPERSIST for KEYSPACE_NO_EXPIRE.
 */
void hash_log_delete(struct cmd *c, const struct key *k, const struct arg *fields, size_t n);
void hash_log_time(struct cmd *c, const struct key *k, int64_t at, const struct arg *fields,
                   size_t n);

/* Log HSET key field value ..., which takes times away; or HSETEX key KEEPTTL FIELDS n ...; or, for
 * a time
 * @at, HSETEX key PXAT ms FIELDS n ... */
#define HASH_LOG_PLAIN KEYSPACE_NO_EXPIRE
#define HASH_LOG_KEEP KEYSPACE_KEEP_EXPIRE
void hash_log_set(struct cmd *c, const struct key *k, int64_t at, const struct arg *pairs,
                  size_t n);

/* FIELDS numfields field ..., at argv[@at] to the end, with @step words for each. False: replied.
 */
MUST_CHECK bool hash_fields_arg(struct cmd *c, int at, int step, size_t *n);

/* Delete up to @most fields that are past their time at c->now_ms, and the key if none is left. */
void hash_expire_due(struct cmd *c, const struct key *k, struct item *it, size_t most);

#endif
