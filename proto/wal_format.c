/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/wal_format.c - see proto/wal_format.h. Checked decoding: every length is compared with
 * what is there before it is believed. */
#include "proto/wal_format.h"

#include "base/crc.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const unsigned char segment_magic[8] = {'H', 'F', 'W', 'A', 'L', '\r', '\n', 0x1a};

/* Offsets in the header. Magic, version and checksum stay where they are in every version. */
enum {
    H_MAGIC = 0,
    H_VERSION = 8,
    H_CRC = 12,
    H_CLUSTER = 16,
    H_NODE = 56,
    H_NUMBER = 64,
    H_SALT = 72,
    H_PREV_END = 80,
    H_RECORDS_END = 88,
    H_CREATED = 96,
    H_FLAGS = 104,
    H_N_BASELINES = 108,
    H_FILE_BYTES = 112,
};
_Static_assert(H_FILE_BYTES + 8 <= WAL_HEADER_BYTES, "the header fits");
_Static_assert(WAL_HEADER_COPY_AT + WAL_HEADER_BYTES <= WAL_RECORDS_AT, "and so does its copy");

static void put32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void put64(unsigned char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static void put16(unsigned char *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static uint16_t get16(const unsigned char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t get32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t get64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* ---- segments ---------------------------------------------------------------------------- */

static uint32_t header_crc(const unsigned char *p)
{
    static const unsigned char zero[4];
    uint32_t crc = crc32c(0, p, H_CRC);

    crc = crc32c(crc, zero, sizeof zero);
    return crc32c(crc, p + H_CLUSTER, WAL_HEADER_BYTES - H_CLUSTER);
}

void wal_format_put_header(unsigned char *out, const struct wal_segment_header *h)
{
    unsigned char *p = out;

    memset(out, 0, WAL_RECORDS_AT);
    memcpy(p + H_MAGIC, segment_magic, sizeof segment_magic);
    put32(p + H_VERSION, h->version);
    memcpy(p + H_CLUSTER, h->cluster_id, 40);
    put64(p + H_NODE, h->node);
    put64(p + H_NUMBER, h->number);
    put64(p + H_SALT, h->salt);
    put64(p + H_PREV_END, h->prev_end);
    put64(p + H_RECORDS_END, h->records_end);
    put64(p + H_CREATED, h->created_ms);
    put32(p + H_FLAGS, h->flags);
    put32(p + H_N_BASELINES, h->n_baselines);
    put64(p + H_FILE_BYTES, h->file_bytes);
    put32(p + H_CRC, header_crc(p));
    memcpy(out + WAL_HEADER_COPY_AT, out, WAL_HEADER_BYTES);
}

static int get_header(const unsigned char *p, struct wal_segment_header *out)
{
    memset(out, 0, sizeof *out);
    if (memcmp(p + H_MAGIC, segment_magic, sizeof segment_magic) != 0 ||
        get32(p + H_CRC) != header_crc(p)) {
        return WAL_FORMAT_BAD;
    }
    out->version = get32(p + H_VERSION);
    if (out->version != WAL_FORMAT_VERSION) {
        return out->version > WAL_FORMAT_VERSION ? WAL_FORMAT_NEWER : WAL_FORMAT_BAD;
    }
    memcpy(out->cluster_id, p + H_CLUSTER, 40);
    out->node = get64(p + H_NODE);
    out->number = get64(p + H_NUMBER);
    out->salt = get64(p + H_SALT);
    out->prev_end = get64(p + H_PREV_END);
    out->records_end = get64(p + H_RECORDS_END);
    out->created_ms = get64(p + H_CREATED);
    out->flags = get32(p + H_FLAGS);
    out->n_baselines = get32(p + H_N_BASELINES);
    out->file_bytes = get64(p + H_FILE_BYTES);
    if (out->records_end < WAL_RECORDS_AT || out->file_bytes < out->records_end) {
        return WAL_FORMAT_BAD;
    }
    return WAL_FORMAT_OK;
}

int wal_format_get_header(const unsigned char *p, size_t n, struct wal_segment_header *out)
{
    int rc = WAL_FORMAT_BAD;

    memset(out, 0, sizeof *out);
    if (n >= WAL_HEADER_BYTES) {
        rc = get_header(p, out);
    }
    if (rc == WAL_FORMAT_BAD && n >= WAL_HEADER_COPY_AT + WAL_HEADER_BYTES) {
        rc = get_header(p + WAL_HEADER_COPY_AT, out);
    }
    return rc;
}

uint32_t wal_format_seed(const struct wal_segment_header *h)
{
    unsigned char b[16];

    put64(b, h->salt);
    put64(b + 8, h->number);
    return crc32c(0, b, sizeof b);
}

void wal_format_name(char out[WAL_FORMAT_NAME_BYTES], uint64_t number)
{
    snprintf(out, WAL_FORMAT_NAME_BYTES, "%016" PRIx64 WAL_FORMAT_SUFFIX, number);
}

bool wal_format_parse_name(const char *name, uint64_t *number)
{
    uint64_t v = 0;

    for (int i = 0; i < 16; i++) {
        char c = name[i];
        unsigned digit;

        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned)(c - 'a') + 10;
        } else {
            return false;
        }
        v = v << 4 | digit;
    }
    *number = v;
    return strcmp(name + 16, WAL_FORMAT_SUFFIX) == 0 && v > 0;
}

/* ---- records ----------------------------------------------------------------------------- */

enum {
    R_CRC = 0,
    R_BYTES = 4,
    R_GROUP = 8,
    R_TYPE = 12,
    R_DETAIL = 13,
    R_HEAD_CRC = 14,
    R_DURABLE = 16,
    R_OFFSET = 24,
    R_BODY = WAL_RECORD_HEAD_BYTES,
};

/* What follows the header: so many u64, and data behind them or not. */
static const struct body_shape {
    const char *name;
    uint8_t words;
    bool data;
} shapes[] = {
    [WAL_RECORD_ENTRY] = {"entry", 3, true},       [WAL_RECORD_HARD] = {"hard-state", 3, false},
    [WAL_RECORD_INSTALL] = {"install", 2, true},   [WAL_RECORD_COMPACT] = {"compact", 3, true},
    [WAL_RECORD_BASELINE] = {"baseline", 8, true}, [WAL_RECORD_REPAIRED] = {"repaired", 2, false},
};
_Static_assert(WAL_RECORD_HEAD_BYTES + 8 * 8 <= WAL_RECORD_FIXED_MAX, "the longest body fits");

static const struct body_shape *shape_of(unsigned type)
{
    return type < ARRAY_LEN(shapes) && shapes[type].name != NULL ? &shapes[type] : NULL;
}

const char *wal_record_type_name(unsigned type)
{
    const struct body_shape *s = shape_of(type);

    return s != NULL ? s->name : "unknown";
}

const char *wal_entry_type_name(unsigned detail)
{
    static const char *const names[] = {
        [WAL_ENTRY_NOOP] = "noop", [WAL_ENTRY_DATA] = "data", [WAL_ENTRY_CONFIG] = "config"};

    return detail < ARRAY_LEN(names) ? names[detail] : "unknown";
}

/* The fields of @r in the order of the body's words. */
static size_t body_words(struct wal_record *r, uint64_t *w[8])
{
    switch (r->type) {
    case WAL_RECORD_ENTRY:
        w[0] = &r->term;
        w[1] = &r->index;
        w[2] = &r->prev_term;
        return 3;
    case WAL_RECORD_HARD:
        w[0] = &r->hard_term;
        w[1] = &r->vote;
        w[2] = &r->commit;
        return 3;
    case WAL_RECORD_INSTALL:
        w[0] = &r->term;
        w[1] = &r->index;
        return 2;
    case WAL_RECORD_COMPACT:
        w[0] = &r->term;
        w[1] = &r->index;
        w[2] = &r->keep_from;
        return 3;
    case WAL_RECORD_REPAIRED:
        w[0] = &r->last_term;
        w[1] = &r->last_index;
        return 2;
    case WAL_RECORD_BASELINE:
        w[0] = &r->hard_term;
        w[1] = &r->vote;
        w[2] = &r->commit;
        w[3] = &r->term;
        w[4] = &r->index;
        w[5] = &r->keep_from;
        w[6] = &r->last_term;
        w[7] = &r->last_index;
        return 8;
    default:
        return 0;
    }
}

uint32_t wal_format_record_bytes(enum wal_record_type type, uint32_t data_bytes)
{
    return WAL_RECORD_HEAD_BYTES + 8u * shapes[type].words + data_bytes;
}

static uint16_t head_crc(const unsigned char *p, uint32_t seed)
{
    uint32_t crc = crc32c(seed, p + R_BYTES, R_HEAD_CRC - R_BYTES);

    return (uint16_t)crc32c(crc, p + R_DURABLE, WAL_RECORD_HEAD_BYTES - R_DURABLE);
}

size_t wal_format_put(unsigned char *out, uint32_t seed, struct wal_record *r)
{
    uint64_t *w[8];
    size_t words = body_words(r, w);
    size_t fixed = R_BODY + 8 * words;
    uint32_t crc;

    assert(shape_of(r->type) != NULL);
    assert(r->data_bytes == 0 || shapes[r->type].data);
    assert(fixed + r->data_bytes <= WAL_RECORD_BYTES_MAX);
    r->bytes = (uint32_t)fixed + r->data_bytes;
    put32(out + R_BYTES, r->bytes);
    put32(out + R_GROUP, r->group);
    out[R_TYPE] = r->type;
    out[R_DETAIL] = r->detail;
    put64(out + R_DURABLE, r->durable);
    put64(out + R_OFFSET, r->offset);
    put16(out + R_HEAD_CRC, head_crc(out, seed));
    for (size_t i = 0; i < words; i++) {
        put64(out + R_BODY + 8 * i, *w[i]);
    }
    crc = crc32c(seed, out + R_BYTES, fixed - R_BYTES);
    if (r->data_bytes > 0) {
        crc = crc32c(crc, r->data, r->data_bytes);
    }
    put32(out + R_CRC, crc);
    return fixed;
}

static enum wal_get invalid(const char **why, const char *what)
{
    if (why != NULL) {
        *why = what;
    }
    return WAL_GET_INVALID;
}

enum wal_get wal_format_peek(const unsigned char *p, size_t n, uint64_t offset, uint32_t seed,
                             struct wal_record *r, const char **why)
{
    const struct body_shape *shape;
    uint64_t *w[8];
    size_t words;

    memset(r, 0, sizeof *r);
    if (n < R_BYTES + 4) {
        r->bytes = WAL_RECORD_HEAD_BYTES;
        return WAL_GET_SHORT;
    }
    r->bytes = get32(p + R_BYTES);
    if (r->bytes == 0 && get32(p + R_CRC) == 0) {
        return WAL_GET_END;
    }
    if (r->bytes < WAL_RECORD_HEAD_BYTES || r->bytes > WAL_RECORD_BYTES_MAX) {
        return invalid(why, "impossible length");
    }
    if (n < WAL_RECORD_HEAD_BYTES) {
        return WAL_GET_SHORT;
    }
    if (get64(p + R_OFFSET) != offset) {
        return invalid(why, "belongs to another offset");
    }
    if (get16(p + R_HEAD_CRC) != head_crc(p, seed)) {
        return invalid(why, "checksum of the header does not match");
    }
    shape = shape_of(p[R_TYPE]);
    if (shape == NULL) {
        return invalid(why, "unknown type");
    }
    if (r->bytes < R_BODY + 8u * shape->words ||
        (!shape->data && r->bytes != R_BODY + 8u * shape->words)) {
        return invalid(why, "length does not fit the type");
    }
    r->group = get32(p + R_GROUP);
    r->type = p[R_TYPE];
    r->detail = p[R_DETAIL];
    r->durable = get64(p + R_DURABLE);
    r->offset = offset;
    if (n < R_BODY + 8u * shape->words) {
        return WAL_GET_SHORT;
    }
    words = body_words(r, w);
    for (size_t i = 0; i < words; i++) {
        *w[i] = get64(p + R_BODY + 8 * i);
    }
    r->data_bytes = r->bytes - (uint32_t)(R_BODY + 8 * words);
    return WAL_GET_RECORD;
}

static bool all_zero(const unsigned char *p, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t v;

        memcpy(&v, p + i, 8);
        if (v != 0) {
            return false;
        }
    }
    for (; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Length and content of an encoded list of members agree. */
static bool members_valid(const unsigned char *p, size_t n)
{
    uint32_t count;

    if (n < 4) {
        return false;
    }
    count = get32(p);
    return count <= WAL_FORMAT_MEMBERS_MAX && n == 4 + (size_t)count * 9;
}

enum wal_get wal_format_get(const unsigned char *p, size_t n, uint64_t offset, uint32_t seed,
                            struct wal_record *r, const char **why)
{
    enum wal_get got = wal_format_peek(p, n, offset, seed, r, why);
    size_t padded;

    if (got != WAL_GET_RECORD) {
        return got;
    }
    padded = (size_t)WAL_RECORD_PADDED(r->bytes);
    if (n < padded) {
        return WAL_GET_SHORT;
    }
    if (get32(p + R_CRC) != crc32c(seed, p + R_BYTES, r->bytes - R_BYTES)) {
        return invalid(why, "checksum does not match");
    }
    for (size_t i = r->bytes; i < padded; i++) {
        if (p[i] != WAL_PAD_BYTE) {
            return invalid(why, "damaged padding");
        }
    }
    r->data = p + (r->bytes - r->data_bytes);
    if (r->type != WAL_RECORD_ENTRY && shapes[r->type].data &&
        !members_valid(r->data, r->data_bytes)) {
        return invalid(why, "malformed members");
    }
    return WAL_GET_RECORD;
}

bool wal_format_check(const unsigned char *fixed, size_t fixed_bytes, const void *data,
                      size_t data_bytes, uint32_t seed)
{
    uint32_t crc;

    if (fixed_bytes < WAL_RECORD_HEAD_BYTES) {
        return false;
    }
    crc = crc32c(seed, fixed + R_BYTES, fixed_bytes - R_BYTES);
    return get32(fixed + R_CRC) == crc32c(crc, data, data_bytes);
}

bool wal_format_member(const unsigned char *p, size_t n, uint32_t i, uint64_t *id, uint8_t *flags)
{
    if (!members_valid(p, n) || i >= get32(p)) {
        return false;
    }
    *id = get64(p + 4 + (size_t)i * 9);
    *flags = p[4 + (size_t)i * 9 + 8];
    return true;
}

/* ---- the reader -------------------------------------------------------------------------- */

int wal_reader_open(struct wal_reader *r, const unsigned char *p, size_t n)
{
    int rc;

    memset(r, 0, sizeof *r);
    rc = wal_format_get_header(p, n, &r->header);
    if (rc != WAL_FORMAT_OK) {
        return rc;
    }
    r->seed = wal_format_seed(&r->header);
    r->p = p;
    r->n = n;
    r->at = WAL_RECORDS_AT;
    r->durable = r->header.records_end;
    if (n < r->header.file_bytes) {
        /* It had its size before it had its name: no crash makes it shorter. */
        r->durable = r->header.file_bytes;
    }
    return WAL_FORMAT_OK;
}

void wal_reader_known_end(struct wal_reader *r, uint64_t end)
{
    if (end >= r->header.records_end) {
        r->durable = end;
        r->ended = true;
        /* A file that is shorter than it was keeps its length: the loss is found there. */
        r->n = MIN_OF(r->n, (size_t)end);
    }
}

enum wal_read wal_reader_next(struct wal_reader *r, struct wal_record *rec)
{
    enum wal_get got;

    r->why = NULL;
    if (r->at >= r->n) {
        memset(rec, 0, sizeof *rec);
        if (r->at < r->durable) {
            r->why = "the file is too short";
            return WAL_READ_INVALID;
        }
        return WAL_READ_END;
    }
    got = wal_format_get(r->p + r->at, r->n - r->at, r->at, r->seed, rec, &r->why);
    switch (got) {
    case WAL_GET_RECORD:
        r->at += (size_t)WAL_RECORD_PADDED(rec->bytes);
        if (rec->durable > r->durable && rec->durable <= rec->offset) {
            r->durable = rec->durable;
        }
        return WAL_READ_RECORD;
    case WAL_GET_SHORT:
        if (r->n - r->at < WAL_RECORD_HEAD_BYTES && all_zero(r->p + r->at, r->n - r->at) &&
            r->at >= r->durable) {
            return WAL_READ_END; /* too little room was left for another record */
        }
        r->why = "longer than the file";
        return WAL_READ_INVALID;
    case WAL_GET_END:
        if (r->at < r->durable) {
            r->why = "zeros where a synced record was";
            return WAL_READ_INVALID;
        }
        if (!all_zero(r->p + r->at, r->n - r->at)) {
            r->why = "zeros in front of data";
            return WAL_READ_INVALID;
        }
        return WAL_READ_END;
    case WAL_GET_INVALID:
        break;
    }
    return WAL_READ_INVALID;
}

bool wal_reader_resync(struct wal_reader *r)
{
    struct wal_record rec;

    for (size_t at = r->at + 8; at + WAL_RECORD_HEAD_BYTES <= r->n; at += 8) {
        /* Almost every wrong place fails here, cheaply. */
        if (get64(r->p + at + R_OFFSET) == at &&
            wal_format_get(r->p + at, r->n - at, at, r->seed, &rec, NULL) == WAL_GET_RECORD) {
            r->at = at;
            return true;
        }
    }
    r->at = r->n;
    return false;
}

uint64_t wal_reader_content_end(const struct wal_reader *r)
{
    size_t end = r->n;

    while (end > r->at && end % 8 != 0 && r->p[end - 1] == 0) {
        end--;
    }
    while (end >= r->at + 8 && end % 8 == 0 && get64(r->p + end - 8) == 0) {
        end -= 8;
    }
    while (end > r->at && r->p[end - 1] == 0) {
        end--;
    }
    return MAX_OF(end, r->at);
}

/* Whether the record at r->at shows that a part of it never reached the disk. */
static bool looks_unwritten(const struct wal_reader *r)
{
    struct wal_record rec;
    size_t begin = r->at;
    size_t end = begin + WAL_RECORD_HEAD_BYTES; /* all that is sure, when the header is nonsense */
    enum wal_get got = wal_format_peek(r->p + begin, r->n - begin, begin, r->seed, &rec, NULL);

    if (got == WAL_GET_RECORD) {
        end = begin + (size_t)WAL_RECORD_PADDED(rec.bytes);
    }
    end = MIN_OF(end, r->n);
    /* Written up to somewhere in the middle, and nothing behind. */
    if (wal_reader_content_end(r) < end) {
        return true;
    }
    for (size_t from = begin; from < end;) {
        size_t to = MIN_OF((from / WAL_SECTOR_BYTES + 1) * WAL_SECTOR_BYTES, end);

        if (all_zero(r->p + from, to - from)) {
            return true;
        }
        from = to;
    }
    return false;
}

enum wal_damage wal_reader_judge(const struct wal_reader *r, bool last)
{
    struct wal_reader ahead = *r;
    struct wal_record rec;

    if (!last || r->ended || r->at < r->durable) {
        return WAL_DAMAGED;
    }
    while (wal_reader_resync(&ahead)) {
        while (wal_reader_next(&ahead, &rec) == WAL_READ_RECORD) {
        }
        if (ahead.durable > r->at) {
            return WAL_DAMAGED;
        }
    }
    return looks_unwritten(r) ? WAL_TORN : WAL_DAMAGED;
}
