/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/command/cmd_tracking.c - CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO. Source: the Redis
 * command pages. */
#include "base/mem.h"
#include "node/command/handlers.h"
#include "node/node.h"
#include "node/tracking.h"

#include <stdlib.h>
#include <string.h>

struct options {
    uint32_t flags;
    uint64_t redirect;
    struct arg *prefixes; /* the bytes are the command's */
    size_t n;
};

/* REDIRECT @i: the id of a client; false: replied. */
static bool read_redirect(struct cmd *c, int i, struct options *o)
{
    int64_t id;

    if (o->redirect != 0) {
        resp_error(c->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!cmd_arg_i64(c, i, &id, NULL)) {
        return false;
    }
    /* That it is there now says only that it was meant seriously. */
    if (id <= 0 || client_by_id(c->node, (uint64_t)id) == NULL) {
        resp_error(c->reply, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    o->redirect = (uint64_t)id;
    return true;
}

/* Everything behind ON; false: replied. */
static bool read_options(struct cmd *c, struct options *o)
{
    static const struct {
        const char *word;
        uint32_t flag;
    } flags[] = {
        {"bcast", TRACKING_BCAST},
        {"optin", TRACKING_OPTIN},
        {"optout", TRACKING_OPTOUT},
        {"noloop", TRACKING_NOLOOP},
    };

    for (int i = 3; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        size_t f = 0;

        while (f < ARRAY_LEN(flags) && !arg_is(&c->argv[i], flags[f].word)) {
            f++;
        }
        if (f < ARRAY_LEN(flags)) {
            o->flags |= flags[f].flag;
        } else if (more && arg_is(&c->argv[i], "redirect")) {
            if (!read_redirect(c, ++i, o)) {
                return false;
            }
        } else if (more && arg_is(&c->argv[i], "prefix")) {
            o->prefixes[o->n++] = c->argv[++i];
        } else {
            cmd_reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* One begins with the other. */
static bool overlap(const struct arg *a, const struct arg *b)
{
    size_t n = MIN_OF(a->n, b->n);

    return n == 0 || memcmp(a->p, b->p, n) == 0;
}

static bool refuse_overlap(struct cmd *c, const struct arg *a, const char *what,
                           const struct arg *b)
{
    resp_errorf(c->reply,
                "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                "must not overlap.",
                (int)MIN_OF(a->n, 128u), a->p, what, (int)MIN_OF(b->n, 128u), b->p);
    return false;
}

/* False: replied. */
static bool prefixes_fit(struct cmd *c, const struct options *o)
{
    const struct client_tracking *t = c->client->tracking;

    for (size_t i = 0; i < o->n; i++) {
        for (size_t j = 0; t != NULL && j < t->n_prefixes; j++) {
            struct arg there = tracking_prefix(t, j);

            if (overlap(&o->prefixes[i], &there)) {
                return refuse_overlap(c, &o->prefixes[i], "an existing", &there);
            }
        }
        for (size_t j = i + 1; j < o->n; j++) {
            if (overlap(&o->prefixes[i], &o->prefixes[j])) {
                return refuse_overlap(c, &o->prefixes[i], "another provided", &o->prefixes[j]);
            }
        }
    }
    return true;
}

/* What the client has now does not let it become @o. */
static const char *switch_error(const struct client_tracking *t, const struct options *o)
{
    if (t == NULL) {
        return NULL;
    }
    if ((t->flags ^ o->flags) & TRACKING_BCAST) {
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    if (((t->flags & TRACKING_OPTIN) && (o->flags & TRACKING_OPTOUT)) ||
        ((t->flags & TRACKING_OPTOUT) && (o->flags & TRACKING_OPTIN))) {
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    return NULL;
}

static const char *options_error(const struct options *o)
{
    const uint32_t both = TRACKING_OPTIN | TRACKING_OPTOUT;

    if ((o->flags & TRACKING_BCAST) == 0 && o->n > 0) {
        return "ERR PREFIX option requires BCAST mode to be enabled";
    }
    if ((o->flags & TRACKING_BCAST) && (o->flags & both)) {
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    }
    if ((o->flags & both) == both) {
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    }
    return NULL;
}

static void switch_on(struct cmd *c, const struct options *o)
{
    const char *error = options_error(o);

    error = error != NULL ? error : switch_error(c->client->tracking, o);
    if (error != NULL) {
        resp_error(c->reply, error);
    } else if (prefixes_fit(c, o)) {
        tracking_enable(c->client, o->flags, o->redirect, o->prefixes, o->n);
        cmd_reply_ok(c);
    }
}

void cmd_client_tracking(struct cmd *c)
{
    struct options o = {.prefixes = mem_try_alloc((size_t)c->argc * sizeof(struct arg))};

    if (o.prefixes == NULL) {
        resp_error(c->reply, "OOM no memory for so many prefixes");
        return;
    }
    if (!read_options(c, &o)) {
        free(o.prefixes);
        return;
    }
    if (arg_is(&c->argv[2], "on")) {
        switch_on(c, &o);
    } else if (arg_is(&c->argv[2], "off")) {
        tracking_disable(c->client);
        cmd_reply_ok(c);
    } else {
        cmd_reply_syntax_error(c);
    }
    free(o.prefixes);
}

void cmd_client_caching(struct cmd *c)
{
    struct client_tracking *t = c->client->tracking;
    bool yes = arg_is(&c->argv[2], "yes");

    if (t == NULL) {
        resp_error(c->reply, "ERR CLIENT CACHING can be called only when the client is in tracking "
                             "mode with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !arg_is(&c->argv[2], "no")) {
        cmd_reply_syntax_error(c);
    } else if (yes && (t->flags & TRACKING_OPTIN) == 0) {
        resp_error(c->reply,
                   "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    } else if (!yes && (t->flags & TRACKING_OPTOUT) == 0) {
        resp_error(c->reply,
                   "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    } else {
        t->flags |= TRACKING_CACHING;
        cmd_reply_ok(c);
    }
}

static int64_t redirection(const struct client *c)
{
    return c->tracking == NULL ? -1 : (int64_t)c->tracking->redirect;
}

void cmd_client_getredir(struct cmd *c) { resp_int(c->reply, redirection(c->client)); }

static void reply_flags(struct cmd *c, const struct client_tracking *t)
{
    static const struct {
        uint32_t all; /* of these */
        const char *name;
    } names[] = {
        {TRACKING_BCAST, "bcast"},
        {TRACKING_OPTIN, "optin"},
        {TRACKING_OPTIN | TRACKING_CACHING, "caching-yes"},
        {TRACKING_OPTOUT, "optout"},
        {TRACKING_OPTOUT | TRACKING_CACHING, "caching-no"},
        {TRACKING_NOLOOP, "noloop"},
        {TRACKING_BROKEN, "broken_redirect"},
    };
    const char *have[ARRAY_LEN(names) + 1] = {t == NULL ? "off" : "on"};
    size_t n = 1;

    for (size_t i = 0; t != NULL && i < ARRAY_LEN(names); i++) {
        if ((t->flags & names[i].all) == names[i].all) {
            have[n++] = names[i].name;
        }
    }
    resp_set(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        resp_bulk_str(c->reply, have[i]);
    }
}

void cmd_client_trackinginfo(struct cmd *c)
{
    const struct client_tracking *t = c->client->tracking;
    size_t n = t == NULL ? 0 : t->n_prefixes;

    resp_map(c->reply, 3);
    resp_bulk_str(c->reply, "flags");
    reply_flags(c, t);
    resp_bulk_str(c->reply, "redirect");
    resp_int(c->reply, redirection(c->client));
    resp_bulk_str(c->reply, "prefixes");
    resp_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        struct arg prefix = tracking_prefix(t, i);

        resp_bulk(c->reply, prefix.p, prefix.n);
    }
}
