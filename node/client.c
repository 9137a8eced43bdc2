/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/client.c - see node/client.h: accepting, reading, writing, closing.
 *
 * A client is freed only at the end of a turn (clients_flush()), so that nobody in the middle of
 * a turn holds a dead one. Input is read in bounded pieces per turn; output is written at the end
 * of the turn, once. */
#include "node/client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/acl.h"
#include "node/exec.h"
#include "node/gate.h"
#include "node/node.h"
#include "node/pubsub.h"
#include "node/slowlog.h"
#include "node/tracking.h"
#include "node/txn.h"
#include "node/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MIN (16u * 1024)   /* room made before a read */
#define READ_ARG_MAX (1u << 30) /* most room made for one big argument at once */
#define INPUT_KEEP (32u * 1024) /* an idle client's buffers shrink to this */
#define ACCEPTS_PER_TURN 1000
#define WRITE_PER_TURN (1u << 20)
#define UNREAD_MAX_BEFORE_AUTH 1024
#define CLIENTS_MEMORY_MIN (128u * 1024) /* with less nobody could connect to change the limit */

static void on_readable(struct ev_loop *loop, struct ev_io *w, int events);
static void on_writable(struct ev_loop *loop, struct ev_io *w, int events);
static void on_block_deadline(struct ev_loop *loop, struct ev_timer *w, int events);
static void account(struct client *c);

/* ---- birth and death ---------------------------------------------------------------------------
 */

/* Ids count up, so they spread by themselves. */
static uint64_t hash_id(uint64_t id) { return id; }

static struct client *client_new(struct node *n, int fd)
{
    struct client *c = mem_zalloc(sizeof *c);
    struct clients *all = &n->clients;

    c->node = n;
    c->id = ++all->next_id;
    c->fd = fd;
    c->reply = (struct resp_out){&c->out, 2};
    c->multi_slot = -1;
    c->created_wall_ms = n->now_wall_ms;
    c->last_active_us = n->now_us;
    acl_greet(c);
    buf_init(&c->in);
    buf_init(&c->out);
    buf_init(&c->pushes);
    link_init(&c->gate_link);
    link_init(&c->dirty_link);
    link_init(&c->watched);
    for (size_t i = 0; i < SUB_KINDS; i++) {
        link_init(&c->subs[i]);
    }
    link_init(&c->monitor_link);
    link_init(&c->park_link);
    link_init(&c->block_link);
    link_init(&c->all_link);
    link_init(&c->close_link);
    link_init(&c->resume_link);
    link_append(&all->all, &c->all_link);
    hmap_add(&all->by_id, &c->id_node, hash_id(c->id));
    all->n++;
    ev_io_init(&c->reader, on_readable, fd, EV_READ);
    ev_io_init(&c->writer, on_writable, fd, EV_WRITE);
    ev_timer_init(&c->block_timer, on_block_deadline, 0, 0);
    c->reader.data = c;
    c->writer.data = c;
    c->block_timer.data = c;
    ev_io_start(n->loop, &c->reader);
    return c;
}

static void client_free(struct client *c)
{
    struct node *n = c->node;

    n->clients.memory -= c->memory;
    if (c->flags & CLIENT_BLOCKED) {
        (void)c->block_fn(c, false, true);
        n->clients.n_blocked--;
    }
    gate_forget(c);
    txn_release(c);
    pubsub_clear(c);
    tracking_disable(c);
    hmap_remove(&n->clients.by_id, &c->id_node);
    link_remove(&c->monitor_link);
    link_remove(&c->dirty_link);
    link_remove(&c->park_link);
    link_remove(&c->block_link);
    link_remove(&c->all_link);
    link_remove(&c->close_link);
    link_remove(&c->resume_link);
    ev_io_stop(n->loop, &c->reader);
    ev_io_stop(n->loop, &c->writer);
    ev_timer_stop(n->loop, &c->block_timer);
    close(c->fd);
    resp_parser_release(&c->parser);
    buf_release(&c->in);
    buf_release(&c->out);
    buf_release(&c->pushes);
    free(c->writes);
    free(c->name);
    free(c->lib_name);
    free(c->lib_ver);
    n->clients.n--;
    free(c);
}

void client_close(struct client *c)
{
    c->flags |= CLIENT_CLOSE_ASAP;
    if (!link_is_in(&c->close_link)) {
        link_append(&c->node->clients.closing, &c->close_link);
    }
    ev_io_stop(c->node->loop, &c->reader);
}

void client_close_after_reply(struct client *c)
{
    c->flags |= CLIENT_CLOSE_AFTER;
    ev_io_stop(c->node->loop, &c->reader);
    if (!link_is_in(&c->dirty_link)) {
        link_append(&c->node->clients.dirty, &c->dirty_link);
    }
}

void client_note_write(struct client *c, uint32_t group, uint64_t batch)
{
    uint32_t i = 0;

    while (i < c->n_writes && c->writes[i].group != group) {
        i++;
    }
    if (i == c->n_writes) {
        c->writes = mem_realloc(c->writes, (++c->n_writes) * sizeof *c->writes);
    }
    c->writes[i] = (struct write_mark){.group = group, .batch = batch};
}

struct client *client_by_id(struct node *n, uint64_t id)
{
    struct hmap_node *x = hmap_find(&n->clients.by_id, hash_id(id));
    struct client *c = x == NULL ? NULL : CONTAINER_OF(x, struct client, id_node);

    return c == NULL || (c->flags & CLIENT_CLOSE_ASAP) != 0 ? NULL : c;
}

enum client_class client_class_of(const struct client *c)
{
    return (c->flags & CLIENT_PUBSUB) != 0 ? CLASS_PUBSUB : CLASS_NORMAL;
}

/* ---- accepting ----------------------------------------------------------------------------- */

/* One attempt to say why, then the connection is gone. */
static void refuse_connection(struct node *n, int fd, const char *error)
{
    ssize_t r = write(fd, error, strlen(error));

    (void)r; /* the peer learns it from the closed connection as well */
    close(fd);
    n->stats.rejected_connections++;
}

static bool is_loopback(const char *ip)
{
    return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

static void accept_one(struct node *n, int fd, const char *ip, uint16_t port)
{
    struct client *c;

    n->stats.connections++;
    if (n->clients.n >= (uint64_t)n->config.maxclients) {
        refuse_connection(n, fd, "-ERR max number of clients reached\r\n");
        return;
    }
    if (n->config.protected_mode && acl_default(n)->nopass && !is_loopback(ip)) {
        refuse_connection(n, fd,
                          "-DENIED Holdfast is running in protected mode: no password is set, and "
                          "connections are accepted from the loopback interface only. Set "
                          "requirepass, or protected-mode no.\r\n");
        return;
    }
    if (net_set_nodelay(fd) != 0 || net_set_keepalive(fd, (int)n->config.tcp_keepalive) != 0) {
        log_verbose("client %s:%u: %s", ip, port, strerror(errno));
    }
    c = client_new(n, fd);
    snprintf(c->ip, sizeof c->ip, "%s", ip);
    c->port = port;
    if (net_local_name(fd, c->local_ip, &c->local_port) != 0) {
        c->local_ip[0] = '\0';
    }
}

static void on_connection(struct ev_loop *loop, struct ev_io *w, int events)
{
    struct node *n = w->data;
    char ip[NET_HOST_MAX];
    uint16_t port;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = net_accept(w->fd, ip, &port);

        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED) {
                log_warning("accepting a client failed: %s", strerror(errno));
            }
            return;
        }
        accept_one(n, fd, ip, port);
    }
}

int clients_listen(struct node *n)
{
    struct clients *all = &n->clients;
    int fds[ARRAY_LEN(all->listeners)];
    size_t n_fds = 0;

    for (char **host = n->config.bind; *host != NULL; host++) {
        size_t opened = 0;

        if (net_listen(*host, (uint16_t)n->config.port, (int)n->config.tcp_backlog, fds + n_fds,
                       ARRAY_LEN(fds) - n_fds, &opened) != 0) {
            log_warning("cannot listen on %s:%lld: %s", *host, (long long)n->config.port,
                        strerror(errno));
            while (n_fds > 0) {
                close(fds[--n_fds]);
            }
            return -1;
        }
        n_fds += opened;
    }
    for (size_t i = 0; i < n_fds; i++) {
        struct ev_io *w = &all->listeners[i];

        ev_io_init(w, on_connection, fds[i], EV_READ);
        w->data = n;
        ev_io_start(n->loop, w);
    }
    all->n_listeners = n_fds;
    return 0;
}

void clients_close_all(struct node *n)
{
    struct clients *all = &n->clients;

    for (size_t i = 0; i < all->n_listeners; i++) {
        ev_io_stop(n->loop, &all->listeners[i]);
        close(all->listeners[i].fd);
    }
    all->n_listeners = 0;
    for (struct link *l = all->all.next, *next; l != &all->all; l = next) {
        next = l->next;
        client_free(CONTAINER_OF(l, struct client, all_link));
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool may_process(const struct client *c)
{
    return (c->flags & (CLIENT_PARKED | CLIENT_BLOCKED | CLIENT_PAUSED | CLIENT_CLOSE_ASAP |
                        CLIENT_CLOSE_AFTER)) == 0;
}

/* The replies that nobody reads must not pile up: such a client is not read either. */
static bool output_is_full(const struct client *c)
{
    return c->out.len > (64u << 20) && c->seg_n == 0;
}

static void protocol_error(struct client *c)
{
    size_t from = c->out.len;

    log_verbose("client %llu %s:%u: %s", (unsigned long long)c->id, c->ip, c->port,
                resp_error_text(&c->parser));
    resp_errorf(&c->reply, "ERR %s", resp_error_text(&c->parser));
    if (!client_drop_reply(c, from, false)) {
        gate_plain(c);
    }
    client_close_after_reply(c);
}

void client_process_input(struct client *c)
{
    const struct config *config = &c->node->config;

    if (c->processing) {
        return;
    }
    c->processing = true;
    while (c->in.len > 0 && may_process(c)) {
        struct resp_limits limits = {
            .inline_max = 64u * 1024,
            .args_max = INT32_MAX,
            .bulk_max = config->proto_max_bulk_len,
            .unauthenticated = exec_needs_auth(c),
        };
        enum resp_result r = resp_parse(&c->parser, &c->in, &limits);

        if (r == RESP_MORE) {
            break;
        }
        if (r == RESP_ERROR) {
            protocol_error(c);
            break;
        }
        if (r == RESP_READY &&
            exec_request(c, c->parser.argv, (int)c->parser.n_spans) == EXEC_PARKED) {
            /* It stays in the input, and is parsed again when the client goes on. */
            (void)resp_consumed(&c->parser);
            break;
        }
        buf_consume(&c->in, resp_consumed(&c->parser));
    }
    c->processing = false;
    if (!may_process(c) && c->in.len > (size_t)config->client_query_buffer_limit) {
        ev_io_stop(c->node->loop, &c->reader);
        c->flags |= CLIENT_READING_STOPPED;
    }
}

void client_resume(struct client *c)
{
    if ((c->flags & CLIENT_CLOSE_ASAP) == 0 && !link_is_in(&c->resume_link)) {
        link_append(&c->node->clients.resumed, &c->resume_link);
        node_has_work(c->node);
    }
}

static bool make_room(struct client *c)
{
    size_t wanted = resp_wanted(&c->parser, &c->in);

    wanted = MIN_OF(MAX_OF(wanted, READ_MIN), READ_ARG_MAX);
    if (buf_room(&c->in) >= MIN_OF(wanted, READ_MIN) && buf_room(&c->in) * 2 >= wanted) {
        return true;
    }
    return buf_try_reserve(&c->in, wanted);
}

static void on_readable(struct ev_loop *loop, struct ev_io *w, int events)
{
    struct client *c = w->data;
    struct node *n = c->node;
    ssize_t got;

    (void)loop;
    (void)events;
    if (c->flags & CLIENT_CLOSE_ASAP) {
        return;
    }
    if (!make_room(c)) {
        log_warning("client %llu %s:%u: no memory for its input; closed", (unsigned long long)c->id,
                    c->ip, c->port);
        client_close(c);
        return;
    }
    got = read(c->fd, buf_tail(&c->in), buf_room(&c->in));
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            client_close(c);
        }
        return;
    }
    if (got == 0) {
        client_close(c);
        return;
    }
    buf_fill(&c->in, (size_t)got);
    c->last_active_us = n->now_us;
    c->net_in += (uint64_t)got;
    n->stats.net_in += (uint64_t)got;
    n->stats.reads_processed++;
    n->stats.clients_input_max = MAX_OF(n->stats.clients_input_max, c->in.len);
    if (c->in.len > (size_t)n->config.client_query_buffer_limit) {
        n->stats.query_limit_disconnections++;
        log_warning("client %llu %s:%u: its input passed client-query-buffer-limit; closed",
                    (unsigned long long)c->id, c->ip, c->port);
        client_close(c);
        return;
    }
    client_process_input(c);
    account(c);
}

/* ---- memory -------------------------------------------------------------------------------- */

size_t client_memory(const struct client *c)
{
    return sizeof *c + c->in.cap + c->out.cap + c->parser.cap_argv * sizeof(struct arg) +
           c->seg_cap * sizeof(struct segment) + c->queued_bytes + c->subs_bytes;
}

static void account(struct client *c)
{
    size_t now = client_memory(c);

    c->node->clients.memory += now - c->memory; /* modulo 2^64, so it may sink */
    c->memory = now;
}

/* 0: none. */
static uint64_t memory_limit(const struct config *config)
{
    int64_t limit = config->maxmemory_clients;

    if (limit == 0 || (limit < 0 && config->maxmemory == 0)) {
        return 0;
    }
    if (limit < 0) {
        limit = config->maxmemory / 100 * -limit;
    }
    return MAX_OF((uint64_t)limit, (uint64_t)CLIENTS_MEMORY_MIN);
}

static struct client *largest_client(struct node *n)
{
    struct client *best = NULL;

    for (struct link *l = n->clients.all.next; l != &n->clients.all; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        if ((c->flags & (CLIENT_NO_EVICT | CLIENT_CLOSE_ASAP)) == 0 &&
            (best == NULL || c->memory > best->memory)) {
            best = c;
        }
    }
    return best;
}

/* maxmemory-clients: the largest go. */
static void evict_clients(struct node *n)
{
    uint64_t limit = memory_limit(&n->config);
    struct client *c;

    while (limit > 0 && n->clients.memory > limit && (c = largest_client(n)) != NULL) {
        log_notice("client %llu %s:%u: evicted, it takes %zu bytes of all clients' %llu",
                   (unsigned long long)c->id, c->ip, c->port, c->memory,
                   (unsigned long long)n->clients.memory);
        n->clients.memory -= c->memory;
        c->memory = 0;
        n->stats.evicted_clients++;
        client_close(c);
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

void client_output_changed(struct client *c) { gate_plain(c); }

static const struct output_limit *limit_of(const struct client *c)
{
    return &c->node->config.output_limits[client_class_of(c)];
}

static void close_slow(struct client *c)
{
    c->node->stats.output_limit_disconnections++;
    log_warning("client %llu %s:%u: its output passed client-output-buffer-limit; closed",
                (unsigned long long)c->id, c->ip, c->port);
    client_close(c);
}

void client_push(struct client *c, const void *p, size_t n)
{
    bool deferred = (c->flags & CLIENT_EXECUTING) != 0;
    struct buf *out = deferred ? &c->pushes : &c->out;
    size_t hard = limit_of(c)->hard;

    if (c->flags & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER)) {
        return;
    }
    if ((hard > 0 && out->len + n > hard) || (buf_room(out) < n && !buf_try_reserve(out, n))) {
        close_slow(c);
        return;
    }
    buf_append(out, p, n);
    if (!deferred) {
        client_output_changed(c);
    }
}

void client_begin_command(struct client *c)
{
    assert((c->flags & CLIENT_EXECUTING) == 0);
    c->flags |= CLIENT_EXECUTING;
}

void client_end_command(struct client *c)
{
    assert((c->flags & CLIENT_EXECUTING) != 0);
    c->flags &= ~(uint32_t)CLIENT_EXECUTING;
    if (UNLIKELY(c->pushes.len > 0)) {
        client_push(c, buf_head(&c->pushes), c->pushes.len);
        buf_release(&c->pushes);
    }
}

/* False: the client is to be closed. */
static bool write_some(struct client *c)
{
    struct node *n = c->node;
    size_t ready = (size_t)(c->released - c->out_base);
    size_t written = 0;

    while (ready > 0 && written < WRITE_PER_TURN) {
        ssize_t w = write(c->fd, buf_head(&c->out), MIN_OF(ready, WRITE_PER_TURN));

        if (w < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                break;
            }
            return false;
        }
        buf_consume(&c->out, (size_t)w);
        c->out_base += (uint64_t)w;
        ready -= (size_t)w;
        written += (size_t)w;
        n->stats.writes_processed++;
    }
    c->net_out += written;
    n->stats.net_out += written;
    if (ready > 0) {
        if (!ev_is_active(&c->writer)) {
            ev_io_start(n->loop, &c->writer);
        }
        return true;
    }
    ev_io_stop(n->loop, &c->writer);
    if (c->out.len == 0) {
        buf_shrink(&c->out, INPUT_KEEP);
        if (c->flags & CLIENT_CLOSE_AFTER) {
            return false;
        }
    }
    return true;
}

static void on_writable(struct ev_loop *loop, struct ev_io *w, int events)
{
    struct client *c = w->data;

    (void)loop;
    (void)events;
    if (!write_some(c)) {
        client_close(c);
    } else if ((c->flags & CLIENT_READING_STOPPED) && !output_is_full(c)) {
        client_resume(c);
    }
}

/* client-output-buffer-limit of its class. */
static bool output_exceeds_limit(struct client *c)
{
    const struct output_limit *l = limit_of(c);
    int64_t now = c->node->now_us;

    if (l->hard > 0 && c->out.len > l->hard) {
        return true;
    }
    if (l->soft == 0 || c->out.len <= l->soft) {
        c->soft_limit_since_us = 0;
        return false;
    }
    if (c->soft_limit_since_us == 0) {
        c->soft_limit_since_us = now;
    }
    return now - c->soft_limit_since_us > l->soft_seconds * 1000000;
}

/* A stranger who does not take his replies. Those that the socket has taken do not count, so this
 * is for when a write was tried. */
static bool hoards_before_auth(const struct client *c)
{
    return c->released - c->out_base > UNREAD_MAX_BEFORE_AUTH && exec_needs_auth(c);
}

static void flush_one(struct client *c)
{
    account(c);
    if (c->seg_n > 0 && !link_is_in(&c->gate_link)) {
        gate_advance(c);
    }
    c->node->stats.clients_output_max = MAX_OF(c->node->stats.clients_output_max, c->out.len);
    if (output_exceeds_limit(c)) {
        close_slow(c);
        return;
    }
    /* With an active writer the socket is full: the event will come. */
    if (!ev_is_active(&c->writer) && !write_some(c)) {
        client_close(c);
    } else if (hoards_before_auth(c)) {
        close_slow(c);
    }
}

static void process_resumed(struct node *n)
{
    struct link now = n->clients.resumed;

    if (!link_is_in(&n->clients.resumed)) {
        return;
    }
    now.next->prev = &now;
    now.prev->next = &now;
    link_init(&n->clients.resumed);
    while (link_is_in(&now)) {
        struct client *c = CONTAINER_OF(now.next, struct client, resume_link);

        link_remove(&c->resume_link);
        if (c->flags & CLIENT_CLOSE_ASAP) {
            continue;
        }
        if (c->flags & CLIENT_READING_STOPPED) {
            c->flags &= ~(uint32_t)CLIENT_READING_STOPPED;
            ev_io_start(n->loop, &c->reader);
        }
        client_process_input(c);
    }
}

void clients_run_resumed(struct node *n) { process_resumed(n); }

static void flush_dirty(struct clients *all)
{
    while (link_is_in(&all->dirty)) {
        struct client *c = CONTAINER_OF(all->dirty.next, struct client, dirty_link);

        link_remove(&c->dirty_link);
        if ((c->flags & CLIENT_CLOSE_ASAP) == 0) {
            flush_one(c);
        }
    }
}

void clients_flush(struct node *n)
{
    struct clients *all = &n->clients;

    flush_dirty(all);
    evict_clients(n);
    for (struct link *l = all->closing.next, *next; l != &all->closing; l = next) {
        next = l->next;
        client_free(CONTAINER_OF(l, struct client, close_link));
    }
}

/* ---- while a script runs ------------------------------------------------------------------- */

static size_t watch_busy(struct node *n, struct pollfd *fds, struct client **who, size_t cap)
{
    size_t count = 0;

    for (struct link *l = n->clients.all.next; l != &n->clients.all && count < cap; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        if (!c->processing && ev_is_active(&c->reader)) {
            who[count] = c;
            fds[count++] = (struct pollfd){.fd = c->fd, .events = POLLIN};
        }
    }
    return count;
}

void clients_serve_busy(struct node *n)
{
    size_t cap = n->clients.n;
    struct pollfd *fds = mem_alloc(cap * sizeof *fds);
    struct client **who = mem_alloc(cap * sizeof(struct client *));
    size_t count = watch_busy(n, fds, who, cap);

    node_refresh_clocks(n);
    if (poll(fds, (nfds_t)count, 0) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (fds[i].revents != 0) {
                on_readable(n->loop, &who[i]->reader, EV_READ);
            }
        }
    }
    flush_dirty(&n->clients); /* with replies of before the script, in this turn */
    for (size_t i = 0; i < n->clients.n_listeners; i++) {
        on_connection(n->loop, &n->clients.listeners[i], EV_READ);
    }
    free(fds);
    free(who);
}

/* ---- blocking ------------------------------------------------------------------------------ */

static void block(struct client *c, bool (*fn)(struct client *, bool, bool), struct link *list)
{
    c->flags |= CLIENT_BLOCKED;
    c->block_fn = fn;
    link_append(list, &c->block_link);
    c->node->clients.n_blocked++;
}

void client_block(struct client *c, bool (*fn)(struct client *, bool, bool), int64_t deadline_us)
{
    c->block_deadline_us = deadline_us;
    block(c, fn, &c->node->clients.blocked);
}

void client_wait(struct client *c, bool (*fn)(struct client *, bool, bool), int64_t deadline_us)
{
    block(c, fn, &c->node->clients.held);
    if (deadline_us != 0) {
        int64_t left_us = MAX_OF(deadline_us - clock_boot_us(), (int64_t)0);

        /* The loop's own time may be behind by what this turn has taken. */
        ev_now_update(c->node->loop);
        ev_timer_set(&c->block_timer, (double)left_us / 1e6, 0);
        ev_timer_start(c->node->loop, &c->block_timer);
    }
}

void client_served(struct client *c)
{
    c->flags &= ~(uint32_t)CLIENT_BLOCKED;
    link_remove(&c->block_link);
    ev_timer_stop(c->node->loop, &c->block_timer);
    c->node->clients.n_blocked--;
    client_resume(c);
}

bool client_drop_reply(struct client *c, size_t from, bool stays)
{
    bool drop = !stays && (c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;

    if (drop) {
        c->out.len = from;
    }
    c->flags &= ~(uint32_t)CLIENT_REPLY_SKIP;
    if (c->flags & CLIENT_REPLY_SKIP_NEXT) {
        c->flags = (c->flags & ~(uint32_t)CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP;
    }
    return drop;
}

void client_end_wait(struct client *c, size_t from)
{
    if (!client_drop_reply(c, from, false)) {
        client_output_changed(c);
    }
    client_served(c);
}

static void on_block_deadline(struct ev_loop *loop, struct ev_timer *w, int events)
{
    struct client *c = w->data;
    size_t from = c->out.len;

    (void)loop;
    (void)events;
    node_refresh_clocks(c->node);
    if ((c->flags & CLIENT_CLOSE_ASAP) == 0 && c->block_fn(c, true, false)) {
        client_end_wait(c, from);
    }
}

bool client_unblock(struct client *c, bool with_error)
{
    size_t from = c->out.len;

    if ((c->flags & CLIENT_BLOCKED) == 0 || (c->flags & CLIENT_AWAITS_CHANGE)) {
        return false;
    }
    if (with_error) {
        bool held = c->blocked != NULL; /* others were counted when they began to wait */

        (void)c->block_fn(c, false, true);
        resp_error(&c->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        if (held) {
            exec_count_held(c, c->last_command, from);
        }
    } else if (!c->block_fn(c, true, false)) {
        return false;
    }
    client_end_wait(c, from);
    return true;
}

void clients_check_blocked(struct node *n)
{
    struct link *l = n->clients.blocked.next;

    while (l != &n->clients.blocked) {
        struct client *c = CONTAINER_OF(l, struct client, block_link);
        bool timed_out = c->block_deadline_us != 0 && n->now_us >= c->block_deadline_us;
        size_t from = c->out.len;

        l = l->next;
        if ((c->flags & CLIENT_CLOSE_ASAP) == 0 && c->block_fn(c, timed_out, false)) {
            client_end_wait(c, from);
        }
    }
}

/* ---- upkeep -------------------------------------------------------------------------------- */

static void expire_parked(struct link *head, int64_t now_us)
{
    struct link *l = head->next;

    while (l != head) {
        struct client *c = CONTAINER_OF(l, struct client, park_link);

        l = l->next;
        if (now_us >= c->park_deadline_us) {
            link_remove(&c->park_link);
            c->flags &= ~(uint32_t)CLIENT_PARKED;
            c->park_expired = true;
            client_resume(c);
        }
    }
}

bool clients_are_paused(const struct node *n) { return n->clients.pause_until_ms > n->now_wall_ms; }

static void end_pause(struct node *n)
{
    struct clients *all = &n->clients;

    if (!link_is_in(&all->paused) || clients_are_paused(n)) {
        return;
    }
    all->pause_until_ms = 0;
    while (link_is_in(&all->paused)) {
        struct client *c = CONTAINER_OF(all->paused.next, struct client, park_link);

        link_remove(&c->park_link);
        c->flags &= ~(uint32_t)CLIENT_PAUSED;
        client_resume(c);
    }
}

static bool has_waited_for_leader(const struct group *g)
{
    return g->leaderless_since_us != 0 &&
           g->node->now_us - g->leaderless_since_us > g->node->config.election_wait_timeout * 1000;
}

void clients_check_deadlines(struct node *n)
{
    expire_parked(&n->clients.unrouted, n->now_us);
    for (size_t i = 0; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            expire_parked(&n->groups[i]->parked, n->now_us);
            gate_recheck(n->groups[i]);
            gate_redirect_reads(n->groups[i], has_waited_for_leader(n->groups[i]));
            if (n->groups[i]->parking > 0) {
                node_has_work(n); /* a transfer waits for reads to leave, or for its deadline */
            }
        }
    }
    end_pause(n);
    clients_check_blocked(n);
}

static void cron_one(struct client *c)
{
    struct node *n = c->node;

    /* Who waits for data, messages or commands of others is not idle. */
    if (n->config.timeout > 0 &&
        (c->flags & (CLIENT_BLOCKED | CLIENT_PUBSUB | CLIENT_MONITOR)) == 0 &&
        n->now_us - c->last_active_us > n->config.timeout * 1000000) {
        log_verbose("client %llu: idle, closed", (unsigned long long)c->id);
        client_close(c);
        return;
    }
    if (c->in.len == 0 && n->now_us - c->last_active_us > 2000000) {
        buf_shrink(&c->in, 0);
    }
    if (output_exceeds_limit(c)) {
        close_slow(c);
    }
}

/* Each client about once a second: the list rotates. */
void clients_cron(struct node *n)
{
    struct clients *all = &n->clients;
    uint64_t todo = MIN_OF(all->n, MAX_OF(all->n / (uint64_t)n->config.hz, 5));

    while (todo-- > 0) {
        struct client *c = CONTAINER_OF(all->all.next, struct client, all_link);

        link_remove(&c->all_link);
        link_append(&all->all, &c->all_link);
        if ((c->flags & CLIENT_CLOSE_ASAP) == 0) {
            cron_one(c);
        }
    }
}
