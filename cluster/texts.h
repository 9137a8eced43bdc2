/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/texts.h - an ordered map from names to texts, and changes of it.
 *
 * What the system group keeps for the layers above (ACL users, function libraries): bytes whose
 * meaning it does not know. A change is applied as a whole or not at all, and with the same outcome
 * on every replica. Names and texts may hold any bytes. */
#ifndef CLUSTER_TEXTS_H
#define CLUSTER_TEXTS_H

#include "base/base.h"

#define CLUSTER_TEXT_NAME_MAX 1024u                /* bytes of a name; at least one */
#define CLUSTER_TEXTS_MAX 100000u                  /* entries of a map, and of a change */
#define CLUSTER_TEXTS_BYTES_MAX ((size_t)16 << 20) /* names and texts of a map, and of a change */

struct cluster_text {
    char *name, *text; /* text NULL: in a change, the entry goes */
    size_t name_n, text_n;
};

struct cluster_texts {
    struct cluster_text *list; /* by name, ascending as memcmp() has it, shorter first */
    size_t n, cap;
    size_t bytes;      /* of all names and texts */
    uint64_t revision; /* of the map: +1 with every change of it; 0: never changed */
};

void cluster_texts_release(struct cluster_texts *t);
const struct cluster_text *cluster_texts_find(const struct cluster_texts *t, const char *name,
                                              size_t n);

/* Add an entry, or replace the one of that name; name and text are copied (@text NULL: an entry
 * without one). False: a limit is reached, or there is no memory; nothing has changed. */
MUST_CHECK bool cluster_texts_put(struct cluster_texts *t, const char *name, size_t name_n,
                                  const char *text, size_t text_n);

/* ---- changes ------------------------------------------------------------------------------- */

enum cluster_map {
    CLUSTER_MAP_USERS = 1,     /* ACL: user name -> rules */
    CLUSTER_MAP_FUNCTIONS = 2, /* library name -> source text */
};
#define CLUSTER_MAPS 2

struct cluster_change {
    enum cluster_map map;
    bool conditional; /* only if the map's revision is still .revision */
    uint64_t revision;
    bool clear;                 /* first drop all entries: a flush, or all are replaced */
    struct cluster_texts edits; /* entries to set; those without a text are deleted */
};

/* Edits of a change. False: as cluster_texts_put(). */
MUST_CHECK bool cluster_change_set(struct cluster_change *c, const char *name, size_t name_n,
                                   const char *text, size_t text_n);
MUST_CHECK bool cluster_change_delete(struct cluster_change *c, const char *name, size_t name_n);
void cluster_change_release(struct cluster_change *c);

/* Carry @c out on @t. Errors (enum cluster_error): CONFLICT, the condition does not hold; FULL.
 * Then nothing has changed. An entry to delete that is not there is no error. */
MUST_CHECK int cluster_texts_apply(struct cluster_texts *t, const struct cluster_change *c);

/* Assert order and sums. */
void cluster_texts_check(const struct cluster_texts *t);

#endif
