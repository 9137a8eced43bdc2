/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/keyspace/digest.c - digests of a keyspace's content, for DEBUG DIGEST and tests.
 *
 * An item's digest is the SHA-1 of database, key and the digest of its value; a keyspace's is
 * the exclusive or of its items', hence independent of order, table size and hash key. */
#include "base/log.h"
#include "node/keyspace/item.h"

#include <endian.h>
#include <openssl/evp.h>

#define DIGEST_BYTES 20

struct digest {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

static void digest_init(struct digest *d)
{
    d->md = EVP_MD_fetch(NULL, "SHA1", NULL);
    d->ctx = EVP_MD_CTX_new();
    if (d->md == NULL || d->ctx == NULL) {
        log_fatal("SHA-1 is not available");
    }
}

static void digest_release(struct digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    EVP_MD_free(d->md);
}

static void digest_begin(struct digest *d)
{
    if (EVP_DigestInit_ex2(d->ctx, d->md, NULL) != 1) {
        log_fatal("SHA-1 failed");
    }
}

static void digest_add(struct digest *d, const void *p, size_t n)
{
    if (EVP_DigestUpdate(d->ctx, p, n) != 1) {
        log_fatal("SHA-1 failed");
    }
}

static void digest_add_number(struct digest *d, uint64_t v)
{
    uint64_t wire = htobe64(v);

    digest_add(d, &wire, sizeof wire);
}

static void digest_end(struct digest *d, unsigned char out[DIGEST_BYTES])
{
    if (EVP_DigestFinal_ex(d->ctx, out, NULL) != 1) {
        log_fatal("SHA-1 failed");
    }
}

/* ---- values of other types ------------------------------------------------------------------- */

struct value_digest {
    struct digest *sequence; /* what comes in order */
    struct digest *element;  /* the element between begin and end */
    bool in_element;
    unsigned char all[DIGEST_BYTES]; /* exclusive or of the elements */
};

static struct digest *current(struct value_digest *d)
{
    return d->in_element ? d->element : d->sequence;
}

void value_digest_number(struct value_digest *d, uint64_t v) { digest_add_number(current(d), v); }

void value_digest_add(struct value_digest *d, const void *p, size_t n)
{
    digest_add_number(current(d), n);
    digest_add(current(d), p, n);
}

void value_digest_element_begin(struct value_digest *d)
{
    assert(!d->in_element);
    d->in_element = true;
    digest_begin(d->element);
}

void value_digest_element_end(struct value_digest *d)
{
    unsigned char one[DIGEST_BYTES];

    assert(d->in_element);
    digest_end(d->element, one);
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        d->all[i] ^= one[i];
    }
    d->in_element = false;
}

struct digests {
    struct digest main, element;
};

static void digests_init(struct digests *d)
{
    digest_init(&d->main);
    digest_init(&d->element);
}

static void digests_release(struct digests *d)
{
    digest_release(&d->main);
    digest_release(&d->element);
}

static void digest_content(struct digests *d, int64_t expire_at, const struct item *it,
                           unsigned char out[DIGEST_BYTES])
{
    digest_begin(&d->main);
    digest_add_number(&d->main, item_type(it));
    digest_add_number(&d->main, (uint64_t)expire_at);
    if (item_type(it) == ITEM_STRING) {
        char scratch[24];
        struct arg value = item_string(it, scratch); /* the same text in every encoding */

        digest_add(&d->main, value.p, value.n);
    } else {
        struct value_digest vd = {.sequence = &d->main, .element = &d->element};

        value_types[item_type(it)]->digest(item_pointer(it), &vd);
        digest_add(&d->main, vd.all, sizeof vd.all);
    }
    digest_end(&d->main, out);
}

static void digest_value(struct digests *d, const struct keyspace *ks, const struct item *it,
                         unsigned char out[DIGEST_BYTES])
{
    digest_content(d, keyspace_expire_at(ks, it), it, out);
}

bool keyspace_same_value(const struct item *a, const struct item *b)
{
    unsigned char x[DIGEST_BYTES], y[DIGEST_BYTES];
    struct digests d;

    digests_init(&d);
    digest_content(&d, KEYSPACE_NO_EXPIRE, a, x);
    digest_content(&d, KEYSPACE_NO_EXPIRE, b, y);
    digests_release(&d);
    return memcmp(x, y, sizeof x) == 0;
}

/* ---- items and keyspaces --------------------------------------------------------------------- */

void keyspace_digest_value(const struct keyspace *ks, const struct item *it, unsigned char out[20])
{
    struct digests d;

    digests_init(&d);
    digest_value(&d, ks, it, out);
    digests_release(&d);
}

struct digest_walk {
    struct digests d;
    const struct keyspace *ks;
    uint32_t db;
    unsigned char *out;
};

static bool digest_item(void *arg, struct item *it)
{
    struct digest_walk *w = arg;
    struct arg key = item_key(it);
    unsigned char one[DIGEST_BYTES];

    digest_value(&w->d, w->ks, it, one);
    digest_begin(&w->d.main);
    digest_add_number(&w->d.main, w->db);
    digest_add(&w->d.main, one, sizeof one);
    digest_add(&w->d.main, key.p, key.n);
    digest_end(&w->d.main, one);
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        w->out[i] ^= one[i];
    }
    return true;
}

void keyspace_digest(const struct keyspace *ks, unsigned char out[20])
{
    struct digest_walk w = {.ks = ks, .out = out};

    memset(out, 0, DIGEST_BYTES);
    digests_init(&w.d);
    for (w.db = 0; w.db < keyspace_databases(ks); w.db++) {
        keyspace_each(ks, w.db, digest_item, &w);
    }
    digests_release(&w.d);
}
