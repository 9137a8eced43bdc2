/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/members.c - sets of members: encoding, validity, the way into and out of a joint
 * configuration (thesis 4.3). */
#include "raft/core/members.h"

#include <string.h>

static void put_le(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        p[i] = (unsigned char)(v >> (8 * i));
    }
}

static uint64_t get_le(const unsigned char *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

size_t raft_members_encode(const struct raft_members *m, unsigned char *out)
{
    unsigned char *p = out;

    assert(m->n <= RAFT_MEMBERS_MAX);
    put_le(p, m->n, 4);
    p += 4;
    for (uint32_t i = 0; i < m->n; i++) {
        put_le(p, m->m[i].id, 8);
        p[8] = m->m[i].flags;
        p += 9;
    }
    return (size_t)(p - out);
}

static bool flags_possible(uint8_t flags)
{
    switch (flags) {
    case RAFT_MEMBER_VOTER:
    case RAFT_MEMBER_VOTER_OLD:
    case RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD:
    case RAFT_MEMBER_LEARNER:
    case RAFT_MEMBER_LEARNER | RAFT_MEMBER_VOTER_OLD: /* becomes a learner on leaving */
        return true;
    default:
        return false;
    }
}

bool raft_members_valid(const struct raft_members *m)
{
    uint32_t voters = 0;

    if (m->n == 0 || m->n > RAFT_MEMBERS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->m[i].id == RAFT_NONE || !flags_possible(m->m[i].flags)) {
            return false;
        }
        if (i > 0 && m->m[i].id <= m->m[i - 1].id) {
            return false;
        }
        voters += (m->m[i].flags & RAFT_MEMBER_VOTER) != 0;
    }
    return voters > 0;
}

int raft_members_decode(const unsigned char *p, size_t n, struct raft_members *out)
{
    uint64_t count;

    if (n < 4) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    count = get_le(p, 4);
    if (count > RAFT_MEMBERS_MAX || n != 4 + count * 9) {
        return RAFT_ERR_BAD_MESSAGE;
    }
    memset(out, 0, sizeof *out);
    out->n = (uint32_t)count;
    p += 4;
    for (uint32_t i = 0; i < out->n; i++, p += 9) {
        out->m[i].id = get_le(p, 8);
        out->m[i].flags = p[8];
    }
    return raft_members_valid(out) ? RAFT_OK : RAFT_ERR_BAD_MESSAGE;
}

bool raft_members_is_joint(const struct raft_members *m)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->m[i].flags & RAFT_MEMBER_VOTER_OLD) {
            return true;
        }
    }
    return false;
}

const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->m[i].id == id) {
            return &m->m[i];
        }
    }
    return NULL;
}

bool raft_members_equal(const struct raft_members *a, const struct raft_members *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->m[i].id != b->m[i].id || a->m[i].flags != b->m[i].flags) {
            return false;
        }
    }
    return true;
}

bool raft_members_same_voters(const struct raft_members *a, const struct raft_members *b)
{
    for (int way = 0; way < 2; way++) {
        const struct raft_members *x = way == 0 ? a : b, *y = way == 0 ? b : a;

        for (uint32_t i = 0; i < x->n; i++) {
            const struct raft_member *other = raft_members_find(y, x->m[i].id);

            if ((x->m[i].flags & RAFT_MEMBER_VOTER) &&
                (other == NULL || !(other->flags & RAFT_MEMBER_VOTER))) {
                return false;
            }
        }
    }
    return true;
}

int raft_members_enter_joint(const struct raft_members *old, const struct raft_members *wanted,
                             struct raft_members *out)
{
    uint32_t i = 0, j = 0;

    memset(out, 0, sizeof *out);
    /* Merge of two sorted lists. Of the old configuration only the voters stay: a learner that is
     * not wanted any more has no say in anything. */
    while (i < old->n || j < wanted->n) {
        struct raft_member m = {0};

        if (j == wanted->n || (i < old->n && old->m[i].id < wanted->m[j].id)) {
            m.id = old->m[i].id;
        } else {
            m.id = wanted->m[j].id;
        }
        if (i < old->n && old->m[i].id == m.id) {
            if (old->m[i].flags & RAFT_MEMBER_VOTER) {
                m.flags |= RAFT_MEMBER_VOTER_OLD;
            }
            i++;
        }
        if (j < wanted->n && wanted->m[j].id == m.id) {
            m.flags |= wanted->m[j].flags;
            j++;
        }
        if (m.flags == 0) {
            continue;
        }
        if (out->n == RAFT_MEMBERS_MAX) {
            return RAFT_ERR_CONFIG;
        }
        out->m[out->n++] = m;
    }
    return RAFT_OK;
}

void raft_members_leave_joint(const struct raft_members *joint, struct raft_members *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < joint->n; i++) {
        struct raft_member m = joint->m[i];

        m.flags &= (uint8_t)~RAFT_MEMBER_VOTER_OLD;
        if (m.flags != 0) {
            out->m[out->n++] = m;
        }
    }
}
