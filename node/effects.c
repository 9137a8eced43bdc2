/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/effects.c - see node/effects.h. */
#include "node/effects.h"

#include "base/num.h"
#include "node/group.h"

#include <stdarg.h>
#include <string.h>

#define EFFECT_WORDS_MAX 16

static void log_in_db(struct cmd *c, uint32_t db, const struct arg *argv, size_t argc)
{
    if (c->applying) {
        return;
    }
    group_log_effect(c->group, db, argv, argc);
    c->effects++;
    c->gate = group_open_batch(c->group);
    c->touched = true;
}

void effect_args(struct cmd *c, const struct arg *argv, size_t argc)
{
    log_in_db(c, c->db, argv, argc);
}

void effect_verbatim(struct cmd *c) { log_in_db(c, c->db, c->argv, (size_t)c->argc); }

void effect_words(struct cmd *c, const char *word, ...)
{
    struct arg argv[EFFECT_WORDS_MAX];
    size_t argc = 0;
    va_list ap;

    va_start(ap, word);
    for (const char *w = word; w != NULL; w = va_arg(ap, const char *)) {
        assert(argc < EFFECT_WORDS_MAX);
        argv[argc++] = (struct arg){w, strlen(w)};
    }
    va_end(ap);
    log_in_db(c, c->db, argv, argc);
}

static struct arg word(const char *w) { return (struct arg){w, strlen(w)}; }

static struct arg key_arg(const struct key *k) { return (struct arg){k->p, k->n}; }

void effect_set(struct cmd *c, const struct key *k, const char *p, size_t n, int64_t expire_at)
{
    struct arg argv[5] = {word("SET"), key_arg(k), {p, n}};
    size_t argc = 3;
    char digits[NUM_I64_MAX_CHARS];

    if (expire_at == KEYSPACE_KEEP_EXPIRE) {
        argv[argc++] = word("KEEPTTL");
    } else if (expire_at != KEYSPACE_NO_EXPIRE) {
        argv[argc++] = word("PXAT");
        argv[argc++] = (struct arg){digits, num_print_i64(digits, expire_at)};
    }
    log_in_db(c, c->db, argv, argc);
}

void effect_del_db(struct cmd *c, uint32_t db, const struct key *k)
{
    struct arg argv[2] = {word("DEL"), key_arg(k)};

    log_in_db(c, db, argv, 2);
}

void effect_del(struct cmd *c, const struct key *k) { effect_del_db(c, c->db, k); }

void effect_pexpireat(struct cmd *c, const struct key *k, int64_t expire_at)
{
    char digits[NUM_I64_MAX_CHARS];
    struct arg argv[3] = {word("PEXPIREAT"), key_arg(k)};

    if (expire_at == KEYSPACE_NO_EXPIRE) {
        argv[0] = word("PERSIST");
        log_in_db(c, c->db, argv, 2);
        return;
    }
    argv[2] = (struct arg){digits, num_print_i64(digits, expire_at)};
    log_in_db(c, c->db, argv, 3);
}
