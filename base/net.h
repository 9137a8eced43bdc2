/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/net.h - TCP sockets: non-blocking, close-on-exec. Any thread. 0 or -1 with errno. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include "base/base.h"

#define NET_HOST_MAX 256

struct net_addr {
    char host[NET_HOST_MAX]; /* name or numeric address, no brackets */
    uint16_t port;
};

/* "host:port" or "[v6]:port"; port 1..65535. -1 with EINVAL when malformed. */
MUST_CHECK int net_addr_parse(const char *s, size_t n, struct net_addr *out);

/* Listening sockets on every address of @host (an address, a name, "*" or "::*"; a leading '-'
 * makes an unavailable address no error, with *@n = 0). Fills @fds, sets *@n. SO_REUSEADDR,
 * IPV6_V6ONLY. On error nothing stays open; ENOSPC: more than @max addresses. */
MUST_CHECK int net_listen(const char *host, uint16_t port, int backlog, int *fds, size_t max,
                          size_t *n);

/* Accept one: the descriptor, or -1; EAGAIN when there is none. @peer_ip (NET_HOST_MAX bytes) and
 * @peer_port may be NULL. */
MUST_CHECK int net_accept(int fd, char *peer_ip, uint16_t *peer_port);

/* Begin connecting; *@fd_out is writable when done: then net_connect_result(). A name is
 * resolved here (may block: not on exec or raft, where addresses are numeric or /etc/hosts).
 * EHOSTUNREACH: no such name. */
MUST_CHECK int net_connect_start(const struct net_addr *a, int *fd_out);
MUST_CHECK int net_connect_result(int fd);

MUST_CHECK int net_set_nodelay(int fd);
MUST_CHECK int net_set_keepalive(int fd, int seconds); /* 0: off */
/* "ip" and port of this or the other end of @fd. @ip (NET_HOST_MAX bytes) and @port may be NULL. */
MUST_CHECK int net_local_name(int fd, char *ip, uint16_t *port);
MUST_CHECK int net_peer_name(int fd, char *ip, uint16_t *port);

#endif
