/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/log.h - log lines of a process, in Redis's four levels.
 *
 * The one process-wide mutable object of the code base (ADR 0002): a log line must be
 * possible everywhere, also where no context reaches. Any thread; one line is one write(). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_LVL_DEBUG, LOG_LVL_VERBOSE, LOG_LVL_NOTICE, LOG_LVL_WARNING, LOG_LVL_NOTHING };

/* Send lines to the file @path ("" or NULL: standard output) from level @level on. The file is
 * opened for append at each call and replaces the earlier one (so that logs can be rotated).
 * A process that forks into the background calls it again afterwards.
 * Errors: -1 with errno when the file cannot be opened; nothing is then changed. */
MUST_CHECK int log_open(const char *path, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Name of a level as in the loglevel option, and back (-1: unknown). */
const char *log_level_name(enum log_level level);
int log_level_parse(const char *name);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_write(LOG_LVL_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_write(LOG_LVL_VERBOSE, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LVL_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LVL_WARNING, __VA_ARGS__)

/* A warning line, then the end of the process: for a world that broke (failed fsync, no memory). */
NORETURN void log_fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
