# SPDX-License-Identifier: BSD-3-Clause
"""Publish and subscribe on real nodes: one node, three, and shard channels over several groups."""

import contextlib
import time

import pytest

from holdfast import ConnectionClosed, Cluster, ReplyError, eventually, info
from subscribers import client, messages, pushed, subscriber
from test_groups import EVEN, PATIENT, tag_of


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=3, plain=True) as c:
        yield c


@pytest.fixture(scope="module")
def groups():
    with Cluster(**PATIENT) as c:
        eventually(lambda: c.leaders() == EVEN, 30, "each group is led by the node it prefers")
        yield c


@pytest.fixture
def node(plain):
    return plain.leader()


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_come_in_order_and_once_for_each_subscription(node, protocol):
    with subscriber(node, "SUBSCRIBE", "a", "b", protocol=protocol) as s:
        s.send("PSUBSCRIBE", "a*")
        assert s.read() == [b"psubscribe", b"a*", 3]
        with node.client() as p:
            assert p.pipeline([["PUBLISH", "a", "1"], ["PUBLISH", "b", "2"], ["PUBLISH", "ab", "3"],
                               ["PUBLISH", "c", "4"]]) == [2, 1, 1, 0]  # fmt: skip
        got = pushed(s) if protocol == 3 else messages(s)
        assert got == [[b"message", b"a", b"1"], [b"pmessage", b"a*", b"a", b"1"], [b"message", b"b", b"2"],
                       [b"pmessage", b"a*", b"ab", b"3"]]  # fmt: skip


def test_a_subscriber_of_resp2_is_told_what_it_may_do(node):
    with subscriber(node, "SUBSCRIBE", "a", protocol=2) as s:
        assert s.call("PING", "x") == [b"pong", b"x"]
        for words in (["GET", "k"], ["PUBLISH", "a", "m"], ["CONFIG", "GET", "port"], ["MULTI"]):
            name = "|".join(words[:2]).lower() if words[0] == "CONFIG" else words[0].lower()
            with pytest.raises(ReplyError, match=rf"^ERR Can't execute '{name.replace('|', '.')}': only"):
                s.call(*words)
        with pytest.raises(ReplyError, match="^EXECABORT Transaction discarded because of: Can't execute 'exec'"):
            s.call("EXEC")
        assert s.call("RESET") == "RESET"
        assert s.call("GET", "k") is None
    assert node.call("PUBSUB", "CHANNELS") == []


def test_own_messages_follow_the_reply_that_they_would_cut(node):
    """In RESP3 a client hears itself: behind its reply, and never in the middle of a transaction's."""
    with subscriber(node, "SUBSCRIBE", "a") as s:
        assert s.call("PUBLISH", "a", "1") == 1
        assert s.read() == [b"message", b"a", b"1"]
        s.call("MULTI")
        for words in (["PUBLISH", "a", "2"], ["SET", "k", "v"], ["PUBLISH", "a", "3"]):
            assert s.call(*words) == "QUEUED"
        assert s.call("EXEC") == [1, "OK", 1]
        assert pushed(s) == [[b"message", b"a", b"2"], [b"message", b"a", b"3"]]


def test_a_message_waits_for_replies_before_it_only(node):
    """WAIT holds replies of the subscriber back, not messages; a PING behind it comes behind."""
    with subscriber(node, "SUBSCRIBE", "a") as s:
        s.send("BLPOP", "none", "0.3")
        eventually(lambda: int(node.info("clients")["blocked_clients"]) == 1)
        node.call("PUBLISH", "a", "early")
        assert s.read() == [b"message", b"a", b"early"]
        assert s.read() is None


def test_client_list_and_info_know_subscribers(node):
    with subscriber(node, "SUBSCRIBE", "a", "b") as s:
        ident = s.call("CLIENT", "ID")
        s.send("SSUBSCRIBE", "x")
        assert s.read() == [b"ssubscribe", b"x", 1]
        with node.client() as c:
            line = c.call("CLIENT", "LIST", "TYPE", "pubsub").decode()
            assert line.startswith(f"id={ident} ") and " flags=P " in line and " sub=2 psub=0 ssub=1 " in line
            assert f"id={ident} " not in c.call("CLIENT", "LIST", "TYPE", "normal").decode()
            stats = info(c, "stats")
            assert [stats[f] for f in ("pubsub_channels", "pubsub_patterns", "pubsubshard_channels")] == ["2", "0", "1"]
            assert c.call("PUBSUB", "NUMSUB", "a", "zz") == [b"a", 1, b"zz", 0]
            assert c.call("PUBSUB", "SHARDNUMSUB", "x") == [b"x", 1]
            assert c.call("CLIENT", "KILL", "TYPE", "pubsub") == 1
        with pytest.raises(ConnectionClosed):
            s.read()
    eventually(lambda: node.info("stats")["pubsub_channels"] == "0", what="its subscriptions are gone")


def test_a_subscriber_that_does_not_read_is_closed(node):
    with node.client() as c:
        c.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        with subscriber(node, "SUBSCRIBE", "full"):
            before = node.call("PUBSUB", "NUMSUB", "full")
            deadline = time.monotonic() + 20
            while c.call("PUBLISH", "full", "x" * 100000) == 1:
                assert time.monotonic() < deadline
            assert before == [b"full", 1]
        # One message above the limit does it as well.
        with subscriber(node, "SUBSCRIBE", "full") as s:
            c.call("PUBLISH", "full", "x" * 1100000)
            with pytest.raises(ConnectionClosed):
                s.read()
        c.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


def test_thousands_of_subscriptions(node):
    with client(node) as s:
        n = 5000
        s.send_raw(b"".join(s.encode("SUBSCRIBE", f"c{i}") for i in range(n)))
        assert [s.read()[2] for _ in range(n)] == list(range(1, n + 1))
        assert len(node.call("PUBSUB", "CHANNELS", "c*")) == n
        assert node.call("PUBLISH", "c4321", "m") == 1
        assert s.read() == [b"message", b"c4321", b"m"]
        s.send("UNSUBSCRIBE")
        assert [s.read()[2] for _ in range(n)] == list(range(n - 1, -1, -1))
    assert node.call("PUBSUB", "CHANNELS") == []


# ---- several nodes -----------------------------------------------------------------------------------


def test_whichever_node_takes_it_all_nodes_deliver(plain):
    with contextlib.ExitStack() as stack:
        subs = [stack.enter_context(subscriber(n, "SUBSCRIBE", "everywhere")) for n in plain.nodes]
        for i, n in enumerate(plain.nodes):
            with n.client() as p:
                replies = p.pipeline([["PUBLISH", "everywhere", f"{i}:{j}"] for j in range(500)])
                assert replies == [1] * 500  # its own subscriber is the one it counts
        for s in subs:
            got = [s.read()[2].decode() for _ in range(1500)]
            for i in range(3):
                assert [m for m in got if m.startswith(f"{i}:")] == [f"{i}:{j}" for j in range(500)]


def test_big_and_small_messages_keep_their_order_between_nodes(plain):
    here, there = plain.nodes[0], plain.nodes[1]
    sizes = [1, 300000, 5, 3000000, 0, 20]
    with subscriber(there, "SUBSCRIBE", "sizes") as s, here.client() as p:
        p.pipeline([["PUBLISH", "sizes", b"x" * n] for n in sizes])
        assert [len(s.read()[2]) for _ in sizes] == sizes
        with pytest.raises(ReplyError, match="^ERR the message is too large for the other nodes"):
            p.call("PUBLISH", "sizes", b"x" * (64 << 20))


def test_messages_need_no_leader(plain):
    """PUBLISH is not replicated: with two of three nodes standing still it goes on on the third."""
    node, others = plain.nodes[0], plain.nodes[1:]
    with subscriber(node, "SUBSCRIBE", "a") as s:
        for n in others:
            n.stop()
        try:
            time.sleep(0.5)
            with node.client(timeout_s=3) as c:
                assert c.call("PUBLISH", "a", "m") == 1
            assert s.read() == [b"message", b"a", b"m"]
        finally:
            for n in others:
                n.cont()
    plain.wait_serving()


# ---- shard channels ------------------------------------------------------------------------------------


def test_shard_channels_belong_to_slots(groups):
    channel, other = tag_of(2), tag_of(3)
    leader, elsewhere = groups.leader(2), groups.leader(1)
    with subscriber(leader, "SSUBSCRIBE", channel) as a, subscriber(elsewhere, "SSUBSCRIBE", channel) as b:
        # A replica takes subscribers, messages go to the leader.
        with elsewhere.client() as c, pytest.raises(ReplyError, match=rf"^MOVED \d+ 127.0.0.1:{leader.port}$"):
            c.call("SPUBLISH", channel, "m")
        assert leader.call("SPUBLISH", channel, "m") == 1
        assert leader.call("PUBLISH", channel, "not for shard channels") == 0
        assert a.read() == b.read() == [b"smessage", channel.encode(), b"m"]
        assert pushed(a) == []
        for words in (["SSUBSCRIBE", channel, other], ["SUNSUBSCRIBE", channel, other]):
            with pytest.raises(ReplyError, match="^CROSSSLOT"):
                a.call(*words)
        assert leader.call("PUBSUB", "SHARDCHANNELS") == [channel.encode()]
        assert leader.call("PUBSUB", "CHANNELS") == []
        b.send("SUNSUBSCRIBE")
        assert b.read() == [b"sunsubscribe", channel.encode(), 0]


def test_shard_subscribers_stay_when_the_leader_changes(groups):
    """All nodes are replicas of the slot before and after, so nobody is unsubscribed."""
    channel = tag_of(1)
    old = groups.leader(1)
    new = next(n for n in groups.nodes if n is not old)
    with subscriber(old, "SSUBSCRIBE", channel) as s:
        assert new.call("CLUSTER", "FAILOVER", "GROUP", "1") == "OK"
        eventually(lambda: groups.find_leader(1) is new, what="the other node leads")
        assert new.call("SPUBLISH", channel, "m") == 0
        assert s.read() == [b"smessage", channel.encode(), b"m"]
        assert pushed(s) == []
        assert old.call("CLUSTER", "FAILOVER", "GROUP", "1") == "OK"
        eventually(lambda: groups.find_leader(1) is old, what="the first node leads again")
