/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/geo.c: known places and distances, and searches against looking at every place. */
#include "node/geo.h"

#include "tests/test.h"

#include "base/rand.h"

#include <math.h>

static const struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};

/* Numbers as Redis 7.0 gives them. */
static void places_have_the_numbers_that_redis_gives(void **state)
{
    static const struct {
        struct geo_point at;
        uint64_t hash;
        const char *text;
    } cases[] = {
        {{13.361389, 38.115556}, 3479099956230698, "sqc8b49rny0"},
        {{15.087269, 37.502669}, 3479447370796909, "sqdtr74hyu0"},
        {{-180, -85.05112878}, 0, "00bh0hbj200"},
        {{180, 0}, UINT64_C(10133099161583616), "80000000000"}, /* an end has a column of its own */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[GEO_TEXT_CHARS];

        assert_true(geo_encode(cases[i].at) == cases[i].hash);
        geo_text(cases[i].at, text);
        assert_memory_equal(text, cases[i].text, GEO_TEXT_CHARS);
    }
}

static void bounds_are_part_of_the_map(void **state)
{
    static const struct {
        struct geo_point p;
        bool valid;
    } cases[] = {
        {{180, 85.05112878}, true}, {{-180, -85.05112878}, true}, {{180.0001, 0}, false},
        {{0, 85.0512}, false},      {{-INFINITY, 0}, false},      {{0, INFINITY}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(geo_is_valid(cases[i].p), cases[i].valid);
    }
}

static double uniform(struct rng *rng, double lo, double hi)
{
    return lo + (double)(rng_next(rng) >> 11) * 0x1p-53 * (hi - lo);
}

static struct geo_point any_place(struct rng *rng)
{
    return (struct geo_point){uniform(rng, -180, 180), uniform(rng, -GEO_LAT_MAX, GEO_LAT_MAX)};
}

/* A number stands for a part of the map of half a metre. */
static void a_number_is_near_the_place_it_was_made_of(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        struct geo_point p = any_place(&rng), q = geo_decode(geo_encode(p));

        assert_true(geo_distance(p, q) < 0.6);
        assert_true(geo_encode(q) == geo_encode(p));
    }
}

/* Scores that are no places have numbers, too, and those decode to something on the map. */
static void any_score_decodes_to_a_place_on_the_map(void **state)
{
    static const double scores[] = {-1, 1e19, 1.9e19, 1e300, -1e300, INFINITY, -INFINITY, 0.5};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scores); i++) {
        assert_true(geo_is_valid(geo_decode(geo_hash_of(scores[i]))));
    }
}

static void distances_are_great_circles(void **state)
{
    struct geo_point west = {-179.9, 0}, east = {179.9, 0}, north = {0, 85}, south = {0, -85};

    (void)state;
    assert_true(
        fabs(geo_distance(geo_decode(geo_encode(palermo)), geo_decode(geo_encode(catania))) -
             166274.1516) < 1e-4);
    assert_true(geo_distance(palermo, palermo) == 0);
    assert_true(fabs(geo_distance(west, east) - 22245.2) < 1);         /* not around the earth */
    assert_true(fabs(geo_distance(north, south) - 18908633.0) < 1000); /* 170 of 360 degrees */
}

/* ---- covering ------------------------------------------------------------------------------ */

static bool is_covered(const struct geo_cell *cells, unsigned n, uint64_t hash)
{
    unsigned times = 0;

    for (unsigned i = 0; i < n; i++) {
        times += hash >= cells[i].from && hash < cells[i].end;
    }
    assert_true(times <= 1); /* a place found twice would be replied twice */
    return times == 1;
}

static struct geo_area any_area(struct rng *rng)
{
    struct geo_area a = {.centre = any_place(rng), .is_box = rng_below(rng, 2) == 1};

    if (rng_below(rng, 4) == 0) { /* at the antimeridian */
        a.centre.lon = copysign(180 - uniform(rng, 0, 2), a.centre.lon);
    }
    a.radius = pow(10, uniform(rng, 0, 7.4));
    a.width = pow(10, uniform(rng, 0, 7.6));
    a.height = pow(10, uniform(rng, 0, 7.6));
    return a;
}

#define LAT_MOST 85.05 /* a row of its own is at the very edge */

/* A place in the area or not far outside of it; sometimes anywhere. */
static struct geo_point place_about(struct rng *rng, const struct geo_area *a)
{
    double height = (a->is_box ? a->height / 2 : a->radius) / 111000;
    double width = (a->is_box ? a->width / 2 : a->radius) / 111000 /
                   fmax(cos(a->centre.lat * 3.14159 / 180), 0.05);
    struct geo_point p = {uniform(rng, -180, 180), uniform(rng, -LAT_MOST, LAT_MOST)};

    if (rng_below(rng, 4) > 0 && width < 180) {
        p.lon = remainder(a->centre.lon + uniform(rng, -1.2, 1.2) * width, 360);
        p.lat = a->centre.lat + uniform(rng, -1.2, 1.2) * height;
        p.lat = fmax(fmin(p.lat, LAT_MOST), -LAT_MOST);
    }
    return p;
}

/* Whatever lies within the area is in exactly one cell of its cover: in all sizes, at the
 * antimeridian, near a pole and around it. */
static void no_place_of_an_area_is_missed_or_found_twice(void **state)
{
    struct rng rng;
    unsigned within = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        struct geo_area a = any_area(&rng);
        struct geo_cell cells[GEO_CELLS_MAX];
        unsigned n = geo_cover(&a, cells);

        for (int k = 0; k < 10; k++) {
            struct geo_point p = geo_decode(geo_encode(place_about(&rng, &a)));
            double distance;
            bool covered = is_covered(cells, n, geo_encode(p));

            if (geo_is_within(&a, p, &distance)) {
                within++;
                if (!covered) {
                    fail_msg("%.6f,%.6f is missed, %s of %.1f (%.1f x %.1f) at %.6f,%.6f", p.lon,
                             p.lat, a.is_box ? "box" : "circle", a.radius, a.width, a.height,
                             a.centre.lon, a.centre.lat);
                }
            }
        }
    }
    assert_true(within > 50000);
}

/* Small areas look at small cells: that is what they are for. */
static void a_small_area_has_a_small_cover(void **state)
{
    struct geo_area a = {.centre = palermo, .radius = 100};
    struct geo_cell cells[GEO_CELLS_MAX];
    unsigned n = geo_cover(&a, cells);
    uint64_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        sum += cells[i].end - cells[i].from;
    }
    assert_true(sum < UINT64_C(1) << 26); /* of 2^52 */
    a.radius = 0;
    assert_true(geo_cover(&a, cells) >= 1);
    assert_true(cells[0].from == geo_encode(palermo));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_have_the_numbers_that_redis_gives),
        cmocka_unit_test(bounds_are_part_of_the_map),
        cmocka_unit_test(a_number_is_near_the_place_it_was_made_of),
        cmocka_unit_test(any_score_decodes_to_a_place_on_the_map),
        cmocka_unit_test(distances_are_great_circles),
        cmocka_unit_test(no_place_of_an_area_is_missed_or_found_twice),
        cmocka_unit_test(a_small_area_has_a_small_cover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
