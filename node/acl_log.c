/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl_log.c - ACL LOG: what was denied to whom, newest first. Of this node, in memory. */
#include "base/mem.h"
#include "node/acl.h"
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#define SAME_WITHIN_MS 60000 /* equal refusals of so long count as one entry */
#define LOOK_BACK 10         /* among the newest entries */
#define OBJECT_MAX 4096      /* bytes kept of a key */

struct acl_log {
    struct acl_log_entry **list; /* newest last */
    size_t n, cap;
};

struct acl_log *acl_log_new(void) { return mem_zalloc(sizeof(struct acl_log)); }

static void entry_free(struct acl_log_entry *e)
{
    free(e->object);
    free(e->user);
    free(e->client);
    free(e);
}

/* Keep the newest @max. */
static void trim(struct acl_log *l, size_t max)
{
    size_t old = l->n > max ? l->n - max : 0;

    for (size_t i = 0; i < old; i++) {
        entry_free(l->list[i]);
    }
    if (old > 0) {
        memmove(l->list, l->list + old, (l->n - old) * sizeof l->list[0]);
        l->n -= old;
    }
}

void acl_log_clear(struct acl_log *l) { trim(l, 0); }

void acl_log_free(struct acl_log *l)
{
    if (l != NULL) {
        trim(l, 0);
        free(l->list);
        free(l);
    }
}

void acl_log_cron(struct node *n)
{
    trim(acl_log_of(n), (size_t)MIN_OF(n->config.acllog_max_len, INT64_C(1) << 32));
}

size_t acl_log_len(const struct acl_log *l) { return l->n; }

const struct acl_log_entry *acl_log_at(const struct acl_log *l, size_t i)
{
    assert(i < l->n);
    return l->list[l->n - 1 - i];
}

const char *acl_reason_name(enum acl_reason r)
{
    static const char *const names[] = {"auth", "command", "key", "channel"};

    return names[r];
}

const char *acl_context_name(enum acl_context c)
{
    static const char *const names[] = {"toplevel", "multi", "lua"};

    return names[c];
}

static bool is_same(const struct acl_log_entry *a, const struct acl_log_entry *b)
{
    return a->reason == b->reason && a->context == b->context && a->object_n == b->object_n &&
           memcmp(a->object, b->object, a->object_n) == 0 && a->user_n == b->user_n &&
           memcmp(a->user, b->user, a->user_n) == 0 && b->wall_ms - a->wall_ms <= SAME_WITHIN_MS;
}

/* Take @e in as the newest; an equal recent one goes into it. */
static void enter(struct acl_log *l, struct acl_log_entry *e)
{
    for (size_t k = 0; k < LOOK_BACK && k < l->n; k++) {
        size_t i = l->n - 1 - k;
        struct acl_log_entry *old = l->list[i];

        if (is_same(old, e)) {
            e->count += old->count;
            entry_free(old);
            memmove(&l->list[i], &l->list[i + 1], (l->n - 1 - i) * sizeof l->list[0]);
            l->n--;
            break;
        }
    }
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->list = mem_realloc(l->list, l->cap * sizeof l->list[0]);
    }
    l->list[l->n++] = e;
}

void acl_log_denied(struct client *c, enum acl_reason reason, enum acl_context context,
                    const struct arg *object, const struct arg *user)
{
    struct node *n = c->node;
    struct acl_log_entry *e;
    struct buf who;

    n->stats.acl_denied[reason]++;
    if (n->config.acllog_max_len == 0) {
        acl_log_clear(acl_log_of(n));
        return;
    }
    buf_init(&who);
    client_describe(c, &who);
    e = mem_zalloc(sizeof *e);
    e->reason = reason;
    e->context = context;
    e->count = 1;
    e->wall_ms = n->now_wall_ms;
    e->object_n = MIN_OF(object->n, (size_t)OBJECT_MAX);
    e->object = mem_dup(object->p, e->object_n);
    e->user_n = MIN_OF(user->n, (size_t)OBJECT_MAX);
    e->user = mem_dup(user->p, e->user_n);
    e->client_n = who.len;
    e->client = mem_dup(buf_head(&who), who.len);
    buf_release(&who);
    enter(acl_log_of(n), e);
    acl_log_cron(n);
}

void acl_log_refused(struct client *c, enum acl_result r, enum acl_context context,
                     const struct command *command, const struct arg *at)
{
    static const enum acl_reason reasons[] = {
        [ACL_DENIED_COMMAND] = ACL_LOG_COMMAND,
        [ACL_DENIED_KEY] = ACL_LOG_KEY,
        [ACL_DENIED_CHANNEL] = ACL_LOG_CHANNEL,
    };
    struct arg name = {command->full_name, strlen(command->full_name)};
    struct arg user = {c->user->name, c->user->name_n};

    acl_log_denied(c, reasons[r], context, r == ACL_DENIED_COMMAND ? &name : at, &user);
}
