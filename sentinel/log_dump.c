/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/log_dump.c - holdfastctl log dump: the records of a log, one line each. */
#include "proto/effect.h"
#include "proto/system.pb-c.h"
#include "sentinel/ctl.h"
#include "sentinel/log_files.h"
#include "sentinel/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct dump {
    const char *group_word;
    uint64_t group, from, to;
    bool effects, range;
    bool damaged;
    struct effect_reader reader;
    struct buf line;
};

static void flush_line(struct dump *d)
{
    fwrite(buf_head(&d->line), 1, d->line.len, stdout);
    buf_clear(&d->line);
}

static void on_segment(void *arg, const struct log_segment *s, const struct wal_segment_header *h,
                       uint64_t file_bytes)
{
    time_t created = (time_t)(h->created_ms / 1000);
    char when[32] = "?";
    struct tm tm;

    (void)arg;
    if (gmtime_r(&created, &tm) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    printf("# %s: node %" PRIu64 " of cluster %s, created %s, %" PRIu64 " bytes%s\n", s->name,
           h->node, h->cluster_id, when, file_bytes,
           (h->flags & WAL_SEGMENT_SALVAGED) != 0 ? ", salvaged from a damaged segment" : "");
}

static void add_members(struct dump *d, const struct wal_record *r)
{
    uint64_t id;
    uint8_t flags;

    buf_printf(&d->line, " members");
    for (uint32_t i = 0; wal_format_member(r->data, r->data_bytes, i, &id, &flags); i++) {
        buf_printf(&d->line, "%s%" PRIu64 ":%u", i == 0 ? " " : ",", id, flags);
    }
}

static void add_command(struct dump *d, uint32_t db, const struct arg *argv, size_t argc)
{
    buf_printf(&d->line, "    [%" PRIu32 "]", db);
    for (size_t i = 0; i < argc; i++) {
        buf_append(&d->line, " ", 1);
        text_quote(&d->line, argv[i].p, argv[i].n);
    }
    buf_append(&d->line, "\n", 1);
}

static void add_effects(struct dump *d, const struct wal_record *r)
{
    static const struct arg multi = {"MULTI", 5}, exec = {"EXEC", 4};
    int got = effect_reader_init(&d->reader, r->data, r->data_bytes);

    while (got >= 0 && (got = effect_next(&d->reader)) == 1) {
        if (d->reader.flags & EFFECT_UNIT_BEGIN) {
            add_command(d, d->reader.db, &multi, 1);
        }
        add_command(d, d->reader.db, d->reader.argv, d->reader.argc);
        if (d->reader.flags & EFFECT_UNIT_END) {
            add_command(d, d->reader.db, &exec, 1);
        }
        flush_line(d);
    }
    if (got < 0) {
        buf_printf(&d->line, "    (not a batch of effects)\n");
        d->damaged = true;
    }
}

/* An entry of the system group. */
static void add_system_command(struct dump *d, const struct wal_record *r)
{
    Sys__Command *c = sys__command__unpack(NULL, r->data_bytes, r->data);

    if (c == NULL) {
        buf_printf(&d->line, "    (not a command of the system group)\n");
        d->damaged = true;
        return;
    }
    buf_printf(&d->line, "    system command %" PRIu32 ", group %" PRIu32 ", number %" PRIu64,
               c->type, c->group, c->number);
    if (c->node != NULL) {
        buf_printf(&d->line, ", node %" PRIu64 " ", c->node->number);
        text_quote(&d->line, c->node->id, strlen(c->node->id));
        if (c->node->client != NULL) {
            buf_append(&d->line, " ", 1);
            text_quote(&d->line, c->node->client->host, strlen(c->node->client->host));
            buf_printf(&d->line, " port %" PRIu32, c->node->client->port);
        }
    }
    buf_append(&d->line, "\n", 1);
    sys__command__free_unpacked(c, NULL);
}

static void add_fields(struct dump *d, const struct wal_record *r)
{
    struct buf *b = &d->line;

    switch ((enum wal_record_type)r->type) {
    case WAL_RECORD_ENTRY:
        buf_printf(b, "term %" PRIu64 " index %" PRIu64 " %s %" PRIu32 " bytes", r->term, r->index,
                   wal_entry_type_name(r->detail), r->data_bytes);
        if (r->detail == WAL_ENTRY_CONFIG) {
            add_members(d, r);
        }
        break;
    case WAL_RECORD_HARD:
        buf_printf(b, "term %" PRIu64 " vote %" PRIu64 " commit %" PRIu64, r->hard_term, r->vote,
                   r->commit);
        break;
    case WAL_RECORD_INSTALL:
        buf_printf(b, "snapshot term %" PRIu64 " index %" PRIu64, r->term, r->index);
        add_members(d, r);
        break;
    case WAL_RECORD_COMPACT:
        buf_printf(b, "snapshot term %" PRIu64 " index %" PRIu64 " keep-from %" PRIu64, r->term,
                   r->index, r->keep_from);
        add_members(d, r);
        break;
    case WAL_RECORD_BASELINE:
        buf_printf(b,
                   "term %" PRIu64 " vote %" PRIu64 " commit %" PRIu64 " snapshot term %" PRIu64
                   " index %" PRIu64 " keep-from %" PRIu64 " last term %" PRIu64 " index %" PRIu64
                   "%s",
                   r->hard_term, r->vote, r->commit, r->term, r->index, r->keep_from, r->last_term,
                   r->last_index, (r->detail & WAL_BASELINE_DAMAGED) != 0 ? " damaged" : "");
        add_members(d, r);
        break;
    case WAL_RECORD_REPAIRED:
        buf_printf(b, "last term %" PRIu64 " index %" PRIu64, r->last_term, r->last_index);
        break;
    }
}

static bool wanted(const struct dump *d, const struct wal_record *r)
{
    if (d->group_word != NULL && r->group != d->group) {
        return false;
    }
    return !d->range || (r->type == WAL_RECORD_ENTRY && r->index >= d->from && r->index <= d->to);
}

static bool on_record(void *arg, const struct log_segment *s, const struct wal_record *r)
{
    struct dump *d = arg;

    if (!wanted(d, r)) {
        return true;
    }
    buf_printf(&d->line, "%.16s %9" PRIu64 " group %" PRIu32 " %-10s size %-6" PRIu32 " ", s->name,
               r->offset, r->group, wal_record_type_name(r->type), r->bytes);
    add_fields(d, r);
    buf_append(&d->line, "\n", 1);
    if (d->effects && r->type == WAL_RECORD_ENTRY && r->detail == WAL_ENTRY_DATA) {
        if (r->group == 0) {
            add_system_command(d, r);
        } else {
            add_effects(d, r);
        }
    }
    flush_line(d);
    return ferror(stdout) == 0;
}

static void on_damage(void *arg, const struct log_segment *s, uint64_t offset, const char *why,
                      enum wal_damage kind)
{
    struct dump *d = arg;

    d->damaged = d->damaged || kind == WAL_DAMAGED;
    printf("# %s, offset %" PRIu64 ": %s: %s\n", s->name, offset,
           kind == WAL_DAMAGED ? "DAMAGED" : "unfinished write, the end of the log", why);
}

int ctl_log_dump(int argc, char **argv)
{
    struct dump d = {.to = UINT64_MAX};
    const char *from = NULL, *to = NULL;
    const struct ctl_option options[] = {
        {"--group", .text = &d.group_word},
        {"--from", .text = &from},
        {"--to", .text = &to},
        {"--effects", .flag = &d.effects},
        {NULL},
    };
    struct log_files files;
    struct log_visitor visitor = {.arg = &d,
                                  .what = "reading the log",
                                  .segment = on_segment,
                                  .record = on_record,
                                  .damage = on_damage};
    int n, rc;

    if (!ctl_options(argc, argv, options, &n) ||
        !ctl_option_number("--group", d.group_word, &d.group) ||
        !ctl_option_number("--from", from, &d.from) || !ctl_option_number("--to", to, &d.to)) {
        return CTL_FAILED;
    }
    if (n != 1) {
        ctl_complain("log dump: which data directory?");
        return CTL_FAILED;
    }
    d.range = from != NULL || to != NULL;
    if (log_files_list(argv[0], &files) != LOG_OK) {
        return CTL_FAILED;
    }
    buf_init(&d.line);
    rc = log_walk(&files, &visitor);
    if (rc == LOG_GONE) {
        ctl_complain("log dump: the node has just removed old segments; try again");
    }
    if (fflush(stdout) != 0) {
        ctl_complain("log dump: cannot write");
        rc = LOG_FAILED;
    }
    buf_release(&d.line);
    effect_reader_release(&d.reader);
    log_files_release(&files);
    return rc != LOG_OK ? CTL_FAILED : d.damaged ? CTL_PROBLEM : CTL_OK;
}
