/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl_user.c - see node/acl_user.h: users, their rules but those on commands, and checks. */
#include "node/acl_user.h"

#include "base/glob.h"
#include "base/mem.h"
#include "cluster/texts.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 32
#define KEYS_ON_STACK 64

const char acl_unmatched[] = "Unmatched parenthesis in acl selector";
static const char too_many[] = "Too many rules for one user";

/* ---- birth and death ----------------------------------------------------------------------- */

struct acl_user *acl_user_new(const char *name, size_t n, bool channels)
{
    struct acl_user *u = mem_zalloc(sizeof *u);

    u->name = mem_alloc(n + 1);
    memcpy(u->name, name, n);
    u->name[n] = '\0';
    u->name_n = n;
    u->selectors = mem_alloc(sizeof u->selectors[0]);
    u->n_selectors = 1;
    acl_selector_init(&u->selectors[0], channels);
    acl_selector_settle(&u->selectors[0]);
    return u;
}

static void release(struct acl_user *u)
{
    for (size_t i = 0; i < u->n_selectors; i++) {
        acl_selector_release(&u->selectors[i]);
    }
    free(u->selectors);
    free(u->passwords);
    free(u->name);
}

void acl_user_free(struct acl_user *u)
{
    if (u != NULL) {
        release(u);
        free(u);
    }
}

void acl_user_become(struct acl_user *u, struct acl_user *from)
{
    struct acl_user old = *u;

    *u = *from;
    *from = old;
    acl_user_free(from);
}

bool acl_name_ok(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '\0' || isspace((unsigned char)name[i])) {
            return false;
        }
    }
    return n > 0 && n <= CLUSTER_TEXT_NAME_MAX;
}

/* ---- passwords ----------------------------------------------------------------------------- */

static void hash_password(const char *p, size_t n, char out[ACL_HASH_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[HASH_BYTES];
    int ok = EVP_Digest(p, n, hash, NULL, EVP_sha256(), NULL);

    assert(ok == 1);
    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[ACL_HASH_CHARS] = '\0';
}

bool acl_user_has_password(const struct acl_user *u, const struct arg *password)
{
    char hash[ACL_HASH_CHARS + 1];
    bool found = false;

    hash_password(password->p, password->n, hash);
    for (size_t i = 0; i < u->n_passwords; i++) {
        found |= CRYPTO_memcmp(u->passwords[i], hash, ACL_HASH_CHARS) == 0;
    }
    OPENSSL_cleanse(hash, sizeof hash);
    return found;
}

static bool is_hash(const struct arg *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->p[i] == '\0' || strchr("0123456789abcdef", a->p[i]) == NULL) {
            return false;
        }
    }
    return a->n == ACL_HASH_CHARS;
}

static void clear_passwords(struct acl_user *u)
{
    free(u->passwords);
    u->passwords = NULL;
    u->n_passwords = 0;
}

static size_t find_password(const struct acl_user *u, const char *hash)
{
    size_t i = 0;

    while (i < u->n_passwords && memcmp(u->passwords[i], hash, ACL_HASH_CHARS) != 0) {
        i++;
    }
    return i;
}

static const char *add_password(struct acl_user *u, const char *hash)
{
    u->nopass = false;
    if (find_password(u, hash) < u->n_passwords) {
        return NULL;
    }
    if (u->n_passwords >= ACL_PASSWORDS_MAX) {
        return too_many;
    }
    u->passwords = mem_realloc(u->passwords, (u->n_passwords + 1) * sizeof u->passwords[0]);
    memcpy(u->passwords[u->n_passwords], hash, ACL_HASH_CHARS);
    u->passwords[u->n_passwords++][ACL_HASH_CHARS] = '\0';
    return NULL;
}

static const char *remove_password(struct acl_user *u, const char *hash)
{
    size_t i = find_password(u, hash);

    if (i == u->n_passwords) {
        return "The password you are trying to remove from the user does not exist";
    }
    u->n_passwords--;
    memmove(u->passwords[i], u->passwords[i + 1], (u->n_passwords - i) * sizeof u->passwords[0]);
    return NULL;
}

/* ">pw", "<pw", "#hash", "!hash". */
static const char *password_rule(struct acl_user *u, const struct arg *rule)
{
    struct arg rest = {rule->p + 1, rule->n - 1};
    char hash[ACL_HASH_CHARS + 1];

    if (rule->p[0] == '>' || rule->p[0] == '<') {
        hash_password(rest.p, rest.n, hash);
    } else if (is_hash(&rest)) {
        memcpy(hash, rest.p, ACL_HASH_CHARS);
    } else {
        return "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
    }
    return rule->p[0] == '>' || rule->p[0] == '#' ? add_password(u, hash)
                                                  : remove_password(u, hash);
}

/* ---- patterns ------------------------------------------------------------------------------ */

static void clear_patterns(struct acl_patterns *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->list[i].p);
    }
    l->n = 0;
}

/* One more, or more access to one that is there. */
static const char *add_pattern(struct acl_patterns *l, const char *p, size_t n, unsigned access)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->list[i].n == n && memcmp(l->list[i].p, p, n) == 0) {
            l->list[i].access |= access;
            return NULL;
        }
    }
    if (l->n >= ACL_PATTERNS_MAX) {
        return too_many;
    }
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 4 : l->cap * 2;
        l->list = mem_realloc(l->list, l->cap * sizeof l->list[0]);
    }
    l->list[l->n++] = (struct acl_pattern){mem_dup(p, n), n, access};
    return NULL;
}

static bool has_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\0' || isspace((unsigned char)p[i])) {
            return true;
        }
    }
    return false;
}

static bool grants_all_keys(const struct acl_patterns *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->list[i].n == 1 && l->list[i].p[0] == '*' &&
            l->list[i].access == (ACL_READ | ACL_WRITE)) {
            return true;
        }
    }
    return false;
}

static void allow_all_keys(struct acl_selector *s)
{
    clear_patterns(&s->keys);
    s->all_keys = true;
}

/* "~pattern", "%RW~pattern". */
static const char *key_rule(struct acl_selector *s, const struct arg *rule)
{
    const char *p = rule->p + 1, *end = rule->p + rule->n;
    unsigned access = 0;
    const char *why;

    if (rule->p[0] == '~') {
        access = ACL_READ | ACL_WRITE;
    } else {
        for (; p < end && *p != '~'; p++) {
            unsigned bit = toupper((unsigned char)*p) == 'R'   ? ACL_READ
                           : toupper((unsigned char)*p) == 'W' ? ACL_WRITE
                                                               : 0;

            if (bit == 0 || (access & bit)) {
                return acl_syntax_error;
            }
            access |= bit;
        }
        if (p == end || access == 0) {
            return acl_syntax_error;
        }
        p++;
    }
    if (has_blank(p, (size_t)(end - p))) {
        return acl_syntax_error;
    }
    if (p + 1 == end && *p == '*' && access == (ACL_READ | ACL_WRITE)) {
        allow_all_keys(s);
        return NULL;
    }
    if (s->all_keys) {
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
               "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    }
    why = add_pattern(&s->keys, p, (size_t)(end - p), access);
    if (grants_all_keys(&s->keys)) {
        allow_all_keys(s);
    }
    return why;
}

static void allow_all_channels(struct acl_selector *s)
{
    clear_patterns(&s->channels);
    s->all_channels = true;
}

static const char *channel_rule(struct acl_selector *s, const struct arg *rule)
{
    if (has_blank(rule->p, rule->n)) {
        return acl_syntax_error;
    }
    if (rule->n == 2 && rule->p[1] == '*') {
        allow_all_channels(s);
        return NULL;
    }
    if (s->all_channels) {
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
               "does not have any effect. Try 'resetchannels' to start with an empty list of "
               "channels";
    }
    return add_pattern(&s->channels, rule->p + 1, rule->n - 1, 0);
}

/* ---- rules --------------------------------------------------------------------------------- */

static const char *selector_rule(struct acl_selector *s, const struct arg *rule, unsigned flags)
{
    if (arg_is(rule, "allkeys")) {
        allow_all_keys(s);
    } else if (arg_is(rule, "resetkeys")) {
        clear_patterns(&s->keys);
        s->all_keys = false;
    } else if (arg_is(rule, "allchannels")) {
        allow_all_channels(s);
    } else if (arg_is(rule, "resetchannels")) {
        clear_patterns(&s->channels);
        s->all_channels = false;
    } else if (arg_is(rule, "allcommands")) {
        acl_selector_set_base(s, true);
    } else if (arg_is(rule, "nocommands")) {
        acl_selector_set_base(s, false);
    } else if (rule->p[0] == '~' || rule->p[0] == '%') {
        return key_rule(s, rule);
    } else if (rule->p[0] == '&') {
        return channel_rule(s, rule);
    } else if (rule->p[0] == '+' || rule->p[0] == '-') {
        return acl_selector_add_rule(s, rule, flags);
    } else {
        return acl_syntax_error;
    }
    return NULL;
}

/* The next word at *@p; false: there is none. */
static bool next_word(const char **p, const char *end, struct arg *out)
{
    while (*p < end && **p == ' ') {
        ++*p;
    }
    out->p = *p;
    while (*p < end && **p != ' ') {
        ++*p;
    }
    out->n = (size_t)(*p - out->p);
    return out->n > 0;
}

/* "(rules)". A rule that ended with a parenthesis could not be told from the end of its selector.
 */
static const char *add_selector(struct acl_user *u, const struct arg *rule, unsigned flags)
{
    const char *p = rule->p + 1, *end = rule->p + rule->n - 1, *why = NULL;
    struct acl_selector s;
    struct arg word;

    if (u->n_selectors >= ACL_SELECTORS_MAX) {
        return too_many;
    }
    acl_selector_init(&s, (flags & ACL_CHANNELS) != 0);
    while (why == NULL && next_word(&p, end, &word)) {
        why = word.p[word.n - 1] == ')' ? acl_syntax_error : selector_rule(&s, &word, flags);
    }
    if (why != NULL) {
        acl_selector_release(&s);
        return why;
    }
    u->selectors = mem_realloc(u->selectors, (u->n_selectors + 1) * sizeof u->selectors[0]);
    u->selectors[u->n_selectors++] = s;
    return NULL;
}

static void clear_selectors(struct acl_user *u)
{
    while (u->n_selectors > 1) {
        acl_selector_release(&u->selectors[--u->n_selectors]);
    }
}

static void reset(struct acl_user *u, unsigned flags)
{
    clear_selectors(u);
    acl_selector_release(&u->selectors[0]);
    acl_selector_init(&u->selectors[0], (flags & ACL_CHANNELS) != 0);
    clear_passwords(u);
    u->on = u->nopass = u->skip_sanitize = false;
    u->sanitize = true;
}

static const char *user_rule(struct acl_user *u, const struct arg *rule, unsigned flags)
{
    if (rule->n == 0) {
        return NULL;
    }
    if (arg_is(rule, "on") || arg_is(rule, "off")) {
        u->on = rule->n == 2;
    } else if (arg_is(rule, "nopass")) {
        clear_passwords(u);
        u->nopass = true;
    } else if (arg_is(rule, "resetpass")) {
        clear_passwords(u);
        u->nopass = false;
    } else if (arg_is(rule, "sanitize-payload") || arg_is(rule, "skip-sanitize-payload")) {
        u->skip_sanitize = rule->n > 16;
        u->sanitize = !u->skip_sanitize;
    } else if (arg_is(rule, "reset")) {
        reset(u, flags);
    } else if (arg_is(rule, "clearselectors")) {
        clear_selectors(u);
    } else if (strchr("><#!", rule->p[0]) != NULL && rule->p[0] != '\0') {
        return password_rule(u, rule);
    } else if (rule->p[0] == '(') {
        return add_selector(u, rule, flags);
    } else {
        return selector_rule(&u->selectors[0], rule, flags);
    }
    return NULL;
}

static void settle(struct acl_user *u)
{
    const struct acl_selector *root = &u->selectors[0];

    for (size_t i = 0; i < u->n_selectors; i++) {
        acl_selector_settle(&u->selectors[i]);
    }
    u->unrestricted = root->all_keys && root->all_channels && root->base && root->n_rules == 0;
}

static bool is_open(const struct arg *a) { return a->n > 0 && a->p[0] == '('; }
static bool is_closed(const struct arg *a) { return a->n > 0 && a->p[a->n - 1] == ')'; }

static bool begins_selector(const struct arg *a) { return is_open(a) && !is_closed(a); }

/* The last rule that opens a parenthesis which is not closed; NULL: there is none. */
static const struct arg *find_unmatched(const struct arg *rules, size_t n)
{
    const struct arg *open = NULL;

    for (size_t i = 0; i < n; i++) {
        if (begins_selector(&rules[i])) {
            open = &rules[i];
        } else if (is_closed(&rules[i])) {
            open = NULL;
        }
    }
    return open;
}

/* The rules from @rules[0] to the one that closes its parenthesis become one, joined by blanks, in
 * @joined. Returns how many. */
static size_t join(const struct arg *rules, struct buf *joined)
{
    size_t n = 0;

    buf_clear(joined);
    do {
        buf_append(joined, " ", n > 0 ? 1 : 0);
        buf_append(joined, rules[n].p, rules[n].n);
    } while (!is_closed(&rules[n++]));
    return n;
}

static const char *apply_all(struct acl_user *u, const struct arg *rules, size_t n, unsigned flags,
                             struct buf *bad)
{
    struct buf joined;
    const char *why = NULL;
    size_t taken;

    buf_init(&joined);
    for (size_t i = 0; i < n && why == NULL; i += taken) {
        struct arg rule = rules[i];

        taken = 1;
        if (begins_selector(&rule)) {
            taken = join(rules + i, &joined);
            rule = (struct arg){buf_head(&joined), joined.len};
        }
        why = user_rule(u, &rule, flags);
        if (why != NULL && bad != NULL) {
            buf_append(bad, rule.p, rule.n);
        }
    }
    buf_release(&joined);
    return why;
}

const char *acl_user_apply(struct acl_user *u, const struct arg *rules, size_t n, unsigned flags,
                           struct buf *bad)
{
    const struct arg *open = find_unmatched(rules, n);
    const char *why;

    if (open != NULL) {
        if (bad != NULL) {
            buf_append(bad, open->p, open->n);
        }
        return acl_unmatched;
    }
    why = apply_all(u, rules, n, flags, bad);
    if (why == NULL) {
        settle(u);
    }
    return why;
}

const char *acl_user_apply_text(struct acl_user *u, const char *text, size_t n, unsigned flags,
                                struct buf *bad)
{
    const char *p = text, *why;
    struct arg *words = NULL, word;
    size_t count = 0, cap = 0;

    while (next_word(&p, text + n, &word)) {
        if (count == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            words = mem_realloc(words, cap * sizeof words[0]);
        }
        words[count++] = word;
    }
    why = acl_user_apply(u, words, count, flags, bad);
    free(words);
    return why;
}

/* ---- writing ------------------------------------------------------------------------------- */

void acl_selector_describe_keys(const struct acl_selector *s, struct buf *out)
{
    if (s->all_keys) {
        buf_append(out, "~*", 2);
    }
    for (size_t i = 0; i < s->keys.n; i++) {
        const struct acl_pattern *k = &s->keys.list[i];

        buf_printf(out, "%s%s", i > 0 ? " " : "",
                   k->access == ACL_READ    ? "%R~"
                   : k->access == ACL_WRITE ? "%W~"
                                            : "~");
        buf_append(out, k->p, k->n);
    }
}

void acl_selector_describe_channels(const struct acl_selector *s, struct buf *out)
{
    if (s->all_channels) {
        buf_append(out, "&*", 2);
    }
    for (size_t i = 0; i < s->channels.n; i++) {
        buf_printf(out, "%s&", i > 0 ? " " : "");
        buf_append(out, s->channels.list[i].p, s->channels.list[i].n);
    }
}

static void describe_selector(const struct acl_selector *s, struct buf *out)
{
    if (s->all_keys || s->keys.n > 0) {
        acl_selector_describe_keys(s, out);
        buf_append(out, " ", 1);
    }
    if (!s->all_channels) {
        buf_printf(out, "resetchannels ");
    }
    if (s->all_channels || s->channels.n > 0) {
        acl_selector_describe_channels(s, out);
        buf_append(out, " ", 1);
    }
    acl_selector_describe_commands(s, out);
}

void acl_user_describe(const struct acl_user *u, struct buf *out)
{
    buf_printf(out, "%s%s%s%s ", u->on ? "on" : "off", u->nopass ? " nopass" : "",
               u->sanitize ? " sanitize-payload" : "",
               u->skip_sanitize ? " skip-sanitize-payload" : "");
    for (size_t i = 0; i < u->n_passwords; i++) {
        buf_printf(out, "#%s ", u->passwords[i]);
    }
    describe_selector(&u->selectors[0], out);
    for (size_t i = 1; i < u->n_selectors; i++) {
        buf_append(out, " (", 2);
        describe_selector(&u->selectors[i], out);
        buf_append(out, ")", 1);
    }
}

/* ---- checks -------------------------------------------------------------------------------- */

static bool key_allowed(const struct acl_selector *s, const struct arg *key, unsigned access)
{
    for (size_t i = 0; i < s->keys.n; i++) {
        const struct acl_pattern *k = &s->keys.list[i];

        if ((k->access & access) == access && glob_match(k->p, k->n, key->p, key->n, false)) {
            return true;
        }
    }
    return false;
}

static unsigned access_of(uint16_t flags)
{
    unsigned access = 0;

    if (flags & KEYSPEC_ACCESS) {
        access |= ACL_READ;
    }
    if (flags & (KEYSPEC_INSERT | KEYSPEC_DELETE | KEYSPEC_UPDATE)) {
        access |= ACL_WRITE;
    }
    return access;
}

static bool channel_allowed(const struct acl_selector *s, const struct arg *channel,
                            bool is_pattern)
{
    if (s->all_channels) {
        return true;
    }
    for (size_t i = 0; i < s->channels.n; i++) {
        const struct acl_pattern *c = &s->channels.list[i];

        if (is_pattern ? c->n == channel->n && memcmp(c->p, channel->p, c->n) == 0
                       : glob_match(c->p, c->n, channel->p, channel->n, false)) {
            return true;
        }
    }
    return false;
}

/* Arguments that are channels: first..last; none: 0. Giving up a channel needs no permission. */
struct channels {
    int first, last;
    bool patterns;
};

static struct channels channels_of(const struct command *c, int argc)
{
    static const struct {
        const char *name;
        int n; /* 0: all arguments */
        bool patterns;
    } commands[] = {
        {"publish", 1, false},    {"spublish", 1, false},  {"subscribe", 0, false},
        {"ssubscribe", 0, false}, {"psubscribe", 0, true},
    };

    if ((c->acl_categories & acl_category("pubsub", 6)) == 0) {
        return (struct channels){0};
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, c->full_name) == 0) {
            return (struct channels){1, commands[i].n == 0 ? argc - 1 : commands[i].n,
                                     commands[i].patterns};
        }
    }
    return (struct channels){0};
}

/* What a call touches, found once for all selectors. */
struct call {
    const struct command *command;
    const struct arg *argv;
    int argc;
    int n_keys; /* that are clear: the command itself will say what is wrong */
    const int *positions;
    const uint16_t *flags;
    struct channels channels;
};

static enum acl_result check_selector(const struct acl_selector *s, const struct call *c, int *at)
{
    *at = 0;
    if ((c->command->flags & CMD_NO_AUTH) == 0 &&
        !acl_selector_allows(s, c->command, c->argv, c->argc)) {
        return ACL_DENIED_COMMAND;
    }
    for (int i = 0; i < c->n_keys && !s->all_keys; i++) {
        if (!key_allowed(s, &c->argv[c->positions[i]], access_of(c->flags[i]))) {
            *at = c->positions[i];
            return ACL_DENIED_KEY;
        }
    }
    for (int i = c->channels.first; i > 0 && i <= c->channels.last; i++) {
        if (!channel_allowed(s, &c->argv[i], c->channels.patterns)) {
            *at = i;
            return ACL_DENIED_CHANNEL;
        }
    }
    return ACL_OK;
}

/* One selector must allow it all. Of several refusals the one that came furthest is told. */
static enum acl_result check_all(const struct acl_user *u, const struct call *c, int *at)
{
    enum acl_result worst = ACL_DENIED_COMMAND;

    *at = 0;
    for (size_t i = 0; i < u->n_selectors; i++) {
        int where;
        enum acl_result r = check_selector(&u->selectors[i], c, &where);

        if (r == ACL_OK) {
            return ACL_OK;
        }
        if (r > worst || (r == worst && where > *at)) {
            worst = r;
            *at = where;
        }
    }
    return worst;
}

enum acl_result acl_user_check(const struct acl_user *u, const struct command *command,
                               const struct arg *argv, int argc, int *at)
{
    int positions_here[KEYS_ON_STACK], *positions = positions_here;
    uint16_t flags_here[KEYS_ON_STACK], *flags = flags_here;
    struct call c = {.command = command, .argv = argv, .argc = argc};
    enum acl_result r;

    *at = 0;
    if (u->unrestricted) {
        return ACL_OK;
    }
    if (argc > KEYS_ON_STACK && command->n_key_specs > 0) {
        positions = mem_alloc((size_t)argc * sizeof *positions);
        flags = mem_alloc((size_t)argc * sizeof *flags);
    }
    if (command->n_key_specs > 0) {
        c.n_keys = command_clear_keys(command, argv, argc, positions, flags, argc);
    }
    c.positions = positions;
    c.flags = flags;
    c.channels = channels_of(command, argc);
    r = check_all(u, &c, at);
    if (positions != positions_here) {
        free(positions);
        free(flags);
    }
    return r;
}

bool acl_user_check_channel(const struct acl_user *u, const struct arg *channel, bool is_pattern)
{
    for (size_t i = 0; i < u->n_selectors; i++) {
        if (channel_allowed(&u->selectors[i], channel, is_pattern)) {
            return true;
        }
    }
    return false;
}

bool acl_user_reads_all_keys(const struct acl_user *u, const struct command *command)
{
    static const struct arg any = {"*", 1};

    for (size_t i = 0; i < u->n_selectors; i++) {
        const struct acl_selector *s = &u->selectors[i];
        bool all = s->all_keys;

        for (size_t k = 0; k < s->keys.n; k++) {
            const struct acl_pattern *p = &s->keys.list[k];

            all |= (p->access & ACL_READ) && p->n == any.n && memcmp(p->p, any.p, any.n) == 0;
        }
        if (all && acl_bit(&s->allowed, command->id)) {
            return true;
        }
    }
    return false;
}
