/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/net.c - see base/net.h. */
#include "base/net.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_keeping_errno(int fd)
{
    int err = errno;

    close(fd);
    errno = err;
}

/* Visible ASCII only: a host name goes into log lines and replies. */
static bool host_is_clean(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~') {
            return false;
        }
    }
    return n > 0 && n < NET_HOST_MAX;
}

int net_addr_parse(const char *s, size_t n, struct net_addr *out)
{
    const char *colon = memrchr(s, ':', n);
    const char *host = s;
    size_t host_len;
    uint64_t port;

    errno = EINVAL;
    if (colon == NULL) {
        return -1;
    }
    host_len = (size_t)(colon - s);
    if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    } else if (memchr(host, ':', host_len) != NULL) {
        return -1; /* IPv6 without brackets: the port could be a part of it */
    }
    if (!host_is_clean(host, host_len) || memchr(host, '[', host_len) != NULL ||
        memchr(host, ']', host_len) != NULL) {
        return -1;
    }
    if (!num_parse_u64(colon + 1, n - (size_t)(colon + 1 - s), &port) || port < 1 ||
        port > UINT16_MAX) {
        return -1;
    }
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    out->port = (uint16_t)port;
    return 0;
}

/* getaddrinfo() for TCP; on failure errno, @no_such when the name or family means nothing here. */
static int resolve(const char *host, uint16_t port, int flags, int no_such, struct addrinfo **out)
{
    struct addrinfo hints;
    char service[8];
    int rc;

    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    rc = getaddrinfo(host, service, &hints, out);
    if (rc == 0) {
        return 0;
    }
    *out = NULL;
    if (rc == EAI_MEMORY) {
        errno = ENOMEM;
    } else if (rc != EAI_SYSTEM) {
        errno = no_such;
    }
    return -1;
}

static int tcp_socket(const struct addrinfo *a)
{
    return socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
}

static int listen_one(const struct addrinfo *a, int backlog)
{
    const int on = 1;
    int fd = tcp_socket(a);

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        goto err;
    }
    if (a->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        goto err;
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, backlog) != 0) {
        goto err;
    }
    return fd;
err:
    close_keeping_errno(fd);
    return -1;
}

/* The errors that a leading '-' forgives: this machine has no such address or family. */
static bool is_unavailable(int err)
{
    return err == EADDRNOTAVAIL || err == EAFNOSUPPORT || err == EPROTONOSUPPORT;
}

int net_listen(const char *host, uint16_t port, int backlog, int *fds, size_t max, size_t *n)
{
    bool optional = host[0] == '-';
    struct addrinfo *list = NULL;

    *n = 0;
    host += optional;
    if (strcmp(host, "*") == 0) {
        host = "0.0.0.0";
    } else if (strcmp(host, "::*") == 0) {
        host = "::";
    }
    if (resolve(host, port, AI_PASSIVE, EADDRNOTAVAIL, &list) != 0) {
        return optional && is_unavailable(errno) ? 0 : -1;
    }
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        int fd;

        if (*n == max) {
            errno = ENOSPC;
            goto err;
        }
        fd = listen_one(a, backlog);
        if (fd >= 0) {
            fds[(*n)++] = fd;
        } else if (!optional || !is_unavailable(errno)) {
            goto err;
        }
    }
    freeaddrinfo(list);
    return 0;
err:
    while (*n > 0) {
        close_keeping_errno(fds[--*n]);
    }
    freeaddrinfo(list);
    return -1;
}

/* @ip (NET_HOST_MAX bytes) and @port may be NULL. */
static int print_name(const struct sockaddr_storage *sa, char *ip, uint16_t *port)
{
    const void *addr;
    uint16_t be_port;

    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

        addr = &in->sin_addr;
        be_port = in->sin_port;
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

        addr = &in6->sin6_addr;
        be_port = in6->sin6_port;
    } else {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (ip != NULL && inet_ntop(sa->ss_family, addr, ip, NET_HOST_MAX) == NULL) {
        return -1;
    }
    if (port != NULL) {
        *port = ntohs(be_port);
    }
    return 0;
}

int net_accept(int fd, char *peer_ip, uint16_t *peer_port)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t len;
    int client;

    do {
        len = sizeof sa;
        client = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        /* ECONNABORTED: that one has gone already, the next may be waiting. */
    } while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (client < 0) {
        return -1;
    }
    if (print_name(&sa, peer_ip, peer_port) != 0) {
        close_keeping_errno(client);
        return -1;
    }
    return client;
}

int net_connect_start(const struct net_addr *a, int *fd_out)
{
    struct addrinfo *list;
    int err = EHOSTUNREACH;

    *fd_out = -1;
    if (resolve(a->host, a->port, 0, EHOSTUNREACH, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *ai = list; ai != NULL && *fd_out < 0; ai = ai->ai_next) {
        int fd = tcp_socket(ai);

        if (fd < 0) {
            err = errno;
        } else if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 || errno == EINPROGRESS) {
            *fd_out = fd;
        } else {
            err = errno;
            close(fd);
        }
    }
    freeaddrinfo(list);
    errno = err;
    return *fd_out >= 0 ? 0 : -1;
}

int net_connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) {
        return -1;
    }
    if (err != 0) {
        errno = err;
        return -1;
    }
    return net_peer_name(fd, NULL, NULL); /* ENOTCONN when asked too early */
}

int net_set_nodelay(int fd)
{
    const int on = 1;

    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int net_set_keepalive(int fd, int seconds)
{
    const int on = seconds > 0;
    const int probes = 3;
    const int interval = MAX_OF(seconds / probes, 1);

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0) {
        return -1;
    }
    if (!on) {
        return 0;
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) != 0) {
        return -1;
    }
    return setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int net_local_name(int fd, char *ip, uint16_t *port)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof sa;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        return -1;
    }
    return print_name(&sa, ip, port);
}

int net_peer_name(int fd, char *ip, uint16_t *port)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof sa;

    if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0) {
        return -1;
    }
    return print_name(&sa, ip, port);
}
