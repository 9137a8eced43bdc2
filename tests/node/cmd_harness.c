/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/cmd_harness.c - see cmd_harness.h. */
#include "tests/node/cmd_harness.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/block.h"
#include "node/command/hash.h"
#include "node/effects.h"
#include "node/groups.h"
#include "node/migrate.h"
#include "node/node_limits.h"
#include "node/notify.h"
#include "proto/effect.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DATABASES 16
#define FIRST_NOW INT64_C(1000000000000)
/* What an applying command would do harm with if it looked. */
#define NO_CLOCK INT64_C(4000000000000000)

struct harness {
    struct keyspace *leader, *follower;
    bool cluster, lfu, on_follower, told_change, reads_some_keys;
    uint32_t db;
    int64_t now_ms, string_max, timeout_us;
    size_t effect_max;
    uint64_t random;
    struct resp_out out;
    struct types_limits limits;
    size_t expired_fields;
    struct buf reply, text, effects, effects_text, events;
};

/* struct cmd's node is opaque here: it carries the harness. */
static struct harness *of(const struct cmd *c) { return (struct harness *)(void *)c->node; }

/* ---- node/node_limits.h ----------------------------------------------------------------- */

int64_t cmd_string_max(const struct cmd *c)
{
    assert(!c->applying);
    return of(c)->string_max;
}

uint64_t cmd_random(struct cmd *c)
{
    assert(!c->applying);
    of(c)->random = of(c)->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return of(c)->random >> 16;
}

int64_t cmd_wall_ms(const struct cmd *c) { return of(c)->now_ms; }

uint32_t cmd_databases(const struct cmd *c)
{
    (void)c;
    return DATABASES;
}

bool cmd_cluster_enabled(const struct cmd *c) { return of(c)->cluster; }

bool cmd_reads_all_keys(const struct cmd *c) { return !of(c)->reads_some_keys; }

bool cmd_access_is_lfu(const struct cmd *c) { return of(c)->lfu; }

static uint32_t clock_now(const struct cmd *c, uint32_t counter)
{
    uint64_t seconds = (uint64_t)of(c)->now_ms / 1000;

    return of(c)->lfu ? (uint32_t)(seconds / 60 % 65536 << 8 | counter) : seconds % (1 << 24);
}

uint32_t cmd_access_clock_new(struct cmd *c) { return clock_now(c, 5); }

uint32_t cmd_access_clock(struct cmd *c, uint32_t access)
{
    return clock_now(c, MIN_OF((access & 0xff) + 1, 255));
}

int64_t cmd_access_idle(const struct cmd *c, uint32_t access)
{
    return (clock_now(c, 0) - access) & 0xffffff;
}

int64_t cmd_access_freq(const struct cmd *c, uint32_t access)
{
    (void)c;
    return access & 0xff;
}

bool cmd_compresses(const struct cmd *c)
{
    (void)c;
    return true;
}

void migrate_note_restored(const struct cmd *c, const struct arg *name)
{
    (void)c;
    (void)name;
}

size_t cmd_effect_max(const struct cmd *c) { return of(c)->effect_max; }

void harness_set_effect_max(struct harness *h, size_t n) { h->effect_max = n; }

const struct types_limits *cmd_types_limits(const struct cmd *c) { return &of(c)->limits; }

struct types_limits *harness_limits(struct harness *h) { return &h->limits; }

/* ---- node/notify.h ---------------------------------------------------------------------- */

void notify_db(struct cmd *c, enum notify_class class, const char *event, uint32_t db,
               const struct key *k)
{
    if (c->applying) {
        return;
    }
    of(c)->told_change |= class != NOTIFY_KEY_MISS;
    buf_printf(&of(c)->events, "%s%s %.*s", of(c)->events.len > 0 ? " ; " : "", event, (int)k->n,
               k->p);
    if (db != c->db) {
        buf_printf(&of(c)->events, " in %u", db);
    }
}

void notify(struct cmd *c, enum notify_class class, const char *event, const struct key *k)
{
    notify_db(c, class, event, c->db, k);
}

const char *harness_events(struct harness *h)
{
    buf_append(&h->events, "", 1);
    return buf_head(&h->events);
}

/* ---- node/effects.h --------------------------------------------------------------------- */

static void record(struct cmd *c, uint32_t db, const struct arg *argv, size_t argc)
{
    struct harness *h = of(c);

    if (c->applying) {
        return;
    }
    assert(!h->on_follower);
    effect_write(&h->effects, 0, db, argv, argc);
    c->effects++;
}

void effect_args(struct cmd *c, const struct arg *argv, size_t argc)
{
    record(c, c->db, argv, argc);
}

void effect_verbatim(struct cmd *c) { record(c, c->db, c->argv, (size_t)c->argc); }

void effect_words(struct cmd *c, const char *word, ...)
{
    struct arg argv[16];
    size_t argc = 0;
    va_list ap;

    va_start(ap, word);
    for (; word != NULL; word = va_arg(ap, const char *)) {
        assert(argc < ARRAY_LEN(argv));
        argv[argc++] = (struct arg){word, strlen(word)};
    }
    va_end(ap);
    record(c, c->db, argv, argc);
}

void effect_set(struct cmd *c, const struct key *k, const char *p, size_t n, int64_t expire_at)
{
    char ms[24];
    struct arg argv[5] = {{"SET", 3}, {k->p, k->n}, {p, n}};
    size_t argc = 3;

    if (expire_at == KEYSPACE_KEEP_EXPIRE) {
        argv[argc++] = (struct arg){"KEEPTTL", 7};
    } else if (expire_at != KEYSPACE_NO_EXPIRE) {
        argv[argc++] = (struct arg){"PXAT", 4};
        argv[argc++] =
            (struct arg){ms, (size_t)snprintf(ms, sizeof ms, "%lld", (long long)expire_at)};
    }
    record(c, c->db, argv, argc);
}

void effect_del_db(struct cmd *c, uint32_t db, const struct key *k)
{
    struct arg argv[2] = {{"DEL", 3}, {k->p, k->n}};

    record(c, db, argv, 2);
}

void effect_del(struct cmd *c, const struct key *k) { effect_del_db(c, c->db, k); }

void effect_pexpireat(struct cmd *c, const struct key *k, int64_t expire_at)
{
    char ms[24];
    struct arg argv[3] = {{"PERSIST", 7}, {k->p, k->n}};
    size_t argc = 2;

    if (expire_at != KEYSPACE_NO_EXPIRE) {
        argv[0] = (struct arg){"PEXPIREAT", 9};
        argv[argc++] =
            (struct arg){ms, (size_t)snprintf(ms, sizeof ms, "%lld", (long long)expire_at)};
    }
    record(c, c->db, argv, argc);
}

/* ---- node/access.h ---------------------------------------------------------------------- */

static void changed(struct cmd *c)
{
    assert(c->applying || !of(c)->on_follower);
    c->wrote = true;
    c->touched = true;
}

void access_changed(struct cmd *c, uint32_t db, const struct key *k)
{
    (void)db;
    (void)k;
    changed(c);
}

void access_note_expired_fields(struct cmd *c, size_t n) { of(c)->expired_fields += n; }

bool access_is_expired(const struct cmd *c, const struct item *it)
{
    int64_t at = keyspace_expire_at(c->ks, it);

    return !c->applying && at != KEYSPACE_NO_EXPIRE && at <= c->now_ms;
}

static struct item *look_up(struct cmd *c, uint32_t db, const struct arg *name, struct key *k)
{
    struct item *it;

    *k = keyspace_key(c->ks, name->p, name->n);
    c->touched = true;
    it = keyspace_find(c->ks, db, k);
    if (it == NULL || !access_is_expired(c, it)) {
        return it;
    }
    if (!of(c)->on_follower) {
        keyspace_delete(c->ks, db, it);
        changed(c);
        effect_del_db(c, db, k);
    }
    return NULL;
}

struct item *access_peek(struct cmd *c, const struct arg *name, struct key *k)
{
    return look_up(c, c->db, name, k);
}

struct item *access_look(struct cmd *c, const struct arg *name, struct key *k)
{
    return look_up(c, c->db, name, k);
}

struct item *access_write_db(struct cmd *c, uint32_t db, const struct arg *name, struct key *k)
{
    return look_up(c, db, name, k);
}

struct item *access_read(struct cmd *c, const struct arg *name, struct key *k)
{
    struct item *it = look_up(c, c->db, name, k);

    if (it != NULL && !c->applying) {
        item_set_access(it, cmd_access_clock(c, item_access(it)));
    }
    return it;
}

struct item *access_read_unnamed(struct cmd *c, const struct arg *name, struct key *k)
{
    return access_read(c, name, k);
}

struct item *access_write(struct cmd *c, const struct arg *name, struct key *k)
{
    return access_read(c, name, k);
}

bool access_type_ok(struct cmd *c, const struct item *it, enum item_type t)
{
    if (it == NULL || item_type(it) == t) {
        return true;
    }
    cmd_reply_wrong_type(c);
    return false;
}

void access_all(struct cmd *c) { c->touched = true; }

struct item *access_set_string(struct cmd *c, const struct key *k, struct item *it, const char *p,
                               size_t n, int64_t expire_at)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    changed(c);
    it = keyspace_set_string(c->ks, c->db, k, p, n, expire_at);
    item_set_access(it, cmd_access_clock_new(c));
    return it;
}

struct item *access_set_i64(struct cmd *c, const struct key *k, struct item *it, int64_t v,
                            int64_t expire_at)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    changed(c);
    it = keyspace_set_i64(c->ks, c->db, k, v, expire_at);
    item_set_access(it, cmd_access_clock_new(c));
    return it;
}

struct item *access_set_value(struct cmd *c, const struct key *k, struct item *it, void *value,
                              int64_t expire_at)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    changed(c);
    it = keyspace_put_value(c->ks, c->db, k, it, value, expire_at);
    item_set_access(it, cmd_access_clock_new(c));
    return it;
}

char *access_edit_string(struct cmd *c, const struct key *k, struct item **it, size_t len)
{
    assert(*it == keyspace_find(c->ks, c->db, k));
    changed(c);
    return keyspace_string_edit(c->ks, c->db, it, len);
}

void access_delete(struct cmd *c, const struct key *k, struct item *it)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    changed(c);
    keyspace_delete(c->ks, c->db, it);
}

void access_set_expire(struct cmd *c, const struct key *k, struct item *it, int64_t expire_at)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    changed(c);
    keyspace_set_expire(c->ks, c->db, it, expire_at);
}

struct item *access_move(struct cmd *c, const struct key *k, struct item *it, uint32_t to_db,
                         const struct key *to)
{
    assert(it == keyspace_find(c->ks, c->db, k));
    assert(keyspace_find(c->ks, to_db, to) == NULL);
    changed(c);
    return keyspace_move(c->ks, c->db, it, to_db, to);
}

struct item *access_copy(struct cmd *c, struct item *it, uint32_t to_db, const struct key *to)
{
    assert(keyspace_find(c->ks, to_db, to) == NULL);
    changed(c);
    return keyspace_copy(c->ks, it, to_db, to);
}

void access_flush_db(struct cmd *c, uint32_t db)
{
    changed(c);
    keyspace_free(keyspace_detach_db(c->ks, db));
}

void access_swap_dbs(struct cmd *c, uint32_t a, uint32_t b)
{
    changed(c);
    keyspace_swap_dbs(c->ks, a, b);
}

/* ---- node/groups.h: there is one ---------------------------------------------------------- */

bool groups_use(struct cmd *c, size_t i)
{
    assert(c->span == NULL);
    return i == 0;
}

bool groups_use_slot(struct cmd *c, uint16_t slot)
{
    (void)slot;
    assert(c->span == NULL);
    return true;
}

unsigned groups_first_slot(const struct cmd *c, int slot)
{
    (void)slot;
    assert(c->span == NULL);
    return 0;
}

/* ---- node/block.h ----------------------------------------------------------------------- */

bool block_on_keys(struct cmd *c, const struct block_request *r)
{
    assert(!c->applying);
    assert(r->n_keys > 0);
    for (size_t i = 0; i < r->n_keys; i++) {
        assert(r->keys[i] > 0 && r->keys[i] < (r->argv != NULL ? r->argc : c->argc));
    }
    assert(c->reply->buf->len == 0);
    of(c)->timeout_us = r->timeout_us;
    c->held = !c->in_exec;
    return c->held;
}

int64_t harness_timeout_us(const struct harness *h) { return h->timeout_us; }

/* ---- running ---------------------------------------------------------------------------- */

struct harness *harness_new(bool cluster)
{
    struct harness *h = mem_zalloc(sizeof *h);
    struct keyspace_config config = {
        .databases = cluster ? 1 : DATABASES,
        .by_slot = cluster,
        .hash_key = {{1, 2}},
    };

    h->leader = keyspace_new(&config);
    config.hash_key = (struct siphash_key){{3, 4}};
    h->follower = keyspace_new(&config);
    h->cluster = cluster;
    h->now_ms = FIRST_NOW;
    h->string_max = INT64_C(512) * 1024 * 1024;
    buf_init(&h->reply);
    buf_init(&h->text);
    buf_init(&h->effects);
    buf_init(&h->effects_text);
    buf_init(&h->events);
    h->effect_max = SIZE_MAX;
    h->limits = types_limits_default;
    h->out = (struct resp_out){&h->reply, 2};
    return h;
}

void harness_free(struct harness *h)
{
    keyspace_free(h->leader);
    keyspace_free(h->follower);
    buf_release(&h->reply);
    buf_release(&h->text);
    buf_release(&h->effects);
    buf_release(&h->effects_text);
    buf_release(&h->events);
    free(h);
}

static void execute(struct harness *h, const struct arg *argv, int argc, struct cmd *c)
{
    const char *error;
    char text[512];

    buf_clear(&h->reply);
    c->node = (struct node *)(void *)h;
    c->argv = argv;
    c->argc = argc;
    c->reply = &h->out;
    c->command = command_find(argv, argc, text, &error);
    if (c->command == NULL) {
        resp_error(&h->out, error);
    } else if (!command_arity_ok(c->command, argc)) {
        cmd_reply_arity_error(c);
    } else {
        c->command->fn(c);
    }
    assert(h->reply.len > 0 || c->held);
}

static void apply(struct harness *h, uint32_t db, const struct arg *argv, int argc)
{
    struct cmd c = {.ks = h->follower, .db = db, .now_ms = NO_CLOCK, .applying = true};

    h->on_follower = true;
    execute(h, argv, argc, &c);
    h->on_follower = false;
    assert(c.effects == 0);
}

static void assert_equal_sides(const struct harness *h)
{
    unsigned char a[20], b[20];

    keyspace_digest(h->leader, a);
    keyspace_digest(h->follower, b);
    assert(memcmp(a, b, sizeof a) == 0);
}

void harness_apply_to_both(struct harness *h, uint32_t db, const struct arg *argv, int argc)
{
    struct keyspace *sides[] = {h->leader, h->follower};
    char text[512];
    const char *error;

    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        struct cmd c = {
            .node = (struct node *)(void *)h,
            .command = command_find(argv, argc, text, &error),
            .argv = argv,
            .argc = argc,
            .ks = sides[i],
            .db = db,
            .slot = -1,
            .now_ms = NO_CLOCK,
            .reply = &h->out,
            .applying = true,
        };

        buf_clear(&h->reply);
        c.command->fn(&c);
    }
    assert_equal_sides(h);
}

static void print_words(struct buf *out, const struct arg *argv, size_t argc)
{
    for (size_t i = 0; i < argc; i++) {
        bool plain = argv[i].n > 0;

        for (size_t j = 0; j < argv[i].n && plain; j++) {
            plain = isgraph((unsigned char)argv[i].p[j]) && strchr("\"\\;", argv[i].p[j]) == NULL;
        }
        buf_append(out, i > 0 ? " " : "", i > 0);
        buf_append(out, "\"", !plain);
        harness_escape(out, argv[i].p, argv[i].n);
        buf_append(out, "\"", !plain);
    }
}

/* Apply what was recorded to the follower, and print it. Both sides must then be equal. */
static void replicate(struct harness *h)
{
    struct buf reply = h->reply;
    struct effect_reader r = {0};
    bool first = true;

    buf_init(&h->reply); /* the leader's is kept aside */
    buf_clear(&h->effects_text);
    if (h->effects.len > 0) {
        int rc = effect_reader_init(&r, buf_head(&h->effects), h->effects.len);

        assert(rc == 0);
        while ((rc = effect_next(&r)) == 1) {
            if (!first) {
                buf_append(&h->effects_text, " ; ", 3);
            }
            first = false;
            if (r.db != h->db) {
                buf_printf(&h->effects_text, "%u: ", r.db);
            }
            print_words(&h->effects_text, r.argv, r.argc);
            apply(h, r.db, r.argv, (int)r.argc);
            assert(*buf_head(&h->reply) != '-');
        }
        assert(rc == 0);
        effect_reader_release(&r);
    } else {
        buf_printf(&h->effects_text, "(nothing)");
    }
    buf_append(&h->effects_text, "", 1);
    buf_clear(&h->effects);
    buf_release(&h->reply);
    h->reply = reply;

    assert_equal_sides(h);
}

void harness_run_args(struct harness *h, const struct arg *argv, int argc)
{
    struct cmd c = {.ks = h->leader, .db = h->db, .now_ms = h->now_ms};

    assert(argc > 0);
    int64_t db;

    buf_clear(&h->events);
    h->told_change = false;
    if (argc == 2 && arg_is(&argv[0], "SELECT") && num_parse_i64(argv[1].p, argv[1].n, &db)) {
        assert(db >= 0 && db < DATABASES);
        h->db = (uint32_t)db;
        buf_clear(&h->reply);
        resp_status(&h->out, "OK");
    } else {
        execute(h, argv, argc, &c);
        assert(!c.wrote || c.effects > 0);
        assert(!h->told_change || c.wrote); /* an event waits for the batch of its change */
    }
    replicate(h);
}

const struct buf *harness_reply(const struct harness *h) { return &h->reply; }

const char *harness_effects(const struct harness *h) { return buf_head(&h->effects_text); }

static const char *reply_text(struct harness *h)
{
    buf_clear(&h->text);
    harness_escape(&h->text, buf_head(&h->reply), h->reply.len);
    buf_append(&h->text, "", 1);
    return buf_head(&h->text);
}

void harness_escape(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        static const char from[] = "\r\n\t\\", to[] = "rnt\\";
        const char *special = ch != '\0' ? strchr(from, ch) : NULL;

        if (special != NULL) {
            buf_printf(out, "\\%c", to[special - from]);
        } else if (isprint(ch)) {
            buf_append(out, p + i, 1);
        } else {
            buf_printf(out, "\\x%02x", ch);
        }
    }
}

/* ---- words of a line -------------------------------------------------------------------- */

#define WORDS_MAX 64

struct words {
    struct arg argv[WORDS_MAX];
    int argc;
    char *bytes;
};

static char unescape(const char **p)
{
    char hex[3] = "", ch = *(*p)++;

    switch (ch) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'x':
        assert(isxdigit((unsigned char)(*p)[0]) && isxdigit((unsigned char)(*p)[1]));
        memcpy(hex, *p, 2);
        *p += 2;
        return (char)strtoul(hex, NULL, 16);
    default:
        return ch;
    }
}

static void split(const char *line, struct words *w)
{
    char *out = w->bytes = mem_alloc(strlen(line) + 1);

    w->argc = 0;
    while (*line != '\0') {
        bool quoted = *line == '"';
        char *start = out;

        line += quoted;
        while (*line != '\0' && *line != (quoted ? '"' : ' ')) {
            if (quoted && *line == '\\') {
                line++;
                *out++ = unescape(&line);
            } else {
                *out++ = *line++;
            }
        }
        line += quoted;
        line += strspn(line, " ");
        assert(w->argc < WORDS_MAX);
        w->argv[w->argc++] = (struct arg){start, (size_t)(out - start)};
    }
}

const char *harness_run(struct harness *h, const char *line)
{
    struct words w;

    split(line, &w);
    harness_run_args(h, w.argv, w.argc);
    free(w.bytes);
    return reply_text(h);
}

const char *harness_run_follower(struct harness *h, const char *line)
{
    struct cmd c = {.ks = h->follower, .db = h->db, .now_ms = h->now_ms};
    struct words w;

    split(line, &w);
    h->on_follower = true;
    execute(h, w.argv, w.argc, &c);
    h->on_follower = false;
    free(w.bytes);
    return reply_text(h);
}

const char *harness_apply(struct harness *h, const char *line)
{
    struct words w;

    split(line, &w);
    apply(h, h->db, w.argv, w.argc);
    free(w.bytes);
    return reply_text(h);
}

/* ---- knobs ------------------------------------------------------------------------------ */

void harness_set_protocol(struct harness *h, uint8_t version) { h->out.version = version; }

int64_t harness_now(const struct harness *h) { return h->now_ms; }

void harness_set_now(struct harness *h, int64_t now_ms) { h->now_ms = now_ms; }

void harness_set_string_max(struct harness *h, int64_t n) { h->string_max = n; }

void harness_set_reads_some_keys(struct harness *h, bool some) { h->reads_some_keys = some; }

void harness_set_lfu(struct harness *h, bool lfu) { h->lfu = lfu; }

struct keyspace *harness_keyspace(struct harness *h) { return h->leader; }

static void expire_fields(struct harness *h)
{
    struct cmd c = {.node = (struct node *)(void *)h, .ks = h->leader, .now_ms = h->now_ms};
    struct item *it;

    while ((it = keyspace_due_value(h->leader, h->now_ms, &c.db)) != NULL) {
        struct arg name = item_key(it);
        char *copy = mem_dup(name.p, name.n);
        struct key k = keyspace_key(h->leader, copy, name.n);

        hash_expire_due(&c, &k, it, 3);
        free(copy);
    }
}

void harness_expire(struct harness *h)
{
    struct item *it;
    uint32_t db;

    while ((it = keyspace_due(h->leader, h->now_ms, &db)) != NULL) {
        struct arg argv[2] = {{"DEL", 3}, item_key(it)};

        effect_write(&h->effects, 0, db, argv, 2);
        keyspace_delete(h->leader, db, it);
    }
    expire_fields(h);
    replicate(h);
}
