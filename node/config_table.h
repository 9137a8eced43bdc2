/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_table.h - private to config*.c and CONFIG: the options by name, as text.
 *
 * One entry per option says where its value stands, what it may be and when it may change; it
 * drives the configuration file, the command line, CONFIG GET, SET and REWRITE, and --help. Values
 * are exchanged as text: what config_option_print() gives, config_option_set() takes.
 *
 * Invariant: a failed set changes nothing. */
#ifndef NODE_CONFIG_TABLE_H
#define NODE_CONFIG_TABLE_H

#include "node/config.h"

enum config_type {
    CONFIG_BOOL,   /* bool */
    CONFIG_INT,    /* int64_t; with CONFIG_MEMORY "64mb" is understood */
    CONFIG_ENUM,   /* int: an enumerator */
    CONFIG_STRING, /* char *: one word, may be empty */
    CONFIG_WORDS,  /* char *: any number of words, joined by single spaces */
    CONFIG_LIST,   /* char **: words, ends with NULL */
    CONFIG_LIMITS, /* struct output_limit[CLASS_COUNT] */
    CONFIG_EVENTS, /* unsigned: enum notify_class bits, as letters */
};

enum {
    CONFIG_IMMUTABLE = 1u << 0, /* only at the start */
    CONFIG_PROTECTED = 1u << 1, /* likewise, and CONFIG SET words it so */
    CONFIG_SENSITIVE = 1u << 2, /* its value is shown to nobody but by CONFIG GET and REWRITE */
    CONFIG_MEMORY = 1u << 3,
    CONFIG_FIXED = 1u << 4,   /* has one value, .why says why */
    CONFIG_PERCENT = 1u << 5, /* "5%" is understood, too, and kept as -5 */
    CONFIG_KEPT = 1u << 6,    /* its value is kept and changes nothing, .why says why */
    CONFIG_NUMBERS = 1u << 7, /* WORDS: numbers with one space between them, kept as they print */
};

struct config_name {
    const char *name;
    int value;
};

/* Says whether the text is acceptable beyond its type; else writes why. */
typedef bool config_check_fn(const char *text, char *error);

struct config_option {
    const char *name;
    const char *alias; /* NULL: none */
    enum config_type type;
    unsigned flags;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max;                /* INT */
    const struct config_name *names; /* ENUM; ends with NULL */
    size_t n_words;                  /* WORDS: so many are needed; 0: any number */
    config_check_fn *check;          /* BOOL, STRING, WORDS, LIST: each word */
    const char *why;                 /* FIXED, KEPT */
    const char *help;
};

size_t config_option_count(void);
const struct config_option *config_option_at(size_t i);
size_t config_option_index(const struct config_option *o);
/* Case-insensitive, also by alias. NULL: unknown. */
const struct config_option *config_option_find(const char *name, size_t n);

/* Set from words. False: @error (CONFIG_ERROR_MAX bytes) says what is wrong with the value. */
MUST_CHECK bool config_option_set(struct config *c, const struct config_option *o,
                                  char *const *words, size_t n, char *error);
/* Likewise from the one string of CONFIG SET, which is split where the option takes words. */
MUST_CHECK bool config_option_set_text(struct config *c, const struct config_option *o,
                                       const char *text, char *error);
/* As CONFIG GET shows it. */
void config_option_print(const struct config *c, const struct config_option *o, struct buf *out);
/* As a line of a configuration file, without line end. */
void config_option_line(const struct config *c, const struct config_option *o, struct buf *out);
bool config_option_equal(const struct config *a, const struct config *b,
                         const struct config_option *o);

/* All of them, as they are without any file; then a release, some time. */
void config_set_initial(struct config *c);
void config_release_values(struct config *c);

/* ---- words of a line --------------------------------------------------------------------------
 */

struct config_words {
    char **w; /* allocated, each */
    size_t n;
};
/* Split as Redis's files are written: spaces part words, "..." knows \n \r \t \b \a \\ \" \xHH,
 * '...' knows \'. False: a quote is not closed, or does not end its word. */
MUST_CHECK bool config_words_split(struct config_words *words, const char *line, size_t n);
void config_words_release(struct config_words *words);
/* Quoted, when it would not read back as the one word it is. */
void config_words_quote(struct buf *out, const char *text);

#endif
