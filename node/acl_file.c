/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl_file.c - the ACL file: lines "user <name> <rule> ...". */
#include "base/file.h"
#include "base/mem.h"
#include "node/acl.h"
#include "node/node.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_BYTES_MAX (64u << 20)
#define ERROR_BYTES 1024

PRINTF_LIKE(1, 2)
static char *error_text(const char *fmt, ...)
{
    char *text = mem_alloc(ERROR_BYTES);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, ERROR_BYTES, fmt, args);
    va_end(args);
    return text;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next word of the line; false: there is none. */
static bool next_word(const char **p, const char *end, struct arg *out)
{
    while (*p < end && is_blank(**p)) {
        ++*p;
    }
    out->p = *p;
    while (*p < end && !is_blank(**p)) {
        ++*p;
    }
    out->n = (size_t)(*p - out->p);
    return out->n > 0;
}

/* The rules behind the name. NULL or why not; then @bad is the rule, if it is one. */
static const char *put_user(const struct arg *name, const struct arg *rules, size_t n,
                            bool channels, struct cluster_texts *out, struct buf *bad)
{
    struct acl_user *u = acl_user_new(name->p, name->n, channels);
    const char *why = acl_user_apply(u, rules, n, channels ? ACL_CHANNELS : 0, bad);
    struct buf text;

    buf_init(&text);
    if (why == NULL) {
        acl_user_describe(u, &text);
        if (!cluster_texts_put(out, name->p, name->n, buf_head(&text), text.len)) {
            why = "Too many users, or too many rules";
        }
    }
    buf_release(&text);
    acl_user_free(u);
    return why;
}

static char *parse_line(const char *p, const char *end, const char *path, unsigned number,
                        bool channels, struct cluster_texts *out)
{
    struct arg word, name;
    struct arg *rules = NULL;
    size_t n = 0, cap = 0;
    char *error = NULL;
    const char *why;
    struct buf bad;

    if (!next_word(&p, end, &word) || word.p[0] == '#') {
        return NULL;
    }
    if (!arg_is(&word, "user") || !next_word(&p, end, &name)) {
        return error_text("%s:%u should start with user keyword followed by the username", path,
                          number);
    }
    if (!acl_name_ok(name.p, name.n)) {
        return error_text("%s:%u: the name of the user is not valid", path, number);
    }
    if (cluster_texts_find(out, name.p, name.n) != NULL) {
        return error_text("WARNING: Duplicate user '%.*s' found on line %u",
                          (int)MIN_OF(name.n, 128u), name.p, number);
    }
    while (next_word(&p, end, &word)) {
        if (n == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            rules = mem_realloc(rules, cap * sizeof rules[0]);
        }
        rules[n++] = word;
    }
    buf_init(&bad);
    why = put_user(&name, rules, n, channels, out, &bad);
    free(rules);
    if (why == acl_unmatched) {
        error = error_text("%s:%u: Unmatched parenthesis in selector definition", path, number);
    } else if (why != NULL && bad.len == 0) {
        error = error_text("%s:%u: %s", path, number, why);
    } else if (why != NULL) {
        error = error_text("%s:%u: Error in applying operation '%.*s': %s", path, number,
                           (int)MIN_OF(bad.len, 128u), buf_head(&bad), why);
    }
    buf_release(&bad);
    return error;
}

char *acl_file_parse(const char *text, size_t n, const char *path, bool channels,
                     struct cluster_texts *out)
{
    const char *end = text + n;
    char *error = NULL;

    for (unsigned number = 1; text < end && error == NULL; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));

        stop = stop == NULL ? end : stop;
        error = parse_line(text, stop, path, number, channels, out);
        text = stop + 1;
    }
    if (error != NULL) {
        cluster_texts_release(out);
    }
    return error;
}

char *acl_file_load(const struct node *n, struct cluster_texts *out)
{
    const char *path = n->config.aclfile;
    char *text, *error;
    size_t len;

    if (file_read_all(path, FILE_BYTES_MAX, &text, &len) != 0) {
        return error_text("Error loading ACLs, opening file '%.500s': %s", path, strerror(errno));
    }
    error = acl_file_parse(text, len, path, n->config.acl_pubsub_default, out);
    free(text);
    return error;
}

int acl_file_save(const struct node *n)
{
    char path[PATH_MAX];
    struct buf text;
    char *slash;
    int rc;

    snprintf(path, sizeof path, "%s", n->config.aclfile);
    slash = strrchr(path, '/');
    if (slash == NULL) {
        return EINVAL;
    }
    *slash = '\0';
    buf_init(&text);
    for (size_t i = 0; i < acl_count(n); i++) {
        const struct acl_user *u = acl_at(n, i);

        buf_append(&text, "user ", 5);
        buf_append(&text, u->name, u->name_n);
        buf_append(&text, " ", 1);
        acl_user_describe(u, &text);
        buf_append(&text, "\n", 1);
    }
    rc = file_replace(slash == path ? "/" : path, slash + 1, buf_head(&text), text.len);
    buf_release(&text);
    return rc == 0 ? 0 : errno;
}
