/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/bitmap.c - SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. Source: the Redis command pages.
 * BITFIELD is in bitfield.c. */
#include "node/command/bitmap.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/bits.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <stdlib.h>
#include <string.h>

static const char bad_offset[] = "ERR bit offset is not an integer or out of range";

bool bitmap_offset_arg(struct cmd *c, int i, unsigned field_width, uint64_t *out)
{
    const struct arg *a = &c->argv[i];
    bool in_fields = field_width > 0 && a->n > 0 && a->p[0] == '#';
    int64_t offset;

    if (!num_parse_i64(a->p + in_fields, a->n - in_fields, &offset) || offset < 0 ||
        (in_fields && offset > INT64_MAX / (int64_t)field_width)) {
        resp_error(c->reply, bad_offset);
        return false;
    }
    if (in_fields) {
        offset *= (int64_t)field_width;
    }
    /* While applying, another node's limit has been kept already. */
    if (!c->applying && offset >> 3 >= cmd_string_max(c)) {
        resp_error(c->reply, bad_offset);
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

struct bitmap bitmap_read(const struct item *it, char scratch[24])
{
    struct arg s = it == NULL ? (struct arg){"", 0} : item_string(it, scratch);

    return (struct bitmap){(const unsigned char *)s.p, s.n};
}

unsigned char *bitmap_grow(struct cmd *c, const struct key *k, struct item **it, size_t len)
{
    bool is_new = *it == NULL;
    char *p;

    if (is_new) {
        *it = access_set_string(c, k, NULL, "", 0, KEYSPACE_NO_EXPIRE);
    } else {
        len = MAX_OF(len, item_string_len(*it));
    }
    p = access_edit_string(c, k, it, len);
    if (p == NULL) {
        if (is_new) {
            access_delete(c, k, *it);
            effect_del(c, k);
        }
        resp_error(c->reply, "OOM no memory for a string of this length");
    }
    return (unsigned char *)p;
}

void cmd_getbit(struct cmd *c)
{
    char scratch[24];
    struct bitmap b;
    uint64_t offset;
    struct item *it;
    struct key k;

    if (!bitmap_offset_arg(c, 2, 0, &offset)) {
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    b = bitmap_read(it, scratch);
    resp_int(c->reply, (int64_t)bits_get(b.p, b.n, offset, 1));
}

void cmd_setbit(struct cmd *c)
{
    char scratch[24];
    struct bitmap b;
    uint64_t offset, old;
    unsigned char *p;
    struct item *it;
    struct key k;
    int64_t bit;

    if (!bitmap_offset_arg(c, 2, 0, &offset) ||
        !cmd_arg_i64(c, 3, &bit, "ERR bit is not an integer or out of range")) {
        return;
    }
    if (bit != 0 && bit != 1) {
        resp_error(c->reply, "ERR bit is not an integer or out of range");
        return;
    }
    it = access_write(c, &c->argv[1], &k);
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    b = bitmap_read(it, scratch);
    old = bits_get(b.p, b.n, offset, 1);
    if (it == NULL || offset >> 3 >= b.n || old != (uint64_t)bit) {
        p = bitmap_grow(c, &k, &it, (size_t)(offset >> 3) + 1);
        if (p == NULL) {
            return;
        }
        bits_set(p, offset, 1, (uint64_t)bit);
        effect_verbatim(c);
        notify(c, NOTIFY_STRING, "setbit", &k);
    }
    resp_int(c->reply, (int64_t)old);
}

/* ---- ranges ------------------------------------------------------------------------------- */

/* Bits first..last of a string; empty when last < first. */
struct bit_range {
    int64_t first, last;
};

/* BYTE or BIT at argv[@i], if there is one; false: replied. */
static bool unit_arg(struct cmd *c, int i, bool *in_bits)
{
    *in_bits = i < c->argc && arg_is(&c->argv[i], "bit");
    if (i < c->argc && !*in_bits && !arg_is(&c->argv[i], "byte")) {
        cmd_reply_syntax_error(c);
        return false;
    }
    return true;
}

/* Indexes from the end and beyond it, over a string of @n bytes. */
static struct bit_range range_of(int64_t first, int64_t last, bool in_bits, size_t n)
{
    int64_t total = (int64_t)n * (in_bits ? 8 : 1);

    if (first < 0) {
        first = MAX_OF(first + total, (int64_t)0);
    }
    if (last < 0) {
        last = MAX_OF(last + total, (int64_t)0);
    }
    last = MIN_OF(last, total - 1);
    if (first > last) {
        return (struct bit_range){1, 0};
    }
    return in_bits ? (struct bit_range){first, last} : (struct bit_range){first * 8, last * 8 + 7};
}

static int64_t count_range(struct bitmap b, const struct bit_range *r)
{
    size_t from = (size_t)r->first / 8;
    size_t to = (size_t)r->last / 8;
    uint64_t sum = bits_count(b.p + from, to - from + 1);

    /* Less what stands before the first and behind the last bit, in the bytes they share. */
    sum -= bits_count((unsigned char[]){(unsigned char)(b.p[from] & ~(0xff >> (r->first & 7)))}, 1);
    sum -= bits_count((unsigned char[]){(unsigned char)(b.p[to] & (0x7f >> (r->last & 7)))}, 1);
    return (int64_t)sum;
}

/* The range of BITCOUNT, over a string of @n bytes; false: replied. */
static bool count_args(struct cmd *c, size_t n, struct bit_range *out)
{
    int64_t first = 0, last = -1;
    bool in_bits = false;

    if (c->argc == 3 || c->argc > 5) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if (c->argc > 3 && (!cmd_arg_i64(c, 2, &first, NULL) || !cmd_arg_i64(c, 3, &last, NULL))) {
        return false;
    }
    if (first < 0 && last < first) {
        *out =
            (struct bit_range){1, 0}; /* also where both are before the start, whatever the unit */
        return true;
    }
    if (!unit_arg(c, 4, &in_bits)) {
        return false;
    }
    *out = range_of(first, last, in_bits, n);
    return true;
}

void cmd_bitcount(struct cmd *c)
{
    struct bit_range range;
    char scratch[24];
    struct bitmap b;
    struct item *it;
    struct key k;

    it = access_read(c, &c->argv[1], &k);
    if (it == NULL) {
        resp_int(c->reply, 0);
        return;
    }
    if (!access_type_ok(c, it, ITEM_STRING)) {
        return;
    }
    b = bitmap_read(it, scratch);
    if (count_args(c, b.n, &range)) {
        resp_int(c->reply, range.first > range.last ? 0 : count_range(b, &range));
    }
}

/* First @bit among the bits of the range; -1: none. */
static int64_t find_in_range(struct bitmap b, const struct bit_range *r, bool bit)
{
    int64_t at = r->first;
    int64_t found;

    /* Up to a byte's start and from the last byte's start on bit by bit, in between fast. */
    for (; at <= r->last && (at & 7) != 0; at++) {
        if (bits_get(b.p, b.n, (uint64_t)at, 1) == bit) {
            return at;
        }
    }
    if (at <= r->last && r->last - at >= 7) {
        size_t bytes = (size_t)(r->last - at + 1) / 8;

        found = bits_find(b.p + at / 8, bytes, bit);
        if (found >= 0) {
            return at + found;
        }
        at += (int64_t)bytes * 8;
    }
    for (; at <= r->last; at++) {
        if (bits_get(b.p, b.n, (uint64_t)at, 1) == bit) {
            return at;
        }
    }
    return -1;
}

/* The range of BITPOS, over a string of @n bytes; false: replied. */
static bool position_args(struct cmd *c, size_t n, struct bit_range *out)
{
    int64_t first = 0, last = -1;
    bool in_bits = false;

    if (c->argc > 6) {
        cmd_reply_syntax_error(c);
        return false;
    }
    if ((c->argc > 3 && !cmd_arg_i64(c, 3, &first, NULL)) || !unit_arg(c, 5, &in_bits) ||
        (c->argc > 4 && !cmd_arg_i64(c, 4, &last, NULL))) {
        return false;
    }
    *out = range_of(first, last, in_bits, n);
    return true;
}

static void reply_position(struct cmd *c, struct bitmap b, bool bit)
{
    struct bit_range range;
    int64_t at;

    if (!position_args(c, b.n, &range)) {
        return;
    }
    if (range.first > range.last) {
        resp_int(c->reply, -1);
        return;
    }
    at = find_in_range(b, &range, bit);
    /* A string without an end given is followed by zeros. */
    resp_int(c->reply, at < 0 && !bit && c->argc < 5 ? (int64_t)b.n * 8 : at);
}

void cmd_bitpos(struct cmd *c)
{
    char scratch[24];
    struct item *it;
    struct key k;
    int64_t bit;

    if (!cmd_arg_i64(c, 2, &bit, NULL)) {
        return;
    }
    if (bit != 0 && bit != 1) {
        resp_error(c->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    it = access_read(c, &c->argv[1], &k);
    if (it == NULL) {
        resp_int(c->reply, bit == 1 ? -1 : 0);
    } else if (access_type_ok(c, it, ITEM_STRING)) {
        reply_position(c, bitmap_read(it, scratch), bit == 1);
    }
}

/* ---- BITOP -------------------------------------------------------------------------------- */

enum { OP_NOT = BITS_XOR + 1 };

static bool op_arg(struct cmd *c, int *out)
{
    static const char *const names[] = {
        [BITS_AND] = "and", [BITS_OR] = "or", [BITS_XOR] = "xor", [OP_NOT] = "not"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (arg_is(&c->argv[1], names[i])) {
            *out = (int)i;
            return true;
        }
    }
    cmd_reply_syntax_error(c);
    return false;
}

/* The longest source; false: a key holds something else than a string, or memory is out (replied).
 */
static bool longest_source(struct cmd *c, size_t *out)
{
    *out = 0;
    for (int i = 3; i < c->argc; i++) {
        struct key k;
        struct item *it = access_read(c, &c->argv[i], &k);

        if (!access_type_ok(c, it, ITEM_STRING)) {
            return false;
        }
        *out = MAX_OF(*out, it == NULL ? 0 : item_string_len(it));
    }
    return true;
}

/* Apply source argv[@i] to the @n bytes of @to; the first one is copied. */
static void apply_source(struct cmd *c, int op, int i, unsigned char *to, size_t n)
{
    char scratch[24];
    struct key k;
    struct bitmap b = bitmap_read(access_peek(c, &c->argv[i], &k), scratch);

    if (i == 3) {
        if (b.n > 0) {
            memcpy(to, b.p, b.n);
        }
        memset(to + b.n, 0, n - b.n);
    } else {
        bits_combine((enum bits_op)op, to, b.p, b.n);
        if (op == BITS_AND) {
            memset(to + b.n, 0, n - b.n);
        }
    }
}

static void invert(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (unsigned char)~p[i];
    }
}

static void store_result(struct cmd *c, const unsigned char *result, size_t n)
{
    struct key k;
    struct item *it = access_write(c, &c->argv[2], &k);

    if (n > 0) {
        (void)access_set_string(c, &k, it, (const char *)result, n, KEYSPACE_NO_EXPIRE);
        effect_verbatim(c);
        notify(c, NOTIFY_STRING, "set", &k);
    } else if (it != NULL) {
        access_delete(c, &k, it);
        effect_del(c, &k);
        notify(c, NOTIFY_GENERIC, "del", &k);
    }
    resp_int(c->reply, (int64_t)n);
}

void cmd_bitop(struct cmd *c)
{
    unsigned char *result;
    size_t n;
    int op;

    if (!op_arg(c, &op)) {
        return;
    }
    if (op == OP_NOT && c->argc != 4) {
        resp_error(c->reply, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    if (!longest_source(c, &n)) {
        return;
    }
    result = mem_try_alloc(MAX_OF(n, (size_t)1));
    if (result == NULL) {
        resp_error(c->reply, "OOM no memory for a string of this length");
        return;
    }
    for (int i = 3; i < c->argc; i++) {
        apply_source(c, op, i, result, n);
    }
    if (op == OP_NOT) {
        invert(result, n);
    }
    store_result(c, result, n);
    free(result);
}
