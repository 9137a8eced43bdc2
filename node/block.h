/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/block.h - commands that wait at keys: BLPOP, BLMOVE, BZPOPMIN, XREAD BLOCK and their like.
 *
 * A handler tries first. When there is nothing for it, it calls block_on_keys() and replies
 * nothing: the client is held back, and the same handler is called again, with a copy of its
 * arguments, whenever one of the keys may be ready, until it replies or its time is up. So there
 * is one way to serve: what a woken client gets has its effects, its events and its gate as if
 * the command had just arrived.
 *
 *   a key is changed          access_changed() -> block_key_changed(): it goes on the ready list
 *   behind the command        exec.c -> block_serve(): ready keys in order, at each the clients
 *                             in order of arrival, whose handlers are called again
 *   the group's leader is     block_leader_changed(): nothing was taken, so the clients are sent
 *   elsewhere                 there (MOVED), or told UNBLOCKED in plain mode
 *   no leader is known        they stay; when this node serves the group again, all are tried
 *   the group follows         who only reads, and may do so here (node/route.h), waits as well: an
 *                             entry that is applied wakes, and so does a snapshot that is loaded.
 *                             Such a client stays, whoever leads, until this node has led itself
 *
 * Source: the pages of these commands ("Blocking behavior", "What key is served first?"). */
#ifndef NODE_BLOCK_H
#define NODE_BLOCK_H

#include "node/command/command.h"

struct block_request {
    enum item_type type; /* a key may be ready when it holds such a value */
    bool wake_on_loss;   /* or when it does not any more (XREADGROUP) */
    const int *keys;     /* their positions in argv */
    size_t n_keys;
    int64_t timeout_us; /* from now on; 0: for ever. Only the first call's counts */
    /* What to execute later instead of the command's own arguments, with the keys at the same
     * positions (XREAD, whose "$" means an id of now); NULL: these. */
    const struct arg *argv;
    int argc;
};

/* True: the client is held back (or, when memory is out, has its error): reply nothing. False: it
 * cannot wait (MULTI, scripts): reply that there is nothing. At the timeout the reply is a
 * null array. cmd_arg_timeout() reads timeouts. Nothing may have been changed by the command but
 * keys that were past their time. */
MUST_CHECK bool block_on_keys(struct cmd *c, const struct block_request *r);

#endif
