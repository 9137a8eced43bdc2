# SPDX-License-Identifier: BSD-3-Clause
"""ioredis and node-redis (versions 5 and 4) against running clusters: their features, and a leader
that is killed while they write."""

import pytest

from holdfast import SLOW, Cluster, Session
from node_load import Load

NODE_REDIS = [("redis", 2), ("redis", 3), ("redis-4", 2)]


def ports(cluster):
    return [n.port for n in cluster.nodes]


def test_ioredis(plain, run_node):
    run_node("ioredis_features.js", "single", plain.leader().port, timeout_s=60 * SLOW)


def flush(cluster):
    for group in cluster.groups:
        cluster.leader(group).call("FLUSHALL")


def test_ioredis_cluster(either, run_node):
    run_node("ioredis_features.js", "cluster", len(either.groups), *ports(either), timeout_s=60 * SLOW)


@pytest.mark.parametrize("library,protocol", NODE_REDIS)
def test_node_redis(plain, run_node, library, protocol):
    plain.leader().call("FLUSHALL")
    run_node("node_redis_features.js", library, protocol, "single", plain.leader().port, timeout_s=60 * SLOW)


@pytest.mark.parametrize("library,protocol", NODE_REDIS)
def test_node_redis_cluster(either, run_node, library, protocol):
    flush(either)
    words = (library, protocol, "cluster", len(either.groups), *ports(either))
    run_node("node_redis_features.js", *words, timeout_s=60 * SLOW)


@pytest.mark.parametrize("library", ["ioredis", "redis", "redis-4"])
@pytest.mark.parametrize("mode,groups", [("cluster", 1), ("cluster", 3), ("single", 1)])
def test_a_killed_leader_costs_nothing_but_a_pause(start_node, library, mode, groups):
    """Nothing acknowledged is lost, and the client finds the new leader without help.

    node-redis learns of a new master only by MOVED, also with Redis: as long as nothing answers at
    the old leader's address, its cluster client goes on trying there. So with it the killed node is
    started again, as its supervisor would do, before writes must go on."""
    with Cluster(plain=mode == "single", cluster_data_groups=groups) as cluster:
        process = start_node("load.js", library, mode, *ports(cluster))
        try:
            load = Load(process)
            load.wait_for(1000)
            victim = cluster.leader()
            victim.kill()
            if library == "ioredis" or mode == "single":
                load.wait_for(1000, within_s=20)
                victim.start()
            else:
                cluster.wait_serving()
                victim.start()
                load.wait_for(1000, within_s=20)
            load.wait_for(500)
            outcome = load.stop()
        finally:
            process.kill()
            process.wait()
        assert outcome["longest_gap_ms"] < 10_000 * SLOW, outcome
        cluster.wait_caught_up()
        session = Session(cluster)
        for key, state in outcome["keys"].items():
            value = int(session.call("GET", key))
            assert state["acknowledged"] <= value <= state["tried"], (key, value, state)
        for counter, acknowledged in outcome["counters"].items():
            assert int(session.call("GET", counter)) >= acknowledged, counter
        session.close()
        assert len(cluster.digests()) == 1
