/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/sort.h - what SORT finds by a pattern, and where texts are kept meanwhile. Private
 * to node/command. Source: the Redis command page of SORT. */
#ifndef NODE_COMMAND_SORT_H
#define NODE_COMMAND_SORT_H

#include "node/command/command.h"

/* The pattern of BY or GET. "#" is the element itself. In others the first '*' stands for the
 * element: that is the name of a string, or with "->field" behind it of a hash. */
struct sort_pattern {
    bool is_element; /* "#" */
    bool has_key;    /* it has a '*' */
    bool has_field;
    struct arg before, after; /* of the name, around the element */
    struct arg field;
};
void sort_pattern_init(struct sort_pattern *p, const struct arg *text); /* borrows the bytes */

/* What stands there for an element; false: nothing. @scratch (24 bytes) is used for integers; *@out
 * lasts until the next look-up. */
MUST_CHECK bool sort_pattern_find(struct cmd *c, const struct sort_pattern *p,
                                  const struct arg *element, char *scratch, struct arg *out);

/* Copies of texts; they stay where they are. Zero is empty. */
struct sort_texts {
    struct sort_texts_block *blocks;
    size_t left; /* bytes free in the first one */
};
struct arg sort_texts_keep(struct sort_texts *t, struct arg text);
void sort_texts_release(struct sort_texts *t);

#endif
