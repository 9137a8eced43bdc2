/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/info_raft.c - INFO's sections "replication" and "raft"; see node/info.h.
 *
 * "replication" shows the home group (node/groups.h) in Redis's terms, so that clients, exporters
 * and sentinels find what they look for: the leader is the master, offsets are log indexes, the log
 * is the backlog. "raft" shows each group as it is:
 *
 *   group1:role=leader,state=serving,term=3,...       one line per group with a replica here
 *   group1_follower0:node=2,ip=...,lag=0,...          where this node leads: one per other member
 *   log_*                                             the write-ahead log that all groups share
 *   peer0:node=2,ip=...,connected=1,...               connections to the other nodes */
#include "node/info.h"

#include "base/clock.h"
#include "node/system.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static const char no_id[] = "0000000000000000000000000000000000000000";

/* ---- replication ------------------------------------------------------------------------- */

static int64_t seconds_since(int64_t us, int64_t now_us)
{
    return us == 0 ? -1 : MAX_OF((now_us - us) / 1000000, 0);
}

static void followers(struct node *n, const struct raft_status *s, struct buf *out)
{
    struct buf lines;
    unsigned count = 0;

    buf_init(&lines);
    for (size_t i = 0; i < s->n_peers; i++) {
        const struct raft_peer_status *p = &s->peers[i];
        const struct cluster_node *node = cluster_state_node(system_state(n), p->id);

        if (p->active && node != NULL) {
            buf_printf(&lines, "slave%u:ip=%s,port=%u,state=%s,offset=%llu,lag=%lld\r\n", count++,
                       node->client.host, node->client.port,
                       p->in_snapshot ? "send_bulk" : "online", (unsigned long long)p->match,
                       (long long)seconds_since(p->last_heard_us, n->now_us));
        }
    }
    info_field(out, "connected_slaves", "%u", count);
    if (lines.len > 0) {
        buf_append(out, buf_head(&lines), lines.len);
    }
    buf_release(&lines);
}

static void leader_link(struct node *n, const struct group *g, struct buf *out)
{
    const struct cluster_node *leader =
        g == NULL || g->leader == 0 ? NULL : cluster_state_node(system_state(n), g->leader);

    info_field(out, "master_host", "%s", leader == NULL ? "" : leader->client.host);
    info_field(out, "master_port", "%u", leader == NULL ? 0 : leader->client.port);
    info_field(out, "master_link_status", "%s", leader == NULL ? "down" : "up");
    /* While a leader is known, it was heard within an election timeout. */
    info_field(out, "master_last_io_seconds_ago", "%d", leader == NULL ? -1 : 0);
    info_field(out, "master_sync_in_progress", "%d", g == NULL || g->state == GROUP_LOADING);
}

static void info_follower(struct node *n, const struct group *g, const struct raft_status *s,
                          struct buf *out)
{
    uint64_t applied = g == NULL ? 0 : g->applied;

    leader_link(n, g, out);
    info_field(out, "slave_read_repl_offset", "%llu", (unsigned long long)s->last.index);
    info_field(out, "slave_repl_offset", "%llu", (unsigned long long)applied);
    if (g == NULL || g->leader == 0) {
        info_field(
            out, "master_link_down_since_seconds", "%lld",
            (long long)seconds_since(g == NULL ? n->start_us : g->leaderless_since_us, n->now_us));
    }
    info_field(out, "slave_priority", "100");
    info_field(out, "slave_read_only", "1");
    info_field(out, "replica_announced", "1");
    info_field(out, "connected_slaves", "0");
}

static bool any_transfer(const struct node *n)
{
    bool any = false;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        any |= n->groups[i] != NULL && n->groups[i]->transfer_wanted;
    }
    return any;
}

void info_replication(struct node *n, struct buf *out)
{
    const struct group *g = groups_home(n);
    const char *id = raft_host_identity(n->host)->cluster_id;
    bool leads = g != NULL && g->role == RAFT_ROLE_LEADER;
    struct raft_group_status status;
    const struct raft_status *s = &status.raft;

    if (g == NULL || raft_host_group_status(n->host, g->number, &status) != RAFT_HOST_OK) {
        status = (struct raft_group_status){0}; /* not formed yet */
    }
    info_field(out, "role", "%s", leads ? "master" : "slave");
    if (leads) {
        followers(n, s, out);
    } else {
        info_follower(n, g, s, out);
    }
    info_field(out, "master_failover_state", "%s",
               any_transfer(n) ? "failover-in-progress" : "no-failover");
    info_field(out, "master_replid", "%s", id[0] == '\0' ? no_id : id);
    info_field(out, "master_replid2", "%s", no_id);
    info_field(out, "master_repl_offset", "%llu", (unsigned long long)(g == NULL ? 0 : g->applied));
    info_field(out, "second_repl_offset", "-1");
    info_field(out, "repl_backlog_active", "%d", g != NULL);
    info_field(out, "repl_backlog_size", "%llu", (unsigned long long)status.log_span_bytes);
    info_field(out, "repl_backlog_first_byte_offset", "%llu",
               (unsigned long long)s->snapshot.index + 1);
    info_field(out, "repl_backlog_histlen", "%llu",
               (unsigned long long)(s->last.index - MIN_OF(s->snapshot.index, s->last.index)));
}

/* ---- raft -------------------------------------------------------------------------------- */

/* Seconds since the file of the group's newest snapshot was written; -1: there is none. */
static long long snapshot_age_s(struct node *n, const struct group *g)
{
    char path[PATH_MAX];
    struct stat st;

    raft_host_snapshot_path(n->host, g->number, g->snapshot, path);
    if (stat(path, &st) != 0) {
        return -1;
    }
    return MAX_OF((long long)(n->now_wall_ms / 1000 - st.st_mtime), 0);
}

static void group_followers(struct node *n, const struct group *g, const struct raft_status *s,
                            struct buf *out)
{
    for (size_t i = 0; i < s->n_peers; i++) {
        const struct raft_peer_status *p = &s->peers[i];
        const struct cluster_node *node = cluster_state_node(system_state(n), p->id);
        const char *state = !p->active ? "down" : p->in_snapshot ? "snapshot" : "online";

        buf_printf(out,
                   "group%u_follower%zu:node=%llu,ip=%s,port=%u,voter=%d,state=%s,match=%llu,"
                   "lag=%llu,heard_ms=%lld\r\n",
                   g->number, i, (unsigned long long)p->id, node == NULL ? "" : node->client.host,
                   node == NULL ? 0 : node->client.port, (p->flags & RAFT_MEMBER_VOTER) != 0, state,
                   (unsigned long long)p->match,
                   (unsigned long long)(s->last.index - MIN_OF(p->match, s->last.index)),
                   p->last_heard_us == 0
                       ? -1LL
                       : (long long)MAX_OF((n->now_us - p->last_heard_us) / 1000, 0));
    }
}

static unsigned voters(const struct raft_members *m)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < m->n; i++) {
        n += (m->m[i].flags & RAFT_MEMBER_VOTER) != 0;
    }
    return n;
}

static uint64_t preferred_leader(const struct node *n, const struct group *g)
{
    const struct cluster_group *known = cluster_state_group(system_state(n), g->number);

    return known == NULL ? 0 : known->preferred_leader;
}

static void one_group(struct node *n, const struct group *g, struct buf *out)
{
    struct raft_group_status status;
    const struct raft_status *s = &status.raft;
    int64_t lease_ms;

    if (raft_host_group_status(n->host, g->number, &status) != RAFT_HOST_OK) {
        return; /* being created: there is nothing to show yet */
    }
    lease_ms = MAX_OF((s->lease_until_us - n->now_us) / 1000, 0);
    /* The published copy may be a little older than what is applied, and thus committed, here. */
    status.raft.commit = MAX_OF(s->commit, g->applied);
    status.raft.last.index = MAX_OF(s->last.index, g->applied);
    buf_printf(out,
               "group%u:role=%s,state=%s,term=%llu,leader=%llu,commit=%llu,applied=%llu,last=%llu,"
               "persisted=%llu,lease_ms=%lld,uncommitted_bytes=%llu,log_bytes=%llu,"
               "snapshot_index=%llu,snapshot_term=%llu,snapshot_bytes=%llu,snapshot_age_s=%lld,"
               "voters=%u,change_pending=%d,transferring=%d,tail_suspect=%d,rebuilds=%llu,"
               "preferred=%llu\r\n",
               g->number, raft_role_name(s->role), group_state_name(g->state),
               (unsigned long long)s->term, (unsigned long long)s->leader,
               (unsigned long long)s->commit, (unsigned long long)g->applied,
               (unsigned long long)s->last.index, (unsigned long long)s->persisted,
               (long long)lease_ms, (unsigned long long)s->uncommitted_bytes,
               (unsigned long long)status.log_span_bytes, (unsigned long long)g->snapshot.index,
               (unsigned long long)g->snapshot.term, (unsigned long long)status.snapshot_bytes,
               snapshot_age_s(n, g), voters(&s->members), s->change_pending,
               s->transferring || g->transfer_wanted, s->tail_suspect,
               (unsigned long long)g->rebuilds, (unsigned long long)preferred_leader(n, g));
    if (s->role == RAFT_ROLE_LEADER) {
        group_followers(n, g, s, out);
    }
}

static void number(struct buf *out, const char *name, uint64_t v)
{
    info_field(out, name, "%llu", (unsigned long long)v);
}

static void info_log(struct node *n, const struct raft_host_status *h, struct buf *out)
{
    const struct wal_stats *w = &h->wal;

    number(out, "log_bytes", w->bytes);
    number(out, "log_segments", w->segments);
    number(out, "log_written_bytes", w->written_bytes);
    number(out, "log_full", w->full);
    number(out, "log_syncs", w->syncs);
    info_field(out, "log_last_sync_time", "%lld", (long long)h->last_sync_wall_ms / 1000);
    info_field(out, "log_last_sync_ms_ago", "%lld",
               h->last_sync_wall_ms == 0
                   ? -1LL
                   : (long long)MAX_OF(n->now_wall_ms - h->last_sync_wall_ms, 0));
    number(out, "log_sync_usec_last", w->sync_us_last);
    number(out, "log_sync_usec_max", w->sync_us_max);
    number(out, "log_sync_usec_avg", w->syncs == 0 ? 0 : w->sync_us_total / w->syncs);
}

static void info_peers(const struct raft_host_status *h, struct buf *out)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        buf_printf(out,
                   "peer%zu:node=%llu,ip=%s,port=%u,connected=%d,since=%lld,sent_bytes=%llu,"
                   "received_bytes=%llu,queued_bytes=%llu,messages_dropped=%llu\r\n",
                   i, (unsigned long long)h->peers[i].peer.node, h->peers[i].peer.addr.host,
                   h->peers[i].peer.addr.port, h->peers[i].connected,
                   (long long)h->peers[i].since_wall_ms / 1000,
                   (unsigned long long)h->peers[i].bytes_sent,
                   (unsigned long long)h->peers[i].bytes_received,
                   (unsigned long long)h->peers[i].queued_bytes,
                   (unsigned long long)h->peers[i].messages_dropped);
    }
}

static const char *appendfsync_name(int v)
{
    switch ((enum appendfsync)v) {
    case APPENDFSYNC_ALWAYS:
        return "always";
    case APPENDFSYNC_EVERYSEC:
        return "everysec";
    case APPENDFSYNC_NO:
        break;
    }
    return "no";
}

void info_raft(struct node *n, struct buf *out)
{
    const struct raft_identity *self = raft_host_identity(n->host);
    struct raft_host_status host;
    unsigned groups = 0;

    raft_host_get_status(n->host, &host);
    for (size_t i = 0; i < n->n_groups; i++) {
        groups += n->groups[i] != NULL;
    }
    info_field(out, "raft_node", "%llu", (unsigned long long)self->node);
    info_field(out, "raft_node_id", "%s", self->node_id);
    info_field(out, "raft_cluster_id", "%s", self->cluster_id);
    info_field(out, "raft_formed", "%d", system_is_formed(n));
    info_field(out, "raft_feature_level", "%u", system_state(n)->feature_level);
    info_field(out, "raft_waiting_for", "%s", system_waiting_for(n));
    info_field(out, "raft_appendfsync", "%s", appendfsync_name(n->config.appendfsync));
    info_field(out, "raft_groups", "%u", groups);
    for (size_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            one_group(n, n->groups[i], out);
        }
    }
    number(out, "raft_batches", n->stats.batches);
    number(out, "raft_batch_bytes", n->stats.batch_bytes);
    number(out, "raft_batch_bytes_max", n->stats.batch_bytes_max);
    number(out, "raft_gated_replies", n->stats.gated_replies);
    number(out, "raft_lease_waits", n->stats.lease_waits);
    number(out, "raft_redirected_replies", n->stats.redirected_replies);
    number(out, "raft_rebuilds", n->stats.rebuilds);
    info_log(n, &host, out);
    info_peers(&host, out);
}
