# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace notifications: of what is committed, and of nothing else."""

import contextlib
import time

import pytest

from holdfast import Cluster, ConnectionClosed, ReplyError, eventually
from subscribers import client, messages, pushed, subscriber


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=3, plain=True, notify_keyspace_events="AKEmn") as c:
        yield c


def events(c):
    """What a subscriber of __keyevent@*__:* has got: (event, key)."""
    return [(m[-2].decode().split(":", 1)[1], m[-1].decode()) for m in pushed(c)]


def test_both_channels_tell_of_a_change(plain):
    leader = plain.leader()
    with subscriber(leader, "SUBSCRIBE", "__keyspace@0__:k", "__keyevent@0__:del", protocol=2) as s:
        leader.call("SET", "k", "v")
        leader.call("DEL", "k")
        assert messages(s) == [[b"message", b"__keyspace@0__:k", b"new"], [b"message", b"__keyspace@0__:k", b"set"],
                               [b"message", b"__keyspace@0__:k", b"del"],
                               [b"message", b"__keyevent@0__:del", b"k"]]  # fmt: skip


def test_which_events_are_told_can_be_set(plain):
    leader = plain.leader()
    with leader.client() as c, subscriber(leader, "PSUBSCRIBE", "__key*@*__:*") as s:
        for setting, want in (
            ("", []),
            ("KE", []),
            ("E$", [("set", "k"), ("incrby", "n")]),
            ("Eg", [("del", "k"), ("del", "n")]),
            ("Kgx", [("k", "del"), ("n", "del")]),
            ("Em", [("keymiss", "none")]),
        ):
            c.call("CONFIG", "SET", "notify-keyspace-events", setting)
            c.pipeline([["SET", "k", "v"], ["INCR", "n"], ["GET", "none"], ["DEL", "k", "n"]])
            assert events(s) == want, setting
        with pytest.raises(ReplyError, match="Invalid event class character"):
            c.call("CONFIG", "SET", "notify-keyspace-events", "Kq")
        c.call("CONFIG", "SET", "notify-keyspace-events", "AKEmn")


def test_keys_that_expire_or_are_evicted_are_told(plain):
    leader = plain.leader()
    with subscriber(leader, "PSUBSCRIBE", "__keyevent@*__:e*") as s, leader.client() as c:
        c.call("SELECT", 3)
        c.call("SET", "soon", "v", "PX", 30)
        assert s.read()[-2:] == [b"__keyevent@3__:expire", b"soon"]
        assert s.read()[-2:] == [b"__keyevent@3__:expired", b"soon"]
        c.call("SET", "big", "x" * 1000)
        c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        c.call("CONFIG", "SET", "maxmemory", "1mb")
        with contextlib.suppress(ReplyError):
            c.call("SET", "more", "v")
        c.call("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
        assert s.read()[-2:] == [b"__keyevent@3__:evicted", b"big"]


def test_the_writer_hears_of_its_own_change_behind_the_reply(plain):
    leader = plain.leader()
    with subscriber(leader, "PSUBSCRIBE", "__keyevent@0__:*") as s:
        s.call("MULTI")
        s.call("SET", "own", "1")
        s.call("DEL", "own")
        assert s.call("EXEC") == ["OK", 1]
        assert events(s) == [("new", "own"), ("set", "own"), ("del", "own")]


def test_only_the_node_that_executes_tells(plain):
    """As in Redis, whose replicas do not tell of what they replicate."""
    leader, follower = plain.leader(), plain.followers()[0]
    with subscriber(follower, "PSUBSCRIBE", "__keyevent@0__:*") as s:
        leader.call("SET", "there", "v")
        plain.wait_caught_up()
        assert follower.call("GET", "there") == b"v"
        assert events(s) == []


def test_nothing_is_told_before_it_is_committed_and_nothing_that_is_lost():
    """The followers are gone: a write on the leader is executed, and can be seen by nobody. They come
    back without it, under another leader: it is gone, and nobody has ever heard of it. Reads that were
    tracked are invalidated, for the state is not what it was."""
    with Cluster(nodes=3, plain=True, notify_keyspace_events="AKE", outcome_wait_timeout=60000) as cluster:
        old = cluster.leader()
        followers = cluster.followers()
        old.call("SET", "k", "before")
        with (
            subscriber(old, "PSUBSCRIBE", "__key*__:*") as s,
            client(old) as tracker,
            old.client() as writer,
        ):
            tracker.call("CLIENT", "TRACKING", "ON")
            assert tracker.call("GET", "k") == b"before"
            for f in followers:
                f.kill()
            writer.send("SET", "k", "lost")
            time.sleep(0.1)
            # Not even a commit is missing for these: subscribers are served all the time.
            assert old.call("PUBLISH", "__keyspace@0__:other", "m") == 1
            assert [m[-1] for m in pushed(s)] == [b"m"]
            assert pushed(tracker) == []
            old.stop()
            for f in followers:
                f.start()
            new = eventually(lambda: next((f for f in followers if f is cluster.find_leader()), None), 30)
            new.call("SET", "k", "after")
            old.cont()
            with pytest.raises(ReplyError):
                writer.read()
            cluster.wait_caught_up()
            assert pushed(s) == []
            assert pushed(tracker)[0] == [b"invalidate", None]
            assert tracker.call("GET", "k") == b"after"


def test_what_is_committed_late_is_told_late():
    with Cluster(nodes=3, plain=True, notify_keyspace_events="AKE", raft_election_timeout=3000) as cluster:
        leader = cluster.leader()
        with (
            subscriber(leader, "PSUBSCRIBE", "__keyevent@0__:set") as s,
            client(leader) as tracker,
            leader.client() as writer,
        ):
            tracker.call("CLIENT", "TRACKING", "ON", "BCAST")
            for f in cluster.followers():
                f.stop()
            writer.send("SET", "k", "late")
            time.sleep(0.2)
            assert pushed(s) == []
            assert pushed(tracker) == []
            for f in cluster.nodes:
                if f is not leader:
                    f.cont()
            assert writer.read() == "OK"
            assert events(s) == [("set", "k")]
            assert pushed(tracker) == [[b"invalidate", [b"k"]]]


def test_killing_the_leader_tells_of_nothing_that_is_lost():
    """Writers write until their leader is killed; every value that a subscriber heard of is there."""
    with Cluster(nodes=3, plain=True, notify_keyspace_events="K$") as cluster:
        leader = cluster.leader()
        with subscriber(leader, "PSUBSCRIBE", "__keyspace@0__:k:*") as s, leader.client() as writer:
            writer.send_raw(b"".join(writer.encode("SET", f"k:{i}", i) for i in range(3000)))
            heard = [s.read()[2].decode().split(":", 1)[1] for _ in range(200)]
            leader.kill()
            with contextlib.suppress(ConnectionClosed, OSError):
                while True:
                    heard.append(s.read()[2].decode().split(":", 1)[1])
        assert len(heard) >= 200
        with cluster.leader().client() as c:
            missing = [k for k, v in zip(heard, c.call("MGET", *heard)) if v is None]
        assert missing == []
