/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/geo.c - GEOADD, GEODIST, GEOHASH and GEOPOS; searching is in geo_search.c. Source:
 * the Redis command pages.
 *
 * Places are the scores of sorted sets (node/geo.h), so all commands of these work on them. */
#include "node/command/geo.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/types/zset.h"

#include <stdlib.h>

/* ---- arguments and replies ----------------------------------------------------------------- */

static bool degrees_arg(struct cmd *c, int i, double *out)
{
    if (num_parse_double(c->argv[i].p, c->argv[i].n, out)) {
        return true;
    }
    resp_error(c->reply, "ERR value is not a valid float");
    return false;
}

bool geo_point_arg(struct cmd *c, int i, struct geo_point *out)
{
    if (!degrees_arg(c, i, &out->lon) || !degrees_arg(c, i + 1, &out->lat)) {
        return false;
    }
    if (!geo_is_valid(*out)) {
        resp_errorf(c->reply, "ERR invalid longitude,latitude pair %f,%f", out->lon, out->lat);
        return false;
    }
    return true;
}

bool geo_unit_arg(struct cmd *c, int i, double *out)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        if (arg_is(&c->argv[i], units[u].name)) {
            *out = units[u].metres;
            return true;
        }
    }
    resp_error(c->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_point_of(const struct item *it, const struct arg *member, struct geo_point *out)
{
    double score;

    if (it == NULL || !zset_score(it, member->p, member->n, &score)) {
        return false;
    }
    *out = geo_decode(geo_hash_of(score));
    return true;
}

void geo_reply_distance(struct cmd *c, double distance)
{
    char text[NUM_FIXED_MAX_CHARS];

    resp_bulk(c->reply, text, num_print_fixed(text, distance, 4));
}

void geo_reply_point(struct cmd *c, struct geo_point p)
{
    resp_array(c->reply, 2);
    resp_long_double(c->reply, p.lon);
    resp_long_double(c->reply, p.lat);
}

/* The sorted set at argv[1] for reading; false: replied. */
static bool read_zset(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_ZSET);
}

/* ---- GEOADD -------------------------------------------------------------------------------- */

/* Where the options NX, XX and CH end. False: replied. */
static bool add_options(struct cmd *c, int *end)
{
    bool nx = false, xx = false;
    int i = 2;

    for (; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "nx")) {
            nx = true;
        } else if (arg_is(&c->argv[i], "xx")) {
            xx = true;
        } else if (!arg_is(&c->argv[i], "ch")) {
            break;
        }
    }
    *end = i;
    if ((c->argc - i) % 3 != 0 || (nx && xx)) {
        cmd_reply_syntax_error(c);
        return false;
    }
    return true;
}

/* The same as a call of ZADD: argv[@first ..] are places and members. */
struct as_zadd {
    struct arg *argv;
    int argc;
    char (*digits)[NUM_I64_MAX_CHARS]; /* of the scores */
};

static void as_zadd_release(struct as_zadd *z)
{
    free(z->argv);
    free(z->digits);
}

/* False: replied; release it all the same. */
static bool as_zadd_init(struct cmd *c, int first, struct as_zadd *z)
{
    int n = (c->argc - first) / 3;

    z->argv = mem_try_alloc((size_t)c->argc * sizeof *z->argv);
    z->digits = mem_try_alloc((size_t)(n + 1) * sizeof *z->digits);
    if (z->argv == NULL || z->digits == NULL) {
        resp_error(c->reply, "OOM no memory for so many places");
        return false;
    }
    z->argc = first;
    memcpy(z->argv, c->argv, (size_t)first * sizeof *z->argv);
    z->argv[0] = (struct arg){"ZADD", 4};
    for (int i = 0; i < n; i++) {
        struct geo_point p;

        if (!geo_point_arg(c, first + 3 * i, &p)) {
            return false;
        }
        z->argv[z->argc++] =
            (struct arg){z->digits[i], num_print_i64(z->digits[i], (int64_t)geo_encode(p))};
        z->argv[z->argc++] = c->argv[first + 3 * i + 2];
    }
    return true;
}

/* Executed, logged and announced as the ZADD that it is. */
void cmd_geoadd(struct cmd *c)
{
    const struct arg *argv = c->argv;
    int argc = c->argc, first;
    struct as_zadd z;

    if (!add_options(c, &first)) {
        return;
    }
    if (as_zadd_init(c, first, &z)) {
        c->argv = z.argv;
        c->argc = z.argc;
        cmd_zadd(c);
        c->argv = argv;
        c->argc = argc;
    }
    as_zadd_release(&z);
}

/* ---- looking up ---------------------------------------------------------------------------- */

void cmd_geodist(struct cmd *c)
{
    struct geo_point a, b;
    struct item *it;
    double unit = 1;

    if (c->argc == 5 && !geo_unit_arg(c, 4, &unit)) {
        return;
    }
    if (c->argc > 5) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (!read_zset(c, &it)) {
        return;
    }
    if (geo_point_of(it, &c->argv[2], &a) && geo_point_of(it, &c->argv[3], &b)) {
        geo_reply_distance(c, geo_distance(a, b) / unit);
    } else {
        resp_null(c->reply);
    }
}

void cmd_geohash(struct cmd *c)
{
    char text[GEO_TEXT_CHARS];
    struct geo_point p;
    struct item *it;

    if (!read_zset(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        if (geo_point_of(it, &c->argv[i], &p)) {
            geo_text(p, text);
            resp_bulk(c->reply, text, sizeof text);
        } else {
            resp_null(c->reply);
        }
    }
}

void cmd_geopos(struct cmd *c)
{
    struct geo_point p;
    struct item *it;

    if (!read_zset(c, &it)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        if (geo_point_of(it, &c->argv[i], &p)) {
            geo_reply_point(c, p);
        } else {
            resp_null_array(c->reply);
        }
    }
}
