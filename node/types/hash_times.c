/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/hash_times.c - see node/types/hash_times.h. */
#include "node/types/hash_times.h"

void hash_times_init(struct hash_times *t, const struct siphash_key *hash_key)
{
    members_init(&t->fields, hash_key);
    expire_pool_init(&t->pool);
    expire_heap_init(&t->heap);
    t->due = (struct value_due){.at = KEYSPACE_NO_EXPIRE};
}

void hash_times_release(struct hash_times *t)
{
    members_release(&t->fields);
    expire_heap_release(&t->pool, &t->heap);
    expire_pool_release(&t->pool);
    if (t->due.entry != NULL) {
        item_free(t->due.entry);
    }
}

void hash_times_copy(struct hash_times *to, const struct hash_times *t)
{
    hash_times_init(to, &t->fields.tables.hash_key);
    for (uint64_t i = 0; i < t->heap.n; i++) {
        const struct expire_entry *e = expire_nth(&t->pool, &t->heap, i);
        struct arg field = item_key(e->it);

        hash_times_set(to, field.p, field.n, e->at);
    }
}

int64_t hash_times_get(const struct hash_times *t, const char *field, size_t n)
{
    const struct item *it = members_find(&t->fields, field, n);

    return it == NULL ? KEYSPACE_NO_EXPIRE : expire_entry_of(&t->pool, it)->at;
}

void hash_times_set(struct hash_times *t, const char *field, size_t n, int64_t at)
{
    struct item *it = members_find(&t->fields, field, n);
    const struct expire_entry *first;

    if (at == KEYSPACE_NO_EXPIRE) {
        if (it == NULL) {
            return;
        }
        expire_remove(&t->pool, &t->heap, it);
        members_remove(&t->fields, it);
    } else if (it == NULL) {
        expire_add(&t->pool, &t->heap, members_add(&t->fields, field, n, "", 0), at);
    } else {
        expire_change(&t->pool, &t->heap, it, at);
    }
    first = expire_first(&t->pool, &t->heap);
    t->due.at = first == NULL ? KEYSPACE_NO_EXPIRE : first->at;
}

const struct item *hash_times_first(const struct hash_times *t)
{
    const struct expire_entry *e = expire_first(&t->pool, &t->heap);

    return e == NULL ? NULL : e->it;
}

size_t hash_times_past(const struct hash_times *t, int64_t now_ms)
{
    return (size_t)expire_count(&t->pool, &t->heap, now_ms);
}

struct relocation {
    struct hash_times *t;
    struct mover *m;
};

static struct item *relocate_field(void *arg, struct item *it)
{
    struct relocation *r = arg;

    it = members_relocate_one(r->m, it);
    expire_moved(&r->t->pool, it);
    return it;
}

bool hash_times_relocate(struct hash_times *t, struct mover *m, uint64_t *at, size_t n)
{
    struct relocation r = {t, m};

    if (*at == 0) {
        expire_pool_relocate(&t->pool, m);
        expire_heap_relocate(&t->pool, &t->heap, m);
    }
    return members_relocate(&t->fields, m, at, n, relocate_field, &r);
}

size_t hash_times_bytes(const struct hash_times *t)
{
    return members_bytes(&t->fields) + expire_heap_bytes(&t->heap) +
           t->pool.n * sizeof *t->pool.slots;
}
