/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_debug.c - DEBUG: what tests and bug hunts ask of a node. Off unless
 * enable-debug-command says otherwise. It concerns this node's replica alone: DIGEST on a follower
 * is the digest of the follower. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "node/access.h"
#include "node/command/debug.h"
#include "node/command/handlers.h"
#include "node/effects.h"
#include "node/exec.h"
#include "node/gate.h"
#include "node/memory.h"
#include "node/node.h"
#include "node/node_limits.h"
#include "node/route.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST_BYTES 20

static bool is_allowed(const struct cmd *c)
{
    const char *ip = c->client->ip;

    switch ((enum debug_command)c->node->config.enable_debug_command) {
    case DEBUG_COMMAND_YES:
        return true;
    case DEBUG_COMMAND_LOCAL:
        return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
    case DEBUG_COMMAND_NO:
        break;
    }
    return false;
}

static bool is_loaded(const struct node *n)
{
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->groups[i] != NULL && n->groups[i]->state == GROUP_LOADING) {
            return false;
        }
    }
    return groups_home(n) != NULL;
}

/* All keys are here (maybe as a follower's), and @c is over all groups of this node, whoever leads
 * them; else replies. */
static bool has_data(struct cmd *c)
{
    struct node *n = c->node;

    if (!is_loaded(n)) {
        resp_error(c->reply, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    if (n->n_groups == NODE_FIRST_DATA_GROUP + 1) {
        return true;
    }
    if (c->in_exec) {
        resp_error(c->reply, "ERR not possible in a transaction, which is of other groups");
        return false;
    }
    span_clear(&n->span);
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (n->groups[i] != NULL) {
            span_add(&n->span, n->groups[i]);
        }
    }
    span_begin(&n->span, c);
    return true;
}

static void reply_digest(struct cmd *c, const unsigned char digest[DIGEST_BYTES])
{
    char hex[2 * DIGEST_BYTES + 1];

    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    resp_status(c->reply, hex);
}

/* ---- data -------------------------------------------------------------------------------------
 */

static void debug_digest(struct cmd *c)
{
    unsigned char sum[DIGEST_BYTES] = {0};

    if (!has_data(c)) {
        return;
    }
    for (size_t i = 0; groups_use(c, i); i++) {
        unsigned char digest[DIGEST_BYTES];

        access_all(c);
        keyspace_digest(c->ks, digest);
        for (size_t k = 0; k < DIGEST_BYTES; k++) {
            sum[k] ^= digest[k]; /* as within a keyspace: the groups have no keys in common */
        }
    }
    reply_digest(c, sum);
}

/* The command table knows of no keys of DEBUG, so its handlers look for the group. */
static const struct item *peek(struct cmd *c, const struct arg *name)
{
    struct key k;

    return groups_use_slot(c, cluster_slot(name->p, name->n)) ? access_peek(c, name, &k) : NULL;
}

static void debug_digest_value(struct cmd *c)
{
    if (!has_data(c)) {
        return;
    }
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        unsigned char digest[DIGEST_BYTES] = {0};
        const struct item *it = peek(c, &c->argv[i]);

        if (it != NULL) {
            keyspace_digest_value(c->ks, it, digest);
        }
        reply_digest(c, digest);
    }
}

const struct item *debug_peek(struct cmd *c, const struct arg *name)
{
    const struct item *it;

    if (!has_data(c)) {
        return NULL;
    }
    it = peek(c, name);
    if (it == NULL) {
        resp_error(c->reply, "ERR no such key");
    }
    return it;
}

static void debug_object(struct cmd *c)
{
    const struct item *it = debug_peek(c, &c->argv[2]);
    char text[256];

    if (it == NULL) {
        return;
    }
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s bytes:%zu lru:%u lru_seconds_idle:%lld",
             (const void *)it, item_encoding_name(it), keyspace_item_bytes(c->ks, it, 0),
             item_access(it), (long long)cmd_access_idle(c, item_access(it)));
    resp_status(c->reply, text);
}

static void debug_htstats(struct cmd *c)
{
    struct buf text;
    int64_t db;

    if (!has_data(c) || !cmd_arg_i64(c, 2, &db, NULL)) {
        return;
    }
    if (db < 0 || db >= (int64_t)keyspace_databases(c->ks)) {
        resp_error(c->reply, "ERR Out of range database");
        return;
    }
    buf_init(&text);
    for (size_t i = 0; groups_use(c, i); i++) {
        if (c->span != NULL) {
            buf_printf(&text, "Group %u\n", c->group->number);
        }
        keyspace_describe(c->ks, (uint32_t)db, &text);
    }
    resp_verbatim(c->reply, "txt", text.len > 0 ? buf_head(&text) : "", text.len);
    buf_release(&text);
}

/* ---- POPULATE -----------------------------------------------------------------------------------
 */

#define POPULATE_SLICE_US 4000
#define POPULATE_KEYS_PER_CLOCK 32
#define POPULATE_OVERHEAD 256 /* bytes of a key's effects beside names and value, at most */

/* Goes on in slices, like all long work, and through the log, like all writes. Of several groups
 * only those get their keys that this node leads. */
struct populate {
    uint64_t groups; /* bit per data group */
    uint32_t db;
    int64_t next, count, size; /* size < 0: as long as "value:N" */
    char *prefix;
};

static void populate_free(struct populate *p)
{
    free(p->prefix);
    free(p);
}

/* One key, unless it is there. False: no memory for the value. */
static bool populate_one(struct populate *p, struct cmd *c)
{
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof text, "value:%lld", (long long)p->next);
    size_t size = p->size < 0 ? len : (size_t)p->size;
    struct arg name;
    struct key k;
    char *value;
    struct buf b;

    value = mem_try_alloc(size + 1);
    if (value == NULL) {
        return false;
    }
    memset(value, 0, size + 1);
    memcpy(value, text, MIN_OF(len, size));
    buf_init(&b);
    buf_printf(&b, "%s:%lld", p->prefix, (long long)p->next);
    name = (struct arg){buf_head(&b), b.len};
    if (groups_use_slot(c, cluster_slot(name.p, name.n)) && access_write(c, &name, &k) == NULL) {
        access_set_string(c, &k, NULL, value, size, KEYSPACE_NO_EXPIRE);
        effect_set(c, &k, value, size, KEYSPACE_NO_EXPIRE);
    }
    buf_release(&b);
    free(value);
    p->next++;
    return true;
}

static bool has_group(const struct populate *p, uint32_t number)
{
    return (p->groups >> (number - NODE_FIRST_DATA_GROUP) & 1) != 0;
}

static bool is_congested(const struct populate *p, const struct node *n)
{
    bool congested = false;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        congested |= has_group(p, i) && group_is_congested(n->groups[i]);
    }
    return congested;
}

/* False: out of memory. */
static bool populate_slice(struct populate *p, struct cmd *c)
{
    int64_t until = clock_boot_us() + POPULATE_SLICE_US;
    bool ok = true;

    for (unsigned n = 1; ok && p->next < p->count; n++) {
        if (is_congested(p, c->node) ||
            (n % POPULATE_KEYS_PER_CLOCK == 0 && clock_boot_us() > until)) {
            break;
        }
        ok = populate_one(p, c);
    }
    groups_use_first(c);
    return ok;
}

static bool populate_lost(const struct populate *p, const struct node *n)
{
    bool lost = false;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        lost |= has_group(p, i) && n->groups[i]->state != GROUP_SERVING;
    }
    return lost;
}

static bool populate_parks(const struct populate *p, const struct node *n)
{
    bool parks = false;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        parks |= has_group(p, i) && n->groups[i]->parking > 0;
    }
    return parks;
}

static void populate_span(const struct populate *p, struct node *n, struct cmd *c)
{
    span_clear(&n->span);
    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        if (has_group(p, i)) {
            span_add(&n->span, n->groups[i]);
        }
    }
    span_begin(&n->span, c);
}

static bool populate_goes_on(struct client *client, bool timed_out, bool gone)
{
    struct populate *p = (struct populate *)(uintptr_t)client->block_arg[0];
    struct node *n = client->node;
    struct cmd cmd = {
        .node = n,
        .client = client,
        .command = client->last_command,
        .db = p->db,
        .slot = -1,
        .now_ms = n->now_wall_ms,
        .reply = &client->reply,
    };
    bool enough_memory;

    if (gone) {
        populate_free(p);
        return false;
    }
    if (populate_lost(p, n)) {
        resp_error(cmd.reply, "UNBLOCKED force unblock from blocking operation, instance state "
                              "changed (master -> replica?)");
        populate_free(p);
        return true;
    }
    if (!timed_out && populate_parks(p, n)) {
        return false; /* a snapshot or a transfer wants quiet for a moment */
    }
    populate_span(p, n, &cmd);
    enough_memory = populate_slice(p, &cmd);
    node_has_work(n); /* batches leave at the end of this turn */
    if (enough_memory && !timed_out && p->next < p->count) {
        return false;
    }
    if (enough_memory) {
        resp_status(cmd.reply, "OK");
    } else {
        resp_error(cmd.reply, "OOM no memory for a value of that size");
    }
    for (size_t i = 0; groups_use(&cmd, i); i++) {
        access_all(&cmd); /* the reply waits for the last key, also of an earlier slice */
        if (cmd.gate != 0) {
            client_note_write(client, cmd.group->number, cmd.gate);
        }
    }
    gate_reply(client, &cmd, ROUTE_ANY_SLOT);
    populate_free(p);
    return true;
}

static uint64_t groups_that_serve(const struct node *n)
{
    uint64_t groups = 0;

    for (uint32_t i = NODE_FIRST_DATA_GROUP; i < n->n_groups; i++) {
        const struct group *g = n->groups[i];

        if (g != NULL && g->state == GROUP_SERVING) {
            groups |= UINT64_C(1) << (i - NODE_FIRST_DATA_GROUP);
        }
    }
    return groups;
}

static void debug_populate(struct cmd *c)
{
    static const char positive[] = "ERR value is out of range, must be positive";
    struct populate *p;
    int64_t count, size = -1;
    uint64_t groups;

    if (!cmd_arg_range(c, 2, 0, INT64_MAX, &count, positive) ||
        (c->argc == 5 && !cmd_arg_range(c, 4, 0, cmd_string_max(c), &size, positive))) {
        return;
    }
    if (c->in_exec) {
        resp_error(c->reply, "ERR DEBUG POPULATE is not possible in a transaction");
        return;
    }
    /* DEL, of a key past its time, and SET. */
    if (c->argc >= 4 &&
        2 * c->argv[3].n + (size_t)MAX_OF(size, 0) + POPULATE_OVERHEAD > exec_bytes_max(c->node)) {
        resp_error(c->reply, "ERR prefix and value are too large for one log entry");
        return;
    }
    groups = groups_that_serve(c->node);
    if (groups == 0) {
        resp_error(c->reply, "READONLY You can't write against a read only replica.");
        return;
    }
    p = mem_zalloc(sizeof *p);
    p->groups = groups;
    p->db = c->db;
    p->count = count;
    p->size = size;
    if (c->argc >= 4) {
        p->prefix = mem_alloc(c->argv[3].n + 1);
        memcpy(p->prefix, c->argv[3].p, c->argv[3].n);
        p->prefix[c->argv[3].n] = '\0';
    } else {
        p->prefix = mem_strdup("key");
    }
    c->client->block_arg[0] = (uintptr_t)p;
    client_block(c->client, populate_goes_on, 0);
}

/* ---- replies of every kind --------------------------------------------------------------- */

static void protocol_push(struct resp_out *o)
{
    if (o->version < 3) {
        resp_error(o, "ERR RESP2 is not supported by this command");
        return;
    }
    resp_push(o, 2);
    resp_bulk_str(o, "server-cpu-usage");
    resp_int(o, 42);
    /* A push is no reply. */
    resp_bulk_str(o, "Some real reply following the push reply");
}

static void protocol_attribute(struct resp_out *o)
{
    if (o->version >= 3) {
        resp_attribute(o, 1);
        resp_bulk_str(o, "key-popularity");
        resp_array(o, 2);
        resp_bulk_str(o, "key:123");
        resp_int(o, 90);
    }
    resp_bulk_str(o, "Some real reply following the attribute");
}

static void protocol_map(struct resp_out *o)
{
    resp_map(o, 3);
    for (int i = 0; i < 3; i++) {
        resp_int(o, i);
        resp_bool(o, i == 1);
    }
}

static void protocol_numbers(struct resp_out *o, bool as_set)
{
    if (as_set) {
        resp_set(o, 3);
    } else {
        resp_array(o, 3);
    }
    for (int i = 0; i < 3; i++) {
        resp_int(o, i);
    }
}

static void debug_protocol(struct cmd *c)
{
    static const char big[] = "1234567999999999999999999999999999999";
    static const char verbatim[] = "This is a verbatim\nstring";
    const struct arg *a = &c->argv[2];
    struct resp_out *o = c->reply;

    if (arg_is(a, "string")) {
        resp_bulk_str(o, "Hello World");
    } else if (arg_is(a, "integer")) {
        resp_int(o, 12345);
    } else if (arg_is(a, "double")) {
        resp_double(o, 3.141);
    } else if (arg_is(a, "null")) {
        resp_null(o);
    } else if (arg_is(a, "array") || arg_is(a, "set")) {
        protocol_numbers(o, arg_is(a, "set"));
    } else if (arg_is(a, "map")) {
        protocol_map(o);
    } else if (arg_is(a, "attrib")) {
        protocol_attribute(o);
    } else if (arg_is(a, "push")) {
        protocol_push(o);
    } else if (arg_is(a, "bignum")) {
        resp_big_number(o, big, sizeof big - 1);
    } else if (arg_is(a, "verbatim")) {
        resp_verbatim(o, "txt", verbatim, sizeof verbatim - 1);
    } else if (arg_is(a, "true") || arg_is(a, "false")) {
        resp_bool(o, arg_is(a, "true"));
    } else {
        resp_error(o, "ERR Wrong protocol type name. Please use one of the following: "
                      "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|"
                      "false");
    }
}

/* ---- the process ------------------------------------------------------------------------- */

/* The exec thread sleeps: that is the point, Raft must live on. */
static void debug_sleep(struct cmd *c)
{
    struct timespec t;
    double seconds;

    if (!num_parse_double(c->argv[2].p, c->argv[2].n, &seconds) || seconds < 0 || seconds > 1e6) {
        resp_error(c->reply, "ERR value is not a valid float");
        return;
    }
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
    cmd_reply_ok(c);
}

static void debug_set_active_expire(struct cmd *c)
{
    int64_t on;

    if (cmd_arg_range(c, 2, 0, 1, &on, "ERR argument must be 0 or 1")) {
        c->node->config.active_expire = on == 1;
        cmd_reply_ok(c);
    }
}

static void debug_pause_cron(struct cmd *c)
{
    int64_t on;

    if (cmd_arg_range(c, 2, 0, 1, &on, "ERR argument must be 0 or 1")) {
        c->node->config.cron_paused = on == 1;
        cmd_reply_ok(c);
    }
}

/* Clients that maxmemory-clients may close, by what they take: less than 32 KiB, then twice as much
 * each, the last without an end. */
#define CLIENT_BUCKETS 19
#define CLIENT_BUCKET_FIRST ((size_t)1 << 15)

struct client_bucket {
    size_t bytes, clients;
};

static void sort_client(struct client_bucket buckets[CLIENT_BUCKETS], size_t bytes)
{
    size_t i = 0;

    while (i + 1 < CLIENT_BUCKETS && bytes >= CLIENT_BUCKET_FIRST << i) {
        i++;
    }
    buckets[i].bytes += bytes;
    buckets[i].clients++;
}

static void debug_client_eviction(struct cmd *c)
{
    struct client_bucket buckets[CLIENT_BUCKETS] = {0};
    struct link *all = &c->node->clients.all;
    struct buf text;

    if (c->node->config.maxmemory_clients == 0) {
        resp_error(c->reply, "ERR maxmemory-clients is disabled.");
        return;
    }
    for (struct link *l = all->next; l != all; l = l->next) {
        const struct client *client = CONTAINER_OF(l, struct client, all_link);

        if ((client->flags & (CLIENT_NO_EVICT | CLIENT_CLOSE_ASAP)) == 0) {
            sort_client(buckets, client->memory);
        }
    }
    buf_init(&text);
    for (size_t i = 0; i < CLIENT_BUCKETS; i++) {
        size_t from = i == 0 ? 0 : CLIENT_BUCKET_FIRST << (i - 1);
        char range[32];

        if (i + 1 < CLIENT_BUCKETS) {
            snprintf(range, sizeof range, "%10zu - %10zu", from, (CLIENT_BUCKET_FIRST << i) - 1);
        } else {
            snprintf(range, sizeof range, "%10zu+%12s", from, "");
        }
        buf_printf(&text, "bucket %s: tot-mem: %10zu, clients: %zu\n", range, buckets[i].bytes,
                   buckets[i].clients);
    }
    resp_verbatim(c->reply, "txt", buf_head(&text), text.len);
    buf_release(&text);
}

static void debug_mallctl(struct cmd *c)
{
    char name[128];
    int64_t old, set;

    if (c->argc == 4 && !cmd_arg_i64(c, 3, &set, NULL)) {
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)MIN_OF(c->argv[2].n, sizeof name), c->argv[2].p);
    if (memory_setting(name, &old, c->argc == 4 ? &set : NULL)) {
        resp_int(c->reply, old);
    } else {
        resp_errorf(c->reply, "ERR %s", strerror(errno));
    }
}

/* What Redis has for parts that do not exist here. */
static void debug_without_object(struct cmd *c)
{
    static const struct {
        const char *word, *why;
    } reasons[] = {
        {"CHANGE-REPL-ID", "the replication id is the cluster's, and the log is the history"},
        {"QUICKLIST-PACKED-THRESHOLD", "lists have no plain nodes"},
        {"REPLYBUFFER", "the output of a client has no fixed part"},
        {"STRINGMATCH-LEN", "patterns have their unit tests"},
        {"STRINGMATCH-TEST", "patterns have their unit tests"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (arg_is(&c->argv[1], reasons[i].word)) {
            resp_errorf(c->reply, "ERR DEBUG %s does not exist here: %s", reasons[i].word,
                        reasons[i].why);
            return;
        }
    }
    assert(!"a subcommand without a reason");
}

static void debug_log(struct cmd *c)
{
    log_warning("DEBUG LOG: %.*s", (int)MIN_OF(c->argv[2].n, 1024), c->argv[2].p);
    cmd_reply_ok(c);
}

static void debug_error(struct cmd *c)
{
    c->error = CMD_ERROR_MADE_UP;
    resp_errorf(c->reply, "%.*s", (int)MIN_OF(c->argv[2].n, 4096), c->argv[2].p);
}

NORETURN static void debug_segfault(struct cmd *c)
{
    (void)c;
    log_warning("DEBUG SEGFAULT: crashing as asked");
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}

NORETURN static void debug_panic(struct cmd *c)
{
    (void)c;
    log_warning("DEBUG PANIC: crashing as asked");
    abort();
}

static void debug_help(struct cmd *c)
{
    static const char *const lines[] = {
        "CLIENT-EVICTION",
        "    Clients that maxmemory-clients may close, by the memory they take.",
        "DIGEST",
        "    A digest of all keys and values of this node's replica.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    The same of single keys.",
        "ERROR <text>",
        "    Reply with this error.",
        "HTSTATS <db>",
        "    Describe the hash tables of a database.",
        "HTSTATS-KEY <key>",
        "    Describe the hash table of the value at <key>.",
        "LISTPACK <key>",
        "    Show the entries of a value that is one listpack.",
        "LOG <text>",
        "    Write a line to the log.",
        "MALLCTL <name> [<value>]",
        "    A number of jemalloc's, and what it is to become.",
        "OBJECT <key>",
        "    Describe how the value at <key> is kept.",
        "PANIC",
        "    Abort the process.",
        "PAUSE-CRON <0|1>",
        "    Whether the periodic work of this node stands still: timeouts, expiry, eviction, "
        "figures.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Set <count> keys named <prefix>:<n>, that are not there yet, replicated as usual; in",
        "    cluster mode those whose slots this node serves.",
        "PROTOCOL <type>",
        "    Reply with a value of the type: string, integer, double, bignum, null, array, set,",
        "    map, attrib, push, verbatim, true, false.",
        "QUICKLIST <key> [<0|1>]",
        "    Show the nodes of a list that has several; 1: with their entries.",
        "RELOAD [NOSAVE]",
        "    Throw the data away and read it back from snapshot and log; without NOSAVE new "
        "snapshots",
        "    are taken first.",
        "SDSLEN <key>",
        "    Lengths and allocations of a key and its string.",
        "SEGFAULT",
        "    Crash the process by a signal.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether keys whose time is up are deleted also when nobody asks for them.",
        "SLEEP <seconds>",
        "    Hold up the thread that executes commands.",
        NULL,
    };

    cmd_reply_help(c, lines);
}

void cmd_debug(struct cmd *c)
{
    static const struct {
        const char *word;
        int argc_min, argc_max; /* < 0: any */
        void (*fn)(struct cmd *c);
    } subcommands[] = {
        {"HELP", 2, 2, debug_help},
        {"SLEEP", 3, 3, debug_sleep},
        {"DIGEST", 2, 2, debug_digest},
        {"DIGEST-VALUE", 2, -1, debug_digest_value},
        {"OBJECT", 3, 3, debug_object},
        {"LISTPACK", 3, 3, debug_listpack},
        {"QUICKLIST", 3, 4, debug_quicklist},
        {"SDSLEN", 3, 3, debug_sdslen},
        {"HTSTATS", 3, 3, debug_htstats},
        {"HTSTATS-KEY", 3, 3, debug_htstats_key},
        {"POPULATE", 3, 5, debug_populate},
        {"PROTOCOL", 3, 3, debug_protocol},
        {"RELOAD", 2, -1, debug_reload},
        {"SET-ACTIVE-EXPIRE", 3, 3, debug_set_active_expire},
        {"PAUSE-CRON", 3, 3, debug_pause_cron},
        {"CLIENT-EVICTION", 2, 2, debug_client_eviction},
        {"MALLCTL", 3, 4, debug_mallctl},
        {"LOG", 3, 3, debug_log},
        {"ERROR", 3, 3, debug_error},
        {"SEGFAULT", 2, 2, debug_segfault},
        {"PANIC", 2, 2, debug_panic},
        {"CHANGE-REPL-ID", 2, -1, debug_without_object},
        {"QUICKLIST-PACKED-THRESHOLD", 2, -1, debug_without_object},
        {"REPLYBUFFER", 2, -1, debug_without_object},
        {"STRINGMATCH-LEN", 2, -1, debug_without_object},
        {"STRINGMATCH-TEST", 2, -1, debug_without_object},
    };

    if (!is_allowed(c)) {
        resp_error(c->reply,
                   "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                   "\"local\", you can run it from a local connection, otherwise you need to set "
                   "this option in the configuration file, and then restart the server.");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (arg_is(&c->argv[1], subcommands[i].word) && c->argc >= subcommands[i].argc_min &&
            (subcommands[i].argc_max < 0 || c->argc <= subcommands[i].argc_max)) {
            subcommands[i].fn(c);
            return;
        }
    }
    cmd_reply_subcommand_error(c);
}
