/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/zset_scan.c - ZRANDMEMBER and ZSCAN. Source: the Redis command pages. */
#include "node/access.h"
#include "node/command/element_scan.h"
#include "node/command/handlers.h"
#include "node/command/sample.h"
#include "node/command/zset.h"
#include "node/types/members.h"

#define FEW_OF 3 /* less than a third: few */

struct picking {
    struct cmd *c;
    bool with_scores;
    struct sample sample;
};

static bool pick_passing(void *arg, struct arg member, double score)
{
    struct picking *p = arg;

    if (sample_takes(&p->sample, p->c)) {
        zset_reply_element(p->c, member, score, p->with_scores);
    }
    return p->sample.wanted > 0;
}

static void repeated(struct picking *p, const struct item *it, uint64_t n)
{
    char scratch[24];
    struct arg member;
    double score;

    zset_reply_begin(p->c, (size_t)n, p->with_scores);
    while (n-- > 0) {
        zset_random(it, cmd_random(p->c), scratch, &member, &score);
        zset_reply_element(p->c, member, score, p->with_scores);
    }
}

/* Few of many: random ones, but for those that came already. */
static void few(struct picking *p, const struct item *it, uint64_t n)
{
    struct members seen;
    char scratch[24];
    struct arg member;
    double score;

    members_init(&seen, keyspace_hash_key(p->c->ks));
    while (n > 0) {
        zset_random(it, cmd_random(p->c), scratch, &member, &score);
        if (members_find(&seen, member.p, member.n) == NULL) {
            (void)members_add(&seen, member.p, member.n, "", 0);
            zset_reply_element(p->c, member, score, p->with_scores);
            n--;
        }
    }
    members_release(&seen);
}

static void distinct(struct picking *p, const struct item *it, uint64_t n)
{
    uint64_t len = zset_len(it);

    n = MIN_OF(n, len);
    zset_reply_begin(p->c, (size_t)n, p->with_scores);
    if (n * FEW_OF < len && zset_listpack(item_value(it)) == NULL) {
        few(p, it, n);
    } else if (n > 0) {
        p->sample = (struct sample){n, len};
        zset_each(item_value(it), pick_passing, p);
    }
}

static void one_member(struct cmd *c)
{
    char scratch[24];
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);
    struct arg member;
    double score;

    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    if (it == NULL) {
        resp_null(c->reply);
        return;
    }
    zset_random(it, cmd_random(c), scratch, &member, &score);
    resp_bulk(c->reply, member.p, member.n);
}

void cmd_zrandmember(struct cmd *c)
{
    struct picking p = {.c = c};
    struct item *it;
    int64_t count;
    struct key k;

    if (c->argc == 2) {
        one_member(c);
        return;
    }
    if (!sample_count(c, &count)) {
        return;
    }
    if (c->argc > 4 || (c->argc == 4 && !arg_is(&c->argv[3], "withscores"))) {
        cmd_reply_syntax_error(c);
        return;
    }
    p.with_scores = c->argc == 4;
    if (p.with_scores && (count < -(INT64_MAX / 2) || count > INT64_MAX / 2)) {
        resp_error(c->reply, "ERR value is out of range");
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_ZSET)) {
        return;
    }
    if (it == NULL || count == 0) {
        resp_array(c->reply, 0);
    } else if (count < -SAMPLE_REPEATS_MAX) {
        resp_error(c->reply, "ERR value is out of range");
    } else if (count < 0) {
        repeated(&p, it, (uint64_t)-count);
    } else {
        distinct(&p, it, (uint64_t)count);
    }
}

/* ---- ZSCAN --------------------------------------------------------------------------------- */

static bool scan_element(void *arg, struct arg member, double score)
{
    struct element_scan *s = arg;
    struct resp_out texts = {s->out.buf, 2}; /* scores are texts here, also in RESP3 */

    if (element_scan_matches(s, &member)) {
        resp_bulk(&s->out, member.p, member.n);
        resp_double(&texts, score);
        s->n += 2;
    }
    return true;
}

void cmd_zscan(struct cmd *c)
{
    struct element_scan s;
    struct item *it;

    if (element_scan_begin(c, ITEM_ZSET, false, &s, &it)) {
        element_scan_end(&s, zset_scan(it, s.cursor, s.count, scan_element, &s));
    }
}
