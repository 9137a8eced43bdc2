/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/members.h - what the core needs of member sets beyond raft/raft.h. Pure values. */
#ifndef RAFT_CORE_MEMBERS_H
#define RAFT_CORE_MEMBERS_H

#include "raft/raft.h"

/* Sorted, no id twice, possible flags, at least one voter. */
bool raft_members_valid(const struct raft_members *m);
bool raft_members_equal(const struct raft_members *a, const struct raft_members *b);
/* The same members carry RAFT_MEMBER_VOTER in both: no joint configuration is needed between. */
bool raft_members_same_voters(const struct raft_members *a, const struct raft_members *b);
/* The joint configuration between @old and @wanted. RAFT_ERR_CONFIG: too many members. */
MUST_CHECK int raft_members_enter_joint(const struct raft_members *old,
                                        const struct raft_members *wanted,
                                        struct raft_members *out);
void raft_members_leave_joint(const struct raft_members *joint, struct raft_members *out);

#endif
