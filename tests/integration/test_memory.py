# SPDX-License-Identifier: BSD-3-Clause
"""maxmemory and maxmemory-clients on real nodes: who goes, and that replicas stay equal."""

import time

import pytest

from holdfast import Client, Cluster, ConnectionClosed, ReplyError, eventually
from loads import skip_without_jemalloc

MB = 1 << 20
VALUE = "v" * 1000


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=3, plain=True) as c:
        skip_without_jemalloc(c.leader().info("memory"))
        yield c


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    node.call("FLUSHALL")
    eventually(lambda: node.info("memory")["lazyfree_pending_objects"] == "0", what="freed")
    node.call("CONFIG", "RESETSTAT")
    return node


def counted(node):
    """What counts against maxmemory."""
    i = node.info("memory")
    return int(i["used_memory"]) - int(i["mem_not_counted_for_evict"])


def fill(node, first, n, *extra):
    """In pieces: what waits in a client's buffers is memory as well, and must be small beside the limits here, however
    slowly the node reads."""
    replies = []
    with node.client() as c:
        for at in range(first, first + n, 100):
            piece = range(at, min(at + 100, first + n))
            replies += c.pipeline([["SET", f"key:{i}", VALUE, *extra] for i in piece])
    return replies


def limit(node, policy, room, **more):
    """Set maxmemory to what is used now and @room bytes."""
    words = [w for k, v in more.items() for w in (k.replace("_", "-"), v)]
    node.call("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", counted(node) + room, *words)


def keys_left(node, first, n):
    with node.client() as c:
        return sum(c.pipeline([["EXISTS", f"key:{i}"] for i in range(first, first + n)]))


def assert_replicas_are_equal(plain):
    plain.wait_caught_up()
    assert len(plain.digests()) == 1


def test_without_eviction_writes_are_refused_and_reads_served(plain, leader):
    limit(leader, "noeviction", 4 * MB)
    replies = fill(leader, 0, 8000)
    refused = [r for r in replies if isinstance(r, ReplyError)]
    assert refused and str(refused[0]) == "OOM command not allowed when used memory > 'maxmemory'."
    assert 1000 < len(replies) - len(refused) < 6000
    assert leader.call("GET", "key:0") == VALUE.encode()
    leader.call("CONFIG", "SET", "maxmemory", counted(leader) - MB)
    with leader.client() as c, pytest.raises(ReplyError, match="^OOM"):
        c.call("MULTI")
        c.call("GET", "key:0")
    with pytest.raises(ReplyError, match="^OOM"):
        leader.call("APPEND", "key:0", "x")
    assert leader.call("DEL", *[f"key:{i}" for i in range(2000)]) > 0
    eventually(lambda: leader.call("SET", "again", "x") == "OK", what="room for a write")
    assert leader.info("stats")["evicted_keys"] == "0"
    assert_replicas_are_equal(plain)


@pytest.mark.parametrize("policy", ("allkeys-lru", "allkeys-lfu", "allkeys-random"))
def test_the_limit_holds_while_keys_come(plain, leader, policy):
    limit(leader, policy, 4 * MB)
    for round_ in range(4):
        assert all(r == "OK" for r in fill(leader, round_ * 5000, 5000))
    top = int(leader.call("CONFIG", "GET", "maxmemory")[1])
    eventually(lambda: counted(leader) <= top, what="memory below the limit")
    evicted = int(leader.info("stats")["evicted_keys"])
    assert evicted > 10000
    assert evicted + leader.call("DBSIZE") == 20000
    assert_replicas_are_equal(plain)


def test_nothing_is_evicted_while_writes_are_paused(leader):
    fill(leader, 0, 4000)
    with leader.client() as c:
        c.call("CLIENT", "PAUSE", "60000", "WRITE")
        try:
            limit(leader, "allkeys-random", -2 * MB)
            for _ in range(5):  # commands, and rounds of the cron
                assert c.call("GET", "key:0") == VALUE.encode()
                time.sleep(0.1)
            assert c.call("DBSIZE") == 4000 and leader.info("stats")["evicted_keys"] == "0"
        finally:
            c.call("CLIENT", "UNPAUSE")
        eventually(lambda: c.call("DBSIZE") < 4000, what="keys are evicted")


def test_what_is_used_often_stays(plain, leader):
    """LFU: a few keys are read again and again while many others come once."""
    limit(leader, "allkeys-lfu", 4 * MB, maxmemory_samples="10", lfu_log_factor="0")
    fill(leader, 0, 100)
    for round_ in range(10):
        with leader.client() as c:
            c.pipeline([["GET", f"key:{i}"] for i in range(100) for _ in range(3)])
        fill(leader, 1000 + round_ * 1000, 1000)
    assert keys_left(leader, 0, 100) >= 95
    leader.call("CONFIG", "SET", "lfu-log-factor", "10", "maxmemory-samples", "5")


@pytest.mark.parametrize("policy", ("allkeys-random", "volatile-random"))
def test_random_keys_go_from_all_databases_alike(plain, leader, policy):
    """Whichever databases have keys, with empty ones between them."""
    dbs, n = (0, 1, 2, 9), 2000
    with leader.client() as c:
        for db in dbs:
            c.call("SELECT", db)
            for at in range(0, n, 100):
                c.pipeline([["SET", f"key:{i}", VALUE, "EX", "10000"] for i in range(at, at + 100)])
        limit(leader, policy, -2 * MB)
        top = int(leader.call("CONFIG", "GET", "maxmemory")[1])
        eventually(lambda: counted(leader) <= top, what="memory below the limit")
        left = []
        for db in dbs:
            c.call("SELECT", db)
            left.append(c.call("DBSIZE"))
    assert sum(left) < len(dbs) * n - 1000
    assert max(left) - min(left) <= 1, left
    assert_replicas_are_equal(plain)


def test_only_keys_with_a_time_go_and_the_nearest_first(plain, leader):
    fill(leader, 0, 1000)
    fill(leader, 1000, 1000, "EX", "10000")
    fill(leader, 2000, 1000, "EX", "20000")
    limit(leader, "volatile-ttl", 1 * MB, maxmemory_samples="10")
    fill(leader, 3000, 1500)
    assert keys_left(leader, 0, 1000) == 1000
    assert keys_left(leader, 3000, 1500) == 1500
    assert keys_left(leader, 1000, 1000) < keys_left(leader, 2000, 1000)
    # When none with a time is left, writes are refused.
    refused = [r for r in fill(leader, 5000, 8000) if isinstance(r, ReplyError)]
    assert refused and keys_left(leader, 1000, 2000) == 0
    leader.call("CONFIG", "SET", "maxmemory-samples", "5")
    assert_replicas_are_equal(plain)


def test_a_lower_limit_is_reached_without_commands(plain, leader):
    fill(leader, 0, 10000)
    before = counted(leader)
    leader.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", before - 5 * MB)
    eventually(lambda: counted(leader) <= before - 5 * MB, what="memory below the lower limit")
    assert 0 < leader.call("DBSIZE") < 10000
    assert_replicas_are_equal(plain)


# ---- access data -----------------------------------------------------------------------------------


def access(node, word, key):
    with node.client() as c:
        if not node.cluster.plain:
            c.call("READONLY")
        return c.call("OBJECT", word, key)


@pytest.mark.parametrize(
    ("policy", "word", "value", "fresh"), (("allkeys-lru", "IDLETIME", 1000, 0), ("allkeys-lfu", "FREQ", 200, 5))
)
def test_access_data_survives_reloads_restarts_and_changes_of_leaders(policy, word, value, fresh):
    """Nobody has used the two keys since: idle times grow by the seconds of the test, frequencies stay."""
    with Cluster(maxmemory_policy=policy, lfu_decay_time="0") as cluster:
        leader = cluster.leader()
        start = time.monotonic()
        with leader.client() as c:
            c.call("SET", "model", "v")
            c.call("RPUSH", "new", "a")
            c.call("RESTORE", "old", "0", c.call("DUMP", "model"), word, str(value))

        def check(nodes):
            cluster.wait_caught_up()
            for node in nodes:
                for key, at_least in (("old", value), ("new", fresh)):
                    seen = access(node, word, key)
                    most = at_least + (time.monotonic() - start + 2 if word == "IDLETIME" else 0)
                    assert at_least <= seen <= most, (node.number, key, seen)

        check(cluster.nodes)
        for node in cluster.nodes:
            assert node.call("DEBUG", "RELOAD") == "OK"
        cluster.wait_serving()
        check(cluster.nodes)
        for node in cluster.nodes:
            node.kill()
        cluster.start()
        check(cluster.nodes)
        target = cluster.followers()[0]
        assert target.call("CLUSTER", "FAILOVER") == "OK"
        eventually(lambda: cluster.find_leader() is target, what="the leader has changed")
        check(cluster.nodes)


def test_what_has_been_read_since_a_snapshot_is_in_the_next(plain, leader):
    """Also when nothing was written: reads are in no log."""
    leader.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with leader.client() as c:
        c.call("SET", "model", "v")
        c.call("RESTORE", "k", "0", c.call("DUMP", "model"), "IDLETIME", "1000")
        assert c.call("DEBUG", "RELOAD") == "OK"
        assert c.call("OBJECT", "IDLETIME", "k") >= 1000
        start = time.monotonic()
        c.call("GET", "k")
        assert c.call("DEBUG", "RELOAD") == "OK"
        assert c.call("OBJECT", "IDLETIME", "k") <= time.monotonic() - start + 2


def test_a_write_is_a_use_on_followers_too(plain, leader):
    plain.wait_caught_up()
    with leader.client() as c:
        start = time.monotonic()
        c.call("RPUSH", "model", "v")
        for key in ("over", "more"):
            c.call("RESTORE", key, "0", c.call("DUMP", "model"), "IDLETIME", "1000")
        plain.wait_caught_up()
        for node in plain.nodes:
            assert access(node, "IDLETIME", "over") >= 1000
        c.call("SET", "over", "v")
        c.call("RPUSH", "more", "v")
        plain.wait_caught_up()
        for node in plain.nodes:
            for key in ("over", "more"):
                assert access(node, "IDLETIME", key) <= time.monotonic() - start + 2


def test_hot_keys_stay_after_a_restart():
    """What was used often before is known after it: others go first."""
    options = {"maxmemory_policy": "allkeys-lfu", "maxmemory_samples": "64", "lfu_log_factor": "0"}
    with Cluster(nodes=1, plain=True, lfu_decay_time="0", **options) as cluster:
        node = cluster.nodes[0]
        skip_without_jemalloc(node.info("memory"))
        fill(node, 0, 4000)
        with node.client() as c:
            c.pipeline([["GET", f"key:{i}"] for i in range(20) for _ in range(30)])
            before = int(node.info("persistence")["rdb_saves"])
            c.call("BGSAVE")
        eventually(lambda: int(node.info("persistence")["rdb_saves"]) > before, what="a snapshot")
        eventually(lambda: node.group()["snapshot_index"] == node.group()["applied"], what="the log knows of it")
        node.kill()
        node.start()
        cluster.wait_serving()
        assert [node.call("OBJECT", "FREQ", f"key:{i}") for i in (0, 19, 20, 3999)] == [35, 35, 5, 5]
        top = counted(node) - 2 * MB
        node.call("CONFIG", "SET", "maxmemory", top)
        eventually(lambda: counted(node) <= top, what="memory below the limit")
        assert node.call("DBSIZE") < 3000
        assert keys_left(node, 0, 20) == 20


def test_the_largest_client_goes_first(plain, leader):
    """Two clients that hold much in their queues, and one that is protected."""
    with leader.client() as big, leader.client() as small, leader.client() as kept:
        kept.call("CLIENT", "NO-EVICT", "ON")
        for c, n in ((big, 24), (small, 1), (kept, 8)):
            c.call("MULTI")
            for _ in range(n):
                c.call("ECHO", "x" * MB)
        leader.call("CONFIG", "SET", "maxmemory-clients", str(24 * MB))
        eventually(lambda: leader.info("stats")["evicted_clients"] == "1", what="an eviction")
        with pytest.raises((ConnectionClosed, ConnectionError)):
            big.call("PING")
        assert len(small.call("EXEC")) == 1
        assert len(kept.call("EXEC")) == 8
    leader.call("CONFIG", "SET", "maxmemory-clients", "0")


def test_a_small_limit_of_clients_locks_nobody_out(leader):
    with leader.client() as c:
        try:
            for limit, shown in (("1", b"1"), ("1%", b"1%")):
                c.call("CONFIG", "SET", "maxmemory", 1 * MB if limit == "1%" else "0", "maxmemory-clients", limit)
                for _ in range(3):
                    with leader.client() as other:
                        assert other.call("PING") == "PONG"
                assert c.call("CONFIG", "GET", "maxmemory-clients") == [b"maxmemory-clients", shown]
        finally:
            leader.call("CONFIG", "SET", "maxmemory-clients", "0", "maxmemory", "0")
