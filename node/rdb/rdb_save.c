/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_save.c - writing a snapshot; see node/rdb/rdb.h.
 *
 * Runs in a forked child as a rule: it reads the keyspace and writes one file. */
#include "base/clock.h"
#include "base/mem.h"
#include "node/rdb/rdb_format.h"
#include "node/rdb/rdb_write.h"

#include <endian.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_KEYS 1024

/* ---- AUX fields ------------------------------------------------------------------------------ */

static void put_aux(struct rdb_writer *w, const char *name, const char *p, size_t n)
{
    rdb_put_byte(w, RDB_OP_AUX);
    rdb_put_string(w, name, strlen(name));
    rdb_put_string(w, p, n);
}

static void put_aux_number(struct rdb_writer *w, const char *name, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);

    put_aux(w, name, text, (size_t)n);
}

static void put_aux_hex(struct rdb_writer *w, const char *name, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;
    char *hex = mem_alloc(n * 2);

    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[in[i] >> 4];
        hex[2 * i + 1] = digits[in[i] & 15];
    }
    put_aux(w, name, hex, n * 2);
    free(hex);
}

/* Of jemalloc, where it is linked. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

static uint64_t used_memory(void)
{
    uint64_t epoch = 1;
    size_t allocated = 0;
    size_t n = sizeof allocated;

    if (mallctl != NULL && mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) == 0 &&
        mallctl("stats.allocated", &allocated, &n, NULL, 0) == 0) {
        return allocated;
    }
    return mallinfo2().uordblks;
}

static void put_all_aux(struct rdb_writer *w, const struct rdb_meta *meta)
{
    put_aux(w, "redis-ver", "7.0.15", 6);
    put_aux_number(w, "redis-bits", sizeof(void *) * 8);
    put_aux_number(w, "ctime", (uint64_t)(clock_wall_ms() / 1000));
    put_aux_number(w, "used-mem", used_memory());
    put_aux_number(w, "aof-base", 0);
    if (meta == NULL) {
        return;
    }
    put_aux(w, RDB_AUX_CLUSTER, meta->cluster_id, strlen(meta->cluster_id));
    put_aux_number(w, RDB_AUX_GROUP, meta->group);
    put_aux_number(w, RDB_AUX_TERM, meta->term);
    put_aux_number(w, RDB_AUX_INDEX, meta->index);
    put_aux_hex(w, RDB_AUX_MEMBERS, meta->members, meta->members_len);
    if (meta->system != NULL) {
        put_aux_hex(w, RDB_AUX_SYSTEM, meta->system, meta->system_len);
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static void put_access(struct rdb_writer *w, uint32_t access)
{
    if (w->clock->lru) {
        rdb_put_byte(w, RDB_OP_IDLE);
        rdb_put_len(w, access_clock_idle(w->clock, access));
    } else if (w->clock->lfu) {
        rdb_put_byte(w, RDB_OP_FREQ);
        rdb_put_byte(w, access_clock_freq(w->clock, access));
    }
}

static bool put_item(void *arg, struct item *it)
{
    struct rdb_writer *w = arg;
    int64_t expire_at = keyspace_expire_at(w->ks, it);
    struct arg key = item_key(it);

    if (expire_at != KEYSPACE_NO_EXPIRE) {
        uint64_t wire = htole64((uint64_t)expire_at);

        rdb_put_byte(w, RDB_OP_EXPIRETIME_MS);
        rdb_put(w, &wire, sizeof wire);
    }
    if (w->clock != NULL) {
        put_access(w, item_access(it));
    }
    rdb_put_byte(w, rdb_value_type(it));
    rdb_put_string(w, key.p, key.n);
    rdb_put_value(w, it);
    w->keys++;
    if (w->keys % PROGRESS_KEYS == 0) {
        rdb_note_progress(w);
    }
    return w->rc == RDB_OK;
}

static void put_databases(struct rdb_writer *w)
{
    for (uint32_t db = 0; db < keyspace_databases(w->ks); db++) {
        if (keyspace_size(w->ks, db) == 0) {
            continue;
        }
        rdb_put_byte(w, RDB_OP_SELECTDB);
        rdb_put_len(w, db);
        rdb_put_byte(w, RDB_OP_RESIZEDB);
        rdb_put_len(w, keyspace_size(w->ks, db));
        rdb_put_len(w, keyspace_expires(w->ks, db));
        keyspace_each(w->ks, db, put_item, w);
    }
}

static void put_file(struct rdb_writer *w, const struct rdb_meta *meta)
{
    char header[RDB_HEADER_BYTES + 1];
    uint64_t wire;

    snprintf(header, sizeof header, "%s%04d", RDB_MAGIC, RDB_VERSION_WRITTEN);
    rdb_put(w, header, RDB_HEADER_BYTES);
    put_all_aux(w, meta);
    if (w->ks != NULL) {
        put_databases(w);
    }
    rdb_put_byte(w, RDB_OP_EOF);
    rdb_flush(w);
    wire = htole64(w->crc);
    rdb_put(w, &wire, sizeof wire);
    rdb_flush(w);
}

int rdb_save(const char *path, const struct keyspace *ks, const struct rdb_meta *meta,
             bool compress, const struct access_clock *clock,
             volatile struct rdb_progress *progress)
{
    struct rdb_writer w = {
        .fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
        .compress = compress,
        .ks = ks,
        .clock = clock,
        .progress = progress,
    };

    if (w.fd < 0) {
        return RDB_ERR_IO;
    }
    w.buffer = mem_alloc(RDB_WRITE_BUFFER_BYTES);
    put_file(&w, meta);
    if (w.rc == RDB_OK && fsync(w.fd) != 0) {
        w.rc = RDB_ERR_IO;
    }
    if (close(w.fd) != 0) {
        w.rc = RDB_ERR_IO;
    }
    if (w.rc != RDB_OK) {
        unlink(path);
    }
    free(w.buffer);
    free(w.lzf);
    return w.rc;
}
