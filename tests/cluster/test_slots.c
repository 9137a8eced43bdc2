/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/cluster/test_slots.c - slots of keys, against what a real server says. */
#include "tests/test.h"

#include "cluster/slots.h"

/* Column @n of a tab-separated line; empty when there are fewer. */
static char *column(char *line, int n)
{
    char *p = line;

    while (n-- > 0 && p != NULL) {
        p = strchr(p, '\t');
        p = p == NULL ? NULL : p + 1;
    }
    return p == NULL ? line + strlen(line) : p;
}

/* "6b6579", or "repeat:6b*1000" for a long run of one byte. */
static size_t unhex(const char *p, char *out)
{
    size_t n = 0;
    unsigned byte;

    if (sscanf(p, "repeat:%2x*%zu", &byte, &n) == 2) {
        memset(out, (int)byte, n);
        return n;
    }
    while (sscanf(p + 2 * n, "%2x", &byte) == 1 && p[2 * n] != '\t') {
        out[n++] = (char)byte;
    }
    return n;
}

/* Every row was answered by CLUSTER KEYSLOT of Redis 7.0.15: hash tags, empty tags, binary keys. */
static void slots_are_those_of_a_real_server(void **state)
{
    FILE *f = fopen("slots-vectors.tsv", "r");
    char line[4096], key[1024];
    int rows = 0;

    (void)state;
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f)); /* the header */
    while (fgets(line, sizeof line, f) != NULL) {
        size_t n = unhex(column(line, 1), key);

        assert_int_equal(cluster_slot(key, n), atoi(column(line, 4)));
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 47);
}

static void keys_of_one_tag_share_a_slot(void **state)
{
    (void)state;
    assert_int_equal(cluster_slot("{user1000}.following", 20),
                     cluster_slot("{user1000}.followers", 20));
    /* Only the first tag counts, and an empty one is none. */
    assert_int_equal(cluster_slot("foo{bar}{zap}", 13), cluster_slot("bar", 3));
    assert_int_not_equal(cluster_slot("foo{}{bar}", 10), cluster_slot("bar", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_a_real_server),
        cmocka_unit_test(keys_of_one_tag_share_a_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
