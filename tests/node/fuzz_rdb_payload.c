/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/fuzz_rdb_payload.c - arbitrary bytes as a value of DUMP, behind a version (the first
 * byte) and before a checksum that is right: what is taken is dumped and restored as the same. */
#include "base/crc.h"
#include "node/keyspace/value.h"
#include "node/rdb/rdb.h"

#include <endian.h>
#include <stdlib.h>

#define STRING_MAX (16u << 20)

static const struct siphash_key hash_key = {{1, 2}};

static void put_payload(struct buf *b, const uint8_t *data, size_t size)
{
    unsigned char version[2] = {data[0], 0};
    uint64_t crc;

    buf_append(b, data + 1, size - 1);
    buf_append(b, version, sizeof version);
    crc = htole64(crc64_jones(0, buf_head(b), b->len));
    buf_append(b, &crc, sizeof crc);
}

static int restore(const struct buf *b, struct rdb_restored *out)
{
    return rdb_restore(buf_head(b), b->len, &types_limits_default, &hash_key, STRING_MAX, out);
}

static void dump_and_compare(struct rdb_restored *r)
{
    struct item *it = item_detached(rdb_restored_take(r));
    struct rdb_restored again;
    struct item *other;
    struct buf b;
    int rc;

    buf_init(&b);
    rdb_dump(it, true, &b);
    rc = restore(&b, &again);
    assert(rc == RDB_OK);
    assert(again.value != NULL);
    other = item_detached(rdb_restored_take(&again));
    assert(keyspace_same_value(it, other));
    item_free(other);
    item_free(it);
    rdb_restored_release(&again);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rdb_restored r;
    struct buf payload, fresh;
    int rc;

    if (size == 0) {
        return 0;
    }
    buf_init(&payload);
    buf_init(&fresh);
    put_payload(&payload, data, size);
    rc = restore(&payload, &r);
    if (rc == RDB_OK) {
        rdb_restored_dump(&r, buf_head(&payload), payload.len, false, &fresh);
        if (r.value != NULL) {
            dump_and_compare(&r);
        }
        rdb_restored_release(&r);
    } else {
        assert(rc != RDB_ERR_CHECKSUM);
    }
    buf_release(&payload);
    buf_release(&fresh);
    return 0;
}
