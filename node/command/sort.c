/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/sort.c - SORT and SORT_RO. Source: the Redis command page.
 *
 * The arguments become a struct sorting; the elements to give are loaded and put in order; then
 * they, or what GET finds for them, are replied or stored (sort_keys.c looks keys up by patterns).
 *
 * The order is total: elements of equal weight are ordered by their bytes; where the page leaves
 * the order open (ALPHA with BY), lists and sorted sets keep theirs. What STORE stores is logged as
 * it is (DEL, RPUSH): it depends on other keys. */
#include "node/command/sort.h"

#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "node/types/list.h"
#include "node/types/set.h"
#include "node/types/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct element {
    struct arg text;
    union {
        double score;
        struct arg by; /* ALPHA with BY; p NULL: there is none */
    };
    size_t at; /* place before sorting; from the end for DESC */
};

struct sorting {
    struct cmd *c;
    bool by, nosort, desc, alpha; /* by: argv has BY; nosort: without a '*' */
    struct sort_pattern by_pattern;
    int64_t offset, count; /* LIMIT; negative count: all */
    const struct arg *store;
    struct sort_pattern *gets;
    size_t n_gets;
    const struct item *it;
    struct element *elements;
    size_t n;           /* loaded */
    size_t first, last; /* of them, [first, last) are asked for, in the final order */
    struct sort_texts texts;
};

/* ---- arguments ----------------------------------------------------------------------------- */

static bool by_arg(struct sorting *s, const struct arg *pattern)
{
    s->by = true;
    sort_pattern_init(&s->by_pattern, pattern);
    if (!s->by_pattern.has_key) {
        s->nosort = true;
    } else if (cmd_cluster_enabled(s->c)) {
        resp_error(s->c->reply, "ERR BY option of SORT denied in Cluster mode.");
        return false;
    } else if (!cmd_reads_all_keys(s->c)) {
        resp_error(s->c->reply,
                   "ERR BY option of SORT denied due to insufficient ACL permissions.");
        return false;
    }
    return true;
}

static bool get_arg(struct sorting *s, const struct arg *pattern)
{
    if (cmd_cluster_enabled(s->c)) {
        resp_error(s->c->reply, "ERR GET option of SORT denied in Cluster mode.");
        return false;
    }
    if (!cmd_reads_all_keys(s->c)) {
        resp_error(s->c->reply,
                   "ERR GET option of SORT denied due to insufficient ACL permissions.");
        return false;
    }
    sort_pattern_init(&s->gets[s->n_gets++], pattern);
    return true;
}

static bool options(struct sorting *s, bool may_store)
{
    struct cmd *c = s->c;

    for (int i = 2; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];
        int left = c->argc - i - 1;
        bool ok = true;

        if (arg_is(word, "asc")) {
            s->desc = false;
        } else if (arg_is(word, "desc")) {
            s->desc = true;
        } else if (arg_is(word, "alpha")) {
            s->alpha = true;
        } else if (arg_is(word, "limit") && left >= 2) {
            ok = cmd_arg_i64(c, i + 1, &s->offset, NULL) && cmd_arg_i64(c, i + 2, &s->count, NULL);
            i += 2;
        } else if (may_store && arg_is(word, "store") && left >= 1) {
            s->store = &c->argv[++i];
        } else if (arg_is(word, "by") && left >= 1) {
            ok = by_arg(s, &c->argv[++i]);
        } else if (arg_is(word, "get") && left >= 1) {
            ok = get_arg(s, &c->argv[++i]);
        } else {
            cmd_reply_syntax_error(c);
            ok = false;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* ---- loading ------------------------------------------------------------------------------- */

static size_t len_of(const struct item *it)
{
    if (it == NULL) {
        return 0;
    }
    switch (item_type(it)) {
    case ITEM_LIST:
        return list_len(it);
    case ITEM_SET:
        return set_len(it);
    default:
        return zset_len(it);
    }
}

static void set_range(struct sorting *s, size_t len)
{
    size_t left;

    s->first = s->offset < 0 ? 0 : MIN_OF((size_t)s->offset, len);
    left = len - s->first;
    s->last = s->first + (s->count < 0 ? left : MIN_OF((size_t)s->count, left));
}

static void load_element(struct sorting *s, struct arg text)
{
    s->elements[s->n++] = (struct element){.text = text};
}

static void load_list(struct sorting *s, size_t from, size_t to)
{
    size_t len = list_len(s->it);
    bool backwards = s->nosort && s->desc;
    struct list_iter iter;
    char scratch[24];

    if (from == to) {
        return;
    }
    list_iter_at(&iter, s->it, backwards ? len - 1 - from : from, backwards);
    for (size_t i = from; i < to; i++) {
        struct arg text = listpack_text(list_iter_next(&iter), scratch);

        load_element(s, text.p == scratch ? sort_texts_keep(&s->texts, text) : text);
    }
}

static void load_zset(struct sorting *s, size_t from, size_t to)
{
    bool backwards = s->nosort && s->desc;
    struct zset_iter iter;
    struct arg text;
    double score;

    if (from == to) {
        return;
    }
    zset_iter_at(&iter, s->it, backwards ? zset_len(s->it) - 1 - from : from, backwards);
    for (size_t i = from; i < to && zset_iter_next(&iter, &text, &score); i++) {
        load_element(s, text.p == iter.scratch ? sort_texts_keep(&s->texts, text) : text);
    }
}

static bool load_member(void *arg, struct arg member)
{
    struct sorting *s = arg;

    load_element(s, sort_texts_keep(&s->texts, member));
    return true;
}

/* The elements: of a list or sorted set whose order stays, only those that are asked for. False: no
 * memory, replied. */
static bool load(struct sorting *s)
{
    size_t len = len_of(s->it), from = 0, to = len;

    set_range(s, len);
    if (s->nosort && len > 0 && item_type(s->it) != ITEM_SET) {
        from = s->first;
        to = s->last;
        s->first = 0;
        s->last = to - from;
    }
    s->elements = mem_try_alloc(MAX_OF(to - from, (size_t)1) * sizeof *s->elements);
    if (s->elements == NULL) {
        resp_error(s->c->reply, "OOM no memory to sort so many elements");
        return false;
    }
    if (len == 0) {
        return true;
    }
    if (item_type(s->it) == ITEM_LIST) {
        load_list(s, from, to);
    } else if (item_type(s->it) == ITEM_SET) {
        set_each(item_value(s->it), load_member, s);
    } else {
        load_zset(s, from, to);
    }
    return true;
}

/* ---- weights ------------------------------------------------------------------------------- */

#define NUMBER_CHARS 128 /* longer ones are copied elsewhere */

/* A text as strtod() reads numbers, which Redis lets clients write here: "", " 1", "0x10" are. */
static bool number_of(struct arg text, double *out)
{
    char near[NUMBER_CHARS], *copy = near, *end;
    int64_t whole;
    bool ok;

    if (num_parse_i64(text.p, text.n, &whole)) {
        *out = (double)whole;
        return true;
    }
    if (text.n >= sizeof near) {
        copy = mem_alloc(text.n + 1);
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    errno = 0;
    *out = strtod(copy, &end);
    ok = *end == '\0' && errno != ERANGE && !isnan(*out);
    if (copy != near) {
        free(copy);
    }
    return ok;
}

static bool weigh_element(struct sorting *s, struct element *e)
{
    char scratch[24];
    struct arg text = e->text;

    if (s->by && !sort_pattern_find(s->c, &s->by_pattern, &e->text, scratch, &text)) {
        if (s->alpha) {
            e->by = (struct arg){NULL, 0};
        } else {
            e->score = 0;
        }
        return true;
    }
    if (!s->alpha) {
        return number_of(text, &e->score);
    }
    if (s->by) {
        e->by = sort_texts_keep(&s->texts, text);
    }
    return true;
}

/* False: some weight is no number, replied. */
static bool weigh(struct sorting *s)
{
    bool ok = true;

    for (size_t i = 0; i < s->n; i++) {
        s->elements[i].at = s->desc ? s->n - 1 - i : i;
        ok &= weigh_element(s, &s->elements[i]);
    }
    if (!ok) {
        resp_error(s->c->reply, "ERR One or more scores can't be converted into double");
    }
    return ok;
}

/* ---- order --------------------------------------------------------------------------------- */

static int compare_bytes(const struct arg *a, const struct arg *b)
{
    size_t n = MIN_OF(a->n, b->n);
    int rc = n == 0 ? 0 : memcmp(a->p, b->p, n);

    return rc != 0 ? rc : (a->n > b->n) - (a->n < b->n);
}

static int compare_places(const struct element *a, const struct element *b)
{
    return (a->at > b->at) - (a->at < b->at);
}

static int by_text(const void *pa, const void *pb)
{
    const struct element *a = pa, *b = pb;
    int rc = compare_bytes(&a->text, &b->text);

    return rc != 0 ? rc : compare_places(a, b);
}

static int by_score(const void *pa, const void *pb)
{
    const struct element *a = pa, *b = pb;

    if (a->score != b->score) {
        return a->score < b->score ? -1 : 1;
    }
    return by_text(a, b);
}

/* What was found for an element; those for which nothing was found come first. */
static int compare_found(const struct element *a, const struct element *b)
{
    if (a->by.p == NULL || b->by.p == NULL) {
        return (a->by.p != NULL) - (b->by.p != NULL);
    }
    return compare_bytes(&a->by, &b->by);
}

static int by_found_of_ordered(const void *pa, const void *pb)
{
    int rc = compare_found(pa, pb);

    return rc != 0 ? rc : compare_places(pa, pb);
}

static int by_found_of_set(const void *pa, const void *pb)
{
    int rc = compare_found(pa, pb);

    return rc != 0 ? rc : by_text(pa, pb);
}

static void reverse(struct sorting *s)
{
    for (size_t i = 0, j = s->n; i + 1 < j; i++) {
        struct element e = s->elements[i];

        s->elements[i] = s->elements[--j];
        s->elements[j] = e;
    }
}

static void put_in_order(struct sorting *s)
{
    int (*compare)(const void *, const void *) = by_score;

    if (s->alpha && s->by) {
        compare = item_type(s->it) == ITEM_SET ? by_found_of_set : by_found_of_ordered;
    } else if (s->alpha) {
        compare = by_text;
    }
    qsort(s->elements, s->n, sizeof *s->elements, compare);
    if (s->desc) {
        reverse(s);
    }
}

/* ---- the result ---------------------------------------------------------------------------- */

/* All texts of the result, in order; @text NULL: GET has found nothing. Stops when @fn says false.
 */
typedef bool text_fn(void *arg, const struct arg *text);

static bool each_get(struct sorting *s, const struct arg *element, text_fn *fn, void *arg)
{
    char scratch[24];

    for (size_t i = 0; i < s->n_gets; i++) {
        struct arg found;
        bool ok = sort_pattern_find(s->c, &s->gets[i], element, scratch, &found);

        if (!fn(arg, ok ? &found : NULL)) {
            return false;
        }
    }
    return true;
}

static bool each_text(struct sorting *s, text_fn *fn, void *arg)
{
    bool go_on = true;

    for (size_t i = s->first; go_on && i < s->last; i++) {
        const struct arg *text = &s->elements[i].text;

        go_on = s->n_gets > 0 ? each_get(s, text, fn, arg) : fn(arg, text);
    }
    return go_on;
}

static bool reply_text(void *arg, const struct arg *text)
{
    struct resp_out *out = arg;

    if (text != NULL) {
        resp_bulk(out, text->p, text->n);
    } else {
        resp_null(out);
    }
    return true;
}

static void reply(struct sorting *s)
{
    resp_array(s->c->reply, (s->last - s->first) * MAX_OF(s->n_gets, (size_t)1));
    (void)each_text(s, reply_text, s->c->reply);
}

#define EFFECT_TEXTS 256   /* in one RPUSH of the log */
#define EFFECT_OVERHEAD 16 /* bytes of an argument in the log beside its own, at most */

struct storing {
    struct sorting *s;
    struct item *list; /* in no keyspace yet */
    size_t bytes_left; /* of the log entry */
};

static bool store_text(void *arg, const struct arg *text)
{
    static const struct arg none = {"", 0};
    struct storing *t = arg;
    size_t bytes;

    text = text != NULL ? text : &none;
    bytes = text->n + EFFECT_OVERHEAD + t->s->store->n / EFFECT_TEXTS;
    if (bytes > t->bytes_left) {
        return false;
    }
    t->bytes_left -= bytes;
    list_push(t->list, false, text->p, text->n, cmd_types_limits(t->s->c));
    return true;
}

static void log_list(struct cmd *c, const struct key *k, const struct item *list)
{
    struct arg argv[2 + EFFECT_TEXTS] = {{"RPUSH", 5}, {k->p, k->n}};
    char scratch[EFFECT_TEXTS][24];
    struct list_iter iter;
    listpack_pos p;
    size_t n = 0;

    list_iter_at(&iter, list, 0, false);
    while ((p = list_iter_next(&iter)) != NULL) {
        argv[2 + n] = listpack_text(p, scratch[n]);
        if (++n == EFFECT_TEXTS) {
            effect_args(c, argv, 2 + n);
            n = 0;
        }
    }
    if (n > 0) {
        effect_args(c, argv, 2 + n);
    }
}

/* Put the result at the key, or delete what is there when it is empty. */
static void put_result(struct storing *t)
{
    struct cmd *c = t->s->c;
    struct key k;
    struct item *old = access_write(c, t->s->store, &k);
    size_t n = list_len(t->list);

    if (old != NULL) {
        effect_del(c, &k);
    }
    if (n > 0) {
        old = access_set_value(c, &k, old, item_detached_take(t->list), KEYSPACE_NO_EXPIRE);
        log_list(c, &k, old);
        notify(c, NOTIFY_LIST, "sortstore", &k);
    } else {
        item_free(t->list);
        if (old != NULL) {
            access_delete(c, &k, old);
            notify(c, NOTIFY_GENERIC, "del", &k);
        }
    }
    resp_int(c->reply, (int64_t)n);
}

static void store(struct sorting *s)
{
    size_t most = cmd_effect_max(s->c);
    /* The name: for DEL, and for one RPUSH at least. */
    size_t names = MIN_OF(2 * (s->store->n + EFFECT_OVERHEAD), most);
    struct storing t = {s, item_detached(list_new()), most - names};

    if (each_text(s, store_text, &t)) {
        put_result(&t);
        return;
    }
    item_free(t.list);
    resp_errorf(s->c->reply,
                "ERR the result is too large: at most %zu bytes fit into one log entry", most);
}

/* ---- commands ------------------------------------------------------------------------------ */

static bool find_value(struct sorting *s)
{
    struct key k;

    s->it = access_read(s->c, &s->c->argv[1], &k);
    if (s->it != NULL && item_type(s->it) != ITEM_LIST && item_type(s->it) != ITEM_SET &&
        item_type(s->it) != ITEM_ZSET) {
        cmd_reply_wrong_type(s->c);
        return false;
    }
    /* The order in which a set lies is chance, and nothing to keep. */
    if (s->nosort && s->store != NULL && s->it != NULL && item_type(s->it) == ITEM_SET) {
        s->nosort = s->by = false;
        s->alpha = true;
    }
    return true;
}

static void run(struct sorting *s, bool may_store)
{
    if (!options(s, may_store) || !find_value(s) || !load(s)) {
        return;
    }
    if (!s->nosort && s->n > 0) {
        if (!weigh(s)) {
            return;
        }
        put_in_order(s);
    }
    if (s->store != NULL) {
        store(s);
    } else {
        reply(s);
    }
}

static void sort(struct cmd *c, bool may_store)
{
    struct sorting s = {.c = c, .count = -1};

    s.gets = mem_alloc((size_t)c->argc * sizeof *s.gets); /* more than can be */
    run(&s, may_store);
    sort_texts_release(&s.texts);
    free(s.elements);
    free(s.gets);
}

void cmd_sort(struct cmd *c) { sort(c, true); }

void cmd_sort_ro(struct cmd *c) { sort(c, false); }
