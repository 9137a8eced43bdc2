/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/raft/test_host.c - three hosts on loopback: what a cluster does when nothing breaks. */
#include "tests/test.h"

#include "tests/raft/host_cluster.h"

#include <inttypes.h>

static bool has_leaders(struct tcluster *c)
{
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (tcluster_leader(c, g) < 0) {
            return false;
        }
    }
    return true;
}

/* The walking skeleton: entries proposed on the leader are applied on all nodes. */
static void three_hosts_commit_entries(void **state)
{
    struct tcluster *c = tcluster_new(3, 2);

    (void)state;
    tcluster_start_all(c);
    assert_true(WAIT_FOR(WAIT_MS, has_leaders(c)));
    tcluster_load(c, 8, 100);
    assert_true(WAIT_FOR(WAIT_MS, tcluster_acked(c) > 2000));
    tcluster_check(c);
    tcluster_free(c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(three_hosts_commit_entries),
};

TEST_MAIN(tests)
