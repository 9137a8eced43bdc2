/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_files.c - see log_files.h. */
#include "sentinel/log_files.h"

#include "base/mem.h"
#include "sentinel/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)
#define READ_BYTES ((size_t)1 << 20)
/* A running node may be in the middle of a write where the reader looks: it looks again. */
#define LOOKS_MAX 5
#define LOOK_AGAIN_MS 40

/* ---- what is there ------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const struct log_segment *x = a;
    const struct log_segment *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void take_name(struct log_files *f, DIR *dir, const char *name)
{
    struct log_segment *seg;
    uint64_t number;
    struct stat st;

    if (strlen(name) < 16 || !wal_format_parse_name(name, &number)) {
        f->n_damaged += strstr(name, WAL_FORMAT_SUFFIX ".damaged") != NULL;
        return;
    }
    if (f->n == f->cap) {
        f->cap = f->cap == 0 ? 16 : 2 * f->cap;
        f->segs = mem_realloc(f->segs, f->cap * sizeof *f->segs);
    }
    seg = &f->segs[f->n++];
    seg->number = number;
    wal_format_name(seg->name, number);
    if (fstatat(dirfd(dir), name, &st, 0) == 0) {
        f->bytes += (uint64_t)st.st_size;
    }
}

static bool join(char out[PATH_MAX], const char *dir, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

int log_files_list(const char *dir, struct log_files *out)
{
    const struct dirent *e;
    struct stat st;
    bool fits;
    DIR *d;

    memset(out, 0, sizeof *out);
    fits = join(out->wal, dir, "wal") && join(out->snapshots, dir, "snapshots");
    if (fits && stat(out->wal, &st) != 0 && errno == ENOENT) {
        fits = join(out->wal, dir, ".") && join(out->snapshots, dir, "../snapshots");
    }
    if (!fits) {
        ctl_complain("%s: the path is too long", dir);
        return LOG_FAILED;
    }
    d = opendir(out->wal);
    if (d == NULL) {
        ctl_complain("%s: %s", out->wal, strerror(errno));
        return LOG_FAILED;
    }
    while ((e = readdir(d)) != NULL) {
        take_name(out, d, e->d_name);
    }
    closedir(d);
    if (out->n == 0) {
        ctl_complain("%s holds no log", out->wal);
        return LOG_FAILED;
    }
    qsort(out->segs, out->n, sizeof *out->segs, by_number);
    return LOG_OK;
}

void log_files_release(struct log_files *f)
{
    free(f->segs);
    memset(f, 0, sizeof *f);
}

/* ---- one segment --------------------------------------------------------------------------- */

struct walk {
    const struct log_files *files;
    const struct log_visitor *visitor;
    const struct log_segment *seg;
    struct wal_segment_header header; /* of seg */
    unsigned char *p;                 /* content of seg */
    size_t n, cap;
    struct ctl_progress progress;
    uint64_t done; /* bytes of earlier segments */
};

static int open_segment(const struct walk *w, const struct log_segment *s, int *fd)
{
    char path[PATH_MAX];

    if (!join(path, w->files->wal, s->name)) {
        ctl_complain("%s: the path is too long", w->files->wal);
        return LOG_FAILED;
    }
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0) {
        return LOG_OK;
    }
    if (errno == ENOENT) {
        return LOG_GONE;
    }
    ctl_complain("%s: %s", path, strerror(errno));
    return LOG_FAILED;
}

static size_t read_at(int fd, unsigned char *p, size_t n, size_t at)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = pread(fd, p + got, n - got, (off_t)(at + got));

        if (r == 0) {
            errno = EIO; /* shorter than its size says */
            break;
        }
        if (r < 0 && errno != EINTR) {
            break;
        }
        got += r > 0 ? (size_t)r : 0;
    }
    return got;
}

/* All of the file into w->p. A page that the disk does not give up is filled with bytes that no
 * record has: the damage is then found like any other. */
static int load(struct walk *w)
{
    struct stat st;
    size_t n;
    int fd;
    int rc = open_segment(w, w->seg, &fd);

    if (rc != LOG_OK) {
        return rc;
    }
    if (fstat(fd, &st) != 0) {
        ctl_complain("%s/%s: %s", w->files->wal, w->seg->name, strerror(errno));
        close(fd);
        return LOG_FAILED;
    }
    n = (size_t)st.st_size;
    if (n > w->cap) {
        unsigned char *p = mem_try_alloc(n);

        if (p == NULL) {
            ctl_complain("%s: not enough memory for its %zu bytes", w->seg->name, n);
            close(fd);
            return LOG_FAILED; /* what was loaded stays */
        }
        free(w->p);
        w->p = p;
        w->cap = n;
    }
    w->n = n;
    for (size_t at = 0; at < n;) {
        size_t want = MIN_OF(READ_BYTES, n - at);
        size_t got = read_at(fd, w->p + at, want, at);

        at += got;
        if (got < want) {
            size_t page = MIN_OF(PAGE_BYTES - at % PAGE_BYTES, n - at);

            ctl_complain("%s/%s: cannot read at offset %zu: %s", w->files->wal, w->seg->name, at,
                         strerror(errno));
            memset(w->p + at, 0xff, page);
            at += page;
        }
    }
    close(fd);
    return LOG_OK;
}

/* The header of a segment, which need not be the one loaded. False: it has none that is good. */
static int peek_header(const struct walk *w, const struct log_segment *s,
                       struct wal_segment_header *h, bool *good)
{
    unsigned char head[WAL_RECORDS_AT];
    int fd;
    int rc = open_segment(w, s, &fd);
    size_t n;

    if (rc != LOG_OK) {
        return rc;
    }
    n = read_at(fd, head, sizeof head, 0);
    close(fd);
    *good = wal_format_get_header(head, n, h) == WAL_FORMAT_OK && h->number == s->number;
    return LOG_OK;
}

static void damage(const struct walk *w, const struct log_segment *s, uint64_t offset,
                   const char *why, enum wal_damage kind)
{
    if (w->visitor->damage != NULL) {
        w->visitor->damage(w->visitor->arg, s, offset, why, kind);
    }
}

/* The record at r->at is not valid. In the newest segment a node may just be writing it: true when
 * another look finds something else. */
static bool look_again(struct walk *w, struct wal_reader *r, int look)
{
    const struct timespec pause = {0, LOOK_AGAIN_MS * 1000000L};
    struct wal_record rec;
    struct wal_reader again;

    if (look == LOOKS_MAX || nanosleep(&pause, NULL) != 0 || load(w) != LOG_OK) {
        return false;
    }
    r->p = w->p;
    r->n = w->n;
    again = *r;
    return wal_reader_next(&again, &rec) != WAL_READ_INVALID;
}

static int walk_records(struct walk *w, struct wal_reader *r, bool last)
{
    const struct log_visitor *v = w->visitor;
    struct wal_record rec;
    int looks = 0;

    for (;;) {
        enum wal_read got = wal_reader_next(r, &rec);

        ctl_progress(&w->progress, w->done + r->at);
        if (ctl_interrupted()) {
            return LOG_STOPPED;
        }
        if (got == WAL_READ_END) {
            return LOG_OK;
        }
        if (got == WAL_READ_RECORD) {
            if (v->record != NULL && !v->record(v->arg, w->seg, &rec)) {
                return LOG_STOPPED;
            }
            continue;
        }
        if (wal_reader_judge(r, last) == WAL_TORN) {
            damage(w, w->seg, r->at, r->why, WAL_TORN);
            return LOG_OK;
        }
        if (last) {
            bool changed = false;

            while (!changed && looks < LOOKS_MAX) {
                changed = look_again(w, r, looks++);
            }
            if (changed || wal_reader_judge(r, last) == WAL_TORN) {
                continue;
            }
        }
        damage(w, w->seg, r->at, r->why, WAL_DAMAGED);
        if (!wal_reader_resync(r)) {
            return LOG_OK;
        }
    }
}

static int walk_segment(struct walk *w, const struct log_segment *s, const struct log_segment *next)
{
    struct wal_segment_header next_header;
    struct wal_reader r;
    bool next_good = false;
    int rc;

    w->seg = s;
    rc = next == NULL ? LOG_OK : peek_header(w, next, &next_header, &next_good);
    if (rc == LOG_OK) {
        rc = load(w);
    }
    if (rc != LOG_OK) {
        return rc;
    }
    rc = wal_reader_open(&r, w->p, w->n);
    if (rc == WAL_FORMAT_NEWER) {
        ctl_complain("%s/%s has format version %u; this program knows %u", w->files->wal, s->name,
                     r.header.version, WAL_FORMAT_VERSION);
        return LOG_FAILED;
    }
    if (rc != WAL_FORMAT_OK || r.header.number != s->number) {
        damage(w, s, 0, "the segment's header is unreadable", WAL_DAMAGED);
        return LOG_OK;
    }
    if (w->visitor->segment != NULL) {
        w->visitor->segment(w->visitor->arg, s, &r.header, w->n);
    }
    if (next_good && next->number == s->number + 1 &&
        (r.header.flags & WAL_SEGMENT_SALVAGED) == 0) {
        wal_reader_known_end(&r, next_header.prev_end);
    }
    return walk_records(w, &r, next == NULL);
}

int log_walk(const struct log_files *f, const struct log_visitor *v)
{
    struct walk w = {.files = f, .visitor = v, .progress = {.what = v->what, .total = f->bytes}};
    int rc = LOG_OK;

    assert(f->segs != NULL); /* a list without segments was refused */
    for (size_t i = 0; rc == LOG_OK && i < f->n; i++) {
        if (i > 0 && f->segs[i].number != f->segs[i - 1].number + 1) {
            struct log_segment missing = {.number = f->segs[i - 1].number + 1};

            wal_format_name(missing.name, missing.number);
            damage(&w, &missing, 0, "the segment is missing", WAL_DAMAGED);
        }
        rc = walk_segment(&w, &f->segs[i], i + 1 < f->n ? &f->segs[i + 1] : NULL);
        w.done += w.n;
    }
    free(w.p);
    return rc;
}
