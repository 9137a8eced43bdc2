/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_slowlog.c - what the slow log keeps, and what the error statistics count. */
#include "tests/test.h"

#include "base/mem.h"
#include "node/slowlog.h"

struct fixture {
    struct node node;
    struct client client;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->node.slowlog = slowlog_new();
    f->node.config.slowlog_max_len = 3;
    f->node.config.slowlog_log_slower_than = 100;
    f->node.now_wall_ms = 5000;
    f->client.node = &f->node;
    snprintf(f->client.ip, sizeof f->client.ip, "10.0.0.1");
    f->client.port = 77;
    stats_init(&f->node.stats);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    slowlog_free(f->node.slowlog);
    stats_release(&f->node.stats);
    free(f);
    return 0;
}

/* Note a command of up to 64 words, split at spaces. */
static void note(struct fixture *f, const char *line, int64_t us)
{
    struct arg argv[64];
    char text[512];
    const char *error;
    struct cmd c = {.node = &f->node, .client = &f->client, .argv = argv};

    while (*line != '\0') {
        size_t n = strcspn(line, " ");

        assert_true(c.argc < 64);
        argv[c.argc++] = (struct arg){line, n};
        line += n + (line[n] == ' ');
    }
    c.command = command_find(argv, c.argc, text, &error);
    assert_non_null(c.command);
    slowlog_note(&f->node, &c, us);
}

static const struct slowlog_entry *at(struct fixture *f, size_t i)
{
    return slowlog_at(f->node.slowlog, i);
}

static void assert_arg(const struct slowlog_entry *e, int i, const char *want)
{
    assert_true(i < e->argc);
    assert_int_equal(e->argv[i].n, strlen(want));
    assert_memory_equal(e->argv[i].p, want, strlen(want));
}

static void only_slow_commands_enter(void **state)
{
    struct fixture *f = *state;

    note(f, "GET fast", 99);
    note(f, "GET slow", 100);
    assert_int_equal(slowlog_len(f->node.slowlog), 1);
    assert_arg(at(f, 0), 1, "slow");
    assert_int_equal(at(f, 0)->took_us, 100);
    assert_int_equal(at(f, 0)->wall_s, 5);
    assert_string_equal(at(f, 0)->client, "10.0.0.1:77");
    assert_string_equal(at(f, 0)->name, "");
    f->node.config.slowlog_log_slower_than = -1;
    note(f, "GET slower", 1000000);
    assert_int_equal(slowlog_len(f->node.slowlog), 1);
    f->node.config.slowlog_log_slower_than = 0;
    note(f, "GET any", 0);
    assert_int_equal(slowlog_len(f->node.slowlog), 2);
    note(f, "EXEC", 0); /* its commands are noted one by one */
    assert_int_equal(slowlog_len(f->node.slowlog), 2);
}

/* Ids go on rising over RESET and over changes of the length. */
static void the_newest_entries_are_kept(void **state)
{
    static const char *const names[] = {"GET 0", "GET 1", "GET 2", "GET 3", "GET 4"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        note(f, names[i], 1000);
    }
    assert_int_equal(slowlog_len(f->node.slowlog), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(at(f, i)->id, 4 - i);
        assert_arg(at(f, i), 1, names[4 - i] + 4);
    }
    f->node.config.slowlog_max_len = 2;
    slowlog_cron(&f->node);
    assert_int_equal(slowlog_len(f->node.slowlog), 2);
    assert_int_equal(at(f, 0)->id, 4);
    assert_int_equal(at(f, 1)->id, 3);
    f->node.config.slowlog_max_len = 4;
    note(f, "GET 5", 1000);
    assert_int_equal(slowlog_len(f->node.slowlog), 3);
    assert_int_equal(at(f, 0)->id, 5);
    assert_int_equal(at(f, 2)->id, 3);
    slowlog_clear(f->node.slowlog);
    assert_int_equal(slowlog_len(f->node.slowlog), 0);
    note(f, "GET 6", 1000);
    assert_int_equal(at(f, 0)->id, 6);
    f->node.config.slowlog_max_len = 0;
    note(f, "GET 7", 1000);
    assert_int_equal(slowlog_len(f->node.slowlog), 0);
}

static void long_commands_are_cut(void **state)
{
    struct fixture *f = *state;
    char line[512] = "MGET";
    char word[200];
    char want[200];

    for (int i = 1; i < 32; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), " k%d", i);
    }
    note(f, line, 1000); /* 32 words: all are kept */
    assert_int_equal(at(f, 0)->argc, 32);
    assert_arg(at(f, 0), 31, "k31");
    snprintf(line + strlen(line), sizeof line - strlen(line), " k32");
    note(f, line, 1000);
    assert_int_equal(at(f, 0)->argc, 32);
    assert_arg(at(f, 0), 30, "k30");
    assert_arg(at(f, 0), 31, "... (2 more arguments)");

    memset(word, 'x', sizeof word);
    snprintf(line, sizeof line, "GET %.128s", word);
    note(f, line, 1000);
    assert_int_equal(at(f, 0)->argv[1].n, 128);
    snprintf(line, sizeof line, "GET %.150s", word);
    note(f, line, 1000);
    snprintf(want, sizeof want, "%.128s... (22 more bytes)", word);
    assert_arg(at(f, 0), 1, want);
}

static void passwords_are_not_kept(void **state)
{
    static const struct {
        const char *line;
        int secret, open; /* a word that must be hidden, one that must not */
    } cases[] = {
        {"AUTH secret", 1, 0},
        {"AUTH user secret", 2, 0},
        {"HELLO 3 AUTH user secret", 4, 1},
        {"HELLO 3 SETNAME x AUTH user secret", 6, 3},
        {"CONFIG SET requirepass secret", 3, 2},
        {"CONFIG SET hz 20 RequirePass secret", 5, 3},
        {"ACL SETUSER secret", 2, 1},
        {"ACL SETUSER secret on >x", 2, 1},
        {"ACL SETUSER x on secret", 4, 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct slowlog_entry *e;

        print_message("case: %s\n", cases[i].line);
        note(f, cases[i].line, 1000);
        e = at(f, 0);
        assert_arg(e, cases[i].secret, "(redacted)");
        assert_true(e->argv[cases[i].open].p[0] != '(');
        for (int a = 0; a < e->argc; a++) {
            assert_true(e->argv[a].n != 6 || memcmp(e->argv[a].p, "secret", 6) != 0);
        }
    }
}

static void count(struct stats *s, const char *reply, bool made_up)
{
    stats_error(s, reply, strlen(reply), made_up);
}

static void errors_are_counted_by_code(void **state)
{
    struct fixture *f = *state;
    struct stats *s = &f->node.stats;
    char text[64];

    count(s, "-ERR syntax error\r\n", false);
    count(s, "-WRONGTYPE x\r\n", false);
    count(s, "-ERR other\r\n", true);
    count(s, "-NOCODE\r\n", true);
    count(s, "-\r\n", true);
    count(s, "- x\r\n", true);
    count(s, "-ERRATIC x\r\n", true);
    assert_int_equal(s->total_errors, 7);
    assert_int_equal(s->n_errors, 3);
    assert_string_equal(s->errors[0].prefix, "ERR");
    assert_int_equal(s->errors[0].count, 5);
    assert_string_equal(s->errors[2].prefix, "ERRATIC");
    /* Who makes up codes fills a table of bounded size; what is beyond is counted together. */
    for (int i = 0; i < 2 * STATS_ERRORS_MAX; i++) {
        snprintf(text, sizeof text, "-P%040d x\r\n", i); /* too long for a code */
        count(s, text, true);
        snprintf(text, sizeof text, "-Q%d x\r\n", i);
        count(s, text, true);
    }
    assert_int_equal(s->n_errors, STATS_ERRORS_MAX + 1);
    assert_string_equal(s->errors[STATS_ERRORS_MAX].prefix, STATS_ERRORS_OVERFLOW);
    assert_int_equal(s->errors[STATS_ERRORS_MAX].count, STATS_ERRORS_MAX + 3);
    assert_int_equal(s->errors[0].count, 5 + 2 * STATS_ERRORS_MAX);
    assert_int_equal(s->total_errors, 7 + 4 * STATS_ERRORS_MAX);
    /* The server's own codes have entries of their own nevertheless. */
    count(s, "-OOM x\r\n", false);
    count(s, "-OOM x\r\n", true);
    assert_string_equal(s->errors[STATS_ERRORS_MAX + 1].prefix, "OOM");
    assert_int_equal(s->errors[STATS_ERRORS_MAX + 1].count, 2);
    stats_reset(s);
    assert_int_equal(s->n_errors, 0);
    assert_int_equal(s->total_errors, 0);
}

/* 16 samples 100 ms apart: a steady rate is found, and it fades when nothing comes any more. */
static void rates_follow_the_last_samples(void **state)
{
    struct fixture *f = *state;
    struct stats *s = &f->node.stats;
    int64_t now = 1000000;

    stats_sample(s, now);
    for (int i = 0; i < 32; i++) {
        now += 100000;
        s->commands += 50;
        stats_sample(s, now);
    }
    assert_int_equal(stats_rate(&s->rate_commands), 500);
    assert_int_equal(stats_rate(&s->rate_in), 0);
    stats_sample(s, now + 1); /* too early to say anything */
    assert_int_equal(stats_rate(&s->rate_commands), 500);
    for (int i = 0; i < 8; i++) {
        now += 100000;
        stats_sample(s, now);
    }
    assert_int_equal(stats_rate(&s->rate_commands), 250);
    stats_reset(s);
    now += 100000;
    s->commands += 16;
    stats_sample(s, now);
    assert_int_equal(stats_rate(&s->rate_commands), 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(only_slow_commands_enter),   TEST(the_newest_entries_are_kept),
    TEST(long_commands_are_cut),      TEST(passwords_are_not_kept),
    TEST(errors_are_counted_by_code), TEST(rates_follow_the_last_samples),
};

TEST_MAIN(tests)
