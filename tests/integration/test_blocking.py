# SPDX-License-Identifier: BSD-3-Clause
"""Commands that wait for data (node/block.c), on real nodes: order, timeouts, leadership."""

import time

import pytest

from holdfast import Cluster, ReplyError, eventually
from loads import fill


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=3, plain=True) as c:
        yield c


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("FLUSHALL")
    return node


def waiting(node):
    return int(node.info("clients")["blocked_clients"])


def start_waiting(node, *words):
    """A client whose command waits now."""
    before = waiting(node)
    c = node.client()
    c.send(*words)
    eventually(lambda: waiting(node) == before + 1, what="a client that waits")
    return c


def test_waiters_are_served_in_order_of_arrival(leader):
    clients = [start_waiting(leader, "BZPOPMIN", "a", "b", "0") for _ in range(4)]
    assert leader.call("ZADD", "b", 3, "three", 1, "one", 2, "two") == 3
    assert clients[0].read() == [b"b", b"one", b"1"]
    assert clients[1].read() == [b"b", b"two", b"2"]
    assert clients[2].read() == [b"b", b"three", b"3"]
    assert waiting(leader) == 1
    leader.call("ZADD", "a", 5, "five")
    assert clients[3].read() == [b"a", b"five", b"5"]
    assert leader.call("EXISTS", "a", "b") == 0
    for c in clients:
        assert c.call("PING") == "PONG"
        c.close()


def test_time_runs_out(leader):
    with leader.client() as c:
        began = time.monotonic()
        assert c.call("BZPOPMIN", "none", "0.2") is None
        assert 0.15 < time.monotonic() - began < 5
        assert c.call("BZMPOP", "0.05", "1", "none", "MAX") is None
    assert waiting(leader) == 0


LONGEST_S, LONGEST_MS = "9223372036854775", "9223372036854775807"


@pytest.mark.parametrize(
    "command",
    (f"BLPOP none {LONGEST_S}", f"BLPOP none {LONGEST_S}.807", "BLPOP none 9223372036855", f"BLMPOP {LONGEST_S} 1 none LEFT",
     f"BZPOPMIN none {LONGEST_S}", f"XREAD BLOCK {LONGEST_MS} STREAMS none $", f"WAIT 3 {LONGEST_MS}",
     f"WAITAOF 0 3 {LONGEST_MS}"),
)  # fmt: skip
def test_the_longest_timeouts_are_for_ever(leader, command):
    """2^63 ms less one is what a timeout can say; one more is out of range."""
    with start_waiting(leader, *command.split()):
        pass
    eventually(lambda: waiting(leader) == 0, what="it is forgotten")


def test_a_longer_timeout_is_refused(leader):
    with leader.client() as c:
        for words in ("BLPOP none 9223372036854776", "BLPOP none inf", "BLMPOP 1e300 1 none LEFT"):
            with pytest.raises(ReplyError, match="^ERR timeout is out of range$"):
                c.call(*words.split())


def test_what_was_not_served_is_counted_too(leader):
    """In commandstats: once, whether time ran out, CLIENT UNBLOCK came, or data did."""

    def counted():
        line = leader.info("commandstats")["cmdstat_blpop"]
        return line.split(",usec")[0], line.split("rejected_calls=")[1]

    leader.call("CONFIG", "RESETSTAT")
    with leader.client() as c:
        assert c.call("BLPOP", "none", "0.01") is None
    assert counted() == ("calls=1", "0,failed_calls=0")
    for how in ("TIMEOUT", "ERROR"):
        with start_waiting(leader, "BLPOP", "none", "0") as c, leader.client() as other:
            ident = other.call("CLIENT", "LIST").decode().split("cmd=blpop")[0].split("id=")[-1].split()[0]
            assert other.call("CLIENT", "UNBLOCK", ident, how) == 1
            assert c.file.readline() in (b"*-1\r\n", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")
    assert counted() == ("calls=3", "0,failed_calls=1")
    with start_waiting(leader, "BLPOP", "none", "0") as c:
        leader.call("RPUSH", "none", "x")
        assert c.read() == [b"none", b"x"]
    assert counted() == ("calls=4", "0,failed_calls=1")


@pytest.mark.parametrize("command", ("BLMOVE none x LEFT RIGHT", "BRPOPLPUSH none x", "BLPOP none", "BZPOPMAX none"))
def test_what_timed_out_is_a_null_array_whatever_the_command_gives(leader, command):
    """Within MULTI, where nothing waits, the reply is that of the command without B."""
    words = [*command.split(), "0.01"]
    with leader.client() as c:
        c.send(*words)
        assert c.file.readline() == b"*-1\r\n"
        for each in (["MULTI"], words, ["EXEC"]):
            c.send(*each)
        lines = [c.file.readline() for _ in range(4)]
        assert lines[2:] == [b"*1\r\n", b"$-1\r\n" if words[2] == "x" else b"*-1\r\n"]
    with start_waiting(leader, *words[:-1], "0") as c, leader.client() as other:
        ident = other.call("CLIENT", "LIST").decode().split(f"cmd={words[0].lower()}")[0].split("id=")[-1].split()[0]
        assert other.call("CLIENT", "UNBLOCK", ident) == 1
        assert c.file.readline() == b"*-1\r\n"


def test_a_transaction_does_not_wait_and_wakes_others_at_its_end(leader):
    c = start_waiting(leader, "BZPOPMAX", "z", "0")
    with leader.client() as t:
        t.call("MULTI")
        for words in (("ZADD", "z", 1, "a"), ("ZADD", "z", 2, "b"), ("BZPOPMIN", "none", "0")):
            t.call(*words)
        assert t.call("EXEC") == [1, 1, None]
    assert c.read() == [b"z", b"b", b"2"]
    c.close()


@pytest.mark.parametrize(
    "words",
    [("RENAME", "other", "z"), ("COPY", "other", "z"), ("ZRANGESTORE", "z", "other", "0", "-1"),
     ("ZUNIONSTORE", "z", "1", "other")],
)  # fmt: skip
def test_whatever_brings_data_wakes(leader, words):
    leader.call("ZADD", "other", 1, "a")
    c = start_waiting(leader, "BZPOPMIN", "z", "0")
    leader.call(*words)
    assert c.read() == [b"z", b"a", b"1"]
    c.close()


def test_another_type_does_not_wake(leader):
    c = start_waiting(leader, "BZPOPMIN", "z", "0")
    leader.call("SET", "z", "text")
    leader.call("SADD", "s", "m")
    assert waiting(leader) == 1
    leader.call("DEL", "z")
    leader.call("ZADD", "z", 1, "a")
    assert c.read() == [b"z", b"a", b"1"]
    c.close()


def test_a_database_that_is_swapped_in_wakes(leader):
    with leader.client() as other:
        other.call("SELECT", 1)
        other.call("ZADD", "z", 1, "a")
        c = start_waiting(leader, "BZPOPMIN", "z", "0")
        other.call("SWAPDB", 0, 1)
        assert c.read() == [b"z", b"a", b"1"]
        c.close()


def test_client_unblock_ends_it(leader):
    for how, want in ((["TIMEOUT"], None), (["ERROR"], "UNBLOCKED client unblocked via CLIENT UNBLOCK")):
        with leader.client() as c:
            ident = c.call("CLIENT", "ID")
            c.send("BZPOPMIN", "none", "0")
            eventually(lambda: waiting(leader) == 1, what="a client that waits")
            assert leader.call("CLIENT", "UNBLOCK", ident, *how) == 1
            if want is None:
                assert c.read() is None
            else:
                with pytest.raises(ReplyError, match=want):
                    c.read()
            assert c.call("PING") == "PONG"
    assert leader.call("CLIENT", "UNBLOCK", 99999) == 0


def test_a_client_that_leaves_takes_nothing(leader):
    gone = start_waiting(leader, "BZPOPMIN", "z", "0")
    stays = start_waiting(leader, "BZPOPMIN", "z", "0")
    gone.close()
    eventually(lambda: waiting(leader) == 1, what="the other one has left")
    leader.call("ZADD", "z", 1, "a")
    assert stays.read() == [b"z", b"a", b"1"]
    stays.close()


def test_a_pipeline_waits_behind_it(leader):
    with leader.client() as c:
        c.send("BZPOPMIN", "z", "0")
        c.send("INCR", "n")
        eventually(lambda: waiting(leader) == 1, what="a client that waits")
        assert leader.call("GET", "n") is None
        leader.call("ZADD", "z", 1, "a")
        assert c.read() == [b"z", b"a", b"1"]
        assert c.read() == 1


def test_many_waiters_cost_others_nothing(leader):
    """Waiting is a timer and an entry in a table: commands of others stay as fast."""
    clients = [start_waiting(leader, "BZPOPMIN", f"z{i}", "0") for i in range(200)]
    began = time.monotonic()
    with leader.client() as c:
        c.pipeline([["SET", f"k{i}", "v"] for i in range(2000)])
    assert time.monotonic() - began < 5
    leader.call("ZADD", "z150", 1, "a")
    assert clients[150].read() == [b"z150", b"a", b"1"]
    for c in clients:
        c.close()
    eventually(lambda: waiting(leader) == 0, what="nobody waits")


def test_a_move_sends_waiters_to_the_new_leader():
    """Nothing was taken, so MOVED is safe to follow; and what comes there reaches the client."""
    with Cluster(nodes=3) as cluster:
        leader, target = cluster.leader(), cluster.followers()[0]
        c = start_waiting(leader, "BZPOPMIN", "z", "0")
        assert target.call("CLUSTER", "FAILOVER") == "OK"
        with pytest.raises(ReplyError, match=rf"^MOVED \d+ 127.0.0.1:{target.port}$"):
            c.read()
        assert c.call("PING") == "PONG"
        c.close()
        eventually(lambda: cluster.leader() is target, what="the new leader")
        c = start_waiting(target, "BZPOPMIN", "z", "0")
        target.call("ZADD", "z", 1, "a")
        assert c.read() == [b"z", b"a", b"1"]
        c.close()
        cluster.wait_caught_up()
        assert len(cluster.digests()) == 1


def test_a_leader_that_goes_down_tells_plain_clients_that_they_were_unblocked():
    with Cluster(nodes=3, plain=True) as cluster:
        leader = cluster.leader()
        c = start_waiting(leader, "BZPOPMIN", "z", "0")
        leader.terminate()
        with pytest.raises(ReplyError, match="^UNBLOCKED"):
            c.read()
        c.close()


def test_waiters_survive_a_leaderless_moment():
    """The followers stop: the leader steps down and nobody leads. They go on: whoever leads then, the
    client gets the data or is told where to go."""
    with Cluster(nodes=3) as cluster:
        leader = cluster.leader()
        c = start_waiting(leader, "BZPOPMIN", "z", "0")
        for node in cluster.followers():
            node.stop()
        eventually(lambda: leader.group()["role"] != "leader", what="the leader steps down")
        assert waiting(leader) == 1
        for node in cluster.nodes:
            if node is not leader:
                node.cont()
        eventually(cluster.find_leader, what="a leader again")
        cluster.leader().call("ZADD", "z", 1, "a")
        try:
            assert c.read() == [b"z", b"a", b"1"]
        except ReplyError as e:
            assert str(e).startswith("MOVED ")
        c.close()


# ---- at followers: XREAD ---------------------------------------------------------------------------------


def start_reading(node, key="s", timeout_ms=0, readonly=False):
    """A client that waits for an entry of a stream."""
    before = waiting(node)
    c = node.client()
    if readonly:
        assert c.call("READONLY") == "OK"
    c.send("XREAD", "BLOCK", timeout_ms, "STREAMS", key, "$")
    eventually(lambda: waiting(node) == before + 1, what="a client that waits")
    return c


def entry(key, id_):
    return [[key.encode(), [[id_.encode(), [b"f", b"v"]]]]]


def test_a_follower_wakes_who_reads_there(plain, leader):
    follower = plain.followers()[0]
    leader.call("XADD", "s", "1-1", "f", "v")
    plain.wait_caught_up()
    readers = [start_reading(follower) for _ in range(2)]
    other = start_reading(follower, "other")
    leader.call("XADD", "s", "1-2", "f", "v")
    assert [c.read() for c in readers] == [entry("s", "1-2")] * 2
    assert waiting(follower) == 1
    # What comes with a transaction is all there; a type that is no stream wakes nobody.
    with leader.client() as c:
        c.pipeline([["MULTI"], ["LPUSH", "other", "x"], ["DEL", "other"], ["XADD", "other", "1-1", "f", "v"],
                    ["XADD", "other", "1-2", "f", "v"], ["EXEC"]])  # fmt: skip
    assert other.read() == [[b"other", [[b"1-1", [b"f", b"v"]], [b"1-2", [b"f", b"v"]]]]]
    for c in (*readers, other):
        assert c.call("PING") == "PONG"
        c.close()


def test_a_wait_at_a_follower_ends_as_one_at_the_leader(plain):
    follower = plain.followers()[0]
    with follower.client() as c:
        began = time.monotonic()
        assert c.call("XREAD", "BLOCK", "200", "STREAMS", "none", "$") is None
        assert time.monotonic() - began > 0.15
        c.pipeline([["MULTI"], ["XREAD", "BLOCK", "0", "STREAMS", "none", "$"]])
        assert c.call("EXEC") == [None]
    for how, want in (("TIMEOUT", b"*-1\r\n"), ("ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")):
        with start_reading(follower, "none") as c, follower.client() as other:
            ident = other.call("CLIENT", "LIST").decode().split("cmd=xread")[0].split("id=")[-1].split()[0]
            assert other.call("CLIENT", "UNBLOCK", ident, how) == 1
            assert c.file.readline() == want
    with pytest.raises(ReplyError, match="^READONLY"):
        follower.call("BLPOP", "none", "0")
    start_reading(follower, "none").close()
    eventually(lambda: waiting(follower) == 0, what="it is forgotten")


def test_who_reads_at_a_follower_stays_while_others_lead_and_is_sent_on_once_it_has_led():
    with Cluster(nodes=3) as cluster:
        old, new = cluster.leader(), cluster.followers()[0]
        third = next(n for n in cluster.nodes if n not in (old, new))
        with third.client() as c, pytest.raises(ReplyError, match="^MOVED"):
            c.pipeline([["READONLY"], ["READWRITE"]])
            c.call("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        at_new, at_third = start_reading(new, readonly=True), start_reading(third, readonly=True)
        also_new = start_reading(new, "other", readonly=True)
        assert new.call("CLUSTER", "FAILOVER") == "OK"
        eventually(lambda: cluster.find_leader() is new, what="the new leader")
        eventually(lambda: third.group()["leader"] == new.info("raft")["raft_node"], what="the third knows it")
        new.call("XADD", "s", "1-1", "f", "v")
        assert at_new.read() == at_third.read() == entry("s", "1-1")
        assert waiting(new) == 1  # now as any that waits at the leader
        assert third.call("CLUSTER", "FAILOVER") == "OK"
        with pytest.raises(ReplyError, match=rf"^MOVED \d+ 127.0.0.1:{third.port}$"):
            also_new.read()
        for c in (at_new, at_third, also_new):
            c.close()


def test_a_snapshot_that_is_installed_wakes_who_reads_there():
    with Cluster(plain=True, log_segment_size="1mb", snapshot_log_size="4mb", raft_election_timeout=1000) as cluster:
        leader, away = cluster.leader(), cluster.followers()[0]
        c = start_reading(away)
        away.stop()
        try:
            fill(leader, 0, 60_000, value_bytes=200, keys=1000)  # more than is under way to it
            leader.call("XADD", "s", "1-1", "f", "v")
            at = int(leader.group()["applied"])
            fill(leader, 0, 60_000, value_bytes=200, keys=1000)
            eventually(lambda: int(leader.group()["snapshot_index"]) > at, 20, "the leader has a snapshot")
        finally:
            away.cont()
        assert c.read() == entry("s", "1-1")
        assert away.log_has("a snapshot at")
        c.close()
