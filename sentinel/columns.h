/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/columns.h - a table for people: cells of text, columns as wide as their widest cell. */
#ifndef SENTINEL_COLUMNS_H
#define SENTINEL_COLUMNS_H

#include "base/buf.h"

#include <stdio.h>

#define COLUMNS_MAX 16

struct columns {
    size_t n; /* columns */
    size_t width[COLUMNS_MAX];
    struct buf cells; /* NUL-terminated, row after row */
    size_t n_cells;
};

/* The first row is @titles, which end with NULL. */
void columns_init(struct columns *c, const char *const *titles);
void columns_release(struct columns *c);
/* The next cell; "" is shown as "-". Control characters are shown as '?'. */
void columns_add(struct columns *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Whole rows, each behind @indent spaces and without blanks at its end. */
void columns_print(const struct columns *c, unsigned indent, struct buf *out);

#endif
