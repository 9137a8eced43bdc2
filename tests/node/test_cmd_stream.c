/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of streams. The harness checks after every command that its effects make a
 * follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#define ID(text) "$3\\r\\n" text "\\r\\n"
#define FV "*2\\r\\n$1\\r\\nf\\r\\n$1\\r\\nv\\r\\n"
#define ENTRY(id) "*2\\r\\n" ID(id) FV
#define BAD_ID ERR("Invalid stream ID specified as stream command argument")

static void entries_are_added_and_read(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", ID("1-1"), "XADD s 1-1 f v"},
        {"XLEN s", INT(1), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_added_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
