/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/bitmap.h - what the bitmap commands share. Private to node/command. */
#ifndef NODE_COMMAND_BITMAP_H
#define NODE_COMMAND_BITMAP_H

#include "node/command/command.h"

/* The bytes of a string; lasts until the item changes. */
struct bitmap {
    const unsigned char *p;
    size_t n;
};
/* Of @it (NULL: empty), which is a string; @scratch is used when it is kept as an integer. */
struct bitmap bitmap_read(const struct item *it, char scratch[24]);

/* A bit's position at argv[@i]; with a @field_width "#3" means the third field of that width. Else
 * replies the error. */
MUST_CHECK bool bitmap_offset_arg(struct cmd *c, int i, unsigned field_width, uint64_t *out);

/* Make the string at *@it (NULL: none yet) writable and at least @len bytes long, new ones zero;
 * marks the key as changed. NULL: no memory, replied; nothing has changed. */
unsigned char *bitmap_grow(struct cmd *c, const struct key *k, struct item **it, size_t len);

#endif
