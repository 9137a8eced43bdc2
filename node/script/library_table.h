/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library_table.h - private to the files of function libraries (library*.c): the
 * libraries as structs, and the table that follows the system group's map.
 *
 *   library_table  --list-->  library (name, text)  --functions-->  function (name, flags, Lua ref)
 *
 * A library is loaded into a struct of its own and becomes part of the table only when all of it is
 * right, so a bad one leaves nothing behind. */
#ifndef NODE_SCRIPT_LIBRARY_TABLE_H
#define NODE_SCRIPT_LIBRARY_TABLE_H

#include "node/node.h"
#include "node/script/internal.h"
#include "node/script/library.h"
#include "node/system_change.h"

struct function {
    char *name, *description; /* description NULL: none */
    uint32_t flags;
    int ref;
};

struct library {
    char *name, *text;
    size_t text_n;
    struct function *functions;
    size_t n, cap;
};

struct library_table {
    struct library **list; /* by name, as the map has them */
    size_t n;
    int by_name;             /* registry reference: {name in lower case = struct function} */
    uint64_t revision;       /* of the map these were made of */
    struct library *loading; /* register_function() adds to it */
    int64_t load_until_us;   /* boot clock; 0: no limit */
};

/* ---- node/script/library_load.c ---- */

/* A library of that text, whose name is known and which has no functions yet; library_free() it.
 * NULL:
 * *@error, with its code, says why. */
struct library *library_new(struct scripts *s, const char *text, size_t n, struct buf *error);
/* Give it its functions: its text is run. False: *@error, with its code, says why not. It comes to
 * the same on every node, as the functions of a text are those of the cluster: chance is that of
 * the text. @is_new: it is limited in time and memory; one that the cluster has passed that once.
 */
MUST_CHECK bool library_load(struct scripts *s, struct library *lib, bool is_new,
                             struct buf *error);
void library_free(struct scripts *s, struct library *lib); /* NULL is allowed */
/* The library "redis" that functions see. */
void library_push_redis(lua_State *L);
/* The name that stands in the first line of a text; free() it. NULL: *@error, with its code. */
char *library_name_of(const char *text, size_t n, struct buf *error);

/* ---- node/script/library.c ---- */

/* What the system group has. */
const struct cluster_texts *libraries_map(const struct node *n);
/* The table, as the map is now; while a function runs, as it was when that began. */
struct library_table *libraries_refresh(struct scripts *s);
/* NULL: there is none of that name. */
const struct function *library_function(const struct library *lib, const char *name, size_t n);
const struct library *libraries_find(const struct library_table *t, const char *name);
/* A function's name is one in all libraries: one of @lib that another library of @t has. NULL:
 * none. */
const struct function *libraries_clash(const struct library_table *t, const struct library *lib);

/* ---- node/script/library_change.c ---- */

/* The library becomes part of the change. False: replied that it does not fit. */
MUST_CHECK bool library_add_to_change(struct system_change *s, const struct library *lib,
                                      struct cluster_change *out);

#endif
