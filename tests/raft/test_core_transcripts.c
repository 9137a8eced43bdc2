/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_core_transcripts.c - runs tests/raft/transcripts/NAME.txt: commands to a few
 * replicas, and all that came out of them.
 *
 *   test_core_transcripts [--rewrite] FILE...
 *
 * A file is a sequence of blocks: comments (#) and commands, a line "----", what came out, an empty
 * line. With --rewrite the outputs are written anew; read the difference before you commit it.
 *
 * Commands (ID, FROM, TO are replicas; VALUE of a list: 1,2,3):
 *   group voters=LIST [learners=LIST] [suspect=LIST] [fresh=0] [cache=BYTES] [message=BYTES]
 *         [inflight=N] [inflight-bytes=N] [uncommitted=BYTES] [priority=N]   start with empty disks
 *   log ID TERM... entries of these terms on the disk of a replica not started yet
 *   term ID TERM         the stored term of a replica not started yet
 *   lose ID INDEX        a stopped replica's disk loses its entries from there on
 *   start ID voters=LIST [learners=LIST] [...as group]   one more replica
 *   fire ID              the clock moves to its deadline, it gets a tick
 *   elect ID             fire, then everything is delivered
 *   tick ID | sleep ms=N | run ms=N
 *   deliver [from=ID] [to=ID] [type=NAME] [max=N]        until nothing is left
 *   drop [from=ID] [to=ID] [type=NAME]                   queued messages
 *   queue                                                shows them
 *   isolate ID | cut FROM TO | heal
 *   disk ID manual|auto | persist ID [max=N] | apply ID manual|auto | applied ID INDEX
 *   hold ID | drain ID                                   several steps before one drain
 *   propose ID DATA... | read ID TOKEN | transfer ID to=ID
 *   change ID voters=LIST [learners=LIST]
 *   compact ID INDEX | snapshot FROM TO [index=N] | sent ID to=ID index=N [failed=1]
 *   unreachable ID to=ID
 *   stalled ID ms=N
 *   persisted ID TERM INDEX        an answer of the disk, out of turn
 *   crash ID | restart ID [suspect=1]
 *   status ID | log-of ID | peers ID
 * "silently COMMAND" shows nothing. */
#include "tests/raft/core_net.h"
#include "tests/test.h"

#include <ctype.h>
#include <inttypes.h>

#define ARGS_MAX 24

struct command {
    char *word[ARGS_MAX]; /* without '=' */
    size_t n_words;
    char *key[ARGS_MAX], *value[ARGS_MAX];
    size_t n_keys;
};

struct script {
    struct net *net;
    FILE *out;
    const char *file;
    size_t line;
};

static void fail_at(const struct script *s, const char *what, const char *which)
{
    fprintf(stderr, "%s:%zu: %s %s\n", s->file, s->line, what, which);
    exit(2);
}

/* ---- arguments --------------------------------------------------------------------------- */

static void split(struct command *c, char *line)
{
    memset(c, 0, sizeof *c);
    for (char *w = strtok(line, " \t"); w != NULL; w = strtok(NULL, " \t")) {
        char *eq = strchr(w, '=');

        assert(c->n_words + c->n_keys < ARGS_MAX);
        if (eq != NULL) {
            *eq = '\0';
            c->key[c->n_keys] = w;
            c->value[c->n_keys++] = eq + 1;
        } else {
            c->word[c->n_words++] = w;
        }
    }
}

static const char *text_arg(const struct command *c, const char *key)
{
    for (size_t i = 0; i < c->n_keys; i++) {
        if (strcmp(c->key[i], key) == 0) {
            return c->value[i];
        }
    }
    return NULL;
}

static uint64_t number_arg(const struct command *c, const char *key, uint64_t otherwise)
{
    const char *v = text_arg(c, key);

    return v != NULL ? strtoull(v, NULL, 10) : otherwise;
}

static uint64_t word_number(const struct script *s, const struct command *c, size_t i)
{
    if (i >= c->n_words || !isdigit((unsigned char)c->word[i][0])) {
        fail_at(s, "a number is missing after", c->word[0]);
    }
    return strtoull(c->word[i], NULL, 10);
}

static uint64_t node_arg(const struct script *s, const struct command *c, size_t i)
{
    uint64_t id = word_number(s, c, i);

    if (id == 0 || id > NET_NODES_MAX) {
        fail_at(s, "no such replica:", c->word[i]);
    }
    return id;
}

static int type_arg(const struct script *s, const struct command *c)
{
    const char *name = text_arg(c, "type");

    if (name == NULL) {
        return 0;
    }
    for (int t = RAFT_MSG_PRE_VOTE; t <= RAFT_MSG_TIMEOUT_NOW; t++) {
        if (strcmp(net_message_name((enum raft_message_type)t), name) == 0) {
            return t;
        }
    }
    fail_at(s, "no such message type:", name);
    return 0;
}

static struct raft_members members_arg(const struct command *c)
{
    struct raft_members m = {0};

    if (text_arg(c, "voters") != NULL) {
        net_parse_members(&m, text_arg(c, "voters"), RAFT_MEMBER_VOTER);
    }
    if (text_arg(c, "learners") != NULL) {
        net_parse_members(&m, text_arg(c, "learners"), RAFT_MEMBER_LEARNER);
    }
    return m;
}

/* ---- commands ---------------------------------------------------------------------------- */

static void start_one(struct script *s, const struct command *c, uint64_t id)
{
    struct raft_members m = members_arg(c), suspects = {0};
    struct raft_config cfg = net_config(id, &m);

    cfg.fresh = number_arg(c, "fresh", 1) != 0;
    cfg.cache_bytes = number_arg(c, "cache", cfg.cache_bytes);
    cfg.message_bytes_max = number_arg(c, "message", cfg.message_bytes_max);
    cfg.inflight_messages_max = (uint32_t)number_arg(c, "inflight", cfg.inflight_messages_max);
    cfg.inflight_bytes_max = number_arg(c, "inflight-bytes", cfg.inflight_bytes_max);
    cfg.uncommitted_bytes_max = number_arg(c, "uncommitted", cfg.uncommitted_bytes_max);
    cfg.priority = (uint8_t)number_arg(c, "priority", 0);
    if (text_arg(c, "suspect") != NULL) {
        net_parse_members(&suspects, text_arg(c, "suspect"), RAFT_MEMBER_VOTER);
        cfg.restore.tail_suspect = raft_members_find(&suspects, id) != NULL;
    }
    net_start(s->net, &cfg);
}

static void do_group(struct script *s, const struct command *c)
{
    struct raft_members m = members_arg(c);

    for (uint32_t i = 0; i < m.n; i++) {
        start_one(s, c, m.m[i].id);
    }
}

static void do_log(struct script *s, const struct command *c)
{
    uint64_t id = node_arg(s, c, 1);

    for (size_t i = 2; i < c->n_words; i++) {
        char data[16];

        snprintf(data, sizeof data, "e%" PRIu64, s->net->node[id].last + 1);
        net_disk_append(s->net, id, word_number(s, c, i), data);
    }
}

static void do_disk_state(struct script *s, const struct command *c)
{
    struct net_node *n = &s->net->node[node_arg(s, c, 1)];

    if (n->r != NULL) {
        fail_at(s, "a running replica:", c->word[1]);
    }
    if (strcmp(c->word[0], "term") == 0) {
        n->hard.term = word_number(s, c, 2);
    } else {
        net_disk_cut(s->net, n->id, word_number(s, c, 2));
    }
}

static void report(struct script *s, uint64_t id, int rc)
{
    if (rc != RAFT_OK && s->net->trace != NULL) {
        fprintf(s->out, "%" PRIu64 " refuses: %s\n", id, raft_strerror(rc));
    }
}

static void do_step(struct script *s, const struct command *c)
{
    const char *verb = c->word[0];
    uint64_t id = node_arg(s, c, 1), to = number_arg(c, "to", 0);
    struct raft_members m = members_arg(c);
    struct raft_input in = {.type = RAFT_IN_TICK};
    int rc = RAFT_OK;

    if (strcmp(verb, "propose") == 0) {
        for (size_t i = 2; i < c->n_words; i++) {
            report(s, id, net_propose(s->net, id, c->word[i]));
        }
    } else if (strcmp(verb, "read") == 0) {
        rc = net_read(s->net, id, word_number(s, c, 2));
    } else if (strcmp(verb, "transfer") == 0) {
        rc = net_transfer(s->net, id, to);
    } else if (strcmp(verb, "change") == 0) {
        rc = net_change(s->net, id, &m);
    } else if (strcmp(verb, "compact") == 0) {
        rc = net_compact(s->net, id, word_number(s, c, 2));
    } else if (strcmp(verb, "sent") == 0) {
        rc = net_snapshot_sent(s->net, id, to, number_arg(c, "index", 0),
                               number_arg(c, "failed", 0) != 0);
    } else if (strcmp(verb, "unreachable") == 0) {
        in.type = RAFT_IN_UNREACHABLE;
        in.peer = to;
        rc = net_step(s->net, id, &in);
    } else if (strcmp(verb, "stalled") == 0) {
        in.type = RAFT_IN_STALLED;
        in.stalled_us = (int64_t)number_arg(c, "ms", 0) * 1000;
        rc = net_step(s->net, id, &in);
    } else if (strcmp(verb, "applied") == 0) {
        in.type = RAFT_IN_APPLIED;
        in.index = word_number(s, c, 2);
        rc = net_step(s->net, id, &in);
    } else if (strcmp(verb, "persisted") == 0) {
        in.type = RAFT_IN_PERSISTED;
        in.persisted.log.term = word_number(s, c, 2);
        in.persisted.log.index = word_number(s, c, 3);
        rc = net_step(s->net, id, &in);
    } else if (strcmp(verb, "snapshot") == 0) {
        id = node_arg(s, c, 2);
        rc = net_snapshot(s->net, node_arg(s, c, 1), id, number_arg(c, "index", 0));
    }
    report(s, id, rc);
}

static void do_disk(struct script *s, const struct command *c)
{
    struct net_node *n = &s->net->node[node_arg(s, c, 1)];

    if (strcmp(c->word[0], "persist") == 0) {
        uint64_t max = number_arg(c, "max", UINT64_MAX);

        for (uint64_t i = 0; i < max && net_persist(s->net, n->id); i++) {
        }
    } else if (strcmp(c->word[0], "apply") == 0) {
        n->manual_apply = c->n_words > 2 && strcmp(c->word[2], "manual") == 0;
    } else {
        n->manual_disk = c->n_words > 2 && strcmp(c->word[2], "manual") == 0;
        while (!n->manual_disk && net_persist(s->net, n->id)) {
        }
    }
}

static void do_hold(struct script *s, const struct command *c)
{
    struct net_node *n = &s->net->node[node_arg(s, c, 1)];

    n->manual_drain = strcmp(c->word[0], "hold") == 0;
    if (!n->manual_drain) {
        net_drain(s->net, n->id);
    }
}

static void do_time(struct script *s, const struct command *c)
{
    const char *verb = c->word[0];
    int64_t us = (int64_t)number_arg(c, "ms", 0) * NET_MS;

    if (strcmp(verb, "fire") == 0) {
        net_fire(s->net, node_arg(s, c, 1));
    } else if (strcmp(verb, "elect") == 0) {
        net_elect(s->net, node_arg(s, c, 1));
    } else if (strcmp(verb, "tick") == 0) {
        net_tick(s->net, node_arg(s, c, 1));
    } else if (strcmp(verb, "sleep") == 0) {
        net_sleep(s->net, us);
    } else {
        net_run(s->net, us);
    }
}

static void do_network(struct script *s, const struct command *c)
{
    const char *verb = c->word[0];
    uint64_t from = number_arg(c, "from", 0), to = number_arg(c, "to", 0);
    struct net *net = s->net;

    if (strcmp(verb, "deliver") == 0) {
        net_deliver(net, from, to, type_arg(s, c), (size_t)number_arg(c, "max", 0));
    } else if (strcmp(verb, "drop") == 0) {
        net_drop(net, from, to, type_arg(s, c));
    } else if (strcmp(verb, "isolate") == 0) {
        net_isolate(net, node_arg(s, c, 1));
    } else if (strcmp(verb, "cut") == 0) {
        net->cut[node_arg(s, c, 1)][node_arg(s, c, 2)] = true;
    } else {
        net_heal(net);
    }
}

static void do_life(struct script *s, const struct command *c)
{
    uint64_t id = node_arg(s, c, 1);

    if (strcmp(c->word[0], "crash") == 0) {
        net_crash(s->net, id);
    } else if (strcmp(c->word[0], "start") == 0) {
        start_one(s, c, id);
    } else {
        net_restart(s->net, id, number_arg(c, "suspect", 0) != 0);
    }
}

static void do_show(struct script *s, const struct command *c)
{
    uint64_t id = node_arg(s, c, 1);
    const struct net_node *n = &s->net->node[id];
    struct raft_status st = net_status(s->net, id);

    if (strcmp(c->word[0], "peers") == 0) {
        for (size_t i = 0; i < st.n_peers; i++) {
            const struct raft_peer_status *p = &st.peers[i];

            fprintf(s->out, "peer %" PRIu64 " match=%" PRIu64 " next=%" PRIu64 "%s\n", p->id,
                    p->match, p->next, p->in_snapshot ? " snapshot" : "");
        }
        return;
    }
    if (strcmp(c->word[0], "log-of") == 0) {
        for (uint64_t i = st.snapshot.index; i <= st.last.index; i++) {
            fprintf(s->out, "%s%" PRIu64 "/%" PRIu64, i > st.snapshot.index ? " " : "",
                    raft_term_at(n->r, i), i);
        }
        fputc('\n', s->out);
        return;
    }
    fprintf(s->out,
            "%" PRIu64 " %s term=%" PRIu64 " vote=%" PRIu64 " leader=%" PRIu64 " last=%" PRIu64
            "/%" PRIu64 " commit=%" PRIu64 " persisted=%" PRIu64 " members=",
            id, raft_role_name(st.role), st.term, st.vote, st.leader, st.last.term, st.last.index,
            st.commit, st.persisted);
    net_print_members(s->out, &st.members);
    fprintf(s->out, "%s%s%s", st.tail_suspect ? " suspect" : "",
            st.transferring ? " transferring" : "", st.change_pending ? " changing" : "");
    if (st.lease_until_us > 0) {
        int64_t left = st.lease_until_us - s->net->now_us;

        fprintf(s->out, left > 0 ? " lease=%" PRId64 "ms" : " lease over", left / NET_MS);
    }
    fputc('\n', s->out);
}

static void do_queue(struct script *s, const struct command *c)
{
    (void)c;
    for (size_t i = 0; i < s->net->n_queue; i++) {
        const struct raft_message *m = s->net->queue[i];

        fprintf(s->out, "%" PRIu64 "->%" PRIu64 " %s\n", m->from, m->to, net_message_name(m->type));
    }
}

static const struct {
    const char *verb;
    void (*run)(struct script *s, const struct command *c);
} commands[] = {
    {"group", do_group},     {"log", do_log},          {"term", do_disk_state},
    {"lose", do_disk_state}, {"start", do_life},       {"fire", do_time},
    {"elect", do_time},      {"tick", do_time},        {"sleep", do_time},
    {"run", do_time},        {"deliver", do_network},  {"drop", do_network},
    {"isolate", do_network}, {"cut", do_network},      {"heal", do_network},
    {"disk", do_disk},       {"persist", do_disk},     {"apply", do_disk},
    {"applied", do_step},    {"hold", do_hold},        {"drain", do_hold},
    {"propose", do_step},    {"read", do_step},        {"transfer", do_step},
    {"change", do_step},     {"compact", do_step},     {"snapshot", do_step},
    {"sent", do_step},       {"unreachable", do_step}, {"persisted", do_step},
    {"stalled", do_step},    {"crash", do_life},       {"restart", do_life},
    {"status", do_show},     {"log-of", do_show},      {"peers", do_show},
    {"queue", do_queue},
};

static void run_command(struct script *s, char *line)
{
    static const char silently[] = "silently ";
    bool silent = strncmp(line, silently, sizeof silently - 1) == 0;
    struct command c;

    split(&c, line + (silent ? sizeof silently - 1 : 0));
    if (c.n_words == 0) {
        fail_at(s, "no command", "here");
    }
    s->net->trace = silent ? NULL : s->out;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].verb, c.word[0]) == 0) {
            commands[i].run(s, &c);
            return;
        }
    }
    fail_at(s, "no such command:", c.word[0]);
}

/* ---- files ------------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    size_t n;

    if (f == NULL) {
        perror(path);
        exit(2);
    }
    n = fread(text, 1, (1 << 20) - 1, f);
    assert(n < (1 << 20) - 1);
    fclose(f);
    return text;
}

/* The file as it would be with the outputs of this run. */
static char *replay(const char *path, char *text)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    struct script s = {.net = net_new(out), .out = out, .file = path};
    bool expected = false; /* between ---- and the empty line: replaced */
    char *next;

    for (char *line = text; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        s.line++;
        if (expected) {
            expected = *line != '\0';
            if (!expected) {
                fputc('\n', out);
            }
            continue;
        }
        fprintf(out, "%s\n", line);
        if (strcmp(line, "----") == 0) {
            fail_at(&s, "a block without", "commands");
        }
        if (*line == '\0' || *line == '#') {
            continue;
        }
        /* A block's outputs stand together, behind its commands: run them all at its end. */
        char *block[64];
        size_t n = 0;

        block[n++] = line;
        while (next != NULL && strncmp(next, "----", 4) != 0) {
            char *end = strchr(next, '\n');

            if (end == NULL || n == ARRAY_LEN(block)) {
                fail_at(&s, "no ---- after", line);
            }
            *end = '\0';
            s.line++;
            fprintf(out, "%s\n", next);
            if (*next != '#') {
                block[n++] = next;
            }
            next = end + 1;
        }
        if (next == NULL) {
            fail_at(&s, "no ---- after", line);
        }
        fputs("----\n", out);
        next += strlen("----") + (next[4] == '\n');
        s.line++;
        for (size_t i = 0; i < n; i++) {
            run_command(&s, block[i]);
        }
        expected = true;
    }
    net_free(s.net);
    fclose(out);
    return result;
}

static void show_difference(const char *path, const char *want, const char *got)
{
    size_t line = 1;

    while (*want != '\0' && *want == *got) {
        line += *want == '\n';
        want++;
        got++;
    }
    while (line > 1 && want[-1] != '\n') {
        want--;
        got--;
    }
    fprintf(stderr, "%s:%zu: differs\n  expected: %.*s\n  came out: %.*s\n", path, line,
            (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

int main(int argc, char **argv)
{
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int failed = 0, n = 0;

    for (int i = rewrite ? 2 : 1; i < argc; i++, n++) {
        char *text = read_file(argv[i]), *want = strdup(text), *got = replay(argv[i], text);

        if (strcmp(want, got) != 0 && rewrite) {
            FILE *f = fopen(argv[i], "w");

            if (f == NULL || fputs(got, f) < 0 || fclose(f) != 0) {
                perror(argv[i]);
                exit(2);
            }
            printf("%s rewritten\n", argv[i]);
        } else if (strcmp(want, got) != 0) {
            show_difference(argv[i], want, got);
            failed++;
        }
        free(text);
        free(want);
        free(got);
    }
    printf("%d transcripts, %d failed\n", n, failed);
    return n > 0 && failed == 0 ? 0 : 1;
}
