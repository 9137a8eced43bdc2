/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/data_dir.c - see data_dir.h. */
#include "raft/host/data_dir.h"

#include "base/crc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "proto/meta.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_MAGIC "HFNODE\r\n"
#define META_MAGIC_BYTES 8u
#define META_HEADER_BYTES 20u
#define META_FILE_MAX (64u * 1024)

static void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(v >> 8 * i);
    }
}

static uint32_t get_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static char *path_join(const char *dir, const char *name)
{
    char *p;

    if (asprintf(&p, "%s/%s", dir, name) < 0) {
        log_fatal("Out of memory");
    }
    return p;
}

/* Checksum of all but its own four bytes. */
static uint32_t meta_crc(const unsigned char *file, size_t n)
{
    uint32_t crc = crc32c(0, file, 16);

    return crc32c(crc, file + META_HEADER_BYTES, n - META_HEADER_BYTES);
}

/* Takes @file. */
static void remember(struct data_dir *d, unsigned char *file, size_t n)
{
    free(d->on_disk);
    d->on_disk = file;
    d->n_on_disk = n;
}

int data_dir_save(struct data_dir *d)
{
    Meta__Node m = META__NODE__INIT;
    unsigned char *file;
    size_t n;
    int rc;

    m.node_id = (char *)d->identity.node_id;
    m.cluster_id = (char *)d->identity.cluster_id;
    m.node = d->identity.node;
    m.log_ready = d->log_ready;
    m.unsynced = d->unsynced;
    m.boot_id = (char *)d->boot_id;
    m.clean_stop = d->clean_stop;
    m.suspect_groups = d->suspects;
    m.n_suspect_groups = d->n_suspects;
    m.groups = d->groups;
    m.n_groups = d->n_groups;
    n = META_HEADER_BYTES + meta__node__get_packed_size(&m);
    file = mem_alloc(n);
    memcpy(file, META_MAGIC, META_MAGIC_BYTES);
    put_u32(file + 8, DATA_DIR_META_VERSION);
    put_u32(file + 12, (uint32_t)(n - META_HEADER_BYTES));
    meta__node__pack(&m, file + META_HEADER_BYTES);
    put_u32(file + 16, meta_crc(file, n));
    if (d->on_disk != NULL && d->n_on_disk == n && memcmp(d->on_disk, file, n) == 0) {
        free(file);
        return RAFT_HOST_OK;
    }
    rc = file_replace(d->path, DATA_DIR_META, file, n);
    if (rc != 0) {
        log_warning("Cannot write %s/%s: %s", d->path, DATA_DIR_META, strerror(errno));
        free(file);
        remember(d, NULL, 0);
        return RAFT_HOST_ERR_IO;
    }
    remember(d, file, n);
    return RAFT_HOST_OK;
}

static bool is_id(const char *s)
{
    return strlen(s) == RAFT_HOST_ID_CHARS && strspn(s, "0123456789abcdef") == RAFT_HOST_ID_CHARS;
}

/* The message of a file whose checksum was right. */
static int meta_decode(struct data_dir *d, const unsigned char *p, size_t n)
{
    Meta__Node *m = meta__node__unpack(NULL, n, p);
    int rc = RAFT_HOST_ERR_DAMAGED;

    if (m == NULL) {
        return rc;
    }
    if (!is_id(m->node_id) || (m->cluster_id[0] != '\0' && !is_id(m->cluster_id)) ||
        (m->cluster_id[0] == '\0') != (m->node == 0) || m->node == UINT64_MAX ||
        strlen(m->boot_id) >= sizeof d->boot_id || m->n_suspect_groups > DATA_DIR_GROUPS_MAX ||
        m->n_groups > DATA_DIR_GROUPS_MAX) {
        goto out;
    }
    memcpy(d->identity.node_id, m->node_id, strlen(m->node_id) + 1);
    memcpy(d->identity.cluster_id, m->cluster_id, strlen(m->cluster_id) + 1);
    d->identity.node = m->node;
    d->log_ready = m->log_ready;
    d->unsynced = m->unsynced;
    d->clean_stop = m->clean_stop;
    memcpy(d->boot_id, m->boot_id, strlen(m->boot_id) + 1);
    d->n_suspects = m->n_suspect_groups;
    d->suspects = mem_dup(m->suspect_groups, m->n_suspect_groups * sizeof d->suspects[0]);
    d->n_groups = m->n_groups;
    d->groups = mem_dup(m->groups, m->n_groups * sizeof d->groups[0]);
    rc = RAFT_HOST_OK;
out:
    meta__node__free_unpacked(m, NULL);
    return rc;
}

static int meta_parse(struct data_dir *d, const char *path, const unsigned char *p, size_t n)
{
    uint32_t version;

    if (n < META_HEADER_BYTES || memcmp(p, META_MAGIC, META_MAGIC_BYTES) != 0) {
        log_warning("%s is not an identity file of this program; refusing to start", path);
        return RAFT_HOST_ERR_DAMAGED;
    }
    version = get_u32(p + 8);
    if (version > DATA_DIR_META_VERSION) {
        log_warning("%s has format %u, this program knows up to %u: the directory was written by "
                    "a newer version",
                    path, version, DATA_DIR_META_VERSION);
        return RAFT_HOST_ERR_VERSION;
    }
    if (version == 0 || get_u32(p + 12) != n - META_HEADER_BYTES ||
        get_u32(p + 16) != meta_crc(p, n) ||
        meta_decode(d, p + META_HEADER_BYTES, n - META_HEADER_BYTES) != RAFT_HOST_OK) {
        log_warning("%s is damaged; refusing to start. Without it this directory may not take "
                    "part in its cluster: replace the node as a new member",
                    path);
        return RAFT_HOST_ERR_DAMAGED;
    }
    return RAFT_HOST_OK;
}

bool data_dir_has_files(const char *folder, const char *suffix)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    bool found = false;

    if (dir == NULL) {
        return errno != ENOENT;
    }
    while (!found && (e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name), k = strlen(suffix);

        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && n >= k &&
                strcmp(e->d_name + n - k, suffix) == 0;
    }
    closedir(dir);
    return found;
}

/* No identity yet: the directory must be nobody's. */
static int meta_draw(struct data_dir *d)
{
    if (data_dir_has_files(d->wal, "") || data_dir_has_files(d->snapshots, "")) {
        log_warning("%s holds a log or snapshots, but %s is missing; refusing to start. Without "
                    "it this directory may not take part in its cluster: replace the node as a "
                    "new member",
                    d->path, DATA_DIR_META);
        return RAFT_HOST_ERR_DAMAGED;
    }
    rand_hex(d->identity.node_id, RAFT_HOST_ID_CHARS);
    return data_dir_save(d);
}

static int meta_load(struct data_dir *d)
{
    char *path = path_join(d->path, DATA_DIR_META);
    char *p = NULL;
    size_t n;
    int rc;

    if (file_read_all(path, META_FILE_MAX, &p, &n) == 0) {
        rc = meta_parse(d, path, (unsigned char *)p, n);
        if (rc == RAFT_HOST_OK) {
            remember(d, mem_dup(p, n), n);
        }
    } else if (errno == ENOENT) {
        rc = meta_draw(d);
    } else if (errno == EFBIG) {
        log_warning("%s is damaged: longer than any identity file", path);
        rc = RAFT_HOST_ERR_DAMAGED;
    } else {
        log_warning("Cannot read %s: %s", path, strerror(errno));
        rc = RAFT_HOST_ERR_IO;
    }
    free(p);
    free(path);
    return rc;
}

static int make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) {
        return RAFT_HOST_OK;
    }
    log_warning("Cannot create the folder %s: %s", path, strerror(errno));
    return RAFT_HOST_ERR_IO;
}

static int take_lock(struct data_dir *d)
{
    char *path = path_join(d->path, "LOCK");
    int rc = RAFT_HOST_OK;

    if (file_lock(path, &d->lock_fd) != 0) {
        d->lock_fd = -1;
        if (errno == EWOULDBLOCK) {
            log_warning("The data directory %s is in use by another process", d->path);
            rc = RAFT_HOST_ERR_LOCKED;
        } else {
            log_warning("Cannot lock %s: %s", path, strerror(errno));
            rc = RAFT_HOST_ERR_IO;
        }
    }
    free(path);
    return rc;
}

int data_dir_open(struct data_dir *d, const char *path)
{
    int rc;

    memset(d, 0, sizeof *d);
    d->lock_fd = -1;
    d->path = mem_strdup(path);
    d->wal = path_join(path, "wal");
    d->snapshots = path_join(path, "snapshots");
    rc = make_folder(d->path);
    if (rc == RAFT_HOST_OK) {
        rc = take_lock(d);
    }
    if (rc == RAFT_HOST_OK) {
        rc = meta_load(d);
    }
    if (rc == RAFT_HOST_OK) {
        rc = make_folder(d->wal);
    }
    if (rc == RAFT_HOST_OK) {
        rc = make_folder(d->snapshots);
    }
    if (rc == RAFT_HOST_OK && file_sync_dir(d->path) != 0) {
        log_warning("Cannot sync %s: %s", d->path, strerror(errno));
        rc = RAFT_HOST_ERR_IO;
    }
    if (rc != RAFT_HOST_OK) {
        data_dir_close(d);
    }
    return rc;
}

void data_dir_close(struct data_dir *d)
{
    if (d->lock_fd >= 0) {
        close(d->lock_fd);
    }
    free(d->path);
    free(d->wal);
    free(d->snapshots);
    free(d->suspects);
    free(d->groups);
    free(d->on_disk);
    memset(d, 0, sizeof *d);
    d->lock_fd = -1;
}

static size_t find_number(const uint32_t *a, size_t n, uint32_t number)
{
    size_t i = 0;

    while (i < n && a[i] != number) {
        i++;
    }
    return i;
}

static void add_number(uint32_t **a, size_t *n, uint32_t number)
{
    if (find_number(*a, *n, number) == *n) {
        assert(*n < DATA_DIR_GROUPS_MAX); /* more than a host has groups */
        *a = mem_realloc(*a, (*n + 1) * sizeof(*a)[0]);
        (*a)[(*n)++] = number;
    }
}

bool data_dir_is_suspect(const struct data_dir *d, uint32_t group)
{
    return find_number(d->suspects, d->n_suspects, group) < d->n_suspects;
}

void data_dir_set_suspect(struct data_dir *d, uint32_t group, bool suspect)
{
    size_t i;

    if (suspect) {
        add_number(&d->suspects, &d->n_suspects, group);
        return;
    }
    i = find_number(d->suspects, d->n_suspects, group);
    if (i < d->n_suspects) {
        d->suspects[i] = d->suspects[--d->n_suspects];
    }
}

bool data_dir_has_group(const struct data_dir *d, uint32_t group)
{
    return find_number(d->groups, d->n_groups, group) < d->n_groups;
}

void data_dir_add_group(struct data_dir *d, uint32_t group)
{
    add_number(&d->groups, &d->n_groups, group);
}

void data_dir_read_boot_id(char *out)
{
    char *p;
    size_t n;

    memset(out, 0, DATA_DIR_BOOT_ID_MAX);
    if (file_read_all("/proc/sys/kernel/random/boot_id", DATA_DIR_BOOT_ID_MAX - 1, &p, &n) == 0) {
        n = strcspn(p, "\n");
        memcpy(out, p, n);
        out[n] = '\0';
        free(p);
    }
}
