# SPDX-License-Identifier: BSD-3-Clause
"""All effects of a command are in one entry of the log, which has a limit. A command whose effects are longer than
itself, and would not fit, is refused before it has changed anything.

The limit is made small: an entry has room for what max-uncommitted-bytes may have gathered before, and for one
command or transaction; the more for the one, the less for the other."""

import pytest
from holdfast import Cluster, ReplyError, eventually

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
