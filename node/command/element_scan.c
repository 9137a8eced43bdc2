/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/element_scan.c - see node/command/element_scan.h. */
#include "node/command/element_scan.h"

#include "base/glob.h"
#include "node/access.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_DEFAULT 10

/* Redis's clients have always been able to send "" or "+5". */
bool scan_cursor_arg(struct cmd *c, int i, uint64_t *cursor)
{
    char text[64];
    char *end = text;
    size_t n = c->argv[i].n;
    bool ok = n < sizeof text;

    if (ok) {
        if (n > 0) {
            memcpy(text, c->argv[i].p, n);
        }
        text[n] = '\0';
        errno = 0;
        *cursor = strtoul(text, &end, 10);
        ok = !isspace((unsigned char)text[0]) && *end == '\0' && errno != ERANGE;
    }
    if (!ok) {
        resp_error(c->reply, "ERR invalid cursor");
    }
    return ok;
}

static bool options(struct cmd *c, bool may_skip_values, struct element_scan *s)
{
    int64_t count;

    for (int i = 3; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];
        bool more = i + 1 < c->argc;

        if (more && arg_is(word, "count")) {
            if (!cmd_arg_i64(c, ++i, &count, NULL)) {
                return false;
            }
            if (count < 1) {
                cmd_reply_syntax_error(c);
                return false;
            }
            s->count = (size_t)count;
        } else if (more && arg_is(word, "match")) {
            i++;
            s->pattern = c->argv[i].n == 1 && c->argv[i].p[0] == '*' ? NULL : &c->argv[i];
        } else if (may_skip_values && arg_is(word, "novalues")) {
            s->no_values = true;
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

bool element_scan_begin(struct cmd *c, enum item_type type, bool may_skip_values,
                        struct element_scan *s, struct item **it)
{
    struct key k;

    *s = (struct element_scan){.c = c, .count = COUNT_DEFAULT};
    if (!scan_cursor_arg(c, 2, &s->cursor)) {
        return false;
    }
    *it = access_read(c, &c->argv[1], &k);
    if (*it == NULL) {
        resp_array(c->reply, 2);
        resp_bulk_str(c->reply, "0");
        resp_array(c->reply, 0);
        return false;
    }
    if (!access_type_ok(c, *it, type) || !options(c, may_skip_values, s)) {
        return false;
    }
    buf_init(&s->body);
    s->out = (struct resp_out){&s->body, c->reply->version};
    return true;
}

bool element_scan_matches(const struct element_scan *s, const struct arg *name)
{
    return s->pattern == NULL || glob_match(s->pattern->p, s->pattern->n, name->p, name->n, false);
}

void element_scan_end(struct element_scan *s, uint64_t cursor)
{
    struct resp_out *o = s->c->reply;
    char text[24];

    resp_array(o, 2);
    resp_bulk(o, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)cursor));
    resp_array(o, s->n);
    if (s->body.len > 0) {
        buf_append(o->buf, buf_head(&s->body), s->body.len);
    }
    buf_release(&s->body);
}
