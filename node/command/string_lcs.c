/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/string_lcs.c - LCS: the longest common subsequence of two strings.
 *
 * The textbook dynamic programme over a table of lengths, L(i, j) for the first i bytes of a and
 * the first j of b. Only two of its rows are kept; for the way back it is enough to know, per cell
 * whose bytes differ, which neighbour is longer: one bit. The bound on memory is nevertheless
 * Redis's, which counts four bytes a cell, so that the same strings are refused here and there. */
#include "base/mem.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/node_limits.h"

#include <stdlib.h>

struct lcs_options {
    bool idx, len, with_match_len;
    int64_t min_match_len;
};

struct lcs {
    struct arg a, b;
    char scratch_a[24], scratch_b[24];
    uint32_t *rows;    /* 2 * (b.n + 1) lengths */
    unsigned char *up; /* bit per cell (i, j), i and j from 1: L(i-1, j) > L(i, j-1) */
    uint32_t length;
};

/* A run of bytes that the two strings share: a[a_first..a_last] is b[b_first..b_last]. */
struct lcs_range {
    size_t a_first, a_last, b_first, b_last;
};

static bool parse_options(struct cmd *c, struct lcs_options *o)
{
    *o = (struct lcs_options){0};
    for (int i = 3; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];

        if (arg_is(word, "IDX")) {
            o->idx = true;
        } else if (arg_is(word, "LEN")) {
            o->len = true;
        } else if (arg_is(word, "WITHMATCHLEN")) {
            o->with_match_len = true;
        } else if (arg_is(word, "MINMATCHLEN") && i + 1 < c->argc) {
            if (!cmd_arg_i64(c, ++i, &o->min_match_len, NULL)) {
                return false;
            }
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    if (o->idx && o->len) {
        resp_error(c->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static size_t cell(const struct lcs *l, size_t i, size_t j) { return (i - 1) * l->b.n + (j - 1); }

static bool went_up(const struct lcs *l, size_t i, size_t j)
{
    size_t n = cell(l, i, j);

    return (l->up[n / 8] >> (n % 8) & 1) != 0;
}

/* Room for the programme, or an error reply. @backwards: the way back will be asked for. */
static bool allocate(struct cmd *c, struct lcs *l, bool backwards)
{
    uint64_t bytes;

    if (l->a.n >= UINT32_MAX - 1 || l->b.n >= UINT32_MAX - 1) {
        resp_error(c->reply, "ERR String too long for LCS");
        return false;
    }
    if (__builtin_mul_overflow((uint64_t)(l->a.n + 1) * (l->b.n + 1), UINT64_C(4), &bytes) ||
        bytes > (uint64_t)cmd_string_max(c)) {
        resp_error(c->reply, "ERR Insufficient memory, transient memory for LCS exceeds "
                             "proto-max-bulk-len");
        return false;
    }
    l->rows = mem_try_alloc(2 * (l->b.n + 1) * sizeof *l->rows);
    if (backwards && l->rows != NULL) {
        l->up = mem_try_alloc(l->a.n * l->b.n / 8 + 1);
    }
    if (l->rows == NULL || (backwards && l->up == NULL)) {
        resp_error(c->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return false;
    }
    return true;
}

static void compute(struct lcs *l)
{
    uint32_t *above = l->rows, *row = l->rows + l->b.n + 1;

    memset(l->rows, 0, 2 * (l->b.n + 1) * sizeof *l->rows);
    if (l->up != NULL) {
        memset(l->up, 0, l->a.n * l->b.n / 8 + 1);
    }
    for (size_t i = 1; i <= l->a.n; i++) {
        uint32_t *swap = above;

        for (size_t j = 1; j <= l->b.n; j++) {
            if (l->a.p[i - 1] == l->b.p[j - 1]) {
                row[j] = above[j - 1] + 1;
            } else if (above[j] > row[j - 1]) {
                row[j] = above[j];
                if (l->up != NULL) {
                    l->up[cell(l, i, j) / 8] |= (unsigned char)(1u << (cell(l, i, j) % 8));
                }
            } else {
                row[j] = row[j - 1];
            }
        }
        above = row;
        row = swap;
    }
    l->length = above[l->b.n];
}

/* The next shared run on the way back from cell (*i, *j), which moves before it. False: none. */
static bool previous_range(const struct lcs *l, size_t *i, size_t *j, struct lcs_range *r)
{
    while (*i > 0 && *j > 0 && l->a.p[*i - 1] != l->b.p[*j - 1]) {
        if (went_up(l, *i, *j)) {
            --*i;
        } else {
            --*j;
        }
    }
    if (*i == 0 || *j == 0) {
        return false;
    }
    r->a_last = *i - 1;
    r->b_last = *j - 1;
    while (*i > 0 && *j > 0 && l->a.p[*i - 1] == l->b.p[*j - 1]) {
        --*i;
        --*j;
    }
    r->a_first = *i;
    r->b_first = *j;
    return true;
}

static void reply_text(struct cmd *c, const struct lcs *l)
{
    size_t i = l->a.n, j = l->b.n, at = l->length;
    struct lcs_range r;
    char *text = mem_try_alloc(l->length + 1);

    if (text == NULL) {
        resp_error(c->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    while (previous_range(l, &i, &j, &r)) {
        size_t n = r.a_last - r.a_first + 1;

        assert(n <= at);
        at -= n;
        memcpy(text + at, l->a.p + r.a_first, n);
    }
    assert(at == 0);
    resp_bulk(c->reply, text, l->length);
    free(text);
}

static void reply_pair(struct cmd *c, size_t first, size_t last)
{
    resp_array(c->reply, 2);
    resp_int(c->reply, (int64_t)first);
    resp_int(c->reply, (int64_t)last);
}

static void reply_ranges(struct cmd *c, const struct lcs *l, const struct lcs_options *o)
{
    size_t i = l->a.n, j = l->b.n, n = 0, at;
    struct lcs_range r;

    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "matches");
    at = resp_deferred_begin(c->reply);
    while (previous_range(l, &i, &j, &r)) {
        int64_t len = (int64_t)(r.a_last - r.a_first + 1);

        if (len < o->min_match_len) {
            continue;
        }
        n++;
        resp_array(c->reply, o->with_match_len ? 3 : 2);
        reply_pair(c, r.a_first, r.a_last);
        reply_pair(c, r.b_first, r.b_last);
        if (o->with_match_len) {
            resp_int(c->reply, len);
        }
    }
    resp_deferred_array(c->reply, at, n);
    resp_bulk_str(c->reply, "len");
    resp_int(c->reply, l->length);
}

static struct arg text_of(const struct item *it, char *scratch)
{
    return it != NULL ? item_string(it, scratch) : (struct arg){"", 0};
}

void cmd_lcs(struct cmd *c)
{
    struct lcs_options o;
    struct lcs l = {0};
    struct key ka, kb;
    struct item *a, *b;

    /* Neither look-up touches the other's item: expiry deletes only an item that is then NULL. */
    a = access_read(c, &c->argv[1], &ka);
    b = access_read(c, &c->argv[2], &kb);
    if ((a != NULL && item_type(a) != ITEM_STRING) || (b != NULL && item_type(b) != ITEM_STRING)) {
        resp_error(c->reply, "ERR The specified keys must contain string values");
        return;
    }
    if (!parse_options(c, &o)) {
        return;
    }
    l.a = text_of(a, l.scratch_a);
    l.b = text_of(b, l.scratch_b);
    if (allocate(c, &l, !o.len)) {
        compute(&l);
        if (o.len) {
            resp_int(c->reply, l.length);
        } else if (o.idx) {
            reply_ranges(c, &l, &o);
        } else {
            reply_text(c, &l);
        }
    }
    free(l.up);
    free(l.rows);
}
