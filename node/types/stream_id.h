/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_id.h - ids of stream entries: milliseconds and a number within them.
 *
 * Pure. Source: the Redis documentation on streams, "Entry IDs". */
#ifndef NODE_TYPES_STREAM_ID_H
#define NODE_TYPES_STREAM_ID_H

#include "base/base.h"

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})
#define STREAM_ID_CHARS 42 /* two numbers and what stands between them, without NUL */
#define STREAM_ID_WIRE 16  /* bytes: both numbers, highest byte first, so that they sort as ids */

/* < 0, 0, > 0 */
static inline int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms) {
        return a.ms < b.ms ? -1 : 1;
    }
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

static inline bool stream_id_is_zero(struct stream_id id) { return id.ms == 0 && id.seq == 0; }

/* The next higher / lower id; false: there is none. */
bool stream_id_increment(struct stream_id *id);
bool stream_id_decrement(struct stream_id *id);

/* "ms-seq", or "ms", which means @missing_seq. With @any_seq not NULL "ms-*" is taken too, and
 * tells by it (seq is then 0). False: it is no id. */
MUST_CHECK bool stream_id_parse(const char *p, size_t n, uint64_t missing_seq,
                                struct stream_id *out, bool *any_seq);
/* "ms-seq" at @out (STREAM_ID_CHARS bytes), no NUL; returns the length. */
size_t stream_id_print(char *out, struct stream_id id);

void stream_id_to_wire(unsigned char out[STREAM_ID_WIRE], struct stream_id id);
struct stream_id stream_id_from_wire(const unsigned char wire[STREAM_ID_WIRE]);

#endif
