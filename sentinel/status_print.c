/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/status_print.c - the status as tables, and as JSON. */
#include "base/num.h"
#include "sentinel/columns.h"
#include "sentinel/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- nodes --------------------------------------------------------------------------------- */

/* Keys of all databases. */
static int64_t count_keys(const char *info)
{
    int64_t sum = 0;
    struct arg line;

    while (text_line(&info, &line)) {
        const char *colon = memchr(line.p, ':', line.n);

        if (colon != NULL && colon - line.p > 2 && memcmp(line.p, "db", 2) == 0) {
            struct arg pairs = {colon + 1, line.n - (size_t)(colon + 1 - line.p)};

            sum += pair_number(pairs, "keys", 0);
        }
    }
    return sum;
}

/* The data groups that a node has, and those that it leads. */
struct led {
    unsigned groups, n;
    unsigned led[STATUS_GROUPS_MAX];
};

static void find_led(const struct status_node *n, struct led *l)
{
    struct arg line, role;

    l->groups = l->n = 0;
    for (unsigned group = 1; group < STATUS_GROUPS_MAX; group++) {
        if (status_group(n, group, &line)) {
            l->groups++;
            if (pair_find(line, "role", &role) && arg_equals(role, "leader")) {
                l->led[l->n++] = group;
            }
        }
    }
}

#define LED_SHOWN 6

/* What the node is in the data group. With several: which of them it leads, "leads 1,3", or
 * "follower". */
static const char *role_of(const struct status_node *n, char *out, size_t cap)
{
    struct led l;
    struct arg line;
    size_t at = 0;

    out[0] = '\0';
    find_led(n, &l);
    if (l.groups == 1 || l.n == 0) {
        return status_group(n, 1, &line) ? pair_text(line, "role", out, cap) : out;
    }
    if (l.n > LED_SHOWN) {
        snprintf(out, cap, "leads %u groups", l.n);
        return out;
    }
    for (unsigned i = 0; i < l.n && at < cap; i++) {
        at += (size_t)snprintf(out + at, cap - at, "%s%u", i == 0 ? "leads " : ",", l.led[i]);
    }
    return out;
}

static void add_addr(struct columns *t, const struct status_node *n)
{
    bool v6 = strchr(n->addr.host, ':') != NULL;

    columns_add(t, "%s%s%s:%u", v6 ? "[" : "", n->addr.host, v6 ? "]" : "", n->addr.port);
}

static void add_number(struct columns *t, uint64_t number)
{
    if (number == 0) {
        columns_add(t, "?");
    } else {
        columns_add(t, "%" PRIu64, number);
    }
}

static void add_i64(struct columns *t, int64_t v)
{
    if (v < 0) {
        columns_add(t, "-");
    } else {
        columns_add(t, "%" PRId64, v);
    }
}

static void print_nodes(const struct status *s, struct buf *out)
{
    static const char *const titles[] = {"NODE",    "ID",     "ADDRESS", "STATE", "ZONE",   "ROLE",
                                         "VERSION", "UPTIME", "CLIENTS", "KEYS",  "MEMORY", NULL};
    struct columns t;
    char text[64];

    columns_init(&t, titles);
    for (size_t i = 0; i < s->n; i++) {
        const struct status_node *n = &s->nodes[i];
        const char *info = n->up ? n->info : "";

        add_number(&t, n->number);
        columns_add(&t, "%.8s", n->id);
        add_addr(&t, n);
        columns_add(&t, "%s", n->up ? "up" : "DOWN");
        columns_add(&t, "%s", info_text(info, "availability_zone", text, sizeof text));
        columns_add(&t, "%s", role_of(n, text, sizeof text));
        columns_add(&t, "%s", info_text(info, "holdfast_version", text, sizeof text));
        columns_add(&t, "%s", text_duration(text, info_number(info, "uptime_in_seconds", -1)));
        add_i64(&t, info_number(info, "connected_clients", -1));
        add_i64(&t, n->up ? count_keys(info) : -1);
        columns_add(&t, "%s", text_bytes(text, info_number(info, "used_memory", -1)));
    }
    columns_print(&t, 0, out);
    columns_release(&t);
}

/* ---- logs ---------------------------------------------------------------------------------- */

static void print_logs(const struct status *s, struct buf *out)
{
    static const char *const titles[] = {"NODE",    "LOG",  "SEGMENTS", "LAST SYNC", "TOOK",
                                         "SLOWEST", "SYNC", "DISK",     NULL};
    struct columns t;
    char text[64];

    columns_init(&t, titles);
    for (size_t i = 0; i < s->n; i++) {
        const struct status_node *n = &s->nodes[i];
        int64_t ago;

        if (!n->up) {
            continue;
        }
        ago = info_number(n->info, "log_last_sync_ms_ago", -1);
        add_number(&t, n->number);
        columns_add(&t, "%s", text_bytes(text, info_number(n->info, "log_bytes", -1)));
        add_i64(&t, info_number(n->info, "log_segments", -1));
        if (ago < 0) {
            columns_add(&t, "never");
        } else if (ago < 10000) {
            columns_add(&t, "%" PRId64 " ms ago", ago);
        } else {
            columns_add(&t, "%s ago", text_duration(text, ago / 1000));
        }
        columns_add(&t, "%.1f ms", (double)info_number(n->info, "log_sync_usec_last", 0) / 1000);
        columns_add(&t, "%.1f ms", (double)info_number(n->info, "log_sync_usec_max", 0) / 1000);
        columns_add(&t, "%s", info_text(n->info, "raft_appendfsync", text, sizeof text));
        columns_add(&t, "%s", info_number(n->info, "log_full", 0) != 0 ? "FULL" : "ok");
    }
    columns_print(&t, 0, out);
    columns_release(&t);
}

/* ---- groups -------------------------------------------------------------------------------- */

/* What the leader knows of node @number: entries it lacks; -1: the leader does not tell. */
static int64_t lag_of(const struct status_node *leader, unsigned group, uint64_t number)
{
    struct arg line;

    for (unsigned i = 0; leader != NULL && status_follower(leader, group, i, &line); i++) {
        if ((uint64_t)pair_number(line, "node", 0) == number) {
            return pair_number(line, "lag", -1);
        }
    }
    return -1;
}

static void add_replica(struct columns *t, const struct status_node *n, unsigned group,
                        struct arg line, const struct status_node *leader)
{
    int64_t index = pair_number(line, "snapshot_index", -1);
    char text[64], age[TEXT_FIGURE_MAX];

    add_number(t, n->number);
    columns_add(t, "%s", pair_text(line, "role", text, sizeof text));
    columns_add(t, "%s", pair_text(line, "state", text, sizeof text));
    add_i64(t, pair_number(line, "term", -1));
    add_i64(t, pair_number(line, "commit", -1));
    add_i64(t, pair_number(line, "applied", -1));
    if (n == leader) {
        columns_add(t, "-");
    } else {
        add_i64(t, lag_of(leader, group, n->number));
    }
    columns_add(t, "%s", text_bytes(text, pair_number(line, "log_bytes", -1)));
    text_bytes(text, pair_number(line, "snapshot_bytes", -1));
    text_duration(age, pair_number(line, "snapshot_age_s", -1));
    columns_add(t, "at %" PRId64 ", %s, %s old", index, text, age);
}

static void print_group(const struct status *s, unsigned group, struct buf *out)
{
    static const char *const titles[] = {"NODE",    "ROLE", "STATE", "TERM",     "COMMIT",
                                         "APPLIED", "LAG",  "LOG",   "SNAPSHOT", NULL};
    const struct status_node *leader = status_leader(s, group);
    struct columns t;
    struct arg line;

    columns_init(&t, titles);
    for (size_t i = 0; i < s->n; i++) {
        if (status_group(&s->nodes[i], group, &line)) {
            add_replica(&t, &s->nodes[i], group, line, leader);
        } else if (lag_of(leader, group, s->nodes[i].number) >= 0) {
            /* A member without a replica that answers: the leader knows how far it was. */
            add_number(&t, s->nodes[i].number);
            columns_add(&t, "?");
            columns_add(&t, "%s", s->nodes[i].up ? "OUTSIDE" : "DOWN");
            for (int k = 0; k < 3; k++) {
                columns_add(&t, "-");
            }
            add_i64(&t, lag_of(leader, group, s->nodes[i].number));
            columns_add(&t, "-");
            columns_add(&t, "-");
        }
    }
    if (t.n_cells > t.n) {
        buf_printf(out, "\nGroup %u (%s): ", group, group == 0 ? "system" : "data");
        if (leader == NULL || !status_group(leader, group, &line)) {
            buf_printf(out, "no leader\n");
        } else {
            buf_printf(out,
                       "leader node %" PRIu64 ", term %" PRId64 ", commit %" PRId64
                       ", lease %" PRId64 " ms left",
                       leader->number, pair_number(line, "term", 0), pair_number(line, "commit", 0),
                       pair_number(line, "lease_ms", 0));
            if (pair_number(line, "preferred", 0) > 0 &&
                pair_number(line, "preferred", 0) != (int64_t)leader->number) {
                buf_printf(out, "; node %" PRId64 " is preferred",
                           pair_number(line, "preferred", 0));
            }
            buf_printf(out, "\n");
        }
        columns_print(&t, 0, out);
    }
    columns_release(&t);
}

void status_print(const struct status *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        char id[64], mode[32];

        if (s->nodes[i].up && info_number(s->nodes[i].info, "raft_formed", 0) == 1) {
            info_text(s->nodes[i].info, "raft_cluster_id", id, sizeof id);
            info_text(s->nodes[i].info, "redis_mode", mode, sizeof mode);
            buf_printf(out, "Cluster %.8s, %zu node%s, %s mode\n\n", id, s->n, s->n == 1 ? "" : "s",
                       strcmp(mode, "cluster") == 0 ? "cluster" : "plain");
            break;
        }
    }
    print_nodes(s, out);
    for (unsigned group = 1; group < STATUS_GROUPS_MAX; group++) {
        print_group(s, group, out);
    }
    print_group(s, 0, out);
    buf_printf(out, "\n");
    print_logs(s, out);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_value(struct arg v, struct buf *out)
{
    int64_t number;

    /* Within what every reader of JSON keeps exact; a longer one may be an id. */
    if (v.n <= 15 && num_parse_i64(v.p, v.n, &number)) {
        buf_printf(out, "%" PRId64, number);
    } else {
        text_json(out, v.p, v.n);
    }
}

/* "a=1,b=2" as an object. */
static void json_pairs(struct arg v, struct buf *out)
{
    const char *separator = "{";

    while (v.n > 0) {
        const char *comma = memchr(v.p, ',', v.n);
        size_t n = comma == NULL ? v.n : (size_t)(comma - v.p);
        const char *equals = memchr(v.p, '=', n);

        if (equals != NULL) {
            buf_append(out, separator, 1);
            separator = ",";
            text_json(out, v.p, (size_t)(equals - v.p));
            buf_append(out, ":", 1);
            json_value((struct arg){equals + 1, n - (size_t)(equals + 1 - v.p)}, out);
        }
        n = MIN_OF(n + 1, v.n);
        v.p += n;
        v.n -= n;
    }
    buf_append(out, separator[0] == '{' ? "{}" : "}", separator[0] == '{' ? 2 : 1);
}

static void json_info(const char *info, struct buf *out)
{
    const char *separator = "{";
    struct arg line;

    while (text_line(&info, &line)) {
        const char *colon = memchr(line.p, ':', line.n);
        struct arg v;

        if (colon == NULL || line.p[0] == '#') {
            continue;
        }
        v = (struct arg){colon + 1, line.n - (size_t)(colon + 1 - line.p)};
        buf_append(out, separator, 1);
        separator = ",";
        text_json(out, line.p, (size_t)(colon - line.p));
        buf_append(out, ":", 1);
        if (memchr(v.p, '=', v.n) != NULL) {
            json_pairs(v, out);
        } else {
            json_value(v, out);
        }
    }
    buf_append(out, separator[0] == '{' ? "{}" : "}", separator[0] == '{' ? 2 : 1);
}

static void json_node(const struct status_node *n, struct buf *out)
{
    struct buf addr;

    buf_init(&addr);
    buf_printf(&addr, strchr(n->addr.host, ':') != NULL ? "[%s]:%u" : "%s:%u", n->addr.host,
               n->addr.port);
    buf_printf(out, "{\"address\":");
    text_json(out, buf_head(&addr), addr.len);
    buf_release(&addr);
    buf_printf(out, ",\"number\":%" PRIu64 ",\"id\":", n->number);
    text_json(out, n->id, strlen(n->id));
    buf_printf(out, ",\"up\":%s", n->up ? "true" : "false");
    if (n->up) {
        buf_printf(out, ",\"info\":");
        json_info(n->info, out);
    } else {
        buf_printf(out, ",\"why\":");
        text_json(out, n->why, strlen(n->why));
    }
    buf_append(out, "}", 1);
}

void status_print_json(const struct status *s, struct buf *out)
{
    struct buf problems;
    const char *text;
    struct arg line;
    const char *separator = "";

    buf_init(&problems);
    status_check(s, &problems);
    buf_append(&problems, "", 1);
    buf_printf(out, "{\"problems\":[");
    text = buf_head(&problems);
    while (text_line(&text, &line)) {
        buf_printf(out, "%s", separator);
        text_json(out, line.p, line.n);
        separator = ",";
    }
    buf_release(&problems);
    buf_printf(out, "],\"nodes\":[");
    for (size_t i = 0; i < s->n; i++) {
        buf_printf(out, "%s", i == 0 ? "" : ",");
        json_node(&s->nodes[i], out);
    }
    buf_printf(out, "]}\n");
}
