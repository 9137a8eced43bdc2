/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_export.c - holdfastctl log export: a group's snapshot and log as an AOF.
 *
 *     1  read the log: which snapshot it builds on, which entries stand in the end, which of them
 *        are known to be committed
 *     2  copy the snapshot; a file that begins with an RDB is an AOF whose first part is that
 *     3  read the log again and write the effects of the entries behind the snapshot
 *
 * A running node may remove a segment or the snapshot in between: then it begins anew. What is
 * being written has a temporary name until it is whole and synced; nothing is overwritten.
 *
 * What the log says of the commit index is a lower bound: it is saved now and then, along with
 * other writes. A running node is asked (--live). For one that is down, --uncommitted takes all of
 * its log; of the nodes left, the log with the highest last term, and of those the longest, has
 * everything that was ever acknowledged (Raft thesis, section 3.6.1). */
#include "base/file.h"
#include "base/mem.h"
#include "sentinel/aof.h"
#include "sentinel/ask.h"
#include "sentinel/ctl.h"
#include "sentinel/log_files.h"
#include "sentinel/log_view.h"
#include "sentinel/snapshot_file.h"
#include "sentinel/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 10
#define AGAIN_MS 50
#define LIVE_TIMEOUT_MS 5000
#define AOF_DIR "appendonlydir" /* as redis-server 7 names it when nobody says otherwise */
#define AOF_BASE "appendonly.aof.1.base.rdb"
#define AOF_INCR "appendonly.aof.1.incr.aof"
#define AOF_MANIFEST "appendonly.aof.manifest"

struct export
{
    /* What was asked for. */
    const char *dir, *output, *live, *password;
    uint64_t group, to;
    bool has_to, uncommitted;
    /* What was found. */
    struct log_files files;
    struct log_view view;
    const struct log_group *g;
    bool damaged_first; /* the damage found first is told, not the noise behind it */
    char damage[PATH_MAX + 64];
    uint64_t live_commit;
    char live_cluster[64];
    uint64_t live_node;
    uint64_t last; /* the last entry to be exported */
    /* What is written. */
    bool folder;
    char target[PATH_MAX], temporary[PATH_MAX];
    FILE *f;
    struct aof aof;
    uint64_t entries;
};

static int fail(const char *what, const char *path)
{
    ctl_complain("log export: %s %s: %s", what, path, strerror(errno));
    return LOG_FAILED;
}

/* ---- what to export ------------------------------------------------------------------------ */

/* How far the running node of this directory knows its group to be committed. */
static int ask_live(struct export *x)
{
    static const char *const commands[] = {"INFO raft", NULL};
    struct ask_plan plan = {commands, x->password, LIVE_TIMEOUT_MS};
    struct ask ask;
    char name[32];
    struct arg line;
    int rc = LOG_FAILED;

    if (net_addr_parse(x->live, strlen(x->live), &ask.to) != 0) {
        ctl_complain("--live: %s is no HOST:PORT", x->live);
        return LOG_FAILED;
    }
    ask_all(&ask, 1, &plan);
    snprintf(name, sizeof name, "group%" PRIu64, x->group);
    if (!ask.answered) {
        ctl_complain("node %s does not answer: %s", x->live, ask.why);
    } else if (ask.replies[0].type == RESP_T_ERROR) {
        ctl_complain("node %s: %s", x->live, ask.replies[0].text);
    } else if (ask.replies[0].type != RESP_T_BULK || !info_find(ask.replies[0].text, name, &line)) {
        ctl_complain("node %s has no group %" PRIu64, x->live, x->group);
    } else {
        const char *info = ask.replies[0].text;

        x->live_commit = (uint64_t)pair_number(line, "commit", 0);
        x->live_node = (uint64_t)info_number(info, "raft_node", 0);
        info_text(info, "raft_cluster_id", x->live_cluster, sizeof x->live_cluster);
        rc = LOG_OK;
    }
    ask_release(&ask);
    return rc;
}

static void on_segment(void *arg, const struct log_segment *s, const struct wal_segment_header *h,
                       uint64_t file_bytes)
{
    struct export *x = arg;

    (void)s;
    (void)file_bytes;
    log_view_segment(&x->view, h);
}

static bool on_record(void *arg, const struct log_segment *s, const struct wal_record *r)
{
    struct export *x = arg;

    log_view_record(&x->view, s->number, r);
    return true;
}

static void on_damage(void *arg, const struct log_segment *s, uint64_t offset, const char *why,
                      enum wal_damage kind)
{
    struct export *x = arg;

    if (kind == WAL_DAMAGED && !x->damaged_first) {
        x->damaged_first = true;
        snprintf(x->damage, sizeof x->damage, "%s, offset %" PRIu64 ": %s", s->name, offset, why);
    }
}

static bool is_live_node(const struct export *x)
{
    if (x->live_node == x->view.node && strcmp(x->live_cluster, x->view.cluster_id) == 0) {
        return true;
    }
    ctl_complain("node %s is node %" PRIu64 " of cluster %.8s; the log in %s is of node %" PRIu64
                 " of cluster %.8s",
                 x->live, x->live_node, x->live_cluster, x->dir, x->view.node, x->view.cluster_id);
    return false;
}

/* Which entry is the last one; LOG_GONE: a running node has not written it yet. */
static int choose_last(struct export *x)
{
    uint64_t whole = log_view_whole(x->g);
    uint64_t commit = MAX_OF(x->g->commit, x->live_commit);

    x->last = x->uncommitted ? x->g->last_index : commit;
    if (x->has_to) {
        if (x->to < x->g->snap_index) {
            ctl_complain("the log builds on a snapshot at %" PRIu64 ": there is no way back to "
                         "%" PRIu64,
                         x->g->snap_index, x->to);
            return LOG_FAILED;
        }
        if (x->to > x->g->last_index) {
            ctl_complain("the log ends at %" PRIu64, x->g->last_index);
            return LOG_FAILED;
        }
        if (x->to > commit && !x->uncommitted) {
            ctl_complain("the log says only up to %" PRIu64 " that entries are committed: see "
                         "--live and --uncommitted",
                         commit);
            return LOG_FAILED;
        }
        x->last = x->to;
    }
    if (x->last > whole && whole < x->g->last_index) {
        ctl_complain("the log is damaged (%s): entries are missing behind %" PRIu64
                     ". Export another node's log, or what is before with --to %" PRIu64,
                     x->damaged_first ? x->damage : "found by an earlier start", whole, whole);
        return LOG_FAILED;
    }
    return x->last > x->g->last_index ? LOG_GONE : LOG_OK;
}

/* What the export leaves out or takes in that the log alone cannot vouch for. */
static void warn(const struct export *x)
{
    uint64_t commit = MAX_OF(x->g->commit, x->live_commit);

    if (x->damaged_first) {
        ctl_complain("warning: the log is damaged (%s): entries behind its last readable one, "
                     "%" PRIu64 ", may be missing",
                     x->damage, x->g->last_index);
    }
    if (commit > x->g->last_index) {
        ctl_complain("warning: entries up to %" PRIu64 " are committed, but this log ends at "
                     "%" PRIu64 ": other nodes have more",
                     commit, x->g->last_index);
    }
    if (x->last > commit) {
        ctl_complain("warning: entries %" PRIu64 " to %" PRIu64 " are exported although this log "
                     "does not say that they were committed",
                     commit + 1, x->last);
    } else if (x->live == NULL && !x->has_to && x->last < x->g->last_index) {
        ctl_complain("warning: entries %" PRIu64 " to %" PRIu64 " are left out: this log does not "
                     "say that they were committed. --live asks the running node, --uncommitted "
                     "takes them",
                     x->last + 1, x->g->last_index);
    }
}

static int look(struct export *x, bool final)
{
    struct log_visitor visitor = {.arg = x,
                                  .what = "reading the log",
                                  .segment = on_segment,
                                  .record = on_record,
                                  .damage = on_damage};
    int rc = log_files_list(x->dir, &x->files);

    if (rc == LOG_OK) {
        rc = log_walk(&x->files, &visitor);
    }
    if (rc != LOG_OK) {
        return rc;
    }
    x->g = log_view_group(&x->view, (uint32_t)x->group);
    if (x->g == NULL) {
        ctl_complain("the log has no group %" PRIu64, x->group);
        return LOG_FAILED;
    }
    if (x->view.foreign) {
        ctl_complain("the segments in %s are of different nodes or clusters", x->files.wal);
        return LOG_FAILED;
    }
    if (x->live != NULL && !is_live_node(x)) {
        return LOG_FAILED;
    }
    rc = choose_last(x);
    if (rc == LOG_GONE && (x->live == NULL || final)) {
        x->last = x->g->last_index; /* it is not coming; warn() says so */
        rc = LOG_OK;
    }
    return rc;
}

/* ---- where it goes ------------------------------------------------------------------------- */

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool fill_path(char out[PATH_MAX], const char *a, const char *b)
{
    if (snprintf(out, PATH_MAX, "%s%s", a, b) < PATH_MAX) {
        return true;
    }
    ctl_complain("%s: the path is too long", a);
    return false;
}

static int prepare_target(struct export *x)
{
    char suffix[64];
    struct stat st;

    x->folder = !ends_in(x->output, ".aof");
    if (x->folder && mkdir(x->output, 0700) != 0 && errno != EEXIST) {
        return fail("cannot create", x->output);
    }
    snprintf(suffix, sizeof suffix, ".tmp-%ld", (long)getpid());
    if (!fill_path(x->target, x->output, x->folder ? "/" AOF_DIR : "") ||
        !fill_path(x->temporary, x->target, suffix)) {
        return LOG_FAILED;
    }
    if (lstat(x->target, &st) == 0) {
        ctl_complain("%s exists already: nothing is overwritten", x->target);
        return LOG_FAILED;
    }
    return LOG_OK;
}

static int open_file(struct export *x, const char *name)
{
    char path[PATH_MAX];
    int fd;

    if (!fill_path(path, x->temporary, name)) {
        return LOG_FAILED;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    x->f = fd < 0 ? NULL : fdopen(fd, "w");
    if (x->f == NULL) {
        return fail("cannot create", path);
    }
    return LOG_OK;
}

/* Everything of the open file to the disk. */
static int close_file(struct export *x)
{
    bool ok = fflush(x->f) == 0 && fsync(fileno(x->f)) == 0;
    int error = errno;

    if (fclose(x->f) != 0 && ok) {
        ok = false;
        error = errno;
    }
    x->f = NULL;
    errno = error;
    return ok ? LOG_OK : fail("cannot write", x->temporary);
}

static void remove_temporary(struct export *x)
{
    static const char *const names[] = {"/" AOF_BASE, "/" AOF_INCR, "/" AOF_MANIFEST};

    if (x->f != NULL) {
        fclose(x->f);
        x->f = NULL;
    }
    if (!x->folder) {
        unlink(x->temporary);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[PATH_MAX];

        if (fill_path(path, x->temporary, names[i])) {
            unlink(path);
        }
    }
    rmdir(x->temporary);
}

/* ---- writing ------------------------------------------------------------------------------- */

static int copy_snapshot(struct export *x)
{
    char path[PATH_MAX];

    if (x->g->snap_index == 0) {
        return LOG_OK;
    }
    if (!snapshot_file_path(x->files.snapshots, x->g, path)) {
        ctl_complain("%s: the path is too long", x->files.snapshots);
        return LOG_FAILED;
    }
    switch ((enum snapshot_result)snapshot_file_check(path, x->f)) {
    case SNAPSHOT_OK:
        break;
    case SNAPSHOT_INTERRUPTED:
        return LOG_STOPPED;
    case SNAPSHOT_MISSING:
        snprintf(x->damage, sizeof x->damage, "%s is missing", path);
        return LOG_GONE;
    case SNAPSHOT_UNREADABLE:
        return fail("cannot read", path);
    case SNAPSHOT_UNWRITABLE:
        return fail("cannot write", x->temporary);
    case SNAPSHOT_DAMAGED:
        ctl_complain("%s is damaged: its checksum does not match", path);
        return LOG_FAILED;
    }
    return LOG_OK;
}

static bool write_entry(void *arg, const struct log_segment *s, const struct wal_record *r)
{
    struct export *x = arg;

    if (r->group != x->group || r->type != WAL_RECORD_ENTRY || r->index <= x->g->snap_index ||
        r->index > x->last || !log_view_has(x->g, s->number, r->offset, r->index)) {
        return true;
    }
    x->entries++;
    if (r->detail != WAL_ENTRY_DATA || aof_batch(&x->aof, r->data, r->data_bytes) == 0) {
        return true;
    }
    if (ferror(x->f)) {
        fail("cannot write", x->temporary);
    } else {
        ctl_complain("%s, offset %" PRIu64 ": entry %" PRIu64 " is no batch of effects", s->name,
                     r->offset, r->index);
    }
    return false;
}

static int write_entries(struct export *x)
{
    struct log_visitor visitor = {.arg = x, .what = "writing", .record = write_entry};
    int rc;

    aof_init(&x->aof, x->f);
    rc = log_walk(&x->files, &visitor);
    if (rc == LOG_OK && aof_flush(&x->aof) != 0) {
        rc = fail("cannot write", x->temporary);
    }
    aof_release(&x->aof);
    if (rc == LOG_STOPPED && !ctl_interrupted()) {
        rc = LOG_FAILED; /* write_entry() has said why */
    }
    if (rc == LOG_OK && x->entries != x->last - x->g->snap_index) {
        ctl_complain("the log has changed while it was read: %" PRIu64 " entries instead of "
                     "%" PRIu64,
                     x->entries, x->last - x->g->snap_index);
        rc = LOG_GONE;
    }
    return rc;
}

static int write_manifest(struct export *x)
{
    int rc = open_file(x, "/" AOF_MANIFEST);

    if (rc == LOG_OK) {
        if (x->g->snap_index > 0) {
            fputs("file " AOF_BASE " seq 1 type b\n", x->f);
        }
        fputs("file " AOF_INCR " seq 1 type i\n", x->f);
        rc = close_file(x);
    }
    return rc;
}

static int write_folder(struct export *x)
{
    int rc;

    if (mkdir(x->temporary, 0700) != 0) {
        return fail("cannot create", x->temporary);
    }
    rc = open_file(x, "/" AOF_BASE);
    if (rc == LOG_OK) {
        rc = copy_snapshot(x);
    }
    if (rc == LOG_OK) {
        rc = close_file(x);
    }
    if (rc == LOG_OK) {
        rc = open_file(x, "/" AOF_INCR);
    }
    if (rc == LOG_OK) {
        rc = write_entries(x);
    }
    if (rc == LOG_OK) {
        rc = close_file(x);
    }
    if (rc == LOG_OK) {
        rc = write_manifest(x);
    }
    if (rc == LOG_OK && file_sync_dir(x->temporary) != 0) {
        rc = fail("cannot sync", x->temporary);
    }
    return rc;
}

static int write_file(struct export *x)
{
    int rc = open_file(x, "");

    if (rc == LOG_OK) {
        rc = copy_snapshot(x);
    }
    if (rc == LOG_OK) {
        rc = write_entries(x);
    }
    return rc == LOG_OK ? close_file(x) : rc;
}

/* Give it its name, unless somebody else has taken that meanwhile. */
static int publish(struct export *x)
{
    char parent[PATH_MAX];

    if (renameat2(AT_FDCWD, x->temporary, AT_FDCWD, x->target, RENAME_NOREPLACE) != 0) {
        return fail("cannot name", x->target);
    }
    if (!fill_path(parent, x->target, "") || file_sync_dir(dirname(parent)) != 0) {
        return fail("cannot sync the folder of", x->target);
    }
    return LOG_OK;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int attempt(struct export *x, bool final)
{
    int rc = look(x, final);

    if (rc != LOG_OK) {
        return rc;
    }
    rc = prepare_target(x);
    if (rc != LOG_OK) {
        return rc;
    }
    rc = x->folder ? write_folder(x) : write_file(x);
    if (rc == LOG_OK) {
        rc = publish(x);
    }
    if (rc != LOG_OK) {
        remove_temporary(x);
        return rc;
    }
    warn(x);
    printf("%s: group %" PRIu64 ", snapshot at %" PRIu64 " and %" PRIu64 " entries up to %" PRIu64
           "\n",
           x->target, x->group, x->g->snap_index, x->entries, x->last);
    return LOG_OK;
}

static int run(struct export *x)
{
    const struct timespec pause = {0, AGAIN_MS * 1000000L};
    int rc = LOG_GONE;

    for (int i = 1; rc == LOG_GONE && i <= TRIES_MAX; i++) {
        log_view_release(&x->view);
        log_files_release(&x->files);
        x->entries = 0;
        x->damaged_first = false;
        x->damage[0] = '\0';
        rc = attempt(x, i == TRIES_MAX);
        if (rc == LOG_GONE) {
            (void)nanosleep(&pause, NULL); /* cut short by an interrupt: seen by the next walk */
        }
    }
    if (rc == LOG_GONE) {
        ctl_complain("%s", x->damage[0] != '\0' ? x->damage
                                                : "log export: the log changes faster than it can "
                                                  "be read");
    } else if (rc == LOG_STOPPED) {
        ctl_complain("log export: interrupted; nothing was written");
    }
    return rc;
}

int ctl_log_export(int argc, char **argv)
{
    struct export *x = mem_zalloc(sizeof *x);
    const char *to = NULL;
    const struct ctl_option options[] = {
        {"--group", .number = &x->group},
        {"--to", .text = &to},
        {"--output", .text = &x->output},
        {"--live", .text = &x->live},
        {"--password", .text = &x->password},
        {"--uncommitted", .flag = &x->uncommitted},
        {NULL},
    };
    int n, rc = LOG_FAILED;

    x->group = 1;
    x->output = "group1.aof";
    x->password = getenv("REDISCLI_AUTH");
    if (!ctl_options(argc, argv, options, &n) || !ctl_option_number("--to", to, &x->to)) {
        free(x);
        return CTL_FAILED;
    }
    x->has_to = to != NULL;
    if (n != 1) {
        ctl_complain("log export: which data directory?");
    } else if (x->group == 0 || x->group > UINT32_MAX) {
        ctl_complain("log export: group %" PRIu64 " is no data group", x->group);
    } else {
        x->dir = argv[0];
        ctl_catch_interrupt();
        rc = x->live == NULL ? LOG_OK : ask_live(x);
        if (rc == LOG_OK) {
            rc = run(x);
        }
    }
    log_view_release(&x->view);
    log_files_release(&x->files);
    free(x);
    return rc == LOG_OK ? CTL_OK : CTL_FAILED;
}
