/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/gate.c - see node/gate.h.
 *
 * Invariants: a client with segments is linked in exactly one wait list, that of its first
 * segment's gate, or is in node->clients.dirty to be looked at in this turn. Segments' ends rise.
 * Bytes behind the last segment's end exist only while a command is being executed. */
#include "node/gate.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "node/route.h"

#include <stdlib.h>

static struct segment *segment_at(struct client *c, uint32_t i)
{
    return &c->segments[(c->seg_head + i) & (c->seg_cap - 1)];
}

static struct segment *segment_push(struct client *c)
{
    if (c->seg_n == c->seg_cap) {
        uint32_t cap = c->seg_cap == 0 ? 16 : c->seg_cap * 2;
        struct segment *ring = mem_alloc(cap * sizeof *ring);

        for (uint32_t i = 0; i < c->seg_n; i++) {
            ring[i] = *segment_at(c, i);
        }
        free(c->segments);
        c->segments = ring;
        c->seg_cap = cap;
        c->seg_head = 0;
    }
    return &c->segments[(c->seg_head + c->seg_n++) & (c->seg_cap - 1)];
}

static void segment_pop(struct client *c)
{
    c->seg_head = (c->seg_head + 1) & (c->seg_cap - 1);
    c->seg_n--;
}

static uint64_t stream_end(const struct client *c) { return c->out_base + c->out.len; }

static void look_at_end_of_turn(struct client *c)
{
    if (!link_is_in(&c->dirty_link)) {
        link_append(&c->node->clients.dirty, &c->dirty_link);
    }
}

void gate_plain(struct client *c)
{
    look_at_end_of_turn(c);
    if (c->seg_n == 0) {
        c->released = stream_end(c);
        return;
    }

    struct segment *last = segment_at(c, c->seg_n - 1);

    if (last->group == NULL) {
        last->end = stream_end(c);
        return;
    }
    *segment_push(c) = (struct segment){.end = stream_end(c)};
}

/* A reply of several groups: joined segments. */
static void gate_span(struct client *c, const struct cmd *cmd, uint16_t slot)
{
    uint64_t start = c->seg_n > 0 ? segment_at(c, c->seg_n - 1)->end : c->released;
    struct segment *last = NULL;
    size_t writers = 0;

    for (size_t i = 0; i < cmd->span->n; i++) {
        writers += span_part(cmd, i).wrote;
    }
    for (size_t i = 0; i < cmd->span->n; i++) {
        struct span_part p = span_part(cmd, i);

        if (!p.touched || p.group->state != GROUP_SERVING) {
            continue;
        }
        last = segment_push(c);
        *last = (struct segment){
            .end = start,
            .gate = p.gate,
            .executed = c->node->executions,
            .group = p.group,
            .slot = p.group == cmd->span->parts[0].group ? slot : ROUTE_ANY_SLOT,
            .needs_lease = !p.wrote,
            .joined = true,
            .others_wrote = writers > p.wrote,
            .lost_error = cmd->lost_error,
        };
        c->node->stats.gated_replies += p.gate > p.group->committed;
    }
    if (last == NULL) {
        gate_plain(c);
        return;
    }
    last->end = stream_end(c);
    last->joined = false;
    look_at_end_of_turn(c);
}

void gate_reply(struct client *c, const struct cmd *cmd, uint16_t slot)
{
    struct group *g = cmd->group;

    if (cmd->span != NULL) {
        gate_span(c, cmd, slot);
        return;
    }
    if (!cmd->touched || g == NULL || g->state != GROUP_SERVING) {
        gate_plain(c);
        return;
    }
    look_at_end_of_turn(c);
    *segment_push(c) = (struct segment){
        .end = stream_end(c),
        .gate = cmd->gate,
        .executed = c->node->executions,
        .group = g,
        .slot = slot,
        /* The commit of a batch that holds this command's own effects proves leadership. */
        .needs_lease = !cmd->wrote,
        .lost_error = cmd->lost_error,
    };
    c->node->stats.gated_replies += cmd->gate > g->committed;
}

/* The leadership under which this was executed ended before it was confirmed. */
static bool leadership_ended(const struct group *g, uint64_t executed)
{
    return executed > g->lost_from && executed <= g->lost_to;
}

bool gate_read_is_confirmed(struct group *g, uint64_t executed)
{
    struct node *n = g->node;

    if (leadership_ended(g, executed)) {
        return false;
    }
    if (g->read_confirmed >= executed) {
        return true;
    }
    switch ((enum read_consistency)n->config.read_consistency) {
    case READ_LOCAL:
        return true;
    case READ_LEASE:
        if (raft_host_lease_valid(n->host, g->number, g->term)) {
            /* Everything executed so far was executed before this check. */
            g->read_confirmed = n->executions;
            return true;
        }
        return false;
    case READ_QUORUM:
        if (g->read_asked < executed) {
            g->read_asked = n->executions;
            raft_host_read(n->host, g->number, g->read_asked);
        }
        return false;
    }
    return false;
}

void gate_advance(struct client *c)
{
    link_remove(&c->gate_link);
    while (c->seg_n > 0) {
        struct segment *s = segment_at(c, 0);
        struct group *g = s->group;

        if (g != NULL) {
            if (s->gate > g->committed) {
                link_append(&g->waiting[s->gate % GROUP_BATCHES_MAX], &c->gate_link);
                break;
            }
            if (s->needs_lease && !gate_read_is_confirmed(g, s->executed)) {
                link_append(&g->unconfirmed, &c->gate_link);
                c->node->stats.lease_waits++;
                break;
            }
        }
        c->released = s->end;
        segment_pop(c);
        c->gate_since_us = 0;
    }
    if (c->seg_n > 0 && c->gate_since_us == 0) {
        c->gate_since_us = c->node->now_us;
    }
}

/* Let every client of the list try again; those that still wait link themselves anew. */
static void advance_list(struct link *head)
{
    struct link now;

    if (!link_is_in(head)) {
        return;
    }
    now = *head;
    now.next->prev = &now;
    now.prev->next = &now;
    link_init(head);
    while (link_is_in(&now)) {
        struct client *c = CONTAINER_OF(now.next, struct client, gate_link);

        gate_advance(c);
        look_at_end_of_turn(c);
    }
}

void gate_committed(struct group *g, uint64_t before)
{
    for (uint64_t b = before + 1; b <= g->committed; b++) {
        advance_list(&g->waiting[b % GROUP_BATCHES_MAX]);
    }
}

void gate_recheck(struct group *g) { advance_list(&g->unconfirmed); }

/* ---- replacing replies that will never be true --------------------------------------------------
 */

/* Index behind the last segment of the reply that segment @i begins. */
static uint32_t reply_end(struct client *c, uint32_t i)
{
    while (segment_at(c, i)->joined) {
        i++;
    }
    return i + 1;
}

/* Of the segments [@i, @end) of one reply the first that is lost; NULL: none. */
static const struct segment *
find_lost(struct client *c, uint32_t i, uint32_t end, const struct group *g,
          bool (*is_lost)(const struct group *, const struct segment *))
{
    for (; i < end; i++) {
        const struct segment *s = segment_at(c, i);

        if (s->group == g && is_lost(g, s)) {
            return s;
        }
    }
    return NULL;
}

static void reply_lost(const struct client *c, struct group *g, const struct segment *s,
                       struct resp_out *reply)
{
    if (s->others_wrote) {
        /* "Surely not executed", as a redirection says, would not be true. */
        resp_error(reply,
                   "ERR some slots went to another node while the command was executed: what "
                   "it did in the others may stay");
    } else if (s->lost_error != NULL) {
        resp_error(reply, s->lost_error);
    } else {
        route_reply_redirect(c, g, s->slot, reply);
    }
    c->node->stats.redirected_replies++;
}

/* Rewrite the unreleased output of @c: replies with a segment of @g for which @is_lost says so
 * become an error. */
static void replace_lost(struct client *c, struct group *g,
                         bool (*is_lost)(const struct group *, const struct segment *))
{
    struct buf old = c->out;
    struct resp_out reply = c->reply;
    uint64_t from = c->released;
    size_t skip = (size_t)(from - c->out_base);

    buf_init(&c->out);
    buf_append(&c->out, buf_head(&old), skip);
    reply.buf = &c->out;
    for (uint32_t i = 0, end; i < c->seg_n; i = end) {
        const struct segment *lost;
        uint64_t start = stream_end(c);
        size_t n;

        end = reply_end(c, i);
        lost = find_lost(c, i, end, g, is_lost);
        n = (size_t)(segment_at(c, end - 1)->end - from);
        if (lost != NULL) {
            reply_lost(c, g, lost, &reply);
        } else {
            buf_append(&c->out, buf_head(&old) + (from - c->out_base), n);
        }
        from += n;
        for (; i < end; i++) {
            struct segment *s = segment_at(c, i);

            s->end = i + 1 == end ? stream_end(c) : start;
            if (lost != NULL) {
                s->group = NULL;
                s->joined = false;
            }
        }
    }
    buf_release(&old);
    gate_advance(c);
    look_at_end_of_turn(c);
}

static void replace_all(struct group *g,
                        bool (*is_lost)(const struct group *, const struct segment *))
{
    struct link *all = &g->node->clients.all;

    for (struct link *l = all->next; l != all; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        for (uint32_t i = 0; i < c->seg_n; i++) {
            struct segment *s = segment_at(c, i);

            if (s->group == g && is_lost(g, s)) {
                replace_lost(c, g, is_lost);
                break;
            }
        }
    }
}

void gate_reads_lost(struct group *g)
{
    if (g->node->config.read_consistency == READ_LOCAL) {
        return;
    }
    if (g->lost_from == g->lost_to) {
        g->lost_from = g->read_confirmed;
    }
    g->lost_to = g->node->executions;
}

static bool read_is_lost(const struct group *g, const struct segment *s)
{
    return s->needs_lease && leadership_ended(g, s->executed);
}

void gate_redirect_reads(struct group *g, bool now)
{
    if (g->lost_from != g->lost_to && (now || g->leader != 0)) {
        replace_all(g, read_is_lost);
        g->lost_from = g->lost_to = 0;
    }
}

static bool batch_is_gone(const struct group *g, const struct segment *s)
{
    return s->gate > g->committed;
}

void gate_batches_gone(struct group *g) { replace_all(g, batch_is_gone); }

void gate_batches_unknown(struct group *g)
{
    struct link *all = &g->node->clients.all;

    for (struct link *l = all->next; l != all; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, all_link);

        for (uint32_t i = 0; i < c->seg_n; i++) {
            if (segment_at(c, i)->group == g && batch_is_gone(g, segment_at(c, i))) {
                client_close(c);
                break;
            }
        }
    }
}

/* ---- giving up ----------------------------------------------------------------------------- */

/* Close those of @waiting that have waited since before @limit_us. */
static void expire_list(const struct link *waiting, int64_t limit_us)
{
    for (const struct link *l = waiting->next; l != waiting; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, gate_link);

        if (c->gate_since_us < limit_us) {
            log_notice("client %llu: closed, the outcome of its command is not known in time",
                       (unsigned long long)c->id);
            client_close(c);
        }
    }
}

void gate_expire(struct node *n)
{
    int64_t limit_us = n->now_us - n->config.outcome_wait_timeout * 1000;

    for (size_t i = 0; i < n->n_groups; i++) {
        struct group *g = n->groups[i];

        if (g == NULL) {
            continue;
        }
        expire_list(&g->unconfirmed, limit_us);
        for (size_t b = 0; b < GROUP_BATCHES_MAX; b++) {
            expire_list(&g->waiting[b], limit_us);
        }
    }
}

void gate_forget(struct client *c)
{
    link_remove(&c->gate_link);
    c->seg_n = 0;
    free(c->segments);
    c->segments = NULL;
    c->seg_cap = 0;
}
