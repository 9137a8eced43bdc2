/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/sort_keys.c - see node/command/sort.h. */
#include "node/command/sort.h"

#include "base/mem.h"
#include "node/access.h"
#include "node/command/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- patterns ------------------------------------------------------------------------------ */

static const char *find_arrow(const char *p, const char *end)
{
    for (; end - p >= 2; p++) {
        if (p[0] == '-' && p[1] == '>') {
            return p;
        }
    }
    return NULL;
}

void sort_pattern_init(struct sort_pattern *p, const struct arg *text)
{
    const char *end = text->p + text->n, *arrow;
    const char *star = text->n > 0 ? memchr(text->p, '*', text->n) : NULL;

    *p = (struct sort_pattern){
        .is_element = text->n == 1 && text->p[0] == '#',
        .has_key = star != NULL,
    };
    if (star == NULL) {
        return;
    }
    arrow = find_arrow(star + 1, end);
    p->has_field = arrow != NULL && arrow + 2 < end;
    if (p->has_field) {
        p->field = (struct arg){arrow + 2, (size_t)(end - arrow) - 2};
        end = arrow;
    }
    p->before = (struct arg){text->p, (size_t)(star - text->p)};
    p->after = (struct arg){star + 1, (size_t)(end - star) - 1};
}

static void append(struct buf *b, const struct arg *part)
{
    if (part->n > 0) {
        buf_append(b, part->p, part->n);
    }
}

bool sort_pattern_find(struct cmd *c, const struct sort_pattern *p, const struct arg *element,
                       char *scratch, struct arg *out)
{
    struct item *it;
    struct buf name;
    struct key k;

    if (p->is_element) {
        *out = *element;
        return true;
    }
    if (!p->has_key) {
        return false;
    }
    buf_init(&name);
    append(&name, &p->before);
    append(&name, element);
    append(&name, &p->after);
    it = access_read_unnamed(c, &(struct arg){name.len > 0 ? buf_head(&name) : "", name.len}, &k);
    buf_release(&name);
    if (it == NULL || item_type(it) != (p->has_field ? ITEM_HASH : ITEM_STRING)) {
        return false;
    }
    if (p->has_field) {
        return hash_see(c, it, &p->field, scratch, out);
    }
    *out = item_string(it, scratch);
    return true;
}

/* ---- texts --------------------------------------------------------------------------------- */

#define BLOCK_BYTES ((size_t)64 << 10)

struct sort_texts_block {
    struct sort_texts_block *next;
    size_t bytes;
    char text[];
};

struct arg sort_texts_keep(struct sort_texts *t, struct arg text)
{
    char *at;

    if (text.n == 0) {
        return (struct arg){"", 0};
    }
    if (text.n > t->left) {
        size_t bytes = MAX_OF(BLOCK_BYTES, text.n);
        struct sort_texts_block *b = mem_alloc(sizeof *b + bytes);

        b->next = t->blocks;
        b->bytes = bytes;
        t->blocks = b;
        t->left = bytes;
    }
    at = t->blocks->text + t->blocks->bytes - t->left;
    memcpy(at, text.p, text.n);
    t->left -= text.n;
    return (struct arg){at, text.n};
}

void sort_texts_release(struct sort_texts *t)
{
    while (t->blocks != NULL) {
        struct sort_texts_block *b = t->blocks;

        t->blocks = b->next;
        free(b);
    }
    t->left = 0;
}
