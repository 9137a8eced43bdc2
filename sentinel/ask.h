/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/ask.h - put the same few questions to many nodes at once, and wait for no one long. */
#ifndef SENTINEL_ASK_H
#define SENTINEL_ASK_H

#include "base/net.h"
#include "proto/resp.h"

#define ASK_REPLIES_MAX 8

struct ask {
    struct net_addr to;
    /* The outcome. */
    bool answered;                              /* all replies are here; some may be errors */
    char why[192];                              /* else: what went wrong */
    struct resp_value replies[ASK_REPLIES_MAX]; /* one per command, AUTH's not among them */
    size_t n_replies;
    /* While asking. */
    int fd;
    bool connected;
    struct buf in, out;
    size_t skip; /* replies of AUTH still to come */
};

/* A command as one line of words. */
struct ask_plan {
    const char *const *commands; /* ends with NULL */
    const char *password;        /* NULL: none */
    int timeout_ms;              /* for all of it */
};

/* Ask @n nodes; @asks[i].to is set, the rest is overwritten. Returns when all have answered, failed
 * or run out of time. ask_release() each. */
void ask_all(struct ask *asks, size_t n, const struct ask_plan *plan);
void ask_release(struct ask *a);

#endif
