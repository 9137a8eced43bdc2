/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/status.h - what the nodes of a cluster say of themselves and of each other.
 *
 * A node is known by the address its clients use. What it says is kept as the text of its INFO and
 * looked up there: a field that another version does not have is shown as "-", never guessed. */
#ifndef SENTINEL_STATUS_H
#define SENTINEL_STATUS_H

#include "base/net.h"
#include "sentinel/text.h"

#define STATUS_NODES_MAX 64
#define STATUS_GROUPS_MAX 65 /* the system group and 64 of data */

struct status_node {
    struct net_addr addr;
    bool asked;
    bool up;            /* info is there */
    char why[192];      /* not up: why */
    char *info;         /* all of INFO; NULL: none */
    char id[41];        /* "" when not known */
    uint64_t number;    /* in the cluster; 0 when not known */
    uint16_t peer_port; /* 0 when not known */
};

struct status {
    struct status_node nodes[STATUS_NODES_MAX];
    size_t n;
};

/* A node with this address, made if it is new; NULL when there are too many. */
struct status_node *status_add(struct status *s, const struct net_addr *addr);
/* @n answered INFO with @info, which is the status's from here on, and CLUSTER NODES with @nodes
 * (NULL: it does not do that). Adds the nodes that these name. */
void status_learn(struct status *s, struct status_node *n, char *info, const char *nodes);
/* Drop nodes found under a second address; order by number. */
void status_settle(struct status *s);
void status_release(struct status *s);

/* The line of a group in a node's INFO: "role=leader,..."; false: it has no replica of it. */
MUST_CHECK bool status_group(const struct status_node *n, unsigned group, struct arg *line);
/* The line of the @i-th follower as its leader @n shows it. */
MUST_CHECK bool status_follower(const struct status_node *n, unsigned group, unsigned i,
                                struct arg *line);
/* The leader of @group with the highest term; NULL: nobody leads. */
const struct status_node *status_leader(const struct status *s, unsigned group);
const struct status_node *status_by_number(const struct status *s, uint64_t number);
/* "2 (127.0.0.1:7002)" at @out (64 + NET_HOST_MAX bytes). Returns @out. */
const char *status_name(const struct status_node *n, char *out);
#define STATUS_NAME_MAX (64 + NET_HOST_MAX)

/* Append one line per thing that is wrong; returns how many. */
size_t status_check(const struct status *s, struct buf *out);
/* The tables. */
void status_print(const struct status *s, struct buf *out);
/* The same as one JSON object. */
void status_print_json(const struct status *s, struct buf *out);

#endif
