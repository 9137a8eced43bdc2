/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/effect.c - batches of effects, written and read. See proto/effect.h for the format.
 *
 * The reader trusts nothing: whatever the bytes are it ends with 0 or -1, touches only the bytes
 * it was given, and allocates in proportion to them. Varints have one form only (no padding),
 * so that equal batches are equal bytes. */
#include "proto/effect.h"

#include "base/mem.h"

#include <stdlib.h>

#define EFFECT_VERSION 1
#define EFFECT_FLAGS (EFFECT_UNIT_BEGIN | EFFECT_UNIT_END)
#define VARINT_MAX_BYTES 10

static char *put_varint(char *w, uint64_t v)
{
    while (v >= 0x80) {
        *w++ = (char)(v | 0x80);
        v >>= 7;
    }
    *w++ = (char)v;
    return w;
}

void effect_write(struct buf *batch, uint8_t flags, uint32_t db, const struct arg *argv,
                  size_t argc)
{
    size_t need = 2 + 2 * VARINT_MAX_BYTES;
    char *w;

    assert(argc > 0);
    assert((flags & ~EFFECT_FLAGS) == 0);
    for (size_t i = 0; i < argc; i++) {
        need += VARINT_MAX_BYTES + argv[i].n;
    }
    buf_reserve(batch, need);
    w = buf_tail(batch);
    if (batch->len == 0) {
        *w++ = EFFECT_VERSION;
    }
    *w++ = (char)flags;
    w = put_varint(w, db);
    w = put_varint(w, argc);
    for (size_t i = 0; i < argc; i++) {
        w = put_varint(w, argv[i].n);
        if (argv[i].n > 0) {
            memcpy(w, argv[i].p, argv[i].n);
            w += argv[i].n;
        }
    }
    buf_fill(batch, (size_t)(w - buf_tail(batch)));
}

void effect_add_flags(struct buf *batch, size_t at, uint8_t flags)
{
    assert((flags & ~EFFECT_FLAGS) == 0);
    if (at == 0) {
        at = 1; /* the version byte came with the first effect */
    }
    assert(at < batch->len);
    buf_head(batch)[at] |= (char)flags;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static bool get_varint(struct effect_reader *r, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 7 * VARINT_MAX_BYTES; shift += 7) {
        uint64_t part;
        bool last;

        if (r->p == r->end) {
            return false;
        }
        part = *r->p & 0x7f;
        last = *r->p < 0x80;
        r->p++;
        if (shift == 63 && part > 1) {
            return false; /* more than 64 bits */
        }
        v |= part << shift;
        if (last) {
            *out = v;
            return part != 0 || shift == 0;
        }
    }
    return false;
}

int effect_reader_init(struct effect_reader *r, const void *p, size_t n)
{
    r->p = p;
    r->end = r->p;
    r->flags = 0;
    r->db = 0;
    r->argc = 0;
    if (n == 0 || r->p[0] != EFFECT_VERSION) {
        return -1; /* and effect_next() would say "end" */
    }
    r->end += n;
    r->p++;
    return 0;
}

static bool argv_reserve(struct effect_reader *r, size_t argc)
{
    struct arg *argv;

    if (argc <= r->cap_argv) {
        return true;
    }
    argv = mem_try_realloc(r->argv, argc * sizeof *argv);
    if (argv == NULL) {
        return false;
    }
    r->argv = argv;
    r->cap_argv = argc;
    return true;
}

/* Everything behind the flags of one effect. */
static bool get_effect(struct effect_reader *r)
{
    uint64_t db;
    uint64_t argc;

    if (!get_varint(r, &db) || db > UINT32_MAX || !get_varint(r, &argc) || argc == 0) {
        return false;
    }
    /* Each argument takes a byte at least: no count can make us allocate more than that. */
    if (argc > (size_t)(r->end - r->p) || !argv_reserve(r, (size_t)argc)) {
        return false;
    }
    for (size_t i = 0; i < argc; i++) {
        uint64_t n;

        if (!get_varint(r, &n) || n > (size_t)(r->end - r->p)) {
            return false;
        }
        r->argv[i].p = (const char *)r->p;
        r->argv[i].n = (size_t)n;
        r->p += n;
    }
    r->db = (uint32_t)db;
    r->argc = (size_t)argc;
    return true;
}

int effect_next(struct effect_reader *r)
{
    r->argc = 0;
    if (r->p == r->end) {
        return 0;
    }
    r->flags = *r->p++;
    if ((r->flags & ~EFFECT_FLAGS) != 0 || !get_effect(r)) {
        r->argc = 0;
        return -1;
    }
    return 1;
}

void effect_reader_release(struct effect_reader *r)
{
    free(r->argv);
    memset(r, 0, sizeof *r);
}
