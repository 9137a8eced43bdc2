/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hyperloglog.c - PFADD, PFCOUNT, PFMERGE and their debugging. Source: the Redis
 * command pages; node/hll.h has the structure.
 *
 * PFCOUNT is a read and stores nothing: a count that is stored in a string (by Redis, which gave us
 * the data) is used while it is up to date, and out of date after the next change.
 *
 * hll-sparse-max-bytes decides about the bytes of a string, which are its content, and differs
 * between replicas: applying from the log it is not asked for, and the log says when a string
 * has become dense (PFDEBUG TODENSE). */
#include "node/hll.h"

#include "base/log.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <string.h>

static const char corrupt[] = "INVALIDOBJ Corrupted HLL object detected";

/* The bytes of the HyperLogLog @it, which is there. False: it is none, replied. */
static bool hll_string(struct cmd *c, const struct item *it, char scratch[24], struct arg *out)
{
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return false;
    }
    *out = item_string(it, scratch);
    if (!hll_is(out->p, out->n)) {
        resp_error(c->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
        return false;
    }
    return true;
}

static int64_t sparse_bytes_max(const struct cmd *c)
{
    return c->applying ? (int64_t)HLL_SPARSE_BYTES_MAX : cmd_types_limits(c)->hll_sparse_max_bytes;
}

/* ---- storing ------------------------------------------------------------------------------- */

/* The string at *@it (NULL: none yet), writable and @n bytes long. NULL: no memory, replied. */
static unsigned char *writable(struct cmd *c, const struct key *k, struct item **it, size_t n)
{
    bool is_new = *it == NULL;
    char *p;

    if (is_new) {
        *it = access_set_string(c, k, NULL, "", 0, KEYSPACE_NO_EXPIRE);
    }
    p = access_edit_string(c, k, it, n);
    if (p == NULL) {
        if (is_new) {
            access_delete(c, k, *it);
            effect_del(c, k);
        }
        if (c->applying) {
            log_fatal("out of memory while applying a change of a HyperLogLog");
        }
        resp_error(c->reply, "OOM no memory for a HyperLogLog");
    }
    return (unsigned char *)p;
}

static void log_dense(struct cmd *c, const struct arg *key)
{
    struct arg argv[3] = {{"PFDEBUG", 7}, {"TODENSE", 7}, *key};

    effect_args(c, argv, 3);
}

/* Store @h at argv[1] and log the command. False: replied. */
static bool store(struct cmd *c, const struct key *k, struct item *it, const struct hll *h,
                  bool was_dense)
{
    unsigned char *p = writable(c, k, &it, h->n);

    if (p == NULL) {
        return false;
    }
    memcpy(p, h->bytes, h->n);
    hll_forget_count(p);
    effect_verbatim(c);
    if (!was_dense && hll_encoding_of(h->bytes) == HLL_DENSE) {
        log_dense(c, &c->argv[1]);
    }
    notify(c, NOTIFY_STRING, "pfadd", k);
    return true;
}

/* A copy of the HyperLogLog @it, or of an empty one. False: replied. */
static bool load(struct cmd *c, const struct item *it, struct hll *h)
{
    char scratch[24];
    struct arg s;

    if (it == NULL) {
        hll_init(h);
        return true;
    }
    if (!hll_string(c, it, scratch, &s)) {
        return false;
    }
    if (!hll_load(h, s.p, s.n)) {
        resp_error(c->reply, corrupt);
        return false;
    }
    return true;
}

/* ---- PFADD --------------------------------------------------------------------------------- */

/* To a dense one: in its place. */
static void add_to_dense(struct cmd *c, const struct key *k, struct item *it, struct arg s)
{
    const unsigned char *bytes = (const unsigned char *)s.p;
    unsigned char *p = NULL;

    for (int i = 2; i < c->argc; i++) {
        struct hll_place at = hll_place_of(c->argv[i].p, c->argv[i].n);

        if (hll_dense_get(bytes, at.reg) >= at.rank) {
            continue;
        }
        if (p == NULL) {
            p = writable(c, k, &it, s.n);
            if (p == NULL) {
                return;
            }
            bytes = p;
        }
        hll_dense_set(p, at.reg, at.rank);
    }
    if (p != NULL) {
        hll_forget_count(p);
        effect_verbatim(c);
        notify(c, NOTIFY_STRING, "pfadd", k);
    }
    resp_int(c->reply, p != NULL);
}

/* To a sparse one, or to none yet: in a copy, so that one that turns out corrupt stays as it is. */
static void add_to_sparse(struct cmd *c, const struct key *k, struct item *it)
{
    bool changed = it == NULL;
    struct hll h;

    if (!load(c, it, &h)) {
        return;
    }
    for (int i = 2; i < c->argc; i++) {
        int rc = hll_raise(&h, hll_place_of(c->argv[i].p, c->argv[i].n), sparse_bytes_max(c));

        if (rc < 0) {
            resp_error(c->reply, corrupt);
            return;
        }
        changed |= rc > 0;
    }
    if (!changed || store(c, k, it, &h, false)) {
        resp_int(c->reply, changed);
    }
}

void cmd_pfadd(struct cmd *c)
{
    char scratch[24];
    struct key k;
    struct item *it = access_write(c, &c->argv[1], &k);
    struct arg s;

    if (it != NULL && !hll_string(c, it, scratch, &s)) {
        return;
    }
    if (it != NULL && hll_encoding_of(s.p) == HLL_DENSE) {
        add_to_dense(c, &k, it, s);
    } else {
        add_to_sparse(c, &k, it);
    }
}

/* ---- PFCOUNT ------------------------------------------------------------------------------- */

static void count_one(struct cmd *c)
{
    char scratch[24];
    uint64_t count = 0;
    struct key k;
    struct item *it = access_read(c, &c->argv[1], &k);
    struct arg s;

    if (it != NULL) {
        if (!hll_string(c, it, scratch, &s)) {
            return;
        }
        if (!hll_stored_count(s.p, &count) && !hll_count(s.p, s.n, &count)) {
            resp_error(c->reply, corrupt);
            return;
        }
    }
    resp_int(c->reply, (int64_t)count);
}

/* Raise @ranks to those of the HyperLogLog at argv[@i], if there is one. False: replied. */
static bool merge_key(struct cmd *c, int i, uint8_t *ranks, bool *dense)
{
    char scratch[24];
    struct key k;
    struct item *it = access_read(c, &c->argv[i], &k);
    struct arg s;

    if (it == NULL) {
        return true;
    }
    if (!hll_string(c, it, scratch, &s)) {
        return false;
    }
    if (!hll_merge(ranks, s.p, s.n)) {
        resp_error(c->reply, corrupt);
        return false;
    }
    *dense |= hll_encoding_of(s.p) == HLL_DENSE;
    return true;
}

void cmd_pfcount(struct cmd *c)
{
    uint8_t ranks[HLL_REGISTERS] = {0};
    bool dense = false;

    if (c->argc == 2) {
        count_one(c);
        return;
    }
    for (int i = 1; i < c->argc; i++) {
        if (!merge_key(c, i, ranks, &dense)) {
            return;
        }
    }
    resp_int(c->reply, (int64_t)hll_count_ranks(ranks));
}

/* ---- PFMERGE ------------------------------------------------------------------------------- */

static bool raise_all(struct hll *h, const uint8_t *ranks, int64_t bytes_max)
{
    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        if (ranks[reg] > 0 && hll_raise(h, (struct hll_place){reg, ranks[reg]}, bytes_max) < 0) {
            return false;
        }
    }
    return true;
}

void cmd_pfmerge(struct cmd *c)
{
    uint8_t ranks[HLL_REGISTERS] = {0};
    bool dense = false, was_dense;
    struct item *it;
    struct key k;
    struct hll h;

    for (int i = 1; i < c->argc; i++) {
        if (!merge_key(c, i, ranks, &dense)) {
            return;
        }
    }
    it = access_write(c, &c->argv[1], &k);
    if (!load(c, it, &h)) {
        return;
    }
    was_dense = hll_encoding_of(h.bytes) == HLL_DENSE;
    if ((dense && !hll_make_dense(&h)) || !raise_all(&h, ranks, sparse_bytes_max(c))) {
        resp_error(c->reply, corrupt);
        return;
    }
    if (store(c, &k, it, &h, was_dense)) {
        cmd_reply_ok(c);
    }
}

/* ---- debugging ----------------------------------------------------------------------------- */

/* Make the sparse one at *@it dense. False: replied. */
static bool to_dense(struct cmd *c, const struct key *k, struct item **it)
{
    unsigned char *p;
    struct hll h;

    if (!load(c, *it, &h)) {
        return false;
    }
    if (!hll_make_dense(&h)) {
        resp_error(c->reply, corrupt);
        return false;
    }
    p = writable(c, k, it, h.n);
    if (p == NULL) {
        return false;
    }
    memcpy(p, h.bytes, h.n);
    log_dense(c, &c->argv[2]);
    return true;
}

static void reply_registers(struct cmd *c, const struct item *it)
{
    char scratch[24];
    struct arg s = item_string(it, scratch);

    resp_array(c->reply, HLL_REGISTERS);
    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        resp_int(c->reply, hll_dense_get((const unsigned char *)s.p, reg));
    }
}

/* The runs as text: z and Z for zeros in the short and the long form, v for ranks. */
static void reply_runs(struct cmd *c, struct arg s)
{
    const unsigned char *p = (const unsigned char *)s.p + HLL_HEADER_BYTES;
    const unsigned char *end = (const unsigned char *)s.p + s.n;
    struct hll_run r;
    struct buf text;

    buf_init(&text);
    for (; hll_run_at(p, end, &r); p += r.bytes) {
        if (r.rank > 0) {
            buf_printf(&text, "v:%u,%u ", r.rank, r.n);
        } else {
            buf_printf(&text, "%c:%u ", r.bytes == 1 ? 'z' : 'Z', r.n);
        }
    }
    resp_bulk(c->reply, buf_head(&text), text.len > 0 ? text.len - 1 : 0);
    buf_release(&text);
}

void cmd_pfdebug(struct cmd *c)
{
    const struct arg *word = &c->argv[1];
    char scratch[24];
    struct key k;
    struct item *it = access_write(c, &c->argv[2], &k);
    struct arg s;
    bool sparse;

    if (it == NULL) {
        resp_error(c->reply, "ERR The specified key does not exist");
        return;
    }
    if (!hll_string(c, it, scratch, &s)) {
        return;
    }
    sparse = hll_encoding_of(s.p) == HLL_SPARSE;
    if (arg_is(word, "getreg")) {
        if (!sparse || to_dense(c, &k, &it)) {
            reply_registers(c, it);
        }
    } else if (arg_is(word, "decode")) {
        if (sparse) {
            reply_runs(c, s);
        } else {
            resp_error(c->reply, "ERR HLL encoding is not sparse");
        }
    } else if (arg_is(word, "encoding")) {
        resp_status(c->reply, sparse ? "sparse" : "dense");
    } else if (arg_is(word, "todense")) {
        if (!sparse || to_dense(c, &k, &it)) {
            resp_int(c->reply, sparse);
        }
    } else {
        resp_errorf(c->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)MIN_OF(word->n, 128),
                    word->p);
    }
}

void cmd_pfselftest(struct cmd *c)
{
    const char *fault = hll_self_test();

    if (fault != NULL) {
        resp_errorf(c->reply, "ERR TESTFAILED %s", fault);
    } else {
        cmd_reply_ok(c);
    }
}
