/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_cluster.c - CLUSTER, as the system group's state and the groups' leaders say it.
 *
 * A node that leads a data group is a master with all the slots of the groups it leads; a node
 * that leads none is a slave of the leader of the lowest data group. SHARDS shows each group: its
 * leader, then all others. SLOTS names beside the leader only nodes that lead nothing, since
 * clients give a node one role (docs/adr/0006). During an election the last known leader is shown:
 * clients go on sending to it or to others, and wait there. Source: the Redis command pages; shapes
 * as recorded from Redis 7.0. */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/system.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a reply is made from ------------------------------------------------------------- */

struct view {
    const struct cluster_state *state;
    uint64_t self;
    uint64_t leaders[NODE_GROUPS_MAX];       /* by group; 0: never known */
    bool leader_is_current[NODE_GROUPS_MAX]; /* by group */
    uint64_t lowest_leader;                  /* of the lowest data group */
    struct raft_host_status host;
};

static struct view *view_new(struct cmd *c)
{
    struct node *n = c->node;
    struct view *v = mem_zalloc(sizeof *v);

    v->state = system_state(n);
    v->self = raft_host_identity(n->host)->node;
    raft_host_get_status(n->host, &v->host);
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            v->leaders[i] = groups_leader(n->groups[i]);
            v->leader_is_current[i] = n->groups[i]->leader != 0;
        }
    }
    v->lowest_leader = v->leaders[NODE_FIRST_DATA_GROUP];
    return v;
}

/* Leader of the group that has the slot; 0: none, or never known. */
static uint64_t leader_of_slot(const struct view *v, unsigned slot)
{
    uint16_t group = v->state->slot_group[slot];

    return group == CLUSTER_NO_GROUP || group >= NODE_GROUPS_MAX ? 0 : v->leaders[group];
}

/* The groups that node @number leads. */
static unsigned groups_led_by(const struct view *v, uint64_t number)
{
    unsigned n = 0;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; number != 0 && i < NODE_GROUPS_MAX; i++) {
        n += v->leaders[i] == number;
    }
    return n;
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

/* Log index of @group up to which node @number is known to be; 0 when this node cannot tell. */
static uint64_t offset_of(const struct cmd *c, const struct view *v, uint32_t group,
                          uint64_t number)
{
    const struct group *g = c->node->groups[group];
    struct raft_group_status s;

    if (g == NULL) {
        return 0;
    }
    if (number == v->self) {
        return g->applied;
    }
    if (raft_host_group_status(c->node->host, group, &s) != RAFT_HOST_OK) {
        return 0;
    }
    for (size_t i = 0; i < s.raft.n_peers; i++) {
        if (s.raft.peers[i].id == number) {
            return s.raft.peers[i].match;
        }
    }
    return number == v->leaders[group] ? s.raft.commit : 0;
}

/* A run of slots of one group. */
struct run {
    uint16_t first, last;
    uint32_t group;
};

/* All runs of slots that have a group, in order. The caller's to free. */
static struct run *runs_new(const struct view *v, size_t *n_out)
{
    struct run *runs = mem_alloc(CLUSTER_SLOTS * sizeof *runs);
    size_t n = 0;

    for (unsigned first = 0; first < CLUSTER_SLOTS;) {
        unsigned last = first;
        uint16_t group = v->state->slot_group[first];

        while (last + 1 < CLUSTER_SLOTS && v->state->slot_group[last + 1] == group) {
            last++;
        }
        if (group != CLUSTER_NO_GROUP && group < NODE_GROUPS_MAX) {
            runs[n++] = (struct run){(uint16_t)first, (uint16_t)last, group};
        }
        first = last + 1;
    }
    *n_out = n;
    return runs;
}

static bool cluster_is_on(struct cmd *c)
{
    if (!c->node->config.cluster_enabled) {
        resp_error(c->reply, "ERR This instance has cluster support disabled");
        return false;
    }
    return true;
}

/* ---- INFO, MYID ---------------------------------------------------------------------------- */

/* Nodes that lead a group. */
static unsigned count_masters(const struct view *v)
{
    unsigned n = 0;

    for (size_t i = 0; i < v->state->n_nodes; i++) {
        n += groups_led_by(v, v->state->nodes[i].number) > 0;
    }
    return n;
}

void cmd_cluster_info(struct cmd *c)
{
    struct view *v;
    struct buf out;
    unsigned assigned = 0, served = 0;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        uint16_t group = v->state->slot_group[slot];

        assigned += group != CLUSTER_NO_GROUP;
        served += group < NODE_GROUPS_MAX && v->leader_is_current[group];
    }
    buf_init(&out);
    buf_printf(&out,
               "cluster_state:%s\r\n"
               "cluster_slots_assigned:%u\r\n"
               "cluster_slots_ok:%u\r\n"
               "cluster_slots_pfail:0\r\n"
               "cluster_slots_fail:%u\r\n"
               "cluster_known_nodes:%zu\r\n"
               "cluster_size:%u\r\n"
               "cluster_current_epoch:%llu\r\n"
               "cluster_my_epoch:%llu\r\n",
               served == CLUSTER_SLOTS ? "ok" : "fail", assigned, served, assigned - served,
               MAX_OF(v->state->n_nodes, 1u), count_masters(v), (unsigned long long)v->state->epoch,
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

/* A shard is a group: of those that this node leads, or else follows, its home group's. All
 * members say the same, now and later, as it is made from the cluster's id and the group's number.
 */
void cmd_cluster_myshardid(struct cmd *c)
{
    const struct group *g = groups_home(c->node);
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[CLUSTER_ID_CHARS + 16];
    char hex[2 * SHA_DIGEST_LENGTH + 1];
    int n;

    if (!cluster_is_on(c)) {
        return;
    }
    if (g == NULL) {
        resp_error(c->reply, "CLUSTERDOWN The cluster is down");
        return;
    }
    n = snprintf(text, sizeof text, "%s/%u", system_state(c->node)->cluster_id, g->number);
    SHA1((const unsigned char *)text, (size_t)n, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    resp_bulk_str(c->reply, hex);
}

/* What a node knows of its cluster is on its disk before it acts on it. */
void cmd_cluster_saveconfig(struct cmd *c)
{
    if (cluster_is_on(c)) {
        cmd_reply_ok(c);
    }
}

/* ---- NODES, REPLICAS ----------------------------------------------------------------------- */

/* Runs of slots that @number serves: those of neighbouring groups are one. */
static void node_slots(const struct view *v, uint64_t number, struct buf *out)
{
    for (unsigned first = 0; first < CLUSTER_SLOTS; first++) {
        unsigned last = first;

        if (leader_of_slot(v, first) != number) {
            continue;
        }
        while (last + 1 < CLUSTER_SLOTS && leader_of_slot(v, last + 1) == number) {
            last++;
        }
        if (first == last) {
            buf_printf(out, " %u", first);
        } else {
            buf_printf(out, " %u-%u", first, last);
        }
        first = last;
    }
}

static bool is_master(const struct view *v, uint64_t number)
{
    return groups_led_by(v, number) > 0 || v->lowest_leader == 0;
}

static void node_line(const struct view *v, const struct cluster_node *node, struct buf *out)
{
    const struct cluster_node *leader = cluster_state_node(v->state, v->lowest_leader);
    bool master = is_master(v, node->number);
    bool connected = is_connected(v, node->number);

    buf_printf(out, "%s %s:%u@%u %s%s%s %s 0 %lld %llu %s", node->id, node->client.host,
               node->client.port, node->peer.port, node->number == v->self ? "myself," : "",
               master ? "master" : "slave", connected ? "" : ",fail?",
               master || leader == NULL ? "-" : leader->id,
               (long long)(node->number == v->self ? 0 : since_ms(v, node->number)),
               (unsigned long long)v->state->epoch, connected ? "connected" : "disconnected");
    if (groups_led_by(v, node->number) > 0) {
        node_slots(v, node->number, out);
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

static void reply_replicas(struct cmd *c, const struct view *v, uint64_t master)
{
    size_t at = resp_deferred_begin(c->reply), n = 0;
    struct buf line;

    buf_init(&line);
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        if (master == v->lowest_leader && !is_master(v, v->state->nodes[i].number)) {
            buf_clear(&line);
            node_line(v, &v->state->nodes[i], &line);
            resp_bulk(c->reply, buf_head(&line), line.len);
            n++;
        }
    }
    buf_release(&line);
    resp_deferred_array(c->reply, at, n);
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
    if (node != NULL && groups_led_by(v, node->number) == 0) {
        resp_error(c->reply, "ERR The specified node is not a master");
    } else if (node != NULL) {
        reply_replicas(c, v, node->number);
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

static void slots_range(struct cmd *c, const struct view *v, const struct run *run)
{
    uint64_t leader = v->leaders[run->group];
    size_t at = resp_deferred_begin(c->reply);
    size_t n = 3;

    resp_int(c->reply, run->first);
    resp_int(c->reply, run->last);
    slots_node(c, cluster_state_node(v->state, leader));
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        const struct cluster_node *node = &v->state->nodes[i];

        if (groups_led_by(v, node->number) == 0 && is_connected(v, node->number)) {
            slots_node(c, node);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

void cmd_cluster_slots(struct cmd *c)
{
    struct view *v;
    struct run *runs;
    size_t n_runs, at, n = 0;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    runs = runs_new(v, &n_runs);
    at = resp_deferred_begin(c->reply);
    for (size_t i = 0; i < n_runs; i++) {
        if (cluster_state_node(v->state, v->leaders[runs[i].group]) != NULL) {
            slots_range(c, v, &runs[i]);
            n++;
        }
    }
    resp_deferred_array(c->reply, at, n);
    free(runs);
    free(v);
}

static void shard_node(struct cmd *c, const struct view *v, uint32_t group,
                       const struct cluster_node *node)
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
    resp_bulk_str(c->reply, node->number == v->leaders[group] ? "master" : "replica");
    resp_bulk_str(c->reply, "replication-offset");
    resp_int(c->reply, (int64_t)offset_of(c, v, group, node->number));
    resp_bulk_str(c->reply, "health");
    resp_bulk_str(c->reply, is_connected(v, node->number) ? "online" : "fail");
}

static void shard_slots(struct cmd *c, uint32_t group, const struct run *runs, size_t n_runs)
{
    size_t at = resp_deferred_begin(c->reply), n = 0;

    for (size_t i = 0; i < n_runs; i++) {
        if (runs[i].group == group) {
            resp_int(c->reply, runs[i].first);
            resp_int(c->reply, runs[i].last);
            n += 2;
        }
    }
    resp_deferred_array(c->reply, at, n);
}

static void shard(struct cmd *c, const struct view *v, uint32_t group, const struct run *runs,
                  size_t n_runs)
{
    const struct cluster_node *leader = cluster_state_node(v->state, v->leaders[group]);

    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "slots");
    /* As long as nobody is known to lead the group, nobody serves them. */
    shard_slots(c, group, runs, leader == NULL ? 0 : n_runs);
    resp_bulk_str(c->reply, "nodes");
    resp_array(c->reply, v->state->n_nodes);
    if (leader != NULL) {
        shard_node(c, v, group, leader);
    }
    for (size_t i = 0; i < v->state->n_nodes; i++) {
        if (&v->state->nodes[i] != leader) {
            shard_node(c, v, group, &v->state->nodes[i]);
        }
    }
}

void cmd_cluster_shards(struct cmd *c)
{
    struct view *v;
    struct run *runs;
    size_t n_runs;

    if (!cluster_is_on(c)) {
        return;
    }
    v = view_new(c);
    runs = runs_new(v, &n_runs);
    resp_array(c->reply, v->state->n_groups);
    for (size_t i = 0; i < v->state->n_groups; i++) {
        shard(c, v, v->state->groups[i].number, runs, n_runs);
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

/* The keyspace to look in for the keys of @slot; false: replied. */
static bool use_keyspace(struct cmd *c, int64_t slot)
{
    struct group *g = groups_of_slot(c->node, (int)slot);

    if (g == NULL || g->ks == NULL || (c->in_exec && g != c->group)) {
        resp_error(c->reply, c->in_exec ? "ERR the slot is of another group than the transaction"
                                        : "LOADING Redis is loading the dataset in memory");
        return false;
    }
    c->group = g;
    c->ks = g->ks;
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
    } else if (use_keyspace(c, slot)) {
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
    if (!use_keyspace(c, slot)) {
        return;
    }
    at = resp_deferred_begin(c->reply);
    do {
        cursor = keyspace_scan(c->ks, 0, (int)slot, cursor, 64, list_key, &list);
    } while (cursor != 0 && list.left > 0);
    resp_deferred_array(c->reply, at, list.n);
}

/* ---- FAILOVER ------------------------------------------------------------------------------ */

struct failover {
    bool takeover;
    int64_t group; /* 0: those of the master whose replica this node is */
};

static bool failover_options(struct cmd *c, struct failover *f)
{
    for (int i = 2; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "takeover") && c->argc == 3) {
            f->takeover = true;
        } else if (arg_is(&c->argv[i], "group") && i + 1 < c->argc && f->group == 0) {
            if (!cmd_arg_i64(c, ++i, &f->group, NULL)) {
                return false;
            }
            if (f->group < NODE_FIRST_DATA_GROUP || f->group >= c->node->n_groups ||
                c->node->groups[f->group] == NULL) {
                resp_error(c->reply, "ERR No such group");
                return false;
            }
        } else if (!arg_is(&c->argv[i], "force") || i != 2) {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Ask for the groups that @leader leads; false: it leads none, as far as known now. */
static bool take_over(struct node *n, uint64_t leader)
{
    bool asked = false;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; leader != 0 && i < n->n_groups; i++) {
        if (n->groups[i] != NULL && n->groups[i]->leader == leader) {
            asked |= system_ask_leadership(n, n->groups[i]);
        }
    }
    return asked;
}

/* On a follower: take over leadership, without losing or failing anything. The one subcommand that
 * there is without slots as well: there, too, an operator moves leadership. */
void cmd_cluster_failover(struct cmd *c)
{
    struct node *n = c->node;
    struct failover f = {0};
    struct group *g;

    if (!failover_options(c, &f)) {
        return;
    }
    if (f.takeover) {
        resp_error(c->reply, "ERR TAKEOVER would go without a majority, which could lose "
                             "acknowledged writes: not supported. Use CLUSTER FAILOVER");
        return;
    }
    g = f.group != 0 ? n->groups[f.group] : groups_home(n);
    if (g == NULL || g->role == RAFT_ROLE_LEADER) {
        resp_error(c->reply, f.group != 0 ? "ERR This node leads the group already"
                                          : "ERR You should send CLUSTER FAILOVER to a replica");
        return;
    }
    if (f.group != 0 ? !system_ask_leadership(n, g) : !take_over(n, g->leader)) {
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
        "FAILOVER [FORCE] [GROUP <number>]",
        "    Make this node the leader of what its master leads, or of one group, and the one that",
        "    is preferred as its leader. Nothing is lost; clients wait a moment.",
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
        "MYSHARDID",
        "    Id of the group that this node leads or follows.",
        "NODES",
        "    The nodes, one per line: <id> <ip:port@peer-port> <flags> <master> <pings> ...",
        "REPLICAS <node-id>",
        "    The replicas of a master.",
        "SAVECONFIG",
        "    Nothing to do: what a node knows of its cluster is on disk at once.",
        "SHARDS",
        "    Slots and nodes of each group.",
        "SLOT-STATS SLOTSRANGE <first> <last>",
        "    Keys in each of these slots that this node serves.",
        "SLOT-STATS ORDERBY KEY-COUNT [LIMIT <n>] [ASC|DESC]",
        "    The same, of the slots with most (or fewest) keys.",
        "SLOTS",
        "    Slot ranges and who serves them: start, end, master, replicas ...",
        NULL,
    };

    cmd_reply_help(c, lines);
}
