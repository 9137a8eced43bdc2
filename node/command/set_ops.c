/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/set_ops.c - SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD, SMEMBERS. Source:
 * the Redis command pages.
 *
 * A STORE form logs itself as given: what it stores depends on the data alone. */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/set.h"

#include <stdlib.h>

enum op { OP_INTER, OP_UNION, OP_DIFF };

/* The sets that keys name; NULL where there is none. */
struct inputs {
    struct item **sets;
    size_t n;
};

/* Look up argv[@first .. @first + @n); false: replied. */
static bool inputs_init(struct cmd *c, int first, size_t n, struct inputs *in)
{
    in->n = n;
    in->sets = mem_try_alloc(n * sizeof(struct item *));
    if (in->sets == NULL) {
        resp_error(c->reply, "OOM no memory for so many keys");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct key k;

        in->sets[i] = access_read(c, &c->argv[first + (int)i], &k);
        if (!access_type_ok(c, in->sets[i], ITEM_SET)) {
            free(in->sets);
            return false;
        }
    }
    return true;
}

static size_t len_of(const struct item *it) { return it == NULL ? 0 : set_len(it); }

/* ---- the three operations ------------------------------------------------------------------ */

/* Where members of the result go; false: enough. */
struct output {
    set_each_fn *fn;
    void *arg;
    const struct inputs *in;
    size_t skip; /* the input that is being walked */
};

static bool in_all_others(void *arg, struct arg member)
{
    const struct output *o = arg;

    for (size_t i = 0; i < o->in->n; i++) {
        if (i != o->skip && o->in->sets[i] != o->in->sets[o->skip] &&
            !set_has(o->in->sets[i], member.p, member.n)) {
            return true;
        }
    }
    return o->fn(o->arg, member);
}

/* Walk the smallest and ask the others. */
static void inter(const struct inputs *in, set_each_fn *fn, void *arg)
{
    struct output o = {fn, arg, in, 0};

    for (size_t i = 0; i < in->n; i++) {
        if (in->sets[i] == NULL) {
            return;
        }
        if (set_len(in->sets[i]) < set_len(in->sets[o.skip])) {
            o.skip = i;
        }
    }
    set_each(item_value(in->sets[o.skip]), in_all_others, &o);
}

static bool in_no_other(void *arg, struct arg member)
{
    const struct output *o = arg;

    for (size_t i = 1; i < o->in->n; i++) {
        if (o->in->sets[i] != NULL && set_has(o->in->sets[i], member.p, member.n)) {
            return true;
        }
    }
    return o->fn(o->arg, member);
}

/* A result under construction: a set that is in no keyspace. */
struct result {
    struct cmd *c;
    struct item *it;
};

static struct result result_new(struct cmd *c)
{
    return (struct result){c, item_detached(set_new())};
}

static bool result_add(void *arg, struct arg member)
{
    struct result *r = arg;

    (void)set_add(r->it, member.p, member.n, cmd_types_limits(r->c), keyspace_hash_key(r->c->ks));
    return true;
}

static bool result_remove(void *arg, struct arg member)
{
    struct result *r = arg;

    (void)set_remove(r->it, member.p, member.n);
    return set_len(r->it) > 0;
}

/* Asking all others for each member of the first costs less than adding and removing all of them?
 */
static bool asking_is_cheaper(const struct inputs *in)
{
    size_t ask = 0, remove = 0;

    for (size_t i = 0; i < in->n; i++) {
        ask += len_of(in->sets[0]);
        remove += len_of(in->sets[i]);
    }
    return ask / 2 <= remove;
}

static void diff(struct cmd *c, const struct inputs *in, set_each_fn *fn, void *arg)
{
    struct output o = {fn, arg, in, 0};
    struct result r;

    if (in->sets[0] == NULL) {
        return;
    }
    if (asking_is_cheaper(in)) {
        set_each(item_value(in->sets[0]), in_no_other, &o);
        return;
    }
    r = result_new(c);
    set_each(item_value(in->sets[0]), result_add, &r);
    for (size_t i = 1; i < in->n && set_len(r.it) > 0; i++) {
        if (in->sets[i] != NULL) {
            set_each(item_value(in->sets[i]), result_remove, &r);
        }
    }
    set_each(item_value(r.it), fn, arg);
    item_free(r.it);
}

static struct result unite(struct cmd *c, const struct inputs *in)
{
    struct result r = result_new(c);

    for (size_t i = 0; i < in->n; i++) {
        if (in->sets[i] != NULL) {
            set_each(item_value(in->sets[i]), result_add, &r);
        }
    }
    return r;
}

static struct result compute(struct cmd *c, enum op op, const struct inputs *in)
{
    struct result r;

    if (op == OP_UNION) {
        return unite(c, in);
    }
    r = result_new(c);
    if (op == OP_INTER) {
        inter(in, result_add, &r);
    } else {
        diff(c, in, result_add, &r);
    }
    return r;
}

/* ---- replying ------------------------------------------------------------------------------ */

struct listing {
    struct resp_out *reply;
    size_t n;
};

static bool list_member(void *arg, struct arg member)
{
    struct listing *l = arg;

    resp_bulk(l->reply, member.p, member.n);
    l->n++;
    return true;
}

static void reply_with(struct cmd *c, enum op op)
{
    struct listing l = {c->reply, 0};
    struct inputs in;
    size_t at;

    if (!inputs_init(c, 1, (size_t)c->argc - 1, &in)) {
        return;
    }
    at = resp_deferred_begin(c->reply);
    if (op == OP_INTER) {
        inter(&in, list_member, &l);
    } else if (op == OP_DIFF) {
        diff(c, &in, list_member, &l);
    } else {
        struct result r = unite(c, &in);

        set_each(item_value(r.it), list_member, &l);
        item_free(r.it);
    }
    resp_deferred_set(c->reply, at, l.n);
    free(in.sets);
}

void cmd_sinter(struct cmd *c) { reply_with(c, OP_INTER); }
void cmd_sunion(struct cmd *c) { reply_with(c, OP_UNION); }
void cmd_sdiff(struct cmd *c) { reply_with(c, OP_DIFF); }

void cmd_smembers(struct cmd *c)
{
    struct listing l = {c->reply, 0};
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);

    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    resp_set(c->reply, len_of(it));
    if (it != NULL) {
        set_each(item_value(it), list_member, &l);
    }
}

/* ---- storing ------------------------------------------------------------------------------- */

static void store(struct cmd *c, enum op op, const char *event)
{
    struct inputs in;
    struct result r;
    struct item *old;
    struct key k;
    size_t n;

    if (!inputs_init(c, 2, (size_t)c->argc - 2, &in)) {
        return;
    }
    r = compute(c, op, &in);
    free(in.sets);
    n = set_len(r.it);
    old = access_write(c, &c->argv[1], &k);
    if (n > 0) {
        (void)access_set_value(c, &k, old, item_detached_take(r.it), KEYSPACE_NO_EXPIRE);
        effect_verbatim(c);
        notify(c, NOTIFY_SET, event, &k);
    } else {
        item_free(r.it);
        if (old != NULL) {
            access_delete(c, &k, old);
            effect_del(c, &k);
            notify(c, NOTIFY_GENERIC, "del", &k);
        }
    }
    resp_int(c->reply, (int64_t)n);
}

void cmd_sinterstore(struct cmd *c) { store(c, OP_INTER, "sinterstore"); }
void cmd_sunionstore(struct cmd *c) { store(c, OP_UNION, "sunionstore"); }
void cmd_sdiffstore(struct cmd *c) { store(c, OP_DIFF, "sdiffstore"); }

/* ---- SINTERCARD ---------------------------------------------------------------------------- */

struct counting {
    int64_t n, limit; /* limit 0: none */
};

static bool count_member(void *arg, struct arg member)
{
    struct counting *n = arg;

    (void)member;
    return ++n->n != n->limit;
}

void cmd_sintercard(struct cmd *c)
{
    struct counting count = {0};
    struct inputs in;
    int64_t n;

    if (!cmd_arg_range(c, 1, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0")) {
        return;
    }
    if (n > c->argc - 2) {
        resp_error(c->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (int i = (int)n + 2; i < c->argc; i += 2) {
        if (!arg_is(&c->argv[i], "limit") || i + 1 == c->argc) {
            cmd_reply_syntax_error(c);
            return;
        }
        if (!cmd_arg_range(c, i + 1, 0, INT64_MAX, &count.limit, "ERR LIMIT can't be negative")) {
            return;
        }
    }
    if (!inputs_init(c, 2, (size_t)n, &in)) {
        return;
    }
    inter(&in, count_member, &count);
    free(in.sets);
    resp_int(c->reply, count.n);
}
