# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT TRACKING on real nodes: on leaders, on followers, and through changes of leaders."""

import contextlib
import time

import pytest

from holdfast import Cluster, ReplyError, eventually
from subscribers import client, messages, pushed, subscriber
from test_groups import EVEN, PATIENT, tag_of


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=3, plain=True, raft_election_timeout=1000) as c:
        yield c


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("FLUSHALL")
    return node


@contextlib.contextmanager
def tracking(node, *options, protocol=3):
    with client(node, protocol) as c:
        assert c.call("CLIENT", "TRACKING", "ON", *options) == "OK"
        yield c


def keys(c):
    """The keys that were invalidated so far: None for all."""
    got = []
    for kind, what in pushed(c):
        assert kind == b"invalidate"
        got += [None] if what is None else [k.decode() for k in what]
    return got


def test_a_key_that_was_read_is_invalidated_once(leader):
    with tracking(leader) as t, leader.client() as w:
        t.call("MGET", "a", "b")
        w.call("SET", "other", 1)
        w.pipeline([["SET", "a", 1], ["SET", "a", 2], ["APPEND", "b", "x"]])
        assert keys(t) == ["a", "b"]
        w.call("DEL", "a", "b")
        assert keys(t) == []
        assert t.call("HGETALL", "h") == {}
        w.call("HSET", "h", "f", "v")
        assert keys(t) == ["h"]


def test_a_key_that_expires_is_invalidated(leader):
    with tracking(leader) as t:
        t.call("SET", "k", "v", "PX", 50)
        assert t.call("GET", "k") in (b"v", None)
        eventually(lambda: keys(t) == ["k"], what="the key is invalidated when it expires")


def test_what_is_read_between_execution_and_commit_stays_tracked(leader):
    """Reads right behind a write of somebody else, whose commit is on its way: whoever gets the old or the
    new value is told of the change that comes next."""
    with tracking(leader) as t, leader.client() as w:
        for i in range(300):
            w.send("SET", "k", i)
            t.send("GET", "k")
            assert w.read() == "OK"
            while isinstance(copy := t.read(), list):
                pass  # of the change before
            told = [b"invalidate", [b"k"]] in pushed(t)
            assert copy == str(i).encode() or told, f"a stale copy of {i}: {copy}"


def test_own_changes_follow_the_reply_and_can_be_left_out(leader):
    with tracking(leader) as t:
        t.call("GET", "k")
        assert t.call("SET", "k", 1) == "OK"
        assert keys(t) == ["k"]
        t.call("MULTI")
        t.call("GET", "k")
        t.call("SET", "k", 2)
        t.call("GET", "k")
        assert t.call("EXEC") == [b"1", "OK", b"2"]
        assert keys(t) == ["k"]
    with tracking(leader, "NOLOOP") as t, leader.client() as w:
        t.call("GET", "k")
        t.call("SET", "k", 1)
        assert keys(t) == []
        t.call("GET", "k")
        w.call("SET", "k", 2)
        assert keys(t) == ["k"]


def test_flushes_invalidate_all(leader):
    for words in (["FLUSHALL"], ["FLUSHDB"], ["SWAPDB", "1", "2"]):
        with tracking(leader) as t, tracking(leader, "BCAST", "PREFIX", "x") as b:
            t.call("GET", "k")
            leader.call(*words)
            assert keys(t) == keys(b) == [None]
            leader.call("SET", "k", 1)
            assert keys(t) == []


def test_broadcast_by_prefix(leader):
    with (
        tracking(leader, "BCAST", "PREFIX", "x:", "PREFIX", "y:") as t,
        tracking(leader, "BCAST") as every,
        tracking(leader, "BCAST", "NOLOOP", "PREFIX", "x") as quiet,
        leader.client() as w,
    ):
        w.call("MSET", "x:1", 1, "y:1", 1, "z", 1, "x:2", 1)
        assert pushed(t) == [[b"invalidate", [b"x:1", b"x:2"]], [b"invalidate", [b"y:1"]]]
        assert keys(every) == ["x:1", "y:1", "z", "x:2"]
        assert keys(quiet) == ["x:1", "x:2"]
        quiet.call("MSET", "x:3", 1, "a", 1)
        assert keys(quiet) == []
        assert keys(t) == ["x:3"]
        assert quiet.call("CLIENT", "TRACKINGINFO") == {
            b"flags": [b"on", b"bcast", b"noloop"], b"redirect": 0, b"prefixes": [b"x"]}  # fmt: skip


def test_opting_in_and_out(leader):
    with tracking(leader, "OPTIN") as t, leader.client() as w:
        t.call("GET", "a")
        t.call("CLIENT", "CACHING", "YES")
        t.call("GET", "b")
        t.call("GET", "c")
        t.call("CLIENT", "CACHING", "YES")
        t.call("MULTI")
        t.call("GET", "d")
        t.call("GET", "e")
        t.call("EXEC")
        w.call("MSET", "a", 1, "b", 1, "c", 1, "d", 1, "e", 1)
        assert keys(t) == ["b", "d", "e"]
    with tracking(leader, "OPTOUT") as t, leader.client() as w:
        t.call("CLIENT", "CACHING", "NO")
        t.call("GET", "a")
        t.call("GET", "b")
        w.call("MSET", "a", 2, "b", 2)
        assert keys(t) == ["b"]


def test_redirection_to_a_subscriber_of_resp2(leader):
    with subscriber(leader, "SUBSCRIBE", "__redis__:invalidate", protocol=2) as s, leader.client() as w:
        target = int(leader.call("CLIENT", "LIST", "TYPE", "pubsub").split()[0].split(b"=")[1])
        with tracking(leader, "REDIRECT", target, protocol=2) as t:
            assert t.call("CLIENT", "GETREDIR") == target
            t.call("MGET", "a", "b")
            w.call("SET", "a", 1)
            w.call("FLUSHALL")
            channel = b"__redis__:invalidate"
            assert messages(s) == [[b"message", channel, [b"a"]], [b"message", channel, None]]


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_redirection_that_breaks_is_told(leader, protocol):
    with client(leader) as target:
        ident = target.call("CLIENT", "ID")
        with tracking(leader, "REDIRECT", ident, protocol=protocol) as t:
            t.call("GET", "k")
            target.call("QUIT")
            eventually(lambda: leader.call("CLIENT", "LIST", "ID", ident) == b"", what="the target is gone")
            leader.call("SET", "k", 1)
            if protocol == 3:
                assert t.read() == [b"tracking-redir-broken", ident]
            flags = t.call("CLIENT", "TRACKINGINFO")
            assert b"broken_redirect" in (flags[b"flags"] if protocol == 3 else flags[1])
            line = leader.call("CLIENT", "LIST").decode()
            assert " flags=tR " in line and f" redir={ident} " in line


def test_the_table_keeps_its_limit(leader):
    leader.call("CONFIG", "SET", "tracking-table-max-keys", 100)
    try:
        with tracking(leader) as t:
            for i in range(150):
                t.send("GET", f"k{i}")
            told = []
            for _ in range(200):
                value = t.read()
                if value is not None:
                    told += [k.decode() for k in value[1]]
            stats = leader.info("stats")
            assert stats["tracking_total_keys"] == stats["tracking_total_items"] == "100"
            assert leader.info("clients")["tracking_clients"] == "1"
            assert len(set(told)) == 50  # whoever is forgotten is told
        eventually(lambda: leader.info("stats")["tracking_total_keys"] == "0", what="nobody tracks")
    finally:
        leader.call("CONFIG", "SET", "tracking-table-max-keys", 1000000)


# ---- several nodes -------------------------------------------------------------------------------------


def test_readers_of_followers_are_told_when_it_is_applied(plain, leader):
    follower = plain.followers()[0]
    leader.call("SET", "k", 1)
    plain.wait_caught_up()
    with tracking(follower) as t, tracking(follower, "BCAST", "PREFIX", "k") as b:
        assert t.call("GET", "k") == b"1"
        leader.call("SET", "k", 2)
        assert t.read() == [b"invalidate", [b"k"]]
        assert b.read() == [b"invalidate", [b"k"]]
        assert t.call("GET", "k") == b"2"
        leader.call("FLUSHALL")
        assert t.read() == [b"invalidate", None]
        assert b.read() == [b"invalidate", None]
        assert t.call("GET", "k") is None


def test_tracking_goes_on_when_leadership_moves(plain, leader):
    """The old leader applies what the new one does."""
    new = plain.followers()[0]
    leader.call("SET", "k", 1)
    with tracking(leader) as t:
        assert t.call("GET", "k") == b"1"
        assert new.call("CLUSTER", "FAILOVER", "GROUP", "1") == "OK"
        eventually(lambda: plain.find_leader() is new, what="the other node leads")
        new.call("SET", "k", 2)
        assert t.read() == [b"invalidate", [b"k"]]
        assert t.call("GET", "k") == b"2"
        new.call("SET", "k", 3)
        assert t.read() == [b"invalidate", [b"k"]]


def test_no_stale_copy_survives_the_end_of_a_leader():
    """A reader with a cache of its own on each node, writers, and leaders that are killed: when all is
    quiet, every copy that was not invalidated is the value that is there."""
    names = [f"k{i}" for i in range(50)]
    with Cluster(nodes=3, plain=True) as cluster:
        victim = cluster.leader()
        caches = {}
        with contextlib.ExitStack() as stack:
            readers = {n: stack.enter_context(tracking(n)) for n in cluster.nodes if n is not victim}

            def read_all(n, c):
                cache = caches.setdefault(n, {})
                for name in names:
                    c.send("GET", name)
                    while isinstance(value := c.read(), list):
                        cache.clear() if value[1] is None else [cache.pop(k.decode(), None) for k in value[1]]
                    cache[name] = value

            def write(node, tag, count):
                with node.client() as w:
                    w.pipeline([["SET", names[i * 7 % 50], f"{tag}:{i}"] for i in range(count)])

            for round_ in range(5):
                write(victim, f"a{round_}", 60)
                for n, c in readers.items():
                    with contextlib.suppress(ReplyError):
                        read_all(n, c)
            victim.kill()
            new = cluster.leader()
            for round_ in range(5):
                write(new, f"b{round_}", 30)
                for n, c in readers.items():
                    read_all(n, c)
            write(new, "c", 10)
            victim.start()
            cluster.wait_caught_up()
            for n, c in readers.items():
                for kind, what in pushed(c):
                    assert kind == b"invalidate"
                    caches[n].clear() if what is None else [caches[n].pop(k.decode(), None) for k in what]
                with new.client() as w:
                    truth = dict(zip(names, w.call("MGET", *names)))
                stale = {k: v for k, v in caches[n].items() if truth[k] != v}
                assert stale == {}
                assert len(caches[n]) > 0


# ---- several groups ------------------------------------------------------------------------------------


def test_a_node_tells_of_the_groups_it_leads_and_of_those_it_follows():
    with Cluster(**PATIENT) as cluster:
        eventually(lambda: cluster.leaders() == EVEN, 30, "each group is led by the node it prefers")
        first, second = cluster.leader(1), cluster.leader(2)
        followed, led = tag_of(1), tag_of(2)
        with tracking(second) as t:
            t.call("READONLY")
            assert t.call("GET", led) is None
            assert t.call("GET", followed) is None
            first.call("SET", followed, 1)
            assert t.read() == [b"invalidate", [followed.encode()]]
            second.call("SET", led, 1)
            assert t.read() == [b"invalidate", [led.encode()]]
            assert t.call("GET", led) == b"1"
            first.call("FLUSHALL")  # of the groups that this node leads
            assert t.read() == [b"invalidate", None]
