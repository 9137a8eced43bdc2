/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset.c - ZADD, ZINCRBY, ZREM and looking up members. Ranges are in zset_range.c,
 * pops in zset_pop.c, operations on several in zset_ops.c, random members and ZSCAN in zset_scan.c.
 * Source: the Redis command pages.
 *
 * Sums are computed on the leader: the log has their results. */
#include "node/command/zset.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <math.h>
#include <stdlib.h>

enum zset_change zset_put(struct cmd *c, const struct key *k, struct item **it,
                          const struct arg *member, double score)
{
    if (*it == NULL) {
        *it = access_set_value(c, k, NULL, zset_new(), KEYSPACE_NO_EXPIRE);
    }
    return zset_set(*it, member->p, member->n, score, cmd_types_limits(c),
                    keyspace_hash_key(c->ks));
}

static void delete (struct cmd *c, const struct key *k, struct item *it)
{
    access_delete(c, k, it);
    notify(c, NOTIFY_GENERIC, "del", k);
}

void zset_remove_span(struct cmd *c, const struct key *k, struct item *it, uint64_t first,
                      uint64_t n, const char *event)
{
    bool all = n == zset_len(it);

    if (!all) {
        zset_remove_range(it, first, n);
        access_changed(c, c->db, k);
    }
    notify(c, NOTIFY_ZSET, event, k);
    if (all) {
        delete (c, k, it);
    }
}

void zset_reply_begin(struct cmd *c, size_t n, bool with_scores)
{
    resp_array(c->reply, with_scores && c->reply->version < 3 ? 2 * n : n);
}

void zset_reply_element(struct cmd *c, struct arg member, double score, bool with_scores)
{
    if (with_scores && c->reply->version >= 3) {
        resp_array(c->reply, 2);
    }
    resp_bulk(c->reply, member.p, member.n);
    if (with_scores) {
        resp_double(c->reply, score);
    }
}

bool zset_score_arg(struct cmd *c, int i, double *out, const char *error)
{
    if (!num_parse_double(c->argv[i].p, c->argv[i].n, out)) {
        resp_error(c->reply, error != NULL ? error : "ERR value is not a valid float");
        return false;
    }
    *out += 0.0; /* -0 is 0 */
    return true;
}

static bool read_zset(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_ZSET);
}

/* ---- ZADD ---------------------------------------------------------------------------------- */

enum {
    ADD_NX = 1u << 0,
    ADD_XX = 1u << 1,
    ADD_GT = 1u << 2,
    ADD_LT = 1u << 3,
    ADD_CH = 1u << 4,
    ADD_INCR = 1u << 5,
};

/* Options from argv[2] on; returns where they end. */
static int add_options(const struct cmd *c, unsigned *flags)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", ADD_NX}, {"xx", ADD_XX}, {"gt", ADD_GT},
                 {"lt", ADD_LT}, {"ch", ADD_CH}, {"incr", ADD_INCR}};
    int i = 2;

    *flags = 0;
    for (; i < c->argc; i++) {
        unsigned flag = 0;

        for (size_t w = 0; w < ARRAY_LEN(words); w++) {
            flag |= arg_is(&c->argv[i], words[w].word) ? words[w].flag : 0;
        }
        if (flag == 0) {
            break;
        }
        *flags |= flag;
    }
    return i;
}

static bool add_options_fit(struct cmd *c, unsigned flags, int n_words)
{
    unsigned one_of = flags & (ADD_GT | ADD_LT | ADD_NX);

    if (n_words == 0 || n_words % 2 != 0) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if ((flags & ADD_NX) && (flags & ADD_XX)) {
        resp_error(c->reply, "ERR XX and NX options at the same time are not compatible");
        return false;
    }
    if ((one_of & (one_of - 1)) != 0) {
        resp_error(c->reply, "ERR GT, LT, and/or NX options at the same time are not compatible");
        return false;
    }
    if ((flags & ADD_INCR) && n_words > 2) {
        resp_error(c->reply, "ERR INCR option supports a single increment-element pair");
        return false;
    }
    return true;
}

/* What one pair of ZADD comes to. */
struct added {
    int64_t added, changed;
    bool done; /* not held back by an option */
    double score;
};

/* False: the sum is NaN, replied. */
static bool add_one(struct cmd *c, const struct key *k, struct item **it, const struct arg *member,
                    double score, unsigned flags, struct added *a)
{
    double had = 0;
    bool asks = (flags & ~(unsigned)ADD_CH) != 0; /* else what is there makes no difference */
    bool is_there = asks && *it != NULL && zset_score(*it, member->p, member->n, &had);

    a->done = false;
    if ((flags & (is_there ? ADD_NX : ADD_XX)) != 0) {
        return true;
    }
    if (flags & ADD_INCR) {
        score += had;
        if (isnan(score)) {
            resp_error(c->reply, "ERR resulting score is not a number (NaN)");
            return false;
        }
    }
    if (is_there && (((flags & ADD_GT) && score <= had) || ((flags & ADD_LT) && score >= had))) {
        return true;
    }
    a->done = true;
    a->score = score;
    switch (zset_put(c, k, it, member, score)) {
    case ZSET_ADDED:
        a->added++;
        break;
    case ZSET_CHANGED:
        a->changed++;
        break;
    case ZSET_SAME:
        break;
    }
    return true;
}

static void log_score(struct cmd *c, const struct arg *member, double score)
{
    char text[64];
    struct arg argv[4] = {{"ZADD", 4}, c->argv[1], {text, num_print_double(text, score)}, *member};

    effect_args(c, argv, 4);
}

static void finish_add(struct cmd *c, const struct key *k, unsigned flags, const struct added *a,
                       const struct arg *last)
{
    if (a->added + a->changed > 0) {
        access_changed(c, c->db, k);
        if (flags & ADD_INCR) {
            log_score(c, last, a->score);
        } else {
            effect_verbatim(c);
        }
        notify(c, NOTIFY_ZSET, flags & ADD_INCR ? "zincr" : "zadd", k);
    }
    if ((flags & ADD_INCR) == 0) {
        resp_int(c->reply, a->added + (flags & ADD_CH ? a->changed : 0));
    } else if (a->done) {
        resp_double(c->reply, a->score);
    } else {
        resp_null(c->reply);
    }
}

/* The scores of all pairs from argv[@first] on; NULL: replied. */
static double *score_args(struct cmd *c, int first)
{
    size_t n = (size_t)(c->argc - first) / 2;
    double *scores = mem_try_alloc(n * sizeof *scores);

    if (scores == NULL) {
        resp_error(c->reply, "OOM no memory for so many scores");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!zset_score_arg(c, first + 2 * (int)i, &scores[i], NULL)) {
            free(scores);
            return NULL;
        }
    }
    return scores;
}

static void add(struct cmd *c, unsigned flags, int first, const double *scores)
{
    struct added a = {0};
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    const struct arg *member = NULL;

    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    for (int i = first; i < c->argc; i += 2) {
        member = &c->argv[i + 1];
        if (!add_one(c, &k, &it, member, scores[(i - first) / 2], flags, &a)) {
            return; /* INCR has one pair only: nothing has been changed */
        }
    }
    finish_add(c, &k, flags, &a, member);
}

void cmd_zadd(struct cmd *c)
{
    unsigned flags;
    int first = add_options(c, &flags);
    double *scores;

    if (!add_options_fit(c, flags, c->argc - first)) {
        return;
    }
    scores = score_args(c, first);
    if (scores != NULL) {
        add(c, flags, first, scores);
        free(scores);
    }
}

void cmd_zincrby(struct cmd *c)
{
    double by;

    if (zset_score_arg(c, 2, &by, NULL)) {
        add(c, ADD_INCR, 2, &by);
    }
}

/* ---- ZREM ---------------------------------------------------------------------------------- */

void cmd_zrem(struct cmd *c)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    int64_t removed = 0;

    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    for (int i = 2; it != NULL && i < c->argc && zset_len(it) > 0; i++) {
        removed += zset_remove(it, c->argv[i].p, c->argv[i].n);
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_ZSET, "zrem", &k);
        if (zset_len(it) == 0) {
            delete (c, &k, it);
        }
    }
    resp_int(c->reply, removed);
}

/* ---- looking up ---------------------------------------------------------------------------- */

void cmd_zcard(struct cmd *c)
{
    struct item *it;

    if (read_zset(c, &it)) {
        resp_int(c->reply, it == NULL ? 0 : (int64_t)zset_len(it));
    }
}

static void reply_score(struct cmd *c, const struct item *it, const struct arg *member)
{
    double score;

    if (it != NULL && zset_score(it, member->p, member->n, &score)) {
        resp_double(c->reply, score);
    } else {
        resp_null(c->reply);
    }
}

void cmd_zscore(struct cmd *c)
{
    struct item *it;

    if (read_zset(c, &it)) {
        reply_score(c, it, &c->argv[2]);
    }
}

void cmd_zmscore(struct cmd *c)
{
    struct item *it;

    if (!read_zset(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        reply_score(c, it, &c->argv[i]);
    }
}

static void reply_rank(struct cmd *c, bool reverse)
{
    bool with_score = c->argc == 4;
    struct item *it;
    uint64_t rank;
    double score;

    if (c->argc > 4 || (with_score && !arg_is(&c->argv[3], "withscore"))) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (!read_zset(c, &it)) {
        return;
    }
    if (it == NULL || !zset_rank(it, c->argv[2].p, c->argv[2].n, &rank, &score)) {
        if (with_score) {
            resp_null_array(c->reply);
        } else {
            resp_null(c->reply);
        }
        return;
    }
    if (with_score) {
        resp_array(c->reply, 2);
    }
    resp_int(c->reply, (int64_t)(reverse ? zset_len(it) - 1 - rank : rank));
    if (with_score) {
        resp_double(c->reply, score);
    }
}

void cmd_zrank(struct cmd *c) { reply_rank(c, false); }

void cmd_zrevrank(struct cmd *c) { reply_rank(c, true); }
