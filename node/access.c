/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/access.c - see node/access.h. */
#include "node/access.h"

#include "node/block_table.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/exec.h"
#include "node/node.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/snapshot.h"
#include "node/tracking.h"
#include "node/watch.h"

static bool on_leader(const struct cmd *c)
{
    return !c->applying && c->group != NULL && c->group->state == GROUP_SERVING;
}

/* The command has seen a key of this hash: its reply shows no more than what is committed. */
static void raise_gate(struct cmd *c, const struct key *k)
{
    uint64_t batch = c->group->dirty[k->hash % GROUP_DIRTY_SLOTS];

    c->touched = true;
    c->gate = MAX_OF(c->gate, batch);
}

static void mark_group(struct cmd *c)
{
    struct group *g = c->group;

    c->wrote = true;
    c->touched = true;
    if (!c->applying) {
        g->all_dirty = group_open_batch(g);
        c->gate = g->all_dirty;
    }
}

void access_changed(struct cmd *c, uint32_t db, const struct key *k)
{
    mark_group(c);
    if (!c->applying) {
        c->group->dirty[k->hash % GROUP_DIRTY_SLOTS] = c->group->all_dirty;
    }
    tracking_changed(c, k);
    watch_touch(c->node->watches, c->group, db, k);
    block_key_changed(c->node->blocks, c->group, db, k);
}

void access_all(struct cmd *c)
{
    c->touched = true;
    c->gate = MAX_OF(c->gate, c->group->all_dirty);
}

void access_note_expired_fields(struct cmd *c, size_t n) { c->node->stats.expired_fields += n; }

bool access_is_expired(const struct cmd *c, const struct item *it)
{
    if (c->applying) {
        return false;
    }

    int64_t at = keyspace_expire_at(c->ks, it);

    return at != KEYSPACE_NO_EXPIRE && at <= c->now_ms;
}

#define DEL_OVERHEAD 32 /* bytes of its effect beside the name, at most */

/* For a write there is room, see exec_fits(). */
static bool has_room_for_del(const struct cmd *c, const struct key *k)
{
    return (c->command->flags & CMD_WRITE) != 0 || k->n + DEL_OVERHEAD <= cmd_effect_max(c);
}

/* A read does not while CLIENT PAUSE is in force; a write that runs all the same needs the place.
 */
static bool may_delete(const struct cmd *c)
{
    return (c->command->flags & CMD_WRITE) != 0 || !clients_are_paused(c->node);
}

/* A key past its time: on the leader it goes, with its effect, if it @may; on a replica it is
 * hidden. */
static struct item *unless_expired(struct cmd *c, uint32_t db, const struct key *k, struct item *it,
                                   bool may)
{
    if (it == NULL || !access_is_expired(c, it)) {
        return it;
    }
    if (may && on_leader(c) && may_delete(c) && has_room_for_del(c, k)) {
        keyspace_delete(c->ks, db, it);
        access_changed(c, db, k);
        effect_del_db(c, db, k);
        notify_db(c, NOTIFY_EXPIRED, "expired", db, k);
        c->node->stats.expired_keys++;
    }
    return NULL;
}

/* The command is of the group that has the key's slot: else it would find nothing there, and leave
 * behind what nobody finds. Who reaches keys that the command table does not know of sees to it. */
static bool is_of_group(const struct cmd *c, const struct key *k)
{
    return c->applying || c->node->n_groups <= NODE_FIRST_DATA_GROUP + 1 ||
           groups_of_slot(c->node, k->slot) == c->group;
}

static struct item *find(struct cmd *c, uint32_t db, const struct arg *name, struct key *k,
                         bool may_expire)
{
    *k = c->slot >= 0 ? keyspace_key_in_slot(c->ks, name->p, name->n, (uint16_t)c->slot)
                      : keyspace_key(c->ks, name->p, name->n);
    assert(is_of_group(c, k));
    raise_gate(c, k);
    return unless_expired(c, db, k, keyspace_find(c->ks, db, k), may_expire);
}

static struct item *look_up(struct cmd *c, uint32_t db, const struct arg *name, struct key *k)
{
    return find(c, db, name, k, true);
}

static void note_access(struct cmd *c, struct item *it)
{
    if (it == NULL || snapshot_is_running(c->node)) {
        return;
    }
    /* TOUCH is how a client that leaves access times alone says that it means it. */
    if (c->client != NULL && (c->client->flags & CLIENT_NO_TOUCH) != 0 &&
        c->command->fn != cmd_touch) {
        return;
    }
    item_set_access(it, cmd_access_clock(c, item_access(it)));
}

/* @k has been set to @it. */
static void note_set(struct cmd *c, const struct key *k, struct item *it, bool is_new)
{
    item_set_access(it, cmd_access_clock_new(c));
    if (is_new) {
        notify(c, NOTIFY_NEW, "new", k);
    }
}

/* Of a read. */
static struct item *counted(struct cmd *c, struct item *it, const struct key *k)
{
    if (it == NULL) {
        c->node->stats.keyspace_misses++;
        notify(c, NOTIFY_KEY_MISS, "keymiss", k);
    } else {
        c->node->stats.keyspace_hits++;
    }
    return it;
}

struct item *access_look(struct cmd *c, const struct arg *name, struct key *k)
{
    struct item *it = look_up(c, c->db, name, k);

    return counted(c, it, k);
}

struct item *access_read(struct cmd *c, const struct arg *name, struct key *k)
{
    struct item *it = access_look(c, name, k);

    note_access(c, it);
    return it;
}

struct item *access_read_unnamed(struct cmd *c, const struct arg *name, struct key *k)
{
    struct item *it = find(c, c->db, name, k, false);

    note_access(c, it);
    return counted(c, it, k);
}

struct item *access_write(struct cmd *c, const struct arg *name, struct key *k)
{
    struct item *it = look_up(c, c->db, name, k);

    note_access(c, it);
    return it;
}

struct item *access_peek(struct cmd *c, const struct arg *name, struct key *k)
{
    return look_up(c, c->db, name, k);
}

struct item *access_write_db(struct cmd *c, uint32_t db, const struct arg *name, struct key *k)
{
    return look_up(c, db, name, k);
}

bool access_type_ok(struct cmd *c, const struct item *it, enum item_type t)
{
    if (it == NULL || item_type(it) == t) {
        return true;
    }
    cmd_reply_wrong_type(c);
    return false;
}

struct item *access_set_string(struct cmd *c, const struct key *k, struct item *it, const char *p,
                               size_t n, int64_t expire_at)
{
    bool is_new = it == NULL;

    access_changed(c, c->db, k);
    it = keyspace_put_string(c->ks, c->db, k, it, p, n, expire_at);
    note_set(c, k, it, is_new);
    return it;
}

struct item *access_set_i64(struct cmd *c, const struct key *k, struct item *it, int64_t v,
                            int64_t expire_at)
{
    bool is_new = it == NULL;

    access_changed(c, c->db, k);
    it = keyspace_put_i64(c->ks, c->db, k, it, v, expire_at);
    note_set(c, k, it, is_new);
    return it;
}

struct item *access_set_value(struct cmd *c, const struct key *k, struct item *it, void *value,
                              int64_t expire_at)
{
    bool is_new = it == NULL;

    access_changed(c, c->db, k);
    it = keyspace_put_value(c->ks, c->db, k, it, value, expire_at);
    note_set(c, k, it, is_new);
    return it;
}

char *access_edit_string(struct cmd *c, const struct key *k, struct item **it, size_t len)
{
    char *p = keyspace_string_edit(c->ks, c->db, it, len);

    if (p != NULL) {
        access_changed(c, c->db, k);
    }
    return p;
}

void access_delete(struct cmd *c, const struct key *k, struct item *it)
{
    keyspace_delete(c->ks, c->db, it);
    access_changed(c, c->db, k);
}

void access_set_expire(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at)
{
    keyspace_set_expire(c->ks, c->db, it, expire_at);
    access_changed(c, c->db, k);
}

struct item *access_move(struct cmd *c, const struct key *k, struct item *it, uint32_t to_db,
                         const struct key *to)
{
    it = keyspace_move(c->ks, c->db, it, to_db, to);
    access_changed(c, c->db, k);
    access_changed(c, to_db, to);
    notify_db(c, NOTIFY_NEW, "new", to_db, to);
    return it;
}

struct item *access_copy(struct cmd *c, struct item *it, uint32_t to_db, const struct key *to)
{
    it = keyspace_copy(c->ks, it, to_db, to);
    access_changed(c, to_db, to);
    notify_db(c, NOTIFY_NEW, "new", to_db, to);
    return it;
}

/* Everything in the group may have changed: every gate rises. */
static void mark_all(struct cmd *c)
{
    mark_group(c);
    if (!c->applying) {
        for (size_t i = 0; i < GROUP_DIRTY_SLOTS; i++) {
            c->group->dirty[i] = c->group->all_dirty;
        }
    }
    tracking_all_changed(c);
}

void access_flush_db(struct cmd *c, uint32_t db)
{
    watch_touch_db(c->node->watches, c->group, db);

    struct keyspace *old = keyspace_detach_db(c->ks, db);

    exec_free_later(c->node, old);
    block_db_changed(c->node->blocks, c->group, db);
    mark_all(c);
}

void access_swap_dbs(struct cmd *c, uint32_t a, uint32_t b)
{
    watch_touch_db(c->node->watches, c->group, a);
    watch_touch_db(c->node->watches, c->group, b);
    keyspace_swap_dbs(c->ks, a, b);
    block_db_changed(c->node->blocks, c->group, a);
    block_db_changed(c->node->blocks, c->group, b);
    mark_all(c);
}
