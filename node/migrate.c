/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/migrate.c - see node/migrate.h. */
#include "node/migrate.h"

#include "base/mem.h"
#include "node/block_table.h"
#include "node/exec.h"
#include "node/gate.h"
#include "node/node.h"
#include "node/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_S 0.001           /* what nobody tells of is looked at so often */
#define WRITE_BYTES (1u << 20) /* in one turn of the loop */
#define LINE_BYTES_MAX 4096    /* of a reply: a status or an error */

static void advance(struct migration *m);

/* ---- names ------------------------------------------------------------------------------------
 */

/* Shared with a job of the bg thread; the last of the two frees it. */
struct migrate_lookup {
    struct net_addr addr;
    int fd; /* -1: failed */
    atomic_bool done, forgotten;
    atomic_int owners;
};

static void lookup_drop(struct migrate_lookup *l)
{
    if (atomic_fetch_sub(&l->owners, 1) == 1) {
        if (l->fd >= 0) {
            close(l->fd);
        }
        free(l);
    }
}

static void look_up(void *arg, const atomic_bool *cancel)
{
    struct migrate_lookup *l = arg;

    if (!*cancel && !atomic_load(&l->forgotten) && net_connect_start(&l->addr, &l->fd) != 0) {
        l->fd = -1;
    }
    atomic_store(&l->done, true);
    lookup_drop(l);
}

static bool is_numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static struct ev_loop *loop_of(const struct migration *m) { return m->client->node->loop; }

static void wake_after(struct migration *m, double seconds)
{
    ev_timer_stop(loop_of(m), &m->timer);
    ev_now_update(loop_of(m));
    ev_timer_set(&m->timer, seconds, 0);
    ev_timer_start(loop_of(m), &m->timer);
}

static void note_progress(struct migration *m)
{
    m->since_us = m->client->node->now_us;
    wake_after(m, (double)m->timeout_us / 1e6);
}

static bool is_late(const struct migration *m)
{
    return m->client->node->now_us - m->since_us >= m->timeout_us;
}

/* Look at the socket for @events. */
static void watch_io(struct migration *m, int events)
{
    ev_io_stop(loop_of(m), &m->io);
    ev_io_set(&m->io, m->fd, events);
    ev_io_start(loop_of(m), &m->io);
}

static void disconnect(struct migration *m)
{
    if (m->lookup != NULL) {
        atomic_store(&m->lookup->forgotten, true);
        lookup_drop(m->lookup);
        m->lookup = NULL;
    }
    ev_timer_stop(loop_of(m), &m->timer);
    if (m->fd >= 0) {
        ev_io_stop(loop_of(m), &m->io);
        close(m->fd);
        m->fd = -1;
    }
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void end_with_error(struct migration *m, bool redirect)
{
    struct client *c = m->client;
    size_t from = c->out.len;

    if (redirect && c->node->config.cluster_enabled) {
        route_reply_redirect(c, m->group, m->slot < 0 ? 0 : (uint16_t)m->slot, &c->reply);
    } else {
        resp_error(&c->reply,
                   redirect ? "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)"
                            : MIGRATE_LOST_ERROR);
    }
    exec_count_held(c, m->command, from);
    migrate_free(m);
    client_end_wait(c, from);
}

/* The handler deletes and replies. */
static void finish(struct migration *m)
{
    struct client *c = m->client;

    if (m->group->state != GROUP_SERVING) {
        end_with_error(m, false);
        return;
    }
    if (!group_serves(m->group)) {
        wake_after(m, POLL_S);
        return;
    }
    if (!exec_again(c, m->command, m->argv, m->argc, m->db, m->group, m->slot)) {
        assert(!"MIGRATE waits once");
    }
    migrate_free(m);
    client_served(c);
    block_serve(c->node);
}

static void end(struct migration *m, enum migrate_outcome outcome)
{
    m->phase = MIGRATE_END;
    m->outcome = outcome;
    disconnect(m);
    finish(m);
}

/* ---- before the connection --------------------------------------------------------------------
 */

static void start_connecting(struct migration *m, int fd)
{
    m->fd = fd;
    m->phase = MIGRATE_CONNECT;
    note_progress(m);
    watch_io(m, EV_WRITE);
}

static void begin_look_up(struct migration *m)
{
    struct migrate_lookup *l;
    int fd;

    if (is_numeric(m->target.host)) {
        if (net_connect_start(&m->target, &fd) != 0) {
            end(m, MIGRATE_CANNOT_CONNECT);
        } else {
            start_connecting(m, fd);
        }
        return;
    }
    l = mem_zalloc(sizeof *l);
    l->addr = m->target;
    l->fd = -1;
    atomic_init(&l->owners, 2);
    m->lookup = l;
    m->phase = MIGRATE_LOOK_UP;
    m->since_us = m->client->node->now_us;
    worker_submit(m->client->node->bg, look_up, l);
    wake_after(m, POLL_S);
}

static void wait_for_look_up(struct migration *m)
{
    struct migrate_lookup *l = m->lookup;
    int fd;

    if (!atomic_load(&l->done)) {
        if (is_late(m)) {
            end(m, MIGRATE_CANNOT_CONNECT);
        } else {
            wake_after(m, POLL_S);
        }
        return;
    }
    fd = l->fd;
    l->fd = -1;
    m->lookup = NULL;
    lookup_drop(l);
    if (fd < 0) {
        end(m, MIGRATE_CANNOT_CONNECT);
    } else {
        start_connecting(m, fd);
    }
}

static void wait_for_commit(struct migration *m)
{
    struct group *g = m->group;

    if (g->state != GROUP_SERVING || g->term != m->term) {
        end_with_error(m, true);
    } else if (g->committed >= m->gate && gate_read_is_confirmed(g, m->executed)) {
        begin_look_up(m);
    } else if (is_late(m)) {
        end(m, MIGRATE_NOT_COMMITTED);
    } else {
        wake_after(m, POLL_S);
    }
}

/* ---- the connection ---------------------------------------------------------------------------
 */

static void take_error(struct migration *m, const char *text, size_t n)
{
    if (m->error[0] == '\0') {
        n = MIN_OF(n, sizeof m->error - 1);
        memcpy(m->error, text, n);
        m->error[n] = '\0';
    }
}

static void take_reply(struct migration *m, const char *line, size_t n)
{
    bool is_error = line[0] == '-';

    if (is_error) {
        take_error(m, line + 1, n - 1);
    }
    if (m->phase == MIGRATE_KEYS) {
        m->keys[m->replies].restored = !is_error;
    }
    m->replies++;
}

static size_t replies_wanted(const struct migration *m)
{
    return m->phase == MIGRATE_HELLO ? m->n_hello : m->n_keys;
}

/* The lines that are whole. False: this is no reply to what was sent. */
static bool take_replies(struct migration *m)
{
    while (m->in.len > 0 && m->replies < replies_wanted(m)) {
        const char *line = buf_head(&m->in);
        const char *stop = memchr(line, '\n', MIN_OF(m->in.len, (size_t)LINE_BYTES_MAX));
        size_t n;

        if (stop == NULL) {
            return m->in.len < LINE_BYTES_MAX;
        }
        n = (size_t)(stop - line);
        if (n < 2 || line[n - 1] != '\r' || (line[0] != '+' && line[0] != '-')) {
            return false;
        }
        take_reply(m, line, n - 1);
        buf_consume(&m->in, n + 1);
    }
    return true;
}

/* False: ended. */
static bool read_some(struct migration *m)
{
    ssize_t n;

    buf_reserve(&m->in, LINE_BYTES_MAX);
    n = recv(m->fd, buf_tail(&m->in), LINE_BYTES_MAX, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        end(m, MIGRATE_CANNOT_READ);
        return false;
    }
    buf_fill(&m->in, (size_t)n);
    note_progress(m);
    if (!take_replies(m)) {
        end(m, MIGRATE_CANNOT_READ);
        return false;
    }
    return true;
}

static struct buf *buffer_of(struct migration *m)
{
    return m->phase == MIGRATE_HELLO ? &m->hello : &m->out;
}

/* False: ended. */
static bool write_some(struct migration *m)
{
    struct buf *b = buffer_of(m);
    size_t left = MIN_OF(b->len - m->sent, (size_t)WRITE_BYTES);
    ssize_t n;

    if (left == 0) {
        return true;
    }
    n = send(m->fd, buf_head(b) + m->sent, left, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n < 0) {
        end(m, MIGRATE_CANNOT_WRITE);
        return false;
    }
    m->sent += (size_t)n;
    note_progress(m);
    return true;
}

static void begin_phase(struct migration *m, enum migrate_phase phase)
{
    m->phase = phase;
    m->phase_reached = phase;
    m->sent = 0;
    m->replies = 0;
    note_progress(m);
}

/* All replies of a phase are here: false when that was the last. Keys are not sent where AUTH or
 * SELECT failed: they would get into another database. */
static bool next_phase(struct migration *m)
{
    if (m->replies < replies_wanted(m)) {
        return true;
    }
    if (m->phase == MIGRATE_HELLO && m->error[0] == '\0') {
        begin_phase(m, MIGRATE_KEYS);
        return true;
    }
    end(m, MIGRATE_DONE);
    return false;
}

static void on_connected(struct migration *m)
{
    if (net_connect_result(m->fd) != 0 || net_set_nodelay(m->fd) != 0) {
        end(m, MIGRATE_CANNOT_WRITE); /* so Redis says it */
        return;
    }
    begin_phase(m, m->n_hello > 0 ? MIGRATE_HELLO : MIGRATE_KEYS);
    watch_io(m, EV_READ | EV_WRITE);
}

static void talk(struct migration *m)
{
    if (!read_some(m) || !next_phase(m) || !write_some(m)) {
        return;
    }
    watch_io(m, m->sent < buffer_of(m)->len ? EV_READ | EV_WRITE : EV_READ);
}

/* ---- driving ----------------------------------------------------------------------------------
 */

/* Nothing has moved for the whole timeout, or it is time to look again. */
static void on_time(struct migration *m)
{
    switch (m->phase) {
    case MIGRATE_CONNECT:
        end(m, MIGRATE_CANNOT_CONNECT);
        break;
    case MIGRATE_HELLO:
    case MIGRATE_KEYS:
        end(m, m->sent < buffer_of(m)->len ? MIGRATE_CANNOT_WRITE : MIGRATE_CANNOT_READ);
        break;
    default:
        advance(m);
        break;
    }
}

static void advance(struct migration *m)
{
    switch (m->phase) {
    case MIGRATE_COMMIT:
        wait_for_commit(m);
        break;
    case MIGRATE_LOOK_UP:
        wait_for_look_up(m);
        break;
    case MIGRATE_CONNECT:
        on_connected(m);
        break;
    case MIGRATE_HELLO:
    case MIGRATE_KEYS:
        talk(m);
        break;
    case MIGRATE_END:
        finish(m);
        break;
    }
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int events)
{
    struct migration *m = w->data;

    (void)loop;
    (void)events;
    node_refresh_clocks(m->client->node);
    if ((m->client->flags & CLIENT_CLOSE_ASAP) == 0) {
        on_time(m);
    }
}

static void on_io(struct ev_loop *loop, struct ev_io *w, int events)
{
    struct migration *m = w->data;

    (void)loop;
    (void)events;
    node_refresh_clocks(m->client->node);
    if ((m->client->flags & CLIENT_CLOSE_ASAP) == 0) {
        advance(m);
    }
}

/* It ends by its outcome, or with its client. */
static bool goes_on(struct client *c, bool timed_out, bool gone)
{
    (void)timed_out;
    if (gone) {
        migrate_free(migrate_of(c));
    }
    return false;
}

struct migration *migrate_of(const struct client *c)
{
    return (struct migration *)(uintptr_t)c->block_arg[0];
}

struct migration *migrate_new(struct client *c)
{
    struct migration *m = mem_zalloc(sizeof *m);

    m->client = c;
    m->fd = -1;
    m->phase = MIGRATE_COMMIT;
    buf_init(&m->hello);
    buf_init(&m->out);
    buf_init(&m->in);
    ev_io_init(&m->io, on_io, -1, EV_READ);
    ev_timer_init(&m->timer, on_timer, 0, 0);
    m->io.data = m;
    m->timer.data = m;
    return m;
}

void migrate_begin(struct migration *m)
{
    m->since_us = m->client->node->now_us;
    m->client->block_arg[0] = (uint64_t)(uintptr_t)m;
    m->next = m->client->node->migrations;
    m->client->node->migrations = m;
    client_wait(m->client, goes_on, 0);
    /* Not at once: the command is still being executed, and its batch is open. */
    wake_after(m, POLL_S);
}

void migrate_note_restored(const struct cmd *c, const struct arg *name)
{
    for (struct migration *m = c->node->migrations; m != NULL; m = m->next) {
        struct migrated_key *k = &m->keys[m->came_back];

        if (m->came_back < m->n_keys && m->group == c->group && m->db == c->db &&
            k->name.n == name->n && memcmp(k->name.p, name->p, name->n) == 0) {
            k->replaced = true;
            m->came_back++;
        }
    }
}

void migrate_free(struct migration *m)
{
    struct migration **at = &m->client->node->migrations;

    while (*at != NULL && *at != m) {
        at = &(*at)->next;
    }
    if (*at == m) {
        *at = m->next;
    }
    disconnect(m);
    buf_release(&m->hello);
    buf_release(&m->out);
    buf_release(&m->in);
    free(m->keys);
    free(m->argv);
    free(m);
}
