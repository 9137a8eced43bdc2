/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/core_net.c - see tests/raft/core_net.h. */
#include "tests/raft/core_net.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRACE(net, ...)                                                                            \
    do {                                                                                           \
        if ((net)->trace != NULL) {                                                                \
            fprintf((net)->trace, __VA_ARGS__);                                                    \
        }                                                                                          \
    } while (0)

/* ---- words ------------------------------------------------------------------------------- */

const char *net_message_name(enum raft_message_type type)
{
    switch (type) {
    case RAFT_MSG_PRE_VOTE:
        return "PreVote";
    case RAFT_MSG_PRE_VOTE_REPLY:
        return "PreVoteReply";
    case RAFT_MSG_VOTE:
        return "Vote";
    case RAFT_MSG_VOTE_REPLY:
        return "VoteReply";
    case RAFT_MSG_APPEND:
        return "Append";
    case RAFT_MSG_APPEND_REPLY:
        return "AppendReply";
    case RAFT_MSG_TIMEOUT_NOW:
        return "TimeoutNow";
    default:
        return "?";
    }
}

void net_print_members(FILE *f, const struct raft_members *m)
{
    for (uint32_t i = 0; i < m->n; i++) {
        uint8_t flags = m->m[i].flags;

        fprintf(f, "%s%" PRIu64 "%s%s%s", i > 0 ? " " : "", m->m[i].id,
                flags & RAFT_MEMBER_VOTER ? "v" : "", flags & RAFT_MEMBER_VOTER_OLD ? "o" : "",
                flags & RAFT_MEMBER_LEARNER ? "l" : "");
    }
}

void net_print_entry(FILE *f, const struct raft_entry *e)
{
    struct raft_members m;

    fprintf(f, "%" PRIu64 "/%" PRIu64 ":", e->pos.term, e->pos.index);
    switch (e->type) {
    case RAFT_ENTRY_NOOP:
        fputs("noop", f);
        break;
    case RAFT_ENTRY_DATA:
        fprintf(f, "%.*s", e->size > 20 ? 20 : (int)e->size, (const char *)e->data);
        break;
    default:
        if (raft_members_decode(e->data, e->size, &m) == RAFT_OK) {
            fputs("members(", f);
            net_print_members(f, &m);
            fputs(")", f);
        }
        break;
    }
}

static void print_message(FILE *f, const struct raft_message *m)
{
    fprintf(f, "%" PRIu64 "->%" PRIu64 " %s term=%" PRIu64, m->from, m->to,
            net_message_name(m->type), m->term);
    switch (m->type) {
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_VOTE:
        fprintf(f, " last=%" PRIu64 "/%" PRIu64 "%s", m->pos.term, m->pos.index,
                m->forced ? " forced" : "");
        break;
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_VOTE_REPLY:
        fprintf(f, " %s%s", m->reject ? "refused" : "granted", m->tail_suspect ? " suspect" : "");
        break;
    case RAFT_MSG_APPEND:
        fprintf(f, " prev=%" PRIu64 "/%" PRIu64 " commit=%" PRIu64, m->pos.term, m->pos.index,
                m->commit);
        if (m->read_seq > 0) {
            fprintf(f, " read=%" PRIu64, m->read_seq);
        }
        if (m->match != 0) {
            fprintf(f, " echo last=%" PRIu64, m->last);
        }
        for (uint32_t i = 0; i < m->n_entries; i++) {
            fputs(i == 0 ? " [" : " ", f);
            net_print_entry(f, m->entries[i]);
        }
        fputs(m->n_entries > 0 ? "]" : "", f);
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (m->reject) {
            fprintf(f, " refused=%" PRIu64 " try=%" PRIu64 "/%" PRIu64, m->match, m->pos.term,
                    m->pos.index);
        } else {
            fprintf(f, " match=%" PRIu64, m->match);
            if (m->last != m->match) {
                fprintf(f, " last=%" PRIu64, m->last);
            }
        }
        if (m->read_seq > 0) {
            fprintf(f, " read=%" PRIu64, m->read_seq);
        }
        fputs(m->tail_suspect ? " suspect" : "", f);
        break;
    default:
        break;
    }
}

/* ---- members ----------------------------------------------------------------------------- */

void net_parse_members(struct raft_members *m, const char *list, uint8_t flags)
{
    char *end;

    while (*list != '\0') {
        uint64_t id = strtoull(list, &end, 10);
        uint32_t at = m->n;

        assert(end != list);
        while (at > 0 && m->m[at - 1].id > id) {
            m->m[at] = m->m[at - 1];
            at--;
        }
        m->m[at] = (struct raft_member){.id = id, .flags = flags};
        m->n++;
        list = *end == ',' ? end + 1 : end;
    }
}

struct raft_members net_voters(uint64_t n)
{
    struct raft_members m = {0};

    for (uint64_t id = 1; id <= n; id++) {
        m.m[m.n++] = (struct raft_member){.id = id, .flags = RAFT_MEMBER_VOTER};
    }
    return m;
}

struct raft_config net_config(uint64_t id, const struct raft_members *members)
{
    return (struct raft_config){
        .id = id,
        .seed = id,
        .fresh = true,
        .heartbeat_us = 50 * NET_MS,
        .election_timeout_us = 300 * NET_MS,
        .lease_drift_ppm = 10000,
        .uncommitted_bytes_max = 1 << 20,
        .cache_bytes = 1 << 20,
        .message_bytes_max = 1 << 16,
        .inflight_messages_max = 64,
        .inflight_bytes_max = 1 << 20,
        .restore = {.snapshot_members = *members},
    };
}

/* ---- messages ---------------------------------------------------------------------------- */

static struct raft_entry *copy_entry(const struct raft_entry *e)
{
    struct raft_entry *c = raft_entry_new(e->type, e->size);

    c->pos = e->pos; /* not the origin: that never leaves the proposer */
    memcpy(c->data, e->data, e->size);
    return c;
}

static struct raft_message *copy_message(const struct raft_message *m)
{
    struct raft_message *c = malloc(sizeof *c);

    *c = *m;
    c->entries = m->n_entries > 0 ? calloc(m->n_entries, sizeof(struct raft_entry *)) : NULL;
    for (uint32_t i = 0; i < m->n_entries; i++) {
        c->entries[i] = copy_entry(m->entries[i]);
    }
    return c;
}

static void free_message(struct raft_message *m)
{
    for (uint32_t i = 0; i < m->n_entries; i++) {
        raft_entry_unref(m->entries[i]);
    }
    free(m->entries);
    free(m);
}

static void queue_message(struct net *net, const struct raft_message *m)
{
    bool dropped = m->to > NET_NODES_MAX || net->cut[m->from][m->to] || net->node[m->to].r == NULL;

    if (net->trace != NULL) {
        print_message(net->trace, m);
        fputs(dropped ? " dropped\n" : "\n", net->trace);
    }
    net->node[m->from].n_appends_sent += m->type == RAFT_MSG_APPEND;
    if (!dropped) {
        assert(net->n_queue < ARRAY_LEN(net->queue));
        net->queue[net->n_queue++] = copy_message(m);
    }
}

static bool matches(const struct raft_message *m, uint64_t from, uint64_t to, int type)
{
    return (from == 0 || m->from == from) && (to == 0 || m->to == to) &&
           (type == 0 || (int)m->type == type);
}

static struct raft_message *take_message(struct net *net, uint64_t from, uint64_t to, int type)
{
    for (size_t i = 0; i < net->n_queue; i++) {
        struct raft_message *m = net->queue[i];

        if (matches(m, from, to, type)) {
            memmove(&net->queue[i], &net->queue[i + 1],
                    (net->n_queue - i - 1) * sizeof(struct raft_message *));
            net->n_queue--;
            return m;
        }
    }
    return NULL;
}

size_t net_drop(struct net *net, uint64_t from, uint64_t to, int type)
{
    struct raft_message *m;
    size_t n = 0;

    while ((m = take_message(net, from, to, type)) != NULL) {
        free_message(m);
        n++;
    }
    return n;
}

size_t net_queued(const struct net *net, uint64_t from, uint64_t to, int type)
{
    size_t n = 0;

    for (size_t i = 0; i < net->n_queue; i++) {
        n += matches(net->queue[i], from, to, type);
    }
    return n;
}

const struct raft_message *net_peek(const struct net *net, uint64_t from, uint64_t to, int type)
{
    for (size_t i = net->n_queue; i > 0; i--) {
        if (matches(net->queue[i - 1], from, to, type)) {
            return net->queue[i - 1];
        }
    }
    return NULL;
}

size_t net_deliver(struct net *net, uint64_t from, uint64_t to, int type, size_t max)
{
    struct raft_message *m;
    size_t n = 0;

    while ((max == 0 || n < max) && (m = take_message(net, from, to, type)) != NULL) {
        int rc = RAFT_OK;

        if (net->node[m->to].r != NULL) {
            rc = net_message(net, m);
        }
        if (rc != RAFT_OK) {
            TRACE(net, "%" PRIu64 " refuses a message: %s\n", m->to, raft_strerror(rc));
        }
        free_message(m);
        n++;
        assert(n < 100000); /* a test that never comes to rest */
    }
    return n;
}

void net_isolate(struct net *net, uint64_t id)
{
    for (uint64_t i = 0; i <= NET_NODES_MAX; i++) {
        net->cut[id][i] = net->cut[i][id] = i != id;
    }
    net_drop(net, id, 0, 0);
    net_drop(net, 0, id, 0);
}

void net_heal(struct net *net) { memset(net->cut, 0, sizeof net->cut); }

/* ---- disks ------------------------------------------------------------------------------- */

static void disk_cut(struct net_node *n, uint64_t from)
{
    for (uint64_t i = from; i <= n->last; i++) {
        raft_entry_unref(n->log[i - 1]);
        n->log[i - 1] = NULL;
    }
    n->last = MIN_OF(n->last, from - 1);
}

static void disk_put(struct net_node *n, struct raft_entry *e)
{
    disk_cut(n, e->pos.index);
    assert(e->pos.index == n->last + 1);
    assert(e->pos.index <= ARRAY_LEN(n->log));
    n->log[e->pos.index - 1] = raft_entry_ref(e);
    n->last = e->pos.index;
}

static void free_write(struct net_write *w)
{
    for (size_t i = 0; i < w->n_entries; i++) {
        raft_entry_unref(w->entries[i]);
    }
    free(w->entries);
}

bool net_persist(struct net *net, uint64_t id)
{
    struct net_node *n = &net->node[id];
    struct net_write w;
    struct raft_input in = {.type = RAFT_IN_PERSISTED};

    if (n->n_writes == 0 || n->r == NULL) {
        return false;
    }
    w = n->writes[0];
    n->n_writes--;
    memmove(&n->writes[0], &n->writes[1], n->n_writes * sizeof w);
    if (w.install) {
        disk_cut(n, 1);
        n->snapshot = w.install_pos;
        n->snapshot_members = w.install_members;
        n->last = w.install_pos.index;
        in.persisted.log = w.install_pos;
    }
    n->hard = w.hard;
    in.persisted.hard_seq = w.hard_seq;
    for (size_t i = 0; i < w.n_entries; i++) {
        disk_put(n, w.entries[i]);
        in.persisted.log = w.entries[i]->pos;
    }
    free_write(&w);
    if (n->manual_disk) {
        TRACE(net, "%" PRIu64 " durable %" PRIu64 "/%" PRIu64 " hard=%" PRIu64 "\n", id,
              in.persisted.log.term, in.persisted.log.index, in.persisted.hard_seq);
    }
    if (net_step(net, id, &in) != RAFT_OK) {
        abort();
    }
    return true;
}

void net_disk_append(struct net *net, uint64_t id, uint64_t term, const char *data)
{
    struct net_node *n = &net->node[id];
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_DATA, (uint32_t)strlen(data));

    memcpy(e->data, data, e->size);
    e->pos = (struct raft_pos){.term = term, .index = n->last + 1};
    disk_put(n, e);
    raft_entry_unref(e);
    n->hard.term = MAX_OF(n->hard.term, term);
}

void net_disk_cut(struct net *net, uint64_t id, uint64_t from)
{
    assert(from > net->node[id].snapshot.index);
    disk_cut(&net->node[id], from);
}

static void answer_read_back(struct net *net, struct net_node *n, struct raft_read_back rb)
{
    struct raft_input in = {.type = RAFT_IN_ENTRIES, .entries = {.peer = rb.peer}};
    struct raft_entry *e[256];
    uint64_t bytes = 0;

    n->n_read_backs++;
    TRACE(net, "%" PRIu64 " reads back from=%" PRIu64 " for=%" PRIu64 "\n", n->id, rb.first,
          rb.peer);
    in.entries.compacted = rb.first <= n->snapshot.index;
    for (uint64_t i = rb.first; !in.entries.compacted && i <= n->last; i++) {
        bytes += n->log[i - 1]->size;
        if (in.entries.n == ARRAY_LEN(e) || (in.entries.n > 0 && bytes > rb.bytes_max)) {
            break;
        }
        e[in.entries.n++] = n->log[i - 1];
    }
    in.entries.entries = e;
    if (net_step(net, n->id, &in) != RAFT_OK) {
        abort();
    }
}

/* ---- outputs ----------------------------------------------------------------------------- */

static void trace_state(struct net *net, struct net_node *n, const struct raft_output *out)
{
    if (out->role_changed) {
        TRACE(net, "%" PRIu64 " %s term=%" PRIu64, n->id, raft_role_name(out->role), out->term);
        TRACE(net, out->leader != 0 && out->leader != n->id ? " leader=%" PRIu64 "\n" : "\n",
              out->leader);
    }
    if (out->hard_seq > 0) {
        TRACE(net, "%" PRIu64 " writes term=%" PRIu64 " vote=%" PRIu64 "\n", n->id, out->hard.term,
              out->hard.vote);
    }
    if (out->install) {
        TRACE(net, "%" PRIu64 " installs snapshot %" PRIu64 "/%" PRIu64 "\n", n->id,
              out->install_pos.term, out->install_pos.index);
    }
    if (out->n_append > 0 && net->trace != NULL) {
        fprintf(net->trace, "%" PRIu64 " writes", n->id);
        for (size_t i = 0; i < out->n_append; i++) {
            fputc(' ', net->trace);
            net_print_entry(net->trace, out->append[i]);
        }
        fputc('\n', net->trace);
    }
    if (out->members_changed && net->trace != NULL) {
        fprintf(net->trace, "%" PRIu64 " members ", n->id);
        net_print_members(net->trace, raft_get_members(n->r));
        fputc('\n', net->trace);
    }
    if (out->commit != n->commit) {
        TRACE(net, "%" PRIu64 " commit %" PRIu64 "\n", n->id, out->commit);
    }
    if (out->transfer_ended) {
        TRACE(net, "%" PRIu64 " transfer given up\n", n->id);
    }
    if ((out->lease_until_us > 0) != (n->lease_until_us > 0)) {
        TRACE(net, "%" PRIu64 " lease %s\n", n->id, out->lease_until_us > 0 ? "gained" : "lost");
    }
}

static void queue_write(struct net_node *n, const struct raft_output *out)
{
    struct net_write *w = &n->writes[n->n_writes];

    if (out->hard_seq == 0 && out->n_append == 0 && !out->install) {
        return;
    }
    assert(n->n_writes < ARRAY_LEN(n->writes));
    *w = (struct net_write){.hard_seq = out->hard_seq,
                            .hard = out->hard,
                            .install = out->install,
                            .install_pos = out->install_pos,
                            .n_entries = out->n_append};
    if (out->install) {
        w->install_members = *out->install_members;
    }
    w->entries = calloc(out->n_append + 1, sizeof(struct raft_entry *));
    for (size_t i = 0; i < out->n_append; i++) {
        w->entries[i] = raft_entry_ref(out->append[i]);
    }
    n->n_writes++;
}

static void note_reads(struct net *net, struct net_node *n, const struct raft_output *out)
{
    for (size_t i = 0; i < out->n_reads; i++) {
        TRACE(net, "%" PRIu64 " read %" PRIu64 " confirmed\n", n->id, out->reads[i]);
        n->reads[n->n_reads++ % ARRAY_LEN(n->reads)] = out->reads[i];
    }
    for (size_t i = 0; i < out->n_reads_lost; i++) {
        TRACE(net, "%" PRIu64 " read %" PRIu64 " lost\n", n->id, out->reads_lost[i]);
        n->reads_lost[n->n_reads_lost++ % ARRAY_LEN(n->reads)] = out->reads_lost[i];
    }
    for (size_t i = 0; i < out->n_need_snapshot; i++) {
        TRACE(net, "%" PRIu64 " wants a snapshot sent to=%" PRIu64 "\n", n->id,
              out->need_snapshot[i]);
        n->need_snapshot[n->n_need_snapshot++ % ARRAY_LEN(n->need_snapshot)] =
            out->need_snapshot[i];
    }
}

void net_drain(struct net *net, uint64_t id)
{
    struct net_node *n = &net->node[id];
    struct raft_output out;
    struct raft_read_back rb[NET_NODES_MAX];
    size_t n_rb;

    raft_drain(n->r, &out);
    raft_check(n->r);
    trace_state(net, n, &out);
    queue_write(n, &out);
    for (size_t i = 0; i < out.n_messages; i++) {
        queue_message(net, &out.messages[i]);
    }
    note_reads(net, n, &out);
    n->n_transfers_ended += out.transfer_ended;
    n->lease_until_us = out.lease_until_us;
    n->deadline_us = out.deadline_us;
    n->noop_index = out.noop_index;
    n->seen_role = out.role;
    n->seen_term = out.term;
    n->seen_leader = out.leader;
    n_rb = out.n_read_backs;
    if (n_rb > 0) {
        memcpy(rb, out.read_backs, n_rb * sizeof rb[0]);
    }
    if (out.commit != n->commit) {
        struct raft_input in = {.type = RAFT_IN_APPLIED, .index = out.commit};

        n->commit = out.commit;
        if (!n->manual_apply && net_step(net, id, &in) != RAFT_OK) {
            abort();
        }
    }
    for (size_t i = 0; i < n_rb; i++) {
        answer_read_back(net, n, rb[i]);
    }
    while (!n->manual_disk && net_persist(net, id)) {
    }
}

/* ---- inputs ------------------------------------------------------------------------------ */

int net_step(struct net *net, uint64_t id, struct raft_input *in)
{
    struct net_node *n = &net->node[id];
    int rc;

    assert(n->r != NULL);
    in->now_us = net->now_us;
    rc = raft_step(n->r, in);
    if (!n->manual_drain) {
        raft_check(n->r);
        net_drain(net, id);
    }
    return rc;
}

void net_tick(struct net *net, uint64_t id)
{
    struct raft_input in = {.type = RAFT_IN_TICK};

    if (net_step(net, id, &in) != RAFT_OK) {
        abort();
    }
}

int net_message(struct net *net, const struct raft_message *m)
{
    struct raft_input in = {.type = RAFT_IN_MESSAGE, .message = m};

    return net_step(net, m->to, &in);
}

int net_propose(struct net *net, uint64_t id, const char *data)
{
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_DATA, (uint32_t)strlen(data));
    struct raft_input in = {.type = RAFT_IN_PROPOSE, .propose = {.entries = &e, .n = 1}};
    int rc;

    memcpy(e->data, data, e->size);
    e->origin = 1;
    rc = net_step(net, id, &in);
    raft_entry_unref(e);
    return rc;
}

int net_change(struct net *net, uint64_t id, const struct raft_members *m)
{
    struct raft_input in = {.type = RAFT_IN_CHANGE, .members = m};

    return net_step(net, id, &in);
}

int net_transfer(struct net *net, uint64_t id, uint64_t to)
{
    struct raft_input in = {.type = RAFT_IN_TRANSFER, .peer = to};

    return net_step(net, id, &in);
}

int net_read(struct net *net, uint64_t id, uint64_t token)
{
    struct raft_input in = {.type = RAFT_IN_READ, .token = token};

    return net_step(net, id, &in);
}

int net_compact(struct net *net, uint64_t id, uint64_t index)
{
    struct net_node *n = &net->node[id];
    struct raft_input in = {.type = RAFT_IN_COMPACT,
                            .pos = {.term = raft_term_at(n->r, index), .index = index}};
    struct raft_members members;
    int rc = raft_members_at(n->r, index, &members);

    rc = rc == RAFT_OK ? net_step(net, id, &in) : rc;
    if (rc == RAFT_OK && index <= n->last) {
        for (uint64_t i = n->snapshot.index + 1; i <= index; i++) {
            raft_entry_unref(n->log[i - 1]);
            n->log[i - 1] = NULL;
        }
        n->snapshot = in.pos;
        n->snapshot_members = members;
    }
    return rc;
}

int net_snapshot(struct net *net, uint64_t from, uint64_t to, uint64_t index)
{
    struct raft_status s = net_status(net, from);
    struct raft_members members;
    struct raft_input in = {.type = RAFT_IN_SNAPSHOT};
    int rc;

    index = index != 0 ? index : s.snapshot.index;
    rc = raft_members_at(net->node[from].r, index, &members);
    if (rc != RAFT_OK) {
        return rc;
    }
    in.snapshot.from = from;
    in.snapshot.term = s.term;
    in.snapshot.pos = (struct raft_pos){raft_term_at(net->node[from].r, index), index};
    in.snapshot.members = &members;
    return net_step(net, to, &in);
}

int net_snapshot_sent(struct net *net, uint64_t id, uint64_t peer, uint64_t index, bool failed)
{
    struct raft_input in = {
        .type = RAFT_IN_SNAPSHOT_SENT,
        .sent = {.peer = peer,
                 .pos = {.term = raft_term_at(net->node[id].r, index), .index = index},
                 .failed = failed}};

    return net_step(net, id, &in);
}

/* ---- life -------------------------------------------------------------------------------- */

struct net *net_new(FILE *trace)
{
    struct net *net = calloc(1, sizeof *net);

    net->trace = trace;
    net->now_us = 1000 * NET_MS;
    return net;
}

static void forget_writes(struct net_node *n)
{
    for (size_t i = 0; i < n->n_writes; i++) {
        free_write(&n->writes[i]);
    }
    n->n_writes = 0;
}

void net_free(struct net *net)
{
    net_drop(net, 0, 0, 0);
    for (uint64_t id = 1; id <= NET_NODES_MAX; id++) {
        struct net_node *n = &net->node[id];

        raft_free(n->r);
        forget_writes(n);
        disk_cut(n, n->snapshot.index + 1);
    }
    free(net);
}

static void start(struct net *net, struct net_node *n)
{
    struct raft_term_run runs[64];
    struct raft_entry *configs[64];
    struct raft_restore *re = &n->config.restore;
    int rc;

    *re = (struct raft_restore){
        .hard = n->hard,
        .snapshot = n->snapshot,
        .snapshot_members = n->snapshot_members,
        .last = n->snapshot,
        .runs = runs,
        .configs = configs,
        .tail_suspect = re->tail_suspect,
    };
    for (uint64_t i = n->snapshot.index + 1; i <= n->last; i++) {
        struct raft_entry *e = n->log[i - 1];

        if (re->n_runs == 0 || runs[re->n_runs - 1].term != e->pos.term) {
            runs[re->n_runs++] = (struct raft_term_run){.term = e->pos.term, .first = i};
        }
        if (e->type == RAFT_ENTRY_CONFIG) {
            configs[re->n_configs++] = e;
        }
        re->last = e->pos;
    }
    n->config.now_us = net->now_us;
    rc = raft_new(&n->config, &n->r);
    if (rc != RAFT_OK) {
        fprintf(stderr, "raft_new: %s\n", raft_strerror(rc));
        abort();
    }
    n->commit = 0;
    n->lease_until_us = 0;
    net_drain(net, n->id);
}

void net_start(struct net *net, const struct raft_config *config)
{
    struct net_node *n = &net->node[config->id];

    assert(n->r == NULL);
    n->id = config->id;
    n->config = *config;
    if (n->snapshot.index == 0) {
        n->snapshot_members = config->restore.snapshot_members;
    }
    start(net, n);
}

void net_start_voters(struct net *net, uint64_t n)
{
    struct raft_members m = net_voters(n);

    for (uint64_t id = 1; id <= n; id++) {
        struct raft_config c = net_config(id, &m);

        net_start(net, &c);
    }
}

void net_crash(struct net *net, uint64_t id)
{
    struct net_node *n = &net->node[id];

    raft_free(n->r);
    n->r = NULL;
    forget_writes(n);
    net_drop(net, 0, id, 0);
}

void net_restart(struct net *net, uint64_t id, bool suspect)
{
    struct net_node *n = &net->node[id];

    assert(n->r == NULL);
    n->config.fresh = false;
    n->config.seed += 100;
    n->config.restore.tail_suspect = suspect;
    start(net, n);
}

/* ---- time -------------------------------------------------------------------------------- */

void net_sleep(struct net *net, int64_t us) { net->now_us += us; }

void net_run(struct net *net, int64_t us)
{
    int64_t end = net->now_us + us;

    net_deliver(net, 0, 0, 0, 0);
    for (;;) {
        int64_t next = INT64_MAX;

        for (uint64_t id = 1; id <= NET_NODES_MAX; id++) {
            if (net->node[id].r != NULL) {
                next = MIN_OF(next, net->node[id].deadline_us);
            }
        }
        if (next > end) {
            break;
        }
        net->now_us = MAX_OF(net->now_us, next);
        for (uint64_t id = 1; id <= NET_NODES_MAX; id++) {
            if (net->node[id].r != NULL && net->node[id].deadline_us <= net->now_us) {
                net_tick(net, id);
                net_deliver(net, 0, 0, 0, 0);
            }
        }
    }
    net->now_us = end;
}

void net_fire(struct net *net, uint64_t id)
{
    net->now_us = MAX_OF(net->now_us, net->node[id].deadline_us);
    net_tick(net, id);
}

void net_elect(struct net *net, uint64_t id)
{
    net_fire(net, id);
    net_deliver(net, 0, 0, 0, 0);
}

struct raft_status net_status(const struct net *net, uint64_t id)
{
    struct raft_status s;

    raft_get_status(net->node[id].r, &s);
    return s;
}

enum raft_role net_role(const struct net *net, uint64_t id) { return net_status(net, id).role; }
