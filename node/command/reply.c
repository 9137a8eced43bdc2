/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/reply.c - replies and checks of arguments that all handlers share. See command.h.
 * Knows nothing of the table. */
#include "node/command/command.h"

#include "base/mem.h"
#include "base/num.h"

#include <math.h>
#include <stdio.h>

static inline char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

void cmd_reply_ok(struct cmd *c) { resp_status(c->reply, "OK"); }

void cmd_reply_syntax_error(struct cmd *c) { resp_error(c->reply, "ERR syntax error"); }

void cmd_reply_wrong_type(struct cmd *c)
{
    resp_error(c->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

static const char not_integer[] = "ERR value is not an integer or out of range";

void cmd_reply_not_integer(struct cmd *c) { resp_error(c->reply, not_integer); }

void cmd_reply_arity_error(struct cmd *c)
{
    resp_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->full_name);
}

void cmd_refused(struct cmd *c)
{
    char name[64];
    size_t n = strlen(c->command->full_name);

    assert(n < sizeof name);
    for (size_t i = 0; i <= n; i++) {
        char letter = c->command->full_name[i];

        name[i] = letter == '|' ? ' ' : letter;
        if (letter >= 'a' && letter <= 'z') {
            name[i] = (char)(letter - 32);
        }
    }
    resp_errorf(c->reply, "ERR %s is refused: %s", name, c->command->refused);
}

enum { TITLE_MAX = 32 };

/* The container's name, "CONFIG": what stands before the '|' of "config|help". */
static void container_name(const struct cmd *c, char title[TITLE_MAX])
{
    size_t n = 0;

    for (const char *p = c->command->full_name; *p != '\0' && *p != '|'; p++) {
        assert(n + 1 < TITLE_MAX);
        title[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    }
    title[n] = '\0';
}

void cmd_reply_subcommand_error(struct cmd *c)
{
    char title[TITLE_MAX];

    assert(c->argc >= 2);
    container_name(c, title);
    resp_errorf(c->reply,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                (int)MIN_OF(c->argv[1].n, 128u), c->argv[1].p, title);
}

void cmd_reply_help(struct cmd *c, const char *const *lines)
{
    char title[TITLE_MAX];
    size_t n = 0;

    container_name(c, title);
    while (lines[n] != NULL) {
        n++;
    }
    resp_array(c->reply, n + 3);
    {
        char text[128];

        snprintf(text, sizeof text,
                 "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", title);
        resp_status(c->reply, text);
    }
    for (size_t i = 0; i < n; i++) {
        resp_status(c->reply, lines[i]);
    }
    resp_status(c->reply, "HELP");
    resp_status(c->reply, "    Prints this help.");
}

struct arg *cmd_copy_args(const struct arg *argv, int argc, size_t *bytes)
{
    size_t n = (size_t)argc * sizeof *argv;
    struct arg *out;
    char *p;

    for (int i = 0; i < argc; i++) {
        n += argv[i].n;
    }
    out = mem_try_alloc(n);
    if (out == NULL) {
        return NULL;
    }
    p = (char *)(out + argc);
    for (int i = 0; i < argc; i++) {
        memcpy(p, argv[i].p, argv[i].n);
        out[i] = (struct arg){p, argv[i].n};
        p += argv[i].n;
    }
    if (bytes != NULL) {
        *bytes = n;
    }
    return out;
}

bool arg_is(const struct arg *a, const char *word)
{
    for (size_t i = 0; i < a->n; i++) {
        if (word[i] == '\0' || lower(word[i]) != lower(a->p[i])) {
            return false;
        }
    }
    return word[a->n] == '\0';
}

bool cmd_arg_i64(struct cmd *c, int i, int64_t *out, const char *error)
{
    assert(i < c->argc);
    if (num_parse_i64(c->argv[i].p, c->argv[i].n, out)) {
        return true;
    }
    resp_error(c->reply, error != NULL ? error : not_integer);
    return false;
}

bool cmd_arg_range(struct cmd *c, int i, int64_t lo, int64_t hi, int64_t *out, const char *error)
{
    int64_t v;

    if (!cmd_arg_i64(c, i, &v, error)) {
        return false;
    }
    if (v >= lo && v <= hi) {
        *out = v;
        return true;
    }
    if (error != NULL) {
        resp_error(c->reply, error);
    } else if (lo == 0 && hi == INT64_MAX) {
        resp_error(c->reply, "ERR value is out of range, must be positive");
    } else {
        resp_error(c->reply, "ERR value is out of range");
    }
    return false;
}

/* More is for ever as well; and a time from now on stays within 63 bits. */
#define TIMEOUT_MS_MAX (INT64_MAX / 4000)

static int64_t timeout_us_of(int64_t ms) { return MIN_OF(ms, TIMEOUT_MS_MAX) * 1000; }

bool cmd_arg_timeout_ms(struct cmd *c, int i, int64_t *timeout_us)
{
    int64_t ms;

    if (!cmd_arg_i64(c, i, &ms, "ERR timeout is not an integer or out of range")) {
        return false;
    }
    if (ms < 0) {
        resp_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *timeout_us = timeout_us_of(ms);
    return true;
}

bool cmd_arg_timeout(struct cmd *c, int i, int64_t *timeout_us)
{
    long double seconds, ms;

    if (!num_parse_ld(c->argv[i].p, c->argv[i].n, &seconds)) {
        resp_error(c->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    ms = ceill(seconds * 1000);
    if (ms > (long double)INT64_MAX) {
        resp_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    if (ms < 0) {
        resp_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *timeout_us = timeout_us_of((int64_t)ms);
    return true;
}
