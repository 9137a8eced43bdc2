/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/system_codec.h - proto/system.proto to and from the plain structs of cluster/.
 * Encoders append to @out. Readers check everything and return -1 for what is not valid; what they
 * fill in otherwise is the caller's: cluster_state_release(), cluster_command_release(). */
#ifndef NODE_SYSTEM_CODEC_H
#define NODE_SYSTEM_CODEC_H

#include "base/buf.h"
#include "cluster/formation.h"

void system_codec_state(const struct cluster_state *s, struct buf *out);
MUST_CHECK int system_codec_read_state(const void *p, size_t n, struct cluster_state *out);
void system_codec_plan(const struct formation_plan *p, struct buf *out);
MUST_CHECK int system_codec_read_plan(const void *p, size_t n, struct formation_plan *out);
void system_codec_command(const struct cluster_command *c, struct buf *out);
MUST_CHECK int system_codec_read_command(const void *p, size_t n, struct cluster_command *out);

/* A node asks for the leadership of a group. */
struct system_transfer {
    uint32_t group;
    uint64_t to;
    bool if_caught_up; /* only if it is close behind: nobody waits for this move */
};

enum system_message_type {
    SYSTEM_MESSAGE_HELLO,
    SYSTEM_MESSAGE_PLAN,
    SYSTEM_MESSAGE_PROPOSE,
    SYSTEM_MESSAGE_TRANSFER,
};
struct system_message {
    enum system_message_type type;
    struct formation_hello hello;
    struct formation_plan plan;
    struct cluster_command propose; /* of PROPOSE: to be released */
    struct system_transfer transfer;
};
void system_codec_envelope_hello(const struct formation_hello *h, struct buf *out);
void system_codec_envelope_plan(const struct formation_plan *p, struct buf *out);
void system_codec_envelope_propose(const struct cluster_command *c, struct buf *out);
void system_codec_envelope_transfer(const struct system_transfer *t, struct buf *out);
MUST_CHECK int system_codec_read_envelope(const void *p, size_t n, struct system_message *out);

#endif
