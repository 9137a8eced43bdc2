/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/proto/test_peer.c - frames between nodes: what is encoded is decoded, what is damaged is
 * refused. */
#include "proto/peer.h"
#include "tests/test.h"

#include "base/rand.h"

#define ID_A "0123456789abcdef0123456789abcdef01234567"
#define ID_B "89abcdef0123456789abcdef0123456789abcdef"

static struct peer_hello a_hello(void)
{
    struct peer_hello h;

    memset(&h, 0, sizeof h);
    h.protocol = PEER_PROTOCOL;
    h.kind = PEER_HELLO_SNAPSHOT;
    h.feature_level = 7;
    h.node = 3;
    strcpy(h.cluster_id, ID_A);
    strcpy(h.node_id, ID_B);
    strcpy(h.addr.host, "fd00::17");
    h.addr.port = 17001;
    return h;
}

/* Every field of every head survives the way to the other node. */
static void heads_survive_encoding(void **state)
{
    unsigned char p[PEER_HEAD_MAX];
    struct peer_hello h = a_hello(), h2;
    struct peer_raft r, r2;
    struct peer_snap_offer o, o2;
    struct peer_snap_reply s = {PEER_SNAP_SEND, 1ull << 40}, s2;
    uint64_t bytes;
    uint32_t crc;

    (void)state;
    assert_int_equal(peer_hello_decode(p, peer_hello_encode(&h, p), &h2), PEER_OK);
    assert_memory_equal(&h, &h2, sizeof h);

    memset(&r, 0, sizeof r); /* the padding too: compared as memory */
    r.group = 4;
    r.type = 5;
    r.n_entries = 6;
    r.from = 1;
    r.to = 2;
    r.term = UINT64_MAX;
    r.pos_term = 8;
    r.pos_index = 9;
    r.commit = 10;
    r.match = 11;
    r.last = 12;
    r.sent_us = INT64_MAX;
    r.read_seq = 13;
    r.reject = true;
    r.forced = true;
    r.tail_suspect = true;
    r.body_bytes = 1ull << 33;
    memset(&r2, 0, sizeof r2);
    assert_int_equal(peer_raft_decode(p, peer_raft_encode(&r, p), &r2), PEER_OK);
    assert_int_equal(r.group, r2.group);
    assert_int_equal(r.type, r2.type);
    assert_int_equal(r.n_entries, r2.n_entries);
    assert_true(r.from == r2.from && r.to == r2.to && r.term == r2.term);
    assert_true(r.pos_term == r2.pos_term && r.pos_index == r2.pos_index);
    assert_true(r.commit == r2.commit && r.match == r2.match && r.last == r2.last);
    assert_true(r.sent_us == r2.sent_us && r.read_seq == r2.read_seq);
    assert_true(r2.reject && r2.forced && r2.tail_suspect);
    assert_true(r.body_bytes == r2.body_bytes);

    memset(&o, 0, sizeof o);
    o.group = 1;
    o.from = 2;
    o.term = 3;
    o.pos_term = 3;
    o.pos_index = 1000;
    o.size = 1ull << 35;
    o.file_id_bytes = PEER_FILE_ID_MAX;
    o.members_bytes = PEER_MEMBERS_MAX;
    memset(o.file_id, 0xfe, sizeof o.file_id);
    memset(o.members, 0xab, sizeof o.members);
    assert_int_equal(peer_snap_offer_decode(p, peer_snap_offer_encode(&o, p), &o2), PEER_OK);
    assert_memory_equal(&o, &o2, sizeof o);

    assert_int_equal(peer_snap_reply_decode(p, peer_snap_reply_encode(&s, p), &s2), PEER_OK);
    assert_int_equal(s.status, s2.status);
    assert_true(s.offset == s2.offset);
    assert_int_equal(peer_snap_end_decode(p, peer_snap_end_encode(0xdeadbeef, p), &crc), PEER_OK);
    assert_int_equal(crc, 0xdeadbeef);
    assert_int_equal(peer_user_decode(p, peer_user_encode(77, p), &bytes), PEER_OK);
    assert_int_equal(bytes, 77);
}

/* What cannot be true of a node is refused before anybody acts on it. */
static void a_hello_that_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *name, *cluster_id, *node_id, *host;
        uint64_t node;
        uint16_t port;
        int want;
    } cases[] = {
        {"unformed", "", ID_B, "h", 0, 1, PEER_OK},
        {"formed", ID_A, ID_B, "h", 1, 1, PEER_OK},
        {"formed without a number", ID_A, ID_B, "h", 0, 1, PEER_ERR_HEAD},
        {"a number without a cluster", "", ID_B, "h", 1, 1, PEER_ERR_HEAD},
        {"no node id", ID_A, "", "h", 1, 1, PEER_ERR_HEAD},
        {"a node id that is none", ID_A, "Z123456789abcdef0123456789abcdef01234567", "h", 1, 1,
         PEER_ERR_HEAD},
        {"no port", ID_A, ID_B, "h", 1, 0, PEER_ERR_HEAD},
        {"no host", ID_A, ID_B, "", 1, 1, PEER_ERR_HEAD},
        {"a host with a newline", ID_A, ID_B, "h\nx", 1, 1, PEER_ERR_HEAD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer_hello h = a_hello(), got;
        unsigned char p[PEER_HEAD_MAX];

        print_message("case: %s\n", cases[i].name);
        snprintf(h.cluster_id, sizeof h.cluster_id, "%s", cases[i].cluster_id);
        snprintf(h.node_id, sizeof h.node_id, "%s", cases[i].node_id);
        snprintf(h.addr.host, sizeof h.addr.host, "%s", cases[i].host);
        h.node = cases[i].node;
        h.addr.port = cases[i].port;
        assert_int_equal(peer_hello_decode(p, peer_hello_encode(&h, p), &got), cases[i].want);
    }
}

/* Flip each bit of a frame's header and head in turn: none may pass. (The body's CRC is in the
 * header, but not under the header's CRC: it fails when the body is compared.) */
static void any_flipped_bit_of_a_head_is_noticed(void **state)
{
    unsigned char f[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_hello hello = a_hello();
    struct peer_header h = {.type = PEER_FRAME_HELLO}, got;
    size_t n;

    (void)state;
    h.head_bytes = (uint16_t)peer_hello_encode(&hello, f + PEER_HEADER_BYTES);
    peer_header_encode(f, &h);
    n = PEER_HEADER_BYTES + h.head_bytes;
    assert_int_equal(peer_header_decode(f, &got), PEER_OK);
    assert_int_equal(peer_head_check(f, &got), PEER_OK);
    for (size_t bit = 0; bit < n * 8; bit++) {
        if (bit / 8 >= 12 && bit / 8 < 16) {
            continue;
        }
        f[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (peer_header_decode(f, &got) == PEER_OK) {
            /* What follows a longer head is there: the buffer is larger than the frame. */
            assert_int_equal(peer_head_check(f, &got), PEER_ERR_CRC);
        }
        f[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

/* Random bytes instead of a head: an error or a value, never a crash (run under sanitizers). */
static void random_heads_do_no_harm(void **state)
{
    struct rng rng;
    unsigned char p[256];

    (void)state;
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        size_t n = rng_below(&rng, sizeof p);
        struct peer_hello h;
        struct peer_raft r;
        struct peer_snap_offer o;
        struct peer_snap_reply s;
        uint64_t u;
        uint32_t crc;
        int ok = 0;

        for (size_t k = 0; k < n; k++) {
            p[k] = (unsigned char)rng_next(&rng);
        }
        if (n > 4) { /* more of them then begin with a field that exists */
            p[0] = (unsigned char)((1 + rng_below(&rng, 17)) << 3 | rng_below(&rng, 3));
        }
        ok += peer_hello_decode(p, n, &h) == PEER_OK;
        ok += peer_raft_decode(p, n, &r) == PEER_OK;
        ok += peer_snap_offer_decode(p, n, &o) == PEER_OK;
        ok += peer_snap_reply_decode(p, n, &s) == PEER_OK;
        ok += peer_user_decode(p, n, &u) == PEER_OK;
        ok += peer_snap_end_decode(p, n, &crc) == PEER_OK;
        assert_in_range(ok, 0, 6);
    }
}

static void entry_heads_survive_encoding(void **state)
{
    struct peer_entry_head e = {.term = 1ull << 63 | 5, .size = 0x80000001, .type = 2}, got;
    unsigned char p[PEER_ENTRY_HEAD_BYTES];

    (void)state;
    peer_entry_head_encode(p, &e);
    peer_entry_head_decode(p, &got);
    assert_true(e.term == got.term);
    assert_int_equal(e.size, got.size);
    assert_int_equal(e.type, got.type);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(heads_survive_encoding),
    cmocka_unit_test(a_hello_that_cannot_be_is_refused),
    cmocka_unit_test(any_flipped_bit_of_a_head_is_noticed),
    cmocka_unit_test(random_heads_do_no_harm),
    cmocka_unit_test(entry_heads_survive_encoding),
};

TEST_MAIN(tests)
