/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/stream.c - XADD, XTRIM, XDEL, XSETID, XLEN and ranges. Reading on is in
 * stream_read.c, groups in stream_group.c and stream_claim.c, XINFO in stream_info.c. Source: the
 * Redis command pages.
 *
 * The log has ids as they came out, and trimming that is exact: where nodes are cut differs between
 * replicas, so what "~" removed is said as a length, or as the lowest id that stayed. */
#include "node/command/stream.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"

#include <stdlib.h>

/* ---- shared -------------------------------------------------------------------------------- */

bool stream_read(struct cmd *c, int i, struct stream **s)
{
    struct key k;
    struct item *it = access_read(c, &c->argv[i], &k);

    *s = NULL;
    if (!access_type_ok(c, it, ITEM_STREAM)) {
        return false;
    }
    *s = it == NULL ? NULL : item_value(it);
    return true;
}

bool stream_write(struct cmd *c, int i, struct key *k, struct stream **s)
{
    struct item *it = access_write(c, &c->argv[i], k);

    *s = NULL;
    if (!access_type_ok(c, it, ITEM_STREAM)) {
        return false;
    }
    *s = it == NULL ? NULL : item_value(it);
    return true;
}

static bool bad_id(struct cmd *c)
{
    resp_error(c->reply, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool stream_id_arg(struct cmd *c, int i, uint64_t missing_seq, struct stream_id *out)
{
    return stream_id_parse(c->argv[i].p, c->argv[i].n, missing_seq, out, NULL) || bad_id(c);
}

/* An end of an interval; *@open: the id itself does not belong to it. */
static bool edge_arg(struct cmd *c, int i, uint64_t missing_seq, struct stream_id *out, bool *open)
{
    struct arg a = c->argv[i];

    *open = a.n > 1 && a.p[0] == '(';
    if (*open) {
        a.p++;
        a.n--;
    } else if (a.n == 1 && (a.p[0] == '-' || a.p[0] == '+')) {
        *out = a.p[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
        return true;
    }
    return stream_id_parse(a.p, a.n, missing_seq, out, NULL) || bad_id(c);
}

bool stream_first_arg(struct cmd *c, int i, struct stream_id *out)
{
    bool open;

    if (!edge_arg(c, i, 0, out, &open)) {
        return false;
    }
    if (open && !stream_id_increment(out)) {
        resp_error(c->reply, "ERR invalid start ID for the interval");
        return false;
    }
    return true;
}

bool stream_last_arg(struct cmd *c, int i, struct stream_id *out)
{
    bool open;

    if (!edge_arg(c, i, UINT64_MAX, out, &open)) {
        return false;
    }
    if (open && !stream_id_decrement(out)) {
        resp_error(c->reply, "ERR invalid end ID for the interval");
        return false;
    }
    return true;
}

void stream_reply_id(struct cmd *c, struct stream_id id)
{
    char text[STREAM_ID_CHARS];

    resp_bulk(c->reply, text, stream_id_print(text, id));
}

void stream_reply_entry(struct cmd *c, const struct stream_iter *i, const struct stream_entry *e)
{
    struct stream_fields f;
    listpack_pos field, value;
    char scratch[24];

    resp_array(c->reply, 2);
    stream_reply_id(c, e->id);
    resp_array(c->reply, 2 * e->n_fields);
    stream_fields_begin(&f, &i->master, e);
    while (stream_fields_next(&f, i->lp, &field, &value)) {
        struct arg text = listpack_text(field, scratch);

        resp_bulk(c->reply, text.p, text.n);
        text = listpack_text(value, scratch);
        resp_bulk(c->reply, text.p, text.n);
    }
}

void stream_reply_range(struct cmd *c, const struct stream *s, struct stream_id first,
                        struct stream_id last, bool backwards, uint64_t count)
{
    size_t at = resp_deferred_begin(c->reply);
    size_t n = 0;
    struct stream_iter i;
    struct stream_entry e;

    stream_iter_begin(&i, s, first, last, backwards);
    while ((count == 0 || n < count) && stream_iter_next(&i, &e)) {
        stream_reply_entry(c, &i, &e);
        n++;
    }
    resp_deferred_array(c->reply, at, n);
}

bool stream_reply_one(struct cmd *c, const struct stream *s, struct stream_id id)
{
    struct stream_iter i;
    struct stream_entry e;

    stream_iter_begin(&i, s, id, id, false);
    if (!stream_iter_next(&i, &e)) {
        return false;
    }
    stream_reply_entry(c, &i, &e);
    return true;
}

/* ---- trimming ------------------------------------------------------------------------------ */

/* MAXLEN or MINID, and where they stand: for the effect. */
struct trim_args {
    struct stream_trim trim;
    bool given;
    int kind_at;      /* MAXLEN or MINID */
    int threshold_at; /* its number or id */
    int limit_at;     /* LIMIT; 0: none */
};

/* An option at argv[@i] with its arguments, of which @more are there; returns how many words it
 * takes, 0: it is none, -1: replied. */
static int trim_option(struct cmd *c, int i, struct trim_args *t)
{
    bool len = arg_is(&c->argv[i], "maxlen");
    int more = c->argc - 1 - i;
    int at = i + 1;
    int64_t n;

    if (more < 1 || (!len && !arg_is(&c->argv[i], "minid"))) {
        return 0;
    }
    if (t->given) {
        resp_error(c->reply, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                             "compatible");
        return -1;
    }
    t->given = true;
    t->kind_at = i;
    t->trim.by_id = !len;
    t->trim.whole_nodes_only = more >= 2 && arg_is(&c->argv[at], "~");
    if (t->trim.whole_nodes_only || (more >= 2 && arg_is(&c->argv[at], "="))) {
        at++;
    }
    t->threshold_at = at;
    if (!len) {
        return stream_id_arg(c, at, 0, &t->trim.min_id) ? at - i + 1 : -1;
    }
    if (!cmd_arg_i64(c, at, &n, NULL)) {
        return -1;
    }
    if (n < 0) {
        resp_error(c->reply, "ERR The MAXLEN argument must be >= 0.");
        return -1;
    }
    t->trim.len_max = (uint64_t)n;
    return at - i + 1;
}

/* LIMIT count; as above. */
static int limit_option(struct cmd *c, int i, struct trim_args *t)
{
    int64_t n;

    if (!arg_is(&c->argv[i], "limit") || i + 1 == c->argc) {
        return 0;
    }
    if (!cmd_arg_i64(c, i + 1, &n, NULL)) {
        return -1;
    }
    if (n < 0) {
        resp_error(c->reply, "ERR The LIMIT argument must be >= 0.");
        return -1;
    }
    t->limit_at = i;
    t->trim.most = (uint64_t)n;
    return 2;
}

/* Without LIMIT a "~" removes so many at most. */
static uint64_t default_limit(const struct cmd *c)
{
    int64_t per_node = cmd_types_limits(c)->stream_node_max_entries;

    if (per_node <= 0) {
        return 10000;
    }
    return per_node > 10000 ? 1000000 : (uint64_t)per_node * 100;
}

/* Do the options go together? False: replied. */
static bool trim_args_fit(struct cmd *c, struct trim_args *t)
{
    if (!t->given && t->trim.most > 0) {
        resp_error(c->reply,
                   "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
        return false;
    }
    if (t->limit_at > 0 && !t->trim.whole_nodes_only) {
        resp_error(c->reply, "ERR syntax error, LIMIT cannot be used without the special ~ option");
        return false;
    }
    if (t->trim.whole_nodes_only && t->limit_at == 0) {
        t->trim.most = default_limit(c);
    }
    return true;
}

/* The command with @id in the place of argv[@id_at] (NULL: as it is), and exact trimming. */
static void log_exact(struct cmd *c, const struct stream *s, const struct trim_args *t, int id_at,
                      const struct arg *id)
{
    struct arg few[32] = {{NULL, 0}};
    struct arg *argv = few;
    char threshold[STREAM_ID_CHARS];
    size_t n = 0;

    if (c->applying) {
        return;
    }
    if ((size_t)c->argc > ARRAY_LEN(few)) {
        argv = mem_alloc((size_t)c->argc * sizeof *argv);
    }
    for (int i = 0; i < c->argc; i++) {
        bool loose = t->trim.whole_nodes_only;

        argv[n] = id != NULL && i == id_at ? *id : c->argv[i];
        if (loose && i == t->threshold_at - 1) {
            argv[n] = (struct arg){"=", 1};
        } else if (loose && i == t->threshold_at && !t->trim.by_id) {
            argv[n] = (struct arg){threshold, num_print_i64(threshold, (int64_t)stream_len(s))};
        } else if (loose && i == t->threshold_at && stream_len(s) > 0) {
            argv[n] = (struct arg){threshold, stream_id_print(threshold, stream_first_id(s))};
        } else if (loose && t->limit_at > 0 && (i == t->limit_at || i == t->limit_at + 1)) {
            continue;
        }
        n++;
    }
    effect_args(c, argv, n);
    if (argv != few) {
        free(argv);
    }
}

void cmd_xtrim(struct cmd *c)
{
    struct trim_args t = {0};
    struct stream *s;
    struct key k;
    uint64_t removed = 0;
    int words;

    for (int i = 2; i < c->argc; i += words) {
        words = trim_option(c, i, &t);
        words = words != 0 ? words : limit_option(c, i, &t);
        if (words <= 0) {
            if (words == 0) {
                cmd_reply_syntax_error(c);
            }
            return;
        }
    }
    if (!trim_args_fit(c, &t) || !stream_write(c, 1, &k, &s)) {
        return;
    }
    if (s != NULL && t.given) {
        removed = stream_trim(s, &t.trim);
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        log_exact(c, s, &t, 0, NULL);
        notify(c, NOTIFY_STREAM, "xtrim", &k);
    }
    resp_int(c->reply, (int64_t)removed);
}

/* ---- XADD ---------------------------------------------------------------------------------- */

struct add_args {
    struct trim_args trim;
    bool must_exist;
    bool any_id, any_seq; /* "*", "ms-*" */
    int id_at;
    struct stream_id id;
};

static bool add_options(struct cmd *c, struct add_args *a)
{
    int words;

    for (int i = 2; i < c->argc; i += words) {
        if (arg_is(&c->argv[i], "*")) {
            a->any_id = true;
            a->id_at = i;
            break;
        }
        words = trim_option(c, i, &a->trim);
        words = words != 0 ? words : limit_option(c, i, &a->trim);
        if (words < 0) {
            return false;
        }
        if (words == 0 && arg_is(&c->argv[i], "nomkstream")) {
            a->must_exist = true;
            words = 1;
        } else if (words == 0) {
            if (!stream_id_parse(c->argv[i].p, c->argv[i].n, 0, &a->id, &a->any_seq)) {
                return bad_id(c);
            }
            a->id_at = i;
            break;
        }
    }
    return trim_args_fit(c, &a->trim);
}

static bool add_arguments(struct cmd *c, struct add_args *a)
{
    int words;

    if (!add_options(c, a)) {
        return false;
    }
    words = c->argc - a->id_at - 1;
    if (a->id_at == 0 || words < 2 || words % 2 != 0) {
        cmd_reply_arity_error(c);
        return false;
    }
    if (!a->any_id && !a->any_seq && stream_id_is_zero(a->id)) {
        resp_error(c->reply, "ERR The ID specified in XADD must be greater than 0-0");
        return false;
    }
    return true;
}

/* Complete a->id to one behind @last; false: replied. */
static bool choose_id(struct cmd *c, struct add_args *a, struct stream_id last)
{
    struct stream_id next = last;

    if (!stream_id_increment(&next)) {
        resp_error(c->reply,
                   "ERR The stream has exhausted the last possible ID, unable to add more items");
        return false;
    }
    if (a->any_id) {
        a->id = (struct stream_id){(uint64_t)c->now_ms, 0};
        if (a->id.ms <= last.ms) {
            a->id = next;
        }
    } else if (a->any_seq && a->id.ms == last.ms) {
        a->id = next.ms == last.ms ? next : last;
    }
    if (stream_id_compare(a->id, last) <= 0) {
        resp_error(c->reply, "ERR The ID specified in XADD is equal or smaller than the target "
                             "stream top item");
        return false;
    }
    return true;
}

/* Does an entry of these words fit into a listpack? False: replied. */
static bool entry_fits(struct cmd *c, const struct arg *argv, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += argv[i].n;
    }
    if (bytes <= STREAM_ENTRY_BYTES_MAX &&
        bytes + n * LISTPACK_ENTRY_OVERHEAD <= 2 * STREAM_ENTRY_BYTES_MAX) {
        return true;
    }
    resp_error(c->reply, "ERR Elements are too large to be stored");
    return false;
}

void cmd_xadd(struct cmd *c)
{
    struct add_args a = {0};
    char text[STREAM_ID_CHARS];
    struct arg id = {text, 0};
    const struct arg *words;
    struct stream *s;
    struct key k;
    size_t n;

    if (!add_arguments(c, &a) || !stream_write(c, 1, &k, &s)) {
        return;
    }
    if (s == NULL && a.must_exist) {
        resp_null(c->reply);
        return;
    }
    words = &c->argv[a.id_at + 1];
    n = (size_t)(c->argc - a.id_at - 1);
    if (!choose_id(c, &a, s == NULL ? STREAM_ID_MIN : s->last_id) || !entry_fits(c, words, n)) {
        return;
    }
    if (s == NULL) {
        s = stream_new();
        (void)access_set_value(c, &k, NULL, s, KEYSPACE_NO_EXPIRE);
    }
    stream_append(s, a.id, words, n / 2, cmd_types_limits(c));
    access_changed(c, c->db, &k);
    id.n = stream_id_print(text, a.id);
    resp_bulk(c->reply, id.p, id.n);
    notify(c, NOTIFY_STREAM, "xadd", &k);
    if (a.trim.given && stream_trim(s, &a.trim.trim) > 0) {
        notify(c, NOTIFY_STREAM, "xtrim", &k);
    }
    log_exact(c, s, &a.trim, a.id_at, &id);
}

/* ---- XDEL, XSETID -------------------------------------------------------------------------- */

void cmd_xdel(struct cmd *c)
{
    struct stream_id id;
    struct stream *s;
    struct key k;
    int64_t removed = 0;

    if (!stream_write(c, 1, &k, &s)) {
        return;
    }
    for (int i = 2; s != NULL && i < c->argc; i++) {
        if (!stream_id_arg(c, i, 0, &id)) {
            return;
        }
    }
    for (int i = 2; s != NULL && i < c->argc; i++) {
        removed +=
            stream_id_parse(c->argv[i].p, c->argv[i].n, 0, &id, NULL) && stream_delete(s, id);
    }
    if (removed > 0) {
        access_changed(c, c->db, &k);
        effect_verbatim(c);
        notify(c, NOTIFY_STREAM, "xdel", &k);
    }
    resp_int(c->reply, removed);
}

struct setid_args {
    struct stream_id id, max_deleted;
    int64_t added; /* -1: not given */
};

static bool setid_arguments(struct cmd *c, struct setid_args *a)
{
    *a = (struct setid_args){.added = -1};
    if (!stream_id_arg(c, 2, 0, &a->id)) {
        return false;
    }
    for (int i = 3; i < c->argc; i += 2) {
        if (i + 1 < c->argc && arg_is(&c->argv[i], "entriesadded")) {
            if (!cmd_arg_i64(c, i + 1, &a->added, NULL)) {
                return false;
            }
            if (a->added < 0) {
                resp_error(c->reply, "ERR entries_added must be positive");
                return false;
            }
        } else if (i + 1 < c->argc && arg_is(&c->argv[i], "maxdeletedid")) {
            if (!stream_id_arg(c, i + 1, 0, &a->max_deleted)) {
                return false;
            }
            if (stream_id_compare(a->id, a->max_deleted) < 0) {
                resp_error(c->reply, "ERR The ID specified in XSETID is smaller than the provided "
                                     "max_deleted_entry_id");
                return false;
            }
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* False: replied. */
static bool setid_fits(struct cmd *c, const struct stream *s, const struct setid_args *a)
{
    if (stream_len(s) == 0) {
        return true;
    }
    if (stream_id_compare(a->id, stream_top_id(s)) < 0) {
        resp_error(c->reply,
                   "ERR The ID specified in XSETID is smaller than the target stream top item");
        return false;
    }
    if (a->added >= 0 && (uint64_t)a->added < stream_len(s)) {
        resp_error(c->reply, "ERR The entries_added specified in XSETID is smaller than the "
                             "target stream length");
        return false;
    }
    return true;
}

void cmd_xsetid(struct cmd *c)
{
    struct setid_args a;
    struct stream *s;
    struct key k;

    if (!setid_arguments(c, &a) || !stream_write(c, 1, &k, &s)) {
        return;
    }
    if (s == NULL) {
        resp_error(c->reply, "ERR no such key");
        return;
    }
    if (!setid_fits(c, s, &a)) {
        return;
    }
    s->last_id = a.id;
    if (a.added >= 0) {
        s->entries_added = (uint64_t)a.added;
    }
    if (!stream_id_is_zero(a.max_deleted)) {
        s->max_deleted_id = a.max_deleted;
    }
    access_changed(c, c->db, &k);
    effect_verbatim(c);
    notify(c, NOTIFY_STREAM, "xsetid", &k);
    cmd_reply_ok(c);
}

/* ---- XLEN, XRANGE -------------------------------------------------------------------------- */

void cmd_xlen(struct cmd *c)
{
    struct stream *s;

    if (stream_read(c, 1, &s)) {
        resp_int(c->reply, s == NULL ? 0 : (int64_t)stream_len(s));
    }
}

/* COUNT from argv[4] on; *@count 0: any number, < 0: none. */
static bool range_options(struct cmd *c, int64_t *count)
{
    *count = 0;
    for (int i = 4; i < c->argc; i += 2) {
        if (!arg_is(&c->argv[i], "count") || i + 1 == c->argc) {
            cmd_reply_syntax_error(c);
            return false;
        }
        if (!cmd_arg_i64(c, i + 1, count, NULL)) {
            return false;
        }
        *count = *count <= 0 ? -1 : *count;
    }
    return true;
}

static void range_command(struct cmd *c, bool backwards)
{
    struct stream_id first, last;
    struct stream *s;
    int64_t count;

    if (!stream_first_arg(c, backwards ? 3 : 2, &first) ||
        !stream_last_arg(c, backwards ? 2 : 3, &last) || !range_options(c, &count) ||
        !stream_read(c, 1, &s)) {
        return;
    }
    if (s == NULL) {
        resp_array(c->reply, 0);
    } else if (count < 0) {
        resp_null_array(c->reply);
    } else {
        stream_reply_range(c, s, first, last, backwards, (uint64_t)count);
    }
}

void cmd_xrange(struct cmd *c) { range_command(c, false); }

void cmd_xrevrange(struct cmd *c) { range_command(c, true); }
