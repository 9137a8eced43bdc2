/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/balance.c - see cluster/balance.h. */
#include "cluster/balance.h"

static bool is_fit(const struct balance_view *v)
{
    return v->preferred == v->self && v->leader != 0 && v->leader != v->self &&
           v->leader_reachable && v->following && v->behind <= BALANCE_BEHIND_MAX && !v->stopping;
}

bool balance_asks(struct balance *b, const struct balance_view *v, int64_t now_us, int64_t delay_us)
{
    if (!is_fit(v) || delay_us == 0) {
        b->fit_since_us = 0;
        return false;
    }
    if (b->fit_since_us == 0) {
        b->fit_since_us = now_us;
    }
    if (now_us - b->fit_since_us < delay_us) {
        return false;
    }
    b->fit_since_us = now_us; /* should nothing come of it, it asks again as much later */
    return true;
}
