/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/wal/wal_recover.c - reading a log after a start.
 *
 * Two passes that change nothing: headers (is this ours, do we know its version), then all
 * records in order. Only then is the disk touched:
 *
 *     no damage     the torn tail, if any, is zeroed; what is there is synced, since a killed
 *                   process may have left it in the page cache
 *     damage        wal_repair(), then the two passes again over what that made
 *
 * How a group is known to be whole although records around it are lost: every entry names the
 * term of the one before it, every segment begins with each group's last position, and equal
 * positions mean equal logs up to there. Where an entry or a baseline does not continue a group's
 * log, there is a gap. What is before it is kept aside, and reading goes on behind it. In the end,
 * if a snapshot covers the gap, nothing is missing; if not, the log ends at the gap and the group
 * is damaged. A group whose hard state may have been among the lost records, because no baseline
 * comes after them, is damaged as well: its newest vote is not known. */
#include "raft/wal/wal_recover.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES ((size_t)1 << 20)
#define PAGE_BYTES ((size_t)4096)

/* ---- what is in the folder --------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const struct found_segment *x = a;
    const struct found_segment *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int list_segments(const struct wal *w, struct found *f)
{
    DIR *dir = opendir(w->dir);
    const struct dirent *e;
    uint64_t number;
    size_t cap = 0;

    if (dir == NULL) {
        log_warning("log: cannot read folder %s: %s", w->dir, strerror(errno));
        return WAL_ERR_IO;
    }
    errno = 0;
    while ((e = readdir(dir)) != NULL) {
        if (strlen(e->d_name) >= 16 && wal_format_parse_name(e->d_name, &number)) {
            if (f->n == cap) {
                cap = cap == 0 ? 16 : 2 * cap;
                f->segs = mem_realloc(f->segs, cap * sizeof *f->segs);
            }
            f->segs[f->n++] = (struct found_segment){.number = number};
        }
        errno = 0;
    }
    if (errno != 0) {
        log_warning("log: cannot read folder %s: %s", w->dir, strerror(errno));
        closedir(dir);
        return WAL_ERR_IO;
    }
    closedir(dir);
    if (f->n > 0) {
        qsort(f->segs, f->n, sizeof *f->segs, by_number);
    }
    return WAL_OK;
}

/* Read @n bytes at @at. A page that the disk cannot read counts as damaged, not as the end of the
 * world: it is filled with bytes that no record has. */
static size_t read_or_fill(struct wal *w, struct wal_segment *s, unsigned char *p, size_t n,
                           uint64_t at)
{
    size_t got;

    if (wal_file_read(w, s->fd, p, n, at, &got) == WAL_OK) {
        return got;
    }
    for (size_t page = 0; page < n; page += PAGE_BYTES) {
        size_t want = MIN_OF(PAGE_BYTES, n - page);

        if (wal_file_read(w, s->fd, p + page, want, at + page, &got) != WAL_OK) {
            log_warning("log: segment %016llx: cannot read at %llu: %s",
                        (unsigned long long)s->number, (unsigned long long)(at + page),
                        strerror(errno));
            memset(p + page, 0xff, want);
        } else if (got < want) {
            return page + got;
        }
    }
    return n;
}

/* Whose log is this? Changes nothing, and neither does anything before it. */
static int check_header(struct wal *w, struct found_segment *fs)
{
    unsigned char head[WAL_RECORDS_AT];
    struct wal_segment s = {.number = fs->number, .fd = -1};
    struct stat st;
    size_t got;
    int rc = wal_segment_open(w, &s);

    if (rc != WAL_OK) {
        return rc;
    }
    w->n_open--; /* it is not in the table */
    if (fstat(s.fd, &st) != 0) {
        log_warning("log: cannot stat segment %016llx: %s", (unsigned long long)fs->number,
                    strerror(errno));
        wal_segment_drop_fd(&s);
        return WAL_ERR_IO;
    }
    fs->file_bytes = (uint64_t)st.st_size;
    got = read_or_fill(w, &s, head, sizeof head, 0);
    wal_segment_drop_fd(&s);
    rc = wal_format_get_header(head, got, &fs->header);
    if (rc == WAL_FORMAT_NEWER) {
        log_warning("log: segment %016llx in %s has format version %u; this program knows %u",
                    (unsigned long long)fs->number, w->dir, fs->header.version, WAL_FORMAT_VERSION);
        return WAL_ERR_VERSION;
    }
    if (rc != WAL_FORMAT_OK) {
        return WAL_OK; /* .good stays false */
    }
    if (memcmp(fs->header.cluster_id, w->cluster_id, 40) != 0 || fs->header.node != w->node) {
        log_warning("log: segment %016llx in %s belongs to node %llu of cluster %s; this is node "
                    "%llu of cluster %s",
                    (unsigned long long)fs->number, w->dir, (unsigned long long)fs->header.node,
                    fs->header.cluster_id, (unsigned long long)w->node, w->cluster_id);
        return WAL_ERR_FOREIGN;
    }
    fs->good = fs->header.number == fs->number;
    return WAL_OK;
}

static int check_headers(struct wal *w, struct found *f)
{
    const uint64_t gap_max = 4096;
    size_t good = 0;

    for (size_t i = 0; i < f->n; i++) {
        int rc = check_header(w, &f->segs[i]);

        if (rc != WAL_OK) {
            return rc;
        }
        good += f->segs[i].good ? 1 : 0;
        if (i > 0 && f->segs[i].number - f->segs[i - 1].number > gap_max) {
            log_warning("log: segments %016llx and %016llx in %s are too far apart",
                        (unsigned long long)f->segs[i - 1].number,
                        (unsigned long long)f->segs[i].number, w->dir);
            return WAL_ERR_DAMAGED;
        }
    }
    if (f->n > 0 && good == 0) {
        log_warning("log: not one of %zu segments in %s has a readable header", f->n, w->dir);
        return WAL_ERR_DAMAGED;
    }
    return WAL_OK;
}

int wal_load_segment(struct wal *w, const struct found_segment *fs, struct wal_buffer *b)
{
    struct wal_segment s = {.number = fs->number, .fd = -1};
    int rc;

    b->n = 0;
    if (b->cap < fs->file_bytes) {
        free(b->p);
        b->cap = 0;
        b->p = mem_try_alloc((size_t)fs->file_bytes);
        if (b->p == NULL) {
            return WAL_ERR_NOMEM;
        }
        b->cap = (size_t)fs->file_bytes;
    }
    rc = wal_segment_open(w, &s);
    if (rc != WAL_OK) {
        return rc;
    }
    w->n_open--;
    while (b->n < fs->file_bytes) {
        size_t want = MIN_OF(READ_BYTES, (size_t)fs->file_bytes - b->n);
        size_t got = read_or_fill(w, &s, b->p + b->n, want, b->n);

        b->n += got;
        if (got < want) {
            break;
        }
    }
    wal_segment_drop_fd(&s);
    return WAL_OK;
}

/* ---- records ----------------------------------------------------------------------------- */

/* A loss that may have hit any group. */
static void note_loss(struct replay *x, uint64_t number, uint64_t offset, const char *why)
{
    log_warning("log: damage in segment %016llx at offset %llu: %s", (unsigned long long)number,
                (unsigned long long)offset, why);
    if (x->losses++ == 0) {
        snprintf(x->damage, sizeof x->damage, "segment %016llx, offset %llu: %s",
                 (unsigned long long)number, (unsigned long long)offset, why);
    }
    for (size_t i = 0; i < x->w->n_groups; i++) {
        x->w->groups[i]->in_question = true;
    }
}

static void see_term(struct wal_group_state *g, uint64_t term)
{
    g->term_seen = MAX_OF(g->term_seen, term);
}

static void take_hard(struct wal_group_state *g, const struct wal_record *r)
{
    see_term(g, r->hard_term);
    if (r->hard_term >= g->hard.term) {
        g->hard =
            (struct raft_hard_state){.term = r->hard_term, .vote = r->vote, .commit = r->commit};
    }
}

static bool pos_equal(struct raft_pos a, struct raft_pos b)
{
    return a.term == b.term && a.index == b.index;
}

/* Whether the term of the entry before @index is known here. It need not be: the segments with
 * the entries before may be gone because nobody needed them. */
static bool knows_before(const struct wal_group_state *g, uint64_t index)
{
    return index - 1 == g->last.index || index - 1 == g->snapshot.index ||
           (index - 1 >= g->first && index - 1 < g->last.index);
}

static int keep_config(struct wal_group_state *g, const struct wal_record *r)
{
    struct raft_entry *e = raft_entry_new(RAFT_ENTRY_CONFIG, r->data_bytes);

    if (e == NULL) {
        return WAL_ERR_NOMEM;
    }
    memcpy(e->data, r->data, r->data_bytes);
    e->pos = (struct raft_pos){.term = r->term, .index = r->index};
    if (g->n_configs == g->cap_configs) {
        g->cap_configs = g->cap_configs == 0 ? 4 : 2 * g->cap_configs;
        g->configs = mem_realloc(g->configs, g->cap_configs * sizeof(struct raft_entry *));
    }
    g->configs[g->n_configs++] = e;
    return WAL_OK;
}

static int take_entry(struct wal_group_state *g, const struct wal_record *r, uint64_t segment)
{
    struct raft_pos pos = {.term = r->term, .index = r->index};

    see_term(g, r->term);
    if (r->index == 0) {
        return WAL_OK; /* no writer of ours makes such a thing */
    }
    if (r->index > g->last.index + 1 ||
        (knows_before(g, r->index) && wal_group_term_at(g, r->index - 1) != r->prev_term)) {
        wal_group_detach(g, (struct raft_pos){.term = r->prev_term, .index = r->index - 1});
    }
    wal_group_append(g, pos, segment, r->offset);
    return r->detail == RAFT_ENTRY_CONFIG ? keep_config(g, r) : WAL_OK;
}

static void take_compact(struct wal_group_state *g, const struct wal_record *r,
                         const struct raft_members *members)
{
    struct raft_pos pos = {.term = r->term, .index = r->index};

    see_term(g, r->term);
    if (pos.index > g->last.index) {
        /* Entries were lost, but the snapshot has what they did. */
        wal_group_install(g, pos, members);
        return;
    }
    if (pos.index >= g->snapshot.index) {
        g->snapshot = pos;
        g->members = *members;
        wal_group_trim(g, r->keep_from);
    }
}

/* The state of @g as the writer of a segment knew it. @oldest: nothing came before it. */
static void take_baseline(struct wal_group_state *g, const struct wal_record *r,
                          const struct raft_members *members, bool oldest)
{
    struct raft_pos snapshot = {.term = r->term, .index = r->index};
    struct raft_pos last = {.term = r->last_term, .index = r->last_index};

    take_hard(g, r);
    see_term(g, MAX_OF(snapshot.term, last.term));
    g->in_question = false;
    g->damaged = (r->detail & WAL_BASELINE_DAMAGED) != 0;
    if (oldest) {
        wal_group_install(g, snapshot, members);
        g->last = last;
        g->first = last.index + 1;
        return;
    }
    if (!pos_equal(g->last, last)) {
        if (g->kept != NULL && pos_equal(g->kept->last, last)) {
            wal_group_reattach(g); /* so decided an earlier recovery */
        } else if (pos_equal(snapshot, last)) {
            wal_group_install(g, snapshot, members);
        } else {
            wal_group_detach(g, last);
        }
    }
    g->snapshot = snapshot;
    g->members = *members;
    wal_group_trim(g, r->keep_from);
}

/* The reader has checked count and length. A group without a snapshot has an empty list. */
static void get_members(const struct wal_record *r, struct raft_members *out)
{
    _Static_assert(WAL_FORMAT_MEMBERS_MAX == RAFT_MEMBERS_MAX, "what the reader lets through fits");

    memset(out, 0, sizeof *out);
    while (out->n < RAFT_MEMBERS_MAX &&
           wal_format_member(r->data, r->data_bytes, out->n, &out->m[out->n].id,
                             &out->m[out->n].flags)) {
        out->n++;
    }
}

static int take_record(struct replay *x, const struct wal_record *r, uint64_t segment)
{
    struct raft_members members;
    struct raft_pos last = {.term = r->last_term, .index = r->last_index};
    size_t before = x->w->n_groups;
    struct wal_group_state *g = wal_get_group(x->w, r->group);

    if (x->w->n_groups > before && x->losses > 0) {
        g->in_question = true;
    }
    switch ((enum wal_record_type)r->type) {
    case WAL_RECORD_ENTRY:
        return take_entry(g, r, segment);
    case WAL_RECORD_HARD:
        take_hard(g, r);
        break;
    case WAL_RECORD_INSTALL:
        see_term(g, r->term);
        get_members(r, &members);
        wal_group_install(g, (struct raft_pos){.term = r->term, .index = r->index}, &members);
        break;
    case WAL_RECORD_COMPACT:
        get_members(r, &members);
        take_compact(g, r, &members);
        break;
    case WAL_RECORD_BASELINE:
        get_members(r, &members);
        take_baseline(g, r, &members, x->oldest);
        break;
    case WAL_RECORD_REPAIRED:
        if (pos_equal(last, g->last)) {
            g->damaged = false;
        }
        break;
    }
    return WAL_OK;
}

/* ---- segments ---------------------------------------------------------------------------- */

/* What the records of a segment say; x->buffer has it. */
static int replay_records(struct replay *x, struct found_segment *fs, struct wal_reader *r,
                          bool last)
{
    struct wal_record rec;

    for (;;) {
        enum wal_read got = wal_reader_next(r, &rec);
        int rc;

        if (got == WAL_READ_END) {
            fs->used = r->at;
            return WAL_OK;
        }
        if (got == WAL_READ_RECORD) {
            x->records++;
            x->bytes += WAL_RECORD_PADDED(rec.bytes);
            rc = take_record(x, &rec, fs->number);
            if (rc != WAL_OK) {
                return rc;
            }
            continue;
        }
        if (!fs->damaged && wal_reader_judge(r, last) == WAL_TORN) {
            fs->used = r->at;
            fs->content_end = wal_reader_content_end(r);
            x->torn = true;
            return WAL_OK;
        }
        fs->damaged = true;
        note_loss(x, fs->number, r->at, r->why);
        if (!wal_reader_resync(r)) {
            fs->used = r->at;
            return WAL_OK;
        }
    }
}

static int replay_segment(struct replay *x, struct found *f, size_t i)
{
    struct found_segment *fs = &f->segs[i];
    const struct found_segment *next = i + 1 < f->n ? &f->segs[i + 1] : NULL;
    struct wal_reader r;
    int rc;

    if (i > 0 && fs->number != f->segs[i - 1].number + 1) {
        note_loss(x, f->segs[i - 1].number + 1, 0, "the segment is missing");
    }
    if (!fs->good) {
        fs->damaged = true;
        note_loss(x, fs->number, 0, "the segment's header is unreadable");
        return WAL_OK;
    }
    rc = wal_load_segment(x->w, fs, &x->buffer);
    if (rc != WAL_OK) {
        return rc;
    }
    if (wal_reader_open(&r, x->buffer.p, x->buffer.n) != WAL_FORMAT_OK) {
        fs->damaged = true; /* it was readable a moment ago */
        note_loss(x, fs->number, 0, "the segment's header is unreadable");
        return WAL_OK;
    }
    fs->seed = r.seed;
    if (next != NULL && next->good && next->number == fs->number + 1 &&
        (fs->header.flags & WAL_SEGMENT_SALVAGED) == 0) {
        wal_reader_known_end(&r, next->header.prev_end);
    }
    rc = replay_records(x, fs, &r, next == NULL);
    x->oldest = false;
    return rc;
}

/* ---- the outcome ------------------------------------------------------------------------- */

/* Whether the log is not the one that led to the snapshot: it has another entry in the snapshot's
 * place, or goes on behind it with an older term. */
static bool contradicts_snapshot(const struct wal_group_state *g)
{
    uint64_t behind = wal_group_term_at(g, g->snapshot.index + 1);

    for (size_t i = g->n_runs; i-- > 0;) {
        if (g->runs[i].first <= g->snapshot.index && g->first <= g->snapshot.index) {
            return g->runs[i].term != g->snapshot.term;
        }
    }
    return behind != 0 && behind < g->snapshot.term;
}

/* Whether entries that are needed are missing between the snapshot and the log. */
static bool misses_entries(const struct wal_group_state *g)
{
    return g->last.index > g->snapshot.index &&
           (g->first > g->snapshot.index + 1 || contradicts_snapshot(g));
}

/* Make one consistent state of what was read. */
static void settle(struct wal_group_state *g)
{
    bool lost = g->in_question;

    if (misses_entries(g) && g->kept != NULL) {
        lost = true;
        wal_group_reattach(g);
    }
    if (misses_entries(g) || g->last.index < g->snapshot.index) {
        lost = lost || g->last.index > g->snapshot.index;
        wal_group_install(g, g->snapshot, &g->members);
    }
    wal_group_free(g->kept);
    g->kept = NULL;
    g->damaged = g->damaged || lost;
    see_term(g, g->last.term);
    if (g->term_seen > g->hard.term) {
        /* The hard state of that term was lost, vote and all; but terms never go back. */
        g->hard.term = g->term_seen;
        g->hard.vote = RAFT_NONE;
    }
    g->hard.commit = MIN_OF(MAX_OF(g->hard.commit, g->snapshot.index), g->last.index);
}

static void report_group(struct wal_group_state *g, struct wal_group *out)
{
    struct raft_restore *r = &out->restore;
    struct raft_term_run *runs = mem_alloc((g->n_runs + 1) * sizeof *runs);
    struct raft_entry **configs = mem_alloc((g->n_configs + 1) * sizeof(struct raft_entry *));

    memset(out, 0, sizeof *out);
    out->group = g->group;
    out->damaged = g->damaged;
    r->hard = g->hard;
    r->snapshot = g->snapshot;
    r->snapshot_members = g->members;
    r->last = g->last;
    r->tail_suspect = g->damaged;
    for (size_t i = 0; i < g->n_runs; i++) {
        /* Runs that end before the snapshot are of entries kept for slow followers. */
        if (i + 1 == g->n_runs || g->runs[i + 1].first > g->snapshot.index + 1) {
            runs[r->n_runs] = g->runs[i];
            runs[r->n_runs].first = MAX_OF(g->runs[i].first, g->snapshot.index + 1);
            r->n_runs++;
        }
    }
    if (g->last.index <= g->snapshot.index) {
        r->n_runs = 0;
    }
    for (size_t i = 0; i < g->n_configs; i++) {
        if (g->configs[i]->pos.index > g->snapshot.index) {
            configs[r->n_configs++] = g->configs[i];
        } else {
            raft_entry_unref(g->configs[i]);
        }
    }
    g->n_configs = 0;
    r->runs = runs;
    r->configs = configs;
}

static void report(const struct replay *x, const struct found *f, struct wal_recovery *rec)
{
    struct wal *w = x->w;

    rec->groups = mem_alloc((w->n_groups + 1) * sizeof *rec->groups);
    rec->n_groups = w->n_groups;
    for (size_t i = 0; i < w->n_groups; i++) {
        report_group(w->groups[i], &rec->groups[i]);
    }
    rec->records = x->records;
    rec->bytes = x->bytes;
    rec->segments = f->n;
    rec->torn_tail = x->torn;
}

void wal_recovery_release(struct wal_recovery *rec)
{
    for (size_t i = 0; i < rec->n_groups; i++) {
        struct raft_restore *r = &rec->groups[i].restore;

        for (size_t k = 0; k < r->n_configs; k++) {
            raft_entry_unref(r->configs[k]);
        }
        free((void *)(uintptr_t)r->runs);
        free((void *)(uintptr_t)r->configs);
    }
    free(rec->groups);
    memset(rec, 0, sizeof *rec);
}

/* Go on behind what was read: fill the table of segments, clean the tail, sync. */
static int resume(struct wal *w, const struct found *f)
{
    const struct found_segment *last = &f->segs[f->n - 1];
    int rc;

    for (size_t i = 0; i < f->n; i++) {
        const struct found_segment *fs = &f->segs[i];
        struct wal_segment s = {.number = fs->number,
                                .used = fs->used,
                                .file_bytes = fs->file_bytes,
                                .records_at = fs->header.records_end,
                                .seed = fs->seed,
                                .flags = fs->header.flags,
                                .fd = -1};

        wal_segment_push(w, &s);
    }
    rc = wal_segment_open(w, wal_current(w));
    if (rc != WAL_OK) {
        return rc;
    }
    w->zeroed = last->used;
    w->garbage_end = last->content_end;
    rc = wal_clean_garbage(w);
    if (rc == WAL_OK) {
        rc = wal_file_sync(w, wal_current(w)->fd);
    }
    w->durable = last->used;
    return rc;
}

static void forget(struct wal *w)
{
    for (size_t i = 0; i < w->n_groups; i++) {
        wal_group_free(w->groups[i]);
    }
    for (size_t i = 0; i < w->n_segs; i++) {
        wal_segment_drop_fd(&w->segs[i]);
    }
    w->n_groups = 0;
    w->n_segs = 0;
    w->n_open = 0;
}

/* Both passes over what is on disk; then, if nothing is damaged, make it writable. */
static int read_log(struct wal *w, struct replay *x, struct found *f, struct wal_recovery *rec)
{
    int rc = list_segments(w, f);

    if (rc == WAL_OK) {
        rc = check_headers(w, f);
    }
    for (size_t i = 0; rc == WAL_OK && i < f->n; i++) {
        rc = replay_segment(x, f, i);
    }
    if (rc != WAL_OK) {
        return rc;
    }
    for (size_t i = 0; i < w->n_groups; i++) {
        settle(w->groups[i]);
    }
    wal_remove_temps(w);
    if (x->losses > 0) {
        return WAL_OK;
    }
    report(x, f, rec);
    return f->n > 0 ? resume(w, f) : wal_segment_create(w, 1, 0, w->segment_bytes, 0);
}

int wal_recover(struct wal *w, struct wal_recovery *rec)
{
    struct replay x = {.w = w, .oldest = true};
    struct found f = {0};
    int rc = read_log(w, &x, &f, rec);

    if (rc == WAL_OK && x.losses > 0) {
        struct replay again = {.w = w, .oldest = true};

        rc = wal_repair(w, &f, &x.buffer);
        if (rc == WAL_OK) {
            free(f.segs);
            memset(&f, 0, sizeof f);
            forget(w);
            rc = read_log(w, &again, &f, rec);
        }
        if (rc == WAL_OK && again.losses > 0) {
            log_warning("log: %s is still damaged after its repair", w->dir);
            rc = WAL_ERR_DAMAGED;
        }
        free(again.buffer.p);
        memcpy(rec->damage, x.damage, sizeof rec->damage);
        rec->lost_records = true;
        rec->torn_tail = x.torn;
    }
    free(x.buffer.p);
    free(f.segs);
    return rc;
}
