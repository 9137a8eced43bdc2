/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/object.c - OBJECT and MEMORY: what stands behind a key.
 *
 * None of these counts as an access to the key. */
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/node_limits.h"

static struct item *peek_or_reply_null(struct cmd *c)
{
    struct key k;
    struct item *it = access_peek(c, &c->argv[2], &k);

    if (it == NULL) {
        resp_null(c->reply);
    }
    return it;
}

void cmd_object_help(struct cmd *c)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        NULL,
    };

    cmd_reply_help(c, lines);
}

void cmd_object_encoding(struct cmd *c)
{
    struct item *it = peek_or_reply_null(c);

    if (it != NULL) {
        resp_bulk_str(c->reply, item_encoding_name(it));
    }
}

/* Values are never shared between keys. */
void cmd_object_refcount(struct cmd *c)
{
    if (peek_or_reply_null(c) != NULL) {
        resp_int(c->reply, 1);
    }
}

void cmd_object_idletime(struct cmd *c)
{
    struct item *it = peek_or_reply_null(c);

    if (it == NULL) {
        return;
    }
    if (cmd_access_is_lfu(c)) {
        resp_error(c->reply, "ERR An LFU maxmemory policy is selected, idle time not tracked. "
                             "Please note that when switching between policies at runtime LRU and "
                             "LFU data will take some time to adjust.");
        return;
    }
    resp_int(c->reply, cmd_access_idle(c, item_access(it)));
}

void cmd_object_freq(struct cmd *c)
{
    struct item *it = peek_or_reply_null(c);

    if (it == NULL) {
        return;
    }
    if (!cmd_access_is_lfu(c)) {
        resp_error(c->reply, "ERR An LFU maxmemory policy is not selected, access frequency not "
                             "tracked. Please note that when switching between policies at "
                             "runtime LRU and LFU data will take some time to adjust.");
        return;
    }
    resp_int(c->reply, cmd_access_freq(c, item_access(it)));
}

#define MEMORY_SAMPLES_DEFAULT 5

void cmd_memory_usage(struct cmd *c)
{
    int64_t samples = MEMORY_SAMPLES_DEFAULT;
    struct item *it;

    for (int i = 3; i < c->argc; i += 2) {
        if (!arg_is(&c->argv[i], "SAMPLES") || i + 1 == c->argc) {
            cmd_reply_syntax_error(c);
            return;
        }
        if (!cmd_arg_i64(c, i + 1, &samples, NULL)) {
            return;
        }
        if (samples < 0) {
            cmd_reply_syntax_error(c);
            return;
        }
        if (samples == 0) { /* all of them */
            samples = INT64_MAX;
        }
    }
    it = peek_or_reply_null(c);
    if (it != NULL) {
        resp_int(c->reply, (int64_t)keyspace_item_bytes(c->ks, it, (size_t)samples));
    }
}
