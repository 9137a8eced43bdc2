# SPDX-License-Identifier: BSD-3-Clause
"""MIGRATE: values arrive at a stock Redis and go here, or stay when anything is in doubt; nobody else
waits meanwhile."""

import contextlib
import socket
import threading
import time

import pytest
from diff_redis import redis_server
from holdfast import Client, Cluster, ConnectionClosed, ReplyError, eventually


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=3, plain=True) as running:
        yield running


@pytest.fixture(scope="module")
def redis():
    with redis_server("--requirepass", "") as address:
        yield address


@pytest.fixture
def both(cluster, redis):
    """The leader and a Redis, both empty, and the words that begin a MIGRATE to it."""
    with cluster.leader().client() as ours, Client(redis[1]) as theirs:
        ours.call("SELECT", 0), ours.call("FLUSHALL"), theirs.call("FLUSHALL")
        yield ours, theirs, ("MIGRATE", "127.0.0.1", redis[1])


class Target:
    """A server that takes what comes and replies when it is told to."""

    def __init__(self, host="127.0.0.1"):
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.received = b""
        self.connection = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            self.connection, _ = self.listener.accept()
            while data := self.connection.recv(65536):
                self.received += data

    def wait(self, n=1):
        eventually(lambda: len(self.received) >= n, 10, "the target is sent something")

    def reply(self, data):
        self.connection.sendall(data)

    def close(self):
        self.listener.close()
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def error_of(client, *words):
    with pytest.raises(ReplyError) as error:
        client.call(*words)
    return error.value.text


def test_values_of_all_types_arrive(both, cluster):
    ours, theirs, to = both
    ours.call("SET", "s", "v"), ours.call("RPUSH", "l", *range(500))
    ours.call("HSET", "h", *range(2000)), ours.call("ZADD", "z", 1, "a", 2.5, "b")
    ours.call("SADD", "e", "x"), ours.call("PEXPIRE", "s", 60000)
    for key in "slhze":
        assert ours.call(*to, key, 0, 2000) == "OK"
        assert ours.call("EXISTS", key) == 0
    assert theirs.call("GET", "s") == b"v"
    assert 50000 < theirs.call("PTTL", "s") <= 60000
    assert theirs.call("LRANGE", "l", 0, -1) == [b"%d" % i for i in range(500)]
    assert len(theirs.call("HGETALL", "h")) == 2000
    assert theirs.call("ZRANGE", "z", 0, -1, "WITHSCORES") == [b"a", b"1", b"b", b"2.5"]
    assert theirs.call("SMEMBERS", "e") == [b"x"]
    assert len(cluster.digests()) == 1


def test_many_keys_copies_and_replacements(both):
    ours, theirs, to = both
    for i in range(1000):
        ours.call("SET", f"k{i}", "x" * 3000)
    keys = [f"k{i}" for i in range(1000)]
    assert ours.call(*to, "", 3, 5000, "COPY", "KEYS", *keys, "missing") == "OK"
    assert ours.call("DBSIZE") == 1000
    theirs.call("SELECT", 3)
    assert theirs.call("DBSIZE") == 1000
    assert error_of(ours, *to, "k1", 3, 5000) == (
        "ERR Target instance replied with error: BUSYKEY Target key name already exists."
    )
    ours.call("SET", "k1", "new")
    theirs.call("DEL", "k5", "k6")
    # one is in the way: the others go
    assert "BUSYKEY" in error_of(ours, *to, "", 3, 5000, "KEYS", "k5", "k1", "k6")
    assert [ours.call("EXISTS", k) for k in ("k5", "k1", "k6")] == [0, 1, 0]
    assert ours.call(*to, "", 3, 5000, "REPLACE", "KEYS", "k1") == "OK"
    assert theirs.call("GET", "k1") == b"new"
    assert ours.call("EXISTS", "k1") == 0
    theirs.call("SELECT", 0)


def test_bad_arguments(both):
    ours, theirs, to = both
    ours.call("SET", "k", "v")
    assert ours.call(*to, "none", 0, 10) == "NOKEY"
    assert ours.call(*to, "", 0, 10, "KEYS", "none", "none2") == "NOKEY"
    assert ours.call(*to, "", 0, 10, "KEYS") == "NOKEY"
    assert error_of(ours, *to, "x", 0, 10, "KEYS", "k") == (
        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
    )
    for words in (["FOO"], ["AUTH"], ["AUTH2", "u"]):
        assert error_of(ours, *to, "k", 0, 10, *words) == "ERR syntax error"
    for words in ((0, "x"), ("x", 10)):
        assert error_of(ours, *to, "k", *words) == "ERR value is not an integer or out of range"
    for host, port in (("127.0.0.1", "x"), ("127.0.0.1", 0), ("no such host", 1), ("", 1)):
        text = "IOERR error or timeout connecting to the client"
        assert error_of(ours, "MIGRATE", host, port, "k", 0, 1000) == text
    ours.call("MULTI")
    ours.call(*to, "k", 0, 10)
    assert "cannot be part of a transaction" in ours.call("EXEC")[0].text
    assert ours.call("GET", "k") == b"v"
    assert theirs.call("DBSIZE") == 0


def test_a_database_that_is_not_there_gets_nothing(both):
    """A stock Redis sends the keys along with SELECT, so that they get into database 0."""
    ours, theirs, to = both
    ours.call("SET", "k", "v")
    assert error_of(ours, *to, "k", 99, 1000) == (
        "ERR Target instance replied with error: ERR DB index is out of range"
    )
    assert ours.call("EXISTS", "k") == 1
    assert theirs.call("EXISTS", "k") == 0


def test_passwords(both):
    ours, theirs, to = both
    ours.call("MSET", "a", 1, "b", 2)
    theirs.call("CONFIG", "SET", "requirepass", "secret")
    try:
        assert "NOAUTH" in error_of(ours, *to, "a", 0, 1000)
        assert "WRONGPASS" in error_of(ours, *to, "a", 0, 1000, "AUTH", "wrong")
        assert ours.call(*to, "a", 0, 1000, "AUTH", "secret") == "OK"
        assert ours.call(*to, "", 2, 1000, "AUTH2", "default", "secret", "KEYS", "b") == "OK"
    finally:
        theirs.call("CONFIG", "SET", "requirepass", "")
    assert theirs.call("GET", "a") == b"1"


def test_names_are_resolved(both, redis):
    ours, theirs, _ = both
    ours.call("SET", "k", "v")
    assert ours.call("MIGRATE", "localhost", redis[1], "k", 0, 2000) == "OK"
    assert theirs.call("GET", "k") == b"v"


def test_a_target_that_does_not_answer_holds_up_nobody_else(both, cluster):
    ours, _, _ = both
    ours.call("SET", "k", "v" * 20_000_000)
    with Target() as target, cluster.leader().client() as other:
        ours.send("MIGRATE", "127.0.0.1", target.port, "k", 0, 700)
        target.wait()
        slowest = 0
        for i in range(200):
            began = time.monotonic()
            other.call("SET", "other", i)
            slowest = max(slowest, time.monotonic() - began)
        with pytest.raises(ReplyError, match="IOERR error or timeout reading to target instance"):
            ours.read()
        assert slowest < 0.4
    assert ours.call("STRLEN", "k") == 20_000_000
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "IOERR error or timeout writing" in error_of(ours, "MIGRATE", "127.0.0.1", port, "k", 0, 700)


@pytest.mark.parametrize(
    "replies",
    [b"", b"+OK\r\n", b"+OK\r\n+O", b"+OK\r\n:1\r\n", b"+OK\r\n" + b"+" * 9000],
    ids=["none", "one", "half", "number", "endless"],
)
def test_a_target_that_breaks_off_keeps_what_it_has_acknowledged(both, replies):
    ours, _, _ = both
    ours.call("MSET", "a", 1, "b", 2)
    with Target() as target:
        ours.send("MIGRATE", "127.0.0.1", target.port, "", 0, 3000, "KEYS", "a", "b")
        target.wait(50)
        target.reply(replies)
        target.close()
        with pytest.raises(ReplyError, match="IOERR error or timeout reading"):
            ours.read()
    assert ours.call("EXISTS", "a") == (0 if b"OK" in replies else 1)
    assert ours.call("GET", "b") == b"2"


def test_keys_that_change_meanwhile_are_kept(both, cluster):
    ours, _, _ = both
    keys = ["same", "set", "grown", "time", "gone", "and back", "big"]
    ours.call("SET", "same", 1), ours.call("SET", "set", 1), ours.call("SET", "time", 1)
    ours.call("RPUSH", "grown", 1), ours.call("SET", "gone", 1), ours.call("SADD", "and back", "x")
    ours.call("SADD", "big", *range(5000))
    with Target() as target, cluster.leader().client() as other:
        ours.send("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        target.wait(500)
        other.call("SET", "set", 2), other.call("RPUSH", "grown", 2), other.call("PEXPIRE", "time", 99999)
        other.call("DEL", "gone"), other.call("DEL", "and back"), other.call("SADD", "and back", "x")
        other.call("SADD", "big", "x"), other.call("SREM", "big", "x")
        target.reply(b"+OK\r\n" * len(keys))
        with pytest.raises(ReplyError, match="ERR 4 of the keys were changed while they were sent"):
            ours.read()
    assert [ours.call("EXISTS", k) for k in keys] == [0, 1, 1, 1, 0, 0, 0]
    assert ours.call("GET", "set") == b"2"
    assert len(cluster.digests()) == 1


def test_a_key_written_just_before_is_sent_and_deleted(both):
    """In one turn of the loop: the write is in the batch that was open when the key was read."""
    ours, theirs, to = both
    for i in range(20):
        replies = ours.pipeline(
            [("SET", "k", i), ("SADD", "s", "a", "b", i), (*to, "", 0, 2000, "REPLACE", "KEYS", "k", "s")]
        )
        assert replies[2] == "OK"
        assert ours.call("EXISTS", "k", "s") == 0
        assert theirs.call("GET", "k") == b"%d" % i


def test_a_client_that_goes_away_leaves_the_key(both, cluster):
    ours, _, _ = both
    ours.call("SET", "k", "v")
    with Target() as target:
        with cluster.leader().client() as leaving:
            leaving.send("MIGRATE", "127.0.0.1", target.port, "k", 0, 5000)
            target.wait()
        target.thread.join(5)  # the connection to it ends as well
        assert not target.thread.is_alive()
    assert ours.call("GET", "k") == b"v"


def test_a_node_can_be_its_own_target(both, cluster):
    ours, _, _ = both
    ours.call("SET", "k", "v")
    assert ours.call("MIGRATE", "127.0.0.1", cluster.leader().port, "k", 4, 1000) == "OK"
    ours.call("SELECT", 4)
    assert ours.call("GET", "k") == b"v"
    ours.call("SELECT", 0)
    assert ours.call("EXISTS", "k") == 0


def test_what_came_back_is_not_deleted(both, cluster):
    """The target is this node and this database."""
    ours, _, _ = both
    names = [f"k{i}" for i in range(20)]
    for name in names:
        ours.call("RPUSH", name, *range(300))
    to = ("MIGRATE", "127.0.0.1", cluster.leader().port)
    with pytest.raises(ReplyError, match="^ERR 1 of the keys were changed while they were sent, and stay here"):
        ours.call(*to, "k3", 0, 5000, "REPLACE")
    with pytest.raises(ReplyError, match="^ERR 20 of the keys were changed while they were sent"):
        ours.call(*to, "", 0, 5000, "REPLACE", "KEYS", *names)
    with pytest.raises(ReplyError, match="^ERR Target instance replied with error: BUSYKEY"):
        ours.call(*to, "k3", 0, 5000)
    assert ours.call("EXISTS", *names) == 20
    assert len(cluster.digests()) == 1


def test_leadership_that_is_lost_meanwhile_deletes_nothing(cluster):
    leader = cluster.leader()
    with Target() as target, leader.client() as ours:
        ours.call("SET", "k", "v")
        ours.send("MIGRATE", "127.0.0.1", target.port, "k", 0, 20000)
        target.wait()
        with cluster.followers()[0].client() as next_leader:
            assert next_leader.call("CLUSTER", "FAILOVER") == "OK"
        eventually(lambda: cluster.find_leader() not in (None, leader), 20, "another leads")
        target.reply(b"+OK\r\n")
        with pytest.raises((ReplyError, ConnectionClosed)):
            ours.read()
    with cluster.leader().client() as c:
        assert c.call("GET", "k") == b"v"
    assert len(cluster.digests()) == 1


def test_a_lost_deletion_is_not_told_as_a_redirection():
    """The target has acknowledged the key, and the DEL here is lost with the leadership: MOVED would say that surely
    nothing was done."""
    with Cluster(nodes=3, raft_election_timeout=1500) as cluster:
        leader, others = cluster.leader(), cluster.followers()
        with Target() as target, leader.client() as ours:
            ours.call("SET", "k", "v")
            ours.send("MIGRATE", "127.0.0.1", target.port, "k", 0, 20000)
            target.wait(20)
            for node in others:
                node.kill()
            target.reply(b"+OK\r\n")
            eventually(lambda: "cmdstat_migrate" in leader.info("commandstats"), 5, "it is executed", 0.002)
            leader.stop()
            for node in others:
                node.start(wait=False)
            cluster.leader()
            leader.cont()
            with pytest.raises(ReplyError, match="^ERR this node does not lead any more"):
                ours.read()
        eventually(lambda: cluster.leader().call("GET", "k") == b"v", 10, "it is still here")


def test_in_a_cluster_keys_are_sent_for_slots_on_their_way():
    with Cluster(nodes=1) as cluster, cluster.leader().client() as ours, Target() as target:
        ours.call("MSET", "{t}a", 1, "{t}b", 2)
        assert error_of(ours, "MIGRATE", "127.0.0.1", 1, "", 0, 10, "KEYS", "a", "b").startswith("CROSSSLOT")
        ours.send("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", "{t}a", "{t}b")
        target.wait(100)
        assert target.received.count(b"$14\r\nRESTORE-ASKING\r\n") == 2
        assert b"SELECT" not in target.received
        target.reply(b"+OK\r\n+OK\r\n")
        assert ours.read() == "OK"
        assert ours.call("DBSIZE") == 0
