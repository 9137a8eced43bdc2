/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/expire.c - times to live: EXPIRE and its kin, TTL and its kin, PERSIST.
 *
 * In the log a time to live is absolute: PEXPIREAT key ms. NX, XX, GT and LT are decided here and
 * not logged. A time in the past is a deletion, on the leader only. */
#include "node/access.h"
#include "node/command/expire_time.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/notify.h"

#include <limits.h>

static void reply_bad_time(struct cmd *c)
{
    resp_errorf(c->reply, "ERR invalid expire time in '%s' command", c->command->full_name);
}

/* A relative time cannot come from the log: this log was not written by Holdfast. Every replica
 * comes to the same end, and whoever applies sees an error reply. */
static bool clock_allowed(struct cmd *c, bool relative)
{
    if (relative && c->applying) {
        resp_error(c->reply, "ERR a relative time to live stands in the log");
        return false;
    }
    return true;
}

bool expire_time_positive(struct cmd *c, int i, bool seconds, bool relative, int64_t *expire_at)
{
    int64_t t;

    if (!cmd_arg_i64(c, i, &t, NULL) || !clock_allowed(c, relative)) {
        return false;
    }
    if (t <= 0 || (seconds && __builtin_mul_overflow(t, INT64_C(1000), &t)) ||
        (relative && __builtin_add_overflow(t, c->now_ms, &t))) {
        reply_bad_time(c);
        return false;
    }
    *expire_at = t;
    return true;
}

void expire_set_or_delete(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at)
{
    if (!c->applying && expire_at <= c->now_ms) {
        access_delete(c, k, it);
        effect_del(c, k);
        notify(c, NOTIFY_GENERIC, "del", k);
        return;
    }
    /* Times before 1970 are as past as 1970, and the keyspace's marks are negative. */
    expire_at = MAX_OF(expire_at, 0);
    access_set_expire(c, k, it, expire_at);
    effect_pexpireat(c, k, expire_at);
    notify(c, NOTIFY_GENERIC, "expire", k);
}

/* ---- EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT ----------------------------------------------- */

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool parse_conditions(struct cmd *c, unsigned *flags)
{
    static const char *const words[] = {"NX", "XX", "GT", "LT"};

    *flags = 0;
    for (int i = 3; i < c->argc; i++) {
        size_t w = 0;

        while (w < ARRAY_LEN(words) && !arg_is(&c->argv[i], words[w])) {
            w++;
        }
        if (w == ARRAY_LEN(words)) {
            resp_errorf(c->reply, "ERR Unsupported option %.*s", (int)MIN_OF(c->argv[i].n, INT_MAX),
                        c->argv[i].p);
            return false;
        }
        *flags |= 1u << w;
    }
    if ((*flags & EXPIRE_NX) != 0 && *flags != EXPIRE_NX) {
        resp_error(c->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & EXPIRE_GT) != 0 && (*flags & EXPIRE_LT) != 0) {
        resp_error(c->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Without a time to live a key lives for ever: no time is greater, any is less. */
static bool conditions_hold(unsigned flags, int64_t now_set, int64_t wanted)
{
    bool has = now_set != KEYSPACE_NO_EXPIRE;

    return !((flags & EXPIRE_NX) != 0 && has) && !((flags & EXPIRE_XX) != 0 && !has) &&
           !((flags & EXPIRE_GT) != 0 && (!has || wanted <= now_set)) &&
           !((flags & EXPIRE_LT) != 0 && has && wanted >= now_set);
}

static void expire_generic(struct cmd *c, bool seconds, bool relative)
{
    unsigned flags;
    int64_t when;
    struct key k;
    struct item *it;

    if (!parse_conditions(c, &flags) || !cmd_arg_i64(c, 2, &when, NULL) ||
        !clock_allowed(c, relative)) {
        return;
    }
    if ((seconds && __builtin_mul_overflow(when, INT64_C(1000), &when)) ||
        (relative && __builtin_add_overflow(when, c->now_ms, &when))) {
        reply_bad_time(c);
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (it == NULL || !conditions_hold(flags, keyspace_expire_at(c->ks, it), when)) {
        resp_int(c->reply, 0);
        return;
    }
    expire_set_or_delete(c, &k, it, when);
    resp_int(c->reply, 1);
}

void cmd_expire(struct cmd *c) { expire_generic(c, true, true); }

void cmd_pexpire(struct cmd *c) { expire_generic(c, false, true); }

void cmd_expireat(struct cmd *c) { expire_generic(c, true, false); }

void cmd_pexpireat(struct cmd *c) { expire_generic(c, false, false); }

void cmd_persist(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);

    if (it == NULL || keyspace_expire_at(c->ks, it) == KEYSPACE_NO_EXPIRE) {
        resp_int(c->reply, 0);
        return;
    }
    access_set_expire(c, &k, it, KEYSPACE_NO_EXPIRE);
    effect_pexpireat(c, &k, KEYSPACE_NO_EXPIRE);
    notify(c, NOTIFY_GENERIC, "persist", &k);
    resp_int(c->reply, 1);
}

/* ---- TTL, PTTL, EXPIRETIME, PEXPIRETIME ------------------------------------------------- */

static void ttl_generic(struct cmd *c, bool seconds, bool absolute)
{
    struct key k;
    struct item *it = access_look(c, &c->argv[1], &k);
    int64_t t;

    if (it == NULL) {
        resp_int(c->reply, -2);
        return;
    }
    t = keyspace_expire_at(c->ks, it);
    if (t == KEYSPACE_NO_EXPIRE) {
        resp_int(c->reply, -1);
        return;
    }
    if (!absolute) {
        t = MAX_OF(t - c->now_ms, 0);
    }
    /* Seconds are rounded to the nearest; unsigned, since the time may be the greatest there is. */
    resp_int(c->reply, seconds ? (int64_t)(((uint64_t)t + 500) / 1000) : t);
}

void cmd_ttl(struct cmd *c) { ttl_generic(c, true, false); }

void cmd_pttl(struct cmd *c) { ttl_generic(c, false, false); }

void cmd_expiretime(struct cmd *c) { ttl_generic(c, true, true); }

void cmd_pexpiretime(struct cmd *c) { ttl_generic(c, false, true); }
