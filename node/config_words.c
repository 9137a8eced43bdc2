/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_words.c - lines of configuration files into words and back; see config_table.h. */
#include "base/mem.h"
#include "node/config_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) { return isspace((unsigned char)c) != 0; }

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character an escape stands for; *@used bytes behind the backslash belong to it. */
static char unescape(const char *p, size_t n, size_t *used)
{
    static const struct {
        char name, value;
    } named[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'b', '\b'}, {'a', '\a'}};

    if (n >= 3 && p[0] == 'x' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
        *used = 3;
        return (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
    }
    *used = 1;
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        if (p[0] == named[i].name) {
            return named[i].value;
        }
    }
    return p[0];
}

/* Read a quoted part at @p (behind the quote). Bytes used with the closing quote; 0: not closed. */
static size_t read_quoted(const char *p, size_t n, char quote, struct buf *out)
{
    size_t i = 0;

    while (i < n && p[i] != quote) {
        size_t used = 1;
        char c = p[i];

        if (c == '\\' && quote == '"' && i + 1 < n) {
            c = unescape(p + i + 1, n - i - 1, &used);
            used++;
        } else if (c == '\\' && quote == '\'' && i + 1 < n && p[i + 1] == '\'') {
            c = '\'';
            used = 2;
        }
        buf_append(out, &c, 1);
        i += used;
    }
    return i < n ? i + 1 : 0;
}

/* Read one word at @p, which begins with no space. Bytes used; 0: malformed. */
static size_t read_word(const char *p, size_t n, struct buf *out)
{
    size_t i = 0;

    while (i < n && !is_space(p[i])) {
        size_t used = 1;

        if (p[i] == '"' || p[i] == '\'') {
            used = read_quoted(p + i + 1, n - i - 1, p[i], out);
            if (used == 0 || (i + 1 + used < n && !is_space(p[i + 1 + used]))) {
                return 0;
            }
            used++;
        } else {
            buf_append(out, p + i, 1);
        }
        i += used;
    }
    return i;
}

bool config_words_split(struct config_words *words, const char *line, size_t n)
{
    struct buf word;
    size_t i = 0;
    bool ok = true;

    *words = (struct config_words){0};
    buf_init(&word);
    while (ok) {
        size_t used;

        while (i < n && is_space(line[i])) {
            i++;
        }
        if (i == n) {
            break;
        }
        buf_clear(&word);
        used = read_word(line + i, n - i, &word);
        i += used;
        /* A NUL can come from \x00: no value may hold one. */
        ok = used > 0;
        if (ok) {
            buf_append(&word, "", 1);
            ok = strlen(buf_head(&word)) + 1 == word.len;
        }
        if (ok) {
            words->w = mem_realloc(words->w, (words->n + 1) * sizeof *words->w);
            words->w[words->n++] = mem_strdup(buf_head(&word));
        }
    }
    buf_release(&word);
    if (!ok) {
        config_words_release(words);
    }
    return ok;
}

void config_words_release(struct config_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        free(words->w[i]);
    }
    free(words->w);
    *words = (struct config_words){0};
}

void config_words_quote(struct buf *out, const char *text)
{
    bool plain = text[0] != '\0' && text[0] != '#';

    for (const char *p = text; *p != '\0'; p++) {
        plain &= isgraph((unsigned char)*p) && *p != '"' && *p != '\'' && *p != '\\';
    }
    if (plain) {
        buf_append(out, text, strlen(text));
        return;
    }
    buf_append(out, "\"", 1);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            buf_printf(out, "\\%c", *p);
        } else if (*p == '\n') {
            buf_append(out, "\\n", 2);
        } else if (isprint((unsigned char)*p)) {
            buf_append(out, p, 1);
        } else {
            buf_printf(out, "\\x%02x", (unsigned char)*p);
        }
    }
    buf_append(out, "\"", 1);
}
