/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/geo.h - places on the earth as numbers of 52 bits, distances, and which numbers to look at
 * for an area. Pure: no keys, no clients, no allocation.
 *
 * Longitude and latitude (the latter as far as Web Mercator goes) are each cut into 2^26 parts;
 * the bits of the two numbers alternate, so that places which are near each other mostly have near
 * numbers. The leading 2n bits name a cell, one of 4^n. A sorted set of such numbers as scores is
 * an index: an area is covered by up to nine cells, each a range of scores.
 *
 * Degrees and metres. Source: "Geohash" (G. Niemeyer); the Redis geo command pages; EPSG:3857. */
#ifndef NODE_GEO_H
#define NODE_GEO_H

#include "base/base.h"

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878
#define GEO_TEXT_CHARS 11

struct geo_point {
    double lon, lat;
};

/* Within the bounds above. */
bool geo_is_valid(struct geo_point p);
/* The number of a valid place, and the middle of what it stands for. */
uint64_t geo_encode(struct geo_point p);
struct geo_point geo_decode(uint64_t hash);
/* A number that has been a score. */
uint64_t geo_hash_of(double score);
/* The place as other systems write a geohash: base 32, latitudes up to 90 degrees. */
void geo_text(struct geo_point p, char out[GEO_TEXT_CHARS]);

/* On a sphere, in metres. */
double geo_distance(struct geo_point a, struct geo_point b);

/* A circle, or a box whose sides run along longitudes and latitudes. */
struct geo_area {
    struct geo_point centre;
    bool is_box;
    double radius;        /* a circle's */
    double width, height; /* a box's */
};

/* False: @p is outside. *@distance: from the centre. */
bool geo_is_within(const struct geo_area *a, struct geo_point p, double *distance);

#define GEO_CELLS_MAX 9

/* Hashes from..end-1. */
struct geo_cell {
    uint64_t from, end;
};
/* The cells that may hold places of the area, in the order in which they are looked through;
 * returns how many. */
unsigned geo_cover(const struct geo_area *a, struct geo_cell out[GEO_CELLS_MAX]);

#endif
