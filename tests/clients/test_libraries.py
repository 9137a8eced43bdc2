# SPDX-License-Identifier: BSD-3-Clause
"""Libraries that people build on such a server, each doing what it is for: on a cluster of one group, of
three, and on a plain set. And what their users notice of a leader that is killed: a pause."""

import pytest

from conftest import where
from holdfast import Cluster
from node_load import Load

SCRIPTS = [
    "ioredis_types.js",
    "node_redis_types.js",
    "bull.js",
    "bullmq.js",
    "rate_limiter_flexible.js",
    "redlock.js",
    "sessions_http.js",
    "socket_io.js",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_library_on_a_cluster(either, run_on, script):
    run_on(either, script)


@pytest.mark.parametrize("script", [*SCRIPTS, "bee_queue.js"])
def test_library_on_a_plain_set(plain, run_on, script):
    run_on(plain, script)


def test_bee_queue_at_the_owner_of_its_slot(clustered, run_node):
    """It follows no redirections: in a cluster it has to be given the node that serves its prefix."""
    run_node("bee_queue.js", "single", clustered.leader().port)


@pytest.mark.parametrize("script", ["bullmq_load.js", "sessions_load.js"])
def test_library_goes_on_when_the_leader_is_killed(start_node, script):
    """The script itself checks that nothing acknowledged is lost, and fails if something is."""
    with Cluster() as cluster:
        process = start_node(script, *where(cluster))
        try:
            load = Load(process)
            load.wait_for(200)
            victim = cluster.leader()
            victim.kill()
            load.wait_for(200)
            victim.start()
            load.wait_for(100)
            outcome = load.stop()
        finally:
            process.kill()
            process.wait()
        print(outcome)
        assert len(cluster.digests()) == 1
