/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/core/replicate.c - what a leader sends to each peer.
 *
 *            a reply agrees with next - 1
 *   PROBE ---------------------------------> REPLICATE
 *     ^ <---------- refused, broken connection ---'  |
 *     |                                              | next is behind the log's beginning
 *     '------ stream ended, or the peer got there -- SNAPSHOT (from PROBE too)
 *
 * Messages are built when the outputs are drained, so any number of proposals becomes one APPEND
 * per peer. A window of messages and bytes bounds what is not yet durable at a peer. A lost
 * message shows at the next heartbeat, which names the position behind all that was sent. */
#include "raft/core/array.h"
#include "raft/core/core.h"

#include <string.h>

/* ---- one peer's state -------------------------------------------------------------------- */

static void drop_read_back(struct raft *r, struct peer *p)
{
    /* Messages of the present output may still point at them. */
    for (size_t i = 0; i < p->n_read_back; i++) {
        r->held = array_grow(r->held, &r->cap_held, r->n_held + 1, sizeof(struct raft_entry *));
        r->held[r->n_held++] = p->read_back[i];
    }
    p->n_read_back = 0;
}

void raft_peer_release(struct peer *p)
{
    for (size_t i = 0; i < p->n_read_back; i++) {
        raft_entry_unref(p->read_back[i]);
    }
    free(p->read_back);
    free(p->inflight);
}

static void clear_inflight(struct peer *p)
{
    p->inflight_head = p->n_inflight = 0;
    p->inflight_bytes = 0;
}

void raft_peer_probe(struct peer *p, uint64_t next)
{
    p->state = PEER_PROBE;
    p->next = MAX_OF(next, p->match + 1);
    p->probe_sent = false;
    clear_inflight(p);
}

/* The beginning of a leadership, or of a membership during one. */
void raft_peer_reset(struct raft *r, struct peer *p)
{
    drop_read_back(r, p);
    p->match = 0;
    raft_peer_probe(p, r->log.last + 1);
    p->heartbeat_due = false;
    p->commit_sent = p->read_sent = p->read_acked = 0;
    p->heard_us = r->now_us; /* time to answer before it counts as silent */
    p->acked_sent_us = 0;
    p->suspect_nonce = 0;
    p->snapshot_wait = false;
    p->read_back_asked = p->read_back_wait = false;
}

static void add_inflight(struct raft *r, struct peer *p, uint64_t last, uint64_t bytes)
{
    uint32_t max = r->config.inflight_messages_max;

    assert(p->n_inflight < max);
    if (p->inflight == NULL) {
        p->inflight = array_zalloc(max, sizeof *p->inflight);
    }
    p->inflight[(p->inflight_head + p->n_inflight) % max] =
        (struct inflight){.last = last, .bytes = bytes};
    p->n_inflight++;
    p->inflight_bytes += bytes;
}

void raft_peer_acked(struct raft *r, struct peer *p, uint64_t match)
{
    assert(match >= p->match);
    p->match = match;
    p->next = MAX_OF(p->next, match + 1);
    while (p->n_inflight > 0 && p->inflight[p->inflight_head].last <= match) {
        p->inflight_bytes -= p->inflight[p->inflight_head].bytes;
        p->inflight_head = (p->inflight_head + 1) % r->config.inflight_messages_max;
        p->n_inflight--;
    }
}

static bool window_full(const struct raft *r, const struct peer *p)
{
    return p->n_inflight >= r->config.inflight_messages_max ||
           p->inflight_bytes >= r->config.inflight_bytes_max;
}

/* ---- messages ---------------------------------------------------------------------------- */

static struct raft_message *new_append(struct raft *r, struct peer *p, struct raft_pos pos)
{
    struct raft_message *m = raft_push_message(r, RAFT_MSG_APPEND, p->id);

    m->pos = pos;
    m->commit = r->commit;
    m->sent_us = r->now_us;
    m->read_seq = r->read_seq;
    if (p->suspect_nonce != 0) {
        m->match = p->suspect_nonce;
        m->last = r->log.last;
    }
    p->commit_sent = r->commit;
    p->read_sent = r->read_seq;
    return m;
}

static void send_empty(struct raft *r, struct peer *p)
{
    struct raft_pos pos = {0};

    /* Nothing is known to be there: a bare sign of life, which always agrees. */
    if (p->state != PEER_SNAPSHOT && p->next > r->log.base.index) {
        pos.index = p->next - 1;
        pos.term = raft_log_term_at(&r->log, pos.index);
    }
    new_append(r, p, pos);
    p->heartbeat_due = false;
}

/* How many of @src[0..n) (or, with NULL, of the log from next on) fit one message. */
static size_t measure(const struct raft *r, const struct peer *p, struct raft_entry *const *src,
                      size_t n, uint64_t *bytes)
{
    uint64_t room = r->config.message_bytes_max, sum = 0;
    size_t i;

    room = MIN_OF(room, r->config.inflight_bytes_max - p->inflight_bytes);
    for (i = 0; i < n && i < UINT32_MAX; i++) {
        const struct raft_entry *e = src != NULL ? src[i] : raft_log_get(&r->log, p->next + i);

        if (i > 0 && sum + entry_cost(e) > room) {
            break;
        }
        sum += entry_cost(e);
    }
    *bytes = sum;
    return i;
}

static void send_entries(struct raft *r, struct peer *p, struct raft_entry *const *src, size_t n)
{
    struct raft_pos prev = {.index = p->next - 1, .term = raft_log_term_at(&r->log, p->next - 1)};
    struct raft_message *m;
    uint64_t bytes;
    size_t offset;

    n = measure(r, p, src, n, &bytes);
    assert(n > 0);
    if (src == NULL && r->shared.n == n && r->shared.first == p->next) {
        offset = r->shared.offset;
    } else {
        offset = r->n_out_entries;
        r->out_entries = array_grow(r->out_entries, &r->cap_out_entries, offset + n,
                                    sizeof(struct raft_entry *));
        for (size_t i = 0; i < n; i++) {
            r->out_entries[offset + i] = src != NULL ? src[i] : raft_log_get(&r->log, p->next + i);
        }
        r->n_out_entries += n;
        if (src == NULL) {
            r->shared.first = p->next;
            r->shared.n = n;
            r->shared.offset = offset;
        }
    }
    m = new_append(r, p, prev);
    m->n_entries = (uint32_t)n;
    r->message_entries[r->n_messages - 1] = offset;
    if (p->state == PEER_PROBE) {
        p->probe_sent = true;
        return; /* 'next' moves when the answer says where the logs agree */
    }
    p->next += n;
    add_inflight(r, p, p->next - 1, bytes);
}

static bool is_streaming(const struct raft *r, uint64_t id)
{
    for (size_t i = 0; i < r->n_streams; i++) {
        if (r->streams[i] == id) {
            return true;
        }
    }
    return false;
}

static void stream_ended(struct raft *r, uint64_t id)
{
    for (size_t i = 0; i < r->n_streams; i++) {
        if (r->streams[i] == id) {
            r->streams[i] = r->streams[--r->n_streams];
            return;
        }
    }
}

static void want_snapshot(struct raft *r, struct peer *p)
{
    p->state = PEER_SNAPSHOT;
    clear_inflight(p);
    if (p->snapshot_wait || r->now_us < p->no_stream_until_us || is_streaming(r, p->id)) {
        return;
    }
    r->streams = array_grow(r->streams, &r->cap_streams, r->n_streams + 1, sizeof *r->streams);
    r->streams[r->n_streams++] = p->id;
    r->need_snapshot = array_grow(r->need_snapshot, &r->cap_need_snapshot, r->n_need_snapshot + 1,
                                  sizeof *r->need_snapshot);
    r->need_snapshot[r->n_need_snapshot++] = p->id;
}

static void want_read_back(struct raft *r, struct peer *p)
{
    if (p->read_back_asked || p->read_back_wait) {
        return;
    }
    p->read_back_asked = true;
    r->read_backs =
        array_grow(r->read_backs, &r->cap_read_backs, r->n_read_backs + 1, sizeof *r->read_backs);
    r->read_backs[r->n_read_backs++] = (struct raft_read_back){
        .peer = p->id,
        .first = p->next,
        .bytes_max = MIN_OF(4 * r->config.message_bytes_max,
                            r->config.inflight_bytes_max - p->inflight_bytes)};
}

/* Entries that came back from the disk, if they are the ones wanted now. */
static bool send_read_back(struct raft *r, struct peer *p)
{
    struct raft_entry **e = p->read_back;
    size_t skip;

    if (p->n_read_back == 0 || p->next < e[0]->pos.index ||
        p->next - e[0]->pos.index >= p->n_read_back) {
        drop_read_back(r, p);
        return false;
    }
    skip = (size_t)(p->next - e[0]->pos.index);
    send_entries(r, p, e + skip, p->n_read_back - skip);
    return true;
}

static void replicate_to(struct raft *r, struct peer *p)
{
    size_t before = r->n_messages;

    if (p->state == PEER_SNAPSHOT) {
        want_snapshot(r, p); /* again, if the last one failed */
    }
    while (p->state != PEER_SNAPSHOT) {
        /* Before any waiting: heartbeats cannot name that position any more, so nothing would show
         * that what is in flight was lost. */
        if (p->next <= r->log.base.index) {
            want_snapshot(r, p);
            break;
        }
        if (p->state == PEER_PROBE ? p->probe_sent : window_full(r, p)) {
            break;
        }
        if (p->next > r->log.last) {
            if (p->state == PEER_PROBE) {
                p->probe_sent = true;
                send_empty(r, p);
            }
            break;
        } else if (p->next >= r->log.cache_first) {
            send_entries(r, p, NULL, (size_t)(r->log.last - p->next + 1));
        } else if (p->state == PEER_PROBE) {
            /* First find out whether it wants those; reading them is dear. */
            p->probe_sent = true;
            send_empty(r, p);
        } else if (!send_read_back(r, p)) {
            want_read_back(r, p);
            break;
        }
    }
    /* A heartbeat is always an empty message: that is answered without waiting for a disk. */
    if (p->heartbeat_due || (r->n_messages == before && (p->read_sent < r->read_seq ||
                                                         (p->commit_sent < r->commit &&
                                                          r->now_us >= r->commit_notify_at_us)))) {
        send_empty(r, p);
    }
}

void raft_replicate(struct raft *r)
{
    bool told = true;

    r->shared.n = 0;
    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].id != r->config.id) {
            replicate_to(r, &r->peers[i]);
            told &= r->peers[i].commit_sent >= r->commit;
        }
    }
    /* A commit index rides on the next APPEND. When none follows for a while it goes alone: no
     * client waits for a follower to apply, but an idle group should not lag by a heartbeat. */
    if (told) {
        r->commit_notify_at_us = INT64_MAX;
    } else if (r->commit_notify_at_us == INT64_MAX || r->now_us >= r->commit_notify_at_us) {
        r->commit_notify_at_us = r->now_us + r->config.heartbeat_us / 5 + 1;
    }
}

/* ---- answers of the host ----------------------------------------------------------------- */

int raft_on_entries(struct raft *r, const struct raft_input *in)
{
    struct peer *p = raft_find_peer(r, in->entries.peer);
    size_t n = in->entries.n;

    if (p == NULL || !p->read_back_asked) {
        return RAFT_OK; /* the question is forgotten */
    }
    p->read_back_asked = false;
    if (r->role != RAFT_ROLE_LEADER) {
        return RAFT_OK;
    }
    if (in->entries.compacted) {
        if (p->state != PEER_SNAPSHOT && p->next < r->log.cache_first) {
            want_snapshot(r, p);
        }
        return RAFT_OK;
    }
    drop_read_back(r, p);
    for (size_t i = 0; i < n; i++) {
        const struct raft_entry *e = in->entries.entries[i];

        if (e->pos.index != in->entries.entries[0]->pos.index + i ||
            raft_log_term_at(&r->log, e->pos.index) != e->pos.term) {
            n = i; /* read while the log changed */
        }
    }
    if (n == 0) {
        p->read_back_wait = true; /* until the next heartbeat, or it would go round in circles */
        return RAFT_OK;
    }
    p->read_back = array_grow(p->read_back, &p->cap_read_back, n, sizeof(struct raft_entry *));
    for (size_t i = 0; i < n; i++) {
        p->read_back[i] = raft_entry_ref(in->entries.entries[i]);
    }
    p->n_read_back = n;
    return RAFT_OK;
}

void raft_on_snapshot_sent(struct raft *r, const struct raft_input *in)
{
    struct peer *p = raft_find_peer(r, in->sent.peer);

    stream_ended(r, in->sent.peer);
    if (p == NULL || r->role != RAFT_ROLE_LEADER || p->state != PEER_SNAPSHOT) {
        return;
    }
    if (in->sent.failed) {
        p->snapshot_wait = true;
    } else {
        raft_peer_probe(p, MIN_OF(in->sent.pos.index, r->log.last) + 1);
        /* A refusal that crosses the end of the stream must not start another. */
        p->no_stream_until_us = r->now_us + r->config.election_timeout_us;
    }
}

void raft_on_unreachable(struct raft *r, uint64_t id)
{
    struct peer *p = raft_find_peer(r, id);

    if (r->role == RAFT_ROLE_LEADER && p != NULL && p->state == PEER_REPLICATE) {
        raft_peer_probe(p, p->match + 1);
        p->probe_sent = true; /* an answer to a heartbeat will say that it is back */
    }
}
