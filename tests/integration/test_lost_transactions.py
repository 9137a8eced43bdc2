# SPDX-License-Identifier: BSD-3-Clause
"""What transactions and scripts do beside their writes: messages, and what is done to the node and its connections.
When the writes are lost with the leadership, the client is told the truth about all of it."""

import contextlib

import pytest

from holdfast import Cluster, ReplyError, eventually
from subscribers import client, pushed, subscriber

SCRIPT = "redis.call('PUBLISH', 'a', ARGV[1]) redis.call('SET', KEYS[1], 'v') return redis.call('PUBLISH', 'a', ARGV[2])"
READER = "local v = redis.call('GET', KEYS[1]) redis.call('PUBLISH', 'a', v or ARGV[1]) return v"


def transaction(c, *commands):
    """All but the EXEC, which is sent: its reply is to be read."""
    assert c.pipeline([("MULTI",), *commands]) == ["OK"] + ["QUEUED"] * len(commands)
    c.send("EXEC")


def executed(node, command, calls=1):
    """That many calls of it were executed, whether their replies have left or not."""

    def count():
        line = node.info("commandstats").get(f"cmdstat_{command}", "calls=0")
        return int(line.split(",")[0].split("=")[1]) >= calls

    eventually(count, 10, f"{command} is executed", 0.005)


@contextlib.contextmanager
def cut_off(cluster):
    """The leader, which nobody hears; at the end others have taken over, and it is back among them."""
    old, followers = cluster.leader(), cluster.followers()
    for f in followers:
        f.kill()
    yield old
    old.stop()
    for f in followers:
        f.start()
    eventually(lambda: cluster.find_leader() in followers, 30, "another node leads")
    old.cont()


@pytest.fixture
def cluster():
    with Cluster(plain=True, raft_election_timeout=3000, outcome_wait_timeout=60000) as c:
        yield c


def test_messages_of_what_is_lost_are_never_heard(cluster):
    """MOVED and its like say that nothing was done, so that the client does it again elsewhere: a message that was
    heard would be heard twice, and of a change that never was."""
    with contextlib.ExitStack() as stack:
        old = cluster.leader()
        s = stack.enter_context(subscriber(old, "SUBSCRIBE", "a"))
        txn, script, reader, behind = (stack.enter_context(client(old)) for _ in range(4))
        with cut_off(cluster):
            transaction(txn, ("PUBLISH", "a", "t1"), ("SET", "k", "v"), ("PUBLISH", "a", "t2"))
            executed(old, "exec")
            script.send("EVAL", SCRIPT, 1, "k2", "s1", "s2")
            executed(old, "eval")
            reader.send("EVAL", READER, 1, "k", "none")  # it has seen what may be undone
            executed(old, "eval", 2)
            assert pushed(s) == []
            # Without a change there is nothing to wait for; behind one of the same client there is.
            behind.send_raw(b"".join(behind.encode(*w) for w in (
                ["MULTI"], ["SET", "k3", "v"], ["PUBLISH", "a", "b1"], ["EXEC"], ["PUBLISH", "a", "b2"])))  # fmt: skip
            executed(old, "exec", 2)
            transaction(s, ("PUBLISH", "a", "now"))
            assert s.read() == [1]
            assert s.read() == [b"message", b"a", b"now"]
            assert pushed(s) == []
        for c in (txn, script, reader):
            with pytest.raises(ReplyError, match="^(READONLY|MASTERDOWN|LOADING)"):
                c.read()
        assert [behind.read() for _ in range(3)] == ["OK", "QUEUED", "QUEUED"]
        with pytest.raises(ReplyError, match="^(READONLY|MASTERDOWN|LOADING)"):
            behind.read()
        assert behind.read() == 1
        cluster.wait_caught_up()
        assert pushed(s) == [[b"message", b"a", b"b2"]]


def test_messages_come_with_the_commit_on_all_nodes_and_in_order(cluster):
    leader, followers = cluster.leader(), cluster.followers()
    leader.call("CONFIG", "SET", "notify-keyspace-events", "KA")
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(subscriber(leader, "PSUBSCRIBE", "*"))
        there = stack.enter_context(subscriber(followers[0], "SUBSCRIBE", "a"))
        c, other = (stack.enter_context(client(leader)) for _ in range(2))
        for f in followers:
            f.stop()
        c.send_raw(b"".join(c.encode(*w) for w in (
            ["EVAL", SCRIPT, 1, "k", "1", "2"], ["PUBLISH", "a", "3"], ["EVAL", READER, 1, "k"], ["PUBLISH", "a", "5"])))  # fmt: skip
        executed(leader, "publish", 5)
        assert other.call("PUBLISH", "a", "of others") == 1
        assert pushed(here) == [[b"pmessage", b"*", b"a", b"of others"]]
        for f in followers:
            f.cont()
        assert [c.read() for _ in range(4)] == [1, 1, b"v", 1]
        told = [m[-2:] for m in pushed(here)]
        assert told == [[b"a", b"1"], [b"__keyspace@0__:k", b"set"], [b"a", b"2"], [b"a", b"3"], [b"a", b"v"], [b"a", b"5"]]
        assert [there.read()[2] for _ in range(6)] == [b"of others", b"1", b"2", b"3", b"v", b"5"]


def test_the_messages_of_a_transaction_have_a_limit():
    """They wait in memory until it is committed."""
    most = 2 << 20
    options = {"max_uncommitted_bytes": (1 << 30) - (64 << 20) - most, "proto_max_bulk_len": 1 << 20}
    with Cluster(nodes=1, plain=True, **options) as cluster:
        with subscriber(cluster.leader(), "SUBSCRIBE", "a") as s, cluster.leader().client() as c:
            text = "for i = 1, 30 do redis.call('PUBLISH', 'a', ARGV[1]) end"
            with pytest.raises(ReplyError, match="^ERR the messages of a transaction or script are too large"):
                c.call("EVAL", text, 0, "x" * 100_000)
            assert len(pushed(s)) == 20
            assert c.call("PUBLISH", "a", "x" * 100_000) == 1


def test_what_was_done_to_the_node_is_not_told_as_a_redirection(cluster):
    """CLIENT KILL and its like are done at once, and no log takes them back."""
    with contextlib.ExitStack() as stack:
        old = cluster.leader()
        killer, chooser, asker = (stack.enter_context(client(old)) for _ in range(3))
        victim = stack.enter_context(client(old))
        with cut_off(cluster):
            transaction(killer, ("SET", "k", "v"), ("CLIENT", "KILL", "ID", victim.call("CLIENT", "ID")))
            transaction(chooser, ("SELECT", 1), ("SET", "k", "v"))
            transaction(asker, ("PING",), ("SET", "k", "v"), ("TIME",))
            executed(old, "exec", 3)
        for c in (killer, chooser):
            with pytest.raises(ReplyError, match="^ERR this node does not lead any more"):
                c.read()
        with pytest.raises(ReplyError, match="^(READONLY|MASTERDOWN|LOADING)"):
            asker.read()
        cluster.wait_caught_up()
        assert cluster.leader().call("GET", "k") is None
