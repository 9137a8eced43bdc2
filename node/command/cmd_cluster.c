/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_cluster.c - CLUSTER, as the system group's state and the groups' leaders say it.
 *
 * A node that leads a data group is a master with all the slots of the groups it leads; a node
 * that leads none is a slave of the leader of the data group. During an election the last known
 * leader is shown: clients go on sending to it or to others, and wait there.
 * Source: the Redis command pages; shapes as recorded from Redis 7.0. */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a reply is made from ------------------------------------------------------------- */

struct view {
    const struct cluster_state *state;
    uint64_t self;
    uint64_t leader; /* of the data group; 0: never known */
    bool leader_is_current;
    struct raft_host_status host;
    struct raft_group_status group;
    bool has_group;
};

static struct view *view_new(struct cmd *c)
{
    struct node *n = c->node;
    struct group *g = n->groups[NODE_DATA_GROUP];
    struct view *v = mem_zalloc(sizeof *v);

    v->state = system_state(n);
    v->self = raft_host_identity(n->host)->node;
    raft_host_get_status(n->host, &v->host);
    if (g != NULL) {
        v->leader = g->leader != 0 ? g->leader : g->last_leader;
        v->leader_is_current = g->leader != 0;
        v->has_group = raft_host_group_status(n->host, g->number, &v->group) == RAFT_HOST_OK;
    }
    return v;
}

static bool is_connected(const struct view *v, uint64_t number)
{
    if (number == v->self) {
        return true;
    }
    for (size_t i = 0; i < v->host.n_peers; i++) {
        if (v->host.peers[i].peer.node == number) {
            return v->host.peers[i].connected;
        }
    }
    return false;
}

static int64_t since_ms(const struct view *v, uint64_t number)
{
    for (size_t i = 0; i < v->host.n_peers; i++) {
        if (v->host.peers[i].peer.node == number) {
            return v->host.peers[i].since_wall_ms;
        }
    }
    return 0;
}

/* Log index up to which node @number is known to be; 0 when this node cannot tell. */
static uint64_t offset_of(const struct cmd *c, const struct view *v, uint64_t number)
{
    const struct group *g = c->node->groups[NODE_DATA_GROUP];

    if (g == NULL) {
        return 0;
    }
    if (number == v->self) {
        return g->applied;
    }
    for (size_t i = 0; v->has_group && i < v->group.raft.n_peers; i++) {
        if (v->group.raft.peers[i].id == number) {
            return v->group.raft.peers[i].match;
        }
    }
    return number == v->leader && v->has_group ? v->group.raft.commit : 0;
}

static bool serves(const struct view *v) { return v->state->n_nodes > 0 && v->leader_is_current; }

/* Runs of slots owned by groups that @number leads: in this version all groups have one leader. */
static size_t slot_runs(const struct view *v, uint64_t number, uint16_t (*out)[2], size_t max)
{
    size_t n = 0;

    for (unsigned first = 0; number == v->leader && first < CLUSTER_SLOTS;) {
        unsigned last = first;
        uint16_t group = v->state->slot_group[first];

        while (last + 1 < CLUSTER_SLOTS && v->state->slot_group[last + 1] == group) {
            last++;
        }
        if (group != CLUSTER_NO_GROUP && n < max) {
            out[n][0] = (uint16_t)first;
            out[n][1] = (uint16_t)last;
            n++;
        }
        first = last + 1;
    }
    return n;
}

#define RUNS_MAX CLUSTER_SLOTS

static uint16_t (*runs_new(void))[2] { return mem_alloc(RUNS_MAX * sizeof(uint16_t[2])); }

static bool cluster_is_on(struct cmd *c)
{
    if (!c->node->config.cluster_enabled) {
        resp_error(c->reply, "ERR This instance has cluster support disabled");
        return false;
    }
    return true;
}

/* ---- INFO, MYID ---------------------------------------------------------------------------- */

void cmd_cluster_info(struct cmd *c)
{
    struct view *v;
    struct buf out;
    unsigned assigned = 0;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        assigned += v->state->slot_group[slot] != CLUSTER_NO_GROUP;
    }
    buf_init(&out);
    buf_printf(&out,
               "cluster_state:%s\r\n"
               "cluster_slots_assigned:%u\r\n"
               "cluster_slots_ok:%u\r\n"
               "cluster_slots_pfail:0\r\n"
               "cluster_slots_fail:%u\r\n"
               "cluster_known_nodes:%zu\r\n"
               "cluster_size:%d\r\n"
               "cluster_current_epoch:%llu\r\n"
               "cluster_my_epoch:%llu\r\n",
               serves(v) && assigned == CLUSTER_SLOTS ? "ok" : "fail", assigned,
               serves(v) ? assigned : 0, serves(v) ? 0 : assigned, MAX_OF(v->state->n_nodes, 1u),
               v->leader != 0 ? 1 : 0, (unsigned long long)v->state->epoch,
               (unsigned long long)v->state->epoch);
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
    free(v);
}

void cmd_cluster_myid(struct cmd *c)
{
    if (cluster_is_on(c)) {
        resp_bulk_str(c->reply, raft_host_identity(c->node->host)->node_id);
    }
}

/* ---- NODES, REPLICAS ----------------------------------------------------------------------- */

static void node_line(const struct view *v, const struct cluster_node *node, struct buf *out)
{
    const struct cluster_node *leader = cluster_state_node(v->state, v->leader);
    bool is_master = node->number == v->leader || v->leader == 0;
    bool connected = is_connected(v, node->number);

    buf_printf(out, "%s %s:%u@%u %s%s%s %s 0 %lld %llu %s", node->id, node->client.host,
               node->client.port, node->peer.port, node->number == v->self ? "myself," : "",
               is_master ? "master" : "slave", connected ? "" : ",fail?",
               is_master || leader == NULL ? "-" : leader->id,
               (long long)(node->number == v->self ? 0 : since_ms(v, node->number)),
               (unsigned long long)v->state->epoch, connected ? "connected" : "disconnected");
    if (node->number == v->leader) {
        uint16_t(*runs)[2] = runs_new();
        size_t n = slot_runs(v, node->number, runs, RUNS_MAX);

        for (size_t i = 0; i < n; i++) {
            if (runs[i][0] == runs[i][1]) {
                buf_printf(out, " %u", runs[i][0]);
            } else {
                buf_printf(out, " %u-%u", runs[i][0], runs[i][1]);
            }
        }
        free(runs);
    }
}

/* Before forming: the one line a fresh Redis node has as well. */
static void unformed_line(struct cmd *c, struct buf *out)
{
    buf_printf(out, "%s :%lld@0 myself,master - 0 0 0 connected",
               raft_host_identity(c->node->host)->node_id, (long long)c->node->config.port);
}

void cmd_cluster_nodes(struct cmd *c)
{
    struct view *v;
    struct buf out;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    buf_init(&out);
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        node_line(v, &v->state->nodes[i], &out);
        buf_append(&out, "\n", 1);
    }
    if (v->state->n_nodes == 0) {
        unformed_line(c, &out);
        buf_append(&out, "\n", 1);
    }
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
    free(v);
}

/* The node that argv[2] names; NULL: replied. */
static const struct cluster_node *named_node(struct cmd *c, const struct view *v)
{
    const struct cluster_node *node = NULL;

    if (c->argv[2].n == CLUSTER_ID_CHARS) {
        char id[CLUSTER_ID_CHARS + 1];

        memcpy(id, c->argv[2].p, CLUSTER_ID_CHARS);
        id[CLUSTER_ID_CHARS] = '\0';
        node = cluster_state_node_by_id(v->state, id);
    }
    if (node == NULL) {
        resp_errorf(c->reply, "ERR Unknown node %.*s", (int)MIN_OF(c->argv[2].n, 128u),
                    c->argv[2].p);
    }
    return node;
}

static void reply_replicas(struct cmd *c, const struct view *v)
{
    struct buf line;

    resp_array(c->reply, v->state->n_nodes - 1);
    buf_init(&line);
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        if (v->state->nodes[i].number != v->leader) {
            buf_clear(&line);
            node_line(v, &v->state->nodes[i], &line);
            resp_bulk(c->reply, buf_head(&line), line.len);
        }
    }
    buf_release(&line);
}

void cmd_cluster_replicas(struct cmd *c)
{
    const struct cluster_node *node;
    struct view *v;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    node = named_node(c, v);
    if (node != NULL && node->number != v->leader) {
        resp_error(c->reply, "ERR The specified node is not a master");
    } else if (node != NULL) {
        reply_replicas(c, v);
    }
    free(v);
}

void cmd_cluster_slaves(struct cmd *c) { cmd_cluster_replicas(c); }

/* Nobody gossips about failures here: each node sees its own connections. */
void cmd_cluster_count_failure_reports(struct cmd *c)
{
    struct view *v;
    const struct cluster_node *node;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    node = named_node(c, v);
    if (node != NULL) {
        resp_int(c->reply, is_connected(v, node->number) ? 0 : 1);
    }
    free(v);
}

/* ---- SLOTS, SHARDS ------------------------------------------------------------------------- */

static void slots_node(struct cmd *c, const struct cluster_node *node)
{
    resp_array(c->reply, 4);
    resp_bulk_str(c->reply, node->client.host);
    resp_int(c->reply, node->client.port);
    resp_bulk_str(c->reply, node->id);
    resp_map(c->reply, 0);
}

static void slots_range(struct cmd *c, const struct view *v, const uint16_t run[2])
{
    size_t at = resp_deferred_begin(c->reply);
    size_t n = 3;

    resp_int(c->reply, run[0]);
    resp_int(c->reply, run[1]);
    slots_node(c, cluster_state_node(v->state, v->leader));
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        const struct cluster_node *node = &v->state->nodes[i];

        if (node->number != v->leader && is_connected(v, node->number)) {
            slots_node(c, node);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

void cmd_cluster_slots(struct cmd *c)
{
    struct view *v;
    uint16_t(*runs)[2];
    size_t n;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    runs = runs_new();
    n = slot_runs(v, v->leader, runs, RUNS_MAX);
    if (cluster_state_node(v->state, v->leader) == NULL) {
        n = 0;
    }
    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        slots_range(c, v, runs[i]);
    }
    free(runs);
    free(v);
}

static void shard_node(struct cmd *c, const struct view *v, const struct cluster_node *node)
{
    resp_map(c->reply, 7);
    resp_bulk_str(c->reply, "id");
    resp_bulk_str(c->reply, node->id);
    resp_bulk_str(c->reply, "port");
    resp_int(c->reply, node->client.port);
    resp_bulk_str(c->reply, "ip");
    resp_bulk_str(c->reply, node->client.host);
    resp_bulk_str(c->reply, "endpoint");
    resp_bulk_str(c->reply, node->client.host);
    resp_bulk_str(c->reply, "role");
    resp_bulk_str(c->reply, node->number == v->leader ? "master" : "replica");
    resp_bulk_str(c->reply, "replication-offset");
    resp_int(c->reply, (int64_t)offset_of(c, v, node->number));
    resp_bulk_str(c->reply, "health");
    resp_bulk_str(c->reply, is_connected(v, node->number) ? "online" : "fail");
}

void cmd_cluster_shards(struct cmd *c)
{
    struct view *v;
    const struct cluster_node *leader;
    uint16_t(*runs)[2];
    size_t n;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    runs = runs_new();
    leader = cluster_state_node(v->state, v->leader);
    n = slot_runs(v, v->leader, runs, RUNS_MAX);
    resp_array(c->reply, v->state->n_nodes > 0 ? 1 : 0);
    if (v->state->n_nodes > 0) {
        resp_map(c->reply, 2);
        resp_bulk_str(c->reply, "slots");
        resp_array(c->reply, 2 * n);
        for (size_t i = 0; i < n; i++) {
            resp_int(c->reply, runs[i][0]);
            resp_int(c->reply, runs[i][1]);
        }
        resp_bulk_str(c->reply, "nodes");
        resp_array(c->reply, v->state->n_nodes);
        if (leader != NULL) {
            shard_node(c, v, leader);
        }
        for (size_t i = 0; i < v->state->n_nodes; i++) {
            if (&v->state->nodes[i] != leader) {
                shard_node(c, v, &v->state->nodes[i]);
            }
        }
    }
    free(runs);
    free(v);
}

/* ---- LINKS --------------------------------------------------------------------------------- */

void cmd_cluster_links(struct cmd *c)
{
    struct view *v;
    size_t at, n = 0;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    at = resp_deferred_begin(c->reply);
    for (size_t i = 0; i < v->host.n_peers; i++) {
        const struct cluster_node *node = cluster_state_node(v->state, v->host.peers[i].peer.node);

        if (node == NULL || !v->host.peers[i].connected) {
            continue;
        }
        /* One connection carries both directions. */
        resp_map(c->reply, 6);
        resp_bulk_str(c->reply, "direction");
        resp_bulk_str(c->reply, "to");
        resp_bulk_str(c->reply, "node");
        resp_bulk_str(c->reply, node->id);
        resp_bulk_str(c->reply, "create-time");
        resp_int(c->reply, v->host.peers[i].since_wall_ms);
        resp_bulk_str(c->reply, "events");
        resp_bulk_str(c->reply, v->host.peers[i].queued_bytes > 0 ? "rw" : "r");
        resp_bulk_str(c->reply, "send-buffer-allocated");
        resp_int(c->reply, (int64_t)v->host.peers[i].queued_bytes);
        resp_bulk_str(c->reply, "send-buffer-used");
        resp_int(c->reply, (int64_t)v->host.peers[i].queued_bytes);
        n++;
    }
    resp_deferred_array(c->reply, at, n);
    free(v);
}

/* ---- slots and their keys ------------------------------------------------------------------ */

void cmd_cluster_keyslot(struct cmd *c)
{
    if (cluster_is_on(c)) {
        resp_int(c->reply, cluster_slot(c->argv[2].p, c->argv[2].n));
    }
}

/* A keyspace to look in for the keys of a slot; false: replied. */
static bool use_keyspace(struct cmd *c)
{
    if (c->group == NULL || c->group->ks == NULL) {
        resp_error(c->reply, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    c->ks = c->group->ks;
    access_all(c);
    return true;
}

void cmd_cluster_countkeysinslot(struct cmd *c)
{
    int64_t slot;

    if (!cluster_is_on(c) || !cmd_arg_i64(c, 2, &slot, NULL)) {
        return;
    }
    if (slot < 0 || slot >= CLUSTER_SLOTS) {
        resp_error(c->reply, "ERR Invalid slot");
    } else if (use_keyspace(c)) {
        resp_int(c->reply, (int64_t)keyspace_slot_size(c->ks, (uint16_t)slot));
    }
}

struct key_list {
    struct resp_out *reply;
    int64_t left;
    size_t n;
};

static void list_key(void *arg, struct item *it)
{
    struct key_list *list = arg;

    if (list->left > 0) {
        struct arg key = item_key(it);

        resp_bulk(list->reply, key.p, key.n);
        list->left--;
        list->n++;
    }
}

void cmd_cluster_getkeysinslot(struct cmd *c)
{
    struct key_list list = {.reply = c->reply};
    uint64_t cursor = 0;
    int64_t slot;
    size_t at;

    if (!cluster_is_on(c) || !cmd_arg_i64(c, 2, &slot, NULL) ||
        !cmd_arg_i64(c, 3, &list.left, NULL)) {
        return;
    }
    if (slot < 0 || slot >= CLUSTER_SLOTS || list.left < 0) {
        resp_error(c->reply, "ERR Invalid slot or number of keys");
        return;
    }
    if (!use_keyspace(c)) {
        return;
    }
    at = resp_deferred_begin(c->reply);
    do {
        cursor = keyspace_scan(c->ks, 0, (int)slot, cursor, 64, list_key, &list);
    } while (cursor != 0 && list.left > 0);
    resp_deferred_array(c->reply, at, list.n);
}

/* ---- FAILOVER ------------------------------------------------------------------------------ */

/* On a follower: take over leadership, without losing or failing anything. */
void cmd_cluster_failover(struct cmd *c)
{
    struct group *g = c->node->groups[NODE_DATA_GROUP];

    if (!cluster_is_on(c)) {
        return;
    }
    if (c->argc > 3 ||
        (c->argc == 3 && !arg_is(&c->argv[2], "force") && !arg_is(&c->argv[2], "takeover"))) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (c->argc == 3 && arg_is(&c->argv[2], "takeover")) {
        resp_error(c->reply, "ERR TAKEOVER would go without a majority, which could lose "
                             "acknowledged writes: not supported. Use CLUSTER FAILOVER");
        return;
    }
    if (g == NULL || g->role == RAFT_ROLE_LEADER) {
        resp_error(c->reply, "ERR You should send CLUSTER FAILOVER to a replica");
        return;
    }
    if (!system_ask_leadership(c->node, g)) {
        resp_error(c->reply, "ERR No leader is known: an election is under way, or there is no "
                             "majority");
        return;
    }
    cmd_reply_ok(c);
}

void cmd_cluster_help(struct cmd *c)
{
    static const char *const lines[] = {
        "COUNT-FAILURE-REPORTS <node-id>",
        "    1 when this node has no connection to that node.",
        "COUNTKEYSINSLOT <slot>",
        "    Number of keys in the slot on this node.",
        "FAILOVER [FORCE]",
        "    Make this replica the leader. Nothing is lost; clients wait a moment.",
        "GETKEYSINSLOT <slot> <count>",
        "    Names of keys in the slot on this node.",
        "INFO",
        "    State of the cluster.",
        "KEYSLOT <key>",
        "    Hash slot of a key.",
        "LINKS",
        "    Connections between this node and its peers.",
        "MYID",
        "    Id of this node.",
        "NODES",
        "    The nodes, one per line: <id> <ip:port@peer-port> <flags> <master> <pings> ...",
        "REPLICAS <node-id>",
        "    The replicas of a master.",
        "SHARDS",
        "    Slots and nodes of each group.",
        "SLOTS",
        "    Slot ranges and who serves them: start, end, master, replicas ...",
        NULL,
    };

    cmd_reply_help(c, lines);
}
