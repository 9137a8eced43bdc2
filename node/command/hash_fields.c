/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/hash_fields.c - see node/command/hash.h. */
#include "node/command/hash.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/hash.h"

#include <stdlib.h>

bool hash_read(struct cmd *c, struct item **it)
{
    struct key k;

    *it = access_read(c, &c->argv[1], &k);
    return access_type_ok(c, *it, ITEM_HASH);
}

bool hash_write(struct cmd *c, struct key *k, struct item **it)
{
    *it = access_write(c, &c->argv[1], k);
    return access_type_ok(c, *it, ITEM_HASH);
}

/* ---- seeing -------------------------------------------------------------------------------- */

bool hash_hides(const struct cmd *c, const struct item *it, const struct arg *field)
{
    return !c->applying && hash_is_past(item_value(it), field->p, field->n, c->now_ms);
}

size_t hash_hidden(const struct cmd *c, const struct item *it)
{
    return c->applying ? 0 : hash_past(item_value(it), c->now_ms);
}

bool hash_see(const struct cmd *c, const struct item *it, const struct arg *field, char *scratch,
              struct arg *out)
{
    return it != NULL && !hash_hides(c, it, field) &&
           hash_get(it, field->p, field->n, scratch, out);
}

/* ---- the log ------------------------------------------------------------------------------- */

static void log_fields(struct cmd *c, const struct arg *head, size_t n_head,
                       const struct arg *fields, size_t n)
{
    struct arg *argv = mem_alloc((n_head + n) * sizeof *argv);

    memcpy(argv, head, n_head * sizeof *argv);
    memcpy(argv + n_head, fields, n * sizeof *argv);
    effect_args(c, argv, n_head + n);
    free(argv);
}

void hash_log_delete(struct cmd *c, const struct key *k, const struct arg *fields, size_t n)
{
    struct arg head[2] = {{"HDEL", 4}, {k->p, k->n}};

    log_fields(c, head, ARRAY_LEN(head), fields, n);
}

void hash_log_time(struct cmd *c, const struct key *k, int64_t at, const struct arg *fields,
                   size_t n)
{
    char ms[NUM_I64_MAX_CHARS], count[NUM_I64_MAX_CHARS];
    struct arg time = {ms, num_print_i64(ms, at)};
    struct arg number = {count, num_print_i64(count, (int64_t)n)};
    struct arg set[5] = {{"HPEXPIREAT", 10}, {k->p, k->n}, time, {"FIELDS", 6}, number};
    struct arg clear[4] = {{"HPERSIST", 8}, {k->p, k->n}, {"FIELDS", 6}, number};

    if (at == KEYSPACE_NO_EXPIRE) {
        log_fields(c, clear, ARRAY_LEN(clear), fields, n);
    } else {
        log_fields(c, set, ARRAY_LEN(set), fields, n);
    }
}

void hash_log_set(struct cmd *c, const struct key *k, int64_t at, const struct arg *pairs, size_t n)
{
    char ms[NUM_I64_MAX_CHARS], count[NUM_I64_MAX_CHARS];
    struct arg head[7] = {{"HSETEX", 6}, {k->p, k->n}};
    size_t n_head = 2;

    if (at == HASH_LOG_PLAIN) {
        head[0] = (struct arg){"HSET", 4};
    } else {
        if (at == HASH_LOG_KEEP) {
            head[n_head++] = (struct arg){"KEEPTTL", 7};
        } else {
            head[n_head++] = (struct arg){"PXAT", 4};
            head[n_head++] = (struct arg){ms, num_print_i64(ms, at)};
        }
        head[n_head++] = (struct arg){"FIELDS", 6};
        head[n_head++] = (struct arg){count, num_print_i64(count, (int64_t)n)};
    }
    log_fields(c, head, n_head, pairs, 2 * n);
}

/* ---- deleting ------------------------------------------------------------------------------ */

struct item *hash_drop_empty(struct cmd *c, const struct key *k, struct item *it)
{
    if (hash_len(it) > 0) {
        return it;
    }
    access_delete(c, k, it);
    notify(c, NOTIFY_GENERIC, "del", k);
    return NULL;
}

#define ARG_OVERHEAD 16 /* bytes of an argument in the log beside its own, at most */

static size_t bytes_of(const struct arg *argv, size_t n)
{
    size_t bytes = n * ARG_OVERHEAD;

    for (size_t i = 0; i < n; i++) {
        bytes += argv[i].n;
    }
    return bytes;
}

/* The fields that are past their time, each once (one that is named twice is gone the second time),
 * leave the hash. */
static size_t remove_fields(struct item *it, struct arg *fields, size_t n)
{
    size_t removed = 0;

    for (size_t i = 0; i < n; i++) {
        if (hash_remove(it, fields[i].p, fields[i].n)) {
            fields[removed++] = fields[i];
        }
    }
    return removed;
}

bool hash_drop_past(struct cmd *c, const struct key *k, struct item **it, int first, int step,
                    size_t n)
{
    struct arg *past;
    size_t n_past = 0;
    bool fits;

    if (*it == NULL || !hash_has_times(item_value(*it))) {
        return true;
    }
    past = mem_alloc(n * sizeof *past);
    for (size_t i = 0; i < n; i++) {
        const struct arg *field = &c->argv[first + (int)i * step];

        if (hash_hides(c, *it, field)) {
            past[n_past++] = *field;
        }
    }
    /* The names are in the HDEL, and once more in what the command itself logs. */
    fits = n_past == 0 ||
           bytes_of(past, n_past) + k->n + bytes_of(c->argv, (size_t)c->argc) <= cmd_effect_max(c);
    if (!fits) {
        resp_errorf(c->reply,
                    "ERR the fields are too large: at most %zu bytes fit into one log entry, where "
                    "those past their time count twice",
                    cmd_effect_max(c));
    } else if (n_past > 0) {
        n_past = remove_fields(*it, past, n_past);
        access_changed(c, c->db, k);
        hash_log_delete(c, k, past, n_past);
        access_note_expired_fields(c, n_past);
        notify(c, NOTIFY_HASH, "hexpired", k);
        *it = hash_drop_empty(c, k, *it);
    }
    free(past);
    return fits;
}

#define EXPIRE_BYTES ((size_t)1 << 20) /* of names: with that many, fewer at once */

void hash_expire_due(struct cmd *c, const struct key *k, struct item *it, size_t most)
{
    struct arg *fields = mem_alloc(most * sizeof *fields), field;
    size_t n = 0, bytes = 0;

    while (n < most && bytes < EXPIRE_BYTES && hash_first_past(item_value(it), c->now_ms, &field)) {
        /* Copied: it goes before its effect is written. */
        fields[n++] = (struct arg){mem_dup(field.p, field.n), field.n};
        bytes += field.n;
        (void)hash_remove(it, fields[n - 1].p, field.n);
    }
    if (n > 0) {
        access_changed(c, c->db, k);
        hash_log_delete(c, k, fields, n);
        access_note_expired_fields(c, n);
        notify(c, NOTIFY_HASH, "hexpired", k);
        it = hash_drop_empty(c, k, it);
    }
    if (it != NULL) {
        keyspace_set_due(c->ks, c->db, it);
    }
    while (n > 0) {
        free((void *)fields[--n].p);
    }
    free(fields);
}

/* ---- arguments ----------------------------------------------------------------------------- */

bool hash_fields_arg(struct cmd *c, int at, int step, size_t *n)
{
    int64_t count;

    if (at + 1 >= c->argc || !arg_is(&c->argv[at], "fields")) {
        resp_error(c->reply,
                   "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!cmd_arg_range(c, at + 1, 1, INT64_MAX, &count,
                       "ERR Parameter `numFields` should be greater than 0")) {
        return false;
    }
    if (count > INT32_MAX || count * step != c->argc - at - 2) {
        resp_error(c->reply, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *n = (size_t)count;
    return true;
}
