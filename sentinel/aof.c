/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/aof.c - see aof.h. */
#include "sentinel/aof.h"

#include "base/num.h"

#include <string.h>

#define BUFFER_BYTES ((size_t)1 << 20)

void aof_init(struct aof *a, FILE *f)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->buffer);
    a->f = f;
}

void aof_release(struct aof *a)
{
    buf_release(&a->buffer);
    effect_reader_release(&a->reader);
}

int aof_flush(struct aof *a)
{
    size_t n = a->buffer.len;

    if (n > 0 && fwrite(buf_head(&a->buffer), 1, n, a->f) != n) {
        return -1;
    }
    buf_clear(&a->buffer);
    return fflush(a->f) == 0 ? 0 : -1;
}

static void word(struct aof *a, const char *w)
{
    struct arg arg = {w, strlen(w)};

    resp_write_request(&a->buffer, &arg, 1);
}

static void select_db(struct aof *a, uint32_t db)
{
    char digits[NUM_I64_MAX_CHARS];
    struct arg argv[2] = {{"SELECT", 6}, {digits, num_print_i64(digits, db)}};

    if (!a->has_db || a->db != db) {
        resp_write_request(&a->buffer, argv, 2);
        a->has_db = true;
        a->db = db;
    }
}

int aof_batch(struct aof *a, const void *p, size_t n)
{
    struct effect_reader *r = &a->reader;
    bool in_unit = false;
    int got = effect_reader_init(r, p, n);

    while (got == 0 && (got = effect_next(r)) == 1) {
        bool begins = (r->flags & EFFECT_UNIT_BEGIN) != 0;
        bool ends = (r->flags & EFFECT_UNIT_END) != 0;

        got = 0;
        if (begins ? in_unit : ends && !in_unit) {
            return -1;
        }
        in_unit = (in_unit || begins) && !ends;
        select_db(a, r->db);
        if (begins) {
            word(a, "MULTI");
        }
        resp_write_request(&a->buffer, r->argv, r->argc);
        a->effects++;
        if (ends) {
            word(a, "EXEC");
        }
        if (a->buffer.len > BUFFER_BYTES && aof_flush(a) != 0) {
            return -1;
        }
    }
    return got == 0 && !in_unit ? 0 : -1;
}
