/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash.c - the commands of hashes, but for HRANDFIELD and HSCAN (hash_scan.c).
 * Source: the Redis command pages. */
#include "node/command/hash.h"

#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/hash.h"

#include <math.h>

/* Set a field of the hash at *@it, which is made if there is none; true: the field is new. */
static bool set_field(struct cmd *c, const struct key *k, struct item **it, const struct arg *field,
                      const struct arg *value)
{
    bool hidden = *it != NULL && hash_hides(c, *it, field);

    if (*it == NULL) {
        *it = access_set_value(c, k, NULL, hash_new(), KEYSPACE_NO_EXPIRE);
    }
    return hash_set(*it, field, value, cmd_types_limits(c), keyspace_hash_key(c->ks)) || hidden;
}

/* The same for one that keeps its time to live, if it has one: that is *@at. */
static void update_field(struct cmd *c, const struct key *k, struct item **it,
                         const struct arg *field, const struct arg *value, int64_t *at)
{
    *at = *it == NULL ? KEYSPACE_NO_EXPIRE : hash_time(item_value(*it), field->p, field->n);
    (void)set_field(c, k, it, field, value);
    if (*at != KEYSPACE_NO_EXPIRE) {
        hash_set_time(*it, field->p, field->n, *at, keyspace_hash_key(c->ks));
        keyspace_set_due(c->ks, c->db, *it);
    }
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
    if (!hash_write(c, &k, &it)) {
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

    if (!hash_write(c, &k, &it)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 2, 1, 1)) {
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

    if (hash_see(c, it, field, scratch, &value)) {
        resp_bulk(c->reply, value.p, value.n);
    } else {
        resp_null(c->reply);
    }
}

void cmd_hget(struct cmd *c)
{
    struct item *it;

    if (hash_read(c, &it)) {
        reply_field(c, it, &c->argv[2]);
    }
}

void cmd_hmget(struct cmd *c)
{
    struct item *it;

    if (!hash_read(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        reply_field(c, it, &c->argv[i]);
    }
}

struct listing {
    struct cmd *c;
    const struct item *it;
    bool hides; /* some field */
    bool fields, values;
};

static bool list_field(void *arg, struct arg field, struct arg value)
{
    struct listing *l = arg;

    if (l->hides && hash_hides(l->c, l->it, &field)) {
        return true;
    }
    if (l->fields) {
        resp_bulk(l->c->reply, field.p, field.n);
    }
    if (l->values) {
        resp_bulk(l->c->reply, value.p, value.n);
    }
    return true;
}

static void list_hash(struct cmd *c, bool fields, bool values)
{
    struct listing l = {.c = c, .fields = fields, .values = values};
    struct item *it;
    size_t n = 0;

    if (!hash_read(c, &it)) {
        return;
    }
    if (it != NULL) {
        n = hash_hidden(c, it);
        l.it = it;
        l.hides = n > 0;
        n = hash_len(it) - n;
    }
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

    if (hash_read(c, &it)) {
        resp_int(c->reply, it == NULL ? 0 : (int64_t)(hash_len(it) - hash_hidden(c, it)));
    }
}

void cmd_hexists(struct cmd *c)
{
    char scratch[24];
    struct arg value;
    struct item *it;

    if (hash_read(c, &it)) {
        resp_int(c->reply, hash_see(c, it, &c->argv[2], scratch, &value));
    }
}

void cmd_hstrlen(struct cmd *c)
{
    char scratch[24];
    struct arg value;
    struct item *it;

    if (!hash_read(c, &it)) {
        return;
    }
    resp_int(c->reply, hash_see(c, it, &c->argv[2], scratch, &value) ? (int64_t)value.n : 0);
}

/* ---- removing ------------------------------------------------------------------------------ */

void cmd_hdel(struct cmd *c)
{
    struct item *it;
    struct key k;
    int64_t removed = 0;
    bool empty = false;

    if (!hash_write(c, &k, &it)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 2, 1, (size_t)c->argc - 2)) {
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
    int64_t by, at, value = 0;
    struct arg text;
    struct item *it;
    struct key k;

    if (!cmd_arg_i64(c, 3, &by, NULL) || !hash_write(c, &k, &it)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 2, 1, 1)) {
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
    update_field(c, &k, &it, &c->argv[2], &text, &at);
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_HASH, "hincrby", &k);
    resp_int(c->reply, value);
}

void cmd_hincrbyfloat(struct cmd *c)
{
    char scratch[24], digits[NUM_LD_MAX_CHARS];
    long double by, value = 0;
    int64_t at;
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
    if (!hash_write(c, &k, &it)) {
        return;
    }
    if (!hash_drop_past(c, &k, &it, 2, 1, 1)) {
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
    update_field(c, &k, &it, &c->argv[2], &text, &at);
    access_changed(c, c->db, &k);
    /* The log carries the sum: other machines may add floats differently. */
    hash_log_set(c, &k, at, (struct arg[2]){c->argv[2], text}, 1);
    notify(c, NOTIFY_HASH, "hincrbyfloat", &k);
    resp_bulk(c->reply, text.p, text.n);
}
