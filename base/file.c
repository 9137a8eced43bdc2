/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/file.c - see base/file.h. A failed fsync is reported and never tried again: after it the
 * kernel may have dropped the dirty pages, so a second one that succeeds would prove nothing. */
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Close on a path that already failed: the first error is the one to report. */
static void close_keeping_errno(int fd)
{
    int err = errno;

    close(fd);
    errno = err;
}

int file_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return -1;
    }
    if (fsync(fd) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return close(fd);
}

/* "@dir/@prefix@name@suffix"; the caller frees it. */
static char *path_of(const char *dir, const char *prefix, const char *name, const char *suffix)
{
    char *path;

    if (asprintf(&path, "%s/%s%s%s", dir, prefix, name, suffix) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return path;
}

static int write_synced(const char *path, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) {
        return -1;
    }
    if (file_write_all(fd, p, n) != 0 || fsync(fd) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return close(fd);
}

int file_replace(const char *dir, const char *name, const void *p, size_t n)
{
    char *path = path_of(dir, "", name, "");
    char *temp = path_of(dir, ".", name, ".tmp");
    int rc = -1;
    int err;

    if (path == NULL || temp == NULL) {
        goto out;
    }
    if (write_synced(temp, p, n) != 0 || rename(temp, path) != 0) {
        err = errno;
        unlink(temp);
        errno = err;
        goto out;
    }
    rc = file_sync_dir(dir);
out:
    err = errno;
    free(temp);
    free(path);
    errno = err;
    return rc;
}

/* Read @fd to its end, up to @max bytes, into *@out. */
static int read_to_end(int fd, size_t size_hint, size_t max, char **out, size_t *n)
{
    size_t cap = MIN_OF(size_hint, max) + 1; /* one more: to see the end, then for the NUL */
    size_t len = 0;
    char *data = mem_try_alloc(cap);

    if (data == NULL) {
        errno = ENOMEM;
        return -1;
    }
    for (;;) {
        ssize_t got = read(fd, data + len, cap - len);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            goto err;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
        if (len > max) {
            errno = EFBIG;
            goto err;
        }
        if (len == cap) { /* the file grew, or its size was not known (/proc) */
            char *bigger = mem_try_realloc(data, cap * 2);

            if (bigger == NULL) {
                errno = ENOMEM;
                goto err;
            }
            data = bigger;
            cap *= 2;
        }
    }
    data[len] = '\0'; /* len < cap, or the loop would have grown it */
    *out = data;
    *n = len;
    return 0;
err:
    free(data);
    return -1;
}

int file_read_all(const char *path, size_t max, char **out, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *out = NULL;
    *n = 0;
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) != 0) {
        goto err;
    }
    if (st.st_size > 0 && (uint64_t)st.st_size > max) {
        errno = EFBIG;
        goto err;
    }
    if (read_to_end(fd, (size_t)st.st_size, max, out, n) != 0) {
        goto err;
    }
    close(fd); /* read only: there is nothing that closing could lose */
    return 0;
err:
    close_keeping_errno(fd);
    return -1;
}

int file_write_all(int fd, const void *p, size_t n)
{
    const char *s = p;

    while (n > 0) {
        ssize_t done = write(fd, s, n);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done < 0 ? errno : EIO;
            return -1;
        }
        s += done;
        n -= (size_t)done;
    }
    return 0;
}

int file_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
    const char *s = p;

    while (n > 0) {
        ssize_t done = pwrite(fd, s, n, at);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done < 0 ? errno : EIO;
            return -1;
        }
        s += done;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int file_lock(const char *path, int *fd_out)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    *fd_out = -1;
    if (fd < 0) {
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR) {
            close_keeping_errno(fd);
            return -1;
        }
    }
    *fd_out = fd;
    return 0;
}
