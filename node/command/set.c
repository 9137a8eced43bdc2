/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/set.c - the commands of one set: SADD, SREM, SMOVE, SISMEMBER ... What combines
 * several is in set_ops.c, what picks or lists members in set_scan.c. Source: the Redis command
 * pages. */
#include "node/types/set.h"

#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

static bool read_set(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_SET);
}

/* Add to the set at *@it, which is made if there is none; true: the member is new. */
static bool add(struct cmd *c, const struct key *k, struct item **it, const struct arg *member)
{
    if (*it == NULL) {
        *it = access_set_value(c, k, NULL, set_new(), KEYSPACE_NO_EXPIRE);
    }
    return set_add(*it, member->p, member->n, cmd_types_limits(c), keyspace_hash_key(c->ks));
}

void cmd_sadd(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    int64_t added = 0;

    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    for (int i = 2; i < c->argc; i++) {
        added += add(c, &k, &it, &c->argv[i]);
    }
    if (added > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_SET, "sadd", &k);
    }
    resp_int(c->reply, added);
}

/* A set that has lost a member goes when it was the last one. */
static void delete_if_empty(struct cmd *c, const struct key *k, struct item *it)
{
    if (set_len(it) == 0) {
        access_delete(c, k, it);
        notify(c, NOTIFY_GENERIC, "del", k);
    }
}

void cmd_srem(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    int64_t removed = 0;

    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    for (int i = 2; it != NULL && i < c->argc && set_len(it) > 0; i++) {
        removed += set_remove(it, c->argv[i].p, c->argv[i].n);
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_SET, "srem", &k);
        delete_if_empty(c, &k, it);
    }
    resp_int(c->reply, removed);
}

void cmd_smove(struct cmd *c)
{
    const struct arg *member = &c->argv[3];
    struct key from_key, to_key;
    struct item *from = access_write(c, &c->argv[1], &from_key);
    struct item *to;

    if (from == NULL) {
        resp_int(c->reply, 0);
        return;
    }
    to = access_write(c, &c->argv[2], &to_key);
    if (!access_type_ok(c, from, ITEM_SET) || !access_type_ok(c, to, ITEM_SET)) {
        return;
    }
    if (!set_has(from, member->p, member->n)) {
        resp_int(c->reply, 0);
        return;
    }
    resp_int(c->reply, 1);
    if (from == to) {
        return;
    }
    (void)set_remove(from, member->p, member->n);
    access_changed(c, c->db, &from_key);
    effect_verbatim(c);
    notify(c, NOTIFY_SET, "srem", &from_key);
    delete_if_empty(c, &from_key, from);
    if (add(c, &to_key, &to, member)) {
        access_changed(c, c->db, &to_key);
        notify(c, NOTIFY_SET, "sadd", &to_key);
    }
}

void cmd_sismember(struct cmd *c)
{
    struct item *it;

    if (read_set(c, &it)) {
        resp_int(c->reply, it != NULL && set_has(it, c->argv[2].p, c->argv[2].n));
    }
}

void cmd_smismember(struct cmd *c)
{
    struct item *it;

    if (!read_set(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        resp_int(c->reply, it != NULL && set_has(it, c->argv[i].p, c->argv[i].n));
    }
}

void cmd_scard(struct cmd *c)
{
    struct item *it;

    if (read_set(c, &it)) {
        resp_int(c->reply, it == NULL ? 0 : (int64_t)set_len(it));
    }
}
