/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_host_parts.c - parts of the host by themselves: mail, the data directory, names
 * of snapshot files. */
#include "tests/test.h"

#include "raft/host/internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- mail --------------------------------------------------------------------------------------
 */

#define PRODUCERS 3
#define MAILS 20000u

struct post {
    struct mailbox box;
    struct ev_loop *loop;
    uint64_t last[PRODUCERS];
    unsigned got, wakes;
};

struct producer {
    struct post *post;
    uint32_t id;
};

static void on_mail(EV_P_ ev_async *w, int revents)
{
    struct post *p = ev_userdata(loop);
    struct mail *m;
    size_t n = mailbox_take(&p->box, &m);

    (void)w;
    (void)revents;
    p->wakes++;
    for (size_t i = 0; i < n; i++) {
        assert_true(m[i].token == p->last[m[i].group] + 1); /* in order of each producer */
        p->last[m[i].group] = m[i].token;
    }
    p->got += (unsigned)n;
    if (p->got == PRODUCERS * MAILS) {
        ev_break(loop, EVBREAK_ALL);
    }
}

static void *produce(void *arg)
{
    struct producer *me = arg;

    for (uint64_t i = 1; i <= MAILS; i++) {
        struct mail m = {.type = MAIL_READ, .group = me->id, .token = i};

        mailbox_put(&me->post->box, &m, i % 7 == 0 || i == MAILS);
    }
    return NULL;
}

/* Several threads put, some of it without a wake-up: all arrives, in order, and the consumer is
 * never left asleep with a wake-up owed. */
static void mail_arrives_in_order_and_wakes(void **state)
{
    struct post p = {.got = 0};
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];

    (void)state;
    mailbox_init(&p.box);
    p.loop = ev_loop_new(EVFLAG_AUTO);
    ev_set_userdata(p.loop, &p);
    mailbox_attach(&p.box, p.loop, on_mail);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&p, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    ev_run(p.loop, 0);
    for (size_t i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(p.last[i] == MAILS);
    }
    assert_true(p.wakes <= PRODUCERS * (MAILS / 7 + 1) + 1);
    mailbox_detach(&p.box);
    mailbox_release(&p.box);
    ev_loop_destroy(p.loop);
}

/* "Applied up to" replaces an older one of the same group, but never jumps over other mail. */
static void applied_mail_is_coalesced(void **state)
{
    struct mailbox box;
    struct mail other = {.type = MAIL_READ, .group = 1}, *m;

    (void)state;
    mailbox_init(&box);
    mailbox_put_applied(&box, 1, 10);
    mailbox_put_applied(&box, 1, 11);
    mailbox_put_applied(&box, 2, 5);
    mailbox_put(&box, &other, false);
    mailbox_put_applied(&box, 2, 6);
    assert_int_equal(mailbox_take(&box, &m), 4);
    assert_int_equal(m[0].index, 11);
    assert_int_equal(m[1].index, 5);
    assert_int_equal(m[2].type, MAIL_READ);
    assert_int_equal(m[3].index, 6);
    assert_int_equal(mailbox_take(&box, &m), 0);
    mailbox_release(&box);
}

/* ---- the data directory
 * -------------------------------------------------------------------------- */

static void make_dir(char *path)
{
    memcpy(path, "/tmp/holdfast-parts-XXXXXX", sizeof "/tmp/holdfast-parts-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void remove_dir(const char *path)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

/* A node's id is drawn once; everything else is as it was saved last. */
static void an_identity_is_drawn_once_and_kept(void **state)
{
    char path[64];
    struct data_dir d, again;

    (void)state;
    make_dir(path);
    assert_int_equal(data_dir_open(&d, path), RAFT_HOST_OK);
    assert_int_equal(strlen(d.identity.node_id), RAFT_HOST_ID_CHARS);
    assert_int_equal(d.identity.node, 0);
    assert_int_equal(data_dir_open(&again, path), RAFT_HOST_ERR_LOCKED);
    memset(d.identity.cluster_id, 'a', RAFT_HOST_ID_CHARS);
    d.identity.node = 42;
    d.log_ready = d.unsynced = d.clean_stop = true;
    strcpy(d.boot_id, "this boot");
    for (uint32_t i = 0; i < 100; i++) {
        data_dir_add_group(&d, i);
        data_dir_add_group(&d, i);
        data_dir_set_suspect(&d, i, true);
        data_dir_set_suspect(&d, i, true);
    }
    for (uint32_t i = 0; i < 99; i++) {
        data_dir_set_suspect(&d, i, false);
        data_dir_set_suspect(&d, i, false);
    }
    assert_int_equal(data_dir_save(&d), RAFT_HOST_OK);
    again = d; /* to compare with; its memory is freed below */
    {
        char node_id[RAFT_HOST_ID_CHARS + 1];

        memcpy(node_id, d.identity.node_id, sizeof node_id);
        data_dir_close(&d);
        assert_int_equal(data_dir_open(&d, path), RAFT_HOST_OK);
        assert_string_equal(d.identity.node_id, node_id);
    }
    assert_string_equal(d.identity.cluster_id, again.identity.cluster_id);
    assert_int_equal(d.identity.node, 42);
    assert_true(d.log_ready && d.unsynced && d.clean_stop);
    assert_string_equal(d.boot_id, "this boot");
    assert_int_equal(d.n_groups, 100);
    assert_int_equal(d.n_suspects, 1);
    assert_true(data_dir_is_suspect(&d, 99));
    assert_false(data_dir_is_suspect(&d, 0));
    assert_true(data_dir_has_group(&d, 0));
    assert_false(data_dir_has_group(&d, 100));
    data_dir_close(&d);
    remove_dir(path);
}

static void the_boot_id_is_the_systems(void **state)
{
    char a[DATA_DIR_BOOT_ID_MAX], b[DATA_DIR_BOOT_ID_MAX];

    (void)state;
    data_dir_read_boot_id(a);
    data_dir_read_boot_id(b);
    assert_int_equal(strlen(a), 36);
    assert_string_equal(a, b);
}

/* ---- names of snapshot files
 * ---------------------------------------------------------------------- */

static void snapshot_names_are_read_back(void **state)
{
    static const char *const wrong[] = {"",
                                        "g1-2-3.part",
                                        "g1-2-3.rdb.tmp",
                                        "g1-2.rdb",
                                        "g-1-2-3.rdb",
                                        "g01-2-3.rdb",
                                        "g1-+2-3.rdb",
                                        "g1- 2-3.rdb",
                                        "g4294967296-2-3.rdb",
                                        "x1-2-3.rdb"};
    struct raft_pos pos = {.index = UINT64_MAX, .term = UINT64_MAX - 1}, got;
    char name[SNAPSHOT_NAME_MAX];
    uint32_t group;

    (void)state;
    snapshot_name(UINT32_MAX, pos, name);
    assert_true(snapshot_parse_name(name, &group, &got));
    assert_true(group == UINT32_MAX && got.index == pos.index && got.term == pos.term);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        print_message("case: %s\n", wrong[i]);
        assert_false(snapshot_parse_name(wrong[i], &group, &got));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(mail_arrives_in_order_and_wakes),
    cmocka_unit_test(applied_mail_is_coalesced),
    cmocka_unit_test(an_identity_is_drawn_once_and_kept),
    cmocka_unit_test(the_boot_id_is_the_systems),
    cmocka_unit_test(snapshot_names_are_read_back),
};

TEST_MAIN(tests)
