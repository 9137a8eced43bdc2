/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/test.h - cmocka with what it needs before it, in an order no formatter may change. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Run the tests of a table and return from main() with the number that failed, which a process
 * status can carry only up to 255. */
#define TEST_MAIN(tests)                                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        int failed = cmocka_run_group_tests(tests, NULL, NULL);                                    \
        return failed == 0 ? 0 : 1;                                                                \
    }

#endif
