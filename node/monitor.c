/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/monitor.c - see node/monitor.h. A line is "+<seconds>.<micros> [<db> <from>] "word" ..." */
#include "node/monitor.h"

#include "base/clock.h"
#include "node/node.h"
#include "node/slowlog.h"

#include <string.h>

void monitor_begin(struct client *c)
{
    c->flags |= CLIENT_MONITOR;
    if (!link_is_in(&c->monitor_link)) {
        link_append(&c->node->clients.monitors, &c->monitor_link);
    }
}

void monitor_end(struct client *c)
{
    c->flags &= ~(uint32_t)CLIENT_MONITOR;
    link_remove(&c->monitor_link);
}

static void quote_byte(struct buf *out, unsigned char b)
{
    static const char special[] = "\\\"\n\r\t\a\b", letters[] = "\\\"nrtab";
    const char *at = b == '\0' ? NULL : strchr(special, b);
    char c = (char)b;

    if (at != NULL) {
        buf_append(out, "\\", 1);
        buf_append(out, &letters[at - special], 1);
    } else if (b >= ' ' && b <= '~') {
        buf_append(out, &c, 1);
    } else {
        buf_printf(out, "\\x%02x", b);
    }
}

static void quote(struct buf *out, const struct arg *a)
{
    buf_append(out, " \"", 2);
    for (size_t i = 0; i < a->n; i++) {
        quote_byte(out, (unsigned char)a->p[i]);
    }
    buf_append(out, "\"", 1);
}

static void print_from(const struct cmd *c, struct buf *out)
{
    const struct client *client = c->client;
    bool v6;

    if (c->in_script) {
        buf_printf(out, " [%u lua]", c->db);
        return;
    }
    v6 = strchr(client->ip, ':') != NULL;
    buf_printf(out, " [%u %s%s%s:%u]", client->db, v6 ? "[" : "", client->ip, v6 ? "]" : "",
               client->port);
}

static void show(const struct cmd *c)
{
    static const struct arg secret = {"(redacted)", 10};
    struct link *all = &c->node->clients.monitors;
    int64_t now_us = clock_wall_us();
    struct buf line;

    buf_init(&line);
    buf_printf(&line, "+%lld.%06lld", (long long)now_us / 1000000, (long long)now_us % 1000000);
    print_from(c, &line);
    for (int i = 0; i < c->argc; i++) {
        quote(&line, slowlog_is_secret(c, i) ? &secret : &c->argv[i]);
    }
    buf_append(&line, "\r\n", 2);
    for (struct link *l = all->next; l != all; l = l->next) {
        struct client *to = CONTAINER_OF(l, struct client, monitor_link);

        if ((to->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) == 0) {
            client_push(to, buf_head(&line), line.len);
        }
    }
    buf_release(&line);
}

static bool is_watched(const struct cmd *c)
{
    return UNLIKELY(link_is_in(&c->node->clients.monitors)) && c->client != NULL && !c->retry;
}

void monitor_show(const struct cmd *c)
{
    if (is_watched(c) && (c->command->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)) == 0) {
        show(c);
    }
}

void monitor_show_script(const struct cmd *c)
{
    if (is_watched(c)) {
        show(c);
    }
}
