/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/snapshots.c - the files in DIR/snapshots.
 *
 * The one that counts of each group is that of the newest durable marker in the log. Older ones go
 * once that marker is durable; whatever else is there at the start is left over from a crash. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void snapshot_name(uint32_t group, struct raft_pos pos, char out[SNAPSHOT_NAME_MAX])
{
    snprintf(out, SNAPSHOT_NAME_MAX, "g%" PRIu32 "-%" PRIu64 "-%" PRIu64 ".rdb", group, pos.index,
             pos.term);
}

bool snapshot_parse_name(const char *name, uint32_t *group, struct raft_pos *pos)
{
    char again[SNAPSHOT_NAME_MAX];

    if (sscanf(name, "g%" SCNu32 "-%" SCNu64 "-%" SCNu64 ".rdb", group, &pos->index, &pos->term) !=
        3) {
        return false;
    }
    snapshot_name(*group, *pos, again); /* sscanf() is generous */
    return strcmp(name, again) == 0;
}

static char *path_of(const char *folder, const char *name)
{
    char *p;

    if (asprintf(&p, "%s/%s", folder, name) < 0) {
        log_fatal("Out of memory");
    }
    return p;
}

uint64_t snapshot_size(struct raft_host *h, uint32_t group, struct raft_pos pos)
{
    char name[SNAPSHOT_NAME_MAX];
    struct stat st;
    char *path;
    int rc;

    if (pos.index == 0) {
        return 0;
    }
    snapshot_name(group, pos, name);
    path = path_of(h->dir.snapshots, name);
    rc = stat(path, &st);
    free(path);
    return rc == 0 ? (uint64_t)st.st_size : 0;
}

int snapshot_take_part(const char *folder, const char *part, uint32_t group, struct raft_pos pos)
{
    char name[SNAPSHOT_NAME_MAX];
    char *path;
    int rc;

    snapshot_name(group, pos, name);
    path = path_of(folder, name);
    rc = rename(part, path);
    if (rc == 0) {
        rc = file_sync_dir(folder);
    }
    free(path);
    return rc;
}

/* ---- removing ---------------------------------------------------------------------------- */

struct removal {
    uint32_t group;
    struct raft_pos pos;
    char folder[];
};

static void remove_older(void *arg, const atomic_bool *cancel)
{
    struct removal *r = arg;
    DIR *dir = opendir(r->folder);
    const struct dirent *e;

    (void)cancel; /* a few files at most */
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        struct raft_pos pos;
        uint32_t group;

        if (snapshot_parse_name(e->d_name, &group, &pos) && group == r->group &&
            pos.index < r->pos.index && unlinkat(dirfd(dir), e->d_name, 0) != 0) {
            log_warning("Cannot remove the old snapshot %s/%s: %s", r->folder, e->d_name,
                        strerror(errno));
        }
    }
    if (dir == NULL) {
        log_warning("Cannot read %s: %s", r->folder, strerror(errno));
    } else {
        closedir(dir);
    }
    free(r);
}

void snapshot_remove_older(struct raft_host *h, uint32_t group, struct raft_pos pos)
{
    size_t n = strlen(h->dir.snapshots) + 1;
    struct removal *r = mem_alloc(sizeof *r + n);

    r->group = group;
    r->pos = pos;
    memcpy(r->folder, h->dir.snapshots, n);
    worker_submit(h->config.bg, remove_older, r);
}

/* ---- at the start ------------------------------------------------------------------------ */

static bool is_needed(const struct wal_recovery *rec, const char *name)
{
    char want[SNAPSHOT_NAME_MAX];

    for (size_t i = 0; i < rec->n_groups; i++) {
        snapshot_name(rec->groups[i].group, rec->groups[i].restore.snapshot, want);
        if (strcmp(name, want) == 0) {
            return true;
        }
    }
    return false;
}

static int check_present(struct raft_host *h, const struct wal_recovery *rec)
{
    for (size_t i = 0; i < rec->n_groups; i++) {
        const struct wal_group *g = &rec->groups[i];
        char name[SNAPSHOT_NAME_MAX];

        if (g->restore.snapshot.index > 0 && snapshot_size(h, g->group, g->restore.snapshot) == 0) {
            snapshot_name(g->group, g->restore.snapshot, name);
            log_warning("The snapshot %s/%s, with which the log of group %u begins, is missing: "
                        "replace the node as a new member",
                        h->dir.snapshots, name, g->group);
            return RAFT_HOST_ERR_DAMAGED;
        }
    }
    return RAFT_HOST_OK;
}

int snapshot_clean(struct raft_host *h, const struct wal_recovery *rec)
{
    int rc = check_present(h, rec);
    const struct dirent *e;
    DIR *dir;

    if (rc != RAFT_HOST_OK) {
        return rc;
    }
    dir = opendir(h->dir.snapshots);
    if (dir == NULL) {
        log_warning("Cannot read %s: %s", h->dir.snapshots, strerror(errno));
        return RAFT_HOST_ERR_IO;
    }
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            is_needed(rec, e->d_name)) {
            continue;
        }
        log_notice("Removing %s/%s, left over from an earlier run", h->dir.snapshots, e->d_name);
        if (unlinkat(dirfd(dir), e->d_name, 0) != 0) {
            log_warning("Cannot remove %s/%s: %s", h->dir.snapshots, e->d_name, strerror(errno));
        }
    }
    closedir(dir);
    return RAFT_HOST_OK;
}
