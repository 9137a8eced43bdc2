# SPDX-License-Identifier: BSD-3-Clause
"""Snapshots and catching up: files that Redis accepts, written while clients are served; followers
that were away; what is left on disk afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from holdfast import Client, Cluster, Writers, eventually, info
from loads import PipelinedLoad, Probe, fill, segments, snapshot_files

SMALL_LOG = {"log_segment_size": "1mb", "snapshot_log_size": "4mb", "log_ballast_size": "1mb"}


def save(node, command="BGSAVE"):
    """A snapshot newer than what there is, published; its path."""
    with node.client() as c:

        def idle():
            return info(c, "persistence")["rdb_bgsave_in_progress"] == "0"

        eventually(idle, 30, "what the log's growth started is written")
        index = int(node.group()["snapshot_index"])
        assert "started" in c.call(command)
        eventually(lambda: int(node.group()["snapshot_index"]) > index, 30, "the snapshot is published")
        eventually(lambda: len(snapshot_files(node)) == 1, 10, "the old snapshot file is removed")
        eventually(idle, 10, "all is written")
    return snapshot_files(node)[0]


class StockRedis:
    """Debian's redis-server on a free port, loading @rdb as its dump.rdb."""

    def __init__(self, rdb, policy="noeviction"):
        self.policy = policy
        self.dir = tempfile.mkdtemp(prefix="holdfast-redis-")
        shutil.copy(rdb, f"{self.dir}/dump.rdb")

    def __enter__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir]
            + ["--save", "", "--maxmemory-policy", self.policy],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def ready():
            with Client(self.port) as c:
                return c.call("PING") == "PONG"

        eventually(ready, 20, "redis-server has loaded the file")
        return Client(self.port)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        shutil.rmtree(self.dir, ignore_errors=True)


def everything(client):
    """All keys of the selected database with value and absolute expiry."""
    keys = sorted(client.call("KEYS", "*"))
    values = client.pipeline([("GET", k) for k in keys])
    expiries = client.pipeline([("PEXPIRETIME", k) for k in keys])
    return dict(zip(keys, zip(values, expiries)))


# ---- catching up -----------------------------------------------------------------------------------


def test_a_follower_away_for_a_million_writes_catches_up_by_log():
    """The log reaches back to where it left: no snapshot is sent. The leader's clients are served
    all the while."""
    with Cluster(snapshot_log_size="1gb") as cluster:
        leader, away = cluster.leader(), cluster.followers()[0]
        fill(leader, 0, 1000)
        away.kill()
        fill(leader, 0, 1_000_000, value_bytes=8, keys=50_000)
        with Probe(leader, "SET", "probe", "1") as probe:
            away.start()
            cluster.wait_caught_up()
        assert len(cluster.digests()) == 1
        assert not away.log_has("a snapshot at")
        assert probe.longest_s() < 2.0, f"a client of the leader waited {probe.longest_s():.3f} s"


def test_a_follower_away_for_a_million_writes_catches_up_by_snapshot():
    """The leader has compacted its log meanwhile: the file is streamed, then the log's rest."""
    with Cluster(log_segment_size="4mb", snapshot_log_size="16mb") as cluster:
        leader, away = cluster.leader(), cluster.followers()[0]
        fill(leader, 0, 1000)
        away.kill()
        fill(leader, 0, 1_000_000, value_bytes=32, keys=100_000)
        eventually(lambda: int(leader.group()["snapshot_index"]) > 1000, 20, "the leader has a snapshot")
        with Probe(leader, "SET", "probe", "1") as probe, PipelinedLoad(cluster, threads=1) as load:
            away.start()
            eventually(lambda: away.log_has("a snapshot at"), 30, "a snapshot came")
            eventually(lambda: away.group()["state"] == "following", 30, "it is loaded")
            load.wait_for(1000)
        load.check()
        assert len(cluster.digests()) == 1
        assert probe.longest_s() < 2.0, f"a client of the leader waited {probe.longest_s():.3f} s"


def test_catching_up_by_snapshot_survives_kills_of_both_ends():
    """The receiver dies in the middle of the stream, then the sender does: in the end all agree."""
    with Cluster(log_segment_size="1mb", snapshot_log_size="4mb", snapshot_transfer_rate="4mb") as cluster:
        leader, away = cluster.leader(), cluster.followers()[0]
        away.kill()
        fill(leader, 0, 120_000, value_bytes=200, keys=60_000)
        save(leader)
        assert snapshot_files(leader)[0].stat().st_size > 1_000_000
        away.start()
        eventually(lambda: list((away.dir / "snapshots").glob("g1-*.part")), 20, "the stream runs")
        away.kill()
        away.start()
        eventually(lambda: list((away.dir / "snapshots").glob("g1-*.part")), 20, "the stream runs again")
        leader.kill()
        leader.start()
        with PipelinedLoad(cluster) as load:
            load.wait_for(500)
        cluster.wait_caught_up()
        load.check()
        assert len(cluster.digests()) == 1
        eventually(lambda: not list((away.dir / "snapshots").glob("g1-*.part")), 20, "no unfinished file is left")


# ---- files that Redis accepts ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_a_snapshot_file_is_accepted_by_redis(command):
    with Cluster(nodes=1, plain=True) as cluster:
        node = cluster.nodes[0]
        later = int(time.time() * 1000) + 3_600_000
        with node.client() as c:
            for db in ("0", "3"):
                c.call("SELECT", db)
                c.pipeline([("SET", f"k{i}:{db}", "v" * (i % 90)) for i in range(2000)])
                c.pipeline([("SET", f"n{i}", i * 7919 - 100_000) for i in range(200)])
                c.pipeline([("SET", f"t{i}", "x", "PXAT", later + i) for i in range(200)])
                c.call("SET", b"\x00binary\xff", bytes(range(256)))
                c.call("SET", "big", "abcd" * 100_000)
                c.call("SET", "", "empty key")
            c.call("SELECT", "0")
            rdb = save(node, command)
            checked = subprocess.run(["redis-check-rdb", str(rdb)], capture_output=True, check=False)
            assert checked.returncode == 0 and b"RDB looks OK" in checked.stdout, checked.stdout
            with StockRedis(rdb) as stock:
                for db in ("0", "3"):
                    c.call("SELECT", db)
                    stock.call("SELECT", db)
                    ours = everything(c)
                    assert len(ours) == 2403 and ours == everything(stock)
                stock.close()


@pytest.mark.parametrize(
    ("policy", "word", "value", "fresh"), (("allkeys-lru", "IDLETIME", 1000, 0), ("volatile-lfu", "FREQ", 200, 5))
)
def test_idle_times_and_frequencies_are_accepted_by_redis(policy, word, value, fresh):
    with Cluster(nodes=1, plain=True, maxmemory_policy=policy, lfu_decay_time="0") as cluster:
        node = cluster.nodes[0]
        start = time.monotonic()
        with node.client() as c:
            c.call("SET", "model", "v")
            c.call("RESTORE", "k", int(time.time() * 1000) + 3_600_000, c.call("DUMP", "model"), "ABSTTL", word, value)
            c.call("RPUSH", "new", "a")
            rdb = save(node)
        checked = subprocess.run(["redis-check-rdb", str(rdb)], capture_output=True, check=False)
        assert checked.returncode == 0 and b"RDB looks OK" in checked.stdout, checked.stdout
        with StockRedis(rdb, policy) as stock:
            elapsed = time.monotonic() - start + 2 if word == "IDLETIME" else 0
            assert value <= stock.call("OBJECT", word, "k") <= value + elapsed
            assert fresh <= stock.call("OBJECT", word, "new") <= fresh + elapsed
            assert 3500 < stock.call("TTL", "k") <= 3600 and stock.call("DBSIZE") == 3
            stock.close()


# ---- under load ----------------------------------------------------------------------------------------


def test_snapshots_under_load_on_leader_and_followers():
    """Each node takes snapshots while writes go on; a restart from them gives the same data."""
    with Cluster() as cluster, Writers(cluster) as writers:
        fill(cluster.leader(), 0, 50_000)
        for _ in range(2):
            for node in cluster.nodes:
                rdb = save(node)
                assert subprocess.run(["redis-check-rdb", str(rdb)], capture_output=True).returncode == 0
                writers.wait_for(50)
        writers.stop()
        writers.check()
        before = cluster.digests()
        assert len(before) == 1
        for node in cluster.nodes:
            node.kill()
        cluster.start()
        assert cluster.digests() == before
        for node in cluster.nodes:
            assert node.log_has("keys in") and len(snapshot_files(node)) == 1
        writers.check()


def test_a_snapshot_hardly_delays_the_leaders_clients():
    with Cluster() as cluster:
        leader = cluster.leader()
        fill(leader, 0, 400_000, value_bytes=64)
        with Probe(leader, "SET", "probe", "1", pause_s=0.001) as probe:
            for _ in range(3):
                started = time.monotonic()
                save(leader)
                writing_s = time.monotonic() - started
        fork_s = int(leader.info("stats")["latest_fork_usec"]) / 1e6
        assert len(probe.times) > 50
        waited = probe.longest_s()
        # Some tens of milliseconds on a quiet machine; tests run beside each other.
        assert waited < fork_s + 0.25, f"a client waited {waited:.3f} s, fork {fork_s:.3f} s, writing {writing_s:.3f} s"


def children(pid):
    out = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
            out += [int(word) for word in f.read().split()]
    return out


def test_a_killed_snapshot_child_is_reported_and_harmless():
    with Cluster() as cluster:
        leader = cluster.leader()
        fill(leader, 0, 300_000, value_bytes=64)
        with PipelinedLoad(cluster) as load:
            load.wait_for(100)
            files = snapshot_files(leader)
            leader.call("BGSAVE")
            child = eventually(lambda: children(leader.process.pid), 10, "the child runs", step_s=0.0005)[0]
            os.kill(child, signal.SIGKILL)
            eventually(
                lambda: leader.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "the failure is reported"
            )
            assert leader.log_has("group 1: snapshot failed")
            assert snapshot_files(leader) == files
            load.wait_for(500)
            save(leader)
            assert leader.info("persistence")["rdb_last_bgsave_status"] == "ok"
        load.check()
        assert cluster.leader() is leader
        assert not list((leader.dir / "snapshots").glob("*.tmp"))
        assert len(cluster.digests()) == 1


def test_a_log_that_has_grown_causes_snapshots_and_is_cut():
    """Old segments and old snapshot files go: the disk holds a bounded log, whatever was written."""
    with Cluster(**SMALL_LOG) as cluster:
        leader = cluster.leader()
        with PipelinedLoad(cluster) as load:
            for _ in range(6):
                fill(leader, 0, 60_000, value_bytes=100, keys=5_000)
                time.sleep(0.5)
        for node in cluster.nodes:
            # 6 * 60,000 * 140 bytes were written; 16 MiB are kept for slow followers.
            eventually(
                lambda node=node: int(node.group()["snapshot_index"]) > 2 and node.log_has("snapshot at"),
                20,
                f"node {node.number} took a snapshot by itself",
            )

            def bounded(node=node):
                size = sum(s.stat().st_size for s in segments(node))
                return size < 32 << 20 and len(snapshot_files(node)) == 1 and segments(node)[0].name != "0" * 15 + "1.wal"

            eventually(bounded, 30, f"the log of node {node.number} is cut")
        load.check()
        digest = cluster.digests()
        assert len(digest) == 1
        for node in cluster.nodes:
            node.kill()
        cluster.start()
        assert cluster.digests() == digest
