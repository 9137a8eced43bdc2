/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/lolwut.c - LOLWUT: a kelp forest, each time another one, and the version.
 *
 * Every plant is a stem that wanders upwards from its holdfast, the root-like grip on the rock that
 * the server is named after; blades grow at its sides and end, most of them, in the light. */
#include "base/mem.h"
#include "node/command/handlers.h"
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_DEFAULT 66
#define ROWS_DEFAULT 18
#define COLUMNS_MAX 1000
#define ROWS_MAX 200
#define PLANT_SPACE 7 /* columns for each plant */

struct picture {
    int columns, rows;
    char *cells; /* row after row, from the surface down */
};

static void put(struct picture *p, int x, int y, char c)
{
    if (x >= 0 && x < p->columns && y >= 0 && y < p->rows) {
        p->cells[y * p->columns + x] = c;
    }
}

static int chance(struct node *n, int of) { return (int)rng_below(&n->rng, (uint64_t)of); }

static void draw_holdfast(struct picture *p, int x)
{
    static const char grip[] = "/|\\";

    for (int i = 0; i < 3; i++) {
        put(p, x - 1 + i, p->rows - 2, grip[i]);
    }
}

static void draw_plant(struct node *n, struct picture *p, int x)
{
    int top = chance(n, MAX_OF(p->rows / 2, 1));
    int lean = chance(n, 3) - 1;

    draw_holdfast(p, x);
    for (int y = p->rows - 3; y >= top; y--) {
        static const char stem[] = "\\|/";

        put(p, x, y, stem[lean + 1]);
        if (chance(n, 3) == 0) {
            put(p, x + 1, y, chance(n, 2) == 0 ? '~' : ')');
        }
        if (chance(n, 3) == 0) {
            put(p, x - 1, y, chance(n, 2) == 0 ? '~' : '(');
        }
        x += lean;
        if (chance(n, 2) == 0) { /* the swell turns */
            lean = lean == 0 ? chance(n, 3) - 1 : 0;
        }
    }
    put(p, x, top - 1, 'o'); /* the float that carries it */
}

static void draw(struct node *n, struct picture *p)
{
    memset(p->cells, ' ', (size_t)p->columns * (size_t)p->rows);
    for (int x = PLANT_SPACE / 2; x < p->columns; x += PLANT_SPACE) {
        draw_plant(n, p, x + chance(n, 3) - 1);
    }
    for (int x = 0; x < p->columns; x++) {
        put(p, x, p->rows - 1, "=-=~"[chance(n, 4)]); /* the rock */
    }
}

/* LOLWUT [VERSION n] [columns [rows]]; false: replied. The picture is the same one for every
 * version of the servers that VERSION means. */
static bool read_size(struct cmd *c, int64_t *columns, int64_t *rows)
{
    int at = 1;
    int64_t version;

    if (c->argc >= 2 && arg_is(&c->argv[1], "VERSION")) {
        if (c->argc == 2) {
            cmd_reply_syntax_error(c);
            return false;
        }
        if (!cmd_arg_i64(c, 2, &version, NULL)) {
            return false;
        }
        at = 3;
    }
    if (c->argc > at + 2) {
        cmd_reply_syntax_error(c);
        return false;
    }
    return (at >= c->argc || cmd_arg_range(c, at, 1, COLUMNS_MAX, columns, NULL)) &&
           (at + 1 >= c->argc || cmd_arg_range(c, at + 1, 1, ROWS_MAX, rows, NULL));
}

void cmd_lolwut(struct cmd *c)
{
    int64_t columns = COLUMNS_DEFAULT, rows = ROWS_DEFAULT;
    struct picture p;
    struct buf text;

    if (!read_size(c, &columns, &rows)) {
        return;
    }
    p = (struct picture){.columns = (int)columns, .rows = (int)rows};
    p.cells = mem_alloc((size_t)columns * (size_t)rows);
    draw(c->node, &p);
    buf_init(&text);
    for (int y = 0; y < p.rows; y++) {
        int n = p.columns;

        while (n > 0 && p.cells[y * p.columns + n - 1] == ' ') {
            n--;
        }
        buf_append(&text, p.cells + y * p.columns, (size_t)n);
        buf_append(&text, "\n", 1);
    }
    buf_printf(&text, "Holdfast ver. %s\n", NODE_VERSION);
    resp_verbatim(c->reply, "txt", buf_head(&text), text.len);
    buf_release(&text);
    free(p.cells);
}
