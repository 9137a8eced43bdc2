# SPDX-License-Identifier: BSD-3-Clause
"""Keys of any type on real nodes: times to live and their end on all replicas, scans under writes,
databases, and what is told about a key."""

import random
import threading
import time

import pytest

from holdfast import Client, Cluster, ReplyError, Session, eventually, fields, info


# These tests talk to one leader: it should not change because the machine is busy.
@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def clustered():
    with Cluster(raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("FLUSHALL")
    return node


def run(client, *lines):
    """Commands in one write; errors as their text."""
    replies = client.pipeline([line.split(" ") for line in lines])
    return [r.text if isinstance(r, ReplyError) else r for r in replies]


# ---- times to live -------------------------------------------------------------------------------


def test_expire_and_its_conditions(leader):
    with leader.client() as c:
        assert run(c, "SET e v", "TTL e", "PERSIST e", "EXPIRE e 100", "TTL e") == ["OK", -1, 0, 1, 100]
        for line, reply, ttl in (
            ("EXPIRE e 50 NX", 0, 100),
            ("EXPIRE e 50 GT", 0, 100),
            ("EXPIRE e 200 GT", 1, 200),
            ("EXPIRE e 300 LT", 0, 200),
            ("EXPIRE e 50 LT", 1, 50),
            ("EXPIRE e 70 XX", 1, 70),
            ("EXPIRE e 60 XX LT", 1, 60),
            ("EXPIRE e 59 XX GT", 0, 60),
        ):
            assert run(c, line) == [reply], line
            assert ttl - 2 <= c.call("TTL", "e") <= ttl, line
        assert run(c, "PERSIST e", "EXPIRE e 10 XX", "EXPIRE e 10 GT", "TTL e") == [1, 0, 0, -1]
        assert run(c, "EXPIRE e 10 LT", "PERSIST e", "EXPIRE e 10 NX", "PERSIST e") == [1, 1, 1, 1]
        bad = ("EXPIRE e 1 GT LT", "EXPIRE e 1 NX GT", "EXPIRE e 1 NOSUCH", "EXPIRE e x", "EXPIRE e 9223372036854775")
        assert run(c, *bad) == [
            "ERR GT and LT options at the same time are not compatible",
            "ERR NX and XX, GT or LT options at the same time are not compatible",
            "ERR Unsupported option NOSUCH",
            "ERR value is not an integer or out of range",
            "ERR invalid expire time in 'expire' command",
        ]
        assert run(c, "EXPIRE e -1", "EXISTS e", "SET e v", "EXPIREAT e 1", "EXISTS e") == [1, 0, "OK", 1, 0]
        assert run(c, "PEXPIRE e 5", "TTL e", "PTTL e", "EXPIRETIME e", "PEXPIRETIME e") == [0, -2, -2, -2, -2]


def test_set_and_getex_with_times(leader):
    with leader.client() as c:
        now = time.time()
        run(c, "SET a v EX 100", "SET b v PX 100000")
        run(c, f"SET c v EXAT {int(now) + 100}", f"SET d v PXAT {int(now * 1000) + 100000}")
        for key in "abcd":
            assert 97 <= c.call("TTL", key) <= 101
            assert abs(c.call("PEXPIRETIME", key) / 1000 - now - 100) < 5
        assert run(c, "SET a w KEEPTTL", "SET b w", "APPEND c w", "INCRBY n 1") == ["OK", "OK", 2, 1]
        assert [c.call("TTL", k) > 0 for k in "abc"] == [True, False, True]
        assert run(c, "GETEX a", "TTL b", "GETEX b EX 50", "GETEX c PERSIST", "TTL c") == [b"w", -1, b"w", b"vw", -1]
        assert 48 <= c.call("TTL", "b") <= 50
        assert run(c, "GETSET d x", "TTL d") == [b"v", -1]
        assert run(c, "SET k v EX 100", "RENAME k k2", "COPY k2 k3") == ["OK", "OK", 1]
        assert c.call("TTL", "k2") > 97 and c.call("TTL", "k3") > 97


def test_keys_end_on_all_nodes_although_nobody_asks(plain, leader):
    """The leader removes them, by entries of the log: its followers, which see no clock, agree."""
    with leader.client() as c:
        before = int(info(c, "stats")["expired_keys"])
        n = 3000
        c.pipeline([("SET", f"x:{i}", "v", "PX", str(random.randint(1, 800))) for i in range(n)])
        run(c, "SET stays v", "SET later v EX 1000")
        eventually(lambda: c.call("DBSIZE") == 2, what="all are gone from the leader")
        assert int(info(c, "stats")["expired_keys"]) - before == n
    for node in plain.followers():
        eventually(lambda node=node: node.call("DBSIZE") == 2, what="and from the followers")
        assert node.info("stats")["expired_keys"] == "0"
        assert fields(node.info("keyspace")["db0"])["expires"] == "1"
    assert len(plain.digests()) == 1


def test_a_key_past_its_time_is_missing_at_once_everywhere(plain, leader):
    """Also before it is removed: hidden on followers, removed by whoever touches it on the leader."""
    with leader.client() as c:
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try:
            c.pipeline([("SET", f"{x}{i}", "v", "PX", "50") for x in "abcdefgh" for i in range(10)])
            plain.wait_caught_up()
            time.sleep(0.1)
            follower = plain.followers()[0]
            with follower.client() as f:
                assert f.call("DBSIZE") == 80  # nothing was removed yet
                assert run(f, "GET a0", "EXISTS a0", "TTL a0", "TYPE a0", "STRLEN a0", "OBJECT ENCODING a0") == [
                    None, 0, -2, "none", 0, None,
                ]  # fmt: skip
                assert run(f, "MGET a0 a1", "KEYS *", "RANDOMKEY", "SCAN 0 COUNT 1000") == [
                    [None, None], [], None, [b"0", []],
                ]  # fmt: skip
                assert f.call("DBSIZE") == 80
            assert run(c, "GET a0", "EXISTS b0", "TTL c0", "APPEND d0 new") == [None, 0, -2, 3]
            assert run(c, "INCR e0", "SETNX f0 w", "DEL g0", "RENAME h0 z") == [1, 1, 0, "ERR no such key"]
            assert run(c, "GET d0", "TTL d0", "TTL e0", "GET f0") == [b"new", -1, -1, b"w"]
            assert c.call("DBSIZE") == 75  # five went; three came again under their names
            assert len(plain.digests()) == 1
        finally:
            c.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        eventually(lambda: c.call("DBSIZE") == 3, what="the rest goes")
    assert len(plain.digests()) == 1


def test_times_outlive_a_change_of_leadership():
    with Cluster(plain=True) as cluster:
        session = Session(cluster)
        for i in range(500):
            session.call("SET", f"t:{i}", "v", "PX", str(1500 + i))
        session.call("SET", "stays", "v", "EX", "1000")
        cluster.leader().kill()
        eventually(lambda: session.call("DBSIZE") == 1, 30, "the new leader ends them")
        for node in cluster.nodes:
            if not node.is_running():
                node.start()
        assert len(cluster.digests()) == 1
        assert 900 < session.call("TTL", "stays") <= 1000
        session.close()


# ---- scans ---------------------------------------------------------------------------------------


def scan(client, *options, between=lambda: None):
    seen = []
    cursor = b"0"
    while True:
        cursor, keys = client.call("SCAN", cursor, *options)
        seen += keys
        between()
        if cursor == b"0":
            return seen


@pytest.mark.parametrize("mode", ["plain", "clustered"])
def test_a_scan_sees_every_key_that_is_there_all_the_time(request, mode):
    cluster = request.getfixturevalue(mode)
    leader = cluster.leader()
    stop = threading.Event()
    stay = {b"stay:%d" % i for i in range(5000)}

    def churn():
        rng = random.Random(7)
        with Client(leader.port) as c:
            n = 0
            while not stop.is_set():
                n += 1
                keys = [f"churn:{rng.randrange(20000)}" for _ in range(50)]
                c.pipeline([("SET", k, "v") if n % 3 else ("DEL", k) for k in keys])

    with leader.client() as c:
        c.call("FLUSHALL")
        c.pipeline([("SET", k, "v") for k in stay])
        threads = [threading.Thread(target=churn, daemon=True) for _ in range(2)]
        for t in threads:
            t.start()
        try:
            for options in ((), ("COUNT", "100"), ("COUNT", "7000"), ("MATCH", "stay:*", "COUNT", "50")):
                assert stay <= set(scan(c, *options)), options
            assert not scan(c, "TYPE", "list")
        finally:
            stop.set()
            for t in threads:
                t.join(30)
        every = scan(c, "COUNT", "10")
        assert len(every) == len(set(every)) == c.call("DBSIZE")  # at rest, each once
        assert sorted(every) == sorted(c.call("KEYS", "*"))
        # A follower's table gives the same keys.
        cluster.wait_caught_up()
        with cluster.followers()[0].client() as f:
            assert set(scan(f, "COUNT", "1000")) == set(every)


def test_a_scan_survives_growing_and_shrinking(leader):
    with leader.client() as c:
        stay = {b"stay:%d" % i for i in range(300)}
        c.pipeline([("SET", k, "v") for k in stay])
        steps = [0]

        def grow():
            steps[0] += 1
            if steps[0] <= 20:
                c.pipeline([("SET", f"more:{steps[0]}:{i}", "v") for i in range(500)])

        assert stay <= set(scan(c, between=grow))
        assert c.call("DBSIZE") > 5000
        steps[0] = 0

        def shrink():
            steps[0] += 1
            if steps[0] <= 20:
                c.pipeline([("DEL", f"more:{steps[0]}:{i}") for i in range(500)])

        assert stay <= set(scan(c, "COUNT", "20", between=shrink))
        assert c.call("DBSIZE") == 300


def test_keys_and_randomkey(leader):
    with leader.client() as c:
        assert run(c, "KEYS *", "RANDOMKEY") == [[], None]
        run(c, "MSET one 1 two 2 three 3 four 4")
        assert sorted(c.call("KEYS", "*o*")) == [b"four", b"one", b"two"]
        assert sorted(c.call("KEYS", "t[^h]?")) == [b"two"] and c.call("KEYS", "t??e?") == [b"three"]
        assert {c.call("RANDOMKEY") for _ in range(200)} == {b"one", b"two", b"three", b"four"}


# ---- databases -----------------------------------------------------------------------------------


def test_databases(plain, leader):
    with leader.client() as c, leader.client() as other:
        run(c, "SET k zero", "SELECT 1", "SET k one", "SET only one EX 1000")
        assert run(c, "DBSIZE", "GET k", "MOVE only 0", "MOVE k 0", "EXISTS only", "DBSIZE") == [2, b"one", 1, 0, 0, 1]
        assert run(other, "GET k", "GET only", "DBSIZE", "COPY k copied DB 2", "COPY k only DB 1") == [
            b"zero", b"one", 2, 1, 1,
        ]  # fmt: skip
        assert other.call("TTL", "only") > 900
        assert run(other, "COPY k k DB 1", "COPY k k DB 1 REPLACE") == [0, 1]
        assert run(c, "GET k", "SWAPDB 0 1", "GET only", "SELECT 0", "GET k") == [b"zero", "OK", b"one", "OK", b"zero"]
        keyspace = info(c, "keyspace")
        assert {db: fields(v)["keys"] for db, v in keyspace.items()} == {"db0": "2", "db1": "2", "db2": "1"}
        assert len(plain.digests()) == 1
        assert run(other, "SELECT 1", "FLUSHDB", "DBSIZE", "SELECT 2", "DBSIZE", "FLUSHALL ASYNC", "DBSIZE") == [
            "OK", "OK", 0, "OK", 1, "OK", 0,
        ]  # fmt: skip
        assert info(c, "keyspace") == {}
    assert len(plain.digests()) == 1


# ---- about a key ---------------------------------------------------------------------------------


def test_memory_usage_grows_with_the_value(leader):
    with leader.client() as c:
        run(c, "SET n 123", "SET s short")
        c.call("SET", "big", "x" * 100_000)
        small, short, big = (c.call("MEMORY", "USAGE", k) for k in ("n", "s", "big"))
        assert 16 <= small <= short <= 200 and 100_000 < big < 150_000
        assert c.call("MEMORY", "USAGE", "big", "SAMPLES", "0") == big
        assert c.call("MEMORY", "USAGE", "nosuch") is None
        assert run(c, "MEMORY USAGE n SAMPLES -1", "MEMORY USAGE n SAMPLES x", "MEMORY USAGE n BOGUS 1") == [
            "ERR syntax error",
            "ERR value is not an integer or out of range",
            "ERR syntax error",
        ]


def test_object(leader):
    with leader.client() as c:
        run(c, "SET i 12", "SET e short")
        c.call("SET", "r", "x" * 45)
        assert run(c, "OBJECT ENCODING i", "OBJECT ENCODING e", "OBJECT ENCODING r", "OBJECT REFCOUNT e") == [
            b"int", b"embstr", b"raw", 1,
        ]  # fmt: skip
        assert run(c, "APPEND e x", "OBJECT ENCODING e", "OBJECT ENCODING nosuch", "OBJECT IDLETIME nosuch") == [
            6, b"raw", None, None,
        ]  # fmt: skip
        eventually(lambda: c.call("OBJECT", "IDLETIME", "i") >= 1, what="a second has passed")
        assert run(c, "EXISTS i", "TTL i", "TYPE i", "OBJECT ENCODING i") == [1, -1, "string", b"int"]
        assert c.call("OBJECT", "IDLETIME", "i") >= 1  # none of these is a use of the key
        c.call("GET", "i")
        assert c.call("OBJECT", "IDLETIME", "i") == 0


def test_rename_copy_and_friends_of_missing_and_same_keys(leader):
    with leader.client() as c:
        assert run(c, "SET a 1", "RENAME a a", "RENAMENX a a", "RENAME no x", "COPY no x", "COPY a a", "GET a") == [
            "OK",
            "OK",
            0,
            "ERR no such key",
            0,
            "ERR source and destination objects are the same",
            b"1",
        ]
        assert run(c, "EXISTS a a no", "TOUCH a no", "UNLINK a a", "TYPE a", "DEL a") == [2, 1, 1, "none", 0]


def test_big_values_are_freed_aside(leader):
    """UNLINK and FLUSHALL ASYNC of much hold nobody up."""
    with leader.client() as c, leader.client() as other:
        c.call("DEBUG", "POPULATE", "200000", "much", "10")
        full = int(info(other, "memory")["used_memory_dataset"])
        c.call("FLUSHALL", "ASYNC")
        assert other.call("DBSIZE") == 0
        if "jemalloc" in info(c, "memory")["mem_allocator"]:  # the sanitizers' keeps what is freed
            eventually(
                lambda: int(info(other, "memory")["used_memory_dataset"]) < full - 5_000_000, what="the memory is free"
            )
