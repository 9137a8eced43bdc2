/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/cmd_harness.h - runs command handlers against a real keyspace, without a node.
 *
 * A harness is a leader's keyspace and a follower's, with another key of their hashes each, so that
 * nothing that is logged may depend on the order of a table. Commands run on the leader with this
 * file's own node/access.h, node/effects.h and node/node_limits.h; the effects each one records are
 * at once applied to the follower, the way the log would be: applying, with a clock that makes no
 * sense. After each command the digests of both must be equal, so every test here shows as well
 * that effects reproduce the change. */
#ifndef TESTS_NODE_CMD_HARNESS_H
#define TESTS_NODE_CMD_HARNESS_H

#include "node/command/command.h"

struct harness;

struct harness *harness_new(bool cluster);
void harness_free(struct harness *h);

/* Execute one command line (words; "..." with \r \n \t \\ \" \xNN) and return the reply's bytes,
 * escaped, valid until the next call. SELECT is understood here. */
const char *harness_run(struct harness *h, const char *line);
/* The same of words, for the reply as raw bytes in harness_reply(). */
void harness_run_args(struct harness *h, const struct arg *argv, int argc);
const struct buf *harness_reply(const struct harness *h);

/* Effects of the last command: "SET k v PXAT 5 ; DEL k" ("3: " before one of another database
 * than the current), "(nothing)"; words that need it are quoted as above. */
const char *harness_effects(const struct harness *h);

/* Run a command on the follower only, as a client there would. */
const char *harness_run_follower(struct harness *h, const char *line);
/* Apply a line from the log to the follower only; returns the reply the applier would see. */
const char *harness_apply(struct harness *h, const char *line);

/* Apply words from the log to both; they must then be equal. */
void harness_apply_to_both(struct harness *h, uint32_t db, const struct arg *argv, int argc);

/* Keyspace events of the last command: "hset k ; del k"; "": none. Without those that come from
 * node/access.c: new, keymiss, expired. Once per command. */
const char *harness_events(struct harness *h);
/* The limits of compact encodings, to be changed. */
struct types_limits *harness_limits(struct harness *h);

/* A command that waits for data replies "" here; for how long it would wait at most (0: for ever).
 */
int64_t harness_timeout_us(const struct harness *h);

void harness_set_protocol(struct harness *h, uint8_t version);
int64_t harness_now(const struct harness *h);
void harness_set_now(struct harness *h, int64_t now_ms);
void harness_set_string_max(struct harness *h, int64_t n);
void harness_set_effect_max(struct harness *h, size_t n);
void harness_set_reads_some_keys(struct harness *h, bool some); /* !cmd_reads_all_keys() */
void harness_set_lfu(struct harness *h, bool lfu);
struct keyspace *harness_keyspace(struct harness *h);
/* Delete what is due on the leader, with effects, as active expiry does. */
void harness_expire(struct harness *h);

/* Append @n bytes at @p as harness_run() returns replies. */
void harness_escape(struct buf *out, const char *p, size_t n);

#endif
