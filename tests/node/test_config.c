/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_config.c - reading, checking, showing and rewriting the settings. */
#include "tests/test.h"

#include "base/file.h"
#include "node/config.h"
#include "node/config_table.h"

#include <sys/stat.h>
#include <unistd.h>

#define MANUAL SOURCE_DIR "/docs/configuration.md"

/* The setting as CONFIG GET shows it, in a static buffer. */
static const char *shown(const struct config *c, const char *name)
{
    static char text[1024];
    struct buf b;

    buf_init(&b);
    assert_true(config_get_text(c, name, &b));
    assert_true(b.len < sizeof text);
    memcpy(text, b.len > 0 ? buf_head(&b) : "", b.len);
    text[b.len] = '\0';
    buf_release(&b);
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Defaults are data: every option prints what its entry says, and setting that again is allowed. */
static void every_option_begins_as_its_entry_says(void **state)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];

    (void)state;
    config_init(&c);
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);

        assert_string_equal(shown(&c, o->name), o->initial);
        assert_ptr_equal(config_option_find(o->name, strlen(o->name)), o);
        assert_true(config_option_set_text(&c, o, o->initial, error));
        assert_string_equal(shown(&c, o->name), o->initial);
        assert_int_equal((o->flags & (CONFIG_FIXED | CONFIG_KEPT)) != 0, o->why != NULL);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(config_option_at(j)->name, o->name);
        }
    }
    assert_int_equal(config_check(&c, error), 0);
    config_release(&c);
}

static void files_are_read_as_redis_writes_them(void **state)
{
    static const struct {
        const char *text, *name, *want;
    } cases[] = {
        {"port 7001", "port", "7001"},
        {"PORT 7001\r\n", "port", "7001"},
        {"\n  # port 1\n\t port   7001  \n", "port", "7001"},
        {"port 7001\nport 7002", "port", "7002"},
        {"bind 127.0.0.1 -::1", "bind", "127.0.0.1 -::1"},
        {"bind \"127.0.0.1 -::1\"", "bind", "127.0.0.1 -::1"},
        {"requirepass \"a b\\\"c\\x41\\n\"", "requirepass", "a b\"cA\n"},
        {"requirepass 'it\\'s \\n'", "requirepass", "it's \\n"},
        {"requirepass a#b", "requirepass", "a#b"},
        {"requirepass \"\"", "requirepass", ""},
        {"loglevel WARNING", "loglevel", "warning"},
        {"protected-mode No", "protected-mode", "no"},
        {"proto-max-bulk-len 64mb", "proto-max-bulk-len", "67108864"},
        {"proto-max-bulk-len 64m", "proto-max-bulk-len", "64000000"},
        {"slowlog-log-slower-than -1", "slowlog-log-slower-than", "-1"},
        {"slave-serve-stale-data no", "replica-serve-stale-data", "no"},
        {"client-output-buffer-limit normal 1mb 0 5", "client-output-buffer-limit",
         "normal 1048576 0 5 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
        {"client-output-buffer-limit replica 1 2 3 pubsub 4 5 6", "client-output-buffer-limit",
         "normal 0 0 0 slave 1 2 3 pubsub 4 5 6"},
        {"cluster-nodes a:1 b:2", "cluster-nodes", "a:1 b:2"},
        {"cluster-nodes \"a:1,b:2  [::1]:3\"", "cluster-nodes", "a:1,b:2 [::1]:3"},
        {"notify-keyspace-events KEA", "notify-keyspace-events", "AKE"},
        {"notify-keyspace-events mnEKdtezxhsl$g", "notify-keyspace-events", "AnKEm"},
        {"notify-keyspace-events Exg", "notify-keyspace-events", "gxE"},
        {"notify-keyspace-events \"\"", "notify-keyspace-events", ""},
        {"save \"\"", "save", ""},
        {"appendonly yes", "appendonly", "yes"},
        {"latency-tracking-info-percentiles 0x10 01 +1 1e1 99.90",
         "latency-tracking-info-percentiles", "16 1 1 10 99.9"},
        {"latency-tracking-info-percentiles \"1 2\"", "latency-tracking-info-percentiles", "1 2"},
        {"latency-tracking-info-percentiles \"\"", "latency-tracking-info-percentiles", ""},
        {"oom-score-adj-values -2000 +1 02", "oom-score-adj-values", "-2000 1 2"},
        {"proc-title-template \"{{x} {title}\"", "proc-title-template", "{{x} {title}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        char error[CONFIG_ERROR_MAX] = "";

        print_message("case: %s\n", cases[i].text);
        config_init(&c);
        if (config_parse_text(&c, cases[i].text, "f.conf", error) != 0) {
            fail_msg("refused: %s", error);
        }
        assert_string_equal(shown(&c, cases[i].name), cases[i].want);
        config_release(&c);
    }
}

/* What is refused names file, line and option, and leaves the setting as it was. */
static void errors_name_line_and_option(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"port 7001\nfoo bar", "f.conf:2: unknown option 'foo'"},
        {"port", "f.conf:1: port: a value is missing"},
        {"user", "f.conf:1: user: a value is missing"},
        {"port 1 2", "f.conf:1: port: wrong number of arguments"},
        {"port x", "f.conf:1: port: argument couldn't be parsed into an integer"},
        {"port 0", "f.conf:1: port: argument must be between 1 and 65535 inclusive"},
        {"port 65536", "f.conf:1: port: argument must be between 1 and 65535 inclusive"},
        {"port 99999999999999999999",
         "f.conf:1: port: argument couldn't be parsed into an integer"},
        {"daemonize maybe", "f.conf:1: daemonize: argument must be 'yes' or 'no'"},
        {"appendfsync maybe", "f.conf:1: appendfsync: argument(s) must be one of the following: "
                              "everysec, always, no"},
        {"log-segment-size 1zb", "f.conf:1: log-segment-size: argument must be a memory value"},
        {"log-segment-size -1", "f.conf:1: log-segment-size: argument must be a memory value"},
        {"log-segment-size 1kb", "f.conf:1: log-segment-size: argument must be between 1048576 and "
                                 "4294967296 inclusive"},
        {"requirepass \"a", "f.conf:1: unbalanced quotes"},
        {"requirepass \"a\"b", "f.conf:1: unbalanced quotes"},
        {"requirepass \"\\x00\"", "f.conf:1: unbalanced quotes"},
        {"cluster-nodes a:1 b", "f.conf:1: cluster-nodes: 'b' is not host:port"},
        {"cluster-nodes a:1,b:0", "f.conf:1: cluster-nodes: 'b:0' is not host:port"},
        {"bind \"\"", "f.conf:1: bind: from 1 to 16 words are needed"},
        {"availability-zone \"a b\"", "f.conf:1: availability-zone: a zone's name has no spaces, "
                                      "commas or control characters"},
        {"client-output-buffer-limit normal 0 0",
         "f.conf:1: client-output-buffer-limit: Wrong number of arguments in buffer limit "
         "configuration."},
        {"client-output-buffer-limit norm 0 0 0",
         "f.conf:1: client-output-buffer-limit: Invalid client class specified in buffer limit "
         "configuration."},
        {"client-output-buffer-limit normal 0 0 -1",
         "f.conf:1: client-output-buffer-limit: Error in hard, soft or soft_seconds setting in "
         "buffer limit configuration."},
        {"notify-keyspace-events Kq", "f.conf:1: notify-keyspace-events: Invalid event class "
                                      "character. Use 'Ag$lshzxeKEtmdn'."},
        {"save 900 1", "f.conf:1: save: snapshots are taken by the length of the log: see "
                       "snapshot-log-size"},
        {"appendonly no", "f.conf:1: appendonly: every write goes to the replicated log, which "
                          "cannot be turned off"},
        {"maxmemory -1", "f.conf:1: maxmemory: argument must be a memory value"},
        {"maxmemory-clients 101%", "f.conf:1: maxmemory-clients: percentage argument must be less "
                                   "or equal to 100"},
        {"maxmemory-clients -1%", "f.conf:1: maxmemory-clients: argument must be a memory or "
                                  "percent value"},
        {"latency-tracking-info-percentiles \"1 \"",
         "f.conf:1: latency-tracking-info-percentiles: Invalid latency-tracking-info-percentiles "
         "parameters"},
        {"oom-score-adj-values 1 2", "f.conf:1: oom-score-adj-values: wrong number of arguments"},
        {"oom-score-adj-values 1 2 2001",
         "f.conf:1: oom-score-adj-values: Invalid oom-score-adj-values, elements must be between "
         "-2000 and 2000."},
        {"proc-title-template {x}", "f.conf:1: proc-title-template: template format is invalid or "
                                    "contains unknown variables"},
        {"dbfilename a/b", "f.conf:1: dbfilename: dbfilename can't be a path, just a filename"},
        {"appendfilename a/b",
         "f.conf:1: appendfilename: appendfilename can't be a path, just a filename"},
        {"appendfilename \"\"", "f.conf:1: appendfilename: appendfilename can't be empty"},
        {"appenddirname ../a",
         "f.conf:1: appenddirname: appenddirname can't be a path, just a dirname"},
        {"appenddirname \"\"", "f.conf:1: appenddirname: appenddirname can't be empty"},
        {"include /nonexistent/x.conf", "cannot read configuration file '/nonexistent/x.conf': No "
                                        "such file or directory"},
    };
    struct config fresh;

    (void)state;
    config_init(&fresh);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        char error[CONFIG_ERROR_MAX] = "";

        config_init(&c);
        assert_int_equal(config_parse_text(&c, cases[i].text, "f.conf", error), -1);
        assert_string_equal(error, cases[i].want);
        for (size_t o = 1; o < config_option_count(); o++) { /* all but port, which came before */
            assert_true(config_option_equal(&c, &fresh, config_option_at(o)));
        }
        config_release(&c);
    }
    config_release(&fresh);
}

static void rules_between_settings_are_checked(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"port 60000", "port: 60000 + 10000 is no port for peers; set peer-port"},
        {"port 60000\npeer-port 1", NULL},
        {"port 7000\npeer-port 7000", "peer-port: must differ from port (7000)"},
        {"raft-election-timeout 100", "raft-election-timeout: 100 ms must be more than two of "
                                      "raft-heartbeat-interval (50 ms)"},
        {"raft-election-timeout 101", NULL},
        {"cluster-data-groups 2",
         "cluster-data-groups: 2 need cluster-enabled yes: one database is "
         "one group"},
        {"cluster-data-groups 64\ncluster-enabled yes", NULL},
        {"proto-max-bulk-len 704mb", NULL},
        {"proto-max-bulk-len 705mb",
         "proto-max-bulk-len: 739246080 bytes and max-uncommitted-bytes (268435456) together do "
         "not fit an entry of the log (1073741824 bytes, less 67108864)"},
        {"proto-max-bulk-len 900mb\nmax-uncommitted-bytes 32mb", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        char error[CONFIG_ERROR_MAX] = "";

        config_init(&c);
        assert_int_equal(config_parse_text(&c, cases[i].text, "f.conf", error), 0);
        assert_int_equal(config_check(&c, error), cases[i].want == NULL ? 0 : -1);
        assert_string_equal(error, cases[i].want == NULL ? "" : cases[i].want);
        config_release(&c);
    }
}

/* ---- the command line --------------------------------------------------------------------------
 */

struct folder {
    char dir[64], file[128], part[128];
};

static struct folder *folder(void **state) { return *state; }

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/test-config-XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        return -1;
    }
    snprintf(f->file, sizeof f->file, "%s/a.conf", f->dir);
    snprintf(f->part, sizeof f->part, "%s/part.conf", f->dir);
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;

    (void)unlink(f->file); /* not every test makes both */
    (void)unlink(f->part);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void the_command_line_comes_after_the_file(void **state)
{
    char *argv[] = {"s",   folder(state)->file, "--port", "7002", "--bind",
                    "::1", "127.0.0.1",         "--HZ",   "20",   "--slowlog-log-slower-than",
                    "-1",  "--cluster-nodes",   "a:1",    "b:2"};
    enum config_action action;
    struct config c;
    char error[CONFIG_ERROR_MAX] = "";
    char *file;

    write_file(folder(state)->file, "port 7001\ntimeout 5\n");
    config_init(&c);
    assert_int_equal(config_load(&c, ARRAY_LEN(argv), argv, &action, &file, error), 0);
    assert_int_equal(action, CONFIG_START);
    assert_string_equal(file, folder(state)->file);
    assert_int_equal(c.port, 7002);
    assert_int_equal(c.timeout, 5);
    assert_int_equal(c.hz, 20);
    assert_int_equal(c.slowlog_log_slower_than, -1);
    assert_string_equal(c.bind[0], "::1");
    assert_string_equal(c.bind[1], "127.0.0.1");
    assert_null(c.bind[2]);
    assert_string_equal(c.cluster_nodes, "a:1 b:2");
    free(file);
    config_release(&c);
}

static void the_command_line_is_refused_by_option(void **state)
{
    static const struct {
        const char *words[4];
        const char *want;
    } cases[] = {
        {{"--foo", "1"}, "unknown option '--foo'"},
        {{"--port", "x"}, "--port: argument couldn't be parsed into an integer"},
        {{"--port"}, "--port: a value is missing"},
        {{"--user"}, "--user: a value is missing"},
        {{"--port", "--hz", "1"}, "--port: a value is missing"},
        {{"-port", "1"}, "'-port' is not an option: options begin with '--'"},
        {{"--port", "1", "2"}, "--port: wrong number of arguments"},
        {{"--raft-heartbeat-interval", "200"},
         "raft-election-timeout: 300 ms must be more than two of raft-heartbeat-interval (200 ms)"},
        {{"/nonexistent.conf"},
         "cannot read configuration file '/nonexistent.conf': No such file or directory"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[6] = {"s"};
        enum config_action action;
        struct config c;
        char error[CONFIG_ERROR_MAX] = "";
        char *file;
        int argc = 1;

        for (size_t w = 0; w < 4 && cases[i].words[w] != NULL; w++) {
            argv[argc++] = (char *)cases[i].words[w];
        }
        config_init(&c);
        assert_int_equal(config_load(&c, argc, argv, &action, &file, error), -1);
        assert_string_equal(error, cases[i].want);
        assert_null(file);
        config_release(&c);
    }
}

static void users_are_kept_line_by_line(void **state)
{
    char *argv[] = {"s", "--user", "a", "on", "~*", "--user", "b"};
    enum config_action action;
    struct config c;
    char error[CONFIG_ERROR_MAX];
    char *file;

    (void)state;
    config_init(&c);
    assert_int_equal(config_load(&c, ARRAY_LEN(argv), argv, &action, &file, error), 0);
    assert_string_equal(c.users[0], "a on ~*");
    assert_string_equal(c.users[1], "b");
    assert_null(c.users[2]);
    config_release(&c);
    assert_null(c.users);
}

static void help_and_version_ask_for_no_start(void **state)
{
    static const struct {
        char *word;
        enum config_action want;
    } cases[] = {{"--help", CONFIG_HELP},
                 {"-h", CONFIG_HELP},
                 {"--version", CONFIG_VERSION},
                 {"-v", CONFIG_VERSION}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[] = {"s", cases[i].word};
        enum config_action action;
        struct config c;
        char error[CONFIG_ERROR_MAX];
        char *file;

        config_init(&c);
        assert_int_equal(config_load(&c, 2, argv, &action, &file, error), 0);
        assert_int_equal(action, cases[i].want);
        config_release(&c);
    }
}

/* The process changes its folder at the start, and CONFIG REWRITE reads the file again: a relative
 * include is meant from the file that names it. */
static void includes_are_found_beside_their_file(void **state)
{
    struct folder *f = folder(state);
    char *argv[] = {"s", f->file};
    enum config_action action;
    struct config c;
    char error[CONFIG_ERROR_MAX] = "";
    char *file = NULL;

    write_file(f->file, "timeout 1\ninclude part.conf\ninclude none*.conf\nhz 30\n");
    write_file(f->part, "timeout 2\nhz 20\n");
    config_init(&c);
    assert_int_equal(config_load(&c, 2, argv, &action, &file, error), 0);
    assert_int_equal(c.timeout, 2);
    assert_int_equal(c.hz, 30);
    free(file);
    write_file(f->part, "include a.conf\n"); /* a ring of files ends */
    assert_int_equal(config_load(&c, 2, argv, &action, &file, error), -1);
    assert_non_null(strstr(error, "include: more than 16 deep"));
    config_release(&c);
}

/* ---- CONFIG REWRITE ---------------------------------------------------------------------- */

static void a_rewrite_keeps_what_still_holds(void **state)
{
    static const struct {
        const char *name;
        const char *old, *changes, *want;
    } cases[] = {
        {"nothing changed: not a byte differs",
         "# mine\n\nport 7001\n  timeout   5\nclient-output-buffer-limit normal 1mb 0 0\n"
         "client-output-buffer-limit pubsub 0 0 0\n",
         "",
         "# mine\n\nport 7001\n  timeout   5\nclient-output-buffer-limit normal 1mb 0 0\n"
         "client-output-buffer-limit pubsub 0 0 0\n"},
        {"a changed option keeps its place", "timeout 5\n# end\n", "timeout 6",
         "timeout 6\n# end\n"},
        {"also when it changes to the default", "timeout 5\n# end\n", "timeout 0",
         "timeout 0\n# end\n"},
        {"repetitions go", "timeout 5\ntimeout 6\n", "", "timeout 6\n"},
        {"an alias still holds, or becomes the name", "slave-serve-stale-data no\n",
         "replica-serve-stale-data yes", "replica-serve-stale-data yes\n"},
        {"new ones come at the end", "port 7001", "hz 20\nrequirepass \"a b\"",
         "port 7001\n\n# Generated by CONFIG REWRITE\nhz 20\nrequirepass \"a b\"\n"},
        {"behind those of the last time", "port 7001\n\n# Generated by CONFIG REWRITE\nhz 20\n",
         "proto-max-bulk-len 2mb",
         "port 7001\n\n# Generated by CONFIG REWRITE\nhz 20\nproto-max-bulk-len 2mb\n"},
        {"an empty file", "", "bind ::1 ::2", "# Generated by CONFIG REWRITE\nbind ::1 ::2\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        struct buf out;
        char error[CONFIG_ERROR_MAX] = "";

        print_message("case: %s\n", cases[i].name);
        config_init(&c);
        buf_init(&out);
        assert_int_equal(config_parse_text(&c, cases[i].old, "f", error), 0);
        assert_int_equal(config_parse_text(&c, cases[i].changes, "f", error), 0);
        assert_int_equal(config_rewrite_text(&c, cases[i].old, "f", &out, error), 0);
        buf_append(&out, "", 1);
        assert_string_equal(buf_head(&out), cases[i].want);
        buf_release(&out);
        config_release(&c);
    }
}

/* Every option that is merely kept, set to another value than its first. */
static void change_kept(struct config *c)
{
    char error[CONFIG_ERROR_MAX];

    for (size_t i = 0; i < config_kept_count(); i++) {
        const struct config_option *o = config_kept_at(i);
        char number[32];
        const char *other = "some words";

        if (o->flags & CONFIG_FIXED) {
            continue;
        }
        if (o->type == CONFIG_BOOL) {
            other = strcmp(o->initial, "yes") == 0 ? "no" : "yes";
        } else if (o->type == CONFIG_INT) {
            snprintf(number, sizeof number, "%lld", (long long)o->min);
            if (strcmp(number, o->initial) == 0) {
                snprintf(number, sizeof number, "%lld", (long long)o->max);
            }
            other = number;
        } else if (o->type == CONFIG_ENUM) {
            other = strcmp(o->names[0].name, o->initial) == 0 ? o->names[1].name : o->names[0].name;
        } else if (o->flags & CONFIG_NUMBERS) {
            other = "1 2 3";
        }
        if (!config_option_set_text(c, o, other, error)) {
            fail_msg("%s %s: %s", o->name, other, error);
        }
    }
}

/* What does not exist has a reason, which ends the start, and stands in the manual. */
static void what_is_refused_says_why(void **state)
{
    char error[CONFIG_ERROR_MAX];
    const char *name, *why;
    char *manual;
    struct config c;
    size_t n;

    (void)state;
    config_init(&c);
    assert_int_equal(file_read_all(MANUAL, 1 << 20, &manual, &n), 0);
    for (size_t i = 0; (name = config_refused_at(i, &why)) != NULL; i++) {
        char text[300], want[CONFIG_ERROR_MAX];

        assert_null(config_option_find(name, strlen(name)));
        assert_string_equal(config_refusal(name, strlen(name)), why);
        snprintf(text, sizeof text, "%s x", name);
        assert_int_equal(config_parse_text(&c, text, "f", error), -1);
        snprintf(want, sizeof want, "f:1: %s is refused: %s", name, why);
        assert_string_equal(error, want);
        snprintf(text, sizeof text, "`%s`", name);
        if (strstr(manual, text) == NULL) {
            fail_msg("%s is not in the manual", name);
        }
    }
    assert_non_null(config_refusal("REPLICAOF", 9));
    assert_null(config_refusal("replicao", 8));
    free(manual);
    config_release(&c);
}

/* Whatever the settings are, the file says them: every option set to something else, written,
 * read back. */
static void a_rewritten_file_reads_back_as_the_settings(void **state)
{
    static const char text[] =
        "port 1\nbind ::1\ntcp-backlog 1\ntimeout 1\ntcp-keepalive 1\nmaxclients 1\n"
        "protected-mode no\nproto-max-bulk-len 1048577\nclient-query-buffer-limit 2gb\n"
        "client-output-buffer-limit normal 1 2 3 slave 4 5 6 pubsub 7 8 9\ndaemonize yes\n"
        "notify-keyspace-events $xKm\n"
        "pidfile \"/a b\"\nlogfile '\"'\nloglevel debug\ndir x\ndatabases 1\nhz 1\n"
        "requirepass \" #\\x01\\xff\\\\\"\nshutdown-timeout 1\nenable-debug-command local\n"
        "aclfile /u\nacl-pubsub-default allchannels\nacllog-max-len 0\n"
        "cluster-enabled yes\npeer-port 5\npeer-announce-ip h\ncluster-nodes a:1 b:2\n"
        "cluster-announce-ip i\ncluster-announce-port 7\navailability-zone z\n"
        "cluster-data-groups 3\nleader-balance-delay 0\n"
        "raft-heartbeat-interval 1\nraft-election-timeout 99\nraft-lease-drift 0\n"
        "read-consistency quorum\nelection-wait-timeout 0\noutcome-wait-timeout 1\n"
        "max-uncommitted-bytes 1mb\nreplica-serve-stale-data no\nappendfsync everysec\n"
        "log-segment-size 1mb\nlog-ballast-size 0\nsnapshot-log-size 1\n"
        "snapshot-transfer-rate 0\nrdbcompression no\nrdbchecksum no\n"
        "maxmemory 1gb\nmaxmemory-policy allkeys-lfu\nmaxmemory-samples 1\n"
        "maxmemory-eviction-tenacity 100\nmaxmemory-clients 5%\n"
        "tracking-table-max-keys 7\nlfu-log-factor 0\n"
        "lfu-decay-time 0\n"
        "hash-max-listpack-entries 1\nhash-max-listpack-value 1\nset-max-intset-entries 1\n"
        "set-max-listpack-entries 1\nset-max-listpack-value 1\n"
        "zset-max-listpack-entries 1\nzset-max-listpack-value 1\n"
        "list-max-listpack-size 5\nhll-sparse-max-bytes 1\n"
        "stream-node-max-bytes 1\nstream-node-max-entries 1\n"
        "busy-reply-threshold 0\nlua-memory-limit 1\n"
        "slowlog-log-slower-than 0\nslowlog-max-len 0\nactiverehashing no\n"
        "active-defrag-ignore-bytes 1kb\nactive-defrag-threshold-lower 5\n"
        "active-defrag-threshold-upper 50\nactive-defrag-cycle-min 2\n"
        "active-defrag-cycle-max 50\nactive-defrag-max-scan-fields 10\n"
        "latency-tracking no\nlatency-tracking-info-percentiles 1 2\n"
        "latency-monitor-threshold 1\n";
    struct config a, b, fresh;
    struct folder *f = folder(state);
    char error[CONFIG_ERROR_MAX] = "";
    struct stat st;
    char *written;
    size_t n;

    config_init(&a);
    config_init(&b);
    config_init(&fresh);
    assert_int_equal(config_parse_text(&a, text, "f", error), 0);
    change_kept(&a);
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);

        /* A new option must be added to the text above; activedefrag cannot be changed here. */
        assert_int_equal(config_option_equal(&a, &fresh, o),
                         (o->flags & CONFIG_FIXED) != 0 || strcmp(o->name, "activedefrag") == 0);
    }
    write_file(f->file, "# kept\n");
    assert_int_equal(chmod(f->file, 0640), 0);
    assert_int_equal(config_rewrite(&a, f->file, error), 0);
    assert_int_equal(file_read_all(f->file, 1 << 20, &written, &n), 0);
    assert_memory_equal(written, "# kept\n", 7);
    assert_int_equal(config_parse_text(&b, written, "f", error), 0);
    for (size_t i = 0; i < config_option_count(); i++) {
        assert_true(config_option_equal(&a, &b, config_option_at(i)));
    }
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    free(written);
    config_release(&a);
    config_release(&b);
    config_release(&fresh);
}

/* A setting changed since wins over the included file that says otherwise. */
static void a_rewrite_wins_over_included_files(void **state)
{
    struct folder *f = folder(state);
    struct config a, b;
    char error[CONFIG_ERROR_MAX] = "";
    char *argv[] = {"s", f->file};
    enum config_action action;
    char *file;

    write_file(f->part, "timeout 2\n");
    write_file(f->file, "timeout 1\ninclude part.conf\n");
    config_init(&a);
    config_init(&b);
    assert_int_equal(config_load(&a, 2, argv, &action, &file, error), 0);
    a.timeout = 9;
    assert_int_equal(config_rewrite(&a, file, error), 0);
    free(file);
    assert_int_equal(config_load(&b, 2, argv, &action, &file, error), 0);
    assert_int_equal(b.timeout, 9);
    free(file);
    config_release(&a);
    config_release(&b);
}

/* ---- the manual -------------------------------------------------------------------------- */

/* Every option has a row "| `name` | ... | `default` |" in the manual, where an empty default is an
 * empty cell, and is marked as live exactly when CONFIG SET can change it. */
static void the_manual_describes_every_option(void **state)
{
    char *manual;
    size_t n;

    (void)state;
    assert_int_equal(file_read_all(MANUAL, 1 << 20, &manual, &n), 0);
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        bool fixed = (o->flags & (CONFIG_FIXED | CONFIG_KEPT)) != 0;
        bool live = (o->flags & (CONFIG_IMMUTABLE | CONFIG_PROTECTED)) == 0 && !fixed;
        char text[300];
        char row[2048];
        const char *at, *end;

        snprintf(text, sizeof text, "\n| `%s` |", o->name);
        at = strstr(manual, text);
        if (at == NULL) {
            fail_msg("%s is not in the manual", o->name);
            break;
        }
        end = strchr(at + 1, '\n');
        snprintf(row, sizeof row, "%.*s", (int)(end - at), at);
        if (o->initial[0] != '\0') {
            snprintf(text, sizeof text, "| `%s` | %s", o->initial,
                     fixed  ? ""
                     : live ? "yes |"
                            : "|");
        } else {
            snprintf(text, sizeof text, "| | %s", fixed ? "" : live ? "yes |" : "|");
        }
        if (strstr(row, text) == NULL) {
            fail_msg("%s: the manual's row has no '%s': %s", o->name, text, row);
        }
        if (o->alias != NULL && strstr(row, o->alias) == NULL) {
            fail_msg("%s: its alias %s is not in the manual", o->name, o->alias);
        }
    }
    free(manual);
}

/* This program has the allocator of libc, which cannot tell what should move: CONFIG SET and a file
 * are told so, in Redis's words. */
static void defragmentation_needs_its_allocator(void **state)
{
    const struct config_option *o = config_option_find("activedefrag", 12);
    char error[CONFIG_ERROR_MAX] = "";
    struct config c;

    (void)state;
    config_init(&c);
    assert_non_null(o);
    assert_false(config_option_set_text(&c, o, "yes", error));
    assert_non_null(strstr(error, "Active defragmentation cannot be enabled: it requires"));
    assert_false(c.activedefrag);
    assert_false(config_option_set_text(&c, o, "maybe", error));
    assert_string_equal(error, "argument must be 'yes' or 'no'");
    assert_true(config_option_set_text(&c, o, "no", error));
    config_release(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_option_begins_as_its_entry_says),
    cmocka_unit_test(files_are_read_as_redis_writes_them),
    cmocka_unit_test(errors_name_line_and_option),
    cmocka_unit_test(rules_between_settings_are_checked),
    cmocka_unit_test(what_is_refused_says_why),
    cmocka_unit_test_setup_teardown(the_command_line_comes_after_the_file, make_folder,
                                    remove_folder),
    cmocka_unit_test(the_command_line_is_refused_by_option),
    cmocka_unit_test(users_are_kept_line_by_line),
    cmocka_unit_test(help_and_version_ask_for_no_start),
    cmocka_unit_test_setup_teardown(includes_are_found_beside_their_file, make_folder,
                                    remove_folder),
    cmocka_unit_test(a_rewrite_keeps_what_still_holds),
    cmocka_unit_test_setup_teardown(a_rewritten_file_reads_back_as_the_settings, make_folder,
                                    remove_folder),
    cmocka_unit_test_setup_teardown(a_rewrite_wins_over_included_files, make_folder, remove_folder),
    cmocka_unit_test(the_manual_describes_every_option),
    cmocka_unit_test(defragmentation_needs_its_allocator),
};

TEST_MAIN(tests)
