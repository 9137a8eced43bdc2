/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/main.c - holdfastctl: find the command that the words name, and run it. */
#include "sentinel/ctl.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "holdfastctl " HOLDFAST_VERSION " - look at a Holdfast cluster, and at a node's log\n"
    "\n"
    "  holdfastctl status [HOST:PORT ...] [--password WORD] [--timeout MS] [--json]\n"
    "      The nodes of a cluster, found from those named (127.0.0.1:7001), and what is wrong\n"
    "      with them. The password may also stand in the environment, as REDISCLI_AUTH.\n"
    "\n"
    "  holdfastctl log dump DIR [--group N] [--from INDEX] [--to INDEX] [--effects]\n"
    "      One line per record of the log in the data directory DIR; with --effects also the\n"
    "      commands that data entries carry.\n"
    "  holdfastctl log verify DIR\n"
    "      Check every record, and the snapshots that the log builds on.\n"
    "  holdfastctl log export DIR [--group N] [--output FILE.aof|FOLDER] [--to INDEX]\n"
    "                         [--live HOST:PORT [--password WORD]] [--uncommitted]\n"
    "      Snapshot and log of a data group (1) as an append-only file: one FILE.aof, or a data\n"
    "      folder with FOLDER/appendonlydir for redis-server 7. It has what the log knows to be\n"
    "      committed, up to --to; --live asks the running node of this directory how far that is,\n"
    "      --uncommitted takes all of the log.\n"
    "\n"
    "  holdfastctl --help | --version\n"
    "\n"
    "The log commands only read, also beside a running node. Exit status: 0 all is well, 1 there\n"
    "is a problem and a line names it, 2 the command could not do its work.\n";

static const struct {
    const char *first, *second;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"status", NULL, ctl_status},
    {"log", "dump", ctl_log_dump},
    {"log", "verify", ctl_log_verify},
    {"log", "export", ctl_log_export},
};

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return argc == 2 && strcmp(argv[1], "help") == 0;
}

int main(int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        fputs(usage, stdout);
        return CTL_OK;
    }
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
        puts("holdfastctl " HOLDFAST_VERSION);
        return CTL_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands) && argc > 1; i++) {
        bool two = commands[i].second != NULL;

        if (strcmp(argv[1], commands[i].first) == 0 &&
            (!two || (argc > 2 && strcmp(argv[2], commands[i].second) == 0))) {
            return commands[i].run(argc - (two ? 3 : 2), argv + (two ? 3 : 2));
        }
    }
    fputs(usage, stderr);
    return CTL_FAILED;
}
