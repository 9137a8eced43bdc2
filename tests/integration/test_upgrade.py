# SPDX-License-Identifier: BSD-3-Clause
"""Nodes are replaced by newer versions one at a time. What older ones could not read is not written before the last
is new: that is the cluster's feature level. Here versions pretend to have another level."""

import pytest
from holdfast import Cluster, eventually

LEVEL = "HOLDFAST_PRETEND_FEATURE_LEVEL"


@pytest.fixture
def start(monkeypatch):
    def start(node, level, wait=True):
        monkeypatch.setenv(LEVEL, str(level))
        node.start(wait=wait)
        monkeypatch.delenv(LEVEL)

    return start


def level(node):
    return int(node.info("raft")["raft_feature_level"])


def levels(cluster):
    return [level(n) for n in cluster.running()]


def test_the_level_rises_with_the_last_node_and_never_falls(start):
    with Cluster(nodes=3) as cluster:
        first, second, third = cluster.nodes
        assert levels(cluster) == [1, 1, 1]
        for node in (first, second):
            node.terminate()
            start(node, 2)
            cluster.wait_serving()
            cluster.leader().call("SET", "k", node.number)
        # Users and functions of all versions go on working, whoever leads what.
        for node in cluster.nodes:
            assert node.call("ACL", "SETUSER", f"u{node.number}", "on") == "OK"
        assert levels(cluster) == [1, 1, 1]
        # Until then one can go back.
        second.terminate()
        second.start()
        cluster.wait_serving()
        second.terminate()
        start(second, 3)
        cluster.wait_serving()
        assert levels(cluster) == [1, 1, 1]

        third.terminate()
        start(third, 2)
        eventually(lambda: levels(cluster) == [2, 2, 2], 20, "the cluster is at level 2")
        assert first.log_has("all nodes of the cluster are at feature level 2 now")
        # From now on an older version does not even try.
        third.terminate()
        start(third, 1, wait=False)
        eventually(lambda: not third.is_running(), 20, "the old version ends")
        assert third.log_has("the cluster is at feature level 2, and this version at 1")
        third.process = None
        start(third, 2)
        # Also from a snapshot.
        for node in cluster.nodes:
            eventually(lambda node=node: "started" in node.call("BGSAVE"), 10, "a snapshot starts")
        for node in (first, second):
            node.terminate()
            start(node, 2)
        cluster.wait_serving()
        assert levels(cluster) == [2, 2, 2]
        assert third.call("ACL", "GETUSER", "u1") is not None
