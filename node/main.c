/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/main.c - holdfast-server: read the settings, become a daemon if asked to, run the node. */
#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The parent waits on this pipe, so that a daemon's start can fail in front of the user. */
static int report_fd = -1;

static int daemonize(void)
{
    int pipe_fds[2];
    pid_t pid;

    if (pipe(pipe_fds) != 0) {
        return -1;
    }
    pid = fork();
    if (pid < 0) {
        return -1;
    }
    if (pid > 0) {
        char status = 1;
        ssize_t got;

        close(pipe_fds[1]);
        do {
            got = read(pipe_fds[0], &status, 1);
        } while (got < 0 && errno == EINTR);
        _exit(got == 1 ? status : 1);
    }
    close(pipe_fds[0]);
    report_fd = pipe_fds[1];
    return setsid() < 0 ? -1 : 0;
}

/* Tell the waiting parent how the start went; from then on the terminal is left alone. */
static void report(char status, bool keep_stdout)
{
    ssize_t w;

    if (report_fd < 0) {
        return;
    }
    w = write(report_fd, &status, 1);
    (void)w; /* a parent that is gone needs no answer */
    close(report_fd);
    report_fd = -1;
    if (freopen("/dev/null", "r", stdin) == NULL || freopen("/dev/null", "w", stderr) == NULL ||
        (!keep_stdout && freopen("/dev/null", "w", stdout) == NULL)) {
        log_warning("cannot let go of the terminal: %s", strerror(errno));
    }
}

static int write_pidfile(const char *path)
{
    FILE *f = fopen(path, "w");

    if (f == NULL) {
        return -1;
    }
    fprintf(f, "%ld\n", (long)getpid());
    return fclose(f);
}

/* Relative paths of options are meant from where the user stands; dir becomes the working folder.
 */
static char *absolute(const char *path)
{
    char cwd[PATH_MAX];
    char *out;

    if (path[0] == '\0' || path[0] == '/' || getcwd(cwd, sizeof cwd) == NULL) {
        return mem_strdup(path);
    }
    out = mem_alloc(strlen(cwd) + strlen(path) + 2);
    sprintf(out, "%s/%s", cwd, path);
    return out;
}

static int enter_dir(struct config *c)
{
    char real[PATH_MAX];

    if (mkdir(c->dir, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "holdfast-server: cannot create dir '%s': %s\n", c->dir, strerror(errno));
        return -1;
    }
    if (realpath(c->dir, real) == NULL || chdir(real) != 0) {
        fprintf(stderr, "holdfast-server: cannot enter dir '%s': %s\n", c->dir, strerror(errno));
        return -1;
    }
    free(c->dir);
    c->dir = mem_strdup(real);
    return 0;
}

static void replace(char **field)
{
    char *full = absolute(*field);

    free(*field);
    *field = full;
}

static int start(struct node *n)
{
    struct config *c = &n->config;

    replace(&c->logfile);
    replace(&c->pidfile);
    replace(&c->aclfile);
    if (enter_dir(c) != 0) {
        return -1;
    }
    if (c->daemonize && daemonize() != 0) {
        fprintf(stderr, "holdfast-server: cannot become a daemon: %s\n", strerror(errno));
        return -1;
    }
    if (log_open(c->logfile, (enum log_level)c->loglevel) != 0) {
        fprintf(stderr, "holdfast-server: cannot open logfile '%s': %s\n", c->logfile,
                strerror(errno));
        return -1;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    log_notice("Holdfast " NODE_VERSION " starts, pid %ld, dir %s", (long)getpid(), c->dir);
    if (node_start(n) != 0) {
        if (c->daemonize) {
            fprintf(stderr, "holdfast-server: the node did not start; see the log '%s'\n",
                    c->logfile);
        }
        return -1;
    }
    /* Last: whoever sees the pidfile may connect. */
    if (c->pidfile[0] != '\0' && write_pidfile(c->pidfile) != 0) {
        log_warning("cannot write pidfile '%s': %s", c->pidfile, strerror(errno));
        return -1;
    }
    report(0, false);
    return 0;
}

/* Before anything was started. */
static int done_early(struct node *n, int status)
{
    config_release(&n->config);
    free(n->config_file);
    free(n);
    return status;
}

int main(int argc, char **argv)
{
    struct node *n = mem_zalloc(sizeof *n);
    enum config_action action;
    char error[1024];
    char *pidfile;
    int status = 0;

    config_init(&n->config);
    if (config_load(&n->config, argc, argv, &action, &n->config_file, error) != 0) {
        fprintf(stderr, "holdfast-server: %s\n", error);
        return done_early(n, 1);
    }
    if (action == CONFIG_HELP) {
        config_print_help();
        return done_early(n, 0);
    }
    if (action == CONFIG_VERSION) {
        printf("Holdfast server v=" NODE_VERSION " redis=" NODE_REDIS_VERSION " bits=64\n");
        return done_early(n, 0);
    }
    n->executable = absolute(argv[0]);
    if (start(n) != 0) {
        report(1, true);
        node_stop(n);
        free(n);
        return 1;
    }
    node_run(n);
    pidfile = mem_strdup(n->config.pidfile);
    node_stop(n);
    log_notice("bye");
    if (pidfile[0] != '\0' && unlink(pidfile) != 0 && errno != ENOENT) {
        status = 1;
    }
    free(pidfile);
    free(n);
    return status;
}
