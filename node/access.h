/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/access.h - how a command reaches keys: every look-up and every change goes through here.
 *
 * That is what makes the gates complete: a look-up raises the command's gate to the last batch
 * that touched such a key, a change marks the key with the open batch, wakes WATCHers, tells who
 * tracks the key (node/tracking.h), and expires lazily. A change must be accompanied by an effect
 * (node/effects.h): the dispatcher asserts that a command that changed data has logged something.
 */
#ifndef NODE_ACCESS_H
#define NODE_ACCESS_H

#include "node/command/command.h"

/* ---- look-ups ------------------------------------------------------------------------------ */

/* The item of @name, or NULL; fills @k for the calls below. A key past its time is missing: on the
 * leader it is deleted here (with its effect), on a replica only hidden, and for a command that
 * writes nothing if the log entry is full or CLIENT PAUSE is in force; while applying from the log
 * nothing expires. Updates the access clock, except access_look() and access_peek(). */
struct item *access_read(struct cmd *c, const struct arg *name, struct key *k);
struct item *access_write(struct cmd *c, const struct arg *name, struct key *k);
/* As access_read(), which counts hits and misses, but leaves the clock alone: TTL, TYPE, EXISTS. */
struct item *access_look(struct cmd *c, const struct arg *name, struct key *k);
struct item *access_peek(struct cmd *c, const struct arg *name, struct key *k); /* OBJECT */
/* As access_read(), but a key past its time is only hidden: for keys that no argument names, so
 * that nothing bounds how many there are (SORT ... GET). The command must not be logged as it is.
 */
struct item *access_read_unnamed(struct cmd *c, const struct arg *name, struct key *k);
/* Likewise in another database of the same group (COPY, MOVE). */
struct item *access_write_db(struct cmd *c, uint32_t db, const struct arg *name, struct key *k);

/* True when @it is NULL or of type @t; else replies WRONGTYPE. */
MUST_CHECK bool access_type_ok(struct cmd *c, const struct item *it, enum item_type t);

/* The command depends on the whole keyspace (KEYS, SCAN, DBSIZE, RANDOMKEY): gate at the latest
 * batch. */
void access_all(struct cmd *c);

/* ---- changes: data only; the caller logs the effect -------------------------------------------
 */

/* @it: what access_write() returned for @k (may be NULL). @expire_at: ms, KEYSPACE_NO_EXPIRE,
 * KEYSPACE_KEEP_EXPIRE. */
struct item *access_set_string(struct cmd *c, const struct key *k, struct item *it, const char *p,
                               size_t n, int64_t expire_at);
struct item *access_set_i64(struct cmd *c, const struct key *k, struct item *it, int64_t v,
                            int64_t expire_at);
/* @value: of another type than string, taken over (node/keyspace/value.h). */
struct item *access_set_value(struct cmd *c, const struct key *k, struct item *it, void *value,
                              int64_t expire_at);
/* See keyspace_string_edit(). */
char *access_edit_string(struct cmd *c, const struct key *k, struct item **it, size_t len);
void access_delete(struct cmd *c, const struct key *k, struct item *it);
/* An item that has expired already at @expire_at is the caller's to delete instead. */
void access_set_expire(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at);
struct item *access_move(struct cmd *c, const struct key *k, struct item *it, uint32_t to_db,
                         const struct key *to);
struct item *access_copy(struct cmd *c, struct item *it, uint32_t to_db, const struct key *to);
void access_flush_db(struct cmd *c, uint32_t db); /* contents go to the bg thread */
void access_swap_dbs(struct cmd *c, uint32_t a, uint32_t b);
/* A key changed in place by other means (its value was edited): mark it. */
void access_changed(struct cmd *c, uint32_t db, const struct key *k);

/* @n fields of a hash went because their time was up: INFO counts them. */
void access_note_expired_fields(struct cmd *c, size_t n);

/* True when @it is past its time at c->now_ms (and would be hidden). */
bool access_is_expired(const struct cmd *c, const struct item *it);

#endif
