/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/geo.h - what the geo commands share. Private to node/command. */
#ifndef NODE_COMMAND_GEO_H
#define NODE_COMMAND_GEO_H

#include "node/command/command.h"
#include "node/geo.h"

/* Longitude and latitude at argv[@i] and argv[@i + 1]; false: replied. */
MUST_CHECK bool geo_point_arg(struct cmd *c, int i, struct geo_point *out);
/* Metres in the unit that argv[@i] names ("m", "km", "ft", "mi"); false: replied. */
MUST_CHECK bool geo_unit_arg(struct cmd *c, int i, double *out);
/* Where a member of a sorted set (NULL: none) is; false: there is no such member. */
MUST_CHECK bool geo_point_of(const struct item *it, const struct arg *member,
                             struct geo_point *out);

void geo_reply_distance(struct cmd *c, double distance); /* with four decimals */
void geo_reply_point(struct cmd *c, struct geo_point p);

#endif
