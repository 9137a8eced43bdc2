/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/gate.h - when a reply may leave (DESIGN 4: gates, leases, losing leadership).
 *
 *   state of a client's first segment           waits in
 *   batch not committed                          group->waiting[batch]
 *   batch committed, lease not confirmed         group->unconfirmed
 *   both                                         nothing: released
 */
#ifndef NODE_GATE_H
#define NODE_GATE_H

#include "node/client.h"
#include "node/group.h"

/* The reply between stream offset @from and the end of c->out came from @cmd: put it behind its
 * gate. */
void gate_reply(struct client *c, const struct cmd *cmd, uint16_t slot);
/* Output without a gate of its own: in order only. */
void gate_plain(struct client *c);

/* True when reads of @g executed up to @executed are known to have been the leader's; asks for what
 * is needed for that, else. */
MUST_CHECK bool gate_read_is_confirmed(struct group *g, uint64_t executed);

/* Open what can be opened of @c; links it where it waits. */
void gate_advance(struct client *c);

/* Batches of @g behind @before, up to group->committed, are committed: open their waiters. */
void gate_committed(struct group *g, uint64_t before);
/* Look at reads that wait for a lease or a read round. */
void gate_recheck(struct group *g);
/* Leadership of @g is lost: what was read and not confirmed never will be. */
void gate_reads_lost(struct group *g);
/* Answer those reads with a redirection, when a leader is known, or @now. */
void gate_redirect_reads(struct group *g, bool now);
/* All batches above group->committed are gone: so are the replies that waited for them. */
void gate_batches_gone(struct group *g);
/* The fate of the batches above group->committed cannot be found out any more: clients that wait
 * for one are closed without a reply. */
void gate_batches_unknown(struct group *g);
/* Close clients whose reply has waited longer than outcome-wait-timeout. */
void gate_expire(struct node *n);
/* The client goes away. */
void gate_forget(struct client *c);

#endif
