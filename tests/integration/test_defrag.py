# SPDX-License-Identifier: BSD-3-Clause
"""activedefrag on real nodes: gaps that deletions have left go, what is kept stays what it was, and others are served
meanwhile."""

import random
import threading
import time

import pytest

from holdfast import Cluster, ReplyError, eventually
from loads import skip_without_jemalloc

MB = 1 << 20

# Big values of each type; then three of four elements go, evenly over all.
GROW = """
local long = string.rep('x', 60)
for i = ARGV[1], ARGV[2] do
  redis.call('HSET', 'hash', 'field:' .. i, long)
  redis.call('SADD', 'set', 'a member with a name of some length:' .. i)
  redis.call('ZADD', 'zset', i, 'a member with a name of some length:' .. i)
  redis.call('RPUSH', 'list', long .. i)
  local id = redis.call('XADD', 'stream', '*', 'field', long)
end
return 1
"""
THIN = """
for i = ARGV[1], ARGV[2] do
  if i % 4 > 0 then
    redis.call('HDEL', 'hash', 'field:' .. i)
    redis.call('SREM', 'set', 'a member with a name of some length:' .. i)
    redis.call('ZREM', 'zset', 'a member with a name of some length:' .. i)
  end
end
return 1
"""


def settings(*nodes, on=True):
    for node in nodes:
        node.call(
            "CONFIG", "SET", "active-defrag-ignore-bytes", "1mb", "active-defrag-threshold-lower", "5",
            "active-defrag-threshold-upper", "50", "active-defrag-cycle-min", "5", "active-defrag-cycle-max", "25",
            "activedefrag", "yes" if on else "no",
        )  # fmt: skip


def in_pieces(client, n, make, piece=2000):
    for at in range(0, n, piece):
        for reply in client.pipeline([make(i) for i in range(at, min(at + piece, n))]):
            assert not isinstance(reply, ReplyError), reply


def fill(client, keys, elements, seed):
    """Keys of many sizes in random order, and of each four of them one stays."""
    rng = random.Random(seed)
    sizes = [10, 30, 60, 100, 200, 400, 700]
    in_pieces(client, keys, lambda i: ["SET", f"key:{i}", "v" * rng.choice(sizes)])
    for first in range(1, elements, 2000):
        client.call("EVAL", GROW, 5, "hash", "set", "zset", "list", "stream", first, first + 1999)
    in_pieces(client, keys // 40, lambda i: ["DEL"] + [f"key:{k}" for k in range(i * 40, i * 40 + 40) if k % 4])
    for first in range(1, elements, 2000):
        client.call("EVAL", THIN, 3, "hash", "set", "zset", first, first + 1999)


def memory(node):
    return {k: float(v) for k, v in node.info("memory").items() if k.startswith("allocator_frag")}


@pytest.fixture(scope="module")
def one():
    with Cluster(nodes=1, plain=True, appendfsync="no") as cluster:
        yield cluster.leader()


def test_only_jemalloc_allows_it(one):
    with one.client() as c:
        if "jemalloc" in one.info("memory")["mem_allocator"]:
            assert c.call("CONFIG", "SET", "activedefrag", "yes") == "OK"
            assert c.call("CONFIG", "SET", "activedefrag", "no") == "OK"
            return
        with pytest.raises(ReplyError, match="'activedefrag'.* - Active defragmentation cannot be enabled"):
            c.call("CONFIG", "SET", "activedefrag", "yes")
        assert c.call("CONFIG", "GET", "activedefrag") == [b"activedefrag", b"no"]


def test_gaps_go_and_others_are_served(one):
    skip_without_jemalloc(one.info("memory"))
    with one.client() as c, one.client() as other:
        fill(c, 200000, 20000, 1)
        digest = c.call("DEBUG", "DIGEST")
        before = memory(one)
        assert before["allocator_frag_ratio"] > 1.5 and before["allocator_frag_bytes"] > 20 * MB
        assert one.info("stats")["active_defrag_hits"] == "0"

        took = []
        deadline = time.monotonic() + 30
        settings(one)
        running = False
        while time.monotonic() < deadline:
            start = time.monotonic()
            assert other.call("EXISTS", "key:0") == 1
            took.append(time.monotonic() - start)
            if len(took) % 50 == 0:
                i = one.info()
                running = running or 5 <= int(i["active_defrag_running"]) <= 25
                if int(i["total_active_defrag_time"]) > 0 and i["active_defrag_running"] == "0":
                    break
            time.sleep(0.001)
        i = one.info()
        assert running and i["active_defrag_running"] == "0"
        took.sort()
        assert took[len(took) * 9 // 10] < 0.01, took[-20:]

        after = memory(one)
        assert after["allocator_frag_bytes"] < before["allocator_frag_bytes"] / 3, (before, after)
        assert c.call("DEBUG", "DIGEST") == digest
        assert int(i["active_defrag_hits"]) > 20000
        assert int(i["active_defrag_key_hits"]) > 10000
        assert int(i["active_defrag_misses"]) > 0 and int(i["active_defrag_key_misses"]) > 0
        assert i["current_active_defrag_time"] == "0"
        c.call("CONFIG", "RESETSTAT")
        i = one.info("stats")
        assert i["active_defrag_hits"] == "0" and i["total_active_defrag_time"] == "0"
        c.call("CONFIG", "SET", "activedefrag", "no")


def test_every_replica_moves_its_own_while_all_is_written():
    """Leader and followers move, writes of all types and a snapshot go on: the replicas stay equal."""
    with Cluster(nodes=3, plain=True, appendfsync="no", cluster_data_groups=1) as cluster:
        leader = cluster.leader()
        skip_without_jemalloc(leader.info("memory"))
        with leader.client() as c:
            fill(c, 40000, 10000, 2)
        cluster.wait_caught_up()
        before = {n.number: memory(n)["allocator_frag_bytes"] for n in cluster.nodes}
        stop = threading.Event()
        failed = []

        def write():
            rng = random.Random(3)
            try:
                with leader.client() as c:
                    while not stop.is_set():
                        k = rng.randrange(40000)
                        i = rng.randrange(10000)
                        c.pipeline([
                            ["SET", f"key:{k}", "w" * rng.randrange(500), "PX", rng.randrange(100, 100000)],
                            ["DEL", f"key:{rng.randrange(40000)}"],
                            ["HSET", "hash", f"field:{i}", "w" * rng.randrange(90)],
                            ["ZADD", "zset", rng.randrange(99), f"a member with a name of some length:{i}"],
                            ["SREM", "set", f"a member with a name of some length:{i}"],
                            ["LPOP", "list"],
                            ["RPUSH", "list", "w" * rng.randrange(90)],
                            ["XADD", "stream", "*", "field", "w" * rng.randrange(90)],
                        ])  # fmt: skip
            except Exception as e:  # told to the test
                failed.append(e)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            settings(*cluster.nodes)
            leader.call("BGSAVE")
            for node in cluster.nodes:
                eventually(
                    lambda n=node: memory(n)["allocator_frag_bytes"] < before[n.number] / 2
                    and int(n.info("stats")["active_defrag_hits"]) > 2000,
                    within_s=30,
                    what=f"node {node.number} has moved what is left",
                )
        finally:
            stop.set()
            thread.join()
        assert not failed, failed
        cluster.wait_caught_up()
        assert len(cluster.digests()) == 1
