/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/ctl.h - the commands of holdfastctl, and what they share. */
#ifndef SENTINEL_CTL_H
#define SENTINEL_CTL_H

#include "base/buf.h"

/* Exit status of every command. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_PROBLEM = 1, /* it worked, and something is wrong with what it looked at */
    CTL_FAILED = 2,  /* it could not do what was asked: usage, nobody reachable, files unreadable */
};

/* Each gets the words behind its name, and returns an exit status. */
int ctl_status(int argc, char **argv);
int ctl_log_dump(int argc, char **argv);
int ctl_log_verify(int argc, char **argv);
int ctl_log_export(int argc, char **argv);

/* "holdfastctl: ..." on standard error. */
void ctl_complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* All of @text to standard output, at once. False after a complaint. */
MUST_CHECK bool ctl_print(const struct buf *text);

/* ---- options ------------------------------------------------------------------------------- */

struct ctl_option {
    const char *name;  /* "--group" */
    const char **text; /* takes a value: set to it */
    uint64_t *number;  /* takes a number: set to it */
    bool *flag;        /* takes nothing: set to true */
};

/* Options out of @argv, "--name value" or "--name=value"; what is no option is moved to the front
 * and counted in *@n_words. False after a complaint. @options end with a NULL name. */
MUST_CHECK bool ctl_options(int argc, char **argv, const struct ctl_option *options, int *n_words);

/* For a number whose absence means something: the value of a .text option into *@out, which stays
 * as it is when @text is NULL. False after a complaint. */
MUST_CHECK bool ctl_option_number(const char *name, const char *text, uint64_t *out);

/* ---- long work ------------------------------------------------------------------------------- */

/* From now on SIGINT and SIGTERM only set a flag, for work that must clean up. */
void ctl_catch_interrupt(void);
bool ctl_interrupted(void);

/* A line on standard error now and then, once the work has taken a while. */
struct ctl_progress {
    const char *what; /* "reading the log" */
    uint64_t total;   /* bytes */
    int64_t started_us, told_us;
};
void ctl_progress(struct ctl_progress *p, uint64_t done);

#endif
