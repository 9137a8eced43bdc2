/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/fuzz_apply.c - arbitrary bytes as a batch of the log, applied to a keyspace by the
 * handlers: whatever a batch says, handlers refuse it or do it, and do the same on every replica,
 * whose hash keys and so whose orders differ. */
#include "base/num.h"
#include "proto/effect.h"
#include "tests/node/cmd_harness.h"

#include <stdlib.h>

#define COMMANDS_MAX 200
#define NUMBER_MAX 100000 /* a log may say SETRANGE k 10000000000 x; here memory is bounded */

/* Who waits, or leaves things to chance, is never in a log: its effects are. */
static bool is_of_log(const struct command *c)
{
    if ((c->flags & CMD_WRITE) == 0 || (c->flags & CMD_BLOCKING) != 0) {
        return false;
    }
    return strcmp(c->full_name, "spop") != 0;
}

static bool is_small(const struct arg *a)
{
    int64_t v;

    return !num_parse_i64(a->p, a->n, &v) || (v <= NUMBER_MAX && v >= -NUMBER_MAX);
}

static bool may_run(const struct arg *argv, size_t argc, uint32_t db)
{
    char text[512];
    const char *error;
    const struct command *c = argc == 0 ? NULL : command_find(argv, (int)argc, text, &error);

    if (c == NULL || !command_arity_ok(c, (int)argc) || !is_of_log(c) || db >= 16) {
        return false;
    }
    for (size_t i = 1; i < argc; i++) {
        if (!is_small(&argv[i])) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct effect_reader r = {0};
    struct harness *h;
    int n = 0;

    if (effect_reader_init(&r, data, size) != 0) {
        return 0;
    }
    h = harness_new(false);
    while (n++ < COMMANDS_MAX && effect_next(&r) == 1) {
        if (may_run(r.argv, r.argc, r.db)) {
            harness_apply_to_both(h, r.db, r.argv, (int)r.argc);
        }
    }
    harness_free(h);
    effect_reader_release(&r);
    return 0;
}
