/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/geo.c - see node/geo.h.
 *
 * The order of arithmetic follows what Redis is known to answer, so that texts, distances and the
 * order of unsorted results agree with it to the last digit. */
#include "node/geo.h"

#include <math.h>

#define STEPS_MAX 26 /* bits of each coordinate */
#define EARTH_RADIUS_M 6372797.560856
#define MERCATOR_MAX_M 20037726.37 /* half of the equator, as it is projected */
#define POLAR_LAT 66.0             /* from here on a cell is too narrow for its step ... */
#define NEAR_POLE_LAT 80.0         /* ... and from here on by two steps */
#define PI 3.14159265358979323846

static double radians(double degrees) { return degrees * (PI / 180.0); }
static double degrees(double radians) { return radians / (PI / 180.0); }

bool geo_is_valid(struct geo_point p)
{
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

/* ---- grids --------------------------------------------------------------------------------- */

/* Column and row of a cell where each coordinate has @steps bits. */
struct cell {
    uint32_t col, row;
    unsigned steps;
};

static double grid_size(unsigned steps) { return (double)(UINT64_C(1) << steps); }

/* Which part of [-@max, @max], cut into 2^@steps, holds @v. The upper end itself has one of its
 * own, as it has in Redis; only a search from there finds what is there. */
static uint32_t part_of(double v, double max, unsigned steps)
{
    return (uint32_t)((v + max) / (max + max) * grid_size(steps));
}

static double part_start(uint32_t part, double max, unsigned steps)
{
    return -max + part / grid_size(steps) * (max + max);
}

static struct cell cell_at(struct geo_point p, double lat_max, unsigned steps)
{
    return (struct cell){part_of(p.lon, GEO_LON_MAX, steps), part_of(p.lat, lat_max, steps), steps};
}

/* The bits of @v to the even places of a number. */
static uint64_t spread(uint32_t v)
{
    uint64_t x = v;

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x << 2) & UINT64_C(0x3333333333333333);
    return (x | x << 1) & UINT64_C(0x5555555555555555);
}

/* The bits at the even places of a number. */
static uint32_t gather(uint64_t x)
{
    x &= UINT64_C(0x5555555555555555);
    x = (x | x >> 1) & UINT64_C(0x3333333333333333);
    x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x | x >> 16);
}

static uint64_t cell_hash(struct cell c) { return spread(c.row) | spread(c.col) << 1; }

struct box {
    struct geo_point min, max;
};

static struct box cell_box(struct cell c)
{
    return (struct box){
        .min = {part_start(c.col, GEO_LON_MAX, c.steps), part_start(c.row, GEO_LAT_MAX, c.steps)},
        .max = {part_start(c.col + 1, GEO_LON_MAX, c.steps),
                part_start(c.row + 1, GEO_LAT_MAX, c.steps)},
    };
}

/* ---- numbers and texts --------------------------------------------------------------------- */

uint64_t geo_encode(struct geo_point p) { return cell_hash(cell_at(p, GEO_LAT_MAX, STEPS_MAX)); }

static double clamped(double v, double max) { return v > max ? max : v < -max ? -max : v; }

struct geo_point geo_decode(uint64_t hash)
{
    struct box b = cell_box((struct cell){gather(hash >> 1), gather(hash), STEPS_MAX});

    return (struct geo_point){
        .lon = clamped((b.min.lon + b.max.lon) / 2, GEO_LON_MAX),
        .lat = clamped((b.min.lat + b.max.lat) / 2, GEO_LAT_MAX),
    };
}

/* Scores that cannot be places get those that Redis gives them on x86-64. */
uint64_t geo_hash_of(double score)
{
    if (score >= 0) {
        return score < 0x1p64 ? (uint64_t)score : 0;
    }
    return score >= -0x1p63 ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

void geo_text(struct geo_point p, char out[GEO_TEXT_CHARS])
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t hash = cell_hash(cell_at(p, 90, STEPS_MAX));
    int shift = 2 * STEPS_MAX;

    for (unsigned i = 0; i + 1 < GEO_TEXT_CHARS; i++) {
        shift -= 5;
        out[i] = digits[hash >> shift & 31];
    }
    out[GEO_TEXT_CHARS - 1] = digits[0]; /* 52 bits make ten digits; the eleventh says nothing */
}

/* ---- distances ----------------------------------------------------------------------------- */

/* Half the differences between two places as sines, and their distances from the axis. */
struct haversine {
    double lat, lon, axis_a, axis_b;
};

static struct haversine haversine(struct geo_point a, struct geo_point b)
{
    double lat_a = radians(a.lat), lat_b = radians(b.lat);

    return (struct haversine){
        .lat = sin((lat_b - lat_a) / 2),
        .lon = sin((radians(b.lon) - radians(a.lon)) / 2),
        .axis_a = cos(lat_a),
        .axis_b = cos(lat_b),
    };
}

/* The arc of a chord whose half has the square @square. */
static double arc(double square) { return 2.0 * EARTH_RADIUS_M * asin(sqrt(square)); }

static double distance_of(const struct haversine *h)
{
    return arc(h->lat * h->lat + h->axis_a * h->axis_b * h->lon * h->lon);
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    struct haversine h = haversine(a, b);

    return distance_of(&h);
}

/* Of latitudes alone, with room for rounding: spares most places outside the sines. */
static bool is_surely_outside(const struct geo_area *a, struct geo_point p)
{
    double reach = a->is_box ? a->height / 2 : a->radius;

    return radians(fabs(p.lat - a->centre.lat)) * EARTH_RADIUS_M > reach * (1 + 1e-9);
}

/* Within a box: along the place's own latitude, and along a longitude. */
bool geo_is_within(const struct geo_area *a, struct geo_point p, double *distance)
{
    struct haversine h;

    if (is_surely_outside(a, p)) {
        return false;
    }
    h = haversine(a->centre, p);
    if (a->is_box && (arc(h.axis_b * h.axis_b * h.lon * h.lon) > a->width / 2 ||
                      arc(h.lat * h.lat) > a->height / 2)) {
        return false;
    }
    *distance = distance_of(&h);
    return a->is_box || *distance <= a->radius;
}

/* ---- covering an area ---------------------------------------------------------------------- */

/* A circle around all of it. */
static double outer_radius(const struct geo_area *a)
{
    return a->is_box ? sqrt(a->width / 2 * (a->width / 2) + a->height / 2 * (a->height / 2))
                     : a->radius;
}

/* The finest grid of which a cell and its neighbours should hold such a circle. */
static unsigned steps_for(double radius, double lat)
{
    int steps = 1;

    if (radius == 0) {
        return STEPS_MAX;
    }
    for (; radius < MERCATOR_MAX_M; radius *= 2) {
        steps++;
    }
    steps -= 2; /* the circle may lie anywhere within the middle cell */
    steps -= fabs(lat) > POLAR_LAT;
    steps -= fabs(lat) > NEAR_POLE_LAT;
    return (unsigned)(steps < 1 ? 1 : steps > STEPS_MAX ? STEPS_MAX : steps);
}

/* Half the longitudes between the ends of a line along latitude @lat of which each half is
 * @half_width long; cos(lat) > 0. A great circle between them is shorter than the parallel, so a
 * wide box is wider than it seems. */
static double half_longitudes(double half_width, double lat, bool is_box)
{
    double flat = half_width / EARTH_RADIUS_M / cos(radians(lat));
    double chord = sin(fmin(half_width / EARTH_RADIUS_M, PI) / 2) / cos(radians(lat));

    return degrees(is_box ? fmax(flat, 2 * asin(fmin(chord, 1))) : flat);
}

/* Longitudes and latitudes that the area lies within; they are wider on the side of its pole. */
static struct box bounds_of(const struct geo_area *a)
{
    double lat = degrees((a->is_box ? a->height / 2 : a->radius) / EARTH_RADIUS_M);
    double pole_side = a->centre.lat < 0 ? a->centre.lat - lat : a->centre.lat + lat;
    double lon = 2 * GEO_LON_MAX; /* with a pole in it, it has all of them */

    if (fabs(pole_side) < 90) {
        lon = half_longitudes(a->is_box ? a->width / 2 : a->radius, pole_side, a->is_box);
    }
    return (struct box){
        .min = {a->centre.lon - lon, a->centre.lat - lat},
        .max = {a->centre.lon + lon, a->centre.lat + lat},
    };
}

static struct cell neighbour(struct cell c, int east, int north)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << c.steps) - 1);

    if (east != 0) {
        c.col = (c.col + (uint32_t)east) & mask;
    }
    if (north != 0) {
        c.row = (c.row + (uint32_t)north) & mask;
    }
    return c;
}

/* Do the cell's neighbours reach as far as the bounds? Beyond the edge of the map they come from
 * the other side, and do not. */
static bool is_wide_enough(struct cell c, const struct box *bounds)
{
    return cell_box(neighbour(c, 0, 1)).max.lat >= bounds->max.lat &&
           cell_box(neighbour(c, 0, -1)).min.lat <= bounds->min.lat &&
           cell_box(neighbour(c, 1, 0)).max.lon >= bounds->max.lon &&
           cell_box(neighbour(c, -1, 0)).min.lon <= bounds->min.lon;
}

/* The same where longitudes go round, and with nothing beyond the highest latitudes. */
static bool is_wide_enough_on_sphere(struct cell c, const struct box *bounds)
{
    struct box b = cell_box(c);
    double lon = b.max.lon - b.min.lon, lat = b.max.lat - b.min.lat;

    return b.max.lat + lat >= fmin(bounds->max.lat, GEO_LAT_MAX) &&
           b.min.lat - lat <= fmax(bounds->min.lat, -GEO_LAT_MAX) &&
           b.max.lon + lon >= bounds->max.lon && b.min.lon - lon <= bounds->min.lon;
}

/* The middle cell. The first grid may be too fine; few areas need more than the next coarser one,
 * large ones near a pole do. A grid of one step has four cells, all neighbours. */
static struct cell middle_cell(const struct geo_area *a, const struct box *bounds)
{
    unsigned steps = steps_for(outer_radius(a), a->centre.lat);
    struct cell c = cell_at(a->centre, GEO_LAT_MAX, steps);

    if (steps > 1 && !is_wide_enough(c, bounds)) {
        c = cell_at(a->centre, GEO_LAT_MAX, --steps);
    }
    while (steps > 1 && !is_wide_enough_on_sphere(c, bounds)) {
        c = cell_at(a->centre, GEO_LAT_MAX, --steps);
    }
    return c;
}

static struct geo_cell range_of(struct cell c)
{
    unsigned shift = 2 * (STEPS_MAX - c.steps);
    uint64_t hash = cell_hash(c);

    return (struct geo_cell){hash << shift, (hash + 1) << shift};
}

unsigned geo_cover(const struct geo_area *a, struct geo_cell out[GEO_CELLS_MAX])
{
    static const struct {
        int east, north;
    } around[GEO_CELLS_MAX] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                               {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct box bounds = bounds_of(a);
    struct cell c = middle_cell(a, &bounds);
    struct box middle = cell_box(c);
    unsigned n = 0;

    for (unsigned i = 0; i < GEO_CELLS_MAX; i++) {
        int east = around[i].east, north = around[i].north;
        struct geo_cell range = range_of(neighbour(c, east, north));
        /* The middle cell reaches beyond the bounds: there is nothing on that side. With one step
         * only, neighbours on both sides are the same. */
        bool useless = c.steps >= 2 && ((north < 0 && middle.min.lat < bounds.min.lat) ||
                                        (north > 0 && middle.max.lat > bounds.max.lat) ||
                                        (east < 0 && middle.min.lon < bounds.min.lon) ||
                                        (east > 0 && middle.max.lon > bounds.max.lon));

        if (!useless && (n == 0 || range.from != out[n - 1].from)) {
            out[n++] = range;
        }
    }
    return n;
}
