/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_codec.c - see node/system_codec.h. */
#include "node/system_codec.h"

#include "base/mem.h"
#include "proto/system.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- plain structs to messages: the messages borrow from the structs ----------------------- */

struct node_msg {
    Sys__Node node;
    Sys__Addr client, peer;
};

static void fill_addr(Sys__Addr *m, const struct net_addr *a)
{
    sys__addr__init(m);
    m->host = (char *)a->host;
    m->port = a->port;
}

static void fill_node(struct node_msg *m, const struct cluster_node *node)
{
    sys__node__init(&m->node);
    fill_addr(&m->client, &node->client);
    fill_addr(&m->peer, &node->peer);
    m->node.number = node->number;
    m->node.id = (char *)node->id;
    m->node.client = &m->client;
    m->node.peer = &m->peer;
    m->node.zone = (char *)node->zone;
    m->node.feature_level = node->feature_level;
}

struct nodes_msg {
    struct node_msg msgs[CLUSTER_NODES_MAX];
    Sys__Node *list[CLUSTER_NODES_MAX];
};

static void fill_nodes(struct nodes_msg *m, const struct cluster_node *nodes, size_t n)
{
    assert(n <= CLUSTER_NODES_MAX);
    for (size_t i = 0; i < n; i++) {
        fill_node(&m->msgs[i], &nodes[i]);
        m->list[i] = &m->msgs[i].node;
    }
}

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);

    buf_reserve(out, n);
    buf_fill(out, protobuf_c_message_pack(m, (uint8_t *)buf_tail(out)));
}

/* ---- messages to plain structs ------------------------------------------------------------- */

static bool copy_text(char *out, size_t size, const char *s)
{
    int n = snprintf(out, size, "%s", s);

    return n >= 0 && (size_t)n < size;
}

static bool read_addr(struct net_addr *out, const Sys__Addr *m)
{
    if (m == NULL || m->port == 0 || m->port > UINT16_MAX || m->host[0] == '\0') {
        return false;
    }
    out->port = (uint16_t)m->port;
    return copy_text(out->host, sizeof out->host, m->host);
}

static bool is_id(const char *s)
{
    return strlen(s) == CLUSTER_ID_CHARS && strspn(s, "0123456789abcdef") == CLUSTER_ID_CHARS;
}

static bool read_node(struct cluster_node *out, const Sys__Node *m)
{
    if (m == NULL || !is_id(m->id)) {
        return false;
    }
    *out = (struct cluster_node){.number = m->number, .feature_level = m->feature_level};
    return copy_text(out->id, sizeof out->id, m->id) && read_addr(&out->client, m->client) &&
           read_addr(&out->peer, m->peer) && copy_text(out->zone, sizeof out->zone, m->zone);
}

static bool read_nodes(struct cluster_node *out, size_t *n_out, Sys__Node *const *list, size_t n)
{
    if (n == 0 || n > CLUSTER_NODES_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_node(&out[i], list[i]) || out[i].number == 0 ||
            (i > 0 && out[i].number <= out[i - 1].number)) {
            return false;
        }
    }
    *n_out = n;
    return true;
}

/* ---- state --------------------------------------------------------------------------------- */

/* Runs of slots that belong to one group. Returns how many; @out may be NULL to count. */
static size_t slot_runs(const struct cluster_state *s, Sys__SlotRange *out)
{
    size_t n = 0;

    for (unsigned first = 0; first < CLUSTER_SLOTS;) {
        unsigned last = first;

        while (last + 1 < CLUSTER_SLOTS && s->slot_group[last + 1] == s->slot_group[first]) {
            last++;
        }
        if (s->slot_group[first] != CLUSTER_NO_GROUP) {
            if (out != NULL) {
                sys__slot_range__init(&out[n]);
                out[n].first = first;
                out[n].last = last;
                out[n].group = s->slot_group[first];
            }
            n++;
        }
        first = last + 1;
    }
    return n;
}

/* Entries of a map or a change. The messages borrow; the arrays are freed with free_texts(). */
struct texts_msg {
    Sys__Text *texts;
    Sys__Text **list;
    size_t n;
};

static struct texts_msg fill_texts(const struct cluster_texts *t)
{
    struct texts_msg m = {mem_alloc((t->n + 1) * sizeof m.texts[0]),
                          mem_alloc((t->n + 1) * sizeof m.list[0]), t->n};

    for (size_t i = 0; i < t->n; i++) {
        const struct cluster_text *e = &t->list[i];

        sys__text__init(&m.texts[i]);
        m.texts[i].name = (ProtobufCBinaryData){e->name_n, (uint8_t *)e->name};
        m.texts[i].text = (ProtobufCBinaryData){e->text_n, (uint8_t *)e->text};
        m.texts[i].gone = e->text == NULL;
        m.list[i] = &m.texts[i];
    }
    return m;
}

static void free_texts(struct texts_msg *m)
{
    free(m->texts);
    free(m->list);
}

/* @edits: entries may be without a text. Strictly ascending, or it is refused: a map has each name
 * once. @out is empty; on failure it may hold some. */
static bool texts_from(struct cluster_texts *out, Sys__Text *const *list, size_t n, bool edits)
{
    for (size_t i = 0; i < n; i++) {
        const Sys__Text *m = list[i];
        const char *text = m->text.data == NULL ? "" : (const char *)m->text.data;

        if (m->name.len == 0 || (m->gone && !edits) ||
            !cluster_texts_put(out, (const char *)m->name.data, m->name.len, m->gone ? NULL : text,
                               m->text.len) ||
            out->n != i + 1 || out->list[i].name_n != m->name.len ||
            memcmp(out->list[i].name, m->name.data, m->name.len) != 0) {
            return false;
        }
    }
    return true;
}

static void fill_map(Sys__Texts *m, struct texts_msg *texts, const struct cluster_texts *t)
{
    sys__texts__init(m);
    *texts = fill_texts(t);
    m->revision = t->revision;
    m->n_list = texts->n;
    m->list = texts->list;
}

static bool map_from(struct cluster_texts *out, const Sys__Texts *m)
{
    if (m == NULL) {
        return true; /* as written before there were any */
    }
    out->revision = m->revision;
    return texts_from(out, m->list, m->n_list, false);
}

struct outcomes_msg {
    Sys__Outcome msgs[CLUSTER_NODES_MAX];
    Sys__Outcome *list[CLUSTER_NODES_MAX];
};

static void fill_outcomes(struct outcomes_msg *m, const struct cluster_state *s)
{
    for (size_t i = 0; i < s->n_outcomes; i++) {
        sys__outcome__init(&m->msgs[i]);
        m->msgs[i].node = s->outcomes[i].node;
        m->msgs[i].request = s->outcomes[i].request;
        m->msgs[i].result = s->outcomes[i].result;
        m->list[i] = &m->msgs[i];
    }
}

static bool outcomes_from(struct cluster_state *out, const Sys__State *m)
{
    if (m->n_outcomes > CLUSTER_NODES_MAX) {
        return false;
    }
    for (size_t i = 0; i < m->n_outcomes; i++) {
        const Sys__Outcome *o = m->outcomes[i];

        if (cluster_state_outcome(out, o->node) != NULL) {
            return false;
        }
        out->outcomes[out->n_outcomes++] = (struct cluster_outcome){o->node, o->request, o->result};
    }
    return true;
}

void system_codec_state(const struct cluster_state *s, struct buf *out)
{
    Sys__State m = SYS__STATE__INIT;
    struct nodes_msg *nodes = mem_alloc(sizeof *nodes);
    Sys__Group groups[CLUSTER_GROUPS_MAX];
    Sys__Group *group_list[CLUSTER_GROUPS_MAX];
    size_t n_runs = slot_runs(s, NULL);
    Sys__SlotRange *runs = mem_alloc((n_runs + 1) * sizeof *runs);
    Sys__SlotRange **run_list = mem_alloc((n_runs + 1) * sizeof run_list[0]);

    Sys__Texts users, functions;
    struct texts_msg user_texts, function_texts;
    struct outcomes_msg outcomes;

    fill_nodes(nodes, s->nodes, s->n_nodes);
    fill_map(&users, &user_texts, cluster_state_map(s, CLUSTER_MAP_USERS));
    fill_map(&functions, &function_texts, cluster_state_map(s, CLUSTER_MAP_FUNCTIONS));
    fill_outcomes(&outcomes, s);
    for (size_t i = 0; i < s->n_groups; i++) {
        sys__group__init(&groups[i]);
        groups[i].number = s->groups[i].number;
        groups[i].preferred_leader = s->groups[i].preferred_leader;
        group_list[i] = &groups[i];
    }
    slot_runs(s, runs);
    for (size_t i = 0; i < n_runs; i++) {
        run_list[i] = &runs[i];
    }
    m.cluster_id = (char *)s->cluster_id;
    m.slots_enabled = s->slots_enabled;
    m.feature_level = s->feature_level;
    m.epoch = s->epoch;
    m.next_node = s->next_node;
    m.n_nodes = s->n_nodes;
    m.nodes = nodes->list;
    m.n_groups = s->n_groups;
    m.groups = group_list;
    m.n_slots = n_runs;
    m.slots = run_list;
    m.users = &users;
    m.functions = &functions;
    m.n_outcomes = s->n_outcomes;
    m.outcomes = outcomes.list;
    pack(&m.base, out);
    free_texts(&user_texts);
    free_texts(&function_texts);
    free(run_list);
    free(runs);
    free(nodes);
}

static bool state_from(struct cluster_state *out, const Sys__State *m)
{
    *out = (struct cluster_state){
        .slots_enabled = m->slots_enabled,
        .feature_level = m->feature_level,
        .epoch = m->epoch,
        .next_node = m->next_node,
    };
    if (!is_id(m->cluster_id) ||
        !copy_text(out->cluster_id, sizeof out->cluster_id, m->cluster_id) ||
        !read_nodes(out->nodes, &out->n_nodes, m->nodes, m->n_nodes) ||
        m->n_groups > CLUSTER_GROUPS_MAX) {
        return false;
    }
    for (size_t i = 0; i < m->n_groups; i++) {
        if (i > 0 && m->groups[i]->number <= m->groups[i - 1]->number) {
            return false;
        }
        out->groups[i] =
            (struct cluster_group){m->groups[i]->number, m->groups[i]->preferred_leader};
    }
    out->n_groups = m->n_groups;
    for (size_t i = 0; i < m->n_slots; i++) {
        const Sys__SlotRange *r = m->slots[i];

        if (r->first > r->last || r->last >= CLUSTER_SLOTS ||
            cluster_state_group(out, r->group) == NULL) {
            return false;
        }
        for (unsigned slot = r->first; slot <= r->last; slot++) {
            out->slot_group[slot] = (uint16_t)r->group;
        }
    }
    return map_from(&out->maps[CLUSTER_MAP_USERS - 1], m->users) &&
           map_from(&out->maps[CLUSTER_MAP_FUNCTIONS - 1], m->functions) && outcomes_from(out, m);
}

int system_codec_read_state(const void *p, size_t n, struct cluster_state *out)
{
    Sys__State *m = sys__state__unpack(NULL, n, p);
    bool ok;

    *out = (struct cluster_state){0};
    ok = m != NULL && state_from(out, m);
    sys__state__free_unpacked(m, NULL);
    if (!ok) {
        cluster_state_release(out);
    }
    return ok ? 0 : -1;
}

/* ---- plan, hello, command ------------------------------------------------------------------ */

static void fill_plan(Sys__Plan *m, struct nodes_msg *nodes, const struct formation_plan *p)
{
    sys__plan__init(m);
    fill_nodes(nodes, p->nodes, p->n_nodes);
    m->cluster_id = (char *)p->cluster_id;
    m->list_digest = p->list_digest;
    m->slots_enabled = p->slots_enabled;
    m->data_groups = p->data_groups;
    m->n_nodes = p->n_nodes;
    m->nodes = nodes->list;
}

/* What was written before there could be several does not say it. */
static uint32_t groups_from(uint32_t data_groups) { return data_groups == 0 ? 1 : data_groups; }

static bool plan_from(struct formation_plan *out, const Sys__Plan *m)
{
    *out = (struct formation_plan){
        .list_digest = m->list_digest,
        .slots_enabled = m->slots_enabled,
        .data_groups = groups_from(m->data_groups),
    };
    return is_id(m->cluster_id) && out->data_groups <= CLUSTER_DATA_GROUPS_MAX &&
           copy_text(out->cluster_id, sizeof out->cluster_id, m->cluster_id) &&
           read_nodes(out->nodes, &out->n_nodes, m->nodes, m->n_nodes);
}

void system_codec_plan(const struct formation_plan *p, struct buf *out)
{
    struct nodes_msg *nodes = mem_alloc(sizeof *nodes);
    Sys__Plan m;

    fill_plan(&m, nodes, p);
    pack(&m.base, out);
    free(nodes);
}

int system_codec_read_plan(const void *p, size_t n, struct formation_plan *out)
{
    Sys__Plan *m = sys__plan__unpack(NULL, n, p);
    bool ok = m != NULL && plan_from(out, m);

    sys__plan__free_unpacked(m, NULL);
    return ok ? 0 : -1;
}

/* What a command's message borrows from. */
struct command_msg {
    Sys__Command command;
    struct node_msg node;
    Sys__Change change;
    struct texts_msg edits;
};

static void fill_change(struct command_msg *m, const struct cluster_change *c)
{
    sys__change__init(&m->change);
    m->edits = fill_texts(&c->edits);
    m->change.map = (uint32_t)c->map;
    m->change.conditional = c->conditional;
    m->change.revision = c->revision;
    m->change.clear = c->clear;
    m->change.n_edits = m->edits.n;
    m->change.edits = m->edits.list;
    m->command.change = &m->change;
}

static void fill_command(struct command_msg *m, const struct cluster_command *c)
{
    sys__command__init(&m->command);
    m->edits = (struct texts_msg){0};
    m->command.type = (uint32_t)c->type;
    if (c->type == CLUSTER_CMD_UPDATE_NODE) {
        fill_node(&m->node, &c->node);
        m->command.node = &m->node.node;
    }
    if (c->change != NULL) {
        fill_change(m, c->change);
    }
    m->command.group = c->group;
    m->command.number = c->number;
    m->command.request = c->request;
    m->command.level = c->level;
}

static bool change_from(struct cluster_command *out, const Sys__Change *m)
{
    struct cluster_change *c;

    if (m == NULL || (m->map != CLUSTER_MAP_USERS && m->map != CLUSTER_MAP_FUNCTIONS)) {
        return false;
    }
    c = mem_zalloc(sizeof *c);
    out->change = c;
    c->map = (enum cluster_map)m->map;
    c->conditional = m->conditional;
    c->revision = m->revision;
    c->clear = m->clear;
    if (!texts_from(&c->edits, m->edits, m->n_edits, true)) {
        cluster_command_release(out);
        return false;
    }
    return true;
}

static bool command_from(struct cluster_command *out, const Sys__Command *m)
{
    *out = (struct cluster_command){.group = m->group, .number = m->number, .request = m->request};
    switch (m->type) {
    case CLUSTER_CMD_UPDATE_NODE:
        out->type = CLUSTER_CMD_UPDATE_NODE;
        return read_node(&out->node, m->node);
    case CLUSTER_CMD_PREFER_LEADER:
        out->type = CLUSTER_CMD_PREFER_LEADER;
        return true;
    case CLUSTER_CMD_CHANGE:
        out->type = CLUSTER_CMD_CHANGE;
        return change_from(out, m->change);
    case CLUSTER_CMD_RAISE_LEVEL:
        out->type = CLUSTER_CMD_RAISE_LEVEL;
        out->level = m->level;
        return true;
    default:
        return false;
    }
}

void system_codec_command(const struct cluster_command *c, struct buf *out)
{
    struct command_msg m;

    fill_command(&m, c);
    pack(&m.command.base, out);
    free_texts(&m.edits);
}

int system_codec_read_command(const void *p, size_t n, struct cluster_command *out)
{
    Sys__Command *m = sys__command__unpack(NULL, n, p);
    bool ok = m != NULL && command_from(out, m);

    sys__command__free_unpacked(m, NULL);
    return ok ? 0 : -1;
}

/* ---- envelopes ----------------------------------------------------------------------------- */

void system_codec_envelope_hello(const struct formation_hello *h, struct buf *out)
{
    Sys__Envelope e = SYS__ENVELOPE__INIT;
    Sys__Hello m = SYS__HELLO__INIT;
    struct node_msg node;

    fill_node(&node, &h->node);
    m.node = &node.node;
    m.list_digest = h->list_digest;
    m.slots_enabled = h->slots_enabled;
    m.data_groups = h->data_groups;
    e.body_case = SYS__ENVELOPE__BODY_HELLO;
    e.hello = &m;
    pack(&e.base, out);
}

void system_codec_envelope_plan(const struct formation_plan *p, struct buf *out)
{
    Sys__Envelope e = SYS__ENVELOPE__INIT;
    struct nodes_msg *nodes = mem_alloc(sizeof *nodes);
    Sys__Plan m;

    fill_plan(&m, nodes, p);
    e.body_case = SYS__ENVELOPE__BODY_PLAN;
    e.plan = &m;
    pack(&e.base, out);
    free(nodes);
}

void system_codec_envelope_propose(const struct cluster_command *c, struct buf *out)
{
    Sys__Envelope e = SYS__ENVELOPE__INIT;
    struct command_msg m;

    fill_command(&m, c);
    e.body_case = SYS__ENVELOPE__BODY_PROPOSE;
    e.propose = &m.command;
    pack(&e.base, out);
    free_texts(&m.edits);
}

void system_codec_envelope_transfer(const struct system_transfer *t, struct buf *out)
{
    Sys__Envelope e = SYS__ENVELOPE__INIT;
    Sys__Transfer m = SYS__TRANSFER__INIT;

    m.group = t->group;
    m.to = t->to;
    m.if_caught_up = t->if_caught_up;
    e.body_case = SYS__ENVELOPE__BODY_TRANSFER;
    e.transfer = &m;
    pack(&e.base, out);
}

static bool hello_from(struct formation_hello *out, const Sys__Hello *m)
{
    *out = (struct formation_hello){
        .list_digest = m->list_digest,
        .slots_enabled = m->slots_enabled,
        .data_groups = groups_from(m->data_groups),
    };
    return read_node(&out->node, m->node);
}

static bool envelope_from(struct system_message *out, const Sys__Envelope *e)
{
    switch (e->body_case) {
    case SYS__ENVELOPE__BODY_HELLO:
        out->type = SYSTEM_MESSAGE_HELLO;
        return hello_from(&out->hello, e->hello);
    case SYS__ENVELOPE__BODY_PLAN:
        out->type = SYSTEM_MESSAGE_PLAN;
        return plan_from(&out->plan, e->plan);
    case SYS__ENVELOPE__BODY_PROPOSE:
        out->type = SYSTEM_MESSAGE_PROPOSE;
        return command_from(&out->propose, e->propose);
    case SYS__ENVELOPE__BODY_TRANSFER:
        out->type = SYSTEM_MESSAGE_TRANSFER;
        out->transfer = (struct system_transfer){e->transfer->group, e->transfer->to,
                                                 e->transfer->if_caught_up};
        return true;
    default:
        return false; /* of a newer version: nothing we could act on */
    }
}

int system_codec_read_envelope(const void *p, size_t n, struct system_message *out)
{
    Sys__Envelope *e = sys__envelope__unpack(NULL, n, p);
    bool ok = e != NULL && envelope_from(out, e);

    sys__envelope__free_unpacked(e, NULL);
    return ok ? 0 : -1;
}
