/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/main.c - options of holdfast-sim, one seed after the other, and what is said of them.
 */
#include "tests/sim/sim.h"

#include "sim_bugs.h" /* made from raft/core/bug.h: CORE_BUGS(X) */

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KNOWN_MAX 64

struct options {
    const char *program;
    uint64_t seeds, first, steps;
    bool single, trace, expect, twice, hashes, stats, keep_going;
    enum host_bug host_bug;
    uint64_t known[KNOWN_MAX];
    size_t n_known;
    const char *regressions;
};

static volatile sig_atomic_t stop;
static struct options opt = {.seeds = 300, .first = 1};

static const struct {
    const char *name, *text;
} host_bugs[] = {{"", ""},
#define X(id, name, text) {name, text},
                 HOST_BUGS(X)
#undef X
};

static void usage(FILE *to)
{
    fputs(
        "holdfast-sim: runs Raft groups in a simulated world, one seed a run, and checks them\n"
        "  --seeds N         run N seeds (default 300)\n"
        "  --first S         from seed S on (default 1)\n"
        "  --seed S          run this seed only\n"
        "  --trace           print all that happens\n"
        "  --steps N         steps before healing (default: drawn from the seed)\n"
        "  --host-bug NAME   let the simulated host make a mistake\n"
        "  --list-bugs       name the mistakes of the host, and of the core (holdfast-sim-bug-N)\n"
        "  --expect          fail unless a property is violated\n"
        "  --known S,S...    seeds to run first\n"
        "  --regressions F   run the seeds in file F (first word of each line)\n"
        "  --twice           run each seed twice, and compare\n"
        "  --hashes          print the hash of each run\n"
        "  --stats           print what happened in each run\n"
        "  --help\n",
        to);
}

static void list_bugs(void)
{
    puts("mistakes of a host (--host-bug NAME):");
    for (size_t i = 1; i < ARRAY_LEN(host_bugs); i++) {
        printf("  %-20s %s\n", host_bugs[i].name, host_bugs[i].text);
    }
    puts("mistakes of the core (holdfast-sim-bug-N; raft/core/bug.h):");
#define X(number, name) printf("  %2d %s\n", number, name);
    CORE_BUGS(X)
#undef X
}

/* Also called by a signal handler, when an assertion ends the run: only write() then. */
static void replay_line(char *buf, size_t n, uint64_t seed)
{
    size_t at =
        (size_t)snprintf(buf, n, "replay: %s --seed %" PRIu64 " --trace", opt.program, seed);

    if (opt.steps > 0) {
        at += (size_t)snprintf(buf + at, n - at, " --steps %" PRIu64, opt.steps);
    }
    if (opt.host_bug != HOST_BUG_NONE) {
        at += (size_t)snprintf(buf + at, n - at, " --host-bug %s", host_bugs[opt.host_bug].name);
    }
    snprintf(buf + at, n - at, "\n");
}

static char abort_text[512]; /* made before each run */

static void on_abort(int sig)
{
    ssize_t ignored = write(STDERR_FILENO, abort_text, strlen(abort_text));

    (void)ignored;
    (void)sig;
    _exit(opt.expect ? 0 : 1);
}

/* The first one ends the search behind the present seed, the second one at once. */
static void on_interrupt(int sig)
{
    if (stop) {
        _exit(128 + sig);
    }
    stop = 1;
}

/* ---- one seed -------------------------------------------------------------------------------- */

static struct world world;

/* True when nothing was violated. */
static bool run_once(uint64_t seed, uint64_t *hash)
{
    char replay[400];
    bool ok;

    world.host_bug = opt.host_bug;
    world.trace = opt.trace;
    world_init(&world, seed);
    sim_current = &world;
    replay_line(replay, sizeof replay, seed);
    snprintf(abort_text, sizeof abort_text, "seed %" PRIu64 ": an assertion of the core failed\n%s",
             seed, replay);
    if (setjmp(world.failed) == 0) {
        world_run(&world, opt.steps);
        ok = true;
    } else {
        ok = false;
        fflush(stdout);
        fprintf(stderr, "seed %" PRIu64 " (%s, step %" PRIu64 ", %.3f ms): %s violated\n  %s\n%s",
                seed, world.p.profile, world.steps, (double)world.now / 1000, world.property,
                world.detail, replay);
    }
    *hash = world.hash;
    if (opt.stats) {
        printf("seed %" PRIu64 " %-10s %s nodes %u events %" PRIu64 " steps %" PRIu64
               " time %.1f timeouts, healed in %.1f; elections %" PRIu64 " commits %" PRIu64
               " leases %" PRIu64 " reads %" PRIu64 " changes %" PRIu64 " installs %" PRIu64
               " transfers %" PRIu64 " crashes %" PRIu64 " suspects %" PRIu64 " readbacks %" PRIu64
               "\n",
               seed, world.p.profile, world.p.everysec ? "everysec" : "always", world.p.n_nodes,
               world.n_events, world.steps, (double)world.now / (double)world.p.timeout,
               (double)(world.now - world.heal_at) / (double)world.p.timeout, world.n_elections,
               world.n_commits, world.n_lease_reads, world.n_quorum_reads, world.n_changes,
               world.n_installs, world.n_transfers, world.n_crashes, world.n_suspects,
               world.n_read_backs);
    }
    world_release(&world);
    sim_current = NULL;
    return ok;
}

static bool run(uint64_t seed)
{
    uint64_t hash, again;
    bool ok = run_once(seed, &hash);

    if (ok && opt.twice) {
        ok = run_once(seed, &again) && hash == again;
        if (!ok) {
            fprintf(stderr,
                    "seed %" PRIu64 ": two runs differ: %016" PRIx64 " and %016" PRIx64 "\n", seed,
                    hash, again);
        }
    }
    if (ok && opt.hashes) {
        printf("%" PRIu64 " %016" PRIx64 "\n", seed, hash);
    }
    return ok;
}

/* ---- many ------------------------------------------------------------------------------------ */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void progress(uint64_t done, uint64_t bad, double started)
{
    double t = seconds() - started;

    fprintf(stderr, "sim: %" PRIu64 " of %" PRIu64 " seeds, %.0f a second, %" PRIu64 " violated\n",
            done, opt.seeds, t > 0 ? (double)done / t : 0, bad);
}

/* The exit status. */
static int run_range(void)
{
    double started = seconds();
    double said = started;
    uint64_t done = 0, bad = 0;

    for (size_t i = 0; i < opt.n_known; i++) {
        bad += !run(opt.known[i]);
        if (bad > 0 && !opt.keep_going) {
            return opt.expect ? 0 : 1;
        }
    }
    if (opt.n_known > 0 && bad == 0) {
        fprintf(stderr, "sim: no known seed violates a property; searching\n");
    }
    while (done < opt.seeds && !stop && (bad == 0 || opt.keep_going)) {
        bad += !run(opt.first + done++);
        if (seconds() - said > 3) {
            progress(done, bad, started);
            said = seconds();
        }
    }
    fflush(stdout);
    fprintf(stderr,
            "sim: %s %" PRIu64 " seeds (%" PRIu64 "..%" PRIu64 ") in %.1f s, %" PRIu64
            " violated\n",
            stop ? "interrupted after" : "ran", done, opt.first, opt.first + done - (done > 0),
            seconds() - started, bad);
    return (bad > 0) == opt.expect ? 0 : 1;
}

static int run_regressions(void)
{
    FILE *f = fopen(opt.regressions, "r");
    char line[512];
    unsigned n = 0;

    if (f == NULL) {
        perror(opt.regressions);
        return 2;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);

        if (line[0] == '#' || end == line) {
            continue;
        }
        n++;
        if (!run(seed)) {
            fclose(f);
            return 1;
        }
    }
    fclose(f);
    fprintf(stderr, "sim: ran %u regression seeds, no property violated\n", n);
    return n > 0 ? 0 : 2;
}

/* ---- options --------------------------------------------------------------------------------- */

static uint64_t number(const char *text, const char *what)
{
    char *end;
    uint64_t x = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "holdfast-sim: --%s: '%s' is not a number\n", what, text);
        exit(2);
    }
    return x;
}

static void parse_known(const char *text)
{
    while (*text != '\0') {
        char *end;

        if (opt.n_known == KNOWN_MAX || *text < '0' || *text > '9') {
            fprintf(stderr, "holdfast-sim: --known: bad list of seeds\n");
            exit(2);
        }
        opt.known[opt.n_known++] = strtoull(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
}

static enum host_bug parse_host_bug(const char *name)
{
    for (size_t i = 1; i < ARRAY_LEN(host_bugs); i++) {
        if (strcmp(name, host_bugs[i].name) == 0) {
            return (enum host_bug)i;
        }
    }
    fprintf(stderr, "holdfast-sim: --host-bug: no '%s', see --list-bugs\n", name);
    exit(2);
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"steps", required_argument, NULL, 'p'},
        {"trace", no_argument, NULL, 't'},
        {"host-bug", required_argument, NULL, 'b'},
        {"list-bugs", no_argument, NULL, 'l'},
        {"expect", no_argument, NULL, 'e'},
        {"keep-going", no_argument, NULL, 'g'},
        {"known", required_argument, NULL, 'k'},
        {"regressions", required_argument, NULL, 'r'},
        {"twice", no_argument, NULL, '2'},
        {"hashes", no_argument, NULL, 'h'},
        {"stats", no_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int c;

    opt.program = argv[0];
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            opt.seeds = number(optarg, "seeds");
            break;
        case 'f':
            opt.first = number(optarg, "first");
            break;
        case 's':
            opt.first = number(optarg, "seed");
            opt.single = true;
            break;
        case 'p':
            opt.steps = number(optarg, "steps");
            break;
        case 't':
            opt.trace = true;
            break;
        case 'b':
            opt.host_bug = parse_host_bug(optarg);
            break;
        case 'l':
            list_bugs();
            exit(0);
        case 'e':
            opt.expect = true;
            break;
        case 'g':
            opt.keep_going = true;
            break;
        case 'k':
            parse_known(optarg);
            break;
        case 'r':
            opt.regressions = optarg;
            break;
        case '2':
            opt.twice = true;
            break;
        case 'h':
            opt.hashes = true;
            break;
        case 'S':
            opt.stats = true;
            break;
        case 'H':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "holdfast-sim: unknown argument '%s'\n", argv[optind]);
        exit(2);
    }
    if (opt.single) {
        opt.seeds = 1;
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    if (opt.trace) {
        setvbuf(stdout, NULL, _IOLBF, 0); /* an assertion must not take the last lines along */
    }
    signal(SIGABRT, on_abort);
    signal(SIGINT, on_interrupt);
    return opt.regressions != NULL ? run_regressions() : run_range();
}
