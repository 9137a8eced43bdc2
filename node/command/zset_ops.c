/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset_ops.c - ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD. Source: the
 * Redis command pages.
 *
 * Inputs are sorted sets, and sets, whose members have score 1. A STORE form logs itself as given:
 * what it stores depends on the data alone (sums are added in the same order everywhere). */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/zset.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/set.h"

#include <math.h>
#include <stdlib.h>

enum op { OP_UNION, OP_INTER, OP_DIFF };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct input {
    const struct item *it; /* NULL: no such key */
    double weight;
    size_t len, at; /* for sort_inputs() */
};

struct operation {
    struct cmd *c;
    enum op op;
    enum aggregate aggregate;
    bool with_scores;
    int64_t limit; /* ZINTERCARD; 0: none */
    struct input *in;
    size_t n;
};

/* ---- inputs -------------------------------------------------------------------------------- */

static size_t input_len(const struct input *in)
{
    if (in->it == NULL) {
        return 0;
    }
    return item_type(in->it) == ITEM_SET ? set_len(in->it) : zset_len(in->it);
}

/* The score of a member, unweighted; false: there is none. */
static bool input_score(const struct input *in, struct arg member, double *score)
{
    if (in->it == NULL) {
        return false;
    }
    if (item_type(in->it) == ITEM_SET) {
        *score = 1;
        return set_has(in->it, member.p, member.n);
    }
    return zset_score(in->it, member.p, member.n, score);
}

struct set_walk {
    zset_each_fn *fn;
    void *arg;
};

static bool walk_member(void *arg, struct arg member)
{
    struct set_walk *w = arg;

    return w->fn(w->arg, member, 1);
}

static void input_each(const struct input *in, zset_each_fn *fn, void *arg)
{
    struct set_walk w = {fn, arg};

    if (in->it == NULL) {
        return;
    }
    if (item_type(in->it) == ITEM_SET) {
        set_each(item_value(in->it), walk_member, &w);
    } else {
        zset_each(item_value(in->it), fn, arg);
    }
}

/* Inf times 0 is no score. */
static double weighted(const struct input *in, double score)
{
    score *= in->weight;
    return isnan(score) ? 0 : score + 0.0;
}

static double combined(const struct operation *o, double a, double b)
{
    switch (o->aggregate) {
    case AGGREGATE_SUM:
        a += b;
        return isnan(a) ? 0 : a + 0.0; /* inf and -inf */
    case AGGREGATE_MIN:
        return b < a ? b : a;
    case AGGREGATE_MAX:
        return b > a ? b : a;
    }
    return a;
}

/* ---- the three operations ------------------------------------------------------------------ */

static int compare_inputs(const void *pa, const void *pb)
{
    const struct input *a = pa, *b = pb;

    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    return (a->at > b->at) - (a->at < b->at);
}

/* Smallest first, in order of the arguments among equals: less to look at, and floats are added in
 * the order in which Redis adds them. */
static void sort_inputs(struct operation *o)
{
    for (size_t i = 0; i < o->n; i++) {
        o->in[i].len = input_len(&o->in[i]);
        o->in[i].at = i;
    }
    qsort(o->in, o->n, sizeof *o->in, compare_inputs);
}

struct building {
    const struct operation *o;
    const struct input *in; /* that is being walked */
    struct item *result;
    int64_t n; /* found, when only counting */
};

static void put(struct building *b, struct arg member, double score)
{
    struct cmd *c = b->o->c;

    (void)zset_set(b->result, member.p, member.n, score, cmd_types_limits(c),
                   keyspace_hash_key(c->ks));
}

static bool unite_element(void *arg, struct arg member, double score)
{
    struct building *b = arg;
    double had;

    score = weighted(b->in, score);
    if (zset_score(b->result, member.p, member.n, &had)) {
        score = combined(b->o, had, score);
    }
    put(b, member, score);
    return true;
}

static bool intersect_element(void *arg, struct arg member, double score)
{
    struct building *b = arg;

    score = weighted(b->in, score);
    for (size_t i = 1; i < b->o->n; i++) {
        const struct input *other = &b->o->in[i];
        double value;

        if (!input_score(other, member, &value)) {
            return true;
        }
        /* Only the first one's product is 0 when it is no number: here a sum is, and the lowest and
         * the highest pass over it. So does Redis. */
        score = combined(b->o, score, value * other->weight + 0.0);
    }
    if (b->result != NULL) {
        put(b, member, score);
    }
    return ++b->n != b->o->limit;
}

static bool subtract_element(void *arg, struct arg member, double score)
{
    struct building *b = arg;

    for (size_t i = 1; i < b->o->n; i++) {
        double value;

        if (input_score(&b->o->in[i], member, &value)) {
            return true;
        }
    }
    put(b, member, score);
    return true;
}

static void run(struct operation *o, struct building *b)
{
    b->o = o;
    if (o->op != OP_DIFF) {
        sort_inputs(o);
    }
    b->in = &o->in[0];
    switch (o->op) {
    case OP_UNION:
        for (size_t i = 0; i < o->n; i++) {
            b->in = &o->in[i];
            input_each(b->in, unite_element, b);
        }
        break;
    case OP_INTER:
        input_each(b->in, intersect_element, b);
        break;
    case OP_DIFF:
        input_each(b->in, subtract_element, b);
        break;
    }
}

/* ---- arguments ----------------------------------------------------------------------------- */

/* What the command's name decides. */
struct form {
    enum op op;
    int numkeys; /* position of the number of keys */
    bool store, count_only;
};

static bool weights_arg(struct operation *o, int first)
{
    for (size_t i = 0; i < o->n; i++) {
        if (!zset_score_arg(o->c, first + (int)i, &o->in[i].weight,
                            "ERR weight value is not a float")) {
            return false;
        }
    }
    return true;
}

static bool aggregate_arg(struct operation *o, const struct arg *word)
{
    if (arg_is(word, "sum")) {
        o->aggregate = AGGREGATE_SUM;
    } else if (arg_is(word, "min")) {
        o->aggregate = AGGREGATE_MIN;
    } else if (arg_is(word, "max")) {
        o->aggregate = AGGREGATE_MAX;
    } else {
        cmd_reply_syntax_error(o->c);
        return false;
    }
    return true;
}

static bool options(struct operation *o, const struct form *f, int i)
{
    struct cmd *c = o->c;
    bool may_weigh = f->op != OP_DIFF && !f->count_only;

    while (i < c->argc) {
        const struct arg *word = &c->argv[i];
        size_t left = (size_t)(c->argc - i) - 1;

        if (may_weigh && arg_is(word, "weights") && left >= o->n) {
            if (!weights_arg(o, i + 1)) {
                return false;
            }
            i += 1 + (int)o->n;
        } else if (may_weigh && arg_is(word, "aggregate") && left >= 1) {
            if (!aggregate_arg(o, &c->argv[i + 1])) {
                return false;
            }
            i += 2;
        } else if (!f->store && !f->count_only && arg_is(word, "withscores")) {
            o->with_scores = true;
            i++;
        } else if (f->count_only && arg_is(word, "limit") && left >= 1) {
            if (!cmd_arg_range(c, i + 1, 0, INT64_MAX, &o->limit, "ERR LIMIT can't be negative")) {
                return false;
            }
            i += 2;
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

static bool look_up(struct operation *o, int first)
{
    for (size_t i = 0; i < o->n; i++) {
        struct key k;
        const struct item *it = access_read(o->c, &o->c->argv[first + (int)i], &k);

        if (it != NULL && item_type(it) != ITEM_ZSET && item_type(it) != ITEM_SET) {
            cmd_reply_wrong_type(o->c);
            return false;
        }
        o->in[i] = (struct input){.it = it, .weight = 1};
    }
    return true;
}

/* False: replied. Else free(o->in). */
static bool operation_init(struct cmd *c, const struct form *f, struct operation *o)
{
    int64_t n;

    *o = (struct operation){.c = c, .op = f->op};
    if (!cmd_arg_i64(c, f->numkeys, &n, NULL)) {
        return false;
    }
    if (n < 1) {
        resp_errorf(c->reply, "ERR at least 1 input key is needed for '%s' command",
                    c->command->full_name);
        return false;
    }
    if (n > c->argc - f->numkeys - 1) {
        cmd_reply_syntax_error(c);
        return false;
    }
    o->n = (size_t)n;
    o->in = mem_try_alloc(o->n * sizeof *o->in);
    if (o->in == NULL) {
        resp_error(c->reply, "OOM no memory for so many keys");
        return false;
    }
    if (!look_up(o, f->numkeys + 1) || !options(o, f, f->numkeys + 1 + (int)n)) {
        free(o->in);
        return false;
    }
    return true;
}

/* ---- replying and storing ------------------------------------------------------------------ */

struct listing {
    struct cmd *c;
    bool with_scores;
};

static bool list_element(void *arg, struct arg member, double score)
{
    const struct listing *l = arg;

    zset_reply_element(l->c, member, score, l->with_scores);
    return true;
}

static void reply_result(struct cmd *c, enum op op)
{
    struct form f = {.op = op, .numkeys = 1};
    struct building b = {0};
    struct operation o;
    struct listing l = {.c = c};

    if (!operation_init(c, &f, &o)) {
        return;
    }
    b.result = item_detached(zset_new());
    run(&o, &b);
    l.with_scores = o.with_scores;
    zset_reply_begin(c, zset_len(b.result), o.with_scores);
    zset_each(item_value(b.result), list_element, &l);
    item_free(b.result);
    free(o.in);
}

void cmd_zunion(struct cmd *c) { reply_result(c, OP_UNION); }
void cmd_zinter(struct cmd *c) { reply_result(c, OP_INTER); }
void cmd_zdiff(struct cmd *c) { reply_result(c, OP_DIFF); }

static void store_result(struct cmd *c, enum op op, const char *event)
{
    struct form f = {.op = op, .numkeys = 2, .store = true};
    struct building b = {0};
    struct operation o;
    struct item *old;
    struct key k;
    size_t n;

    if (!operation_init(c, &f, &o)) {
        return;
    }
    b.result = item_detached(zset_new());
    run(&o, &b);
    free(o.in);
    n = zset_len(b.result);
    old = access_write(c, &c->argv[1], &k);
    if (n > 0) {
        (void)access_set_value(c, &k, old, item_detached_take(b.result), KEYSPACE_NO_EXPIRE);
        effect_verbatim(c);
        notify(c, NOTIFY_ZSET, event, &k);
    } else {
        item_free(b.result);
        if (old != NULL) {
            access_delete(c, &k, old);
            effect_del(c, &k);
            notify(c, NOTIFY_GENERIC, "del", &k);
        }
    }
    resp_int(c->reply, (int64_t)n);
}

void cmd_zunionstore(struct cmd *c) { store_result(c, OP_UNION, "zunionstore"); }
void cmd_zinterstore(struct cmd *c) { store_result(c, OP_INTER, "zinterstore"); }
void cmd_zdiffstore(struct cmd *c) { store_result(c, OP_DIFF, "zdiffstore"); }

void cmd_zintercard(struct cmd *c)
{
    struct form f = {.op = OP_INTER, .numkeys = 1, .count_only = true};
    struct building b = {0};
    struct operation o;

    if (operation_init(c, &f, &o)) {
        run(&o, &b);
        free(o.in);
        resp_int(c->reply, b.n);
    }
}
