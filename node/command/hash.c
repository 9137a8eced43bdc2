/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash.c - the commands of hashes, but for HRANDFIELD and HSCAN (hash_scan.c).
 * Source: the Redis command pages. */
#include "node/types/hash.h"

#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <math.h>

/* The hash at argv[1] for reading; false: replied. NULL: there is none. */
static bool read_hash(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_HASH);
}

static bool write_hash(struct cmd *c, struct key *k, struct item **it)
{
    *it = access_write(c, &c->argv[1], k);
    return access_type_ok(c, *it, ITEM_HASH);
}

/* Set a field of the hash at *@it, which is made if there is none; true: the field is new. */
static bool set_field(struct cmd *c, const struct key *k, struct item **it, const struct arg *field,
                      const struct arg *value)
{
    if (*it == NULL) {
        *it = access_set_value(c, k, NULL, hash_new(), KEYSPACE_NO_EXPIRE);
    }
    return hash_set(*it, field, value, cmd_types_limits(c), keyspace_hash_key(c->ks));
}

/* ---- setting ------------------------------------------------------------------------------- */

static void set_fields(struct cmd *c, bool reply_ok)
{
    struct item *it;
    struct key k;
    int64_t added = 0;

    if (c->argc % 2 != 0) {
        cmd_reply_arity_error(c);
        return;
    }
    if (!write_hash(c, &k, &it)) {
        return;
    }
    for (int i = 2; i < c->argc; i += 2) {
        added += set_field(c, &k, &it, &c->argv[i], &c->argv[i + 1]);
    }
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_HASH, "hset", &k);
    if (reply_ok) {
        cmd_reply_ok(c);
    } else {
        resp_int(c->reply, added);
    }
}

void cmd_hset(struct cmd *c) { set_fields(c, false); }

void cmd_hmset(struct cmd *c) { set_fields(c, true); }

void cmd_hsetnx(struct cmd *c)
{
    struct item *it;
    struct key k;

    if (!write_hash(c, &k, &it)) {
        return;
    }
    if (it != NULL && hash_has(it, c->argv[2].p, c->argv[2].n)) {
        resp_int(c->reply, 0);
        return;
    }
    (void)set_field(c, &k, &it, &c->argv[2], &c->argv[3]);
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_HASH, "hset", &k);
    resp_int(c->reply, 1);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void reply_field(struct cmd *c, const struct item *it, const struct arg *field)
{
    char scratch[24];
    struct arg value;

    if (it != NULL && hash_get(it, field->p, field->n, scratch, &value)) {
        resp_bulk(c->reply, value.p, value.n);
    } else {
        resp_null(c->reply);
    }
}

void cmd_hget(struct cmd *c)
{
    struct item *it;

    if (read_hash(c, &it)) {
        reply_field(c, it, &c->argv[2]);
    }
}

void cmd_hmget(struct cmd *c)
{
    struct item *it;

    if (!read_hash(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        reply_field(c, it, &c->argv[i]);
    }
}

struct listing {
    struct resp_out *reply;
    bool fields, values;
};

static bool list_field(void *arg, struct arg field, struct arg value)
{
    struct listing *l = arg;

    if (l->fields) {
        resp_bulk(l->reply, field.p, field.n);
    }
    if (l->values) {
        resp_bulk(l->reply, value.p, value.n);
    }
    return true;
}

static void list_hash(struct cmd *c, bool fields, bool values)
{
    struct listing l = {c->reply, fields, values};
    struct item *it;
    size_t n;

    if (!read_hash(c, &it)) {
        return;
    }
    n = it == NULL ? 0 : hash_len(it);
    if (fields && values) {
        resp_map(c->reply, n);
    } else {
        resp_array(c->reply, n);
    }
    if (it != NULL) {
        hash_each(item_value(it), list_field, &l);
    }
}

void cmd_hgetall(struct cmd *c) { list_hash(c, true, true); }

void cmd_hkeys(struct cmd *c) { list_hash(c, true, false); }

void cmd_hvals(struct cmd *c) { list_hash(c, false, true); }

void cmd_hlen(struct cmd *c)
{
    struct item *it;

    if (read_hash(c, &it)) {
        resp_int(c->reply, it == NULL ? 0 : (int64_t)hash_len(it));
    }
}

void cmd_hexists(struct cmd *c)
{
    struct item *it;

    if (read_hash(c, &it)) {
        resp_int(c->reply, it != NULL && hash_has(it, c->argv[2].p, c->argv[2].n));
    }
}

void cmd_hstrlen(struct cmd *c)
{
    char scratch[24];
    struct arg value = {"", 0};
    struct item *it;

    if (!read_hash(c, &it)) {
        return;
    }
    if (it != NULL && !hash_get(it, c->argv[2].p, c->argv[2].n, scratch, &value)) {
        value.n = 0;
    }
    resp_int(c->reply, (int64_t)value.n);
}

/* ---- removing ------------------------------------------------------------------------------ */

void cmd_hdel(struct cmd *c)
{
    struct item *it;
    struct key k;
    int64_t removed = 0;
    bool empty = false;

    if (!write_hash(c, &k, &it)) {
        return;
    }
    for (int i = 2; it != NULL && !empty && i < c->argc; i++) {
        removed += hash_remove(it, c->argv[i].p, c->argv[i].n);
        empty = hash_len(it) == 0;
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_HASH, "hdel", &k);
    }
    if (empty) {
        access_delete(c, &k, it);
        notify(c, NOTIFY_GENERIC, "del", &k);
    }
    resp_int(c->reply, removed);
}

/* ---- counting ------------------------------------------------------------------------------ */

void cmd_hincrby(struct cmd *c)
{
    char scratch[24], digits[NUM_I64_MAX_CHARS];
    int64_t by, value = 0;
    struct arg text;
    struct item *it;
    struct key k;

    if (!cmd_arg_i64(c, 3, &by, NULL) || !write_hash(c, &k, &it)) {
        return;
    }
    if (it != NULL && hash_get(it, c->argv[2].p, c->argv[2].n, scratch, &text) &&
        !num_parse_i64(text.p, text.n, &value)) {
        resp_error(c->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        resp_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    text = (struct arg){digits, num_print_i64(digits, value)};
    (void)set_field(c, &k, &it, &c->argv[2], &text);
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_HASH, "hincrby", &k);
    resp_int(c->reply, value);
}

/* The log carries the sum: other machines may add floats differently. */
static void log_field(struct cmd *c, const struct arg *value)
{
    struct arg argv[4] = {{"HSET", 4}, c->argv[1], c->argv[2], *value};

    effect_args(c, argv, 4);
}

void cmd_hincrbyfloat(struct cmd *c)
{
    char scratch[24], digits[NUM_LD_MAX_CHARS];
    long double by, value = 0;
    struct arg text;
    struct item *it;
    struct key k;

    if (!num_parse_ld(c->argv[3].p, c->argv[3].n, &by)) {
        resp_error(c->reply, "ERR value is not a valid float");
        return;
    }
    if (isinf(by)) {
        resp_error(c->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!write_hash(c, &k, &it)) {
        return;
    }
    if (it != NULL && hash_get(it, c->argv[2].p, c->argv[2].n, scratch, &text) &&
        !num_parse_ld(text.p, text.n, &value)) {
        resp_error(c->reply, "ERR hash value is not a float");
        return;
    }
    value += by;
    if (isnan(value) || isinf(value)) {
        resp_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    text = (struct arg){digits, num_print_ld(digits, value)};
    (void)set_field(c, &k, &it, &c->argv[2], &text);
    access_changed(c, c->db, &k);
    log_field(c, &text);
    notify(c, NOTIFY_HASH, "hincrbyfloat", &k);
    resp_bulk(c->reply, text.p, text.n);
}
