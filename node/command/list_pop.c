/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/list_pop.c - taking from the ends of lists, and moving between them: LPOP, LMOVE,
 * LMPOP, their mirrors, and their blocking forms. Source: the Redis command pages.
 *
 * Whatever form took them, the log says LPOP, RPOP or LMOVE. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/block.h"
#include "node/command/handlers.h"
#include "node/command/list.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <stdlib.h>

/* ---- popping ------------------------------------------------------------------------------- */

static void log_pop(struct cmd *c, const struct key *k, bool front, size_t n)
{
    char digits[NUM_I64_MAX_CHARS];
    struct arg argv[3] = {
        {front ? "LPOP" : "RPOP", 4}, {k->p, k->n}, {digits, num_print_i64(digits, (int64_t)n)}};

    effect_args(c, argv, n == 1 ? 2 : 3);
}

/* The list has lost @n elements at an end. */
static void popped(struct cmd *c, const struct key *k, struct item *it, bool front)
{
    notify(c, NOTIFY_LIST, front ? "lpop" : "rpop", k);
    list_delete_if_empty(c, k, it);
}

/* Reply @n elements from an end, and remove them; there are as many. */
static void pop(struct cmd *c, const struct key *k, struct item *it, bool front, size_t n)
{
    size_t len = list_len(it);
    struct list_iter i;

    list_iter_at(&i, it, front ? 0 : len - 1, !front);
    for (size_t left = n; left > 0; left--) {
        list_reply_element(c, list_iter_next(&i));
    }
    list_remove(it, front ? 0 : len - n, n, cmd_types_limits(c));
    access_changed(c, c->db, k);
    log_pop(c, k, front, n);
    popped(c, k, it, front);
}

static void pop_command(struct cmd *c, bool front)
{
    static const char not_positive[] = "ERR value is out of range, must be positive";
    int64_t count = 1;
    struct item *it;
    struct key k;
    size_t n;

    if (c->argc > 3) {
        cmd_reply_arity_error(c);
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
    if (!list_write(c, &c->argv[1], &k, &it)) {
        return;
    }
    if (it == NULL) {
        if (c->argc == 3) {
            resp_null_array(c->reply);
        } else {
            resp_null(c->reply);
        }
        return;
    }
    n = MIN_OF((size_t)count, list_len(it));
    if (c->argc == 3) {
        resp_array(c->reply, n);
    }
    if (n > 0) {
        pop(c, &k, it, front, n);
    }
}

void cmd_lpop(struct cmd *c) { pop_command(c, true); }

void cmd_rpop(struct cmd *c) { pop_command(c, false); }

/* ---- several keys -------------------------------------------------------------------------- */

/* Keys argv[first .. first + n), of which the first that is there is popped. */
struct source {
    int first, n;
    bool front;
    size_t count;
    bool single; /* BLPOP: key, element */
};

/* True: it is done (popped, or an error replied). */
static bool pop_first(struct cmd *c, const struct source *s)
{
    for (int i = s->first; i < s->first + s->n; i++) {
        struct item *it;
        struct key k;
        size_t n;

        if (!list_write(c, &c->argv[i], &k, &it)) {
            return true;
        }
        if (it == NULL) {
            continue;
        }
        n = MIN_OF(s->count, list_len(it));
        resp_array(c->reply, 2);
        resp_bulk(c->reply, k.p, k.n);
        if (!s->single) {
            resp_array(c->reply, n);
        }
        pop(c, &k, it, s->front, n);
        return true;
    }
    return false;
}

static void pop_or_wait(struct cmd *c, const struct source *s, int64_t timeout_us)
{
    struct block_request r = {.type = ITEM_LIST, .n_keys = (size_t)s->n, .timeout_us = timeout_us};
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

static void blocking_pop(struct cmd *c, bool front)
{
    struct source s = {.first = 1, .n = c->argc - 2, .front = front, .count = 1, .single = true};
    int64_t timeout_us;

    if (cmd_arg_timeout(c, c->argc - 1, &timeout_us)) {
        pop_or_wait(c, &s, timeout_us);
    }
}

void cmd_blpop(struct cmd *c) { blocking_pop(c, true); }

void cmd_brpop(struct cmd *c) { blocking_pop(c, false); }

/* LEFT or RIGHT; false: replied. */
static bool side_arg(struct cmd *c, int i, bool *front)
{
    *front = arg_is(&c->argv[i], "left");
    if (!*front && !arg_is(&c->argv[i], "right")) {
        cmd_reply_syntax_error(c);
        return false;
    }
    return true;
}

/* numkeys key ... LEFT|RIGHT [COUNT n] from argv[@at] on; false: replied. */
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
    *s = (struct source){.first = at + 1, .n = (int)n};
    if (!side_arg(c, where, &s->front)) {
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
    s->count = (size_t)count;
    return true;
}

void cmd_lmpop(struct cmd *c)
{
    struct source s;

    if (source_args(c, 1, &s) && !pop_first(c, &s)) {
        resp_null_array(c->reply);
    }
}

void cmd_blmpop(struct cmd *c)
{
    struct source s;
    int64_t timeout_us;

    if (source_args(c, 2, &s) && cmd_arg_timeout(c, 1, &timeout_us)) {
        pop_or_wait(c, &s, timeout_us);
    }
}

/* ---- moving -------------------------------------------------------------------------------- */

static void log_move(struct cmd *c, bool from_front, bool to_front)
{
    struct arg left = {"LEFT", 4}, right = {"RIGHT", 5};
    struct arg argv[5] = {
        {"LMOVE", 5}, c->argv[1], c->argv[2], from_front ? left : right, to_front ? left : right};

    effect_args(c, argv, 5);
}

/* From @from to the list at argv[2] (@to; NULL: none yet). */
static void move_element(struct cmd *c, const struct key *from_key, struct item *from,
                         bool from_front, const struct key *to_key, struct item *to, bool to_front)
{
    size_t at = from_front ? 0 : list_len(from) - 1;
    struct list_iter i;
    char scratch[24];
    struct arg element;
    char *copy;

    list_iter_at(&i, from, at, false);
    element = listpack_text(list_iter_next(&i), scratch);
    copy = mem_dup(element.p, element.n); /* the lists change under it */
    resp_bulk(c->reply, copy, element.n);
    list_remove(from, at, 1, cmd_types_limits(c));
    access_changed(c, c->db, from_key);
    log_move(c, from_front, to_front);
    if (to == NULL) {
        to = access_set_value(c, to_key, NULL, list_new(), KEYSPACE_NO_EXPIRE);
    }
    list_push(to, to_front, copy, element.n, cmd_types_limits(c));
    access_changed(c, c->db, to_key);
    notify(c, NOTIFY_LIST, to_front ? "lpush" : "rpush", to_key);
    popped(c, from_key, from, from_front);
    free(copy);
}

/* True: it is done (moved, or an error replied). */
static bool try_move(struct cmd *c, bool from_front, bool to_front)
{
    struct key from_key, to_key;
    struct item *from, *to;

    if (!list_write(c, &c->argv[1], &from_key, &from)) {
        return true;
    }
    if (from == NULL) {
        return false;
    }
    if (list_write(c, &c->argv[2], &to_key, &to)) {
        move_element(c, &from_key, from, from_front, &to_key, to, to_front);
    }
    return true;
}

static void move_or_wait(struct cmd *c, bool from_front, bool to_front, int64_t timeout_us)
{
    static const int keys[] = {1};
    struct block_request r = {
        .type = ITEM_LIST, .keys = keys, .n_keys = 1, .timeout_us = timeout_us};

    if (!try_move(c, from_front, to_front) && !block_on_keys(c, &r)) {
        resp_null(c->reply);
    }
}

void cmd_lmove(struct cmd *c)
{
    bool from_front, to_front;

    if (side_arg(c, 3, &from_front) && side_arg(c, 4, &to_front) &&
        !try_move(c, from_front, to_front)) {
        resp_null(c->reply);
    }
}

void cmd_rpoplpush(struct cmd *c)
{
    if (!try_move(c, false, true)) {
        resp_null(c->reply);
    }
}

void cmd_blmove(struct cmd *c)
{
    bool from_front, to_front;
    int64_t timeout_us;

    if (side_arg(c, 3, &from_front) && side_arg(c, 4, &to_front) &&
        cmd_arg_timeout(c, 5, &timeout_us)) {
        move_or_wait(c, from_front, to_front, timeout_us);
    }
}

void cmd_brpoplpush(struct cmd *c)
{
    int64_t timeout_us;

    if (cmd_arg_timeout(c, 3, &timeout_us)) {
        move_or_wait(c, false, true, timeout_us);
    }
}
