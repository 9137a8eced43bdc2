/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_mem.c - base/mem.c: NULL means "no memory" and nothing else. */
#include "tests/test.h"

#include "base/log.h"
#include "base/mem.h"

#include <sys/wait.h>
#include <unistd.h>

/* More than a process may address, and not a constant the compiler could warn about. */
static size_t absurd_size(void)
{
    volatile size_t n = PTRDIFF_MAX;

    return n;
}

static void zero_bytes_are_not_null(void **state)
{
    void *p = mem_alloc(0);
    void *q = mem_zalloc(0);
    void *t = mem_try_alloc(0);

    (void)state;
    assert_non_null(p);
    assert_non_null(q);
    assert_non_null(t);
    p = mem_realloc(p, 0);
    assert_non_null(p);
    free(p);
    free(q);
    free(t);
    p = mem_dup(NULL, 0);
    assert_non_null(p);
    free(p);
}

static void copies_are_equal_and_own(void **state)
{
    char text[] = "kelp";
    char *s = mem_strdup(text);
    char *d = mem_dup(text, 2);
    unsigned char *z = mem_zalloc(1000);

    (void)state;
    text[0] = 'h';
    assert_string_equal(s, "kelp");
    assert_memory_equal(d, "ke", 2);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(z[i], 0);
    }
    s = mem_realloc(s, 100000);
    assert_string_equal(s, "kelp");
    free(s);
    free(d);
    free(z);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_ENDS_ABSURD_REQUESTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_ENDS_ABSURD_REQUESTS 1
#endif
#endif

#if !defined(SANITIZER_ENDS_ABSURD_REQUESTS)
static void absurd_size_is_null_for_try(void **state)
{
    char *p = mem_strdup("kept");

    (void)state;
    assert_null(mem_try_alloc(absurd_size()));
    assert_null(mem_try_realloc(p, absurd_size()));
    assert_string_equal(p, "kept");
    free(p);
}
#endif

/* Where the program bounds the size, no memory is the end of the process, never a NULL. */
static void absurd_size_ends_the_process(void **state)
{
    pid_t child;
    int status;

    (void)state;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_set_level(LOG_LVL_NOTHING);
        if (freopen("/dev/null", "w", stderr) != NULL && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) {
            free(mem_alloc(absurd_size()));
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(status != 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(zero_bytes_are_not_null),
    cmocka_unit_test(copies_are_equal_and_own),
#if !defined(SANITIZER_ENDS_ABSURD_REQUESTS)
    cmocka_unit_test(absurd_size_is_null_for_try),
#endif
    cmocka_unit_test(absurd_size_ends_the_process),
};

TEST_MAIN(tests)
