/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config_value.c - values of options from text and to text; see config_table.h.
 *
 * A value is read completely before it replaces the old one, so that a failed set changes nothing.
 */
#include "base/mem.h"
#include "base/num.h"
#include "node/config_table.h"
#include "node/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const class_names[CLASS_COUNT] = {
    [CLASS_NORMAL] = "normal", [CLASS_REPLICA] = "slave", [CLASS_PUBSUB] = "pubsub"};

union config_value {
    bool flag;
    int64_t number;
    int choice;
    unsigned events;
    char *text;
    char **list;
    struct output_limit limits[CLASS_COUNT];
};

/* The field of @o in @c. */
static void *field(struct config *c, const struct config_option *o)
{
    return (char *)c + o->offset;
}

static const void *const_field(const struct config *c, const struct config_option *o)
{
    return (const char *)c + o->offset;
}

static void free_list(char **list)
{
    if (list == NULL) {
        return;
    }
    for (size_t i = 0; list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}

/* ---- from text --------------------------------------------------------------------------------
 */

static bool fail(char *error, const char *text)
{
    snprintf(error, CONFIG_ERROR_MAX, "%s", text);
    return false;
}

static bool read_bool(const char *text, bool *out, char *error)
{
    bool yes = strcasecmp(text, "yes") == 0;

    if (!yes && strcasecmp(text, "no") != 0) {
        return fail(error, "argument must be 'yes' or 'no'");
    }
    *out = yes;
    return true;
}

static bool read_int(const struct config_option *o, const char *text, int64_t *out, char *error)
{
    size_t n = strlen(text);

    if ((o->flags & CONFIG_PERCENT) && n > 1 && text[n - 1] == '%') {
        if (!num_parse_i64(text, n - 1, out) || *out < 0) {
            return fail(error, "argument must be a memory or percent value");
        }
        if (*out > 100) {
            return fail(error, "percentage argument must be less or equal to 100");
        }
        *out = -*out;
        return true;
    }
    if (o->flags & CONFIG_MEMORY) {
        uint64_t bytes;

        if (!num_parse_memory(text, &bytes) || bytes > INT64_MAX) {
            return fail(error, (o->flags & CONFIG_PERCENT)
                                   ? "argument must be a memory or percent value"
                                   : "argument must be a memory value");
        }
        *out = (int64_t)bytes;
    } else if (!num_parse_i64(text, n, out)) {
        return fail(error, "argument couldn't be parsed into an integer");
    }
    if (*out < o->min || *out > o->max) {
        snprintf(error, CONFIG_ERROR_MAX, "argument must be between %lld and %lld inclusive",
                 (long long)o->min, (long long)o->max);
        return false;
    }
    return true;
}

static bool read_enum(const struct config_option *o, const char *text, int *out, char *error)
{
    size_t at;

    for (const struct config_name *e = o->names; e->name != NULL; e++) {
        if (strcasecmp(e->name, text) == 0) {
            *out = e->value;
            return true;
        }
    }
    at = (size_t)snprintf(error, CONFIG_ERROR_MAX, "argument(s) must be one of the following: ");
    for (const struct config_name *e = o->names; e->name != NULL; e++) {
        at += (size_t)snprintf(error + at, CONFIG_ERROR_MAX - at, "%s%s", e == o->names ? "" : ", ",
                               e->name);
    }
    return false;
}

static bool words_are_fine(const struct config_option *o, char *const *words, size_t n, char *error)
{
    for (size_t i = 0; i < n; i++) {
        if (o->check != NULL && !o->check(words[i], error)) {
            return false;
        }
    }
    return true;
}

/* Words with single spaces between them; empty ones vanish. */
static char *join(char *const *words, size_t n)
{
    struct buf b;
    char *out;

    buf_init(&b);
    for (size_t i = 0; i < n; i++) {
        if (words[i][0] != '\0') {
            buf_printf(&b, "%s%s", b.len > 0 ? " " : "", words[i]);
        }
    }
    buf_append(&b, "", 1);
    out = mem_strdup(buf_head(&b));
    buf_release(&b);
    return out;
}

/* Likewise of CONFIG_NUMBERS, which have six digits behind the point at most. */
static char *join_numbers(char *const *words, size_t n)
{
    struct buf b;
    char *out;

    buf_init(&b);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "%.6f", strtod(words[i], NULL));

        while (text[len - 1] == '0') {
            len--;
        }
        len -= text[len - 1] == '.';
        buf_printf(&b, "%s%.*s", i > 0 ? " " : "", len, text);
    }
    buf_append(&b, "", 1);
    out = mem_strdup(buf_head(&b));
    buf_release(&b);
    return out;
}

static char **copy_list(char *const *words, size_t n)
{
    char **list = mem_alloc((n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        list[i] = mem_strdup(words[i]);
    }
    list[n] = NULL;
    return list;
}

static int class_by_name(const char *name)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        if (strcasecmp(class_names[i], name) == 0) {
            return i;
        }
    }
    return strcasecmp(name, "replica") == 0 ? CLASS_REPLICA : -1;
}

/* Quadruples; classes that are not named keep their limits. */
static bool read_limits(char *const *words, size_t n, struct output_limit *out, char *error)
{
    if (n == 0 || n % 4 != 0) {
        return fail(error, "Wrong number of arguments in buffer limit configuration.");
    }
    for (size_t i = 0; i < n; i += 4) {
        struct output_limit l;
        int class = class_by_name(words[i]);

        if (class < 0) {
            return fail(error, "Invalid client class specified in buffer limit configuration.");
        }
        if (!num_parse_memory(words[i + 1], &l.hard) || !num_parse_memory(words[i + 2], &l.soft) ||
            !num_parse_i64(words[i + 3], strlen(words[i + 3]), &l.soft_seconds) ||
            l.soft_seconds < 0 || l.soft_seconds > INT32_MAX) {
            return fail(error, "Error in hard, soft or soft_seconds setting in buffer limit "
                               "configuration.");
        }
        out[class] = l;
    }
    return true;
}

static bool takes_words(const struct config_option *o)
{
    return o->type == CONFIG_WORDS || o->type == CONFIG_LIST || o->type == CONFIG_LIMITS;
}

static bool read_value(const struct config_option *o, char *const *words, size_t n,
                       union config_value *v, char *error)
{
    if (!takes_words(o) && n != 1) {
        return fail(error, "wrong number of arguments");
    }
    switch (o->type) {
    case CONFIG_BOOL:
        return read_bool(words[0], &v->flag, error) && words_are_fine(o, words, n, error);
    case CONFIG_INT:
        return read_int(o, words[0], &v->number, error);
    case CONFIG_ENUM:
        return read_enum(o, words[0], &v->choice, error);
    case CONFIG_STRING:
        if (!words_are_fine(o, words, n, error)) {
            return false;
        }
        v->text = mem_strdup(words[0]);
        return true;
    case CONFIG_WORDS:
        if (o->n_words > 0 && n != o->n_words) {
            return fail(error, "wrong number of arguments");
        }
        if ((o->flags & CONFIG_NUMBERS) && n == 1 && words[0][0] == '\0') {
            n = 0; /* "" in a file: none */
        }
        if (!words_are_fine(o, words, n, error)) {
            return false;
        }
        v->text = (o->flags & CONFIG_NUMBERS) ? join_numbers(words, n) : join(words, n);
        return true;
    case CONFIG_LIST:
        if (n == 0 || n > 16 || words[0][0] == '\0') {
            return fail(error, "from 1 to 16 words are needed");
        }
        if (!words_are_fine(o, words, n, error)) {
            return false;
        }
        v->list = copy_list(words, n);
        return true;
    case CONFIG_LIMITS:
        return read_limits(words, n, v->limits, error);
    case CONFIG_EVENTS:
        return notify_parse(words[0], &v->events) ||
               fail(error, "Invalid event class character. Use '" NOTIFY_LETTERS "'.");
    }
    return fail(error, "no such type");
}

static void free_value(const struct config_option *o, union config_value *v)
{
    if (o->type == CONFIG_STRING || o->type == CONFIG_WORDS) {
        free(v->text);
    } else if (o->type == CONFIG_LIST) {
        free_list(v->list);
    }
}

static void get_value(const struct config *c, const struct config_option *o, union config_value *v)
{
    const void *p = const_field(c, o);

    switch (o->type) {
    case CONFIG_BOOL:
        v->flag = *(const bool *)p;
        break;
    case CONFIG_INT:
        v->number = *(const int64_t *)p;
        break;
    case CONFIG_ENUM:
        v->choice = *(const int *)p;
        break;
    case CONFIG_STRING:
    case CONFIG_WORDS:
        v->text = *(char *const *)p;
        break;
    case CONFIG_LIST:
        v->list = *(char **const *)p;
        break;
    case CONFIG_LIMITS:
        memcpy(v->limits, p, sizeof v->limits);
        break;
    case CONFIG_EVENTS:
        v->events = *(const unsigned *)p;
        break;
    }
}

static void put_value(struct config *c, const struct config_option *o, const union config_value *v)
{
    void *p = field(c, o);

    switch (o->type) {
    case CONFIG_BOOL:
        *(bool *)p = v->flag;
        break;
    case CONFIG_INT:
        *(int64_t *)p = v->number;
        break;
    case CONFIG_ENUM:
        *(int *)p = v->choice;
        break;
    case CONFIG_STRING:
    case CONFIG_WORDS:
        *(char **)p = v->text;
        break;
    case CONFIG_LIST:
        *(char ***)p = v->list;
        break;
    case CONFIG_LIMITS:
        memcpy(p, v->limits, sizeof v->limits);
        break;
    case CONFIG_EVENTS:
        *(unsigned *)p = v->events;
        break;
    }
}

/* ---- to text ------------------------------------------------------------------------------------
 */

static const char *name_of(const struct config_option *o, int value)
{
    for (const struct config_name *e = o->names; e->name != NULL; e++) {
        if (e->value == value) {
            return e->name;
        }
    }
    assert(!"an enumerator without a name");
    return "";
}

static void print_limits(const struct output_limit *l, struct buf *out)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        buf_printf(out, "%s%s %llu %llu %lld", i > 0 ? " " : "", class_names[i],
                   (unsigned long long)l[i].hard, (unsigned long long)l[i].soft,
                   (long long)l[i].soft_seconds);
    }
}

static void print_value(const struct config_option *o, const union config_value *v, struct buf *out)
{
    switch (o->type) {
    case CONFIG_BOOL:
        buf_printf(out, "%s", v->flag ? "yes" : "no");
        break;
    case CONFIG_INT:
        if ((o->flags & CONFIG_PERCENT) && v->number < 0) {
            buf_printf(out, "%lld%%", -(long long)v->number);
        } else {
            buf_printf(out, "%lld", (long long)v->number);
        }
        break;
    case CONFIG_ENUM:
        buf_printf(out, "%s", name_of(o, v->choice));
        break;
    case CONFIG_STRING:
    case CONFIG_WORDS:
        buf_append(out, v->text, strlen(v->text));
        break;
    case CONFIG_LIST:
        for (size_t i = 0; v->list[i] != NULL; i++) {
            buf_printf(out, "%s%s", i > 0 ? " " : "", v->list[i]);
        }
        break;
    case CONFIG_LIMITS:
        print_limits(v->limits, out);
        break;
    case CONFIG_EVENTS:
        notify_print(v->events, out);
        break;
    }
}

void config_option_print(const struct config *c, const struct config_option *o, struct buf *out)
{
    union config_value v;

    get_value(c, o, &v);
    print_value(o, &v, out);
}

/* "64mb" for 67108864: as people write it. */
static void print_memory(int64_t bytes, struct buf *out)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (bytes != 0 && bytes % units[i].factor == 0) {
            buf_printf(out, "%lld%s", (long long)(bytes / units[i].factor), units[i].unit);
            return;
        }
    }
    buf_printf(out, "%lld", (long long)bytes);
}

void config_option_line(const struct config *c, const struct config_option *o, struct buf *out)
{
    union config_value v;

    get_value(c, o, &v);
    buf_printf(out, "%s ", o->name);
    if (o->type == CONFIG_STRING) {
        config_words_quote(out, v.text);
    } else if ((o->type == CONFIG_WORDS && v.text[0] == '\0') ||
               (o->type == CONFIG_EVENTS && v.events == 0)) {
        buf_append(out, "\"\"", 2);
    } else if (o->type == CONFIG_INT && (o->flags & CONFIG_MEMORY) && v.number >= 0) {
        print_memory(v.number, out);
    } else {
        print_value(o, &v, out);
    }
}

static bool values_equal(const struct config_option *o, const union config_value *a,
                         const union config_value *b)
{
    struct buf x, y;
    bool equal;

    buf_init(&x);
    buf_init(&y);
    print_value(o, a, &x);
    print_value(o, b, &y);
    equal = x.len == y.len && (x.len == 0 || memcmp(buf_head(&x), buf_head(&y), x.len) == 0);
    buf_release(&x);
    buf_release(&y);
    return equal;
}

bool config_option_equal(const struct config *a, const struct config *b,
                         const struct config_option *o)
{
    union config_value x, y;

    get_value(a, o, &x);
    get_value(b, o, &y);
    return values_equal(o, &x, &y);
}

/* ---- setting ----------------------------------------------------------------------------- */

/* Every space parts two words, which may be empty. */
static void split_at_spaces(struct config_words *words, const char *text)
{
    size_t n = 1;

    for (const char *p = text; *p != '\0'; p++) {
        n += *p == ' ';
    }
    *words = (struct config_words){.w = mem_alloc(n * sizeof *words->w)};
    while (words->n < n) {
        size_t len = strcspn(text, " ");
        char *word = mem_alloc(len + 1);

        memcpy(word, text, len);
        word[len] = '\0';
        words->w[words->n++] = word;
        text += len + 1;
    }
}

/* The words of @text; the caller releases them. */
static bool split(const struct config_option *o, struct config_words *words, const char *text,
                  char *error)
{
    if (o->flags & CONFIG_NUMBERS) {
        split_at_spaces(words, text);
        return true;
    }
    return config_words_split(words, text, strlen(text)) || fail(error, "unbalanced quotes");
}

void config_set_initial(struct config *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        struct config_words words = {0};
        union config_value v = {0};
        char error[CONFIG_ERROR_MAX];
        char *one = (char *)o->initial;
        bool ok;

        if (takes_words(o)) {
            ok = split(o, &words, o->initial, error) && read_value(o, words.w, words.n, &v, error);
        } else {
            ok = read_value(o, &one, 1, &v, error);
        }
        assert(ok);
        put_value(c, o, &v);
        config_words_release(&words);
    }
}

bool config_option_set(struct config *c, const struct config_option *o, char *const *words,
                       size_t n, char *error)
{
    union config_value old, v;

    if (takes_words(o) && n == 1 &&
        strpbrk(words[0], (o->flags & CONFIG_NUMBERS) ? " " : " \t") != NULL) {
        return config_option_set_text(c, o, words[0], error); /* several words in quotes */
    }
    get_value(c, o, &old);
    v = old; /* classes of output limits that are not named keep their values */
    if (!read_value(o, words, n, &v, error)) {
        return false;
    }
    if ((o->flags & CONFIG_FIXED) && !values_equal(o, &old, &v)) {
        free_value(o, &v);
        return fail(error, o->why);
    }
    put_value(c, o, &v);
    free_value(o, &old);
    return true;
}

bool config_option_set_text(struct config *c, const struct config_option *o, const char *text,
                            char *error)
{
    struct config_words words;
    char *one = (char *)text;
    bool ok;

    if (!takes_words(o)) {
        return config_option_set(c, o, &one, 1, error);
    }
    if (!split(o, &words, text, error)) {
        return false;
    }
    ok = config_option_set(c, o, words.w, words.n, error);
    config_words_release(&words);
    return ok;
}

void config_release_values(struct config *c)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        union config_value v;

        get_value(c, o, &v);
        free_value(o, &v);
    }
    memset(c, 0, sizeof *c);
}
