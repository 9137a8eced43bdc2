/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/wal_fixture.h - a log in a folder of its own, entries whose content follows from
 * their position, and a disk that fails and crashes on demand. */
#ifndef TESTS_RAFT_WAL_FIXTURE_H
#define TESTS_RAFT_WAL_FIXTURE_H

#include "tests/test.h"

#include "base/rand.h"
#include "proto/wal_format.h"
#include "raft/wal.h"

#define CLUSTER "0123456789abcdef0123456789abcdef01234567"

/* What an unsynced write replaced, so that a crash can take it back. */
struct undo {
    uint64_t inode;
    uint64_t at;
    size_t n;
    unsigned char *old;
};

/* The faulty disk. Counters count down: 0 is "at this call", negative is "never". */
struct disk {
    int write_enospc_in, write_eio_in, write_short_in, sync_eio_in, fallocate_enospc_in;
    bool enospc_stays; /* until cleared, every later write or fallocate of new room fails too */
    uint64_t room;     /* bytes that fallocate may still give, when .limited */
    bool limited;
    uint64_t writes, syncs;
    uint64_t bad_from, bad_to; /* offsets of any file that cannot be read until they are written */
    struct undo *undo;
    size_t n_undo, cap_undo;
    bool track; /* keep undo records */
};

struct fixture {
    char dir[256];
    struct disk disk;
    struct wal_io io;
    struct wal_config config;
    struct wal *w;
    struct wal_recovery rec;
    uint64_t unfit; /* write_entries() for which wal_fits() said no */
};

/* cmocka setup and teardown: *state is a fixture whose log is not open yet. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Open (creating); asserts success. The close is without a sync. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f);
/* Close without a sync and lose what was not synced: every sector of it that @keep refuses. */
void fixture_crash(struct fixture *f, bool (*keep)(void *ctx, uint64_t file, uint64_t sector),
                   void *ctx);
/* All files of the folder in memory, and the folder made like that again. */
struct image {
    struct image_file {
        char name[64];
        unsigned char *p;
        size_t n;
    } files[512];
    size_t n;
};
void image_take(const struct fixture *f, struct image *out);
void image_put(const struct fixture *f, const struct image *image);
void image_release(struct image *image);
struct image_file *image_segment(struct image *image, uint64_t number);
/* Whether the folder is like the image. */
bool image_equal(const struct fixture *f, const struct image *image);

/* The payload that group, term and index call for. */
struct raft_entry *make_entry(uint32_t group, uint64_t term, uint64_t index, uint32_t size);
bool entry_is_right(uint32_t group, const struct raft_entry *e);

/* Write entries first..last of one term; each @size bytes. */
int write_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first, uint64_t last,
                  uint32_t size);
void put_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first, uint64_t last,
                 uint32_t size); /* and sync; asserts success */
void put_hard(struct fixture *f, uint32_t group, uint64_t term, uint64_t vote, uint64_t commit);
/* Assert that first..last are there, of that term and content. */
void expect_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first,
                    uint64_t last);
const struct wal_group *recovered(const struct fixture *f, uint32_t group); /* NULL: none */
struct raft_members three_members(void);

/* Path of the segment with this number, and its whole content. */
void segment_path(const char *dir, uint64_t number, char out[512]);
unsigned char *read_file(const char *path, size_t *n);
void write_file(const char *path, const unsigned char *p, size_t n);
size_t count_files(const char *dir, const char *suffix);

#endif
