/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/ctl.c - what the commands of holdfastctl share; see ctl.h. */
#include "sentinel/ctl.h"

#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ctl_complain(const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("holdfastctl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

bool ctl_print(const struct buf *text)
{
    if ((text->len > 0 && fwrite(buf_head(text), 1, text->len, stdout) != text->len) ||
        fflush(stdout) != 0) {
        ctl_complain("cannot write: %s", strerror(errno));
        return false;
    }
    return true;
}

/* ---- options ------------------------------------------------------------------------------- */

static const struct ctl_option *find_option(const struct ctl_option *options, const char *word)
{
    size_t n = strcspn(word, "=");

    while (options->name != NULL &&
           (strlen(options->name) != n || memcmp(options->name, word, n) != 0)) {
        options++;
    }
    return options->name == NULL ? NULL : options;
}

bool ctl_option_number(const char *name, const char *text, uint64_t *out)
{
    if (text != NULL && !num_parse_u64(text, strlen(text), out)) {
        ctl_complain("%s: %s is no number", name, text);
        return false;
    }
    return true;
}

/* The option at argv[*i], and its value, which may be the next word. */
static bool take_option(int argc, char **argv, const struct ctl_option *o, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    const char *value;

    if (o->flag != NULL) {
        if (equals != NULL) {
            ctl_complain("%s takes no value", o->name);
            return false;
        }
        *o->flag = true;
        return true;
    }
    if (equals != NULL) {
        value = equals + 1;
    } else if (*i + 1 < argc) {
        value = argv[++*i];
    } else {
        ctl_complain("%s needs a value", o->name);
        return false;
    }
    if (o->text != NULL) {
        *o->text = value;
        return true;
    }
    return ctl_option_number(o->name, value, o->number);
}

bool ctl_options(int argc, char **argv, const struct ctl_option *options, int *n_words)
{
    *n_words = 0;
    for (int i = 0; i < argc; i++) {
        const struct ctl_option *o;

        if (strncmp(argv[i], "--", 2) != 0) {
            argv[(*n_words)++] = argv[i];
            continue;
        }
        o = find_option(options, argv[i]);
        if (o == NULL) {
            ctl_complain("unknown option %s; see holdfastctl --help", argv[i]);
            return false;
        }
        if (!take_option(argc, argv, o, &i)) {
            return false;
        }
    }
    return true;
}

/* ---- long work ------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void ctl_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigaction(SIGINT, &action, NULL); /* cannot fail with these arguments */
    (void)sigaction(SIGTERM, &action, NULL);
}

bool ctl_interrupted(void) { return interrupted != 0; }

void ctl_progress(struct ctl_progress *p, uint64_t done)
{
    const int64_t quiet_us = 2000000;
    int64_t now_us = clock_boot_us();
    char a[32], b[32];

    if (p->started_us == 0) {
        p->started_us = p->told_us = now_us;
    }
    if (now_us - p->told_us < quiet_us) {
        return;
    }
    p->told_us = now_us;
    num_print_human(a, done);
    num_print_human(b, p->total);
    fprintf(stderr, "%s: %s of %s\n", p->what, a, b);
}
