/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/status.c - finding the nodes of a cluster from what some of them say; see status.h. */
#include "sentinel/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status_node *status_add(struct status *s, const struct net_addr *addr)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->nodes[i].addr.port == addr->port && strcmp(s->nodes[i].addr.host, addr->host) == 0) {
            return &s->nodes[i];
        }
    }
    if (s->n == STATUS_NODES_MAX) {
        return NULL;
    }
    s->nodes[s->n] = (struct status_node){.addr = *addr};
    return &s->nodes[s->n++];
}

/* ---- CLUSTER NODES ------------------------------------------------------------------------- */

/* "<id> <host>:<port>@<peer port> <flags> ..." */
static void learn_nodes_line(struct status *s, struct arg line)
{
    const char *space = memchr(line.p, ' ', line.n);
    const char *host;
    const char *at;
    struct net_addr addr;
    struct status_node *n;

    if (space == NULL || space - line.p != 40) {
        return;
    }
    host = space + 1;
    at = memchr(host, '@', line.n - 41);
    if (at == NULL || net_addr_parse(host, (size_t)(at - host), &addr) != 0) {
        return; /* a node that is not in a cluster does not know its own address */
    }
    n = status_add(s, &addr);
    if (n != NULL && n->id[0] == '\0') {
        memcpy(n->id, line.p, 40);
    }
    if (n != NULL) {
        n->peer_port = (uint16_t)strtoul(at + 1, NULL, 10); /* a blank ends it */
    }
}

/* ---- INFO ---------------------------------------------------------------------------------- */

static void learn_addr(struct status *s, const char *host, int64_t port, uint64_t number)
{
    struct net_addr addr = {.port = (uint16_t)port};
    struct status_node *n;

    if (host[0] == '\0' || port <= 0 || port > UINT16_MAX) {
        return;
    }
    snprintf(addr.host, sizeof addr.host, "%s", host);
    n = status_add(s, &addr);
    if (n != NULL && n->number == 0) {
        n->number = number;
    }
}

static void learn_followers(struct status *s, const struct status_node *n, unsigned group)
{
    struct arg line;

    for (unsigned i = 0; status_follower(n, group, i, &line); i++) {
        char host[NET_HOST_MAX];

        learn_addr(s, pair_text(line, "ip", host, sizeof host), pair_number(line, "port", 0),
                   (uint64_t)pair_number(line, "node", 0));
    }
}

void status_learn(struct status *s, struct status_node *n, char *info, const char *nodes)
{
    char host[NET_HOST_MAX];
    struct arg line;

    n->up = true;
    n->info = info;
    if (info_number(info, "raft_node", 0) > 0) { /* else it is as others know this address */
        n->number = (uint64_t)info_number(info, "raft_node", 0);
    }
    info_text(info, "raft_node_id", n->id, sizeof n->id);
    while (nodes != NULL && text_line(&nodes, &line)) {
        learn_nodes_line(s, line);
    }
    learn_addr(s, info_text(info, "master_host", host, sizeof host),
               info_number(info, "master_port", 0), 0);
    for (unsigned group = 0; group < STATUS_GROUPS_MAX; group++) {
        learn_followers(s, n, group);
    }
}

/* Numbers of nodes that did not answer, by their peer ports. */
static void learn_numbers(struct status *s, const struct status_node *from)
{
    char name[32], host[NET_HOST_MAX];
    struct arg line;

    for (unsigned i = 0; i < STATUS_NODES_MAX; i++) {
        snprintf(name, sizeof name, "peer%u", i);
        if (!info_find(from->info, name, &line)) {
            return;
        }
        pair_text(line, "ip", host, sizeof host);
        for (size_t k = 0; k < s->n; k++) {
            struct status_node *n = &s->nodes[k];

            if (n->number == 0 && n->peer_port == pair_number(line, "port", -1) &&
                strcmp(n->addr.host, host) == 0) {
                n->number = (uint64_t)pair_number(line, "node", 0);
            }
        }
    }
}

/* ---- order --------------------------------------------------------------------------------- */

static bool same_node(const struct status_node *a, const struct status_node *b)
{
    return a->id[0] != '\0' && strcmp(a->id, b->id) == 0;
}

static int by_number(const void *a, const void *b)
{
    const struct status_node *x = a;
    const struct status_node *y = b;

    if (x->number != y->number) {
        return x->number == 0 ? 1 : y->number == 0 ? -1 : x->number < y->number ? -1 : 1;
    }
    return x->addr.port < y->addr.port ? -1 : x->addr.port > y->addr.port;
}

void status_settle(struct status *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = i + 1; k < s->n;) {
            struct status_node *a = &s->nodes[i], *b = &s->nodes[k];

            if (!same_node(a, b)) {
                k++;
                continue;
            }
            if (!a->up && b->up) {
                struct status_node t = *a;

                *a = *b;
                *b = t;
            }
            free(b->info);
            memmove(b, b + 1, (s->n - k - 1) * sizeof *b);
            s->n--;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->nodes[i].up) {
            learn_numbers(s, &s->nodes[i]);
        }
    }
    if (s->n > 0) {
        qsort(s->nodes, s->n, sizeof s->nodes[0], by_number);
    }
}

void status_release(struct status *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->nodes[i].info);
    }
    memset(s, 0, sizeof *s);
}

/* ---- looking up ---------------------------------------------------------------------------- */

bool status_group(const struct status_node *n, unsigned group, struct arg *line)
{
    char name[32];

    snprintf(name, sizeof name, "group%u", group);
    return n->info != NULL && info_find(n->info, name, line);
}

bool status_follower(const struct status_node *n, unsigned group, unsigned i, struct arg *line)
{
    char name[64];

    snprintf(name, sizeof name, "group%u_follower%u", group, i);
    return n->info != NULL && info_find(n->info, name, line);
}

const struct status_node *status_leader(const struct status *s, unsigned group)
{
    const struct status_node *leader = NULL;
    int64_t highest = -1;

    for (size_t i = 0; i < s->n; i++) {
        struct arg line, role;

        if (status_group(&s->nodes[i], group, &line) && pair_find(line, "role", &role) &&
            arg_equals(role, "leader") && pair_number(line, "term", 0) > highest) {
            highest = pair_number(line, "term", 0);
            leader = &s->nodes[i];
        }
    }
    return leader;
}

const struct status_node *status_by_number(const struct status *s, uint64_t number)
{
    for (size_t i = 0; i < s->n; i++) {
        if (number != 0 && s->nodes[i].number == number) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

const char *status_name(const struct status_node *n, char *out)
{
    const char *bracket = strchr(n->addr.host, ':') == NULL ? "" : "[";

    if (n->number != 0) {
        snprintf(out, STATUS_NAME_MAX, "%llu (%s%s%s:%u)", (unsigned long long)n->number, bracket,
                 n->addr.host, bracket[0] == '\0' ? "" : "]", n->addr.port);
    } else {
        snprintf(out, STATUS_NAME_MAX, "%s%s%s:%u", bracket, n->addr.host,
                 bracket[0] == '\0' ? "" : "]", n->addr.port);
    }
    return out;
}
