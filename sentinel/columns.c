/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/columns.c - see columns.h. */
#include "sentinel/columns.h"

#include <stdarg.h>
#include <string.h>

#define CELL_MAX 256

void columns_init(struct columns *c, const char *const *titles)
{
    memset(c, 0, sizeof *c);
    buf_init(&c->cells);
    while (titles[c->n] != NULL) {
        c->n++;
    }
    assert(c->n > 0);
    assert(c->n <= COLUMNS_MAX);
    for (size_t i = 0; i < c->n; i++) {
        columns_add(c, "%s", titles[i]);
    }
}

void columns_release(struct columns *c) { buf_release(&c->cells); }

void columns_add(struct columns *c, const char *fmt, ...)
{
    size_t *width = &c->width[c->n_cells % c->n];
    char cell[CELL_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(cell, sizeof cell, fmt, args);
    va_end(args);
    if (cell[0] == '\0') {
        strcpy(cell, "-");
    }
    for (char *p = cell; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?'; /* a reply must not steer the terminal */
        }
    }
    *width = MAX_OF(*width, strlen(cell));
    buf_append(&c->cells, cell, strlen(cell) + 1);
    c->n_cells++;
}

void columns_print(const struct columns *c, unsigned indent, struct buf *out)
{
    const char *cell = buf_head(&c->cells);

    assert(c->n_cells % c->n == 0);
    for (size_t i = 0; i < c->n_cells; i++) {
        bool last = i % c->n == c->n - 1;

        if (i % c->n == 0) {
            buf_printf(out, "%*s", (int)indent, "");
        }
        buf_printf(out, "%-*s%s", last ? 0 : (int)c->width[i % c->n], cell, last ? "\n" : "  ");
        cell += strlen(cell) + 1;
    }
}
