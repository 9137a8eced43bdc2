/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/table.h - inside of the command table: what gen_table.py generates and what
 * command.c, keys.c and cmd_command.c read. Private to these. Constant data; any thread. */
#ifndef NODE_COMMAND_TABLE_H
#define NODE_COMMAND_TABLE_H

#include "node/command/command.h"

/* In the order in which COMMAND INFO lists them. */
enum {
    COMMAND_CAT_KEYSPACE = 1u << 0,
    COMMAND_CAT_READ = 1u << 1,
    COMMAND_CAT_WRITE = 1u << 2,
    COMMAND_CAT_SET = 1u << 3,
    COMMAND_CAT_SORTEDSET = 1u << 4,
    COMMAND_CAT_LIST = 1u << 5,
    COMMAND_CAT_HASH = 1u << 6,
    COMMAND_CAT_STRING = 1u << 7,
    COMMAND_CAT_BITMAP = 1u << 8,
    COMMAND_CAT_HYPERLOGLOG = 1u << 9,
    COMMAND_CAT_GEO = 1u << 10,
    COMMAND_CAT_STREAM = 1u << 11,
    COMMAND_CAT_PUBSUB = 1u << 12,
    COMMAND_CAT_ADMIN = 1u << 13,
    COMMAND_CAT_FAST = 1u << 14,
    COMMAND_CAT_SLOW = 1u << 15,
    COMMAND_CAT_BLOCKING = 1u << 16,
    COMMAND_CAT_DANGEROUS = 1u << 17,
    COMMAND_CAT_CONNECTION = 1u << 18,
    COMMAND_CAT_TRANSACTION = 1u << 19,
    COMMAND_CAT_SCRIPTING = 1u << 20,
};
#define COMMAND_CATEGORIES 21

enum command_arg_type {
    COMMAND_ARG_STRING,
    COMMAND_ARG_INTEGER,
    COMMAND_ARG_DOUBLE,
    COMMAND_ARG_KEY,
    COMMAND_ARG_PATTERN,
    COMMAND_ARG_UNIX_TIME,
    COMMAND_ARG_PURE_TOKEN,
    COMMAND_ARG_ONEOF,
    COMMAND_ARG_BLOCK,
};

enum {
    COMMAND_ARG_OPTIONAL = 1u << 0,
    COMMAND_ARG_MULTIPLE = 1u << 1,
    COMMAND_ARG_MULTIPLE_TOKEN = 1u << 2,
};

struct command_arg {
    const char *name;
    const char *token; /* the word before it, or NULL */
    const char *since; /* NULL: as old as the command */
    uint8_t type;
    uint8_t flags;
    int8_t key_spec; /* KEY: index of the spec that finds it */
    uint16_t n_args;
    const struct command_arg *args; /* ONEOF, BLOCK */
};

struct command_history {
    const char *since, *text;
};

/* Where the hash of a name leads: what is compared, and the entry. */
struct command_slot {
    uint64_t first, last; /* the name's words, see command.c */
    uint16_t n;           /* its length; 0: nothing is here */
    uint16_t container;   /* 0: top level, else the container's id + 1 */
    uint16_t id;
};

/* Bit b of the sets in struct command and struct key_spec; NULL: not for clients to see. */
#define COMMAND_FLAGS 23
#define COMMAND_SPEC_FLAGS 11
extern const char *const command_flag_names[COMMAND_FLAGS];
extern const char *const command_category_names[COMMAND_CATEGORIES]; /* without '@' */
extern const char *const command_spec_flag_names[COMMAND_SPEC_FLAGS];

/* Generated. Entries: first the top level in order of name, then each container's subcommands. */
extern const struct command command_entries[];
extern const size_t command_entries_n, command_entries_top_n;
extern const size_t command_name_max; /* bytes of the longest word */
extern const uint8_t command_displace[];
extern const struct command_slot command_slots[];
extern const size_t command_displace_n, command_slots_n; /* powers of two */

#endif
