/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/fuzz_rdb_file.c - arbitrary bytes as an RDB file, whose checksum is not looked at:
 * what loads is saved, and loads again as the same. */
#include "node/rdb/rdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DATABASES 16

/* A file in memory, and its name. */
static int memory_file(char name[32])
{
    int fd = memfd_create("fuzz_rdb_file", MFD_CLOEXEC);

    assert(fd >= 0);
    snprintf(name, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static struct keyspace *new_keyspace(uint64_t seed)
{
    const struct keyspace_config config = {DATABASES, false, {{seed, 2}}};

    return keyspace_new(&config);
}

/* RDB_OK: @ks has what is in the file. */
static int load(const char *name, bool verify, struct keyspace *ks)
{
    struct rdb_loader *l;
    int rc = rdb_loader_new(name, verify, &l);

    if (rc != RDB_OK) {
        return rc;
    }
    while ((rc = rdb_loader_step(l, ks, 1000, 0)) == 1) {
    }
    rdb_loader_free(l);
    return rc;
}

static void save_and_load(const struct keyspace *ks, bool lfu)
{
    const struct access_clock clock = {.lru = !lfu, .lfu = lfu};
    unsigned char a[20], b[20];
    struct keyspace *again = new_keyspace(2);
    char name[32];
    int fd = memory_file(name);
    int rc = rdb_save(name, ks, NULL, true, &clock, NULL);

    assert(rc == RDB_OK);
    rc = load(name, true, again);
    assert(rc == RDB_OK);
    keyspace_digest(ks, a);
    keyspace_digest(again, b);
    assert(memcmp(a, b, sizeof a) == 0);
    keyspace_free(again);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyspace *ks = new_keyspace(1);
    struct rdb_meta meta;
    char name[32];
    int fd = memory_file(name);
    ssize_t written = write(fd, data, size);

    assert(written == (ssize_t)size);
    if (load(name, false, ks) == RDB_OK) {
        save_and_load(ks, size % 2 == 0);
    }
    if (rdb_read_meta(name, &meta) == RDB_OK) {
        rdb_meta_release(&meta);
    }
    keyspace_free(ks);
    close(fd);
    return 0;
}
