/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl_rules.c - which commands a selector allows: rules read, brought into canonical form, and
 * written.
 *
 * Rules are kept in the order given, since a category also means commands that come with later
 * versions. What has no effect goes: a rule all of whose commands a later rule decides again, and
 * one that changes nothing where it stands. */
#include "base/mem.h"
#include "node/acl_user.h"
#include "node/command/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char acl_unknown_command[] = "Unknown command or category name in ACL";
const char acl_syntax_error[] = "Syntax error";

uint32_t acl_category(const char *name, size_t n)
{
    for (unsigned i = 0; i < COMMAND_CATEGORIES; i++) {
        const char *have = command_category_names[i];

        if (strlen(have) == n && strncasecmp(have, name, n) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

/* ---- sets of commands ---------------------------------------------------------------------- */

static void set_bit(struct acl_bits *b, uint16_t id, bool on)
{
    uint64_t bit = UINT64_C(1) << (id % 64);

    if (on) {
        b->w[id / 64] |= bit;
    } else {
        b->w[id / 64] &= ~bit;
    }
}

/* The commands a rule is about. */
static struct acl_bits members(const struct acl_rule *r)
{
    struct acl_bits b = {{0}};
    size_t n = command_count();

    if (r->kind == ACL_RULE_COMMAND) {
        const struct command *c = command_by_id(r->id);

        set_bit(&b, r->id, true);
        for (size_t i = 0; i < c->n_subcommands; i++) {
            set_bit(&b, c->subcommands[i].id, true);
        }
    } else if (r->kind == ACL_RULE_CATEGORY) {
        for (size_t i = 0; i < n; i++) {
            if (command_by_id((uint16_t)i)->acl_categories & r->category) {
                set_bit(&b, (uint16_t)i, true);
            }
        }
    } else if (r->kind == ACL_RULE_FIRST_ARG) {
        set_bit(&b, r->id, true);
    }
    return b;
}

static bool is_subset(const struct acl_bits *a, const struct acl_bits *of)
{
    for (size_t i = 0; i < ACL_WORDS; i++) {
        if (a->w[i] & ~of->w[i]) {
            return false;
        }
    }
    return true;
}

static bool meets(const struct acl_bits *a, const struct acl_bits *b)
{
    for (size_t i = 0; i < ACL_WORDS; i++) {
        if (a->w[i] & b->w[i]) {
            return true;
        }
    }
    return false;
}

static void add(struct acl_bits *to, const struct acl_bits *b, bool on)
{
    for (size_t i = 0; i < ACL_WORDS; i++) {
        to->w[i] = on ? to->w[i] | b->w[i] : to->w[i] & ~b->w[i];
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static char *lower(const char *p, size_t n)
{
    char *s = mem_alloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        s[i] = (char)tolower((unsigned char)p[i]);
    }
    s[n] = '\0';
    return s;
}

static void clear_rules(struct acl_selector *s)
{
    for (size_t i = 0; i < s->n_rules; i++) {
        free(s->rules[i].word);
    }
    s->n_rules = 0;
}

void acl_selector_release(struct acl_selector *s)
{
    struct acl_patterns *lists[] = {&s->keys, &s->channels};

    clear_rules(s);
    free(s->rules);
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            free(lists[k]->list[i].p);
        }
        free(lists[k]->list);
    }
    *s = (struct acl_selector){0};
}

void acl_selector_init(struct acl_selector *s, bool channels)
{
    *s = (struct acl_selector){.all_channels = channels};
}

void acl_selector_set_base(struct acl_selector *s, bool allow)
{
    clear_rules(s);
    s->base = allow;
}

/* "command|first-argument" (the command itself was not found by that name). */
static const char *read_first_arg(const char *word, size_t n, struct acl_rule *out)
{
    const char *bar = memrchr(word, '|', n);
    const struct command *c;

    if (bar == NULL) {
        return acl_unknown_command;
    }
    c = command_by_name(word, (size_t)(bar - word));
    if (c == NULL || c->n_subcommands > 0) {
        return acl_unknown_command;
    }
    if (strchr(c->full_name, '|') != NULL) {
        return "Allowing first-arg of a subcommand is not supported";
    }
    if (bar + 1 == word + n) {
        return acl_syntax_error;
    }
    out->kind = ACL_RULE_FIRST_ARG;
    out->id = c->id;
    /* Its command in lower case, the argument as it is. */
    memcpy(out->word, c->full_name, (size_t)(bar - word));
    memcpy(out->word + (bar - word), bar, (size_t)(word + n - bar));
    return NULL;
}

/* What @word means; out->word is its lower-case copy. */
static const char *read_word(const char *word, size_t n, struct acl_rule *out)
{
    const struct command *c;

    if (n > 0 && word[0] == '@') {
        out->kind = ACL_RULE_CATEGORY;
        out->category = acl_category(word + 1, n - 1);
        return out->category != 0 ? NULL : acl_unknown_command;
    }
    c = n == 0 ? NULL : command_by_name(out->word, n);
    if (c != NULL) {
        out->kind = ACL_RULE_COMMAND;
        out->id = c->id;
        return NULL;
    }
    return out->allow ? read_first_arg(word, n, out) : acl_unknown_command;
}

static bool has_blank(const struct arg *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->p[i] == '\0' || isspace((unsigned char)a->p[i])) {
            return true;
        }
    }
    return false;
}

static void append(struct acl_selector *s, struct acl_rule r)
{
    if (s->n_rules == s->cap_rules) {
        s->cap_rules = s->cap_rules == 0 ? 8 : s->cap_rules * 2;
        s->rules = mem_realloc(s->rules, s->cap_rules * sizeof s->rules[0]);
    }
    s->rules[s->n_rules++] = r;
}

const char *acl_selector_add_rule(struct acl_selector *s, const struct arg *rule, unsigned flags)
{
    struct acl_rule r = {.allow = rule->p[0] == '+'};
    const char *why;

    assert(rule->n > 0);
    if (rule->n == 5 && strncasecmp(rule->p + 1, "@all", 4) == 0) {
        acl_selector_set_base(s, r.allow);
        return NULL;
    }
    if (s->n_rules >= ACL_RULES_MAX) {
        return "Too many rules for one user";
    }
    if (has_blank(rule)) {
        return acl_unknown_command;
    }
    r.word = lower(rule->p + 1, rule->n - 1);
    why = read_word(rule->p + 1, rule->n - 1, &r);
    if (why == acl_unknown_command && (flags & ACL_LENIENT)) {
        r.kind = ACL_RULE_UNKNOWN;
        why = NULL;
    }
    if (why != NULL) {
        free(r.word);
        return why;
    }
    append(s, r);
    return NULL;
}

/* ---- canonical form ------------------------------------------------------------------------ */

static const char *first_arg(const struct acl_rule *r) { return strrchr(r->word, '|') + 1; }

static void drop(struct acl_rule *r)
{
    free(r->word);
    r->word = NULL;
}

/* Backwards: what later rules decide again. */
static void drop_overruled(struct acl_selector *s)
{
    struct acl_bits decided = {{0}};
    uint32_t categories = 0;

    for (size_t i = s->n_rules; i-- > 0;) {
        struct acl_rule *r = &s->rules[i];
        struct acl_bits m = members(r);

        switch (r->kind) {
        case ACL_RULE_CATEGORY:
            /* Another category that happens to cover it today may not tomorrow. */
            if (categories & r->category) {
                drop(r);
            }
            categories |= r->category;
            add(&decided, &m, true);
            break;
        case ACL_RULE_COMMAND:
            if (is_subset(&m, &decided)) {
                drop(r);
            }
            add(&decided, &m, true);
            break;
        case ACL_RULE_FIRST_ARG:
            if (is_subset(&m, &decided)) {
                drop(r);
            }
            break;
        case ACL_RULE_UNKNOWN:
            break;
        }
    }
}

/* The same first argument was allowed before, and no rule in between has taken it back. */
static bool is_repeated(const struct acl_selector *s, size_t i)
{
    const struct acl_rule *r = &s->rules[i];

    for (size_t k = 0; k < i; k++) {
        const struct acl_rule *o = &s->rules[k];

        if (o->word != NULL && o->kind == ACL_RULE_FIRST_ARG && o->id == r->id &&
            strcasecmp(first_arg(o), first_arg(r)) == 0) {
            return true;
        }
    }
    return false;
}

static void compact(struct acl_selector *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_rules; i++) {
        if (s->rules[i].word != NULL) {
            s->rules[kept++] = s->rules[i];
        }
    }
    s->n_rules = kept;
}

/* Forwards: what changes nothing. Leaves the bitmap. */
static void drop_idle(struct acl_selector *s)
{
    struct acl_bits by_first_arg = {{0}};

    memset(&s->allowed, s->base ? 0xff : 0, sizeof s->allowed);
    for (size_t i = 0; i < s->n_rules; i++) {
        struct acl_rule *r = &s->rules[i];
        struct acl_bits m = members(r);
        bool idle = r->allow ? is_subset(&m, &s->allowed)
                             : !meets(&m, &s->allowed) && !meets(&m, &by_first_arg);

        switch (r->kind) {
        case ACL_RULE_CATEGORY:
            idle = idle && r->allow == s->base;
            add(&s->allowed, &m, r->allow);
            break;
        case ACL_RULE_COMMAND:
            add(&s->allowed, &m, r->allow);
            break;
        case ACL_RULE_FIRST_ARG:
            idle = idle || is_repeated(s, i);
            add(&by_first_arg, &m, true);
            break;
        case ACL_RULE_UNKNOWN:
            idle = false;
            break;
        }
        if (idle) {
            drop(r);
        }
    }
}

void acl_selector_settle(struct acl_selector *s)
{
    assert(command_count() <= ACL_COMMANDS_MAX);
    drop_overruled(s);
    compact(s);
    drop_idle(s);
    compact(s);
}

/* ---- asking and writing -------------------------------------------------------------------- */

bool acl_selector_allows(const struct acl_selector *s, const struct command *c,
                         const struct arg *argv, int argc)
{
    if (acl_bit(&s->allowed, c->id)) {
        return true;
    }
    for (size_t i = 0; i < s->n_rules && argc > 1; i++) {
        const struct acl_rule *r = &s->rules[i];

        if (r->kind == ACL_RULE_FIRST_ARG && r->id == c->id && arg_is(&argv[1], first_arg(r))) {
            return true;
        }
    }
    return false;
}

void acl_selector_describe_commands(const struct acl_selector *s, struct buf *out)
{
    buf_printf(out, "%c@all", s->base ? '+' : '-');
    for (size_t i = 0; i < s->n_rules; i++) {
        buf_printf(out, " %c%s", s->rules[i].allow ? '+' : '-', s->rules[i].word);
    }
}
