/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/listpack.h - a sequence of short strings and integers in one block of memory.
 *
 * The bytes are those of the format of the same name that Redis 7 keeps in memory and writes into
 * RDB files and DUMP payloads, so that both carry them as they are:
 *
 *     total bytes:u32le  count:u16le  entry ...  0xff
 *
 * An entry is its encoding and data and, behind them, their length in 1 to 5 bytes of 7 bits, to be
 * read from the end; so the sequence can be walked both ways. A count of 65535 means: walk. Strings
 * that read as integers are kept as such and read back as the same text.
 *
 * A block begins with a struct value_head, so that a small value is one allocation. Functions that
 * change a listpack return it, since it may have moved; positions (pointers to entries) are void
 * then. Bytes from elsewhere must have passed listpack_validate(). One owner; no thread matters.
 * Source: the listpack specification (github.com/antirez/listpack), "Listpack elements". */
#ifndef NODE_TYPES_LISTPACK_H
#define NODE_TYPES_LISTPACK_H

#include "node/keyspace/value.h"

struct listpack {
    struct value_head head; /* the owner's */
    unsigned char bytes[];
};

/* The longest string that a listpack takes: what a caller appends is shorter by far. */
#define LISTPACK_STRING_MAX ((size_t)1 << 30)
/* Bytes an entry may take at most beside its string. */
#define LISTPACK_ENTRY_OVERHEAD 10

/* Total bytes from which on a caller must not add to it. */
#define LISTPACK_BYTES_SAFE ((size_t)1 << 30)

typedef const unsigned char *listpack_pos; /* an entry; NULL: none */

struct listpack *listpack_new(void); /* empty, head zero; free() */
/* @n validated bytes, copied. */
struct listpack *listpack_from(const void *bytes, size_t n);
struct listpack *listpack_dup(const struct listpack *lp); /* with its head */

size_t listpack_bytes(const struct listpack *lp);      /* of the format, without head */
size_t listpack_allocation(const struct listpack *lp); /* of the block */
size_t listpack_count(const struct listpack *lp);

/* ---- looking ------------------------------------------------------------------------------- */

listpack_pos listpack_first(const struct listpack *lp);
listpack_pos listpack_last(const struct listpack *lp);
listpack_pos listpack_next(const struct listpack *lp, listpack_pos p);
listpack_pos listpack_prev(const struct listpack *lp, listpack_pos p);
/* Entry @i; negative: from the end, -1 is the last. Walks from the nearer end. */
listpack_pos listpack_seek(const struct listpack *lp, int64_t i);

/* The entry as text; @scratch (24 bytes) is used for integers. */
struct arg listpack_text(listpack_pos p, char *scratch);
/* True and the value when the entry is an integer. */
bool listpack_i64(listpack_pos p, int64_t *out);
bool listpack_equals(listpack_pos p, const char *s, size_t n);
/* The first entry equal to @s among @from and each (@skip + 1)-th behind it. */
listpack_pos listpack_find(const struct listpack *lp, listpack_pos from, const char *s, size_t n,
                           unsigned skip);

/* ---- changing ------------------------------------------------------------------------------ */

struct listpack *listpack_append(struct listpack *lp, const char *s, size_t n);
struct listpack *listpack_append_i64(struct listpack *lp, int64_t v);
struct listpack *listpack_prepend(struct listpack *lp, const char *s, size_t n);
/* Before @at (NULL: at the end). *@pos (may be NULL): the new entry. */
struct listpack *listpack_insert(struct listpack *lp, listpack_pos at, const char *s, size_t n,
                                 listpack_pos *pos);
struct listpack *listpack_replace(struct listpack *lp, listpack_pos at, const char *s, size_t n,
                                  listpack_pos *pos);
struct listpack *listpack_replace_i64(struct listpack *lp, listpack_pos at, int64_t v,
                                      listpack_pos *pos);
/* @count entries from @at on (fewer at the end). *@next (may be NULL): what stands there now. */
struct listpack *listpack_delete(struct listpack *lp, listpack_pos at, size_t count,
                                 listpack_pos *next);
/* Append the entries of @more. */
struct listpack *listpack_concat(struct listpack *lp, const struct listpack *more);

/* ---- bytes from elsewhere ------------------------------------------------------------------ */

/* @n bytes are a whole listpack, every entry within it: everything above is safe on a copy, once
 * that has passed listpack_canonical(). */
bool listpack_validate(const void *bytes, size_t n);
/* Valid bytes may hold an entry in another form than listpack_append() would give it, which
 * listpack_find() would not see. Returns @lp with none left; it may have moved. */
struct listpack *listpack_canonical(struct listpack *lp);

#endif
