/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_cmd_events.c - the events that commands on strings and keys notify of, as Redis
 * 7.0.15 names and orders them; those of look-ups (new, keymiss, expired) are node/access.c's. */
#include "tests/test.h"

#include "tests/node/cmd_harness.h"

struct step {
    const char *line, *events;
};

static void run(const struct step *steps, size_t n)
{
    struct harness *h = harness_new(false);

    for (size_t i = 0; i < n; i++) {
        print_message("step: %s\n", steps[i].line);
        (void)harness_run(h, steps[i].line);
        assert_string_equal(harness_events(h), steps[i].events);
    }
    harness_free(h);
}

static void strings_notify_of_each_change(void **state)
{
    static const struct step steps[] = {
        {"SET k v", "set k"},
        {"SET k v EX 100", "set k ; expire k"},
        {"SET k w KEEPTTL", "set k"},
        {"SET k w NX", ""},
        {"GETEX k", ""},
        {"GETEX k PERSIST", "persist k"},
        {"GETEX k PERSIST", ""},
        {"GETEX k EX 100", "expire k"},
        {"GETEX k EXAT 1", "del k"},
        {"SETNX k 3", "set k"},
        {"SETNX k 3", ""},
        {"SETEX k 10 5", "set k ; expire k"},
        {"INCR k", "incrby k"},
        {"DECR k", "incrby k"},
        {"DECRBY k 2", "incrby k"},
        {"INCRBYFLOAT k 1.5", "incrbyfloat k"},
        {"GETSET k v", "set k"},
        {"APPEND k \"\"", "append k"},
        {"SETRANGE k 1 \"\"", ""},
        {"SETRANGE k 1 xx", "setrange k"},
        {"MSET a 1 b 2 a 3", "set a ; set b ; set a"},
        {"MSETNX b 1 c 2", ""},
        {"MSETNX c 1 d 2", "set c ; set d"},
        {"GETDEL k", "del k"},
    };

    (void)state;
    run(steps, ARRAY_LEN(steps));
}

static void bits_notify_when_they_change(void **state)
{
    static const struct step steps[] = {
        {"SETBIT b 1 0", "setbit b"},
        {"SETBIT b 1 0", ""},
        {"SETBIT b 1 1", "setbit b"},
        {"BITFIELD b SET u8 0 64", ""},
        {"BITFIELD b SET u8 8 0", "setbit b"},
        {"BITFIELD b OVERFLOW FAIL SET u8 16 256", ""},
        {"BITFIELD b OVERFLOW FAIL SET u8 24 256 SET u8 0 64", "setbit b"},
        {"BITFIELD b INCRBY u8 0 0", ""},
        {"BITFIELD b GET u8 0", ""},
        {"BITOP NOT d b", "set d"},
        {"BITOP NOT d nx", "del d"},
        {"BITOP NOT d nx", ""},
    };

    (void)state;
    run(steps, ARRAY_LEN(steps));
}

static void keys_notify_at_both_ends_of_a_move(void **state)
{
    static const struct step steps[] = {
        {"SET a v", "set a"},
        {"RENAME a b", "rename_from a ; rename_to b"},
        {"RENAME b b", ""},
        {"COPY b c", "copy_to c"},
        {"COPY b c", ""},
        {"COPY b c REPLACE", "copy_to c"},
        {"COPY b c DB 3", "copy_to c in 3"},
        {"MOVE b 3", "move_from b ; move_to b in 3"},
        {"EXPIRE c 100", "expire c"},
        {"EXPIRE c 100 NX", ""},
        {"PERSIST c", "persist c"},
        {"PERSIST c", ""},
        {"PEXPIREAT c 1", "del c"},
        {"MSET a 1 b 2", "set a ; set b"},
        {"DEL a x", "del a"},
        {"UNLINK b b", "del b"},
        {"SET a 1", "set a"},
        {"FLUSHDB", ""},
    };

    (void)state;
    run(steps, ARRAY_LEN(steps));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_notify_of_each_change),
        cmocka_unit_test(bits_notify_when_they_change),
        cmocka_unit_test(keys_notify_at_both_ends_of_a_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
