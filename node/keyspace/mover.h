/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/mover.h - moving what is allocated for data to better places, while it is in use.
 *
 * An allocator puts allocations of a size together into slabs, and a slab goes back only when all
 * in it are freed. Whoever owns allocations shows them to a mover, one by one: it may say that one
 * should leave its slab, and copy it. The owner then corrects all that points there.
 *
 * Which is why a walk over values is a matter of their modules (struct value_type's relocate), in
 * steps: what happens between two steps happens as if nothing had been moved. Exec thread. */
#ifndef NODE_KEYSPACE_MOVER_H
#define NODE_KEYSPACE_MOVER_H

#include "base/base.h"

struct mover {
    /* Should the allocation leave its place? */
    bool (*wants)(struct mover *m, const void *p);
    /* Copy it to another place, with at least its alignment, and free it; returns where it is now:
     * @p when that cannot be done. */
    void *(*move)(struct mover *m, void *p);
    uint64_t moved, kept; /* allocations: the caller sets them to 0 when it likes */
};

/* For owners that have to prepare a move: false counts it as kept, else mover_take() is next. */
static inline bool mover_wants(struct mover *m, const void *p)
{
    bool wants = m->wants(m, p);

    m->kept += !wants;
    return wants;
}

static inline void *mover_take(struct mover *m, void *p)
{
    void *now = m->move(m, p);

    m->moved += now != p;
    m->kept += now == p;
    return now;
}

/* Where the allocation is now. */
static inline void *mover_move(struct mover *m, void *p)
{
    return mover_wants(m, p) ? mover_take(m, p) : p;
}

static inline uint64_t mover_seen(const struct mover *m) { return m->moved + m->kept; }

/* How far a walk within one value has come; zero begins. The numbers are the type's own, and mean
 * something, if not the same, in whatever the value has become. */
struct value_cursor {
    uint32_t part;
    uint64_t at, sub, leaf;
};

#endif
