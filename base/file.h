/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/file.h - small file operations that are durable or say so. Any thread.
 * All return 0, or -1 with errno set. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/base.h"

#include <sys/types.h>

/* fsync the directory @path, so that names created or renamed in it survive a crash. */
MUST_CHECK int file_sync_dir(const char *path);

/* Replace @dir/@name by @n bytes: temporary file, fsync, rename, fsync of @dir. */
MUST_CHECK int file_replace(const char *dir, const char *name, const void *p, size_t n);

/* Whole content of @path, NUL behind it; *@out is the caller's. ENOENT as usual; EFBIG when
 * over @max bytes. */
MUST_CHECK int file_read_all(const char *path, size_t max, char **out, size_t *n);

/* write()/pwrite() until all is out; EINTR is retried, a short write goes on. */
MUST_CHECK int file_write_all(int fd, const void *p, size_t n);
MUST_CHECK int file_pwrite_all(int fd, const void *p, size_t n, off_t at);

/* Open and flock() @path exclusively, creating it (mode 0600). The descriptor holds the lock.
 * EWOULDBLOCK: another process holds it. */
MUST_CHECK int file_lock(const char *path, int *fd_out);

#endif
