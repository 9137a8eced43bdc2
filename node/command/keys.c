/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/keys.c - which arguments of a call are keys.
 *
 * A key spec says where the search begins (a fixed place, or behind a keyword) and how the keys
 * stand from there (a range with a step, or as many as a number says). Where a spec cannot tell
 * all (flags "incomplete" and "variable_flags") the command has a function of its own here. Source:
 * Redis documentation, "Command key specifications". */
#include "node/command/command.h"

#include "base/num.h"

/* Where keys are noted. */
struct found {
    int *positions;
    uint16_t *flags; /* or NULL */
    int n, max;
};

static void note(struct found *f, int position, uint16_t flags)
{
    if (f->n == f->max) {
        return;
    }
    f->positions[f->n] = position;
    if (f->flags != NULL) {
        f->flags[f->n] = flags;
    }
    f->n++;
}

/* ---- commands that know better
 * --------------------------------------------------------------------- */

/* SET reads the old value only for GET. */
static uint16_t set_flags(const struct arg *argv, int argc)
{
    for (int i = 3; i < argc; i++) {
        if (arg_is(&argv[i], "GET")) {
            return KEYSPEC_RW | KEYSPEC_ACCESS | KEYSPEC_UPDATE;
        }
        if (arg_is(&argv[i], "EX") || arg_is(&argv[i], "PX") || arg_is(&argv[i], "EXAT") ||
            arg_is(&argv[i], "PXAT")) {
            i++; /* its value, whatever it reads like */
        }
    }
    return KEYSPEC_OW | KEYSPEC_UPDATE;
}

/* BITFIELD reads only when all its operations are GET; what makes no sense counts as a write. */
static uint16_t bitfield_flags(const struct arg *argv, int argc)
{
    int i = 2;

    while (i < argc) {
        if (arg_is(&argv[i], "GET") && i + 2 < argc) {
            i += 3;
        } else if (arg_is(&argv[i], "OVERFLOW") && i + 1 < argc) {
            i += 2;
        } else {
            return KEYSPEC_RW | KEYSPEC_ACCESS | KEYSPEC_UPDATE;
        }
    }
    return KEYSPEC_RO | KEYSPEC_ACCESS;
}

static const struct {
    const char *name;
    uint16_t (*flags)(const struct arg *argv, int argc);
} variable_flags[] = {
    {"set", set_flags},
    {"bitfield", bitfield_flags},
};

static uint16_t spec_flags(const struct command *c, const struct key_spec *s,
                           const struct arg *argv, int argc)
{
    if (s->flags & KEYSPEC_VARIABLE_FLAGS) {
        for (size_t i = 0; i < ARRAY_LEN(variable_flags); i++) {
            if (strcmp(variable_flags[i].name, c->full_name) == 0) {
                return variable_flags[i].flags(argv, argc);
            }
        }
    }
    return s->flags & (uint16_t) ~(KEYSPEC_VARIABLE_FLAGS | KEYSPEC_INCOMPLETE);
}

/* SORT: where STORE puts the result; the last one counts. The keys that its patterns name are
 * known only to SORT itself. */
static int sort_destination(const struct arg *argv, int argc)
{
    static const struct {
        const char *word;
        int values;
    } others[] = {{"LIMIT", 2}, {"GET", 1}, {"BY", 1}};
    int found = 0;

    for (int i = 2; i < argc; i++) {
        if (arg_is(&argv[i], "STORE") && i + 1 < argc) {
            found = i + 1;
        }
        for (size_t w = 0; w < ARRAY_LEN(others); w++) {
            if (arg_is(&argv[i], others[w].word)) {
                i += others[w].values;
                break;
            }
        }
    }
    return found;
}

/* The one key of a spec that says nothing; 0: none. */
static int unknown_key(const struct command *c, const struct key_spec *s, const struct arg *argv,
                       int argc)
{
    bool is_store = (s->flags & KEYSPEC_OW) != 0 && strcmp(c->full_name, "sort") == 0;

    return is_store ? sort_destination(argv, argc) : 0;
}

/* MIGRATE has its key in its place, or many behind KEYS and "" in that place; a password may read
 * like an option. */
static void migrate_keys(const struct arg *argv, int argc, struct found *f)
{
    int first = 3, last = 3;

    for (int i = 6; i < argc; i++) {
        if (arg_is(&argv[i], "AUTH")) {
            i++;
        } else if (arg_is(&argv[i], "AUTH2")) {
            i += 2;
        } else if (arg_is(&argv[i], "KEYS")) {
            if (argv[3].n > 0) {
                return; /* the command says what is wrong */
            }
            first = i + 1;
            last = argc - 1;
            break;
        }
    }
    for (int i = first; i <= last; i++) {
        note(f, i, KEYSPEC_RW | KEYSPEC_ACCESS | KEYSPEC_DELETE);
    }
}

static const struct {
    const char *name;
    void (*keys)(const struct arg *argv, int argc, struct found *f);
} own_keys[] = {
    {"migrate", migrate_keys},
};

static bool find_own_keys(const struct command *c, const struct arg *argv, int argc,
                          struct found *f)
{
    if ((c->flags & CMD_MOVABLE_KEYS) == 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(own_keys); i++) {
        if (strcmp(own_keys[i].name, c->full_name) == 0) {
            own_keys[i].keys(argv, argc, f);
            return true;
        }
    }
    return false;
}

/* ---- key specs
 * ------------------------------------------------------------------------------------- */

/* The argument the search begins at, or 0: there is none. */
static int spec_begin(const struct key_spec *s, const struct arg *argv, int argc)
{
    int step = s->begin_index > 0 ? 1 : -1;
    int i = s->begin_index > 0 ? s->begin_index : argc + s->begin_index;

    if (s->begin == 'i') {
        return s->begin_index;
    }
    if (s->begin != 'k') {
        return 0;
    }
    for (; i >= 1 && i < argc; i += step) {
        if (arg_is(&argv[i], s->begin_keyword)) {
            return i + 1;
        }
    }
    return 0;
}

/* Keys first, first + step ... last. */
struct range {
    int first, last, step;
};

/* 1: a range; 0: no keys here; -1: nonsense. */
static int spec_find(const struct command *c, const struct key_spec *s, const struct arg *argv,
                     int argc, int begin, struct range *r)
{
    int64_t n;

    if (s->find == 'r' && s->begin == 'i' && begin >= argc && s->last_key < 0) {
        return 0; /* an empty list, which the arity allows: PFMERGE's sources */
    }
    if (s->find == 'r') {
        r->first = begin;
        r->step = s->step;
        if (s->last_key >= 0) {
            r->last = begin + s->last_key;
        } else if (s->limit <= 1) {
            r->last = argc + s->last_key;
        } else {
            r->last = begin + (argc - begin) / s->limit + s->last_key;
        }
    } else if (s->find == 'n') {
        int at = begin + s->keynum_index;

        if (at >= argc || !num_parse_i64(argv[at].p, argv[at].n, &n) || n < 0 || n > argc) {
            return -1;
        }
        if (n == 0) {
            return c->flags & CMD_NO_MANDATORY_KEYS ? 0 : -1;
        }
        r->first = begin + s->first_key;
        r->step = s->kn_step;
        r->last = r->first + ((int)n - 1) * r->step;
    } else {
        return 0;
    }
    return r->first < argc && r->last < argc && r->last >= r->first && r->step > 0 ? 1 : -1;
}

/* False: some of the arguments make no sense; *@f has the keys that are clear. */
static bool find_keys(const struct command *c, const struct arg *argv, int argc, struct found *f)
{
    bool ok = true;

    if (find_own_keys(c, argv, argc, f)) {
        return true;
    }
    for (size_t i = 0; i < c->n_key_specs; i++) {
        const struct key_spec *s = &c->key_specs[i];
        uint16_t key_flags = 0;
        struct range r;
        int begin;
        int rc;

        if (s->flags & KEYSPEC_NOT_KEY) {
            continue;
        }
        if (s->begin == 'u') {
            int key = unknown_key(c, s, argv, argc);

            if (key > 0) {
                note(f, key, spec_flags(c, s, argv, argc));
            }
            continue;
        }
        begin = spec_begin(s, argv, argc);
        if (begin == 0) {
            continue; /* the keyword is not there */
        }
        rc = spec_find(c, s, argv, argc, begin, &r);
        if (rc == 0 || (rc < 0 && (s->flags & KEYSPEC_INCOMPLETE))) {
            continue;
        }
        if (rc < 0) {
            ok = false;
            continue;
        }
        if (f->flags != NULL) {
            key_flags = spec_flags(c, s, argv, argc);
        }
        for (int k = r.first; k <= r.last; k += r.step) {
            note(f, k, key_flags);
        }
    }
    return ok;
}

int command_keys(const struct command *c, const struct arg *argv, int argc, int *positions,
                 uint16_t *flags, int max)
{
    struct found f = {.positions = positions, .flags = flags, .max = max};

    return find_keys(c, argv, argc, &f) ? f.n : -1;
}

int command_clear_keys(const struct command *c, const struct arg *argv, int argc, int *positions,
                       uint16_t *flags, int max)
{
    struct found f = {.positions = positions, .flags = flags, .max = max};

    (void)find_keys(c, argv, argc, &f);
    return f.n;
}

bool command_has_keys(const struct command *c)
{
    for (size_t i = 0; i < c->n_key_specs; i++) {
        if (!(c->key_specs[i].flags & KEYSPEC_NOT_KEY)) {
            return true;
        }
    }
    return false;
}
