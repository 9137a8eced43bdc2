/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/state.c - see cluster/state.h. */
#include "cluster/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cluster_strerror(int error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case code:                                                                                     \
        return text;
        CLUSTER_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

size_t cluster_first_node(uint32_t group, size_t n_nodes)
{
    return group == CLUSTER_NO_GROUP ? 0 : (group - 1) % n_nodes;
}

static uint32_t level_of(const struct cluster_node *node)
{
    return node->feature_level == 0 ? 1 : node->feature_level;
}

/* The node that has the lowest level; the first of several. */
static const struct cluster_node *lowest(const struct cluster_state *s)
{
    const struct cluster_node *found = &s->nodes[0];

    for (size_t i = 1; i < s->n_nodes; i++) {
        if (level_of(&s->nodes[i]) < level_of(found)) {
            found = &s->nodes[i];
        }
    }
    return found;
}

/* Slots in runs of equal length, but for one slot where they cannot be. */
static void divide_slots(struct cluster_state *s, const struct cluster_node *nodes,
                         uint32_t n_groups)
{
    for (uint32_t i = 0; i < n_groups; i++) {
        uint32_t number = i + 1;

        s->groups[i].number = number;
        if (n_groups > 1) {
            s->groups[i].preferred_leader = nodes[cluster_first_node(number, s->n_nodes)].number;
        }
        for (uint32_t slot = i * CLUSTER_SLOTS / n_groups;
             slot < (i + 1) * CLUSTER_SLOTS / n_groups; slot++) {
            s->slot_group[slot] = (uint16_t)number;
        }
    }
    s->n_groups = n_groups;
}

int cluster_state_genesis(struct cluster_state *s, const char *cluster_id, bool slots_enabled,
                          const struct cluster_node *nodes, size_t n_nodes, uint32_t n_groups)
{
    if (n_nodes == 0 || n_nodes > CLUSTER_NODES_MAX || strlen(cluster_id) != CLUSTER_ID_CHARS ||
        n_groups == 0 || n_groups > CLUSTER_DATA_GROUPS_MAX) {
        return CLUSTER_ERR_INVALID;
    }
    *s = (struct cluster_state){
        .slots_enabled = slots_enabled,
        .epoch = 1,
        .next_node = nodes[n_nodes - 1].number + 1,
        .n_nodes = n_nodes,
    };
    snprintf(s->cluster_id, sizeof s->cluster_id, "%s", cluster_id);
    for (size_t i = 0; i < n_nodes; i++) {
        if (nodes[i].number == 0 || (i > 0 && nodes[i].number <= nodes[i - 1].number)) {
            return CLUSTER_ERR_INVALID;
        }
        s->nodes[i] = nodes[i];
    }
    s->feature_level = level_of(lowest(s));
    divide_slots(s, nodes, n_groups);
    cluster_state_check(s);
    return CLUSTER_OK;
}

const struct cluster_node *cluster_state_node(const struct cluster_state *s, uint64_t number)
{
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].number == number) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

const struct cluster_node *cluster_state_node_by_id(const struct cluster_state *s, const char *id)
{
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (strcmp(s->nodes[i].id, id) == 0) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

const struct cluster_group *cluster_state_group(const struct cluster_state *s, uint32_t number)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        if (s->groups[i].number == number) {
            return &s->groups[i];
        }
    }
    return NULL;
}

unsigned cluster_state_first_slot(const struct cluster_state *s, uint32_t group)
{
    unsigned slot = 0;

    while (slot < CLUSTER_SLOTS && s->slot_group[slot] != group) {
        slot++;
    }
    return slot;
}

/* ---- feature levels ------------------------------------------------------------------------ */

uint32_t cluster_command_level(const struct cluster_command *c)
{
    switch (c->type) {
    case CLUSTER_CMD_UPDATE_NODE:
    case CLUSTER_CMD_PREFER_LEADER:
    case CLUSTER_CMD_CHANGE:
    case CLUSTER_CMD_RAISE_LEVEL:
        break;
    }
    return 1; /* all that the first version has */
}

uint32_t cluster_level_to_raise(const struct cluster_state *s)
{
    uint32_t level = s->n_nodes == 0 ? 0 : level_of(lowest(s));

    return level > s->feature_level ? level : 0;
}

bool cluster_lacks_level(const struct cluster_state *s, uint32_t level,
                         char text[CLUSTER_LEVEL_TEXT_MAX])
{
    const struct cluster_node *node;

    if (level <= s->feature_level) {
        return false;
    }
    node = s->n_nodes == 0 ? NULL : lowest(s);
    if (node != NULL && level_of(node) < level) {
        snprintf(text, CLUSTER_LEVEL_TEXT_MAX,
                 "ERR this needs all nodes of the cluster at feature level %u; node %s (%s:%u) is "
                 "at %u",
                 level, node->id, node->client.host, node->client.port, level_of(node));
    } else {
        snprintf(text, CLUSTER_LEVEL_TEXT_MAX,
                 "TRYAGAIN this needs feature level %u, to which the cluster is just being raised",
                 level);
    }
    return true;
}

static int raise_level(struct cluster_state *s, uint32_t level)
{
    if (level <= s->feature_level) {
        return CLUSTER_ERR_REPEATED;
    }
    if (s->n_nodes == 0 || level_of(lowest(s)) < level) {
        return CLUSTER_ERR_INVALID; /* one went back to an older version meanwhile */
    }
    s->feature_level = level;
    return CLUSTER_OK;
}

static int update_node(struct cluster_state *s, const struct cluster_node *node)
{
    struct cluster_node *known =
        (struct cluster_node *)(uintptr_t)cluster_state_node(s, node->number);

    if (known == NULL || strcmp(known->id, node->id) != 0) {
        return CLUSTER_ERR_UNKNOWN_NODE;
    }
    if (level_of(node) < s->feature_level) {
        return CLUSTER_ERR_INVALID; /* such a node cannot take part any more */
    }
    known->feature_level = level_of(node);
    known->client = node->client;
    known->peer = node->peer;
    memcpy(known->zone, node->zone, sizeof known->zone);
    return CLUSTER_OK;
}

static int prefer_leader(struct cluster_state *s, uint32_t group, uint64_t number)
{
    struct cluster_group *g = (struct cluster_group *)(uintptr_t)cluster_state_group(s, group);

    if (g == NULL) {
        return CLUSTER_ERR_UNKNOWN_GROUP;
    }
    if (number != 0 && cluster_state_node(s, number) == NULL) {
        return CLUSTER_ERR_UNKNOWN_NODE;
    }
    g->preferred_leader = number;
    return CLUSTER_OK;
}

/* ---- changes of the maps ------------------------------------------------------------------- */

void cluster_state_release(struct cluster_state *s)
{
    for (size_t i = 0; i < CLUSTER_MAPS; i++) {
        cluster_texts_release(&s->maps[i]);
    }
}

static bool is_map(enum cluster_map map)
{
    return map == CLUSTER_MAP_USERS || map == CLUSTER_MAP_FUNCTIONS;
}

const struct cluster_texts *cluster_state_map(const struct cluster_state *s, enum cluster_map map)
{
    assert(is_map(map));
    return &s->maps[map - 1];
}

const struct cluster_outcome *cluster_state_outcome(const struct cluster_state *s, uint64_t node)
{
    for (size_t i = 0; i < s->n_outcomes; i++) {
        if (s->outcomes[i].node == node) {
            return &s->outcomes[i];
        }
    }
    return NULL;
}

/* Outcomes of nodes that are no members any more make room. */
static void drop_strangers(struct cluster_state *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_outcomes; i++) {
        if (cluster_state_node(s, s->outcomes[i].node) != NULL) {
            s->outcomes[kept++] = s->outcomes[i];
        }
    }
    s->n_outcomes = kept;
}

static void keep_outcome(struct cluster_state *s, struct cluster_outcome o)
{
    struct cluster_outcome *old =
        (struct cluster_outcome *)(uintptr_t)cluster_state_outcome(s, o.node);

    if (old != NULL) {
        *old = o;
        return;
    }
    if (s->n_outcomes == CLUSTER_NODES_MAX) {
        drop_strangers(s);
    }
    assert(s->n_outcomes < CLUSTER_NODES_MAX);
    s->outcomes[s->n_outcomes++] = o;
}

static int change_map(struct cluster_state *s, const struct cluster_command *c)
{
    const struct cluster_outcome *last = cluster_state_outcome(s, c->number);
    struct cluster_outcome o = {c->number, c->request, CLUSTER_ERR_INVALID};

    if (cluster_state_node(s, c->number) == NULL) {
        return CLUSTER_ERR_UNKNOWN_NODE;
    }
    if (last != NULL && c->request <= last->request) {
        return CLUSTER_ERR_REPEATED;
    }
    if (c->change != NULL && is_map(c->change->map)) {
        o.result = cluster_texts_apply(&s->maps[c->change->map - 1], c->change);
    }
    keep_outcome(s, o);
    return o.result;
}

void cluster_command_release(struct cluster_command *c)
{
    if (c->change != NULL) {
        cluster_change_release(c->change);
        free(c->change);
        c->change = NULL;
    }
}

int cluster_state_apply(struct cluster_state *s, const struct cluster_command *c)
{
    int rc = CLUSTER_ERR_INVALID;

    switch (c->type) {
    case CLUSTER_CMD_UPDATE_NODE:
        rc = update_node(s, &c->node);
        break;
    case CLUSTER_CMD_PREFER_LEADER:
        rc = prefer_leader(s, c->group, c->number);
        break;
    case CLUSTER_CMD_CHANGE:
        rc = change_map(s, c);
        break;
    case CLUSTER_CMD_RAISE_LEVEL:
        rc = raise_level(s, c->level);
        break;
    }
    cluster_state_check(s);
    return rc;
}

void cluster_state_check(const struct cluster_state *s)
{
    assert(s->n_nodes <= CLUSTER_NODES_MAX);
    assert(s->n_groups <= CLUSTER_GROUPS_MAX);
    for (size_t i = 1; i < s->n_nodes; i++) {
        assert(s->nodes[i - 1].number < s->nodes[i].number);
        assert(s->nodes[i].number < s->next_node);
    }
    for (size_t i = 1; i < s->n_groups; i++) {
        assert(s->groups[i - 1].number < s->groups[i].number);
    }
    for (size_t slot = 0; slot < CLUSTER_SLOTS; slot += 1) {
        uint16_t g = s->slot_group[slot];

        assert(g == CLUSTER_NO_GROUP || (slot > 0 && g == s->slot_group[slot - 1]) ||
               cluster_state_group(s, g) != NULL);
    }
}

size_t cluster_choose_voters(const struct cluster_node *nodes, size_t n, size_t max, size_t first,
                             uint64_t *out)
{
    bool taken[CLUSTER_NODES_MAX] = {false};
    size_t chosen = 0;

    /* Rounds: each takes the first node left of every zone not yet served in this round. */
    while (chosen < max && chosen < n) {
        bool in_round[CLUSTER_NODES_MAX] = {false};

        for (size_t k = 0; k < n && chosen < max; k++) {
            size_t i = (first + k) % n;
            bool zone_served = false;

            for (size_t j = 0; j < n; j++) {
                zone_served |= in_round[j] && strcmp(nodes[j].zone, nodes[i].zone) == 0;
            }
            if (!taken[i] && !zone_served) {
                taken[i] = true;
                in_round[i] = true;
                chosen++;
            }
        }
    }
    chosen = 0;
    for (size_t i = 0; i < n; i++) {
        if (taken[i]) {
            out[chosen++] = nodes[i].number;
        }
    }
    return chosen;
}
