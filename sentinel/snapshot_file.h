/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/snapshot_file.h - the RDB file that a group's log builds on. */
#ifndef SENTINEL_SNAPSHOT_FILE_H
#define SENTINEL_SNAPSHOT_FILE_H

#include "sentinel/log_view.h"

#include <limits.h>
#include <stdio.h>

enum snapshot_result {
    SNAPSHOT_OK = 0,
    SNAPSHOT_MISSING = -1,
    SNAPSHOT_UNREADABLE = -2, /* errno says why */
    SNAPSHOT_DAMAGED = -3,    /* no RDB file, or its checksum does not match */
    SNAPSHOT_UNWRITABLE = -4, /* the copy cannot be written; errno says why */
    SNAPSHOT_INTERRUPTED = -5,
};

/* FOLDER/g<group>-<index>-<term>.rdb of the newest marker; false: the path is too long. */
MUST_CHECK bool snapshot_file_path(const char *folder, const struct log_group *g,
                                   char out[PATH_MAX]);
/* Check the file at @path, and copy it to @copy unless that is NULL. */
MUST_CHECK int snapshot_file_check(const char *path, FILE *copy);

#endif
