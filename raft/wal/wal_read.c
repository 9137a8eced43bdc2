/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_read.c - entries read back, for followers that are behind and for replay.
 *
 * The group's points lead to the place (binary search); from there records are read in order,
 * those of other groups are stepped over. A point rules up to the next one: what an overwrite
 * left behind lies past that and is never reached. Every entry's checksum is verified. */
#include "base/log.h"
#include "base/mem.h"
#include "raft/wal/wal_int.h"

#include <string.h>

/* A window of one segment. */
struct cursor {
    struct wal *w;
    struct wal_segment *seg;
    uint64_t at;   /* the next record */
    uint64_t from; /* file offset of read_buffer[0] */
    size_t have;   /* bytes in read_buffer */
};

static int cursor_seek(struct cursor *c, const struct wal_point *p)
{
    if (c->seg == NULL || c->seg->number != p->segment) {
        c->seg = wal_segment_find(c->w, p->segment);
        c->have = 0;
        if (c->seg == NULL) {
            log_warning("log: segment %llu is missing", (unsigned long long)p->segment);
            return WAL_ERR_DAMAGED;
        }
        if (wal_segment_open(c->w, c->seg) != WAL_OK) {
            return WAL_ERR_IO;
        }
    }
    c->at = p->offset;
    return WAL_OK;
}

/* Have @n bytes at c->at in memory, or as many as the segment's records have left. */
static int cursor_load(struct cursor *c, size_t n, const unsigned char **p, size_t *have)
{
    size_t got;

    n = (size_t)MIN_OF((uint64_t)n, c->seg->used - MIN_OF(c->at, c->seg->used));
    if (c->at < c->from || c->at + n > c->from + c->have) {
        size_t want = (size_t)MIN_OF((uint64_t)WAL_READ_BUFFER_BYTES, c->seg->used - c->at);

        c->have = 0;
        if (wal_file_read(c->w, c->seg->fd, c->w->read_buffer, want, c->at, &got) != WAL_OK) {
            return WAL_ERR_IO;
        }
        c->from = c->at;
        c->have = got;
    }
    *p = c->w->read_buffer + (c->at - c->from);
    *have = (size_t)(c->from + c->have - c->at);
    return WAL_OK;
}

static int damaged(const struct cursor *c, const char *why)
{
    log_warning("log: segment %016llx, offset %llu: %s", (unsigned long long)c->seg->number,
                (unsigned long long)c->at, why);
    return WAL_ERR_DAMAGED;
}

/* The record @r, whose beginning is at @p (@have bytes of it in memory), as an entry. */
static int load_entry(struct cursor *c, const struct wal_record *r, const unsigned char *p,
                      size_t have, struct raft_entry **out)
{
    size_t fixed = r->bytes - r->data_bytes;
    struct raft_entry *e = raft_entry_new(r->detail, r->data_bytes);
    size_t in_memory = MIN_OF(have - fixed, (size_t)r->data_bytes);
    size_t got = 0;

    *out = NULL;
    if (e == NULL) {
        return WAL_ERR_NOMEM;
    }
    memcpy(e->data, p + fixed, in_memory);
    if (in_memory < r->data_bytes &&
        wal_file_read(c->w, c->seg->fd, e->data + in_memory, r->data_bytes - in_memory,
                      c->at + fixed + in_memory, &got) != WAL_OK) {
        raft_entry_unref(e);
        return WAL_ERR_IO;
    }
    if (in_memory + got < r->data_bytes ||
        !wal_format_check(p, fixed, e->data, r->data_bytes, c->seg->seed)) {
        raft_entry_unref(e);
        return damaged(c, "an entry's checksum does not match");
    }
    e->pos = (struct raft_pos){.term = r->term, .index = r->index};
    *out = e;
    return WAL_OK;
}

/* The next record of @group with the index @want. Leaves the cursor behind it, unless its payload
 * is larger than @room: then *out is NULL. */
static int next_entry(struct cursor *c, uint32_t group, uint64_t want, uint64_t room,
                      struct raft_entry **out)
{
    for (;;) {
        const unsigned char *p;
        struct wal_record r;
        const char *why = "the segment ends too early";
        size_t have;
        int rc = cursor_load(c, WAL_RECORD_FIXED_MAX, &p, &have);

        *out = NULL;
        if (rc != WAL_OK) {
            return rc;
        }
        if (wal_format_peek(p, have, c->at, c->seg->seed, &r, &why) != WAL_GET_RECORD ||
            c->at + r.bytes > c->seg->used) {
            return damaged(c, why);
        }
        if (r.group == group && r.type == WAL_RECORD_ENTRY && r.index >= want) {
            if (r.index > want) {
                return damaged(c, "an entry is not where it was written");
            }
            if (r.data_bytes > room) {
                return WAL_OK;
            }
            rc = load_entry(c, &r, p, have, out);
            c->at += WAL_RECORD_PADDED(r.bytes);
            return rc;
        }
        c->at += WAL_RECORD_PADDED(r.bytes);
    }
}

int wal_read(struct wal *w, uint32_t group, uint64_t first, size_t max, uint64_t bytes_max,
             struct raft_entry **out, size_t *n)
{
    const struct wal_group_state *g = wal_find_group(w, group);
    const struct wal_point *p;
    struct cursor c = {.w = w};
    uint64_t bytes = 0;
    uint64_t next_point = 0;
    int rc = WAL_OK;

    *n = 0;
    if (w->failed) {
        return WAL_ERR_IO;
    }
    if (g == NULL || first == 0 || first > g->last.index) {
        return WAL_ERR_RANGE;
    }
    p = first < g->first ? NULL : wal_group_find(g, first);
    if (p == NULL) {
        return WAL_ERR_COMPACTED;
    }
    rc = cursor_seek(&c, p);
    next_point = p + 1 < g->points + g->n_points ? p[1].first : UINT64_MAX;
    for (uint64_t index = first; rc == WAL_OK && *n < max && index <= g->last.index; index++) {
        struct raft_entry *e;

        if (index == next_point) {
            p++;
            next_point = p + 1 < g->points + g->n_points ? p[1].first : UINT64_MAX;
            rc = cursor_seek(&c, p);
            if (rc != WAL_OK) {
                break;
            }
        }
        rc = next_entry(&c, group, index, *n == 0 ? UINT64_MAX : bytes_max - bytes, &e);
        if (rc != WAL_OK || e == NULL) {
            break;
        }
        out[(*n)++] = e;
        bytes = MIN_OF(bytes + e->size, bytes_max);
    }
    /* What was read before the trouble is good; it shows again at the next call. */
    return *n > 0 ? WAL_OK : rc;
}
