/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_memory.c - MEMORY but for USAGE (object.c): what memory is used for. Source: the
 * Redis command pages. */
#include "node/command/handlers.h"
#include "node/evict.h"
#include "node/info_memory.h"

#include <stdio.h>

static void named_int(struct resp_out *o, const char *name, uint64_t v)
{
    resp_bulk_str(o, name);
    resp_int(o, (int64_t)v);
}

static void named_double(struct resp_out *o, const char *name, double v)
{
    resp_bulk_str(o, name);
    resp_double(o, v);
}

/* "NAME.ratio" and "NAME.bytes" of two figures. */
static void named_pair(struct resp_out *o, const char *name, uint64_t more, uint64_t less)
{
    char text[64];

    snprintf(text, sizeof text, "%s.ratio", name);
    named_double(o, text, memory_ratio(more, less));
    snprintf(text, sizeof text, "%s.bytes", name);
    named_int(o, text, more - less);
}

/* ---- STATS ---------------------------------------------------------------------------------- */

/* Of a database, in all groups that are here. Times to live stand in the items, and slots need no
 * table of their own. Returns the number of entries. */
static size_t reply_database(struct cmd *c, uint32_t db)
{
    uint64_t tables = 0, keys = 0;
    char name[32];

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < c->node->n_groups; i++) {
        const struct group *g = c->node->groups[i];

        if (g != NULL && g->ks != NULL && db < keyspace_databases(g->ks)) {
            tables += keyspace_table_bytes(g->ks, db);
            keys += keyspace_size(g->ks, db);
        }
    }
    if (keys == 0) {
        return 0;
    }
    snprintf(name, sizeof name, "db.%u", db);
    resp_bulk_str(c->reply, name);
    resp_map(c->reply, 3);
    named_int(c->reply, "overhead.hashtable.main", tables);
    named_int(c->reply, "overhead.hashtable.expires", 0);
    named_int(c->reply, "overhead.hashtable.slot-to-keys", 0);
    return 1;
}

static size_t reply_databases(struct cmd *c)
{
    const struct group *home = groups_home(c->node);
    size_t n = 0;

    for (uint32_t db = 0; home != NULL && home->ks != NULL && db < keyspace_databases(home->ks);
         db++) {
        n += reply_database(c, db);
    }
    return n;
}

void cmd_memory_stats(struct cmd *c)
{
    struct resp_out *o = c->reply;
    struct memory_parts m;
    uint64_t used, beyond_start;
    size_t at = resp_deferred_begin(o);
    size_t n;

    memory_parts(c->node, &m);
    used = m.process.allocated;
    beyond_start = used - MIN_OF(m.startup, used);
    named_int(o, "peak.allocated", m.peak);
    named_int(o, "total.allocated", used);
    named_int(o, "startup.allocated", m.startup);
    named_int(o, "replication.backlog", m.entries);
    named_int(o, "clients.slaves", 0);
    named_int(o, "clients.normal", m.clients);
    named_int(o, "cluster.links", 0);
    named_int(o, "aof.buffer", m.batches);
    named_int(o, "lua.caches", m.scripts);
    named_int(o, "functions.caches", m.functions);
    n = 10 + reply_databases(c);
    named_int(o, "overhead.total", m.overhead);
    named_int(o, "keys.count", m.keys);
    named_int(o, "keys.bytes-per-key", m.keys == 0 ? 0 : beyond_start / m.keys);
    named_int(o, "dataset.bytes", m.dataset);
    named_double(o, "dataset.percentage", memory_percent(m.dataset, beyond_start));
    named_double(o, "peak.percentage", memory_percent(used, m.peak));
    named_int(o, "allocator.allocated", m.process.allocated);
    named_int(o, "allocator.active", m.process.active);
    named_int(o, "allocator.resident", m.process.mapped_resident);
    named_pair(o, "allocator-fragmentation", m.process.active, m.process.allocated);
    named_pair(o, "allocator-rss", m.process.mapped_resident, m.process.active);
    named_pair(o, "rss-overhead", m.process.rss, m.process.mapped_resident);
    named_double(o, "fragmentation", memory_ratio(m.process.rss, used));
    named_int(o, "fragmentation.bytes", m.process.rss - used);
    resp_deferred_map(o, at, n + 17);
}

/* ---- DOCTOR --------------------------------------------------------------------------------- */

#define DOCTOR_BYTES_MIN ((uint64_t)5 << 20) /* with less, ratios say nothing */
#define CLIENT_BYTES_MANY ((uint64_t)200 << 10)

static unsigned finding(struct buf *out, bool is_so, const char *text)
{
    if (is_so) {
        buf_printf(out, " * %s\n", text);
    }
    return is_so;
}

void cmd_memory_doctor(struct cmd *c)
{
    struct node *n = c->node;
    struct memory_parts m;
    uint64_t used, limit = (uint64_t)n->config.maxmemory;
    unsigned found = 0;
    struct buf out;

    memory_parts(n, &m);
    used = m.process.allocated;
    buf_init(&out);
    if (used < DOCTOR_BYTES_MIN || m.dataset < DOCTOR_BYTES_MIN) {
        buf_printf(&out, "There is too little data to say anything about its memory.\n");
        resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
        buf_release(&out);
        return;
    }
    found += finding(&out, memory_ratio(m.peak, used) > 1.5,
                     "At its peak this node used more than 1.5 times as much memory as now. The "
                     "allocator may still hold some of it: MEMORY PURGE gives it back.");
    found += finding(&out, memory_ratio(m.process.rss, used) > 1.4,
                     "The process takes more than 1.4 times the memory that it uses. What was "
                     "freed lately is given back in the background within seconds; what stays is "
                     "fragmentation.");
    found += finding(&out, memory_ratio(m.process.active, m.process.allocated) > 1.1,
                     "Pages are partly empty by more than a tenth (fragmentation within the "
                     "allocator), as after values of many sizes were replaced or deleted: "
                     "activedefrag moves together what is left.");
    found += finding(&out, n->clients.n > 0 && m.clients / n->clients.n > CLIENT_BYTES_MANY,
                     "Clients hold more than 200 KiB each, on average: CLIENT LIST shows them by "
                     "tot-mem, maxmemory-clients bounds them.");
    found += finding(&out, limit > 0 && evict_used(n) > limit - limit / 10,
                     "Memory is within a tenth of maxmemory, or above it.");
    if (found == 0) {
        buf_printf(&out, "Nothing unusual about the memory of this node.\n");
    }
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
}

/* ---- the allocator -------------------------------------------------------------------------- */

static void purge(void *arg, const atomic_bool *cancel)
{
    (void)arg;
    (void)cancel;
    (void)memory_purge(); /* an allocator that cannot has nothing to give */
}

/* In the background: with much to give back it takes hundreds of milliseconds. */
void cmd_memory_purge(struct cmd *c)
{
    worker_submit(c->node->bg, purge, NULL);
    cmd_reply_ok(c);
}

static void append_text(void *arg, const char *text)
{
    struct buf *out = arg;

    buf_append(out, text, strlen(text));
}

void cmd_memory_malloc_stats(struct cmd *c)
{
    struct buf out;

    buf_init(&out);
    if (!memory_report(append_text, &out) || out.len == 0) {
        buf_printf(&out, "Stats not supported for the current allocator");
    }
    resp_verbatim(c->reply, "txt", buf_head(&out), out.len);
    buf_release(&out);
}

void cmd_memory_help(struct cmd *c)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What is unusual about the memory in use.",
        "MALLOC-STATS",
        "    The allocator's own report.",
        "PURGE",
        "    Give unused pages back to the system, in the background.",
        "STATS",
        "    What memory is used for.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value. Nested values are",
        "    sampled up to <count> times (default: 5, 0 means sample all).",
        NULL,
    };

    cmd_reply_help(c, lines);
}
