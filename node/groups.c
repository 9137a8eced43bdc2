/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/groups.c - see node/groups.h. */
#include "node/groups.h"

#include "node/node.h"
#include "node/system.h"

static bool leads(const struct group *g) { return g != NULL && g->role == RAFT_ROLE_LEADER; }

struct group *groups_home(const struct node *n)
{
    struct group *lowest = NULL;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (leads(n->groups[i])) {
            return n->groups[i];
        }
        if (lowest == NULL) {
            lowest = n->groups[i];
        }
    }
    return lowest;
}

bool groups_lead(const struct node *n) { return leads(groups_home(n)); }

struct group *groups_of_slot(const struct node *n, int slot)
{
    uint16_t number;

    if (!n->config.cluster_enabled || slot < 0) {
        return groups_home(n);
    }
    number = system_state(n)->slot_group[slot];
    return number == CLUSTER_NO_GROUP || number >= NODE_GROUPS_MAX ? NULL : n->groups[number];
}

uint64_t groups_leader(const struct group *g)
{
    return g->leader != 0 ? g->leader : g->last_leader;
}

/* @home: of the node. */
static bool is_shown(const struct group *home, const struct group *g)
{
    if (g == home || leads(g)) {
        return true;
    }
    return !leads(home) && groups_leader(g) != 0 && groups_leader(g) == groups_leader(home);
}

bool groups_show(const struct node *n, const struct group *g)
{
    return is_shown(groups_home(n), g);
}

/* ---- commands over several groups ---------------------------------------------------------- */

void span_clear(struct span *s) { s->n = s->at = 0; }

void span_add(struct span *s, struct group *g)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->parts[i].group == g) {
            return;
        }
    }
    s->parts[s->n++] = (struct span_part){.group = g};
}

void span_add_shown(struct span *s, struct node *n)
{
    const struct cluster_state *state = system_state(n);
    const struct group *home = groups_home(n);
    unsigned seen = CLUSTER_NO_GROUP;

    if (home != NULL && n->n_groups == NODE_FIRST_DATA_GROUP + 1) {
        span_add(s, n->groups[NODE_FIRST_DATA_GROUP]); /* whatever slots it has */
        return;
    }
    /* SCAN goes through the groups in this order, so it must not depend on who leads what. */
    for (unsigned slot = 0; home != NULL && slot < CLUSTER_SLOTS; slot++) {
        unsigned number = state->slot_group[slot];

        if (number != seen) {
            struct group *g = number < n->n_groups ? n->groups[number] : NULL;

            seen = number;
            if (number != CLUSTER_NO_GROUP && g != NULL && is_shown(home, g)) {
                span_add(s, g);
            }
        }
    }
}

static void put_away(struct cmd *c)
{
    struct span_part *p = &c->span->parts[c->span->at];

    assert(p->group == c->group);
    /* Data that changed without an effect would differ on the other replicas. */
    assert(!c->wrote || c->effects > 0);
    p->gate = MAX_OF(p->gate, c->gate);
    p->touched |= c->touched;
    p->wrote |= c->wrote;
    c->gate = 0;
    c->touched = c->wrote = false;
}

static void use(struct cmd *c, size_t i)
{
    struct group *g = c->span->parts[i].group;

    if (i != c->span->at) {
        put_away(c);
    }
    c->span->at = i;
    c->group = g;
    c->ks = g->ks;
}

void span_begin(struct span *s, struct cmd *c)
{
    assert(s->n > 0 && s->at == 0);
    c->group = s->parts[0].group;
    c->ks = c->group->ks;
    c->span = s->n > 1 ? s : NULL;
}

struct span_part span_part(const struct cmd *c, size_t i)
{
    struct span_part p = c->span->parts[i];

    if (i == c->span->at) {
        p.gate = MAX_OF(p.gate, c->gate);
        p.touched |= c->touched;
        p.wrote |= c->wrote;
    }
    return p;
}

bool groups_use(struct cmd *c, size_t i)
{
    if (c->span == NULL) {
        return i == 0;
    }
    use(c, i < c->span->n ? i : 0);
    return i < c->span->n;
}

void groups_use_first(struct cmd *c)
{
    if (c->span != NULL) {
        use(c, 0);
    }
}

bool groups_use_slot(struct cmd *c, uint16_t slot)
{
    const struct group *g = groups_of_slot(c->node, slot);

    if (c->span == NULL) {
        return g == c->group;
    }
    for (size_t i = 0; g != NULL && i < c->span->n; i++) {
        if (c->span->parts[i].group == g) {
            use(c, i);
            return true;
        }
    }
    return false;
}

unsigned groups_first_slot(const struct cmd *c, int slot)
{
    const struct cluster_state *s = system_state(c->node);

    if (slot >= 0 && s->slot_group[slot] == CLUSTER_NO_GROUP) {
        return (unsigned)slot;
    }
    return cluster_state_first_slot(s, slot < 0 ? c->group->number : s->slot_group[slot]);
}
