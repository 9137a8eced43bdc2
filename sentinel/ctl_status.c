/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sentinel/ctl_status.c - holdfastctl status: ask the nodes named, then those they name, until no
 * new one turns up; then show them. */
#include "base/mem.h"
#include "sentinel/ask.h"
#include "sentinel/ctl.h"
#include "sentinel/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_NODE "127.0.0.1:7001"
#define TIMEOUT_MS_MAX 600000

/* What one node answered. */
static void take_answer(struct status *s, struct status_node *n, const struct ask *a)
{
    const struct resp_value *info = &a->replies[0];
    const struct resp_value *nodes = &a->replies[1];
    bool has_text;

    if (!a->answered) {
        snprintf(n->why, sizeof n->why, "%s", a->why);
        return;
    }
    has_text = info->type == RESP_T_BULK || info->type == RESP_T_VERBATIM;
    if (!has_text) {
        snprintf(n->why, sizeof n->why, "%s",
                 info->type == RESP_T_ERROR ? info->text : "its INFO is no text");
        return;
    }
    status_learn(s, n, mem_strdup(info->text), nodes->type == RESP_T_BULK ? nodes->text : NULL);
}

/* Ask all that were not asked yet; false: there were none. */
static bool ask_new(struct status *s, const struct ask_plan *plan)
{
    struct ask *asks = mem_zalloc(STATUS_NODES_MAX * sizeof *asks);
    size_t which[STATUS_NODES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!s->nodes[i].asked) {
            s->nodes[i].asked = true;
            asks[n].to = s->nodes[i].addr;
            which[n++] = i;
        }
    }
    ask_all(asks, n, plan);
    for (size_t i = 0; i < n; i++) {
        take_answer(s, &s->nodes[which[i]], &asks[i]);
        ask_release(&asks[i]);
    }
    free(asks);
    return n > 0;
}

static bool add_words(struct status *s, int n, char **words)
{
    static char *fallback[] = {(char *)DEFAULT_NODE};

    if (n == 0) {
        words = fallback;
        n = 1;
    }
    for (int i = 0; i < n; i++) {
        struct net_addr addr;

        if (net_addr_parse(words[i], strlen(words[i]), &addr) != 0) {
            ctl_complain("status: %s is no HOST:PORT", words[i]);
            return false;
        }
        if (status_add(s, &addr) == NULL) {
            ctl_complain("status: more than %d nodes", STATUS_NODES_MAX);
            return false;
        }
    }
    return true;
}

static int show(const struct status *s, bool json)
{
    struct buf out, problems;
    size_t n_problems, n_up = 0;
    int rc = CTL_OK;

    buf_init(&out);
    buf_init(&problems);
    n_problems = status_check(s, &problems);
    for (size_t i = 0; i < s->n; i++) {
        n_up += s->nodes[i].up;
    }
    if (json) {
        status_print_json(s, &out);
    } else if (n_up > 0) {
        status_print(s, &out);
        buf_append(&out, "\n", 1);
    }
    if (!json && n_problems == 0) {
        buf_printf(&out, "All is well.\n");
    } else if (!json) {
        const char *text;
        struct arg line;

        buf_append(&problems, "", 1);
        text = buf_head(&problems);
        while (text_line(&text, &line)) {
            buf_printf(&out, "PROBLEM: %.*s\n", (int)line.n, line.p);
        }
    }
    if (!ctl_print(&out)) {
        rc = CTL_FAILED;
    }
    buf_release(&out);
    buf_release(&problems);
    return rc != CTL_OK ? rc : n_up == 0 ? CTL_FAILED : n_problems > 0 ? CTL_PROBLEM : CTL_OK;
}

int ctl_status(int argc, char **argv)
{
    static const char *const commands[] = {"INFO", "CLUSTER NODES", NULL};
    const char *password = getenv("REDISCLI_AUTH");
    uint64_t timeout_ms = 2000;
    bool json = false;
    const struct ctl_option options[] = {
        {"--password", .text = &password},
        {"--timeout", .number = &timeout_ms},
        {"--json", .flag = &json},
        {NULL},
    };
    struct status *s;
    int n, rc = CTL_FAILED;

    if (!ctl_options(argc, argv, options, &n)) {
        return CTL_FAILED;
    }
    if (timeout_ms == 0 || timeout_ms > TIMEOUT_MS_MAX) {
        ctl_complain("status: --timeout is 1 to %d ms", TIMEOUT_MS_MAX);
        return CTL_FAILED;
    }
    s = mem_zalloc(sizeof *s);
    if (add_words(s, n, argv)) {
        struct ask_plan plan = {commands, password, (int)timeout_ms};

        while (ask_new(s, &plan)) {
        }
        status_settle(s);
        rc = show(s, json);
    }
    status_release(s);
    free(s);
    return rc;
}
