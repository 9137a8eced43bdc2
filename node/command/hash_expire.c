/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash_expire.c - times to live of fields: HEXPIRE and its kin, HTTL and its kin,
 * HPERSIST. Sources: the Redis command pages (7.4).
 *
 * In the log a time is absolute: HPEXPIREAT key ms FIELDS n field ..., of the fields that got it.
 * NX, XX, GT and LT are decided here. A time that is past deletes the field, on the leader only. */
#include "node/command/hash.h"

#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/hash_time.h"
#include "node/effects.h"
#include "node/notify.h"
#include "node/types/hash.h"

#include <stdlib.h>

enum { NO_FIELD = -2, NO_TIME = -1, REFUSED = 0, DONE = 1, DELETED = 2 }; /* replies */

/* Every field of a hash that is not there. */
static void reply_no_fields(struct cmd *c, size_t n)
{
    resp_array(c->reply, n);
    while (n-- > 0) {
        resp_int(c->reply, NO_FIELD);
    }
}

/* ---- times as arguments -------------------------------------------------------------------- */

#define TIME_MAX_MS                                                                                \
    ((INT64_C(1) << 46) - 1) /* Redis's own bound: a file of its could say no more */

bool hash_time_arg(struct cmd *c, int i, bool seconds, bool relative, int64_t *at)
{
    int64_t most = seconds ? TIME_MAX_MS / 1000 : TIME_MAX_MS;
    int64_t t;

    if (!cmd_arg_i64(c, i, &t, NULL)) {
        return false;
    }
    if (t < 0) {
        resp_error(c->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (relative && c->applying) {
        resp_error(c->reply, "ERR a relative time to live stands in the log");
        return false;
    }
    if (t <= most) {
        t = (seconds ? t * 1000 : t) + (relative ? c->now_ms : 0);
    }
    if (t > TIME_MAX_MS) {
        resp_errorf(c->reply, "ERR invalid expire time in '%s' command", c->command->full_name);
        return false;
    }
    *at = t;
    return true;
}

/* ---- setting ------------------------------------------------------------------------------- */

void hash_times_begin(struct hash_timing *t, struct cmd *c, const struct key *k, struct item *it,
                      int64_t at, size_t n)
{
    *t = (struct hash_timing){.c = c, .k = k, .it = it, .at = at};
    t->past = at != KEYSPACE_NO_EXPIRE && !c->applying && at <= c->now_ms;
    t->fields = mem_alloc(n * sizeof *t->fields);
}

void hash_times_put(struct hash_timing *t, const struct arg *field)
{
    if (t->past) {
        (void)hash_remove(t->it, field->p, field->n);
    } else {
        hash_set_time(t->it, field->p, field->n, t->at, keyspace_hash_key(t->c->ks));
    }
    t->fields[t->n++] = *field;
}

struct item *hash_times_end(struct hash_timing *t)
{
    struct cmd *c = t->c;

    if (t->n > 0) {
        access_changed(c, c->db, t->k);
    }
    if (t->n > 0 && t->past) {
        hash_log_delete(c, t->k, t->fields, t->n);
        notify(c, NOTIFY_HASH, "hdel", t->k);
        t->it = hash_drop_empty(c, t->k, t->it);
    } else if (t->n > 0) {
        hash_log_time(c, t->k, t->at, t->fields, t->n);
        keyspace_set_due(c->ks, c->db, t->it);
        notify(c, NOTIFY_HASH, t->at == KEYSPACE_NO_EXPIRE ? "hpersist" : "hexpire", t->k);
    }
    free(t->fields);
    return t->it;
}

enum condition { ALWAYS, IF_NONE, IF_ANY, IF_LATER, IF_EARLIER };

/* NX, XX, GT or LT at argv[3], if it is there; returns where FIELDS is to stand. */
static int condition_arg(const struct cmd *c, enum condition *out)
{
    static const char *const words[] = {"nx", "xx", "gt", "lt"};

    *out = ALWAYS;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (arg_is(&c->argv[3], words[i])) {
            *out = (enum condition)(IF_NONE + i);
            return 4;
        }
    }
    return 3;
}

static bool is_met(enum condition when, int64_t had, int64_t at)
{
    bool none = had == KEYSPACE_NO_EXPIRE; /* lives for ever */

    switch (when) {
    case IF_NONE:
        return none;
    case IF_ANY:
        return !none;
    case IF_LATER:
        return !none && at > had;
    case IF_EARLIER:
        return none || at < had;
    case ALWAYS:
    default:
        return true;
    }
}

static void expire_field(struct hash_timing *t, enum condition when, const struct arg *field)
{
    struct resp_out *out = t->c->reply;

    if (!hash_has(t->it, field->p, field->n)) {
        resp_int(out, NO_FIELD);
    } else if (!is_met(when, hash_time(item_value(t->it), field->p, field->n), t->at)) {
        resp_int(out, REFUSED);
    } else {
        hash_times_put(t, field);
        resp_int(out, t->past ? DELETED : DONE);
    }
}

static void expire(struct cmd *c, bool seconds, bool relative)
{
    enum condition when;
    struct hash_timing t;
    struct item *it;
    struct key k;
    int64_t at;
    size_t n;
    int fields = condition_arg(c, &when);

    if (!hash_write(c, &k, &it) || !hash_time_arg(c, 2, seconds, relative, &at) ||
        !hash_fields_arg(c, fields, 1, &n)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, fields + 2, 1, n)) {
        return;
    }
    if (it == NULL) {
        reply_no_fields(c, n);
        return;
    }
    resp_array(c->reply, n);
    hash_times_begin(&t, c, &k, it, at, n);
    for (size_t i = 0; i < n; i++) {
        expire_field(&t, when, &c->argv[fields + 2 + (int)i]);
    }
    (void)hash_times_end(&t);
}

void cmd_hexpire(struct cmd *c) { expire(c, true, true); }
void cmd_hpexpire(struct cmd *c) { expire(c, false, true); }
void cmd_hexpireat(struct cmd *c) { expire(c, true, false); }
void cmd_hpexpireat(struct cmd *c) { expire(c, false, false); }

static void persist_field(struct hash_timing *t, const struct arg *field)
{
    struct resp_out *out = t->c->reply;

    if (!hash_has(t->it, field->p, field->n)) {
        resp_int(out, NO_FIELD);
    } else if (hash_time(item_value(t->it), field->p, field->n) == KEYSPACE_NO_EXPIRE) {
        resp_int(out, NO_TIME);
    } else {
        hash_times_put(t, field);
        resp_int(out, DONE);
    }
}

void cmd_hpersist(struct cmd *c)
{
    struct hash_timing t;
    struct item *it;
    struct key k;
    size_t n;

    if (!hash_write(c, &k, &it) || !hash_fields_arg(c, 2, 1, &n)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 4, 1, n)) {
        return;
    }
    if (it == NULL) {
        reply_no_fields(c, n);
        return;
    }
    resp_array(c->reply, n);
    hash_times_begin(&t, c, &k, it, KEYSPACE_NO_EXPIRE, n);
    for (size_t i = 0; i < n; i++) {
        persist_field(&t, &c->argv[4 + (int)i]);
    }
    (void)hash_times_end(&t);
}

/* ---- asking -------------------------------------------------------------------------------- */

#define ROUND_UP_MS 999 /* a part of a second counts as one */

static int64_t time_reply(struct cmd *c, const struct item *it, const struct arg *field,
                          bool seconds, bool relative)
{
    int64_t at;

    if (hash_hides(c, it, field) || !hash_has(it, field->p, field->n)) {
        return NO_FIELD;
    }
    at = hash_time(item_value(it), field->p, field->n);
    if (at == KEYSPACE_NO_EXPIRE) {
        return NO_TIME;
    }
    at -= relative ? c->now_ms : 0;
    return seconds ? (at + ROUND_UP_MS) / 1000 : at;
}

static void reply_times(struct cmd *c, bool seconds, bool relative)
{
    struct item *it;
    size_t n;

    if (!hash_read(c, &it) || !hash_fields_arg(c, 2, 1, &n)) {
        return;
    }
    if (it == NULL) {
        reply_no_fields(c, n);
        return;
    }
    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        resp_int(c->reply, time_reply(c, it, &c->argv[4 + (int)i], seconds, relative));
    }
}

void cmd_httl(struct cmd *c) { reply_times(c, true, true); }
void cmd_hpttl(struct cmd *c) { reply_times(c, false, true); }
void cmd_hexpiretime(struct cmd *c) { reply_times(c, true, false); }
void cmd_hpexpiretime(struct cmd *c) { reply_times(c, false, false); }
