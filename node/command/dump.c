/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/dump.c - DUMP, RESTORE and RESTORE-ASKING: one value as bytes, and back.
 *
 * The log gets RESTORE key ms payload ABSTTL REPLACE, with a payload that a stock Redis 7.0 takes:
 * the client's, or, when that came from another version, one made from the value. How long the key
 * was idle, or how often used, is no data and stays on the leader. A payload is believed in
 * nothing: node/rdb/ checks every length, entry and member. */
#include "base/buf.h"
#include "base/log.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/migrate.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/rdb/rdb.h"

void cmd_dump(struct cmd *c)
{
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);
    struct buf payload;

    if (it == NULL) {
        resp_null(c->reply);
        return;
    }
    buf_init(&payload);
    rdb_dump(it, cmd_compresses(c), &payload);
    resp_bulk(c->reply, buf_head(&payload), payload.len);
    buf_release(&payload);
}

/* ---- RESTORE ---------------------------------------------------------------------------- */

#define IDLE_MAX 0xffffff /* the access clock goes round */

struct restore_options {
    bool replace, absolute;
    int64_t idle, freq; /* -1: not given */
};

/* IDLETIME or FREQ at argument *@i and its number, unless the other one was given. */
static bool access_option(struct cmd *c, int *i, int64_t other, int64_t max,
                          const char *range_error, int64_t *out)
{
    if (*i + 1 == c->argc || other != -1) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if (!cmd_arg_i64(c, ++*i, out, NULL)) {
        return false;
    }
    if (*out < 0 || *out > max) {
        resp_error(c->reply, range_error);
        return false;
    }
    return true;
}

static bool parse_options(struct cmd *c, struct restore_options *o)
{
    *o = (struct restore_options){.idle = -1, .freq = -1};
    for (int i = 4; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "REPLACE")) {
            o->replace = true;
        } else if (arg_is(&c->argv[i], "ABSTTL")) {
            o->absolute = true;
        } else if (arg_is(&c->argv[i], "IDLETIME")) {
            if (!access_option(c, &i, o->freq, INT64_MAX,
                               "ERR Invalid IDLETIME value, must be >= 0", &o->idle)) {
                return false;
            }
        } else if (arg_is(&c->argv[i], "FREQ")) {
            if (!access_option(c, &i, o->idle, UINT8_MAX,
                               "ERR Invalid FREQ value, must be >= 0 and <= 255", &o->freq)) {
                return false;
            }
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* When the key is to go: wall ms, or KEYSPACE_NO_EXPIRE. */
static bool time_arg(struct cmd *c, bool absolute, int64_t *expire_at)
{
    int64_t t;

    if (!cmd_arg_i64(c, 2, &t, NULL)) {
        return false;
    }
    if (t < 0) {
        resp_error(c->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    *expire_at = KEYSPACE_NO_EXPIRE;
    if (t == 0) {
        return true;
    }
    if (!absolute && c->applying) {
        resp_error(c->reply, "ERR a relative time to live stands in the log");
        return false;
    }
    if (!absolute && __builtin_add_overflow(t, c->now_ms, &t)) {
        resp_errorf(c->reply, "ERR invalid expire time in '%s' command", c->command->full_name);
        return false;
    }
    *expire_at = t;
    return true;
}

static void reply_bad_payload(struct cmd *c, int rc)
{
    switch (rc) {
    case RDB_ERR_CHECKSUM:
    case RDB_ERR_VERSION:
        resp_error(c->reply, "ERR DUMP payload version or checksum are wrong");
        break;
    case RDB_ERR_NOMEM:
        if (c->applying) {
            log_fatal("out of memory for a value from the log"); /* the leader has it */
        }
        resp_error(c->reply, "OOM no memory for the value");
        break;
    default:
        resp_error(c->reply, "ERR Bad data format");
        break;
    }
}

static bool read_payload(struct cmd *c, struct rdb_restored *out)
{
    const struct arg *payload = &c->argv[3];
    /* What the log says came to be on the leader already. */
    uint64_t string_max = c->applying ? UINT64_MAX : (uint64_t)cmd_string_max(c);
    int rc = rdb_restore(payload->p, payload->n, cmd_types_limits(c), keyspace_hash_key(c->ks),
                         string_max, out);

    if (rc != RDB_OK) {
        reply_bad_payload(c, rc);
    }
    return rc == RDB_OK;
}

static struct item *set_value(struct cmd *c, const struct key *k, struct item *it,
                              struct rdb_restored *value, int64_t expire_at)
{
    if (value->value != NULL) {
        return access_set_value(c, k, it, rdb_restored_take(value), expire_at);
    }
    return access_set_string(c, k, it, value->string, value->n, expire_at);
}

static void set_access(struct cmd *c, struct item *it, const struct restore_options *o)
{
    uint32_t now = cmd_access_clock_new(c);

    if (o->freq >= 0 && cmd_access_is_lfu(c)) {
        item_set_access(it, (now & ~(uint32_t)UINT8_MAX) | (uint32_t)o->freq);
    } else if (o->idle >= 0 && !cmd_access_is_lfu(c)) {
        item_set_access(it, (now - (uint32_t)MIN_OF(o->idle, IDLE_MAX)) & IDLE_MAX);
    }
}

static void log_restore(struct cmd *c, const struct key *k, int64_t expire_at, struct arg payload,
                        const struct restore_options *o)
{
    char digits[NUM_I64_MAX_CHARS], used[NUM_I64_MAX_CHARS];
    size_t n = num_print_i64(digits, expire_at == KEYSPACE_NO_EXPIRE ? 0 : expire_at);
    struct arg effect[8] = {{"RESTORE", 7}, {k->p, k->n},  {digits, n},
                            payload,        {"ABSTTL", 6}, {"REPLACE", 7}};
    size_t argc = 6;

    if (o->idle >= 0) {
        effect[argc++] = (struct arg){"IDLETIME", 8};
        effect[argc++] = (struct arg){used, num_print_i64(used, o->idle)};
    } else if (o->freq >= 0) {
        effect[argc++] = (struct arg){"FREQ", 4};
        effect[argc++] = (struct arg){used, num_print_i64(used, o->freq)};
    }
    effect_args(c, effect, argc);
}

/* Nothing is created; what was there goes. */
static void restore_expired(struct cmd *c, const struct key *k, struct item *it)
{
    if (it != NULL) {
        access_delete(c, k, it);
        effect_del(c, k);
        notify(c, NOTIFY_GENERIC, "del", k);
    }
    cmd_reply_ok(c);
}

#define RESTORE_OVERHEAD 128 /* bytes of its effect beside name and payload, at most */

static void restore(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at,
                    const struct restore_options *o, struct rdb_restored *value)
{
    struct arg payload = c->argv[3];
    struct buf fresh;

    buf_init(&fresh);
    if (!c->applying) {
        rdb_restored_dump(value, payload.p, payload.n, cmd_compresses(c), &fresh);
    }
    if (fresh.len > 0) {
        payload = (struct arg){buf_head(&fresh), fresh.len};
    }
    if (fresh.len > 0 && k->n + payload.n + RESTORE_OVERHEAD > cmd_effect_max(c)) {
        resp_error(c->reply, "ERR the value is too large for one log entry");
    } else {
        it = set_value(c, k, it, value, expire_at);
        set_access(c, it, o);
        migrate_note_restored(c, &c->argv[1]);
        log_restore(c, k, expire_at, payload, o);
        notify(c, NOTIFY_GENERIC, "restore", k);
        cmd_reply_ok(c);
    }
    buf_release(&fresh);
}

void cmd_restore(struct cmd *c)
{
    struct restore_options o;
    struct rdb_restored value;
    int64_t expire_at;
    struct key k;
    struct item *it;

    if (!parse_options(c, &o)) {
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (it != NULL && !o.replace) {
        resp_error(c->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!time_arg(c, o.absolute, &expire_at) || !read_payload(c, &value)) {
        return;
    }
    if (!c->applying && expire_at != KEYSPACE_NO_EXPIRE && expire_at <= c->now_ms) {
        restore_expired(c, &k, it);
    } else {
        restore(c, &k, it, expire_at, &o, &value);
    }
    rdb_restored_release(&value);
}

/* The same, for a slot that is on its way here. */
void cmd_restore_asking(struct cmd *c) { cmd_restore(c); }
