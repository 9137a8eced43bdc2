/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system.c - see node/system.h.
 *
 * Order of forming, each step durable before the next: the plan as DIR/genesis; the identity; for
 * each group its first snapshot, the same on every node, and then its replica. A crash in between
 * is repaired at the next start: with a genesis file all steps that are missing are done again. A
 * group that had been here and is lost is another thing: raft_host_new() refuses that. */
#include "node/system.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "cluster/balance.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/rdb/rdb.h"
#include "node/system_codec.h"
#include "node/system_request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENESIS_FILE "genesis"
#define GENESIS_BYTES_MAX (1u << 20)
#define HELLO_INTERVAL_US 300000
#define WAITING_LOG_US 5000000
#define SELF_CHECK_US 1000000
#define OUTSIDE_LOG_US 10000000
#define PREFER_TRIES_US 10000000 /* a preference is proposed again until it is there, so long */
#define LAST_TO_CAMPAIGN 3       /* Raft's priority of those a new group does not prefer */

struct system {
    struct cluster_state state;
    bool loaded; /* the system group's snapshot has been loaded */
    bool formed; /* has an identity */
    bool has_plan;
    struct formation formation;
    struct formation_plan plan;
    struct cluster_node self; /* what this node says of itself; number 0 until formed */
    uint64_t proposals;       /* numbers them; the system group executes nothing in advance */
    int64_t next_hello_us, next_waiting_log_us, next_self_check_us, next_outside_log_us;
    struct balance balance[NODE_GROUPS_MAX];
    bool campaigns_late[NODE_GROUPS_MAX];     /* its first leader is to be another */
    int64_t prefer_until_us[NODE_GROUPS_MAX]; /* this node is to be preferred; 0: no wish */
    system_map_fn *map_changed[CLUSTER_MAPS];
};

bool system_is_formed(const struct node *n) { return n->system->loaded; }

const struct cluster_state *system_state(const struct node *n) { return &n->system->state; }

const char *system_waiting_for(const struct node *n)
{
    return n->system->formed ? "" : n->system->formation.waiting_for;
}

const struct cluster_node *system_self(const struct node *n)
{
    return cluster_state_node(&n->system->state, raft_host_identity(n->host)->node);
}

/* ---- peers --------------------------------------------------------------------------------------
 */

static void send_envelope(struct node *n, const struct net_addr *to, const struct buf *message)
{
    raft_host_send(n->host, to, buf_head(message), message->len);
}

static void connect_nodes(struct node *n, const struct cluster_node *nodes, size_t count)
{
    struct raft_host_peer peers[CLUSTER_NODES_MAX];
    size_t n_peers = 0;

    for (size_t i = 0; i < count; i++) {
        if (formation_compare_addr(&nodes[i].peer, &n->system->self.peer) != 0) {
            peers[n_peers++] = (struct raft_host_peer){nodes[i].number, nodes[i].peer};
        }
    }
    raft_host_set_peers(n->host, peers, n_peers);
}

static void connect_list(struct node *n)
{
    const struct formation *f = &n->system->formation;
    struct raft_host_peer peers[CLUSTER_NODES_MAX];
    size_t n_peers = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (i != f->self) {
            peers[n_peers++] = (struct raft_host_peer){0, f->list[i]};
        }
    }
    raft_host_set_peers(n->host, peers, n_peers);
}

/* ---- forming ------------------------------------------------------------------------------- */

static int genesis_state(const struct node *n, struct cluster_state *out)
{
    const struct formation_plan *p = &n->system->plan;

    return cluster_state_genesis(out, p->cluster_id, p->slots_enabled, p->nodes, p->n_nodes,
                                 p->data_groups);
}

static void genesis_members(const struct formation_plan *p, uint32_t group,
                            struct raft_members *out)
{
    uint64_t voters[CLUSTER_NODES_MAX];
    size_t n_voters = cluster_choose_voters(p->nodes, p->n_nodes, CLUSTER_SYSTEM_VOTERS_MAX,
                                            cluster_first_node(group, p->n_nodes), voters);

    *out = (struct raft_members){.n = (uint32_t)p->n_nodes};
    for (size_t i = 0; i < p->n_nodes; i++) {
        out->m[i] = (struct raft_member){p->nodes[i].number, RAFT_MEMBER_LEARNER};
        for (size_t v = 0; v < n_voters; v++) {
            if (voters[v] == p->nodes[i].number) {
                out->m[i].flags = RAFT_MEMBER_VOTER;
            }
        }
    }
}

/* The snapshot every node of the plan starts from, byte for byte the same content. */
static void write_genesis_snapshot(struct node *n, uint32_t group, struct raft_pos pos,
                                   const struct raft_members *members)
{
    struct rdb_meta meta = {.group = group, .term = pos.term, .index = pos.index};
    char path[PATH_MAX];
    int rc;

    snprintf(meta.cluster_id, sizeof meta.cluster_id, "%s", n->system->plan.cluster_id);
    meta.members_len = raft_members_encode(members, meta.members);
    if (group == NODE_SYSTEM_GROUP) {
        struct buf state;

        buf_init(&state);
        system_codec_state(&n->system->state, &state);
        meta.system = mem_dup(buf_head(&state), state.len);
        meta.system_len = state.len;
        buf_release(&state);
    }
    raft_host_snapshot_path(n->host, group, pos, path);
    rc = rdb_save(path, NULL, &meta, false, NULL, NULL);
    if (rc != RDB_OK) {
        log_fatal("cannot write %s: %s", path, rdb_strerror(rc));
    }
    *strrchr(path, '/') = '\0'; /* the name must survive as well */
    if (file_sync_dir(path) != 0) {
        log_fatal("cannot sync %s: %s", path, strerror(errno));
    }
    rdb_meta_release(&meta);
}

/* Create the replicas that the plan says are here and that are not yet. */
static void create_groups(struct node *n)
{
    static const struct raft_pos start = {1, 1};
    struct system *s = n->system;
    struct raft_members members;

    for (uint32_t group = 0; group <= s->plan.data_groups; group++) {
        const struct cluster_group *g;

        if (raft_host_has_group(n->host, group)) {
            continue;
        }
        if (genesis_state(n, &s->state) != CLUSTER_OK) {
            log_fatal("%s/" GENESIS_FILE " does not fit this data directory", n->config.dir);
        }
        g = cluster_state_group(&s->state, group);
        s->campaigns_late[group] =
            g != NULL && g->preferred_leader != 0 && g->preferred_leader != s->self.number;
        genesis_members(&s->plan, group, &members);
        write_genesis_snapshot(n, group, start, &members);
        raft_host_create_group(n->host, group, start, &members,
                               s->campaigns_late[group] ? LAST_TO_CAMPAIGN : 0);
    }
}

/* Carry out the plan that stands durably in DIR/genesis. */
static void form(struct node *n)
{
    struct system *s = n->system;
    uint64_t number = formation_plan_number(&s->plan, raft_host_identity(n->host)->node_id);

    if (number == 0) {
        log_fatal("%s/" GENESIS_FILE " does not fit this data directory", n->config.dir);
    }
    if (raft_host_set_identity(n->host, s->plan.cluster_id, number) != RAFT_HOST_OK) {
        log_fatal("cannot store the identity in %s: %s", n->config.dir, strerror(errno));
    }
    s->formed = true;
    s->self.number = number;
    create_groups(n);
    connect_nodes(n, s->plan.nodes, s->plan.n_nodes);
    log_notice("cluster %s formed: this is node %llu of %zu", s->plan.cluster_id,
               (unsigned long long)number, s->plan.n_nodes);
}

static void adopt(struct node *n, const struct formation_plan *plan)
{
    struct system *s = n->system;
    struct buf bytes;

    buf_init(&bytes);
    system_codec_plan(plan, &bytes);
    if (file_replace(n->config.dir, GENESIS_FILE, buf_head(&bytes), bytes.len) != 0) {
        log_fatal("cannot write %s/" GENESIS_FILE ": %s", n->config.dir, strerror(errno));
    }
    buf_release(&bytes);
    s->plan = *plan;
    s->has_plan = true;
    form(n);
}

static void send_plan(struct node *n, const struct net_addr *to)
{
    struct buf m;

    buf_init(&m);
    system_codec_envelope_plan(&n->system->plan, &m);
    send_envelope(n, to, &m);
    buf_release(&m);
}

static void send_hello(struct node *n, const struct net_addr *to)
{
    struct system *s = n->system;
    struct formation_hello hello = {s->self, s->formation.digest, n->config.cluster_enabled,
                                    (uint32_t)n->config.cluster_data_groups};
    struct buf m;

    buf_init(&m);
    system_codec_envelope_hello(&hello, &m);
    send_envelope(n, to, &m);
    buf_release(&m);
}

static void send_hellos(struct node *n)
{
    const struct formation *f = &n->system->formation;

    for (size_t i = 0; i < f->n; i++) {
        if (i != f->self) {
            send_hello(n, &f->list[i]);
        }
    }
}

static void try_to_found(struct node *n)
{
    struct system *s = n->system;
    struct formation_plan plan;
    char cluster_id[CLUSTER_ID_CHARS + 1];

    if (s->formed || !formation_is_founder(&s->formation)) {
        return;
    }
    rand_hex(cluster_id, CLUSTER_ID_CHARS);
    if (!formation_try_plan(&s->formation, cluster_id, &plan)) {
        return;
    }
    adopt(n, &plan);
    for (size_t i = 0; i < s->formation.n; i++) {
        if (i != s->formation.self) {
            send_plan(n, &s->formation.list[i]);
        }
    }
}

static void on_hello(struct node *n, const struct net_addr *from, const struct formation_hello *h)
{
    struct system *s = n->system;

    if (s->formed) {
        if (s->has_plan) {
            send_plan(n, from); /* also to one that is not in it: it should know */
        }
        if (!s->has_plan || formation_plan_number(&s->plan, h->node.id) == 0) {
            log_verbose("%s:%u is not a member of this cluster: it stays outside until it is added",
                        from->host, from->port);
        }
        return;
    }
    if (formation_on_hello(&s->formation, h)) {
        try_to_found(n);
    }
}

static void on_plan(struct node *n, const struct formation_plan *plan)
{
    struct system *s = n->system;

    if (s->formed) {
        return;
    }
    if (formation_accepts(&s->formation, plan)) {
        adopt(n, plan);
        return;
    }
    if (n->now_us < s->next_outside_log_us) {
        return;
    }
    s->next_outside_log_us = n->now_us + OUTSIDE_LOG_US;
    if (formation_plan_number(plan, s->self.id) == 0) {
        log_warning("cluster %s is formed, and this data directory is none of its nodes: if a disk "
                    "was lost, the node must be replaced as a new member",
                    plan->cluster_id);
    } else {
        log_warning("cluster %s was formed from another cluster-nodes list, mode or number of "
                    "cluster-data-groups (%u); not joining",
                    plan->cluster_id, plan->data_groups);
    }
}

/* ---- commands of the system group ---------------------------------------------------------- */

static bool leads_system(const struct node *n)
{
    const struct group *g = n->groups[NODE_SYSTEM_GROUP];

    return g != NULL && g->leader != 0 && g->leader == raft_host_identity(n->host)->node;
}

static bool propose_here(struct node *n, const struct cluster_command *command)
{
    char text[CLUSTER_LEVEL_TEXT_MAX];
    struct raft_entry *e;
    struct buf bytes;

    /* Of a node that does not know yet what the others cannot read. */
    if (cluster_lacks_level(&n->system->state, cluster_command_level(command), text)) {
        log_warning("a command of the system group is not proposed: %s", text);
        return true; /* whoever wants it is told the same, or asks again */
    }
    buf_init(&bytes);
    system_codec_command(command, &bytes);
    e = raft_entry_new(RAFT_ENTRY_DATA, (uint32_t)bytes.len);
    if (e != NULL) {
        memcpy(e->data, buf_head(&bytes), bytes.len);
        e->origin = ++n->system->proposals;
        raft_host_propose(n->host, NODE_SYSTEM_GROUP, e);
        (void)raft_host_flush(n->host); /* its events come through the loop */
    }
    buf_release(&bytes);
    return e != NULL;
}

bool system_propose(struct node *n, const struct cluster_command *command)
{
    const struct group *g = n->groups[NODE_SYSTEM_GROUP];
    const struct cluster_node *leader;
    struct buf bytes;

    if (leads_system(n)) {
        return propose_here(n, command);
    }
    leader = g == NULL ? NULL : cluster_state_node(&n->system->state, g->leader);
    if (leader == NULL) {
        return false; /* whoever wants it asks again */
    }
    buf_init(&bytes);
    system_codec_envelope_propose(command, &bytes);
    send_envelope(n, &leader->peer, &bytes);
    buf_release(&bytes);
    return true;
}

/* From a peer. One that does not lead (any more) lets it drop: who sent it asks again. */
static void on_propose(struct node *n, const struct cluster_command *command)
{
    if (leads_system(n) && !propose_here(n, command)) {
        log_warning("no memory to propose a command of the system group");
    }
}

/* The cluster's state must say of this node what its configuration says. */
static void check_self(struct node *n)
{
    struct system *s = n->system;
    const struct cluster_node *known = system_self(n);
    struct cluster_command command = {.type = CLUSTER_CMD_UPDATE_NODE, .node = s->self};

    if (known == NULL) {
        return;
    }
    command.node.number = known->number;
    if (formation_compare_addr(&known->client, &s->self.client) != 0 ||
        formation_compare_addr(&known->peer, &s->self.peer) != 0 ||
        known->feature_level != s->self.feature_level || strcmp(known->zone, s->self.zone) != 0) {
        (void)system_propose(n, &command); /* or at the next check */
    }
}

/* All nodes run a version that knows more. */
static void raise_level(struct node *n)
{
    struct cluster_command command = {.type = CLUSTER_CMD_RAISE_LEVEL};

    command.level = cluster_level_to_raise(&n->system->state);
    if (command.level != 0 && leads_system(n)) {
        (void)system_propose(n, &command); /* or at the next check */
    }
}

/* What this version does not know may come next. */
static void check_level(const struct node *n, const struct cluster_state *state)
{
    if (state->feature_level > n->system->self.feature_level) {
        log_fatal("the cluster is at feature level %u, and this version at %u: start a newer "
                  "version of the server",
                  state->feature_level, n->system->self.feature_level);
    }
}

/* For tests of upgrades: a version of another level, which understands no more for that. */
#define PRETENDED_LEVEL "HOLDFAST_PRETEND_FEATURE_LEVEL"

static uint32_t own_level(void)
{
    const char *pretended = getenv(PRETENDED_LEVEL);
    uint64_t level;

    if (pretended == NULL || !num_parse_u64(pretended, strlen(pretended), &level) || level == 0 ||
        level > UINT32_MAX) {
        return CLUSTER_FEATURE_LEVEL;
    }
    log_warning(PRETENDED_LEVEL " is set: this node says that its feature level is %u",
                (unsigned)level);
    return (uint32_t)level;
}

void system_on_map_change(struct node *n, enum cluster_map map, system_map_fn *fn)
{
    n->system->map_changed[map - 1] = fn;
}

static void tell_map_change(struct node *n, enum cluster_map map)
{
    if (n->system->map_changed[map - 1] != NULL) {
        n->system->map_changed[map - 1](n);
    }
}

/* A change whose condition did not hold, or that came twice, is nothing unusual. */
static void log_refused(const struct cluster_command *command, int error)
{
    if (command->type != CLUSTER_CMD_CHANGE) {
        log_warning("a command of the system group had no effect: %s", cluster_strerror(error));
    }
}

static void applied(struct node *n, const struct cluster_command *command)
{
    if (command->type == CLUSTER_CMD_CHANGE) {
        tell_map_change(n, command->change->map);
        return;
    }
    if (command->type == CLUSTER_CMD_RAISE_LEVEL) {
        log_notice("all nodes of the cluster are at feature level %u now", command->level);
        check_level(n, &n->system->state);
    }
    if (command->type == CLUSTER_CMD_PREFER_LEADER && command->group < NODE_GROUPS_MAX &&
        command->number == raft_host_identity(n->host)->node) {
        n->system->prefer_until_us[command->group] = 0; /* done, whatever another wishes next */
    }
    connect_nodes(n, n->system->state.nodes, n->system->state.n_nodes);
}

int system_apply(struct node *n, const void *p, size_t len)
{
    struct cluster_command command;
    uint64_t epoch = n->system->state.epoch;
    int rc;

    if (system_codec_read_command(p, len, &command) != 0) {
        return -1;
    }
    rc = cluster_state_apply(&n->system->state, &command);
    if (rc == CLUSTER_OK) {
        applied(n, &command);
    } else {
        log_refused(&command, rc);
    }
    if (command.type == CLUSTER_CMD_CHANGE) {
        system_requests_advance(n);
    }
    cluster_command_release(&command);
    if (n->system->state.epoch != epoch) {
        pubsub_slots_changed(n);
    }
    return 0;
}

int system_load(struct node *n, const char *p, size_t len)
{
    struct cluster_state state;

    if (p == NULL || system_codec_read_state(p, len, &state) != 0) {
        return -1;
    }
    check_level(n, &state);
    if (state.slots_enabled != n->config.cluster_enabled) {
        log_fatal("this data directory belongs to a cluster with cluster-enabled %s",
                  state.slots_enabled ? "yes" : "no");
    }
    if (!n->system->loaded && state.n_groups != (size_t)n->config.cluster_data_groups) {
        log_notice("cluster-data-groups %lld has no effect: the cluster was formed with %zu",
                   (long long)n->config.cluster_data_groups, state.n_groups);
    }
    cluster_state_release(&n->system->state);
    n->system->state = state;
    n->system->loaded = true;
    connect_nodes(n, state.nodes, state.n_nodes);
    tell_map_change(n, CLUSTER_MAP_USERS);
    tell_map_change(n, CLUSTER_MAP_FUNCTIONS);
    pubsub_slots_changed(n);
    system_requests_advance(n); /* entries that the snapshot stands for are not applied */
    return 0;
}

void system_encode(const struct node *n, struct buf *out)
{
    system_codec_state(&n->system->state, out);
}

/* ---- leadership ---------------------------------------------------------------------------- */

static bool ask_leader(struct node *n, const struct group *g, bool if_caught_up)
{
    const struct cluster_node *leader = cluster_state_node(&n->system->state, g->leader);
    struct system_transfer t = {g->number, raft_host_identity(n->host)->node, if_caught_up};
    struct buf m;

    if (leader == NULL || leader->number == t.to) {
        return false;
    }
    buf_init(&m);
    system_codec_envelope_transfer(&t, &m);
    send_envelope(n, &leader->peer, &m);
    buf_release(&m);
    return true;
}

static uint64_t preferred_leader(const struct node *n, uint32_t group)
{
    const struct cluster_group *g = cluster_state_group(&n->system->state, group);

    return g == NULL ? 0 : g->preferred_leader;
}

bool system_ask_leadership(struct node *n, struct group *g)
{
    if (!ask_leader(n, g, false)) {
        return false;
    }
    /* Or the node that is preferred now would soon take it back. */
    if (preferred_leader(n, g->number) != 0) {
        n->system->prefer_until_us[g->number] = n->now_us + PREFER_TRIES_US;
        n->system->next_self_check_us = n->now_us;
    }
    return true;
}

/* Node @to is a voter, and few entries behind. */
static bool is_close(struct node *n, const struct group *g, uint64_t to)
{
    struct raft_group_status status;

    if (raft_host_group_status(n->host, g->number, &status) != RAFT_HOST_OK) {
        return false;
    }
    for (size_t i = 0; i < status.raft.n_peers; i++) {
        const struct raft_peer_status *p = &status.raft.peers[i];

        if (p->id == to) {
            return p->active && !p->in_snapshot && (p->flags & RAFT_MEMBER_VOTER) &&
                   p->match + BALANCE_BEHIND_MAX >= status.raft.last.index;
        }
    }
    return false;
}

static void on_transfer(struct node *n, const struct system_transfer *t)
{
    struct group *g = t->group < NODE_GROUPS_MAX ? n->groups[t->group] : NULL;

    if (g != NULL && t->if_caught_up && !is_close(n, g, t->to)) {
        log_verbose("group %u: node %llu would lead it again, but is not close enough", t->group,
                    (unsigned long long)t->to);
        return;
    }
    if (g == NULL || !group_transfer(g, t->to)) {
        log_notice("group %u: node %llu asks for leadership, which is not to be had now", t->group,
                   (unsigned long long)t->to);
    }
}

static uint64_t behind(struct node *n, const struct group *g)
{
    struct raft_group_status status;

    if (raft_host_group_status(n->host, g->number, &status) != RAFT_HOST_OK) {
        return UINT64_MAX;
    }
    return status.raft.commit - MIN_OF(g->applied, status.raft.commit);
}

/* Ask for the groups that prefer this node, see cluster/balance.h. */
static void balance_leaders(struct node *n)
{
    struct system *s = n->system;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];
        struct balance_view v = {
            .self = raft_host_identity(n->host)->node,
            .preferred = preferred_leader(n, i),
            .stopping = n->shutdown_asked,
        };

        if (g == NULL || v.preferred != v.self) {
            s->balance[i] = (struct balance){0};
            continue;
        }
        v.leader = g->leader;
        v.leader_reachable = !g->leader_cut;
        v.following = g->state == GROUP_FOLLOWING;
        v.behind = v.following ? behind(n, g) : 0;
        if (balance_asks(&s->balance[i], &v, n->now_us, n->config.leader_balance_delay * 1000) &&
            ask_leader(n, g, true)) {
            log_notice("group %u: prefers this node, which asks node %llu for leadership", i,
                       (unsigned long long)g->leader);
        }
    }
}

/* The first election of a group is over: from the next one on all are equal. */
static void end_late_campaigns(struct node *n)
{
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->system->campaigns_late[i] && n->groups[i] != NULL && n->groups[i]->leader != 0) {
            n->system->campaigns_late[i] = false;
            raft_host_set_priority(n->host, i, 0);
        }
    }
}

/* Propose what system_ask_leadership() wished, until the state has it. */
static void check_preferences(struct node *n)
{
    struct system *s = n->system;
    uint64_t self = raft_host_identity(n->host)->node;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        struct cluster_command command = {
            .type = CLUSTER_CMD_PREFER_LEADER, .group = i, .number = self};

        if (s->prefer_until_us[i] == 0) {
            continue;
        }
        if (preferred_leader(n, i) == self || n->now_us > s->prefer_until_us[i]) {
            s->prefer_until_us[i] = 0;
        } else {
            (void)system_propose(n, &command); /* or at the next check */
        }
    }
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_message(struct node *n, const struct raft_event *e)
{
    struct system_message *m = mem_alloc(sizeof *m);

    if (system_codec_read_envelope(e->data, e->size, m) != 0) {
        log_warning("a message of %s:%u could not be read; ignored", e->peer.addr.host,
                    e->peer.addr.port);
        free(m);
        return;
    }
    switch (m->type) {
    case SYSTEM_MESSAGE_HELLO:
        on_hello(n, &e->peer.addr, &m->hello);
        break;
    case SYSTEM_MESSAGE_PLAN:
        on_plan(n, &m->plan);
        break;
    case SYSTEM_MESSAGE_PROPOSE:
        if (strcmp(e->peer.identity.cluster_id, n->system->state.cluster_id) == 0) {
            on_propose(n, &m->propose);
        }
        cluster_command_release(&m->propose);
        break;
    case SYSTEM_MESSAGE_TRANSFER:
        if (strcmp(e->peer.identity.cluster_id, n->system->state.cluster_id) == 0) {
            on_transfer(n, &m->transfer);
        }
        break;
    }
    free(m);
}

void system_on_peer_event(struct node *n, const struct raft_event *e)
{
    struct system *s = n->system;

    switch (e->type) {
    case RAFT_EV_PEER_UP:
        log_verbose("peer %s:%u is connected", e->peer.addr.host, e->peer.addr.port);
        if (!s->formed) {
            send_hello(n, &e->peer.addr);
        }
        break;
    case RAFT_EV_PEER_DOWN:
        log_verbose("peer %s:%u is gone", e->peer.addr.host, e->peer.addr.port);
        if (!s->formed) {
            formation_on_lost(&s->formation, &e->peer.addr);
        }
        break;
    case RAFT_EV_PEER_DATA:
        on_message(n, e);
        break;
    default:
        break;
    }
}

void system_cron(struct node *n)
{
    struct system *s = n->system;

    if (!s->formed) {
        if (n->now_us >= s->next_hello_us) {
            s->next_hello_us = n->now_us + HELLO_INTERVAL_US;
            send_hellos(n);
            try_to_found(n);
        }
        if (!s->formed && n->now_us >= s->next_waiting_log_us) {
            s->next_waiting_log_us = n->now_us + WAITING_LOG_US;
            log_notice("the cluster is not formed yet; waiting for: %s",
                       s->formation.waiting_for[0] == '\0' ? "the founder's plan"
                                                           : s->formation.waiting_for);
        }
        return;
    }
    if (s->loaded && n->now_us >= s->next_self_check_us) {
        s->next_self_check_us = n->now_us + SELF_CHECK_US;
        check_self(n);
        check_preferences(n);
        raise_level(n);
    }
    if (s->loaded) {
        end_late_campaigns(n);
        balance_leaders(n);
    }
    system_requests_advance(n);
}

/* ---- start --------------------------------------------------------------------------------- */

/* The configured list, or this node alone. */
static size_t read_list(const struct node *n, const struct net_addr *self, struct net_addr *list)
{
    const char *p = n->config.cluster_nodes;
    size_t count = 0;

    if (p[0] == '\0') {
        list[0] = *self;
        return 1;
    }
    while (*p != '\0' && count < CLUSTER_NODES_MAX) {
        size_t len = strcspn(p, " ,");

        if (len > 0 && net_addr_parse(p, len, &list[count]) != 0) {
            log_warning("cluster-nodes: '%.*s' is not host:port", (int)len, p);
            return 0;
        }
        count += len > 0;
        p += len;
        p += strspn(p, " ,");
    }
    if (*p != '\0') {
        log_warning("cluster-nodes: more than %d nodes", CLUSTER_NODES_MAX);
        return 0;
    }
    return count;
}

static int read_genesis(struct node *n)
{
    struct system *s = n->system;
    char path[PATH_MAX];
    char *bytes;
    size_t len;

    snprintf(path, sizeof path, "%s/" GENESIS_FILE, n->config.dir);
    if (file_read_all(path, GENESIS_BYTES_MAX, &bytes, &len) != 0) {
        if (errno == ENOENT) {
            return 0;
        }
        log_warning("cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    s->has_plan = system_codec_read_plan(bytes, len, &s->plan) == 0;
    free(bytes);
    if (!s->has_plan) {
        log_warning("%s is damaged", path);
        return -1;
    }
    return 0;
}

/* A data directory that was moved, swapped or copied to another node's place, or belongs to a
 * cluster of the other mode, is refused before a thread runs. Its newest snapshot of the system
 * group says enough: nodes do not change their peer addresses in this version. A snapshot that
 * cannot be read is reported when it is loaded. */
static int check_directory(const struct node *n)
{
    const struct raft_identity *id = raft_host_identity(n->host);
    const struct net_addr *here = &n->system->self.peer;
    const struct cluster_node *self, *other = NULL;
    struct raft_group_status status;
    struct cluster_state state;
    struct rdb_meta meta;
    char path[PATH_MAX];
    bool readable;

    if (raft_host_group_status(n->host, NODE_SYSTEM_GROUP, &status) != RAFT_HOST_OK) {
        return 0; /* a crash while forming: there is nothing yet */
    }
    raft_host_snapshot_path(n->host, NODE_SYSTEM_GROUP, status.raft.snapshot, path);
    if (rdb_read_meta(path, &meta) != RDB_OK) {
        return 0;
    }
    readable =
        meta.system != NULL && system_codec_read_state(meta.system, meta.system_len, &state) == 0;
    rdb_meta_release(&meta);
    if (!readable) {
        return 0;
    }
    cluster_state_release(&state); /* what is looked at are plain values */
    if (state.slots_enabled != n->config.cluster_enabled) {
        log_warning("%s belongs to a cluster with cluster-enabled %s", n->config.dir,
                    state.slots_enabled ? "yes" : "no");
        return -1;
    }
    self = cluster_state_node(&state, id->node);
    if (state.n_nodes == 1) {
        return 0; /* nobody else knows its address */
    }
    for (size_t i = 0; i < state.n_nodes; i++) {
        if (formation_compare_addr(&state.nodes[i].peer, here) == 0) {
            other = &state.nodes[i];
        }
    }
    if (self == NULL || (other != NULL && other->number == id->node)) {
        return 0;
    }
    log_warning("%s is the data directory of node %llu, %s:%u, of cluster %s, and not of %s:%u, "
                "which %s",
                n->config.dir, (unsigned long long)id->node, self->peer.host, self->peer.port,
                id->cluster_id, here->host, here->port,
                other == NULL ? "is no node of that cluster" : "is another node of it");
    return -1;
}

int system_new(struct node *n)
{
    const struct raft_identity *id = raft_host_identity(n->host);
    struct system *s = mem_zalloc(sizeof *s);
    struct net_addr list[CLUSTER_NODES_MAX];
    char error[256];
    size_t count;

    n->system = s;
    node_self_addr(&n->config, &s->self.peer);
    snprintf(s->self.id, sizeof s->self.id, "%s", id->node_id);
    s->self.client = s->self.peer;
    if (n->config.cluster_announce_ip[0] != '\0') {
        snprintf(s->self.client.host, sizeof s->self.client.host, "%s",
                 n->config.cluster_announce_ip);
    }
    s->self.client.port =
        (uint16_t)(n->config.cluster_announce_port != 0 ? n->config.cluster_announce_port
                                                        : n->config.port);
    snprintf(s->self.zone, sizeof s->self.zone, "%s", n->config.availability_zone);
    s->self.feature_level = own_level();
    s->formed = id->node != 0;
    s->self.number = id->node;
    s->state.slots_enabled = n->config.cluster_enabled;
    if (read_genesis(n) != 0) {
        return -1;
    }
    if (s->formed && s->has_plan &&
        (strcmp(s->plan.cluster_id, id->cluster_id) != 0 ||
         formation_plan_number(&s->plan, id->node_id) != id->node)) {
        log_warning("%s/" GENESIS_FILE " belongs to another node or cluster than the rest",
                    n->config.dir);
        return -1;
    }
    if (s->formed) {
        return check_directory(n);
    }
    count = read_list(n, &s->self.peer, list);

    struct formation_hello hello = {s->self, 0, n->config.cluster_enabled,
                                    (uint32_t)n->config.cluster_data_groups};

    if (count == 0 || formation_init(&s->formation, list, count, &hello, error) != 0) {
        log_warning("cluster-nodes: %s", count == 0 ? "not usable" : error);
        return -1;
    }
    return 0;
}

void system_free(struct node *n)
{
    if (n->system != NULL) {
        cluster_state_release(&n->system->state);
    }
    free(n->system);
    n->system = NULL;
}

void system_start(struct node *n)
{
    struct system *s = n->system;

    s->next_waiting_log_us = n->now_us + WAITING_LOG_US;
    if (s->formed) {
        if (s->has_plan) {
            connect_nodes(n, s->plan.nodes, s->plan.n_nodes); /* until the state is loaded */
            create_groups(n); /* a crash may have come between the identity and them */
        }
        return;
    }
    if (s->has_plan) {
        form(n); /* a crash came between the plan and the identity */
        return;
    }
    connect_list(n);
    try_to_found(n); /* a list of one */
}
