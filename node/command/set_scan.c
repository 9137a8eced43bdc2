/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/set_scan.c - SPOP, SRANDMEMBER and SSCAN. Source: the Redis command pages.
 *
 * Chance decides on the leader alone: the log says which members went (SREM, or DEL when all did).
 */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/element_scan.h"
#include "node/command/handlers.h"
#include "node/command/sample.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/members.h"
#include "node/types/set.h"

#include <stdlib.h>

/* ---- picking ------------------------------------------------------------------------------- */

#define FEW_OF 3 /* less than a third: few */

struct picking {
    struct cmd *c;
    struct sample sample;
    set_each_fn *fn;
    void *arg;
};

static bool pick_passing(void *arg, struct arg member)
{
    struct picking *p = arg;

    if (sample_takes(&p->sample, p->c)) {
        (void)p->fn(p->arg, member);
    }
    return p->sample.wanted > 0;
}

/* Few of many: random ones, but for those that came already. */
static void pick_few(struct cmd *c, const struct item *it, size_t n, set_each_fn *fn, void *arg)
{
    struct members seen;
    char scratch[24];

    members_init(&seen, keyspace_hash_key(c->ks));
    while (n > 0) {
        struct arg member = set_random(it, cmd_random(c), scratch);

        if (members_find(&seen, member.p, member.n) == NULL) {
            (void)members_add(&seen, member.p, member.n, "", 0);
            (void)fn(arg, member);
            n--;
        }
    }
    members_release(&seen);
}

/* Hand @n different members, drawn at random, to @fn; the set has more. */
static void pick(struct cmd *c, const struct item *it, size_t n, set_each_fn *fn, void *arg)
{
    struct picking p = {c, {n, set_len(it)}, fn, arg};

    if (n * FEW_OF < set_len(it) && !set_is_small(item_value(it))) {
        pick_few(c, it, n, fn, arg);
    } else if (n > 0) {
        set_each(item_value(it), pick_passing, &p);
    }
}

static bool reply_member(void *arg, struct arg member)
{
    resp_bulk(arg, member.p, member.n);
    return true;
}

/* ---- SRANDMEMBER --------------------------------------------------------------------------- */

static void one_member(struct cmd *c)
{
    char scratch[24];
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);
    struct arg member;

    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    if (it == NULL) {
        resp_null(c->reply);
        return;
    }
    member = set_random(it, cmd_random(c), scratch);
    resp_bulk(c->reply, member.p, member.n);
}

static void repeated(struct cmd *c, const struct item *it, int64_t n)
{
    char scratch[24];

    resp_array(c->reply, (size_t)n);
    while (n-- > 0) {
        struct arg member = set_random(it, cmd_random(c), scratch);

        resp_bulk(c->reply, member.p, member.n);
    }
}

void cmd_srandmember(struct cmd *c)
{
    struct item *it;
    int64_t count;
    struct key k;

    if (c->argc == 2) {
        one_member(c);
        return;
    }
    if (c->argc > 3) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (!sample_count(c, &count)) {
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    if (it == NULL || count == 0) {
        resp_array(c->reply, 0);
    } else if (count < -SAMPLE_REPEATS_MAX) {
        resp_error(c->reply, "ERR value is out of range");
    } else if (count < 0) {
        repeated(c, it, -count);
    } else {
        size_t len = set_len(it);

        resp_array(c->reply, MIN_OF((size_t)count, len));
        if ((size_t)count >= len) {
            set_each(item_value(it), reply_member, c->reply);
        } else {
            pick(c, it, (size_t)count, reply_member, c->reply);
        }
    }
}

/* ---- SPOP ---------------------------------------------------------------------------------- */

#define EFFECT_OVERHEAD 16 /* bytes of an argument in the log beside its own, at most */

/* Members that have been drawn, copied: the set changes while they go. */
struct drawn {
    struct arg *argv; /* SREM key member ... */
    size_t n, cap;
    size_t bytes; /* in the log, at most */
};

static bool draw(void *arg, struct arg member)
{
    struct drawn *d = arg;

    if (d->n == d->cap) {
        d->cap *= 2;
        d->argv = mem_realloc(d->argv, d->cap * sizeof *d->argv);
    }
    d->argv[d->n++] = (struct arg){mem_dup(member.p, member.n), member.n};
    d->bytes += member.n + EFFECT_OVERHEAD;
    return true;
}

#define SREM_WORDS 2

static void pop_drawn(struct cmd *c, const struct key *k, struct item *it, struct drawn *d)
{
    for (size_t i = SREM_WORDS; i < d->n; i++) {
        (void)set_remove(it, d->argv[i].p, d->argv[i].n);
    }
    access_changed(c, c->db, k);
    effect_args(c, d->argv, d->n);
    notify(c, NOTIFY_SET, "spop", k);
    if (set_len(it) == 0) {
        access_delete(c, k, it);
        notify(c, NOTIFY_GENERIC, "del", k);
    }
}

static void drawn_init(struct cmd *c, struct drawn *d)
{
    *d = (struct drawn){.cap = 16, .n = SREM_WORDS, .bytes = c->argv[1].n + EFFECT_OVERHEAD};
    d->argv = mem_alloc(d->cap * sizeof *d->argv);
    d->argv[0] = (struct arg){"SREM", 4};
    d->argv[1] = c->argv[1];
}

static void drawn_release(struct drawn *d)
{
    for (size_t i = SREM_WORDS; i < d->n; i++) {
        free((void *)(uintptr_t)d->argv[i].p);
    }
    free(d->argv);
}

static void pop_one(struct cmd *c)
{
    char scratch[24];
    struct drawn d;
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);

    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    if (it == NULL) {
        resp_null(c->reply);
        return;
    }
    drawn_init(c, &d);
    (void)draw(&d, set_random(it, cmd_random(c), scratch));
    resp_bulk(c->reply, d.argv[SREM_WORDS].p, d.argv[SREM_WORDS].n);
    pop_drawn(c, &k, it, &d);
    drawn_release(&d);
}

static void pop_all(struct cmd *c, const struct key *k, struct item *it)
{
    resp_set(c->reply, set_len(it));
    set_each(item_value(it), reply_member, c->reply);
    access_delete(c, k, it);
    effect_del(c, k);
    notify(c, NOTIFY_SET, "spop", k);
    notify(c, NOTIFY_GENERIC, "del", k);
}

static void pop_some(struct cmd *c, const struct key *k, struct item *it, size_t n)
{
    size_t most = cmd_effect_max(c);
    struct drawn d;

    drawn_init(c, &d);
    pick(c, it, n, draw, &d);
    if (d.bytes > most) { /* the log names them all */
        resp_errorf(c->reply,
                    "ERR the members are too large: at most %zu bytes fit into one log entry",
                    most);
    } else {
        resp_set(c->reply, n);
        for (size_t i = SREM_WORDS; i < d.n; i++) {
            resp_bulk(c->reply, d.argv[i].p, d.argv[i].n);
        }
        pop_drawn(c, k, it, &d);
    }
    drawn_release(&d);
}

void cmd_spop(struct cmd *c)
{
    static const char not_positive[] = "ERR value is out of range, must be positive";
    struct item *it;
    int64_t count;
    struct key k;

    if (c->argc == 2) {
        pop_one(c);
        return;
    }
    if (c->argc > 3) {
        cmd_reply_syntax_error(c);
        return;
    }
    if (!cmd_arg_i64(c, 2, &count, not_positive)) {
        return;
    }
    if (count < 0) {
        resp_error(c->reply, not_positive);
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_SET)) {
        return;
    }
    if (it == NULL || count == 0) {
        resp_set(c->reply, 0);
    } else if ((size_t)count >= set_len(it)) {
        pop_all(c, &k, it);
    } else {
        pop_some(c, &k, it, (size_t)count);
    }
}

/* ---- SSCAN --------------------------------------------------------------------------------- */

static bool scan_member(void *arg, struct arg member)
{
    struct element_scan *s = arg;

    if (element_scan_matches(s, &member)) {
        resp_bulk(&s->out, member.p, member.n);
        s->n++;
    }
    return true;
}

void cmd_sscan(struct cmd *c)
{
    struct element_scan s;
    struct item *it;

    if (element_scan_begin(c, ITEM_SET, false, &s, &it)) {
        element_scan_end(&s, set_scan(it, s.cursor, s.count, scan_member, &s));
    }
}
