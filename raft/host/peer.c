/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/peer.c - the other nodes: address book, dialling, greeting, liveness.
 *
 * Of a pair the node with the lesser "host:port" dials, until it is connected, with back-off. Both
 * say who they are in a HELLO before anything else; the one that accepted answers only if it knows
 * the other. A newer connection replaces an older one, which the other end has given up.
 *
 * Who may say what: nodes of two different clusters nothing at all. A node that is in no cluster
 * yet, and a node whose number is not the address book's, only bytes of the layers above. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/conn.h"
#include "raft/host/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 1000000
#define GREETING_MAX 256            /* accepted connections that have not greeted */
#define REFUSED_LOG_US 10000000     /* one log line in this time */
#define OVERTAKE_BYTES (256 * 1024) /* less than this is not worth overtaking */
#define LISTEN_BACKLOG 128
#define ACCEPT_PAUSE_US 1000000

void host_addr_name(const struct net_addr *a, char *out, size_t n)
{
    snprintf(out, n, strchr(a->host, ':') != NULL ? "[%s]:%u" : "%s:%u", a->host,
             (unsigned)a->port);
}

void host_fill_hello(struct raft_host *h, uint32_t kind, struct peer_hello *out)
{
    memset(out, 0, sizeof *out);
    out->protocol = PEER_PROTOCOL;
    out->kind = kind;
    out->feature_level = h->config.feature_level;
    memcpy(out->cluster_id, h->me.cluster_id, sizeof out->cluster_id);
    memcpy(out->node_id, h->me.node_id, sizeof out->node_id);
    out->node = h->me.node;
    out->addr = h->config.self;
}

/* ---- finding them ------------------------------------------------------------------------ */

static struct host_peer *peer_by_name(struct raft_host *h, const char *name)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        if (strcmp(h->peers[i]->name, name) == 0) {
            return h->peers[i];
        }
    }
    return NULL;
}

static struct host_peer *peer_by_addr(struct raft_host *h, const struct net_addr *a)
{
    char name[NET_HOST_MAX + 8];

    host_addr_name(a, name, sizeof name);
    return peer_by_name(h, name);
}

struct host_peer *host_peer_by_node(struct raft_host *h, uint64_t node)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        if (h->peers[i]->node == node) {
            return h->peers[i];
        }
    }
    return NULL;
}

/* ---- events ------------------------------------------------------------------------------ */

static void push_peer_event(struct host_peer *p, enum raft_event_type type)
{
    struct raft_event *e = host_event_new(type, 0, 0);

    e->peer.addr = p->addr;
    e->peer.identity = p->identity;
    host_push_event(p->host, e);
}

/* Every core that may have something in flight to @p. */
static void tell_unreachable(struct host_peer *p)
{
    struct raft_host *h = p->host;

    if (p->node == 0) {
        return;
    }
    for (size_t i = 0; i < h->n_groups; i++) {
        host_group_unreachable(h->groups[i], p->node);
    }
}

static PRINTF_LIKE(2, 3) void log_refused(struct raft_host *h, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    h->refused++;
    if (h->refused_log_us != 0 && h->now_us - h->refused_log_us < REFUSED_LOG_US) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_warning("%s (%" PRIu64 " refused so far)", text, h->refused);
    h->refused_log_us = h->now_us;
}

/* ---- dialling ---------------------------------------------------------------------------- */

static void arm_redial(struct host_peer *p, int64_t in_us) { host_arm(p->host, &p->redial, in_us); }

static void redial_later(struct host_peer *p)
{
    if (p->we_dial && !p->host->stopping) {
        arm_redial(p, p->backoff_us);
        p->backoff_us = MIN_OF(p->backoff_us * 2, (int64_t)BACKOFF_MAX_US);
    }
}

/* @addr: numeric. */
static void dial(struct host_peer *p, const struct net_addr *addr)
{
    int fd;

    if (net_connect_start(addr, &fd) != 0) {
        log_debug("Cannot connect to node %s: %s", p->name, strerror(errno));
        redial_later(p);
        return;
    }
    p->conn = conn_new(p->host, fd, true);
    p->conn->peer = p;
}

static void on_redial(EV_P_ ev_timer *w, int revents)
{
    struct host_peer *p = CONTAINER_OF(w, struct host_peer, redial);

    (void)loop;
    (void)revents;
    if (p->conn != NULL || p->resolving) {
        return;
    }
    if (resolve_is_numeric(p->addr.host)) {
        dial(p, &p->addr);
    } else {
        p->resolving = true;
        resolve_start(p->host, p->name, &p->addr, p->attempts++);
    }
}

void host_peers_resolved(struct raft_host *h, const struct resolved *r)
{
    struct host_peer *p = peer_by_name(h, r->name);

    if (p == NULL || !p->resolving) {
        return;
    }
    p->resolving = false;
    if (r->found) {
        dial(p, &r->addr);
    } else {
        log_verbose("Cannot find the address of node %s: %s", p->name, r->why);
        redial_later(p);
    }
}

void host_peer_on_closed(struct conn *c)
{
    struct host_peer *p = c->peer;

    if (p->conn != c) {
        return; /* replaced: somebody else looks after the peer now */
    }
    p->conn = NULL;
    p->bytes_sent += c->bytes_out;
    p->bytes_received += c->bytes_in;
    if (p->up) {
        p->up = false;
        p->raft_ok = false;
        p->since_wall_ms = clock_wall_ms();
        tell_unreachable(p);
        push_peer_event(p, RAFT_EV_PEER_DOWN);
    }
    redial_later(p);
}

static void listeners_stop(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_listeners; i++) {
        ev_io_stop(h->loop, &h->listeners[i]);
    }
}

/* ---- accepting and greeting -------------------------------------------------------------- */

static void on_accept(EV_P_ ev_io *w, int revents)
{
    struct raft_host *h = ev_userdata(loop);

    (void)revents;
    for (int i = 0; i < 64; i++) {
        char ip[NET_HOST_MAX];
        struct conn *c;
        int fd = net_accept(w->fd, ip, NULL);

        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                /* Out of descriptors, say: the socket stays readable, so look away for a while. */
                log_warning("Cannot accept peer connections for now: %s", strerror(errno));
                listeners_stop(h);
                h->accept_again_us = h->now_us + ACCEPT_PAUSE_US;
            }
            return;
        }
        if (h->n_greeting >= GREETING_MAX) {
            close(fd);
            log_refused(h, "Too many peer connections that do not say who they are");
            continue;
        }
        c = conn_new(h, fd, false);
        memcpy(c->ip, ip, sizeof c->ip);
        c->next = h->greeting;
        h->greeting = c;
        h->n_greeting++;
    }
}

/* May Raft frames pass? @p's identity is fresh. False when the two must not talk at all. */
static bool judge(struct host_peer *p)
{
    const struct raft_identity *me = &p->host->me;
    const struct raft_identity *it = &p->identity;

    p->raft_ok = false;
    if (me->cluster_id[0] == '\0' || it->cluster_id[0] == '\0') {
        return true;
    }
    if (strcmp(me->cluster_id, it->cluster_id) != 0) {
        log_refused(p->host, "Node %s belongs to another cluster (%s, not %s): refused", p->name,
                    it->cluster_id, me->cluster_id);
        return false;
    }
    if (p->node == 0) {
        return true;
    }
    if (p->node != it->node || p->node == me->node) {
        log_refused(p->host,
                    "Node %s says that it is number %" PRIu64 ", the cluster knows it as %" PRIu64
                    ": it takes no part in any group",
                    p->name, it->node, p->node);
        return true;
    }
    p->raft_ok = true;
    return true;
}

static void take_identity(struct host_peer *p, const struct peer_hello *hello)
{
    memset(&p->identity, 0, sizeof p->identity);
    memcpy(p->identity.cluster_id, hello->cluster_id, sizeof p->identity.cluster_id);
    memcpy(p->identity.node_id, hello->node_id, sizeof p->identity.node_id);
    p->identity.node = hello->node;
    p->greeted = true;
}

static void set_up(struct host_peer *p, struct conn *c)
{
    bool was_up = p->up;

    c->state = CONN_UP;
    p->backoff_us = BACKOFF_MIN_US;
    p->up = true;
    if (!was_up) {
        p->since_wall_ms = clock_wall_ms();
        log_notice("Connected to node %s", p->name);
    }
    push_peer_event(p, RAFT_EV_PEER_UP);
}

/* Somebody who dialled us says who it is. */
static void greet_accepted(struct conn *c, const struct peer_hello *hello)
{
    struct raft_host *h = c->host;
    struct host_peer *p = peer_by_addr(h, &hello->addr);
    struct conn *old;

    if (p == NULL || p->we_dial) {
        log_refused(h, "Connection from %s, which says it is %s:%u: %s", c->ip, hello->addr.host,
                    (unsigned)hello->addr.port,
                    p == NULL ? "no node of this cluster, refused" : "it should not dial, refused");
        conn_close(c, NULL);
        return;
    }
    for (struct conn **q = &h->greeting; *q != NULL; q = &(*q)->next) {
        if (*q == c) {
            *q = c->next;
            h->n_greeting--;
            break;
        }
    }
    old = p->conn;
    if (old != NULL) {
        conn_close(old, "replaced by a new connection");
    }
    c->peer = p;
    p->conn = c;
    take_identity(p, hello);
    if (!judge(p)) {
        conn_close(c, NULL);
        return;
    }
    conn_send_hello(c);
    set_up(p, c);
}

/* A dialled node answers, or a connected one has a new identity. */
static void greet_known(struct conn *c, const struct peer_hello *hello)
{
    struct host_peer *p = c->peer;
    char name[NET_HOST_MAX + 8];

    host_addr_name(&hello->addr, name, sizeof name);
    if (strcmp(name, p->name) != 0) {
        log_refused(c->host, "The node at %s says that it is %s: refused", p->name, name);
        conn_close(c, NULL);
        return;
    }
    take_identity(p, hello);
    if (!judge(p)) {
        conn_close(c, NULL);
        return;
    }
    set_up(p, c);
}

static void greet_stream(struct conn *c, const struct peer_hello *hello)
{
    struct raft_host *h = c->host;
    struct host_peer *p = peer_by_addr(h, &hello->addr);
    bool whole = c->in.len == PEER_HEADER_BYTES + (size_t)c->frame.head_bytes;

    if (p == NULL || h->me.node == 0 || p->node != hello->node || c->state != CONN_GREETING ||
        c->dialled || !whole || strcmp(h->me.cluster_id, hello->cluster_id) != 0) {
        log_refused(h, "A snapshot from %s, which says it is %s:%u: no member of this cluster",
                    c->ip, hello->addr.host, (unsigned)hello->addr.port);
        conn_close(c, NULL);
        return;
    }
    snap_in_start(h, conn_detach(c), hello->node);
}

void host_peer_on_hello(struct conn *c, const struct peer_hello *hello)
{
    if (hello->protocol != PEER_PROTOCOL) {
        log_refused(c->host, "%s:%u speaks protocol %u, this node speaks %u: refused",
                    hello->addr.host, (unsigned)hello->addr.port, hello->protocol, PEER_PROTOCOL);
        conn_close(c, NULL);
    } else if (hello->kind == PEER_HELLO_SNAPSHOT) {
        greet_stream(c, hello);
    } else if (hello->kind != PEER_HELLO_MESSAGES) {
        conn_close(c, "unknown kind of connection");
    } else if (c->peer == NULL) {
        greet_accepted(c, hello);
    } else {
        greet_known(c, hello);
    }
}

/* ---- frames received --------------------------------------------------------------------- */

void host_peer_on_raft(struct conn *c, const struct peer_raft *m, struct raft_entry **entries)
{
    struct host_peer *p = c->peer;
    struct host_group *g = host_find_group(c->host, m->group);
    struct raft_message msg = {
        .type = (enum raft_message_type)m->type,
        .from = m->from,
        .to = m->to,
        .term = m->term,
        .pos = {.term = m->pos_term, .index = m->pos_index},
        .commit = m->commit,
        .match = m->match,
        .last = m->last,
        .sent_us = m->sent_us,
        .read_seq = m->read_seq,
        .reject = m->reject,
        .forced = m->forced,
        .tail_suspect = m->tail_suspect,
        .entries = entries,
        .n_entries = m->n_entries,
    };
    struct raft_input in = {.type = RAFT_IN_MESSAGE, .message = &msg};
    int rc;

    if (!p->raft_ok) {
        return; /* it will know better once it has heard our greeting */
    }
    if (m->from != p->node || m->to != c->host->me.node) {
        conn_close(c, "a message in another node's name");
        return;
    }
    if (g == NULL || g->core == NULL) {
        return; /* not created here yet */
    }
    rc = host_group_step(g, &in);
    if (rc == RAFT_ERR_BAD_MESSAGE) {
        log_warning("Node %s sent a message for group %u that cannot be: type %u, term %" PRIu64,
                    p->name, m->group, m->type, m->term);
        conn_close(c, raft_strerror(rc));
    } else if (rc != RAFT_OK) {
        log_fatal("Raft, group %u: %s", m->group, raft_strerror(rc));
    }
}

#define DROP_LOG_US 10000000

static void note_dropped(struct host_peer *p, const char *which)
{
    p->messages_dropped++;
    if (p->host->now_us - p->drop_logged_us > DROP_LOG_US || p->drop_logged_us == 0) {
        p->drop_logged_us = p->host->now_us;
        log_warning("Messages %s node %s are dropped, %llu so far: too many wait", which, p->name,
                    (unsigned long long)p->messages_dropped);
    }
}

void host_peer_on_user(struct conn *c, unsigned char *p, size_t n)
{
    struct raft_event_tally *t = c->host->user_data;
    struct raft_event *e;

    if (atomic_load(&t->bytes) > RAFT_HOST_BACKLOG_BYTES) {
        note_dropped(c->peer, "from");
        free(p);
        return;
    }
    e = host_event_new(RAFT_EV_PEER_DATA, 0, 0);
    atomic_fetch_add(&t->bytes, n);
    atomic_fetch_add(&t->refs, 1);
    e->tally = t;
    e->peer.addr = c->peer->addr;
    e->peer.identity = c->peer->identity;
    e->data = p;
    e->size = n;
    host_push_event(c->host, e);
}

/* ---- sending ----------------------------------------------------------------------------- */

static void note_unreachable(struct raft_host *h, uint32_t group, uint64_t node)
{
    if (h->n_unreachables == h->cap_unreachables) {
        h->cap_unreachables = MAX_OF(h->cap_unreachables * 2, (size_t)16);
        h->unreachables =
            mem_realloc(h->unreachables, h->cap_unreachables * sizeof h->unreachables[0]);
    }
    for (size_t i = 0; i < h->n_unreachables; i++) {
        if (h->unreachables[i].group == group && h->unreachables[i].node == node) {
            return;
        }
    }
    h->unreachables[h->n_unreachables++] = (struct unreachable){group, node};
}

void host_peers_send_raft(struct host_group *g, const struct raft_message *m)
{
    struct raft_host *h = g->host;
    struct host_peer *p = host_peer_by_node(h, m->to);
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct conn *c;
    uint64_t queued;
    struct peer_raft head = {
        .group = g->number,
        .type = m->type,
        .from = m->from,
        .to = m->to,
        .term = m->term,
        .pos_term = m->pos.term,
        .pos_index = m->pos.index,
        .commit = m->commit,
        .match = m->match,
        .last = m->last,
        .sent_us = m->sent_us,
        .read_seq = m->read_seq,
        .reject = m->reject,
        .forced = m->forced,
        .tail_suspect = m->tail_suspect,
    };

    if (p == NULL || !p->raft_ok) {
        return; /* the core knows: it was told when the connection broke, or never heard of it */
    }
    c = p->conn;
    if (m->type == RAFT_MSG_APPEND && m->n_entries > 0) {
        if (!conn_send_entries(c, &head, m->entries, m->n_entries)) {
            note_unreachable(h, g->number, m->to);
        }
        return;
    }
    /* An empty APPEND names the position behind all that was sent: in front of entries that are
     * still queued it would look as if those were lost. Behind few of them it waits; many it
     * overtakes, without a position then (which always agrees). */
    queued = m->type == RAFT_MSG_APPEND && c->bulk_bytes > 0 ? conn_group_queued(c, g->number) : 0;
    if (queued > 0) {
        if (queued <= OVERTAKE_BYTES) {
            if (!conn_send_entries(c, &head, NULL, 0)) {
                note_unreachable(h, g->number, m->to);
            }
            return;
        }
        head.pos_term = 0;
        head.pos_index = 0;
    }
    conn_send_control(c, PEER_FRAME_RAFT, frame, peer_raft_encode(&head, frame + PEER_HEADER_BYTES),
                      NULL, 0);
}

static void send_to_all(struct raft_host *h, const struct host_send *s)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        struct host_peer *p = h->peers[i];

        if (p->up && !conn_send_bulk_user(p->conn, s->data, s->n)) {
            note_dropped(p, "to");
        }
    }
}

void host_peers_send_user(struct raft_host *h, const struct host_send *s)
{
    struct host_peer *p = s->to_all ? NULL : peer_by_addr(h, &s->addr);
    unsigned char frame[PEER_HEADER_BYTES + PEER_HEAD_MAX];

    if (s->to_all) {
        send_to_all(h, s);
        return;
    }
    if (p == NULL || !p->up) {
        return;
    }
    if (s->n <= PEER_CHUNK_BYTES) {
        conn_send_control(p->conn, PEER_FRAME_USER, frame,
                          peer_user_encode(s->n, frame + PEER_HEADER_BYTES), s->data, s->n);
    } else if (!conn_send_bulk_user(p->conn, s->data, s->n)) {
        log_warning("A message of %zu bytes to node %s is dropped: too much is queued", s->n,
                    p->name);
    }
}

void host_peers_flush(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        struct conn *c = h->peers[i]->conn;

        if (c == NULL || !c->flush_wanted || c->state == CONN_CONNECTING) {
            continue;
        }
        if (ev_is_active(&c->writer)) {
            c->flush_wanted = false; /* the socket is full: it will say when not */
        } else if (!conn_flush(c)) {
            conn_close(c, strerror(errno));
        }
    }
    conn_bury(h);
}

/* ---- housekeeping ------------------------------------------------------------------------ */

static int64_t silent_max_us(const struct raft_host *h)
{
    return MAX_OF(4 * h->config.election_timeout_us, (int64_t)1000000);
}

static void tick_conn(struct host_peer *p)
{
    struct raft_host *h = p->host;
    struct conn *c = p->conn;
    unsigned char frame[PEER_HEADER_BYTES];

    if (c->state != CONN_UP) {
        if (h->now_us - c->born_us > CONN_GREET_US) {
            conn_close(c, "no answer");
        }
        return;
    }
    if (h->now_us - c->rx_us > silent_max_us(h)) {
        conn_close(c, "silent for too long");
    } else if (c->control.len > CONN_CONTROL_MAX) {
        conn_close(c, "it does not read what it is sent");
    } else if (h->now_us - c->tx_us > silent_max_us(h) / 4 && c->control.len == 0) {
        conn_send_control(c, PEER_FRAME_PING, frame, 0, NULL, 0);
    }
}

void host_peers_tick(struct raft_host *h)
{
    struct conn *c, *next;
    size_t n = h->n_unreachables;

    /* After a standstill of this node (suspended, stopped) nobody else is to blame for silence. */
    if (h->now_us - h->last_tick_us > silent_max_us(h) / 2) {
        for (size_t i = 0; i < h->n_peers; i++) {
            if (h->peers[i]->conn != NULL) {
                h->peers[i]->conn->rx_us = h->peers[i]->conn->born_us = h->now_us;
            }
        }
    }
    for (size_t i = 0; i < h->n_peers; i++) {
        if (h->peers[i]->conn != NULL) {
            tick_conn(h->peers[i]);
        }
    }
    for (c = h->greeting; c != NULL; c = next) {
        next = c->next;
        if (h->now_us - c->born_us > CONN_GREET_US) {
            conn_close(c, "it does not say who it is");
        }
    }
    if (h->accept_again_us != 0 && h->now_us >= h->accept_again_us) {
        h->accept_again_us = 0;
        host_peers_start(h);
    }
    h->n_unreachables = 0;
    for (size_t i = 0; i < n; i++) {
        struct host_group *g = host_find_group(h, h->unreachables[i].group);

        if (g != NULL) {
            host_group_unreachable(g, h->unreachables[i].node);
        }
    }
}

void host_peers_status(struct raft_host *h, struct raft_host_status *out)
{
    out->n_peers = h->n_peers;
    for (size_t i = 0; i < h->n_peers; i++) {
        const struct host_peer *p = h->peers[i];
        const struct conn *c = p->conn;

        out->peers[i].peer.node = p->node;
        out->peers[i].peer.addr = p->addr;
        out->peers[i].connected = p->up;
        out->peers[i].bytes_sent = p->bytes_sent + (c != NULL ? c->bytes_out : 0);
        out->peers[i].bytes_received = p->bytes_received + (c != NULL ? c->bytes_in : 0);
        out->peers[i].queued_bytes = c != NULL ? conn_queued(c) : 0;
        out->peers[i].messages_dropped = p->messages_dropped;
        out->peers[i].since_wall_ms = p->since_wall_ms;
    }
}

/* ---- the address book -------------------------------------------------------------------- */

static void peer_free(struct host_peer *p)
{
    ev_timer_stop(p->host->loop, &p->redial);
    if (p->conn != NULL) {
        struct conn *c = p->conn;

        p->we_dial = false;
        conn_close(c, p->host->stopping ? NULL : "no longer a node of this cluster");
        c->peer = NULL;
    }
    free(p);
}

static struct host_peer *peer_new(struct raft_host *h, const struct net_addr *a)
{
    struct host_peer *p = mem_zalloc(sizeof *p);

    p->host = h;
    p->addr = *a;
    host_addr_name(a, p->name, sizeof p->name);
    p->we_dial = strcmp(h->self_name, p->name) < 0;
    p->backoff_us = BACKOFF_MIN_US;
    p->since_wall_ms = clock_wall_ms();
    ev_timer_init(&p->redial, on_redial, 0., 0.);
    return p;
}

static bool is_listed(const struct host_peer_list *list, const char *name)
{
    char other[NET_HOST_MAX + 8];

    for (size_t i = 0; i < list->n; i++) {
        host_addr_name(&list->peers[i].addr, other, sizeof other);
        if (strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The number of @p is known now, or another one. */
static void renumber(struct host_peer *p, uint64_t node)
{
    if (p->node == node) {
        return;
    }
    if (p->raft_ok) {
        tell_unreachable(p);
    }
    p->node = node;
    if (p->up && !judge(p)) {
        conn_close(p->conn, NULL);
    }
}

void host_peers_set(struct raft_host *h, const struct host_peer_list *list)
{
    for (size_t i = 0; i < h->n_peers;) {
        if (is_listed(list, h->peers[i]->name)) {
            i++;
        } else {
            struct host_peer *p = h->peers[i];

            h->peers[i] = h->peers[--h->n_peers];
            peer_free(p);
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        struct host_peer *p = peer_by_addr(h, &list->peers[i].addr);
        char name[NET_HOST_MAX + 8];

        host_addr_name(&list->peers[i].addr, name, sizeof name);
        if (strcmp(name, h->self_name) == 0) {
            continue;
        }
        if (p == NULL) {
            if (h->n_peers == HOST_PEERS_MAX) {
                log_warning("More than %u peers: %s is left out", HOST_PEERS_MAX, name);
                continue;
            }
            p = peer_new(h, &list->peers[i].addr);
            h->peers[h->n_peers++] = p;
            if (p->we_dial) {
                arm_redial(p, 0);
            }
        }
        renumber(p, list->peers[i].node);
    }
    h->alone = h->n_peers == 0;
}

/* This node was taken into a cluster: say so to everyone. */
void host_peers_identity_changed(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_peers; i++) {
        struct host_peer *p = h->peers[i];

        /* Also who has heard the old greeting and not answered it yet. */
        if (p->conn != NULL && p->conn->state != CONN_CONNECTING) {
            conn_send_hello(p->conn);
        }
        if (p->up && !judge(p)) {
            conn_close(p->conn, NULL);
        }
    }
}

/* ---- listening --------------------------------------------------------------------------- */

int host_peers_listen(struct raft_host *h)
{
    for (size_t i = 0; h->bind[i] != NULL; i++) {
        int fds[ARRAY_LEN(h->listeners)];
        size_t n;

        if (net_listen(h->bind[i], h->config.self.port, LISTEN_BACKLOG, fds,
                       ARRAY_LEN(h->listeners) - h->n_listeners, &n) != 0) {
            log_warning("Cannot listen for peers on %s port %u: %s", h->bind[i],
                        (unsigned)h->config.self.port, strerror(errno));
            host_peers_stop(h);
            return RAFT_HOST_ERR_LISTEN;
        }
        for (size_t k = 0; k < n; k++) {
            ev_io_init(&h->listeners[h->n_listeners], on_accept, fds[k], EV_READ);
            h->n_listeners++;
        }
    }
    return RAFT_HOST_OK;
}

void host_peers_start(struct raft_host *h)
{
    for (size_t i = 0; i < h->n_listeners; i++) {
        host_watch(h, &h->listeners[i]);
    }
}

void host_peers_stop(struct raft_host *h)
{
    listeners_stop(h);
    for (size_t i = 0; i < h->n_listeners; i++) {
        close(h->listeners[i].fd);
    }
    h->n_listeners = 0;
    while (h->n_peers > 0) {
        peer_free(h->peers[--h->n_peers]);
    }
    while (h->greeting != NULL) {
        conn_close(h->greeting, NULL);
    }
    conn_bury(h);
    free(h->unreachables);
    h->unreachables = NULL;
    h->n_unreachables = h->cap_unreachables = 0;
}
