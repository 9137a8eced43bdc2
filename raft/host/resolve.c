/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/resolve.c - names of peers into addresses, on a thread of its own: a name server that
 * does not answer must not cost a group its leader. */
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool resolve_is_numeric(const char *host)
{
    unsigned char addr[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, addr) == 1 || inet_pton(AF_INET6, host, addr) == 1;
}

/* A name may have several addresses of which only some work: each attempt takes the next. */
static const struct addrinfo *choose(const struct addrinfo *list, unsigned attempt)
{
    const struct addrinfo *a;
    unsigned n = 0;

    for (a = list; a != NULL; a = a->ai_next) {
        n++;
    }
    assert(n > 0); /* a successful getaddrinfo() gives one at least */
    attempt %= n;
    for (a = list; attempt > 0; attempt--) {
        a = a->ai_next;
    }
    return a;
}

static void resolve(void *arg, const atomic_bool *cancel)
{
    struct resolved *r = arg;
    struct mail m = {.type = MAIL_RESOLVED, .resolved = r};
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = EAI_AGAIN;

    if (!atomic_load(cancel)) {
        rc = getaddrinfo(r->addr.host, NULL, &hints, &list);
    }
    if (rc == 0) {
        const struct addrinfo *a = choose(list, r->attempt);

        rc = getnameinfo(a->ai_addr, a->ai_addrlen, r->addr.host, sizeof r->addr.host, NULL, 0,
                         NI_NUMERICHOST);
        freeaddrinfo(list);
    }
    r->found = rc == 0;
    snprintf(r->why, sizeof r->why, "%s", rc == 0 ? "" : gai_strerror(rc));
    mailbox_put(&r->host->mail, &m, true);
}

void resolve_start(struct raft_host *h, const char *name, const struct net_addr *addr,
                   unsigned attempt)
{
    struct resolved *r = mem_zalloc(sizeof *r);

    r->host = h;
    snprintf(r->name, sizeof r->name, "%s", name);
    r->addr = *addr;
    r->attempt = attempt;
    if (h->resolver == NULL) {
        h->resolver = worker_new(1, "resolve");
    }
    worker_submit(h->resolver, resolve, r);
}
