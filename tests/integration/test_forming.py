# SPDX-License-Identifier: BSD-3-Clause
"""Nodes that were started with the same list become one cluster, once, whatever happens meanwhile;
anything else waits or ends with a line that says why."""

import random
import re
import shutil
import socket
import time

import pytest

from holdfast import Cluster, Writers, eventually, free_port
from loads import NodeMeta


def identity(node):
    raft = node.info("raft")
    return raft["raft_cluster_id"], raft["raft_formed"], raft["raft_node"]


def formed_as_one(cluster):
    """All nodes are members of the same cluster, with numbers of their own."""
    for node in cluster.nodes:
        eventually(lambda node=node: "group1" in node.info("raft"), 30, f"node {node.number} has its groups")
    cluster.wait_serving()
    seen = [identity(n) for n in cluster.nodes]
    assert len({cluster_id for cluster_id, _, _ in seen}) == 1 and seen[0][0] != "", seen
    assert {formed for _, formed, _ in seen} == {"1"}, seen
    assert sorted(int(number) for _, _, number in seen) == list(range(1, len(cluster.nodes) + 1)), seen
    return seen[0][0]


def test_nodes_started_one_after_another_form_once():
    with Cluster(start=False) as cluster:
        for i, node in enumerate(cluster.nodes):
            node.start()
            if i < 2:
                # Alone they wait: no majority of two decides without the third.
                time.sleep(0.7)
                assert identity(node)[:2] == ("", "0")
        first = formed_as_one(cluster)
        cluster.leader().call("SET", "k", "v")
        for _ in range(2):
            for node in cluster.nodes:
                node.kill()
            for node in reversed(cluster.nodes):
                node.start(wait=False)
                time.sleep(random.random() * 0.3)
            cluster.start()
            assert formed_as_one(cluster) == first
        assert cluster.leader().call("GET", "k") == b"v"


def test_five_nodes():
    with Cluster(nodes=5) as cluster, Writers(cluster, threads=2) as writers:
        formed_as_one(cluster)
        writers.wait_for(100)
        for node in cluster.followers()[:2]:
            node.kill()
        writers.wait_for(100)
        cluster.start()
        writers.stop()
        writers.check()
        assert len(cluster.digests()) == 1


def test_a_node_without_a_list_is_a_cluster_of_one():
    with Cluster(nodes=1) as cluster:
        node = cluster.nodes[0]
        node.terminate()
        shutil.rmtree(node.dir)
        words = node.command_line()
        at = words.index("--cluster-nodes")
        node.command_line = lambda: words[:at] + words[at + 2 :]
        node.start()
        first = formed_as_one(cluster)
        assert node.call("SET", "k", "v") == "OK"
        node.kill()
        node.start()
        assert formed_as_one(cluster) == first
        assert node.call("GET", "k") == b"v"


def waits(nodes, pattern, for_s=1.5):
    """None of @nodes forms; one of them at least says why."""
    eventually(
        lambda: any(n.logfile.exists() and re.search(pattern, n.logfile.read_text()) for n in nodes),
        15,
        f"a log line like {pattern!r}",
    )
    time.sleep(for_s)
    for node in nodes:
        assert identity(node)[:2] == ("", "0"), f"node {node.number} formed"
        assert not (node.dir / "genesis").exists()


def test_another_list_waits_and_is_named():
    with Cluster(start=False) as cluster:
        odd = cluster.nodes[2]
        odd.options["cluster-nodes"] = " ".join(n.peer_address for n in cluster.nodes) + f" 127.0.0.1:{free_port()}"
        for node in cluster.nodes:
            node.start()
        waits(cluster.nodes, rf"waiting for: .*(127\.0\.0\.1:\d+ \(names another cluster-nodes list\))")
        odd.kill()
        del odd.options["cluster-nodes"]
        odd.start()
        formed_as_one(cluster)


def test_another_mode_waits_and_is_named():
    with Cluster(start=False) as cluster:
        odd = cluster.nodes[1]
        odd.options["cluster-enabled"] = "no"
        for node in cluster.nodes:
            node.start()
        waits(cluster.nodes, r"waiting for: .*\(has another cluster-enabled\)")
        odd.kill()
        del odd.options["cluster-enabled"]
        odd.start()
        formed_as_one(cluster)


def test_the_same_data_directory_twice_does_not_form():
    """A prepared directory that was copied: two nodes with the same id."""
    with Cluster(start=False) as cluster:
        a, b, c = cluster.nodes
        a.start()
        a.kill()
        shutil.copytree(a.dir, b.dir)
        for node in cluster.nodes:
            node.start()
        waits(cluster.nodes, r"same node id as another: a copied data directory")
        b.kill()
        shutil.rmtree(b.dir)
        b.start()
        formed_as_one(cluster)


def test_a_crash_at_any_moment_of_forming_ends_in_one_cluster():
    """kill -9 of nodes at random moments of the first second, again and again, then let them be.

    Whatever cluster id was the first to be seen must be the one in the end."""
    rng = random.Random(20261123)
    for round_number in range(6):
        with Cluster(start=False) as cluster:
            seen = set()
            for node in cluster.nodes:
                node.start(wait=False)
            for _ in range(6):
                # Forming takes some 100 ms from the start of the last node on.
                time.sleep(rng.uniform(0.0, 0.25))
                for node in rng.sample(cluster.nodes, rng.choice((1, 1, 2, 3))):
                    node.kill()
                    node.start(wait=False)
                for node in cluster.nodes:
                    if node.logfile.exists():
                        seen |= set(re.findall(r"cluster ([0-9a-f]{40}) formed", node.logfile.read_text()))
            for node in cluster.nodes:
                node.wait_up()
            final = formed_as_one(cluster)
            assert seen <= {final}, f"round {round_number}: {seen}, in the end {final}"
            assert cluster.leader().call("SET", "k", "v") == "OK"
            assert len(cluster.digests()) == 1


@pytest.mark.parametrize("log_ready", [False, True])
def test_a_crash_between_identity_and_groups_is_repaired(log_ready):
    """Who it is stands in node.meta, the log is empty and the groups were never created: the two
    moments at which that is so, made by hand from the directory of a node just formed."""
    with Cluster() as cluster:
        formed = formed_as_one(cluster)
        node = cluster.followers()[0]
        for other in cluster.nodes:  # the leader must not remember what the node once had
            other.kill()
        meta = NodeMeta(node.dir)
        meta.groups, meta.log_ready = [], log_ready
        meta.write()
        shutil.rmtree(node.dir / "snapshots")
        for segment in (node.dir / "wal").glob("*"):
            segment.unlink()
        if log_ready:
            # An empty log, as the program makes it: of a start that failed to get any further.
            (node.dir / "snapshots").mkdir()
            meta.log_ready = False
            meta.write()
            genesis = (node.dir / "genesis").read_bytes()
            (node.dir / "genesis").unlink()
            node.start()
            eventually(lambda: len(list((node.dir / "wal").glob("*.wal"))) == 1, 10, "an empty log")
            node.kill()
            (node.dir / "genesis").write_bytes(genesis)
            assert NodeMeta(node.dir).log_ready and not NodeMeta(node.dir).groups
        cluster.start()
        assert formed_as_one(cluster) == formed
        assert cluster.leader().call("SET", "k", "v") == "OK"
        assert len(cluster.digests()) == 1


def test_the_own_address_must_be_in_the_list():
    with Cluster(start=False) as cluster:
        node = cluster.nodes[0]
        node.options["cluster-nodes"] = " ".join(n.peer_address for n in cluster.nodes[1:])
        status, text = node.run_to_end()
        assert status != 0
        assert f"cluster-nodes: this node's own peer address {node.peer_address} is not in the list" in text


def test_a_port_in_use_is_refused_and_named():
    for option in ("port", "peer-port"):
        with Cluster(start=False, nodes=1) as cluster, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = other.getsockname()[1]
            node = cluster.nodes[0]
            node.options[option] = taken
            if option == "peer-port":
                node.options["cluster-nodes"] = f"127.0.0.1:{taken}"
            status, text = node.run_to_end()
            assert status != 0, option
            assert re.search(rf"{taken}\D.*[Aa]ddress already in use", text), text


def test_an_empty_disk_stays_outside_of_a_formed_cluster():
    """It has no vote and holds nothing up; with its old directory the node is a member again."""
    with Cluster() as cluster, Writers(cluster) as writers:
        writers.wait_for(200)
        formed = formed_as_one(cluster)
        lost = cluster.followers()[0]
        lost.kill()
        kept = lost.dir.with_name("kept")
        lost.dir.rename(kept)
        lost.start()
        eventually(lambda: lost.log_has("none of its nodes"), 15, "the line that says what to do")
        writers.wait_for(300)
        assert identity(lost)[:2] == ("", "0")
        with_groups = [k for k in lost.info("raft") if k.startswith("group")]
        assert not with_groups
        assert not (lost.dir / "genesis").exists()
        # The two others are a majority still, also through a restart and a change of leader.
        others = [n for n in cluster.nodes if n is not lost]
        for node in others:
            node.kill()
        for node in others:
            node.start()
        writers.wait_for(300)
        lost.kill()
        shutil.rmtree(lost.dir)
        kept.rename(lost.dir)
        lost.start()
        writers.wait_for(100)
        writers.stop()
        writers.check()
        assert len(cluster.digests()) == 1
        assert formed_as_one(cluster) == formed


def test_two_empty_disks_never_outvote_the_third():
    with Cluster() as cluster:
        leader = cluster.leader()
        leader.call("SET", "k", "v")
        cluster.wait_caught_up()
        formed = formed_as_one(cluster)
        for node in cluster.nodes[1:]:
            node.kill()
            node.dir.rename(node.dir.with_name(f"kept-{node.number}"))
            node.start()
        time.sleep(2)
        assert [identity(n)[0] for n in cluster.nodes] == [formed, "", ""]
        assert not any(n.group()["role"] == "leader" for n in cluster.nodes[:1])
        for node in cluster.nodes[1:]:
            node.kill()
            shutil.rmtree(node.dir)
            node.dir.with_name(f"kept-{node.number}").rename(node.dir)
            node.start()
        assert formed_as_one(cluster) == formed
        assert cluster.leader().call("GET", "k") == b"v"


def test_a_node_with_another_client_port_or_zone_is_seen_by_all():
    with Cluster() as cluster:
        node = cluster.followers()[0]
        my_id = node.call("CLUSTER", "MYID").decode()
        node.kill()
        node.port = free_port()
        node.options["availability-zone"] = "zone-b"
        node.start()

        def seen_by(other):
            lines = other.call("CLUSTER", "NODES").decode().splitlines()
            line = next(line for line in lines if line.startswith(my_id))
            return f":{node.port}@" in line

        for other in cluster.nodes:
            eventually(lambda other=other: seen_by(other), 15, f"node {other.number} knows the new port")
        for other in cluster.nodes:
            shards = repr(other.call("CLUSTER", "SHARDS"))
            assert "zone-b" in shards or "zone" not in shards
        # It is in the log, not in somebody's memory.
        for n in cluster.nodes:
            n.kill()
        cluster.start()
        for other in cluster.nodes:
            eventually(lambda other=other: seen_by(other), 15, f"node {other.number} still knows it")
