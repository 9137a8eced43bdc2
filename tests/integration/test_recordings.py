# SPDX-License-Identifier: BSD-3-Clause
"""What Redis 7.0.15 answered, on the wire, against what a cluster answers: single commands byte by
byte, malformed requests, a session with a password, and the shapes of the views of a cluster."""

import pathlib
import re
import shlex

import pytest

from diff_wire import Connection
from holdfast import SLOW, Cluster, eventually

DATA = pathlib.Path(__file__).parents[1] / "data" / "recordings"
# Commands on keys: the recording is that of the handlers' own tests.
KEY_DATA = pathlib.Path(__file__).parents[1] / "node" / "data" / "replies.tsv"


# These tests talk to one leader: it should not change because the machine is busy.
@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def clustered():
    with Cluster(raft_election_timeout=1000) as cluster:
        yield cluster


def connect(node, protocol=2):
    return Connection(("127.0.0.1", node.port), protocol, timeout_s=30 * SLOW)


def unescape(text):
    """\\r \\n \\t \\\\ and \\xNN of the tables as bytes."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def table(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]


# ---- single commands -----------------------------------------------------------------------------

# What differs by nature; all else must be the recorded bytes.
DIFFERS = {
    # Commands before it may have taken longer than slowlog-log-slower-than.
    "SLOWLOG LEN": lambda got, want: re.fullmatch(rb":\d+\r\n", got),
    "CLIENT ID": lambda got, want: re.fullmatch(rb":[1-9]\d*\r\n", got),
    # The order of CONFIG GET is that of a hash table in Redis.
    "CONFIG GET maxmemory maxmemory-policy": lambda got, want: (
        got[:4] == want[:4] and sorted(got.split(b"$")) == sorted(want.split(b"$"))
    ),
}


def probes():
    rows = [r for path in (KEY_DATA, DATA / "server-replies.tsv") for r in table(path)]
    assert len(rows) > 200
    return sorted(rows, key=lambda r: int(r["n"]))


def no_snapshot_is_due(node):
    i = node.info("persistence")
    return i["rdb_bgsave_in_progress"] == i["aof_rewrite_scheduled"] == "0"


@pytest.mark.parametrize("protocol", (2, 3))
def test_replies_are_those_redis_gave(plain, protocol):
    """In one connection and in the order of the recording: later commands see what earlier did."""
    leader = plain.leader()
    leader.call("FLUSHALL")
    wrong = []
    c = connect(leader, protocol)
    for row in probes():
        if row["n"] == "453":  # rows of data types that are not here yet had made this key
            c.call(b"SET", b"l", b"x")
        if row["command"] == "BGREWRITEAOF":
            eventually(lambda: no_snapshot_is_due(leader), what="it can start at once")
        want = unescape(row["resp2"] if protocol == 2 or row["resp3"] == "=" else row["resp3"])
        got = c.call(*(unescape(word) for word in shlex.split(row["command"]))).raw
        same = DIFFERS.get(row["command"], lambda a, b: a == b)
        if not same(got, want):
            wrong.append(f"{row['n']} {row['command']}\n  replied: {got!r}\n  wanted:  {want!r}")
        if row["command"] == "RESET" and protocol == 3:
            c.call(b"HELLO", b"3")
    c.close()
    assert not wrong, "\n".join(wrong)
    assert len(plain.digests()) == 1


# ---- malformed requests --------------------------------------------------------------------------


@pytest.mark.parametrize("row", table(DATA / "protocol-errors.tsv"), ids=lambda row: row["case"])
def test_malformed_requests_are_answered_as_redis_does(plain, row):
    sent = re.sub(r"A\*(\d+)", lambda m: "A" * int(m[1]), row["sent_escaped"])
    c = connect(plain.leader())
    c.send(unescape(sent))
    if row["reply"]:
        assert c.read().raw == unescape(row["reply"])
    if row["connection_closed"] == "yes":
        assert c._socket.recv(1) == b""
    else:
        # Still alive: the argument of a request that has begun may arrive, or a new one.
        c.send(b"$4\r\nPING\r\n" if not row["reply"] else b"PING\r\n")
        if row["reply"]:
            assert c.read().raw == b"+PONG\r\n"
        else:
            c._socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                c._socket.recv(1)
    c.close()


# ---- a session with a password -------------------------------------------------------------------


def test_a_session_with_a_password_goes_as_recorded():
    with Cluster(nodes=1, plain=True) as cluster:
        c = connect(cluster.leader())
        c.call(b"SET", b"a", b'b\r\n"q"')
        c.call(b"CONFIG", b"SET", b"requirepass", b"sesame")
        c.call(b"RESET")
        for row in table(DATA / "auth-session.tsv"):
            got = c.call(*(w.encode() for w in row["argv"].split(" "))).raw
            want = unescape(row["resp2"])
            if row["argv"].startswith("HELLO") and want[:1] != b"-":
                id_ = re.compile(rb"(id\r\n):\d+")
                got, want = id_.sub(rb"\1:n", got), id_.sub(rb"\1:n", want)
            assert got == want, row["argv"]
        c.close()


# ---- views of a cluster --------------------------------------------------------------------------

WORDS = {
    b"slots", b"nodes", b"id", b"port", b"ip", b"endpoint", b"role", b"replication-offset", b"health",
    b"direction", b"node", b"create-time", b"events", b"send-buffer-allocated", b"send-buffer-used",
    b"server", b"version", b"proto", b"mode", b"modules",
}  # fmt: skip


def shape(reply):
    """The kinds of a reply's parts; names of fields are kept, equal neighbours count once."""
    if isinstance(reply.value, list):
        parts = []
        for part in map(shape, reply.value):
            if not parts or parts[-1] != part:
                parts.append(part)
        return reply.kind, tuple(parts)
    if reply.kind == "$" and reply.value in WORDS:
        return reply.value.decode()
    return reply.kind


class Recording(Connection):
    """A recorded reply, read as if it came from a connection."""

    def __init__(self, name):
        self._buffer = bytearray((DATA / name).read_bytes())
        self._at = 0

    def _more(self):
        raise AssertionError("a recording ends in the middle of a reply")


VIEWS = [
    # command, recordings, of a follower
    ("CLUSTER SLOTS", "cluster-slots", False),
    ("CLUSTER SLOTS", "cluster-slots", True),
    ("CLUSTER SHARDS", "cluster-shards", False),
    ("CLUSTER SHARDS", "cluster-shards", True),
    ("CLUSTER NODES", "cluster-nodes-master", False),
    ("CLUSTER NODES", "cluster-nodes-replica", True),
    ("CLUSTER INFO", "cluster-info", False),
    ("CLUSTER INFO", "cluster-info-replica", True),
    ("CLUSTER MYID", "cluster-myid", False),
    ("HELLO", "cluster-hello", False),
    ("ROLE", "cluster-role-master", False),
    ("ROLE", "cluster-role-replica", True),
]


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("command,name,of_follower", VIEWS)
def test_views_have_the_shape_that_redis_gives_them(clustered, command, name, of_follower, protocol):
    node = clustered.followers()[0] if of_follower else clustered.leader()
    file = f"{name}.resp{protocol}"
    if not (DATA / file).exists():
        file = f"{name}.resp2"  # the same bytes in both protocols
    c = connect(node, protocol)
    got, want = c.call(*command.encode().split()), Recording(file).read()
    c.close()
    if command == "ROLE":  # we have two followers, the recording has one: once is enough
        assert got.kind == want.kind
    # Redis's shards: a master alone may stand beside others; ours is one list of three.
    assert shape(got) == shape(want), f"{got.raw!r}\n{want.raw!r}"


NODE_LINE = re.compile(
    r"[0-9a-f]{40} 127\.0\.0\.1:\d+@\d+ (myself,)?(master -|slave [0-9a-f]{40}) \d+ \d+ \d+ "
    r"connected( \d+(-\d+)?)*"
)


def test_nodes_lines_are_as_redis_writes_them(clustered):
    for name in ("cluster-nodes-master.resp2", "cluster-nodes-replica.resp2"):
        lines = Recording(name).read().value.decode().splitlines()
        assert len(lines) == 6 and all(NODE_LINE.fullmatch(line) for line in lines), "the pattern is wrong"
    leader = clustered.leader()
    ids = {}
    for node in clustered.nodes:
        lines = node.call("CLUSTER", "NODES").decode().splitlines()
        assert len(lines) == 3 and all(NODE_LINE.fullmatch(line) for line in lines), lines
        (mine,) = [line for line in lines if "myself" in line]
        ids[node.port] = node.call("CLUSTER", "MYID").decode()
        assert mine.startswith(f"{ids[node.port]} 127.0.0.1:{node.port}@{node.peer_port} ")
        assert mine.endswith(" 0-16383") == (node is leader)
        for line in lines:
            words = line.split(" ")
            assert ("master" in words[2]) == words[1].startswith(f"127.0.0.1:{leader.port}@")
    for node in clustered.followers():
        (mine,) = [x for x in node.call("CLUSTER", "NODES").decode().splitlines() if "myself" in x]
        assert mine.split(" ")[3] == ids[leader.port]


def test_info_lines_of_the_cluster_are_those_of_redis(clustered):
    recorded = Recording("cluster-info.resp2").read().value.decode()
    names = [line.split(":")[0] for line in recorded.split("\r\n") if ":" in line]
    for node in clustered.nodes:
        got = dict(x.split(":") for x in node.call("CLUSTER", "INFO").decode().split("\r\n") if x)
        # There are no gossip messages to count.
        assert list(got) == [n for n in names if "messages" not in n and "buffer_limit" not in n]
        assert got["cluster_state"] == "ok" and got["cluster_size"] == "1"
        assert got["cluster_slots_assigned"] == got["cluster_slots_ok"] == "16384"
        assert got["cluster_known_nodes"] == "3"


def test_all_nodes_say_the_same_of_slots_and_shards(clustered):
    ports = {n.port for n in clustered.nodes}
    leader = clustered.leader()
    for node in clustered.nodes:
        ((first, last, master, *replicas),) = node.call("CLUSTER", "SLOTS")
        assert (first, last, master[:2]) == (0, 16383, [b"127.0.0.1", leader.port])
        assert {r[1] for r in [master, *replicas]} == ports
        with node.client() as c:
            c.call("HELLO", "3")
            (shard,) = c.call("CLUSTER", "SHARDS")
        assert shard[b"slots"] == [0, 16383]
        assert {n[b"port"] for n in shard[b"nodes"]} == ports
        assert [n[b"role"] for n in shard[b"nodes"]] == [b"master", b"replica", b"replica"]
        assert shard[b"nodes"][0][b"port"] == leader.port


def test_replicas_and_links(clustered):
    leader = clustered.leader()
    with leader.client() as c:
        own = c.call("CLUSTER", "MYID")
        for word in ("REPLICAS", "SLAVES"):
            lines = [line.decode() for line in c.call("CLUSTER", word, own)]
            assert len(lines) == 2 and all(NODE_LINE.fullmatch(line) and "slave" in line for line in lines)
        links = c.call("CLUSTER", "LINKS")
        assert len(links) == 2
        # One connection to each peer carries both ways: there is no "from" beside it.
        recorded = Recording("cluster-links.resp2").read().value[0].value
        assert [x.value for x in recorded[::2]] == links[0][::2]


# ---- descriptions of clients ---------------------------------------------------------------------


def test_client_lines_have_the_fields_of_redis(plain):
    """And some of later versions (watch, ssub, lib-name ...), where those put them."""
    recorded = Recording("client-info.resp3").read().value.decode()
    names = re.findall(r"(?:^txt:| )([a-z-]+)=", recorded)
    leader = plain.leader()
    c = connect(leader)
    for command in (b"INFO", b"LIST"):
        line = c.call(b"CLIENT", command).value.decode().splitlines()[-1]
        got = re.findall(r"(?:^| )([a-z-]+)=", line)
        assert [n for n in got if n in names] == names[:] and set(got) - set(names) == {
            "watch",
            "lib-name",
            "lib-ver",
        }
        assert re.search(rf" addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:{leader.port} fd=\d+ name= ", line)
        assert f" cmd=client|{command.decode().lower()} user=default " in line
    c.close()
