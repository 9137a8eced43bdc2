/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_file.c - base/file.c in a folder of its own under $TMPDIR. */
#include "tests/test.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[256];

static const char *in_dir(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(dir, sizeof dir, "%s/holdfast-test-file.XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"a", "big", "lock"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unlink(in_dir(names[i]));
    }
    return rmdir(dir); /* fails when a test left something behind, e.g. a temporary file */
}

/* What was put there is read back, a second time over a longer first one; no temporary stays. */
static void replaced_file_has_the_new_content_only(void **state)
{
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(file_replace(dir, "a", "a longer text", 13), 0);
    assert_int_equal(file_replace(dir, "a", "short", 5), 0);
    assert_int_equal(file_read_all(in_dir("a"), 100, &text, &n), 0);
    assert_int_equal(n, 5);
    assert_string_equal(text, "short"); /* the NUL behind it too */
    free(text);
    assert_int_equal(file_replace(dir, "a", NULL, 0), 0);
    assert_int_equal(file_read_all(in_dir("a"), 0, &text, &n), 0);
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(access(in_dir(".a.tmp"), F_OK), -1);
}

static void errors_are_reported_with_errno(void **state)
{
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(file_read_all(in_dir("missing"), 100, &text, &n), -1);
    assert_int_equal(errno, ENOENT);
    assert_null(text);
    assert_int_equal(file_replace(in_dir("missing"), "a", "x", 1), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_sync_dir(in_dir("missing")), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_sync_dir(dir), 0);
    assert_int_equal(file_write_all(-1, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(file_pwrite_all(-1, "x", 1, 0), -1);
    assert_int_equal(errno, EBADF);
}

/* Exactly at the bound passes, one byte over is EFBIG: with a size known from stat, and without
 * (files in /proc say 0). */
static void read_is_bounded(void **state)
{
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(file_replace(dir, "a", "12345678", 8), 0);
    assert_int_equal(file_read_all(in_dir("a"), 8, &text, &n), 0);
    assert_int_equal(n, 8);
    free(text);
    assert_int_equal(file_read_all(in_dir("a"), 7, &text, &n), -1);
    assert_int_equal(errno, EFBIG);
    assert_null(text);
    assert_int_equal(file_read_all("/proc/self/status", 1 << 20, &text, &n), 0);
    assert_true(n > 100);
    assert_int_equal(strlen(text), n);
    free(text);
    assert_int_equal(file_read_all("/proc/self/status", 100, &text, &n), -1);
    assert_int_equal(errno, EFBIG);
}

/* A pipe takes a few KiB at a time, so a megabyte needs many short writes. */
static void write_goes_on_after_short_writes(void **state)
{
    size_t n = 1 << 20;
    char *data = malloc(n);
    int fds[2];
    pid_t child;
    int status;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) {
        data[i] = (char)(i * 7 + (i >> 8));
    }
    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        _exit(file_write_all(fds[1], data, n) == 0 ? 0 : 1);
    }
    close(fds[1]);
    for (size_t at = 0; at < n;) {
        char piece[3000];
        ssize_t got = read(fds[0], piece, sizeof piece);

        assert_true(got > 0);
        assert_memory_equal(piece, data + at, (size_t)got);
        at += (size_t)got;
    }
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(data);
}

static void pwrite_writes_at_its_place(void **state)
{
    int fd = open(in_dir("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *text;
    size_t n;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, "world", 5, 6), 0);
    assert_int_equal(file_pwrite_all(fd, "hello ", 6, 0), 0);
    close(fd);
    assert_int_equal(file_read_all(in_dir("big"), 100, &text, &n), 0);
    assert_string_equal(text, "hello world");
    free(text);
}

/* A second holder is refused as long as the first has the descriptor open, and not after. flock()
 * belongs to the open file, so a second open in the same process is as good as another process. */
static void lock_is_exclusive_until_closed(void **state)
{
    int first, second;

    (void)state;
    assert_int_equal(file_lock(in_dir("lock"), &first), 0);
    assert_int_equal(file_lock(in_dir("lock"), &second), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(file_lock(in_dir("lock"), &second), 0);
    close(second);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(replaced_file_has_the_new_content_only),
    cmocka_unit_test(errors_are_reported_with_errno),
    cmocka_unit_test(read_is_bounded),
    cmocka_unit_test(write_goes_on_after_short_writes),
    cmocka_unit_test(pwrite_writes_at_its_place),
    cmocka_unit_test(lock_is_exclusive_until_closed),
};

int main(void) { return cmocka_run_group_tests(tests, make_dir, remove_dir) == 0 ? 0 : 1; }
