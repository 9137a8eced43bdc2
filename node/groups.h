/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/groups.h - which of the node's data groups something concerns.
 *
 * A key's slot names its group. What has no key is one of two things: a matter of the node as
 * clients of Redis see one (ROLE, INFO replication), which is that of its home group; or of the
 * keyspace (DBSIZE, KEYS, FLUSHALL), which is all the groups this node leads, as a master of Redis
 * acts on its own slots. A node that leads none is a replica of the node that leads its home group,
 * and shows what it has of that one's groups.
 *
 * A command over several groups has a span: cmd->group, cmd->ks, cmd->gate, cmd->touched and
 * cmd->wrote are those of one group at a time, that of groups_use(); what they were for the others
 * is kept in the span, and gate_reply() lets the reply wait for all. */
#ifndef NODE_GROUPS_H
#define NODE_GROUPS_H

#include "cluster/state.h"
#include "node/command/command.h"

#define NODE_SYSTEM_GROUP 0u
#define NODE_FIRST_DATA_GROUP 1u /* the only one with cluster-enabled no */
#define NODE_GROUPS_MAX (CLUSTER_DATA_GROUPS_MAX + 1u)

/* The data group with the lowest number of those that this node leads, ready to serve or not; if
 * it leads none, the lowest of all. NULL: none is here (yet). */
struct group *groups_home(const struct node *n);
/* It leads a data group: a master. */
bool groups_lead(const struct node *n);
/* The group of a slot; without slots (cluster-enabled no), and for @slot < 0: the home group. NULL:
 * it is not here. */
struct group *groups_of_slot(const struct node *n, int slot);
/* The leader of a group as far as known here: the last one, while there is none. 0: never known. */
uint64_t groups_leader(const struct group *g);
/* Clients of this node see the group's keys as its own: see above. */
bool groups_show(const struct node *n, const struct group *g);

/* ---- commands over several groups ---------------------------------------------------------- */

struct span_part {
    struct group *group;
    uint64_t gate; /* as in struct cmd */
    bool touched, wrote;
};

struct span {
    size_t n, at; /* parts[at] is in use */
    struct span_part parts[NODE_GROUPS_MAX];
};

/* Make it empty / add a group (once). */
void span_clear(struct span *s);
void span_add(struct span *s, struct group *g);
/* Add what groups_show() says: in order of their slots. */
void span_add_shown(struct span *s, struct node *n);
/* @c is a command over @s: of its first group at first. One part alone needs no span. */
void span_begin(struct span *s, struct cmd *c);
/* What the command saw and did in part @i so far. */
struct span_part span_part(const struct cmd *c, size_t i);

/* for (size_t i = 0; groups_use(c, i); i++): @c is of its i-th group. After the last, false: of the
 * first again. Without a span there is one turn, which changes nothing. Not to be left early. */
MUST_CHECK bool groups_use(struct cmd *c, size_t i);
/* @c is of its first group again. */
void groups_use_first(struct cmd *c);
/* @c is of the group of @slot, if that is its own or one of its span's; else false. */
MUST_CHECK bool groups_use_slot(struct cmd *c, uint16_t slot);
/* The lowest slot of the group of @slot (< 0: of the one in use): groups of a span rise by it. */
unsigned groups_first_slot(const struct cmd *c, int slot);

#endif
