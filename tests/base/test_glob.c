/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_glob.c - base/glob.c: the patterns of KEYS, and their odd corners. */
#include "tests/test.h"

#include "base/clock.h"
#include "base/glob.h"

static void patterns_match_as_in_keys(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool nocase, want;
    } cases[] = {
        {"", "", false, true},
        {"", "a", false, false},
        {"*", "", false, true},
        {"**", "", false, true},
        {"*", "anything", false, true},
        {"?", "", false, false},
        {"?", "a", false, true},
        {"??", "a", false, false},
        {"a*c", "abc", false, true},
        {"a*c", "ac", false, true},
        {"a*c", "acb", false, false},
        {"a*c", "acbc", false, true},
        {"*a*b*", "xxaxxbxx", false, true},
        {"*a*b*", "xxbxxaxx", false, false},
        {"*ab", "aab", false, true},
        {"h[ae]llo", "hello", false, true},
        {"h[ae]llo", "hillo", false, false},
        {"h[^e]llo", "hello", false, false},
        {"h[^e]llo", "hallo", false, true},
        {"h[a-c]llo", "hbllo", false, true},
        {"h[c-a]llo", "hbllo", false, true},
        {"h[a-c]llo", "hdllo", false, false},
        {"[a-]", "-", false, false}, /* the range a..], and the class is still open */
        {"[a-]", "_", false, true},
        {"[a-]", "b", false, false},
        {"[\\]]", "]", false, true},
        {"[\\a-c]", "b", false, false}, /* an escaped byte begins no range */
        {"[\\a-c]", "-", false, true},
        {"[]", "]", false, false},
        {"[]", "", false, false},
        {"[^]", "x", false, true},
        {"[^]x", "ax", false, true},
        {"[abc", "b", false, true}, /* never closed: ends with the pattern */
        {"[abc", "bx", false, false},
        {"[a-", "-", false, true},
        {"[", "[", false, false},
        {"\\*", "*", false, true},
        {"\\*", "a", false, false},
        {"\\a", "a", false, true},
        {"a\\", "a\\", false, true}, /* a last backslash is itself */
        {"a\\", "a", false, false},
        {"[*]", "*", false, true},
        {"[?]", "x", false, false},
        {"HeLLo*", "hello world", true, true},
        {"HeLLo*", "hello world", false, false},
        {"[A-C]", "b", true, true},
        {"[a-c]", "B", true, true},
        {"[^a]", "A", true, false},
        {"\\A", "a", true, true},
        {"*[0-9]", "key:7", false, true},
        {"*[0-9]x*", "1a2b3x", false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: '%s' against '%s'\n", cases[i].pattern, cases[i].text);
        assert_int_equal(glob_match(cases[i].pattern, strlen(cases[i].pattern), cases[i].text,
                                    strlen(cases[i].text), cases[i].nocase),
                         cases[i].want);
    }
}

/* Lengths count, not NULs; bytes above 127 are bytes. */
static void bytes_are_just_bytes(void **state)
{
    (void)state;
    assert_true(glob_match("a\0*", 3, "a\0b", 3, false));
    assert_false(glob_match("a\0c", 3, "a\0b", 3, false));
    assert_true(glob_match("[\x80-\xff]", 5, "\xc3", 1, false));
    assert_false(glob_match("[\x80-\xff]", 5, "a", 1, false));
}

/* A matcher that tries every split for every star needs ages for this; ours a moment. */
static void many_stars_do_not_explode(void **state)
{
    char pattern[2 * 200 + 1];
    char text[20000];
    int64_t start = clock_boot_us();

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        memcpy(pattern + 2 * i, "*a", 2);
    }
    pattern[400] = 'b';
    memset(text, 'a', sizeof text);
    assert_false(glob_match(pattern, sizeof pattern, text, sizeof text, false));
    assert_true(clock_boot_us() - start < 5 * 1000 * 1000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(patterns_match_as_in_keys),
    cmocka_unit_test(bytes_are_just_bytes),
    cmocka_unit_test(many_stars_do_not_explode),
};

TEST_MAIN(tests)
