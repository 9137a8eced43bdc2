/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/string.c - commands on strings: SET and its kin, ranges, counters.
 *
 * Order of checks and texts as in Redis 7.0. Effects are absolute: relative times become PXAT,
 * float results become SET ... KEEPTTL, and the condition of NX, XX and MSETNX is gone, since the
 * log carries only what came of it. */
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/expire_time.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <math.h>
#include <stdlib.h>

static const char not_float[] = "ERR value is not a valid float";

/* ---- replies and checks ----------------------------------------------------------------- */

static void reply_string(struct cmd *c, const struct item *it)
{
    char scratch[24];
    struct arg s = item_string(it, scratch);

    resp_bulk(c->reply, s.p, s.n);
}

/* What a command gives that sets @k as well; that there was none counts as a miss of a read. */
static void reply_old_value(struct cmd *c, const struct key *k, const struct item *it)
{
    if (it != NULL) {
        reply_string(c, it);
    } else {
        notify(c, NOTIFY_KEY_MISS, "keymiss", k);
        resp_null(c->reply);
    }
}

/* The string at argument @i for reading, or NULL: then the reply (null, WRONGTYPE) is written. */
static struct item *read_string_or_reply(struct cmd *c, int i, struct key *k)
{
    struct item *it = access_read(c, &c->argv[i], k);

    if (it == NULL) {
        resp_null(c->reply);
        return NULL;
    }
    return access_type_ok(c, it, ITEM_STRING) ? it : NULL;
}

/* May a string of @len bytes (@old + @added, not yet added: they may overflow) come to be? What
 * the log says came to be on the leader already. */
static bool length_ok(struct cmd *c, uint64_t old, uint64_t added)
{
    if (c->applying) {
        return true;
    }
    if (added > INT64_MAX - old || old + added > (uint64_t)cmd_string_max(c)) {
        resp_error(c->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return false;
    }
    return true;
}

/* ---- SET, SETNX, SETEX, PSETEX, GETEX --------------------------------------------------- */

enum set_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4, /* GETEX only */
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
};
#define SET_TIMES (SET_EX | SET_PX | SET_EXAT | SET_PXAT)

struct set_options {
    unsigned flags;
    int time_arg; /* index of the time's argument; 0: none */
};

/* The words of SET and GETEX: which may stand beside which. A word may be repeated; the last
 * time wins. */
static const struct option_word {
    const char *word;
    unsigned flag;
    unsigned excludes;
    bool set, getex; /* belongs to that command */
} option_words[] = {
    {"NX", SET_NX, SET_XX, true, false},
    {"XX", SET_XX, SET_NX, true, false},
    {"GET", SET_GET, 0, true, false},
    {"KEEPTTL", SET_KEEPTTL, SET_PERSIST | SET_TIMES, true, false},
    {"PERSIST", SET_PERSIST, SET_KEEPTTL | SET_TIMES, false, true},
    {"EX", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EX), true, true},
    {"PX", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PX), true, true},
    {"EXAT", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EXAT), true, true},
    {"PXAT", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PXAT), true, true},
};

/* Read the options from argument @first on, or reply a syntax error. */
static bool parse_options(struct cmd *c, int first, bool getex, struct set_options *o)
{
    *o = (struct set_options){0};
    for (int i = first; i < c->argc; i++) {
        const struct option_word *w = NULL;

        for (size_t j = 0; j < ARRAY_LEN(option_words); j++) {
            if ((getex ? option_words[j].getex : option_words[j].set) &&
                arg_is(&c->argv[i], option_words[j].word)) {
                w = &option_words[j];
                break;
            }
        }
        if (w == NULL || (o->flags & w->excludes) != 0 ||
            ((w->flag & SET_TIMES) != 0 && i + 1 == c->argc)) {
            cmd_reply_syntax_error(c);
            return false;
        }
        o->flags |= w->flag;
        if ((w->flag & SET_TIMES) != 0) {
            o->time_arg = ++i;
        }
    }
    return true;
}

/* The time the options ask for as wall ms; KEEP_EXPIRE or NO_EXPIRE without one. Replies when it
 * is none. */
static bool option_time(struct cmd *c, const struct set_options *o, int64_t *expire_at)
{
    if (o->time_arg == 0) {
        *expire_at = (o->flags & SET_KEEPTTL) != 0 ? KEYSPACE_KEEP_EXPIRE : KEYSPACE_NO_EXPIRE;
        return true;
    }
    return expire_time_positive(c, o->time_arg, (o->flags & (SET_EX | SET_EXAT)) != 0,
                                (o->flags & (SET_EX | SET_PX)) != 0, expire_at);
}

/* Set argument 1 to argument @value and log it. */
static void set_and_log(struct cmd *c, const struct key *k, struct item *it, int value,
                        int64_t expire_at)
{
    const struct arg *v = &c->argv[value];

    access_set_string(c, k, it, v->p, v->n, expire_at);
    effect_set(c, k, v->p, v->n, expire_at);
    notify(c, NOTIFY_STRING, "set", k);
    if (expire_at >= 0) {
        notify(c, NOTIFY_GENERIC, "expire", k);
    }
}

void cmd_set(struct cmd *c)
{
    struct set_options o;
    struct key k;
    struct item *it;
    int64_t expire_at;
    bool get;

    if (!parse_options(c, 3, false, &o) || !option_time(c, &o, &expire_at)) {
        return;
    }
    get = (o.flags & SET_GET) != 0;
    it = access_write(c, &c->argv[1], &k);
    if (get) { /* answers with the old value, whether or not the new one is set */
        if (!access_type_ok(c, it, ITEM_STRING)) {
            return;
        }
        reply_old_value(c, &k, it);
    }
    if (((o.flags & SET_NX) != 0 && it != NULL) || ((o.flags & SET_XX) != 0 && it == NULL)) {
        if (!get) {
            resp_null(c->reply);
        }
        return;
    }
    set_and_log(c, &k, it, 2, expire_at);
    if (!get) {
        cmd_reply_ok(c);
    }
}

void cmd_setnx(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);

    if (it == NULL) {
        set_and_log(c, &k, NULL, 2, KEYSPACE_NO_EXPIRE);
    }
    resp_int(c->reply, it == NULL);
}

static void set_with_ttl(struct cmd *c, bool seconds)
{
    struct key k;
    int64_t expire_at;

    if (!expire_time_positive(c, 2, seconds, true, &expire_at)) {
        return;
    }
    set_and_log(c, &k, access_write(c, &c->argv[1], &k), 3, expire_at);
    cmd_reply_ok(c);
}

void cmd_setex(struct cmd *c) { set_with_ttl(c, true); }

void cmd_psetex(struct cmd *c) { set_with_ttl(c, false); }

void cmd_getex(struct cmd *c)
{
    struct set_options o;
    struct key k;
    struct item *it;
    int64_t expire_at = KEYSPACE_NO_EXPIRE;

    if (!parse_options(c, 2, true, &o)) {
        return;
    }
    it = read_string_or_reply(c, 1, &k);
    if (it == NULL || (o.time_arg != 0 && !option_time(c, &o, &expire_at))) {
        return;
    }
    reply_string(c, it);
    if (o.time_arg != 0) {
        expire_set_or_delete(c, &k, it, expire_at);
    } else if ((o.flags & SET_PERSIST) != 0 &&
               keyspace_expire_at(c->ks, it) != KEYSPACE_NO_EXPIRE) {
        access_set_expire(c, &k, it, KEYSPACE_NO_EXPIRE);
        effect_pexpireat(c, &k, KEYSPACE_NO_EXPIRE);
        notify(c, NOTIFY_GENERIC, "persist", &k);
    }
}

/* ---- plain reads, GETDEL, GETSET -------------------------------------------------------- */

void cmd_get(struct cmd *c)
{
    struct key k;
    struct item *it = read_string_or_reply(c, 1, &k);

    if (it != NULL) {
        reply_string(c, it);
    }
}

void cmd_getdel(struct cmd *c)
{
    struct key k;
    struct item *it = read_string_or_reply(c, 1, &k);

    if (it != NULL) {
        reply_string(c, it);
        access_delete(c, &k, it);
        effect_del(c, &k);
        notify(c, NOTIFY_GENERIC, "del", &k);
    }
}

void cmd_getset(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);

    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    reply_old_value(c, &k, it);
    set_and_log(c, &k, it, 2, KEYSPACE_NO_EXPIRE);
}

void cmd_strlen(struct cmd *c)
{
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);

    if (access_type_ok(c, it, ITEM_STRING)) {
        resp_int(c->reply, it != NULL ? (int64_t)item_string_len(it) : 0);
    }
}

void cmd_mget(struct cmd *c)
{
    struct key k;

    resp_array(c->reply, (size_t)(c->argc - 1));
    for (int i = 1; i < c->argc; i++) {
        struct item *it = access_read(c, &c->argv[i], &k);

        if (it != NULL && item_type(it) == ITEM_STRING) {
            reply_string(c, it);
        } else {
            resp_null(c->reply);
        }
    }
}

/* ---- MSET, MSETNX ----------------------------------------------------------------------- */

static void set_pairs(struct cmd *c)
{
    for (int i = 1; i < c->argc; i += 2) {
        const struct arg *v = &c->argv[i + 1];
        struct key k;
        struct item *it = access_write(c, &c->argv[i], &k);

        access_set_string(c, &k, it, v->p, v->n, KEYSPACE_NO_EXPIRE);
        notify(c, NOTIFY_STRING, "set", &k);
    }
}

void cmd_mset(struct cmd *c)
{
    if (c->argc % 2 == 0) {
        cmd_reply_arity_error(c);
        return;
    }
    set_pairs(c);
    effect_verbatim(c);
    cmd_reply_ok(c);
}

void cmd_msetnx(struct cmd *c)
{
    struct arg *argv;
    struct key k;

    if (c->argc % 2 == 0) {
        cmd_reply_arity_error(c);
        return;
    }
    for (int i = 1; i < c->argc; i += 2) {
        if (access_write(c, &c->argv[i], &k) != NULL) {
            resp_int(c->reply, 0);
            return;
        }
    }
    set_pairs(c);
    argv = mem_dup(c->argv, (size_t)c->argc * sizeof *argv);
    argv[0] = (struct arg){"MSET", 4};
    effect_args(c, argv, (size_t)c->argc);
    free(argv);
    resp_int(c->reply, 1);
}

/* ---- parts of strings ------------------------------------------------------------------- */

/* Memory for a longer string is out. On a replica that is the end: it must not diverge. */
static void edit_failed(struct cmd *c)
{
    if (c->applying) {
        log_fatal("out of memory while applying a change of a string");
    }
    resp_error(c->reply, "OOM not enough memory for the string");
}

void cmd_append(struct cmd *c)
{
    const struct arg *tail = &c->argv[2];
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    size_t len = 0;
    char *p;

    if (it == NULL) {
        access_set_string(c, &k, NULL, tail->p, tail->n, KEYSPACE_NO_EXPIRE);
    } else {
        if (!access_type_ok(c, it, ITEM_STRING)) {
            return;
        }
        len = item_string_len(it);
        if (!length_ok(c, len, tail->n)) {
            return;
        }
        p = access_edit_string(c, &k, &it, len + tail->n);
        if (p == NULL) {
            edit_failed(c);
            return;
        }
        if (tail->n > 0) {
            memcpy(p + len, tail->p, tail->n);
        }
    }
    effect_verbatim(c);
    notify(c, NOTIFY_STRING, "append", &k);
    resp_int(c->reply, (int64_t)(len + tail->n));
}

void cmd_setrange(struct cmd *c)
{
    const struct arg *part = &c->argv[3];
    struct key k;
    struct item *it;
    int64_t offset;
    size_t len, end;
    char *p;

    if (!cmd_arg_i64(c, 2, &offset, NULL)) {
        return;
    }
    if (offset < 0) {
        resp_error(c->reply, "ERR offset is out of range");
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    len = it != NULL ? item_string_len(it) : 0;
    if (part->n == 0) {
        resp_int(c->reply, (int64_t)len);
        return;
    }
    if (!length_ok(c, (uint64_t)offset, part->n)) {
        return;
    }
    end = (size_t)offset + part->n;
    if (it == NULL) {
        /* Made by way of the empty string, which is gone again should memory be out. */
        it = access_set_string(c, &k, NULL, "", 0, KEYSPACE_NO_EXPIRE);
        p = access_edit_string(c, &k, &it, end);
        if (p == NULL) {
            access_delete(c, &k, it);
            effect_del(c, &k);
            edit_failed(c);
            return;
        }
    } else {
        p = access_edit_string(c, &k, &it, MAX_OF(len, end));
        if (p == NULL) {
            edit_failed(c);
            return;
        }
    }
    memcpy(p + offset, part->p, part->n);
    effect_verbatim(c);
    notify(c, NOTIFY_STRING, "setrange", &k);
    resp_int(c->reply, (int64_t)MAX_OF(len, end));
}

void cmd_getrange(struct cmd *c)
{
    char scratch[24];
    struct key k;
    struct item *it;
    struct arg s;
    int64_t start, end, len;

    if (!cmd_arg_i64(c, 2, &start, NULL) || !cmd_arg_i64(c, 3, &end, NULL)) {
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    s = it != NULL ? item_string(it, scratch) : (struct arg){"", 0};
    len = (int64_t)s.n;
    if (start < 0 && end < 0 && start > end) {
        resp_bulk(c->reply, "", 0);
        return;
    }
    start = start < 0 ? MAX_OF(len + start, 0) : start;
    end = end < 0 ? MAX_OF(len + end, 0) : end;
    end = MIN_OF(end, len - 1);
    if (start > end) {
        resp_bulk(c->reply, "", 0);
    } else {
        resp_bulk(c->reply, s.p + start, (size_t)(end - start + 1));
    }
}

void cmd_substr(struct cmd *c) { cmd_getrange(c); }

/* ---- counters --------------------------------------------------------------------------- */

static void add_to_counter(struct cmd *c, int64_t by)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    int64_t v = 0;

    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    if (it != NULL && !item_string_i64(it, &v)) {
        cmd_reply_not_integer(c);
        return;
    }
    if (__builtin_add_overflow(v, by, &v)) {
        resp_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    access_set_i64(c, &k, it, v, KEYSPACE_KEEP_EXPIRE);
    effect_verbatim(c);
    notify(c, NOTIFY_STRING, "incrby", &k);
    resp_int(c->reply, v);
}

void cmd_incr(struct cmd *c) { add_to_counter(c, 1); }

void cmd_decr(struct cmd *c) { add_to_counter(c, -1); }

void cmd_incrby(struct cmd *c)
{
    int64_t by;

    if (cmd_arg_i64(c, 2, &by, NULL)) {
        add_to_counter(c, by);
    }
}

void cmd_decrby(struct cmd *c)
{
    int64_t by;

    if (!cmd_arg_i64(c, 2, &by, NULL)) {
        return;
    }
    if (by == INT64_MIN) {
        resp_error(c->reply, "ERR decrement would overflow");
        return;
    }
    add_to_counter(c, -by);
}

void cmd_incrbyfloat(struct cmd *c)
{
    char scratch[24], text[NUM_LD_MAX_CHARS];
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    struct arg s = {"0", 1};
    long double v, by;
    size_t n;

    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    if (it != NULL) {
        s = item_string(it, scratch);
    }
    if (!num_parse_ld(s.p, s.n, &v) || !num_parse_ld(c->argv[2].p, c->argv[2].n, &by)) {
        resp_error(c->reply, not_float);
        return;
    }
    v += by;
    if (isnan(v) || isinf(v)) {
        resp_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    n = num_print_ld(text, v);
    access_set_string(c, &k, it, text, n, KEYSPACE_KEEP_EXPIRE);
    effect_set(c, &k, text, n, KEYSPACE_KEEP_EXPIRE);
    notify(c, NOTIFY_STRING, "incrbyfloat", &k);
    resp_bulk(c->reply, text, n);
}
