/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/element_scan.h - what HSCAN, SSCAN and ZSCAN share: arguments and the reply around
 * the elements. Private to node/command. */
#ifndef NODE_COMMAND_ELEMENT_SCAN_H
#define NODE_COMMAND_ELEMENT_SCAN_H

#include "node/command/command.h"

struct element_scan {
    struct cmd *c;
    uint64_t cursor;
    size_t count;
    const struct arg *pattern; /* NULL: any */
    bool no_values;            /* HSCAN NOVALUES */
    size_t n;                  /* texts in body; the caller counts */
    struct resp_out out;       /* into body: the cursor comes before the elements in the reply */
    struct buf body;
};

/* Read key, cursor and options, and look the value up. False: all is replied (an
 * error, or there is no such key). */
MUST_CHECK bool element_scan_begin(struct cmd *c, enum item_type type, bool may_skip_values,
                                   struct element_scan *s, struct item **it);
bool element_scan_matches(const struct element_scan *s, const struct arg *name);
/* Reply what has been collected. */
void element_scan_end(struct element_scan *s, uint64_t cursor);

/* A cursor as strtoul() reads it, at argv[@i]; or replies the error. */
MUST_CHECK bool scan_cursor_arg(struct cmd *c, int i, uint64_t *cursor);

#endif
