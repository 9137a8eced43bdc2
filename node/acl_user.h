/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl_user.h - one ACL user: its rules read, written, and asked what they allow.
 *
 * A user has passwords (as SHA-256, never as text) and selectors: a root one and more, in
 * parentheses. A call is allowed when one selector allows all of it: the command, its keys, its
 * channels. Rules and their meaning are those of Redis 7.0's ACL page.
 *
 * The canonical text of a user is what ACL LIST shows behind the name. Read into a fresh user it
 * gives the same user, and the same text again. Its command rules are those that were given, in
 * order, less those without effect. Pure: no node, no I/O; any thread, one owner. */
#ifndef NODE_ACL_USER_H
#define NODE_ACL_USER_H

#include "base/buf.h"
#include "node/command/command.h"

#define ACL_COMMANDS_MAX 1024u /* ids that the bitmaps have room for */
#define ACL_WORDS (ACL_COMMANDS_MAX / 64)
#define ACL_HASH_CHARS 64
/* Of one user; above it a rule is refused. */
#define ACL_PASSWORDS_MAX 1000u
#define ACL_SELECTORS_MAX 1000u
#define ACL_RULES_MAX 4096u    /* of commands, per selector */
#define ACL_PATTERNS_MAX 4096u /* of keys, and of channels, per selector */

struct acl_bits {
    uint64_t w[ACL_WORDS];
};

enum acl_rule_kind {
    ACL_RULE_COMMAND,   /* a command, with its subcommands */
    ACL_RULE_CATEGORY,  /* "@read" */
    ACL_RULE_FIRST_ARG, /* "select|0": a command with this first argument */
    ACL_RULE_UNKNOWN,   /* kept for the nodes that know it: allows nothing here */
};

struct acl_rule {
    enum acl_rule_kind kind;
    bool allow;
    uint16_t id;       /* COMMAND, FIRST_ARG */
    uint32_t category; /* CATEGORY: its bit */
    char *word;        /* without the sign */
};

enum { ACL_READ = 1u << 0, ACL_WRITE = 1u << 1 };

struct acl_pattern {
    char *p;
    size_t n;
    unsigned access; /* of keys: ACL_READ, ACL_WRITE */
};

struct acl_patterns {
    struct acl_pattern *list;
    size_t n, cap;
};

struct acl_selector {
    bool all_keys, all_channels;
    bool base; /* what holds for commands that no rule names */
    struct acl_rule *rules;
    size_t n_rules, cap_rules;
    struct acl_bits allowed; /* by command id; from base and rules */
    struct acl_patterns keys, channels;
};

struct acl_user {
    char *name;
    size_t name_n;
    bool on, nopass;
    bool sanitize, skip_sanitize;          /* shown alone: payloads are always checked */
    char (*passwords)[ACL_HASH_CHARS + 1]; /* SHA-256, lower-case hex */
    size_t n_passwords;
    struct acl_selector *selectors; /* [0]: the root */
    size_t n_selectors;
    bool unrestricted; /* the root selector allows everything: nothing needs to be checked */
};

/* A user that may do nothing and is off; @channels: but use all channels. */
struct acl_user *acl_user_new(const char *name, size_t n, bool channels);
void acl_user_free(struct acl_user *u); /* NULL is allowed */
/* Make @u what @from is, which is freed. */
void acl_user_become(struct acl_user *u, struct acl_user *from);

/* Letters, digits ... anything but blanks and NUL; not empty, not longer than a name of the
 * cluster's state. */
bool acl_name_ok(const char *name, size_t n);

/* How rules are read. */
enum {
    ACL_LENIENT =
        1u << 0, /* commands and categories that are not known are kept and allow nothing */
    ACL_CHANNELS = 1u << 1, /* acl-pubsub-default allchannels: what "reset" gives */
};

/* Apply rules in order, then bring the command rules into their canonical form. NULL: done. Else
 * why not, and the rule is appended to @bad, unless that is NULL; @u is then to be thrown away.
 * Rules in parentheses may come in several pieces, which are put together before any is read. */
const char *acl_user_apply(struct acl_user *u, const struct arg *rules, size_t n, unsigned flags,
                           struct buf *bad);
extern const char acl_unmatched[]; /* one such answer: @bad opens a parenthesis */
/* The same from a text, cut at blanks. */
const char *acl_user_apply_text(struct acl_user *u, const char *text, size_t n, unsigned flags,
                                struct buf *bad);

/* Append the canonical text; parts of it, as ACL GETUSER shows them. */
void acl_user_describe(const struct acl_user *u, struct buf *out);
void acl_selector_describe_commands(const struct acl_selector *s, struct buf *out);
void acl_selector_describe_keys(const struct acl_selector *s, struct buf *out);
void acl_selector_describe_channels(const struct acl_selector *s, struct buf *out);

/* True when @password is one of the user's, in a time that does not tell how nearly. */
bool acl_user_has_password(const struct acl_user *u, const struct arg *password);

enum acl_result { ACL_OK, ACL_DENIED_COMMAND, ACL_DENIED_KEY, ACL_DENIED_CHANNEL };

/* May @u make this call? The arity must be right. Denied: *@at is the argument that it is about. */
enum acl_result acl_user_check(const struct acl_user *u, const struct command *command,
                               const struct arg *argv, int argc, int *at);
/* May @u use this channel, or a pattern of channels (which must stand so among the rules)? */
bool acl_user_check_channel(const struct acl_user *u, const struct arg *channel, bool is_pattern);
/* May @u read any key with @command: what SORT ... BY pattern needs. */
bool acl_user_reads_all_keys(const struct acl_user *u, const struct command *command);

/* Bit of a category by its name, without '@' and in any case; 0: unknown. */
uint32_t acl_category(const char *name, size_t n);

/* ---- private to acl_*.c ---------------------------------------------------------------------- */

static inline bool acl_bit(const struct acl_bits *b, uint16_t id)
{
    return (b->w[id / 64] >> (id % 64)) & 1;
}

void acl_selector_init(struct acl_selector *s, bool channels);
void acl_selector_release(struct acl_selector *s);
/* "+get", "-@all" ... NULL or why not. */
const char *acl_selector_add_rule(struct acl_selector *s, const struct arg *rule, unsigned flags);
void acl_selector_set_base(struct acl_selector *s, bool allow);
/* Canonical form of the rules, and the bitmap. */
void acl_selector_settle(struct acl_selector *s);
/* This command with this first argument. */
bool acl_selector_allows(const struct acl_selector *s, const struct command *c,
                         const struct arg *argv, int argc);

extern const char acl_unknown_command[], acl_syntax_error[];

#endif
