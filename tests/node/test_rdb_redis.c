/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_rdb_redis.c - our files in Redis's hands and Redis's files in ours, with the
 * redis-check-rdb and redis-server that are installed; skipped where they are not. */
#include "tests/test.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "node/rdb/rdb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAR_FUTURE INT64_C(4102444800000) /* 2100-01-01 */
#define START_DEADLINE_MS 20000

/* ---- processes --------------------------------------------------------------------------------
 */

static bool installed(const char *name)
{
    static const char *const dirs[] = {"/usr/bin", "/usr/local/bin", "/bin"};
    char path[128];

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        snprintf(path, sizeof path, "%s/%s", dirs[i], name);
        if (access(path, X_OK) == 0) {
            return true;
        }
    }
    print_message("%s is not installed: skipped\n", name);
    return false;
}

/* Start a program with its output in the file @log. It ends with this one: a server that a failed
 * test left behind would live on, with all that this process has open. */
static pid_t start(const char *const *argv, const char *log)
{
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        if (fd >= 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2 &&
            prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
            execvp(argv[0], (char *const *)argv);
        }
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = mem_zalloc(1 << 16);

    assert_non_null(f);
    (void)fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    return text;
}

/* ---- a client
 * ------------------------------------------------------------------------------------ */

struct server {
    char dir[64], rdb[96], log[96], port[8];
    pid_t pid;
    FILE *in, *out;
};

static unsigned free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static bool try_connect(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(s->port)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        return false;
    }
    s->in = fdopen(fd, "r");
    s->out = fdopen(dup(fd), "w");
    return true;
}

struct word {
    const char *p;
    size_t n;
};

static void request(struct server *s, const struct word *words, size_t n)
{
    fprintf(s->out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        fprintf(s->out, "$%zu\r\n", words[i].n);
        fwrite(words[i].p, 1, words[i].n, s->out);
        fputs("\r\n", s->out);
    }
    assert_int_equal(fflush(s->out), 0);
}

/* A reply in one piece: the text of a status, error or integer, or the bytes of a bulk (*n < 0:
 * null). The caller frees it. */
static char *reply(struct server *s, ssize_t *n)
{
    char line[256];
    char *text;

    assert_non_null(fgets(line, sizeof line, s->in));
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] != '$') {
        *n = (ssize_t)strlen(line);
        return mem_strdup(line);
    }
    *n = atol(line + 1);
    if (*n < 0) {
        return NULL;
    }
    text = mem_alloc((size_t)*n + 3);
    assert_int_equal(fread(text, 1, (size_t)*n + 2, s->in), (size_t)*n + 2);
    text[*n] = '\0';
    return text;
}

#define WORD(s)                                                                                    \
    (struct word) { s, strlen(s) }

static char *call(struct server *s, size_t n, const struct word *words)
{
    ssize_t len;

    request(s, words, n);
    return reply(s, &len);
}

static void call_ok(struct server *s, size_t n, const struct word *words)
{
    char *text = call(s, n, words);

    assert_string_equal(text, "+OK");
    free(text);
}

static int64_t call_int(struct server *s, size_t n, const struct word *words)
{
    char *text = call(s, n, words);
    int64_t v;

    assert_int_equal(text[0], ':');
    v = atoll(text + 1);
    free(text);
    return v;
}

static void server_dir(struct server *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/holdfast-rdb-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->rdb, sizeof s->rdb, "%s/dump.rdb", s->dir);
    snprintf(s->log, sizeof s->log, "%s/log", s->dir);
}

/* Over the dump.rdb that stands in the directory, if any. */
static void server_start(struct server *s)
{
    int64_t deadline = clock_boot_us() + START_DEADLINE_MS * 1000;
    const char *const argv[] = {
        "redis-server", "--port", s->port, "--bind",       "127.0.0.1", "--dir",
        s->dir,         "--save", "",      "--appendonly", "no",        "--enable-debug-command",
        "yes",          NULL};
    char *pong = NULL;

    snprintf(s->port, sizeof s->port, "%u", free_port());
    s->pid = start(argv, s->log);
    while (pong == NULL || strcmp(pong, "+PONG") != 0) {
        assert_true(clock_boot_us() < deadline);
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0); /* read the log if this fails */
        free(pong);
        pong = NULL;
        if (s->in == NULL && !try_connect(s)) {
            usleep(20 * 1000);
            continue;
        }
        pong = call(s, 1, &WORD("PING"));
    }
    free(pong);
}

static void server_stop(struct server *s)
{
    fclose(s->in);
    fclose(s->out);
    s->in = NULL;
    kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    (void)unlink(s->rdb);
    (void)unlink(s->log);
    assert_int_equal(rmdir(s->dir), 0);
}

/* ---- data
 * ------------------------------------------------------------------------------------------ */

#define DATABASES 4

static struct keyspace *new_keyspace(uint64_t seed)
{
    struct keyspace_config config = {16, false, {{seed, 3}}};

    return keyspace_new(&config);
}

struct entry {
    uint32_t db;
    char key[400];
    size_t key_len;
    char *value;
    size_t len;
    int64_t expire_at;
};

/* Every kind of key and value: numbers at the borders of their encodings, compressible and random
 * bytes at the borders of the length forms, binary keys. */
static size_t make_entries(struct entry **out)
{
    static const size_t lens[] = {0,     1,     11,  12,   19,    20,    21,     44,      45,
                                  63,    64,    65,  100,  255,   256,   257,    16383,   16384,
                                  16385, 65536, 300, 5000, 70000, 99999, 262144, 1000000, 3000000};
    static const int64_t numbers[] = {0,         1,          -1,         127,         128,
                                      -128,      -129,       32767,      32768,       -32768,
                                      -32769,    2147483647, 2147483648, -2147483648, -2147483649,
                                      INT64_MAX, INT64_MIN};
    size_t cap = 2 * ARRAY_LEN(lens) + ARRAY_LEN(numbers) + 500;
    struct entry *e = mem_zalloc(cap * sizeof *e);
    struct rng rng;
    size_t n = 0;

    rng_init(&rng, 99);
    for (size_t i = 0; i < cap; i++, n++) {
        e[i].db = (uint32_t)(i % DATABASES);
        e[i].expire_at = i % 3 == 0 ? FAR_FUTURE + (int64_t)i * 1001 : KEYSPACE_NO_EXPIRE;
        e[i].key_len = (size_t)snprintf(e[i].key, 100, i % 4 == 0 ? "%zu" : "key:%zu", i);
        if (i % 10 == 7) {
            e[i].key_len += i % 300;
            for (size_t j = e[i].key_len - i % 300; j < e[i].key_len; j++) {
                e[i].key[j] = (char)rng_next(&rng);
            }
        }
        if (i < 2 * ARRAY_LEN(lens)) {
            e[i].len = lens[i / 2];
            e[i].value = mem_alloc(e[i].len);
            for (size_t j = 0; j < e[i].len; j++) {
                e[i].value[j] = (char)(i % 2 == 0 ? 'a' + j / 10 % 20 : rng_next(&rng));
            }
        } else if (i < 2 * ARRAY_LEN(lens) + ARRAY_LEN(numbers)) {
            e[i].value = mem_alloc(32);
            e[i].len = (size_t)snprintf(e[i].value, 32, "%lld",
                                        (long long)numbers[i - 2 * ARRAY_LEN(lens)]);
        } else {
            e[i].value = mem_alloc(200);
            e[i].len = (size_t)snprintf(e[i].value, 200, "value %zu %0*d", i, (int)(i % 120), 5);
        }
    }
    *out = e;
    return n;
}

static void free_entries(struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(e[i].value);
    }
    free(e);
}

static struct keyspace *keyspace_of(const struct entry *e, size_t n)
{
    struct keyspace *ks = new_keyspace(1);

    for (size_t i = 0; i < n; i++) {
        struct key k = keyspace_key(ks, e[i].key, e[i].key_len);

        (void)keyspace_set_string(ks, e[i].db, &k, e[i].value, e[i].len, e[i].expire_at);
    }
    return ks;
}

/* ---- tests
 * ------------------------------------------------------------------------------------------- */

static void save(const struct server *s, const struct keyspace *ks, bool compress)
{
    struct rdb_meta meta = {.cluster_id = "0123456789012345678901234567890123456789",
                            .group = 3,
                            .term = 5,
                            .index = 999,
                            .members_len = 200};

    meta.system = mem_zalloc(5000);
    meta.system_len = 5000;
    memset(meta.members, 0xff, sizeof meta.members);
    assert_int_equal(rdb_save(s->rdb, ks, &meta, compress, NULL, NULL), RDB_OK);
    rdb_meta_release(&meta);
}

/* redis-check-rdb has nothing to say against our files. */
static void redis_check_rdb_accepts_our_files(void **state)
{
    struct entry *e;
    size_t n;

    (void)state;
    if (!installed("redis-check-rdb")) {
        skip();
    }
    n = make_entries(&e);
    for (unsigned round = 0; round < 3; round++) {
        struct keyspace *ks = keyspace_of(e, round == 0 ? 0 : n);
        struct server s = {.pid = 0};
        int status;
        char *text;

        server_dir(&s);
        save(&s, ks, round == 1);
        s.pid = start((const char *const[]){"redis-check-rdb", s.rdb, NULL}, s.log);
        assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
        text = read_text(s.log);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || strstr(text, "Checksum OK") == NULL ||
            strstr(text, "RDB looks OK!") == NULL) {
            fail_msg("redis-check-rdb: %s", text);
        }
        free(text);
        keyspace_free(ks);
        (void)unlink(s.rdb);
        (void)unlink(s.log);
        assert_int_equal(rmdir(s.dir), 0);
    }
    free_entries(e, n);
}

static void assert_server_has(struct server *s, const struct entry *e)
{
    char db[16];
    char *text;
    ssize_t len;
    int64_t at;

    snprintf(db, sizeof db, "%u", e->db);
    call_ok(s, 2, (struct word[]){WORD("SELECT"), WORD(db)});
    request(s, (struct word[]){WORD("GET"), {e->key, e->key_len}}, 2);
    text = reply(s, &len);
    assert_int_equal(len, e->len);
    assert_memory_equal(text, e->value, e->len);
    free(text);
    at = call_int(s, 2, (struct word[]){WORD("PEXPIRETIME"), {e->key, e->key_len}});
    assert_true(at == e->expire_at); /* -1 means none on both sides */
}

/* A stock Redis starts from our file and serves every key as it was. */
static void redis_loads_our_files(void **state)
{
    struct entry *e;
    size_t n;

    (void)state;
    if (!installed("redis-server")) {
        skip();
    }
    n = make_entries(&e);
    for (unsigned compress = 0; compress < 2; compress++) {
        struct keyspace *ks = keyspace_of(e, n);
        struct server s = {.pid = 0};
        int64_t size = 0;

        server_dir(&s);
        save(&s, ks, compress);
        server_start(&s);
        for (size_t i = 0; i < n; i++) {
            assert_server_has(&s, &e[i]);
        }
        for (unsigned db = 0; db < DATABASES; db++) {
            char name[16];

            snprintf(name, sizeof name, "%u", db);
            call_ok(&s, 2, (struct word[]){WORD("SELECT"), WORD(name)});
            size += call_int(&s, 1, &WORD("DBSIZE"));
            assert_int_equal(call_int(&s, 1, &WORD("DBSIZE")), keyspace_size(ks, db));
        }
        assert_int_equal(size, n);
        server_stop(&s);
        keyspace_free(ks);
    }
    free_entries(e, n);
}

static void fill_server(struct server *s, const struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char db[16], at[32];

        snprintf(db, sizeof db, "%u", e[i].db);
        snprintf(at, sizeof at, "%lld", (long long)e[i].expire_at);
        call_ok(s, 2, (struct word[]){WORD("SELECT"), WORD(db)});
        call_ok(s, e[i].expire_at == KEYSPACE_NO_EXPIRE ? 3 : 5,
                (struct word[]){WORD("SET"),
                                {e[i].key, e[i].key_len},
                                {e[i].value, e[i].len},
                                WORD("PXAT"),
                                WORD(at)});
    }
}

static void assert_file_gives(const char *path, const struct keyspace *want)
{
    struct keyspace *ks = new_keyspace(2);
    unsigned char a[20], b[20];
    struct rdb_loader *l;
    int rc = rdb_loader_new(path, true, &l);

    assert_int_equal(rc, RDB_OK);
    do {
        rc = rdb_loader_step(l, ks, 500, 0);
    } while (rc == 1);
    if (rc != RDB_OK) {
        fail_msg("%s", rdb_loader_error(l));
    }
    keyspace_digest(want, a);
    keyspace_digest(ks, b);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(rdb_loader_meta(l)->index, 0);
    rdb_loader_free(l);
    keyspace_free(ks);
}

/* Redis's own dump.rdb can seed us: compressed or not, with and without checksum, with idle times
 * and frequencies among the keys. */
static void we_load_the_files_of_redis(void **state)
{
    static const struct {
        const char *name, *value;
    } settings[] = {{"rdbcompression", "yes"},
                    {"rdbcompression", "no"},
                    {"maxmemory-policy", "allkeys-lru"},
                    {"maxmemory-policy", "allkeys-lfu"}};
    struct entry *e;
    size_t n;
    struct server s = {.pid = 0};
    struct keyspace *ks;

    (void)state;
    if (!installed("redis-server")) {
        skip();
    }
    n = make_entries(&e);
    ks = keyspace_of(e, n);
    server_dir(&s);
    server_start(&s);
    fill_server(&s, e, n);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        print_message("%s %s\n", settings[i].name, settings[i].value);
        call_ok(&s, 4,
                (struct word[]){WORD("CONFIG"), WORD("SET"), WORD(settings[i].name),
                                WORD(settings[i].value)});
        call_ok(&s, 1, &WORD("SAVE"));
        assert_file_gives(s.rdb, ks);
    }
    server_stop(&s);
    keyspace_free(ks);
    free_entries(e, n);
}

/* ---- all types, at both sides of every threshold ----------------------------------------------
 */

#define MANY_WORDS 2600

/* A command of @n words; must not be answered by an error. */
static void call_any(struct server *s, size_t n, const struct word *words)
{
    char *text = call(s, n, words);

    if (text != NULL && text[0] == '-') {
        fail_msg("%s: %s", words[0].p, text);
    }
    free(text);
}

/* Element @i of a collection, with @len bytes where that is not 0; a number every second time. */
static struct word element(char *out, size_t i, size_t len)
{
    static const int64_t numbers[] = {0,       127,       128,       4095,      4096,     -4096,
                                      -4097,   32767,     32768,     -32768,    -32769,   8388607,
                                      8388608, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

    if (len == 0 && i < ARRAY_LEN(numbers)) {
        return (struct word){out, (size_t)sprintf(out, "%lld", (long long)numbers[i])};
    }
    if (len == 0) {
        return (struct word){out, (size_t)sprintf(out, i % 2 == 0 ? "%zu" : "e%zu", i * 37)};
    }
    memset(out, 'a' + (int)(i % 26), len);
    (void)sprintf(out, "%zu", i);
    out[strlen(out)] = '.';
    return (struct word){out, len};
}

/* @name: the command; @score: each element has a score before it, @pairs: a value behind it. */
static void fill_collection(struct server *s, const char *name, bool score, bool pairs, size_t n,
                            size_t len)
{
    static char text[MANY_WORDS][9000], key[64];
    static struct word words[MANY_WORDS + 2];
    size_t at = 2;

    snprintf(key, sizeof key, "%s:%zu:%zu", name, n, len);
    words[0] = WORD(name);
    words[1] = WORD(key);
    for (size_t i = 0; i < n; i++) {
        if (score) {
            words[at] =
                (struct word){text[at], (size_t)sprintf(text[at], "%.17g", 0.1 * (double)i)};
            at++;
        }
        words[at] = element(text[at], i, len);
        at++;
        if (pairs) {
            words[at] = element(text[at], i + 1, len);
            at++;
        }
    }
    call_any(s, at, words);
}

static void fill_all_types(struct server *s)
{
    /* list-max-listpack-size -2 is 8 KiB; the others are 128, 512, 64 and such. */
    static const size_t counts[] = {1, 2, 17, 127, 128, 129, 511, 512, 513, 700};
    static const size_t lengths[] = {0, 20, 21, 63, 64, 65};
    static const size_t long_ones[] = {4095, 4096, 8000, 8180, 8190, 8192, 8200, 8900};

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        for (size_t j = 0; j < ARRAY_LEN(lengths); j++) {
            fill_collection(s, "RPUSH", false, false, counts[i], lengths[j]);
            fill_collection(s, "SADD", false, false, counts[i], lengths[j]);
            fill_collection(s, "HSET", false, true, counts[i], lengths[j]);
            fill_collection(s, "ZADD", true, false, counts[i], lengths[j]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(long_ones); i++) {
        fill_collection(s, "RPUSH", false, false, 3, long_ones[i]);
        fill_collection(s, "SADD", false, false, 3, long_ones[i]);
    }
    call_any(s, 3, (struct word[]){WORD("PEXPIREAT"), WORD("SADD:17:0"), WORD("4102444800000")});
    call_any(s, 6,
             (struct word[]){WORD("ZADD"), WORD("infinite"), WORD("-inf"), WORD("a"), WORD("inf"),
                             WORD("b")});
}

static void fill_intsets(struct server *s)
{
    static const int64_t widest[] = {INT16_MIN, INT16_MAX,        INT16_MAX + 1, INT32_MIN,
                                     INT32_MAX, INT64_C(1) << 31, INT64_MIN,     INT64_MAX};

    for (size_t i = 0; i < ARRAY_LEN(widest); i++) {
        char key[32], number[32];

        snprintf(key, sizeof key, "ints:%zu", i);
        snprintf(number, sizeof number, "%lld", (long long)widest[i]);
        call_any(s, 5,
                 (struct word[]){WORD("SADD"), WORD(key), WORD("1"), WORD("-2"), WORD(number)});
    }
}

/* Append all lines of replies up to that of a PING to @all (NULL: none), @n bytes so far. */
static size_t drain(struct server *s, char *all, size_t n)
{
    char line[4096];

    request(s, &WORD("PING"), 1);
    do {
        assert_non_null(fgets(line, sizeof line, s->in));
        assert_true(line[0] != '-' || strchr("0123456789", line[1]) != NULL);
        if (strncmp(line, "radix-tree-nodes", 16) == 0) {
            assert_non_null(fgets(line, sizeof line, s->in)); /* not a matter of content */
        }
        if (all != NULL) {
            assert_true(n + strlen(line) < 1 << 20);
            n += (size_t)sprintf(all + n, "%s", line);
        }
    } while (strcmp(line, "+PONG\r\n") != 0);
    return n;
}

/* A line without spaces in its words; must not be answered by an error. */
static void call_line(struct server *s, const char *line)
{
    char copy[256], *save = NULL;
    struct word words[32];
    size_t n = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) {
        assert_true(n < ARRAY_LEN(words));
        words[n++] = WORD(p);
    }
    request(s, words, n);
    (void)drain(s, NULL, 0);
}

/* Streams of several nodes, with entries of several shapes, deleted ones, and groups. */
static void fill_streams(struct server *s)
{
    static const char *const lines[] = {
        "XADD st:empty MAXLEN 0 5-5 f v",
        "XGROUP CREATE st:none g $ MKSTREAM",
        "XADD st:max 18446744073709551615-18446744073709551615 f -9223372036854775808",
        "XDEL st:many 3-0 7-1 500-0",
        "XTRIM st:many MAXLEN = 950",
        "XGROUP CREATE st:many g1 0",
        "XGROUP CREATE st:many g2 400 ENTRIESREAD 400",
        "XGROUP CREATECONSUMER st:many g1 idle",
        "XREADGROUP GROUP g1 alice COUNT 300 STREAMS st:many >",
        "XREADGROUP GROUP g1 bob COUNT 10 STREAMS st:many >",
        "XREADGROUP GROUP g1 bob COUNT 5 STREAMS st:many 0",
        "XDEL st:many 100-0",
        "XACK st:many g1 61-1 62-0",
        "XSETID st:many 5000-0 ENTRIESADDED 7777 MAXDELETEDID 4000-1",
    };
    char line[128];

    for (int i = 1; i <= 1000; i++) {
        snprintf(line, sizeof line,
                 i % 10 == 3 ? "XADD st:many %d-%d other %d b x%d"
                             : "XADD st:many %d-%d field %d value x%d",
                 i, i % 4 == 3, i * i, i);
        call_line(s, line);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        call_line(s, lines[i]);
    }
}

/* What DEBUG DIGEST does not look at. */
static char *describe_streams(struct server *s)
{
    static const char *const keys[] = {"st:empty", "st:none", "st:max", "st:many"};
    char *all = mem_zalloc(1 << 20);
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        request(s,
                (struct word[]){WORD("XINFO"), WORD("STREAM"), WORD(keys[i]), WORD("FULL"),
                                WORD("COUNT"), WORD("0")},
                6);
        n = drain(s, all, n);
    }
    return all;
}

/* A stock Redis's file, loaded here, saved here, and loaded by a stock Redis again: that one has
 * the very same data as the first. */
static void values_of_all_types_go_through_our_hands(void **state)
{
    struct server a = {.pid = 0}, b = {.pid = 0};
    struct keyspace *ks = new_keyspace(1);
    struct rdb_loader *l;
    char *was, *is, *streams_were, *streams_are;
    int rc;

    (void)state;
    if (!installed("redis-server")) {
        skip();
    }
    server_dir(&a);
    server_start(&a);
    fill_all_types(&a);
    fill_intsets(&a);
    fill_streams(&a);
    call_ok(&a, 1, &WORD("SAVE"));
    streams_were = describe_streams(&a);
    was = call(&a, 2, (struct word[]){WORD("DEBUG"), WORD("DIGEST")});
    assert_int_equal(rdb_loader_new(a.rdb, true, &l), RDB_OK);
    do {
        rc = rdb_loader_step(l, ks, 500, 0);
    } while (rc == 1);
    if (rc != RDB_OK) {
        fail_msg("%s", rdb_loader_error(l));
    }
    rdb_loader_free(l);
    server_stop(&a);
    for (unsigned compress = 0; compress < 2; compress++) {
        server_dir(&b);
        save(&b, ks, compress);
        server_start(&b);
        is = call(&b, 2, (struct word[]){WORD("DEBUG"), WORD("DIGEST")});
        assert_string_equal(is, was);
        streams_are = describe_streams(&b);
        assert_string_equal(streams_are, streams_were);
        free(streams_are);
        free(is);
        server_stop(&b);
    }
    free(was);
    free(streams_were);
    keyspace_free(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_check_rdb_accepts_our_files),
        cmocka_unit_test(redis_loads_our_files),
        cmocka_unit_test(we_load_the_files_of_redis),
        cmocka_unit_test(values_of_all_types_go_through_our_hands),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
