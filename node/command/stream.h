/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream.h - what the commands of streams share. Private to node/command. */
#ifndef NODE_COMMAND_STREAM_H
#define NODE_COMMAND_STREAM_H

#include "node/command/command.h"
#include "node/types/stream_group.h"

/* ---- keys ---------------------------------------------------------------------------------- */

/* The stream at argv[@i] (NULL: there is none); false: it is no stream, replied. */
MUST_CHECK bool stream_read(struct cmd *c, int i, struct stream **s);
MUST_CHECK bool stream_write(struct cmd *c, int i, struct key *k, struct stream **s);

/* ---- ids in arguments; false: replied ------------------------------------------------------- */

/* "ms-seq" or "ms", which means @missing_seq. */
MUST_CHECK bool stream_id_arg(struct cmd *c, int i, uint64_t missing_seq, struct stream_id *out);
/* One end of an interval, as the id that still belongs to it: also "-", "+" and "(id". */
MUST_CHECK bool stream_first_arg(struct cmd *c, int i, struct stream_id *out);
MUST_CHECK bool stream_last_arg(struct cmd *c, int i, struct stream_id *out);

/* ---- replies ------------------------------------------------------------------------------- */

void stream_reply_id(struct cmd *c, struct stream_id id);
/* [id, [field, value ...]] */
void stream_reply_entry(struct cmd *c, const struct stream_iter *i, const struct stream_entry *e);
/* All of an interval as a list, at most @count (0: any number). */
void stream_reply_range(struct cmd *c, const struct stream *s, struct stream_id first,
                        struct stream_id last, bool backwards, uint64_t count);
/* The entry of @id; false: it is not there, nothing replied. */
bool stream_reply_one(struct cmd *c, const struct stream *s, struct stream_id id);
/* "-NOGROUP No such key ... or consumer group ..." */
void stream_reply_no_group(struct cmd *c, const struct arg *key, const struct arg *group,
                           const char *tail);

/* ---- what groups do, and how the log tells it (stream_deliver.c) ------------------------------
 */

/* The changes of one group by one command. Deliveries are logged as XCLAIM, with as many ids as
 * have the same time and number; what is not pending any more as XACK. */
struct stream_log {
    struct cmd *c;
    const struct key *key;
    struct stream_group *group;
    struct arg consumer;
    int64_t delivered_ms;
    uint64_t deliveries;
    struct stream_id *claimed, *dropped;
    size_t n_claimed, n_dropped;
    size_t reserved; /* stream_log_least() of all streams of the command */
};
/* Bytes that a delivery takes in the log, whatever else: the consumer, one entry, how far the group
 * has read. */
size_t stream_log_least(const struct key *k, const struct arg *group, const struct arg *consumer);
/* So much may be logged; false: replied. */
MUST_CHECK bool stream_log_fits(struct cmd *c, size_t least);
/* How many deliveries one command may log: one log entry has them all. */
uint64_t stream_log_room(const struct stream_log *l);
void stream_log_claim(struct stream_log *l, struct stream_id id, const struct stream_nack *nack);
void stream_log_drop(struct stream_log *l, struct stream_id id);
/* XGROUP SETID: last_id and entries_read of the group are what they are now. */
void stream_log_group_id(struct stream_log *l);
void stream_log_end(struct stream_log *l); /* writes what is left */

/* The consumer of this name, which is made (logged, told) if there is none. It has been seen. */
struct stream_consumer *stream_consumer_get(struct cmd *c, const struct key *k,
                                            struct stream_group *g, struct arg name);

#endif
