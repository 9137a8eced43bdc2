/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_load.c - loading a snapshot in slices; see node/rdb/rdb.h.
 *
 * A slice ends between two opcodes, or within a value that is read element by element: what stood
 * before the key, the key and what there is of the value are kept in the loader. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_read.h"
#include "node/rdb/rdb_value.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define ELEMENTS_PER_STEP 64        /* of a value that is read element by element */
#define BYTES_PER_CLOCK (16 * 1024) /* look at the clock after so many */

/* What opcodes before a key say of it. */
struct about_key {
    int64_t expire_at;
    int64_t idle, freq; /* -1: not said */
};

static const struct about_key nothing = {KEYSPACE_NO_EXPIRE, -1, -1};

struct rdb_loader {
    struct rdb_reader in;
    unsigned version;
    struct rdb_meta meta;
    bool done;
    uint32_t db;
    struct about_key next;
    struct access_clock clock;
    uint64_t keys;
    struct rdb_text key, value;
    struct rdb_value part; /* of the key, while in_value */
    bool in_value;
    bool dropped; /* the key is past its time: read it, keep nothing */
};

const char *rdb_strerror(int error)
{
    switch (error) {
#define X(name, code, text)                                                                        \
    case name:                                                                                     \
        return text;
        RDB_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

void rdb_meta_release(struct rdb_meta *m)
{
    free(m->system);
    m->system = NULL;
    m->system_len = 0;
}

/* ---- AUX fields ------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @out has room for half of @t. */
static bool unhex(const struct rdb_text *t, void *out)
{
    unsigned char *to = out;

    for (size_t i = 0; i + 1 < t->n; i += 2) {
        int hi = hex_digit(t->p[i]);
        int lo = hex_digit(t->p[i + 1]);

        if (hi < 0 || lo < 0) {
            return false;
        }
        *to++ = (unsigned char)(hi << 4 | lo);
    }
    return t->n % 2 == 0;
}

static bool take_members(struct rdb_meta *m, const struct rdb_text *v)
{
    if (v->n / 2 > sizeof m->members || !unhex(v, m->members)) {
        return false;
    }
    m->members_len = v->n / 2;
    return true;
}

static bool take_system(struct rdb_meta *m, const struct rdb_text *v)
{
    rdb_meta_release(m);
    m->system = mem_try_alloc(v->n / 2);
    if (m->system == NULL || !unhex(v, m->system)) {
        return false;
    }
    m->system_len = v->n / 2;
    return true;
}

static bool take_cluster(struct rdb_meta *m, const struct rdb_text *v)
{
    if (v->n >= sizeof m->cluster_id || memchr(v->p, '\0', v->n) != NULL) {
        return false;
    }
    memcpy(m->cluster_id, v->p, v->n);
    m->cluster_id[v->n] = '\0';
    return true;
}

static bool take_group(struct rdb_meta *m, const struct rdb_text *v)
{
    uint64_t group;

    if (!num_parse_u64(v->p, v->n, &group) || group > UINT32_MAX) {
        return false;
    }
    m->group = (uint32_t)group;
    return true;
}

static bool text_is(const struct rdb_text *t, const char *s)
{
    return t->n == strlen(s) && memcmp(t->p, s, t->n) == 0;
}

/* Fields we do not know say nothing about the data. */
static bool take_aux(struct rdb_loader *l)
{
    const struct rdb_text *v = &l->value;
    bool ok = true;

    if (text_is(&l->key, RDB_AUX_CLUSTER)) {
        ok = take_cluster(&l->meta, v);
    } else if (text_is(&l->key, RDB_AUX_GROUP)) {
        ok = take_group(&l->meta, v);
    } else if (text_is(&l->key, RDB_AUX_TERM)) {
        ok = num_parse_u64(v->p, v->n, &l->meta.term);
    } else if (text_is(&l->key, RDB_AUX_INDEX)) {
        ok = num_parse_u64(v->p, v->n, &l->meta.index);
    } else if (text_is(&l->key, RDB_AUX_MEMBERS)) {
        ok = take_members(&l->meta, v);
    } else if (text_is(&l->key, RDB_AUX_SYSTEM)) {
        ok = take_system(&l->meta, v);
    }
    return ok ? true
              : rdb_fail(&l->in, RDB_ERR_FORMAT, "AUX field %.*s is malformed", (int)l->key.n,
                         l->key.p);
}

static bool load_aux(struct rdb_loader *l)
{
    if (!rdb_get_string(&l->in, &l->key) || !rdb_get_string(&l->in, &l->value)) {
        return false;
    }
    return take_aux(l);
}

/* ---- other opcodes --------------------------------------------------------------------------- */

static bool load_select(struct rdb_loader *l, const struct keyspace *ks)
{
    uint64_t db;

    if (!rdb_get_len(&l->in, &db)) {
        return false;
    }
    if (ks == NULL || db >= keyspace_databases(ks)) {
        return rdb_fail(&l->in, RDB_ERR_DATABASE, "database %llu does not exist here, it stands",
                        (unsigned long long)db);
    }
    l->db = (uint32_t)db;
    return true;
}

static bool load_sizes(struct rdb_loader *l, struct keyspace *ks)
{
    uint64_t keys, expires;

    if (!rdb_get_len(&l->in, &keys) || !rdb_get_len(&l->in, &expires)) {
        return false;
    }
    /* A hint, and believed as far as the file can hold so many: a key takes 3 bytes or more. */
    if (ks != NULL) {
        keyspace_expect(ks, l->db, MIN_OF(keys, rdb_reader_left(&l->in) / 3));
    }
    return true;
}

static bool load_expire(struct rdb_loader *l, bool seconds)
{
    uint64_t wire64 = 0;
    uint32_t wire32 = 0;

    if (seconds) {
        if (!rdb_get(&l->in, &wire32, sizeof wire32)) {
            return false;
        }
        l->next.expire_at = (int64_t)(int32_t)le32toh(wire32) * 1000;
    } else {
        if (!rdb_get(&l->in, &wire64, sizeof wire64)) {
            return false;
        }
        l->next.expire_at = (int64_t)le64toh(wire64);
    }
    /* Negative ones mean other things here; both are long past. */
    l->next.expire_at = MAX_OF(l->next.expire_at, (int64_t)0);
    return true;
}

static bool load_idle(struct rdb_loader *l)
{
    uint64_t seconds;

    if (!rdb_get_len(&l->in, &seconds)) {
        return false;
    }
    l->next.idle = (int64_t)MIN_OF(seconds, (uint64_t)INT64_MAX);
    return true;
}

static bool load_freq(struct rdb_loader *l)
{
    unsigned freq;

    if (!rdb_get_byte(&l->in, &freq)) {
        return false;
    }
    l->next.freq = freq;
    return true;
}

static bool skip_lens(struct rdb_loader *l, unsigned n)
{
    uint64_t ignored;

    while (n-- > 0) {
        if (!rdb_get_len(&l->in, &ignored)) {
            return false;
        }
    }
    return true;
}

/* Data that a module stores beside the keys: each part says what it is, so it can be passed over.
 */
static bool skip_module_aux(struct rdb_loader *l)
{
    uint64_t part;
    bool ok = skip_lens(l, 1);

    while (ok && rdb_get_len(&l->in, &part)) {
        switch (part) {
        case RDB_MODULE_EOF:
            return true;
        case RDB_MODULE_SINT:
        case RDB_MODULE_UINT:
            ok = skip_lens(l, 1);
            break;
        case RDB_MODULE_FLOAT:
            ok = rdb_skip(&l->in, 4);
            break;
        case RDB_MODULE_DOUBLE:
            ok = rdb_skip(&l->in, 8);
            break;
        case RDB_MODULE_STRING:
            ok = rdb_get_string(&l->in, &l->value);
            break;
        default:
            return rdb_fail(&l->in, RDB_ERR_FORMAT, "unknown part of a module's data (%llu)",
                            (unsigned long long)part);
        }
    }
    return false;
}

static bool load_end(struct rdb_loader *l)
{
    uint64_t crc = rdb_reader_crc(&l->in);
    uint64_t wire = 0;

    if (l->version >= RDB_VERSION_CHECKSUM) {
        if (!rdb_get(&l->in, &wire, sizeof wire)) {
            return false;
        }
        if (l->in.verify && wire != 0 && le64toh(wire) != crc) {
            return rdb_fail(&l->in, RDB_ERR_CHECKSUM, "checksum does not match");
        }
    }
    if (rdb_reader_left(&l->in) != 0) {
        return rdb_fail(&l->in, RDB_ERR_FORMAT, "something stands behind the end");
    }
    l->done = true;
    return true;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static const char *type_name(unsigned type)
{
    static const char *const names[] = {
        "string",
        "list",
        "set",
        "sorted set",
        "hash",
        "sorted set 2",
        "module",
        "module 2",
        NULL,
        "hash zipmap",
        "list ziplist",
        "set intset",
        "zset ziplist",
        "hash ziplist",
        "list quicklist",
        "stream",
        "hash listpack",
        "zset listpack",
        "list quicklist 2",
        "stream 2",
        "set listpack",
        "stream 3",
        "hash with field expiry (pre)",
        "hash listpack with field expiry (pre)",
        "hash with field expiry",
        "hash listpack with field expiry",
    };

    return type < ARRAY_LEN(names) ? names[type] : NULL;
}

/* The key that has been read, unless it is there already; false: failed. */
static bool new_key(struct rdb_loader *l, struct keyspace *ks, struct key *k)
{
    *k = keyspace_key(ks, l->key.p, l->key.n);
    if (keyspace_find(ks, l->db, k) != NULL) {
        return rdb_fail(&l->in, RDB_ERR_FORMAT, "a key stands in the file twice,");
    }
    l->keys++;
    return true;
}

/* Of the next key nothing is said yet. */
static struct about_key take_about(struct rdb_loader *l)
{
    struct about_key a = l->next;

    l->next = nothing;
    return a;
}

static uint32_t access_of(const struct rdb_loader *l, const struct about_key *a)
{
    if (l->clock.lfu && a->freq >= 0) {
        return access_clock_of_freq(&l->clock, (uint32_t)a->freq);
    }
    if (!l->clock.lfu && a->idle >= 0) {
        return access_clock_of_idle(&l->clock, (uint64_t)a->idle);
    }
    return access_clock_new(&l->clock);
}

static bool load_string(struct rdb_loader *l, struct keyspace *ks)
{
    struct about_key about;
    struct item *it;
    struct key k;

    if (!rdb_get_string(&l->in, &l->value)) {
        return false;
    }
    about = take_about(l);
    if (l->dropped) {
        return true;
    }
    if (!new_key(l, ks, &k)) {
        return false;
    }
    it = keyspace_put_string(ks, l->db, &k, NULL, l->value.p, l->value.n, about.expire_at);
    item_set_access(it, access_of(l, &about));
    return true;
}

/* Go on with a value; the key follows when it is whole. */
static bool load_elements(struct rdb_loader *l, struct keyspace *ks)
{
    struct about_key about;
    struct item *it;
    struct key k;
    void *value;

    if (!rdb_value_step(&l->part, ELEMENTS_PER_STEP)) {
        return false;
    }
    if (l->part.left > 0) {
        return true;
    }
    l->in_value = false;
    value = rdb_value_take(&l->part);
    about = take_about(l);
    if (l->dropped) {
        keyspace_free_value(value);
        return true;
    }
    if (!new_key(l, ks, &k)) {
        keyspace_free_value(value);
        return false;
    }
    it = keyspace_put_value(ks, l->db, &k, NULL, value, about.expire_at);
    item_set_access(it, access_of(l, &about));
    return true;
}

static bool load_key(struct rdb_loader *l, struct keyspace *ks, unsigned type,
                     int64_t drop_expired_before)
{
    if (type_name(type) == NULL) {
        return rdb_fail(&l->in, RDB_ERR_FORMAT, "unknown opcode or type %u", type);
    }
    if (ks == NULL) {
        return rdb_fail(&l->in, RDB_ERR_DATABASE, "a key stands where none may be,");
    }
    if (!rdb_value_is_known(type)) {
        return rdb_fail(&l->in, RDB_ERR_TYPE, "a value of type %u (%s) is not supported", type,
                        type_name(type));
    }
    if (!rdb_get_string(&l->in, &l->key)) {
        return false;
    }
    l->dropped = l->next.expire_at != KEYSPACE_NO_EXPIRE && l->next.expire_at < drop_expired_before;
    if (type == RDB_TYPE_STRING) {
        return load_string(l, ks);
    }
    l->part.in = &l->in;
    l->part.hash_key = keyspace_hash_key(ks);
    l->in_value = true;
    return rdb_value_begin(&l->part, type) && load_elements(l, ks);
}

static bool load_one(struct rdb_loader *l, struct keyspace *ks, int64_t drop_expired_before)
{
    unsigned op;

    if (l->in_value) {
        return load_elements(l, ks);
    }
    if (!rdb_get_byte(&l->in, &op)) {
        return false;
    }
    switch (op) {
    case RDB_OP_AUX:
        return load_aux(l);
    case RDB_OP_SELECTDB:
        return load_select(l, ks);
    case RDB_OP_RESIZEDB:
        return load_sizes(l, ks);
    case RDB_OP_EXPIRETIME_MS:
        return load_expire(l, false);
    case RDB_OP_EXPIRETIME:
        return load_expire(l, true);
    case RDB_OP_IDLE:
        return load_idle(l);
    case RDB_OP_FREQ:
        return load_freq(l);
    case RDB_OP_SLOT_INFO:
        return skip_lens(l, 3);
    case RDB_OP_MODULE_AUX:
        return skip_module_aux(l);
    case RDB_OP_FUNCTION2:
    case RDB_OP_FUNCTION_PRE_GA:
        return rdb_fail(&l->in, RDB_ERR_TYPE, "a function library is not supported");
    case RDB_OP_EOF:
        return load_end(l);
    default:
        return load_key(l, ks, op, drop_expired_before);
    }
}

/* ---- the loader ------------------------------------------------------------------------------ */

static int load_header(struct rdb_loader *l)
{
    char header[RDB_HEADER_BYTES];
    uint64_t version;

    if (!rdb_get(&l->in, header, sizeof header)) {
        return l->in.rc;
    }
    if (memcmp(header, RDB_MAGIC, RDB_MAGIC_BYTES) != 0) {
        return RDB_ERR_FORMAT;
    }
    version = 0;
    for (unsigned i = RDB_MAGIC_BYTES; i < RDB_HEADER_BYTES; i++) {
        if (header[i] < '0' || header[i] > '9') {
            return RDB_ERR_FORMAT;
        }
        version = version * 10 + (uint64_t)(header[i] - '0');
    }
    if (version < 1 || version > RDB_VERSION_MAX) {
        return RDB_ERR_VERSION;
    }
    l->version = (unsigned)version;
    return RDB_OK;
}

int rdb_loader_new(const char *path, bool verify, struct rdb_loader **out)
{
    struct rdb_loader *l = mem_zalloc(sizeof *l);
    int rc = rdb_reader_open(&l->in, path, verify);

    *out = NULL;
    if (rc == RDB_OK) {
        rc = load_header(l);
    }
    if (rc != RDB_OK) {
        rdb_loader_free(l);
        return rc;
    }
    l->next = nothing;
    l->part.limits = &types_limits_default;
    *out = l;
    return RDB_OK;
}

void rdb_loader_set_limits(struct rdb_loader *l, const struct types_limits *limits)
{
    l->part.limits = limits;
}

void rdb_loader_set_clock(struct rdb_loader *l, const struct access_clock *clock)
{
    l->clock = *clock;
}

int rdb_loader_step(struct rdb_loader *l, struct keyspace *ks, int64_t budget_us,
                    int64_t drop_expired_before)
{
    int64_t end = clock_boot_us() + budget_us;
    uint64_t look_at = rdb_loader_bytes(l) + BYTES_PER_CLOCK;

    while (!l->done) {
        if (!load_one(l, ks, drop_expired_before)) {
            assert(l->in.rc < 0);
            return l->in.rc;
        }
        if (!l->done && rdb_loader_bytes(l) >= look_at) {
            if (clock_boot_us() >= end) {
                return 1;
            }
            look_at = rdb_loader_bytes(l) + BYTES_PER_CLOCK;
        }
    }
    return 0;
}

const struct rdb_meta *rdb_loader_meta(const struct rdb_loader *l) { return &l->meta; }

const char *rdb_loader_error(const struct rdb_loader *l) { return l->in.error; }

uint64_t rdb_loader_bytes(const struct rdb_loader *l) { return rdb_reader_at(&l->in); }

uint64_t rdb_loader_total(const struct rdb_loader *l) { return l->in.total; }

uint64_t rdb_loader_keys(const struct rdb_loader *l) { return l->keys; }

void rdb_loader_free(struct rdb_loader *l)
{
    if (l == NULL) {
        return;
    }
    rdb_reader_close(&l->in);
    rdb_text_release(&l->key);
    rdb_text_release(&l->value);
    rdb_value_release(&l->part);
    rdb_meta_release(&l->meta);
    free(l);
}

/* AUX fields come first, so that everything behind them can stay unread. */
int rdb_read_meta(const char *path, struct rdb_meta *out)
{
    struct rdb_loader *l;
    int rc = rdb_loader_new(path, false, &l);
    unsigned op;

    memset(out, 0, sizeof *out);
    if (rc != RDB_OK) {
        return rc;
    }
    while (rdb_get_byte(&l->in, &op) && op == RDB_OP_AUX && load_aux(l)) {
    }
    rc = l->in.rc;
    if (rc == RDB_OK) {
        *out = l->meta;
        l->meta.system = NULL; /* taken over */
    }
    rdb_loader_free(l);
    return rc;
}
