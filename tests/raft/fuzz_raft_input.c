/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/fuzz_raft_input.c - any messages at all, in any order, into one replica.
 *
 * The bytes choose the inputs; messages, snapshots and proposals carry whatever they say, honest or
 * not. The host around the replica is honest: it makes durable what it was given, in order, and
 * applies, hence compacts, nothing that it was not told to be committed.
 * Whatever comes, the core refuses it or takes it, and its invariants hold. */
#include "raft/raft.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 6

struct input {
    const uint8_t *p;
    size_t n;
};

static uint8_t byte(struct input *in)
{
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

/* Small numbers mostly; they are where things meet. */
static uint64_t number(struct input *in)
{
    uint8_t b = byte(in);

    return b < 250 ? b % 12 : b == 250 ? UINT64_MAX : b == 251 ? UINT64_MAX / 2 : b * 1000u;
}

struct pending {
    struct raft_pos log;
    uint64_t hard_seq;
};
struct host {
    struct raft *r;
    struct pending disk[64];
    size_t n_disk;
    uint64_t commit; /* up to which it was told that it may apply */
    int64_t now_us;
};

static void step(struct host *h, struct raft_input *in)
{
    in->now_us = h->now_us;
    (void)!raft_step(h->r, in);
    raft_check(h->r);
}

static void drain(struct host *h)
{
    struct raft_output out;
    struct pending *w = &h->disk[h->n_disk];

    raft_drain(h->r, &out);
    raft_check(h->r);
    h->commit = out.commit;
    *w = (struct pending){.hard_seq = out.hard_seq};
    if (out.install) {
        w->log = out.install_pos;
    }
    if (out.n_append > 0) {
        w->log = out.append[out.n_append - 1]->pos;
    }
    if (w->hard_seq != 0 || w->log.index != 0) {
        h->n_disk++;
    }
    while (h->n_disk == sizeof h->disk / sizeof h->disk[0]) {
        struct raft_input in = {.type = RAFT_IN_PERSISTED};

        in.persisted.log = h->disk[0].log;
        in.persisted.hard_seq = h->disk[0].hard_seq;
        memmove(&h->disk[0], &h->disk[1], --h->n_disk * sizeof h->disk[0]);
        step(h, &in);
    }
}

static struct raft_entry *entry(struct input *in, struct raft_pos *pos)
{
    uint8_t how = byte(in);
    struct raft_members m = {0};
    unsigned char buf[RAFT_MEMBERS_ENCODED_MAX];
    size_t size = 0;
    struct raft_entry *e;

    if (how % 8 == 1) {
        m.n = 1 + byte(in) % 4;
        for (uint32_t i = 0; i < m.n; i++) {
            m.m[i] = (struct raft_member){.id = i + 1, .flags = byte(in) % 8};
        }
        size = raft_members_encode(&m, buf);
    }
    e = raft_entry_new(how % 8 == 1 ? RAFT_ENTRY_CONFIG : RAFT_ENTRY_DATA, (uint32_t)size);
    memcpy(e->data, buf, size);
    pos->term += how >> 6;
    pos->index += how % 32 == 31 ? 2 : 1;
    e->pos = *pos;
    return e;
}

static void message(struct host *h, struct input *in)
{
    struct raft_entry *entries[ENTRIES_MAX];
    struct raft_message m = {.to = 1, .entries = entries};
    struct raft_input step_in = {.type = RAFT_IN_MESSAGE, .message = &m};
    uint8_t flags;
    struct raft_pos pos;

    m.type = (enum raft_message_type)(byte(in) % 9);
    m.from = byte(in) % 5;
    m.term = number(in);
    m.pos = (struct raft_pos){.term = number(in), .index = number(in)};
    flags = byte(in);
    m.reject = flags & 1;
    m.forced = flags & 2;
    m.tail_suspect = flags & 4;
    m.commit = number(in);
    if (flags & 8) {
        m.match = number(in);
        m.last = number(in);
        m.read_seq = number(in);
        m.sent_us = (int64_t)number(in);
    }
    pos = m.pos;
    if (m.type == RAFT_MSG_APPEND) {
        for (m.n_entries = 0; m.n_entries < (flags >> 4) % (ENTRIES_MAX + 1); m.n_entries++) {
            entries[m.n_entries] = entry(in, &pos);
        }
    }
    step(h, &step_in);
    for (uint32_t i = 0; i < m.n_entries; i++) {
        raft_entry_unref(entries[i]);
    }
}

/* The log's answer to a question for entries: those that it has, or that they are compacted. */
static void read_back(struct host *h, struct input *in)
{
    struct raft_entry *entries[ENTRIES_MAX];
    struct raft_input si = {.type = RAFT_IN_ENTRIES};
    uint8_t how = byte(in);
    uint64_t first = number(in);

    si.entries.peer = how % 5;
    si.entries.compacted = how / 5 % 8 == 0;
    si.entries.entries = entries;
    while (!si.entries.compacted && si.entries.n < ENTRIES_MAX) {
        struct raft_pos pos = {.index = first + si.entries.n};
        struct raft_entry *e;

        pos.term = raft_term_at(h->r, pos.index);
        if (pos.term == 0) {
            break;
        }
        e = raft_entry_new(RAFT_ENTRY_DATA, how);
        e->pos = pos;
        entries[si.entries.n++] = e;
    }
    step(h, &si);
    for (size_t i = 0; i < si.entries.n; i++) {
        raft_entry_unref(entries[i]);
    }
}

static void stalled(struct host *h, struct input *in)
{
    struct raft_input si = {.type = RAFT_IN_STALLED, .stalled_us = byte(in) * 4000};

    h->now_us += si.stalled_us;
    step(h, &si);
}

static void other(struct host *h, struct input *in, uint8_t what)
{
    struct raft_input si = {.type = RAFT_IN_TICK};
    struct raft_members m = {0};
    struct raft_entry *e = NULL;
    struct raft_pos pos = {0};

    switch (what % 12) {
    case 0:
        h->now_us += (int64_t)byte(in) * 4000;
        break;
    case 1:
    case 2:
        if (h->n_disk == 0) {
            return;
        }
        si.type = RAFT_IN_PERSISTED;
        si.persisted.log = h->disk[0].log;
        si.persisted.hard_seq = h->disk[0].hard_seq;
        memmove(&h->disk[0], &h->disk[1], --h->n_disk * sizeof h->disk[0]);
        break;
    case 3:
        e = entry(in, &pos);
        e->type = RAFT_ENTRY_DATA;
        e->origin = 1;
        si.type = RAFT_IN_PROPOSE;
        si.propose.entries = &e;
        si.propose.n = 1;
        break;
    case 4:
        si.type = RAFT_IN_SNAPSHOT;
        si.snapshot.from = byte(in) % 5;
        si.snapshot.term = number(in);
        si.snapshot.pos = (struct raft_pos){.term = number(in), .index = number(in)};
        m.n = 1 + byte(in) % 4;
        for (uint32_t i = 0; i < m.n; i++) {
            m.m[i] = (struct raft_member){.id = i + 1, .flags = byte(in) % 8};
        }
        si.snapshot.members = &m;
        break;
    case 5:
        si.type = RAFT_IN_READ;
        si.token = byte(in);
        break;
    case 6:
        si.type = RAFT_IN_TRANSFER;
        si.peer = byte(in) % 5;
        break;
    case 7:
        si.type = RAFT_IN_CHANGE;
        m.n = 1 + byte(in) % 4;
        for (uint32_t i = 0; i < m.n; i++) {
            m.m[i] = (struct raft_member){.id = i + 1, .flags = byte(in) % 8};
        }
        si.members = &m;
        break;
    case 8:
        si.type = RAFT_IN_COMPACT;
        si.pos.index = number(in);
        si.pos.index = si.pos.index < h->commit ? si.pos.index : h->commit;
        si.pos.term = raft_term_at(h->r, si.pos.index);
        break;
    case 9:
        si.type = RAFT_IN_SNAPSHOT_SENT;
        si.sent.peer = byte(in) % 5;
        si.sent.pos.index = number(in) % 12;
        si.sent.failed = byte(in) & 1;
        break;
    case 10:
        si.type = RAFT_IN_UNREACHABLE;
        si.peer = byte(in) % 5;
        break;
    default:
        si.type = RAFT_IN_APPLIED;
        si.index = number(in);
        si.index = si.index < h->commit ? si.index : h->commit;
        break;
    }
    step(h, &si);
    raft_entry_unref(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct host h = {.now_us = 1000000};
    struct raft_config cfg = {
        .id = 1,
        .seed = 7,
        .now_us = 1000000,
        .fresh = true,
        .heartbeat_us = 50000,
        .election_timeout_us = 300000,
        .lease_drift_ppm = 1000,
        .uncommitted_bytes_max = 400,
        .cache_bytes = 300,
        .message_bytes_max = 150,
        .inflight_messages_max = 2,
        .inflight_bytes_max = 300,
    };

    cfg.restore.snapshot_members.n = byte(&in) % 2 ? 3 : 1;
    for (uint32_t i = 0; i < cfg.restore.snapshot_members.n; i++) {
        cfg.restore.snapshot_members.m[i] = (struct raft_member){i + 1, RAFT_MEMBER_VOTER};
    }
    cfg.restore.tail_suspect = byte(&in) % 8 == 1;
    if (raft_new(&cfg, &h.r) != RAFT_OK) {
        abort();
    }
    while (in.n > 0) {
        uint8_t what = byte(&in);

        if (what & 1) {
            message(&h, &in);
        } else if (what >> 3 == 31) {
            read_back(&h, &in);
        } else if (what >> 3 == 30) {
            stalled(&h, &in);
        } else {
            other(&h, &in, what >> 2);
        }
        if (!(what & 2)) {
            drain(&h);
        }
    }
    raft_free(h.r);
    return 0;
}
