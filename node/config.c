/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/config.c - settings from a file and a command line; see node/config.h.
 *
 * What cannot be understood stops the start: an option that is skipped in silence is one somebody
 * relies on. */
#include "node/config.h"

#include "base/file.h"
#include "base/mem.h"
#include "node/config_table.h"
#include "raft/entry.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u << 20)
#define INCLUDE_DEPTH_MAX 16
/* What an entry of the log holds beside the writes of a loop turn and one more string, at most. */
#define ENTRY_BYTES_RESERVED (64u << 20)

void config_init(struct config *c)
{
    config_set_initial(c);
    c->active_expire = true;
}

static void release_users(struct config *c)
{
    for (char **u = c->users; u != NULL && *u != NULL; u++) {
        free(*u);
    }
    free(c->users);
    c->users = NULL;
}

void config_release(struct config *c)
{
    release_users(c);
    config_release_values(c);
}

bool config_get_text(const struct config *c, const char *name, struct buf *out)
{
    const struct config_option *o = config_option_find(name, strlen(name));

    if (o == NULL) {
        return false;
    }
    config_option_print(c, o, out);
    return true;
}

PRINTF_LIKE(2, 3)
static int fail(char *error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(error, CONFIG_ERROR_MAX, fmt, args);
    va_end(args);
    return -1;
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* Where the line being read stands. */
struct place {
    const char *file;   /* NULL: the command line, or standard input */
    const char *prefix; /* "file:line: " or "--" */
    int depth;
    bool is_argument; /* of the command line */
};

static int parse_file(struct config *c, const char *path, int depth, char *error);

/* Files that @name means, in order of name; relative to the folder of the including file (the
 * process changes its own). A pattern may fit none, a plain name must be there. */
static int parse_include(struct config *c, const char *name, const struct place *at, char *error)
{
    const char *slash = at->file == NULL ? NULL : strrchr(at->file, '/');
    int folder = slash == NULL || name[0] == '/' ? 0 : (int)(slash - at->file) + 1;
    int depth = at->depth;
    char pattern[PATH_MAX];
    glob_t g;
    int rc = 0;

    if (depth >= INCLUDE_DEPTH_MAX) {
        return fail(error, "%sinclude: more than %d deep", at->prefix, INCLUDE_DEPTH_MAX);
    }
    if (snprintf(pattern, sizeof pattern, "%.*s%s", folder, folder > 0 ? at->file : "", name) >=
        (int)sizeof pattern) {
        return fail(error, "%sinclude: the path is too long", at->prefix);
    }
    if (strpbrk(pattern, "*?[") == NULL) {
        return parse_file(c, pattern, depth + 1, error);
    }
    switch (glob(pattern, 0, NULL, &g)) {
    case 0:
        for (size_t i = 0; rc == 0 && i < g.gl_pathc; i++) {
            rc = parse_file(c, g.gl_pathv[i], depth + 1, error);
        }
        globfree(&g);
        return rc;
    case GLOB_NOMATCH:
        return 0;
    default:
        return fail(error, "%sinclude: cannot read '%.300s'", at->prefix, pattern);
    }
}

/* "user name rule ...": one of several lines. */
static void add_user(struct config *c, char *const *words, size_t n)
{
    size_t count = 0;
    struct buf line;

    while (c->users != NULL && c->users[count] != NULL) {
        count++;
    }
    buf_init(&line);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&line, "%s%s", i > 0 ? " " : "", words[i]);
    }
    buf_append(&line, "", 1);
    c->users = mem_realloc(c->users, (count + 2) * sizeof c->users[0]);
    c->users[count] = mem_strdup(buf_head(&line));
    c->users[count + 1] = NULL;
    buf_release(&line);
}

/* One line's words: an option and its values. */
static int parse_option(struct config *c, char *const *words, size_t n, const struct place *at,
                        char *error)
{
    const char *where = at->prefix;
    const struct config_option *o = config_option_find(words[0], strlen(words[0]));
    char why[CONFIG_ERROR_MAX];

    if (strcasecmp(words[0], "include") == 0) {
        if (n != 2) {
            return fail(error, "%sinclude: wrong number of arguments", where);
        }
        return parse_include(c, words[1], at, error);
    }
    if (strcasecmp(words[0], "user") == 0) {
        if (n < 2) {
            return fail(error, "%suser: a value is missing", where);
        }
        add_user(c, words + 1, n - 1);
        return 0;
    }
    if (o == NULL && config_refusal(words[0], strlen(words[0])) != NULL) {
        return fail(error, "%s%.100s is refused: %s", where, words[0],
                    config_refusal(words[0], strlen(words[0])));
    }
    if (o == NULL) {
        return at->is_argument ? fail(error, "unknown option '--%.100s'", words[0])
                               : fail(error, "%sunknown option '%.100s'", where, words[0]);
    }
    if (n < 2) {
        return fail(error, "%s%s: a value is missing", where, o->name);
    }
    if (!config_option_set(c, o, words + 1, n - 1, why)) {
        return fail(error, "%s%s: %.700s", where, o->name, why);
    }
    return 0;
}

static int parse_line(struct config *c, const char *line, size_t n, const struct place *at,
                      char *error)
{
    struct config_words words;
    int rc = 0;

    while (n > 0 && strchr(" \t\r\n", line[0]) != NULL && line[0] != '\0') {
        line++;
        n--;
    }
    if (n == 0 || line[0] == '#') {
        return 0;
    }
    if (memchr(line, '\0', n) != NULL) {
        return fail(error, "%sa NUL byte", at->prefix);
    }
    if (!config_words_split(&words, line, n)) {
        return fail(error, "%sunbalanced quotes", at->prefix);
    }
    if (words.n > 0) {
        rc = parse_option(c, words.w, words.n, at, error);
    }
    config_words_release(&words);
    return rc;
}

/* @file: NULL for standard input. */
static int parse_lines(struct config *c, const char *p, size_t n, const char *file, int depth,
                       char *error)
{
    const char *end = p + n;

    for (unsigned number = 1; p < end; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((stop == NULL ? end : stop) - p);
        char where[300];
        struct place at = {file, where, depth, false};

        snprintf(where, sizeof where, "%.250s:%u: ", file != NULL ? file : "standard input",
                 number);
        if (parse_line(c, p, len, &at, error) != 0) {
            return -1;
        }
        p += len + 1;
    }
    return 0;
}

static int parse_file(struct config *c, const char *path, int depth, char *error)
{
    char *text;
    size_t n;
    int rc;

    if (file_read_all(path, FILE_MAX_BYTES, &text, &n) != 0) {
        return fail(error, "cannot read configuration file '%.300s': %s", path, strerror(errno));
    }
    rc = parse_lines(c, text, n, path, depth, error);
    free(text);
    return rc;
}

int config_parse_text(struct config *c, const char *text, const char *name, char *error)
{
    return parse_lines(c, text, strlen(text), name, 0, error);
}

static int parse_stdin(struct config *c, char *error)
{
    struct buf b;
    ssize_t got = 1;
    int rc;

    buf_init(&b);
    while (got != 0 && b.len <= FILE_MAX_BYTES) {
        buf_reserve(&b, 4096);
        got = read(STDIN_FILENO, buf_tail(&b), buf_room(&b));
        if (got < 0 && errno != EINTR) {
            rc = fail(error, "cannot read the configuration from standard input: %s",
                      strerror(errno));
            goto out;
        }
        buf_fill(&b, got > 0 ? (size_t)got : 0);
    }
    if (b.len > FILE_MAX_BYTES) {
        rc = fail(error, "the configuration on standard input is too long");
        goto out;
    }
    rc = parse_lines(c, buf_head(&b), b.len, NULL, 0, error);
out:
    buf_release(&b);
    return rc;
}

/* ---- command line ------------------------------------------------------------------------------
 */

static bool is_name(const char *arg) { return arg[0] == '-' && arg[1] == '-' && arg[2] != '\0'; }

/* --name value ... --name value ...: a word that begins with two dashes ends the values before. */
static int parse_arguments(struct config *c, int argc, char **argv, char *error)
{
    static const struct place at = {NULL, "--", 0, true};
    int i = 0;

    while (i < argc) {
        char *words[64];
        size_t n = 0;

        if (!is_name(argv[i])) {
            return fail(error, "'%.200s' is not an option: options begin with '--'", argv[i]);
        }
        words[n++] = argv[i++] + 2;
        while (i < argc && !is_name(argv[i])) {
            if (n == ARRAY_LEN(words)) {
                return fail(error, "--%.100s: too many values", words[0]);
            }
            words[n++] = argv[i++];
        }
        if (parse_option(c, words, n, &at, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What `holdfast-server --help` and such ask for. */
static enum config_action find_action(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return CONFIG_HELP;
    }
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
        return CONFIG_VERSION;
    }
    return CONFIG_START;
}

int config_load(struct config *c, int argc, char **argv, enum config_action *action, char **file,
                char *error)
{
    char path[PATH_MAX];
    bool from_stdin = false;

    *file = NULL;
    *action = find_action(argc, argv);
    if (*action != CONFIG_START) {
        return 0;
    }
    argc--;
    argv++;
    if (argc > 0 && strcmp(argv[argc - 1], "-") == 0) {
        from_stdin = true;
        argc--;
    } else if (argc > 0 && strcmp(argv[0], "-") == 0) {
        from_stdin = true;
        argc--;
        argv++;
    }
    if (argc > 0 && argv[0][0] != '-') {
        if (realpath(argv[0], path) == NULL) {
            return fail(error, "cannot read configuration file '%.300s': %s", argv[0],
                        strerror(errno));
        }
        if (parse_file(c, argv[0], 0, error) != 0) {
            return -1;
        }
        *file = mem_strdup(path);
        argc--;
        argv++;
    }
    if ((from_stdin && parse_stdin(c, error) != 0) || parse_arguments(c, argc, argv, error) != 0 ||
        config_check(c, error) != 0) {
        free(*file);
        *file = NULL;
        return -1;
    }
    return 0;
}

int config_check(const struct config *c, char *error)
{
    int64_t peer_port = c->peer_port != 0 ? c->peer_port : c->port + 10000;

    if (peer_port > 65535) {
        return fail(error, "port: %lld + 10000 is no port for peers; set peer-port",
                    (long long)c->port);
    }
    if (peer_port == c->port) {
        return fail(error, "peer-port: must differ from port (%lld)", (long long)c->port);
    }
    if (c->proto_max_bulk_len >
        (int64_t)(RAFT_ENTRY_BYTES_MAX - ENTRY_BYTES_RESERVED) - c->max_uncommitted_bytes) {
        return fail(error,
                    "proto-max-bulk-len: %lld bytes and max-uncommitted-bytes (%lld) together do "
                    "not fit an entry of the log (%u bytes, less %u)",
                    (long long)c->proto_max_bulk_len, (long long)c->max_uncommitted_bytes,
                    RAFT_ENTRY_BYTES_MAX, ENTRY_BYTES_RESERVED);
    }
    if (c->cluster_data_groups > 1 && !c->cluster_enabled) {
        return fail(error,
                    "cluster-data-groups: %lld need cluster-enabled yes: one database is "
                    "one group",
                    (long long)c->cluster_data_groups);
    }
    if (c->raft_election_timeout <= 2 * c->raft_heartbeat_interval) {
        return fail(error,
                    "raft-election-timeout: %lld ms must be more than two of "
                    "raft-heartbeat-interval (%lld ms)",
                    (long long)c->raft_election_timeout, (long long)c->raft_heartbeat_interval);
    }
    return 0;
}

void config_print_help(void)
{
    printf("Usage: holdfast-server [config-file | -] [--option value ...]\n"
           "       holdfast-server --help | --version\n"
           "\n"
           "'-' reads the configuration from standard input. In a file an option stands on a line\n"
           "of its own, without the dashes. Sizes may be written as 64mb, 1gb.\n"
           "\n"
           "Options, with their defaults:\n");
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);

        if (o->flags & (CONFIG_FIXED | CONFIG_KEPT)) {
            continue;
        }
        printf("  --%-28s %s%s%s\n", o->name, o->help, o->initial[0] != '\0' ? "; default " : "",
               o->initial);
    }
    printf("\n"
           "Example: three nodes of a cluster on one machine, here the first:\n"
           "  holdfast-server --port 7001 --dir node-1 --cluster-enabled yes \\\n"
           "    --cluster-nodes 127.0.0.1:17001 127.0.0.1:17002 127.0.0.1:17003\n");
}
