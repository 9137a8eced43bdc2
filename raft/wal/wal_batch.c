/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_batch.c - records laid out for one pwritev.
 *
 * heads[] is reserved for the whole batch before the first record is added, so that the iovecs
 * may point into it. Neighbours in heads[] share an iovec: a batch of small records is one. */
#include "base/mem.h"
#include "raft/wal/wal_int.h"

#include <stdlib.h>
#include <string.h>

void wal_batch_begin(struct wal_batch *b, uint64_t at, uint32_t seed, uint64_t durable,
                     size_t heads, size_t n_records)
{
    size_t n_iov = 2 * n_records + 4;

    heads += 8; /* the padding of the last record */
    if (b->heads_cap < heads) {
        b->heads_cap = MAX_OF(heads, 2 * b->heads_cap);
        free(b->heads);
        b->heads = mem_alloc(b->heads_cap);
    }
    if (b->cap_iov < n_iov) {
        b->cap_iov = MAX_OF(n_iov, 2 * b->cap_iov);
        free(b->iov);
        b->iov = mem_alloc(b->cap_iov * sizeof *b->iov);
    }
    b->heads_len = 0;
    b->n_iov = 0;
    b->at = at;
    b->seed = seed;
    b->durable = durable;
    b->pad = 0;
}

/* The next @n bytes of heads[], to be filled by the caller. */
static unsigned char *take_head(struct wal_batch *b, size_t n)
{
    unsigned char *p = b->heads + b->heads_len;
    struct iovec *v = b->n_iov > 0 ? &b->iov[b->n_iov - 1] : NULL;

    assert(n <= b->heads_cap - b->heads_len);
    b->heads_len += n;
    if (v != NULL && (unsigned char *)v->iov_base + v->iov_len == p) {
        v->iov_len += n;
        return p;
    }
    assert(b->n_iov < b->cap_iov);
    b->iov[b->n_iov++] = (struct iovec){.iov_base = p, .iov_len = n};
    return p;
}

void wal_batch_add(struct wal_batch *b, struct wal_record *r, bool copy)
{
    unsigned char head[WAL_RECORD_FIXED_MAX];
    size_t fixed;

    r->offset = b->at;
    r->durable = b->durable;
    fixed = wal_format_put(head, b->seed, r);
    if (b->pad > 0) {
        memset(take_head(b, b->pad), WAL_PAD_BYTE, b->pad);
    }
    memcpy(take_head(b, fixed), head, fixed);
    if (r->data_bytes > 0 && copy) {
        memcpy(take_head(b, r->data_bytes), r->data, r->data_bytes);
    } else if (r->data_bytes > 0) {
        assert(b->n_iov < b->cap_iov);
        b->iov[b->n_iov++] =
            (struct iovec){.iov_base = (void *)(uintptr_t)r->data, .iov_len = r->data_bytes};
    }
    b->pad = (uint32_t)(WAL_RECORD_PADDED(r->bytes) - r->bytes);
    b->at += WAL_RECORD_PADDED(r->bytes);
}

void wal_batch_end(struct wal_batch *b)
{
    if (b->pad > 0) {
        memset(take_head(b, b->pad), WAL_PAD_BYTE, b->pad);
        b->pad = 0;
    }
}

void wal_batch_zeros(struct wal_batch *b, const unsigned char *zeros, size_t n)
{
    assert(b->pad == 0);
    assert(b->n_iov < b->cap_iov);
    b->iov[b->n_iov++] = (struct iovec){.iov_base = (void *)(uintptr_t)zeros, .iov_len = n};
}

void wal_batch_release(struct wal_batch *b)
{
    free(b->heads);
    free(b->iov);
    memset(b, 0, sizeof *b);
}
