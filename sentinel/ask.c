/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/ask.c - see ask.h. One poll() loop over all connections; the commands are pipelined. */
#include "sentinel/ask.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
/* More than a node's INFO and CLUSTER NODES can be. */
#define REPLIES_BYTES_MAX ((size_t)64 << 20)

static void failed(struct ask *a, const char *why)
{
    snprintf(a->why, sizeof a->why, "%s", why);
    if (a->fd >= 0) {
        close(a->fd);
        a->fd = -1;
    }
}

static void add_command(struct ask *a, const char *line)
{
    struct arg argv[ASK_REPLIES_MAX];
    size_t argc = 0;

    while (*line != '\0') {
        size_t n = strcspn(line, " ");

        assert(argc < ARRAY_LEN(argv));
        argv[argc++] = (struct arg){line, n};
        line += n + (line[n] == ' ');
    }
    resp_write_request(&a->out, argv, argc);
}

static void start(struct ask *a, const struct ask_plan *plan)
{
    struct net_addr to = a->to;

    memset(a, 0, sizeof *a);
    a->to = to;
    a->fd = -1;
    buf_init(&a->in);
    buf_init(&a->out);
    if (plan->password != NULL) {
        struct arg auth[2] = {{"AUTH", 4}, {plan->password, strlen(plan->password)}};

        resp_write_request(&a->out, auth, 2);
        a->skip = 1;
    }
    for (size_t i = 0; plan->commands[i] != NULL; i++) {
        assert(i < ASK_REPLIES_MAX);
        add_command(a, plan->commands[i]);
    }
    if (net_connect_start(&a->to, &a->fd) != 0) {
        a->fd = -1;
        failed(a, strerror(errno));
    }
}

static void send_some(struct ask *a)
{
    ssize_t sent;

    if (!a->connected) {
        if (net_connect_result(a->fd) != 0) {
            failed(a, strerror(errno));
            return;
        }
        a->connected = true;
    }
    sent = send(a->fd, buf_head(&a->out), a->out.len, MSG_NOSIGNAL);
    if (sent >= 0) {
        buf_consume(&a->out, (size_t)sent);
    } else if (errno != EAGAIN && errno != EINTR) {
        failed(a, strerror(errno));
    }
}

/* AUTH's reply matters only when it is an error of a node that does want a password. */
static bool auth_refused(const struct resp_value *v)
{
    static const char no_password[] = "ERR AUTH <password> called without any password";

    return v->type == RESP_T_ERROR && strncmp(v->text, no_password, strlen(no_password)) != 0;
}

static void take_replies(struct ask *a, size_t wanted)
{
    struct resp_value v;
    int got;

    while (a->fd >= 0 && (got = resp_read_value(&a->in, &v)) != 0) {
        if (got < 0) {
            failed(a, "its reply is not RESP: is it a Holdfast node?");
        } else if (a->skip > 0) {
            a->skip--;
            if (auth_refused(&v)) {
                failed(a, v.text);
            }
            resp_value_release(&v);
        } else {
            a->replies[a->n_replies++] = v;
            if (a->n_replies == wanted) {
                a->answered = true;
                failed(a, "");
            }
        }
    }
}

static void read_some(struct ask *a, size_t wanted)
{
    ssize_t got;

    buf_reserve(&a->in, READ_BYTES);
    got = read(a->fd, buf_tail(&a->in), READ_BYTES);
    if (got > 0) {
        buf_fill(&a->in, (size_t)got);
        take_replies(a, wanted);
        if (a->fd >= 0 && a->in.len > REPLIES_BYTES_MAX) {
            failed(a, "its reply is too long: is it a Holdfast node?");
        }
    } else if (got == 0) {
        failed(a, "it closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
        failed(a, strerror(errno));
    }
}

/* One turn of the loop; false: nobody is left to wait for. */
static bool turn(struct ask *asks, size_t n, struct pollfd *fds, size_t wanted, int64_t left_ms)
{
    size_t open = 0;

    for (size_t i = 0; i < n; i++) {
        fds[i].fd = asks[i].fd; /* poll() passes over -1 */
        fds[i].events = POLLIN;
        if (asks[i].fd >= 0) {
            open++;
            if (!asks[i].connected || asks[i].out.len > 0) {
                fds[i].events |= POLLOUT;
            }
        }
        fds[i].revents = 0;
    }
    if (open == 0 || left_ms <= 0) {
        return false;
    }
    if (poll(fds, n, (int)left_ms) < 0) {
        return errno == EINTR;
    }
    for (size_t i = 0; i < n; i++) {
        if (asks[i].fd >= 0 && (fds[i].revents & POLLOUT) != 0) {
            send_some(&asks[i]);
        }
        if (asks[i].fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            if (asks[i].connected) {
                read_some(&asks[i], wanted);
            } else {
                send_some(&asks[i]); /* says why the connection failed */
            }
        }
    }
    return true;
}

void ask_all(struct ask *asks, size_t n, const struct ask_plan *plan)
{
    int64_t until = clock_boot_us() + (int64_t)plan->timeout_ms * 1000;
    struct pollfd *fds = mem_alloc((n + 1) * sizeof *fds);
    size_t wanted = 0;

    while (plan->commands[wanted] != NULL) {
        wanted++;
    }
    for (size_t i = 0; i < n; i++) {
        start(&asks[i], plan);
    }
    while (turn(asks, n, fds, wanted, (until - clock_boot_us() + 999) / 1000)) {
    }
    for (size_t i = 0; i < n; i++) {
        if (asks[i].fd >= 0) {
            char why[64];

            snprintf(why, sizeof why, "%s within %d ms",
                     asks[i].connected ? "no answer" : "no connection", plan->timeout_ms);
            failed(&asks[i], why);
        }
    }
    free(fds);
}

void ask_release(struct ask *a)
{
    for (size_t i = 0; i < a->n_replies; i++) {
        resp_value_release(&a->replies[i]);
    }
    buf_release(&a->in);
    buf_release(&a->out);
    memset(a, 0, sizeof *a);
    a->fd = -1;
}
