/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/sim/trace.c - a run as text, and how it ends when a property is broken. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <string.h>

struct world *sim_current;

void sim_fail(struct world *w, const char *property, const char *fmt, ...)
{
    va_list ap;

    snprintf(w->property, sizeof w->property, "%s", property);
    va_start(ap, fmt);
    vsnprintf(w->detail, sizeof w->detail, fmt, ap);
    va_end(ap);
    TRACE(w, NULL, "VIOLATED: %s: %s", w->property, w->detail);
    longjmp(w->failed, 1);
}

void sim_trace(struct world *w, const struct node *n, const char *fmt, ...)
{
    va_list ap;

    printf("%9.3f ", (double)w->now / 1000);
    if (n != NULL) {
        printf("n%-2" PRIu64 " ", n->id);
    } else {
        printf("    ");
    }
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void trace_message(struct world *w, const struct node *n, const char *verb,
                   const struct raft_message *m)
{
    static const char *const names[] = {"?",         "PreVote", "PreVoteReply", "Vote",
                                        "VoteReply", "Append",  "AppendReply",  "TimeoutNow"};
    size_t type = m->type < ARRAY_LEN(names) ? m->type : 0;

    sim_hash(w, (uint64_t)m->type << 56 ^ m->from << 48 ^ m->to << 40 ^ m->term);
    sim_hash(w, m->pos.term << 32 ^ m->pos.index);
    sim_hash(w, m->commit << 32 ^ m->match);
    sim_hash(w, m->last << 32 ^ m->read_seq);
    sim_hash(w, (uint64_t)m->sent_us);
    sim_hash(w, (uint64_t)m->reject | (uint64_t)m->forced << 1 | (uint64_t)m->tail_suspect << 2 |
                    (uint64_t)m->n_entries << 8);
    if (!w->trace) {
        return;
    }
    sim_trace(w, n,
              "%s %s %" PRIu64 "->%" PRIu64 " term %" PRIu64 " pos %" PRIu64 "/%" PRIu64
              " commit %" PRIu64 " match %" PRIu64 " last %" PRIu64 " n %u sent %" PRId64
              " seq %" PRIu64 "%s%s%s",
              verb, names[type], m->from, m->to, m->term, m->pos.term, m->pos.index, m->commit,
              m->match, m->last, m->n_entries, m->sent_us, m->read_seq, m->reject ? " reject" : "",
              m->forced ? " forced" : "", m->tail_suspect ? " suspect" : "");
}

const char *trace_members(const struct raft_members *m, char *buf, size_t n)
{
    size_t at = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < m->n && at + 16 < n; i++) {
        uint8_t f = m->m[i].flags;

        at +=
            (size_t)snprintf(buf + at, n - at, "%s%" PRIu64 "%s%s%s", i == 0 ? "" : ",", m->m[i].id,
                             f & RAFT_MEMBER_VOTER ? "v" : "", f & RAFT_MEMBER_VOTER_OLD ? "o" : "",
                             f & RAFT_MEMBER_LEARNER ? "l" : "");
    }
    return buf;
}

void trace_params(struct world *w)
{
    const struct params *p = &w->p;

    TRACE(w, NULL,
          "seed %" PRIu64 ": profile %s, %u nodes, %u members%s%s, heartbeat %" PRId64
          " ms, timeout %" PRId64 " ms, drift %u ppm, loss %u, dup %u, late %u, delay %" PRId64
          "+%" PRId64 " us, sync %" PRId64 "+%" PRId64 " us, steps %" PRIu64,
          w->seed, p->profile, p->n_nodes, p->n_initial, p->everysec ? ", everysec" : "",
          p->fifo ? ", fifo" : "", p->heartbeat / 1000, p->timeout / 1000, p->drift_ppm, p->loss,
          p->dup, p->late, p->delay_min, p->delay_mean, p->sync_min, p->sync_mean, p->steps);
}
