/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/notify.c - see node/notify.h. Nobody can subscribe on this server, so nobody is told. */
#include "node/notify.h"

void notify_db(struct cmd *c, enum notify_class class, const char *event, uint32_t db,
               const struct key *k)
{
    (void)c;
    (void)class;
    (void)event;
    (void)db;
    (void)k;
}

void notify(struct cmd *c, enum notify_class class, const char *event, const struct key *k)
{
    notify_db(c, class, event, c->db, k);
}
