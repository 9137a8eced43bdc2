/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_migrate.c - MIGRATE: what is sent, and what becomes of the keys. The way between
 * the two is node/migrate.h.
 *
 * The keys are read at once, so that they are sent as of one moment, and deleted when the target
 * has them, which the log has as DEL. A key that others have changed meanwhile is not deleted: the
 * reply is an error, and the old value stays on the target. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/gate.h"
#include "node/keyspace/value.h"
#include "node/migrate.h"
#include "node/node.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/rdb/rdb.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 1000

struct migrate_args {
    bool copy, replace;
    const struct arg *user, *password; /* NULL: none */
    int first, n;                      /* the keys in argv */
    int64_t db, timeout_ms;
};

/* ---- arguments --------------------------------------------------------------------------- */

/* The option at argument *@i; false: an error is replied. */
static bool parse_option(struct cmd *c, int *i, struct migrate_args *a)
{
    const struct arg *word = &c->argv[*i];
    int left = c->argc - *i - 1;

    if (arg_is(word, "COPY")) {
        a->copy = true;
    } else if (arg_is(word, "REPLACE")) {
        a->replace = true;
    } else if (arg_is(word, "AUTH") && left >= 1) {
        a->password = &c->argv[++*i];
    } else if (arg_is(word, "AUTH2") && left >= 2) {
        a->user = &c->argv[++*i];
        a->password = &c->argv[++*i];
    } else if (arg_is(word, "KEYS")) {
        if (c->argv[3].n != 0) {
            resp_error(c->reply, "ERR When using MIGRATE KEYS option, the key argument must be set "
                                 "to the empty string");
            return false;
        }
        a->first = *i + 1;
        a->n = left;
        *i = c->argc;
    } else {
        cmd_reply_syntax_error(c);
        return false;
    }
    return true;
}

static bool parse_args(struct cmd *c, struct migrate_args *a)
{
    *a = (struct migrate_args){.first = 3, .n = 1};
    for (int i = 6; i < c->argc; i++) {
        if (!parse_option(c, &i, a)) {
            return false;
        }
    }
    if (!cmd_arg_i64(c, 5, &a->timeout_ms, NULL) || !cmd_arg_i64(c, 4, &a->db, NULL)) {
        return false;
    }
    if (a->timeout_ms <= 0 || a->timeout_ms > INT64_MAX / 1000000) {
        a->timeout_ms = a->timeout_ms <= 0 ? TIMEOUT_DEFAULT_MS : INT64_MAX / 1000000;
    }
    return true;
}

static bool parse_target(const struct cmd *c, struct net_addr *out)
{
    const struct arg *host = &c->argv[1], *port = &c->argv[2];
    uint64_t number;

    if (host->n == 0 || host->n >= sizeof out->host || memchr(host->p, '\0', host->n) != NULL ||
        !num_parse_u64(port->p, port->n, &number) || number == 0 || number > UINT16_MAX) {
        return false;
    }
    memcpy(out->host, host->p, host->n);
    out->host[host->n] = '\0';
    out->port = (uint16_t)number;
    return true;
}

/* ---- what is sent ------------------------------------------------------------------------ */

static void put_word(struct buf *b, const char *p, size_t n)
{
    buf_printf(b, "$%zu\r\n", n);
    buf_append(b, p, n);
    buf_append(b, "\r\n", 2);
}

static void put_number(struct buf *b, int64_t v)
{
    char digits[NUM_I64_MAX_CHARS];

    put_word(b, digits, num_print_i64(digits, v));
}

static void put_hello(struct migration *m, const struct migrate_args *a)
{
    if (a->password != NULL) {
        buf_printf(&m->hello, "*%d\r\n$4\r\nAUTH\r\n", a->user != NULL ? 3 : 2);
        if (a->user != NULL) {
            put_word(&m->hello, a->user->p, a->user->n);
        }
        put_word(&m->hello, a->password->p, a->password->n);
        m->n_hello++;
    }
    if (a->db != 0) {
        buf_printf(&m->hello, "*2\r\n$6\r\nSELECT\r\n");
        put_number(&m->hello, a->db);
        m->n_hello++;
    }
}

static void put_key(struct cmd *c, struct migration *m, struct item *it, struct arg name)
{
    const char *word = cmd_cluster_enabled(c) ? "RESTORE-ASKING" : "RESTORE";
    int64_t expire_at = keyspace_expire_at(c->ks, it);
    int64_t ttl = expire_at == KEYSPACE_NO_EXPIRE ? 0 : MAX_OF(expire_at - c->now_ms, (int64_t)1);
    struct migrated_key *k = &m->keys[m->n_keys++];
    struct buf payload;

    buf_init(&payload);
    rdb_dump(it, cmd_compresses(c), &payload);
    buf_printf(&m->out, "*%d\r\n", m->replace ? 5 : 4);
    put_word(&m->out, word, strlen(word));
    put_word(&m->out, name.p, name.n);
    put_number(&m->out, ttl);
    put_word(&m->out, buf_head(&payload), payload.len);
    *k = (struct migrated_key){.name = name,
                               .payload = m->out.len - payload.len - 2,
                               .payload_len = payload.len,
                               .expire_at = expire_at};
    if (m->replace) {
        put_word(&m->out, "REPLACE", 7);
    }
    buf_release(&payload);
}

static void put_keys(struct cmd *c, struct migration *m, const struct migrate_args *a)
{
    m->keys = mem_alloc((size_t)a->n * sizeof *m->keys + 1);
    for (int i = a->first; i < a->first + a->n; i++) {
        struct key k;
        struct item *it = access_read(c, &m->argv[i], &k);

        if (it != NULL) {
            put_key(c, m, it, m->argv[i]);
        }
    }
}

/* ---- afterwards -------------------------------------------------------------------------- */

/* The value that was sent, read again, is what @it holds: its bytes alone do not tell, since the
 * order of a big set is its table's. */
static bool is_value_sent(struct cmd *c, const char *payload, size_t n, const struct item *it)
{
    struct rdb_restored was;
    struct item *other;
    bool same = false;

    if (rdb_restore(payload, n, cmd_types_limits(c), keyspace_hash_key(c->ks), UINT64_MAX, &was) !=
        RDB_OK) {
        return false; /* no memory for it: then the key stays */
    }
    if (was.value != NULL && item_type(it) != ITEM_STRING) {
        other = item_detached(rdb_restored_take(&was));
        same = keyspace_same_value(it, other);
        item_free(other);
    }
    rdb_restored_release(&was);
    return same;
}

/* What is at the key is what was sent, and not what came back: a node may be its own target. A
 * batch that came later has marked it; when there is no such mark, nothing has changed. */
static bool is_unchanged(struct cmd *c, const struct migration *m, const struct migrated_key *sent,
                         const struct key *k, const struct item *it)
{
    const struct group *g = m->group;
    const char *payload = buf_head(&m->out) + sent->payload;
    struct buf now;
    bool same;

    if (sent->replaced || g->term != m->term) {
        return false;
    }
    if (g->dirty[k->hash % GROUP_DIRTY_SLOTS] < m->batch) {
        return true;
    }
    if (keyspace_expire_at(c->ks, it) != sent->expire_at) {
        return false;
    }
    buf_init(&now);
    rdb_dump(it, cmd_compresses(c), &now);
    same = now.len == sent->payload_len && memcmp(buf_head(&now), payload, now.len) == 0;
    buf_release(&now);
    return same || is_value_sent(c, payload, sent->payload_len, it);
}

/* Delete what has arrived; returns how many keys have changed and stay. */
static size_t delete_restored(struct cmd *c, const struct migration *m)
{
    struct arg *effect = mem_alloc((m->n_keys + 1) * sizeof *effect);
    size_t changed = 0, n = 0;

    effect[n++] = (struct arg){"DEL", 3};
    for (size_t i = 0; i < m->n_keys; i++) {
        const struct migrated_key *sent = &m->keys[i];
        bool over = sent->expire_at != KEYSPACE_NO_EXPIRE && sent->expire_at <= c->now_ms;
        struct item *it;
        struct key k;

        if (!sent->restored) {
            continue;
        }
        it = access_write(c, &sent->name, &k);
        if (it != NULL && is_unchanged(c, m, sent, &k, it)) {
            access_delete(c, &k, it);
            notify(c, NOTIFY_GENERIC, "del", &k);
            effect[n++] = sent->name;
        } else if (it != NULL || !over) {
            changed++;
        }
    }
    if (n > 1) {
        effect_args(c, effect, n);
    }
    free(effect);
    return changed;
}

static void reply_outcome(struct cmd *c, const struct migration *m, size_t changed)
{
    if (m->error[0] != '\0') {
        resp_errorf(c->reply, "ERR Target instance replied with error: %s", m->error);
        return;
    }
    switch (m->outcome) {
    case MIGRATE_CANNOT_CONNECT:
        resp_error(c->reply, "IOERR error or timeout connecting to the client");
        return;
    case MIGRATE_CANNOT_WRITE:
        resp_error(c->reply, "IOERR error or timeout writing to target instance");
        return;
    case MIGRATE_CANNOT_READ:
        resp_error(c->reply, "IOERR error or timeout reading to target instance");
        return;
    case MIGRATE_NOT_COMMITTED:
        resp_error(c->reply, "TRYAGAIN The keys are not known to be committed: nothing was sent");
        return;
    case MIGRATE_DONE:
        break;
    }
    if (changed > 0) {
        resp_errorf(c->reply,
                    "ERR %zu of the keys were changed while they were sent, and stay here; what "
                    "was sent stays on the target: use REPLACE to send them again",
                    changed);
        return;
    }
    cmd_reply_ok(c);
}

static void migrate_finish(struct cmd *c)
{
    const struct migration *m = migrate_of(c->client);
    size_t changed = m->copy ? 0 : delete_restored(c, m);

    c->lost_error = m->phase_reached == MIGRATE_KEYS ? MIGRATE_LOST_ERROR : NULL;
    reply_outcome(c, m, changed);
}

/* ---- the command ------------------------------------------------------------------------- */

static void fill(struct cmd *c, struct migration *m, const struct migrate_args *a)
{
    m->command = c->command;
    m->group = c->group;
    m->db = c->db;
    m->slot = c->slot;
    m->copy = a->copy;
    m->replace = a->replace;
    m->timeout_us = a->timeout_ms * 1000;
    put_hello(m, a);
    put_keys(c, m, a);
    m->term = c->group->term;
    m->batch = group_open_batch(c->group);
    m->gate = c->gate;
    m->executed = c->node->executions;
}

void cmd_migrate(struct cmd *c)
{
    struct migrate_args a;
    struct migration *m;
    bool known;

    if (c->retry) {
        migrate_finish(c);
        return;
    }
    if (!parse_args(c, &a)) {
        return;
    }
    if (c->client == NULL || c->in_exec || c->group->state != GROUP_SERVING) {
        resp_error(c->reply, "ERR MIGRATE waits for another server, and cannot be part of a "
                             "transaction or a script");
        return;
    }
    m = migrate_new(c->client);
    known = parse_target(c, &m->target);
    m->argc = c->argc;
    m->argv = cmd_copy_args(c->argv, c->argc, NULL);
    if (m->argv == NULL) {
        resp_error(c->reply, "OOM no memory for a copy of the arguments");
    } else {
        fill(c, m, &a);
        if (m->n_keys > 0 && known) {
            c->held = true;
            migrate_begin(m);
            return;
        }
        if (m->n_keys == 0) {
            resp_status(c->reply, "NOKEY");
        } else {
            resp_error(c->reply, "IOERR error or timeout connecting to the client");
        }
    }
    migrate_free(m);
}
