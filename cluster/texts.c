/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/texts.c - see cluster/texts.h. */
#include "cluster/texts.h"

#include "base/mem.h"
#include "cluster/state.h"

#include <stdlib.h>
#include <string.h>

static size_t text_bytes(const struct cluster_text *t) { return t->name_n + t->text_n; }

static void free_text(struct cluster_text *t)
{
    free(t->name);
    free(t->text);
}

static void remove_all(struct cluster_texts *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free_text(&t->list[i]);
    }
    t->n = 0;
    t->bytes = 0;
}

void cluster_texts_release(struct cluster_texts *t)
{
    remove_all(t);
    free(t->list);
    *t = (struct cluster_texts){0};
}

static int compare(const struct cluster_text *t, const char *name, size_t n)
{
    int r = memcmp(t->name, name, MIN_OF(t->name_n, n));

    return r != 0 ? r : (t->name_n > n) - (t->name_n < n);
}

/* Where the name stands, or would; *@found says which. */
static size_t position(const struct cluster_texts *t, const char *name, size_t n, bool *found)
{
    size_t lo = 0, hi = t->n;

    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int r = compare(&t->list[mid], name, n);

        if (r == 0) {
            *found = true;
            return mid;
        }
        if (r < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct cluster_text *cluster_texts_find(const struct cluster_texts *t, const char *name,
                                              size_t n)
{
    bool found;
    size_t i = position(t, name, n, &found);

    return found ? &t->list[i] : NULL;
}

static bool grow(struct cluster_texts *t)
{
    size_t cap = t->cap == 0 ? 4 : t->cap * 2;
    struct cluster_text *list;

    if (t->n < t->cap) {
        return true;
    }
    list = mem_try_realloc(t->list, cap * sizeof *list);
    if (list == NULL) {
        return false;
    }
    t->list = list;
    t->cap = cap;
    return true;
}

/* A copy that ends with a 0 beside. */
static char *copy_bytes(const char *p, size_t n)
{
    char *copy = p == NULL ? NULL : mem_try_alloc(n + 1);

    if (copy != NULL) {
        memcpy(copy, p, n);
        copy[n] = '\0';
    }
    return copy;
}

static bool copy_text(struct cluster_text *out, const char *name, size_t name_n, const char *text,
                      size_t text_n)
{
    *out = (struct cluster_text){copy_bytes(name, name_n), copy_bytes(text, text_n), name_n,
                                 text == NULL ? 0 : text_n};
    if (out->name == NULL || (text != NULL && out->text == NULL)) {
        free_text(out);
        return false;
    }
    return true;
}

bool cluster_texts_put(struct cluster_texts *t, const char *name, size_t name_n, const char *text,
                       size_t text_n)
{
    struct cluster_text copy;
    size_t before = 0, i;
    bool found;

    if (name_n == 0 || name_n > CLUSTER_TEXT_NAME_MAX || text_n > CLUSTER_TEXTS_BYTES_MAX) {
        return false;
    }
    i = position(t, name, name_n, &found);
    before = found ? text_bytes(&t->list[i]) : 0;
    if (t->bytes - before + name_n + text_n > CLUSTER_TEXTS_BYTES_MAX ||
        (!found && (t->n >= CLUSTER_TEXTS_MAX || !grow(t))) ||
        !copy_text(&copy, name, name_n, text, text_n)) {
        return false;
    }
    if (found) {
        free_text(&t->list[i]);
    } else {
        memmove(&t->list[i + 1], &t->list[i], (t->n - i) * sizeof t->list[0]);
        t->n++;
    }
    t->list[i] = copy;
    t->bytes += text_bytes(&copy) - before;
    return true;
}

/* ---- changes ------------------------------------------------------------------------------- */

bool cluster_change_set(struct cluster_change *c, const char *name, size_t name_n, const char *text,
                        size_t text_n)
{
    assert(text != NULL);
    return cluster_texts_put(&c->edits, name, name_n, text, text_n);
}

bool cluster_change_delete(struct cluster_change *c, const char *name, size_t name_n)
{
    return cluster_texts_put(&c->edits, name, name_n, NULL, 0);
}

void cluster_change_release(struct cluster_change *c) { cluster_texts_release(&c->edits); }

/* Would the map be within its limits? */
static bool fits(const struct cluster_texts *t, const struct cluster_change *c)
{
    size_t n = c->clear ? 0 : t->n;
    size_t bytes = c->clear ? 0 : t->bytes;

    for (size_t i = 0; i < c->edits.n; i++) {
        const struct cluster_text *e = &c->edits.list[i];
        const struct cluster_text *old =
            c->clear ? NULL : cluster_texts_find(t, e->name, e->name_n);

        if (old != NULL) {
            n--;
            bytes -= text_bytes(old);
        }
        if (e->text != NULL) {
            n++;
            bytes += text_bytes(e);
        }
    }
    return n <= CLUSTER_TEXTS_MAX && bytes <= CLUSTER_TEXTS_BYTES_MAX;
}

static void must_copy(struct cluster_text *out, const struct cluster_text *from)
{
    out->name = mem_alloc(from->name_n + 1);
    out->text = mem_alloc(from->text_n + 1);
    memcpy(out->name, from->name, from->name_n + 1);
    memcpy(out->text, from->text, from->text_n + 1);
    out->name_n = from->name_n;
    out->text_n = from->text_n;
}

/* Both are in order: one walk over both. */
static void merge(struct cluster_texts *t, const struct cluster_texts *edits)
{
    struct cluster_texts out = {.revision = t->revision, .cap = t->n + edits->n};
    size_t i = 0;

    out.list = mem_alloc((out.cap + 1) * sizeof out.list[0]);
    for (size_t k = 0; k < edits->n; k++) {
        const struct cluster_text *e = &edits->list[k];

        while (i < t->n && compare(&t->list[i], e->name, e->name_n) < 0) {
            out.list[out.n++] = t->list[i++];
        }
        if (i < t->n && compare(&t->list[i], e->name, e->name_n) == 0) {
            free_text(&t->list[i++]);
        }
        if (e->text != NULL) {
            must_copy(&out.list[out.n++], e);
        }
    }
    while (i < t->n) {
        out.list[out.n++] = t->list[i++];
    }
    for (i = 0; i < out.n; i++) {
        out.bytes += text_bytes(&out.list[i]);
    }
    free(t->list);
    *t = out;
}

int cluster_texts_apply(struct cluster_texts *t, const struct cluster_change *c)
{
    if (c->conditional && c->revision != t->revision) {
        return CLUSTER_ERR_CONFLICT;
    }
    if (!fits(t, c)) {
        return CLUSTER_ERR_FULL;
    }
    if (c->clear) {
        remove_all(t);
    }
    merge(t, &c->edits);
    t->revision++;
    cluster_texts_check(t);
    return CLUSTER_OK;
}

void cluster_texts_check(const struct cluster_texts *t)
{
    size_t bytes = 0;

    for (size_t i = 0; i < t->n; i++) {
        assert(t->list[i].name_n > 0);
        if (i > 0) {
            assert(compare(&t->list[i - 1], t->list[i].name, t->list[i].name_n) < 0);
        }
        bytes += text_bytes(&t->list[i]);
    }
    assert(bytes == t->bytes);
}
