/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/wal_fixture.c - see tests/raft/wal_fixture.h. */
#include "tests/raft/wal_fixture.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- the disk ---------------------------------------------------------------------------- */

static uint64_t inode_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static bool strikes(int *counter)
{
    if (*counter < 0) {
        return false;
    }
    return (*counter)-- == 0;
}

static void remember(struct disk *d, int fd, uint64_t at, size_t n)
{
    struct undo *u;
    ssize_t got;

    if (!d->track) {
        return;
    }
    if (d->n_undo == d->cap_undo) {
        d->cap_undo = d->cap_undo == 0 ? 16 : 2 * d->cap_undo;
        d->undo = mem_realloc(d->undo, d->cap_undo * sizeof *d->undo);
    }
    u = &d->undo[d->n_undo++];
    *u = (struct undo){.inode = inode_of(fd), .at = at, .n = n, .old = mem_zalloc(n)};
    got = pread(fd, u->old, n, (off_t)at);
    assert_true(got >= 0);
}

static void forget_undo(struct disk *d, uint64_t inode, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n_undo; i++) {
        if (all || d->undo[i].inode == inode) {
            free(d->undo[i].old);
        } else {
            d->undo[kept++] = d->undo[i];
        }
    }
    d->n_undo = kept;
}

static ssize_t disk_pwritev(void *ctx, int fd, const void *p, int n, off_t at)
{
    struct disk *d = ctx;
    const struct iovec *iov = p;
    struct iovec part;
    size_t total = 0;

    d->writes++;
    for (int i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    if (strikes(&d->write_eio_in)) {
        errno = EIO;
        return -1;
    }
    if (strikes(&d->write_enospc_in)) {
        d->write_enospc_in = d->enospc_stays ? 0 : -1;
        errno = ENOSPC;
        return -1;
    }
    if ((uint64_t)at <= d->bad_from && (uint64_t)at + total >= d->bad_to) {
        d->bad_from = d->bad_to = 0; /* the disk has mapped it elsewhere */
    }
    remember(d, fd, (uint64_t)at, total);
    if (strikes(&d->write_short_in)) {
        part = iov[0];
        part.iov_len = (part.iov_len + 1) / 2;
        return pwritev(fd, &part, 1, at);
    }
    return pwritev(fd, iov, n, at);
}

static ssize_t disk_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
    const struct disk *d = ctx;

    if ((uint64_t)at < d->bad_to && (uint64_t)at + n > d->bad_from) {
        errno = EIO;
        return -1;
    }
    return pread(fd, p, n, at);
}

static int disk_fdatasync(void *ctx, int fd)
{
    struct disk *d = ctx;

    d->syncs++;
    if (strikes(&d->sync_eio_in)) {
        errno = EIO;
        return -1;
    }
    forget_undo(d, inode_of(fd), false);
    return 0; /* the page cache is our disk */
}

static int disk_fallocate(void *ctx, int fd, int mode, off_t at, off_t n)
{
    struct disk *d = ctx;

    if (strikes(&d->fallocate_enospc_in)) {
        d->fallocate_enospc_in = d->enospc_stays ? 0 : -1;
        errno = ENOSPC;
        return -1;
    }
    if (d->limited && (uint64_t)n > d->room) {
        errno = ENOSPC;
        return -1;
    }
    d->room -= d->limited ? (uint64_t)n : 0;
    return fallocate(fd, mode, at, n);
}

static int disk_sync_dir(void *ctx, const char *dir)
{
    (void)ctx;
    (void)dir;
    return 0;
}

/* ---- the folder -------------------------------------------------------------------------- */

static void temp_dir(char out[256])
{
    const char *tmp = getenv("TMPDIR");

    /* In memory where that is possible: thousands of small files, and no crash is a real one. */
    if (tmp == NULL) {
        tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    snprintf(out, 256, "%s/holdfast-test-wal.XXXXXX", tmp);
    assert_non_null(mkdtemp(out));
}

static void empty_dir(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    closedir(d);
}

int fixture_setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    log_set_level(getenv("WAL_TEST_LOG") != NULL ? LOG_LVL_DEBUG : LOG_LVL_NOTHING);
    temp_dir(f->dir);
    f->disk.write_enospc_in = f->disk.write_eio_in = f->disk.write_short_in = -1;
    f->disk.sync_eio_in = f->disk.fallocate_enospc_in = -1;
    f->io = (struct wal_io){.pwritev = disk_pwritev,
                            .pread = disk_pread,
                            .fdatasync = disk_fdatasync,
                            .fallocate = disk_fallocate,
                            .sync_dir = disk_sync_dir,
                            .ctx = &f->disk};
    f->config = (struct wal_config){
        .dir = f->dir, .cluster_id = CLUSTER, .node = 7, .segment_bytes = 1 << 20, .io = &f->io};
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    forget_undo(&f->disk, 0, true);
    free(f->disk.undo);
    empty_dir(f->dir);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

void fixture_open(struct fixture *f)
{
    assert_null(f->w);
    assert_int_equal(wal_open(&f->config, &f->rec, &f->w), WAL_OK);
    assert_non_null(f->w);
}

void fixture_close(struct fixture *f)
{
    wal_close(f->w);
    f->w = NULL;
    wal_recovery_release(&f->rec);
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

static int open_inode(const char *dir, uint64_t inode)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int fd = -1;

    assert_non_null(d);
    while (fd < 0 && (e = readdir(d)) != NULL) {
        if (e->d_ino == inode) {
            fd = openat(dirfd(d), e->d_name, O_RDWR | O_CLOEXEC);
        }
    }
    closedir(d);
    return fd;
}

/* A file's number in the order of first unsynced writes: the same in every run of a seed. */
static uint64_t rank_of(const struct disk *d, uint64_t inode)
{
    size_t i = 0;

    while (d->undo[i].inode != inode) {
        i++;
    }
    return i;
}

void fixture_crash(struct fixture *f, bool (*keep)(void *, uint64_t, uint64_t), void *ctx)
{
    fixture_close(f);
    for (size_t i = f->disk.n_undo; i-- > 0;) {
        const struct undo *u = &f->disk.undo[i];
        int fd = open_inode(f->dir, u->inode);

        if (fd < 0) {
            continue; /* removed since */
        }
        for (size_t from = 0; from < u->n;) {
            uint64_t sector = (u->at + from) / 512;
            size_t to = MIN_OF((size_t)((sector + 1) * 512 - u->at), u->n);

            if (!keep(ctx, rank_of(&f->disk, u->inode), sector)) {
                assert_int_equal(pwrite(fd, u->old + from, to - from, (off_t)(u->at + from)),
                                 to - from);
            }
            from = to;
        }
        close(fd);
    }
    forget_undo(&f->disk, 0, true);
}

void image_take(const struct fixture *f, struct image *out)
{
    DIR *d = opendir(f->dir);
    const struct dirent *e;

    out->n = 0;
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        char path[1024];
        struct image_file *file = &out->files[out->n];

        if (e->d_name[0] != '.') {
            assert_true(++out->n <= ARRAY_LEN(out->files));
            snprintf(file->name, sizeof file->name, "%.63s", e->d_name);
            snprintf(path, sizeof path, "%s/%s", f->dir, e->d_name);
            file->p = read_file(path, &file->n);
        }
    }
    closedir(d);
}

void image_put(const struct fixture *f, const struct image *image)
{
    empty_dir(f->dir);
    for (size_t i = 0; i < image->n; i++) {
        char path[1024];

        snprintf(path, sizeof path, "%s/%s", f->dir, image->files[i].name);
        write_file(path, image->files[i].p, image->files[i].n);
    }
}

void image_release(struct image *image)
{
    for (size_t i = 0; i < image->n; i++) {
        free(image->files[i].p);
    }
    image->n = 0;
}

struct image_file *image_segment(struct image *image, uint64_t number)
{
    char name[WAL_FORMAT_NAME_BYTES];

    wal_format_name(name, number);
    for (size_t i = 0; i < image->n; i++) {
        if (strcmp(image->files[i].name, name) == 0) {
            return &image->files[i];
        }
    }
    fail_msg("no segment %s", name);
    return NULL;
}

bool image_equal(const struct fixture *f, const struct image *image)
{
    struct image now;
    bool equal;

    image_take(f, &now);
    equal = now.n == image->n;
    for (size_t i = 0; equal && i < now.n; i++) {
        const struct image_file *a = &now.files[i];
        bool found = false;

        for (size_t k = 0; k < image->n; k++) {
            const struct image_file *b = &image->files[k];

            found = found || (strcmp(a->name, b->name) == 0 && a->n == b->n &&
                              memcmp(a->p, b->p, a->n) == 0);
        }
        equal = found;
    }
    image_release(&now);
    return equal;
}

void segment_path(const char *dir, uint64_t number, char out[512])
{
    char name[WAL_FORMAT_NAME_BYTES];

    wal_format_name(name, number);
    snprintf(out, 512, "%s/%s", dir, name);
}

unsigned char *read_file(const char *path, size_t *n)
{
    char *p;

    assert_int_equal(file_read_all(path, (size_t)1 << 31, &p, n), 0);
    return (unsigned char *)p;
}

void write_file(const char *path, const unsigned char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, p, n), 0);
    close(fd);
}

size_t count_files(const char *dir, const char *suffix)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    size_t n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);

        if (len > strlen(suffix) && strcmp(e->d_name + len - strlen(suffix), suffix) == 0) {
            n++;
        }
    }
    closedir(d);
    return n;
}

/* ---- entries ----------------------------------------------------------------------------- */

static unsigned char content(uint32_t group, uint64_t term, uint64_t index, uint32_t i)
{
    /* Never zero: what is cut off by a crash reads as zeros and is never taken for content. */
    return (unsigned char)(1 + (group * 7 + term * 31 + index * 131 + i) % 255);
}

struct raft_entry *make_entry(uint32_t group, uint64_t term, uint64_t index, uint32_t size)
{
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_DATA, size);

    assert_non_null(e);
    e->pos = (struct raft_pos){.term = term, .index = index};
    for (uint32_t i = 0; i < size; i++) {
        e->data[i] = content(group, term, index, i);
    }
    return e;
}

bool entry_is_right(uint32_t group, const struct raft_entry *e)
{
    for (uint32_t i = 0; i < e->size; i++) {
        if (e->data[i] != content(group, e->pos.term, e->pos.index, i)) {
            return false;
        }
    }
    return true;
}

int write_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first, uint64_t last,
                  uint32_t size)
{
    size_t n = (size_t)(last - first + 1);
    struct raft_entry **e = mem_alloc(n * sizeof(struct raft_entry *));
    struct wal_write x = {.group = group, .entries = e, .n_entries = n};
    struct wal_stats before, after;
    bool fits;
    int rc;

    for (size_t i = 0; i < n; i++) {
        e[i] = make_entry(group, term, first + i, size);
    }
    wal_get_stats(f->w, &before);
    fits = wal_fits(f->w, &x, 1);
    f->unfit += !fits;
    rc = wal_write(f->w, &x, 1);
    wal_get_stats(f->w, &after);
    assert_true(!fits || after.last_segment == before.last_segment);
    for (size_t i = 0; i < n; i++) {
        raft_entry_unref(e[i]);
    }
    free(e);
    return rc;
}

void put_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first, uint64_t last,
                 uint32_t size)
{
    assert_int_equal(write_entries(f, group, term, first, last, size), WAL_OK);
    assert_int_equal(wal_sync(f->w), WAL_OK);
}

void put_hard(struct fixture *f, uint32_t group, uint64_t term, uint64_t vote, uint64_t commit)
{
    struct wal_write x = {
        .group = group, .has_hard = true, .hard = {.term = term, .vote = vote, .commit = commit}};

    assert_int_equal(wal_write(f->w, &x, 1), WAL_OK);
    assert_int_equal(wal_sync(f->w), WAL_OK);
}

void expect_entries(struct fixture *f, uint32_t group, uint64_t term, uint64_t first, uint64_t last)
{
    struct raft_entry *e[64];
    uint64_t index = first;

    while (index <= last) {
        size_t n;
        size_t max = MIN_OF(ARRAY_LEN(e), (size_t)(last - index + 1));

        assert_int_equal(wal_read(f->w, group, index, max, UINT64_MAX, e, &n), WAL_OK);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++, index++) {
            assert_int_equal(e[i]->pos.index, index);
            assert_int_equal(e[i]->pos.term, term);
            assert_true(entry_is_right(group, e[i]));
            raft_entry_unref(e[i]);
        }
    }
}

const struct wal_group *recovered(const struct fixture *f, uint32_t group)
{
    for (size_t i = 0; i < f->rec.n_groups; i++) {
        if (f->rec.groups[i].group == group) {
            return &f->rec.groups[i];
        }
    }
    return NULL;
}

struct raft_members three_members(void)
{
    struct raft_members m = {.n = 3};

    for (uint32_t i = 0; i < 3; i++) {
        m.m[i] = (struct raft_member){.id = i + 1, .flags = RAFT_MEMBER_VOTER};
    }
    return m;
}
