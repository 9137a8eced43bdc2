# SPDX-License-Identifier: BSD-3-Clause
"""Times to live of hash fields on real nodes: the leader's clock deletes what nobody asks for, whoever
leads; followers only hide; times survive snapshots and restarts."""

import time

from holdfast import Cluster, eventually, info
from loads import snapshot_files

FIELDS = 300


def set_field(client, key, field, ms):
    assert client.call("HSETEX", key, "PX", ms, "FIELDS", 1, field, "v") == 1


def test_fields_that_nobody_asks_for_are_deleted_on_all_nodes():
    """With the last field the key goes. That a key is gone shows in DBSIZE: reading a field only hides it."""
    with Cluster(plain=True) as cluster, cluster.leader().client() as c:
        for i in range(20):
            set_field(c, f"gone:{i}", "a", 300)
        c.pipeline([("HSETEX", "some", "PX", 300, "FIELDS", 1, f"f{i}", "v") for i in range(FIELDS)])
        c.call("HSET", "some", "stays", 1)
        c.call("HSETEX", "later", "EX", 1000, "FIELDS", 1, "a", 1)
        assert c.call("DBSIZE") == 22
        eventually(lambda: c.call("DBSIZE") == 2, 20, "keys without fields are deleted")
        eventually(lambda: c.call("OBJECT", "ENCODING", "some") and c.call("HLEN", "some") == 1, 20, "fields are gone")
        assert len(cluster.digests()) == 1
        for node in cluster.nodes:
            assert node.call("DBSIZE") == 2


def test_a_new_leader_deletes_what_became_due_under_the_old_one():
    with Cluster(plain=True) as cluster:
        old = cluster.leader()
        with old.client() as c:
            for i in range(50):
                set_field(c, f"k{i}", "a", 2000)
            c.call("HSET", "k0", "b", 1)
            assert c.call("DBSIZE") == 50
        old.kill()
        new = cluster.leader()
        assert new is not old
        with new.client() as c:
            eventually(lambda: c.call("DBSIZE") == 1, 30, "the new leader deletes the fields")
            assert c.call("HGETALL", "k0") == [b"b", b"1"]
        old.start()
        eventually(lambda: len(cluster.digests()) == 1, 30, "the old leader follows")
        assert old.call("DBSIZE") == 1


def test_a_follower_hides_fields_and_deletes_nothing_by_itself():
    """It is alone when the fields become due, so that there is no leader."""
    with Cluster(plain=True, replica_serve_stale_data="yes") as cluster:
        leader, (follower, third) = cluster.leader(), cluster.followers()
        with leader.client() as c:
            set_field(c, "h", "a", 1500)
            c.call("HSET", "h", "b", 1)
            cluster.wait_caught_up()
        with follower.client() as c:
            before = c.call("DEBUG", "DIGEST")
            leader.stop()
            third.stop()
            eventually(lambda: c.call("HLEN", "h") == 1, 10, "the field is hidden")
            assert c.call("HGETALL", "h") == [b"b", b"1"]
            assert c.call("HPTTL", "h", "FIELDS", 2, "a", "b") == [-2, -1]
            assert c.call("DEBUG", "DIGEST") == before
        leader.cont()
        third.cont()


def test_times_survive_snapshots_and_restarts():
    with Cluster(plain=True) as cluster:
        with cluster.leader().client() as c:
            for key, n in (("small", 5), ("big", 2000)):
                c.pipeline([("HSET", key, f"f{i}", i) for i in range(n)])
                c.pipeline([("HPEXPIREAT", key, 33177117420000 + i, "FIELDS", 1, f"f{i}") for i in range(0, n, 2)])
            set_field(c, "short", "a", 3000)
            set_field(c, "short", "b", 100000)
            times = [c.call("HPEXPIRETIME", k, "FIELDS", 3, "f0", "f1", "f4") for k in ("small", "big")]
            assert times == [[33177117420000, -1, 33177117420004]] * 2
        before = cluster.digests()
        assert len(before) == 1
        for node in cluster.nodes:
            with node.client() as c:
                index = int(node.group()["snapshot_index"])
                c.call("BGSAVE")
                eventually(lambda n=node, i=index: int(n.group()["snapshot_index"]) > i, 30, "a snapshot is published")
                eventually(lambda c=c: info(c, "persistence")["rdb_bgsave_in_progress"] == "0", 10, "all is written")
                assert snapshot_files(node)
        with cluster.leader().client() as c:
            set_field(c, "after", "a", 1000000)  # in the log only
        for node in cluster.nodes:
            node.kill()
        time.sleep(1)
        cluster.start()
        with cluster.leader().client() as c:
            assert [c.call("HPEXPIRETIME", k, "FIELDS", 3, "f0", "f1", "f4") for k in ("small", "big")] == times
            assert c.call("OBJECT", "ENCODING", "small") == b"listpackex"
            assert c.call("HLEN", "big") == 2000
            assert c.call("HTTL", "after", "FIELDS", 1, "a")[0] > 900
            eventually(lambda: c.call("HLEN", "short") == 1, 20, "the field that was short of its time is over")
            eventually(lambda: info(c, "stats")["expired_subkeys"] == "1", 20, "and has been deleted")
            c.call("HSET", "after", "b", 1)  # behind it in the log
        assert len(cluster.digests()) == 1
