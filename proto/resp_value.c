/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_value.c - replies read, as holdfastctl, sentinel and tests do. See proto/resp.h.
 *
 * Two passes: the first only walks over the headers and finds out whether the value is whole and
 * well formed, the second builds it. So nothing is allocated for a value that is not there, and
 * what is allocated is in proportion to the bytes that are. Reading is repeated from the value's
 * first byte when more bytes come: a server's hot path would not do that, a client may. */
#include "proto/resp.h"

#include "base/mem.h"
#include "base/num.h"

#include <math.h>
#include <stdlib.h>

#define DEPTH_MAX 64
#define BULK_MAX ((int64_t)4 << 30)
#define ITEMS_MAX ((int64_t)1 << 27)
#define LINE_MAX_BYTES ((size_t)1 << 20) /* of a simple string, an error, a number */

struct cursor {
    const char *p, *end;
};

enum walk { WALK_BAD = -1, WALK_MORE = 0, WALK_OK = 1 };

/* A line of [p, end), without its type byte and its CRLF. */
struct text_line {
    char type;
    const char *text;
    size_t n;
};

static enum walk next_line(struct cursor *c, struct text_line *l)
{
    size_t avail = (size_t)(c->end - c->p);
    const char *nl = avail > 0 ? memchr(c->p, '\n', MIN_OF(avail, LINE_MAX_BYTES)) : NULL;

    if (nl == NULL) {
        return avail >= LINE_MAX_BYTES ? WALK_BAD : WALK_MORE;
    }
    if (nl - c->p < 2 || nl[-1] != '\r') {
        return WALK_BAD;
    }
    l->type = c->p[0];
    l->text = c->p + 1;
    l->n = (size_t)(nl - c->p) - 2;
    c->p = nl + 1;
    return WALK_OK;
}

static bool line_count(const struct text_line *l, int64_t max, int64_t *out)
{
    return num_parse_i64(l->text, l->n, out) && *out >= -1 && *out <= max;
}

/* Doubles as servers send them; RESP3 knows "nan", which the strict reader does not. */
static bool line_double(const struct text_line *l, double *out)
{
    if (l->n == 3 && memcmp(l->text, "nan", 3) == 0) {
        *out = NAN;
        return true;
    }
    return num_parse_double(l->text, l->n, out);
}

static bool is_blob(char type) { return type == '$' || type == '!' || type == '='; }

static bool is_aggregate(char type)
{
    return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

/* Elements behind the header @l: a map's keys and values count each. -1: null. */
static bool line_items(const struct text_line *l, int64_t *out)
{
    if (!line_count(l, ITEMS_MAX, out) || (*out < 0 && l->type != '*')) {
        return false;
    }
    if (l->type == '%' || l->type == '|') {
        *out *= 2;
    }
    return true;
}

static enum walk walk_blob(struct cursor *c, const struct text_line *l)
{
    int64_t n;

    if (!line_count(l, BULK_MAX, &n) || (n < 0 && l->type != '$') || (n < 4 && l->type == '=')) {
        return WALK_BAD;
    }
    if (n < 0) {
        return WALK_OK;
    }
    if (c->end - c->p < n + 2) {
        return WALK_MORE;
    }
    c->p += n;
    if (c->p[0] != '\r' || c->p[1] != '\n') {
        return WALK_BAD;
    }
    c->p += 2;
    return WALK_OK;
}

static enum walk walk_scalar(const struct text_line *l)
{
    int64_t i;
    double d;

    switch (l->type) {
    case '+':
    case '-':
        return WALK_OK;
    case ':':
        return num_parse_i64(l->text, l->n, &i) ? WALK_OK : WALK_BAD;
    case '_':
        return l->n == 0 ? WALK_OK : WALK_BAD;
    case '#':
        return l->n == 1 && (l->text[0] == 't' || l->text[0] == 'f') ? WALK_OK : WALK_BAD;
    case ',':
        return line_double(l, &d) ? WALK_OK : WALK_BAD;
    case '(':
        for (size_t k = l->n > 1 && l->text[0] == '-'; k < l->n; k++) {
            if (l->text[k] < '0' || l->text[k] > '9') {
                return WALK_BAD;
            }
        }
        return l->n > 0 ? WALK_OK : WALK_BAD;
    default:
        return WALK_BAD;
    }
}

/* Step over one value. */
static enum walk walk_value(struct cursor *c, int depth)
{
    struct text_line l;
    int64_t n;
    enum walk rc = next_line(c, &l);

    if (rc != WALK_OK) {
        return rc;
    }
    if (is_blob(l.type)) {
        return walk_blob(c, &l);
    }
    if (!is_aggregate(l.type)) {
        return walk_scalar(&l);
    }
    if (depth >= DEPTH_MAX || !line_items(&l, &n)) {
        return WALK_BAD;
    }
    for (int64_t i = 0; i < n; i++) {
        rc = walk_value(c, depth + 1);
        if (rc != WALK_OK) {
            return rc;
        }
    }
    /* Attributes come before the value they belong to. */
    return l.type == '|' ? walk_value(c, depth + 1) : WALK_OK;
}

/* ---- second pass: the value is known to be whole and right --------------------------------------
 */

static void take_text(struct resp_value *v, enum resp_type type, const char *p, size_t n)
{
    v->type = type;
    v->text = mem_alloc(n + 1);
    if (n > 0) {
        memcpy(v->text, p, n);
    }
    v->text[n] = '\0';
    v->n = n;
}

static void build_value(struct cursor *c, struct resp_value *v);

static void build_blob(struct cursor *c, const struct text_line *l, struct resp_value *v)
{
    int64_t n;
    bool ok = line_count(l, BULK_MAX, &n);

    assert(ok);
    if (n < 0) {
        v->type = RESP_T_NULL;
        return;
    }
    if (l->type == '=') {
        take_text(v, RESP_T_VERBATIM, c->p + 4, (size_t)n - 4);
    } else {
        take_text(v, l->type == '!' ? RESP_T_ERROR : RESP_T_BULK, c->p, (size_t)n);
    }
    c->p += n + 2;
}

static void build_scalar(const struct text_line *l, struct resp_value *v)
{
    bool ok = true;

    switch (l->type) {
    case '+':
        take_text(v, RESP_T_STATUS, l->text, l->n);
        break;
    case '-':
        take_text(v, RESP_T_ERROR, l->text, l->n);
        break;
    case ':':
        v->type = RESP_T_INT;
        ok = num_parse_i64(l->text, l->n, &v->integer);
        break;
    case '#':
        v->type = RESP_T_BOOL;
        v->integer = l->text[0] == 't';
        break;
    case ',':
        v->type = RESP_T_DOUBLE;
        ok = line_double(l, &v->number);
        break;
    case '(':
        take_text(v, RESP_T_BIG_NUMBER, l->text, l->n);
        break;
    default:
        assert(l->type == '_');
        v->type = RESP_T_NULL;
    }
    assert(ok);
}

static void build_aggregate(struct cursor *c, const struct text_line *l, struct resp_value *v)
{
    static const struct {
        char type;
        enum resp_type as;
    } kinds[] = {{'*', RESP_T_ARRAY}, {'%', RESP_T_MAP}, {'~', RESP_T_SET}, {'>', RESP_T_PUSH}};
    int64_t n;
    bool ok = line_items(l, &n);

    assert(ok);
    if (n < 0) {
        v->type = RESP_T_NULL;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].type == l->type) {
            v->type = kinds[i].as;
        }
    }
    v->n = (size_t)n;
    v->items = n > 0 ? mem_zalloc((size_t)n * sizeof *v->items) : NULL;
    for (size_t i = 0; i < v->n; i++) {
        build_value(c, &v->items[i]);
    }
}

static void build_value(struct cursor *c, struct resp_value *v)
{
    struct text_line l;
    enum walk rc;

    memset(v, 0, sizeof *v);
    rc = next_line(c, &l);
    assert(rc == WALK_OK);
    while (l.type == '|') { /* attributes are read and dropped */
        struct resp_value attribute = {.type = RESP_T_MAP};

        build_aggregate(c, &l, &attribute);
        resp_value_release(&attribute);
        rc = next_line(c, &l);
        assert(rc == WALK_OK);
    }
    if (is_blob(l.type)) {
        build_blob(c, &l, v);
    } else if (is_aggregate(l.type)) {
        build_aggregate(c, &l, v);
    } else {
        build_scalar(&l, v);
    }
}

int resp_read_value(struct buf *in, struct resp_value *out)
{
    struct cursor c;
    enum walk rc;

    memset(out, 0, sizeof *out);
    if (in->len == 0) {
        return 0;
    }
    c.p = buf_head(in);
    c.end = c.p + in->len;
    rc = walk_value(&c, 0);
    if (rc != WALK_OK) {
        return rc;
    }
    c.p = buf_head(in);
    build_value(&c, out);
    buf_consume(in, (size_t)(c.p - buf_head(in)));
    return 1;
}

void resp_value_release(struct resp_value *v)
{
    if (v->items != NULL) {
        for (size_t i = 0; i < v->n; i++) {
            resp_value_release(&v->items[i]);
        }
    }
    free(v->items);
    free(v->text);
    memset(v, 0, sizeof *v);
}
