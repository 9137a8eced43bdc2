/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/debug_value.c - DEBUG LISTPACK, QUICKLIST, HTSTATS-KEY and SDSLEN: how one value is
 * kept. What Redis prints on its standard output is the reply here; long texts are cut short. */
#include "node/command/debug.h"
#include "node/keyspace/value.h"
#include "node/types/hash.h"
#include "node/types/list.h"
#include "node/types/listpack.h"
#include "node/types/set.h"
#include "node/types/zset.h"

#include <stdio.h>

#define TEXT_MAX (64 * 1024) /* of a reply, about */
#define ENTRY_MAX 64         /* bytes of an entry that are shown */

static void reply_text(struct cmd *c, struct buf *text)
{
    resp_verbatim(c->reply, "txt", text->len > 0 ? buf_head(text) : "", text->len);
    buf_release(text);
}

/* True while there is room for more; else says so, once. */
static bool has_room(struct buf *out)
{
    if (out->len < TEXT_MAX) {
        return true;
    }
    buf_printf(out, "...\n");
    return false;
}

static void describe_entry(listpack_pos p, size_t i, struct buf *out)
{
    char scratch[24];
    struct arg text = listpack_text(p, scratch);
    int64_t v;

    if (listpack_i64(p, &v)) {
        buf_printf(out, "  %zu: integer %lld\n", i, (long long)v);
        return;
    }
    buf_printf(out, "  %zu: string of %zu bytes \"", i, text.n);
    for (size_t k = 0; k < MIN_OF(text.n, (size_t)ENTRY_MAX); k++) {
        unsigned char ch = (unsigned char)text.p[k];

        buf_printf(out, ch < ' ' || ch > '~' || ch == '"' || ch == '\\' ? "\\x%02x" : "%c", ch);
    }
    buf_printf(out, "\"%s\n", text.n > ENTRY_MAX ? "..." : "");
}

static void describe_listpack(const struct listpack *lp, bool entries, struct buf *out)
{
    size_t i = 0;

    buf_printf(out, "entries: %zu, bytes: %zu, allocated: %zu\n", listpack_count(lp),
               listpack_bytes(lp), listpack_allocation(lp));
    for (listpack_pos p = listpack_first(lp); entries && p != NULL && has_room(out);
         p = listpack_next(lp, p)) {
        describe_entry(p, i++, out);
    }
}

static const struct listpack *listpack_of(const struct item *it)
{
    switch (item_type(it)) {
    case ITEM_LIST:
        return list_listpack(item_value(it));
    case ITEM_SET:
        return set_listpack(item_value(it));
    case ITEM_ZSET:
        return zset_listpack(item_value(it));
    case ITEM_HASH:
        return hash_listpack(item_value(it));
    default:
        return NULL;
    }
}

void debug_listpack(struct cmd *c)
{
    const struct item *it = debug_peek(c, &c->argv[2]);
    const struct listpack *lp = it == NULL ? NULL : listpack_of(it);
    struct buf text;

    if (it == NULL) {
        return;
    }
    if (lp == NULL) {
        resp_error(c->reply, "ERR Not a listpack encoded object.");
        return;
    }
    buf_init(&text);
    describe_listpack(lp, true, &text);
    reply_text(c, &text);
}

void debug_quicklist(struct cmd *c)
{
    const struct item *it = debug_peek(c, &c->argv[2]);
    const void *value;
    int64_t entries = 0;
    struct buf text;

    if (it == NULL || (c->argc == 4 && !cmd_arg_i64(c, 3, &entries, NULL))) {
        return;
    }
    value = item_type(it) == ITEM_LIST ? item_value(it) : NULL;
    if (value == NULL || list_listpack(value) != NULL) {
        resp_error(c->reply, "ERR Not a quicklist encoded object.");
        return;
    }
    buf_init(&text);
    buf_printf(&text, "elements: %zu, nodes: %zu\n", list_len(it), list_chunks(value));
    for (size_t i = 0; i < list_chunks(value) && has_room(&text); i++) {
        buf_printf(&text, "node %zu: ", i);
        describe_listpack(list_chunk(value, i), entries != 0, &text);
    }
    reply_text(c, &text);
}

void debug_htstats_key(struct cmd *c)
{
    const struct item *it = debug_peek(c, &c->argv[2]);
    struct buf text;

    if (it == NULL) {
        return;
    }
    buf_init(&text);
    if (keyspace_describe_value(it, &text)) {
        reply_text(c, &text);
    } else {
        resp_error(c->reply, "ERR The value stored at the specified key is not represented using "
                             "an hash table");
        buf_release(&text);
    }
}

/* Key and short value share one allocation: it is the key's, and the value has none. */
void debug_sdslen(struct cmd *c)
{
    const struct item *it = debug_peek(c, &c->argv[2]);
    struct item_string_sizes s;
    char text[256];

    if (it == NULL) {
        return;
    }
    if (!item_string_sizes(it, &s)) {
        resp_error(c->reply, "ERR Not an sds encoded string.");
        return;
    }
    snprintf(text, sizeof text,
             "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
             "val_sds_avail:%zu, val_zmalloc: %zu",
             item_key(it).n, s.item_bytes, s.len, s.spare, s.bytes);
    resp_status(c->reply, text);
}
