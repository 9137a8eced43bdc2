/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sentinel/test_aof.c - sentinel/aof.c: batches of effects become the commands of an AOF. */
#include "tests/test.h"

#include "sentinel/aof.h"

static void add(struct buf *batch, uint8_t flags, uint32_t db, const char *word)
{
    const struct arg argv[2] = {{"DEL", 3}, {word, strlen(word)}};

    effect_write(batch, flags, db, argv, 2);
}

/* The batches written to a file of their own; its content is the caller's. */
static char *written(const struct buf *batches, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct aof a;

    assert_non_null(f);
    aof_init(&a, f);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(aof_batch(&a, buf_head(&batches[i]), batches[i].len), 0);
    }
    assert_int_equal(aof_flush(&a), 0);
    aof_release(&a);
    assert_int_equal(fclose(f), 0);
    return text;
}

#define SELECT(db) "*2\r\n$6\r\nSELECT\r\n$1\r\n" db "\r\n"
#define DEL(key) "*2\r\n$3\r\nDEL\r\n$1\r\n" key "\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"

/* The first command of a file follows a SELECT too: a loader begins in a database of its own. */
static void select_stands_where_the_database_changes(void **state)
{
    struct buf batches[2] = {0};
    char *text;

    (void)state;
    add(&batches[0], 0, 0, "a");
    add(&batches[0], 0, 0, "b");
    add(&batches[0], 0, 3, "c");
    add(&batches[1], 0, 3, "d");
    add(&batches[1], 0, 0, "e");
    text = written(batches, 2);
    assert_string_equal(text, SELECT("0") DEL("a") DEL("b") SELECT("3") DEL("c") DEL("d")
                                  SELECT("0") DEL("e"));
    free(text);
    buf_release(&batches[0]);
    buf_release(&batches[1]);
}

static void units_are_transactions(void **state)
{
    struct buf batch = {0};
    char *text;

    (void)state;
    add(&batch, 0, 0, "a");
    add(&batch, EFFECT_UNIT_BEGIN, 0, "b");
    add(&batch, 0, 1, "c");
    add(&batch, EFFECT_UNIT_END, 1, "d");
    add(&batch, 0, 1, "e");
    add(&batch, EFFECT_UNIT_BEGIN | EFFECT_UNIT_END, 1, "f");
    text = written(&batch, 1);
    assert_string_equal(text, SELECT("0") DEL("a") MULTI DEL("b") SELECT("1") DEL("c") DEL("d")
                                  EXEC DEL("e") MULTI DEL("f") EXEC);
    free(text);
    buf_release(&batch);
}

/* A unit lies in one batch; anything else is not what a leader writes. */
static void malformed_batches_are_refused(void **state)
{
    struct buf b = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct aof a;

    (void)state;
    aof_init(&a, f);
    assert_int_equal(aof_batch(&a, "", 0), -1);
    assert_int_equal(aof_batch(&a, "\x09xx", 3), -1);
    add(&b, EFFECT_UNIT_BEGIN, 0, "a");
    assert_int_equal(aof_batch(&a, buf_head(&b), b.len), -1); /* never ends */
    add(&b, EFFECT_UNIT_BEGIN, 0, "b");
    assert_int_equal(aof_batch(&a, buf_head(&b), b.len), -1); /* begins twice */
    buf_clear(&b);
    add(&b, EFFECT_UNIT_END, 0, "a");
    assert_int_equal(aof_batch(&a, buf_head(&b), b.len), -1); /* never began */
    buf_clear(&b);
    add(&b, 0, 0, "a");
    assert_int_equal(aof_batch(&a, buf_head(&b), b.len - 1), -1); /* cut short */
    aof_release(&a);
    fclose(f);
    free(text);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_stands_where_the_database_changes),
        cmocka_unit_test(units_are_transactions),
        cmocka_unit_test(malformed_batches_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
