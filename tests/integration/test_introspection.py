# SPDX-License-Identifier: BSD-3-Clause
"""What a server tells about itself, and what it refuses: COMMAND, LATENCY, MEMORY, CLIENT, SAVE, LOLWUT ..."""

import re
import time

import pytest

from holdfast import Cluster, ConnectionClosed, ReplyError, eventually, info
from loads import skip_without_jemalloc


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


# ---- LATENCY -------------------------------------------------------------------------------------


def flat(reply):
    return dict(zip(reply[::2], reply[1::2]))


def test_histograms_count_the_calls_of_each_command(plain):
    with plain.client() as c:
        c.call("CONFIG", "RESETSTAT")
        c.pipeline([("SET", "h", i) for i in range(50)] + [("GET", "h")] * 20)
        c.call("DEBUG", "SLEEP", "0.02")
        c.call("CONFIG", "GET", "port")
        got = flat(c.call("LATENCY", "HISTOGRAM", "set", "GET", "config", "nosuch", "ping", "config|get"))
        assert list(got) == [b"set", b"get", b"config|get", b"config|resetstat"]
        for name, calls in ((b"set", 50), (b"get", 20), (b"config|get", 1)):
            entry = flat(got[name])
            buckets = flat(entry[b"histogram_usec"])
            assert entry[b"calls"] == calls and max(buckets.values()) == calls
            assert list(buckets) == sorted(buckets) and all(b & (b - 1) == 0 for b in buckets)
            assert sorted(set(buckets.values())) == list(buckets.values())
        debug = flat(flat(c.call("LATENCY", "HISTOGRAM", "debug"))[b"debug"])
        assert min(debug[b"histogram_usec"][::2]) >= 16384
        everything = flat(c.call("LATENCY", "HISTOGRAM"))
        assert {b"set", b"get", b"debug", b"latency|histogram"} <= everything.keys() and b"mset" not in everything
        c.call("HELLO", "3")
        assert c.call("LATENCY", "HISTOGRAM", "debug")[b"debug"][b"calls"] == 1
        c.call("CONFIG", "RESETSTAT")
        assert c.call("LATENCY", "HISTOGRAM", "set") == {}


def test_info_latencystats_has_the_percentiles_asked_for(plain):
    with plain.client() as c:
        c.call("CONFIG", "RESETSTAT")
        c.call("DEBUG", "SLEEP", "0.02")
        line = info(c, "latencystats")["latency_percentiles_usec_debug"]
        assert re.fullmatch(r"p50=(\d+)\.000,p99=\1\.000,p99\.9=\1\.000", line)
        assert 20000 <= float(line.split("=")[1].split(",")[0]) < 1e6
        assert "latency_percentiles_usec_debug" not in info(c)  # not by default
        try:
            c.call("CONFIG", "SET", "latency-tracking-info-percentiles", "0 12.5 100")
            line = info(c, "latencystats")["latency_percentiles_usec_debug"]
            assert [p.split("=")[0] for p in line.split(",")] == ["p0", "p12.5", "p100"]
            c.call("CONFIG", "SET", "latency-tracking-info-percentiles", "")
            assert info(c, "latencystats")["latency_percentiles_usec_debug"] == ""
            failed = (
                "ERR CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - "
            )
            assert error(c, "CONFIG", "SET", "latency-tracking-info-percentiles", "50 x") == (
                failed + "Invalid latency-tracking-info-percentiles parameters"
            )
            assert error(c, "CONFIG", "SET", "latency-tracking-info-percentiles", "50 101") == (
                failed + "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
            )
            c.call("CONFIG", "SET", "latency-tracking", "no")
            c.call("CONFIG", "RESETSTAT")
            c.call("PING")
            assert info(c, "latencystats") == {} and c.call("LATENCY", "HISTOGRAM") == []
        finally:
            c.call("CONFIG", "SET", "latency-tracking", "yes", "latency-tracking-info-percentiles", "50 99 99.9")


def test_slow_events_are_sampled(plain):
    with plain.client() as c:
        assert c.call("LATENCY", "LATEST") == [] and b"is off" in c.call("LATENCY", "DOCTOR")
        assert error(c, "LATENCY", "GRAPH", "command") == "ERR No samples available for event 'command'"
        c.call("CONFIG", "SET", "latency-monitor-threshold", "10")
        try:
            assert b"Nothing took 10 ms" in c.call("LATENCY", "DOCTOR")
            c.call("DEBUG", "SLEEP", "0.03")
            c.call("PING")
            time.sleep(1.1)  # one sample a second
            c.call("DEBUG", "SLEEP", "0.015")
            [name, at, latest, longest] = next(e for e in c.call("LATENCY", "LATEST") if e[0] == b"command")
            assert abs(at - time.time()) < 60 and 15 <= latest < longest and 30 <= longest < 2000
            history = c.call("LATENCY", "HISTORY", "command")
            assert len(history) >= 2 and history[-1] == [at, latest]
            assert [t for t, _ in history] == sorted({t for t, _ in history})
            assert c.call("LATENCY", "HISTORY", "nosuch") == []
            graph = c.call("LATENCY", "GRAPH", "COMMAND").decode().splitlines()
            assert graph[0].startswith(f"command - high {longest} ms, low ") and len(graph) == 10
            doctor = c.call("LATENCY", "DOCTOR").decode()
            assert "command: " in doctor and "SLOWLOG GET" in doctor
            assert c.call("LATENCY", "RESET", "fork", "nosuch") in (0, 1)
            assert c.call("LATENCY", "RESET") >= 1
            assert c.call("LATENCY", "LATEST") == []
        finally:
            c.call("CONFIG", "SET", "latency-monitor-threshold", "0")


def test_what_evicts_expires_and_forks_is_watched(plain):
    with plain.client() as c:
        c.call("CONFIG", "SET", "latency-monitor-threshold", "1")
        try:
            big = [str(i) for i in range(60000)]
            for i in range(4):
                c.call("SADD", f"big:{i}", *big)
            c.call("SET", "small", "1")

            def forked():
                c.call("SET", "small", time.time())
                c.call("SAVE")
                return any(e[0] == b"fork" for e in c.call("LATENCY", "LATEST"))

            # A fork of a small process may take less than the threshold.
            if "jemalloc" in info(c, "memory")["mem_allocator"]:
                eventually(forked, 60, "a fork took a millisecond")
            names = {e[0] for e in c.call("LATENCY", "LATEST")}
            assert b"fast-command" in names and names <= {
                b"command", b"fast-command", b"fork", b"log-sync", b"expire-cycle", b"eviction-cycle", b"eviction-del",
                b"active-defrag-cycle",
            }  # fmt: skip
        finally:
            c.call("CONFIG", "SET", "latency-monitor-threshold", "0")
            c.call("LATENCY", "RESET")
            c.call("FLUSHALL")


def test_many_keys_that_expire_together_are_an_event():
    """On a node of its own, whose log keeps what was written in memory."""
    with Cluster(nodes=1, plain=True, enable_debug_command="yes") as cluster, cluster.leader().client() as c:
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        for first in range(0, 40000, 1000):
            c.pipeline([("SET", f"e:{i}", "v", "PX", "1") for i in range(first, first + 1000)])
        c.call("CONFIG", "SET", "latency-monitor-threshold", "1")
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        eventually(lambda: c.call("DBSIZE") == 0, 60, "all are deleted")
        [_, at, latest, longest] = next(e for e in c.call("LATENCY", "LATEST") if e[0] == b"expire-cycle")
        assert abs(at - time.time()) < 60 and 1 <= latest <= longest
        assert b"expire-cycle" in c.call("LATENCY", "DOCTOR")


def test_what_is_evicted_is_an_event():
    """A round of evictions, and a single one that takes long: the name of the key is long. On a node of its own, whose
    log keeps such entries in memory."""
    with Cluster(nodes=1, plain=True) as cluster, cluster.leader().client() as c:
        skip_without_jemalloc(info(c, "memory"))
        for first in range(0, 20000, 1000):
            c.pipeline([("SET", f"s:{i}", "v" * 1000) for i in range(first, first + 1000)])
        for i in range(3):
            c.call("SET", str(i) * 8_000_000, "v")
        c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory-eviction-tenacity", "60")
        c.call("CONFIG", "SET", "latency-monitor-threshold", "1", "maxmemory", "1mb")
        eventually(lambda: c.call("DBSIZE") == 0, 60, "all are evicted")
        events = {e[0]: e for e in c.call("LATENCY", "LATEST")}
        for name in (b"eviction-cycle", b"eviction-del"):
            [_, at, latest, longest] = events[name]
            assert abs(at - time.time()) < 60 and 1 <= latest <= longest, name
        assert events[b"eviction-cycle"][3] >= events[b"eviction-del"][3]  # it has that one within


def test_latency_help(plain):
    with plain.client() as c:
        assert c.call("LATENCY", "HELP")[1] == "DOCTOR"
        assert error(c, "LATENCY", "nosuch") == "ERR unknown subcommand 'nosuch'. Try LATENCY HELP."
        assert error(c, "LATENCY", "GRAPH") == "ERR wrong number of arguments for 'latency|graph' command"


# ---- MEMORY --------------------------------------------------------------------------------------

# As a stock 7.0 has them.
MEMORY_STATS = (
    "peak.allocated total.allocated startup.allocated replication.backlog clients.slaves clients.normal "
    "cluster.links aof.buffer lua.caches functions.caches db.0 overhead.total keys.count keys.bytes-per-key dataset.bytes "
    "dataset.percentage peak.percentage allocator.allocated allocator.active allocator.resident "
    "allocator-fragmentation.ratio allocator-fragmentation.bytes allocator-rss.ratio allocator-rss.bytes "
    "rss-overhead.ratio rss-overhead.bytes fragmentation fragmentation.bytes"
).split()


def test_memory_stats(plain):
    with plain.client() as c:
        c.call("FLUSHALL")
        c.call("DEBUG", "POPULATE", "1000", "m", "1000")
        c.call("SCRIPT", "LOAD", "return 1 --" + "x" * 1000)
        library = "#!lua name=m\nredis.register_function('m', function() return 1 end) --" + "x" * 1000
        c.call("FUNCTION", "LOAD", "REPLACE", library)
        assert c.call("FCALL", "m", "0") == 1  # the node has made its functions of the text
        c.call("HELLO", "3")
        got = {k.decode(): v for k, v in c.call("MEMORY", "STATS").items()}
        assert list(got) == MEMORY_STATS
        assert got["keys.count"] == 1000 and set(got["db.0"]) == {
            b"overhead.hashtable.main", b"overhead.hashtable.expires", b"overhead.hashtable.slot-to-keys",
        }  # fmt: skip
        assert got["overhead.total"] + got["dataset.bytes"] == got["total.allocated"] <= got["peak.allocated"]
        i = info(c, "memory")
        assert got["lua.caches"] == int(i["used_memory_scripts_eval"]) > 1000
        assert got["functions.caches"] == int(i["used_memory_functions"]) > 1000
        assert 0 < got["dataset.percentage"] <= 100 and 0 < got["peak.percentage"] <= 100
        if "jemalloc" in info(c, "memory")["mem_allocator"]:
            assert 900 < got["keys.bytes-per-key"] < 10000 and got["dataset.bytes"] > 900_000
        c.call("HELLO", "2")
        assert [k.decode() for k in flat(c.call("MEMORY", "STATS"))] == MEMORY_STATS
        c.call("FLUSHALL")
        c.call("FUNCTION", "DELETE", "m")


def test_memory_doctor_purge_and_the_allocator(plain):
    with plain.client() as c:
        report = c.call("MEMORY", "MALLOC-STATS")
        # Another allocator does not say what is used: the process's pages stand for it.
        if "jemalloc" in info(c, "memory")["mem_allocator"]:
            eventually(lambda: b"too little data" in c.call("MEMORY", "DOCTOR"), what="what was freed is gone")
            assert b"jemalloc statistics" in report
            c.call("DEBUG", "POPULATE", "20000", "m", "1000")
            m = info(c, "memory")
            c.call("CONFIG", "SET", "maxmemory", int(m["used_memory"]) - int(m["mem_not_counted_for_evict"]))
            eventually(lambda: b"within a tenth of maxmemory" in c.call("MEMORY", "DOCTOR"), what="it warns")
            c.call("CONFIG", "SET", "maxmemory", "0")
            c.call("FLUSHALL")
        else:
            assert report == b"Stats not supported for the current allocator"
        assert c.call("MEMORY", "PURGE") == "OK"
        assert c.call("MEMORY", "HELP")[1] == "DOCTOR"


# ---- CLIENT ----------------------------------------------------------------------------------------


def test_a_client_that_can_redirect_is_sent_to_the_leader():
    with Cluster(plain=True) as cluster:
        leader = cluster.leader()
        where = f"REDIRECT 127.0.0.1:{leader.port}"
        with leader.client() as c:
            c.call("SET", "k", "v")
            assert c.call("CLIENT", "CAPA", "redirect") == "OK"
            assert c.call("GET", "k") == b"v"
        cluster.wait_caught_up()
        with cluster.followers()[0].client() as c:
            assert c.call("GET", "k") == b"v"
            assert error(c, "SET", "k", "w") == "READONLY You can't write against a read only replica."
            assert error(c, "READONLY") == "ERR This instance has cluster support disabled"
            assert c.call("CLIENT", "CAPA", "nosuch", "REDIRECT") == "OK"
            for words in (["SET", "k", "w"], ["GET", "k"], ["BLPOP", "l", "0"]):
                assert error(c, *words) == where
            c.call("MULTI")
            assert error(c, "GET", "k") == where
            assert error(c, "EXEC").startswith("EXECABORT")
            assert c.call("READONLY") == "OK"
            assert c.call("GET", "k") == b"v" and error(c, "SET", "k", "w") == where
            assert c.call("READWRITE") == "OK" and error(c, "GET", "k") == where
            assert c.call("RESET") == "RESET" and c.call("GET", "k") == b"v"


def test_client_list_and_kill_by_what_they_name(plain):
    with plain.client() as c, plain.client() as other:
        me, it = c.call("CLIENT", "ID"), other.call("CLIENT", "ID")
        other.call("CLIENT", "SETNAME", "it")
        line = other.call("CLIENT", "INFO").decode()
        names = [pair.split("=")[0] for pair in line.split()]
        assert names == (
            "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs "
            "rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
        ).split()
        pairs = dict(pair.split("=", 1) for pair in line.split())
        assert pairs["name"] == "it" and pairs["cmd"] == "client|info" and pairs["id"] == str(it)

        def ids(*words):
            return [int(x) for x in re.findall(rb"^id=(\d+)", c.call("CLIENT", "LIST", *words), re.M)]

        assert set(ids()) >= {me, it} and ids("ID", it, me, "999999") == [it, me]
        assert ids("TYPE", "normal") == ids() and ids("TYPE", "replica") == ids("TYPE", "master") == []
        assert c.call("CLIENT", "KILL", "ID", it, "USER", "default", "ADDR", "1.1.1.1:1") == 0
        assert c.call("CLIENT", "KILL", "ID", it, "MAXAGE", "3600") == 0
        assert c.call("CLIENT", "KILL", "TYPE", "pubsub") == 0
        assert c.call("CLIENT", "KILL", "ID", me) == 0  # SKIPME
        assert c.call("CLIENT", "KILL", "ADDR", pairs["addr"], "LADDR", pairs["laddr"], "TYPE", "normal") == 1
        eventually(lambda: ids("ID", it) == [], what="it is gone")
        with pytest.raises((OSError, ConnectionClosed)):
            other.call("PING")
        for words in (("PAUSE", "0", "ALL", "x"), ("UNBLOCK", "1", "ERROR", "x")):
            want = f"ERR unknown subcommand or wrong number of arguments for '{words[0]}'. Try CLIENT HELP."
            assert error(c, "CLIENT", *words) == want


# ---- DEBUG of values and of the node ------------------------------------------------------------


def debug(client, *words):
    return client.call("DEBUG", *words).decode()


def test_debug_shows_how_values_are_kept(plain):
    with plain.client() as c:
        c.call("FLUSHALL")
        c.call("RPUSH", "l", "a", "12", "x" * 100, 'q"\x01')
        c.pipeline([("SADD", "s", "a", "b"), ("HSET", "h", "f", "v"), ("ZADD", "z", "1", "a"), ("XADD", "x", "*", "a", "b")])
        lines = debug(c, "LISTPACK", "l").splitlines()
        assert lines[0].startswith("entries: 4, bytes: ")
        assert lines[1:3] == ['  0: string of 1 bytes "a"', "  1: integer 12"]
        assert lines[3] == '  2: string of 100 bytes "' + "x" * 64 + '"...'
        assert lines[4] == '  3: string of 3 bytes "q\\x22\\x01"'
        for key, entries in (("s", 2), ("h", 2), ("z", 2)):
            assert debug(c, "LISTPACK", key).startswith(f"entries: {entries}, "), key
            assert error(c, "DEBUG", "HTSTATS-KEY", key) == (
                "ERR The value stored at the specified key is not represented using an hash table"
            )
        c.call("SET", "str", "hello")
        for key in ("x", "str"):
            assert error(c, "DEBUG", "LISTPACK", key) == "ERR Not a listpack encoded object."
        for words in ("LISTPACK", "QUICKLIST", "HTSTATS-KEY", "SDSLEN"):
            assert error(c, "DEBUG", words, "nokey") == "ERR no such key"
        c.call("RPUSH", "l", *(f"element:{i}" for i in range(2000)))
        assert error(c, "DEBUG", "LISTPACK", "l") == "ERR Not a listpack encoded object."
        assert error(c, "DEBUG", "QUICKLIST", "h") == "ERR Not a quicklist encoded object."
        lines = debug(c, "QUICKLIST", "l").splitlines()
        nodes = len(lines) - 1
        assert nodes > 1 and lines[0] == f"elements: 2004, nodes: {nodes}"
        assert sum(int(re.search(r"entries: (\d+)", line)[1]) for line in lines[1:]) == 2004
        c.call("LTRIM", "l", "0", "999")
        lines = debug(c, "QUICKLIST", "l", "1").splitlines()
        nodes = sum(line.startswith("node ") for line in lines)
        assert '  4: string of 9 bytes "element:0"' in lines and len(lines) == 1 + nodes + 1000
        c.call("RPUSH", "l", *("y" * 60 for i in range(9000)))
        assert debug(c, "QUICKLIST", "l", "1").endswith("...\n")
        big = [str(i) for i in range(3000)] + ["x"]
        c.call("SADD", "s", *big), c.call("HSET", "h", *big, "odd"), c.call("ZADD", "z", *(w for i in big[:-1] for w in (i, i)))
        for key, n in (("s", 3003), ("h", 1502), ("z", 3001)):
            text = debug(c, "HTSTATS-KEY", key)
            fill = re.findall(r"^ (\d+)(?: or more)?: (\d+)$", text, re.M)
            assert text.startswith(f"elements: {n}\n") and n * 0.9 < sum(int(i) * int(k) for i, k in fill) <= n, text
        c.call("HEXPIRE", "h", "100", "FIELDS", "1", "0")
        assert debug(c, "HTSTATS-KEY", "h").startswith("elements: 1502\n")


def test_debug_tells_lengths_and_allocations_of_strings(plain):
    with plain.client() as c:
        c.call("FLUSHALL")

        def sizes(key):
            text = c.call("DEBUG", "SDSLEN", key)
            return {k: int(v) for k, v in re.findall(r"(\w+): ?(\d+)", text)}

        c.call("SET", "some", "hello")
        c.call("SET", "long", "x" * 1000)
        s = sizes("some")
        assert (s["key_sds_len"], s["key_sds_avail"], s["val_sds_len"], s["val_sds_avail"], s["val_zmalloc"]) == (4, 0, 5, 0, 0)
        assert 4 + 5 < s["key_zmalloc"] <= 32
        s = sizes("long")
        assert s["val_sds_len"] == 1000 and s["val_sds_avail"] < 100 and 1000 < s["val_zmalloc"] < 1200
        c.call("APPEND", "long", "y" * 100)
        s = sizes("long")
        assert s["val_sds_len"] == 1100 and 500 < s["val_sds_avail"] < s["val_zmalloc"] - 1100
        c.call("SET", "number", "12"), c.call("RPUSH", "l", "a")
        for key in ("number", "l"):
            assert error(c, "DEBUG", "SDSLEN", key) == "ERR Not an sds encoded string."


def test_debug_stops_and_resumes_the_periodic_work(plain):
    with plain.client() as c:
        c.call("FLUSHALL")
        expired = int(info(c, "stats")["expired_keys"])
        assert c.call("DEBUG", "PAUSE-CRON", "1") == "OK"
        try:
            c.call("SET", "k", "v", "PX", "1")
            time.sleep(0.3)  # many rounds of the cron
            assert c.call("DBSIZE") == 1
        finally:
            assert c.call("DEBUG", "PAUSE-CRON", "0") == "OK"
        eventually(lambda: info(c, "stats")["expired_keys"] == str(expired + 1), what="the key is deleted")
        assert error(c, "DEBUG", "PAUSE-CRON", "2") == "ERR argument must be 0 or 1"


def test_debug_sorts_clients_by_what_they_take(plain):
    with plain.client() as c, plain.client() as big:
        assert error(c, "DEBUG", "CLIENT-EVICTION") == "ERR maxmemory-clients is disabled."
        c.call("CONFIG", "SET", "maxmemory-clients", "100mb")
        try:

            def count(least):
                rows = re.findall(r"^bucket +(\d+).*tot-mem: +(\d+), clients: (\d+)$", debug(c, "CLIENT-EVICTION"), re.M)
                assert len(rows) == 19 and all((int(m) == 0) == (n == "0") for _, m, n in rows)
                assert all(int(n) == 0 or int(m) >= int(low) * int(n) for low, m, n in rows)
                return sum(int(n) for low, _, n in rows if int(low) >= least)

            assert count(0) >= 2 and count(1 << 20) == 0
            big.send("ECHO", b"x" * (3 << 20))
            big.socket.sendall(b"*2\r\n$4\r\nECHO\r\n$3000000\r\n" + b"x" * 2900000)  # waits for the rest
            eventually(lambda: count(1 << 20) == 1, what="a large client")
            big.socket.sendall(b"x" * 100000 + b"\r\n")
            assert len(big.read()) == 3 << 20 and len(big.read()) == 3000000
            big.call("CLIENT", "NO-EVICT", "ON"), c.call("CLIENT", "NO-EVICT", "ON")
            assert count(0) <= 2
        finally:
            c.call("CONFIG", "SET", "maxmemory-clients", "0"), c.call("CLIENT", "NO-EVICT", "OFF")


def test_debug_reads_and_sets_numbers_of_the_allocator(plain):
    with plain.client() as c:
        if "jemalloc" not in info(c, "memory")["mem_allocator"]:
            assert error(c, "DEBUG", "MALLCTL", "arenas.narenas") == "ERR Function not implemented"
            return
        assert c.call("DEBUG", "MALLCTL", "arenas.narenas") >= 1  # 32 bits
        assert c.call("DEBUG", "MALLCTL", "background_thread") in (0, 1)  # one byte
        before = c.call("DEBUG", "MALLCTL", "arenas.dirty_decay_ms")
        assert c.call("DEBUG", "MALLCTL", "arenas.dirty_decay_ms", "-1") == before
        assert c.call("DEBUG", "MALLCTL", "arenas.dirty_decay_ms", str(before)) == -1
        assert error(c, "DEBUG", "MALLCTL", "nosuch") == "ERR No such file or directory"
        assert error(c, "DEBUG", "MALLCTL", "opt.background_thread", "1") == "ERR Operation not permitted"


def test_debug_refuses_what_has_no_meaning_and_lists_the_rest(plain):
    with plain.client() as c:
        for words in ("CHANGE-REPL-ID", "REPLYBUFFER RESIZING 0", "QUICKLIST-PACKED-THRESHOLD 10b", "STRINGMATCH-LEN 1 a"):
            assert error(c, "DEBUG", *words.split()).startswith(f"ERR DEBUG {words.split()[0]} does not exist here: ")
        listed = [line.split()[0] for line in c.call("DEBUG", "HELP")[1:] if not line.startswith(" ")]
        for word in ("LISTPACK", "QUICKLIST", "HTSTATS-KEY", "SDSLEN", "PAUSE-CRON", "CLIENT-EVICTION", "MALLCTL"):
            assert word in listed, word
        for word in set(listed) - {"HELP", "PANIC", "SEGFAULT", "DIGEST", "RELOAD", "CLIENT-EVICTION", "DIGEST-VALUE"}:
            assert error(c, "DEBUG", word).startswith("ERR unknown subcommand or wrong number of arguments")


# ---- DEBUG RELOAD ------------------------------------------------------------------------------


def test_reload_brings_back_the_same_data(plain):
    with plain.client() as c, plain.client() as waiting:
        c.call("FLUSHALL")
        c.call("DEBUG", "POPULATE", "2000", "r", "100")
        c.pipeline([("RPUSH", "l", "a", "b"), ("ZADD", "z", "1", "a"), ("SET", "t", "v", "EX", "1000")])
        waiting.send("BLPOP", "later", "0")
        digest = c.call("DEBUG", "DIGEST")
        assert c.call("DEBUG", "RELOAD") == "OK"
        assert c.call("DEBUG", "DIGEST") == digest and c.call("DBSIZE") == 2003
        assert 990 < c.call("TTL", "t") <= 1000
        c.call("SET", "after", "1")  # what the log has behind the snapshot
        digest = c.call("DEBUG", "DIGEST")
        assert c.call("DEBUG", "RELOAD", "NOSAVE") == "OK"
        assert c.call("DEBUG", "DIGEST") == digest
        c.call("RPUSH", "later", "x")
        assert waiting.read() == [b"later", b"x"]
        assert error(c, "DEBUG", "RELOAD", "NOFLUSH") == "ERR syntax error"


def test_reload_of_leader_and_follower_of_a_cluster():
    with Cluster(cluster_data_groups=3) as cluster:
        for node in cluster.nodes:
            node.call("DEBUG", "POPULATE", "1000")
        digests = cluster.digests()
        assert len(digests) == 1
        for node in cluster.nodes:
            assert node.call("DEBUG", "RELOAD") == "OK"
        assert cluster.digests() == digests
        assert sum(node.call("DBSIZE") for node in cluster.nodes) == 1000
