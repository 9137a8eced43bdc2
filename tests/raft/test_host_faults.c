/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_host_faults.c - three hosts on loopback, and what goes wrong around them. In all
 * of it nothing acknowledged may be lost, nothing may be applied twice. */
#include "tests/test.h"

#include "tests/raft/host_cluster.h"

#include "base/crc.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/peer.h"
#include "raft/host/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* At least @more entries beyond those acknowledged now. */
static bool progress(struct tcluster *c, uint64_t more)
{
    uint64_t from = tcluster_acked(c);

    return WAIT_FOR(WAIT_MS, tcluster_acked(c) > from + more);
}

/* Each node in turn is stopped and started again, under load, the leaders among them. */
static void restarts_under_load_lose_nothing(void **state)
{
    static const enum raft_durability modes[] = {RAFT_DURABLE_ALWAYS, RAFT_DURABLE_EVERYSEC};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(modes); k++) {
        struct tcluster *c = tcluster_new(3, 2);

        c->durability = modes[k];
        tcluster_start_all(c);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        for (size_t round = 0; round < 6; round++) {
            size_t victim = round % 3;

            if (round >= 3) {
                int leader = tcluster_leader(c, 0);

                victim = leader >= 0 ? (size_t)leader : victim;
            }
            tcluster_load(c, 8, 300);
            assert_true(progress(c, 100));
            tnode_stop(c, victim);
            assert_true(progress(c, 100)); /* two of three go on */
            tnode_start(c, victim);
        }
        tcluster_check(c);
        tcluster_free(c);
    }
}

/* All at once: what was acknowledged comes back. */
static void a_restart_of_all_loses_nothing(void **state)
{
    struct tcluster *c = tcluster_running(3, 2);

    (void)state;
    for (int round = 0; round < 3; round++) {
        tcluster_load(c, 16, 500);
        assert_true(progress(c, 300));
        for (size_t i = 0; i < 3; i++) {
            tnode_stop(c, i);
        }
        tcluster_start_all(c);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    }
    tcluster_check(c);
    tcluster_free(c);
}

/* Two of three gone: nothing is acknowledged, the leader steps down, its lease ends. */
static void a_minority_acknowledges_nothing(void **state)
{
    struct tcluster *c = tcluster_running(3, 1);
    size_t leader = (size_t)tcluster_leader(c, 0);
    uint64_t term = tnode_view(c, leader, 0).term, acked;

    (void)state;
    tnode_stop(c, (leader + 1) % 3);
    tnode_stop(c, (leader + 2) % 3);
    tcluster_load(c, 4, 100);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, leader, 0).role != RAFT_ROLE_LEADER));
    assert_false(raft_host_lease_valid(tnode_host(c, leader), 0, term));
    acked = tcluster_acked(c);
    tsleep_ms(200);
    assert_int_equal(tcluster_acked(c), acked);
    tnode_start(c, (leader + 1) % 3);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tnode_start(c, (leader + 2) % 3);
    tcluster_check(c);
    tcluster_free(c);
}

static unsigned files_in(const char *dir, const char *suffix)
{
    char path[PATH_MAX];
    const struct dirent *e;
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/snapshots", dir);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name), k = strlen(suffix);

        n += len >= k && strcmp(e->d_name + len - k, suffix) == 0;
    }
    closedir(d);
    return n;
}

/* A follower was away while the others cut their logs: it gets a snapshot by stream, then the rest
 * by messages. The streams of a slow sender do not hold anybody up. */
static void a_follower_left_behind_gets_a_snapshot(void **state)
{
    struct tcluster *c = tcluster_new(3, 2);
    size_t away = 0;

    (void)state;
    c->snapshot_padding = 3 << 20;
    c->snapshot_rate_bytes = 8 << 20;
    c->segment_bytes = 1 << 20;
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 8, 300);
    assert_true(progress(c, 50));
    tnode_stop(c, away);
    tcluster_load(c, 16, 60000);
    assert_true(progress(c, 900)); /* 50 MB: more than the tail that is kept for laggards */
    for (size_t i = 1; i < 3; i++) {
        for (uint32_t g = 0; g < 2; g++) {
            tnode_snapshot(c, i, g);
            assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, i, g).published == 1));
        }
        /* Only the newest file of each group stays. */
        assert_true(WAIT_FOR(WAIT_MS, files_in(tnode_dir(c, i), ".rdb") == 2));
    }
    tcluster_load(c, 2, 300);
    tnode_start(c, away);
    assert_true(
        WAIT_FOR(WAIT_MS, tnode_view(c, away, 0).installs + tnode_view(c, away, 1).installs >= 1));
    tcluster_check(c);
    assert_true(WAIT_FOR(WAIT_MS, files_in(tnode_dir(c, away), ".part") == 0));
    assert_true(WAIT_FOR(WAIT_MS, files_in(tnode_dir(c, away), ".rdb") == 2));
    /* And it starts again from what it received. */
    tnode_stop(c, away);
    tnode_start(c, away);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_check(c);
    tcluster_free(c);
}

/* A log that grows asks for snapshots by itself, and is cut by them. */
static void a_long_log_asks_for_a_snapshot(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    struct raft_group_status s;

    (void)state;
    c->snapshot_log_bytes = 4 << 20;
    c->segment_bytes = 1 << 20;
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 8, 20000);
    for (size_t i = 0; i < 3; i++) {
        assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, i, 0).published >= 1));
        assert_true(
            WAIT_FOR(WAIT_MS, raft_host_group_status(tnode_host(c, i), 0, &s) == RAFT_HOST_OK &&
                                  s.raft.snapshot.index > 1 && s.snapshot_bytes > 0));
    }
    tcluster_check(c);
    tcluster_free(c);
}

/* A follower whose disk is full acknowledges nothing, the cluster goes on; when there is room, it
 * catches up. The same for the leader. */
static void a_full_disk_stops_only_its_node(void **state)
{
    struct tcluster *c = tcluster_running(3, 1);

    (void)state;
    for (int who = 0; who < 2; who++) {
        size_t full = ((size_t)tcluster_leader(c, 0) + (size_t)who) % 3;

        tcluster_load(c, 4, 1000);
        assert_true(progress(c, 50));
        tnode_set_disk_full(c, full, true);
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, full).full == 1));
        if (who == 1) {
            assert_true(progress(c, 200));
        }
        assert_int_equal(tnode_counts(c, full).unfull, 0);
        tnode_set_disk_full(c, full, false);
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, full).unfull == 1));
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        assert_true(progress(c, 50));
    }
    tcluster_check(c);
    tcluster_free(c);
}

/* All disks full: nothing is acknowledged. With room again all goes on where it stood. */
static void full_disks_everywhere_lose_nothing(void **state)
{
    struct tcluster *c = tcluster_running(3, 2);
    uint64_t acked;

    (void)state;
    tcluster_load(c, 4, 1000);
    assert_true(progress(c, 50));
    for (size_t i = 0; i < 3; i++) {
        tnode_set_disk_full(c, i, true);
    }
    tcluster_load(c, 64, 1000); /* more than what has been written: the leaders find out too */
    for (size_t i = 0; i < 3; i++) {
        assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, i).full == 1));
    }
    tsleep_ms(200); /* what was under way */
    acked = tcluster_acked(c);
    tsleep_ms(500);
    assert_int_equal(tcluster_acked(c), acked);
    for (size_t i = 0; i < 3; i++) {
        tnode_set_disk_full(c, i, false);
    }
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 4, 1000);
    assert_true(progress(c, 50));
    tcluster_check(c);
    tcluster_free(c);
}

/* A host alone, which writes its log where it can without the log thread: snapshots and compactions
 * under load, a full disk and a restart lose nothing. */
static void a_host_alone_loses_nothing(void **state)
{
    (void)state;
    for (int d = RAFT_DURABLE_EVERYSEC; d <= RAFT_DURABLE_NO; d++) {
        struct tcluster *c = tcluster_new(1, 2);
        uint64_t acked;

        c->durability = (enum raft_durability)d;
        tcluster_start_all(c);
        assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        for (uint64_t round = 1; round <= 3; round++) {
            tcluster_load(c, 16, 500);
            assert_true(progress(c, 1000));
            tnode_snapshot(c, 0, 0);
            assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).published > 0));
            tnode_set_disk_full(c, 0, true);
            assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 0).full == 1));
            tsleep_ms(50); /* what was under way */
            acked = tcluster_acked(c);
            tsleep_ms(100);
            assert_int_equal(tcluster_acked(c), acked);
            tnode_set_disk_full(c, 0, false);
            assert_true(WAIT_FOR(WAIT_MS, tnode_counts(c, 0).unfull == 1));
            assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
            tcluster_load(c, 16, 500);
            assert_true(progress(c, 1000));
            assert_true(tnode_counts(c, 0).turns_here > 0);
            tnode_stop(c, 0);
            tnode_start(c, 0);
            assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
        }
        tcluster_check(c);
        tcluster_free(c);
    }
}

/* ---- the data directory -----------------------------------------------------------------------
 */

/* A machine that rebooted without a clean stop may have lost a tail that was acknowledged in
 * everysec mode: the replica is suspect until it has caught up, and stays so over a restart. */
static void a_reboot_makes_unsynced_replicas_suspect(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    struct raft_group_status s;
    struct data_dir d;

    (void)state;
    c->durability = RAFT_DURABLE_EVERYSEC;
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_load(c, 4, 100);
    assert_true(progress(c, 100));
    for (size_t i = 0; i < 3; i++) {
        tnode_stop(c, i);
    }
    /* A clean stop is no reason, even when the machine booted since. */
    assert_int_equal(data_dir_open(&d, tnode_dir(c, 0)), RAFT_HOST_OK);
    assert_true(d.clean_stop);
    strcpy(d.boot_id, "another boot");
    assert_int_equal(data_dir_save(&d), RAFT_HOST_OK);
    data_dir_close(&d);
    tnode_start(c, 0);
    assert_int_equal(raft_host_group_status(tnode_host(c, 0), 0, &s), RAFT_HOST_OK);
    assert_false(s.raft.tail_suspect);
    tnode_stop(c, 0);
    /* Without one it is. */
    assert_int_equal(data_dir_open(&d, tnode_dir(c, 0)), RAFT_HOST_OK);
    strcpy(d.boot_id, "another boot");
    d.clean_stop = false;
    assert_int_equal(data_dir_save(&d), RAFT_HOST_OK);
    data_dir_close(&d);
    for (int k = 0; k < 2; k++) { /* the second start has the right boot id, but no catching up */
        tnode_start(c, 0);
        assert_int_equal(raft_host_group_status(tnode_host(c, 0), 0, &s), RAFT_HOST_OK);
        assert_true(s.raft.tail_suspect);
        tnode_stop(c, 0);
    }
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    assert_true(WAIT_FOR(WAIT_MS, raft_host_group_status(tnode_host(c, 0), 0, &s) == RAFT_HOST_OK &&
                                      !s.raft.tail_suspect));
    tcluster_check(c);
    tnode_stop(c, 0);
    assert_int_equal(data_dir_open(&d, tnode_dir(c, 0)), RAFT_HOST_OK);
    assert_false(data_dir_is_suspect(&d, 0));
    data_dir_close(&d);
    tcluster_free(c);
}

static int try_open(const char *dir)
{
    struct raft_host_config config = {
        .dir = dir,
        .self = {.host = "127.0.0.1", .port = 1}, /* never reached, or refused: no right to it */
        .heartbeat_us = 50000,
        .election_timeout_us = 300000,
        .segment_bytes = 1 << 20,
    };
    struct raft_host *h;
    int rc;

    config.events = chan_new(16);
    config.self.port = 0; /* any */
    rc = raft_host_new(&config, &h);
    raft_host_free(h);
    chan_free(config.events);
    return rc;
}

static void patch(const char *path, off_t at, unsigned char xor)
{
    unsigned char b;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= xor;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

/* What is not ours, newer, damaged or incomplete is refused, and stays as it was. */
static void a_wrong_data_directory_is_refused(void **state)
{
    struct tcluster *c = tcluster_running(1, 1);
    char meta[PATH_MAX], away[PATH_MAX], wal[PATH_MAX], snapshots[PATH_MAX];
    const char *dir = tnode_dir(c, 0);

    (void)state;
    snprintf(meta, sizeof meta, "%s/node.meta", dir);
    snprintf(away, sizeof away, "%s/away", c->dir);
    snprintf(wal, sizeof wal, "%s/wal", dir);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    tcluster_load(c, 4, 100);
    assert_true(progress(c, 100));
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_LOCKED);
    tnode_stop(c, 0);
    assert_int_equal(try_open(dir), RAFT_HOST_OK);

    print_message("case: a flipped bit in node.meta\n");
    patch(meta, 30, 4);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_DAMAGED);
    patch(meta, 30, 4);
    print_message("case: a newer node.meta\n");
    patch(meta, 8, 2);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_VERSION);
    patch(meta, 8, 2);
    print_message("case: another program's file\n");
    patch(meta, 0, 1);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_DAMAGED);
    patch(meta, 0, 1);
    print_message("case: node.meta is gone\n");
    assert_int_equal(rename(meta, away), 0);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_DAMAGED);
    assert_int_equal(rename(away, meta), 0);
    print_message("case: the log is gone\n");
    assert_int_equal(rename(wal, away), 0);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_DAMAGED);
    assert_int_equal(rmdir(wal), 0); /* made anew, and empty */
    assert_int_equal(rename(away, wal), 0);
    print_message("case: the snapshots are gone\n");
    assert_int_equal(rename(snapshots, away), 0);
    assert_int_equal(try_open(dir), RAFT_HOST_ERR_DAMAGED);
    assert_int_equal(rmdir(snapshots), 0);
    assert_int_equal(rename(away, snapshots), 0);

    print_message("case: all is back\n");
    tnode_start(c, 0);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));
    tcluster_check(c);
    tcluster_free(c);
}

/* The log of another node of the same cluster does not become ours. */
static void a_foreign_log_is_refused(void **state)
{
    struct tcluster *c = tcluster_running(2, 1);
    char ours[PATH_MAX], theirs[PATH_MAX], away[PATH_MAX];

    (void)state;
    tnode_stop(c, 0);
    tnode_stop(c, 1);
    snprintf(ours, sizeof ours, "%s/wal", tnode_dir(c, 0));
    snprintf(theirs, sizeof theirs, "%s/wal", tnode_dir(c, 1));
    snprintf(away, sizeof away, "%s/away", c->dir);
    assert_int_equal(rename(ours, away), 0);
    assert_int_equal(rename(theirs, ours), 0);
    assert_int_equal(try_open(tnode_dir(c, 0)), RAFT_HOST_ERR_FOREIGN);
    tcluster_free(c);
}

/* ---- strangers on the peer port
 * ------------------------------------------------------------------ */

static int dial(const struct net_addr *a)
{
    struct pollfd p = {.events = POLLOUT};

    assert_int_equal(net_connect_start(a, &p.fd), 0);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(net_connect_result(p.fd), 0);
    return p.fd;
}

/* The other end closes, and well before its patience with silent ones is over: because of what we
 * said. What it says before that is thrown away. */
#define CLOSE_MS 2500
static bool is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char sink[4096];

    while (poll(&p, 1, CLOSE_MS) == 1) {
        ssize_t n = read(fd, sink, sizeof sink);

        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            return true;
        }
        assert_true(n > 0 || errno == EAGAIN);
    }
    return false;
}

static size_t frame(unsigned char *f, uint8_t type, uint8_t flags, size_t head_bytes,
                    size_t body_bytes)
{
    struct peer_header h = {.type = type,
                            .flags = flags,
                            .head_bytes = (uint16_t)head_bytes,
                            .body_bytes = (uint32_t)body_bytes};
    unsigned char *body = f + PEER_HEADER_BYTES + head_bytes;

    h.body_crc = crc32c(0, body, body_bytes);
    peer_header_encode(f, &h);
    return PEER_HEADER_BYTES + head_bytes + body_bytes;
}

#define CLUSTER_ID_HERE "c0ffee0000000000000000000000000000000001"

static size_t hello(struct tcluster *c, size_t as, unsigned char *f, const char *cluster_id,
                    uint32_t kind)
{
    struct peer_hello h = {.protocol = PEER_PROTOCOL, .kind = kind, .node = as + 1};

    snprintf(h.cluster_id, sizeof h.cluster_id, "%s", cluster_id);
    memset(h.node_id, 'a', PEER_ID_CHARS);
    h.addr = c->peers[as].addr;
    return frame(f, PEER_FRAME_HELLO, 0, peer_hello_encode(&h, f + PEER_HEADER_BYTES), 0);
}

/* The one of two nodes that dials: its "host:port" sorts first. */
static bool dials(struct tcluster *c, size_t a, size_t b)
{
    char x[300], y[300];

    snprintf(x, sizeof x, "%s:%u", c->peers[a].addr.host, (unsigned)c->peers[a].addr.port);
    snprintf(y, sizeof y, "%s:%u", c->peers[b].addr.host, (unsigned)c->peers[b].addr.port);
    return strcmp(x, y) < 0;
}

/* Garbage, messages before a greeting, members of other clusters, and greetings followed by
 * nonsense: the connection is closed, the node lives and serves. */
static void nonsense_on_the_peer_port_closes_the_connection(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    static unsigned char f[PEER_HEADER_BYTES + PEER_HEAD_MAX + PEER_CHUNK_BYTES];
    struct peer_raft m = {.group = 0, .type = 5, .from = 0, .to = 0, .term = 9};
    size_t who = 2, target = 0, n;
    int fd;

    (void)state;
    c->election_timeout_us = 1500000; /* silence is suffered four times as long */
    /* Play the part of a node that dials one which runs. */
    for (size_t a = 0; a < 3; a++) {
        for (size_t b = 0; b < 3; b++) {
            if (a != b && dials(c, a, b)) {
                who = a;
                target = b;
            }
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (i != who) {
            tnode_start(c, i);
        }
    }
    assert_true(WAIT_FOR(WAIT_MS, tcluster_has_leaders(c)));

    for (int i = 0; i < 12; i++) {
        static const char *const names[] = {"random bytes",
                                            "a message before the greeting",
                                            "a greeting of another cluster",
                                            "a greeting with a wrong checksum",
                                            "a rest without a beginning",
                                            "a message in another node's name",
                                            "a message that says it has more than it has",
                                            "an impossible entry",
                                            "two cut messages in one lane",
                                            "a damaged body",
                                            "a message Raft cannot accept",
                                            "a greeting for a stream, then garbage"};

        print_message("case: %s\n", names[i]);
        fd = dial(&c->peers[target].addr);
        n = 0;
        if (i >= 4 && i < 11) {
            n = hello(c, who, f, CLUSTER_ID_HERE, PEER_HELLO_MESSAGES);
            assert_int_equal(file_write_all(fd, f, n), 0);
        }
        m.from = who + 1;
        m.to = target + 1;
        m.n_entries = 0;
        m.body_bytes = 0;
        m.pos_index = m.pos_term = 0;
        memset(f, 0, sizeof f);
        switch (i) {
        case 0:
            memset(f, 0x5a, 1000);
            n = 1000;
            break;
        case 1:
            n = frame(f, PEER_FRAME_RAFT, 0, peer_raft_encode(&m, f + PEER_HEADER_BYTES), 0);
            break;
        case 2:
            n = hello(c, who, f, "d0ffee0000000000000000000000000000000001", 0);
            break;
        case 3:
            n = hello(c, who, f, CLUSTER_ID_HERE, 0);
            f[PEER_HEADER_BYTES + 3] ^= 1;
            break;
        case 4:
            n = frame(f, PEER_FRAME_CONT, 0, 0, 10);
            break;
        case 5:
            m.from = target + 1;
            n = frame(f, PEER_FRAME_RAFT, 0, peer_raft_encode(&m, f + PEER_HEADER_BYTES), 0);
            break;
        case 6:
            m.n_entries = 3;
            m.body_bytes = 3 * PEER_ENTRY_HEAD_BYTES + 50;
            n = frame(f, PEER_FRAME_RAFT, 0, peer_raft_encode(&m, f + PEER_HEADER_BYTES),
                      3 * PEER_ENTRY_HEAD_BYTES);
            break;
        case 7: {
            struct peer_entry_head e = {.term = 9, .size = 0x7fffffff, .type = 1};
            size_t head;

            m.n_entries = 1;
            m.body_bytes = PEER_ENTRY_HEAD_BYTES + 5;
            head = peer_raft_encode(&m, f + PEER_HEADER_BYTES);
            peer_entry_head_encode(f + PEER_HEADER_BYTES + head, &e);
            n = frame(f, PEER_FRAME_RAFT, 0, head, PEER_ENTRY_HEAD_BYTES + 5);
            break;
        }
        case 8:
            m.n_entries = 1;
            m.body_bytes = PEER_ENTRY_HEAD_BYTES;
            n = frame(f, PEER_FRAME_RAFT, PEER_FLAG_MORE,
                      peer_raft_encode(&m, f + PEER_HEADER_BYTES), 3);
            assert_int_equal(file_write_all(fd, f, n), 0);
            break;
        case 9:
            n = frame(f, PEER_FRAME_USER, 0, peer_user_encode(10, f + PEER_HEADER_BYTES), 10);
            f[n - 1] ^= 1;
            break;
        case 10:
            m.pos_index = 5; /* without a term */
            n = frame(f, PEER_FRAME_RAFT, 0, peer_raft_encode(&m, f + PEER_HEADER_BYTES), 0);
            break;
        case 11:
            n = hello(c, who, f, CLUSTER_ID_HERE, PEER_HELLO_SNAPSHOT);
            assert_int_equal(file_write_all(fd, f, n), 0);
            tsleep_ms(50);
            memset(f, 0x5a, 1000);
            n = 1000;
            break;
        default:
            fail();
        }
        assert_int_equal(file_write_all(fd, f, n), 0);
        assert_true(is_closed(fd));
        close(fd);
    }
    tcluster_load(c, 4, 100);
    assert_true(progress(c, 100));
    tcluster_check(c);
    tcluster_free(c);
}

/* ---- a stream that breaks
 * ------------------------------------------------------------------------ */

static void receive_reply(int fd, struct peer_snap_reply *r)
{
    unsigned char f[PEER_HEADER_BYTES + PEER_HEAD_MAX];
    struct peer_header h;
    size_t got = 0, want = PEER_HEADER_BYTES;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        while (got < want) {
            ssize_t n;

            assert_int_equal(poll(&p, 1, WAIT_MS), 1);
            n = read(fd, f + got, want - got);
            assert_true(n > 0);
            got += (size_t)n;
        }
        assert_int_equal(peer_header_decode(f, &h), PEER_OK);
        if (want < PEER_HEADER_BYTES + (size_t)h.head_bytes) {
            want += h.head_bytes;
            continue;
        }
        assert_int_equal(peer_head_check(f, &h), PEER_OK);
        if (h.type == PEER_FRAME_SNAP_REPLY) {
            assert_int_equal(peer_snap_reply_decode(f + PEER_HEADER_BYTES, h.head_bytes, r),
                             PEER_OK);
            return;
        }
        assert_int_equal(h.type, PEER_FRAME_HELLO);
        got = 0;
        want = PEER_HEADER_BYTES;
    }
}

/* A stream that breaks goes on where it ended; one that arrives damaged begins anew; one that is
 * whole and right becomes the state. The test plays the leader. */
static void a_broken_snapshot_stream_goes_on_where_it_ended(void **state)
{
    struct tcluster *c = tcluster_new(3, 1);
    static unsigned char f[PEER_HEADER_BYTES + PEER_HEAD_MAX + PEER_CHUNK_BYTES];
    const size_t payload = 1000000, size = 32 + payload;
    const size_t half = 2 * PEER_CHUNK_BYTES;
    unsigned char *file = mem_zalloc(size);
    uint64_t head[4] = {5000, 7, 0, payload};
    struct raft_members m = {.n = 3};
    struct peer_snap_offer o;
    struct peer_snap_reply r;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        m.m[i].id = i + 1;
        m.m[i].flags = RAFT_MEMBER_VOTER;
    }
    memcpy(file, head, sizeof head);
    memset(&o, 0, sizeof o);
    o.from = 2;
    o.term = 7;
    o.pos_term = 7;
    o.pos_index = 5000;
    o.size = size;
    o.file_id_bytes = 4;
    memcpy(o.file_id, "file", 4);
    o.members_bytes = raft_members_encode(&m, o.members);
    tnode_start(c, 0); /* alone: no leader, so nothing else happens */
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).present));

    for (int attempt = 0; attempt < 4; attempt++) {
        int fd = dial(&c->peers[0].addr);
        bool damaged = attempt == 1;
        size_t at, n;

        n = hello(c, 1, f, CLUSTER_ID_HERE, PEER_HELLO_SNAPSHOT);
        assert_int_equal(file_write_all(fd, f, n), 0);
        tsleep_ms(50);
        n = frame(f, PEER_FRAME_SNAP_OFFER, 0, peer_snap_offer_encode(&o, f + PEER_HEADER_BYTES),
                  0);
        assert_int_equal(file_write_all(fd, f, n), 0);
        receive_reply(fd, &r);
        if (attempt == 3) {
            assert_int_equal(r.status, PEER_SNAP_NOT_NEEDED);
            close(fd);
            break;
        }
        assert_int_equal(r.status, PEER_SNAP_SEND);
        assert_int_equal(r.offset, attempt == 1 ? half : 0);
        for (at = r.offset; at < size;) {
            n = MIN_OF(size - at, (size_t)PEER_CHUNK_BYTES);
            memcpy(f + PEER_HEADER_BYTES, file + at, n);
            if (damaged) {
                f[PEER_HEADER_BYTES] ^= 1; /* on the sender's disk, say: the frame is right */
                damaged = false;
            }
            assert_int_equal(file_write_all(fd, f, frame(f, PEER_FRAME_SNAP_DATA, 0, 0, n)), 0);
            at += n;
            if (attempt == 0 && at == half) {
                break;
            }
        }
        if (attempt == 0) {
            tsleep_ms(100); /* let it be written */
            close(fd);
            tsleep_ms(100);
            continue;
        }
        n = frame(f, PEER_FRAME_SNAP_END, 0,
                  peer_snap_end_encode(crc32c(0, file, size), f + PEER_HEADER_BYTES), 0);
        assert_int_equal(file_write_all(fd, f, n), 0);
        receive_reply(fd, &r);
        assert_int_equal(r.status, attempt == 1 ? PEER_SNAP_BROKEN : PEER_SNAP_DONE);
        close(fd);
        if (attempt == 2) {
            assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).applied == 5000));
            assert_int_equal(tnode_view(c, 0, 0).installs, 1);
        }
    }
    /* It is durable. */
    tnode_stop(c, 0);
    tnode_start(c, 0);
    assert_true(WAIT_FOR(WAIT_MS, tnode_view(c, 0, 0).applied == 5000));
    free(file);
    tcluster_free(c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(restarts_under_load_lose_nothing),
    cmocka_unit_test(a_restart_of_all_loses_nothing),
    cmocka_unit_test(a_minority_acknowledges_nothing),
    cmocka_unit_test(a_follower_left_behind_gets_a_snapshot),
    cmocka_unit_test(a_long_log_asks_for_a_snapshot),
    cmocka_unit_test(a_full_disk_stops_only_its_node),
    cmocka_unit_test(full_disks_everywhere_lose_nothing),
    cmocka_unit_test(a_host_alone_loses_nothing),
    cmocka_unit_test(a_reboot_makes_unsynced_replicas_suspect),
    cmocka_unit_test(a_wrong_data_directory_is_refused),
    cmocka_unit_test(a_foreign_log_is_refused),
    cmocka_unit_test(nonsense_on_the_peer_port_closes_the_connection),
    cmocka_unit_test(a_broken_snapshot_stream_goes_on_where_it_ended),
};

/* With an argument: only the tests whose names match this pattern. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
