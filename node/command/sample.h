/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/sample.h - which of the elements that pass by are taken, so that each subset of the
 * wanted size is equally likely. Source: Knuth, TAOCP vol. 2, 3.4.2, algorithm S. */
#ifndef NODE_COMMAND_SAMPLE_H
#define NODE_COMMAND_SAMPLE_H

#include "node/node_limits.h"

struct sample {
    uint64_t wanted; /* still to be taken */
    uint64_t left;   /* still to come */
};

/* Is the element that comes now one of them? */
static inline bool sample_takes(struct sample *s, struct cmd *c)
{
    bool taken = s->wanted > 0 && cmd_random(c) % s->left < s->wanted;

    s->left--;
    s->wanted -= taken;
    return taken;
}

/* Most elements that a negative count may ask for: the reply has them all. */
#define SAMPLE_REPEATS_MAX (INT64_C(1) << 26)

#endif
