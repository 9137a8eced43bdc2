# SPDX-License-Identifier: BSD-3-Clause
"""The errors of Redis 7.0, from the table of all of them: each is provoked here and has the same text, or stands
below with the reason why not."""

import pathlib
import re

import pytest

from holdfast import Cluster, ReplyError

TABLE = pathlib.Path(__file__).parents[1] / "data" / "recordings" / "errors.tsv"

# Steps are separated by ";", the last one fails. Words are separated by blanks; "~" stands for an empty one.
PLAIN = """
-NOPROTO | HELLO 4
-WRONGPASS | AUTH nosuch x
-ERR AUTH <password> called | AUTH x
-ERR Protocol version is not | HELLO x
-ERR Syntax error in HELLO | HELLO 2 nosuch
-WRONGTYPE Operation | SET s v; LPUSH s a
-UNBLOCKED client unblocked | (unblock)
-EXECABORT Transaction discarded because of previous errors. | MULTI; !NOSUCH; EXEC
-EXECABORT Transaction discarded because of: | MULTI; EXEC x
-ERR EXEC without MULTI | EXEC
-ERR DISCARD without MULTI | DISCARD
-ERR MULTI calls can not be nested | MULTI; MULTI
-ERR WATCH inside MULTI | MULTI; WATCH k
-ERR Command not allowed inside a transaction | MULTI; SAVE
-ERR unknown command | NOSUCH a b
-ERR unknown subcommand '<name>'. | CONFIG nosuch
-ERR unknown subcommand or wrong number | DEBUG nosuch
-ERR wrong number of arguments | GET
-ERR syntax error | SET k v nosuch
-ERR no such key | RENAME nokey k
-ERR index out of range | RPUSH l a; LSET l 5 x
-ERR source and destination objects are the same | SET k v; COPY k k
-ERR value is not an integer or out of range | SET k v; INCR k
-ERR value is not a valid float | SET k v; INCRBYFLOAT k x
-ERR value is out of range, must be positive | RPUSH l a; LPOP l -1
-ERR value is out of range | SADD s a; SRANDMEMBER s -9223372036854775807
-ERR increment or decrement would overflow | SET k 9223372036854775807; INCR k
-ERR decrement would overflow | SET k 1; DECRBY k -9223372036854775808
-ERR increment would produce NaN or Infinity | SET k 1; INCRBYFLOAT k inf
-ERR hash value is not an integer | HSET h f x; HINCRBY h f 1
-ERR hash value is not a float | HSET h f x; HINCRBYFLOAT h f 1
-ERR resulting score is not a number | ZADD z inf m; ZINCRBY z -inf m
-ERR min or max is not a float | ZCOUNT z x 1
-ERR min or max not valid string range item | ZLEXCOUNT z a b
-ERR XX and NX options | ZADD z NX XX 1 a
-ERR GT, LT, and/or NX | ZADD z GT LT 1 a
-ERR INCR option supports | ZADD z INCR 1 a 2 b
-ERR syntax error, WITHSCORES not supported | ZRANGE z [a [b BYLEX WITHSCORES
-ERR syntax error, LIMIT is only supported | ZRANGE z 0 1 LIMIT 0 1
-ERR at least 1 input key | ZUNION 0 k
-ERR numkeys should be greater than 0 | SINTERCARD 0 k
-ERR LIMIT can't be negative | SINTERCARD 1 k LIMIT -1
-ERR count should be greater than 0 | LMPOP 1 k LEFT COUNT 0
-ERR weight value is not a float | ZADD z 1 a; ZUNION 1 z WEIGHTS x
-ERR offset is out of range | SETRANGE k -1 x
-ERR string exceeds maximum allowed size | SETRANGE k 536870912 x
-ERR bit offset is not | SETBIT k -1 1
-ERR bit is not an integer | SETBIT k 1 2
-ERR The bit argument must be 1 or 0. | BITPOS k 2
-ERR BITOP NOT must be called | BITOP NOT d a b
-ERR Invalid bitfield type. | BITFIELD k GET u64 0
-ERR BITFIELD_RO only supports | BITFIELD_RO k SET u8 0 1
-ERR invalid expire time | SET k v EX 0
-ERR NX and XX, GT or LT options | EXPIRE k 1 NX XX
-ERR GT and LT options | EXPIRE k 1 GT LT
-ERR Unsupported option | EXPIRE k 1 nosuch
-ERR timeout is not a float | BLPOP k x
-ERR timeout is negative | BLPOP k -1
-ERR timeout is not an integer | CLIENT PAUSE x
-ERR RANK can't be zero | LPOS l a RANK 0
-ERR COUNT can't be negative | LPOS l a COUNT -1
-ERR invalid cursor | SCAN x
-ERR invalid longitude,latitude pair | GEOADD g 181 0 a
-ERR unsupported unit provided. | GEODIST g a b nosuch
-ERR could not decode requested zset member | GEOADD g 1 1 a; GEOSEARCH g FROMMEMBER b BYRADIUS 1 km
-ERR DB index is out of range | SELECT 99
-ERR invalid first DB index | SWAPDB x 1
-ERR This instance has cluster support disabled | CLUSTER INFO
-ERR No such client | CLIENT KILL 1.1.1.1:1
-ERR No such user | CLIENT KILL USER nosuch
-ERR Client names cannot contain | (name)
-ERR Invalid command specified | COMMAND GETKEYS nosuch a
-ERR The command has no key arguments | COMMAND GETKEYS ping a
-ERR Invalid number of arguments specified | COMMAND GETKEYS get a b
-ERR Unknown option or number of arguments for CONFIG SET | CONFIG SET nosuch 1
-ERR CONFIG SET failed | CONFIG SET port 1
-ERR The server is running without a config file | CONFIG REWRITE
-ERR No shutdown in progress. | SHUTDOWN ABORT
-ERR An LFU maxmemory policy is not selected | SET k v; OBJECT FREQ k
-OOM command not allowed when used memory | CONFIG SET maxmemory 1; SET k v
-BUSYKEY | (restore)
-ERR DUMP payload version | RESTORE k 0 xxxxxxxxxxxx
-ERR Invalid TTL value | RESTORE k -1 x
-ERR COUNT must be > 0 | GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 km COUNT 0
-ERR <DEBUG\\|MODULE> command not allowed. | (nodebug)
-NOAUTH Authentication required. | CONFIG SET requirepass x; (connect); GET k
-NOAUTH HELLO must be called | CONFIG SET requirepass x; (connect); HELLO 3
-ERR Protocol error: unauthenticated multibulk length | CONFIG SET requirepass x; (connect); (raw) *11\\r\\n
-ERR Protocol error: unauthenticated bulk length | CONFIG SET requirepass x; (connect); (raw) *1\\r\\n$16385\\r\\n
-ERR max number of clients reached | CONFIG SET maxclients 1; (connect); GET k
-ERR Protocol error: invalid multibulk length | (raw) *x\\r\\n
-ERR Protocol error: invalid bulk length | (raw) *1\\r\\n$x\\r\\n
-ERR Protocol error: expected '$', got | (raw) *1\\r\\nx\\r\\n
-ERR Protocol error: unbalanced quotes | (raw) "x\\r\\n
-ERR Protocol error: too big inline request | (big) x
-ERR Protocol error: too big mbulk count string | (big) *1
-ERR Protocol error: too big bulk count string | (big) *1\\r\\n$1
"""
CLUSTER = """
-CROSSSLOT | MGET a b
-ERR SELECT is not allowed in cluster mode | SELECT 1
-ERR SWAPDB is not allowed in cluster mode | SWAPDB 0 1
-ERR MOVE is not allowed in cluster mode | MOVE a 1
-ERR Copying to another database is not allowed | COPY {a}1 {a}2 DB 1
-ERR Invalid slot | CLUSTER COUNTKEYSINSLOT 99999
-ERR Unknown node | CLUSTER REPLICAS nosuch
-ERR You should send CLUSTER FAILOVER to a replica | CLUSTER FAILOVER
"""

# Texts that begin like this are not provoked here.
ELSEWHERE = {
    # in tests of their own, which need more than one node, or time
    "-MOVED ": "test_groups.py",
    "-READONLY You can't write against a read only replica.": "test_introspection.py",
    "-CLUSTERDOWN ": "test_faults.py",
    "-MASTERDOWN Link with MASTER is down and": "test_faults.py",
    "-LOADING ": "test_snapshots.py",
    "-UNBLOCKED force unblock": "test_blocking.py",
    "-ERR WAIT cannot be used with replica instances.": "test_recordings.py",
    "-ERR Bad data format": "test_dump.py",
    "-DENIED ": "a client that is not local is needed",
    "-ERR Background save already in progress": "a snapshot that runs is needed",
    "-ERR Errors trying to SHUTDOWN": "a snapshot that fails is needed",
    "-ERR max number of clients + cluster connections": "peers are no clients here: the other text",
}
NOT_HERE = {
    "-ASK ": "slots do not move between groups",
    "-TRYAGAIN ": "likewise",
    "-NOREPLICAS ": "a write is acknowledged by a majority in any case",
    "-NOMASTERLINK ": "replicas do not use SYNC",
    "-MISCONF ": "a failed snapshot endangers no write; of a full disk the text is ours",
    "-BUSY Redis is busy running a module": "there are no modules",
    "-ERR REPLICAOF not allowed": "refused, with a reason of ours",
    "-ERR FAILOVER ": "likewise",
    "-ERR No failover in progress": "likewise",
    "-ERR Unrecognized REPLCONF": "likewise",
    "-ERR Replica can't interact": "likewise",
    "-ERR Invalid or out of range slot": "of subcommands that are refused; CLUSTER SLOT-STATS says it",
    "-ERR Slot <n> is already busy": "likewise",
    "-ERR Background append only file rewriting already": "a second one is scheduled",
    "-ERR": "SAVE says what failed",  # the whole text
    "-INPROG": "of sentinels",
    "-NOGOODSLAVE": "of sentinels",
    "-NOQUORUM": "of sentinels",
    "-ERR No such master with that name": "of sentinels",
    "-ERR Only HELLO messages": "of sentinels",
    "(none)": "of Valkey alone",
}
# By what it occurs in: parts with tests of their own.
PARTS = (
    "script|EVAL|FCALL|FUNCTION|function|NOSCRIPT|NOTBUSY|UNKILLABLE|BUSY|X[A-Z]+|[Ss]tream|XREAD|PF|HLL|ACL|SORT|"
    "MIGRATE|SUBSCRIBE|subscriber|CLIENT CACHING|denied|command not allowed$|EXEC reply|FUNCTION RESTORE|NOGROUP"
)


def rows():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]


def cases(text):
    for line in text.strip().splitlines():
        begin, steps = line.split(" | ", 1)
        yield begin.replace("\\|", "|"), steps.strip()


def row_of(begin):
    found = [r["text_redis_7_0_15"] for r in rows() if r["text_redis_7_0_15"].startswith(begin)]
    exact = [t for t in found if t == begin]
    return (exact or found)[0] if found else None


def pattern(text):
    """Of a text with <variable> parts."""
    parts = re.split(r"(<[^<>]*(?:<[^<>]*>)?[^<>]*>)", text[1:].rstrip())
    return "".join(".*" if p.startswith("<") else re.escape(p) for p in parts)


def unescaped(text):
    return text.encode().decode("unicode_escape").encode()


class Session:
    def __init__(self, node):
        self.node = node
        self.client = node.client()

    def error(self, words):
        """The error of a last step, or None."""
        c = self.client
        kind, _, rest = words.partition(" ")
        try:
            if kind == "(raw)":
                c.send_raw(unescaped(rest))
                c.read()
            elif kind == "(big)":
                c.send_raw(unescaped(rest) + b"1" * 70000)
                c.read()
            elif kind == "(name)":
                c.call("CLIENT", "SETNAME", "a b")
            elif kind == "(unblock)":
                c.send("BLPOP", "never", "0")
                with self.node.client() as other:
                    ids = re.findall(rb"^id=(\d+)", other.call("CLIENT", "LIST"), re.M)
                    while not any(other.call("CLIENT", "UNBLOCK", i, "ERROR") for i in ids):
                        pass
                c.read()
            elif kind == "(restore)":
                c.call("SET", "k", "v")
                c.call("RESTORE", "k", "0", c.call("DUMP", "k"))
            else:
                c.call(*words.split())
        except ReplyError as e:
            return e.text
        return None

    def run(self, steps):
        *before, last = [s.strip() for s in steps.split(";")]
        for step in before:
            if step == "(connect)":
                self.client = self.node.client()
            elif step.startswith("!"):
                assert self.error(step[1:]) is not None
            else:
                self.client.call(*step.split())
        return self.error(last)


@pytest.fixture(scope="module")
def plain():
    with Cluster(nodes=1, plain=True) as cluster:
        yield cluster.leader()


@pytest.fixture(scope="module")
def clustered():
    with Cluster(nodes=1) as cluster:
        yield cluster.leader()


def check(node, begin, steps):
    want = row_of(begin)
    assert want is not None, f"the table has no {begin}"
    with node.client() as keeper:
        keeper.call("FLUSHALL")
        keeper.call("CONFIG", "SET", "maxmemory", "0")
        session = Session(node)
        try:
            got = session.run(steps)
        finally:
            session.client.close()
            keeper.call("CONFIG", "SET", "requirepass", "", "maxclients", "1000", "maxmemory", "0")
    assert got is not None and re.fullmatch(pattern(want), got.rstrip()), (want, got)


@pytest.mark.parametrize("begin,steps", [c for c in cases(PLAIN) if c[1] != "(nodebug)"])
def test_the_same_text(plain, begin, steps):
    check(plain, begin, steps)


@pytest.mark.parametrize("begin,steps", list(cases(CLUSTER)))
def test_the_same_text_with_slots(clustered, begin, steps):
    check(clustered, begin, steps)


def test_debug_that_is_not_allowed():
    with Cluster(nodes=1, plain=True, enable_debug_command="no") as cluster, cluster.leader().client() as c:
        with pytest.raises(ReplyError) as e:
            c.call("DEBUG", "SLEEP", "0")
        want = row_of("-ERR <DEBUG|MODULE> command not allowed.")
        assert re.fullmatch(pattern(want), e.value.text)


def test_every_error_of_the_table_has_a_place():
    table = rows()
    assert len(table) > 200
    provoked = {row_of(begin) for begin, _ in [*cases(PLAIN), *cases(CLUSTER)]}
    assert None not in provoked
    lost = []
    for row in table:
        text, where = row["text_redis_7_0_15"], f"{row['prefix']} {row['occurs_when']}"
        known = (
            text in provoked
            or any(text == t if t == "-ERR" else text.startswith(t) for t in [*ELSEWHERE, *NOT_HERE])
            or re.search(PARTS, where)
            or re.search(PARTS, text)
        )
        if not known:
            lost.append(text)
    assert not lost, "\n".join(lost)
