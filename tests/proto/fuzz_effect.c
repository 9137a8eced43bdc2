/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/fuzz_effect.c - arbitrary bytes as a batch: a good one is written again byte for
 * byte. */
#include "base/base.h"
#include "proto/effect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct effect_reader r = {0};
    struct buf again = {0};

    if (effect_reader_init(&r, data, size) == 0) {
        int rc;

        while ((rc = effect_next(&r)) == 1) {
            effect_write(&again, r.flags, r.db, r.argv, r.argc);
        }
        if (rc == 0 && size > 1) {
            assert(again.len == size);
            assert(memcmp(buf_head(&again), data, size) == 0);
        }
    }
    effect_reader_release(&r);
    buf_release(&again);
    return 0;
}
