/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/item.c - see node/keyspace/item.h; the item_*() calls of keyspace.h. */
#include "node/keyspace/item.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

#include <stdlib.h>

#define GOOD_SIZE_MAX (1u << 20) /* above, the allocator rounds in pages anyway */

static const char *const type_names[ITEM_TYPES] = {
    [ITEM_STRING] = "string", [ITEM_LIST] = "list", [ITEM_SET] = "set",
    [ITEM_ZSET] = "zset",     [ITEM_HASH] = "hash", [ITEM_STREAM] = "stream",
};

const char *item_type_name(enum item_type t)
{
    assert((unsigned)t < ITEM_TYPES);
    return type_names[t];
}

/* Classes of 16 up to 128, then four to each doubling. */
size_t item_good_size(size_t n)
{
    size_t step = 16;

    if (n > GOOD_SIZE_MAX) {
        return n;
    }
    if (n > 128) {
        step = (size_t)1 << (61 - __builtin_clzll((unsigned long long)n - 1));
    }
    return (n + step - 1) & ~(step - 1);
}

size_t item_bytes(const struct item *it)
{
    size_t key_len;
    const unsigned char *key = item_key_at(it, &key_len);

    return item_bytes_for(key_len, item_is_pointer(it), item_is_pointer(it) ? 0 : key[-1]);
}

/* Allocate and fill in all but the value; *@at is where the bytes after the key go. */
static struct item *new_item(enum item_type type, enum item_encoding enc, const char *key,
                             size_t key_len, size_t value_len, unsigned char **at)
{
    bool pointer = enc == ITEM_POINTER;
    struct item *it = mem_alloc(item_good_size(item_bytes_for(key_len, pointer, value_len)));
    unsigned char *p = it->rest;

    assert(pointer || value_len <= ITEM_EMBED_MAX);
    it->heap_pos = 0;
    it->bits = (uint32_t)type << ITEM_TYPE_SHIFT | (uint32_t)enc << ITEM_ENC_SHIFT;
    if (pointer) {
        p += sizeof(void *);
    }
    if (key_len > UINT8_MAX) {
        it->bits |= ITEM_LONG_KEY;
        memcpy(p, &key_len, sizeof key_len);
        p += sizeof key_len;
    } else {
        *p++ = (unsigned char)key_len;
    }
    if (!pointer) {
        *p++ = (unsigned char)value_len;
    }
    if (key_len > 0) {
        memcpy(p, key, key_len);
    }
    *at = p + key_len;
    return it;
}

struct item *item_new_embedded(enum item_encoding enc, const char *key, size_t key_len,
                               const void *value, size_t value_len)
{
    unsigned char *at;
    struct item *it = new_item(ITEM_STRING, enc, key, key_len, value_len, &at);

    if (value_len > 0) {
        memcpy(at, value, value_len);
    }
    return it;
}

struct item *item_new_pointer(enum item_type type, const char *key, size_t key_len, void *value)
{
    unsigned char *at;
    struct item *it = new_item(type, ITEM_POINTER, key, key_len, 0, &at);

    item_set_pointer(it, value);
    return it;
}

void item_free(struct item *it)
{
    if (item_is_pointer(it)) {
        keyspace_free_value(item_pointer(it));
    }
    free(it);
}

struct item *item_detached(void *value)
{
    const struct value_head *head = value;

    return item_new_pointer((enum item_type)head->type, "", 0, value);
}

void *item_detached_take(struct item *it)
{
    void *value = item_pointer(it);

    free(it);
    return value;
}

void *item_value(const struct item *it)
{
    assert(item_type(it) != ITEM_STRING);
    return item_pointer(it);
}

void item_set_value(struct item *it, void *value)
{
    assert(item_type(it) == ((struct value_head *)value)->type);
    item_set_pointer(it, value);
}

struct raw *raw_new(const void *p, size_t len, size_t cap)
{
    struct raw *r;
    size_t bytes;

    assert(len <= cap);
    if (cap > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = item_good_size(sizeof *r + cap);
    r = mem_try_alloc(bytes);
    if (r == NULL) {
        return NULL;
    }
    r->head = (struct value_head){.type = ITEM_STRING, .len = len};
    r->cap = bytes - sizeof *r;
    if (p == NULL) {
        memset(r->bytes, 0, len);
    } else {
        memcpy(r->bytes, p, len);
    }
    return r;
}

struct raw *raw_must_new(const void *p, size_t len, size_t cap)
{
    struct raw *r = raw_new(p, len, cap);

    if (r == NULL) {
        log_fatal("Out of memory allocating a string of %zu bytes", cap);
    }
    return r;
}

struct raw *raw_resize(struct raw *r, size_t cap)
{
    size_t bytes;

    if (cap > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = item_good_size(sizeof *r + cap);
    r = mem_try_realloc(r, bytes);
    if (r != NULL) {
        r->cap = bytes - sizeof *r;
    }
    return r;
}

size_t raw_bytes(const struct raw *r) { return sizeof *r + r->cap; }

size_t item_pack_i64(unsigned char out[8], int64_t v)
{
    if (v >= INT32_MIN && v <= INT32_MAX) {
        int32_t small = (int32_t)v;

        memcpy(out, &small, sizeof small);
        return sizeof small;
    }
    memcpy(out, &v, sizeof v);
    return sizeof v;
}

int64_t item_integer(const struct item *it)
{
    size_t n;
    const unsigned char *p = item_value_at(it, &n);
    int32_t small;
    int64_t v;

    assert(item_encoding(it) == ITEM_INTEGER);
    if (n == sizeof small) {
        memcpy(&small, p, sizeof small);
        return small;
    }
    memcpy(&v, p, sizeof v);
    return v;
}

/* ---- the public calls ------------------------------------------------------------------------ */

enum item_type item_type(const struct item *it)
{
    return (enum item_type)((it->bits & ITEM_TYPE_MASK) >> ITEM_TYPE_SHIFT);
}

struct arg item_key(const struct item *it)
{
    struct arg key;

    key.p = (const char *)item_key_at(it, &key.n);
    return key;
}

const char *item_encoding_name(const struct item *it)
{
    if (item_type(it) != ITEM_STRING) {
        return value_types[item_type(it)]->encoding_name(item_pointer(it));
    }
    if (item_encoding(it) == ITEM_INTEGER) {
        return "int";
    }
    if ((it->bits & ITEM_EDITED) != 0 || item_string_len(it) > ITEM_EMBSTR_MAX) {
        return "raw";
    }
    return "embstr";
}

struct arg item_string(const struct item *it, char *scratch)
{
    struct arg s;

    assert(item_type(it) == ITEM_STRING);
    switch (item_encoding(it)) {
    case ITEM_POINTER:
        s.p = item_raw(it)->bytes;
        s.n = item_raw(it)->head.len;
        break;
    case ITEM_INTEGER:
        s.n = num_print_i64(scratch, item_integer(it));
        s.p = scratch;
        break;
    case ITEM_EMBEDDED:
    default:
        s.p = (const char *)item_value_at(it, &s.n);
        break;
    }
    return s;
}

size_t item_string_len(const struct item *it)
{
    char scratch[24];

    return item_string(it, scratch).n;
}

bool item_string_i64(const struct item *it, int64_t *out)
{
    struct arg s;

    if (item_encoding(it) == ITEM_INTEGER) {
        *out = item_integer(it);
        return true;
    }
    s = item_string(it, NULL);
    return num_parse_i64(s.p, s.n, out);
}

uint32_t item_access(const struct item *it) { return it->bits >> ITEM_ACCESS_SHIFT; }

void item_set_access(struct item *it, uint32_t access24)
{
    it->bits = (it->bits & ((1u << ITEM_ACCESS_SHIFT) - 1)) | access24 << ITEM_ACCESS_SHIFT;
}

bool item_string_sizes(const struct item *it, struct item_string_sizes *out)
{
    if (item_type(it) != ITEM_STRING || item_encoding(it) == ITEM_INTEGER) {
        return false;
    }
    *out = (struct item_string_sizes){
        .item_bytes = item_good_size(item_bytes(it)),
        .len = item_string_len(it),
    };
    if (item_is_pointer(it)) {
        out->spare = item_raw(it)->cap - out->len;
        out->bytes = raw_bytes(item_raw(it));
    }
    return true;
}
