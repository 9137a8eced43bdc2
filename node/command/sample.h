/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/sample.h - SRANDMEMBER and its like: how many elements, and which of those that pass
 * by are taken, so that each subset of the wanted size is equally likely. Source: Knuth, TAOCP vol.
 * 2, 3.4.2, algorithm S. */
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

/* argv[2] of SRANDMEMBER and its like: how many, negative: with repetitions. False: replied. */
static inline bool sample_count(struct cmd *c, int64_t *count)
{
    if (!cmd_arg_i64(c, 2, count, NULL)) {
        return false;
    }
    if (*count == INT64_MIN) { /* it has no positive counterpart */
        resp_errorf(c->reply, "ERR value is out of range, value must between %lld and %lld",
                    (long long)-INT64_MAX, (long long)INT64_MAX);
        return false;
    }
    return true;
}

/* Most elements that a negative count may ask for: the reply has them all. */
#define SAMPLE_REPEATS_MAX (INT64_C(1) << 26)

#endif
