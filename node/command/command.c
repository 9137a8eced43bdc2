/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/command.c - finding commands by name. See command.h.
 *
 * A name is looked up by one hash and one comparison: gen_table.py has chosen displacements so that
 * no two names share a slot. A subcommand's word is hashed with its container's id, so that one
 * table serves all. */
#include "node/command/command.h"

#include "node/command/table.h"

#include <endian.h>
#include <stdio.h>

const char *const command_flag_names[COMMAND_FLAGS] = {
    "write",
    "readonly",
    "denyoom",
    "admin",
    "pubsub",
    "noscript",
    "blocking",
    "loading",
    "stale",
    "skip_monitor",
    "skip_slowlog",
    "asking",
    "fast",
    "no_auth",
    NULL /* may_replicate */,
    "no_async_loading",
    "no_multi",
    "allow_busy",
    "no_mandatory_keys",
    NULL /* protected */,
    NULL /* touches_arbitrary_keys */,
    "movablekeys",
    NULL /* experimental */,
};

const char *const command_category_names[COMMAND_CATEGORIES] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

const char *const command_spec_flag_names[COMMAND_SPEC_FLAGS] = {
    "RO",     "RW",     "OW",      "RM",         "access",         "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags",
};

/* ---- look-up ----------------------------------------------------------------------------------
 */

/* The bytes of @w that are 'A' to 'Z' become lower case, all eight at once: adding to a byte's low
 * seven bits carries into its top bit exactly when it is in range. */
static inline uint64_t lower_word(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = w & (ones * 0x7f);
    uint64_t from_a = low + ones * (0x80 - 'A');
    uint64_t above_z = low + ones * (0x7f - 'Z');
    uint64_t upper = (from_a ^ above_z) & ~w & (ones * 0x80);

    return w | upper >> 2;
}

static inline uint64_t load_8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return le64toh(w);
}

static inline uint64_t load_4(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return le32toh(w);
}

/* The first and the last 8 bytes of a name, lower case; of a short one 4 each, or what there is.
 * The same as name_words() in gen_table.py; @n > 0. */
static inline void name_words(const char *p, size_t n, uint64_t *first, uint64_t *last)
{
    if (n >= 8) {
        *first = lower_word(load_8(p));
        *last = lower_word(load_8(p + n - 8));
    } else if (n >= 4) {
        *first = lower_word(load_4(p));
        *last = lower_word(load_4(p + n - 4));
    } else {
        const unsigned char *u = (const unsigned char *)p;

        *first = lower_word(u[0]);
        *last = lower_word((uint64_t)u[n / 2] << 8 | u[n - 1]);
    }
}

/* The same as name_hash() in gen_table.py. */
static inline uint64_t name_hash(uint64_t first, uint64_t last, size_t n, uint64_t container)
{
    uint64_t h = (first ^ ((uint64_t)n + (container << 8))) * UINT64_C(0x9E3779B97F4A7C15);

    h ^= h >> 29;
    h = (h ^ last) * UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ h >> 32;
}

/* What the two words of a name longer than both leave out. */
static bool same_middle(const char *name, const char *p, size_t n)
{
    for (size_t i = 8; i < n - 8; i++) {
        if ((char)lower_word((unsigned char)p[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

/* @container: 0 for the top level, else the container's id + 1. */
static const struct command *find(const char *p, size_t n, uint64_t container)
{
    const struct command_slot *s;
    uint64_t first;
    uint64_t last;
    uint64_t h;
    uint64_t d;

    if (n == 0 || n > command_name_max) {
        return NULL;
    }
    name_words(p, n, &first, &last);
    h = name_hash(first, last, n, container);
    d = command_displace[h & (command_displace_n - 1)];
    s = &command_slots[((h >> 16) + d * (h >> 40 | 1)) & (command_slots_n - 1)];
    if (s->first != first || s->last != last || s->n != n || s->container != container) {
        return NULL;
    }
    if (n > 16 && !same_middle(command_entries[s->id].name, p, n)) {
        return NULL;
    }
    return &command_entries[s->id];
}

static uint64_t as_container(const struct command *c) { return (uint64_t)c->id + 1; }

/* What a client may be shown of an argument: up to @max bytes, and up to a NUL. */
static int shown(const struct arg *a, size_t max)
{
    size_t n = MIN_OF(a->n, max);
    const char *nul = n > 0 ? memchr(a->p, '\0', n) : NULL;

    return (int)(nul == NULL ? n : (size_t)(nul - a->p));
}

#define ERROR_TEXT_MAX 512
#define SHOWN_MAX 128

static void unknown_command(const struct arg *argv, int argc, char *buf)
{
    char args[SHOWN_MAX + 8];
    size_t n = 0;

    args[0] = '\0';
    for (int i = 1; i < argc && n < SHOWN_MAX; i++) {
        int len = shown(&argv[i], SHOWN_MAX - n);

        n += (size_t)snprintf(args + n, sizeof args - n, "'%.*s' ", len, len > 0 ? argv[i].p : "");
    }
    snprintf(buf, ERROR_TEXT_MAX, "ERR unknown command '%.*s', with args beginning with: %s",
             shown(&argv[0], SHOWN_MAX), argv[0].p, args);
}

static void unknown_subcommand(const struct command *c, const struct arg *word, char *buf)
{
    char upper[32];
    size_t n = strlen(c->name);

    assert(n < sizeof upper);
    for (size_t i = 0; i <= n; i++) {
        upper[i] = c->name[i] >= 'a' && c->name[i] <= 'z' ? (char)(c->name[i] - 32) : c->name[i];
    }
    snprintf(buf, ERROR_TEXT_MAX, "ERR unknown subcommand '%.*s'. Try %s HELP.",
             shown(word, SHOWN_MAX), word->p, upper);
}

const struct command *command_find(const struct arg *argv, int argc, char *buf, const char **error)
{
    const struct command *c;
    const struct command *sub;

    assert(argc > 0);
    c = find(argv[0].p, argv[0].n, 0);
    if (UNLIKELY(c == NULL)) {
        unknown_command(argv, argc, buf);
        *error = buf;
        return NULL;
    }
    if (LIKELY(c->n_subcommands == 0) || argc == 1) {
        return c;
    }
    sub = find(argv[1].p, argv[1].n, as_container(c));
    if (sub == NULL) {
        unknown_subcommand(c, &argv[1], buf);
        *error = buf;
    }
    return sub;
}

bool command_arity_ok(const struct command *c, int argc)
{
    return c->arity >= 0 ? argc == c->arity : argc >= -c->arity;
}

const struct command *command_by_name(const char *name, size_t n)
{
    const char *bar = n > 0 ? memchr(name, '|', n) : NULL;
    const struct command *c;

    if (bar == NULL) {
        return find(name, n, 0);
    }
    c = find(name, (size_t)(bar - name), 0);
    return c == NULL ? NULL : find(bar + 1, (size_t)(name + n - bar) - 1, as_container(c));
}

size_t command_count(void) { return command_entries_n; }

const struct command *command_by_id(uint16_t id)
{
    assert(id < command_entries_n);
    return &command_entries[id];
}

const struct command *command_table(size_t *n)
{
    *n = command_entries_top_n;
    return command_entries;
}
