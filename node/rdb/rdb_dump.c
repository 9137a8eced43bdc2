/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_dump.c - payloads of DUMP and RESTORE: one value, and a footer. See node/rdb/rdb.h.
 */
#include "base/crc.h"
#include "node/keyspace/value.h"
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_value.h"
#include "node/rdb/rdb_write.h"

#include <endian.h>
#include <stdlib.h>

static void put_footer(struct buf *out, size_t from)
{
    uint16_t version = htole16(RDB_VERSION_WRITTEN);
    uint64_t crc;

    buf_append(out, &version, sizeof version);
    crc = htole64(crc64_jones(0, buf_head(out) + from, out->len - from));
    buf_append(out, &crc, sizeof crc);
}

void rdb_dump(const struct item *it, bool compress, struct buf *out)
{
    struct rdb_writer w = {.fd = -1, .out = out, .compress = compress};
    size_t from = out->len;

    rdb_put_byte(&w, rdb_value_type(it));
    rdb_put_value(&w, it);
    free(w.lzf);
    put_footer(out, from);
}

static int check_footer(const unsigned char *p, size_t n, unsigned *version)
{
    uint64_t crc;

    if (n < RDB_FOOTER_BYTES) {
        return RDB_ERR_CHECKSUM;
    }
    memcpy(&crc, p + n - sizeof crc, sizeof crc);
    if (le64toh(crc) != crc64_jones(0, p, n - sizeof crc)) {
        return RDB_ERR_CHECKSUM;
    }
    *version = p[n - RDB_FOOTER_BYTES] | (unsigned)p[n - RDB_FOOTER_BYTES + 1] << 8;
    return *version <= RDB_VERSION_MAX ? RDB_OK : RDB_ERR_VERSION;
}

static bool read_string(struct rdb_reader *in, struct rdb_restored *out)
{
    struct rdb_text t = {0};

    if (!rdb_get_string(in, &t)) {
        rdb_text_release(&t);
        return false;
    }
    out->string = t.own;
    out->n = t.n;
    return true;
}

static bool read_value(struct rdb_reader *in, unsigned type, const struct types_limits *limits,
                       const struct siphash_key *hash_key, struct rdb_restored *out)
{
    struct rdb_value v = {.in = in, .limits = limits, .hash_key = hash_key};
    bool ok = rdb_value_begin(&v, type) && rdb_value_step(&v, UINT64_MAX);

    if (ok) {
        out->value = rdb_value_take(&v);
    }
    rdb_value_release(&v);
    return ok;
}

int rdb_restore(const void *p, size_t n, const struct types_limits *limits,
                const struct siphash_key *hash_key, uint64_t string_max, struct rdb_restored *out)
{
    struct rdb_reader in;
    unsigned version = 0, type = 0;
    int rc = check_footer(p, n, &version);
    bool ok;

    *out = (struct rdb_restored){0};
    if (rc != RDB_OK) {
        return rc;
    }
    rdb_reader_of(&in, p, n - RDB_FOOTER_BYTES, string_max);
    if (!rdb_get_byte(&in, &type)) {
        return in.rc;
    }
    if (!rdb_value_is_known(type)) {
        return RDB_ERR_TYPE;
    }
    ok = type == RDB_TYPE_STRING ? read_string(&in, out)
                                 : read_value(&in, type, limits, hash_key, out);
    if (ok && rdb_reader_left(&in) != 0) {
        (void)rdb_fail(&in, RDB_ERR_FORMAT, "something stands behind the value");
    }
    if (in.rc != RDB_OK) {
        rdb_restored_release(out);
    }
    out->version = version;
    out->type = type;
    return in.rc;
}

void *rdb_restored_take(struct rdb_restored *r)
{
    void *value = r->value;

    r->value = NULL;
    return value;
}

/* Redis 7.0 writes values of this type. It reads older ones as well, but what is in the log is
 * better plain. */
static bool is_of_7_0(unsigned type)
{
    switch (type) {
    case RDB_TYPE_STRING:
    case RDB_TYPE_SET:
    case RDB_TYPE_HASH:
    case RDB_TYPE_ZSET_2:
    case RDB_TYPE_SET_INTSET:
    case RDB_TYPE_HASH_LISTPACK:
    case RDB_TYPE_ZSET_LISTPACK:
    case RDB_TYPE_LIST_QUICKLIST_2:
    case RDB_TYPE_STREAM:
    case RDB_TYPE_STREAM_2:
        return true;
    default:
        return false;
    }
}

void rdb_restored_dump(struct rdb_restored *r, const void *p, size_t n, bool compress,
                       struct buf *out)
{
    struct item *it;

    if (!is_of_7_0(r->type)) {
        it = item_detached(r->value);
        rdb_dump(it, compress, out);
        r->value = item_detached_take(it);
    } else if (r->version > RDB_VERSION_WRITTEN) {
        buf_append(out, p, n - RDB_FOOTER_BYTES);
        put_footer(out, out->len - (n - RDB_FOOTER_BYTES));
    }
}

void rdb_restored_release(struct rdb_restored *r)
{
    if (r->value != NULL) {
        keyspace_free_value(r->value);
    }
    free(r->string);
    *r = (struct rdb_restored){0};
}

/* ---- function libraries ------------------------------------------------------------------------
 */

void rdb_dump_library(const char *text, size_t n, bool compress, struct buf *out)
{
    struct rdb_writer w = {.fd = -1, .out = out, .compress = compress};

    rdb_put_byte(&w, RDB_OP_FUNCTION2);
    rdb_put_string(&w, text, n);
    free(w.lzf);
}

void rdb_dump_libraries_end(struct buf *out, size_t from) { put_footer(out, from); }

int rdb_restore_libraries(const void *p, size_t n, uint64_t text_max,
                          bool (*take)(void *ctx, const char *text, size_t n), void *ctx)
{
    struct rdb_text text = {0};
    struct rdb_reader in;
    unsigned version = 0, op = 0;
    int rc = check_footer(p, n, &version);
    bool more = true;

    if (rc != RDB_OK) {
        return rc;
    }
    rdb_reader_of(&in, p, n - RDB_FOOTER_BYTES, text_max);
    while (more && rdb_reader_left(&in) > 0 && rdb_get_byte(&in, &op)) {
        if (op != RDB_OP_FUNCTION2) {
            (void)rdb_fail(&in, RDB_ERR_TYPE, "%u is no function", op);
            break;
        }
        more = rdb_get_string(&in, &text) && take(ctx, text.p, text.n);
    }
    rdb_text_release(&text);
    return in.rc;
}
