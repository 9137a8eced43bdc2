# SPDX-License-Identifier: BSD-3-Clause
"""All effects of a command are in one entry of the log, which has a limit. A command whose effects are longer than
itself, and would not fit, is refused before it has changed anything.

The limit is made small: an entry has room for what max-uncommitted-bytes may have gathered before, and for one
command or transaction; the more for the one, the less for the other."""

import contextlib

import pytest
from holdfast import Client, Cluster, ReplyError, eventually, info
from loads import skip_without_jemalloc

LIMIT = 2 << 20  # of one command
ENTRY, RESERVED = 1 << 30, 64 << 20
OPTIONS = {"proto_max_bulk_len": 1 << 20, "max_uncommitted_bytes": ENTRY - RESERVED - LIMIT}
BIG = [b"%03d" % i + b"x" * 100_000 for i in range(40)]  # twice what fits


@pytest.fixture(scope="module")
def node():
    with Cluster(nodes=1, plain=True, **OPTIONS) as cluster:
        yield cluster.leader()


@pytest.fixture
def c(node):
    node.call("FLUSHALL")
    with node.client() as c:
        yield c
    # What is in the log is what was executed.
    before = node.call("DEBUG", "DIGEST")
    assert node.call("DEBUG", "RELOAD", "NOSAVE") == "OK"
    assert node.call("DEBUG", "DIGEST") == before


def refused(c, *words):
    """It is refused, and nothing has changed."""
    before = c.call("DEBUG", "DIGEST")
    with pytest.raises(ReplyError, match="^ERR .*(too large|too many|fit into one log entry)"):
        c.call(*words)
    assert c.call("DEBUG", "DIGEST") == before


@contextlib.contextmanager
def bounded(c, most=LIMIT):
    """What it logs is no longer than that, but for lengths and short words."""
    before = int(info(c, "raft")["raft_batch_bytes"])
    yield
    assert int(info(c, "raft")["raft_batch_bytes"]) - before <= most + 10_000


def soon(c):
    """A time that comes after some commands more."""
    seconds, us = c.call("TIME")
    return int(seconds) * 1000 + int(us) // 1000 + 500


def passed(c, at):
    def is_past():
        seconds, us = c.call("TIME")
        return int(seconds) * 1000 + int(us) // 1000 > at

    eventually(is_past, 10, "the time is past", 0.01)


@pytest.fixture
def lazy(c):
    """Only commands delete what is past its time."""
    c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    yield
    c.call("FLUSHALL")
    c.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def add(c, *words):
    for i in range(0, len(BIG), 10):
        c.call(*words, *BIG[i : i + 10])


def test_members_that_are_popped(c):
    add(c, "SADD", "s")
    refused(c, "SPOP", "s", 30)
    assert len(c.call("SPOP", "s", 15)) == 15
    # As part of more: what the others have taken is no longer there.
    c.call("MULTI")
    for _ in range(3):
        c.call("SPOP", "s", 7)
    replies = c.call("EXEC")
    assert [isinstance(r, list) for r in replies] == [True, True, False], replies
    assert c.call("SCARD", "s") == 40 - 15 - 2 * 7
    refused_at = c.call("EVAL", "for i = 1, 20 do local r = redis.pcall('SPOP', KEYS[1], 5) "
                        "if r.err then return i end end", 1, "s")  # fmt: skip
    assert refused_at is None  # 11 members in all: they fit
    add(c, "SADD", "s")
    assert c.call("EVAL", "for i = 1, 20 do local r = redis.pcall('SPOP', KEYS[1], 5) "
                  "if r.err then return i end end", 1, "s") == 5  # fmt: skip
    # All of them is DEL.
    assert len(c.call("SPOP", "s", 100)) == 20


def test_results_that_are_logged_by_their_elements(c):
    add(c, "RPUSH", "l")
    refused(c, "SORT", "l", "ALPHA", "STORE", "d")
    refused(c, "SORT", "l", "ALPHA", "LIMIT", 0, 8, "GET", "#", "GET", "#", "GET", "#", "STORE", "d")
    with bounded(c):
        assert c.call("SORT", "l", "ALPHA", "LIMIT", 0, 6, "GET", "#", "GET", "#", "GET", "#", "STORE", "d") == 18
    for member in BIG:
        c.call("GEOADD", "g", 13, 38, member)
    refused(c, "GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 13, 38, "BYRADIUS", 1, "km")
    # The name of the target is in each of many effects.
    name = b"n" * 100_000
    c.call("DEL", "l", "g")
    c.pipeline([("RPUSH", "l", *range(i, i + 1000)) for i in range(0, 10_000, 1000)])
    refused(c, "SORT", "l", "STORE", name)
    c.pipeline([("GEOADD", "g", 13, 38, i) for i in range(12_000)])
    refused(c, "GEOSEARCHSTORE", name, "g", "FROMLONLAT", 13, 38, "BYRADIUS", 1, "km")
    assert c.call("SORT", "l", "STORE", "d") == 10_000
    assert c.call("GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 13, 38, "BYRADIUS", 1, "km") == 12_000


def test_results_that_are_logged_as_the_command_need_no_room(c):
    add(c, "SADD", "s")
    add(c, "RPUSH", "l")
    for i, member in enumerate(BIG):
        c.call("ZADD", "z", i, member)
        c.call("SETRANGE", "b", i * 25_000, b"y" * 25_000)
    assert c.call("SUNIONSTORE", "s2", "s", "s") == c.call("SDIFFSTORE", "s3", "s", "none") == 40
    assert c.call("ZUNIONSTORE", "z2", 2, "z", "s") == c.call("ZRANGESTORE", "z3", "z", 0, -1) == 40
    assert c.call("COPY", "l", "l2") == 1 and c.call("RENAME", "l2", "l3") == "OK"
    assert c.call("BITOP", "NOT", "b2", "b") == 1_000_000 and c.call("APPEND", "b", "z") == 1_000_001
    assert len(c.call("LPOP", "l", 30)) == 30 and len(c.call("ZPOPMIN", "z", 30)) == 60
    assert c.call("SWAPDB", 0, 1) == "OK" and c.call("SWAPDB", 0, 1) == "OK"


def test_deliveries_name_stream_group_and_consumer(c):
    key = b"k" * 10_000
    c.call("XGROUP", "CREATE", key, "g", "0", "MKSTREAM")
    # Each is delivered at a time of its own, so that each gets an effect of its own when it is claimed.
    for i in range(1, 601):
        c.call("XADD", key, f"{i}-0", "f", "v")
    ids = [f"{i}-0" for i in range(1, 601)]
    assert len(c.call("XREADGROUP", "GROUP", "g", "a", "COUNT", 50_000, "STREAMS", key, ">")[0][1]) <= 300
    while c.call("XREADGROUP", "GROUP", "g", "a", "STREAMS", key, ">"):
        pass
    refused(c, "XCLAIM", key, "g", "b", 0, *ids)
    assert len(c.call("XCLAIM", key, "g", "b", 0, *ids[:100])) == 100
    first, claimed, _ = c.call("XAUTOCLAIM", key, "g", "c", 0, "0", "COUNT", 600)
    assert 100 <= len(claimed) <= 300 and first != b"0-0"
    assert len(c.call("XREADGROUP", "GROUP", "g", "a", "STREAMS", key, "0")[0][1]) <= 300


def test_a_transaction_of_short_commands_with_long_effects(c):
    c.call("SET", "n", "1e4900")
    commands = [("INCRBYFLOAT", "n", "1")] * 600  # each is logged as 4901 digits
    c.call("MULTI")
    c.pipeline(commands)
    replies = c.call("EXEC")
    done = [r for r in replies if not isinstance(r, ReplyError)]
    assert 300 < len(done) < 500 and replies[: len(done)] == done
    assert all("fit into one log entry" in r.text for r in replies[len(done) :])
    text = "for i = 1, 600 do redis.call('INCRBYFLOAT', KEYS[1], 1) end"
    with pytest.raises(ReplyError, match="too large to fit into one log entry"):
        c.call("EVAL", text, 1, "n")


def test_fields_whose_time_is_over_go_in_portions(c):
    for member in BIG:
        c.call("HSETEX", "h", "PX", 50, "FIELDS", 1, member, "v")
    c.call("HSET", "h", "stays", "v")
    eventually(lambda: c.call("MEMORY", "USAGE", "h") < 10_000, 10, "they are gone")
    assert c.call("HGETALL", "h") == [b"stays", b"v"]


def test_names_of_keys_count_more_than_once(c, lazy):
    """A key that is past its time is deleted first, with an effect of its own."""
    at = soon(c)
    a, b = b"a" * 640_000, b"b" * 640_000
    many = [word for name in BIG[:12] for word in (name, b"v")]
    c.call("SET", a, "v")
    c.call("SET", b, "v", "PXAT", at)
    for name in many[::2]:
        c.call("SET", name, "v", "PXAT", at)
    passed(c, at)
    refused(c, "COPY", a, b)
    refused(c, "MSET", *many)
    with bounded(c):
        assert c.pipeline([("MULTI",), ("MSET", *many[:12]), ("MSET", *many[12:])]) == ["OK", "QUEUED", "QUEUED"]
        first, second = c.call("EXEC")
    assert first == "OK" and "fit into one log entry" in second.text
    refused(c, "EVAL", "return redis.call('COPY', KEYS[1], KEYS[2])", 2, a, b)
    refused(c, "DEBUG", "POPULATE", 1, b"p" * 700_000, 800_000)
    # Values are logged once.
    assert c.call("SET", "v", b"v" * 1_000_000) == "OK"
    with bounded(c):
        assert c.call("MSET", "v1", b"v" * 1_000_000, "v2", b"v" * 1_000_000) == "OK"
    short = b"b" * 600_000
    c.call("SET", short, "v", "PXAT", soon(c))
    passed(c, soon(c))
    with bounded(c):
        assert c.call("PFADD", short, *range(3000)) == 1


def test_reads_delete_what_is_past_its_time_as_long_as_there_is_room(c, lazy):
    at = soon(c)
    names = [b"x" * 100_000 + b"%d" % i for i in range(40)]
    c.pipeline([("SET", name, "v", "PXAT", at) for name in names])
    c.pipeline([("RPUSH", "l", i) for i in range(40)])
    passed(c, at)
    text = "local n = 0 for i = 0, 39 do n = n + redis.call('EXISTS', string.rep('x', 100000) .. i) end return n"
    for call in (["SORT", "l", "GET", b"x" * 100_000 + b"*", "STORE", "d"], ["EVAL", text, 0]):
        with bounded(c):
            assert c.call(*call) == (40 if call[0] == "SORT" else 0)
    assert c.call("LRANGE", "d", 0, -1) == [b""] * 40
    left = c.call("DBSIZE")
    assert 2 + 15 < left < 2 + 25
    with bounded(c):
        assert c.call("EVAL", text, 0) == 0
    assert c.call("DBSIZE") in (2, 3)


def test_fields_past_their_time_count_twice(c, lazy):
    fields = [b"%02d" % i + b"f" * 100_000 for i in range(12)]
    pairs = [word for field in fields for word in (field, b"v")]

    def fill():
        at = soon(c)
        c.call("DEL", "h")
        assert c.call("HSETEX", "h", "PXAT", at, "FIELDS", 12, *pairs) == 1
        c.call("HSET", "h", "stays", "v")
        passed(c, at)

    fill()
    refused(c, "HDEL", "h", *fields)
    refused(c, "HSETEX", "h", "FIELDS", 12, *pairs)
    refused(c, "HGETEX", "h", "EX", 100, "FIELDS", 12, *fields)
    for words in (["HDEL", "h", *fields[:8]], ["HSETEX", "h", "FXX", "FIELDS", 8, *pairs[:16]],
                  ["HSETEX", "h", "KEEPTTL", "FIELDS", 8, *pairs[:16]], ["HEXPIRE", "h", 100, "FIELDS", 8, *fields[:8]],
                  ["HPERSIST", "h", "FIELDS", 8, *fields[:8]], ["HGETDEL", "h", "FIELDS", 8, *fields[:8]]):  # fmt: skip
        with bounded(c):
            c.call(*words)
        fill()


def test_names_of_groups_and_consumers_count_for_each_stream(c):
    group, consumer = b"g" * 100_000, b"c" * 100_000
    keys = [f"s{i}" for i in range(6)]
    for key in keys:
        c.call("XGROUP", "CREATE", key, group, "0", "MKSTREAM")
        c.call("XADD", key, "1-0", "f", "v")
    refused(c, "XREADGROUP", "GROUP", group, consumer, "STREAMS", *keys, *[">"] * 6)
    with bounded(c):
        assert len(c.call("XREADGROUP", "GROUP", group, consumer, "STREAMS", *keys[:2], ">", ">")) == 2
    with bounded(c):
        assert c.call("XCLAIM", "s0", group, b"d" * 100_000, 0, "1-0", "LASTID", "9-0", "JUSTID") == [b"1-0"]
    c.call("XGROUP", "CREATE", "s0", b"h" * 300_000, "0")
    refused(c, "XCLAIM", "s0", b"h" * 300_000, b"e" * 300_000, 0, "1-0", "FORCE")
    refused(c, "XAUTOCLAIM", "s0", b"h" * 300_000, b"e" * 300_000, 0, "0")


# ---- what a node does by itself, or for many at once --------------------------------------------------------

NAMES = [b"%03d" % i + b"n" * 100_000 for i in range(40)]


@contextlib.contextmanager
def batches_below(most, **options):
    """A node with little room in its open batch; none gets longer than @most."""
    with Cluster(nodes=1, plain=True, max_uncommitted_bytes=1 << 20, **options) as cluster:
        with cluster.leader().client() as c:
            yield c
            assert int(info(c, "raft")["raft_batch_bytes_max"]) <= most


def test_keys_whose_time_is_over_go_in_batches():
    with batches_below(1_200_000) as c:
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        at = soon(c)
        for name in NAMES:
            c.call("SET", name, "v", "PXAT", at)
        passed(c, at)
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        eventually(lambda: c.call("DBSIZE") == 0, 10, "they are gone")


def test_fields_whose_time_is_over_go_in_batches():
    """An HDEL names no more than one field beyond 1 MiB of them."""
    with batches_below(2_300_000) as c:
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        at = soon(c)
        for name in NAMES:
            c.call("HSETEX", "h", "PXAT", at, "FIELDS", 1, name, "v")
        passed(c, at)
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        eventually(lambda: c.call("DBSIZE") == 0, 10, "they are gone")


def test_keys_are_evicted_in_batches():
    """And the command for which that is done waits until there is room for it."""
    with batches_below(1_200_000, maxmemory_policy="allkeys-random") as c:
        skip_without_jemalloc(info(c, "memory"))
        for name in NAMES:
            c.call("SET", name, "v" * 1000)
        memory = info(c, "memory")
        used = int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])
        c.call("CONFIG", "SET", "maxmemory-eviction-tenacity", 100, "maxmemory", used - 2_000_000)
        assert c.call("SET", "k", "v") == "OK"
        eventually(lambda: c.call("DBSIZE") <= 25, 10, "some are gone")
        c.call("CONFIG", "SET", "maxmemory", 0)


def test_clients_that_waited_are_served_in_batches():
    """What one of them takes names its key."""
    key = b"k" * 300_000
    with batches_below(1_500_000) as c, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Client(c.socket.getpeername()[1])) for _ in range(12)]
        for i, w in enumerate(waiting):
            w.send("BLPOP", key, 0)
            eventually(lambda i=i: int(info(c, "clients")["blocked_clients"]) == i + 1, 10, "it waits", 0.002)
        assert c.call("RPUSH", key, *range(12)) == 12
        assert [w.read() for w in waiting] == [[key, b"%d" % i] for i in range(12)]
        assert c.call("DBSIZE") == 0
