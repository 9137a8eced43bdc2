/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash_scan.c - HRANDFIELD and HSCAN. Source: the Redis command pages. */
#include "node/command/hash.h"

#include "node/access.h"
#include "node/command/element_scan.h"
#include "node/command/handlers.h"
#include "node/command/sample.h"
#include "node/node_limits.h"
#include "node/types/hash.h"
#include "node/types/members.h"

/* ---- HRANDFIELD ---------------------------------------------------------------------------- */

struct picking {
    struct cmd *c;
    bool with_values;
    struct sample sample;
};

static void reply_pair(const struct picking *p, struct arg field, struct arg value)
{
    struct resp_out *o = p->c->reply;

    if (p->with_values && o->version >= 3) {
        resp_array(o, 2);
    }
    resp_bulk(o, field.p, field.n);
    if (p->with_values) {
        resp_bulk(o, value.p, value.n);
    }
}

static void begin_reply(const struct picking *p, uint64_t n)
{
    bool flat = p->with_values && p->c->reply->version < 3;

    resp_array(p->c->reply, (size_t)(flat ? 2 * n : n));
}

static bool pick_field(void *arg, struct arg field, struct arg value)
{
    struct picking *p = arg;

    if (sample_takes(&p->sample, p->c)) {
        reply_pair(p, field, value);
    }
    return p->sample.wanted > 0;
}

static void repeated(struct picking *p, const struct item *it, uint64_t n)
{
    char scratch[2][24];
    struct arg field, value;

    begin_reply(p, n);
    while (n-- > 0) {
        hash_random(it, cmd_random(p->c), scratch, &field, &value);
        reply_pair(p, field, value);
    }
}

/* Few of many: random ones, but for those that came already. */
static void few(struct picking *p, const struct item *it, uint64_t n)
{
    struct members seen;
    char scratch[2][24];
    struct arg field, value;

    members_init(&seen, keyspace_hash_key(p->c->ks));
    begin_reply(p, n);
    while (n > 0) {
        hash_random(it, cmd_random(p->c), scratch, &field, &value);
        if (members_find(&seen, field.p, field.n) == NULL) {
            (void)members_add(&seen, field.p, field.n, "", 0);
            reply_pair(p, field, value);
            n--;
        }
    }
    members_release(&seen);
}

#define FEW_OF 3 /* less than a third: few */

static void distinct(struct picking *p, const struct item *it, uint64_t n)
{
    uint64_t len = hash_len(it);

    n = MIN_OF(n, len);
    if (n * FEW_OF < len && hash_listpack(item_value(it)) == NULL) {
        few(p, it, n);
        return;
    }
    p->sample = (struct sample){n, len};
    begin_reply(p, n);
    if (n > 0) {
        hash_each(item_value(it), pick_field, p);
    }
}

struct seen {
    struct cmd *c;
    const struct item *from;
    struct item *to;
};

static bool copy_seen(void *arg, struct arg field, struct arg value)
{
    struct seen *s = arg;

    if (!hash_hides(s->c, s->from, &field)) {
        (void)hash_set(s->to, &field, &value, cmd_types_limits(s->c), keyspace_hash_key(s->c->ks));
    }
    return true;
}

/* What the command sees of @it (NULL: nothing): the item itself, or, in the short time in which it
 * has fields past their time, a copy without them: *@copy is the caller's to free. */
static struct item *seen_of(struct cmd *c, struct item *it, struct item **copy)
{
    struct seen s = {.c = c, .from = it};

    *copy = NULL;
    if (it == NULL || hash_hidden(c, it) == 0) {
        return it;
    }
    s.to = item_detached(hash_new());
    hash_each(item_value(it), copy_seen, &s);
    *copy = s.to;
    return hash_len(s.to) > 0 ? s.to : NULL;
}

static void one_field(struct cmd *c)
{
    char scratch[2][24];
    struct arg field, value;
    struct item *it, *copy;

    if (!hash_read(c, &it)) {
        return;
    }
    it = seen_of(c, it, &copy);
    if (it == NULL) {
        resp_null(c->reply);
    } else {
        hash_random(it, cmd_random(c), scratch, &field, &value);
        resp_bulk(c->reply, field.p, field.n);
    }
    if (copy != NULL) {
        item_free(copy);
    }
}

void cmd_hrandfield(struct cmd *c)
{
    struct picking p = {.c = c};
    struct item *it, *copy;
    int64_t count;

    if (c->argc == 2) {
        one_field(c);
        return;
    }
    if (!sample_count(c, &count)) {
        return;
    }
    if (c->argc > 4 || (c->argc == 4 && !arg_is(&c->argv[3], "withvalues"))) {
        cmd_reply_syntax_error(c);
        return;
    }
    p.with_values = c->argc == 4;
    if (p.with_values && (count < -(INT64_MAX / 2) || count > INT64_MAX / 2)) {
        resp_error(c->reply, "ERR value is out of range");
        return;
    }
    if (!hash_read(c, &it)) {
        return;
    }
    it = seen_of(c, it, &copy);
    if (it == NULL || count == 0) {
        resp_array(c->reply, 0);
    } else if (count < -SAMPLE_REPEATS_MAX) {
        resp_error(c->reply, "ERR value is out of range");
    } else if (count < 0) {
        repeated(&p, it, (uint64_t)-count);
    } else {
        distinct(&p, it, (uint64_t)count);
    }
    if (copy != NULL) {
        item_free(copy);
    }
}

/* ---- HSCAN --------------------------------------------------------------------------------- */

struct field_scan {
    struct element_scan s;
    const struct item *it;
    bool hides; /* some field */
};

static bool scan_field(void *arg, struct arg field, struct arg value)
{
    struct field_scan *f = arg;
    struct element_scan *s = &f->s;

    if (f->hides && hash_hides(s->c, f->it, &field)) {
        return true;
    }
    if (element_scan_matches(s, &field)) {
        resp_bulk(&s->out, field.p, field.n);
        s->n++;
        if (!s->no_values) {
            resp_bulk(&s->out, value.p, value.n);
            s->n++;
        }
    }
    return true;
}

void cmd_hscan(struct cmd *c)
{
    struct field_scan f;
    struct item *it;

    if (element_scan_begin(c, ITEM_HASH, true, &f.s, &it)) {
        f.it = it;
        f.hides = hash_hidden(c, it) > 0;
        element_scan_end(&f.s, hash_scan(it, f.s.cursor, f.s.count, scan_field, &f));
    }
}
