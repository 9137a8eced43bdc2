# SPDX-License-Identifier: BSD-3-Clause
"""What a server tells about itself, and what it refuses: COMMAND, LATENCY, MEMORY, CLIENT, SAVE, LOLWUT ..."""

import re
import time

import pytest

from holdfast import Cluster, ReplyError, eventually, info


@pytest.fixture(scope="module")
def one():
    """With slots."""
    with Cluster(nodes=1, enable_debug_command="yes") as cluster:
        cluster.leader()
        yield cluster.nodes[0]


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=1, plain=True, enable_debug_command="yes") as cluster:
        cluster.leader()
        yield cluster.nodes[0]


def error(client, *words):
    with pytest.raises(ReplyError) as e:
        client.call(*words)
    return e.value.text


# ---- refusals ------------------------------------------------------------------------------------


def test_a_refused_command_says_why_and_changes_nothing(plain):
    with plain.client() as c:
        before = c.call("ROLE")[0]
        for words in ("REPLICAOF NO ONE", "REPLICAOF 127.0.0.1 1", "SLAVEOF NO ONE", "SYNC", "PSYNC ? -1",
                      "REPLCONF listening-port 1", "FAILOVER", "MODULE LOAD /x.so", "CLUSTER MEET 127.0.0.1 1",
                      "CLUSTER RESET HARD", "CLUSTER SETSLOT 1 STABLE"):  # fmt: skip
            assert re.match(r"ERR [A-Z -]+ is refused: \w", error(c, *words.split())), words
        assert error(c, "REPLICAOF", "NO") == "ERR wrong number of arguments for 'replicaof' command"
        assert c.call("ROLE")[0] == before
        assert b"replicaof" not in c.call("COMMAND", "LIST")
        stats = info(c, "commandstats")
        assert "rejected_calls=3" in stats["cmdstat_replicaof"] and "calls=0," in stats["cmdstat_replicaof"]


def test_a_refused_command_spoils_its_transaction(plain):
    with plain.client() as c:
        c.call("MULTI")
        assert error(c, "REPLICAOF", "NO", "ONE").startswith("ERR REPLICAOF is refused")
        assert error(c, "EXEC") == "EXECABORT Transaction discarded because of previous errors."


def test_there_are_no_modules(plain):
    with plain.client() as c:
        assert c.call("MODULE", "LIST") == []
        assert c.call("MODULE", "HELP")[1] == "LIST"


# ---- snapshots asked for, drawings ---------------------------------------------------------------


def test_save_answers_when_the_snapshot_is_there(plain):
    with plain.client() as c, plain.client() as other:
        c.call("SET", "saved", "1")
        saves = int(info(c, "persistence")["rdb_saves"])
        c.send("SAVE")
        assert other.call("GET", "saved") == b"1"
        assert c.read() == "OK"
        after = info(c, "persistence")
        assert int(after["rdb_saves"]) > saves and after["rdb_changes_since_last_save"] == "0"
        assert c.call("SAVE") == "OK"


def test_lolwut_draws_and_tells_the_version(plain):
    with plain.client() as c:
        drawings = {c.call("LOLWUT") for _ in range(3)}
        assert len(drawings) == 3
        for text in drawings:
            assert text.decode().splitlines()[-1] == "Holdfast ver. " + info(c, "server")["holdfast_version"]
        lines = c.call("LOLWUT", "VERSION", "6", "20", "5").decode().splitlines()
        assert len(lines) == 6 and all(len(line) <= 20 for line in lines[:5])
        assert error(c, "LOLWUT", "VERSION", "x") == "ERR value is not an integer or out of range"
        for words in (["VERSION"], ["1", "2", "3"]):
            assert error(c, "LOLWUT", *words) == "ERR syntax error"
        for words in (["0"], ["100000", "1"], ["10", "-1"]):
            assert error(c, "LOLWUT", *words) == "ERR value is out of range"


# ---- CLUSTER ---------------------------------------------------------------------------------------


def test_slot_stats_count_keys(one):
    with one.client() as c:
        c.call("FLUSHALL")
        for key in ("{a}1", "{a}2", "{a}3", "{b}1", "{b}2", "c"):
            c.call("SET", key, "v")
        a, b, d = (c.call("CLUSTER", "KEYSLOT", k) for k in "abc")
        most = c.call("CLUSTER", "SLOT-STATS", "ORDERBY", "KEY-COUNT", "LIMIT", "3")
        assert most == [[a, [b"key-count", 3]], [b, [b"key-count", 2]], [d, [b"key-count", 1]]]
        fewest = c.call("CLUSTER", "SLOT-STATS", "ORDERBY", "key-count", "ASC")
        assert len(fewest) == 16384 and fewest[:2] == [[0, [b"key-count", 0]], [1, [b"key-count", 0]]]
        assert fewest[-1] == [a, [b"key-count", 3]]
        assert c.call("CLUSTER", "SLOT-STATS", "SLOTSRANGE", a, a) == [[a, [b"key-count", 3]]]
        assert len(c.call("CLUSTER", "SLOT-STATS", "SLOTSRANGE", "0", "99")) == 100
        c.call("HELLO", "3")
        assert c.call("CLUSTER", "SLOT-STATS", "SLOTSRANGE", a, a) == [[a, {b"key-count": 3}]]
        for words, text in (
            ("SLOTSRANGE 0 16384", "Invalid or out of range slot"),
            ("SLOTSRANGE x 1", "Invalid or out of range slot"),
            ("SLOTSRANGE 2 1", "Start slot number 2 is greater than end slot number 1"),
            ("SLOTSRANGE 1 2 3", "syntax error"),
            ("ORDERBY", "wrong number of arguments for 'cluster|slot-stats' command"),
            ("ORDERBY nosuch", "Unrecognized sort metric for ORDERBY."),
            ("ORDERBY nosuch ASC", "Unrecognized sort metric for ORDERBY."),
            ("ORDERBY key-count LIMIT 0", "Limit has to lie in between 1 and 16384 (maximum number of slots)."),
            ("ORDERBY key-count LIMIT", "syntax error"),
            ("ORDERBY key-count ASC DESC", "syntax error"),
        ):
            got = error(c, "CLUSTER", "SLOT-STATS", *words.split())
            assert got == "ERR " + text, words


def test_a_shard_has_an_id(one, plain):
    with one.client() as c:
        assert re.fullmatch(rb"[0-9a-f]{40}", c.call("CLUSTER", "MYSHARDID"))
        assert c.call("CLUSTER", "MYSHARDID") != c.call("CLUSTER", "MYID")
        assert c.call("CLUSTER", "SAVECONFIG") == "OK"
    with plain.client() as c:
        for words in ("MYSHARDID", "SAVECONFIG", "SLOT-STATS SLOTSRANGE 0 1"):
            assert error(c, "CLUSTER", *words.split()) == "ERR This instance has cluster support disabled"
        assert error(c, "CLUSTER", "FAILOVER") == "ERR You should send CLUSTER FAILOVER to a replica"
