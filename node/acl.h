/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/acl.h - who may do what: the users of the cluster, and the clients of this node.
 *
 * Users are a map of the system group (name -> canonical text, node/acl_user.h), the same on every
 * node; each node reads them at every change. Of the user "default", while the map does not have
 * it, the node's requirepass says whether it needs a password. Until the cluster has users of its
 * own each node goes by those of its configuration (`user` lines or aclfile), and proposes them.
 *
 *   exec.c:   if (!acl_is_unrestricted(c)) ... acl_permits()
 *   scripts:  acl_user_check() of the client's user, acl_log() of what was denied
 *   pub/sub:  the channels of (P|S)SUBSCRIBE and (S)PUBLISH are checked as part of the command;
 *             acl_may_use_channel() says the same of one channel
 *
 * A client's user lives as long as the client: when it is deleted its clients are closed. */
#ifndef NODE_ACL_H
#define NODE_ACL_H

#include "cluster/texts.h"
#include "node/acl_user.h"
#include "node/client.h"

struct node;
struct acl; /* opaque; node->acl */

/* Read the users of the configuration. -1: a log line says why. */
MUST_CHECK int acl_new(struct node *n);
void acl_free(struct acl *a); /* NULL is allowed */
/* Bring the users of the configuration into the cluster, if it has none. */
void acl_cron(struct node *n);

/* The user, or NULL. Valid until the loop turns. */
const struct acl_user *acl_find(const struct node *n, const char *name, size_t len);
const struct acl_user *acl_default(const struct node *n);
/* All, by name. */
size_t acl_count(const struct node *n);
const struct acl_user *acl_at(const struct node *n, size_t i);

/* The texts in force, but for a default user that only requirepass describes: the map of the state
 * or what the configuration says. */
const struct cluster_texts *acl_texts(const struct node *n);
/* requirepass has changed (it describes the default user). False: it does not, the map does. */
MUST_CHECK bool acl_password_changed(struct node *n);

/* ---- clients ------------------------------------------------------------------------------- */

/* A new or a RESET connection: the default user's, and authenticated if that needs no password. */
void acl_greet(struct client *c);
/* The default user is on and needs no password. */
bool acl_default_is_open(const struct node *n);
/* AUTH and HELLO; @user NULL: default. False: a wrong password, an unknown user or one that is off;
 * entered into the log. */
MUST_CHECK bool acl_authenticate(struct client *c, const struct arg *user,
                                 const struct arg *password);

static inline bool acl_is_unrestricted(const struct client *c) { return c->user->unrestricted; }
/* May the client make this call? Else NOPERM was replied to @reply, and it is in the log. */
MUST_CHECK bool acl_permits(struct client *c, const struct command *command, const struct arg *argv,
                            int argc, struct resp_out *reply);
/* Within EXEC: the user may have changed since the command was queued. */
MUST_CHECK bool acl_still_permits(struct client *c, const struct command *command,
                                  const struct arg *argv, int argc, struct resp_out *reply);
bool acl_may_use_channel(const struct client *c, const struct arg *channel, bool is_pattern);

/* ---- ACL LOG, node/acl_log.c --------------------------------------------------------------- */

enum acl_reason { ACL_LOG_AUTH, ACL_LOG_COMMAND, ACL_LOG_KEY, ACL_LOG_CHANNEL, ACL_LOG_REASONS };
enum acl_context { ACL_LOG_TOPLEVEL, ACL_LOG_MULTI, ACL_LOG_LUA };

struct acl_log_entry {
    enum acl_reason reason;
    enum acl_context context;
    char *object, *user, *client;
    size_t object_n, user_n, client_n;
    uint64_t count;
    int64_t wall_ms; /* of the newest that it counts */
};

struct acl_log *acl_log_new(void);
void acl_log_free(struct acl_log *l); /* NULL is allowed */
void acl_log_clear(struct acl_log *l);
size_t acl_log_len(const struct acl_log *l);
/* @i: 0 is the newest. */
const struct acl_log_entry *acl_log_at(const struct acl_log *l, size_t i);
struct acl_log *acl_log_of(const struct node *n);
/* Something was denied to @c; @object: the command, key or channel (for AUTH the command's word).
 * An equal entry of the last minute counts it. acllog-max-len bounds the log. */
void acl_log_denied(struct client *c, enum acl_reason reason, enum acl_context context,
                    const struct arg *object, const struct arg *user);
/* The same of a refusal of acl_user_check(); @at: the argument it is about. */
void acl_log_refused(struct client *c, enum acl_result r, enum acl_context context,
                     const struct command *command, const struct arg *at);
void acl_log_cron(struct node *n);
const char *acl_reason_name(enum acl_reason r);
const char *acl_context_name(enum acl_context c);

/* ---- files, node/acl_file.c ---------------------------------------------------------------- */

/* Lines "user name rule ...", comments and empty lines, into a map of canonical texts. NULL, or
 * what is wrong, which is the caller's. */
char *acl_file_parse(const char *text, size_t n, const char *path, bool channels,
                     struct cluster_texts *out);
char *acl_file_load(const struct node *n, struct cluster_texts *out);
/* 0 or an errno. */
MUST_CHECK int acl_file_save(const struct node *n);

#endif
