/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/command/call.h - a command line run through the table, without a node. */
#ifndef TESTS_NODE_COMMAND_CALL_H
#define TESTS_NODE_COMMAND_CALL_H

#include "tests/test.h"

#include "node/command/command.h"

struct call {
    char text[1024]; /* the words */
    struct arg argv[64];
    int argc;
    struct buf reply;
};

/* Split @line at blanks; a word "" stands for an empty argument. */
static inline void call_split(struct call *c, const char *line)
{
    char *p = c->text;

    assert_true(strlen(line) < sizeof c->text);
    memcpy(c->text, line, strlen(line) + 1);
    c->argc = 0;
    for (;;) {
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, " ");
        if (n == 0) {
            return;
        }
        assert_true(c->argc < (int)ARRAY_LEN(c->argv));
        c->argv[c->argc].p = p;
        c->argv[c->argc].n = n == 2 && memcmp(p, "\"\"", 2) == 0 ? 0 : n;
        c->argc++;
        p += n;
    }
}

/* What a client would get for @line, in @version; the arity is checked as the dispatcher does. */
static inline void call(struct call *c, const char *line, uint8_t version)
{
    char text[512];
    const char *error = NULL;
    struct resp_out out = {&c->reply, version};
    struct cmd cmd = {.argv = c->argv, .reply = &out};

    buf_clear(&c->reply);
    call_split(c, line);
    cmd.argc = c->argc;
    cmd.command = command_find(c->argv, c->argc, text, &error);
    if (cmd.command == NULL) {
        resp_error(&out, error);
    } else if (!command_arity_ok(cmd.command, c->argc)) {
        cmd_reply_arity_error(&cmd);
    } else {
        assert_non_null(cmd.command->fn);
        cmd.command->fn(&cmd);
    }
}

static inline void call_release(struct call *c) { buf_release(&c->reply); }

static inline void assert_reply(const struct call *c, const char *want, size_t n)
{
    if (c->reply.len != n || (n > 0 && memcmp(buf_head(&c->reply), want, n) != 0)) {
        print_message("reply: %.*s\nwant:  %.*s\n", (int)c->reply.len,
                      c->reply.len > 0 ? buf_head(&c->reply) : "", (int)n, want);
        fail();
    }
}

/* All of a file of tests/data/commands, NUL behind it; free(). */
static inline char *load(const char *dir, const char *name, size_t *n)
{
    char path[4096];
    struct buf b = {0};
    size_t got;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (f == NULL) {
        print_message("%s: cannot open\n", path);
    }
    assert_non_null(f);
    do {
        buf_reserve(&b, 65537);
        got = fread(buf_tail(&b), 1, 65536, f);
        buf_fill(&b, got);
    } while (got > 0);
    fclose(f);
    buf_tail(&b)[0] = '\0';
    *n = b.len;
    return b.data;
}

/* ---- tab-separated tables -----------------------------------------------------------------------
 */

struct table {
    char *text, *at;
    char *header[64];
    char *field[64]; /* of the row */
    int columns;
};

static inline bool table_next(struct table *t)
{
    char *p = t->at;
    char *end = strchr(p, '\n');

    if (*p == '\0') {
        return false;
    }
    assert_non_null(end);
    *end = '\0';
    t->at = end + 1;
    t->columns = 0;
    for (;;) {
        char *tab = strchr(p, '\t');

        assert_true(t->columns < 64);
        t->field[t->columns++] = p;
        if (tab == NULL) {
            return true;
        }
        *tab = '\0';
        p = tab + 1;
    }
}

static inline void table_open(struct table *t, const char *dir, const char *name)
{
    size_t n;

    memset(t, 0, sizeof *t);
    t->text = load(dir, name, &n);
    t->at = t->text;
    assert_true(table_next(t));
    memcpy(t->header, t->field, sizeof t->header);
}

static inline const char *table_get(const struct table *t, const char *column)
{
    for (int i = 0; i < t->columns; i++) {
        if (strcmp(t->header[i], column) == 0) {
            return t->field[i];
        }
    }
    fail_msg("no column %s", column);
    return NULL;
}

static inline void table_close(struct table *t) { free(t->text); }

#endif
