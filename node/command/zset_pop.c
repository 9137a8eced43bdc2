/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset_pop.c - ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms. Source: the Redis
 * command pages.
 *
 * Whatever form took them, the log says ZPOPMIN or ZPOPMAX and how many: which they are follows
 * from the data. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/block.h"
#include "node/command/handlers.h"
#include "node/command/zset.h"
#include "node/effects.h"
#include "node/notify.h"

#include <stdlib.h>

/* How the popped elements are put into the reply. */
enum shape {
    SHAPE_ONE,   /* member, score */
    SHAPE_LIST,  /* all in one list; RESP3: pairs */
    SHAPE_PAIRS, /* pairs, whatever the protocol */
};

static void reply_popped(struct cmd *c, struct arg member, double score, enum shape shape)
{
    if (shape == SHAPE_PAIRS || (shape == SHAPE_LIST && c->reply->version >= 3)) {
        resp_array(c->reply, 2);
    }
    resp_bulk(c->reply, member.p, member.n);
    resp_double(c->reply, score);
}

static void log_pop(struct cmd *c, const struct key *k, bool max, uint64_t n)
{
    char digits[NUM_I64_MAX_CHARS];
    struct arg argv[3] = {{max ? "ZPOPMAX" : "ZPOPMIN", 7},
                          {k->p, k->n},
                          {digits, num_print_i64(digits, (int64_t)n)}};

    effect_args(c, argv, 3);
}

/* Take @n elements (there are as many) off the end, and reply each. */
static void pop(struct cmd *c, const struct key *k, struct item *it, bool max, uint64_t n,
                enum shape shape)
{
    uint64_t len = zset_len(it);
    struct zset_iter i;
    struct arg member;
    double score;

    zset_iter_at(&i, it, max ? len - 1 : 0, max);
    for (uint64_t left = n; left > 0 && zset_iter_next(&i, &member, &score); left--) {
        reply_popped(c, member, score, shape);
    }
    log_pop(c, k, max, n);
    zset_remove_span(c, k, it, max ? len - n : 0, n, max ? "zpopmax" : "zpopmin");
}

/* ---- ZPOPMIN, ZPOPMAX ---------------------------------------------------------------------- */

static void pop_command(struct cmd *c, bool max)
{
    static const char not_positive[] = "ERR value is out of range, must be positive";
    int64_t count = 1;
    struct item *it;
    struct key k;
    uint64_t n;

    if (c->argc > 3) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (c->argc == 3) {
        if (!cmd_arg_i64(c, 2, &count, not_positive)) {
            return;
        }
        if (count < 0) {
            resp_error(c->reply, not_positive);
            return;
        }
    }
    it = access_write(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    if (it == NULL || count == 0) {
        resp_array(c->reply, 0);
        return;
    }
    n = MIN_OF((uint64_t)count, (uint64_t)zset_len(it));
    if (c->argc == 2) {
        resp_array(c->reply, 2);
        pop(c, &k, it, max, 1, SHAPE_ONE);
    } else {
        zset_reply_begin(c, (size_t)n, true);
        pop(c, &k, it, max, n, SHAPE_LIST);
    }
}

void cmd_zpopmin(struct cmd *c) { pop_command(c, false); }

void cmd_zpopmax(struct cmd *c) { pop_command(c, true); }

/* ---- several keys -------------------------------------------------------------------------- */

/* Keys argv[first .. first + n), of which the first that is there is popped. */
struct source {
    int first, n;
    bool max;
    uint64_t count;
    bool single; /* BZPOPMIN: key, member, score */
};

/* True: it is done (popped, or an error replied). */
static bool pop_first(struct cmd *c, const struct source *s)
{
    for (int i = s->first; i < s->first + s->n; i++) {
        struct key k;
        struct item *it = access_write(c, &c->argv[i], &k);
        uint64_t n;

        if (it == NULL) {
            continue;
        }
        if (!access_type_ok(c, it, ITEM_ZSET)) {
            return true;
        }
        n = MIN_OF(s->count, (uint64_t)zset_len(it));
        resp_array(c->reply, s->single ? 3 : 2);
        resp_bulk(c->reply, k.p, k.n);
        if (!s->single) {
            resp_array(c->reply, (size_t)n);
        }
        pop(c, &k, it, s->max, n, s->single ? SHAPE_ONE : SHAPE_PAIRS);
        return true;
    }
    return false;
}

static void pop_or_wait(struct cmd *c, const struct source *s, int64_t timeout_us)
{
    struct block_request r = {.type = ITEM_ZSET, .n_keys = (size_t)s->n, .timeout_us = timeout_us};
    int *keys;

    if (pop_first(c, s)) {
        return;
    }
    keys = mem_alloc((size_t)s->n * sizeof *keys);
    for (int i = 0; i < s->n; i++) {
        keys[i] = s->first + i;
    }
    r.keys = keys;
    if (!block_on_keys(c, &r)) {
        resp_null_array(c->reply);
    }
    free(keys);
}

static void blocking_pop(struct cmd *c, bool max)
{
    struct source s = {.first = 1, .n = c->argc - 2, .max = max, .count = 1, .single = true};
    int64_t timeout_us;

    if (cmd_arg_timeout(c, c->argc - 1, &timeout_us)) {
        pop_or_wait(c, &s, timeout_us);
    }
}

void cmd_bzpopmin(struct cmd *c) { blocking_pop(c, false); }

void cmd_bzpopmax(struct cmd *c) { blocking_pop(c, true); }

/* numkeys key ... MIN|MAX [COUNT n] from argv[@at] on; false: replied. */
static bool source_args(struct cmd *c, int at, struct source *s)
{
    static const char no_keys[] = "ERR numkeys should be greater than 0";
    static const char no_count[] = "ERR count should be greater than 0";
    int64_t n, count = 1;
    int where;

    if (!cmd_arg_range(c, at, 1, INT64_MAX, &n, no_keys)) {
        return false;
    }
    if (n >= c->argc - at - 1) {
        cmd_reply_syntax_error(c);
        return false;
    }
    where = at + 1 + (int)n;
    if (!arg_is(&c->argv[where], "min") && !arg_is(&c->argv[where], "max")) {
        cmd_reply_syntax_error(c);
        return false;
    }
    for (int i = where + 1; i < c->argc; i += 2) {
        if (!arg_is(&c->argv[i], "count") || i + 1 == c->argc || i > where + 1) {
            cmd_reply_syntax_error(c);
            return false;
        }
        if (!cmd_arg_range(c, i + 1, 1, INT64_MAX, &count, no_count)) {
            return false;
        }
    }
    *s = (struct source){.first = at + 1,
                         .n = (int)n,
                         .max = arg_is(&c->argv[where], "max"),
                         .count = (uint64_t)count};
    return true;
}

void cmd_zmpop(struct cmd *c)
{
    struct source s;

    if (source_args(c, 1, &s) && !pop_first(c, &s)) {
        resp_null_array(c->reply);
    }
}

void cmd_bzmpop(struct cmd *c)
{
    struct source s;
    int64_t timeout_us;

    if (source_args(c, 2, &s) && cmd_arg_timeout(c, 1, &timeout_us)) {
        pop_or_wait(c, &s, timeout_us);
    }
}
