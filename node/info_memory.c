/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/info_memory.c - see node/info_memory.h. */
#include "node/info_memory.h"

#include "node/script/scripts.h"

static uint64_t tables_bytes(const struct node *n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];

        for (uint32_t db = 0; g != NULL && g->ks != NULL && db < keyspace_databases(g->ks); db++) {
            sum += keyspace_table_bytes(g->ks, db);
        }
    }
    return sum;
}

static uint64_t batch_bytes(const struct node *n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n->n_groups; i++) {
        sum += n->groups[i] == NULL ? 0 : n->groups[i]->batch.len;
    }
    return sum;
}

static uint64_t count_keys(const struct node *n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];

        for (uint32_t db = 0; g != NULL && g->ks != NULL && db < keyspace_databases(g->ks); db++) {
            sum += keyspace_size(g->ks, db);
        }
    }
    return sum;
}

void memory_parts(struct node *n, struct memory_parts *out)
{
    struct stats *s = &n->stats;
    struct scripts_usage scripts;
    uint64_t used;

    memory_usage(&out->process);
    used = out->process.allocated;
    s->peak_memory = MAX_OF(s->peak_memory, used);
    out->peak = s->peak_memory;
    out->startup = s->startup_memory;
    out->clients = n->clients.memory;
    out->batches = batch_bytes(n);
    out->entries = raft_host_cached_bytes(n->host);
    out->tables = tables_bytes(n);
    out->keys = count_keys(n);
    scripts_usage(n->scripts, &scripts);
    out->scripts = scripts.script_bytes;
    out->functions = scripts.functions_bytes;
    out->overhead = out->startup + out->tables + out->clients + out->entries + out->batches +
                    out->scripts + out->functions;
    out->overhead = MIN_OF(out->overhead, used);
    out->dataset = used - out->overhead;
}

double memory_percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0.0 : 100.0 * (double)part / (double)whole;
}

double memory_ratio(uint64_t more, uint64_t less)
{
    return less == 0 ? 1.0 : (double)more / (double)less;
}
