/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/formation.c - see cluster/formation.h. */
#include "cluster/formation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int formation_compare_addr(const struct net_addr *a, const struct net_addr *b)
{
    char x[NET_HOST_MAX + 8], y[NET_HOST_MAX + 8];

    snprintf(x, sizeof x, "%s:%u", a->host, a->port);
    snprintf(y, sizeof y, "%s:%u", b->host, b->port);
    return strcmp(x, y);
}

static int compare(const void *a, const void *b) { return formation_compare_addr(a, b); }

/* FNV-1a over the sorted list: enough to tell lists apart that differ by mistake. */
static uint64_t digest_list(const struct net_addr *list, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++) {
        char text[NET_HOST_MAX + 8];

        snprintf(text, sizeof text, "%s:%u ", list[i].host, list[i].port);
        for (const char *p = text; *p != '\0'; p++) {
            h = (h ^ (unsigned char)*p) * 1099511628211u;
        }
    }
    return h;
}

static size_t find(const struct formation *f, const struct net_addr *a)
{
    for (size_t i = 0; i < f->n; i++) {
        if (formation_compare_addr(&f->list[i], a) == 0) {
            return i;
        }
    }
    return f->n;
}

/* One name per node that stands in the way, for a person to read. */
static void describe_waiting(struct formation *f)
{
    size_t at = 0;

    f->waiting_for[0] = '\0';
    for (size_t i = 0; i < f->n && at < sizeof f->waiting_for - 1; i++) {
        const char *why = NULL;
        int n;

        if (!f->heard[i]) {
            why = "not heard from";
        } else if (f->hellos[i].list_digest != f->digest) {
            why = "names another cluster-nodes list";
        } else if (f->hellos[i].slots_enabled != f->hellos[f->self].slots_enabled) {
            why = "has another cluster-enabled";
        } else if (f->hellos[i].data_groups != f->hellos[f->self].data_groups) {
            why = "has another cluster-data-groups";
        }
        if (why == NULL) {
            continue;
        }
        n = snprintf(f->waiting_for + at, sizeof f->waiting_for - at, "%s%s:%u (%s)",
                     at > 0 ? ", " : "", f->list[i].host, f->list[i].port, why);
        at += n > 0 ? (size_t)n : 0;
    }
}

int formation_init(struct formation *f, const struct net_addr *list, size_t n,
                   const struct formation_hello *self, char *error)
{
    *f = (struct formation){0};
    if (n == 0 || n > CLUSTER_NODES_MAX) {
        snprintf(error, 256, "needs 1 to %d nodes", CLUSTER_NODES_MAX);
        return -1;
    }
    memcpy(f->list, list, n * sizeof *list);
    f->n = n;
    qsort(f->list, n, sizeof *f->list, compare);
    for (size_t i = 1; i < n; i++) {
        if (formation_compare_addr(&f->list[i - 1], &f->list[i]) == 0) {
            snprintf(error, 256, "%.200s:%u is named twice", f->list[i].host, f->list[i].port);
            return -1;
        }
    }
    f->self = find(f, &self->node.peer);
    if (f->self == n) {
        snprintf(error, 256, "this node's own peer address %.200s:%u is not in the list",
                 self->node.peer.host, self->node.peer.port);
        return -1;
    }
    f->digest = digest_list(f->list, n);
    f->hellos[f->self] = *self;
    f->hellos[f->self].list_digest = f->digest;
    f->heard[f->self] = true;
    describe_waiting(f);
    return 0;
}

bool formation_is_founder(const struct formation *f) { return f->self == 0; }

bool formation_on_hello(struct formation *f, const struct formation_hello *h)
{
    size_t i = find(f, &h->node.peer);

    if (i == f->n || i == f->self) {
        return false;
    }
    f->hellos[i] = *h;
    f->heard[i] = true;
    describe_waiting(f);
    return true;
}

void formation_on_lost(struct formation *f, const struct net_addr *peer)
{
    size_t i = find(f, peer);

    if (i < f->n && i != f->self) {
        f->heard[i] = false;
        describe_waiting(f);
    }
}

bool formation_try_plan(struct formation *f, const char *cluster_id, struct formation_plan *out)
{
    if (!formation_is_founder(f) || f->waiting_for[0] != '\0') {
        return false;
    }
    for (size_t i = 0; i < f->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(f->hellos[i].node.id, f->hellos[j].node.id) == 0) {
                snprintf(f->waiting_for, sizeof f->waiting_for,
                         "%.100s:%u (has the same node id as another: a copied data directory)",
                         f->list[i].host, f->list[i].port);
                return false;
            }
        }
    }
    *out = (struct formation_plan){
        .list_digest = f->digest,
        .slots_enabled = f->hellos[f->self].slots_enabled,
        .data_groups = f->hellos[f->self].data_groups,
        .n_nodes = f->n,
    };
    snprintf(out->cluster_id, sizeof out->cluster_id, "%s", cluster_id);
    for (size_t i = 0; i < f->n; i++) {
        out->nodes[i] = f->hellos[i].node;
        out->nodes[i].number = i + 1;
    }
    return true;
}

uint64_t formation_plan_number(const struct formation_plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        if (strcmp(plan->nodes[i].id, id) == 0) {
            return plan->nodes[i].number;
        }
    }
    return 0;
}

bool formation_accepts(const struct formation *f, const struct formation_plan *plan)
{
    const struct formation_hello *self = &f->hellos[f->self];

    return plan->list_digest == f->digest && plan->slots_enabled == self->slots_enabled &&
           plan->data_groups == self->data_groups &&
           formation_plan_number(plan, self->node.id) != 0;
}
