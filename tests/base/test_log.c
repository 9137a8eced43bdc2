/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_log.c - base/log.c: what a line looks like, levels, rotation, threads. */
#include "tests/test.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[256];
static char moved[300];

static int make_path(void **state)
{
    const char *tmp = getenv("TMPDIR");
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/holdfast-test-log.XXXXXX", tmp != NULL ? tmp : "/tmp");
    fd = mkstemp(path);
    snprintf(moved, sizeof moved, "%s.1", path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(moved);
    return unlink(path);
}

static char *content(const char *file)
{
    char *text;
    size_t n;

    assert_int_equal(file_read_all(file, 10 << 20, &text, &n), 0);
    return text;
}

static void empty_log(enum log_level level)
{
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(log_open(path, level), 0);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t re;

    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&re, text, 0, NULL, 0) != 0) {
        fail_msg("'%s' does not match '%s'", text, pattern);
    }
    regfree(&re);
}

/* "PID:H DD Mon YYYY HH:MM:SS.mmm C text", as tools that read Redis's logs expect. */
static void line_has_the_form_of_redis(void **state)
{
    static const struct {
        enum log_level level;
        const char *c;
    } cases[] = {
        {LOG_LVL_DEBUG, "[.]"},
        {LOG_LVL_VERBOSE, "-"},
        {LOG_LVL_NOTICE, "[*]"},
        {LOG_LVL_WARNING, "#"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char pattern[200];
        char *text;

        empty_log(LOG_LVL_DEBUG);
        log_write(cases[i].level, "hello %d", 42);
        text = content(path);
        snprintf(pattern, sizeof pattern,
                 "^%d:H [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3} "
                 "%s hello 42\n$",
                 (int)getpid(), cases[i].c);
        assert_matches(text, pattern);
        free(text);
    }
}

/* The calendar is computed without libc (see zone_offset_at()): it must agree with libc's local
 * time, here in a zone that is not UTC. */
static void time_is_local_time(void **state)
{
    char *text;
    char stamp[64];
    struct tm tm = {0};
    time_t before = time(NULL);
    time_t logged;

    (void)state;
    assert_int_equal(setenv("TZ", "XST-05:30", 1), 0);
    tzset();
    empty_log(LOG_LVL_NOTICE);
    log_notice("now");
    text = content(path);
    assert_int_equal(sscanf(text, "%*d:H %63[^.]", stamp), 1);
    assert_non_null(strptime(stamp, "%d %b %Y %H:%M:%S", &tm));
    tm.tm_isdst = -1;
    logged = mktime(&tm);
    assert_in_range(logged, before, before + 5);
    free(text);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void lower_levels_are_left_out(void **state)
{
    char *text;

    (void)state;
    empty_log(LOG_LVL_NOTICE);
    log_debug("one");
    log_verbose("two");
    log_notice("three");
    log_set_level(LOG_LVL_WARNING);
    assert_int_equal(log_get_level(), LOG_LVL_WARNING);
    log_notice("four");
    log_warning("five");
    log_set_level(LOG_LVL_NOTHING);
    log_warning("six");
    text = content(path);
    assert_matches(text, "^[^\n]* three\n[^\n]* five\n$");
    free(text);
}

/* A line longer than the bound is cut, and is still a line. */
static void long_line_is_cut(void **state)
{
    char *big = malloc(10000);
    char *text;

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 9999);
    big[9999] = '\0';
    empty_log(LOG_LVL_NOTICE);
    log_notice("%s", big);
    log_notice("next");
    text = content(path);
    assert_matches(text, "^[^\n]* x+\n[^\n]* next\n$");
    assert_true(strlen(text) < 4200);
    free(text);
    free(big);
}

/* After a rename, log_open() on the same path writes to a new file; on failure nothing changes. */
static void reopening_follows_a_rotation(void **state)
{
    char *text;

    (void)state;
    empty_log(LOG_LVL_NOTICE);
    log_notice("before");
    assert_int_equal(rename(path, moved), 0);
    log_notice("still the old file");
    assert_int_equal(log_open(path, LOG_LVL_NOTICE), 0);
    log_notice("after");
    assert_int_equal(log_open("/nonexistent/dir/log", LOG_LVL_DEBUG), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(log_get_level(), LOG_LVL_NOTICE);
    log_notice("unchanged");
    text = content(moved);
    assert_matches(text, "^[^\n]* before\n[^\n]* still the old file\n$");
    free(text);
    text = content(path);
    assert_matches(text, "^[^\n]* after\n[^\n]* unchanged\n$");
    free(text);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        log_notice("%s", (const char *)arg);
    }
    return NULL;
}

/* Lines of two threads do not mix, also while a third reopens the file. */
static void lines_of_threads_stay_whole(void **state)
{
    static char a[301], b[301];
    pthread_t ta, tb;
    char *text;
    size_t lines = 0;

    (void)state;
    memset(a, 'a', 300);
    memset(b, 'b', 300);
    empty_log(LOG_LVL_NOTICE);
    assert_int_equal(pthread_create(&ta, NULL, log_many, a), 0);
    assert_int_equal(pthread_create(&tb, NULL, log_many, b), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(log_open(path, LOG_LVL_NOTICE), 0);
    }
    pthread_join(ta, NULL);
    pthread_join(tb, NULL);
    text = content(path);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *body = strstr(line, " * ");

        assert_non_null(body);
        assert_true(strcmp(body + 3, a) == 0 || strcmp(body + 3, b) == 0);
        lines++;
    }
    assert_int_equal(lines, 2000);
    free(text);
}

/* log_fatal() ends the process with status 1 after its line, whatever the level is. */
static void fatal_logs_and_ends(void **state)
{
    pid_t child;
    char *text;
    int status;

    (void)state;
    empty_log(LOG_LVL_NOTHING);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_fatal("the disk is on fire");
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    text = content(path);
    assert_matches(text, "^[^\n]* # the disk is on fire\n$");
    free(text);
}

static void names_of_levels_go_both_ways(void **state)
{
    (void)state;
    for (int i = LOG_LVL_DEBUG; i <= LOG_LVL_NOTHING; i++) {
        assert_int_equal(log_level_parse(log_level_name((enum log_level)i)), i);
    }
    assert_int_equal(log_level_parse("NOTICE"), LOG_LVL_NOTICE);
    assert_int_equal(log_level_parse("loud"), -1);
    assert_int_equal(log_level_parse(""), -1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(line_has_the_form_of_redis),   cmocka_unit_test(time_is_local_time),
    cmocka_unit_test(lower_levels_are_left_out),    cmocka_unit_test(long_line_is_cut),
    cmocka_unit_test(reopening_follows_a_rotation), cmocka_unit_test(lines_of_threads_stay_whole),
    cmocka_unit_test(fatal_logs_and_ends),          cmocka_unit_test(names_of_levels_go_both_ways),
};

int main(void) { return cmocka_run_group_tests(tests, make_path, remove_path) == 0 ? 0 : 1; }
