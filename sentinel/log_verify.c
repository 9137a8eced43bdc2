/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_verify.c - holdfastctl log verify: is everything there that the log says was?
 *
 * What is checked: headers and records with their checksums; that each group's entries follow one
 * another without a gap behind its snapshot; that data entries decode; that the snapshots are
 * there and whole. A torn tail is what a crash (or a write just under way) leaves: no damage. */
#include "base/mem.h"
#include "proto/effect.h"
#include "sentinel/ctl.h"
#include "sentinel/log_files.h"
#include "sentinel/log_view.h"
#include "sentinel/snapshot_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often to begin anew because a running node removed a file. */
#define TRIES_MAX 5

struct verify {
    struct log_files files;
    struct log_view view;
    struct effect_reader reader;
    struct buf report; /* printed when the reading came to an end */
    uint64_t records;
    size_t n_damaged;
};

static void on_segment(void *arg, const struct log_segment *s, const struct wal_segment_header *h,
                       uint64_t file_bytes)
{
    struct verify *v = arg;

    (void)file_bytes;
    log_view_segment(&v->view, h);
    if (v->view.foreign) {
        buf_printf(&v->report,
                   "DAMAGED %s/%s: belongs to node %" PRIu64 " of cluster %s, the "
                   "segment before does not\n",
                   v->files.wal, s->name, h->node, h->cluster_id);
        v->n_damaged++;
        v->view.foreign = false;
    }
}

static bool decodes(struct verify *v, const struct wal_record *r)
{
    int got = effect_reader_init(&v->reader, r->data, r->data_bytes);

    while (got >= 0 && (got = effect_next(&v->reader)) == 1) {
    }
    return got == 0;
}

static bool on_record(void *arg, const struct log_segment *s, const struct wal_record *r)
{
    struct verify *v = arg;

    v->records++;
    log_view_record(&v->view, s->number, r);
    if (r->group != 0 && r->type == WAL_RECORD_ENTRY && r->detail == WAL_ENTRY_DATA &&
        !decodes(v, r)) {
        buf_printf(&v->report,
                   "DAMAGED %s/%s, offset %" PRIu64 ": entry %" PRIu64 " of group %" PRIu32
                   " is no batch of effects\n",
                   v->files.wal, s->name, r->offset, r->index, r->group);
        v->n_damaged++;
    }
    return true;
}

static void on_damage(void *arg, const struct log_segment *s, uint64_t offset, const char *why,
                      enum wal_damage kind)
{
    struct verify *v = arg;

    if (kind == WAL_DAMAGED) {
        v->n_damaged++;
        buf_printf(&v->report, "DAMAGED %s/%s, offset %" PRIu64 ": %s\n", v->files.wal, s->name,
                   offset, why);
    } else {
        buf_printf(&v->report,
                   "torn tail %s/%s, offset %" PRIu64 ": %s (a write that never "
                   "finished; nothing that was acknowledged)\n",
                   v->files.wal, s->name, offset, why);
    }
}

/* LOG_GONE: the file is not there, perhaps not any more. */
static int check_snapshot(struct verify *v, const struct log_group *g, bool *ok)
{
    char path[PATH_MAX];
    int rc;

    *ok = true;
    if (g->snap_index == 0) {
        return LOG_OK;
    }
    if (!snapshot_file_path(v->files.snapshots, g, path)) {
        ctl_complain("%s: the path is too long", v->files.snapshots);
        return LOG_FAILED;
    }
    rc = snapshot_file_check(path, NULL);
    if (rc == SNAPSHOT_INTERRUPTED) {
        return LOG_STOPPED;
    }
    if (rc != SNAPSHOT_OK) {
        *ok = false;
        v->n_damaged++;
        buf_printf(&v->report, "DAMAGED %s: %s\n", path,
                   rc == SNAPSHOT_MISSING      ? "the snapshot that the log builds on is missing"
                   : rc == SNAPSHOT_UNREADABLE ? strerror(errno)
                                               : "its checksum does not match");
    }
    return rc == SNAPSHOT_MISSING ? LOG_GONE : LOG_OK;
}

static int check_group(struct verify *v, const struct log_group *g, struct buf *summary)
{
    uint64_t whole = log_view_whole(g);
    bool snapshot_ok;
    int rc = check_snapshot(v, g, &snapshot_ok);

    if (whole < g->last_index) {
        v->n_damaged++;
        buf_printf(&v->report,
                   "DAMAGED group %" PRIu32 ": entries are missing behind %" PRIu64
                   ", and no snapshot covers them\n",
                   g->group, whole);
    }
    if (g->damaged) {
        v->n_damaged++;
        buf_printf(&v->report,
                   "DAMAGED group %" PRIu32 ": records were lost before, and it has "
                   "not caught up with its peers since\n",
                   g->group);
    }
    buf_printf(summary,
               "group %" PRIu32 ": snapshot at %" PRIu64 "%s, entries up to %" PRIu64
               ", committed at least up to %" PRIu64 ", term %" PRIu64 "\n",
               g->group, g->snap_index, snapshot_ok ? "" : " (bad)", g->last_index, g->commit,
               g->hard_term);
    return rc;
}

static int verify_once(struct verify *v, const char *dir, struct buf *summary)
{
    struct log_visitor visitor = {.arg = v,
                                  .what = "reading the log",
                                  .segment = on_segment,
                                  .record = on_record,
                                  .damage = on_damage};
    int rc = log_files_list(dir, &v->files);

    if (rc == LOG_OK) {
        rc = log_walk(&v->files, &visitor);
    }
    if (rc != LOG_OK) {
        return rc;
    }
    buf_printf(summary, "%zu segments, %" PRIu64 " records, node %" PRIu64 " of cluster %s\n",
               v->files.n, v->records, v->view.node, v->view.cluster_id);
    if (v->files.n_damaged > 0) {
        buf_printf(summary, "%zu *.damaged files were kept aside by earlier repairs\n",
                   v->files.n_damaged);
    }
    for (size_t i = 0; i < v->view.n; i++) {
        int one = check_group(v, &v->view.groups[i], summary);

        rc = rc == LOG_OK ? one : rc;
    }
    return rc;
}

static void release(struct verify *v)
{
    log_files_release(&v->files);
    log_view_release(&v->view);
    effect_reader_release(&v->reader);
    buf_release(&v->report);
}

static int print(struct verify *v, struct buf *summary)
{
    buf_printf(summary, v->n_damaged == 0 ? "No damage.\n" : "%zu damaged.\n", v->n_damaged);
    if (!ctl_print(&v->report) || !ctl_print(summary)) {
        return CTL_FAILED;
    }
    return v->n_damaged == 0 ? CTL_OK : CTL_PROBLEM;
}

int ctl_log_verify(int argc, char **argv)
{
    const struct ctl_option options[] = {{NULL}};
    int n, exit_status = CTL_FAILED;

    if (!ctl_options(argc, argv, options, &n)) {
        return CTL_FAILED;
    }
    if (n != 1) {
        ctl_complain("log verify: which data directory?");
        return CTL_FAILED;
    }
    ctl_catch_interrupt();
    for (int attempt = 1; attempt <= TRIES_MAX; attempt++) {
        struct verify *v = mem_zalloc(sizeof *v);
        struct buf summary;
        int rc;

        buf_init(&v->report);
        buf_init(&summary);
        rc = verify_once(v, argv[0], &summary);
        /* What is still missing at the last try is not being replaced by a running node. */
        if (rc == LOG_OK || (rc == LOG_GONE && attempt == TRIES_MAX && summary.len > 0)) {
            exit_status = print(v, &summary);
        } else if (rc == LOG_STOPPED) {
            ctl_complain("log verify: interrupted");
        } else if (rc == LOG_GONE && attempt == TRIES_MAX) {
            ctl_complain("log verify: files vanish faster than they can be read");
        }
        buf_release(&summary);
        release(v);
        free(v);
        if (rc != LOG_GONE) {
            break;
        }
    }
    return exit_status;
}
