/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/snapshot_file.c - see snapshot_file.h. Only what makes the file whole is looked at: the
 * magic, and the CRC64 of all in the last eight bytes (zero: none was computed). */
#include "sentinel/snapshot_file.h"

#include "base/crc.h"
#include "base/mem.h"
#include "sentinel/ctl.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 20)
#define MAGIC "REDIS"
#define HEADER_BYTES 9u
#define CRC_BYTES 8u

bool snapshot_file_path(const char *folder, const struct log_group *g, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s/g%" PRIu32 "-%" PRIu64 "-%" PRIu64 ".rdb", folder, g->group,
                    g->snap_index, g->snap_term) < PATH_MAX;
}

struct reading {
    int fd;
    FILE *copy;
    uint64_t size, at, crc;
    unsigned char *buffer;
};

/* The next piece, all of it within the part that the checksum covers or all of it behind. */
static int read_piece(struct reading *r)
{
    uint64_t body = r->size - CRC_BYTES;
    size_t want = (size_t)MIN_OF(r->at < body ? body - r->at : r->size - r->at, READ_BYTES);
    ssize_t got = read(r->fd, r->buffer, want);

    if (got < 0) {
        return errno == EINTR ? SNAPSHOT_OK : SNAPSHOT_UNREADABLE;
    }
    if (got == 0) {
        return SNAPSHOT_DAMAGED; /* shorter than a moment ago */
    }
    if (r->at == 0 && ((size_t)got < HEADER_BYTES || memcmp(r->buffer, MAGIC, 5) != 0)) {
        return SNAPSHOT_DAMAGED;
    }
    if (r->copy != NULL && fwrite(r->buffer, 1, (size_t)got, r->copy) != (size_t)got) {
        return SNAPSHOT_UNWRITABLE;
    }
    if (r->at < body) {
        r->crc = crc64_jones(r->crc, r->buffer, (size_t)got);
    } else {
        uint64_t stored;

        if ((size_t)got < CRC_BYTES) {
            return SNAPSHOT_DAMAGED;
        }
        memcpy(&stored, r->buffer, sizeof stored);
        if (stored != 0 && le64toh(stored) != r->crc) {
            return SNAPSHOT_DAMAGED;
        }
    }
    r->at += (uint64_t)got;
    return ctl_interrupted() ? SNAPSHOT_INTERRUPTED : SNAPSHOT_OK;
}

int snapshot_file_check(const char *path, FILE *copy)
{
    struct reading r = {.fd = open(path, O_RDONLY | O_CLOEXEC), .copy = copy};
    struct ctl_progress progress = {.what = "reading the snapshot"};
    struct stat st;
    int rc = SNAPSHOT_OK;

    if (r.fd < 0) {
        return errno == ENOENT     ? SNAPSHOT_MISSING
               : ctl_interrupted() ? SNAPSHOT_INTERRUPTED
                                   : SNAPSHOT_UNREADABLE;
    }
    if (fstat(r.fd, &st) != 0) {
        close(r.fd);
        return SNAPSHOT_UNREADABLE;
    }
    r.size = progress.total = (uint64_t)st.st_size;
    if (r.size < HEADER_BYTES + 1 + CRC_BYTES) {
        close(r.fd);
        return SNAPSHOT_DAMAGED;
    }
    r.buffer = mem_alloc(READ_BYTES);
    while (rc == SNAPSHOT_OK && r.at < r.size) {
        rc = read_piece(&r);
        ctl_progress(&progress, r.at);
    }
    free(r.buffer);
    close(r.fd);
    return rc;
}
