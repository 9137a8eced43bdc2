/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/text.h - text read and written: replies of INFO, quoted bytes, times and sizes. */
#ifndef SENTINEL_TEXT_H
#define SENTINEL_TEXT_H

#include "base/buf.h"
#include "proto/resp.h"

/* The value of the line "name:value" of @info (lines end with \r\n or \n); false: no such line. */
MUST_CHECK bool info_find(const char *info, const char *name, struct arg *value);
/* The value of "key=value" in "a=1,key=value,b=2". */
MUST_CHECK bool pair_find(struct arg pairs, const char *key, struct arg *value);
/* A number of either kind, or @fallback when it is not there or no number. */
int64_t info_number(const char *info, const char *name, int64_t fallback);
int64_t pair_number(struct arg pairs, const char *key, int64_t fallback);
/* A copy of the value in @out[0..cap); "" when there is none; cut when too long. Returns @out. */
const char *info_text(const char *info, const char *name, char *out, size_t cap);
const char *pair_text(struct arg pairs, const char *key, char *out, size_t cap);
bool arg_equals(struct arg a, const char *text);

/* The next line of *@text, without its end; false: there is none. Moves *@text behind it. */
MUST_CHECK bool text_line(const char **text, struct arg *line);

/* As redis-cli shows a string: in double quotes, with \n, \", \x00 ... */
void text_quote(struct buf *out, const char *p, size_t n);
/* The same with the quotes and escapes of JSON; bytes that are not UTF-8 as \u00xx. */
void text_json(struct buf *out, const char *p, size_t n);

#define TEXT_FIGURE_MAX 48
/* "3d4h", "2h05m", "1m20s", "17s"; "-" when negative. Returns @out (TEXT_FIGURE_MAX bytes). */
const char *text_duration(char *out, int64_t seconds);
/* "512B", "1.50M"; "-" when negative. Returns @out (TEXT_FIGURE_MAX bytes). */
const char *text_bytes(char *out, int64_t bytes);

#endif
