/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/fuzz_resp_value.c - arbitrary bytes into the reader of replies. */
#include "base/base.h"
#include "proto/resp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf in = {0};
    struct resp_value v;

    if (size == 0) {
        return 0;
    }
    in.data = malloc(size);
    assert(in.data != NULL);
    memcpy(in.data, data, size);
    in.len = size;
    in.cap = size;
    while (resp_read_value(&in, &v) == 1) {
        resp_value_release(&v);
    }
    buf_release(&in);
    return 0;
}
