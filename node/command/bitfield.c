/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/bitfield.c - BITFIELD and BITFIELD_RO. Source: the Redis command pages.
 *
 * All operations are read and checked first, so that a bad one changes nothing. */
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/bitmap.h"
#include "node/command/bits.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/notify.h"

#include <stdlib.h>

enum op_type { OP_GET, OP_SET, OP_INCRBY };
enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct op {
    enum op_type type;
    enum overflow overflow;
    bool is_signed;
    unsigned width;
    uint64_t offset;
    int64_t value;
};

/* ---- values of a field --------------------------------------------------------------------- */

static int64_t field_max(const struct op *op)
{
    unsigned bits = op->is_signed ? op->width - 1 : op->width;

    return bits >= 63 ? INT64_MAX : (int64_t)((UINT64_C(1) << bits) - 1);
}

static int64_t field_min(const struct op *op) { return op->is_signed ? -field_max(op) - 1 : 0; }

/* The field's bits as a number. */
static int64_t to_value(const struct op *op, uint64_t bits)
{
    if (op->is_signed && op->width < 64 && (bits >> (op->width - 1) & 1) != 0) {
        bits |= UINT64_MAX << op->width;
    }
    return (int64_t)bits;
}

static int64_t wrap(const struct op *op, uint64_t bits)
{
    return to_value(op, op->width == 64 ? bits : bits & ((UINT64_C(1) << op->width) - 1));
}

/* Fit @base + @op->value into the field. False: it overflows, and the operation is to fail. SET is
 * an addition to 0; of an unsigned field a negative value is then beyond the top, as Redis has it.
 */
static bool fit(const struct op *op, int64_t base, int64_t *out)
{
    int64_t sum;
    bool overflows = __builtin_add_overflow(base, op->value, &sum);
    bool up = overflows ? op->value > 0 : sum > field_max(op);

    if (!op->is_signed && op->type == OP_SET && op->value < 0) {
        up = true;
    } else if (!up && !overflows && sum >= field_min(op)) {
        *out = sum;
        return true;
    }
    switch (op->overflow) {
    case OVERFLOW_WRAP:
        *out = wrap(op, (uint64_t)base + (uint64_t)op->value);
        return true;
    case OVERFLOW_SAT:
        *out = up ? field_max(op) : field_min(op);
        return true;
    case OVERFLOW_FAIL:
        return false;
    }
    return false;
}

/* ---- arguments ------------------------------------------------------------------------------ */

static bool type_arg(struct cmd *c, int i, struct op *op)
{
    const struct arg *a = &c->argv[i];
    int64_t width = 0;

    op->is_signed = a->n > 0 && a->p[0] == 'i';
    if (a->n < 2 || (!op->is_signed && a->p[0] != 'u') ||
        !num_parse_i64(a->p + 1, a->n - 1, &width) || width < 1 ||
        width > (op->is_signed ? 64 : 63)) {
        resp_error(c->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
                             "is not supported but i64 is.");
        return false;
    }
    op->width = (unsigned)width;
    return true;
}

static bool overflow_arg(struct cmd *c, int i, enum overflow *out)
{
    if (arg_is(&c->argv[i], "wrap")) {
        *out = OVERFLOW_WRAP;
    } else if (arg_is(&c->argv[i], "sat")) {
        *out = OVERFLOW_SAT;
    } else if (arg_is(&c->argv[i], "fail")) {
        *out = OVERFLOW_FAIL;
    } else {
        resp_error(c->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* The operation at argv[@i], which ends before argv[*@next]. */
static bool op_args(struct cmd *c, int i, struct op *op, int *next)
{
    const struct arg *name = &c->argv[i];
    int left = c->argc - i - 1;

    if (arg_is(name, "get") && left >= 2) {
        op->type = OP_GET;
        *next = i + 3;
    } else if (arg_is(name, "set") && left >= 3) {
        op->type = OP_SET;
        *next = i + 4;
    } else if (arg_is(name, "incrby") && left >= 3) {
        op->type = OP_INCRBY;
        *next = i + 4;
    } else {
        cmd_reply_syntax_error(c);
        return false;
    }
    return type_arg(c, i + 1, op) && bitmap_offset_arg(c, i + 2, op->width, &op->offset) &&
           (op->type == OP_GET || cmd_arg_i64(c, i + 3, &op->value, NULL));
}

/* All operations, at most one for three words. Returns their number, or -1: replied. */
static int all_ops(struct cmd *c, struct op *ops)
{
    enum overflow overflow = OVERFLOW_WRAP;
    int n = 0;

    for (int i = 2; i < c->argc;) {
        if (arg_is(&c->argv[i], "overflow") && i + 1 < c->argc) {
            if (!overflow_arg(c, i + 1, &overflow)) {
                return -1;
            }
            i += 2;
            continue;
        }
        ops[n] = (struct op){.overflow = overflow};
        if (!op_args(c, i, &ops[n], &i)) {
            return -1;
        }
        n++;
    }
    return n;
}

/* ---- execution ------------------------------------------------------------------------------ */

/* Bytes the string must have for all that is written; 0: nothing is. */
static size_t bytes_written(const struct op *ops, int n)
{
    uint64_t bytes = 0;

    for (int i = 0; i < n; i++) {
        if (ops[i].type != OP_GET) {
            bytes = MAX_OF(bytes, (ops[i].offset + ops[i].width - 1) / 8 + 1);
        }
    }
    return (size_t)bytes;
}

/* A write into a string that @grew for it or not; true: it has changed something. */
static bool write_field(struct cmd *c, const struct op *op, unsigned char *p, size_t len, bool grew)
{
    uint64_t before = bits_get(p, len, op->offset, op->width);
    int64_t old = to_value(op, before);
    int64_t fresh;

    if (!fit(op, op->type == OP_SET ? 0 : old, &fresh)) {
        resp_null(c->reply);
        return false;
    }
    bits_set(p, op->offset, op->width, (uint64_t)fresh);
    resp_int(c->reply, op->type == OP_SET ? old : fresh);
    return grew || bits_get(p, len, op->offset, op->width) != before;
}

static void run_reads(struct cmd *c, const struct op *ops, int n, const struct item *it)
{
    char scratch[24];
    struct bitmap b = bitmap_read(it, scratch);

    resp_array(c->reply, (size_t)n);
    for (int i = 0; i < n; i++) {
        resp_int(c->reply, to_value(&ops[i], bits_get(b.p, b.n, ops[i].offset, ops[i].width)));
    }
}

static void run_writes(struct cmd *c, const struct op *ops, int n, const struct key *k,
                       struct item *it, size_t bytes)
{
    size_t len, old_len = it == NULL ? 0 : item_string_len(it);
    unsigned char *p = bitmap_grow(c, k, &it, bytes);
    bool changed = false;

    if (p == NULL) {
        return;
    }
    len = item_string_len(it);
    resp_array(c->reply, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (ops[i].type == OP_GET) {
            uint64_t bits = bits_get(p, len, ops[i].offset, ops[i].width);

            resp_int(c->reply, to_value(&ops[i], bits));
        } else {
            changed |= write_field(c, &ops[i], p, len, len > old_len);
        }
    }
    /* Also when every write failed: the string may have grown. */
    effect_verbatim(c);
    if (changed) {
        notify(c, NOTIFY_STRING, "setbit", k);
    }
}

static void run(struct cmd *c, const struct op *ops, int n)
{
    size_t bytes = bytes_written(ops, n);
    struct key k;
    struct item *it =
        bytes > 0 ? access_write(c, &c->argv[1], &k) : access_read(c, &c->argv[1], &k);

    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    if (bytes > 0) {
        run_writes(c, ops, n, &k, it, bytes);
    } else {
        run_reads(c, ops, n, it);
    }
}

static void bitfield(struct cmd *c, bool read_only)
{
    struct op *ops = mem_try_alloc((size_t)c->argc * sizeof *ops);
    int n;

    if (ops == NULL) {
        resp_error(c->reply, "OOM no memory for so many operations");
        return;
    }
    n = all_ops(c, ops);
    for (int i = 0; read_only && i < n; i++) {
        if (ops[i].type != OP_GET) {
            resp_error(c->reply, "ERR BITFIELD_RO only supports the GET subcommand");
            n = -1;
        }
    }
    if (n >= 0) {
        run(c, ops, n);
    }
    free(ops);
}

void cmd_bitfield(struct cmd *c) { bitfield(c, false); }

void cmd_bitfield_ro(struct cmd *c) { bitfield(c, true); }
