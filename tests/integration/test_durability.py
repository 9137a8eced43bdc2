# SPDX-License-Identifier: BSD-3-Clause
"""What is acknowledged stays: kills of everything, full disks, damaged files, foreign directories,
reboots; and Raft stays alive whatever a command does."""

import contextlib
import os
import shutil
import signal
import socket
import time

import pytest

from holdfast import SLOW, Client, Cluster, ConnectionClosed, ReplyError, Session, Writers, eventually, free_port
from loads import NodeMeta, PipelinedLoad, Probe, fill, segments, small_disk, snapshot_files, tree


def kill_all(cluster):
    """At once, as a power cut of all machines' processes."""
    for node in cluster.nodes:
        if node.is_running():
            os.kill(node.process.pid, signal.SIGKILL)
    for node in cluster.nodes:
        node.kill()


# ---- kills under load --------------------------------------------------------------------------------


def test_killing_all_nodes_under_pipelined_load_loses_nothing():
    with Cluster() as cluster, PipelinedLoad(cluster, threads=3, depth=100) as load:
        for _ in range(5):
            load.wait_for(3000)
            kill_all(cluster)
            cluster.start()
        load.wait_for(1000)
        load.stop()
        assert load.check() > 15_000
        assert len(cluster.digests()) == 1


@pytest.mark.parametrize("mode", ["everysec", "no"])
def test_killed_processes_lose_nothing_with_appendfsync(mode):
    """The machine stays up: what a majority has in memory is in the page cache as well."""
    with Cluster(appendfsync=mode) as cluster, PipelinedLoad(cluster, threads=2, depth=100) as load:
        for _ in range(3):
            load.wait_for(3000)
            kill_all(cluster)
            cluster.start()
        for node in cluster.nodes:
            assert not node.log_has("a tail of the log may be lost"), "the machine did not boot"
        load.wait_for(500)
        load.stop()
        load.check()
        assert len(cluster.digests()) == 1


def reboot(node):
    """What the directory of a dead node looks like to it after its machine has booted again."""
    meta = NodeMeta(node.dir)
    assert meta.unsynced and not meta.clean_stop and len(meta.boot_id) > 30
    meta.boot_id = "00000000-0000-0000-0000-000000000000"
    meta.write()


def test_a_rebooted_node_without_synced_log_is_careful_until_it_has_caught_up():
    with Cluster(appendfsync="everysec") as cluster, PipelinedLoad(cluster) as load:
        load.wait_for(1000)
        node = cluster.followers()[0]
        node.kill()
        reboot(node)
        node.start()
        assert node.log_has("a tail of the log may be lost")
        eventually(lambda: node.group(1)["tail_suspect"] == "0", 20, "it has caught up")
        eventually(lambda: node.group(0)["tail_suspect"] == "0", 20, "so has its part of the system group")
        eventually(lambda: NodeMeta(node.dir).suspects == [], 5, "which is recorded")
        load.wait_for(500)
        load.stop()
        load.check()
        assert len(cluster.digests()) == 1


def test_a_clean_stop_and_a_reboot_need_no_care():
    with Cluster(appendfsync="everysec") as cluster:
        cluster.leader().call("SET", "k", "v")
        node = cluster.followers()[0]
        assert node.terminate() == 0
        meta = NodeMeta(node.dir)
        assert meta.clean_stop
        meta.boot_id = "00000000-0000-0000-0000-000000000000"
        meta.write()
        node.start()
        assert not node.log_has("a tail of the log may be lost")
        assert len(cluster.digests()) == 1


def test_a_reboot_of_the_whole_cluster_elects_once_all_are_back():
    """Two of three that may each have lost a tail prove nothing; all three together do."""
    with Cluster(appendfsync="everysec") as cluster, PipelinedLoad(cluster) as load:
        load.wait_for(2000)
        load.stop()
        kill_all(cluster)
        for node in cluster.nodes:
            reboot(node)
        for node in cluster.nodes[:2]:
            node.start()
        time.sleep(2)
        assert cluster.find_leader() is None, "two that may lack a tail must not decide for the third"
        cluster.nodes[2].start()
        cluster.wait_serving()
        load.check()
        for node in cluster.nodes:
            eventually(lambda node=node: node.group()["tail_suspect"] == "0", 20, "all have caught up")
        assert len(cluster.digests()) == 1


# ---- full disks ----------------------------------------------------------------------------------------


SMALL = {"log_segment_size": "1mb", "log_ballast_size": "2mb", "snapshot_log_size": "256mb"}


class Filler:
    """Somebody else's file that takes all the room of a disk."""

    def __init__(self, folder):
        self.path = folder / "filler"

    def fill(self):
        with open(self.path, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(65536))
        with open(self.path, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(512))

    def free(self):
        self.path.unlink()


@contextlib.contextmanager
def cluster_on_small_disks(numbers, megabytes=24, **options):
    """A cluster whose nodes of these numbers have a small disk each, and the fillers by number."""
    with contextlib.ExitStack() as stack:
        cluster = Cluster(start=False, **{**SMALL, **options})
        fillers = {}
        for number in numbers:
            folder = stack.enter_context(small_disk(megabytes))
            cluster.nodes[number - 1].dir = folder / "data"
            fillers[number] = Filler(folder)
        stack.enter_context(cluster)
        cluster.start()
        yield cluster, fillers


def lead(cluster, node):
    if cluster.leader() is not node:
        assert node.call("CLUSTER", "FAILOVER") == "OK"
        eventually(lambda: cluster.find_leader() is node, 10, "leadership has moved")


def test_a_follower_with_a_full_disk_holds_nothing_up():
    with cluster_on_small_disks([1]) as (cluster, fillers):
        lead(cluster, cluster.nodes[1])
        full = cluster.nodes[0]
        assert (full.dir / "wal" / "ballast").stat().st_size == 2 << 20
        with PipelinedLoad(cluster, value_bytes=200) as load:
            load.wait_for(1000)
            fillers[1].fill()
            eventually(lambda: full.log_has("No space left for the log"), 30, "it notices")
            load.wait_for(5000)
            assert full.log_has("gave up the ballast")
            assert full.call("PING") == "PONG"
            assert cluster.leader() is cluster.nodes[1]
            fillers[1].free()
            eventually(lambda: full.log_has("There is space for the log again"), 30, "it goes on")
            load.wait_for(500)
            assert not load.refused, load.refused
        load.check()
        assert len(cluster.digests()) == 1
        eventually(lambda: full.info("raft")["log_full"] == "0", 10, "room is back, also without a write")
        eventually(lambda: list((full.dir / "wal").glob("ballast")), 10, "the ballast is back")


def test_a_leader_with_a_full_disk_refuses_writes_and_serves_reads():
    # Without a ballast: with it the shortage may be over too soon.
    with cluster_on_small_disks([1], log_ballast_size="0") as (cluster, fillers):
        full = cluster.nodes[0]
        lead(cluster, full)
        full.call("SET", "before", "1")
        with PipelinedLoad(cluster, value_bytes=200) as load:
            load.wait_for(1000)
            fillers[1].fill()
            eventually(lambda: load.refused.get("MISCONF", 0) > 0, 30, "it notices")
            assert cluster.leader() is full
            with full.client() as c:
                for _ in range(50):
                    assert c.call("GET", "before") == b"1"
                with pytest.raises(ReplyError, match="^MISCONF"):
                    c.call("SET", "k", "v")
                assert c.call("EXISTS", "k") == 0
            fillers[1].free()
            eventually(lambda: full.log_has("There is space for the log again"), 30, "it goes on")
            load.wait_for(1000)
        load.check()
        assert len(cluster.digests()) == 1
        assert full.call("GET", "before") == b"1"


def test_full_disks_of_both_followers_stall_writes_and_lose_none():
    # Without a ballast: with it they would go on by compacting, see below.
    with cluster_on_small_disks([1, 2], log_ballast_size="0") as (cluster, fillers):
        lead(cluster, cluster.nodes[2])
        leader = cluster.leader()
        leader.call("SET", "before", "1")
        with PipelinedLoad(cluster, value_bytes=200) as load:
            load.wait_for(1000)
            fillers[1].fill()
            fillers[2].fill()
            for node in cluster.nodes[:2]:
                eventually(lambda node=node: node.log_has("No space left for the log"), 30, "it notices")
            eventually(lambda: (n := load.acknowledged, time.sleep(0.3))[0] == load.acknowledged, 20, "writes stall")
            stalled = load.acknowledged
            assert leader.call("GET", "before") == b"1", "reads need no disk"
            time.sleep(1)
            assert load.acknowledged == stalled, "acknowledged without a majority"
            assert cluster.leader() is leader
            fillers[1].free()
            load.wait_for(1000)
            fillers[2].free()
            load.wait_for(500)
        load.check()
        assert len(cluster.digests()) == 1


def test_a_node_is_restarted_on_a_full_disk():
    """It starts, or says clearly why not; with room again it is whole."""
    with cluster_on_small_disks([1]) as (cluster, fillers):
        lead(cluster, cluster.nodes[1])
        full = cluster.nodes[0]
        with PipelinedLoad(cluster, value_bytes=200) as load:
            load.wait_for(500)
            fillers[1].fill()
            eventually(lambda: full.log_has("No space left for the log"), 30, "it notices")
            fillers[1].fill()
            full.kill()
            full.start()
            load.wait_for(500)
            assert full.call("PING") == "PONG"
            fillers[1].free()
            load.wait_for(500)
        load.check()
        assert len(cluster.digests()) == 1


def test_a_full_disk_recovers_by_itself_by_compacting():
    """The log itself fills the disk: a snapshot, for which the ballast makes room, frees it."""
    with cluster_on_small_disks([1, 2, 3], megabytes=16, log_ballast_size="3mb") as (cluster, _):
        with PipelinedLoad(cluster, threads=2, keys=200, value_bytes=1000) as load:
            eventually(lambda: any(n.log_has("gave up the ballast") for n in cluster.nodes), 40, "a disk fills up")
            load.wait_for(20_000, within_s=40)
        load.check()
        assert len(cluster.digests()) == 1


# ---- damage ----------------------------------------------------------------------------------------------


def end_of_records(path):
    data = path.read_bytes()
    return len(data.rstrip(b"\0"))


def flip(path, at, count=64):
    with open(path, "r+b") as f:
        f.seek(at)
        data = f.read(count)
        f.seek(at)
        f.write(bytes(b ^ 0xA5 for b in data))


def damage_log(node):
    """Flip bytes in the middle of the records that were written and synced."""
    segment = segments(node)[-1]
    end = end_of_records(segment)
    assert end > 20_000
    flip(segment, 4096 + (end - 4096) // 2)


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_log_is_reported_and_repaired_from_the_peers(how):
    """Also a file cut short is damage: segments have their size from the beginning."""
    with Cluster() as cluster:
        leader, node = cluster.leader(), cluster.followers()[0]
        fill(leader, 0, 5000)
        cluster.wait_caught_up()
        node.kill()
        if how == "flipped":
            damage_log(node)
        else:
            os.truncate(segments(node)[-1], end_of_records(segments(node)[-1]) // 2)
        fill(leader, 0, 2000, prefix="later")
        node.start()
        assert node.log_has("Log damaged:")
        assert node.log_has("Group 1: the log is damaged; what is missing comes from its peers")
        eventually(lambda: node.group()["tail_suspect"] == "0", 20, "it is repaired")
        assert len(cluster.digests()) == 1
        assert list((node.dir / "wal").glob("*.damaged")), "the damaged file is kept"
        # A later start knows nothing of it any more.
        eventually(lambda: NodeMeta(node.dir).suspects == [], 5, "the repair is recorded")
        node.kill()
        node.logfile.rename(node.logfile.with_suffix(".old"))
        node.start()
        assert not node.log_has("damaged") and not node.log_has("a tail of the log may be lost")
        assert len(cluster.digests()) == 1
        fill(leader, 0, 100, prefix="last")
        assert len(cluster.digests()) == 1


def test_a_damaged_node_does_not_decide_with_one_other():
    """A majority may have been the damaged node and the one that is away: the rest must wait."""
    with Cluster() as cluster, PipelinedLoad(cluster) as load:
        load.wait_for(3000)
        load.stop()
        kill_all(cluster)
        a, b, c = cluster.nodes
        damage_log(a)
        a.start()
        b.start()
        time.sleep(2)
        assert cluster.find_leader() is None
        assert a.group()["tail_suspect"] == "1"
        c.start()
        cluster.wait_serving()
        load.check()
        assert len(cluster.digests()) == 1
        assert eventually(lambda: a.group()["tail_suspect"] == "0", 20, "it is repaired")


def test_a_log_that_lost_a_whole_group_is_refused_every_time():
    """Damage to the very first records: nothing says any more where a group's log begins, so there is
    nothing to go on from. An honest refusal, also at the second start, when the damage is repaired."""
    with Cluster() as cluster:
        leader, node = cluster.leader(), cluster.followers()[0]
        fill(leader, 0, 1000)
        cluster.wait_caught_up()
        node.kill()
        assert len(segments(node)) == 1
        flip(segments(node)[0], 4096, 1500)
        for _ in range(2):
            status, text = node.run_to_end()
            assert status != 0
            assert "has nothing of group" in text and "replace the node as a new member" in text
        fill(leader, 1000, 1000)


def test_damage_in_two_of_three_logs_loses_nothing_while_the_third_has_it():
    with Cluster() as cluster, PipelinedLoad(cluster) as load:
        load.wait_for(3000)
        load.stop()
        cluster.wait_caught_up()
        kill_all(cluster)
        for node in cluster.nodes[:2]:
            damage_log(node)
        cluster.start()
        load.check()
        assert len(cluster.digests()) == 1
        for node in cluster.nodes:
            eventually(lambda node=node: node.group()["tail_suspect"] == "0", 20, "all are whole")
        kill_all(cluster)
        cluster.start()
        load.check()


def test_a_torn_tail_is_a_normal_start():
    """The last write never reached the disk whole: nothing to report, nothing lost."""
    with Cluster() as cluster, PipelinedLoad(cluster) as load:
        load.wait_for(2000)
        load.stop()
        cluster.wait_caught_up()
        kill_all(cluster)
        node = cluster.nodes[0]
        segment = segments(node)[-1]
        end = end_of_records(segment)
        with open(segment, "r+b") as f:
            f.seek(end - 20)
            f.write(bytes(20))
        cluster.start()
        assert node.log_has("the last write was incomplete and has been cut off")
        assert not node.log_has("damaged") and not node.log_has("a tail of the log may be lost")
        load.check()
        assert len(cluster.digests()) == 1


def test_a_damaged_snapshot_is_fatal_and_named():
    with Cluster() as cluster:
        leader, node = cluster.leader(), cluster.followers()[0]
        fill(leader, 0, 20_000)
        cluster.wait_caught_up()
        node.call("BGSAVE")
        eventually(lambda: int(node.group()["snapshot_index"]) > 1, 20, "a snapshot")
        eventually(lambda: len(snapshot_files(node)) == 1, 10, "the old one is gone")
        node.kill()
        rdb = snapshot_files(node)[0]
        good = rdb.read_bytes()
        flip(rdb, len(good) // 2, 3)
        status, text = node.run_to_end()
        assert status != 0
        assert "group 1: the snapshot cannot be loaded" in text and rdb.name in text
        rdb.unlink()
        before = tree(node.dir)
        status, text = node.run_to_end()
        assert status != 0 and rdb.name in text and "is missing" in text
        assert tree(node.dir) == before
        rdb.write_bytes(good)
        node.start()
        assert len(cluster.digests()) == 1


# ---- whose directory is it? --------------------------------------------------------------------------------


def refused(node, *patterns):
    """A start is refused with a line that holds these words, and nothing on disk has changed."""
    before = tree(node.dir)
    status, text = node.run_to_end()
    assert status != 0, text
    for pattern in patterns:
        assert pattern in text, text
    assert tree(node.dir) == before, "the directory was changed"


@pytest.fixture(scope="module", name="stopped")
def fixture_stopped():
    """Two formed clusters with data, stopped; tests must leave the directories as they were."""
    with Cluster() as one, Cluster() as other:
        for cluster in (one, other):
            fill(cluster.leader(), 0, 1000)
            cluster.wait_caught_up()
        for node in one.nodes + other.nodes:
            node.kill()
        # One clean start and end, so that what a kill leaves to recover is recovered.
        for cluster in (one, other):
            cluster.start()
            cluster.wait_caught_up()
            for node in cluster.nodes:
                node.terminate()
        yield one, other


@contextlib.contextmanager
def in_place_of(node, folder):
    """A copy of @folder stands in the place of the node's directory for a while."""
    kept = node.dir.with_name(f"{node.dir.name}-kept")
    copy = node.dir.with_name(f"{node.dir.name}-copy")
    shutil.copytree(folder, copy)
    node.dir.rename(kept)
    copy.rename(node.dir)
    try:
        yield
    finally:
        node.kill()
        shutil.rmtree(node.dir)
        kept.rename(node.dir)


def test_the_directory_of_another_cluster_is_refused(stopped):
    one, other = stopped
    with in_place_of(one.nodes[0], other.nodes[0].dir):
        refused(one.nodes[0], "is the data directory of node", "is no node of that cluster")


def test_the_directory_of_another_node_is_refused(stopped):
    one, _ = stopped
    with in_place_of(one.nodes[0], one.nodes[1].dir):
        refused(one.nodes[0], "is the data directory of node", "which is another node of it")


def test_the_log_of_another_node_or_cluster_is_refused(stopped):
    one, other = stopped
    for foreign in (one.nodes[1], other.nodes[0]):
        node = one.nodes[0]
        with in_place_of(node, node.dir):
            shutil.rmtree(node.dir / "wal")
            shutil.copytree(foreign.dir / "wal", node.dir / "wal")
            refused(node, "belongs to another cluster or node")


def test_the_plan_of_another_cluster_is_refused(stopped):
    one, other = stopped
    node = one.nodes[0]
    with in_place_of(node, node.dir):
        shutil.copy(other.nodes[0].dir / "genesis", node.dir / "genesis")
        refused(node, "genesis belongs to another node or cluster")


def test_a_lost_log_or_identity_is_refused(stopped):
    one, _ = stopped
    node = one.nodes[0]
    with in_place_of(node, node.dir):
        shutil.move(node.dir / "wal", node.dir / "gone")
        (node.dir / "wal").mkdir()
        refused(node, "The log in", "is gone; refusing to start")
    with in_place_of(node, node.dir):
        (node.dir / "node.meta").unlink()
        refused(node, "node.meta is missing; refusing to start")
    with in_place_of(node, node.dir):
        flip(node.dir / "node.meta", 30, 4)
        refused(node, "node.meta is damaged; refusing to start")


def test_a_newer_format_is_refused(stopped):
    one, _ = stopped
    node = one.nodes[0]
    with in_place_of(node, node.dir):
        meta = NodeMeta(node.dir)
        meta.version = 2
        meta.write()
        refused(node, "has format 2, this program knows up to 1", "written by a newer version")


def test_the_other_mode_is_refused(stopped):
    one, _ = stopped
    node = one.nodes[0]
    node.options["cluster-enabled"] = "no"
    try:
        refused(node, "belongs to a cluster with cluster-enabled yes")
    finally:
        del node.options["cluster-enabled"]


def test_a_directory_in_use_is_refused():
    with Cluster(nodes=1) as cluster:
        node = cluster.nodes[0]
        node.call("SET", "k", "v")
        second = Cluster(nodes=1, start=False)
        with second:
            twin = second.nodes[0]
            twin.dir = node.dir
            status, text = twin.run_to_end()
            assert status != 0 and f"The data directory {node.dir} is in use by another process" in text
        assert node.call("GET", "k") == b"v"


# ---- read-consistency --------------------------------------------------------------------------------------


def test_quorum_reads_of_a_paused_leader_show_the_present():
    """No clock is trusted: what was asked before the pause gets the new value or a redirection."""
    with Cluster(read_consistency="quorum") as cluster:
        session = Session(cluster)
        for round_number in range(3):
            old = cluster.leader()
            session.close()
            session.port = old.port
            session.call("SET", "k", f"old-{round_number}")
            assert old.call("GET", "k") == f"old-{round_number}".encode()
            waiting = [old.client() for _ in range(10)]
            old.stop()
            for c in waiting:
                c.send("GET", "k")
            new = eventually(cluster.find_leader, 20, "another node leads")
            new.call("SET", "k", f"new-{round_number}")
            old.cont()
            for c in waiting:
                try:
                    assert c.read() == f"new-{round_number}".encode()
                except ReplyError as error:
                    assert error.code in ("MOVED", "CLUSTERDOWN"), error
                except ConnectionClosed:
                    pass
                c.close()
            cluster.wait_serving()
        session.close()
        assert len(cluster.digests()) == 1


def test_read_consistency_can_be_changed_while_serving():
    """With both followers paused a quorum read has no answer, a local one has."""
    with Cluster() as cluster:
        leader, followers = cluster.leader(), cluster.followers()
        with leader.client() as c:
            for mode in ("lease", "quorum", "local"):
                assert c.call("CONFIG", "SET", "read-consistency", mode) == "OK"
                assert c.call("CONFIG", "GET", "read-consistency") == [b"read-consistency", mode.encode()]
                assert c.call("SET", "k", mode) == "OK"
                assert c.call("GET", "k") == mode.encode()
            with pytest.raises(ReplyError):
                c.call("CONFIG", "SET", "read-consistency", "sometimes")
            c.call("CONFIG", "SET", "read-consistency", "quorum")
            for f in followers:
                f.stop()
            c.socket.settimeout(0.15)  # before it steps down, which is after an election timeout
            with pytest.raises((TimeoutError, socket.timeout)):
                c.call("GET", "k")
            for f in followers:
                f.cont()
        cluster.wait_serving()
        leader = cluster.leader()
        assert leader.call("CONFIG", "SET", "read-consistency", "local") == "OK"
        others = [n for n in cluster.nodes if n is not leader]
        with leader.client() as c:
            for f in others:
                f.stop()
            assert c.call("GET", "k") == b"local"
            for f in others:
                f.cont()
        cluster.wait_serving()


# ---- long commands ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="million")
def fixture_million():
    """A cluster with a million keys; tests may change them."""
    with Cluster() as cluster:
        with cluster.leader().client(timeout_s=60) as c:
            assert c.call("DEBUG", "POPULATE", "1000000", "key", "16") == "OK"
        cluster.wait_caught_up()
        yield cluster


def patience_s(leader):
    """How long a client may wait: 100 ms (more under sanitizers) beyond what it waits anyhow, on a machine that does
    other things as well."""
    with Probe(leader, "SET", "probe", "0", pause_s=0.001) as quiet:
        time.sleep(1.5)
    return 0.1 * SLOW + 3 * quiet.longest_s()


def test_keys_of_a_million_keys_costs_no_leadership(million):
    leader = million.leader()
    term = leader.group()["term"]
    with Writers(million, threads=2) as writers, leader.client(timeout_s=60) as c:
        for _ in range(3):
            assert len(c.call("KEYS", "*")) >= 1_000_000
            writers.wait_for(20)
    writers.check()
    assert million.leader() is leader and leader.group()["term"] == term


def test_a_sleeping_follower_is_not_noticed(million):
    leader, follower = million.leader(), million.followers()[0]
    term = leader.group()["term"]
    with follower.client(timeout_s=60) as sleeper, PipelinedLoad(million) as writers:
        writers.wait_for(20)
        sleeper.send("DEBUG", "SLEEP", "3")
        started = time.monotonic()
        with Probe(leader, "SET", "probe", "1") as probe:
            while time.monotonic() - started < 2.8:
                writers.wait_for(20)
        assert probe.longest_s() < 0.5, probe.longest_s()
        assert sleeper.read() == "OK"
        assert leader.group()["term"] == term
    writers.check()
    assert len(million.digests()) == 1


def test_keys_that_expire_all_at_once_hold_nobody_up(million):
    leader = million.leader()
    with leader.client(timeout_s=60) as c:
        c.call("SET", "probe", "0")
        before = c.call("DBSIZE")
        at = int(time.time() * 1000) + 6000
        for start in range(0, 200_000, 1000):
            c.pipeline([("SET", f"expires:{i}", "x", "PXAT", at) for i in range(start, start + 1000)])
        bound_s = patience_s(leader)
        time.sleep(max(0.0, at / 1000 - time.time() - 0.2))
        with Probe(leader, "SET", "probe", "1", pause_s=0.001) as probe:
            eventually(lambda: c.call("DBSIZE") <= before, 20, "all are gone")
    assert probe.longest_s() < bound_s, f"longest wait {probe.longest_s():.3f} s, bound {bound_s:.3f}"
    assert len(million.digests()) == 1


def test_flushall_of_a_million_keys_holds_nobody_up(million):
    """Last of these: the keys are gone afterwards."""
    leader = million.leader()
    term = leader.group()["term"]
    with leader.client(timeout_s=60) as c:
        assert c.call("DBSIZE") >= 1_000_000
        bound_s = patience_s(leader)
        with Probe(leader, "SET", "probe", "1", pause_s=0.001) as probe:
            time.sleep(0.2)
            assert c.call("FLUSHALL") == "OK"
            time.sleep(1)
        assert c.call("DBSIZE") <= 1
    assert probe.longest_s() < bound_s, f"a client waited {probe.longest_s():.3f} s, bound {bound_s:.3f}"
    assert leader.group()["term"] == term
    assert len(million.digests()) == 1
