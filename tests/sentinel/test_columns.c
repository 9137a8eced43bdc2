/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_columns.c - sentinel/columns.c. */
#include "tests/test.h"

#include "sentinel/columns.h"

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    static const char *const titles[] = {"A", "LONG", "C", NULL};
    static const char want[] = "  A    LONG  C\n"
                               "  1    -     x\n"
                               "  abc  2     y z\n";
    struct columns c;
    struct buf out = {0};

    (void)state;
    columns_init(&c, titles);
    columns_add(&c, "%d", 1);
    columns_add(&c, "%s", "");
    columns_add(&c, "x");
    columns_add(&c, "abc");
    columns_add(&c, "2");
    columns_add(&c, "y z");
    columns_print(&c, 2, &out);
    assert_int_equal(out.len, sizeof want - 1);
    assert_memory_equal(buf_head(&out), want, out.len);
    columns_release(&c);
    buf_release(&out);
}

/* What a node answers must not be able to steer the terminal of whoever looks. */
static void control_characters_are_not_printed(void **state)
{
    static const char *const titles[] = {"A", NULL};
    struct columns c;
    struct buf out = {0};

    (void)state;
    columns_init(&c, titles);
    columns_add(&c, "%s", "\x1b[2Jx\x7f\n");
    columns_print(&c, 0, &out);
    assert_memory_equal(buf_head(&out), "A\n?[2Jx??\n", out.len);
    columns_release(&c);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(control_characters_are_not_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
