/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/mlog.c - a log in memory, each entry with the hash of all up to it. */
#include "tests/sim/sim.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

uint64_t entry_hash(const struct raft_entry *e)
{
    uint64_t h = 0xcbf29ce484222325u ^ e->type ^ (uint64_t)e->size << 8;
    uint32_t i = 0;

    for (; i + 8 <= e->size; i += 8) {
        uint64_t x;

        memcpy(&x, e->data + i, 8);
        h = (h ^ x) * 0x9e3779b97f4a7c15u;
        h ^= h >> 31;
    }
    for (; i < e->size; i++) {
        h = (h ^ e->data[i]) * 0x100000001b3u;
    }
    return h;
}

uint64_t chain_next(uint64_t chain, const struct raft_entry *e)
{
    uint64_t h = (chain ^ entry_hash(e)) * 0xff51afd7ed558ccdu;

    h ^= h >> 33;
    h = (h ^ e->pos.term) * 0xc4ceb9fe1a85ec53u;
    h ^= h >> 33;
    return (h ^ e->pos.index) * 0x9e3779b97f4a7c15u;
}

void mlog_cut(struct mlog *l, uint64_t from)
{
    while (l->n > 0 && l->base.index + l->n >= from) {
        raft_entry_unref(l->v[--l->n].e);
    }
}

void mlog_release(struct mlog *l)
{
    mlog_cut(l, 0);
    free(l->v);
    memset(l, 0, sizeof *l);
}

void mlog_reset(struct mlog *l, struct raft_pos base, uint64_t chain)
{
    mlog_cut(l, 0);
    l->base = base;
    l->base_chain = chain;
}

void mlog_put(struct mlog *l, struct raft_entry *e)
{
    uint64_t before;

    mlog_cut(l, e->pos.index);
    assert(e->pos.index == l->base.index + l->n + 1);
    before = l->n == 0 ? l->base_chain : l->v[l->n - 1].chain;
    GROW(l->v, l->cap, l->n + 1);
    l->v[l->n++] = (struct link){raft_entry_ref(e), chain_next(before, e)};
}

void mlog_compact(struct mlog *l, struct raft_pos pos, uint64_t chain)
{
    size_t k;

    if (pos.index <= l->base.index) {
        return;
    }
    if (mlog_term(l, pos.index) != pos.term) {
        mlog_reset(l, pos, chain);
        return;
    }
    k = pos.index - l->base.index;
    for (size_t i = 0; i < k; i++) {
        raft_entry_unref(l->v[i].e);
    }
    memmove(l->v, l->v + k, (l->n - k) * sizeof *l->v);
    l->n -= k;
    l->base = pos;
    l->base_chain = chain;
}

void mlog_copy(struct mlog *to, const struct mlog *from)
{
    mlog_reset(to, from->base, from->base_chain);
    GROW(to->v, to->cap, from->n);
    for (size_t i = 0; i < from->n; i++) {
        to->v[i] = (struct link){raft_entry_ref(from->v[i].e), from->v[i].chain};
    }
    to->n = from->n;
}

struct raft_pos mlog_last(const struct mlog *l)
{
    return l->n == 0 ? l->base : l->v[l->n - 1].e->pos;
}

struct raft_entry *mlog_at(const struct mlog *l, uint64_t index)
{
    if (index <= l->base.index || index > l->base.index + l->n) {
        return NULL;
    }
    return l->v[index - l->base.index - 1].e;
}

uint64_t mlog_term(const struct mlog *l, uint64_t index)
{
    const struct raft_entry *e = mlog_at(l, index);

    return e != NULL ? e->pos.term : index == l->base.index ? l->base.term : 0;
}

uint64_t mlog_chain(const struct mlog *l, uint64_t index)
{
    if (index == l->base.index) {
        return l->base_chain;
    }
    return mlog_at(l, index) == NULL ? 0 : l->v[index - l->base.index - 1].chain;
}
