/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/geo_search.c - GEOSEARCH, GEORADIUS and their kin. Source: the Redis command pages.
 *
 * The area is covered by cells, each a range of scores (node/geo.h); what is found there and lies
 * within the area is a hit, known by its rank in the sorted set. What is stored is logged as the
 * ZADD of the hits: sines may differ between machines in their last bit. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/geo.h"
#include "node/command/geo_hits.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/zset.h"

#include <stdlib.h>

/* Where the middle of the area comes from. */
enum centre { CENTRE_NONE, CENTRE_POINT, CENTRE_MEMBER };

/* What a command's name has decided. */
struct form {
    enum centre centre; /* stands before the options, with a radius; NONE: is an option */
    int source;         /* position of the key */
    int options;        /* position of the first option */
    bool may_store;     /* STORE and STOREDIST name a key */
    bool store;         /* argv[1] is the key to store into */
    const char *event;
};

enum order { ORDER_NONE, ORDER_NEAREST, ORDER_FARTHEST };

struct search {
    struct cmd *c;
    const struct form *form;
    struct item *it; /* NULL: there is no such key */
    struct geo_area area;
    double unit; /* of replied distances, in metres */
    enum centre centre;
    bool has_shape;
    bool with_dist, with_hash, with_coord;
    enum order order;
    int64_t count; /* 0: all */
    bool any;      /* the first ones found will do */
    const struct arg *store;
    bool store_dist;
};

/* ---- arguments ----------------------------------------------------------------------------- */

static bool length_arg(struct cmd *c, int i, double *out, const char *error)
{
    if (num_parse_double(c->argv[i].p, c->argv[i].n, out)) {
        return true;
    }
    resp_error(c->reply, error);
    return false;
}

/* A radius and its unit from argv[@i] on. */
static bool radius_args(struct search *s, int i)
{
    double radius;

    if (!length_arg(s->c, i, &radius, "ERR need numeric radius")) {
        return false;
    }
    if (radius < 0) {
        resp_error(s->c->reply, "ERR radius cannot be negative");
        return false;
    }
    if (!geo_unit_arg(s->c, i + 1, &s->unit)) {
        return false;
    }
    s->area.is_box = false;
    s->area.radius = radius * s->unit;
    s->has_shape = true;
    return true;
}

/* Width, height and unit. */
static bool box_args(struct search *s, int i)
{
    double width, height;

    if (!length_arg(s->c, i, &width, "ERR need numeric width") ||
        !length_arg(s->c, i + 1, &height, "ERR need numeric height")) {
        return false;
    }
    if (width < 0 || height < 0) {
        resp_error(s->c->reply, "ERR height or width cannot be negative");
        return false;
    }
    if (!geo_unit_arg(s->c, i + 2, &s->unit)) {
        return false;
    }
    s->area.is_box = true;
    s->area.width = width * s->unit;
    s->area.height = height * s->unit;
    s->has_shape = true;
    return true;
}

/* Without a key any member will do: the reply is that of a search without hits. */
static bool member_arg(struct search *s, int i)
{
    if (s->it == NULL || geo_point_of(s->it, &s->c->argv[i], &s->area.centre)) {
        return true;
    }
    resp_error(s->c->reply, "ERR could not decode requested zset member");
    return false;
}

static bool count_arg(struct search *s, int i)
{
    if (!cmd_arg_i64(s->c, i, &s->count, NULL)) {
        return false;
    }
    if (s->count <= 0) {
        resp_error(s->c->reply, "ERR COUNT must be > 0");
        return false;
    }
    return true;
}

/* Options of one word. */
static bool take_flag(struct search *s, const struct arg *word)
{
    if (arg_is(word, "withdist")) {
        s->with_dist = true;
    } else if (arg_is(word, "withhash")) {
        s->with_hash = true;
    } else if (arg_is(word, "withcoord")) {
        s->with_coord = true;
    } else if (arg_is(word, "any")) {
        s->any = true;
    } else if (arg_is(word, "asc")) {
        s->order = ORDER_NEAREST;
    } else if (arg_is(word, "desc")) {
        s->order = ORDER_FARTHEST;
    } else if (s->form->store && arg_is(word, "storedist")) {
        s->store_dist = true;
    } else {
        return false;
    }
    return true;
}

/* STORE and STOREDIST of GEORADIUS: the last one counts. */
static bool take_store(struct search *s, int i)
{
    bool dist = arg_is(&s->c->argv[i], "storedist");

    if (!dist && !arg_is(&s->c->argv[i], "store")) {
        return false;
    }
    s->store = &s->c->argv[i + 1];
    s->store_dist = dist;
    return true;
}

/* Options of GEOSEARCH that say where, each kind in one way only. Returns the words behind it, 0:
 * it is none of them, -1: replied. */
static int take_where(struct search *s, int i)
{
    const struct arg *word = &s->c->argv[i];
    int left = s->c->argc - i - 1;

    if (arg_is(word, "frommember") && left >= 1 && s->centre != CENTRE_POINT) {
        s->centre = CENTRE_MEMBER;
        return member_arg(s, i + 1) ? 1 : -1;
    }
    if (arg_is(word, "fromlonlat") && left >= 2 && s->centre != CENTRE_MEMBER) {
        s->centre = CENTRE_POINT;
        return geo_point_arg(s->c, i + 1, &s->area.centre) ? 2 : -1;
    }
    if (arg_is(word, "byradius") && left >= 2 && !(s->has_shape && s->area.is_box)) {
        return radius_args(s, i + 1) ? 2 : -1;
    }
    if (arg_is(word, "bybox") && left >= 3 && !(s->has_shape && !s->area.is_box)) {
        return box_args(s, i + 1) ? 3 : -1;
    }
    return 0;
}

static bool options(struct search *s)
{
    struct cmd *c = s->c;

    for (int i = s->form->options; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        int where;

        if (take_flag(s, &c->argv[i])) {
            continue;
        }
        if (more && arg_is(&c->argv[i], "count")) {
            if (!count_arg(s, ++i)) {
                return false;
            }
            continue;
        }
        if (s->form->may_store && more && take_store(s, i)) {
            i++;
            continue;
        }
        where = s->form->centre == CENTRE_NONE ? take_where(s, i) : 0;
        if (where == 0) {
            cmd_reply_syntax_error(c);
        }
        if (where <= 0) {
            return false;
        }
        i += where;
    }
    return true;
}

/* What does not go together, or is missing. */
static bool options_fit(struct search *s)
{
    const struct arg *name = &s->c->argv[0];
    int n = (int)MIN_OF(name->n, (size_t)64);

    if (s->store != NULL && (s->with_dist || s->with_hash || s->with_coord)) {
        resp_errorf(s->c->reply,
                    "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                    s->form->may_store ? "STORE option in GEORADIUS" : "GEOSEARCHSTORE");
        return false;
    }
    if (s->centre == CENTRE_NONE) {
        resp_errorf(s->c->reply,
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", n,
                    name->p);
        return false;
    }
    if (s->form->centre == CENTRE_NONE && !s->has_shape) {
        resp_errorf(s->c->reply, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                    n, name->p);
        return false;
    }
    if (s->any && s->count == 0) {
        resp_error(s->c->reply, "ERR the ANY argument requires COUNT argument");
        return false;
    }
    return true;
}

/* What stands before the options of GEORADIUS and GEORADIUSBYMEMBER. */
static bool fixed_args(struct search *s)
{
    s->centre = s->form->centre;
    switch (s->centre) {
    case CENTRE_POINT:
        return geo_point_arg(s->c, 2, &s->area.centre) && radius_args(s, 4);
    case CENTRE_MEMBER:
        return member_arg(s, 2) && (s->it == NULL || radius_args(s, 3));
    case CENTRE_NONE:
        break;
    }
    return true;
}

/* False: replied. */
static bool search_init(struct cmd *c, const struct form *f, struct search *s)
{
    struct key k;

    *s = (struct search){.c = c, .form = f, .unit = 1, .store = f->store ? &c->argv[1] : NULL};
    s->it = access_read(c, &c->argv[f->source], &k);
    if (!access_type_ok(c, s->it, ITEM_ZSET) || !fixed_args(s) || !options(s) || !options_fit(s)) {
        return false;
    }
    /* A part of the hits: the nearest ones, unless any will do. */
    if (s->count > 0 && s->order == ORDER_NONE && !s->any) {
        s->order = ORDER_NEAREST;
    }
    return true;
}

/* ---- hits ---------------------------------------------------------------------------------- */

static double rank_by(const struct search *s, double distance)
{
    return s->order == ORDER_NONE ? 0 : s->order == ORDER_NEAREST ? distance : -distance;
}

/* The hits among the scores of a cell. False: there are enough. */
static bool search_cell(const struct search *s, const struct geo_cell *cell, struct geo_hits *hits)
{
    struct ztree_bound from = {.score = (double)cell->from, .where = ZTREE_BEFORE_ALL};
    uint64_t rank = zset_before(s->it, &from);
    struct zset_iter i;
    struct arg member;
    double score;

    zset_iter_at(&i, s->it, rank, false);
    for (; zset_iter_next(&i, &member, &score) && score < (double)cell->end; rank++) {
        struct geo_hit hit = {.rank = rank};

        if (geo_is_within(&s->area, geo_decode(geo_hash_of(score)), &hit.distance)) {
            hit.rank_by = rank_by(s, hit.distance);
            geo_hits_add(hits, hit);
            if (s->any && hits->found == (uint64_t)s->count) {
                return false;
            }
        }
    }
    return true;
}

/* The hits in the order in which they are wanted; geo_hits_release(). */
static void find(const struct search *s, struct geo_hits *hits)
{
    struct geo_cell cells[GEO_CELLS_MAX];
    unsigned n = geo_cover(&s->area, cells);

    geo_hits_init(hits, s->count == 0 || s->any ? SIZE_MAX : (size_t)s->count);
    for (unsigned i = 0; i < n && search_cell(s, &cells[i], hits); i++) {
    }
    if (s->order != ORDER_NONE) {
        geo_hits_sort(hits);
    }
}

static void element_at(const struct search *s, const struct geo_hit *hit, struct zset_iter *i,
                       struct arg *member, double *score)
{
    zset_iter_at(i, s->it, hit->rank, false);
    if (!zset_iter_next(i, member, score)) {
        assert(!"a hit is an element");
    }
}

/* ---- replying ------------------------------------------------------------------------------ */

static void reply_hit(const struct search *s, const struct geo_hit *hit)
{
    size_t more = (size_t)s->with_dist + s->with_hash + s->with_coord;
    struct cmd *c = s->c;
    struct zset_iter i;
    struct arg member;
    double score;

    element_at(s, hit, &i, &member, &score);
    if (more > 0) {
        resp_array(c->reply, more + 1);
    }
    resp_bulk(c->reply, member.p, member.n);
    if (s->with_dist) {
        geo_reply_distance(c, hit->distance / s->unit);
    }
    if (s->with_hash) {
        resp_int(c->reply, (int64_t)geo_hash_of(score));
    }
    if (s->with_coord) {
        geo_reply_point(c, geo_decode(geo_hash_of(score)));
    }
}

static void reply_hits(const struct search *s)
{
    struct geo_hits hits = {0};

    if (s->it != NULL) {
        find(s, &hits);
    }
    resp_array(s->c->reply, hits.n);
    for (size_t i = 0; i < hits.n; i++) {
        reply_hit(s, &hits.h[i]);
    }
    geo_hits_release(&hits);
}

/* ---- storing ------------------------------------------------------------------------------- */

#define LOG_PAIRS 512 /* elements that one effect carries */
#define STORE_BYTES_MAX                                                                            \
    ((uint64_t)64 * 1024 * 1024) /* of members and scores: they go into the log */
#define SCORE_BYTES 32           /* of a score with what frames it, about */

/* The sorted set of the hits, in no keyspace. NULL: it is too large, replied. */
static struct item *stored_hits(const struct search *s, const struct geo_hits *hits)
{
    struct item *out = item_detached(zset_new());
    uint64_t bytes = 2 * s->store->n; /* of the name: for DEL, and for one ZADD at least */
    uint64_t most = MIN_OF((uint64_t)cmd_effect_max(s->c), STORE_BYTES_MAX);

    for (size_t h = 0; h < hits->n; h++) {
        struct zset_iter i;
        struct arg member;
        double score;

        element_at(s, &hits->h[h], &i, &member, &score);
        bytes += member.n + SCORE_BYTES + s->store->n / LOG_PAIRS;
        if (bytes > most) {
            resp_errorf(s->c->reply, "ERR the result is too large: more than %llu bytes",
                        (unsigned long long)most);
            item_free(out);
            return NULL;
        }
        if (s->store_dist) {
            score = hits->h[h].distance / s->unit;
        }
        (void)zset_set(out, member.p, member.n, score, cmd_types_limits(s->c),
                       keyspace_hash_key(s->c->ks));
    }
    return out;
}

struct logging {
    struct cmd *c;
    size_t n; /* words */
    struct arg argv[2 + 2 * LOG_PAIRS];
    char scores[LOG_PAIRS][64];
    struct buf members; /* copied: those of small sets last until the next */
};

static void log_pairs(struct logging *l)
{
    const char *p = buf_head(&l->members);

    for (size_t i = 3; i < l->n; i += 2) {
        l->argv[i].p = p;
        p += l->argv[i].n;
    }
    if (l->n > 2) {
        effect_args(l->c, l->argv, l->n);
    }
    buf_clear(&l->members);
    l->n = 2;
}

static bool log_element(void *arg, struct arg member, double score)
{
    struct logging *l = arg;
    char *text = l->scores[l->n / 2 - 1];

    l->argv[l->n++] = (struct arg){text, num_print_double(text, score)};
    l->argv[l->n++] = (struct arg){NULL, member.n};
    buf_append(&l->members, member.p, member.n);
    if (l->n == ARRAY_LEN(l->argv)) {
        log_pairs(l);
    }
    return true;
}

/* ZADD of all elements, some at a time. */
static void log_zset(struct cmd *c, const struct key *k, const struct item *it)
{
    struct logging *l = mem_alloc(sizeof *l);

    l->c = c;
    l->n = 2;
    l->argv[0] = (struct arg){"ZADD", 4};
    l->argv[1] = (struct arg){k->p, k->n};
    buf_init(&l->members);
    zset_each(item_value(it), log_element, l);
    log_pairs(l);
    buf_release(&l->members);
    free(l);
}

/* @fresh NULL: there are no hits. */
static void store(const struct search *s, struct item *fresh)
{
    struct cmd *c = s->c;
    struct key k;
    struct item *old = access_write(c, s->store, &k);

    if (old != NULL) {
        effect_del(c, &k);
    }
    if (fresh != NULL) {
        log_zset(c, &k, fresh);
        (void)access_set_value(c, &k, old, item_detached_take(fresh), KEYSPACE_NO_EXPIRE);
        notify(c, NOTIFY_ZSET, s->form->event, &k);
    } else if (old != NULL) {
        access_delete(c, &k, old);
        notify(c, NOTIFY_GENERIC, "del", &k);
    }
}

static void store_hits(const struct search *s)
{
    struct item *fresh = NULL;
    struct geo_hits hits = {0};

    if (s->it != NULL) {
        find(s, &hits);
    }
    if (hits.n > 0) {
        fresh = stored_hits(s, &hits);
    }
    if (hits.n == 0 || fresh != NULL) {
        store(s, fresh);
        resp_int(s->c->reply, (int64_t)hits.n);
    }
    geo_hits_release(&hits);
}

/* ---- the commands -------------------------------------------------------------------------- */

static void run(struct cmd *c, const struct form *f)
{
    struct search s;

    if (!search_init(c, f, &s)) {
        return;
    }
    if (s.store != NULL) {
        store_hits(&s);
    } else {
        reply_hits(&s);
    }
}

void cmd_geosearch(struct cmd *c) { run(c, &(struct form){.source = 1, .options = 2}); }

void cmd_geosearchstore(struct cmd *c)
{
    run(c, &(struct form){.source = 2, .options = 3, .store = true, .event = "geosearchstore"});
}

void cmd_georadius(struct cmd *c)
{
    run(c, &(struct form){.centre = CENTRE_POINT,
                          .source = 1,
                          .options = 6,
                          .may_store = true,
                          .event = "georadiusstore"});
}

void cmd_georadius_ro(struct cmd *c)
{
    run(c, &(struct form){.centre = CENTRE_POINT, .source = 1, .options = 6});
}

void cmd_georadiusbymember(struct cmd *c)
{
    run(c, &(struct form){.centre = CENTRE_MEMBER,
                          .source = 1,
                          .options = 5,
                          .may_store = true,
                          .event = "georadiusstore"});
}

void cmd_georadiusbymember_ro(struct cmd *c)
{
    run(c, &(struct form){.centre = CENTRE_MEMBER, .source = 1, .options = 5});
}
