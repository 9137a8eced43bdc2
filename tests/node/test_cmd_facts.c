/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The recordings of Redis 7.0.15 that concern the commands on strings and keys: its replies in
 * both protocols (data/replies.tsv) and what it sent to a replica (data/propagation.tsv). In the
 * latter, column "here" says where our effects are absolute and Redis's are not. */
#include "tests/node/cmd_steps.h"

#include <ctype.h>

#define COLUMNS_MAX 6

/* Cut @line at its tabs and its newline; missing columns are "". */
static void cut(char *line, char *columns[COLUMNS_MAX])
{
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < COLUMNS_MAX; i++) {
        columns[i] = line != NULL ? line : (char *)"";
        line = line != NULL ? strchr(line, '\t') : NULL;
        if (line != NULL) {
            *line++ = '\0';
        }
    }
}

static FILE *open_table(const char *name)
{
    char line[256];
    FILE *f;

    snprintf(line, sizeof line, "%s/%s", DATA_DIR, name);
    f = fopen(line, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f)); /* the header */
    return f;
}

static void replies_of_protocol(int version)
{
    struct harness *h = harness_new(false);
    FILE *f = open_table("replies.tsv");
    char line[4096], *column[COLUMNS_MAX];
    int rows = 0;

    harness_set_protocol(h, (uint8_t)version);
    while (fgets(line, sizeof line, f) != NULL) {
        const char *want, *got;

        cut(line, column);
        if (strcmp(column[0], "453") == 0) { /* other families' rows had made this key */
            harness_run(h, "SET l x");
        }
        want = version == 2 || strcmp(column[3], "=") == 0 ? column[2] : column[3];
        got = harness_run(h, column[1]);
        if (strcmp(got, want) != 0) {
            fail_msg("row %s: %s\n  replied: %s\n  wanted:  %s", column[0], column[1], got, want);
        }
        rows++;
    }
    assert_int_equal(rows, 125);
    fclose(f);
    harness_free(h);
}

static void replies_are_those_redis_gave_in_resp2(void **state)
{
    (void)state;
    replies_of_protocol(2);
}

static void replies_are_those_redis_gave_in_resp3(void **state)
{
    (void)state;
    replies_of_protocol(3);
}

/* Is @got the same as @want, where "<ms>" stands for a time near now? */
static bool matches(const struct harness *h, const char *want, const char *got)
{
    while (*want != '\0') {
        if (strncmp(want, "<ms>", 4) == 0) {
            char *end;
            long long at = strtoll(got, &end, 10);

            if (end == got || at <= harness_now(h) || at > harness_now(h) + 10000000) {
                return false;
            }
            want += 4;
            got = end;
        } else if (*want++ != *got++) {
            return false;
        }
    }
    return *got == '\0';
}

/* What stands in the log is what Redis sends to its replicas, or the outcome of that. */
static void effects_are_what_redis_propagates(void **state)
{
    struct harness *h = harness_new(false);
    FILE *f = open_table("propagation.tsv");
    char line[4096], logged[1024], *column[COLUMNS_MAX];
    int rows = 0;

    (void)state;
    while (fgets(line, sizeof line, f) != NULL) {
        int row = (cut(line, column), atoi(column[0]));
        const char *want = strcmp(column[4], "=") == 0 ? column[3] : column[4];
        const char *got;

        print_message("row %d: %s\n", row, column[1]);
        if (row == 108) {
            harness_run(h, "SET s x");
        }
        if (row == 138 || row == 142) { /* "short" is over; the second time nobody has looked */
            harness_set_now(h, harness_now(h) + 100);
        }
        if (row == 138) {
            harness_expire(h);
            assert_string_equal(harness_effects(h), "DEL short");
        }
        got = harness_run(h, column[1]);
        assert_string_equal(got, column[2]);
        snprintf(logged, sizeof logged, "%s", harness_effects(h));
        if (row < 140) {
            harness_expire(h);
            if (strcmp(harness_effects(h), "(nothing)") != 0) {
                size_t n = strlen(logged);

                snprintf(logged + n, sizeof logged - n, " ; %s", harness_effects(h));
            }
        }
        if (!matches(h, want, logged)) {
            fail_msg("row %d: %s\n  logged: %s\n  wanted: %s", row, column[1], logged, want);
        }
        rows++;
    }
    assert_int_equal(rows, 47);
    fclose(f);
    harness_free(h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(replies_are_those_redis_gave_in_resp2),
    cmocka_unit_test(replies_are_those_redis_gave_in_resp3),
    cmocka_unit_test(effects_are_what_redis_propagates),
};

TEST_MAIN(tests)
