/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/fuzz_resp_request.c - arbitrary bytes into the request parser, whole and cut in two:
 * what is read must be the same. */
#include "base/base.h"
#include "proto/resp.h"

#include <stdlib.h>

static void note(struct buf *out, enum resp_result rc, struct resp_parser *p)
{
    buf_printf(out, "%d:%zu:", rc, rc == RESP_READY ? p->n_spans : 0);
    for (size_t i = 0; rc == RESP_READY && i < p->n_spans; i++) {
        buf_printf(out, "%zu:", p->argv[i].n);
        buf_append(out, p->argv[i].p, p->argv[i].n);
    }
    if (rc == RESP_ERROR) {
        buf_printf(out, "%s", resp_error_text(p));
    }
}

/* Add @n bytes to @in, which is kept exactly as large as its content, and read what there is. */
static void feed(struct resp_parser *p, struct buf *in, const uint8_t *data, size_t n,
                 struct buf *out)
{
    static const struct resp_limits limits = {
        .inline_max = 4096, .args_max = 1000000, .bulk_max = 100000, .unauthenticated = false};
    struct buf exact = {0};
    enum resp_result rc;

    exact.len = in->len + n;
    if (exact.len == 0) {
        return;
    }
    exact.cap = exact.len;
    exact.data = malloc(exact.len);
    assert(exact.data != NULL);
    if (in->len > 0) {
        memcpy(exact.data, buf_head(in), in->len);
    }
    if (n > 0) {
        memcpy(exact.data + in->len, data, n);
    }
    buf_release(in);
    *in = exact;
    while ((rc = resp_parse(p, in, &limits)) != RESP_MORE) {
        note(out, rc, p);
        if (rc == RESP_ERROR) {
            buf_clear(in);
            break;
        }
        buf_consume(in, resp_consumed(p));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp_parser whole = {0};
    struct resp_parser parts = {0};
    struct buf in = {0};
    struct buf a = {0};
    struct buf b = {0};
    size_t cut;

    if (size == 0) {
        return 0;
    }
    cut = data[0] % size;
    data++;
    size--;
    cut = MIN_OF(cut, size);
    feed(&whole, &in, data, size, &a);
    buf_clear(&in);
    feed(&parts, &in, data, cut, &b);
    feed(&parts, &in, data + cut, size - cut, &b);
    /* After an error the second half is not looked at, and the error is reported again. */
    assert(b.len >= a.len);
    assert(a.len == 0 || memcmp(buf_head(&a), buf_head(&b), a.len) == 0);
    resp_parser_release(&whole);
    resp_parser_release(&parts);
    buf_release(&in);
    buf_release(&a);
    buf_release(&b);
    return 0;
}
