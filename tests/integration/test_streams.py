# SPDX-License-Identifier: BSD-3-Clause
"""Streams on real nodes: readers that wait, groups through failover, restart and snapshot. What the commands reply is
compared with redis-server at random (differential/diff_stream.py)."""

import time

import pytest
from diff_redis import redis_server
from holdfast import Client, Cluster, ReplyError, eventually


@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True) as c:
        yield c


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("FLUSHALL")
    return node


def start_waiting(node, *words):
    before = int(node.info("clients")["blocked_clients"])
    c = node.client()
    c.send(*words)
    eventually(lambda: int(node.info("clients")["blocked_clients"]) == before + 1, what="a client that waits")
    return c


def entry(i, *fields):
    return [i, list(fields)]


def test_xread_waits_for_what_comes_after_the_last_entry(leader):
    leader.call("XADD", "s", "1-1", "f", "old")
    clients = [start_waiting(leader, "XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$") for _ in range(2)]
    leader.call("XADD", "s", "2-1", "f", "new")
    for c in clients:  # a stream is read by all, not by the first
        assert c.read() == [[b"s", [entry(b"2-1", b"f", b"new")]]]
        c.close()


def test_xread_with_a_transaction_gives_all_of_it(leader):
    c = start_waiting(leader, "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    with leader.client() as t:
        t.pipeline([("MULTI",), *(("XADD", "s", f"{i}-1", "i", i) for i in range(1, 4)), ("EXEC",)])
    assert c.read() == [[b"s", [entry(b"%d-1" % i, b"i", b"%d" % i) for i in range(1, 4)]]]
    c.close()


def test_time_runs_out(leader):
    with leader.client() as c:
        began = time.monotonic()
        assert c.call("XREAD", "BLOCK", 150, "STREAMS", "none", "$") is None
        leader.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        assert c.call("XREADGROUP", "GROUP", "g", "me", "BLOCK", 150, "STREAMS", "s", ">") is None
        assert 0.28 < time.monotonic() - began < 10


def test_waiters_of_a_group_share_what_comes_in_order_of_arrival(plain, leader):
    leader.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    clients = [
        start_waiting(leader, "XREADGROUP", "GROUP", "g", name, "COUNT", 1, "BLOCK", 0, "STREAMS", "s", ">")
        for name in ("a", "b")
    ]
    leader.call("XADD", "s", "1-1", "f", "1")
    assert clients[0].read() == [[b"s", [entry(b"1-1", b"f", b"1")]]]
    leader.call("XADD", "s", "2-1", "f", "2")
    assert clients[1].read() == [[b"s", [entry(b"2-1", b"f", b"2")]]]
    assert leader.call("XPENDING", "s", "g") == [2, b"1-1", b"2-1", [[b"a", b"1"], [b"b", b"1"]]]
    for c in clients:
        c.close()
    plain.wait_caught_up()
    assert len(plain.digests()) == 1


@pytest.mark.parametrize(
    "words, error",
    [
        (("XGROUP", "DESTROY", "s", "g"), "NOGROUP"),
        (("DEL", "s"), "UNBLOCKED|NOGROUP"),
        (("SET", "s", "text"), "WRONGTYPE|UNBLOCKED"),
        (("FLUSHALL",), "UNBLOCKED|NOGROUP"),
        (("RENAME", "s", "t"), "UNBLOCKED the stream key no longer exists"),
    ],
)
def test_a_waiter_is_told_when_its_group_is_gone(leader, words, error):
    leader.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    c = start_waiting(leader, "XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "s", ">")
    leader.call(*words)
    with pytest.raises(ReplyError, match=f"^({error})"):
        c.read()
    c.close()


def test_groups_live_through_failover_restart_and_snapshot():
    with Cluster(plain=True) as cluster:
        node = cluster.leader()
        for i in range(1, 301):
            node.call("XADD", "s", f"{i}-0", "n", i)
        node.call("XGROUP", "CREATE", "s", "g", "0")
        assert len(node.call("XREADGROUP", "GROUP", "g", "a", "COUNT", 100, "STREAMS", "s", ">")[0][1]) == 100
        assert node.call("XACK", "s", "g", *(f"{i}-0" for i in range(1, 51))) == 50
        node.kill()
        new = cluster.leader()
        assert new.call("XPENDING", "s", "g")[:3] == [50, b"51-0", b"100-0"]
        assert new.call("XREADGROUP", "GROUP", "g", "b", "COUNT", 1, "STREAMS", "s", ">")[0][1][0][0] == b"101-0"
        assert len(new.call("XCLAIM", "s", "g", "b", 0, "51-0", "52-0", "JUSTID")) == 2
        node.start()
        cluster.wait_caught_up()
        assert len(cluster.digests()) == 1
        before = new.call("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
        new.call("BGSAVE")
        eventually(lambda: new.info("persistence")["rdb_bgsave_in_progress"] == "0", what="the snapshot")
        for n in cluster.nodes:
            n.kill()
        for n in cluster.nodes:
            n.start(wait=False)
        cluster.wait_serving()
        after = cluster.leader().call("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
        assert [w for w in after if not isinstance(w, list)] == [w for w in before if not isinstance(w, list)]
        cluster.wait_caught_up()
        assert len(cluster.digests()) == 1


def test_payloads_go_to_redis_and_come_back(leader):
    with redis_server() as address, Client(address[1]) as redis:
        for c in (leader, redis):
            for i in range(1, 251):
                c.call("XADD", "s", f"{i}-{i % 3}", "f", i, "g" if i % 7 else "h", "x" * (i % 90))
            c.call("XDEL", "s", "5-2", "6-0", "200-2")
            c.call("XGROUP", "CREATE", "s", "g", "0")
            c.call("XREADGROUP", "GROUP", "g", "me", "COUNT", 20, "STREAMS", "s", ">")
            c.call("XREADGROUP", "GROUP", "g", "you", "COUNT", 5, "STREAMS", "s", ">")
            c.call("XACK", "s", "g", "1-1", "8-2")
        assert redis.call("RESTORE", "ours", 0, leader.call("DUMP", "s")) == "OK"
        assert leader.call("RESTORE", "theirs", 0, redis.call("DUMP", "s")) == "OK"
        for ask in (("XRANGE", "{}", "-", "+"), ("XPENDING", "{}", "g"), ("XLEN", "{}")):
            want = redis.call(*(w.format("s") for w in ask))
            assert redis.call(*(w.format("ours") for w in ask)) == want
            assert leader.call(*(w.format("theirs") for w in ask)) == want
            assert leader.call(*(w.format("s") for w in ask)) == want
