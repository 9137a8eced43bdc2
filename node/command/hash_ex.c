/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash_ex.c - HGETDEL, HGETEX, HSETEX. Sources: the Redis command pages (8.0).
 *
 * The log has what came of them: HDEL, HPEXPIREAT, HPERSIST, HSET, HSETEX without a condition and
 * with an absolute time. */
#include "node/command/hash.h"

#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/hash_time.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/hash.h"

#include <stdlib.h>

static void reply_values(struct cmd *c, const struct item *it, int first, size_t n)
{
    char scratch[24];
    struct arg value;

    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        if (hash_see(c, it, &c->argv[first + (int)i], scratch, &value)) {
            resp_bulk(c->reply, value.p, value.n);
        } else {
            resp_null(c->reply);
        }
    }
}

void cmd_hgetdel(struct cmd *c)
{
    struct arg *removed;
    struct item *it;
    struct key k;
    size_t n, n_removed = 0;

    if (!hash_write(c, &k, &it) || !hash_fields_arg(c, 2, 1, &n)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 4, 1, n)) {
        return;
    }
    reply_values(c, it, 4, n);
    removed = mem_alloc(n * sizeof *removed);
    for (size_t i = 0; it != NULL && hash_len(it) > 0 && i < n; i++) {
        const struct arg *field = &c->argv[4 + (int)i];

        if (hash_remove(it, field->p, field->n)) {
            removed[n_removed++] = *field;
        }
    }
    if (n_removed > 0) {
        access_changed(c, c->db, &k);
        hash_log_delete(c, &k, removed, n_removed);
        notify(c, NOTIFY_HASH, "hdel", &k);
        (void)hash_drop_empty(c, &k, it);
    }
    free(removed);
}

/* ---- options ------------------------------------------------------------------------------- */

enum time_option { TIME_NONE, TIME_SET, TIME_PERSIST, TIME_KEEP };
enum set_condition { SET_ALWAYS, SET_NONE_THERE, SET_ALL_THERE };

struct ex_options {
    enum time_option time;
    int64_t at;
    enum set_condition when;
    int fields; /* position of FIELDS */
};

static const struct {
    const char *word;
    bool seconds, relative;
} time_words[] = {
    {"ex", true, true}, {"px", false, true}, {"exat", true, false}, {"pxat", false, false}};

/* 1: argv[*@i] and its value are a time; 0: no such word; -1: replied. */
static int time_option(struct cmd *c, int *i, int64_t *at)
{
    for (size_t w = 0; w < ARRAY_LEN(time_words); w++) {
        if (arg_is(&c->argv[*i], time_words[w].word)) {
            if (++*i == c->argc) {
                cmd_reply_syntax_error(c);
                return -1;
            }
            return hash_time_arg(c, *i, time_words[w].seconds, time_words[w].relative, at) ? 1 : -1;
        }
    }
    return 0;
}

/* The options before FIELDS; those of HSETEX if @sets, else of HGETEX. False: replied. */
static bool ex_options(struct cmd *c, bool sets, struct ex_options *o)
{
    *o = (struct ex_options){.time = TIME_NONE, .at = KEYSPACE_NO_EXPIRE};
    for (int i = 2; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];
        enum time_option time = TIME_NONE;
        int rc;

        if (arg_is(word, "fields")) {
            o->fields = i;
            return true;
        }
        if (sets && o->when == SET_ALWAYS && (arg_is(word, "fnx") || arg_is(word, "fxx"))) {
            o->when = arg_is(word, "fnx") ? SET_NONE_THERE : SET_ALL_THERE;
            continue;
        }
        if (arg_is(word, sets ? "keepttl" : "persist")) {
            time = sets ? TIME_KEEP : TIME_PERSIST;
        } else if (o->time == TIME_NONE) {
            rc = time_option(c, &i, &o->at);
            if (rc < 0) {
                return false;
            }
            time = rc > 0 ? TIME_SET : TIME_NONE;
        }
        if (time == TIME_NONE || o->time != TIME_NONE) {
            cmd_reply_syntax_error(c);
            return false;
        }
        o->time = time;
    }
    o->fields = c->argc; /* hash_fields_arg() says that it is missing */
    return true;
}

/* ---- HGETEX -------------------------------------------------------------------------------- */

void cmd_hgetex(struct cmd *c)
{
    struct hash_timing t;
    struct ex_options o;
    struct item *it;
    struct key k;
    size_t n;

    if (!hash_write(c, &k, &it) || !ex_options(c, false, &o) ||
        !hash_fields_arg(c, o.fields, 1, &n)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, o.fields + 2, 1, n)) {
        return;
    }
    reply_values(c, it, o.fields + 2, n);
    if (it == NULL || o.time == TIME_NONE) {
        return;
    }
    hash_times_begin(&t, c, &k, it, o.at, n);
    for (size_t i = 0; i < n; i++) {
        const struct arg *field = &c->argv[o.fields + 2 + (int)i];

        if (hash_has(it, field->p, field->n) &&
            (o.at != KEYSPACE_NO_EXPIRE ||
             hash_time(item_value(it), field->p, field->n) != KEYSPACE_NO_EXPIRE)) {
            hash_times_put(&t, field);
        }
    }
    (void)hash_times_end(&t);
}

/* ---- HSETEX -------------------------------------------------------------------------------- */

static bool condition_holds(const struct cmd *c, const struct item *it, const struct ex_options *o,
                            size_t n)
{
    if (o->when == SET_ALWAYS) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        const struct arg *field = &c->argv[o->fields + 2 + (int)i * 2];
        bool there = it != NULL && hash_has(it, field->p, field->n);

        if (there != (o->when == SET_ALL_THERE)) {
            return false;
        }
    }
    return true;
}

/* A time that is past: nothing is set, and what is there of the fields goes. */
static void delete_fields(struct cmd *c, const struct key *k, struct item *it,
                          const struct ex_options *o, size_t n)
{
    struct hash_timing t;

    if (it == NULL) {
        return;
    }
    hash_times_begin(&t, c, k, it, o->at, n);
    for (size_t i = 0; i < n; i++) {
        const struct arg *field = &c->argv[o->fields + 2 + (int)i * 2];

        if (hash_has(it, field->p, field->n)) {
            hash_times_put(&t, field);
        }
    }
    (void)hash_times_end(&t);
}

/* The time a field is to have: the one asked for, or the one it has. */
static int64_t new_time(const struct ex_options *o, const struct item *it, const struct arg *field)
{
    return o->time == TIME_KEEP ? hash_time(item_value(it), field->p, field->n) : o->at;
}

/* One effect says all: two would have the fields twice, and might not fit an entry of the log. */
static void log_set(struct cmd *c, const struct key *k, const struct ex_options *o, bool timed,
                    size_t n)
{
    const struct arg *pairs = &c->argv[o->fields + 2];

    if (!timed) {
        hash_log_set(c, k, HASH_LOG_PLAIN, pairs, n);
    } else {
        hash_log_set(c, k, o->time == TIME_KEEP ? HASH_LOG_KEEP : o->at, pairs, n);
    }
}

static void set_pairs(struct cmd *c, const struct key *k, struct item *it,
                      const struct ex_options *o, size_t n)
{
    const struct siphash_key *hash_key = keyspace_hash_key(c->ks);
    bool timed = false;

    if (it == NULL) {
        it = access_set_value(c, k, NULL, hash_new(), KEYSPACE_NO_EXPIRE);
    }
    for (size_t i = 0; i < n; i++) {
        const struct arg *pair = &c->argv[o->fields + 2 + (int)i * 2];
        int64_t at = new_time(o, it, pair);

        (void)hash_set(it, &pair[0], &pair[1], cmd_types_limits(c), hash_key);
        if (at != KEYSPACE_NO_EXPIRE) {
            hash_set_time(it, pair->p, pair->n, at, hash_key);
            timed = true;
        }
    }
    access_changed(c, c->db, k);
    keyspace_set_due(c->ks, c->db, it);
    log_set(c, k, o, timed, n);
    notify(c, NOTIFY_HASH, "hset", k);
    if (o->time == TIME_SET) {
        notify(c, NOTIFY_HASH, "hexpire", k);
    }
}

void cmd_hsetex(struct cmd *c)
{
    struct ex_options o;
    struct item *it;
    struct key k;
    size_t n;

    if (!hash_write(c, &k, &it) || !ex_options(c, true, &o) ||
        !hash_fields_arg(c, o.fields, 2, &n)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, o.fields + 2, 2, n)) {
        return;
    }
    if (!condition_holds(c, it, &o, n)) {
        resp_int(c->reply, 0);
        return;
    }
    if (o.time == TIME_SET && !c->applying && o.at <= c->now_ms) {
        delete_fields(c, &k, it, &o, n);
    } else {
        set_pairs(c, &k, it, &o, n);
    }
    resp_int(c->reply, 1);
}
