/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/text.c - see text.h. */
#include "sentinel/text.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* ---- INFO ---------------------------------------------------------------------------------- */

bool text_line(const char **text, struct arg *line)
{
    size_t n = strcspn(*text, "\n");

    if (**text == '\0') {
        return false;
    }
    *line = (struct arg){*text, n};
    *text += n + ((*text)[n] == '\n');
    if (line->n > 0 && line->p[line->n - 1] == '\r') {
        line->n--;
    }
    return true;
}

bool info_find(const char *info, const char *name, struct arg *value)
{
    size_t n = strlen(name);
    struct arg line;

    while (text_line(&info, &line)) {
        if (line.n > n && memcmp(line.p, name, n) == 0 && line.p[n] == ':') {
            *value = (struct arg){line.p + n + 1, line.n - n - 1};
            return true;
        }
    }
    return false;
}

bool pair_find(struct arg pairs, const char *key, struct arg *value)
{
    size_t n = strlen(key);

    while (pairs.n > 0) {
        const char *comma = memchr(pairs.p, ',', pairs.n);
        size_t len = comma == NULL ? pairs.n : (size_t)(comma - pairs.p);

        if (len > n && memcmp(pairs.p, key, n) == 0 && pairs.p[n] == '=') {
            *value = (struct arg){pairs.p + n + 1, len - n - 1};
            return true;
        }
        len = MIN_OF(len + 1, pairs.n);
        pairs.p += len;
        pairs.n -= len;
    }
    return false;
}

static int64_t number_or(struct arg v, int64_t fallback)
{
    int64_t number;

    return num_parse_i64(v.p, v.n, &number) ? number : fallback;
}

int64_t info_number(const char *info, const char *name, int64_t fallback)
{
    struct arg v;

    return info_find(info, name, &v) ? number_or(v, fallback) : fallback;
}

int64_t pair_number(struct arg pairs, const char *key, int64_t fallback)
{
    struct arg v;

    return pair_find(pairs, key, &v) ? number_or(v, fallback) : fallback;
}

static const char *copy(struct arg v, char *out, size_t cap)
{
    size_t n = MIN_OF(v.n, cap - 1);

    if (n > 0) {
        memcpy(out, v.p, n);
    }
    out[n] = '\0';
    return out;
}

const char *info_text(const char *info, const char *name, char *out, size_t cap)
{
    struct arg v = {NULL, 0};

    (void)!info_find(info, name, &v); /* not there: empty */
    return copy(v, out, cap);
}

const char *pair_text(struct arg pairs, const char *key, char *out, size_t cap)
{
    struct arg v = {NULL, 0};

    (void)!pair_find(pairs, key, &v);
    return copy(v, out, cap);
}

bool arg_equals(struct arg a, const char *text)
{
    return a.n == strlen(text) && (a.n == 0 || memcmp(a.p, text, a.n) == 0);
}

/* ---- quoting --------------------------------------------------------------------------------- */

void text_quote(struct buf *out, const char *p, size_t n)
{
    static const char from[] = "\n\r\t\a\b\"\\";
    static const char to[] = "nrtab\"\\";

    buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        const char *escape = p[i] == '\0' ? NULL : strchr(from, p[i]);

        if (escape != NULL) {
            buf_append(out, "\\", 1);
            buf_append(out, to + (escape - from), 1);
        } else if (p[i] >= ' ' && p[i] <= '~') {
            buf_append(out, p + i, 1);
        } else {
            buf_printf(out, "\\x%02x", (unsigned char)p[i]);
        }
    }
    buf_append(out, "\"", 1);
}

/* Bytes of the UTF-8 character at @p; 0 when there is none. */
static size_t utf8_length(const char *p, size_t n)
{
    unsigned char c = (unsigned char)p[0];
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 0;

    if (c >= 0xf0 && c < 0xf5) {
        len = 4;
    }
    if (len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

void text_json(struct buf *out, const char *p, size_t n)
{
    size_t len;

    buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i += MAX_OF(len, 1u)) {
        len = utf8_length(p + i, n - i);
        if (p[i] == '"' || p[i] == '\\') {
            buf_printf(out, "\\%c", p[i]);
        } else if (len == 0 || (unsigned char)p[i] < ' ') {
            buf_printf(out, "\\u%04x", (unsigned char)p[i]);
        } else {
            buf_append(out, p + i, len);
        }
    }
    buf_append(out, "\"", 1);
}

/* ---- figures --------------------------------------------------------------------------------- */

const char *text_duration(char *out, int64_t seconds)
{
    long long s = seconds;

    if (s < 0) {
        snprintf(out, TEXT_FIGURE_MAX, "-");
    } else if (s >= 86400) {
        snprintf(out, TEXT_FIGURE_MAX, "%lldd%lldh", s / 86400, s % 86400 / 3600);
    } else if (s >= 3600) {
        snprintf(out, TEXT_FIGURE_MAX, "%lldh%02lldm", s / 3600, s % 3600 / 60);
    } else if (s >= 60) {
        snprintf(out, TEXT_FIGURE_MAX, "%lldm%02llds", s / 60, s % 60);
    } else {
        snprintf(out, TEXT_FIGURE_MAX, "%llds", s);
    }
    return out;
}

const char *text_bytes(char *out, int64_t bytes)
{
    if (bytes < 0) {
        snprintf(out, TEXT_FIGURE_MAX, "-");
    } else {
        num_print_human(out, (uint64_t)bytes);
    }
    return out;
}
