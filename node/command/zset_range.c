/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset_range.c - ranges of sorted sets by rank, score or member: reading, counting,
 * storing and removing them. Source: the Redis command pages.
 *
 * Every range becomes a span of ranks, found by two descents of the tree; what is then done with
 * the elements is the same for all. */
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/command/zset.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <math.h>
#include <stdlib.h>

enum range_by { BY_RANK, BY_SCORE, BY_LEX };

struct range {
    enum range_by by;
    bool reverse, with_scores;
    bool has_limit;
    int64_t offset, limit;       /* limit < 0: all */
    int64_t start, stop;         /* BY_RANK */
    struct ztree_bound from, to; /* else: elements in [from, to) */
};

/* ---- borders ------------------------------------------------------------------------------- */

/* A score as strtod() reads it, behind an optional "(". @is_end: the upper border. */
static bool score_border(const struct arg *a, bool is_end, struct ztree_bound *out)
{
    bool exclusive = a->n > 0 && a->p[0] == '(';
    char text[128];
    size_t n = a->n - exclusive;
    char *end;

    if (n >= sizeof text) {
        return false;
    }
    if (n > 0) {
        memcpy(text, a->p + exclusive, n);
    }
    text[n] = '\0';
    out->score = strtod(text, &end) + 0.0;
    out->where = exclusive != is_end ? ZTREE_BEHIND_ALL : ZTREE_BEFORE_ALL;
    return end == text + n && !isnan(out->score);
}

static bool lex_border(const struct arg *a, bool is_end, struct ztree_bound *out)
{
    out->by_member = true;
    if (a->n == 1 && (a->p[0] == '-' || a->p[0] == '+')) {
        out->where = a->p[0] == '-' ? ZTREE_BEFORE_ALL : ZTREE_BEHIND_ALL;
        return true;
    }
    if (a->n == 0 || (a->p[0] != '(' && a->p[0] != '[')) {
        return false;
    }
    out->member = (struct arg){a->p + 1, a->n - 1};
    out->where = (a->p[0] == '(') != is_end ? ZTREE_BEHIND_MEMBER : ZTREE_BEFORE_MEMBER;
    return true;
}

/* The borders at argv[@min] and argv[@max]; false: replied. */
static bool border_args(struct cmd *c, int min, int max, struct range *r)
{
    const struct arg *a = &c->argv[min], *b = &c->argv[max];

    switch (r->by) {
    case BY_RANK:
        return cmd_arg_i64(c, min, &r->start, NULL) && cmd_arg_i64(c, max, &r->stop, NULL);
    case BY_SCORE:
        if (score_border(a, false, &r->from) && score_border(b, true, &r->to)) {
            return true;
        }
        resp_error(c->reply, "ERR min or max is not a float");
        return false;
    case BY_LEX:
        if (lex_border(a, false, &r->from) && lex_border(b, true, &r->to)) {
            return true;
        }
        resp_error(c->reply, "ERR min or max not valid string range item");
        return false;
    }
    return false;
}

/* ---- spans --------------------------------------------------------------------------------- */

static struct zset_span span_of_ranks(const struct range *r, int64_t len)
{
    int64_t start = r->start < 0 ? MAX_OF(r->start + len, (int64_t)0) : r->start;
    int64_t stop = r->stop < 0 ? r->stop + len : MIN_OF(r->stop, len - 1);

    if (start > stop || start >= len) {
        return (struct zset_span){0, 0};
    }
    if (r->reverse) {
        return (struct zset_span){(uint64_t)(len - 1 - stop), (uint64_t)(len - start)};
    }
    return (struct zset_span){(uint64_t)start, (uint64_t)stop + 1};
}

/* LIMIT: leave @offset out at the side where the walk begins, and keep at most @limit. */
static struct zset_span limited(const struct range *r, struct zset_span s)
{
    uint64_t n = s.end - s.first;

    if (!r->has_limit) {
        return s;
    }
    if (r->offset < 0 || (uint64_t)r->offset >= n) {
        return (struct zset_span){0, 0};
    }
    n -= (uint64_t)r->offset;
    if (r->limit >= 0) {
        n = MIN_OF(n, (uint64_t)r->limit);
    }
    if (r->reverse) {
        s.end -= (uint64_t)r->offset;
        s.first = s.end - n;
    } else {
        s.first += (uint64_t)r->offset;
        s.end = s.first + n;
    }
    return s;
}

static struct zset_span span_of(const struct item *it, const struct range *r)
{
    struct zset_span s;

    if (r->by == BY_RANK) {
        return span_of_ranks(r, (int64_t)zset_len(it));
    }
    s.first = zset_before(it, &r->from);
    s.end = zset_before(it, &r->to);
    if (s.end <= s.first) {
        return (struct zset_span){0, 0};
    }
    return limited(r, s);
}

/* ---- ZRANGE and its sisters ---------------------------------------------------------------- */

/* What a command's name has decided already. */
struct form {
    int key; /* position of the source: borders and options follow */
    bool has_by, has_direction;
    enum range_by by;
    bool reverse;
    bool store;
};

static bool range_options(struct cmd *c, const struct form *f, struct range *r)
{
    bool by_given = f->has_by, direction_given = f->has_direction;

    *r = (struct range){.by = f->by, .reverse = f->reverse, .limit = -1};
    for (int i = f->key + 3; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];

        if (!f->store && arg_is(word, "withscores")) {
            r->with_scores = true;
        } else if (arg_is(word, "limit") && i + 2 < c->argc) {
            if (!cmd_arg_i64(c, i + 1, &r->offset, NULL) ||
                !cmd_arg_i64(c, i + 2, &r->limit, NULL)) {
                return false;
            }
            r->has_limit = true;
            i += 2;
        } else if (!direction_given && arg_is(word, "rev")) {
            r->reverse = true;
            direction_given = true;
        } else if (!by_given && arg_is(word, "bylex")) {
            r->by = BY_LEX;
            by_given = true;
        } else if (!by_given && arg_is(word, "byscore")) {
            r->by = BY_SCORE;
            by_given = true;
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    if (r->has_limit && r->limit != -1 && r->by == BY_RANK) {
        resp_error(c->reply, "ERR syntax error, LIMIT is only supported in combination with either "
                             "BYSCORE or BYLEX");
        return false;
    }
    if (r->with_scores && r->by == BY_LEX) {
        resp_error(c->reply,
                   "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

static bool range_args(struct cmd *c, const struct form *f, struct range *r)
{
    bool swapped;

    if (!range_options(c, f, r)) {
        return false;
    }
    swapped = r->reverse && r->by != BY_RANK; /* the higher border comes first */
    return border_args(c, f->key + 1 + swapped, f->key + 2 - swapped, r);
}

static void reply_range(struct cmd *c, const struct form *f)
{
    struct zset_iter i;
    struct zset_span s;
    struct range r;
    struct arg member;
    struct item *it;
    double score;
    struct key k;

    if (!range_args(c, f, &r)) {
        return;
    }
    it = access_read(c, &c->argv[f->key], &k);
    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    s = it == NULL ? (struct zset_span){0, 0} : span_of(it, &r);
    zset_reply_begin(c, (size_t)(s.end - s.first), r.with_scores);
    if (s.end == s.first) {
        return;
    }
    zset_iter_at(&i, it, r.reverse ? s.end - 1 : s.first, r.reverse);
    for (uint64_t n = s.end - s.first; n > 0 && zset_iter_next(&i, &member, &score); n--) {
        zset_reply_element(c, member, score, r.with_scores);
    }
}

void cmd_zrange(struct cmd *c) { reply_range(c, &(struct form){.key = 1}); }

void cmd_zrevrange(struct cmd *c)
{
    reply_range(c,
                &(struct form){.key = 1, .has_by = true, .has_direction = true, .reverse = true});
}

void cmd_zrangebyscore(struct cmd *c)
{
    reply_range(c, &(struct form){.key = 1, .has_by = true, .has_direction = true, .by = BY_SCORE});
}

void cmd_zrevrangebyscore(struct cmd *c)
{
    reply_range(
        c, &(struct form){
               .key = 1, .has_by = true, .has_direction = true, .by = BY_SCORE, .reverse = true});
}

void cmd_zrangebylex(struct cmd *c)
{
    reply_range(c, &(struct form){.key = 1, .has_by = true, .has_direction = true, .by = BY_LEX});
}

void cmd_zrevrangebylex(struct cmd *c)
{
    reply_range(
        c, &(struct form){
               .key = 1, .has_by = true, .has_direction = true, .by = BY_LEX, .reverse = true});
}

/* ---- ZRANGESTORE --------------------------------------------------------------------------- */

static struct item *copy_span(struct cmd *c, const struct item *from, const struct zset_span *s)
{
    struct item *to = item_detached(zset_new());
    struct zset_iter i;
    struct arg member;
    double score;

    zset_iter_at(&i, from, s->first, false);
    for (uint64_t n = s->end - s->first; n > 0 && zset_iter_next(&i, &member, &score); n--) {
        (void)zset_set(to, member.p, member.n, score, cmd_types_limits(c),
                       keyspace_hash_key(c->ks));
    }
    return to;
}

void cmd_zrangestore(struct cmd *c)
{
    struct form f = {.key = 2, .store = true};
    struct item *from, *old, *fresh = NULL;
    struct zset_span s = {0, 0};
    struct range r;
    struct key k;

    if (!range_args(c, &f, &r)) {
        return;
    }
    from = access_read(c, &c->argv[2], &k);
    if (!access_type_ok(c, from, ITEM_ZSET)) {
        return;
    }
    if (from != NULL) {
        s = span_of(from, &r);
    }
    if (s.end > s.first) {
        fresh = copy_span(c, from, &s);
    }
    old = access_write(c, &c->argv[1], &k);
    if (fresh != NULL) {
        (void)access_set_value(c, &k, old, item_detached_take(fresh), KEYSPACE_NO_EXPIRE);
        effect_verbatim(c);
        notify(c, NOTIFY_ZSET, "zrangestore", &k);
    } else if (old != NULL) {
        access_delete(c, &k, old);
        effect_del(c, &k);
        notify(c, NOTIFY_GENERIC, "del", &k);
    }
    resp_int(c->reply, (int64_t)(s.end - s.first));
}

/* ---- counting and removing ----------------------------------------------------------------- */

static void count_range(struct cmd *c, enum range_by by)
{
    struct range r = {.by = by};
    struct zset_span s = {0, 0};
    struct item *it;
    struct key k;

    if (!border_args(c, 2, 3, &r)) {
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    if (it != NULL) {
        s = span_of(it, &r);
    }
    resp_int(c->reply, (int64_t)(s.end - s.first));
}

void cmd_zcount(struct cmd *c) { count_range(c, BY_SCORE); }

void cmd_zlexcount(struct cmd *c) { count_range(c, BY_LEX); }

static void remove_range(struct cmd *c, enum range_by by, const char *event)
{
    struct range r = {.by = by};
    struct zset_span s = {0, 0};
    struct item *it;
    struct key k;

    if (!border_args(c, 2, 3, &r)) {
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    if (it != NULL) {
        s = span_of(it, &r);
    }
    if (s.end > s.first) {
        effect_verbatim(c);
        zset_remove_span(c, &k, it, s.first, s.end - s.first, event);
    }
    resp_int(c->reply, (int64_t)(s.end - s.first));
}

void cmd_zremrangebyrank(struct cmd *c) { remove_range(c, BY_RANK, "zremrangebyrank"); }

void cmd_zremrangebyscore(struct cmd *c) { remove_range(c, BY_SCORE, "zremrangebyscore"); }

void cmd_zremrangebylex(struct cmd *c) { remove_range(c, BY_LEX, "zremrangebylex"); }
