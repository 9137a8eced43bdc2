# SPDX-License-Identifier: BSD-3-Clause
"""What subscribers, trackers and those who publish and write get on the wire, byte by byte, as from
Redis 7.0: the same steps on both servers."""

import socket

import pytest

from diff_redis import redis_server
from holdfast import SLOW, Client, Cluster


class Raw:
    """A connection of which everything that comes is kept as it is."""

    def __init__(self, address, protocol):
        self.socket = socket.create_connection(address, timeout=30 * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.steps = 0
        self.in_multi = False
        if protocol == 3:
            self.send("HELLO", 3)
            self.until_now()

    def send(self, *words):
        self.in_multi = (self.in_multi or words[0] == "MULTI") and words[0] != "EXEC"
        self.socket.sendall(Client.encode(*words))

    def until_now(self):
        """What has come, without the answer to the question whether it is all."""
        if self.in_multi:  # where PING would be queued
            self.send("MULTI")
            answers = [b"-ERR MULTI calls can not be nested\r\n"]
        else:
            self.steps += 1
            token = b"now-%d" % self.steps
            self.send("PING", token)
            echo = b"$%d\r\n%s\r\n" % (len(token), token)
            answers = [b"*2\r\n$4\r\npong\r\n" + echo, echo]
        got = b""
        while answers[-1] not in got:
            data = self.socket.recv(1 << 16)
            assert data, "closed"
            got += data
        for answer in answers:
            got = got.replace(answer, b"")
        return got


def play(address, protocols, steps):
    """Each step is the name of a client and words, {x} for the id of client x. What each client got in
    each step, with ids by name."""
    clients = {name: Raw(address, protocol) for name, protocol in protocols.items()}
    ids = {}
    for name, c in clients.items():
        c.send("CLIENT", "ID")
        ids[name] = int(c.until_now()[1:-2])
    out = []
    for name, *words in steps:
        clients[name].send(*(str(w).format(**ids) if isinstance(w, str) else w for w in words))
        got = {name: clients[name].until_now()}
        for other, c in clients.items():
            got[other] = got.get(other, b"") + c.until_now()
        if words[-1] in ("GETREDIR", "TRACKINGINFO"):
            for who, ident in ids.items():
                got[name] = got[name].replace(b":%d\r\n" % ident, b":<%s>\r\n" % who.encode())
        out.append((words, got))
    for c in clients.values():
        c.socket.close()
    return out


SUBSCRIBING = [
    "s SUBSCRIBE a b a", "s PSUBSCRIBE a* z?", "s SSUBSCRIBE x", "p PUBLISH ab m", "p PUBLISH zz m", "p SPUBLISH x m",
    "p PUBLISH x m", "p PUBSUB CHANNELS a*", "p PUBSUB NUMSUB a b c", "p PUBSUB NUMSUB",
    "p PUBSUB NUMPAT", "p PUBSUB SHARDCHANNELS", "p PUBSUB SHARDNUMSUB x y", "p PUBSUB NUMPAT x", "p PUBSUB NOPE",
    "p PUBSUB", "p PUBSUB CHANNELS a b", "p PUBLISH a", "p SUBSCRIBE", "s PING", "s UNSUBSCRIBE a", "s UNSUBSCRIBE nope",
    "p PUBLISH a m", "s UNSUBSCRIBE", "s UNSUBSCRIBE", "s PUNSUBSCRIBE z? a*", "s PUNSUBSCRIBE", "s SUNSUBSCRIBE",
    "s SUNSUBSCRIBE y", "s PING", "p MULTI", "p PUBLISH a m", "p SPUBLISH x m", "p EXEC", "s SUBSCRIBE a", "p MULTI",
    "p PUBLISH a 1", "p SET k v", "p PUBLISH a 2", "p EXEC", "s RESET", "p PUBLISH a m", "s MULTI", "s SUBSCRIBE q r",
    "s PING", "s EXEC", "p PUBLISH q m",
]  # fmt: skip

OPTIONS = [
    "t CLIENT TRACKING " + rest for rest in (
        "on REDIRECT x", "on REDIRECT 99999999", "on REDIRECT 0", "on PREFIX a", "on BCAST OPTIN", "on OPTIN OPTOUT",
        "foo", "on FOO", "on BCAST PREFIX", "on BCAST PREFIX a PREFIX ab", "off BCAST", "on REDIRECT",
        "on REDIRECT {w} REDIRECT {w}", "on", "on BCAST", "on OPTIN", "on", "on NOLOOP", "off", "on OPTIN", "on OPTOUT",
        "off", "on BCAST PREFIX foo PREFIX bar", "on BCAST PREFIX foobar", "on BCAST PREFIX baz", "on BCAST", "off",
        "off PREFIX x", "on OPTIN REDIRECT {w}", "off",
    )
]  # fmt: skip

TRACKING = [
    "t CLIENT CACHING yes", "t CLIENT TRACKING on", "t CLIENT CACHING yes", "t MGET a b", "w MSET a 1 b 2 c 3", "w SET a 4",
    "t GET a", "t SET a own", "t GET a", "t MULTI", "t SET a 3", "t GET a", "t EXEC", "w SET a 5", "t GET a", "w FLUSHALL",
    "w FLUSHDB", "t EXISTS n", "w SET n 1", "t SET n 1 GET", "w SET n 2", "t TTL n", "w EXPIRE n 100", "t STRLEN n",
    "w DEL n", "t CLIENT TRACKING off", "t CLIENT TRACKING on NOLOOP", "t GET a", "t SET a 1", "t GET a", "w SET a 2",
    "t CLIENT TRACKING off", "t CLIENT TRACKING on OPTIN", "t GET a", "w SET a 1", "t CLIENT CACHING no",
    "t CLIENT CACHING yes", "t CLIENT TRACKINGINFO", "t GET a", "t CLIENT TRACKINGINFO", "w SET a 2", "t CLIENT CACHING x",
    "t CLIENT TRACKING off", "t CLIENT TRACKING on OPTOUT", "t CLIENT CACHING yes", "t CLIENT CACHING no", "t GET a",
    "t GET b", "w MSET a 1 b 1", "t CLIENT TRACKING off", "t CLIENT TRACKING on BCAST PREFIX x PREFIX y",
    "w MSET x1 1 x2 2 y1 3 z 4", "w DEL x1 nope y1", "w FLUSHALL", "t CLIENT TRACKING off",
    "t CLIENT TRACKING on REDIRECT {r}", "t CLIENT GETREDIR", "t CLIENT TRACKINGINFO", "t GET a", "w SET a 1",
    "r SUBSCRIBE __redis__:invalidate", "t GET a", "w SET a 1", "w PUBLISH __redis__:invalidate m", "w FLUSHALL",
    "t GET a", "r UNSUBSCRIBE __redis__:invalidate", "w SET a 1", "t RESET", "t CLIENT TRACKINGINFO",
    "t CLIENT GETREDIR",
]  # fmt: skip

EVENTS = [
    "w CONFIG SET notify-keyspace-events KEA", "w CONFIG GET notify-keyspace-events", "s PSUBSCRIBE __key*@*__:*",
    "w SET k v", "w APPEND k v", "w EXPIRE k 100", "w RENAME k l", "w LPUSH list a b", "w LPOP list 2", "w SADD s a",
    "w SMOVE s t a", "w HSET h f v", "w HDEL h f", "w ZADD z 1 a", "w ZADD z 1 a", "w ZREM z a", "w MULTI", "w INCR n",
    "w DEL n", "w EXEC", "w GET none", "w CONFIG SET notify-keyspace-events Em", "w GET none", "w SET k v",
    "w CONFIG SET notify-keyspace-events Kn$", "w SET new v", "w SET new v", "w CONFIG GET notify-keyspace-events",
    "w CONFIG SET notify-keyspace-events Kq", "w CONFIG SET notify-keyspace-events mEKdtezxhsl$g",
    "w CONFIG GET notify-keyspace-events",
]  # fmt: skip

GAMES = {
    "subscribing": ({"s": 2, "p": 2}, SUBSCRIBING),
    "subscribing in resp3": ({"s": 3, "p": 3}, SUBSCRIBING),
    "options": ({"t": 3, "w": 2}, OPTIONS),
    "options in resp2": ({"t": 2, "w": 2}, [s for o in OPTIONS for s in (o, "t CLIENT TRACKINGINFO")]),
    # Redis writes the null of a flush in the protocol of who tracks, here it is that of who gets it.
    "tracking": ({"t": 3, "w": 2, "r": 3}, TRACKING),
    "tracking in resp2": ({"t": 2, "w": 3, "r": 2}, TRACKING),
    "events": ({"s": 3, "w": 2}, EVENTS),
}


@pytest.fixture(scope="module")
def servers():
    with Cluster(nodes=1, plain=True) as cluster, redis_server() as redis:
        yield ("127.0.0.1", cluster.leader().port), redis


@pytest.mark.parametrize("game", GAMES)
def test_the_wire_is_that_of_redis(servers, game):
    protocols, steps = GAMES[game]
    steps = [s.split(" ") for s in steps]
    ours, redis = (play(address, protocols, steps) for address in servers)
    for (words, got), (_, want) in zip(ours, redis):
        assert got == want, words
