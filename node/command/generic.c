/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/generic.c - commands on keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE ...
 *
 * The log gets only what changed something: DEL of the keys that were there, RENAME for RENAMENX.
 */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/groups.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <limits.h>
#include <stdlib.h>

static bool same_bytes(const struct arg *a, const struct arg *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

/* ---- DEL, UNLINK, EXISTS, TOUCH, TYPE --------------------------------------------------- */

#define DELETED_ON_STACK 16

/* @word: what is logged. Both free big values elsewhere; the difference is only in the log. */
static void delete_keys(struct cmd *c, const char *word)
{
    struct arg small[1 + DELETED_ON_STACK];
    struct arg *deleted = small;
    size_t n = 0;

    if (c->argc - 1 > DELETED_ON_STACK) {
        deleted = mem_alloc((size_t)c->argc * sizeof *deleted);
    }
    deleted[0] = (struct arg){word, strlen(word)};
    for (int i = 1; i < c->argc; i++) {
        struct key k;
        struct item *it = access_write(c, &c->argv[i], &k);

        if (it != NULL) {
            access_delete(c, &k, it);
            notify(c, NOTIFY_GENERIC, "del", &k);
            deleted[++n] = c->argv[i];
        }
    }
    if (n > 0) {
        effect_args(c, deleted, n + 1);
    }
    resp_int(c->reply, (int64_t)n);
    if (deleted != small) {
        free(deleted);
    }
}

void cmd_del(struct cmd *c) { delete_keys(c, "DEL"); }

void cmd_unlink(struct cmd *c) { delete_keys(c, "UNLINK"); }

typedef struct item *look_up_fn(struct cmd *c, const struct arg *name, struct key *k);

static void count_keys(struct cmd *c, look_up_fn *look_up)
{
    struct key k;
    int64_t n = 0;

    for (int i = 1; i < c->argc; i++) {
        n += look_up(c, &c->argv[i], &k) != NULL;
    }
    resp_int(c->reply, n);
}

void cmd_exists(struct cmd *c) { count_keys(c, access_look); }

void cmd_touch(struct cmd *c) { count_keys(c, access_read); }

void cmd_type(struct cmd *c)
{
    struct key k;
    struct item *it = access_look(c, &c->argv[1], &k);

    resp_status(c->reply, it != NULL ? item_type_name(item_type(it)) : "none");
}

/* ---- RENAME, RENAMENX ------------------------------------------------------------------- */

static void rename_key(struct cmd *c, bool only_if_free)
{
    bool same = same_bytes(&c->argv[1], &c->argv[2]);
    struct key from, to;
    struct item *it, *target;
    struct arg effect[3] = {{"RENAME", 6}, c->argv[1], c->argv[2]};

    it = access_write(c, &c->argv[1], &from);
    if (it == NULL) {
        resp_error(c->reply, "ERR no such key");
        return;
    }
    target = same ? it : access_write(c, &c->argv[2], &to);
    if (target != NULL && only_if_free) {
        resp_int(c->reply, 0);
        return;
    }
    if (!same) {
        if (target != NULL) {
            access_delete(c, &to, target);
        }
        (void)access_move(c, &from, it, c->db, &to);
        effect_args(c, effect, 3);
        notify(c, NOTIFY_GENERIC, "rename_from", &from);
        notify(c, NOTIFY_GENERIC, "rename_to", &to);
    }
    if (only_if_free) {
        resp_int(c->reply, 1);
    } else {
        cmd_reply_ok(c);
    }
}

void cmd_rename(struct cmd *c) { rename_key(c, false); }

void cmd_renamenx(struct cmd *c) { rename_key(c, true); }

/* ---- COPY, MOVE ------------------------------------------------------------------------- */

/* Argument @i as the index of a database, or an error reply. */
static bool database_arg(struct cmd *c, int i, uint32_t *db)
{
    int64_t v;

    if (!cmd_arg_i64(c, i, &v, NULL)) {
        return false;
    }
    if (v < INT_MIN || v > INT_MAX) {
        resp_errorf(c->reply, "ERR value is out of range, value must between %d and %d", INT_MIN,
                    INT_MAX);
        return false;
    }
    if (v < 0 || v >= (int64_t)cmd_databases(c)) {
        resp_error(c->reply, "ERR DB index is out of range");
        return false;
    }
    *db = (uint32_t)v;
    return true;
}

static void reply_same_object(struct cmd *c)
{
    resp_error(c->reply, "ERR source and destination objects are the same");
}

/* access_delete() in another database. */
static void delete_in(struct cmd *c, uint32_t db, const struct key *k, struct item *it)
{
    uint32_t own = c->db;

    c->db = db;
    access_delete(c, k, it);
    c->db = own;
}

void cmd_copy(struct cmd *c)
{
    uint32_t to_db = c->db;
    bool replace = false;
    struct key from, to;
    struct item *it, *target;

    for (int i = 3; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "REPLACE")) {
            replace = true;
        } else if (arg_is(&c->argv[i], "DB") && i + 1 < c->argc) {
            if (!database_arg(c, ++i, &to_db)) {
                return;
            }
        } else {
            cmd_reply_syntax_error(c);
            return;
        }
    }
    if (to_db != 0 && cmd_cluster_enabled(c)) {
        resp_error(c->reply, "ERR Copying to another database is not allowed in cluster mode");
        return;
    }
    if (to_db == c->db && same_bytes(&c->argv[1], &c->argv[2])) {
        reply_same_object(c);
        return;
    }
    it = access_read(c, &c->argv[1], &from);
    if (it == NULL) {
        resp_int(c->reply, 0);
        return;
    }
    target = access_write_db(c, to_db, &c->argv[2], &to);
    if (target != NULL) {
        if (!replace) {
            resp_int(c->reply, 0);
            return;
        }
        delete_in(c, to_db, &to, target);
    }
    (void)access_copy(c, it, to_db, &to);
    effect_verbatim(c);
    notify_db(c, NOTIFY_GENERIC, "copy_to", to_db, &to);
    resp_int(c->reply, 1);
}

void cmd_move(struct cmd *c)
{
    uint32_t to_db;
    struct key from, to;
    struct item *it;

    if (cmd_cluster_enabled(c)) {
        resp_error(c->reply, "ERR MOVE is not allowed in cluster mode");
        return;
    }
    if (!database_arg(c, 2, &to_db)) {
        return;
    }
    if (to_db == c->db) {
        reply_same_object(c);
        return;
    }
    it = access_write(c, &c->argv[1], &from);
    if (it == NULL || access_write_db(c, to_db, &c->argv[1], &to) != NULL) {
        resp_int(c->reply, 0);
        return;
    }
    (void)access_move(c, &from, it, to_db, &to);
    effect_verbatim(c);
    notify(c, NOTIFY_GENERIC, "move_from", &from);
    notify_db(c, NOTIFY_GENERIC, "move_to", to_db, &to);
    resp_int(c->reply, 1);
}

/* ---- RANDOMKEY, DBSIZE ------------------------------------------------------------------ */

#define RANDOM_TRIES 100

struct first_live {
    struct cmd *c;
    struct item *it;
};

static bool stop_at_live(void *arg, struct item *it)
{
    struct first_live *f = arg;

    if (access_is_expired(f->c, it)) {
        return true;
    }
    f->it = it;
    return false;
}

/* A random key of the group that has not expired. When nearly all have, picking at random would
 * take for ever: then the first live one in table order. */
static struct item *random_live(struct cmd *c)
{
    struct first_live first = {c, NULL};

    for (int i = 0; i < RANDOM_TRIES && first.it == NULL; i++) {
        struct item *it = keyspace_random(c->ks, c->db, cmd_random(c));

        if (it == NULL) {
            break;
        }
        (void)stop_at_live(&first, it);
    }
    if (first.it == NULL) {
        keyspace_each(c->ks, c->db, stop_at_live, &first);
    }
    return first.it;
}

static uint64_t all_keys(struct cmd *c)
{
    uint64_t size = 0;

    for (size_t i = 0; groups_use(c, i); i++) {
        access_all(c);
        size += keyspace_size(c->ks, c->db);
    }
    return size;
}

/* From the group that holds the @nth key; when all there have expired, from one behind it. */
static struct item *random_from(struct cmd *c, uint64_t nth)
{
    struct item *it = NULL;

    for (size_t i = 0; groups_use(c, i); i++) {
        uint64_t size = keyspace_size(c->ks, c->db);

        if (nth >= size && size > 0) {
            nth -= size;
        } else if (it == NULL) {
            it = random_live(c);
            nth = 0;
        }
    }
    return it;
}

void cmd_randomkey(struct cmd *c)
{
    uint64_t keys = all_keys(c);
    struct item *it = random_from(c, c->span == NULL ? 0 : cmd_random(c) % MAX_OF(keys, 1u));

    if (it == NULL && c->span != NULL) {
        it = random_from(c, 0);
    }
    if (it == NULL) {
        resp_null(c->reply);
    } else {
        struct arg name = item_key(it);

        resp_bulk(c->reply, name.p, name.n);
    }
}

void cmd_dbsize(struct cmd *c) { resp_int(c->reply, (int64_t)all_keys(c)); }
