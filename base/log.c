/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/log.c - see base/log.h.
 *
 * The descriptor is replaced with dup2(), so that a thread in the middle of a write() finishes it
 * on the old or the new file and never on a closed number. Level and descriptor are atomics. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048 /* bytes of a line; a longer one is cut */

static atomic_int log_fd = STDOUT_FILENO;
static atomic_int log_level_now = LOG_LVL_NOTICE;
/* Two log_open() at once must not both create the descriptor. Writers do not take it. */
static pthread_mutex_t log_open_lock = PTHREAD_MUTEX_INITIALIZER;
/* The descriptor of the file, or -1. Once open it stays open also while lines go to standard
 * output: a writer may have read its number just before. Guarded by log_open_lock. */
static int log_file_fd = -1;

/* See zone_offset_at(). */
static atomic_int zone_owner;
static _Atomic int64_t zone_minute;
static atomic_long zone_offset_s;

static const char *const level_names[] = {"debug", "verbose", "notice", "warning", "nothing"};

static void close_keeping_errno(int fd)
{
    int err = errno;

    close(fd);
    errno = err;
}

int log_open(const char *path, enum log_level level)
{
    int fd = STDOUT_FILENO;
    int rc = 0;

    pthread_mutex_lock(&log_open_lock);
    if (path != NULL && path[0] != '\0') {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            rc = -1;
            goto out;
        }
        if (log_file_fd < 0) {
            log_file_fd = fd;
        } else {
            rc = dup3(fd, log_file_fd, O_CLOEXEC) < 0 ? -1 : 0;
            close_keeping_errno(fd);
            if (rc != 0) {
                goto out;
            }
            fd = log_file_fd;
        }
    }
    atomic_store(&log_fd, fd);
    atomic_store(&zone_owner, (int)getpid());
    atomic_store(&zone_minute, 0);
    log_set_level(level);
out:
    pthread_mutex_unlock(&log_open_lock);
    return rc;
}

void log_set_level(enum log_level level) { atomic_store(&log_level_now, (int)level); }

enum log_level log_get_level(void) { return (enum log_level)atomic_load(&log_level_now); }

const char *log_level_name(enum log_level level)
{
    assert((size_t)level < ARRAY_LEN(level_names));
    return level_names[level];
}

int log_level_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* gmtime_r() for times after 1970, without libc's time zone lock (which gmtime_r() takes too). */
static void gmtime_no_lock(time_t t, struct tm *tm)
{
    /* Howard Hinnant's civil_from_days: years begin in March, eras are 400 years. */
    int64_t days = t / 86400 + 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    int second = (int)(t % 86400);

    tm->tm_mday = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    tm->tm_mon = (int)((month + 2) % 12);
    tm->tm_year = (int)(year_of_era + era * 400 + (month >= 10) - 1900);
    tm->tm_hour = second / 3600;
    tm->tm_min = second / 60 % 60;
    tm->tm_sec = second % 60;
}

/* Seconds east of Greenwich at @now.
 *
 * localtime_r() takes a lock inside libc. A child that was forked while another thread held it
 * would wait for ever, so the offset is cached, read again once a minute (the clocks change twice
 * a year), and never read by a process other than the one that called log_open() or logged first.
 */
static long zone_offset_at(time_t now)
{
    int pid = (int)getpid();
    int owner = 0;
    int64_t minute = now / 60;
    struct tm tm;

    if (atomic_compare_exchange_strong(&zone_owner, &owner, pid) || owner == pid) {
        if (atomic_exchange(&zone_minute, minute) != minute) {
            localtime_r(&now, &tm);
            atomic_store(&zone_offset_s, tm.tm_gmtoff);
        }
    }
    return atomic_load(&zone_offset_s);
}

/* Put the line of @level at @line (LOG_LINE_MAX bytes) with a newline behind it. */
static PRINTF_LIKE(3, 0) size_t
    format_line(char *line, enum log_level level, const char *fmt, va_list ap)
{
    static const char level_chars[] = {'.', '-', '*', '#'};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timespec now;
    time_t local;
    struct tm tm;
    int head, body;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    local = now.tv_sec + zone_offset_at(now.tv_sec);
    gmtime_no_lock(local, &tm);
    head = snprintf(line, LOG_LINE_MAX, "%d:H %02d %s %d %02d:%02d:%02d.%03d %c ", (int)getpid(),
                    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                    tm.tm_sec, (int)(now.tv_nsec / 1000000), level_chars[level]);
    assert(head > 0 && head < LOG_LINE_MAX / 2);
    body = vsnprintf(line + head, LOG_LINE_MAX - (size_t)head, fmt, ap);
    len = (size_t)head + (body > 0 ? (size_t)body : 0);
    len = MIN_OF(len, (size_t)LOG_LINE_MAX - 1); /* the newline takes the place of the NUL */
    line[len++] = '\n';
    return len;
}

static PRINTF_LIKE(2, 0) void write_line(enum log_level level, const char *fmt, va_list ap)
{
    char line[LOG_LINE_MAX];
    int err = errno;
    size_t n = format_line(line, level, fmt, ap);
    ssize_t rc;

    do {
        rc = write(atomic_load(&log_fd), line, n);
    } while (rc < 0 && errno == EINTR);
    /* There is nowhere left to report a log line that cannot be written. */
    errno = err;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    if (level >= LOG_LVL_NOTHING || (int)level < atomic_load(&log_level_now)) {
        return;
    }
    va_start(ap, fmt);
    write_line(level, fmt, ap);
    va_end(ap);
}

void log_fatal(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    write_line(LOG_LVL_WARNING, fmt, ap);
    va_end(ap);
    /* Not exit(): no handler may run on a state that is no longer trusted, and no core either,
     * since it is not a bug of ours. */
    _exit(1);
}
