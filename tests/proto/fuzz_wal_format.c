/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/fuzz_wal_format.c - arbitrary bytes as a segment of the log: the reader ends, stays
 * inside, and a record that it takes for valid is written again byte for byte. */
#include "base/base.h"
#include "proto/wal_format.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct wal_reader *r, struct wal_record *rec)
{
    unsigned char head[WAL_RECORD_FIXED_MAX];
    const unsigned char *at = r->p + rec->offset;
    uint32_t bytes = rec->bytes;
    size_t fixed;
    uint64_t id;
    uint8_t flags;

    assert(rec->offset + WAL_RECORD_PADDED(bytes) == r->at);
    fixed = wal_format_put(head, r->seed, rec);
    assert(rec->bytes == bytes);
    assert(memcmp(head, at, fixed) == 0);
    if (rec->type != WAL_RECORD_ENTRY && rec->data_bytes > 0) {
        for (uint32_t i = 0; wal_format_member(rec->data, rec->data_bytes, i, &id, &flags); i++) {
            assert(i < WAL_FORMAT_MEMBERS_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_reader r;
    struct wal_record rec;

    if (wal_reader_open(&r, data, size) != WAL_FORMAT_OK) {
        return 0;
    }
    for (;;) {
        enum wal_read got = wal_reader_next(&r, &rec);

        if (got == WAL_READ_RECORD) {
            check_record(&r, &rec);
            continue;
        }
        if (got == WAL_READ_END) {
            break;
        }
        assert(wal_reader_judge(&r, false) == WAL_DAMAGED);
        (void)wal_reader_judge(&r, true);
        if (!wal_reader_resync(&r)) {
            break;
        }
    }
    assert(r.at <= r.n);
    assert(wal_reader_content_end(&r) >= r.at);
    return 0;
}
